"""The unlock page: the journal's name, one field, and quiet links to everything else that may help.

It asks and explains; the application opens. Ways that this journal has not (a key file, a keyring)
are not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, Qt, QTimer, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QProgressBar, QStackedWidget, QVBoxLayout, QWidget

from journal_app.ui import words
from journal_app.ui.help_card import HelpPage
from journal_app.ui.widgets import Flow, button, label, row
from journal_app.vault.records import NewerVault, OpenElsewhere, VaultError, VaultMissing, WrongPassphrase

WIDTH = 380
LINKS_WIDTH = 560
MOST_KEY_FILE_BYTES = 4096
"""A key file is a few lines of text; nothing larger is read."""

Secret = str | bytes | None
"""What opens a journal: words that were typed, the content of a key file, or None for the keyring."""


def unlock_message(error: Exception, secret: Secret = "") -> str:
    """Return what happened, what is safe and what to do; each cause has words of its own."""
    if isinstance(error, WrongPassphrase):
        if secret is None:
            return QCoreApplication.translate(
                "Unlock",
                "This computer's keyring does not open the journal. Nothing was changed. Use the passphrase, then let "
                "the keyring remember the journal again in the settings.",
            )
        if isinstance(secret, bytes):
            return QCoreApplication.translate(
                "Unlock",
                "This key file does not open the journal. Nothing was changed. A key file stops working when another "
                "is made; use that one, the passphrase or the recovery code.",
            )
        return QCoreApplication.translate(
            "Unlock",
            "This passphrase does not open the journal. Nothing was changed. Check capital letters and the keyboard "
            "language, or use the recovery code.",
        )
    if isinstance(error, OpenElsewhere):
        return QCoreApplication.translate(
            "Unlock",
            "This journal seems to be open on another computer. Nothing was changed. Close it there first. If you open "
            "it here all the same and write on both, both copies are kept and joined.",
        )
    if isinstance(error, NewerVault):
        return QCoreApplication.translate(
            "Unlock",
            "This journal was made by a newer version of Quiet Page. Nothing was changed. Install the newer version to "
            "open it.",
        )
    if isinstance(error, VaultMissing):
        return QCoreApplication.translate(
            "Unlock", "The journal is no longer in its place. Check the folder, or restore it from a backup."
        )
    if isinstance(error, VaultError):
        return words.said(error)
    text = str(error) if type(error).__module__.startswith("journal_app") else ""
    return text or QCoreApplication.translate(
        "Unlock", "The journal could not be opened. Nothing was changed. Try again."
    )


class UnlockPage(QWidget):
    """Asks for the passphrase, the recovery code, a key file or the keyring.

    Signals:
        secret_given: what opens it (see :data:`Secret`), and whether to open it although another computer has it.
        restore_asked: show the backups. country_changed: a country was chosen on the help card.
    """

    secret_given = Signal(object, bool)
    restore_asked = Signal()
    country_changed = Signal(str)

    def __init__(
        self,
        country: str,
        note: str = "",
        *,
        key_file: bool = False,
        keyring: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        """Make the page. ``note`` says why the journal was locked; ``key_file`` and ``keyring``: it has such a slot."""
        super().__init__(parent)
        self.setObjectName("page")
        self._recovery = False
        self._left = 0
        self._said = ""
        self._last: Secret = ""
        self._stack = QStackedWidget(self)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._stack)
        self._stack.addWidget(self._make_front(note, key_file, keyring))
        self._help = HelpPage(country, way_back=True)
        self._help.back.connect(self._show_front)
        self._help.country_changed.connect(self.country_changed)
        self._stack.addWidget(self._help)
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self._count_down)

    def _make_front(self, note: str, key_file: bool, keyring: bool) -> QWidget:
        front = QWidget()
        front.setObjectName("page")
        across = QHBoxLayout(front)
        middle = QWidget()
        middle.setFixedWidth(WIDTH)
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        name = label(self.tr("Quiet Page"), "display", wrap=False)
        name.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(name)
        self._hint = label(note, "quiet")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self._hint)
        column.addSpacing(12)
        self._field = QLineEdit()
        self._field.setInputMethodHints(Qt.InputMethodHint.ImhSensitiveData | Qt.InputMethodHint.ImhNoPredictiveText)
        self._field.setMinimumHeight(28)
        self._field.returnPressed.connect(self._submit)
        column.addWidget(self._field)
        self._button = button(self.tr("Unlock"), self._submit, "primary")
        self._button.setMinimumHeight(40)
        column.addWidget(self._button)
        self._progress = QProgressBar()
        self._progress.setRange(0, 0)
        self._progress.setTextVisible(False)
        keep = self._progress.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self._progress.setSizePolicy(keep)
        self._progress.hide()
        column.addWidget(self._progress)
        self._message = label("", "note")
        self._message.setAccessibleName(self.tr("Message"))
        self._message.setMinimumHeight(66)  # the field stays where it is when something is said
        self._message.setAlignment(Qt.AlignmentFlag.AlignTop)
        column.addWidget(self._message)
        self._despite = button(self.tr("Open all the same"), self._open_despite)
        self._despite.hide()
        column.addWidget(self._despite, 0, Qt.AlignmentFlag.AlignLeft)
        links = QWidget()
        links.setFixedWidth(LINKS_WIDTH)
        flow = Flow(links, 4, centred=True)
        self._switch = button("", self._toggle_recovery, "quiet")
        self._from_file = button(self.tr("Open with a key file"), self._choose_file, "quiet")
        self._from_ring = button(self.tr("Open with this computer's keyring"), self._use_keyring, "quiet")
        shown = [self._switch, *([self._from_file] if key_file else []), *([self._from_ring] if keyring else [])]
        shown.append(button(self.tr("Restore a backup"), self.restore_asked.emit, "quiet"))
        shown.append(button(self.tr("Help lines"), self.show_help, "quiet"))
        for link in shown:
            flow.addWidget(link)
        self._links = shown
        inner = QVBoxLayout()
        inner.setSpacing(16)
        inner.addStretch(3)
        for part in (middle, links):  # in rows of their own: an alignment would keep them at their first height
            line = row(0)
            line.addStretch(1)
            line.addWidget(part)
            line.addStretch(1)
            inner.addLayout(line)
        inner.addStretch(4)
        across.addLayout(inner)
        self._name_field()
        return front

    @property
    def message(self) -> str:
        """The message on show."""
        return self._message.text()

    @property
    def note(self) -> str:
        """What is said about the journal before anything is typed: why it was locked, what was restored."""
        return self._hint.text()

    def activated(self) -> None:
        """Put the cursor into the field."""
        self._field.setFocus()

    def show_help(self) -> None:
        """Show the help lines; no journal is needed."""
        self._stack.setCurrentWidget(self._help)

    def failed(self, error: Exception, wait_seconds: float = 0.0) -> None:
        """Say why the journal did not open; after several wrong tries the next one waits ``wait_seconds``."""
        self._progress.hide()
        self._said = unlock_message(error, self._last)
        self._message.setText(self._said)
        self._despite.setVisible(isinstance(error, OpenElsewhere))
        self._enable()
        if isinstance(error, WrongPassphrase):
            self._field.selectAll()
        if isinstance(error, OpenElsewhere):
            self._despite.setFocus()
        self.wait(wait_seconds)

    def wait(self, seconds: float) -> None:
        """Let the next try wait, and count down in words; what was typed stays."""
        self._left = max(0, round(seconds + 0.49))
        if self._left:
            self._button.setEnabled(False)
            self._clock.start()
            self._show_wait()

    def wipe(self) -> None:
        """Forget what was typed."""
        self._field.clear()
        self._last = ""

    # inside ------------------------------------------------------------------------------

    def _count_down(self) -> None:
        self._left -= 1
        if self._left > 0:
            self._show_wait()
            return
        self._clock.stop()
        self._message.setText(self._said)
        self._button.setEnabled(True)

    def _show_wait(self) -> None:
        minutes, seconds = divmod(self._left, 60)
        if minutes:
            waits = self.tr("You can try again in {0} min {1} s.").format(minutes, seconds)
        elif seconds == 1:
            waits = self.tr("You can try again in 1 second.")
        else:
            waits = self.tr("You can try again in {0} seconds.").format(seconds)
        self._message.setText(f"{self._said} {waits}".strip())

    def _enable(self) -> None:
        for widget in (self._field, self._button, *self._links):
            widget.setEnabled(True)
        self._field.setFocus()

    def _submit(self) -> None:
        if self._field.text() and self._button.isEnabled():
            self._open(self._field.text())

    def _open(self, secret: Secret, *, despite: bool = False) -> None:
        if self._left:
            return
        self._last = secret
        # Not while a try is under way: a second one would only find the journal in use.
        for widget in (self._field, self._button, *self._links[:-1]):
            widget.setEnabled(False)
        self._despite.hide()
        self._said = ""
        self._message.setText("")
        self._progress.show()
        self.secret_given.emit(secret, despite)

    def _open_despite(self) -> None:
        self._open(self._last, despite=True)

    def _use_keyring(self) -> None:
        self._open(None)

    def _choose_file(self) -> None:
        path, _kind = QFileDialog.getOpenFileName(self, self.tr("Open with a key file"))
        if path:
            self.open_key_file(Path(path))

    def open_key_file(self, path: Path) -> None:
        """Read a key file and try it; say so when it cannot be read."""
        read_key_file(path, self._open, self._say)

    def _say(self, text: str) -> None:
        self._said = text
        self._message.setText(text)

    def _toggle_recovery(self) -> None:
        self._recovery = not self._recovery
        self._field.clear()
        self._say("")
        self._name_field()
        self._field.setFocus()

    def _name_field(self) -> None:
        named = self.tr("Recovery code") if self._recovery else self.tr("Passphrase")
        self._field.setPlaceholderText(named)
        self._field.setAccessibleName(named)
        mode = QLineEdit.EchoMode.Normal if self._recovery else QLineEdit.EchoMode.Password
        self._field.setEchoMode(mode)
        self._switch.setText(self.tr("Use the passphrase") if self._recovery else self.tr("Use the recovery code"))

    def _show_front(self) -> None:
        self._stack.setCurrentIndex(0)
        self._field.setFocus()


def read_key_file(path: Path, use: Callable[[bytes], object], say: Callable[[str], object]) -> None:
    """Give the content of a key file to ``use``, or words to ``say`` when it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_KEY_FILE_BYTES + 1)
    except OSError:
        say(
            QCoreApplication.translate(
                "Unlock", "This file cannot be read. Nothing was changed. Choose the key file, or use the passphrase."
            )
        )
        return
    use(data)
