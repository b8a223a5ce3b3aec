"""Exact search in any language, inside the encrypted file.

**What matches**, defined once: a term matches a text when ``fold(term)`` is a substring of
``fold(text)``, where ``fold`` is Unicode's canonical caseless form (decompose, case-fold, compose:
Unicode 3.13, D145, taken to NFC). So ``STRASSE`` finds ``straße``, a composed 각 finds a decomposed
one, and 가 does not find 각. A query matches when all its terms do.

**How**: the folded text is stored beside each entry. An index (FTS5, ``detail=none``: only which
entries hold a gram) knows every run of one, two and three characters, so a term of up to three is
answered by the index alone; a longer one is narrowed down by its runs of three and then verified as
a substring. Entries saved a moment ago are listed as *fresh* and simply scanned, which keeps a save
of a long entry short; :meth:`SearchIndex.catch_up` moves them into the index later. The index may
therefore be late but never wrong.

**In what order things are touched** decides how fast it is: rows of ``entry`` and ``search_text``
are a page each, decrypted and authenticated. Few candidates are looked up; many are met by walking
the small index ``entry_live``, newest first, which ends as soon as enough were found.

Terms are stored as bytes: UTF-8 with lone surrogates passed through, so that nothing a
keyboard or a paste can produce is refused or changed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from journal_app.vault.connection import Connection
from journal_app.vault.records import DAMAGED, DamagedVault, SearchFilter, SearchHit

MAX_TERMS = 32
MAX_GRAMS = 48
"""Grams asked of the index per query; more would only cost, since candidates are verified."""
BEFORE = 40
AFTER = 120
"""Characters of a snippet before and after the first match."""
FEW = 300
"""Up to so many candidates are looked up one by one; more are met on the way from the newest entry back."""
AT_ONCE = 50
"""Texts read at once for snippets."""
FOLD_VERSION = f"1:{unicodedata.unidata_version}"
"""Stored with the index; another one means that folded texts must be made again."""

_QUERY = re.compile(r'"([^"]*)(?:"|$)|(\S+?)(?=["\s]|$)')
_IOTA_BELOW = re.compile("[\u0345\u1f80-\u1fff]")
_LINE_BREAK = re.compile("[\r\n\t\v\f\u2028\u2029\x85\x00]")
_CHUNK = 1024
_CLUSTER = 8
"""Characters beyond a snippet's end that are looked at, for marks that belong to its last one."""

# FTS5's plainest tokenizer keeps letters, digits and everything beyond ASCII. The rest of ASCII is
# written in a corner of the last private plane; what lives there, and what UTF-8 has no form for,
# becomes one sign that stands for any of them: terms that hold it are verified.
_CORNER = 0x10FE00
_ANY = chr(_CORNER + 0x80)
_AMBIGUOUS = re.compile(f"[\ud800-\udfff{chr(_CORNER)}-{_ANY}]")
_WRITTEN = {code: _CORNER + code for code in range(0x80) if not chr(code).isalnum()}

_SHOWN_FEELINGS = "CASE WHEN json_valid(body) THEN json_extract(body, '$.feelings') END"
"""As in the index ``analysis_feelings``: its feelings are read there, not from the bodies."""


