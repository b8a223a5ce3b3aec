"""Each way into the journal works alone with the others lost, and stops working when it is taken away."""

from __future__ import annotations

import json
import secrets
import threading
from typing import Any, ClassVar

import keyring
import pytest
from keyring.backend import KeyringBackend

from journal_app.vault import codes, keyring_slot, keys, vault
from journal_app.vault import folder as folders
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import NewerVault, VaultError, VaultLocked, VaultWriteError, WrongPassphrase
from tests.vault.conftest import PASSPHRASE
from tests.vault.test_vault_durability import file_size_limit

FAST = KdfParams.fast()


class MemoryRing(KeyringBackend):
    """A keyring as a desktop has one, kept in memory."""

    priority: ClassVar[float] = 5
    kept: ClassVar[dict[tuple[str, str], str]] = {}
    broken = False

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.broken:
            raise keyring.errors.PasswordSetError("locked")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> MemoryRing:
    made = MemoryRing()
    made.kept.clear()
    monkeypatch.setattr(keyring, "get_keyring", lambda: made)
    return made


def test_each_slot_opens_alone_with_the_others_lost(folder, ring):
    made, code = vault.create(folder, PASSPHRASE, kdf=FAST)
    entry = made.store().new_entry("Still here.")
    file = made.add_key_file()
    made.add_keyring()
    assert [s.kind for s in made.slots()] == ["passphrase", "recovery", "keyfile", "keyring"]
    made.lock()
    whole = folders.read_key_files(folder)
    ways = {
        keys.PASSPHRASE: lambda: vault.unlock(folder, PASSPHRASE),
        keys.RECOVERY: lambda: vault.unlock(folder, code),
        keys.KEYFILE: lambda: vault.unlock(folder, file),
        keys.KEYRING: lambda: vault.unlock_with_keyring(folder),
    }
    for kind, way in ways.items():
        alone = keys.replace(whole, slots=tuple(slot for slot in whole.slots if slot.kind == kind))
        folders.write_key_files(folder, alone)
        with way() as opened:
            assert opened.store().entry(entry.id).text == "Still here."
        for other, wrong in ways.items():
            if other != kind:
                with pytest.raises(WrongPassphrase):
                    wrong()


def test_a_lost_keyring_or_key_file_costs_nothing(folder, ring):
    made, code = vault.create(folder, PASSPHRASE, kdf=FAST)
    made.add_keyring()
    made.add_key_file()
    made.lock()
    ring.kept.clear()
    with pytest.raises(WrongPassphrase, match="Use the passphrase"):
        vault.unlock_with_keyring(folder)
    for secret in (PASSPHRASE, code):
        vault.unlock(folder, secret).lock()


def test_a_key_file_can_be_replaced_and_removed(journal, folder):
    first = journal.add_key_file()
    second = journal.add_key_file()
    journal.lock()
    with pytest.raises(WrongPassphrase, match="key file"):
        vault.unlock(folder, first)
    with vault.unlock(folder, second) as opened:
        assert vault.has_key_file_slot(folder)
        opened.remove_slot(keys.KEYFILE)
        assert [s.kind for s in opened.slots()] == ["passphrase", "recovery"]
    assert not vault.has_key_file_slot(folder)
    with pytest.raises(WrongPassphrase):
        vault.unlock(folder, second)
    vault.unlock(folder, PASSPHRASE).lock()


def test_key_files_check_themselves():
    secret = secrets.token_bytes(32)
    data = codes.key_file(secret)
    assert codes.key_file_secret(data) == secret
    assert codes.key_file_secret(data.lower().replace(b"\n", b"\r\n")) == secret
    for text in (b"", b"hello", b"\x00" * 300, data * 100):
        with pytest.raises(VaultError, match="not a key file"):
            codes.key_file_secret(text)
    at = data.index(b"QPK1-") + 5
    for place in range(at, len(data) - 1):
        if data[place : place + 1] != b"-":
            other = b"7" if data[place : place + 1] != b"7" else b"8"
            with pytest.raises(VaultError, match="damaged"):
                codes.key_file_secret(data[:place] + other + data[place + 1 :])


