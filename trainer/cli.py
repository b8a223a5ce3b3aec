"""``quietpage-train``: one command per stage, and ``run`` for all of them in order.

A ledger (``stages.json`` in the run's folder) remembers for each stage a hash of everything that
went in and of the files that came out. A stage whose inputs did not change says so and is skipped.
Exit codes: 0 done, 2 a known failure told in one line, 130 interrupted (training goes on from its
last checkpoint when the same command is given again).
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib
import json
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer import options, parallel
from trainer.config import ROOT, Recipe, RunPaths, StageResult, TrainerError, load_recipe
from trainer.progress import Progress, clock_text

StageFunction = Callable[[Recipe, RunPaths, Progress], StageResult]
ToolFunction = Callable[[Recipe, RunPaths, Progress, argparse.Namespace], StageResult]

LEDGER_FORMAT = 1
_EXAMPLE = """example:
  quietpage-train {command} --recipe {recipe}{extra}

The corpora are folders with train, valid and test.jsonl.gz; instead of --data DIR the
environment variable QUIETPAGE_DATA can name them. --tiny tries any recipe in minutes on a
random model of the same architecture, without a download."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a run: same inputs, same result, so that one whose inputs did not change is skipped.

    Attributes:
        help: one line. module: kind of model -> module with ``run``; a kind that is missing has no
            such stage. parts: recipe fields that decide its result. needs: stages before it.
        reads_data: whether the corpora themselves go in. checkpoint: file or folder in ``checkpoints/``.
        example: recipe that the help shows.
    """

    help: str
    module: dict[str, str]
    parts: tuple[str, ...]
    needs: tuple[str, ...] = ()
    reads_data: bool = False
    checkpoint: str = ""
    example: str = "trainer/recipes/embedded-reader.toml"


_ALL = ("encoder", "decoder", "causal", "classifier", "seq2seq")


def _for(kinds: Sequence[str], module: str) -> dict[str, str]:
    return dict.fromkeys(kinds, module)


_MADE_HERE = ("encoder", "decoder")
_TUNED = ("causal", "classifier", "seq2seq")
_QWEN = "trainer/recipes/qwen2.5-0.5b.toml"

STAGES: dict[str, Stage] = {
    "prepare": Stage(
        "read the corpora, drop leaks and repeats, draw neutral negatives, write instructions",
        _for(_MADE_HERE, "trainer.prepare") | _for(_TUNED, "trainer.instructions"),
        ("data", "sources", "seed"),
        reads_data=True,
    ),
    "tokenizer": Stage(
        "learn a byte-level BPE (decoders)",
        {"decoder": "trainer.tokenizer"},
        ("tokenizer", "pretrain", "data", "shape", "max_tokens", "seed"),
        ("prepare",),
        reads_data=True,
        example="trainer/recipes/embedded-writer-cpu.toml",
    ),
    "pretrain": Stage(
        "learn the language from prose (decoders)",
        {"decoder": "trainer.pretrain"},
        ("tokenizer", "shape", "pretrain", "seed"),
        ("tokenizer",),  # the tokens hold all it reads: a machine without the corpora can do this stage
        checkpoint="pretrain.pt",
        example="trainer/recipes/embedded-writer-cpu.toml",
    ),
    "lessons": Stage(
        "tasks, further feelings, replies and pairs of replies as ids (decoders)",
        {"decoder": "trainer.lessons"},
        ("data", "writer", "pretrain", "max_tokens", "seed"),
        ("prepare", "tokenizer"),  # not pretrain: both can be made while it runs
        reads_data=True,
        example="trainer/recipes/embedded-writer-cpu.toml",
    ),
    "finetune": Stage(
        "learn the tasks",
        {
            "encoder": "trainer.finetune",
            "decoder": "trainer.decoder",
            "causal": "trainer.causal.sft",
            "classifier": "trainer.classifier",
            "seq2seq": "trainer.seq2seq",
        },
        (
            "data",
            "sources",
            "finetune",
            "shape",
            "decoder",
            "base",
            "adapter",
            "sft",
            "classifier",
            "seed",
            "max_tokens",
        ),
        ("prepare", "tokenizer", "pretrain", "lessons"),
        checkpoint="finetune.pt",
        example=_QWEN,
    ),
    "distill": Stage(
        "learn a teacher's probabilities on running text",
        {"causal": "trainer.distill", "decoder": "trainer.distill"},
        ("distill", "sft", "decoder", "base", "adapter", "seed", "max_tokens"),
        ("prepare", "finetune", "lessons"),
        reads_data=True,
        checkpoint="distill.pt",
        example=_QWEN,
    ),
    "prefer": Stage(
        "learn from chosen and rejected replies: DPO or ORPO",
        {"causal": "trainer.causal.prefer", "decoder": "trainer.decoder_prefer"},
        ("prefer", "base", "adapter", "sft", "seed", "max_tokens"),
        ("prepare", "finetune", "distill", "lessons"),
        checkpoint="prefer",
        example="trainer/recipes/phi-3-mini.toml",
    ),
    "merge": Stage(
        "merge the adapter into the 16-bit base",
        {"causal": "trainer.causal.merge"},
        ("base", "adapter"),
        ("finetune", "distill", "prefer"),
        example=_QWEN,
    ),
    "gguf": Stage(
        "write the F16 GGUF",
        {"encoder": "trainer.gguf", "decoder": "trainer.gguf_llama", "causal": "trainer.causal.convert"},
        ("name", "kind", "licence", "languages", "max_tokens", "base", "data"),
        ("finetune", "distill", "prefer", "merge", "prepare"),
    ),
    "quantize": Stage(
        "quantise it, then calibrate and set thresholds on the quantised file",
        _for(_MADE_HERE, "trainer.quantize") | {"causal": "trainer.quantize"},
        ("quantize", "calibrate", "licence", "file_limit_mb"),
        ("gguf", "prepare"),
    ),
    "evaluate": Stage(
        "score the quantised file on test, next to TF-IDF",
        _for(_MADE_HERE, "trainer.evaluate")
        | {
            "causal": "trainer.evaluate",
            "classifier": "trainer.evaluation.classifier",
            "seq2seq": "trainer.evaluation.rewriter",
        },
        ("name", "quantize", "generation", "seed"),
        ("quantize", "gguf", "prepare", "finetune"),
    ),
    "package": Stage(
        "put model, notice and model card where they ship",
        _for(_MADE_HERE, "trainer.package") | {"causal": "trainer.package"},
        ("name", "kind", "licence"),
        ("quantize", "evaluate"),
    ),
}


@dataclass(frozen=True, slots=True)
class Tool:
    """A command beside the run: it is done again whenever it is asked for.

    Attributes:
        help: one line. module: has ``run(recipe, paths, progress, options)`` for every kind.
        options: adds the command's own arguments, see ``trainer.options``.
        example: what follows ``--recipe FILE`` in the help. recipe: the one shown there.
    """

    help: str
    module: str
    options: Callable[[argparse.ArgumentParser], None]
    example: str = ""
    recipe: str = _QWEN


TOOLS: dict[str, Tool] = {
    "estimate": Tool("memory and time of a training run, before it starts", "trainer.estimate", options.estimate),
    "augment": Tool(
        "let a model write texts or preference pairs: an endpoint of yours, or a GGUF here",
        "trainer.augment",
        options.augment,
        " --gguf model.gguf --count 20",
    ),
    "ablate": Tool(
        "train small changes of a recipe on the same data and put them into one table (encoders)",
        "trainer.ablation",
        options.ablate,
        " --variants trainer/recipes/variants/embedded-reader.toml",
        "trainer/recipes/embedded-reader.toml",
    ),
    "seeds": Tool(
        "say how far the figures of runs lie apart that differ in the seed alone",
        "trainer.evaluation.seeds",
        options.seeds,
        " --runs runs/seed-1 runs/seed-2",
        "trainer/recipes/embedded-reader.toml",
    ),
    "study": Tool(
        "zero-shot, few-shot and fine-tuned of one model on one task, with figures and a report",
        "trainer.evaluation.study",
        options.study,
        " --task emotion",
    ),
    "judge": Tool(
        "rate replies by accuracy, empathy, clarity, safety and guidance, with agreement",
        "trainer.evaluation.judge",
        options.judge,
        " --candidates ours.jsonl theirs.jsonl --gguf judge.gguf",
    ),
    "compare": Tool(
        "put any number of runs side by side", "trainer.evaluation.compare", options.compare, " runs/one runs/two"
    ),
    "report": Tool("write the run's report: tables, plots, loss curves", "trainer.evaluation.page", options.report),
    "generate": Tool(
        "write with the model of a run, word by word", "trainer.generate", options.generate, ' --prompt "A long day."'
    ),
    "papers": Tool(
        "answer questions from a folder of papers, with citations",
        "trainer.papers",
        options.papers,
        ' --folder papers/ --ask "What helps sleep?"',
        "trainer/recipes/qwen2.5-7b-papers.toml",
    ),
    "sweep": Tool(
        "quantise to every type and measure what each costs: KL divergence, flips, loss, size, speed",
        "trainer.sweep",
        options.sweep,
        " --types Q8_0 Q4_K_M",
    ),
    "push": Tool("upload the packaged model to the Hub", "trainer.push", options.push, " --repo you/your-model"),
}


class Ledger:
    """What each stage was given and what it made, kept in ``stages.json``."""

    def __init__(self, path: Path) -> None:
        """Read the ledger at ``path``; one that cannot be read counts as empty."""
        self._path = path
        self._entries: dict[str, dict[str, Any]] = {}
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            if raw.get("format") == LEDGER_FORMAT:
                self._entries = dict(raw["stages"])
        except (OSError, ValueError, AttributeError, KeyError):
            self._entries = {}

    def done(self, stage: str) -> bool:
        """Tell whether ``stage`` finished and its files are still what it wrote."""
        entry = self._entries.get(stage)
        if entry is None or "outputs" not in entry:
            return False
        return all(_file_hash(Path(path)) == digest for path, digest in entry["outputs"].items())

    def key(self, stage: str) -> str:
        """Return the hash of what ``stage`` was last given, or an empty string."""
        return str(self._entries.get(stage, {}).get("key", ""))

    def outputs(self, stage: str) -> dict[str, str]:
        """Return path -> hash of what ``stage`` made."""
        return dict(self._entries.get(stage, {}).get("outputs", {}))

    def begin(self, stage: str, key: str) -> None:
        """Note that ``stage`` was started with ``key``."""
        self._entries[stage] = {"key": key}
        self._write()

    def finish(self, stage: str, key: str, result: StageResult, seconds: float) -> None:
        """Note that ``stage`` finished."""
        self._entries[stage] = {
            "key": key,
            "outputs": {str(path): _file_hash(path) for path in result.outputs},
            "seconds": round(seconds, 1),
            "summary": dict(result.summary),
        }
        self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(
            json.dumps({"format": LEDGER_FORMAT, "stages": self._entries}, indent=1) + "\n", encoding="utf-8"
        )
        os.replace(part, self._path)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    # Read when OpenMP starts, with the first stage: threads that spin while they wait cost a busy machine far more.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if argv is None:
        _hush(online=arguments.download or arguments.command == "push")
    # Of several processes of one run (torchrun, accelerate launch) the first speaks and writes.
    silent = None if parallel.leads() else open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    progress = Progress(silent)
    try:
        recipe = load_recipe(arguments.recipe)
        if arguments.seed is not None:
            recipe = dataclasses.replace(recipe, seed=arguments.seed)
        data = arguments.data or (Path(os.environ["QUIETPAGE_DATA"]) if os.environ.get("QUIETPAGE_DATA") else None)
        out = arguments.out or Path("runs") / (f"{recipe.name}-tiny" if arguments.tiny else recipe.name)
        # What a random model leaves must not lie where the app looks for its own.
        release = arguments.release or (out / "release" if arguments.tiny else ROOT)
        paths = RunPaths(out, data, release, download=arguments.download)
        if parallel.leads():
            progress = Progress(log=out / "train.log")
        if arguments.tiny:
            with parallel.first():
                recipe = importlib.import_module("trainer.tiny").stand_in(recipe, paths, progress)
        if arguments.command in TOOLS:
            function: ToolFunction = importlib.import_module(TOOLS[arguments.command].module).run
            function(recipe, paths, progress, arguments)
            return 0
        names = [name for name, stage in STAGES.items() if recipe.kind in stage.module]
        if arguments.command != "run":
            if arguments.command not in names:
                raise TrainerError(f"a recipe of kind {recipe.kind} has no stage {arguments.command}")
            names = [arguments.command]
        if parallel.world() > 1 and (recipe.kind, names) != ("causal", ["finetune"]):
            raise TrainerError("several processes can share finetune of a causal model only; run the rest in one")
        for name in names:
            run_stage(name, recipe, paths, progress, fresh=arguments.fresh)
    except TrainerError as error:
        print(f"quietpage-train: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        # A full disk, a folder that may not be written: the reason is the system's, and no text is in it.
        where = f": {error.filename}" if error.filename else ""
        print(f"quietpage-train: {error.strerror or type(error).__name__}{where}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("quietpage-train: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _hush(*, online: bool) -> None:
    """Keep the libraries of a whole process from the network and from talk; before any of them is imported.

    Some fetch more than they are asked for: bitsandbytes looks for kernels on the Hub as soon as it is imported.
    """
    if not online:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def run_stage(name: str, recipe: Recipe, paths: RunPaths, progress: Progress, *, fresh: bool = False) -> bool:
    """Run one stage unless nothing changed since it last ran; return whether it ran.

    Raises ``TrainerError`` when a stage that it needs has not run, or for its own known failures.
    """
    stage = STAGES[name]
    ledger = Ledger(paths.out / "stages.json")
    key = stage_key(stage, name, recipe, paths, ledger)
    if not fresh and ledger.key(name) == key and ledger.done(name):
        progress.say(f"{name}: nothing changed, skipped")
        return False
    checkpoint = paths.checkpoints / stage.checkpoint if stage.checkpoint else None
    if checkpoint is not None and parallel.leads() and (fresh or (ledger.key(name) not in ("", key))):
        # A checkpoint of other inputs must not be gone on with. Folders know theirs, and what may differ after a
        # stop that they caused themselves.
        if fresh:
            shutil.rmtree(paths.checkpoints / name, ignore_errors=True)
        # A kind of model has a file, another a folder of the same name.
        for path in (checkpoint, checkpoint.with_suffix("")):
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
    if parallel.leads():
        ledger.begin(name, key)
    progress.say(f"{name}: {stage.help}")
    began = time.monotonic()
    function: StageFunction = importlib.import_module(stage.module[recipe.kind]).run
    result = function(recipe, paths, progress)
    seconds = time.monotonic() - began
    if parallel.leads():
        ledger.finish(name, key, result, seconds)
    facts = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in result.summary.items())
    progress.say(f"{name}: done in {clock_text(seconds)}" + (f" ({facts})" if facts else ""))
    return True


def stage_key(stage: Stage, name: str, recipe: Recipe, paths: RunPaths, ledger: Ledger) -> str:
    """Return a hash over the recipe's parts, the outputs of the stages needed, and the corpora if read."""
    digest = hashlib.sha256(f"{LEDGER_FORMAT}:{name}:{stage.module[recipe.kind]}:".encode())
    digest.update(recipe.digest(*stage.parts).encode())
    for needed in stage.needs:
        if recipe.kind not in STAGES[needed].module:
            continue
        outputs = ledger.outputs(needed)
        if not ledger.done(needed):
            raise TrainerError(f"{name} needs the stage {needed} first: quietpage-train {needed} (or run)")
        for path, value in sorted(outputs.items()):
            digest.update(f"{Path(path).name}:{value}".encode())
    if name == "prepare" and recipe.sources:
        # Files of one's own lie anywhere: a change of them is one of the data.
        sources = importlib.import_module("trainer.sources")
        for path in (path for source in recipe.sources for path in sources.files_of(source)):
            digest.update(f"{path.name}:{_file_hash(path)}".encode())
    if stage.reads_data and (paths.data is not None or _needs_corpora(name, recipe)):
        data = paths.corpora()
        for path in sorted(data.glob("*/*.jsonl.gz")):
            digest.update(f"{path.relative_to(data)}:{_file_hash(path)}".encode())
    if name == "package":
        digest.update(str(paths.release.resolve()).encode())
    if name == "distill" and recipe.distill.teacher:
        teacher = Path(recipe.distill.teacher).expanduser()
        digest.update(_file_hash(teacher if teacher.is_file() else ROOT / recipe.distill.teacher).encode())
    return digest.hexdigest()


