"""Turn rows of entries into series: one place that decides what a chart, table or digest may say.

Owns days, weeks and months of a period, what counts as a gap, and how an estimate and the writer's
own word are kept apart; ``wording`` has the sentences. Knows no Qt, no SQL and no entry text.

Rules that hold everywhere here:

* what the writer reported (mood, levels the writer set) and what the model estimated never meet
  in one number; an estimate that the writer removed is gone, one that was replaced counts as own;
* a day without data is ``None`` or zero entries, never a zero value;
* ``unsure`` is not a level: it is counted by itself and never becomes ``quiet``.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from journal_app.contract import bands as contract_bands
from journal_app.contract.tasks import FEELINGS
from journal_app.vault.records import Correction, DayRow

Period = Literal["week", "month", "quarter", "year", "all"]
PERIODS: tuple[Period, ...] = ("week", "month", "quarter", "year", "all")
PERIOD_DAYS: dict[str, int] = {"week": 7, "month": 30, "quarter": 91, "year": 365}

Step = Literal["day", "week", "month"]
LEVELS: tuple[str, ...] = ("quiet", "some", "many")
SIGNS: tuple[str, ...] = ("stress", "low_mood", "help")
"""Rows of the rolling map of signs; ``help`` is a day on which the help card was offered."""

ROLLING_DAYS = (7, 14, 28)
"""Days that the rolling map looks back: a week where that holds enough days, longer where it does not."""

MIN_ROLLING_DAYS = 2
"""The rolling map shows a share only where at least this many days of the window have data."""

MIN_AVERAGE_DAYS = 3
"""The moving average of mood exists only where its window holds this many days with a rating."""

MAX_DAYS = 9132
"""Longest stretch shown day by day (25 years), so that one mistaken date costs neither seconds nor the view."""

MEANINGFUL_MOOD_CHANGE = 0.5
"""Smallest difference of mean mood (scale 1 to 5) that is put into words; a choice, not a norm."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Estimates of one sign in a bucket of days.

    Attributes:
        quiet, some, many: days whose highest estimate is that level.
        unsure: days on which the model read something but was sure of nothing.
        n: entries behind it. score: mean of the days' mean scores in [0, 1], sure entries only.
        own: levels that the writer set instead, one per entry; never part of the counts above.
    """

    quiet: int = 0
    some: int = 0
    many: int = 0
    unsure: int = 0
    n: int = 0
    score: float | None = None
    own: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        """Days with a level."""
        return self.quiet + self.some + self.many

    def count(self, level: str) -> int:
        """Return the days at ``level`` (a level or ``unsure``)."""
        return {"quiet": self.quiet, "some": self.some, "many": self.many, "unsure": self.unsure}[level]

    def level(self) -> str | None:
        """Return the highest level that occurred, ``unsure`` if only that, None without estimates."""
        for level in ("many", "some", "quiet", "unsure"):
            if self.count(level):
                return level
        return None


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket (a day, a week or a month, cut at the period's ends).

    Attributes:
        start, end: first and last date, ISO. days: length. days_written: days with an entry.
        mood: mean of the days' mean own mood, 1 to 5. mood_n: entries with an own mood.
        mood_low, mood_high: lowest and highest own mood.
        read: entries that a model read. feelings: mean strength per ``FEELINGS`` in [0, 1], or
            None. shares: each feeling's share of what was read, or None; what is missing to 1 is
            the part in which nothing was clear. felt: days on which some feeling was.
        help: days on which the help card was offered. checked: days whose words were checked.
    """

    start: str
    end: str
    days: int
    days_written: int = 0
    entries: int = 0
    words: int = 0
    mood: float | None = None
    mood_n: int = 0
    mood_low: int | None = None
    mood_high: int | None = None
    read: int = 0
    feelings: tuple[float, ...] | None = None
    shares: tuple[float, ...] | None = None
    felt: int = 0
    stress: Signal = Signal()
    low_mood: Signal = Signal()
    help: int = 0
    checked: int = 0

    def signal(self, name: str) -> Signal:
        """Return the signal ``stress`` or ``low_mood``."""
        return self.stress if name == "stress" else self.low_mood


