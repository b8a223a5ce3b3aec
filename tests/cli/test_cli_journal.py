"""The commands on a journal: what they print, what they leave, and their exit codes."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from journal_app.cli import main as entry_point
from journal_app.inference.engine import ModelError
from journal_app.vault import vault
from journal_app.vault.codes import normalise_recovery_code
from tests.cli.conftest import PASSPHRASE

ROOT = Path(__file__).resolve().parents[2]


# add --------------------------------------------------------------------------------------


def test_create_shows_the_recovery_code_once_and_it_opens_the_journal(cli):
    made = cli("add", "--create", stdin="First words.\n")
    assert made.code == 0
    code = re.search(r"^ {4}(\S+)$", made.out, re.MULTILINE)
    assert code is not None
    assert normalise_recovery_code(code[1])
    again = cli("add", "--create", stdin="Second words.\n")
    assert again.code == 0
    assert "recovery" not in again.out
    listed = cli("list", "--json", secret=code[1].lower())
    assert [e["text"] for e in listed.json] == ["Second words.", "First words."]


def test_create_with_json(cli):
    made = cli("add", "--create", "--json", "--no-analyze", stdin="Words.")
    assert normalise_recovery_code(made.json["recovery_code"])
    assert made.json["entry"]["text"] == "Words."
    assert made.json["analysed"] is False


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_no_journal_is_made_when_there_is_nothing_to_store(cli, arguments):
    for text in (b"", b" \n", b"\xff\xfebroken\xff", b"caf\xe9 not utf-8"):
        made = cli("add", "--create", *arguments, stdin=text)
        assert made.code == 2
        assert made.out == ""
    assert not cli.journal.exists()


def test_a_recovery_code_is_told_even_when_the_entry_cannot_be_stored(cli, monkeypatch):
    from journal_app.vault.records import VaultWriteError
    from journal_app.vault.store import JournalStore

    def full(*args: object, **kwargs: object) -> None:
        raise VaultWriteError("The disk is full.")

    monkeypatch.setattr(JournalStore, "new_entry", full)
    made = cli("add", "--create", "--json", stdin="Words.")
    assert made.code == 8
    assert normalise_recovery_code(made.json["recovery_code"])
    assert made.json["entry"] is None


def test_the_new_passphrase_is_asked_for_twice(cli):
    answers = iter(["one", "two"])
    made = cli("add", "--create", stdin="x", secret=None, ask=lambda prompt: next(answers))
    assert made.code == 2
    assert "differ" in made.err
    assert not cli.journal.exists()
    assert cli("add", "--create", "--no-analyze", stdin="x", secret=None, ask=lambda prompt: "same").code == 0
    assert cli("list", secret="same").code == 0


def test_add_with_everything(cli):
    made = cli(
        "add", "--create", "--json", "--date", "2026-03-14", "--time", "7:05".zfill(5), "--mood", "4", "--energy", "2",
        "--tag", "sea", "--tag", "바다", "--for-therapist", stdin="\ufeffI laughed.\r\nThen rain.\n\n",
    )  # fmt: skip
    entry = made.json["entry"]
    assert entry["text"] == "I laughed.\r\nThen rain.\n"
    assert (entry["date"], entry["time"]) == ("2026-03-14", "07:05:00")
    assert entry["mood"] == {"valence": 4, "energy": 2}
    assert entry["tags"] == ["sea", "바다"]
    assert entry["for_therapist"] is True
    assert entry["estimate"]["model"] == "fake-reader"
    assert "joy" in entry["estimate"]["feelings"]


def test_add_from_a_file_keeps_it_as_it_is(cli, tmp_path):
    path = tmp_path / "page.md"
    path.write_bytes("# Tuesday\n\n– long dash, 한글, 🌒\n\n".encode())
    assert cli("add", "--create", "--no-analyze", "--file", str(path)).code == 0
    assert cli("show", "last", "--json").json["text"] == "# Tuesday\n\n– long dash, 한글, 🌒\n\n"
    wide = tmp_path / "wide.txt"
    wide.write_bytes("wide 한글".encode("utf-16"))
    assert cli("add", "--no-analyze", "--file", str(wide)).code == 0
    assert cli("show", "last", "--json").json["text"] == "wide 한글"
    gone = cli("add", "--file", str(tmp_path / "gone"))
    assert gone.code == 2
    assert str(tmp_path) not in gone.err


def test_passphrase_and_text_on_one_descriptor(cli, monkeypatch):
    program = [sys.executable, "-m", "journal_app", "--journal", str(cli.journal), "--passphrase-fd", "0"]
    done = subprocess.run(
        [*program, "add", "--create", "--no-analyze", "--json"],
        input=b"pass phrase\nThe text\nof two lines\n",
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["entry"]["text"] == "The text\nof two lines"
    with vault.unlock(cli.journal, "pass phrase") as opened:
        assert len(opened.store().entries()) == 1


def test_a_model_that_fails_does_not_fail_the_entry(cli):
    def broken(name: str | None, threads: int | None) -> None:
        raise ModelError("The model file is missing.")

    cli.reader = broken
    made = cli("add", "--create", stdin="Words.")
    assert made.code == 0
    assert "saved" in made.err
    assert "missing" in made.err
    assert len(cli("list", "--json").json) == 1


def test_words_of_crisis_bring_help_with_and_without_a_model(cli):
    made = cli("add", "--create", stdin="I want to die. I will kill myself tonight.\n")
    assert made.code == 0
    assert made.out.startswith("A new journal")
    assert len(made.err.splitlines()) >= 2
    quiet = cli("add", stdin="A quiet day.\n")
    assert quiet.err == ""
    unread = cli("add", "--no-analyze", stdin="I want to die. I will kill myself tonight.\n")
    assert len(unread.err.splitlines()) >= 2


# list, show, search -----------------------------------------------------------------------


def test_list(filled):
    lines = filled("list").out.splitlines()
    assert [line[:10] for line in lines] == ["2026-03-11", "2026-03-10", "2026-03-02"]
    assert "*" in lines[1]
    assert len(filled("list", "--limit", "1").out.splitlines()) == 1
    assert [e["date"] for e in filled("list", "--from", "2026-03-05", "--to", "2026-03-10", "--json").json] == [
        "2026-03-10"
    ]
    assert [e["date"] for e in filled("list", "--tag", "walk", "--json").json] == ["2026-03-02"]
    assert filled("list", "--bin", "--json").json == []
    nothing = filled("list", "--from", "2030-01-01")
    assert (nothing.code, nothing.out) == (0, "")


def test_show(filled):
    (entry,) = filled("show", "2026-03-10", "--json").json
    assert entry["text"].startswith("The deadline")
    by_id = filled("show", entry["id"][:6])
    assert by_id.code == 0
    assert "The deadline and the pressure." in by_id.out
    assert "may be wrong" in by_id.out
    assert "[for my therapist]" in by_id.out
    assert filled("show", entry["id"], "--json").json == entry
    assert "비가" in filled("show", "last").out
    for nothing in ("2031-01-01", "zzzz"):
        missing = filled("show", nothing)
        assert (missing.code, missing.out) == (2, "")


def test_show_revisions(cli):
    cli("add", "--create", "--no-analyze", stdin="Old words that were here first.")
    with vault.unlock(cli.journal, PASSPHRASE) as opened:
        store = opened.store()
        store.save_text(store.entries()[0].id, "New.")
    shown = cli("show", "last", "--revisions", "--json").json
    assert [r["text"] for r in shown["revisions"]] == ["New.", "Old words that were here first."]
    assert "Old words" in cli("show", "last", "--revisions").out
    assert "Old words" not in cli("show", "last").out


def test_search(filled):
    assert [h["date"] for h in filled("search", "DEADLINE", "pressure", "--json").json] == ["2026-03-10"]
    (hit,) = filled("search", "밤", "--json").json
    low, high = hit["spans"][0]
    assert hit["snippet"][low:high] == "밤"
    assert filled("search", '"sunny walk"').out.startswith("2026-03-02")
    assert filled("search", "-", "--json", stdin="sunny\n").json[0]["date"] == "2026-03-02"
    nothing = filled("search", "absent")
    assert (nothing.code, nothing.out) == (0, "")


# insights, verify, model list ---------------------------------------------------------------


def test_insights(filled):
    found = filled("insights", "--json").json
    assert [week["start"] for week in found["weeks"]] == ["2026-03-02", "2026-03-09"]
    assert [week["entries"] for week in found["weeks"]] == [1, 2]
    assert found["weeks"][0]["own_mood"] == 5
    assert found["models"] == ["fake-reader"]
    assert found["entries_read"] == 2  # the Korean one is not read by an English model
    assert "joy" in found["weeks"][0]["estimated_feelings"]
    table = filled("insights", "--from", "2026-03-09").out
    assert "2026-03-09" in table
    assert "2026-03-02" not in table
    assert "not a diagnosis" in table
    assert filled("insights", "--from", "2031-01-01", "--json").json["weeks"] == []


def test_verify(filled):
    sound = {"ok": True, "entries": 3, "revisions": 3, "problems": [], "pages_damaged": []}
    assert filled("verify", "--json").json == sound
    path = filled.journal / vault.DATABASE
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    harmed = filled("verify", "--json")
    assert harmed.code == 4
    assert not harmed.out or harmed.json["ok"] is False
    assert path.read_bytes() == data


def test_model_list(cli):
    listed = cli("model", "list", "--json", vaultless=True)
    assert listed.code == 0
    assert all({"name", "file", "kind", "bytes", "sha256", "licence", "embedded"} == set(m) for m in listed.json)
    assert cli("model", "list", vaultless=True).code == 0


# export -----------------------------------------------------------------------------------


def test_export_json(filled, tmp_path):
    path = tmp_path / "out.json"
    done = filled("export", "--format", "json", "--out", str(path))
    assert done.code == 0
    assert "not encrypted" in done.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    value = json.loads(path.read_bytes())
    assert value["format"] == "quietpage-entries"
    assert [e["date"] for e in value["entries"]] == ["2026-03-02", "2026-03-10", "2026-03-11"]
    assert value["entries"] == filled("list", "--json").json[::-1]
    kept = filled("export", "--format", "json", "--out", str(path), "--from", "2026-03-11")
    assert kept.code == 2
    assert json.loads(path.read_bytes()) == value
    assert filled("export", "--format", "json", "--out", str(path), "--from", "2026-03-11", "--force").code == 0
    assert len(json.loads(path.read_bytes())["entries"]) == 1
    piped = filled("export", "--format", "json", "--out", "-")
    assert piped.json["entries"] == value["entries"]


def test_export_markdown(filled, tmp_path):
    folder = tmp_path / "entries"
    assert filled("export", "--format", "markdown", "--out", str(folder)).code == 0
    files = sorted(folder.iterdir())
    assert [f.name[:17] for f in files] == ["2026-03-02-210000", "2026-03-10-210000", "2026-03-11-210000"]
    first = files[0].read_text("utf-8")
    assert first.startswith("---\ndate: 2026-03-02\n")
    assert 'tags: ["walk"]' in first
    assert first.endswith("\n\nA sunny walk, I laughed a lot.\n")
    one = tmp_path / "all.md"
    assert filled("export", "--format", "markdown", "--out", str(one)).code == 0
    assert one.read_text("utf-8").count("---\ndate:") == 3


@pytest.mark.parametrize(
    ("kind", "start"), [("summary-pdf", b"%PDF"), ("pdf", b"%PDF"), ("summary-html", b"<!DOCTYPE html>")]
)
def test_export_summary(filled, tmp_path, kind, start):
    path = tmp_path / "summary"
    assert filled("export", "--format", kind, "--out", str(path)).code == 0
    data = path.read_bytes()
    assert data.startswith(start)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if kind == "summary-html":
        # The marked entry is there; what was neither marked nor ticked is in no byte.
        assert b"deadline" in data
        assert b"sunny" not in data


def test_export_summary_hides_names_and_adds_estimates_only_when_asked(filled, tmp_path):
    filled("add", "--date", "2026-03-12", "--for-therapist", stdin="Quarrel with Wilhelmina again.\n")
    plain, hidden, full = (tmp_path / name for name in ("plain.html", "hidden.html", "full.html"))
    filled("export", "--format", "html", "--out", str(plain))
    filled("export", "--format", "html", "--out", str(hidden), "--hide", "Wilhelmina")
    filled("export", "--format", "html", "--out", str(full), "--estimates")
    assert "Wilhelmina" in plain.read_text("utf-8")
    assert "Wilhelmina" not in hidden.read_text("utf-8")
    assert "fake-reader" not in plain.read_text("utf-8")
    assert "fake-reader" in full.read_text("utf-8")


def test_export_csv(filled, tmp_path):
    folder = tmp_path / "csv"
    assert filled("export", "--format", "csv", "--out", str(folder)).code == 0
    assert (folder / "days.csv").exists()
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in folder.iterdir())
    single = tmp_path / "days.csv"
    assert filled("export", "--format", "csv", "--out", str(single)).code == 0
    assert single.read_bytes() == (folder / "days.csv").read_bytes()


def test_export_that_cannot_be_written(filled, tmp_path):
    (tmp_path / "file").write_text("x")
    refused = filled("export", "--format", "json", "--out", str(tmp_path / "file" / "below.json"))
    assert refused.code == 8
    assert str(tmp_path) not in refused.err
    assert filled("export", "--format", "markdown", "--out", "-").code == 2
    assert filled("export", "--format", "csv", "--out", str(tmp_path / "c"), "--from", "2031-01-01").code == 2


def test_an_interrupted_export_leaves_no_part(filled, tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused = filled("export", "--format", "json", "--out", str(tmp_path / "out.json"))
    monkeypatch.undo()
    assert refused.code == 8
    assert not [p for p in tmp_path.iterdir() if "out.json" in p.name]


# exit codes and streams -------------------------------------------------------------------


def test_exit_codes_of_a_journal_that_does_not_open(filled, cli, tmp_path):
    wrong = filled("list", secret="not this")
    assert (wrong.code, wrong.out) == (3, "")
    cli.journal = tmp_path / "nowhere"
    assert cli("list").code == 6
    assert cli("list", secret=None, ask=lambda prompt: pytest.fail("asked for nothing")).code == 6
    assert not cli.journal.exists()
    cli.journal = filled.journal = tmp_path / "journal"
    with vault.unlock(filled.journal, PASSPHRASE) as opened:
        assert filled("list").code == 7
        opened.store()._db.rows("PRAGMA user_version = 99")
    assert filled("list").code == 5
    (filled.journal / vault.DATABASE).write_bytes(b"")
    assert filled("verify").code == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"], ["add", "--mood", "9"], ["add", "--date", "yesterday"], ["add", "--energy", "3"],
        ["list", "--limit", "0"], ["show"], ["search"], ["export", "--format", "docx", "--out", "x"],
        ["export", "--format", "json"], ["analyze"], ["analyze", "a", "--jsonl", "b"], ["analyze", "a", "--out", "b"],
        ["model"], ["--passphrase-fd", "x", "list"],
    ],
)  # fmt: skip
def test_wrong_use_is_2(cli, arguments):
    assert cli(*arguments, stdin="x").code == 2


@pytest.mark.parametrize("secret", [b"", b"\n", b"\xff\xfe\n", b"x" * 10_000])
def test_a_descriptor_without_a_passphrase(filled, secret):
    read, write = os.pipe()
    os.write(write, secret)
    os.close(write)
    assert filled("list", "--passphrase-fd", str(read), secret=None).code == 2
    os.close(read)
    assert filled("list", "--passphrase-fd", "987", secret=None).code == 2


def test_help_tells_the_exit_codes(cli):
    shown = cli("--help", vaultless=True)
    assert shown.code == 0
    for code in (*range(11), 130):
        assert re.search(rf"\b{code}  \S", shown.out), code
    documented = (ROOT / "docs" / "cli.md").read_text("utf-8")
    for code in (*range(11), 130):
        assert f"| {code} |" in documented
    assert cli("--version", vaultless=True).out.startswith("Quiet Page ")


def test_an_unexpected_failure_tells_neither_text_nor_path(filled, monkeypatch):
    from journal_app.cli import commands

    def burst(*args: object) -> None:
        raise RuntimeError("sunny walk in /home/somebody")

    monkeypatch.setattr(commands, "_line", burst)
    failed = filled("list")
    assert failed.code == 1
    assert "sunny" not in failed.err
    assert "/home" not in failed.err
    assert "RuntimeError" in failed.err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp949", "utf-8"])
def test_any_terminal(filled, encoding):
    for command in (["list"], ["show", "last"], ["search", "비"], ["insights"]):
        assert filled(*command, encoding=encoding).code == 0
    assert filled("show", "last", "--json", encoding=encoding).json["text"] == "비가 왔다. 조용한 밤."


def test_odd_characters_reach_neither_terminal_nor_json_unsafely(cli):
    with_escape = "before \x1b[2J\x9b after\x00 \ud800 🌒"
    cli("add", "--create", "--no-analyze", stdin="x")
    with vault.unlock(cli.journal, PASSPHRASE) as opened:
        store = opened.store()
        store.save_text(store.entries()[0].id, with_escape)
    shown = cli("show", "last", tty=True)
    assert shown.code == 0
    assert "\x1b" not in shown.out
    assert "\x9b" not in shown.out
    assert cli("show", "last", "--json").json["text"] == with_escape
    assert cli("show", "last", "--json", encoding="ascii").json["text"] == with_escape
    assert cli("list").code == 0
    piped = cli("export", "--format", "json", "--out", "-")
    assert piped.json["entries"][0]["text"] == with_escape


def test_a_closed_pipe_is_no_failure(filled):
    read, write = os.pipe()
    os.write(write, PASSPHRASE.encode() + b"\n")
    os.close(write)
    reader_end, writer_end = os.pipe()
    os.close(reader_end)
    done = subprocess.run(
        [sys.executable, "-m", "journal_app", "--journal", str(filled.journal), "--passphrase-fd", str(read), "list"],
        stdout=writer_end,
        stderr=subprocess.PIPE,
        pass_fds=(read,),
        cwd=ROOT,
        check=False,
    )
    os.close(read)
    os.close(writer_end)
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_terminal_to_ask_on(filled):
    done = subprocess.run(
        [sys.executable, "-m", "journal_app", "--journal", str(filled.journal), "list"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=ROOT,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 2
    assert b"--passphrase-fd" in done.stderr


def test_interruption(filled, monkeypatch):
    from journal_app.cli import commands

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "_line", stop)
    assert filled("list").code == 130


def test_help_is_quick_and_needs_nothing_heavy():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from journal_app.cli.main import main; main(['--help']);"
            "heavy = {'matplotlib', 'PySide6', 'torch', 'llama_cpp', 'numpy'} & set(sys.modules);"
            "sys.exit(f'loaded {heavy}' if heavy else 0)",
        ],
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert entry_point.EPILOG.encode()[:40] in done.stdout
