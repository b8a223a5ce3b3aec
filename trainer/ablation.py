"""``ablate``: one recipe, many small changes, one table on valid.

A file of variants says, for each of them, which keys of the recipe differ. All share what
``prepare`` made, are trained for the same number of steps and are judged in PyTorch on valid, read in
whole windows as the app reads. Test is not touched: the table is there to choose by.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score

from journal_app.contract.bands import low_mood_score, stress_score
from journal_app.contract.tasks import PUBLISHED_TASKS, TASKS
from journal_app.inference import scoring
from journal_app.inference.ngrams import NGrams
from trainer import encoder, finetune, ngram_head
from trainer.calibrate import mean_auroc
from trainer.config import Recipe, RecipeError, RunPaths, TrainerError, build_recipe, read_toml
from trainer.corpora.files import Row, read_rows
from trainer.encoder import Encoder
from trainer.metrics import provenance, rounded
from trainer.progress import Progress
from trainer.report import FIVE

REPORT = "ablation.json"
MOST = 1200
"""Most valid rows of a task and source that a variant is judged on."""
SPECIFICITY = 0.9


def variants(recipe: Recipe, path: Path) -> dict[str, Recipe]:
    """Read a file of variants of ``recipe``: keys for all of them, and for each those that differ; by name.

    Raises :class:`RecipeError` for a file or key that cannot be used.
    """
    raw = read_toml(path)
    changes = raw.pop("variant", None)
    if not isinstance(changes, list) or not changes:
        raise RecipeError(f"{path}: a file of variants has [[variant]] tables")
    shared = _merged(json.loads(json.dumps(dataclasses.asdict(recipe))), raw)
    found: dict[str, Recipe] = {}
    for change in changes:
        name = change.pop("name", "")
        if not isinstance(name, str) or not name.replace("-", "").isalnum() or name in found:
            raise RecipeError(f"{path}: each [[variant]] needs a name of letters, digits and hyphens of its own")
        if "data" in change or "data" in raw:
            raise RecipeError(f"{path}: {name}: variants share the prepared data, so [data] cannot differ")
        found[name] = build_recipe(_merged(shared, change), f"{path}: {name}")
    return found


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(value, Mapping) and isinstance(old, Mapping) else value
    return result


def run(recipe: Recipe, paths: RunPaths, progress: Progress, arguments: argparse.Namespace) -> None:
    """Train and judge every variant of ``arguments.variants`` that has no figures yet; write the table after each.

    ``paths.out`` holds what ``prepare`` made of ``recipe``, and gets a folder for each variant. Raises
    :class:`TrainerError` for a variant that ``arguments.only`` names and that is not there.
    """
    if recipe.kind != "encoder":
        raise TrainerError("ablate works on recipes of kind encoder")
    found, only = variants(recipe, arguments.variants), arguments.only or []
    if missing := [name for name in only if name not in found]:
        raise TrainerError(f"no variant is called {missing[0]}")
    results: dict[str, Any] = {}
    for name, changed in found.items():
        folder = paths.out / name
        figures = folder / "valid.json"
        key = changed.digest("finetune", "data", "seed", "max_tokens")
        kept = json.loads(figures.read_text("utf-8")) if figures.is_file() else {}
        if kept.get("key") != key:
            if only and name not in only:
                continue
            progress.say(f"ablate: {name}")
            kept = {"key": key, **_train(changed, dataclasses.replace(paths, out=folder), paths.prepared, progress)}
            figures.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
        results[name] = kept
        report = {"variants": results, **provenance(data=[paths.prepared / "valid.jsonl.gz"], model=None, seed=0)}
        (paths.out / REPORT).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    progress.say(table(results))


def _train(recipe: Recipe, paths: RunPaths, prepared: Path, progress: Progress) -> dict[str, Any]:
    paths.out.mkdir(parents=True, exist_ok=True)
    if not paths.prepared.exists():
        paths.prepared.symlink_to(prepared.resolve(), target_is_directory=True)
    finetune.run(recipe, paths, progress)
    learned = json.loads((paths.reports / "finetune.json").read_text("utf-8"))
    model, tokenizer = Encoder.load(paths.model), encoder.load_tokenizer(paths.model)
    figures = judge(model, tokenizer, recipe, paths)
    return {"seconds": learned["train_seconds"], "steps": learned["steps"], **rounded(figures)}


def judge(model: Encoder, tokenizer: Any, recipe: Recipe, paths: RunPaths) -> dict[str, Any]:
    """Return figures on valid, uncalibrated.

    ``<task>``: macro-F1, weighted F1 and balanced accuracy on the published rows, every window read. ``feelings``,
    ``themes``: mean AUROC on the mapped sets and on diary-like text labelled for this project. ``found``: share of
    distressed posts over the line that 90 % of everyday writing stays under.
    """
    rows: list[Row] = []
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in read_rows(paths.prepared / "valid.jsonl.gz"):
        if row.task in TASKS and row.task in model.labels:
            counts[row.task, row.source, row.part] += 1
            if counts[row.task, row.source, row.part] <= MOST or row.part == "published":
                rows.append(row)
    diary = read_rows(paths.prepared / "diary-valid.jsonl.gz")
    texts = list(dict.fromkeys(row.text for row in (*rows, *diary)))
    beside = ngram_head.load(paths.model, model.labels)
    scores = dict(zip(texts, read(model, tokenizer, texts, recipe.max_tokens, beside), strict=True))
    figures: dict[str, Any] = {}
    for task in PUBLISHED_TASKS:
        mine = [row for row in rows if row.task == task and row.part == "published"]
        if mine and task in model.labels:
            truth = [TASKS[task].index(row.label) for row in mine]
            guess = [int(np.argmax(scores[row.text][task])) for row in mine]
            figures[task] = {
                "macro_f1": float(f1_score(truth, guess, average="macro")),
                "weighted_f1": float(f1_score(truth, guess, average="weighted")),
                "balanced_accuracy": float(balanced_accuracy_score(truth, guess)),
            }
    if five := [figures[task]["weighted_f1"] for task in FIVE if task in figures]:
        figures["mean_weighted_f1_of_five"] = float(np.mean(five))
    for task in ("feelings", "themes"):
        if task in model.labels:
            for name, chosen in (("mapped", False), ("diary", True)):
                mine = [row for row in rows if row.task == task and (row.part == "labelled") is chosen]
                matrix = np.array([scores[row.text][task] for row in mine])
                figures[f"{task}_{name}_auroc"], _ = mean_auroc(mine, TASKS[task].labels, matrix)
    figures["found"] = _found(rows, diary, scores, model)
    return figures


def read(
    model: Encoder, tokenizer: Any, texts: Sequence[str], max_tokens: int, beside: NGrams | None = None
) -> list[dict[str, np.ndarray]]:
    """Return for each text task -> probabilities [labels], its windows joined as the app joins them.

    ``beside``: n-grams whose logits are added to the encoder's.
    """
    windows = encoder.windows(tokenizer, texts, max_tokens)
    flat = [ids for text in windows for ids in text]
    vectors = torch.from_numpy(encoder.embed(model, flat, autocast=True))
    with torch.inference_mode():
        logits = {task: values.numpy() for task, values in model.logits(vectors).items() if task in TASKS}
    result, start = [], 0
    for text, cut in zip(texts, windows, strict=True):
        part = slice(start, start + len(cut))
        start += len(cut)
        added = beside.logits(text) if beside is not None else {}
        result.append(
            {
                task: scoring.combine(task, scoring.probabilities(task, z[part] + added.get(task, 0.0), None))
                for task, z in logits.items()
            }
        )
    return result


def _found(
    rows: Sequence[Row], diary: Sequence[Row], scores: Mapping[str, Mapping[str, np.ndarray]], model: Encoder
) -> dict[str, float]:
    def crisis(tasks: Mapping[str, Mapping[str, float]]) -> float | None:
        return tasks["suicidality"]["yes"] if "suicidality" in tasks else None

    kinds: dict[str, tuple[Callable[[Any], float | None], Callable[[Row], bool]]] = {
        "stress": (stress_score, lambda row: row.task == "stress" and row.label == "yes"),
        "low_mood": (low_mood_score, lambda row: row.task == "depression" and row.label == "yes"),
        "crisis": (crisis, lambda row: row.task == "suicidality" and row.label == "yes"),
    }
    found = {}
    for name, (score, distressed) in kinds.items():

        def value(row: Row, score: Callable[[Any], float | None] = score) -> float | None:
            named = {
                task: dict(zip(TASKS[task].labels, map(float, values), strict=True))
                for task, values in scores[row.text].items()
            }
            return score(named)

        calm = [v for row in diary if row.source == "blog_prose" and (v := value(row)) is not None]
        heavy = [v for row in rows if row.part == "published" and distressed(row) and (v := value(row)) is not None]
        if calm and heavy:
            found[name] = float((np.array(heavy) >= np.quantile(calm, SPECIFICITY)).mean())
    return found


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the variants as a Markdown table, a line each."""
    tasks = [task for task in PUBLISHED_TASKS if any(task in figures for figures in results.values())]
    head = [
        "variant",
        *(f"{task} mF1 / wF1" for task in tasks),
        "five wF1",
        "feelings",
        "diary",
        "themes",
        "found",
        "s",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, figures in results.items():
        cells = [name]
        for task in tasks:
            own = figures.get(task)
            cells.append(f"{own['macro_f1']:.3f} / {own['weighted_f1']:.3f}" if own else "-")
        for key in ("mean_weighted_f1_of_five", "feelings_mapped_auroc", "feelings_diary_auroc", "themes_diary_auroc"):
            cells.append(f"{figures[key]:.3f}" if figures.get(key) is not None else "-")
        cells.append(" ".join(f"{value:.2f}" for value in figures.get("found", {}).values()) or "-")
        cells.append(f"{figures['seconds']:.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
