"""Build the summary that a writer may give to a therapist, out of what the writer ticked.

Owns what a summary holds and in which order; ``exchange`` turns it into pages. A ``Summary`` is
made only from ``Choices``: text that was not ticked is never copied into it, and without
``Choices.estimates`` not even the series behind the chart know of a model. Page one holds the
writer's own words and ratings; quotations are offered by the writer's own mood, never by an
estimate, so that no inferred label chooses what a therapist reads.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from journal_app.journal import trends, wording
from journal_app.vault.records import DayRow, Entry

MAX_QUOTE = 280
"""Longest quotation in characters; longer ones are cut at a word and marked with an ellipsis."""

MAX_MARK = 170
"""A marked entry is offered by its first whole sentences up to this many characters: about two lines."""

SENTENCES_OFFERED = 4
"""Sentences of one entry that are offered for ticking."""

MIN_COMPARED_DAYS = 3
"""The period before is compared only if it has at least this many days with a rating."""

HIDDEN = "\u2588\u2588\u2588\u2588"
"""What stands in place of a blacked-out name: always the same length, so that it tells nothing."""

_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])\s*|\n+")
_MARKUP = (
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"^\s{0,3}(?:#{1,6}|>|[-*+](?: \[[ xX]\])?|\d+[.)])\s+", re.M), ""),
    (re.compile(r"(\*\*|__|~~)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])[*_](?=\S)([^*_\n]+?)(?<=\S)[*_](?![\w*])"), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
)


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of the writer that could be ticked: where they come from and what they say."""

    entry_id: str
    date: str
    text: str
    mood: int | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """What is offered for ticking, oldest first; nothing of it is in a summary until ticked."""

    talk: tuple[Quote, ...] = ()
    worse: tuple[Quote, ...] = ()
    helped: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """What the writer decided for one summary. Everything is off or empty unless chosen.

    ``hide`` lists names that are blacked out wherever they stand in quotations and notes.
    ``safety`` adds the safety section with ``safety_note``; ``estimates`` adds page two.
    """

    start: str
    end: str
    talk: tuple[Quote, ...] = ()
    talk_note: str = ""
    ratings: bool = True
    worse: tuple[Quote, ...] = ()
    worse_note: str = ""
    helped: tuple[Quote, ...] = ()
    helped_note: str = ""
    safety: bool = False
    safety_note: str = ""
    estimates: bool = False
    hide: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A ticked quotation as it leaves: a date and words, nothing that points back into the journal."""

    date: str
    text: str


@dataclass(frozen=True, slots=True)
class OwnMood:
    """The writer's own ratings: mean of daily means (1 to 5), days, lowest, highest, and the mean before."""

    mean: float
    days: int
    lowest: int
    highest: int
    before: float | None = None
    before_days: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """A check-in score with its date and change since the one before (None: first, or no total)."""

    name: str
    date: str
    value: float
    highest: float
    change: float | None = None


@dataclass(frozen=True, slots=True)
class Estimates:
    """Page two: what the model made of the words, as counts and sentences, and which model it was.

    ``feelings`` are mean shares of what was read; ``unclear`` is the part in which no feeling was clear.
    """

    read: int
    models: tuple[str, ...]
    feelings: tuple[tuple[str, float], ...]
    unclear: float
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What leaves, in the order of the page. ``trend`` holds estimates only with page two."""

    start: str
    end: str
    made_on: str
    talk: tuple[Said, ...]
    talk_note: str
    entries: int
    days: int
    days_without: int
    longest_gap: int
    ratings: bool
    mood: OwnMood | None
    scores: tuple[Score, ...]
    worse: tuple[Said, ...]
    worse_note: str
    helped: tuple[Said, ...]
    helped_note: str
    safety: bool
    safety_note: str
    left_out: tuple[str, ...]
    trend: trends.Trend
    estimates: Estimates | None = field(default=None)


def plain(text: str) -> str:
    """Return Markdown as the words alone, one paragraph a line."""
    for pattern, by in _MARKUP:
        text = pattern.sub(by, text)
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not re.fullmatch(r"[-*_=]{3,}", line))


def sentences(text: str) -> list[str]:
    """Return the sentences of Markdown ``text``, without markup and headings, in order."""
    body = re.sub(r"^\s{0,3}#{1,6}\s.*$", "", text, flags=re.M)
    return [part.strip() for part in _SENTENCE.split(plain(body)) if part and re.search(r"\w", part)]


def shorten(text: str, limit: int = MAX_QUOTE) -> str:
    """Return ``text`` in one line, cut at a word with an ellipsis if it is longer than ``limit``."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit // 2 else cut).rstrip(" ,;:") + "…"