def _needs_corpora(name: str, recipe: Recipe) -> bool:
    """Tell whether the stage reads sets of the data folder: a run on files of one's own needs none."""
    if name == "lessons":
        return bool(recipe.writer.sources or recipe.writer.sets)
    if name == "prepare":
        return bool(recipe.data.tasks) or any(source.kind == "folder" for source in recipe.sources)
    return name != "distill" or bool(recipe.distill.teacher)


def _file_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="quietpage-train",
        description="Make the models of Quiet Page from text, on this computer and without a network.",
        epilog=_EXAMPLE.format(command="run", recipe="trainer/recipes/embedded-reader.toml", extra=" --data ~/corpora"),
        formatter_class=formatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    everything = {"run": "every stage in order, skipping what is done"}
    everything |= {name: stage.help for name, stage in STAGES.items()} | {name: t.help for name, t in TOOLS.items()}
    for name, text in everything.items():
        stage, tool = STAGES.get(name), TOOLS.get(name)
        shown = tool.recipe if tool else stage.example if stage else "trainer/recipes/embedded-reader.toml"
        extra = tool.example if tool else " --data ~/corpora"
        command = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=_EXAMPLE.format(command=name, recipe=shown, extra=extra),
            formatter_class=formatter,
        )
        command.add_argument("--recipe", type=Path, required=True, metavar="FILE", help="TOML file of the model")
        command.add_argument("--data", type=Path, metavar="DIR", help="folder of the corpora (or QUIETPAGE_DATA)")
        command.add_argument("--seed", type=int, metavar="N", help="instead of the recipe's")
        command.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: runs/NAME)")
        command.add_argument(
            "--release", type=Path, metavar="DIR", help="where package puts assets/ and docs/ (default: this checkout)"
        )
        command.add_argument("--fresh", action="store_true", help="run the stage again even if nothing changed")
        command.add_argument("--tiny", action="store_true", help="on a tiny random model of the same architecture")
        command.add_argument("--download", action="store_true", help="fetch base and data sets from the Hub")
        if tool:
            tool.options(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
