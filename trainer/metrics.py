"""Figures by which a model is judged, all of them plain functions over arrays; and where a figure comes from."""

# scikit-learn documents numbers for zero_division; its annotations name only the string.
# pyright: reportArgumentType=false

from __future__ import annotations

import hashlib
import math
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from trainer.config import ROOT

PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "llama-cpp-python", "numpy", "scikit-learn")
"""Whose versions stand beside every result."""


def classification(
    truth: np.ndarray, probabilities: np.ndarray, *, seed: int = 0, rounds: int = 1000
) -> dict[str, float]:
    """Return accuracy, balanced accuracy, macro- and weighted F1, ECE, AUROC and a bootstrap interval.

    ``truth`` [n] holds label indexes, ``probabilities`` [n, labels] sum to 1. AUROC is one-vs-rest,
    macro, where there are more than two labels. The interval is the 2.5th and 97.5th percentile of
    macro-F1 over ``rounds`` resamples of the texts.
    """
    predicted = probabilities.argmax(1)
    low, high = bootstrap(lambda rows: macro_f1(truth[rows], predicted[rows]), len(truth), seed, rounds)
    return {
        "rows": len(truth),
        "accuracy": float((predicted == truth).mean()),
        "balanced_accuracy": float(balanced_accuracy_score(truth, predicted)),
        "macro_f1": macro_f1(truth, predicted),
        "macro_f1_ci95_low": low,
        "macro_f1_ci95_high": high,
        "weighted_f1": float(f1_score(truth, predicted, average="weighted", zero_division=0.0)),
        "ece": ece(truth, probabilities),
        "auroc": auroc(truth, probabilities),
    }


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the unweighted mean of F1 over the labels that occur in truth or prediction."""
    if not len(truth) or not all(np.asarray(values).dtype.kind in "iub" for values in (truth, predicted)):
        return float(f1_score(truth, predicted, average="macro", zero_division=0.0))
    # F1 = 2 hits / (said + true). Counted here, because a bootstrap asks a thousand times and scikit-learn checks
    # its arguments at length each time.
    true, said = np.asarray(truth).astype(np.int64), np.asarray(predicted).astype(np.int64)
    size = int(max(true.max(), said.max())) + 1
    total = np.bincount(true, minlength=size) + np.bincount(said, minlength=size)
    hits = np.bincount(true[true == said], minlength=size)
    return float((2 * hits[total > 0] / total[total > 0]).mean())


def positive_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return F1 of the positive class."""
    hits = float((truth & predicted).sum())
    total = float(truth.sum() + predicted.sum())
    return 2 * hits / total if total else 0.0


