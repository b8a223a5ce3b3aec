"""How the labels of public data sets become the labels of this contract.

A text of a mapped set has *positive* feelings, *negative* ones and the rest, of which nothing is
known: those take no part in the loss. A set that offered its raters only a few words says nothing
about the others (``knows``); and where a rater had to choose one word, the kin of that word may
well have been there too, so they stay unknown instead of becoming false negatives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from journal_app.contract.tasks import FEELINGS

PLEASANT: tuple[str, ...] = ("joy", "excitement", "gratitude", "love", "pride", "calm", "hope")
PAINFUL: tuple[str, ...] = ("sadness", "loneliness", "anxiety", "anger", "disgust", "shame", "guilt")

KIN: dict[str, tuple[str, ...]] = {
    "joy": ("excitement", "gratitude", "love", "pride", "calm", "hope", "surprise"),
    "excitement": ("joy", "hope", "surprise", "anxiety"),
    "gratitude": ("joy", "love", "calm", "hope"),
    "love": ("joy", "gratitude", "calm"),
    "pride": ("joy", "excitement", "gratitude", "love"),
    "calm": ("joy", "gratitude", "hope", "love"),
    "hope": ("joy", "excitement", "anxiety", "gratitude"),
    "surprise": ("joy", "excitement", "anxiety", "anger", "sadness"),
    "sadness": ("loneliness", "tiredness", "guilt", "shame"),
    "loneliness": ("sadness", "tiredness", "anxiety"),
    "anxiety": ("tiredness", "surprise"),
    "anger": ("disgust", "sadness", "tiredness"),
    "disgust": ("anger", "surprise"),
    "shame": ("guilt", "sadness", "anxiety"),
    "guilt": ("shame", "sadness", "love"),
    "tiredness": ("sadness", "anxiety", "loneliness"),
}
"""Feelings that often come together with the key: unknown where a rater could name only the key."""


@dataclass(frozen=True, slots=True)
class FeelingTruth:
    """What a label says about ``feelings``; a feeling in neither tuple is unknown."""

    positives: tuple[str, ...]
    negatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeelingMap:
    """How one set's labels map to ``feelings``.

    Attributes:
        knows: feelings the set can deny: raters could have chosen a word for them and did not.
        positive: label -> the feelings it names. unsure: label -> feelings that it may imply
            without naming them. single: raters had one choice, so the kin stay unknown.
    """

    knows: tuple[str, ...]
    positive: Mapping[str, tuple[str, ...]]
    unsure: Mapping[str, tuple[str, ...]]
    single: bool

    def truth(self, labels: Iterable[str]) -> FeelingTruth:
        """Return what ``labels`` say together; raise ``KeyError`` for a label that is not in the set."""
        chosen = tuple(labels)
        positives = {feeling for label in chosen for feeling in self.positive[label]}
        unknown = {feeling for label in chosen for feeling in self.unsure.get(label, ())}
        if self.single:
            unknown |= {kin for feeling in positives for kin in KIN[feeling]}
        negatives = set(self.knows) - positives - unknown
        return FeelingTruth(_ordered(positives), _ordered(negatives))


def _ordered(feelings: Iterable[str]) -> tuple[str, ...]:
    chosen = set(feelings)
    return tuple(feeling for feeling in FEELINGS if feeling in chosen)


_ALL_BUT_TIRED = tuple(feeling for feeling in FEELINGS if feeling != "tiredness")

GOEMOTIONS = FeelingMap(
    knows=(
        "joy",
        "excitement",
        "gratitude",
        "love",
        "pride",
        "hope",
        "surprise",
        "sadness",
        "anxiety",
        "anger",
        "disgust",
        "shame",
        "guilt",
    ),
    positive={
        "admiration": (),
        "amusement": ("joy",),
        "anger": ("anger",),
        "annoyance": ("anger",),
        "approval": (),
        "caring": (),
        "confusion": (),
        "curiosity": (),
        "desire": (),
        "disappointment": ("sadness",),
        "disapproval": (),
        "disgust": ("disgust",),
        "embarrassment": ("shame",),
        "excitement": ("excitement",),
        "fear": ("anxiety",),
        "gratitude": ("gratitude",),
        "grief": ("sadness",),
        "joy": ("joy",),
        "love": ("love",),
        "nervousness": ("anxiety",),
        "optimism": ("hope",),
        "pride": ("pride",),
        "realization": (),
        "relief": ("calm",),
        "remorse": ("guilt",),
        "sadness": ("sadness",),
        "surprise": ("surprise",),
        "neutral": (),
    },
    unsure={
        "admiration": ("joy", "love", "pride"),
        "approval": ("joy",),
        "caring": ("love",),
        "desire": ("hope", "excitement"),
        "disappointment": ("anger",),
        "disapproval": ("anger", "disgust"),
        "excitement": ("joy",),
        "gratitude": ("joy",),
        "love": ("joy",),
        "pride": ("joy",),
        "relief": ("joy", "gratitude"),
        "remorse": ("sadness", "shame"),
        "realization": ("surprise",),
        "confusion": ("surprise", "anxiety"),
        "grief": ("loneliness",),
    },
    single=False,
)
"""GoEmotions (28 labels, several a comment). It has no word for loneliness, calm or tiredness."""

_ISEAR_LABELS = {
    "joy": ("joy",),
    "fear": ("anxiety",),
    "anger": ("anger",),
    "sadness": ("sadness",),
    "disgust": ("disgust",),
    "shame": ("shame",),
    "guilt": ("guilt",),
}
ISEAR = FeelingMap(
    knows=("joy", "gratitude", "calm", "hope", "sadness", "anxiety", "anger", "disgust", "shame", "guilt"),
    positive=_ISEAR_LABELS,
    # The first reader was trained with nothing pleasant denied for these two; changing it changes its data.
    unsure=dict.fromkeys(("anger", "sadness"), (*PLEASANT, "loneliness")) | {"fear": ("hope",)},
    single=True,
)

EMOTION = FeelingMap(
    knows=("joy", "gratitude", "love", "sadness", "anxiety", "anger", "surprise"),
    positive={
        "joy": ("joy",),
        "love": ("love",),
        "surprise": ("surprise",),
        "anger": ("anger",),
        "fear": ("anxiety",),
        "sadness": ("sadness",),
    },
    unsure={},
    single=True,
)

EMPATHETIC_PERSONAS = FeelingMap(
    knows=("joy", "gratitude", "calm", "pride", "love", "sadness", "anxiety", "anger", "disgust", "shame", "guilt"),
    positive={
        "angry": ("anger",),
        "sad": ("sadness",),
        "anxious": ("anxiety",),
        "happy": ("joy",),
        "insecure": (),
        "disappointed": ("sadness",),
        "guilty": ("guilt",),
        "jealous": (),
        "envious": (),
        "loving": ("love",),
        "ashamed": ("shame",),
        "disgusted": ("disgust",),
    },
    unsure={
        "insecure": ("anxiety", "shame", "sadness", "loneliness"),
        "disappointed": ("anger", "shame"),
        "jealous": ("anger", "sadness", "anxiety", "love", "shame"),
        "envious": ("anger", "sadness", "shame"),
    },
    single=True,
)

EMPATHETIC_DIALOGUES = FeelingMap(
    knows=_ALL_BUT_TIRED,
    positive={
        "afraid": ("anxiety",),
        "angry": ("anger",),
        "annoyed": ("anger",),
        "anticipating": (),
        "anxious": ("anxiety",),
        "apprehensive": ("anxiety",),
        "ashamed": ("shame",),
        "caring": ("love",),
        "confident": (),
        "content": ("calm",),
        "devastated": ("sadness",),
        "disappointed": ("sadness",),
        "disgusted": ("disgust",),
        "embarrassed": ("shame",),
        "excited": ("excitement",),
        "faithful": (),
        "furious": ("anger",),
        "grateful": ("gratitude",),
        "guilty": ("guilt",),
        "hopeful": ("hope",),
        "impressed": (),
        "jealous": (),
        "joyful": ("joy",),
        "lonely": ("loneliness",),
        "nostalgic": (),
        "prepared": (),
        "proud": ("pride",),
        "sad": ("sadness",),
        "sentimental": (),
        "surprised": ("surprise",),
        "terrified": ("anxiety",),
        "trusting": (),
    },
    unsure={
        "anticipating": ("hope", "excitement", "anxiety", "joy"),
        "caring": ("gratitude", "sadness", "anxiety"),
        "confident": ("hope", "pride", "calm", "joy", "excitement"),
        "disappointed": ("anger", "shame"),
        "devastated": ("anxiety", "anger"),
        "faithful": ("love", "calm", "joy", "gratitude"),
        "impressed": ("joy", "surprise", "pride", "excitement"),
        "jealous": ("anger", "sadness", "loneliness", "shame"),
        "nostalgic": ("joy", "love", "sadness", "calm", "loneliness"),
        "prepared": ("calm", "hope", "anxiety", "pride", "excitement"),
        "sentimental": ("joy", "love", "sadness", "gratitude"),
        "trusting": ("calm", "love", "gratitude", "hope", "joy"),
    },
    single=True,
)

FEELING_MAPS: dict[str, FeelingMap] = {
    "goemotions": GOEMOTIONS,
    "isear": ISEAR,
    "emotion": EMOTION,
    "empathetic_personas": EMPATHETIC_PERSONAS,
    "empathetic_dialogues": EMPATHETIC_DIALOGUES,
}
"""Data set -> how its labels map to ``feelings``."""

PUBLISHED_LABELS: dict[str, tuple[str, dict[str, str]]] = {
    "emotion": ("emotion", {label: label for label in ("joy", "love", "surprise", "anger", "fear", "sadness")}),
    "isear": ("isear", {label: label for label in _ISEAR_LABELS}),
    "dreaddit": ("stress", {"stress": "yes", "no_stress": "no"}),
    "depression_reddit": ("depression", {"depression": "yes", "no_depression": "no"}),
    "depseverity": ("severity", {label: label for label in ("minimum", "mild", "moderate", "severe")}),
    "sdcnl": ("suicidality", {"suicidal": "yes", "depression": "no"}),
}
"""Data set with a published test -> task of the contract and its labels there."""
