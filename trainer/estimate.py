"""Memory and time of a training run before it starts, from the sizes of the base alone.

Formulas, with N weights of which A learn, and T tokens in one pass:

- weights: 2 bytes each (4 in ``fp32`` and where all learn). ``qlora``: linear layers take 4 bits and the
  constants of blocks of 64, which are 32 bits each, or with double quantisation 8 bits and 32 for every 256
  of them: 0.5 and 0.127 bits a weight (Dettmers et al. 2023, section 3).
- what learns: 4 bytes weight, 4 gradient, 8 AdamW (2 in 8 bits; paged states may leave the GPU and are
  still counted), 2 for the 16-bit copy under autocast.
- activations: see :func:`activation_bytes`; with recomputation one layer's and every layer's input.
- logits: as many rows as :func:`trainer.causal.packing.rows_of_logits` holds at once.
- FLOPs a token: 2 N forward, 2 N for the gradient of activations, 2 A for that of weights, 2 N again with
  recomputation (Kaplan et al. 2020, section 2.1; attention's own part is added).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer import parallel
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.progress import Progress, clock_text
from trainer.sections import BaseShape

if TYPE_CHECKING:
    import torch

KNOBS = (
    'lower sft.batch (and raise sft.accumulate), lower sft.sequence, set sft.checkpointing = "on", '
    'or set adapter.method = "qlora"'
)
CUDA_GB = 0.7
"""CUDA's context with its libraries, and what fragments: 0.5-0.9 GB on cards of 2020-2024."""
CPU_SLACK = 1.5
"""On the CPU activations take this much more than they are: the C library gives little back (measured, 1.5-1.65)."""
PROCESS_GB = 0.55
"""Python with torch and transformers, resident."""
REFERENCE_GB = 10.0
"""The card that 3 B must fit: an RTX 3080."""
CARDS: Mapping[str, float] = {
    "H200": 989,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "A6000": 155,
    "A10": 125,
    "L4": 121,
    "T4": 65,
    "V100": 125,
    "5090": 209,
    "4090": 165,
    "4080": 97,
    "4070": 58,
    "3090": 71,
    "3080": 59.5,
    "3060": 25,
}
"""TFLOP/s of a card in 16 bits with 32-bit accumulation, dense, from its data sheet."""
MFU = {"full": 0.40, "lora": 0.38, "qlora": 0.28}
"""Share of it that training reaches; 4-bit weights are unpacked on the way."""
_GATED = ("llama", "qwen2", "qwen3", "phi3", "gemma3")


@dataclass(frozen=True, slots=True)
class Need:
    """What a run needs.

    Attributes:
        parameters, learned: weights of the model, and those that learn.
        parts: bytes by what they are for. total: their sum. checkpointing: whether activations are recomputed.
        flops_per_token: of one training step.
    """

    parameters: int
    learned: int
    parts: Mapping[str, float]
    checkpointing: bool
    flops_per_token: float

    @property
    def total(self) -> float:
        """Bytes in all."""
        return sum(self.parts.values())

    @property
    def gb(self) -> float:
        """Gigabytes (1e9) in all."""
        return self.total / 1e9


