"""Exact search in any language, inside the encrypted file.

**What matches**, defined once: a term matches a text when ``fold(term)`` is a substring of
``fold(text)``, where ``fold`` is Unicode's canonical caseless form (decompose, case-fold, compose:
Unicode 3.13, D145, taken to NFC). So ``STRASSE`` finds ``straße``, a composed 각 finds a decomposed
one, and 가 does not find 각. A query matches when all its terms do.

**How**: the folded text is stored beside each entry. A trigram index (FTS5, ``detail=none``: only
which entries hold a trigram) narrows terms of three characters and more down to candidates; every
term, long or short, is then verified as a substring. The index may therefore be late but never
wrong: entries saved a moment ago are listed as *fresh* and simply scanned, which keeps a save of a
long entry short; :meth:`SearchIndex.catch_up` moves them into the index later.

Terms that are stored as bytes: UTF-8 with lone surrogates passed through, so that nothing a
keyboard or a paste can produce is refused or changed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from journal_app.vault.connection import Connection
from journal_app.vault.records import DAMAGED, DamagedVault, SearchHit

MAX_TERMS = 32
MAX_TRIGRAMS = 48
"""Trigrams asked of the index per query; more would only cost, since candidates are verified."""
BEFORE = 40
AFTER = 120
"""Characters of a snippet before and after the first match."""
FOLD_VERSION = f"1:{unicodedata.unidata_version}"
"""Stored with the index; another one means that folded texts must be made again."""

_QUERY = re.compile(r'"([^"]*)(?:"|$)|(\S+?)(?=["\s]|$)')
_UNINDEXABLE = re.compile("[\x00\ud800-\udfff]")
_CHUNK = 1024


def fold(text: str) -> str:
    """Return the canonical caseless form of ``text``, in which matching is defined."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def terms(query: str) -> list[str]:
    """Return the folded terms of a query: split at white space, ``"quoted words"`` kept together.

    A quotation mark that is not closed yet (while typing) runs to the end. At most 32 terms count.
    """
    found = [fold(quoted or bare) for quoted, bare in _QUERY.findall(query)]
    return list(dict.fromkeys(term for term in found if term))[:MAX_TERMS]


def matches(text: str, query: str) -> bool:
    """Tell whether ``text`` matches: the brute-force definition that the index must equal."""
    wanted = terms(query)
    folded = fold(text)
    return bool(wanted) and all(term in folded for term in wanted)


def to_bytes(text: str) -> bytes:
    """Return text as it is stored: UTF-8, lone surrogates passed through."""
    return text.encode("utf-8", "surrogatepass")


def from_bytes(data: bytes) -> str:
    """Return the text that :func:`to_bytes` stored, exactly; :class:`DamagedVault` if it is none."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except (UnicodeDecodeError, AttributeError):
        raise DamagedVault(DAMAGED) from None


class SearchIndex:
    """The search tables of one connection. Writing methods want an open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def put(self, number: int, text: str) -> None:
        """Note the new text of entry ``number``: searchable at once, indexed later."""
        self._db.rows(
            "INSERT INTO search_text(entry, folded) VALUES(?, ?) "
            "ON CONFLICT(entry) DO UPDATE SET folded = excluded.folded",
            (number, to_bytes(fold(text))),
        )
        if not self._db.rows("INSERT OR IGNORE INTO search_fresh(entry) VALUES(?) RETURNING entry", (number,)):
            return
        self._db.rows("DELETE FROM search_index WHERE rowid = ?", (number,))

    def drop(self, number: int) -> None:
        """Forget entry ``number``."""
        self._db.rows("DELETE FROM search_text WHERE entry = ?", (number,))
        if not self._db.rows("DELETE FROM search_fresh WHERE entry = ? RETURNING entry", (number,)):
            self._db.rows("DELETE FROM search_index WHERE rowid = ?", (number,))

    def fresh_count(self) -> int:
        """Return how many entries wait to be moved into the index."""
        row = self._db.row("SELECT count(*) FROM search_fresh")
        return row[0] if row else 0

    def catch_up(self, limit: int) -> int:
        """Move up to ``limit`` fresh entries into the index, oldest first; return how many."""
        waiting = self._db.rows(
            "SELECT entry, folded FROM search_text WHERE entry IN (SELECT entry FROM search_fresh LIMIT ?)", (limit,)
        )
        for number, folded in waiting:
            self._db.rows(
                "INSERT INTO search_index(rowid, folded) VALUES(?, ?)", (number, _indexable(from_bytes(folded)))
            )
            self._db.rows("DELETE FROM search_fresh WHERE entry = ?", (number,))
        return len(waiting)

    def rebuild(self) -> None:
        """Fold every text again and mark all as fresh (another Unicode version, or repair)."""
        self._db.rows("INSERT INTO search_index(search_index) VALUES('delete-all')")
        self._db.rows("DELETE FROM search_fresh")
        self._db.rows("DELETE FROM search_text")
        for (number,) in self._db.rows("SELECT n FROM entry"):
            row = self._db.row("SELECT text FROM entry WHERE n = ?", (number,))
            if row is not None:
                self._db.rows(
                    "INSERT INTO search_text(entry, folded) VALUES(?, ?)", (number, to_bytes(fold(from_bytes(row[0]))))
                )
                self._db.rows("INSERT INTO search_fresh(entry) VALUES(?)", (number,))
        self._db.rows("INSERT OR REPLACE INTO meta(key, value) VALUES('fold', ?)", (FOLD_VERSION,))

    def search(self, query: str, limit: int) -> list[SearchHit]:
        """Return the matching entries outside the bin, newest first, with snippets."""
        wanted = terms(query)
        if not wanted or limit <= 0:
            return []
        where, values = [], []
        expression = _expression(wanted)
        if expression:
            where.append(
                "e.n IN (SELECT rowid FROM search_index WHERE search_index MATCH ?"
                " UNION ALL SELECT entry FROM search_fresh)"
            )
            values.append(expression)
        # Longest first: the rarest term rejects most entries before the others are looked at.
        for term in sorted(wanted, key=len, reverse=True):
            where.append("instr(s.folded, ?)")
            values.append(to_bytes(term))
        found = self._db.rows(
            "SELECT e.id, e.local_date, e.n FROM entry e JOIN search_text s ON s.entry = e.n "
            f"WHERE e.deleted_utc IS NULL AND {' AND '.join(where)} "
            "ORDER BY e.local_date DESC, e.local_time DESC, e.n DESC LIMIT ?",
            [*values, limit],
        )
        hits = []
        for entry_id, local_date, number in found:
            row = self._db.row("SELECT text FROM entry WHERE n = ?", (number,))
            snippet, spans = excerpt(from_bytes(row[0]), wanted) if row else ("", ())
            hits.append(SearchHit(entry_id, local_date, snippet, spans))
        return hits

    def problems(self) -> list[str]:
        """Return what is wrong with the index (nothing, as a rule)."""
        found: list[str] = []
        self._db.rows("INSERT INTO search_index(search_index) VALUES('integrity-check')")
        texts = {row[0] for row in self._db.rows("SELECT entry FROM search_text")}
        entries = {row[0] for row in self._db.rows("SELECT n FROM entry")}
        fresh = {row[0] for row in self._db.rows("SELECT entry FROM search_fresh")}
        indexed = {row[0] for row in self._db.rows("SELECT id FROM search_index_docsize")}
        if texts != entries or fresh - texts or indexed != texts - fresh:
            found.append("The search index does not cover every entry.")
        row = self._db.row("SELECT value FROM meta WHERE key = 'fold'")
        if row is not None and row[0] == FOLD_VERSION:
            for number in sorted(texts & entries):
                pair = self._db.row(
                    "SELECT e.text, s.folded FROM entry e JOIN search_text s ON s.entry = e.n WHERE e.n = ?", (number,)
                )
                if pair is not None and to_bytes(fold(from_bytes(pair[0]))) != pair[1]:
                    found.append("The search text of an entry is out of date.")
                    break
        return found


