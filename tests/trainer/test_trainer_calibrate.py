"""Calibration, thresholds and the figures by which a reader is judged."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

from journal_app.contract.bands import band
from journal_app.contract.manifest import Manifest
from journal_app.contract.tasks import TASKS
from journal_app.inference.scoring import probabilities
from trainer import baseline, calibrate, metrics
from trainer.config import CalibrateConfig
from trainer.corpora.files import Row

pytestmark = pytest.mark.torch

CONFIG = CalibrateConfig()


def overconfident(rng: np.random.Generator, rows: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """Return logits three times too large for the truth that was drawn from them."""
    logits = rng.normal(0, 1.0, (rows, 2))
    chance = probabilities("stress", logits, None)
    truth = (rng.random(rows) > chance[:, 0]).astype(int)
    return 3 * logits, truth


def test_a_temperature_takes_overconfidence_away() -> None:
    logits, truth = overconfident(np.random.default_rng(0))
    fitted = calibrate.fit_softmax(logits, truth)
    assert fitted.scale[0] == pytest.approx(1 / 3, abs=0.07)
    before = metrics.ece(truth, probabilities("stress", logits, None))
    after = metrics.ece(truth, probabilities("stress", logits, fitted))
    assert after < before / 2
    assert after < 0.06


def test_biases_are_fitted_only_where_they_help() -> None:
    logits, truth = overconfident(np.random.default_rng(1))
    shifted = logits + np.array([2.0, 0.0])
    fitted = calibrate.fit_softmax(shifted, truth)
    assert fitted.bias[0] - fitted.bias[1] == pytest.approx(-2.0 * fitted.scale[0], abs=0.3)
    assert all(abs(b) < 0.25 for b in calibrate.fit_softmax(logits, truth).bias)


def test_platt_gives_back_the_rate() -> None:
    rng = np.random.default_rng(2)
    score = rng.normal(0, 2, 3000)
    truth = rng.random(3000) < 1 / (1 + np.exp(-(score - 2)))
    scale, bias = calibrate.fit_sigmoid(score, truth)
    found = 1 / (1 + np.exp(-(score * scale + bias)))
    assert found.mean() == pytest.approx(truth.mean(), abs=0.01)
    assert metrics.binary_ece(truth, found) < 0.03


def test_a_feeling_without_supervision_leaves_the_manifest() -> None:
    rng = np.random.default_rng(3)
    labels = TASKS["feelings"].labels
    rows, logits = [], []
    for i in range(200):
        happy = i % 2 == 0
        rows.append(
            Row("feelings", "x", "s", "mapped", "", ("joy",) if happy else (), () if happy else ("joy", "calm"))
        )
        values = rng.normal(0, 1, len(labels))
        values[labels.index("joy")] += 4 if happy else -4
        logits.append({"feelings": values})
    manifest = Manifest(name="m", kind="encoder", tasks={"feelings": labels})
    fitted, notes = calibrate.fit_tasks(manifest, rows, logits, CONFIG)
    assert fitted.tasks["feelings"] == ("joy",)
    assert set(fitted.feelings_thresholds) == {"joy"}
    assert len(fitted.calibration["feelings"].scale) == 1
    assert notes["feelings/calm"]["valid_positives"] == 0
    fitted.check()


def test_a_rare_feeling_is_not_shown_below_the_least_line() -> None:
    """The best line for F1 of a feeling that one text in 50 holds lies low, and lets through too much."""
    rng = np.random.default_rng(8)
    labels = TASKS["feelings"].labels
    rows, logits = [], []
    for i in range(1000):
        proud = i % 50 == 0
        rows.append(Row("feelings", "x", "s", "mapped", "", ("pride",) if proud else (), () if proud else ("pride",)))
        values = np.zeros(len(labels))
        values[labels.index("pride")] = rng.normal(0.8 if proud else -0.6, 1)
        logits.append({"feelings": values})
    manifest = Manifest(name="m", kind="encoder", tasks={"feelings": labels})
    free, _ = calibrate.fit_tasks(manifest, rows, logits, CalibrateConfig(least_line=0.0))
    kept, _ = calibrate.fit_tasks(manifest, rows, logits, CalibrateConfig(least_line=0.3))
    assert free.feelings_thresholds["pride"] < 0.3
    assert kept.feelings_thresholds["pride"] == 0.3


def everyday(rng: np.random.Generator, rows: int, high: float) -> list[dict[str, float] | None]:
    scores = rng.beta(1, 4, rows)
    scores[: int(high * rows)] = 0.97
    return [{"stress": float(s), "low_mood": float(s), "crisis": float(s) / 4} for s in scores] + [None] * 5


def test_at_most_the_given_share_of_everyday_writing_is_many() -> None:
    rng = np.random.default_rng(4)
    diary = {"blog": everyday(rng, 500, 0.04), "talk": everyday(rng, 500, 0.0)}
    distressed = {"stress": [{"stress": 0.99}, {"stress": 0.2}], "crisis": [{"crisis": 0.9}]}
    manifest, notes = calibrate.set_thresholds(Manifest(name="m", kind="encoder"), CONFIG, diary, distressed)
    for name in ("stress", "low_mood"):
        rule = manifest.bands[name]
        assert 0 < rule.some < rule.many < 1
        for scores in diary.values():
            marks = [band(rule, score[name], 50) for score in scores if score is not None]
            assert marks.count("many") <= CONFIG.many_share * len(marks)
    assert notes["stress"]["distressed_valid_many_share"] == 0.5
    flagged = [s["crisis"] >= manifest.crisis_threshold for s in diary["blog"] if s is not None]
    assert sum(flagged) <= CONFIG.crisis_share * len(flagged)
    assert notes["crisis"]["suicidal_valid_flag_share"] == 1.0


def test_many_is_never_said_below_one_half() -> None:
    calm = {"blog": [{"stress": 0.01, "low_mood": 0.02, "crisis": 0.0}] * 50}
    manifest, _ = calibrate.set_thresholds(Manifest(name="m", kind="encoder"), CONFIG, calm, {})
    assert band(manifest.bands["stress"], 0.49, 50) == "unsure"
    assert band(manifest.bands["stress"], 0.40, 50) != "many"
    assert band(manifest.bands["stress"], 0.51, 50) == "many"
    assert band(manifest.bands["stress"], 0.01, 50) == "quiet"


def test_a_model_that_is_always_certain_gets_thresholds_that_the_app_accepts() -> None:
    certain = {"blog": [{"stress": 1.0, "low_mood": 1.0, "crisis": 1.0}] * 50}
    manifest, _ = calibrate.set_thresholds(Manifest(name="m", kind="encoder"), CONFIG, certain, {})
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.crisis_threshold == 1.0


def test_without_everyday_writing_there_are_no_bands() -> None:
    manifest, _ = calibrate.set_thresholds(Manifest(name="m", kind="encoder"), CONFIG, {}, {})
    assert manifest.bands == {}
    assert manifest.crisis_threshold == 1.0


def test_figures_against_cases_worked_by_hand() -> None:
    truth = np.array([0, 0, 0, 1])
    values = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    found = metrics.classification(truth, values, rounds=50)
    assert found["accuracy"] == 0.75
    # F1 of label 0: precision 1, recall 2/3; of label 1: precision 1/2, recall 1.
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert found["weighted_f1"] == pytest.approx(0.75 * 0.8 + 0.25 * 2 / 3)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["auroc"] == 1.0
    assert found["macro_f1_ci95_low"] <= found["macro_f1"] <= found["macro_f1_ci95_high"]
    assert metrics.ece(truth, values, bins=1) == pytest.approx(abs(0.75 - 0.75))
    assert metrics.positive_f1(np.array([True, False]), np.array([False, False])) == 0.0
    assert metrics.shares([0.1, 0.5, 0.9], 0.5) == pytest.approx(2 / 3)


def test_the_threshold_with_the_best_f1_is_found() -> None:
    probability = np.array([0.1, 0.2, 0.35, 0.4, 0.8])
    truth = np.array([False, False, True, True, True])
    threshold = metrics.best_f1_threshold(truth, probability)
    assert 0.2 < threshold <= 0.35


def test_the_baseline_learns_words() -> None:
    rows = [
        Row("stress", f"{cue} {noun} today", "d", "published", label)
        for cue, label in (("deadline panic", "yes"), ("calm tea", "no"))
        for noun in ("train", "office", "garden", "river", "letter", "bus")
    ]
    found = baseline.choice_probabilities("stress", rows, rows, rows)
    assert found.shape == (12, 2)
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found.argmax(1) == [0] * 6 + [1] * 6).all()
