"""The encrypted file page by page, read without SQLite: what a damaged journal still holds.

SQLCipher 4, default settings, raw key. A page of 4,096 bytes is its content (AES-256-CBC), the IV (16)
and an HMAC-SHA512 (64) over both and the page's number. The first 16 bytes of page 1 are a salt, from which
the HMAC's key comes; the cipher's key does not depend on it. A page that fails its check is named and never
used. ``journal.qpv-wal`` holds newer forms of pages, sealed alike.

Above the pages: SQLite's b-trees and records (sqlite.org/fileformat2.html). Nothing is written here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from journal_app.vault import folder as folders
from journal_app.vault.log import PAGE, Frame, Log

USABLE = PAGE - 80
SALT = 16
MAGIC = b"SQLite format 3\x00"
LOCK_PAGE = 0x40000000 // PAGE + 1
"""The page at 1 GiB, over which SQLite lays its locks: it never has content."""
_FORM = b"\x10\x00\x02\x02\x50\x40\x20\x20"
"""Bytes 16 to 23 of every SQLCipher 4 file with a log: page size, versions, reserve, fractions."""
_SAMPLE = 16
"""Pages on which a salt is tried."""
_FEW = 16
_MOST_NUMBERS = 50_000
"""Damaged frames whose number is looked for, and how far."""
_LEAF, _INNER, _INDEX_LEAF, _INDEX_INNER = 0x0D, 0x05, 0x0A, 0x02

# What the rows of each table look like, a letter for each column: Null, Integer, Float, Text, Blob.
_SHAPES: dict[str, re.Pattern[str]] = {
    "entry": re.compile("NTBITTITTITT[TN][IN][IN]II[TN]"),
    "revision": re.compile("IIBT"),
    "image": re.compile("NTITITB"),
    "tag": re.compile("IIT"),
    "correction": re.compile("ITTTT"),
    "analysis": re.compile("NITBT"),
    "setting": re.compile("TT"),
    "meta": re.compile("TT"),
}
# Told by the tree they are in: other tables have rows of the same shape.
_TREES_ONLY: dict[str, re.Pattern[str]] = {
    "search_text": re.compile("NB"),
    "sqlite_autoindex_entry_1": re.compile("TI"),
    "entry_when": re.compile("TTI"),
}
PERHAPS_SEARCH = "search_text?"
"""Name of rows that look like those of ``search_text``, in a tree whose name is lost."""
_SCHEMA = re.compile("TTTI[TN]")
_META = ("vault_id", "created_utc", "fold", "read_only")
_HEX_ID = re.compile("[0-9a-f]{32}")


class _Seal:
    """Opens pages under one data key; ``salt`` is None when it is lost, and pages cannot be checked then."""

    def __init__(self, key: bytes | bytearray, salt: bytes | None) -> None:
        self._cipher = algorithms.AES(bytes(key))
        self.salt = salt
        if salt is not None:
            self._mac = hashlib.pbkdf2_hmac("sha512", bytes(key), bytes(byte ^ 0x3A for byte in salt), 2, 32)

    def fits(self, raw: bytes, number: int) -> bool:
        """Tell whether ``raw`` is page ``number`` as it was written."""
        if len(raw) != PAGE or self.salt is None:
            return False
        start = SALT if number == 1 else 0
        found = hmac.digest(self._mac, raw[start : USABLE + 16] + struct.pack("<I", number), "sha512")
        return hmac.compare_digest(found, raw[USABLE + 16 :])

    def open(self, raw: bytes, number: int) -> bytes | None:
        """Return the usable bytes of page ``number``, or None if it fails its check."""
        if len(raw) != PAGE or (self.salt is not None and not self.fits(raw, number)):
            return None
        start = SALT if number == 1 else 0
        decryptor = Cipher(self._cipher, modes.CBC(raw[USABLE : USABLE + 16])).decryptor()
        plain = decryptor.update(raw[start:USABLE]) + decryptor.finalize()
        if number == 1:
            return MAGIC + plain if plain.startswith(_FORM) else None
        return plain


@dataclass(frozen=True, slots=True)
class Record:
    """A row as it was found.

    Attributes:
        table: name of the table or index. row: its number in the table (0 in an index).
        values: columns in the order of the schema; what is lost is None, what is cut ends early.
        cut: whether something is missing. pages: those that it lies on, the leaf first.
        place: the page, and where on it, for :meth:`Pages.whole`.
    """

    table: str
    row: int
    values: tuple[Any, ...]
    cut: bool
    pages: tuple[int, ...]
    place: tuple[int, int]


class Pages:
    """The pages of a database and its log, as they stand at one moment.

    Attributes:
        count: pages that the file should have. checked: false when the salt is lost, so that no page
            can be authenticated: only what has the form of the journal's rows is taken then.
        log: the log, or None. from_log: how many of its frames are good.
    """

    def __init__(
        self, seal: _Seal, file: BinaryIO | None, log: Log | None, frames: Iterable[Frame], *, lone: bool = False
    ) -> None:
        self._seal = seal
        self._file = file
        self.log = log
        self._lone = lone
        self._frames: dict[int, int] = {}
        self._bad: tuple[int, ...] | None = None
        self._names: dict[int, str] | None = None
        committed = 0
        frames = tuple(frames)
        fits = [seal.salt is None or seal.fits(self._log_bytes(frame.at), frame.number) for frame in frames]
        self.from_log = sum(fits)
        few = len(fits) - self.from_log <= _FEW
        for frame, good in zip(frames, fits, strict=True):
            # In a frame that fails its check the number may be what is wrong.
            number = frame.number if good or not few else self._true_number(frame, frames)
            self._frames[number] = frame.at
            committed = (good and frame.commit) or committed
        self.checked = seal.salt is not None
        self.count = self._count(committed)

    @classmethod
    def open(cls, database: Path, key: bytes | bytearray, log: Path | None = None, *, lone: bool = False) -> Pages:
        """Open the newest state of ``database`` with its ``log``; files that are missing count as empty.

        ``lone``: the log belongs to another state of this file, so only rows in the log count, and
        pages of the file only carry on what begins there.
        """
        with folders.reading():
            file = database.open("rb") if database.exists() else None
        opened = None
        try:
            opened = Log(log) if log is not None and log.exists() else None
            seal = _Seal(key, _find_salt(key, file, opened))
            return cls(seal, file, opened, (*opened.frames, *opened.beyond) if opened else (), lone=lone)
        except BaseException:
            for handle in (file, opened):
                if handle is not None:
                    handle.close()
            raise

    def earlier(self) -> list[Pages]:
        """Return older states, on the same open files: as SQLite would read it, and the file without its log."""
        if self.log is None or self._lone:
            return []
        states = [Pages(self._seal, self._file, self.log, self.log.frames)] if self.log.beyond else []
        return [*states, Pages(self._seal, self._file, None, ())]

    def close(self) -> None:
        """Close the files."""
        if self._file is not None:
            self._file.close()
        if self.log is not None:
            self.log.close()

    def __enter__(self) -> Pages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # pages ---------------------------------------------------------------------------------

    def page(self, number: int) -> bytes | None:
        """Return the usable 4,016 bytes of a page, or None if it is missing or fails its check."""
        return self._seal.open(self._raw(number), number) if number > 0 else None

    @property
    def bad(self) -> tuple[int, ...]:
        """The pages that are missing or fail their check, in order."""
        if self._bad is None:
            self._bad = tuple(
                number
                for number in range(1, self.count + 1)
                if number != LOCK_PAGE and ((number == 1 and self.salt_lost) or not self._sound(number))
            )
        return self._bad

    def _true_number(self, frame: Frame, frames: Sequence[Frame]) -> int:
        """Return the number under which a frame passes its check, or the one it claims if there is none."""
        raw = self._log_bytes(frame.at)
        highest = min(max(max(other.number, other.commit) for other in frames), _MOST_NUMBERS)
        return next((number for number in range(1, highest + 1) if self._seal.fits(raw, number)), frame.number)

    def _sound(self, number: int) -> bool:
        if not self.checked:
            return self.page(number) is not None
        return self._seal.fits(self._raw(number), number)

    def _raw(self, number: int) -> bytes:
        at = self._frames.get(number)
        return self._log_bytes(at) if at is not None else self._file_bytes(number)

    @property
    def salt_lost(self) -> bool:
        """Whether the file does not begin with the salt, without which SQLCipher opens nothing."""
        return self._file is not None and self._file_bytes(1)[:SALT] != (self._seal.salt or b"")

    def _count(self, committed: int) -> int:
        size = self._file.seek(0, 2) if self._file is not None else 0
        there = -(-size // PAGE)
        if committed:
            return committed
        first = self.page(1)
        if first is not None and first[24:28] == first[92:96]:
            return max(int.from_bytes(first[28:32], "big"), 1)
        return there

    def _file_bytes(self, number: int) -> bytes:
        if self._file is None:
            return b""
        with folders.reading():
            self._file.seek((number - 1) * PAGE)
            return self._file.read(PAGE)

    def _log_bytes(self, at: int) -> bytes:
        return b"" if self.log is None else self.log.bytes_at(at, PAGE)

    # rows ------------------------------------------------------------------------------------

    def records(self, only: str | None = None) -> Iterator[Record]:
        """Yield the rows on every good page, of the tables and indexes that hold the writer's words and their dates.

        A row whose continuation is lost yields what there is. Pictures are yielded as far as they lie on their first
        page, as if cut: see :meth:`whole`. ``only``: of that table, as far as its tree is whole.
        """
        names = self._trees() if only is None else self._tree(only)
        numbers: Iterable[int] = range(1, self.count + 1) if only is None else sorted(names)
        for number in sorted(self._frames) if self._lone else numbers:
            page = self.page(number)
            if page is None:
                continue
            owner = names.get(number)
            if owner is not None and owner not in _SHAPES and owner not in _TREES_ONLY:
                continue
            for at in _cells(page, number):
                found = self._record(page, number, at, owner)
                if found is not None:
                    yield found

    def whole(self, record: Record) -> Record:
        """Return ``record`` with every byte that can be read."""
        return self._again(record, follow=True)

    def first_part(self, record: Record) -> Record:
        """Return ``record`` as far as it lies on its first page."""
        return self._again(record, follow=False)

    def all_in_log(self, record: Record) -> bool:
        """Tell whether every page that ``record`` lies on is in the log, so that all are of one moment."""
        return all(number in self._frames for number in record.pages)

    def _again(self, record: Record, *, follow: bool) -> Record:
        number, at = record.place
        page = self.page(number)
        return (None if page is None else self._record(page, number, at, record.table, follow=follow)) or record

    def _record(
        self, page: bytes, number: int, at: int, owner: str | None, *, follow: bool | None = None
    ) -> Record | None:
        cell = _cell(page, number, at)
        if cell is None:
            return None
        row, size, local, follows = cell
        columns = _columns(local, size)
        if columns is None:
            return None
        table = _table("".join(letter for letter, _, _ in columns), owner)
        if table is None:
            return None
        pages = [number]
        if follows and (table != "image" if follow is None else follow):
            local, more = self._follow(local, size, follows)
            pages += more
        values = _values(columns, local)
        if table in ("entry", "image") and not _HEX_ID.fullmatch(str(values[1])):
            return None
        if owner is None and table == "setting" and values[0] in _META:
            table = "meta"
        return Record(table, row, values, len(local) < size, tuple(pages), (number, at))

    def _follow(self, local: bytes, size: int, follows: int) -> tuple[bytes, list[int]]:
        """Return the payload with its overflow pages, as far as they are good, and the numbers of those wanted."""
        parts, have, numbers = [local], len(local), []
        while follows and have < size and follows not in numbers and follows <= self.count:
            numbers.append(follows)
            page = self.page(follows)
            if page is None:
                break
            part = page[4 : 4 + min(USABLE - 4, size - have)]
            parts.append(part)
            have += len(part)
            follows = int.from_bytes(page[:4], "big")
        return b"".join(parts), numbers

    def _trees(self) -> dict[int, str]:
        """Return the name of the table or index that each reachable page belongs to."""
        if self._names is None:
            self._names = {}
            for root, name in self._roots(self._names).items():
                self._walk(root, name, self._names)
        return self._names

    def _tree(self, wanted: str) -> dict[int, str]:
        """Return the pages of one table."""
        names: dict[int, str] = {}
        for root, name in self._roots({}).items():
            if name == wanted:
                self._walk(root, name, names)
        return names

    def _roots(self, names: dict[int, str]) -> dict[int, str]:
        """Return the first page of every tree, as the schema says, and put the schema's own pages into ``names``."""
        whole = self._walk(1, "sqlite_master", names)
        leaves: Iterable[int] = tuple(names) if whole else range(1, self.count + 1)
        roots: dict[int, str] = {}
        for number in leaves:
            page = self.page(number)
            if page is None or page[_start(number)] != _LEAF:
                continue
            for at in _cells(page, number):
                cell = _cell(page, number, at)
                columns = None if cell is None else _columns(cell[2], cell[1])
                if cell is None or columns is None or not _SCHEMA.fullmatch("".join(c[0] for c in columns)):
                    break
                kind, name, _, root, _ = _values(columns, cell[2])
                if kind in ("table", "index") and isinstance(root, int) and 1 < root <= self.count:
                    roots[root] = str(name)
                    names[number] = "sqlite_master"
        return roots

    def _walk(self, root: int, name: str, names: dict[int, str]) -> bool:
        whole, waiting = True, [root]
        while waiting:
            number = waiting.pop()
            if number in names or not 1 <= number <= self.count:
                continue
            page = self.page(number)
            if page is None:
                whole = False
                continue
            names[number] = name
            start = _start(number)
            if page[start] in (_INNER, _INDEX_INNER):
                cells = [at for at in _cells(page, number) if at + 4 <= USABLE]
                waiting += [int.from_bytes(page[at : at + 4], "big") for at in [*cells, start + 8]]
        return whole


