"""Twenty rounds of ``make torture``, every scenario among them; and that it would notice what it looks for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from journal_app.vault import codes, vault
from journal_app.vault.keys import KdfParams
from scripts import torture
from scripts.torture_app import FIRST, stream

pytestmark = [pytest.mark.gui, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]


@pytest.mark.timeout(240)
def test_twenty_rounds(tmp_path: Path) -> None:
    outcomes = torture.torture(20, seed=20, scratch=tmp_path)
    assert [o for o in outcomes if o.bad] == []
    assert {o.scenario for o in outcomes} == set(torture.SCENARIOS)
    assert sum(o.keys for o in outcomes) > 100
    assert sum(o.acks for o in outcomes) > 10


def test_it_would_notice(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    made, code = vault.create(folder, FIRST, kdf=KdfParams.fast())
    entry = made.store().new_entry(stream("Round 0: ", 10))
    made.lock()
    ground = torture.Ground(folder, tmp_path)

    def outcome(scenario: str, keys: list[tuple[int, float]], acks: list[list[str]]) -> torture.Outcome:
        found = torture.Outcome(scenario)
        torture.check(scenario, folder, torture.Said(keys, acks, 100.0, ""), "Round 0: ", found, ground)
        return found

    typed = [(n, 90.0 + n) for n in range(1, 11)]
    assert not outcome("typing", typed, []).bad
    late = outcome("typing", [*typed, (11, 99.5)], [])
    assert not late.bad
    assert late.max_lost_s == 0.5
    assert outcome("typing", [*typed, (11, 98.5)], []).lost_over_1s
    assert outcome("lock", [*typed, (11, 99.9)], [["locked", "11"]]).missing
    assert outcome("backup", typed, [["backup", "never-made"]]).missing
    assert outcome("rekey", [], [["entry", "0" * 32]]).missing
    assert not outcome("rekey", [], [["entry", entry.id], ["code", code]]).bad
    other = codes.new_recovery_code()
    assert outcome("rekey", [], [["code", other]]).missing
    assert not outcome("rekey", [], [["code", other], ["try", "code"]]).bad
    assert outcome("slots", [], [["passphrase", "second"]]).missing
    assert not outcome("slots", [], [["passphrase", "second"], ["try", "passphrase"]]).bad
    assert outcome("slots", [], [["keyfile", codes.key_file(bytes(32)).hex()]]).missing
    assert outcome("migration", [], []).not_opened
    (folder / ".keys.json.0123abcd.other").touch()
    assert outcome("typing", typed, []).integrity
    (folder / ".keys.json.0123abcd.other").unlink()
    with vault.unlock(folder, FIRST) as opened:
        opened.store().save_text(entry.id, "Something else.")
    assert outcome("slots", [], []).missing
    data = bytearray((folder / vault.DATABASE).read_bytes())
    data[5 * 4096 + 100] ^= 1
    (folder / vault.DATABASE).write_bytes(data)
    damaged = outcome("slots", [], [])
    assert damaged.integrity or damaged.not_opened
    (folder / vault.DATABASE).unlink()
    assert outcome("slots", [], []).not_opened
