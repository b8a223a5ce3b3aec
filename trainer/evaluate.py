"""``evaluate``: the quantised file, through the app's engine, on test; once, at the end.

Published tasks are scored as the app reads a text, in full; ``one_window`` holds the same figures for
its first window alone, as in training. A decoder reads each prefix once and every task's question from there,
and a text that fits its window is read once for both. Next to them stands the baseline, measured on the same rows in
the same run, and what conversion and quantisation cost. Texts never leave this module.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from journal_app.contract.bands import bands as bands_of
from journal_app.contract.manifest import Manifest
from journal_app.contract.tasks import TASKS
from journal_app.inference.engine import ModelError, Reading
from journal_app.inference.llama import LlamaReader, sha256_of
from journal_app.inference.scoring import probabilities
from journal_app.inference.text import language
from trainer import baseline, metrics
from trainer.calibrate import known, mean_auroc
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.files import Row, read_rows
from trainer.evaluation import diaries
from trainer.metrics import (
    best_f1_threshold,
    binary_ece,
    classification,
    commit,
    machine,
    macro_f1,
    positive_f1,
    rounded,
)
from trainer.mixture import labels_of
from trainer.progress import Progress
from trainer.quantize import CHUNK, THREADS, read_logits
from trainer.records import Example, read_examples
from trainer.report import results_table

WORDS = ("reply", "rewrite", "summary")
"""Tasks of instructions whose answer is text."""
LEAST_SLICE = 20
"""A slice with fewer rows is left out."""


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Write ``evaluate.json`` and print its table; raise ``TrainerError`` when the model is missing."""
    target, half = paths.gguf(recipe, recipe.quantize.type), paths.gguf(recipe, "F16")
    if not target.is_file():
        raise TrainerError(f"no model at {target}: run `quietpage-train quantize` first")
    if recipe.kind == "causal" and not (recipe.data.tasks and recipe.sft.shape == "contract"):
        return _writer_only(recipe, paths, progress, target)
    files = {split: paths.prepared / f"{split}.jsonl.gz" for split in ("train", "valid", "test")}
    splits = {split: read_rows(path) for split, path in files.items()}
    began = time.monotonic()
    try:
        with LlamaReader(target, threads=THREADS) as reader:
            manifest = reader.info().manifest
            tests = [row for row in splits["test"] if row.task in manifest.tasks]
            texts = list(dict.fromkeys(row.text for row in tests))
            started = time.monotonic()
            quantised = _by_text(texts, read_logits(reader, texts, progress, f"evaluate: {recipe.quantize.type}"))
            rate = len(texts) / max(1e-9, time.monotonic() - started)
            published = [row.text for row in tests if row.part == "published"]
            if manifest.kind == "decoder":
                published = [text for text in published if reader.windows(text) > 1]
            readings = _readings(reader, list(dict.fromkeys(published)), progress, "evaluate: as the app reads")
            diary = _diary(reader, manifest, read_rows(paths.prepared / "diary-test.jsonl.gz"), progress)
            written = diaries.judge(reader, diaries.entries(paths.data, recipe.data.labelled))
            tokens = _token_parity(reader, recipe, paths, texts)
            sha256 = reader.info().sha256
        plain: dict[str, dict[str, np.ndarray]] = {}
        if half.is_file():
            with LlamaReader(half, threads=THREADS) as reader:
                plain = _by_text(texts, read_logits(reader, texts, progress, "evaluate: F16"))
    except ModelError as error:
        raise TrainerError(f"evaluate: {error}") from error
    torch_logits = _torch_logits(recipe, paths, texts, progress)

    report: dict[str, Any] = {
        "model": recipe.name,
        "file": target.name,
        "file_bytes": target.stat().st_size,
        "sha256": sha256,
        "machine": machine(),
        "commit": commit(),
        "tasks": {},
        "everyday_writing_test": diary,
        "diaries_test": written,
        "token_parity": tokens,
        "thresholds": _thresholds(manifest),
        "texts_per_s": round(rate, 2),
        **metrics.provenance(data=list(files.values()), model=target, seed=recipe.seed),
    }
    given = _given_baselines(paths)
    for task in manifest.tasks:
        rows = [row for row in tests if row.task == task]
        if not rows:
            continue
        train = [row for row in splits["train"] if row.task == task and row.part not in ("neutral", "labelled")]
        valid = [row for row in splits["valid"] if row.task == task and row.part != "labelled"]
        if TASKS[task].kind == "multilabel":
            report["tasks"][task] = _multilabel(manifest, task, rows, quantised, train, valid, progress)
            continue
        progress.say(f"evaluate: {task} and its baseline")
        report["tasks"][task] = _choice(manifest, task, rows, quantised, readings, train, valid, recipe.seed)
        report["tasks"][task]["given_baseline_macro_f1"] = given.get(rows[0].source)
        if plain:
            report["tasks"][task]["conversion"] = _conversion(manifest, task, rows, quantised, plain, torch_logits)
    if plain:
        report["embeddings"] = _embeddings(recipe, paths, texts[:: max(1, len(texts) // 400)], target, half)
        report["auxiliary"] = _auxiliary(recipe, paths, splits, target, progress)
    if recipe.kind == "causal":
        report["replies"] = _replies(recipe, paths, progress, target)
    if recipe.kind == "decoder":
        report |= _writer(recipe, paths, progress, target)
    report["seconds"] = round(time.monotonic() - began, 1)
    path = paths.reports / "evaluate.json"
    path.write_text(json.dumps(rounded(report), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    progress.say(results_table(rounded(report)))
    return StageResult((path,), {"tasks": len(report["tasks"])})


def _choice(
    manifest: Manifest,
    task: str,
    rows: Sequence[Row],
    logits: Mapping[str, Mapping[str, np.ndarray]],
    readings: Mapping[str, Reading],
    train: Sequence[Row],
    valid: Sequence[Row],
    seed: int,
) -> dict[str, Any]:
    labels = manifest.tasks[task]
    truth = np.array([labels.index(row.label) for row in rows])
    values = _probabilities(manifest, task, rows, logits)
    full = values.copy()
    unread = 0
    for i, row in enumerate(rows):
        reading = readings.get(row.text)
        if reading is None:
            unread += language(row.text) not in manifest.languages
        elif reading.readable:
            full[i] = [reading.tasks[task][label] for label in labels]
        else:
            unread += 1
    # A text that the app would leave unread (no language it knows) is scored all the same, so that no row is lost.
    result: dict[str, Any] = classification(truth, full, seed=seed)
    result |= {"source": rows[0].source, "rows_the_app_leaves_unread": unread}
    result["one_window"] = classification(truth, values, seed=seed, rounds=0)
    result["recall"] = {
        label: float((full.argmax(1)[truth == i] == i).mean()) for i, label in enumerate(labels) if (truth == i).any()
    }
    for name, characters in (("tfidf", False), ("tfidf_characters", True)):
        rival = baseline.choice_probabilities(task, train, valid, rows, characters=characters)
        result[name] = classification(truth, rival, seed=seed, rounds=0)
    result["by_length"] = by_length([row.text for row in rows], truth, full)
    return result | more_figures(task, truth, full)


def by_length(texts: Sequence[str], truth: np.ndarray, values: np.ndarray) -> dict[str, Any]:
    """Return rows, accuracy and macro-F1 of texts of like length in words: up to 25, 75, 200, and more."""
    words = np.array([len(text.split()) for text in texts])
    result: dict[str, Any] = {}
    for name, low, high in (("1-25", 0, 25), ("26-75", 25, 75), ("76-200", 75, 200), ("201-", 200, 10**9)):
        chosen = (words > low) & (words <= high)
        if chosen.sum() >= LEAST_SLICE:
            guess = values[chosen].argmax(1)
            result[name] = {
                "rows": int(chosen.sum()),
                "accuracy": float((guess == truth[chosen]).mean()),
                "macro_f1": macro_f1(truth[chosen], guess),
            }
    return result


def more_figures(task: str, truth: np.ndarray, values: np.ndarray) -> dict[str, Any]:
    """Return what stands beside ``metrics.classification`` for a one-label task: curves, matrix, bins, fixed points.

    ``truth`` [n] holds label indexes of the contract's order, ``values`` [n, labels] probabilities.
    """
    matrix = metrics.confusion(truth, values.argmax(1), values.shape[1])
    found: dict[str, Any] = {
        "pr_auc": metrics.pr_auc(truth, values),
        "brier": metrics.brier(truth, values),
        "risk_coverage": metrics.risk_coverage(truth, values),
        "confusion": matrix.tolist(),
        "reliability": metrics.reliability(truth, values),
    }
    if TASKS[task].kind == "ordinal":
        found["quadratic_kappa"] = metrics.quadratic_kappa(matrix)
    if TASKS[task].kind == "binary":
        # The first label of the contract's yes / no tasks is the one that a screen looks for.
        found["screening"] = metrics.screening((truth == 0).astype(int), values[:, 0])
        found["curves"] = metrics.curve_points((truth == 0).astype(int), values[:, 0])
    return found


def _multilabel(
    manifest: Manifest,
    task: str,
    rows: Sequence[Row],
    logits: Mapping[str, Mapping[str, np.ndarray]],
    train: Sequence[Row],
    valid: Sequence[Row],
    progress: Progress,
) -> dict[str, Any]:
    labels = manifest.tasks[task]
    values = _probabilities(manifest, task, rows, logits)
    progress.say(f"evaluate: {task} and its baseline")
    thresholds = manifest.themes_thresholds if task == "themes" else manifest.feelings_thresholds
    rival = baseline.several_scores(labels, train, valid, rows)
    per_label: dict[str, Any] = {}
    for column, label in enumerate(labels):
        index, truth = known(rows, label)
        entry: dict[str, Any] = {"rows": len(index), "positives": int(truth.sum())}
        if truth.any() and not truth.all():
            scores = values[index, column]
            entry |= {
                "auroc": float(roc_auc_score(truth, scores)),
                "f1": positive_f1(truth, scores >= thresholds.get(label, 0.5)),
                "ece": binary_ece(truth, scores),
                "tfidf_auroc": rival.get(label, {}).get("auroc"),
                "tfidf_f1": rival.get(label, {}).get("f1"),
            }
        per_label[label] = entry
    by_source: dict[str, Any] = {}
    for source in dict.fromkeys(row.source for row in rows):
        mine = [i for i, row in enumerate(rows) if row.source == source]
        area, counted = mean_auroc([rows[i] for i in mine], labels, values[mine])
        if area is not None:
            by_source[source] = {"rows": len(mine), "labels": counted, "mean_auroc": area}
    scored = [entry for entry in per_label.values() if entry.get("tfidf_auroc") is not None]
    mean = {
        f"mean_{key}": float(np.mean([entry[key] for entry in scored])) if scored else None
        for key in ("auroc", "f1", "ece", "tfidf_auroc", "tfidf_f1")
    }
    return {"rows": len(rows), **mean, "labels": per_label, "by_source": by_source}


def _conversion(
    manifest: Manifest,
    task: str,
    rows: Sequence[Row],
    quantised: Mapping[str, Mapping[str, np.ndarray]],
    plain: Mapping[str, Mapping[str, np.ndarray]],
    torch_logits: Mapping[str, Mapping[str, np.ndarray]],
) -> dict[str, Any]:
    truth = np.array([manifest.tasks[task].index(row.label) for row in rows])
    after, before = (_probabilities(manifest, task, rows, x).argmax(1) for x in (quantised, plain))
    result: dict[str, Any] = {
        "macro_f1_f16": macro_f1(truth, before),
        "macro_f1_quantised": macro_f1(truth, after),
        "drop_points": 100 * (macro_f1(truth, before) - macro_f1(truth, after)),
        "flips_percent": 100 * float((after != before).mean()),
    }
    if torch_logits:
        source = _probabilities(manifest, task, rows, torch_logits).argmax(1)
        gaps = [float(np.abs(torch_logits[row.text][task] - plain[row.text][task]).max()) for row in rows]
        result |= {
            "f16_agrees_with_pytorch_percent": 100 * float((before == source).mean()),
            "f16_logits_max_difference": max(gaps),
        }
    return result


def _probabilities(
    manifest: Manifest, task: str, rows: Sequence[Row], logits: Mapping[str, Mapping[str, np.ndarray]]
) -> np.ndarray:
    # F16 and PyTorch still have every label; the quantised file's manifest says which were kept.
    labels = TASKS[task].labels
    keep = [labels.index(label) for label in manifest.tasks[task]]
    values = [logits[row.text][task] for row in rows]
    matrix = np.stack([value if len(value) == len(keep) else value[keep] for value in values])
    return probabilities(task, matrix, manifest.calibration.get(task))


def _readings(reader: LlamaReader, texts: Sequence[str], progress: Progress, what: str) -> dict[str, Reading]:
    tracker = progress.track(what, len(texts), "texts")
    found: dict[str, Reading] = {}
    for start in range(0, len(texts), CHUNK):
        part = texts[start : start + CHUNK]
        found |= dict(zip(part, reader.read(part, evidence=False), strict=True))
        tracker.update(len(found))
    return found


def _diary(reader: LlamaReader, manifest: Manifest, rows: Sequence[Row], progress: Progress) -> dict[str, Any]:
    readings = _readings(reader, list(dict.fromkeys(row.text for row in rows)), progress, "evaluate: everyday writing")
    result: dict[str, Any] = {}
    for source in dict.fromkeys(row.source for row in rows):
        found = [readings[row.text] for row in rows if row.source == source]
        marks = [bands_of(manifest, r.tasks, r.words) for r in found]
        flagged = [r.tasks.get("suicidality", {}).get("yes", 0.0) >= manifest.crisis_threshold for r in found]
        entry: dict[str, Any] = {"texts": len(found), "not_readable": sum(not r.readable for r in found)}
        for name in ("stress", "low_mood"):
            for mark in ("many", "unsure", "some", "quiet"):
                entry[f"{name}_{mark}_percent"] = 100 * float(np.mean([m[name] == mark for m in marks]))
        entry["suicidality_flag_percent"] = 100 * float(np.mean(flagged))
        result[source] = entry
    return result


def _token_parity(reader: LlamaReader, recipe: Recipe, paths: RunPaths, texts: Sequence[str]) -> dict[str, Any]:
    if recipe.kind != "encoder" or not (paths.model / "weights.pt").is_file():
        return {}
    from trainer import encoder

    plain = encoder.plain_tokenizer(encoder.load_tokenizer(paths.model))
    wrong = sum(
        reader.token_ids(text) != encoding.ids
        for text, encoding in zip(texts, plain.encode_batch(list(texts), add_special_tokens=False), strict=True)
    )
    return {"texts": len(texts), "different": int(wrong)}


def _torch_logits(
    recipe: Recipe, paths: RunPaths, texts: list[str], progress: Progress
) -> dict[str, dict[str, np.ndarray]]:
    if recipe.kind != "encoder" or not (paths.model / "weights.pt").is_file():
        return {}
    import torch

    from trainer import encoder, ngram_head

    progress.say("evaluate: PyTorch in float32, for comparison")
    model = encoder.Encoder.load(paths.model)
    ids = [w[0] for w in encoder.windows(encoder.load_tokenizer(paths.model), texts, recipe.max_tokens)]
    pooled = encoder.embed(model, ids)
    with torch.inference_mode():
        logits = {task: values.numpy() for task, values in model.logits(torch.from_numpy(pooled)).items()}
    found = {text: {task: values[i] for task, values in logits.items()} for i, text in enumerate(texts)}
    beside = ngram_head.load(paths.model, model.labels)
    if beside is not None:
        for text, values in found.items():
            for task, added in beside.logits(text).items():
                values[task] = values[task] + added
    return found


def _embeddings(recipe: Recipe, paths: RunPaths, texts: Sequence[str], target: Path, half: Path) -> dict[str, Any]:
    """Return how close the files' vectors are to PyTorch's, and retrieval against the untouched encoder.

    ``recall_at_5``: of the five nearest texts by the untouched encoder, the share that is also among
    the model's five nearest.
    """
    if recipe.kind != "encoder":
        return {}
    from trainer import encoder

    tokenizer = encoder.load_tokenizer(paths.model)
    ids = [w[0] for w in encoder.windows(tokenizer, texts, recipe.max_tokens)]
    source = encoder.embed(encoder.Encoder.load(paths.model), ids)
    original = encoder.embed(encoder.Encoder(encoder.load_base(recipe.finetune.base).bert, {}), ids)
    with LlamaReader(half, threads=THREADS) as reader:
        plain = reader.embed(texts)
    with LlamaReader(target, threads=THREADS) as reader:
        quantised = reader.embed(texts)
        vectors = reader.vectors(texts)
    return {
        "texts": len(texts),
        "cosine_f16_min": float(_cosine(source, plain).min()),
        "cosine_quantised_min": float(_cosine(source, quantised).min()),
        "cosine_quantised_mean": float(_cosine(source, quantised).mean()),
        "recall_at_5_against_original": _recall(original, vectors, 5),
        "recall_at_5_of_bare_embedding": _recall(original, quantised, 5),
    }


def _auxiliary(
    recipe: Recipe, paths: RunPaths, splits: Mapping[str, Sequence[Row]], target: Path, progress: Progress
) -> dict[str, Any]:
    """Return macro-F1 of the heads that are learned beside the tasks, over the quantised file's embeddings.

    Thresholds per label are chosen on valid, as the published figures of GoEmotions do.
    """
    if recipe.kind != "encoder" or not recipe.finetune.auxiliary:
        return {}
    from trainer import encoder

    heads = encoder.Encoder.load(paths.model).heads
    result: dict[str, Any] = {}
    with LlamaReader(target, threads=THREADS) as reader:
        for name in recipe.finetune.auxiliary:
            found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
            labels = labels_of(name)
            for split in ("valid", "test"):
                rows = [row for row in splits[split] if row.task == name]
                tracker = progress.track(f"evaluate: {name}, {split}", len(rows), "texts")
                parts = []
                for start in range(0, len(rows), CHUNK):
                    parts.append(reader.embed([row.text for row in rows[start : start + CHUNK]]))
                    tracker.update(min(start + CHUNK, len(rows)))
                head = heads[name].state_dict()
                scores = np.concatenate(parts) @ head["weight"].numpy().T + head["bias"].numpy()
                found[split] = (np.array([[x in row.positives for x in labels] for row in rows]), scores)
            truth, scores = found["test"]
            each = []
            for column in range(len(labels)):
                valid_truth, valid_scores = (values[:, column] for values in found["valid"])
                line = best_f1_threshold(valid_truth, 1 / (1 + np.exp(-valid_scores)), low=0.02, high=0.98)
                each.append(positive_f1(truth[:, column], 1 / (1 + np.exp(-scores[:, column])) >= line))
            result[name] = {"rows": len(truth), "labels": len(labels), "macro_f1": float(np.mean(each))}
    return result


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def _recall(reference: np.ndarray, vectors: np.ndarray, k: int) -> float:
    nearest = []
    for matrix in (reference, vectors):
        unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
        similar = unit @ unit.T
        np.fill_diagonal(similar, -2.0)
        nearest.append(np.argsort(-similar, axis=1)[:, :k])
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*nearest, strict=True)]))


def _by_text(texts: Sequence[str], logits: Sequence[dict[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    return dict(zip(texts, logits, strict=True))


def _thresholds(manifest: Manifest) -> dict[str, Any]:
    return {
        "crisis": manifest.crisis_threshold,
        "feelings": dict(manifest.feelings_thresholds),
        **{name: {"some": r.some, "many": r.many, "unsure": r.unsure} for name, r in manifest.bands.items()},
    }


def _given_baselines(paths: RunPaths) -> dict[str, float]:
    """Return set -> macro-F1 of the ``baselines.json`` beside the corpora, where there is one."""
    path = paths.data / "baselines.json" if paths.data is not None else None
    if path is None or not path.is_file():
        return {}
    try:
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        return {name: float(values["macro_f1"]) for name, values in results.items() if "macro_f1" in values}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainerError(f"{path} is not a table of baselines ({type(error).__name__})") from error


def _writer(recipe: Recipe, paths: RunPaths, progress: Progress, target: Path) -> dict[str, Any]:
    """Return what a decoder reads beside its tasks, and where it has learned replies, whether it may write."""
    from trainer.evaluation import gate, languages

    found: dict[str, Any] = {"further_feelings": languages.run(recipe, paths, progress, target, threads=THREADS)}
    if recipe.writer.sources:
        found["writer"] = gate.run(recipe, progress, target, threads=THREADS)
    return found


def _writer_only(recipe: Recipe, paths: RunPaths, progress: Progress, target: Path) -> StageResult:
    """Evaluate a model that was asked no task of the contract: what it writes, and nothing else."""
    files = [paths.prepared / f"instructions-{split}.jsonl.gz" for split in ("train", "valid", "test")]
    report = {
        "model": recipe.name,
        "file": target.name,
        "file_bytes": target.stat().st_size,
        "sha256": sha256_of(target),
        "tasks": {},
        "replies": _replies(recipe, paths, progress, target),
        **metrics.provenance(data=files, model=target, seed=recipe.seed),
    }
    path = paths.reports / "evaluate.json"
    path.write_text(json.dumps(rounded(report), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return StageResult((path,), {"replies": report["replies"].get("rows", 0)})


def _replies(recipe: Recipe, paths: RunPaths, progress: Progress, target: Path) -> dict[str, Any]:
    """Let the quantised file answer test rows that ask for words, and measure what it says."""
    path = paths.prepared / "instructions-test.jsonl.gz"
    rows = [row for row in read_examples(path) if row.task in WORDS and row.output] if path.is_file() else []
    if not rows:
        return {"rows": 0, "note": "no test row asks for words"}
    # Late, because an encoder's evaluation needs none of it.
    from trainer.evaluation import replies

    chosen = rows[:: max(1, len(rows) // recipe.generation.rows)][: recipe.generation.rows]
    progress.say(f"evaluate: {len(chosen)} answers")
    generated = replies.generate(
        target,
        [messages_of(row) for row in chosen],
        recipe.generation,
        seed=recipe.seed,
        threads=THREADS,
        context=max(512, recipe.max_tokens),
    )
    found = replies.evaluate(
        recipe.name,
        [row.input for row in chosen],
        generated.replies,
        language=chosen[0].lang,
        references=[row.output for row in chosen],
        generated=generated,
        seed=recipe.seed,
    )
    return found | {"rows": len(chosen), "tasks": sorted({row.task for row in chosen})}


def messages_of(row: Example) -> list[tuple[str, str]]:
    """Return an instruction as a conversation up to its answer, as ``causal.shapes`` writes it in training."""
    asked = f"{row.instruction}\n\n{row.input}" if row.instruction and row.input else row.instruction or row.input
    system = [("system", row.system)] if row.system else []
    return [*system, *row.turns, ("user", asked)]
