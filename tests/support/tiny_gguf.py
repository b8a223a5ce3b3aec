"""Tiny random GGUFs that follow the contract, so that llama.cpp itself runs in the tests.

Weights are random but seeded; nothing here was trained. Needs the ``gguf`` package.
"""

from __future__ import annotations

import array
import string
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np

from journal_app.contract import prompts
from journal_app.contract.manifest import (
    HEADS_KEY,
    MANIFEST_KEY,
    NGRAMS_KEY,
    BandRule,
    Calibration,
    Head,
    Manifest,
    heads_to_json,
)
from journal_app.contract.tasks import TASKS, verbaliser_tokens
from journal_app.inference.wordpiece import to_gguf

WIDTH, LAYERS, HEADS, FEED = 64, 2, 2, 128
POSITIONS = 128
CONTROL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORDS = (
    "the and was i am not sad happy tired work today my mother it is a day quiet cold home feel alone late again rain "
    "cls sep mask ##ing ##ed ##ly ##s ##ness"
)
_MARKS = list(string.punctuation + "…’“”。、！？")

Weights = dict[str, np.ndarray]


def vocabulary() -> list[str]:
    """Return word pieces: every ASCII letter, digit and mark, a few words, Hangul jamo."""
    letters = string.ascii_lowercase + string.digits
    jamo = [chr(c) for c in (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3))]
    pieces = [*CONTROL_PIECES, *letters, *jamo, *_MARKS]
    return list(dict.fromkeys([*pieces, *(f"##{c}" for c in (*letters, *jamo)), *_WORDS.split()]))


def encoder_manifest() -> Manifest:
    """Return a manifest with every task but ``themes`` and a calibration that changes something."""
    tasks = {task.name: task.labels for task in TASKS.values() if task.name != "themes"}
    calibration = {name: Calibration((0.5,), (0.25,) + (0.0,) * (len(labels) - 1)) for name, labels in tasks.items()}
    calibration["feelings"] = Calibration((0.5,) * 16, (0.1,) * 16)
    return Manifest(
        name="tiny-encoder",
        kind="encoder",
        tasks=tasks,
        calibration=calibration,
        bands={"stress": BandRule(0.3, 0.7), "low_mood": BandRule(0.3, 0.7)},
        crisis_threshold=0.9,
        languages=("en",),
        max_tokens=64,
    )


def encoder_weights(seed: int = 0) -> Weights:
    """Return random float32 tensors of a BERT by GGUF name."""
    rng = np.random.default_rng(seed)
    size = len(vocabulary())

    def normal(*shape: int, scale: float = 0.1) -> np.ndarray:
        return rng.normal(0.0, scale, shape).astype(np.float32)

    weights: Weights = {
        "token_embd.weight": normal(size, WIDTH, scale=0.5),
        "position_embd.weight": normal(POSITIONS, WIDTH, scale=0.2),
        "token_types.weight": normal(2, WIDTH),
        "token_embd_norm.weight": 1 + normal(WIDTH),
        "token_embd_norm.bias": normal(WIDTH),
    }
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights[f"blk.{layer}.{name}.weight"] = normal(WIDTH, WIDTH, scale=0.2)
            weights[f"blk.{layer}.{name}.bias"] = normal(WIDTH)
        for name in ("attn_output_norm", "layer_output_norm"):
            weights[f"blk.{layer}.{name}.weight"] = 1 + normal(WIDTH)
            weights[f"blk.{layer}.{name}.bias"] = normal(WIDTH)
        weights[f"blk.{layer}.ffn_up.weight"] = normal(FEED, WIDTH, scale=0.2)
        weights[f"blk.{layer}.ffn_up.bias"] = normal(FEED)
        weights[f"blk.{layer}.ffn_down.weight"] = normal(WIDTH, FEED, scale=0.2)
        weights[f"blk.{layer}.ffn_down.bias"] = normal(WIDTH)
    return weights


def encoder_heads(manifest: Manifest, seed: int = 1) -> dict[str, Head]:
    """Return random heads over the width of the tiny encoder."""
    rng = np.random.default_rng(seed)
    return {
        name: Head(
            array.array("f", rng.normal(0, 0.5, len(labels) * WIDTH).tolist()),
            array.array("f", rng.normal(0, 0.5, len(labels)).tolist()),
        )
        for name, labels in manifest.tasks.items()
    }


