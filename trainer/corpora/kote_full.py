"""KOTE as published: 40,000 train rows. Not measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from journal_app.contract.mappings import KOTE
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, Record, Skipped, identity
from trainer.corpora.files import CorpusError
from trainer.records import Example

LABELS = tuple(KOTE.positive)
"""In the order of the set's own numbers (README of searle-j/KOTE)."""


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Read ``text`` with ``labels``: names, numbers, or numbers in one string with commas."""
    for record in found:
        values: Mapping[str, Any] = {**record.values, "labels": _names(record)}
        yield readers.one_labelled(corpus, task, Record(record.where, values), record.text("text"), ("labels",))


def _names(record: Record) -> list[str]:
    raw = record.values.get("labels")
    items: Sequence[Any] = raw.split(",") if isinstance(raw, str) else raw if isinstance(raw, list) else []
    names = []
    for item in items:
        text = str(item).strip()
        if text.isdecimal():
            if int(text) >= len(LABELS):
                raise CorpusError(f"{record.where}: the label {text[:10]} is not in the set's table")
            text = LABELS[int(text)]
        names.append(text)
    return names


CORPUS = Corpus(
    name="kote_full",
    about="all 50,000 Korean comments of KOTE; do not use it together with kote, whose rows are among its",
    tasks=("feelings", "kote"),
    language="ko",
    licence="MIT",
    paper="Jeon et al. 2022, KOTE, arXiv 2205.05300",
    splits="published 40,000/5,000/5,000",
    read=read,
    tables={"feelings": KOTE, "kote": identity(*LABELS)},
    several=True,
    hub="searle-j/kote",
    measured=False,
)
