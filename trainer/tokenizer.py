"""The byte-level BPE of the models trained here: training, files, and ids for text and prompts.

One pre-tokeniser only, ``gpt-2``: llama.cpp knows it by that name and splits it in code of its own
(``unicode_regex_split_custom_gpt2``), where other patterns fall back to ``std::regex``, which
recurses once per character. No normaliser, because llama.cpp applies none to byte-level BPE.

The control tokens hold ids 0-3 but no merge leads to them: they come only from the control
segments of a prompt. A person may write ``<|end|>`` in an entry; it stays ordinary text.

The stage also turns running text into arrays (``tokens/``), so that ``pretrain`` needs torch and numpy only:

* ``tokenizer.json``, ``index.json`` (vocabulary size; tokens and bytes by source and split);
* ``SOURCE.{train,valid}.npy``: uint16, documents one after another, each ``<|begin|> ... <|end|>``.

What is learned after the prose is made by ``trainer.lessons`` with the functions here, so that tasks and replies can
change without a new tokenizer, which would mean a new pre-training.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from journal_app.contract.prompts import BOS, CONTROL_TOKENS, END, PAD, Segment, encode, prefix, question, reflection
from journal_app.contract.tasks import TASKS, Task, verbaliser_tokens
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora import Row, prose
from trainer.corpora.files import read_rows
from trainer.progress import Progress

PRE = "gpt-2"
"""Name of the pre-tokeniser in ``tokenizer.ggml.pre``."""

PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What ``gpt-2`` means in llama.cpp; the last branch is in its code, not in its table."""

FORMAT = 1
_ENTRY = "entry"
_PROMPT_SHARE = 0.02
_CONTROL_SPLIT = re.compile("(" + "|".join(map(re.escape, CONTROL_TOKENS)) + ")")

Merge = tuple[str, str]


class TokenizerError(TrainerError):
    """A tokenizer cannot be trained or its file does not fit the contract."""


class WriterTokenizer:
    """Byte-level BPE whose first ids are the control tokens of the contract.

    Attributes:
        tokens: the vocabulary in id order, in byte-level notation (a space is ``Ġ``).
        merges: pairs in order of rank.
    """

    def __init__(self, tokens: Sequence[str], merges: Sequence[Merge]) -> None:
        """Build the tokenizer; raise :class:`TokenizerError` unless it keeps the contract."""
        if tuple(tokens[: len(CONTROL_TOKENS)]) != CONTROL_TOKENS:
            raise TokenizerError("the vocabulary does not begin with the control tokens of the contract")
        self.tokens = tuple(tokens)
        self.merges = tuple((left, right) for left, right in merges)
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens):
            raise TokenizerError("the vocabulary holds a token twice")
        self._bpe = _engine(self._ids, self.merges)
        self._control = {token: self._ids[token] for token in CONTROL_TOKENS}
        split = [text for text in verbaliser_tokens() if len(self.encode(text)) != 1]
        if split:
            raise TokenizerError(f"verbalisers that are not one token: {', '.join(map(repr, split))}")

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self.tokens)

    def encode(self, text: str, control: bool = False) -> list[int]:
        """Return the ids of ``text``; control tokens are recognised only where ``control`` is true."""
        if not control:
            return list(self._bpe.encode(text, add_special_tokens=False).ids)
        ids: list[int] = []
        for piece in _CONTROL_SPLIT.split(text):
            if piece in self._control:
                ids.append(self._control[piece])
            elif piece:
                ids.extend(self._bpe.encode(piece, add_special_tokens=False).ids)
        return ids

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each of ``texts`` as data, on all cores."""
        return [list(item.ids) for item in self._bpe.encode_batch_fast(list(texts), add_special_tokens=False)]

    def prompt(self, segments: Sequence[Segment]) -> list[int]:
        """Return the ids of a prompt, segment by segment, as the engine does."""
        return encode(segments, self.encode)

    def labels(self, task: Task) -> list[int]:
        """Return the id of each verbaliser of ``task`` in label order."""
        return [self.encode(verbaliser)[0] for verbaliser in task.verbalisers]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``; control tokens appear as their own strings."""
        parts: list[str] = []
        run: list[int] = []
        for i in ids:
            if i >= len(CONTROL_TOKENS):
                run.append(i)
                continue
            parts.append(self._bpe.decode(run, skip_special_tokens=False))
            parts.append(CONTROL_TOKENS[i])
            run = []
        parts.append(self._bpe.decode(run, skip_special_tokens=False))
        return "".join(parts)

    def engine(self) -> Tokenizer:
        """Return a fresh engine of the ``tokenizers`` library with the same ids and merges."""
        return _engine(self._ids, self.merges)

    def save(self, path: Path) -> None:
        """Write the tokenizer to ``path`` in one step."""
        document = {
            "format": FORMAT,
            "pre": PRE,
            "tokens": self.tokens,
            "merges": [f"{left} {right}" for left, right in self.merges],
        }
        write(path, json.dumps(document, ensure_ascii=False, indent=0))

    @classmethod
    def load(cls, path: Path) -> WriterTokenizer:
        """Read a tokenizer back; raise :class:`TokenizerError` if the file is not one of ours."""
        try:
            document = json.loads(path.read_text("utf-8"))
            if document["format"] != FORMAT or document["pre"] != PRE:
                raise TokenizerError(f"{path.name}: another format of tokenizer")
            pairs = [_pair(merge) for merge in document["merges"]]
            return cls(list(map(str, document["tokens"])), pairs)
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise TokenizerError(f"{path.name}: not a tokenizer file") from error

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> WriterTokenizer:
        """Learn a vocabulary of at most ``vocab_size`` ids from ``texts``.

        Every verbaliser of the contract becomes one token: those that the corpus did not merge get
        the missing merges at the lowest ranks, and the rarest learned merges make room for them
        (BPE is greedy, so the first n merges are what a smaller vocabulary would have learned).
        Raises :class:`TokenizerError` if ``vocab_size`` is too small for that.
        """
        learned = _learn(texts, vocab_size)
        keep = len(learned)
        while keep >= 0:
            merges = learned[:keep]
            merges += _missing_merges(merges)
            vocabulary = _vocabulary(merges)
            if len(vocabulary) <= vocab_size:
                return cls(vocabulary, merges)
            keep -= len(vocabulary) - vocab_size
        raise TokenizerError(f"a vocabulary of {vocab_size} is too small to hold every label as one token")


