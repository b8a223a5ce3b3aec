"""Opening and not opening: each trouble has its own clear message and changes nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from journal_app.vault import folder as folders
from journal_app.vault import keys, presence, rekey, schema, vault
from journal_app.vault.connection import Connection
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import (
    DamagedVault,
    NewerVault,
    VaultError,
    VaultLocked,
    VaultMissing,
    VaultWriteError,
    WrongPassphrase,
)
from tests.vault.conftest import PASSPHRASE

FAST = KdfParams.fast()


@pytest.fixture
def closed(folder: Path) -> Path:
    """A journal with enough in it to have many pages, locked."""
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    with made:
        store = made.store()
        for i in range(40):
            store.new_entry(f"Entry {i}. " + "The kettle sang and the rain went on. " * 60, tags=["rain"])
    return folder


def test_create_store_lock_unlock(folder):
    made, code = vault.create(folder, PASSPHRASE, kdf=FAST)
    entry = made.store().new_entry("First words.")
    made.lock()
    made.lock()
    for secret in (PASSPHRASE, code, code.lower()):
        with vault.unlock(folder, secret) as again:
            found = again.store().entry(entry.id)
            assert found is not None
            assert found.text == "First words."


@pytest.mark.parametrize(
    "name", ["a b", "50%20 #1?x=y&mode=ro", "한글 'quoted' \"twice\"", "e\u0301", "-dash", "a;b,c"]
)
def test_any_folder_name(tmp_path, name):
    made, _ = vault.create(tmp_path / name, PASSPHRASE, kdf=FAST)
    made.store().new_entry("Here.")
    made.lock()
    with vault.unlock(tmp_path / name, PASSPHRASE) as opened:
        assert len(opened.store().entries()) == 1
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_only_the_owner_can_read_anything(closed):
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    with vault.unlock(closed, PASSPHRASE) as opened:
        opened.store().new_entry("While it is open.")
        for path in closed.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_create_refuses_where_any_part_of_a_journal_is(closed, snapshot):
    for missing in ((), (vault.DATABASE,), (vault.KEYS, vault.KEYS_COPY)):
        for name in missing:
            (closed / name).rename(closed / f"{name}.away")
        before = snapshot(closed)
        with pytest.raises(VaultError, match="already"):
            vault.create(closed, "another", kdf=FAST)
        assert snapshot(closed) == before
        for name in missing:
            (closed / f"{name}.away").rename(closed / name)


def test_create_in_a_folder_with_other_things_leaves_them_alone(folder):
    folder.mkdir(mode=0o755)
    (folder / "photo.txt").write_text("mine")
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.lock()
    assert (folder / "photo.txt").read_text() == "mine"
    assert sorted(p.name for p in folder.iterdir() if p.stat().st_size) == [
        vault.DATABASE,
        presence.MARK,
        vault.KEYS_COPY,
        vault.KEYS,
        "photo.txt",
    ]


def test_two_programs_that_make_a_journal_in_one_place(folder, monkeypatch):
    """The keys of the first must outlive the second, which began before the first was there."""
    folder.mkdir()
    made = []
    real = keys.new_key_file

    def slow(*args):
        monkeypatch.setattr(keys, "new_key_file", real)
        made.append(vault.create(folder, PASSPHRASE, kdf=FAST)[0])
        made[0].store().new_entry("Written first.")
        made[0].lock()
        return real(*args)

    monkeypatch.setattr(keys, "new_key_file", slow)
    with pytest.raises(VaultError, match="already"):
        vault.create(folder, "another", kdf=FAST)
    with vault.unlock(folder, PASSPHRASE) as opened:
        assert [entry.text for entry in opened.store().entries()] == ["Written first."]


def test_a_key_file_of_another_data_key_is_set_aside_not_written_over(closed, tmp_path):
    """A sync program may bring the keys of a new data key before the journal that they open."""
    there = tmp_path / "there"
    shutil.copytree(closed, there)
    rekey.rotate(there, PASSPHRASE, kdf=FAST)[0].lock()
    shutil.copyfile(there / vault.KEYS, closed / vault.KEYS)
    vault.unlock(closed, PASSPHRASE).lock()
    shutil.copyfile(there / vault.DATABASE, closed / vault.DATABASE)
    with vault.unlock(closed, PASSPHRASE) as opened:
        assert len(opened.store().entries()) == 40


@pytest.mark.parametrize("said", ["..", ".", "a/b"])
def test_an_exchange_leads_nowhere_outside_the_folder(closed, snapshot, said):
    staged = folders.stage(closed)
    for name in (vault.DATABASE, vault.KEYS, vault.KEYS_COPY):
        shutil.copyfile(closed / name, staged / name)
    note = {"format": "quietpage-swap", "stage": staged.name, "aside": said}
    (closed / folders.SWAP).write_text(json.dumps(note))
    before = snapshot(closed)
    with pytest.raises(DamagedVault):
        vault.unlock(closed, PASSPHRASE)
    assert snapshot(closed) == before
    assert not (closed.parent / vault.DATABASE).exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_among_the_key_files_holds_nothing_up(closed):
    os.mkfifo(closed / "keys (1).json")
    vault.unlock(closed, PASSPHRASE).lock()


def test_a_failed_creation_leaves_nothing(folder, monkeypatch):
    monkeypatch.setattr(vault.schema, "migrate", lambda connection: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(VaultWriteError):
        vault.create(folder, PASSPHRASE, kdf=FAST)
    assert list(folder.parent.iterdir()) == []
    assert not vault.exists(folder)


def test_an_empty_passphrase_is_refused(folder):
    with pytest.raises(VaultError):
        vault.create(folder, "", kdf=FAST)
    assert not folder.exists()


def test_missing(folder, closed, tmp_path):
    with pytest.raises(VaultMissing):
        vault.unlock(tmp_path / "nowhere", PASSPHRASE)
    assert not (tmp_path / "nowhere").exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(VaultMissing):
        vault.unlock(empty, PASSPHRASE)
    assert list(empty.iterdir()) == []


def test_wrong_passphrase_changes_nothing_and_says_nothing_on_stderr(closed, snapshot, capfd):
    before = snapshot(closed)
    with pytest.raises(WrongPassphrase, match="does not open"):
        vault.unlock(closed, "not it")
    assert snapshot(closed) == before
    assert capfd.readouterr() == ("", "")


def test_wrong_data_key_is_silent(closed, capfd):
    with pytest.raises(DamagedVault):
        Connection(closed / vault.DATABASE, bytes(32))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [vault.KEYS, vault.KEYS_COPY])
@pytest.mark.parametrize("how", ["flip", "remove", "empty"])
def test_either_copy_of_the_keys_is_enough_and_the_other_is_made_good(closed, name, how):
    good = (closed / name).read_bytes()
    if how == "flip":
        (closed / name).write_bytes(good.replace(b'"time": 1', b'"time": 2', 1))
    elif how == "remove":
        (closed / name).unlink()
    else:
        (closed / name).write_bytes(b"")
    with vault.unlock(closed, PASSPHRASE) as opened:
        assert len(opened.store().entries()) == 40
    assert (closed / name).read_bytes() == good
    assert (closed / name).with_suffix(".damaged.json").exists() == (how != "remove")


def test_flipped_bits_in_both_key_files_are_damage(closed, snapshot):
    generator = random.Random(7)
    data = (closed / vault.KEYS).read_bytes()
    for _ in range(60):
        flipped = bytearray(data)
        place = generator.choice([i for i, byte in enumerate(data) if not chr(byte).isspace()])
        flipped[place] ^= 1 << generator.randrange(8)
        for name in (vault.KEYS, vault.KEYS_COPY):
            (closed / name).write_bytes(flipped)
        before = snapshot(closed)
        with pytest.raises(DamagedVault, match="damaged"):
            vault.unlock(closed, PASSPHRASE)
        assert snapshot(closed) == before


def test_missing_parts_are_named(closed, snapshot):
    (closed / vault.DATABASE).rename(closed / "x")
    with pytest.raises(DamagedVault, match=r"journal\.qpv"):
        vault.unlock(closed, PASSPHRASE)
    (closed / "x").rename(closed / vault.DATABASE)
    for name in (vault.KEYS, vault.KEYS_COPY):
        (closed / name).unlink()
    before = snapshot(closed)
    with pytest.raises(DamagedVault, match=r"keys\.json"):
        vault.unlock(closed, PASSPHRASE)
    assert snapshot(closed) == before


def touch_everything(folder: Path) -> bool:
    """Open, read and check; return whether damage was noticed. Anything but known failures escapes."""
    try:
        with vault.unlock(folder, PASSPHRASE) as opened:
            store = opened.store()
            store.days()
            for entry in store.entries():
                store.revisions(entry.id)
            store.search("kettle")
            store.search("k")
            return not store.verify().ok
    except DamagedVault:
        return True


def test_flipped_bits_on_any_page_are_noticed_and_change_nothing(closed, snapshot):
    path = closed / vault.DATABASE
    data = path.read_bytes()
    generator = random.Random(11)
    for page in range(len(data) // 4096):
        flipped = bytearray(data)
        flipped[page * 4096 + generator.randrange(4096)] ^= 1 << generator.randrange(8)
        path.write_bytes(flipped)
        before = snapshot(closed)
        assert touch_everything(closed), f"page {page}"
        assert snapshot(closed) == before
    path.write_bytes(data)
    assert not touch_everything(closed)


@pytest.mark.parametrize("size", [0, 10, 4096, 3 * 4096, -4096, -100])
def test_a_cut_database_is_damaged(closed, snapshot, size):
    path = closed / vault.DATABASE
    data = path.read_bytes()
    path.write_bytes(data[:size])
    before = snapshot(closed)
    assert touch_everything(closed)
    assert snapshot(closed) == before


def test_a_plain_database_is_refused(closed, snapshot):
    path = closed / vault.DATABASE
    path.write_bytes(folders.PLAIN_HEADER + bytes(8192))
    before = snapshot(closed)
    with pytest.raises(DamagedVault, match="not encrypted"):
        vault.unlock(closed, PASSPHRASE)
    assert snapshot(closed) == before


def test_the_database_of_another_journal_is_refused(closed, tmp_path):
    other, _ = vault.create(tmp_path / "other", PASSPHRASE, kdf=FAST)
    other.lock()
    shutil.copy(tmp_path / "other" / vault.DATABASE, closed / vault.DATABASE)
    with pytest.raises(DamagedVault, match="another journal"):
        vault.unlock(closed, PASSPHRASE)


def test_the_same_key_but_another_identity_is_refused(closed):
    with vault.unlock(closed, PASSPHRASE) as opened:
        store = opened.store()
        store._db.rows("UPDATE meta SET value = 'someone else' WHERE key = 'vault_id'")
    with pytest.raises(DamagedVault):
        vault.unlock(closed, PASSPHRASE)


def test_a_newer_journal_is_refused(closed, snapshot):
    with vault.unlock(closed, PASSPHRASE) as opened:
        opened.store()._db.rows(f"PRAGMA user_version = {schema.CURRENT + 1}")
    before = snapshot(closed)
    with pytest.raises(NewerVault, match="newer version"):
        vault.unlock(closed, PASSPHRASE)
    assert snapshot(closed) == before


def test_messages_differ_and_name_no_path(closed, tmp_path):
    messages = []
    for trouble in ("wrong", "damaged", "newer", "missing"):
        try:
            if trouble == "missing":
                vault.unlock(tmp_path / "gone", PASSPHRASE)
            if trouble == "damaged":
                (closed / vault.KEYS).rename(closed / "k1")
                (closed / vault.KEYS_COPY).rename(closed / "k2")
            if trouble == "newer":
                (closed / "k1").rename(closed / vault.KEYS)
                with vault.unlock(closed, PASSPHRASE) as opened:
                    opened.store()._db.rows("PRAGMA user_version = 99")
            vault.unlock(closed, "nonsense" if trouble == "wrong" else PASSPHRASE)
        except VaultError as error:
            messages += [str(error), *([str(error.__cause__)] if error.__cause__ else [])]
    assert len(set(messages)) == 4
    assert not any(str(tmp_path) in message or "/" in message for message in messages)


def test_open_elsewhere_in_this_process(closed):
    with vault.unlock(closed, PASSPHRASE), pytest.raises(VaultLocked, match="open in another"):
        vault.unlock(closed, PASSPHRASE)
    vault.unlock(closed, PASSPHRASE).lock()


def test_open_in_another_process_and_after_it_was_killed(closed):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, pathlib; from journal_app.vault import vault\n"
            "v = vault.unlock(pathlib.Path(sys.argv[1]), sys.stdin.readline().rstrip('\\n'))\n"
            "print('open', flush=True); time.sleep(60)",
            str(closed),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        holder.stdin.write(PASSPHRASE + "\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(VaultLocked):
            vault.unlock(closed, PASSPHRASE)
    finally:
        holder.kill()
        holder.communicate()
    vault.unlock(closed, PASSPHRASE).lock()


def test_failed_openings_give_the_lock_up(closed):
    for _ in range(3):
        with pytest.raises(WrongPassphrase):
            vault.unlock(closed, "no")
    vault.unlock(closed, PASSPHRASE).lock()


def test_change_of_passphrase(closed):
    database = (closed / vault.DATABASE).read_bytes()
    with vault.unlock(closed, PASSPHRASE) as opened:
        assert opened.opens_with(PASSPHRASE)
        opened.change_passphrase("another one", kdf=FAST)
        assert opened.opens_with("another one")
        assert not opened.opens_with(PASSPHRASE)
        code = opened.new_recovery_code(kdf=FAST)
    assert (closed / vault.DATABASE).read_bytes() == database
    assert (closed / vault.KEYS).read_bytes() == (closed / vault.KEYS_COPY).read_bytes()
    with pytest.raises(WrongPassphrase):
        vault.unlock(closed, PASSPHRASE)
    vault.unlock(closed, "another one").lock()
    vault.unlock(closed, code).lock()


def test_an_old_second_copy_does_not_keep_an_old_passphrase_alive(closed):
    old = (closed / vault.KEYS_COPY).read_bytes()
    with vault.unlock(closed, PASSPHRASE) as opened:
        opened.change_passphrase("another one", kdf=FAST)
    (closed / vault.KEYS_COPY).write_bytes(old)  # as if the power went between the two writes
    with pytest.raises(WrongPassphrase):
        vault.unlock(closed, PASSPHRASE)
    vault.unlock(closed, "another one").lock()
    assert (closed / vault.KEYS_COPY).read_bytes() == (closed / vault.KEYS).read_bytes()
    assert not any(path.read_bytes() == old for path in closed.iterdir())


def test_lock_overwrites_the_key_and_closes_every_store(closed):
    opened = vault.unlock(closed, PASSPHRASE)
    key = opened._key
    stores = [opened.store(), opened.store()]
    assert any(key)
    opened.lock()
    assert not any(key)
    assert opened.locked
    for store in stores:
        for call in (store.entries, store.verify, store.pending, lambda s=store: s.new_entry("x"), store.reopen):
            with pytest.raises(VaultLocked):
                call()
    with pytest.raises(VaultLocked):
        opened.change_passphrase("x", kdf=FAST)


def test_locking_from_another_thread_waits_for_the_save(closed):
    opened = vault.unlock(closed, PASSPHRASE)
    acknowledged: list[str] = []

    def write() -> None:
        store = opened.store()
        started.set()
        try:
            while True:
                acknowledged.append(store.new_entry("A line. " * 200).id)
        except VaultLocked:
            return

    started = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    while len(acknowledged) < 5:
        pass
    opened.lock()
    writer.join()
    with vault.unlock(closed, PASSPHRASE) as again:
        store = again.store()
        assert all(store.entry(entry_id) is not None for entry_id in acknowledged)
        assert store.verify().ok


def test_a_store_stays_on_its_thread(closed):
    with vault.unlock(closed, PASSPHRASE) as opened:
        store = opened.store()
        caught: list[BaseException] = []

        def use() -> None:
            try:
                store.entries()
            except RuntimeError as error:
                caught.append(error)
            store.reopen().entries()

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        assert len(caught) == 1


def test_the_key_is_in_no_file(closed):
    opened = vault.unlock(closed, PASSPHRASE)
    opened.store().new_entry("x")
    key = bytes(opened._key)
    needles = [key, key.hex().encode(), key.hex().upper().encode(), keys._b64(key).encode(), PASSPHRASE.encode()]
    for path in closed.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(needle in data for needle in needles), path.name
    opened.lock()


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
def test_the_lock_is_not_taken_through_a_link(closed, tmp_path):
    (closed / folders.LOCK).unlink()
    (closed / folders.LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(VaultError):
        vault.unlock(closed, PASSPHRASE)
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_that_cannot_be_looked_at_is_told_in_words(tmp_path):
    place = tmp_path / ("x" * 300)  # too long a name; a folder of another user fails in the same way
    assert vault.exists(place)
    with pytest.raises(DamagedVault, match="cannot be read"):
        vault.unlock(place, PASSPHRASE)
