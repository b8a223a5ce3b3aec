"""EmpatheticDialogues, the part that is at hand: one tells of something, the other listens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from journal_app.contract.mappings import EMPATHETIC_DIALOGUES
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, Record, Skipped, identity
from trainer.records import Example


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Yield the listener's turns (``reply``), or the first turn with the emotion that was to be told of."""
    for record in found:
        turns = record.turns()
        if task == "reply":
            yield from readers.replies(corpus, record, turns)
        else:
            yield readers.one_labelled(corpus, task, record, turns[0][1], ("emotion",))


CORPUS = Corpus(
    name="empathetic_dialogues",
    about="conversations on an emotional situation, one of 32 emotions; only the published valid split",
    tasks=("reply", "feelings", "empathetic_dialogues"),
    licence="CC BY-NC 4.0",
    paper="Rashkin et al. 2019, EmpatheticDialogues, ACL",
    splits="the published valid, cut 80/10/10 by hash of the first turn",
    read=read,
    tables={"feelings": EMPATHETIC_DIALOGUES, "empathetic_dialogues": identity(*EMPATHETIC_DIALOGUES.positive)},
    group="dialogue",
    dialogue=True,
)
