"""What is held out, and whether a text equals or nearly equals it: shared by ``prepare`` and ``instructions``.

Every valid and test text of *every* set in the data folder is held out, also of sets that a recipe does
not name, because posts travel between sets (and scores travel with them).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainer.corpora.files import CorpusError, records
from trainer.corpora.known import KNOWN
from trainer.records import Example

HELD_OUT = ("valid", "test")
OPENING = 8
"""Words from which the first turn of a conversation counts by itself: shorter ones open many conversations."""

_SPACE = re.compile(r"[\W_]+")


def normalise(text: str) -> str:
    """Return ``text`` as compared for equality: NFKC, lower case, only letters and digits apart by spaces."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


class NearIndex:
    """Finds texts that equal or nearly equal one of many held-out texts.

    Near: Jaccard similarity of the sets of ``size``-word shingles >= ``jaccard``. Candidates come
    from an inverted index without shingles that occur in more than 64 texts (phrases, not copies).
    Texts of fewer words than a shingle are found only when they are equal.
    """

    def __init__(self, size: int, jaccard: float) -> None:
        self._size = size
        self._jaccard = jaccard
        self._exact: set[str] = set()
        self._sizes: list[int] = []
        self._where: dict[int, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._exact)

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


def held_out(data: Path) -> Iterator[tuple[str, str]]:
    """Yield (split, text) of every valid and test split in the folder, whatever its fields are.

    Raises ``CorpusError`` when there is none.
    """
    found = False
    for split, _, path in _held_files(data):
        found = True
        for _, record in records(path):
            for key in ("text", "prompt", "situation"):
                if isinstance(record.get(key), str):
                    yield split, record[key]
            turns = record.get("turns")
            if isinstance(turns, list) and turns and isinstance(turns[0], dict):
                yield split, str(turns[0].get("text", ""))
    if not found:
        raise CorpusError(f"no corpora in {data}: expected folders with train, valid and test.jsonl.gz")


def held_out_whole(data: Path) -> Iterator[tuple[str, str]]:
    """Yield (split, text) of what :func:`held_out` sees only a part of: whole conversations, and quoted posts."""
    for split, name, path in _held_files(data):
        corpus = KNOWN.get(name)
        if corpus is not None and corpus.quotes:
            for example in corpus.load(data, split):
                if isinstance(example, Example):
                    yield split, example.input
        elif corpus is None or corpus.dialogue:
            for _, record in records(path):
                turns = record.get("turns")
                if isinstance(turns, list) and turns:
                    yield split, " ".join(str(turn.get("text", "")) for turn in turns if isinstance(turn, dict))


def _held_files(data: Path) -> Iterator[tuple[str, str, Path]]:
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        for split in HELD_OUT:
            path = folder / f"{split}.jsonl.gz"
            if path.is_file():
                yield split, folder.name, path


class Guard:
    """Two indexes that belong together: everything held out, and of it what is in a test.

    Attributes:
        held: of valid and test texts. tests: of test texts.
    """

    def __init__(self, size: int, jaccard: float) -> None:
        self.held = NearIndex(size, jaccard)
        self.tests = NearIndex(size, jaccard)

    def add(self, found: Iterable[tuple[str, str]]) -> None:
        """Hold out each (split, text) of ``found``."""
        for split, text in found:
            self.held.add(text)
            if split == "test":
                self.tests.add(text)


def probes(examples: list[Example], *, dialogue: bool) -> Iterator[list[str]]:
    """Yield, for each unit of ``examples``, the texts by which it is compared.

    A unit is one example, or the examples of one conversation, which follow each other: its whole text and,
    if it has :data:`OPENING` words, its first turn. The units have the order of the examples.
    """
    if not dialogue:
        for example in examples:
            yield [whole(example)]
        return
    for unit in units(examples):
        first = unit[0]
        said = [text for _, text in first.turns]
        for example in unit:
            said += [example.input, example.output]
        yield [" ".join(said), *(said[:1] if len(said[0].split()) >= OPENING else [])]


def units(examples: list[Example]) -> Iterator[list[Example]]:
    """Yield runs of examples with the same group."""
    unit: list[Example] = []
    for example in examples:
        if unit and unit[-1].group != example.group:
            yield unit
            unit = []
        unit.append(example)
    if unit:
        yield unit


def whole(example: Example) -> str:
    """Return the text of a person in ``example``: its input; of running text, the output that goes on with it, too."""
    return f"{example.input} {example.output}".strip() if example.task == "text" else example.input
