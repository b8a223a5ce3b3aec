"""Two computers, one synced folder: the other one is noticed, any mix of files opens, and no word is lost."""

from __future__ import annotations

import json
import random
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journal_app.vault import presence, vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import OpenElsewhere, VaultLocked, VaultWriteError
from tests.vault.conftest import PASSPHRASE

FAST = KdfParams.fast()
HERE, THERE = "a" * 32, "b" * 32
FILES = (vault.DATABASE, presence.WAL, presence.MARK, vault.KEYS, vault.KEYS_COPY)


@pytest.fixture
def at(monkeypatch):
    """Return a function that makes this process be one of two computers."""

    def be(device: str) -> None:
        monkeypatch.setattr(presence, "device", lambda: device)

    be(HERE)
    return be


def sync(source: Path, target: Path, names=FILES) -> None:
    """Copy as a sync program does: each file whole and under its own name, a missing one removed."""
    target.mkdir(exist_ok=True)
    for name in names:
        if (source / name).exists():
            partial = target / f"{name}.tmp-sync"
            shutil.copyfile(source / name, partial)
            partial.replace(target / name)
        else:
            (target / name).unlink(missing_ok=True)
    (target / f"{vault.DATABASE}-shm").unlink(missing_ok=True)


def texts(folder: Path) -> set[str]:
    with vault.unlock(folder, PASSPHRASE, despite_other=True) as opened:
        assert opened.store().verify().ok
        return {entry.text for entry in opened.store().entries()}


def test_another_computer_that_has_it_open_is_noticed(folder, at, tmp_path, snapshot):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.store().new_entry("On the first computer.")
    sync(folder, tmp_path / "there")
    at(THERE)
    before = snapshot(tmp_path / "there")
    with pytest.raises(OpenElsewhere, match=r"another computer.*Nothing was changed"):
        vault.unlock(tmp_path / "there", PASSPHRASE)
    assert snapshot(tmp_path / "there") == before
    assert texts(tmp_path / "there") == {"On the first computer."}
    made.lock()
    sync(folder, tmp_path / "there")
    vault.unlock(tmp_path / "there", PASSPHRASE).lock()  # closed there: no question


def test_an_old_mark_and_an_own_mark_ask_nothing(folder, at):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.lock()
    now = datetime.now(UTC)
    mark = presence.Mark(THERE, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True, "0")
    presence.write(folder, mark)
    vault.unlock(folder, PASSPHRASE).lock()
    for age, fresh in ((timedelta(seconds=100), True), (timedelta(seconds=-100), True), (timedelta(minutes=4), False)):
        stamp = (now - age).isoformat()
        presence.write(folder, presence.replace(mark, beat_utc=stamp))
        if fresh:
            with pytest.raises(OpenElsewhere):
                vault.unlock(folder, PASSPHRASE)
        else:
            vault.unlock(folder, PASSPHRASE).lock()
    presence.write(folder, presence.replace(mark, device=HERE, beat_utc=now.isoformat()))
    vault.unlock(folder, PASSPHRASE).lock()


@pytest.mark.parametrize("damage", [b"", b"{", b'{"device": 7}', b"\xff" * 100, b"[" * 5000, b"5"])
def test_a_mark_that_cannot_be_read_keeps_nobody_out(folder, at, damage):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.store().new_entry("Here.")
    made.lock()
    (folder / presence.MARK).write_bytes(damage)
    assert texts(folder) == {"Here."}


@pytest.mark.parametrize("wrong", [{"beat_utc": "2026-03-14"}, {"end": ["", "many", "", ""]}])
def test_a_mark_that_says_nonsense_keeps_nobody_out(folder, at, wrong):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.store().new_entry("Here.")
    made.lock()
    said = json.loads((folder / presence.MARK).read_bytes()) | {"device": THERE, "is_open": True} | wrong
    if isinstance(said["end"], list):
        said["end"] = dict(zip(("salts", "frames", "checksum", "first_page"), said["end"], strict=True))
    (folder / presence.MARK).write_text(json.dumps(said))
    assert presence.read(folder) is None
    assert texts(folder) == {"Here."}


def test_the_beat_is_renewed_and_the_other_is_noticed_while_open(folder, at):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    now = datetime.now(UTC)
    first = presence.read(folder).beat_utc
    assert made.notice(now) == ""
    assert presence.read(folder).beat_utc == first
    assert made.notice(now + timedelta(minutes=2)) == ""
    assert presence.read(folder).beat_utc > first
    presence.write(folder, presence.replace(presence.read(folder), device=THERE))
    assert made.notice(now) == "elsewhere"
    made.lock()
    assert texts(folder) == set()


