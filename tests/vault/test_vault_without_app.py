"""docs/opening-without-the-app.md is run as it stands there: its script, its lines for pictures, its statements."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keyring
import pytest
from sqlcipher3 import dbapi2

from journal_app.vault import backup, folder, merge, presence, schema, vault
from journal_app.vault.keys import KdfParams
from tests.support.memory_keyring import MemoryKeyring
from tests.vault.conftest import PASSPHRASE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "opening-without-the-app.md").read_text("utf-8")
SCRIPT, PICTURES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
LOOK, PLAIN = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FIXTURES = sorted((ROOT / "tests" / "files").glob("vault-v*"))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(100))


def run(folder: Path, kind: str, typed: str, script: str = SCRIPT) -> subprocess.CompletedProcess[bytes]:
    """Run the page's script from an empty folder that sees nothing of this project."""
    where = folder.parent / "elsewhere"
    where.mkdir(exist_ok=True)
    (where / "open_journal.py").write_text(script, "utf-8")
    return subprocess.run(
        [sys.executable, "-I", "open_journal.py", str(folder), kind],
        input=f"{typed}\n".encode(),
        capture_output=True,
        cwd=where,
        env={"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"},
        check=False,
    )


def said_in(fixture: Path, what: str) -> str:
    found = re.search(rf"{what}: `([^`]+)`", (fixture / "README.md").read_text("utf-8"))
    assert found is not None
    return found[1]


def test_the_script_stays_short_and_knows_nothing_of_the_app():
    assert len(SCRIPT.splitlines()) <= 40
    assert "journal_app" not in SCRIPT + PICTURES
    assert {fixture.name for fixture in FIXTURES} >= {"vault-v1", "vault-v2"}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_the_script_opens_a_journal_of_every_schema(tmp_path, fixture):
    folder = tmp_path / "copy"
    shutil.copytree(fixture, folder)
    with vault.unlock(folder, said_in(fixture, "Passphrase")) as opened:
        store = opened.store()
        wanted = [e.text for e in (*store.entries(), *store.entries(deleted=True))]
    shutil.rmtree(folder)
    shutil.copytree(fixture, folder)
    assert wanted
    code = said_in(fixture, "Recovery code")
    for kind, typed in (
        ("passphrase", said_in(fixture, "Passphrase")),
        ("recovery", code),
        ("recovery", code.lower().replace("-", " ").replace("0", "o").replace("1", "l")),
    ):
        done = run(folder, kind, typed)
        assert done.returncode == 0, done.stderr.decode()
        for text in wanted:
            assert text in done.stdout.decode("utf-8")
    wrong = run(folder, "passphrase", "another")
    assert wrong.returncode != 0
    assert b"InvalidTag" in wrong.stderr
    assert wrong.stdout == b""
    # A journal with a slot for a key file refuses a wrong one; one without has nothing to try.
    refused = run(folder, "keyfile", "QPK1-" + "-".join(["0000"] * 14)).stderr
    assert (b"InvalidTag" if (fixture / "key-file.txt").exists() else b"StopIteration") in refused


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, str], str]:
    """A journal of today with every way in and a picture; what opens it, and the picture's name."""
    ring = MemoryKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: ring)
    made, code = vault.create(tmp_path / "journal", PASSPHRASE, kdf=KdfParams.fast())
    with made:
        store = made.store()
        entry = store.new_entry("첫 줄, ligne à part, a lone \ud800 half.", local_date="2026-03-14", tags=["sea"])
        store.save_text(entry.id, "The second version, with rain. 비.")
        image = store.add_image(entry.id, PNG)
        key_file = made.add_key_file().decode("ascii")
        made.add_keyring()
    (kept,) = ring.kept.values()
    assert len(base64.b64decode(kept)) == 32
    shutil.copytree(tmp_path / "journal", tmp_path / "copy")
    line = next(line for line in key_file.splitlines() if "QPK1" in line)
    secrets = {"passphrase": PASSPHRASE, "recovery": code, "keyfile": line, "keyring": kept}
    return tmp_path / "copy", secrets, f"{image.id}.png"


def test_every_secret_opens_a_journal_of_today(full):
    copied, secrets, picture = full
    found = set()
    for kind, typed in secrets.items():
        done = run(copied, kind, typed, SCRIPT)
        assert done.returncode == 0, done.stderr.decode()
        assert "2026-03-14" in done.stdout.decode("utf-8")
        assert "with rain. 비." in done.stdout.decode("utf-8")
        found.add(done.stderr)
    assert len(found) == 1, "one data key"
    done = run(copied, "passphrase", secrets["passphrase"], SCRIPT + PICTURES)
    assert done.returncode == 0, done.stderr.decode()
    assert (copied.parent / "elsewhere" / picture).read_bytes() == PNG


def test_the_statements_for_other_tools(full, monkeypatch):
    copied, secrets, _ = full
    key = run(copied, "passphrase", secrets["passphrase"]).stderr.decode().split()[-1]
    assert re.fullmatch("[0-9a-f]{64}", key)
    db = dbapi2.connect(str(copied / "journal.qpv"), isolation_level=None)
    db.text_factory = lambda data: data.decode("utf-8", "replace")  # a shell prints half a character as it is, too
    answers = [db.execute(statement).fetchall() for statement in statements(LOOK.replace("DATA_KEY", key))]
    assert answers[1] == []
    assert answers[2][0][0] == "2026-03-14"
    assert answers[2][0][2] == "The second version, with rain. 비."
    assert [row[1] for row in answers[3]] == [1]
    assert answers[4] == [("2026-03-14", "sea")]
    assert answers[5] == []
    monkeypatch.chdir(copied)
    for statement in statements(PLAIN):
        db.execute(statement).fetchall()
    db.close()
    plain = dbapi2.connect(str(copied / "plain.db"))
    assert (copied / "plain.db").read_bytes().startswith(b"SQLite format 3")
    assert plain.execute("SELECT CAST(text AS TEXT) FROM entry").fetchall() == [("The second version, with rain. 비.",)]
    plain.close()


def statements(block: str) -> list[str]:
    return [statement.strip() for statement in block.split(";") if statement.strip()]


# docs/journal-format.md names what there is -------------------------------------------------


def test_the_page_of_the_format_names_every_table_file_and_field(full, tmp_path):
    page = (ROOT / "docs" / "journal-format.md").read_text("utf-8")
    journal = tmp_path / "journal"
    with vault.unlock(journal, PASSPHRASE) as opened:
        made = backup.make(opened)
        db = opened.connection()
        names = {name for (name,) in db.rows("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")}
        names = {name for name in names if not name.startswith("search_grams_") and name != "entry_when"}
        assert f"now {schema.CURRENT};" in page
        names |= {name for (name,) in db.rows("SELECT key FROM meta")}
    names |= {path.name for path in journal.iterdir()} - {"journal.qpv-wal", "journal.qpv-shm"}
    names |= {folder.SWAP, folder.STAGE, backup.PLACE, merge.MERGED, backup.NOTE}
    for name in ("keys.json", presence.MARK):
        names |= set(json.loads((journal / name).read_bytes()))
    names |= set(json.loads((journal / "keys.json").read_bytes())["slots"][0])
    note = json.loads((made.path / backup.NOTE).read_bytes())
    names |= set(note) | set(note["content"])
    missing = {name for name in names if f"`{name}" not in page}
    assert missing == set()
    assert len(names) > 50
