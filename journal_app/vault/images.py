"""Pictures that belong to entries, inside the encrypted file like every word.

A picture is never changed: it is added whole and removed whole, so a copy of the journal that has
it needs it never again. The kind is told by the first bytes, never by a name.
"""

from __future__ import annotations

import uuid

from journal_app.vault.connection import Connection
from journal_app.vault.records import Image, VaultError

MOST_BYTES = 32 * 1024 * 1024
_KINDS: tuple[tuple[str, bytes, int], ...] = (
    ("png", b"\x89PNG\r\n\x1a\n", 0),
    ("jpeg", b"\xff\xd8\xff", 0),
    ("gif", b"GIF8", 0),
    ("webp", b"WEBP", 8),
)


def kind_of(data: bytes) -> str:
    """Return ``png``, ``jpeg``, ``gif`` or ``webp``; raise :class:`VaultError` for anything else."""
    if len(data) > MOST_BYTES:
        raise VaultError("This picture is larger than 32 MB. Make it smaller and add it again. Nothing was changed.")
    for kind, mark, at in _KINDS:
        if data[at : at + len(mark)] == mark:
            return kind
    raise VaultError("This is not a picture that can be kept (PNG, JPEG, WebP or GIF). Nothing was changed.")


class Images:
    """The pictures of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, entry_id: str, data: bytes, stamp: str, image_id: str | None = None) -> Image:
        """Keep ``data`` with an entry; one transaction."""
        kind = kind_of(data)
        made = Image(image_id or uuid.uuid4().hex, entry_id, kind, len(data), stamp)
        with self._db.transaction():
            row = self._db.row("SELECT n FROM entry WHERE id = ?", (entry_id,))
            if row is None:
                raise VaultError("This entry is not in the journal any more.")
            self._db.rows(
                "INSERT INTO image(id, entry, kind, size, created_utc, data) VALUES(?,?,?,?,?,?)",
                (made.id, row[0], kind, made.size, stamp, data),
            )
        return made

    def data(self, image_id: str) -> bytes | None:
        """Return the bytes of a picture, or None."""
        row = self._db.row("SELECT data FROM image WHERE id = ?", (image_id,))
        return None if row is None else bytes(row[0])

    def of(self, entry_id: str) -> list[Image]:
        """Return the pictures of an entry, oldest first."""
        rows = self._db.rows(
            "SELECT i.id, i.kind, i.size, i.created_utc FROM image i JOIN entry e ON e.n = i.entry"
            " WHERE e.id = ? ORDER BY i.n",
            (entry_id,),
        )
        return [Image(image_id, entry_id, kind, size, created) for image_id, kind, size, created in rows]

    def remove(self, image_id: str) -> None:
        """Remove a picture for good."""
        with self._db.transaction():
            self._db.rows("DELETE FROM image WHERE id = ?", (image_id,))
