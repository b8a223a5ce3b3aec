"""Judge the models that ship, as they ship, on the corpora's test sets -> build/reports/model-report.json.

For each model of ``assets/models/models.json`` that a recipe here makes: what ``prepare`` gives, the very file
through the app's engine, its floors on the same rows, diaries and everyday writing. Then what the card says is
compared with what came out. Nothing is trained but the floors.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts import reports  # noqa: E402

TOLERANCE = 0.002
"""Largest difference between a card's figure and the one measured now that counts as the same."""


def judge(recipe_path: Path, file: Path, data: Path, work: Path) -> dict[str, Any]:
    """Return the evaluation of ``file`` by the recipe at ``recipe_path``."""
    from trainer import evaluate, prepare
    from trainer.config import RunPaths, load_recipe
    from trainer.progress import Progress

    recipe = load_recipe(recipe_path)
    paths = RunPaths(out=work / recipe.name, data=data, release=work)
    paths.out.mkdir(parents=True, exist_ok=True)
    progress = Progress()
    prepare.run(recipe, paths, progress)
    target = paths.gguf(recipe, recipe.quantize.type)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(file.resolve())
    evaluate.run(recipe, paths, progress)
    return json.loads((paths.reports / "evaluate.json").read_text("utf-8"))


def differences(card: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the names of figures of tasks and diaries that are not what the card says, with both values."""
    found = []
    for key, value in card.items():
        other = now.get(key)
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            found += differences(value, other, f"{name}.")
        elif isinstance(value, float) and isinstance(other, int | float) and abs(value - other) > TOLERANCE:
            found.append(f"{name}: card {value:.4f}, now {other:.4f}")
    return found


def main() -> int:
    """Run the report; exit code 1 when a card is not what was measured, 2 without corpora."""
    parser = argparse.ArgumentParser(description="Judge the models that ship on the corpora.")
    parser.add_argument("--data", type=Path, default=os.environ.get("QUIETPAGE_DATA"), help="folder of the corpora")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "model-report", help="scratch folder")
    options = parser.parse_args()
    if options.data is None or not Path(options.data).is_dir():
        print("model-report: no corpora: name their folder in QUIETPAGE_DATA", file=sys.stderr)
        return 2
    from trainer.config import TrainerError, load_recipe
    from trainer.reader_card import tables

    recipes = {}
    for path in sorted((ROOT / "trainer" / "recipes").glob("embedded-*.toml")):
        recipes[load_recipe(path).name] = path
    models: dict[str, Any] = {}
    wrong: list[str] = []
    for entry in json.loads((ROOT / "assets" / "models" / "models.json").read_text("utf-8")):
        name = entry["name"]
        if name not in recipes:
            print(f"model-report: {name}: no recipe here makes it; left out")
            continue
        try:
            report = judge(
                recipes[name], ROOT / "assets" / "models" / entry["file"], Path(options.data), Path(options.work)
            )
        except TrainerError as error:
            print(f"model-report: {name}: {error}", file=sys.stderr)
            return 2
        card = json.loads((ROOT / "docs" / "models" / f"{name}.evaluate.json").read_text("utf-8"))
        found = differences(
            {key: card[key] for key in ("tasks", "diaries_test", "everyday_writing_test") if key in card}, report
        )
        models[name] = report | {"not_as_on_the_card": found}
        wrong += [f"{name}: {line}" for line in found]
        print(tables(report))
    if not models:
        print("model-report: no model that ships has a recipe here", file=sys.stderr)
        return 2
    rows = [
        (f"{name}: {task}", f"{entry[key]:.3f}", key.replace("_", " "))
        for name, report in models.items()
        for task, entry in report["tasks"].items()
        for key in ("macro_f1", "weighted_f1", "mean_auroc")
        if entry.get(key) is not None
    ]
    reports.write("model-report", {"models": models, "differences": len(wrong)}, rows)
    for line in wrong[:20]:
        print(f"model-report: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
