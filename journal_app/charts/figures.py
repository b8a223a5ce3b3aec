"""Draw the charts: each function fills a given ``Figure`` from a ``Trend`` in a ``ChartStyle``.

A figure can be filled again and again, so that a canvas keeps its figure for life. Every x axis
counts days (``style.ordinal``), whatever the step, so that a click finds its day.

Reported and estimated are told apart by form, not only by place: own ratings are solid dots,
lines and diamonds; estimates are hatched blocks and tinted cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from journal_app.charts import style as look
from journal_app.charts.style import ChartStyle
from journal_app.contract.tasks import FEELINGS
from journal_app.journal import trends, wording
from journal_app.journal.trends import Point, Step, Trend

MAX_SERIES = 6
"""Bands of the feelings chart, "other" included."""

HEAT_ROWS = 8
MANY_BUCKETS = 60
"""Above this many buckets ranges, outlines and hatches of single marks are left out: they would blur."""

HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "")
LINED_CELLS = 70
"""Up to this many columns the cells of a map have lines between them."""

OTHER, UNCLEAR = -1, -2
TINTS = (0.0, 0.3, 0.6, 0.9)
"""How dark the lanes' blocks may become: what there is most of must not outshine what matters."""
LANES = ("unsure", *trends.LEVELS)


def fine_step(trend: Trend) -> Step:
    """Return the step of charts with one mark a bucket."""
    return trend.step(200, 160)


def coarse_step(trend: Trend) -> Step:
    """Return the step of charts whose buckets need some width."""
    return trend.step(45, 60)


def heat_step(trend: Trend) -> Step:
    """Return the step of the map of days and feelings: days for two months, then coarser."""
    return "day" if len(trend.days) <= 62 else coarse_step(trend)


def average_window(trend: Trend) -> int:
    """Return the days of the moving average: a week where that holds enough ratings, longer where it does not."""
    days = len(trend.days)
    per_day = sum(1 for p in trend.days if p.mood is not None) / days
    longest = 14 if days <= 45 else (28 if days <= 200 else 90)
    shortest = 7 if days <= 200 else (28 if days <= 800 else 90)
    fitting = (n for n in (7, 14, 28, 90) if shortest <= n <= longest and n * per_day >= trends.MIN_AVERAGE_DAYS + 1)
    return next(fitting, longest)


def runs(points: Sequence[Point], values: Sequence[float | None]) -> list[tuple[list[float], list[float]]]:
    """Return stretches of neighbouring buckets that have a value, as x and y; gaps stay open."""
    result: list[tuple[list[float], list[float]]] = []
    fresh = True
    for point, value in zip(points, values, strict=True):
        if value is None:
            fresh = True
            continue
        if fresh:
            result.append(([], []))
            fresh = False
        result[-1][0].append(look.centre(point))
        result[-1][1].append(value)
    return result


def mood(figure: Figure, trend: Trend, style: ChartStyle, title: str = "") -> None:
    """Draw the writer's own mood: a dot for each bucket, its range, and the moving average."""
    step = fine_step(trend)
    points = trend.points(step)
    if not any(p.mood_n for p in points):
        look.empty(figure, style, style.translate("charts", "No mood noted in these days."), title)
        return
    look.prepare(figure, style, title)
    axes, strip = figure.subplots(2, 1, sharex=True, height_ratios=[1, 0.13])
    colours = style.colours
    look.dress(axes, style)
    axes.set_ylim(0.6, 5.4)
    axes.set_yticks(range(1, 6), [wording.mood_word(i, style.translate) for i in range(1, 6)])
    axes.grid(axis="y", color=colours.line, linewidth=style.line(0.7))
    axes.axhline(3, color=colours.quiet_ink, linewidth=style.line(0.8), linestyle=(0, (2, 3)))
    crowded = len(points) > MANY_BUCKETS
    for point in () if crowded and step != "day" else points:
        if point.mood_low is not None and point.mood_high is not None and point.mood_low < point.mood_high:
            x = look.centre(point)
            axes.plot([x, x], [point.mood_low, point.mood_high], color=colours.accent, linewidth=style.line(0.9))
    for xs, ys in runs(points, [p.mood for p in points]):
        axes.plot(xs, ys, color=colours.accent, linewidth=style.line(0.5 if crowded else 1.1))
    known = [p for p in points if p.mood is not None]
    size = 14 if len(known) > 80 else 26
    axes.scatter(
        [look.centre(p) for p in known],
        [p.mood or 0 for p in known],
        s=size * style.scale**2,
        color=colours.accent,
        edgecolors=style.background,
        linewidths=style.line(0.6),
        zorder=3,
        clip_on=False,  # a dot on the first or last day is a whole dot
    )
    window = average_window(trend)
    stretches = runs(points, trends.moving_average(trend, step, window))
    for xs, ys in stretches:
        axes.plot(
            xs, ys, color=colours.ink, linewidth=style.line(2.2), solid_capstyle="round", zorder=4,
            marker="_" if len(xs) == 1 else None, markeredgewidth=style.line(2.2), markersize=7 * style.scale,
        )  # fmt: skip
    if stretches:
        text = style.translate("charts", "thick line: average of {n} days").format(n=window)
        _corner(axes, style, text)
    look.date_axis(axes, trend, style, labels=False)
    look.count_strip(strip, trend, points, [p.mood_n for p in points], style)
    axes.tick_params(labelbottom=False)


