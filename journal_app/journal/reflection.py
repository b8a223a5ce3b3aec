"""The curated library of reflections: what the app says under an entry when no model may write.

Owns reading ``assets/reflections/*.toml`` and the choice among them. The choice is a pure function
of its arguments, so the same entry keeps its reflection. At clear and urgent nothing is chosen: there
the fixed text of ``journal.safety`` appears.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from journal_app import assets
from journal_app.contract.tasks import FEELINGS, THEMES, Band, CrisisLevel

TECHNIQUES: tuple[str, ...] = (
    "reflective listening",
    "validation",
    "CBT question",
    "behavioural activation",
    "self-compassion",
    "gratitude",
    "grounding",
)
PLEASANT: frozenset[str] = frozenset({"joy", "excitement", "gratitude", "love", "pride", "calm", "hope"})
"""Feelings that need no comfort; surprise counts as neither pleasant nor heavy."""

PLAIN: frozenset[str] = frozenset({"surprise", "calm"})
"""Feelings of an ordinary day."""


@dataclass(frozen=True, slots=True)
class Reflection:
    """What is shown: a short text and one question, in ``language``."""

    id: str
    technique: str
    text: str
    question: str
    language: str


@dataclass(frozen=True, slots=True)
class Card:
    """One reflection of the library with what it suits.

    Attributes:
        feelings: feelings it answers; empty for one that suits an ordinary day.
        themes: themes without which it would miss the point; empty for any.
        mixed: it answers pleasant and heavy feelings together, so both must be there.
        bands: stress and low-mood bands at which it may appear.
        gentle: whether it may appear at level gentle.
        words: language -> (text, question).
    """

    id: str
    technique: str
    feelings: tuple[str, ...]
    themes: tuple[str, ...]
    bands: tuple[str, ...]
    gentle: bool
    mixed: bool
    words: dict[str, tuple[str, str]]


class Library:
    """A set of reviewed reflections; immutable once loaded."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = tuple(sorted(cards, key=lambda card: card.id))

    @classmethod
    def load(cls, folder: Path) -> Library:
        """Read every ``*.toml`` of ``folder``; raise ``ValueError`` naming the card that is malformed."""
        cards: list[Card] = []
        for path in sorted(folder.glob("*.toml")):
            with path.open("rb") as file:
                data = tomllib.load(file)
            for row in data["reflections"]:
                cards.append(_card(row, data["technique"]))
        if len({card.id for card in cards}) != len(cards):
            raise ValueError("two reflections share an id")
        if not cards:
            raise ValueError("the folder holds no reflections")
        return cls(cards)

    @property
    def cards(self) -> tuple[Card, ...]:
        """Every card, by id."""
        return self._cards

    def by_id(self, reflection_id: str, language: str = "en") -> Reflection | None:
        """Return a reflection that was chosen before, in ``language`` where it exists, or None."""
        for card in self._cards:
            if card.id == reflection_id:
                return _shown(card, language)
        return None

    def choose(
        self,
        feelings: Sequence[str],
        stress_band: Band,
        low_mood_band: Band,
        crisis_level: CrisisLevel,
        themes: Sequence[str] = (),
        *,
        light: bool = True,
        recent: Sequence[str] = (),
        seed: str,
        language: str = "en",
    ) -> Reflection | None:
        """Return the reflection for an entry, or None at clear and urgent.

        Args:
            feelings: found or confirmed feelings, strongest first; may be empty.
            stress_band, low_mood_band: as shown to the writer.
            crisis_level: of the entry.
            themes: found themes, strongest first; the writer's own tags may stand in for them.
            light: whether the day seems a light one; if not, and no feeling stood out, only cards come that are in
                place on a heavy day as well.
            recent: ids shown lately, newest first; avoided while anything else suits.
            seed: decides among equals, for instance the entry's id.
            language: of the writer; a card without it is shown only when none with it suits, in English.
        """
        if crisis_level in ("clear", "urgent"):
            return None
        fitting = [
            card
            for card in self._cards
            if _allowed(card, stress_band, low_mood_band, crisis_level)
            and _to_the_point(card, feelings, themes)
            and _speaks_to(card, feelings, light)
        ]
        code = _language(language)
        own = [card for card in fitting if code in card.words]
        pool = own or fitting
        late = set(recent)
        fresh = [card for card in pool if card.id not in late]
        if not fresh and code != "en":
            fresh = [card for card in fitting if card.id not in late]
        pool = fresh or sorted(pool, key=lambda card: -_age(card.id, recent))[:3]
        if not pool:
            return None
        heavy = low_mood_band == "many" or stress_band == "many" or crisis_level == "gentle"
        ranked = sorted(pool, key=lambda c: (-_fit(c, feelings, heavy), _draw(seed, c.id)))
        return _shown(ranked[0], code)


