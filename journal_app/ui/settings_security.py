"""Settings: the ways to open the journal, and its encryption key.

What changes a key asks for the passphrase once more: an open journal on a desk is not yet its writer. The
work goes through the bridge; what it means stands beside each button.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from journal_app.ui import words
from journal_app.ui.code_pages import CONFIRMED
from journal_app.ui.services import Services
from journal_app.ui.widgets import add_all, button, label, line, row
from journal_app.vault.records import SlotInfo, VaultError

BYTES_A_SECOND = 25e6
"""A cautious guess at how fast a journal is encrypted again, for "about N seconds"; an old laptop's disk."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked before a key is changed.

    ``secret``: the passphrase has to be typed; ``renew``: a new one too; ``code``: the recovery code will do as well.
    ``act`` is given what was typed.
    """

    text: str
    go: str
    act: Callable[[str], object]
    secret: bool = True
    renew: bool = False
    code: bool = True


class _Ask(QWidget):
    """One question at a time, put below the line that it is about."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._question: _Question | None = None
        self._from: QWidget | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 8)
        column.setSpacing(8)
        self._text = label("")
        self.current, self.new, self.again = (self._field() for _ in range(3))
        self.go = button("", self._go, "primary")
        self.cancel = button(self.tr("Cancel"), self.end)
        buttons = row(8)
        buttons.addWidget(self.go)
        buttons.addWidget(self.cancel)
        buttons.addStretch(1)
        add_all(column, self._text, self.current, self.new, self.again)
        column.addLayout(buttons)
        self.hide()

    def ask(self, question: _Question) -> None:
        """Put a question; what was typed before is forgotten."""
        self.wipe()
        self._from = self.window().focusWidget()
        self._question = question
        self._text.setText(question.text)
        self._text.setVisible(bool(question.text))
        self.current.setVisible(question.secret)
        self.new.setVisible(question.renew)
        self.again.setVisible(question.renew)
        named = self.tr("Passphrase or recovery code as it is now") if question.code else self.tr("Passphrase")
        for field, title in (
            (self.current, named),
            (self.new, self.tr("New passphrase")),
            (self.again, self.tr("The new one again")),
        ):
            field.setPlaceholderText(title)
            field.setAccessibleName(title)
        self.go.setText(question.go)
        self.go.setEnabled(True)
        self.show()
        (self.current if question.secret else self.go).setFocus()

    def end(self) -> None:
        """Put the question away; the focus goes back to where it came from."""
        self.wipe()
        back = self._from
        if back is not None and not back.isHidden():
            back.setFocus()
        self.hide()
        self._question = None

    def busy(self, on: bool) -> None:
        """Wait for an answer, or take the next."""
        for widget in (self.go, self.cancel, self.current, self.new, self.again):
            widget.setEnabled(not on)

    def wipe(self) -> None:
        """Forget what was typed."""
        for field in (self.current, self.new, self.again):
            field.clear()

    def _field(self) -> QLineEdit:
        made = QLineEdit()
        made.setEchoMode(QLineEdit.EchoMode.Password)
        made.setInputMethodHints(Qt.InputMethodHint.ImhSensitiveData | Qt.InputMethodHint.ImhNoPredictiveText)
        made.setMaximumWidth(360)
        made.returnPressed.connect(self._on_return)
        return made

    def _on_return(self) -> None:
        waiting = [field for field in (self.current, self.new, self.again) if not field.isHidden() and not field.text()]
        if waiting:
            waiting[0].setFocus()
        else:
            self._go()

    def _go(self) -> None:
        if self._question is not None and self.go.isEnabled():
            self._question.act(self.current.text())


class _Way(QWidget):
    """One way to open the journal: what it is, what it is for, and what can be done about it."""

    def __init__(self, title: str, about: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 8, 0, 8)
        self.column.setSpacing(4)
        across = QHBoxLayout()
        across.setSpacing(12)
        left = QVBoxLayout()
        left.setSpacing(2)
        self.title = label(title)
        self.about = label(about, "hint")
        add_all(left, self.title, self.about)
        across.addLayout(left, 1)
        self._buttons = row(8)
        across.addLayout(self._buttons)
        self.column.addLayout(across)
        self.said = label("", "quiet")
        self.said.setAccessibleName(self.tr("Message"))
        self.said.hide()
        self.column.addWidget(self.said)

    def add(self, made: QPushButton) -> QPushButton:
        """Put a button at the right."""
        self._buttons.addWidget(made)
        return made

    def say(self, text: str, role: str = "quiet") -> None:
        """Say something below; nothing takes no room."""
        self.said.setProperty("role", role)
        self.said.style().unpolish(self.said)
        self.said.style().polish(self.said)
        self.said.setText(text)
        self.said.setVisible(bool(text))


