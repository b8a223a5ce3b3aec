"""What a corpus says of itself, and one interface to read it from any place.

A corpus is a value of :class:`Corpus`, one a file in this package, found by its name in
``trainer.corpora.KNOWN``. It reads :class:`Record` objects, whether they come from the data folder,
from the Hub or from a file, and gives :class:`~trainer.records.Example` values, or says why a record
is left out. Nothing here ever prints a text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from journal_app.contract.mappings import FeelingMap, ThemeMap
from journal_app.contract.tasks import TASKS
from trainer.corpora.files import CorpusError, records, split_path
from trainer.records import Example

Table = FeelingMap | ThemeMap | Mapping[str, str]
"""How a set's labels become those of a task: what is known of each, or one label for one."""


@dataclass(frozen=True, slots=True)
class Record:
    """One object of a data set. ``where`` names file and line for errors; ``values`` are its fields."""

    where: str
    values: Mapping[str, Any]

    def text(self, *names: str) -> str:
        """Return the first of the fields ``names`` that holds a string, stripped; raise :class:`CorpusError`."""
        for name in names:
            value = self.values.get(name)
            if isinstance(value, str):
                return value.strip()
        raise CorpusError(f"{self.where}: no field {' or '.join(map(repr, names))} with a string")

    def turns(self, name: str = "turns", role: str = "role", text: str = "text") -> list[tuple[str, str]]:
        """Return (role, text) of a dialogue; raise :class:`CorpusError` when it is malformed."""
        turns = self.values.get(name)
        if not isinstance(turns, list) or not turns:
            raise CorpusError(f"{self.where}: no field {name!r} with a list")
        pairs = []
        for turn in turns:
            if not isinstance(turn, Mapping) or not isinstance(turn.get(text), str) or turn.get(role) is None:
                raise CorpusError(f"{self.where}: a turn without {role!r} or {text!r}")
            pairs.append((str(turn[role]), turn[text].strip()))
        return pairs

    def labels(self, known: Callable[[str], bool], *names: str) -> tuple[str, ...]:
        """Return the labels in the first field of ``names`` that is there; raise :class:`CorpusError`."""
        raw = next((self.values[name] for name in names if self.values.get(name) is not None), None)
        found = [raw] if isinstance(raw, str) else raw
        if not isinstance(found, list | tuple) or not found or not all(isinstance(label, str) for label in found):
            raise CorpusError(f"{self.where}: no field {' or '.join(map(repr, names))}")
        for label in found:
            if not known(label):
                raise CorpusError(f"{self.where}: the label {label[:40]!r} is not in the set's table")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that is not made into an example, and why (for the report)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """A data set: what it is, what may be done with it, and how it is read.

    Attributes:
        name: folder in the data folder and name in a recipe's ``[[sources]]``. about: one line.
        tasks: of the contract, ``reply``, ``rewrite``, ``summary``, ``explain``, ``text``, ``preference``, or its own
            name for its own labels; the first is the default.
        language: ISO 639-1. licence: as its source states it. paper: where it was published.
        splits: how they came about. read: makes examples of records, see ``trainer.corpora.readers``.
        tables: task -> how its labels map. several: whether a text has several of its own labels.
        group: what rows have in common that must stay in one split; empty: the text alone.
        dialogue: whether the examples of one group are one conversation.
        quotes: whether its texts stand inside other text, so that only ``read`` finds them.
        part: of the examples, see ``Example.part``; ``weak`` sets are never tested on.
        hub: ``owner/name`` with this shape. measured: whether it was at hand, so that its counts are tested; the
            others are read by their published description and tested on made-up fixtures only.
    """

    name: str
    about: str
    tasks: tuple[str, ...]
    licence: str
    paper: str
    splits: str
    read: Callable[[Corpus, Iterable[Record], str], Iterator[Example | Skipped]]
    language: str = "en"
    tables: Mapping[str, Table] = field(default_factory=dict)
    several: bool = False
    group: str = ""
    dialogue: bool = False
    quotes: bool = False
    part: str = "published"
    hub: str = ""
    measured: bool = True

    def records(self, data: Path, split: str) -> Iterator[Record]:
        """Yield the records of a split of the set in the folder ``data``; raise :class:`CorpusError`."""
        path = split_path(data, self.name, split)
        for number, values in records(path):
            yield Record(f"{path}, line {number}", values)

    def load(self, data: Path, split: str, task: str = "") -> Iterator[Example | Skipped]:
        """Yield the examples of a split for ``task`` (default: the first); raise :class:`CorpusError`."""
        return self.examples(self.records(data, split), task)

    def examples(self, found: Iterable[Record], task: str = "") -> Iterator[Example | Skipped]:
        """Yield the examples of ``found``, wherever it was read from; raise :class:`CorpusError`."""
        task = task or self.tasks[0]
        if task not in self.tasks:
            raise CorpusError(f"the corpus {self.name} does not serve the task {task}; it has: {', '.join(self.tasks)}")
        return self.read(self, found, task)

    def example(self, task: str, text: str, **values: Any) -> Example:
        """Return an example of this set, with its language and part."""
        blank = Example(task=task, source=self.name, input=text, part=self.part, lang=self.language)
        return replace(blank, **values)

    def labels(self, task: str) -> tuple[str, ...]:
        """Return the labels of a classification ``task`` of this set, in order; empty for other tasks."""
        if task in TASKS:
            return TASKS[task].labels
        table = self.tables.get(task, {})
        return tuple(dict.fromkeys(table.values())) if isinstance(table, Mapping) else ()


def word(task: str, label: str) -> str:
    """Return the word that answers ``task`` with ``label``: the contract's verbaliser, else the label in words."""
    if task in TASKS:
        return TASKS[task].verbalisers[TASKS[task].index(label)].strip()
    return label.replace("_", " ")


def words(task: str, labels: Iterable[str]) -> str:
    """Return the answer that names ``labels``, or ``none``."""
    return ", ".join(word(task, label) for label in labels) or "none"


def group_of(*texts: str) -> str:
    """Return a short name of a group that tells nothing of its texts."""
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()[:16]


def identity(*labels: str) -> dict[str, str]:
    """Return the table of a set's own labels."""
    return {label: label for label in labels}
