"""Bands: where a score turns into a word, and that doubt never reads as "quiet"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal_app.contract import bands
from journal_app.contract.manifest import BandRule, Manifest

RULE = BandRule(some=0.3, many=0.6, unsure=0.05, min_words=5)


@pytest.mark.parametrize(
    ("score", "words", "expected"),
    [
        (0.0, 50, "quiet"),
        (0.299, 50, "quiet"),
        (0.3, 50, "some"),
        (0.54, 50, "some"),
        (0.56, 50, "unsure"),
        (0.6, 50, "unsure"),
        (0.64, 50, "unsure"),
        (0.66, 50, "many"),
        (1.0, 50, "many"),
        (0.9, 4, "unsure"),
        (0.9, 5, "many"),
        (None, 50, "unsure"),
    ],
)
def test_edges(score: float | None, words: int, expected: str) -> None:
    assert bands.band(RULE, score, words) == expected


def test_no_rule_is_unsure() -> None:
    assert bands.band(None, 0.0, 100) == "unsure"


def test_low_mood_is_the_mean_of_depression_and_expected_severity() -> None:
    tasks = {
        "depression": {"yes": 0.4, "no": 0.6},
        "severity": {"minimum": 0.1, "mild": 0.2, "moderate": 0.3, "severe": 0.4},
    }
    assert bands.low_mood_score(tasks) == pytest.approx((0.4 + (0.2 + 0.6 + 1.2) / 3) / 2)
    assert bands.low_mood_score({"depression": tasks["depression"]}) == 0.4
    assert bands.low_mood_score({"severity": tasks["severity"]}) == pytest.approx(2 / 3)
    assert bands.low_mood_score({}) is None
    assert bands.stress_score({}) is None


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_score_never_gets_a_lower_band(a: float, b: float) -> None:
    order = {"quiet": 0, "some": 1, "unsure": 2, "many": 3}
    low, high = sorted((a, b))
    assert order[bands.band(RULE, low, 50)] <= order[bands.band(RULE, high, 50)]


def test_bands_of_a_text() -> None:
    manifest = Manifest("m", "encoder", bands={"stress": RULE})
    got = bands.bands(manifest, {"stress": {"yes": 0.9, "no": 0.1}, "depression": {"yes": 0.9, "no": 0.1}}, 50)
    assert got == {"stress": "many", "low_mood": "unsure"}
