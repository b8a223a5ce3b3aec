"""What can be read of a damaged journal, put into a new one that is read-only.

The damaged folder is read and never changed. A row that lies on good pages comes back exactly. Of a text that
lies partly on bad ones there is what was before the first of them, and the rest from the search text beside it, in
which letters have lost their case: no word is lost with one page. The new journal has the same data key and
the same key files, so the same secrets open it; at no moment does it exist unencrypted.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from journal_app.vault import folder as folders
from journal_app.vault import keys, schema
from journal_app.vault.connection import Connection, check_build
from journal_app.vault.folder import DATABASE, LOCK, STAGE
from journal_app.vault.images import kind_of
from journal_app.vault.keys import KeyFile, Secret
from journal_app.vault.pages import MAGIC, PERHAPS_SEARCH, Pages, Record
from journal_app.vault.records import DAMAGED, DamagedVault, NewerVault, VaultError, VaultWriteError, WrongPassphrase
from journal_app.vault.search import fold, from_bytes, to_bytes
from journal_app.vault.whole import Picture, Rows, Version, Whole

WAL = f"{DATABASE}-wal"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d\d:\d\d:\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_NEVER = "1970-01-01"
_CLUSTER = 32
"""Characters at the end of a cut text that may fold differently once the next is known."""
_NOTHING = (
    "Nothing of this journal can be read: it is too badly damaged, or it belongs to other keys. Nothing was changed. "
    "Keep the folder as it is, and restore a backup."
)
_LOG = (
    "What was saved last, before the program was ended, is damaged. Nothing was changed. Everything that can be read "
    "of it can be rescued into a new journal."
)
_INSIDE = "What is rescued must not lie inside the damaged journal. Nothing was changed. Choose another folder."
_TAKEN = "There is something in this place already. Nothing was changed. Choose an empty folder for what is rescued."


@dataclass(frozen=True, slots=True)
class Damage:
    """What fails its check: ``bad`` page numbers of ``pages``; ``log``: saves in the log no longer read."""

    pages: int
    bad: tuple[int, ...]
    log: bool = False

    def __bool__(self) -> bool:
        return bool(self.bad) or self.log


@dataclass(frozen=True, slots=True)
class Rescue:
    """What was brought back.

    Attributes:
        entries, revisions, images: in the new journal; revisions count the present texts, too.
        cut: entries and pictures of which something is missing, or whose text has partly lost its case.
        pages, bad_pages: of the damaged file. folder: of the new journal.
        lost: entries that are known to have been there, and of which nothing is left.
        checked: false when the first page is lost with what authenticates the others: then only what has the form
            of a journal's rows was taken.
        log: whether saves in the write-ahead log were damaged.
    """

    entries: int
    revisions: int
    images: int
    cut: int
    pages: int
    bad_pages: tuple[int, ...]
    folder: Path
    lost: int = 0
    checked: bool = True
    log: bool = False


def damage(folder: Path, key: bytes | bytearray) -> Damage:
    """Check every page of the journal in ``folder``, log included, without SQLite; nothing is changed.

    Whoever asks keeps others from writing meanwhile. Raises :class:`DamagedVault` for files that cannot be read at all.
    """
    with Pages.open(folder / DATABASE, key, folder / WAL) as pages:
        return Damage(pages.count, pages.bad, pages.log is not None and pages.log.damaged)


def damaged_pages(folder: Path, key: bytes | bytearray) -> tuple[int, ...]:
    """Return the numbers of the pages that are missing or fail their check."""
    return damage(folder, key).bad


def check_log(folder: Path, key: bytes | bytearray, vault_id: str) -> None:
    """Raise :class:`DamagedVault` where SQLite would lose or change something while it fails to open a journal.

    To be asked before SQLite opens it. Saves in a log that no longer read would be dropped without a word, with all
    later ones; and where the file does not open, SQLite would still copy the log into it at closing. Reads
    a few pages; costs nothing when the log is empty.
    """
    with folders.reading():
        path = folder / WAL
        if not path.exists() or not path.stat().st_size:
            return
    with Pages.open(folder / DATABASE, key, path) as pages:
        if pages.checked and _log_damaged(pages):
            raise DamagedVault(_LOG)
        meta = {record.values[0]: record.values[1] for record in pages.records(only="meta") if not record.cut}
        if not pages.checked or pages.salt_lost or meta.get("vault_id") != vault_id:
            raise DamagedVault(DAMAGED)


def rescue(folder: Path, secret: Secret, target: Path) -> Rescue:
    """Make a new read-only journal in ``target`` from all that can be read in ``folder``.

    Raises :class:`WrongPassphrase`, :class:`DamagedVault` when the keys are lost or nothing can be read,
    :class:`NewerVault`, :class:`VaultLocked` while it is open, :class:`VaultError` when ``target`` is not empty,
    :class:`VaultWriteError` when it cannot be written. ``folder`` is not changed.
    """
    check_build()
    guard = _keep_out(folder)
    try:
        with folders.writing():
            if target.exists() and (not target.is_dir() or any(target.iterdir())):
                raise VaultError(_TAKEN)
            if folder.resolve() in target.resolve().parents:
                raise VaultError(_INSIDE)
        _refuse_plain(folder / DATABASE)
        for file in _openable(folder, secret):
            key = keys.open_key(file, secret)
            try:
                with Pages.open(folder / DATABASE, key, folder / WAL) as pages:
                    found = Found([pages, *(pages.earlier() if _log_damaged(pages) else ())])
                    if pages.checked or found.count:
                        return _build(found, pages, file, key, target)
            finally:
                keys.wipe(key)
        raise DamagedVault(_NOTHING)
    finally:
        if guard is not None:
            guard.close()


def _refuse_plain(path: Path) -> None:
    """Raise :class:`DamagedVault` for a file that is not encrypted: nobody knows who made it."""
    with folders.reading():
        if not path.exists():
            return
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    if head == MAGIC:
        folders.check_header(path)


def _log_damaged(pages: Pages) -> bool:
    return pages.log is not None and pages.log.damaged


def _keep_out(folder: Path) -> Any:
    """Take the journal's lock if it has one; where nothing can be written nobody else writes either."""
    if not (folder / LOCK).exists():
        return None
    try:
        return folders.take_lock(folder)
    except VaultWriteError:
        return None


