"""DepSeverity: how severe, in four levels."""

from __future__ import annotations

from journal_app.contract.mappings import PUBLISHED_LABELS
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="depseverity",
    about="the posts of dreaddit by severity of depression, four levels",
    tasks=(PUBLISHED_LABELS["depseverity"][0],),
    licence="not stated",
    paper="Naseem et al. 2022, WWW",
    splits="last 20 % of each label as in daminho/Tiny-Mental-LLM; rows in the test of dreaddit are never read",
    read=readers.labelled,
    tables=dict([PUBLISHED_LABELS["depseverity"]]),
)
