"""A chart as a card: its picture, its words, its table, and what can be done with it.

Drawing happens on the bridge's work lane through ``charts.screen``; here only finished pictures are
painted. Knows nothing of periods or stores: a card is given a series.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QGuiApplication, QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHeaderView,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QWidget,
)

from journal_app.journal import trends
from journal_app.ui import exported
from journal_app.ui.bridge import Job
from journal_app.ui.services import Services
from journal_app.ui.theme import ui_families
from journal_app.ui.widgets import card, column, label, row, tool

if TYPE_CHECKING:
    from journal_app.charts.catalog import Chart
    from journal_app.charts.screen import Drawn, ScreenChart
    from journal_app.charts.style import ChartStyle

RESIZE_PAUSE_MS = 140
TEXT_SCALE = 1.06
"""Chart text against its base size: 12.7 pixels, next to the interface's 13 to 14."""

HEIGHTS = {"mood": 260, "feelings": 280, "levels": 340, "days-and-feelings": 280, "signs": 200}


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
        self._again = False
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
        """Ask the work lane for a picture of the present size.

        One drawing is under way at a time, and it is never thrown away for a mere change of size:
        a picture a little stretched is better than none while the columns settle.
        """
        if self._trend is None or not self.view.isVisible():
            return
        if self._job is not None:
            self._again = True
            return
        self._again = False
        trend, screen, services = self._trend, self._screen, self._services
        width, height, ratio = self.view.width(), self.view.height(), self.view.devicePixelRatioF()

        def work() -> tuple[trends.Trend, Drawn, float]:
            return trend, screen.draw(trend, chart_style(services), width, height, ratio), ratio

        self._job = self._services.bridge.run(work, self._on_drawn, self._on_draw_failed)

    def wipe(self) -> None:
        """Forget everything that came from the journal, pictures still on their way included."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
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
            from journal_app.exchange import files

            if form == "csv":
                from journal_app.exchange import csv_data

                data = csv_data.chart(item.key, trend, QCoreApplication.translate)
            else:
                style = chart_style(services, scale=1.0)
                data = item.render(trend, style, "svg" if form == "svg" else "png")
            files.write(path, data)

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

    def _on_drawn(self, result: tuple[trends.Trend, Drawn, float]) -> None:
        trend, drawn, ratio = result
        self._job = None
        if trend is self._trend:
            self.view.show_drawn(drawn, ratio)
        if self._again:
            self.draw()

    def _on_draw_failed(self, error: Exception) -> None:
        self._job = None
        self._on_failed(error)

    def _on_saved(self, _result: object) -> None:
        self._say(self.tr("Saved. The file is not encrypted."))

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, OSError):
            self._say(exported.not_written(error))
        else:
            self._say(self.tr("This chart could not be drawn. Your journal is not touched."))

    def _say(self, text: str) -> None:
        self._said.setText(text)
        self._said.show()


def _table() -> QTableWidget:
    table = QTableWidget()
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setAlternatingRowColors(False)
    table.verticalHeader().hide()
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setTabKeyNavigation(False)
    return table
