"""``finetune`` of an encoder: all tasks together, one small model.

A text that is in several sets carries the labels of all of them, so that one pass teaches every
head that knows something about it. Batches come from one pool (a task, or tasks over the same
posts) and hold texts of like length. The whole order of batches follows from the seed, so that a
run that was killed goes on exactly where its last checkpoint was.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score, roc_auc_score
from torch import Tensor

from journal_app.contract.mappings import FEELING_MAPS
from journal_app.contract.tasks import TASKS
from trainer import encoder
from trainer.config import FinetuneConfig, Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.files import Row, read_rows
from trainer.encoder import Encoder, Ids
from trainer.prepare import normalise
from trainer.progress import Progress, clock_text

POOL_OF: dict[str, str] = {"severity": "stress"}
"""Tasks whose rows lie in another task's pool: Dreaddit and DepSeverity are the same posts."""

CHUNK = 24
"""Batches that are sorted by length together; more saves padding, fewer mixes better."""


@dataclass(slots=True)
class Item:
    """A text of the train set: its windows of ids and what is known of it."""

    pool: str
    windows: list[Ids] = field(default_factory=list)
    choice: dict[str, int] = field(default_factory=dict)
    feelings: dict[int, float] = field(default_factory=dict)


def items_of(rows: Sequence[Row], tasks: Sequence[str]) -> tuple[list[Item], list[str]]:
    """Merge rows of equal text; return the items and their texts, in order of first appearance.

    Where two rows of one task disagree about a text, the first one counts.
    """
    order = [task for task in TASKS if task in tasks]
    items: dict[str, Item] = {}
    texts: list[str] = []
    ranked = sorted(rows, key=lambda row: order.index(row.task) if row.task in order else 99)
    feelings = {label: i for i, label in enumerate(TASKS["feelings"].labels)}
    for row in ranked:
        if row.task not in order:
            continue
        key = normalise(row.text) or row.text
        item = items.get(key)
        if item is None:
            item = items[key] = Item(POOL_OF.get(row.task, row.task))
            texts.append(row.text)
        if row.task == "feelings":
            positives, negatives = row.positives, row.negatives
        else:
            item.choice.setdefault(row.task, TASKS[row.task].index(row.label))
            positives, negatives = (), ()
            if row.part == "published" and row.source in FEELING_MAPS and "feelings" in order:
                truth = FEELING_MAPS[row.source].truth((row.label,))
                positives, negatives = truth.positives, truth.negatives
        for names, value in ((positives, 1.0), (negatives, 0.0)):
            for name in names:
                item.feelings.setdefault(feelings[name], value)
    return list(items.values()), texts


