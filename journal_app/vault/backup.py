"""Copies of the journal that prove themselves: made encrypted, restored into scratch, compared, thinned out.

A backup is a folder that is itself a journal: the encrypted file and both copies of the key file, as they
were at that moment, with a note of what is inside. Nothing in it is plain, and it opens with what opened the
journal then. The note holds counts, a keyed hash of all content (HMAC-SHA256 under the data key: it says nothing to
whoever has no key, and cannot be made to fit) and the SHA-256 of the encrypted file, by which a flipped bit is
found later without any key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journal_app.vault import folder as folders
from journal_app.vault import keys, salvage, schema
from journal_app.vault.connection import Connection
from journal_app.vault.folder import BACKUPS, DATABASE, KEYS, KEYS_COPY
from journal_app.vault.keys import KeyFile
from journal_app.vault.records import DamagedVault, NewerVault, VaultError, VaultMissing, VaultWriteError

if TYPE_CHECKING:
    from journal_app.vault.vault import Vault

NOTE = "backup.json"
PLACE = "backups.json"
FORMAT = "quietpage-backup"
PARTIAL = ".quietpage-new-"
DAILY, WEEKLY, MONTHLY, LATEST = 7, 4, 12, 3
"""How many days, weeks and months keep their newest backup, and how many of the latest of each kind are kept anyway."""
EVERY = timedelta(hours=20)
"""Less than a day, so that somebody who writes every evening has a backup of each."""
LEFT_S = 24 * 3600.0
"""What was being made so long ago was left by a program that was ended."""
SPARE = 1.1
"""A copy needs its own size and a little more."""

Progress = Callable[[float], None]
_UNPROVED = (
    "The backup could not be proved: what was read back is not what was written. Your journal is not touched. "
    "The disk of the backups may be failing: choose another folder."
)
_BUT_SAFE = (
    "The backup cannot be written: the disk is full or the folder is read-only. Your journal is not touched. "
    "Free some space, or choose another folder for backups."
)


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup, as its note says.

    Attributes:
        path: its folder. made_utc: ISO 8601. reason: ``day``, ``asked`` or ``before-schema-N``.
        entries, revisions, images: counts (in the bin included). bytes: of the encrypted file. schema: its version.
        proved_utc: when it was last restored into scratch and compared; "" if never.
        problem: what is wrong with it in words, or "". vault_id: of the journal; "" when the note is damaged.
    """

    path: Path
    made_utc: str
    reason: str
    entries: int
    revisions: int
    images: int
    bytes: int
    schema: int
    proved_utc: str
    problem: str = ""
    vault_id: str = ""


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one round of care came to; ``good``: the newest backup that is sound, ``source_problems``: the journal's."""

    made: Backup | None
    damaged: tuple[Backup, ...]
    good: Backup | None
    source_problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored journal; ``aside``: where the files that it replaced are kept, if there were any."""

    entries: int
    aside: Path | None


@dataclass(frozen=True, slots=True)
class Content:
    """Counts and the keyed hash of everything that a person put into a journal."""

    entries: int
    revisions: int
    images: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Note:
    vault_id: str
    fingerprint: str
    made_utc: str
    reason: str
    schema: int
    content: Content
    state: str
    bytes: int
    sha256: str
    proved_utc: str = ""
    problem: str = ""
    format: str = FORMAT


# where ------------------------------------------------------------------------------------


def place(journal: Path) -> Path:
    """Return the folder of this journal's backups: the chosen one, or ``backups`` inside the journal's folder."""
    try:
        said = json.loads(folders.head(journal / PLACE, 10_000))["folder"]
        return Path(said) if isinstance(said, str) and said and "\0" not in said else journal / BACKUPS
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return journal / BACKUPS


def choose(journal: Path, folder: Path | None) -> None:
    """Keep backups in ``folder`` from now on (None: inside the journal's folder); earlier ones stay where they are.

    The choice is kept beside the key files, so that it is known before anything is unlocked. Raises
    :class:`VaultWriteError` if the folder cannot be written.
    """
    with _writing():
        if folder is None:
            (journal / PLACE).unlink(missing_ok=True)
            return
        folder = folder.absolute()
        folders.make_folder(folder)
        folders.clear_stages(folder)
        folders.stage(folder).rmdir()  # asks the disk, not its permissions
        folders.replace_file(journal / PLACE, (json.dumps({"folder": str(folder)}) + "\n").encode("ascii"))


def listed(journal: Path | None, folder: Path | None = None) -> list[Backup]:
    """Return the backups of ``journal`` (or those in ``folder``), newest first; needs no key and writes nothing."""
    where = folder if folder is not None else place(journal) if journal is not None else None
    if where is None:
        return []
    try:
        found = [path for path in where.iterdir() if (path / NOTE).is_file() and not path.name.startswith(".")]
    except OSError:
        return []
    if (where / NOTE).is_file():  # the folder of one backup was chosen
        found.append(where)
    return sorted(map(_described, found), key=lambda b: (b.made_utc, b.path.name), reverse=True)


def _described(path: Path) -> Backup:
    try:
        note = _read_note(path)
    except VaultError as error:
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return Backup(path, _stamp(made), "", 0, 0, 0, 0, 0, "", str(error))
    problem = note.problem
    try:
        if (path / DATABASE).stat().st_size != note.bytes:
            problem = problem or "Its encrypted file is cut short or too long."
        folders.read_key_files(path)
    except OSError:
        problem = problem or "Its encrypted file is missing."
    except VaultError:
        problem = problem or "Both copies of its key file are damaged."
    return _backup(path, replace(note, problem=problem))


def _backup(path: Path, note: _Note) -> Backup:
    content = note.content
    return Backup(
        path, note.made_utc, note.reason, content.entries, content.revisions, content.images, note.bytes, note.schema,
        note.proved_utc, note.problem, note.vault_id,
    )  # fmt: skip


# making -----------------------------------------------------------------------------------


def make(
    vault: Vault, *, reason: str = "asked", now: datetime | None = None, progress: Progress | None = None
) -> Backup:
    """Copy the journal as it is at this moment, restore the copy into scratch and compare; return the proved backup.

    May run on any thread while others write. Raises :class:`VaultWriteError` when there is no room, or when the copy
    could not be proved; then nothing is left behind.
    """
    db = vault.connection()
    try:
        return copy(db, vault.key, vault.file, place(vault.folder), reason, now=now, progress=progress)
    finally:
        db.close()


def copy(
    db: Connection,
    key: bytearray,
    file: KeyFile,
    where: Path,
    reason: str,
    *,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> Backup:
    """Make a backup in ``where`` of what ``db`` sees; see :func:`make`."""
    tell = progress or (lambda share: None)
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    with _writing():
        folders.make_folder(where)
        folders.clear_stages(where, LEFT_S)
        _check_room(where, 2 * _size(db))
        staged = folders.stage(where)
    try:
        with db.snapshot():
            found = schema.version(db)
            inside, state = content(db, key), _state(db, file)
            tell(0.3)
            try:
                db.copy_to(staged / DATABASE, key)
            except VaultWriteError:
                raise VaultWriteError(_BUT_SAFE) from None
        tell(0.6)
        with _writing():
            folders.write_key_files(staged, file)
            folders.sync(staged / DATABASE)
            note = _Note(
                file.vault_id, file.fingerprint, _stamp(moment), reason, found, inside, state,
                (staged / DATABASE).stat().st_size, _sha256(staged / DATABASE),
            )  # fmt: skip
        note = replace(note, proved_utc=_prove(staged, note, key, where, moment))
        tell(0.95)
        with _writing():
            _write_note(staged, note)
            target = _free_name(where, moment, reason)
            os.rename(staged, target)
            folders.sync(where)
        tell(1.0)
        return _backup(target, note)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _prove(staged: Path, note: _Note, key: bytearray, where: Path, moment: datetime) -> str:
    """Restore ``staged`` into scratch, as a restore would, and compare; return the moment of the proof."""
    with _writing():
        scratch = folders.stage(where)
    try:
        _copy_files(staged, scratch, note.sha256)
        db = Connection(scratch / DATABASE, key)
        try:
            if db.rows("PRAGMA cipher_integrity_check") or db.rows("PRAGMA quick_check") != [("ok",)]:
                raise VaultWriteError(_UNPROVED)
            if content(db, key) != note.content:
                raise VaultWriteError(_UNPROVED)
        finally:
            db.close()
    except DamagedVault:
        raise VaultWriteError(_UNPROVED) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return _stamp(moment)


def content(db: Connection, key: bytes | bytearray) -> Content:
    """Return counts and a keyed hash of what a person put in, from texts to settings; not of what can be made again."""
    mac = hmac.new(bytes(key), b"quietpage content", hashlib.sha256)
    counts: list[int] = []
    tables = {row[0] for row in db.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, statement in (
        (
            "entry",
            "SELECT id, text, local_date, local_time, offset_minutes, created_utc, modified_utc, revision, valence,"
            " energy, for_therapist, read_me, deleted_utc FROM entry ORDER BY n",
        ),
        (
            "revision",
            "SELECT e.id, r.revision, r.text FROM revision r JOIN entry e ON e.n = r.entry ORDER BY e.n, 2",
        ),
        ("image", "SELECT i.id, e.id, i.kind, i.data FROM image i JOIN entry e ON e.n = i.entry ORDER BY i.n"),
        ("tag", "SELECT entry, position, name FROM tag ORDER BY entry, position"),
        ("correction", "SELECT entry, task, label, verdict FROM correction ORDER BY entry, task, label"),
        ("setting", "SELECT key, value FROM setting ORDER BY key"),
    ):
        count = 0
        for row in db.each(statement) if table in tables else ():
            mac.update(table.encode("ascii"))
            _feed(mac, row)
            count += 1
        counts.append(count)
    return Content(counts[0], counts[0] + counts[1], counts[2], mac.hexdigest())


def _feed(mac: hmac.HMAC, values: Iterable[Any]) -> None:
    for value in values:
        data = (
            value if isinstance(value, bytes) else b"" if value is None else str(value).encode("utf-8", "surrogatepass")
        )
        mac.update(f"{type(value).__name__[:1]}{len(data)}:".encode("ascii"))
        mac.update(data)


def _state(db: Connection, file: KeyFile) -> str:
    """Return what changes with every change that a backup would keep; cheap, and says nothing of the content."""
    tables = {row[0] for row in db.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    sums = ["SELECT count(*), total(revision), max(modified_utc), total(length(deleted_utc)) FROM entry"]
    sums += [f"SELECT count(*), max(created_utc) FROM {name}" for name in ("correction", "image") if name in tables]
    sums += ["SELECT count(*), total(length(value)) FROM setting WHERE key NOT IN ('reading.model', 'backups.told')"]
    values = [db.row(statement) for statement in sums]
    # The slots count, too: a backup from before a change of passphrase still opens with the old one.
    return hashlib.sha256(repr(values).encode() + keys.encode(file)).hexdigest()[:16]


# care -------------------------------------------------------------------------------------


def due(vault: Vault, now: datetime | None = None) -> bool:
    """Tell whether it is time for the next backup: most of a day since the last good one was made or proved. Quick."""
    good = next((b for b in _own(vault) if not b.problem), None)
    if good is None:
        return True
    age = (now or datetime.now(UTC)) - datetime.fromisoformat(max(good.made_utc, good.proved_utc))
    return not timedelta(0) <= age < EVERY  # a clock that was set back makes the next one due, never none


def _own(vault: Vault) -> list[Backup]:
    """Return the backups of this journal, newest first: another one may keep its own in the same folder."""
    return [b for b in listed(vault.folder) if b.vault_id in ("", vault.file.vault_id)]


def cycle(vault: Vault, *, now: datetime | None = None, progress: Progress | None = None) -> Cycle:
    """Check every backup byte by byte, make the next one if something changed, and thin the old ones out.

    A damaged backup is named and left alone; a fresh one is made at once in its stead. Nothing is thinned out while
    the journal itself has a problem. ``progress`` is called every now and then; whatever it raises breaks the round
    off, and nothing half-made is left.
    """
    tell = progress or (lambda share: None)
    where = place(vault.folder)
    for backup in _own(vault):
        tell(0.0)
        if backup.vault_id:  # what could not be read once, too: a disk may have been away
            _check(backup.path, vault.key)
    tell(0.1)
    found = _own(vault)
    damaged = tuple(b for b in found if b.problem)
    good = next((b for b in found if not b.problem), None)
    db = vault.connection()
    try:
        problems = _source_problems(vault, db)
        tell(0.2)
        made = None
        if not problems:
            if good is None or good != found[0] or _changed(good, db, vault.file):
                made = copy(db, vault.key, vault.file, where, "day", now=now, progress=progress)
            else:
                _prove_again(good.path, vault.key, where, now)
    finally:
        db.close()
    if not problems:
        _thin(where, _own(vault), made)
    after = [b for b in _own(vault) if not b.problem]
    return Cycle(made, damaged, after[0] if after else None, problems)


def _source_problems(vault: Vault, db: Connection) -> tuple[str, ...]:
    found = salvage.damage(vault.folder, vault.key) if vault.copy_log() else None
    if found:
        # The log may have been copied, and begun again, while it was read: asked once more with everybody kept out.
        with db.transaction(checking=True):
            found = salvage.damage(vault.folder, vault.key)
    if found:
        return tuple(f"Page {page} of {found.pages} in the journal file is damaged." for page in found.bad) or (
            "The end of the journal file is damaged.",
        )
    try:
        sound = db.rows("PRAGMA quick_check") == [("ok",)]
    except DamagedVault:
        sound = False
    return () if sound else ("The structure of the journal file is damaged.",)


def _changed(good: Backup, db: Connection, file: KeyFile) -> bool:
    return _read_note(good.path).state != _state(db, file)


def _check(path: Path, key: bytearray) -> None:
    """Compare a backup with its note, and write what is wrong into the note, so that it is known without a key."""
    note = _read_note(path)
    try:
        problem = "" if _sha256(path / DATABASE) == note.sha256 else "Its encrypted file is not as it was written."
        if problem and keys.fingerprint(key) == note.fingerprint and (bad := salvage.damaged_pages(path, key)):
            named = ", ".join(str(page) for page in bad[:5])
            problem = f"Damaged: page {named} of {note.bytes // 4096}."
        folders.read_key_files(path)
    except OSError:
        problem = "It cannot be read."
    except VaultError:
        problem = "Both copies of its key file are damaged."
    if problem != note.problem:
        with _writing():
            _write_note(path, replace(note, problem=problem))


def _prove_again(path: Path, key: bytearray, where: Path, now: datetime | None) -> None:
    """Nothing has changed since this backup: restore it into scratch once more rather than copy the same again."""
    note = _read_note(path)
    if keys.fingerprint(key) != note.fingerprint:
        return
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    try:
        changed = replace(note, proved_utc=_prove(path, note, key, where, moment))
    except VaultWriteError as error:
        if str(error) != _UNPROVED:
            raise  # no room for a proof says nothing of the backup
        changed = replace(note, problem=str(error))
    with _writing():
        _write_note(path, changed)


def _thin(where: Path, backups: list[Backup], made: Backup | None = None) -> None:
    """Keep the newest of each of the last days, weeks and months that have one, and a few from before changes.

    Counted by backups, never by the clock: a clock that jumps ahead must not cost one, nor one that fell back
    the one that was just ``made``.
    """
    sound = [b for b in backups if not b.problem and b.path.parent == where]
    keep = {made.path} if made is not None else set[Path]()
    for kind in ("day", "asked", "before-"):
        keep |= {b.path for b in [b for b in sound if b.reason.startswith(kind)][:LATEST]}
    regular = [b for b in sound if not b.reason.startswith("before-")]
    for most, period in ((DAILY, _day), (WEEKLY, _week), (MONTHLY, _month)):
        newest: dict[str, Path] = {}
        for backup in regular:
            newest.setdefault(period(backup), backup.path)
        keep |= set(list(newest.values())[:most])
    for backup in sound:
        if backup.path not in keep:
            folders.remove(backup.path)


def _day(backup: Backup) -> str:
    return datetime.fromisoformat(backup.made_utc).astimezone().date().isoformat()


def _week(backup: Backup) -> str:
    year, week, _ = datetime.fromisoformat(backup.made_utc).astimezone().isocalendar()
    return f"{year}-{week:02}"


def _month(backup: Backup) -> str:
    return _day(backup)[:7]


# coming back ------------------------------------------------------------------------------


def restore(path: Path, journal: Path, secret: keys.Secret) -> Restored:
    """Put the backup in ``path`` in the place of the journal in ``journal``.

    It is copied, opened with ``secret``, checked page by page and compared with its note before anything is
    touched; what lies there now is moved into a subfolder, never removed. Raises :class:`WrongPassphrase` (a backup
    opens with what opened the journal when it was made), :class:`DamagedVault`, :class:`NewerVault`,
    :class:`VaultLocked` (the journal is open), :class:`VaultMissing` or :class:`VaultWriteError`.
    """
    if not (path / NOTE).is_file():
        raise VaultMissing("There is no backup in this place. Choose the folder that holds the backups.")
    note = _read_note(path)
    if note.schema > schema.CURRENT:
        raise NewerVault(
            "This backup was made by a newer version of Quiet Page. Nothing was changed. Install that version first."
        )
    with _writing():
        folders.make_folder(journal)
    guard = folders.take_lock(journal)
    staged: Path | None = None
    try:
        folders.finish_swap(journal)
        folders.clear_stages(journal)
        _check_room(journal, note.bytes)
        with _writing():
            staged = folders.stage(journal)
        _copy_files(path, staged, note.sha256)
        key = keys.open_key(folders.read_key_files(staged), secret)
        try:
            _open_and_compare(staged, note, key)
        finally:
            keys.wipe(key)
        had = any((journal / name).exists() for name in (DATABASE, KEYS, KEYS_COPY))
        aside = _aside_name(journal) if had else None
        folders.swap(journal, staged, aside)
        return Restored(note.content.entries, journal / aside if aside else None)
    finally:
        if staged is not None:
            folders.discard(journal, staged)
        guard.close()


def _open_and_compare(staged: Path, note: _Note, key: bytearray) -> None:
    db = Connection(staged / DATABASE, key)
    try:
        if db.rows("PRAGMA cipher_integrity_check") or content(db, key) != note.content:
            raise DamagedVault(_damaged_backup("Its content is not what it was."))
    finally:
        db.close()


def _aside_name(journal: Path) -> str:
    stem = f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names: Iterator[str] = (stem if not n else f"{stem}-{n}" for n in range(10_000))
    return next(name for name in names if not (journal / name).exists())


# files ------------------------------------------------------------------------------------


def _copy_files(source: Path, target: Path, sha256: str) -> None:
    """Copy a backup's files; raise :class:`DamagedVault` if what arrives is not what was written."""
    with _writing():
        for name in (DATABASE, KEYS, KEYS_COPY):
            try:
                old = (source / name).open("rb")
            except FileNotFoundError:
                if name == DATABASE:
                    raise DamagedVault(_damaged_backup("Its encrypted file is missing.")) from None
                continue  # the other copy of the key file is enough
            with old, folders.new_private(target / name) as new:
                shutil.copyfileobj(old, new, 1 << 20)
                new.flush()
                os.fsync(new.fileno())
    if _sha256(target / DATABASE) != sha256:
        raise DamagedVault(_damaged_backup("Its encrypted file is not as it was written."))
    folders.write_key_files(target, folders.read_key_files(target))  # both copies whole


def _damaged_backup(what: str) -> str:
    return f"This backup is damaged. {what} Your journal is not touched. Choose another backup."


def _read_note(path: Path) -> _Note:
    try:
        raw: dict[str, Any] = json.loads(folders.head(path / NOTE, 100_000))
        claimed = raw.pop("checksum")
        if raw["format"] != FORMAT or claimed != _checksum(raw):
            raise ValueError("not as it was written")
        note = _Note(**{**raw, "content": Content(**raw["content"])})
        for moment in (note.made_utc, note.proved_utc or note.made_utc):
            if datetime.fromisoformat(moment).tzinfo is None:
                raise ValueError("no moment")
        return note
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise DamagedVault("Its note is damaged.") from None


def _write_note(path: Path, note: _Note) -> None:
    raw = asdict(note)
    raw["checksum"] = _checksum(raw)
    folders.replace_file(path / NOTE, (json.dumps(raw, indent=1) + "\n").encode("ascii"))


def _checksum(raw: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(db: Connection) -> int:
    pages = db.row("PRAGMA page_count")
    return (pages[0] if pages else 0) * 4096


def _check_room(where: Path, size: int) -> None:
    with _writing():
        if shutil.disk_usage(where).free < SPARE * size:
            raise VaultWriteError(_BUT_SAFE)


def _free_name(where: Path, moment: datetime, reason: str) -> Path:
    stem = f"{moment.astimezone():%Y-%m-%d-%H%M%S}-{reason}"
    names = (where / (stem if not n else f"{stem}-{n}") for n in range(10_000))
    return next(path for path in names if not path.exists())


def _stamp(moment: datetime) -> str:
    # To the millisecond, so that two backups of one second keep their order.
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _writing:
    """Turn a disk's refusal into words about the backup: the journal itself is not in question."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise VaultWriteError(_BUT_SAFE) from None
