"""Insights: the period switch, the digest, and a card for each chart.

Rows are read and series computed on the bridge's reading lane, charts are drawn on its work lane
(matplotlib is imported there, on the first visit); this thread only paints finished pictures.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QGuiApplication, QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QWidget,
)

from journal_app.journal import trends
from journal_app.ui.bridge import EntryGone, EntryRead, EntrySaved, Job
from journal_app.ui.main_window import redraw_icons
from journal_app.ui.services import Services
from journal_app.ui.theme import ui_families
from journal_app.ui.widgets import button, card, column, label, row, scroll, tool
from journal_app.vault.records import Store

if TYPE_CHECKING:
    from journal_app.charts.catalog import Chart
    from journal_app.charts.screen import Drawn, ScreenChart
    from journal_app.charts.style import ChartStyle

ONE_COLUMN_BELOW = 900
RESIZE_PAUSE_MS = 140
CHANGE_PAUSE_MS = 1200
TEXT_SCALE = 1.06
"""Chart text against its base size: 12.7 pixels, next to the interface's 13 to 14."""

HEIGHTS = {"mood": 260, "feelings": 280, "levels": 340, "days-and-feelings": 280, "signs": 200}


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


def chart_style(services: Services, *, scale: float = TEXT_SCALE) -> ChartStyle:
    """Return the charts' style in the theme and language of the window; call off the GUI thread or on it."""
    from journal_app.charts.style import ChartStyle, families

    colours = services.theme.palette
    return ChartStyle(colours, colours.card, families(ui_families()), scale, translate=QCoreApplication.translate)


class ChartView(QWidget):
    """Paints a finished picture of a chart; says when it needs another size, and which day was clicked."""

    wants_drawing = Signal()
    day_clicked = Signal(str)

    def __init__(self, height: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image = QImage()
        self._drawn: Drawn | None = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(RESIZE_PAUSE_MS)
        self._pause.timeout.connect(self.wants_drawing)
        self.setMinimumHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)

    @property
    def image(self) -> QImage:
        """The picture as it is shown."""
        return self._image

    def show_drawn(self, drawn: Drawn, ratio: float) -> None:
        """Show a drawn chart."""
        image = QImage(drawn.rgba, drawn.width, drawn.height, drawn.width * 4, QImage.Format.Format_RGBA8888)
        self._image = image.copy()
        self._image.setDevicePixelRatio(ratio)
        self._drawn = drawn
        self.update()

    def clear(self) -> None:
        """Forget the picture."""
        self._image = QImage()
        self._drawn = None
        self.update()

    def date_at(self, x: float) -> str | None:
        """Return the date under ``x`` in widget coordinates."""
        return self._drawn.date_at(x / max(1, self.width())) if self._drawn else None

    def sizeHint(self) -> QSize:
        """Return the height that the chart was designed for."""
        return QSize(420, self.minimumHeight())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture, stretched until one of the right size arrives."""
        if self._image.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(self.rect()), self._image)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for a drawing of the new size once resizing pauses."""
        super().resizeEvent(event)
        self._pause.start()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show a hand where a click opens a day."""
        here = self.date_at(event.position().x()) is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if here else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Tell which day was clicked."""
        date = self.date_at(event.position().x())
        if (
            date is not None
            and event.button() == Qt.MouseButton.LeftButton
            and self.rect().contains(event.position().toPoint())
        ):
            self.day_clicked.emit(date)


