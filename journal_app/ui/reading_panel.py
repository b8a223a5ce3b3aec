"""What the reader found in one entry, beside the page: feelings, stress, low-mood signs, a reflection.

Estimates speak of the text, never of the person; the writer's word stands above them. The panel
shows records and reports wishes; it stores nothing.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QEnterEvent, QFocusEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QMenu, QVBoxLayout, QWidget

from journal_app.contract import bands
from journal_app.contract.tasks import FEELINGS
from journal_app.journal.analysis import RULES_ONLY
from journal_app.journal.reflection import Reflection
from journal_app.ui import widgets, words
from journal_app.ui.help_card import HelpPanel
from journal_app.ui.theme import Theme, mix, ui_font
from journal_app.ui.widgets import add_all, button, clear, line, scroll, tool
from journal_app.vault.records import Analysis, Correction

PANEL_WIDTH = 320
TOUCH = 44
THOUGHT_SIZE = 16
QUITE_SURE = 0.85
FAIRLY_SURE = 0.7


@dataclass(frozen=True, slots=True)
class PanelState:
    """Everything that the panel shows.

    Attributes:
        state: ``empty`` (no entry), ``off`` (reading switched off), ``private`` (this entry is not
            read), ``missing`` (no model is installed), ``copy`` (rescued, never read), ``waiting``, ``failed``,
            ``short``, ``language``, ``read``.
        fresh: whether the analysis is of the text as it stands, so that its sentences can be shown.
    """

    state: str
    analysis: Analysis | None = None
    corrections: tuple[Correction, ...] = ()
    reflection: Reflection | None = None
    fresh: bool = True
    message: str = ""
    verdicts: dict[tuple[str, str], str] = field(default_factory=dict)


def label(text: str, role: str = "", *, wrap: bool = True) -> QLabel:
    """Return a label whose text begins where the rows' text begins."""
    made = widgets.label(text, role, wrap=wrap)
    made.setContentsMargins(5, 0, 5, 0)
    return made


def panel_state(
    analysis: Analysis | None,
    corrections: Sequence[Correction],
    *,
    reading_on: bool,
    read_me: bool,
    begun: bool,
    current_revision: int,
    installed: bool = True,
    reflection: Reflection | None = None,
    failure: str = "",
) -> PanelState:
    """Decide what the panel says about an entry; pure."""
    verdicts = {(c.task, c.label): c.verdict for c in corrections}
    common = {"corrections": tuple(corrections), "verdicts": verdicts}
    if not begun:
        return PanelState("empty")
    if not read_me:
        return PanelState("private", **common)
    if not reading_on:
        return PanelState("off", **common)
    if not installed:
        return PanelState("missing", **common)
    if failure:
        return PanelState("failed", message=failure, **common)
    if analysis is None or analysis.model == RULES_ONLY:
        return PanelState("waiting", **common)
    fresh = analysis.revision == current_revision
    if not analysis.readable:
        return PanelState("language" if analysis.language not in ("und", "") else "short", analysis, **common)
    return PanelState("read", analysis, reflection=reflection, fresh=fresh, **common)


def shown_feelings(analysis: Analysis, verdicts: dict[tuple[str, str], str]) -> list[tuple[str, float, str]]:
    """Return ``(label, probability, verdict)`` to show: the writer's own first, removed ones left out."""
    scores = analysis.tasks.get("feelings", {})
    added = [name for (task, name), verdict in verdicts.items() if task == "feelings" and verdict == "add"]
    rows = [(name, scores.get(name, 0.0), "add") for name in added]
    for name in analysis.feelings:
        verdict = verdicts.get(("feelings", name), "")
        if verdict != "remove" and name not in added:
            rows.append((name, scores.get(name, 0.0), verdict))
    return rows


