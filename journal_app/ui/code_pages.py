"""The recovery code on two pages: shown to be written down, then two groups of it typed back.

Used by the first run, by a new code from the settings and after a new encryption key. Knows no journal.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QFont, QPainter
from PySide6.QtWidgets import QFileDialog, QGridLayout, QLineEdit, QStackedWidget, QWidget

from journal_app.ui.clipboard import BriefClipboard
from journal_app.ui.widgets import add_all, button, card, centred, clear, label, row, scroll

if TYPE_CHECKING:
    from PySide6.QtGui import QPagedPaintDevice

CONFIRMED = "recovery.confirmed"
"""The private setting that is false from before a code is made until two groups of it were typed back."""
WIDTH = 520
GROUPS_IN_A_ROW = 4


def groups_of(code: str) -> list[str]:
    """Return the groups of a recovery code as they are shown."""
    return [part for part in code.replace(" ", "-").split("-") if part]


def same_group(typed: str, group: str) -> bool:
    """Return whether a group was typed back, whatever the case and spaces."""
    return "".join(typed.split()).replace("-", "").casefold() == group.casefold()


class CodePages(QStackedWidget):
    """Shows one code and asks for two of its groups.

    Signals:
        confirmed: both groups were typed back. later: not now (only where that was offered).
    """

    confirmed = Signal()
    later = Signal()

    def __init__(
        self, clipboard: BriefClipboard, done: str, later: str = "", hint: str = "", parent: QWidget | None = None
    ) -> None:
        """Make both pages. ``done`` names the last button; ``later`` offers to break off, ``hint`` says what then."""
        super().__init__(parent)
        self._clipboard = clipboard
        self._asked: tuple[int, int] = (0, 1)
        self._groups: list[str] = []
        self._words = (done, later, hint)
        self.addWidget(self._make_code())
        self.addWidget(self._make_back_typing())

    def show_code(self, code: str) -> None:
        """Show a fresh code; what was shown and typed before is forgotten."""
        clear(self._grid)
        self._groups = groups_of(code)
        for index, group in enumerate(self._groups):
            made = label(group, "code", wrap=False)
            made.setAlignment(Qt.AlignmentFlag.AlignCenter)
            made.setAccessibleName(self.tr("Group {0}: {1}").format(index + 1, " ".join(group)))
            made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByKeyboard)
            cell = row(6)
            cell.addWidget(label(str(index + 1), "hint", wrap=False))
            cell.addWidget(made)
            cell.addStretch(1)
            self._grid.addLayout(cell, index // GROUPS_IN_A_ROW, index % GROUPS_IN_A_ROW)
        count = len(self._groups)
        first = secrets.randbelow(count)
        second = (first + 1 + secrets.randbelow(count - 1)) % count
        self._asked = (min(first, second), max(first, second))
        for field, number in zip(self._back_fields, self._asked, strict=True):
            field.setPlaceholderText(self.tr("Group {0}").format(number + 1))
            field.setAccessibleName(self.tr("Group {0}").format(number + 1))
            field.clear()
        self._said.setText("")
        self._back_said.setText("")
        self._to_code()

    @property
    def typing_back(self) -> bool:
        """Whether the second page is on show."""
        return self.currentIndex() == 1

    def wipe(self) -> None:
        """Forget the code and what was typed."""
        for field in self._back_fields:
            field.clear()
        clear(self._grid)
        self._groups = []

    # the code ----------------------------------------------------------------------------

    def _make_code(self) -> QWidget:
        body, inner = centred(WIDTH, 14)
        inner.addStretch(2)
        add_all(
            inner,
            label(self.tr("Your recovery code"), "title"),
            label(
                self.tr(
                    "It opens the journal if you forget the passphrase. Write it on paper and keep it away from this "
                    "computer. It is shown only now."
                ),
                "prose",
            ),
        )
        frame, inside = card(margin=20)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(12)
        inside.addLayout(self._grid)
        inner.addWidget(frame)
        buttons = row(8)
        buttons.addWidget(button(self.tr("Copy"), self._copy))
        buttons.addWidget(button(self.tr("Save to a file"), self._save))
        buttons.addWidget(button(self.tr("Print"), self._print))
        buttons.addStretch(1)
        inner.addLayout(buttons)
        self._said = label("", "hint")
        inner.addWidget(self._said)
        self._go_on = button(self.tr("I have written it down"), self._to_back_typing, "primary")
        self._go_on.setMinimumHeight(40)
        inner.addWidget(self._go_on, 0, Qt.AlignmentFlag.AlignLeft)
        _done, later, hint = self._words
        if later:
            inner.addWidget(button(later, self.later.emit, "link"))
            inner.addWidget(label(hint, "hint"))
        inner.addStretch(3)
        return scroll(body)

    def _copy(self) -> None:
        self._clipboard.copy("-".join(self._groups))
        self._said.setText(self.tr("Copied. The clipboard is emptied in 30 seconds."))

    def _save(self) -> None:
        path, _kind = QFileDialog.getSaveFileName(
            self, self.tr("Save the recovery code"), self.tr("quiet-page-recovery-code.txt")
        )
        if path:
            self.save_code(Path(path))

    def save_code(self, path: Path) -> None:
        """Write the code to ``path``, readable by its owner alone, or say why it could not be written."""
        from journal_app.exchange import files
        from journal_app.ui.exported import not_written

        try:
            files.write(path, ("-".join(self._groups) + "\n").encode())
        except OSError as error:
            self._said.setText(not_written(error))
        else:
            self._said.setText(
                self.tr("Saved. Whoever has this file can open the journal: move it to a safe place away from here.")
            )

    def _print(self) -> None:
        try:
            from PySide6.QtPrintSupport import QPrintDialog, QPrinter, QPrinterInfo
        except ImportError:
            self._said.setText(self.tr("Printing does not work on this computer. Save the code to a file instead."))
            return
        if not QPrinterInfo.availablePrinterNames():
            self._said.setText(self.tr("There is no printer on this computer. Write the code down, or save it."))
            return
        printer = QPrinter(QPrinter.PrinterMode.HighResolution)
        printer.setDocName("Quiet Page")  # shown in the queue: no word of what it is
        if QPrintDialog(printer, self).exec():
            self.print_code(printer)

    def print_code(self, device: QPagedPaintDevice) -> None:
        """Paint the code on a sheet of paper, and say whether it went out."""
        painter = QPainter()
        if not painter.begin(device):
            self._said.setText(self.tr("It could not be printed. Nothing was lost; write the code down, or save it."))
            return
        unit = device.logicalDpiY() / 72
        left, top, wide = 60 * unit, 70 * unit, device.width() - 120 * unit
        flags = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft
        rows = range(0, len(self._groups), GROUPS_IN_A_ROW)
        for text, points, family, gap in (
            ("Quiet Page", 16, "", 6),
            (self.tr("Your recovery code"), 12, "", 20),
            *(("   ".join(self._groups[at : at + GROUPS_IN_A_ROW]), 18, "monospace", 8) for at in rows),
            (self.tr("Whoever has this sheet can open the journal: keep it in a safe place."), 11, "", 0),
        ):
            font = QFont(family) if family else QFont()
            font.setPointSizeF(points)
            painter.setFont(font)
            used = painter.boundingRect(QRectF(left, top, wide, 400 * unit), flags, text)
            painter.drawText(used, flags, text)
            top = used.bottom() + gap * unit
        painter.end()
        self._said.setText(self.tr("Sent to the printer. Take the sheet to a safe place away from this computer."))

    # typing back -------------------------------------------------------------------------

    def _make_back_typing(self) -> QWidget:
        body, inner = centred(WIDTH, 14)
        inner.addStretch(2)
        add_all(
            inner,
            label(self.tr("Two groups, to be sure"), "title"),
            label(self.tr("Type these two groups of the recovery code from your paper."), "prose"),
        )
        self._back_fields = [QLineEdit(), QLineEdit()]
        for field in self._back_fields:
            field.setMaximumWidth(220)
            field.setMinimumHeight(26)
            field.returnPressed.connect(self._on_return)
            inner.addWidget(field)
        self._back_said = label("", "note")
        inner.addWidget(self._back_said)
        done = button(self._words[0], self._check_back, "primary")
        done.setMinimumHeight(40)
        back = button(self.tr("Show the code again"), self._to_code)
        back.setMinimumHeight(40)
        buttons = row(12)
        buttons.addWidget(done)
        buttons.addWidget(back)
        buttons.addStretch(1)
        inner.addLayout(buttons)
        inner.addStretch(3)
        return scroll(body)

    def _to_code(self) -> None:
        self.setCurrentIndex(0)
        self._go_on.setFocus()

    def _to_back_typing(self) -> None:
        self.setCurrentIndex(1)
        self._back_fields[0].setFocus()

    def _on_return(self) -> None:
        first, second = self._back_fields
        if first.hasFocus() and not second.text():
            second.setFocus()
        else:
            self._check_back()

    def _check_back(self) -> None:
        for field, number in zip(self._back_fields, self._asked, strict=True):
            if not same_group(field.text(), self._groups[number]):
                self._back_said.setText(self.tr("Group {0} is not the same. Look at it once more.").format(number + 1))
                field.setFocus()
                field.selectAll()
                return
        self.confirmed.emit()
