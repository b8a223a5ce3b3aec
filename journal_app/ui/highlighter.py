"""Styles Markdown as it is typed; never changes a character."""

from __future__ import annotations

import re

from PySide6.QtGui import QColor, QFont, QSyntaxHighlighter, QTextCharFormat, QTextDocument, QTextFormat

from journal_app.ui.theme import Theme

HEADING = re.compile(r"^(#{1,6})\s+\S")
QUOTE = re.compile(r"^\s{0,3}(>+)\s?")
BOX = re.compile(r"^(\s*)([-*+])\s(\[[ xX]\])\s")
ITEM = re.compile(r"^(\s*)([-*+]|\d{1,9}[.)])\s")
RULE = re.compile(r"^\s{0,3}([-*_])(\s*\1){2,}\s*$")
FENCE = re.compile(r"^\s{0,3}(```|~~~)")
CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
STRONG = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
EMPHASIS = re.compile(r"(?<![\w*_])([*_])(?![\s*_])([^*_\n]+?)(?<![\s*_])\1(?![\w*_])")
STRIKE = re.compile(r"(~~)(?=\S)(.+?)(?<=\S)\1")
LINK = re.compile(r"(!?\[)([^\]\n]*)(\]\([^)\n]*\))")
HEADING_SCALE = (1.5, 1.28, 1.14, 1.0, 1.0, 1.0)
_FENCED = 1


class MarkdownHighlighter(QSyntaxHighlighter):
    """Headings larger, emphasis as it will look, marks quiet, done boxes struck through."""

    def __init__(self, document: QTextDocument, theme: Theme) -> None:
        super().__init__(document)
        self._theme = theme
        self._formats: dict[str, QTextCharFormat] = {}
        self._headings: list[QTextCharFormat] = []
        self.take_theme()

    def take_theme(self) -> None:
        """Take colours and size from the theme and style everything again."""
        colours = self._theme.palette
        size = self._theme.writing_font().pixelSize()
        self._formats = {
            "mark": _format(colours.quiet_ink),
            "quote": _format(colours.quiet_ink, italic=True),
            "strong": _format(None, weight=QFont.Weight.Bold),
            "emphasis": _format(None, italic=True),
            "code": _format(colours.ink, background=colours.sunken, mono=True),
            "done": _format(colours.quiet_ink, strike=True),
            "box": _format(colours.accent, weight=QFont.Weight.DemiBold),
            "bullet": _format(colours.accent, weight=QFont.Weight.DemiBold),
            "link": _format(colours.accent, underline=True),
        }
        self._headings = []
        for scale in HEADING_SCALE:
            made = _format(None, weight=QFont.Weight.DemiBold)
            made.setProperty(QTextFormat.Property.FontPixelSize, round(size * scale))
            self._headings.append(made)
        self.rehighlight()

    def highlightBlock(self, text: str) -> None:
        """Style one paragraph (Qt calls this)."""
        fenced = self.previousBlockState() == _FENCED
        if FENCE.match(text):
            self.setCurrentBlockState(0 if fenced else _FENCED)
            self.setFormat(0, len(text), self._formats["mark"])
            return
        self.setCurrentBlockState(_FENCED if fenced else 0)
        if fenced:
            self.setFormat(0, len(text), self._formats["code"])
            return
        if not text or text.isspace():
            return
        if match := HEADING.match(text):
            level = len(match.group(1))
            self.setFormat(0, len(text), self._headings[level - 1])
            self._mark(0, level, self._headings[level - 1])
            return
        if RULE.match(text):
            self.setFormat(0, len(text), self._formats["mark"])
            return
        base = QTextCharFormat()
        start = 0
        if match := QUOTE.match(text):
            base = self._formats["quote"]
            self.setFormat(0, len(text), base)
        elif match := BOX.match(text):
            self.setFormat(match.start(2), 1, self._formats["mark"])
            self.setFormat(match.start(3), 3, self._formats["box"])
            start = match.end()
            if match.group(3) != "[ ]":
                base = self._formats["done"]
                self.setFormat(start, len(text) - start, base)
        elif match := ITEM.match(text):
            self.setFormat(match.start(2), len(match.group(2)), self._formats["bullet"])
            start = match.end()
        self._inline(text, start, base)

    def _inline(self, text: str, start: int, base: QTextCharFormat) -> None:
        for pattern, name in ((STRONG, "strong"), (EMPHASIS, "emphasis"), (STRIKE, "done"), (LINK, "link")):
            for match in pattern.finditer(text, start):
                made = QTextCharFormat(base)
                made.merge(self._formats[name])
                self.setFormat(match.start(2), len(match.group(2)), made)
                self._mark(match.start(1), len(match.group(1)), base)
                if name == "link":
                    self._mark(match.start(3), len(match.group(3)), base)
                else:
                    self._mark(match.end(2), len(match.group(1)), base)
        for match in CODE.finditer(text, start):
            self.setFormat(match.start(2), len(match.group(2)), self._formats["code"])
            self._mark(match.start(1), len(match.group(1)), base)
            self._mark(match.end(2), len(match.group(1)), base)

    def _mark(self, start: int, length: int, base: QTextCharFormat) -> None:
        made = QTextCharFormat(base)
        made.merge(self._formats["mark"])
        self.setFormat(start, length, made)


def _format(
    colour: str | None,
    *,
    background: str | None = None,
    weight: QFont.Weight | None = None,
    italic: bool = False,
    underline: bool = False,
    strike: bool = False,
    mono: bool = False,
) -> QTextCharFormat:
    made = QTextCharFormat()
    if colour:
        made.setForeground(QColor(colour))
    if background:
        made.setBackground(QColor(background))
    if weight is not None:
        made.setFontWeight(weight)
    if italic:
        made.setFontItalic(True)
    if underline:
        made.setFontUnderline(True)
    if strike:
        made.setFontStrikeOut(True)
    if mono:
        made.setFontFamilies(["DejaVu Sans Mono", "Noto Sans Mono", "Menlo", "Consolas", "monospace"])
    return made
