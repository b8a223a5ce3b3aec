"""Two calibrations: probabilities on published valid splits, thresholds on everyday writing.

Probabilities get a temperature and, where it helps held-out likelihood without costing macro-F1,
a bias per label. Bands and the crisis threshold are then set on diary-like text, read as the app
reads it, because heads trained on forum posts see trouble in ordinary days.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from journal_app.contract.bands import low_mood_score, stress_score
from journal_app.contract.manifest import BandRule, Calibration, Manifest
from journal_app.contract.tasks import TASKS
from journal_app.inference.engine import Reader
from journal_app.inference.scoring import probabilities
from trainer.config import CalibrateConfig
from trainer.corpora.files import Row
from trainer.metrics import best_f1_threshold, macro_f1, shares

TEMPERATURE = (0.25, 4.0)
_BIAS_PENALTY = 0.01


def fit_softmax(logits: np.ndarray, truth: np.ndarray, seed: int = 0) -> Calibration:
    """Fit a temperature, or temperature and biases, to ``logits`` [n, labels] and ``truth`` [n].

    Biases are kept only if they lower the 5-fold held-out loss and do not lower macro-F1 on all of
    ``truth`` by more than half a point.
    """
    plain = _fit(logits, truth, bias=False)
    rich = _fit(logits, truth, bias=True)
    held = {bias: held_out_loss(logits, truth, seed, bias=bias) for bias in (False, True)}
    keeps = macro_f1(truth, (logits * rich[0] + rich[1]).argmax(1)) >= macro_f1(truth, logits.argmax(1)) - 0.005
    scale, offset = rich if held[True] < held[False] and keeps else plain
    return Calibration((round(float(scale), 5),), tuple(round(float(b), 5) for b in offset))


def held_out_loss(logits: np.ndarray, truth: np.ndarray, seed: int = 0, *, bias: bool = True) -> float:
    """Return the log loss a row, in nats, of ``logits`` [n, labels] calibrated on other rows (5 folds)."""
    folds = np.random.default_rng(seed).permutation(len(truth)) % 5
    loss = 0.0
    for fold in range(5):
        inside = folds != fold
        if inside.all():
            continue
        scale, offset = _fit(logits[inside], truth[inside], bias=bias)
        loss += _loss(logits[~inside], truth[~inside], scale, offset) * (~inside).sum()
    return loss / len(truth)


def _fit(logits: np.ndarray, truth: np.ndarray, *, bias: bool) -> tuple[float, np.ndarray]:
    labels = logits.shape[1]

    def objective(x: np.ndarray) -> float:
        offset = np.append(x[1:], 0.0) if bias else np.zeros(labels)
        return _loss(logits, truth, float(np.exp(x[0])), offset) + _BIAS_PENALTY * float((offset**2).sum())

    start = np.zeros(labels if bias else 1)
    limits = [tuple(np.log(TEMPERATURE))] + [(-4.0, 4.0)] * (len(start) - 1)
    found = minimize(objective, start, method="L-BFGS-B", bounds=limits).x
    offset = np.append(found[1:], 0.0) if bias else np.zeros(labels)
    return float(np.exp(found[0])), offset - offset.mean()


def _loss(logits: np.ndarray, truth: np.ndarray, scale: float, offset: np.ndarray) -> float:
    z = logits * scale + offset
    z = z - z.max(1, keepdims=True)
    return float((np.log(np.exp(z).sum(1)) - z[np.arange(len(truth)), truth]).mean())


def fit_sigmoid(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return (scale, bias) of one label by Platt's method with his smoothed targets."""
    positives, negatives = float(truth.sum()), float((~truth).sum())
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def objective(x: np.ndarray) -> float:
        z = logits * np.exp(x[0]) + x[1]
        return float((np.logaddexp(0.0, z) - target * z).mean())

    found = minimize(objective, np.zeros(2), method="L-BFGS-B", bounds=[tuple(np.log(TEMPERATURE)), (-6.0, 6.0)]).x
    return round(float(np.exp(found[0])), 5), round(float(found[1]), 5)


