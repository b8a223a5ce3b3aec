"""Lay a document out on A4 pages: text runs, rules and charts with their places in points.

The PDF and the preview in the window draw the same ``Page`` values, so the preview is the file.
Owns fonts and line breaking (Korean and Chinese included); knows neither fpdf2 nor Qt.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from journal_app import palette
from journal_app.charts.style import FontFile, FontMetrics, font_file
from journal_app.exchange.document import Block, Document, Facts, Heading, PageBreak, Paragraph, Picture, Quotes
from journal_app.journal.trends import Trend

WIDTH, HEIGHT = 595.28, 841.89
"""A4 in points."""

LEFT, RIGHT, TOP, BOTTOM = 62.0, 62.0, 60.0, 58.0
MEASURE = WIDTH - LEFT - RIGHT
DATE_COLUMN = 62.0

SERIF, ITALIC, SANS, SANS_BOLD = "serif", "italic", "sans", "sans-bold"
_BUNDLED: dict[str, tuple[str, bool, bool]] = {
    SERIF: ("STIXGeneral", False, False),
    ITALIC: ("STIXGeneral", False, True),
    SANS: ("DejaVu Sans", False, False),
    SANS_BOLD: ("DejaVu Sans", True, False),
}
"""Fonts that come with matplotlib, so that every computer has them: family, bold, italic."""

CJK_SERIF: tuple[str, ...] = ("Noto Serif CJK KR", "Noto Serif KR", "NanumMyeongjo", "AppleMyungjo", "Batang")
CJK_SANS: tuple[str, ...] = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Noto Sans CJK TC",
    "Noto Sans TC",
    "Microsoft JhengHei",
    "PingFang TC",
    "Droid Sans Fallback",
)
TRADITIONAL_SERIF: tuple[str, ...] = ("Noto Serif CJK TC", "Noto Serif TC", "Songti TC", "PMingLiU")
TRADITIONAL_SANS: tuple[str, ...] = ("Noto Sans CJK TC", "Noto Sans TC", "Microsoft JhengHei", "PingFang TC")
"""Fonts of the computer for Korean and Chinese, tried in order; in a Chinese document the latter come first."""

_COLOURS = palette.LIGHT
_WIDE = r"\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_TOKEN = re.compile(rf"\s+|[{_WIDE}]|[^\s{_WIDE}]+")
"""Lines break at spaces and beside Chinese and Japanese characters; Korean words stay whole."""

DENSITIES = (1.0, 0.94, 0.88)
"""Sizes are tried in this order until everything but the estimates fits on one page; else the first."""

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff\u00ad]")


@dataclass(frozen=True, slots=True)
class Text:
    """A run in one font: left end of its base line, in points from the top left."""

    x: float
    y: float
    size: float
    face: str
    colour: str
    text: str


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle without outline."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart by key, filling its rectangle."""

    x: float
    y: float
    width: float
    height: float
    key: str
    trend: Trend


@dataclass(slots=True)
class Page:
    """What is drawn on one page, in reading order."""

    texts: list[Text] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)


class Face:
    """One font: its file, which characters it has and how wide they are."""

    def __init__(self, name: str, file: FontFile, *, bold: bool = False, italic: bool = False) -> None:
        self.name = name
        self.file = file
        self.bold = bold
        self.italic = italic

    @cached_property
    def _metrics(self) -> FontMetrics:
        return FontMetrics(self.file)

    def has(self, char: str) -> bool:
        """Return whether the font draws ``char``."""
        return self._metrics.advance(char) is not None

    def width(self, text: str, size: float) -> float:
        """Return the width of ``text`` in points at ``size`` points; no kerning, as it is drawn."""
        return sum(self._metrics.advance(char) or 0.0 for char in text) * size


