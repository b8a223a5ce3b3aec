"""One connection to the encrypted file: how it is opened, and how its errors become ours.

The only importer of sqlcipher3. A connection belongs to one thread; ``close`` may be called from
any thread and waits for the statement or transaction in progress, so that a lock never cuts a
save in two. Knows no table.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from sqlcipher3 import dbapi2

from journal_app.vault.records import (
    BUSY,
    CANNOT_WRITE,
    DAMAGED,
    LOCKED,
    READ_ONLY,
    DamagedVault,
    ReadOnlyVault,
    VaultError,
    VaultLocked,
    VaultWriteError,
)

sqlcipher: Any = dbapi2  # an extension module without type information

BUSY_MS = 10_000
CACHE_KIB = 32 * 1024


_PRIMARY = 0xFF
_BUSY_CODES = (sqlcipher.SQLITE_BUSY, sqlcipher.SQLITE_LOCKED)
_WRITE_CODES = (
    sqlcipher.SQLITE_FULL,
    sqlcipher.SQLITE_READONLY,
    sqlcipher.SQLITE_CANTOPEN,
    sqlcipher.SQLITE_IOERR,
    sqlcipher.SQLITE_PERM,
    sqlcipher.SQLITE_NOMEM,
    sqlcipher.SQLITE_TOOBIG,
)
# SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_CORRUPTFS, SQLITE_IOERR_DATA
_READ_FAILURES = (10 | 1 << 8, 10 | 2 << 8, 10 | 33 << 8, 10 | 32 << 8)


def known_error(error: Exception) -> VaultError | None:
    """Return the known failure behind a database error, or None if it is a bug of ours."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code in _READ_FAILURES or code & _PRIMARY in (sqlcipher.SQLITE_CORRUPT, sqlcipher.SQLITE_NOTADB):
        return DamagedVault(DAMAGED)
    if code & _PRIMARY in _BUSY_CODES:
        return VaultWriteError(BUSY)
    if code & _PRIMARY in _WRITE_CODES:
        return VaultWriteError(CANNOT_WRITE)
    return None


class Gate(Protocol):
    """Lets one transaction through at a time."""

    def writing(self) -> AbstractContextManager[object]:
        """Enter for a transaction that writes."""
        ...

    def checking(self) -> AbstractContextManager[object]:
        """Enter for one that only keeps others out."""
        ...


class _Open:
    def writing(self) -> AbstractContextManager[object]:
        return nullcontext()

    checking = writing


