"""Figures by which a reader is judged; all of them plain functions over arrays."""

# scikit-learn documents numbers for zero_division; its annotations name only the string.
# pyright: reportArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score


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
    return float(f1_score(truth, predicted, average="macro", zero_division=0.0))


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


def best_f1_threshold(truth: np.ndarray, probability: np.ndarray, low: float = 0.1, high: float = 0.9) -> float:
    """Return the threshold in [low, high] with the highest F1 for ``truth`` 0/1; the lower one of equals."""
    grid = np.linspace(low, high, 81)
    scores = [positive_f1(np.asarray(truth, dtype=bool), probability >= t) for t in grid]
    return float(grid[int(np.argmax(scores))])


def shares(scores: Sequence[float], threshold: float) -> float:
    """Return the share of ``scores`` at or above ``threshold``; NaN for no scores."""
    values = np.asarray(scores, dtype=np.float64)
    return float((values >= threshold).mean()) if len(values) else float("nan")
