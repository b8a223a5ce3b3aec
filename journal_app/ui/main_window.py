"""The one top-level window. It arranges scenes (first run, unlock, the open journal) and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QMainWindow, QStackedWidget, QToolButton, QWidget

from journal_app.ui.theme import Theme

FIRST_SIZE = QSize(1280, 800)
SMALLEST_SIZE = QSize(760, 520)


class MainWindow(QMainWindow):
    """Shows one scene at a time; the application decides which."""

    def __init__(self, theme: Theme, may_close: Callable[[], bool]) -> None:
        super().__init__()
        self._theme = theme
        self._may_close = may_close
        self._scenes = QStackedWidget(self)
        self.setCentralWidget(self._scenes)
        self.setWindowTitle(self.tr("Quiet Page"))
        self.setMinimumSize(SMALLEST_SIZE)
        available = self.screen().availableGeometry().size()
        self.resize(FIRST_SIZE.boundedTo(available))
        theme.changed.connect(self.redraw_icons)

    def scene(self) -> Any:
        """Return the scene on show, or None; what it can do depends on which it is."""
        return self._scenes.currentWidget()

    def show_scene(self, scene: QWidget) -> None:
        """Show ``scene`` and delete the one before, with every word in it."""
        before = self._scenes.currentWidget()
        self._scenes.addWidget(scene)
        self._scenes.setCurrentWidget(scene)
        if before is not None:
            self._scenes.removeWidget(before)
            before.setParent(None)
            before.deleteLater()
        self.redraw_icons()

    def redraw_icons(self) -> None:
        """Draw every icon button's icon in the theme's colours."""
        redraw_icons(self, self._theme)

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of language."""
        if event.type() == QEvent.Type.LanguageChange:
            self.setWindowTitle(self.tr("Quiet Page"))
        super().changeEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close only when everything is stored."""
        if self._may_close():
            event.accept()
        else:
            event.ignore()


def redraw_icons(root: QWidget, theme: Theme) -> None:
    """Draw the icons of the icon buttons inside ``root``."""
    for made in root.findChildren(QToolButton):
        name = made.property("icon_name")
        if name:
            made.setIcon(theme.icon(str(name), str(made.property("icon_role") or "quiet_ink")))
