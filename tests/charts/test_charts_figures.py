"""Charts: legible from one entry to ten years, open gaps, words and tables that say the same."""

from __future__ import annotations

import re
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from journal_app import palette
from journal_app.charts import figures, save, style, words
from journal_app.charts.catalog import CHARTS, Chart, chart, render_all
from journal_app.charts.screen import ScreenChart
from journal_app.charts.style import ChartStyle
from journal_app.journal import trends
from journal_app.journal.trends import Trend
from journal_app.journal.wording import untranslated
from tests.support.day_rows import analysis, life, row


def series(days: int, every: float = 0.5) -> Trend:
    rows = life(days, every=every)
    return trends.trend(rows, *trends.span("all", "2026-11-20", rows))


def drawn(item: Chart, trend: Trend, look: ChartStyle, size: tuple[float, float] = (5.0, 3.2)) -> Figure:
    figure = item.figure(trend, look, size)
    FigureCanvasAgg(figure).draw()
    return figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [
        label.get_text() for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())
    ]


@pytest.mark.parametrize("days", [1, 7, 30, 182, 3650])
@pytest.mark.parametrize("item", CHARTS, ids=lambda item: item.key)
def test_every_chart_draws_at_every_length(item: Chart, days: int) -> None:
    trend = series(days)
    figure = drawn(item, trend, ChartStyle.light())
    width = figure.axes[0].get_position().width if figure.axes[0].axison else 1.0
    assert width > 0.35, "the labels have eaten the chart"
    header, rows = item.table(trend, untranslated)
    assert all(len(cells) == len(header) for cells in rows)
    assert len(rows) <= 200
    assert item.describe(trend, untranslated)
    assert item.title(trend, untranslated)


@pytest.mark.parametrize("item", CHARTS, ids=lambda item: item.key)
def test_an_empty_period_says_so_in_words(item: Chart) -> None:
    figure = drawn(item, trends.trend([], "2026-11-01", "2026-11-07"), ChartStyle.dark())
    assert any(len(text) > 10 for text in texts(figure))


@pytest.mark.parametrize("item", CHARTS, ids=lambda item: item.key)
@pytest.mark.parametrize("make", [ChartStyle.light, ChartStyle.dark, ChartStyle.high_contrast])
def test_labels_do_not_overlap_at_twice_the_size(item: Chart, make: type[ChartStyle]) -> None:
    figure = drawn(item, series(30), make(scale=2.0), (10.0, 7.2))  # type: ignore[operator]
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for axes in figure.axes:
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            boxes = [label.get_window_extent(renderer) for label in labels if label.get_text() and label.get_visible()]
            for a, b in zip(boxes, boxes[1:], strict=False):
                assert not (a.overlaps(b) and a.width and b.width), f"labels of {item.key} overlap"


def test_no_line_is_drawn_across_days_without_a_mood() -> None:
    rows = [row(f"2026-11-{d:02d}", mood=3) for d in (1, 2, 5, 6)]
    trend = trends.trend(rows, "2026-11-01", "2026-11-07")
    figure = drawn(chart("mood"), trend, ChartStyle.light())
    gap = style.ordinal("2026-11-02"), style.ordinal("2026-11-05")
    accent = [line for line in figure.axes[0].lines if line.get_color() == palette.LIGHT.accent]
    assert accent
    for line in accent:
        xs = np.asarray(line.get_xdata(), dtype=float)
        assert not ((xs <= gap[0]).any() and (xs >= gap[1]).any())


def test_runs_break_at_gaps() -> None:
    trend = trends.trend([], "2026-11-01", "2026-11-05")
    parts = figures.runs(trend.days, [1.0, 2.0, None, 3.0, None])
    assert [ys for _, ys in parts] == [[1.0, 2.0], [3.0]]


def test_a_cell_without_data_is_masked_and_a_zero_is_not() -> None:
    rows = [row("2026-11-01", found=analysis("a", feelings={"joy": 0.9})), row("2026-11-03", found=analysis("b"))]
    trend = trends.trend(rows, "2026-11-01", "2026-11-04")
    figure = drawn(chart("days-and-feelings"), trend, ChartStyle.light())
    cells = figure.axes[0].collections[0].get_array()
    assert np.ma.getmaskarray(cells).tolist() == [[False, True, False, True]]


def test_estimates_are_hatched_and_own_words_are_not() -> None:
    trend = series(30)
    figure = drawn(chart("levels"), trend, ChartStyle.light())
    assert all(patch.get_hatch() for axes in figure.axes[:2] for patch in axes.patches)
    own = drawn(chart("mood"), trend, ChartStyle.light())
    assert not any(patch.get_hatch() for patch in own.axes[0].patches)


def test_at_most_six_series_the_rest_is_other() -> None:
    figure = drawn(chart("feelings"), series(182, 0.9), ChartStyle.light())
    names = [text.get_text() for text in figure.axes[0].texts if text.get_text().strip()]
    assert len(names) == figures.MAX_SERIES
    assert names[-1] == "other"


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK, palette.HIGH_CONTRAST])
def test_the_heat_map_keeps_its_order_in_grey(colours: palette.Palette) -> None:
    look = ChartStyle(colours, colours.card, style.families())
    shades = [np.dot(look.sequential()(i / 8)[:3], (0.2126, 0.7152, 0.0722)) for i in range(9)]
    steps = np.diff(shades)
    assert (steps > 0.01).all() or (steps < -0.01).all()


