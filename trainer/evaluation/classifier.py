"""The stage ``evaluate`` of classifiers: test, once, next to TF-IDF on the same rows.

Every figure is there twice, for the classifier and for the floor; thresholds of both were set on valid.
Texts never leave this module.
"""

# scikit-learn documents numbers for zero_division; its annotations name only the string.
# pyright: reportArgumentType=false

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_fscore_support, roc_auc_score

from trainer.classifier import Classifier, Scheme, decide, rows_of, score, thresholds, truth_of
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.evaluation import figures
from trainer.evaluation.page import write_page
from trainer.metrics import binary_ece, bootstrap, brier, classification, provenance, reliability, rounded, screening
from trainer.progress import Progress
from trainer.records import Example, read_examples

REPORT = "evaluate.json"
TIMED = 64
"""Most texts whose latency is measured one by one."""
MOST_DRAWN = 12
"""Labels of a confusion matrix that can still be read."""


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Write ``evaluate.json`` and its page; raise :class:`TrainerError` without a model or test rows."""
    classifier = Classifier.load(paths.model)
    scheme = classifier.scheme
    files = {split: paths.prepared / f"instructions-{split}.jsonl.gz" for split in ("train", "valid", "test")}
    rows = {split: rows_of(scheme, read_examples(path)) for split, path in files.items()}
    if not rows["test"]:
        raise TrainerError(f"there is no test row of {scheme.task}: give the source a test split or a share of one")
    truth = {split: truth_of(scheme, found) for split, found in rows.items()}
    began = time.monotonic()
    values = classifier.probabilities([example.input for example in rows["test"]])
    seconds = time.monotonic() - began
    result = figures_of(scheme, truth["test"], values, recipe.seed)
    progress.say(f"evaluate: TF-IDF on {len(rows['train']):,} texts of {scheme.task}")
    floor_values, floor_cuts = floor(scheme, rows, truth)
    rival = figures_of(replace(scheme, thresholds=floor_cuts), truth["test"], floor_values, recipe.seed)
    report: dict[str, Any] = {
        "model": recipe.name,
        "task": scheme.task,
        "labels": list(scheme.labels),
        "several_labels_a_text": scheme.multi,
        "rows": {split: len(found) for split, found in rows.items()},
        "thresholds": list(scheme.thresholds),
        "tasks": {
            scheme.task: {
                **result,
                "tfidf": rival,
                "source": ", ".join(sorted({example.source for example in rows["test"]})),
            }
        },
        "speed": _speed(classifier, [example.input for example in rows["test"]], seconds),
        "size": {
            "parameters": sum(weight.numel() for weight in classifier.model.parameters()),
            "megabytes": round(sum(path.stat().st_size for path in paths.model.iterdir()) / 1e6, 2),
            "peak_memory_mb": round(peak_memory() / 1e6, 1),
        },
        **provenance(data=list(files.values()), model=paths.model, seed=recipe.seed),
    }
    report = rounded(report)
    path = paths.reports / REPORT
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    progress.say(
        f"evaluate: macro-F1 {result['macro_f1']:.3f} (TF-IDF {rival['macro_f1']:.3f}) on {len(rows['test']):,} texts"
    )
    outputs = (path, *_page(recipe, paths, report))
    return StageResult(outputs, {"macro_f1": result["macro_f1"], "tfidf_macro_f1": rival["macro_f1"]})


def figures_of(scheme: Scheme, truth: np.ndarray, values: np.ndarray, seed: int) -> dict[str, Any]:
    """Return every figure for ``values`` (probabilities [n, labels]) against ``truth``, see ``classifier.truth_of``."""
    return _several(scheme, truth, values, seed) if scheme.multi else _one(scheme, truth, values, seed)


def _one(scheme: Scheme, truth: np.ndarray, values: np.ndarray, seed: int) -> dict[str, Any]:
    labels = range(len(scheme.labels))
    result: dict[str, Any] = classification(truth, values, seed=seed)
    predicted = values.argmax(1)
    scores: Any = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0.0)
    precision, recall, f1, count = scores
    areas = [_areas(truth == i, values[:, i]) for i in labels]
    result["pr_auc"] = _mean([area[1] for area in areas])
    result["by_label"] = {
        name: {
            "rows": int(count[i]),
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "auroc": areas[i][0],
            "pr_auc": areas[i][1],
        }
        for i, name in enumerate(scheme.labels)
    }
    result["confusion_matrix"] = confusion_matrix(truth, predicted, labels=labels).tolist()
    result["brier"] = brier(truth, values)
    result["reliability"] = reliability(truth, values)
    if scheme.labels == ("yes", "no"):
        result["screening"] = screening(truth == 0, values[:, 0])
    if scheme.thresholds:
        result["macro_f1_tuned"] = score(scheme, truth, values, decide(scheme, values))
    return result


def _several(scheme: Scheme, truth: np.ndarray, values: np.ndarray, seed: int) -> dict[str, Any]:
    decided, plain = decide(scheme, values), decide(scheme, values, tuned=False)
    known = truth >= 0
    right = truth == 1
    by_label: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(scheme.labels):
        here = known[:, i]
        true, said, p = right[here, i], decided[here, i], values[here, i]
        if not here.any():
            continue
        hits = float((true & said).sum())
        auroc, pr_auc = _areas(true, p)
        by_label[name] = {
            "rows": int(here.sum()),
            "positive": int(true.sum()),
            "threshold": scheme.thresholds[i] if scheme.thresholds else 0.5,
            "precision": hits / float(said.sum()) if said.any() else 0.0,
            "recall": hits / float(true.sum()) if true.any() else 0.0,
            "f1": 2 * hits / float(true.sum() + said.sum()) if (true.any() or said.any()) else 0.0,
            "auroc": auroc,
            "pr_auc": pr_auc,
            "ece": binary_ece(true.astype(float), p),
            "confusion_matrix": confusion_matrix(true, said, labels=[False, True]).tolist(),
        }
    occurring = [facts for facts in by_label.values() if facts["positive"]]
    weights = [facts["positive"] for facts in occurring]
    hits = float((right & decided & known).sum())
    total = float((right & known).sum() + (decided & known).sum())
    low, high = bootstrap(
        lambda chosen: score(scheme, truth[chosen], values[chosen], decided[chosen]), len(truth), seed, 200
    )
    return {
        "rows": len(truth),
        # Share of labels that are right, and of texts all of whose known labels are.
        "accuracy": float((decided == right)[known].mean()),
        "exact_match": float(((decided == right) | ~known).all(1).mean()),
        "macro_f1": score(scheme, truth, values, decided),
        "macro_f1_ci95_low": low,
        "macro_f1_ci95_high": high,
        "macro_f1_at_half": score(scheme, truth, values, plain),
        "micro_f1": 2 * hits / total if total else 0.0,
        "weighted_f1": float(np.average([facts["f1"] for facts in occurring], weights=weights)) if occurring else 0.0,
        "auroc": _mean([facts["auroc"] for facts in occurring]),
        "pr_auc": _mean([facts["pr_auc"] for facts in occurring]),
        "ece": _mean([facts["ece"] for facts in by_label.values()]),
        "by_label": by_label,
    }


def floor(
    scheme: Scheme, rows: dict[str, list[Example]], truth: dict[str, np.ndarray]
) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return TF-IDF's probabilities [test rows, labels] and its thresholds of valid.

    Words (1-2) and characters inside words (2-4; Korean joins its words) side by side, logistic regression,
    C of 1 and 10 with and without class weights, the better by macro-F1 on valid.
    """
    texts = {split: [example.input for example in found] for split, found in rows.items()}
    least = 2 if len(texts["train"]) > 50 else 1
    makers = (
        TfidfVectorizer(ngram_range=(1, 2), min_df=least, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),
        TfidfVectorizer(ngram_range=(2, 4), analyzer="char_wb", min_df=least, sublinear_tf=True, max_features=200_000),
    )
    for maker in makers:
        maker.fit(texts["train"])
    x = {
        split: sparse.hstack([maker.transform(found or [""]) for maker in makers]).tocsr()
        for split, found in texts.items()
    }
    best: tuple[float, np.ndarray, tuple[float, ...]] | None = None
    for strength in (1.0, 10.0):
        for weight in (None, "balanced"):
            fitted = _fit(scheme, x["train"], truth["train"], strength, weight)
            valid = fitted(x["valid"])[: len(texts["valid"])]
            cuts = thresholds(scheme, truth["valid"], valid) if len(valid) else ()
            tuned = replace(scheme, thresholds=cuts)
            reached = (
                score(tuned, truth["valid"], valid, decide(tuned, valid, tuned=scheme.multi)) if len(valid) else 0.0
            )
            if best is None or reached > best[0]:
                best = (reached, fitted(x["test"]), cuts)
    assert best is not None
    return best[1], best[2]