def schedule(items: Sequence[Item], config: FinetuneConfig, seed: int) -> list[list[tuple[int, int]]]:
    """Return ``steps`` batches of (item, window): pools by weight, each pool epoch by epoch."""
    rng = random.Random(f"{seed}:schedule")
    pools: dict[str, list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        pools[item.pool].append(number)
    share = {pool: config.weights.get(pool, 1.0) * len(rows) ** 0.5 for pool, rows in pools.items()}
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
    """Computes the loss of a batch; ``weights`` are class weights (inverse root frequency, mean 1)."""

    weights: dict[str, Tensor]
    smoothing: float

    @classmethod
    def of(cls, items: Sequence[Item], tasks: Sequence[str], smoothing: float) -> Losses:
        """Count the labels of ``items`` and derive the class weights."""
        weights = {}
        for task in tasks:
            if TASKS[task].kind == "multilabel":
                continue
            counts = Counter(item.choice[task] for item in items if task in item.choice)
            size = np.array([max(1, counts[i]) for i in range(len(TASKS[task].labels))], dtype=np.float64)
            raw = size**-0.5
            weights[task] = torch.tensor(raw * size.sum() / (raw * size).sum(), dtype=torch.float32)
        return cls(weights, smoothing)

    def __call__(self, logits: dict[str, Tensor], batch: Sequence[Item]) -> Tensor:
        """Return the loss: per task the sum over the texts that know it, over the size of the batch."""
        total = torch.zeros(())
        for task, scores in logits.items():
            if task == "feelings":
                mask, target = torch.zeros_like(scores), torch.zeros_like(scores)
                for row, item in enumerate(batch):
                    for label, value in item.feelings.items():
                        mask[row, label], target[row, label] = 1.0, value
                if mask.any():
                    each = F.binary_cross_entropy_with_logits(scores, target, reduction="none") * mask
                    # Rare positives would drown among the many denials.
                    each = each * torch.where(target > 0, 3.0, 1.0)
                    total = total + 4.0 * each.sum() / (len(batch) * scores.shape[1])
                continue
            known = [row for row, item in enumerate(batch) if task in item.choice]
            if known:
                target = torch.tensor([batch[row].choice[task] for row in known])
                loss = F.cross_entropy(
                    scores[known], target, weight=self.weights[task], label_smoothing=self.smoothing, reduction="sum"
                )
                total = total + loss / len(batch)
        return total


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Train the encoder, from its last checkpoint if there is one; write ``model/`` and ``finetune.json``."""
    config = recipe.finetune
    torch.manual_seed(recipe.seed)
    base = encoder.load_base(config.base)
    model = Encoder(base.bert, encoder.default_labels(recipe.data.tasks))
    items, texts = items_of(read_rows(paths.prepared / "train.jsonl.gz"), recipe.data.tasks)
    if not items:
        raise TrainerError("no rows to train on: the prepared train set is empty")
    for item, windows in zip(items, encoder.windows(base.tokenizer, texts, recipe.max_tokens), strict=True):
        item.windows = windows
    plan = schedule(items, config, recipe.seed)
    progress.say(
        f"finetune: {len(items)} texts, {len(plan)} steps of {config.batch}; pools {_pool_counts(items, plan)}"
    )
    trainer = _Trainer(recipe, paths, progress, model, items, plan)
    trainer.train()
    outputs = model.save(paths.model, base.tokenizer)
    scores = quick_scores(model, base.tokenizer, recipe, paths, limit=0)
    progress.say("finetune: valid " + ", ".join(f"{k} {v:.3f}" for k, v in scores.items()))
    report = paths.reports / "finetune.json"
    report.write_text(
        json.dumps(
            {
                "steps": len(plan),
                "texts": len(items),
                "train_seconds": round(trainer.seconds, 1),
                "threads": torch.get_num_threads(),
                "valid_macro_f1_or_mean_auroc": {k: round(v, 4) for k, v in scores.items()},
            },
            indent=1,
        )
        + "\n",
        encoding="utf-8",
    )
    return StageResult((*outputs, report), scores)


def _pool_counts(items: Sequence[Item], plan: Sequence[Sequence[tuple[int, int]]]) -> str:
    counts = Counter(items[batch[0][0]].pool for batch in plan)
    return ", ".join(f"{pool} {count}" for pool, count in sorted(counts.items()))


class _Trainer:
    def __init__(
        self,
        recipe: Recipe,
        paths: RunPaths,
        progress: Progress,
        model: Encoder,
        items: list[Item],
        plan: list[list[tuple[int, int]]],
    ) -> None:
        self.recipe, self.config, self.paths, self.progress = recipe, recipe.finetune, paths, progress
        self.model, self.items, self.plan = model, items, plan
        self.losses = Losses.of(items, recipe.data.tasks, self.config.label_smoothing)
        decay = [p for n, p in model.bert.named_parameters() if p.dim() > 1]
        plain = [p for n, p in model.bert.named_parameters() if p.dim() <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decay, "lr": self.config.lr, "weight_decay": self.config.weight_decay},
                {"params": plain, "lr": self.config.lr, "weight_decay": 0.0},
                {"params": list(model.heads.parameters()), "lr": self.config.head_lr, "weight_decay": 0.0},
            ],
            betas=(0.9, 0.98),
        )
        warm = max(1, round(self.config.warmup * len(plan)))
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min((step + 1) / warm, max(0.0, (len(plan) - step) / max(1, len(plan) - warm))),
        )
        self.original: Encoder | None = None
        if self.config.keep_weight > 0:
            self.original = Encoder(encoder.load_base(self.config.base).bert, {}).eval().requires_grad_(False)
        self.key = f"{recipe.digest('finetune', 'data', 'seed', 'max_tokens')}:{len(items)}"
        self.seconds = 0.0

    @property
    def checkpoint(self) -> Path:
        return self.paths.checkpoints / "finetune.pt"

    def train(self) -> None:
        step = self._resume()
        self._choose_threads(step)
        tracker = self.progress.track("finetune", len(self.plan), "steps", step)
        losses: list[float] = []
        began = time.monotonic()
        self.model.train()
        while step < len(self.plan):
            losses.append(self._step(step))
            step += 1
            tracker.update(step, f"loss {np.mean(losses[-50:]):.3f}")
            if step % self.config.save_every == 0 or step == len(self.plan):
                self._save(step, self.seconds + time.monotonic() - began)
            if step % self.config.eval_every == 0 and step < len(self.plan):
                tokenizer = encoder.load_tokenizer(encoder.base_folder(self.config.base))
                scores = quick_scores(self.model, tokenizer, self.recipe, self.paths, limit=self.config.eval_rows)
                self.progress.say(f"finetune: step {step}: " + ", ".join(f"{k} {v:.3f}" for k, v in scores.items()))
                self.model.train()
        self.seconds += time.monotonic() - began
        self.model.eval()
        self.progress.say(f"finetune: done in {clock_text(self.seconds)}")

    def _step(self, step: int) -> float:
        batch = [self.items[number] for number, _ in self.plan[step]]
        ids, mask = encoder.collate([self.items[number].windows[window] for number, window in self.plan[step]])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            pooled = self.model.pooled(ids, mask)
        logits = self.model.logits(F.dropout(pooled, self.config.dropout))
        loss = self.losses(logits, batch)
        total = loss
        if self.original is not None and step % self.config.keep_every == 0:
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                reference = self.original.pooled(ids, mask)
            total = loss + self.config.keep_weight * (1 - F.cosine_similarity(pooled, reference)).mean()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.scheduler.step()
        return float(loss.detach())

    def _save(self, step: int, seconds: float) -> None:
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        part = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "key": self.key,
                "step": step,
                "seconds": seconds,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "rng": torch.get_rng_state(),
            },
            part,
        )
        os.replace(part, self.checkpoint)

    def _resume(self) -> int:
        if not self.checkpoint.is_file():
            return 0
        try:
            state: dict[str, Any] = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainerError(f"the checkpoint {self.checkpoint} is damaged; remove it to start again") from error
        if state["key"] != self.key:
            self.progress.say("finetune: the checkpoint is of another recipe or data; starting afresh")
            return 0
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        torch.set_rng_state(state["rng"])
        self.seconds = float(state["seconds"])
        self.progress.say(f"finetune: going on after step {state['step']}")
        return int(state["step"])

    def _choose_threads(self, step: int) -> None:
        """Time a few forward passes with 1 and with 2 threads: on a busy machine two can be slower."""
        if self.config.threads:
            torch.set_num_threads(self.config.threads)
            return
        cores = os.cpu_count() or 1
        batch = self.plan[min(step, len(self.plan) - 1)]
        ids, mask = encoder.collate([self.items[number].windows[window] for number, window in batch])
        timed: dict[int, float] = {}
        for threads in sorted({1, min(2, cores), cores}):
            torch.set_num_threads(threads)
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                self.model.pooled(ids, mask)
                began = time.monotonic()
                for _ in range(4):
                    self.model.pooled(ids, mask)
            timed[threads] = time.monotonic() - began
        best = min(timed, key=lambda threads: timed[threads])
        torch.set_num_threads(best)
        self.progress.say(f"finetune: {best} threads ({', '.join(f'{k}: {v:.2f} s' for k, v in timed.items())})")


def quick_scores(model: Encoder, tokenizer: Any, recipe: Recipe, paths: RunPaths, limit: int) -> dict[str, float]:
    """Return macro-F1 (feelings: mean AUROC) on valid, first windows only, of ``limit`` rows a task (0: all)."""
    by_task: dict[str, list[Row]] = defaultdict(list)
    for row in read_rows(paths.prepared / "valid.jsonl.gz"):
        by_task[row.task].append(row)
    scores = {}
    for task, rows in by_task.items():
        if task not in model.labels:
            continue
        step = max(1, len(rows) // limit) if limit else 1
        rows = rows[::step]
        ids = [w[0] for w in encoder.windows(tokenizer, [row.text for row in rows], recipe.max_tokens)]
        with torch.inference_mode():
            logits = model.heads[task](torch.from_numpy(encoder.embed(model, ids, autocast=True))).numpy()
        if task == "feelings":
            scores[task] = _mean_auroc(logits, rows, model.labels[task])
        else:
            truth = [TASKS[task].index(row.label) for row in rows]
            scores[task] = float(f1_score(truth, logits.argmax(1), average="macro"))
    return scores


def _mean_auroc(logits: np.ndarray, rows: Sequence[Row], labels: Sequence[str]) -> float:
    values = []
    for i, label in enumerate(labels):
        known = [n for n, row in enumerate(rows) if label in row.positives or label in row.negatives]
        truth = [label in rows[n].positives for n in known]
        if 3 <= sum(truth) < len(truth):
            values.append(float(roc_auc_score(truth, logits[known, i])))
    return float(np.mean(values)) if values else float("nan")
