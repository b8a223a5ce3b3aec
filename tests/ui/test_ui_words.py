"""Every word goes through Qt's translation, in sizes that stay readable; the window module stays small."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit

from journal_app import assets
from journal_app.palette import DARK, HIGH_CONTRAST, LIGHT, Palette
from journal_app.ui import app as ui
from journal_app.ui import i18n, words
from journal_app.ui.theme import style_sheet
from journal_app.ui.workspace import PLACES, built_places

pytestmark = pytest.mark.gui
ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "journal_app" / "ui").glob("*.py"))
SHOWN = {
    "label",
    "button",
    "tool",
    "setText",
    "setPlaceholderText",
    "setToolTip",
    "setAccessibleName",
    "setWindowTitle",
    "setInformativeText",
    "addItem",
    "QAction",
    "QCheckBox",
}


def plain_words(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(re.search(r"[A-Za-z]{2}", node.value))
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_no_words_reach_the_window_untranslated(path: Path) -> None:
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        # The first word of ``tool`` names an icon.
        shown = node.args[1:2] if name == "tool" else node.args[:1]
        if name in SHOWN and any(plain_words(argument) for argument in shown):
            found.append(f"line {node.lineno}: {name}")
    assert not found


def test_the_window_module_only_arranges() -> None:
    assert len((ROOT / "journal_app" / "ui" / "main_window.py").read_text("utf-8").splitlines()) < 500


@pytest.mark.parametrize("path", sorted(assets.path("i18n").glob("*.ts")), ids=lambda p: p.stem)
def test_translations_are_whole(path: Path) -> None:
    for message in ET.parse(path).iter("message"):
        source, target = message.findtext("source") or "", message.findtext("translation") or ""
        assert target.strip(), source
        assert sorted(re.findall(r"\{[^}]*\}", source)) == sorted(re.findall(r"\{[^}]*\}", target)), source
    assert path.with_suffix(".qm").stat().st_size > 1000


def test_the_window_speaks_korean_and_turns_back(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    qtbot.keyClicks(session.workspace().journal.view.editor, "Kept across languages")
    session.workspace().page("settings").language_chosen.emit("ko")
    assert words.feeling("joy") == "기쁨"
    assert session.workspace()._buttons["settings"].toolTip() == "설정"
    assert [e.text for e in session.services.store.entries()] == ["Kept across languages"]
    session.workspace().page("settings").language_chosen.emit("en")
    assert words.feeling("joy") == "joy"


def test_unknown_language_falls_back(qapp: QApplication) -> None:
    assert i18n.chosen("xx") in i18n.available()
    assert QCoreApplication.translate("Feelings", "joy") == "joy"


@pytest.mark.parametrize("palette", [LIGHT, DARK, HIGH_CONTRAST], ids=["light", "dark", "contrast"])
def test_every_ink_can_be_read(palette: Palette) -> None:
    def light(colour: str) -> float:
        parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in QColor(colour).getRgbF()[:3]]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    def contrast(first: str, second: str) -> float:
        a, b = sorted((light(first), light(second)), reverse=True)
        return (a + 0.05) / (b + 0.05)

    for ink in (palette.ink, palette.quiet_ink, palette.accent, palette.note, palette.help):
        for ground in (palette.page, palette.card, palette.sunken):
            assert contrast(ink, ground) >= 4.5, (ink, ground)
    assert contrast(palette.on_accent, palette.accent) >= 4.5
    assert "{" in style_sheet(palette)


def test_only_places_that_work_are_on_the_rail(open_session: Callable[[], ui.Session]) -> None:
    session = open_session()
    shown = set(session.workspace()._buttons) - {"help"}
    assert shown == {p.name for p in built_places()}
    assert {"companion", "checkins", "exercises"} <= {p.name for p in PLACES} - shown


def test_controls_have_names_for_a_screen_reader(open_session: Callable[[], ui.Session]) -> None:
    session = open_session()
    for place in ("journal", "settings"):
        session.workspace().go(place)
    for control in session.window.findChildren(QAbstractButton):
        if control.objectName().startswith("qt_"):
            continue
        named = control.text() or control.accessibleName() or control.toolTip()
        assert named or isinstance(control.parent(), QLineEdit), control


def test_words_are_counted_in_any_language() -> None:
    assert words.count_words("") == 0
    assert words.count_words("It's a long-ish day, isn't it?") == 7
    assert words.count_words("오늘은 강가를 걸었다.") == 3
    assert words.count_words("今天很好") == 4


def test_own_people_are_kept_in_the_vault(open_session: Callable[[], ui.Session], tmp_path: Path, qtbot: Any) -> None:
    session = open_session()
    page = session.workspace().page("help")
    page._own.setPlainText("Jo, next door")
    assert session.services.saver.flush()
    assert session.services.store.setting("help.own") == "Jo, next door"
    assert b"next door" not in b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    qtbot.keyClicks(session.workspace().journal.view.editor, "I want to die.")
    panel = session.workspace().journal.panel.help
    qtbot.waitUntil(lambda: panel.level != "none", timeout=10_000)
    assert any("Jo, next door" in x.text() for x in panel.findChildren(type(session.workspace().journal._found)))


def test_charts_and_summary_speak_korean_too(open_session: Callable[[], ui.Session]) -> None:
    session = open_session()
    english = QApplication.translate("charts", "Your mood")
    session._translations.use("ko")
    assert english == "Your mood"
    assert QApplication.translate("charts", "Your mood") == "나의 기분"
    session._translations.use("en")
    assert QApplication.translate("charts", "Your mood") == "Your mood"


def words_of_the_vault() -> list[str]:
    """Return every sentence that the vault raises, numbers left open as ``{0}``."""
    folder = ROOT / "journal_app" / "vault"
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(folder.glob("*.py"))}
    named: dict[str, str] = {}
    for tree in trees.values():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                named |= {target.id: str(node.value.value) for target in node.targets if isinstance(target, ast.Name)}
    found = []
    errors = {"VaultError", "DamagedVault", "NewerVault", "VaultLocked", "VaultMissing", "VaultWriteError"}
    for tree in trees.values():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in errors):
                continue
            (said,) = node.args
            if isinstance(said, ast.Name):
                found.append(named.get(said.id, ""))
            elif isinstance(said, ast.Constant):
                found.append(said.value)
            elif isinstance(said, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "7" for part in said.values]
                found.append("".join(map(str, parts)))
    return sorted({text for text in found if re.search(r"[a-z] [a-z]", text)})


def test_what_the_vault_says_is_translated(open_session: Callable[[], ui.Session]) -> None:
    session = open_session()
    said = words_of_the_vault()
    assert len(said) > 25
    session._translations.use("ko")
    untranslated = [text for text in said if words.said(Exception(text)) == text]
    assert not untranslated
    assert "7 MB" in words.said(
        Exception(
            "There is not enough room for a newly encrypted copy of the journal. Nothing was changed. "
            "Free 7 MB and try again."
        )
    )
    session._translations.use("en")
