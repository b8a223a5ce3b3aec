"""Backups as a list that a person can read: when, how much, and whether each was proved to be good.

Needs no key. Used on the unlock screen, where one is chosen, and in the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from journal_app.ui.backups import facts_text, state_text, when
from journal_app.ui.widgets import add_all, button, card, clear, label, line

if TYPE_CHECKING:
    from journal_app.vault.backup import Backup

SHOWN = 6
"""Rows shown at first; the rest on demand."""


class BackupList(QWidget):
    """The rows, newest first. With ``chosen`` every good backup has a button."""

    def __init__(self, chosen: Callable[[Backup], object] | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chosen = chosen
        self._backups: list[Backup] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)

    def show_backups(self, backups: Sequence[Backup], *, every: bool = False) -> None:
        """Show ``backups``, or that there are none."""
        self._backups = list(backups)
        clear(self._column)
        if not backups:
            self._column.addWidget(label(self.tr("There is no backup here yet."), "quiet"))
            return
        frame, rows = card(margin=0, spacing=0)
        shown = self._backups if every else self._backups[:SHOWN]
        for number, backup in enumerate(shown):
            if number:
                rows.addWidget(line())
            rows.addWidget(self._row(backup))
        self._column.addWidget(frame)
        if len(shown) < len(self._backups):
            more = button(self.tr("Show all {0}").format(len(self._backups)), self._show_every, "link")
            self._column.addWidget(more)

    def focus_first(self) -> bool:
        """Put the focus on the first backup that can be chosen; False if there is none."""
        for number in range(self._column.count()):
            item = self._column.itemAt(number)
            widget = item.widget() if item is not None else None
            for made in widget.findChildren(QWidget) if widget is not None else ():
                if made.property("backup") is not None:
                    made.setFocus()
                    return True
        return False

    def _show_every(self) -> None:
        self.show_backups(self._backups, every=True)
        self.focus_first()

    def _row(self, backup: Backup) -> QWidget:
        made = QWidget()
        across = QHBoxLayout(made)
        across.setContentsMargins(16, 10, 12, 10)
        across.setSpacing(12)
        left = QVBoxLayout()
        left.setSpacing(2)
        moment, facts, state = when(backup), facts_text(backup), state_text(backup)
        left.addWidget(label(moment))
        if backup.problem:
            add_all(left, label(facts, "hint"), label(state, "note"))
        else:
            left.addWidget(label(f"{facts}  ·  {state}", "hint"))
        across.addLayout(left, 1)
        if self._chosen is not None and not backup.problem:
            choose = button(self.tr("Choose"), self._slot(backup, self._chosen))
            choose.setAccessibleName(self.tr("Choose the backup of {0}, {1}, {2}").format(moment, facts, state))
            choose.setProperty("backup", str(backup.path.name))
            across.addWidget(choose)
        return made

    @staticmethod
    def _slot(backup: Backup, chosen: Callable[[Backup], object]) -> Callable[[], object]:
        def choose() -> object:
            return chosen(backup)

        return choose
