"""Nothing written is lost: autosave, the single writer, lock and quit, kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QInputMethodEvent
from PySide6.QtWidgets import QApplication

from journal_app.ui import app as ui
from journal_app.ui.bridge import EntrySaved
from journal_app.ui.saver import NewEntry, SaveFailed, Saver
from journal_app.ui.services import Services
from journal_app.ui.unlock_page import UnlockPage
from journal_app.vault import vault as vaults
from journal_app.vault.records import Mood, VaultWriteError
from tests.ui.conftest import PASSPHRASE

pytestmark = pytest.mark.gui
ROOT = Path(__file__).resolve().parents[2]


class Refusing:
    """A store whose disk refuses until it is told otherwise."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.refuse = True

    def __getattr__(self, name: str) -> Any:
        if self.refuse and name in ("new_entry", "save_text", "set_mood"):

            def fail(*_args: object, **_kwargs: object) -> None:
                raise VaultWriteError("The journal cannot be written: the disk is full.")

            return fail
        return getattr(self._store, name)


@pytest.fixture
def saver(made_vault: Any) -> Any:
    events: list[object] = []
    made = Saver(made_vault.store, events.append)
    made.events = events
    yield made
    made.stop()


def test_text_is_on_disk_within_a_second_of_the_last_key(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any
) -> None:
    session = open_session()
    view = session.workspace().journal.view
    assert session.services.store.entries() == []
    qtbot.keyClicks(view.editor, "Rain all day")
    began = time.monotonic()
    qtbot.waitUntil(lambda: [e.text for e in session.services.store.entries()] == ["Rain all day"], timeout=5000)
    assert view._save_timer.interval() <= 900
    assert time.monotonic() - began < 3.0  # 0.7 s by the timer; the rest is for a busy test machine
    qtbot.waitUntil(lambda: view._status.text() == "saved", timeout=5000)


def test_continuous_typing_is_saved_on_the_way(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    view = session.workspace().journal.view
    store = session.services.store
    end = time.monotonic() + 10  # about two seconds are meant; the rest is for a busy test machine
    while not store.entries() and time.monotonic() < end:
        qtbot.keyClick(view.editor, Qt.Key.Key_A)
        qtbot.wait(60)  # never a pause of 0.7 s
    assert store.entries(), "a writer who never pauses is saved on the way"


def test_no_row_before_the_first_key(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    journal = session.workspace().journal
    for _ in range(3):
        journal.new_entry()
    assert session.workspace().flush()
    assert session.services.store.entries() == []


def test_switching_entries_keeps_both(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    journal = session.workspace().journal
    qtbot.keyClicks(journal.view.editor, "one")
    journal.new_entry()
    qtbot.keyClicks(journal.view.editor, "two")
    second = journal.view.key
    session.workspace().flush()
    first = next(e for e in session.services.store.entries() if e.text == "one")
    journal.open_entry(first.id)
    assert journal.view.editor.text() == "one"
    qtbot.keyClicks(journal.view.editor, "x")
    journal.open_entry(session.services.saver.entry_id(second))
    assert journal.view.editor.text() == "two"
    session.workspace().flush()
    assert len(session.services.store.entries()) == 2
    assert "x" in session.services.store.entry(first.id).text


def test_lock_waits_for_the_save_and_forgets_the_words(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any
) -> None:
    session = open_session()
    view = session.workspace().journal.view
    qtbot.keyClicks(view.editor, "Last words before the lock")
    assert session.lock()
    assert isinstance(session.window.scene(), UnlockPage)
    assert view.editor.text() == ""
    assert not view.editor.document().isUndoAvailable()
    assert session.services is None
    with vaults.unlock(folder, PASSPHRASE) as opened:
        assert [e.text for e in opened.store().entries()] == ["Last words before the lock"]


def test_a_syllable_in_composition_is_not_lost(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any
) -> None:
    session = open_session()
    editor = session.workspace().journal.view.editor
    session.window.activateWindow()
    editor.setFocus()
    typed = QInputMethodEvent()
    typed.setCommitString("한")
    QApplication.sendEvent(editor, typed)
    half = QInputMethodEvent("그", [])
    QApplication.sendEvent(editor, half)
    assert editor.text() == "한", "a composition is not text yet"
    done = QInputMethodEvent()
    done.setCommitString("글")
    QApplication.sendEvent(editor, done)
    assert session.lock()
    with vaults.unlock(folder, PASSPHRASE) as opened:
        assert [e.text for e in opened.store().entries()] == ["한글"]


def test_panic_lock_hides_first(open_session: Callable[[], ui.Session], folder: Path, qtbot: Any) -> None:
    session = open_session()
    qtbot.keyClicks(session.workspace().journal.view.editor, "Somebody comes in")
    session.lock_hard()
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), UnlockPage))
    with vaults.unlock(folder, PASSPHRASE) as opened:
        assert opened.store().entries()[0].text == "Somebody comes in"


