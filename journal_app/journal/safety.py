"""What an entry asks of the app: the level of help, its words, and the help lines that go with it.

``assess`` is the one pure function that decides the level (the table of cases in ``tests/safety``
is its specification). The phrases live in ``journal.phrases``, the check of what a model writes in
``journal.output_check``. Standard library and contract only; nothing here keeps or logs a text.
"""

from __future__ import annotations

import json
import tomllib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from journal_app import assets
from journal_app.contract.tasks import CRISIS_LEVELS, CrisisLevel
from journal_app.journal.output_check import OutputCheck, check_output
from journal_app.journal.phrases import Hit, find

__all__ = [
    "Crisis",
    "HelpLine",
    "ShownLine",
    "OutputCheck",
    "assess",
    "check_output",
    "countries",
    "crisis_text",
    "lines_for",
    "load_help_lines",
    "no_line_text",
    "note_text",
    "notice",
]

STALE_DAYS = 180
"""Age of a help line's source after which the app says so."""

NEAR = 400
"""Characters within which a means, a time or a goodbye counts beside an own wish."""

PLAN_NEAR = 200
"""Characters within which a method and a moment for it make a plan."""

_READY = frozenset({"method", "declared"})
_PLANS = _READY | {"place", "moment", "bleeding"}
"""Cues that count only in pairs (``_planned``); a method also beside an own wish."""

QUIET_NEAR = 800
"""Characters within which several quiet signs make a plan: about one short entry."""

# Signs that mean nothing alone, by kind. A method in place and a passive wish count as kinds of their own.
_QUIET = {
    "quiet_decided": "decided",
    "declared": "decided",
    "quiet_when": "when",
    "moment": "when",
    "quiet_arranged": "arranged",
    "quiet_spared": "spared",
    "prepared": "spared",
    "quiet_goodbye": "goodbye",
    "farewell": "goodbye",
    "quiet_gone": "gone",
    "quiet_secret": "secret",
    "quiet_calm": "calm",
    "method": "means",
    "place": "means",
    "passive_wish": "wish",
    "burden": "wish",
    "no_more": "wish",
}
_APART = _PLANS | {rule for rule in _QUIET if rule.startswith("quiet_")}
"""Cues that make no plan of a wish by standing beside it."""
_TELLING = frozenset({"decided", "spared", "arranged"})
"""Kinds of which one must be there where only three are."""
PAIR_NEAR = 350
"""Characters within which two kinds say something already."""
_SPARING = frozenset({"arranged", "decided", "when", "secret", "calm"})
"""Beside these, whoever should not find the writer makes a plan."""
_HINTS = tuple(
    map(
        frozenset,
        (
            ("arranged", "decided"),
            ("arranged", "goodbye"),
            ("arranged", "gone"),
            ("decided", "goodbye"),
            ("goodbye", "when"),
            ("spared", "gone"),
            ("spared", "goodbye"),
        ),
    )
)

_OWN = ("suicide", "self_harm")
TOPICS: tuple[str, ...] = ("suicide", "self_harm", "violence", "abuse")


@dataclass(frozen=True, slots=True)
class Crisis:
    """What was noticed in one text.

    Attributes:
        level: none, gentle, clear or urgent.
        reasons: machine codes such as ``rule:own_intent:en``, ``rule:own_intent:en:negated``, ``model``
            or ``item9:1``; never words of the entry.
        topics: of ``TOPICS``, in that order.
        spans: sentences behind the level, ``text[start:end]`` in code points, in order.
    """

    level: CrisisLevel
    reasons: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()


def assess(text: str, *, suicidality: float | None = None, threshold: float = 1.0, item9: int | None = None) -> Crisis:
    """Return the level of help for ``text``: the strongest of phrases, model and PHQ-9 item 9.

    Args:
        text: the entry as typed; may be empty when only ``item9`` is asked about.
        suicidality: the model's calibrated probability in [0, 1], or None without a reading. Alone
            it never raises the level above gentle.
        threshold: the model's own threshold, chosen for sensitivity; the default never fires below 1.
        item9: PHQ-9 item 9 as answered (0 to 3), or None.

    Raises:
        ValueError: ``item9`` is not 0 to 3.
    """
    if item9 is not None and item9 not in (0, 1, 2, 3):
        raise ValueError("item 9 is answered with 0 to 3")
    hits = find(text)
    level, counted = _level(hits)
    reasons = [f"rule:{h.rule}:{h.language}" + (f":{h.lowered}" if h.lowered else "") for h in counted]
    topics = {h.topic for h in counted if h.topic in TOPICS}
    if suicidality is not None and suicidality >= threshold:
        level = _higher(level, "gentle")
        reasons.append("model")
        topics.add("suicide")
    if item9:
        level = _higher(level, "gentle" if item9 == 1 else "clear")
        reasons.append(f"item9:{item9}")
        topics.add("suicide")
    return Crisis(
        level,
        tuple(dict.fromkeys(reasons)),
        tuple(t for t in TOPICS if t in topics),
        tuple(sorted({(h.start, h.end) for h in counted})),
    )


