"""``finetune`` of an encoder: all tasks together, one small model.

What it learns from, and in what order, is ``mixture``; this module is the loop. Before it the encoder may read
running text (``mlm``), and beside the labels it may learn what other encoders think (``ensemble``).
"""

from __future__ import annotations

import json
import math
import os
import pickle
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from torch import Tensor

from journal_app.contract.tasks import TASKS
from trainer import encoder, ensemble, mlm, ngram_head
from trainer.calibrate import mean_auroc
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.files import Row, read_rows
from trainer.encoder import Encoder
from trainer.metrics import rounded
from trainer.mixture import AUXILIARY, Item, Losses, divergence, items_of, labels_of, schedule, several
from trainer.progress import Progress, clock_text
from trainer.supervised import layered


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Train the encoder, from its last checkpoint if there is one; write ``model/`` and ``finetune.json``."""
    config = recipe.finetune
    torch.manual_seed(recipe.seed)
    base = encoder.load_base(config.base)
    tasks = (*recipe.data.tasks, *config.auxiliary)
    if unknown := [name for name in config.auxiliary if name not in AUXILIARY]:
        raise TrainerError(f"finetune.auxiliary: {unknown[0]} is not one of {', '.join(AUXILIARY)}")
    model = Encoder(base.bert, {task: labels_of(task) for task in tasks})
    items, texts = items_of(read_rows(paths.prepared / "train.jsonl.gz"), tasks)
    if not items:
        raise TrainerError("no rows to train on: the prepared train set is empty")
    if config.teachers:
        ensemble.teach(recipe, paths, progress, items, texts)
    for item, windows in zip(items, encoder.windows(base.tokenizer, texts, recipe.max_tokens), strict=True):
        item.windows = windows
    plan = schedule(items, config, recipe.seed)
    progress.say(
        f"finetune: {len(items)} texts, {len(plan)} steps of {config.batch}; pools {_pool_counts(items, plan)}"
    )
    trainer = _Trainer(recipe, paths, progress, model, items, plan)
    trainer.train()
    if trainer.original is not None:
        likeness = encoder.fit_vector(
            model, trainer.original, [item.windows[0] for item in items[:: len(items) // 6000 + 1]]
        )
        progress.say(f"finetune: the vector map gives back the untouched encoder's at a mean cosine of {likeness:.3f}")
    outputs = model.save(paths.model, base.tokenizer)
    scores = quick_scores(model, base.tokenizer, recipe, paths, limit=0)
    progress.say("finetune: valid " + ", ".join(f"{k} {v:.3f}" for k, v in scores.items()))
    files, beside = ngram_head.run(recipe, paths, progress)
    outputs += files
    report = paths.reports / "finetune.json"
    report.write_text(
        json.dumps(
            {
                "steps": len(plan),
                "texts": len(items),
                "train_seconds": round(trainer.seconds, 1),
                "threads": torch.get_num_threads(),
                "valid_macro_f1_or_mean_auroc": {k: round(v, 4) for k, v in scores.items()},
                "ngrams": rounded(beside),
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
        self.losses = Losses.of(items, tuple(model.labels), self.config)
        _freeze(model, self.config.freeze)
        groups = layered(model, lambda name: name.startswith("heads."), decay=self.config.layer_decay, head_scale=0.0)
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": group["params"],
                    "lr": self.config.lr * group["scale"] or self.config.head_lr,
                    "weight_decay": self.config.weight_decay if group["decays"] and group["scale"] else 0.0,
                }
                for group in groups
            ],
            betas=(0.9, 0.98),
            fused=True,
        )
        warm = max(1, round(self.config.warmup * len(plan)))
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min((step + 1) / warm, max(0.0, (len(plan) - step) / max(1, len(plan) - warm))),
        )
        self.original: Encoder | None = None
        if self.config.keep_weight > 0:
            self.original = Encoder(encoder.load_base(self.config.base).bert, {}).eval().requires_grad_(False)
        self.trained = [weight for weight in model.parameters() if weight.requires_grad]
        self.key = f"{recipe.digest('finetune', 'data', 'seed', 'max_tokens')}:{len(items)}"
        self.seconds = 0.0

    @property
    def checkpoint(self) -> Path:
        return self.paths.checkpoints / "finetune.pt"

    def train(self) -> None:
        step = self._resume()
        self._choose_threads(step)
        if not step and self.config.mlm_steps:
            mlm.adapt(self.recipe, self.paths, self.progress, self.model)
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
        windows = [self.items[number].windows[window] for number, window in self.plan[step]]
        ids, mask = encoder.collate(windows, self.model.pad)
        pooled, logits = self._read(ids, mask)
        loss = self.losses(logits, batch)
        total = loss
        if self.config.rdrop:
            _, again = self._read(ids, mask)
            both = (loss + self.losses(again, batch)) / 2
            total = both + self.config.rdrop * divergence(logits, again)
        if self.original is not None and step % self.config.keep_every == 0:
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                reference = self.original.pooled(ids, mask)
            total = total + self.config.keep_weight * (1 - F.cosine_similarity(pooled, reference)).mean()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.scheduler.step()
        return float(loss.detach())

    def _read(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            pooled = self.model.pooled(ids, mask)
        return pooled, self.model.logits(F.dropout(pooled, self.config.dropout))

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
        ids, mask = encoder.collate([self.items[number].windows[window] for number, window in batch], self.model.pad)
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


def _freeze(model: Encoder, blocks: int) -> None:
    """Let the embeddings and the lowest ``blocks`` stay as they are, if it is not 0."""
    if not blocks:
        return
    kept = ("bert.embeddings.", *(f"bert.encoder.layer.{n}." for n in range(blocks)))
    for name, weight in model.named_parameters():
        weight.requires_grad_(not name.startswith(kept))


def quick_scores(model: Encoder, tokenizer: Any, recipe: Recipe, paths: RunPaths, limit: int) -> dict[str, float]:
    """Return macro-F1 (feelings: mean AUROC) on valid, first windows only, of ``limit`` rows a task (0: all)."""
    by_task: dict[str, list[Row]] = defaultdict(list)
    for row in read_rows(paths.prepared / "valid.jsonl.gz"):
        # Labelled diaries are mostly an easy "no", and would flatter the published tasks.
        if row.part != "labelled" or several(row.task):
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
        if several(task):
            area, _ = mean_auroc(rows, model.labels[task], logits)
            scores[task] = math.nan if area is None else area
        else:
            truth = [TASKS[task].index(row.label) for row in rows]
            scores[task] = float(f1_score(truth, logits.argmax(1), average="macro"))
    return scores
