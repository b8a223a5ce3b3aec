"""The page itself: plain Markdown text in a book face at a comfortable measure, centred."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QGuiApplication,
    QInputMethodEvent,
    QKeyEvent,
    QMouseEvent,
    QResizeEvent,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import QApplication, QFrame, QTextEdit, QWidget

from journal_app.ui.highlighter import BOX, ITEM, QUOTE, MarkdownHighlighter
from journal_app.ui.theme import Theme, mix

LINE_HEIGHT_PERCENT = 160.0
SIDE_MARGIN = 32
TOP_MARGIN = 8
BOTTOM_MARGIN = 12
DOCUMENT_MARGIN = 4
MEASURE_SAMPLE = "the quiet evening light on the kitchen table, and the bread still warm"
LATE_S = 2.0
"""For so long the input method may still bring a composition that was taken from it."""
_LINE_BREAKS = str.maketrans({"\u2029": "\n", "\u2028": "\n"})


class Editor(QTextEdit):
    """Edits one text. It knows nothing of entries or saving.

    Signals:
        edited: the writer changed the text (not emitted while a text is being loaded).
        fitted: pixels left free at each side of the measure.
    """

    edited = Signal()
    fitted = Signal(int)

    def __init__(self, theme: Theme, characters: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("editor")
        self.setAccessibleName(self.tr("The page"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAcceptRichText(False)
        self.setTabChangesFocus(True)
        self.setCursorWidth(2)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._theme = theme
        self._characters = characters
        self._loading = False
        self._marked: tuple[tuple[int, int], ...] = ()
        self._taken, self._taken_at = "", 0.0
        self.document().setDocumentMargin(DOCUMENT_MARGIN)
        self.setFont(theme.writing_font())
        self._highlighter = MarkdownHighlighter(self.document(), theme)
        self.load("")
        self.document().contentsChange.connect(self._on_change)

    def text(self) -> str:
        """Return the text exactly as typed (no-break spaces included), without a composition in progress."""
        return self.document().toRawText().translate(_LINE_BREAKS)

    def finish_composition(self) -> None:
        """Make text of a composition in progress (Hangul in mid-syllable): the writer has seen it on the page.

        The input method is asked first. What it does not bring at once is taken from the page, and dropped when
        it comes later.
        """
        method = QGuiApplication.inputMethod()
        if self.hasFocus():
            method.commit()
        left = self.textCursor().block().layout().preeditAreaText()
        if not left:
            return
        if self.hasFocus():
            before = self.document().characterCount()
            method.reset()
            if self.document().characterCount() != before:
                return  # some input methods bring it when they are told to forget it
        done = QInputMethodEvent()
        done.setCommitString(left)
        QApplication.sendEvent(self, done)
        self._taken, self._taken_at = left, time.monotonic()

    def load(self, text: str) -> None:
        """Show another text; undo does not reach behind it."""
        self._loading = True
        self.mark(())
        document = self.document()
        document.setUndoRedoEnabled(False)
        self.setPlainText(text)
        self._space_lines()
        document.setUndoRedoEnabled(True)
        document.clearUndoRedoStacks()
        self._loading = False
        self._fit()

    def wipe(self) -> None:
        """Forget text, undo steps and marks."""
        self.load("")
        self.document().clearUndoRedoStacks(QTextDocument.Stacks.UndoAndRedoStacks)

    def close_to_changes(self) -> None:
        """Let the text be read, walked through and copied, not changed."""
        self.setReadOnly(True)
        flags = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        self.setTextInteractionFlags(flags)

    def mark(self, spans: Sequence[tuple[int, int]]) -> None:
        """Tint ``text[start:end]`` (code points) softly; an empty sequence takes the tint away."""
        if tuple(spans) == self._marked:
            return
        self._marked = tuple(spans)
        selections = []
        text = self.text() if spans else ""
        for start, end in spans:
            if not 0 <= start < end <= len(text):
                continue
            selection = QTextEdit.ExtraSelection()
            cursor = QTextCursor(self.document())
            cursor.setPosition(utf16_length(text[:start]))
            cursor.setPosition(utf16_length(text[:end]), QTextCursor.MoveMode.KeepAnchor)
            tint = QTextCharFormat()
            tint.setBackground(QColor(mix(self._theme.palette.page, self._theme.palette.accent, 0.22)))
            selection.cursor, selection.format = cursor, tint  # type: ignore[misc]
            selections.append(selection)
        self.setExtraSelections(selections)

    def take_theme(self, characters: int) -> None:
        """Take font, measure and colours from the theme."""
        self._characters = characters
        self.setFont(self._theme.writing_font())
        self._loading = True
        undo = self.document().isUndoRedoEnabled()
        self.document().setUndoRedoEnabled(False)
        self._space_lines()
        self.document().setUndoRedoEnabled(undo)
        self._highlighter.take_theme()
        self._loading = False
        self._fit()

    # Qt's own hooks ----------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the measure in the middle."""
        self._fit()
        super().resizeEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Accept text only."""
        return source.hasText()

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Insert as plain text."""
        if self.isReadOnly():
            return
        self.textCursor().insertText(source.text())
        self.ensureCursorVisible()

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        """Take a composition once, though the input method may bring it again after it was taken from it."""
        if self._taken and (event.commitString() or event.preeditString()):
            again = event.commitString() == self._taken and time.monotonic() - self._taken_at < LATE_S
            self._taken = ""
            if again:
                event = QInputMethodEvent(event.preeditString(), event.attributes())
        super().inputMethodEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Continue lists and quotes on Return, wrap selections in emphasis."""
        if self.isReadOnly():
            super().keyPressEvent(event)
            return
        modifiers, key = event.modifiers(), event.key()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if modifiers == Qt.KeyboardModifier.ControlModifier:
                self._toggle_box(self.textCursor())
                return
            if self._continue_item():
                return
            self.textCursor().insertBlock()
            self.ensureCursorVisible()
            return
        if modifiers == Qt.KeyboardModifier.ControlModifier and key in (Qt.Key.Key_B, Qt.Key.Key_I):
            self._wrap("**" if key == Qt.Key.Key_B else "*")
            return
        super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Tick or untick a box that was clicked."""
        super().mouseReleaseEvent(event)
        if self.isReadOnly():
            return
        cursor = self.cursorForPosition(event.position().toPoint())
        match = BOX.match(cursor.block().text())
        if match and not self.textCursor().hasSelection() and match.start(3) <= cursor.positionInBlock() < match.end(3):
            self._toggle_box(cursor)

    # inside ------------------------------------------------------------------------------

    def _on_change(self, _position: int, removed: int, added: int) -> None:
        if not self._loading and (removed or added):
            if self._marked:
                self.mark(())
            self.edited.emit()

    def _space_lines(self) -> None:
        cursor = QTextCursor(self.document())
        cursor.select(QTextCursor.SelectionType.Document)
        spaced = QTextBlockFormat()
        spaced.setLineHeight(LINE_HEIGHT_PERCENT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        cursor.mergeBlockFormat(spaced)

    def _fit(self) -> None:
        metrics = QFontMetricsF(self.font())
        measure = metrics.horizontalAdvance(MEASURE_SAMPLE) / len(MEASURE_SAMPLE) * self._characters
        side = max(SIDE_MARGIN, int((self.width() - measure) / 2))
        # Whole lines only, so that no half line lies on the edge below; the wheel moves by lines as well.
        row = max(1.0, metrics.lineSpacing() * LINE_HEIGHT_PERCENT / 100)
        bottom = BOTTOM_MARGIN + math.ceil(max(0, self.height() - TOP_MARGIN - BOTTOM_MARGIN - DOCUMENT_MARGIN) % row)
        self.verticalScrollBar().setSingleStep(round(row))
        wanted = (side, TOP_MARGIN, max(8, side - 12), bottom)
        margins = self.viewportMargins()
        if (margins.left(), margins.top(), margins.right(), margins.bottom()) != wanted:
            self.setViewportMargins(*wanted)
            self.fitted.emit(side)
        frame = self.document().rootFrame().frameFormat()
        room = max(32, self.height() // 8)
        if frame.bottomMargin() != room:
            undo = self.document().isUndoRedoEnabled()
            if not self._loading and undo and self.document().isUndoAvailable():
                return  # a format change would become an undo step of its own
            loading, self._loading = self._loading, True  # a margin is not an edit
            self.document().setUndoRedoEnabled(False)
            frame.setBottomMargin(room)
            self.document().rootFrame().setFrameFormat(frame)
            self.document().setUndoRedoEnabled(undo)
            self._loading = loading

    def _continue_item(self) -> bool:
        cursor = self.textCursor()
        if cursor.hasSelection() or not cursor.atBlockEnd():
            return False
        text = cursor.block().text()
        match = BOX.match(text) or ITEM.match(text) or QUOTE.match(text)
        if match is None:
            return False
        cursor.beginEditBlock()
        if match.end() >= len(text):  # an empty item ends the list
            cursor.movePosition(QTextCursor.MoveOperation.StartOfBlock, QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
        else:
            start = match.group(0)
            if BOX.match(text):
                start = re.sub(r"\[[xX]\]", "[ ]", start)
            elif number := re.match(r"(\s*)(\d+)([.)]\s)", start):
                start = f"{number.group(1)}{int(number.group(2)) + 1}{number.group(3)}"
            cursor.insertBlock()
            cursor.insertText(start)
        cursor.endEditBlock()
        self.setTextCursor(cursor)
        self.ensureCursorVisible()
        return True

    def _toggle_box(self, at: QTextCursor) -> None:
        match = BOX.match(at.block().text())
        if match is None:
            return
        cursor = QTextCursor(at.block())
        cursor.setPosition(at.block().position() + match.start(3) + 1)
        cursor.setPosition(cursor.position() + 1, QTextCursor.MoveMode.KeepAnchor)
        cursor.insertText("x" if match.group(3) == "[ ]" else " ")

    def _wrap(self, marks: str) -> None:
        cursor = self.textCursor()
        chosen = cursor.selectedText()
        cursor.insertText(f"{marks}{chosen}{marks}")
        if not chosen:
            cursor.movePosition(QTextCursor.MoveOperation.Left, QTextCursor.MoveMode.MoveAnchor, len(marks))
            self.setTextCursor(cursor)


def utf16_length(text: str) -> int:
    """Return the length of ``text`` as Qt counts it."""
    return len(text) + sum(c > "\uffff" for c in text)
