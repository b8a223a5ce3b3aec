"""``sweep``: the F16 file in every quantised type, side by side, through the app's own engine.

For each type: how far its next-token probabilities are from F16's (mean KL divergence in nats a token, share of
tokens with the same likeliest next one, perplexity) on held-out text, what becomes of the labels (flips against
F16, loss, macro-F1), its size, how long it takes to load, and how fast it reads and writes. Nothing is
calibrated here: all types are asked the same questions and their plain scores compared.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from journal_app.contract.manifest import Manifest
from journal_app.contract.tasks import TASKS
from journal_app.inference.engine import ModelError
from journal_app.inference.llama import FILE_TYPES, LlamaReader, describe, quantize
from journal_app.inference.scoring import probabilities
from journal_app.inference.writer import LlamaWriter, log_softmax
from trainer.calibrate import known
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.files import Row, read_rows
from trainer.metrics import macro_f1, provenance, rounded
from trainer.progress import Progress
from trainer.quantize import THREADS
from trainer.records import read_examples

REPORT = "sweep.json"
WINDOW = 256
"""Tokens that are read at once for the KL divergence; each window knows nothing of the one before."""
_IN_MEMORY = 256_000_000
_WRITTEN = 32
_BLOCK = 256
HEADER = (
    "type",
    "MB",
    "bits a weight",
    "KL, nats a token",
    "same top token",
    "perplexity",
    "loads in",
    "reads",
    "writes",
)


def run(recipe: Recipe, paths: RunPaths, progress: Progress, options: argparse.Namespace) -> StageResult:
    """Write ``sweep.json`` and its page, and print the table; raise :class:`TrainerError`.

    ``options``: ``types`` (names of file types), ``tokens`` (of text to compare on), ``rows`` (most a task).
    """
    source = paths.gguf(recipe, "F16")
    if not source.is_file():
        raise TrainerError(f"no GGUF at {source}: run `quietpage-train gguf` first")
    types = wanted(options.types)
    folder = paths.out / "sweep"
    folder.mkdir(parents=True, exist_ok=True)
    _check_room(folder, source)
    made = folder / "one.gguf"
    reference: Reference | None = None
    results: dict[str, dict[str, Any]] = {}
    before: dict[str, list[np.ndarray]] = {}
    try:
        manifest = describe(source).manifest
        rows = task_rows(paths, manifest, options.rows)
        texts = held_out(paths) if manifest.kind == "decoder" else []
        for name in ("F16", *types):
            progress.say(f"sweep: {name}")
            file = source if name == "F16" else made
            if name != "F16":
                quantize(source, made, name.lower())
            entry = file_facts(file)
            if manifest.kind == "decoder":
                with _Timed(entry, "load_seconds"):
                    writer = LlamaWriter(file, threads=THREADS, context=2 * WINDOW)
                with writer:
                    if reference is None:
                        reference = Reference(writer, texts, options.tokens, folder)
                    entry |= reference.compare(writer)
                    entry["write_tokens_per_second"] = writer.pace(_WRITTEN)
            if manifest.tasks:
                with _Timed(entry, "load_seconds"):
                    reader = LlamaReader(file, threads=THREADS)
                with reader:
                    entry["tasks"], logits = _tasks(reader, rows, before, progress, name)
                before = before or logits
            results[name] = entry
    except ModelError as error:
        raise TrainerError(f"sweep: {error}") from error
    finally:
        made.unlink(missing_ok=True)
        if reference is not None:
            reference.close()
        shutil.rmtree(folder, ignore_errors=True)
    report = {
        "model": recipe.name,
        "kind": manifest.kind,
        "window_tokens": WINDOW,
        "types": results,
        "rows": {task: len(found) for task, found in rows.items()},
        **provenance(data=_held_out_files(paths), model=source, seed=recipe.seed),
    }
    path = paths.reports / REPORT
    path.write_text(json.dumps(rounded(report), indent=1) + "\n", encoding="utf-8")
    progress.say(table_text(report))
    return StageResult((path, *_page(recipe, paths, report)), {"types": len(results)})


def wanted(names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the quantised types among ``names`` in the order of ``FILE_TYPES``, all for none; F16 is always there."""
    chosen = {name.upper() for name in names or FILE_TYPES}
    unknown = sorted(chosen - set(FILE_TYPES))
    if unknown:
        raise TrainerError(f"sweep: no such type: {unknown[0]}; known: {', '.join(FILE_TYPES)}")
    return tuple(name for name in FILE_TYPES if name in chosen and name != "F16")


