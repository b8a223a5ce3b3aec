"""The list of entries, newest first, grouped by month and day; search hits use the same rows.

The model holds an id, a date and one line of each entry; older entries are fetched in pages, off
the GUI thread, as the list is scrolled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QPointF, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen, QTextCharFormat, QTextLayout
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from journal_app.ui import words
from journal_app.ui.bridge import Bridge, Job
from journal_app.ui.calendar import mood_colour
from journal_app.ui.theme import Theme, mix, ui_font
from journal_app.vault.records import Entry, SearchHit, Store

PAGE = 150
SNIPPET = 140
ROW_HEIGHT = 62
MONTH_HEIGHT = 34
LONGEST_CUT_WORD = 14
"""A longer run without a space (Chinese, Japanese, a web address) is cut anywhere, or a line would stay half empty."""
ROLE_ROW = int(Qt.ItemDataRole.UserRole)
_MARKS = re.compile(
    r"^\s*(?:#{1,6}\s+|>+\s*|[-*+]\s+(?:\[[ xX]\]\s+)?|\d+[.)]\s+)|[*_`~]{1,3}(?=\S)|(?<=\S)[*_`~]{1,3}", re.M
)

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list; ``kind`` is ``entry`` or ``month``. ``spans`` are matches in ``text``."""

    kind: str
    local_date: str
    text: str = ""
    entry_id: str = ""
    local_time: str = ""
    valence: int | None = None
    for_therapist: bool = False
    spans: tuple[tuple[int, int], ...] = ()
    first_of_day: bool = True


def snippet(text: str) -> str:
    """Return the first words of an entry without Markdown marks, on one line; a title is set off by a dash."""
    head = text[: SNIPPET * 3].lstrip()
    title, _, rest = head.partition("\n") if head.startswith("#") else ("", "", head)
    parts = [" ".join(_MARKS.sub("", part).split()) for part in (title, rest)]
    return " – ".join(part for part in parts if part)[:SNIPPET]


def shortened(text: str, cut: int) -> str:
    """Return at most ``cut`` characters of ``text`` and an ellipsis, without half a word where words have spaces."""
    head = text[:cut]
    if cut < len(text) and text[cut].isalnum():
        start = head.rfind(" ") + 1
        if start and len(head) - start <= LONGEST_CUT_WORD:
            head = head[:start]
    return head.rstrip(" .,;:…–-") + "…"


def entry_row(entry: Entry) -> Row:
    """Return the row of an entry."""
    return Row(
        "entry",
        entry.local_date,
        snippet(entry.text),
        entry.id,
        entry.local_time[:5],
        entry.mood.valence if entry.mood else None,
        entry.for_therapist,
    )


def hit_row(hit: SearchHit) -> Row:
    """Return the row of a search hit, its matches included."""
    flat = hit.snippet.replace("\n", " ").replace("\t", " ")
    return Row("entry", hit.local_date, flat, hit.entry_id, spans=hit.spans)


def with_months(rows: Sequence[Row]) -> list[Row]:
    """Return rows with a month line before the first row of each month, and days marked once."""
    made: list[Row] = []
    month = day = ""
    for item in rows:
        if item.local_date[:7] != month:
            month = item.local_date[:7]
            made.append(Row("month", item.local_date))
        first = item.local_date != day
        day = item.local_date
        made.append(item if item.first_of_day == first else replace(item, first_of_day=first))
    return made


