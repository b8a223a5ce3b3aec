"""When the journal locks, what is kept when it does, and that nothing opens it but its secret."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QObject, QPointF, Qt
from PySide6.QtGui import QInputMethod, QInputMethodEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QMessageBox

from journal_app.ui import app as ui
from journal_app.ui import idle as idles
from journal_app.ui import screen_lock
from journal_app.ui.idle import IDLE, SLEPT, IdleWatch
from journal_app.ui.screen_lock import SCREEN, ScreenWatch
from journal_app.ui.settings import Settings, SettingsKeeper, load
from journal_app.ui.unlock_page import UnlockPage
from journal_app.vault import vault as vaults
from journal_app.vault.records import VaultLocked
from tests.ui.conftest import PASSPHRASE

pytestmark = pytest.mark.gui
ROOT = Path(__file__).resolve().parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="logind and D-Bus are Linux's")


def texts(folder: Path) -> list[str]:
    with vaults.unlock(folder, PASSPHRASE) as opened:
        return [entry.text for entry in opened.store().entries()]


def locked(session: ui.Session) -> bool:
    return session.services is None and isinstance(session.window.scene(), UnlockPage)


# --- idleness and sleep ------------------------------------------------------------------------


class Clocks:
    """A wall clock that can be set and a clock of the time since the start, which cannot."""

    def __init__(self) -> None:
        self.wall, self.boot = 1_800_000_000.0, 5_000.0

    def watch(self, minutes: int, said: list[str]) -> IdleWatch:
        watch = IdleWatch(lambda: self.wall, boot=lambda: self.boot)
        watch.expired.connect(said.append)
        watch.start(minutes)
        watch._timer.stop()  # ticks are ours
        watch._timer.isActive = lambda: True  # type: ignore[method-assign]
        return watch

    def tick(self, watch: IdleWatch, seconds: float = 2.0) -> None:
        self.wall += seconds
        self.boot += seconds
        watch.check()


def test_nobody_there_for_the_time_set_locks(qapp: QApplication) -> None:
    clocks, said = Clocks(), []
    watch = clocks.watch(5, said)
    for _ in range(149):
        clocks.tick(watch)
    assert said == []
    watch.touch()
    for _ in range(149):
        clocks.tick(watch)
    assert said == []
    clocks.tick(watch)
    assert said == [IDLE]


@pytest.mark.parametrize(
    ("wall", "boot"),
    [
        (31.0, 0.0),  # slept, where no clock counts sleep but the wall clock
        (8 * 3600.0, 8 * 3600.0),
        (0.0, 3600.0),  # slept, and the wall clock was set back by as much on waking
        (-3600.0, 3600.0),
        (-3600.0, 0.0),  # set back, where no other clock could tell whether it slept
    ],
)
def test_a_computer_that_slept_locks_on_waking_whatever_its_clock_says(
    qapp: QApplication, wall: float, boot: float
) -> None:
    clocks, said = Clocks(), []
    watch = clocks.watch(240, said)
    clocks.tick(watch)
    clocks.wall += wall
    clocks.boot += boot
    watch.check()
    assert said == [SLEPT]


def test_setting_the_clock_back_a_little_again_and_again_keeps_nothing_open(qapp: QApplication) -> None:
    clocks, said = Clocks(), []
    watch = clocks.watch(1, said)
    for _ in range(30):
        clocks.wall -= 2.0
        clocks.tick(watch)
    assert said == [IDLE]


def test_a_busy_moment_is_no_sleep(qapp: QApplication) -> None:
    clocks, said = Clocks(), []
    watch = clocks.watch(10, said)
    for seconds in (12.0, 2.0, 25.0):
        clocks.tick(watch, seconds)
    assert said == []


def test_the_key_that_wakes_the_computer_locks_and_goes_nowhere(qapp: QApplication) -> None:
    clocks, said = Clocks(), []
    watch = clocks.watch(10, said)
    key = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_A, Qt.KeyboardModifier.NoModifier, "a")
    assert watch.eventFilter(QObject(), key) is False
    clocks.boot += 3600
    assert watch.eventFilter(QObject(), key) is True, "it was meant for a page that is locked by now"
    assert said == [SLEPT]


def test_a_mouse_that_moves_after_the_deadline_does_not_save_the_page(qapp: QApplication) -> None:
    clocks, said = Clocks(), []
    watch = clocks.watch(10, said)
    clocks.wall += 3600
    move = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(1, 1),
        QPointF(1, 1),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
    )
    watch.eventFilter(QObject(), move)
    assert said == [SLEPT]


def test_there_is_no_limit_that_never_locks(qapp: QApplication) -> None:
    clocks, said = Clocks(), []
    for absurd in (-5, 0, 10**12):
        watch = clocks.watch(absurd, said)
        assert 1 <= watch._minutes <= idles.MOST_MINUTES
    assert idles.boot_seconds() > 0


def test_the_unlock_page_says_why(open_session: Callable[[], ui.Session], folder: Path, qtbot: Any) -> None:
    session = open_session()
    session._frame.settings.change(lock_minutes=7)
    session.idle.expired.emit(IDLE)
    assert locked(session)
    assert session.window.scene().note == "Locked: nobody wrote for 7 minutes."
    for reason, said in (
        (SLEPT, "Locked: the computer slept, or its clock was set."),
        (SCREEN, "Locked: the screen was locked."),
        ("", ""),
    ):
        session.open(vaults.unlock(folder, PASSPHRASE))
        session.lock_hard(reason)
        assert locked(session)
        assert session.window.scene().note == said
    session.open(vaults.unlock(folder, PASSPHRASE))
    session.lock_hard(SCREEN)
    session.open(vaults.unlock(folder, PASSPHRASE))
    assert session.lock()
    assert session.window.scene().note == "", "a lock that was asked for needs no reason, least of all an old one"


def test_panic_locks_at_once_and_says_nothing_of_it(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any
) -> None:
    session = open_session()
    qtbot.keyClicks(session.workspace().journal.view.editor, "Somebody comes in")
    session.workspace()._panic()
    assert locked(session)
    assert session.window.scene().note == ""
    assert texts(folder) == ["Somebody comes in"]


def test_a_question_in_front_does_not_stay_with_words_in_it(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    box = QMessageBox(session.window)
    box.setText("Black out the name Robin?")
    box.open()
    assert box.isVisible()
    session.lock_hard(SLEPT)
    assert locked(session)
    assert not box.isVisible()


def test_a_new_journal_whose_code_is_on_show_locks_too(session: ui.Session, folder: Path, qtbot: Any) -> None:
    session.start()
    session._make_journal(PASSPHRASE)
    qtbot.waitUntil(lambda: session._pending is not None, timeout=15_000)
    vault = session._pending[0]
    session.lock_hard(SCREEN)
    assert vault.locked
    assert isinstance(session.window.scene(), UnlockPage)
    session._unlock(PASSPHRASE)
    qtbot.waitUntil(lambda: session._pending is not None, timeout=15_000)
    assert session.services is None, "the code is shown anew before the journal opens"


# --- the last words ----------------------------------------------------------------------------


def compose(session: ui.Session, words: str, syllable: str) -> Any:
    editor = session.workspace().journal.view.editor
    editor.setFocus()
    typed = QInputMethodEvent()
    typed.setCommitString(words)
    QApplication.sendEvent(editor, typed)
    for step in ("ㅎ", syllable):
        QApplication.sendEvent(editor, QInputMethodEvent(step, []))
    assert editor.text() == words, "a composition is not text yet"
    return editor


def commit(editor: Any, text: str) -> None:
    late = QInputMethodEvent()
    late.setCommitString(text)
    QApplication.sendEvent(editor, late)


ENDINGS: dict[str, Callable[[ui.Session], object]] = {
    "lock": lambda session: session.lock(),
    "panic": lambda session: session.workspace()._panic(),
    "idle": lambda session: session.idle.expired.emit(IDLE),
    "sleep": lambda session: session.lock_hard(SLEPT),
    "window closed": lambda session: session.window.close(),
    "quit": lambda session: session.shutdown(),
    "desktop ends": lambda session: session.store_words(),
    "other entry": lambda session: session.workspace().journal.new_entry(),
    "other language": lambda session: session._workspace_language("en"),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("comes_late", [False, True], ids=["dropped", "late"])
def test_a_syllable_that_is_being_composed_is_kept_once(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any, ending: str, comes_late: bool
) -> None:
    session = open_session()
    editor = compose(session, "그만", "하")
    ENDINGS[ending](session)
    if comes_late:
        commit(editor, "하")
        qtbot.wait(20)
    if session.services is not None:
        session.lock()
    assert texts(folder) == ["그만하"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_keys_of_the_last_moment_are_kept(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any, ending: str
) -> None:
    session = open_session()
    qtbot.keyClicks(session.workspace().journal.view.editor, "Not saved by any timer yet")
    ENDINGS[ending](session)
    if session.services is not None:
        session.lock()
    assert texts(folder) == ["Not saved by any timer yet"]


@pytest.mark.parametrize("how", ["commit", "reset"])
def test_an_input_method_that_brings_it_itself_is_not_doubled(
    open_session: Callable[[], ui.Session], folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    session = open_session()
    session.window.activateWindow()
    editor = compose(session, "그만", "하")
    monkeypatch.setattr(type(editor), "hasFocus", lambda _self: True)
    monkeypatch.setattr(QInputMethod, how, lambda _self: commit(editor, "하"))
    assert session.lock()
    assert texts(folder) == ["그만하"]


def test_the_same_syllable_typed_again_is_no_late_one(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any
) -> None:
    session = open_session()
    editor = compose(session, "", "하")
    session.workspace().journal.flush()
    for step in ("ㅎ", "하"):
        QApplication.sendEvent(editor, QInputMethodEvent(step, []))
    commit(editor, "하")
    assert editor.text() == "하하"
    compose_next = QInputMethodEvent("ㄴ", [])
    QApplication.sendEvent(editor, compose_next)
    session.workspace().journal.flush()
    both = QInputMethodEvent("ㄷ", [])
    both.setCommitString("ㄴ")
    QApplication.sendEvent(editor, both)
    assert editor.text() == "하하ㄴ", "a late one that brings the next composition with it"
    session.lock()
    assert texts(folder) == ["하하ㄴㄷ"]


def test_a_late_syllable_cannot_replace_words_that_wait_for_the_disk(
    open_session: Callable[[], ui.Session], folder: Path, qtbot: Any
) -> None:
    from tests.ui.test_ui_saving import Refusing

    session = open_session()
    services = session.services
    refusing: list[Refusing] = []

    def refusing_store() -> Refusing:
        refusing.append(Refusing(services.vault.store()))
        return refusing[-1]

    services.saver._open_store = refusing_store
    qtbot.waitUntil(lambda: services.saver._store is not None)
    services.saver._store = None
    editor = compose(session, "오늘은 그만", "하")
    session.lock_hard(SLEPT)
    assert session.services is services, "the words are still held"
    commit(editor, "고")
    session.workspace()
    qtbot.wait(600)  # longer than any timer of the page
    refusing[0].refuse = False
    session._try_lock_again()
    qtbot.waitUntil(lambda: locked(session), timeout=8000)
    assert texts(folder) == ["오늘은 그만하"]


# --- fails closed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"lock_minutes = 0",
        b"lock_minutes = -1",
        b"lock_minutes = 99999999999999999999",
        b"lock_minutes = inf",
        b"lock_minutes = 1e300",
        b"lock_minutes = true",
        b'lock_minutes = "never"',
        b"lock_minutes = []",
        b"\xff\xfe\x00",
        b"lock_minutes = " + b"[" * 5000,
        b"lock_minutes = " + b"9" * 5000,
        b"",
    ],
)
def test_no_setting_keeps_a_journal_open(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    assert 1 <= load(path).lock_minutes <= 240
    assert SettingsKeeper(path).value.lock_minutes >= 1


def test_settings_that_are_a_folder_or_gone_lock_as_ever(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()
    assert load(tmp_path / "gone.toml").lock_minutes == 10


WINDOW = """
    import signal, sys
    from pathlib import Path
    from PySide6.QtCore import QTimer
    from PySide6.QtGui import QInputMethodEvent
    from PySide6.QtWidgets import QApplication
    from PySide6.QtTest import QTest
    from journal_app.ui import app as ui
    from journal_app.vault import vault as vaults
    from journal_app.vault.keys import KdfParams

    folder = Path(sys.argv[2])
    vaults.create(folder, sys.argv[3], kdf=KdfParams.fast())[0].lock()

    def write(session):
        session.open(vaults.unlock(folder, sys.argv[3]))
        editor = session.workspace().journal.view.editor
        QTest.keyClicks(editor, "Before the end ")
        session.workspace().flush()
        QApplication.sendEvent(editor, QInputMethodEvent("하", []))
        print("open", flush=True)

    started = ui.Session.start

    def start(session):
        started(session)
        QTimer.singleShot(0, lambda: write(session))

    ui.Session.start = start
    sys.exit(ui.run(folder, settings_path=Path(sys.argv[1]) / "settings.toml", make_reader=lambda: None))
