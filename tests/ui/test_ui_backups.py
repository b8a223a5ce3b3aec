"""Backups in the window: made in the pauses, proved, told about calmly, listed in the settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from journal_app.ui import app as ui
from journal_app.ui import backups as keepers
from journal_app.ui.backups import BackupFailed, BackupKeeper, BackupProgress, BackupsChanged, BackupTrouble
from journal_app.ui.bridge import Bridge, JournalDamaged
from journal_app.ui.services import Services
from journal_app.ui.unlock_page import UnlockPage
from journal_app.vault import backup
from journal_app.vault import vault as vaults
from journal_app.vault.backup import Backup, Cycle
from journal_app.vault.records import VaultWriteError
from tests.ui.conftest import PASSPHRASE

pytestmark = pytest.mark.gui
SLOW = 20_000


class Clock:
    """A monotonic clock that is told the time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events(services: Services) -> list[object]:
    heard: list[object] = []
    services.bridge.happened.connect(heard.append)
    return heard


@pytest.fixture
def backup_keeper(services: Services, clock: Clock) -> BackupKeeper:
    return BackupKeeper(services.bridge, services.vault, lambda: services.saver.idle, clock=clock)


def described(**changes: Any) -> Backup:
    values: dict[str, Any] = {
        "path": Path("2025-11-20-214000-day"),
        "made_utc": "2025-11-20T12:40:00Z",
        "reason": "day",
        "entries": 214,
        "revisions": 300,
        "images": 2,
        "bytes": 4_194_304,
        "schema": 3,
        "proved_utc": "2025-11-20T12:40:01Z",
    }
    return Backup(**{**values, **changes})


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# when ------------------------------------------------------------------------------------


def test_it_waits_for_a_pause_and_for_what_is_not_stored(
    backup_keeper: BackupKeeper, services: Services, clock: Clock, events: list[object], qtbot: Any
) -> None:
    services.saver.save_text(services.saver.new_key(), "Something to keep")
    assert services.saver.flush()
    backup_keeper.tick()
    assert not backup_keeper.running, "right after unlock there is other work"
    clock.now += keepers.FIRST_S
    backup_keeper.typing()
    clock.now += keepers.PAUSE_S / 2
    backup_keeper.tick()
    assert not backup_keeper.running, "somebody is writing"
    clock.now += keepers.PAUSE_S
    backup_keeper._quiet = lambda: False
    backup_keeper.tick()
    assert not backup_keeper.running, "words wait for the disk"
    backup_keeper._quiet = lambda: True
    backup_keeper.tick()
    assert backup_keeper.running
    qtbot.waitUntil(lambda: not backup_keeper.running, timeout=SLOW)
    (made,) = backup.listed(services.vault.folder)
    assert (made.entries, made.reason, made.problem) == (1, "day", "")
    assert made.proved_utc
    assert BackupsChanged() in events
    clock.now += keepers.AGAIN_S
    backup_keeper.tick()
    assert not backup_keeper.running, "once a day is enough"


def test_a_sample_is_not_backed_up(frame: Any, made_vault: Any) -> None:
    sample = Services.open(frame, made_vault, sample=True)
    sample.backups._due_look = 0.0
    sample.backups._typed = float("-inf")
    sample.saver.flush()
    sample.backups.tick()
    assert not sample.backups.running
    sample.close()


def test_a_stopped_keeper_leaves_nothing_behind(backup_keeper: BackupKeeper, services: Services, qtbot: Any) -> None:
    assert backup_keeper.back_up_now()
    assert not backup_keeper.back_up_now(), "one at a time"
    backup_keeper.stop()
    qtbot.waitUntil(lambda: not backup_keeper.running, timeout=SLOW)
    left = list((services.vault.folder / "backups").glob(".quietpage*"))
    assert not left


def test_a_lock_during_a_backup_hides_the_page_at_once(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session()
    qtbot.keyClicks(session.workspace().journal.view.editor, "Kept in spite of the backup")
    go_on: list[bool] = []
    make = backup.make

    def slow(*arguments: Any, **named: Any) -> Backup:
        while not go_on:
            time.sleep(0.01)
        return make(*arguments, **named)

    monkeypatch.setattr(backup, "make", slow)
    assert session.services.backups.back_up_now()
    began = time.monotonic()
    session.lock_hard()
    assert time.monotonic() - began < 5.0
    assert session.workspace() is None
    assert not isinstance(session.window.scene(), UnlockPage), "it is not locked yet, and does not look so"
    go_on.append(True)
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), UnlockPage), timeout=SLOW)
    with vaults.unlock(folder, PASSPHRASE) as opened:
        assert [e.text for e in opened.store().entries()] == ["Kept in spite of the backup"]


# what is told ----------------------------------------------------------------------------


def test_a_damaged_backup_is_told_once_and_the_good_one_named(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any
) -> None:
    session = open_session()
    services = session.services
    services.saver.save_text(services.saver.new_key(), "One evening")
    assert services.saver.flush()
    keeper = services.backups
    backup.make(services.vault)
    services.saver.save_text(services.saver.new_key(), "Another evening")
    assert services.saver.flush()
    spoilt = backup.make(services.vault)
    flip(spoilt.path / vaults.DATABASE)
    notes = session.workspace().notes

    def round_of_care() -> None:
        keeper._due_look, keeper._typed = 0.0, float("-inf")
        backups = backup.listed(folder)
        assert backups
        keeper.running = True
        keeper._bridge.background(lambda: backup.cycle(services.vault), keeper._on_cycle, keeper._on_failed)
        qtbot.waitUntil(lambda: not keeper.running, timeout=SLOW)

    round_of_care()
    qtbot.waitUntil(lambda: bool(notes.text("backup")), timeout=SLOW)
    said = notes.text("backup")
    assert "is damaged (page" in said
    assert "Your journal is not touched" in said
    assert "is good." in said
    notes.remove("backup")
    round_of_care()
    qtbot.wait(200)
    assert not notes.text("backup"), "told once; the settings mark it for good"
    session._show_backups()
    page = session.workspace().page("settings").backups
    texts = lambda: " ".join(made.text() for made in page.findChildren(QLabel))  # noqa: E731
    qtbot.waitUntil(lambda: "Damaged (page" in texts(), timeout=SLOW)


