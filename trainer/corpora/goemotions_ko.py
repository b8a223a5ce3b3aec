"""GoEmotions in Korean, translated by machine."""

from __future__ import annotations

from journal_app.contract.mappings import GOEMOTIONS
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, identity

CORPUS = Corpus(
    name="goemotions_ko",
    about="goemotions translated by machine, row by row: never train on one and test on the other",
    tasks=("feelings", "goemotions"),
    language="ko",
    licence="Apache-2.0",
    paper="Demszky et al. 2020; translation of monologg/GoEmotions-Korean",
    splits="those of goemotions",
    read=readers.labelled,
    tables={"feelings": GOEMOTIONS, "goemotions": identity(*GOEMOTIONS.positive)},
    several=True,
)
