"""From encoded examples to batches without padding, and the loss at the positions that carry one.

The examples of a batch lie end to end in one row; each attends to itself alone and its positions
start at 0, so a batch computes what its examples would compute one by one, without a padded token.
With ``packing`` the examples of an epoch are sorted into bins of at most ``sequence`` tokens (best
fit, decreasing); a batch is then some full bins instead of some examples. Hidden states are gathered
before the output layer, so that a vocabulary of 128k costs nothing for the prompt.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from trainer.causal.shapes import Encoded

ATTENTION = "quietpage_packed"
"""Name under which :func:`packed_attention` is known to transformers."""
END_WEIGHT = 0.1
"""Weight of the token after a label: the engine never asks for it, it only keeps the turn whole."""
LOGITS = 2**25
"""Logits that are held at once; in 32 bits they take 134 MB."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples end to end.

    Attributes:
        ids, positions: [1, tokens]. lengths: tokens of each example, in order.
        spots: [answers] positions whose next token is learned, targets: [answers] that token, weights: [answers].
        asked: of multi-label questions: (positions [n], label ids [labels], targets [n, labels] of 1, 0 or -1).
        weight: sum of all weights; the loss of a batch is a sum, to be divided by that of its step.
        longest: most tokens of one example.
    """

    ids: Tensor
    positions: Tensor
    lengths: tuple[int, ...]
    spots: Tensor
    targets: Tensor
    weights: Tensor
    asked: tuple[tuple[Tensor, Tensor, Tensor], ...]
    weight: float

    @property
    def longest(self) -> int:
        """Most tokens of one example."""
        return max(self.lengths)

    @property
    def tokens(self) -> int:
        """Tokens in all; every one is of an example."""
        return self.ids.shape[1]

    def to(self, device: torch.device) -> Batch:
        """Return the batch on ``device``."""
        if device.type == "cpu":
            return self
        asked = tuple((a.to(device), b.to(device), c.to(device)) for a, b, c in self.asked)
        moved = (self.ids.to(device), self.positions.to(device), self.lengths, self.spots.to(device))
        return Batch(*moved, self.targets.to(device), self.weights.to(device), asked, self.weight)


def rows_of_logits(vocab: int) -> int:
    """Return how many positions are taken through the output layer at once."""
    return max(64, LOGITS // vocab)


def weight_of(example: Encoded, completion_only: bool) -> float:
    """Return how much an example weighs in the mean over a step: the sum of its positions' weights."""
    if example.targets:
        return 1.0
    if example.choices:
        return 1.0 + END_WEIGHT
    return float(len(example.ids) - (example.start if completion_only else 1))


def lay_out(examples: Sequence[Encoded], *, completion_only: bool = True) -> Batch:
    """Return ``examples`` as one batch; without ``completion_only`` every token but the first is learned.

    Questions of the contract learn their label alone in either case.
    """
    ids: list[int] = []
    positions: list[int] = []
    spots: list[int] = []
    weights: list[float] = []
    asked: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
    # Longest first: attention is then computed in few groups of like lengths.
    examples = sorted(examples, key=lambda example: -len(example.ids))
    for example in examples:
        base = len(ids)
        ids += example.ids
        positions += range(len(example.ids))
        if example.targets:
            asked.setdefault(example.choices, []).append((base + len(example.ids) - 1, example.targets))
            continue
        start = example.start if completion_only or example.choices else 1
        spots += range(base + start - 1, base + len(example.ids) - 1)
        count = len(example.ids) - start
        weights += [1.0, *[END_WEIGHT] * (count - 1)] if example.choices else [1.0] * count
    row = torch.tensor(ids)
    spot = torch.tensor(spots, dtype=torch.long)
    groups = tuple(
        (torch.tensor([p for p, _ in rows]), torch.tensor(choices), torch.tensor([t for _, t in rows]))
        for choices, rows in asked.items()
    )
    return Batch(
        ids=row[None],
        positions=torch.tensor(positions)[None],
        lengths=tuple(len(example.ids) for example in examples),
        spots=spot,
        targets=row[spot + 1],
        weights=torch.tensor(weights, dtype=torch.float32),
        asked=groups,
        weight=sum(weight_of(example, completion_only) for example in examples),
    )


# -- which examples come together ---------------------------------------------------------------------------------


