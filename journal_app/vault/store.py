"""Every SQL statement about entries, their versions, tags, moods and settings.

``JournalStore`` implements ``records.Store``; what models find is in ``readings``, searching in
``search``. Each write is one transaction with everything that belongs to it: the text, its earlier
version, the search tables and the analysis job stand or fall together.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

from journal_app.vault.connection import Connection
from journal_app.vault.images import Images
from journal_app.vault.readings import FRESH_ENOUGH, Readings
from journal_app.vault.records import (
    Analysis,
    Correction,
    DamagedVault,
    DayRow,
    Entry,
    Image,
    IntegrityReport,
    Mood,
    Revision,
    SearchFilter,
    SearchHit,
    VaultError,
    VaultWriteError,
)
from journal_app.vault.search import SearchIndex, from_bytes, to_bytes

Clock = Callable[[], datetime]
"""Returns the present as an aware datetime in the writer's own zone."""

SITTING = timedelta(minutes=10)
"""Saves further apart than this belong to different sittings; a longer sitting is cut into such pieces."""
LOST_CHARACTERS = 20
LOST_EVERY = timedelta(minutes=1)
"""A save that takes away this much of the text keeps the version before it, at most once a minute."""
BIN_DAYS = 30

_COLUMNS = (
    "n, id, text, local_date, local_time, offset_minutes, created_utc, modified_utc, revision,"
    " valence, energy, for_therapist, read_me, deleted_utc"
)
# Han and kana are written without spaces: two of them count as a word, as the model's side counts too.
_CJK = "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_PAGE_NUMBER = re.compile(r"page (\d+)")
NAMED_PAGES = 12
"""Damaged pages that a message names one by one."""
_DENSE = re.compile(f"[{_CJK}]")
_WORD = re.compile(r"[^\W_]+(?:['’ʼ][^\W_]+)*")


class _Home(Protocol):
    """What a store asks of the journal that it belongs to."""

    def store(self, *, clock: Clock | None = None) -> JournalStore: ...

    def copy_log(self) -> bool: ...


def now() -> datetime:
    """Return the present in the computer's own zone."""
    return datetime.now().astimezone()


