"""Tables in plain text, for terminals of any width and any script."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from journal_app.journal import wording
from journal_app.journal.trends import Signal, WeekRow

NO_DATA = "-"


def width(text: str) -> int:
    """Return the columns that ``text`` takes in a terminal (wide Korean and Chinese letters take two)."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return ``rows`` under ``header``; columns whose index is in ``right`` are aligned to the right."""
    lines = [header, *rows]
    widths = [max(width(line[i]) for line in lines) for i in range(len(header))]

    def cell(i: int, text: str) -> str:
        space = " " * (widths[i] - width(text))
        return space + text if i in right else text + space

    drawn = ["  ".join(cell(i, text) for i, text in enumerate(line)).rstrip() for line in lines]
    drawn.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(drawn)


def week_table(weeks: Sequence[WeekRow]) -> str:
    """Return the week-by-week table: what the writer said, then what the model estimated, apart."""
    header = ("week of", "entries", "words", "days without", "own mood 1-5", "stress*", "low-mood signs*", "feelings*")
    rows = [
        (
            week.start,
            str(week.entries),
            str(week.words),
            str(week.days_without),
            NO_DATA if week.mood is None else f"{week.mood:.1f} (n={week.mood_n})",
            _signal(week.stress),
            _signal(week.low_mood),
            ", ".join(wording.feeling_word(name) for name in week.feelings) or NO_DATA,
        )
        for week in weeks
    ]
    note = "* days at each level as estimated by the model from the words; it may be wrong and is not a diagnosis."
    return f"{table(header, rows, right=(1, 2, 3))}\n{note}"


def _signal(signal: Signal) -> str:
    counts = ((signal.many, "many"), (signal.some, "some"), (signal.quiet, "quiet"), (signal.unsure, "unsure"))
    return ", ".join(f"{count} {wording.level_word(word)}" for count, word in counts if count) or NO_DATA