@dataclass(frozen=True, slots=True)
class WeekRow:
    """A line of the week-by-week table; ``feelings`` are the strongest, at most three."""

    start: str
    end: str
    entries: int
    words: int
    days_without: int
    mood: float | None
    mood_n: int
    stress: Signal
    low_mood: Signal
    feelings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """Everything the charts show of one period: the same days as days, weeks and months.

    ``models`` are the names of those that read, most used first; ``signs`` the rows of the rolling map.
    ``far`` are written days of a longer period whose dates lie too far from the others to be shown with
    them; ``start`` and ``end`` are then those of what is shown.
    """

    start: str
    end: str
    days: tuple[Point, ...]
    weeks: tuple[Point, ...]
    months: tuple[Point, ...]
    models: tuple[str, ...] = ()
    signs: tuple[str, ...] = SIGNS
    far: tuple[Point, ...] = ()

    @property
    def entries(self) -> int:
        """Entries in the period."""
        return sum(point.entries for point in self.days)

    @property
    def days_written(self) -> int:
        """Days with at least one entry."""
        return sum(point.days_written for point in self.days)

    @property
    def read(self) -> int:
        """Entries that a model has read."""
        return sum(point.read for point in self.days)

    def points(self, step: Step) -> tuple[Point, ...]:
        """Return the buckets of ``step``."""
        return {"day": self.days, "week": self.weeks, "month": self.months}[step]

    def step(self, max_days: int, max_weeks: int) -> Step:
        """Return the finest step with at most ``max_days`` days or ``max_weeks`` weeks."""
        if len(self.days) <= max_days:
            return "day"
        return "week" if len(self.weeks) <= max_weeks else "month"

    def day_near(self, date: str, reach: int = 0) -> str | None:
        """Return the written day nearest to ``date`` within ``reach`` days, or None."""
        here = _date(date)
        best: tuple[int, str] | None = None
        for point in self.days:
            away = abs((_date(point.start) - here).days)
            if point.entries and away <= reach and (best is None or away < best[0]):
                best = (away, point.start)
        return best[1] if best else None


def span(period: Period, today: str, rows: Sequence[DayRow] = ()) -> tuple[str, str]:
    """Return first and last date of ``period`` ending ``today``; ``all`` begins with the first row."""
    dates = [row.local_date for row in rows]
    if period == "all":
        return (min([*dates, today]), max([*dates, today]))
    first = _date(today) - dt.timedelta(days=PERIOD_DAYS[period] - 1)
    return first.isoformat(), today


def previous(start: str, end: str) -> tuple[str, str]:
    """Return the period of equal length just before ``start`` .. ``end``, cut where the calendar begins.

    A period that begins with the calendar has none before it: then both dates are its first day.
    """
    first = _date(start).toordinal()
    length = _date(end).toordinal() - first + 1
    return (_iso(max(1, first - length)), _iso(max(1, first - 1)))


def trend(rows: Iterable[DayRow], start: str, end: str, *, with_help: bool = True) -> Trend:
    """Build the series of ``start`` .. ``end`` (inclusive, ISO dates); rows outside are ignored.

    Without ``with_help`` nothing in the result knows on which days the help card was offered.
    Of a period longer than ``MAX_DAYS`` the stretch of that length with the most written days is
    built; written days beyond it are in ``Trend.far``. Raises ValueError if ``end`` is before ``start``.
    """
    first, last = _date(start), _date(end)
    if last < first:
        raise ValueError("the period ends before it begins")
    by_day: dict[str, list[DayRow]] = defaultdict(list)
    models: Counter[str] = Counter()
    for row in rows:
        if start <= row.local_date <= end:
            if not with_help and row.analysis is not None:
                row = replace(row, analysis=replace(row.analysis, crisis_level="none", crisis_reasons=()))
            by_day[row.local_date].append(row)
            if row.analysis is not None and row.analysis.readable:
                models[row.analysis.model] += 1
    from_, to = first.toordinal(), last.toordinal()
    if to - from_ >= MAX_DAYS:
        from_, to = _densest(sorted(_date(date).toordinal() for date in by_day)) or (to - MAX_DAYS + 1, to)
    dates = [_iso(day) for day in range(from_, to + 1)]
    start, end = dates[0], dates[-1]
    days = tuple(_day(date, by_day.get(date, ())) for date in dates)
    far = tuple(_day(date, found) for date, found in sorted(by_day.items()) if not start <= date <= end)
    weeks = _buckets(days, lambda date: date - dt.timedelta(days=date.weekday()))
    months = _buckets(days, lambda date: date.replace(day=1))
    names = tuple(name for name, _ in models.most_common())
    return Trend(start, end, days, weeks, months, names, SIGNS if with_help else SIGNS[:2], far)