def _fit(scheme: Scheme, x: Any, truth: np.ndarray, strength: float, weight: str | None) -> Any:
    """Return a function from features to probabilities [rows, labels]."""
    size = len(scheme.labels)
    if not scheme.multi:
        if len(set(truth.tolist())) < 2:
            return lambda z: np.eye(size)[np.full(z.shape[0], truth[0])]
        model = LogisticRegression(C=strength, class_weight=weight, max_iter=2000).fit(x, truth)

        def one(z: Any) -> np.ndarray:
            values = np.zeros((z.shape[0], size))
            values[:, model.classes_] = model.predict_proba(z)
            return values

        return one
    models: list[Any] = []
    for i in range(size):
        known = np.flatnonzero(truth[:, i] >= 0)
        right = truth[known, i] == 1
        if len(known) == 0 or right.all() or not right.any():
            models.append(float(right.mean()) if len(known) else 0.0)
            continue
        fit = LogisticRegression(C=strength, class_weight=weight, solver="liblinear", max_iter=500)
        models.append(fit.fit(x[known], right))

    def several(z: Any) -> np.ndarray:
        columns = [np.full(z.shape[0], m) if isinstance(m, float) else m.predict_proba(z)[:, 1] for m in models]
        return np.stack(columns, axis=1)

    return several


