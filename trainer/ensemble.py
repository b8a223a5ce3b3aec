"""What trained encoders, averaged, think of texts: the teachers of another encoder.

An average of several readings is better than each of them, and one small model can learn most of it
(Hinton et al. 2015, arXiv 1503.02531). Teachers read diary-like train texts and running text that nobody
labelled; what they think is kept in ``checkpoints/teachers.npz`` under a hash of each text, so that neither a
killed run nor one with a few texts more asks anything twice.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from journal_app.contract.tasks import TASKS
from trainer import encoder
from trainer.config import POOLS, ROOT, UNLABELLED, Recipe, RunPaths, TrainerError
from trainer.corpora import known, neutral
from trainer.corpora.corpus import Skipped
from trainer.encoder import Encoder
from trainer.leaks import Guard, held_out
from trainer.mixture import Item
from trainer.progress import Progress

POSTS: tuple[str, ...] = ("stress_weak", "counselchat", "epitome", "cognitive_distortion", "positive_frames", "esconv")
"""Sets of posts by people who speak of themselves, read here for their texts alone."""
CHUNK = 4000
_DRAW = "0:unlabelled"
"""The same passages whatever the recipe's seed: other seeds of one recipe ask the teachers nothing new."""
_NAMES = "texts"
_NAME = 16
"""Bytes of a text's hash: 11,000 texts share none by chance."""


def teach(recipe: Recipe, paths: RunPaths, progress: Progress, items: list[Item], texts: list[str]) -> None:
    """Add unlabelled passages to ``items`` and ``texts``, and say what the teachers think of them and of diaries.

    Texts of the published sets are left to their labels: the teachers learned those by heart.
    """
    config = recipe.finetune
    folders = [_folder(name) for name in config.teachers]
    seen = set(texts)
    for passage in unlabelled(paths.corpora(), config.unlabelled, recipe, progress):
        if passage not in seen:
            items.append(Item(UNLABELLED))
            texts.append(passage)
    chosen = [number for number, item in enumerate(items) if item.pool in POOLS]
    found = _cached(folders, [texts[number] for number in chosen], recipe, paths, progress)
    for row, number in enumerate(chosen):
        items[number].soft = {task: values[row] for task, values in found.items()}


def _cached(
    folders: Sequence[Path], texts: Sequence[str], recipe: Recipe, paths: RunPaths, progress: Progress
) -> dict[str, np.ndarray]:
    cache = paths.checkpoints / "teachers.npz"
    key = _key(folders, recipe)
    names = np.array([hashlib.sha256(text.encode()).digest()[:_NAME] for text in texts], f"V{_NAME}")
    known = _read_cache(cache, key)
    place = {name: row for row, name in enumerate(known.pop(_NAMES, np.empty(0, f"V{_NAME}")).tolist())}
    new = [row for row, name in enumerate(names.tolist()) if name not in place]
    if new:
        found = average(folders, [texts[row] for row in new], recipe, progress)
        place |= {names[row].tobytes(): len(place) + count for count, row in enumerate(new)}
        known = {task: np.concatenate([known[task], values]) if known else values for task, values in found.items()}
        cache.parent.mkdir(parents=True, exist_ok=True)
        part = cache.with_name("teachers.part.npz")
        content: dict[str, Any] = {"key": np.array(key), _NAMES: np.array(list(place), f"V{_NAME}"), **known}
        np.savez(part, **content)
        part.replace(cache)
    rows = [place[name] for name in names.tolist()]
    return {task: values[rows] for task, values in known.items()}


def _read_cache(cache: Path, key: str) -> dict[str, np.ndarray]:
    """Return what ``cache`` holds by name, nothing if there is none or it is of other teachers or settings."""
    if not cache.is_file():
        return {}
    with np.load(cache) as kept:
        if str(kept["key"]) != key or _NAMES not in kept.files:
            return {}
        return {name: kept[name] for name in kept.files if name != "key"}


def average(folders: Sequence[Path], texts: Sequence[str], recipe: Recipe, progress: Progress) -> dict[str, np.ndarray]:
    """Return task -> probabilities float32 [texts, labels], the mean over the teachers that read the task."""
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    for number, folder in enumerate(folders, 1):
        model, tokenizer = Encoder.load(folder), encoder.load_tokenizer(folder)
        ids = [windows[0] for windows in encoder.windows(tokenizer, texts, recipe.max_tokens)]
        tracker = progress.track(f"teacher {number} of {len(folders)}", len(ids), "texts")
        parts: dict[str, list[np.ndarray]] = {}
        for start in range(0, len(ids), CHUNK):
            vectors = torch.from_numpy(encoder.embed(model, ids[start : start + CHUNK], autocast=True))
            with torch.inference_mode():
                for task, logits in model.logits(vectors).items():
                    if task in TASKS and task in recipe.data.tasks:
                        parts.setdefault(task, []).append(_probabilities(task, logits))
            tracker.update(min(start + CHUNK, len(ids)))
        for task, values in parts.items():
            whole = np.concatenate(values)
            sums[task] = sums[task] + whole if task in sums else whole
            counts[task] = counts.get(task, 0) + 1
    return {task: (values / counts[task]).astype(np.float32) for task, values in sums.items()}


def _probabilities(task: str, logits: torch.Tensor) -> np.ndarray:
    values = torch.sigmoid(logits) if TASKS[task].kind == "multilabel" else logits.softmax(-1)
    return values.numpy().astype(np.float32)


def unlabelled(data: Path, limit: int, recipe: Recipe, progress: Progress) -> list[str]:
    """Return up to ``limit`` passages, half of posts and the rest of blogs, none a near copy of held-out text."""
    if not limit:
        return []
    rng = random.Random(_DRAW)
    held = Guard(recipe.data.near_shingle, recipe.data.near_jaccard)
    held.add(held_out(data))
    posts = list(dict.fromkeys(_posts(data, rng)))
    blogs = list(neutral.blog_texts(data, "train"))
    chosen = rng.sample(posts, min(len(posts), limit // 2))
    chosen += [neutral.passage(text, rng) for text in rng.sample(blogs, min(len(blogs), limit - len(chosen)))]
    kept = [text for text in chosen if len(text.split()) >= 6 and not held.held.match(text)]
    progress.say(f"finetune: {len(kept)} unlabelled passages of {len(chosen)} drawn")
    return kept


def _posts(data: Path, rng: random.Random) -> Iterator[str]:
    for name in POSTS:
        for example in known.KNOWN[name].load(data, "train"):
            if isinstance(example, Skipped):
                continue
            said = [text for role, text in example.turns if role == "user"]
            text = example.input or " ".join(said)
            if len(text.split()) >= 8:
                yield neutral.passage(text, rng) if len(text.split()) > 150 else text


def _folder(name: str) -> Path:
    for path in (Path(name).expanduser(), ROOT / name):
        for folder in (path / "model", path):
            if (folder / "labels.json").is_file():
                return folder
    raise TrainerError(f"no trained encoder of a teacher in {name}: finish its run first")


def _key(folders: Sequence[Path], recipe: Recipe) -> str:
    digest = hashlib.sha256(json.dumps([recipe.max_tokens, *sorted(recipe.data.tasks)]).encode())
    for folder in folders:
        with (folder / "weights.pt").open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
