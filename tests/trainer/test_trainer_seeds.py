"""How far runs lie apart that differ in the seed alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("scipy")

from trainer import cli
from trainer.config import ROOT
from trainer.evaluation import seeds


def evaluation(seed: int, macro: float, area: float) -> dict[str, object]:
    return {
        "seed": seed,
        "tasks": {"stress": {"macro_f1": macro, "weighted_f1": macro + 0.01}, "feelings": {"mean_auroc": area}},
        "diaries_test": {"english": {"feelings": {"mean_auroc": 0.8}}, "written_ko": {"texts": 3}},
    }


def test_the_interval_is_students_over_the_seeds() -> None:
    found = seeds.intervals([evaluation(0, 0.70, 0.9), evaluation(1, 0.72, 0.9), evaluation(2, 0.74, 0.9)])
    stress = found["stress macro f1"]
    assert stress["values"] == [0.70, 0.72, 0.74]
    assert stress["mean"] == pytest.approx(0.72)
    # t(2; .975) = 4.3027, standard error .02 / sqrt(3)
    assert stress["high"] - stress["mean"] == pytest.approx(4.3027 * 0.02 / 3**0.5, rel=1e-4)
    assert found["feelings mean auroc"]["low"] == pytest.approx(0.9)
    assert "diaries english: feelings mean auroc" in found


def run(folder: Path, seed: int) -> Path:
    folder.mkdir()
    (folder / "evaluate.json").write_text(json.dumps(evaluation(seed, 0.7 + seed / 100, 0.9)), "utf-8")
    return folder


def test_the_command_writes_what_the_card_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = run(tmp_path / "a", 0), run(tmp_path / "b", 1)
    arguments = ["seeds", "--recipe", str(ROOT / "trainer/recipes/embedded-reader.toml"), "--out", str(first), "--runs"]
    assert cli.main([*arguments, str(second)]) == 0
    report = json.loads((first / seeds.REPORT).read_text("utf-8"))
    assert report["seeds"] == [0, 1]
    assert report["figures"]["stress macro f1"]["mean"] == pytest.approx(0.705)
    assert cli.main([*arguments, str(first)]) == 2
    assert "the same seed" in capsys.readouterr().err
    assert cli.main([*arguments, str(tmp_path / "none")]) == 2