class WaysSection(QWidget):
    """The ways to open the journal as a list, and its encryption key.

    Signals:
        code_made: another recovery code was made; it has to be shown and typed back.
        rotate_asked: a new encryption key is wanted; the passphrase, proved.
    """

    code_made = Signal(str)
    rotate_asked = Signal(str)

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._unsaved = b""
        self._at: _Way | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._ask = _Ask()
        self.passphrase = _Way(self.tr("Passphrase"), self.tr("What you type every day."))
        self.recovery = _Way(self.tr("Recovery code"), self.tr("On paper, for the day you forget the passphrase."))
        self.key_file = _Way(self.tr("Key file"), "")
        self.keyring = _Way(self.tr("This computer's keyring"), "")
        self.data_key = _Way(
            self.tr("Encryption key"),
            self.tr("Everything is encrypted with it; the ways above only unlock it. It can be made anew."),
        )
        self._change = self.passphrase.add(button(self.tr("Change…"), self._ask_change))
        self._change.setAccessibleName(self.tr("Change the passphrase"))
        self._renew = self.recovery.add(button(self.tr("Make a new one…"), self._ask_code))
        self._renew.setAccessibleName(self.tr("Make a new recovery code"))
        self._drop_file = self.key_file.add(button(self.tr("Remove…"), self._ask_drop_file))
        self._drop_file.setAccessibleName(self.tr("Remove the key file"))
        self._make_file = self.key_file.add(button("", self._ask_file))
        self._drop_ring = self.keyring.add(button(self.tr("Remove…"), self._ask_drop_ring))
        self._drop_ring.setAccessibleName(self.tr("Remove the journal from this computer's keyring"))
        self._add_ring = self.keyring.add(button(self.tr("Remember…"), self._ask_ring))
        self._add_ring.setAccessibleName(self.tr("Let this computer's keyring open the journal"))
        self._rotate = self.data_key.add(button(self.tr("Make a new one…"), self._ask_rotate))
        self._rotate.setAccessibleName(self.tr("Make a new encryption key"))
        for number, way in enumerate((self.passphrase, self.recovery, self.key_file, self.keyring, self.data_key)):
            if number:
                column.addWidget(line())
            column.addWidget(way)
        for made in (self._drop_file, self._drop_ring, self._add_ring):
            made.hide()
        self._show_file(False)

    def activated(self) -> None:
        """Ask which ways there are; the keyring's service may take its time."""
        vault = self._services.vault

        def look() -> tuple[tuple[SlotInfo, ...], bool]:
            from journal_app.vault import keyring_slot

            return vault.slots(), keyring_slot.usable()

        self._services.bridge.run(look, self._show_ways, self._ways_unknown)

    def wipe(self) -> None:
        """Forget what was typed, and a key file that was not saved."""
        self._ask.wipe()
        self._unsaved = b""

    # what there is -----------------------------------------------------------------------

    def _show_ways(self, found: tuple[tuple[SlotInfo, ...], bool]) -> None:
        slots, usable = found
        self._show_file(any(slot.kind == "keyfile" for slot in slots))
        here = any(slot.kind == "keyring" and slot.here for slot in slots)
        others = any(slot.kind == "keyring" and not slot.here for slot in slots)
        if here:
            about = self.tr("It opens the journal without a passphrase for anybody who is logged in as you.")
        elif usable:
            about = self.tr(
                "Not used. If you let it remember the journal, anybody who is logged in as you can open it without "
                "the passphrase."
            )
        else:
            about = self.tr("There is no keyring on this computer that keeps secrets encrypted.")
        if others:
            about += " " + self.tr("Another computer's keyring opens it, too.")
        self.keyring.about.setText(about)
        self._add_ring.setVisible(usable and not here)
        self._drop_ring.setVisible(here)

    def _ways_unknown(self, _error: Exception) -> None:
        self.keyring.about.setText(self.tr("The ways to open the journal cannot be listed now. They work as before."))

    def _show_file(self, has_one: bool) -> None:
        self.key_file.about.setText(
            self.tr("It opens the journal without the passphrase. Keep it on a stick, away from this computer.")
            if has_one
            else self.tr("None. A file that opens the journal without the passphrase, for a stick in a safe place.")
        )
        self._make_file.setText(self.tr("Replace…") if has_one else self.tr("Make one…"))
        self._make_file.setAccessibleName(self.tr("Replace the key file") if has_one else self.tr("Make a key file"))
        self._drop_file.setVisible(has_one)

    # asking ------------------------------------------------------------------------------

    def _put(self, way: _Way, question: _Question) -> None:
        if self._at is not None:
            self._at.say("")
        self._at = way
        way.say("")
        way.column.insertWidget(1, self._ask)  # what is said about it stands below
        self._ask.ask(question)

    def _say(self, text: str, role: str = "quiet") -> None:
        if self._at is not None:
            self._at.say(text, role)

    def _do(self, current: str | None, work: Callable[[], object], done: Callable[[object], object]) -> None:
        """Prove the passphrase (None: not asked for) and work, off the GUI thread; say why if either does not go."""
        vault = self._services.vault

        def prove() -> tuple[bool, object]:
            if current is not None and not vault.opens_with(current):
                return False, None
            return True, work()

        def finished(result: tuple[bool, object]) -> None:
            self._ask.busy(False)
            if not result[0]:
                self._say(self.tr("This passphrase is not right. Nothing was changed."), "note")
                self._ask.current.setFocus()
                self._ask.current.selectAll()
                return
            self._ask.end()
            done(result[1])

        self._ask.busy(True)
        self._say(self.tr("One moment…"))
        self._services.bridge.run(prove, finished, self._failed)

    def _failed(self, error: Exception) -> None:
        self._ask.busy(False)
        said = words.said(error) if isinstance(error, VaultError) else self.tr("Nothing was changed. Try again.")
        self._say(said, "note")

    # passphrase and recovery code --------------------------------------------------------

    def _ask_change(self) -> None:
        self._put(self.passphrase, _Question("", self.tr("Change it"), self._change_passphrase, renew=True))

    def _change_passphrase(self, current: str) -> None:
        new, again = self._ask.new.text(), self._ask.again.text()
        if not new or new != again:
            self._say(self.tr("The new passphrase is empty, or the two are not the same. Nothing was changed."), "note")
            return
        vault = self._services.vault
        self._do(current, lambda: vault.change_passphrase(new), self._changed)

    def _changed(self, _none: object) -> None:
        self._say(self.tr("The passphrase is changed. The recovery code still works; older backups keep the old one."))

    def _ask_code(self) -> None:
        text = self.tr("The old code stops working at once. You are shown the new one and type two groups of it back.")
        self._put(self.recovery, _Question(text, self.tr("Make a new code"), self._make_code))

    def _make_code(self, current: str) -> None:
        vault = self._services.vault

        def make() -> str:
            # First: broken off before the code is typed back, the next unlock brings another one.
            store = vault.store()
            try:
                store.set_setting(CONFIRMED, False)
            finally:
                store.close()
            return vault.new_recovery_code()

        self._do(current, make, self._on_code)

    def _on_code(self, code: object) -> None:
        self._say("")
        self.code_made.emit(str(code))

    def code_confirmed(self, confirmed: bool) -> None:
        """Say what became of the new code."""
        self.recovery.say(
            self.tr("The new recovery code works. Destroy the old one.")
            if confirmed
            else self.tr("The old code has stopped working. You are given a new one when you unlock the next time.")
        )
        self._renew.setFocus()

    # key file ----------------------------------------------------------------------------

    def _ask_file(self) -> None:
        if self._unsaved:
            self._save_file()
            return
        text = self.tr(
            "Whoever has the file can open the journal. Choose a place away from this computer, such as a stick. An "
            "earlier key file stops working."
        )
        self._put(self.key_file, _Question(text, self.tr("Choose where to save it…"), self._choose_file))

    def _choose_file(self, current: str) -> None:
        path, _kind = QFileDialog.getSaveFileName(self, self.tr("Save the key file"), "quiet-page.key")
        if path:
            self.make_file(current, Path(path))

    def make_file(self, current: str, path: Path) -> None:
        """Make a key file and write it to ``path``; one that cannot be written there is kept for another try."""
        vault = self._services.vault

        def make() -> tuple[bytes, OSError | None]:
            data = vault.add_key_file()
            return data, _written(path, data)

        self._do(current, make, self._on_file)

    def _on_file(self, made: object) -> None:
        data, error = made  # type: ignore[misc]
        self._show_file(True)
        if error is None:
            self._unsaved = b""
            self._say(self.tr("Saved. It opens the journal from now on; try it once on the unlock page."))
            return
        from journal_app.ui.exported import not_written

        self._unsaved = data
        self._make_file.setText(self.tr("Save it elsewhere…"))
        self._say(not_written(error), "note")
        self._make_file.setFocus()

    def _save_file(self) -> None:
        path, _kind = QFileDialog.getSaveFileName(self, self.tr("Save the key file"), "quiet-page.key")
        if path:
            data = self._unsaved
            self._services.bridge.run(lambda: (data, _written(Path(path), data)), self._on_file, self._failed)

    def _ask_drop_file(self) -> None:
        text = self.tr("The key file stops opening the journal. The passphrase and the recovery code still do.")
        self._put(self.key_file, _Question(text, self.tr("Remove it"), self._drop_key_file, secret=False))

    def _drop_key_file(self, _none: str) -> None:
        vault = self._services.vault
        self._do(None, lambda: vault.remove_slot("keyfile"), self._dropped_file)

    def _dropped_file(self, _none: object) -> None:
        self._unsaved = b""
        self._show_file(False)
        self._say(self.tr("The key file does not open the journal any more. Older backups still know it."))

    # keyring -----------------------------------------------------------------------------

    def _ask_ring(self) -> None:
        text = self.tr(
            "The journal can then be opened without the passphrase by anybody who is logged in as you on this "
            "computer, and by programs that run for you. It is meant for a computer that only you use."
        )
        self._put(self.keyring, _Question(text, self.tr("Remember it"), self._remember))

    def _remember(self, current: str) -> None:
        vault = self._services.vault
        self._do(current, vault.add_keyring, self._remembered)

    def _remembered(self, _none: object) -> None:
        self._say(self.tr("The keyring of this computer opens the journal from now on."))
        self.activated()

    def _ask_drop_ring(self) -> None:
        text = self.tr("The keyring forgets the journal. The passphrase and the recovery code still open it.")
        self._put(self.keyring, _Question(text, self.tr("Remove it"), self._forget, secret=False))

    def _forget(self, _none: str) -> None:
        vault = self._services.vault
        self._do(None, lambda: vault.remove_slot("keyring"), self._forgotten)

    def _forgotten(self, _none: object) -> None:
        self._say(self.tr("The keyring of this computer does not open the journal any more."))
        self.activated()

    # encryption key ----------------------------------------------------------------------

    def _ask_rotate(self) -> None:
        vault = self._services.vault
        size = sum(_size(path) for path in vault.folder.glob("*.qpv*"))
        text = self.tr(
            "For the case that somebody may have had a copy of this journal together with its passphrase. Change the "
            "passphrase first.\n\nThe journal is locked, encrypted anew (about {0} seconds), and you are given a new "
            "recovery code. A key file and the keyring have to be set up again. Backups made before keep the old key."
        ).format(max(2, round(2 + size / BYTES_A_SECOND)))
        self._put(self.data_key, _Question(text, self.tr("Lock and make a new key"), self._prove_rotate, code=False))

    def _prove_rotate(self, current: str) -> None:
        from journal_app.vault import codes

        if codes.normalise_recovery_code(current) is not None:
            self._say(self.tr("This is the recovery code, which is made anew, too. Type the passphrase."), "note")
            return

        def go(_none: object) -> None:
            self._say("")
            self.rotate_asked.emit(current)

        self._do(current, lambda: None, go)


def _written(path: Path, data: bytes) -> OSError | None:
    """Write a key file, readable by its owner alone; return why it could not be written."""
    from journal_app.exchange import files

    try:
        files.write(path, data)
    except OSError as error:
        return error
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
