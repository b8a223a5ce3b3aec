"""``quantize``: the F16 GGUF in fewer bits, then calibrated as it will be used.

Calibration and thresholds are fitted on the quantised file, through the app's own engine, since
quantisation and batching both move logits. A language model that reads no task of the contract is
quantised only, and proves that it writes.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from journal_app.contract.manifest import (
    HEADS_KEY,
    MANIFEST_KEY,
    VECTOR_HEAD,
    Head,
    Manifest,
    heads_from_json,
    heads_to_json,
    vector_head,
)
from journal_app.contract.tasks import TASKS
from journal_app.inference.engine import ModelError
from journal_app.inference.llama import FILE_TYPES, LlamaReader, describe, quantize
from journal_app.inference.writer import LlamaWriter
from trainer import calibrate
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.files import Row, read_rows
from trainer.gguf import metadata_string, rewrite, tensors_sha256
from trainer.progress import Progress

CHUNK = 200
THREADS = min(4, max(1, (os.cpu_count() or 1) - 1))
"""One core is left: with every core taken, small models wait for the busiest one at each layer."""


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Write the quantised, calibrated GGUF and ``calibrate.json``."""
    source, target = paths.gguf(recipe, "F16"), paths.gguf(recipe, recipe.quantize.type)
    if not source.is_file():
        raise TrainerError(f"no GGUF at {source}: run `quietpage-train gguf` first")
    raw = target.with_name(f"{recipe.name}-{recipe.quantize.type}.raw.gguf")
    draft = target.with_name(f"{recipe.name}-{recipe.quantize.type}.draft.gguf")
    if recipe.quantize.type not in FILE_TYPES[1:]:
        known = ", ".join(FILE_TYPES[1:])
        raise TrainerError(f"quantize.type: {recipe.quantize.type} is no quantised type; known: {known}")
    try:
        quantize(source, raw, recipe.quantize.type.lower())
        progress.say(f"quantize: {source.stat().st_size / 1e6:.1f} MB -> {raw.stat().st_size / 1e6:.1f} MB")
        if describe(raw).manifest.tasks:
            manifest, notes = _calibrated(recipe, paths, progress, raw, draft)
            rewrite(draft, target, {MANIFEST_KEY: manifest.to_json()})
            with LlamaReader(target, threads=1):
                pass
        else:
            manifest = _described(recipe, paths, describe(raw).manifest, raw)
            notes = {"tasks": {}, "thresholds": {}, "manifest": _rules(manifest)}
            rewrite(raw, target, {MANIFEST_KEY: manifest.to_json()})
            with LlamaWriter(target, threads=1, context=64):
                pass
    except ModelError as error:
        raise TrainerError(f"quantize: {error}") from error
    finally:
        raw.unlink(missing_ok=True)
        draft.unlink(missing_ok=True)
    report = paths.reports / "calibrate.json"
    report.write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    megabytes = target.stat().st_size / 1e6
    if megabytes > recipe.file_limit_mb:
        raise TrainerError(f"quantize: {target.name} has {megabytes:.1f} MB, more than {recipe.file_limit_mb}")
    return StageResult((target, report), {"megabytes": round(megabytes, 2)})


def _calibrated(
    recipe: Recipe, paths: RunPaths, progress: Progress, raw: Path, draft: Path
) -> tuple[Manifest, dict[str, Any]]:
    rows = read_rows(paths.prepared / "valid.jsonl.gz")
    before = describe(raw).manifest
    rows = [row for row in rows if row.task in before.tasks]
    with LlamaReader(raw, threads=THREADS) as reader:
        logits = read_logits(reader, [row.text for row in rows], progress, "quantize: calibrate", truncate=False)
    manifest, notes = calibrate.fit_tasks(before, rows, logits, recipe.calibrate)
    strings = {MANIFEST_KEY: manifest.to_json()}
    if before.kind == "encoder":
        strings[HEADS_KEY] = _sliced_heads(raw, before, manifest)
    rewrite(raw, draft, strings)
    with LlamaReader(draft, threads=THREADS) as reader:
        diary = diary_scores(reader, read_rows(paths.prepared / "diary-valid.jsonl.gz"), progress)
        distressed = {
            name: calibrate.screening_scores(reader, [row.text for row in chosen])
            for name, chosen in distressed_rows(rows).items()
            if chosen
        }
    manifest, bands = calibrate.set_thresholds(manifest, recipe.calibrate, diary, distressed)
    manifest = _described(recipe, paths, manifest, draft)
    return manifest, {"tasks": notes, "thresholds": bands, "manifest": _rules(manifest)}


