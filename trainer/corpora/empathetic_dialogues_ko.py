"""EmpatheticDialogues in Korean (KorEmpatheticDialogues, translated by machine). Not measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from journal_app.contract.mappings import EMPATHETIC_DIALOGUES
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, Record, Skipped, identity
from trainer.records import Example


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Read ``dialogue`` (``utter``, ``user_id``) with ``emotion``; who speaks first tells, the other listens."""
    for record in found:
        spoken = record.turns("dialogue", "user_id", "utter")
        turns = [("user" if who == spoken[0][0] else "assistant", text) for who, text in spoken]
        if task == "reply":
            yield from readers.replies(corpus, record, turns)
        else:
            yield readers.one_labelled(corpus, task, record, turns[0][1], ("emotion",))


CORPUS = Corpus(
    name="empathetic_dialogues_ko",
    about="EmpatheticDialogues translated by machine: never train on one and test on the other",
    tasks=("reply", "feelings", "empathetic_dialogues"),
    language="ko",
    licence="CC BY 4.0 as its card states; the original is CC BY-NC 4.0",
    paper="Lee et al. 2023, KorEmpatheticDialogues",
    splits="published 19,531/2,769/2,547",
    read=read,
    tables={"feelings": EMPATHETIC_DIALOGUES, "empathetic_dialogues": identity(*EMPATHETIC_DIALOGUES.positive)},
    group="dialogue",
    dialogue=True,
    hub="passing2961/KorEmpatheticDialogues",
    measured=False,
)