@pytest.mark.parametrize("item", CHARTS, ids=lambda item: item.key)
def test_svg_is_well_formed_named_and_says_nothing_of_the_computer(item: Chart) -> None:
    trend = series(30)
    data = item.render(trend, ChartStyle.paper(), "svg")
    root = ElementTree.fromstring(data)
    assert root.get("role") == "img"
    text = data.decode()
    assert item.title(trend, untranslated) in text
    assert not re.search(r"matplotlib|<metadata|dc:date|/home|/root|/work|/usr", text, re.I)
    assert data == item.render(trend, ChartStyle.paper(), "svg")
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(ids)


def test_png_has_no_text_chunks() -> None:
    data = chart("mood").render(series(7), ChartStyle.paper(), "png")
    assert data.startswith(b"\x89PNG")
    assert b"tEXt" not in data
    assert b"iTXt" not in data


def test_each_chart_is_drawn_under_its_name() -> None:
    drawn = dict(render_all(series(30), ChartStyle.light(), ("svg",)))
    assert list(drawn) == [f"{item.key}.svg" for item in CHARTS]
    assert all(data.startswith(b"<?xml") for data in drawn.values())


def test_a_click_finds_its_day_and_beside_the_days_there_is_none() -> None:
    trend = series(30)
    screen = ScreenChart(chart("mood"))
    picture = screen.draw(trend, ChartStyle.light(), 480, 260, 2.0)
    assert (picture.width, picture.height) == (960, 520)
    assert len(picture.rgba) == 960 * 520 * 4
    assert picture.date_at(picture.left) == trend.start
    assert picture.date_at(picture.right) == trend.end
    assert picture.date_at(picture.left - 0.01) is None
    middle = picture.left + (picture.right - picture.left) * (14.5 / 30)
    assert picture.date_at(middle) == trend.days[14].start


def test_a_figure_is_used_again_and_follows_the_new_series() -> None:
    screen = ScreenChart(chart("signs"))
    first = screen.draw(series(30), ChartStyle.light(), 400, 200)
    again = screen.draw(series(182), ChartStyle.light(), 400, 200)
    assert first.rgba != again.rgba
    assert again.days == 182
    assert screen.draw(series(30), ChartStyle.light(), 400, 200) == first


def test_korean_and_chinese_labels_have_glyphs() -> None:
    look = ChartStyle.light()
    if not any("CJK" in name or "Nanum" in name for name in look.fonts):
        pytest.skip("no font with Korean and Chinese on this computer")

    def translate(_context: str, _text: str) -> str:
        return "기분 心情"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(chart("mood"), series(7), ChartStyle.light(translate=translate))


def test_titles_never_reassure() -> None:
    rows = [row(f"2026-11-0{d}", found=analysis(str(d))) for d in range(1, 6)]
    trend = trends.trend(rows, "2026-11-01", "2026-11-07")
    assert words.levels_title(trend, untranslated) == "Stress and low-mood signs in your words"
    assert "many on" not in words.levels_title(trend, untranslated)


def test_saving_leaves_the_global_settings_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    save.pdf(chart("mood").figure(series(7), ChartStyle.paper()))
    chart("mood").render(series(7), ChartStyle.paper(), "svg")
    assert dict(mpl.rcParams) == before


def test_titles_say_what_the_mood_did() -> None:
    moods = [4] * 10 + [2] * 10 + [4] * 10
    rows = [row(f"2026-11-{d + 1:02d}", mood=m) for d, m in enumerate(moods)]
    title = chart("mood").title(trends.trend(rows, "2026-11-01", "2026-11-30"), untranslated)
    assert title == "Your mood: heaviest around 17 Nov, lighter since"
    falling = [row(f"2026-11-{d + 1:02d}", mood=5 - d // 6) for d in range(24)]
    title = chart("mood").title(trends.trend(falling, "2026-11-01", "2026-11-24"), untranslated)
    assert title == "Your mood: heavier in the second half"


def test_read_but_nothing_stood_out_is_not_a_gap() -> None:
    rows = [row("2026-11-01", found=analysis("a", feelings={"joy": 0.9})), row("2026-11-03", found=analysis("b"))]
    trend = trends.trend(rows, "2026-11-01", "2026-11-04")
    figure = drawn(chart("feelings"), trend, ChartStyle.light())
    bands = {}
    for patch in figure.axes[0].patches:
        day = round(patch.get_x() + patch.get_width() / 2)
        bands.setdefault(day, []).append(round(patch.get_height(), 2))
    assert bands == {style.ordinal("2026-11-01"): [0.9, 0.1], style.ordinal("2026-11-03"): [0.0, 1.0]}
    assert {"joy", "nothing clear"} <= {text.get_text() for text in figure.axes[0].texts}


def test_drawings_for_the_web_stay_small_and_keep_their_dots() -> None:
    text = chart("signs").render(series(182), ChartStyle.light(), "svg").decode()
    pattern = text[text.index("<pattern") : text.index("</pattern>")]
    assert len(text) < 100_000
    assert pattern.count("h.01") > 50
    assert "stroke-linecap: round" in pattern
    assert "C" not in pattern.split(' d="')[1].split('"')[0]
    assert not re.search(r"\d\.\d{3}", " ".join(re.findall(r' d="([^"]*)"', text)))
