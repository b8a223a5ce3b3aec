"""SDCNL: speaking of suicide, or of depression."""

from __future__ import annotations

from journal_app.contract.mappings import PUBLISHED_LABELS
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="sdcnl",
    about="posts of r/SuicideWatch against r/depression: both are people in distress",
    tasks=(PUBLISHED_LABELS["sdcnl"][0],),
    licence="not stated",
    paper="Haque et al. 2021, SDCNL, ICANN",
    splits="published test of 379; valid a tenth of the published train; authors may be in both",
    read=readers.labelled,
    tables=dict([PUBLISHED_LABELS["sdcnl"]]),
)
