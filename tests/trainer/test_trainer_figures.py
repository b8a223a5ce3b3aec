"""The plots: what they show is what they were given, in letters that can be read and colours that do not alarm."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from matplotlib import colors as mcolors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from trainer.describe import korean_font
from trainer.evaluation import figures

pytestmark = pytest.mark.torch

LABELS = ["joy", "love", "surprise", "anger", "fear", "sadness"]
KOREAN = ["기쁨", "사랑", "놀람", "분노", "두려움", "슬픔"]
METHODS = ("zero-shot", "few-shot", "fine-tuned")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is written, as matplotlib holds it; it is written all the same."""
    kept: list[Figure] = []
    save = figures._save

    def keep(figure: Figure, target: Path) -> None:
        save(figure, target)
        kept.append(figure)

    monkeypatch.setattr(figures, "_save", keep)
    return kept


def matrices(labels: int = 6) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.integers(0, 50, (labels, labels)) + 100 * np.eye(labels, dtype=int) for name in METHODS}


def inside(figure: Figure) -> bool:
    """Tell whether no title, label, tick or legend is cut off by the edge."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    box = figure.bbox
    for axes in figure.axes:
        found = axes.get_tightbbox(renderer)
        if found is None:
            continue
        if found.x0 < -1 or found.y0 < -1 or found.x1 > box.x1 + 1 or found.y1 > box.y1 + 1:
            return False
    return True


def test_six_matrices_hold_counts_above_and_shares_below(tmp_path: Path, drawn: list[Figure]) -> None:
    given = matrices()
    target = tmp_path / "sub" / "six.png"
    figures.confusion_grid(given, LABELS, target, "Where each method errs")
    with Image.open(target) as picture:
        assert round(picture.info["dpi"][0]) == 150
    (figure,) = drawn
    assert len(figure.axes) == 6
    for number, (name, matrix) in enumerate(given.items()):
        counts, shares = figure.axes[2 * number], figure.axes[2 * number + 1]
        assert [text.get_text() for text in counts.texts] == [f"{v:,}" for v in matrix.ravel()]
        wanted = matrix / matrix.sum(1, keepdims=True)
        assert [float(text.get_text()) for text in shares.texts] == pytest.approx(wanted.ravel(), abs=0.0051)
        assert name in counts.get_title()
        assert counts.get_xlabel() == "predicted"
        assert counts.get_ylabel() == "true"
    assert inside(figure)


def test_a_label_that_never_occurs_has_shares_of_zero_and_many_labels_no_numbers(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    empty = {"one": np.zeros((2, 2), dtype=int)}
    figures.confusion_grid(empty, ["yes", "no"], tmp_path / "empty.png", "Nothing")
    assert {text.get_text() for text in drawn[0].axes[1].texts} == {"0.00"}
    figures.confusion_grid(matrices(28), [f"feeling {i}" for i in range(28)], tmp_path / "many.png", "Many")
    assert not any(axes.texts for axes in drawn[1].axes)
    assert inside(drawn[1])


def test_bars_are_as_high_as_the_figures_and_what_is_not_known_has_none(tmp_path: Path, drawn: list[Figure]) -> None:
    nan = float("nan")
    values = {"one": {"accuracy": (0.7, 0.6, 0.8), "auroc": (nan, nan, nan)}, "two": {"accuracy": (3.5, nan, nan)}}
    values["two"]["auroc"] = (2.0, 1.0, 4.0)
    figures.method_bars(
        values, tmp_path / "bars.png", "A title that is rather longer than its two groups of bars", top=5
    )
    axes = drawn[0].axes[0]
    heights = [bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)]
    assert heights[0] == 0.7
    assert np.isnan(heights[1])
    assert heights[2:] == [3.5, 2.0]
    assert axes.get_ylim() == (0, 5)
    whiskers = [
        line for found in axes.collections if isinstance(found, LineCollection) for line in found.get_segments()
    ]
    ends = [(line[0][1], line[-1][1]) for line in whiskers if len(line) and np.isfinite(line).all()]
    assert ends == [pytest.approx((0.6, 0.8)), pytest.approx((1.0, 4.0))]
    assert inside(drawn[0])


def test_lines_of_risk_are_never_red_and_differ_without_colour(tmp_path: Path, drawn: list[Figure]) -> None:
    days = np.arange(-30, 1)
    series = {name: np.linspace(0, 1, 31) for name in ("map", "stress", "depression", "suicidality")}
    figures.risk_trend(days, series, tmp_path / "trend.png", "Trend")
    lines = drawn[0].axes[0].lines
    assert [line.get_label() for line in lines] == list(series)
    assert len({line.get_linestyle() for line in lines}) == 4
    assert len({line.get_color() for line in lines}) == 4
    for line in lines:
        hue, strength, _ = mcolors.rgb_to_hsv(mcolors.to_rgb(line.get_color()))
        assert not (strength > 0.6 and (hue < 0.09 or hue > 0.95)), line.get_color()
    assert inside(drawn[0])


def test_heat_and_combined_page_hold_every_label_and_part(tmp_path: Path, drawn: list[Figure]) -> None:
    days = np.arange(-20, 1)
    shares = np.random.default_rng(1).dirichlet(np.ones(6), 21).T
    figures.rolling_heat(days, LABELS, shares, tmp_path / "heat.png", "Heat")
    axes = drawn[0].axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == LABELS
    assert np.array_equal(np.asarray(axes.images[0].get_array()), shares)
    bars = {"one": {"accuracy": (0.5, 0.4, 0.6)}}
    parts = [
        figures.as_part("bars", bars, "Bars"),
        figures.as_part("trend", days, {"map": shares[0]}, "Trend"),
        figures.as_part("heat", days, LABELS, shares, "Heat"),
        *(figures.as_part("matrix", m, LABELS, name) for name, m in matrices().items()),
    ]
    figures.combined(parts, tmp_path / "all.png", "All")
    titles = {axes.get_title() for axes in drawn[1].axes}
    assert {"Bars", "Trend", "Heat", *METHODS} <= titles
    assert inside(drawn[1])


def test_korean_labels_are_drawn_with_letters_or_spelt(
    tmp_path: Path, drawn: list[Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        # A letter that no font has is a warning of matplotlib and an empty box in the picture.
        warnings.simplefilter("error")
        if korean_font():
            figures.confusion_grid(matrices(), KOREAN, tmp_path / "ko.png", "감정")
            assert [t.get_text() for t in drawn[-1].axes[0].get_yticklabels()] == KOREAN
        monkeypatch.setattr(figures, "_families", lambda: ["DejaVu Sans"])
        figures.confusion_grid(matrices(), KOREAN, tmp_path / "plain.png", "감정")
        figures.combined(
            [figures.as_part("matrix", matrices()["few-shot"], KOREAN, "한국어")], tmp_path / "c.png", "표"
        )
    spelt = [t.get_text() for t in drawn[-2].axes[0].get_yticklabels()]
    assert spelt[:4] == ["gippeum", "sarang", "nolram", "bunno"]
    assert drawn[-1].axes[0].get_title() == "hangukeo"


def test_romanised_letters_are_those_of_the_tables() -> None:
    assert figures.romanised("한글") == "hangeul"
    assert figures.romanised("닭 abc") == "dak abc"
    assert figures.romanised("plain") == "plain"


def test_reliability_and_curves_are_drawn_from_their_points(tmp_path: Path, drawn: list[Figure]) -> None:
    bins = {name: [(0.55, 0.5, 10), (0.8, 0.9, 30)] for name in ("isear", "stress", "depression", "emotion")}
    figures.reliability(bins, tmp_path / "rel.png")
    assert [axes.get_title() for axes in drawn[0].axes] == list(bins)
    assert drawn[0].axes[0].lines[1].get_xydata() == pytest.approx(np.array([[0.55, 0.5], [0.8, 0.9]]))
    x = np.linspace(0, 1, 5)
    figures.curves({"ours": (x, x**0.5)}, tmp_path / "roc.png", "ROC", ("false-positive rate", "true-positive rate"))
    axes = drawn[1].axes[0]
    assert axes.get_xlabel() == "false-positive rate"
    assert axes.lines[0].get_ydata() == pytest.approx(x**0.5)
    assert inside(drawn[1])
