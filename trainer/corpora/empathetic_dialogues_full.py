"""EmpatheticDialogues as published: one line an utterance. Not measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from journal_app.contract.mappings import EMPATHETIC_DIALOGUES
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, Record, Skipped, identity
from trainer.corpora.files import CorpusError
from trainer.records import Example


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Join the lines of a ``conv_id``; who speaks first tells, the other listens.

    Commas are written ``_comma_`` in the published files.
    """
    for _, lines in groupby(found, key=lambda record: record.text("conv_id")):
        conversation = sorted(lines, key=_place)
        first = conversation[0]
        teller = str(first.values.get("speaker_idx"))
        turns = [
            ("user" if str(r.values.get("speaker_idx")) == teller else "assistant", _plain(r.text("utterance")))
            for r in conversation
        ]
        if task == "reply":
            yield from readers.replies(corpus, first, turns)
        else:
            yield readers.one_labelled(corpus, task, first, turns[0][1], ("context",))


def _place(record: Record) -> int:
    value: Any = record.values.get("utterance_idx")
    try:
        return int(value)
    except (TypeError, ValueError):
        raise CorpusError(f"{record.where}: no number in 'utterance_idx'") from None


def _plain(text: str) -> str:
    return text.replace("_comma_", ",")


CORPUS = Corpus(
    name="empathetic_dialogues_full",
    about="conversations on an emotional situation, one of 32 emotions; do not use it with empathetic_dialogues",
    tasks=("reply", "feelings", "empathetic_dialogues"),
    licence="CC BY-NC 4.0",
    paper="Rashkin et al. 2019, EmpatheticDialogues, ACL",
    splits="published",
    read=read,
    tables={"feelings": EMPATHETIC_DIALOGUES, "empathetic_dialogues": identity(*EMPATHETIC_DIALOGUES.positive)},
    group="conv_id",
    dialogue=True,
    hub="facebook/empathetic_dialogues",
    measured=False,
)