def _opening(said: Sequence[str]) -> str:
    """Return the first sentences that fit into ``MAX_MARK``; at least one, cut if it must be."""
    text = shorten(said[0], MAX_MARK)
    for part in said[1:]:
        if len(text) + 1 + len(part) > MAX_MARK:
            break
        text = f"{text} {part}"
    return text


def suggest(entries: Sequence[Entry], start: str, end: str) -> Candidates:
    """Return what the writer may tick for ``start`` .. ``end``.

    Marked entries are offered to talk about; sentences of entries with an own mood of 1 or 2
    under "worse", of 4 or 5 under "helped"; entries in between or without a mood under both,
    after the others, since only the writer knows.
    """
    chosen = sorted(
        (e for e in entries if start <= e.local_date <= end and e.deleted_utc is None and e.text.strip()),
        key=lambda e: (e.local_date, e.local_time),
    )
    talk: list[Quote] = []
    low: list[Quote] = []
    high: list[Quote] = []
    open_: list[Quote] = []
    for entry in chosen:
        mood = entry.mood.valence if entry.mood is not None else None
        said = sentences(entry.text) or [plain(entry.text)]
        if entry.for_therapist:
            talk.append(Quote(entry.id, entry.local_date, _opening(said), mood))
        place = open_ if mood is None or mood == 3 else (low if mood < 3 else high)
        place += [Quote(entry.id, entry.local_date, shorten(part), mood) for part in said[:SENTENCES_OFFERED]]
    return Candidates(tuple(talk), tuple(low + open_), tuple(high + open_))


def build(
    rows: Sequence[DayRow],
    choices: Choices,
    *,
    made_on: str,
    scores: Sequence[Score] = (),
    translate: wording.Translate = wording.untranslated,
) -> Summary:
    """Return the summary of ``choices``.

    ``rows`` may hold any days; those before the period serve only the comparison of own mood.
    ``made_on`` is an ISO date. Raises ValueError if the period ends before it begins.
    """
    if not choices.ratings:
        rows = [replace(row, mood=None) for row in rows]
    own_rows = [replace(row, analysis=None, corrections=()) for row in rows]
    own = trends.trend(own_rows, choices.start, choices.end)
    # The help card's days belong to safety: without that tick they are in no byte either.
    full = trends.trend(rows, choices.start, choices.end, with_help=choices.safety) if choices.estimates else own
    mask = _Mask(choices.hide)
    talk, worse, helped = mask.quotes(choices.talk), mask.quotes(choices.worse), mask.quotes(choices.helped)
    notes = [mask(note.strip()) for note in (choices.talk_note, choices.worse_note, choices.helped_note)]
    safety_note = mask(choices.safety_note.strip()) if choices.safety else ""
    quoted = {(q.entry_id) for q in (*choices.talk, *choices.worse, *choices.helped)}
    return Summary(
        start=own.start,
        end=own.end,
        made_on=made_on,
        talk=talk,
        talk_note=notes[0],
        entries=own.entries,
        days=len(own.days),
        days_without=len(own.days) - own.days_written,
        longest_gap=_longest_gap(own),
        ratings=choices.ratings,
        mood=_own_mood(own_rows, own) if choices.ratings else None,
        scores=tuple(scores) if choices.ratings else (),
        worse=worse,
        worse_note=notes[1],
        helped=helped,
        helped_note=notes[2],
        safety=choices.safety,
        safety_note=safety_note,
        left_out=_left_out(own, choices, len(quoted), mask.hits, translate),
        trend=full,
        estimates=_estimates(full, translate) if choices.estimates else None,
    )


