"""Blogs of grown-ups, 2004: the nearest thing to diaries."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="blog_prose",
    about="journal-like posts of bloggers of 23 and over; names of people remain, so print none of it",
    tasks=("text",),
    licence="free for non-commercial research",
    paper="Schler et al. 2006, Effects of Age and Gender on Blogging",
    splits="98/1/1 by blogger",
    read=readers.prose,
)
