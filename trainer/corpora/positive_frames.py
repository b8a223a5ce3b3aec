"""Positive reframing: a line on stress, written again in a hopeful frame."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="positive_frames",
    about="lines on stress, each rewritten in a positive frame; some are positive to a fault",
    tasks=("rewrite",),
    licence="CC BY-SA 4.0",
    paper="Ziems et al. 2022, Inducing Positive Perspectives, ACL",
    splits="published",
    read=readers.pairs,
    group="prompt",
)
