"""Dreaddit: stress in posts."""

from __future__ import annotations

from journal_app.contract.mappings import PUBLISHED_LABELS
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="dreaddit",
    about="segments of Reddit posts, stress or not by crowd workers; the same posts as depseverity",
    tasks=(PUBLISHED_LABELS["dreaddit"][0],),
    licence="not stated; released for research",
    paper="Turcan & McKeown 2019, Dreaddit, LOUHI",
    splits="published test of 715; rows that are in the test of depseverity are apart and never read",
    read=readers.labelled,
    tables=dict([PUBLISHED_LABELS["dreaddit"]]),
)
