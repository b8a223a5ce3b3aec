"""The unlock page and what lies behind it: other ways in, waiting, another computer, backups, damage."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton

from journal_app.ui import app as ui
from journal_app.ui.first_run import FirstRunPage
from journal_app.ui.rescue_page import RescuePage, RestorePage
from journal_app.ui.unlock_page import UnlockPage
from journal_app.vault import backup, presence
from journal_app.vault import vault as vaults
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import DamagedVault
from tests.support.memory_keyring import MemoryKeyring
from tests.ui.conftest import PASSPHRASE

pytestmark = pytest.mark.gui
SLOW = 20_000


@pytest.fixture
def written(folder: Path) -> Path:
    """A journal with some entries, locked."""
    vault, _code = vaults.create(folder, PASSPHRASE, kdf=KdfParams.fast())
    store = vault.store()
    for number in range(30):
        store.new_entry(f"Evening {number}. " + "The kettle sang and the rain went on. " * 20)
    vault.lock()
    return folder


def damage_a_page(folder: Path) -> int:
    """Flip one byte in a page that holds text, and return the page's number."""
    file = folder / vaults.DATABASE
    data = bytearray(file.read_bytes())
    page = len(data) // 4096 // 2
    data[page * 4096 + 1000] ^= 1
    file.write_bytes(data)
    return page + 1


