"""The program whose power is cut: works on journals under a root, and says in the file ACK what it was promised.

Each line of ACK is JSON: ``journal``, and ``now`` (what must hold from here on) or ``next`` (what may hold as well from
here on, until the next ``now``). Run as ``python -m tests.support.power_child ROOT``.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from journal_app.vault import backup, folder, rekey, salvage, vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.vault import Vault

ACK = "ACK"
FIRST, SECOND = "the first passphrase", "the second passphrase"
FIXTURE = "a fixture passphrase"
FAST = KdfParams.fast()


class Promises:
    """What one journal was promised, kept for whoever looks after the cut.

    In a promise: ``secrets`` all open it (``hex:`` marks a key file), ``dead`` do not; ``entries`` are
    [revision, beginning of the text] by id; ``images`` SHA-256 by id; ``backups`` [entries, secret] by path;
    ``replaced`` a promise that a folder ``replaced-*`` in the journal keeps.
    """

    def __init__(self, root: Path, journal: str) -> None:
        self.journal = journal
        self.folder = root / journal
        self.now: dict[str, Any] = {
            "secrets": [], "dead": [], "entries": {}, "images": {}, "backups": {}, "replaced": None
        }  # fmt: skip
        self._said = os.open(root / ACK, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def begin(self, **changes: Any) -> dict[str, Any]:
        """From now on the changed promise may hold as well; return it."""
        coming = {**copy.deepcopy(self.now), **copy.deepcopy(changes)}
        self._say(next=coming)
        return coming

    def done(self, promise: dict[str, Any] | None = None) -> None:
        """From now on this must hold."""
        self.now = promise or self.now
        self._say(now=self.now)

    def _say(self, **what: Any) -> None:
        os.write(self._said, (json.dumps({"journal": self.journal, **what}) + "\n").encode())

    # what is promised at each step ---------------------------------------------------------

    def entry(self, store: Any, text: str) -> str:
        """Write a new entry."""
        made = store.new_entry(text)
        self.now["entries"][made.id] = [made.revision, text]
        self.done()
        return made.id

    def save(self, store: Any, entry_id: str, more: str) -> None:
        """Write on in an entry."""
        saved = store.save_text(entry_id, self.now["entries"][entry_id][1] + more)
        self.now["entries"][entry_id] = [saved.revision, saved.text]
        self.done()

    def image(self, store: Any, entry_id: str, data: bytes) -> None:
        """Add a picture."""
        made = store.add_image(entry_id, data)
        self.now["images"][made.id] = hashlib.sha256(data).hexdigest()
        self.done()

    def create(self, passphrase: str) -> Vault:
        """Make the journal."""
        coming = self.begin(secrets=[passphrase])
        made, code = vault.create(self.folder, passphrase, kdf=FAST)
        self.done({**coming, "secrets": [passphrase, code]})
        return made

    def backup(self, opened: Vault, made: backup.Backup | None) -> None:
        """A backup was made."""
        if made is not None:
            self.now["backups"][str(made.path)] = [made.entries, self.now["secrets"][0]]
            self.done()

    def restore(self, source: Promises, path: str, held: dict[str, Any], **changes: Any) -> None:
        """Put a backup, which holds what ``held`` promises, in the place of this journal."""
        coming = self.begin(secrets=held["secrets"], dead=[], entries=held["entries"], images=held["images"], **changes)
        backup.restore(Path(path), self.folder, source.now["backups"][path][1])
        self.done(coming)


def words(seed: int, count: int = 60) -> str:
    """Return text that does not repeat."""
    return " ".join(hashlib.sha256(f"{seed} {n}".encode()).hexdigest()[:7] for n in range(count))


def copy_log_and_die(root: Path, after: int) -> None:
    """Write, and be killed while the log is copied into the file, after so many changes."""
    opened = vault.unlock(root / "old-2", FIXTURE)
    opened.store().new_entry(words(after, 400))
    handle = os.open(root / ACK, os.O_APPEND | os.O_WRONLY)
    os.write(handle, f"arm {after} 0 1".encode())
    opened.copy_log()
    raise AssertionError("still alive")


def together(journal: Promises, opened: Vault) -> None:
    """Write on two threads while a third one makes backups."""
    turn = threading.Lock()

    def write(seed: int) -> None:
        store = opened.store()
        for n in range(6):
            made = store.new_entry(words(seed + n, 30))
            with turn:  # no promise of one may be said before what it says holds
                journal.now["entries"][made.id] = [made.revision, made.text]
                journal.done()
        store.close()

    def keep() -> None:
        made = backup.make(opened)
        with turn:
            journal.backup(opened, made)

    threads = [
        threading.Thread(target=write, args=(100,)),
        threading.Thread(target=write, args=(200,)),
        threading.Thread(target=keep),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def thinned(journal: Promises, opened: Vault) -> None:
    """Make the backups of two weeks, so that the oldest are thinned out."""
    store = opened.store()
    journal.now["backups"] = {}
    journal.done()
    for day in range(12):
        journal.entry(store, words(300 + day, 10))
        made = backup.cycle(opened, now=datetime.now(UTC) + timedelta(days=1 + day)).made
        assert made is not None
        journal.now["backups"] = dict(list(journal.now["backups"].items())[-2:])
        journal.backup(opened, made)
    store.close()
    assert len(backup.listed(journal.folder)) < 12


def joined(root: Path, journal: Promises) -> None:
    """Let a sync program bring what another computer wrote."""
    elsewhere = root / "copied"
    shutil.copytree(journal.folder, elsewhere, ignore=shutil.ignore_patterns(backup.BACKUPS))
    with vault.unlock(elsewhere, FIRST) as opened:
        made = opened.store().new_entry(words(400))
    arriving = journal.folder / "arriving"
    shutil.copyfile(elsewhere / vault.DATABASE, arriving)
    folder.sync(arriving)
    os.rename(arriving, journal.folder / "journal (conflicted copy).qpv")
    folder.sync(journal.folder)
    journal.now["entries"][made.id] = [1, made.text]  # from here on it is there, whether joined yet or not
    journal.done()
    with vault.unlock(journal.folder, FIRST) as opened:
        assert opened.merged is not None
        assert opened.merged.copies == 1
        journal.entry(opened.store(), words(401))


def main(root: Path) -> None:
    """Do everything that changes a journal's files, one after the other."""
    main_journal = Promises(root, "new")
    with main_journal.create(FIRST) as opened:
        store = opened.store()
        first = main_journal.entry(store, words(1))
        for n in range(2, 6):
            main_journal.save(store, first, " " + words(n, 20))
        second = main_journal.entry(store, words(6, 300))
        main_journal.image(store, second, b"\x89PNG\r\n\x1a\n" + hashlib.sha256(b"x").digest() * 700)
        opened.copy_log()
        main_journal.save(store, first, " after the log was copied")
        coming = main_journal.begin(secrets=[SECOND, main_journal.now["secrets"][1]], dead=[FIRST])
        opened.change_passphrase(SECOND, kdf=FAST)
        main_journal.done(coming)
        main_journal.save(store, second, " after the change")
        coming = main_journal.begin()
        coming["secrets"].append("hex:" + opened.add_key_file().hex())
        main_journal.done(coming)
    with vault.unlock(root / "new", SECOND) as opened:
        store = opened.store()
        main_journal.entry(store, words(7))
        main_journal.backup(opened, backup.make(opened))
        main_journal.save(store, first, " after the backup")
        held = copy.deepcopy(main_journal.now)
        old_code = held["secrets"][1]
        coming = main_journal.begin(secrets=[SECOND, *held["secrets"][2:]])
        code = opened.new_recovery_code(kdf=FAST)
        main_journal.done({**coming, "secrets": [SECOND, code, *held["secrets"][2:]], "dead": [FIRST, old_code]})
        main_journal.backup(opened, backup.cycle(opened).made)
        held = copy.deepcopy(main_journal.now)

    coming = main_journal.begin(secrets=[SECOND])
    opened, code = rekey.rotate(root / "new", SECOND, kdf=FAST)
    with opened:
        main_journal.done({**coming, "secrets": [SECOND, code], "dead": [FIRST, *held["secrets"][1:]]})
        store = opened.store()
        lost = main_journal.entry(store, words(8))
        main_journal.save(store, lost, " under the new key")
        opened.copy_log()
        main_journal.save(store, lost, " once more")
    newest = list(main_journal.now["backups"])[-1]
    main_journal.restore(main_journal, newest, held, replaced=copy.deepcopy(main_journal.now))
    with vault.unlock(root / "new", SECOND) as opened:
        store = opened.store()
        main_journal.entry(store, words(9))
        (root / "elsewhere").mkdir()
        folder.sync(root)  # somebody's own folder, which was there long before
        main_journal.now["backups"] = {}  # only those in the chosen place are listed
        main_journal.done()
        backup.choose(root / "new", root / "elsewhere" / "deep")
        main_journal.backup(opened, backup.make(opened))
        held = copy.deepcopy(main_journal.now)

    another = Promises(root, "another/place")
    another.restore(main_journal, list(main_journal.now["backups"])[-1], held, backups={})
    with vault.unlock(another.folder, SECOND) as opened:
        another.entry(opened.store(), words(10))

    beside = Promises(root, "beside")  # a folder that holds something else
    with beside.create(FIRST) as opened:
        beside.entry(opened.store(), words(11))
        together(beside, opened)
        thinned(beside, opened)
    joined(root, beside)
    rescued = Promises(root, "rescued/here")
    coming = rescued.begin(secrets=beside.now["secrets"], entries=beside.now["entries"])
    salvage.rescue(beside.folder, FIRST, rescued.folder)
    # What is rescued is a state of its own: revisions are kept, but it is never written to.
    rescued.done(coming)

    for version in (1, 2):
        old = Promises(root, f"old-{version}")
        old.now["secrets"] = [FIXTURE]
        old.done()
        with vault.unlock(old.folder, FIXTURE) as opened:
            store = opened.store()
            made = backup.listed(old.folder)[0]
            old.now["backups"] = {str(made.path): [made.entries, FIXTURE]}
            old.now["entries"] = {e.id: [e.revision, e.text] for e in store.entries()}
            old.done()
            old.entry(store, words(12 + version))
    # Killed first; then the power fails.
    for after in (6, 7, 8, 9, 11, 14):
        killed = subprocess.run([sys.executable, "-m", __spec__.name, str(root), str(after)], check=False)
        assert killed.returncode == -signal.SIGKILL
        with vault.unlock(old.folder, FIXTURE) as opened:
            old.entry(opened.store(), words(20 + after))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        copy_log_and_die(Path(sys.argv[1]).resolve(), int(sys.argv[2]))
    else:
        main(Path(sys.argv[1]).resolve())
