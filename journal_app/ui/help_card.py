"""Ways to human help: the full card (rail, unlock page) and the calm panel beside an entry.

Neither is ever a dialog: writing goes on. Words and lines come from ``journal.safety``; nothing
here decides a level. Works without a model, without a journal and without a network.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QLocale, Qt, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from journal_app.journal import safety
from journal_app.ui import i18n
from journal_app.ui.widgets import add_all, button, card, centred, clear, label, row, scroll

OWN_HELP = "help.own"
"""The private setting, inside the vault, that holds the people and numbers the writer pinned."""

LEVELS = ("none", "gentle", "clear", "urgent")

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
"""What a damaged or missing file of words or lines raises; help must open all the same."""


def country_of(setting: str) -> str:
    """Return the chosen country, or the one of the system's locale."""
    return setting or QLocale.territoryToCode(QLocale.system().territory()).upper()


def country_name(code: str) -> str:
    """Return a country's own name for its ISO code, or the code."""
    territory = QLocale.codeToTerritory(code)
    if territory == QLocale.Country.AnyTerritory:
        return code
    own = QLocale(QLocale().language(), territory)
    return own.nativeTerritoryName() if own.territory() == territory else QLocale.territoryToString(territory)


def language_of(text: str) -> str:
    """Return the language in which to answer ``text``: Korean or Chinese by script, otherwise the window's."""
    hangul = sum("\uac00" <= c <= "\ud7a3" for c in text)
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    if hangul > 1 and hangul >= han:
        return "ko"
    if han > 1:
        return "zh-Hant"
    names = {QLocale.Language.Korean: "ko", QLocale.Language.Chinese: "zh-Hant"}
    letters = sum(c.isascii() and c.isalpha() for c in text)
    return "en" if letters > 8 else names.get(QLocale().language(), "en")


def emergency_text() -> str:
    """Return what helps without any file: the emergency number, and a person."""
    return QCoreApplication.translate(
        "Help",
        "The list of help lines cannot be read on this computer. If you or somebody near you is in danger now, call "
        "your local emergency number, or go to somebody you trust.",
    )


class HelpLines(QWidget):
    """The help lines of one country, those that fit the topics first.

    ``brief`` leaves out web page and source, which the full page has: beside an entry the number counts.
    """

    def __init__(
        self,
        country: str,
        topics: Sequence[str] = (),
        language: str = "",
        parent: QWidget | None = None,
        *,
        brief: bool = False,
    ) -> None:
        super().__init__(parent)
        self._brief = brief
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(12)
        self.show_lines(country, topics, language)

    def show_lines(self, country: str, topics: Sequence[str] = (), language: str = "") -> None:
        """Show the lines of ``country``; where none is known, say so and what still helps."""
        clear(self._column)
        language = language or language_of("")
        try:
            lines = safety.lines_for(country, topics, dt.date.today())
            made = [self._line(shown, language) for shown in lines] or [label(safety.no_line_text(language))]
        except UNREADABLE:
            made = [label(emergency_text())]
        for widget in made:
            self._column.addWidget(widget)

    def _line(self, shown: safety.ShownLine, language: str) -> QFrame:
        frame, inner = card(margin=12, spacing=3)
        line = shown.line
        number = label(line.number, "heading")
        number.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        number.setAccessibleName(f"{line.name}: {line.number}")
        add_all(inner, label(line.name), number)
        facts = [self._hours(line.hours), ", ".join(language_name(code) for code in line.languages)]
        facts += [] if self._brief else [line.web]
        if any(facts):
            inner.addWidget(label("  ·  ".join(fact for fact in facts if fact), "hint"))
        notes = "; ".join(safety.note_text(code, language) for code in shown.notes)
        if notes:
            inner.addWidget(label(notes[0].upper() + notes[1:], "hint"))
        if not self._brief:
            source = self.tr("Source: {0}").format(line.source)
            inner.addWidget(label(f"{source}, {line.source_date}" if line.source_date else source, "hint"))
        return frame

    def _hours(self, hours: str) -> str:
        """Return the hours in the window's language where they are the usual ones, else as the source has them."""
        return self.tr("24 hours, every day") if hours == "24 hours, every day" else hours


def language_name(code: str) -> str:
    """Return a language's own name."""
    named = i18n.NAMES.get(code)
    return named or QLocale.languageToString(QLocale.codeToLanguage(code)) or code


