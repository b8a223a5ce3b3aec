"""Write what leaves the journal: readable by its owner alone, whole or not at all.

The one place through which the window and the command line put files where the writer asked for
them. A file is written beside its place under a name of its own and renamed once it is safely on
the disk, so a full disk or a power cut leaves the old file or none, never half of one. A link at
that place is replaced, not followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

Reason = Literal["full", "refused", "missing", "exists", "other"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def write(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write ``data`` to ``path`` as a private file (mode 0600).

    Raises FileExistsError if something is there and ``replace`` is off, or if what is there is no
    ordinary file (a device, a pipe); OSError when it cannot be written. Nothing is left behind then.
    """
    _write_staged([(path, data)], replace=replace)


def write_all(folder: Path, files: Iterable[tuple[str, bytes]], *, replace: bool = True) -> list[Path]:
    """Write ``files`` (name and bytes) into the existing ``folder``, all of them or none; return the paths.

    They may be made one by one: none appears before the last has been made. Raises as ``write``.
    """
    return _write_staged(((folder / name, data) for name, data in files), replace=replace)


def reason(error: OSError) -> Reason:
    """Return why a file could not be written, as far as a person can do something about it."""
    if isinstance(error, FileExistsError):
        return "exists"
    if error.errno in _FULL:
        return "full"
    if error.errno in _REFUSED:
        return "refused"
    return "missing" if error.errno in (errno.ENOENT, errno.ENOTDIR) else "other"


def _write_staged(files: Iterable[tuple[Path, bytes]], *, replace: bool) -> list[Path]:
    staged: list[tuple[Path, Path]] = []
    try:
        for path, data in files:
            if os.path.lexists(path) and (not replace or (path.exists() and not path.is_file())):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            # A short name: the wanted one may already be as long as a name can be.
            partial = path.with_name(f".{secrets.token_hex(6)}.part")
            staged.append((partial, path))
            _put(partial, data)
        for partial, path in staged:
            os.replace(partial, path)
    finally:
        for partial, _ in staged:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
    for folder in {path.parent for _, path in staged}:
        _settle(folder)
    return [path for _, path in staged]


def _put(partial: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    """Let the rename outlive a power cut where the system can; the file is whole either way."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
