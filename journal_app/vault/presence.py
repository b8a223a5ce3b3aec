"""The mark that an open journal leaves in its folder, and what it says of the write-ahead log.

A journal may lie in a folder that a sync program copies between computers, file by file and in any
order. Two things can go wrong there, and this module notices both:

- **Another computer has it open.** The mark names the computer (by a random number) and the moment; it is
  renewed every minute. A fresh mark of another computer stops an opening, until the writer says otherwise.
- **A log beside a file that it does not belong to.** SQLite would copy the pages of any log it finds into the
  file. Here the file changes only when the vault copies its log (never in passing), and the first thing in
  each log is a new first page. The mark holds the log's identity (its salts), a hash of the first page of the file that
  it builds upon and, before a copy begins, how far the log reaches. At opening a log is accepted if it is the one of
  the mark and the file is the one it builds upon, or the one that copying it has made or begun to make (the first
  page is copied first) and the log is whole: copying it once more changes nothing then. Any other log is moved
  aside, and its words are read out.

A journal without a mark was last closed by a version that left none; its log is accepted.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import struct
import threading
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import platformdirs

from journal_app.vault import folder as folders
from journal_app.vault.folder import DATABASE
from journal_app.vault.records import OpenElsewhere, VaultWriteError

MARK = "journal.session"
WAL = f"{DATABASE}-wal"
PAGE, SECTOR = 4096, 512
FRESH = timedelta(minutes=3)
BEAT = timedelta(minutes=1)
_HEADER = struct.Struct(">8I")
_FRAME = 24
_ELSEWHERE = (
    "This journal seems to be open on another computer (its last sign is {0} old). Nothing was changed. Close it "
    "there first. If you open it here all the same and write on both, both copies are kept and joined."
)


@dataclass(frozen=True, slots=True)
class LogEnd:
    """How far a log reached: its identity, its number of frames, and the running checksum of the last one.

    ``first_page``: SHA-256 of the newest first page in it, "" if it holds none.
    """

    salts: str
    frames: int
    checksum: str
    first_page: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What the file says.

    Attributes:
        device: random number of the computer (and user) that wrote it.
        opened_utc, beat_utc: ISO 8601. is_open: whether the journal was open then.
        base: SHA-256 of the first page, as it lay on the disk, of the file that the log builds upon.
        sectors: the beginnings of the SHA-256 of that page's sectors: a power cut may leave a page half copied.
        salts: identity of the log; "" before it is begun: a log found then is another's.
        end: the log as it was before it was copied into the file; None while it only grows.
    """

    device: str
    opened_utc: str
    beat_utc: str
    is_open: bool
    base: str
    salts: str = ""
    end: LogEnd | None = None
    sectors: str = ""


def device() -> str:
    """Return a random number that stands for this user on this computer; it says nothing of either."""
    path = Path(platformdirs.user_state_dir("quiet-page", appauthor=False)) / "device"
    try:
        known = path.read_text("ascii").strip()
        if len(known) == 32 and all(c in "0123456789abcdef" for c in known):
            return known
    except (OSError, ValueError):
        pass
    made = secrets.token_hex(16)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folders.replace_file(path, made.encode("ascii"))
    except OSError:
        pass  # another number the next time: at worst a question too many
    return made


def read(folder: Path) -> Mark | None:
    """Return the mark in ``folder``, or None if there is none that can be understood."""
    try:
        said: dict[str, Any] = json.loads(folders.head(folder / MARK, 10_000))
        end = LogEnd(**said["end"]) if said["end"] else None
        mark = Mark(**{**{k: said[k] for k in Mark.__slots__ if k in said}, "end": end})
        sane = datetime.fromisoformat(mark.beat_utc).tzinfo is not None and (end is None or type(end.frames) is int)
        return mark if sane else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def write(folder: Path, mark: Mark) -> None:
    """Write the mark; raise :class:`VaultWriteError` if the disk refuses."""
    data = {"format": "quietpage-session", **asdict(mark)}
    with folders.writing():
        folders.replace_file(folder / MARK, (json.dumps(data) + "\n").encode("ascii"))


def check_elsewhere(folder: Path, here: str, now: datetime) -> None:
    """Raise :class:`OpenElsewhere` if another computer's mark is fresh."""
    mark = read(folder)
    if mark is None or not mark.is_open or mark.device == here:
        return
    age = abs(now - datetime.fromisoformat(mark.beat_utc))  # clocks of two computers may differ either way
    if age < FRESH:
        raise OpenElsewhere(_ELSEWHERE.format(f"{int(age.total_seconds())} seconds"))


def first_page(folder: Path) -> str:
    """Return the hash that identifies the file's state between two copies of the log into it."""
    return hashlib.sha256(_read_first_page(folder)).hexdigest()


def _read_first_page(folder: Path) -> bytes:
    with folders.reading(), (folder / DATABASE).open("rb") as file:
        return file.read(PAGE)


def _sectors(page: bytes) -> list[str]:
    return [hashlib.sha256(page[at : at + SECTOR]).hexdigest()[:16] for at in range(0, len(page), SECTOR)]


def _state(folder: Path) -> dict[str, str]:
    page = _read_first_page(folder)
    return {"base": hashlib.sha256(page).hexdigest(), "sectors": "".join(_sectors(page))}


