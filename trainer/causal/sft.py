"""The stage ``finetune`` of language models: supervised, all weights or adapters, on 16-bit or 4-bit bases.

Reads ``prepared/instructions-*.jsonl.gz`` and leaves in ``adapter/`` the adapter in PEFT's form (for
``full`` the whole model), with the tokenizer and a note of the base; the curve in
``curve-finetune.jsonl``. Several processes: ``docs/trainer/multi-gpu.md``.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from trainer import estimate, parallel
from trainer.causal import base, guard, packing
from trainer.causal.loop import Loop
from trainer.causal.packing import Learner
from trainer.causal.shapes import Encoded, encode
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.pretrain import choose_device
from trainer.progress import Progress
from trainer.records import read_examples

CURVE = "curve-finetune.jsonl"


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Fine-tune; return the files of the adapter (or model) and the curve.

    Raises :class:`TrainerError` when base, data or memory do not suffice, and for what ``guard`` tells.
    """
    sft = recipe.sft
    accelerator = parallel.accelerator(cpu=choose_device(sft.device).type == "cpu")
    device: torch.device = accelerator.device
    if not accelerator.is_main_process:
        progress = Progress(stream=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - lives as long as the process
    folder = base.locate(recipe.base, paths)
    template = base.template_of(recipe)
    tokenizer = base.load_tokenizer(folder)
    train = encoded(paths.prepared / "instructions-train.jsonl.gz", recipe, template, tokenizer)
    if not train:
        raise TrainerError("there is nothing to learn: the prepared instructions hold no example for finetune")
    valid = encoded(paths.prepared / "instructions-valid.jsonl.gz", recipe, template, tokenizer, sft.eval_rows)
    say_shape(train, sft.sequence, progress)

    needed = estimate.check(recipe, folder, device, progress)
    torch.manual_seed(recipe.seed)
    with quiet():
        # A sharded model is cut on the CPU: no GPU has room for all of it.
        place = torch.device("cpu") if parallel.sharded() else device
        model, attention = prepare_model(recipe, folder, place, progress, checkpointing=needed.checkpointing)
    checkpoints = guard.Checkpoints(paths.checkpoints / "finetune", sft.keep)
    identity = {
        "base": base.weights_sha256(folder),
        "adapter": asdict(recipe.adapter),
        "data": _data_key(train),
    }
    loop = Loop(
        Learner(model, attention),
        train,
        valid,
        sft,
        accelerator=accelerator,
        checkpoints=checkpoints,
        curve=paths.out / CURVE,
        identity=identity,
        progress=progress,
        seed=recipe.seed,
        knobs=estimate.KNOBS,
    )
    state = loop.run()
    whole = loop.whole_weights()
    if accelerator.is_main_process:
        with checkpoints.writing("the trained model"):
            leave(model, tokenizer, recipe, folder, paths.adapter, weights=whole)
    accelerator.wait_for_everyone()
    summary: dict[str, Any] = {
        "steps": state.step,
        "examples": len(train),
        "tokens": state.tokens,
        "tokens_per_s": state.tokens / max(state.seconds, 1e-9),
        "valid_loss": state.best if state.best_step else state.last_eval,
    }
    return StageResult((*base.files_of(paths.adapter), paths.out / CURVE), summary)


def encoded(path: Path, recipe: Recipe, template: Any, tokenizer: Any, most: int = 0) -> list[Encoded]:
    """Read examples and return them as ids, ``most`` of them evenly over the file (0: all).

    Preference pairs are left to ``prefer``.
    """
    rows = [row for row in read_examples(path) if row.task != "preference"]
    if most and len(rows) > most:
        rows = [rows[i * len(rows) // most] for i in range(most)]
    sft = recipe.sft
    return [encode(row, sft.shape, template, tokenizer, sft.sequence) for row in rows]


def prepare_model(
    recipe: Recipe, folder: Path, device: torch.device, progress: Progress, *, checkpointing: bool
) -> tuple[Any, str]:
    """Return the model ready to learn and the name of its attention.

    All weights learn in 32 bits (``full``); the frozen base of an adapter is held in ``sft.precision``.
    """
    sft, adapter = recipe.sft, recipe.adapter
    attention = base.attention_for(sft.attention, device)
    if sft.attention == "auto" and attention == "sdpa":
        attention = packing.register()
    frozen = base.DTYPES[sft.precision]
    model = base.load_model(
        folder,
        method=adapter.method,
        adapter=adapter,
        device=device,
        dtype=torch.float32 if adapter.method == "full" else frozen,
        attention=attention,
        progress=progress,
    )
    if checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        progress.say("finetune: activations are computed again on the way back (sft.checkpointing)")
    if adapter.method != "full":
        for weight in model.parameters():
            weight.requires_grad_(False)
        model = base.wrap(model, adapter)
        if sft.precision != "fp32":
            # Autocast brings both sides to 16 bits; PEFT would first copy every input to the adapter's 32.
            for module in model.modules():
                if hasattr(module, "cast_input_dtype_enabled"):
                    module.cast_input_dtype_enabled = False
    learned = sum(weight.numel() for _, weight in base.trainable(model))
    progress.say(f"finetune: {learned / 1e6:,.2f} M weights learn")
    return model, attention


def leave(
    model: Any, tokenizer: Any, recipe: Recipe, location: Path, folder: Path, *, weights: Any = None
) -> tuple[Path, ...]:
    """Write what was trained into ``folder``, whole or not at all, with tokenizer and note of the base.

    ``weights`` replace the model's own where those are sharded. Raises ``OSError``.
    """
    with base.whole(folder) as part:
        if weights is None:
            model.save_pretrained(str(part))
        else:
            weights = {name.removeprefix("model."): value for name, value in weights.items()}
            model.save_pretrained(str(part), state_dict=weights)
        (part / "README.md").unlink(missing_ok=True)  # PEFT's, which names paths of this machine
        base.copy_tokenizer(tokenizer, part)
        base.note_base(part, recipe.base, location)
    return base.files_of(folder)


def say_shape(examples: Sequence[Encoded], sequence: int, progress: Progress) -> None:
    """Tell how long the examples are: counts only."""
    lengths = sorted(len(example.ids) for example in examples)
    cut = Counter(length >= sequence for length in lengths)[True]
    progress.say(
        f"finetune: {len(lengths):,} examples of {lengths[len(lengths) // 2]} tokens (median; "
        f"longest {lengths[-1]}, {cut:,} at the limit of {sequence})"
    )


@contextlib.contextmanager
def quiet() -> Any:
    """Keep libraries' advice out of the log while a model is loaded; their errors still come."""
    from transformers.utils import logging as hub_logging

    loggers = [logging.getLogger(name) for name in ("bitsandbytes", "peft", "accelerate")]
    levels = [logger.level for logger in loggers]
    before = hub_logging.get_verbosity()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    hub_logging.set_verbosity_error()
    hub_logging.disable_progress_bar()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        hub_logging.set_verbosity(before)


def _data_key(examples: Sequence[Encoded]) -> str:
    digest = hashlib.sha256()
    for example in examples:
        digest.update(repr((example.ids, example.start, example.choices, example.targets)).encode())
    return digest.hexdigest()


def with_sft(recipe: Recipe, **changes: Any) -> Recipe:
    """Return ``recipe`` with other values in its ``[sft]`` section."""
    return replace(recipe, sft=replace(recipe.sft, **changes))
