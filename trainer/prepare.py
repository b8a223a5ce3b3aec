"""``prepare``: corpora -> rows for every task, without leaks, and a report of what was dropped.

Order: read published splits; collect every held-out text of *all* sets in the data folder; drop
from train what equals or nearly equals one of them (whatever set it is from); drop from valid
what equals a test text; drop repeats inside train; then draw the neutral negatives, checked in
the same way. Nothing is oversampled here.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from journal_app.contract.mappings import FEELING_MAPS, PUBLISHED_LABELS, THEME_MAPS
from journal_app.contract.tasks import SCREENING_TASKS
from trainer.config import DataConfig, Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora import feelings, labelled, neutral, published, themes
from trainer.corpora.files import SPLITS, Row, read_rows, write_rows
from trainer.leaks import Guard, NearIndex, held_out, normalise
from trainer.progress import Progress

__all__ = ["NearIndex", "guard", "normalise", "read_rows", "run", "write"]

WEAK_TRAIN, WEAK_VALID = 700, 60


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Write the prepared rows and ``report.json``; raise ``CorpusError`` when a corpus is not sound."""
    if recipe.sources:
        raise TrainerError(f"a recipe of kind {recipe.kind} learns from data.tasks only; take [[sources]] out")
    return write(recipe, paths, progress, guard(recipe, paths, progress))


def guard(recipe: Recipe, paths: RunPaths, progress: Progress) -> Guard:
    """Return the indexes of all that is held out in the data folder."""
    found = Guard(recipe.data.near_shingle, recipe.data.near_jaccard)
    found.add(held_out(paths.corpora()))
    progress.say(f"prepare: indexed {len(found.held)} held-out texts of every set")
    return found


def write(recipe: Recipe, paths: RunPaths, progress: Progress, held_back: Guard) -> StageResult:
    """Do what :func:`run` does with the indexes of :func:`guard`."""
    data, config = paths.corpora(), recipe.data
    held, tests = held_back.held, held_back.tests
    report: dict[str, Any] = {"dropped": {}, "rows": {}, "sources": []}
    wanted = [name for name, (task, _) in PUBLISHED_LABELS.items() if task in config.tasks]
    with_feelings = "feelings" in config.tasks
    mapped = [name for name in FEELING_MAPS if with_feelings and name not in config.without]
    themed = [name for name in THEME_MAPS if "themes" in config.tasks and name not in config.without]

    loaded: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        for name in wanted:
            loaded[split] += published.load(data, name, split)
        for name in mapped:
            rows = feelings.load(data, name, split)
            loaded[split] += rows[: config.feelings_cap or None] if split == "train" else rows
        for name in themed:
            loaded[split] += themes.load(data, name, split)
        # Only an encoder has heads of its own for labels that are not the contract's.
        if recipe.kind == "encoder" and with_feelings and "goemotions" not in config.without:
            loaded[split] += feelings.own(data, "goemotions", split)
    progress.say(f"prepare: read {sum(map(len, loaded.values()))} rows of {len({*wanted, *mapped, *themed})} sets")
    kept_apart: list[str] = []
    for entry in _labelled(data, config):
        if entry.split != "test":
            loaded[entry.split] += entry.rows(config.tasks)
        if entry.split != "train":
            kept_apart.append(entry.text)

    train = _without(
        loaded["train"], held, config.min_chars, near=True, report=report, split="train", progress=progress
    )
    valid = _without(loaded["valid"], tests, 1, near=False, report=report, split="valid", progress=progress)
    extra: list[Row] = []
    for task in (task for task in SCREENING_TASKS if task in config.tasks):
        extra += neutral.negatives(
            data,
            task,
            recipe.seed,
            blog=config.neutral_blog,
            dialog=config.neutral_dialog,
            other=config.neutral_other,
            train=train,
        )
        progress.say(f"prepare: neutral rows for {task} drawn")
    if with_feelings and "blog_prose" not in config.without:
        extra += feelings.weak(data, "train", recipe.seed, WEAK_TRAIN)
        valid += feelings.weak(data, "valid", recipe.seed, WEAK_VALID)
    # A neutral or weak row may be a sentence out of a passage that is to be judged on.
    whole = "\n".join(kept_apart)
    extra = [row for row in extra if row.source != "blog_prose" or row.text not in whole]
    train += _without(extra, held, config.min_chars, near=True, report=report, split="neutral", progress=progress)

    outputs = []
    for split, rows in (("train", train), ("valid", valid), ("test", loaded["test"])):
        path = paths.prepared / f"{split}.jsonl.gz"
        write_rows(path, rows)
        outputs.append(path)
        report["rows"][split] = _counts(rows)
    for split, limit in (("valid", config.diary_valid), ("test", config.diary_test)):
        path = paths.prepared / f"diary-{split}.jsonl.gz"
        rows = neutral.diary(data, split, limit)
        write_rows(path, rows)
        outputs.append(path)
        report["rows"][f"diary-{split}"] = _counts(rows)
    report["sources"] = _sources(train)
    report_path = paths.prepared / "report.json"
    report_path.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    outputs.append(report_path)
    return StageResult(tuple(outputs), {"train": len(train), "valid": len(valid), "test": len(loaded["test"])})


def _labelled(data: Path, config: DataConfig) -> list[labelled.Entry]:
    """Return what was labelled for this project; its test part is judged apart, see ``evaluation.diaries``."""
    found: list[labelled.Entry] = []
    if "labelled_blogs" in config.labelled:
        found += labelled.passages(data)
    if "written" in config.labelled:
        found += [*labelled.written("train"), *(e for e in labelled.written("en") if e.split == "valid")]
    return found


def _without(
    rows: Sequence[Row],
    held: NearIndex,
    min_chars: int,
    *,
    near: bool,
    report: dict[str, Any],
    split: str,
    progress: Progress,
) -> list[Row]:
    dropped: Counter[str] = Counter()
    kept: list[Row] = []
    seen: set[tuple[str, str, str]] = set()
    for row in progress.over(rows, f"prepare: compare {split}", len(rows), "rows"):
        key = (row.task, row.part if row.task == "feelings" else "", normalise(row.text))
        match = held.match(row.text)
        if match == "exact" or (match == "near" and near):
            dropped[f"{row.source}: {match} copy of a held-out text"] += 1
        elif len(row.text) < min_chars:
            dropped[f"{row.source}: too short"] += 1
        elif key in seen and split != "valid":
            dropped[f"{row.source}: repeat"] += 1
        else:
            seen.add(key)
            kept.append(row)
    report["dropped"][split] = dict(sorted(dropped.items()))
    return kept


def _counts(rows: Iterable[Row]) -> dict[str, Any]:
    by_task: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        name = f"{row.task}/{row.part}"
        by_task[name]["rows"] += 1
        for label in (row.label,) if row.label else row.positives:
            by_task[name][label] += 1
    return {name: dict(counter) for name, counter in sorted(by_task.items())}


def _sources(rows: Iterable[Row]) -> list[dict[str, Any]]:
    licences = {s.name: s.licence for s in published.PUBLISHED}
    licences |= feelings.LICENCES | themes.LICENCES | neutral.LICENCES | labelled.LICENCES
    counts = Counter(row.source for row in rows)
    return [{"name": name, "licence": licences[name], "rows": count} for name, count in sorted(counts.items())]
