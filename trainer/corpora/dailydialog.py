"""DailyDialog: everyday talk of two."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="dailydialog",
    about="everyday talk of two people, from sites for learners of English",
    tasks=("reply",),
    licence="CC BY-NC-SA 4.0",
    paper="Li et al. 2017, DailyDialog, IJCNLP",
    splits="published, less dialogues that are in a test; near copies between splits remain",
    read=readers.dialogues,
    group="dialogue",
    dialogue=True,
)
