"""dair-ai/emotion: English tweets, one of six emotions by hashtag."""

from __future__ import annotations

from journal_app.contract.mappings import FEELING_MAPS, PUBLISHED_LABELS
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus

CORPUS = Corpus(
    name="emotion",
    about="tweets with one of six emotions, labelled by their hashtags; nearly every row has the word 'feel'",
    tasks=("emotion", "feelings"),
    licence="not stated; educational and research use",
    paper="Saravia et al. 2018, CARER, EMNLP",
    splits="published, less rows that are in a test",
    read=readers.labelled,
    tables={"emotion": PUBLISHED_LABELS["emotion"][1], "feelings": FEELING_MAPS["emotion"]},
    hub="dair-ai/emotion",
)
