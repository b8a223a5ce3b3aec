"""A journal as a folder: make one, open one, lock it again.

The folder holds ``journal.qpv`` (the encrypted database), ``keys.json`` (key slots) with a second
copy, and a lock file that keeps a second program out for as long as the first one lives. Opening
writes nothing before the secret has proved right. A file that does not open is never made anew,
replaced or removed. What the vault alone decides is when the write-ahead log is copied into the
file (see ``presence``): every connection writes to the log only.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from journal_app.vault import backup, codes, keyring_slot, keys, merge, presence, salvage, schema
from journal_app.vault import folder as folders
from journal_app.vault.connection import Connection, check_build
from journal_app.vault.folder import DATABASE, KEYS, KEYS_COPY
from journal_app.vault.keys import KdfParams, KeyFile, RingSecret, Secret
from journal_app.vault.presence import Presence
from journal_app.vault.records import (
    BUSY,
    DAMAGED,
    LOCKED,
    DamagedVault,
    SlotInfo,
    VaultError,
    VaultLocked,
    VaultWriteError,
    WrongPassphrase,
)
from journal_app.vault.search import FOLD_VERSION, SearchIndex
from journal_app.vault.store import Clock, JournalStore, now

if TYPE_CHECKING:
    from journal_app.vault.merge import MergeReport

LOG_LIMIT = 16 * 1024 * 1024
"""The log is copied into the file when it has grown beyond this many bytes (about 4,000 pages)."""
_THERE = "There is a journal in this place already. Nothing was changed. Open it instead."
LOOK_EVERY = 64
"""Transactions between two looks at the size of the log."""


class Vault:
    """An unlocked journal. Made by :func:`create` and :func:`unlock` only.

    Attributes:
        folder: where it lies. read_only: rescued from a damaged one; every write is refused.
        merged: what was joined at opening from copies that a sync program left, or None.
    """

    def __init__(self, folder: Path, key: bytearray, file: KeyFile, guard: BinaryIO) -> None:
        self.folder = folder
        self.read_only = False
        self.merged: MergeReport | None = None
        self._key = key
        self._file = file
        self._guard = guard
        self._mutex = threading.RLock()
        self._gate = _Gate(self._begin_log)
        self._connections: set[Connection] = set()
        self._locked = False
        self._commits = 0
        self._presence: Presence | None = None
        # Open for as long as the vault is: SQLite copies the log when the last connection closes, and that
        # moment must be ours.
        self._keeper = Connection(folder / DATABASE, key, gate=self._gate, any_thread=True)

    @property
    def locked(self) -> bool:
        """Tell whether :meth:`lock` was called."""
        return self._locked

    def store(self, *, clock: Clock | None = None) -> JournalStore:
        """Return a store for the calling thread, on a connection of its own."""
        return JournalStore(self.connection(), self, clock or now)

    def connection(self) -> Connection:
        """Return a connection for the calling thread; for the parts of the vault that work on all of it."""
        with self._mutex:
            # A file that was put in the place of this one must not be opened with the log of this one.
            if self._locked or (self._presence is not None and self._presence.replaced):
                raise VaultLocked(LOCKED)
            made = Connection(
                self.folder / DATABASE,
                self._key,
                self._forget,
                gate=self._gate,
                after_commit=self._look_at_log,
                read_only=self.read_only,
            )
            self._connections.add(made)
            return made

    @property
    def key(self) -> bytearray:
        """The data key, for the vault's own modules; overwritten by :meth:`lock`."""
        if self._locked:
            raise VaultLocked(LOCKED)
        return self._key

    @property
    def file(self) -> KeyFile:
        """The key slots as they are now."""
        return self._file

    def lock(self) -> None:
        """Close every store after what it is doing, and overwrite the key. Safe to call twice."""
        guard = self.release()
        if not guard.closed:
            guard.close()  # gives the lock up

    def release(self) -> BinaryIO:
        """Lock, but keep others out: return the journal's lock, for what still has to be done with its files."""
        with self._mutex:
            self._locked = True
            connections = list(self._connections)
        for connection in connections:
            connection.close()
        with self._mutex:
            self._close_keeper()
            keys.wipe(self._key)
        return self._guard

    def settle(self) -> None:
        """Check what was opened, bring it forward, and join what other computers left."""
        db = self._keeper
        found = schema.check_version(db)
        identity = db.row("SELECT value FROM meta WHERE key = 'vault_id'") if found else None
        if identity is None or identity[0] != self._file.vault_id:
            raise DamagedVault(DAMAGED)
        # Before the first write: a log whose mark is missing would not be read after a crash.
        self._presence = Presence(self.folder, presence.device(), now())
        self.read_only = db.row("SELECT 1 FROM meta WHERE key = 'read_only'") is not None
        if found < schema.CURRENT:
            backup.copy(db, self._key, self._file, backup.place(self.folder), f"before-schema-{found + 1}")
            schema.migrate(db)
        fold = db.row("SELECT value FROM meta WHERE key = 'fold'")
        if fold is None or fold[0] != FOLD_VERSION:
            with db.transaction():
                SearchIndex(db).rebuild()
        folders.heal_key_files(self.folder, self._file)
        if not self.read_only:
            self.merged = merge.join_copies(db, self.folder, self._key, self._file.vault_id) or None

    # ways to open it -----------------------------------------------------------------------

    def slots(self) -> tuple[SlotInfo, ...]:
        """Return the ways to open this journal."""
        return tuple(
            SlotInfo(slot.kind, slot.kind != keys.KEYRING or self._rings(slot) is not None) for slot in self._file.slots
        )

    def change_passphrase(self, new: str, *, kdf: KdfParams | None = None) -> None:
        """Seal the data key under a new passphrase; the old one stops working. Entries are untouched."""
        _check_passphrase(new)
        self._replace_slot(keys.PASSPHRASE, new, kdf)

    def new_recovery_code(self, *, kdf: KdfParams | None = None) -> str:
        """Make and return a new recovery code; the old one stops working."""
        code = codes.new_recovery_code()
        self._replace_slot(keys.RECOVERY, code, kdf)
        return code

    def add_key_file(self) -> bytes:
        """Return the content of a new key file, which opens the journal from now on; an earlier one stops working."""
        secret = secrets.token_bytes(codes.KEY_FILE_BYTES)
        with self._changing() as file:
            self._write(keys.with_random_slot(file, keys.KEYFILE, secret, self._key)[0])
        return codes.key_file(secret)

    def add_keyring(self) -> None:
        """Let this computer's keyring open the journal. Raises :class:`VaultError` if there is none to trust."""
        secret = secrets.token_bytes(codes.KEY_FILE_BYTES)
        with self._changing() as file:
            made, slot = keys.with_random_slot(file, keys.KEYRING, secret, self._key)
        # The keyring may ask the writer something and wait for the answer: a lock must not wait with it.
        before = [slot for slot in file.slots if slot.kind == keys.KEYRING and self._rings(slot) is not None]
        # The keyring first, read back: a slot that nobody can open would only look like a way in.
        name = keys.slot_name(made, slot)
        keyring_slot.keep(name, secret)
        for old in before:
            made = keys.without_slot(made, old)
        try:
            with self._changing() as present:
                if present is not file:
                    raise VaultWriteError(BUSY)
                self._write(made)
        except VaultError:
            keyring_slot.forget(name)
            raise
        for old in before:
            keyring_slot.forget(keys.slot_name(made, old))

    def remove_slot(self, kind: str) -> None:
        """Let the key file, or the keyring of this computer, open the journal no longer."""
        with self._changing() as file:
            made = file
            for slot in file.slots:
                if slot.kind == kind and (kind != keys.KEYRING or self._rings(slot) is not None):
                    made = keys.without_slot(made, slot)
            self._write(made)
            for slot in set(file.slots) - set(made.slots):
                if slot.kind == keys.KEYRING:
                    keyring_slot.forget(keys.slot_name(file, slot))

    def opens_with(self, secret: str) -> bool:
        """Tell whether ``secret`` opens this journal: for questions before a change of passphrase."""
        try:
            keys.wipe(keys.open_key(self._file, secret))
        except VaultError:
            return False
        return True

    def _rings(self, slot: keys.Slot) -> bytes | None:
        return keyring_slot.lookup(keys.slot_name(self._file, slot))

    @contextmanager
    def _changing(self) -> Iterator[KeyFile]:
        with self._mutex:
            if self._locked:
                raise VaultLocked(LOCKED)
            yield self._file

    def _write(self, file: KeyFile) -> None:
        folders.write_key_files(self.folder, file)
        self._file = file

    def _replace_slot(self, kind: str, secret: str, kdf: KdfParams | None) -> None:
        with self._changing() as file:
            self._write(keys.with_slot(file, kind, secret, self._key, kdf or KdfParams.calibrated()))

    # the log, and other computers ------------------------------------------------------------

    def notice(self, moment: datetime | None = None) -> str:
        """Return ``replaced`` (a sync program put another file in place of the open one), ``elsewhere`` (another
        computer has opened it too), or "". Cheap; to be asked every few seconds."""  # fmt: skip
        with self._mutex:
            return "" if self._presence is None or self._locked else self._presence.notice(moment or now())

    def copy_log(self) -> bool:
        """Copy the log into the file, as a moment that can be told apart; return whether it is all there."""
        with self._mutex:
            if self._presence is None:
                return False
            return self._copy_log(self._presence)

    def _begin_log(self) -> None:
        """Before the first write into a fresh log: begin it with a new first page, and name it in the mark.

        Copying the log then gives the file a first page of its own, by which its state is told from every other.
        """
        mark = self._presence
        if mark is None or mark.log_begun:
            return
        with self._keeper.transaction(checking=True):
            self._keeper.rows(f"PRAGMA application_id = {secrets.randbelow(2**31)}")
        mark.begin_log()

    def _copy_log(self, mark: Presence) -> bool:
        if mark.replaced:
            return False
        if presence.log_end(self.folder, 1) is None:
            return True
        with self._gate.checking():
            mark.before_copy()
            row = self._keeper.row("PRAGMA wal_checkpoint(TRUNCATE)")
            if row is None or row[0]:
                return False  # somebody still reads what the log has replaced; another time
            mark.after_copy()
        return True

    def _look_at_log(self) -> None:
        self._commits += 1
        if self._commits % LOOK_EVERY:
            return
        try:
            if (self.folder / presence.WAL).stat().st_size > LOG_LIMIT:
                self.copy_log()
        except (OSError, VaultError):
            pass  # the log keeps growing, and what is in it is safe

    def _close_keeper(self) -> None:
        mark, self._presence = self._presence, None
        if mark is None:
            self._keeper.close()
            return
        if mark.replaced:
            self._keep_replaced()
            return
        try:
            if presence.log_end(self.folder, 1) is not None:
                mark.before_copy()  # closing copies the log
        except VaultError:
            self._keeper.abandon()  # the disk refuses even the note: the log stays rather than be half copied unsaid
            return
        self._keeper.close()
        try:
            mark.leave(now())
        except VaultError:
            pass  # for three minutes another computer will ask before it opens

    def _keep_replaced(self) -> None:
        """Write what is open as a copy beside the file that has taken its place; the next opening joins them."""
        other_log, kept_log = self.folder / presence.WAL, self.folder / f"{presence.WAL}.other"
        try:
            self._keeper.copy_to(self.folder / f"journal.kept-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.qpv", self._key)
            # Closing removes a log by its name, and by now that name may be another file's.
            moved = other_log.exists()
            if moved:
                os.replace(other_log, kept_log)
            self._keeper.close()
            if moved:
                os.replace(kept_log, other_log)
        except (OSError, VaultError):
            return  # left open: what is in it stays readable for as long as this program runs

    def _forget(self, connection: Connection) -> None:
        with self._mutex:
            self._connections.discard(connection)

    def __enter__(self) -> Vault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock()


