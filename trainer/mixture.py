"""What the encoder learns from: every text with all that is known of it, in batches, and the loss of a batch.

A text that is in several sets carries the labels of all of them, so that one pass teaches every head
that knows something about it. Where teachers have read a text, their probabilities stand beside the
labels or, of running text that nobody labelled, alone. Batches come from one pool (a task, tasks over
the same posts, or a kind of text of its own) and hold texts of like length. The whole order of
batches follows from the seed, so that a run that was killed goes on exactly where its last
checkpoint was.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from journal_app.contract.mappings import FEELING_MAPS
from journal_app.contract.tasks import TASKS
from trainer.config import DIARY, FinetuneConfig
from trainer.corpora.files import Row
from trainer.corpora.known import task_labels
from trainer.encoder import Ids
from trainer.leaks import normalise

POOL_OF: dict[str, str] = {"severity": "stress", "goemotions": "feelings"}
"""Tasks whose rows lie in another task's pool: Dreaddit and DepSeverity are the same posts, and GoEmotions' own labels
stand beside what they say of feelings."""

AUXILIARY: dict[str, tuple[str, ...]] = {"goemotions": task_labels("goemotions")}
"""Sets whose own labels may be learned beside the tasks, by a head that stays in the run: all are multi-label."""

CHUNK = 24
"""Batches that are sorted by length together; more saves padding, fewer mixes better."""


def labels_of(task: str) -> tuple[str, ...]:
    """Return the labels of a task of the contract or of an auxiliary one; raise ``KeyError``."""
    return AUXILIARY[task] if task in AUXILIARY else TASKS[task].labels


def several(task: str) -> bool:
    """Tell whether a text can have several labels of ``task``."""
    return task in AUXILIARY or TASKS[task].kind == "multilabel"


@dataclass(slots=True)
class Item:
    """A text of the train set: its windows of ids and what is known of it.

    Attributes:
        choice: task -> index of the right label. marks: multi-label task -> label index -> 1.0 or 0.0; a label
            that is not there is unknown. soft: task -> what the teachers think of the first window, float32
            [labels]: a distribution, or of multi-label tasks a probability each.
    """

    pool: str
    windows: list[Ids] = field(default_factory=list)
    choice: dict[str, int] = field(default_factory=dict)
    marks: dict[str, dict[int, float]] = field(default_factory=dict)
    soft: dict[str, np.ndarray] = field(default_factory=dict)


def items_of(rows: Sequence[Row], tasks: Sequence[str]) -> tuple[list[Item], list[str]]:
    """Merge rows of equal text; return the items and their texts, in order of first appearance.

    Where two rows of one task disagree about a text, the first one counts.
    """
    order = [task for task in (*TASKS, *AUXILIARY) if task in tasks]
    items: dict[str, Item] = {}
    texts: list[str] = []
    ranked = sorted(rows, key=lambda row: order.index(row.task) if row.task in order else 99)
    for row in ranked:
        if row.task not in order:
            continue
        key = normalise(row.text) or row.text
        item = items.get(key)
        if item is None:
            pool = DIARY if row.part == "labelled" else POOL_OF.get(row.task, row.task)
            item = items[key] = Item(pool)
            texts.append(row.text)
        told: list[tuple[str, Sequence[str], float]] = []
        if several(row.task):
            told = [(row.task, row.positives, 1.0), (row.task, row.negatives, 0.0)]
        else:
            item.choice.setdefault(row.task, TASKS[row.task].index(row.label))
            if row.part == "published" and row.source in FEELING_MAPS and "feelings" in order:
                truth = FEELING_MAPS[row.source].truth((row.label,))
                told = [("feelings", truth.positives, 1.0), ("feelings", truth.negatives, 0.0)]
        for task, names, value in told:
            for name in names:
                item.marks.setdefault(task, {}).setdefault(labels_of(task).index(name), value)
    return list(items.values()), texts


def schedule(items: Sequence[Item], config: FinetuneConfig, seed: int) -> list[list[tuple[int, int]]]:
    """Return ``steps`` batches of (item, window): pools by weight, each pool epoch by epoch."""
    rng = random.Random(f"{seed}:schedule")
    pools: dict[str, list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        pools[item.pool].append(number)
    share = {pool: config.weights.get(pool, 1.0) * len(rows) ** config.power for pool, rows in pools.items()}
    total = sum(share.values())
    # Largest remainders keep the counts exact; the order is shuffled afterwards.
    counts = {pool: int(config.steps * value / total) for pool, value in share.items()}
    for pool in sorted(share, key=lambda p: counts[p] - config.steps * share[p] / total):
        if sum(counts.values()) < config.steps:
            counts[pool] += 1
    batches: list[list[tuple[int, int]]] = []
    for pool, count in sorted(counts.items()):
        made: list[list[tuple[int, int]]] = []
        while len(made) < count:
            made += _epoch(items, pools[pool], config.batch, rng)
        batches += made[:count]
    rng.shuffle(batches)
    return batches


def _epoch(items: Sequence[Item], pool: Sequence[int], size: int, rng: random.Random) -> list[list[tuple[int, int]]]:
    # Of a long text one window is read per epoch: the first half of the time, where a post says what it is about.
    drawn = []
    for number in rng.sample(pool, len(pool)):
        count = len(items[number].windows)
        drawn.append((number, 0 if count == 1 or rng.random() < 0.5 else rng.randrange(count)))
    batches = []
    for start in range(0, len(drawn), size * CHUNK):
        chunk = sorted(drawn[start : start + size * CHUNK], key=lambda d: len(items[d[0]].windows[d[1]]))
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    full = [batch for batch in batches if len(batch) == size or len(batches) == 1]
    rng.shuffle(full)
    return full


@dataclass(frozen=True, slots=True)
class Losses:
    """Computes the loss of a batch.

    Attributes:
        weights: task -> class weights, frequency to the power ``-balance``, scaled to a mean of 1 over the texts.
        smoothing: of the labels of softmax tasks. taught: weight of the teachers' probabilities where a
            text has labels too; a text without labels is all theirs.
    """

    weights: Mapping[str, Tensor]
    smoothing: float
    taught: float = 0.5

    @classmethod
    def of(cls, items: Sequence[Item], tasks: Sequence[str], config: FinetuneConfig) -> Losses:
        """Count the labels of ``items`` and derive the class weights."""
        weights = {}
        for task in tasks:
            if several(task):
                continue
            counts = Counter(item.choice[task] for item in items if task in item.choice)
            size = np.array([max(1, counts[i]) for i in range(len(TASKS[task].labels))], dtype=np.float64)
            raw = size**-config.balance
            weights[task] = torch.tensor(raw * size.sum() / (raw * size).sum(), dtype=torch.float32)
        return cls(weights, config.label_smoothing, config.taught)

    def __call__(self, logits: Mapping[str, Tensor], batch: Sequence[Item]) -> Tensor:
        """Return the loss: per task the sum over the texts that know it, over the size of the batch."""
        total = torch.zeros(())
        for task, scores in logits.items():
            if several(task):
                total = total + self._marked(task, scores, batch)
            else:
                total = total + self._chosen(task, scores, batch)
        return total

    def _chosen(self, task: str, scores: Tensor, batch: Sequence[Item]) -> Tensor:
        total = torch.zeros(())
        taught = [row for row, item in enumerate(batch) if task in item.soft]
        known = [row for row, item in enumerate(batch) if task in item.choice]
        if known:
            target = torch.tensor([batch[row].choice[task] for row in known])
            each = F.cross_entropy(
                scores[known],
                target,
                weight=self.weights[task],
                label_smoothing=self.smoothing,
                reduction="none",
            )
            share = torch.tensor([1.0 - self.taught if task in batch[row].soft else 1.0 for row in known])
            total = total + (each * share).sum() / len(batch)
        if taught:
            target = torch.from_numpy(np.stack([batch[row].soft[task] for row in taught]))
            each = -(target * scores[taught].log_softmax(-1)).sum(-1)
            share = torch.tensor([self.taught if task in batch[row].choice else 1.0 for row in taught])
            total = total + (each * share).sum() / len(batch)
        return total

    def _marked(self, task: str, scores: Tensor, batch: Sequence[Item]) -> Tensor:
        mask, target = torch.zeros_like(scores), torch.zeros_like(scores)
        for row, item in enumerate(batch):
            soft = item.soft.get(task)
            if soft is not None:
                mask[row], target[row] = 1.0, torch.from_numpy(soft)
            for label, value in item.marks.get(task, {}).items():
                if soft is not None:
                    value = self.taught * float(soft[label]) + (1 - self.taught) * value
                mask[row, label], target[row, label] = 1.0, value
        if not mask.any():
            return torch.zeros(())
        each = F.binary_cross_entropy_with_logits(scores, target, reduction="none") * mask
        # Rare positives would drown among the many denials.
        each = each * (1.0 + 2.0 * target)
        return 4.0 * each.sum() / (len(batch) * scores.shape[1])


def divergence(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> Tensor:
    """Return how far two readings of one batch under different dropout are apart (R-Drop, Liang et al. 2021).

    The mean over tasks of the symmetric KL divergence in nats, of multi-label tasks that of each label.
    """
    parts = []
    for task, a in first.items():
        b = second[task]
        if several(task):
            p, q = torch.sigmoid(a), torch.sigmoid(b)
            parts.append(((p - q) * (a - b)).mean())
        else:
            p, q = a.log_softmax(-1), b.log_softmax(-1)
            parts.append(((p.exp() - q.exp()) * (p - q)).sum(-1).mean())
    return torch.stack(parts).mean() / 2
