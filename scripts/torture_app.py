"""The program that ``torture`` kills: one scenario on one journal, telling on standard output what was promised.

Lines: ``ready``; ``k N T`` after the N-th key is in the editor at monotonic time T; ``try WHAT`` before a secret is
changed; ``ack WHAT ...`` after a promise. Every scenario goes on until it is killed (or has nothing more to do and
says ``end``).
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

FIRST, SECOND = "first passphrase", "second passphrase"
WORDS = "the rain went on all night and 비가 그쳤다 so I left the window open until 早上 came "
LOCK_EVERY_MS = 900


def tell(*words: object) -> None:
    """Write one line at once: what is in a buffer dies with the process."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode("ascii"))


def stream(prefix: str, count: int) -> str:
    """Return the first ``count`` characters that are typed after ``prefix``."""
    return prefix + "".join(itertools.islice(itertools.cycle(WORDS), count))


def pace(seed: int) -> Iterator[int]:
    """Yield the milliseconds until the next key: steadily forty a second, like somebody, or in bursts."""
    chance = random.Random(seed)
    how = chance.choice(("steady", "somebody", "bursts"))
    while True:
        if how == "steady":
            yield 25
        elif how == "somebody":
            yield chance.choice((40, 90, 130, 180, 250, chance.randint(300, 900)))
        else:
            yield from (chance.randint(2, 12) for _ in range(chance.randint(3, 40)))
            yield chance.randint(150, 700)


def typing(folder: Path, prefix: str, seed: int, *, locking: bool = False, backups: bool = False) -> None:
    """Type into the real window; lock and unlock in turn, or make and check backups beside it."""
    from PySide6.QtCore import QEvent, Qt, QTimer
    from PySide6.QtGui import QKeyEvent
    from PySide6.QtWidgets import QApplication

    from journal_app.ui import app as ui
    from journal_app.ui.bridge import Bridge
    from journal_app.ui.services import Frame
    from journal_app.ui.settings import SettingsKeeper
    from journal_app.ui.theme import Theme
    from journal_app.vault import backup
    from tests.support.fake_reader import FakeReader

    application = ui.make_application(["quietpage"])
    keeper = SettingsKeeper(Path(os.environ["XDG_CONFIG_HOME"]) / f"settings-{os.getpid()}.toml")
    frame = Frame(keeper, Theme(keeper.value), Bridge(), FakeReader, lambda: "")
    session = ui.Session(frame, folder, ui.real_door())
    session.start()
    none = Qt.KeyboardModifier.NoModifier
    typed = 0
    letters = itertools.cycle(WORDS)
    waits = pace(seed)
    entry = ""
    unlocking = False

    def press(editor: Any, letter: str) -> None:
        QApplication.sendEvent(editor, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_A, none, letter))

    def step() -> None:
        nonlocal typed, entry, unlocking
        workspace = session.workspace()
        if workspace is None:
            scene = session.window.scene()
            if not unlocking and hasattr(scene, "secret_given"):
                unlocking = True
                scene.secret_given.emit(FIRST, False)
            return
        unlocking = False
        keys.setInterval(next(waits))
        view = workspace.journal.view
        if typed == 0:
            for letter in prefix:
                press(view.editor, letter)
            tell("ready")
        elif entry and view.entry_id() != entry:
            workspace.journal.open_entry(entry)
            view.editor.moveCursor(view.editor.textCursor().MoveOperation.End)
            return
        press(view.editor, next(letters))
        typed += 1
        tell("k", typed, time.monotonic())
        entry = view.entry_id() or entry

    def lock() -> None:
        if session.workspace() is not None and entry:
            count = typed
            if session.lock():
                tell("ack", "locked", count)

    def back_up() -> None:
        services = session.services
        if services is None:
            return

        def work(vault: Any = services.vault) -> None:
            try:
                while True:
                    tell("ack", "backup", backup.make(vault).path.name)
                    made = backup.cycle(vault).made
                    if made is not None:
                        tell("ack", "backup", made.path.name)
            except Exception as error:
                tell("failed", type(error).__name__)

        threading.Thread(target=work, daemon=True).start()

    keys = QTimer()
    keys.timeout.connect(step)
    keys.start(25)
    locks = QTimer()
    locks.timeout.connect(lock)
    if locking:
        locks.start(LOCK_EVERY_MS)
    if backups:
        QTimer.singleShot(600, back_up)
    application.exec()


def slots(folder: Path, _prefix: str, _seed: int) -> None:
    """Change the passphrase to and fro, the recovery code and the key file."""
    from journal_app.vault import vault
    from journal_app.vault.keys import KdfParams
    from journal_app.vault.records import WrongPassphrase

    fast = KdfParams.fast()
    try:
        opened = vault.unlock(folder, FIRST)
    except WrongPassphrase:
        opened = vault.unlock(folder, SECOND)
    tell("ready")
    while True:
        tell("try", "passphrase")
        opened.change_passphrase(SECOND, kdf=fast)
        tell("ack", "passphrase", "second")
        tell("try", "code")
        tell("ack", "code", opened.new_recovery_code(kdf=fast))
        tell("try", "keyfile")
        tell("ack", "keyfile", opened.add_key_file().hex())
        tell("try", "passphrase")
        opened.change_passphrase(FIRST, kdf=fast)
        tell("ack", "passphrase", "first")


def rekey(folder: Path, _prefix: str, _seed: int) -> None:
    """Make new data keys, one after the other, an entry between them."""
    from journal_app.vault import rekey as rekeys
    from journal_app.vault.keys import KdfParams

    tell("ready")
    while True:
        tell("try", "code")
        opened, code = rekeys.rotate(folder, FIRST, kdf=KdfParams.fast())
        tell("ack", "code", code)
        tell("ack", "entry", opened.store().new_entry("Between two keys.").id)
        opened.lock()


def restore(folder: Path, _prefix: str, _seed: int) -> None:
    """Put the newest backup in the place of the journal, again and again."""
    from journal_app.vault import backup

    newest = backup.listed(folder)[0].path
    tell("ready")
    while True:
        backup.restore(newest, folder, FIRST)
        tell("ack", "restored")


def migration(folder: Path, _prefix: str, _seed: int) -> None:
    """Open a journal of an earlier version."""
    from journal_app.vault import vault

    tell("ready")
    opened = vault.unlock(folder, "a fixture passphrase")
    tell("ack", "migrated")
    opened.lock()
    tell("end")


def creation(folder: Path, _prefix: str, _seed: int) -> None:
    """Make a journal and write its first entry."""
    from journal_app.vault import vault
    from journal_app.vault.keys import KdfParams

    tell("ready")
    opened, code = vault.create(folder, FIRST, kdf=KdfParams.fast())
    tell("ack", "code", code)
    tell("ack", "entry", opened.store().new_entry("The first entry.").id)
    opened.lock()
    tell("end")


SCENARIOS: dict[str, Callable[[Path, str, int], None]] = {
    "typing": typing,
    "lock": lambda folder, prefix, seed: typing(folder, prefix, seed, locking=True),
    "backup": lambda folder, prefix, seed: typing(folder, prefix, seed, backups=True),
    "slots": slots,
    "rekey": rekey,
    "restore": restore,
    "migration": migration,
    "creation": creation,
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
