"""The program that ``torture`` kills: one scenario on one journal, telling on standard output what was promised.

Lines: ``ready``; ``k N T`` after the N-th key is in the editor at monotonic time T; ``ack WHAT ...`` after a promise.
Every scenario goes on until it is killed (or has nothing more to do and says ``end``).
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

FIRST, SECOND = "first passphrase", "second passphrase"
WORDS = "the rain went on all night and 비가 그쳤다 so I left the window open until 早上 came "
KEY_EVERY_MS = 25
"""Forty keys a second: several times as fast as anybody types."""
LOCK_EVERY_MS = 900


def tell(*words: object) -> None:
    """Write one line at once: what is in a buffer dies with the process."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode("ascii"))


def stream(prefix: str, count: int) -> str:
    """Return the first ``count`` characters that are typed after ``prefix``."""
    return prefix + "".join(itertools.islice(itertools.cycle(WORDS), count))


def typing(folder: Path, prefix: str, *, locking: bool = False, backups: bool = False) -> None:
    """Type into the real window; lock and unlock in turn, or make backups beside it."""
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
                for _ in range(1000):
                    tell("ack", "backup", backup.make(vault).path.name)
            except Exception as error:
                tell("failed", type(error).__name__)

        threading.Thread(target=work, daemon=True).start()

    keys = QTimer()
    keys.timeout.connect(step)
    keys.start(KEY_EVERY_MS)
    locks = QTimer()
    locks.timeout.connect(lock)
    if locking:
        locks.start(LOCK_EVERY_MS)
    if backups:
        QTimer.singleShot(600, back_up)
    application.exec()


def slots(folder: Path, _prefix: str) -> None:
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
        opened.change_passphrase(SECOND, kdf=fast)
        tell("ack", "passphrase", "second")
        opened.new_recovery_code(kdf=fast)
        opened.add_key_file()
        opened.change_passphrase(FIRST, kdf=fast)
        tell("ack", "passphrase", "first")


def rekey(folder: Path, _prefix: str) -> None:
    """Make new data keys, one after the other, an entry between them."""
    from journal_app.vault import rekey as rekeys
    from journal_app.vault.keys import KdfParams

    tell("ready")
    while True:
        opened, code = rekeys.rotate(folder, FIRST, kdf=KdfParams.fast())
        tell("ack", "code", code)
        tell("ack", "entry", opened.store().new_entry("Between two keys.").id)
        opened.lock()


def restore(folder: Path, _prefix: str) -> None:
    """Put the newest backup in the place of the journal, again and again."""
    from journal_app.vault import backup

    newest = backup.listed(folder)[0].path
    tell("ready")
    while True:
        backup.restore(newest, folder, FIRST)
        tell("ack", "restored")


def migration(folder: Path, _prefix: str) -> None:
    """Open a journal of an earlier version."""
    from journal_app.vault import vault

    tell("ready")
    opened = vault.unlock(folder, "a fixture passphrase")
    tell("ack", "migrated")
    opened.lock()
    tell("end")


def creation(folder: Path, _prefix: str) -> None:
    """Make a journal and write its first entry."""
    from journal_app.vault import vault
    from journal_app.vault.keys import KdfParams

    tell("ready")
    opened, code = vault.create(folder, FIRST, kdf=KdfParams.fast())
    tell("ack", "made", code)
    tell("ack", "entry", opened.store().new_entry("The first entry.").id)
    opened.lock()
    tell("end")


SCENARIOS: dict[str, Callable[[Path, str], None]] = {
    "typing": typing,
    "lock": lambda folder, prefix: typing(folder, prefix, locking=True),
    "backup": lambda folder, prefix: typing(folder, prefix, backups=True),
    "slots": slots,
    "rekey": rekey,
    "restore": restore,
    "migration": migration,
    "creation": creation,
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