def feelings(figure: Figure, trend: Trend, style: ChartStyle, title: str = "") -> None:
    """Draw the shares of feelings read in the entries, the five largest and the rest, stacked."""
    points = trend.points(coarse_step(trend))
    names = trends.top_feelings(points, MAX_SERIES - 1)
    if not names:
        look.empty(figure, style, style.translate("charts", "No feelings read in these days."), title)
        return
    look.prepare(figure, style, title)
    axes, strip = figure.subplots(2, 1, sharex=True, height_ratios=[1, 0.13])
    look.dress(axes, style)
    shown = [p for p in points if p.shares is not None]
    xs = [look.centre(p) for p in shown]
    widths = [p.days for p in shown]
    matrix = np.array([[(p.shares or ())[FEELINGS.index(n)] for p in shown] for n in names])
    present = np.array([sum(p.shares or ()) for p in shown])
    # Colours: a feeling's own by its rank, grey for the others, almost nothing where nothing was clear.
    words = [wording.feeling_word(name, style.translate) for name in names]
    rows = list(zip(words, matrix, range(len(words)), strict=True))
    for values, word, kind in (
        (present - matrix.sum(axis=0), style.translate("charts", "other"), OTHER),
        (1 - present, style.translate("charts", "nothing clear"), UNCLEAR),
    ):
        if values.max() > 0.005:
            rows.append((word, np.clip(values, 0, 1), kind))
    bottom = np.zeros(len(shown))
    middles: list[tuple[float, int, str]] = []
    for word, values, kind in rows:
        colour, hatch = _band(style, kind)
        if len(points) > MANY_BUCKETS:
            # One hatched area per stretch: a bar per bucket would take seconds.
            for part in _stretches(points):
                at = [shown.index(p) for p in part]
                axes.fill_between(
                    [look.ordinal(p.start) - 0.5 for p in part] + [look.ordinal(part[-1].end) + 0.5],
                    [*bottom[at], bottom[at[-1]]], [*(bottom + values)[at], (bottom + values)[at[-1]]],
                    step="post", facecolor=colour, hatch=hatch, edgecolor=style.background, linewidth=0,
                )  # fmt: skip
        else:
            axes.bar(
                xs, values, width=widths, bottom=bottom, color=colour, hatch=hatch,
                edgecolor=style.background, linewidth=style.line(0.6),
            )  # fmt: skip
        middles.append((float(bottom[-1] + values[-1] / 2), kind, word))
        bottom = bottom + values
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    _stack_labels(axes, style, middles)
    look.date_axis(axes, trend, style, labels=False)
    look.count_strip(strip, trend, points, [p.read for p in points], style)
    axes.tick_params(labelbottom=False)


def _band(style: ChartStyle, kind: int) -> tuple[str, str]:
    """Return colour and hatch of a band: a series by its rank, or ``OTHER`` or ``UNCLEAR``."""
    if kind == UNCLEAR:
        return look.blend(style.background, style.colours.quiet_ink, 0.09), ""
    return (look.rest(style), "") if kind == OTHER else (style.colours.series[kind], HATCHES[kind])


def _stretches(points: Sequence[Point]) -> list[list[Point]]:
    """Return neighbouring buckets that have shares, stretch by stretch."""
    result: list[list[Point]] = [[]]
    for point in points:
        if point.shares is not None:
            result[-1].append(point)
        elif result[-1]:
            result.append([])
    return [part for part in result if part]


