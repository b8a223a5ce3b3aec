"""The Journal: calendar, search and list at the left, the page in the middle, the reading beside it.

Arranges and routes; the pieces own themselves. Everything that touches the disk goes through the
saver or the bridge; only single rows are read directly.
"""

from __future__ import annotations

import contextlib
import datetime as dt

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from journal_app.contract.tasks import CRISIS_LEVELS, CrisisLevel
from journal_app.journal import safety
from journal_app.ui import words
from journal_app.ui.bridge import EntryGone, EntryRead, EntrySaved, Job, JournalDamaged, ReadingState
from journal_app.ui.calendar import DayMark, MonthView
from journal_app.ui.entry_list import EntryList, EntryModel
from journal_app.ui.entry_view import EntryView
from journal_app.ui.help_card import LEVELS, OWN_HELP, country_of, language_of
from journal_app.ui.reading_panel import PANEL_WIDTH, PanelState, ReadingPanel, panel_state
from journal_app.ui.saver import NewEntry, SaveFailed
from journal_app.ui.services import Services
from journal_app.ui.settings import Settings
from journal_app.ui.widgets import button, label, row, tool
from journal_app.vault.records import DamagedVault, Entry, Mood, SearchHit, Store, VaultError

SIDEBAR_WIDTH = 280
PAGE_MIN = 480
SEARCH_AFTER_MS = 140
UNDO_SHOWN_MS = 12_000
BACKDATED_TIME = "12:00:00"


def month_marks(store: Store, start: str, end: str) -> dict[str, DayMark]:
    """Return the calendar's dots for a span of dates."""
    days: dict[str, list[float | None]] = {}
    for day in store.days(start=start, end=end):
        days.setdefault(day.local_date, []).append(day.mood.valence if day.mood else None)
    marks = {}
    for date, moods in days.items():
        own = [m for m in moods if m is not None]
        marks[date] = DayMark(len(moods), sum(own) / len(own) if own else None)
    return marks


