"""Tasks, label sets and one-token verbalisers: the single place where they are written down.

A *reader* turns a text into one probability per label of each task. In an encoder the labels
index the rows of a linear head; in a decoder each label has a *verbaliser*, one token that may
come next after the task's question. Order of labels is part of the contract: heads, label maps
and calibration refer to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CONTRACT_VERSION = 1
"""Raised whenever a task, a label, its order, a verbaliser or a prompt changes."""

Kind = Literal["choice", "ordinal", "binary", "multilabel"]


@dataclass(frozen=True, slots=True)
class Task:
    """One question that a reader answers about a text.

    Attributes:
        name: stable identifier, also the key in ``Scores.tasks``.
        kind: ``choice``, ``ordinal`` and ``binary`` share a softmax over the labels;
            ``multilabel`` has an independent sigmoid per label.
        labels: label names in head order.
        verbalisers: one string per label, each a single token (leading space included) in the
            vocabulary of every decoder that claims this contract.
        question: what a decoder is asked after the entry; ends where the label token comes next.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    verbalisers: tuple[str, ...]
    question: str

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.verbalisers) or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"task {self.name}: labels and verbalisers do not match")
        if len(set(self.verbalisers)) != len(self.verbalisers):
            raise ValueError(f"task {self.name}: two labels share a verbaliser")

    def index(self, label: str) -> int:
        """Return the row of ``label``; raise ``ValueError`` for a label that is not in this task."""
        return self.labels.index(label)


def _same(*labels: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return labels, tuple(f" {label}" for label in labels)


_EMOTION = _same("joy", "love", "surprise", "anger", "fear", "sadness")
_ISEAR = _same("joy", "fear", "anger", "sadness", "disgust", "shame", "guilt")
_YES_NO = _same("yes", "no")
_SEVERITY = _same("minimum", "mild", "moderate", "severe")

FEELINGS: tuple[str, ...] = (
    "joy",
    "excitement",
    "gratitude",
    "love",
    "pride",
    "calm",
    "hope",
    "surprise",
    "sadness",
    "loneliness",
    "anxiety",
    "anger",
    "disgust",
    "shame",
    "guilt",
    "tiredness",
)
_FEELING_TOKENS = (
    " joy",
    " excited",
    " grateful",
    " love",
    " proud",
    " calm",
    " hope",
    " surprise",
    " sad",
    " lonely",
    " worried",
    " angry",
    " disgust",
    " shame",
    " guilt",
    " tired",
)

THEMES: tuple[str, ...] = (
    "work",
    "school",
    "money",
    "family",
    "friends",
    "partner",
    "health",
    "sleep",
    "self",
    "loss",
    "daily life",
    "other",
)
_THEME_TOKENS = (
    " work",
    " school",
    " money",
    " family",
    " friends",
    " partner",
    " health",
    " sleep",
    " self",
    " loss",
    " daily",
    " other",
)

_ALL = (
    Task("emotion", "choice", *_EMOTION, "Which emotion is strongest in this text?"),
    Task("isear", "choice", *_ISEAR, "Which emotion does the situation bring up?"),
    Task("stress", "binary", *_YES_NO, "Does the writer sound stressed?"),
    Task("depression", "binary", *_YES_NO, "Does this text use language of depression?"),
    Task("severity", "ordinal", *_SEVERITY, "How severe are the signs of low mood?"),
    Task("suicidality", "binary", *_YES_NO, "Does this text speak of suicide?"),
    Task("feelings", "multilabel", FEELINGS, _FEELING_TOKENS, "Which feelings are in this text?"),
    Task("themes", "multilabel", THEMES, _THEME_TOKENS, "What is this text about?"),
)

TASKS: dict[str, Task] = {task.name: task for task in _ALL}
"""Every task by name, in the order in which they are asked."""

PUBLISHED_TASKS: tuple[str, ...] = (
    "emotion",
    "isear",
    "stress",
    "depression",
    "severity",
    "suicidality",
)
"""Tasks with a public test set, kept so that figures can be compared."""

SCREENING_TASKS: tuple[str, ...] = ("stress", "depression", "severity", "suicidality")
"""Tasks that train with neutral negatives and reach the writer only as bands or help."""

Band = Literal["quiet", "some", "many", "unsure"]
BANDS: tuple[Band, ...] = ("quiet", "some", "many", "unsure")
CrisisLevel = Literal["none", "gentle", "clear", "urgent"]
CRISIS_LEVELS: tuple[CrisisLevel, ...] = ("none", "gentle", "clear", "urgent")


def verbaliser_tokens() -> tuple[str, ...]:
    """Return every distinct verbaliser; a tokenizer must hold each of them as one token."""
    return tuple(dict.fromkeys(v for task in _ALL for v in task.verbalisers))