def _densest(written: Sequence[int]) -> tuple[int, int] | None:
    """Return first and last of the ordinals in the stretch of ``MAX_DAYS`` that holds most; the later of equals."""
    best: tuple[int, int, int] | None = None
    left = 0
    for right, day in enumerate(written):
        while day - written[left] >= MAX_DAYS:
            left += 1
        if best is None or right - left + 1 >= best[0]:
            best = (right - left + 1, written[left], day)
    return best[1:] if best else None


def own_level(corrections: Sequence[Correction], task: str) -> tuple[str | None, bool]:
    """Return the level that the writer set for ``task`` (or None), and whether the estimate stands."""
    level: str | None = None
    stands = True
    for correction in sorted(corrections, key=lambda c: c.created_utc):
        if correction.task != task:
            continue
        if correction.verdict == "add" and correction.label in LEVELS:
            level, stands = correction.label, False
        elif correction.verdict == "remove":
            level, stands = None, False
        elif correction.verdict == "accept":
            level, stands = None, True
    return level, stands


def feelings_of(row: DayRow) -> dict[str, float] | None:
    """Return the strength of each feeling that is present, with the writer's corrections applied.

    A feeling that the writer added has strength 1. None when nothing read the entry and the
    writer named nothing; an empty mapping when it was read and nothing stood out.
    """
    analysis = row.analysis
    readable = analysis is not None and analysis.readable
    found: dict[str, float] = {}
    if analysis is not None and readable:
        scores = analysis.tasks.get("feelings", {})
        found = {name: scores.get(name, 0.0) for name in analysis.feelings if name in FEELINGS}
    for correction in sorted(row.corrections, key=lambda c: c.created_utc):
        if correction.task != "feelings" or correction.label not in FEELINGS:
            continue
        if correction.verdict == "remove":
            found.pop(correction.label, None)
        elif correction.verdict == "add":
            found[correction.label] = 1.0
    return found if readable or found else None


def _strengths(row: DayRow) -> tuple[float, ...] | None:
    """Return every feeling's strength, present or not, corrections applied."""
    present = feelings_of(row)
    if present is None:
        return None
    scores = row.analysis.tasks.get("feelings", {}) if row.analysis is not None and row.analysis.readable else {}
    removed = {c.label for c in row.corrections if c.task == "feelings" and c.verdict == "remove"} - present.keys()
    return tuple(0.0 if name in removed else present.get(name, scores.get(name, 0.0)) for name in FEELINGS)


def _shares(row: DayRow) -> tuple[float, ...] | None:
    """Return each present feeling's share; a faint one alone takes no more than its strength."""
    present = feelings_of(row)
    if present is None:
        return None
    total = max(1.0, sum(present.values()))
    return tuple(present.get(name, 0.0) / total for name in FEELINGS)


def help_offered(row: DayRow) -> bool:
    """Return whether the help card was offered for this entry and the writer did not set it aside."""
    if row.analysis is None or row.analysis.crisis_level == "none":
        return False
    return not any(c.task == "crisis" and c.verdict == "not_me" for c in row.corrections)


