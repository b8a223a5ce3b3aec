"""Backup, restore, rescue and the ways to open a journal, from the command line, on real files."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import keyring
import pytest

from journal_app.vault import presence, vault
from journal_app.vault.codes import normalise_recovery_code
from tests.cli.conftest import PASSPHRASE, Runner
from tests.support.memory_keyring import MemoryKeyring

ROOT = Path(__file__).resolve().parents[2]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)  # fmt: skip


@pytest.fixture
def small(cli: Runner) -> Runner:
    """A journal of two entries that no model has read."""
    for number, day in enumerate(("2026-03-02", "2026-03-10")):
        made = cli("add", "--create", "--no-analyze", "--date", day, stdin=f"Entry number {number}, on a day of rain.")
        assert made.code == 0
    return cli


def flip(path: Path, at: int) -> bytes:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    return bytes(data)


def texts(cli: Runner, *arguments: str, **how: object) -> list[str]:
    listed = cli(*arguments, "list", "--json", **how)  # type: ignore[arg-type]
    assert listed.code == 0, listed.err
    return [entry["text"] for entry in listed.json]


def descriptor(secret: str) -> int:
    read, write = os.pipe()
    os.write(write, secret.encode() + b"\n")
    os.close(write)
    return read


def fail(prompt: str) -> str:
    raise AssertionError("asked for nothing")


# backup -----------------------------------------------------------------------------------


def test_a_backup_is_made_proved_listed_and_checked(small):
    made = small("backup", "--json")
    assert made.code == 0
    value = made.json
    assert (value["entries"], value["revisions"], value["reason"]) == (2, 2, "asked")
    assert value["proved_utc"]
    assert value["problem"] is None
    assert Path(value["folder"]) == small.journal / "backups" / value["name"]
    listed = small("backup", "list", "--json", secret=None, ask=fail)
    assert listed.json == [value]
    shown = small("backup", "list", secret=None, ask=fail)
    assert value["name"] in shown.out
    assert "good" in shown.out
    assert small("restore", "--list", "--json", secret=None, ask=fail).json == listed.json
    checked = small("backup", "check", "--json")
    assert (checked.code, checked.json["made"], checked.json["damaged"]) == (0, None, [])
    assert checked.json["good"]["name"] == value["name"]
    assert "none is damaged" in small("backup", "check").out
    small("add", "--no-analyze", stdin="A third.")
    after = small("backup", "check")
    assert (after.code, after.out.count("Made and proved")) == (0, 1)
    assert len(small("backup", "--json", "list").json) == 2, "--json before or after"
    told = small("backup")
    assert (told.code, "3 entries" in told.out) == (0, True)


def test_a_flipped_bit_in_a_backup_is_found_and_the_good_one_named(small):
    older = small("backup", "--json").json
    small("add", "--no-analyze", stdin="A third.")
    newer = small("backup", "--json").json
    harmed = flip(Path(newer["folder"]) / vault.DATABASE, 9000)
    assert len(small("backup", "list", "--json").json) == 2
    checked = small("backup", "check", "--json")
    assert checked.code == 4
    assert [one["name"] for one in checked.json["damaged"]] == [newer["name"]]
    assert "page 3" in checked.json["damaged"][0]["problem"]
    assert checked.json["good"]["name"] == checked.json["made"]["name"], "a fresh one stands in for it"
    again = small("backup", "check")
    assert again.code == 4
    assert newer["name"] in again.out
    assert "Newest good one" in again.out
    assert (Path(newer["folder"]) / vault.DATABASE).read_bytes() == harmed, "named, never touched"
    listed = small("backup", "list", secret=None)
    assert re.search(rf"{newer['name']}.*damaged", listed.out)
    assert re.search(rf"{older['name']}.*good", listed.out)


def test_backups_go_where_they_are_wanted(small, tmp_path):
    elsewhere = tmp_path / "stick"
    assert small("backup", "place", secret=None, ask=fail).out.strip() == str(small.journal / "backups")
    once = small("backup", "--to", str(elsewhere), "--json").json
    assert Path(once["folder"]).parent == elsewhere
    assert small("backup", "list", "--json").json == []
    assert small("backup", "list", "--from", str(elsewhere), "--json").json == [once]
    chosen = small("backup", "place", str(elsewhere), "--json", secret=None)
    assert (chosen.code, chosen.json) == (0, {"folder": str(elsewhere), "default": False})
    small("backup")
    assert len(small("backup", "list", "--json").json) == 2
    assert small("backup", "place", "--default", "--json").json["default"] is True
    assert small("backup", "list", "--json").json == []
    (tmp_path / "file").write_text("x")
    refused = small("backup", "place", str(tmp_path / "file" / "below"))
    assert refused.code == 8
    assert str(tmp_path) not in refused.err
    assert small("backup", "--to", str(tmp_path / "file" / "below")).code == 8


def test_a_wrong_passphrase_makes_no_backup(small):
    assert small("backup", secret="another").code == 3
    assert small("backup", "check", secret="another").code == 3
    assert not (small.journal / "backups").exists()


def test_without_a_journal_there_is_nothing_to_back_up(cli):
    for command in (["backup"], ["backup", "check"], ["backup", "place"], ["rescue", "--to", "x"], ["key", "list"]):
        assert cli(*command, secret=None, ask=fail).code == 6
    assert not cli.journal.exists()


# restore ----------------------------------------------------------------------------------


def test_a_damaged_journal_comes_back_from_its_latest_backup(small):
    before = texts(small)
    small("backup")
    harmed = flip(small.journal / vault.DATABASE, 100)
    assert small("list").code == 4
    done = small("restore", "latest", "--json")
    assert done.code == 0, done.err
    assert done.json["entries"] == 2
    assert (Path(done.json["kept_aside"]) / vault.DATABASE).read_bytes() == harmed
    assert texts(small) == before
    said = small("restore")
    assert (said.code, "Restored: 2 entries" in said.out) == (0, True)
    assert "kept, untouched" in said.out


def test_a_journal_that_is_gone_comes_back_from_a_chosen_folder(small, tmp_path):
    before = texts(small)
    name = small("backup", "--to", str(tmp_path / "stick"), "--json").json["name"]
    shutil.rmtree(small.journal)
    nothing = small("restore", secret=None, ask=fail)
    assert (nothing.code, small.journal.exists()) == (6, False)
    assert "--from" in nothing.err
    done = small("restore", name[:12], "--from", str(tmp_path / "stick"), "--json")
    assert (done.code, done.json["kept_aside"]) == (0, None)
    assert texts(small) == before
    shutil.rmtree(small.journal)
    assert small("restore", str(tmp_path / "stick" / name)).code == 0, "by the place of one backup"
    assert texts(small) == before


def test_a_backup_that_does_not_open_changes_nothing(small):
    small("backup")
    data = (small.journal / vault.DATABASE).read_bytes()
    wrong = small("restore", secret="another")
    assert (wrong.code, wrong.out) == (3, "")
    assert small("restore", "no such").code == 2
    with vault.unlock(small.journal, PASSPHRASE):
        assert small("restore").code == 7
    assert (small.journal / vault.DATABASE).read_bytes() == data
    assert not list(small.journal.glob("replaced-*"))


def test_latest_passes_over_a_backup_that_has_just_been_damaged(small):
    small("backup")
    older = texts(small)
    small("add", "--no-analyze", stdin="A third.")
    newest = small("backup", "--json").json
    flip(Path(newest["folder"]) / vault.DATABASE, 9000)
    named = small("restore", newest["name"])
    assert named.code == 4
    assert not list(small.journal.glob("replaced-*"))
    done = small("restore", "latest")
    assert done.code == 0
    assert newest["name"] in done.err
    assert texts(small) == older
    assert small("backup", "check").code == 4
    for one in small("backup", "list", "--json").json:
        flip(Path(one["folder"]) / vault.DATABASE, 5000)
    last = small("restore", "latest")
    assert (last.code, last.out) == (4, "")
    assert texts(small) == older


# verify, rescue ---------------------------------------------------------------------------


def test_verify_names_the_damaged_pages_of_a_journal_that_opens_and_of_one_that_does_not(small):
    path = small.journal / vault.DATABASE
    sound = path.read_bytes()
    seen = set()
    for page in range(1, len(sound) // 4096 + 1):
        path.write_bytes(sound)
        flip(path, (page - 1) * 4096 + 2000)
        report = small("verify", "--json")
        assert report.code == 4
        assert (report.json["ok"], report.json["pages_damaged"]) == (False, [page])
        assert f"Page {page} of" in " ".join(report.json["problems"])
        seen.add(small("list").code)
    assert seen == {0, 4}, "both kinds were among them"
    said = small("verify")
    assert "quietpage rescue" in said.out
    (small.journal / vault.KEYS).write_text("{}")
    (small.journal / vault.KEYS_COPY).write_text("{}")
    lost = small("verify", "--json")
    assert (lost.code, lost.out) == (4, "")
    assert "keys.json" in lost.err


def test_a_damaged_journal_is_rescued_into_one_that_can_only_be_read(small, tmp_path):
    assert small("add", "--no-analyze", stdin="long " * 5000).code == 0
    target = tmp_path / "rescued"
    whole = small("rescue", "--to", str(tmp_path / "whole"), "--json")
    assert whole.code == 0
    assert (whole.json["whole"], whole.json["entries"], whole.json["pages_damaged"]) == (True, 3, [])
    path = small.journal / vault.DATABASE
    sound = path.read_bytes()
    found = []
    for page in range(2, len(sound) // 4096 + 1):
        path.write_bytes(sound)
        harmed = flip(path, (page - 1) * 4096 + 2000)
        shutil.rmtree(target, ignore_errors=True)
        done = small("rescue", "--to", str(target), "--json")
        assert done.json["pages_damaged"] == [page]
        assert done.code == (0 if done.json["whole"] else 4)
        assert path.read_bytes() == harmed
        found.append(done.json["whole"])
        if not done.json["whole"]:
            break
    assert not found[-1], "a page was met that held part of an entry"
    said = small("rescue", "--to", str(target))
    assert said.code == 2, "there is something already"
    shutil.rmtree(target)
    said = small("rescue", "--to", str(target))
    assert said.code == 4
    assert f"Page {done.json['pages_damaged'][0]} of" in said.out
    small.journal = target
    assert len(texts(small)) == done.json["entries"]
    refused = small("add", "--no-analyze", stdin="New words.")
    assert refused.code == 8
    assert "rescued copy" in refused.err


def test_rescue_refuses_what_it_cannot_do(small, tmp_path):
    assert small("rescue", "--to", str(tmp_path / "out"), secret="another").code == 3
    assert small("rescue", "--to", str(small.journal / "inside")).code == 2
    with vault.unlock(small.journal, PASSPHRASE):
        assert small("rescue", "--to", str(tmp_path / "out")).code == 7
    (small.journal / vault.DATABASE).write_bytes(os.urandom(40960))
    nothing = small("rescue", "--to", str(tmp_path / "out"))
    assert (nothing.code, nothing.out) == (4, "")
    assert not (tmp_path / "out").exists()


# ways in ----------------------------------------------------------------------------------


def ways(cli: Runner) -> list[str]:
    return [way["kind"] for way in cli("key", "list", "--json").json["ways"]]


def test_a_key_file_opens_the_journal(small, tmp_path):
    before = texts(small)
    path = tmp_path / "page.key"
    made = small("key", "new-file", "--out", str(path))
    assert made.code == 0, made.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "QPK1" not in made.out + made.err
    assert texts(small, "--key-file", str(path), secret=None, ask=fail) == before
    assert ways(small) == ["passphrase", "recovery", "keyfile"]
    assert small("key", "list").out.splitlines() == ["passphrase", "recovery code", "key file"]
    again = small("key", "new-file", "--out", str(path))
    assert again.code == 2, "never over a file that is there"
    assert texts(small, "--key-file", str(path), secret=None) == before, "nor does the one there stop working"
    second = tmp_path / "second.key"
    replaced = small("key", "new-file", "--out", str(second), "--json")
    assert (replaced.code, replaced.json["file"]) == (0, str(second))
    old = small("--key-file", str(path), "list", secret=None)
    assert (old.code, old.out) == (3, "")
    assert texts(small, "--key-file", str(second), secret=None) == before
    removed = small("key", "remove-file", "--key-file", str(second), secret=None)
    assert removed.code == 0
    assert small("--key-file", str(second), "list", secret=None).code == 3
    assert small("key", "remove-file").code == 2


def test_a_key_file_that_cannot_be_written_leaves_the_earlier_one_working(small, tmp_path):
    first = tmp_path / "first.key"
    small("key", "new-file", "--out", str(first))
    (tmp_path / "file").write_text("x")
    refused = small("key", "new-file", "--out", str(tmp_path / "file" / "below"))
    assert refused.code == 8
    assert str(tmp_path) not in refused.err
    inside = small("key", "new-file", "--out", str(small.journal / "page.key"))
    assert (inside.code, (small.journal / "page.key").exists()) == (2, False)
    assert small("--key-file", str(first), "list", secret=None).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "first.key", "journal"]


def test_a_key_file_is_told_from_other_files(small, tmp_path):
    path = tmp_path / "page.key"
    small("key", "new-file", "--out", str(path))
    content = path.read_text()
    path.write_text(f"{content[:-3]}{'7' if content[-3] != '7' else '8'}{content[-2:]}")
    damaged = small("--key-file", str(path), "list", secret=None)
    assert (damaged.code, "damaged" in damaged.err) == (2, True)
    path.write_bytes(b"\x00" * 100_000)
    assert "not a key file" in small("--key-file", str(path), "list", secret=None).err
    gone = small("--key-file", str(tmp_path / "gone"), "list", secret=None)
    assert gone.code == 2
    assert str(tmp_path) not in gone.err
    assert small("--key-file", str(path), "list").code == 2, "and with a passphrase beside it"
    new = Runner(tmp_path / "other", small._monkeypatch)
    assert new("--key-file", str(path), "add", "--create", stdin="x", secret=None).code == 2
    assert not new.journal.exists()


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> MemoryKeyring:
    made = MemoryKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: made)
    return made


def test_the_keyring_opens_the_journal(small, ring):
    before = texts(small)
    assert small("--keyring", "list", secret=None).code == 3
    added = small("key", "keyring", "add")
    assert added.code == 0, added.err
    assert len(ring.kept) == 1
    assert texts(small, "--keyring", secret=None, ask=fail) == before
    assert "keyring of this computer" in small("key", "list").out
    small("backup")
    flip(small.journal / vault.DATABASE, 100)
    assert small("restore", "--keyring", secret=None, ask=fail).code == 0
    assert texts(small, "--keyring", secret=None) == before
    kept = dict(ring.kept)
    ring.kept.clear()
    assert small("key", "list", "--json").json["ways"][-1] == {"kind": "keyring", "here": False}
    assert small("key", "keyring", "remove").code == 2, "it is another computer's"
    ring.kept.update(kept)
    assert small("key", "keyring", "remove", "--json").json["removed"] == "keyring"
    assert ring.kept == {}
    assert small("--keyring", "list", secret=None).code == 3


def test_without_a_keyring_nothing_changes(small, monkeypatch):
    monkeypatch.setattr(keyring, "get_keyring", lambda: (_ for _ in ()).throw(RuntimeError("no service")))
    refused = small("key", "keyring", "add")
    assert refused.code == 1
    assert "keyring" in refused.err
    assert ways(small) == ["passphrase", "recovery"]


def test_the_passphrase_is_changed(small):
    small("backup")
    new = descriptor("a line of snow")
    changed = small("key", "passphrase", "--new-passphrase-fd", str(new), "--json")
    os.close(new)
    assert (changed.code, changed.json["changed"]) == (0, "passphrase")
    assert small("list").code == 3
    assert small("list", secret="a line of snow").code == 0
    answers = iter(["a line of snow", "one", "two"])
    assert small("key", "passphrase", secret=None, ask=lambda prompt: next(answers)).code == 2
    answers = iter(["a line of snow", "", ""])
    assert small("key", "passphrase", secret=None, ask=lambda prompt: next(answers)).code == 2
    answers = iter(["a line of snow", "a line of hail", "a line of hail"])
    asked = small("key", "passphrase", secret=None, ask=lambda prompt: next(answers))
    assert (asked.code, "Backups made before" in asked.out) == (0, True)
    assert small("list", secret="a line of hail").code == 0
    assert small("restore", secret="a line of hail").code == 3, "a backup opens with what opened the journal then"
    assert small("restore").code == 0
    assert small("list").code == 0


def test_a_new_recovery_code_replaces_the_old_one(cli):
    first = cli("add", "--create", "--no-analyze", "--json", stdin="Words.").json["recovery_code"]
    made = cli("key", "recovery")
    assert made.code == 0
    shown = re.search(r"^ {4}(\S+)$", made.out, re.MULTILINE)
    assert shown is not None
    assert normalise_recovery_code(shown[1])
    assert cli("list", secret=first).code == 3
    assert texts(cli, secret=shown[1]) == ["Words."]
    second = cli("key", "recovery", "--json", secret=shown[1]).json["recovery_code"]
    assert texts(cli, secret=second) == ["Words."]


def test_a_new_key_lets_in_the_passphrase_alone_and_old_backups_stay_good(cli, tmp_path):
    code = cli("add", "--create", "--no-analyze", "--json", stdin="Words of before.").json["recovery_code"]
    key_file = tmp_path / "page.key"
    cli("key", "new-file", "--out", str(key_file))
    old = cli("backup", "--json").json
    before = (cli.journal / vault.DATABASE).read_bytes()
    for secret in (code, "another"):
        refused = cli("key", "rotate", secret=secret)
        assert refused.code == {code: 2, "another": 3}[secret]
    assert cli("--key-file", str(key_file), "key", "rotate", secret=None).code == 2
    assert code not in cli("key", "list").out
    done = cli("key", "rotate")
    assert done.code == 0, done.err
    assert (cli.journal / vault.DATABASE).read_bytes() != before
    shown = re.search(r"^ {4}(\S+)$", done.out, re.MULTILINE)
    assert shown is not None
    assert "key file" in done.out
    assert "keep the old key" in done.out
    assert ways(cli) == ["passphrase", "recovery"]
    assert cli("list", secret=code).code == 3
    assert cli("--key-file", str(key_file), "list", secret=None).code == 3
    assert texts(cli, secret=shown[1]) == ["Words of before."]
    cli("add", "--no-analyze", stdin="Words of after.")
    assert cli("verify").code == 0
    assert cli("backup", "check").code == 0
    assert cli("restore", old["name"]).code == 0
    assert texts(cli, secret=code) == ["Words of before."]
    again = cli("key", "rotate", "--json")
    assert (again.code, again.out.count("-")) == (0, 6)
    assert texts(cli, secret=again.json["recovery_code"]) == ["Words of before."]


# other computers --------------------------------------------------------------------------


def test_a_journal_that_is_open_elsewhere_is_opened_only_when_told(small):
    stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    mark = presence.read(small.journal)
    assert mark is not None
    value = {"device": "f" * 32, "opened_utc": stamp, "beat_utc": stamp, "is_open": True, "base": mark.base}
    presence.write(small.journal, presence.Mark(**value))  # type: ignore[arg-type]
    refused = small("list")
    assert (refused.code, refused.out) == (7, "")
    assert "--open-anyway" in refused.err
    assert small("key", "rotate").code == 7
    assert len(texts(small, "--open-anyway")) == 2
    assert small("list").code == 0


def test_what_a_sync_program_left_is_joined_and_told(small, tmp_path):
    other = Runner(tmp_path / "other", small._monkeypatch)
    shutil.copytree(small.journal, other.journal)
    other("add", "--no-analyze", stdin="Written on the train.")
    small("add", "--no-analyze", stdin="Written at home.")
    shutil.copy(other.journal / vault.DATABASE, small.journal / "journal (conflicted copy).qpv")
    (small.journal / "journal (broken copy).qpv").write_bytes(os.urandom(8192))
    listed = small("list", "--json")
    assert "1 copy of this journal" in listed.err
    assert "1 entry added" in listed.err
    assert "1 other copy" in listed.err
    assert {entry["text"] for entry in listed.json} >= {"Written on the train.", "Written at home."}
    assert (small.journal / "merged" / "journal (conflicted copy).qpv").exists()
    (small.journal / "journal (broken copy).qpv").unlink()
    assert small("list").err == ""


# search -----------------------------------------------------------------------------------


def test_search_filters(filled):
    def dates(*arguments: str) -> list[str]:
        found = filled("search", *arguments, "--json")
        assert found.code == 0, found.err
        return [hit["date"] for hit in found.json]

    with vault.unlock(filled.journal, PASSPHRASE) as opened:
        store = opened.store()
        store.add_image(next(e.id for e in store.entries() if e.local_date == "2026-03-11"), PNG)
    assert dates("--from", "2026-03-10") == ["2026-03-11", "2026-03-10"]
    assert dates("--to", "2026-03-10") == ["2026-03-10", "2026-03-02"]
    assert dates("a", "--from", "2026-03-05") == ["2026-03-10"]
    assert dates("--tag", "walk") == ["2026-03-02"]
    assert dates("--tag", "walk", "--tag", "sea") == []
    assert dates("--mood", "1-2") == ["2026-03-10"]
    assert dates("--mood", "5") == ["2026-03-02"]
    assert dates("--with-image") == ["2026-03-11"]
    assert dates("--for-therapist") == ["2026-03-10"]
    assert dates("--feeling", "joy") == ["2026-03-02"]
    assert dates("--feeling", "Anxiety", "deadline") == ["2026-03-10"]
    assert dates("--feeling", "joy", "deadline") == []
    plain = filled("search", "--mood", "1-5")
    assert [line[:10] for line in plain.out.splitlines()] == ["2026-03-10", "2026-03-02"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["search"], ["search", ""], ["search", "--feeling", "hunger"], ["search", "--mood", "0-2"],
        ["search", "--mood", "4-2"], ["search", "--mood", "2-"], ["search", "--from", "soon"],
        ["backup", "fly"], ["backup", "--to", "x", "list"], ["backup", "place", "x", "--default"],
        ["rescue"], ["key"], ["key", "fly"], ["key", "new-file"], ["key", "keyring"], ["key", "keyring", "fly"],
        ["key", "passphrase", "--new-passphrase-fd", "x"], ["--keyring", "list"],
    ],
)  # fmt: skip
def test_wrong_use_is_2(small, arguments):
    assert small(*arguments).code == 2


# as people run it -------------------------------------------------------------------------


def test_a_process_of_its_own_makes_a_backup_and_restores_it(small, tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "journal_app", "--journal", str(small.journal), "--passphrase-fd", "0"]
        return subprocess.run(
            [*command, *arguments], input=f"{PASSPHRASE}\n".encode(), capture_output=True, cwd=ROOT, check=False
        )

    made = run("backup", "--to", str(tmp_path / "stick"), "--json")
    assert (made.returncode, made.stderr) == (0, b"")
    assert json.loads(made.stdout)["entries"] == 2
    shutil.rmtree(small.journal)
    done = run("restore", "--from", str(tmp_path / "stick"))
    assert done.returncode == 0, done.stderr
    listed = run("list")
    assert (listed.returncode, len(listed.stdout.splitlines())) == (0, 2)


def test_every_option_of_these_commands_is_on_the_page():
    from journal_app.cli.main import make_parser

    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    for words in (["backup"], ["backup", "list"], ["backup", "place"], ["restore"], ["rescue"], ["key", "passphrase"]):
        parser = make_parser()
        for word in words:
            parser = next(a for a in parser._subparsers._group_actions).choices[word]  # type: ignore[union-attr]
        for action in parser._actions:
            for option in action.option_strings:
                assert option in ("-h", "--help") or option in page, (words, option)
