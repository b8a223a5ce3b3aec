"""Key slots: what opens, what does not, and what a damaged or hostile key file can do."""

from __future__ import annotations

import json
import secrets
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal_app.vault import codes, keys
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import DamagedVault, NewerVault, VaultError, WrongPassphrase

FAST = KdfParams.fast()


@pytest.fixture(scope="module")
def made() -> tuple[bytes, keys.KeyFile, str]:
    key = secrets.token_bytes(32)
    file, code = keys.new_key_file(key, "correct horse", FAST)
    return key, file, code


def rewrite(file: keys.KeyFile, **changes: object) -> bytes:
    """Return the file with top-level fields changed and the checksum made right again."""
    body = json.loads(keys.encode(file))
    body.update(changes)
    del body["checksum"]
    body["checksum"] = keys._checksum(body)
    return json.dumps(body).encode()


def test_both_slots_open_the_same_key(made):
    key, file, code = made
    read = keys.decode(keys.encode(file))
    assert read == file
    assert keys.open_key(read, "correct horse") == key
    assert keys.open_key(read, code) == key
    for wrong in ("correct horsf", "", " correct horse", code[:-1], codes.new_recovery_code()):
        with pytest.raises(WrongPassphrase):
            keys.open_key(read, wrong)


def test_passphrase_is_the_same_composed_or_decomposed():
    key = secrets.token_bytes(32)
    file, _ = keys.new_key_file(key, "caf\u00e9 \ud55c\uae00", FAST)
    assert keys.open_key(file, unicodedata.normalize("NFD", "café 한글")) == key
    with pytest.raises(WrongPassphrase):
        keys.open_key(file, "cafe 한글")


@given(st.text(min_size=1))
@settings(max_examples=30, deadline=None)
def test_any_passphrase_opens_again(passphrase):
    key = secrets.token_bytes(32)
    file, _ = keys.new_key_file(key, passphrase, FAST)
    assert keys.open_key(keys.decode(keys.encode(file)), passphrase) == key


def test_two_journals_share_nothing_though_the_passphrase_is_the_same():
    one, code_one = keys.new_key_file(secrets.token_bytes(32), "same", FAST)
    two, code_two = keys.new_key_file(secrets.token_bytes(32), "same", FAST)
    assert code_one != code_two
    assert one.slots[0].salt != two.slots[0].salt
    assert one.slots[0].sealed != two.slots[0].sealed
    # A slot moved into another journal's key file does not open there: its identity is authenticated.
    with pytest.raises((WrongPassphrase, DamagedVault)):
        keys.open_key(replace(two, slots=one.slots), "same")


def test_recovery_code_forgives_how_it_is_typed(made):
    key, file, code = made
    groups = code.split("-")
    assert [len(group) for group in groups] == [4] * 7
    sloppy = " ".join(groups).lower().replace("0", "o").replace("1", "l").replace("v", "u")
    assert keys.open_key(file, sloppy) == key
    assert keys.open_key(file, unicodedata.normalize("NFKC", code).replace("-", " – ")) == key
    wide = "".join(chr(ord(c) + 0xFEE0) for c in code)
    assert keys.open_key(file, wide) == key
    assert codes.normalise_group(groups[0].lower() + " ") == groups[0]


def test_recovery_code_notices_typing_mistakes():
    missed = 0
    code = codes.normalise_recovery_code(codes.new_recovery_code())
    assert code is not None
    for place in range(len(code)):
        for other in codes.ALPHABET:
            if other != code[place]:
                missed += codes.normalise_recovery_code(code[:place] + other + code[place + 1 :]) is not None
    assert missed <= 8  # 868 single mistakes at 1 in 1,024
    assert codes.normalise_recovery_code("x" * 10_000) is None


def test_parameters_are_authenticated(made):
    _, file, _ = made
    slot = file.slots[0]
    for changed in (replace(slot, kdf=replace(slot.kdf, time=2)), replace(slot, salt=secrets.token_bytes(16))):
        with pytest.raises(WrongPassphrase):
            keys.open_key(replace(file, slots=(changed,)), "correct horse")
    for other in (replace(file, vault_id="0" * 32), replace(file, fingerprint="0" * 16)):
        with pytest.raises(WrongPassphrase):
            keys.open_key(other, "correct horse")
    relabelled = replace(file, slots=(replace(file.slots[1], kind=keys.PASSPHRASE),))
    with pytest.raises(WrongPassphrase):
        keys.open_key(relabelled, "correct horse")