def known(rows: Sequence[Row], label: str) -> tuple[list[int], np.ndarray]:
    """Return the indexes of ``rows`` that say something about ``label``, and what they say."""
    chosen = [i for i, row in enumerate(rows) if label in row.positives or label in row.negatives]
    return chosen, np.array([label in rows[i].positives for i in chosen], dtype=bool)


LEAST_POSITIVES = 3
"""Labels with fewer positives than this, or fewer denials, have no AUROC."""


def mean_auroc(rows: Sequence[Row], labels: Sequence[str], scores: np.ndarray) -> tuple[float | None, int]:
    """Return the mean AUROC over the ``labels`` of a multi-label task that have one, and how many those are.

    ``scores`` [rows, labels]. None where no label has one.
    """
    areas = []
    for column, label in enumerate(labels):
        index, truth = known(rows, label)
        if LEAST_POSITIVES <= truth.sum() <= len(truth) - LEAST_POSITIVES:
            areas.append(float(roc_auc_score(truth, scores[index, column])))
    return (float(np.mean(areas)) if areas else None), len(areas)


def fit_tasks(
    manifest: Manifest, rows: Sequence[Row], logits: Sequence[Mapping[str, np.ndarray]], config: CalibrateConfig
) -> tuple[Manifest, dict[str, Any]]:
    """Return ``manifest`` with calibration and thresholds of feelings and themes, and what was found on the way.

    A feeling or theme with too few positive rows or too low an AUROC on valid is taken out of the manifest;
    the caller must drop the same rows of the head.
    """
    by_task: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        by_task[row.task].append(i)
    calibration: dict[str, Calibration] = {}
    tasks = dict(manifest.tasks)
    thresholds: dict[str, dict[str, float]] = {}
    notes: dict[str, Any] = {}
    for task, labels in manifest.tasks.items():
        chosen = by_task.get(task, [])
        if TASKS[task].kind == "multilabel":
            if not chosen:
                continue
            kept, scales, biases = [], [], []
            sub = [rows[i] for i in chosen]
            matrix = np.stack([logits[i][task] for i in chosen])
            for column, label in enumerate(labels):
                index, truth = known(sub, label)
                score = matrix[index, column]
                enough = truth.sum() >= config.min_feeling_rows and not truth.all()
                area = float(roc_auc_score(truth, score)) if enough else float("nan")
                notes[f"{task}/{label}"] = {"valid_positives": int(truth.sum()), "valid_auroc": area}
                if not enough or area < config.min_feeling_auroc:
                    continue
                scale, bias = fit_sigmoid(score, truth)
                probability = 1 / (1 + np.exp(-(score * scale + bias)))
                weights = diary_weights([sub[i] for i in index])
                line = max(config.least_line, best_f1_threshold(truth, probability, weights))
                thresholds.setdefault(task, {})[label] = round(line, 3)
                kept.append(label)
                scales.append(scale)
                biases.append(bias)
            if kept:
                tasks[task] = tuple(kept)
                calibration[task] = Calibration(tuple(scales), tuple(biases))
            else:
                del tasks[task]
        elif chosen := [i for i in chosen if rows[i].part != "labelled"]:
            # The published split alone: what diary-like text calls stress or low mood is the bands' business.
            matrix = np.stack([logits[i][task] for i in chosen]).astype(np.float64)
            truth = np.array([labels.index(rows[i].label) for i in chosen])
            calibration[task] = fit_softmax(matrix, truth)
            after = probabilities(task, matrix, calibration[task])
            notes[task] = {
                "valid_macro_f1": macro_f1(truth, after.argmax(1)),
                "valid_macro_f1_uncalibrated": macro_f1(truth, matrix.argmax(1)),
            }
    found = replace(
        manifest,
        tasks=tasks,
        calibration=calibration,
        feelings_thresholds=thresholds.get("feelings", {}),
        themes_thresholds=thresholds.get("themes", {}),
    )
    return found, notes


