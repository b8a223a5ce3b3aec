"""Share: choose what goes into the therapist summary, see its true pages, save them.

The builder makes ``summary.Choices``; the bridge's work lane turns them into laid-out pages; the
preview paints the very runs of text and charts that the PDF is written from. Nothing is ticked but
the marks "for my therapist", which the writer set by hand.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QDate, QLocale, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDateEdit,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from journal_app import assets
from journal_app.journal import summary as summaries
from journal_app.journal import trends
from journal_app.journal.summary import Candidates, Choices, Quote
from journal_app.ui.bridge import EntryGone, EntryRead, EntrySaved, Job
from journal_app.ui.services import Services
from journal_app.ui.theme import Theme
from journal_app.ui.widgets import button, clear, column, label, row, scroll
from journal_app.vault.records import DayRow, Store

if TYPE_CHECKING:
    from journal_app.exchange.pages import Chart, Laid, Page

BUILDER_WIDTH = 400
PREVIEW_PAUSE_MS = 350
CHANGE_PAUSE_MS = 1500
CHART_DPI = 160.0
MAX_PAGE_WIDTH = 760
LIST_HEIGHT = 190
WEEKS = (1, 2, 4, 13, 26)
DEFAULT_WEEKS = 4
_FINE = 16
"""Text is painted on a grid this much finer than a point, because Qt's font sizes are whole pixels."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the reading lane brings: rows of the period and the one before, and what may be ticked."""

    rows: tuple[DayRow, ...]
    candidates: Candidates


@dataclass(frozen=True, slots=True)
class Preview:
    """Pages as they will leave, and their charts as pictures in the same places."""

    laid: Laid
    pictures: tuple[tuple[Chart, bytes], ...]


def load(store: Store, start: str, end: str) -> Material:
    """Read what a summary of ``start`` .. ``end`` can be made of; runs on the reading lane."""
    before, _ = trends.previous(start, end)
    entries = store.entries(start=start, end=end)
    return Material(tuple(store.days(start=before, end=end)), summaries.suggest(entries, start, end))


def make_summary(material: Material, choices: Choices) -> summaries.Summary:
    """Return the summary of what was ticked, in the window's language."""
    return summaries.build(
        material.rows, choices, made_on=dt.date.today().isoformat(), translate=QCoreApplication.translate
    )


def make_preview(
    material: Material, choices: Choices, language: str, known: tuple[tuple[Chart, bytes], ...]
) -> Preview:
    """Lay the pages out and draw their charts, reusing pictures of ``known``; runs on the work lane."""
    from journal_app.exchange import document, pages, pdf

    translate = QCoreApplication.translate
    laid = pages.layout(document.from_summary(make_summary(material, choices), translate, language=language))
    pictures: list[tuple[Chart, bytes]] = []
    for page in laid.pages:
        for chart in page.charts:
            same = (
                data
                for old, data in known
                if (old.key, old.width, old.height) == (chart.key, chart.width, chart.height)
                and old.trend == chart.trend
            )
            pictures.append((chart, next(same, None) or pdf.chart_png(chart, translate, CHART_DPI)))
    return Preview(laid, tuple(pictures))


def write_file(material: Material, choices: Choices, language: str, path: Path) -> None:
    """Write the summary to ``path`` as PDF, or as HTML when it ends so; runs on the work lane.

    Raises OSError when the place cannot be written.
    """
    value = make_summary(material, choices)
    if path.suffix.lower() in (".html", ".htm"):
        from journal_app.exchange import html

        data = html.summary(value, QCoreApplication.translate, language=language).encode()
    else:
        from journal_app.exchange import pdf

        data = pdf.summary(value, QCoreApplication.translate, language=language)
    path.write_bytes(data)