def _card(row: dict[str, object], technique: str) -> Card:
    name = str(row.get("id", "?"))
    words = {k: (str(v["text"]), str(v["question"])) for k, v in row.items() if isinstance(v, dict)}
    card = Card(
        name,
        technique,
        tuple(_list(row, "feelings")),
        tuple(_list(row, "themes")),
        tuple(_list(row, "bands")),
        bool(row["gentle"]),
        bool(row.get("mixed", False)),
        words,
    )
    unknown = (set(card.feelings) - set(FEELINGS)) | (set(card.themes) - set(THEMES))
    unknown |= set(card.bands) - {"quiet", "some", "many", "unsure"}
    if unknown or technique not in TECHNIQUES or "en" not in words or not card.bands:
        raise ValueError(f"reflection {name}: unknown {sorted(unknown)} or something is missing")
    return card


def _list(row: dict[str, object], key: str) -> list[str]:
    value = row.get(key, [])
    return [str(v) for v in value] if isinstance(value, list) else []


def _language(language: str) -> str:
    return "zh-Hant" if language.lower().startswith("zh") else language[:2].lower()


def _shown(card: Card, language: str) -> Reflection:
    code = _language(language) if _language(language) in card.words else "en"
    text, question = card.words[code]
    return Reflection(card.id, card.technique, text, question, code)


def _allowed(card: Card, stress: str, low_mood: str, level: str) -> bool:
    if level == "gentle" and not card.gentle:
        return False
    return stress in card.bands and low_mood in card.bands


def _age(card_id: str, recent: Sequence[str]) -> int:
    """Return how many reflections ago ``card_id`` was shown last."""
    return list(recent).index(card_id) if card_id in recent else len(recent)


def _to_the_point(card: Card, feelings: Sequence[str], themes: Sequence[str]) -> bool:
    """Return whether what a card speaks of is there at all: a card about grief needs a loss."""
    if card.themes and not set(card.themes) & {theme.lower() for theme in themes}:
        return False
    found = set(feelings[:4])
    return not card.mixed or bool(found & PLEASANT and found - PLEASANT - {"surprise"})


def _speaks_to(card: Card, feelings: Sequence[str], light: bool) -> bool:
    """Return whether a card answers one of ``feelings`` or, speaking of none, is in place under such a day."""
    if feelings:
        return not card.feelings or bool(set(feelings[:4]) & set(card.feelings))
    return set(card.feelings) <= PLAIN if light else not card.feelings and card.gentle


def _fit(card: Card, feelings: Sequence[str], heavy: bool) -> float:
    """Return how well a card suits: the first feeling decides, later ones refine."""
    score = 0.0
    for rank, feeling in enumerate(feelings[:4]):
        if feeling in card.feelings:
            score += 4.0 / (1 + rank)
    if not card.feelings:
        # Under a feeling that stood out the last resort, and the first choice where none did.
        score += 0.5
    if heavy and set(card.feelings) & PLEASANT:
        score -= 6.0
    return score + (1.5 if card.themes else 0.0) + (1.0 if card.mixed else 0.0)


def _draw(seed: str, card_id: str) -> str:
    return hashlib.sha256(f"{seed}\0{card_id}".encode("utf-8", "surrogatepass")).hexdigest()


@cache
def bundled() -> Library:
    """Return the library that is shipped; read once."""
    return Library.load(assets.path("reflections"))