def _stack_labels(axes: Axes, style: ChartStyle, middles: list[tuple[float, int, str]]) -> None:
    """Write the names right of the stack, each with a square in its colour, pushed apart evenly."""
    least = 0.115
    places = [max(least / 2, y) for y, _, _ in middles]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + least)
    over = places[-1] - (1 - least / 2)
    if over > 0:
        places[-1] -= over
        for i in range(len(places) - 2, -1, -1):
            places[i] = min(places[i], places[i + 1] - least)
    for y, (_, i, label) in zip(places, middles, strict=True):
        colour, hatch = _band(style, i)
        axes.annotate(
            label, (1, y), xycoords="axes fraction", xytext=(18 * style.scale, 0), textcoords="offset points",
            va="center", ha="left", color=style.colours.ink, fontproperties=style.font(), annotation_clip=False,
        )  # fmt: skip
        axes.annotate(
            "   ", (1, y), xycoords="axes fraction", xytext=(6 * style.scale, 0), textcoords="offset points",
            va="center", ha="left", annotation_clip=False, fontproperties=style.font(0.7),
            bbox={
                "boxstyle": "square,pad=0.15", "facecolor": colour, "edgecolor": style.background,
                "hatch": hatch, "linewidth": 0.3,
            },
        )  # fmt: skip


def levels(figure: Figure, trend: Trend, style: ChartStyle, title: str = "") -> None:
    """Draw stress and low-mood signs in lanes: how many of the days read were quiet, some, many, not sure."""
    points = trend.points(coarse_step(trend))
    names = ("stress", "low_mood")
    if not any(p.signal(n).n or p.signal(n).own for p in points for n in names):
        look.empty(figure, style, style.translate("charts", "Nothing was read in these days."), title)
        return
    look.prepare(figure, style, title)
    top, bottom, strip = figure.subplots(3, 1, sharex=True, height_ratios=[1, 1, 0.2])
    for axes, name in zip((top, bottom), names, strict=True):
        _lanes(axes, trend, points, name, style)
        axes.tick_params(labelbottom=False)
    own = any(p.signal(n).own for p in points for n in names)
    if len(points) > MANY_BUCKETS:
        text = style.translate("charts", "tinted: estimate")
    else:
        text = style.translate("charts", "hatched: estimate")
    _corner(top, style, text + ("  \u00b7  \u25c6 " + style.translate("charts", "your own word") if own else ""))
    look.count_strip(strip, trend, points, [p.read for p in points], style)


def _lanes(axes: Axes, trend: Trend, points: Sequence[Point], name: str, style: ChartStyle) -> None:
    look.dress(axes, style)
    colours = style.colours
    crowded = len(points) > MANY_BUCKETS
    edges = (colours.quiet_ink, look.blend(style.background, colours.accent, 0.6), colours.accent, colours.accent)
    for lane in range(len(LANES) + 1):
        axes.axhline(lane - 0.5, color=colours.line, linewidth=style.line(0.7))
    axes.axhline(0.5, color=colours.quiet_ink, linewidth=style.line(0.8), linestyle=(0, (2, 3)))
    for lane, level in enumerate(LANES):
        blocks = [(p, p.signal(name).count(level)) for p in points if p.signal(name).count(level)]
        if not blocks:
            continue
        fills = []
        for point, count in blocks:
            signal = point.signal(name)
            share = count / (signal.days + signal.unsure)
            fills.append(look.blend(style.background, colours.accent, (0.3 + 0.7 * share) * TINTS[lane]))
        axes.bar(
            [look.centre(p) for p, _ in blocks], [0.76] * len(blocks), bottom=lane - 0.38,
            width=[look.bar_width(p, trend) for p, _ in blocks], color=fills,
            edgecolor=edges[lane], linewidth=style.line(0.3 if crowded else 0.8),
            hatch="" if crowded else ("////" if lane else ".."), zorder=2,
        )  # fmt: skip
    for point in points:
        for level in sorted(set(point.signal(name).own)):
            axes.plot(
                [look.centre(point)], [LANES.index(level)], marker="D", color=colours.ink,
                markeredgecolor=style.background, markersize=(3.5 if crowded else 6) * style.scale, zorder=4,
            )  # fmt: skip
    axes.set_ylim(-0.5, len(LANES) - 0.5)
    axes.set_yticks(range(len(LANES)), [wording.level_word(level, style.translate) for level in LANES])
    look.date_axis(axes, trend, style, labels=False)
    axes.set_title(
        wording.sign_word(name, style.translate), loc="left", fontproperties=style.font(1.0, bold=True),
        color=colours.ink, pad=4 * style.scale,
    )  # fmt: skip


