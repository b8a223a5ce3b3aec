"""The stage ``prefer``: from pairs of a chosen and a rejected reply, by DPO or ORPO.

Both go through TRL and through :func:`_trainer_for`, the one place that knows them: DPO (Rafailov et
al. 2023, arXiv 2305.18290) is stable there, ORPO (Hong et al. 2024, arXiv 2403.07691) experimental.
TRL gets ids, never text: prompts are made by ``causal.shapes``, so that what a person wrote in a pair
stays data. Training goes on from what ``finetune`` or ``distill`` left, which is also DPO's reference.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from journal_app.contract.prompts import Template
from trainer.causal import base, guard, shapes
from trainer.causal.loop import read_curve
from trainer.causal.sft import leave, quiet
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.metrics import provenance
from trainer.pretrain import choose_device
from trainer.progress import Progress
from trainer.records import Example, read_examples

CURVE = "curve-prefer.jsonl"
REPORT = "prefer.json"
WHOLE = "whole.json"
"""In a checkpoint's folder once every other file of it is on the disk."""
IDENTITY = "identity.json"
_FULL = re.compile(r"os error (?:27|28|122)\b|No space left|File too large|Disk quota")
_OPTIMIZERS = {
    "adamw": "adamw_torch",
    "adamw_8bit": "adamw_bnb_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
    "paged_adamw_32bit": "paged_adamw_32bit",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """The ids of one prompt and of its two answers, each ending its turn."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Learn the preferences; leave the result in ``preferred/``, the curve and ``prefer.json``.

    With ``prefer.method = "none"`` nothing is done and what an earlier run preferred is removed. Raises
    :class:`TrainerError` without pairs or a tuned model, for a loss that is not finite and a full disk.
    """
    config = recipe.prefer
    if config.method == "none":
        shutil.rmtree(paths.preferred, ignore_errors=True)
        for name in (CURVE, REPORT):
            (paths.out / name).unlink(missing_ok=True)
        return StageResult(())
    start = base.tuned(paths)
    location = base.locate(recipe.base, paths)
    tokenizer = base.load_tokenizer(start)
    template = base.template_of(recipe)
    train, valid = (
        encode_pairs(read_examples(paths.prepared / f"instructions-{split}.jsonl.gz"), recipe, template, tokenizer)
        for split in ("train", "valid")
    )
    if not train:
        raise TrainerError(
            'there is no preference pair in the prepared instructions: add a source with task = "preference", '
            'let `quietpage-train augment` write some, or set prefer.method = "none"'
        )
    valid = valid[: recipe.sft.eval_rows]
    device = choose_device(recipe.sft.device)
    if recipe.sft.threads:
        torch.set_num_threads(recipe.sft.threads)
    torch.manual_seed(recipe.seed)
    with quiet():
        model = load_tuned(recipe, start, location, device, progress)
    began = {name: weight.detach().to("cpu", copy=True) for name, weight in base.trainable(model)}
    before = judge(model, valid, device, recipe.sft.precision)
    progress.say(f"prefer: {len(train):,} pairs, {config.method}; valid {_told(before)}")

    checkpoints = _Folder(paths.checkpoints / "prefer")
    checkpoints.begin(_identity(recipe, start, train))
    curve = paths.out / CURVE
    trainer = _trainer_for(recipe, model, start, location, tokenizer, train, checkpoints, curve, progress, device)
    last = checkpoints.newest()
    _trim(curve, int(last.name.rpartition("-")[2]) if last else 0)
    if last:
        progress.say(f"prefer: going on after step {last.name.rpartition('-')[2]}")
    with guard.memory(checkpoints.told(), "lower prefer.batch or prefer.sequence"), _silent_trl():
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    model = _bare(trainer.model)
    del trainer.optimizer
    after = judge(model, valid, device, recipe.sft.precision, start=began, beta=config.beta)
    progress.say(f"prefer: valid {_told(after)}; {after.get('kl_nats_per_token', 0.0):.4f} nats a token from the start")
    with checkpoints.told().writing("the preferred model"):
        leave(model, tokenizer, recipe, location, paths.preferred)
    data = [paths.prepared / f"instructions-{split}.jsonl.gz" for split in ("train", "valid")]
    report = {
        "method": config.method,
        "beta": config.beta,
        "loss": config.loss if config.method == "dpo" else "odds ratio",
        "steps": trainer.state.global_step,
        "pairs": {"train": len(train), "valid": len(valid)},
        "valid_before": before,
        "valid_after": after,
        "nll_drift_nats_per_token": _difference(after, before, "nll_chosen_nats_per_token"),
        **provenance(data=data, model=paths.preferred, seed=recipe.seed),
    }
    path = paths.out / REPORT
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    summary = {
        "pairs": len(train),
        "valid_accuracy_before": before.get("accuracy", math.nan),
        "valid_accuracy": after.get("accuracy", math.nan),
        "kl": after.get("kl_nats_per_token", math.nan),
    }
    return StageResult((*base.files_of(paths.preferred), curve, path), summary)


def encode_pairs(examples: Sequence[Example], recipe: Recipe, template: Template, tokenizer: Any) -> list[Pair]:
    """Return the preference pairs among ``examples`` as ids of at most ``prefer.sequence`` tokens.

    A pair is asked as a reply is, in ``sft.shape``. Both answers follow the very same prompt.
    """
    shape, limit = recipe.sft.shape, recipe.prefer.sequence
    pairs = []
    for example in examples:
        if example.task != "preference" or not example.chosen or not example.rejected:
            continue
        answers = []
        for text in (example.chosen, example.rejected):
            ids = shapes.completion(text, shape, template, tokenizer)
            answers.append(ids[: max(2, limit // 2)])
        asked = replace(example, task="reply", chosen="", rejected="")
        room = limit - max(map(len, answers))
        pairs.append(Pair(shapes.prompt(asked, shape, template, tokenizer, room), *answers))
    return pairs


# -- how good it is -------------------------------------------------------------------------------------------------


@torch.no_grad()
def judge(
    model: Any,
    pairs: Sequence[Pair],
    device: torch.device,
    precision: str,
    *,
    start: Mapping[str, torch.Tensor] | None = None,
    beta: float = 0.1,
) -> dict[str, float]:
    """Return how a model stands to ``pairs``; nothing for no pairs.

    ``accuracy`` is the share of pairs whose chosen reply is the likelier one token by token (ORPO's measure),
    ``margin_nats_per_token`` by how much. With ``start``, the weights that training began with, also how far
    the model went: ``kl_nats_per_token``, KL(start || now) averaged over the tokens of both replies, and
    ``reward_accuracy`` and ``reward_margin`` of DPO's implicit reward, ``beta`` x the log-ratio to the start.
    """
    if not pairs:
        return {}
    was_training = model.training
    model.eval()
    margins, nll, tokens, divergence, counted, rewards = [], 0.0, 0, 0.0, 0, []
    for pair in pairs:
        means, reward = [], 0.0
        for sign, answer in ((1, pair.chosen), (-1, pair.rejected)):
            now = _log_probabilities(model, pair.prompt, answer, device, precision)
            picked = now.gather(1, torch.tensor(answer, device=now.device)[:, None]).sum()
            means.append(float(picked) / len(answer))
            if sign > 0:
                nll, tokens = nll - float(picked), tokens + len(answer)
            if start is not None:
                with _swapped(model, start):
                    then = _log_probabilities(model, pair.prompt, answer, device, precision)
                divergence += float((then.exp() * (then - now)).sum())
                counted += len(answer)
                earlier = then.gather(1, torch.tensor(answer, device=now.device)[:, None]).sum()
                reward += sign * beta * float(picked - earlier)
        margins.append(means[0] - means[1])
        rewards.append(reward)
    model.train(was_training)
    found = {
        "pairs": len(pairs),
        "accuracy": sum(margin > 0 for margin in margins) / len(pairs),
        "margin_nats_per_token": sum(margins) / len(pairs),
        "nll_chosen_nats_per_token": nll / tokens,
    }
    if start is not None:
        found["kl_nats_per_token"] = divergence / counted
        found["reward_accuracy"] = sum(reward > 0 for reward in rewards) / len(pairs)
        found["reward_margin"] = sum(rewards) / len(pairs)
    return found


def _log_probabilities(
    model: Any, prompt: Sequence[int], answer: Sequence[int], device: torch.device, precision: str
) -> torch.Tensor:
    """Return log-probabilities [answer tokens, vocabulary] in nats at the positions before each token of ``answer``."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    ids = torch.tensor([[*prompt, *answer]], device=device)
    # The body and the head by themselves: TRL changes ``forward`` into one that gives no logits.
    with torch.autocast(device.type, torch.bfloat16, enabled=precision != "fp32"):
        states = getattr(inner, inner.base_model_prefix)(input_ids=ids, use_cache=False).last_hidden_state
        logits = inner.get_output_embeddings()(states[0, len(prompt) - 1 : -1])
    return logits.float().log_softmax(-1)


@contextmanager
def _swapped(model: Any, weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Put ``weights`` in the place of the model's own for a while."""
    own = {name: weight for name, weight in model.named_parameters() if name in weights}
    kept = {name: weight.data for name, weight in own.items()}
    try:
        for name, weight in own.items():
            weight.data = weights[name].to(weight.device, weight.dtype)
        yield
    finally:
        for name, weight in own.items():
            weight.data = kept[name]


def _told(found: Mapping[str, float]) -> str:
    if not found:
        return "has no pair"
    return f"accuracy {found['accuracy']:.3f}, margin {found['margin_nats_per_token']:+.4f} nats a token"


def _difference(after: Mapping[str, float], before: Mapping[str, float], name: str) -> float | None:
    return after[name] - before[name] if name in after and name in before else None


# -- the model and TRL ----------------------------------------------------------------------------------------------


def load_tuned(
    recipe: Recipe,
    start: Path,
    location: Path,
    device: torch.device,
    progress: Progress,
    attention: str = "",
) -> Any:
    """Return the model as an earlier stage left it in ``start``, ready to learn on, what learns in 32 bits.

    ``attention`` is transformers' name; empty for what the recipe says. Raises :class:`TrainerError` as
    ``base.load_model`` does, and when the adapter in ``start`` belongs to another base than ``location``.
    """
    from peft import PeftModel

    whole = not (start / "adapter_config.json").is_file()
    method = "full" if whole else recipe.adapter.method
    dtype = torch.float32 if whole else base.DTYPES[recipe.sft.precision]
    if not whole:
        base.check_base(start, location)
    model = base.load_model(
        start if whole else location,
        method=method,
        adapter=recipe.adapter,
        device=device,
        dtype=dtype,
        attention=attention or base.attention_for(recipe.sft.attention, device),
        progress=progress,
    )
    if whole:
        return model
    for weight in model.parameters():
        weight.requires_grad_(False)
    return PeftModel.from_pretrained(model, str(start), is_trainable=True, autocast_adapter_dtype=True)


def _bare(model: Any) -> Any:
    """Return the trained model without TRL's copy of where it began."""
    if hasattr(model, "peft_config") and "ref" in model.peft_config:
        model.delete_adapter("ref")
    return model


def _trainer_for(
    recipe: Recipe,
    model: Any,
    start: Path,
    location: Path,
    tokenizer: Any,
    pairs: Sequence[Pair],
    folder: _Folder,
    curve: Path,
    progress: Progress,
    device: torch.device,
) -> Any:
    """Return TRL's trainer of ``prefer.method`` over ``pairs``."""
    from datasets import Dataset
    from transformers import Trainer, TrainerCallback

    config, precision = recipe.prefer, recipe.sft.precision
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    rows = Dataset.from_list([{"asked": p.prompt, "better": p.chosen, "worse": p.rejected} for p in pairs])
    shared: dict[str, Any] = {
        "output_dir": str(folder.path),
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps or -1,
        "per_device_train_batch_size": config.batch,
        "gradient_accumulation_steps": config.accumulate,
        "learning_rate": config.lr,
        "lr_scheduler_type": config.schedule,
        "warmup_steps": config.warmup,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.clip,
        "max_length": config.sequence,
        "beta": config.beta,
        "optim": _OPTIMIZERS[recipe.sft.optimizer] if device.type == "cuda" else "adamw_torch",
        "bf16": precision == "bf16",
        "fp16": precision == "fp16" and device.type == "cuda",
        "use_cpu": device.type == "cpu",
        "gradient_checkpointing": recipe.sft.checkpointing == "on"
        or (recipe.sft.checkpointing == "auto" and device.type == "cuda"),
        "logging_steps": config.log_every,
        "save_steps": config.save_every,
        "save_strategy": "steps",
        "save_total_limit": max(2, recipe.sft.keep),
        "seed": recipe.seed,
        "report_to": [],
        "disable_tqdm": True,
        "logging_nan_inf_filter": False,
        "remove_unused_columns": False,
        "dataloader_pin_memory": device.type == "cuda",
    }

    class Careful:
        """What both trainers of TRL do otherwise here: whole checkpoints, no NaN, no model card."""

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            step = self.state.global_step  # type: ignore[attr-defined]
            with folder.saving(step):
                Trainer._save_checkpoint(self, model, trial)  # type: ignore[arg-type]  # noqa: SLF001

        def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
            loss = super().training_step(*args, **kwargs)  # type: ignore[misc]
            _finite(float(loss), "loss", self.state.global_step + 1, folder)  # type: ignore[attr-defined]
            return loss

    class Watch(TrainerCallback):
        """Writes the curve, and looks at the gradient before it changes a weight."""

        def __init__(self) -> None:
            self._tracker: Any = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._tracker = progress.track("prefer", state.max_steps, "steps", state.global_step)

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **facts: Any) -> None:
            gradients = [w.grad for _, w in base.trainable(facts["model"]) if w.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients)
            _finite(float(norm), "gradient", state.global_step + 1, folder)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            # A line ends with each checkpoint, so that a resumed run averages over the same steps.
            if state.global_step % config.save_every == 0 or state.global_step == state.max_steps:
                control.should_log = control.should_save = True

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if not logs or "loss" not in logs or not state.is_world_process_zero:
                return
            line = {
                "step": state.global_step,
                "loss": logs["loss"],
                "lr": logs["learning_rate"],
                "reward_margin": logs["rewards/margins"],
                "accuracy": logs["rewards/accuracies"],
            }
            with folder.told().writing("the loss curve"), curve.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            self._tracker.update(state.global_step, f"loss {line['loss']:.4f}, margin {line['reward_margin']:+.4f}")

    options = {"train_dataset": rows, "processing_class": tokenizer, "callbacks": [Watch()]}
    try:
        with _silent_trl():
            if config.method == "orpo":
                trainer = _orpo(Careful, model, shared, options)
            else:
                trainer = _dpo(Careful, model, shared, options, config.loss, recipe, start, location, device, progress)
    except ValueError as error:
        raise TrainerError(f"prefer: {str(error).splitlines()[0][:200]}") from error
    for name, weight in model.named_parameters():
        if weight.requires_grad or ".ref." in name:
            # TRL turns adapters on a 4-bit base into 16 bits, in which steps of 5e-6 would be rounded away.
            weight.data = weight.data.float()
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def _dpo(
    careful: type,
    model: Any,
    shared: Mapping[str, Any],
    options: Mapping[str, Any],
    loss: str,
    recipe: Recipe,
    start: Path,
    location: Path,
    device: torch.device,
    progress: Progress,
) -> Any:
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    class Dpo(careful, DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset.rename_columns({"asked": "prompt_ids", "better": "chosen_ids", "worse": "rejected_ids"})

    # Of an adapter TRL keeps a frozen copy; a whole model needs a second one.
    reference = None
    if not hasattr(model, "peft_config"):
        reference = load_tuned(recipe, start, location, device, progress).eval().requires_grad_(False)
    arguments = DPOConfig(**shared, loss_type=[loss])
    trainer = Dpo(model=model, ref_model=reference, args=arguments, **options)
    own = dict(model.named_parameters())
    for name, weight in own.items():
        if ".ref." in name:
            weight.data.copy_(own[name.replace(".ref.", ".default.")].data)
    return trainer


def _orpo(careful: type, model: Any, shared: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    class Orpo(careful, ORPOTrainer):  # type: ignore[misc]
        def tokenize_row(self, feature: dict[str, Any], model: Any = None) -> dict[str, Any]:
            prompt = feature["asked"]
            row: dict[str, Any] = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
            for name, answer in (("chosen", feature["better"]), ("rejected", feature["worse"])):
                row[f"{name}_input_ids"] = [*prompt, *answer]
                row[f"{name}_attention_mask"] = [1] * (len(prompt) + len(answer))
                row[f"{name}_labels"] = [-100] * len(prompt) + answer
            return row

    return Orpo(model=model, args=ORPOConfig(**shared), **options)


@contextmanager
def _silent_trl() -> Iterator[None]:
    from datasets.utils import disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("trl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        with quiet(), warnings.catch_warnings():
            # Names that transformers moves, and that ORPO may change: nothing that whoever trains can act on.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.filterwarnings("ignore", message="You are importing from 'trl.experimental'")
            yield
    finally:
        enable_progress_bars()
        logger.setLevel(level)


def _finite(value: float, what: str, step: int, folder: _Folder) -> None:
    if not math.isfinite(value):
        raise TrainerError(
            f'the {what} is not finite at step {step}; lower prefer.lr or set sft.precision = "fp32": '
            f"{folder.told().good()}"
        )


# -- checkpoints ----------------------------------------------------------------------------------------------------


class _Told(guard.Checkpoints):
    """The words of ``guard`` about the checkpoints that transformers names in its own way."""

    def steps(self) -> list[int]:
        return sorted(int(path.parent.name[11:]) for path in self.folder.glob(f"checkpoint-*/{WHOLE}"))


class _Folder:
    """The checkpoints of transformers' trainer; one counts when its last file, the mark, is there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, identity: str) -> None:
        """Drop checkpoints of other inputs, and those that a kill or a full disk cut short."""
        self.path.mkdir(parents=True, exist_ok=True)
        note = self.path / IDENTITY
        if not note.is_file() or note.read_text("utf-8") != identity:
            shutil.rmtree(self.path)
            self.path.mkdir()
            note.write_text(identity, "utf-8")
        for folder in self.path.glob("checkpoint-*"):
            if not (folder / WHOLE).is_file():
                shutil.rmtree(folder, ignore_errors=True)

    def told(self) -> guard.Checkpoints:
        """Return what can say which of them is good."""
        return _Told(self.path)

    def newest(self) -> Path | None:
        """Return the newest whole one."""
        steps = self.told().steps()
        return self.path / f"checkpoint-{steps[-1]}" if steps else None

    @contextmanager
    def saving(self, step: int) -> Iterator[None]:
        """Mark the checkpoint that the block writes as whole; a full disk becomes a :class:`TrainerError`."""
        folder = self.path / f"checkpoint-{step}"
        try:
            with self.told().writing(f"the checkpoint of step {step}"):
                try:
                    yield
                except Exception as error:
                    # safetensors has an error of its own for what the system refused.
                    if not isinstance(error, OSError | RuntimeError) and _FULL.search(str(error)):
                        raise OSError(28, "No space left on device") from error
                    raise
                guard.flush(folder)
                (folder / WHOLE).write_text(json.dumps({"step": step}) + "\n", "utf-8")
                guard.flush(folder)
        except TrainerError:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _identity(recipe: Recipe, start: Path, pairs: Sequence[Pair]) -> str:
    digest = hashlib.sha256(recipe.digest("prefer", "adapter", "seed").encode())
    digest.update(json.dumps([asdict(pair) for pair in pairs]).encode())
    for path in base.weight_files(start):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _trim(curve: Path, step: int) -> None:
    """Drop what a killed run wrote after its last checkpoint: those steps come again."""
    curve.parent.mkdir(parents=True, exist_ok=True)
    lines = [line for line in read_curve(curve) if line["step"] <= step]
    part = curve.with_name(curve.name + ".part")
    part.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    part.replace(curve)