class JournalStore:
    """An open journal on one thread. See ``records.Store`` for what each method promises."""

    def __init__(self, connection: Connection, home: _Home, clock: Clock = now) -> None:
        self._db = connection
        self._home = home
        self._clock = clock
        self._index = SearchIndex(connection)
        self._readings = Readings(connection, self._index)
        self._images = Images(connection)
        self.image, self.images, self.remove_image = self._images.data, self._images.of, self._images.remove
        # What models found, on the same connection; see ``readings``.
        self.pending = self._readings.pending
        self.pending_count = self._readings.pending_count
        self.skip_analysis = self._readings.skip
        self.requeue_all = self._readings.requeue_all
        self.analysis = self._readings.analysis
        self.corrections = self._readings.corrections
        self.clear_correction = self._readings.clear_correction

    def reopen(self) -> JournalStore:
        """Return a second connection to the same journal, for the calling thread."""
        return self._home.store(clock=self._clock)

    def close(self) -> None:
        """Close this connection after what is in progress; safe to call twice."""
        self._db.close()

    # entries -----------------------------------------------------------------------------

    def new_entry(
        self,
        text: str = "",
        *,
        local_date: str | None = None,
        local_time: str | None = None,
        offset_minutes: int | None = None,
        mood: Mood | None = None,
        tags: Sequence[str] = (),
    ) -> Entry:
        """Store a new entry (now, unless told) with its search index and analysis job."""
        moment = self._clock()
        day, clock_time = _when(local_date or moment.date().isoformat(), local_time or f"{moment:%H:%M:%S}")
        offset = _offset(moment, day, clock_time) if offset_minutes is None else _sane_offset(offset_minutes)
        valence, energy = _mood_values(mood)
        stamp, entry_id = _utc(moment), uuid.uuid4().hex
        with self._db.transaction():
            row = self._db.row(
                "INSERT INTO entry(id, text, words, local_date, local_time, offset_minutes, created_utc, modified_utc,"
                " revision, saved_utc, sitting_utc, valence, energy) VALUES(?,?,?,?,?,?,?,?,1,?,?,?,?) RETURNING n",
                (
                    entry_id,
                    to_bytes(text),
                    count_words(text),
                    day,
                    clock_time,
                    offset,
                    *([stamp] * 4),
                    valence,
                    energy,
                ),
            )
            number = row[0] if row else 0
            self._write_tags(number, tags)
            if self._index.fresh_count() >= FRESH_ENOUGH:
                self._index.catch_up(2)
            self._index.put(number, text)
            self._readings.queue(number)
            return self._must(entry_id)

    def save_text(self, entry_id: str, text: str) -> Entry:
        """Store ``text`` as the next revision (index and analysis job in the same transaction).

        Text equal to what is stored changes nothing. Within one sitting a save replaces the one
        before it, except that the version before is kept when ten minutes of the sitting have
        passed, when the clock went backwards, or when a good part of the text disappears.
        """
        moment = self._clock()
        with self._db.transaction():
            row = self._db.row(
                "SELECT n, text, revision, saved_utc, sitting_utc, kept_utc FROM entry WHERE id = ?", (entry_id,)
            )
            if row is None:
                raise VaultError("This entry is not in the journal any more.")
            number, stored, revision, saved, sitting, kept = row
            data = to_bytes(text)
            if data == stored:
                return self._must(entry_id)
            stamp = _utc(moment)
            keep, fresh_sitting = _keeps(moment, saved, sitting, kept, from_bytes(stored), text)
            if keep:
                self._db.rows(
                    "INSERT INTO revision(entry, revision, text, saved_utc) VALUES(?,?,?,?)",
                    (number, revision, stored, saved),
                )
            self._db.rows(
                "UPDATE entry SET text = ?, words = ?, revision = revision + 1, saved_utc = ?, modified_utc = ?,"
                " sitting_utc = ?, kept_utc = ? WHERE n = ?",
                (
                    data,
                    count_words(text),
                    stamp,
                    stamp,
                    stamp if fresh_sitting else sitting,
                    stamp if keep else kept,
                    number,
                ),
            )
            self._index.put(number, text)
            self._readings.queue(number)
            return self._must(entry_id)

    def set_mood(self, entry_id: str, mood: Mood | None) -> Entry:
        """Store the writer's own mood, or take it away."""
        valence, energy = _mood_values(mood)
        return self._change(entry_id, "valence = ?, energy = ?", (valence, energy))

    def set_tags(self, entry_id: str, tags: Sequence[str]) -> Entry:
        """Replace the writer's own tags; order is kept, blanks and repetitions are dropped."""
        with self._db.transaction():
            number = self._number(entry_id)
            self._db.rows("DELETE FROM tag WHERE entry = ?", (number,))
            self._write_tags(number, tags)
            return self._change(entry_id, "n = n", ())

    def set_when(self, entry_id: str, local_date: str, local_time: str, offset_minutes: int) -> Entry:
        """Move the entry to another local date and time."""
        day, clock_time = _when(local_date, local_time)
        return self._change(
            entry_id,
            "local_date = ?, local_time = ?, offset_minutes = ?",
            (day, clock_time, _sane_offset(offset_minutes)),
        )

    def set_flags(self, entry_id: str, *, for_therapist: bool | None = None, read_me: bool | None = None) -> Entry:
        """Set the marks that are given; ``read_me=False`` also forgets what a model found."""
        with self._db.transaction():
            number, before = self._number(entry_id), self._must(entry_id)
            if for_therapist is not None:
                self._change(entry_id, "for_therapist = ?", (int(for_therapist),))
            if read_me is not None and read_me != before.read_me:
                self._change(entry_id, "read_me = ?", (int(read_me),))
                if not read_me:
                    self._readings.forget(number)
                self._readings.queue(number)  # also when off: the rules that offer help need no model
            return self._must(entry_id)

    def add_image(self, entry_id: str, data: bytes) -> Image:
        """Keep a picture with an entry; its kind is told by its bytes. Raises :class:`VaultError` for anything else."""
        return self._images.add(entry_id, data, _utc(self._clock()))

    def delete(self, entry_id: str) -> None:
        """Move to the bin; ``restore`` brings it back for 30 days."""
        with self._db.transaction():
            number = self._number(entry_id)
            self._db.rows(
                "UPDATE entry SET deleted_utc = ? WHERE n = ? AND deleted_utc IS NULL", (_utc(self._clock()), number)
            )
            self._readings.queue(number, again=False)

    def restore(self, entry_id: str) -> Entry:
        """Bring an entry back from the bin."""
        with self._db.transaction():
            number = self._number(entry_id)
            self._db.rows("UPDATE entry SET deleted_utc = NULL WHERE n = ?", (number,))
            self._readings.queue(number, again=False)
            return self._must(entry_id)

    def empty_bin(self, days: int = BIN_DAYS) -> int:
        """Remove for good what has been in the bin for ``days``; return how many entries.

        Never called by the store itself: a clock that jumps ahead must not cost a word unasked.
        """
        before = _utc(self._clock() - timedelta(days=days))
        with self._db.transaction():
            gone = self._db.rows("SELECT n FROM entry WHERE deleted_utc IS NOT NULL AND deleted_utc <= ?", (before,))
            for (number,) in gone:
                self._index.drop(number)
                self._db.rows("DELETE FROM entry WHERE n = ?", (number,))
        return len(gone)

    def entry(self, entry_id: str) -> Entry | None:
        """Return the entry, in the bin or not, or None."""
        found = self._entries("WHERE id = ?", (entry_id,))
        return found[0] if found else None

    def entries(
        self, *, start: str | None = None, end: str | None = None, deleted: bool = False, limit: int | None = None
    ) -> list[Entry]:
        """Return entries with ``start <= local_date <= end``, newest first; ``deleted``: those in the bin."""
        return self._entries(
            f"INDEXED BY {'entry_binned' if deleted else 'entry_live'}"
            f" WHERE deleted_utc IS {'NOT ' if deleted else ''}NULL AND local_date >= ? AND local_date <= ?"
            " ORDER BY local_date DESC, local_time DESC, n DESC LIMIT ?",
            (start or "", end or "9999-99-99", -1 if limit is None else limit),
        )

    def revisions(self, entry_id: str) -> list[Revision]:
        """Return stored versions, newest first, the current one included."""
        rows = self._db.rows(
            "SELECT revision, text, saved_utc FROM entry WHERE id = ?1 UNION ALL"
            " SELECT r.revision, r.text, r.saved_utc FROM revision r JOIN entry e ON e.n = r.entry WHERE e.id = ?1"
            " ORDER BY 1 DESC",
            (entry_id,),
        )
        return [Revision(entry_id, revision, from_bytes(text), saved) for revision, text, saved in rows]

    def days(self, *, start: str | None = None, end: str | None = None) -> list[DayRow]:
        """Return one row per entry outside the bin, oldest first, with the newest analysis of each."""
        where = "e.deleted_utc IS NULL AND e.local_date >= ?1 AND e.local_date <= ?2"
        span = (start or "", end or "9999-99-99")
        rows = self._db.rows(
            "SELECT e.n, e.id, e.local_date, e.local_time, e.words, e.valence, e.energy, e.for_therapist"
            f" FROM entry e INDEXED BY entry_live WHERE {where} ORDER BY e.local_date, e.local_time, e.n",
            span,
        )
        tags: dict[int, list[str]] = {}
        for number, name in self._db.rows(
            f"SELECT t.entry, t.name FROM tag t JOIN entry e ON e.n = t.entry WHERE {where}"
            " ORDER BY t.entry, t.position",
            span,
        ):
            tags.setdefault(number, []).append(name)
        analyses = self._readings.analyses_where(where, span)
        corrections = self._readings.corrections_where(where, span)
        return [
            DayRow(
                entry_id,
                day,
                clock_time,
                words,
                None if valence is None else Mood(valence, energy),
                tuple(tags.get(number, ())),
                bool(marked),
                analyses.get(number),
                tuple(corrections.get(number, ())),
            )
            for number, entry_id, day, clock_time, words, valence, energy, marked in rows
        ]

    def search(self, query: str, *, limit: int = 200, only: SearchFilter | None = None) -> list[SearchHit]:
        """Return entries that contain every term of ``query`` and pass ``only``, newest first (see ``search``)."""
        return self._index.search(query, limit, only)

    def catch_up(self, limit: int = 8) -> int:
        """Move up to ``limit`` entries into the search index, for idle moments; return how many.

        The newest few are left alone, since they may change again; 0 means that there is nothing to do.
        """
        if self._db.read_only or self._index.fresh_count() <= FRESH_ENOUGH:
            return 0
        with self._db.transaction():
            return self._index.catch_up(limit, FRESH_ENOUGH)

    def all_tags(self) -> list[tuple[str, int]]:
        """Return the writer's tags with the number of entries that bear them, most used first."""
        rows = self._db.rows(
            "SELECT name, count(*) FROM tag WHERE entry NOT IN (SELECT n FROM entry WHERE deleted_utc IS NOT NULL)"
            " GROUP BY name ORDER BY 2 DESC, 1"
        )
        return [(name, count) for name, count in rows]

    # settings inside the vault -----------------------------------------------------------

    def setting(self, key: str, default: Any = None) -> Any:
        """Return a private setting (JSON value) kept inside the encrypted file."""
        row = self._db.row("SELECT value FROM setting WHERE key = ?", (key,))
        return default if row is None else json.loads(row[0])

    def set_setting(self, key: str, value: Any) -> None:
        """Store a private setting; ``value`` must be a JSON value."""
        with self._db.transaction():
            self._db.rows("INSERT OR REPLACE INTO setting(key, value) VALUES(?, ?)", (key, json.dumps(value)))

    def verify(self) -> IntegrityReport:
        """Check every page's authentication code, SQLite's structure and the search index."""
        problems: list[str] = []
        entries = revisions = 0
        for check in (self._check_pages, self._check_structure, self._check_search):
            try:
                problems += check()
            except DamagedVault:
                problems.append("A part of the journal file cannot be read.")
                break
            except VaultWriteError:
                if not problems:
                    raise
                break  # a connection that has met a damaged page refuses to begin anything more
        try:
            entries = self._count("SELECT count(*) FROM entry")
            revisions = entries + self._count("SELECT count(*) FROM revision")
        except DamagedVault:
            problems.append("The entries cannot be counted.")
        return IntegrityReport(not problems, entries, revisions, tuple(dict.fromkeys(problems)))

    def _check_pages(self) -> list[str]:
        try:
            copied = self._home.copy_log()
        except VaultWriteError:
            copied = False
        if not copied:
            # Pages whose newest form is still in the log may be old or half-copied in the file, which is
            # no damage: they are read, and authenticated, through the log by the check of the structure.
            return []
        with self._db.transaction(checking=True):  # nobody copies pages into the file meanwhile
            found = self._db.rows("PRAGMA cipher_integrity_check")
            count = self._count("PRAGMA page_count")
        bad = [int(number) for (line,) in found for number in _PAGE_NUMBER.findall(line)]
        return [name_pages(bad, count)] if found else []

    def _check_structure(self) -> list[str]:
        problems: list[str] = []
        if self._db.rows("PRAGMA quick_check") != [("ok",)]:
            problems.append("The structure of the journal file is damaged.")
        if self._db.rows("PRAGMA foreign_key_check"):
            problems.append("Something in the journal belongs to an entry that is missing.")
        # Every text must come back as Unicode, and no earlier version may be newer than the present one.
        for (text,) in self._db.each("SELECT text FROM entry UNION ALL SELECT text FROM revision"):
            try:
                from_bytes(text)
            except DamagedVault:
                problems.append("A text cannot be read back.")
                break
        if self._count(
            "SELECT count(*) FROM revision r JOIN entry e ON e.n = r.entry WHERE r.revision >= e.revision"
        ) or self._count("SELECT count(*) FROM entry WHERE revision < 1"):
            problems.append("The versions of an entry are out of order.")
        return problems

    def _check_search(self) -> list[str]:
        with self._db.transaction(checking=True):
            return self._index.problems()

    # what models found --------------------------------------------------------------------

    def save_analysis(self, analysis: Analysis) -> bool:
        """Store unless the entry has moved on to a newer revision; return whether it was stored."""
        return self._readings.save(analysis, _utc(self._clock()))

    def save_correction(self, correction: Correction) -> None:
        """Store the writer's word about a tag; it replaces an earlier one about the same tag."""
        self._readings.save_correction(correction, _utc(self._clock()))

    # helpers ------------------------------------------------------------------------------

    def _change(self, entry_id: str, assignments: str, values: tuple[Any, ...]) -> Entry:
        with self._db.transaction():
            number = self._number(entry_id)
            self._db.rows(
                f"UPDATE entry SET {assignments}, modified_utc = ? WHERE n = ?", (*values, _utc(self._clock()), number)
            )
            return self._must(entry_id)

    def _number(self, entry_id: str) -> int:
        row = self._db.row("SELECT n FROM entry WHERE id = ?", (entry_id,))
        if row is None:
            raise VaultError("This entry is not in the journal any more.")
        return row[0]

    def _must(self, entry_id: str) -> Entry:
        found = self.entry(entry_id)
        if found is None:
            raise VaultError("This entry is not in the journal any more.")
        return found

    def _count(self, sql: str) -> int:
        row = self._db.row(sql)
        return row[0] if row else 0

    def _entries(self, tail: str, values: Iterable[Any]) -> list[Entry]:
        rows = self._db.rows(
            f"SELECT {_COLUMNS}, (SELECT json_group_array(name) FROM"
            f" (SELECT name FROM tag WHERE entry = n ORDER BY position)) FROM entry {tail}",
            tuple(values),
        )
        return [
            Entry(
                id=row[1],
                text=from_bytes(row[2]),
                local_date=row[3],
                local_time=row[4],
                offset_minutes=row[5],
                created_utc=row[6],
                modified_utc=row[7],
                revision=row[8],
                mood=None if row[9] is None else Mood(row[9], row[10]),
                for_therapist=bool(row[11]),
                read_me=bool(row[12]),
                deleted_utc=row[13],
                tags=tuple(json.loads(row[14])),
            )
            for row in rows
        ]

    def _write_tags(self, number: int, tags: Sequence[str]) -> None:
        # Tags are names, not text to keep for ever: what cannot be shown is replaced.
        plain = (" ".join(tag.encode("utf-8", "replace").decode().replace("\x00", "").split()) for tag in tags)
        for position, name in enumerate(dict.fromkeys(name for name in plain if name)):
            self._db.rows("INSERT INTO tag(entry, position, name) VALUES(?, ?, ?)", (number, position, name))


