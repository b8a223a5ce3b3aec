"""What each chart says in words and as a table: titles, text alternatives, header and rows.

Pure functions of a ``Trend``; no matplotlib. A screen reader, a table view and the CSV files all
get the same rows that the chart draws.
"""

from __future__ import annotations

from collections.abc import Sequence

from journal_app.contract.tasks import FEELINGS
from journal_app.journal import trends, wording
from journal_app.journal.trends import Point, Step, Trend
from journal_app.journal.wording import Translate

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Header and rows, every cell as text; an empty cell is a gap."""

CONTEXT = "charts"


def caption(trend: Trend, translate: Translate, *, estimated: bool) -> str:
    """Return how much stands behind a chart: days and entries with an own mood, or those that were read."""
    days = sum(1 for p in trend.days if (p.read if estimated else p.mood_n))
    entries = sum(p.read if estimated else p.mood_n for p in trend.days)
    first = translate("charts", "{n} day") if days == 1 else translate("charts", "{n} days")
    second = translate("charts", "{n} entry") if entries == 1 else translate("charts", "{n} entries")
    return f"{first.format(n=days)} \u00b7 {second.format(n=entries)}"


def period(trend: Trend, translate: Translate) -> str:
    """Return the dates of the period in words."""
    return translate("charts", "{start} to {end}").format(
        start=wording.short_date(trend.start, translate, year=True),
        end=wording.short_date(trend.end, translate, year=True),
    )


# mood ------------------------------------------------------------------------------------


def mood_title(trend: Trend, window: int, translate: Translate) -> str:
    """Return the title of the mood chart in words; ``window`` is its moving average's."""
    rated = [p for p in trend.days if p.mood is not None]
    if not rated:
        return translate("charts", "Your mood")
    change = trends.mood_change(trend)
    if change is None or len(rated) < 4:
        return translate("charts", "Your mood, as you noted it")
    valley = _valley(trend, window)
    if valley is not None:
        text = translate("charts", "Your mood: heaviest around {day}, lighter since")
        return text.format(day=_day(trend, valley, translate))
    if change >= trends.MEANINGFUL_MOOD_CHANGE:
        return translate("charts", "Your mood: lighter in the second half")
    if change <= -trends.MEANINGFUL_MOOD_CHANGE:
        return translate("charts", "Your mood: heavier in the second half")
    return translate("charts", "Your mood: much the same in both halves")


def _valley(trend: Trend, window: int) -> str | None:
    """Return the day where the moving average was lowest, if it clearly fell before and rose after."""
    known = [
        (mean, point.start)
        for mean, point in zip(trends.moving_average(trend, "day", window), trend.days, strict=True)
        if mean is not None
    ]
    if not known:
        return None
    lowest, day = min(known)
    before = max((mean for mean, date in known if date < day), default=lowest)
    after = known[-1][0]
    deep = 1.5 * trends.MEANINGFUL_MOOD_CHANGE
    return day if before - lowest >= deep and after - lowest >= deep else None


def mood_describe(trend: Trend, translate: Translate) -> str:
    """Return the text alternative of the mood chart."""
    rated = [p for p in trend.days if p.mood is not None]
    if not rated:
        return translate("charts", "No mood noted in these days.")
    mean = sum(p.mood or 0 for p in rated) / len(rated)
    low = min(rated, key=lambda p: (p.mood or 0, p.start))
    high = max(rated, key=lambda p: (p.mood or 0, p.start))
    return translate(
        "charts",
        "Own mood from {start} to {end}: noted on {n} of {days} days, {word} on average ({mean:.1f} of 5). "
        "Lowest {low:.1f} on {low_day}, highest {high:.1f} on {high_day}. Days without a note are gaps.",
    ).format(
        start=wording.short_date(trend.start, translate, year=True),
        end=wording.short_date(trend.end, translate, year=True),
        n=len(rated),
        days=len(trend.days),
        word=wording.mood_word(mean, translate),
        mean=mean,
        low=low.mood,
        low_day=_day(trend, low.start, translate),
        high=high.mood,
        high_day=_day(trend, high.start, translate),
    )


