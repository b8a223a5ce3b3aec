"""Texts of papers with their summaries. Not measured: name the file of your own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, Record, Skipped, group_of
from trainer.corpora.files import is_placeholder
from trainer.records import Example


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Read ``text`` with ``summary`` (task ``summary``), or ``text`` alone as running text (task ``text``)."""
    for record in found:
        text = record.text("text")
        if task == "text":
            yield from readers.passages(corpus, text)
            continue
        summary = record.text("summary")
        if is_placeholder(text) or is_placeholder(summary):
            yield Skipped("placeholder")
        else:
            yield corpus.example(task, text, output=summary, group=group_of(text))


CORPUS = Corpus(
    name="papers",
    about="texts of papers with a summary each",
    tasks=("summary", "text"),
    licence="that of the file you name",
    paper="your own collection",
    splits="one; valid and test are cut by text",
    read=read,
    group="text",
    measured=False,
)
