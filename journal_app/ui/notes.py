"""Quiet lines at the top of the open journal: something to know, never in the way and never a dialog.

A line is known by a name, so that the same matter is told once; it stays until it is put away or the matter ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from journal_app.ui.widgets import button, label


@dataclass(frozen=True, slots=True)
class Note:
    """One line.

    Attributes:
        name: what it is about; a later note of the same name takes its place.
        text: what happened, what is safe, what to do. action, act: a way to more, if there is one.
        closable: false for what stays true as long as the journal is open.
    """

    name: str
    text: str
    action: str = ""
    act: Callable[[], object] | None = None
    closable: bool = True


class NoteBar(QWidget):
    """Shows notes one below the other, newest last; takes no room when there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[str, QFrame] = {}
        self._held: dict[str, Note] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(16, 12, 16, 4)
        self._column.setSpacing(8)
        self.hide()

    def show_note(self, note: Note) -> None:
        """Show ``note``, in the place of an earlier one of its name."""
        self.remove(note.name)
        frame = QFrame()
        frame.setProperty("role", "noteFrame")
        line = QHBoxLayout(frame)
        line.setContentsMargins(16, 6, 8, 6)
        line.setSpacing(8)
        text = label(note.text, "note")
        text.setAccessibleName(self.tr("Note: {0}").format(note.text))
        line.addWidget(text, 1)
        if note.act is not None:
            line.addWidget(button(note.action, note.act, "link"))
        if note.closable:
            close = button(self.tr("Put away"), None, "quiet")
            close.setProperty("note", note.name)
            close.clicked.connect(self._put_away)
            line.addWidget(close)
        self._rows[note.name] = frame
        self._held[note.name] = note
        self._column.addWidget(frame)
        self.show()
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleEvent(text, QAccessible.Event.Alert))

    def remove(self, name: str) -> None:
        """Take the note of this name away, if it is there."""
        self._held.pop(name, None)
        frame = self._rows.pop(name, None)
        if frame is not None:
            frame.hide()
            self._column.removeWidget(frame)
            frame.setParent(None)
            frame.deleteLater()
        self.setVisible(bool(self._rows))

    def held(self) -> list[Note]:
        """Return the notes on show, oldest first."""
        return list(self._held.values())

    def text(self, name: str) -> str:
        """Return the words of one note, or nothing when it is not on show."""
        note = self._held.get(name)
        return note.text if note is not None else ""

    def _put_away(self) -> None:
        sender = self.sender()
        if sender is not None:
            self.remove(str(sender.property("note")))
