"""``[[sources]]`` of a recipe: examples from a corpus of the data folder, from the Hub, or from a file.

Whatever the place, a source becomes :class:`~trainer.records.Example` values by split: through the corpus
of ``trainer.corpora`` that has its name, or through the recipe's own mapping of columns and labels. Where
there is only one split, valid and test are cut from it by group. Every mistake is told in one line with
file, line and column, and never with a text.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from journal_app.contract.tasks import TASKS
from trainer.config import ROOT, RunPaths, TrainerError
from trainer.corpora.corpus import Corpus, Record, Skipped, group_of, word, words
from trainer.corpora.files import SPLITS, is_placeholder
from trainer.corpora.known import KNOWN
from trainer.corpora.readers import passages
from trainer.leaks import normalise, whole
from trainer.records import Example
from trainer.sections import Source
from trainer.tables import read_table

FREE: dict[str, tuple[str, ...]] = {
    "reply": ("input", "output"),
    "rewrite": ("input", "output"),
    "summary": ("input", "output"),
    "explain": ("input", "output"),
    "text": ("text",),
    "preference": ("input", "chosen", "rejected"),
}
"""Tasks that are not classification, with the fields they need."""
CLASSIFY = ("text", "label")
FIELDS = ("text", "label", "input", "output", "instruction", "system", "chosen", "rejected", "group")
THEIR_NAMES: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "dev", "val"),
    "test": ("test", "testing"),
}
"""Our split -> what others call it, where a source does not say."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a source gave.

    Attributes:
        examples: split -> examples, in the order of the source. skipped: ``split: reason`` -> records.
        licence: as the recipe or the corpus states it. dialogue: whether examples of a group are one conversation.
        cut: splits that were cut from train here, not published.
    """

    name: str
    task: str
    licence: str
    examples: dict[str, list[Example]]
    skipped: dict[str, int] = field(default_factory=dict)
    dialogue: bool = False
    cut: tuple[str, ...] = ()


def load(source: Source, paths: RunPaths, seed: int) -> Loaded:
    """Return the examples of ``source``; raise :class:`TrainerError` for whatever is wrong with it."""
    corpus = KNOWN.get(source.name)
    if source.kind == "folder" and corpus is None:
        raise TrainerError(f"sources.{source.name}: no such corpus{_meant(source.name, KNOWN)}; for a file of yours, "
                           'set kind = "file" and its path')  # fmt: skip
    mapped = None if corpus is not None and not source.map else Mapper(source)
    if corpus is not None and mapped is None and source.task and source.task not in corpus.tasks:
        raise TrainerError(f"sources.{source.name}: it does not serve the task {source.task}; "
                           f"it has: {', '.join(corpus.tasks)}")  # fmt: skip
    skipped: Counter[str] = Counter()
    examples: dict[str, list[Example]] = {}
    for split, found in _records(source, corpus, paths).items():
        made = mapped.examples(found) if mapped else _own(corpus, source, found)
        examples[split] = []
        for item in made:
            if isinstance(item, Skipped):
                skipped[f"{split}: {item.reason}"] += 1
            elif split != "train" and item.part == "weak":
                skipped[f"{split}: weak labels are not judged by"] += 1
            else:
                examples[split].append(item)
    if not any(examples.values()):
        raise TrainerError(f"sources.{source.name}: nothing in it can be used ({_reasons(skipped)})")
    cut: tuple[str, ...] = ()
    if source.kind != "folder":
        cut = _cut(examples, {"valid": source.valid, "test": source.test}, seed)
    for split in SPLITS:
        examples.setdefault(split, [])
    if source.limit and len(examples["train"]) > source.limit:
        examples["train"] = _sample(examples["train"], source.limit, seed)
    licence = source.licence or (corpus.licence if corpus is not None else "not stated")
    task = source.task or (corpus.tasks[0] if corpus is not None else "")
    dialogue = corpus is not None and mapped is None and corpus.dialogue and task == "reply"
    return Loaded(source.name, task, licence, examples, dict(sorted(skipped.items())), dialogue, cut)


def files_of(source: Source) -> list[Path]:
    """Return the files of the source that are not in the data folder, so that a change of them can be noticed."""
    if source.kind != "file":
        return []
    path = _located(source)
    return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]


def _own(corpus: Corpus | None, source: Source, found: Iterable[Record]) -> Iterator[Example | Skipped]:
    assert corpus is not None
    return corpus.examples(found, source.task)


def _records(source: Source, corpus: Corpus | None, paths: RunPaths) -> dict[str, Iterable[Record]]:
    if source.kind == "file":
        return _file_records(source)
    if source.kind == "hub":
        from trainer.hub import hub_records

        return hub_records(source, corpus, paths, THEIR_NAMES)
    assert corpus is not None
    data = paths.corpora()
    there = [split for split in SPLITS if (data / source.name / f"{split}.jsonl.gz").is_file()]
    # A missing train file is an error that names it; chat_en and its like have no test.
    return {split: corpus.records(data, split) for split in dict.fromkeys(("train", *there))}


def _located(source: Source) -> Path:
    if not source.path:
        raise TrainerError(f'sources.{source.name}: kind = "file" needs a path')
    path = Path(source.path).expanduser()
    found = path if path.is_absolute() or path.exists() else ROOT / path
    if not found.exists():
        raise TrainerError(f"sources.{source.name}: no file {source.path}")
    return found


def _file_records(source: Source) -> dict[str, Iterable[Record]]:
    path = _located(source)
    if path.is_dir():
        names = source.splits or _by_name([p.stem for p in path.iterdir()])
        found: dict[str, Iterable[Record]] = {}
        for split, theirs in _splits(source, names).items():
            matches = [p for p in sorted(path.iterdir()) if theirs in (p.name, p.stem, p.name.split(".")[0])]
            if not matches:
                raise TrainerError(f"sources.{source.name}: no file {theirs} in {path} (for the split {split})")
            found[split] = read_table(matches[0])
        if "train" not in found:
            raise TrainerError(f"sources.{source.name}: no train file in {path}; name the files in splits")
        return found
    if source.splits:
        raise TrainerError(f"sources.{source.name}: splits needs path to be a folder; {source.path} is one file")
    return {"train": read_table(path)}


def _splits(source: Source, names: Mapping[str, str]) -> dict[str, str]:
    for split in names:
        if split not in SPLITS:
            raise TrainerError(f"sources.{source.name}: splits: {split} is not one of {', '.join(SPLITS)}")
    return {split: names[split] for split in SPLITS if split in names}


def _by_name(there: Iterable[str]) -> dict[str, str]:
    by_lower = {name.split(".")[0].lower(): name for name in there}
    return {split: by_lower[n] for split, names in THEIR_NAMES.items() for n in reversed(names) if n in by_lower}


class Mapper:
    """Makes examples of records by a recipe's ``map`` and ``labels``."""

    def __init__(self, source: Source) -> None:
        """Check the source by itself; raise :class:`TrainerError` for a task, field or label that cannot be."""
        self._source = source
        self._where = f"sources.{source.name}"
        self._task = task = source.task
        self._classifies = task in TASKS or (bool(task) and task not in FREE and bool(source.labels))
        if not self._classifies and task not in FREE:
            known = (*TASKS, *FREE)
            raise TrainerError(
                f"{self._where}: no such task: {task or '(none)'}{_meant(task, known)}; "
                "labels of your own need a table sources.labels"
            )
        for name in source.map:
            if name not in FIELDS:
                raise TrainerError(f"{self._where}: map: no such field: {name}{_meant(name, FIELDS)}")
        if task in TASKS:
            for theirs, ours in source.labels.items():
                if ours and ours not in TASKS[task].labels:
                    raise TrainerError(
                        f"{self._where}: labels: {theirs} = {ours!r} is not a label of {task}; "
                        f"it has: {', '.join(TASKS[task].labels)} (an empty one leaves the row out)"
                    )
        self._several = task in TASKS and TASKS[task].kind == "multilabel"
        self._needed = CLASSIFY if self._classifies else FREE[task]

    def examples(self, found: Iterable[Record]) -> Iterator[Example | Skipped]:
        """Yield an example, or why there is none, for each record; raise :class:`TrainerError`."""
        columns: dict[str, str] | None = None
        for record in found:
            if columns is None:
                columns = self._columns(record)
            yield from self._made(record, columns)
        if columns is None:
            raise TrainerError(f"{self._where}: there is not one record in it")

    def _columns(self, record: Record) -> dict[str, str]:
        there = list(record.values)
        chosen = {**self._source.map}
        # ``text`` and ``input`` are the same thing: what is asked of.
        for one, other in (("text", "input"), ("input", "text")):
            if one not in chosen and other in chosen:
                chosen[one] = chosen[other]
        for name in FIELDS:
            if name not in chosen and name in there:
                chosen[name] = name
        for one, other in (("text", "input"), ("input", "text")):
            if one not in chosen and other in chosen:
                chosen[one] = chosen[other]
        for name in self._needed:
            if name not in chosen:
                raise TrainerError(
                    f"{self._where}: the task {self._task} needs the field {name}: "
                    f'map = {{ {name} = "..." }} (columns there: {_names(there)})'
                )
        for name, column in chosen.items():
            if column not in there:
                raise TrainerError(
                    f"{record.where}: no column {column!r} (map of {name}){_meant(column, there)}; "
                    f"it has: {_names(there)}"
                )
        return chosen

    def _made(self, record: Record, columns: Mapping[str, str]) -> Iterator[Example | Skipped]:
        source, task = self._source, self._task
        for name in self._needed:
            if columns[name] not in record.values:
                raise TrainerError(
                    f"{record.where}: no field {columns[name]!r} (map of {name}), which the first record has"
                )
        values = {name: self._string(record, columns, name) for name in columns if name != "label"}
        text = values.get("text", "")
        if not text and not self._classifies and values.get("instruction"):
            # Files in Alpaca's form put what is asked into the instruction and leave the input empty.
            text = values.pop("instruction")
        if is_placeholder(text):
            yield Skipped("nothing is written")
            return
        example = Example(
            task=task,
            source=source.name,
            input=text,
            instruction=values.get("instruction", ""),
            system=values.get("system", ""),
            group=group_of(values.get("group") or text),
            lang=source.language,
        )
        if self._classifies:
            yield self._classified(record, columns, example)
        elif task == "text":
            shaped = Corpus(source.name, "", (task,), "", "", "", lambda *_: iter(()), language=source.language)
            for item in passages(shaped, text):
                yield replace(item, group=example.group) if isinstance(item, Example) else item
        elif task == "preference":
            chosen, rejected = values["chosen"], values["rejected"]
            if not chosen or not rejected or chosen == rejected:
                yield Skipped("chosen and rejected are the same or empty")
            else:
                yield replace(example, chosen=chosen, rejected=rejected)
        elif is_placeholder(values["output"]):
            yield Skipped("nothing is answered")
        else:
            yield replace(example, output=values["output"])

    def _classified(self, record: Record, columns: Mapping[str, str], example: Example) -> Example | Skipped:
        raw = record.values.get(columns["label"])
        items: Sequence[Any] = raw if isinstance(raw, list | tuple) else [raw]
        if self._several and isinstance(raw, str):
            items = [part for part in raw.replace(";", ",").replace("|", ",").split(",") if part.strip()]
        found = [self._label(record, columns["label"], item) for item in items]
        chosen = tuple(dict.fromkeys(label for label in found if label))
        task = self._task
        if self._several:
            return replace(example, labels=chosen, output=words(task, chosen))
        if not chosen:
            return Skipped("its label is left out by the recipe")
        if len(chosen) > 1:
            raise TrainerError(f"{record.where}, column {columns['label']!r}: several labels, but {task} takes one")
        label = next(iter(chosen))
        return replace(example, label=label, output=word(task, label))

    def _label(self, record: Record, column: str, item: Any) -> str:
        theirs = "" if item is None else str(item).strip()
        table = self._source.labels
        if theirs in table:
            return table[theirs]
        if not table and theirs in TASKS[self._task].labels:
            return theirs
        known = table or TASKS[self._task].labels
        # A wrong mapping may name a column of texts: then nothing of it is shown.
        shown = f"the label {theirs!r}" if 0 < len(theirs) <= 24 else f"a label of {len(theirs)} characters"
        hint = "sources.labels" if table else f"the labels of {self._task}"
        raise TrainerError(f"{record.where}, column {column!r}: {shown} is not in {hint}: {_names(known)}")

    def _string(self, record: Record, columns: Mapping[str, str], name: str) -> str:
        value = record.values.get(columns[name])
        if value is None:
            return ""
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, int | float):
            return str(value)
        raise TrainerError(f"{record.where}, column {columns[name]!r}: a text was expected, not {type(value).__name__}")


