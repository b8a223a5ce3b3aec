"""Diary-like text labelled for this project: passages of blogs, and entries written for it.

Labels of blog passages lie beside this module without a word of the blogs: each line names a post by a
hash and the place of the passage in it, so that only somebody who has the corpus can read it. Entries
that were written for the project lie as text in ``trainer/samples/diaries``: ``train.jsonl`` may be
learned from; ``en.jsonl`` and ``ko.jsonl`` never, they calibrate (``calibration``) and test (``test``).
Both say what the writer would tick for themself, and how heavy the day was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journal_app.contract.tasks import CRISIS_LEVELS, FEELINGS, THEMES
from trainer.corpora import neutral
from trainer.corpora.files import CorpusError, Row

PASSAGES = Path(__file__).parent / "labels" / "blog_passages.jsonl"
WRITTEN = Path(__file__).parent.parent / "samples" / "diaries"
HELD_EVERY = 5
"""Every fifth labelled passage, by the hash of its post, is held out: half of those for valid, half for test."""

LICENCES = {"written": "CC0-1.0; written for this project", "labelled_blogs": "free for non-commercial research"}
_SHORT = 24
_SPLITS = {"train": "train", "calibration": "valid", "test": "test"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A text with what it holds.

    Attributes:
        feelings, unsure: of the contract; the unsure ones may or may not be there. themes.
        stress, low_mood: ``quiet``, ``some`` or ``many``. crisis: a level of the contract.
        split: ``train``, ``valid`` (of what was written: entries to calibrate on) or ``test``.
    """

    name: str
    text: str
    source: str
    split: str
    feelings: tuple[str, ...]
    unsure: tuple[str, ...]
    themes: tuple[str, ...]
    stress: str
    low_mood: str
    crisis: str

    def rows(self, tasks: Sequence[str]) -> list[Row]:
        """Return what is known of the entry for ``tasks``; what lies in between teaches no yes and no no."""
        answers = {
            "stress": {"quiet": "no", "many": "yes"}.get(self.stress, ""),
            "depression": {"quiet": "no", "many": "yes"}.get(self.low_mood, ""),
            "severity": {"quiet": "minimum"}.get(self.low_mood, ""),
            "suicidality": {"none": "no", "clear": "yes", "urgent": "yes"}.get(self.crisis, ""),
        }
        rows = [
            Row(task, self.text, self.source, "labelled", answer)
            for task, answer in answers.items()
            if answer and task in tasks
        ]
        several = {
            "feelings": (self.feelings, [f for f in FEELINGS if f not in self.feelings and f not in self.unsure]),
            "themes": (self.themes, [theme for theme in THEMES if theme not in self.themes]),
        }
        rows += [
            Row(task, self.text, self.source, "labelled", "", tuple(there), tuple(absent))
            for task, (there, absent) in several.items()
            if task in tasks
        ]
        return rows


def passages(data: Path) -> Iterator[Entry]:
    """Yield the labelled passages of ``blog_prose``; raise :class:`CorpusError` when a label or the corpus is bad."""
    wanted: dict[str, list[dict[str, Any]]] = {}
    for record in _lines(PASSAGES):
        wanted.setdefault(record["post"], []).append(record)
    for text in neutral.blog_texts(data, "train"):
        if not wanted:
            return
        post = hashlib.sha256(text.encode()).hexdigest()[:_SHORT]
        for record in wanted.pop(post, ()):
            held = "valid" if int(post[8:10], 16) % 2 else "test"
            split = "train" if int(post[:8], 16) % HELD_EVERY else held
            part = text[record["start"] : record["end"]]
            yield _entry(record, f"{post}:{record['start']}", part, "labelled_blogs", split)
    if wanted:
        raise CorpusError(
            f"{len(wanted)} labelled posts are not in this blog_prose; with another version of it take "
            '"labelled_blogs" out of data.labelled'
        )


def written(name: str) -> list[Entry]:
    """Return the entries of a file of ``trainer/samples/diaries``: ``train``, ``en`` or ``ko``."""
    return [
        _entry(record, record["id"], record["text"], "written", _SPLITS[record.get("split", "train")])
        for record in _lines(WRITTEN / f"{name}.jsonl")
    ]


def _entry(record: dict[str, Any], name: str, text: str, source: str, split: str) -> Entry:
    entry = Entry(
        name,
        text,
        source,
        split,
        tuple(record["feelings"]),
        tuple(record["unsure"]),
        tuple(record["themes"]),
        record["stress"],
        record["low_mood"],
        record["crisis"],
    )
    bands = ("quiet", "some", "many")
    known = (
        set(entry.feelings) | set(entry.unsure) <= set(FEELINGS)
        and set(entry.themes) <= set(THEMES)
        and entry.stress in bands
        and entry.low_mood in bands
        and entry.crisis in CRISIS_LEVELS
        and entry.text.strip()
    )
    if not known:
        raise CorpusError(f"the labelled entry {name} has a label that is not in the contract, or no text")
    return entry


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise CorpusError(f"no labelled entries at {path}")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise CorpusError(f"{path}, line {number}: not valid JSON") from error
