"""Stress with weak labels: whole posts, labelled by a network."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="stress_weak",
    about="whole Reddit posts with labels made by a network: more text to train on, never a test",
    tasks=("stress",),
    licence="Apache-2.0",
    paper="Rastogi et al. 2022, IJCNN",
    splits="80/10/10 by hash of the text",
    read=readers.labelled,
    tables={"stress": {"stress": "yes", "no_stress": "no"}},
    part="weak",
)
