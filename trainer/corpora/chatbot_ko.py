"""Short Korean lines with soft answers."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="chatbot_ko",
    about="short Korean lines on daily life, love and break-ups, each with a comforting answer",
    tasks=("reply",),
    language="ko",
    licence="MIT",
    paper="Song 2018, Chatbot_data_for_Korean",
    splits="80/10/10 by hash of the question",
    read=readers.pairs,
    group="prompt",
)