def diary_weights(rows: Sequence[Row]) -> np.ndarray:
    """Return a weight for each row, so that diary-like text labelled for this project counts as much as all the rest.

    A threshold decides what a diary shows, and there are far fewer such rows than short comments.
    """
    diary = np.array([row.part == "labelled" for row in rows])
    if not diary.any() or diary.all():
        return np.ones(len(rows))
    return np.where(diary, (~diary).sum() / diary.sum(), 1.0)


def screening_scores(reader: Reader, texts: Sequence[str]) -> list[dict[str, float] | None]:
    """Return the scores behind bands and crisis level for each text as the app reads it; None: not readable."""
    result: list[dict[str, float] | None] = []
    for reading in reader.read(texts, evidence=False):
        if not reading.readable:
            result.append(None)
            continue
        scores = {"stress": stress_score(reading.tasks), "low_mood": low_mood_score(reading.tasks)}
        if "suicidality" in reading.tasks:
            scores["crisis"] = reading.tasks["suicidality"]["yes"]
        result.append({name: value for name, value in scores.items() if value is not None})
    return result


def set_thresholds(
    manifest: Manifest,
    config: CalibrateConfig,
    diary: Mapping[str, Sequence[dict[str, float] | None]],
    distressed: Mapping[str, Sequence[dict[str, float] | None]],
) -> tuple[Manifest, dict[str, Any]]:
    """Return ``manifest`` with bands and crisis threshold, and the rates they give on valid.

    ``diary``: source -> scores of everyday writing. ``distressed``: ``stress``, ``low_mood``,
    ``crisis`` -> scores of valid texts whose label says so. The line of "many" is the lowest at which
    no source of everyday writing has more than ``many_share`` there, and never under .5.
    """
    notes: dict[str, Any] = {}
    bands: dict[str, BandRule] = {}
    for name in ("stress", "low_mood"):
        found = {source: _values(scores, name) for source, scores in diary.items()}
        if not all(map(len, found.values())) or not found:
            continue
        line = max(0.5, *(_line(values, config.many_share) for values in found.values()))
        some = min(line - 2 * config.unsure - 0.02, max(_line(values, config.some_share) for values in found.values()))
        bands[name] = BandRule(
            some=round(max(some, 0.05), 4),
            many=_up(line - config.unsure),
            unsure=config.unsure,
            min_words=config.min_words,
        )
        notes[name] = {f"{source}_valid_many_share": shares(values, line) for source, values in found.items()}
        if name in distressed:
            notes[name]["distressed_valid_many_share"] = shares(_values(distressed[name], name), line)
    crisis = {source: _values(scores, "crisis") for source, scores in diary.items()}
    threshold = 1.0
    if crisis and all(map(len, crisis.values())):
        threshold = _up(max(0.2, *(_line(values, config.crisis_share) for values in crisis.values())))
        notes["crisis"] = {f"{source}_valid_flag_share": shares(values, threshold) for source, values in crisis.items()}
        if "crisis" in distressed:
            notes["crisis"]["suicidal_valid_flag_share"] = shares(_values(distressed["crisis"], "crisis"), threshold)
    return replace(manifest, bands=bands, crisis_threshold=threshold), notes


def _values(scores: Sequence[dict[str, float] | None], name: str) -> list[float]:
    return [score[name] for score in scores if score is not None and name in score]


def _up(value: float) -> float:
    """Return the next larger number of four digits, at most 1: rounding down would let in what was to stay out."""
    return min(1.0, (math.floor(value * 1e4) + 1) / 1e4)


def _line(values: Sequence[float], share: float) -> float:
    """Return the lowest threshold that at most ``share`` of ``values`` reaches."""
    ordered = sorted(values, reverse=True)
    allowed = int(share * len(ordered))
    return float(np.nextafter(ordered[allowed], 2.0)) if allowed < len(ordered) else 0.0
