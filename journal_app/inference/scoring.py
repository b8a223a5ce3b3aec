"""From logits to the probabilities that a reading holds; the same code for heads and label tokens.

Pure arithmetic over numpy arrays: calibration, joining the windows of a long text, splitting a
text into windows. Knows no llama.cpp.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence

import numpy as np

from journal_app.contract.manifest import Calibration, Manifest
from journal_app.contract.tasks import TASKS
from journal_app.inference.engine import ModelError

RISK_TASKS = frozenset({"stress", "depression", "severity", "suicidality"})
"""Tasks whose strongest window speaks for the whole text."""


def finite(values: np.ndarray) -> np.ndarray:
    """Return ``values``; raise :class:`ModelError` if one of them is infinite or no number."""
    if not np.isfinite(values).all():
        raise ModelError("the model gave numbers that are not finite")
    return values


def probabilities(task: str, logits: np.ndarray, calibration: Calibration | None) -> np.ndarray:
    """Return calibrated probabilities for ``logits`` [..., labels] of ``task``, in float64.

    Multi-label tasks get a sigmoid per label, the others a softmax over the labels. Raises
    :class:`ModelError` where a calibration drives a logit out of what a number can hold.
    """
    z = np.asarray(logits, dtype=np.float64)
    if calibration is not None:
        with np.errstate(over="ignore"):
            z = z * np.asarray(calibration.scale)
            if calibration.bias:
                z = z + np.asarray(calibration.bias)
    finite(z)
    if TASKS[task].kind == "multilabel":
        return 1.0 / (1.0 + np.exp(-np.clip(z, -60.0, 60.0)))
    with np.errstate(over="ignore"):
        # Two finite logits may lie too far apart for a number; the smaller one's share is 0 then too.
        z = np.exp(z - z.max(axis=-1, keepdims=True))
    return z / z.sum(axis=-1, keepdims=True)


def combine(task: str, windows: np.ndarray) -> np.ndarray:
    """Join the probabilities [windows, labels] of one text's windows into [labels].

    Risk tasks take the window that speaks most strongly: the highest "yes", or for an ordinal task
    the highest expected rank, so that the result stays a distribution that the model did give.
    Multi-label tasks take the highest of each label: a feeling told in one paragraph is there, though
    the rest of the day is not about it. The one feeling that stands for all (``emotion``, ``isear``)
    takes the mean.
    """
    if len(windows) == 1:
        return windows[0]
    if task in RISK_TASKS:
        return windows[_strongest(task, windows)]
    return windows.max(axis=0) if TASKS[task].kind == "multilabel" else windows.mean(axis=0)


def combine_logits(task: str, windows: np.ndarray) -> np.ndarray:
    """Join uncalibrated logits [windows, labels] into [labels], choosing windows as :func:`combine` does.

    So that a calibration is fitted on what the app will calibrate.
    """
    if len(windows) == 1:
        return windows[0]
    if task in RISK_TASKS:
        return windows[_strongest(task, probabilities(task, windows, None))]
    return windows.max(axis=0) if TASKS[task].kind == "multilabel" else windows.mean(axis=0)


def _strongest(task: str, windows: np.ndarray) -> int:
    if TASKS[task].kind == "ordinal":
        return int(np.argmax(windows @ np.arange(windows.shape[1])))
    return int(np.argmax(windows[:, TASKS[task].index("yes")]))


def scores(manifest: Manifest, logits: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Return task -> label -> probability for one text from its logits {task: [windows, labels]}.

    Tasks come in the contract's order, labels in the manifest's.
    """
    result: dict[str, dict[str, float]] = {}
    for task in filter(logits.__contains__, TASKS):
        joined = combine(task, probabilities(task, logits[task], manifest.calibration.get(task)))
        result[task] = dict(zip(manifest.tasks[task], map(float, joined), strict=True))
    return result


def pack(sizes: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """Group neighbours so that each group's sizes add up to at most ``limit``; return index ranges.

    Groups are made about equally large, since a tiny last window would count as much as a full
    one. A size above ``limit`` makes a group of its own.
    """
    total = sum(sizes)
    if total <= limit or len(sizes) <= 1:
        return [(0, len(sizes))] if sizes else []
    target = total / -(-total // limit)
    groups: list[tuple[int, int]] = []
    first, filled, done = 0, 0, 0
    for index, size in enumerate(sizes):
        over = filled + size > limit
        enough = done + filled + size / 2 >= target * (len(groups) + 1)
        if index > first and (over or enough):
            groups.append((first, index))
            first, done, filled = index, done + filled, 0
        filled += size
    groups.append((first, len(sizes)))
    return groups


def windows(starts: Sequence[int], spans: Sequence[tuple[int, int]], room: int) -> list[tuple[int, int]]:
    """Return ranges of tokens of at most ``room`` each, cut at sentences where a sentence fits.

    ``starts`` holds where each token begins in the text, ``spans`` where the sentences are. Every
    token is in exactly one range; a text without tokens has one empty range.
    """
    total = len(starts)
    if total <= room:
        return [(0, total)]
    cuts = sorted({0, total, *(bisect.bisect_left(starts, start) for start, _ in spans[1:])})
    # A sentence longer than the window is cut where the window is full.
    edges = [e for a, b in zip(cuts, cuts[1:], strict=False) for e in range(a, b, room)] + [total]
    sizes = [b - a for a, b in zip(edges, edges[1:], strict=False)]
    return [(edges[first], edges[last]) for first, last in pack(sizes, room)]


def merge(spans: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Join neighbouring spans so that at most ``most`` are left, as evenly as possible."""
    if len(spans) <= most:
        return list(spans)
    edges = [round(i * len(spans) / most) for i in range(most + 1)]
    return [(spans[a][0], spans[b - 1][1]) for a, b in zip(edges, edges[1:], strict=False)]
