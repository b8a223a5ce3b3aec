"""What to do when the journal does not open: put a backup in its place, or rescue what can be read.

Two scenes that need no key to be shown. Nothing here removes anything, and nothing offers to.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QBoxLayout,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from journal_app.ui import words
from journal_app.ui.backup_list import BackupList
from journal_app.ui.backups import entries_text, when
from journal_app.ui.help_card import HelpPage
from journal_app.ui.unlock_page import Secret, read_key_file
from journal_app.ui.widgets import add_all, button, card, centred, label, row, scroll

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal_app.vault.backup import Backup
    from journal_app.vault.salvage import Damage

WIDTH = 600
MOST_PAGES_NAMED = 5


def pages_text(damage: Damage) -> str:
    """Return which pages are damaged, as ``page 12 of 40``; empty when none is known by number."""
    from PySide6.QtCore import QCoreApplication

    bad = damage.bad
    if not bad:
        return ""
    if len(bad) == 1:
        return QCoreApplication.translate("Rescue", "page {0} of {1}").format(bad[0], damage.pages)
    if len(bad) > MOST_PAGES_NAMED:
        return QCoreApplication.translate("Rescue", "{0} of {1} pages").format(len(bad), damage.pages)
    numbers = ", ".join(str(number) for number in bad)
    return QCoreApplication.translate("Rescue", "pages {0} of {1}").format(numbers, damage.pages)


class _SecretForm(QWidget):
    """One field, a button, and a bar while something goes on."""

    given = Signal(object)

    def __init__(self, title: str, go: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        self.field = QLineEdit()
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setInputMethodHints(Qt.InputMethodHint.ImhSensitiveData | Qt.InputMethodHint.ImhNoPredictiveText)
        self.field.setPlaceholderText(title)
        self.field.setAccessibleName(title)
        self.field.setMinimumHeight(28)
        self.field.setMaximumWidth(420)
        self.field.returnPressed.connect(self._give)
        self.go = button(go, self._give, "primary")
        self.go.setMinimumHeight(40)
        self._file = button(self.tr("Use a key file"), self._choose, "link")
        line = row(12)
        line.addWidget(self.go)
        line.addWidget(self._file)
        line.addStretch(1)
        self._bar = QProgressBar()
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        keep = self._bar.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self._bar.setSizePolicy(keep)
        self._bar.setMaximumWidth(420)
        self._bar.hide()
        self.said = label("", "note")
        self.said.setAccessibleName(self.tr("Message"))
        column.addWidget(self.field)
        column.addLayout(line)
        add_all(column, self._bar, self.said)

    def busy(self, on: bool, text: str = "") -> None:
        """Show or end the waiting, with words."""
        self._bar.setVisible(on)
        for widget in (self.field, self.go, self._file):
            widget.setEnabled(not on)
        self.say(text, quiet=on)

    def say(self, text: str, *, quiet: bool = False) -> None:
        """Say something below the field."""
        self.said.setProperty("role", "quiet" if quiet else "note")
        self.said.style().unpolish(self.said)
        self.said.style().polish(self.said)
        self.said.setText(text)

    def wipe(self) -> None:
        """Forget what was typed."""
        self.field.clear()

    def _give(self) -> None:
        if self.field.text() and self.go.isEnabled():
            self.given.emit(self.field.text())

    def _choose(self) -> None:
        path, _kind = QFileDialog.getOpenFileName(self, self.tr("Use a key file"))
        if path:
            read_key_file(Path(path), self.given.emit, self.say)


class _Steps(QWidget):
    """A stack of scrolled columns, with the help lines as the last of them."""

    back = Signal()
    country_changed = Signal(str)

    def __init__(self, country: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        self._stack = QStackedWidget(self)
        outer.addWidget(self._stack)
        self._country = country
        self._before = 0

    def _column(self) -> QVBoxLayout:
        body, inner = centred(WIDTH, 14)
        self._stack.addWidget(scroll(body))
        return inner

    def _add_help(self) -> None:
        self._help = HelpPage(self._country, way_back=True)
        self._help.back.connect(self._from_help)
        self._help.country_changed.connect(self.country_changed)
        self._stack.addWidget(self._help)

    def show_help(self) -> None:
        """Show the help lines; no journal is needed."""
        self._before = self._stack.currentIndex()
        self._stack.setCurrentWidget(self._help)

    def _from_help(self) -> None:
        self._stack.setCurrentIndex(self._before)

    def _foot(self, inner: QBoxLayout, back: str) -> None:
        line = row(4)
        line.addWidget(button(back, self.back.emit, "quiet"))
        line.addWidget(button(self.tr("Help lines"), self.show_help, "quiet"))
        line.addStretch(1)
        inner.addLayout(line)


class RestorePage(_Steps):
    """The backups, then one of them in words, then its passphrase.

    Signals:
        folder_chosen: look in another folder. restore_asked: a backup and what opens it.
        back: to the unlock page.
    """

    folder_chosen = Signal(object)
    restore_asked = Signal(object, object)

    def __init__(self, country: str, parent: QWidget | None = None) -> None:
        super().__init__(country, parent)
        self._backup: Backup | None = None
        inner = self._column()
        add_all(
            inner,
            label(self.tr("Restore a backup"), "title"),
            label(
                self.tr(
                    "Choose the one to put in the journal's place. What is there now is moved aside, not removed, and "
                    "nothing is changed before the backup has proved that it opens."
                ),
                "prose",
            ),
        )
        self._said = label(self.tr("Looking for backups…"), "quiet")
        self._said.setAccessibleName(self.tr("Message"))
        self._list = BackupList(self._choose)
        add_all(inner, self._said, self._list)
        self._look = button(self.tr("Look in another folder…"), self._choose_folder)
        inner.addWidget(self._look, 0, Qt.AlignmentFlag.AlignLeft)
        inner.addSpacing(8)
        self._foot(inner, self.tr("Back"))
        inner.addStretch(1)
        inner = self._column()
        inner.addStretch(2)
        self._title = label(self.tr("Restore this backup?"), "title")
        self._words = label("", "prose")
        self._form = _SecretForm(self.tr("Passphrase or recovery code of that backup"), self.tr("Restore it"))
        self._form.given.connect(self._on_given)
        hint = label(
            self.tr("If you have changed the passphrase since, it is the one that you had on that day."), "hint"
        )
        add_all(inner, self._title, self._words, self._form, hint)
        self._other = button(self.tr("Choose another backup"), self._to_list, "quiet")
        inner.addWidget(self._other)
        inner.addStretch(3)
        self._add_help()

    def show_backups(self, backups: Sequence[Backup]) -> None:
        """Show what was found."""
        good = sum(not backup.problem for backup in backups)
        if not backups:
            self._said.setText(
                self.tr(
                    "No backup was found here. If you keep backups on a disk of their own, connect it and look there."
                )
            )
        elif not good:
            self._said.setText(self.tr("None of these backups is good. Nothing was changed. Look in another folder."))
        self._said.setVisible(not good)
        self._list.setVisible(bool(backups))
        self._list.show_backups(backups)
        if self._stack.currentIndex() == 0 and not self._list.focus_first():
            self._look.setFocus()

    def choose(self, backup: Backup) -> None:
        """Ask for one backup's passphrase."""
        self._choose(backup)

    def activated(self) -> None:
        """Let the keyboard begin."""
        self._look.setFocus()

    def working(self) -> None:
        """Say that the restore goes on."""
        self._other.setEnabled(False)
        self._form.busy(True, self.tr("The backup is proved to open and put in place. This can take a minute."))

    def failed(self, text: str) -> None:
        """Say why it was not restored."""
        self._other.setEnabled(True)
        self._form.busy(False, text)
        self._form.field.setFocus()
        self._form.field.selectAll()

    def wipe(self) -> None:
        """Forget what was typed."""
        self._form.wipe()

    def _choose(self, backup: Backup) -> None:
        self._backup = backup
        self._words.setText(
            self.tr(
                "It was made on {0} and holds {1}. What you have written after that is not in it. The journal as it is "
                "now, damaged or not, is moved into a folder of its own and kept."
            ).format(when(backup), entries_text(backup.entries))
        )
        self._form.wipe()
        self._form.say("")
        self._stack.setCurrentIndex(1)
        self._form.field.setFocus()

    def _to_list(self) -> None:
        self._form.wipe()
        self._stack.setCurrentIndex(0)
        self._list.focus_first()

    def _on_given(self, secret: Secret) -> None:
        if self._backup is not None:
            self.restore_asked.emit(self._backup, secret)

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self.tr("Look for backups in"))
        if folder:
            self._said.setText(self.tr("Looking for backups…"))
            self._said.show()
            self.folder_chosen.emit(Path(folder))


