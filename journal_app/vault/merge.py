"""Two copies of one journal that went different ways, joined entry by entry without losing a word.

Nothing is removed because the other side lacks it. Where one side's text grew out of the other's, the
later one stands; where both were written on, the new text holds the lines of both, and both originals stay as
versions. Joining the same copy twice changes nothing the second time. What is joined is read page by page (see
``pages``): a copy is never opened by SQLite, and only moved aside, never changed or removed.
"""

from __future__ import annotations

import difflib
import os
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from journal_app.vault import folder as folders
from journal_app.vault.connection import Connection
from journal_app.vault.folder import DATABASE
from journal_app.vault.pages import Pages
from journal_app.vault.records import VaultError, VaultLocked
from journal_app.vault.salvage import Found
from journal_app.vault.search import fold, from_bytes, to_bytes
from journal_app.vault.whole import Rows, Source, Version, Whole

MERGED = "merged"
"""The subfolder of the journal in which joined copies are kept."""
WAL = "-wal"
MOST_PAIRS = 4_000_000
"""Lines of one text times lines of the other that are compared; of larger differences both sides are kept whole."""


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What joining did.

    Attributes:
        added: entries that were not here. joined: entries that both sides had written on; their text holds the
            lines of both. updated: entries that took anything else (a later text, a version, tags, mood, marks).
        images: pictures that were not here.
        copies: files that were joined and moved to the subfolder ``merged``.
        left: files that were left as they are: damaged, not arrived yet, or of another journal or key.
    """

    added: int = 0
    joined: int = 0
    updated: int = 0
    images: int = 0
    copies: int = 0
    left: int = 0

    def __add__(self, other: MergeReport) -> MergeReport:
        return MergeReport(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


def merge(db: Connection, other: Source) -> MergeReport:
    """Join what ``other`` holds into the open journal, in one transaction."""
    rows = Rows(db)
    added = joined = updated = images = 0
    with db.transaction():
        here = rows.numbers()
        for theirs in other.entries():
            number = here.get(theirs.id)
            if number is None:
                if theirs.cut and not theirs.text and not theirs.versions and not theirs.pictures:
                    continue
                images += rows.add(_without_cut(theirs), other)
                added += 1
                continue
            ours = rows.read(number)
            after, both = join(ours, theirs)
            if after == ours:
                continue
            images += rows.change(number, ours, after, other)
            joined += both
            updated += not both
        rows.add_settings(other.settings())
    return MergeReport(added, joined, updated, images)


def join(ours: Whole, theirs: Whole) -> tuple[Whole, bool]:
    """Return one entry out of two states of it, and whether its text is a new one, of the lines of both."""
    theirs = _without_cut(theirs)
    if theirs.cut:
        said = fold(from_bytes(theirs.text))
        if any(said in fold(from_bytes(text)) for text in (ours.text, *(version.text for version in ours.versions))):
            theirs = replace(theirs, text=ours.text, saved_utc=ours.saved_utc)
    text, base = _present(ours, theirs)
    versions, revision = _versions(ours, theirs, text, base)
    later, earlier = (ours, theirs) if theirs.cut or ours.modified_utc >= theirs.modified_utc else (theirs, ours)
    moody = later if later.valence is not None else earlier
    read_me = min(ours.read_me, theirs.read_me)
    pictures = {picture.id: picture for picture in (*theirs.pictures, *ours.pictures)}
    order = dict.fromkeys(picture.id for picture in (*ours.pictures, *theirs.pictures))
    joined = base is None
    modified, deleted = max(ours.modified_utc, theirs.modified_utc), _deleted(ours, theirs)
    if theirs.cut:
        modified = ours.modified_utc
    elif deleted is None:
        # Whoever still holds it in the bin must see that it was taken out of there.
        modified = max(modified, ours.deleted_utc or "", theirs.deleted_utc or "")
    return Whole(
        id=ours.id,
        text=text,
        local_date=later.local_date,
        local_time=later.local_time,
        offset_minutes=later.offset_minutes,
        created_utc=ours.created_utc,
        modified_utc=modified,
        revision=revision,
        saved_utc=max(ours.saved_utc, theirs.saved_utc) if base is None else base.saved_utc,
        sitting_utc=max(ours.sitting_utc, theirs.sitting_utc) if base is None else base.sitting_utc,
        kept_utc=None if base is None else base.kept_utc,
        valence=moody.valence,
        energy=moody.energy,
        for_therapist=max(ours.for_therapist, theirs.for_therapist),
        read_me=read_me,
        deleted_utc=deleted,
        versions=versions,
        tags=tuple(dict.fromkeys((*later.tags, *earlier.tags))),
        corrections=_corrections(ours, theirs),
        analysis=_analysis(ours, theirs, text, revision, read_me),
        pictures=tuple(pictures[picture_id] for picture_id in order),
    ), joined


def _without_cut(whole: Whole) -> Whole:
    """Return ``whole`` without pictures of which something is missing: a whole one may still come from elsewhere."""
    return replace(whole, pictures=tuple(picture for picture in whole.pictures if not picture.cut))


def _present(ours: Whole, theirs: Whole) -> tuple[bytes, Whole | None]:
    """Return the present text, and the side that it comes from (None: from both)."""
    if ours.text == theirs.text:
        return ours.text, ours if theirs.cut or ours.saved_utc >= theirs.saved_utc else theirs
    known_here = any(version.text == theirs.text for version in ours.versions)
    known_there = any(version.text == ours.text for version in theirs.versions)
    if known_here and known_there:
        stands = max(ours, theirs, key=lambda side: (side.saved_utc, side.text))
        return stands.text, stands
    if known_here or known_there:
        stands = ours if known_here else theirs
        return stands.text, stands
    # The order of the two must not depend on which computer joins them.
    first, second = sorted((ours, theirs), key=lambda side: (side.saved_utc, side.text))
    both = to_bytes(union(from_bytes(first.text), from_bytes(second.text)))
    return both, next((side for side in (ours, theirs) if side.text == both), None)


def union(first: str, second: str) -> str:
    """Return the lines of both texts: common ones once, each side's own in their order.

    Where lines were replaced by others and one side contains the other, the longer stands for both.
    """
    a, b = first.split("\n"), second.split("\n")
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    mine, yours = a[head : len(a) - tail], b[head : len(b) - tail]
    kept = a[:head]
    if len(mine) * len(yours) > MOST_PAIRS:
        kept += _either(mine, yours)
    else:
        for tag, low, high, start, end in difflib.SequenceMatcher(None, mine, yours, autojunk=False).get_opcodes():
            kept += mine[low:high] if tag == "equal" else _either(mine[low:high], yours[start:end])
    return "\n".join([*kept, *a[len(a) - tail :]])


def _either(mine: list[str], yours: list[str]) -> list[str]:
    left, right = "\n".join(mine), "\n".join(yours)
    if not yours or (mine and _holds(left, right)):
        return mine
    if not mine or _holds(right, left):
        return yours
    return [*mine, *yours]


def _holds(text: str, part: str) -> bool:
    """Tell whether ``part`` stands in ``text`` word by word: "here" does not stand in "there"."""
    at = text.find(part)
    while at >= 0:
        end = at + len(part)
        if not part or not (_one_word(text[at - 1 : at], part[0]) or _one_word(part[-1], text[end : end + 1])):
            return True
        at = text.find(part, at + 1)
    return False


def _one_word(before: str, after: str) -> bool:
    """Tell whether two characters that follow each other belong to one word, or one character."""
    return bool(after) and (unicodedata.category(after)[0] == "M" or (before.isalnum() and after.isalnum()))


def _versions(ours: Whole, theirs: Whole, text: bytes, base: Whole | None) -> tuple[tuple[Version, ...], int]:
    """Return the earlier texts of both sides, and the revision of the present one, above all of them."""
    wanted: dict[tuple[bytes, str], Version] = {}
    present = [Version(side.revision, side.text, side.saved_utc) for side in (ours, theirs) if side.text != text]
    for version in (*ours.versions, *theirs.versions, *present):
        # The lower number: what was a side's last text may be an earlier one on the other.
        key = (version.text, version.saved_utc)
        if base is not None and key == (base.text, base.saved_utc):
            continue
        have = wanted.get(key)
        if have is None or version.revision < have.revision:
            wanted[key] = version
    if base is ours and wanted.keys() <= {(version.text, version.saved_utc) for version in ours.versions}:
        return ours.versions, ours.revision
    numbered: list[Version] = []
    number = 0
    for version in sorted(wanted.values(), key=lambda version: (version.saved_utc, version.revision, version.text)):
        number = max(number + 1, version.revision)
        numbered.append(replace(version, revision=number))
    least = ours.revision if text == ours.text else max(ours.revision + 1, theirs.revision)
    return tuple(numbered), max(number + 1, least)


def _deleted(ours: Whole, theirs: Whole) -> str | None:
    """Return since when the entry is in the bin: not if the side that binned it did not know what the other wrote."""
    if ours.deleted_utc is not None and theirs.deleted_utc is not None:
        return max(ours.deleted_utc, theirs.deleted_utc)
    binned, alive = (ours, theirs) if ours.deleted_utc is not None else (theirs, ours)
    if binned.deleted_utc is None:
        return None
    knew = alive.text == binned.text or any(version.text == alive.text for version in binned.versions)
    return binned.deleted_utc if knew and alive.modified_utc < binned.deleted_utc else None


def _corrections(ours: Whole, theirs: Whole) -> tuple[tuple[str, str, str, str], ...]:
    latest: dict[tuple[str, str], tuple[str, str, str, str]] = {}
    for correction in (*ours.corrections, *theirs.corrections):
        have = latest.get(correction[:2])
        if have is None or correction[3] > have[3]:
            latest[correction[:2]] = correction
    return tuple(sorted(latest.values()))


def _analysis(
    ours: Whole, theirs: Whole, text: bytes, revision: int, read_me: int
) -> tuple[int, str, bytes, str] | None:
    """Return the reading of the present text if a side has one, else the latest one here."""
    for side in (ours, theirs):
        found = side.analysis
        current = found is not None and found[0] == side.revision and side.text == text and side.read_me == read_me
        if found is not None and current:
            return revision, *found[1:]
    if ours.analysis is None or read_me < ours.read_me or ours.analysis[0] >= revision:
        return None
    return ours.analysis


# files that a sync program left -------------------------------------------------------------------


def copies(folder: Path) -> list[Path]:
    """Return other forms of the journal file beside it, by name: what sync programs leave when two computers wrote.

    ("journal (conflicted copy).qpv", "journal.sync-conflict-….qpv", "journal-DESKTOP.qpv", "journal (1).qpv", and
    what this app keeps of a journal that was replaced while it was open.)
    """
    return [path for path in _besides(folder, ".qpv") if path.name != DATABASE]


def logs(folder: Path) -> list[Path]:
    """Return other forms of the journal's log beside it that belong to none of :func:`copies`."""
    taken = {f"{path.name}{WAL}" for path in copies(folder)} | {f"{DATABASE}{WAL}"}
    return [path for path in _besides(folder, f".qpv{WAL}") if path.name not in taken]


