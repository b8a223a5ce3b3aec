"""Books in English whose copyright has ended."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="prose_en",
    about="novels, memoirs, diaries, letters and essays, mostly 1880 to 1929",
    tasks=("text",),
    licence="CC0-1.0 and public domain, by its field source",
    paper="Standard Ebooks, ELTeC, Global ASP",
    splits="valid by hash; no test",
    read=readers.prose,
)
