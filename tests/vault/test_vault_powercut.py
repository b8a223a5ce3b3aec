"""Power cuts: whatever a disk may have left at any moment, the journal opens and keeps what it promised.

A real program works on journals (``tests.support.power_child``) while everything it asks of the disk is recorded;
then the power is cut at many moments, each time with another choice of what reached the disk, and the journals are
opened from what is left. Disks that only pretend to sync show that losses would be seen.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from journal_app.vault import backup, folder, keys, vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import VaultError, VaultMissing, WrongPassphrase
from journal_app.vault.vault import Vault
from tests.support import recorder
from tests.support.disk import Disk
from tests.support.power_child import ACK
from tests.support.recorder import Op

FAST = KdfParams.fast()
PROJECT = Path(__file__).resolve().parent.parent.parent
FILES = PROJECT / "tests" / "files"

Promise = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """What the program did in ``root``; ``disk`` is what lay there when it began."""

    root: Path
    disk: Disk
    ops: list[Op]
    state: Path


@dataclass
class Expected:
    """What was promised to one journal at the moment of a cut."""

    now: Promise | None = None
    coming: Promise | None = None

    def hear(self, said: dict[str, Any]) -> None:
        """Take in one line of what the program said."""
        if "now" in said:
            self.now, self.coming = said["now"], None
        else:
            self.coming = said["next"]


@dataclass
class Outcome:
    """What came of a number of cuts; ``losses`` by the number of the change before which the power went."""

    cuts: int = 0
    opened: int = 0
    restored: int = 0
    losses: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    # In memory where that is possible: hundreds of disks are made, and whether they are on one does not matter.
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else tmp_path_factory.getbasetemp()
    with tempfile.TemporaryDirectory(prefix="quietpage-power-", dir=where) as made:
        yield record(Path(made).resolve())


def record(tmp: Path) -> Recording:
    """Let the program work in ``tmp`` and return what it did."""
    library = recorder.build(tmp)
    root, log, state = tmp / "disk", tmp / "log", tmp / "state"
    for version in (1, 2):
        shutil.copytree(FILES / f"vault-v{version}", root / f"old-{version}")
    (root / "beside").mkdir()
    (root / "beside" / "other.txt").write_text("Something else.", "utf-8")
    disk = Disk(root)
    # The journals would be another computer's if the number of this one were not the same for both programs.
    environment = {**recorder.environment(library, root, log), "XDG_STATE_HOME": str(state)}
    command = [sys.executable, "-m", "tests.support.power_child", str(root)]
    subprocess.run(command, env=environment, cwd=PROJECT, check=True)
    return Recording(root, disk, recorder.read(log), state)


@pytest.fixture
def same_computer(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(recording.state))


def cut_points(ops: list[Op], count: int, chance: random.Random) -> list[int]:
    """Return moments: most of them around changes of names and waits, where things are decided."""
    weights = [1 if op.op == recorder.WRITE else 4 for op in ops]
    return sorted(chance.choices(range(1, len(ops) + 1), weights, k=count))


def first_page_points(recording: Recording) -> list[int]:
    """Return the moments right after a journal's first page was written over, each several times."""
    return [
        number + later
        for number, op in enumerate(recording.ops, 1)
        if op.op == recorder.WRITE and op.offset == 0 and Path(op.path).name == vault.DATABASE
        and not Path(op.path).parent.name.startswith(folder.STAGE)
        for later in (0, 0, 0, 1)
    ]  # fmt: skip


def run(
    recording: Recording, points: list[int], chance: random.Random, *, deaf_to: tuple[str, ...] = (), how: str = ""
) -> Outcome:
    """Cut the power at each of ``points`` and look at what is left."""
    disk = recording.disk.fresh(deaf_to)
    promises: dict[str, Expected] = {}
    outcome = Outcome()
    done = 0
    last = ""
    for point in points:
        while done < point:
            op = recording.ops[done]
            disk.apply(op)
            done += 1
            if Path(op.path).name == ACK and op.op == recorder.WRITE and op.data.startswith(b"{"):
                said = json.loads(op.data)
                last = said["journal"]
                promises.setdefault(last, Expected()).hear(said)
            elif (touched := _journal(op, recording.root)) is not None:
                last = touched
        shutil.rmtree(recording.root, ignore_errors=True)
        recording.root.mkdir()
        disk.cut(recording.root, chance, but=(ACK,), how=how)
        outcome.cuts += 1
        for journal, expected in promises.items():
            # What nobody was working on is looked at now and then.
            if journal == last or chance.random() < 0.05:
                for loss in losses(recording.root, journal, expected, chance, outcome):
                    outcome.losses.append(f"before change {point}, {journal}: {loss}")
    return outcome


def _journal(op: Op, root: Path) -> str | None:
    parts = Path(op.path).relative_to(root).parts
    two = {"another": "another/place", "rescued": "rescued/here"}
    return two.get(parts[0], parts[0]) if parts and parts[0] in (*two, "new", "beside", "old-1", "old-2") else None