def auroc(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean one-vs-rest AUROC over labels that occur both ways; NaN if there is none."""
    columns = [0] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    values = [
        float(roc_auc_score(truth == label, probabilities[:, label]))
        for label in columns
        if 0 < (truth == label).sum() < len(truth)
    ]
    return float(np.mean(values)) if values else float("nan")


def ece(truth: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error of the top label over ``bins`` bins of equal mass."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == truth
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [len(part) * abs(float(right[part].mean() - confidence[part].mean())) for part in parts if len(part)]
    return float(sum(gaps) / len(truth))


def binary_ece(truth: np.ndarray, probability: np.ndarray, bins: int = 10) -> float:
    """Return the calibration error of one probability against 0/1 truth over bins of equal mass."""
    parts = np.array_split(np.argsort(probability, kind="stable"), min(bins, len(probability)))
    gaps = [len(p) * abs(float(truth[p].mean() - probability[p].mean())) for p in parts if len(p)]
    return float(sum(gaps) / len(truth))


def bootstrap(figure: Callable[[np.ndarray], float], rows: int, seed: int, rounds: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of ``figure`` over resampled row indexes."""
    if rounds <= 0 or rows == 0:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    values = [figure(rng.integers(0, rows, rows)) for _ in range(rounds)]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def best_f1_threshold(
    truth: np.ndarray,
    probability: np.ndarray,
    weights: np.ndarray | None = None,
    low: float = 0.1,
    high: float = 0.9,
) -> float:
    """Return the threshold in [low, high] with the highest F1 for ``truth`` 0/1; the lower one of equals.

    ``weights``: how much each row counts; all the same when not given.
    """
    grid = np.linspace(low, high, 81)
    there = np.asarray(truth, dtype=bool)
    share = np.ones(len(there)) if weights is None else np.asarray(weights, dtype=np.float64)
    scores = []
    for line in grid:
        found = probability >= line
        hits = float(share[there & found].sum())
        scores.append(2 * hits / max(1e-12, float(share[there].sum() + share[found].sum())))
    return float(grid[int(np.argmax(scores))])


def shares(scores: Sequence[float], threshold: float) -> float:
    """Return the share of ``scores`` at or above ``threshold``; NaN for no scores."""
    values = np.asarray(scores, dtype=np.float64)
    return float((values >= threshold).mean()) if len(values) else float("nan")


def confusion(truth: np.ndarray, predicted: np.ndarray, labels: int) -> np.ndarray:
    """Return counts [labels, labels]: row by true label, column by predicted one."""
    matrix = np.zeros((labels, labels), dtype=np.int64)
    np.add.at(matrix, (truth, predicted), 1)
    return matrix


def recalls(matrix: np.ndarray) -> np.ndarray:
    """Return recall of each label from a confusion matrix; NaN for labels that never occur."""
    totals = matrix.sum(1)
    return np.where(totals > 0, np.diag(matrix) / np.maximum(totals, 1), np.nan)


def pr_auc(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Return average precision, one-vs-rest and macro for more than two labels; NaN if none occurs both ways.

    Of two labels the first is the positive one, as in the contract's yes / no.
    """
    columns = [0] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    values = [
        float(average_precision_score(truth == label, probabilities[:, label]))
        for label in columns
        if 0 < (truth == label).sum() < len(truth)
    ]
    return float(np.mean(values)) if values else float("nan")


def sensitivity_at(truth: np.ndarray, scores: np.ndarray, specificity: float) -> float:
    """Return the highest sensitivity for 0/1 ``truth`` at no less than ``specificity``; NaN if undefined."""
    if not 0 < truth.sum() < len(truth):
        return float("nan")
    false_rate, true_rate, _ = roc_curve(truth, scores, drop_intermediate=False)
    return float(true_rate[false_rate <= 1 - specificity + 1e-12].max(initial=0.0))


def specificity_at(truth: np.ndarray, scores: np.ndarray, sensitivity: float) -> float:
    """Return the highest specificity at no less than ``sensitivity``; NaN if undefined."""
    if not 0 < truth.sum() < len(truth):
        return float("nan")
    false_rate, true_rate, _ = roc_curve(truth, scores, drop_intermediate=False)
    return float((1 - false_rate[true_rate >= sensitivity - 1e-12]).max(initial=0.0))


def brier(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean squared distance of probabilities [n, labels] from the truth (Brier 1950), 0 to 2."""
    wanted = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - wanted) ** 2).sum(1).mean())


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Return (PPV, NPV) by Bayes' rule at a stated prevalence; NaN where nobody is called so."""
    hit, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    clear, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return (
        hit / (hit + false) if hit + false else float("nan"),
        clear / (clear + missed) if clear + missed else float("nan"),
    )


