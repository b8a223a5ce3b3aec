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
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from journal_app.vault import codes, keys, schema
from journal_app.vault import folder as folders
from journal_app.vault.connection import Connection, check_build
from journal_app.vault.folder import BACKUPS, DATABASE, KEYS, KEYS_COPY
from journal_app.vault.keys import KdfParams, KeyFile
from journal_app.vault.records import (
    CANNOT_WRITE,
    DAMAGED,
    LOCKED,
    DamagedVault,
    VaultError,
    VaultLocked,
    VaultWriteError,
)
from journal_app.vault.search import FOLD_VERSION, SearchIndex
from journal_app.vault.store import Clock, JournalStore, now


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
        code = codes.new_recovery_code()
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
            folders.write_key_files(self.folder, file)
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
        with folders.writing():
            _install(folder, key, file)
        return _open(folder, key, file, folders.take_lock(folder)), code
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
    folders.check_parts(folder)
    guard = folders.take_lock(folder)
    try:
        file = folders.read_key_files(folder)
        folders.check_header(folder / DATABASE)
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
                with folders.writing():
                    _set_aside(folder, connection, found)
                schema.migrate(connection)
            fold = connection.row("SELECT value FROM meta WHERE key = 'fold'")
            if fold is None or fold[0] != FOLD_VERSION:
                with connection.transaction():
                    SearchIndex(connection).rebuild()
        finally:
            connection.close()
        folders.heal_key_files(folder, file)
        return vault
    except BaseException:
        vault.lock()
        raise


# making and bringing forward ----------------------------------------------------------


def _check_passphrase(passphrase: str) -> None:
    if not passphrase:
        raise VaultError("A journal needs a passphrase of at least one character.")


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
                connection.rows("INSERT INTO meta(key, value) VALUES('created_utc', ?)", (folders.stamp(),))
            connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
        folders.write_key_files(stage, file)
        folders.sync(database)
        folders.sync(stage)
        if into_existing:
            # Keys first: a database without keys could never be opened by anybody.
            for name in (KEYS_COPY, KEYS, DATABASE):
                os.rename(stage / name, folder / name)
            if was_empty:  # a folder with other things in it keeps the permissions that its owner chose
                folder.chmod(0o700)
            folders.sync(folder)
        else:
            os.rename(stage, folder)
            folders.sync(folder.parent)
    finally:
        if stage.exists():
            shutil.rmtree(stage, ignore_errors=True)


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
            with source.open("rb") as old, folders.new_private(partial) as new:
                shutil.copyfileobj(old, new, 1 << 20)
                new.flush()
                os.fsync(new.fileno())
            if partial.stat().st_size != source.stat().st_size:
                raise VaultWriteError(CANNOT_WRITE)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    folders.sync(backups)
