"""Journals of every earlier schema version open, keep every word, and leave a copy behind."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from journal_app.vault import backup, keys, schema, vault
from journal_app.vault import folder as folders
from journal_app.vault.connection import Connection
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import Mood, VaultWriteError, WrongPassphrase

FILES = Path(__file__).resolve().parent.parent / "files"
PASSPHRASE = "a fixture passphrase"


@pytest.fixture
def old(folder: Path) -> Path:
    shutil.copytree(FILES / "vault-v1", folder)
    return folder


def test_every_version_has_a_fixture():
    assert [p.name for p in sorted(FILES.glob("vault-v*"))] == [f"vault-v{n}" for n in range(1, schema.CURRENT + 1)]


def test_version_1_comes_forward_whole(old):
    with vault.unlock(old, PASSPHRASE) as opened:
        store = opened.store()
        assert schema.version(store._db) == schema.CURRENT
        entries = store.entries()
        assert [e.revision for e in entries] == [2, 1, 3]
        first = entries[-1]
        assert first.text == "Walked to the harbour. The ferry was late and I did not mind."
        assert (first.local_date, first.local_time, first.offset_minutes) == ("2026-03-02", "21:10:00", 540)
        assert (first.tags, first.mood) == (("sea", "walk"), Mood(4, 2))
        assert [r.text for r in store.revisions(first.id)] == [first.text, "Walked to the harbour."]
        assert store.setting("country") == "DE"
        assert [c.label for c in store.corrections(first.id)] == ["calm"]
        assert store.pending_count() == 3
        # What the step adds: search, over what was there before.
        assert [h.entry_id for h in store.search("HARBOUR ferry")] == [first.id]
        assert len(store.search("비가")) == len(store.search("安靜")) == len(store.search("STRASSE")) == 1
        assert store.verify().ok
        store.save_text(first.id, "Home again.")
        assert store.search("harbour") == []


def test_version_2_comes_forward_whole(folder):
    shutil.copytree(FILES / "vault-v2", folder)
    with vault.unlock(folder, PASSPHRASE) as opened:
        store = opened.store()
        assert schema.version(store._db) == schema.CURRENT
        assert [e.local_date for e in store.entries()] == ["2026-05-06", "2026-05-05", "2026-05-04"]
        first = store.entries()[-1]
        assert first.text == "Planted beans along the fence. The neighbour lent a spade."
        assert (first.tags, first.mood, first.for_therapist) == (("garden", "spring"), Mood(4, 3), True)
        assert [r.text for r in store.revisions(first.id)] == [first.text, "Planted beans along the fence."]
        assert [e.text for e in store.entries(deleted=True)] == ["A line to throw away."]
        assert [c.label for c in store.corrections(first.id)] == ["calm"]
        assert store.setting("country") == "AT"
        # What the step adds: pictures, and words of one and two characters through an index.
        store.add_image(first.id, b"\xff\xd8\xff" + bytes(100))
        assert len(store.search("버스")) == len(store.search("書")) == len(store.search("STRASSENBAHN")) == 1
        while store.catch_up(10):
            pass
        assert len(store.search("버스")) == len(store.search("書")) == len(store.search("STRASSENBAHN")) == 1
        assert store.verify().ok
    (kept,) = backup.listed(folder)
    assert (kept.reason, kept.schema, kept.entries) == ("before-schema-3", 2, 4)


@pytest.mark.parametrize("older", [1, 2])
def test_every_version_opens_with_its_recovery_code(folder, older):
    shutil.copytree(FILES / f"vault-v{older}", folder)
    code = re.search(r"Recovery code: `([^`]+)`", (folder / "README.md").read_text("utf-8"))
    assert code is not None
    with vault.unlock(folder, code[1]) as opened:
        assert opened.store().verify().ok


def test_the_file_is_set_aside_first_and_the_copy_opens(old, tmp_path):
    vault.unlock(old, PASSPHRASE).lock()
    (made,) = backup.listed(old)
    assert (made.reason, made.schema, made.entries) == ("before-schema-2", 1, 3)
    assert made.proved_utc
    db = Connection(made.path / vault.DATABASE, keys.open_key(folders.read_key_files(old), PASSPHRASE))
    assert schema.version(db) == 1
    db.close()
    restored = tmp_path / "restored"
    backup.restore(made.path, restored, PASSPHRASE)
    with vault.unlock(restored, PASSPHRASE) as opened:
        assert len(opened.store().entries()) == 3
    # Opening again makes no second copy.
    vault.unlock(old, PASSPHRASE).lock()
    assert len(backup.listed(old)) == 1


def test_a_wrong_passphrase_migrates_nothing(old, snapshot):
    before = snapshot(old)
    with pytest.raises(WrongPassphrase):
        vault.unlock(old, "not this one")
    assert snapshot(old) == before


@pytest.mark.parametrize("where", ["copy", "step"])
def test_a_migration_that_fails_leaves_the_old_journal(old, monkeypatch, where):
    before = (old / vault.DATABASE).read_bytes()

    def fail(*args: object) -> None:
        raise OSError("no room")

    if where == "copy":
        monkeypatch.setattr(backup.shutil, "copyfileobj", fail)
    else:

        def half(db: Connection) -> None:
            schema._search(db)
            db.rows("DELETE FROM entry")
            raise VaultWriteError("no room")

        monkeypatch.setattr(schema, "STEPS", (schema.STEPS[0], half))
    with pytest.raises(VaultWriteError):
        vault.unlock(old, PASSPHRASE)
    monkeypatch.undo()
    db = Connection(old / vault.DATABASE, keys.open_key(folders.read_key_files(old), PASSPHRASE))
    assert schema.version(db) == 1
    assert db.rows("SELECT count(*) FROM entry") == [(3,)]
    db.close()
    if where == "copy":
        assert (old / vault.DATABASE).read_bytes() == before
    with vault.unlock(old, PASSPHRASE) as opened:
        assert len(opened.store().entries()) == 3


def test_the_present_version_is_the_one_that_was_kept(folder, tmp_path):
    """A step that has been released is never edited: a journal of the present version is kept, too."""
    shutil.copytree(FILES / f"vault-v{schema.CURRENT}", folder)
    with vault.unlock(folder, (folder / "key-file.txt").read_bytes()) as opened:
        store = opened.store()
        kept = store._db.rows("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
        assert len(store.search("茶")) == len(store.search("boats")) == 1
        assert len(store.images(store.search("boats")[0].entry_id)) == 1
        assert store.verify().ok
    made, _ = vault.create(tmp_path / "fresh", "p", kdf=KdfParams.fast())
    with made:
        fresh = made.store()._db.rows("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
    assert kept == fresh
    assert backup.listed(folder) == []


def test_a_new_journal_has_the_same_tables_as_a_migrated_one(old, tmp_path):
    def shape(folder: Path, passphrase: str) -> list[tuple[object, ...]]:
        with vault.unlock(folder, passphrase) as opened:
            return opened.store()._db.rows("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")

    fresh, _ = vault.create(tmp_path / "fresh", "p", kdf=KdfParams.fast())
    fresh.lock()
    assert shape(old, PASSPHRASE) == shape(tmp_path / "fresh", "p")