class _Gate:
    """Lets one transaction through at a time, and does something before the first that writes."""

    def __init__(self, before: Callable[[], None]) -> None:
        self._lock = threading.RLock()
        self._before = before

    def checking(self) -> AbstractContextManager[object]:
        """Return what keeps every transaction out; whoever is inside may enter again."""
        return self._lock

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep every other transaction out, and see to it that the log is begun."""
        with self._lock:
            self._before()
            yield


def exists(folder: Path) -> bool:
    """Tell whether there is a journal, or any part of one, in ``folder``.

    A folder that cannot be looked into is taken for one that holds a journal: nothing may be made
    there, and :func:`unlock` says what is wrong.
    """
    try:
        return any((folder / name).exists() for name in (DATABASE, KEYS, KEYS_COPY, folders.SWAP))
    except OSError:
        return True


def has_key_file_slot(folder: Path) -> bool:
    """Tell whether a key file may open the journal in ``folder``."""
    return any(slot.kind == keys.KEYFILE for slot in _slots(folder))


def has_keyring_slot(folder: Path) -> bool:
    """Tell whether some computer's keyring may open the journal in ``folder``; asks no keyring."""
    return any(slot.kind == keys.KEYRING for slot in _slots(folder))


def _slots(folder: Path) -> tuple[keys.Slot, ...]:
    try:
        return folders.read_key_files(folder).slots
    except VaultError:
        return ()


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
            raise VaultError(_THERE)
        file, code = keys.new_key_file(key, passphrase, kdf or KdfParams.calibrated())
        with folders.writing():
            _install(folder, key, file)
        return open_with(folder, key, file, folders.take_lock(folder)), code
    except BaseException:
        keys.wipe(key)
        raise


