"""The plots of studies and reports: bars, confusion matrices, courses over time, curves; PNG files at 150 dpi.

Colours are the app's; they never mean good or bad, and no bar or line is red. Nothing here holds a text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from journal_app.palette import LIGHT
from trainer.describe import DPI, korean_font

Interval = tuple[float, float, float]
"""A figure with the ends of its 95 % interval; NaN ends where there is none."""
_SHADES = LinearSegmentedColormap.from_list("quiet", [LIGHT.card, "#BFD3C8", LIGHT.accent, "#1E3A2E"])
_HATCHES = ("", "//", "..", "xx", "\\\\", "++")
_CALM = tuple(colour for colour in LIGHT.series if colour != "#D55E00")
"""Colours of lines about risk: the orange-red of the series would read as an alarm."""
_NUMBERS = 12
"""Most labels whose confusion matrix has its numbers written in."""
_SYLLABLE = re.compile(r"[가-힣]")
_FIRST = "g kk n d tt r m b pp s ss _ j jj ch k t p h".split()  # noqa: SIM905
_VOWEL = "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i".split()  # noqa: SIM905
_LAST = "_ k k k n n n t l k m l l l p l m p p t t ng t t k t p t".split()  # noqa: SIM905

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _lettered(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let all that ``draw`` writes, ticks included, be in fonts that have its letters; without any, Hangul is spelt."""

    @wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with plt.rc_context({"font.family": _families()}):
            return draw(*map(_spelt, args), **{k: _spelt(v) for k, v in kwargs.items()})  # type: ignore[arg-type]

    return drawn


def romanised(text: str) -> str:
    """Return ``text`` with each Hangul syllable in Latin letters, after the tables of the Revised Romanisation (2000).

    Syllable by syllable, without the sound changes between them: readable where no Korean font is.
    """

    def spelt(match: re.Match[str]) -> str:
        first, rest = divmod(ord(match.group()) - 0xAC00, 21 * 28)
        vowel, last = divmod(rest, 28)
        return (_FIRST[first] + _VOWEL[vowel] + _LAST[last]).replace("_", "")

    return _SYLLABLE.sub(spelt, text)


def _spelt(value: Any) -> Any:
    if len(_families()) > 1:
        return value
    if isinstance(value, str):
        return romanised(value)
    if isinstance(value, Mapping):
        return {_spelt(name): _spelt(item) for name, item in value.items()}
    return type(value)(map(_spelt, value)) if type(value) in (list, tuple) else value


@_lettered
def method_bars(values: Mapping[str, Mapping[str, Interval]], target: Path, title: str, *, top: float = 1.0) -> None:
    """Draw metric by metric one bar a method, with its interval; ``values``: method -> metric -> figure, 0 to ``top``.

    A figure that is not known (NaN) has no bar, one without an interval no whiskers.
    """
    count = len(next(iter(values.values())))
    figure = _sheet(max(1.4 + count * max(1.7, 0.42 * len(values)), 1.5 + 0.085 * len(title), 1.8 * len(values)), 4.2)
    _bars(figure.add_subplot(), values, title, top)
    _save(figure, target)


@_lettered
def confusion_grid(matrices: Mapping[str, np.ndarray], labels: Sequence[str], target: Path, title: str) -> None:
    """Draw six confusion matrices: three methods, above in counts, below in shares of the true label."""
    side = max(4.3, 0.24 * len(labels) + 1.6)
    figure = _sheet(side * len(matrices), 2 * (side - 0.2))
    figure.suptitle(title)
    for column, (name, matrix) in enumerate(matrices.items()):
        _matrix(figure.add_subplot(2, len(matrices), column + 1), matrix, labels, f"{name}: texts", shares=False)
        axes = figure.add_subplot(2, len(matrices), len(matrices) + column + 1)
        _matrix(axes, matrix, labels, f"{name}: share of the true label", shares=True)
    _save(figure, target)


@_lettered
def risk_trend(
    days: Sequence[float] | np.ndarray, series: Mapping[str, Sequence[float] | np.ndarray], target: Path, title: str
) -> None:
    """Draw shares of high-risk texts over time, one line a reading of risk; ``days`` on the horizontal axis."""
    figure = _sheet(8.0, 3.8)
    _trend(figure.add_subplot(), days, series, title)
    _save(figure, target)


@_lettered
def rolling_heat(
    days: Sequence[float] | np.ndarray, labels: Sequence[str], shares: np.ndarray, target: Path, title: str
) -> None:
    """Draw shares [labels, days] of emotions in a rolling window as a heat map."""
    figure = _sheet(8.4, 0.9 + 0.42 * len(labels))
    _heat(figure, figure.add_subplot(), days, labels, shares, title)
    _save(figure, target)


