"""The charts that exist, each with its drawing, its words and its table; and how to draw them all.

The window, the command line and the exports go through ``CHARTS``, so that a chart, its text
alternative and its table can never drift apart. Nothing here writes files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.figure import Figure

from journal_app.charts import figures, save, words
from journal_app.charts.style import ChartStyle
from journal_app.charts.words import Table
from journal_app.journal import wording
from journal_app.journal.trends import Trend
from journal_app.journal.wording import Translate

Format = Literal["png", "svg"]
DEFAULT_SIZE = (7.2, 3.4)
"""Inches of a saved chart; it fits an A4 page and is about 1440 x 680 pixels as PNG."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        key: file name and id, letters and hyphens. estimated: made by the model, not the writer.
        height: inches at ``DEFAULT_SIZE``'s width.
        draw: fills a figure. title, describe: words. table: header and rows of what is drawn.
    """

    key: str
    estimated: bool
    height: float
    draw: Callable[[Figure, Trend, ChartStyle, str], None]
    title: Callable[[Trend, Translate], str]
    describe: Callable[[Trend, Translate], str]
    table: Callable[[Trend, Translate], Table]

    def figure(self, trend: Trend, style: ChartStyle, size: tuple[float, float] | None = None) -> Figure:
        """Return a new figure of this chart, ``size`` in inches."""
        figure = Figure(figsize=size or (DEFAULT_SIZE[0], self.height))
        self.draw(figure, trend, style, self.title(trend, style.translate))
        return figure

    def render(self, trend: Trend, style: ChartStyle, form: Format) -> bytes:
        """Return the chart as a file of ``form``, titled, without metadata."""
        figure = self.figure(trend, style.with_title())
        if form == "png":
            return save.png(figure)
        text = save.svg(
            figure,
            title=self.title(trend, style.translate),
            description=self.describe(trend, style.translate),
            key=self.key,
        )
        return f'<?xml version="1.0" encoding="utf-8"?>\n{text}'.encode()


def _mood_table(trend: Trend, translate: Translate) -> Table:
    return words.mood_table(trend, figures.fine_step(trend), figures.average_window(trend), translate)


def _mood_title(trend: Trend, translate: Translate) -> str:
    return words.mood_title(trend, figures.average_window(trend), translate)


def _feelings_table(trend: Trend, translate: Translate) -> Table:
    return words.feelings_table(trend.points(figures.coarse_step(trend)), translate)


def _levels_table(trend: Trend, translate: Translate) -> Table:
    return words.levels_table(trend.points(figures.coarse_step(trend)), translate)


def _heat_table(trend: Trend, translate: Translate) -> Table:
    return words.heat_table(trend.points(figures.heat_step(trend)), figures.HEAT_ROWS, translate)


def _signs_table(trend: Trend, translate: Translate) -> Table:
    return words.signs_table(trend, figures.fine_step(trend), translate)


CHARTS: tuple[Chart, ...] = (
    Chart("mood", False, 3.4, figures.mood, _mood_title, words.mood_describe, _mood_table),
    Chart("feelings", True, 3.4, figures.feelings, words.feelings_title, words.feelings_describe, _feelings_table),
    Chart("levels", True, 4.2, figures.levels, words.levels_title, words.levels_describe, _levels_table),
    Chart("days-and-feelings", True, 3.2, figures.heat, words.heat_title, words.heat_describe, _heat_table),
    Chart("signs", True, 2.2, figures.signs, words.signs_title, words.signs_describe, _signs_table),
)


def chart(key: str) -> Chart:
    """Return the chart named ``key``; raise KeyError for an unknown one."""
    for item in CHARTS:
        if item.key == key:
            return item
    raise KeyError(key)


def render_all(
    trend: Trend, style: ChartStyle, forms: Sequence[Format] = ("png", "svg")
) -> Iterator[tuple[str, bytes]]:
    """Yield every chart as a file's name (``KEY.png``, ``KEY.svg``) and bytes, drawn one at a time."""
    for item in CHARTS:
        for form in forms:
            yield f"{item.key}.{form}", item.render(trend, style, form)


def digest(trend: Trend, translate: Translate = wording.untranslated) -> str:
    """Return the digest as one paragraph."""
    return " ".join(wording.digest(trend, translate))