class TagRow(QAbstractButton):
    """A tag with its bar and words; a click offers to accept, correct or remove it.

    Signals:
        pointed: the pointer or the keyboard is on the row (True) or left it (False).
    """

    pointed = Signal(bool)

    def __init__(self, theme: Theme, name: str, said: str, share: float | None, mark: str = "") -> None:
        super().__init__()
        self._theme, self._name, self._said, self._share, self._mark = theme, name, said, share, mark
        self.setFixedHeight(TOUCH + 4 if share is not None else TOUCH)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(f"{name}: {said}" + (f", {mark}" if mark else ""))

    def sizeHint(self) -> QSize:
        """Return the panel's inner width."""
        return QSize(PANEL_WIDTH - 40, self.height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint name, words, bar and focus ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self._theme.palette
        rect = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        if self.underMouse():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(mix(palette.sunken, palette.ink, 0.04)))
            painter.drawRoundedRect(rect, 8, 8)
        if self.hasFocus():
            painter.setPen(QPen(QColor(palette.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect, 8, 8)
        inner = rect.adjusted(5, 4, -5, -4)
        top = QRectF(inner.left(), inner.top(), inner.width(), 22 if self._share is not None else inner.height())
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(palette.ink))
        painter.setFont(ui_font(14))
        painter.drawText(top, left, self._name)
        painter.setPen(QColor(palette.quiet_ink))
        painter.setFont(ui_font(13))
        said = f"{self._said}  ·  {self._mark}" if self._mark else self._said
        painter.drawText(top, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, said)
        if self._share is not None:
            bar = QRectF(inner.left(), inner.bottom() - 9, inner.width(), 6)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(mix(palette.line, palette.page, 0.3)))
            painter.drawRoundedRect(bar, 3, 3)
            painter.setBrush(QColor(palette.accent))
            bar.setWidth(max(6.0, bar.width() * min(1.0, self._share)))
            painter.drawRoundedRect(bar, 3, 3)
        painter.end()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Show the sentences behind the tag."""
        self.pointed.emit(True)
        self.update()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Take the tint away."""
        self.pointed.emit(False)
        self.update()
        super().leaveEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the sentences from the keyboard as well."""
        self.pointed.emit(True)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take the tint away."""
        self.pointed.emit(False)
        super().focusOutEvent(event)


