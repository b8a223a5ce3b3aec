"""From emotions to risk, as a published system does it, beside the direct screens; kept for the study alone.

The map is simple: joy, love and surprise are low, anger and fear middle, sadness high. The app shows a writer none of
it, because sadness is no illness. Here it is measured against texts whose screening labels are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.metrics import auroc, screening

RISK: dict[str, str] = {
    "joy": "low",
    "love": "low",
    "surprise": "low",
    "anger": "middle",
    "fear": "middle",
    "sadness": "high",
}
"""Emotion of the contract's task ``emotion`` -> risk; ISEAR's further labels are in :data:`RISK_ISEAR`."""
RISK_ISEAR: dict[str, str] = RISK | {"disgust": "middle", "shame": "high", "guilt": "high"}
LEVELS: tuple[str, ...] = ("low", "middle", "high")


def level(label: str) -> str:
    """Return the risk that the map gives an emotion; raise ``KeyError`` for one it does not know."""
    return RISK_ISEAR[label]


def high_score(labels: Sequence[str], probabilities: np.ndarray) -> np.ndarray:
    """Return the probability [n] that the map calls a text high: that of its high emotions, from [n, labels]."""
    columns = [number for number, label in enumerate(labels) if level(label) == "high"]
    return probabilities[:, columns].sum(1) if columns else np.zeros(len(probabilities))


def beside_screens(
    mapped: np.ndarray, direct: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Return task by task how well the map's score and the direct one find the texts that are labelled so.

    Args:
        mapped: the map's score [n]. direct: task -> score [n] of the direct screen.
        truth: task -> 0/1 [n], -1 where the text's label is not known.
    """
    found: dict[str, Any] = {}
    for task, labels in truth.items():
        known = labels >= 0
        if not 0 < (labels[known] == 1).sum() < known.sum():
            continue
        wanted = labels[known]
        entry: dict[str, Any] = {"rows": int(known.sum()), "positives": int(wanted.sum())}
        for name, scores in (("emotion_map", mapped), ("direct", direct[task])):
            values = np.stack([scores[known], 1 - scores[known]], 1)
            entry[name] = {"auroc": auroc(1 - wanted, values), **screening(wanted, scores[known])}
        entry["correlation"] = _correlation(mapped[known], direct[task][known])
        found[task] = entry
    return found


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else float("nan")