class RescuePage(_Steps):
    """A journal that is damaged: what happened, what is safe, and the two ways on.

    Signals:
        restore_asked: the good backup that is offered, or None for the list of backups.
        rescue_asked: what opens the damaged journal. rescued_asked: open an earlier rescued copy; what opens it.
        back: to the unlock page.
    """

    restore_asked = Signal(object)
    rescue_asked = Signal(object)
    rescued_asked = Signal(object)

    def __init__(self, country: str, message: str, rescued: str = "", parent: QWidget | None = None) -> None:
        """Make the page. ``message``: the error's own words; ``rescued``: the day of an earlier rescue, if any."""
        super().__init__(country, parent)
        self._good: Backup | None = None
        self._message = message
        self._earlier = bool(rescued)
        inner = self._column()
        inner.addStretch(1)
        self._title = label(self.tr("This journal is damaged"), "title")
        self._what = label(message, "prose")
        self._what.setAccessibleName(self.tr("Message"))
        add_all(inner, self._title, self._what)
        frame, inside = card(margin=20, spacing=10)
        self._offer = label(self.tr("Looking for a good backup…"))
        self._restore = button(self.tr("Restore it"), self._ask_restore, "primary")
        self._restore.setMinimumHeight(40)
        self._restore.setEnabled(False)
        others = button(self.tr("Show all backups"), self._ask_list, "link")
        self._others: list[QWidget] = [self._restore, others]
        line = row(12)
        line.addWidget(self._restore)
        line.addWidget(others)
        line.addStretch(1)
        add_all(inside, label(self.tr("Restore a backup"), "heading"), self._offer)
        inside.addLayout(line)
        inner.addWidget(frame)
        frame, inside = card(margin=20, spacing=10)
        add_all(
            inside,
            label(self.tr("Rescue what can be read"), "heading"),
            label(
                self.tr(
                    "Everything that is still readable is put into a new journal beside this one. It can be read and "
                    "exported, not written in. The damaged journal stays as it is."
                )
            ),
        )
        self._to_form = button(self.tr("Rescue what can be read…"), self._show_form)
        self._to_form.setMinimumHeight(40)
        line = row(12)
        line.addWidget(self._to_form)
        self._others.append(self._to_form)
        if rescued:
            earlier = button(self.tr("Open the copy rescued on {0}").format(rescued), self._open_earlier, "link")
            self._others.append(earlier)
            line.addWidget(earlier)
        line.addStretch(1)
        inside.addLayout(line)
        self._form = _SecretForm(self.tr("Passphrase or recovery code"), self.tr("Rescue"))
        self._form.given.connect(self._on_given)
        self._form.hide()
        inside.addWidget(self._form)
        inner.addWidget(frame)
        self._foot(inner, self.tr("Try to unlock again"))
        inner.addStretch(2)
        self._wants_earlier = False
        self._add_help()

    @property
    def message(self) -> str:
        """What is said about the damage."""
        return self._what.text()

    def show_damage(self, damage: Damage | None) -> None:
        """Name the damaged pages, where they are known."""
        pages = pages_text(damage) if damage is not None else ""
        if pages:
            self._what.setText(self.tr("What cannot be read: {0}. Nothing was changed.").format(pages))
        elif damage is not None and damage.log:
            self._what.setText(self.tr("Its last saves are damaged. Nothing was changed."))

    def show_backups(self, backups: Sequence[Backup]) -> None:
        """Offer the newest backup that is good."""
        self._good = next((backup for backup in backups if not backup.problem), None)
        if self._good is None:
            self._offer.setText(
                self.tr(
                    "No good backup was found in the folder of backups. There may be one on another disk: show all "
                    "backups and look in another folder."
                )
            )
            self._restore.hide()
            self._to_form.setFocus()
            return
        proved = (
            self.tr("It was proved on {0}.").format(words.moment(self._good.proved_utc, time=False))
            if self._good.proved_utc
            else ""
        )
        self._offer.setText(
            self.tr("The backup of {0} is good and holds {1}. {2}")
            .format(when(self._good), entries_text(self._good.entries), proved)
            .strip()
        )
        self._restore.setEnabled(True)
        self._restore.setFocus()

    def activated(self) -> None:
        """Let the keyboard begin."""
        self._to_form.setFocus()

    def working(self) -> None:
        """Say that the rescue goes on."""
        for widget in self._others:
            widget.setEnabled(False)
        self._form.busy(True, self.tr("Reading page by page. This can take a minute."))

    def failed(self, text: str) -> None:
        """Say why nothing was rescued."""
        for widget in self._others:
            widget.setEnabled(True)
        self._restore.setEnabled(self._good is not None)
        self._form.busy(False, text)
        self._form.field.setFocus()
        self._form.field.selectAll()

    def wipe(self) -> None:
        """Forget what was typed."""
        self._form.wipe()

    def _show_form(self) -> None:
        self._wants_earlier = False
        self._form.go.setText(self.tr("Rescue"))
        self._form.show()
        self._form.field.setFocus()

    def _open_earlier(self) -> None:
        self._wants_earlier = True
        self._form.go.setText(self.tr("Open"))
        self._form.show()
        self._form.field.setFocus()

    def _on_given(self, secret: Secret) -> None:
        (self.rescued_asked if self._wants_earlier else self.rescue_asked).emit(secret)

    def _ask_restore(self) -> None:
        self.restore_asked.emit(self._good)

    def _ask_list(self) -> None:
        self.restore_asked.emit(None)