def damage_the_opening(folder: Path, scratch: Path) -> int:
    """Flip one byte in a page that opening needs, so that it fails; return the page's number."""
    whole = (folder / vaults.DATABASE).read_bytes()
    for page in range(2, len(whole) // 4096 + 1):
        tried = scratch / f"page-{page}"
        shutil.copytree(folder, tried)
        data = bytearray(whole)
        data[(page - 1) * 4096 + 1000] ^= 1
        (tried / vaults.DATABASE).write_bytes(data)
        try:
            vaults.unlock(tried, PASSPHRASE).lock()
        except DamagedVault:
            (folder / vaults.DATABASE).write_bytes(data)
            return page
    raise AssertionError("opening reads no page but the first")


def unlock_page(session: ui.Session) -> UnlockPage:
    page = session.window.scene()
    assert isinstance(page, UnlockPage)
    return page


def type_in(session: ui.Session, secret: str = PASSPHRASE) -> None:
    page = unlock_page(session)
    page._field.setText(secret)
    page._submit()


def opened(session: ui.Session, qtbot: Any) -> Any:
    qtbot.waitUntil(lambda: session.workspace() is not None, timeout=SLOW)
    return session.workspace()


def links(page: Any) -> list[str]:
    return [made.text() for made in page.findChildren(QPushButton) if made.property("role") == "quiet"]


# ways in ---------------------------------------------------------------------------------


def test_only_ways_that_this_journal_has_are_shown(session: ui.Session, written: Path) -> None:
    session.start()
    shown = " ".join(links(unlock_page(session)))
    assert "Restore a backup" in shown
    assert "Help lines" in shown
    assert "recovery code" in shown
    assert "key file" not in shown
    assert "keyring" not in shown


def test_a_key_file_opens_the_journal(session: ui.Session, written: Path, tmp_path: Path, qtbot: Any) -> None:
    with vaults.unlock(written, PASSPHRASE) as vault:
        key = tmp_path / "stick.key"
        key.write_bytes(vault.add_key_file())
    other = tmp_path / "picture.png"
    other.write_bytes(bytes(range(256)) * 40)
    session.start()
    page = unlock_page(session)
    assert "Open with a key file" in links(page)
    page.open_key_file(other)
    qtbot.waitUntil(lambda: "not a key file" in page.message, timeout=SLOW)
    assert "Nothing was changed" in page.message
    page.open_key_file(tmp_path / "gone.key")
    assert "cannot be read" in page.message
    page.open_key_file(key)
    opened(session, qtbot)


def test_a_replaced_key_file_has_words_of_its_own(
    session: ui.Session, written: Path, tmp_path: Path, qtbot: Any
) -> None:
    key = tmp_path / "old.key"
    with vaults.unlock(written, PASSPHRASE) as vault:
        key.write_bytes(vault.add_key_file())
        vault.add_key_file()
    session.start()
    page = unlock_page(session)
    page.open_key_file(key)
    qtbot.waitUntil(lambda: "key file does not open" in page.message, timeout=SLOW)
    assert "another is made" in page.message


def test_the_keyring_opens_the_journal_with_one_press(
    session: ui.Session, written: Path, ring: MemoryKeyring, qtbot: Any
) -> None:
    with vaults.unlock(written, PASSPHRASE) as vault:
        vault.add_keyring()
    session.start()
    page = unlock_page(session)
    ring_kept = dict(ring.kept)
    ring.kept.clear()
    qtbot.mouseClick(page._from_ring, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "keyring does not open" in page.message, timeout=SLOW)
    assert session._door.tries().wait_seconds() == 0, "a keyring that has nothing is no guess"
    ring.kept.update(ring_kept)
    page._from_ring.setFocus()
    qtbot.keyClick(page._from_ring, Qt.Key.Key_Return)
    opened(session, qtbot)


# waiting ---------------------------------------------------------------------------------


def test_wrong_tries_wait_longer_and_count_down_in_words(session: ui.Session, written: Path, qtbot: Any) -> None:
    for _ in range(4):
        session._door.tries().wrong()
    session.start()
    page = unlock_page(session)
    assert "You can try again in 2 seconds" in page.message, "the delay outlives the program"
    assert not page._button.isEnabled()
    type_in(session)
    assert session.workspace() is None
    assert page._field.text() == PASSPHRASE, "what was typed stays"
    qtbot.waitUntil(lambda: "in 1 second." in page.message, timeout=5000)
    qtbot.waitUntil(page._button.isEnabled, timeout=5000)
    assert page.message == ""
    page._field.setText("wrong again")
    page._submit()
    qtbot.waitUntil(lambda: "You can try again" in page.message, timeout=SLOW)
    assert "Nothing was changed" in page.message
    page._left = 1
    page._count_down()
    type_in(session)
    opened(session, qtbot)
    assert session._door.tries().wait_seconds() == 0


# another computer ------------------------------------------------------------------------


def left_open_elsewhere(folder: Path) -> None:
    stamp = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    presence.write(folder, presence.Mark("0" * 32, stamp, stamp, True, presence.first_page(folder)))


def test_a_journal_open_on_another_computer_is_opened_only_when_told_to(
    session: ui.Session, written: Path, qtbot: Any
) -> None:
    left_open_elsewhere(written)
    session.start()
    type_in(session)
    page = unlock_page(session)
    qtbot.waitUntil(lambda: "another computer" in page.message, timeout=SLOW)
    assert not page._despite.isHidden()
    qtbot.keyClick(page._despite, Qt.Key.Key_Return)
    opened(session, qtbot)


def test_a_second_computer_is_told_in_a_quiet_line(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any
) -> None:
    session = open_session()
    left_open_elsewhere(folder)
    session._ask_vault()
    notes = session.workspace().notes
    qtbot.waitUntil(lambda: "another computer" in notes.text("elsewhere"), timeout=SLOW)
    notes.remove("elsewhere")
    session._ask_vault()
    qtbot.waitUntil(lambda: not session._asking, timeout=SLOW)
    assert not notes.text("elsewhere"), "put away is put away"


def test_a_replaced_file_locks_softly_and_the_next_unlock_joins(
    session: ui.Session, written: Path, tmp_path: Path, qtbot: Any
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(written, elsewhere)
    with vaults.unlock(elsewhere, PASSPHRASE) as other:
        other.store().new_entry("Written on the other computer")
    session.start()
    type_in(session)
    workspace = opened(session, qtbot)
    workspace.journal.new_entry()
    qtbot.keyClicks(workspace.journal.view.editor, "Written here")
    brought = tmp_path / "brought.qpv"
    shutil.copy(elsewhere / vaults.DATABASE, brought)
    brought.replace(written / vaults.DATABASE)
    session._ask_vault()
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), UnlockPage), timeout=SLOW)
    assert "kept beside it" in unlock_page(session).note
    type_in(session)
    workspace = opened(session, qtbot)
    assert "joined" in workspace.notes.text("merged")
    texts = {entry.text for entry in session.services.store.entries()}
    assert {"Written here", "Written on the other computer"} <= texts


# restore ---------------------------------------------------------------------------------


@pytest.fixture
def backed_up(written: Path) -> Path:
    """A journal with a proved backup, and a word more than that."""
    with vaults.unlock(written, PASSPHRASE) as vault:
        backup.make(vault)
        vault.store().new_entry("Written after the backup")
    return written


