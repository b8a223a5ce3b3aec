"""The log is copied into the file when the vault says so, and at no other moment: not by forgetting, not by ending."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from journal_app.vault import presence, vault
from journal_app.vault.connection import Connection
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import VaultLocked, VaultWriteError
from tests.support import recorder
from tests.vault.conftest import PASSPHRASE

FAST = KdfParams.fast()
PROJECT = Path(__file__).resolve().parent.parent.parent


def state(folder: Path) -> tuple[bytes, bytes]:
    return (folder / vault.DATABASE).read_bytes(), (folder / presence.WAL).read_bytes()


def refuse(*_args: object) -> None:
    raise VaultWriteError("The disk is full. Everything saved before is safe.")


def test_a_connection_that_is_forgotten_copies_no_log(folder, monkeypatch):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.store().new_entry("Acknowledged. " * 500)
    before = state(folder)
    with monkeypatch.context() as full:
        full.setattr(presence, "write", refuse)
        made.lock()
    assert state(folder) == before
    del made
    gc.collect()
    assert state(folder) == before
    with vault.unlock(folder, PASSPHRASE) as opened:
        assert [entry.text for entry in opened.store().entries()] == ["Acknowledged. " * 500]
    assert not (folder / presence.WAL).exists()


def test_after_a_lock_on_a_full_disk_the_same_program_opens_it_again(folder, monkeypatch):
    # Full before the first word: the log is begun, and the note that names it is refused.
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.store().new_entry("Before.")
    made.lock()
    opened = vault.unlock(folder, PASSPHRASE)
    with monkeypatch.context() as full:
        full.setattr(presence, "write", refuse)
        with pytest.raises(VaultWriteError):
            opened.store().new_entry("Refused.")
        opened.lock()
    with vault.unlock(folder, PASSPHRASE) as again:
        assert [entry.text for entry in again.store().entries()] == ["Before."]
        again.store().new_entry("There is room again.")
    with pytest.raises(VaultLocked):
        opened.store()


def test_what_closes_copies_and_what_abandons_does_not(folder):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    key = bytearray(made.key)
    made.lock()
    for leave, copied in ((Connection.abandon, False), (Connection.close, True)):
        before = (folder / vault.DATABASE).read_bytes()
        connection = Connection(folder / vault.DATABASE, key)
        with connection.transaction():
            connection.rows("INSERT INTO setting(key, value) VALUES(?, '1')", (leave.__name__,))
        leave(connection)
        leave(connection)
        assert ((folder / vault.DATABASE).read_bytes() != before) is copied
        assert (folder / presence.WAL).exists() is not copied
    connection = Connection(folder / vault.DATABASE, key)
    assert connection.row("SELECT count(*) FROM setting WHERE key IN ('abandon', 'close')") == (2,)
    connection.close()


FORGETS = """
import gc, os, sys
from pathlib import Path
from journal_app.vault import vault
folder, how, at = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
opened = vault.unlock(folder, sys.argv[4])
store = opened.store()
for number in range(30):
    store.new_entry(f"Acknowledged {number}. " * 60)
orders = os.open(folder.parent / "ACK", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
if how == "locked":
    os.write(orders, b"arm 0 28 1000000")  # the disk is full
    opened.lock()
os.write(orders, f"arm {at} 0 1".encode())  # the change at which it is killed
if how != "ends":
    del opened, store
    gc.collect()
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("how", ["locked", "forgotten", "ends"])
def test_killed_while_a_forgotten_journal_goes(tmp_path, monkeypatch, how):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    library = recorder.build(tmp_path)
    for at in (0, 2, 9):
        root = tmp_path / f"disk-{at}"
        root.mkdir()
        made, _ = vault.create(root / "journal", PASSPHRASE, kdf=FAST)
        made.lock()
        environment = {**recorder.environment(library, root, tmp_path / "log"), "XDG_STATE_HOME": str(tmp_path)}
        command = [sys.executable, "-c", FORGETS, str(root / "journal"), how, str(at), PASSPHRASE]
        done = subprocess.run(command, env=environment, cwd=PROJECT, check=False)
        assert done.returncode in (0, -signal.SIGKILL)
        with vault.unlock(root / "journal", PASSPHRASE) as opened:
            assert len(opened.store().entries()) == 30
            assert opened.store().verify().ok