def bins(lengths: Sequence[int], room: int, seed: int) -> list[list[int]]:
    """Return the examples of an epoch in bins of at most ``room`` tokens, best fit decreasing.

    Examples of one length change places by ``seed``. One that is longer than ``room`` has a bin of its own.
    """
    order = np.random.default_rng(seed).permutation(len(lengths))
    order = order[np.argsort([-lengths[i] for i in order], kind="stable")]
    # By room left: bins with exactly that room. Room is a small integer, so the sorted list of rooms is short.
    rooms: list[int] = []
    open_bins: dict[int, list[list[int]]] = {}
    every: list[list[int]] = []
    for number in order.tolist():
        length = lengths[number]
        place = bisect.bisect_left(rooms, length)
        if place == len(rooms):
            target: list[int] = []
            every.append(target)
            left = room - length
        else:
            found = rooms[place]
            target = open_bins[found].pop()
            if not open_bins[found]:
                del open_bins[found], rooms[place]
            left = found - length
        target.append(number)
        if left > 0:
            if left not in open_bins:
                bisect.insort(rooms, left)
                open_bins[left] = []
            open_bins[left].append(target)
    return every


class Plan:
    """Which examples are in which step, the same for the same seed whatever the number of processes.

    A unit is a bin (packing) or an example. A step takes ``batch * accumulate * world`` units; process
    ``rank`` takes every ``world``-th group of ``batch``.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        batch: int,
        accumulate: int,
        world: int = 1,
        sequence: int,
        packing: bool,
        epochs: float = 1.0,
        max_steps: int = 0,
        seed: int = 0,
    ) -> None:
        """Lay the epochs out over ``lengths`` (tokens of each example)."""
        self._seed, self._batch, self._world = seed, batch, world
        self._lengths = lengths
        self._packed = packing
        self.units = bins(lengths, sequence, seed) if packing else [[i] for i in range(len(lengths))]
        self._size = batch * accumulate * world
        self.steps_per_epoch = max(1, math.ceil(len(self.units) / self._size))
        self.steps = max_steps or max(1, math.ceil(self.steps_per_epoch * epochs))
        self._epoch: tuple[int, list[list[int]]] = (-1, [])

    def step(self, number: int) -> list[list[int]]:
        """Return the groups of step ``number`` (from 0), each the examples of one pass; they are ordered
        so that group i belongs to process i modulo ``world``."""
        epoch, place = divmod(number, self.steps_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._order(epoch))
        units = self._epoch[1][place]
        return [
            [example for unit in units[i : i + self._batch] for example in self.units[unit]]
            for i in range(0, len(units), self._batch)
        ]

    def mine(self, number: int, rank: int) -> list[list[int]]:
        """Return the groups of process ``rank``; one may be empty, so that every process has as many."""
        groups = self.step(number)
        groups += [[] for _ in range(-len(groups) % self._world)]
        return groups[rank :: self._world]

    def _order(self, epoch: int) -> list[list[int]]:
        random = np.random.default_rng((self._seed, epoch))
        order = random.permutation(len(self.units))
        if not self._packed:
            # Neighbours of like length, inside windows of 16 steps: processes then take equally long.
            window = 16 * self._size
            parts = [order[i : i + window] for i in range(0, len(order), window)]
            order = np.concatenate(
                [part[np.argsort([self._lengths[i] for i in part], kind="stable")] for part in parts]
            )
        steps = [order[i : i + self._size].tolist() for i in range(0, len(order), self._size)]
        if not self._packed:
            random.shuffle(steps)  # type: ignore[arg-type]  # a list is a sequence that can be shuffled
        return steps


# -- attention inside a batch -------------------------------------------------------------------------------------


def register() -> str:
    """Make :func:`packed_attention` known to transformers; return its name there."""
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, packed_attention)
    return ATTENTION


def attention_arguments(batch: Batch, name: str) -> dict[str, Any]:
    """Return what a model's ``forward`` takes so that examples of ``batch`` don't see each other.

    ``sdpa`` and ``eager`` find the borders in the positions and build a dense mask.
    """
    if name == ATTENTION:
        return {"segments": batch.lengths}
    if name.startswith("flash"):
        ends = torch.tensor((0, *batch.lengths), dtype=torch.int32, device=batch.ids.device).cumsum(
            0, dtype=torch.int32
        )
        return {
            "cu_seq_lens_q": ends,
            "cu_seq_lens_k": ends,
            "max_length_q": batch.longest,
            "max_length_k": batch.longest,
        }
    return {}


def packed_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    segments: tuple[int, ...] | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend inside each of ``segments`` (their lengths, summing to the tokens), causally.

    Args:
        query: [1, heads, tokens, head width]; key, value: [1, key heads, tokens, head width].
        sliding_window: tokens that a token sees, itself included; None for all before it.

    Returns [1, tokens, heads, head width]. Without ``segments`` it is plain causal attention with whatever
    mask transformers gives, for generation.
    """
    grouped = query.shape[1] != key.shape[1]
    options: dict[str, Any] = {"dropout_p": dropout, "scale": scaling, "enable_gqa": grouped}
    if segments is None:
        rows, columns = query.shape[2], key.shape[2]
        if attention_mask is None and rows != columns:
            seen = torch.ones(rows, columns, dtype=torch.bool, device=query.device)
            attention_mask = seen.tril(columns - rows)
        out = F.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, is_causal=attention_mask is None, **options
        )
        return out.transpose(1, 2), None
    if query.is_cuda and query.dtype != torch.float32 and not dropout and _varlen() is not None:
        return _varlen_attention(query, key, value, segments, scaling, sliding_window), None
    pieces = []
    at = [part.split(list(segments), dim=2) for part in (query, key, value)]
    for q, k, v in zip(*at, strict=True):
        length = q.shape[2]
        if sliding_window is not None and length > sliding_window:
            near = torch.ones(length, length, dtype=torch.bool, device=q.device).tril().triu(1 - sliding_window)
            pieces.append(F.scaled_dot_product_attention(q, k, v, attn_mask=near, **options))
        else:
            pieces.append(F.scaled_dot_product_attention(q, k, v, is_causal=True, **options))
    return torch.cat(pieces, dim=2).transpose(1, 2), None


