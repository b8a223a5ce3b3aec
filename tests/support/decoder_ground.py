"""A tiny world for the decoder's path: corpora in the format of the real ones, a recipe, a finished run."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journal_app.contract.mappings import FEELING_MAPS
from trainer.config import Recipe, RunPaths, load_recipe
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
neutral_blog = 20
neutral_dialog = 20
neutral_other = 20

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
"""A sentence for each label of ``emotion``; the texts of the other tasks hold them too."""


def line(rng: random.Random) -> str:
    """Return an ordinary English sentence."""
    return f"{rng.choice(_TIMES)} {rng.choice(_DEEDS)} in {rng.choice(_PLACES)}."


def feeling_line(rng: random.Random, emotion: str) -> str:
    """Return a short entry in which the sentence of ``emotion`` stands among ordinary ones."""
    return f"{line(rng)} {FEELS[emotion]}. {line(rng)}"


def write_corpora(folder: Path) -> None:
    """Write every corpus that the tiny recipe reads, in the format of the real ones."""
    rng = random.Random(11)
    for split, few, many in (("train", 14, 200), ("valid", 7, 48), ("test", 7, 48)):
        _write(folder, "blog_prose", split, ({"text": " ".join(line(rng) for _ in range(4))} for _ in range(many)))
        _write(folder, "prose_en", split, ({"text": " ".join(line(rng) for _ in range(4))} for _ in range(many)))
        _write(folder, "prose_ko", split, ({"text": ". ".join(rng.choices(_KOREAN, k=4)) + "."} for _ in range(many)))
        for name in ("chat_en", "dailydialog"):
            _write(folder, name, split, ({"turns": _turns(rng)} for _ in range(many)))
        _write(folder, "emotion", split, _labelled(rng, tuple(FEELS), many, tuple(FEELS)))
        _write(folder, "dreaddit", split, _labelled(rng, ("stress", "no_stress"), many, ("anger", "joy")))
        _write(folder, "depseverity", split, _labelled(rng, ("severe", "minimum"), many, ("sadness", "love")))
        for name in ("goemotions", "isear", "empathetic_personas", "empathetic_dialogues"):
            labels = tuple(FEELING_MAPS[name].positive)
            _write(folder, name, split, ({"text": line(rng), "label": rng.choice(labels)} for _ in range(few)))


def _labelled(
    rng: random.Random, labels: tuple[str, ...], count: int, emotions: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    for number in range(count):
        place = number % len(labels)
        yield {"text": feeling_line(rng, emotions[place]), "label": labels[place]}


def _turns(rng: random.Random) -> list[dict[str, str]]:
    return [{"role": role, "text": line(rng)} for role in ("user", "assistant") * 2]


def _write(folder: Path, name: str, split: str, records: Iterable[dict[str, Any]]) -> None:
    path = folder / name / f"{split}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@dataclass(frozen=True, slots=True)
class Ground:
    """A recipe, its file, and the folders of a run."""

    recipe: Recipe
    file: Path
    paths: RunPaths


def quiet() -> Progress:
    """Return a progress that nobody reads."""
    return Progress(io.StringIO())


def lay(folder: Path, edit: Callable[[str], str] = str) -> Ground:
    """Write corpora and a recipe (its text passed through ``edit``) below ``folder``."""
    write_corpora(folder / "data")
    file = folder / "tiny.toml"
    file.write_text(edit(RECIPE), "utf-8")
    return Ground(load_recipe(file), file, RunPaths(folder / "run", folder / "data", folder / "release"))
