"""ESConv: emotional support, one conversation a record."""

from __future__ import annotations

from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="esconv",
    about="crowd workers, one seeking and one giving support; what is learned are the supporter's turns",
    tasks=("reply",),
    licence="CC BY-NC 4.0; academic research use",
    paper="Liu et al. 2021, ESConv, ACL",
    splits="published",
    read=readers.dialogues,
    group="dialogue",
    dialogue=True,
)
