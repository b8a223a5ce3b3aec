"""Pre-training of the decoder on prepared token files: data order, optimiser, loop, resume.

Reads what ``trainer.tokenizer`` left (``index.json`` and one uint16 ``.npy`` per source and
split), so that a machine with a GPU needs torch and numpy only. A run that was killed continues
from its last checkpoint and gives the same losses as one that was not: the order of the data is
a function of counters, and the counters, the optimisers and the random state are in the file.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from journal_app.contract.prompts import BOS, CONTROL_TOKENS
from trainer.config import PretrainConfig, Recipe, RunPaths, StageResult, TrainerError
from trainer.decoder_model import IGNORE, Decoder, Shape, decay_groups, save_atomically, save_model
from trainer.progress import Progress

BOS_ID = CONTROL_TOKENS.index(BOS)
MODEL = "model.pt"
REPORT = "report.json"

Notify = Callable[[int, int, Mapping[str, float]], None]
"""Called with the step, the number of steps and what was measured, e.g. loss and tokens a second."""


class PretrainError(TrainerError):
    """The tokens, the checkpoint or the settings cannot be used; the message says what to change."""


def rate(step: int, steps: int, *, warmup: float, final: float, decay: float | None = None) -> float:
    """Return the share of the peak learning rate at ``step`` of ``steps``.

    ``warmup`` is a share of the steps; then a cosine down to ``final``, or, with ``decay``, flat
    until the last ``decay`` share of the steps, which goes down in a line.
    """
    warm = max(1, round(warmup * steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    if decay is None:
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return 1 - (1 - final) * max(0.0, done - (1 - decay)) / decay


class Windows:
    """Draws windows of ``length`` tokens from several sources by weight.

    Each source is read in a random order without repetition until it is used up, then again in
    another order and from another offset, so that ``epochs`` counts honestly.
    """

    def __init__(self, sources: Mapping[str, np.ndarray], weights: Mapping[str, float], length: int, seed: int) -> None:
        """Take memory-mapped token arrays; raise :class:`PretrainError` if one is missing or too short."""
        self._names = sorted(name for name, weight in weights.items() if weight > 0)
        if not self._names:
            raise PretrainError("no source has a weight")
        for name in self._names:
            if name not in sources:
                raise PretrainError(f"source {name}: there are no prepared tokens of it")
            if len(sources[name]) < 2 * length + 1:
                raise PretrainError(f"source {name}: fewer than {2 * length + 1} tokens")
        total = sum(weights[name] for name in self._names)
        self._shares = [weights[name] / total for name in self._names]
        self._sources, self._length, self._seed = sources, length, seed
        self._orders: dict[str, tuple[int, int, np.ndarray]] = {}
        self.drawn = dict.fromkeys(self._names, 0)

    def batch(self, size: int) -> np.ndarray:
        """Return the next [size, length + 1] ids; the last column is only a target."""
        return np.stack([self._next() for _ in range(size)]).astype(np.int64)

    def epochs(self) -> dict[str, float]:
        """Return how many times each source has been read."""
        return {name: self.drawn[name] / self._count(name) for name in self._names}

    def _count(self, name: str) -> int:
        return (len(self._sources[name]) - 1) // self._length - 1

    def _next(self) -> np.ndarray:
        draw = np.random.default_rng((self._seed, 0, sum(self.drawn.values())))
        name = self._names[int(draw.choice(len(self._names), p=self._shares))]
        epoch, index = divmod(self.drawn[name], self._count(name))
        if name not in self._orders or self._orders[name][0] != epoch:
            shuffle = np.random.default_rng((self._seed, 1, self._names.index(name), epoch))
            offset = int(shuffle.integers(self._length))
            self._orders[name] = (epoch, offset, shuffle.permutation(self._count(name)))
        _, offset, order = self._orders[name]
        self.drawn[name] += 1
        start = offset + int(order[index]) * self._length
        return self._sources[name][start : start + self._length + 1]


def document_mask(ids: Tensor) -> Tensor:
    """Return who may look at whom [batch, 1, time, time]: earlier tokens of the same document.

    Rotary positions are relative, so positions need no restart where the mask does its work.
    """
    document = (ids == BOS_ID).cumsum(dim=1)
    return (document[:, :, None] == document[:, None, :]).tril()[:, None]


def split(batch: Tensor) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of windows; where a new document begins there is nothing to predict."""
    ids, targets = batch[:, :-1], batch[:, 1:].clone()
    targets[targets == BOS_ID] = IGNORE
    return ids, targets


def optimisers(model: Decoder, settings: PretrainConfig) -> list[torch.optim.Optimizer]:
    """Return AdamW over everything, or Muon over the matrices and AdamW over the rest."""
    matrices, others = decay_groups(model)
    lr, decay = settings.lr, settings.weight_decay
    plain = {"params": others, "weight_decay": 0.0}
    if settings.muon:
        muon = torch.optim.Muon(matrices, lr=lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        return [muon, torch.optim.AdamW([plain], lr=lr, betas=(0.9, 0.95), fused=True)]
    groups = [{"params": matrices, "weight_decay": decay}, plain]
    return [torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=True)]


