"""An entry with everything that belongs to it: taken out of one journal whole, and put into another.

What rescuing and merging share. Texts stay the bytes that they are; pictures are named here and their bytes
are fetched one at a time, since all of them may not fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from journal_app.vault.connection import Connection
from journal_app.vault.readings import Readings
from journal_app.vault.search import SearchIndex, from_bytes
from journal_app.vault.store import count_words


@dataclass(frozen=True, slots=True)
class Version:
    """An earlier text."""

    revision: int
    text: bytes
    saved_utc: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, without its bytes; ``cut`` when some of them are lost."""

    id: str
    kind: str
    size: int
    created_utc: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Whole:
    """One entry as one journal holds it; the columns of the table ``entry``, and what hangs on it.

    Attributes:
        versions: by revision, all below the present one. corrections: task, label, verdict, moment; sorted.
        analysis: revision, body, vector and moment, or None.
        cut: whether something of it could not be read.
    """

    id: str
    text: bytes
    local_date: str
    local_time: str
    offset_minutes: int
    created_utc: str
    modified_utc: str
    revision: int
    saved_utc: str
    sitting_utc: str
    kept_utc: str | None
    valence: int | None
    energy: int | None
    for_therapist: int
    read_me: int
    deleted_utc: str | None
    versions: tuple[Version, ...] = ()
    tags: tuple[str, ...] = ()
    corrections: tuple[tuple[str, str, str, str], ...] = ()
    analysis: tuple[int, str, bytes, str] | None = None
    pictures: tuple[Picture, ...] = ()
    cut: bool = False


class Source(Protocol):
    """A journal, or what is left of one, as something to take entries from."""

    def entries(self) -> Iterator[Whole]:
        """Yield every entry, in the bin or not, in the order in which they were made."""
        ...

    def settings(self) -> dict[str, str]:
        """Return the private settings, values as JSON."""
        ...

    def picture(self, picture_id: str) -> bytes | None:
        """Return the bytes of a picture."""
        ...


_FIELDS = (
    "id, text, local_date, local_time, offset_minutes, created_utc, modified_utc, revision, saved_utc, sitting_utc,"
    " kept_utc, valence, energy, for_therapist, read_me, deleted_utc"
)
_NAMES = tuple(_FIELDS.replace(",", "").split())


