"""The unified instruction: one shape for every data set that a language model is tuned on, and its file form."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.corpora.files import CorpusError, records


@dataclass(frozen=True, slots=True)
class Example:
    """One instruction with its answer.

    Attributes:
        task: of the contract, or ``reply``, ``rewrite``, ``summary``, ``explain``, ``text``, ``preference``; or the
            name of a set with labels of its own.
        source: data set. part: ``published``, ``neutral``, ``mapped``, ``weak`` or ``written`` (by a model).
        instruction: what is asked. input: the text it is asked of, which is data and never control.
        output: the answer (a label's word for classification). system: who answers; may be empty.
        turns: earlier turns as (role, text). label, labels: of classification, the contract's names; negatives: of
            multi-label tasks, see :meth:`target`.
        chosen, rejected: of ``preference``; ``output`` is then empty.
        group: post, author or dialogue; rows of one group stay in one split. lang: ISO 639-1.
    """

    task: str
    source: str
    input: str
    output: str = ""
    instruction: str = ""
    system: str = ""
    part: str = "published"
    label: str = ""
    labels: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    turns: tuple[tuple[str, str], ...] = ()
    chosen: str = ""
    rejected: str = ""
    group: str = ""
    lang: str = "en"

    def target(self, label: str) -> int:
        """Return 1, 0 or -1 (nobody knows) for ``label`` of a multi-label task.

        Where no negatives are given every other label is denied, but not by weak labels, which only affirm.
        """
        if label in self.labels:
            return 1
        denied = label in self.negatives if self.negatives else self.part != "weak"
        return 0 if denied else -1


_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Example)}


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write ``examples`` as gzip JSON lines, the same bytes for the same examples; return how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    count = 0
    with part.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        for example in examples:
            values = {k: v for k, v in dataclasses.asdict(example).items() if v != _DEFAULTS[k]}
            file.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")
            count += 1
    part.replace(path)
    return count


def read_examples(path: Path) -> list[Example]:
    """Read what :func:`write_examples` wrote; raise ``CorpusError`` naming the line that is wrong."""
    if not path.is_file():
        raise CorpusError(f"no instructions at {path}: run `quietpage-train prepare` first")
    found = []
    for number, record in records(path):
        try:
            values: dict[str, Any] = dict(record)
            for name in ("labels", "negatives"):
                values[name] = tuple(values.get(name, ()))
            values["turns"] = tuple((role, text) for role, text in values.get("turns", ()))
            found.append(Example(**values))
        except (TypeError, ValueError) as error:
            raise CorpusError(f"{path}, line {number}: not an instruction ({type(error).__name__})") from None
    return found
