"""Settings: locking, reading, appearance, languages, help lines, and what this is.

The ways to open the journal are in ``settings_security``, its backups in ``settings_backups``.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from journal_app import __version__
from journal_app.inference.engine import ModelError, ModelInfo
from journal_app.journal import safety
from journal_app.ui import i18n
from journal_app.ui.bridge import EntryRead, ReadingState
from journal_app.ui.clipboard import BriefClipboard
from journal_app.ui.code_pages import CONFIRMED, CodePages
from journal_app.ui.help_card import country_name, country_of, language_name
from journal_app.ui.services import Services
from journal_app.ui.settings_backups import BackupsSection
from journal_app.ui.settings_security import WaysSection
from journal_app.ui.silence_page import SilenceSection
from journal_app.ui.theme import book_faces
from journal_app.ui.widgets import add_all, button, card, centred, label, row, scroll
from journal_app.vault.records import Store

WIDTH = 680


class SettingsPage(QWidget):
    """One column of cards; every change takes effect at once and needs no button.

    Signals:
        language_chosen: another language for the window. lock_now: lock the journal.
        rotate_asked: a new encryption key is wanted; the passphrase.
    """

    language_chosen = Signal(str)
    lock_now = Signal()
    rotate_asked = Signal(str)

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._keeper = services.frame.settings
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        body, inner = centred(WIDTH, 16)
        inner.addWidget(label(self.tr("Settings"), "title"))
        self._make_security(self._section(inner, self.tr("Security")))
        self._make_keys(inner)
        self._make_reading(self._section(inner, self.tr("Reading")))
        self.silence = SilenceSection(services)
        self._section(inner, self.tr("Proof of silence")).addWidget(self.silence)
        self._make_appearance(self._section(inner, self.tr("Appearance")))
        self._make_languages(self._section(inner, self.tr("Languages and help lines")))
        self._make_about(self._section(inner, self.tr("About Quiet Page")))
        inner.addStretch(1)
        self._area = scroll(body)
        self._clipboard = BriefClipboard(self)
        self._code = CodePages(
            self._clipboard,
            self.tr("Done"),
            self.tr("Not now"),
            self.tr("The old code has stopped working; without this one, you are given another at the next unlock."),
        )
        self._code.confirmed.connect(self._on_code)
        self._code.later.connect(self._on_code_later)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._area)
        self._pages.addWidget(self._code)
        outer.addWidget(self._pages)
        services.bridge.happened.connect(self._on_event)

    def activated(self) -> None:
        """Bring what may have changed up to date."""
        self._show_model()
        for section in (self.ways, self.backups, self.silence):
            if section is not None:
                section.activated()

    def wipe(self) -> None:
        """Forget what was typed and shown."""
        if self.ways is not None:
            self.ways.wipe()
        self._code.wipe()
        self._clipboard.empty()

    def _section(self, inner: QVBoxLayout, title: str) -> QVBoxLayout:
        frame, column = card(margin=20, spacing=12)
        column.addWidget(label(title, "heading"))
        inner.addWidget(frame)
        return column

    def _field(self, grid: QGridLayout, title: str, widget: QWidget) -> None:
        number = grid.rowCount()
        widget.setAccessibleName(title)
        if isinstance(widget, QSpinBox):
            widget.lineEdit().setTextMargins(8, 0, 0, 0)  # style sheets do not reach inside
        grid.addWidget(label(title, wrap=False), number, 0)
        grid.addWidget(widget, number, 1, Qt.AlignmentFlag.AlignLeft)

    @staticmethod
    def _grid(column: QVBoxLayout) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(10)
        grid.setColumnStretch(1, 1)
        column.addLayout(grid)
        return grid

    # security ----------------------------------------------------------------------------

    def _make_security(self, column: QVBoxLayout) -> None:
        grid = self._grid(column)
        self._minutes = QSpinBox()
        self._minutes.setRange(1, 240)
        self._minutes.setValue(self._services.settings.lock_minutes)
        self._minutes.setSuffix(self.tr(" minutes"))
        self._minutes.valueChanged.connect(self._on_minutes)
        self._field(grid, self.tr("Lock when nobody writes for"), self._minutes)
        line = row(8)
        line.addWidget(button(self.tr("Lock now"), self.lock_now.emit))
        line.addStretch(1)
        column.addLayout(line)

    def _make_keys(self, inner: QVBoxLayout) -> None:
        """Add what a journal of one's own has: its keys and its backups."""
        self.ways: WaysSection | None = None
        self.backups: BackupsSection | None = None
        if self._services.read_only or self._services.sample:
            said = (
                self.tr("A rescued copy opens with what opened the damaged journal. It has no backups of its own.")
                if self._services.read_only
                else self.tr("The sample is thrown away when you lock it, so it has no passphrase and no backups.")
            )
            self._section(inner, self.tr("Ways to open this journal")).addWidget(label(said))
            return
        self.ways = WaysSection(self._services)
        self.ways.code_made.connect(self._show_code)
        self.ways.rotate_asked.connect(self.rotate_asked)
        self._section(inner, self.tr("Ways to open this journal")).addWidget(self.ways)
        self.backups = BackupsSection(self._services)
        self._section(inner, self.tr("Backups")).addWidget(self.backups)

    def show_backups(self) -> None:
        """Scroll to the backups."""
        if self.backups is not None:
            self._area.ensureWidgetVisible(self.backups, 0, 40)

    def _show_code(self, code: str) -> None:
        self._code.show_code(code)
        self._pages.setCurrentWidget(self._code)

    def _on_code(self) -> None:
        self._services.saver.set_setting(CONFIRMED, True)
        self._end_code(confirmed=True)

    def _on_code_later(self) -> None:
        self._end_code(confirmed=False)

    def _end_code(self, *, confirmed: bool) -> None:
        self._code.wipe()
        self._clipboard.empty()
        self._pages.setCurrentIndex(0)
        if self.ways is not None:
            self.ways.code_confirmed(confirmed)

    def _on_minutes(self, minutes: int) -> None:
        self._keeper.change(lock_minutes=minutes)

    # reading -----------------------------------------------------------------------------

    def _make_reading(self, column: QVBoxLayout) -> None:
        self._model, self._progress = label("", "quiet"), label("", "hint")
        if self._services.read_only:
            column.addWidget(label(self.tr("A rescued copy is not read by the model.")))
            return
        self._reading = QCheckBox(self.tr("Read my entries, on this computer"))
        self._reading.setChecked(self._services.settings.read_entries)
        self._reading.toggled.connect(self._on_reading)
        add_all(
            column,
            self._reading,
            label(
                self.tr(
                    "The model runs in a process of its own without a network. With reading off no feelings, stress or "
                    "low-mood signs are estimated; help lines are still offered when an entry asks for them."
                ),
                "hint",
            ),
            self._model,
        )
        line = row(8)
        line.addWidget(button(self.tr("Read every entry again"), self._read_again))
        line.addStretch(1)
        column.addLayout(line)
        column.addWidget(self._progress)
        self._progress.hide()

    def _on_reading(self, on: bool) -> None:
        self._keeper.change(read_entries=on)
        self._services.set_reading(on)
        if on:
            self._services.read_everything_again()
        self._show_model()

    def _read_again(self) -> None:
        if self._services.settings.read_entries:
            self._services.read_everything_again()
            self._progress.setText(self.tr("Every entry is read again, newest first."))
            self._progress.show()

    def _show_model(self) -> None:
        reader = self._services.reader
        if reader is None:
            off = not self._services.settings.read_entries
            self._model.setText(
                self.tr("Reading is off.") if off else self.tr("No model is installed; the rules for help still work.")
            )
            return
        self._services.bridge.run(reader.info, self._on_info, self._on_info_failed)

    def _on_info(self, info: ModelInfo) -> None:
        manifest = info.manifest
        languages = ", ".join(language_name(code) for code in manifest.languages)
        self._model.setText(
            self.tr("Model: {0}, {1:.0f} MB. It reads {2}. Licence: {3}. Checksum {4}.").format(
                manifest.name, info.bytes / 1e6, languages, manifest.licence, info.sha256[:12]
            )
        )

    def _on_info_failed(self, error: Exception) -> None:
        said = str(error) if isinstance(error, ModelError) else ""
        self._model.setText(self.tr("The model cannot be loaded. {0} Your journal is not affected.").format(said))

    def _on_event(self, event: object) -> None:
        if isinstance(event, ReadingState) and event.state == "reading" and event.waiting:
            self._progress.setText(self.tr("{0} entries wait to be read.").format(event.waiting))
            self._progress.show()
        elif isinstance(event, ReadingState) and event.state == "idle":
            self._progress.hide()
        elif isinstance(event, EntryRead):
            pass

    # appearance --------------------------------------------------------------------------

    def _make_appearance(self, column: QVBoxLayout) -> None:
        settings = self._services.settings
        grid = self._grid(column)
        self._theme = QComboBox()
        for code, name in (
            ("system", self.tr("As the system")),
            ("light", self.tr("Light")),
            ("dark", self.tr("Dark")),
            ("contrast", self.tr("High contrast")),
        ):
            self._theme.addItem(name, code)
        self._theme.setCurrentIndex(self._theme.findData(settings.theme))
        self._theme.activated.connect(self._on_appearance)
        self._field(grid, self.tr("Theme"), self._theme)
        self._font = QComboBox()
        self._font.addItem(self.tr("The best book face that is installed"), "")
        for family in book_faces():
            self._font.addItem(family, family)
        self._font.setCurrentIndex(max(0, self._font.findData(settings.writing_font)))
        self._font.activated.connect(self._on_appearance)
        self._field(grid, self.tr("Font of the page"), self._font)
        self._size, self._width = QSpinBox(), QSpinBox()
        self._size.setRange(12, 32)
        self._size.setValue(settings.writing_size)
        self._width.setRange(40, 100)
        self._width.setValue(settings.writing_width)
        self._width.setSuffix(self.tr(" characters"))
        for box in (self._size, self._width):
            box.valueChanged.connect(self._on_appearance)
        self._field(grid, self.tr("Size of the writing"), self._size)
        self._field(grid, self.tr("Length of a line"), self._width)

    def _on_appearance(self, *_value: object) -> None:
        self._keeper.change(
            theme=str(self._theme.currentData()),
            writing_font=str(self._font.currentData()),
            writing_size=self._size.value(),
            writing_width=self._width.value(),
        )

    # languages ---------------------------------------------------------------------------

    def _make_languages(self, column: QVBoxLayout) -> None:
        grid = self._grid(column)
        self._language = QComboBox()
        for code in i18n.available():
            self._language.addItem(i18n.NAMES[code], code)
        self._language.setCurrentIndex(max(0, self._language.findData(i18n.chosen(self._services.settings.language))))
        self._language.activated.connect(self._on_language)
        self._field(grid, self.tr("Language of the window"), self._language)
        self._country = QComboBox()
        current = country_of(self._services.settings.country)
        codes = set(safety.countries()) | ({current} if current else set())
        for code in sorted(codes, key=country_name):
            self._country.addItem(country_name(code), code)
        self._country.setCurrentIndex(max(0, self._country.findData(current)))
        self._country.activated.connect(self._on_country)
        self._field(grid, self.tr("Country for help lines"), self._country)

    def _on_language(self) -> None:
        self.language_chosen.emit(str(self._language.currentData()))

    def _on_country(self) -> None:
        self._keeper.change(country=str(self._country.currentData()))

    # about -------------------------------------------------------------------------------

    def _make_about(self, column: QVBoxLayout) -> None:
        add_all(
            column,
            label(
                self.tr(
                    "Quiet Page is not a medical device and makes no diagnosis. Its estimates describe a text, not a "
                    "person, and may be wrong: the model learned from public posts, which are not diaries. If you are "
                    "worried about yourself, talk with somebody you trust or with a professional."
                )
            ),
            label(self.tr("Version {0}. Free software under the GPL, version 3 or later.").format(__version__), "hint"),
        )
        self._checked = label("", "hint")
        line = row(8)
        line.addWidget(button(self.tr("Check the journal"), self._verify))
        line.addStretch(1)
        column.addLayout(line)
        column.addWidget(self._checked)
        self._checked.hide()

    def _verify(self) -> None:
        self._checked.setText(self.tr("Checking every page of the journal…"))
        self._checked.show()

        def check(store: Store) -> tuple[bool, int, int]:
            report = store.verify()
            return report.ok, report.entries, len(report.problems)

        self._services.bridge.query(check, self._on_checked, self._on_check_failed)

    def _on_checked(self, report: tuple[bool, int, int]) -> None:
        ok, entries, problems = report
        self._checked.setText(
            self.tr("All is well: {0} entries, every page as it was written.").format(entries)
            if ok
            else self.tr("{0} problems were found. Nothing was changed. Make a copy of the folder first.").format(
                problems
            )
        )

    def _on_check_failed(self, _error: Exception) -> None:
        self._checked.setText(self.tr("The journal could not be checked. Nothing was changed."))