def heat(figure: Figure, trend: Trend, style: ChartStyle, title: str = "") -> None:
    """Draw days (or weeks, months) by feelings: the stronger the colour, the stronger the estimate."""
    points = trend.points(heat_step(trend))
    names = trends.top_feelings(points, HEAT_ROWS)
    if not names:
        look.empty(figure, style, style.translate("charts", "No feelings read in these days."), title)
        return
    values = [[None if p.feelings is None else p.feelings[FEELINGS.index(n)] for p in points] for n in names]
    labels = [wording.feeling_word(name, style.translate) for name in names]
    ends = (style.translate("charts", "faint"), style.translate("charts", "strong"))
    look.prepare(figure, style, title)
    axes = figure.add_subplot()
    _cells(figure, axes, trend, points, values, labels, ends, style)


def signs(figure: Figure, trend: Trend, style: ChartStyle, title: str = "") -> None:
    """Draw the rolling map: on what share of the days there were signs; some days back, or per bucket."""
    step = fine_step(trend)
    found = trends.signs_map(trend, step)
    if not any(value is not None for row in found.share for value in row):
        text = style.translate("charts", "Two days of entries are needed before this map begins.")
        look.empty(figure, style, text, title)
        return
    labels = [wording.sign_word(name, style.translate) for name in found.signs]
    ends = (style.translate("charts", "no day"), style.translate("charts", "every day"))
    look.prepare(figure, style, title)
    axes = figure.add_subplot()
    _cells(figure, axes, trend, found.points, found.share, labels, ends, style)
    if len(found.points) <= 14:
        for row, (shares, counts) in enumerate(zip(found.share, found.n, strict=True)):
            for point, share, n in zip(found.points, shares, counts, strict=True):
                if share is None:
                    continue
                fill = to_hex(style.sequential()(share)[:3])  # the same scale as the cells'
                axes.text(
                    look.centre(point), row, f"{round(share * n)}/{n}", ha="center", va="center",
                    color=look.readable_on(fill, style), fontproperties=style.font(0.9),
                )  # fmt: skip


def _cells(
    figure: Figure,
    axes: Axes,
    trend: Trend,
    points: Sequence[Point],
    values: Sequence[Sequence[float | None]],
    labels: Sequence[str],
    ends: tuple[str, str],
    style: ChartStyle,
) -> None:
    """Fill ``axes`` with a row per label and a column per bucket; a cell without data shows dots."""
    look.dress(axes, style)
    axes.patch.set(facecolor=style.background, hatch="..", edgecolor=style.colours.line, linewidth=0)
    axes.patch.set_visible(True)
    edges = [look.ordinal(p.start) - 0.5 for p in points] + [look.ordinal(points[-1].end) + 0.5]
    grid = np.ma.masked_invalid(np.array([[np.nan if v is None else v for v in row] for row in values], dtype=float))
    if len(points) > LINED_CELLS:
        # Neighbours that look the same are one cell: fewer seams on paper, and a file of a third the size.
        cells = list(zip(*values, strict=True))
        first = [i for i, cell in enumerate(cells) if i == 0 or cell != cells[i - 1]]
        grid, edges = grid[:, first], [*(edges[i] for i in first), edges[-1]]
    mesh = axes.pcolormesh(
        edges, np.arange(len(labels) + 1) - 0.5, grid, cmap=style.sequential(), vmin=0, vmax=1,
        edgecolors=style.background if len(points) <= LINED_CELLS else "none", linewidth=style.line(1.0), snap=True,
    )  # fmt: skip
    for row in range(1, len(labels)):
        axes.axhline(row - 0.5, color=style.background, linewidth=style.line(1.6))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels)
    look.date_axis(axes, trend, style)
    bar = figure.colorbar(mesh, ax=axes, location="right", aspect=22, fraction=0.05, pad=0.015)
    # matplotlib would turn the scale into an image, which the exported page may not load.
    if bar.solids is not None:
        bar.solids.set(rasterized=False, edgecolor="face", linewidth=0.3)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_ticks([0.03, 0.97], labels=list(ends))
    bar.ax.tick_params(length=0, colors=style.colours.quiet_ink)
    look.fonts(bar.ax, style, 0.85)
    none = style.translate("charts", "dotted: no data")
    _corner(axes, style, none)


def _corner(axes: Axes, style: ChartStyle, text: str) -> None:
    """Write one quiet line above the right end of ``axes``: what the forms mean."""
    axes.set_title(
        text, loc="right", fontproperties=style.font(0.85), color=style.colours.quiet_ink, pad=4 * style.scale
    )
