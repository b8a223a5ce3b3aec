"""Runs side by side: what may be compared, what is called best, and what is only shown."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from tests.support.decoder_ground import quiet
from trainer.config import ROOT, RunPaths, TrainerError, load_recipe
from trainer.evaluation import compare, page

pytestmark = pytest.mark.torch


def lay(folder: Path, macro: float, low: float, *, data: str = "same", rows: int = 100, **more: Any) -> Path:
    """Write the reports of a run that reads one task."""
    folder.mkdir(parents=True)
    entry = {"rows": rows, "macro_f1": macro, "macro_f1_ci95_low": low, "macro_f1_ci95_high": macro + 0.02}
    report = {"model": folder.name, "data_sha256": data, "machine": "m", "tasks": {"stress": entry | {"ece": 0.1}}}
    (folder / "evaluate.json").write_text(json.dumps(report | more), "utf-8")
    return folder


def told(*folders: Path) -> dict[str, Any]:
    return compare.side_by_side([compare.load(folder) for folder in folders])


@pytest.mark.parametrize(("low", "best"), [(0.85, 1), (0.80, None), (0.75, None)])
def test_best_needs_an_interval_that_leaves_the_others_out(tmp_path: Path, low: float, best: int | None) -> None:
    report = told(lay(tmp_path / "a", 0.80, 0.70), lay(tmp_path / "b", 0.90, low))
    assert report["tasks"]["stress"]["macro_f1"]["best"] == best
    assert report["tasks"]["stress"]["ece"]["best"] is None


def test_other_data_or_other_rows_are_marked_and_beat_nobody(tmp_path: Path) -> None:
    report = told(
        lay(tmp_path / "a", 0.50, 0.40),
        lay(tmp_path / "other", 0.99, 0.98, data="another"),
        lay(tmp_path / "few", 0.98, 0.97, rows=10),
    )
    found = report["tasks"]["stress"]["macro_f1"]
    assert found["comparable"] == [True, False, False]
    assert found["best"] is None
    cells = next(row for row in compare.table_rows(report, report["runs"]) if row[1] == "macro f1")
    assert cells[2:] == ["0.500", "0.990*", "0.980*"]


def test_a_task_that_one_run_lacks_is_a_dash(tmp_path: Path) -> None:
    first = lay(tmp_path / "a", 0.5, 0.4)
    second = lay(tmp_path / "b", 0.6, 0.55, tasks={"isear": {"rows": 9, "macro_f1": 0.3, "macro_f1_ci95_low": 0.2}})
    rows = compare.table_rows(told(first, second), ["a", "b"])
    assert ["stress", "macro f1", "0.500", "-"] in rows
    assert ["isear", "macro f1", "-", "0.300"] in rows


def test_judges_sweeps_and_studies_come_along(tmp_path: Path) -> None:
    folders = [lay(tmp_path / name, 0.5, 0.4) for name in ("a", "b")]
    for number, folder in enumerate(folders):
        score = {"mean": 3.0 + number, "low": 2.0, "high": 5.0}
        judged = {"data_sha256": f"judge {number}", "scores": {"ours": {"empathy": score, "rated": 5}}}
        (folder / "judge.json").write_text(json.dumps(judged), "utf-8")
        types = {"Q4_K_M": {"kl_nats_per_token": 0.01 * (number + 1), "tasks": {"stress": {}}}}
        (folder / "sweep.json").write_text(json.dumps({"data_sha256": "s", "types": types}), "utf-8")
        methods = {"zero-shot": {"rows": 10 + number, "macro_f1": 0.2}}
        (folder / "study.json").write_text(json.dumps({"task": "emotion", "methods": methods}), "utf-8")
    recipe = load_recipe(ROOT / "trainer" / "recipes" / "qwen2.5-0.5b.toml")
    compare.run(recipe, RunPaths(tmp_path / "out"), quiet(), argparse.Namespace(runs=folders))
    report = json.loads((tmp_path / "out" / "compare.json").read_text("utf-8"))
    assert report["judge"]["ours"]["empathy"] == {"values": [3.0, 4.0], "best": None, "comparable": [True, False]}
    assert report["sweep"]["Q4_K_M"]["kl_nats_per_token"]["comparable"] == [True, True]
    assert report["tasks"]["emotion, zero-shot"]["macro_f1"]["comparable"] == [True, False]
    text = (tmp_path / "out" / "compare.md").read_text("utf-8")
    assert "4.000*" in text
    assert "| Q4_K_M | kl nats per token | 0.010 | 0.020 |" in text


def test_the_report_tells_the_judges_scores_with_their_intervals(tmp_path: Path) -> None:
    recipe = load_recipe(ROOT / "trainer" / "recipes" / "qwen2.5-0.5b.toml")
    scores = {"ours": {"empathy": {"mean": 3.256, "low": 2.0, "high": 4.5}, "output_check_pass": 0.75}}
    judged = {"note": "Not people.", "entries": 7, "criteria": {"empathy": "it"}, "scores": scores}
    replies = {"rows": 3, "speed": {"tokens_per_s": 12.5}, "lengths": {"all": [1, 2]}}
    lay(tmp_path / "run", 0.5, 0.4, replies=replies)
    (tmp_path / "run" / "judge.json").write_text(json.dumps(judged), "utf-8")
    page.run(recipe, RunPaths(tmp_path / "run"), quiet(), argparse.Namespace())
    text = (tmp_path / "run" / "report.md").read_text("utf-8")
    assert "| ours | 3.26 (2.00-4.50) | 0.750 |" in text
    assert "| speed: tokens per s | 12.500 |" in text
    assert "data, training, quantised types, study." in text.split("## Not run")[1]


def test_a_folder_without_reports_or_with_a_torn_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"holds no evaluate\.json"):
        compare.load(tmp_path)
    (tmp_path / "evaluate.json").write_text('{"tasks": ', "utf-8")
    with pytest.raises(TrainerError, match="cannot be read as JSON"):
        compare.load(tmp_path)
