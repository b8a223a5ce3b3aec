"""Wrong passphrases make the next one wait, for a while and never for good."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from journal_app.vault.tries import LONGEST_S, Tries


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tries.json"


def test_the_wait_grows_and_ends(path: Path, clock: Clock) -> None:
    tries = Tries(path, clock)
    waits = [tries.wait_seconds()]
    for _ in range(10):
        tries.wrong()
        waits.append(tries.wait_seconds())
    assert waits == [0, 0, 0, 0, 2, 4, 8, 16, 30, 30, 30]
    clock.now += 29
    assert tries.wait_seconds() == 1
    clock.now += 1
    assert tries.wait_seconds() == 0
    tries.right()
    tries.wrong()
    assert tries.wait_seconds() == 0


def test_a_restart_gives_no_free_tries(path: Path, clock: Clock) -> None:
    for _ in range(5):
        Tries(path, clock).wrong()
    assert Tries(path, clock).wait_seconds() == 4
    Tries(path, clock).right()
    assert Tries(path, clock).wait_seconds() == 0


def test_two_windows_count_together(path: Path, clock: Clock) -> None:
    one, other = Tries(path, clock), Tries(path, clock)
    for _ in range(3):
        one.wrong()
        other.wrong()
    assert Tries(path, clock).wait_seconds() == 8


@pytest.mark.parametrize("jump", [-3600.0, -20 * 365 * 86_400.0, 86_400.0])
def test_no_clock_locks_anybody_out(path: Path, clock: Clock, jump: float) -> None:
    tries = Tries(path, clock)
    for _ in range(12):
        tries.wrong()
    clock.now += jump
    for at_start in (tries, Tries(path, clock)):
        assert at_start.wait_seconds() <= LONGEST_S
    clock.now += LONGEST_S
    assert tries.wait_seconds() == 0
    assert Tries(path, clock).wait_seconds() == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"[" * 4000,
        b'{"wrong": 1e308, "last": 1}',
        b'{"wrong": -5, "last": 1}',
        b'{"wrong": true, "last": 1}',
        b'{"wrong": 99, "last": NaN}',
        b'{"wrong": 99, "last": 1e300}',
        b'{"wrong": 99, "last": "x"}',
        b'{"wrong": 999999999999, "last": 99999999999.0}',
    ],
)
def test_a_foreign_file_locks_nobody_out(path: Path, clock: Clock, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    tries = Tries(path, clock)
    assert 0 <= tries.wait_seconds() <= LONGEST_S
    clock.now += LONGEST_S
    assert tries.wait_seconds() == 0
    tries.wrong()
    assert Tries(path, clock).wait_seconds() <= LONGEST_S


def test_where_nothing_can_be_written_it_counts_while_the_program_runs(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "state").write_text("no folder")
    tries = Tries(tmp_path / "state" / "tries.json", clock)
    for _ in range(6):
        tries.wrong()
    assert tries.wait_seconds() == 8
    tries.right()
    assert tries.wait_seconds() == 0


@pytest.mark.skipif(os.name == "nt", reason="modes are a matter of POSIX")
def test_the_file_is_private_and_says_nothing_of_a_journal(path: Path, clock: Clock) -> None:
    Tries(path, clock).wrong()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_text() == '{"wrong": 1, "last": 1800000000.0}'
    assert [file.name for file in path.parent.iterdir()] == ["tries.json"]