class _Mask:
    """Blacks out names; ``hits`` counts how often."""

    def __init__(self, names: Sequence[str]) -> None:
        wanted = sorted({name.strip() for name in names if name.strip()}, key=len, reverse=True)
        # Korean particles and the Chinese next word follow a name without a space, so only Latin-like
        # names need a boundary, and even they may carry a possessive.
        parts = [
            rf"\b{re.escape(n)}\b" if n.isascii() and n[0].isalnum() and n[-1].isalnum() else re.escape(n)
            for n in wanted
        ]
        self._pattern = re.compile("|".join(parts), re.IGNORECASE) if parts else None
        self.hits = 0

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        masked, hits = self._pattern.subn(HIDDEN, text)
        self.hits += hits
        return masked

    def quotes(self, quotes: Sequence[Quote]) -> tuple[Said, ...]:
        return tuple(Said(q.date, self(q.text)) for q in sorted(quotes, key=lambda q: q.date))


def _own_mood(rows: Sequence[DayRow], own: trends.Trend) -> OwnMood | None:
    rated = [p for p in own.days if p.mood is not None]
    if not rated:
        return None
    before = trends.trend(rows, *trends.previous(own.start, own.end))
    # Where the calendar begins there is nothing before.
    earlier = [p.mood for p in before.days if p.mood is not None and p.start < own.start]
    return OwnMood(
        mean=sum(p.mood or 0.0 for p in rated) / len(rated),
        days=len(rated),
        lowest=min(p.mood_low or 5 for p in rated),
        highest=max(p.mood_high or 1 for p in rated),
        before=sum(earlier) / len(earlier) if len(earlier) >= MIN_COMPARED_DAYS else None,
        before_days=len(earlier),
    )


def _longest_gap(own: trends.Trend) -> int:
    longest = run = 0
    for point in own.days:
        run = 0 if point.entries else run + 1
        longest = max(longest, run)
    return longest


def _estimates(full: trends.Trend, translate: wording.Translate) -> Estimates:
    shares = [p.shares for p in full.days if p.shares is not None]
    unclear = 1 - sum(map(sum, shares)) / len(shares) if shares else 0.0
    names = trends.top_feelings(full.days, 6)
    index = trends.FEELINGS.index
    return Estimates(
        read=full.read,
        models=full.models,
        feelings=tuple((name, sum(s[index(name)] for s in shares) / len(shares)) for name in names),
        unclear=max(0.0, unclear),
        sentences=tuple(
            line for task in ("stress", "low_mood") if (line := wording.signal_sentence(full, task, translate))
        ),
    )


def _left_out(
    own: trends.Trend, choices: Choices, quoted: int, hidden: int, translate: wording.Translate
) -> tuple[str, ...]:
    lines = [
        translate("summary", "Entries quoted: {quoted} of {entries}, with what I ticked.").format(
            quoted=quoted, entries=own.entries
        )
    ]
    if own.far:
        lines.append(wording.far_sentence(own, translate))
    if not choices.ratings:
        lines.append(translate("summary", "My own ratings are left out."))
    if not choices.safety:
        lines.append(translate("summary", "There is no section on safety; that says nothing either way."))
    if hidden:
        text = (
            translate("summary", "Names are blacked out in one place.")
            if hidden == 1
            else translate("summary", "Names are blacked out in {n} places.")
        )
        lines.append(text.format(n=hidden))
    lines.append(
        translate("summary", "Estimates made by a model are on the last page, marked as such.")
        if choices.estimates
        else translate("summary", "Estimates made by a model are not included.")
    )
    return tuple(lines)


def today() -> str:
    """Return the local date, ISO."""
    return dt.date.today().isoformat()