def _pair(merge: str) -> Merge:
    left, _, right = merge.partition(" ")
    return left, right


def _vocabulary(merges: Sequence[Merge]) -> list[str]:
    """Return control tokens, the 256 bytes and what the merges make, in id order."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # Two merges may make the same token; it has one id.
    return list(dict.fromkeys([*CONTROL_TOKENS, *alphabet, *(left + right for left, right in merges)]))


def _engine(ids: dict[str, int], merges: Sequence[Merge]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=list(merges), fuse_unk=False))
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _learn(texts: Iterable[str], vocab_size: int) -> list[Merge]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _pre_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(CONTROL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(_non_empty(texts), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [_pair(merge) if isinstance(merge, str) else (merge[0], merge[1]) for merge in merges]


def _non_empty(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in texts if text)


def _missing_merges(merges: Sequence[Merge]) -> list[Merge]:
    """Return merges to append so that each verbaliser ends as one token."""
    extra: list[Merge] = []
    for text in verbaliser_tokens():
        # Rebuilt each time: a merge added for one label shortens the pieces of the next.
        bpe = _engine({token: i for i, token in enumerate(_vocabulary([*merges, *extra]))}, [*merges, *extra])
        pieces = bpe.encode(text, add_special_tokens=False).tokens
        whole = pieces[0]
        for piece in pieces[1:]:
            extra.append((whole, piece))
            whole += piece
    return extra


def frame(tokenizer: WriterTokenizer, tasks: Iterable[str]) -> dict[str, Any]:
    """Return the ids that stand around every entry: ``head``, ``tail``, by task its question and labels.

    ``reply`` is what asks for a reflection after the entry, as the app's writer does.
    """
    segments = prefix(_ENTRY)
    place = next(i for i, segment in enumerate(segments) if segment.text == _ENTRY and not segment.control)
    return {
        "head": tokenizer.prompt(segments[:place]),
        "tail": tokenizer.prompt(segments[place + 1 :]),
        "pad": CONTROL_TOKENS.index(PAD),
        "end": CONTROL_TOKENS.index(END),
        "reply": tokenizer.prompt(reflection()),
        "tasks": {
            name: {
                "kind": TASKS[name].kind,
                "question": tokenizer.prompt(question(TASKS[name])),
                "labels": tokenizer.labels(TASKS[name]),
            }
            for name in tasks
        },
    }


def documents(tokenizer: WriterTokenizer, texts: Sequence[str]) -> np.ndarray:
    """Return ``texts`` as one uint16 array, each between its first and last control token."""
    begin, end = CONTROL_TOKENS.index(BOS), CONTROL_TOKENS.index(END)
    parts = [np.zeros(0, np.uint16)]
    for start in range(0, len(texts), 1000):
        joined = [i for ids in tokenizer.encode_many(texts[start : start + 1000]) for i in (begin, *ids, end)]
        parts.append(np.array(joined, dtype=np.uint16))
    return np.concatenate(parts)


def encode_rows(
    tokenizer: WriterTokenizer, rows: Iterable[Row], tasks: Sequence[str], room: int
) -> dict[str, np.ndarray]:
    """Return task rows as arrays.

    ``ids`` and ``offsets`` [texts + 1] hold each distinct text once, cut after ``room`` tokens;
    ``TASK.rows`` [n] says which text, ``TASK.targets`` the label's index [n], or for a multi-label
    task 1, 0 or -1 (not known) for each label [n, labels].
    """
    places: dict[str, int] = {}
    found: dict[str, tuple[list[int], list[Any]]] = {task: ([], []) for task in tasks}
    for row in rows:
        if row.task not in found:
            continue
        task = TASKS[row.task]
        if task.kind == "multilabel":
            target: Any = [
                1 if label in row.positives else 0 if label in row.negatives else -1 for label in task.labels
            ]
        else:
            target = task.index(row.label)
        found[row.task][0].append(places.setdefault(row.text, len(places)))
        found[row.task][1].append(target)
    ids = [item[:room] for item in tokenizer.encode_many(list(places))]
    arrays = {
        "ids": np.array([i for item in ids for i in item], dtype=np.uint16),
        "offsets": np.cumsum([0, *map(len, ids)], dtype=np.int64),
    }
    for task, (index, targets) in found.items():
        arrays[f"{task}.rows"] = np.array(index, dtype=np.int32)
        arrays[f"{task}.targets"] = np.array(targets, dtype=np.int8)
    return arrays


def entry_room(tokenizer: WriterTokenizer, tasks: Iterable[str], max_tokens: int) -> int:
    """Return how many tokens of an entry fit a window of ``max_tokens`` beside the longest question and its answer."""
    around = frame(tokenizer, tasks)
    longest = max(len(task["question"]) for task in around["tasks"].values())
    room = max_tokens - len(around["head"]) - len(around["tail"]) - longest - 2
    if room < 8:
        raise TokenizerError(f"max_tokens = {max_tokens} leaves no room for an entry beside the questions")
    return room


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Learn the tokenizer and turn running text into arrays."""
    if recipe.tokenizer.vocab_size > 65_536:
        raise TokenizerError("tokenizer.vocab_size must fit 16 bits")
    if recipe.max_tokens > recipe.shape.context:
        raise TokenizerError("max_tokens is more than shape.context")
    out = paths.out / "tokens"
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: weight for name, weight in recipe.pretrain.weights.items() if weight > 0}
    texts = {name: _shuffled(prose(paths.corpora(), name, "train"), recipe.seed) for name in weights}
    rows = list(read_rows(paths.prepared / "train.jsonl.gz"))
    progress.say(f"tokenizer: learning {recipe.tokenizer.vocab_size} tokens")
    tokenizer = WriterTokenizer.train(
        _sample(texts, weights, rows, recipe.tokenizer.characters, recipe.seed), recipe.tokenizer.vocab_size
    )
    tokenizer.save(out / "tokenizer.json")

    sources: dict[str, dict[str, int]] = {}
    for name in progress.over(weights, "tokenizer: sources", len(weights), "sources"):
        facts = sources[name] = {}
        for split in ("train", "valid"):
            chosen = texts.pop(name) if split == "train" else list(prose(paths.corpora(), name, split))
            ids = documents(tokenizer, chosen)
            save(out / f"{name}.{split}.npy", ids)
            facts[f"{split}_tokens"] = len(ids)
            facts[f"{split}_bytes"] = sum(len(text.encode("utf-8")) for text in chosen)
    # Last, because its presence says that the folder is complete.
    write(out / "index.json", json.dumps({"vocab": tokenizer.size, "sources": sources}, indent=1))
    files = tuple(sorted(path for path in out.iterdir() if path.suffix in (".json", ".npy")))
    return StageResult(files, {"vocab": tokenizer.size, "sources": sources})