def shape_of(folder: Path) -> BaseShape:
    """Return the sizes in a folder's ``config.json``; raise :class:`TrainerError` if they are not there."""
    try:
        raw: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        raw = raw.get("text_config", raw)
        width = int(raw.get("hidden_size") or raw["d_model"])
        heads = int(raw.get("num_attention_heads") or raw["encoder_attention_heads"])
        return BaseShape(
            width=width,
            layers=int(raw.get("num_hidden_layers") or raw["encoder_layers"]),
            heads=heads,
            kv_heads=int(raw.get("num_key_value_heads") or heads),
            head_dim=int(raw.get("head_dim") or width // heads),
            ffn=int(raw.get("intermediate_size") or raw["encoder_ffn_dim"]),
            vocab=int(raw["vocab_size"]),
            tied=bool(raw.get("tie_word_embeddings", raw.get("model_type") in ("gemma3", "gemma3_text", "bart"))),
            decoder_layers=int(raw.get("decoder_layers") or 0),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise TrainerError(f"{folder}/config.json does not tell the sizes of the model") from error


def linear_shapes(shape: BaseShape, family: str) -> list[tuple[str, int, int]]:
    """Return (name, in, out) of every linear layer of one block, by the names of the family."""
    d, wide = shape.width, shape.heads * _head(shape)
    narrow = (shape.kv_heads or shape.heads) * _head(shape)
    if family == "phi3":
        return [
            ("qkv_proj", d, wide + 2 * narrow),
            ("o_proj", wide, d),
            ("gate_up_proj", d, 2 * shape.ffn),
            ("down_proj", shape.ffn, d),
        ]
    attention = [("q_proj", d, wide), ("k_proj", d, narrow), ("v_proj", d, narrow), ("o_proj", wide, d)]
    if family in _GATED:
        return [*attention, ("gate_proj", d, shape.ffn), ("up_proj", d, shape.ffn), ("down_proj", shape.ffn, d)]
    names = (
        ("query", "key", "value", "dense")
        if family in ("bert", "electra")
        else ("q_proj", "k_proj", "v_proj", "out_proj")
    )
    attention = [(name, d, d) for name in names]
    return [*attention, ("dense" if family in ("bert", "electra") else "fc1", d, shape.ffn), ("fc2", shape.ffn, d)]


def linear_weights(shape: BaseShape, family: str) -> int:
    """Return the weights of all linear layers inside the blocks."""
    block = sum(a * b for _, a, b in linear_shapes(shape, family))
    # A decoder's block of an encoder-decoder has a second attention.
    cross = sum(a * b for _, a, b in linear_shapes(shape, family)[:4])
    return shape.layers * block + shape.decoder_layers * (block + cross)


def other_weights(shape: BaseShape) -> int:
    """Return the weights of embedding, output and norms."""
    norms = (2 * shape.layers + 3 * shape.decoder_layers + 1) * shape.width
    return shape.vocab * shape.width * (1 if shape.tied or shape.decoder_layers else 2) + norms


def adapter_weights(shape: BaseShape, family: str, r: int, targets: tuple[str, ...]) -> int:
    """Return the weights of LoRA adapters of rank ``r``: r x (in + out) a layer that has one."""
    every = targets == ("all-linear",)
    block = sum(r * (a + b) for name, a, b in linear_shapes(shape, family) if every or name in targets)
    return (shape.layers + shape.decoder_layers) * block


def activation_bytes(shape: BaseShape, family: str, *, fp32: bool = False) -> float:
    """Return bytes that one layer keeps for one token until its way back, attention as one kernel.

    Counted from the graph of a block under 16-bit autocast: each of two norms keeps its input in 32 bits
    and its output in 16 (twice 8 d), the linear layers their inputs (2 d each for q/k/v and gate/up),
    queries and keys before and after rotation, values and the attention's output (2 (3 h + 3 k) bytes), and the
    gated layer gate, up, act(gate) and their product (8 f).
    """
    d, wide = shape.width, shape.heads * _head(shape)
    narrow = (shape.kv_heads or shape.heads) * _head(shape)
    gated = 4 if family in _GATED else 2
    words = 16 * d + 4 * d + 2 * (3 * wide + 3 * narrow) + 2 * gated * shape.ffn
    return words * (1.6 if fp32 else 1.0)


def need(
    recipe: Recipe, shape: BaseShape, *, checkpointing: bool, cuda: bool = True, base_bytes: float | None = None
) -> Need:
    """Return what fine-tuning ``recipe`` takes with a base of ``shape``, on one device.

    ``base_bytes``: bytes of a weight of the frozen base, if not 2 (4 in ``fp32``).
    """
    from trainer.causal.packing import rows_of_logits

    sft, adapter, family = recipe.sft, recipe.adapter, recipe.base.family
    fp32 = sft.precision == "fp32"
    linear, other = linear_weights(shape, family), other_weights(shape)
    full = adapter.method == "full"
    learned = linear + other if full else adapter_weights(shape, family, adapter.r, adapter.targets)
    plain = base_bytes or (4.0 if fp32 or full else 2.0)
    if adapter.method == "qlora":
        constants = (8 / 64 + 32 / (64 * 256)) if adapter.double_quant else 32 / 64
        weights = linear * (4 + constants) / 8 + other * plain
    else:
        weights = (linear + other) * plain
    state = 8.0 if sft.optimizer in ("adamw", "paged_adamw_32bit") or not cuda else 2.0
    copies = 0.0 if fp32 else 2.0
    tokens = sft.batch * sft.sequence
    layers = shape.layers + shape.decoder_layers
    layer = activation_bytes(shape, family, fp32=fp32) * tokens
    border = shape.width * (4 if fp32 else 2) * tokens
    # On the way back a recomputed layer holds its activations and about as much of gradients.
    activations = layers * border + 1.5 * layer if checkpointing else layers * layer
    activations *= 1.0 if cuda else CPU_SLACK
    rows = min(rows_of_logits(shape.vocab), tokens)
    logits = rows * shape.vocab * (8 if fp32 else 10)
    unpacked = 2.0 * max(a * b for _, a, b in linear_shapes(shape, family)) if adapter.method == "qlora" else 0.0
    body = linear + shape.width * shape.vocab * 0.5
    attention = 2 * 2 * 0.5 * sft.sequence * shape.heads * _head(shape) * layers
    # Gradients of activations are as dear as the way forward; those of weights only where they learn.
    passes = 2.0 + (1.0 if checkpointing else 0.0)
    flops = passes * (2 * body + attention) + 2.0 * (body if full else learned)
    return Need(
        parameters=linear + other,
        learned=learned,
        parts={
            "weights": weights,
            "adapters, gradients and optimizer" if not full else "gradients and optimizer": learned
            * ((0.0 if full else 4.0) + 4.0 + state + copies),
            "activations": activations,
            "logits": logits + unpacked,
            "CUDA" if cuda else "process": (CUDA_GB if cuda else PROCESS_GB) * 1e9,
        },
        checkpointing=checkpointing,
        flops_per_token=flops,
    )


def decide(recipe: Recipe, shape: BaseShape, room: float, *, cuda: bool) -> Need:
    """Return what is needed with recomputation as ``sft.checkpointing`` says; ``auto`` only where it must be.

    ``room`` in bytes.
    """
    wish = recipe.sft.checkpointing
    first = need(recipe, shape, checkpointing=wish == "on", cuda=cuda)
    if wish != "auto" or first.total <= room:
        return first
    return need(recipe, shape, checkpointing=True, cuda=cuda)


def check(recipe: Recipe, folder: Path, device: torch.device, progress: Progress) -> Need:
    """Return what the run needs on ``device``; raise :class:`TrainerError` when it can't fit."""
    cuda = device.type == "cuda"
    room = _free(device)
    found = decide(recipe, shape_of(folder), room, cuda=cuda)
    if parallel.sharded():
        # Weights and what learns are spread; a process still works on whole activations.
        spread = {name: value / parallel.world() for name, value in list(found.parts.items())[:2]}
        found = replace(found, parts={**found.parts, **spread})
    where = "GPU memory" if cuda else "memory"
    progress.say(f"estimate: {headline(recipe, found, where)} ({room / 1e9:.1f} GB free)")
    if found.total > room:
        raise TrainerError(
            f"this run needs about {found.gb:.1f} GB of {where} and {room / 1e9:.1f} GB are free; {KNOBS}"
        )
    return found


def headline(recipe: Recipe, found: Need, where: str = "GPU memory") -> str:
    """Return one line such as ``3.2 B, QLoRA: about 6.9 GB of GPU memory``."""
    size = found.parameters / 1e9
    named = f"{size:.1f} B" if size >= 0.95 else f"{found.parameters / 1e6:.3g} M"
    method = {"full": "all weights", "lora": "LoRA", "qlora": "QLoRA"}[recipe.adapter.method]
    return f"{named}, {method}: about {found.gb:.1f} GB of {where}"


def run(recipe: Recipe, paths: RunPaths, progress: Progress, options: argparse.Namespace) -> StageResult:
    """Print what the recipe's training takes; leave ``estimate.json``."""
    recipe = _tunable(recipe)
    shape = _shape(recipe, paths)
    card, here, speed = _card(options.gpu_gb)
    cuda = card is not None
    room = card * 1e9 if card is not None else _free(None)
    found = decide(recipe, shape, room, cuda=cuda)
    where = "GPU memory" if cuda else "memory"
    progress.say(f"{recipe.name}: {headline(recipe, found, where)}")
    for name, value in found.parts.items():
        progress.say(f"  {name}: {value / 1e9:.2f} GB")
    sft = recipe.sft
    recomputed = "recomputed" if found.checkpointing else "kept"
    progress.say(
        f"  {sft.batch} x {sft.sequence} tokens a pass, activations {recomputed}; {found.learned:,} weights learn"
    )
    fits = found.total <= room
    verdict = "fits" if fits else f"does not fit; {KNOBS}"
    progress.say(f"on {here} ({room / 1e9:.0f} GB): {verdict}")
    reference = decide(recipe, shape, REFERENCE_GB * 1e9, cuda=True)
    if not cuda:
        answer = "would fit" if reference.gb <= REFERENCE_GB else "would not fit"
        progress.say(f"on a {REFERENCE_GB:.0f} GB card: {answer} ({reference.gb:.1f} GB)")
    tokens, told = _tokens(recipe, paths)
    rate = speed * MFU[recipe.adapter.method] if cuda else speed
    seconds = tokens * found.flops_per_token / rate
    progress.say(f"time for {told}: about {clock_text(seconds)} at {rate / 1e12:.3g} TFLOP/s")
    result = {
        "parameters": found.parameters,
        "learned": found.learned,
        "gb": round(found.gb, 2),
        "parts_gb": {name: round(value / 1e9, 3) for name, value in found.parts.items()},
        "checkpointing": found.checkpointing,
        "fits": fits,
        "room_gb": round(room / 1e9, 1),
        "fits_10_gb_card": reference.gb <= REFERENCE_GB,
        "tokens": tokens,
        "seconds": round(seconds, 1),
        "flops_per_token": found.flops_per_token,
    }
    paths.out.mkdir(parents=True, exist_ok=True)
    out = paths.out / "estimate.json"
    out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return StageResult((out,), result)


def measured_flops(seconds: float = 0.3) -> float:
    """Return FLOP/s of this CPU in a 16-bit (or 32-bit, whichever is faster) matrix product, times 0.6.

    A block of a transformer reaches about 0.6 of a large product: norms and attention wait for memory.
    """
    import torch

    best = 0.0
    for kind in (torch.float32, torch.bfloat16):
        a, b = torch.ones(256, 1024, dtype=kind), torch.ones(1024, 1024, dtype=kind)
        torch.mm(a, b)
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds / 2:
            torch.mm(a, b)
            count += 1
        best = max(best, 2.0 * 256 * 1024 * 1024 * count / (time.perf_counter() - began))
    return 0.6 * best


def _head(shape: BaseShape) -> int:
    return shape.head_dim or shape.width // max(1, shape.heads)


def _tunable(recipe: Recipe) -> Recipe:
    if recipe.kind in ("encoder", "decoder"):
        raise TrainerError(
            f"estimate is for bases that are fine-tuned; a {recipe.kind} of this project trains on a laptop"
        )
    return recipe


def _shape(recipe: Recipe, paths: RunPaths) -> BaseShape:
    if recipe.base.model and (Path(recipe.base.model).expanduser() / "config.json").is_file():
        return shape_of(Path(recipe.base.model).expanduser())
    if recipe.base.shape.width:
        return recipe.base.shape
    from trainer.causal.base import locate

    return shape_of(locate(recipe.base, paths))


def _card(wanted: float | None) -> tuple[float | None, str, float]:
    """Return GB of the card, what it is, and FLOP/s; without one (None, ..., FLOP/s of the CPU)."""
    import torch

    if wanted is not None:
        return wanted, "the card", CARDS["3080"] * 1e12
    if not torch.cuda.is_available():
        return None, "this CPU", measured_flops()
    card = torch.cuda.get_device_properties(0)
    speed = next((value for name, value in CARDS.items() if name in card.name), CARDS["3080"])
    return card.total_memory / 1e9, card.name, speed * 1e12


def _free(device: torch.device | None) -> float:
    """Return bytes that are free on ``device``, of main memory for the CPU."""
    if device is not None and device.type == "cuda":
        import torch

        # The context is counted in the need and is already taken here.
        return float(torch.cuda.mem_get_info(device)[0]) + CUDA_GB * 1e9
    import psutil

    # What this process holds already is part of the need.
    return float(psutil.virtual_memory().available) + float(psutil.Process(os.getpid()).memory_info().rss)


def _tokens(recipe: Recipe, paths: RunPaths) -> tuple[int, str]:
    """Return how many tokens the run reads, and how that is known."""
    from trainer.records import read_examples

    sft = recipe.sft
    path = paths.prepared / "instructions-train.jsonl.gz"
    if not path.is_file():
        return 1_000_000, "1,000,000 tokens (run prepare to know how many there are)"
    rows = read_examples(path)
    letters = sum(len(row.input) + len(row.output) + len(row.instruction) + len(row.system) for row in rows)
    # Four letters a token, as byte-level BPEs take on English; two where most are not ASCII.
    each = 4.0 if recipe.base.tokenizer in ("byte-bpe", "spm") and recipe.languages == ("en",) else 2.5
    once = min(int(letters / each) + 16 * len(rows), sft.sequence * len(rows))
    tokens = int(once * sft.epochs)
    if sft.max_steps:
        tokens = min(tokens, sft.max_steps * sft.batch * sft.accumulate * sft.sequence)
    return tokens, f"{len(rows):,} examples, about {tokens:,} tokens"