class EntryModel(QAbstractListModel):
    """Rows for the view; ``fetchMore`` asks the reading lane for the next page.

    Signals:
        settled: what is shown is up to date (also when that is nothing).
    """

    settled = Signal()

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._entries: list[Row] = []
        self._rows: list[Row] = []
        self._more = True
        self._searching = False
        self._job: Job | None = None

    # Qt's own hooks ----------------------------------------------------------------------

    def rowCount(self, parent: Index | None = None) -> int:
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a row, or its words for a screen reader."""
        item = self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None
        if item is None:
            return None
        if role == ROLE_ROW:
            return item
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            if item.kind == "month":
                return words.month_title(int(item.local_date[:4]), int(item.local_date[5:7]))
            mood = f", {words.valence(item.valence)}" if item.valence else ""
            return f"{words.long_date(item.local_date, item.local_time)}{mood}: {item.text}"
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Let only entries be selected."""
        if not index.isValid() or self._rows[index.row()].kind == "month":
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def canFetchMore(self, parent: Index) -> bool:
        """Return whether older entries may exist."""
        return not parent.isValid() and self._more and not self._searching and self._job is None

    def fetchMore(self, parent: Index) -> None:
        """Ask for the next page."""
        if self.canFetchMore(parent):
            self._ask(self._entries[-1].local_date if self._entries else None, PAGE)

    # the journal -------------------------------------------------------------------------

    def reload(self) -> None:
        """Forget everything and fetch the newest page."""
        self._cancel()
        self._searching, self._more = False, True
        self._entries = []
        self._ask(None, PAGE)

    def refresh_entry(self, entry: Entry | None, entry_id: str) -> None:
        """Put one entry's new line where it belongs, or take it out when it is gone."""
        if entry is not None and entry.deleted_utc is None and self._refresh_in_place(entry_row(entry)):
            return
        rows = [r for r in self._entries if r.entry_id != entry_id]
        if entry is not None and entry.deleted_utc is None:
            made = entry_row(entry)
            rows.append(made)
            rows.sort(key=lambda r: (r.local_date, r.local_time), reverse=True)
            if self._more and rows[-1] is made and len(rows) > 1:
                rows.pop()  # older than what was fetched: it comes with its page
        self._entries = rows
        if not self._searching:
            self._show(rows)

    def _refresh_in_place(self, made: Row) -> bool:
        """Change one line whose place stays the same (the common case: words were typed); return whether it was."""
        for number, item in enumerate(self._entries):
            if item.entry_id != made.entry_id:
                continue
            if (item.local_date, item.local_time) != (made.local_date, made.local_time):
                return False
            self._entries[number] = made
            if self._searching:
                return True
            for position, shown in enumerate(self._rows):
                if shown.entry_id == made.entry_id:
                    self._rows[position] = replace(made, first_of_day=shown.first_of_day)
                    self.dataChanged.emit(self.index(position, 0), self.index(position, 0))
                    return True
        return False

    def show_hits(self, hits: Sequence[SearchHit]) -> None:
        """Show search hits instead of the journal."""
        self._cancel()
        self._searching = True
        self._show([hit_row(hit) for hit in hits])

    def end_search(self) -> None:
        """Show the journal again."""
        if self._searching:
            self._searching = False
            self._show(self._entries)

    def ensure_date(self, local_date: str) -> None:
        """Fetch everything back to ``local_date``, so that it can be shown."""
        if self._more and (not self._entries or self._entries[-1].local_date >= local_date):
            self._cancel()
            self._ask(None, None, start=local_date)

    def index_of(self, entry_id: str) -> QModelIndex:
        """Return the index of an entry's row, or an invalid one."""
        for number, item in enumerate(self._rows):
            if item.entry_id == entry_id:
                return self.index(number, 0)
        return QModelIndex()

    def first_on(self, local_date: str) -> str | None:
        """Return the id of the newest loaded entry of a day."""
        return next((r.entry_id for r in self._entries if r.local_date == local_date), None)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show and nothing is under way."""
        return not self._rows and self._job is None

    def wipe(self) -> None:
        """Forget every line."""
        self._cancel()
        self._entries, self._more = [], False
        self._show([])

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _ask(self, end: str | None, limit: int | None, start: str | None = None) -> None:
        known = len(self._entries)

        def fetch(store: Store) -> tuple[list[Row], bool]:
            count = limit
            while True:
                found = store.entries(start=start, end=end, limit=count)
                full = count is not None and len(found) >= count
                # A day with more entries than a page would otherwise be asked for for ever.
                if full and end is not None and all(e.local_date == end for e in found):
                    count = (count or PAGE) * 2
                    continue
                return [entry_row(e) for e in found], full or start is not None

        self._job = self._bridge.query(fetch, self._on_page if known or end else self._on_first, self._on_failed)

    def _on_first(self, result: tuple[list[Row], bool]) -> None:
        self._entries = []
        self._on_page(result)

    def _on_page(self, result: tuple[list[Row], bool]) -> None:
        self._job = None
        rows, self._more = result
        have = {r.entry_id for r in self._entries}
        fresh = [r for r in rows if r.entry_id not in have]
        if not fresh and not self._entries:
            self._more = False
        self._entries = sorted([*self._entries, *fresh], key=lambda r: (r.local_date, r.local_time), reverse=True)
        if not self._searching:
            self._show(self._entries)

    def _on_failed(self, _error: Exception) -> None:
        self._job = None
        self._more = False

    def _show(self, rows: Sequence[Row]) -> None:
        new = with_months(rows)
        old = self._rows
        if len(new) > len(old) and new[: len(old)] == old:  # a page was added below: keep the scroll position
            self.beginInsertRows(QModelIndex(), len(old), len(new) - 1)
            self._rows = new
            self.endInsertRows()
        elif len(new) == len(old) and [r.entry_id for r in new] == [r.entry_id for r in old]:
            self._rows = new
            if new:
                self.dataChanged.emit(self.index(0, 0), self.index(len(new) - 1, 0))
        else:
            self.beginResetModel()
            self._rows = new
            self.endResetModel()
        self.settled.emit()


class EntryDelegate(QStyledItemDelegate):
    """Paints month lines and entries: the day at the left, two lines of text, a mood mark."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, _option: QStyleOptionViewItem, index: Index) -> QSize:
        """Return a fixed height by kind of row."""
        item = index.data(ROLE_ROW)
        return QSize(200, MONTH_HEIGHT if item is not None and item.kind == "month" else ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint one row."""
        item: Row = index.data(ROLE_ROW)
        rect: QRect = option.rect  # type: ignore[attr-defined]
        state: QStyle.StateFlag = option.state  # type: ignore[attr-defined]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink, quiet = self._theme.color("ink"), self._theme.color("quiet_ink")
        if item.kind == "month":
            painter.setFont(ui_font(12))
            painter.setPen(quiet)
            title = words.month_title(int(item.local_date[:4]), int(item.local_date[5:7]))
            painter.drawText(rect.adjusted(16, 12, -12, 0), Qt.AlignmentFlag.AlignLeft, title)
            painter.restore()
            return
        palette = self._theme.palette
        body = rect.adjusted(6, 1, -6, -1)
        if state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(mix(palette.page, palette.accent, 0.16)))
            painter.drawRoundedRect(body, 8, 8)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(mix(palette.sunken, palette.ink, 0.04)))
            painter.drawRoundedRect(body, 8, 8)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(self._theme.color("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(body.adjusted(1, 1, -1, -1), 8, 8)
        left = body.left() + 8
        if item.first_of_day:
            painter.setPen(ink)
            painter.setFont(ui_font(17))
            painter.drawText(
                QRect(left, body.top() + 8, 34, 22), Qt.AlignmentFlag.AlignHCenter, str(int(item.local_date[8:]))
            )
            painter.setPen(quiet)
            painter.setFont(ui_font(11))
            painter.drawText(
                QRect(left - 4, body.top() + 31, 42, 16), Qt.AlignmentFlag.AlignHCenter, words.weekday(item.local_date)
            )
        text = QRect(left + 44, body.top() + 8, body.width() - 78, 36)
        self._paint_text(painter, text, item, ink if item.text else quiet)
        x = body.right() - 10
        painter.setFont(ui_font(11))
        painter.setPen(quiet)
        painter.setPen(Qt.PenStyle.NoPen)
        if item.valence is not None:
            painter.setBrush(mood_colour(self._theme, item.valence))
            y = body.top() + 17
            if item.valence < 3:
                painter.drawRoundedRect(x - 6, y - 1, 9, 3, 1.5, 1.5)
            else:
                size = 7 if item.valence > 3 else 5
                painter.drawEllipse(x - size // 2 - 1, y - size // 2, size, size)
        if item.for_therapist:
            self._theme.icon("bookmark", "accent", 16).paint(painter, QRect(x - 10, body.top() + 30, 16, 16))
        painter.restore()

    def _paint_text(self, painter: QPainter, rect: QRect, item: Row, ink: QColor) -> None:
        text = item.text or self.tr("No words yet")
        made = ui_font(13)
        height = QFontMetrics(made).height() + 1
        layout, fits = self._lay_out(text, made, item.spans, rect.width())
        if fits < len(text):
            whole, cut = text, fits
            while fits < len(text) and cut > 0:  # cut until the ellipsis fits as well
                text = shortened(whole, cut)
                layout, fits = self._lay_out(text, made, item.spans, rect.width())
                cut = len(text) - 2
        painter.setPen(ink)
        for number in range(min(2, layout.lineCount())):
            layout.lineAt(number).draw(painter, QPointF(rect.left(), rect.top() + number * height))

    def _lay_out(self, text: str, font: QFont, spans: Sequence[tuple[int, int]], width: int) -> tuple[QTextLayout, int]:
        """Break ``text`` into two lines; return the layout and how many characters they hold."""
        layout = QTextLayout(text, font)
        formats = []
        for start, end in spans:
            span = QTextLayout.FormatRange()
            span.start, span.length = start, end - start
            look = QTextCharFormat()
            look.setFontWeight(700)
            look.setForeground(self._theme.color("accent"))
            span.format = look
            formats.append(span)
        layout.setFormats(formats)
        layout.beginLayout()
        used = 0
        for _ in range(2):
            row = layout.createLine()
            if not row.isValid():
                break
            row.setLineWidth(width)
            row.setPosition(QPointF(0, 0))
            used = row.textStart() + row.textLength()
        layout.endLayout()
        return layout, used


class EntryList(QListView):
    """The view. Return or a click opens an entry.

    Signals:
        opened: an entry's id.
    """

    opened = Signal(str)

    def __init__(self, model: EntryModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setModel(model)
        self.setItemDelegate(EntryDelegate(theme, self))
        self.setAccessibleName(self.tr("Entries"))
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QListView.SelectionMode.SingleSelection)
        self.setLayoutMode(QListView.LayoutMode.Batched)
        self.setBatchSize(200)
        self.clicked.connect(self._on_opened)
        self.activated.connect(self._on_opened)
        theme.changed.connect(self.viewport().update)

    def select(self, entry_id: str) -> None:
        """Select an entry's row without opening it."""
        model = self.model()
        index = model.index_of(entry_id) if isinstance(model, EntryModel) else QModelIndex()
        if index.isValid():
            self.setCurrentIndex(index)
        else:
            self.clearSelection()

    def _on_opened(self, index: QModelIndex) -> None:
        item = index.data(ROLE_ROW)
        if item is not None and item.kind == "entry":
            self.opened.emit(item.entry_id)
