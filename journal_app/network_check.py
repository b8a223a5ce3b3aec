"""Looks, now, at whether processes of Quiet Page can reach a network: sockets, interfaces, loaded modules.

The window and the command line show it (``quietpage verify --network``). Reads ``/proc``; on systems without
it most answers are None, which means "not looked at here", never "nothing found".
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journal_app import silence

PROC = Path("/proc")
NETWORK_MODULES = (
    "socket", "ssl", "http.client", "http.server", "urllib.request", "asyncio", "ftplib", "smtplib", "imaplib",
    "poplib", "xmlrpc.client", "requests", "httpx", "aiohttp", "urllib3", "PySide6.QtNetwork", "PySide6.QtWebSockets",
    "PySide6.QtWebEngineCore",
)  # fmt: skip
"""Modules that can reach a network, or that other ones reach it with."""

_TABLES = ("tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6", "icmp", "icmp6", "packet")
_SOL_SOCKET, _SO_DOMAIN = 1, 39
_LOCAL_FAMILIES = (1, 16)  # Unix domain and, to the kernel of this computer, netlink
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,40}")
_MOST = 40


@dataclass(frozen=True, slots=True)
class Process:
    """What was seen of one process; None = not looked at here.

    Attributes:
        network_sockets, local_sockets: how many are open.
        interfaces: of the network it lives in, but for loopback. modules: of NETWORK_MODULES, loaded.
        may_open: whether it can open any descriptor from now on.
        own_network: whether it lives in another network than the process that looks.
    """

    network_sockets: int | None = None
    local_sockets: int | None = None
    interfaces: tuple[str, ...] | None = None
    modules: tuple[str, ...] | None = None
    may_open: bool | None = None
    own_network: bool | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """The record of attempts and what is so now.

    Attributes:
        record: what was kept. here: this process.
        model: the model's process; None = there is none, and ``model_problem`` says why.
    """

    record: silence.Record
    here: Process
    model: Process | None
    model_problem: str = ""

    @property
    def refused(self) -> tuple[silence.Attempt, ...]:
        """The attempts that nobody had asked for."""
        return tuple(attempt for attempt in self.record.attempts if not attempt.allowed)

    @property
    def silent(self) -> bool:
        """Whether nothing that was looked at speaks of a network."""
        seen = (self.here, *((self.model,) if self.model is not None else ()))
        return not self.refused and not any(process.network_sockets for process in seen)


def look(pid: int | None, words: object = None, *, problem: str = "", path: Path | None = None) -> Look:
    """Return what is so now.

    Args:
        pid: of the model's process, alive; None = there is none, because of ``problem``.
        words: what that process said of itself (``ModelProcess.network``), used where it cannot be looked at.
        path: of the record, for tests.
    """
    return Look(silence.read(path), this_process(), None if pid is None else other_process(pid, words), problem)


def this_process() -> Process:
    """Return what is so in the calling process."""
    network, local = _own_sockets()
    return Process(network, local, interfaces("self"), loaded_modules())


def other_process(pid: int, words: object = None) -> Process:
    """Return what is so in another process of ours, from outside as far as the system lets anybody look."""
    said_interfaces, said_modules = _words(words)
    network, local = _sockets(str(pid))
    seen = interfaces(str(pid))
    own = _own_network(pid, seen)
    if network is None and own:
        network = _rows(str(pid))  # whose sockets they are cannot be seen, but nobody else lives in that network
    return Process(
        network, local, said_interfaces if seen is None else seen, said_modules, _may_open(str(pid)), own_network=own
    )


def own_words() -> dict[str, Any]:
    """Return what the model's process tells of itself, as JSON values: it hides from others what it can."""
    seen = interfaces("self")
    return {"interfaces": None if seen is None else list(seen), "modules": list(loaded_modules())}


def loaded_modules() -> tuple[str, ...]:
    """Return the modules of NETWORK_MODULES that are loaded in this process."""
    return tuple(name for name in NETWORK_MODULES if name in sys.modules)


def interfaces(pid: str) -> tuple[str, ...] | None:
    """Return the names of the network interfaces that a process has, but for loopback; None = cannot be seen."""
    text = _text(PROC / pid / "net" / "dev")
    if text is None:
        return None
    names = (line.partition(":")[0].strip() for line in text.splitlines()[2:])
    return tuple(sorted(name for name in names if name and name != "lo"))


def _own_sockets() -> tuple[int | None, int | None]:
    """Return how many network sockets and how many local ones this process holds, by asking each for its family."""
    held = _held("self")
    if held is None:
        return None, None
    families: list[int] = []
    for descriptor in held:
        family, size = ctypes.c_int(-1), ctypes.c_uint(ctypes.sizeof(ctypes.c_int))
        if not ctypes.CDLL(None).getsockopt(
            descriptor, _SOL_SOCKET, _SO_DOMAIN, ctypes.byref(family), ctypes.byref(size)
        ):
            families.append(family.value)
    local = sum(family in _LOCAL_FAMILIES for family in families)
    return len(families) - local, local


def _sockets(pid: str) -> tuple[int | None, int | None]:
    """Return the same of another process, by the tables of the network that it lives in."""
    descriptors = _held(pid)
    if descriptors is None:
        return None, None
    held = set(descriptors.values())
    network = {inode for table in _TABLES for inode in _inodes(pid, table)}
    local = held & set(_inodes(pid, "unix"))
    # One that is in no table was opened and not used yet, or is of a kind nobody expects here.
    unknown = held - network - local - set(_inodes(pid, "netlink"))
    return len(held & network) + len(unknown), len(local)


def _held(pid: str) -> dict[int, str] | None:
    """Return the sockets that a process holds: descriptor -> inode; None = cannot be seen."""
    found: dict[int, str] = {}
    try:
        for link in list((PROC / pid / "fd").iterdir()):
            try:
                target = _SOCKET.fullmatch(os.readlink(link))
            except FileNotFoundError:
                continue  # closed while one looks
            if target:
                found[int(link.name)] = target[1]
    except OSError:
        return None
    return found


def _inodes(pid: str, table: str) -> Iterable[str]:
    text = _text(PROC / pid / "net" / table) or ""
    column = -1 if table in ("netlink", "packet") else 6 if table == "unix" else 9
    for line in text.splitlines()[1:]:
        cells = line.split()
        if len(cells) > max(column, 0):
            yield cells[column]


def _rows(pid: str) -> int | None:
    counts = [len(text.splitlines()) - 1 for table in _TABLES if (text := _text(PROC / pid / "net" / table))]
    return sum(counts) if counts else None


def _own_network(pid: int, seen: tuple[str, ...] | None) -> bool | None:
    try:
        return os.readlink(PROC / str(pid) / "ns" / "net") != os.readlink(PROC / "self" / "ns" / "net")
    except OSError:
        # Only root may look. A network without interfaces where we have some is another one.
        return None if seen is None else (seen == () and interfaces("self") != ()) or None


def _may_open(pid: str) -> bool | None:
    text = _text(PROC / pid / "limits")
    found = re.search(r"^Max open files\s+(\S+)", text or "", re.M)
    return None if found is None else found[1] != "0"


def _words(words: object) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    if not isinstance(words, dict):
        return None, None
    return _names(words.get("interfaces")), _names(words.get("modules"))


def _names(values: object) -> tuple[str, ...] | None:
    if not isinstance(values, list) or len(values) > _MOST:
        return None
    names = [value for value in values if isinstance(value, str) and _NAME.fullmatch(value)]
    return tuple(names) if len(names) == len(values) else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return None
