"""The values that the journal is made of, and the ``Store`` protocol that keeps them.

Standard library only. Everything else in the app talks to these; nobody but ``vault.store``
sees a row or a line of SQL. All text is Unicode as the writer typed it (no normalisation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

# What is said at more than one place.
LOCKED = "The journal is locked. Unlock it to go on; everything that was saved is safe."
DAMAGED = (
    "The journal file is damaged, or it belongs to another journal. Nothing was changed. "
    "Keep the file as it is, and restore the journal's folder from a backup."
)
CANNOT_WRITE = (
    "The journal cannot be written: the disk is full or the folder is read-only. Everything saved before is safe. "
    "Free some space or allow writing to the folder, then try again."
)
READ_ONLY = (
    "This is a rescued copy: it can be read and exported, not changed. Write in your journal, or restore a backup."
)
BUSY = "Another program is busy with the journal file. Everything saved before is safe. Try again in a moment."


class VaultError(Exception):
    """A known failure; the message is safe to show, says what to do, and names no path or text."""


class WrongPassphrase(VaultError):
    """No key slot opens with this secret. Nothing was changed."""


class DamagedVault(VaultError):
    """The file is not what it was when it was written. Nothing was changed."""


class NewerVault(VaultError):
    """The journal was made by a newer version of the app. Nothing was changed."""


class VaultLocked(VaultError):
    """Another instance has this journal open, or this store was closed by a lock."""


class OpenElsewhere(VaultLocked):
    """Another computer has this journal open, by the mark it left in the folder; it may be opened all the same."""


class ReadOnlyVault(VaultError):
    """This journal may be read and exported, not changed: it was rescued from a damaged one."""


class VaultMissing(VaultError):
    """There is no journal at this place."""


class VaultWriteError(VaultError):
    """The journal cannot be written now: full disk or read-only folder. What is stored is safe."""


@dataclass(frozen=True, slots=True)
class Mood:
    """The writer's own mood: ``valence`` 1 (very low) … 5 (very good); ``energy`` 1 … 5 or None."""

    valence: int
    energy: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it stands now.

    Attributes:
        id: random UUID hex, stable for ever.
        text: Markdown as typed.
        local_date: ``YYYY-MM-DD`` where the writer was; it never moves.
        local_time: ``HH:MM:SS``. offset_minutes: of the local clock from UTC then.
        created_utc, modified_utc: ISO 8601 with ``Z``.
        revision: counts up from 1 with every stored change of the text.
        mood: the writer's own, or None. tags: the writer's own tags, in order.
        for_therapist: marked for the next summary. read_me: false = the model must not read it.
        deleted_utc: when it went to the bin, or None.
    """

    id: str
    text: str
    local_date: str
    local_time: str
    offset_minutes: int
    created_utc: str
    modified_utc: str
    revision: int
    mood: Mood | None = None
    tags: tuple[str, ...] = ()
    for_therapist: bool = False
    read_me: bool = True
    deleted_utc: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """An earlier version of an entry's text."""

    entry_id: str
    revision: int
    text: str
    saved_utc: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that belongs to an entry; its bytes are fetched apart (``Store.image``).

    Attributes:
        id: random UUID hex; the text names it as ``![words](image:ID)``.
        kind: ``png``, ``jpeg``, ``webp`` or ``gif``. size: bytes.
    """

    id: str
    entry_id: str
    kind: str
    size: int
    created_utc: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence behind a tag: ``text[start:end]`` of that revision, its score in [0, 1]."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one model found in one revision of an entry.

    ``tasks`` holds calibrated probabilities; ``evidence`` maps ``"feelings/joy"``, ``"stress"``
    or ``"low_mood"`` to sentences, strongest first. ``vector`` is float32 little-endian bytes.
    ``readable`` is false when the model does not read the language: then there are no scores.
    """

    entry_id: str
    revision: int
    model: str
    model_sha256: str
    contract_version: int
    readable: bool
    language: str
    tasks: dict[str, dict[str, float]]
    stress_band: str
    low_mood_band: str
    crisis_level: str
    crisis_reasons: tuple[str, ...] = ()
    feelings: tuple[str, ...] = ()
    evidence: dict[str, tuple[Evidence, ...]] = field(default_factory=dict)
    reflection_id: str = ""
    vector: bytes = b""
    tokens: int = 0
    seconds: float = 0.0
    created_utc: str = ""