class Grounding(QWidget):
    """A short grounding exercise, folded away until it is asked for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        inner = QVBoxLayout(self)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(8)
        self._button = button(self.tr("A grounding exercise"), self._toggle, "link")
        self._button.setMinimumHeight(44)
        steps = (
            self.tr("Put both feet on the floor. Let your breath go out slowly, longer than it came in."),
            self.tr("Look around and name five things that you can see."),
            self.tr("Touch four things, and notice what each one feels like."),
            self.tr("Listen for three sounds, near or far."),
            self.tr("Find two things that you can smell, and one that you can taste."),
            self.tr("Notice that you are here, in this room, at this hour. You can begin again as often as you like."),
        )
        self._steps = label("\n\n".join(steps), "prose")
        self._steps.hide()
        add_all(inner, self._button, self._steps)

    def _toggle(self) -> None:
        self._steps.setVisible(self._steps.isHidden())


class HelpPage(QWidget):
    """The help card in full: a country, its lines, a grounding exercise. Needs no journal.

    Signals:
        back: the reader wants to return (the unlock page shows a way back).
        country_changed: an ISO code was chosen. own_changed: the writer's own people and numbers.
    """

    back = Signal()
    country_changed = Signal(str)
    own_changed = Signal(str)

    def __init__(
        self, country: str, parent: QWidget | None = None, *, way_back: bool = False, own: str | None = None
    ) -> None:
        super().__init__(parent)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        body, inner = centred(620, 16)
        if way_back:
            inner.addWidget(button(self.tr("Back"), self.back.emit, "link"))
        inner.addWidget(label(self.tr("Help lines"), "title"))
        inner.addWidget(
            label(
                self.tr(
                    "If you or somebody near you is in danger now, call your local emergency number. "
                    "The people on these lines talk with others about hard moments every day; "
                    "there is no wrong way to begin."
                ),
                "prose",
            )
        )
        chooser = row()
        self._country = QComboBox()
        self._country.setAccessibleName(self.tr("Country"))
        current = country_of(country)
        try:
            codes = list(safety.countries())
        except UNREADABLE:
            codes = []
        if current and current not in codes:
            codes.insert(0, current)
        for code in sorted(codes, key=country_name):
            self._country.addItem(country_name(code), code)
        self._country.setCurrentIndex(max(0, self._country.findData(current)))
        self._country.currentIndexChanged.connect(self._chosen)
        chooser.addWidget(label(self.tr("Country"), "quiet", wrap=False))
        chooser.addWidget(self._country)
        chooser.addStretch(1)
        inner.addLayout(chooser)
        self._lines = HelpLines(self._country.currentData() or current)
        inner.addWidget(self._lines)
        if own is not None:
            inner.addWidget(label(self.tr("My own people and numbers"), "heading"))
            self._own = QPlainTextEdit(own)
            self._own.setPlaceholderText(self.tr("A friend, a doctor, a line that you know"))
            self._own.setAccessibleName(self.tr("My own people and numbers"))
            self._own.setTabChangesFocus(True)
            self._own.setFixedHeight(96)
            self._own.textChanged.connect(self._on_own)
            inner.addWidget(self._own)
            inner.addWidget(label(self.tr("Kept inside the encrypted journal and shown on the help panel."), "hint"))
        inner.addWidget(Grounding())
        inner.addStretch(1)
        outer.addWidget(scroll(body))

    def close_to_changes(self) -> None:
        """Show the writer's own people without taking changes (a journal that can only be read)."""
        if hasattr(self, "_own"):
            self._own.setReadOnly(True)

    def wipe(self) -> None:
        """Forget the writer's own people."""
        if hasattr(self, "_own"):
            self._own.blockSignals(True)
            self._own.clear()

    def _on_own(self) -> None:
        self.own_changed.emit(self._own.toPlainText())

    def _chosen(self) -> None:
        code = str(self._country.currentData())
        self._lines.show_lines(code)
        self.country_changed.emit(code)


class HelpPanel(QFrame):
    """The calm panel for one entry. The writing goes on beside it.

    Signals:
        hide_asked: "hide for this entry". not_me: "this is not about me now". full_asked: all lines.
    """

    hide_asked = Signal()
    not_me = Signal()
    full_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "helpFrame")
        self.setAccessibleName(self.tr("A way to help"))
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(16, 16, 16, 12)
        self._column.setSpacing(10)
        self._shown: tuple[object, ...] = ()
        self._own = ""
        self.level = "none"
        self.softened = False
        self.hide()

    def set_own(self, people: str) -> None:
        """Take the writer's own people and numbers; shown from the next time on."""
        self._own = people

    def show_crisis(self, crisis: safety.Crisis, *, country: str, language: str, softened: bool) -> None:
        """Show what was noticed and where help is; ``softened`` after "this is not about me now"."""
        wanted = (crisis.level, crisis.reasons, crisis.topics, country, language, softened, self._own)
        if wanted == self._shown:
            self.setVisible(crisis.level != "none")
            return
        self._shown, self.level, self.softened = wanted, crisis.level, softened
        clear(self._column)
        self.setVisible(crisis.level != "none")
        if crisis.level == "none":
            return
        self.setProperty("role", "card" if softened else "helpFrame")
        self.style().unpolish(self)
        self.style().polish(self)
        if softened:
            self._soft()
            return
        try:
            noticed, text = safety.notice(crisis, language), safety.crisis_text(crisis.level, language, crisis.topics)
        except UNREADABLE:
            noticed, text = self.tr("Some words here sound heavy. Help is here if you want it."), ""
        self._column.addWidget(label(noticed, "help"))
        # The numbers stand right after the words that ask to call somebody; what else there is to say waits.
        paragraphs = text.split("\n\n") if text else []
        before, after = "\n\n".join(paragraphs[:2]), "\n\n".join(paragraphs[2:])
        if before:
            self._column.addWidget(label(before))
        if self._own.strip():
            frame, inner = card(margin=12, spacing=3)
            add_all(inner, label(self.tr("My own people and numbers"), "hint"), label(self._own.strip(), "heading"))
            self._column.addWidget(frame)
        self._column.addWidget(HelpLines(country, crisis.topics, language, brief=True))
        if after:
            self._column.addWidget(label(after))
        self._column.addWidget(Grounding())
        if not text:
            self._column.addWidget(label(self.tr("Nothing was sent to anyone. You can go on writing."), "hint"))
        for title, signal in (
            (self.tr("All help lines"), self.full_asked),
            (self.tr("This is not about me now"), self.not_me),
            (self.tr("Hide for this entry"), self.hide_asked),
        ):
            made = button(title, signal.emit, "link")
            made.setMinimumHeight(44)
            self._column.addWidget(made)

    def _soft(self) -> None:
        self._column.addWidget(label(self.tr("Understood. If that changes, help is here."), "quiet"))
        lines = button(self.tr("Help lines"), self.full_asked.emit, "link")
        hide = button(self.tr("Hide for this entry"), self.hide_asked.emit, "link")
        for made in (lines, hide):
            made.setMinimumHeight(44)
            self._column.addWidget(made)