def test_the_keyring_is_one_way_of_several_computers(journal, folder, ring):
    journal.add_keyring()
    here = dict(ring.kept)
    ring.kept.clear()  # another computer, with a keyring of its own
    journal.add_keyring()
    assert [(s.kind, s.here) for s in journal.slots()][2:] == [("keyring", False), ("keyring", True)]
    journal.lock()
    for kept in (dict(ring.kept), here):
        ring.kept.clear()
        ring.kept.update(kept)
        vault.unlock_with_keyring(folder).lock()
    with vault.unlock(folder, PASSPHRASE) as opened:
        opened.remove_slot(keys.KEYRING)  # this computer's only
        assert [(s.kind, s.here) for s in opened.slots()][2:] == [("keyring", False)]
    assert ring.kept == {}


def test_a_keyring_that_fails_changes_nothing(journal, folder, ring):
    before = (folder / vault.KEYS).read_bytes()
    ring.broken = True
    with pytest.raises(VaultError, match="work as before"):
        journal.add_keyring()
    assert (folder / vault.KEYS).read_bytes() == before
    ring.broken = False
    with file_size_limit(100), pytest.raises(VaultWriteError):
        journal.add_keyring()
    assert ring.kept == {}
    assert (folder / vault.KEYS).read_bytes() == before


@pytest.mark.parametrize("module", ["keyrings.alt.file", "keyring.backends.fail", "keyring.backends.null"])
def test_a_keyring_in_the_clear_is_not_used(journal, monkeypatch, module):
    clear = type("Plain", (MemoryRing,), {"__module__": module})()
    monkeypatch.setattr(keyring, "get_keyring", lambda: clear)
    assert not keyring_slot.usable()
    with pytest.raises(VaultError, match="no keyring"):
        journal.add_keyring()


def test_too_many_computers(journal, ring):
    for _ in range(keys.MAX_SLOTS - 2):
        ring.kept.clear()
        journal.add_keyring()
    ring.kept.clear()
    with pytest.raises(VaultError, match="as many computers as it can"):
        journal.add_keyring()
    assert ring.kept == {}


def test_slots_of_random_secrets_raise_the_version_and_others_do_not(journal, folder):
    def version() -> Any:
        return json.loads((folder / vault.KEYS).read_bytes())["version"]

    assert version() == 1  # an older app still opens a journal that uses nothing new
    journal.add_key_file()
    assert version() == 2
    body = json.loads((folder / vault.KEYS).read_bytes())
    body.pop("checksum")
    body["version"] = 3
    body["checksum"] = keys._checksum(body)
    with pytest.raises(NewerVault):
        keys.decode(json.dumps(body).encode())
    journal.remove_slot(keys.KEYFILE)
    assert version() == 1


def test_a_slot_does_not_pass_for_another_kind(journal, folder):
    data = journal.add_key_file()
    file = folders.read_key_files(folder)
    forged = keys.replace(
        file, slots=tuple(keys.replace(s, kind=keys.KEYRING) if s.kind == keys.KEYFILE else s for s in file.slots)
    )
    with pytest.raises(WrongPassphrase):
        keys.open_key(forged, keys.RingSecret(lambda name: codes.key_file_secret(data)))


def test_a_keyring_that_waits_for_an_answer_holds_up_no_lock(journal, folder, ring, monkeypatch):
    asked, answered, failed = threading.Event(), threading.Event(), []

    def keep(_name: str, _secret: bytes) -> None:
        asked.set()
        answered.wait(10)

    def add() -> None:
        try:
            journal.add_keyring()
        except VaultLocked as error:
            failed.append(error)

    monkeypatch.setattr(keyring_slot, "keep", keep)
    adding = threading.Thread(target=add)
    adding.start()
    assert asked.wait(5)
    journal.lock()
    assert not answered.is_set()
    answered.set()
    adding.join()
    assert failed
    with vault.unlock(folder, PASSPHRASE) as again:
        assert [slot.kind for slot in again.slots()] == ["passphrase", "recovery"]
