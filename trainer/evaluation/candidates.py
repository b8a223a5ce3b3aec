"""What ``judge`` compares: files of replies, and GGUFs that are asked for their replies here.

A file has one reply a line (JSON lines, CSV): the entry under ``input``, ``prompt`` or ``entry``, the reply under
``output``, ``reply`` or ``response``. A GGUF replies to the entries of the other files or, where there are none, to the
test entries of the run that ask for a reply; never to an entry that calls for a help line.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journal_app.journal.safety import assess
from trainer.config import Recipe, RunPaths, TrainerError
from trainer.leaks import normalise
from trainer.progress import Progress
from trainer.records import read_examples
from trainer.symptoms import LISTENER
from trainer.tables import read_table

ENTRY = ("input", "prompt", "entry")
REPLY = ("output", "reply", "response")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Replies of one system: ``replies`` by the key of their entry; ``entries`` the entries themselves."""

    name: str
    path: Path
    replies: Mapping[str, str]
    entries: Mapping[str, str]


def load(files: Sequence[Path]) -> list[Candidate]:
    """Read files of replies; raise :class:`TrainerError` naming the file and line that is wrong."""
    found: list[Candidate] = []
    for path in files:
        if not path.is_file():
            raise TrainerError(f"no file of replies at {path}")
        name = path.name.split(".")[0]
        if any(other.name == name for other in found):
            name = f"{path.parent.name}/{name}"
        if any(other.name == name for other in found):
            raise TrainerError(f"{path}: two files of that name; name them apart")
        replies: dict[str, str] = {}
        entries: dict[str, str] = {}
        for record in read_table(path):
            entry, reply = (_column(record.values, names) for names in (ENTRY, REPLY))
            if entry is None or reply is None:
                raise TrainerError(f"{record.where}: needs {' or '.join(ENTRY)}, and {' or '.join(REPLY)}")
            key = hashlib.sha256(normalise(entry).encode()).hexdigest()[:16]
            entries.setdefault(key, entry.strip())
            replies.setdefault(key, reply.strip())
        found.append(Candidate(name, path, replies, entries))
    return found


def answered(files: Sequence[Path], recipe: Recipe, paths: RunPaths, progress: Progress, rows: int) -> list[Path]:
    """Return ``files`` with each GGUF among them replaced by a file of its replies, which is written once."""
    models = [path for path in files if path.suffix.lower() == ".gguf"]
    if not models:
        return list(files)
    from journal_app.inference.engine import ModelError
    from journal_app.inference.llama import sha256_of
    from trainer.evaluation import replies

    given = load([path for path in files if path not in models])
    if given:
        entries = [given[0].entries[key] for key in shared(given, len(given[0].entries), recipe.seed)]
    else:
        path = paths.prepared / "instructions-test.jsonl.gz"
        found = [row for row in read_examples(path) if row.task == "reply" and not row.turns] if path.is_file() else []
        entries = list(dict.fromkeys(row.input for row in found))
        entries.sort(key=lambda text: hashlib.sha256(f"{recipe.seed}:judge:{text}".encode()).digest())
    # To such an entry the app shows a reviewed text and never lets a model write.
    entries = [text for text in entries if assess(text).level == "none"][:rows]
    if not entries:
        raise TrainerError("no entry to reply to: prepare a source whose task is reply, or give files of replies")
    written: dict[Path, Path] = {}
    for model in models:
        try:
            decided = [sha256_of(model), recipe.seed, dataclasses.asdict(recipe.generation), LISTENER, entries]
        except ModelError as error:
            raise TrainerError(str(error)) from None
        digest = hashlib.sha256(json.dumps(decided).encode()).hexdigest()[:12]
        target = paths.out / "judge" / f"{model.name.removesuffix('.gguf').replace('.', '_')}.{digest}.jsonl"
        if not target.is_file():
            progress.say(f"judge: {model.name} replies to {len(entries)} entries")
            made = replies.generate(model, entries, recipe.generation, system=LISTENER, seed=recipe.seed)
            lines = (
                json.dumps({"input": entry, "output": reply}, ensure_ascii=False)
                for entry, reply in zip(entries, made.replies, strict=True)
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(target.name + ".part")
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")
            part.replace(target)
        written[model] = target
    return [written.get(path, path) for path in files]


def shared(candidates: Sequence[Candidate], rows: int, seed: int) -> list[str]:
    """Return the keys of entries that every candidate answered, at most ``rows``, drawn by hash."""
    common = set.intersection(*(set(candidate.replies) for candidate in candidates))
    if not common:
        raise TrainerError("the files share no entry: replies can be compared on the same entries only")
    return sorted(common, key=lambda key: hashlib.sha256(f"{seed}:judge:{key}".encode()).digest())[:rows]


def _column(values: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((str(values[name]) for name in names if isinstance(values.get(name), str)), None)
