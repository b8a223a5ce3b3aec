"""The files of a journal's folder: their names, how they are read, and how they are replaced.

Everything here deals in whole files: nothing is written in place, what is new is on the disk before
it takes the place of what is old, and no error names a path. Knows no SQL and opens no database.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from journal_app.vault import keys
from journal_app.vault.keys import KeyFile
from journal_app.vault.records import (
    CANNOT_WRITE,
    DAMAGED,
    DamagedVault,
    VaultError,
    VaultLocked,
    VaultMissing,
    VaultWriteError,
)

DATABASE = "journal.qpv"
KEYS = "keys.json"
KEYS_COPY = "keys.copy.json"
LOCK = "journal.lock"
BACKUPS = "backups"
SWAP = "swap.json"
STAGE = ".quietpage-new-"
"""Beginning of the name of a folder in which something is made before it is moved into place."""
PARTIAL = re.compile(r"\.(journal\.session|[a-z]+(\.copy)?\.json)\.[0-9a-f]{8}\.new")
"""What :func:`replace_file` calls a file of ours while it is written."""
PLAIN_HEADER = b"SQLite format 3\x00"
MIN_DATABASE_BYTES = 4096


def stage(folder: Path) -> Path:
    """Make and return a fresh private folder in ``folder``; what is left of one after a crash is cleared at opening."""
    made = folder / f"{STAGE}{secrets.token_hex(6)}"
    made.mkdir(mode=0o700)
    return made


def make_folder(path: Path) -> None:
    """Make a private folder, and those above it that are missing; their names are on the disk then."""
    missing: list[Path] = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True, mode=0o700)
        sync(new.parent)


def discard(folder: Path, staged: Path) -> None:
    """Remove what :func:`stage` made, unless an exchange of files was decided that still needs it."""
    if not (folder / SWAP).exists():
        shutil.rmtree(staged, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a folder so that at no moment a part of it passes for all of it."""
    gone = path.with_name(f"{STAGE}{secrets.token_hex(6)}")
    try:
        os.rename(path, gone)
        sync(path.parent)
    except OSError:
        return
    shutil.rmtree(gone, ignore_errors=True)


def clear_stages(folder: Path, older_than_s: float = 0.0) -> None:
    """Remove what was being made when the program was ended; needs the journal's lock.

    ``older_than_s``: only what has lain so long, for a place where other programs may be making something.
    """
    for left in folder.glob(".*"):
        partial = PARTIAL.fullmatch(left.name) is not None
        if not partial and not left.name.startswith(STAGE):
            continue
        with suppress(OSError):
            if older_than_s and time.time() - left.lstat().st_mtime <= older_than_s:
                continue
            if partial:
                left.unlink()  # of a key file it would keep a secret alive that was taken away since
            else:
                shutil.rmtree(left, ignore_errors=True)


def swap(folder: Path, staged: Path, aside: str | None) -> None:
    """Put the journal in ``staged`` (a folder inside ``folder``) in the place of the present one; needs the lock.

    The present files go to the subfolder ``aside``, or are removed if that is None. It is decided
    once the note of it is on the disk: killed after that, :func:`finish_swap` ends it at the next opening;
    killed before, nothing has changed.
    """
    with writing():
        for name in (DATABASE, KEYS, KEYS_COPY):
            sync(staged / name)
        sync(staged)
        note = {"format": "quietpage-swap", "stage": staged.name, "aside": aside, "replaces": _first_page(folder)}
        replace_file(folder / SWAP, (json.dumps(note) + "\n").encode("ascii"))
    finish_swap(folder)


def swap_pending(folder: Path) -> bool:
    """Tell whether an exchange of files was decided and not ended."""
    with reading():
        return (folder / SWAP).exists()


def finish_swap(folder: Path) -> None:
    """End an exchange of files that was decided; does nothing where there is none."""
    if not swap_pending(folder):
        return
    note = folder / SWAP
    with reading():
        try:
            said = json.loads(head(note, 10_000))
            staged, aside = str(said["stage"]), said["aside"]
            named = not aside or (Path(aside).name == aside and aside != "..")
            if not re.fullmatch(re.escape(STAGE) + "[0-9a-f]+", staged) or not named:
                raise ValueError("not ours")
        except (ValueError, TypeError, KeyError, RecursionError):
            raise DamagedVault(DAMAGED) from None
    with writing():
        if not aside and "replaces" in said and _is_another(folder, folder / staged, said["replaces"]):
            aside = f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
            replace_file(note, (json.dumps({**said, "aside": aside}) + "\n").encode("ascii"))
        new, kept = folder / staged, folder / aside if aside else None
        if kept is not None:
            kept.mkdir(exist_ok=True, mode=0o700)
        # The log goes first: it belongs to the file that leaves, and would be read into the one that comes.
        for name in (f"{DATABASE}-wal", f"{DATABASE}-shm", DATABASE, KEYS, KEYS_COPY):
            source = new / name
            if not (new / DATABASE if name.startswith(DATABASE) else source).exists():
                continue
            if (folder / name).exists():
                if kept is not None:
                    os.replace(folder / name, kept / name)
                elif not source.exists():
                    (folder / name).unlink()
            if source.exists():
                os.replace(source, folder / name)
            sync(folder)
        if kept is not None:
            sync(kept)
        shutil.rmtree(new, ignore_errors=True)
        note.unlink()
        sync(folder)


def _first_page(folder: Path) -> str:
    """Return the hash by which the journal file of this moment is told from others; "" where there is none."""
    if not (folder / DATABASE).exists():
        return ""
    return hashlib.sha256(head(folder / DATABASE, MIN_DATABASE_BYTES)).hexdigest()