def restore_page(session: ui.Session, qtbot: Any) -> RestorePage:
    page = session.window.scene()
    assert isinstance(page, RestorePage)
    qtbot.waitUntil(lambda: page._said.isHidden() or "No backup" in page._said.text(), timeout=SLOW)
    return page


def chosen(page: RestorePage) -> list[QPushButton]:
    return [made for made in page._list.findChildren(QPushButton) if made.property("backup")]


def test_a_backup_comes_back_and_nothing_is_removed(session: ui.Session, backed_up: Path, qtbot: Any) -> None:
    session.start()
    unlock_page(session).restore_asked.emit()
    page = restore_page(session, qtbot)
    (button,) = chosen(page)
    assert button.hasFocus(), "the keyboard begins at the newest good one"
    assert "Proved on" in button.accessibleName()
    qtbot.keyClick(button, Qt.Key.Key_Return)
    assert "30 entries" in page._words.text()
    assert "kept" in page._words.text()
    qtbot.keyClicks(page._form.field, "not it")
    qtbot.keyClick(page._form.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "does not open it" in page._form.said.text(), timeout=SLOW)
    page._form.field.setText(PASSPHRASE)
    page._form._give()
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), UnlockPage), timeout=SLOW)
    note = unlock_page(session).note
    assert "is in place: 30 entries" in note
    (aside,) = backed_up.glob("replaced-*")
    assert aside.name in note
    with vaults.unlock(aside, PASSPHRASE) as before:
        assert len(before.store().entries()) == 31
    type_in(session)
    opened(session, qtbot)
    assert len(session.services.store.entries()) == 30


def test_a_backup_of_a_journal_that_is_gone(session: ui.Session, backed_up: Path, tmp_path: Path, qtbot: Any) -> None:
    stick = tmp_path / "stick"
    shutil.move(backed_up / "backups", stick)
    shutil.rmtree(backed_up)
    session.start()
    first = session.window.scene()
    assert isinstance(first, FirstRunPage)
    first.restore_asked.emit()
    page = restore_page(session, qtbot)
    assert "No backup was found" in page._said.text()
    page.folder_chosen.emit(stick)
    qtbot.waitUntil(lambda: bool(chosen(page)), timeout=SLOW)
    chosen(page)[0].click()
    page._form.field.setText(PASSPHRASE)
    page._form._give()
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), UnlockPage), timeout=SLOW)
    type_in(session)
    opened(session, qtbot)
    assert len(session.services.store.entries()) == 30


def test_a_damaged_backup_is_named_and_cannot_be_chosen(session: ui.Session, backed_up: Path, qtbot: Any) -> None:
    (made,) = backup.listed(backed_up)
    damage_a_page(made.path)
    with vaults.unlock(backed_up, PASSPHRASE) as vault:
        backup.cycle(vault)
    session.start()
    unlock_page(session).restore_asked.emit()
    page = restore_page(session, qtbot)
    qtbot.waitUntil(lambda: len(chosen(page)) == 1, timeout=SLOW)
    assert any("Damaged (page" in label.text() for label in page._list.findChildren(type(page._said)))


def test_back_and_help_from_every_step(session: ui.Session, backed_up: Path, qtbot: Any) -> None:
    session.start()
    unlock_page(session).restore_asked.emit()
    page = restore_page(session, qtbot)
    page.show_help()
    assert page._stack.currentWidget() is page._help
    page._help.back.emit()
    assert page._stack.currentIndex() == 0
    page.back.emit()
    assert isinstance(session.window.scene(), UnlockPage)


# damage ----------------------------------------------------------------------------------


def test_damage_offers_the_good_backup_first(session: ui.Session, backed_up: Path, tmp_path: Path, qtbot: Any) -> None:
    page_number = damage_the_opening(backed_up, tmp_path)
    before = (backed_up / vaults.DATABASE).read_bytes()
    session.start()
    type_in(session)
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), RescuePage), timeout=SLOW)
    page = session.window.scene()
    qtbot.waitUntil(lambda: f"page {page_number} of" in page.message, timeout=SLOW)
    assert "Nothing was changed" in page.message
    qtbot.waitUntil(page._restore.isEnabled, timeout=SLOW)
    assert "is good and holds 30 entries" in page._offer.text()
    words = " ".join(made.text() for made in page.findChildren(QPushButton)).casefold()
    assert "delete" not in words
    assert "remove" not in words
    assert (backed_up / vaults.DATABASE).read_bytes() == before
    page._restore.click()
    restore = session.window.scene()
    assert isinstance(restore, RestorePage)
    assert restore._stack.currentIndex() == 1, "the good one is chosen already"
    restore._form.field.setText(PASSPHRASE)
    restore._form._give()
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), UnlockPage), timeout=SLOW)
    type_in(session)
    opened(session, qtbot)


