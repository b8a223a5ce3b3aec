"""StudEmo: opinions, each rated by several annotators for Plutchik's eight emotions. Not measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from journal_app.contract.mappings import STUDEMO
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, Record, Skipped, identity
from trainer.corpora.files import CorpusError
from trainer.records import Example

EMOTIONS = tuple(STUDEMO.positive)
NOTHING = "nothing"
"""Our word for a text in which most annotators rated no emotion above zero."""


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Join the lines of one ``text_id`` (one an annotator, next to each other) or of one ``text``.

    An emotion counts as present where more than half of the annotators rated it above zero.
    """
    for _, lines in groupby(found, key=lambda r: str(r.values.get("text_id") or r.text("text"))):
        ratings = list(lines)
        first = ratings[0]
        present = [e for e in EMOTIONS if 2 * sum(_rating(r, e) > 0 for r in ratings) > len(ratings)]
        if not present and task == "feelings":
            truth = STUDEMO.truth(())
            text = first.text("text")
            yield corpus.example(task, text, output="none", negatives=truth.negatives, part="mapped", group="")
            continue
        record = Record(first.where, {"labels": present or [NOTHING]})
        yield readers.one_labelled(corpus, task, record, first.text("text"), ("labels",))


def _rating(record: Record, emotion: str) -> float:
    value: Any = record.values.get(emotion)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise CorpusError(f"{record.where}: no number in the column {emotion!r}") from None


CORPUS = Corpus(
    name="studemo",
    about="opinions on schools, medicine, hotels and products, rated one by one by 25 people",
    tasks=("feelings", "studemo"),
    licence="not checked: see where you take it from",
    paper="Ngo et al. 2022, StudEmo, NLPerspectives",
    splits="one; valid and test are cut by text",
    read=read,
    tables={"feelings": STUDEMO, "studemo": identity(*EMOTIONS, NOTHING)},
    several=True,
    group="text_id",
    measured=False,
)
