"""Secrets that the app makes, in a form for paper and files: recovery codes and key files.

Both are random and check themselves, so that a slip of the pen is told from the wrong code. Knows
nothing of slots or of the journal.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata

from journal_app.vault.records import VaultError

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_CHARACTERS = 26
"""Random characters of a recovery code: 5 bits each, 130 bits."""
CHECK_CHARACTERS = 2
GROUP = 4
_CONFUSABLE = str.maketrans({"O": "0", "I": "1", "L": "1", "U": "V"})
KEY_FILE_MARK = "QPK1"
KEY_FILE_BYTES = 32
"""Random bytes of a key file, as many as the data key has: 256 bits need no slow derivation."""
MOST_KEY_FILE_BYTES = 4096
_KEY_FILE_CHARACTERS = 52
_KEY_FILE_CHECKS = 4


def new_recovery_code() -> str:
    """Return a fresh recovery code: seven groups of four characters, 130 random bits, checked."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARACTERS))
    plain = body + _check_characters(body)
    return "-".join(plain[i : i + GROUP] for i in range(0, len(plain), GROUP))


def normalise_recovery_code(text: str) -> str | None:
    """Return the bare characters of a recovery code as typed, or None if it is not one.

    Case, spaces, dashes and characters that look alike (O 0, I L 1, U V) do not matter; a mistyped
    character is noticed in all but 1 of 1,024 cases.
    """
    if len(text) > 200:
        return None
    plain = normalise_group(text)
    if len(plain) != CODE_CHARACTERS + CHECK_CHARACTERS or any(c not in ALPHABET for c in plain):
        return None
    body, check = plain[:CODE_CHARACTERS], plain[CODE_CHARACTERS:]
    return plain if _check_characters(body) == check else None


def normalise_group(text: str) -> str:
    """Return part of a recovery code in its plain form, so that what was typed can be compared."""
    flat = unicodedata.normalize("NFKC", text).upper()
    return "".join(c for c in flat if c.isalnum()).translate(_CONFUSABLE)


def _check_characters(body: str) -> str:
    digest = int.from_bytes(hashlib.sha256(b"quietpage recovery " + body.encode("ascii")).digest()[:2], "big")
    return ALPHABET[digest >> 11] + ALPHABET[(digest >> 6) & 31]


def key_file(secret: bytes) -> bytes:
    """Return the content of a key file for a 32-byte ``secret``: two lines of plain text."""
    number = int.from_bytes(secret, "big")
    body = "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(_KEY_FILE_CHARACTERS)))
    plain = body + _key_file_checks(body)
    grouped = "-".join(plain[at : at + GROUP] for at in range(0, len(plain), GROUP))
    return (
        "Quiet Page key file. Whoever has it can open the journal: keep it away from this computer.\n"
        f"{KEY_FILE_MARK}-{grouped}\n"
    ).encode("ascii")


def key_file_secret(data: bytes) -> bytes:
    """Return the 32-byte secret in the content of a key file.

    Raises :class:`VaultError` that tells another file from a damaged key file.
    """
    text = data[:MOST_KEY_FILE_BYTES].decode("ascii", "replace").upper()
    line = next((row.strip() for row in text.splitlines() if row.strip().startswith(KEY_FILE_MARK)), None)
    if line is None or len(data) > MOST_KEY_FILE_BYTES:
        raise VaultError("This is not a key file of Quiet Page. Nothing was changed. Choose the file that it made.")
    plain = normalise_group(line[len(KEY_FILE_MARK) :])
    body, checks = plain[:_KEY_FILE_CHARACTERS], plain[_KEY_FILE_CHARACTERS:]
    number = 0
    for character in body:
        number = number * 32 + max(ALPHABET.find(character), 0)
    if len(body) != _KEY_FILE_CHARACTERS or checks != _key_file_checks(body) or number >> 8 * KEY_FILE_BYTES:
        raise VaultError(
            "This key file is damaged. Nothing was changed. Use another copy of it, the passphrase or the recovery "
            "code."
        )
    return number.to_bytes(KEY_FILE_BYTES, "big")


def _key_file_checks(body: str) -> str:
    digest = int.from_bytes(
        hashlib.sha256(b"quietpage key file " + body.encode("ascii", "replace")).digest()[:4], "big"
    )
    return "".join(ALPHABET[digest >> 27 - 5 * place & 31] for place in range(_KEY_FILE_CHECKS))