def _openable(folder: Path, secret: Secret) -> list[KeyFile]:
    files, wrong = [], None
    for file in folders.key_files(folder):
        try:
            keys.wipe(keys.open_key(file, secret))
            files.append(file)
        except WrongPassphrase as error:
            wrong = wrong or error
    if not files:
        raise wrong or DamagedVault(DAMAGED)
    return files


# putting together -------------------------------------------------------------------------------


class Found:
    """Everything that was found in one or more states of a file, the newest first (a ``whole.Source``).

    An entry comes from the newest state in which it is whole; an older text is kept as a version.
    """

    def __init__(self, states: Sequence[Pages], *, doubtful: bool = False) -> None:
        """Read ``states``. ``doubtful``: pages of different moments may be mixed, so a text that lies on several
        counts only if the search text beside it says the same."""  # fmt: skip
        self.meta: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self._wholes: dict[str, Whole] = {}
        self._settings: dict[str, str] = {}
        self._pictures: dict[str, tuple[Pages, Record, bool]] = {}
        known: set[str] = set()
        for pages in states:
            state = _State(pages, doubtful)
            for key, value in state.meta.items():
                self.meta.setdefault(key, value)
            for key, value in state.settings.items():
                self._settings.setdefault(key, value)
            for number, whole in sorted(state.wholes.items()):
                self._take(number, whole)
            for picture_id, (record, cut) in state.pictures.items():
                self._take_picture(picture_id, pages, record, cut)
            known |= set(state.ids.values())
        self.lost = len(known - set(self._wholes))

    @property
    def count(self) -> int:
        """How many entries there are."""
        return len(self._wholes)

    def entries(self) -> Iterator[Whole]:
        """Yield every entry, in the order in which they were made."""
        for entry_id in sorted(self._wholes, key=lambda known: self.numbers[known]):
            whole = self._wholes[entry_id]
            pictures = tuple(replace(picture, cut=self._pictures[picture.id][2]) for picture in whole.pictures)
            yield replace(whole, pictures=pictures)

    def settings(self) -> dict[str, str]:
        """Return the private settings, values as JSON."""
        return self._settings

    def picture(self, picture_id: str) -> bytes | None:
        """Return the bytes of a picture as far as they are good, or None if there is nothing to show."""
        pages, record, _ = self._pictures[picture_id]
        data = pages.whole(record).values[6]
        try:
            kind_of(data or b"")
        except VaultError:
            return None
        return data

    def _take(self, number: int, whole: Whole) -> None:
        have = self._wholes.get(whole.id)
        self._wholes[whole.id] = whole if have is None else _with_older(have, whole)
        self.numbers.setdefault(whole.id, number)

    def _take_picture(self, picture_id: str, pages: Pages, record: Record, cut: bool) -> None:
        have = self._pictures.get(picture_id)
        if have is None or (have[2] and not cut):
            self._pictures[picture_id] = pages, record, cut


