"""The key file: a random data key, wrapped once per secret that may open the journal.

The data key never depends on a passphrase: each *slot* derives a wrapping key from one secret
(passphrase and recovery code by Argon2id, the random secrets of key file and keyring by HKDF) and
seals the data key with AES-256-GCM, its own parameters and the identity of the journal being
authenticated with it. Changing a passphrase rewrites a few hundred bytes. This module knows nothing
of databases; it turns bytes into slots and back.

A checksum over the whole file tells a damaged key file from a wrong passphrase. It is no defence
against somebody who rewrites the file: that is what the sealed slots are for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from argon2.exceptions import Argon2Error
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from journal_app.vault import codes
from journal_app.vault.records import DamagedVault, NewerVault, VaultError, WrongPassphrase

FORMAT = "quietpage-keys"
VERSION = 2
"""Version 2 may hold slots of random secrets (key file, keyring); a file without them is still written as 1."""
SLOT_VERSION = 1
PASSPHRASE = "passphrase"
RECOVERY = "recovery"
KEYFILE = "keyfile"
KEYRING = "keyring"
KEY_BYTES = 32
SALT_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
MAX_FILE_BYTES = 64 * 1024
MAX_SLOTS = 8
ARGON2_VERSION = 19

# What a key file may ask of this machine. RFC 9106 recommends 64 MiB, t=3, p=4 where memory is
# scarce; the ceilings stop a hostile file from asking for hours or for all memory.
FLOOR_MEMORY_KIB = 64 * 1024
CEILING_MEMORY_KIB = 256 * 1024
READ_MEMORY_KIB = 1024 * 1024
READ_TIME = 16
READ_WORK_KIB = 4 * 1024 * 1024
"""Memory times passes: about twice what the dearest calibration makes."""
READ_LANES = 16


@dataclass(frozen=True, slots=True)
class KdfParams:
    """Cost of Argon2id: memory in KiB, passes, lanes."""

    memory_kib: int = FLOOR_MEMORY_KIB
    time: int = 3
    lanes: int = 4

    @classmethod
    def fast(cls) -> KdfParams:
        """Return parameters that cost nothing and protect nothing: for tests only."""
        return cls(memory_kib=64, time=1, lanes=1)

    @classmethod
    def calibrated(cls, seconds: float = 0.5) -> KdfParams:
        """Return parameters that take about ``seconds`` here, never below 64 MiB, t=3, p=4.

        Memory is raised first (to 256 MiB), then passes (to 8), since memory is what makes guessing
        on other hardware dear. Measured once, on the floor's parameters.
        """
        floor = cls()
        start = time.perf_counter()
        derive(b"calibration", bytes(SALT_BYTES), floor)
        room = seconds / max(time.perf_counter() - start, 1e-3)
        memory = FLOOR_MEMORY_KIB
        while memory * 2 <= CEILING_MEMORY_KIB and room >= 2 * memory / FLOOR_MEMORY_KIB:
            memory *= 2
        passes = int(floor.time * room * FLOOR_MEMORY_KIB / memory)
        return cls(memory, min(max(passes, floor.time), 8), floor.lanes)

    def check(self) -> None:
        """Raise :class:`DamagedVault` if these would ask more of the machine than is sane."""
        sane = (
            8 * self.lanes <= self.memory_kib <= READ_MEMORY_KIB
            and 1 <= self.time <= READ_TIME
            and 1 <= self.lanes <= READ_LANES
            and self.memory_kib * self.time <= READ_WORK_KIB
        )
        if not sane:
            raise DamagedVault(_DAMAGED)


@dataclass(frozen=True, slots=True)
class Slot:
    """One way to open the journal: the data key sealed under one secret (``kdf`` None: a random one)."""

    kind: str
    kdf: KdfParams | None
    salt: bytes
    nonce: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The content of the key file.

    Attributes:
        vault_id: hex; the same identity is written inside the encrypted journal.
        fingerprint: hex, 64 bits of an HMAC under the data key: a key that opens a slot but has
            another fingerprint belongs to another journal.
        slots: in the order in which they were made.
    """

    vault_id: str
    fingerprint: str
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class RingSecret:
    """A secret from the system's keyring: ``lookup`` returns the 32 bytes kept for a slot's name, or None."""

    lookup: Callable[[str], bytes | None]