def _find_salt(key: bytes | bytearray, file: BinaryIO | None, log: Log | None) -> bytes | None:
    """Return the salt under which pages pass their check, or None when it is lost.

    Tried: the one in the file, those of first pages in the log, and each with one bit flipped.
    """
    sample: list[tuple[bytes, int]] = []
    told: list[bytes] = []
    with folders.reading():
        if file is not None:
            file.seek(0)
            told.append(file.read(SALT))
            size = file.seek(0, 2) // PAGE
            step = max(1, size // _SAMPLE)
            for number in range(1, size + 1, step):
                file.seek((number - 1) * PAGE)
                sample.append((file.read(PAGE), number))
    if log is not None:
        frames = (*log.frames, *log.beyond)
        for frame in frames[:_SAMPLE]:
            sample.append((log.bytes_at(frame.at, PAGE), frame.number))
        told += [log.bytes_at(frame.at, SALT) for frame in frames if frame.number == 1][:_SAMPLE]
    told = [salt for salt in dict.fromkeys(told) if len(salt) == SALT]
    flipped = [(int.from_bytes(salt, "big") ^ 1 << bit).to_bytes(SALT, "big") for salt in told for bit in range(128)]
    for salt in (*told, *flipped):
        seal = _Seal(key, salt)
        if any(seal.fits(raw, number) for raw, number in sample):
            return salt
    return None


# the b-trees of SQLite ------------------------------------------------------------------------


def _start(number: int) -> int:
    return 100 if number == 1 else 0


def _cells(page: bytes, number: int) -> list[int]:
    """Return where the cells of a b-tree page begin; none for any other page."""
    start = _start(number)
    kind = page[start]
    if kind not in (_LEAF, _INNER, _INDEX_LEAF, _INDEX_INNER):
        return []
    first = start + (12 if kind in (_INNER, _INDEX_INNER) else 8)
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    if first + 2 * count > USABLE:
        return []
    places = struct.unpack_from(f">{count}H", page, first)
    return [at if first + 2 * count <= at < USABLE else USABLE for at in places]


def _cell(page: bytes, number: int, at: int) -> tuple[int, int, bytes, int] | None:
    """Return the row number, the size of its record, its part on this page, and where it goes on (0: nowhere)."""
    kind = page[_start(number)]
    if kind == _INNER or at >= USABLE:
        return None
    if kind == _INDEX_INNER:
        at += 4
    size, at = _varint(page, at)
    row = 0
    if kind == _LEAF:
        row, at = _varint(page, at)
    most = USABLE - 35 if kind == _LEAF else (USABLE - 12) * 64 // 255 - 23
    least = (USABLE - 12) * 32 // 255 - 23
    here = size
    if size > most:
        here = least + (size - least) % (USABLE - 4)
        here = here if here <= most else least
    if not 0 < size < 1 << 31 or at + here + (4 if here < size else 0) > USABLE:
        return None
    follows = int.from_bytes(page[at + here : at + here + 4], "big") if here < size else 0
    return row, size, page[at : at + here], follows


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for step in range(9):
        byte = data[at] if at < len(data) else 0
        at += 1
        if step == 8:
            return value << 8 | byte, at
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at


def _columns(local: bytes, size: int) -> list[tuple[str, int, int]] | None:
    """Return for each column its letter, its serial type and where it begins; None if this is no record."""
    head, at = _varint(local, 0)
    if not at <= head <= min(len(local), size):
        return None
    found, place = [], head
    while at < head:
        serial, at = _varint(local, at)
        if serial in (10, 11):
            return None
        length = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[serial] if serial < 12 else (serial - 12) // 2
        letter = "NIIIIIIFII"[serial] if serial < 12 else "BT"[serial % 2]
        found.append((letter, serial, place))
        place += length
    # A record ends with its last column: damage rarely keeps to that.
    return found if at == head and place == size and found else None


def _values(columns: Sequence[tuple[str, int, int]], data: bytes) -> tuple[Any, ...]:
    """Return the values of a record of which only the bytes ``data`` are left."""
    found: list[Any] = []
    for letter, serial, place in columns:
        if letter == "N" or (place >= len(data) and serial > 13) or (place > len(data) and serial > 11):
            found.append(None)
            continue
        if serial >= 12:
            length = (serial - 12) // 2
            raw = data[place : place + length]
            if letter == "B":
                found.append(raw)
            else:
                found.append(raw.decode("utf-8", "replace") if len(raw) == length else None)
        elif serial in (8, 9):
            found.append(serial - 8)
        else:
            length = (0, 1, 2, 3, 4, 6, 8, 8)[serial]
            raw = data[place : place + length]
            if len(raw) < length:
                found.append(None)
            else:
                found.append(struct.unpack(">d", raw)[0] if letter == "F" else int.from_bytes(raw, "big", signed=True))
    return tuple(found)


def _table(letters: str, owner: str | None) -> str | None:
    if owner is not None:
        shape = _SHAPES.get(owner) or _TREES_ONLY.get(owner)
        # A later layout may have more columns at the end.
        return owner if shape is not None and shape.match(letters) else None
    if letters == "NB":
        return PERHAPS_SEARCH
    return next((name for name, shape in _SHAPES.items() if shape.fullmatch(letters)), None)