def _cut(examples: dict[str, list[Example]], shares: Mapping[str, float], seed: int) -> tuple[str, ...]:
    """Cut missing splits off train by group; the same texts fall into the same split, whatever the source is called."""
    wanted = [(split, shares[split]) for split in ("test", "valid") if not examples.get(split) and shares[split] > 0]
    if not wanted:
        return ()
    keys = _together(examples["train"])
    order = sorted(set(keys), key=lambda key: hashlib.sha256(f"{seed}:split:{key}".encode()).digest())
    if len(order) < 3:
        return ()
    place = 0
    where: dict[str, str] = {}
    for split, share in wanted:
        count = max(1, min(math.floor(share * len(order) + 0.5), len(order) // 2))
        where.update(dict.fromkeys(order[place : place + count], split))
        place += count
        examples[split] = [e for e, key in zip(examples["train"], keys, strict=True) if where.get(key) == split]
    examples["train"] = [e for e, key in zip(examples["train"], keys, strict=True) if key not in where]
    return tuple(split for split, _ in wanted)


def _together(examples: Sequence[Example]) -> list[str]:
    """Return for each example the key of its group; groups that share a text are one, named by their smallest group."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    first: list[str] = []
    for example in examples:
        text = "t" + hashlib.sha256(normalise(whole(example)).encode()).hexdigest()[:16]
        key = f"g{example.group}" if example.group else text
        first.append(key)
        # A piece of running text is known by the whole that it is from: so a file that is read twice, as text and
        # with summaries, is cut the same way both times.
        if example.task != "text":
            low, high = sorted((root(key), root(text)))
            parent[high] = low
    return [root(key) for key in first]


def _sample(examples: list[Example], limit: int, seed: int) -> list[Example]:
    """Return whole groups of ``examples``, drawn by hash, up to ``limit`` of them; the order stays."""
    groups: dict[str, list[int]] = {}
    for place, example in enumerate(examples):
        groups.setdefault(example.group or f"#{place}", []).append(place)
    order = sorted(groups, key=lambda key: hashlib.sha256(f"{seed}:limit:{key}".encode()).digest())
    chosen: list[int] = []
    for key in order:
        if len(chosen) >= limit:
            break
        chosen += groups[key]
    return [examples[place] for place in sorted(chosen[:limit])]


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1, 0.7)
    return f" (did you mean {near[0]}?)" if near else ""


def _names(names: Iterable[str], most: int = 12) -> str:
    shown = [str(name)[:40] for name in names]
    return ", ".join(shown[:most]) + (", ..." if len(shown) > most else "") or "none"


def _reasons(skipped: Mapping[str, int]) -> str:
    return "; ".join(f"{reason}: {count}" for reason, count in skipped.items()) or "no records"