def test_damage_in_the_journal_itself_is_told_with_a_way_on(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    cycle = Cycle(None, (), described(), ("Page 12 of 40 in the journal file is damaged.",))
    session.services.backups._on_cycle(cycle)
    notes = session.workspace().notes
    qtbot.waitUntil(lambda: bool(notes.text("damage")), timeout=SLOW)
    assert "(page 12 of 40)" in notes.text("damage")
    assert "The backup of" in notes.text("damage")
    assert [note.act for note in notes.held() if note.name == "damage"] == [session._see_damage]


def test_a_failure_is_said_once_and_an_asked_one_where_it_was_asked(
    backup_keeper: BackupKeeper, events: list[object], qtbot: Any
) -> None:
    refused = VaultWriteError("The backup cannot be written: the disk is full.")
    for _ in range(3):
        backup_keeper._on_failed(refused)
    backup_keeper._asked = True
    backup_keeper._on_failed(refused)
    qtbot.waitUntil(lambda: any(isinstance(event, BackupFailed) for event in events), timeout=SLOW)
    assert sum(isinstance(event, BackupTrouble) for event in events) == 1
    assert not any(isinstance(event, JournalDamaged) for event in events)


def test_words_about_backups() -> None:
    good, bad = described(), described(problem="Damaged: page 12, 13 of 1024.")
    assert keepers.state_text(good).startswith("Proved on")
    assert keepers.state_text(bad) == "Damaged (pages 12, 13 of 1024)"
    assert keepers.state_text(described(problem="Its encrypted file is missing.")) == (
        "Damaged. Its encrypted file is missing."
    )
    assert "214 entries" in keepers.facts_text(good)
    assert "before an update" in keepers.facts_text(described(reason="before-schema-3"))
    several = keepers.damaged_text([bad, bad], None)
    assert "2 backups are damaged" in several
    assert "an unknown day" in keepers.damaged_text([described(made_utc="", problem="Its note is damaged.")], good)


def test_quick_work_does_not_wait_behind_a_backup(qapp: Any, qtbot: Any) -> None:
    bridge = Bridge()
    done: list[str] = []
    free: list[bool] = []

    def long() -> str:
        while not free:
            time.sleep(0.01)
        return "long"

    bridge.background(long, done.append)
    bridge.run(lambda: "quick", done.append)
    qtbot.waitUntil(lambda: done == ["quick"], timeout=SLOW)
    free.append(True)
    qtbot.waitUntil(lambda: done == ["quick", "long"], timeout=SLOW)
    bridge.close()


# settings --------------------------------------------------------------------------------


def test_back_up_now_from_the_keyboard(
    open_session: Callable[[], ui.Session], folder: Path, tmp_path: Path, qtbot: Any
) -> None:
    session = open_session()
    qtbot.keyClicks(session.workspace().journal.view.editor, "Worth keeping")
    assert session.workspace().flush()
    session.workspace().go("settings")
    section = session.workspace().page("settings").backups
    qtbot.waitUntil(lambda: "no backup yet" in section._summary.text(), timeout=SLOW)
    heard: list[object] = []
    session.services.bridge.happened.connect(heard.append)
    section._now.setFocus()
    qtbot.keyClick(section._now, Qt.Key.Key_Return)
    assert not section._now.isEnabled()
    qtbot.waitUntil(lambda: "last good backup" in section._summary.text(), timeout=SLOW)
    qtbot.waitUntil(section._now.isEnabled, timeout=SLOW)
    assert section._bar.isHidden()
    assert any(isinstance(event, BackupProgress) and 0 < event.share < 1 for event in heard)
    assert "Proved on" in section._summary.text()
    (made,) = backup.listed(folder)
    assert made.reason == "asked"
    stick = tmp_path / "stick"
    stick.mkdir()
    session.services.backups.choose(stick, section._chosen)
    qtbot.waitUntil(lambda: section._place.text() == str(stick), timeout=SLOW)
    assert "New backups go there" in section._said.text()
    assert not section._own.isHidden()
    qtbot.waitUntil(lambda: "no backup yet" in section._summary.text(), timeout=SLOW)
    section._now.click()
    qtbot.waitUntil(lambda: len(list(stick.iterdir())) == 1, timeout=SLOW)
    qtbot.waitUntil(section._now.isEnabled, timeout=SLOW)
    section._choose_own()
    qtbot.waitUntil(lambda: section._own.isHidden(), timeout=SLOW)


def test_a_folder_that_takes_nothing_is_refused_in_words(
    open_session: Callable[[], ui.Session], tmp_path: Path, qtbot: Any
) -> None:
    session = open_session()
    session.workspace().go("settings")
    section = session.workspace().page("settings").backups
    file = tmp_path / "a file"
    file.write_text("no folder")
    session.services.backups.choose(file, section._chosen)
    qtbot.waitUntil(lambda: "cannot be used" in section._said.text(), timeout=SLOW)
    assert "Nothing was changed" in section._said.text()
    assert str(tmp_path) not in section._said.text()
