"""Settings, ways to open the journal: each made, replaced and removed in the window; a new encryption key."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from PySide6.QtCore import QBuffer, QByteArray, QIODevice, Qt
from PySide6.QtGui import QGuiApplication, QPageSize, QPdfWriter
from PySide6.QtWidgets import QLineEdit, QPushButton

from journal_app.ui import app as ui
from journal_app.ui.code_pages import CONFIRMED, CodePages
from journal_app.ui.first_run import FirstRunPage
from journal_app.ui.settings_page import SettingsPage
from journal_app.ui.settings_security import WaysSection
from journal_app.ui.unlock_page import UnlockPage
from journal_app.vault import vault as vaults
from journal_app.vault.records import VaultError, WrongPassphrase
from tests.support.memory_keyring import MemoryKeyring
from tests.ui.conftest import PASSPHRASE

pytestmark = pytest.mark.gui
SLOW = 30_000


@pytest.fixture
def settings(open_session: Callable[[], ui.Session], ring: MemoryKeyring, qtbot: Any) -> SettingsPage:
    """The settings of an open journal with one entry, its ways already listed."""
    session = open_session()
    qtbot.keyClicks(session.workspace().journal.view.editor, "An evening at home")
    assert session.workspace().flush()
    session.workspace().go("settings")
    page: SettingsPage = session.workspace().page("settings")
    assert page.ways is not None
    qtbot.waitUntil(lambda: bool(page.ways.keyring.about.text()), timeout=SLOW)
    page.session = session  # type: ignore[attr-defined]
    return page


def answer(ways: WaysSection, secret: str = PASSPHRASE) -> None:
    ways._ask.current.setText(secret)
    ways._ask.go.click()


def type_back(pages: CodePages) -> str:
    """Type the two groups back, and return the code."""
    code = "-".join(pages._groups)
    pages._to_back_typing()
    for field, number in zip(pages._back_fields, pages._asked, strict=True):
        field.setText(pages._groups[number])
    pages._check_back()
    return code


def opens(folder: Path, secret: str | bytes) -> bool:
    try:
        vaults.unlock(folder, secret).lock()
    except (WrongPassphrase, VaultError):
        return False
    return True


# passphrase and recovery code ------------------------------------------------------------


def test_the_passphrase_is_changed_from_the_keyboard(settings: Any, folder: Path, qtbot: Any) -> None:
    ways = settings.ways
    qtbot.keyClick(ways._change, Qt.Key.Key_Return)
    for text in (PASSPHRASE, "nine blue doors open", "nine blue doors open"):
        field = settings.window().focusWidget()
        assert isinstance(field, QLineEdit)
        qtbot.keyClicks(field, text)
        qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "is changed" in ways.passphrase.said.text(), timeout=SLOW)
    assert ways._ask.isHidden()
    assert not ways._ask.current.text()
    settings.session.lock()
    assert not opens(folder, PASSPHRASE)
    assert opens(folder, "nine blue doors open")


def test_a_wrong_passphrase_changes_nothing(settings: Any, folder: Path, qtbot: Any) -> None:
    ways = settings.ways
    ways._ask_change()
    ways._ask.new.setText("one")
    ways._ask.again.setText("another")
    answer(ways)
    assert "not the same" in ways.passphrase.said.text()
    ways._ask.again.setText("one")
    answer(ways, "guess")
    qtbot.waitUntil(lambda: "not right" in ways.passphrase.said.text(), timeout=SLOW)
    assert not ways._ask.isHidden()
    ways._ask.cancel.click()
    assert ways._ask.isHidden()
    settings.session.lock()
    assert opens(folder, PASSPHRASE)


def test_a_new_recovery_code_is_shown_and_typed_back(settings: Any, folder: Path, qtbot: Any) -> None:
    ways = settings.ways
    ways._renew.click()
    answer(ways)
    qtbot.waitUntil(lambda: settings._pages.currentWidget() is settings._code, timeout=SLOW)
    store = settings.session.services.store
    assert store.setting(CONFIRMED) is False, "broken off here, the next unlock brings another code"
    settings._code._copy()
    assert QGuiApplication.clipboard().text()
    code = type_back(settings._code)
    assert settings._pages.currentIndex() == 0
    assert QGuiApplication.clipboard().text() == ""
    assert "new recovery code works" in ways.recovery.said.text()
    assert settings.session.lock()
    assert opens(folder, code)


def test_a_code_that_was_not_typed_back_comes_again(settings: Any, folder: Path, qtbot: Any) -> None:
    settings.ways._ask_code()
    answer(settings.ways)
    qtbot.waitUntil(lambda: settings._pages.currentWidget() is settings._code, timeout=SLOW)
    first = "-".join(settings._code._groups)
    settings._code.later.emit()
    assert "given a new one" in settings.ways.recovery.said.text()
    session = settings.session
    assert session.lock()
    page = session.window.scene()
    page._field.setText(PASSPHRASE)
    page._submit()
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), FirstRunPage), timeout=SLOW)
    pages = session.window.scene().code
    qtbot.waitUntil(lambda: bool(pages._groups), timeout=SLOW)
    second = type_back(pages)
    assert second != first
    qtbot.waitUntil(lambda: session.workspace() is not None, timeout=SLOW)
    assert session.lock()
    assert not opens(folder, first)
    assert opens(folder, second)


def test_the_code_can_be_printed(session: ui.Session) -> None:
    session.start()
    pages = session.window.scene().code
    pages.show_code("K7QF-2MXA-9TLP-R4HW-6ZBN-C3VD-8YJE")
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    paper = QPdfWriter(buffer)
    paper.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    pages.print_code(paper)
    del paper
    buffer.close()
    (page,) = PdfReader(io.BytesIO(data.data())).pages
    text = page.extract_text()
    for group in ("K7QF", "2MXA", "9TLP", "R4HW", "6ZBN", "C3VD", "8YJE"):
        assert group in text
    assert "Sent to the printer" in pages._said.text()


# key file --------------------------------------------------------------------------------


def test_a_key_file_is_made_replaced_and_removed(settings: Any, folder: Path, tmp_path: Path, qtbot: Any) -> None:
    ways = settings.ways
    assert ways._make_file.text() == "Make one…"
    assert ways._drop_file.isHidden()
    ways._ask_file()
    ways.make_file("guess", tmp_path / "no.key")
    qtbot.waitUntil(lambda: "not right" in ways.key_file.said.text(), timeout=SLOW)
    assert not (tmp_path / "no.key").exists()
    first, second = tmp_path / "first.key", tmp_path / "second.key"
    ways.make_file(PASSPHRASE, first)
    qtbot.waitUntil(lambda: "Saved" in ways.key_file.said.text(), timeout=SLOW)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert ways._make_file.text() == "Replace…"
    ways._ask_file()
    ways.make_file(PASSPHRASE, second)
    qtbot.waitUntil(second.exists, timeout=SLOW)
    qtbot.waitUntil(lambda: "Saved" in ways.key_file.said.text(), timeout=SLOW)
    vault = settings.session.services.vault
    assert sorted(slot.kind for slot in vault.slots()).count("keyfile") == 1
    settings.session.lock()
    assert not opens(folder, first.read_bytes())
    assert opens(folder, second.read_bytes())


def test_a_key_file_that_cannot_be_written_is_kept_for_another_place(
    settings: Any, folder: Path, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from journal_app.ui import settings_security

    ways = settings.ways
    ways._ask_file()
    ways.make_file(PASSPHRASE, tmp_path / "gone" / "x.key")
    qtbot.waitUntil(lambda: "nothing was written" in ways.key_file.said.text(), timeout=SLOW)
    assert ways._make_file.text() == "Save it elsewhere…"
    place = tmp_path / "kept.key"
    monkeypatch.setattr(settings_security.QFileDialog, "getSaveFileName", lambda *_: (str(place), ""))
    ways._make_file.click()
    qtbot.waitUntil(place.exists, timeout=SLOW)
    qtbot.waitUntil(lambda: ways._make_file.text() == "Replace…", timeout=SLOW)
    ways._drop_file.click()
    assert ways._ask.current.isHidden(), "to take a way away needs no passphrase"
    ways._ask.go.click()
    qtbot.waitUntil(lambda: "does not open the journal any more" in ways.key_file.said.text(), timeout=SLOW)
    settings.session.lock()
    assert not opens(folder, place.read_bytes())


# keyring ---------------------------------------------------------------------------------


def test_the_keyring_remembers_and_forgets(settings: Any, ring: MemoryKeyring, qtbot: Any) -> None:
    ways = settings.ways
    qtbot.waitUntil(lambda: not ways._add_ring.isHidden(), timeout=SLOW)
    assert "anybody who is logged in as you" in ways.keyring.about.text()
    ways._add_ring.click()
    answer(ways)
    qtbot.waitUntil(lambda: not ways._drop_ring.isHidden(), timeout=SLOW)
    assert len(ring.kept) == 1
    ways._drop_ring.click()
    ways._ask.go.click()
    qtbot.waitUntil(lambda: not ways._add_ring.isHidden(), timeout=SLOW)
    assert not ring.kept


# a new encryption key --------------------------------------------------------------------


def test_a_new_encryption_key(settings: Any, folder: Path, tmp_path: Path, qtbot: Any) -> None:
    session, ways = settings.session, settings.ways
    key_file = tmp_path / "stick.key"
    ways._ask_file()
    ways.make_file(PASSPHRASE, key_file)
    qtbot.waitUntil(lambda: "Saved" in ways.key_file.said.text(), timeout=SLOW)
    before = (folder / vaults.DATABASE).read_bytes()
    ways._rotate.click()
    assert "seconds" in ways._ask._text.text()
    answer(ways, "guess")
    qtbot.waitUntil(lambda: "not right" in ways.data_key.said.text(), timeout=SLOW)
    answer(ways)
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), FirstRunPage), timeout=SLOW)
    pages = session.window.scene().code
    qtbot.waitUntil(lambda: bool(pages._groups), timeout=SLOW)
    code = type_back(pages)
    qtbot.waitUntil(lambda: session.workspace() is not None, timeout=SLOW)
    assert [e.text for e in session.services.store.entries()] == ["An evening at home"]
    assert session.lock()
    assert (folder / vaults.DATABASE).read_bytes() != before
    assert opens(folder, PASSPHRASE)
    assert opens(folder, code)
    assert not opens(folder, key_file.read_bytes())
    with vaults.unlock(folder, PASSPHRASE) as opened:
        assert opened.store().setting(CONFIRMED) is True


def test_a_new_key_that_fails_leaves_the_old_one(
    settings: Any, folder: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from journal_app.vault import rekey

    def refuse(*_arguments: object, **_named: object) -> None:
        raise VaultError("There is not enough room for a newly encrypted copy of the journal. Nothing was changed.")

    monkeypatch.setattr(rekey, "rotate", refuse)
    session, ways = settings.session, settings.ways
    ways._ask_rotate()
    answer(ways)
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), UnlockPage), timeout=SLOW)
    assert "not enough room" in session.window.scene().note
    assert opens(folder, PASSPHRASE)


# what every control needs ----------------------------------------------------------------


def test_every_button_says_what_it_does(settings: Any) -> None:
    for made in settings.ways.findChildren(QPushButton):
        assert made.accessibleName() or made.text()
    named = {made.accessibleName() for made in settings.ways.findChildren(QPushButton)}
    assert {"Change the passphrase", "Make a new recovery code", "Make a new encryption key"} <= named


def test_what_was_typed_is_forgotten_at_the_lock(settings: Any) -> None:
    ways = settings.ways
    ways._ask_change()
    ways._ask.current.setText("seven green")
    ways._ask.new.setText("nine blue")
    settings.wipe()
    assert not ways._ask.current.text()
    assert not ways._ask.new.text()