def log_end(folder: Path, most: int | None = None) -> LogEnd | None:
    """Return how far the log reaches (frames of its present generation, ``most`` of them), or None if it is empty."""
    try:
        with (folder / WAL).open("rb") as file:
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size:
                return None
            salts = head[16:24]
            frames, checksum, first = 0, b"", ""
            while most is None or frames < most:
                file.seek(_HEADER.size + frames * (_FRAME + PAGE))
                frame = file.read(_FRAME)
                if len(frame) < _FRAME or frame[8:16] != salts:
                    break
                if frame[:4] == b"\0\0\0\1":
                    first = hashlib.sha256(file.read(PAGE)).hexdigest()
                frames, checksum = frames + 1, frame[16:24]
    except OSError:
        return None
    return LogEnd(salts.hex(), frames, checksum.hex(), first) if frames else None


def log_belongs(folder: Path) -> bool:
    """Tell whether SQLite may read the log that lies in ``folder`` into the file beside it."""
    mark = read(folder)
    found = log_end(folder, 1)
    if found is None or mark is None:
        return True
    if not mark.salts or found.salts != mark.salts:
        return False
    file = first_page(folder)
    # Upon the file that it builds upon, any beginning of the log is an earlier moment of the same journal.
    if file == mark.base:
        return True
    if mark.end is None or log_end(folder, mark.end.frames) != mark.end:
        return False
    return file == mark.end.first_page or _half_copied(folder, mark, mark.end.frames)


def _half_copied(folder: Path, mark: Mark, frames: int) -> bool:
    """Tell whether each sector of the file's first page is either what was there or what was being copied."""
    new = b""
    with folders.reading(), (folder / WAL).open("rb") as log:
        for number in range(frames):
            log.seek(_HEADER.size + number * (_FRAME + PAGE))
            if log.read(_FRAME)[:4] == b"\0\0\0\1":
                new = log.read(PAGE)
    was = [mark.sectors[at : at + 16] for at in range(0, len(mark.sectors), 16)]
    found = _sectors(_read_first_page(folder))
    return len(found) == len(was) == len(_sectors(new)) and all(
        sector in either for sector, *either in zip(found, was, _sectors(new), strict=True)
    )


def move_log_aside(folder: Path) -> Path:
    """Take a log that belongs to another file out of SQLite's way; joining the copies finds it by its name."""
    with folders.writing():
        target = folder / f"journal.{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}.qpv-wal"
        os.replace(folder / WAL, target)
        (folder / f"{DATABASE}-shm").unlink(missing_ok=True)
        folders.sync(folder)
    return target


class Presence:
    """The mark of one open journal, kept true while it is open."""

    def __init__(self, folder: Path, here: str, now: datetime) -> None:
        """Leave the mark; raise :class:`VaultWriteError` if it cannot be written."""
        self._folder = folder
        self._files = _identities(folder)
        self._putting = threading.Lock()
        stamp = _stamp(now)
        left = log_end(folder, 1)  # by a crash, and accepted: it goes on
        if left is not None:
            # A program that was killed may have copied pages that the disk does not have yet.
            with folders.writing():
                folders.sync(folder / DATABASE)
        state = _state(folder)
        salts = left.salts if left else ""
        self._mark = Mark(here, stamp, stamp, True, base=state["base"], sectors=state["sectors"], salts=salts)
        write(folder, self._mark)

    def notice(self, now: datetime) -> str:
        """Return ``replaced`` when another file lies in the place of the open one or of its log, ``elsewhere`` when
        another computer has left its mark, else ""; renews the mark once a minute."""  # fmt: skip
        if self.replaced:
            return "replaced"
        found = read(self._folder)
        if found is not None and found.device != self._mark.device:
            return "elsewhere" if found.is_open else ""
        if found is None or abs(now - datetime.fromisoformat(self._mark.beat_utc)) >= BEAT:
            try:
                self._put(beat_utc=_stamp(now))
            except VaultWriteError:
                pass  # a disk that refuses is told where words are at stake
        return ""

    @property
    def replaced(self) -> bool:
        """Whether another file, or none, lies in the place of the open one or of its log."""
        return _identities(self._folder) != self._files

    @property
    def log_begun(self) -> bool:
        """Whether the log has a beginning that the mark names; nothing else may be written before it has."""
        return bool(self._mark.salts)

    def begin_log(self) -> None:
        """Name the log, whose first transaction (of no consequence) has just been written."""
        begun = log_end(self._folder, 1)
        self._put(salts=begun.salts if begun else "")

    def before_copy(self) -> None:
        """Note how far the log reaches, before it is copied into the file; nobody may write meanwhile."""
        self._put(end=log_end(self._folder))

    def after_copy(self) -> None:
        """Note the file as it is after its log was copied whole and emptied."""
        # Known first, noted then: if the disk refuses the note, the next write must begin the log anew all the same.
        with self._putting:
            self._mark = replace(self._mark, **_state(self._folder), salts="", end=None)
        self._put()

    def leave(self, now: datetime) -> None:
        """Say that the journal is closed. What the log built upon stays noted: a late copy of it may turn up."""
        self._put(beat_utc=_stamp(now), is_open=False)

    def _put(self, **changes: Any) -> None:
        with self._putting:  # a beat and the beginning of a log may meet; neither may undo the other
            mark = replace(self._mark, **changes)
            write(self._folder, mark)
            self._mark = mark


def _identities(folder: Path) -> tuple[tuple[int, int] | None, ...]:
    """Return what tells the file and its log from others of the same names."""
    return tuple(_identity(folder / name) for name in (DATABASE, WAL))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