def unlock_with_keyring(folder: Path, *, despite_other: bool = False) -> Vault:
    """Open the journal in ``folder`` with the secret that this computer's keyring keeps; raises as :func:`unlock`."""
    return _unlock(folder, RingSecret(keyring_slot.lookup), despite_other)


def unlock(folder: Path, secret: str | bytes, *, despite_other: bool = False) -> Vault:
    """Open the journal in ``folder`` with its passphrase or recovery code (str), or a key file's content (bytes).

    ``despite_other``: also when another computer seems to have it open. Raises :class:`VaultMissing`,
    :class:`OpenElsewhere`, :class:`VaultLocked` (open in another program here), :class:`DamagedVault`,
    :class:`NewerVault`, :class:`WrongPassphrase` or :class:`VaultWriteError`; nothing is changed in any of these
    cases.
    """
    return _unlock(folder, secret, despite_other)


def _unlock(folder: Path, secret: Secret, despite_other: bool) -> Vault:
    check_build()
    if not folders.swap_pending(folder):  # an exchange of files that was broken off may have all of them elsewhere
        folders.check_parts(folder)
    guard = folders.take_lock(folder)
    try:
        folders.finish_swap(folder)
        folders.check_parts(folder)
        folders.clear_stages(folder)
        if not despite_other:
            presence.check_elsewhere(folder, presence.device(), now())
        folders.check_header(folder / DATABASE)
        files = folders.key_files(folder)
        for number, file in enumerate(files):
            try:
                key = keys.open_key(file, secret)
            except WrongPassphrase:
                if number + 1 < len(files):
                    continue
                raise
            try:
                return open_with(folder, key, file, guard)
            except DamagedVault:
                # A sync program may have brought the key file of a new data key before its journal, or after it.
                keys.wipe(key)
                if number + 1 == len(files):
                    raise
            except BaseException:
                keys.wipe(key)
                raise
        raise DamagedVault(DAMAGED)
    except BaseException:
        guard.close()
        raise


def open_with(folder: Path, key: bytearray, file: KeyFile, guard: BinaryIO) -> Vault:
    """Return the journal opened with its data key, the lock being held; what an opening settles is settled here."""
    if not presence.log_belongs(folder):
        presence.move_log_aside(folder)  # joined below, like the other copies
    salvage.check_log(folder, key, file.vault_id)
    vault = Vault(folder, key, file, guard)
    try:
        vault.settle()
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
    folders.make_folder(parent)
    stage = folders.stage(parent)
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
            with folders.take_lock(folder):
                if exists(folder):  # made by another program meanwhile: its keys must not be written over
                    raise VaultError(_THERE)
                folders.swap(folder, stage, None)  # all of the files or none, whenever the power fails
            if was_empty:  # a folder with other things in it keeps the permissions that its owner chose
                folder.chmod(0o700)
            folders.sync(folder)
        else:
            os.rename(stage, folder)
            folders.sync(folder.parent)
    finally:
        folders.discard(parent, stage)
