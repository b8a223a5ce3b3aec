"""The tool ``compare``: any number of runs side by side.

Two figures are comparable only on the same test rows. Every report carries the hash of its data; where the hashes
differ the figures stand in the table all the same, marked, and nothing is called better.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.evaluation.page import cell_text, read_json, write_page
from trainer.metrics import rounded
from trainer.progress import Progress
from trainer.report import plain_table

FIGURES = ("macro_f1", "weighted_f1", "accuracy", "balanced_accuracy", "auroc", "pr_auc", "ece", "brier")
LOWER_IS_BETTER = frozenset(("ece", "brier"))
_OTHER_DATA = "*"


def run(recipe: Recipe, paths: RunPaths, progress: Progress, options: argparse.Namespace) -> StageResult:
    """Write ``compare.json`` and its page into the run's folder and print the table; raise :class:`TrainerError`."""
    runs = [load(path) for path in options.runs]
    if len({run["name"] for run in runs}) < len(runs):
        for run, path in zip(runs, options.runs, strict=True):
            run["name"] = f"{run['name']} ({Path(path).name})"
    report = side_by_side(runs)
    report |= {key: _extra(runs, key) for key in ("judge", "sweep")}
    target = paths.reports / "compare.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(rounded(report), indent=1, sort_keys=True) + "\n", "utf-8")
    header = ["task", "figure", *(run["name"] for run in runs)]
    rows = table_rows(report, [run["name"] for run in runs])
    blocks: list[Any] = [
        ("text", "Best figures are marked + only where the 95 % interval of macro-F1 excludes the others' figures."),
        (
            "text",
            f"A figure with {_OTHER_DATA} was measured on other test rows than the first run's: do not compare it.",
        ),
        ("table", header, rows),
    ]
    for key, words in (("judge", "Scores of a judge, 0 to 5"), ("sweep", "Quantised types")):
        if report[key]:
            shown = {"tasks": report[key], "comparable": [True] * len(runs)}
            blocks += [("head", words), ("table", header, table_rows(shown, [run["name"] for run in runs]))]
    sizes = [[run["name"], run.get("megabytes"), run.get("texts_per_s"), run.get("machine")] for run in runs]
    blocks += [("head", "Size and speed"), ("table", ["run", "MB", "texts/s", "machine"], sizes)]
    write_page(paths.reports / "compare.html", paths.reports / "compare.md", "Runs side by side", blocks)
    progress.say(plain_table(header, rows))
    return StageResult((target,), {"runs": len(runs)})


def load(folder: Path) -> dict[str, Any]:
    """Return what a run's reports say, figure by figure; raise :class:`TrainerError` where nothing was evaluated."""
    report = read_json(folder / "evaluate.json")
    study = read_json(folder / "study.json")
    if not report and not study:
        raise TrainerError(f"{folder} holds no evaluate.json and no study.json: run `quietpage-train evaluate` there")
    tasks: dict[str, Mapping[str, Any]] = {k: v for k, v in report.get("tasks", {}).items() if "macro_f1" in v}
    if isinstance(report.get("test"), dict) and "macro_f1" in report["test"]:
        tasks[str(report.get("task", "test"))] = report["test"]
    for name, entry in study.get("methods", {}).items():
        tasks[f"{study.get('task')}, {name}"] = entry
    replies = report.get("replies") or {}
    return {
        "name": str(report.get("model") or study.get("model") or folder.name),
        "data": report.get("data_sha256") or study.get("data_sha256"),
        "tasks": tasks,
        "replies": {k: v for k, v in replies.items() if isinstance(v, int | float)},
        "bertscore": ((replies.get("bertscore") or {}).get("rescaled") or {}).get("f"),
        "judge": _told(read_json(folder / "judge.json"), "scores"),
        "sweep": _told(read_json(folder / "sweep.json"), "types"),
        "megabytes": report["file_bytes"] / 1e6 if "file_bytes" in report else None,
        "texts_per_s": report.get("texts_per_s"),
        "machine": report.get("machine") or study.get("machine"),
    }