def file_facts(path: Path) -> dict[str, Any]:
    """Return size, bits a weight and in which types the matrices of a GGUF are stored.

    ``odd_rows``: matrices whose rows are no multiple of 256, which K-quants cannot hold; ``odd_types`` says
    what llama.cpp stored them as instead.
    """
    reader = gguf.GGUFReader(str(path))
    stored: Counter[str] = Counter()
    odd: Counter[str] = Counter()
    weights = bits = 0
    for tensor in reader.tensors:
        weights += int(tensor.n_elements)
        bits += 8 * int(tensor.n_bytes)
        if len(tensor.shape) > 1:
            stored[tensor.tensor_type.name] += 1
            if int(tensor.shape[0]) % _BLOCK:
                odd[tensor.tensor_type.name] += 1
    return {
        "bytes": path.stat().st_size,
        "bits_per_weight": bits / max(1, weights),
        "matrices": dict(sorted(stored.items())),
        "odd_rows": sum(odd.values()),
        "odd_types": dict(sorted(odd.items())),
    }


def fallback_note(name: str, entry: Mapping[str, Any]) -> str:
    """Return a sentence about matrices that a K-quant could not hold, or an empty string."""
    if "K" not in name or not entry["odd_rows"]:
        return ""
    total = sum(entry["matrices"].values())
    kinds = ", ".join(f"{count} as {kind}" for kind, count in entry["odd_types"].items())
    return (
        f"{name}: the rows of {entry['odd_rows']} of {total} matrices are no multiple of 256 and fall back to larger "
        f"types ({kinds})."
    )


def held_out(paths: RunPaths) -> list[str]:
    """Return the texts to compare on: what is asked and answered in test, then in valid."""
    texts: list[str] = []
    for split in ("test", "valid"):
        path = paths.prepared / f"instructions-{split}.jsonl.gz"
        if path.is_file():
            texts += [f"{example.input}\n{example.output or example.chosen}".strip() for example in read_examples(path)]
        path = paths.prepared / f"{split}.jsonl.gz"
        if path.is_file():
            texts += [row.text for row in read_rows(path)]
    texts = [text for text in dict.fromkeys(texts) if text]
    if not texts:
        raise TrainerError(f"no held-out text in {paths.prepared}: run `quietpage-train prepare` first")
    return texts


