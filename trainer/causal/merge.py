"""``merge``: the adapter added to the base's own 16-bit weights, never to their 4-bit copy.

QLoRA trains against rounded weights, yet merging into those would round the sum once more; the published practice is
to merge into the 16-bit base and to measure what comes out (``evaluate`` and ``sweep`` do, on the quantised file).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError

from trainer.causal import base
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.progress import Progress

REPORT = "merge.json"
_CHECKED = 64
_LIMIT = 0.05
"""Mean KL divergence in nats from which a merge counts as failed: bf16 rounding alone stays under a tenth of it."""


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Write ``merged/`` in 16 bits, with the tokenizer, and ``merge.json``.

    Raises :class:`TrainerError` for an adapter of another base, too little disk, or a merge that changed the model.
    """
    folder = base.locate(recipe.base, paths)
    trained = base.trained(paths)
    _check_room(folder, paths.out)
    tokenizer = base.load_tokenizer(trained if (trained / "tokenizer.json").is_file() else folder)
    part = paths.out / "merged.part"
    shutil.rmtree(part, ignore_errors=True)
    cpu = torch.device("cpu")
    with torch.no_grad():
        model = base.load_trained(trained, folder, device=cpu, dtype=torch.bfloat16)
        report = {"from": trained.name, "kl_nats": 0.0, "top1_percent": 100.0}
        if hasattr(model, "merge_and_unload"):
            ids = torch.tensor(
                [tokenizer("I walked home in the rain and it was a long day, but a good one.").input_ids]
            )
            ids = ids[:, :_CHECKED]
            before = model.eval()(input_ids=ids).logits.float().log_softmax(-1)
            try:
                model = model.merge_and_unload(safe_merge=True)
            except ValueError as error:
                raise TrainerError(
                    "merge: the adapter holds values that are no numbers; run finetune again from an earlier checkpoint"
                ) from error
            after = model.eval()(input_ids=ids).logits.float().log_softmax(-1)
            report["kl_nats"] = float((before.exp() * (before - after)).sum(-1).mean())
            report["top1_percent"] = 100 * float((before.argmax(-1) == after.argmax(-1)).float().mean())
            if not report["kl_nats"] < _LIMIT:
                raise TrainerError(
                    f"merge: the merged model differs from base and adapter by {report['kl_nats']:.3f} nats"
                )
    # Written whole or not at all: a run that is killed in between leaves the last merge as it was.
    model.config.use_cache = True
    try:
        model.save_pretrained(str(part), safe_serialization=True)
        base.copy_tokenizer(tokenizer, part)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise TrainerError(f"merge: the merged model could not be written to {paths.out}: is the disk full?") from error
    base.replace_folder(part, paths.merged)
    path = paths.reports / REPORT
    path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    progress.say(f"merge: {trained.name} into 16 bits; {report['kl_nats']:.5f} nats from base and adapter")
    return StageResult((*base.files_of(paths.merged), path), report)


def _check_room(folder: Path, out: Path) -> None:
    size = sum(path.stat().st_size for path in base.weight_files(folder))
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free
    if free < size * 1.05:
        raise TrainerError(f"merge: {size / 1e9:.1f} GB are needed in {out}, {free / 1e9:.1f} are free")
