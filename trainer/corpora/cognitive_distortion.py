"""Cognitive distortions, yes or no; the contract has no such task, so its own labels are kept."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, identity

CORPUS = Corpus(
    name="cognitive_distortion",
    about="sentences and letters with or without a cognitive distortion; length alone gives much of the answer",
    tasks=("cognitive_distortion",),
    licence="MIT (the copy says: confirmed by the author)",
    paper="Babacan et al. 2023",
    splits="80/10/10 by hash of the text",
    read=readers.labelled,
    tables={"cognitive_distortion": identity("distortion", "no_distortion")},
)