def test_a_file_replaced_while_it_is_open_costs_nothing_on_either_side(folder, at, tmp_path):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    common = made.store().new_entry("Common beginning.")
    made.lock()
    sync(folder, tmp_path / "there")
    at(THERE)
    with vault.unlock(tmp_path / "there", PASSPHRASE) as opened:
        opened.store().new_entry("Written there.")
        opened.store().save_text(common.id, "Common beginning.\nA line from there.")
    at(HERE)
    here = vault.unlock(folder, PASSPHRASE)
    store = here.store()
    store.new_entry("Written here.")
    store.save_text(common.id, "Common beginning.\nA line from here.")
    sync(tmp_path / "there", folder, (vault.DATABASE, presence.MARK))
    assert here.notice() == "replaced"
    store.new_entry("Written here after it was replaced.")
    here.lock()
    with vault.unlock(folder, PASSPHRASE) as again:
        assert again.merged is not None
        found = {entry.text for entry in again.store().entries()}
        assert {"Written there.", "Written here.", "Written here after it was replaced."} <= found
        joined = again.store().entry(common.id).text
        assert "A line from here." in joined
        assert "A line from there." in joined
        assert again.store().verify().ok
    assert list((folder / "merged").glob("*.qpv"))
    assert not list(folder.glob("journal.kept-*"))
    with vault.unlock(folder, PASSPHRASE) as once_more:
        assert once_more.merged is None


@pytest.mark.parametrize("name", [vault.DATABASE, presence.WAL])
def test_what_lies_in_the_place_of_an_open_file_is_not_opened_with_it(folder, at, tmp_path, name):
    """A second connection would read, and write, the pages of one file by the log of the other."""
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.store().new_entry("Common beginning.")
    made.lock()
    there = tmp_path / "there"
    sync(folder, there)
    here = vault.unlock(folder, PASSPHRASE)
    store = here.store()
    store.new_entry("Written here.")
    at(THERE)
    other = vault.unlock(there, PASSPHRASE, despite_other=True)
    for number in range(5):
        other.store().new_entry(f"Written there {number}. " + "x" * 9000)
    if name == vault.DATABASE:
        other.lock()
    at(HERE)
    sync(there, tmp_path / "on the way", (name,))
    sync(tmp_path / "on the way", folder, (name,))
    assert here.notice() == "replaced"
    with pytest.raises(VaultLocked):
        here.store()
    store.new_entry("Written here after it was replaced.")
    here.lock()
    other.lock()
    found = {text[:15] for text in texts(folder)}
    assert found == {"Common beginnin", "Written here.", "Written here af", *(f"Written there {n}" for n in range(5))}


def test_a_log_that_is_taken_away_while_it_is_open_costs_nothing(folder, at):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    store = made.store()
    store.new_entry("Before.")
    (folder / presence.WAL).unlink()
    assert made.notice() == "replaced"
    store.new_entry("After.")
    made.lock()
    assert texts(folder) == {"Before.", "After."}


def test_a_note_that_fails_after_the_copy_leaves_no_later_log_unnamed(folder, at, monkeypatch):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    store = made.store()
    store.new_entry("Before.")
    write, calls = presence.write, []

    def second_fails(*args: object) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise VaultWriteError("no room")
        write(*args)

    monkeypatch.setattr(presence, "write", second_fails)
    with pytest.raises(VaultWriteError):
        made.copy_log()
    store.new_entry("After.")
    copy = folder.parent / "copy"
    sync(folder, copy)
    assert presence.log_belongs(copy)
    assert texts(copy) == {"Before.", "After."}
    made.lock()


def test_a_beat_does_not_undo_the_beginning_of_a_log(folder, at, monkeypatch):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.copy_log()
    write, beating, go_on = presence.write, threading.Event(), threading.Event()

    def slow(*args: object) -> None:
        if threading.current_thread() is beat:
            beating.set()
            go_on.wait(1.0)
        write(*args)

    beat = threading.Thread(target=lambda: made.notice(datetime.now(UTC) + timedelta(minutes=2)))
    monkeypatch.setattr(presence, "write", slow)
    beat.start()
    assert beating.wait(5.0)
    threading.Timer(0.2, go_on.set).start()
    made.store().new_entry("Begins the log.")
    go_on.set()
    beat.join()
    assert presence.read(folder).salts == presence.log_end(folder, 1).salts
    made.lock()