def _indexable(folded: str) -> str:
    # FTS5's tokenizer stops at NUL and cannot hold lone surrogates; both sides replace them alike,
    # and verification restores exactness.
    return _UNINDEXABLE.sub("\ufffd", folded)


def _expression(wanted: Sequence[str]) -> str:
    """Return the FTS5 query that every match satisfies, or "" when all terms are short."""
    trigrams: dict[str, None] = {}
    for term in wanted:
        plain = _indexable(term)
        trigrams.update(dict.fromkeys(plain[i : i + 3] for i in range(len(plain) - 2)))
    quoted = ['"' + gram.replace('"', '""') + '"' for gram in trigrams]
    step = max(1, -(-len(quoted) // MAX_TRIGRAMS))
    return " AND ".join(quoted[::step])


# snippets ---------------------------------------------------------------------------------


def excerpt(text: str, wanted: Sequence[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the text around the first match and the places of all matches inside it.

    ``wanted`` are folded terms. Line breaks become spaces, so the snippet fits on one line.
    """
    folded = fold(text)
    first = min((at for at in (folded.find(term) for term in wanted) if at >= 0), default=-1)
    if first < 0:
        return _one_line(text[: BEFORE + AFTER]), ()
    start = _original(text, first)
    low = max(0, start - BEFORE)
    # Never begin or end inside a cluster: the marks would attach to nothing.
    while low > 0 and not _boundary(text[low]):
        low -= 1
    high = min(len(text), start + AFTER)
    while high < len(text) and not _boundary(text[high]):
        high += 1
    snippet = text[low:high]
    return _one_line(snippet), _spans(snippet, wanted)


def _spans(snippet: str, wanted: Sequence[str]) -> tuple[tuple[int, int], ...]:
    starts: list[int] = []  # for each folded character, the cluster of the snippet that it came from
    ends: list[int] = []
    folded = ""
    position = 0
    while position < len(snippet):
        end = position + 1
        while end < len(snippet) and not _boundary(snippet[end]):
            end += 1
        piece = fold(snippet[position:end])
        folded += piece
        starts += [position] * len(piece)
        ends += [end] * len(piece)
        position = end
    found: list[tuple[int, int]] = []
    for term in wanted:
        at = folded.find(term)
        while at >= 0:
            found.append((starts[at], ends[at + len(term) - 1]))
            at = folded.find(term, at + len(term))
    merged: list[tuple[int, int]] = []
    for low, high in sorted(found):
        if merged and low < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _original(text: str, target: int) -> int:
    """Return the place in ``text`` of folded character ``target``."""
    position = folded = 0
    size = _CHUNK
    while position < len(text):
        end = min(position + size, len(text))
        while end < len(text) and not _boundary(text[end]):
            end += 1
        length = len(fold(text[position:end]))
        if folded + length > target:
            if end - position == 1 or size == 1:
                return position
            size = max(1, size // 8)  # look closer, at smaller pieces of the same stretch
            continue
        folded += length
        position = end
    return max(0, len(text) - 1)


def _boundary(character: str) -> bool:
    """Tell whether folding is independent on both sides of the start of ``character``."""
    if character < "\u0300":
        return True
    # Marks and the second and third parts of Hangul syllables join what comes before them.
    return not ("\u1160" <= character <= "\u11ff" or unicodedata.category(character)[0] == "M")


def _one_line(text: str) -> str:
    return "".join(" " if c in "\r\n\t\v\f\u2028\u2029\x85\x00" else c for c in text)
