"""Insights: the period switch, the digest, and a card for each chart.

Rows are read and series computed on the bridge's reading lane, charts are drawn on its work lane
(matplotlib is imported there, on the first visit); this thread only paints finished pictures.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from journal_app.journal import trends, wording
from journal_app.ui.bridge import EntryGone, EntryRead, EntrySaved, Job
from journal_app.ui.chart_card import ChartCard
from journal_app.ui.main_window import redraw_icons
from journal_app.ui.services import Services
from journal_app.ui.widgets import button, card, column, label, row, scroll
from journal_app.vault.records import Store

if TYPE_CHECKING:
    from journal_app.charts.screen import ScreenChart

ONE_COLUMN_BELOW = 900
CHANGE_PAUSE_MS = 1200


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the reading lane brings: the series of the period, and whether the journal holds anything at all."""

    trend: trends.Trend
    any_entries: bool


def load(store: Store, period: trends.Period, today: str) -> Loaded:
    """Read the rows of ``period`` and compute its series; runs on the reading lane."""
    if period == "all":
        rows = store.days()
        return Loaded(trends.trend(rows, *trends.span("all", today, rows)), bool(rows))
    start, end = trends.span(period, today)
    rows = store.days(start=start, end=end)
    return Loaded(trends.trend(rows, start, end), bool(rows) or bool(store.entries(limit=1)))


