"""How the labels of public data sets become the labels of this contract.

A text of a mapped set has *positive* feelings, *negative* ones and the rest, of which nothing is
known: those take no part in the loss. A set that offered its raters only a few words says nothing
about the others (``knows``); and where a rater had to choose one word, the kin of that word may
well have been there too, so they stay unknown instead of becoming false negatives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from journal_app.contract.tasks import FEELINGS, THEMES

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

KOTE = FeelingMap(
    knows=tuple(feeling for feeling in FEELINGS if feeling != "loneliness"),
    positive={
        "불평/불만": (),
        "환영/호의": (),
        "감동/감탄": (),
        "지긋지긋": (),
        "고마움": ("gratitude",),
        "슬픔": ("sadness",),
        "화남/분노": ("anger",),
        "존경": (),
        "기대감": ("hope",),
        "우쭐댐/무시함": (),
        "안타까움/실망": (),
        "비장함": (),
        "의심/불신": (),
        "뿌듯함": ("pride",),
        "편안/쾌적": ("calm",),
        "신기함/관심": (),
        "아껴주는": ("love",),
        "부끄러움": ("shame",),
        "공포/무서움": ("anxiety",),
        "절망": ("sadness",),
        "한심함": (),
        "역겨움/징그러움": ("disgust",),
        "짜증": ("anger",),
        "어이없음": (),
        "없음": (),
        "패배/자기혐오": (),
        "귀찮음": (),
        "힘듦/지침": ("tiredness",),
        "즐거움/신남": ("joy",),
        "깨달음": (),
        "죄책감": ("guilt",),
        "증오/혐오": ("disgust",),
        "흐뭇함(귀여움/예쁨)": (),
        "당황/난처": (),
        "경악": ("surprise",),
        "부담/안_내킴": (),
        "서러움": ("sadness",),
        "재미없음": (),
        "불쌍함/연민": (),
        "놀람": ("surprise",),
        "행복": ("joy",),
        "불안/걱정": ("anxiety",),
        "기쁨": ("joy",),
        "안심/신뢰": ("calm",),
    },
    unsure={
        "불평/불만": ("anger",),
        "환영/호의": ("joy", "love", "excitement"),
        "감동/감탄": ("joy", "gratitude", "love"),
        "지긋지긋": ("anger", "disgust", "tiredness"),
        "고마움": ("joy", "love"),
        "화남/분노": ("disgust",),
        "존경": ("love", "pride", "gratitude"),
        "기대감": ("excitement", "joy"),
        "우쭐댐/무시함": ("pride", "disgust", "anger"),
        "안타까움/실망": ("sadness", "anger"),
        "비장함": ("hope", "pride"),
        "의심/불신": ("anxiety",),
        "뿌듯함": ("joy",),
        "편안/쾌적": ("joy",),
        "신기함/관심": ("surprise", "excitement", "joy"),
        "아껴주는": ("joy",),
        "부끄러움": ("guilt",),
        "절망": ("anxiety", "tiredness", "hope"),
        "한심함": ("disgust", "anger"),
        "어이없음": ("anger", "surprise"),
        "패배/자기혐오": ("shame", "guilt", "sadness", "disgust"),
        "귀찮음": ("tiredness", "anger"),
        "힘듦/지침": ("sadness",),
        "즐거움/신남": ("excitement",),
        "깨달음": ("surprise",),
        "죄책감": ("shame", "sadness"),
        "증오/혐오": ("anger",),
        "흐뭇함(귀여움/예쁨)": ("joy", "love", "calm"),
        "당황/난처": ("shame", "surprise", "anxiety"),
        "경악": ("disgust", "anxiety"),
        "부담/안_내킴": ("anxiety", "tiredness"),
        "서러움": ("anger",),
        "불쌍함/연민": ("sadness", "love"),
        "행복": ("calm", "gratitude", "love"),
        "불안/걱정": ("sadness",),
        "안심/신뢰": ("gratitude", "joy", "hope"),
    },
    single=False,
)
"""KOTE (43 labels and "none", five raters). Its word for unfairly hurt is near loneliness, so that stays unknown."""

STUDEMO = FeelingMap(
    knows=("joy", "surprise", "sadness", "anxiety", "anger", "disgust"),
    positive={
        "joy": ("joy",),
        "trust": (),
        "anticipation": (),
        "surprise": ("surprise",),
        "fear": ("anxiety",),
        "sadness": ("sadness",),
        "disgust": ("disgust",),
        "anger": ("anger",),
    },
    unsure={"trust": ("joy",), "anticipation": ("joy", "anxiety")},
    single=False,
)
"""StudEmo: Plutchik's eight, rated one by one."""

FEELING_MAPS: dict[str, FeelingMap] = {
    "goemotions": GOEMOTIONS,
    "isear": ISEAR,
    "emotion": EMOTION,
    "empathetic_personas": EMPATHETIC_PERSONAS,
    "empathetic_dialogues": EMPATHETIC_DIALOGUES,
}
"""Data set -> how its labels map to ``feelings``: the sets of the readers made here."""

