"""The open journal: the rail, the places, the shortcuts and the help card over any of them.

A place is a ``QWidget`` made by ``Place(services)`` on its first visit. It may have
``activated()`` (called each time it is shown), ``open_day = Signal(str)`` (a date to show in the
Journal), ``blur_text(on)`` and ``flush() -> bool`` (called before leaving, locking or quitting).
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QSize, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from journal_app.ui.help_card import OWN_HELP, HelpPage
from journal_app.ui.journal_page import JournalPage, own_help
from journal_app.ui.main_window import redraw_icons
from journal_app.ui.notes import NoteBar
from journal_app.ui.services import Services
from journal_app.ui.widgets import tool

RAIL_WIDTH = 64


@dataclass(frozen=True, slots=True)
class Place:
    """One place of the rail: its module is imported on the first visit; empty = not built yet, so not shown."""

    name: str
    module: str
    page: str


PLACES: tuple[Place, ...] = (
    Place("journal", "journal_app.ui.journal_page", "JournalPage"),
    Place("insights", "journal_app.ui.insights", "InsightsPage"),
    Place("companion", "", ""),
    Place("checkins", "", ""),
    Place("exercises", "", ""),
    Place("share", "journal_app.ui.share", "SharePage"),
    Place("settings", "journal_app.ui.settings_page", "SettingsPage"),
)


def place_title(name: str) -> str:
    """Return a place's name in the writer's language."""
    titles = {
        "journal": QCoreApplication.translate("Places", "Journal"),
        "insights": QCoreApplication.translate("Places", "Insights"),
        "companion": QCoreApplication.translate("Places", "Companion"),
        "checkins": QCoreApplication.translate("Places", "Check-ins"),
        "exercises": QCoreApplication.translate("Places", "Exercises"),
        "share": QCoreApplication.translate("Places", "Share"),
        "settings": QCoreApplication.translate("Places", "Settings"),
        "help": QCoreApplication.translate("Places", "Help lines"),
    }
    return titles[name]


def built_places() -> tuple[Place, ...]:
    """Return the places that exist in this build, in the order of the rail."""
    return tuple(p for p in PLACES if p.module and importlib.util.find_spec(p.module) is not None)


class Workspace(QWidget):
    """Rail on the left, the chosen place beside it.

    Signals:
        lock_requested: the writer wants the journal locked; True = at once, hiding everything first.
        language_chosen: another language for the window. rotate_asked: a new encryption key; the passphrase.
    """

    lock_requested = Signal(bool)
    language_chosen = Signal(str)
    rotate_asked = Signal(str)

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._pages: dict[str, QWidget] = {}
        self._buttons: dict[str, QToolButton] = {}
        self._stack = QStackedWidget(self)
        frame = QHBoxLayout(self)
        frame.setContentsMargins(0, 0, 0, 0)
        frame.setSpacing(0)
        frame.addWidget(self._make_rail())
        column = QVBoxLayout()
        column.setSpacing(0)
        self.notes = NoteBar()
        column.addWidget(self.notes)
        column.addWidget(self._stack, 1)
        frame.addLayout(column, 1)
        self.journal = JournalPage(services)
        self._add("journal", self.journal)
        self.journal.help_requested.connect(self.show_help)
        self._make_shortcuts()
        self.go("journal")
        redraw_icons(self, services.theme)

    def page(self, name: str) -> QWidget:
        """Return a place, making it on the first visit."""
        if name not in self._pages:
            if name == "help":
                made: QWidget = self._make_help()
            else:
                place = next(p for p in built_places() if p.name == name)
                made = getattr(importlib.import_module(place.module), place.page)(self._services)
            self._add(name, made)
        return self._pages[name]

    def go(self, name: str) -> None:
        """Show a place."""
        page = self.page(name)
        self._stack.setCurrentWidget(page)
        self._buttons[name].setChecked(True)
        page.setFocus()
        activated = getattr(page, "activated", None)
        if activated is not None:
            activated()

    def show_help(self) -> None:
        """Show the help lines in full."""
        self.go("help")

    def _make_help(self) -> HelpPage:
        made = HelpPage(self._services.settings.country, own=own_help(self._services.store))
        if self._services.read_only:
            made.close_to_changes()
        made.own_changed.connect(self._keep_own_help)
        made.country_changed.connect(self._keep_country)
        return made

    def _keep_country(self, country: str) -> None:
        self._services.frame.settings.change(country=country)

    def _keep_own_help(self, people: str) -> None:
        self._services.saver.set_setting(OWN_HELP, people)
        self.journal.panel.help.set_own(people)

    def show_day(self, local_date: str) -> None:
        """Show a day in the Journal (asked for by a chart)."""
        self.go("journal")
        self.journal.show_date(local_date)

    def flush(self, timeout: float = 5.0) -> bool:
        """Store every word that was typed; False when the disk refuses."""
        self.journal.flush()
        return self._services.saver.flush(timeout)

    def wipe(self) -> None:
        """Empty every field that holds words of the journal, before the widgets are deleted."""
        for page in self._pages.values():
            wipe = getattr(page, "wipe", None)
            if wipe is not None:
                wipe()

    def _add(self, name: str, page: QWidget) -> None:
        page.setObjectName("page")
        self._pages[name] = page
        self._stack.addWidget(page)
        open_day = getattr(page, "open_day", None)
        if open_day is not None:
            open_day.connect(self.show_day)
        if name == "settings":
            page.language_chosen.connect(self.language_chosen)  # type: ignore[attr-defined]
            page.lock_now.connect(self._lock)  # type: ignore[attr-defined]
            page.rotate_asked.connect(self.rotate_asked)  # type: ignore[attr-defined]
        redraw_icons(page, self._services.theme)

    def _make_rail(self) -> QWidget:
        rail = QWidget(self)
        rail.setObjectName("rail")
        rail.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        rail.setFixedWidth(RAIL_WIDTH)
        places = QVBoxLayout(rail)
        places.setContentsMargins(8, 16, 8, 16)
        places.setSpacing(8)
        group = QButtonGroup(self)
        for place in built_places():
            places.addWidget(self._rail_button(place.name, group))
        places.addStretch(1)
        lock = tool("lock", self.tr("Lock the journal (Ctrl+L)"), self._lock)
        lock.setFixedSize(48, 44)
        places.addWidget(lock)
        help_button = self._rail_button("help", group)
        help_button.setProperty("icon_role", "help")
        places.addWidget(help_button)
        return rail

    def _rail_button(self, name: str, group: QButtonGroup) -> QToolButton:
        made = tool(name, place_title(name))
        made.setCheckable(True)
        made.setFixedSize(48, 44)
        made.setIconSize(QSize(20, 20))
        made.setProperty("place", name)
        made.clicked.connect(self._rail_clicked)
        group.addButton(made)
        self._buttons[name] = made
        return made

    def _rail_clicked(self) -> None:
        sender = self.sender()
        if sender is not None:
            self.go(str(sender.property("place")))

    def _make_shortcuts(self) -> None:
        for number, place in enumerate(built_places(), start=1):
            self._shortcut(f"Ctrl+{number}", self._rail_slot(place.name))
        self._shortcut("Ctrl+N", self._new_entry)
        self._shortcut("Ctrl+F", self._search)
        self._shortcut("Ctrl+L", self._lock)
        self._shortcut("Ctrl+Shift+L", self._panic)
        self._shortcut("F9", self.journal.toggle_panel)
        self._shortcut("F1", self.show_help)

    def _rail_slot(self, name: str) -> object:
        def go() -> None:
            self.go(name)

        return go

    def _shortcut(self, keys: str, slot: object) -> None:
        made = QShortcut(QKeySequence(keys), self)
        made.activated.connect(slot)

    def _new_entry(self) -> None:
        self.go("journal")
        self.journal.new_entry()

    def _search(self) -> None:
        self.go("journal")
        self.journal.focus_search()

    def _lock(self) -> None:
        self.lock_requested.emit(False)

    def _panic(self) -> None:
        self.lock_requested.emit(True)
