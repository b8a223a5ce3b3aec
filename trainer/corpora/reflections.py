"""Entries with a reflection on each, written for this project: ``trainer/samples/reflections``.

``held.jsonl`` judges what a model writes (``trainer.evaluation.gate``) and is learned from by nobody;
``train.jsonl``, where there is one, is the source ``written`` of replies. A line is
``{"id", "entry", "reflection"}``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trainer.corpora.files import CorpusError

FOLDER = Path(__file__).parent.parent / "samples" / "reflections"
LICENCE = "CC0-1.0; written for this project"


@dataclass(frozen=True, slots=True)
class Reflected:
    """An entry and a good reflection on it; ``name`` is short and says nothing of either."""

    name: str
    entry: str
    reflection: str


def held() -> list[Reflected]:
    """Return the pairs that no training may see; raise :class:`CorpusError` for a file that is not sound."""
    return _read(FOLDER / "held.jsonl")


def written() -> list[Reflected]:
    """Return the pairs that may be learned from; raises as :func:`held`, also where there is no such file."""
    return _read(FOLDER / "train.jsonl")


def _read(path: Path) -> list[Reflected]:
    if not path.is_file():
        raise CorpusError(f"no reflections at {path}")
    found: list[Reflected] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            pair = Reflected(*(record[key].strip() for key in ("id", "entry", "reflection")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorpusError(f"{path}, line {number}: not a reflection ({type(error).__name__})") from None
        if not all((pair.name, pair.entry, pair.reflection)):
            raise CorpusError(f"{path}, line {number}: an empty field")
        found.append(pair)
    if len({pair.name for pair in found}) != len(found):
        raise CorpusError(f"{path}: two lines have the same id")
    return found
