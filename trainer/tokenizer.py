"""The byte-level BPE of the models trained here: training, files, and ids for text and prompts.

One pre-tokeniser only, ``gpt-2``: llama.cpp knows it by that name and splits it in code of its own
(``unicode_regex_split_custom_gpt2``), where other patterns fall back to ``std::regex``, which
recurses once per character. No normaliser, because llama.cpp applies none to byte-level BPE.

The control tokens hold ids 0-3 but no merge leads to them: they come only from the control
segments of a prompt. A person may write ``<|end|>`` in an entry; it stays ordinary text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from journal_app.contract.prompts import CONTROL_TOKENS, Segment, encode
from journal_app.contract.tasks import Task, verbaliser_tokens
from trainer.config import TrainerError

PRE = "gpt-2"
"""Name of the pre-tokeniser in ``tokenizer.ggml.pre``."""

PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What ``gpt-2`` means in llama.cpp; the last branch is in its code, not in its table."""

FORMAT = 1
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

    def save(self, path: Path) -> None:
        """Write the tokenizer to ``path`` in one step."""
        document = {
            "format": FORMAT,
            "pre": PRE,
            "tokens": self.tokens,
            "merges": [f"{left} {right}" for left, right in self.merges],
        }
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(document, ensure_ascii=False, indent=0) + "\n", "utf-8")
        part.replace(path)

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
