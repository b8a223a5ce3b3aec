"""GoEmotions: Reddit comments with 27 emotions and neutral, several a comment."""

from __future__ import annotations

from journal_app.contract.mappings import GOEMOTIONS
from trainer.corpora import readers
from trainer.corpora.corpus import Corpus, identity

CORPUS = Corpus(
    name="goemotions",
    about="Reddit comments with 27 emotions and neutral, several a comment",
    tasks=("feelings", "goemotions"),
    licence="Apache-2.0",
    paper="Demszky et al. 2020, GoEmotions, ACL",
    splits="published, less rows that are in a test",
    read=readers.labelled,
    tables={"feelings": GOEMOTIONS, "goemotions": identity(*GOEMOTIONS.positive)},
    several=True,
    hub="google-research-datasets/go_emotions",
)