class Rows:
    """The entries of one open journal (a :class:`Source`). Writing methods want an open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._index = SearchIndex(connection)
        self._readings = Readings(connection, self._index)

    def numbers(self) -> dict[str, int]:
        """Return the number of each entry by its id."""
        return dict(self._db.rows("SELECT id, n FROM entry"))

    def entries(self) -> Iterator[Whole]:
        """Yield every entry, in the order in which they were made."""
        for (number,) in self._db.rows("SELECT n FROM entry ORDER BY n"):
            yield self.read(number)

    def settings(self) -> dict[str, str]:
        """Return the private settings, values as JSON."""
        return dict(self._db.rows("SELECT key, value FROM setting"))

    def picture(self, picture_id: str) -> bytes | None:
        """Return the bytes of a picture."""
        row = self._db.row("SELECT data FROM image WHERE id = ?", (picture_id,))
        return None if row is None else bytes(row[0])

    def read(self, number: int) -> Whole:
        """Return entry ``number``, which must be there."""
        (row,) = self._db.rows(f"SELECT {_FIELDS} FROM entry WHERE n = ?", (number,))
        versions = self._db.rows(
            "SELECT revision, text, saved_utc FROM revision WHERE entry = ? ORDER BY revision", (number,)
        )
        tags = self._db.rows("SELECT name FROM tag WHERE entry = ? ORDER BY position", (number,))
        corrections = self._db.rows(
            "SELECT task, label, verdict, created_utc FROM correction WHERE entry = ? ORDER BY task, label", (number,)
        )
        analysis = self._db.row("SELECT revision, body, vector, created_utc FROM analysis WHERE entry = ?", (number,))
        pictures = self._db.rows("SELECT id, kind, size, created_utc FROM image WHERE entry = ? ORDER BY n", (number,))
        return Whole(
            *row,
            versions=tuple(Version(*version) for version in versions),
            tags=tuple(name for (name,) in tags),
            corrections=tuple((task, label, verdict, moment) for task, label, verdict, moment in corrections),
            analysis=None if analysis is None else (analysis[0], analysis[1], bytes(analysis[2]), analysis[3]),
            pictures=tuple(Picture(*picture) for picture in pictures),
        )

    def add(self, whole: Whole, source: Source, number: int | None = None, *, to_read: bool = True) -> int:
        """Put an entry that is not here; return how many pictures came with it.

        ``number``: the place among the others that it should have, if it is free. ``to_read``: queue it for a
        reading, unless it comes with one.
        """
        text = from_bytes(whole.text)
        row = self._db.row(
            f"INSERT INTO entry(n, words, {_FIELDS}) VALUES({', '.join('?' * (2 + len(_NAMES)))}) RETURNING n",
            (number, count_words(text), *(getattr(whole, name) for name in _NAMES)),
        )
        made = row[0] if row else 0
        self._index.put(made, text)
        self._write_versions(made, whole)
        self._write_tags(made, whole)
        self._write_corrections(made, whole)
        self._write_analysis(made, whole)
        if to_read:
            self._readings.queue(made, again=False)
        return self._add_pictures(made, whole.pictures, source)

    def change(self, number: int, before: Whole, after: Whole, source: Source) -> int:
        """Bring entry ``number`` from ``before`` to ``after``; return how many pictures were added."""
        text = from_bytes(after.text)
        self._db.rows(
            f"UPDATE entry SET words = ?, {', '.join(f'{name} = ?' for name in _NAMES)} WHERE n = ?",
            (count_words(text), *(getattr(after, name) for name in _NAMES), number),
        )
        if after.text != before.text:
            self._index.put(number, text)
        if after.versions != before.versions:
            self._db.rows("DELETE FROM revision WHERE entry = ?", (number,))
            self._write_versions(number, after)
        if after.tags != before.tags:
            self._db.rows("DELETE FROM tag WHERE entry = ?", (number,))
            self._write_tags(number, after)
        if after.corrections != before.corrections:
            self._write_corrections(number, after)
        if after.analysis != before.analysis:
            self._write_analysis(number, after)
        if after.read_me < before.read_me:
            self._readings.forget(number)
        self._readings.queue(number, again=after.read_me < before.read_me)
        known = {picture.id for picture in before.pictures}
        return self._add_pictures(number, tuple(p for p in after.pictures if p.id not in known), source)

    def add_settings(self, settings: dict[str, str]) -> None:
        """Keep the settings that are not here; those that are stand."""
        for key, value in settings.items():
            self._db.rows("INSERT OR IGNORE INTO setting(key, value) VALUES(?, ?)", (key, value))

    def _write_versions(self, number: int, whole: Whole) -> None:
        for version in whole.versions:
            self._db.rows(
                "INSERT INTO revision(entry, revision, text, saved_utc) VALUES(?,?,?,?)",
                (number, version.revision, version.text, version.saved_utc),
            )

    def _write_tags(self, number: int, whole: Whole) -> None:
        for position, name in enumerate(whole.tags):
            self._db.rows("INSERT INTO tag(entry, position, name) VALUES(?,?,?)", (number, position, name))

    def _write_corrections(self, number: int, whole: Whole) -> None:
        for correction in whole.corrections:
            self._db.rows(
                "INSERT OR REPLACE INTO correction(entry, task, label, verdict, created_utc) VALUES(?,?,?,?,?)",
                (number, *correction),
            )

    def _write_analysis(self, number: int, whole: Whole) -> None:
        self._db.rows("DELETE FROM analysis WHERE entry = ?", (number,))
        if whole.analysis is not None:
            self._db.rows(
                "INSERT INTO analysis(entry, revision, body, vector, created_utc) VALUES(?,?,?,?,?)",
                (number, *whole.analysis),
            )
            if whole.analysis[0] == whole.revision:
                self._db.rows("DELETE FROM job WHERE entry = ?", (number,))

    def _add_pictures(self, number: int, pictures: tuple[Picture, ...], source: Source) -> int:
        added = 0
        for picture in pictures:
            data = source.picture(picture.id)
            if data is None:
                continue
            added += len(
                self._db.rows(
                    "INSERT OR IGNORE INTO image(id, entry, kind, size, created_utc, data) VALUES(?,?,?,?,?,?)"
                    " RETURNING n",
                    (picture.id, number, picture.kind, len(data), picture.created_utc, data),
                )
            )
        return added