def write_encoder(
    path: Path,
    *,
    manifest: Manifest | str | None = None,
    heads: dict[str, Head] | str | None = None,
    ngrams: str = "",
    change: Callable[[Weights], None] | None = None,
) -> Path:
    """Write a tiny ``bert`` GGUF. A string for ``manifest`` or ``heads`` is written as it is; "" leaves it out."""
    manifest = encoder_manifest() if manifest is None else manifest
    if heads is None:
        heads = encoder_heads(manifest if isinstance(manifest, Manifest) else encoder_manifest())
    pieces = vocabulary()
    control = [piece in CONTROL_PIECES for piece in pieces]
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(0)
    writer.add_tokenizer_model("bert")
    writer.add_token_type_count(2)
    writer.add_token_list(to_gguf(pieces, control))
    writer.add_token_types([gguf.TokenType.CONTROL if c else gguf.TokenType.NORMAL for c in control])
    writer.add_bos_token_id(pieces.index("[CLS]"))
    writer.add_sep_token_id(pieces.index("[SEP]"))
    writer.add_pad_token_id(pieces.index("[PAD]"))
    writer.add_unk_token_id(pieces.index("[UNK]"))
    _describe(writer, manifest, heads)
    if ngrams:
        writer.add_string(NGRAMS_KEY, ngrams)
    weights = encoder_weights()
    if change is not None:
        change(weights)
    return _finish(writer, weights, path)


def decoder_manifest() -> Manifest:
    """Return a manifest with every task, read by label tokens."""
    return Manifest(
        name="tiny-decoder",
        kind="decoder",
        tasks={task.name: task.labels for task in TASKS.values()},
        languages=("en", "ko"),
        template="quietpage",
        max_tokens=1024,
    )


def write_decoder(
    path: Path,
    *,
    manifest: Manifest | None = None,
    verbalisers: Sequence[str] | None = None,
    context: int = 1024,
    control_type: gguf.TokenType = gguf.TokenType.CONTROL,
    user_defined: Sequence[str] = (),
) -> Path:
    """Write a tiny ``llama`` GGUF with a byte-level vocabulary that holds ``verbalisers`` as tokens."""
    manifest = decoder_manifest() if manifest is None else manifest
    alphabet = _byte_alphabet()
    tokens = [*prompts.CONTROL_TOKENS, *(alphabet[b] for b in range(256))]
    merges: list[str] = []
    for word in verbaliser_tokens() if verbalisers is None else verbalisers:
        # Grown from the left, one letter at a time: no merge can start in the middle of a word.
        symbols = [alphabet[b] for b in word.encode()]
        left = symbols[0]
        for right in symbols[1:]:
            if left + right not in tokens:
                tokens.append(left + right)
                merges.append(f"{left} {right}")
            left += right
    types = [control_type if i < len(prompts.CONTROL_TOKENS) else gguf.TokenType.NORMAL for i in range(len(tokens))]
    tokens += user_defined
    types += [gguf.TokenType.USER_DEFINED] * len(user_defined)
    rng = np.random.default_rng(2)

    def normal(*shape: int, scale: float = 0.2) -> np.ndarray:
        return rng.normal(0.0, scale, shape).astype(np.float32)

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_pad_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(3)
    _describe(writer, manifest, "")
    half = WIDTH // HEADS
    weights: Weights = {
        "token_embd.weight": normal(len(tokens), WIDTH, scale=0.5),
        "output_norm.weight": 1 + normal(WIDTH),
    }
    for layer in range(LAYERS):
        weights |= {
            f"blk.{layer}.attn_norm.weight": 1 + normal(WIDTH),
            f"blk.{layer}.attn_q.weight": normal(WIDTH, WIDTH),
            f"blk.{layer}.attn_k.weight": normal(half, WIDTH),
            f"blk.{layer}.attn_v.weight": normal(half, WIDTH),
            f"blk.{layer}.attn_output.weight": normal(WIDTH, WIDTH),
            f"blk.{layer}.ffn_norm.weight": 1 + normal(WIDTH),
            f"blk.{layer}.ffn_gate.weight": normal(FEED, WIDTH),
            f"blk.{layer}.ffn_up.weight": normal(FEED, WIDTH),
            f"blk.{layer}.ffn_down.weight": normal(WIDTH, FEED),
        }
    return _finish(writer, weights, path)


def only(manifest: Manifest, *tasks: str) -> Manifest:
    """Return ``manifest`` reduced to ``tasks``."""
    return replace(
        manifest,
        tasks={name: manifest.tasks[name] for name in tasks},
        calibration={name: c for name, c in manifest.calibration.items() if name in tasks},
    )


def _describe(writer: gguf.GGUFWriter, manifest: Manifest | str, heads: dict[str, Head] | str) -> None:
    described = manifest.to_json() if isinstance(manifest, Manifest) else manifest
    packed = heads if isinstance(heads, str) else heads_to_json(heads)
    if described:
        writer.add_string(MANIFEST_KEY, described)
    if packed:
        writer.add_string(HEADS_KEY, packed)


def _finish(writer: gguf.GGUFWriter, weights: Weights, path: Path) -> Path:
    for name, values in weights.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _byte_alphabet() -> dict[int, str]:
    """Return GPT-2's printable stand-in for each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(others)}}
