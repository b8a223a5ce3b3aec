"""Small building blocks that every page uses; they know the theme's roles and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLayoutItem,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)


def label(text: str = "", role: str = "", *, wrap: bool = True) -> QLabel:
    """Return a label with a role of the style sheet; plain text, never rich text of the writer's."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    if role:
        made.setProperty("role", role)
    if wrap:
        made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return made


def button(text: str, clicked: Callable[[], object] | None = None, role: str = "") -> QPushButton:
    """Return a push button with a role: ``primary``, ``link``, ``quiet``, ``chip``, ``segment`` or none."""
    made = QPushButton(text)
    if role:
        made.setProperty("role", role)
    made.setAutoDefault(True)  # Return presses the focused button, not Space alone
    if role in ("link", "chip", "quiet"):
        made.setCursor(Qt.CursorShape.PointingHandCursor)
        made.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
    if clicked is not None:
        made.clicked.connect(lambda _checked=False: clicked())
    return made


def tool(name: str, text: str, clicked: Callable[[], object] | None = None) -> QToolButton:
    """Return an icon button; ``name`` is the icon's, kept in a property so that a theme change can redraw it."""
    made = QToolButton()
    made.setProperty("icon_name", name)
    made.setToolTip(text)
    made.setAccessibleName(text)
    made.setIconSize(QSize(20, 20))
    made.setMinimumSize(32, 32)
    if clicked is not None:
        made.clicked.connect(lambda _checked=False: clicked())
    return made


def line() -> QFrame:
    """Return a hair line."""
    made = QFrame()
    made.setProperty("role", "line")
    made.setFixedHeight(1)
    return made


def card(role: str = "card", margin: int = 16, spacing: int = 8) -> tuple[QFrame, QVBoxLayout]:
    """Return a rounded frame and its column."""
    frame = QFrame()
    frame.setProperty("role", role)
    column = QVBoxLayout(frame)
    column.setContentsMargins(margin, margin, margin, margin)
    column.setSpacing(spacing)
    return frame, column


def column(parent: QWidget, margin: int = 0, spacing: int = 8) -> QVBoxLayout:
    """Give ``parent`` a column layout."""
    made = QVBoxLayout(parent)
    made.setContentsMargins(margin, margin, margin, margin)
    made.setSpacing(spacing)
    return made


def row(spacing: int = 8) -> QHBoxLayout:
    """Return a row layout without margins."""
    made = QHBoxLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    return made


def scroll(body: QWidget) -> QScrollArea:
    """Return a frameless vertical scroll area around ``body``."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    body.setObjectName(body.objectName() or "scrollBody")
    area.setWidget(body)
    return area


def centred(width: int, spacing: int = 16) -> tuple[QWidget, QVBoxLayout]:
    """Return a widget whose content is a column of at most ``width`` pixels in the middle."""
    outer = QWidget()
    outer.setObjectName("page")
    rows = QHBoxLayout(outer)
    rows.setContentsMargins(24, 24, 24, 24)
    inner = QWidget()
    inner.setMaximumWidth(width)
    inner.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    made = QVBoxLayout(inner)
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    rows.addStretch(1)
    rows.addWidget(inner, 100)
    rows.addStretch(1)
    return outer, made


def clear(layout: QLayout) -> None:
    """Remove and delete everything in a layout."""
    while (item := layout.takeAt(0)) is not None:
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()
        elif inner is not None:
            clear(inner)


def add_all(layout: QBoxLayout, *widgets: QWidget) -> None:
    """Add widgets in order."""
    for widget in widgets:
        layout.addWidget(widget)


class Flow(QLayout):
    """Lays widgets out in lines, as words in a paragraph."""

    def __init__(self, parent: QWidget | None = None, spacing: int = 6, *, centred: bool = False) -> None:
        super().__init__(parent)
        self._centred = centred
        self._items: list[QLayoutItem] = []
        self.setSpacing(spacing)
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        """Take an item (Qt calls this)."""
        self._items.append(item)

    def count(self) -> int:
        """Return the number of items."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Return an item or None."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Remove and return an item or None."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """Say that the layout wants no more than it needs."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        """Say that the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height needed at ``width``."""
        return self._arrange(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect: QRect) -> None:
        """Place the items."""
        super().setGeometry(rect)
        self._arrange(rect, move=True)

    def sizeHint(self) -> QSize:
        """Return the smallest useful size."""
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        """Return the size of the largest item."""
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _arrange(self, rect: QRect, *, move: bool) -> int:
        lines: list[list[tuple[QLayoutItem, QSize]]] = [[]]
        x = 0
        for item in self._items:
            hint = item.sizeHint()
            if lines[-1] and x + hint.width() > rect.width():
                lines.append([])
                x = 0
            lines[-1].append((item, hint))
            x += hint.width() + self.spacing()
        y = rect.y()
        for line in lines:
            x, height = rect.x(), max((hint.height() for _, hint in line), default=0)
            if self._centred:
                x += (rect.width() - sum(hint.width() + self.spacing() for _, hint in line) + self.spacing()) // 2
            for item, hint in line:
                if move:
                    item.setGeometry(QRect(QPoint(x, y + (height - hint.height()) // 2), hint))
                x += hint.width() + self.spacing()
            y += height + self.spacing()
        return y - self.spacing() - rect.y()
