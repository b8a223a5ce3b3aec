"""First run and unlocking, as a new user meets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from journal_app.ui import app as ui
from journal_app.ui.code_pages import groups_of, same_group
from journal_app.ui.first_run import FirstRunPage, strength
from journal_app.ui.rescue_page import RescuePage
from journal_app.ui.unlock_page import UnlockPage, unlock_message
from journal_app.vault import vault as vaults
from journal_app.vault.records import DamagedVault, NewerVault, VaultLocked, VaultMissing, WrongPassphrase
from tests.ui.conftest import PASSPHRASE

pytestmark = pytest.mark.gui


def type_passphrase(page: FirstRunPage, first: str, second: str) -> None:
    page._to_passphrase()
    page._first.setText(first)
    page._second.setText(second)
    page._submit()


def test_from_nothing_to_the_first_entry(session: ui.Session, folder: Path, qtbot: Any) -> None:
    session.start()
    page = session.window.scene()
    assert isinstance(page, FirstRunPage)
    type_passphrase(page, PASSPHRASE, PASSPHRASE)
    qtbot.waitUntil(lambda: page._stack.currentIndex() == 2, timeout=15_000)
    assert len(page.code._groups) >= 4
    page.code._to_back_typing()
    first, second = page.code._asked
    assert first != second
    page.code._back_fields[0].setText("nope")
    page.code._back_fields[1].setText(page.code._groups[second])
    page.code._check_back()
    assert session.workspace() is None, "set-up must not finish before both groups are typed back"
    assert page.code._back_said.text()
    code = "-".join(page.code._groups)
    page.code._back_fields[0].setText(f" {page.code._groups[first].lower()} ")
    page.code._check_back()
    qtbot.waitUntil(lambda: session.workspace() is not None)
    workspace = session.workspace()
    qtbot.keyClicks(workspace.journal.view.editor, "First words.")
    assert workspace.flush()
    session.lock()
    assert isinstance(session.window.scene(), UnlockPage)
    with vaults.unlock(folder, code) as opened:
        assert [e.text for e in opened.store().entries()] == ["First words."]
        assert opened.store().setting(ui.CONFIRMED) is True


def test_a_broken_off_first_run_shows_a_new_code(session: ui.Session, folder: Path, qtbot: Any) -> None:
    session.start()
    page = session.window.scene()
    type_passphrase(page, PASSPHRASE, PASSPHRASE)
    qtbot.waitUntil(lambda: page._stack.currentIndex() == 2, timeout=15_000)
    old = "-".join(page.code._groups)
    session._pending[0].lock()
    session._pending = None
    session.show_unlock()
    unlock = session.window.scene()
    unlock._field.setText(PASSPHRASE)
    unlock._submit()
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), FirstRunPage), timeout=15_000)
    again = session.window.scene()
    qtbot.waitUntil(lambda: len(again.code._groups) >= 4)
    assert "-".join(again.code._groups) != old


def test_two_passphrases_that_differ_make_nothing(session: ui.Session, folder: Path) -> None:
    session.start()
    page = session.window.scene()
    type_passphrase(page, "one", "two")
    assert page._said.text()
    type_passphrase(page, "", "")
    assert not vaults.exists(folder)


def test_strength_is_explained_and_never_forbids(session: ui.Session, qtbot: Any) -> None:
    session.start()
    page = session.window.scene()
    page._to_passphrase()
    page._first.setText("password")
    qtbot.waitUntil(lambda: bool(page._strength.text()), timeout=10_000)
    weak = page._strength.text()
    assert page._make.isEnabled()
    page._first.setText("seven green kettles sing at noon")
    qtbot.waitUntil(lambda: page._strength.text() not in ("", weak), timeout=10_000)
    assert page._meter.value() > 1


def test_strength_is_quick_for_long_input() -> None:
    assert strength("") == 0
    assert strength("password") == 0
    assert strength("x7!kQ2 lamp river zebra " * 400) == 4


def test_groups() -> None:
    assert groups_of("AB12-CD34 EF56") == ["AB12", "CD34", "EF56"]
    assert same_group(" ab 12 ", "AB12")
    assert not same_group("AB13", "AB12")


def test_language_rebuilds_the_first_page(session: ui.Session) -> None:
    session.start()
    before = session.window.scene()
    before.language_chosen.emit("en")
    assert session.window.scene() is not before
    assert session._frame.settings.value.language == "en"


def test_each_failure_to_open_has_words_of_its_own() -> None:
    errors = [
        WrongPassphrase("w"),
        DamagedVault("The journal file is damaged. Nothing was changed."),
        NewerVault("n"),
        VaultMissing("m"),
        VaultLocked("This journal is open in another window."),
    ]
    said = [unlock_message(e) for e in errors]
    assert len(set(said)) == len(errors)
    assert "damaged" not in said[0]
    assert "newer" in said[2]
    assert "secret words" not in unlock_message(RuntimeError("secret words"))


def test_wrong_passphrase_then_the_right_one(session: ui.Session, folder: Path, made_vault: Any, qtbot: Any) -> None:
    made_vault.lock()
    session.start()
    page = session.window.scene()
    assert isinstance(page, UnlockPage)
    qtbot.keyClicks(page._field, "wrong")
    qtbot.keyClick(page._field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(page.message), timeout=15_000)
    assert "Nothing was changed" in page.message
    assert page._button.isEnabled()
    page._field.setText(PASSPHRASE)
    page._submit()
    qtbot.waitUntil(lambda: session.workspace() is not None, timeout=15_000)


def test_a_journal_open_elsewhere_is_told_apart(session: ui.Session, made_vault: Any, qtbot: Any) -> None:
    session.start()
    page = session.window.scene()
    page._field.setText(PASSPHRASE)
    page._submit()
    qtbot.waitUntil(lambda: bool(page.message), timeout=15_000)
    assert "open in another" in page.message


def test_a_damaged_journal_is_told_apart_and_left_alone(
    session: ui.Session, folder: Path, made_vault: Any, qtbot: Any
) -> None:
    made_vault.lock()
    file = folder / vaults.DATABASE
    data = bytearray(file.read_bytes())
    data[100:4000] = bytes(3900)
    file.write_bytes(data)
    before = file.read_bytes()
    session.start()
    page = session.window.scene()
    page._field.setText(PASSPHRASE)
    page._submit()
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), RescuePage), timeout=15_000)
    assert "damaged" in session.window.scene()._title.text()
    assert "Nothing was changed" in session.window.scene().message
    assert file.read_bytes() == before


def test_help_lines_open_without_a_journal(session: ui.Session, made_vault: Any) -> None:
    made_vault.lock()
    session.start()
    page = session.window.scene()
    page.show_help()
    assert page._stack.currentWidget() is page._help
    assert page._help.findChildren(type(page._hint)), "the card shows lines"
    page._help.back.emit()
    assert page._stack.currentIndex() == 0


def test_the_sample_journal_is_thrown_away(
    session: ui.Session, folder: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from journal_app.journal import sample

    monkeypatch.setattr(sample, "fill", lambda store, today: store.new_entry("A sample day.") and 1)
    session.start()
    session.window.scene()._ask_sample()
    qtbot.waitUntil(lambda: session.workspace() is not None, timeout=15_000)
    scratch = session._scratch
    assert scratch is not None
    assert scratch.exists()
    assert b"A sample day" not in b"".join(f.read_bytes() for f in scratch.rglob("*") if f.is_file())
    assert session.lock()
    assert not scratch.exists()
    assert isinstance(session.window.scene(), FirstRunPage)
    assert not vaults.exists(folder)
    assert QApplication.instance() is not None


def test_the_first_run_needs_no_pointer(session: ui.Session, folder: Path, qtbot: Any) -> None:
    session.start()
    page = session.window.scene()

    def press(text: str = "") -> None:
        at = page.window().focusWidget()
        qtbot.keyClicks(at, text)
        qtbot.keyClick(at, Qt.Key.Key_Return)

    press()
    assert page._stack.currentIndex() == 1
    press(PASSPHRASE)
    press(PASSPHRASE)
    qtbot.waitUntil(lambda: page._stack.currentIndex() == 2, timeout=15_000)
    press()
    assert page.code.typing_back
    first, second = page.code._asked
    press(page.code._groups[first].lower())
    assert not page.code._back_said.text(), "the second group is still to come"
    press(page.code._groups[second].lower())
    qtbot.waitUntil(lambda: session.workspace() is not None)
    assert session.window.focusWidget() is session.workspace().journal.view.editor