def mood_table(trend: Trend, step: Step, window: int, translate: Translate) -> Table:
    """Return the mood chart's rows."""
    header = (
        translate("charts", "from"),
        translate("charts", "to"),
        translate("charts", "own mood (1 to 5)"),
        translate("charts", "lowest"),
        translate("charts", "highest"),
        translate("charts", "entries with a mood"),
        translate("charts", "average of {n} days").format(n=window),
    )
    average = trends.moving_average(trend, step, window)
    return header, [
        (p.start, p.end, _number(p.mood), _whole(p.mood_low), _whole(p.mood_high), str(p.mood_n), _number(mean))
        for p, mean in zip(trend.points(step), average, strict=True)
    ]


# feelings --------------------------------------------------------------------------------


def feelings_title(trend: Trend, translate: Translate) -> str:
    """Return the title of the feelings chart in words."""
    names = [wording.feeling_word(name, translate) for name in trends.top_feelings(trend.days, 2)]
    if len(names) == 2:
        text = translate("charts", "Feelings in your words: above all {one} and {two}")
        return text.format(one=names[0], two=names[1])
    if names:
        return translate("charts", "Feelings in your words: {one}").format(one=names[0])
    return translate("charts", "Feelings in your words")


def feelings_describe(trend: Trend, translate: Translate) -> str:
    """Return the text alternative of the feelings charts."""
    rows = [p.shares for p in trend.days if p.shares is not None]
    if not rows:
        return translate("charts", "No feelings read in these days.")
    parts = []
    for name in trends.top_feelings(trend.days, 6):
        share = sum(row[FEELINGS.index(name)] for row in rows) / len(rows)
        parts.append(f"{wording.feeling_word(name, translate)} {share:.0%}")
    unclear = max(0.0, 1 - sum(map(sum, rows)) / len(rows))
    parts.append(f"{translate('charts', 'nothing clear')} {unclear:.0%}")
    return translate(
        "charts",
        "Estimated from the words of {n} entries on {days} days, with your corrections. Mean shares: {parts}. "
        "Days without an entry are gaps.",
    ).format(n=trend.read, days=len(rows), parts=", ".join(parts))


def feelings_table(points: Sequence[Point], translate: Translate) -> Table:
    """Return the shares of every feeling that occurs, a row per bucket."""
    names = trends.top_feelings(points, len(FEELINGS))
    header = (
        translate("charts", "from"),
        translate("charts", "to"),
        translate("charts", "entries read"),
        *(wording.feeling_word(name, translate) for name in names),
        translate("charts", "nothing clear"),
    )
    rows = []
    for p in points:
        shares = ["" if p.shares is None else f"{p.shares[FEELINGS.index(name)]:.2f}" for name in names]
        shares.append("" if p.shares is None else f"{max(0.0, 1 - sum(p.shares)):.2f}")
        rows.append((p.start, p.end, str(p.read), *shares))
    return header, rows


def heat_title(trend: Trend, translate: Translate) -> str:
    """Return the title of the map of days and feelings."""
    return translate("charts", "Which feelings, when")


def heat_table(points: Sequence[Point], limit: int, translate: Translate) -> Table:
    """Return the strength of the map's feelings, a row per bucket."""
    names = trends.top_feelings(points, limit)
    header = (
        translate("charts", "from"),
        translate("charts", "to"),
        translate("charts", "entries read"),
        *(wording.feeling_word(name, translate) for name in names),
    )
    rows = []
    for p in points:
        strengths = ["" if p.feelings is None else f"{p.feelings[FEELINGS.index(name)]:.2f}" for name in names]
        rows.append((p.start, p.end, str(p.read), *strengths))
    return header, rows


def heat_describe(trend: Trend, translate: Translate) -> str:
    """Return the text alternative of the map of days and feelings: the strongest day of each."""
    read = [p for p in trend.days if p.feelings is not None]
    if not read:
        return translate("charts", "No feelings read in these days.")
    parts = []
    for name in trends.top_feelings(trend.days, 4):
        i = FEELINGS.index(name)
        day = max(read, key=lambda p: ((p.feelings or ())[i], p.start))
        parts.append(
            translate("charts", "{name} strongest on {day}").format(
                name=wording.feeling_word(name, translate), day=_day(trend, day.start, translate)
            )
        )
    text = translate("charts", "How strongly each feeling was read, day by day, with your corrections: {parts}.")
    return text.format(parts="; ".join(parts))


# stress and low mood ---------------------------------------------------------------------


def levels_title(trend: Trend, translate: Translate) -> str:
    """Return the title of the lanes in words: facts about the words of days, nothing about the writer."""
    many = sum(1 for p in trend.days if p.stress.many or p.low_mood.many)
    read = sum(1 for p in trend.days if p.stress.n or p.low_mood.n)
    if not many:
        # "many on 0 days" would sound like reassurance, which a low level never is.
        return translate("charts", "Stress and low-mood signs in your words")
    return translate("charts", "Stress and low-mood signs: many on {many} of {read} days read").format(
        many=many, read=read
    )


