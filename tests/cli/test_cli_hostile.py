"""What a careless or hostile surrounding does to a command: closed streams, full devices, absurd numbers."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import PASSPHRASE

ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="descriptors and devices of POSIX")


def shell(command: str, journal: Path) -> subprocess.CompletedProcess[bytes]:
    program = f'"{sys.executable}" -m journal_app --journal "{journal}" --passphrase-fd 7'
    return subprocess.run(
        ["bash", "-c", command.replace("QUIETPAGE", f"{program} 7<<<'{PASSPHRASE}'")],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )


@posix
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_end_a_command_quietly_and_hurt_nothing(filled, closed):
    done = shell(f"QUIETPAGE list {closed}", filled.journal)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert filled("verify").code == 0
    assert (filled.journal / "journal.lock").stat().st_size == 0


@posix
def test_closed_input_is_no_text(filled):
    done = shell("QUIETPAGE add --no-analyze <&-", filled.journal)
    assert done.returncode == 2
    assert b"no text" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["list", "list --json", "export --format json --out -"])
def test_a_full_device_has_its_own_code(filled, command):
    done = shell(f"QUIETPAGE {command} >/dev/full", filled.journal)
    assert done.returncode == 8
    assert done.stderr.count(b"\n") == 1
    assert b"cannot be written" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--limit", "9" * 30], ["--passphrase-fd", "9" * 30, "list"], ["add", "--date", "0001-01-01"],
        ["add", "--date", "9999-12-31"], ["insights", "--from", "0226-03-14"], ["show", ""],
    ],
)  # fmt: skip
def test_absurd_values_are_wrong_use(filled, arguments):
    assert filled(*arguments, stdin="x").code == 2


@posix
@pytest.mark.parametrize("command", ["list", "add --create"])
def test_a_place_that_cannot_be_looked_at_is_no_bug_and_nothing_is_made_there(tmp_path, command):
    done = shell(f"QUIETPAGE {command} </dev/null", tmp_path / ("x" * 300))
    assert done.returncode in (2, 4)
    assert b"unexpected" not in done.stderr
    assert not [made for made in tmp_path.iterdir() if made.name != "xdg_state_home"]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_nobody_else_may_read_the_memory_of_a_command(tmp_path):
    code = (
        "import ctypes, resource\n"
        "from journal_app.cli.main import main\n"
        "main(['analyze', '/does/not/exist'])\n"
        "import json\n"
        "print(json.dumps([ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)[0]]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert json.loads(done.stdout) == [0, 0]


@posix
def test_exported_tables_are_private_from_their_first_byte_on(filled, tmp_path, monkeypatch):
    seen = []
    flush = os.fsync

    def watched(descriptor: int) -> None:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            seen.append(status.st_mode & 0o777)
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    before = os.umask(0o022)
    try:
        assert filled("export", "--format", "csv", "--out", str(tmp_path)).code == 0
    finally:
        after = os.umask(before)
    assert set(seen) == {0o600}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.csv")} == {0o600}
    assert after == 0o022