class Fonts:
    """The faces of a document; characters that none has are replaced by their names in brackets."""

    def __init__(self, language: str = "en") -> None:
        self._faces: dict[str, Face] = {}
        for name, (family, bold, italic) in _BUNDLED.items():
            file = font_file(family, bold=bold, italic=italic)
            if file is None:
                raise OSError(f"the font {family}, which comes with matplotlib, is not installed")
            self._faces[name] = Face(name, file, bold=bold, italic=italic)
        chinese = language.lower().startswith("zh")
        serif = (*(TRADITIONAL_SERIF if chinese else ()), *CJK_SERIF)
        sans = (*(TRADITIONAL_SANS if chinese else ()), *CJK_SANS)
        upright, plain = self._found((*serif, *sans)), self._found((*sans, *serif))
        bold = self._found(sans, bold=True)
        self._wide = {SERIF: upright, ITALIC: upright, SANS: plain, SANS_BOLD: [*bold, *plain]}
        self.missing: set[str] = set()

    def _found(self, families: Sequence[str], *, bold: bool = False) -> list[Face]:
        """Return the installed ones of ``families``, each file once for the whole document."""
        faces: list[Face] = []
        for family in dict.fromkeys(families):
            name = f"{family} bold" if bold else family
            if name not in self._faces:
                file = font_file(family, bold=bold)
                if file is None:
                    continue
                self._faces[name] = Face(name, file, bold=bold)
            faces.append(self._faces[name])
        return faces

    def face(self, name: str) -> Face:
        """Return the face called ``name``."""
        return self._faces[name]

    def runs(self, text: str, face: str) -> list[tuple[str, str]]:
        """Return ``(face, text)`` runs that draw ``text`` in ``face`` where it can."""
        result: list[tuple[str, str]] = []
        for char in _INVISIBLE.sub("", unicodedata.normalize("NFC", text)):
            chosen, shown = self._choose(char, face)
            if result and result[-1][0] == chosen:
                result[-1] = (chosen, result[-1][1] + shown)
            else:
                result.append((chosen, shown))
        return result

    def width(self, text: str, face: str, size: float) -> float:
        """Return the width of ``text`` in points."""
        return sum(self._faces[name].width(part, size) for name, part in self.runs(text, face))

    def _choose(self, char: str, face: str) -> tuple[str, str]:
        if self._faces[face].has(char):
            return face, char
        if self._faces[SANS].has(char):
            return SANS, char
        for wide in self._wide[face]:
            if wide.has(char):
                return wide.name, char
        self.missing.add(char)
        name = unicodedata.name(char, "").lower()
        return face, f"[{name}]" if name and not unicodedata.category(char).startswith("L") else "?"

    @property
    def unwritable(self) -> bool:
        """Whether letters (not just signs) were met that no font on this computer has."""
        return any(unicodedata.category(char).startswith("L") for char in self.missing)

    def lines(self, text: str, face: str, size: float, width: float) -> list[str]:
        """Break ``text`` into lines of at most ``width`` points, at spaces or between wide characters."""
        result: list[str] = []
        for paragraph in text.split("\n"):
            line = ""
            used = 0.0
            for token in _TOKEN.findall(paragraph):
                if token.isspace():
                    token = " "
                for part in self._pieces(token, face, size, width):
                    more = self.width(part, face, size)
                    if line and used + more > width and part != " " and part not in "，。、；：？！）」』”’":
                        result.append(line.rstrip())
                        line, used = "", 0.0
                    if line or part != " ":
                        line += part
                        used += more
            result.append(line.rstrip())
        return result

    def _pieces(self, token: str, face: str, size: float, width: float) -> Iterator[str]:
        """Yield ``token`` in pieces that fit a line (a very long address, say)."""
        while self.width(token, face, size) > width and len(token) > 1:
            fit = max(1, int(len(token) * width / self.width(token, face, size)) - 1)
            yield token[:fit]
            token = token[fit:]
        yield token


@dataclass(frozen=True, slots=True)
class Laid:
    """A document on pages, with the fonts that its texts name."""

    pages: tuple[Page, ...]
    fonts: Fonts


class _Layout:
    """Fills pages from the top; a block that does not fit begins the next page."""

    def __init__(self, document: Document, fonts: Fonts, density: float) -> None:
        self.fonts = fonts
        self.density = density
        self.document = document
        self.pages: list[Page] = [Page()]
        self.y = TOP

    @property
    def page(self) -> Page:
        return self.pages[-1]

    def room(self, height: float) -> None:
        """Begin a new page unless ``height`` points are left."""
        if self.y + height > HEIGHT - BOTTOM - 14 and self.y > TOP:
            self.pages.append(Page())
            self.y = TOP

    def put(self, x: float, y: float, text: str, face: str, size: float, colour: str) -> float:
        """Draw ``text`` with its base line at ``y``; return where it ends."""
        for name, part in self.fonts.runs(text, face):
            self.page.texts.append(Text(x, y, size, name, colour, part))
            x += self.fonts.face(name).width(part, size)
        return x

    def skip(self, points: float) -> None:
        """Leave ``points`` free, less in a dense layout."""
        self.y += points * self.density**2

    def block(
        self,
        text: str,
        face: str,
        size: float,
        colour: str,
        *,
        x: float = LEFT,
        width: float = MEASURE,
        leading: float = 1.38,
    ) -> None:
        """Draw a paragraph line by line."""
        for line in self.fonts.lines(text, face, size, width):
            self.room(size * leading)
            self.y += size * leading
            self.put(x, self.y - size * (leading - 1) * 0.7, line, face, size, colour)


def layout(document: Document) -> Laid:
    """Return the pages of ``document``, a little denser where that keeps the first part on one page.

    Raises OSError when the bundled fonts are missing.
    """
    fonts = Fonts(document.language)
    best: Laid | None = None
    for density in DENSITIES:
        laid, first_part = _lay(document, fonts, density)
        if best is None or first_part == 1:
            best = laid
        if first_part == 1:
            break
    assert best is not None
    return best