def _signal(rows: Sequence[DayRow], task: str) -> Signal:
    """Return the signal of one day."""
    own: list[str] = []
    estimates: list[str] = []
    scores: list[float] = []
    for row in rows:
        level, stands = own_level(row.corrections, task)
        if level is not None:
            own.append(level)
        analysis = row.analysis
        if not stands or analysis is None or not analysis.readable:
            continue
        band = analysis.stress_band if task == "stress" else analysis.low_mood_band
        estimates.append(band)
        if band in LEVELS:
            read = contract_bands.stress_score if task == "stress" else contract_bands.low_mood_score
            score = read(analysis.tasks)
            if score is not None:
                scores.append(score)
    sure = [LEVELS.index(band) for band in estimates if band in LEVELS]
    highest = LEVELS[max(sure)] if sure else ("unsure" if estimates else "")
    return Signal(
        quiet=int(highest == "quiet"),
        some=int(highest == "some"),
        many=int(highest == "many"),
        unsure=int(highest == "unsure"),
        n=len(estimates),
        score=_mean(scores),
        own=tuple(own),
    )


def _day(date: str, rows: Sequence[DayRow]) -> Point:
    if not rows:
        return Point(date, date, 1)
    moods = [row.mood.valence for row in rows if row.mood is not None]
    strengths = [s for s in map(_strengths, rows) if s is not None]
    shares = [s for s in map(_shares, rows) if s is not None]
    return Point(
        start=date,
        end=date,
        days=1,
        days_written=1,
        entries=len(rows),
        words=sum(row.words for row in rows),
        mood=_mean(moods),
        mood_n=len(moods),
        mood_low=min(moods, default=None),
        mood_high=max(moods, default=None),
        read=sum(1 for row in rows if row.analysis is not None and row.analysis.readable),
        feelings=_mean_rows(strengths),
        shares=_mean_rows(shares),
        felt=int(any(any(row) for row in shares)),
        stress=_signal(rows, "stress"),
        low_mood=_signal(rows, "low_mood"),
        help=int(any(help_offered(row) for row in rows)),
        checked=int(any(row.analysis is not None for row in rows)),
    )


def _buckets(days: Sequence[Point], key: Callable[[dt.date], dt.date]) -> tuple[Point, ...]:
    groups: dict[dt.date, list[Point]] = defaultdict(list)
    for point in days:
        groups[key(_date(point.start))].append(point)
    return tuple(_merge(group) for group in groups.values())


def _merge(days: Sequence[Point]) -> Point:
    lows = [p.mood_low for p in days if p.mood_low is not None]
    highs = [p.mood_high for p in days if p.mood_high is not None]
    return Point(
        start=days[0].start,
        end=days[-1].end,
        days=sum(p.days for p in days),
        days_written=sum(p.days_written for p in days),
        entries=sum(p.entries for p in days),
        words=sum(p.words for p in days),
        mood=_mean([p.mood for p in days if p.mood is not None]),
        mood_n=sum(p.mood_n for p in days),
        mood_low=min(lows, default=None),
        mood_high=max(highs, default=None),
        read=sum(p.read for p in days),
        feelings=_mean_rows([p.feelings for p in days if p.feelings is not None]),
        shares=_mean_rows([p.shares for p in days if p.shares is not None]),
        felt=sum(p.felt for p in days),
        stress=merge_signals([p.stress for p in days]),
        low_mood=merge_signals([p.low_mood for p in days]),
        help=sum(p.help for p in days),
        checked=sum(p.checked for p in days),
    )


def merge_signals(signals: Sequence[Signal]) -> Signal:
    """Return the signals of several buckets as one: counts added, scores averaged."""
    return Signal(
        quiet=sum(s.quiet for s in signals),
        some=sum(s.some for s in signals),
        many=sum(s.many for s in signals),
        unsure=sum(s.unsure for s in signals),
        n=sum(s.n for s in signals),
        score=_mean([s.score for s in signals if s.score is not None]),
        own=tuple(level for s in signals for level in s.own),
    )


