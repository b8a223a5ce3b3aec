"""Depression Reddit (DR of IMHI): forum posts."""

from __future__ import annotations

from journal_app.contract.mappings import PUBLISHED_LABELS
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="depression_reddit",
    about="posts of depression forums against posts on family and friends; labels are the forum",
    tasks=(PUBLISHED_LABELS["depression_reddit"][0],),
    licence="MIT (repository); non-clinical research",
    paper="Pirina & Coltekin 2018; IMHI, Yang et al. 2024",
    splits="published by IMHI",
    read=readers.labelled,
    tables=dict([PUBLISHED_LABELS["depression_reddit"]]),
)