class Connection:
    """A connection for the calling thread. Rows are tuples."""

    def __init__(
        self,
        path: Path,
        key: bytes | bytearray,
        on_close: Callable[[Connection], None] | None = None,
        *,
        gate: Gate | None = None,
        after_commit: Callable[[], None] | None = None,
        read_only: bool = False,
        any_thread: bool = False,
    ) -> None:
        """Open the existing file at ``path`` with the raw 32-byte ``key``.

        Args:
            path: of a file that exists; it is never created or changed here.
            key: copied by SQLCipher.
            on_close: called once, with this connection.
            gate: passed by every transaction, so that whoever holds it knows that nobody writes.
            after_commit: called after each transaction, when the gate is free again.
            read_only: refuse every transaction that would write.
            any_thread: whether threads may take turns; otherwise only the one that opens it may use it.

        Raises :class:`DamagedVault` if the key does not fit the file or its first page is damaged.
        """
        self._lock = threading.RLock()
        self._thread = None if any_thread else threading.get_ident()
        self._on_close = on_close
        self._gate = gate or _Open()
        self._after_commit = after_commit
        self.read_only = read_only
        self._closed = False
        self._depth = 0
        try:
            # check_same_thread is ours (see _ready): a lock must be able to close from any thread.
            self._db = sqlcipher.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=BUSY_MS / 1000,
            )
        except sqlcipher.Error as error:
            raise known_error(error) or error from None
        try:
            self._prepare(key)
        except BaseException:
            self.close()
            raise

    def _prepare(self, key: bytes | bytearray) -> None:
        # Logging goes off before the key is set: a page that fails would be reported on stderr.
        self.rows("PRAGMA cipher_log_level = NONE")
        _set_key(self._db, key)
        if not self.rows("PRAGMA cipher_version"):
            raise VaultError("This installation lacks encryption (SQLCipher), so the journal stays closed.")
        self.rows("PRAGMA temp_store = MEMORY")
        self.rows(f"PRAGMA cache_size = -{CACHE_KIB}")
        self.rows("SELECT count(*) FROM sqlite_master")  # the first page is read, and with it the key proved
        self.rows("PRAGMA journal_mode = WAL")
        self.rows("PRAGMA synchronous = FULL")
        # The log is copied into the file when the vault says so, never in passing: see ``presence``.
        self.rows("PRAGMA wal_autocheckpoint = 0")
        self.rows("PRAGMA secure_delete = ON")
        self.rows("PRAGMA foreign_keys = ON")

    def _ready(self) -> None:
        if self._closed:
            raise VaultLocked(LOCKED)
        if self._thread not in (None, threading.get_ident()):
            raise RuntimeError("a store was used outside its thread; call reopen() there")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return all rows."""
        with self._lock:
            self._ready()
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlcipher.Error as error:
                known = known_error(error)
                if known is None:
                    raise
                raise known from None

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Run one statement and return its first row, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield rows one at a time, for tables that should not be held in memory at once."""
        with self._lock:
            self._ready()
            try:
                yield from self._db.execute(sql, values)
            except sqlcipher.Error as error:
                known = known_error(error)
                if known is None:
                    raise
                raise known from None

    @contextmanager
    def transaction(self, *, checking: bool = False) -> Iterator[None]:
        """Run the block as one durable transaction; nothing of it stays if it raises.

        ``checking``: nothing is changed, others are only kept out; allowed in a read-only journal.
        Raises :class:`ReadOnlyVault` in a read-only one otherwise.
        """
        with self._lock:
            self._ready()
            if self._depth:
                yield
                return
            if self.read_only and not checking:
                raise ReadOnlyVault(READ_ONLY)
            with self._gate.checking() if checking else self._gate.writing():
                self.rows("BEGIN IMMEDIATE")
                self._depth = 1
                try:
                    yield
                    self.rows("COMMIT")
                except BaseException:
                    self._roll_back()
                    raise
                finally:
                    self._depth = 0
        if self._after_commit is not None:
            self._after_commit()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let every statement of the block see the journal as it is now, whoever writes meanwhile."""
        with self._lock:
            self._ready()
            self.rows("BEGIN")
            try:
                self.rows("SELECT count(*) FROM sqlite_master")  # a snapshot begins with the first read
                yield
            finally:
                self._roll_back()

    def copy_to(self, path: Path, key: bytes | bytearray, progress: Callable[[float], None] | None = None) -> None:
        """Copy the whole journal, as this connection sees it, to a new private file under ``key``.

        Encrypted to encrypted: no plain page leaves the memory. ``progress`` gets shares of 1, in one
        step where the copy is one snapshot. Raises :class:`VaultWriteError` when there is no room.
        """
        with self._lock:
            self._ready()
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            except OSError:
                raise VaultWriteError(CANNOT_WRITE) from None
            try:
                target = sqlcipher.connect(str(path), isolation_level=None, check_same_thread=False)
                try:
                    target.execute("PRAGMA cipher_log_level = NONE")
                    _set_key(target, key)
                    # One step: a copy in several begins anew whenever somebody saves in between.
                    self._db.backup(target)
                finally:
                    target.close()
            except sqlcipher.Error as error:
                # The copying itself fails without a code.
                unreadable = "malformed" in str(error) or "not a database" in str(error)
                raise known_error(error) or (
                    DamagedVault(DAMAGED) if unreadable else VaultWriteError(CANNOT_WRITE)
                ) from None
        if progress is not None:
            progress(1.0)

    def _roll_back(self) -> None:
        # Some failures (a full disk) have rolled back already; then this says "no transaction".
        try:
            self._db.execute("ROLLBACK")
        except sqlcipher.Error:
            pass

    def abandon(self) -> None:
        """Close as :meth:`close`, but never copy the log into the file, which SQLite does with the last connection."""
        self.close(copy_log=False)

    def __del__(self) -> None:
        # Forgotten, not closed: Python closes it at a moment that is nobody's, when no mark says that the log is being
        # copied. Killed in the middle of that, the journal would not open.
        if hasattr(self, "_db") and not self._closed:
            self._db.interrupt()

    def close(self, *, copy_log: bool = True) -> None:
        """Close, from any thread, after what is in progress. Safe to call twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                if not copy_log:
                    self._db.interrupt()  # what copies the log at closing looks at this, and nothing resets it before
                self._db.close()
            except sqlcipher.Error:
                # A failed last checkpoint leaves the write-ahead log, which the next opening reads.
                pass
        if self._on_close is not None:
            self._on_close(self)


def _set_key(database: Any, key: bytes | bytearray) -> None:
    """Hand over a raw key without a word of SQL, whose text would stay in caches; the buffer is wiped."""
    written = bytearray(2 * len(key) + 3)  # its full size at once: a buffer that grows leaves copies behind
    written[:2], written[-1:] = b"x'", b"'"
    for place, byte in enumerate(key):
        written[2 + 2 * place : 4 + 2 * place] = b"%02x" % byte
    try:
        database.set_key(written)
    finally:
        written[:] = bytes(len(written))


def check_build() -> None:
    """Raise :class:`VaultError` unless this SQLCipher keeps its promises here.

    Needed: encryption, temporary data in memory only (compiled in), full-text search.
    """
    db = sqlcipher.connect(":memory:")
    try:
        options = {row[0] for row in db.execute("PRAGMA compile_options")}
        version = db.execute("PRAGMA cipher_version").fetchone()
        fts = db.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone()
    finally:
        db.close()
    if version is None or not fts or not options & {"TEMP_STORE=2", "TEMP_STORE=3"}:
        raise VaultError(
            "This installation's SQLCipher lacks something the journal needs to stay private. "
            "Install Quiet Page again. Nothing was changed."
        )
