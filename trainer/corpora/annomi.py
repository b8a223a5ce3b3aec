"""AnnoMI: demonstrations of motivational interviewing, good ones and bad ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, Record, Skipped
from trainer.records import Example


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Yield the therapist's turns of the good demonstrations; the bad ones show what not to do."""
    for record in found:
        if record.text("quality") == "low":
            yield Skipped("a demonstration of how not to do it")
        else:
            yield from readers.replies(corpus, record, record.turns())


CORPUS = Corpus(
    name="annomi",
    about="transcribed demonstrations of counselling; what is learned are the therapist's turns of the good ones",
    tasks=("reply",),
    licence="not stated (transcripts of public demonstration videos)",
    paper="Wu et al. 2022, AnnoMI, ICASSP",
    splits="80/10/10 by hash of the first two turns",
    read=read,
    group="dialogue",
    dialogue=True,
)
