"""A reader without a model: deterministic scores from a few keywords, for tests of everything else.

It follows the protocol ``journal_app.inference.engine.Reader`` to the letter (languages, empty
texts, spans of sentences, sums of probabilities), so what passes with it meets only values that
the real reader may return.
"""

from __future__ import annotations

import hashlib
import math
import re
import threading
from collections.abc import Callable, Sequence

from journal_app.contract.manifest import BandRule, Manifest
from journal_app.contract.tasks import TASKS
from journal_app.inference import text as plain
from journal_app.inference.engine import ModelCancelled, ModelError, ModelInfo, Reading, SentenceScores

KEYWORDS: dict[str, tuple[str, ...]] = {
    "joy": ("happy", "laughed", "lovely", "sunny", "joy"),
    "excitement": ("excited", "thrilled"),
    "gratitude": ("grateful", "thankful", "thank"),
    "love": ("love", "hugged"),
    "pride": ("proud", "finished"),
    "calm": ("calm", "quiet", "peaceful"),
    "hope": ("hope", "hopeful"),
    "surprise": ("surprised", "unexpected"),
    "sadness": ("sad", "cried", "empty", "crying"),
    "loneliness": ("lonely", "alone"),
    "anxiety": ("anxious", "worried", "nervous", "panic"),
    "anger": ("angry", "furious", "shouted"),
    "disgust": ("disgusting", "gross"),
    "shame": ("ashamed", "embarrassed"),
    "guilt": ("guilty", "fault"),
    "tiredness": ("tired", "exhausted", "slept badly"),
    "stress": ("deadline", "pressure", "stressed", "overwhelmed"),
    "depression": ("hopeless", "worthless", "numb", "pointless"),
    "suicidality": ("want to die", "kill myself", "end my life"),
}
"""What raises which score; tests may use these words."""

_TO_EMOTION = {
    "joy": ("joy", "gratitude", "pride", "calm", "hope", "excitement"),
    "love": ("love",),
    "surprise": ("surprise",),
    "anger": ("anger", "disgust"),
    "fear": ("anxiety", "stress"),
    "sadness": ("sadness", "loneliness", "shame", "guilt", "tiredness", "depression"),
}
_TO_ISEAR = {
    "joy": ("joy", "love", "gratitude", "pride"),
    "fear": ("anxiety",),
    "anger": ("anger",),
    "sadness": ("sadness", "loneliness", "depression"),
    "disgust": ("disgust",),
    "shame": ("shame",),
    "guilt": ("guilt",),
}


def fake_manifest(name: str = "fake-reader") -> Manifest:
    """Return a manifest with every task but ``themes``, bands and English alone."""
    tasks = {task.name: task.labels for task in TASKS.values() if task.name != "themes"}
    return Manifest(
        name=name,
        kind="encoder",
        tasks=tasks,
        bands={"stress": BandRule(0.3, 0.6, 0.02, 3), "low_mood": BandRule(0.25, 0.5, 0.02, 3)},
        crisis_threshold=0.7,
        feelings_thresholds=dict.fromkeys(TASKS["feelings"].labels, 0.5),
        languages=("en",),
        licence="none",
        created="2026-01-01",
    )


class FakeReader:
    """Implements ``engine.Reader`` with keyword scores.

    Args:
        fail: raised by the next calls of :meth:`read`, one per call, before anything is read.
        before: called with each text before it is read; may block, to test cancelling and typing.
    """

    def __init__(self, *, fail: Sequence[ModelError] = (), before: Callable[[str], None] | None = None) -> None:
        self.failures = list(fail)
        self.before = before
        self.texts_read = 0
        self.closed = False
        self._cancelled = threading.Event()

    def info(self) -> ModelInfo:
        return ModelInfo(fake_manifest(), hashlib.sha256(b"fake").hexdigest(), "fake.gguf", 4)

    def read(self, texts: Sequence[str], *, evidence: bool = True) -> list[Reading]:
        self._cancelled.clear()
        if self.closed:
            raise ModelError("the model is closed")
        if self.failures:
            raise self.failures.pop(0)
        readings: list[Reading] = []
        for text in texts:
            if self.before is not None:
                self.before(text)
            if self._cancelled.is_set():
                raise ModelCancelled("cancelled")
            readings.append(self._one(text, evidence))
            self.texts_read += 1
        return readings

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        self.closed = True

    def _one(self, text: str, evidence: bool) -> Reading:
        language, words = plain.language(text), plain.words(text)
        if language != "en" or words == 0:
            return Reading(readable=False, language=language, words=words)
        found = ()
        if evidence:
            found = tuple(SentenceScores(a, b, scores(text[a:b])) for a, b in plain.sentences(text))
        return Reading(
            readable=True,
            language=language,
            tasks=scores(text),
            sentences=found,
            vector=_vector(text),
            tokens=words,
            words=words,
            seconds=0.001,
        )


def scores(text: str) -> dict[str, dict[str, float]]:
    """Return the probabilities that the fake gives to ``text``, for all tasks but ``themes``."""
    low = text.lower()
    hits = {name: sum(1 for word in known if word in low) for name, known in KEYWORDS.items()}
    distress = hits["depression"] + 2 * hits["suicidality"] + hits["sadness"] + hits["loneliness"]
    rank = min(3.0, float(distress))
    return {
        "emotion": _softmax({k: 2.5 * sum(hits[h] for h in v) for k, v in _TO_EMOTION.items()}),
        "isear": _softmax({k: 2.5 * sum(hits[h] for h in v) for k, v in _TO_ISEAR.items()}),
        "stress": _yes(-2.0 + 2.5 * (hits["stress"] + hits["anxiety"])),
        "depression": _yes(-2.5 + 2.5 * distress),
        "severity": _softmax(
            {label: -1.5 * abs(i - rank) for i, label in enumerate(TASKS["severity"].labels)},
        ),
        "suicidality": _yes(-4.0 + 6.0 * hits["suicidality"]),
        "feelings": {name: _sigmoid(-3.0 + 4.0 * hits[name]) for name in TASKS["feelings"].labels},
    }


def _sigmoid(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z))


def _yes(z: float) -> dict[str, float]:
    p = _sigmoid(z)
    return {"yes": p, "no": 1.0 - p}


def _softmax(logits: dict[str, float]) -> dict[str, float]:
    top = max(logits.values())
    parts = {k: math.exp(v - top) for k, v in logits.items()}
    total = sum(parts.values())
    return {k: v / total for k, v in parts.items()}


def _vector(text: str, width: int = 32) -> tuple[float, ...]:
    values = [0.0] * width
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
        values[digest[0] % width] += 1.0 if digest[1] & 1 else -1.0
    norm = math.sqrt(sum(v * v for v in values)) or 1.0
    return tuple(v / norm for v in values) if any(values) else (1.0, *([0.0] * (width - 1)))