def losses(root: Path, journal: str, expected: Expected, chance: random.Random, outcome: Outcome) -> Iterator[str]:
    """Yield what was promised to a journal and is not so."""
    place = root / journal
    had_one = bool(expected.now and expected.now["secrets"])
    try:
        opened, promise = _open(place, expected)
    except VaultMissing:
        if had_one:
            yield "it is gone"
            return
        # Nothing was promised yet; but the place is not spoiled either.
        try:
            vault.create(place, "one more", kdf=FAST)[0].lock()
        except VaultError as error:
            yield f"nothing can be made in its place: {error}"
        return
    except VaultError as error:
        yield f"it does not open: {error}"
        return
    outcome.opened += 1
    try:
        with opened:
            yield from _kept(opened, promise)
            if opened.read_only:
                return
            store = opened.store()
            written = store.new_entry("written after the cut")
            store.close()
        if chance.random() < 0.2:
            with vault.unlock(place, secret(promise["secrets"][0])) as again:
                if again.store().entry(written.id) is None:
                    yield "what was written after the cut is gone"
                yield from _kept(again, promise)
    except VaultError as error:
        yield f"it opened, and then: {error}"
    if promise["replaced"]:
        yield from _replaced(place, promise["replaced"])
    for found in backup.listed(place):
        if found.problem:
            yield f"a backup passes for a damaged one: {found.problem}"
    for path, (entries, its_secret) in promise["backups"].items():
        found = {str(b.path): b for b in backup.listed(place)}.get(path)
        if found is None or found.problem or found.entries != entries:
            yield f"a backup is gone or damaged: {found}"
        elif path == list(promise["backups"])[-1] or chance.random() < 0.2:
            outcome.restored += 1
            target = root / "restored"
            shutil.rmtree(target, ignore_errors=True)
            try:
                backup.restore(Path(path), target, its_secret)
                with vault.unlock(target, its_secret) as restored:
                    if not restored.store().verify().ok:
                        yield "a restored backup is damaged"
            except VaultError as error:
                yield f"a backup cannot be restored: {error}"


def _open(place: Path, expected: Expected) -> tuple[Vault, Promise]:
    """Open with what was promised to open it; while it was being changed, with either."""
    choices = [p for p in (expected.now, expected.coming) if p is not None and p["secrets"]]
    problem: VaultError = VaultMissing("no promise")
    for promise in choices:
        try:
            opened = vault.unlock(place, secret(promise["secrets"][0]))
        except WrongPassphrase as error:
            problem = error
            continue
        # A passphrase may be the same before and after: then the rest tells which of the two it is.
        if promise is choices[-1] or not list(_kept(opened, promise)):
            return opened, promise
        opened.lock()
    raise problem


def _kept(opened: Vault, promise: Promise) -> Iterator[str]:
    store = opened.store()
    try:
        report = store.verify()
        if not report.ok:
            yield f"damaged: {report.problems}"
        for entry_id, (revision, text) in promise["entries"].items():
            entry = store.entry(entry_id)
            if entry is None or entry.revision < revision or not entry.text.startswith(text):
                yield f"an entry is lost, or what was written in it since: {entry and entry.revision} of {revision}"
        for image_id, digest in promise["images"].items():
            if hashlib.sha256(store.image(image_id) or b"").hexdigest() != digest:
                yield "a picture is lost"
    finally:
        store.close()
    for text in promise["secrets"]:
        if not _fits(opened, text):
            yield "a secret that was promised opens it no longer"
    for text in promise["dead"]:
        if _fits(opened, text):
            yield "a secret that was taken away opens it"


def _fits(opened: Vault, text: str) -> bool:
    try:
        keys.wipe(keys.open_key(opened.file, secret(text)))
    except VaultError:
        return False
    return True


def _replaced(place: Path, promise: Promise) -> Iterator[str]:
    """What a restore replaced lies beside it, whole."""
    for path in place.glob("replaced-*"):
        try:
            with vault.unlock(path, promise["secrets"][0]) as opened:
                problems = list(_kept(opened, promise))
        except VaultError as error:
            problems = [str(error)]
        if not problems:
            return
        yield f"what was replaced is not whole: {problems}"
    if not list(place.glob("replaced-*")):
        yield "what was replaced is gone"


def secret(text: str) -> str | bytes:
    """Return a promised secret as it is given to :func:`vault.unlock`."""
    return bytes.fromhex(text[4:]) if text.startswith("hex:") else text


def sample(recording: Recording, count: int, seed: int, *, deaf_to: tuple[str, ...] = ()) -> Outcome:
    """Cut the power ``count`` times at random."""
    chance = random.Random(seed)
    return run(recording, cut_points(recording.ops, count, chance), chance, deaf_to=deaf_to)


def test_no_power_cut_costs_anything_promised(recording: Recording, same_computer: None) -> None:
    outcome = sample(recording, 150, seed=1)
    assert outcome.losses == []
    assert outcome.cuts == 150
    assert outcome.opened > 120
    assert outcome.restored > 40


def test_a_first_page_that_was_copied_in_part_is_copied_again(recording: Recording, same_computer: None) -> None:
    # By its first page it is told whether a log belongs to the file.
    chance = random.Random(4)
    points = sorted(chance.sample(first_page_points(recording), 40))
    outcome = run(recording, points, chance, how="torn")
    assert outcome.losses == []
    assert outcome.opened >= outcome.cuts >= 20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_power_cut_of_two_thousand_costs_anything_promised(recording: Recording, same_computer: None) -> None:
    outcome = sample(recording, 2000, seed=2)
    assert outcome.losses == []
    assert outcome.opened > 1500


@pytest.mark.parametrize("deaf_to", [("file", "folder"), ("file",), ("folder",)])
def test_a_disk_that_only_pretends_to_sync_is_found_out(
    recording: Recording, same_computer: None, deaf_to: tuple[str, ...]
) -> None:
    assert len(sample(recording, 12, seed=3, deaf_to=deaf_to).losses) >= 3
