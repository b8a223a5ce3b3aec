"""Looks for secrets in bytes, whatever they are written as: the eyes of ``scripts/canary.py``.

Bytes are kept in memory until everything that has to be looked for is known (a key is made while the program
runs), each distinct piece once. Packed data (gzip, zlib, ZIP) is looked at unpacked, too.
"""

from __future__ import annotations

import base64
import hashlib
import random
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

PIECE = 64 * 1024
OVERLAP = 2048
"""Pieces share so many bytes, so that nothing lies between two; longer than anything that is looked for."""
MOST_UNPACKED = 8 * 1024 * 1024
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_GZIP = b"\x1f\x8b\x08"
_ZIP = b"PK\x03\x04"
_ZIP_HEAD = struct.Struct("<4s5H3I2H")
_DEFLATED = 8

SYLLABLES = (
    "가나다라마바사아자차카타파하고노도로모보소오조초코토포호구누두루무부수우주추쿠투푸후기니디리미비시이지치키티피히"
)
HAN = "山水木火土金月日星雲雨雪風花草葉石河海湖橋門窗燈書筆紙茶飯魚鳥馬牛羊竹松梅蘭菊春夏秋冬東西南北"


@dataclass(frozen=True, slots=True)
class Secret:
    """Something that must stand nowhere. ``kind`` may be shown, ``value`` never."""

    kind: str
    value: str | bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hit:
    """A secret in plain sight: which, written how, in what kind of file."""

    secret: str
    form: str
    where: str


def english(letters: int = 14) -> str:
    """Return a word that nobody has written yet, in lower case."""
    chance = random.SystemRandom()
    return "".join(chance.choice("bcdfghjklmnpqrstvwxz" if n % 2 == 0 else "aeiou") for n in range(letters))


def korean(syllables: int = 8) -> str:
    """Return a run of Hangul syllables without a meaning."""
    return "".join(random.SystemRandom().choices(SYLLABLES, k=syllables))


def chinese(characters: int = 8) -> str:
    """Return a run of Han characters without a meaning."""
    return "".join(random.SystemRandom().choices(HAN, k=characters))


# how a secret may be written ------------------------------------------------------------


def forms(secret: Secret) -> dict[str, set[bytes]]:
    """Return what to look for, by the name of its form. Everything is lower-cased byte by byte, like what is searched.

    So upper, lower and mixed case are one form; only base64, in which case means something, is made of each.
    """
    if isinstance(secret.value, bytes):
        found = {"raw": {secret.value}, "hex": {secret.value.hex().encode()}, "base64": _base64(secret.value)}
        found["hex in UTF-16"] = {secret.value.hex().encode(code) for code in ("utf-16-le", "utf-16-be")}
    else:
        found = _text_forms(secret.value)
    return {name: {needle.lower() for needle in needles} for name, needles in found.items()}


def _text_forms(text: str) -> dict[str, set[bytes]]:
    composed = {text, text.lower(), text.upper(), text.capitalize()}
    written = composed | {unicodedata.normalize("NFD", one) for one in composed}
    utf8 = {one.encode() for one in written}
    return {
        "UTF-8": utf8,
        "UTF-16-LE": {one.encode("utf-16-le") for one in written},
        "UTF-16-BE": {one.encode("utf-16-be") for one in written},
        "UTF-32-LE": {one.encode("utf-32-le") for one in written},
        "UTF-32-BE": {one.encode("utf-32-be") for one in written},
        "JSON escapes": {"".join(f"\\u{unit:04x}" for unit in _units(one)).encode() for one in composed},
        "percent escapes": {"".join(f"%{byte:02x}" for byte in one.encode()).encode() for one in composed},
        "hex": {one.hex().encode() for one in utf8},
        "base64": set().union(*(_base64(one) for one in utf8)),
        "base64 of UTF-16": set().union(*(_base64(one.encode("utf-16-le")) for one in composed)),
    }


def _units(text: str) -> tuple[int, ...]:
    data = text.encode("utf-16-be")
    return struct.unpack(f">{len(data) // 2}H", data)


def _base64(data: bytes) -> set[bytes]:
    """Return what base64, standard and for URLs, always holds of ``data``, whatever stands before and after it."""
    found = set()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data)
        # Characters that also depend on a neighbour are left out: the first ones, and the last where bits are left.
        first = (0, 2, 3)[before]
        last = (before + len(data)) * 8 // 6
        found.add(whole[first:last])
        found.add(base64.urlsafe_b64encode(bytes(before) + data)[first:last])
    return found


