"""One entry on the page: date, saved word, the text, and below it the writer's own mood, tags and marks.

Owns autosave: text goes to the saver at most one second after the last key, and at most two
seconds after the first unsaved one while typing goes on. Nothing here waits for the disk.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from PySide6.QtCore import QDate, QRectF, QSize, QStringListModel, Qt, QTime, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QGuiApplication, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QCompleter,
    QDateEdit,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QTimeEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from journal_app.ui import words
from journal_app.ui.calendar import mood_colour
from journal_app.ui.editor import Editor
from journal_app.ui.saver import NEW, NewEntry, SaveFailed
from journal_app.ui.services import Services
from journal_app.ui.widgets import Flow, button, clear, label, row, tool
from journal_app.ui.widgets import line as rule
from journal_app.vault.records import Entry, Mood

SAVE_AFTER_MS = 400
SAVE_AT_LEAST_MS = 800
PAUSE_MS = 1500


class EntryView(QWidget):
    """Edits one entry, stored or not yet begun.

    Signals:
        typed: a key changed the text. paused: the writer stopped for a moment.
        bin_asked: the writer wants this entry in the bin.
    """

    typed = Signal()
    paused = Signal()
    bin_asked = Signal()

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._saver = services.saver
        self.key = self._saver.new_key()
        self._make = NewEntry()
        self._mood: Mood | None = None
        self._tags: tuple[str, ...] = ()
        self._for_therapist = False
        self._read_me = True
        self._when = ("", "", 0)
        self._handed = ""  # the text that was handed over last
        self._dirty = False
        self._wiped = False
        self.editor = Editor(services.theme, services.settings.writing_width)
        self.editor.edited.connect(self._on_edited)
        self.editor.fitted.connect(self._on_fitted)
        self._save_timer = self._timer(SAVE_AFTER_MS, self.save)
        self._cap_timer = self._timer(SAVE_AT_LEAST_MS, self.save)
        self._pause_timer = self._timer(PAUSE_MS, self._on_paused)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._make_head())
        column.addWidget(self._make_note())
        column.addWidget(self.editor, 1)
        column.addWidget(rule())
        column.addWidget(self._make_foot())
        services.theme.changed.connect(self.take_theme)
        if services.read_only:
            self._close_to_changes()
        self.begin(NewEntry())

    # what the page does ------------------------------------------------------------------

    def begin(self, make: NewEntry) -> None:
        """Show an empty page; an entry exists from its first key on."""
        self.flush()
        now = dt.datetime.now().astimezone()
        offset = round((now.utcoffset() or dt.timedelta()).total_seconds() / 60)
        self.key = self._saver.new_key()
        self._make = make
        self._when = (
            make.local_date or now.date().isoformat(),
            make.local_time or now.strftime("%H:%M:%S"),
            make.offset_minutes if make.offset_minutes is not None else offset,
        )
        self._show("", make.mood, make.tags, for_therapist=False, read_me=True)

    def open(self, entry: Entry) -> None:
        """Show a stored entry, after storing the one before."""
        self.flush()
        self.key = entry.id
        self._make = NewEntry()
        self._when = (entry.local_date, entry.local_time, entry.offset_minutes)
        self._show(entry.text, entry.mood, entry.tags, for_therapist=entry.for_therapist, read_me=entry.read_me)

    def entry_id(self) -> str | None:
        """Return the entry's id, or None before its first save."""
        return self._saver.entry_id(self.key)

    @property
    def local_date(self) -> str:
        """The entry's date."""
        return self._when[0]

    @property
    def read_me(self) -> bool:
        """Whether the model may read this entry."""
        return self._read_me

    @property
    def unsaved(self) -> bool:
        """Whether words were typed since the last hand-over to the saver."""
        return self._dirty

    @property
    def untouched(self) -> bool:
        """Whether this is an empty page that was never begun."""
        return self.key.startswith(NEW) and self.entry_id() is None and not self.editor.text()

    def save(self) -> None:
        """Hand the text to the saver; returns at once."""
        self._save_timer.stop()
        self._cap_timer.stop()
        if not self._dirty:
            return
        self._dirty = False
        text = self.editor.text()
        if text == self._handed or (not text and self.key.startswith(NEW) and not self._handed):
            self._show_status()
            return
        self._handed = text
        self._saver.save_text(self.key, text, self._new_entry() if self.key.startswith(NEW) else None)
        self._count.setText(self._count_text(text))

    def flush(self) -> None:
        """Finish a composition in progress (Hangul in mid-syllable) and hand everything over."""
        if self._wiped:
            return
        if self._tag_field.hasFocus():
            QGuiApplication.inputMethod().commit()
        self.editor.finish_composition()
        self._commit_tag()
        self.save()

    def wipe(self) -> None:
        """Forget every word on the page, which takes none from now on: a late one would replace what is stored."""
        self._wiped = True
        for timer in (self._save_timer, self._cap_timer, self._pause_timer):
            timer.stop()
        self._dirty = False
        self.editor.wipe()
        self._tag_field.clear()
        self._show_tags(())

    def take_theme(self) -> None:
        """Follow a change of look."""
        self.editor.take_theme(self._services.settings.writing_width)
        self._paint_moods()

    def saved(self, key: str) -> None:
        """Say that the entry was stored (called by the page for every stored entry)."""
        if key in (self.key, self.entry_id()):
            self._note.hide()
            self._show_status()

    def failed(self, event: SaveFailed) -> None:
        """Say calmly that the disk refuses, what is safe and what to do."""
        said = event.message or self.tr("The journal cannot be written now.")
        kept = self.tr("Your words are kept here and are stored as soon as it works again. Free some disk space.")
        self._note_text.setText(f"{said} {kept}")
        self._note.show()
        self._status.setProperty("role", "note")
        self._status.setText(self.tr("not saved yet"))
        self._restyle(self._status)

    def set_known_tags(self, tags: Sequence[str]) -> None:
        """Offer the journal's tags while one is typed."""
        self._known.setStringList(list(tags))

    def add_edges(self, left: QWidget, right: QWidget) -> None:
        """Put a control at each end of the line above the text."""
        self._head.insertWidget(0, left)
        self._head.addWidget(right)

    # pieces ------------------------------------------------------------------------------

    def _on_fitted(self, side: int) -> None:
        """Let the lines above and below the text begin and end where the text does."""
        self._head.setContentsMargins(max(16, side - 10), 12, max(16, side - 16), 4)
        self._foot.setContentsMargins(max(28, side), 8, max(24, side - 10), 12)

    def _timer(self, interval: int, slot: object) -> QTimer:
        made = QTimer(self)
        made.setSingleShot(True)
        made.setInterval(interval)
        made.timeout.connect(slot)
        return made

    def _make_head(self) -> QWidget:
        head = QWidget()
        line = self._head = QHBoxLayout(head)
        line.setContentsMargins(20, 12, 16, 4)
        line.setSpacing(8)
        self._date = button("", self._edit_when, "quiet")
        self._date.setToolTip(self.tr("Change the date or time"))
        self._date_field = QDateEdit()
        self._date_field.setCalendarPopup(True)
        self._date_field.setDisplayFormat("yyyy-MM-dd")
        self._time_field = QTimeEdit()
        self._time_field.setDisplayFormat("HH:mm")
        self._date_field.setAccessibleName(self.tr("Date"))
        self._time_field.setAccessibleName(self.tr("Time"))
        self._when_done = button(self.tr("Done"), self._take_when)
        self._count = label("", "hint", wrap=False)
        self._status = label("", "hint", wrap=False)
        self._status.setAccessibleName(self.tr("Saved or not"))
        self._more = tool("more", self.tr("More for this entry"))
        self._more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._more.setMenu(self._make_menu())
        for widget in (self._date, self._date_field, self._time_field, self._when_done):
            line.addWidget(widget)
        line.addStretch(1)
        for widget in (self._count, self._status, self._more):
            line.addWidget(widget)
            line.addSpacing(4)
        for widget in (self._date_field, self._time_field, self._when_done):
            widget.hide()
        return head

    def _close_to_changes(self) -> None:
        """Show a rescued copy: everything can be read, nothing looks as if it could be changed."""
        self.editor.close_to_changes()
        for widget in (self._date, self._energy):
            widget.setEnabled(False)
        self._date.setToolTip("")
        for widget in (self._more, self._tag_field, *self._mood_buttons):
            widget.hide()

    def _make_menu(self) -> QMenu:
        menu = QMenu(self)
        self._therapist_action = QAction(self.tr("Mark for my therapist"), menu, checkable=True)
        self._therapist_action.triggered.connect(self._mark_for_therapist)
        self._read_action = QAction(self.tr("Don't read this one"), menu, checkable=True)
        self._read_action.triggered.connect(self._mark_unread)
        delete = QAction(self.tr("Move to the bin"), menu)
        delete.triggered.connect(self.bin_asked)
        menu.addActions([self._therapist_action, self._read_action])
        menu.addSeparator()
        menu.addAction(delete)
        return menu

    def _make_note(self) -> QWidget:
        self._note = QFrame()
        self._note.setProperty("role", "noteFrame")
        inner = QHBoxLayout(self._note)
        inner.setContentsMargins(16, 10, 16, 10)
        self._note_text = label("", "note")
        inner.addWidget(self._note_text, 1)
        self._note.hide()
        return self._note

    def _make_foot(self) -> QWidget:
        foot = QWidget()
        column = self._foot = QVBoxLayout(foot)
        column.setContentsMargins(32, 8, 24, 12)
        column.setSpacing(4)
        line = row(4)
        line.addWidget(label(self.tr("My mood"), "hint", wrap=False))
        self._mood_buttons: list[QToolButton] = []
        for level in range(1, 6):
            made = self._mood_button(words.valence(level), level, "valence")
            self._mood_buttons.append(made)
            line.addWidget(made)
        self._mood_word = label("", "hint", wrap=False)
        self._energy = QToolButton()
        self._energy.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._energy.setMinimumHeight(32)
        self._energy.setText(self.tr("+ energy"))
        self._energy.setToolTip(self.tr("How much energy"))
        menu = QMenu(self._energy)
        group = QActionGroup(menu)
        self._energy_actions: list[QAction] = []
        for level in range(1, 6):
            action = QAction(words.energy(level), menu, checkable=True)
            action.setData(level)
            group.addAction(action)
            menu.addAction(action)
            self._energy_actions.append(action)
        group.triggered.connect(self._chose_energy)
        self._energy.setMenu(menu)
        line.addWidget(self._mood_word)
        line.addWidget(self._energy)
        line.addStretch(1)
        column.addLayout(line)
        self._tag_holder = QWidget()
        self._tag_holder.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._tag_flow = Flow(self._tag_holder, 6)
        self._tag_field = QLineEdit()
        self._tag_field.setProperty("role", "bare")
        self._tag_field.setPlaceholderText(self.tr("add a tag"))
        self._tag_field.setAccessibleName(self.tr("Add a tag"))
        self._tag_field.setFixedWidth(150)
        self._tag_field.returnPressed.connect(self._commit_tag)
        self._tag_field.textEdited.connect(self._tag_typed)
        self._known = QStringListModel(self)
        completer = QCompleter(self._known, self._tag_field)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._tag_field.setCompleter(completer)
        column.addWidget(self._tag_holder)
        return foot

    def _mood_button(self, text: str, level: int, kind: str) -> QToolButton:
        made = QToolButton()
        made.setCheckable(True)
        made.setToolTip(text)
        made.setAccessibleName(self.tr("My mood: {0}").format(text))
        made.setProperty("level", level)
        made.setProperty("kind", kind)
        made.setMinimumSize(32, 32)
        made.setIconSize(QSize(20, 20))
        made.clicked.connect(self._chose_mood)
        return made

    # mood, tags, marks -------------------------------------------------------------------

    def _chose_mood(self) -> None:
        sender = self.sender()
        level = int(sender.property("level")) if sender is not None else 3
        again = self._mood is not None and self._mood.valence == level
        energy = self._mood.energy if self._mood else None
        self._set_mood(None if again else Mood(level, energy))

    def _chose_energy(self, action: QAction) -> None:
        if self._mood is not None:
            self._set_mood(Mood(self._mood.valence, int(action.data())))

    def _set_mood(self, mood: Mood | None) -> None:
        self._mood = mood
        self._show_mood()
        self._begin_if_new()
        self._saver.set_mood(self.key, mood)

    def _tag_typed(self, text: str) -> None:
        if text.endswith((",", "，", "、")):
            self._commit_tag()

    def _commit_tag(self) -> None:
        tag = " ".join(self._tag_field.text().replace(",", " ").replace("，", " ").replace("、", " ").split())
        if not tag:
            return
        self._tag_field.clear()
        if tag.casefold() not in (known.casefold() for known in self._tags):
            self._set_tags((*self._tags, tag))

    def _remove_tag(self) -> None:
        sender = self.sender()
        if sender is not None:
            gone = str(sender.property("tag"))
            self._set_tags(tuple(tag for tag in self._tags if tag != gone))
            self._tag_field.setFocus()

    def _set_tags(self, tags: tuple[str, ...]) -> None:
        self._show_tags(tags)
        self._begin_if_new()
        self._saver.set_tags(self.key, tags)

    def _mark_for_therapist(self, on: bool) -> None:
        self._for_therapist = on
        self._begin_if_new()
        self._saver.set_flags(self.key, for_therapist=on)

    def _mark_unread(self, on: bool) -> None:
        self._read_me = not on
        self._begin_if_new()
        self._saver.set_flags(self.key, read_me=not on)
        self.paused.emit()

    def _begin_if_new(self) -> None:
        """Make sure that the entry exists before something is set on it."""
        if self.key.startswith(NEW) and self.entry_id() is None:
            self._dirty = False
            self._handed = self.editor.text()
            self._saver.save_text(self.key, self._handed, self._new_entry())

    def _new_entry(self) -> NewEntry:
        date, time, offset = self._when
        return NewEntry(date, time, offset, self._mood, self._tags)

    def _edit_when(self) -> None:
        self._date_field.setDate(QDate.fromString(self._when[0], "yyyy-MM-dd"))
        self._time_field.setTime(QTime.fromString(self._when[1], "HH:mm:ss"))
        self._date.hide()
        for widget in (self._date_field, self._time_field, self._when_done):
            widget.show()
        self._date_field.setFocus()

    def _take_when(self) -> None:
        date = self._date_field.date().toString("yyyy-MM-dd")
        time = self._time_field.time().toString("HH:mm") + self._when[1][5:8]
        changed = (date, time) != self._when[:2]
        self._when = (date, time, self._when[2])
        self._show_when()
        if changed and self.entry_id() is not None:
            self._saver.set_when(self.key, *self._when)
        self.editor.setFocus()

    # showing -----------------------------------------------------------------------------

    def _show(self, text: str, mood: Mood | None, tags: tuple[str, ...], *, for_therapist: bool, read_me: bool) -> None:
        self._pause_timer.stop()
        self._dirty = False
        self._handed = text
        self._mood = mood
        self._for_therapist, self._read_me = for_therapist, read_me
        self.editor.load(text)
        empty = not text and not self._services.read_only
        self.editor.setPlaceholderText(self.tr("Write what is on your mind") if empty else "")
        self._therapist_action.setChecked(for_therapist)
        self._read_action.setChecked(not read_me)
        self._tag_field.clear()
        self._show_tags(tags)
        self._show_mood()
        self._show_when()
        self._note.setVisible(self._saver.failing)
        self._count.setText(self._count_text(text))
        self._show_status()

    def _show_when(self) -> None:
        for widget in (self._date_field, self._time_field, self._when_done):
            widget.hide()
        self._date.setText(words.long_date(self._when[0], self._when[1]))
        self._date.show()

    def _show_status(self) -> None:
        begun = self.entry_id() is not None
        text = "" if not begun or self._services.read_only else self.tr("writing") if self._dirty else self.tr("saved")
        if self._saver.failing:
            return
        if self._status.property("role") != "hint":
            self._status.setProperty("role", "hint")
            self._restyle(self._status)
        self._status.setText(text)

    def _show_mood(self) -> None:
        chosen = self._mood.valence if self._mood else 0
        for made in self._mood_buttons:
            made.setChecked(int(made.property("level")) == chosen)
        none = self.tr("not given") if self._services.read_only else self.tr("optional")
        self._mood_word.setText(words.valence(chosen) if chosen else none)
        self._energy.setVisible(bool(chosen))
        level = self._mood.energy if self._mood else None
        for action in self._energy_actions:
            action.setChecked(action.data() == level)
        self._energy.setText(words.energy(level) if level else self.tr("+ energy"))
        self._paint_moods()

    def _show_tags(self, tags: tuple[str, ...]) -> None:
        self._tags = tags
        self._tag_flow.removeWidget(self._tag_field)
        clear(self._tag_flow)
        for tag in tags:
            made = self._tag_label(tag) if self._services.read_only else self._tag_chip(tag)
            self._tag_flow.addWidget(made)
            made.show()
        self._tag_flow.addWidget(self._tag_field)
        self._tag_holder.updateGeometry()

    def _tag_chip(self, tag: str) -> QWidget:
        made = button(f"{tag}  ×", None, "chip")
        made.setProperty("tag", tag)
        made.setAccessibleName(self.tr("Remove the tag {0}").format(tag))
        made.clicked.connect(self._remove_tag)
        return made

    @staticmethod
    def _tag_label(tag: str) -> QWidget:
        return label(f"#{tag}", "hint", wrap=False)

    def _paint_moods(self) -> None:
        for made in self._mood_buttons:
            made.setIcon(self._mood_icon(int(made.property("level")), made.isChecked()))

    def _mood_icon(self, level: int, chosen: bool) -> QIcon:
        """Draw a face-less mark: a low bar, a disc, a sun; size and shape speak, not colour alone."""
        icon = QIcon()
        for scale in (1, 2, 3):
            pixmap = QPixmap(20 * scale, 20 * scale)
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            painter.scale(scale, scale)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            colour = (
                mood_colour(self._services.theme, level)
                if level != 3 or chosen
                else mood_colour(self._services.theme, None)
            )
            painter.setBrush(colour)
            painter.setPen(Qt.PenStyle.NoPen)
            if level < 3:
                width, height = (16.0, 5.0) if level == 1 else (12.0, 4.0)
                painter.drawRoundedRect(QRectF(10 - width / 2, 10 - height / 2, width, height), 2, 2)
            else:
                size = {3: 7.0, 4: 11.0, 5: 15.0}[level]
                painter.drawEllipse(QRectF(10 - size / 2, 10 - size / 2, size, size))
            painter.end()
            pixmap.setDevicePixelRatio(scale)
            icon.addPixmap(pixmap)
        return icon

    def _count_text(self, text: str) -> str:
        count = words.count_words(text)
        if count == 0:
            return ""
        return self.tr("1 word") if count == 1 else self.tr("{0} words").format(count)

    @staticmethod
    def _restyle(widget: QWidget) -> None:
        widget.style().unpolish(widget)
        widget.style().polish(widget)

    def _on_edited(self) -> None:
        if self._wiped:
            return
        self._services.typing()
        self._save_timer.start()
        self._pause_timer.start()
        if not self._dirty:
            self._dirty = True
            self._cap_timer.start()
            self._show_status()
        self.typed.emit()

    def _on_paused(self) -> None:
        self.paused.emit()
