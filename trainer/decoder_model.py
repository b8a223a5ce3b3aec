"""The decoder trained here: a small Llama in plain PyTorch, and its file.

Pre-norm blocks with RMSNorm, rotary positions, grouped-query attention and SwiGLU; input and
output embeddings are one matrix. The graph is llama.cpp's ``llama`` to the letter, so that
``trainer.gguf_llama`` only renames and permutes. Needs torch and nothing else, so that this
module and ``trainer.pretrain`` run from source on a bare machine with a GPU.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IGNORE = -100
"""Target of a position that takes no part in the loss."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a decoder.

    Attributes:
        vocab: ids. context: longest sequence in tokens. width: of the residual stream; a multiple
            of 256 where k-quants are wanted, of 32 for any quantisation. layers: blocks.
        heads, kv_heads: query heads and the key/value heads they share. ffn: inner width.
        rope_theta: base of the rotary frequencies. norm_eps: of RMSNorm.
    """

    vocab: int
    context: int = 1024
    width: int = 256
    layers: int = 8
    heads: int = 4
    kv_heads: int = 2
    ffn: int = 768
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.width % self.heads or self.heads % self.kv_heads or self.head_width % 2:
            raise ValueError("width must divide into heads of even width, and heads into kv_heads")

    @property
    def head_width(self) -> int:
        """Width of one head."""
        return self.width // self.heads


class Rotary(nn.Module):
    """Rotary positions in the half-split layout: element i turns with element i + width / 2."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        half = torch.arange(0, shape.head_width, 2, dtype=torch.float32) / shape.head_width
        angles = torch.outer(torch.arange(shape.context, dtype=torch.float32), shape.rope_theta**-half)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        self.cos: Tensor
        self.sin: Tensor

    def forward(self, x: Tensor, positions: Tensor | None) -> Tensor:
        """Turn ``x`` [batch, heads, time, head width] by its positions [batch, time] or 0, 1, ..."""
        if positions is None:
            cos, sin = self.cos[: x.shape[2]], self.sin[: x.shape[2]]
        else:
            cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        first, second = x.float().chunk(2, dim=-1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x.dtype)


class Block(nn.Module):
    """One layer: attention, then SwiGLU, each on the normalised residual stream."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        kv_width = shape.kv_heads * shape.head_width
        self.attn_norm = nn.RMSNorm(shape.width, eps=shape.norm_eps)
        self.q = nn.Linear(shape.width, shape.width, bias=False)
        self.k = nn.Linear(shape.width, kv_width, bias=False)
        self.v = nn.Linear(shape.width, kv_width, bias=False)
        self.o = nn.Linear(shape.width, shape.width, bias=False)
        self.ffn_norm = nn.RMSNorm(shape.width, eps=shape.norm_eps)
        self.gate = nn.Linear(shape.width, shape.ffn, bias=False)
        self.up = nn.Linear(shape.width, shape.ffn, bias=False)
        self.down = nn.Linear(shape.ffn, shape.width, bias=False)

    def forward(self, x: Tensor, rotary: Rotary, positions: Tensor | None, mask: Tensor | None) -> Tensor:
        """Return the residual stream [batch, time, width] after this layer."""
        normed = self.attn_norm(x)
        q = rotary(self._split(self.q(normed)), positions)
        k = rotary(self._split(self.k(normed)), positions)
        v = self._split(self.v(normed))
        # Repeated by hand: the fused kernels that take a mask do not all take grouped heads.
        group = self.shape.heads // self.shape.kv_heads
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self._drop(self.o(mixed.transpose(1, 2).flatten(2)))
        normed = self.ffn_norm(x)
        return x + self._drop(self.down(F.silu(self.gate(normed)) * self.up(normed)))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.shape.head_width)).transpose(1, 2)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class Decoder(nn.Module):
    """Next-token model over ``shape.vocab`` ids."""

    def __init__(self, shape: Shape, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab, shape.width)
        self.rotary = Rotary(shape)
        self.blocks = nn.ModuleList(Block(shape, dropout) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.norm_eps)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                # GPT-2's initialisation: what is added to the residual stream shrinks with depth.
                depth = math.sqrt(2 * shape.layers) if name.endswith(("o.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=0.02 / depth)

    def forward(self, ids: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Return the normalised last states [batch, time, width].

        ``mask`` is boolean [batch, 1, time, time], true where a position may look; None is causal.
        """
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, self.rotary, positions, mask)
        return self.norm(x)

    def logits(self, states: Tensor) -> Tensor:
        """Return the logits [..., vocab] of ``states`` [..., width]."""
        return F.linear(states, self.embedding.weight)

    def loss(self, ids: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the mean next-token loss in nats over the targets that are not :data:`IGNORE`."""
        logits = self.logits(self(ids, mask=mask))
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORE)

    def parameters_count(self) -> int:
        """Return the number of weights; the shared embedding counts once."""
        return sum(weight.numel() for weight in self.parameters())


def decay_groups(model: Decoder) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the weights that decay (matrices) and those that must not (embedding, norms)."""
    matrices = [w for name, w in model.named_parameters() if w.ndim == 2 and not name.startswith("embedding")]
    others = [w for name, w in model.named_parameters() if w.ndim < 2 or name.startswith("embedding")]
    return matrices, others


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write a torch file so that a crash leaves the old one or the new one, never half of either."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def save_model(model: Decoder, path: Path) -> None:
    """Write shape and weights to ``path``."""
    save_atomically({"shape": asdict(model.shape), "weights": model.state_dict()}, path)


def load_model(path: Path, *, dropout: float = 0.0) -> Decoder:
    """Read a model back; raise ``ValueError`` if the file is not one of ours."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        model = Decoder(Shape(**state["shape"]), dropout=dropout)
        model.load_state_dict(state["weights"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path.name}: not a decoder of this trainer") from error
    return model