class PageView(QWidget):
    """One page of the summary, painted from the same runs as the PDF."""

    def __init__(self, page: Page, preview: Preview, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        from journal_app.exchange import pages

        self._page = page
        self._fonts = preview.laid.fonts
        self._size = (pages.WIDTH, pages.HEIGHT)
        self._pictures = [(chart, QImage.fromData(data)) for chart, data in preview.pictures if chart in page.charts]
        self._cuts: dict[tuple[str, float], QFont] = {}
        self.setAccessibleName(self.tr("Page of the summary"))
        self.setAccessibleDescription(pages.words([page]))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def fit(self, width: int) -> None:
        """Take ``width`` pixels and the height that an A4 page has then."""
        self.setFixedSize(QSize(width, round(width * self._size[1] / self._size[0])))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint paper, rules, charts and text."""
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.TextAntialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), QColor("#FFFFFF"))
        painter.save()
        scale = self.width() / self._size[0]
        painter.scale(scale, scale)
        for box in self._page.boxes:
            painter.fillRect(QRectF(box.x, box.y, box.width, box.height), QColor(box.colour))
        for chart, picture in self._pictures:
            painter.drawImage(QRectF(chart.x, chart.y, chart.width, chart.height), picture)
        painter.scale(1 / _FINE, 1 / _FINE)
        for text in self._page.texts:
            painter.setFont(self._font(text.face, text.size))
            painter.setPen(QColor(text.colour))
            painter.drawText(round(text.x * _FINE), round(text.y * _FINE), text.text)
        painter.restore()
        painter.setPen(QPen(self.palette().mid().color(), 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _font(self, face: str, size: float) -> QFont:
        if (face, size) not in self._cuts:
            file = self._fonts.face(face).file
            if not QFontDatabase.hasFamily(file.family):
                QFontDatabase.addApplicationFont(file.path)
            made = QFont(file.family)
            made.setPixelSize(round(size * _FINE))
            made.setItalic(face == "italic")
            made.setBold(face == "sans-bold")
            made.setKerning(False)
            made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
            self._cuts[face, size] = made
        return self._cuts[face, size]


class QuoteList(QListWidget):
    """Sentences to tick, each with its date; nothing is ticked unless it was before or is a mark."""

    def __init__(self, name: str, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName(name)
        self.setWordWrap(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSpacing(1)
        self.restyle()
        theme.changed.connect(self.restyle)

    def restyle(self) -> None:
        """Draw the boxes in the theme's colours: a view's boxes do not follow those of check boxes."""
        c = self._theme.palette
        tick = assets.path("icons", "tick-dark.svg" if self._theme.dark else "tick-light.svg").as_posix()
        self.setStyleSheet(f"""
            QListView {{ font-size: 13px; }}
            QListView::item {{ padding: 5px 4px; border-radius: 6px; border: 1px solid transparent; color: {c.ink}; }}
            QListView::item:selected {{ background: transparent; color: {c.ink}; }}
            QListView::item:selected:active {{ border: 1px solid {c.accent}; }}
            QListView::indicator {{ width: 16px; height: 16px; border: 1px solid {c.quiet_ink}; border-radius: 5px;
                background: {c.card}; }}
            QListView::indicator:checked {{ background: {c.accent}; border-color: {c.accent}; image: url("{tick}"); }}
        """)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Be as high as the sentences need, up to a limit."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        need = sum(self.sizeHintForRow(i) + 2 * self.spacing() for i in range(self.count())) + 8
        height = min(LIST_HEIGHT, need)
        if self.maximumHeight() != height:
            self.setFixedHeight(height)

    def show_quotes(self, quotes: tuple[Quote, ...], *, ticked: bool = False) -> None:
        """Show ``quotes``; those that were ticked stay ticked, new ones are ticked only if told."""
        before = {self._quote(i): self.item(i).checkState() for i in range(self.count())}
        self.blockSignals(True)
        self.clear()
        default = Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
        for quote in quotes:
            date = trends.short_date(quote.date, QCoreApplication.translate)
            item = QListWidgetItem(f"{date}  \u2013  {quote.text}")
            item.setData(Qt.ItemDataRole.UserRole, quote)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(before.get(quote, default))
            self.addItem(item)
        self.blockSignals(False)
        self.setVisible(bool(quotes))
        self._fit()

    def ticked(self) -> tuple[Quote, ...]:
        """Return what is ticked."""
        return tuple(self._quote(i) for i in range(self.count()) if self.item(i).checkState() == Qt.CheckState.Checked)

    def _quote(self, i: int) -> Quote:
        return self.item(i).data(Qt.ItemDataRole.UserRole)


class Builder(QWidget):
    """Everything that the writer decides about one summary."""

    changed = Signal()
    period_changed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._rows = column(self, margin=24, spacing=8)
        self._make_period()
        self._heading(self.tr("What I want to talk about"))
        self.talk_note = self._note(self.tr("In my own words, for instance three things"))
        self.talk = self._quotes(self.tr("Entries that I marked"))
        self._no_marks = label(self.tr("Mark an entry \u201cfor my therapist\u201d and it is offered here."), "hint")
        self._rows.addWidget(self._no_marks)
        self._heading(self.tr("My own ratings"))
        self.ratings = self._check(self.tr("Mood, with a chart"), on=True)
        self._heading(self.tr("What went worse"))
        self.worse_note = self._note(self.tr("In my own words"))
        self.worse = self._quotes(self.tr("Sentences to tick for what went worse"))
        self._heading(self.tr("What helped"))
        self.helped_note = self._note(self.tr("In my own words"))
        self.helped = self._quotes(self.tr("Sentences to tick for what helped"))
        self._heading(self.tr("Safety"))
        self.safety = self._check(self.tr("Add a section on safety"))
        self.safety_note = self._note(self.tr("In my own words, as much or as little as I like"))
        self.safety_note.hide()
        self.safety.toggled.connect(self.safety_note.setVisible)
        self._heading(self.tr("Names to black out"))
        self.hide_names = QLineEdit()
        self.hide_names.setPlaceholderText(self.tr("Names, with commas between"))
        self.hide_names.setAccessibleName(self.tr("Names to black out"))
        self.hide_names.textChanged.connect(self.changed)
        self._rows.addWidget(self.hide_names)
        self._heading(self.tr("Page 2"))
        self.estimates = self._check(self.tr("Add estimates made by the model"))
        self._rows.addWidget(
            label(
                self.tr("They describe words, may be wrong, and are marked as estimates. Off unless you want it."),
                "hint",
            )
        )
        self._rows.addStretch(1)

    def choices(self) -> Choices:
        """Return what is ticked and written now."""
        return Choices(
            start=self.start.date().toString("yyyy-MM-dd"),
            end=self.end.date().toString("yyyy-MM-dd"),
            talk=self.talk.ticked(),
            talk_note=self.talk_note.toPlainText(),
            ratings=self.ratings.isChecked(),
            worse=self.worse.ticked(),
            worse_note=self.worse_note.toPlainText(),
            helped=self.helped.ticked(),
            helped_note=self.helped_note.toPlainText(),
            safety=self.safety.isChecked(),
            safety_note=self.safety_note.toPlainText() if self.safety.isChecked() else "",
            estimates=self.estimates.isChecked(),
            hide=tuple(
                name.strip() for name in self.hide_names.text().replace("\u3001", ",").split(",") if name.strip()
            ),
        )

    def show_candidates(self, candidates: Candidates) -> None:
        """Offer what the period holds; ticks on sentences that are still offered stay."""
        self.talk.show_quotes(candidates.talk, ticked=True)
        self._no_marks.setVisible(not candidates.talk)
        self.worse.show_quotes(candidates.worse)
        self.helped.show_quotes(candidates.helped)

    def wipe(self) -> None:
        """Forget every word."""
        for note in (self.talk_note, self.worse_note, self.helped_note, self.safety_note):
            note.clear()
            note.document().clearUndoRedoStacks()
        for quotes in (self.talk, self.worse, self.helped):
            quotes.clear()
        self.hide_names.clear()

    def _make_period(self) -> None:
        self._rows.addWidget(label(self.tr("Share"), "title", wrap=False))
        self._rows.addWidget(label(self.tr("A summary for a therapist, made only of what you tick."), "quiet"))
        self._heading(self.tr("Which days"))
        self.length = QComboBox()
        self.length.setAccessibleName(self.tr("How far back"))
        names = {
            1: self.tr("The last week"),
            2: self.tr("The last two weeks"),
            4: self.tr("The last four weeks"),
            13: self.tr("The last three months"),
            26: self.tr("The last six months"),
        }
        for weeks in WEEKS:
            self.length.addItem(names[weeks], weeks)
        self.length.addItem(self.tr("Other dates"), 0)
        self.length.setCurrentIndex(WEEKS.index(DEFAULT_WEEKS))
        self._rows.addWidget(self.length)
        today = QDate.currentDate()
        self.start = self._date(today.addDays(1 - 7 * DEFAULT_WEEKS), self.tr("First day"))
        self.end = self._date(today, self.tr("Last day"))
        dates = row()
        dates.addWidget(self.start, 1)
        dates.addWidget(label("\u2013", "quiet", wrap=False))
        dates.addWidget(self.end, 1)
        self._rows.addLayout(dates)
        self.length.currentIndexChanged.connect(self._length_chosen)

    def _date(self, value: QDate, name: str) -> QDateEdit:
        made = QDateEdit(value)
        made.setCalendarPopup(True)
        made.setDisplayFormat(self.tr("d MMM yyyy"))
        made.setAccessibleName(name)
        made.dateChanged.connect(self._date_edited)
        return made

    def _length_chosen(self) -> None:
        weeks = int(self.length.currentData())
        if not weeks:
            self.start.setFocus()
            return
        today = QDate.currentDate()
        for edit, value in ((self.start, today.addDays(1 - 7 * weeks)), (self.end, today)):
            edit.blockSignals(True)
            edit.setDate(value)
            edit.blockSignals(False)
        self.period_changed.emit()

    def _date_edited(self) -> None:
        self.length.blockSignals(True)
        self.length.setCurrentIndex(len(WEEKS))
        self.length.blockSignals(False)
        if self.start.date() > self.end.date():
            other = self.end if self.sender() is self.start else self.start
            other.blockSignals(True)
            other.setDate(self.start.date() if other is self.end else self.end.date())
            other.blockSignals(False)
        self.period_changed.emit()

    def _heading(self, text: str) -> None:
        self._rows.addSpacing(10)
        self._rows.addWidget(label(text, "heading"))
        self._last_heading = text

    def _note(self, hint: str) -> QPlainTextEdit:
        made = QPlainTextEdit()
        made.setPlaceholderText(hint)
        made.setAccessibleName(f"{self._last_heading}: {hint}")
        made.setTabChangesFocus(True)
        made.setFixedHeight(64)
        made.textChanged.connect(self.changed)
        self._rows.addWidget(made)
        return made

    def _quotes(self, name: str) -> QuoteList:
        made = QuoteList(name, self._theme)
        made.hide()
        made.itemChanged.connect(self._ticked)
        self._rows.addWidget(made)
        return made

    def _check(self, text: str, *, on: bool = False) -> QCheckBox:
        made = QCheckBox(text)
        made.setChecked(on)
        made.toggled.connect(self._ticked)
        self._rows.addWidget(made)
        return made

    def _ticked(self, _what: object = None) -> None:
        self.changed.emit()


class SharePage(QWidget):
    """The Share place: builder on the left, the true pages on the right."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._material: Material | None = None
        self._preview: Preview | None = None
        self._loading: Job | None = None
        self._drawing: Job | None = None
        self._pause = self._timer(PREVIEW_PAUSE_MS, self._draw)
        self._changes = self._timer(CHANGE_PAUSE_MS, self._refresh_if_seen)
        frame = QHBoxLayout(self)
        frame.setContentsMargins(0, 0, 0, 0)
        frame.setSpacing(0)
        self.builder = Builder(services.theme)
        self.builder.changed.connect(self._on_changed)
        self.builder.period_changed.connect(self.refresh)
        left = QWidget()
        left.setFixedWidth(BUILDER_WIDTH)
        inside = column(left, spacing=0)
        inside.addWidget(scroll(self.builder), 1)
        inside.addWidget(self._make_foot())
        frame.addWidget(left)
        frame.addWidget(self._make_right(), 1)
        services.bridge.event.connect(self._on_event)

    @property
    def preview(self) -> Preview | None:
        """The pages that are shown."""
        return self._preview

    @property
    def said(self) -> str:
        """What the page last told about saving."""
        return self._said.text()

    def activated(self) -> None:
        """Load again whenever the place is shown."""
        self.refresh()

    def refresh(self) -> None:
        """Read the period and offer what it holds."""
        if self._loading is not None:
            self._loading.cancel()
        choices = self.builder.choices()
        start, end = choices.start, choices.end

        def work(store: Store) -> Material:
            return load(store, start, end)

        self._loading = self._services.bridge.query(work, self._on_loaded, self._on_failed)

    def save(self, path: Path) -> None:
        """Write the summary as it is ticked now to ``path`` (.pdf or .html)."""
        if self._material is None:
            return
        material, choices, language = self._material, self.builder.choices(), self._language()

        def work() -> None:
            write_file(material, choices, language, path)

        self._say(self.tr("Saving\u2026"))
        self._services.bridge.run(work, self._on_saved, self._on_save_failed)

    def wipe(self) -> None:
        """Forget everything that came from the journal, pages still on their way included."""
        self._pause.stop()
        self._changes.stop()
        for job in (self._loading, self._drawing):
            if job is not None:
                job.cancel()
        self._material = None
        self._preview = None
        self.builder.wipe()
        self._pause.stop()
        clear(self._pages)

    def blur_text(self, on: bool) -> None:
        """Hide the words while the journal is hidden from others' eyes."""
        self.builder.setVisible(not on)
        self._right_body.setVisible(not on)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let the pages take the room that there is."""
        super().resizeEvent(event)
        self._fit()

    def _timer(self, pause: int, slot: object) -> QTimer:
        made = QTimer(self)
        made.setSingleShot(True)
        made.setInterval(pause)
        made.timeout.connect(slot)
        return made

    def _make_foot(self) -> QWidget:
        foot = QWidget()
        inside = column(foot, margin=16, spacing=8)
        buttons = row()
        self._pdf = button(self.tr("Save as PDF\u2026"), self._ask_pdf, "primary")
        self._html = button(self.tr("Save as HTML\u2026"), self._ask_html)
        buttons.addWidget(self._pdf, 1)
        buttons.addWidget(self._html, 1)
        inside.addLayout(buttons)
        self._letters = label(
            self.tr("Some letters have no font on this computer and stand as ? on the page. The HTML file keeps them."),
            "note",
        )
        self._letters.hide()
        inside.addWidget(self._letters)
        self._updating = label(self.tr("The pages are being drawn again\u2026"), "hint")
        self._updating.hide()
        inside.addWidget(self._updating)
        self._said = label(self.tr("The file is not encrypted: anyone who has it can read it."), "hint")
        inside.addWidget(self._said)
        return foot

    def _make_right(self) -> QWidget:
        self._right_body = QWidget()
        self._pages = QVBoxLayout(self._right_body)
        self._pages.setContentsMargins(32, 24, 32, 32)
        self._pages.setSpacing(20)
        self._area = scroll(self._right_body)
        self._area.setObjectName("sunken")
        self._right_body.setObjectName("sunken")
        self._right_body.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        return self._area

    def _ask_pdf(self) -> None:
        self._ask("pdf")

    def _ask_html(self) -> None:
        self._ask("html")

    def _ask(self, form: str) -> None:
        title = self.tr("Save the summary, readable by anyone who has the file")
        name, _ = QFileDialog.getSaveFileName(
            self, title, f"{self.tr('summary')}-{summaries.today()}.{form}", f"*.{form}"
        )
        if name:
            path = Path(name)
            self.save(path if path.suffix.lower() == f".{form}" else path.with_name(f"{path.name}.{form}"))

    def _language(self) -> str:
        return QLocale().bcp47Name() or "en"

    def _on_changed(self) -> None:
        self._updating.show()
        self._pause.start()

    def _draw(self) -> None:
        if self._material is None:
            return
        self._updating.show()
        if self._drawing is not None:
            self._drawing.cancel()
        material, choices, language = self._material, self.builder.choices(), self._language()
        known = self._preview.pictures if self._preview is not None else ()

        def work() -> Preview:
            return make_preview(material, choices, language, known)

        self._drawing = self._services.bridge.run(work, self._on_drawn, self._on_failed)

    def _fit(self) -> None:
        room = self._area.viewport().width() - 64
        width = max(240, min(MAX_PAGE_WIDTH, room))
        for i in range(self._pages.count()):
            item = self._pages.itemAt(i)
            view = item.widget() if item is not None else None
            if isinstance(view, PageView):
                view.fit(width)

    def _on_event(self, event: object) -> None:
        if isinstance(event, EntrySaved | EntryGone | EntryRead):
            self._changes.start()

    def _refresh_if_seen(self) -> None:
        if self.isVisible():
            self.refresh()

    def _on_loaded(self, material: Material) -> None:
        self._material = material
        self.builder.show_candidates(material.candidates)
        self._draw()

    def _on_drawn(self, preview: Preview) -> None:
        self._preview = preview
        self._updating.setVisible(self._pause.isActive())
        self._letters.setVisible(preview.laid.fonts.unwritable)
        place = self._area.verticalScrollBar().value()
        clear(self._pages)
        for page in preview.laid.pages:
            self._pages.addWidget(PageView(page, preview), 0, Qt.AlignmentFlag.AlignHCenter)
        self._pages.addStretch(1)
        self._fit()
        self._area.verticalScrollBar().setValue(place)

    def _on_saved(self, _result: object) -> None:
        self._say(self.tr("Saved. The file is not encrypted: anyone who has it can read it."))

    def _on_save_failed(self, error: Exception) -> None:
        if isinstance(error, OSError):
            self._say(self.tr("This could not be written there. Your journal is not touched. Try another folder."))
        else:
            self._say(self.tr("The summary could not be made. Your journal is not touched."))

    def _on_failed(self, _error: Exception) -> None:
        self._updating.hide()
        clear(self._pages)
        failed: QLabel = label(self.tr("The preview could not be made. Your journal is not touched."), "quiet")
        self._pages.addWidget(failed)

    def _say(self, text: str) -> None:
        self._said.setText(text)