def side_by_side(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return task -> figure -> {"values": one a run or null, "best": index or null}; ``comparable``: run by run."""
    first = next((run["data"] for run in runs if run["data"]), None)
    comparable = [run["data"] is not None and run["data"] == first for run in runs]
    tasks: dict[str, Any] = {}
    for task in dict.fromkeys(name for run in runs for name in run["tasks"]):
        entries = [run["tasks"].get(task) for run in runs]
        tasks[task] = {}
        # The data may be the same and fewer of its rows read: a study takes as many as it is told.
        count = next((e.get("rows") for e, fine in zip(entries, comparable, strict=True) if e and fine), None)
        same = [fine and (not e or e.get("rows") == count) for e, fine in zip(entries, comparable, strict=True)]
        for figure in FIGURES:
            values = [entry.get(figure) if entry else None for entry in entries]
            if any(value is not None for value in values):
                best = _best(figure, values, entries, same)
                tasks[task][figure] = {"values": values, "best": best, "comparable": same}
    words = {}
    for figure in dict.fromkeys(k for run in runs for k in run["replies"]):
        words[figure] = {"values": [run["replies"].get(figure) for run in runs], "best": None}
    if any(run["bertscore"] is not None for run in runs):
        words["bertscore_rescaled_f"] = {"values": [run["bertscore"] for run in runs], "best": None}
    if words:
        tasks["replies"] = words
    return {"runs": [run["name"] for run in runs], "comparable": comparable, "tasks": tasks}


def _told(report: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return what a judge or a sweep says: the hash of its data, and name -> figure -> value."""
    found: dict[str, dict[str, float]] = {}
    for name, entry in (report.get(key) or {}).items():
        values = {k: v.get("mean") if isinstance(v, dict) and "mean" in v else v for k, v in entry.items()}
        found[name] = {k: v for k, v in values.items() if isinstance(v, int | float)}
    return {"data": report.get("data_sha256"), "entries": found}


def _extra(runs: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    """Return name -> figure -> values of judges or sweeps; nothing is called best, other data is marked."""
    first = next((run[key]["data"] for run in runs if run[key]["entries"]), None)
    same = [run[key]["data"] is not None and run[key]["data"] == first for run in runs]
    result: dict[str, Any] = {}
    for name in dict.fromkeys(name for run in runs for name in run[key]["entries"]):
        entries = [run[key]["entries"].get(name, {}) for run in runs]
        result[name] = {
            figure: {"values": [e.get(figure) for e in entries], "best": None, "comparable": same}
            for figure in dict.fromkeys(k for e in entries for k in e)
        }
    return result


def table_rows(report: Mapping[str, Any], names: Sequence[str]) -> list[list[str]]:
    """Return rows of cells: task, figure, one value a run, with the marks that the page explains."""
    rows = []
    for task, figures in report["tasks"].items():
        for figure, found in figures.items():
            cells = []
            for number, value in enumerate(found["values"]):
                fine = found.get("comparable", report["comparable"])[number]
                mark = "" if value is None or fine else _OTHER_DATA
                cells.append(cell_text(value) + (" +" if found["best"] == number else mark))
            rows.append([task, figure.replace("_", " "), *cells])
    return rows


def _best(
    figure: str, values: Sequence[Any], entries: Sequence[Mapping[str, Any] | None], comparable: Sequence[bool]
) -> int | None:
    candidates = [i for i, value in enumerate(values) if value is not None and comparable[i]]
    if figure != "macro_f1" or len(candidates) < 2:
        return None
    best = max(candidates, key=lambda i: values[i])
    low = (entries[best] or {}).get("macro_f1_ci95_low")
    others = max(values[i] for i in candidates if i != best)
    return best if low is not None and low > others else None
