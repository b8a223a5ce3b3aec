"""The training loop of supervised fine-tuning: exact to resume, the same in one process and in many.

What a step learns from is a function of the seed and its number, dropout included, so a checkpoint
needs no state of a random generator and a killed run goes on with the curve it would have had. The
loss of a step is the mean over all its answers, on every process and in every pass, so two processes
compute what one computes with doubled accumulation.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer import parallel
from trainer.causal import guard
from trainer.causal.packing import Batch, Learner, Plan, batches, bins, lay_out, weight_of
from trainer.causal.shapes import Encoded
from trainer.config import TrainerError
from trainer.pretrain import probe_threads
from trainer.progress import Progress, clock_text
from trainer.sections import SftConfig

BEST = "best"
SOFT = ("lr", "clip", "warmup", "schedule", "precision", "weight_decay", "log_every", "save_every", "keep", "threads")
"""Fields that may change when a run goes on after it stopped by itself."""


def rate(step: int, steps: int, schedule: str, warmup: float) -> float:
    """Return the share of the peak learning rate at ``step`` (from 0) of ``steps``.

    Linear warm-up over ``warmup`` x ``steps``, then ``cosine`` or ``linear`` to 0, or ``constant``.
    """
    rise = math.ceil(warmup * steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    done = (step - rise) / max(1, steps - rise)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if schedule == "linear" else 1.0


def optimizer_for(model: torch.nn.Module, sft: SftConfig, device: torch.device, progress: Progress) -> Any:
    """Return the optimiser that ``sft.optimizer`` names over the weights that learn; matrices alone decay.

    On the CPU ``adamw`` stands in for the 8-bit and paged ones, and the log says so.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": sft.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if sft.optimizer != "adamw" and device.type != "cuda":
        progress.say(f"optimizer: adamw stands in for {sft.optimizer}, which needs a GPU")
    elif sft.optimizer != "adamw":
        from bitsandbytes.optim.adamw import AdamW8bit, PagedAdamW8bit, PagedAdamW32bit

        kinds = {
            "adamw_8bit": AdamW8bit,
            "paged_adamw_8bit": PagedAdamW8bit,
            "paged_adamw_32bit": PagedAdamW32bit,
        }
        return kinds[sft.optimizer](groups, lr=sft.lr)
    return torch.optim.AdamW(groups, lr=sft.lr, fused=True)


def shard(learner: Learner, device: torch.device, world: int) -> None:
    """Spread weights, gradients and optimiser over all processes (FSDP2), block by block, in place.

    Raises :class:`TrainerError` for 4-bit weights, which cannot be cut.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    if any(weight.dtype == torch.uint8 for weight in learner.parameters()):
        raise TrainerError('4-bit weights cannot be sharded; run qlora without FSDP, or set adapter.method = "lora"')
    mesh = init_device_mesh(device.type, (world,))
    base = learner.base
    for block in getattr(base, base.base_model_prefix).layers:
        fully_shard(block, mesh=mesh)
    fully_shard(learner, mesh=mesh)


@dataclass(slots=True)
class State:
    """Where a run stands; everything that a checkpoint holds beside weights and optimiser."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    threads: int = 0
    window: list[float] = field(default_factory=lambda: [0.0, 0.0])
    best: float = math.inf
    best_step: int = 0
    last_eval: float = math.nan