def count_words(text: str) -> int:
    """Return the number of words; two Han or kana characters count as one."""
    found = _WORD.findall(text)
    if text.isascii():
        return len(found)
    dense = sum(1 for word in found for c in word if _DENSE.match(c)) if _DENSE.search(text) else 0
    return sum(1 for word in found if not (dense and _all_dense(word))) + (dense + 1) // 2


def name_pages(bad: Sequence[int], count: int) -> str:
    """Return the sentence that says which of ``count`` pages fail their check."""
    named = ", ".join(str(number) for number in bad[:NAMED_PAGES])
    more = f" and {len(bad) - NAMED_PAGES} more" if len(bad) > NAMED_PAGES else ""
    which = "Page" if len(bad) == 1 else "Pages"
    fails = "fails its" if len(bad) == 1 else "fail their"
    return f"{which} {named}{more} of {count} in the journal file {fails} authentication check."


def _all_dense(word: str) -> bool:
    return all(_DENSE.match(c) for c in word)


def _keeps(moment: datetime, saved: str, sitting: str, kept: str | None, old: str, new: str) -> tuple[bool, bool]:
    """Tell whether the version before a save is kept, and whether the save opens a new sitting."""
    since_save = moment - datetime.fromisoformat(saved)
    since_start = moment - datetime.fromisoformat(sitting)
    if not timedelta(0) <= since_save < SITTING or not timedelta(0) <= since_start < SITTING:
        return True, True
    lately = kept is not None and timedelta(0) <= moment - datetime.fromisoformat(kept) < LOST_EVERY
    return (not lately and _lost(old, new) >= LOST_CHARACTERS), False


