"""``prepare`` of models that start from somebody else's weights: every source as one kind of instruction.

Order: the rows of ``data.tasks`` are made by ``trainer.prepare`` (and written as it writes them); each of
the ``[[sources]]`` is read, published splits as they are; whatever is held out in any set of the data
folder or of any source is compared with the train examples, which alone lose copies and near copies; then
each example gets a wording. Writes ``instructions-{train,valid,test}.jsonl.gz``, ``report.json`` and figures.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer import describe, prepare, sources
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.corpus import group_of, word, words
from trainer.corpora.files import SPLITS, Row, read_rows
from trainer.corpora.known import KNOWN
from trainer.leaks import Guard, held_out, held_out_whole, normalise, probes, units
from trainer.progress import Progress
from trainer.records import Example, write_examples
from trainer.wordings import worded

KEPT = "(kept, as published)"


@dataclass
class _Batch:
    """Examples of one origin on their way: the rows of ``data.tasks`` or one source."""

    name: str
    examples: dict[str, list[Example]]
    guards: list[Guard]
    dialogue: bool = False
    licence: str = ""
    skipped: dict[str, int] = field(default_factory=dict)
    cut: tuple[str, ...] = ()


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Write the instructions; raise :class:`TrainerError` when a source is not sound or nothing is left."""
    if not recipe.data.tasks and not recipe.sources:
        raise TrainerError("the recipe names no data: set data.tasks, or add [[sources]]")
    report: dict[str, Any] = {"dropped": {}, "rows": {}, "sources": []}
    outputs: list[Path] = []
    batches: list[_Batch] = []
    folder, later = _guards(recipe, paths, progress)
    if recipe.data.tasks:
        made = prepare.write(recipe, paths, progress, folder)
        outputs += [path for path in made.outputs if path.name != "report.json"]
        report = json.loads((paths.prepared / "report.json").read_text(encoding="utf-8"))
        rows = {s: list(map(_example, read_rows(paths.prepared / f"{s}.jsonl.gz"))) for s in SPLITS}
        # prepare compared these with the folder already.
        batches.append(_Batch("", rows, [later]))
    for source in recipe.sources:
        loaded = sources.load(source, paths, recipe.seed)
        progress.say(f"prepare: read {sum(map(len, loaded.examples.values()))} examples of {loaded.name}")
        batches.append(
            _Batch(
                loaded.name,
                loaded.examples,
                [folder, later],
                loaded.dialogue,
                loaded.licence,
                loaded.skipped,
                loaded.cut,
            )
        )
        for split in ("valid", "test"):
            for texts in probes(loaded.examples[split], dialogue=loaded.dialogue):
                later.add((split, text) for text in texts)

    leaks: dict[str, Counter[str]] = {split: Counter() for split in ("train", "valid")}
    found: dict[str, list[Example]] = {split: [] for split in SPLITS}
    seen: set[tuple[str, ...]] = set()
    for batch in batches:
        found["train"] += _clean(batch, recipe.data.min_chars, leaks["train"], seen, progress)
        if batch.name:
            _count_valid(batch, leaks["valid"])
        for split in ("valid", "test"):
            found[split] += batch.examples[split]
    if not found["train"]:
        raise TrainerError("nothing is left to train on; report.json and the log say what was dropped")

    own = _own_labels(found["train"])
    for split in SPLITS:
        found[split] = [worded(e, recipe.seed, own, first=split != "train") for e in found[split]]
        path = paths.prepared / f"instructions-{split}.jsonl.gz"
        write_examples(path, found[split])
        outputs.append(path)
        report["rows"][f"instructions-{split}"] = _counts(found[split])
    report["dropped"]["instructions"] = dict(sorted(leaks["train"].items()))
    report["sources"] = _sources(report["sources"], batches, found["train"])
    report["leaks"] = {
        "held_out_texts": len(folder.held) + len(later.held),
        "near": f"Jaccard >= {recipe.data.near_jaccard} of sets of {recipe.data.near_shingle} words",
        "train_dropped": _kinds(report["dropped"]),
        "valid_in_a_test": dict(sorted(leaks["valid"].items())),
    }
    skipped: dict[str, Counter[str]] = defaultdict(Counter)
    for batch in batches:
        skipped[batch.name].update(batch.skipped)
    report["skipped"] = {name: dict(sorted(counts.items())) for name, counts in skipped.items() if counts}
    report["cut_here"] = {batch.name: list(batch.cut) for batch in batches if batch.cut}
    outputs += _described(found, report, paths)
    report_path = paths.prepared / "report.json"
    report_path.write_text(json.dumps(report, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    outputs.append(report_path)
    copies = report["leaks"]["train_dropped"]
    progress.say(
        f"prepare: dropped {copies['exact']} copies and {copies['near']} near copies of held-out texts from train"
    )
    return StageResult(tuple(outputs), {split: len(found[split]) for split in SPLITS} | {"leaks": sum(copies.values())})


def _guards(recipe: Recipe, paths: RunPaths, progress: Progress) -> tuple[Guard, Guard]:
    """Return what ``prepare`` holds out of the data folder, and a guard for the rest: wholes and the sources."""
    size, jaccard = recipe.data.near_shingle, recipe.data.near_jaccard
    folder, later = Guard(size, jaccard), Guard(size, jaccard)
    if recipe.data.tasks or paths.data is not None or any(source.kind == "folder" for source in recipe.sources):
        data = paths.corpora()
        folder.add(held_out(data))
        later.add(held_out_whole(data))
        progress.say(f"prepare: indexed {len(folder.held) + len(later.held)} held-out texts of every set")
    return folder, later


def _example(row: Row) -> Example:
    """Return a prepared row as an example."""
    if row.label:
        answer, labels = word(row.task, row.label), ()
    else:
        answer, labels = words(row.task, row.positives), row.positives
    return Example(
        task=row.task,
        source=row.source,
        input=row.text,
        output=answer,
        part=row.part,
        label=row.label,
        labels=labels,
        negatives=row.negatives,
        group=group_of(row.text),
        lang=KNOWN[row.source].language if row.source in KNOWN else "en",
    )


def _clean(
    batch: _Batch, min_chars: int, dropped: Counter[str], seen: set[tuple[str, ...]], progress: Progress
) -> list[Example]:
    """Return the train examples of a batch without leaks, repeats and what is too short."""
    examples = batch.examples["train"]
    parts = list(units(examples)) if batch.dialogue else [[example] for example in examples]
    kept: list[Example] = []
    compared = zip(parts, probes(examples, dialogue=batch.dialogue), strict=True)
    name = batch.name or "the tasks"
    for unit, texts in progress.over(compared, f"prepare: compare {name}", len(parts), "texts"):
        matches = [guard.held.match(text) for guard in batch.guards for text in texts]
        match = "exact" if "exact" in matches else "near" if "near" in matches else ""
        source = unit[0].source
        if match:
            dropped[f"{source}: {match} copy of a held-out text"] += len(unit)
            continue
        for example in unit:
            key = (example.task, example.part if example.task == "feelings" else "", *map(normalise, _said(example)))
            if len(example.input) + len(example.output) < min_chars:
                dropped[f"{source}: too short"] += 1
            elif key in seen:
                dropped[f"{source}: repeat"] += 1
            else:
                seen.add(key)
                kept.append(example)
    return kept


def _said(example: Example) -> tuple[str, ...]:
    """Return what makes two examples the same: for classification the text, else the answer too."""
    if describe.labels_of(example) or example.negatives:
        return (example.input,)
    before = (text for _, text in example.turns[-1:])
    return (*before, example.input, example.instruction, example.output, example.chosen, example.rejected)


def _count_valid(batch: _Batch, counts: Counter[str]) -> None:
    """Count the valid examples that copy a test text; they stay, as published."""
    examples = batch.examples["valid"]
    parts = list(units(examples)) if batch.dialogue else [[example] for example in examples]
    for unit, texts in zip(parts, probes(examples, dialogue=batch.dialogue), strict=True):
        matches = [guard.tests.match(text) for guard in batch.guards for text in texts]
        match = "exact" if "exact" in matches else "near" if "near" in matches else ""
        if match:
            counts[f"{unit[0].source}: {match} copy of a test text {KEPT}"] += len(unit)


def _own_labels(examples: Iterable[Example]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        found[example.task].update(describe.labels_of(example))
    return {task: sorted(labels) for task, labels in found.items()}


def _counts(examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        name = f"{example.task}/{example.part}"
        counts[name]["rows"] += 1
        for label in describe.labels_of(example):
            counts[name][label] += 1
    return {name: dict(found) for name, found in sorted(counts.items())}


def _sources(before: Sequence[dict[str, Any]], batches: Sequence[_Batch], train: Iterable[Example]) -> list[Any]:
    """Return name, licence and train rows of every set, those of ``prepare`` and of the sources together."""
    licences = {entry["name"]: entry["licence"] for entry in before}
    licences |= {batch.name: batch.licence for batch in batches if batch.name and batch.name not in licences}
    counts = Counter(example.source for example in train)
    return [{"name": name, "licence": licences[name], "rows": count} for name, count in sorted(counts.items())]


def _kinds(dropped: dict[str, dict[str, int]]) -> dict[str, int]:
    """Return how many train rows were exact and near copies, whatever set they are from."""
    rows = [item for split, found in dropped.items() if split != "valid" for item in found.items()]
    return {kind: sum(n for reason, n in rows if f"{kind} copy" in reason) for kind in ("exact", "near")}


def _described(found: dict[str, list[Example]], report: dict[str, Any], paths: RunPaths) -> list[Path]:
    """Add class balance and distinctive words to ``report``; return the plots of them."""
    by_split = {split: describe.balance(examples) for split, examples in found.items()}
    tasks = by_split["train"]
    report["balance"] = {task: {split: by_split[split].get(task, {}) for split in SPLITS} for task in tasks}
    report["keywords"] = {}
    plots: list[Path | None] = []
    for task in tasks:
        told = describe.distinctive_words([example for example in found["train"] if example.task == task])
        report["keywords"][task] = told
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in task)
        plots.append(describe.plot_balance(task, report["balance"][task], paths.figures / f"balance-{name}.png"))
        plots.append(describe.plot_words(task, told, paths.figures / f"keywords-{name}.png"))
    return [plot for plot in plots if plot is not None]
