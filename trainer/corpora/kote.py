"""KOTE: Korean comments, 43 feelings and none."""

from __future__ import annotations

from journal_app.contract.mappings import KOTE
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, identity

CORPUS = Corpus(
    name="kote",
    about="Korean comments, five raters each, 43 feelings and none; the 40,000 train rows are in kote_full",
    tasks=("feelings", "kote"),
    language="ko",
    licence="MIT",
    paper="Jeon et al. 2022, KOTE, arXiv 2205.05300",
    splits="published test; train and valid are the published valid, cut 90/10",
    read=readers.labelled,
    tables={"feelings": KOTE, "kote": identity(*KOTE.positive)},
    several=True,
)