@pytest.mark.parametrize(
    "name",
    [
        "journal (conflicted copy 2026-03-14).qpv",
        "journal.sync-conflict-20260314-210500-ABCDEF7.qpv",
        "journal-DESKTOP.qpv",
        "journal (1).qpv",
    ],
)
def test_the_copy_that_a_sync_program_left_is_joined(folder, at, tmp_path, name):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.lock()
    sync(folder, tmp_path / "there")
    for place, text in ((folder, "Here."), (tmp_path / "there", "There.")):
        with vault.unlock(place, PASSPHRASE) as opened:
            opened.store().new_entry(text)
    shutil.copy(tmp_path / "there" / vault.DATABASE, folder / name)
    assert texts(folder) == {"Here.", "There."}
    assert not (folder / name).exists()


def test_any_mix_of_files_from_any_moments_opens(folder, at, tmp_path):
    """The sync program may bring file, log and mark of different moments of a session, in any order."""
    generator = random.Random(12)
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.lock()
    moments: list[tuple[Path, set[str]]] = []
    written: set[str] = set()

    def remember() -> None:
        place = tmp_path / f"moment-{len(moments)}"
        sync(folder, place)
        moments.append((place, set(written)))

    for session in range(5):
        remember()
        with vault.unlock(folder, PASSPHRASE) as opened:
            store = opened.store()
            for number in range(4):
                remember()
                text = f"Session {session}, entry {number}. " + "Slow rain on the roof. " * generator.randrange(60)
                store.new_entry(text)
                written.add(text)
            if session % 2:
                opened.copy_log()
                remember()
                text = f"Session {session}, after the log was copied."
                store.new_entry(text)
                written.add(text)
                remember()
            store.close()
        remember()
    mixed = tmp_path / "mixed"
    set_aside = 0
    at(THERE)
    for _ in range(100):
        shutil.rmtree(mixed, ignore_errors=True)
        database, log, mark = (generator.choice(moments) for _ in range(3))
        sync(database[0], mixed)
        sync(log[0], mixed, (presence.WAL,))
        sync(mark[0], mixed, (presence.MARK,))
        in_file = file_alone(database[0], tmp_path / "alone")
        set_aside += not presence.log_belongs(mixed)
        found = texts(mixed)  # opens, and every check holds
        assert in_file <= found
        assert in_log(log[0], tmp_path / "alone") <= found, "a whole transaction of the log is lost"
    assert set_aside > 10


def file_alone(moment: Path, scratch: Path) -> set[str]:
    """Return what the file holds without its log."""
    shutil.rmtree(scratch, ignore_errors=True)
    sync(moment, scratch)
    (scratch / presence.WAL).unlink(missing_ok=True)
    (scratch / presence.MARK).unlink(missing_ok=True)
    return texts(scratch)


def in_log(moment: Path, scratch: Path) -> set[str]:
    """Return what only the log of a moment holds, as that moment itself would have been opened."""
    without = file_alone(moment, scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    sync(moment, scratch)
    return texts(scratch) - without


def test_a_log_of_an_older_version_that_left_no_mark_is_read(folder, at):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.store().new_entry("Only in the log.")
    copy = folder.parent / "crashed"
    sync(folder, copy, (vault.DATABASE, presence.WAL, vault.KEYS, vault.KEYS_COPY))
    made.lock()
    assert texts(copy) == {"Only in the log."}


def test_the_log_is_copied_when_it_has_grown_and_not_in_passing(folder, at, monkeypatch):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    with made:
        store = made.store()
        before = (folder / vault.DATABASE).read_bytes()
        store.new_entry("x" * 5_000_000)
        assert (folder / presence.WAL).stat().st_size > 5_000_000
        assert (folder / vault.DATABASE).read_bytes() == before
        monkeypatch.setattr(vault, "LOG_LIMIT", 1_000_000)
        for number in range(vault.LOOK_EVERY + 1):
            store.new_entry(f"Entry {number}")
        assert (folder / presence.WAL).stat().st_size < 1_000_000
        assert presence.read(folder).base == presence.first_page(folder)
    assert len(texts(folder)) == vault.LOOK_EVERY + 2


def test_a_disk_that_refuses_the_note_leaves_the_log_alone(folder, at, monkeypatch):
    """Better a log that waits than one that is half copied without anybody knowing."""
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.store().new_entry("Safe in the log.")
    before = (folder / vault.DATABASE).read_bytes()

    def refuse(*_args: object) -> None:
        raise VaultWriteError("no room")

    monkeypatch.setattr(presence, "write", refuse)
    made.lock()
    assert (folder / vault.DATABASE).read_bytes() == before
    assert (folder / presence.WAL).exists()
    monkeypatch.undo()
    copy = folder.parent / "copy"
    sync(folder, copy)
    assert texts(copy) == {"Safe in the log."}
