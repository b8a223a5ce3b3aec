"""The look, decided once: colours by role, fonts, spacing, the style sheet and icons.

Widgets ask for roles (``objectName`` or the ``role`` property), never for colours of their own.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Literal

from PySide6.QtCore import QByteArray, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QApplication

from journal_app import assets
from journal_app.palette import DARK, HIGH_CONTRAST, LIGHT, Palette
from journal_app.ui.settings import Settings

ThemeName = Literal["light", "dark", "contrast"]
PALETTES: dict[ThemeName, Palette] = {"light": LIGHT, "dark": DARK, "contrast": HIGH_CONTRAST}

BOOK_FACES: tuple[str, ...] = (
    "Charter",
    "Bitstream Charter",
    "Georgia",
    "Noto Serif",
    "Source Serif 4",
    "Liberation Serif",
    "DejaVu Serif",
)
BOOK_FACES_CJK: tuple[str, ...] = (
    "Noto Serif KR",
    "Noto Serif CJK KR",
    "Nanum Myeongjo",
    "NanumMyeongjo",
    "AppleMyungjo",
    "Batang",
    "Noto Serif TC",
    "Noto Serif CJK TC",
    "Songti TC",
    "PMingLiU",
)
UI_SIZE = 14
SMALL_SIZE = 13
TITLE_SIZE = 20
SPACE = (4, 8, 12, 16, 24, 32, 48)
ICON_GRID = 20


def ui_font(size: int = UI_SIZE, *, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """Return the interface font at ``size`` pixels with tabular figures where the face has them."""
    made = QFont()
    made.setFamilies(ui_families())
    made.setPixelSize(size)
    made.setWeight(weight)
    made.setFeature(QFont.Tag("tnum"), 1)
    return made


@cache
def book_faces(chosen: str = "") -> list[str]:
    """Return installed families for the page, best first, with Korean and Chinese faces behind."""
    wanted = ([chosen] if chosen else []) + [*BOOK_FACES, *BOOK_FACES_CJK]
    found = [family for family in wanted if QFontDatabase.hasFamily(family)]
    return found or [QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()]


class Theme(QObject):
    """The palette in force, and everything that is derived from it.

    Signals:
        changed: colours or fonts changed; repaint whatever was painted by hand.
    """

    changed = Signal()

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._icons: dict[tuple[str, str, int], QIcon] = {}
        self.name: ThemeName = self._resolve(settings)
        hints = QGuiApplication.styleHints()
        hints.colorSchemeChanged.connect(self._on_system_changed)

    @property
    def palette(self) -> Palette:
        """The colours in force, by role."""
        return PALETTES[self.name]

    @property
    def dark(self) -> bool:
        """Whether the page is darker than the ink."""
        return self.name != "light"

    def color(self, role: str) -> QColor:
        """Return the colour of a role of :class:`~journal_app.palette.Palette`."""
        return QColor(getattr(self.palette, role))

    def writing_font(self) -> QFont:
        """Return the font of the page as the writer set it."""
        made = QFont()
        made.setFamilies(book_faces(self._settings.writing_font))
        made.setPixelSize(self._settings.writing_size)
        made.setHintingPreference(QFont.HintingPreference.PreferVerticalHinting)
        return made

    def icon(self, name: str, role: str = "quiet_ink", size: int = ICON_GRID) -> QIcon:
        """Return one of the app's own line icons in the colour of ``role``; drawn for 1x to 3x."""
        key = (name, getattr(self.palette, role), size)
        if key not in self._icons:
            from PySide6.QtSvg import QSvgRenderer

            svg = assets.path("icons", f"{name}.svg").read_text("utf-8").replace("currentColor", key[1])
            renderer = QSvgRenderer(QByteArray(svg.encode()))
            icon = QIcon()
            for scale in (1, 2, 3):
                pixmap = QPixmap(size * scale, size * scale)
                pixmap.fill(Qt.GlobalColor.transparent)
                painter = QPainter(pixmap)
                renderer.render(painter, QRectF(0, 0, size * scale, size * scale))
                painter.end()
                pixmap.setDevicePixelRatio(scale)
                icon.addPixmap(pixmap)
            self._icons[key] = icon
        return self._icons[key]

    def update(self, settings: Settings) -> None:
        """Take new settings; restyle the application when anything visible changed."""
        before = (self.name, self._settings.writing_font, self._settings.writing_size, self._settings.writing_width)
        self._settings = settings
        self.name = self._resolve(settings)
        if before != (self.name, settings.writing_font, settings.writing_size, settings.writing_width):
            self.apply()

    def apply(self) -> None:
        """Style the whole application."""
        app = QApplication.instance()
        if not isinstance(app, QApplication):
            return
        app.setFont(ui_font())
        app.setPalette(self._qt_palette())
        app.setStyleSheet(style_sheet(self.palette))
        self.changed.emit()

    def _on_system_changed(self) -> None:
        self.update(self._settings)

    @staticmethod
    def _resolve(settings: Settings) -> ThemeName:
        if settings.theme in ("light", "dark", "contrast"):
            return settings.theme  # type: ignore[return-value]
        scheme = QGuiApplication.styleHints().colorScheme()
        return "dark" if scheme == Qt.ColorScheme.Dark else "light"

    def _qt_palette(self) -> QPalette:
        colours = self.palette
        made = QPalette()
        role = QPalette.ColorRole
        for qt_role, value in (
            (role.Window, colours.page),
            (role.Base, colours.card),
            (role.AlternateBase, colours.sunken),
            (role.Button, colours.card),
            (role.Text, colours.ink),
            (role.WindowText, colours.ink),
            (role.ButtonText, colours.ink),
            (role.ToolTipBase, colours.card),
            (role.ToolTipText, colours.ink),
            (role.PlaceholderText, colours.quiet_ink),
            (role.Highlight, colours.accent),
            (role.HighlightedText, colours.on_accent),
            (role.Link, colours.accent),
            (role.Accent, colours.accent),
            (role.Mid, colours.line),
            (role.Midlight, colours.sunken),
            (role.Dark, colours.quiet_ink),
            (role.Light, colours.card),
        ):
            made.setColor(qt_role, QColor(value))
        for qt_role in (role.Text, role.WindowText, role.ButtonText):
            made.setColor(QPalette.ColorGroup.Disabled, qt_role, QColor(colours.quiet_ink))
        return made