def plant(text: str | bytes) -> dict[str, bytes]:
    """Return ``text`` written once in every form, made apart from :func:`forms`: for proofs that it is found."""
    data = text if isinstance(text, bytes) else text.encode()
    planted = {
        "base64 0": base64.b64encode(data + b"tail"),
        "base64 1": base64.b64encode(b"\xff" + data + b"\xfe!"),
        "base64 2": base64.b64encode(b"\xfb\xef" + data),
        "base64 for URLs 0": base64.urlsafe_b64encode(data),
        "base64 for URLs 1": base64.urlsafe_b64encode(b"{" + data + b"}"),
        "base64 for URLs 2": base64.urlsafe_b64encode(b"\xfb\xff" + data + b"\xff"),
        "hex": data.hex().encode(),
        "HEX": data.hex().upper().encode(),
        "zlib": zlib.compress(b"before " + data + b" after"),
        "gzip": _gzip(data),
        "ZIP": _zip(data),
    }
    if isinstance(text, bytes):
        return {**planted, "raw": data}
    planted |= {code: text.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")}
    planted |= {
        "lower": text.lower().encode(),
        "UPPER": text.upper().encode(),
        "UPPER in UTF-16": text.upper().encode("utf-16-le"),
        "UPPER in base64": base64.b64encode(b"x" + text.upper().encode()),
        "UTF-16 in base64": base64.b64encode(b"??" + text.encode("utf-16-le")),
        "decomposed": unicodedata.normalize("NFD", text).encode(),
        "JSON": "".join(f"\\u{ord(letter):04X}" for letter in text).encode(),
        "percent": "".join(f"%{byte:02X}" for byte in data).encode(),
    }
    return planted


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def _zip(data: bytes) -> bytes:
    import io
    import zipfile

    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.txt", data * 3)
    return whole.getvalue()


# where it may stand ------------------------------------------------------------------------


def unpacked(data: bytes) -> Iterator[bytes]:
    """Yield what stands in packed form anywhere in ``data``; what only looks packed yields nothing."""
    for magic in (*_ZLIB, _GZIP):
        at = data.find(magic)
        while at >= 0:
            yield from _inflated(data, at, 31 if magic == _GZIP else 15)
            at = data.find(magic, at + 1)
    at = data.find(_ZIP)
    while at >= 0:
        head = data[at : at + _ZIP_HEAD.size]
        if len(head) == _ZIP_HEAD.size:
            fields = _ZIP_HEAD.unpack(head)
            if fields[3] == _DEFLATED:
                yield from _inflated(data, at + _ZIP_HEAD.size + fields[9] + fields[10], -15)
        at = data.find(_ZIP, at + 1)


def _inflated(data: bytes, at: int, wbits: int) -> Iterator[bytes]:
    try:
        found = zlib.decompressobj(wbits).decompress(memoryview(data)[at:], MOST_UNPACKED)
    except zlib.error:
        return
    if found:
        yield found


class Haystack:
    """Bytes to be searched, in pieces: each once for every kind of file that holds it."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[bytes, str], bytes] = {}
        self.bytes_given = 0

    def add(self, data: bytes, where: str) -> None:
        """Keep ``data``, of a file of the kind ``where``."""
        self.bytes_given += len(data)
        if self._keep(data, where):
            for inside in unpacked(data):
                self._keep(inside, where)

    def _keep(self, data: bytes, where: str) -> bool:
        new = False
        for at in range(0, max(1, len(data)), PIECE):
            piece = data[at : at + PIECE + OVERLAP]
            known = hashlib.blake2b(piece, digest_size=16).digest(), where
            if known not in self._pieces:
                self._pieces[known] = piece
                new = True
        return new

    @property
    def bytes_distinct(self) -> int:
        """How many bytes are searched."""
        return sum(map(len, self._pieces.values()))

    def search(self, secrets: list[Secret]) -> list[Hit]:
        """Return every secret that is found: once for each form and kind of file."""
        needles = [
            (needle, secret.kind, form) for secret in secrets for form, some in forms(secret).items() for needle in some
        ]
        if any(not 8 <= len(needle) <= OVERLAP for needle, _, _ in needles):
            raise ValueError("too short to mean anything, or too long to be found")
        hits: dict[Hit, None] = {}
        for (_, where), piece in self._pieces.items():
            data = piece.lower()
            for needle, kind, form in needles:
                if needle in data:
                    hits[Hit(kind, form, where)] = None
        return list(hits)


def missed(secrets: list[Secret]) -> list[str]:
    """Plant every secret in every form among noise, and return what the search does not find: nothing, it is hoped."""
    lost = []
    for secret in secrets:
        for name, written in plant(secret.value).items():
            # Once in the middle, once across the end of a piece, once at the very end.
            for before in (1000, PIECE - len(written) // 2, PIECE + OVERLAP - len(written) // 2):
                stack = Haystack()
                stack.add(random.randbytes(before) + written + random.randbytes(3000), "planted")
                if [hit.secret for hit in stack.search([secret])][:1] != [secret.kind]:
                    lost.append(f"{secret.kind} as {name} at {before}")
    return lost
