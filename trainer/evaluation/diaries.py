"""What a model shows of diaries: entries written and passages labelled for this project, of their test part.

Measured as the app decides, at the lines of the manifest. The people who wrote and labelled these texts
also set the lines (on other entries), so the figures say how the model does on diaries as they see them,
and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from journal_app.contract.bands import bands as bands_of
from journal_app.contract.manifest import Manifest
from journal_app.inference.engine import Reading
from journal_app.inference.llama import LlamaReader
from journal_app.journal.analysis import MIN_WORDS_FOR_MODEL
from trainer.calibrate import LEAST_POSITIVES
from trainer.corpora import labelled
from trainer.corpora.labelled import Entry


def entries(data: Path | None, labelled_sets: Sequence[str] = ()) -> dict[str, list[Entry]]:
    """Return the test entries by kind: ``written_en``, ``written_ko`` and, with the corpora, ``labelled_blogs``.

    ``labelled_sets``: those that the recipe names; passages of blogs are looked up only for a recipe that has them.
    """
    found = {f"written_{name}": labelled.written(name) for name in ("en", "ko")}
    if data is not None and "labelled_blogs" in labelled_sets:
        found["labelled_blogs"] = list(labelled.passages(data))
    return {kind: [entry for entry in rows if entry.split == "test"] for kind, rows in found.items()}


def judge(reader: LlamaReader, found: Mapping[str, Sequence[Entry]]) -> dict[str, Any]:
    """Return the figures of :func:`figures` for each kind of entry, and ``english`` for all English ones together."""
    manifest = reader.info().manifest
    readings = {
        kind: reader.read([entry.text for entry in rows], evidence=False) for kind, rows in found.items() if rows
    }
    result = {kind: figures(manifest, found[kind], readings[kind]) for kind in readings}
    english = [kind for kind in readings if kind != "written_ko"]
    if len(english) > 1:
        rows = [entry for kind in english for entry in found[kind]]
        result["english"] = figures(manifest, rows, [reading for kind in english for reading in readings[kind]])
    return result


def figures(manifest: Manifest, rows: Sequence[Entry], readings: Sequence[Reading]) -> dict[str, Any]:
    """Return what the app would show of ``rows`` against what they hold.

    ``feelings``, ``themes``: AUROC by label (unsure feelings left out), its mean, and precision, recall and F1 of what
    is shown, over all labels together. ``stress``, ``low_mood``: percent "many" and "some" by what the entry holds.
    ``crisis``: percent in which the model alone reaches its line, by level. Texts in a language that the model does not
    read count as ``not_readable`` and nowhere else.
    """
    known = [(entry, reading) for entry, reading in zip(rows, readings, strict=True) if reading.readable]
    result: dict[str, Any] = {"texts": len(rows), "not_readable": len(rows) - len(known)}
    if not known:
        return result
    for task, thresholds in (("feelings", manifest.feelings_thresholds), ("themes", manifest.themes_thresholds)):
        if task in manifest.tasks:
            result[task] = _several(task, manifest.tasks[task], thresholds, known)
    marks = [bands_of(manifest, reading.tasks, reading.words) for _, reading in known]
    for name in ("stress", "low_mood"):
        by_truth: dict[str, Any] = {}
        for truth in ("quiet", "some", "many"):
            chosen = [
                mark[name] for mark, (entry, _) in zip(marks, known, strict=True) if getattr(entry, name) == truth
            ]
            if chosen:
                shown = {
                    f"{mark}_percent": 100 * chosen.count(mark) / len(chosen) for mark in ("some", "many", "unsure")
                }
                by_truth[truth] = {"texts": len(chosen), **shown}
        result[name] = by_truth
    result["crisis"] = _crisis(manifest, known)
    return result


def _several(
    task: str, labels: Sequence[str], thresholds: Mapping[str, float], known: Sequence[tuple[Entry, Reading]]
) -> dict[str, Any]:
    areas: dict[str, Any] = {}
    hits = shown = there = 0
    for label in labels:
        # Reading and entry agree on the contract's labels; what nobody is sure of counts for neither side.
        pairs = [(e, r) for e, r in known if task != "feelings" or label not in e.unsure]
        truth = np.array([label in (e.feelings if task == "feelings" else e.themes) for e, _ in pairs])
        score = np.array([r.tasks[task][label] for _, r in pairs])
        mark = score >= thresholds.get(label, 0.5)
        hits, shown, there = hits + int((truth & mark).sum()), shown + int(mark.sum()), there + int(truth.sum())
        enough = LEAST_POSITIVES <= truth.sum() <= len(truth) - LEAST_POSITIVES
        areas[label] = {"positives": int(truth.sum()), "auroc": float(roc_auc_score(truth, score)) if enough else None}
    values = [area["auroc"] for area in areas.values() if area["auroc"] is not None]
    return {
        "mean_auroc": float(np.mean(values)) if values else None,
        "labels_with_auroc": len(values),
        "precision": hits / shown if shown else None,
        "recall": hits / there if there else None,
        "f1": 2 * hits / (shown + there) if shown + there else None,
        "labels": areas,
    }


def _crisis(manifest: Manifest, known: Sequence[tuple[Entry, Reading]]) -> dict[str, Any]:
    if "suicidality" not in manifest.tasks:
        return {}
    result: dict[str, Any] = {}
    values = [(e.crisis, r.tasks["suicidality"]["yes"], r.words >= MIN_WORDS_FOR_MODEL) for e, r in known]
    for level in ("none", "gentle", "clear", "urgent"):
        chosen = [score >= manifest.crisis_threshold and enough for truth, score, enough in values if truth == level]
        if chosen:
            result[level] = {"texts": len(chosen), "flagged_percent": 100 * sum(chosen) / len(chosen)}
    calm = np.array([score for truth, score, _ in values if truth == "none"])
    heavy = np.array([score for truth, score, _ in values if truth in ("clear", "urgent")])
    if len(calm) and len(heavy):
        result["auroc"] = float(roc_auc_score([False] * len(calm) + [True] * len(heavy), [*calm, *heavy]))
        result["sensitivity_at_90_specificity"] = float((heavy > np.quantile(calm, 0.9)).mean())
    return result