class ReadingPanel(QWidget):
    """The column beside the page.

    Signals:
        verdict_given: task, label, verdict (``accept``, ``remove``, ``add`` or empty = take back).
        pointed: spans ``[(start, end)]`` to tint on the page; empty = none.
        fold_asked: fold the panel away.
    """

    verdict_given = Signal(str, str, str)
    pointed = Signal(object)
    fold_asked = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None, *, read_only: bool = False) -> None:
        """Make the panel; with ``read_only`` it takes no word of the writer's about a tag."""
        super().__init__(parent)
        self._theme = theme
        self._read_only = read_only
        self._state = PanelState("empty")
        self.setObjectName("readingPanel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(PANEL_WIDTH)
        self.setAccessibleName(self.tr("Reading"))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 0, 0, 0)
        outer.setSpacing(0)
        head = QHBoxLayout()
        head.setContentsMargins(14, 12, 8, 4)
        head.addWidget(label(self.tr("Reading"), "heading", wrap=False))
        head.addStretch(1)
        head.addWidget(tool("panel", self.tr("Fold the reading panel (F9)"), self.fold_asked.emit))
        outer.addLayout(head)
        body = QWidget()
        body.setObjectName("readingPanelBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(14, 4, 14, 16)
        column.setSpacing(12)
        self.help = HelpPanel()
        column.addWidget(self.help)
        self._content = QVBoxLayout()
        self._content.setSpacing(6)
        column.addLayout(self._content)
        column.addStretch(1)
        area = scroll(body)
        area.setObjectName("readingPanelScroll")
        area.setStyleSheet("#readingPanelScroll, #readingPanelBody { background: transparent; border: none; }")
        outer.addWidget(area, 1)
        theme.changed.connect(self._again)

    @property
    def state(self) -> PanelState:
        """What is shown now."""
        return self._state

    def show_state(self, state: PanelState) -> None:
        """Show what is known of the entry."""
        if state == self._state and self._content.count():
            return
        self._state = state
        self._again()

    def wipe(self) -> None:
        """Forget what was shown."""
        self._state = PanelState("empty")
        clear(self._content)

    def _again(self) -> None:
        clear(self._content)
        self.pointed.emit(())
        state = self._state
        said = self._state_text(state)
        if said:
            self._content.addWidget(label(said, "quiet"))
        if state.state == "read" and state.analysis is not None:
            self._show_reading(state, state.analysis)
        if state.state in ("read", "waiting", "language"):
            self._content.addSpacing(8)
            self._content.addWidget(
                label(
                    self.tr(
                        "An estimate about this text, not about you. Not a diagnosis, not a medical device. It may be "
                        "wrong: the model learned from public posts, which are not diaries."
                    ),
                    "hint",
                )
            )

    def _state_text(self, state: PanelState) -> str:
        texts = {
            "empty": self.tr("When you pause, what the reading finds appears here. There is no hurry."),
            "off": self.tr("Reading is off. You can switch it on in Settings."),
            "private": self.tr("This entry is not read, as you asked."),
            "copy": self.tr("A rescued copy is not read by the model."),
            "missing": self.tr("No model is installed, so nothing is estimated. Your writing is not affected."),
            "waiting": self.tr("This entry waits to be read."),
            "short": self.tr("There are too few words here to read anything into them."),
            "language": self.tr("The model does not read this language, so it says nothing about this entry."),
            "failed": self.tr("The reading does not work now: {0} Your writing is not affected.").format(state.message),
        }
        if state.state == "read" and not state.fresh:
            return self.tr("Of what you wrote before; it is read again when you pause.")
        return texts.get(state.state, "")

    def _show_reading(self, state: PanelState, analysis: Analysis) -> None:
        add = self._content.addWidget
        add(label(self.tr("Feelings in this text"), "heading"))
        rows = shown_feelings(analysis, state.verdicts)
        for name, probability, verdict in rows:
            mark = {"accept": self.tr("fits"), "add": self.tr("yours")}.get(verdict, "")
            said = "" if verdict == "add" and probability < 0.3 else words.likelihood(probability)
            made = TagRow(
                self._theme, words.feeling(name), said or mark, probability if said else None, mark if said else ""
            )
            self._wire(made, "feelings", name, f"feelings/{name}", verdict)
            add(made)
        if not rows:
            add(label(self.tr("Nothing stands out here."), "quiet"))
        if not self._read_only:
            self._offer_more({name for name, _, _ in rows})
        self._rule()
        self._show_screen(state, "stress", self.tr("Stress"), analysis.stress_band, bands.stress_score(analysis.tasks))
        self._show_screen(
            state, "low_mood", self.tr("Low-mood signs"), analysis.low_mood_band, bands.low_mood_score(analysis.tasks)
        )
        if state.reflection is not None and self.help.isHidden():
            self._rule()
            add(label(self.tr("A thought to keep"), "heading"))
            self._content.addSpacing(2)
            for text in (state.reflection.text, state.reflection.question):
                if text:
                    add(self._thought(text))
        self._show_why(analysis)

    def _offer_more(self, shown: set[str]) -> None:
        more = button(self.tr("Add a feeling"), None, "link")
        more.setMinimumHeight(32)
        menu = QMenu(more)
        for name in FEELINGS:
            if name not in shown:
                action = QAction(words.feeling(name), menu)
                action.setData(("feelings", name, "add"))
                action.triggered.connect(self._menu_chosen)
                menu.addAction(action)
        more.setMenu(menu)
        beside = widgets.row(0)
        beside.addSpacing(4)  # with a menu the button's own padding is not drawn
        beside.addWidget(more)
        beside.addStretch(1)
        self._content.addLayout(beside)

    def _thought(self, text: str) -> QLabel:
        """Return a paragraph in the book face: words to read, unlike the figures above them."""
        made = label("")
        made.setTextFormat(Qt.TextFormat.RichText)  # for the height of its lines; the words are the library's, escaped
        made.setText(f'<p style="line-height: 135%; margin: 0">{html.escape(text)}</p>')
        made.setAccessibleName(text)
        face = self._theme.writing_font()
        face.setPixelSize(THOUGHT_SIZE)
        made.setFont(face)
        made.setContentsMargins(5, 2, 5, 4)
        return made

    def _rule(self) -> None:
        self._content.addSpacing(6)
        self._content.addWidget(line())
        self._content.addSpacing(6)

    def _show_screen(self, state: PanelState, task: str, name: str, band: str, score: float | None) -> None:
        verdict = state.verdicts.get((task, band), "")
        said = words.band(band)
        mark = {"accept": self.tr("fits"), "remove": self.tr("you say no")}.get(verdict, "")
        made = TagRow(self._theme, name, said, None, mark)
        if band == "unsure":
            made.setEnabled(False)
        self._wire(made, task, band, task, verdict)
        self._content.addWidget(made)
        if band not in ("some", "many") or score is None or verdict == "remove":
            return
        text = {
            "stress": self.tr("This entry uses language often found in stressed posts (estimate {0:.2f}, {1})."),
            "low_mood": self.tr(
                "This entry uses language often found in posts about low mood (estimate {0:.2f}, {1})."
            ),
        }[task].format(score, self._sureness(score))
        if band == "many":
            text += " " + self.tr("It may be worth talking about with someone you trust.")
        self._content.addWidget(label(text, "hint"))

    def _sureness(self, probability: float) -> str:
        sure = max(probability, 1 - probability)
        if sure >= QUITE_SURE:
            return self.tr("quite sure")
        return self.tr("fairly sure") if sure >= FAIRLY_SURE else self.tr("not very sure")

    def _show_why(self, analysis: Analysis) -> None:
        self._why = label(
            self.tr(
                "Read by {0} on this computer in {1:.2f} s. A feeling's number says how sure the model is, from 0 "
                "to 1; each feeling has a number of its own from which it is shown. Point at a row to see the "
                "sentences behind it. Click a row to say whether it fits: your word stands."
            ).format(analysis.model, analysis.seconds),
            "hint",
        )
        self._why.hide()
        asked = button(self.tr("Why?"), self._toggle_why, "link")
        asked.setMinimumHeight(32)
        add_all(self._content, asked, self._why)

    def _toggle_why(self) -> None:
        self._why.setVisible(self._why.isHidden())

    def _wire(self, made: TagRow, task: str, name: str, evidence: str, verdict: str) -> None:
        analysis = self._state.analysis
        spans: tuple[tuple[int, int], ...] = ()
        if analysis is not None and self._state.fresh:
            spans = tuple((e.start, e.end) for e in analysis.evidence.get(evidence, ()))

        def point(on: bool) -> None:
            self.pointed.emit(spans if on else ())

        def ask() -> None:
            self._ask(made, task, name, verdict)

        made.pointed.connect(point)
        made.clicked.connect(ask)

    def _ask(self, at: QWidget, task: str, name: str, verdict: str) -> None:
        if self._read_only:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        choices = [(self.tr("This fits"), "accept"), (self.tr("This does not fit"), "remove")]
        if verdict == "add":
            choices = [(self.tr("Remove"), "")]
        elif verdict:
            choices.append((self.tr("Forget what I said"), ""))
        for text, value in choices:
            if value != verdict or not value:
                action = QAction(text, menu)
                action.setData((task, name, value))
                action.triggered.connect(self._menu_chosen)
                menu.addAction(action)
        menu.popup(at.mapToGlobal(QPoint(12, at.height())))

    def _menu_chosen(self) -> None:
        sender = self.sender()
        if isinstance(sender, QAction):
            task, name, verdict = sender.data()
            self.verdict_given.emit(task, name, verdict)