Secret = str | bytes | RingSecret
"""What may open a journal: a passphrase or recovery code, the content of a key file, the keyring."""

_DAMAGED = (
    "The key file of this journal is damaged, so it cannot be opened with any passphrase. "
    "Nothing was changed. Restore the file keys.json from a backup and try again."
)

_WRONG: dict[type, str] = {
    str: "That passphrase does not open this journal. Nothing was changed, and you can try again as often as you like. "
    "Check the keyboard layout and Caps Lock, or use the recovery code.",
    bytes: "This key file does not open this journal: it belongs to another one, or it was replaced. "
    "Nothing was changed.",
    RingSecret: "The keyring of this computer does not open this journal. Nothing was changed. Use the passphrase.",
}


def derive(secret: bytes, salt: bytes, kdf: KdfParams) -> bytes:
    """Return the 32-byte wrapping key of ``secret`` by Argon2id (RFC 9106).

    Raises :class:`VaultError` when the machine cannot give the memory that it takes.
    """
    try:
        return hash_secret_raw(
            secret, salt, kdf.time, kdf.memory_kib, kdf.lanes, KEY_BYTES, Type.ID, version=ARGON2_VERSION
        )
    except (Argon2Error, MemoryError):
        raise VaultError(
            "There is not enough free memory to open the journal. Close other programs and try again. "
            "Nothing was changed."
        ) from None


def new_key_file(
    data_key: bytes | bytearray, passphrase: str, kdf: KdfParams, vault_id: str | None = None
) -> tuple[KeyFile, str]:
    """Return a key file with two slots for ``data_key``, and the recovery code of the second."""
    code = codes.new_recovery_code()
    empty = KeyFile(vault_id or secrets.token_hex(16), fingerprint(data_key), ())
    file = replace(empty, slots=(_seal(empty, PASSPHRASE, _passphrase_bytes(passphrase), data_key, kdf),))
    return with_slot(file, RECOVERY, code, data_key, kdf), code


def with_slot(file: KeyFile, kind: str, secret: str, data_key: bytes | bytearray, kdf: KdfParams) -> KeyFile:
    """Return ``file`` with the slot of ``kind`` (passphrase or recovery code) replaced by one for ``secret``."""
    material = _passphrase_bytes(secret) if kind == PASSPHRASE else _code_bytes(secret)
    return _with(file, _seal(file, kind, material, data_key, kdf), [s for s in file.slots if s.kind != kind])


def with_random_slot(file: KeyFile, kind: str, secret: bytes, data_key: bytes | bytearray) -> tuple[KeyFile, Slot]:
    """Return ``file`` with a slot for a random 32-byte ``secret``, and that slot.

    There is one key file; keyrings add up, one for each computer. Raises :class:`VaultError` when all slots are taken.
    """
    slot = _seal(file, kind, secret, data_key, None)
    return _with(file, slot, [s for s in file.slots if s.kind != kind or kind == KEYRING]), slot


def without_slot(file: KeyFile, slot: Slot) -> KeyFile:
    """Return ``file`` without a key file's or a keyring's slot; passphrase and recovery code always stay."""
    if slot.kind not in (KEYFILE, KEYRING):
        raise ValueError("this slot stays")
    return replace(file, slots=tuple(s for s in file.slots if s != slot))


def _with(file: KeyFile, slot: Slot, kept: list[Slot]) -> KeyFile:
    if len(kept) >= MAX_SLOTS:
        raise VaultError("This journal remembers as many computers as it can. Remove one of them first.")
    order = {PASSPHRASE: 0, RECOVERY: 1, KEYFILE: 2}
    return replace(file, slots=tuple(sorted([*kept, slot], key=lambda s: order.get(s.kind, 3))))


