"""A tiny language model that was "tuned": a random base, converted, with prepared data; no training needed."""

from __future__ import annotations

import io
import json
import random
from dataclasses import dataclass
from pathlib import Path

from journal_app.contract.tasks import TASKS
from trainer import tiny
from trainer.causal import convert
from trainer.config import Recipe, RunPaths, load_recipe
from trainer.corpora.files import Row, write_rows
from trainer.progress import Progress
from trainer.records import Example, write_examples

RECIPE = """
name = "{name}"
kind = "causal"
licence = "{licence}"
file_limit_mb = 30.0
max_tokens = 320
[data]
tasks = {tasks}
[base]
model = "somebody/tiny-base"
family = "{family}"
tokenizer = "{tokenizer}"
template = "{template}"
[sft]
shape = "{shape}"
[calibrate]
min_feeling_rows = 1
min_feeling_auroc = 0.0
[generation]
rows = 4
max_tokens = 8
[quantize]
type = "{type}"
"""
_PLACES = ("the lake", "a hill", "the garden", "the station", "our kitchen", "the library", "the harbour", "a field")
_CUES = ("I laughed all day", "I shouted at the door", "I trembled in the dark", "I cried over a song", "We held hands")


@dataclass(frozen=True)
class Tuned:
    """A run that has its F16 file and its prepared data."""

    recipe: Recipe
    paths: RunPaths
    file: Path


def line(rng: random.Random) -> str:
    """Return an ordinary sentence."""
    return f"{rng.choice(_CUES)} at {rng.choice(_PLACES)} and then walked home past {rng.choice(_PLACES)}."


def quiet() -> Progress:
    """Return progress that nobody sees."""
    return Progress(io.StringIO())


def lay(
    folder: Path,
    tasks: tuple[str, ...] = (),
    *,
    name: str = "tiny-tuned",
    licence: str = "Apache-2.0",
    sources: tuple[tuple[str, str], ...] = (("made", "CC0-1.0"),),
    base: tuple[str, str, str] = ("qwen2", "byte-bpe", "chatml"),
    kind: str = "Q8_0",
    width: int = 64,
    rows: int = 12,
) -> Tuned:
    """Write recipe, prepared data and F16 file; ``sources`` are (name, licence) of the data's report."""
    folder.mkdir(parents=True, exist_ok=True)
    family, tokenizer, template = base
    file = folder / "recipe.toml"
    file.write_text(
        RECIPE.format(
            name=name,
            licence=licence,
            tasks=json.dumps(tasks),
            family=family,
            tokenizer=tokenizer,
            template=template,
            shape="contract" if tasks else "template",
            type=kind,
        ),
        "utf-8",
    )
    recipe, paths = load_recipe(file), RunPaths(folder / "run", release=folder / "release")
    rng = random.Random(1)
    for split in ("train", "valid", "test"):
        examples = [
            Example("reply", "made", line(rng), f"It sounds as if {line(rng)}", system="Answer kindly.")
            for _ in range(20)
        ]
        write_examples(paths.prepared / f"instructions-{split}.jsonl.gz", examples)
        if tasks:
            made = [_row(task, rng, i) for task in tasks for i in range(rows)]
            write_rows(paths.prepared / f"{split}.jsonl.gz", made)
            if split != "train":
                diary = [Row("diary", line(rng), source, "neutral") for source in ("blog", "talk") for _ in range(8)]
                write_rows(paths.prepared / f"diary-{split}.jsonl.gz", diary)
    report = {
        "dropped": {"train": {"near copy of a test text": 2}},
        "sources": [{"name": source, "licence": terms, "rows": 20} for source, terms in sources],
    }
    (paths.prepared / "report.json").write_text(json.dumps(report), "utf-8")
    random_base = tiny.make_base(folder / "base", family, tokenizer, template, width=width)
    convert.write_gguf(random_base, paths.gguf(recipe, "F16"), name=name, manifest=convert.manifest_of(recipe))
    return Tuned(recipe, paths, file)


def _row(task: str, rng: random.Random, number: int) -> Row:
    labels = TASKS[task].labels
    if TASKS[task].kind == "multilabel":
        chosen = labels[number % len(labels)]
        return Row(task, line(rng), "made", "mapped", positives=(chosen,), negatives=tuple(set(labels) - {chosen}))
    return Row(task, line(rng), "made", "published", label=labels[number % len(labels)])
