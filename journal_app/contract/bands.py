"""From calibrated probabilities to the bands a writer sees.

Kept in the contract because the trainer sets the thresholds (on diary-like text) and the app
applies them; both must compute the same score.
"""

from __future__ import annotations

from collections.abc import Mapping

from journal_app.contract.manifest import BAND_NAMES, BandRule, Manifest
from journal_app.contract.tasks import TASKS, Band

STRESS, LOW_MOOD = BAND_NAMES

TaskScores = Mapping[str, Mapping[str, float]]
"""Task name -> label -> probability."""


def stress_score(tasks: TaskScores) -> float | None:
    """Return the probability of stress in [0, 1], or None where the model does not read it."""
    return tasks[STRESS]["yes"] if STRESS in tasks else None


def low_mood_score(tasks: TaskScores) -> float | None:
    """Return signs of low mood in [0, 1]: the mean of ``depression`` yes and expected severity.

    Expected severity is the mean rank under ``severity`` divided by its highest rank, so that
    the ordinal task keeps its order. With one of the two tasks missing the other serves alone.
    """
    parts: list[float] = []
    if "depression" in tasks:
        parts.append(tasks["depression"]["yes"])
    if "severity" in tasks:
        labels = TASKS["severity"].labels
        parts.append(sum(i * tasks["severity"][label] for i, label in enumerate(labels)) / (len(labels) - 1))
    return sum(parts) / len(parts) if parts else None


def band(rule: BandRule | None, score: float | None, words: int) -> Band:
    """Return the band of ``score``; anything that cannot be judged is ``unsure``, never ``quiet``."""
    if rule is None or score is None or words < rule.min_words or abs(score - rule.many) < rule.unsure:
        return "unsure"
    if score >= rule.many:
        return "many"
    return "some" if score >= rule.some else "quiet"


def bands(manifest: Manifest, tasks: TaskScores, words: int) -> dict[str, Band]:
    """Return the band of stress and of low mood for one text of ``words`` words."""
    return {
        STRESS: band(manifest.bands.get(STRESS), stress_score(tasks), words),
        LOW_MOOD: band(manifest.bands.get(LOW_MOOD), low_mood_score(tasks), words),
    }
