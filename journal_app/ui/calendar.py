"""A month at a glance: one cell a day, a dot for days with entries, coloured by the writer's own mood."""

from __future__ import annotations

import calendar as months
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QLocale, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolTip, QVBoxLayout, QWidget

from journal_app.ui import words
from journal_app.ui.theme import Theme, mix, ui_font
from journal_app.ui.widgets import label, tool

ROW = 32
HEAD = 22


@dataclass(frozen=True, slots=True)
class DayMark:
    """What a day's dot shows: entries and the mean of the writer's own moods (1 to 5), or None."""

    entries: int
    valence: float | None = None


def mood_colour(theme: Theme, valence: float | None) -> QColor:
    """Return the diverging mood colour; without an own mood, quiet ink. Size tells low from good as well."""
    palette = theme.palette
    if valence is None:
        return theme.color("quiet_ink")
    if valence < 3:
        return QColor(mix(palette.quiet_ink, palette.low, min(1.0, (3 - valence) / 1.5)))
    return QColor(mix(palette.quiet_ink, palette.high, min(1.0, (valence - 3) / 1.5)))


class MonthView(QWidget):
    """Title with two arrows, and the days.

    Signals:
        day_chosen: ``YYYY-MM-DD``. month_shown: first and last date of the month on show.
    """

    day_chosen = Signal(str)
    month_shown = Signal(str, str)

    def __init__(self, theme: Theme, today: dt.date, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._month = today.replace(day=1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        self._title = label("", "heading", wrap=False)
        head.addWidget(self._title)
        head.addStretch(1)
        head.addWidget(tool("left", self.tr("Month before"), self._back))
        head.addWidget(tool("right", self.tr("Month after"), self._forward))
        column.addLayout(head)
        self.days = Days(theme, today, self)
        self.days.chosen.connect(self._on_chosen)
        column.addWidget(self.days)
        self._show_month()

    def range(self) -> tuple[str, str]:
        """Return the first and the last date of the month on show."""
        last = months.monthrange(self._month.year, self._month.month)[1]
        return self._month.isoformat(), self._month.replace(day=last).isoformat()

    def set_marks(self, marks: Mapping[str, DayMark]) -> None:
        """Show dots; keys are ``YYYY-MM-DD``."""
        self.days.set_marks(marks)

    def select(self, local_date: str) -> None:
        """Show and select a day without announcing it."""
        day = dt.date.fromisoformat(local_date)
        self.days.select(day)
        if day.replace(day=1) != self._month:
            self._month = day.replace(day=1)
            self._show_month()

    def _on_chosen(self, day: str) -> None:
        self.select(day)
        self.day_chosen.emit(day)

    def _back(self) -> None:
        self._month = (self._month - dt.timedelta(days=1)).replace(day=1)
        self._show_month()

    def _forward(self) -> None:
        self._month = (self._month + dt.timedelta(days=32)).replace(day=1)
        self._show_month()

    def _show_month(self) -> None:
        self._title.setText(words.month_title(self._month.year, self._month.month))
        self.days.show_month(self._month)
        self.month_shown.emit(*self.range())


class Days(QWidget):
    """The painted grid. Arrow keys move, Return opens.

    Signals:
        chosen: ``YYYY-MM-DD``.
    """

    chosen = Signal(str)

    def __init__(self, theme: Theme, today: dt.date, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._today = today
        self._month = today.replace(day=1)
        self._selected = today
        self._marks: Mapping[str, DayMark] = {}
        self._first_weekday = QLocale().firstDayOfWeek().value - 1
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Calendar"))
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Return room for six weeks."""
        return QSize(7 * 36, HEAD + 6 * ROW)

    def show_month(self, first: dt.date) -> None:
        """Show the month that begins at ``first``."""
        self._month = first
        self._marks = {}
        self.update()

    def set_marks(self, marks: Mapping[str, DayMark]) -> None:
        """Show dots."""
        self._marks = marks
        self.update()

    def select(self, day: dt.date) -> None:
        """Select a day."""
        self._selected = day
        mark = self._marks.get(day.isoformat())
        self.setAccessibleDescription(self._describe(day, mark))
        self.update()

    def _describe(self, day: dt.date, mark: DayMark | None) -> str:
        text = words.long_date(day.isoformat())
        if mark is None:
            return self.tr("{0}: nothing written").format(text)
        count = self.tr("1 entry") if mark.entries == 1 else self.tr("{0} entries").format(mark.entries)
        mood = f", {words.valence(round(mark.valence))}" if mark.valence is not None else ""
        return f"{text}: {count}{mood}"

    def _first_cell(self) -> dt.date:
        return self._month - dt.timedelta(days=(self._month.weekday() - self._first_weekday) % 7)

    def _cell(self, index: int) -> QRectF:
        width = self.width() / 7
        return QRectF((index % 7) * width, HEAD + (index // 7) * ROW, width, ROW)

    def _day_at(self, x: float, y: float) -> dt.date | None:
        if y < HEAD:
            return None
        index = int((y - HEAD) // ROW) * 7 + min(6, max(0, int(x / (self.width() / 7))))
        return self._first_cell() + dt.timedelta(days=index) if index < 42 else None

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint weekdays, days and dots."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink, quiet, accent = (self._theme.color(r) for r in ("ink", "quiet_ink", "accent"))
        locale = QLocale()
        painter.setFont(ui_font(11))
        painter.setPen(quiet)
        for column in range(7):
            number = (self._first_weekday + column) % 7 + 1
            name = locale.dayName(number, QLocale.FormatType.NarrowFormat)
            rect = QRectF(column * self.width() / 7, 0, self.width() / 7, HEAD)
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, name)
        first = self._first_cell()
        for index in range(42):
            day = first + dt.timedelta(days=index)
            if index % 7 == 0 and index >= 28 and day.month != self._month.month:
                break
            cell = self._cell(index)
            inside = day.month == self._month.month
            if not inside:
                continue
            mark = self._marks.get(day.isoformat())
            disc = QRectF(cell.center().x() - 14, cell.top() + 1, 28, 28)
            on_accent = day == self._selected
            if on_accent:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(accent)
                painter.drawEllipse(disc)
                if self.hasFocus():
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.setPen(QPen(accent, 2))
                    painter.drawEllipse(disc.adjusted(-3, -3, 3, 3).intersected(QRectF(self.rect())))
            elif day == self._today:
                painter.setPen(QPen(accent, 1.5))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawEllipse(disc.adjusted(1, 1, -1, -1))
            colour = self._theme.color("on_accent") if on_accent else (ink if mark or day == self._today else quiet)
            painter.setPen(colour)
            weight = painter.font()
            weight.setPixelSize(13)
            weight.setBold(mark is not None)
            painter.setFont(weight)
            painter.drawText(disc.adjusted(0, -4, 0, -4), Qt.AlignmentFlag.AlignCenter, str(day.day))
            if mark is not None:
                self._paint_dot(painter, disc.center().x(), disc.bottom() - 6, mark, on_accent)
        painter.end()

    def _paint_dot(self, painter: QPainter, x: float, y: float, mark: DayMark, on_accent: bool) -> None:
        colour = self._theme.color("on_accent") if on_accent else mood_colour(self._theme, mark.valence)
        # Never colour alone: low moods are a bar, good ones a larger disc, the rest a small one.
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        if mark.valence is not None and mark.valence < 2.5:
            painter.drawRoundedRect(QRectF(x - 4.5, y - 1.5, 9, 3), 1.5, 1.5)
        elif mark.valence is not None and mark.valence > 3.5:
            painter.drawEllipse(QRectF(x - 3.2, y - 3.2, 6.4, 6.4))
        else:
            painter.drawEllipse(QRectF(x - 2, y - 2, 4, 4))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a day of the month on show."""
        day = self._day_at(event.position().x(), event.position().y())
        if day is not None and day.month == self._month.month:
            self.chosen.emit(day.isoformat())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move by day and week, open with Return."""
        key = event.key()
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -7, Qt.Key.Key_Down: 7}
        if key in steps:
            parent = self.parent()
            target = self._selected + dt.timedelta(days=steps[Qt.Key(key)])
            if isinstance(parent, MonthView):
                parent.select(target.isoformat())
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(self._selected.isoformat())
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus ring."""
        self.update()
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide the focus ring."""
        self.update()
        super().focusOutEvent(event)

    def event(self, event: QEvent) -> bool:
        """Describe a day on hover."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            day = self._day_at(event.pos().x(), event.pos().y())
            if day is not None and day.month == self._month.month:
                QToolTip.showText(event.globalPos(), self._describe(day, self._marks.get(day.isoformat())), self)
            return True
        return super().event(event)