def mix(first: str, second: str, share: float) -> str:
    """Return ``first`` with ``share`` (0 to 1) of ``second`` in it, as ``#rrggbb``."""
    a, b = QColor(first), QColor(second)
    parts = (round(x + (y - x) * share) for x, y in zip(a.getRgb()[:3], b.getRgb()[:3], strict=True))  # type: ignore[index]
    return "#{:02x}{:02x}{:02x}".format(*parts)


def style_sheet(c: Palette) -> str:
    """Return the application's style sheet for a palette."""
    contrast = c.page == HIGH_CONTRAST.page
    edge = c.ink if contrast else mix(c.line, c.quiet_ink, 0.45)
    soft = mix(c.page, c.accent, 0.25 if contrast else 0.12)
    hover = mix(c.sunken, c.ink, 0.05)
    help_soft = mix(c.page, c.help, 0.0 if contrast else 0.07)
    shade = "light" if c.page == LIGHT.page else "dark"
    chevron, chevron_up, tick = (
        assets.path("icons", f"{name}-{shade}.svg").as_posix() for name in ("chevron", "chevron-up", "tick")
    )
    return f"""
QMainWindow, QDialog, #page, QStackedWidget, QScrollArea, #scrollBody {{ background: {c.page}; border: none; }}
#rail, #sunken {{ background: {c.sunken}; }}
#sidebar {{ background: {mix(c.page, c.sunken, 0.55)}; border-right: 1px solid {c.line}; }}
#readingPanel {{ background: {mix(c.page, c.sunken, 0.55)}; border-left: 1px solid {c.line}; }}
QFrame[role="card"] {{ background: {c.card}; border: 1px solid {c.line}; border-radius: 12px; }}
QFrame[role="helpFrame"] {{
    background: {help_soft}; border: 1px solid {mix(c.line, c.help, 0.55)}; border-radius: 12px; }}
QFrame[role="noteFrame"] {{
    background: {mix(c.page, c.note, 0.08)}; border: 1px solid {mix(c.line, c.note, 0.5)}; border-radius: 8px; }}
QFrame[role="line"] {{ background: {c.line}; border: none; max-height: 1px; min-height: 1px; }}
QLabel {{ background: transparent; }}
QLabel[role="title"] {{ font-size: {TITLE_SIZE}px; font-weight: 600; }}
QLabel[role="display"] {{ font-size: 28px; font-weight: 500; }}
QLabel[role="heading"] {{ font-size: 15px; font-weight: 600; }}
QLabel[role="quiet"], QLabel[role="hint"] {{ color: {c.quiet_ink}; }}
QLabel[role="hint"] {{ font-size: {SMALL_SIZE}px; }}
QLabel[role="note"] {{ color: {c.note}; }}
QLabel[role="help"] {{ color: {c.help}; font-weight: 600; }}
QLabel[role="code"] {{ font-family: "DejaVu Sans Mono", "Noto Sans Mono", monospace; font-size: 17px; }}
QLabel[role="prose"] {{ font-size: 15px; }}
QToolTip {{ background: {c.card}; color: {c.ink}; border: 1px solid {edge}; padding: 4px 8px; }}

QPushButton {{ background: {c.card}; border: 1px solid {edge}; border-radius: 8px; padding: 7px 15px;
    min-height: 18px; }}
QPushButton:hover {{ background: {hover}; }}
QPushButton:focus, QToolButton:focus {{ border: 2px solid {c.accent}; padding: 6px 14px; }}
QPushButton:disabled {{ color: {c.quiet_ink}; background: {c.sunken}; border-color: {c.line}; }}
QPushButton[role="primary"] {{ background: {c.accent}; color: {c.on_accent}; border: 1px solid {c.accent};
    font-weight: 600; }}
QPushButton[role="primary"]:hover {{ background: {mix(c.accent, c.ink, 0.12)}; }}
QPushButton[role="primary"]:focus {{ border: 2px solid {c.ink}; }}
QPushButton[role="primary"]:disabled {{ background: {c.sunken}; color: {c.quiet_ink}; border-color: {c.line}; }}
QPushButton[role="link"] {{ background: transparent; border: 1px solid transparent; color: {c.accent};
    padding: 7px 4px; text-align: left; }}
QPushButton[role="link"]:hover {{ text-decoration: underline; }}
QPushButton[role="link"]:focus {{ border: 2px solid {c.accent}; padding: 6px 3px; }}
QPushButton[role="quiet"] {{ background: transparent; border: 1px solid transparent; color: {c.quiet_ink};
    padding: 7px 9px; }}
QPushButton[role="quiet"]:hover {{ color: {c.ink}; background: {hover}; }}
QPushButton[role="quiet"]:focus {{ border: 2px solid {c.accent}; padding: 6px 8px; }}
QPushButton[role="quiet"]:checked {{ color: {c.accent}; font-weight: 600; }}
QPushButton[role="chip"] {{ background: {soft}; border: 1px solid {mix(soft, c.accent, 0.35)}; border-radius: 14px;
    padding: 3px 11px; min-height: 20px; }}
QPushButton[role="chip"]:focus {{ border: 2px solid {c.accent}; padding: 2px 10px; }}
QPushButton[role="segment"] {{ border-radius: 8px; padding: 5px 12px; }}
QPushButton[role="segment"]:checked {{ background: {soft}; border: 1px solid {c.accent}; color: {c.ink}; }}
QPushButton[role="segment"]:focus {{ border: 2px solid {c.accent}; padding: 4px 11px; }}
QPushButton[role="touch"] {{ min-height: 28px; }}
QPushButton[role="row"] {{ background: transparent; border: 2px solid transparent; border-radius: 8px;
    padding: 4px 8px; text-align: left; }}
QPushButton[role="row"]:hover {{ background: {hover}; }}
QPushButton[role="row"]:focus {{ border: 2px solid {c.accent}; }}

QToolButton {{ background: transparent; border: 1px solid transparent; border-radius: 8px; padding: 5px; }}
QToolButton:hover {{ background: {hover}; }}
QToolButton:checked {{ background: {soft}; }}
QToolButton:focus {{ border: 2px solid {c.accent}; padding: 4px; }}
QToolButton::menu-indicator {{ image: none; width: 0; }}
QPushButton::menu-indicator {{ image: url("{chevron}"); width: 10px; height: 10px; subcontrol-origin: padding;
    subcontrol-position: right center; }}
#rail QToolButton {{ padding: 10px; border-radius: 12px; }}
#rail QToolButton:focus {{ padding: 9px; }}

QLineEdit, QDateEdit, QTimeEdit, QSpinBox, QComboBox {{ background: {c.card}; border: 1px solid {edge};
    border-radius: 8px; padding: 6px 10px; min-height: 20px; selection-background-color: {c.accent};
    selection-color: {c.on_accent}; }}
QLineEdit:focus, QDateEdit:focus, QTimeEdit:focus, QSpinBox:focus, QComboBox:focus {{ border: 2px solid {c.accent};
    padding: 5px 9px; }}
QLineEdit[role="bare"] {{ background: transparent; border: 1px solid transparent; padding: 6px 4px; }}
QLineEdit[role="bare"]:focus {{ border: 2px solid {c.accent}; padding: 5px 3px; }}
QComboBox::drop-down, QDateEdit::drop-down {{ border: none; width: 26px; }}
QComboBox::down-arrow, QDateEdit::down-arrow {{ image: url("{chevron}"); width: 12px; height: 12px; }}
QComboBox QAbstractItemView {{ background: {c.card}; border: 1px solid {edge}; padding: 4px; outline: none;
    selection-background-color: {soft}; selection-color: {c.ink}; }}
QSpinBox::up-button, QSpinBox::down-button, QTimeEdit::up-button, QTimeEdit::down-button {{
    subcontrol-origin: border; width: 24px; border: none; background: transparent; }}
QSpinBox::up-button, QTimeEdit::up-button {{ subcontrol-position: top right; margin-top: 3px; }}
QSpinBox::down-button, QTimeEdit::down-button {{ subcontrol-position: bottom right; margin-bottom: 3px; }}
QSpinBox::down-arrow, QTimeEdit::down-arrow {{ image: url("{chevron}"); width: 10px; height: 10px; }}
QSpinBox::up-arrow, QTimeEdit::up-arrow {{ image: url("{chevron_up}"); width: 10px; height: 10px; }}
QSpinBox, QTimeEdit {{ padding-right: 26px; }}
QCheckBox, QRadioButton {{ spacing: 10px; padding: 5px 4px 5px 0; border: 2px solid transparent; border-radius: 6px; }}
QCheckBox:focus, QRadioButton:focus {{ border: 2px solid {c.accent}; }}
QCheckBox::indicator, QRadioButton::indicator {{ width: 18px; height: 18px; border: 1px solid {c.quiet_ink};
    background: {c.card}; }}
QCheckBox::indicator {{ border-radius: 5px; }}
QRadioButton::indicator {{ border-radius: 10px; }}
QCheckBox::indicator:checked {{ background: {c.accent}; border-color: {c.accent}; image: url("{tick}"); }}
QRadioButton::indicator:checked {{ background: {c.card}; border: 5px solid {c.accent}; width: 10px; height: 10px; }}

QTextEdit, QPlainTextEdit {{ background: {c.card}; border: 1px solid {edge}; border-radius: 8px; padding: 8px;
    selection-background-color: {mix(c.page, c.accent, 0.35)}; selection-color: {c.ink}; }}
QTextEdit:focus, QPlainTextEdit:focus {{ border: 2px solid {c.accent}; padding: 7px; }}
QTextEdit#editor, QTextEdit#editor:focus {{ background: {c.page}; border: none; border-radius: 0; padding: 0; }}
QListView, QTreeView, QTableView {{ background: transparent; border: none; outline: none; }}
QTableView {{ background: {c.card}; gridline-color: {c.line}; selection-background-color: {soft};
    selection-color: {c.ink}; }}
QHeaderView::section {{ background: {c.sunken}; border: none; padding: 6px 8px; font-weight: 600; }}
QMenu {{ background: {c.card}; border: 1px solid {edge}; border-radius: 8px; padding: 6px; }}
QMenu::item {{ padding: 9px 20px; border-radius: 6px; }}
QMenu::item:selected {{ background: {soft}; color: {c.ink}; }}
QMenu::item:disabled {{ color: {c.quiet_ink}; }}
QMenu::separator {{ height: 1px; background: {c.line}; margin: 5px 8px; }}
QProgressBar {{ background: {c.sunken}; border: none; border-radius: 3px; min-height: 6px; max-height: 6px; }}
QProgressBar::chunk {{ background: {c.accent}; border-radius: 3px; }}
QSlider::groove:horizontal {{ height: 4px; background: {c.line}; border-radius: 2px; }}
QSlider::handle:horizontal {{ width: 18px; margin: -7px 0; border-radius: 9px; background: {c.accent}; }}
QScrollBar:vertical {{ background: transparent; width: 12px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 12px; margin: 0; }}
QScrollBar::handle {{ background: {mix(c.line, c.quiet_ink, 0.35)}; border-radius: 4px; margin: 2px; }}
QScrollBar::handle:vertical {{ min-height: 32px; }}
QScrollBar::handle:horizontal {{ min-width: 32px; }}
QScrollBar::handle:hover {{ background: {c.quiet_ink}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QSplitter::handle {{ background: {c.line}; }}
"""


@cache
def ui_families() -> list[str]:
    """Return the system's interface face, then faces that hold Korean and Chinese; asked for once, for it is slow."""
    first = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()
    named = {"win32": ["Segoe UI", "Malgun Gothic", "Microsoft JhengHei UI"], "darwin": ["Apple SD Gothic Neo"]}.get(
        sys.platform, ["Noto Sans", "Noto Sans KR", "Noto Sans CJK KR", "Noto Sans TC"]
    )
    return [first, *(family for family in named if QFontDatabase.hasFamily(family) and family != first)]
