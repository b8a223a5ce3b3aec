"""Plain Korean text."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="prose_ko",
    about="novels, essays and film opinions",
    tasks=("text",),
    language="ko",
    licence="CC BY-SA 4.0 and CC0, by its field source",
    paper="KoCoNovel, UD_Korean-Kaist, e9t/nsmc",
    splits="valid by hash; no test",
    read=readers.prose,
)