def task_rows(paths: RunPaths, manifest: Manifest, most: int) -> dict[str, list[Row]]:
    """Return at most ``most`` test rows of each task of ``manifest``, spread evenly over the split."""
    found: dict[str, list[Row]] = {}
    path = paths.prepared / "test.jsonl.gz"
    every = read_rows(path) if manifest.tasks else []
    for task in manifest.tasks:
        rows = [row for row in every if row.task == task]
        if rows:
            found[task] = [rows[i * len(rows) // min(most, len(rows))] for i in range(min(most, len(rows)))]
    return found


class Reference:
    """What F16 says after every token of some held-out text, to compare others with.

    Its log-probabilities, float32 [tokens, vocab], are kept in memory or, where they are too many for that, in a
    file that :meth:`close` removes.
    """

    def __init__(self, writer: LlamaWriter, texts: Sequence[str], tokens: int, folder: Path) -> None:
        """Lay ``texts`` into windows of ids until there are ``tokens`` of them, and read them with ``writer``."""
        self.windows = lay(writer, texts, tokens)
        count = sum(map(len, self.windows))
        self._path = folder / "reference.f32"
        shape = (count, writer.vocab_size)
        if 4 * count * writer.vocab_size <= _IN_MEMORY:
            self.logs: np.ndarray = np.empty(shape, dtype=np.float32)
        else:
            if shutil.disk_usage(folder).free < 4.4 * count * writer.vocab_size:
                raise TrainerError(f"sweep: make room in {folder}, or compare on fewer tokens with --tokens")
            self.logs = np.memmap(self._path, dtype=np.float32, mode="w+", shape=shape)
        at = 0
        for window in self.windows:
            for _, rows in writer.logit_rows(window):
                self.logs[at : at + len(rows)] = log_softmax(rows)
                at += len(rows)

    def compare(self, writer: LlamaWriter) -> dict[str, Any]:
        """Return the figures of ``writer`` on the same ids."""
        total = nll = seconds = 0.0
        same = at = predicted = 0
        for window in self.windows:
            began = time.perf_counter()
            for position, rows in writer.logit_rows(window):
                seconds += time.perf_counter() - began
                ours, theirs = log_softmax(rows), self.logs[at : at + len(rows)]
                total += float((np.exp(theirs) * (theirs - ours)).sum(dtype=np.float64))
                same += int((ours.argmax(1) == theirs.argmax(1)).sum())
                after = window[position + 1 : position + 1 + len(rows)]
                nll -= float(ours[np.arange(len(after)), after].sum(dtype=np.float64))
                predicted += len(after)
                at += len(rows)
                began = time.perf_counter()
        return {
            "kl_tokens": at,
            "kl_nats_per_token": max(0.0, total / at),
            "same_top_percent": 100 * same / at,
            "perplexity": float(np.exp(nll / max(1, predicted))),
            "read_tokens_per_second": at / seconds,
        }

    def close(self) -> None:
        """Forget the scores."""
        self.logs = np.empty((0, 0), dtype=np.float32)
        self._path.unlink(missing_ok=True)


def lay(writer: LlamaWriter, texts: Sequence[str], tokens: int) -> list[list[int]]:
    """Return windows of at most :data:`WINDOW` ids, of whole texts one after another, about ``tokens`` in all."""
    windows: list[list[int]] = []
    ids: list[int] = []
    total = 0
    for text in texts:
        ids += writer.tokenise(f"{text}\n\n")
        while len(ids) >= WINDOW or (ids and total + len(ids) >= tokens):
            windows.append(ids[:WINDOW])
            total += len(windows[-1])
            ids = ids[WINDOW:]
        if total >= tokens:
            return windows
    return [*windows, ids] if len(ids) > 1 else windows


def _tasks(
    reader: LlamaReader,
    rows: Mapping[str, Sequence[Row]],
    before: Mapping[str, list[np.ndarray]],
    progress: Progress,
    name: str,
) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
    """Return task -> figures of plain, uncalibrated scores, and the scores."""
    texts = list(dict.fromkeys(row.text for found in rows.values() for row in found))
    tracker = progress.track(f"sweep: {name}, tasks", len(texts), "texts")
    scores: dict[str, dict[str, np.ndarray]] = {}
    for done, text in enumerate(texts, 1):
        (scores[text],) = reader.logits([text])
        tracker.update(done)
    logits = {task: [scores[row.text][task] for row in found] for task, found in rows.items()}
    manifest = reader.info().manifest
    return {
        task: _figures(manifest, task, found, np.stack(logits[task]), np.stack(before.get(task, logits[task])))
        for task, found in rows.items()
    }, logits


def _figures(
    manifest: Manifest, task: str, rows: Sequence[Row], logits: np.ndarray, before: np.ndarray
) -> dict[str, float]:
    labels = manifest.tasks[task]
    values, first = (probabilities(task, z, None).astype(np.float64) for z in (logits, before))
    if TASKS[task].kind == "multilabel":
        losses, scores = [], []
        for column, label in enumerate(labels):
            index, truth = known(rows, label)
            p = np.clip(values[index, column], 1e-9, 1 - 1e-9)
            losses += list(-np.where(truth, np.log(p), np.log(1 - p)))
            if truth.any():
                scores.append(macro_f1(truth, p >= 0.5))
        return {
            "loss_nats": float(np.mean(losses)) if losses else float("nan"),
            "macro_f1": float(np.mean(scores)) if scores else float("nan"),
            "flips_percent": 100 * float(((values >= 0.5) != (first >= 0.5)).mean()),
        }
    truth = np.array([labels.index(row.label) for row in rows])
    right = np.clip(values[np.arange(len(rows)), truth], 1e-9, 1.0)
    return {
        "loss_nats": float(-np.log(right).mean()),
        "macro_f1": macro_f1(truth, values.argmax(1)),
        "flips_percent": 100 * float((values.argmax(1) != first.argmax(1)).mean()),
    }


def table_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return one row of strings for each type: size, distance from F16 and speed."""
    rows = []
    for name, entry in report["types"].items():
        written = "kl_nats_per_token" in entry
        rows.append(
            (
                name,
                f"{entry['bytes'] / 1e6:.1f}",
                f"{entry['bits_per_weight']:.2f}",
                f"{entry['kl_nats_per_token']:.5f}" if written else "-",
                f"{entry['same_top_percent']:.2f} %" if written else "-",
                f"{entry['perplexity']:.2f}" if written else "-",
                f"{entry['load_seconds']:.2f} s",
                f"{entry['read_tokens_per_second']:.0f} tok/s" if written else "-",
                f"{entry['write_tokens_per_second']:.1f} tok/s" if written else "-",
            )
        )
    return rows


def task_table(report: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows of flips, loss and macro-F1, one row for each task and type."""
    header = ("task", "type", "flips against F16", "loss, nats", "macro-F1")
    rows = []
    for task in report["rows"]:
        for name, entry in report["types"].items():
            found = entry["tasks"][task]
            rows.append(
                (
                    task,
                    name,
                    f"{found['flips_percent']:.2f} %",
                    f"{found['loss_nats']:.4f}",
                    f"{found['macro_f1']:.3f}",
                )
            )
    return header, rows


def notes(report: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the tables should know."""
    found = [note for name, entry in report["types"].items() if (note := fallback_note(name, entry))]
    tokens = next(iter(report["types"].values())).get("kl_tokens")
    if tokens is not None and tokens < 3000:
        found.append(f"Only {tokens} held-out tokens were there to compare on; 3,000 or more make the figures firm.")
    return found


def table_text(report: Mapping[str, Any]) -> str:
    """Return everything as text for a terminal."""
    from trainer.report import plain_table

    parts = [plain_table(HEADER, table_rows(report))]
    if report["rows"]:
        parts.append(plain_table(*task_table(report)))
    return "\n\n".join([*parts, *notes(report)])


def _page(recipe: Recipe, paths: RunPaths, report: Mapping[str, Any]) -> tuple[Path, ...]:
    from trainer.evaluation.page import write_page

    blocks: list[Any] = [
        (
            "text",
            "Every type was made from the F16 file and read by the app's own engine. KL divergence is from F16's "
            "next-token probabilities to the type's, on held-out text; flips are labels that differ from F16's.",
        ),
        ("table", HEADER, table_rows(report)),
    ]
    if report["rows"]:
        blocks.append(("table", *task_table(report)))
    blocks += [("text", note) for note in notes(report)]
    html, markdown = paths.reports / "sweep.html", paths.reports / "sweep.md"
    write_page(html, markdown, f"{recipe.name}: quantised types", blocks)
    return html, markdown


def _held_out_files(paths: RunPaths) -> list[Path]:
    return [path for path in sorted(paths.prepared.glob("*.jsonl.gz")) if "train" not in path.name]


def _check_room(folder: Path, source: Path) -> None:
    needed, free = source.stat().st_size * 1.1, shutil.disk_usage(folder).free
    if free < needed:
        raise TrainerError(f"sweep: {needed / 1e9:.1f} GB are needed in {folder}, {free / 1e9:.1f} are free")


class _Timed:
    """Notes in ``entry`` how many seconds the block took."""

    def __init__(self, entry: dict[str, Any], key: str) -> None:
        self._entry, self._key = entry, key

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._entry[self._key] = time.perf_counter() - self._began
