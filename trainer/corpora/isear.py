"""ISEAR: situations in which 3,000 students felt one of seven emotions."""

from __future__ import annotations

from journal_app.contract.mappings import FEELING_MAPS, PUBLISHED_LABELS
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="isear",
    about="answers to 'describe a situation in which you felt ...'; first person, near to a journal",
    tasks=("isear", "feelings"),
    licence="not stated; given for research",
    paper="Scherer & Wallbott 1994",
    splits="test of daminho/Tiny-Mental-LLM less rows without an answer; valid a tenth of the rest",
    read=readers.labelled,
    tables={"isear": PUBLISHED_LABELS["isear"][1], "feelings": FEELING_MAPS["isear"]},
)