def _varlen() -> Any:
    """Return PyTorch's attention over rows of examples, or None where this build has none."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn


def _varlen_attention(
    query: Tensor, key: Tensor, value: Tensor, segments: tuple[int, ...], scaling: float | None, window: int | None
) -> Tensor:
    ends = torch.tensor((0, *segments), device=query.device).cumsum(0, dtype=torch.int32)
    q, k, v = (part[0].transpose(0, 1).contiguous() for part in (query, key, value))
    longest = max(segments)
    size = ((window - 1) if window is not None else -1, 0)
    grouped = q.shape[1] != k.shape[1]
    out = _varlen()(q, k, v, ends, ends, longest, longest, scale=scaling, window_size=size, enable_gqa=grouped)
    return out[None]


# -- the loss at the answers --------------------------------------------------------------------------------------


class _HeadLoss(torch.autograd.Function):
    """Weighted sum of cross-entropies, a chunk of rows at a time; gradients are made on the way forward."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, weights: Tensor, dtype: torch.dtype
    ) -> Tensor:
        """Return the sum over rows of ``weights`` x nats; ``states`` [n, width], ``weight`` [vocabulary, width]."""
        matrix = weight.to(dtype)
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        to_states = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        size = rows_of_logits(len(weight))
        for start in range(0, len(states), size):
            rows = slice(start, start + size)
            part, target, scale = states[rows].to(dtype), targets[rows, None], weights[rows, None]
            logits = (part @ matrix.T).float()
            norm = logits.logsumexp(1, keepdim=True)
            total += ((norm - logits.gather(1, target)) * scale).sum()
            if to_states is None and to_weight is None:
                continue
            # The gradient of the logits, in their own memory: softmax minus one at the target.
            slope = logits.sub_(norm).exp_()
            slope.scatter_add_(1, target, torch.full_like(target, -1, dtype=slope.dtype))
            slope = slope.mul_(scale).to(dtype)
            if to_states is not None:
                to_states[rows] = slope @ matrix
            if to_weight is not None:
                to_weight += slope.T @ part
        ctx.gradients = (to_states, to_weight)
        ctx.types = (states.dtype, weight.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,) = grads
        found = [
            None if value is None else (value * grad).to(kind)
            for value, kind in zip(ctx.gradients, ctx.types, strict=True)
        ]
        ctx.gradients = None
        return (*found, None, None, None)


