"""What a program asks of the disk: recorded by a small library that is loaded into it (see ``recorder.c``).

Used to cut the power at any moment that a program went through, to let its disk fail at a chosen change,
and to look at every byte that it ever wrote. Linux with a C compiler only; elsewhere :func:`build` skips the test.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("recorder.c")
_RECORD = struct.Struct("<IBBHQQQII")
_MAGIC = 0x51504C47
_DELETED = " (deleted)"

CREATE, WRITE, TRUNCATE, SYNC = "create", "write", "truncate", "sync"
RENAME, EXCHANGE, LINK, SYMLINK = "rename", "exchange", "link", "symlink"
UNLINK, MKDIR, RMDIR = "unlink", "mkdir", "rmdir"
MAP, STDIO = "map", "stdio"
_OPS = {
    "C": CREATE, "W": WRITE, "T": TRUNCATE, "S": SYNC, "R": RENAME, "X": EXCHANGE, "L": LINK, "Y": SYMLINK,
    "U": UNLINK, "M": MKDIR, "D": RMDIR, "P": MAP, "F": STDIO,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Op:
    """One change of a file or a name, or a wait for the disk, in the order in which they were made.

    Attributes:
        op: what was done. path: of what ("" if it lies outside the root). other: where to (rename, link, exchange).
        offset: of a write; the new size for a truncation. data: what was written; for ``stdio`` all that the
            file holds when a stream of the C library is closed; for ``map`` nothing: the file was mapped for writing.
        inode: tells a file from another one of the same name. is_folder: whether it is a folder. process: who did it.
    """

    op: str
    path: str
    offset: int
    data: bytes
    other: str
    inode: int
    is_folder: bool
    process: int


def build(tmp: Path) -> Path:
    """Compile the library into ``tmp`` and return it; skip the test where that is not possible."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if not sys.platform.startswith("linux"):
        pytest.skip("recording what is written needs Linux")
    if compiler is None:
        pytest.skip("recording what is written needs a C compiler")
    made = tmp / "recorder.so"
    command = [
        compiler,
        "-shared",
        "-fPIC",
        "-O1",
        "-U_FORTIFY_SOURCE",
        "-o",
        str(made),
        str(_SOURCE),
        "-ldl",
        "-pthread",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return made


def environment(so: Path, root: Path, log: Path) -> dict[str, str]:
    """Return the environment for a program whose changes below ``root`` are to be recorded in ``log``."""
    return {
        **os.environ,
        "LD_PRELOAD": str(so),
        "RECORDER_ROOT": str(root.resolve()),
        "RECORDER_LOG": str(log.resolve()),
    }


def each(log: Path) -> Iterator[Op]:
    """Yield what was recorded, in order."""
    data = log.read_bytes()
    at = 0
    while at + _RECORD.size <= len(data):
        magic, op, is_folder, path_length, length, offset, inode, process, _ = _RECORD.unpack_from(data, at)
        assert magic == _MAGIC, "the log is damaged"
        start = at + _RECORD.size + path_length
        if start + length > len(data):
            return  # the program was killed within its last record
        path = os.fsdecode(data[at + _RECORD.size : start]).removesuffix(_DELETED)
        said = data[start : start + length]
        at = start + length
        kind = _OPS[chr(op)]
        named = kind in (RENAME, EXCHANGE, LINK)
        yield Op(
            kind,
            path,
            offset,
            b"" if named else said,
            os.fsdecode(said) if named else "",
            inode,
            bool(is_folder),
            process,
        )


def read(log: Path) -> list[Op]:
    """Return what was recorded, in order; nothing if there is no log."""
    return list(each(log)) if log.exists() else []


def written_bytes(log: Path) -> Iterator[tuple[str, bytes]]:
    """Yield everything that was ever written, with the path it went to, overwritten and removed files included."""
    for op in read(log):
        if op.op in (WRITE, STDIO, SYMLINK):
            yield op.path, op.data


def mapped_paths(log: Path) -> set[str]:
    """Return the files that were mapped for writing: what went into them in that way was not recorded."""
    return {op.path for op in read(log) if op.op == MAP}