def fold(text: str) -> str:
    """Return the canonical caseless form of ``text``, in which matching is defined."""
    if text.isascii():
        return text.lower()
    if not _IOTA_BELOW.search(text):
        # Only what holds U+0345 folds differently before and after it is decomposed (Unicode 3.13).
        return unicodedata.normalize("NFC", text.casefold())
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of the index and what is left to verify; all as SQL parameters.

    Attributes:
        expression: FTS5 query that every match in the index satisfies.
        doubtful: terms that the index alone cannot vouch for. terms: all of them, for texts not in it.
    """

    expression: str
    doubtful: tuple[bytes, ...]
    terms: tuple[bytes, ...]


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
        self._db.rows("DELETE FROM search_grams WHERE rowid = ?", (number,))

    def drop(self, number: int) -> None:
        """Forget entry ``number``."""
        self._db.rows("DELETE FROM search_text WHERE entry = ?", (number,))
        if not self._db.rows("DELETE FROM search_fresh WHERE entry = ? RETURNING entry", (number,)):
            self._db.rows("DELETE FROM search_grams WHERE rowid = ?", (number,))

    def fresh_count(self) -> int:
        """Return how many entries wait to be moved into the index."""
        row = self._db.row("SELECT count(*) FROM search_fresh")
        return row[0] if row else 0

    def catch_up(self, limit: int, keep: int = 0) -> int:
        """Move up to ``limit`` fresh entries into the index, oldest first; return how many.

        ``keep``: leave so many fresh, the newest, which may well change again.
        """
        if keep:
            limit = min(limit, self.fresh_count() - keep)
        if limit <= 0:
            return 0
        waiting = self._db.rows("SELECT entry FROM search_fresh ORDER BY entry LIMIT ?", (limit,))
        for (number,) in waiting:
            row = self._db.row("SELECT folded FROM search_text WHERE entry = ?", (number,))
            if row is not None:
                self._db.rows(
                    "INSERT INTO search_grams(rowid, grams) VALUES(?, ?)", (number, _grams(from_bytes(row[0])))
                )
            self._db.rows("DELETE FROM search_fresh WHERE entry = ?", (number,))
        return len(waiting)

    def rebuild(self) -> None:
        """Fold every text again and mark all as fresh (another Unicode version, or repair)."""
        self._db.rows("INSERT INTO search_grams(search_grams) VALUES('delete-all')")
        self.fold_all()

    def fold_all(self) -> None:
        """Fold every text again and mark all as fresh; the index must be empty."""
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

    def search(self, query: str, limit: int, only: SearchFilter | None = None) -> list[SearchHit]:
        """Return the matching entries outside the bin that pass ``only``, newest first, with snippets.

        With a filter a query without terms matches everything.
        """
        wanted = terms(query)
        if limit <= 0 or (not wanted and only is None):
            return []
        with self._db.snapshot():  # an entry must not move into the index between two looks
            return self._hits(self._found(wanted, limit, _conditions(only)), wanted)

    def _found(
        self, wanted: Sequence[str], limit: int, conditions: tuple[list[str], list[Any]]
    ) -> list[tuple[int, str, str]]:
        """Return number, id and date of what matches, newest first."""
        where, values = conditions
        if not wanted:
            return self._walk(where, values, limit)
        asked = _ask(wanted)
        candidates = [
            number
            for (number,) in self._db.rows(
                "SELECT entry FROM search_fresh UNION ALL SELECT rowid FROM search_grams WHERE search_grams MATCH ?"
                " LIMIT ?",
                (asked.expression, FEW + 1),
            )
        ]
        if len(candidates) <= FEW:
            return self._look_up(candidates, asked, where, values, limit)
        matched = (
            f"(e.n IN (SELECT rowid FROM search_grams WHERE search_grams MATCH ?){_verified(asked.doubtful)}"
            f" OR e.n IN (SELECT entry FROM search_fresh){_verified(asked.terms)})"
        )
        return self._walk([*where, matched], [*values, asked.expression, *asked.doubtful, *asked.terms], limit)

    def _look_up(
        self, candidates: list[int], asked: _Asked, where: list[str], values: list[Any], limit: int
    ) -> list[tuple[int, str, str]]:
        return self._db.rows(
            "SELECT e.n, e.id, e.local_date FROM json_each(?) c CROSS JOIN entry e ON e.n = c.value"
            f" WHERE {' AND '.join(['e.deleted_utc IS NULL', *where])}{_verified(asked.terms)}"
            " ORDER BY e.local_date DESC, e.local_time DESC, e.n DESC LIMIT ?",
            (json.dumps(candidates), *values, *asked.terms, limit),
        )

    def _walk(self, where: list[str], values: list[Any], limit: int) -> list[tuple[int, str, str]]:
        return self._db.rows(
            "SELECT e.n, e.id, e.local_date FROM entry e INDEXED BY entry_live"
            f" WHERE {' AND '.join(['e.deleted_utc IS NULL', *where])}"
            " ORDER BY e.local_date DESC, e.local_time DESC, e.n DESC LIMIT ?",
            (*values, limit),
        )

    def _hits(self, found: list[tuple[int, str, str]], wanted: Sequence[str]) -> list[SearchHit]:
        snippets: dict[int, tuple[str, tuple[tuple[int, int], ...]]] = {}
        # A few at a time: texts may be long.
        for at in range(0, len(found), AT_ONCE):
            numbers = json.dumps([number for number, _, _ in found[at : at + AT_ONCE]])
            for number, text in self._db.rows(
                "SELECT e.n, e.text FROM json_each(?) c CROSS JOIN entry e ON e.n = c.value", (numbers,)
            ):
                snippets[number] = excerpt(from_bytes(text), wanted)
        return [
            SearchHit(entry_id, local_date, *snippets.get(number, ("", ()))) for number, entry_id, local_date in found
        ]

    def problems(self) -> list[str]:
        """Return what is wrong with the index (nothing, as a rule)."""
        found: list[str] = []
        self._db.rows("INSERT INTO search_grams(search_grams) VALUES('integrity-check')")
        texts = {row[0] for row in self._db.rows("SELECT entry FROM search_text")}
        entries = {row[0] for row in self._db.rows("SELECT n FROM entry")}
        fresh = {row[0] for row in self._db.rows("SELECT entry FROM search_fresh")}
        indexed = {row[0] for row in self._db.rows("SELECT id FROM search_grams_docsize")}
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


def _written(folded: str) -> str:
    """Return folded text as the index's tokenizer takes it, a character for each."""
    return _AMBIGUOUS.sub(_ANY, folded).translate(_WRITTEN)


def _grams(folded: str) -> str:
    """Return every run of one, two and three characters, once each, with spaces between."""
    written = _written(folded)
    found = set(written)
    found.update(map("".join, zip(written, written[1:], strict=False)))
    found.update(map("".join, zip(written, written[1:], written[2:], strict=False)))
    return " ".join(found)


