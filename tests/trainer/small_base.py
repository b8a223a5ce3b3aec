"""A tiny random Llama with a byte-level tokenizer, and neutral examples for it, written for these tests."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from journal_app.contract.tasks import TASKS
from trainer import cli
from trainer.config import ROOT, RunPaths, StageResult, load_recipe
from trainer.records import Example, write_examples

WEATHER = ["rain", "sun", "wind", "snow", "fog", "frost", "cloud", "storm"]
PLACES = ["lake", "hill", "garden", "station", "kitchen", "library", "harbour", "field"]


def make_tokenizer(folder: Path, template: str = "chatml") -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = [v for task in TASKS.values() for v in task.verbalisers]
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|im_start|>", "<|im_end|>", "<|endoftext|>"],
        show_progress=False,
    )
    model.train_from_iterator(["".join(words)] * 50 + [sentence(i) for i in range(64)], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.save_pretrained(str(folder))


def make_base(folder: Path, *, width: int = 64, layers: int = 2, seed: int = 0) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    make_tokenizer(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=1024,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(str(folder))
    return folder


def sentence(number: int) -> str:
    return f"At the {PLACES[number % 8]} there was {WEATHER[number // 8 % 8]} " + "and more of it " * (number % 5)


def examples(count: int, task: str = "reply") -> list[Example]:
    made = []
    for i in range(count):
        if task == "reply":
            answer = f"It was {WEATHER[i // 8 % 8]}."
            made.append(Example("reply", "made", sentence(i), answer, instruction="What was it like?"))
        else:
            labels = TASKS[task].labels
            label = labels[i % len(labels)]
            made.append(Example(task, "made", sentence(i), label, label=label))
    return made


def prepare(out: Path, train: list[Example], valid: list[Example]) -> None:
    write_examples(out / "prepared" / "instructions-train.jsonl.gz", train)
    write_examples(out / "prepared" / "instructions-valid.jsonl.gz", valid)


def write_recipe(path: Path, base: Path, *, adapter: str = "", sft: str = "") -> Path:
    path.write_text(
        f"""name = "tiny-sft"
kind = "causal"
licence = "none"
[base]
model = {json.dumps(str(base))}
family = "llama"
template = "chatml"
[adapter]
{adapter}
[sft]
threads = 1
device = "cpu"
{sft}
""",
        "utf-8",
    )
    return path


def finish_prepare(recipe: Path, paths: RunPaths) -> None:
    """Note in the run's ledger that its prepared files are what ``prepare`` made."""
    loaded = load_recipe(recipe)
    ledger = cli.Ledger(paths.out / "stages.json")
    files = tuple(sorted(paths.prepared.iterdir()))
    key = cli.stage_key(dataclasses.replace(cli.STAGES["prepare"], reads_data=False), "prepare", loaded, paths, ledger)
    ledger.finish("prepare", key, StageResult(files), 0.0)


def command(*arguments: str, torchrun: int = 0) -> subprocess.Popen[str]:
    """Start a module in a process of its own (in several with ``torchrun``)."""
    start = ("-m",)
    if torchrun:
        start += ("torch.distributed.run", "--standalone", "--nproc-per-node", str(torchrun), "-m")
    return python(*start, *arguments)


def python(*arguments: str) -> subprocess.Popen[str]:
    """Start Python with one thread; what it says is kept."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
