"""Nothing that was acknowledged is lost: kill -9, a full disk, a read-only folder."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from journal_app.vault import vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import VaultWriteError, WrongPassphrase
from tests.vault.conftest import PASSPHRASE

FAST = KdfParams.fast()

WRITER = """
import itertools, pathlib, sys
from journal_app.vault import vault
opened = vault.unlock(pathlib.Path(sys.argv[1]), sys.stdin.readline().rstrip("\\n"))
store = opened.store()
entry = store.new_entry("round " + sys.argv[2])
print("new", entry.id, flush=True)
text = entry.text
for count in itertools.count(1):
    text += f" word{count}" * 20
    saved = store.save_text(entry.id, text)
    print("saved", saved.revision, len(text), flush=True)
    if count % 7 == 0:
        other = store.new_entry("beside " + str(count))
        print("new", other.id, flush=True)
    if count % 11 == 0:
        store.requeue_all()
        store.skip_analysis(entry.id, saved.revision, "later")
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_kill_9_while_saving_loses_nothing_acknowledged(folder):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.lock()
    generator = random.Random(9)
    ids: set[str] = set()
    saves = 0
    for turn in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(turn)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(PASSPHRASE + "\n")
        writer.stdin.flush()
        first = writer.stdout.readline().split()
        time.sleep(generator.uniform(0.0, 0.25))
        writer.kill()
        said = [first, *(line.split() for line in writer.communicate()[0].splitlines())]
        # The last line may be cut in the pipe: it was acknowledged, but what it said is not known whole.
        acknowledged = [line for line in said if len(line) == (2 if line[0] == "new" else 3)]
        ids.update(line[1] for line in acknowledged if line[0] == "new")
        last = [line for line in acknowledged if line[0] == "saved"]
        saves += len(last)
        with vault.unlock(folder, PASSPHRASE) as opened:
            store = opened.store()
            report = store.verify()
            assert report.ok, report.problems
            entry = store.entry(first[1])
            assert entry is not None
            if last:
                assert entry.revision >= int(last[-1][1])
                assert len(entry.text) >= int(last[-1][2])
            assert entry.text.startswith(f"round {turn}")
            assert {e.id for e in store.entries()} >= ids
            assert store.search(f"round {turn}")[0].entry_id in ids
    assert saves >= 10


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes, which is what a full disk looks like to a program."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_and_costs_nothing(folder):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    with made:
        store = made.store()
        entry = store.new_entry("Safe words.")
        limit = (folder / f"{vault.DATABASE}-wal").stat().st_size + 50_000
        refused = 0
        with file_size_limit(limit):
            text = entry.text
            for count in range(60):
                try:
                    store.save_text(entry.id, text + f" {count} " + "more words " * 900)
                except VaultWriteError as error:
                    refused += 1
                    assert "safe" in str(error)  # noqa: PT017
                else:
                    text = store.entry(entry.id).text
            assert refused
            assert store.entry(entry.id).text == text
            assert store.search("safe words")
            with pytest.raises(VaultWriteError):
                store.new_entry("x" * 200_000)
            assert store.verify().ok  # reading and checking need no room
        # There is room again: the same store goes on.
        assert store.save_text(entry.id, text + " and on").text.endswith(" and on")
        assert store.verify().ok
    with vault.unlock(folder, PASSPHRASE) as opened:
        assert opened.store().verify().ok
        assert opened.store().entry(entry.id).text == text + " and on"


def test_no_room_to_create_or_to_change_the_passphrase(folder, snapshot):
    with file_size_limit(20_000), pytest.raises(VaultWriteError):
        vault.create(folder, PASSPHRASE, kdf=FAST)
    assert not vault.exists(folder)
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    with made:
        before = (folder / vault.KEYS).read_bytes()
        with file_size_limit(100), pytest.raises(VaultWriteError):
            made.change_passphrase("another", kdf=FAST)
        assert (folder / vault.KEYS).read_bytes() == (folder / vault.KEYS_COPY).read_bytes() == before
        assert made.opens_with(PASSPHRASE)
    vault.unlock(folder, PASSPHRASE).lock()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take away the right to write in ``folder``; root gives its own rights up for as long."""
    root = os.geteuid() == 0
    if root:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, 65534, 65534)
        os.seteuid(65534)
    modes = {path: path.stat().st_mode for path in [folder, *folder.rglob("*")]}
    for path in modes:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
        if root:
            os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_read_only_folder_is_told_and_nothing_changes(snapshot):
    home = Path(tempfile.mkdtemp(prefix="quietpage-test-"))  # pytest's own folders are closed to other users
    home.chmod(0o755)
    folder = home / "journal"
    try:
        made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
        made.store().new_entry("Words.")
        made.lock()
        before = snapshot(folder)
        (home / "empty").mkdir()
        with read_only(folder), pytest.raises(VaultWriteError, match="read-only"):
            vault.unlock(folder, PASSPHRASE)
        with read_only(home / "empty"), pytest.raises(VaultWriteError, match="read-only"):
            vault.create(home / "empty", PASSPHRASE, kdf=FAST)
        assert snapshot(folder) == before
        assert list((home / "empty").iterdir()) == []
        vault.unlock(folder, PASSPHRASE).lock()
    finally:
        shutil.rmtree(home)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_database_that_became_read_only(folder):
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    with made:
        store = made.store()
        entry = store.new_entry("Words.")
        store._db.rows("PRAGMA query_only = ON")
        with pytest.raises(VaultWriteError):
            store.save_text(entry.id, "Other words.")
        assert store.entry(entry.id) == entry


MAKER = """
import pathlib, sys
from journal_app.vault import vault
from journal_app.vault.keys import KdfParams
print("go", flush=True)
folder = pathlib.Path(sys.argv[1])
if not vault.exists(folder):
    vault.create(folder, "first", kdf=KdfParams.fast())[0].lock()
opened = vault.unlock(folder, "first")
print("made", flush=True)
while True:
    opened.change_passphrase("second", kdf=KdfParams.fast())
    opened.change_passphrase("first", kdf=KdfParams.fast())
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_kill_9_while_making_a_journal_or_changing_the_passphrase(folder):
    generator = random.Random(3)
    made = 0
    for turn in range(12):
        maker = subprocess.Popen([sys.executable, "-c", MAKER, str(folder)], stdout=subprocess.PIPE, text=True)
        assert maker.stdout is not None
        maker.stdout.readline()
        if turn % 2:
            maker.stdout.readline()  # killed while it changes the passphrase; otherwise while it makes the journal
        time.sleep(generator.uniform(0.0, 0.1))
        maker.kill()
        maker.communicate()
        if not vault.exists(folder):
            continue  # killed before it was whole: nothing stands in its place
        made += 1
        for secret in ("first", "second"):
            try:
                opened = vault.unlock(folder, secret)
            except WrongPassphrase:
                continue
            with opened:
                assert opened.store().verify().ok
                opened.change_passphrase("first", kdf=FAST)
            break
        else:
            pytest.fail("neither passphrase opens the journal")
        assert (folder / vault.KEYS).read_bytes() == (folder / vault.KEYS_COPY).read_bytes()
        if generator.random() < 0.5:
            shutil.rmtree(folder)
    assert made >= 3