class InsightsPage(QWidget):
    """The Insights place."""

    open_day = Signal(str)

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._period: trends.Period = "month"
        self._job: Job | None = None
        self._cards: list[ChartCard] = []
        self._first: trends.Trend | None = None
        self._columns = 0
        self._changes = QTimer(self)
        self._changes.setSingleShot(True)
        self._changes.setInterval(CHANGE_PAUSE_MS)
        self._changes.timeout.connect(self._refresh_if_seen)
        outer = column(self, margin=0, spacing=0)
        outer.addWidget(self._make_head())
        self._body = QWidget()
        body = column(self._body, margin=24, spacing=16)
        self._digest, self._digest_text, self._note = self._make_digest()
        body.addWidget(self._digest)
        self._empty, self._empty_text, self._longer = self._make_empty()
        body.addWidget(self._empty)
        self._grid = QGridLayout()
        self._grid.setSpacing(16)
        body.addLayout(self._grid)
        body.addStretch(1)
        self._digest.hide()
        self._empty.hide()
        outer.addWidget(scroll(self._body), 1)
        services.bridge.happened.connect(self._on_event)
        services.theme.changed.connect(self._redraw)

    @property
    def cards(self) -> list[ChartCard]:
        """The chart cards, once something was loaded."""
        return self._cards

    @property
    def digest_words(self) -> str:
        """The digest as it is shown."""
        return self._digest_text.text()

    @property
    def empty_words(self) -> str:
        """What the page says instead of charts."""
        return self._empty_text.text()

    def activated(self) -> None:
        """Load again whenever the place is shown."""
        self.refresh()

    def refresh(self) -> None:
        """Read the period and show it."""
        if self._job is not None:
            self._job.cancel()
        period, today = self._period, dt.date.today().isoformat()

        def work(store: Store) -> Loaded:
            return load(store, period, today)

        self._job = self._services.bridge.query(work, self._on_loaded, self._on_failed)

    def set_period(self, period: trends.Period) -> None:
        """Show another period."""
        self._period = period
        for made in self._switch.buttons():
            made.setChecked(made.property("period") == period)
        self.refresh()

    def wipe(self) -> None:
        """Forget everything that came from the journal."""
        if self._job is not None:
            self._job.cancel()
        self._changes.stop()
        self._first = None
        self._digest_text.clear()
        for one in self._cards:
            one.wipe()

    def blur_text(self, on: bool) -> None:
        """Hide the page while the journal is hidden from others' eyes."""
        self._body.setVisible(not on)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use one column when the window is narrow."""
        super().resizeEvent(event)
        self._arrange()

    def _make_head(self) -> QWidget:
        head = QWidget()
        line = row()
        line.setContentsMargins(24, 20, 24, 4)
        head.setLayout(line)
        line.addWidget(label(self.tr("Insights"), "title", wrap=False))
        line.addStretch(1)
        self._switch = QButtonGroup(self)
        self._switch.setExclusive(True)
        names = {
            "week": self.tr("Week"),
            "month": self.tr("Month"),
            "quarter": self.tr("Quarter"),
            "year": self.tr("Year"),
            "all": self.tr("All"),
        }
        for period in trends.PERIODS:
            made = button(names[period], None, "segment")
            made.setCheckable(True)
            made.setChecked(period == self._period)
            made.setProperty("period", period)
            made.setAccessibleName(self.tr("Period: {name}").format(name=names[period]))
            made.clicked.connect(self._period_clicked)
            self._switch.addButton(made)
            line.addWidget(made)
        return head

    def _make_digest(self) -> tuple[QFrame, QLabel, QLabel]:
        frame, inside = card(margin=20, spacing=6)
        self._digest_title = label("", "heading")
        text = label("", "prose")
        note = label(
            self.tr("Estimates describe words, not a person. They may be wrong and are not a diagnosis."), "hint"
        )
        inside.addWidget(self._digest_title)
        inside.addWidget(text)
        inside.addWidget(note)
        return frame, text, note

    def _make_empty(self) -> tuple[QFrame, QLabel, QPushButton]:
        frame, inside = card(margin=48, spacing=16)
        text = label("", "title")
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        hint = label(
            self.tr(
                "Your own mood is two clicks under an entry. Feelings, stress and low-mood signs are read from your "
                "words on this computer, and every one of them can be corrected."
            ),
            "quiet",
        )
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        longer = button(self.tr("Show everything"), self._show_all)
        inside.addWidget(text)
        inside.addWidget(hint)
        inside.addWidget(longer, 0, Qt.AlignmentFlag.AlignCenter)
        return frame, text, longer

    def _show_all(self) -> None:
        self.set_period("all")

    def _period_clicked(self) -> None:
        sender = self.sender()
        if sender is not None:
            self.set_period(sender.property("period"))

    def _on_event(self, event: object) -> None:
        if isinstance(event, EntrySaved | EntryGone | EntryRead):
            self._changes.start()

    def _refresh_if_seen(self) -> None:
        if self.isVisible():
            self.refresh()

    def _redraw(self) -> None:
        for one in self._cards:
            one.draw()

    def _on_loaded(self, loaded: Loaded) -> None:
        trend = loaded.trend
        has = trend.entries > 0
        self._digest.setVisible(has)
        self._empty.setVisible(not has)
        for one in self._cards:
            one.setVisible(has)
        if not has:
            if loaded.any_entries:
                self._empty_text.setText(self.tr("Nothing was written in these days. A longer period may show more."))
            else:
                self._empty_text.setText(self.tr("Nothing here yet. Write a few days and this page will fill."))
            self._longer.setVisible(loaded.any_entries and self._period != "all")
            return
        if self._cards:
            self._show(trend)
        else:
            self._first = trend
            self._services.bridge.run(_make_screens, self._make_cards, self._on_failed)

    def _show(self, trend: trends.Trend) -> None:
        translate = QCoreApplication.translate
        self._digest_title.setText(_digest_title(self._period, trend))
        self._digest_text.setText("\n".join(" ".join(part) for part in wording.digest_parts(trend, translate) if part))
        self._note.setVisible(trend.read > 0)
        for one in self._cards:
            one.show_trend(trend)

    def _make_cards(self, screens: list[ScreenChart]) -> None:
        trend, self._first = self._first, None
        if not self._cards:
            for screen in screens:
                one = ChartCard(self._services, screen.chart, screen)
                one.open_day.connect(self.open_day)
                self._cards.append(one)
            self._arrange()
            redraw_icons(self, self._services.theme)
        if trend is not None:
            self._show(trend)

    def _arrange(self) -> None:
        columns = 1 if self.width() < ONE_COLUMN_BELOW else 2
        if columns == self._columns or not self._cards:
            return
        self._columns = columns
        for one in self._cards:
            self._grid.removeWidget(one)
        for i, one in enumerate(self._cards):
            # The fifth of five takes the whole line: its days need the width.
            wide = columns == 2 and i == len(self._cards) - 1 and i % 2 == 0
            self._grid.addWidget(one, i // columns, i % columns, 1, 2 if wide else 1)
        for i in range(2):
            self._grid.setColumnStretch(i, 1 if i < columns else 0)

    def _on_failed(self, _error: Exception) -> None:
        self._digest.hide()
        self._empty.show()
        self._longer.hide()
        self._empty_text.setText(
            self.tr("This page could not be filled. Your journal is not touched. Come back later.")
        )


def _make_screens() -> list[ScreenChart]:
    """Import matplotlib and make a figure for each chart; runs on the work lane."""
    from journal_app.charts.catalog import CHARTS
    from journal_app.charts.screen import ScreenChart

    return [ScreenChart(item) for item in CHARTS]


def _digest_title(period: str, trend: trends.Trend) -> str:
    names: dict[str, Callable[[], str]] = {
        "week": lambda: QCoreApplication.translate("InsightsPage", "The last seven days"),
        "month": lambda: QCoreApplication.translate("InsightsPage", "The last thirty days"),
        "quarter": lambda: QCoreApplication.translate("InsightsPage", "The last three months"),
        "year": lambda: QCoreApplication.translate("InsightsPage", "The last year"),
    }
    if period in names:
        return names[period]()
    return QCoreApplication.translate("InsightsPage", "Since {date}").format(
        date=wording.short_date(trend.start, QCoreApplication.translate, year=True)
    )
