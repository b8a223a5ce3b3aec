"""Empathetic personas: short answers written for twelve emotions."""

from __future__ import annotations

from journal_app.contract.mappings import EMPATHETIC_PERSONAS
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, identity

CORPUS = Corpus(
    name="empathetic_personas",
    about="answers of crowd workers to 'how are you feeling', written for twelve emotions",
    tasks=("feelings", "empathetic_personas"),
    licence="not stated",
    paper="Alazraki et al. 2021, An Empathetic AI Coach for Self-Attachment Therapy",
    splits="80/10/10 by hash of the text",
    read=readers.labelled,
    tables={"feelings": EMPATHETIC_PERSONAS, "empathetic_personas": identity(*EMPATHETIC_PERSONAS.positive)},
)
