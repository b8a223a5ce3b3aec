"""A journal as a folder: make one, open one, lock it again.

The folder holds ``journal.qpv`` (the encrypted database), ``keys.json`` (key slots) with a second
copy, and a lock file that keeps a second program out for as long as the first one lives. Opening
writes nothing before the secret has proved right. A file that does not open is never made anew,
replaced or removed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from journal_app.vault import keys, schema
from journal_app.vault.connection import CANNOT_WRITE, DAMAGED, LOCKED, Connection, check_build
from journal_app.vault.keys import KdfParams, KeyFile
from journal_app.vault.records import DamagedVault, VaultError, VaultLocked, VaultMissing, VaultWriteError
from journal_app.vault.search import FOLD_VERSION, SearchIndex
from journal_app.vault.store import Clock, JournalStore, now

DATABASE = "journal.qpv"
KEYS = "keys.json"
KEYS_COPY = "keys.copy.json"
LOCK = "journal.lock"
BACKUPS = "backups"
PLAIN_HEADER = b"SQLite format 3\x00"
MIN_DATABASE_BYTES = 4096


class Vault:
    """An unlocked journal. Made by :func:`create` and :func:`unlock` only."""

    def __init__(self, folder: Path, key: bytearray, file: KeyFile, guard: BinaryIO) -> None:
        self.folder = folder
        self._key = key
        self._file = file
        self._guard = guard
        self._mutex = threading.RLock()
        self._connections: set[Connection] = set()
        self._locked = False

    @property
    def locked(self) -> bool:
        """Tell whether :meth:`lock` was called."""
        return self._locked

    def store(self, *, clock: Clock | None = None) -> JournalStore:
        """Return a store for the calling thread, on a connection of its own."""
        with self._mutex:
            if self._locked:
                raise VaultLocked(LOCKED)
            connection = Connection(self.folder / DATABASE, self._key, self._forget)
            self._connections.add(connection)
        return JournalStore(connection, self, clock or now)

    def lock(self) -> None:
        """Close every store after what it is doing, and overwrite the key. Safe to call twice."""
        with self._mutex:
            self._locked = True
            connections = list(self._connections)
        for connection in connections:
            connection.close()
        with self._mutex:
            keys.wipe(self._key)
            if not self._guard.closed:
                self._guard.close()  # gives the lock up

    def change_passphrase(self, new: str, *, kdf: KdfParams | None = None) -> None:
        """Seal the data key under a new passphrase; the old one stops working. Entries are untouched."""
        _check_passphrase(new)
        self._replace_slot(keys.PASSPHRASE, new, kdf)

    def new_recovery_code(self, *, kdf: KdfParams | None = None) -> str:
        """Make and return a new recovery code; the old one stops working."""
        code = keys.new_recovery_code()
        self._replace_slot(keys.RECOVERY, code, kdf)
        return code

    def opens_with(self, secret: str) -> bool:
        """Tell whether ``secret`` opens this journal: for questions before a change of passphrase."""
        try:
            keys.wipe(keys.open_key(self._file, secret))
        except VaultError:
            return False
        return True

    def _replace_slot(self, kind: str, secret: str, kdf: KdfParams | None) -> None:
        with self._mutex:
            if self._locked:
                raise VaultLocked(LOCKED)
            file = keys.with_slot(self._file, kind, secret, self._key, kdf or KdfParams.calibrated())
            _write_key_files(self.folder, file)
            self._file = file

    def _forget(self, connection: Connection) -> None:
        with self._mutex:
            self._connections.discard(connection)

    def __enter__(self) -> Vault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock()


def exists(folder: Path) -> bool:
    """Tell whether there is a journal, or any part of one, in ``folder``.

    A folder that cannot be looked into is taken for one that holds a journal: nothing may be made
    there, and :func:`unlock` says what is wrong.
    """
    try:
        return any((folder / name).exists() for name in (DATABASE, KEYS, KEYS_COPY))
    except OSError:
        return True


def create(folder: Path, passphrase: str, *, kdf: KdfParams | None = None) -> tuple[Vault, str]:
    """Make a journal in ``folder`` and return it unlocked, with its recovery code.

    Everything is made under another name and moved into place when it is whole. Raises
    :class:`VaultError` if there is a journal already, :class:`VaultWriteError` if the place
    cannot be written.
    """
    check_build()
    _check_passphrase(passphrase)
    key = bytearray(secrets.token_bytes(keys.KEY_BYTES))
    try:
        if exists(folder):
            raise VaultError("There is a journal in this place already. Nothing was changed. Open it instead.")
        file, code = keys.new_key_file(key, passphrase, kdf or KdfParams.calibrated())
        with _writing():
            _install(folder, key, file)
        return _open(folder, key, file, _take_lock(folder)), code
    except BaseException:
        keys.wipe(key)
        raise


def unlock(folder: Path, secret: str) -> Vault:
    """Open the journal in ``folder`` with its passphrase or recovery code.

    Raises :class:`VaultMissing`, :class:`VaultLocked` (open elsewhere), :class:`DamagedVault`,
    :class:`NewerVault`, :class:`WrongPassphrase` or :class:`VaultWriteError`; nothing is changed
    in any of these cases.
    """
    check_build()
    _check_parts(folder)
    guard = _take_lock(folder)
    try:
        file = _read_key_files(folder)
        _check_header(folder / DATABASE)
        key = keys.open_key(file, secret)
        try:
            return _open(folder, key, file, guard)
        except BaseException:
            keys.wipe(key)
            raise
    except BaseException:
        guard.close()
        raise


def _open(folder: Path, key: bytearray, file: KeyFile, guard: BinaryIO) -> Vault:
    vault = Vault(folder, key, file, guard)
    try:
        connection = Connection(folder / DATABASE, key)
        try:
            found = schema.check_version(connection)
            identity = connection.row("SELECT value FROM meta WHERE key = 'vault_id'") if found else None
            if identity is None or identity[0] != file.vault_id:
                raise DamagedVault(DAMAGED)
            if found < schema.CURRENT:
                with _writing():
                    _set_aside(folder, connection, found)
                schema.migrate(connection)
            fold = connection.row("SELECT value FROM meta WHERE key = 'fold'")
            if fold is None or fold[0] != FOLD_VERSION:
                with connection.transaction():
                    SearchIndex(connection).rebuild()
        finally:
            connection.close()
        _heal_key_files(folder, file)
        return vault
    except BaseException:
        vault.lock()
        raise


# files ------------------------------------------------------------------------------------


def _check_passphrase(passphrase: str) -> None:
    if not passphrase:
        raise VaultError("A journal needs a passphrase of at least one character.")


def _check_parts(folder: Path) -> None:
    with _reading():
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


def _check_header(path: Path) -> None:
    with _reading(), path.open("rb") as file:
        head = file.read(len(PLAIN_HEADER))
        size = os.fstat(file.fileno()).st_size
    if head == PLAIN_HEADER:
        raise DamagedVault(
            "The journal file is not encrypted, so it is not the one that Quiet Page made. Nothing was changed. "
            "Put the file journal.qpv back from a backup."
        )
    if size < MIN_DATABASE_BYTES:
        raise DamagedVault(DAMAGED)


def _install(folder: Path, key: bytearray, file: KeyFile) -> None:
    """Build the journal beside its place and move it there whole."""
    into_existing = folder.exists()
    was_empty = into_existing and not any(folder.iterdir())
    parent = folder if into_existing else folder.parent
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stage = parent / f".quietpage-new-{secrets.token_hex(6)}"
    stage.mkdir(mode=0o700)
    try:
        database = stage / DATABASE
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = Connection(database, key)
        try:
            schema.migrate(connection)
            with connection.transaction():
                connection.rows("INSERT INTO meta(key, value) VALUES('vault_id', ?)", (file.vault_id,))
                connection.rows("INSERT INTO meta(key, value) VALUES('created_utc', ?)", (_stamp(),))
            connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
        _write_key_files(stage, file)
        _sync(database)
        _sync(stage)
        if into_existing:
            # Keys first: a database without keys could never be opened by anybody.
            for name in (KEYS_COPY, KEYS, DATABASE):
                os.rename(stage / name, folder / name)
            if was_empty:  # a folder with other things in it keeps the permissions that its owner chose
                folder.chmod(0o700)
            _sync(folder)
        else:
            os.rename(stage, folder)
            _sync(folder.parent)
    finally:
        if stage.exists():
            shutil.rmtree(stage, ignore_errors=True)


def _write_key_files(folder: Path, file: KeyFile) -> None:
    data = keys.encode(file)
    with _writing():
        for name in (KEYS, KEYS_COPY):
            _replace_file(folder / name, data)


def _read_key_files(folder: Path) -> KeyFile:
    """Return the key file, or its second copy when the first is missing or damaged."""
    damage: DamagedVault | None = None
    for name in (KEYS, KEYS_COPY):
        try:
            with _reading(), (folder / name).open("rb") as file:
                data = file.read(keys.MAX_FILE_BYTES + 1)
            return keys.decode(data)
        except DamagedVault as error:
            damage = damage or error
    raise damage or DamagedVault(DAMAGED)


def _heal_key_files(folder: Path, file: KeyFile) -> None:
    """Bring both copies into line after a successful opening, setting a damaged one aside."""
    data = keys.encode(file)
    for name in (KEYS, KEYS_COPY):
        path = folder / name
        try:
            if path.exists() and path.read_bytes() == data:
                continue
            if path.exists() and not _is_older_copy(path, file):
                os.replace(path, path.with_suffix(".damaged.json"))
            _replace_file(path, data)
        except OSError:
            # The journal is open and sound; the copy is made good the next time.
            continue


def _is_older_copy(path: Path, file: KeyFile) -> bool:
    """Tell whether ``path`` is a sound earlier key file: kept, it would keep an old passphrase alive."""
    try:
        return keys.decode(path.read_bytes()).vault_id == file.vault_id
    except VaultError:
        return False


def _set_aside(folder: Path, connection: Connection, found: int) -> None:
    """Copy the encrypted file and its keys into ``backups`` before a migration."""
    connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    backups = folder / BACKUPS
    backups.mkdir(exist_ok=True, mode=0o700)
    stem = f"before-schema-{found + 1}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for name in (DATABASE, KEYS):
        source = folder / name
        if not source.exists():
            source = folder / KEYS_COPY
        target = backups / f"{stem}-{name}"
        partial = backups / f"{stem}-{name}.partial"
        try:
            with source.open("rb") as old, _new_private(partial) as new:
                shutil.copyfileobj(old, new, 1 << 20)
                new.flush()
                os.fsync(new.fileno())
            if partial.stat().st_size != source.stat().st_size:
                raise VaultWriteError(CANNOT_WRITE)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    _sync(backups)


def _replace_file(path: Path, data: bytes) -> None:
    """Write ``data`` as ``path`` at once or not at all; only the owner can read it."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with _new_private(partial) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _new_private(path: Path) -> BinaryIO:
    """Open a new file for writing that nobody else may read, from its first byte on."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle on a folder to sync
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError:
        # ``from None``: the operating system's message names the path.
        raise VaultWriteError(CANNOT_WRITE) from None


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError:
        raise DamagedVault(
            "A file of this journal cannot be read. Nothing was changed. "
            "Check that the folder is yours to read, or restore it from a backup."
        ) from None


def _take_lock(folder: Path) -> BinaryIO:
    """Take the lock that keeps a second program out; closing the file gives it up.

    The system gives it up as well when this process ends in whatever way, so a crash leaves
    nothing to clear away.
    """
    # Not through a link: it could make an empty file anywhere, or let two programs in.
    flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    with _writing():
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
