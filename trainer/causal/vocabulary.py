"""A Hugging Face tokenizer as the metadata of a GGUF: tokens, kinds, merges or scores, and the pre-tokeniser's name.

llama.cpp splits text with code of its own, chosen by the name in ``tokenizer.ggml.pre``. A wrong name loads
and then silently tokenises otherwise than the model was trained, so the name is found by what the
``tokenizer.json`` really does, and a splitting that llama.cpp does not know is refused.
"""

from __future__ import annotations

import json
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
PRE_BY_PATTERN: dict[str, str] = {_GPT2: "gpt-2", _LLAMA3: "llama-bpe", _QWEN2: "qwen2"}
"""Pattern of a ``Split`` before the byte level -> llama.cpp's name (``src/llama-vocab.cpp``)."""
_SPACE = "\u2581"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer as llama.cpp wants it.

    Attributes:
        model: ``gpt2`` (byte-level BPE) or ``llama`` (SentencePiece). pre: name of the pre-tokeniser.
        tokens, kinds: in id order, padded to the rows of the embedding. scores: of SentencePiece.
        merges: of byte-level BPE. special: role (``bos``, ``eos``, ``pad``, ``unk``) -> id.
        space_prefix: whether a space is put before a text. chat_template: jinja, may be empty.
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
    if sentencepiece:
        # The pieces of a SentencePiece BPE are numbered in the order in which they were merged, and their score is
        # the negative of that order: the best score is the merge that comes first.
        scores = [0.0 if kind != gguf.TokenType.NORMAL else -float(number) for number, kind in enumerate(kinds)]
        return Vocabulary(
            "llama", "default", tokens, kinds, scores, [], special, _puts_space(raw), _chat_template(folder)
        )
    merges = [_merge(pair) for pair in model.get("merges", ())]
    return Vocabulary("gpt2", _pre(raw, folder), tokens, kinds, [], merges, special, False, _chat_template(folder))


def _token(
    number: int, vocab: dict[int, str], added: dict[int, Any], unknown: str, sentencepiece: bool
) -> tuple[str, gguf.TokenType]:
    if number in added:
        token = str(added[number]["content"])
        if sentencepiece and token == unknown:
            return token, gguf.TokenType.UNKNOWN
        return token, gguf.TokenType.CONTROL if added[number].get("special") else gguf.TokenType.USER_DEFINED
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
    kinds = [step["type"] for step in steps]
    if kinds == ["Split", "ByteLevel"]:
        pattern = steps[0].get("pattern", {}).get("Regex", "")
        name = PRE_BY_PATTERN.get(pattern)
        if name is not None and steps[0].get("behavior") == "Isolated" and not steps[1].get("use_regex", True):
            return name
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
