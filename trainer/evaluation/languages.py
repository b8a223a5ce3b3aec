"""Feelings in sets outside the recipe's tasks, above all in Korean: does the model read them better than word counts?

A language is read only where the quantised file, with its own calibration and thresholds, is at or above the floor on
every set of that language: the stronger of two TF-IDF models (words; words and characters) trained on the very rows of
that set. Without that the language is refused: what the recipe claims is taken out of the packaged file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from journal_app.contract.manifest import Manifest
from journal_app.inference.engine import ModelError
from journal_app.inference.llama import LlamaReader
from journal_app.inference.scoring import probabilities
from trainer import baseline
from trainer.calibrate import known
from trainer.config import Recipe, RunPaths, TrainerError
from trainer.corpora.files import Row
from trainer.corpora.known import KNOWN
from trainer.lessons import FEELINGS, further
from trainer.metrics import positive_f1
from trainer.progress import Progress

FIRST = "en"
"""The language of the tasks themselves, which have floors of their own."""
MOST = 2000
"""Test rows of a set; more would take a small model on a CPU hours and tell the same."""
_CHUNK = 200


def run(
    recipe: Recipe, paths: RunPaths, progress: Progress, target: Path, *, threads: int | None = None
) -> dict[str, Any]:
    """Return by set of ``writer.feelings`` how the GGUF at ``target`` reads its test rows, beside the floor.

    Empty where the recipe names no such set, or where there are no corpora. Raises :class:`TrainerError` when the file
    cannot be read, and ``CorpusError`` for a corpus that is not sound.
    """
    if not recipe.writer.sets or paths.data is None:
        return {}
    found: dict[str, Any] = {}
    try:
        with LlamaReader(target, threads=threads) as reader:
            manifest = reader.info().manifest
            for name in recipe.writer.sets:
                splits = {s: further(paths.corpora(), name, s, None)[0] for s in ("train", "valid", "test")}
                rows = splits["test"][:: max(1, len(splits["test"]) // MOST)][:MOST]
                if FEELINGS not in manifest.tasks or not rows:
                    found[name] = {"language": KNOWN[name].language, "rows": len(rows), "passes": False}
                    continue
                tracker = progress.track(f"evaluate: feelings of {name}", len(rows), "texts")
                logits: list[np.ndarray] = []
                for start in range(0, len(rows), _CHUNK):
                    part = [row.text for row in rows[start : start + _CHUNK]]
                    logits += [values[FEELINGS] for values in reader.logits(part)]
                    tracker.update(len(logits))
                values = probabilities(FEELINGS, np.stack(logits), manifest.calibration.get(FEELINGS))
                found[name] = _judged(name, manifest, rows, values, splits)
    except ModelError as error:
        raise TrainerError(f"evaluate: {error}") from error
    return found


def _judged(
    name: str, manifest: Manifest, rows: Sequence[Row], values: np.ndarray, splits: Mapping[str, Sequence[Row]]
) -> dict[str, Any]:
    labels = manifest.tasks[FEELINGS]
    rivals = {
        rival: baseline.several_scores(labels, splits["train"], splits["valid"], rows, characters=characters)
        for rival, characters in (("tfidf", False), ("tfidf_characters", True))
    }
    per_label: dict[str, dict[str, Any]] = {}
    for column, label in enumerate(labels):
        index, truth = known(rows, label)
        if not truth.any() or truth.all() or label not in rivals["tfidf"]:
            continue
        scores = values[index, column]
        per_label[label] = {
            "positives": int(truth.sum()),
            "auroc": float(roc_auc_score(truth, scores)),
            "f1": positive_f1(truth, scores >= manifest.feelings_thresholds.get(label, 0.5)),
        } | {f"{rival}_{key}": scored[label][key] for rival, scored in rivals.items() for key in ("auroc", "f1")}
    result: dict[str, Any] = {"language": KNOWN[name].language, "rows": len(rows), "labels": per_label}
    for key in ("auroc", "f1"):
        names = (key, f"tfidf_{key}", f"tfidf_characters_{key}")
        means = [float(np.mean([entry[n] for entry in per_label.values()])) if per_label else None for n in names]
        result |= dict(zip((f"mean_{n}" for n in names), means, strict=True))
    return result | {"passes": passes(result)}


def passes(found: Mapping[str, Any]) -> bool:
    """Return whether the means of one set are at or above the stronger floor, in AUROC and in F1."""
    for key in ("auroc", "f1"):
        ours = found.get(f"mean_{key}")
        floors = [found.get(f"mean_{rival}_{key}") for rival in ("tfidf", "tfidf_characters")]
        if ours is None or any(floor is None or ours < floor for floor in floors):
            return False
    return True


def proven(languages: Sequence[str], further_feelings: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return those of the claimed ``languages`` that the figures of :func:`run` bear out, and the first one."""
    kept = []
    for code in languages:
        sets = [found for found in further_feelings.values() if found["language"] == code]
        if code == FIRST or (sets and all(found["passes"] for found in sets)):
            kept.append(code)
    return tuple(kept)