"""


def ended_by(number: int, tmp_path: Path, folder: Path) -> int:
    """Open the real window, write into it, end it with a signal and return what it ended with."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WINDOW), str(tmp_path), str(folder), PASSPHRASE],
        stdout=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"open\n"
    child.send_signal(number)
    code = child.wait(20)
    child.stdout.close()
    return code


@linux
def test_after_a_crash_the_next_start_asks(tmp_path: Path, session: ui.Session, folder: Path) -> None:
    assert ended_by(signal.SIGKILL, tmp_path, folder) == -signal.SIGKILL
    session.start()
    assert isinstance(session.window.scene(), UnlockPage)
    assert session.services is None
    assert texts(folder) == ["Before the end "]


@linux
def test_a_polite_signal_stores_the_syllable_first(tmp_path: Path, folder: Path) -> None:
    assert ended_by(signal.SIGTERM, tmp_path, folder) == 0
    assert texts(folder) == ["Before the end 하"]


@pytest.mark.parametrize("content", [None, b"\xff\x00[[[", b'{"wrong": 0, "last": 9e99, "unlocked": true}'])
def test_nothing_beside_the_journal_opens_it(
    session: ui.Session, folder: Path, made_vault: Any, keeper: SettingsKeeper, content: bytes | None
) -> None:
    """Lost or foreign state, as after an upgrade or a move: the next start asks."""
    made_vault.lock()
    state = Path(os.environ["XDG_STATE_HOME"]) / "quiet-page"
    state.mkdir(parents=True, exist_ok=True)
    for place in (keeper._path, state / "tries.json", state / "network.log"):
        if content is None:
            place.unlink(missing_ok=True)
        else:
            place.write_bytes(content)
    session.start()
    page = session.window.scene()
    assert isinstance(page, UnlockPage)
    assert session.services is None
    assert page._button.isEnabled(), "nor is anybody locked out by it"