@_lettered
def combined(parts: Sequence[Callable[[Figure, SubplotSpec], None]], target: Path, title: str) -> None:
    """Draw ``parts`` on one page, two a row; each gets the figure and its place, see :func:`as_part`."""
    rows = -(-len(parts) // 2)
    figure = _sheet(14.0, 4.4 * rows)
    figure.suptitle(title, fontsize=15)
    grid = figure.add_gridspec(rows, 2)
    for number, part in enumerate(parts):
        part(figure, grid[number // 2, number % 2])
    _save(figure, target)


def as_part(kind: str, *values: Any) -> Callable[[Figure, SubplotSpec], None]:
    """Return one part of a combined page: ``bars``, ``trend``, ``heat`` or ``matrix`` with its values and title."""

    values = tuple(map(_spelt, values))

    def draw(figure: Figure, place: SubplotSpec) -> None:
        axes = figure.add_subplot(place)
        if kind == "bars":
            _bars(axes, *values)
        elif kind == "trend":
            _trend(axes, *values)
        elif kind == "heat":
            _heat(figure, axes, *values)
        else:
            _matrix(axes, *values, shares=True)

    return draw


@_lettered
def reliability(bins: Mapping[str, Sequence[Sequence[float]]], target: Path) -> None:
    """Draw reliability diagrams; ``bins``: task -> (mean confidence, accuracy, texts) of each bin."""
    columns = min(3, len(bins))
    rows = -(-len(bins) // columns)
    figure = _sheet(3.9 * columns, 3.9 * rows)
    for number, (task, found) in enumerate(bins.items(), 1):
        axes = figure.add_subplot(rows, columns, number)
        sure, right, count = (np.asarray(values, dtype=float) for values in zip(*found, strict=True))
        axes.plot([0, 1], [0, 1], color=LIGHT.quiet_ink, linestyle="--", linewidth=1)
        axes.plot(sure, right, color=LIGHT.accent, linewidth=1.5)
        axes.scatter(sure, right, s=20 + 60 * count / count.max(), color=LIGHT.accent, zorder=3)
        axes.set(
            xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share that is right", title=task, aspect="equal"
        )
        _plain(axes)
    _save(figure, target)


@_lettered
def curves(
    points: Mapping[str, tuple[np.ndarray, np.ndarray]], target: Path, title: str, axes_names: tuple[str, str]
) -> None:
    """Draw lines over 0..1 on both axes, e.g. ROC (false-positive, true-positive rate) or precision over recall."""
    figure = _sheet(5.2, 4.8)
    axes = figure.add_subplot()
    for number, (name, (x, y)) in enumerate(points.items()):
        axes.plot(x, y, label=name, color=_colour(number), linestyle=("-", "--", "-.", ":")[number % 4])
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=axes_names[0], ylabel=axes_names[1], title=title)
    axes.legend(frameon=False)
    _plain(axes)
    _save(figure, target)


@_lettered
def loss_curve(path: Path, target: Path) -> bool:
    """Draw training and evaluation loss and the learning rate of a ``curve-*.jsonl``; return whether there was any."""
    points = []
    for line in path.read_text("utf-8").splitlines():
        try:
            points.append(json.loads(line))
        except ValueError:
            continue  # the line that a kill tore
    train = [(p["step"], p["loss"]) for p in points if p.get("loss") is not None]
    if not train:
        return False
    figure = _sheet(7.4, 3.8)
    axes = figure.add_subplot()
    axes.plot(*zip(*train, strict=True), color=LIGHT.accent, linewidth=1.4, label="training")
    held = [(p["step"], p["eval_loss"]) for p in points if p.get("eval_loss") is not None]
    if held:
        axes.plot(*zip(*held, strict=True), color=LIGHT.series[1], marker="o", linestyle="--", label="valid")
    axes.set(xlabel="step", ylabel="loss, nats", title=path.stem.removeprefix("curve-"))
    rates = [(p["step"], p["lr"]) for p in points if p.get("lr") is not None]
    if rates:
        other = axes.twinx()
        other.plot(
            *zip(*rates, strict=True), color=LIGHT.quiet_ink, linestyle=":", linewidth=1.2, label="learning rate"
        )
        other.set_ylabel("learning rate")
        other.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        other.spines["top"].set_visible(False)
        lines, names = axes.get_legend_handles_labels()
        more, others = other.get_legend_handles_labels()
        axes.legend([*lines, *more], [*names, *others], frameon=False)
    else:
        axes.legend(frameon=False)
    _plain(axes)
    _save(figure, target)
    return True


def _bars(axes: Axes, values: Mapping[str, Mapping[str, Interval]], title: str, top: float = 1.0) -> None:
    metrics = list(next(iter(values.values())))
    width = 0.8 / len(values)
    for number, (method, found) in enumerate(values.items()):
        x = np.arange(len(metrics)) + (number - (len(values) - 1) / 2) * width
        height = np.array([found[m][0] for m in metrics], dtype=float)
        ends = np.array([found[m][1:] for m in metrics], dtype=float)
        axes.bar(
            x,
            height,
            width * 0.92,
            yerr=np.abs(ends.T - height),
            label=method,
            color=_colour(number),
            hatch=_HATCHES[number % len(_HATCHES)],
            edgecolor=LIGHT.card,
            error_kw={"elinewidth": 1, "ecolor": LIGHT.ink, "capsize": 3},
        )
    axes.set_xticks(np.arange(len(metrics)), [m.replace("_", " ") for m in metrics])
    axes.set(ylim=(0, top), ylabel=f"0 to {top:g}, higher is better", title=title)
    axes.legend(frameon=False, ncols=len(values), loc="upper center", bbox_to_anchor=(0.5, -0.12))
    _plain(axes)


def _matrix(axes: Axes, matrix: np.ndarray, labels: Sequence[str], title: str, *, shares: bool) -> None:
    values = matrix / np.maximum(matrix.sum(1, keepdims=True), 1) if shares else matrix
    top = 1.0 if shares else max(1, int(matrix.max()))
    axes.imshow(values, cmap=_SHADES, vmin=0, vmax=top, aspect="auto")
    # More numbers than that run into each other; the shades still tell.
    for row in range(len(labels) if len(labels) <= _NUMBERS else 0):
        for column in range(len(labels)):
            dark = values[row, column] > 0.55 * top
            text = f"{values[row, column]:.2f}" if shares else f"{matrix[row, column]:,}"
            colour = LIGHT.card if dark else LIGHT.ink
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8 if len(labels) < 8 else 6)
    size = 8 if len(labels) <= _NUMBERS else 6
    few = len(labels) <= _NUMBERS
    axes.set_xticks(
        range(len(labels)), labels, fontsize=size, rotation=45 if few else 90, ha="right" if few else "center"
    )
    axes.set_yticks(range(len(labels)), labels, fontsize=size)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    axes.title.set_fontsize(10)


def _trend(
    axes: Axes, days: Sequence[float] | np.ndarray, series: Mapping[str, Sequence[float] | np.ndarray], title: str
) -> None:
    for number, (name, values) in enumerate(series.items()):
        style = ("-", "--", "-.", ":")[number % 4]
        axes.plot(days, values, label=name, color=_CALM[number % len(_CALM)], linestyle=style, linewidth=1.8)
    axes.set(ylim=(0, 1.02), xlabel="day (0: today)", ylabel="share read as high risk", title=title)
    axes.legend(frameon=False, ncols=min(3, len(series)), loc="upper center", bbox_to_anchor=(0.5, -0.16))
    _plain(axes)


def _heat(
    figure: Figure,
    axes: Axes,
    days: Sequence[float] | np.ndarray,
    labels: Sequence[str],
    shares: np.ndarray,
    title: str,
) -> None:
    extent = (float(days[0]), float(days[-1]), len(labels) - 0.5, -0.5)
    image = axes.imshow(shares, cmap=_SHADES, vmin=0, aspect="auto", extent=extent, interpolation="nearest")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="day (0: today)", ylabel="label", title=title)
    figure.colorbar(image, ax=axes, label="share of texts", pad=0.02)


def _colour(number: int) -> str:
    return LIGHT.series[number % len(LIGHT.series)]


def _sheet(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), facecolor=LIGHT.card, layout="constrained")


@lru_cache(maxsize=1)
def _families() -> list[str]:
    korean = korean_font()
    return ["DejaVu Sans", korean] if korean else ["DejaVu Sans"]


def _plain(axes: Axes) -> None:
    axes.spines["top"].set_visible(False)
    axes.spines["right"].set_visible(False)
    axes.grid(axis="y", color=LIGHT.line, linewidth=0.6)
    axes.set_axisbelow(True)


def _save(figure: Figure, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=DPI, facecolor=LIGHT.card)
