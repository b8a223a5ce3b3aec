"""A Hugging Face tokenizer as the metadata of a GGUF: tokens, kinds, merges or scores, and the pre-tokeniser's name.

llama.cpp splits text with code of its own, chosen by the name in ``tokenizer.ggml.pre``. A wrong name loads
and then silently tokenises otherwise than the model was trained, so the name is found by what the
``tokenizer.json`` really does, and a splitting that llama.cpp does not know is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf

from trainer.config import TrainerError

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace("{1,3}", "")
PRE_BY_PATTERN: dict[tuple[str, bool], str] = {
    (_GPT2, False): "gpt-2",
    (_LLAMA3, True): "llama-bpe",
    (_LLAMA3, False): "smaug-bpe",
    (_QWEN2, False): "qwen2",
}
"""Pattern of a ``Split`` before the byte level, and whether a word that is a token is taken whole without regard to
the merges -> llama.cpp's name (``src/llama-vocab.cpp``, which ties the two together)."""
_SPACE = "\u2581"
_NAMED_PHI3 = re.compile("phi(-?)3", re.IGNORECASE)
_KEEP_SPACES = frozenset({"<unk>", "<s>", "<|endoftext|>"})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer as llama.cpp wants it.

    Attributes:
        model: ``gpt2`` (byte-level BPE) or ``llama`` (SentencePiece). pre: name of the pre-tokeniser.
        tokens, kinds: in id order, padded to the rows of the embedding. scores: of SentencePiece.
        merges: of byte-level BPE. special: role (``bos``, ``eos``, ``pad``, ``unk``) -> id.
        space_prefix: whether a space is put before a text. chat_template: jinja, may be empty.
        strips: whether white space after a control token is dropped, as Phi-3 does.
    """

    model: str
    pre: str
    tokens: list[str]
    kinds: list[int]
    scores: list[float]
    merges: list[str]
    special: dict[str, int]
    space_prefix: bool
    chat_template: str
    strips: bool = False

    def model_name(self, name: str) -> str:
        """Return ``name`` as ``general.name`` may hold it.

        llama.cpp drops white space after the control tokens of a model whose name holds ``phi-3`` or ``phi3``, and
        of no other (``src/llama-vocab.cpp``, at the end of the loading): the name is part of the tokenizer.
        """
        if self.strips:
            return name if _NAMED_PHI3.search(name) else f"Phi-3 {name}"
        return _NAMED_PHI3.sub("phi 3", name)

    def add_to(self, writer: gguf.GGUFWriter) -> None:
        """Put everything into ``writer``."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.kinds)
        if self.scores:
            writer.add_token_scores(self.scores)
        if self.merges:
            writer.add_token_merges(self.merges)
        for role, number in self.special.items():
            getattr(writer, f"add_{role}_token_id")(number)
        # A prompt brings its own first and last token, in its template's control strings.
        writer.add_add_bos_token(False)
        writer.add_add_eos_token(False)
        writer.add_add_space_prefix(self.space_prefix)
        if self.chat_template:
            writer.add_chat_template(self.chat_template)


def read_vocabulary(folder: Path, rows: int) -> Vocabulary:
    """Return the tokenizer of ``folder`` for a model whose embedding has ``rows`` rows.

    Raises :class:`TrainerError` for a missing or slow tokenizer, a splitting that llama.cpp does not know, or
    more tokens than rows.
    """
    path = folder / "tokenizer.json"
    try:
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TrainerError(f"no tokenizer.json in {folder}: convert the tokenizer to a fast one first") from error
    except ValueError as error:
        raise TrainerError(f"{path} is not valid JSON") from error
    model = raw.get("model", {})
    if model.get("type") != "BPE":
        raise TrainerError(f"a tokenizer of type {model.get('type')} has no place in a GGUF of a language model")
    added = {int(token["id"]): token for token in raw.get("added_tokens", ())}
    vocab = {int(number): str(token) for token, number in model["vocab"].items()}
    size = max([*vocab, *added]) + 1
    if size > rows:
        raise TrainerError(f"the tokenizer has {size} tokens, the model {rows} rows: they do not belong together")
    sentencepiece = bool(model.get("byte_fallback"))
    tokens, kinds = [], []
    for number in range(rows):
        token, kind = _token(number, vocab, added, str(model.get("unk_token") or ""), sentencepiece)
        tokens.append(token)
        kinds.append(int(kind))
    special = _special(folder, {token: number for number, token in enumerate(tokens)})
    strips = _strips(added.values(), folder)
    if sentencepiece:
        scores = _scores(tokens, kinds, model.get("merges", ()))
        template = _chat_template(folder)
        return Vocabulary("llama", "default", tokens, kinds, scores, [], special, _puts_space(raw), template, strips)
    merges = [_merge(pair) for pair in model.get("merges", ())]
    template = _chat_template(folder)
    return Vocabulary("gpt2", _pre(raw, folder), tokens, kinds, [], merges, special, False, template, strips)