def test_a_locked_screen_with_a_refusing_disk_keeps_the_words(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any
) -> None:
    session = open_session()
    services: Services = session.services
    refusing: list[Refusing] = []

    def refusing_store() -> Refusing:
        refusing.append(Refusing(services.vault.store()))
        return refusing[-1]

    services.saver._open_store = refusing_store
    qtbot.waitUntil(lambda: services.saver._store is not None)
    services.saver._store = None
    qtbot.keyClicks(session.workspace().journal.view.editor, "Do not lose this")
    session.lock_hard()
    assert session.workspace() is None, "the page is hidden"
    assert session.services is services, "the words are still held"
    assert not session._cover_button.isHidden()
    refusing[0].refuse = False
    session._try_lock_again()
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), UnlockPage), timeout=8000)
    with vaults.unlock(folder, PASSPHRASE) as opened:
        assert opened.store().entries()[0].text == "Do not lose this"


def test_idle_locks_by_the_wall_clock(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    now = [1000.0]
    session.idle._clock = lambda: now[0]
    session.idle.start(5)
    for _ in range(12):
        now[0] += 20
        session.idle.check()
    assert session.workspace() is not None
    for _ in range(3):
        now[0] += 20
        session.idle.check()
    qtbot.waitUntil(lambda: isinstance(session.window.scene(), UnlockPage))


def test_a_failed_save_is_said_and_tried_again(services: Services, qtbot: Any, monkeypatch: Any) -> None:
    from journal_app.ui import saver as module
    from journal_app.ui.journal_page import JournalPage

    monkeypatch.setattr(module, "RETRY_SECONDS", 0.2)
    refusing: list[Refusing] = []

    def refusing_store() -> Refusing:
        refusing.append(Refusing(services.vault.store()))
        return refusing[-1]

    services.saver._open_store = refusing_store
    qtbot.waitUntil(lambda: services.saver._store is not None)
    services.saver._store = None
    page = JournalPage(services)
    qtbot.addWidget(page)
    page.show()
    qtbot.keyClicks(page.view.editor, "The disk is full tonight")
    qtbot.waitUntil(lambda: not page.view._note.isHidden(), timeout=5000)
    assert "disk" in page.view._note_text.text()
    assert page.view.editor.text() == "The disk is full tonight"
    assert page.view._status.text() == "not saved yet"
    refusing[0].refuse = False
    qtbot.waitUntil(lambda: page.view._status.text() == "saved", timeout=8000)
    assert page.view._note.isHidden()
    assert [e.text for e in services.store.entries()] == ["The disk is full tonight"]
    page.wipe()


def test_the_newest_text_wins_while_the_disk_refuses(made_vault: Any, monkeypatch: Any) -> None:
    from journal_app.ui import saver as module

    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    store: list[Refusing] = []
    events: list[object] = []

    def opened() -> Refusing:
        store.append(Refusing(made_vault.store()))
        return store[-1]

    saver = Saver(opened, events.append)
    key = Saver.new_key()
    saver.save_text(key, "a", NewEntry(tags=("first",), mood=Mood(4)))
    assert not saver.flush(2)
    saver.save_text(key, "ab")
    saver.save_text(key, "abc")
    assert saver.failing or not saver.idle
    store[0].refuse = False
    assert saver.flush(5)
    assert any(isinstance(e, SaveFailed) for e in events)
    saver.stop()
    found = made_vault.store().entries()
    assert [(e.text, e.tags, e.mood) for e in found] == [("abc", ("first",), Mood(4))]


def test_a_mark_that_cannot_be_set_does_not_block_words(saver: Any, made_vault: Any) -> None:
    saver.set_tags("no-such-entry", ("x",))
    key = Saver.new_key()
    saver.save_text(key, "words")
    deadline = time.monotonic() + 8
    while not saver.flush(4) and time.monotonic() < deadline:
        pass
    assert [e.text for e in made_vault.store().entries()] == ["words"]


def test_order_is_kept_across_kinds_of_writes(saver: Any, made_vault: Any) -> None:
    key = Saver.new_key()
    saver.save_text(key, "walk", NewEntry("2026-03-01", "08:00:00", 60))
    saver.set_mood(key, Mood(5, 2))
    saver.set_flags(key, for_therapist=True)
    saver.correct(key, "feelings", "joy", "accept")
    saver.save_text(key, "a long walk")
    assert saver.flush()
    entry = made_vault.store().entries()[0]
    assert (entry.text, entry.mood, entry.for_therapist) == ("a long walk", Mood(5, 2), True)
    assert (entry.local_date, entry.offset_minutes) == ("2026-03-01", 60)
    assert [c.verdict for c in made_vault.store().corrections(entry.id)] == ["accept"]
    assert all(isinstance(e, EntrySaved) or type(e).__name__ == "EntryRead" for e in saver.events)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_kill_while_typing_loses_two_seconds_at_most(tmp_path: Path) -> None:
    run_killed(tmp_path)


def test_kill_after_a_save_keeps_the_words(tmp_path: Path) -> None:
    run_killed(tmp_path)


def run_killed(tmp_path: Path) -> None:
    """Type in a process of its own, kill it, and look at what the file holds."""
    program = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from PySide6.QtCore import Qt, QTimer
        from PySide6.QtTest import QTest
        from journal_app.ui import app as ui
        from journal_app.ui.bridge import Bridge
        from journal_app.ui.services import Frame
        from journal_app.ui.settings import SettingsKeeper
        from journal_app.ui.theme import Theme
        from journal_app.vault import vault as vaults
        from journal_app.vault.keys import KdfParams

        place = Path(sys.argv[1])
        app = ui.make_application(["t"])
        keeper = SettingsKeeper(place / "settings.toml")
        session = ui.Session(Frame(keeper, Theme(keeper.value), Bridge(), lambda: None), place / "j", ui.real_door())
        opened, _ = vaults.create(place / "j", sys.argv[2], kdf=KdfParams.fast())
        session.start()
        session.open(opened)
        editor = session.workspace().journal.view.editor
        number = [0]

        def press():
            QTest.keyClicks(editor, f"{number[0]:05d} ")
            number[0] += 1
            print(number[0], time.time(), flush=True)

        timer = QTimer()
        timer.timeout.connect(press)
        timer.start(50)
        app.exec()
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), PASSPHRASE],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert child.stdout is not None
    typed: list[tuple[int, float]] = []
    for line in child.stdout:
        number, when = line.split()
        typed.append((int(number), float(when)))
        if typed[-1][1] - typed[0][1] > 5.0:
            break
    killed = time.time()
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    child.stdout.close()
    with vaults.unlock(tmp_path / "j", PASSPHRASE) as opened:
        store = opened.store()
        assert store.verify().ok
        (entry,) = store.entries()
    kept = len(entry.text) // 6
    assert entry.text == "".join(f"{n:05d} " for n in range(kept)), "what is there is what was typed"
    safe = max(number for number, when in typed if when < killed - 2.5)
    assert kept >= safe, "more than about two seconds of typing were lost"
