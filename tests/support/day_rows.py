"""Rows of days for tests of trends, charts and summaries: small, made by hand or by a seed."""

from __future__ import annotations

import datetime as dt
import math
import random

from journal_app.contract.tasks import FEELINGS
from journal_app.vault.records import Analysis, Correction, DayRow, Entry, Mood


def analysis(
    entry_id: str,
    *,
    stress: float = 0.2,
    low_mood: float = 0.2,
    stress_band: str = "quiet",
    low_mood_band: str = "quiet",
    feelings: dict[str, float] | None = None,
    shown: tuple[str, ...] | None = None,
    crisis: str = "none",
    readable: bool = True,
    model: str = "reader",
) -> Analysis:
    """An analysis; every feeling in ``feelings`` counts as present unless ``shown`` names others."""
    scores = dict.fromkeys(FEELINGS, 0.05) | (feelings or {})
    tasks = {
        "stress": {"yes": stress, "no": 1 - stress},
        "depression": {"yes": low_mood, "no": 1 - low_mood},
        "feelings": scores,
    }
    return Analysis(
        entry_id, 1, model, "0" * 64, 1, readable, "en", tasks if readable else {}, stress_band, low_mood_band, crisis,
        feelings=shown if shown is not None else tuple(feelings or ()),
    )  # fmt: skip


def row(
    date: str,
    *,
    mood: int | None = None,
    words: int = 100,
    found: Analysis | None = None,
    corrections: tuple[Correction, ...] = (),
    entry_id: str = "",
    time: str = "21:00:00",
) -> DayRow:
    """One entry of a day."""
    return DayRow(
        entry_id or f"e-{date}-{time}", date, time, words, Mood(mood) if mood else None, (), False, found, corrections
    )


def entry(date: str, text: str, *, mood: int | None = None, marked: bool = False, entry_id: str = "") -> Entry:
    """An entry with a text."""
    return Entry(
        entry_id or f"e-{date}", text, date, "21:00:00", 0, f"{date}T21:00:00Z", f"{date}T21:00:00Z", 1,
        mood=Mood(mood) if mood else None, for_therapist=marked,
    )  # fmt: skip


def life(days: int, *, every: float = 0.4, end: str = "2026-11-20", seed: int = 7) -> list[DayRow]:
    """A plausible stretch of ``days`` with gaps, moods, estimates and a few corrections."""
    chance = random.Random(seed)
    last = dt.date.fromisoformat(end)
    result: list[DayRow] = []
    for i in range(days):
        date = (last - dt.timedelta(days=days - 1 - i)).isoformat()
        if i not in (0, days - 1) and chance.random() > every:
            continue
        for k in range(1 + (chance.random() < 0.15)):
            wave = math.sin(i / 9) + chance.gauss(0, 0.4)
            stress = min(1.0, max(0.0, 0.4 - 0.25 * wave))
            low = min(1.0, max(0.0, 0.35 - 0.3 * wave))
            present = {name: chance.uniform(0.5, 0.95) for name in chance.sample(FEELINGS, 3)}
            name = f"{date}-{k}"
            found = analysis(
                name, stress=stress, low_mood=low, stress_band=_band(stress), low_mood_band=_band(low),
                feelings=present, crisis="gentle" if low > 0.7 else "none",
            )  # fmt: skip
            fixed = (
                (Correction(name, "stress", "quiet", "add", "2026-01-01T00:00:00Z"),) if chance.random() < 0.1 else ()
            )
            mood = max(1, min(5, round(3 + wave))) if chance.random() < 0.85 else None
            result.append(
                row(date, mood=mood, words=chance.randint(20, 300), found=found, corrections=fixed, entry_id=name)
            )
    return result


def _band(score: float) -> str:
    if abs(score - 0.6) < 0.04:
        return "unsure"
    return "many" if score > 0.6 else ("some" if score > 0.45 else "quiet")
