"""Guessing at the prompt: the next passphrase waits, programs do not."""

from __future__ import annotations

import math

from journal_app.vault import tries
from tests.cli.conftest import PASSPHRASE, Runner


def test_the_prompt_waits_after_wrong_tries_and_forgets_them(filled: Runner) -> None:
    results = [filled("list", secret=None, ask=lambda _prompt: "wrong") for _ in range(6)]
    assert {result.code for result in results} == {3}
    assert [math.ceil(waited) for waited in filled.waited] == [2, 4]
    assert "After wrong passphrases the next one has to wait: 4 s." in results[-1].err
    assert results[0].err.count("\n") == 1
    right = filled("list", secret=None, ask=lambda _prompt: PASSPHRASE)
    assert right.code == 0
    assert [math.ceil(waited) for waited in filled.waited] == [2, 4, 8]
    assert filled("list", secret=None, ask=lambda _prompt: PASSPHRASE).err == ""


def test_a_program_is_not_held_up_and_holds_nobody_up(filled: Runner) -> None:
    for _ in range(6):
        assert filled("list", secret="wrong").code == 3
    assert filled("list").code == 0
    assert filled("list", secret=None, ask=lambda _prompt: PASSPHRASE).code == 0
    assert filled.waited == []
    assert not tries.default_path().exists()


def test_guessing_at_a_backup_waits_as_well(filled: Runner) -> None:
    assert filled("backup").code == 0
    for _ in range(5):
        assert filled("restore", secret=None, ask=lambda _prompt: "wrong").code == 3
    assert [math.ceil(waited) for waited in filled.waited] == [2]
