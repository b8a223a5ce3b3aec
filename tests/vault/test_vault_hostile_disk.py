"""Disks that refuse: at any one change, from one on, when full, where the backups are; and kill -9 in a backup.

What was there before is there afterwards, and what is said about it is said by us.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from journal_app.vault import backup, rekey, vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import VaultWriteError
from tests.support import recorder
from tests.vault.conftest import PASSPHRASE
from tests.vault.test_vault_durability import read_only

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and permissions")

FAST = KdfParams.fast()
PROJECT = Path(__file__).resolve().parent.parent.parent
TEXTS = [f"Entry number {n}. " + "Words and words. " * 60 for n in range(20)]
ROUNDS = 12


def a_journal(folder: Path) -> None:
    made, _ = vault.create(folder, PASSPHRASE, kdf=FAST)
    with made:
        store = made.store()
        for text in TEXTS:
            store.new_entry(text)


def is_whole(folder: Path, *more: str) -> None:
    with vault.unlock(folder, PASSPHRASE) as opened:
        store = opened.store()
        assert store.verify().ok
        assert {*TEXTS, *more} <= {entry.text for entry in store.entries()}
    assert [b.problem for b in backup.listed(folder) if b.problem] == []


# one change, or all from one on -------------------------------------------------------------------


def refuse(tmp: Path, cases: int, seed: int) -> list[dict[str, object]]:
    library = recorder.build(tmp)
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else tmp
    with tempfile.TemporaryDirectory(prefix="quietpage-refuse-", dir=where) as made:
        root = Path(made, "disk")
        root.mkdir()
        environment = {**recorder.environment(library, root, Path(made, "log")), "XDG_STATE_HOME": str(tmp / "state")}
        command = [sys.executable, "-m", "tests.support.refusing_child", str(root), str(seed), str(cases)]
        done = subprocess.run(command, env=environment, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def nothing_is_lost(cases: list[dict[str, object]]) -> None:
    assert [case for case in cases if case["loss"]] == []
    for case in cases:
        said = str(case["said"])
        assert not said or ("safe" in said or "not touched" in said), case
        assert "/" not in said, case


def test_a_change_that_the_disk_refuses_costs_nothing(tmp_path: Path) -> None:
    cases = refuse(tmp_path, 6, seed=1)
    nothing_is_lost(cases)
    assert len({case["action"] for case in cases}) == 8
    assert sum(bool(case["refused"]) for case in cases) >= len(cases) * 0.7


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_change_that_the_disk_may_refuse_costs_nothing(tmp_path: Path) -> None:
    cases = refuse(tmp_path, 0, seed=1)
    nothing_is_lost(cases)
    assert len(cases) > 1000


def test_a_copy_that_cannot_be_begun_is_told(folder: Path) -> None:
    a_journal(folder)
    with vault.unlock(folder, PASSPHRASE) as opened:
        db = opened.connection()
        with pytest.raises(VaultWriteError, match="safe"):
            db.copy_to(folder / "no such folder" / "copy.qpv", opened.key)
        db.close()
    is_whole(folder)


# kill -9 ------------------------------------------------------------------------------------------

BACKUPS = """
import itertools, pathlib, sys
from journal_app.vault import backup, vault
opened = vault.unlock(pathlib.Path(sys.argv[1]), sys.argv[2])
store = opened.store()
print("go", flush=True)
for n in itertools.count():
    text = f"round {sys.argv[3]} number {n}"
    store.new_entry(text)
    print("entry", text, flush=True)
    made = backup.make(opened) if n % 2 else backup.cycle(opened).made
    print("backup", made.path.name, flush=True)
"""

RESTORES = """
import pathlib, sys
from journal_app.vault import backup
folder = pathlib.Path(sys.argv[1])
print("go", flush=True)
while True:
    backup.restore(folder / "backups" / sys.argv[3], folder, sys.argv[2])
    print("restored", flush=True)