def _higher(first: CrisisLevel, second: CrisisLevel) -> CrisisLevel:
    return first if CRISIS_LEVELS.index(first) >= CRISIS_LEVELS.index(second) else second


def _level(hits: Sequence[Hit]) -> tuple[CrisisLevel, list[Hit]]:
    """Return the level of the phrases of one entry, and those that count toward it."""
    level: CrisisLevel = "none"
    for hit in hits:
        if hit.standing != "cue":
            level = _higher(level, "gentle" if hit.lowered else hit.standing)
    own = [h for h in hits if not h.lowered and h.topic in _OWN and h.standing in ("clear", "urgent")]
    strong = [h for h in hits if h.cue and not h.lowered]
    near, beside_own = sorted(own + strong, key=_start), sorted(own, key=_start)
    cues: set[object] = {h.rule for h in strong}
    cues |= {
        (h.rule, h.start)
        for h in hits
        if h.standing == "cue" and not h.lowered and h.rule not in _APART and _within(h, near, NEAR)
    }
    cues |= {(h.rule, h.start) for h in hits if h.rule in _READY and not h.lowered and _within(h, beside_own, NEAR)}
    # A means, a time or a goodbye beside an own present wish is a plan; so are three of them together.
    if (own and cues) or (strong and len(cues) >= 3):
        level = "urgent"
    elif strong and len(cues) == 2:
        level = _higher(level, "clear")
    counted = [h for h in hits if h.standing != "cue" or (h.rule, h.start) in cues]
    plan = _planned(hits)
    if plan:
        level = "urgent"
        every = cues | {(h.rule, h.start) for h in plan}
        counted = [h for h in hits if h.standing != "cue" or (h.rule, h.start) in every]
    quiet, found = _quiet(hits)
    if quiet:
        level = _higher(level, found)
        every = {(h.rule, h.start) for h in (*counted, *quiet)}
        counted = [h for h in hits if (h.rule, h.start) in every]
    return level, counted


def _quiet(hits: Sequence[Hit]) -> tuple[list[Hit], CrisisLevel]:
    """Return the signs of a plan that is told quietly, several kinds close together, and the level they make."""
    signs = [h for h in hits if h.rule in _QUIET and not h.lowered]
    close, kinds = _densest(signs, QUIET_NEAR)
    if len(kinds) > 3 or (len(kinds) == 3 and kinds & _TELLING):
        return close, "urgent"
    pairs, hint = _densest(signs, PAIR_NEAR, lambda kinds: "spared" in kinds and bool(kinds & _SPARING))
    if hint:
        return pairs, "urgent"
    if len(kinds) == 3:
        return close, "gentle"
    pairs, hint = _densest(signs, PAIR_NEAR, lambda kinds: any(pair <= kinds for pair in _HINTS))
    return (pairs, "gentle") if hint else ([], "none")


def _densest(
    signs: Sequence[Hit], near: int, passes: Callable[[Set[str]], bool] = bool
) -> tuple[list[Hit], frozenset[str]]:
    """Return those of ``signs`` (by start) within ``near`` characters that show the most kinds and pass, and these."""
    inside: Counter[str] = Counter()
    best, kinds, first = (0, 0), frozenset[str](), 0
    for last, sign in enumerate(signs):
        inside[_QUIET[sign.rule]] += 1
        while sign.start - signs[first].start > near:
            kind = _QUIET[signs[first].rule]
            inside[kind] -= 1
            if not inside[kind]:
                del inside[kind]
            first += 1
        if len(inside) > len(kinds) and passes(inside.keys()):
            best, kinds = (first, last + 1), frozenset(inside)
    return list(signs[slice(*best)]), kinds