class ChartCard(QWidget):
    """A chart with its title in words, what stands behind it, and a menu: table, save, copy."""

    open_day = Signal(str)

    def __init__(self, services: Services, chart: Chart, screen: ScreenChart, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._chart = chart
        self._screen = screen
        self._trend: trends.Trend | None = None
        self._job: Job | None = None
        frame, inside = card(margin=16, spacing=6)
        column(self).addWidget(frame)
        self._title = label("", "heading")
        self._more = tool("more", self.tr("More for this chart"))
        self._more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._more.setMenu(self._make_menu())
        head = row()
        head.addWidget(self._title, 1)
        head.addWidget(self._more, 0, Qt.AlignmentFlag.AlignTop)
        inside.addLayout(head)
        self._caption = label("", "hint")
        inside.addWidget(self._caption)
        self.view = ChartView(HEIGHTS.get(chart.key, 260))
        self.view.wants_drawing.connect(self.draw)
        self.view.day_clicked.connect(self._day_clicked)
        self.table = _table()
        self.table.itemActivated.connect(self._row_activated)
        self._both = QStackedWidget()
        self._both.addWidget(self.view)
        self._both.addWidget(self.table)
        inside.addWidget(self._both)
        self._said = label("", "hint")
        self._said.hide()
        inside.addWidget(self._said)

    @property
    def key(self) -> str:
        """The chart's key."""
        return self._chart.key

    @property
    def said(self) -> str:
        """What the card last told about saving or drawing."""
        return self._said.text()

    def show_trend(self, trend: trends.Trend) -> None:
        """Take a new series: words now, the picture when the work lane has drawn it."""
        from journal_app.charts import words

        self._trend = trend
        translate = QCoreApplication.translate
        title = self._chart.title(trend, translate)
        self._title.setText(title)
        kind = self.tr("estimated from your words") if self._chart.estimated else self.tr("noted by you")
        self._caption.setText(f"{kind} \u00b7 {words.caption(trend, translate, estimated=self._chart.estimated)}")
        self.view.setAccessibleName(title)
        self.view.setAccessibleDescription(self._chart.describe(trend, translate))
        self.view.setToolTip(self.tr("Click a day to open it"))
        self._said.hide()
        if self._both.currentWidget() is self.table:
            self._fill_table()
        self.draw()

    def draw(self) -> None:
        """Ask the work lane for a picture of the present size."""
        if self._trend is None or not self.view.isVisible():
            return
        if self._job is not None:
            self._job.cancel()
        trend, screen, services = self._trend, self._screen, self._services
        width, height, ratio = self.view.width(), self.view.height(), self.view.devicePixelRatioF()

        def work() -> tuple[Drawn, float]:
            return screen.draw(trend, chart_style(services), width, height, ratio), ratio

        self._job = self._services.bridge.run(work, self._on_drawn, self._on_failed)

    def wipe(self) -> None:
        """Forget everything that came from the journal, pictures still on their way included."""
        if self._job is not None:
            self._job.cancel()
        self._trend = None
        self.view.clear()
        self.table.clear()
        self._title.clear()

    def save(self, form: str, path: Path) -> None:
        """Write the chart (``png``, ``svg``) or its data (``csv``) to ``path``, off the GUI thread."""
        trend, item, services = self._trend, self._chart, self._services
        if trend is None:
            return

        def work() -> None:
            if form == "csv":
                from journal_app.exchange import csv_data

                data = csv_data.chart(item.key, trend, QCoreApplication.translate)
            else:
                style = chart_style(services, scale=1.0)
                data = item.render(trend, style, "svg" if form == "svg" else "png")
            path.write_bytes(data)

        services.bridge.run(work, self._on_saved, self._on_failed)

    def show_table(self, on: bool) -> None:
        """Show the chart's data as a table, or the chart."""
        if on:
            self._fill_table()
        self._both.setCurrentWidget(self.table if on else self.view)
        self._table_action.setChecked(on)
        (self.table if on else self._more).setFocus()

    def _make_menu(self) -> QMenu:
        menu = QMenu(self)
        self._table_action = QAction(self.tr("Show as a table"), self)
        self._table_action.setCheckable(True)
        self._table_action.toggled.connect(self.show_table)
        menu.addAction(self._table_action)
        menu.addSeparator()
        for text, form in (
            (self.tr("Save as PNG\u2026"), "png"),
            (self.tr("Save as SVG\u2026"), "svg"),
            (self.tr("Save the data as CSV\u2026"), "csv"),
        ):
            action = QAction(text, self)
            action.setData(form)
            action.triggered.connect(self._save_asked)
            menu.addAction(action)
        copy = QAction(self.tr("Copy the picture"), self)
        copy.triggered.connect(self._copy)
        menu.addAction(copy)
        return menu

    def _save_asked(self) -> None:
        action = self.sender()
        form = str(action.data()) if isinstance(action, QAction) else ""
        name, _ = QFileDialog.getSaveFileName(
            self, self.tr("Save a chart, readable by anyone who has the file"), f"{self._chart.key}.{form}", f"*.{form}"
        )
        if name:
            self.save(form, Path(name))

    def _copy(self) -> None:
        if not self.view.image.isNull():
            QGuiApplication.clipboard().setImage(self.view.image)
            self._say(self.tr("Copied. Other programs can read the clipboard until something else is copied."))

    def _fill_table(self) -> None:
        if self._trend is None:
            return
        header, rows = self._chart.table(self._trend, QCoreApplication.translate)
        self.table.setColumnCount(len(header))
        self.table.setRowCount(len(rows))
        self.table.setHorizontalHeaderLabels(list(header))
        for i, cells in enumerate(rows):
            for j, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if not text:
                    item.setData(Qt.ItemDataRole.AccessibleTextRole, self.tr("no data"))
                self.table.setItem(i, j, item)
        self.table.resizeColumnsToContents()
        self.table.setAccessibleName(self._title.text())

    def _row_activated(self, item: QTableWidgetItem) -> None:
        first = self.table.item(item.row(), 0)
        if first is not None:
            self._day_clicked(first.text())

    def _day_clicked(self, date: str) -> None:
        if self._trend is None:
            return
        # A month's column is one click: open the written day nearest to it.
        day = self._trend.day_near(date, reach=max(3, len(self._trend.days) // 50))
        if day is not None:
            self.open_day.emit(day)

    def _on_drawn(self, result: tuple[Drawn, float]) -> None:
        self.view.show_drawn(*result)

    def _on_saved(self, _result: object) -> None:
        self._say(self.tr("Saved. The file is not encrypted."))

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, OSError):
            self._say(self.tr("This could not be written there. Your journal is not touched. Try another folder."))
        else:
            self._say(self.tr("This chart could not be drawn. Your journal is not touched."))

    def _say(self, text: str) -> None:
        self._said.setText(text)
        self._said.show()


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
        services.bridge.event.connect(self._on_event)
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
        self._digest_text.setText("\n".join(" ".join(part) for part in trends.digest_parts(trend, translate) if part))
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
        date=trends.short_date(trend.start, QCoreApplication.translate, year=True)
    )


def _table() -> QTableWidget:
    table = QTableWidget()
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setAlternatingRowColors(False)
    table.verticalHeader().hide()
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setTabKeyNavigation(False)
    return table
