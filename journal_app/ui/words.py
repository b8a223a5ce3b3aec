"""Names that a person reads for codes that the program uses: feelings, bands, confidence, moods, dates."""

from __future__ import annotations

import datetime as dt
import re

from PySide6.QtCore import QCoreApplication, QDate, QLocale, QTime

LIKELY = 0.7
"""From this probability on a feeling is called likely, below it possible (the shown ones are above their threshold)."""


def feeling(label: str) -> str:
    """Return a feeling's name."""
    names = {
        "joy": QCoreApplication.translate("Feelings", "joy"),
        "excitement": QCoreApplication.translate("Feelings", "excitement"),
        "gratitude": QCoreApplication.translate("Feelings", "gratitude"),
        "love": QCoreApplication.translate("Feelings", "love"),
        "pride": QCoreApplication.translate("Feelings", "pride"),
        "calm": QCoreApplication.translate("Feelings", "calm"),
        "hope": QCoreApplication.translate("Feelings", "hope"),
        "surprise": QCoreApplication.translate("Feelings", "surprise"),
        "sadness": QCoreApplication.translate("Feelings", "sadness"),
        "loneliness": QCoreApplication.translate("Feelings", "loneliness"),
        "anxiety": QCoreApplication.translate("Feelings", "anxiety"),
        "anger": QCoreApplication.translate("Feelings", "anger"),
        "disgust": QCoreApplication.translate("Feelings", "disgust"),
        "shame": QCoreApplication.translate("Feelings", "shame"),
        "guilt": QCoreApplication.translate("Feelings", "guilt"),
        "tiredness": QCoreApplication.translate("Feelings", "tiredness"),
    }
    return names.get(label, label)


def band(name: str) -> str:
    """Return the word for a band of stress or low-mood signs."""
    names = {
        "quiet": QCoreApplication.translate("Bands", "quiet"),
        "some": QCoreApplication.translate("Bands", "some"),
        "many": QCoreApplication.translate("Bands", "many"),
    }
    return names.get(name, QCoreApplication.translate("Bands", "not sure"))


def likelihood(probability: float) -> str:
    """Return a word and the number, as in ``likely (0.81)``."""
    word = (
        QCoreApplication.translate("Bands", "likely")
        if probability >= LIKELY
        else QCoreApplication.translate("Bands", "possible")
    )
    return f"{word} ({probability:.2f})"


def valence(level: int) -> str:
    """Return the word for the writer's own mood, 1 to 5."""
    names = (
        QCoreApplication.translate("Mood", "very low"),
        QCoreApplication.translate("Mood", "low"),
        QCoreApplication.translate("Mood", "in between"),
        QCoreApplication.translate("Mood", "good"),
        QCoreApplication.translate("Mood", "very good"),
    )
    return names[min(max(level, 1), 5) - 1]


def energy(level: int) -> str:
    """Return the word for the writer's own energy, 1 to 5."""
    names = (
        QCoreApplication.translate("Mood", "no energy"),
        QCoreApplication.translate("Mood", "little energy"),
        QCoreApplication.translate("Mood", "some energy"),
        QCoreApplication.translate("Mood", "a good deal of energy"),
        QCoreApplication.translate("Mood", "full of energy"),
    )
    return names[min(max(level, 1), 5) - 1]


def said(error: Exception) -> str:
    """Return the words of an error of the vault in the window's language; they are kept in ``journal_ko.ts``.

    Numbers in it are left out of what is looked up, and put back.
    """
    text = str(error)
    numbers = re.findall(r"\d+", text)
    if not numbers:
        return QCoreApplication.translate("Vault", text)
    known = QCoreApplication.translate("Vault", text)
    if known != text:
        return known
    count = iter(range(len(numbers)))
    translated = QCoreApplication.translate("Vault", re.sub(r"\d+", lambda _found: f"{{{next(count)}}}", text))
    return translated.format(*numbers)


def moment(utc: str, *, time: bool = True) -> str:
    """Return an instant (ISO 8601, UTC) as a date in words where the writer is, with the time of day behind it."""
    try:
        here = dt.datetime.fromisoformat(utc).astimezone()
    except ValueError:
        return utc
    return long_date(here.date().isoformat(), here.strftime("%H:%M") if time else "")


def size(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    places = 1 if count >= 1_000_000 else 0
    return QLocale().formattedDataSize(count, places, QLocale.DataSizeFormat.DataSizeTraditionalFormat)


def count_words(text: str) -> int:
    """Return how many words a text has; each Chinese or Japanese character counts as one."""
    count, inside = 0, False
    for char in text:
        if "\u3040" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff":
            count, inside = count + 1, False
        elif char.isalnum() or char in "'’":
            count, inside = count + (not inside), True
        else:
            inside = False
    return count


def long_date(local_date: str, local_time: str = "") -> str:
    """Return a date in words, with the time behind it when there is one."""
    day = QDate.fromString(local_date, "yyyy-MM-dd")
    locale = QLocale()
    this_year = day.year() == dt.date.today().year
    chinese_or_korean = locale.language() in (QLocale.Language.Korean, QLocale.Language.Chinese)
    if chinese_or_korean:
        text = locale.toString(day, QLocale.FormatType.LongFormat)
    else:
        text = locale.toString(day, "dddd d MMMM" if this_year else "dddd d MMMM yyyy")
    if local_time:
        text += f", {locale.toString(QTime.fromString(local_time[:5], 'HH:mm'), 'HH:mm')}"
    return text


def month_title(year: int, month: int) -> str:
    """Return a month and its year."""
    locale = QLocale()
    day = QDate(year, month, 1)
    if locale.language() == QLocale.Language.Korean:
        return locale.toString(day, "yyyy년 M월")
    if locale.language() == QLocale.Language.Chinese:
        return locale.toString(day, "yyyy年M月")
    return locale.toString(day, "MMMM yyyy")


def weekday(local_date: str) -> str:
    """Return a date's short weekday."""
    return QLocale().toString(QDate.fromString(local_date, "yyyy-MM-dd"), "ddd")