def levels_describe(trend: Trend, translate: Translate) -> str:
    """Return the text alternative of the lanes."""
    lines = [line for task in ("stress", "low_mood") if (line := wording.signal_sentence(trend, task, translate))]
    own = sum(len(p.stress.own) + len(p.low_mood.own) for p in trend.days)
    if own:
        lines.append(translate("charts", "You set a level yourself {n} times; it is shown apart.").format(n=own))
    if not lines:
        return translate("charts", "Nothing was read in these days.")
    lines.append(translate("charts", "Estimated from words; may be wrong; not a diagnosis."))
    return " ".join(lines)


def levels_table(points: Sequence[Point], translate: Translate) -> Table:
    """Return the lanes' rows: days at each level, by sign, and the writer's own levels."""
    header = [translate("charts", "from"), translate("charts", "to"), translate("charts", "entries read")]
    for task in ("stress", "low_mood"):
        name = wording.sign_word(task, translate)
        for level in (*trends.LEVELS, "unsure"):
            header.append(f"{name}: {wording.level_word(level, translate)}")
        header.append(translate("charts", "{name}: own word").format(name=name))
    rows = []
    for p in points:
        cells = [p.start, p.end, str(p.read)]
        for task in ("stress", "low_mood"):
            signal = p.signal(task)
            known = signal.days + signal.unsure
            cells += [str(signal.count(level)) if known else "" for level in (*trends.LEVELS, "unsure")]
            cells.append(", ".join(wording.level_word(level, translate) for level in signal.own))
        rows.append(tuple(cells))
    return tuple(header), rows


# signs -----------------------------------------------------------------------------------


def signs_title(trend: Trend, translate: Translate) -> str:
    """Return the title of the rolling map: where most days had signs."""
    found = trends.signs_map(trend, "day")
    best: tuple[float, str] | None = None
    for row in found.share[:2]:
        for point, share in zip(found.points, row, strict=True):
            if share is not None and share >= 0.5 and (best is None or share > best[0]):
                best = (share, point.start)
    if best is None:
        return translate("charts", "Signs, {n} days at a time").format(n=found.window)
    text = translate("charts", "Signs, {n} days at a time: most around {day}")
    return text.format(n=found.window, day=_day(trend, best[1], translate))


def signs_describe(trend: Trend, translate: Translate) -> str:
    """Return the text alternative of the rolling map."""
    found = trends.signs_map(trend, "day")
    parts = []
    for name, shares, counts in zip(found.signs, found.share, found.n, strict=True):
        known = [(s, n, p.start) for s, n, p in zip(shares, counts, found.points, strict=True) if s is not None]
        if not known:
            continue
        share, n, day = max(known)
        parts.append(
            translate("charts", "{name}: at most {hits} of {n} days, in the days to {day}").format(
                name=wording.sign_word(name, translate),
                hits=round(share * n),
                n=n,
                day=_day(trend, day, translate),
            )
        )
    if not parts:
        return translate("charts", "Two days of entries are needed before this map begins.")
    text = translate("charts", "Share of days with some or many signs over {n} days. {parts}. Not a diagnosis.")
    return text.format(n=found.window, parts="; ".join(parts))


def signs_table(trend: Trend, step: Step, translate: Translate) -> Table:
    """Return the rolling map's rows: share of days with signs and the days behind it."""
    found = trends.signs_map(trend, step)
    header = [translate("charts", "from"), translate("charts", "to")]
    for name in found.signs:
        word = wording.sign_word(name, translate)
        header += [
            translate("charts", "{name}: share of days").format(name=word),
            translate("charts", "{name}: days read").format(name=word),
        ]
    rows = []
    for i, p in enumerate(found.points):
        cells = [p.start, p.end]
        for row in range(len(found.signs)):
            cells += [_number(found.share[row][i]), str(found.n[row][i])]
        rows.append(tuple(cells))
    return tuple(header), rows


def _day(trend: Trend, date: str, translate: Translate) -> str:
    """Return a date, with its year where the period is long enough for doubt."""
    return wording.short_date(date, translate, year=len(trend.days) > 366)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _whole(value: int | None) -> str:
    return "" if value is None else str(value)