def open_key(file: KeyFile, secret: Secret) -> bytearray:
    """Return the data key that ``secret`` opens (see ``Secret``).

    Raises :class:`WrongPassphrase` when no slot opens, :class:`DamagedVault` when the key that a
    slot gives is not this journal's, :class:`VaultError` for a file that is no key file.
    """
    # The recovery code first: it is told from a passphrase by its form, and a passphrase costs a derivation.
    for slot in sorted(file.slots, key=lambda s: s.kind != RECOVERY):
        material = _material(file, slot, secret)
        if material is None:
            continue
        # Into a buffer that can be overwritten: a bytes object would stay in memory after the journal is locked.
        key = bytearray(max(0, len(slot.sealed) - TAG_BYTES))
        try:
            AESGCM(_wrapping_key(material, slot)).decrypt_into(slot.nonce, slot.sealed, _associated(file, slot), key)
        except InvalidTag:
            continue
        if len(key) != KEY_BYTES or not hmac.compare_digest(fingerprint(key), file.fingerprint):
            wipe(key)
            raise DamagedVault(_DAMAGED)
        return key
    raise WrongPassphrase(_WRONG[type(secret)])


def fingerprint(data_key: bytes | bytearray) -> str:
    """Return 64 bits of an HMAC under the key: says nothing about it, tells keys apart."""
    return hmac.new(data_key, b"quietpage data key", hashlib.sha256).hexdigest()[:16]


def wipe(key: bytearray) -> None:
    """Overwrite ``key`` in place."""
    for i in range(len(key)):
        key[i] = 0


# the file ---------------------------------------------------------------------------------


def encode(file: KeyFile) -> bytes:
    """Return the bytes of the key file."""
    body: dict[str, Any] = {
        "format": FORMAT,
        "version": 1 if all(slot.kdf is not None for slot in file.slots) else VERSION,
        "vault_id": file.vault_id,
        "fingerprint": file.fingerprint,
        "slots": [
            {
                "kind": slot.kind,
                **_kdf_json(slot.kdf),
                "salt": _b64(slot.salt),
                "nonce": _b64(slot.nonce),
                "sealed": _b64(slot.sealed),
            }
            for slot in file.slots
        ],
    }
    body["checksum"] = _checksum(body)
    return (json.dumps(body, indent=1) + "\n").encode("ascii")


def decode(data: bytes) -> KeyFile:
    """Return the key file in ``data``.

    Raises :class:`DamagedVault` for anything that is not exactly what was written,
    :class:`NewerVault` for a sound file of a later version.
    """
    if len(data) > MAX_FILE_BYTES:
        raise DamagedVault(_DAMAGED)
    try:
        body = json.loads(data.decode("ascii"))
        if not isinstance(body, dict) or body.get("format") != FORMAT:
            raise DamagedVault(_DAMAGED)
        # The checksum comes before the version: a flipped bit must not pass for a newer file.
        # Every later version keeps this envelope.
        claimed = body.pop("checksum", None)
        if not isinstance(claimed, str) or not hmac.compare_digest(claimed.encode(), _checksum(body).encode()):
            raise DamagedVault(_DAMAGED)
        if type(body["version"]) is int and body["version"] > VERSION:
            raise NewerVault(
                "This journal was made by a newer version of Quiet Page. Nothing was changed. "
                "Install the newer version to open it."
            )
        return _from_json(body)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DamagedVault(_DAMAGED) from None


def _from_json(body: dict[str, Any]) -> KeyFile:
    slots = body["slots"]
    if body["version"] not in (1, VERSION) or not isinstance(slots, list) or not 1 <= len(slots) <= MAX_SLOTS:
        raise ValueError("unexpected shape")
    read = []
    for raw in slots:
        kdf = _kdf_of(raw)
        slot = Slot(str(raw["kind"]), kdf, _unb64(raw["salt"]), _unb64(raw["nonce"]), _unb64(raw["sealed"]))
        if len(slot.salt) != SALT_BYTES or len(slot.nonce) != NONCE_BYTES or len(slot.sealed) != KEY_BYTES + 16:
            raise ValueError("unexpected length")
        read.append(slot)
    return KeyFile(str(body["vault_id"]), str(body["fingerprint"]), tuple(read))