def test_every_flipped_bit_is_damage_and_never_a_wrong_passphrase_or_a_newer_version(made):
    _, file, _ = made
    data = keys.encode(file)
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            try:
                read = keys.decode(bytes(flipped))
            except DamagedVault:
                continue
            # Only white space between JSON tokens may change without changing what is said.
            assert read == file
            assert chr(data[place]).isspace()


@pytest.mark.parametrize("cut", [0, 1, 10, 400, -1])
def test_a_cut_file_is_damaged(made, cut):
    data = keys.encode(made[1])
    with pytest.raises(DamagedVault):
        keys.decode(data[:cut] if cut >= 0 else data[: len(data) // 2])


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_rubbish_is_damaged(data):
    with pytest.raises(DamagedVault):
        keys.decode(data)


def test_deep_or_huge_json_is_damaged():
    for data in (
        b"[" * 60_000,
        b'{"format": "quietpage-keys", "slots": ' + b"[" * 5000,
        b" " * (keys.MAX_FILE_BYTES + 1),
    ):
        with pytest.raises(DamagedVault):
            keys.decode(data)


def test_a_newer_file_says_so(made):
    with pytest.raises(NewerVault, match="newer version"):
        keys.decode(rewrite(made[1], version=keys.VERSION + 1, slots="something else"))


@pytest.mark.parametrize(
    "ask",
    [
        {"memory_kib": 100 * 1024 * 1024},
        {"memory_kib": -1},
        {"memory_kib": True},
        {"memory_kib": 1e9},
        {"memory_kib": "64"},
        {"time": 10**9},
        {"memory_kib": 1024 * 1024, "time": 16},
        {"time": 0},
        {"lanes": 10**6},
        {"lanes": 0},
        {"kdf": "pbkdf2"},
        {"cipher": "none"},
        {"salt": ""},
        {"salt": "!!"},
        {"sealed": None},
    ],
)
def test_hostile_parameters_are_refused_before_any_work(made, ask, monkeypatch):
    monkeypatch.setattr(keys, "hash_secret_raw", lambda *a, **k: pytest.fail("key derivation was started"))
    body = json.loads(keys.encode(made[1]))
    body["slots"][0].update(ask)
    with pytest.raises(DamagedVault):
        keys.decode(rewrite(made[1], slots=body["slots"]))


def test_too_many_slots_are_refused(made):
    body = json.loads(keys.encode(made[1]))
    with pytest.raises(DamagedVault):
        keys.decode(rewrite(made[1], slots=body["slots"] * 50))


def test_calibration_keeps_to_floor_and_ceiling(monkeypatch):
    class FakeTime:
        seconds = 0.0
        taken = 0.0

        def perf_counter(self) -> float:
            self.seconds += self.taken
            return self.seconds

    fake = FakeTime()
    monkeypatch.setattr(keys, "time", fake)
    monkeypatch.setattr(keys, "derive", lambda *a: b"")
    fake.taken = 30.0  # a very slow machine
    assert KdfParams.calibrated() == KdfParams(64 * 1024, 3, 4)
    fake.taken = 0.00001  # a very fast one
    quick = KdfParams.calibrated()
    assert (quick.memory_kib, quick.time) == (256 * 1024, 8)
    fake.taken = 0.125
    assert KdfParams.calibrated() == KdfParams(256 * 1024, 3, 4)
    quick.check()


def test_no_memory_is_a_known_failure(monkeypatch):
    def none_left(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(keys, "hash_secret_raw", none_left)
    with pytest.raises(VaultError, match="memory"):
        keys.derive(b"x", bytes(16), FAST)


def test_wipe_overwrites_in_place():
    key = bytearray(b"k" * 32)
    keys.wipe(key)
    assert key == bytearray(32)