def _lay(document: Document, fonts: Fonts, density: float) -> tuple[Laid, int]:
    """Return the pages at ``density`` and how many of them come before the first page break."""
    page = _Layout(document, fonts, density)
    page.put(LEFT, page.y + 14, document.title, SERIF, 21, _COLOURS.ink)
    page.y += 22
    page.block(document.subtitle, SANS, 8.5, _COLOURS.quiet_ink)
    page.y += 7
    page.page.boxes.append(Box(LEFT, page.y, MEASURE, 1.2, _COLOURS.accent))
    page.y += 4
    first_part = 0
    blocks = document.blocks
    for i, block in enumerate(blocks):
        if isinstance(block, PageBreak) and not first_part:
            first_part = len(page.pages)
            page.density = 1.0
        _DRAW[type(block)](page, block, blocks[i + 1] if i + 1 < len(blocks) else None)
    _feet(page)
    return Laid(tuple(page.pages), page.fonts), first_part or len(page.pages)


def _heading(page: _Layout, block: Heading, following: Block | None) -> None:
    # A title never stands alone at the foot of a page.
    page.room(40 + (following.height if isinstance(following, Picture) else 0))
    page.skip(15 if page.y > TOP else 0)
    page.y += 9
    end = page.put(LEFT, page.y, block.text, SANS_BOLD, 9.2, _COLOURS.accent)
    if block.mark:
        page.put(end + 8, page.y, f"({block.mark})", SANS, 8, _COLOURS.note)
    page.skip(3)


def _paragraph(page: _Layout, block: Paragraph, following: Block | None) -> None:
    if block.quiet:
        page.block(block.text, SANS, 8.2 * page.density, _COLOURS.quiet_ink, leading=1.5 * page.density)
    else:
        page.block(block.text, SERIF, 11 * page.density, _COLOURS.ink)
    page.skip(2)


def _quotes(page: _Layout, block: Quotes, following: Block | None) -> None:
    size, leading = 11.0 * page.density, 1.36 * page.density**0.5
    for date, text in block.items:
        lines = page.fonts.lines(f"\u201c{text}\u201d", ITALIC, size, MEASURE - DATE_COLUMN)
        page.room(size * leading * min(2, len(lines)))
        for i, line in enumerate(lines):
            page.room(size * leading)
            page.y += size * leading
            base = page.y - size * (leading - 1) * 0.7
            if i == 0:
                page.put(LEFT, base, date, SANS, 8, _COLOURS.quiet_ink)
            page.put(LEFT + DATE_COLUMN, base, line, ITALIC, size, _COLOURS.ink)
        page.skip(2.5)


def _facts(page: _Layout, block: Facts, following: Block | None) -> None:
    # Three to a row, name above value, as a table without lines.
    columns = 3
    width = MEASURE / columns
    for start in range(0, len(block.items), columns):
        page.room(34)
        for i, (name, value) in enumerate(block.items[start : start + columns]):
            page.put(LEFT + i * width, page.y + 12, name, SANS, 7.8, _COLOURS.quiet_ink)
            page.put(LEFT + i * width, page.y + 26, value, SERIF, 11.5, _COLOURS.ink)
        page.y += 20 + 12 * page.density**2


def _picture(page: _Layout, block: Picture, following: Block | None) -> None:
    height = block.height * page.density**2
    page.room(height + (18 if block.caption else 4))
    if block.caption:
        page.put(LEFT, page.y + 13, block.caption, SANS, 7.8, _COLOURS.quiet_ink)
        page.y += 14
    page.page.charts.append(Chart(LEFT - 6, page.y + 4, MEASURE + 12, height, block.key, block.trend))
    page.y += height + 4


def _page_break(page: _Layout, block: PageBreak, following: Block | None) -> None:
    page.pages.append(Page())
    page.y = TOP


_DRAW: dict[type, Callable[..., None]] = {
    Heading: _heading,
    Paragraph: _paragraph,
    Quotes: _quotes,
    Facts: _facts,
    Picture: _picture,
    PageBreak: _page_break,
}


def _feet(page: _Layout) -> None:
    for n, one in enumerate(page.pages, start=1):
        number = page.document.page_word.format(n=n, all=len(page.pages))
        for x, text in (
            (LEFT, page.document.foot),
            (WIDTH - RIGHT - page.fonts.width(number, SANS, 7.5), number),
        ):
            for name, part in page.fonts.runs(text, SANS):
                one.texts.append(Text(x, HEIGHT - BOTTOM + 22, 7.5, name, _COLOURS.quiet_ink, part))
                x += page.fonts.face(name).width(part, 7.5)
        one.boxes.append(Box(LEFT, HEIGHT - BOTTOM + 8, MEASURE, 0.5, _COLOURS.line))


def words(pages: Sequence[Page]) -> str:
    """Return the text of the pages in reading order, for tests and for a screen reader's preview."""
    return "\n".join(text.text for page in pages for text in page.texts)