def _besides(folder: Path, ending: str) -> list[Path]:
    try:
        # Not through a link: what is joined is moved, and must be here.
        return sorted(
            path
            for path in folder.iterdir()
            if path.name.endswith(ending) and not path.name.startswith(".") and not path.is_symlink() and path.is_file()
        )
    except OSError:
        return []


def join_copies(
    db: Connection, folder: Path, key: bytes | bytearray, vault_id: str, strays: tuple[Path, ...] = ()
) -> MergeReport:
    """Join every copy in ``folder`` that this data key opens, and move it to the subfolder ``merged``.

    A copy that is damaged, that has not arrived as a whole, or that belongs to another journal or key is
    left as it is and counted; so is every copy when the disk refuses, so that an opening never fails for their
    sake. ``strays``: logs that belong to another state of the file and are out of the way already; what
    is whole in them is joined, too. One transaction for each. The caller holds the journal's lock.
    """
    done = MergeReport()
    for path in copies(folder):
        done += _attempt(folder, path, lambda path=path: _join_copy(db, path, key, vault_id))
    for path in logs(folder):
        done += _attempt(folder, path, lambda path=path: _join_log(db, folder, path, key))
    for path in strays:
        done += _attempt(None, path, lambda path=path: _join_log(db, folder, path, key))
    return done