def _lost(old: str, new: str) -> int:
    """Return how many characters of ``old`` are gone: what no common beginning and end explains."""
    shorter = min(len(old), len(new))
    head = _common(shorter, lambda size: old[:size] == new[:size])
    room = shorter - head
    tail = _common(room, lambda size: not size or old[-size:] == new[-size:])
    return len(old) - head - tail


def _common(high: int, same: Callable[[int], bool]) -> int:
    """Return the largest size up to ``high`` for which ``same`` holds (it holds below, too)."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if same(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _when(local_date: str, local_time: str) -> tuple[str, str]:
    return date.fromisoformat(local_date).isoformat(), time.fromisoformat(local_time).strftime("%H:%M:%S")


def _offset(moment: datetime, day: str, clock_time: str) -> int:
    """Return the offset in minutes that the writer's zone had (or will have) at a local time."""
    there = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock_time))
    same_minute = there.replace(tzinfo=moment.tzinfo) == moment.replace(microsecond=0)
    if same_minute or not hasattr(moment.tzinfo, "key"):
        # A plain offset says nothing of other days: the computer's own zone does, if it agrees now.
        now_there = datetime.now().astimezone(None).utcoffset()
        if not same_minute and moment.utcoffset() == now_there:
            return _minutes(there.astimezone().utcoffset())
        return _minutes(moment.utcoffset())
    return _minutes(there.replace(tzinfo=moment.tzinfo).utcoffset())


def _minutes(offset: timedelta | None) -> int:
    return 0 if offset is None else round(offset.total_seconds() / 60)


def _sane_offset(minutes: int) -> int:
    if not -18 * 60 <= minutes <= 18 * 60:
        raise ValueError("an offset from UTC lies within 18 hours")
    return minutes


def _mood_values(mood: Mood | None) -> tuple[int | None, int | None]:
    if mood is None:
        return None, None
    if not 1 <= mood.valence <= 5 or not (mood.energy is None or 1 <= mood.energy <= 5):
        raise ValueError("mood and energy go from 1 to 5")
    return mood.valence, mood.energy
