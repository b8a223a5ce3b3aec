"""Every step of the vault on a disk that refuses one change, or all changes from one on.

Run under ``recorder`` as ``python -m tests.support.refusing_child ROOT SEED CASES``: for each action and way of
refusing, CASES moments (0: every one) are tried, each in a process of its own that ends without tidying up; then
the disk is well again, and what was there before is looked for. Prints one line of JSON for each case.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from journal_app.vault import backup, rekey, vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import DamagedVault, VaultError, VaultMissing
from tests.support import recorder

FAST = KdfParams.fast()
PASSPHRASE, FIXTURE, OTHER = "a quiet page at night", "a fixture passphrase", "another passphrase"
FILES = Path(__file__).resolve().parent.parent / "files"
FOREVER = 1_000_000
WAYS = {"once": (errno.EIO, 1), "from then on": (errno.ENOSPC, FOREVER)}


@dataclass
class Case:
    """What came of one try; ``said``: the message, ``loss``: what is missing or wrong afterwards, in words."""

    action: str
    way: str
    at: int
    refused: bool
    said: str = ""
    loss: str = ""


class Ground:
    """A journal with a backup, copied anew for each case."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sample = root / "sample"
        self.folder = root / "journal"
        self.order = b""
        opened, self.code = vault.create(self.sample, PASSPHRASE, kdf=FAST)
        with opened:
            store = opened.store()
            self.texts = [f"Entry number {n}. " + "Words and words. " * 40 for n in range(12)]
            for text in self.texts:
                store.new_entry(text)
            self.picture = store.add_image(store.entries()[0].id, b"\x89PNG\r\n\x1a\n" + os.urandom(9000)).id
            opened.copy_log()
            self.backup = backup.make(opened).path.name
            store.new_entry("Only in the log.")
        self.texts.append("Only in the log.")

    def arm(self) -> None:
        """From here on the disk refuses as it was told to."""
        handle = os.open(self.root / "ACK", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.write(handle, self.order)
        os.close(handle)


def save(ground: Ground) -> None:
    ground.arm()
    with vault.unlock(ground.folder, PASSPHRASE) as opened:
        store = opened.store()
        entry = store.entries()[-1]
        store.save_text(entry.id, entry.text + " And more." * 300)
        opened.copy_log()


def make_backup(ground: Ground) -> None:
    ground.arm()
    with vault.unlock(ground.folder, PASSPHRASE) as opened:
        backup.make(opened)


def care(ground: Ground) -> None:
    ground.arm()
    with vault.unlock(ground.folder, PASSPHRASE) as opened:
        backup.cycle(opened)


def rotate(ground: Ground) -> None:
    ground.arm()
    rekey.rotate(ground.folder, PASSPHRASE, kdf=FAST)[0].lock()


def restore(ground: Ground) -> None:
    ground.arm()
    backup.restore(ground.folder / "backups" / ground.backup, ground.folder, PASSPHRASE)


def change(ground: Ground) -> None:
    ground.arm()
    with vault.unlock(ground.folder, PASSPHRASE) as opened:
        opened.change_passphrase(OTHER, kdf=FAST)


def migrate(ground: Ground) -> None:
    shutil.rmtree(ground.folder)
    shutil.copytree(FILES / "vault-v1", ground.folder)
    ground.arm()
    vault.unlock(ground.folder, FIXTURE).lock()


def create(ground: Ground) -> None:
    shutil.rmtree(ground.folder)
    ground.folder.mkdir()
    ground.arm()
    vault.create(ground.folder, PASSPHRASE, kdf=FAST)[0].lock()


ACTIONS: dict[str, Callable[[Ground], None]] = {
    f.__name__: f for f in (save, make_backup, care, rotate, restore, change, migrate, create)
}


def attempt(ground: Ground, action: str, way: str, at: int) -> Case:
    """Do ``action`` on a disk that refuses from the change ``at`` on."""
    shutil.rmtree(ground.folder, ignore_errors=True)
    shutil.copytree(ground.sample, ground.folder)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        ground.order = "arm {} {} {}".format(at, *WAYS[way]).encode()
        try:
            ACTIONS[action](ground)
        except VaultError as error:
            said = str(error)
        except BaseException as error:
            said = f"not ours: {error!r}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as pipe:
        case = Case(action, way, at, refused=False, said=pipe.read().decode())
    case.refused = bool(case.said)
    case.loss = loss(ground, action)
    return case


def loss(ground: Ground, action: str) -> str:
    """Return what is missing now that the disk is well again, or ""."""
    secrets = {"migrate": [FIXTURE], "change": [PASSPHRASE, OTHER]}.get(action, [PASSPHRASE])
    for number, secret in enumerate(secrets):
        try:
            with vault.unlock(ground.folder, secret) as opened:
                store = opened.store()
                if not store.verify().ok:
                    return "damaged"
                texts = [entry.text for entry in store.entries()]
                if action == "migrate":
                    return "" if len(texts) == 3 else "an entry is lost"
                if action == "create":
                    return ""
                wanted = ground.texts
                if action == "restore" and (aside := list(ground.folder.glob("replaced-*"))):
                    wanted = wanted[:-1]
                    try:
                        with vault.unlock(aside[0], PASSPHRASE) as kept:
                            if len(kept.store().entries()) != len(ground.texts):
                                return "what was replaced is not whole"
                    except VaultMissing:
                        wanted = ground.texts  # decided, and not begun
                if any(not any(text.startswith(known) for text in texts) for known in wanted):
                    return "an entry is lost"
                if store.image(ground.picture) is None:
                    return "a picture is lost"
                kept_backup = [b for b in backup.listed(ground.folder) if b.path.name == ground.backup]
                if not kept_backup or any(b.problem for b in backup.listed(ground.folder)):
                    return "a backup is lost or damaged"
                return ""
        except VaultMissing:
            if action != "create":
                return "gone"
            try:
                vault.create(ground.folder, PASSPHRASE, kdf=FAST)[0].lock()
            except VaultError as error:
                return f"nothing can be made there: {error}"
            return ""
        except VaultError as error:
            if isinstance(error, DamagedVault) or number + 1 == len(secrets):
                return f"{type(error).__name__}: {error}"
    return "no secret opens it"


def main(root: Path, seed: int, cases: int) -> None:
    """Try everything, and print what came of it."""
    chance = random.Random(seed)
    ground = Ground(root)
    log = Path(os.environ["RECORDER_LOG"])
    for action in ACTIONS:
        before = len(recorder.read(log))
        attempt(ground, action, "once", FOREVER)
        ops = recorder.read(log)[before:]
        armed = next(n for n, op in enumerate(ops) if op.data.startswith(b"arm"))
        moments = range(sum(op.op != recorder.MAP and op.process == ops[armed].process for op in ops[armed:]))
        for way in WAYS:
            for at in moments if not cases else sorted(chance.sample(moments, min(cases, len(moments)))):
                print(json.dumps(asdict(attempt(ground, action, way, at))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3]))