def _attempt(folder: Path | None, path: Path, joining: Callable[[], MergeReport | None]) -> MergeReport:
    try:
        report = joining()
        if report is None:
            return MergeReport(left=1)
        if folder is not None:
            _keep(folder, path)
        return report + MergeReport(copies=1)
    except VaultLocked:
        raise
    except VaultError:
        return MergeReport(left=1)


def _join_copy(db: Connection, path: Path, key: bytes | bytearray, vault_id: str) -> MergeReport | None:
    with Pages.open(path, key, path.with_name(f"{path.name}{WAL}")) as pages:
        if not pages.checked or not pages.count or pages.bad or (pages.log is not None and pages.log.damaged):
            return None
        found = Found([pages])
        return merge(db, found) if found.meta.get("vault_id") == vault_id else None


def _join_log(db: Connection, folder: Path, path: Path, key: bytes | bytearray) -> MergeReport | None:
    # A log names no journal; that its pages open under this data key says it.
    with Pages.open(folder / DATABASE, key, path, lone=True) as pages:
        return merge(db, Found([pages], doubtful=True)) if pages.from_log else None


def _keep(folder: Path, path: Path) -> None:
    """Move a joined copy, and its log before it, to where it is kept."""
    with folders.writing():
        kept = folder / MERGED
        kept.mkdir(exist_ok=True, mode=0o700)
        prefix = ""
        if (kept / path.name).exists() or (kept / f"{path.name}{WAL}").exists():
            prefix = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)} "
        for name in (f"{path.name}{WAL}", path.name):
            if (folder / name).exists():
                os.replace(folder / name, kept / f"{prefix}{name}")
        (folder / f"{path.name}-shm").unlink(missing_ok=True)
        folders.sync(kept)
        folders.sync(folder)