def _ask(wanted: Sequence[str]) -> _Asked:
    grams: dict[str, None] = {}
    doubtful = []
    for term in wanted:
        written = _written(term)
        size = min(3, len(written))
        grams.update(dict.fromkeys(written[at : at + size] for at in range(len(written) - size + 1)))
        if len(written) > size or _ANY in written:
            doubtful.append(term)
    step = -(-len(grams) // MAX_GRAMS)
    # Longest first: the rarest term rejects most texts before the others are looked at.
    verify = sorted(doubtful if step == 1 else wanted, key=len, reverse=True)
    return _Asked(
        " AND ".join(f'"{gram}"' for gram in list(grams)[::step]),
        tuple(map(to_bytes, verify)),
        tuple(map(to_bytes, sorted(wanted, key=len, reverse=True))),
    )


def _verified(wanted: Sequence[bytes]) -> str:
    """Return a condition over ``entry e``: the folded text holds each parameter."""
    if not wanted:
        return ""
    return f" AND (SELECT {' AND '.join(['instr(folded, ?)'] * len(wanted))} FROM search_text WHERE entry = e.n)"


def _conditions(only: SearchFilter | None) -> tuple[list[str], list[Any]]:
    """Return what a filter asks of ``entry e``, as SQL and its parameters."""
    where: list[str] = []
    values: list[Any] = []

    def need(sql: str, *parameters: Any) -> None:
        where.append(sql)
        values.extend(p.encode("utf-8", "replace").decode() if isinstance(p, str) else p for p in parameters)

    if only is None:
        return where, values
    if only.start:
        need("e.local_date >= ?", only.start)
    if only.end:
        need("e.local_date <= ?", only.end)
    for tag in only.tags:
        need("e.n IN (SELECT entry FROM tag WHERE name = ?)", tag)
    if only.feeling:
        said = "SELECT entry FROM correction WHERE task = 'feelings' AND label = ? AND verdict"
        need(
            f"e.n IN (SELECT entry FROM analysis WHERE instr({_SHOWN_FEELINGS}, ?) AND entry NOT IN ({said} = 'remove')"
            f" UNION ALL {said} = 'add')",
            json.dumps(only.feeling),
            only.feeling,
            only.feeling,
        )
    if only.valence is not None:
        need("e.valence BETWEEN ? AND ?", *only.valence)
    if only.has_image:
        need("EXISTS (SELECT 1 FROM image WHERE image.entry = e.n)")
    if only.for_therapist:
        need("e.for_therapist = 1")
    return where, values


# snippets ---------------------------------------------------------------------------------


def excerpt(text: str, wanted: Sequence[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the text around the first match and the places of all matches inside it.

    ``wanted`` are folded terms. Line breaks become spaces, so the snippet fits on one line.
    """
    if not wanted:
        return _one_line(text[: BEFORE + AFTER]), ()
    folded = fold(text)
    first = min((at for at in (folded.find(term) for term in wanted) if at >= 0), default=-1)
    if first < 0:
        return _one_line(text[: BEFORE + AFTER]), ()
    # Most texts fold a character at a time, and most characters to one: what need not be made again
    # piece by piece is read from the folded text. Only the part up to the end of the snippet matters.
    head = text[: first + AFTER + _CLUSTER]
    near = head.casefold()
    single = folded.startswith(near) and (len(head) == len(text) or _boundary(text[len(head)]))
    start = _original_single(head, first) if single else _original(text, first)
    low = max(0, start - BEFORE)
    # Never begin or end inside a cluster: the marks would attach to nothing.
    while low > 0 and not _boundary(text[low]):
        low -= 1
    high = min(len(text), start + AFTER)
    while high < len(text) and not _boundary(text[high]):
        high += 1
    snippet = text[low:high]
    near = near[low:high] if single and len(near) == len(head) else snippet.casefold()
    if single or near == fold(snippet):
        return _one_line(snippet), _spans_single(near, snippet, wanted)
    return _one_line(snippet), _spans(snippet, wanted)


def _spans_single(folded: str, snippet: str, wanted: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the same as :func:`_spans`, for a snippet that folds a character at a time."""
    kept, plain = len(folded) == len(snippet), snippet.isascii()
    found: list[tuple[int, int]] = []
    for term in wanted:
        at = folded.find(term)
        while at >= 0:
            low, high = at, at + len(term)
            if not kept:
                low, high = _original_single(snippet, low), _original_single(snippet, high - 1) + 1
            while not plain and low > 0 and not _boundary(snippet[low]):
                low -= 1
            while not plain and high < len(snippet) and not _boundary(snippet[high]):
                high += 1
            found.append((low, high))
            at = folded.find(term, at + len(term))
    return _merged(found)


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
    return _merged(found)


def _merged(found: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(found):
        if merged and low < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _original_single(text: str, target: int) -> int:
    """Return the same as :func:`_original`, for a text that folds a character at a time."""
    high = min(target, len(text))  # no character folds to nothing, so the place is not behind the target …
    low = max(0, target - (len(text[:high].casefold()) - high))  # … and no further before it than was added
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(text[:middle].casefold()) <= target else (low, middle - 1)
    return low


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
    return _LINE_BREAK.sub(" ", text)