def _with_older(have: Whole, older: Whole) -> Whole:
    """Return ``have`` with what only an older state of the file still holds."""
    base = older if have.cut and not older.cut and older.revision >= have.revision else have
    versions = {version.revision: version for version in (*older.versions, *have.versions)}
    if older.revision < base.revision and have.cut:
        versions.setdefault(older.revision, Version(older.revision, older.text, older.saved_utc))
    pictures = {picture.id: picture for picture in (*older.pictures, *have.pictures)}
    return replace(
        base,
        versions=tuple(versions[number] for number in sorted(versions) if number < base.revision),
        tags=have.tags or older.tags,
        corrections=have.corrections or older.corrections,
        pictures=tuple(pictures.values()),
    )


class _State:
    """The rows of one state, gathered by entry."""

    def __init__(self, pages: Pages, doubtful: bool) -> None:
        self.meta: dict[str, str] = {}
        self.settings: dict[str, str] = {}
        self.ids: dict[int, str] = {}
        self.pictures: dict[str, tuple[Record, bool]] = {}
        self.wholes: dict[int, Whole] = {}
        self._pages = pages
        self._doubtful = doubtful
        self._entries: dict[int, Record] = {}
        self._folded: dict[int, tuple[bytes, bool]] = {}
        self._perhaps: dict[int, list[Record]] = {}
        self._when: dict[int, tuple[str, str]] = {}
        self._versions: dict[int, list[tuple[Version, bool]]] = {}
        self._tags: dict[int, list[tuple[int, str]]] = {}
        self._corrections: dict[int, list[tuple[str, str, str, str]]] = {}
        self._analyses: dict[int, tuple[int, str, bytes, str]] = {}
        self._of_entry: dict[int, list[Picture]] = {}
        for record in pages.records():
            getattr(self, f"_{_HANDLERS[record.table]}")(record)
        for page in self._perhaps.values():
            # One row that begins like its entry speaks for all on its page: a page belongs to one table.
            if any(self._begins_alike(record) for record in page):
                for record in page:
                    self._search(record)
        numbers = {*self._entries, *self._versions, *self._of_entry}
        # Search text alone is an entry whose row is lost; of a lone log it says nothing of the kind.
        if not doubtful:
            numbers |= set(self._folded)
        for number in sorted(numbers):
            whole = self._whole(number)
            if whole is not None:
                self.wholes[number] = whole

    # one kind of row each

    def _entry(self, record: Record) -> None:
        have = self._entries.get(record.row)
        if have is None or (not record.cut, record.values[8] or 0) > (not have.cut, have.values[8] or 0):
            self._entries[record.row] = record
            self.ids[record.row] = record.values[1]

    def _id(self, record: Record) -> None:
        self.ids.setdefault(record.values[1], record.values[0])

    def _moment(self, record: Record) -> None:
        self._when[record.values[2]] = record.values[0], record.values[1]

    def _search(self, record: Record) -> None:
        self._folded[record.row] = record.values[1] or b"", record.cut

    def _perhaps_search(self, record: Record) -> None:
        self._perhaps.setdefault(record.pages[0], []).append(record)

    def _begins_alike(self, record: Record) -> bool:
        entry = self._entries.get(record.row)
        begun = from_bytes(_readable(entry.values[2])[0])[:_CLUSTER] if entry is not None else ""
        return bool(begun) and (record.values[1] or b"").startswith(to_bytes(fold(begun[: max(1, len(begun) - 2)])))

    def _version(self, record: Record) -> None:
        number, revision, data, saved = record.values[:4]
        if self._doubtful and not self._pages.all_in_log(record):
            data = self._pages.first_part(record).values[2]
        text, mended = _readable(data)
        version = Version(revision, text, _moment_or(saved, f"{_NEVER}T00:00:00Z"))
        if version.text or not record.cut:
            self._versions.setdefault(number, []).append((version, record.cut or mended))

    def _tag(self, record: Record) -> None:
        if not record.cut:
            self._tags.setdefault(record.values[0], []).append(record.values[1:3])

    def _correction(self, record: Record) -> None:
        if not record.cut:
            number, task, label, verdict, moment = record.values[:5]
            self._corrections.setdefault(number, []).append((task, label, verdict, moment))

    def _analysis(self, record: Record) -> None:
        if not record.cut and not self._doubtful:
            _, revision, body, vector, moment = record.values[:5]
            self._analyses[record.row] = revision, body, vector, moment

    def _picture(self, record: Record) -> None:
        _, picture_id, number, kind, size, created = record.values[:6]
        if picture_id in self.pictures:
            return
        # Where every page is good, so are its pictures; they are large, so they are not read twice.
        cut = False
        if self._doubtful or self._pages.bad or not self._pages.checked:
            whole = self._pages.whole(record)
            cut = whole.cut or len(whole.values[6]) != size or (self._doubtful and not self._pages.all_in_log(whole))
        self.pictures[picture_id] = record, cut
        self._of_entry.setdefault(number, []).append(Picture(picture_id, kind, size, created, cut))

    def _setting(self, record: Record) -> None:
        if not record.cut:
            self.settings[record.values[0]] = record.values[1]

    def _meta(self, record: Record) -> None:
        if not record.cut:
            self.meta[record.values[0]] = record.values[1]

    # an entry of what was gathered

    def _whole(self, number: int) -> Whole | None:
        record = self._entries.get(number)
        values: Sequence[Any] = record.values if record is not None else (None,) * 18
        text, cut = self._text(number, record)
        by_revision = {version.revision: (version, cut) for version, cut in self._versions.get(number, ())}
        versions = [by_revision[revision] for revision in sorted(by_revision)]
        pictures = tuple(self._of_entry.get(number, ()))
        if record is None and not text and not versions and not pictures:
            return None
        day, clock_time = self._when.get(number, ("", ""))
        last = versions[-1][0] if versions else None
        saved = last.saved_utc if last else f"{_NEVER}T00:00:00Z"
        day = _first(_DATE, values[4], day, saved[:10])
        clock_time = _first(_TIME, values[5], clock_time, saved[11:19])
        stamp = f"{day}T{clock_time}Z"
        revision = values[9] if isinstance(values[9], int) and values[9] > 0 else None
        if revision is None or (last is not None and last.revision >= revision):
            # The row is lost or older than its versions: the newest text that is known becomes the present one.
            if last is not None and (revision is not None or not text):
                text, cut, revision = last.text, True, last.revision
                versions = versions[:-1]
            else:
                revision = last.revision + 1 if last else 1
        highest = versions[-1][0].revision + 1 if versions else 1
        analysis = self._analyses.get(number)
        return Whole(
            id=self.ids.get(number) or uuid.uuid4().hex,
            text=text,
            local_date=day,
            local_time=clock_time,
            offset_minutes=_between(values[6], -1080, 1080) or 0,
            created_utc=_moment_or(values[7], stamp),
            modified_utc=_moment_or(values[8], stamp),
            revision=max(revision, highest),
            saved_utc=_moment_or(values[10], stamp),
            sitting_utc=_moment_or(values[11], stamp),
            kept_utc=values[12] if _MOMENT.fullmatch(str(values[12])) else None,
            valence=_between(values[13], 1, 5),
            energy=_between(values[14], 1, 5) if _between(values[13], 1, 5) else None,
            for_therapist=int(values[15] == 1),
            # Unknown: the model had better not read it; of a log, which is only joined, it must not decide.
            read_me=int(self._doubtful if values[16] is None else values[16] != 0),
            deleted_utc=values[17] if _MOMENT.fullmatch(str(values[17])) else None,
            versions=tuple(version for version, _ in versions),
            tags=tuple(dict.fromkeys(name for _, name in sorted(self._tags.get(number, ())))),
            corrections=tuple(sorted({c[:2]: c for c in self._corrections.get(number, ())}.values())),
            analysis=analysis if analysis is not None and not cut and analysis[0] <= revision else None,
            pictures=pictures,
            cut=cut or any(cut_version for _, cut_version in versions),
        )

    def _text(self, number: int, record: Record | None) -> tuple[bytes, bool]:
        """Return the text of an entry, and whether it is anything less than exact."""
        folded, folded_cut = self._folded.get(number, (b"", True))
        searched = _readable(folded)[0]
        if record is None:
            return searched, True
        data = record.values[2] or b""
        text, mended = _readable(data)
        # Where pages could not be authenticated, or are of several moments, the search text is asked as a witness.
        doubted = not self._pages.checked or (self._doubtful and not self._pages.all_in_log(record))
        denied = doubted and not folded_cut and to_bytes(fold(from_bytes(text))) != folded
        unsure = self._doubtful and doubted and folded_cut and len(record.pages) > 1
        if not record.cut and not mended and not denied and not unsure:
            return text, False
        if self._doubtful:
            return _readable(self._pages.first_part(record).values[2])[0] if doubted else text, True
        text_is_whole = not mended and not denied and record.values[4] is not None
        return (text if text_is_whole else _mended(text, searched, not folded_cut)), True


