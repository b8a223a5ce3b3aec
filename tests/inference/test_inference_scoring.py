"""Calibration, windows and packing are plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal_app.contract.manifest import Calibration, Manifest
from journal_app.contract.tasks import TASKS
from journal_app.inference import scoring
from journal_app.inference.engine import ModelError


def test_softmax_with_temperature_and_bias() -> None:
    z = np.array([1.0, 3.0])
    expected = np.exp([0.5 + 0.2, 1.5 - 0.1])
    expected /= expected.sum()
    assert scoring.probabilities("stress", z, Calibration((0.5,), (0.2, -0.1))) == pytest.approx(expected)


def test_sigmoid_per_label() -> None:
    z = np.linspace(-3, 3, 16)
    scale, bias = tuple(np.linspace(0.5, 2, 16)), tuple(np.linspace(-1, 1, 16))
    got = scoring.probabilities("feelings", z, Calibration(scale, bias))
    assert got == pytest.approx(1 / (1 + np.exp(-(z * np.array(scale) + np.array(bias)))))


def test_huge_logits_stay_finite() -> None:
    for task in ("stress", "feelings"):
        z = np.array([1e30, -1e30] * (len(TASKS[task].labels) // 2))
        assert np.isfinite(scoring.probabilities(task, z, None)).all()


@pytest.mark.parametrize("task", ["stress", "severity", "feelings"])
def test_a_calibration_that_overflows_is_an_error_and_no_probability(task: str) -> None:
    size = len(TASKS[task].labels)
    for calibration in (Calibration((1e308,)), Calibration((1.0,), (1e308,) * size)):
        with pytest.raises(ModelError, match="not finite"):
            scoring.probabilities(task, np.full(size, 1e308), calibration)
    z = np.array([1e308, -1e308] * (size // 2))
    assert np.isfinite(scoring.probabilities(task, z, None)).all()


def test_risk_takes_the_strongest_window_feelings_the_highest_of_each_and_emotion_the_mean() -> None:
    windows = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert scoring.combine("suicidality", windows).tolist() == [0.9, 0.1]
    assert scoring.combine("stress", windows[::-1]).tolist() == [0.9, 0.1]
    mood = np.array([[0.5] * 6, [0.1] * 6])
    assert scoring.combine("emotion", mood) == pytest.approx([0.3] * 6)
    told = np.array([[0.1] * 16, [0.2] * 16])
    told[0, 3], told[1, 5] = 0.9, 0.7
    joined = scoring.combine("feelings", told)
    assert joined.tolist() == [0.2] * 3 + [0.9, 0.2, 0.7] + [0.2] * 10
    logits = scoring.combine_logits("feelings", np.log(told / (1 - told)))
    assert scoring.probabilities("feelings", logits, None) == pytest.approx(joined)


def test_severity_keeps_the_distribution_of_the_window_with_the_highest_expected_rank() -> None:
    mild, split = [0.0, 0.9, 0.1, 0.0], [0.5, 0.0, 0.0, 0.5]
    assert scoring.combine("severity", np.array([mild, split])).tolist() == split
    worse = [0.0, 0.3, 0.7, 0.0]
    assert scoring.combine("severity", np.array([split, worse])).tolist() == worse


def test_scores_use_the_manifest() -> None:
    manifest = Manifest("m", "encoder", tasks={"stress": ("yes", "no")}, calibration={"stress": Calibration((2.0,))})
    got = scoring.scores(manifest, {"stress": np.array([[1.0, 0.0]])})
    assert got["stress"]["yes"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert sum(got["stress"].values()) == pytest.approx(1.0)


@given(st.lists(st.integers(1, 60), max_size=80), st.integers(60, 200))
def test_packing_keeps_order_and_limit(sizes: list[int], limit: int) -> None:
    groups = scoring.pack(sizes, limit)
    assert [i for a, b in groups for i in range(a, b)] == list(range(len(sizes)))
    assert all(a < b and sum(sizes[a:b]) <= limit for a, b in groups)
    if sizes:
        assert len(groups) <= 3 * -(-sum(sizes) // limit)


def test_packing_leaves_no_tiny_last_window() -> None:
    groups = scoring.pack([10] * 21, 100)
    assert min(sum([10] * (b - a)) for a, b in groups) >= 60


def test_an_oversized_piece_stands_alone() -> None:
    assert scoring.pack([5, 500, 5], 100) == [(0, 1), (1, 2), (2, 3)]
    assert scoring.pack([], 10) == []


@given(st.lists(st.integers(1, 90), max_size=30), st.integers(20, 62))
def test_windows_hold_every_token_once_and_never_too_many(lengths: list[int], room: int) -> None:
    starts: list[int] = []
    spans: list[tuple[int, int]] = []
    for length in lengths:
        begin = len(starts) * 2
        starts += [begin + 2 * i for i in range(length)]
        spans.append((begin, begin + 2 * length - 1))
    ranges = scoring.windows(starts, spans, room)
    assert [i for a, b in ranges for i in range(a, b)] == list(range(len(starts)))
    assert all(b - a <= room for a, b in ranges)
    if len(ranges) > 1 and all(length <= room for length in lengths):
        edges = {span[0] for span in spans}
        assert all(starts[a] in edges for a, _ in ranges), "a sentence that fits is never cut"


@given(st.integers(0, 500), st.integers(1, 200))
def test_merging_keeps_the_ends(count: int, most: int) -> None:
    spans = [(10 * i, 10 * i + 5) for i in range(count)]
    merged = scoring.merge(spans, most)
    assert len(merged) == min(count, most)
    assert {a for a, _ in merged} <= {a for a, _ in spans}
    if spans:
        assert merged[0][0] == 0
        assert merged[-1][1] == spans[-1][1]
        assert all(a[1] < b[0] for a, b in zip(merged, merged[1:], strict=False))
