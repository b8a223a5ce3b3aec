"""Measure the trainer against TRL's SFTTrainer with its defaults -> build/reports/bench-trainer.json.

Both learn the same rows with the same random model, eight examples a step, one epoch, completions only,
16-bit autocast and AdamW; each run in a process of its own, in turns, and the best of each counts. Tokens
are those of the data: padding is nobody's work. TRL's defaults that cost it time are left as they come:
padded batches, recomputed activations, logits at every position. Then the engine's rate: texts, with every
question of six tasks, through the quantised files. On a GPU also QLoRA of a 3 B shape.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts import reports  # noqa: E402

NOT_RUN = "not run"
VOCAB = 8192
BATCH = 8
TASKS = ("emotion", "isear", "stress", "depression", "severity", "suicidality")
SMALL = {"width": 384, "layers": 6, "heads": 6, "kv_heads": 2, "ffn": 1024}
"""14 M weights with a vocabulary of 8,192."""
LLAMA_3B = {"width": 3072, "layers": 28, "heads": 24, "kv_heads": 8, "ffn": 8192}


def rows(count: int, sequence: int, vocab: int = VOCAB) -> list[tuple[list[int], int]]:
    """Return (ids, where the completion starts): lengths of journal entries and replies, log-normal.

    Median 110 words of entry and 45 of reply, about 1.3 tokens a word, as measured on public practice sets.
    """
    rng = random.Random(7)
    made = []
    for _ in range(count):
        entry = 40 + int(1.3 * math.exp(rng.gauss(math.log(110), 0.7)))
        reply = 4 + int(1.3 * math.exp(rng.gauss(math.log(45), 0.6)))
        entry = min(entry, sequence - min(reply, sequence // 3))
        length = min(entry + reply, sequence)
        made.append(([rng.randrange(4, vocab) for _ in range(length)], min(entry, length - 2)))
    return made


def config(sizes: dict[str, int], vocab: int) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        hidden_size=sizes["width"],
        intermediate_size=sizes["ffn"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        num_key_value_heads=sizes["kv_heads"],
        head_dim=sizes["width"] // sizes["heads"],
        vocab_size=vocab,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )


def small_base(folder: Path) -> None:
    """Write the random model, with a tokenizer that only has to be there."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    LlamaForCausalLM(config(SMALL, VOCAB)).save_pretrained(str(folder))
    words = {"<pad>": 0, "<end>": 1, "<begin>": 2, "<unk>": 3} | {f"w{i}": i for i in range(4, VOCAB)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    special = {"pad_token": "<pad>", "eos_token": "<end>", "bos_token": "<begin>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(str(folder))


def peak_mb() -> float:
    """Return the most memory that this process has held; getrusage would tell its parent's if that is more."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM:"))


def child_ours(folder: Path, count: int, sequence: int, threads: int) -> dict[str, Any]:
    """Train with this project's loop; return what it took."""
    import torch
    from accelerate import Accelerator

    from trainer.causal import base, guard, packing
    from trainer.causal.loop import Loop
    from trainer.causal.shapes import Encoded
    from trainer.progress import Progress
    from trainer.sections import AdapterConfig, SftConfig

    quiet = Progress(open(os.devnull, "w"))  # noqa: SIM115
    examples = [Encoded(ids, start) for ids, start in rows(count, sequence)]
    accelerator = Accelerator(mixed_precision="no", cpu=True)
    attention = packing.register()
    model = base.load_model(
        folder,
        method="full",
        adapter=AdapterConfig(method="full"),
        device=torch.device("cpu"),
        dtype=torch.float32,
        attention=attention,
        progress=quiet,
    )
    before = peak_mb()
    sft = SftConfig(
        epochs=1, batch=BATCH, lr=2e-5, sequence=sequence, packing=False, threads=threads, schedule="linear"
    )
    with tempfile.TemporaryDirectory() as place:
        loop = Loop(
            packing.Learner(model, attention),
            examples,
            [],
            sft,
            accelerator=accelerator,
            checkpoints=guard.Checkpoints(Path(place) / "checkpoints"),
            curve=Path(place) / "curve.jsonl",
            identity={},
            progress=quiet,
            seed=0,
        )
        began = time.perf_counter()
        state = loop.run()
        seconds = time.perf_counter() - began
    return {"tokens": state.tokens, "seconds": seconds, "steps": state.step, "peak_mb": peak_mb(), "before_mb": before}


def child_trl(folder: Path, count: int, sequence: int, threads: int) -> dict[str, Any]:
    """Train with TRL's SFTTrainer and its defaults; return what it took."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    if threads:
        torch.set_num_threads(threads)
    data = rows(count, sequence)
    dataset = Dataset.from_dict(
        {
            "input_ids": [ids for ids, _ in data],
            "completion_mask": [[0] * start + [1] * (len(ids) - start) for ids, start in data],
        }
    )
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    before = peak_mb()
    with tempfile.TemporaryDirectory() as place:
        # Defaults but for where it writes, what it prints, the one epoch and the device.
        settings = SFTConfig(
            output_dir=place,
            num_train_epochs=1,
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            completion_only_loss=True,
        )
        trainer = SFTTrainer(
            model=model,
            args=settings,
            train_dataset=dataset,
            processing_class=AutoTokenizer.from_pretrained(str(folder)),
        )
        began = time.perf_counter()
        result = trainer.train()
        seconds = time.perf_counter() - began
    return {
        "tokens": sum(len(ids) for ids, _ in data),
        "seconds": seconds,
        "steps": result.global_step,
        "peak_mb": peak_mb(),
        "before_mb": before,
        "defaults": {
            "batch": settings.per_device_train_batch_size,
            "bf16": settings.bf16,
            "gradient_checkpointing": settings.gradient_checkpointing,
            "packing": settings.packing,
            "padding_free": settings.padding_free,
            "optim": str(settings.optim),
            "max_length": settings.max_length,
        },
    }


def child_engine(count: int) -> dict[str, Any]:
    """Return texts a second through the shipped reader and a random decoder of the embedded writer's shape."""
    import torch

    from journal_app.inference import catalog, llama
    from scripts.bench import text_of
    from trainer import gguf_llama
    from trainer.config import load_recipe
    from trainer.decoder_model import Decoder, Shape
    from trainer.tokenizer import WriterTokenizer

    rng = random.Random(3)
    texts = [text_of(min(400, max(8, int(math.exp(rng.gauss(math.log(80), 0.6))))), seed) for seed in range(count)]
    figures: dict[str, Any] = {"engine_texts": count, "engine_tasks": len(TASKS)}
    with llama.LlamaReader(catalog.embedded_reader()) as engine:
        figures["engine_texts_per_s"] = round(rate(engine, texts), 1)
    recipe = load_recipe(ROOT / "trainer" / "recipes" / "embedded-writer-cpu.toml")
    tokenizer = WriterTokenizer.train(texts[:2000], recipe.tokenizer.vocab_size)
    shape = recipe.shape
    torch.manual_seed(0)
    model = Decoder(
        Shape(
            vocab=tokenizer.size,
            context=shape.context,
            width=shape.width,
            layers=shape.layers,
            heads=shape.heads,
            kv_heads=shape.kv_heads,
            ffn=shape.ffn,
        )
    )
    with tempfile.TemporaryDirectory() as place:
        full, small = Path(place) / "f16.gguf", Path(place) / "q8_0.gguf"
        manifest = gguf_llama.manifest(recipe)
        manifest = dataclasses.replace(manifest, tasks={name: manifest.tasks[name] for name in TASKS})
        gguf_llama.export(model.eval(), tokenizer, manifest, full)
        llama.quantize(full, small, "q8_0")
        with llama.LlamaReader(small) as engine:
            figures["engine_decoder_texts_per_s"] = round(rate(engine, texts), 1)
        figures["engine_decoder_parameters"] = model.parameters_count()
    return figures


def rate(engine: Any, texts: list[str]) -> float:
    """Return texts a second of ``LlamaReader.logits``: every task of a text in one pass or from one prefix."""
    engine.logits(texts[:8])
    began = time.perf_counter()
    for start in range(0, len(texts), 64):
        engine.logits(texts[start : start + 64])
    return len(texts) / (time.perf_counter() - began)


def child_gpu(whose: str, sequence: int = 1024, steps: int = 12) -> dict[str, Any]:
    """Train a random Llama-3.2-3B shape by QLoRA on the GPU; return tokens a second, peak and MFU.

    ``ours``: NF4 with double quantisation, paged 8-bit AdamW, packed rows. ``trl``: SFTTrainer with the
    same 4-bit base and LoRA, everything else by default.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    from trainer import estimate
    from trainer.config import Recipe
    from trainer.sections import AdapterConfig, BaseConfig, BaseShape, SftConfig

    vocab = 128_256
    device = torch.device("cuda")
    adapter = AdapterConfig(method="qlora", r=16, alpha=32)
    quantised = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    with tempfile.TemporaryDirectory() as place:
        torch.set_default_dtype(torch.bfloat16)
        AutoModelForCausalLM.from_config(config(LLAMA_3B, vocab)).save_pretrained(place)
        torch.set_default_dtype(torch.float32)
        torch.cuda.reset_peak_memory_stats()
        data = rows(BATCH * steps * 6, sequence, vocab)
        if whose == "ours":
            facts = _gpu_ours(Path(place), data, adapter, sequence, steps)
        else:
            facts = _gpu_trl(Path(place), data, quantised, adapter, steps)
    shape = BaseShape(**LLAMA_3B, vocab=vocab, tied=True)  # type: ignore[arg-type]
    sft = SftConfig(batch=4, sequence=sequence, optimizer="paged_adamw_8bit")
    recipe = Recipe("bench", "causal", "none", base=BaseConfig(family="llama"), adapter=adapter, sft=sft)
    needed = estimate.need(recipe, shape, checkpointing=False)
    name = torch.cuda.get_device_name(device)
    peak = next((value for key, value in estimate.CARDS.items() if key in name), None)
    speed = facts["tokens"] / facts["seconds"]
    facts |= {
        "tokens_per_s": speed,
        "peak_gb": torch.cuda.max_memory_reserved() / 1e9,
        "card": name,
        # Without what recomputation adds: model FLOPs, as PaLM's appendix B defines utilisation.
        "mfu": speed * needed.flops_per_token / (peak * 1e12) if peak else None,
        "estimate_gb": estimate.decide(recipe, shape, 10e9, cuda=True).gb,
    }
    return facts


def _gpu_ours(folder: Path, data: Any, adapter: Any, sequence: int, steps: int) -> dict[str, Any]:
    import torch
    from accelerate import Accelerator

    from trainer.causal import base, guard, packing
    from trainer.causal.loop import Loop
    from trainer.causal.shapes import Encoded
    from trainer.progress import Progress
    from trainer.sections import SftConfig

    quiet = Progress(open(os.devnull, "w"))  # noqa: SIM115
    accelerator = Accelerator(mixed_precision="no")
    attention = base.attention_for("auto", accelerator.device)
    attention = packing.register() if attention == "sdpa" else attention
    model = base.load_model(
        folder,
        method="qlora",
        adapter=adapter,
        device=accelerator.device,
        dtype=torch.bfloat16,
        attention=attention,
        progress=quiet,
    )
    model.activation_checkpointing_enable({"use_reentrant": False})
    for weight in model.parameters():
        weight.requires_grad_(False)
    model = base.wrap(model, adapter)
    sft = SftConfig(
        max_steps=steps, batch=4, accumulate=1, sequence=sequence, optimizer="paged_adamw_8bit", save_every=10**9
    )
    loop = Loop(
        packing.Learner(model, attention),
        [Encoded(ids, start) for ids, start in data],
        [],
        sft,
        accelerator=accelerator,
        checkpoints=guard.Checkpoints(folder / "checkpoints"),
        curve=folder / "curve.jsonl",
        identity={},
        progress=quiet,
        seed=0,
    )
    state = loop.run()
    return {"tokens": state.tokens, "seconds": state.seconds, "steps": state.step}


def _gpu_trl(folder: Path, data: Any, quantised: Any, adapter: Any, steps: int) -> dict[str, Any]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from tokenizers import Tokenizer, models
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    tokenizer = Tokenizer(models.WordLevel({"<pad>": 0, "<end>": 1, "<unk>": 3}, unk_token="<unk>"))
    special = {"pad_token": "<pad>", "eos_token": "<end>", "unk_token": "<unk>"}
    dataset = Dataset.from_dict(
        {
            "input_ids": [ids for ids, _ in data],
            "completion_mask": [[0] * start + [1] * (len(ids) - start) for ids, start in data],
        }
    )
    model = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=torch.bfloat16, quantization_config=quantised, device_map={"": 0}
    )
    settings = SFTConfig(
        output_dir=str(folder / "trl"), max_steps=steps, report_to="none", disable_tqdm=True, save_strategy="no"
    )
    lora = LoraConfig(r=adapter.r, lora_alpha=adapter.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = SFTTrainer(
        model=model,
        args=settings,
        train_dataset=dataset,
        peft_config=lora,
        processing_class=PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special),
    )
    counted: list[int] = []
    collate = trainer.data_collator

    def counting(examples: Any) -> Any:
        counted.append(sum(len(example["input_ids"]) for example in examples))
        return collate(examples)

    trainer.data_collator = counting
    began = time.perf_counter()
    trainer.train()
    torch.cuda.synchronize()
    return {"tokens": sum(counted[:steps]), "seconds": time.perf_counter() - began, "steps": steps}


def in_process(*arguments: str) -> dict[str, Any]:
    """Run one child of this script; return what it measured. Raises ``RuntimeError`` with the end of its log."""
    env = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "PASSIVE"}
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "result.json"
        done = subprocess.run(
            [sys.executable, str(Path(__file__)), "--result", str(out), *arguments],
            env=env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not out.is_file():
            raise RuntimeError(f"{arguments[1]}: {done.stderr[-1500:]}")
        return json.loads(out.read_text("utf-8"))


def bench_cpu(count: int, rounds: int, sequence: int, threads: int) -> dict[str, Any]:
    """Both trainers in turns; return the figures of the best run of each."""
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "trl": []}
    with tempfile.TemporaryDirectory() as place:
        small_base(Path(place))
        common = ("--base", place, "--rows", str(count), "--sequence", str(sequence), "--threads", str(threads))
        for turn in range(rounds):
            # Who goes first changes, so that a busy minute does not fall on one of the two.
            for whose in ("ours", "trl") if turn % 2 == 0 else ("trl", "ours"):
                runs[whose].append(in_process("--child", whose, *common))
    speed = {whose: max(run["tokens"] / run["seconds"] for run in found) for whose, found in runs.items()}
    peak = {whose: min(run["peak_mb"] for run in found) for whose, found in runs.items()}
    grown = {whose: min(run["peak_mb"] - run["before_mb"] for run in found) for whose, found in runs.items()}
    return {
        "cpu_tokens_per_s_over_trl": round(speed["ours"] / speed["trl"], 2),
        "cpu_peak_memory_over_trl": round(peak["ours"] / peak["trl"], 2),
        "cpu_training_memory_over_trl": round(grown["ours"] / max(1.0, grown["trl"]), 2),
        "cpu_tokens_per_s": round(speed["ours"]),
        "cpu_trl_tokens_per_s": round(speed["trl"]),
        "cpu_peak_mb": round(peak["ours"]),
        "cpu_trl_peak_mb": round(peak["trl"]),
        "cpu_rows": count,
        "cpu_tokens": runs["ours"][0]["tokens"],
        "cpu_steps": runs["ours"][0]["steps"],
        "cpu_trl_steps": runs["trl"][0]["steps"],
        "cpu_runs": {whose: [round(r["tokens"] / r["seconds"]) for r in found] for whose, found in runs.items()},
        "cpu_trl_defaults": runs["trl"][0]["defaults"],
        "cpu_conditions": "same rows, 8 examples a step, completions only, bf16 autocast, AdamW in 32 bits",
    }


def bench_gpu() -> dict[str, Any]:
    """QLoRA of a 3 B shape on the GPU; every key says ``not run`` without one."""
    import torch

    keys = ("gpu_tokens_per_s_over_trl", "gpu_peak_gb", "gpu_trl_peak_gb", "gpu_mfu", "gpu_tokens_per_s", "gpu_card")
    if not torch.cuda.is_available():
        return dict.fromkeys(keys, NOT_RUN)
    ours = in_process("--child", "gpu-ours")
    trl = in_process("--child", "gpu-trl")
    return {
        "gpu_tokens_per_s_over_trl": round(ours["tokens_per_s"] / trl["tokens_per_s"], 2),
        "gpu_peak_gb": round(ours["peak_gb"], 2),
        "gpu_trl_peak_gb": round(trl["peak_gb"], 2),
        "gpu_mfu": ours["mfu"] and round(ours["mfu"], 3),
        "gpu_tokens_per_s": round(ours["tokens_per_s"]),
        "gpu_card": ours["card"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=128, help="examples that both learn (default: 128)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--sequence", type=int, default=1024, help="longest example, tokens")
    parser.add_argument("--threads", type=int, default=0, help="of both; 0: each chooses as it does by default")
    parser.add_argument("--texts", type=int, default=5000, help="texts through the engine (0: leave it out)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        found = {
            "ours": lambda: child_ours(options.base, options.rows, options.sequence, options.threads),
            "trl": lambda: child_trl(options.base, options.rows, options.sequence, options.threads),
            "engine": lambda: child_engine(options.texts),
            "gpu-ours": lambda: child_gpu("ours"),
            "gpu-trl": lambda: child_gpu("trl"),
        }[options.child]()
        options.result.write_text(json.dumps(found) + "\n", "utf-8")
        return 0
    figures = bench_cpu(options.rows, options.rounds, options.sequence, options.threads)
    figures |= in_process("--child", "engine", "--texts", str(options.texts)) if options.texts else {}
    figures |= bench_gpu()
    table = [
        ("tokens/s over TRL, CPU", f"{figures['cpu_tokens_per_s_over_trl']:.2f} x", ">= 2 x"),
        ("peak memory over TRL, CPU", f"{figures['cpu_peak_memory_over_trl']:.2f} x", "< 1 x"),
        ("tokens/s, ours", f"{figures['cpu_tokens_per_s']:,}", ""),
        ("tokens/s, TRL", f"{figures['cpu_trl_tokens_per_s']:,}", ""),
        ("reader, texts/s, 6 tasks", str(figures.get("engine_texts_per_s", NOT_RUN)), ""),
        ("decoder, texts/s, 6 tasks", str(figures.get("engine_decoder_texts_per_s", NOT_RUN)), ""),
        ("tokens/s over TRL, GPU", str(figures["gpu_tokens_per_s_over_trl"]), ">= 1.5 x"),
        ("3 B QLoRA peak, GB", str(figures["gpu_peak_gb"]), "<= 10"),
    ]
    reports.write("bench-trainer", figures, table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
