"""``lessons``: what a decoder learns after the prose, as ids: labels, further feelings, replies, and pairs of replies.

Made after ``tokenizer`` and apart from it, so that tasks and replies can change without a new pre-training; what
follows (``finetune``, ``distill``) needs torch and numpy only. Leaves in ``lessons/``:

* ``frame.json``: ids around an entry, of each question, of each label, and of what asks for a reflection;
* ``tasks.{train,valid}.npz``: ids of the entries, and which has which answer. A further set of ``feelings`` (KOTE,
  GoEmotions in Korean) is a task of its own name that is asked as ``feelings`` is and has the same labels;
* ``replies.{train,valid}.npz``: ids of entries and of the reflections on them, and which source each is of;
* ``prepared/instructions-{train,valid}.jsonl.gz``: a good and a flawed reply to the same entry, for ``prefer``;
* ``report.json``: counts of all that, and the terms of its sources.

Nothing of a test split is read but to leave its copies out, and the held reflections of ``trainer/samples`` are left
out in the same way.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from journal_app.contract.prompts import BOS, CONTROL_TOKENS
from trainer import flaws, replying
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora import reflections
from trainer.corpora.files import Row, read_rows
from trainer.corpora.known import KNOWN
from trainer.leaks import Guard, held_out, held_out_whole
from trainer.progress import Progress
from trainer.records import Example, write_examples
from trainer.replying import Reply
from trainer.tokenizer import WriterTokenizer, encode_rows, entry_room, frame, save, write

FEELINGS = "feelings"
SPLITS = ("train", "valid")
LEAST_ROOM = 16
"""Tokens of an entry that must fit beside the longest reply."""


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Fill ``lessons/``; raise :class:`TrainerError` when a source is not sound or a reply does not fit the window."""
    path = paths.out / "tokens" / "tokenizer.json"
    if not path.is_file():
        raise TrainerError("there is no tokenizer yet; run the tokenizer stage first")
    tokenizer = WriterTokenizer.load(path)
    out, config = paths.lessons, recipe.writer
    out.mkdir(parents=True, exist_ok=True)
    guard = _guard(recipe, paths, progress) if config.sources or config.sets else None
    # With its settings, so that what comes after is done anew when any of them changes.
    report: dict[str, Any] = {"writer": asdict(config), "feelings": {}, "replies": {}, "pairs": {}, "sources": []}
    used: Counter[str] = Counter()

    room = entry_room(tokenizer, recipe.data.tasks, recipe.max_tokens)
    around = frame(tokenizer, recipe.data.tasks)
    if config.sets:
        asked = frame(tokenizer, [FEELINGS])["tasks"][FEELINGS]
        around["tasks"] |= dict.fromkeys(config.sets, asked)
    write(out / "frame.json", json.dumps(around))
    for split in SPLITS:
        rows = read_rows(paths.prepared / f"{split}.jsonl.gz")
        arrays = encode_rows(tokenizer, rows, recipe.data.tasks, room)
        for name in config.sets:
            found, dropped = further(paths.corpora(), name, split, guard if split == "train" else None)
            if not found:
                raise TrainerError(f"writer.feelings: nothing of {name} is left in {split}")
            arrays = joined(arrays, encode_rows(tokenizer, found, [FEELINGS], room), name)
            report["feelings"].setdefault(name, {})[split] = {"rows": len(found), **dropped}
            if split == "train":
                used[name] += len(found)
        save(out / f"tasks.{split}.npz", arrays)

    examples: dict[str, list[Example]] = {}
    for split in SPLITS:
        collected = replying.collect(paths.data, config, split, guard if split == "train" else None)
        replies, misfits = encode_replies(tokenizer, collected.replies, recipe)
        save(out / f"replies.{split}.npz", replies)
        for name, count in misfits.items():
            collected.counts[name]["too long for the window"] = count
            collected.counts[name]["kept"] -= count
        report["replies"][split] = {name: dict(counts) for name, counts in collected.counts.items()}
        spoil = flaws.spoilers(paths.data, config, split)
        examples[split] = flaws.pairs(collected.replies, spoil, config, recipe.seed)
        write_examples(_instructions(out, split), examples[split])
        report["pairs"][split] = dict(Counter(example.label or "by the corpus" for example in examples[split]))
        if split == "train":
            used.update({name: n for name, counts in collected.counts.items() if (n := counts["kept"])})
    if config.sources and not any(report["replies"]["train"][name].get("kept") for name in config.sources):
        raise TrainerError("writer.replies: no reply is left to learn from; see lessons/report.json")

    report["sources"] = [{"name": name, "licence": licence(name), "rows": n} for name, n in sorted(used.items())]
    report["prose"] = _prose(recipe, paths.out / "tokens")
    write(out / "report.json", json.dumps(report, indent=1, sort_keys=True))
    kept = {split: sum(c.get("kept", 0) for c in report["replies"][split].values()) for split in SPLITS}
    if config.sources:
        progress.say(f"lessons: {kept['train']} replies, {len(examples['train'])} pairs; valid {kept['valid']}")
    names = ("frame.json", "report.json", *(f"{what}.{split}.npz" for what in ("tasks", "replies") for split in SPLITS))
    files = (*(out / name for name in names), *(_instructions(out, split) for split in SPLITS))
    return StageResult(files, {"replies": kept["train"], "pairs": len(examples["train"])})