def _speed(classifier: Classifier, texts: Sequence[str], seconds: float) -> dict[str, float]:
    times = []
    for text in texts[:TIMED]:
        began = time.perf_counter()
        classifier.probabilities([text])
        times.append(1000 * (time.perf_counter() - began))
    return {
        "texts_per_s_in_batches_of_32": len(texts) / seconds,
        "one_text_ms_median": float(np.median(times)),
        "one_text_ms_p95": float(np.percentile(times, 95)),
    }


def peak_memory() -> int:
    """Return the most memory that this process has held, in bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    # Kilobytes, but bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _areas(truth: np.ndarray, values: np.ndarray) -> tuple[float | None, float | None]:
    if truth.all() or not truth.any():
        return None, None
    return float(roc_auc_score(truth, values)), float(average_precision_score(truth, values))


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return float(np.mean(found)) if found else None


def _page(recipe: Recipe, paths: RunPaths, report: dict[str, Any]) -> tuple[Path, ...]:
    """Write the report that a person reads; return its files."""
    names = ("accuracy", "balanced_accuracy", "exact_match", "macro_f1", "micro_f1", "weighted_f1", "auroc", "pr_auc")
    here = report["tasks"][report["task"]]
    rival = here["tfidf"]
    shown = [name for name in (*names, "ece", "brier") if name in here]
    blocks: list[Any] = [
        (
            "text",
            f"{report['rows']['test']:,} test texts of {here['source']}; TF-IDF on the same rows. "
            "Thresholds were set on valid.",
        ),
        ("table", ["figure", "classifier", "TF-IDF"], [[name, here.get(name), rival.get(name)] for name in shown]),
        (
            "table",
            ["label", "rows", "precision", "recall", "F1", "AUROC", "PR-AUC"],
            [
                [
                    label,
                    facts.get("positive", facts["rows"]),
                    *(facts[name] for name in ("precision", "recall", "f1", "auroc", "pr_auc")),
                ]
                for label, facts in here["by_label"].items()
            ],
        ),
    ]
    outputs: list[Path] = []
    if "confusion_matrix" in here:
        if len(report["labels"]) <= MOST_DRAWN:
            target = paths.figures / "confusion.png"
            matrices = {
                name: np.array(found["confusion_matrix"]) for name, found in (("classifier", here), ("TF-IDF", rival))
            }
            figures.confusion_grid(matrices, report["labels"], target, f"{report['task']}: test")
            blocks.append(("figure", target, "Rows are what is right, columns what was said."))
            outputs.append(target)
        target = paths.figures / "reliability.png"
        figures.reliability({report["task"]: here["reliability"]}, target)
        blocks.append(("figure", target, "How often the classifier is right, by how sure it is; the line is perfect."))
        outputs.append(target)
    blocks.append(("table", ["speed and size", ""], [[k, v] for k, v in (report["speed"] | report["size"]).items()]))
    html, markdown = paths.reports / "evaluate.html", paths.reports / "evaluate.md"
    write_page(html, markdown, f"{recipe.name}: {report['task']}", blocks)
    return (html, markdown, *outputs)