def _planned(hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits that make a plan although no wish to die is said outright.

    A method in place, or what spares those who stay behind, beside a moment for it, a passive wish or a goodbye;
    the word itself beside "I am doing it tonight".
    """
    by_rule: dict[str, list[Hit]] = {}
    for hit in hits:
        if not hit.lowered:
            by_rule.setdefault(hit.rule, []).append(hit)

    def beside(first: str, others: Sequence[str]) -> list[Hit]:
        ones = by_rule.get(first, [])
        rest = sorted((hit for name in others for hit in by_rule.get(name, ())), key=_start)
        close = [hit for hit in rest if _within(hit, ones, PLAN_NEAR)]
        return [*close, *(hit for hit in ones if _within(hit, close, PLAN_NEAR))]

    wish = ("passive_wish", "burden", "farewell", "no_more")
    return (
        beside("method", ("moment", *wish))
        + beside("place", wish)
        + beside("prepared", ("moment", "declared", *wish))
        + beside("declared", ("named", "no_more"))
        + beside("bleeding", ("harm_act", "harm_urge"))
    )


def _start(hit: Hit) -> int:
    return hit.start


def _within(hit: Hit, ordered: Sequence[Hit], distance: int) -> bool:
    """Return whether one of ``ordered`` (by start) begins within ``distance`` characters of ``hit``."""
    at = bisect_left(ordered, hit.start - distance, key=_start)
    return at < len(ordered) and ordered[at].start <= hit.start + distance


# ---------------------------------------------------------------------------------------------
# words: fixed and reviewed, one file for all languages


@cache
def _words() -> dict[str, Any]:
    with assets.path("safety", "words.toml").open("rb") as file:
        return tomllib.load(file)


def _in(language: str) -> dict[str, Any]:
    words = _words()
    if language.lower().startswith("zh"):
        return words["zh-Hant"]
    return words.get(language[:2].lower(), words["en"])


def notice(crisis: Crisis, language: str = "en") -> str:
    """Return one plain sentence that names what was noticed, or "" at level none."""
    if crisis.level == "none":
        return ""
    words = _in(language)["notice"]
    if not any(reason.startswith("rule:") for reason in crisis.reasons):
        return words["item9"] if any(r.startswith("item9") for r in crisis.reasons) else words["model"]
    return words[crisis.topics[0] if crisis.topics else "suicide"][crisis.level]


def crisis_text(level: CrisisLevel, language: str, topics: Sequence[str] = ()) -> str:
    """Return the fixed, reviewed text shown at clear and urgent; "" at none and gentle, where the library writes.

    The order of care: what the writer feels is taken seriously, a person to talk to, distance from
    danger, the emergency number when danger is near. Paragraphs are separated by a blank line.
    """
    if level not in ("clear", "urgent"):
        return ""
    words = _in(language)["crisis"][level]
    own = [t for t in topics if t in _OWN] or not topics
    parts = [words["own"] if own else words["others"]]
    if own and any(t not in _OWN for t in topics):
        parts.append(words["also_danger"])
    parts.append(words["close"])
    return "\n\n".join(parts)


def no_line_text(language: str) -> str:
    """Return what is said where no checked line is known for the writer's country; it names no number."""
    return _in(language)["lines"]["none"]


def note_text(code: str, language: str) -> str:
    """Return the words for a note of :class:`ShownLine` (``not_confirmed``, ``old_source``, ``undated_source``)."""
    return _in(language)["lines"][code]


# ---------------------------------------------------------------------------------------------
# help lines


@dataclass(frozen=True, slots=True)
class HelpLine:
    """One help line, exactly as its source gives it; an empty field was not in the source.

    ``source_date`` is ``YYYY-MM-DD`` or empty when the source carries none; ``confirmed`` is true only
    for a row read on the operator's own page.
    """

    country: str
    name: str
    number: str
    kind: str
    hours: str
    languages: tuple[str, ...]
    topics: tuple[str, ...]
    web: str
    source: str
    source_date: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line with the codes of what must be said beside it (see :func:`note_text`)."""

    line: HelpLine
    notes: tuple[str, ...]


def load_help_lines(path: Path | None = None) -> list[HelpLine]:
    """Read the bundled lines (or ``path``); raise ``ValueError`` for a row without a named source."""
    with (path or assets.path("help_lines.json")).open(encoding="utf-8") as file:
        rows = json.load(file)["lines"]
    out: list[HelpLine] = []
    for row in rows:
        line = HelpLine(**{**row, "languages": tuple(row["languages"]), "topics": tuple(row["topics"])})
        if not line.source.strip() or not line.number.strip():
            raise ValueError("a help line needs a number and a named source")
        if line.source_date:
            date.fromisoformat(line.source_date)
        out.append(line)
    return out


@cache
def _bundled_lines() -> tuple[HelpLine, ...]:
    return tuple(load_help_lines())


def countries(lines: Sequence[HelpLine] | None = None) -> tuple[str, ...]:
    """Return the countries (ISO 3166-1 alpha-2) that have a line, sorted."""
    return tuple(sorted({line.country for line in (_bundled_lines() if lines is None else lines)}))


def lines_for(
    country: str, topics: Sequence[str], today: date, lines: Sequence[HelpLine] | None = None
) -> list[ShownLine]:
    """Return the lines of ``country`` (ISO 3166-1 alpha-2), those about ``topics`` first; empty when none is known.

    A line is never left out because of its topic: somebody who writes about violence in a country
    without a line for it is still offered the general ones.
    """
    out: list[ShownLine] = []
    for line in _bundled_lines() if lines is None else lines:
        if line.country != country.upper():
            continue
        notes: list[str] = []
        if not line.confirmed:
            notes.append("not_confirmed")
        if not line.source_date:
            notes.append("undated_source")
        elif today - date.fromisoformat(line.source_date) > timedelta(days=STALE_DAYS):
            notes.append("old_source")
        out.append(ShownLine(line, tuple(notes)))
    wanted = set(topics)
    return sorted(out, key=lambda shown: not wanted & set(shown.line.topics))
