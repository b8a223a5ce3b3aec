"""A new data key: everything is encrypted again, the old key opens nothing, and no moment is unsafe."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time

import pytest

from journal_app.vault import folder as folders
from journal_app.vault import keys, rekey, vault
from journal_app.vault.connection import Connection
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import DamagedVault, Mood, VaultError, VaultLocked, VaultWriteError, WrongPassphrase
from tests.vault.conftest import PASSPHRASE
from tests.vault.test_vault_durability import file_size_limit

FAST = KdfParams.fast()


@pytest.fixture
def closed(journal, folder):
    store = journal.store()
    for number in range(30):
        store.new_entry(f"Entry {number}. " + "Lantern light on the water. " * 20, mood=Mood(3), tags=["harbour"])
    store.add_image(store.entries()[0].id, b"\x89PNG\r\n\x1a\n" + os.urandom(20_000))
    journal.lock()
    return folder


def test_everything_is_there_under_another_key(closed):
    old = keys.open_key(folders.read_key_files(closed), PASSPHRASE)
    before = (closed / vault.DATABASE).read_bytes()
    shares: list[float] = []
    opened, code = rekey.rotate(closed, PASSPHRASE, kdf=FAST, progress=shares.append)
    with opened:
        store = opened.store()
        assert len(store.entries()) == 30
        assert len(store.search("lantern")) == 30
        assert store.verify().ok
        assert store.images(store.entries()[0].id)
        assert opened.key != old
        store.new_entry("Written after.")
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    with pytest.raises(DamagedVault):
        Connection(closed / vault.DATABASE, old)
    pages = {before[at : at + 4096] for at in range(0, len(before), 4096)}
    after = (closed / vault.DATABASE).read_bytes()
    assert not pages & {after[at : at + 4096] for at in range(0, len(after), 4096)}
    for secret in (PASSPHRASE, code):
        with vault.unlock(closed, secret) as again:
            assert len(again.store().entries()) == 31
    assert not list(closed.glob(f"{folders.STAGE}*"))
    assert not (closed / folders.SWAP).exists()


def test_the_old_recovery_code_and_key_file_stop(folder):
    made, old_code = vault.create(folder, PASSPHRASE, kdf=FAST)
    file = made.add_key_file()
    made.lock()
    rekey.rotate(folder, PASSPHRASE, kdf=FAST)[0].lock()
    for secret in (old_code, file):
        with pytest.raises(WrongPassphrase):
            vault.unlock(folder, secret)


def test_what_is_refused_changes_nothing(folder, snapshot):
    made, code = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.store().new_entry("x" * 100_000)
    with pytest.raises(VaultLocked):
        rekey.rotate(folder, PASSPHRASE, kdf=FAST)
    made.lock()
    before = snapshot(folder)
    with pytest.raises(WrongPassphrase):
        rekey.rotate(folder, "another", kdf=FAST)
    with pytest.raises(VaultError, match="needs the passphrase"):
        rekey.rotate(folder, code, kdf=FAST)
    assert snapshot(folder) == before
    with file_size_limit(60_000), pytest.raises(VaultWriteError):
        rekey.rotate(folder, PASSPHRASE, kdf=FAST)
    with vault.unlock(folder, code) as opened:
        assert opened.store().verify().ok
    assert not list(folder.glob(f"{folders.STAGE}*"))


ROTATOR = """
import pathlib, sys
from journal_app.vault import rekey
from journal_app.vault.keys import KdfParams
folder = pathlib.Path(sys.argv[1])
print("go", flush=True)
while True:
    rekey.rotate(folder, "a quiet page at night", kdf=KdfParams.fast())[0].lock()
    print("round", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_kill_9_at_any_moment(closed):
    generator = random.Random(4)
    for _ in range(12):
        child = subprocess.Popen([sys.executable, "-c", ROTATOR, str(closed)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(generator.uniform(0.0, 0.15))
        child.kill()
        child.communicate()
        with vault.unlock(closed, PASSPHRASE) as opened:
            assert len(opened.store().entries()) == 30
            assert opened.store().verify().ok
        assert not list(closed.glob(f"{folders.STAGE}*"))


@pytest.mark.parametrize("stop_at", range(24))
def test_stopped_at_every_step_of_the_exchange(closed, monkeypatch, stop_at):
    """Every rename, removal and sync of the exchange is once the last thing that happens."""

    class Stop(BaseException):
        pass

    count = 0
    names = ("replace", "unlink", "fsync", "rename")
    real = {name: getattr(os, name) for name in names}

    def counted(name: str):
        def step(*args: object, **kwargs: object) -> object:
            nonlocal count
            if count >= stop_at:
                raise Stop
            count += 1
            return real[name](*args, **kwargs)

        return step

    swap = folders.swap

    def from_here(*args: object) -> None:
        for name in names:
            monkeypatch.setattr(os, name, counted(name))
        try:
            swap(*args)
        finally:
            for name in names:
                monkeypatch.setattr(os, name, real[name])

    # A program that is gone cleans nothing up.
    monkeypatch.setattr(folders, "swap", from_here)
    monkeypatch.setattr(rekey.shutil, "rmtree", lambda *args, **kwargs: None)
    try:
        rekey.rotate(closed, PASSPHRASE, kdf=FAST)[0].lock()
    except Stop:
        pass
    monkeypatch.undo()
    with vault.unlock(closed, PASSPHRASE) as opened:
        assert len(opened.store().entries()) == 30
        assert opened.store().verify().ok
    assert not list(closed.glob(f"{folders.STAGE}*"))
    assert not (closed / folders.SWAP).exists()


@pytest.mark.parametrize("crashed", [False, True])
def test_an_exchange_decided_elsewhere_removes_nothing_written_here(closed, tmp_path, monkeypatch, crashed):
    """A sync program brings the note and the new files of another computer, but this journal was written on."""

    class Stop(BaseException):
        pass

    def stop(_folder: object) -> None:
        raise Stop

    here = tmp_path / "here"
    shutil.copytree(closed, tmp_path / "open")
    opened = vault.unlock(tmp_path / "open", PASSPHRASE)
    opened.store().new_entry("Written here.")
    if not crashed:
        opened.lock()
    shutil.copytree(tmp_path / "open", here, ignore=shutil.ignore_patterns("*-shm"))
    opened.lock()
    real = folders.finish_swap
    monkeypatch.setattr(rekey.shutil, "rmtree", lambda *args, **kwargs: None)
    monkeypatch.setattr(folders, "finish_swap", lambda folder: (stop if folders.swap_pending(folder) else real)(folder))
    with pytest.raises(Stop):
        rekey.rotate(closed, PASSPHRASE, kdf=FAST)
    monkeypatch.undo()
    (staged,) = closed.glob(f"{folders.STAGE}*")
    shutil.copytree(staged, here / staged.name)
    shutil.copyfile(closed / folders.SWAP, here / folders.SWAP)
    with vault.unlock(here, PASSPHRASE, despite_other=True) as there:
        assert len(there.store().entries()) == 30
    (aside,) = here.glob("replaced-*")
    with vault.unlock(aside, PASSPHRASE, despite_other=True) as kept:
        assert "Written here." in {entry.text for entry in kept.store().entries()}
    with vault.unlock(closed, PASSPHRASE) as opened:
        assert len(opened.store().entries()) == 30
    assert not list(closed.glob("replaced-*"))
