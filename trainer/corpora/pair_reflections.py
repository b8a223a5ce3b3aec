"""PAIR: reflective listening, an expert's reply beside worse ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, Record, Skipped, group_of
from trainer.corpora.files import CorpusError
from trainer.records import Example


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Yield the expert's reply (``reply``), or it against each of the worse ones (``preference``)."""
    for record in found:
        if task == "reply":
            yield from readers.pairs(corpus, [record], task)
            continue
        prompt, chosen, worse = record.text("prompt"), record.text("response"), record.values.get("rejected")
        if not isinstance(worse, list) or not all(isinstance(text, str) for text in worse):
            raise CorpusError(f"{record.where}: no field 'rejected' with a list of strings")
        for rejected in dict.fromkeys(text.strip() for text in worse):
            if rejected and rejected != chosen:
                yield corpus.example(task, prompt, chosen=chosen, rejected=rejected, group=group_of(prompt))
            else:
                yield Skipped("the worse reply is the same or empty")


CORPUS = Corpus(
    name="pair_reflections",
    about="what a client said, an expert's reflection and worse replies",
    tasks=("reply", "preference"),
    licence="not stated",
    paper="Min et al. 2022, PAIR, EMNLP",
    splits="80/10/10 by hash of the prompt",
    read=read,
    group="prompt",
)