"""


def killed(program: str, chance: random.Random, within_s: float, *values: object) -> list[list[str]]:
    """Run a program, kill it at a random moment after it said "go", and return the whole lines that it said."""
    command = [sys.executable, "-c", program, *map(str, values)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert child.stdout is not None
    assert child.stdout.readline() == "go\n"
    time.sleep(chance.uniform(0.0, within_s))
    child.kill()
    said = child.communicate()[0]
    return [line.split(" ", 1) for line in said[: said.rfind("\n") + 1].splitlines()]


def test_kill_9_in_a_backup(folder: Path) -> None:
    a_journal(folder)
    chance = random.Random(12)
    made: list[str] = []
    for turn in range(ROUNDS):
        said = killed(BACKUPS, chance, 0.25, folder, PASSPHRASE, turn)
        is_whole(folder, *(line[1] for line in said if line[0] == "entry"))
        made += [line[1] for line in said if line[0] == "backup"]
        found = {b.path.name: b for b in backup.listed(folder)}
        # What is thinned out are the oldest; the latest of each kind stay.
        assert not made or made[-1] in found
        for name, one in found.items():
            assert one.proved_utc, name
    assert len(made) >= 3
    scratch = folder.parent / "restored"
    backup.restore(backup.listed(folder)[0].path, scratch, PASSPHRASE)
    is_whole(scratch)


def test_kill_9_in_a_restore(folder: Path) -> None:
    a_journal(folder)
    with vault.unlock(folder, PASSPHRASE) as opened:
        source = backup.make(opened)
        opened.store().new_entry("Written after the backup.")
    chance = random.Random(13)
    restored = 0
    for _ in range(ROUNDS):
        restored += len(killed(RESTORES, chance, 0.12, folder, PASSPHRASE, source.path.name))
        is_whole(folder)
        assert [b.path for b in backup.listed(folder)] == [source.path]
        # What a restore replaced is somewhere, whole: nothing is ever removed.
        places = [folder, *folder.glob("replaced-*")]
        assert any("Written after the backup." in texts(place) for place in places)
        for place in sorted(folder.glob("replaced-*"))[3:]:
            if "Written after the backup." not in texts(place):
                shutil.rmtree(place)
    assert restored >= 3


def texts(folder: Path) -> list[str]:
    if not vault.exists(folder):
        return []
    with vault.unlock(folder, PASSPHRASE) as opened:
        return [entry.text for entry in opened.store().entries()]


# a place for backups that refuses --------------------------------------------------------------


def test_a_read_only_place_for_backups_is_told() -> None:
    home = Path(tempfile.mkdtemp(prefix="quietpage-test-"))  # pytest's own folders are closed to other users
    home.chmod(0o755)
    try:
        folder, place = home / "journal", home / "place"
        place.mkdir()
        a_journal(folder)
        with vault.unlock(folder, PASSPHRASE) as opened:
            backup.choose(folder, place)
            kept = backup.make(opened)
        if os.geteuid() == 0:
            for path in [home, folder, *folder.rglob("*")]:
                os.chown(path, 65534, 65534)
        with read_only(place):
            with vault.unlock(folder, PASSPHRASE) as opened:
                for action in (backup.make, backup.cycle):
                    opened.store().new_entry("More.")
                    with pytest.raises(VaultWriteError, match=r"backup cannot be written.*not touched"):
                        action(opened)
            assert [b.path for b in backup.listed(folder)] == [kept.path]
            (home / "other").mkdir()
            backup.restore(kept.path, home / "other" / "restored", PASSPHRASE)
            with pytest.raises(VaultWriteError):
                backup.choose(folder, place / "deeper")
        is_whole(folder, "More.")
        is_whole(home / "other" / "restored")
    finally:
        shutil.rmtree(home)


# a disk that is full ------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of three megabytes of its own."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, leave: int) -> Path:
    """Leave so many bytes free, at most."""
    filler = place / "filler"
    room = shutil.disk_usage(place).free - leave
    with filler.open("wb", 0) as file:
        file.write(bytes(max(room, 0)))
    return filler


def _saving(folder: Path) -> None:
    with vault.unlock(folder, PASSPHRASE) as opened:
        store = opened.store()
        for n in range(40):
            store.new_entry(f"More {n}. " + "Words that need room. " * 700)


def _backing_up(folder: Path) -> None:
    with vault.unlock(folder, PASSPHRASE) as opened:
        backup.make(opened)


def _caring(folder: Path) -> None:
    with vault.unlock(folder, PASSPHRASE) as opened:
        opened.store().new_entry("One more.")
        backup.cycle(opened)


def _rotating(folder: Path) -> None:
    rekey.rotate(folder, PASSPHRASE, kdf=FAST)[0].lock()


def _restoring(folder: Path) -> None:
    backup.restore(backup.listed(folder)[-1].path, folder, PASSPHRASE)


@pytest.mark.parametrize("action", [_saving, _backing_up, _caring, _rotating, _restoring])
@pytest.mark.parametrize("leave", [0, 8_000, 60_000, 200_000])
def test_a_full_disk_costs_nothing(small_disk: Path, action: Callable[[Path], None], leave: int) -> None:
    folder = small_disk / "journal"
    a_journal(folder)
    _backing_up(folder)
    filler = fill(small_disk, leave)
    with pytest.raises(VaultWriteError, match=r"safe|not touched|Nothing was changed"):
        action(folder)
    filler.unlink()
    is_whole(folder)
    if action is not _saving:
        action(folder)  # there is room again
        is_whole(folder)


@pytest.mark.parametrize("leave", [0, 8_000, 60_000, 130_000])
def test_a_full_disk_while_an_older_journal_comes_forward(small_disk: Path, leave: int) -> None:
    folder = small_disk / "journal"
    shutil.copytree(PROJECT / "tests" / "files" / "vault-v1", folder)
    filler = fill(small_disk, leave)
    with pytest.raises(VaultWriteError, match=r"safe|not touched"):
        vault.unlock(folder, "a fixture passphrase")
    filler.unlink()
    with vault.unlock(folder, "a fixture passphrase") as opened:
        assert len(opened.store().entries()) == 3
        assert opened.store().verify().ok