def _shuffled(texts: Iterable[str], seed: int) -> list[str]:
    chosen = list(texts)
    random.Random(seed).shuffle(chosen)
    return chosen


def _sample(
    texts: dict[str, list[str]], weights: dict[str, float], rows: Sequence[Row], characters: int, seed: int
) -> Iterator[str]:
    """Yield about ``characters`` characters: prose by weight, a tenth from the tasks' own texts, and our own prompts.

    The prompts are repeated, so that their words become whole tokens: every question of every
    entry is read through them.
    """
    own = _shuffled(dict.fromkeys(row.text for row in rows), seed)
    asked = [
        segment.text for task in TASKS.values() for segment in (*prefix(""), *question(task)) if not segment.control
    ]
    repeats = max(1, round(_PROMPT_SHARE * characters / sum(map(len, asked))))
    shares = {name: 0.9 * weight / sum(weights.values()) for name, weight in weights.items()}
    for chosen, share in [
        (asked * repeats, _PROMPT_SHARE),
        (own, 0.1),
        *((texts[name], shares[name]) for name in weights),
    ]:
        left = share * characters
        for text in chosen:
            if left <= 0:
                break
            yield text
            left -= len(text)


def write(path: Path, text: str) -> None:
    """Write ``text`` and a line's end to ``path`` in one step."""
    part = path.with_name(path.name + ".part")
    part.write_text(text + "\n", "utf-8")
    part.replace(path)


def save(path: Path, arrays: np.ndarray | dict[str, Any]) -> None:
    """Write one array (``.npy``) or several by name (``.npz``) to ``path`` in one step."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        if isinstance(arrays, dict):
            np.savez(file, **arrays)
        else:
            np.save(file, arrays)
    part.replace(path)
