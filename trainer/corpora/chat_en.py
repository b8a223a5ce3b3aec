"""Conversations with clean licences, of three sources."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="chat_en",
    about="everyday conversation, partly written by models; none of it is counselling",
    tasks=("reply",),
    licence="CC BY 4.0, BSD-3-Clause and MIT, by its field source",
    paper="google-research-datasets/Synthetic-Persona-Chat, jfainberg/self_dialogue_corpus, teknium1/GPTeacher",
    splits="valid by hash; no test",
    read=readers.dialogues,
    group="dialogue",
    dialogue=True,
)
