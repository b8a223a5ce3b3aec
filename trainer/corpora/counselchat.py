"""Counsel Chat: questions, and answers of therapists."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="counselchat",
    about="questions with long answers of licensed therapists, several a question",
    tasks=("reply",),
    licence="MIT (repository); written by the therapists of counselchat.com",
    paper="Bertagnolli 2020, Counsel Chat",
    splits="published",
    read=readers.pairs,
    group="prompt",
)
