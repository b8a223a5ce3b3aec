"""``seeds``: runs of one recipe that differ in nothing but the seed, and how far their figures lie apart."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from trainer.config import Recipe, RunPaths, TrainerError
from trainer.metrics import rounded
from trainer.progress import Progress
from trainer.report import markdown_table

REPORT = "seeds.json"
KEPT = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "mean_auroc")


def run(recipe: Recipe, paths: RunPaths, progress: Progress, arguments: argparse.Namespace) -> None:
    """Write ``seeds.json`` into the run that ships (``paths.out``) from it and the folders ``arguments.runs``.

    Raises :class:`TrainerError` for a run that was not evaluated, and for two runs of one seed.
    """
    reports = [_evaluation(folder) for folder in (paths.out, *arguments.runs)]
    seeds = [int(report["seed"]) for report in reports]
    if len(set(seeds)) != len(seeds):
        raise TrainerError("two of these runs have the same seed")
    found = intervals(reports)
    result = {"seeds": seeds, "shipped": recipe.seed, "figures": rounded(found)}
    (paths.reports / REPORT).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    rows = [(name, f"{f['mean']:.3f}", f"{f['low']:.3f}-{f['high']:.3f}") for name, f in found.items()]
    progress.say(markdown_table(("figure", "mean", "95 %"), rows))


def intervals(reports: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return name -> values, mean and Student's t interval (95 %) of the mean, of each figure that all have."""
    tables = [figures(report) for report in reports]
    result: dict[str, dict[str, Any]] = {}
    for name in tables[0]:
        if not all(name in table for table in tables):
            continue
        values = np.array([table[name] for table in tables])
        half = math.inf
        if len(values) > 1:
            half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
        mean = float(values.mean())
        result[name] = {"values": values.tolist(), "mean": mean, "low": mean - half, "high": mean + half}
    return result


def figures(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the main figures of an evaluation by name."""
    found = {
        f"{task} {key.replace('_', ' ')}": float(entry[key])
        for task, entry in report["tasks"].items()
        for key in KEPT
        if entry.get(key) is not None
    }
    for name, entry in (report.get("auxiliary") or {}).items():
        found[f"{name} macro f1"] = float(entry["macro_f1"])
    for kind, entry in (report.get("diaries_test") or {}).items():
        for task in ("feelings", "themes"):
            area = (entry.get(task) or {}).get("mean_auroc")
            if area is not None:
                found[f"diaries {kind.replace('_', ' ')}: {task} mean auroc"] = float(area)
    return found


def _evaluation(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "evaluate.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError(f"no usable evaluate.json in {folder}: run that seed to `evaluate` first") from error
