"""Backups prove themselves: made, restored, compared, checked bit by bit, thinned out without haste."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journal_app.vault import backup, keys, salvage, vault
from journal_app.vault import folder as folders
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import (
    DamagedVault,
    Mood,
    NewerVault,
    VaultLocked,
    VaultMissing,
    VaultWriteError,
    WrongPassphrase,
)
from tests.vault.conftest import PASSPHRASE
from tests.vault.test_vault_durability import file_size_limit

FAST = KdfParams.fast()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def filled(journal):
    store = journal.store()
    first = store.new_entry("A pear tree by the wall. " * 40, mood=Mood(4, 2), tags=["garden"])
    store.add_image(first.id, PNG)
    store.new_entry("비가 그쳤다.")
    store.delete(store.new_entry("Not needed.").id)
    store.set_setting("country", "AT")
    return journal


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def test_a_backup_is_a_journal_that_opens(filled, tmp_path):
    made = backup.make(filled)
    assert (made.entries, made.images, made.reason, made.problem) == (3, 1, "asked", "")
    assert made.proved_utc
    assert backup.listed(filled.folder) == [made]
    assert sorted(p.name for p in made.path.iterdir()) == sorted(
        [backup.NOTE, vault.DATABASE, vault.KEYS, vault.KEYS_COPY]
    )
    shutil.copytree(made.path, tmp_path / "copy")
    with vault.unlock(tmp_path / "copy", PASSPHRASE) as opened:
        store = opened.store()
        assert store.verify().ok
        assert {e.text for e in store.entries()} == {e.text for e in filled.store().entries()}
        entry = store.search("pear")[0].entry_id
        assert store.image(store.images(entry)[0].id) == PNG


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_nobody_else_can_read_it_and_nothing_is_left_over(filled):
    made = backup.make(filled)
    assert made.path.stat().st_mode & 0o77 == 0
    assert all(path.stat().st_mode & 0o77 == 0 for path in made.path.iterdir())
    assert [path.name for path in made.path.parent.iterdir()] == [made.path.name]


def test_restoring_puts_it_back_and_keeps_what_was_there(filled, folder):
    made = backup.make(filled)
    filled.store().new_entry("Written after the backup.")
    filled.lock()
    done = backup.restore(made.path, folder, PASSPHRASE)
    assert done.entries == 3
    assert done.aside is not None
    with vault.unlock(folder, PASSPHRASE) as opened:
        assert len(opened.store().entries()) == 2
        assert opened.store().verify().ok
    with vault.unlock(done.aside, PASSPHRASE) as before:
        assert len(before.store().entries()) == 3


def test_restoring_where_the_journal_is_lost_or_damaged(filled, folder, tmp_path):
    backup.choose(folder, tmp_path / "elsewhere")
    made = backup.make(filled)
    assert made.path.parent == tmp_path / "elsewhere"
    filled.lock()
    flip(folder / vault.DATABASE, 5)
    (folder / vault.KEYS).write_bytes(b"")
    (folder / vault.KEYS_COPY).unlink()
    assert backup.listed(folder) == [made]  # known with no key, beside a journal that does not open
    done = backup.restore(made.path, folder, PASSPHRASE)
    assert done.aside is not None
    assert (done.aside / vault.DATABASE).exists()
    vault.unlock(folder, PASSPHRASE).lock()
    shutil.rmtree(folder)
    assert backup.restore(made.path, folder, PASSPHRASE).aside is None
    vault.unlock(folder, PASSPHRASE).lock()


def test_a_restore_that_fails_touches_nothing(filled, folder, snapshot):
    made = backup.make(filled)
    with pytest.raises(VaultLocked):
        backup.restore(made.path, folder, PASSPHRASE)
    filled.lock()
    before = snapshot(folder)
    with pytest.raises(WrongPassphrase):
        backup.restore(made.path, folder, "another")
    with pytest.raises(VaultMissing):
        backup.restore(folder, folder, PASSPHRASE)
    assert snapshot(folder) == before
    flip(made.path / vault.DATABASE, made.bytes // 2)
    before = snapshot(folder)
    with pytest.raises(DamagedVault, match="damaged"):
        backup.restore(made.path, folder, PASSPHRASE)
    assert snapshot(folder) == before


def test_a_backup_of_a_newer_version_is_refused_with_words(filled, folder):
    made = backup.make(filled)
    filled.lock()
    note = backup._read_note(made.path)
    backup._write_note(made.path, backup.replace(note, schema=99))
    with pytest.raises(NewerVault, match="newer version"):
        backup.restore(made.path, folder, PASSPHRASE)


@pytest.mark.parametrize("name", [vault.DATABASE, vault.KEYS, vault.KEYS_COPY, backup.NOTE])
def test_a_flipped_bit_is_found_at_the_next_round_and_the_older_good_one_named(filled, name):
    older = backup.make(filled, now=NOON)
    newer = backup.make(filled, now=NOON + timedelta(days=1))
    size = (newer.path / name).stat().st_size
    flip(newer.path / name, size // 2)
    if name in (vault.KEYS, vault.KEYS_COPY):
        flip(newer.path / (vault.KEYS if name == vault.KEYS_COPY else vault.KEYS_COPY), size // 2)
    done = backup.cycle(filled, now=NOON + timedelta(days=2))
    assert [b.path for b in done.damaged] == [newer.path]
    assert done.damaged[0].problem
    if name == vault.DATABASE:
        assert done.damaged[0].problem == f"Damaged: page {size // 2 // 4096 + 1} of {size // 4096}."
    assert done.made is not None  # a fresh one in its stead
    assert done.good == done.made
    assert older in backup.listed(filled.folder)
    assert newer.path.exists()  # never removed


def test_every_bit_of_a_small_backup_counts(filled):
    made = backup.make(filled)
    path = made.path / vault.DATABASE
    whole = path.read_bytes()
    for at in range(7, len(whole), 4096 * 3 + 251):
        flip(path, at)
        backup._check(made.path, filled.key)
        assert backup.listed(filled.folder)[0].problem, at
        path.write_bytes(whole)
        backup._check(made.path, filled.key)
        assert not backup.listed(filled.folder)[0].problem


def test_a_proof_reads_what_was_written(filled, monkeypatch):
    """A disk that gives back other bytes than it took is noticed while the backup is made."""
    real = shutil.copyfileobj

    def torn(old: object, new: object, size: int = 0) -> None:
        real(old, new, size)  # type: ignore[arg-type]
        new.seek(9000)  # type: ignore[attr-defined]
        new.write(b"!")  # type: ignore[attr-defined]

    monkeypatch.setattr(backup.shutil, "copyfileobj", torn)
    with pytest.raises(VaultWriteError, match="could not be proved"):
        backup.make(filled)
    assert backup.listed(filled.folder) == []
    assert list(backup.place(filled.folder).iterdir()) == []


def test_a_damaged_journal_is_named_and_pushes_no_good_backup_out(filled, folder, monkeypatch):
    for day in range(12):
        filled.store().new_entry(f"Day {day}.")
        backup.cycle(filled, now=NOON + timedelta(days=day))
    kept = backup.listed(folder)
    filled.copy_log()
    flip(folder / vault.DATABASE, 3 * 4096 + 100)
    done = backup.cycle(filled, now=NOON + timedelta(days=20))
    assert done.made is None
    assert any("page 4 of" in problem.lower() for problem in done.source_problems)
    assert done.good == kept[0]
    assert backup.listed(folder) == kept


def test_a_log_that_is_copied_while_pages_are_read_is_no_damage(filled, monkeypatch):
    store, copy_log = filled.store(), filled.copy_log
    real, reading = salvage.Pages.__init__, []

    def saved_in_between() -> bool:
        done = copy_log()
        store.new_entry("Between. " * 2000)
        return done

    def busy(self, *args, **kwargs):
        real(self, *args, **kwargs)
        if not reading:
            reading.append(self)
            copy_log()
            store.new_entry("Meanwhile. " * 1000)

    monkeypatch.setattr(filled, "copy_log", saved_in_between)
    monkeypatch.setattr(salvage.Pages, "__init__", busy)
    done = backup.cycle(filled, now=NOON)
    assert reading
    assert done.source_problems == ()
    assert done.made is not None


def test_days_weeks_and_months_are_kept(filled):
    store = filled.store()
    for day in range(0, 500):
        if day % 5 == 0 or day > 480:
            store.new_entry(f"Day {day}.")
            backup.cycle(filled, now=NOON + timedelta(days=day))
    dates = [datetime.fromisoformat(b.made_utc).date() for b in backup.listed(filled.folder)]
    last = (NOON + timedelta(days=499)).date()
    assert dates[:7] == [last - timedelta(days=n) for n in range(7)]
    assert len({f"{d:%Y-%m}" for d in dates}) == backup.MONTHLY
    assert len({d.isocalendar()[:2] for d in dates if d > last - timedelta(days=28)}) >= backup.WEEKLY
    assert len(dates) <= backup.DAILY + backup.WEEKLY + backup.MONTHLY + 3 * backup.LATEST


def test_many_backups_in_one_second_keep_their_order(filled):
    store = filled.store()
    for number in range(15):
        store.new_entry(f"Entry {number}")
        backup.make(filled, now=NOON + timedelta(milliseconds=number))
    counts = [b.entries for b in backup.listed(filled.folder)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 18


def test_nothing_new_means_another_proof_and_no_other_copy(filled):
    made = backup.make(filled, now=NOON)
    done = backup.cycle(filled, now=NOON + timedelta(days=3))
    assert done.made is None
    (only,) = backup.listed(filled.folder)
    assert (only.made_utc, only.proved_utc) == (made.made_utc, "2026-03-04T12:00:00.000Z")


def test_a_new_passphrase_is_in_the_next_backup(filled):
    backup.make(filled, now=NOON)
    filled.change_passphrase("another", kdf=FAST)
    done = backup.cycle(filled, now=NOON + timedelta(days=1))
    assert done.made is not None
    assert keys.open_key(folders.read_key_files(done.made.path), "another") == filled.key


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=4000)])
def test_a_clock_that_jumps_costs_no_backup(filled, jump):
    store = filled.store()
    for day in range(5):
        store.new_entry(f"Day {day}.")
        backup.cycle(filled, now=NOON + timedelta(days=day))
    before = backup.listed(filled.folder)
    assert backup.due(filled, NOON + jump)
    store.new_entry("After the jump.")
    done = backup.cycle(filled, now=NOON + jump)
    assert done.made is not None
    assert {b.path for b in before} <= {b.path for b in backup.listed(filled.folder)}


def test_a_clock_that_fell_back_keeps_the_backup_just_made(filled):
    store = filled.store()
    for month in range(16):
        store.new_entry(f"Month {month}.")
        backup.cycle(filled, now=NOON + timedelta(days=31 * month))
    store.new_entry("After the clock fell back.")
    done = backup.cycle(filled, now=NOON - timedelta(days=9000))
    assert done.made in backup.listed(filled.folder)


def test_two_journals_with_one_folder_for_backups(filled, tmp_path):
    other, _ = vault.create(tmp_path / "other", PASSPHRASE, kdf=FAST)
    for journal in (filled, other):
        backup.choose(journal.folder, tmp_path / "shared")
    alone = []
    for day in range(20):
        filled.store().new_entry(f"Day {day}.")
        backup.cycle(filled, now=NOON + timedelta(days=day))
        alone.append(backup.due(other, NOON + timedelta(days=day, hours=1)))
        other.store().new_entry(f"Day {day}.")
        backup.cycle(other, now=NOON + timedelta(days=day, hours=1))
    other.lock()
    assert all(alone)
    kept = [b.vault_id for b in backup.listed(filled.folder)]
    assert kept.count(filled.file.vault_id) == kept.count(other.file.vault_id) >= backup.DAILY


def test_no_room_for_a_proof_condemns_no_backup(filled, folder, monkeypatch):
    good = backup.make(filled, now=NOON)

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(VaultWriteError, match="not touched"):
        backup.cycle(filled, now=NOON + timedelta(days=1))
    assert backup.listed(folder) == [good]


def test_a_backup_that_could_not_be_read_for_a_while_is_good_again(filled, folder):
    good = backup.make(filled, now=NOON)
    (good.path / vault.DATABASE).rename(good.path / "away")
    assert backup.cycle(filled, now=NOON + timedelta(days=1)).damaged
    (good.path / "away").rename(good.path / vault.DATABASE)
    backup.cycle(filled, now=NOON + timedelta(days=2))
    assert good in backup.listed(folder)


@pytest.mark.parametrize("note", [b"5", b"null", b"[" * 90_000, b"\xff", b"{}"])
def test_one_note_of_nonsense_hides_no_other_backup(filled, folder, note):
    good = backup.make(filled, now=NOON)
    (good.path.parent / "other").mkdir()
    (good.path.parent / "other" / backup.NOTE).write_bytes(note)
    assert good in backup.listed(folder)
    assert backup.cycle(filled, now=NOON).good is not None


@pytest.mark.parametrize("said", [b'{"folder": "\\u0000"}', b"[" * 9_999, b"5"])
def test_a_place_of_nonsense_is_none(filled, folder, said):
    (folder / backup.PLACE).write_bytes(said)
    assert backup.place(folder) == folder / folders.BACKUPS


def test_what_a_killed_program_was_making_is_cleared_after_a_day(filled, folder):
    backup.make(filled)
    old, fresh = (folders.stage(backup.place(folder)) for _ in range(2))
    os.utime(old, (1, 1))
    backup.make(filled)
    assert not old.exists()
    assert fresh.exists()


def test_a_round_can_be_broken_off_and_leaves_nothing(filled, folder):
    class Stop(Exception):
        pass

    good = backup.make(filled, now=NOON)
    filled.store().new_entry("Something new.")
    shares: list[float] = []
    backup.cycle(filled, now=NOON, progress=shares.append)
    for number in range(len(shares)):
        left = iter(range(number))

        def stop(_share: float, left=left) -> None:
            if next(left, None) is None:
                raise Stop

        filled.store().new_entry(f"Another, {number}.")
        with pytest.raises(Stop):
            backup.cycle(filled, now=NOON + timedelta(days=number + 1), progress=stop)
        assert not list(backup.place(folder).glob(".*"))
    assert good in backup.listed(folder)
    assert backup.cycle(filled, now=NOON + timedelta(days=30)).made is not None


def test_due_once_a_day(filled):
    assert backup.due(filled, NOON)
    backup.make(filled, now=NOON)
    assert not backup.due(filled, NOON + timedelta(hours=1))
    assert backup.due(filled, NOON + timedelta(hours=21))


def test_no_room_is_told_and_leaves_nothing(filled, folder):
    good = backup.make(filled, now=NOON)
    before = filled.store().entries()
    with file_size_limit(30_000), pytest.raises(VaultWriteError, match="not touched"):
        backup.make(filled)
    assert backup.listed(folder) == [good]
    assert [p.name for p in backup.place(folder).iterdir()] == [good.path.name]
    assert filled.store().entries() == before
    filled.lock()
    with file_size_limit(30_000), pytest.raises(VaultWriteError):
        backup.restore(good.path, folder, PASSPHRASE)
    vault.unlock(folder, PASSPHRASE).lock()


def test_a_place_that_cannot_be_written_is_refused(filled, folder, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(VaultWriteError):
        backup.choose(folder, tmp_path / "file" / "inside")
    assert backup.place(folder) == folder / vault.DATABASE.replace(vault.DATABASE, folders.BACKUPS)


def test_it_is_one_moment_while_somebody_writes(filled):
    stop = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            store = filled.store()
            entry = store.new_entry("Growing")
            number = 0
            while not stop.is_set():
                number += 1
                store.save_text(entry.id, f"Growing {number} " * 50)
                store.new_entry(f"Beside {number}")
            store.close()
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [backup.make(filled) for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    assert not failures
    counts = [b.entries for b in reversed(made)]
    assert counts == sorted(counts, reverse=True)
    assert made[0].entries < made[-1].entries
