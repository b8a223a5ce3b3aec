"""Turn rows of entries into series: one place that decides what a chart, table or digest may say.

Owns days, weeks and months of a period, what counts as a gap, how an estimate and the writer's
own word are kept apart, and the sentences about them. Knows no Qt, no SQL and no entry text.

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

Translate = Callable[[str, str], str]
"""``translate(context, english)``: Qt's translator in the window, :func:`untranslated` elsewhere."""

Period = Literal["week", "month", "quarter", "year", "all"]
PERIODS: tuple[Period, ...] = ("week", "month", "quarter", "year", "all")
PERIOD_DAYS: dict[str, int] = {"week": 7, "month": 30, "quarter": 91, "year": 365}

Step = Literal["day", "week", "month"]
LEVELS: tuple[str, ...] = ("quiet", "some", "many")
SIGNS: tuple[str, ...] = ("stress", "low_mood", "help")
"""Rows of the rolling map of signs; ``help`` is a day on which the help card was offered."""

ROLLING_DAYS = 7
MIN_ROLLING_DAYS = 2
"""The rolling map shows a share only where at least this many days of the window have data."""

MIN_AVERAGE_DAYS = 3
"""The moving average of mood exists only where its window holds this many days with a rating."""

MEANINGFUL_MOOD_CHANGE = 0.5
"""Smallest difference of mean mood (scale 1 to 5) that is put into words; a choice, not a norm."""


def untranslated(context: str, text: str) -> str:
    """Return ``text`` as it is: the translator where there is no window."""
    return text


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
            None. shares: the same as shares of what was present, summing to 1, or None.
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
    """

    start: str
    end: str
    days: tuple[Point, ...]
    weeks: tuple[Point, ...]
    months: tuple[Point, ...]
    models: tuple[str, ...] = ()
    signs: tuple[str, ...] = SIGNS

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
    """Return the period of equal length just before ``start`` .. ``end``."""
    length = (_date(end) - _date(start)).days + 1
    return (_date(start) - dt.timedelta(days=length)).isoformat(), (_date(start) - dt.timedelta(days=1)).isoformat()


def trend(rows: Iterable[DayRow], start: str, end: str, *, with_help: bool = True) -> Trend:
    """Build the series of ``start`` .. ``end`` (inclusive, ISO dates); rows outside are ignored.

    Without ``with_help`` nothing in the result knows on which days the help card was offered.
    Raises ValueError if ``end`` is before ``start``.
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
    dates = [(first + dt.timedelta(days=i)) for i in range((last - first).days + 1)]
    days = tuple(_day(date.isoformat(), by_day.get(date.isoformat(), ())) for date in dates)
    weeks = _buckets(days, lambda date: date - dt.timedelta(days=date.weekday()))
    months = _buckets(days, lambda date: date.replace(day=1))
    names = tuple(name for name, _ in models.most_common())
    return Trend(start, end, days, weeks, months, names, SIGNS if with_help else SIGNS[:2])


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
    present = feelings_of(row)
    total = sum(present.values()) if present else 0.0
    if not present or total <= 0:
        return None
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
        stress=_merge_signals([p.stress for p in days]),
        low_mood=_merge_signals([p.low_mood for p in days]),
        help=sum(p.help for p in days),
        checked=sum(p.checked for p in days),
    )