def reliability(truth: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> list[tuple[float, float, int]]:
    """Return (mean confidence, accuracy, texts) of the top label by bins of equal mass, the data of :func:`ece`."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == truth
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(truth)))
    return [(float(confidence[p].mean()), float(right[p].mean()), len(p)) for p in parts if len(p)]


def quadratic_kappa(matrix: np.ndarray) -> float:
    """Return Cohen's kappa with quadratic weights of a confusion matrix over ordered labels (Cohen 1968)."""
    size, total = len(matrix), matrix.sum()
    if size < 2 or not total:
        return float("nan")
    steps = np.arange(size)
    weights = (steps[:, None] - steps[None, :]) ** 2 / (size - 1) ** 2
    expected = np.outer(matrix.sum(1), matrix.sum(0)) / total
    chance = float((weights * expected).sum())
    return 1 - float((weights * matrix).sum()) / chance if chance else float("nan")


def risk_coverage(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the area under the risk-coverage curve: mean error when only the k surest are answered, over all k.

    Geifman & El-Yaniv 2017; lower is better, the error rate itself is what a confidence without meaning gives.
    """
    order = np.argsort(-probabilities.max(1), kind="stable")
    wrong = (probabilities.argmax(1) != truth)[order]
    return float((np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean())


def paired_difference(
    figure: Callable[[np.ndarray, np.ndarray], float],
    truth: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    seed: int = 0,
    rounds: int = 1000,
) -> tuple[float, float, float]:
    """Return ``figure(truth, ours) - figure(truth, theirs)`` and its 95 % interval over the same resampled rows."""
    whole = figure(truth, ours) - figure(truth, theirs)
    low, high = bootstrap(
        lambda rows: figure(truth[rows], ours[rows]) - figure(truth[rows], theirs[rows]), len(truth), seed, rounds
    )
    return whole, low, high


def mcnemar(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the exact two-sided p of McNemar's test: whether one of two models is right more often on them."""
    better = int(((ours == truth) & (theirs != truth)).sum())
    worse = int(((ours != truth) & (theirs == truth)).sum())
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def screening(truth: np.ndarray, scores: np.ndarray, prevalence: float = 0.05) -> dict[str, float]:
    """Return the figures of a yes / no screen for 0/1 ``truth``: sensitivity and specificity at fixed points, PPV, NPV.

    PPV and NPV are those of the point at specificity .90, at ``prevalence``.
    """
    at90 = sensitivity_at(truth, scores, 0.90)
    ppv, npv = predictive_values(at90, 0.90, prevalence)
    return {
        "sensitivity_at_specificity_90": at90,
        "sensitivity_at_specificity_80": sensitivity_at(truth, scores, 0.80),
        "specificity_at_sensitivity_90": specificity_at(truth, scores, 0.90),
        "ppv_at_specificity_90": ppv,
        "npv_at_specificity_90": npv,
        "prevalence_assumed": prevalence,
    }


def curve_points(truth: np.ndarray, scores: np.ndarray, most: int = 101) -> dict[str, list[list[float]]]:
    """Return the ROC and the precision-recall curve of 0/1 ``truth`` as [xs, ys] of at most ``most`` points.

    ROC: false-positive and true-positive rate; PR: recall and precision. Empty where only one class occurs.
    """
    if not 0 < truth.sum() < len(truth):
        return {}
    false_rate, true_rate, _ = roc_curve(truth, scores)
    precision, recall, _ = precision_recall_curve(truth, scores)
    found = {}
    for name, x, y in (("roc", false_rate, true_rate), ("pr", recall[::-1], precision[::-1])):
        chosen = np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).round().astype(int))
        found[name] = [x[chosen].tolist(), y[chosen].tolist()]
    return found


def provenance(*, data: Sequence[Path], model: Path | None, seed: int) -> dict[str, Any]:
    """Return what stands beside every result: hashes of data and model, seed, versions, machine and commit.

    ``data`` are files; ``model`` is a file, or a folder whose files count by name and content; None for no model.
    """
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "data_sha256": _sha256(sorted(path for path in data if path.is_file())),
        "model_sha256": _model_sha256(model),
        "seed": seed,
        "versions": versions,
        "machine": machine(),
        "commit": commit(),
    }


def machine() -> str:
    """Return processor family, number of cores and system, without the name of the computer."""
    model = ""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        model = platform.processor()
    return f"{model or platform.machine()}, {os.cpu_count()} cores, {platform.system()}"


def commit() -> str:
    """Return the commit of the source, or an empty string outside a repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def rounded(value: Any, digits: int = 6) -> Any:
    """Return ``value`` as it goes into JSON: floats rounded, what is not finite as null, tuples and arrays as lists."""
    if isinstance(value, float | np.floating):
        return round(float(value), digits) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [rounded(item, digits) for item in value]
    return value


def _sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _model_sha256(model: Path | None) -> str | None:
    if model is None or not model.exists():
        return None
    if model.is_dir():
        return _sha256(sorted(path for path in model.rglob("*") if path.is_file()))
    with model.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
