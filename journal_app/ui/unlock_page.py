"""The unlock page: the journal's name, one field, and quiet ways to help lines and the recovery code."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QProgressBar, QStackedWidget, QVBoxLayout, QWidget

from journal_app.ui.help_card import HelpPage
from journal_app.ui.widgets import button, label, row
from journal_app.vault.records import DamagedVault, NewerVault, VaultLocked, VaultMissing, WrongPassphrase

SLOW_AFTER = 3
SLOW_MS = 2000


def unlock_message(error: Exception) -> str:
    """Return what happened, what is safe and what to do; each cause has words of its own."""
    if isinstance(error, WrongPassphrase):
        return QCoreApplication.translate(
            "Unlock",
            "This passphrase does not open the journal. Nothing was changed. Check capital letters and the keyboard "
            "language, or use the recovery code.",
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
    if isinstance(error, DamagedVault | VaultLocked):
        return QCoreApplication.translate("Vault", str(error))
    text = str(error) if type(error).__module__.startswith("journal_app") else ""
    return text or QCoreApplication.translate(
        "Unlock", "The journal could not be opened. Nothing was changed. Try again."
    )


class UnlockPage(QWidget):
    """Asks for the passphrase or the recovery code.

    Signals:
        secret_given: what was typed.
        country_changed: a country was chosen on the help card.
    """

    secret_given = Signal(str)
    country_changed = Signal(str)

    def __init__(self, country: str, note: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._tries = 0
        self._recovery = False
        self._stack = QStackedWidget(self)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._stack)
        self._stack.addWidget(self._make_front(note))
        self._help = HelpPage(country, way_back=True)
        self._help.back.connect(self._show_front)
        self._help.country_changed.connect(self.country_changed)
        self._stack.addWidget(self._help)

    def _make_front(self, note: str) -> QWidget:
        front = QWidget()
        front.setObjectName("page")
        across = QHBoxLayout(front)
        middle = QWidget()
        middle.setFixedWidth(380)
        column = QVBoxLayout(middle)
        column.setSpacing(12)
        column.addStretch(3)
        name = label(self.tr("Quiet Page"), "display", wrap=False)
        name.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(name)
        self._hint = label(note, "quiet")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self._hint)
        column.addSpacing(12)
        self._field = QLineEdit()
        self._field.setEchoMode(QLineEdit.EchoMode.Password)
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
        self._message.setMinimumHeight(66)
        self._message.setAlignment(Qt.AlignmentFlag.AlignTop)
        column.addWidget(self._message)
        links = row(16)
        links.addStretch(1)
        links.addWidget(button(self.tr("Help lines"), self.show_help, "quiet"))
        self._switch = button("", self._toggle_recovery, "quiet")
        links.addWidget(self._switch)
        links.addStretch(1)
        column.addLayout(links)
        column.addStretch(4)
        across.addStretch(1)
        across.addWidget(middle)
        across.addStretch(1)
        self._name_field()
        return front

    @property
    def message(self) -> str:
        """The message on show."""
        return self._message.text()

    def activated(self) -> None:
        """Put the cursor into the field."""
        self._field.setFocus()

    def show_help(self) -> None:
        """Show the help lines; no journal is needed."""
        self._stack.setCurrentWidget(self._help)

    def failed(self, error: Exception) -> None:
        """Say why the journal did not open; after some wrong tries the field waits a little."""
        self._progress.hide()
        self._message.setText(unlock_message(error))
        if isinstance(error, WrongPassphrase):
            self._tries += 1
            self._field.selectAll()
        if self._tries > SLOW_AFTER and isinstance(error, WrongPassphrase):
            QTimer.singleShot(SLOW_MS, self, self._enable)
        else:
            self._enable()

    def _enable(self) -> None:
        self._field.setEnabled(True)
        self._button.setEnabled(True)
        self._field.setFocus()

    def _submit(self) -> None:
        secret = self._field.text()
        if not secret or not self._button.isEnabled():
            return
        self._field.setEnabled(False)
        self._button.setEnabled(False)
        self._message.setText("")
        self._progress.show()
        self.secret_given.emit(secret)

    def wipe(self) -> None:
        """Forget what was typed."""
        self._field.clear()

    def _toggle_recovery(self) -> None:
        self._recovery = not self._recovery
        self._field.clear()
        self._message.setText("")
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