def _is_another(folder: Path, staged: Path, replaces: str) -> bool:
    """Tell whether what an exchange would remove is not what it was made from.

    A sync program may have brought the note of another computer's exchange to a journal that was written on here.
    """
    if not (staged / DATABASE).exists() or not (folder / DATABASE).exists():
        return False
    log = folder / f"{DATABASE}-wal"
    return _first_page(folder) != replaces or (log.exists() and log.stat().st_size > 0)


def check_parts(folder: Path) -> None:
    """Raise :class:`VaultMissing` where there is no journal, :class:`DamagedVault` where half of one is missing."""
    with reading():
        has_keys = (folder / KEYS).exists() or (folder / KEYS_COPY).exists()
        has_database = (folder / DATABASE).exists()
    if not has_keys and not has_database:
        raise VaultMissing("There is no journal in this place. Check the place, or make a new journal.")
    if not has_keys:
        raise DamagedVault(
            "The key file of this journal is missing, so it cannot be opened. Nothing was changed. "
            "Put the file keys.json back from a backup."
        )
    if not has_database:
        raise DamagedVault(
            "The journal file is missing; only its keys are here. Nothing was changed. "
            "Put the file journal.qpv back from a backup."
        )


def check_header(path: Path) -> None:
    """Raise :class:`DamagedVault` for a file that is not encrypted, or too short to be a database."""
    with reading(), path.open("rb") as file:
        head = file.read(len(PLAIN_HEADER))
        size = os.fstat(file.fileno()).st_size
    if head == PLAIN_HEADER:
        raise DamagedVault(
            "The journal file is not encrypted, so it is not the one that Quiet Page made. Nothing was changed. "
            "Put the file journal.qpv back from a backup."
        )
    if size < MIN_DATABASE_BYTES:
        raise DamagedVault(DAMAGED)


def write_key_files(folder: Path, file: KeyFile) -> None:
    """Write both copies of the key file, one after the other, so that one is whole at any moment."""
    data = keys.encode(file)
    with writing():
        for name in (KEYS, KEYS_COPY):
            replace_file(folder / name, data)


def read_key_files(folder: Path) -> KeyFile:
    """Return the key file, or its second copy when the first is missing or damaged."""
    damage: DamagedVault | None = None
    for name in (KEYS, KEYS_COPY):
        try:
            with reading():
                data = head(folder / name, keys.MAX_FILE_BYTES + 1)
            return keys.decode(data)
        except DamagedVault as error:
            damage = damage or error
    raise damage or DamagedVault(DAMAGED)


def key_files(folder: Path) -> list[KeyFile]:
    """Return the key file, then what other sound key files of this journal a sync program left beside it.

    Raises :class:`DamagedVault` when there is none that can be read.
    """
    found = [read_key_files(folder)]
    for path in sorted(folder.glob("keys*.json")):
        try:
            with reading():
                other = keys.decode(head(path, keys.MAX_FILE_BYTES + 1))
        except VaultError:
            continue
        if other.vault_id == found[0].vault_id and other.fingerprint not in [file.fingerprint for file in found]:
            found.append(other)
    return found


def heal_key_files(folder: Path, file: KeyFile) -> None:
    """Bring both copies into line after a successful opening, setting a damaged one aside."""
    data = keys.encode(file)
    for name in (KEYS, KEYS_COPY):
        path = folder / name
        try:
            if path.exists() and head(path, len(data) + 1) == data:
                continue
            if path.exists() and not _is_older_copy(path, file):
                os.replace(path, path.with_suffix(".damaged.json"))
            replace_file(path, data)
        except OSError:
            # The journal is open and sound; the copy is made good the next time.
            continue


def _is_older_copy(path: Path, file: KeyFile) -> bool:
    """Tell whether ``path`` is a sound earlier key file: kept, it would keep an old passphrase alive.

    Not one of another data key: its journal may still be on the way from another computer.
    """
    try:
        other = keys.decode(head(path, keys.MAX_FILE_BYTES + 1))
    except VaultError:
        return False
    return (other.vault_id, other.fingerprint) == (file.vault_id, file.fingerprint)


def head(path: Path, most: int) -> bytes:
    """Return the first bytes of a small file: one that a stranger made may be of any size, or no file at all."""

    def at_once(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for somebody to write

    with open(path, "rb", opener=at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a file")
        return file.read(most)


def replace_file(path: Path, data: bytes) -> None:
    """Write ``data`` as ``path`` at once or not at all; only the owner can read it."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with new_private(partial) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def new_private(path: Path) -> BinaryIO:
    """Open a new file for writing that nobody else may read, from its first byte on."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle on a folder to sync
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stamp() -> str:
    """Return the present as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@contextmanager
def writing() -> Iterator[None]:
    """Turn a failure of the disk into :class:`VaultWriteError`."""
    try:
        yield
    except OSError:
        # ``from None``: the operating system's message names the path.
        raise VaultWriteError(CANNOT_WRITE) from None


@contextmanager
def reading() -> Iterator[None]:
    """Turn a failure to read into :class:`DamagedVault`."""
    try:
        yield
    except OSError:
        raise DamagedVault(
            "A file of this journal cannot be read. Nothing was changed. "
            "Check that the folder is yours to read, or restore it from a backup."
        ) from None


def take_lock(folder: Path) -> BinaryIO:
    """Take the lock that keeps a second program out; closing the file gives it up.

    The system gives it up as well when this process ends in whatever way, so a crash leaves
    nothing to clear away.
    """
    # Not through a link: it could make an empty file anywhere, or let two programs in.
    flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    with writing():
        guard = os.fdopen(os.open(folder / LOCK, flags, 0o600), "r+b", buffering=0)
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(guard.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        guard.close()
        raise VaultLocked(
            "This journal is open in another window or program. Nothing was changed. Close it there and try again."
        ) from None
    return guard
