"""Amod's mental-health counselling conversations: a question, and the answer of a psychologist. Not measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trainer.corpora.corpus import Corpus, Record, Skipped, group_of
from trainer.corpora.files import is_placeholder
from trainer.records import Example


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Read ``Context`` with ``Response``; a question has several answers, which stay in one split."""
    for record in found:
        asked, answer = record.text("Context"), record.text("Response")
        if is_placeholder(asked) or is_placeholder(answer):
            yield Skipped("placeholder")
        else:
            yield corpus.example(task, asked, output=answer, group=group_of(asked))


CORPUS = Corpus(
    name="amod",
    about="questions to online counselling with answers of psychologists; its texts overlap counselchat",
    tasks=("reply",),
    licence="RAIL-D: its use restrictions are passed on",
    paper="Amod 2023, mental_health_counseling_conversations",
    splits="one; valid and test are cut by question",
    read=read,
    group="Context",
    hub="Amod/mental_health_counseling_conversations",
    measured=False,
)
