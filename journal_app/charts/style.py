"""How every chart looks: colours, fonts, sizes, and the small parts that charts share.

Colours come from the palette; fonts are the interface's, with Korean and Chinese behind them when
the computer has such a font. Nothing here touches matplotlib's global settings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from matplotlib import font_manager, ft2font
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

from journal_app import palette
from journal_app.journal import trends, wording
from journal_app.journal.trends import Point
from journal_app.journal.wording import Translate

LAST_RESORT = "Droid Sans Fallback"
FALLBACK_FAMILIES: tuple[str, ...] = (
    "DejaVu Sans",
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "NanumGothic",
    "Noto Sans CJK TC",
    "Noto Sans TC",
    "PingFang TC",
    "Microsoft JhengHei",
    "Noto Sans CJK JP",
    LAST_RESORT,
)
"""Tried in order after the interface's own family; the ones that are not installed are left out."""

BASE_POINTS = 9.0
MAX_DATE_LABELS = 7
SHADES = 24
"""Steps of a colour scale: more than an eye tells apart, few enough to stay a vector in files."""


def families(preferred: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the installed families among ``preferred`` and the fallbacks, best first."""
    installed = set(font_manager.get_font_names())
    wanted = dict.fromkeys([*preferred, *FALLBACK_FAMILIES])
    found = [name for name in wanted if name in installed]
    if len(found) > 2 and found[-1] == LAST_RESORT:
        # It has one weight only, and matplotlib says so on every bold title.
        found.pop()
    return tuple(found) or ("DejaVu Sans",)


@dataclass(frozen=True, slots=True)
class ChartStyle:
    """What a chart needs to know of the place where it is shown.

    Attributes:
        colours: the theme. background: behind the chart (the card on screen, white on paper).
        fonts: families, first one first. scale: factor on every text and line, 1.0 to 2.0.
        titled: write the title inside the figure (exports); on screen the card has it.
        translate: turns the few words in a chart into the interface's language.
    """

    colours: palette.Palette
    background: str
    fonts: tuple[str, ...]
    scale: float = 1.0
    titled: bool = False
    translate: Translate = wording.untranslated

    @classmethod
    def light(
        cls, *, scale: float = 1.0, fonts: Sequence[str] = (), translate: Translate = wording.untranslated
    ) -> ChartStyle:
        """Return the style of the light theme."""
        return cls(palette.LIGHT, palette.LIGHT.card, families(fonts), scale, translate=translate)

    @classmethod
    def dark(
        cls, *, scale: float = 1.0, fonts: Sequence[str] = (), translate: Translate = wording.untranslated
    ) -> ChartStyle:
        """Return the style of the dark theme."""
        return cls(palette.DARK, palette.DARK.card, families(fonts), scale, translate=translate)

    @classmethod
    def high_contrast(
        cls, *, scale: float = 1.0, fonts: Sequence[str] = (), translate: Translate = wording.untranslated
    ) -> ChartStyle:
        """Return the style of the high-contrast theme."""
        return cls(palette.HIGH_CONTRAST, palette.HIGH_CONTRAST.card, families(fonts), scale, translate=translate)

    @classmethod
    def paper(cls, *, scale: float = 1.0, translate: Translate = wording.untranslated) -> ChartStyle:
        """Return the style for files: light colours on white, the same fonts on every computer."""
        return cls(palette.LIGHT, "#FFFFFF", families(), scale, translate=translate)

    def with_title(self) -> ChartStyle:
        """Return this style with titles inside the figures."""
        return replace(self, titled=True)

    def font(self, size: float = 1.0, *, bold: bool = False) -> FontProperties:
        """Return the font at ``size`` times the base size."""
        return FontProperties(
            family=list(self.fonts), size=BASE_POINTS * self.scale * size, weight="bold" if bold else "normal"
        )

    def line(self, width: float) -> float:
        """Return a line width in points, scaled."""
        return width * self.scale

    def sequential(self) -> LinearSegmentedColormap:
        """Return the map from background to accent; its steps keep their order in grey."""
        start = blend(self.background, self.colours.accent, 0.06)
        return LinearSegmentedColormap.from_list("page-accent", [start, self.colours.accent], N=SHADES)


def blend(under: str, over: str, share: float) -> str:
    """Return ``over`` at opacity ``share`` on ``under`` as ``#RRGGBB`` (no transparency in files)."""
    pairs = [(int(under[i : i + 2], 16), int(over[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in pairs)


def rest(style: ChartStyle) -> str:
    """Return the colour of "other": quieter than any series in every theme."""
    return blend(style.background, style.colours.quiet_ink, 0.25)


def readable_on(colour: str, style: ChartStyle) -> str:
    """Return ink or background, whichever stands out more from ``colour`` (WCAG relative luminance)."""
    options = (style.colours.ink, style.background)
    return max(options, key=lambda option: _contrast(option, colour))


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def ordinal(date: str) -> int:
    """Return the x position of a date: days since year one."""
    return dt.date.fromisoformat(date).toordinal()


def centre(point: Point) -> float:
    """Return the middle of a bucket on the x axis."""
    return (ordinal(point.start) + ordinal(point.end)) / 2


def prepare(figure: Figure, style: ChartStyle, title: str = "") -> None:
    """Empty ``figure`` and give it the style's background, layout and, in exports, its title."""
    figure.clear()
    figure.set_facecolor(style.background)
    figure.set_layout_engine("constrained", w_pad=0.06 * style.scale, h_pad=0.05 * style.scale)
    if style.titled and title:
        figure.suptitle(title, fontproperties=style.font(1.25, bold=True), color=style.colours.ink, x=0.02, ha="left")


def dress(axes: Axes, style: ChartStyle) -> None:
    """Give ``axes`` quiet hair lines, tick labels in quiet ink and no box."""
    axes.set_facecolor(style.background)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0, colors=style.colours.quiet_ink, pad=4 * style.scale)
    axes.set_axisbelow(True)
    fonts(axes, style)


def fonts(axes: Axes, style: ChartStyle, size: float = 1.0) -> None:
    """Set the font of the tick labels that exist now."""
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontproperties(style.font(size))
        label.set_color(style.colours.quiet_ink)


def date_axis(axes: Axes, trend: trends.Trend, style: ChartStyle, *, labels: bool = True) -> None:
    """Show the period's days on x, with few labels at beginnings of days, weeks, months or years."""
    first, last = ordinal(trend.start), ordinal(trend.end)
    axes.set_xlim(first - 0.5, last + 0.5)
    ticks = _date_ticks(dt.date.fromisoformat(trend.start), dt.date.fromisoformat(trend.end), style)
    axes.set_xticks([x for x, _ in ticks], [text if labels else "" for _, text in ticks])
    fonts(axes, style)
    # A label centred on a tick at the very edge would be cut or would push the plot in.
    texts: list[Text] = list(axes.get_xticklabels())
    if len(texts) > 1 and last - first > 14:
        reach = (last - first + 1) * 0.06
        for (x, _), label in zip(ticks, texts, strict=True):
            if x - first < reach:
                label.set_horizontalalignment("left")
            elif last - x < reach:
                label.set_horizontalalignment("right")


def _date_ticks(first: dt.date, last: dt.date, style: ChartStyle) -> list[tuple[int, str]]:
    days = [first + dt.timedelta(days=i) for i in range((last - first).days + 1)]
    one_year = first.year == last.year

    def short(day: dt.date) -> str:
        return wording.short_date(day.isoformat(), style.translate)

    def month(day: dt.date) -> str:
        name = wording.month_word(day.month, style.translate)
        return name if one_year or day.month != 1 else f"{name} {day.year}"

    def year(day: dt.date) -> str:
        return str(day.year)

    if len(days) <= 10:
        # The month once is enough: seven full dates would run into each other at large sizes.
        return [(day.toordinal(), short(day) if i == 0 or day.day == 1 else str(day.day)) for i, day in enumerate(days)]
    choices: list[tuple[Callable[[dt.date], bool], Callable[[dt.date], str]]] = [
        (lambda day: True, short),
        (lambda day: day.weekday() == 0, short),
        (lambda day: day.day == 1, month),
        (lambda day: day.day == 1 and day.month % 3 == 1, month),
        (lambda day: day.day == 1 and day.month == 1, year),
        (lambda day: day.day == 1 and day.month == 1 and day.year % 2 == 0, year),
        (lambda day: day.day == 1 and day.month == 1 and day.year % 5 == 0, year),
    ]
    for wanted, name in choices:
        found = [day for day in days if wanted(day)]
        if len(found) <= MAX_DATE_LABELS:
            if len(found) < 2:
                found = [first, last]
                name = (
                    short if one_year else (lambda day: wording.short_date(day.isoformat(), style.translate, year=True))
                )
            return [(day.toordinal(), name(day)) for day in found]
    return [(day.toordinal(), year(day)) for day in (first, last)]


def count_strip(
    axes: Axes, trend: trends.Trend, points: Sequence[Point], counts: Sequence[int], style: ChartStyle
) -> None:
    """Draw how many entries stand behind each bucket: numbers when there is room, else small bars."""
    dress(axes, style)
    date_axis(axes, trend, style)
    top = max(counts, default=0)
    axes.set_ylim(0, 1.25)
    axes.set_yticks([0.5], [style.translate("charts", "entries")])
    fonts(axes, style, 0.85)
    for label in axes.get_xticklabels():
        label.set_fontproperties(style.font())
    if len(points) <= 16:
        for point, n in zip(points, counts, strict=True):
            axes.text(
                centre(point), 0.5, str(n) if n else "\u2013",
                ha="center", va="center", color=style.colours.quiet_ink, fontproperties=style.font(0.9),
            )  # fmt: skip
        return
    shown = [(p, n) for p, n in zip(points, counts, strict=True) if n]
    axes.bar(
        [centre(p) for p, _ in shown], [n / top for _, n in shown], width=[bar_width(p, trend) for p, _ in shown],
        color=style.colours.quiet_ink, linewidth=0,
    )  # fmt: skip
    axes.text(
        1.0, 1.0, style.translate("charts", "most: {n}").format(n=top), transform=axes.transAxes,
        ha="right", va="bottom", color=style.colours.quiet_ink, fontproperties=style.font(0.8),
    )  # fmt: skip


def bar_width(point: Point, trend: trends.Trend) -> float:
    """Return the drawn width of a bucket in days: its length, but never too thin to see."""
    return max(point.days * 0.9, len(trend.days) / 140)


def empty(figure: Figure, style: ChartStyle, text: str, title: str = "") -> None:
    """Show one quiet sentence in place of a chart."""
    prepare(figure, style, title)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", wrap=True,
        color=style.colours.quiet_ink, fontproperties=style.font(1.1),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class FontFile:
    """A font on this computer: its family, file and the face's number inside a collection."""

    family: str
    path: str
    index: int = 0


def font_file(family: str, *, bold: bool = False, italic: bool = False) -> FontFile | None:
    """Return the file of an installed family in the wanted cut, or None."""
    for entry in font_manager.fontManager.ttflist:
        upright = entry.style == "normal"
        heavy = entry.weight in ("bold", 700)
        plain = entry.weight in ("normal", "regular", "book", 400)
        if entry.name == family and upright != italic and (heavy if bold else plain) and entry.stretch == "normal":
            return FontFile(family, entry.fname, entry.index)
    return None


class FontMetrics:
    """How wide the characters of one font are; quick even for fonts with sixty thousand of them."""

    def __init__(self, file: FontFile) -> None:
        self._font = ft2font.FT2Font(file.path, face_index=file.index)
        self._advances: dict[str, float | None] = {}

    def advance(self, char: str) -> float | None:
        """Return the width of ``char`` in units of the font's size, or None if it has no such character."""
        if char not in self._advances:
            known = self._font.get_char_index(ord(char)) != 0
            flags = ft2font.LoadFlags.NO_SCALE
            units = self._font.units_per_EM
            self._advances[char] = self._font.load_char(ord(char), flags=flags).horiAdvance / units if known else None
        return self._advances[char]