@dataclass(frozen=True, slots=True)
class Correction:
    """The writer's word about a tag; it outlives every later analysis of the entry.

    ``task`` is ``feelings``, ``stress``, ``low_mood`` or ``crisis``; ``label`` the feeling or the
    level; ``verdict`` is ``accept``, ``remove``, ``add`` or ``not_me`` (crisis only).
    """

    entry_id: str
    task: str
    label: str
    verdict: str
    created_utc: str = ""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One match: ``snippet`` is text around it, ``spans`` the matches inside the snippet."""

    entry_id: str
    local_date: str
    snippet: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """What narrows a search, beside its words; everything given must hold.

    Attributes:
        start, end: ``YYYY-MM-DD``, inclusive. tags: the writer's own, all of them.
        feeling: a feeling as shown: found by a model and not removed, or added by the writer.
        valence: lowest and highest own mood. has_image: with a picture. for_therapist: marked.
    """

    start: str = ""
    end: str = ""
    tags: tuple[str, ...] = ()
    feeling: str = ""
    valence: tuple[int, int] | None = None
    has_image: bool = False
    for_therapist: bool = False


@dataclass(frozen=True, slots=True)
class SlotInfo:
    """One way to open the journal: ``kind`` is ``passphrase``, ``recovery``, ``keyfile`` or ``keyring``.

    ``here`` says of a keyring slot that it is the one of this computer.
    """

    kind: str
    here: bool = True


@dataclass(frozen=True, slots=True)
class DayRow:
    """What calendar and charts need of one entry, without its text."""

    entry_id: str
    local_date: str
    local_time: str
    words: int
    mood: Mood | None
    tags: tuple[str, ...]
    for_therapist: bool
    analysis: Analysis | None
    corrections: tuple[Correction, ...] = ()


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """Result of ``Store.verify``: ``ok`` is true only when every check passed."""

    ok: bool
    entries: int
    revisions: int
    problems: tuple[str, ...] = ()


class Store(Protocol):
    """An open journal. One instance per thread (``reopen`` makes another for another thread).

    Every method raises :class:`VaultLocked` after ``close``/lock, :class:`VaultWriteError` when
    the disk refuses, :class:`DamagedVault` when a page fails its check. Each write is one
    transaction, durable when the method returns.
    """

    def reopen(self) -> Store:
        """Return a second connection to the same journal, for the calling thread."""
        ...

    def close(self) -> None: ...

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
        ...

    def save_text(self, entry_id: str, text: str) -> Entry:
        """Store ``text`` as the next revision (index and analysis job in the same transaction).

        Text equal to what is stored changes nothing. Revisions made in one sitting (less than
        ten minutes apart) may be folded into one, but never the last one of an earlier sitting.
        """
        ...

    def set_mood(self, entry_id: str, mood: Mood | None) -> Entry: ...
    def set_tags(self, entry_id: str, tags: Sequence[str]) -> Entry: ...
    def set_when(self, entry_id: str, local_date: str, local_time: str, offset_minutes: int) -> Entry: ...
    def set_flags(self, entry_id: str, *, for_therapist: bool | None = None, read_me: bool | None = None) -> Entry: ...
    def delete(self, entry_id: str) -> None:
        """Move to the bin; ``restore`` brings it back for 30 days."""
        ...

    def restore(self, entry_id: str) -> Entry: ...
    def entry(self, entry_id: str) -> Entry | None: ...
    def entries(
        self, *, start: str | None = None, end: str | None = None, deleted: bool = False, limit: int | None = None
    ) -> list[Entry]:
        """Return entries with ``start <= local_date <= end``, newest first."""
        ...

    def add_image(self, entry_id: str, data: bytes) -> Image:
        """Keep a picture with an entry; its kind is told by its bytes. Raises :class:`VaultError` for anything else."""
        ...

    def image(self, image_id: str) -> bytes | None: ...
    def images(self, entry_id: str) -> list[Image]:
        """Return the pictures of an entry, oldest first."""
        ...

    def remove_image(self, image_id: str) -> None: ...

    def revisions(self, entry_id: str) -> list[Revision]:
        """Return stored versions, newest first, the current one included."""
        ...

    def days(self, *, start: str | None = None, end: str | None = None) -> list[DayRow]:
        """Return one row per entry, oldest first, with the newest analysis of each."""
        ...

    def search(self, query: str, *, limit: int = 200, only: SearchFilter | None = None) -> list[SearchHit]:
        """Return entries that contain every whitespace-separated term, newest first.

        ``only`` narrows the result; with a filter an empty query returns everything that passes it.

        Terms match as substrings, case-folded; ``"quoted words"`` are one term. The result
        equals a brute-force scan in any language and for terms of any length.
        """
        ...

    def catch_up(self, limit: int = 8) -> int:
        """Move up to ``limit`` entries into the search index, for idle moments; return how many.

        Search is exact before and after; it only gets quicker. 0 means that there is nothing to do.
        """
        ...

    def all_tags(self) -> list[tuple[str, int]]: ...

    # analysis ----------------------------------------------------------------------------
    def pending(self, limit: int = 50) -> list[tuple[str, int]]:
        """Return ``(entry id, revision)`` waiting to be read, newest entry first."""
        ...

    def pending_count(self) -> int: ...
    def save_analysis(self, analysis: Analysis) -> bool:
        """Store unless the entry has moved on to a newer revision; return whether it was stored."""
        ...

    def skip_analysis(self, entry_id: str, revision: int, reason: str) -> None:
        """Take the job off the queue (quarantine, or the writer said no)."""
        ...

    def requeue_all(self) -> int:
        """Queue every readable entry again (a new model); return how many."""
        ...

    def analysis(self, entry_id: str) -> Analysis | None: ...
    def save_correction(self, correction: Correction) -> None: ...
    def corrections(self, entry_id: str) -> list[Correction]: ...
    def clear_correction(self, entry_id: str, task: str, label: str) -> None: ...

    # settings inside the vault -----------------------------------------------------------
    def setting(self, key: str, default: Any = None) -> Any:
        """Return a private setting (JSON value) kept inside the encrypted file."""
        ...

    def set_setting(self, key: str, value: Any) -> None: ...

    def verify(self) -> IntegrityReport:
        """Check every page's authentication code, SQLite's structure and the search index."""
        ...
