"""How a decoder learns to write: reflections asked for as the app asks, the loss on their words alone.

The order in which replies are read is a function of the step, so that a killed run goes on with the same ones and a
checkpoint needs nothing of it. Works on the arrays of ``trainer.lessons``; needs torch and numpy only.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.config import TrainerError, WriterConfig
from trainer.decoder_model import IGNORE, Decoder
from trainer.pretrain import autocast


@dataclass(frozen=True, slots=True)
class Asking:
    """The ids around an entry when a reflection on it is asked for, see ``decoder.Frame``."""

    head: tuple[int, ...]
    tail: tuple[int, ...]
    pad: int
    end: int

    def row(self, entry: Sequence[int], reply: Sequence[int]) -> tuple[list[int], int]:
        """Return one example as ids, ending with ``end``, and how many of them come before the reply."""
        before = [*self.head, *entry, *self.tail]
        return [*before, *reply, self.end], len(before)


class Replies:
    """Entries and the replies to them, of one split."""

    def __init__(self, path: Path) -> None:
        """Read ``replies.SPLIT.npz``; raise :class:`TrainerError` when it is missing or malformed."""
        try:
            with np.load(path) as arrays:
                self._ids, self._offsets = arrays["ids"], arrays["offsets"]
                self._reply_ids, self._reply_offsets = arrays["reply_ids"], arrays["reply_offsets"]
                self.sources, self.names = arrays["sources"], arrays["names"].tolist()
        except (OSError, KeyError, ValueError) as error:
            raise TrainerError(f"{path.name} is missing or malformed; run the lessons stage first") from error

    def __len__(self) -> int:
        return len(self.sources)

    def pair(self, index: int) -> tuple[list[int], list[int]]:
        """Return the ids of an entry and of the reply to it."""
        entry = self._ids[self._offsets[index] : self._offsets[index + 1]]
        return entry.tolist(), self._reply_ids[self._reply_offsets[index] : self._reply_offsets[index + 1]].tolist()

    def digest(self) -> str:
        """Return a hash over all of it."""
        digest = hashlib.sha256(json.dumps(self.names).encode())
        for array in (self._ids, self._offsets, self._reply_ids, self._reply_offsets, self.sources):
            digest.update(array.tobytes())
        return digest.hexdigest()


class Order:
    """Which replies come when: pass after pass over all, each source as often as it is asked for."""

    def __init__(self, replies: Replies, weights: Mapping[str, float], seed: int) -> None:
        """Take the weight of each source by name; raise :class:`TrainerError` when none of them has a reply."""
        self._seed = seed
        self._pools: list[tuple[float, np.ndarray]] = []
        for place, name in enumerate(replies.names):
            rows = np.flatnonzero(replies.sources == place)
            if weights.get(name, 0.0) > 0:
                self._pools.append((weights[name], np.random.default_rng((seed, 3, place)).permutation(rows)))
        self.size = sum(self._whole(weight, rows) for weight, rows in self._pools)
        """Replies in one pass."""
        if not self.size:
            raise TrainerError("writer.replies leaves no reply to learn from")
        self._pass: tuple[int, np.ndarray] = (-1, np.zeros(0, dtype=np.int64))

    def at(self, start: int, count: int) -> list[int]:
        """Return the replies at the places ``start``, ``start + 1``, ... of the endless row of passes."""
        return [self._at(place) for place in range(start, start + count)]

    def _at(self, place: int) -> int:
        number, index = divmod(place, self.size)
        if self._pass[0] != number:
            self._pass = (number, self._made(number))
        return int(self._pass[1][index])

    def _made(self, number: int) -> np.ndarray:
        parts = []
        for weight, rows in self._pools:
            # A part of a source goes on where the last pass stopped, so that all of it comes in turn.
            count = self._whole(weight, rows)
            parts.append(rows[np.arange(number * count, (number + 1) * count) % len(rows)])
        return np.random.default_rng((self._seed, 4, number)).permutation(np.concatenate(parts))

    @staticmethod
    def _whole(weight: float, rows: np.ndarray) -> int:
        return max(1, round(weight * len(rows)))


def lay_out(asking: Asking, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Tensor, Tensor]:
    """Return padded ids and targets [batch, time]; a target is :data:`IGNORE` but where a reply's token comes next.

    The end of a reply is a target as well: a writer has to learn to stop.
    """
    rows = [asking.row(*pair) for pair in pairs]
    length = max(len(ids) for ids, _ in rows)
    # Rounded up, so that a GPU sees few different sizes.
    length += -length % 16
    ids = torch.full((len(rows), length), asking.pad)
    targets = torch.full((len(rows), length), IGNORE)
    for number, (row, before) in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        targets[number, before - 1 : len(row) - 1] = torch.tensor(row[before:])
    return ids, targets


def reply_loss(model: Decoder, ids: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss in nats over the tokens of the replies of :func:`lay_out`."""
    # Padding stands at the end, where no token of a reply can see it: the causal mask is enough.
    states = model(ids)
    counted = targets != IGNORE
    return F.cross_entropy(model.logits(states[counted]).float(), targets[counted])


class Written:
    """The replies that a run of training learns from, and those it is watched on."""

    def __init__(self, train: Replies, valid: Replies, asking: Asking, config: WriterConfig, seed: int) -> None:
        """Raise :class:`TrainerError` when the config leaves nothing to learn from."""
        self._train, self._valid, self._asking, self._config = train, valid, asking, config
        self._order = Order(train, config.replies, seed)
        self.identity = json.dumps([train.digest(), asdict(config), seed], sort_keys=True)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return ids and targets of ``step``."""
        size = self._config.batch
        return lay_out(self._asking, [self._train.pair(i) for i in self._order.at(step * size, size)])

    def loss(self, model: Decoder, step: int, device: torch.device, precision: str) -> Tensor:
        """Return the weighted loss of ``step``."""
        ids, targets = (part.to(device) for part in self.batch(step))
        with autocast(device, precision):
            return self._config.weight * reply_loss(model, ids, targets)

    def passes(self, step: int) -> float:
        """Return how often all replies have been read before ``step``."""
        return step * self._config.batch / self._order.size

    @torch.no_grad()
    def perplexity(self, model: Decoder, device: torch.device, precision: str, rows: int) -> float | None:
        """Return exp of the mean loss a token over at most ``rows`` valid replies; None where there are none."""
        total, tokens = 0.0, 0
        for ids, targets in self._valid_batches(rows):
            with autocast(device, precision):
                loss = reply_loss(model, ids.to(device), targets.to(device))
            count = int((targets != IGNORE).sum())
            total, tokens = total + float(loss) * count, tokens + count
        return math.exp(min(700.0, total / tokens)) if tokens else None

    def _valid_batches(self, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
        # A stride, because they stand source by source.
        chosen = range(0, len(self._valid), max(1, len(self._valid) // max(1, rows)))[:rows]
        for start in range(0, len(chosen), self._config.batch):
            part = chosen[start : start + self._config.batch]
            yield lay_out(self._asking, [self._valid.pair(i) for i in part])


def load(folder: Path, asking: Asking, config: WriterConfig, seed: int) -> Written | None:
    """Return what ``lessons`` left in ``folder``; None where the config asks for no replies.

    Raises :class:`TrainerError` as :class:`Replies` and :class:`Order` do.
    """
    if not config.sources:
        return None
    train, valid = (Replies(folder / f"replies.{split}.npz") for split in ("train", "valid"))
    return Written(train, valid, asking, config, seed)