class Loop:
    """Trains a :class:`Learner`; continues where its checkpoints stand."""

    def __init__(
        self,
        learner: Learner,
        examples: Sequence[Encoded],
        valid: Sequence[Encoded],
        sft: SftConfig,
        *,
        accelerator: Any,
        checkpoints: guard.Checkpoints,
        curve: Path,
        identity: dict[str, Any],
        progress: Progress,
        seed: int,
        knobs: str = "lower sft.batch or sft.sequence",
        stage: str = "finetune",
    ) -> None:
        """Prepare the run.

        ``identity`` tells from what it starts (base, data, adapter); a checkpoint of another is left out.
        ``knobs`` says what to change where memory does not suffice; ``stage`` is what the log calls the run.
        """
        self.sft, self.progress, self.checkpoints, self.curve = sft, progress, checkpoints, curve
        self.accelerator, self.seed, self._knobs, self._stage = accelerator, seed, knobs, stage
        self.device: torch.device = accelerator.device
        self.world, self.rank = accelerator.num_processes, accelerator.process_index
        self.leads = accelerator.is_main_process
        self._examples, self._valid = examples, valid
        lengths = [len(example.ids) for example in examples]
        self.plan = Plan(
            lengths,
            batch=sft.batch,
            accumulate=sft.accumulate,
            world=self.world,
            sequence=sft.sequence,
            packing=sft.packing,
            epochs=sft.epochs,
            max_steps=sft.max_steps,
            seed=seed,
        )
        self._bare = learner
        self._sharded = parallel.sharded()
        if self._sharded:
            shard(learner, self.device, self.world)
        self.model = learner if self._sharded else accelerator.prepare(learner)
        self._optimizer = optimizer_for(learner, sft, self.device, progress)
        self._scaler = torch.amp.GradScaler(self.device.type) if sft.precision == "fp16" else None
        self.state = State()
        hard = {name: getattr(sft, name) for name in ("sequence", "packing", "completion_only", "shape", "optimizer")}
        units = {"units_a_step": sft.batch * sft.accumulate * self.world, "steps": self.plan.steps, "seed": seed}
        self._identity = json.dumps(identity | hard | units, sort_keys=True)
        self._soft = json.dumps({name: getattr(sft, name) for name in SOFT}, sort_keys=True)

    # -- the run --------------------------------------------------------------------------------------------------

    def run(self) -> State:
        """Train to the end; return where it ended. The best weights are then in the model.

        Raises :class:`TrainerError` for a loss that is not finite, a full disk and missing memory.
        """
        self._resume()
        self.model.train()
        with guard.memory(self.checkpoints, self._knobs):
            self._choose_threads()
            self._train()
        if self.state.best_step and self.state.best_step != self.state.step:
            self._load_best()
        return self.state

    def _train(self) -> None:
        state, steps = self.state, self.plan.steps
        tracker = self.progress.track(self._stage, steps, "steps", state.step)
        began, before = time.monotonic(), state.seconds
        self.model.train()
        while state.step < steps:
            loss = self._step(state.step)
            state.step += 1
            state.window[0] += loss
            state.window[1] += 1
            state.seconds = before + time.monotonic() - began
            last = state.step == steps
            if state.step % self.sft.log_every == 0 or last:
                mean = self._sum(state.window[0]) / state.window[1]
                state.window = [0.0, 0.0]
                lr = self.sft.lr * rate(state.step - 1, steps, self.sft.schedule, self.sft.warmup)
                self._write({"loss": mean, "lr": lr})
                tracker.update(state.step, f"loss {mean:.3f}, {state.tokens / max(state.seconds, 1e-9):,.0f} tokens/s")
            if self._valid and (state.step % self.sft.eval_every == 0 or last):
                self._judge()
            if state.step % self.sft.save_every == 0 or last:
                self._save()
        self.progress.say(f"{self._stage}: {state.tokens:,} tokens in {clock_text(state.seconds)}")

    def _step(self, number: int) -> float:
        """Learn from step ``number``; return this process's share of its mean loss in nats."""
        groups = self.plan.step(number)
        weight = sum(weight_of(self._examples[i], self.sft.completion_only) for group in groups for i in group) or 1.0
        self.state.tokens += sum(len(self._examples[i].ids) for group in groups for i in group)
        share = self.sft.lr * rate(number, self.plan.steps, self.sft.schedule, self.sft.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = share
        total = torch.zeros((), device=self.device)
        mine = list(batches(self.plan, self._examples, number, self.rank, self.sft.completion_only))
        for place, batch in enumerate(mine):
            torch.manual_seed(hash((self.seed, number, place * self.world + self.rank)) % 2**63)
            with self._unsynced(place < len(mine) - 1):
                loss = self._loss(batch) / weight
                # DDP and FSDP average over processes; the mean over the step is a sum.
                scaled = loss * self.world
                (self._scaler.scale(scaled) if self._scaler else scaled).backward()
            total += loss.detach()
        norm, mean = self._clip(), float(total)
        guard.check_finite(mean, 0.0 if self._scaler else norm, number + 1, self.checkpoints, leader=self.leads)
        if self._scaler:
            self._scaler.step(self._optimizer)
            self._scaler.update()
            if self._scaler.get_scale() < 1e-3:
                guard.check_finite(math.nan, norm, number + 1, self.checkpoints, leader=self.leads)
        else:
            self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return mean

    def _loss(self, batch: Batch) -> Tensor:
        with self._autocast():
            return self.model(batch.to(self.device))

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.sft.precision == "fp32":
            return contextlib.nullcontext()
        kind = torch.bfloat16 if self.sft.precision == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=kind)

    def _unsynced(self, unsynced: bool) -> contextlib.AbstractContextManager[object]:
        """Keep gradients on this process until the last pass of a step."""
        if unsynced and self.world > 1 and not self._sharded:
            return self.accelerator.no_sync(self.model)
        return contextlib.nullcontext()

    def _clip(self) -> float:
        if self._scaler:
            self._scaler.unscale_(self._optimizer)
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        norm = torch.nn.utils.clip_grad_norm_(weights, self.sft.clip or math.inf)
        if hasattr(norm, "full_tensor"):
            norm = norm.full_tensor()  # type: ignore[operator]
        return float(norm)

    @torch.no_grad()
    def evaluate(self) -> float:
        """Return the mean loss over the valid examples, in nats an answer."""
        self.model.eval()
        room = max(self.sft.batch * self.sft.sequence, max(len(example.ids) for example in self._valid))
        total = weight = 0.0
        for number, batch in enumerate(_chunks(self._valid, room, self.sft.completion_only)):
            # A sharded model needs every process in every pass; the others share the work out.
            if self._sharded or number % self.world == self.rank:
                part = float(self._loss(batch))
                total += part / self.world if self._sharded else part
            weight += batch.weight
        self.model.train()
        return self._sum(total) / max(weight, 1e-9)

    def _judge(self) -> None:
        state = self.state
        loss = state.last_eval = self.evaluate()
        self._write({"eval_loss": loss})
        self.progress.say(f"{self._stage}: step {state.step}: valid loss {loss:.4f}")
        if loss < state.best:
            state.best, state.best_step = loss, state.step
            weights = self._weights()
            if self.leads:
                with self.checkpoints.writing("the best weights"):
                    files = {guard.STATE: lambda path: torch.save({"step": state.step, "weights": weights}, path)}
                    guard.write_folder(self.checkpoints.folder / BEST, files)

    def _sum(self, value: float) -> float:
        if self.world == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.device)
        return float(self.accelerator.reduce(tensor, reduction="sum"))

    def _choose_threads(self) -> None:
        if self.device.type != "cpu":
            return
        cores = max(1, (os.cpu_count() or 1) // self.world)
        # A resumed run keeps its number: another changes the order of sums, and so the last digits of the curve.
        wanted = self.state.threads or self.sft.threads
        if not wanted and cores > 1:
            number = min(self.state.step, self.plan.steps - 1)
            batch = next(batches(self.plan, self._examples, number, self.rank, self.sft.completion_only))

            def work() -> None:
                with self._autocast():
                    loss = self._bare(batch)
                loss.backward()
                self._bare.zero_grad(set_to_none=True)

            if not self._sharded:  # there every pass needs every process
                wanted = probe_threads(work, cores)
        self.state.threads = wanted or cores
        torch.set_num_threads(self.state.threads)
        self.progress.say(f"{self._stage}: {self.state.threads} thread{'s' if self.state.threads > 1 else ''}")

    # -- what is kept ---------------------------------------------------------------------------------------------

    def _weights(self) -> dict[str, Tensor]:
        """Return the weights that learn, whole and on the CPU; every process must ask."""
        names = {name for name, weight in self._bare.named_parameters() if weight.requires_grad}
        if self._sharded:
            from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

            options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
            found: Any = get_model_state_dict(self.model, options=options)
            return {name: value for name, value in found.items() if name in names}
        return {n: w.detach().to("cpu", copy=True) for n, w in self._bare.named_parameters() if n in names}

    def _set_weights(self, weights: dict[str, Any]) -> None:
        if self._sharded:
            from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

            options = StateDictOptions(full_state_dict=True, strict=False)
            set_model_state_dict(self.model, weights, options=options)
            return
        own = dict(self._bare.named_parameters())
        with torch.no_grad():
            for name, value in weights.items():
                own[name].copy_(value)

    def whole_weights(self) -> dict[str, Tensor] | None:
        """Return what learned as whole tensors where the model is sharded, else None; every process must ask."""
        return self._weights() if self._sharded else None

    def _optimizer_state(self) -> dict[str, Any]:
        if self._sharded:
            from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

            options = StateDictOptions(full_state_dict=True, cpu_offload=True)
            return get_optimizer_state_dict(self.model, self._optimizer, options=options)
        return self._optimizer.state_dict()

    def _save(self) -> None:
        state = self.state
        # Of the whole step, as if one process had seen it all.
        window = [self._sum(state.window[0]), state.window[1]]
        content = {
            "identity": self._identity,
            "soft": self._soft,
            "weights": self._weights(),
            "optimizer": self._optimizer_state(),
            "scaler": self._scaler.state_dict() if self._scaler else {},
            "state": {name: getattr(state, name) for name in State.__slots__} | {"window": window},
        }
        if self.leads:
            self.checkpoints.save(state.step, content)
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        if self.leads:
            self.checkpoints.tidy()
        self.accelerator.wait_for_everyone()
        content = self.checkpoints.load(self.progress.say if self.leads else _silent)
        stopped = self.leads and self.checkpoints.was_stopped()
        if self.world > 1:
            from accelerate.utils import broadcast_object_list

            stopped = bool(broadcast_object_list([stopped])[0])
        if content is None:
            self._trim_curve(0)
            return
        if content["identity"] != self._identity or (content["soft"] != self._soft and not stopped):
            self.progress.say(f"{self._stage}: the checkpoint is of another recipe or data; starting afresh")
            self.accelerator.wait_for_everyone()
            if self.leads:
                self.checkpoints.clear()
            self._trim_curve(0)
            return
        self._set_weights(content["weights"])
        if self._sharded:
            from torch.distributed.checkpoint.state_dict import StateDictOptions, set_optimizer_state_dict

            options = StateDictOptions(full_state_dict=True)
            set_optimizer_state_dict(self.model, self._optimizer, content["optimizer"], options=options)
        else:
            self._optimizer.load_state_dict(content["optimizer"])
        if self._scaler and content["scaler"]:
            self._scaler.load_state_dict(content["scaler"])
        self.state = State(**content["state"])
        self.state.window[0] /= self.world
        self._trim_curve(self.state.step)
        self.progress.say(f"{self._stage}: going on after step {self.state.step}")

    def _load_best(self) -> None:
        best = best_weights(self.checkpoints.folder)
        self._set_weights(best["weights"])
        self.progress.say(f"{self._stage}: keeping the weights of step {best['step']}, the best on valid")

    # -- the curve ------------------------------------------------------------------------------------------------

    def _write(self, facts: dict[str, float]) -> None:
        if not self.leads:
            return
        state = self.state
        line = {"step": state.step, **facts, "tokens": state.tokens, "seconds": round(state.seconds, 3)}
        with self.checkpoints.writing("the loss curve"), self.curve.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _trim_curve(self, step: int) -> None:
        """Drop what a killed run wrote after its last checkpoint: those steps come again."""
        if not self.leads:
            return
        trim_curve(self.curve, step)


def best_weights(folder: Path) -> dict[str, Any]:
    """Return ``step`` and ``weights`` of the best state among a stage's checkpoints; raise :class:`TrainerError`."""
    try:
        return torch.load(folder / BEST / guard.STATE, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError) as error:
        raise TrainerError(f"the best weights cannot be read; remove {folder} and train again") from error


def trim_curve(path: Path, step: int) -> None:
    """Leave the lines of a curve up to ``step``, none for a new one: what came after will come again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = read_curve(path)
    part = path.with_name(path.name + ".part")
    part.write_text("".join(json.dumps(line) + "\n" for line in lines if line["step"] <= step), "utf-8")
    part.replace(path)


def read_curve(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a curve; a last one that a kill cut short is left out."""
    try:
        text = path.read_text("utf-8")
    except OSError:
        return []
    lines = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def _chunks(examples: Sequence[Encoded], room: int, completion_only: bool) -> Iterator[Batch]:
    """Yield ``examples`` in batches of at most ``room`` tokens."""
    for group in bins([len(example.ids) for example in examples], room, 0):
        yield lay_out([examples[i] for i in group], completion_only=completion_only)


def _silent(_: str) -> None:
    pass