def probe_threads(work: Callable[[], object], cores: int | None = None) -> int:
    """Return the number of threads, of 1, 2, 4, ... up to ``cores``, at which ``work`` is fastest.

    Measured because two threads on a busy machine can be ten times slower than one. Leaves torch
    with that number set.
    """
    cores = cores or os.cpu_count() or 1
    best, best_time = 1, math.inf
    for threads in sorted({1, cores, *(2**i for i in range(1, cores.bit_length()) if 2**i < cores)}):
        torch.set_num_threads(threads)
        work()
        start = time.perf_counter()
        work()
        work()
        seconds = time.perf_counter() - start
        # A tie goes to fewer threads: it leaves room for the rest of the machine.
        if seconds < 0.95 * best_time:
            best, best_time = threads, seconds
    torch.set_num_threads(best)
    return best


def load_tokens(folder: Path, split_name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return ``index.json`` and the memory-mapped tokens of a split by source."""
    try:
        index = json.loads((folder / "index.json").read_text("utf-8"))
        files = {name: folder / f"{name}.{split_name}.npy" for name in index["sources"]}
        return index, {name: np.load(path, mmap_mode="r") for name, path in files.items() if path.exists()}
    except (OSError, KeyError, ValueError) as error:
        raise PretrainError("the prepared tokens are missing or malformed; run the tokenizer stage first") from error


class Pretraining:
    """One run: continues where its checkpoint stands; leaves the best model and a report in ``out``."""

    def __init__(
        self, shape: Shape, settings: PretrainConfig, tokens: Path, out: Path, checkpoint: Path, *, seed: int
    ) -> None:
        """Load tokens and checkpoint; raise :class:`PretrainError` if they do not belong to these settings."""
        self.settings, self.out, self.checkpoint = settings, out, checkpoint
        self.steps = max(1, settings.tokens // (settings.batch * shape.context))
        out.mkdir(parents=True, exist_ok=True)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        self._index, train = load_tokens(tokens, "train")
        if self._index["vocab"] != shape.vocab:
            raise PretrainError(f"the tokens have {self._index['vocab']} ids, the model {shape.vocab}")
        self._valid = load_tokens(tokens, "valid")[1]
        self._windows = Windows(train, settings.weights, shape.context, seed)
        self.device = choose_device(settings.device)
        torch.manual_seed(seed)
        self.model = Decoder(shape, dropout=settings.dropout).to(self.device)
        self._optimisers = optimisers(self.model, settings)
        self._loss = torch.compile(self.model.loss) if settings.compile else self.model.loss
        self.step, self.best, self.threads = 0, math.inf, 0
        self.history: list[tuple[int, float]] = []
        self.valid: dict[str, dict[str, float]] = {}
        self._identity = json.dumps([asdict(shape), asdict(settings), seed, self._index], sort_keys=True)
        if checkpoint.exists():
            self._restore()

    def run(self, notify: Notify) -> dict[str, Any]:
        """Train to the end; return the report that is also left as ``report.json``."""
        settings = self.settings
        self._set_threads()
        start, first = time.perf_counter(), self.step
        while self.step < self.steps:
            loss = self._train_step()
            self.step += 1
            last = self.step == self.steps
            if self.step % settings.log_every == 0 or last:
                value = float(loss)
                if not math.isfinite(value):
                    raise PretrainError(f"the loss is not finite at step {self.step}; lower the learning rate")
                self.history.append((self.step, value))
                speed = (self.step - first) * self._tokens_a_step() / (time.perf_counter() - start)
                notify(self.step, self.steps, {"loss": value, "tokens_per_s": speed})
            if self.step % settings.eval_every == 0 or last:
                self._validate()
                notify(self.step, self.steps, {f"ppl_{name}": v["perplexity"] for name, v in self.valid.items()})
            if self.step % settings.save_every == 0 or last:
                self._save()
        return self._report(first, time.perf_counter() - start)

    def _tokens_a_step(self) -> int:
        return self.settings.batch * self.model.shape.context

    def _train_step(self) -> Tensor:
        settings = self.settings
        self.model.train()
        parts = settings.batch // settings.micro
        total = torch.zeros((), device=self.device)
        for _ in range(parts):
            loss = self._batch_loss(self._windows.batch(settings.micro)) / parts
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        decay = settings.decay if settings.schedule == "wsd" else None
        share = rate(self.step, self.steps, warmup=settings.warmup, final=settings.final, decay=decay)
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = settings.lr * share
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return total

    def _batch_loss(self, batch: np.ndarray) -> Tensor:
        windows = torch.from_numpy(batch)
        if self.device.type == "cuda":
            windows = windows.pin_memory().to(self.device, non_blocking=True)
        ids, targets = split(windows)
        mask = document_mask(ids) if self.settings.boundaries else None
        with autocast(self.device, self.settings.precision):
            return self._loss(ids, targets, mask)

    @torch.no_grad()
    def _validate(self) -> None:
        """Measure each source; keep the model if it is the best so far."""
        self.model.eval()
        self.valid = {}
        for name, tokens in self._valid.items():
            losses = [float(self._batch_loss(batch)) for batch in self._valid_batches(tokens)]
            if losses:
                loss = sum(losses) / len(losses)
                facts = self._index["sources"][name]
                tokens_a_byte = facts["valid_tokens"] / max(1, facts["valid_bytes"])
                self.valid[name] = {
                    "perplexity": math.exp(loss),
                    "bits_per_byte": loss / math.log(2) * tokens_a_byte,
                }
        weights = {name: self.settings.weights.get(name, 0.0) for name in self.valid}
        total = sum(weights.values())
        score = sum(math.log(self.valid[n]["perplexity"]) * w for n, w in weights.items()) / total if total else 0.0
        if score < self.best or not total:
            self.best = score
            save_model(self.model, self.out / MODEL)

    def _valid_batches(self, tokens: np.ndarray) -> Iterator[np.ndarray]:
        length, micro = self.model.shape.context, self.settings.micro
        count = min((len(tokens) - 1) // length, micro * self.settings.eval_batches)
        rows = [tokens[i * length : (i + 1) * length + 1].astype(np.int64) for i in range(count)]
        for start in range(0, count, micro):
            yield np.stack(rows[start : start + micro])

    def _set_threads(self) -> None:
        if self.device.type != "cpu":
            torch.set_float32_matmul_precision("high")
            return
        if not self.threads:
            self.threads = self.settings.threads or self._probe()
        torch.set_num_threads(self.threads)

    def _probe(self) -> int:
        """Find the fastest number of threads without touching the run's own state."""
        state = torch.get_rng_state()
        # Two sequences show the difference as well as a full batch and cost less.
        batch = np.full((min(2, self.settings.micro), self.model.shape.context + 1), BOS_ID + 1, dtype=np.int64)
        threads = probe_threads(lambda: self._batch_loss(batch).backward())
        self.model.zero_grad(set_to_none=True)
        torch.set_rng_state(state)
        return threads

    def _save(self) -> None:
        state = {
            "identity": self._identity,
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
            "drawn": self._windows.drawn,
            "step": self.step,
            "best": self.best,
            "threads": self.threads,
            "history": self.history,
            "valid": self.valid,
        }
        save_atomically(state, self.checkpoint)

    def _restore(self) -> None:
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        if state["identity"] != self._identity:
            raise PretrainError(
                "the checkpoint belongs to other settings or other tokens; "
                "use the recipe that made it, or another run folder"
            )
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"])
        self._windows.drawn = dict(state["drawn"])
        self.step, self.best, self.threads = state["step"], state["best"], state["threads"]
        self.history = [(int(step), float(loss)) for step, loss in state["history"]]
        self.valid = state["valid"]

    def _report(self, first: int, seconds: float) -> dict[str, Any]:
        report = {
            "parameters": self.model.parameters_count(),
            "steps": self.steps,
            "tokens": self.steps * self._tokens_a_step(),
            "tokens_per_s": (self.steps - first) * self._tokens_a_step() / seconds if self.steps > first else None,
            "device": self.device.type,
            "threads": self.threads,
            "loss": self.history[-1][1] if self.history else None,
            "valid": self.valid,
            "epochs": self._windows.epochs(),
            "history": self.history,
        }
        part = self.out / (REPORT + ".part")
        part.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        part.replace(self.out / REPORT)
        return report


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which a forward pass runs."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is the GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Pre-train the recipe's decoder on the prepared tokens; continue where a killed run stopped."""
    tokens, out = paths.out / "tokens", paths.out / "pretrain"
    vocab = load_tokens(tokens, "train")[0]["vocab"]
    shape = Shape(vocab=vocab, **asdict(recipe.shape))
    checkpoint = paths.checkpoints / "pretrain.pt"
    training = Pretraining(shape, recipe.pretrain, tokens, out, checkpoint, seed=recipe.seed)
    progress.say(
        f"pretrain: {training.model.parameters_count() / 1e6:.1f} M parameters on {training.device.type}, "
        f"{training.steps} steps, from step {training.step}"
    )
    tracker = progress.track("pretrain", training.steps, start=training.step)

    def notify(step: int, steps: int, facts: Mapping[str, float]) -> None:
        note = ", ".join(
            f"{name} {value:,.0f}" if value > 100 else f"{name} {value:.3f}" for name, value in facts.items()
        )
        if "loss" in facts:
            tracker.update(step, note)
        else:
            progress.say(f"pretrain: step {step} of {steps}; {note}")

    report = training.run(notify)
    summary = {
        key: report[key] for key in ("parameters", "tokens", "tokens_per_s", "device", "threads", "loss", "valid")
    }
    return StageResult((out / MODEL, out / REPORT), summary)