def moving_average(trend: Trend, step: Step, window: int) -> tuple[float | None, ...]:
    """Return, per point of ``step``, the mean own mood of the ``window`` days that end with it.

    None where fewer than ``MIN_AVERAGE_DAYS`` of those days have a rating, so that gaps stay open.
    """
    moods = [point.mood for point in trend.days]
    last = {point.end: i for i, point in enumerate(trend.days)}
    result: list[float | None] = []
    for point in trend.points(step):
        i = last[point.end]
        known = [mood for mood in moods[max(0, i - window + 1) : i + 1] if mood is not None]
        result.append(_mean(known) if len(known) >= MIN_AVERAGE_DAYS else None)
    return tuple(result)


@dataclass(frozen=True, slots=True)
class SignsMap:
    """The rolling map: ``share[row][column]`` of days with signs, ``n`` days behind each cell.

    Rows are ``signs``; a cell is None where too few days have data. A column looks back over
    ``window`` days; None means that it covers just its own week or month.
    """

    signs: tuple[str, ...]
    points: tuple[Point, ...]
    share: tuple[tuple[float | None, ...], ...]
    n: tuple[tuple[int, ...], ...]
    window: int | None


def rolling_days(trend: Trend) -> int:
    """Return the days that the rolling map of ``trend`` looks back: few entries need a longer look."""
    read = sum(1 for p in trend.days if p.checked)
    fitting = [n for n in ROLLING_DAYS if n <= max(ROLLING_DAYS[0], len(trend.days) // 2)]
    return next((n for n in fitting if n * read >= (MIN_ROLLING_DAYS + 0.5) * len(trend.days)), fitting[-1])


def signs_map(trend: Trend, step: Step) -> SignsMap:
    """Return the share of days with some or many signs: rolling for days, per bucket otherwise."""
    points = trend.points(step)
    back = rolling_days(trend) if step == "day" else None
    share: list[list[float | None]] = [[] for _ in trend.signs]
    counts: list[list[int]] = [[] for _ in trend.signs]
    for i, point in enumerate(points):
        window = trend.days[max(0, i - back + 1) : i + 1] if back is not None else (point,)
        for row, name in enumerate(trend.signs):
            if name == "help":
                n, hits = sum(p.checked for p in window), sum(p.help for p in window)
            else:
                n = sum(p.signal(name).days for p in window)
                hits = sum(p.signal(name).some + p.signal(name).many for p in window)
            counts[row].append(n)
            share[row].append(hits / n if n >= MIN_ROLLING_DAYS else None)
    return SignsMap(trend.signs, points, tuple(map(tuple, share)), tuple(map(tuple, counts)), back)


def top_feelings(points: Sequence[Point], limit: int) -> tuple[str, ...]:
    """Return the feelings with the largest mean share over ``points``, strongest first."""
    rows = [p.shares for p in points if p.shares is not None]
    mean = _mean_rows(rows)
    if mean is None:
        return ()
    order = sorted(range(len(FEELINGS)), key=lambda i: (-mean[i], i))
    return tuple(FEELINGS[i] for i in order[:limit] if mean[i] > 0)


def week_rows(trend: Trend) -> tuple[WeekRow, ...]:
    """Return the weeks (Monday to Sunday) of the period for a printed table, oldest first."""
    return tuple(
        WeekRow(
            start=week.start,
            end=week.end,
            entries=week.entries,
            words=week.words,
            days_without=week.days - week.days_written,
            mood=week.mood,
            mood_n=week.mood_n,
            stress=week.stress,
            low_mood=week.low_mood,
            feelings=top_feelings([week], 3),
        )
        for week in trend.weeks
    )


def mood_change(trend: Trend) -> float | None:
    """Return mean own mood of the second half of the period minus the first, or None with < 2 days each."""
    middle = len(trend.days) // 2
    first = [p.mood for p in trend.days[:middle] if p.mood is not None]
    second = [p.mood for p in trend.days[middle:] if p.mood is not None]
    if len(first) < 2 or len(second) < 2:
        return None
    return sum(second) / len(second) - sum(first) / len(first)


def _iso(ordinal: int) -> str:
    return dt.date.fromordinal(ordinal).isoformat()


def _date(date: str) -> dt.date:
    return dt.date.fromisoformat(date)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _mean_rows(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...] | None:
    if not rows:
        return None
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))