def test_what_can_be_read_is_rescued_into_a_copy_that_cannot_be_changed(
    session: ui.Session, written: Path, tmp_path: Path, qtbot: Any
) -> None:
    damage_the_opening(written, tmp_path)
    before = (written / vaults.DATABASE).read_bytes()
    session.start()
    type_in(session)
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), RescuePage), timeout=SLOW)
    page = session.window.scene()
    qtbot.waitUntil(lambda: "No good backup" in page._offer.text(), timeout=SLOW)
    page._to_form.click()
    page._form.field.setText(PASSPHRASE)
    page._form._give()
    workspace = opened(session, qtbot)
    assert (written / vaults.DATABASE).read_bytes() == before
    assert session.services.read_only
    said = workspace.notes.text("rescued")
    assert "Rescued copy" in said
    assert "Brought back: " in said
    assert "Damaged: page" in said
    journal = workspace.journal
    qtbot.waitUntil(lambda: "kettle" in journal.view.editor.text(), timeout=SLOW)
    text = journal.view.editor.text()
    qtbot.keyClicks(journal.view.editor, "More words")
    qtbot.keyClick(journal.view.editor, Qt.Key.Key_Return)
    assert journal.view.editor.text() == text
    journal.new_entry()
    journal.delete_entry()
    assert journal.view.editor.text() == text
    assert all(made.isHidden() for made in journal.view._mood_buttons)
    assert session.services.saver.flush(1.0)
    workspace.go("settings")
    assert workspace.page("settings").ways is None
    assert not session.services.backups.back_up_now()
    session.services.saver.save_text(journal.view.key, "by another way")
    assert session.services.saver.flush(2.0), "a refusal for good is not tried again and again"
    assert session.lock()
    assert isinstance(session.window.scene(), UnlockPage)
    # The copy is there the next time, too, and no second one is made.
    type_in(session)
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), RescuePage), timeout=SLOW)
    again = session.window.scene()
    assert again._earlier
    again._open_earlier()
    again._form.field.setText(PASSPHRASE)
    again._form._give()
    opened(session, qtbot)
    assert len(list(written.parent.glob("journal-rescued-*"))) == 1


def test_damage_met_while_reading_is_told_in_a_line(session: ui.Session, written: Path, qtbot: Any) -> None:
    with vaults.unlock(written, PASSPHRASE) as vault:
        broken = [entry.id for entry in vault.store().entries()]
    session.start()
    type_in(session)
    workspace = opened(session, qtbot)

    def refuse(_entry_id: str) -> None:
        raise DamagedVault("damaged")

    workspace.journal._store = type("Damaged", (), {"entry": staticmethod(refuse)})()
    workspace.journal.open_entry(broken[3])
    qtbot.waitUntil(lambda: "cannot be read" in workspace.notes.text("damage"), timeout=SLOW)
    session._see_damage()
    page = session.window.scene()
    assert isinstance(page, RescuePage)
    assert "cannot be read" in page.message
    assert session.services is None


def test_a_journal_that_fails_after_its_key_fitted_is_closed_again(
    session: ui.Session, written: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_vaults: list[Any] = []

    def unlock(folder: Path, secret: Any, **named: Any) -> Any:
        vault = vaults.unlock(folder, secret, **named)
        opened_vaults.append(vault)

        def refuse() -> None:
            raise DamagedVault("A page of the settings is damaged.")

        monkeypatch.setattr(vault, "store", refuse)
        return vault

    session._door = session._recover._door = replace(session._door, unlock=unlock)
    session.start()
    type_in(session)
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), RescuePage), timeout=SLOW)
    assert [vault.locked for vault in opened_vaults] == [True]


def test_a_wrong_passphrase_rescues_nothing(session: ui.Session, written: Path, tmp_path: Path, qtbot: Any) -> None:
    damage_the_opening(written, tmp_path)
    session.start()
    type_in(session)
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), RescuePage), timeout=SLOW)
    page = session.window.scene()
    page._show_form()
    page._form.field.setText("guess")
    page._form._give()
    qtbot.waitUntil(lambda: "does not open it" in page._form.said.text(), timeout=SLOW)
    assert not list(written.parent.glob("journal-rescued-*"))