_HANDLERS = {
    "entry": "entry",
    "revision": "version",
    "image": "picture",
    "tag": "tag",
    "correction": "correction",
    "analysis": "analysis",
    "setting": "setting",
    "meta": "meta",
    "search_text": "search",
    PERHAPS_SEARCH: "perhaps_search",
    "sqlite_autoindex_entry_1": "id",
    "entry_when": "moment",
}


def _readable(data: bytes | None) -> tuple[bytes, bool]:
    """Return ``data`` as bytes that read as text, and whether anything had to be changed for that."""
    data = data or b""
    try:
        data.decode("utf-8", "surrogatepass")
        return data, False
    except UnicodeDecodeError as error:
        if len(data) - error.start < 4:  # cut in the middle of a character
            return data[: error.start], True
        return data.decode("utf-8", "replace").encode("utf-8"), True


def _mended(text: bytes, searched: bytes, searched_whole: bool) -> bytes:
    """Return the good beginning of a text with the rest from the search text, whose letters have lost their case."""
    begun, all_of_it = from_bytes(text), from_bytes(searched)
    if fold(begun).startswith(all_of_it):
        return text
    size = _agreeing(begun, all_of_it)
    if searched_whole or len(begun) - size < _CLUSTER:
        return to_bytes(begun[:size] + all_of_it[len(fold(begun[:size])) :])
    return to_bytes(f"{begun}\n\n{all_of_it}")