def _merge_signals(signals: Sequence[Signal]) -> Signal:
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

    Rows are ``signs``; a cell is None where too few days have data. ``rolling`` tells whether a
    column looks back over ``ROLLING_DAYS`` days or covers just its own week or month.
    """

    signs: tuple[str, ...]
    points: tuple[Point, ...]
    share: tuple[tuple[float | None, ...], ...]
    n: tuple[tuple[int, ...], ...]
    rolling: bool


def signs_map(trend: Trend, step: Step) -> SignsMap:
    """Return the share of days with some or many signs: rolling for days, per bucket otherwise."""
    points = trend.points(step)
    share: list[list[float | None]] = [[] for _ in trend.signs]
    counts: list[list[int]] = [[] for _ in trend.signs]
    for i, point in enumerate(points):
        window = trend.days[max(0, i - ROLLING_DAYS + 1) : i + 1] if step == "day" else (point,)
        for row, name in enumerate(trend.signs):
            if name == "help":
                n, hits = sum(p.checked for p in window), sum(p.help for p in window)
            else:
                n = sum(p.signal(name).days for p in window)
                hits = sum(p.signal(name).some + p.signal(name).many for p in window)
            counts[row].append(n)
            share[row].append(hits / n if n >= MIN_ROLLING_DAYS else None)
    return SignsMap(trend.signs, points, tuple(map(tuple, share)), tuple(map(tuple, counts)), step == "day")


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


def digest(trend: Trend, translate: Translate = untranslated) -> tuple[str, ...]:
    """Return the period in a few plain sentences: own words first, estimates and their caution after.

    No sentence calls the writer anything, and none reassures; see the words of the safety rules.
    """
    own, estimated = digest_parts(trend, translate)
    if not estimated:
        return own
    return (
        *own,
        *estimated,
        translate("trends", "Estimates describe the text, may be wrong, and are not a diagnosis."),
    )


def digest_parts(trend: Trend, translate: Translate = untranslated) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the digest's sentences about what the writer reported, and those about estimates."""
    if not trend.entries:
        return (translate("trends", "Nothing was written in these days."),), ()
    wrote = (
        translate("trends", "You wrote on {n} day of {all}.")
        if trend.days_written == 1
        else translate("trends", "You wrote on {n} days of {all}.")
    )
    own = [wrote.format(n=trend.days_written, all=len(trend.days)), *_mood_sentences(trend, translate)]
    estimated: list[str] = []
    named = top_feelings(trend.days, 3)
    if named:
        names = ", ".join(feeling_word(name, translate) for name in named)
        estimated.append(translate("trends", "Feelings read most often in your words: {names}.").format(names=names))
    estimated += [line for task in ("stress", "low_mood") if (line := signal_sentence(trend, task, translate))]
    return tuple(own), tuple(estimated)


def _mood_sentences(trend: Trend, translate: Translate) -> list[str]:
    rated = [p for p in trend.days if p.mood is not None]
    if not rated:
        return [translate("trends", "No own mood was noted.")]
    mean = sum(p.mood or 0.0 for p in rated) / len(rated)
    word = mood_word(mean, translate)
    if len(rated) == 1:
        return [translate("trends", "Your own mood was noted once: {word}.").format(word=word)]
    text = translate("trends", "Your own mood was {word} on average ({mean:.1f} of 5, {n} days noted).")
    lines = [text.format(word=word, mean=mean, n=len(rated))]
    change = mood_change(trend)
    if change is not None and abs(change) >= MEANINGFUL_MOOD_CHANGE:
        lines.append(
            translate("trends", "The second half was lighter than the first.")
            if change > 0
            else translate("trends", "The second half was heavier than the first.")
        )
    best = max(rated, key=lambda p: (p.mood or 0.0, p.start))
    worst = min(rated, key=lambda p: (p.mood or 0.0, p.start))
    if len(rated) > 2 and (best.mood or 0.0) - (worst.mood or 0.0) >= 1:
        text = translate("trends", "Best day: {best}. Hardest day: {worst}.")
        year = len(trend.days) > 366
        first, last = (short_date(p.start, translate, year=year) for p in (best, worst))
        lines.append(text.format(best=first, worst=last))
    return lines


