"""The program that ``scripts/canary.py`` watches: the real window, started as `quietpage` starts it, and used.

Everything goes through widgets with real key events. What has to be looked for afterwards (words, passphrases,
keys, recovery codes) comes and goes through pipes and is never written to a file here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from journal_app.ui.app import Session

SLOW_S = 60.0
TYPED_AFTER_MS = 12
PNG = b"\x89PNG\r\n\x1a\n"


class Stuck(Exception):
    """The window did not come to where it was expected."""


def tell(event: str, **values: object) -> None:
    """Say to the watcher where we are."""
    print(json.dumps({"event": event, **values}), flush=True)


def settle(condition: Callable[[], object], what: str, seconds: float = SLOW_S) -> None:
    """Let the event loop run until ``condition``; raise :class:`Stuck` after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Stuck(what)
        rest(0.02)


def rest(seconds: float) -> None:
    """Let the event loop run for ``seconds``."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def type_keys(widget: QWidget, text: str) -> None:
    """Press and release a key for each letter, as a keyboard does; a letter without a key is composed."""
    from PySide6.QtCore import QEvent, Qt
    from PySide6.QtGui import QInputMethodEvent, QKeyEvent
    from PySide6.QtWidgets import QApplication

    for letter in text:
        if letter.isascii():
            code = Qt.Key.Key_Return if letter == "\n" else Qt.Key(ord(letter.upper()))
            shown = "\r" if letter == "\n" else letter
            for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
                QApplication.sendEvent(widget, QKeyEvent(kind, code, Qt.KeyboardModifier.NoModifier, shown))
            continue
        composing, done = QInputMethodEvent(letter, []), QInputMethodEvent()
        done.setCommitString(letter)
        for event in (composing, done):
            QApplication.sendEvent(widget, event)
    rest(0.005)


def press_return(widget: QWidget) -> None:
    """Press Return."""
    type_keys(widget, "\n")


class Writer:
    """Uses the window as a writer does. ``said``: words, passphrases and what is to be done."""

    def __init__(self, session: Session, said: dict[str, Any]) -> None:
        self._session = session
        self._said = said
        self._passphrase: str = said["passphrase"]

    def play(self) -> None:
        """Do what was asked for, to the end."""
        if self._said["do"] == "crash":
            self._write_until_killed()
            return
        self._first_run()
        self._lock()
        self._unlock()
        self._write()
        self._search()
        if self._said["pages"]:
            self._visit()
        self._back_up()
        if self._said["keys"]:
            self._change_passphrase()
            self._new_key()
        self._lock()
        self._unlock()
        self._search()
        self._lock()
        tell("done")

    # the door ----------------------------------------------------------------------------

    def _first_run(self) -> None:
        page: Any = self._session.window.scene()
        page._begin.click()
        type_keys(page._first, self._passphrase)
        press_return(page._first)
        type_keys(page._second, self._passphrase)
        press_return(page._second)
        self._type_code_back()

    def _type_code_back(self) -> None:
        settle(lambda: getattr(self._code(), "_groups", None), "the recovery code")
        code = self._code()
        tell("secret", kind="recovery code", text="-".join(code._groups))
        code._go_on.click()
        for field, number in zip(code._back_fields, code._asked, strict=True):
            type_keys(field, code._groups[number])
        code._check_back()
        self._opened()

    def _code(self) -> Any:
        return getattr(self._session.window.scene(), "code", None)

    def _opened(self) -> None:
        settle(lambda: self._session.workspace() is not None, "the open journal")
        services: Any = self._session.services
        tell("secret", kind="data key", hex=bytes(services.vault.key).hex())

    def _unlock(self) -> None:
        page: Any = self._session.window.scene()
        type_keys(page._field, self._passphrase)
        press_return(page._field)
        self._opened()

    def _lock(self) -> None:
        if not self._session.lock():
            raise Stuck("locking")
        settle(lambda: hasattr(self._session.window.scene(), "secret_given"), "the unlock page")
        rest(0.2)

    # writing -----------------------------------------------------------------------------

    def _write(self) -> None:
        workspace, services = self._session.workspace(), self._session.services
        view = workspace.journal.view
        for number, text in enumerate(self._said["texts"]):
            workspace.journal.new_entry()
            type_keys(view.editor, text)
            if number == 0:
                type_keys(view._tag_field, self._said["tag"])
                press_return(view._tag_field)
                view._mood_buttons[3].click()
        if not workspace.flush():
            raise Stuck("saving")
        store: Any = services.vault.store()
        entry = store.entries(limit=1)[0]
        store.add_image(entry.id, PNG + bytes.fromhex(self._said["image"]))
        store.close()
        tell("reading")
        # The reader waits for a pause of the writer; then every entry is read in the model's process.
        settle(lambda: services.store.pending_count() == 0, "the model")
        read = [entry for entry in services.store.entries() if services.store.analysis(entry.id) is not None]
        tell("read", entries=len(read))

    def _search(self) -> None:
        workspace = self._session.workspace()
        workspace.go("journal")
        journal = workspace.journal
        journal.focus_search()
        for word in self._said["search"]:
            journal._search.clear()
            settle(journal._found.isHidden, "an empty search")
            type_keys(journal._search, word)
            settle(lambda: not journal._found.isHidden(), "the search")
        journal._search.clear()

    def _visit(self) -> None:
        """Look at every other place until its charts and pages are drawn."""
        workspace = self._session.workspace()
        workspace.go("insights")
        insights = workspace.page("insights")
        insights.set_period("quarter")
        settle(lambda: any(not view.image.isNull() for view in _chart_views(insights)), "a chart")
        workspace.go("share")
        settle(lambda: workspace.page("share").preview is not None, "the summary")
        for name in ("settings", "help"):
            workspace.go(name)
            rest(0.5)
        tell("visited")

    def _back_up(self) -> None:
        from journal_app.vault import backup

        services: Any = self._session.services
        made = backup.make(services.vault)
        if made.problem:
            raise Stuck("a backup")
        tell("backup", entries=made.entries, images=made.images)

    # keys --------------------------------------------------------------------------------

    def _change_passphrase(self) -> None:
        workspace = self._session.workspace()
        workspace.go("settings")
        ways = workspace.page("settings").ways
        new = self._said["new_passphrase"]
        ways._change.click()
        for field, text in ((ways._ask.current, self._passphrase), (ways._ask.new, new), (ways._ask.again, new)):
            type_keys(field, text)
        ways._ask.go.click()
        settle(ways._ask.isHidden, "another passphrase")
        self._passphrase = new

    def _new_key(self) -> None:
        ways = self._session.workspace().page("settings").ways
        ways._rotate.click()
        type_keys(ways._ask.current, self._passphrase)
        ways._ask.go.click()
        settle(lambda: self._session.workspace() is None, "locking for a new key")
        self._type_code_back()

    # crashing ----------------------------------------------------------------------------

    def _write_until_killed(self) -> None:
        self._unlock()
        workspace = self._session.workspace()
        workspace.journal.new_entry()
        editor = workspace.journal.view.editor
        text = " ".join(self._said["texts"]).replace("\n", " ")
        while True:
            for letter in text:
                type_keys(editor, letter)
                rest(TYPED_AFTER_MS / 1000)
                if workspace.journal.view.entry_id() is not None and self._said:
                    self._said = {}
                    tell("typing")


def _chart_views(page: QWidget) -> list[Any]:
    from journal_app.ui.chart_card import ChartView

    return list(page.findChildren(ChartView))


def main() -> int:
    """Open the window over the journal of this home, use it, and return 0 when everything was done."""
    said = json.loads(sys.stdin.readline())
    from journal_app import silence

    silence.install("window")  # as the program itself does it first, before Qt is loaded
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from journal_app.__main__ import main as quietpage
    from journal_app.ui import app as ui

    class WatchedSession(ui.Session):
        def start(self) -> None:
            super().start()
            QTimer.singleShot(0, self, self._play)

        def _play(self) -> None:
            code = 1
            try:
                Writer(self, said).play()
                code = 0
            except Stuck as stuck:
                tell("stuck", what=str(stuck))
            except Exception as error:
                trace = error.__traceback__
                while trace is not None and trace.tb_next is not None:
                    trace = trace.tb_next
                tell("failed", what=f"{type(error).__name__} in line {trace.tb_lineno if trace else 0}")
            QApplication.exit(code)

    ui.Session = WatchedSession
    return quietpage([])


if __name__ == "__main__":
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.exit(main())
