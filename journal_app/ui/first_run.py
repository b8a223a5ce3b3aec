"""The first run: language, passphrase, recovery code typed back, and then the first entry.

Collects and explains; the application makes the journal, off the GUI thread.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from journal_app.ui import i18n
from journal_app.ui.bridge import Bridge, Job
from journal_app.ui.clipboard import BriefClipboard
from journal_app.ui.code_pages import CodePages
from journal_app.ui.help_card import HelpPage
from journal_app.ui.widgets import add_all, button, centred, label, row, scroll

WIDTH = 520
STRENGTH_AFTER_MS = 180
STRENGTH_CHARACTERS = 48
"""The estimator's time grows fast with length; what lies behind this many characters only adds strength."""


def strength(passphrase: str) -> int:
    """Return 0 (very weak) … 4 (strong), as the zxcvbn estimator judges it."""
    from zxcvbn import zxcvbn

    return int(zxcvbn(passphrase[:STRENGTH_CHARACTERS])["score"]) if passphrase else 0


class FirstRunPage(QWidget):
    """The steps. Each is a page of a stack.

    Signals:
        language_chosen: a language code. passphrase_chosen: make the journal now.
        sample_asked: open the throw-away journal. confirmed: two groups were typed back.
        restore_asked: there is a backup of an earlier journal.
    """

    language_chosen = Signal(str)
    passphrase_chosen = Signal(str)
    sample_asked = Signal()
    confirmed = Signal()
    restore_asked = Signal()

    def __init__(
        self, bridge: Bridge, clipboard: BriefClipboard, language: str, country: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._bridge = bridge
        self._strength_job: Job | None = None
        self._stack = QStackedWidget(self)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._stack)
        self._language = language
        self._add(self._make_welcome)
        self._add(self._make_passphrase)
        self.code = CodePages(clipboard, self.tr("Open my journal"))
        self.code.confirmed.connect(self.confirmed)
        self._stack.addWidget(self.code)
        help_page = HelpPage(country, way_back=True)
        help_page.back.connect(self._to_welcome)
        self._stack.addWidget(help_page)

    def show_code(self, code: str) -> None:
        """Show the recovery code of the journal that was just made."""
        self._busy(False)
        self._stack.setCurrentWidget(self.code)
        self.code.show_code(code)

    def activated(self) -> None:
        """Let Return begin."""
        self._begin.setFocus()

    def failed(self, message: str) -> None:
        """Say why the journal could not be made; everything typed stays."""
        self._busy(False)
        self._said.setText(message)

    def wipe(self) -> None:
        """Forget passphrase and code."""
        for field in (self._first, self._second):
            field.clear()
        self.code.wipe()

    def _add(self, make: Callable[[QVBoxLayout], None]) -> None:
        body, inner = centred(WIDTH, 14)
        inner.addStretch(2)
        make(inner)
        inner.addStretch(3)
        self._stack.addWidget(scroll(body))

    # welcome -----------------------------------------------------------------------------

    def _make_welcome(self, inner: QVBoxLayout) -> None:
        add_all(
            inner,
            label(self.tr("Quiet Page"), "display"),
            label(
                self.tr(
                    "A journal for you alone, on this computer. Everything is encrypted before it reaches the disk, "
                    "and nothing leaves the computer unless you export it. A small model reads your entries here and "
                    "shows what it sees; you can correct it, and you can switch it off."
                ),
                "prose",
            ),
            label(
                self.tr(
                    "It is not a medical device and makes no diagnosis. Its estimates may be wrong: the model learned "
                    "from public posts, which are not diaries."
                ),
                "quiet",
            ),
        )
        choice = row(12)
        box = QComboBox()
        box.setAccessibleName(self.tr("Language"))
        for code in i18n.available():
            box.addItem(i18n.NAMES[code], code)
        box.setCurrentIndex(max(0, box.findData(self._language)))
        box.activated.connect(self._on_language)
        self._language_box = box
        choice.addWidget(label(self.tr("Language"), "quiet", wrap=False))
        choice.addWidget(box)
        choice.addStretch(1)
        inner.addLayout(choice)
        inner.addSpacing(8)
        begin = self._begin = button(self.tr("Begin"), self._to_passphrase, "primary")
        begin.setMinimumHeight(40)
        begin.setMinimumWidth(160)
        buttons = row(12)
        buttons.addWidget(begin)
        self._sample = button(self.tr("Try it with a sample journal"), self._ask_sample)
        self._sample.setMinimumHeight(40)
        buttons.addWidget(self._sample)
        buttons.addStretch(1)
        inner.addLayout(buttons)
        links = row(12)
        links.addWidget(button(self.tr("Restore a backup"), self.restore_asked.emit, "link"))
        links.addWidget(button(self.tr("Help lines"), self._to_help, "link"))
        links.addStretch(1)
        inner.addLayout(links)

    def _on_language(self) -> None:
        self.language_chosen.emit(str(self._language_box.currentData()))

    def _ask_sample(self) -> None:
        self._sample.setEnabled(False)
        self._sample.setText(self.tr("Making the sample…"))
        self.sample_asked.emit()

    def _to_help(self) -> None:
        self._stack.setCurrentIndex(3)

    def _to_welcome(self) -> None:
        self._stack.setCurrentIndex(0)
        self._begin.setFocus()

    def _to_passphrase(self) -> None:
        self._stack.setCurrentIndex(1)
        self._first.setFocus()

    # passphrase --------------------------------------------------------------------------

    def _make_passphrase(self, inner: QVBoxLayout) -> None:
        add_all(
            inner,
            label(self.tr("Choose a passphrase"), "title"),
            label(
                self.tr(
                    "It is the only key to your journal, with the recovery code that comes next. Nobody can reset it. "
                    "Four or more words that do not belong together are easy to remember and hard to guess."
                ),
                "prose",
            ),
        )
        self._first, self._second = self._secret_field(), self._secret_field()
        self._first.setPlaceholderText(self.tr("Passphrase"))
        self._first.setAccessibleName(self.tr("Passphrase"))
        self._second.setPlaceholderText(self.tr("The same again"))
        self._second.setAccessibleName(self.tr("The same passphrase again"))
        self._meter = QProgressBar()
        self._meter.setRange(0, 4)
        self._meter.setTextVisible(False)
        self._meter.setAccessibleName(self.tr("Strength of the passphrase"))
        self._strength = label("", "quiet")
        self._strength.setMinimumHeight(40)
        self._strength.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._said = label("", "note")
        self._show = button(self.tr("Show what I type"), self._toggle_echo, "link")
        add_all(inner, self._first, self._meter, self._strength, self._second, self._show, self._said)
        self._make = button(self.tr("Make my journal"), self._submit, "primary")
        self._make.setMinimumHeight(40)
        self._working = QProgressBar()
        self._working.setRange(0, 0)
        self._working.setTextVisible(False)
        keep = self._working.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self._working.setSizePolicy(keep)
        self._working.hide()
        back = button(self.tr("Back"), self._to_welcome)
        back.setMinimumHeight(40)
        buttons = row(12)
        buttons.addWidget(self._make)
        buttons.addWidget(back)
        buttons.addStretch(1)
        inner.addLayout(buttons)
        inner.addWidget(self._working)
        self._strength_timer = QTimer(self)
        self._strength_timer.setSingleShot(True)
        self._strength_timer.setInterval(STRENGTH_AFTER_MS)
        self._strength_timer.timeout.connect(self._ask_strength)
        self._first.textChanged.connect(self._strength_timer.start)
        self._first.returnPressed.connect(self._second.setFocus)
        self._second.returnPressed.connect(self._submit)

    def _secret_field(self) -> QLineEdit:
        made = QLineEdit()
        made.setEchoMode(QLineEdit.EchoMode.Password)
        made.setInputMethodHints(Qt.InputMethodHint.ImhSensitiveData | Qt.InputMethodHint.ImhNoPredictiveText)
        made.setMinimumHeight(26)
        return made

    def _toggle_echo(self) -> None:
        hidden = self._first.echoMode() == QLineEdit.EchoMode.Password
        mode = QLineEdit.EchoMode.Normal if hidden else QLineEdit.EchoMode.Password
        for field in (self._first, self._second):
            field.setEchoMode(mode)
        self._show.setText(self.tr("Hide what I type") if hidden else self.tr("Show what I type"))

    def _ask_strength(self) -> None:
        typed = self._first.text()
        if self._strength_job is not None:
            self._strength_job.cancel()
        self._strength_job = self._bridge.run(lambda: strength(typed), self._show_strength)

    def _show_strength(self, score: int) -> None:
        if not self._first.text():
            self._meter.setValue(0)
            self._strength.setText("")
            return
        self._meter.setValue(max(1, score))
        texts = (
            self.tr("Very easy to guess. Somebody who has this computer could open the journal in minutes."),
            self.tr("Easy to guess. It keeps out a curious look, not a program that tries many passphrases."),
            self.tr("It holds for a while. One or two more words would make it much stronger."),
            self.tr("Good. Hard to guess."),
            self.tr("Strong."),
        )
        self._strength.setText(texts[score])

    def _submit(self) -> None:
        if not self._make.isEnabled():
            return
        first, second = self._first.text(), self._second.text()
        if not first:
            self._said.setText(self.tr("Type a passphrase first."))
            self._first.setFocus()
        elif first != second:
            self._said.setText(self.tr("The two are not the same. Type the passphrase again."))
            self._second.setFocus()
            self._second.selectAll()
        else:
            self._said.setText("")
            self._busy(True)
            self.passphrase_chosen.emit(first)

    def _busy(self, on: bool) -> None:
        self._working.setVisible(on)
        for widget in (self._make, self._first, self._second):
            widget.setEnabled(not on)
