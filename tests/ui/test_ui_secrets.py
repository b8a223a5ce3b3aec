"""What is secret stays so: the saved recovery code, the clipboard, the memory of the process."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from journal_app.ui import app as ui
from journal_app.ui.clipboard import BriefClipboard
from journal_app.ui.first_run import FirstRunPage

pytestmark = pytest.mark.gui
CODE = "K7QF-2MXA-9TLP-R4HW"


@pytest.fixture
def code_page(session: ui.Session) -> FirstRunPage:
    session.start()
    page: FirstRunPage = session.window.scene()
    page.show_code(CODE)
    return page


@pytest.mark.skipif(os.name == "nt", reason="modes are a matter of POSIX")
def test_the_saved_code_is_private_and_replaces_a_link(code_page: FirstRunPage, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("someone else's")
    place = tmp_path / "code.txt"
    place.symlink_to(other)
    code_page.code.save_code(place)
    assert place.read_text() == CODE + "\n"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert not place.is_symlink()
    assert other.read_text() == "someone else's"
    assert "Saved" in code_page.code._said.text()


def test_a_code_that_cannot_be_saved_is_said(code_page: FirstRunPage, tmp_path: Path) -> None:
    code_page.code.save_code(tmp_path / "gone" / "code.txt")
    assert "nothing was written" in code_page.code._said.text()
    assert "gone" not in code_page.code._said.text()
    assert not list(tmp_path.glob("**/*.part"))


def test_only_the_code_is_taken_off_the_clipboard(qapp: QApplication) -> None:
    clipboard, brief = QGuiApplication.clipboard(), BriefClipboard()
    brief.copy(CODE)
    assert clipboard.text() == CODE
    brief._timer.timeout.emit()
    assert clipboard.text() == ""
    brief.copy(CODE)
    clipboard.setText("copied later, elsewhere")
    brief.empty()
    assert clipboard.text() == "copied later, elsewhere"
    clipboard.clear()


def test_the_clipboard_is_emptied_when_the_app_closes(session: ui.Session, code_page: FirstRunPage) -> None:
    code_page.code._copy()
    assert QGuiApplication.clipboard().text() == CODE
    session.shutdown()
    assert QGuiApplication.clipboard().text() == ""


def test_the_clipboard_is_emptied_at_lock(open_session: Any) -> None:
    session = open_session()
    session.clipboard.copy(CODE)
    assert session.lock()
    assert QGuiApplication.clipboard().text() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_the_memory_of_the_window_is_private_before_a_key_is_made(tmp_path: Path) -> None:
    script = (
        "import ctypes, resource, sys, pathlib\n"
        "from journal_app.ui.app import real_door\n"
        "from journal_app.vault.records import VaultMissing\n"
        "get = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
        "before = get()\n"
        "try:\n"
        "    real_door().unlock(pathlib.Path(sys.argv[1]) / 'none', 'x')\n"
        "except VaultMissing:\n"
        "    print(before, get(), resource.getrlimit(resource.RLIMIT_CORE)[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["1", "0", "0"]


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="counts references as CPython does")
def test_qt_gives_back_no_reference_too_many(qapp: QApplication) -> None:
    """A PySide6 that loses references to None ends the interpreter after some hours of writing (6.12.0 did)."""

    class Watched(QWidget):
        def event(self, event: QEvent) -> bool:
            return super().event(event)

    widget, button = Watched(), QPushButton()
    button.setCheckable(True)

    def call(times: int) -> None:
        for number in range(times):
            widget.parentWidget()
            widget.isVisible()
            widget.property("nothing")
            button.setChecked(number % 2 == 0)
            button.isChecked()
            QCoreApplication.sendEvent(widget, QEvent(QEvent.Type.User))

    call(100)
    before = [sys.getrefcount(value) for value in (None, True, False)]
    call(5000)
    after = [sys.getrefcount(value) for value in (None, True, False)]
    assert all(new - old > -500 for old, new in zip(before, after, strict=True))
