"""SAD: sentences on a daily stressor, with its cause."""

from __future__ import annotations

from journal_app.contract.mappings import SAD
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, identity

CORPUS = Corpus(
    name="sad",
    about="sentences like text messages on a daily stressor, one of nine causes",
    tasks=("themes", "sad"),
    licence="MIT (repository); non-clinical research",
    paper="Mauriello et al. 2021, SAD, CHI EA; IMHI, Yang et al. 2024",
    splits="published by IMHI",
    read=readers.labelled,
    tables={"themes": SAD, "sad": identity(*SAD.positive)},
)