def _described(recipe: Recipe, paths: RunPaths, manifest: Manifest, path: Path) -> Manifest:
    """Return ``manifest`` with what is known of the file at ``path`` and of the data it learned from."""
    report = paths.prepared / "report.json"
    try:
        sources = json.loads(report.read_text(encoding="utf-8"))["sources"]
    except (OSError, ValueError, KeyError) as error:
        raise TrainerError(f"no usable {report}: run `quietpage-train prepare` first") from error
    return replace(
        manifest,
        training_data=sources,
        licence=recipe.licence,
        tensors_sha256=tensors_sha256(path),
        created=datetime.now(UTC).date().isoformat(),
    )


def _rules(manifest: Manifest) -> dict[str, Any]:
    return {
        "crisis_threshold": manifest.crisis_threshold,
        "bands": {name: [rule.some, rule.many, rule.unsure] for name, rule in manifest.bands.items()},
        "feelings": list(manifest.tasks.get("feelings", ())),
    }


def _sliced_heads(path: Path, before: Manifest, after: Manifest) -> str:
    """Return the heads with only the labels that ``after`` still has."""
    text = metadata_string(path, HEADS_KEY)
    heads = {}
    width = _width(path)
    for task, head in heads_from_json(text, before, width).items():
        if task not in after.tasks:
            continue
        keep = [before.tasks[task].index(label) for label in after.tasks[task]]
        weight = np.asarray(head.weight, dtype=np.float32).reshape(-1, width)[keep]
        bias = np.asarray(head.bias, dtype=np.float32)[keep]
        heads[task] = Head(type(head.weight)("f", weight.ravel().tolist()), type(head.bias)("f", bias.tolist()))
    vector = vector_head(text, width)
    if vector is not None:
        heads[VECTOR_HEAD] = vector
    return heads_to_json(heads)


def _width(path: Path) -> int:
    return int(metadata_string(path, "bert.embedding_length"))


def read_logits(
    reader: LlamaReader, texts: list[str], progress: Progress, what: str, *, truncate: bool = True
) -> list[dict[str, np.ndarray]]:
    """Return uncalibrated logits of ``texts``, telling how far it is: of the first window or, without ``truncate``, of
    the whole text as the app joins its windows.
    """
    tracker = progress.track(what, len(texts), "texts")
    found: list[dict[str, np.ndarray]] = []
    for start in range(0, len(texts), CHUNK):
        found += reader.logits(texts[start : start + CHUNK], truncate=truncate)
        tracker.update(len(found))
    return found


def diary_scores(reader: LlamaReader, rows: list[Row], progress: Progress) -> dict[str, list[dict[str, float] | None]]:
    """Return source -> scores of everyday writing as the app reads it."""
    scores: dict[str, list[dict[str, float] | None]] = {}
    tracker = progress.track("everyday writing", len(rows), "texts")
    done = 0
    for source in dict.fromkeys(row.source for row in rows):
        texts = [row.text for row in rows if row.source == source]
        scores[source] = []
        for start in range(0, len(texts), CHUNK):
            scores[source] += calibrate.screening_scores(reader, texts[start : start + CHUNK])
            tracker.update(done + len(scores[source]))
        done += len(texts)
    return scores


def distressed_rows(rows: list[Row]) -> dict[str, list[Row]]:
    """Return the rows whose published label speaks of stress, low mood (by both sets) or suicide."""
    severe = {"moderate", "severe"}
    return {
        "stress": [row for row in rows if row.task == "stress" and row.label == "yes"],
        "low_mood": [
            row
            for row in rows
            if (row.task == "depression" and row.label == "yes") or (row.task == "severity" and row.label in severe)
        ],
        "crisis": [row for row in rows if row.task == "suicidality" and row.label == TASKS["suicidality"].labels[0]],
    }
