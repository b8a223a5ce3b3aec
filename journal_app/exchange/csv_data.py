"""The data behind the charts as CSV: what the chart draws, and one line a day for other programs.

UTF-8 with a byte-order mark, so that a spreadsheet shows Korean; gaps are empty cells. Nothing but
numbers, dates, level and feeling names: no entry text, no tags.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from journal_app.charts import words
from journal_app.charts.catalog import CHARTS
from journal_app.contract.tasks import FEELINGS
from journal_app.exchange import files
from journal_app.journal import wording
from journal_app.journal.trends import Trend
from journal_app.journal.wording import Translate

DAY_COLUMNS: tuple[str, ...] = (
    "date",
    "entries",
    "words",
    "own_mood",
    "own_mood_n",
    "entries_read",
    *(f"estimate_{task}_{part}" for task in ("stress", "low_mood") for part in ("level", "score", "n")),
    "own_stress_level",
    "own_low_mood_level",
    *(f"estimate_{name}" for name in FEELINGS),
)
"""Columns of ``days.csv``. Names are stable and English, since programs read them."""


def encode(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """Return a table as CSV; a cell that a spreadsheet would take for a formula is quoted with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def chart(key: str, trend: Trend, translate: Translate = wording.untranslated) -> bytes:
    """Return the table of one chart."""
    for item in CHARTS:
        if item.key == key:
            return encode(*item.table(trend, translate))
    raise KeyError(key)


def days(trend: Trend) -> bytes:
    """Return one line a day, days without data included as empty cells; far away days without those between."""
    rows = []
    for point in sorted((*trend.days, *trend.far), key=lambda p: p.start):
        cells = [point.start, str(point.entries), str(point.words) if point.entries else "", _number(point.mood)]
        cells += [str(point.mood_n), str(point.read)]
        for task in ("stress", "low_mood"):
            signal = point.signal(task)
            cells += [signal.level() or "", _number(signal.score), str(signal.n)]
        cells += [" ".join(point.stress.own), " ".join(point.low_mood.own)]
        cells += [
            "" if point.feelings is None else f"{value:.3f}" for value in point.feelings or (0.0,) * len(FEELINGS)
        ]
        rows.append(cells)
    return encode(DAY_COLUMNS, rows)


def save_all(
    trend: Trend, folder: Path, translate: Translate = wording.untranslated, *, replace: bool = True
) -> list[Path]:
    """Write ``days.csv`` and one file for each chart into the existing ``folder``; return the paths.

    All are written or none; raises as ``files.write_all``.
    """
    tables = {"days": days(trend)} | {item.key: encode(*item.table(trend, translate)) for item in CHARTS}
    return files.write_all(folder, ((f"{name}.csv", data) for name, data in tables.items()), replace=replace)


def title(key: str, trend: Trend, translate: Translate = wording.untranslated) -> str:
    """Return what a chart's table is called: the chart's title and its period."""
    for item in CHARTS:
        if item.key == key:
            return f"{item.title(trend, translate)}, {words.period(trend, translate)}"
    raise KeyError(key)


def _safe(cell: str) -> str:
    return f"'{cell}" if cell[:1] in ("=", "+", "@", "\t") or (cell[:1] == "-" and not cell[1:2].isdigit()) else cell


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