class JournalPage(QWidget):
    """The place where one writes.

    Signals:
        help_requested: the writer asked for the help lines in full.
    """

    help_requested = Signal()

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._store = services.store
        self._saver = services.saver
        self._deleted: str | None = None
        self._revision = 0
        self._failure = ""
        self._marks_job: Job | None = None
        self._search_job: Job | None = None
        self._crisis = safety.Crisis("none")
        self._crisis_job: Job | None = None
        self._begun = ""
        self._marked: dict[str, tuple[str, Mood | None] | None] = {}
        self._wants_sidebar = True
        self._wants_panel = services.settings.panel_open
        self._panel_last = False
        self._sidebar_asked = False

        self.view = EntryView(services)
        self.panel = ReadingPanel(services.theme, read_only=services.read_only)
        self.model = EntryModel(services.bridge, self)
        columns = QHBoxLayout(self)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(0)
        self._sidebar = self._make_sidebar()
        columns.addWidget(self._sidebar)
        columns.addWidget(self._make_middle(), 1)
        columns.addWidget(self.panel)

        self.view.typed.connect(self._on_typed)
        self.view.paused.connect(self._on_paused)
        self.view.bin_asked.connect(self.delete_entry)
        self.panel.pointed.connect(self.view.editor.mark)
        self.panel.verdict_given.connect(self._on_verdict)
        self.panel.fold_asked.connect(self.toggle_panel)
        self.panel.help.full_asked.connect(self.help_requested)
        self.panel.help.hide_asked.connect(self._hide_help)
        self.panel.help.not_me.connect(self._not_me)
        services.bridge.happened.connect(self._on_event)
        services.frame.settings.listen(self._on_settings)
        self.model.reload()
        self._load_marks()
        services.bridge.query(_tag_names, self.view.set_known_tags)
        self.panel.help.set_own(own_help(services.store))
        self._show_reading()
        if services.read_only:
            services.bridge.query(_newest, self._on_newest)

    # what the workspace calls ------------------------------------------------------------

    def activated(self) -> None:
        """Put the cursor on the page."""
        self.view.editor.setFocus()

    def new_entry(self, local_date: str | None = None) -> None:
        """Show an empty page for now, or for another day; a copy that can only be read takes none."""
        if self._services.read_only:
            return
        today = dt.date.today().isoformat()
        back = local_date is not None and local_date != today
        self.view.begin(NewEntry(local_date, BACKDATED_TIME) if back else NewEntry())
        self._after_open(self.view.local_date)

    def open_entry(self, entry_id: str) -> None:
        """Show a stored entry; the one before is handed to the saver first."""
        if entry_id == self.view.entry_id():
            return
        self.view.flush()
        # The row on disk may be older than words that still wait in the saver.
        if not self._saver.idle:
            self._saver.flush(2.0)
        try:
            entry = self._store.entry(entry_id)
        except DamagedVault:
            self._services.bridge.post(
                JournalDamaged(
                    self.tr(
                        "This entry cannot be read: a part of the journal is damaged. Nothing was changed, and what "
                        "you write is stored as before."
                    )
                )
            )
            return
        except VaultError as error:
            self._say(words.said(error))
            return
        if entry is not None and entry.deleted_utc is None:
            self._revision = entry.revision
            self._begun = entry.id
            self._marked[entry.id] = (entry.local_date, entry.mood)
            self.view.open(entry)
            self._after_open(entry.local_date)

    def show_date(self, local_date: str) -> None:
        """Open the newest entry of a day, or an empty page for it."""
        self.month.select(local_date)
        self.model.ensure_date(local_date)
        first_of = self.model.first_on(local_date)
        if first_of is not None:
            self.open_entry(first_of)
            return

        def newest(store: Store) -> tuple[str, str | None]:
            found = store.entries(start=local_date, end=local_date, limit=1)
            return local_date, found[0].id if found else None

        self._services.bridge.query(newest, self._on_day_found)

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self._wants_sidebar = self._sidebar_asked = True
        self._panel_last = False
        self._fold()
        self._search.setFocus()
        self._search.selectAll()

    def toggle_panel(self) -> None:
        """Fold or unfold the reading panel."""
        self._wants_panel = self.panel.isHidden()
        self._panel_last = self._wants_panel
        self._services.frame.settings.change(panel_open=self._wants_panel)
        self._fold()

    def toggle_sidebar(self) -> None:
        """Fold or unfold calendar and list."""
        self._wants_sidebar = self._sidebar.isHidden()
        self._panel_last = not self._wants_sidebar
        self._sidebar_asked = self._wants_sidebar
        self._fold()

    def flush(self) -> None:
        """Hand every word to the saver."""
        self.view.flush()

    def wipe(self) -> None:
        """Forget every word on show."""
        self._services.frame.settings.forget(self._on_settings)
        self.view.wipe()
        self.model.wipe()
        self.panel.wipe()
        self._search.clear()

    def delete_entry(self) -> None:
        """Move the entry to the bin and offer to take that back."""
        entry_id = self.view.entry_id()
        if self.view.untouched or self._services.read_only:
            return
        self.view.flush()
        self._deleted = self.view.key
        self._saver.delete(self.view.key)
        if entry_id is not None:
            self.model.refresh_entry(None, entry_id)
        self.view.begin(NewEntry())
        self._after_open(self.view.local_date)
        self._undo.show()
        self._undo_timer.start()

    def undo_delete(self) -> None:
        """Bring the last deleted entry back and show it."""
        if self._deleted is None:
            return
        self._saver.restore(self._deleted)
        self._saver.flush(2.0)
        entry_id = self._saver.entry_id(self._deleted)
        self._deleted = None
        self._undo.hide()
        if entry_id is not None:
            self.open_entry(entry_id)

    # pieces ------------------------------------------------------------------------------

    def _make_sidebar(self) -> QWidget:
        side = QWidget(self)
        side.setObjectName("sidebar")
        side.setFixedWidth(SIDEBAR_WIDTH)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 12, 1, 0)
        column.setSpacing(8)
        upper = QWidget()
        inner = QVBoxLayout(upper)
        inner.setContentsMargins(16, 0, 12, 0)
        inner.setSpacing(8)
        self.month = MonthView(self._services.theme, dt.date.today())
        self.month.day_chosen.connect(self.show_date)
        self.month.month_shown.connect(self._load_marks)
        inner.addWidget(self.month)
        line = row(4)
        self._search = QLineEdit()
        self._search.setPlaceholderText(self.tr("Search"))
        self._search.setAccessibleName(self.tr("Search the journal"))
        self._search.setClearButtonEnabled(True)
        self._search.textChanged.connect(self._on_search_typed)
        self._search_timer = QTimer(self)
        self._search_timer.setSingleShot(True)
        self._search_timer.setInterval(SEARCH_AFTER_MS)
        self._search_timer.timeout.connect(self._run_search)
        line.addWidget(self._search, 1)
        if not self._services.read_only:
            line.addWidget(tool("new", self.tr("New entry (Ctrl+N)"), self.new_entry))
        inner.addLayout(line)
        self._found = label("", "hint")
        self._found.hide()
        inner.addWidget(self._found)
        column.addWidget(upper)
        self.list = EntryList(self.model, self._services.theme)
        self.list.opened.connect(self.open_entry)
        column.addWidget(self.list, 1)
        self._nothing = label(
            self.tr("Nothing here yet. The first entry begins with the first word you type."), "quiet"
        )
        self._nothing.setContentsMargins(16, 0, 16, 16)
        self._nothing.hide()
        column.addWidget(self._nothing)
        self.model.settled.connect(self._show_nothing)
        return side

    def _make_middle(self) -> QWidget:
        middle = QWidget(self)
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._message = label("", "note")
        self._message.setContentsMargins(24, 8, 24, 0)
        self._message.hide()
        column.addWidget(self._message)
        self._show_sidebar = tool("journal", self.tr("Calendar and list"), self.toggle_sidebar)
        self._show_panel = tool("panel", self.tr("Reading panel (F9)"), self.toggle_panel)
        self.view.add_edges(self._show_sidebar, self._show_panel)
        column.addWidget(self.view, 1)
        self._undo = QFrame()
        self._undo.setProperty("role", "card")
        undo = QHBoxLayout(self._undo)
        undo.setContentsMargins(16, 6, 8, 6)
        undo.addWidget(label(self.tr("Moved to the bin. It is kept there for 30 days."), "quiet"), 1)
        undo.addWidget(button(self.tr("Undo"), self.undo_delete, "link"))
        self._undo.hide()
        self._undo_timer = QTimer(self)
        self._undo_timer.setSingleShot(True)
        self._undo_timer.setInterval(UNDO_SHOWN_MS)
        self._undo_timer.timeout.connect(self._undo.hide)
        holder = row(0)
        holder.setContentsMargins(24, 0, 24, 12)
        holder.addWidget(self._undo)
        column.addLayout(holder)
        return middle

    # events ------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fold columns before the writing gets too narrow."""
        super().resizeEvent(event)
        self._fold()

    def _fold(self) -> None:
        room = self.width() - PAGE_MIN
        help_needed = self.panel.help.level != "none" and not self.panel.help.isHidden()
        panel = self._wants_panel or help_needed
        sidebar = self._wants_sidebar
        if sidebar and panel and room < SIDEBAR_WIDTH + PANEL_WIDTH:
            # Not both: help first, then whatever was asked for last.
            if help_needed or self._panel_last:
                sidebar = False
            else:
                panel = False
        if room < SIDEBAR_WIDTH and not self._sidebar_asked:
            sidebar = False
        self._sidebar.setVisible(sidebar)
        self.panel.setVisible(panel)
        self._show_sidebar.setVisible(not sidebar)
        self._show_panel.setVisible(not panel)

    def _on_event(self, event: object) -> None:
        if isinstance(event, EntrySaved):
            self._on_saved(event)
        elif isinstance(event, EntryGone):
            self._refresh_row(event.entry_id)
            self._load_marks()
        elif isinstance(event, EntryRead):
            if event.entry_id == self.view.entry_id():
                self._failure = ""
                self._show_reading()
                self._assess()
        elif isinstance(event, ReadingState):
            failure = event.message if event.state == "failed" else ""
            if failure != self._failure:
                self._failure = failure
                self._show_reading()
        elif isinstance(event, SaveFailed) and (event.key == self.view.key or self._saver.failing):
            self.view.failed(event)

    def _on_saved(self, event: EntrySaved) -> None:
        self.view.saved(event.key)
        entry = self._refresh_row(event.entry_id)
        if event.entry_id == self.view.entry_id():
            if entry is not None:
                self._revision = entry.revision
            self.list.select(event.entry_id)
            if self._begun != event.entry_id:
                self._begun = event.entry_id
                self._show_reading()
        # The dots depend on the day and the mood alone: while one types they need not be asked for again.
        mark = (entry.local_date, entry.mood) if entry is not None else None
        if self._marked.get(event.entry_id) != mark:
            self._marked[event.entry_id] = mark
            self._load_marks()

    def _refresh_row(self, entry_id: str) -> Entry | None:
        try:
            entry = self._store.entry(entry_id)
        except VaultError:
            return None
        self.model.refresh_entry(entry, entry_id)
        return entry

    def _on_typed(self) -> None:
        self._failure = ""
        self._nothing.hide()

    def _on_paused(self) -> None:
        self._assess()
        self._show_reading()

    def _after_open(self, local_date: str) -> None:
        self.month.select(local_date)
        self._failure = ""
        self._crisis = safety.Crisis("none")
        self.panel.help.show_crisis(self._crisis, country="", language="", softened=False)
        entry_id = self.view.entry_id()
        if entry_id is not None:
            self.list.select(entry_id)
        else:
            self.list.clearSelection()
            self._revision = 0
        self._assess()
        self._show_reading()
        self.view.editor.setFocus()

    def _say(self, text: str) -> None:
        self._message.setText(text)
        self._message.show()

    def _show_nothing(self) -> None:
        self._nothing.setVisible(self.model.empty and not self._search.text())

    def _on_day_found(self, found: tuple[str, str | None]) -> None:
        local_date, entry_id = found
        if entry_id is not None:
            self.open_entry(entry_id)
        else:
            self.new_entry(local_date)

    def _on_newest(self, entry_id: str) -> None:
        if entry_id:
            self.open_entry(entry_id)

    def _load_marks(self, *_range: str) -> None:
        if self._marks_job is not None:
            self._marks_job.cancel()
        start, end = self.month.range()

        def marks(store: Store) -> dict[str, DayMark]:
            return month_marks(store, start, end)

        self._marks_job = self._services.bridge.query(marks, self.month.set_marks)

    # search ------------------------------------------------------------------------------

    def _on_search_typed(self, text: str) -> None:
        if text.strip():
            self._search_timer.start()
        else:
            self._search_timer.stop()
            if self._search_job is not None:
                self._search_job.cancel()
            self._found.hide()
            self.model.end_search()

    def _run_search(self) -> None:
        query = self._search.text().strip()
        if self._search_job is not None:
            self._search_job.cancel()

        def search(store: Store) -> list[SearchHit]:
            return store.search(query)

        if query:
            self._search_job = self._services.bridge.query(search, self._on_hits, self._on_search_failed)

    def _on_hits(self, hits: list[SearchHit]) -> None:
        self.model.show_hits(hits)
        count = len(hits)
        self._found.setText(
            self.tr("No entry has these words.")
            if count == 0
            else self.tr("1 entry")
            if count == 1
            else self.tr("{0} entries").format(count)
        )
        self._found.show()
        self._nothing.hide()

    def _on_search_failed(self, _error: Exception) -> None:
        self._found.setText(self.tr("The search did not work. Nothing was changed; try again."))
        self._found.show()

    # reading and help --------------------------------------------------------------------

    def _show_reading(self) -> None:
        entry_id = self.view.entry_id()
        analysis, corrections = None, []
        if entry_id is not None:
            try:
                analysis, corrections = self._store.analysis(entry_id), self._store.corrections(entry_id)
            except VaultError:
                pass  # a failing disk is said once, by the saver
        reflection = None
        library = self._services.library
        if analysis is not None and analysis.reflection_id and library is not None:
            reflection = library.by_id(analysis.reflection_id, language_of(self.view.editor.text()[:2000]))
        if self._services.read_only and analysis is None:
            self.panel.show_state(PanelState("copy"))
            return
        current = self._revision + 1 if self.view.unsaved else self._revision
        self.panel.show_state(
            panel_state(
                analysis,
                corrections,
                reading_on=self._services.settings.read_entries,
                read_me=self.view.read_me,
                begun=entry_id is not None,
                installed=self._services.reader is not None or self._services.read_only,
                current_revision=current,
                reflection=reflection,
                failure=self._failure,
            )
        )

    def _on_verdict(self, task: str, name: str, verdict: str) -> None:
        if verdict:
            self._saver.correct(self.view.key, task, name, verdict)
        else:
            self._saver.take_back(self.view.key, task, name)

    def _assess(self) -> None:
        text = self.view.editor.text()
        if self._crisis_job is not None:
            self._crisis_job.cancel()
        self._crisis_job = self._services.bridge.run(
            lambda: safety.assess(text), self._on_assessed, self._on_not_assessed
        )

    def _on_not_assessed(self, _error: Exception) -> None:
        """Go by the level stored with the entry when the phrase files cannot be read; writing goes on."""
        entry_id, stored = self.view.entry_id(), None
        if entry_id is not None:
            with contextlib.suppress(VaultError):
                stored = self._store.analysis(entry_id)
        level: CrisisLevel = "none"
        for known in CRISIS_LEVELS:
            if stored is not None and stored.crisis_level == known:
                level = known
        self._on_assessed(safety.Crisis(level))

    def _on_assessed(self, crisis: safety.Crisis) -> None:
        entry_id = self.view.entry_id()
        softened = False
        if entry_id is not None:
            try:
                analysis, corrections = self._store.analysis(entry_id), self._store.corrections(entry_id)
            except VaultError:
                analysis, corrections = None, []
            if analysis is not None and "model" in analysis.crisis_reasons and crisis.level == "none":
                crisis = safety.Crisis("gentle", ("model",), ("suicide",))
            rank = LEVELS.index(crisis.level)
            given = {c.verdict for c in corrections if c.task == "crisis" and LEVELS.index(c.label) >= rank}
            if "remove" in given:
                crisis = safety.Crisis("none")
            softened = "not_me" in given
        self._crisis = crisis
        self.panel.help.show_crisis(
            crisis,
            country=country_of(self._services.settings.country),
            language=language_of(self.view.editor.text()[:4000]),
            softened=softened,
        )
        self._fold()

    def _hide_help(self) -> None:
        if not self._services.read_only:
            self._saver.correct(self.view.key, "crisis", self._crisis.level, "remove")
        self.panel.help.show_crisis(safety.Crisis("none"), country="", language="", softened=False)
        self._fold()

    def _not_me(self) -> None:
        if not self._services.read_only:
            self._saver.correct(self.view.key, "crisis", self._crisis.level, "not_me")
        self.panel.help.show_crisis(
            self._crisis, country=country_of(self._services.settings.country), language="", softened=True
        )

    def _on_settings(self, settings: Settings) -> None:
        if settings.panel_open != self._wants_panel:
            self._wants_panel = settings.panel_open
            self._fold()
        self._show_reading()
        self._assess()  # another country has other lines


def own_help(store: Store) -> str:
    """Return the people and numbers that the writer pinned, or nothing while the disk refuses."""
    try:
        return str(store.setting(OWN_HELP, ""))
    except VaultError:
        return ""


def _newest(store: Store) -> str:
    found = store.entries(limit=1)
    return found[0].id if found else ""


def _tag_names(store: Store) -> list[str]:
    return [name for name, _count in store.all_tags()]
