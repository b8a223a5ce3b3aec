"""The sets with a public test: one label a text, splits as published.

``extra`` files are never read: Dreaddit and DepSeverity are the same posts with different
splits, and ``extra`` holds those that are in the other's test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from journal_app.contract.mappings import PUBLISHED_LABELS
from trainer.corpora.files import Row, is_placeholder, labels_of, records, split_path, text_of


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """A set, the licence its index names, and where it was published."""

    name: str
    licence: str
    paper: str


PUBLISHED: tuple[PublishedSet, ...] = (
    PublishedSet("emotion", "not stated; educational and research use", "Saravia et al. 2018"),
    PublishedSet("isear", "not stated; given for research", "Scherer & Wallbott 1994"),
    PublishedSet("dreaddit", "not stated; released for research", "Turcan & McKeown 2019"),
    PublishedSet("depression_reddit", "MIT (repository); non-clinical research", "Pirina & Coltekin 2018"),
    PublishedSet("depseverity", "not stated", "Naseem et al. 2022"),
    PublishedSet("sdcnl", "not stated", "Haque et al. 2021"),
)


def task_of(name: str) -> str:
    """Return the contract's task that the set ``name`` trains and tests."""
    return PUBLISHED_LABELS[name][0]


def load(data: Path, name: str, split: str) -> list[Row]:
    """Return the rows of a split less placeholders; raise ``CorpusError`` for a bad file or label."""
    task, table = PUBLISHED_LABELS[name]
    path = split_path(data, name, split)
    rows = []
    for number, record in records(path):
        text = text_of(path, number, record)
        (label, *_) = labels_of(path, number, record, table.__contains__)
        if not is_placeholder(text):
            rows.append(Row(task, text, name, "published", table[label]))
    return rows