def _agreeing(begun: str, folded: str) -> int:
    """Return how many characters of a text the folded text begins with."""

    def last(size: int) -> int | None:
        # Between the parts of what folds as one character nothing agrees: look back to the one before.
        low = max(0, size - _CLUSTER)
        return next((at for at in range(size, low - 1, -1) if folded.startswith(fold(begun[:at]))), None)

    low, high = 0, len(begun)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if last(middle) is not None else (low, middle - 1)
    return last(low) or 0


def _first(form: re.Pattern[str], *values: object) -> str:
    return next((value for value in values if isinstance(value, str) and form.fullmatch(value)), "")


def _moment_or(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) and _MOMENT.fullmatch(value) else otherwise


def _between(value: object, low: int, high: int) -> int | None:
    return value if isinstance(value, int) and low <= value <= high else None


# the new journal --------------------------------------------------------------------------------


def _build(found: Found, pages: Pages, file: KeyFile, key: bytearray, target: Path) -> Rescue:
    """Make the journal beside its place and move it there whole."""
    version = _schema_version(pages)
    if version > schema.CURRENT:
        raise NewerVault(
            "This journal was made by a newer version of Quiet Page. Nothing was changed. "
            "Install the newer version to rescue it."
        )
    if not found.count and pages.bad == tuple(range(1, pages.count + 1)):
        raise DamagedVault(_NOTHING)
    with folders.writing():
        folders.make_folder(target.parent)
        stage = target.parent / f"{STAGE}{secrets.token_hex(6)}"
        stage.mkdir(mode=0o700)
    try:
        with folders.writing():
            database = stage / DATABASE
            os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            connection = Connection(database, key)
            try:
                schema.migrate(connection)
                entries, revisions, images, cut = _fill(connection, found, file)
                connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()
            folders.write_key_files(stage, file)
            folders.sync(database)
            folders.sync(stage)
            if target.exists():
                target.rmdir()
            os.rename(stage, target)
            folders.sync(target.parent)
    finally:
        if stage.exists():
            shutil.rmtree(stage, ignore_errors=True)
    return Rescue(
        entries,
        revisions,
        images,
        cut,
        pages.count,
        pages.bad,
        target,
        lost=found.lost,
        checked=pages.checked,
        log=_log_damaged(pages),
    )


def _fill(connection: Connection, found: Found, file: KeyFile) -> tuple[int, int, int, int]:
    rows = Rows(connection)
    entries = revisions = images = cut = 0
    wholes = list(found.entries())
    # Of two entries that had one number at different times the later state keeps it; the others go to the end.
    owners: dict[int, str] = {}
    for whole in wholes:
        owners.setdefault(found.numbers[whole.id], whole.id)
    wholes.sort(key=lambda whole: owners[found.numbers[whole.id]] != whole.id)
    with connection.transaction():
        for whole in wholes:
            number = found.numbers[whole.id]
            images += rows.add(whole, found, number if owners[number] == whole.id else None, to_read=False)
            entries += 1
            revisions += 1 + len(whole.versions)
            cut += whole.cut + sum(picture.cut for picture in whole.pictures)
        rows.add_settings(found.settings())
        for key, value in (
            ("vault_id", file.vault_id),
            ("created_utc", found.meta.get("created_utc", folders.stamp())),
            ("read_only", "1"),
        ):
            connection.rows("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", (key, value))
    return entries, revisions, images, cut


def _schema_version(pages: Pages) -> int:
    first = pages.page(1)
    return int.from_bytes(first[60:64], "big") if first is not None else 0