FURTHER_FEELING_MAPS: dict[str, FeelingMap] = {
    "goemotions_ko": GOEMOTIONS,
    "kote": KOTE,
    "kote_full": KOTE,
    "empathetic_dialogues_full": EMPATHETIC_DIALOGUES,
    "empathetic_dialogues_ko": EMPATHETIC_DIALOGUES,
    "studemo": STUDEMO,
}
"""As :data:`FEELING_MAPS`, for sets that only a recipe's ``[[sources]]`` name."""


@dataclass(frozen=True, slots=True)
class ThemeMap:
    """How one set's labels map to ``themes``: the themes each names and those it leaves open."""

    positive: Mapping[str, tuple[str, ...]]
    unsure: Mapping[str, tuple[str, ...]]

    def truth(self, labels: Iterable[str]) -> FeelingTruth:
        """Return what ``labels`` say together; raise ``KeyError`` for a label that is not in the set."""
        chosen = tuple(labels)
        positives = {theme for label in chosen for theme in self.positive[label]}
        unknown = {theme for label in chosen for theme in self.unsure.get(label, ())} - positives
        ordered = tuple(theme for theme in THEMES if theme in positives)
        return FeelingTruth(ordered, tuple(t for t in THEMES if t not in positives and t not in unknown))


SAD = ThemeMap(
    positive={
        "work": ("work",),
        "school": ("school",),
        "financial_problem": ("money",),
        "family_issues": ("family",),
        "social_relationships": (),
        "health_issues": ("health",),
        "emotional_turmoil": ("self",),
        "everyday_decision_making": ("daily life",),
        "other_causes": (),
    },
    # Raters named one cause: what else is in a text, and what "other" holds, nobody said.
    unsure={
        "work": ("money", "self", "daily life", "other"),
        "school": ("self", "daily life", "other"),
        "financial_problem": ("work", "family", "daily life", "other"),
        "family_issues": ("partner", "loss", "health", "daily life", "other"),
        "social_relationships": ("friends", "partner", "family", "self", "loss", "daily life", "other"),
        "health_issues": ("sleep", "self", "family", "loss", "daily life", "other"),
        "emotional_turmoil": ("partner", "friends", "family", "loss", "sleep", "health", "daily life", "other"),
        "everyday_decision_making": ("money", "self", "sleep", "work", "other"),
        "other_causes": ("loss", "self", "daily life", "money", "health", "other", "partner", "family", "friends"),
    },
)
"""SAD's nine causes of stress; its word for relationships does not tell friends from partners."""

_OPEN = tuple(theme for theme in THEMES if theme not in ("work", "school", "money"))
"""A person who seeks help writes of one trouble and touches others; only these three are denied by a label."""


def _seeker(positive: dict[str, tuple[str, ...]]) -> ThemeMap:
    return ThemeMap(positive, {label: () if themes == () else _OPEN for label, themes in positive.items()})


ESCONV = _seeker(
    {
        "ongoing depression": (),
        "job crisis": ("work",),
        "breakup with partner": ("partner",),
        "problems with friends": ("friends",),
        "academic pressure": ("school",),
        "Sleep Problems": ("sleep",),
        "Procrastination": (),
        "Alcohol Abuse": ("health",),
        "Appearance Anxiety": ("self",),
        "conflict with parents": ("family",),
        "Issues with Children": ("family",),
        "Issues with Parents": ("family",),
        "School Bullying": ("school",),
    }
)
"""ESConv's problems, of the seeker's description of the situation."""

COUNSELCHAT = _seeker(
    {
        "relationships": ("partner",),
        "intimacy": ("partner",),
        "relationship-dissolution": ("partner",),
        "marriage": ("partner",),
        "domestic-violence": ("partner",),
        "family-conflict": ("family",),
        "parenting": ("family",),
        "children-adolescents": ("family",),
        "self-esteem": ("self",),
        "workplace-relationships": ("work",),
        "social-relationships": ("friends",),
        "grief-and-loss": ("loss",),
        "sleep-improvement": ("sleep",),
        "substance-abuse": ("health",),
        "eating-disorders": ("health",),
        "addiction": ("health",),
        "depression": (),
        "anxiety": (),
        "behavioral-change": (),
        "anger-management": (),
        "trauma": (),
        "lgbtq": (),
        "counseling-fundamentals": (),
        "spirituality": (),
        "legal-regulatory": (),
        "professional-ethics": (),
        "human-sexuality": (),
        "stress": (),
        "diagnosis": (),
        "military-issues": (),
        "self-harm": (),
    }
)
"""CounselChat's topics, of the question; topics that are a diagnosis or a method name no theme."""

THEME_MAPS: dict[str, ThemeMap] = {"sad": SAD, "esconv": ESCONV, "counselchat": COUNSELCHAT}
"""Data set -> how its labels map to ``themes``."""

PUBLISHED_LABELS: dict[str, tuple[str, dict[str, str]]] = {
    "emotion": ("emotion", {label: label for label in ("joy", "love", "surprise", "anger", "fear", "sadness")}),
    "isear": ("isear", {label: label for label in _ISEAR_LABELS}),
    "dreaddit": ("stress", {"stress": "yes", "no_stress": "no"}),
    "depression_reddit": ("depression", {"depression": "yes", "no_depression": "no"}),
    "depseverity": ("severity", {label: label for label in ("minimum", "mild", "moderate", "severe")}),
    "sdcnl": ("suicidality", {"suicidal": "yes", "depression": "no"}),
}
"""Data set with a published test -> task of the contract and its labels there."""
