"""Figures against hand cases and against scikit-learn on random data."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from sklearn import metrics as sk

from trainer import metrics

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 4, 400)
    logits = rng.normal(size=(400, 4))
    logits[np.arange(400), truth] += 1.0
    values = np.exp(logits)
    return truth, values / values.sum(1, keepdims=True)


def test_confusion_recall_and_kappa_agree_with_scikit_learn(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    truth, values = drawn
    matrix = metrics.confusion(truth, values.argmax(1), 4)
    assert (matrix == sk.confusion_matrix(truth, values.argmax(1))).all()
    assert metrics.recalls(matrix) == pytest.approx(sk.recall_score(truth, values.argmax(1), average=None))
    expected = sk.cohen_kappa_score(truth, values.argmax(1), weights="quadratic")
    assert metrics.quadratic_kappa(matrix) == pytest.approx(expected)
    assert np.isnan(metrics.recalls(metrics.confusion(np.array([0, 0]), np.array([0, 1]), 2))[1])


def test_pr_auc_and_brier_agree_with_scikit_learn(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    truth, values = drawn
    one_by_one = [sk.average_precision_score(truth == k, values[:, k]) for k in range(4)]
    assert metrics.pr_auc(truth, values) == pytest.approx(np.mean(one_by_one))
    binary = (truth == 0).astype(int)
    two = np.stack([1 - values[:, 0], values[:, 0]], 1)
    assert metrics.brier(binary, two) == pytest.approx(2 * sk.brier_score_loss(binary, values[:, 0]))
    assert np.isnan(metrics.pr_auc(np.zeros(5, dtype=int), values[:5]))


def test_sensitivity_at_a_specificity_by_hand() -> None:
    truth = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.92, 0.96, 0.99, 0.05])
    # Over .95 lie two positives and no negative; over .9 three positives and one of ten negatives.
    assert metrics.sensitivity_at(truth, scores, 1.0) == pytest.approx(0.5)
    assert metrics.sensitivity_at(truth, scores, 0.9) == pytest.approx(0.75)
    assert metrics.specificity_at(truth, scores, 0.75) == pytest.approx(0.9)
    assert metrics.specificity_at(truth, scores, 1.0) == pytest.approx(0.0)
    assert np.isnan(metrics.sensitivity_at(np.ones(3, dtype=int), np.ones(3), 0.9))


def test_predictive_values_by_bayes() -> None:
    # Sensitivity .8 and specificity .9 find at 3 % prevalence one true among five.
    ppv, npv = metrics.predictive_values(0.8, 0.9, 0.03)
    assert ppv == pytest.approx(0.024 / (0.024 + 0.097))
    assert npv == pytest.approx(0.873 / (0.873 + 0.006))


def test_reliability_is_what_the_calibration_error_is_made_of(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    truth, values = drawn
    bins = metrics.reliability(truth, values)
    assert sum(count for *_, count in bins) == len(truth)
    gap = sum(count * abs(right - sure) for sure, right, count in bins) / len(truth)
    assert gap == pytest.approx(metrics.ece(truth, values))


def test_risk_coverage_rewards_confidence_that_means_something() -> None:
    truth = np.array([0, 0, 0, 1])
    knowing = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.55, 0.45]])
    blind = np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.95, 0.05]])
    assert metrics.risk_coverage(truth, knowing) == pytest.approx(0.25 / 4)
    assert metrics.risk_coverage(truth, blind) > metrics.risk_coverage(truth, knowing)


def test_paired_figures_see_what_single_intervals_hide() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 600)
    theirs = np.where(rng.random(600) < 0.70, truth, 1 - truth)
    ours = theirs.copy()
    repaired = np.flatnonzero(theirs != truth)[:30]
    ours[repaired] = truth[repaired]

    def accuracy(t: np.ndarray, p: np.ndarray) -> float:
        return float((t == p).mean())

    gain, low, high = metrics.paired_difference(accuracy, truth, ours, theirs, seed=3, rounds=300)
    assert gain == pytest.approx(0.05)
    assert 0 < low < gain < high
    assert metrics.mcnemar(truth, ours, theirs) < 1e-6
    assert metrics.mcnemar(truth, ours, ours) == 1.0


def test_provenance_changes_with_data_and_model_and_names_no_person(tmp_path: Path) -> None:
    data, model = tmp_path / "test.jsonl.gz", tmp_path / "model.gguf"
    data.write_bytes(b"rows")
    model.write_bytes(b"weights")
    first = metrics.provenance(data=[data], model=model, seed=7)
    assert first["model_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert first["seed"] == 7
    assert {"python", "torch", "llama-cpp-python"} <= set(first["versions"])
    assert str(tmp_path) not in str(first)
    data.write_bytes(b"other rows")
    assert metrics.provenance(data=[data], model=model, seed=7)["data_sha256"] != first["data_sha256"]
    assert metrics.provenance(data=[], model=None, seed=7)["model_sha256"] is None
    folder = metrics.provenance(data=[], model=tmp_path, seed=0)["model_sha256"]
    model.write_bytes(b"other weights")
    assert metrics.provenance(data=[], model=tmp_path, seed=0)["model_sha256"] != folder


def test_rounding_makes_json_of_anything() -> None:
    value = {"a": np.float64(1 / 3), "b": float("nan"), "c": (1, np.int64(2)), "d": np.array([0.5])}
    assert metrics.rounded(value) == {"a": 0.333333, "b": None, "c": [1, 2], "d": [0.5]}


def test_macro_f1_is_scikit_learns() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(4)
    for labels in (1, 2, 3, 7):
        for rows in (1, 5, 60):
            truth, said = rng.integers(0, labels, rows), rng.integers(0, labels + 1, rows)
            expected = f1_score(truth, said, average="macro", zero_division=0.0)
            assert metrics.macro_f1(truth, said) == pytest.approx(expected, abs=1e-12)
    assert metrics.macro_f1(np.array([True, False]), np.array([True, True])) == pytest.approx(1 / 3)


def test_curve_points_enclose_the_area_that_is_reported() -> None:
    rng = np.random.default_rng(8)
    truth = rng.integers(0, 2, 3000)
    scores = truth + rng.normal(size=3000)
    found = metrics.curve_points(truth, scores)
    (x, y) = found["roc"]
    assert len(x) <= 101
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert np.trapezoid(y, x) == pytest.approx(sk.roc_auc_score(truth, scores), abs=0.01)
    recall, precision = found["pr"]
    assert recall == sorted(recall)
    assert precision[-1] == pytest.approx(truth.mean(), abs=0.01)
    assert metrics.curve_points(np.ones(4, dtype=int), np.ones(4)) == {}
