"""Hears from the desktop that the computer is going to sleep or that its screen was locked.

On Linux by D-Bus, which is a local socket: logind on the system bus, screen savers on the session bus. A bus
that is reached any other way (``tcp:``) is left alone. Everything that could wait for a bus happens on a
thread of its own, so that a bus that does not answer holds up nothing; without one the watch of idleness still
locks on waking. Windows and macOS have other ways, which are not used yet. To be imported late: the first page
does without QtDBus.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import threading
from pathlib import Path
from typing import Any

from PySide6.QtCore import SLOT, QObject, Signal, Slot
from PySide6.QtDBus import QDBus, QDBusConnection, QDBusMessage

SLEPT = "slept"
SCREEN = "screen"
CALL_MS = 2_000

_LOGIN = "org.freedesktop.login1"
_LOGIN_PATH = "/org/freedesktop/login1"
_MANAGER = f"{_LOGIN}.Manager"
_SAVERS = (
    "org.freedesktop.ScreenSaver",
    "org.gnome.ScreenSaver",
    "org.cinnamon.ScreenSaver",
    "org.mate.ScreenSaver",
    "org.xfce.ScreenSaver",
)
_SLEEP_SLOT, _LOCK_SLOT, _SAVER_SLOT = (
    SLOT(f"{name}(QDBusMessage)") for name in ("_on_sleep", "_on_lock", "_on_saver")
)


def system_bus() -> str:
    """Return the address of the system bus, or nothing when it is no local socket."""
    return _local(os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", ""), Path("/run/dbus/system_bus_socket"))


def session_bus() -> str:
    """Return the address of the person's own bus, or nothing when it is no local socket."""
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    return _local(os.environ.get("DBUS_SESSION_BUS_ADDRESS", ""), Path(folder, "bus") if folder else None)


def _local(address: str, usual: Path | None) -> str:
    if address:
        return address if all(part.startswith("unix:") for part in address.split(";") if part) else ""
    return f"unix:path={usual}" if usual is not None and usual.is_socket() else ""


class ScreenWatch(QObject):
    """Listens to the buses.

    Signals:
        lock_asked: the journal has to be locked, because of SLEPT or SCREEN; on the GUI thread.
        woke: the computer is awake again.
    """

    lock_asked = Signal(str)
    woke = Signal()

    def __init__(self, system: str, session: str, parent: QObject | None = None) -> None:
        """Take the addresses of the buses; an empty one is not listened to."""
        super().__init__(parent)
        self._addresses = (system, session)
        self._system: Any = None
        self._session: Any = None
        self._delay: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen, on a thread; returns at once."""
        if self._thread is None and sys.platform not in ("win32", "darwin"):
            self._thread = threading.Thread(target=self._connect, name="screen-lock", daemon=True)
            self._thread.start()

    @property
    def delays_sleep(self) -> bool:
        """Whether the computer will wait a moment for the lock before it sleeps."""
        return self._delay is not None

    # on the thread -----------------------------------------------------------------------

    def _connect(self) -> None:
        system, session = self._addresses
        if system:
            bus: Any = QDBusConnection.connectToBus(system, f"quiet-page-{secrets.token_hex(4)}")
            if bus.isConnected():
                self._listen_to_login(bus)
                self._system = bus
                self._take_delay()
        if session:
            bus = QDBusConnection.connectToBus(session, f"quiet-page-{secrets.token_hex(4)}")
            if bus.isConnected():
                for name in _SAVERS:
                    bus.connect(name, "", name, "ActiveChanged", self, _SAVER_SLOT)
                self._session = bus

    def _listen_to_login(self, bus: Any) -> None:
        bus.connect(_LOGIN, _LOGIN_PATH, _MANAGER, "PrepareForSleep", self, _SLEEP_SLOT)
        # Of this session alone; where logind knows none, of any: rather locked once too often.
        path = self._own_session(bus)
        bus.connect(_LOGIN, path, f"{_LOGIN}.Session", "Lock", self, _LOCK_SLOT)

    @staticmethod
    def _own_session(bus: Any) -> str:
        for name in (os.environ.get("XDG_SESSION_ID", ""), "auto"):
            if name:
                answer = _call(bus, "GetSession", [name])
                if answer and hasattr(answer[0], "path"):
                    return str(answer[0].path())
        return ""

    def _take_delay(self) -> None:
        answer = _call(self._system, "Inhibit", ["sleep", "Quiet Page", "Lock the journal", "delay"])
        if answer and hasattr(answer[0], "fileDescriptor"):
            self._delay = answer[0]

    # on the GUI thread -------------------------------------------------------------------

    @Slot(QDBusMessage)
    def _on_sleep(self, message: QDBusMessage) -> None:
        if message.arguments() == [True]:
            try:
                self.lock_asked.emit(SLEPT)
            finally:
                self._delay = None  # closes it: the computer may sleep
        elif message.arguments() == [False]:
            self.woke.emit()
            threading.Thread(target=self._take_delay, name="screen-lock", daemon=True).start()

    @Slot(QDBusMessage)
    def _on_lock(self, _message: QDBusMessage) -> None:
        self.lock_asked.emit(SCREEN)

    @Slot(QDBusMessage)
    def _on_saver(self, message: QDBusMessage) -> None:
        if message.arguments() == [True]:
            self.lock_asked.emit(SCREEN)


def _call(bus: Any, method: str, values: list[str]) -> list[Any]:
    """Ask logind's manager; return what it answers, or nothing."""
    message = QDBusMessage.createMethodCall(_LOGIN, _LOGIN_PATH, _MANAGER, method)
    message.setArguments(values)
    with contextlib.suppress(RuntimeError):
        answer = bus.call(message, QDBus.CallMode.Block, CALL_MS)
        if answer.type() == QDBusMessage.MessageType.ReplyMessage:
            return answer.arguments()
    return []
