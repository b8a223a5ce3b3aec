"""Draw a chart into pixels for a window, and remember where its days lie.

Made for a worker thread: the window asks, a thread draws, the window paints the picture. One
``ScreenChart`` keeps its figure and canvas for life, because a new canvas for each redraw grows
memory without end. One thread at a time may use an instance.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from journal_app.charts.catalog import Chart
from journal_app.charts.style import ChartStyle
from journal_app.journal.trends import Trend

DPI = 96.0
"""Dots per inch of an unscaled screen, so that 9 points are 12 pixels."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn chart: RGBA bytes, size in device pixels, and the days that it spans.

    ``left`` and ``right`` are the edges of the days' area as shares of the width; ``first`` is the
    ordinal of the first day and ``days`` their number.
    """

    rgba: bytes
    width: int
    height: int
    left: float
    right: float
    first: int
    days: int

    def date_at(self, share: float) -> str | None:
        """Return the ISO date under ``share`` of the width, or None beside the days' area."""
        if not self.left <= share <= self.right or self.right <= self.left:
            return None
        day = int((share - self.left) / (self.right - self.left) * self.days)
        return dt.date.fromordinal(self.first + min(day, self.days - 1)).isoformat()


class ScreenChart:
    """One chart with a figure of its own for life."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self._figure = Figure(dpi=DPI)
        self._canvas = FigureCanvasAgg(self._figure)

    def draw(self, trend: Trend, style: ChartStyle, width: int, height: int, ratio: float = 1.0) -> Drawn:
        """Draw ``trend`` at ``width`` x ``height`` logical pixels on a screen of ``ratio`` device pixels each."""
        figure = self._figure
        figure.set_dpi(DPI * ratio)
        figure.set_size_inches(max(width, 160) / DPI, max(height, 100) / DPI)
        self.chart.draw(figure, trend, style, self.chart.title(trend, style.translate))
        self._canvas.draw()
        columns, rows = self._canvas.get_width_height()
        place = figure.axes[0].get_position() if figure.axes and figure.axes[0].axison else None
        drawn = Drawn(
            rgba=bytes(self._canvas.buffer_rgba()),
            width=columns,
            height=rows,
            left=place.x0 if place else 0.0,
            right=place.x1 if place else 0.0,
            first=dt.date.fromisoformat(trend.start).toordinal(),
            days=len(trend.days),
        )
        figure.clear()
        return drawn
