"""Reading corpora and prepared rows: gzip JSON lines, checked line by line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.config import TrainerError

SPLITS: tuple[str, ...] = ("train", "valid", "test")
PLACEHOLDERS: frozenset[str] = frozenset(
    ("emptypost", "[removed]", "[deleted]", "no response", "[ no response.]", "no response.", "#name?", "nan")
)
"""Whole texts (lower case) that stand for 'nothing was written'."""


class CorpusError(TrainerError):
    """A corpus is missing or malformed; the message names the file and, where it can, the line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One text with what is known of it for one task.

    Attributes:
        task: of the contract, or ``diary`` for texts kept to set and judge thresholds.
        source: data set. part: ``published``, ``neutral`` or ``mapped`` (``weak`` for labels by rule).
        label: of softmax tasks, else empty. positives, negatives: of multi-label tasks; a label in
            neither is unknown.
    """

    task: str
    text: str
    source: str
    part: str
    label: str = ""
    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()


def split_path(data: Path, name: str, split: str) -> Path:
    """Return the file of a split of a set; raise :class:`CorpusError` when it is not there."""
    path = data / name / f"{split}.jsonl.gz"
    if not path.is_file():
        raise CorpusError(f"the corpus {name} is missing: no file {path}")
    return path


def records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of a gzip JSON-lines file; raise :class:`CorpusError` on the first bad line."""
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except json.JSONDecodeError as error:
                    raise CorpusError(f"{path}, line {number}: not valid JSON ({error.msg})") from None
                if not isinstance(value, dict):
                    raise CorpusError(f"{path}, line {number}: not a JSON object")
                yield number, value
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}, after line {number}: cannot be read ({type(error).__name__})") from None


def text_of(path: Path, number: int, record: dict[str, Any]) -> str:
    """Return the field ``text`` of a record, stripped; raise :class:`CorpusError` when it is not a string."""
    text = record.get("text")
    if not isinstance(text, str):
        raise CorpusError(f"{path}, line {number}: no field 'text' with a string")
    return text.strip()


def turns_of(path: Path, number: int, record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (role, text) of the turns of a dialogue; raise :class:`CorpusError` when they are malformed."""
    turns = record.get("turns")
    if not isinstance(turns, list) or not turns:
        raise CorpusError(f"{path}, line {number}: no field 'turns' with a list")
    pairs = []
    for turn in turns:
        if not isinstance(turn, dict) or not isinstance(turn.get("text"), str) or not isinstance(turn.get("role"), str):
            raise CorpusError(f"{path}, line {number}: a turn without 'role' or 'text'")
        pairs.append((turn["role"], turn["text"].strip()))
    return pairs


def labels_of(path: Path, number: int, record: dict[str, Any], known: Callable[[str], bool]) -> tuple[str, ...]:
    """Return ``labels`` or the one ``label``; raise :class:`CorpusError` for an unknown or missing one."""
    raw = record.get("labels", record.get("label"))
    labels = [raw] if isinstance(raw, str) else raw
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise CorpusError(f"{path}, line {number}: no field 'label' or 'labels'")
    for label in labels:
        if not known(label):
            raise CorpusError(f"{path}, line {number}: the label {label[:40]!r} is not in the set's table")
    return tuple(labels)


def is_placeholder(text: str) -> bool:
    """Tell whether ``text`` stands for an answer that was never given."""
    return not any(c.isalnum() for c in text) or text.strip().lower() in PLACEHOLDERS


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as gzip JSON lines, the same bytes for the same rows; return how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    part = path.with_name(path.name + ".part")
    with part.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        for row in rows:
            record: dict[str, Any] = {"task": row.task, "text": row.text, "source": row.source, "part": row.part}
            if row.label:
                record["label"] = row.label
            if row.positives or row.negatives:
                record["positives"], record["negatives"] = row.positives, row.negatives
            file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            count += 1
    part.replace(path)
    return count


def read_rows(path: Path) -> list[Row]:
    """Read prepared rows back; raise :class:`CorpusError` naming the line that is wrong."""
    if not path.is_file():
        raise CorpusError(f"no prepared rows at {path}: run `quietpage-train prepare` first")
    rows = []
    for number, record in records(path):
        try:
            rows.append(
                Row(
                    record["task"],
                    record["text"],
                    record["source"],
                    record["part"],
                    record.get("label", ""),
                    tuple(record.get("positives", ())),
                    tuple(record.get("negatives", ())),
                )
            )
        except (KeyError, TypeError) as error:
            raise CorpusError(f"{path}, line {number}: not a prepared row ({error})") from None
    return rows
