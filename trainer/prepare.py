"""``prepare``: corpora -> rows for every task, without leaks, and a report of what was dropped.

Order: read published splits; collect every held-out text of *all* sets in the data folder; drop
from train what equals or nearly equals one of them (whatever set it is from); drop from valid
what equals a test text; drop repeats inside train; then draw the neutral negatives, checked in
the same way. Nothing is oversampled here.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from journal_app.contract.mappings import FEELING_MAPS, PUBLISHED_LABELS
from journal_app.contract.tasks import SCREENING_TASKS
from trainer.config import Recipe, RunPaths, StageResult
from trainer.corpora import feelings, neutral, published
from trainer.corpora.files import SPLITS, CorpusError, Row, read_rows, records, write_rows
from trainer.progress import Progress

__all__ = ["NearIndex", "normalise", "read_rows", "run"]

WEAK_TRAIN, WEAK_VALID = 700, 60
_SPACE = re.compile(r"[\W_]+")


def normalise(text: str) -> str:
    """Return ``text`` as compared for equality: NFKC, lower case, only letters and digits apart by spaces."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


class NearIndex:
    """Finds texts that equal or nearly equal one of many held-out texts.

    Near: Jaccard similarity of the sets of ``size``-word shingles >= ``jaccard``. Candidates come
    from an inverted index without shingles that occur in more than 64 texts (phrases, not copies).
    """

    def __init__(self, size: int, jaccard: float) -> None:
        self._size = size
        self._jaccard = jaccard
        self._exact: set[str] = set()
        self._sizes: list[int] = []
        self._where: dict[int, list[int]] = defaultdict(list)

    def add(self, text: str) -> None:
        """Hold ``text`` out."""
        plain = normalise(text)
        if not plain or plain in self._exact:
            return
        self._exact.add(plain)
        shingles = self._shingles(plain)
        if shingles:
            number = len(self._sizes)
            self._sizes.append(len(shingles))
            for shingle in shingles:
                self._where[shingle].append(number)

    def match(self, text: str) -> str:
        """Return ``exact``, ``near`` or an empty string."""
        plain = normalise(text)
        if plain in self._exact:
            return "exact"
        shingles = self._shingles(plain)
        shared: Counter[int] = Counter()
        for shingle in shingles:
            numbers = self._where.get(shingle, ())
            if len(numbers) <= 64:
                shared.update(numbers)
        for number, common in shared.items():
            if common / (len(shingles) + self._sizes[number] - common) >= self._jaccard:
                return "near"
        return ""

    def _shingles(self, plain: str) -> set[int]:
        words = plain.split()
        return {hash(tuple(words[i : i + self._size])) for i in range(len(words) - self._size + 1)}


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Write the prepared rows and ``report.json``; raise ``CorpusError`` when a corpus is not sound."""
    data, config = paths.corpora(), recipe.data
    report: dict[str, Any] = {"dropped": {}, "rows": {}, "sources": []}
    wanted = [name for name, (task, _) in PUBLISHED_LABELS.items() if task in config.tasks]
    with_feelings = "feelings" in config.tasks
    mapped = [name for name in FEELING_MAPS if with_feelings]

    loaded: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        for name in wanted:
            loaded[split] += published.load(data, name, split)
        for name in mapped:
            rows = feelings.load(data, name, split)
            loaded[split] += rows[: config.feelings_cap or None] if split == "train" else rows
    progress.say(f"prepare: read {sum(map(len, loaded.values()))} rows of {len(set(wanted) | set(mapped))} sets")

    tests, held = (NearIndex(config.near_shingle, config.near_jaccard) for _ in range(2))
    for split, text in _held_out(data):
        held.add(text)
        if split == "test":
            tests.add(text)
    progress.say("prepare: indexed the held-out texts of every set")

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
    if with_feelings:
        extra += feelings.weak(data, "train", recipe.seed, WEAK_TRAIN)
        valid += feelings.weak(data, "valid", recipe.seed, WEAK_VALID)
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


def _held_out(data: Path) -> Iterator[tuple[str, str]]:
    """Yield (split, text) of every valid and test split in the folder, whatever its fields are."""
    found = False
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        for split in ("valid", "test"):
            path = folder / f"{split}.jsonl.gz"
            if not path.is_file():
                continue
            found = True
            for _, record in records(path):
                for key in ("text", "prompt"):
                    if isinstance(record.get(key), str):
                        yield split, record[key]
                turns = record.get("turns")
                if isinstance(turns, list) and turns and isinstance(turns[0], dict):
                    yield split, str(turns[0].get("text", ""))
    if not found:
        raise CorpusError(f"no corpora in {data}: expected folders with train, valid and test.jsonl.gz")


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
    licences = {s.name: s.licence for s in published.PUBLISHED} | feelings.LICENCES | neutral.LICENCES
    counts = Counter(row.source for row in rows)
    return [{"name": name, "licence": licences[name], "rows": count} for name, count in sorted(counts.items())]