def _scores(tokens: list[str], kinds: list[int], merges: Iterable[Any]) -> list[float]:
    """Return SentencePiece's scores: the piece whose merge comes first has the best.

    Numbers would do for a vocabulary as it was trained, but tokens that were added later (Korean ones, to a Llama)
    need not stand in the order of their merges.
    """
    ranks: dict[str, int] = {}
    for rank, pair in enumerate(merges):
        left, right = pair.split(" ", 1) if isinstance(pair, str) else pair
        ranks.setdefault(left + right, rank)
    # Several ways to make one piece stand side by side; what counts is the order of the pieces.
    order = {piece: number for number, piece in enumerate(ranks)}
    return [
        -float(order.get(token, len(order) + number)) if kind == gguf.TokenType.NORMAL else 0.0
        for number, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
    ]


def _strips(added: Iterable[dict[str, Any]], folder: Path) -> bool:
    """Tell whether control tokens drop the white space after them; raise for what llama.cpp cannot do."""
    tokens = [token for token in added if token.get("special") and token["content"] != "<mask>"]
    right = {token["content"] for token in tokens if token.get("rstrip")}
    names = {token["content"] for token in tokens}
    # llama.cpp takes it for granted that these four exist, and does not load the file otherwise.
    phi3 = right == names - _KEEP_SPACES and names >= _KEEP_SPACES | {"</s>"}
    if any(token.get("lstrip") for token in tokens) or (right and not phi3):
        raise TrainerError(
            f"some control tokens of the tokenizer in {folder} drop the spaces around them, which llama.cpp does "
            "for Phi-3's alone"
        )
    return bool(right)


def _token(
    number: int, vocab: dict[int, str], added: dict[int, Any], unknown: str, sentencepiece: bool
) -> tuple[str, gguf.TokenType]:
    if number in added:
        token = str(added[number]["content"])
        if sentencepiece and token == unknown:
            return token, gguf.TokenType.UNKNOWN
        if added[number].get("special"):
            return token, gguf.TokenType.CONTROL
        # llama.cpp looks for these before it puts U+2581 in the place of spaces.
        return token.replace(_SPACE, " ") if sentencepiece else token, gguf.TokenType.USER_DEFINED
    if number not in vocab:
        return f"[PAD{number}]", gguf.TokenType.UNUSED
    token = vocab[number]
    if sentencepiece and token == unknown:
        return token, gguf.TokenType.UNKNOWN
    if sentencepiece and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return token, gguf.TokenType.BYTE
    return token, gguf.TokenType.NORMAL


def _merge(pair: Any) -> str:
    left, right = pair.split(" ", 1) if isinstance(pair, str) else pair
    # A space inside a merge is written as its byte-level sign, since a space parts the two.
    return f"{left.replace(' ', 'Ġ')} {right.replace(' ', 'Ġ')}"


def _steps(part: Any) -> list[dict[str, Any]]:
    if not part:
        return []
    inner = part.get("pretokenizers") or part.get("normalizers")
    return [step for item in inner for step in _steps(item)] if inner is not None else [part]


def _pre(raw: dict[str, Any], folder: Path) -> str:
    steps = _steps(raw.get("pre_tokenizer"))
    whole = bool(raw["model"].get("ignore_merges"))
    kinds = [step["type"] for step in steps]
    if kinds == ["Split", "ByteLevel"]:
        pattern = steps[0].get("pattern", {}).get("Regex", "")
        name = PRE_BY_PATTERN.get((pattern, whole))
        if name is not None and steps[0].get("behavior") == "Isolated" and not steps[1].get("use_regex", True):
            return name
    elif whole:
        pass
    elif kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and steps[1].get("use_regex", True):
        return "smollm"
    elif kinds == ["ByteLevel"] and steps[0].get("use_regex", True) and not steps[0].get("add_prefix_space"):
        return "gpt-2"
    raise TrainerError(
        f"llama.cpp has no pre-tokeniser that splits text as the tokenizer in {folder} does ({' + '.join(kinds)}); "
        "known are those of GPT-2, Llama 3, Qwen 2 and SmolLM"
    )


def _puts_space(raw: dict[str, Any]) -> bool:
    prepends = any(
        step["type"] == "Prepend" and step.get("prepend") == _SPACE for step in _steps(raw.get("normalizer"))
    )
    scheme = [
        step.get("prepend_scheme", "always") for step in _steps(raw.get("pre_tokenizer")) if step["type"] == "Metaspace"
    ]
    return prepends or any(name != "never" for name in scheme)


def _special(folder: Path, ids: dict[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        try:
            raw = json.loads((folder / name).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        for role in ("bos", "eos", "pad", "unk"):
            value = raw.get(f"{role}_token")
            content = value.get("content") if isinstance(value, dict) else value
            if isinstance(content, str) and content in ids:
                found[role] = ids[content]
    return found


def _chat_template(folder: Path) -> str:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text("utf-8")
    try:
        value = json.loads((folder / "tokenizer_config.json").read_text("utf-8")).get("chat_template")
    except (OSError, ValueError):
        return ""
    if isinstance(value, list):
        value = next((item.get("template") for item in value if item.get("name") == "default"), None)
    return value if isinstance(value, str) else ""
