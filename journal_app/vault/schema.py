"""The tables, as numbered steps from nothing to the present, each one transaction.

A step, once released, is never edited: a journal of any earlier version is brought forward by the
steps it lacks, after an encrypted copy of the file has been set aside. ``PRAGMA user_version``
holds the number of the last step.
"""

from __future__ import annotations

from collections.abc import Callable

from journal_app.vault.connection import Connection
from journal_app.vault.records import NewerVault
from journal_app.vault.search import SearchIndex

Step = Callable[[Connection], None]


def _entries(db: Connection) -> None:
    for statement in (
        # ``n`` orders entries by the moment they were made, whatever the clock said.
        # Text is bytes: UTF-8 with lone surrogates passed through, so that nothing is refused.
        "CREATE TABLE entry("
        " n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, text BLOB NOT NULL, words INTEGER NOT NULL,"
        " local_date TEXT NOT NULL, local_time TEXT NOT NULL, offset_minutes INTEGER NOT NULL,"
        " created_utc TEXT NOT NULL, modified_utc TEXT NOT NULL,"
        " revision INTEGER NOT NULL, saved_utc TEXT NOT NULL, sitting_utc TEXT NOT NULL, kept_utc TEXT,"
        " valence INTEGER, energy INTEGER, for_therapist INTEGER NOT NULL DEFAULT 0,"
        " read_me INTEGER NOT NULL DEFAULT 1, deleted_utc TEXT)",
        "CREATE INDEX entry_when ON entry(local_date, local_time, n)",
        # Earlier versions only; the present text is in ``entry``.
        "CREATE TABLE revision("
        " entry INTEGER NOT NULL REFERENCES entry(n) ON DELETE CASCADE, revision INTEGER NOT NULL,"
        " text BLOB NOT NULL, saved_utc TEXT NOT NULL, UNIQUE(entry, revision))",
        "CREATE TABLE tag("
        " entry INTEGER NOT NULL REFERENCES entry(n) ON DELETE CASCADE, position INTEGER NOT NULL,"
        " name TEXT NOT NULL, PRIMARY KEY(entry, position)) WITHOUT ROWID",
        "CREATE TABLE analysis("
        " entry INTEGER PRIMARY KEY REFERENCES entry(n) ON DELETE CASCADE, revision INTEGER NOT NULL,"
        " body TEXT NOT NULL, vector BLOB NOT NULL, created_utc TEXT NOT NULL)",
        "CREATE TABLE correction("
        " entry INTEGER NOT NULL REFERENCES entry(n) ON DELETE CASCADE, task TEXT NOT NULL, label TEXT NOT NULL,"
        " verdict TEXT NOT NULL, created_utc TEXT NOT NULL, PRIMARY KEY(entry, task, label)) WITHOUT ROWID",
        "CREATE TABLE job("
        " entry INTEGER PRIMARY KEY REFERENCES entry(n) ON DELETE CASCADE, revision INTEGER NOT NULL,"
        " skipped TEXT)",
        "CREATE TABLE setting(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ):
        db.rows(statement)


def _search(db: Connection) -> None:
    for statement in (
        "CREATE TABLE search_text(entry INTEGER PRIMARY KEY, folded BLOB NOT NULL)",
        "CREATE TABLE search_fresh(entry INTEGER PRIMARY KEY)",
        "CREATE VIRTUAL TABLE search_index USING fts5("
        " folded, tokenize = 'trigram case_sensitive 1', detail = none, content = '', contentless_delete = 1)",
    ):
        db.rows(statement)
    SearchIndex(db).fold_all()


def _images_and_lists(db: Connection) -> None:
    for statement in (
        # The bytes come last, so that everything else of a row is read without them.
        "CREATE TABLE image("
        " n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, entry INTEGER NOT NULL REFERENCES entry(n) ON DELETE CASCADE,"
        " kind TEXT NOT NULL, size INTEGER NOT NULL, created_utc TEXT NOT NULL, data BLOB NOT NULL)",
        "CREATE INDEX image_of ON image(entry)",
        # Lists, charts and searches walk this, newest first, without touching the rows, whose texts lie in the way.
        "CREATE INDEX entry_live ON entry(local_date, local_time, n, id, words, valence, energy, for_therapist)"
        " WHERE deleted_utc IS NULL",
        "CREATE INDEX entry_binned ON entry(deleted_utc) WHERE deleted_utc IS NOT NULL",
        "CREATE INDEX tag_named ON tag(name, entry)",
        "CREATE INDEX analysis_feelings ON analysis("
        "CASE WHEN json_valid(body) THEN json_extract(body, '$.feelings') END)",
        # Runs of one, two and three characters instead of three alone. Everything stays searchable meanwhile.
        "DROP TABLE search_index",
        "CREATE VIRTUAL TABLE search_grams USING fts5("
        " grams, tokenize = 'ascii', detail = none, content = '', contentless_delete = 1)",
        # A page of the index fits into a page of the file, which FTS5's own 4,050 bytes would not.
        "INSERT INTO search_grams(search_grams, rank) VALUES('pgsz', 3900)",
        "INSERT OR IGNORE INTO search_fresh(entry) SELECT entry FROM search_text",
    ):
        db.rows(statement)


STEPS: tuple[Step, ...] = (_entries, _search, _images_and_lists)
"""Step ``i`` (counted from 1) brings a journal from version ``i - 1`` to ``i``."""
CURRENT = len(STEPS)


def version(db: Connection) -> int:
    """Return the schema version of the open file; 0 is an empty file."""
    row = db.row("PRAGMA user_version")
    return row[0] if row else 0


def check_version(db: Connection) -> int:
    """Return the schema version; raise :class:`NewerVault` if this app does not know it."""
    found = version(db)
    if found > CURRENT:
        raise NewerVault(
            "This journal was made by a newer version of Quiet Page. Nothing was changed. "
            "Install the newer version to open it."
        )
    return found


def migrate(db: Connection, target: int = CURRENT) -> None:
    """Bring the open file to ``target``, one transaction per step."""
    for number in range(version(db) + 1, target + 1):
        with db.transaction():
            STEPS[number - 1](db)
            db.rows(f"PRAGMA user_version = {number}")
