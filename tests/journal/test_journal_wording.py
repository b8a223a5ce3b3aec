"""Every word of charts, digest and summary has its Korean, and the window loads it."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from journal_app import assets

ROOT = Path(__file__).resolve().parents[2]
CONTEXTS = {"charts", "trends", "summary"}
MODULES = [
    *sorted((ROOT / "journal_app" / "charts").glob("*.py")),
    *sorted((ROOT / "journal_app" / "exchange").glob("*.py")),
    ROOT / "journal_app" / "journal" / "summary.py",
    ROOT / "journal_app" / "journal" / "wording.py",
]


def said() -> set[tuple[str, str]]:
    found = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) != 2:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            if name == "translate" and len(words) == 2 and words[0] in CONTEXTS:
                found.add((words[0], words[1]))
    return found


def test_every_word_has_its_korean_and_no_word_is_left_over() -> None:
    known: set[tuple[str, str]] = set()
    for context in ET.parse(assets.path("i18n", "journal_ko.ts")).iter("context"):
        if context.findtext("name") == "Vault":
            continue  # what the vault says is looked at with the window's words
        known |= {(context.findtext("name") or "", m.findtext("source") or "") for m in context.iter("message")}
    assert len(said()) > 80
    assert said() - known == set()
    assert known - said() == set()


@pytest.mark.gui
def test_the_window_loads_them(qapp: object) -> None:
    from PySide6.QtCore import QCoreApplication

    from journal_app.ui.i18n import Translations

    words = Translations()
    words.use("ko")
    try:
        told = [QCoreApplication.translate(context, text) for context, text in sorted(said())]
    finally:
        words.use("en")
    assert all(re.search(r"[가-힣]", text) for text in told if re.search(r"[a-z]{3}", re.sub(r"\{[^}]*\}", "", text)))
