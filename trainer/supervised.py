"""The loop behind classifiers and rewriters: exact to resume, stopped early by what is measured on valid.

As in ``causal.loop``, a step is a function of the seed and its number, dropout included; checkpoints
are those of ``causal.guard``. The model comes with a function for the loss of some examples and one
that judges it; this module knows neither texts nor labels.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainer import parallel
from trainer.causal import base, guard
from trainer.causal.loop import BEST, best_weights, rate, trim_curve
from trainer.causal.packing import Plan
from trainer.causal.shapes import tokeniser
from trainer.config import TrainerError
from trainer.pretrain import choose_device
from trainer.progress import Progress, clock_text
from trainer.sections import SftConfig

KNOBS = "lower sft.batch or sft.sequence"


@dataclass(slots=True)
class State:
    """Where a run stands."""

    step: int = 0
    seconds: float = 0.0
    window: list[float] = field(default_factory=lambda: [0.0, 0.0])
    best: float = -math.inf
    best_step: int = 0
    stale: int = 0
    """Evaluations since the best one."""


def layered(model: nn.Module, head: Callable[[str], bool], *, decay: float, head_scale: float) -> list[dict[str, Any]]:
    """Return parameter groups whose rates shrink with the distance from the output.

    Weights of block ``n`` of ``blocks`` get ``decay ** (blocks - n)`` of the rate, embeddings one power more
    (Howard and Ruder 2018, discriminative fine-tuning); ``head(name)`` weights get ``head_scale``. Only
    matrices have weight decay.
    """
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    numbers = [int(found[1]) for name, _ in named if (found := re.search(r"\.(?:layer|layers|h)\.(\d+)\.", name))]
    blocks = max(numbers, default=-1) + 1
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, weight in named:
        found = re.search(r"\.(?:layer|layers|h)\.(\d+)\.", name)
        if head(name):
            scale = head_scale
        elif found:
            scale = decay ** (blocks - int(found[1]))
        else:
            scale = decay ** (blocks + 1) if "embed" in name else 1.0
        groups.setdefault((scale, weight.ndim >= 2), []).append(weight)
    return [{"params": weights, "scale": scale, "decays": matrix} for (scale, matrix), weights in groups.items()]


class Supervised:
    """Trains ``model``; continues where its checkpoints stand and ends with the best weights in it."""

    def __init__(
        self,
        model: nn.Module,
        groups: Sequence[Mapping[str, Any]],
        lengths: Sequence[int],
        loss: Callable[[Sequence[int]], Tensor],
        judge: Callable[[], dict[str, float]],
        sft: SftConfig,
        *,
        folder: Path,
        curve: Path,
        identity: Mapping[str, Any],
        progress: Progress,
        seed: int,
        device: torch.device,
        patience: int = 0,
    ) -> None:
        """Prepare the run.

        Args:
            groups: from :func:`layered`. lengths: tokens of each train example. loss: mean loss of the
                examples with these numbers. judge: figures on valid; ``score`` decides which weights are
                best, more is better. patience: evaluations without a better one after which it stops (0: never).

        Raises :class:`TrainerError` in a run of several processes.
        """
        if parallel.world() > 1:
            raise TrainerError("classifiers and rewriters train in one process: start the command without torchrun")
        self.model, self.sft, self.progress, self.curve = model, sft, progress, curve
        self.device, self._seed, self._patience = device, seed, patience
        self._loss, self._judge = loss, judge
        self.checkpoints = guard.Checkpoints(folder, sft.keep)
        self.plan = Plan(
            lengths,
            batch=sft.batch,
            accumulate=sft.accumulate,
            sequence=sft.sequence,
            packing=False,
            epochs=sft.epochs,
            max_steps=sft.max_steps,
            seed=seed,
        )
        parts = [
            {
                "params": group["params"],
                "lr": sft.lr,
                "scale": group["scale"],
                "weight_decay": sft.weight_decay if group["decays"] else 0.0,
            }
            for group in groups
        ]
        self._optimizer = torch.optim.AdamW(parts, lr=sft.lr)
        self.state = State()
        whole = dict(identity) | {"steps": self.plan.steps, "seed": seed, "patience": patience}
        self._identity = json.dumps(whole | {"sft": _plain(sft)}, sort_keys=True)

    def run(self) -> State:
        """Train; raise :class:`TrainerError` for a loss that is not finite, a full disk and missing memory."""
        self.checkpoints.tidy()
        self._resume()
        if self.device.type == "cpu" and self.sft.threads:
            torch.set_num_threads(self.sft.threads)
        with guard.memory(self.checkpoints, KNOBS):
            self._train()
        self._load_best()
        return self.state

    def _train(self) -> None:
        state, steps, sft = self.state, self.plan.steps, self.sft
        tracker = self.progress.track("finetune", steps, "steps", state.step)
        began, before = time.monotonic(), state.seconds
        while state.step < steps and not (self._patience and state.stale >= self._patience):
            self.model.train()
            loss = self._step(state.step)
            state.step += 1
            state.window[0] += loss
            state.window[1] += 1
            state.seconds = before + time.monotonic() - began
            last = state.step == steps
            if state.step % sft.log_every == 0 or last:
                mean = state.window[0] / state.window[1]
                state.window = [0.0, 0.0]
                self._write({"loss": mean, "lr": sft.lr * rate(state.step - 1, steps, sft.schedule, sft.warmup)})
                tracker.update(state.step, f"loss {mean:.4f}")
            if state.step % sft.eval_every == 0 or last:
                self._evaluate()
            if state.step % sft.save_every == 0 or last:
                self._save()
        if state.step < steps:
            self.progress.say(
                f"finetune: stopped at step {state.step}; no better on valid for {state.stale} evaluations"
            )
        self.progress.say(f"finetune: {state.step} steps in {clock_text(state.seconds)}")

    def _step(self, number: int) -> float:
        groups = self.plan.step(number)
        count = sum(map(len, groups))
        share = self.sft.lr * rate(number, self.plan.steps, self.sft.schedule, self.sft.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = share * group["scale"]
        total = 0.0
        for place, rows in enumerate(groups):
            torch.manual_seed(hash((self._seed, number, place)) % 2**63)
            with self.autocast():
                loss = self._loss(rows) * (len(rows) / count)
            loss.backward()
            total += float(loss.detach())
        weights = [w for group in self._optimizer.param_groups for w in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(weights, self.sft.clip or math.inf)
        guard.check_finite(total, float(norm), number + 1, self.checkpoints)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return total

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context of a forward pass."""
        if self.sft.precision == "fp32" or (self.sft.precision == "fp16" and self.device.type == "cpu"):
            return contextlib.nullcontext()
        # No loss scaling here: these models are small enough for the range of bfloat16 everywhere.
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _evaluate(self) -> None:
        state = self.state
        self.model.eval()
        with torch.no_grad(), self.autocast():
            found = self._judge()
        self._write({f"eval_{name}": value for name, value in found.items()})
        told = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
        self.progress.say(f"finetune: step {state.step}: valid {told}")
        if not found:
            return
        state.stale += 1
        if found["score"] > state.best:
            state.best, state.best_step, state.stale = found["score"], state.step, 0
            weights = self._weights()
            with self.checkpoints.writing("the best weights"):
                content = {"step": state.step, "weights": weights}
                guard.write_folder(
                    self.checkpoints.folder / BEST, {guard.STATE: lambda path: torch.save(content, path)}
                )

    def _weights(self) -> dict[str, Tensor]:
        return {n: w.detach().to("cpu", copy=True) for n, w in self.model.named_parameters() if w.requires_grad}

    def _set_weights(self, weights: Mapping[str, Tensor]) -> None:
        own = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, value in weights.items():
                own[name].copy_(value)

    def _save(self) -> None:
        state = {name: getattr(self.state, name) for name in State.__slots__}
        content = {
            "identity": self._identity,
            "weights": self._weights(),
            "optimizer": self._optimizer.state_dict(),
            "state": state,
        }
        self.checkpoints.save(self.state.step, content)

    def _resume(self) -> None:
        content = self.checkpoints.load(self.progress.say)
        if content is not None and content["identity"] != self._identity:
            self.progress.say("finetune: the checkpoint is of another recipe or data; starting afresh")
            self.checkpoints.clear()
            content = None
        if content is not None:
            self._set_weights(content["weights"])
            self._optimizer.load_state_dict(content["optimizer"])
            self.state = State(**content["state"])
            self.progress.say(f"finetune: going on after step {self.state.step}")
        trim_curve(self.curve, self.state.step)

    def _load_best(self) -> None:
        if not self.state.best_step or self.state.best_step == self.state.step:
            return
        best = best_weights(self.checkpoints.folder)
        self._set_weights(best["weights"])
        self.progress.say(f"finetune: keeping the weights of step {best['step']}, the best on valid")

    def _write(self, facts: Mapping[str, float]) -> None:
        line = {"step": self.state.step, **facts, "seconds": round(self.state.seconds, 3)}
        with self.checkpoints.writing("the loss curve"), self.curve.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class Frame:
    """What a tokenizer puts around a text; the text itself is data, whatever token it spells."""

    def __init__(self, tokenizer: Any, limit: int) -> None:
        """Learn what comes before and after a text; texts are cut so that all of it has at most ``limit`` ids."""
        self._tokenise = tokeniser(tokenizer)
        inside = self._tokenise("a", False)
        whole = tokenizer.backend_tokenizer.encode("a").ids
        starts = [i for i in range(len(whole) - len(inside) + 1) if whole[i : i + len(inside)] == inside]
        first = starts[0] if starts else 0
        self._head = whole[:first]
        self._tail = whole[first + len(inside) :] if starts else []
        self._limit = limit

    def ids(self, text: str, end: int | None = None) -> list[int]:
        """Return the ids of ``text`` with what belongs around it, and ``end`` as the last one."""
        tail = self._tail if end is None or self._tail[-1:] == [end] else [*self._tail, end]
        room = max(0, self._limit - len(self._head) - len(tail))
        return [*self._head, *self._tokenise(text, False)[:room], *tail]


def device_of(sft: SftConfig) -> torch.device:
    """Return the device that ``sft.device`` names."""
    return choose_device(sft.device)


def _plain(sft: SftConfig) -> dict[str, Any]:
    return {name: getattr(sft, name) for name in SftConfig.__slots__ if name not in ("threads", "device", "keep")}


def leave(model: Any, tokenizer: Any, name: str, note: Mapping[str, Any], folder: Path) -> tuple[Path, ...]:
    """Write model, tokenizer and ``note`` (as the file ``name``) into ``folder``, whole or not at all."""
    with base.whole(folder) as part:
        model.save_pretrained(str(part))
        base.copy_tokenizer(tokenizer, part)
        (part / name).write_text(json.dumps(note, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return base.files_of(folder)
