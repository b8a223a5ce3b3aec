"""A tiny world for the decoder's path: corpora in the format of the real ones, a recipe, a finished run."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journal_app.contract.tasks import TASKS
from trainer.config import Recipe, RunPaths, load_recipe
from trainer.corpora.files import Row, write_rows
from trainer.progress import Progress

RECIPE = """
name = "tiny-writer"
kind = "decoder"
licence = "CC0-1.0"
languages = ["en"]
max_tokens = 224
seed = 3

[data]
tasks = ["emotion", "stress", "severity", "feelings"]

[tokenizer]
vocab_size = 900
characters = 400000

[shape]
context = 224
width = 64
layers = 2
heads = 4
kv_heads = 2
ffn = 128

[pretrain]
tokens = 53760
batch = 8
micro_batch = 4
lr = 5e-3
precision = "fp32"
threads = 1
log_every = 1
eval_every = 20
eval_batches = 1
save_every = 10

[pretrain.weights]
blog_prose = 2.0
prose_en = 1.0
chat_en = 1.0
prose_ko = 0.5

[decoder]
steps = 220
batch = 12
lr = 3e-3
precision = "fp32"
threads = 1
dropout = 0.0
eval_every = 110
eval_rows = 40
save_every = 40
"""

_PLACES = ("the kitchen", "the office", "a quiet park", "the train", "my sister's flat", "the library", "the garden")
_TIMES = ("This morning", "After lunch", "Late in the evening", "On the way home", "Before breakfast", "At noon")
_DEEDS = ("I watered the plants", "I read two chapters", "I waited for the rain to stop", "I cooked soup for everyone")
_KOREAN = (
    "오늘은 공원을 걸었다",
    "비가 와서 집에 있었다",
    "친구와 차를 마셨다",
    "책을 읽다가 잠이 들었다",
    "아침에 국을 끓였다",
)
FEELS: dict[str, str] = {
    "joy": "I laughed all day and danced in the kitchen",
    "love": "I hugged her and we held hands for hours",
    "surprise": "I did not expect that parcel at all, what a twist",
    "anger": "I shouted because he broke his promise again",
    "fear": "I trembled at every sound in the dark hallway",
    "sadness": "I cried over the old photographs tonight",
}
"""A sentence for each label of ``emotion``; the rows of the other tasks follow from it."""


def line(rng: random.Random) -> str:
    """Return an ordinary English sentence."""
    return f"{rng.choice(_TIMES)} {rng.choice(_DEEDS)} in {rng.choice(_PLACES)}."


def write_corpora(folder: Path) -> None:
    """Write four corpora of running text, train and valid."""
    rng = random.Random(11)
    for name in ("blog_prose", "prose_en", "chat_en", "prose_ko"):
        for split, count in (("train", 220), ("valid", 40)):
            records: list[dict[str, Any]] = []
            for _ in range(count):
                if name == "chat_en":
                    turns = [{"role": role, "text": line(rng)} for role in ("user", "assistant")]
                    records.append({"turns": turns, "source": "own"})
                elif name == "prose_ko":
                    records.append({"text": ". ".join(rng.choices(_KOREAN, k=4)) + ".", "source": "own"})
                else:
                    records.append({"text": " ".join(line(rng) for _ in range(4)), "source": "own"})
            path = folder / name / f"{split}.jsonl.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            with gzip.open(path, "wt", encoding="utf-8") as file:
                file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def rows(split: str) -> list[Row]:
    """Return task rows; one text answers every task, so that a text comes with several questions."""
    rng = random.Random(split)
    result: list[Row] = []
    for number in range(180 if split == "train" else 60):
        emotion = list(FEELS)[number % len(FEELS)]
        text = f"{line(rng)} {FEELS[emotion]}. {line(rng)}"
        low = emotion in ("anger", "fear", "sadness")
        feelings = tuple(label for label in (emotion,) if label in TASKS["feelings"].labels)
        known = ("joy", "anger", "sadness", "surprise")
        result += [
            Row("emotion", text, "own", "published", emotion),
            Row("stress", text, "own", "published", "yes" if low else "no"),
            Row("severity", text, "own", "published", "severe" if emotion == "sadness" else "minimum"),
            Row("feelings", text, "own", "mapped", "", feelings, tuple(x for x in known if x not in feelings)),
        ]
    return result


def diary(split: str) -> list[Row]:
    """Return everyday writing of two sources, as ``prepare`` keeps it for thresholds."""
    rng = random.Random(f"diary {split}")
    texts = [f"{line(rng)} {line(rng)} {line(rng)}" for _ in range(60)]
    return [Row("diary", text, ("blog_prose", "dailydialog")[i % 2], "neutral") for i, text in enumerate(texts)]


@dataclass(frozen=True, slots=True)
class Ground:
    """A recipe and the folders of a run."""

    recipe: Recipe
    paths: RunPaths


def quiet() -> Progress:
    """Return a progress that nobody reads."""
    return Progress(io.StringIO())


def prepare(folder: Path, edit: Callable[[str], str] = str) -> Ground:
    """Write corpora, prepared rows and a recipe (its text passed through ``edit``) below ``folder``."""
    write_corpora(folder / "data")
    recipe_file = folder / "tiny.toml"
    recipe_file.write_text(edit(RECIPE), "utf-8")
    paths = RunPaths(folder / "run", folder / "data")
    for split in ("train", "valid", "test"):
        write_rows(paths.prepared / f"{split}.jsonl.gz", rows(split))
    for split in ("valid", "test"):
        write_rows(paths.prepared / f"diary-{split}.jsonl.gz", diary(split))
    report = {"sources": [{"name": "own", "licence": "CC0-1.0", "rows": 180}], "rows": {}, "dropped": {}}
    (paths.prepared / "report.json").write_text(json.dumps(report), "utf-8")
    return Ground(load_recipe(recipe_file), paths)
