"""EPITOME: replies of peers, rated for three kinds of empathy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, Record, Skipped
from trainer.corpora.files import CorpusError
from trainer.records import Example

RATED = ("emotional_reaction", "interpretation", "exploration")
STRONG = 2
"""The highest level of the three; a reply that reaches it in none is no model to follow."""


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Yield the replies that show one kind of empathy strongly; many others are weak or harsh."""
    for record in found:
        levels = [record.values.get(name) for name in RATED]
        if not all(isinstance(level, int) for level in levels):
            raise CorpusError(f"{record.where}: no level in one of {', '.join(RATED)}")
        if STRONG in levels:
            yield from readers.pairs(corpus, [record], task)
        else:
            yield Skipped("shows no strong empathy")


CORPUS = Corpus(
    name="epitome",
    about="posts and replies of peers on mental health; only replies with strong empathy of some kind are learned",
    tasks=("reply",),
    licence="not stated",
    paper="Sharma et al. 2020, EPITOME, EMNLP",
    splits="80/10/10 by hash of the post",
    read=read,
    group="prompt",
)