def head_loss(head: Any, states: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of cross-entropies in nats of ``head(states)`` against ``targets``.

    Never holds more than ``LOGITS`` logits.
    """
    if len(states) == 0:
        return states.sum() * 0.0
    if type(head) is torch.nn.Linear and head.bias is None:
        kind = torch.get_autocast_dtype(states.device.type) if torch.is_autocast_enabled(states.device.type) else None
        with torch.autocast(states.device.type, enabled=False):
            return _HeadLoss.apply(states, head.weight, targets, weights, kind or states.dtype)  # type: ignore[return-value]
    total = states.new_zeros((), dtype=torch.float32)
    size = rows_of_logits(getattr(head, "out_features", 0) or 2**17)
    for start in range(0, len(states), size):
        rows = slice(start, start + size)
        total = total + checkpoint(_generic, head, states[rows], targets[rows], weights[rows], use_reentrant=False)
    return total


def _generic(head: Any, states: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return (F.cross_entropy(head(states).float(), targets, reduction="none") * weights).sum()


def label_loss(head: Any, states: Tensor, choices: Tensor, targets: Tensor) -> Tensor:
    """Return the sum over rows of the mean binary cross-entropy over known labels.

    ``states`` [n, width]; ``choices`` [labels] ids of label tokens; ``targets`` [n, labels] of 1, 0 or -1 (not known).
    """
    if type(head) is torch.nn.Linear:
        bias = None if head.bias is None else head.bias[choices]
        logits = F.linear(states.to(head.weight.dtype), head.weight[choices], bias).float()
    else:
        logits = head(states)[:, choices].float()
    known = (targets >= 0).float()
    losses = F.binary_cross_entropy_with_logits(logits, targets.clamp(min=0).float(), reduction="none")
    return ((losses * known).sum(1) / known.sum(1).clamp(min=1)).sum()


class Learner(torch.nn.Module):
    """A causal model and its loss as one module, so that DDP and FSDP see one forward pass."""

    def __init__(self, model: Any, attention: str) -> None:
        """Wrap ``model`` (of transformers, with or without adapters); ``attention`` is its implementation's name."""
        super().__init__()
        self.model = model
        self.attention = attention

    @property
    def base(self) -> Any:
        """The model of transformers, without what PEFT puts around it."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def states(self, batch: Batch) -> tuple[Tensor, Any]:
        """Return the last hidden states [tokens, width] of ``batch`` and the output layer that makes logits of them."""
        base = self.base
        body, head = getattr(base, base.base_model_prefix), base.get_output_embeddings()
        states = body(
            input_ids=batch.ids,
            position_ids=batch.positions,
            use_cache=False,
            **attention_arguments(batch, self.attention),
        ).last_hidden_state[0]
        cap = getattr(base.config, "final_logit_softcapping", None)
        return states, _Capped(head, float(cap)) if cap else head

    def forward(self, batch: Batch) -> Tensor:
        """Return the summed loss of ``batch``, a scalar in nats."""
        states, head = self.states(batch)
        total = head_loss(head, states[batch.spots], batch.targets, batch.weights)
        for rows, choices, targets in batch.asked:
            total = total + label_loss(head, states[rows], choices, targets)
        return total


class _Capped:
    """An output layer whose logits are squeezed into +-cap (Gemma 2)."""

    def __init__(self, head: Any, cap: float) -> None:
        self._head, self._cap = head, cap

    def __call__(self, states: Tensor) -> Tensor:
        return torch.tanh(self._head(states) / self._cap) * self._cap


def batches(plan: Plan, examples: Sequence[Encoded], step: int, rank: int, completion_only: bool) -> Iterator[Batch]:
    """Yield the batches of process ``rank`` in step ``step``.

    A process without examples gets the step's first one with weight 0, because every process must take part.
    """
    for group in plan.mine(step, rank):
        if group:
            yield lay_out([examples[i] for i in group], completion_only=completion_only)
            continue
        idle = lay_out([examples[plan.step(step)[0][0]]], completion_only=completion_only)
        asked = tuple((a, b, torch.full_like(c, -1)) for a, b, c in idle.asked)
        nothing = (torch.zeros_like(idle.weights), asked, 0.0)
        yield Batch(idle.ids, idle.positions, idle.lengths, idle.spots, idle.targets, *nothing)
