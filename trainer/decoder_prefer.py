"""The stage ``prefer`` of a decoder made here: the losses, loop and checkpoints of ``causal.prefer`` on our own model.

What ``distill`` or ``finetune`` left is put into Hugging Face's form, tuned there on the pairs of ``lessons`` as any
language model is, and put back as ``model/preferred.pt``. A pair's prompt is the one with which the app's writer asks
for a reflection, segment by segment.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from trainer import decoder, decoder_hf
from trainer.causal import base, prefer
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.decoder_model import load_model, save_model
from trainer.pretrain import choose_device
from trainer.progress import Progress
from trainer.records import read_examples
from trainer.sections import AdapterConfig, BaseConfig
from trainer.tokenizer import WriterTokenizer

_ORIGIN = "origin.json"


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Learn the preferences; leave ``model/preferred.pt``, the curve and ``prefer.json``.

    With ``prefer.method = "none"`` nothing is done and what an earlier run preferred is removed. Raises
    :class:`TrainerError` as ``causal.prefer.run`` does.
    """
    target = paths.model / decoder.LEFT["prefer"]
    if recipe.prefer.method == "none":
        for path in (target, paths.out / prefer.CURVE, paths.out / prefer.REPORT):
            path.unlink(missing_ok=True)
        return StageResult(())
    start = decoder.trained(paths, before="prefer")
    model = load_model(start)
    # Within the folder of checkpoints: what is half done there belongs to this stage, and goes with it.
    inner = RunPaths(paths.checkpoints / "prefer")
    _lay(start, paths, inner)
    theirs = as_causal(recipe, inner.adapter)
    found = prefer.run(theirs, inner, progress)
    save_model(decoder_hf.load(inner.preferred, model.shape), target)
    report = json.loads((inner.out / prefer.REPORT).read_text("utf-8"))
    report["by_flaw"] = by_flaw(theirs, inner, progress)
    (paths.out / prefer.REPORT).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(inner.out / prefer.CURVE, paths.out / prefer.CURVE)
    shutil.rmtree(inner.out)
    return StageResult((target, paths.out / prefer.CURVE, paths.out / prefer.REPORT), found.summary)


def as_causal(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe by which the language model in ``folder`` is tuned as our decoder is to be."""
    ours = recipe.decoder
    return replace(
        recipe,
        kind="causal",
        base=BaseConfig(model=str(folder.resolve()), family="llama", template="quietpage"),
        adapter=AdapterConfig(method="full"),
        sft=replace(
            recipe.sft,
            shape="contract",
            precision=ours.precision,
            device=ours.device,
            threads=ours.threads,
            eval_rows=ours.eval_rows,
            checkpointing="off",
            attention="sdpa",
        ),
        prefer=replace(recipe.prefer, sequence=min(recipe.prefer.sequence, recipe.max_tokens)),
    )


def by_flaw(recipe: Recipe, inner: RunPaths, progress: Progress) -> dict[str, dict[str, float]]:
    """Return by flaw how many valid pairs there are, and on which share the good reply is the likelier one a token.

    ``recipe`` is :func:`as_causal`'s. Pairs of a corpus come under ``by the corpus``.
    """
    template, tokenizer = base.template_of(recipe), base.load_tokenizer(inner.adapter)
    device = choose_device(recipe.sft.device)
    examples = read_examples(inner.prepared / "instructions-valid.jsonl.gz")
    kinds = sorted({example.label for example in examples})
    pairs: dict[str, Any] = {
        kind: prefer.encode_pairs([e for e in examples if e.label == kind], recipe, template, tokenizer)
        for kind in kinds
    }
    found: dict[str, dict[str, float]] = {kind or "by the corpus": {} for kind in kinds}
    for when, folder in (("before", inner.adapter), ("after", inner.preferred)):
        model = base.load_trained(folder, inner.adapter, device=device, dtype=torch.float32)
        for kind in kinds:
            figures = prefer.judge(model, pairs[kind][: recipe.sft.eval_rows], device, recipe.sft.precision)
            if figures:
                found[kind or "by the corpus"] |= {
                    "pairs": figures["pairs"],
                    f"accuracy_{when}": figures["accuracy"],
                    f"margin_nats_per_token_{when}": figures["margin_nats_per_token"],
                }
    return {kind: figures for kind, figures in found.items() if figures}


def _lay(start: Path, paths: RunPaths, inner: RunPaths) -> None:
    """Put model and pairs where ``causal.prefer`` looks for them, unless they are there already."""
    with start.open("rb") as file:
        origin = json.dumps({"start": hashlib.file_digest(file, "sha256").hexdigest()})
    note = inner.out / _ORIGIN
    if not note.is_file() or note.read_text("utf-8") != origin:
        shutil.rmtree(inner.out, ignore_errors=True)
        tokenizer = WriterTokenizer.load(paths.model / "tokenizer.json")
        decoder_hf.save(load_model(start), tokenizer, inner.adapter)
        note.write_text(origin, "utf-8")
    inner.prepared.mkdir(parents=True, exist_ok=True)
    for split in ("train", "valid"):
        name = f"instructions-{split}.jsonl.gz"
        source = paths.lessons / "prepared" / name
        if not source.is_file():
            raise TrainerError("there are no pairs of replies yet; run the lessons stage first")
        shutil.copyfile(source, inner.prepared / name)
