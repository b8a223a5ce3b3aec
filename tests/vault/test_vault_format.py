"""Open a journal by docs/journal-format.md alone, with none of the app's code: the format is a promise."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import shutil
import unicodedata
from pathlib import Path

import pytest
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlcipher3 import dbapi2

FIXTURE = Path(__file__).resolve().parent.parent / "files" / "vault-v1"
README = (FIXTURE / "README.md").read_text("utf-8")
CODE = re.search(r"Recovery code: `([^`]+)`", README)


def data_key(folder: Path, kind: str, secret: bytes) -> bytes:
    file = json.loads((folder / "keys.json").read_text("ascii"))
    checksum = file.pop("checksum")
    assert hashlib.sha256(compact(file)).hexdigest() == checksum
    slot = next(slot for slot in file["slots"] if slot["kind"] == kind)
    said = {key: file[key] for key in ("format", "version", "vault_id", "fingerprint")}
    said |= {key: slot[key] for key in ("kind", "salt", "kdf", "kdf_version", "memory_kib", "time", "lanes", "cipher")}
    wrapping = hash_secret_raw(
        secret,
        base64.b64decode(slot["salt"]),
        time_cost=slot["time"],
        memory_cost=slot["memory_kib"],
        parallelism=slot["lanes"],
        hash_len=32,
        type=Type.ID,
        version=19,
    )
    key = AESGCM(wrapping).decrypt(base64.b64decode(slot["nonce"]), base64.b64decode(slot["sealed"]), compact(said))
    assert hmac.new(key, b"quietpage data key", "sha256").digest()[:8].hex() == file["fingerprint"]
    return key


def compact(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("passphrase", unicodedata.normalize("NFC", "a fixture passphrase").encode()),
        ("recovery", (CODE[1] if CODE else "").replace("-", "").encode()),
    ],
)
def test_the_page_is_enough(tmp_path, kind, secret):
    shutil.copytree(FIXTURE, tmp_path / "journal")
    key = data_key(tmp_path / "journal", kind, secret)
    database = dbapi2.connect(str(tmp_path / "journal" / "journal.qpv"))
    database.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    texts = [bytes(row[0]).decode() for row in database.execute("SELECT text FROM entry ORDER BY local_date")]
    (identity,) = database.execute("SELECT value FROM meta WHERE key = 'vault_id'").fetchone()
    database.close()
    assert texts[0].startswith("Walked to the harbour.")
    assert len(texts) == 3
    assert identity == json.loads((FIXTURE / "keys.json").read_text())["vault_id"]


def test_another_secret_is_not(tmp_path):
    with pytest.raises(InvalidTag):
        data_key(FIXTURE, "passphrase", b"another")


def test_the_recovery_code_checks_itself():
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    assert CODE is not None
    plain = CODE[1].replace("-", "")
    bits = int.from_bytes(hashlib.sha256(b"quietpage recovery " + plain[:26].encode()).digest(), "big") >> 246
    assert plain[26:] == alphabet[bits >> 5] + alphabet[bits & 31]
