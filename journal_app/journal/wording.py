"""Put series into words: the digest, and the names of moods, levels, feelings, months and days.

One place for every sentence about a ``Trend`` that the window, the command line and the exports
show, each through a translator. No sentence calls the writer anything, and none reassures.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from journal_app.journal import trends
from journal_app.journal.trends import Trend

Translate = Callable[[str, str], str]
"""``translate(context, english)``: Qt's translator in the window, :func:`untranslated` elsewhere."""


def untranslated(context: str, text: str) -> str:
    """Return ``text`` as it is: the translator where there is no window."""
    return text


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
    if trend.far:
        own.append(far_sentence(trend, translate))
    estimated: list[str] = []
    named = trends.top_feelings(trend.days, 3)
    if named:
        text = translate("trends", "Feelings stood out in the words of {felt} of {days} days read, above all: {names}.")
        names = ", ".join(feeling_word(name, translate) for name in named)
        felt, days = (sum(n) for n in zip(*((p.felt, p.shares is not None) for p in trend.days), strict=True))
        estimated.append(text.format(felt=felt, days=days, names=names))
    estimated += [line for task in ("stress", "low_mood") if (line := signal_sentence(trend, task, translate))]
    return tuple(own), tuple(estimated)


def far_sentence(trend: Trend, translate: Translate = untranslated) -> str:
    """Return what is said of entries that are dated too far away to be shown; empty without such."""
    entries = sum(p.entries for p in trend.far)
    if not entries:
        return ""
    text = (
        translate("trends", "{n} entry is not counted here, since 25 years fit at most: {dates}.")
        if entries == 1
        else translate("trends", "{n} entries are not counted here, since 25 years fit at most: {dates}.")
    )
    dates = [short_date(p.start, translate, year=True) for p in trend.far[:3]]
    return text.format(n=entries, dates=", ".join(dates) + (", \u2026" if len(trend.far) > 3 else ""))


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
    change = trends.mood_change(trend)
    if change is not None and abs(change) >= trends.MEANINGFUL_MOOD_CHANGE:
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
    total = trends.merge_signals([p.signal(task) for p in trend.days])
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
    day = dt.date.fromisoformat(date)
    pattern = translate("trends", "{day} {month} {year}") if year else translate("trends", "{day} {month}")
    return pattern.format(day=day.day, month=month_word(day.month, translate), year=day.year)