def _kdf_of(raw: dict[str, Any]) -> KdfParams | None:
    if raw["cipher"] != "aes-256-gcm":
        raise ValueError("unknown cipher")
    if raw["kdf"] == "hkdf-sha256" and raw["kind"] in (KEYFILE, KEYRING):
        return None
    if raw["kdf"] != "argon2id" or raw["kdf_version"] != ARGON2_VERSION:
        raise ValueError("unknown algorithm")
    numbers = [raw["memory_kib"], raw["time"], raw["lanes"]]
    if any(type(number) is not int for number in numbers):
        raise TypeError("not a number")
    kdf = KdfParams(*numbers)
    kdf.check()
    return kdf


def _kdf_json(kdf: KdfParams | None) -> dict[str, Any]:
    if kdf is None:
        return {"kdf": "hkdf-sha256", "cipher": "aes-256-gcm"}
    return {
        "kdf": "argon2id",
        "kdf_version": ARGON2_VERSION,
        "memory_kib": kdf.memory_kib,
        "time": kdf.time,
        "lanes": kdf.lanes,
        "cipher": "aes-256-gcm",
    }


def _associated(file: KeyFile, slot: Slot) -> bytes:
    """Return what is authenticated with the sealed key: everything that says how to open it."""
    return _canonical(
        {
            "format": FORMAT,
            "version": SLOT_VERSION,
            "vault_id": file.vault_id,
            "fingerprint": file.fingerprint,
            "kind": slot.kind,
            "salt": _b64(slot.salt),
            **_kdf_json(slot.kdf),
        }
    )


def _seal(file: KeyFile, kind: str, secret: bytes, data_key: bytes | bytearray, kdf: KdfParams | None) -> Slot:
    slot = Slot(kind, kdf, os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES), b"")
    cipher = AESGCM(_wrapping_key(secret, slot))
    return replace(slot, sealed=cipher.encrypt(slot.nonce, data_key, _associated(file, slot)))


def _wrapping_key(secret: bytes, slot: Slot) -> bytes:
    if slot.kdf is not None:
        return derive(secret, slot.salt, slot.kdf)
    # A random secret of 256 bits cannot be guessed, so it needs no slow derivation (RFC 5869).
    info = f"quietpage {slot.kind}".encode("ascii", "replace")
    return HKDF(SHA256(), KEY_BYTES, slot.salt, info).derive(secret)


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(body)).hexdigest()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unb64(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError("not base64")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


# secrets ----------------------------------------------------------------------------------


def slot_name(file: KeyFile, slot: Slot) -> str:
    """Return the name under which a keyring keeps the secret of ``slot``; it tells nothing of the journal."""
    return f"{file.vault_id[:8]}-{slot.salt.hex()[:16]}"


def _passphrase_bytes(passphrase: str) -> bytes:
    # The same passphrase typed on another system may arrive decomposed; nothing else is touched.
    return unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")


def _code_bytes(code: str) -> bytes:
    plain = codes.normalise_recovery_code(code)
    if plain is None:
        raise ValueError("not a recovery code")
    return plain.encode("ascii")


def _material(file: KeyFile, slot: Slot, secret: Secret) -> bytes | None:
    """Return the bytes from which the key of ``slot`` is derived, or None if ``secret`` is not for such a slot."""
    if isinstance(secret, RingSecret):
        return secret.lookup(slot_name(file, slot)) if slot.kind == KEYRING else None
    if isinstance(secret, bytes):
        return codes.key_file_secret(secret) if slot.kind == KEYFILE else None
    if slot.kind == RECOVERY:
        return _code_bytes(secret) if codes.normalise_recovery_code(secret) is not None else None
    return _passphrase_bytes(secret) if slot.kind == PASSPHRASE else None
