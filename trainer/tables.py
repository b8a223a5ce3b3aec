"""Tables of one's own: CSV, TSV, JSON and JSON lines as records, each mistake told with file and line.

Files are read as UTF-8, with or without a mark at the start, plain or gzipped. What is no text, or no
UTF-8, or has a line longer than :data:`LONGEST` is refused: half-read data is worse than none.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainer.config import TrainerError
from trainer.corpora.corpus import Record

LONGEST = 2_000_000
"""Characters of a line; the longest paper has a tenth of that."""
KINDS = ("csv", "tsv", "json", "jsonl", "ndjson")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_table(path: Path) -> Iterator[Record]:
    """Yield the records of ``path``; raise :class:`TrainerError` naming the line that is wrong.

    The kind is the ending of the name, with or without ``.gz``. The first line of a CSV or TSV names the
    columns; a CSV may be separated by commas, semicolons or tabs. A JSON file is a list of objects.
    """
    endings = [ending.lstrip(".").lower() for ending in path.suffixes]
    packed = endings[-1:] == ["gz"]
    kind = (endings[:-1] if packed else endings)[-1:]
    if not kind or kind[0] not in KINDS:
        raise TrainerError(f"{path}: its name must end in {', '.join('.' + k for k in KINDS)} (or one of them and .gz)")
    text = _decoded(path, packed=packed)
    if not text.strip():
        raise TrainerError(f"{path}: the file is empty")
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if kind[0] != "json" and len(line) > LONGEST:
            raise TrainerError(
                f"{path}, line {number}: longer than {LONGEST:,} characters; is the file cut into lines?"
            )
    if kind[0] in ("csv", "tsv"):
        return _separated(path, text, "\t" if kind[0] == "tsv" else "")
    return _listed(path, text) if kind[0] == "json" else _lines(path, text)


def _decoded(path: Path, *, packed: bool) -> str:
    try:
        raw = path.read_bytes()
        if packed or raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise TrainerError(f"{path}: cannot be read ({type(error).__name__})") from None
    if raw.startswith(_UTF16):
        raise TrainerError(f"{path}: it is written in UTF-16; save it again as UTF-8")
    raw = raw.removeprefix(codecs.BOM_UTF8)
    zero = raw.find(b"\x00")
    if zero >= 0:
        raise TrainerError(f"{path}, line {_line_at(raw, zero)}: not a text file (a byte of value 0)")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TrainerError(
            f"{path}, line {_line_at(raw, error.start)}: not UTF-8 (byte 0x{raw[error.start]:02x}); "
            "save it again as UTF-8"
        ) from None


def _line_at(raw: bytes, place: int) -> int:
    return raw.count(b"\n", 0, place) + 1


def _separated(path: Path, text: str, mark: str) -> Iterator[Record]:
    first = text.lstrip("\r\n").split("\n", 1)[0]
    mark = mark or max(",;\t", key=first.count)
    # The reader's own limit is one for the whole program and 131,072 by default; ours was checked above.
    csv.field_size_limit(LONGEST + 1)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    start = 1
    header: list[str] | None = None
    found = False
    try:
        for row in rows:
            where, start = f"{path}, line {start}", rows.line_num + 1
            if not row or not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = _header(where, row)
                continue
            if len(row) != len(header):
                raise TrainerError(f"{where}: {len(row)} columns, but the first line names {len(header)}")
            found = True
            yield Record(where, dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise TrainerError(f"{path}, line {start}: not a well-formed table ({error})") from None
    if not found:
        raise TrainerError(f"{path}: there is a line of columns, but no row under it")


def _header(where: str, row: Sequence[str]) -> list[str]:
    names = [name.strip() for name in row]
    for place, name in enumerate(names, 1):
        if not name:
            raise TrainerError(f"{where}: column {place} has no name; the first line must name the columns")
        if len(name) > 80:
            raise TrainerError(
                f"{where}: column {place} has a name of {len(name)} characters; is the first line a row?"
            )
        if names.count(name) > 1:
            raise TrainerError(f"{where}: two columns are called {name!r}")
    return names


def _lines(path: Path, text: str) -> Iterator[Record]:
    found = False
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.rstrip("\n"))
        except json.JSONDecodeError as error:
            raise TrainerError(f"{path}, line {number}, column {error.colno}: not valid JSON ({error.msg})") from None
        except RecursionError:
            raise TrainerError(f"{path}, line {number}: JSON nested too deeply") from None
        if not isinstance(value, dict):
            raise TrainerError(f"{path}, line {number}: not a JSON object")
        found = True
        yield Record(f"{path}, line {number}", value)
    if not found:
        raise TrainerError(f"{path}: there is not one record in it")


def _listed(path: Path, text: str) -> Iterator[Record]:
    try:
        value: Any = json.loads(text)
    except json.JSONDecodeError as error:
        hint = "; is it one object a line? then call it .jsonl" if error.msg == "Extra data" else ""
        raise TrainerError(
            f"{path}, line {error.lineno}, column {error.colno}: not valid JSON ({error.msg}){hint}"
        ) from None
    except RecursionError:
        raise TrainerError(f"{path}: JSON nested too deeply") from None
    if isinstance(value, dict):
        # Many files wrap their rows, as {"data": [...]}.
        lists = [item for item in value.values() if isinstance(item, list)]
        value = lists[0] if len(lists) == 1 else value
    if not isinstance(value, list) or not value:
        raise TrainerError(f"{path}: a list of objects was expected")
    for number, item in enumerate(value, 1):
        if not isinstance(item, dict):
            raise TrainerError(f"{path}, item {number}: not a JSON object")
        yield Record(f"{path}, item {number}", item)