def signal_sentence(trend: Trend, task: str, translate: Translate = untranslated) -> str:
    """Return a sentence on how many days had some or many signs in their words; empty without estimates."""
    total = _merge_signals([p.signal(task) for p in trend.days])
    name = sign_word(task, translate)
    if not total.days:
        return translate("trends", "{name}: not sure on any day.").format(name=name) if total.unsure else ""
    if total.many and not total.some:
        text = translate("trends", "{name}: of {days} days read, {many} had many signs in their words.")
    elif total.many:
        text = translate(
            "trends", "{name}: of {days} days read, {many} had many signs in their words and {some} had some."
        )
    elif total.some:
        text = translate("trends", "{name}: of {days} days read, {some} had some signs in their words.")
    else:
        # Says what was read and no more: a low level never reassures.
        text = translate("trends", "{name}: quiet in the words of {days} days read.")
    text = text.format(name=name, many=total.many, some=total.some, days=total.days)
    if total.unsure:
        text += " " + translate("trends", "Not sure on {n} more.").format(n=total.unsure)
    if total.many >= max(2, total.days / 3):
        text += " " + translate("trends", "That may be worth talking about with someone you trust.")
    return text


def mood_word(value: float, translate: Translate = untranslated) -> str:
    """Return the word for an own mood from 1 to 5, rounded to the nearest step."""
    words = (
        translate("Mood", "very low"),
        translate("Mood", "low"),
        translate("Mood", "in between"),
        translate("Mood", "good"),
        translate("Mood", "very good"),
    )
    return words[min(5, max(1, int(value + 0.5))) - 1]


def level_word(level: str, translate: Translate = untranslated) -> str:
    """Return the word for a level; everything that is no level is "not sure"."""
    return {
        "quiet": translate("Bands", "quiet"),
        "some": translate("Bands", "some"),
        "many": translate("Bands", "many"),
    }.get(level, translate("Bands", "not sure"))


def sign_word(name: str, translate: Translate = untranslated) -> str:
    """Return what a writer reads for a row of the signs."""
    return {
        "stress": translate("trends", "Stress"),
        "low_mood": translate("trends", "Low-mood signs"),
        "help": translate("trends", "Help card offered"),
    }[name]


def feeling_word(name: str, translate: Translate = untranslated) -> str:
    """Return what a writer reads for a feeling of the contract."""
    words = {
        "joy": translate("Feelings", "joy"),
        "excitement": translate("Feelings", "excitement"),
        "gratitude": translate("Feelings", "gratitude"),
        "love": translate("Feelings", "love"),
        "pride": translate("Feelings", "pride"),
        "calm": translate("Feelings", "calm"),
        "hope": translate("Feelings", "hope"),
        "surprise": translate("Feelings", "surprise"),
        "sadness": translate("Feelings", "sadness"),
        "loneliness": translate("Feelings", "loneliness"),
        "anxiety": translate("Feelings", "anxiety"),
        "anger": translate("Feelings", "anger"),
        "disgust": translate("Feelings", "disgust"),
        "shame": translate("Feelings", "shame"),
        "guilt": translate("Feelings", "guilt"),
        "tiredness": translate("Feelings", "tiredness"),
    }
    return words.get(name, name)


def month_word(month: int, translate: Translate = untranslated) -> str:
    """Return the short name of a month, 1 to 12."""
    words = (
        translate("trends", "Jan"),
        translate("trends", "Feb"),
        translate("trends", "Mar"),
        translate("trends", "Apr"),
        translate("trends", "May"),
        translate("trends", "Jun"),
        translate("trends", "Jul"),
        translate("trends", "Aug"),
        translate("trends", "Sep"),
        translate("trends", "Oct"),
        translate("trends", "Nov"),
        translate("trends", "Dec"),
    )
    return words[month - 1]


def short_date(date: str, translate: Translate = untranslated, *, year: bool = False) -> str:
    """Return ``20 Nov`` (or with its year) in the translator's order of day and month."""
    day = _date(date)
    pattern = translate("trends", "{day} {month} {year}") if year else translate("trends", "{day} {month}")
    return pattern.format(day=day.day, month=month_word(day.month, translate), year=day.year)


def _date(date: str) -> dt.date:
    return dt.date.fromisoformat(date)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _mean_rows(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...] | None:
    if not rows:
        return None
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))
