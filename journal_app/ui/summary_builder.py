"""The left side of Share: everything that the writer decides about one summary.

Turns ticks and words into ``summary.Choices``; knows neither stores nor pages.
"""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QDate, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDateEdit,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QWidget,
)

from journal_app import assets
from journal_app.journal import wording
from journal_app.journal.summary import Candidates, Choices, Quote
from journal_app.ui.theme import Theme
from journal_app.ui.widgets import column, label, row

LIST_HEIGHT = 260
MARKS_HEIGHT = 420
"""The writer marked these by hand, and each goes onto the page unless it is unticked: most should be in sight."""

WEEKS = (1, 2, 4, 13, 26)
DEFAULT_WEEKS = 4


class QuoteList(QListWidget):
    """Sentences to tick, each with its date; nothing is ticked unless it was before or is a mark."""

    def __init__(self, name: str, theme: Theme, limit: int = LIST_HEIGHT, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._limit = limit
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
        # Sizes of wrapped sentences are known only once they are laid out in the present width.
        self.doItemsLayout()
        if not self.count():
            return
        height = self.contentsSize().height() + 6
        if height > self._limit:
            # End below a whole sentence: half a line looks like a fault.
            top = self.verticalScrollBar().value()
            ends = [self.visualItemRect(self.item(i)).bottom() + top + 4 for i in range(self.count())]
            height = max([end for end in ends if end <= self._limit] or [ends[0]])
        if self.maximumHeight() != height:
            self.setFixedHeight(height)

    def show_quotes(self, quotes: tuple[Quote, ...], *, ticked: bool = False) -> None:
        """Show ``quotes``; those that were ticked stay ticked, new ones are ticked only if told."""
        before = {self._quote(i): self.item(i).checkState() for i in range(self.count())}
        self.blockSignals(True)
        self.clear()
        default = Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
        for quote in quotes:
            date = wording.short_date(quote.date, QCoreApplication.translate)
            item = QListWidgetItem(f"{date}  \u2013  {quote.text}")
            item.setData(Qt.ItemDataRole.UserRole, quote)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(before.get(quote, default))
            self.addItem(item)
        self.blockSignals(False)
        self.setVisible(bool(quotes))
        QTimer.singleShot(0, self._fit)

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
        self.talk = self._quotes(self.tr("Entries that I marked"), MARKS_HEIGHT)
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

    def _quotes(self, name: str, limit: int = LIST_HEIGHT) -> QuoteList:
        made = QuoteList(name, self._theme, limit)
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