def test_what_is_closed_answers_nothing(open_session: Callable[[], ui.Session]) -> None:
    session = open_session()
    vault, store = session.services.vault, session.services.store
    session.lock_hard(SCREEN)
    assert vault.locked
    assert bytes(vault._key) == bytes(32)
    with pytest.raises(VaultLocked):
        vault.store()
    with pytest.raises(VaultLocked):
        store.entries()


# --- the desktop -------------------------------------------------------------------------------

DESKTOP = """
    import os, select, sys, time
    from jeepney import DBusAddress, HeaderFields, MessageType, new_method_return, new_signal
    from jeepney.bus_messages import message_bus
    from jeepney.io.blocking import open_dbus_connection

    bus = open_dbus_connection(sys.argv[1], enable_fds=True)
    names = ("org.freedesktop.login1", "org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver")
    for name in names:
        assert bus.send_and_get_reply(message_bus.RequestName(name, 4)).body == (1,)
    manager = DBusAddress("/org/freedesktop/login1", interface="org.freedesktop.login1.Manager")
    ours, theirs = (
        DBusAddress(f"/org/freedesktop/login1/session/_3{n}", interface="org.freedesktop.login1.Session") for n in "27"
    )
    savers = [DBusAddress("/ScreenSaver", interface=name) for name in names[1:]]
    orders = os.fdopen(0, "rb", buffering=0)  # with a buffer, select would not see what has been read ahead
    read_end = None
    print("ready", flush=True)
    while True:
        if select.select([orders], [], [], 0)[0]:
            order = orders.readline().decode().strip()
            if order == "sleep":
                bus.send(new_signal(manager, "PrepareForSleep", "b", (True,)))
                freed = select.select([read_end], [], [], 10)[0] and os.read(read_end, 1) == b""
                print("may sleep" if freed else "held up", flush=True)
            elif order == "wake":
                bus.send(new_signal(manager, "PrepareForSleep", "b", (False,)))
            elif order == "lock":
                bus.send(new_signal(ours, "Lock"))
            elif order == "lock another":
                bus.send(new_signal(theirs, "Lock"))
            elif order in ("saver 0", "saver 1"):
                bus.send(new_signal(savers[int(order[-1])], "ActiveChanged", "b", (True,)))
            elif order == "saver off":
                bus.send(new_signal(savers[0], "ActiveChanged", "b", (False,)))
            else:
                break
        try:
            message = bus.receive(timeout=0.02)
        except TimeoutError:
            continue
        if message.header.message_type is not MessageType.method_call:
            continue
        if message.header.fields[HeaderFields.member] == "Inhibit":
            assert message.body[0] == "sleep" and message.body[3] == "delay"
            read_end, write_end = os.pipe()
            bus.send(new_method_return(message, "h", (write_end,)))
            os.close(write_end)
        elif message.header.fields[HeaderFields.member] == "GetSession":
            bus.send(new_method_return(message, "o", ("/org/freedesktop/login1/session/_32",)))
"""

CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    """The address of a bus of this test alone."""
    daemon = shutil.which("dbus-daemon")
    if daemon is None:
        pytest.skip("there is no dbus-daemon here")
    place = Path("/tmp") / f"qp-bus-{os.getpid()}"  # a socket's path must be short
    place.unlink(missing_ok=True)
    (tmp_path / "bus.conf").write_text(CONFIGURATION.format(path=place))
    process = subprocess.Popen([daemon, f"--config-file={tmp_path / 'bus.conf'}", "--nofork"])
    for _ in range(200):
        if place.is_socket():
            break
        time.sleep(0.02)
    yield f"unix:path={place}"
    process.terminate()
    process.wait(10)
    place.unlink(missing_ok=True)


class Desktop:
    """logind and two screen savers, played by another process."""

    def __init__(self, address: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(DESKTOP), address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self.hears() == "ready"

    def does(self, order: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")

    def hears(self, seconds: float = 15.0) -> str:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return ""
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        self.does("end")
        self._process.wait(10)
        for stream in (self._process.stdin, self._process.stdout):
            stream.close()  # type: ignore[union-attr]


@pytest.fixture
def desktop(bus: str) -> Iterator[Desktop]:
    pytest.importorskip("jeepney")
    made = Desktop(bus)
    yield made
    made.end()


@linux
def test_the_desktop_is_heard(bus: str, desktop: Desktop, qtbot: Any) -> None:
    said: list[str] = []
    woken: list[bool] = []
    watch = ScreenWatch(bus, bus)
    watch.lock_asked.connect(said.append)
    watch.woke.connect(lambda: woken.append(True))
    watch.start()
    qtbot.waitUntil(lambda: watch.delays_sleep and watch.listening == 2, timeout=15_000)
    for order, reason in (("lock", SCREEN), ("saver 0", SCREEN), ("saver 1", SCREEN)):
        said.clear()
        desktop.does(order)
        qtbot.waitUntil(lambda: bool(said), timeout=5000)
        assert said == [reason]
    said.clear()
    desktop.does("saver off")
    desktop.does("lock another")
    desktop.does("sleep")
    qtbot.waitUntil(lambda: bool(said), timeout=5000)
    assert said == [SLEPT], "neither a screen that opens nor another person's lock"
    assert desktop.hears() == "may sleep"
    assert not watch.delays_sleep
    desktop.does("wake")
    qtbot.waitUntil(lambda: bool(woken) and watch.delays_sleep, timeout=5000)
    watch.stop()
    assert not watch.delays_sleep


@linux
def test_words_are_stored_before_the_computer_sleeps(
    open_session: Callable[[], ui.Session], folder: Path, bus: str, desktop: Desktop, qtbot: Any
) -> None:
    session = open_session()
    watch = ScreenWatch(bus, "")
    watch.lock_asked.connect(session.lock_hard)
    watch.start()
    qtbot.waitUntil(lambda: watch.delays_sleep, timeout=15_000)
    compose(session, "그만", "하")
    desktop.does("sleep")
    qtbot.waitUntil(lambda: locked(session), timeout=8000)
    assert desktop.hears() == "may sleep"
    assert session.window.scene().note.startswith("Locked: the computer slept")
    watch.stop()
    assert texts(folder) == ["그만하"]


@linux
def test_a_bus_that_does_not_answer_holds_up_nothing(tmp_path: Path, qapp: QApplication) -> None:
    import socket

    place = Path("/tmp") / f"qp-mute-{os.getpid()}"
    place.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(place))
        mute.listen()
        watch = ScreenWatch(f"unix:path={place}", f"unix:path={place}")
        began = time.monotonic()
        watch.start()
        while time.monotonic() - began < 0.5:
            before = time.monotonic()
            time.sleep(0.001)
            assert time.monotonic() - before < 2.0, "the GUI thread goes on while the bus is silent"
        assert not watch.delays_sleep
    place.unlink()
    for thread in watch._threads:
        thread.join(10)
        assert not thread.is_alive(), "given up, without a word"


@linux
def test_no_bus_is_reached_over_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for address in (
        "tcp:host=192.0.2.1,port=1",
        "unix:path=/x;tcp:host=192.0.2.1,port=1",
        "autolaunch:",
        "nonce-tcp:x",
    ):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        assert (screen_lock.system_bus(), screen_lock.session_bus()) == ("", "")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/1/bus,guid=1")
    assert screen_lock.session_bus() == "unix:path=/run/user/1/bus,guid=1"
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert screen_lock.session_bus() == ""
    watch = ScreenWatch("", "")
    watch.start()
    assert watch._threads == []
