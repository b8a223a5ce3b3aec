"""What models found in entries, the writer's corrections, and the queue of what is still to read.

The queue is durable: a job is written in the same transaction as the text that it is about, and
taken off in the same transaction as the analysis, so a crash at any moment loses neither. An entry
waits at most once, at its newest revision.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from journal_app.vault.connection import Connection
from journal_app.vault.records import Analysis, Correction, DamagedVault, Evidence, VaultError
from journal_app.vault.search import SearchIndex

INDEX_PER_ANALYSIS = 4
"""Fresh entries moved into the search index with each stored analysis (off the writer's thread)."""

FRESH_ENOUGH = 16
"""Entries that wait for the search index unharmed: the newest, which may well change again."""
FEW_JOBS = 100

VERDICTS = ("accept", "remove", "add", "not_me")

_WAITING = (
    "deleted_utc IS NULL AND trim(CAST(text AS TEXT), char(9, 10, 11, 12, 13, 32, 133, 160, 8232, 8233, 12288)) <> ''"
)
"""An entry outside the bin that says something."""
_UNREADABLE_BODY = "A stored reading of an entry cannot be understood. Nothing was changed; ask for a new reading."


class Readings:
    """Analyses, corrections and jobs over one connection."""

    def __init__(self, connection: Connection, index: SearchIndex) -> None:
        self._db = connection
        self._index = index

    # the queue ---------------------------------------------------------------------------

    def queue(self, number: int, *, again: bool = True) -> None:
        """Queue entry ``number`` at its present revision, or take it off when there is nothing to read.

        Without ``again`` an entry whose present revision has been read (or skipped) is left alone.
        An entry that the model must not read is queued too: the rules that offer help need no model,
        and :meth:`save` takes nothing but their word for it.
        """
        row = self._db.row(f"SELECT revision, deleted_utc, ({_WAITING}) FROM entry WHERE n = ?", (number,))
        if row is None:
            return
        revision, deleted, waiting = row
        if deleted is not None:
            self._db.rows("DELETE FROM job WHERE entry = ? AND skipped IS NULL", (number,))
            return
        if not waiting:
            self.forget(number)
            return
        if not again and (
            self._db.row("SELECT 1 FROM analysis WHERE entry = ? AND revision = ?", (number, revision))
            or self._db.row(
                "SELECT 1 FROM job WHERE entry = ? AND revision = ? AND skipped IS NOT NULL", (number, revision)
            )
        ):
            return
        self._db.rows("INSERT OR REPLACE INTO job(entry, revision, skipped) VALUES(?, ?, NULL)", (number, revision))

    def forget(self, number: int) -> None:
        """Remove what a model found in entry ``number`` and any job; corrections stay."""
        self._db.rows("DELETE FROM analysis WHERE entry = ?", (number,))
        self._db.rows("DELETE FROM job WHERE entry = ?", (number,))

    def pending(self, limit: int = 50) -> list[tuple[str, int]]:
        """Return ``(entry id, revision)`` waiting to be read, newest entry first."""
        # Few jobs are looked up; of many, the newest entries are met first.
        tables = "job j CROSS JOIN entry e" if self.pending_count() <= FEW_JOBS else "entry e CROSS JOIN job j"
        rows = self._db.rows(
            f"SELECT e.id, j.revision FROM {tables} ON e.n = j.entry WHERE j.skipped IS NULL"
            " ORDER BY e.local_date DESC, e.local_time DESC, e.n DESC LIMIT ?",
            (limit,),
        )
        return [(entry_id, revision) for entry_id, revision in rows]

    def pending_count(self) -> int:
        """Return how many entries wait to be read."""
        row = self._db.row("SELECT count(*) FROM job WHERE skipped IS NULL")
        return row[0] if row else 0

    def skip(self, entry_id: str, revision: int, reason: str) -> None:
        """Take the job of that revision off the queue; a newer revision is queued as ever."""
        with self._db.transaction():
            self._db.rows(
                "UPDATE job SET skipped = ? WHERE entry = (SELECT n FROM entry WHERE id = ?) AND revision <= ?",
                (reason, entry_id, revision),
            )
            self._index.catch_up(INDEX_PER_ANALYSIS, FRESH_ENOUGH)

    def requeue_all(self) -> int:
        """Queue every entry that says something again (a new model); return how many."""
        with self._db.transaction():
            self._db.rows(
                "INSERT OR REPLACE INTO job(entry, revision, skipped)"
                f" SELECT n, revision, NULL FROM entry WHERE {_WAITING}"
            )
            return self.pending_count()

    # analyses ----------------------------------------------------------------------------

    def save(self, analysis: Analysis, stamp: str) -> bool:
        """Store unless the entry has moved on or was binned; return whether it was stored.

        Of an entry that the model must not read nothing is stored that a model has made.
        """
        with self._db.transaction():
            row = self._db.row(
                "SELECT n, revision, read_me FROM entry WHERE id = ? AND deleted_utc IS NULL", (analysis.entry_id,)
            )
            if row is None or row[1] != analysis.revision:
                return False
            if not row[2] and (analysis.readable or analysis.tasks or analysis.feelings or analysis.vector):
                return False
            body = asdict(analysis)
            for key in ("entry_id", "revision", "vector", "created_utc"):
                del body[key]
            self._db.rows(
                "INSERT OR REPLACE INTO analysis(entry, revision, body, vector, created_utc) VALUES(?,?,?,?,?)",
                (row[0], row[1], json.dumps(body), analysis.vector, analysis.created_utc or stamp),
            )
            self._db.rows("DELETE FROM job WHERE entry = ?", (row[0],))
            self._index.catch_up(INDEX_PER_ANALYSIS, FRESH_ENOUGH)
            return True

    def analysis(self, entry_id: str) -> Analysis | None:
        """Return the newest analysis; its ``revision`` says which text it is about."""
        return next(iter(self.analyses_where("e.id = ?1", (entry_id,)).values()), None)

    def analyses_where(self, where: str, values: Sequence[Any]) -> dict[int, Analysis]:
        """Return analyses by entry number; ``where`` is SQL over ``entry e``."""
        rows = self._db.rows(
            "SELECT e.n, e.id, a.revision, a.body, a.vector, a.created_utc"
            f" FROM analysis a JOIN entry e ON e.n = a.entry WHERE {where}",
            values,
        )
        return {
            number: _analysis(entry_id, revision, body, vector, created)
            for number, entry_id, revision, body, vector, created in rows
        }

    # corrections -------------------------------------------------------------------------

    def save_correction(self, correction: Correction, stamp: str) -> None:
        """Store the writer's word about a tag; it replaces an earlier one about the same tag."""
        if correction.verdict not in VERDICTS:
            raise ValueError("unknown verdict")
        with self._db.transaction():
            row = self._db.row("SELECT n FROM entry WHERE id = ?", (correction.entry_id,))
            if row is None:
                raise VaultError("This entry is not in the journal any more.")
            self._db.rows(
                "INSERT OR REPLACE INTO correction(entry, task, label, verdict, created_utc) VALUES(?,?,?,?,?)",
                (row[0], correction.task, correction.label, correction.verdict, correction.created_utc or stamp),
            )

    def corrections(self, entry_id: str) -> list[Correction]:
        """Return the writer's corrections of one entry, oldest first."""
        return next(iter(self.corrections_where("e.id = ?1", (entry_id,)).values()), [])

    def corrections_where(self, where: str, values: Sequence[Any]) -> dict[int, list[Correction]]:
        """Return corrections by entry number; ``where`` is SQL over ``entry e``."""
        found: dict[int, list[Correction]] = {}
        for number, entry_id, task, label, verdict, created in self._db.rows(
            "SELECT e.n, e.id, c.task, c.label, c.verdict, c.created_utc FROM correction c"
            f" JOIN entry e ON e.n = c.entry WHERE {where} ORDER BY c.created_utc, c.task, c.label",
            values,
        ):
            found.setdefault(number, []).append(Correction(entry_id, task, label, verdict, created))
        return found

    def clear_correction(self, entry_id: str, task: str, label: str) -> None:
        """Take a correction back."""
        with self._db.transaction():
            self._db.rows(
                "DELETE FROM correction WHERE entry = (SELECT n FROM entry WHERE id = ?) AND task = ? AND label = ?",
                (entry_id, task, label),
            )


def _analysis(entry_id: str, revision: int, body: str, vector: bytes, created: str) -> Analysis:
    try:
        fields = json.loads(body)
        fields["crisis_reasons"] = tuple(fields["crisis_reasons"])
        fields["feelings"] = tuple(fields["feelings"])
        fields["evidence"] = {
            key: tuple(Evidence(item["start"], item["end"], item["score"]) for item in items)
            for key, items in fields["evidence"].items()
        }
        return Analysis(entry_id=entry_id, revision=revision, vector=bytes(vector), created_utc=created, **fields)
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedVault(_UNREADABLE_BODY) from error
