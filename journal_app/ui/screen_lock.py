"""Hears from the desktop that the computer is going to sleep or that its screen was locked.

On Linux by D-Bus, which is a local socket: logind on the system bus, screen savers on the session bus. A bus
that is reached any other way (``tcp:``) is left alone. Each bus has a thread of its own, so that one that does
not answer holds up nothing. (Qt's own D-Bus does: connecting holds the interpreter's lock for as long as the bus
is silent.) Without a bus the watch of idleness still locks on waking. Windows and macOS have other ways, which
are not used yet.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal

SLEPT = "slept"
SCREEN = "screen"
CALL_S = 2.0

_WOKE = "woke"
_SHUT_BOTH = 2
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
        lock_asked: the journal has to be locked, because of SLEPT or SCREEN; on the GUI thread. The computer waits
            until it returns, where logind lets anybody ask for that (it waits 5 seconds at most, as a rule).
        woke: the computer is awake again.
    """

    lock_asked = Signal(str)
    woke = Signal()
    _heard = Signal(str)

    def __init__(self, system: str, session: str, parent: QObject | None = None) -> None:
        """Take the addresses of the buses; an empty one is not listened to."""
        super().__init__(parent)
        self._addresses = {self._listen_to_login: system, self._listen_to_savers: session}
        self._threads: list[threading.Thread] = []
        self._buses: list[Any] = []
        self._delay: Any = None
        self.listening = 0
        self._heard.connect(self._on_heard, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        """Begin to listen; returns at once."""
        if self._threads or sys.platform in ("win32", "darwin"):
            return
        for listen, address in self._addresses.items():
            if address:
                thread = threading.Thread(target=self._serve, args=(listen, address), name="screen-lock", daemon=True)
                thread.start()
                self._threads.append(thread)

    def stop(self) -> None:
        """Listen no more."""
        for bus in self._buses:
            with contextlib.suppress(OSError):
                bus.sock.shutdown(_SHUT_BOTH)
        for thread in self._threads:
            thread.join(CALL_S)
        self._let_sleep()

    @property
    def delays_sleep(self) -> bool:
        """Whether the computer will wait a moment for the lock before it sleeps."""
        return self._delay is not None

    def _on_heard(self, what: str) -> None:
        if what == _WOKE:
            self.woke.emit()
            return
        try:
            self.lock_asked.emit(what)
        finally:
            if what == SLEPT:
                self._let_sleep()

    def _let_sleep(self) -> None:
        delay, self._delay = self._delay, None
        if delay is not None:
            delay.close()

    # on a thread -------------------------------------------------------------------------

    def _serve(self, listen: Callable[[Any], None], address: str) -> None:
        try:
            from jeepney.io.blocking import open_dbus_connection
        except ImportError:
            return
        # A bus that is gone, refuses, or says what nobody understands: then it is not listened to.
        nonsense = contextlib.suppress(OSError, ValueError, RuntimeError, LookupError, TypeError)
        with nonsense, open_dbus_connection(address, enable_fds=True) as bus:
            self._buses.append(bus)
            listen(bus)

    def _listen_to_login(self, bus: Any) -> None:
        _match(bus, sender=_LOGIN, interface=_MANAGER, member="PrepareForSleep", path=_LOGIN_PATH)
        # Of this session alone; where logind knows none, of any: rather locked once too often.
        own = _own_session(bus)
        _match(bus, sender=_LOGIN, interface=f"{_LOGIN}.Session", member="Lock", **({"path": own} if own else {}))
        self._take_delay(bus)
        self.listening += 1
        while True:
            name, body = _signal(bus)
            if name == "Lock":
                self._heard.emit(SCREEN)
            elif name == "PrepareForSleep" and body == (True,):
                self._heard.emit(SLEPT)
            elif name == "PrepareForSleep" and body == (False,):
                self._heard.emit(_WOKE)
                self._take_delay(bus)

    def _listen_to_savers(self, bus: Any) -> None:
        for name in _SAVERS:
            _match(bus, sender=name, interface=name, member="ActiveChanged")
        self.listening += 1
        while True:
            if _signal(bus) == ("ActiveChanged", (True,)):
                self._heard.emit(SCREEN)

    def _take_delay(self, bus: Any) -> None:
        taken = _ask_login(bus, "Inhibit", "ssss", ("sleep", "Quiet Page", "Lock the journal", "delay"))
        if taken and hasattr(taken[0], "close"):
            self._delay = taken[0]


def _own_session(bus: Any) -> str:
    for name in (os.environ.get("XDG_SESSION_ID", ""), "auto"):
        answer = _ask_login(bus, "GetSession", "s", (name,)) if name else ()
        if answer and isinstance(answer[0], str):
            return answer[0]
    return ""


def _ask_login(bus: Any, method: str, signature: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    """Ask logind's manager; return what it answers, or nothing."""
    from jeepney import DBusAddress, MessageType, new_method_call

    manager = DBusAddress(_LOGIN_PATH, bus_name=_LOGIN, interface=_MANAGER)
    with contextlib.suppress(TimeoutError):
        answer = bus.send_and_get_reply(new_method_call(manager, method, signature, values), timeout=CALL_S)
        if answer.header.message_type is MessageType.method_return:
            return tuple(answer.body)
    return ()


def _match(bus: Any, **rule: Any) -> None:
    from jeepney import MatchRule, message_bus

    bus.send_and_get_reply(message_bus.AddMatch(MatchRule(type="signal", **rule)), timeout=CALL_S)


def _signal(bus: Any) -> tuple[str, tuple[Any, ...]]:
    """Wait for a signal; return its name and what it says."""
    from jeepney import HeaderFields, MessageType

    while True:
        message = bus.receive()
        if message.header.message_type is MessageType.signal:
            return str(message.header.fields.get(HeaderFields.member, "")), tuple(message.body)
