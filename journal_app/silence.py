"""Refuses the network to every process of Quiet Page, and keeps count of who asked for it.

Installed by the doors (window, command, model's child) before anything else is imported. It sees what Python
code asks for, ours and that of the packages: sockets, names to look up, connections. Local sockets of the
computer itself (Unix domain) pass: the desktop is reached through them. What libraries below Python do is not
seen here; see ``network_check`` and ``docs/security.md`` for how that is looked at.

The record says when, which process and what kind of attempt. It holds no path, no address and no name, but that
of a computer from which the writer asked to download.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "network.log"
MAX_BYTES = 64 * 1024
"""The record grows no further than this; some 1,200 attempts."""
MAX_PENDING = 64
"""Attempts that a process without a record (the model's) keeps until it can tell them."""
PROCESSES = ("window", "command", "model")
KINDS = ("socket", "connect", "bind", "lookup", "send")

_AF_UNIX = 1  # the same on Linux, macOS and Windows; ``socket`` itself is not imported here
_ADOPTED = -1  # the family of a socket that is made from a descriptor; its own family is looked at when it is used
_LOOKUPS = frozenset(f"socket.{name}" for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo"))
_USES = {"socket.connect": "connect", "socket.bind": "bind", "socket.sendto": "send", "socket.sendmsg": "send"}
_PROBE = "quietpage.silence"
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([a-z]+) ([a-z]+) (refused|allowed)(?: ([A-Za-z0-9.-]{1,253}))?")
_SINCE = re.compile(r"since (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


class NetworkRefused(PermissionError):
    """Something asked for the network; Quiet Page has none."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to reach the network.

    Attributes:
        when_utc: ISO, to the second. process: of PROCESSES. kind: of KINDS.
        allowed: the writer had asked for it. host: from where, for an allowed one.
    """

    when_utc: str
    process: str
    kind: str
    allowed: bool = False
    host: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What the file of attempts says.

    Attributes:
        since_utc: when counting began; empty = nothing is kept here. attempts: oldest first.
        full: the file had no room for later ones. unreadable: lines that say nothing.
    """

    since_utc: str
    attempts: tuple[Attempt, ...]
    full: bool = False
    unreadable: int = 0


def default_path() -> Path:
    """Return where attempts are kept: the user's state folder."""
    import platformdirs

    return Path(platformdirs.user_state_dir("quiet-page", appauthor=False)) / FILE


class Watch:
    """The audit hook of one process. Made by :func:`install`; it cannot be taken out again."""

    def __init__(self, process: str, path: Path | None) -> None:
        self.process = process
        self._path = path
        self._pending: list[str] = []
        self._asked: dict[int, str] = {}

    def __call__(self, event: str, values: tuple[Any, ...]) -> None:
        """Refuse what asks for the network; called by the interpreter for every audited event."""
        if event[:7] != "socket.":
            if event == _PROBE and values:
                values[0].append(self)
            return
        if event == "socket.__new__":
            if values[1] not in (_AF_UNIX, _ADOPTED):
                self._judge("socket", "")
        elif event in _LOOKUPS:
            host = values[0]
            self._judge("lookup", host if isinstance(host, str) else "")
        elif event in _USES and getattr(values[0], "family", None) != _AF_UNIX:
            self._judge(_USES[event], "")

    @contextlib.contextmanager
    def allowed(self, host: str) -> Iterator[None]:
        """Let this thread, inside the block, look up ``host`` and reach it, because the writer asked for that."""
        thread = threading.get_ident()
        self._asked[thread] = host
        try:
            yield
        finally:
            del self._asked[thread]

    def note(self, process: str, kinds: list[Any]) -> None:
        """Keep what another process of ours has refused; nonsense is dropped."""
        for kind in kinds[:MAX_PENDING]:
            if kind in KINDS and process in PROCESSES:
                self._keep(process, kind, "refused")

    def take_pending(self) -> list[str]:
        """Return, once, the kinds of attempts that could not be kept in a file here."""
        taken, self._pending = self._pending, []
        return taken

    def _judge(self, kind: str, host: str) -> None:
        asked = self._asked.get(threading.get_ident())
        if asked is not None and host in ("", asked):
            self._keep(self.process, kind, f"allowed {asked}")
            return
        self._keep(self.process, kind, "refused")
        raise NetworkRefused("Quiet Page uses no network; this was refused.")

    def _keep(self, process: str, kind: str, outcome: str) -> None:
        if self._path is None:
            if len(self._pending) < MAX_PENDING:
                self._pending.append(kind)
            return
        with contextlib.suppress(OSError, ValueError):
            _append(self._path, f"{_now()} {process} {kind} {outcome}\n")


def install(process: str, path: Path | None = None, *, keeps: bool = True) -> Watch:
    """Refuse the network to this process from now on; return the watch. A second call changes nothing.

    Args:
        process: of PROCESSES.
        path: of the record; None = the user's state folder. Where it cannot be written, attempts are refused
            all the same.
        keeps: False where no file may be written; then :meth:`Watch.take_pending` tells.
    """
    found = installed()
    if found is not None:
        return found
    place = (path or default_path()) if keeps else None
    watch = Watch(process, place)
    sys.addaudithook(watch)
    if place is not None:
        with contextlib.suppress(OSError, ValueError):
            _append(place, "")
    return watch


def installed() -> Watch | None:
    """Return the watch of this process, or None before :func:`install`."""
    found: list[Watch] = []
    sys.audit(_PROBE, found)
    return found[0] if found else None


def read(path: Path | None = None) -> Record:
    """Return what was kept in ``path``; a missing or foreign file is an empty record."""
    try:
        with open(path or default_path(), "rb") as file:
            data = file.read(2 * MAX_BYTES)
    except (OSError, ValueError):
        return Record("", ())
    since, attempts, unreadable = "", [], 0
    for line in data.decode("ascii", "replace").splitlines():
        if begun := _SINCE.fullmatch(line):
            since = min(since or begun[1], begun[1])
        elif (found := _LINE.fullmatch(line)) and found[2] in PROCESSES and found[3] in KINDS:
            attempts.append(Attempt(found[1], found[2], found[3], found[4] == "allowed", found[5] or ""))
        else:
            unreadable += 1
    return Record(since, tuple(attempts), len(data) >= MAX_BYTES, unreadable)


def _append(path: Path, line: str) -> None:
    """Add a line in one write; the file is made, private, with the moment from which it counts."""
    flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        file = os.open(path, flags)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            line = f"since {_now()}\n{line}"
        except FileExistsError:  # another process of ours was quicker
            file = os.open(path, flags)
    try:
        if line and os.fstat(file).st_size < MAX_BYTES:
            os.write(file, line.encode("ascii", "replace"))
    finally:
        os.close(file)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