def _instructions(folder: Path, split: str) -> Path:
    """Return where pairs lie, under the names that ``causal.prefer`` looks for below a run's folder."""
    return folder / "prepared" / f"instructions-{split}.jsonl.gz"


def _guard(recipe: Recipe, paths: RunPaths, progress: Progress) -> Guard:
    """Return the indexes of all that no reply may repeat: every held-out text here, and the held reflections."""
    guard = Guard(recipe.data.near_shingle, recipe.data.near_jaccard)
    guard.add(("test", text) for pair in reflections.held() for text in (pair.entry, pair.reflection))
    if paths.data is not None:
        guard.add(held_out(paths.corpora()))
        guard.add(held_out_whole(paths.corpora()))
    progress.say(f"lessons: indexed {len(guard.held)} held-out texts")
    return guard


def further(data: Path, name: str, split: str, guard: Guard | None) -> tuple[list[Row], dict[str, int]]:
    """Return the rows for ``feelings`` of a set outside ``data.tasks``, and how many were dropped for which reason.

    With ``guard`` copies and near copies of held-out texts are dropped. Raises ``CorpusError``.
    """
    rows: list[Row] = []
    dropped: Counter[str] = Counter()
    for example in KNOWN[name].load(data, split, FEELINGS):
        if not isinstance(example, Example):
            dropped[example.reason] += 1
        elif guard is not None and (match := guard.held.match(example.input)):
            dropped[f"{match} copy of a held-out text"] += 1
        else:
            rows.append(Row(FEELINGS, example.input, name, "mapped", "", example.labels, example.negatives))
    return rows, dict(dropped)


def joined(arrays: dict[str, np.ndarray], more: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Return ``arrays`` with the feelings of ``more`` (both of ``encode_rows``) under the task name ``name``."""
    texts = len(arrays["offsets"]) - 1
    return arrays | {
        "ids": np.concatenate([arrays["ids"], more["ids"]]),
        "offsets": np.concatenate([arrays["offsets"], arrays["offsets"][-1] + more["offsets"][1:]]),
        f"{name}.rows": more[f"{FEELINGS}.rows"] + texts,
        f"{name}.targets": more[f"{FEELINGS}.targets"],
    }


def encode_replies(
    tokenizer: WriterTokenizer, replies: Sequence[Reply], recipe: Recipe
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return entries and replies as arrays, and by source how many were left out as too long for the window.

    ``ids`` and ``offsets`` [n + 1] hold the entries, cut at their beginning where entry and reply would not fit
    ``max_tokens`` (the app's writer cuts there too); ``reply_ids`` and ``reply_offsets`` [n + 1] the replies without
    the token that ends them; ``sources`` [n] says of which of ``names`` each is. A reply beside which fewer than
    :data:`LEAST_ROOM` tokens of its entry fit is left out.
    """
    around = frame(tokenizer, [])
    taken = len(around["head"]) + len(around["tail"]) + len(around["reply"]) + 1
    entries = tokenizer.encode_many([unicodedata.normalize("NFC", reply.entry) for reply in replies])
    answers = tokenizer.encode_many([unicodedata.normalize("NFC", reply.text) for reply in replies])
    cut: list[list[int]] = []
    kept: list[int] = []
    misfits: Counter[str] = Counter()
    for place, (entry, answer) in enumerate(zip(entries, answers, strict=True)):
        room = recipe.max_tokens - taken - len(answer)
        if room < min(LEAST_ROOM, len(entry)):
            misfits[replies[place].source] += 1
            continue
        kept.append(place)
        cut.append(entry[max(0, len(entry) - room) :])
    answers = [answers[place] for place in kept]
    sources = [replies[place].source for place in kept]
    names = list(dict.fromkeys(sources))
    arrays = {
        "ids": np.array([i for ids in cut for i in ids], dtype=np.uint16),
        "offsets": np.cumsum([0, *map(len, cut)], dtype=np.int64),
        "reply_ids": np.array([i for ids in answers for i in ids], dtype=np.uint16),
        "reply_offsets": np.cumsum([0, *map(len, answers)], dtype=np.int64),
        "sources": np.array([names.index(name) for name in sources], dtype=np.int8),
        "names": np.array(names, dtype=np.str_),
    }
    return arrays, dict(misfits)


def licence(name: str) -> str:
    """Return the terms of a source as it states them."""
    return KNOWN[name].licence if name in KNOWN else reflections.LICENCE


def _prose(recipe: Recipe, tokens: Path) -> list[dict[str, Any]]:
    """Return name, terms and documents of every set of running text that was pre-trained on."""
    begin = CONTROL_TOKENS.index(BOS)
    found = []
    for name in sorted(name for name, weight in recipe.pretrain.weights.items() if weight > 0):
        path = tokens / f"{name}.train.npy"
        if path.is_file():
            documents = int((np.load(path, mmap_mode="r") == begin).sum())
            found.append({"name": name, "licence": licence(name), "rows": documents})
    return found
