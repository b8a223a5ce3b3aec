"""The stage ``distill``: a student learns a teacher's probabilities on running text.

The teacher is any GGUF that the app's engine reads; what counts is its *calibrated* probabilities,
computed by the code that the app uses. They are kept in ``checkpoints/teacher.jsonl`` under a hash of
each passage, never with a word of it, so that a killed run asks the teacher nothing twice. The student
learns at the position where a label comes: for one label of several the cross-entropy of the label
tokens over its whole vocabulary, for multi-label tasks a binary one for each label (Hinton et al. 2015,
arXiv 1503.02531; both sides softened by the temperature T, the loss times T squared).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import random
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F

from journal_app.contract.tasks import TASKS
from journal_app.inference.engine import ModelError
from journal_app.inference.llama import LlamaReader
from journal_app.inference.scoring import probabilities
from journal_app.inference.text import sentences
from trainer import parallel
from trainer.config import ROOT, Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.prose import prose
from trainer.metrics import provenance
from trainer.progress import Progress

CURVE = "curve-distill.jsonl"
REPORT = "distill.json"
CACHE = "teacher.jsonl"
DISTILLED = "distilled.pt"
"""In ``model/``: a decoder after distillation; ``model.pt`` stays what finetune left."""
WORDS = 120
"""Most words of a passage: teacher and student then read the whole of it, each in its own window."""
HELD = 300
"""Most passages, from the valid split, on which agreement is measured."""
_EDGE = 1e-6
_CHUNK = 32

Answers = dict[str, tuple[float, ...]]
"""Task -> a probability for each label of the contract; -1.0 for a label that the teacher lacks."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Running text with what the teacher thinks of it."""

    text: str
    answers: Answers


class Student(Protocol):
    """What a kind of model must do here; it starts as finetune left it."""

    def answers(self, passages: Sequence[Passage]) -> dict[str, np.ndarray]:
        """Return by task the label logits [passages, labels]."""
        ...

    def learn(self) -> tuple[Path, ...]:
        """Train to the end, from the last checkpoint if there is one; return the files that were left."""
        ...


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Distil; leave ``distilled/`` (causal) or ``model/distilled.pt`` (decoder), the curve and ``distill.json``.

    With ``distill.teacher = ""`` nothing is done and what an earlier run distilled is removed. Raises
    :class:`TrainerError` for a teacher that cannot be read, tasks that nobody shares, and a full disk.
    """
    config = recipe.distill
    if not config.teacher:
        _remove(paths)
        return StageResult(())
    teacher = _teacher_file(config.teacher)
    if config.temperature <= 0 or not 0 < config.weight <= 1:
        raise TrainerError("distill.temperature must be above 0, and distill.weight above 0 and at most 1")
    most = min(config.texts, config.steps * config.batch)
    texts = passages(paths.corpora(), config.sources, "train", most, recipe.seed)
    held = passages(paths.corpora(), config.sources, "valid", min(HELD, max(20, config.texts // 10)), recipe.seed)
    held = sorted(set(held) - set(texts))
    known = label(teacher, recipe, [*texts, *held], paths.checkpoints / CACHE, progress)
    train = [Passage(text, known[text]) for text in texts]
    valid = [Passage(text, known[text]) for text in held]
    tasks = list(train[0].answers)
    progress.say(f"distill: {len(train):,} passages, {len(valid):,} held out, tasks {', '.join(tasks)}")

    student: Student
    if recipe.kind == "decoder":
        student = _decoder(recipe, paths, progress, train, _sha256(teacher))
    else:
        student = _causal(recipe, paths, progress, train, valid, _sha256(teacher))
    before = agreement(student.answers(valid), valid)
    with full_disk(paths.checkpoints):
        outputs = student.learn()
    after = agreement(student.answers(valid), valid)
    progress.say(
        f"distill: agreement with the teacher on held-out text {_mean(before, 'agreement'):.3f} -> "
        f"{_mean(after, 'agreement'):.3f}, KL {_mean(before, 'kl'):.4f} -> {_mean(after, 'kl'):.4f} nats"
    )
    report = {
        "teacher": {"file": teacher.name, "sha256": _sha256(teacher)},
        "sources": list(config.sources),
        "passages": {"train": len(train), "held_out": len(valid)},
        "temperature": config.temperature,
        "weight": config.weight,
        "held_out_before": before,
        "held_out_after": after,
        **provenance(data=[paths.checkpoints / CACHE], model=outputs[0], seed=recipe.seed),
    }
    path = paths.out / REPORT
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    summary = {
        "passages": len(train),
        "agreement_before": _mean(before, "agreement"),
        "agreement": _mean(after, "agreement"),
        "kl_before": _mean(before, "kl"),
        "kl": _mean(after, "kl"),
    }
    return StageResult((*outputs, paths.out / CURVE, path), summary)


def _remove(paths: RunPaths) -> None:
    shutil.rmtree(paths.distilled, ignore_errors=True)
    for path in (paths.model / DISTILLED, paths.out / CURVE, paths.out / REPORT):
        path.unlink(missing_ok=True)


def _teacher_file(name: str) -> Path:
    for path in (Path(name).expanduser(), ROOT / name):
        if path.is_file():
            return path
    raise TrainerError(f"the teacher {name} does not exist: set distill.teacher to a GGUF, or to nothing")


# -- text ------------------------------------------------------------------------------------


def passages(data: Path, sources: Sequence[str], split: str, most: int, seed: int) -> list[str]:
    """Return at most ``most`` different passages of at most :data:`WORDS` words, sources in turn.

    One passage a document, at a random place, the same for the same seed. Raises ``CorpusError`` for an
    unknown source and :class:`TrainerError` where none has text.
    """
    queues = []
    for name in sources:
        rng = random.Random(f"{seed}:distill:{split}:{name}")
        texts = list(dict.fromkeys(filter(None, (_passage(text, rng) for text in prose(data, name, split)))))
        rng.shuffle(texts)
        queues.append(texts[:most])
    found = [text for group in _in_turn(queues) for text in group]
    chosen = list(dict.fromkeys(found))[:most]
    if not chosen:
        raise TrainerError(f"distill.sources: there is no running text in {', '.join(sources) or 'no source'}")
    return chosen


def _in_turn(queues: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    for place in range(max(map(len, queues), default=0)):
        yield [queue[place] for queue in queues if place < len(queue)]


def _passage(text: str, rng: random.Random) -> str:
    spans = sentences(text)
    if not spans:
        return ""
    first = rng.randrange(len(spans))
    words, last = 0, first
    for number in range(first, len(spans)):
        words += len(text[spans[number][0] : spans[number][1]].split())
        if words > WORDS and number > first:
            break
        last = number
    return " ".join(text[spans[first][0] : spans[last][1]].split()[:WORDS])


# -- the teacher ------------------------------------------------------------------------------------


def label(teacher: Path, recipe: Recipe, texts: Sequence[str], cache: Path, progress: Progress) -> dict[str, Answers]:
    """Return text -> the teacher's calibrated probabilities for the tasks that both sides have.

    What ``cache`` holds of this teacher is not computed again. Raises :class:`TrainerError` when the
    teacher cannot be read or shares no task with the recipe.
    """
    try:
        with LlamaReader(teacher) as reader:
            info = reader.info()
            wanted = recipe.distill.tasks or recipe.data.tasks
            # A student has no question for a task that its recipe does not learn.
            known = recipe.data.tasks or wanted
            tasks = [task for task in TASKS if task in wanted and task in known and task in info.manifest.tasks]
            if not tasks:
                raise TrainerError(f"the teacher {teacher.name} reads none of the recipe's tasks")
            header = {"teacher": info.sha256, "tasks": {task: list(info.manifest.tasks[task]) for task in tasks}}
            kept = _read_cache(cache, header)
            missing = [text for text in dict.fromkeys(texts) if _hash(text) not in kept]
            tracker = progress.track("distill: teacher", len(missing), "texts")
            with full_disk(cache.parent), cache.open("a", encoding="utf-8") as file:
                for start in range(0, len(missing), _CHUNK):
                    group = missing[start : start + _CHUNK]
                    for text, logits in zip(group, reader.logits(group), strict=True):
                        values = {}
                        for task in tasks:
                            found = probabilities(task, logits[task], info.manifest.calibration.get(task))
                            values[task] = _by_contract(task, info.manifest.tasks[task], found)
                        kept[_hash(text)] = values
                        file.write(json.dumps({"text": _hash(text), "p": values}) + "\n")
                    file.flush()
                    tracker.update(start + len(group))
    except ModelError as error:
        raise TrainerError(f"the teacher {teacher.name} cannot be read: {error}") from error
    return {text: {task: tuple(kept[_hash(text)][task]) for task in tasks} for text in texts}


def _by_contract(task: str, labels: Sequence[str], values: np.ndarray) -> list[float]:
    by_label = dict(zip(labels, values.tolist(), strict=True))
    return [round(by_label[name], 6) if name in by_label else -1.0 for name in TASKS[task].labels]


def _read_cache(path: Path, header: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Return what is kept under ``header``; what a kill cut short, or another teacher said, is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[str, dict[str, list[float]]] = {}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        lines = path.read_text("utf-8").splitlines()
        if json.loads(lines[0]) == header:
            for line in lines[1:]:
                record = json.loads(line)
                kept[record["text"]] = record["p"]
    part = path.with_name(path.name + ".part")
    rows = [json.dumps(dict(header)), *(json.dumps({"text": key, "p": value}) for key, value in kept.items())]
    part.write_text("\n".join(rows) + "\n", "utf-8")
    part.replace(path)
    return kept


def soften(task: str, values: Sequence[float], temperature: float) -> tuple[float, ...]:
    """Return probabilities as they are at ``temperature``; labels that are not known stay -1.0."""
    if temperature == 1.0:
        return tuple(values)
    p = np.clip(np.asarray(values, dtype=np.float64), _EDGE, 1 - _EDGE)
    if TASKS[task].kind == "multilabel":
        z = np.log(p / (1 - p)) / temperature
        soft = 1 / (1 + np.exp(-z))
        return tuple(np.where(np.asarray(values) < 0, -1.0, soft).tolist())
    z = np.log(p) / temperature
    soft = np.exp(z - z.max())
    return tuple((soft / soft.sum()).tolist())


# -- how alike they are ------------------------------------------------------------------------------------


def agreement(logits: Mapping[str, np.ndarray], valid: Sequence[Passage]) -> dict[str, dict[str, float]]:
    """Return by task the share of equal answers and KL(teacher || student) in nats, at temperature 1.

    Of one label among several: the likeliest label and the divergence over the labels. Of multi-label
    tasks: each known label's side of one half and the mean of their binary divergences.
    """
    result = {}
    for task, z in logits.items():
        p = np.array([passage.answers[task] for passage in valid], dtype=np.float64)
        z = np.asarray(z, dtype=np.float64)
        if TASKS[task].kind == "multilabel":
            known = p >= 0
            q = np.clip(1 / (1 + np.exp(-np.clip(z, -60, 60))), _EDGE, 1 - _EDGE)
            p = np.clip(p, _EDGE, 1 - _EDGE)
            same = ((p > 0.5) == (q > 0.5))[known].mean()
            kl = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))[known].mean()
        else:
            log_q = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
            same = (p.argmax(1) == z.argmax(1)).mean()
            p = np.clip(p, _EDGE, 1)
            kl = (p * (np.log(p) - log_q)).sum(1).mean()
        result[task] = {"agreement": float(same), "kl": float(kl)}
    return result


def _mean(found: Mapping[str, Mapping[str, float]], name: str) -> float:
    return float(np.mean([facts[name] for facts in found.values()])) if found else math.nan


# -- a decoder of ours ------------------------------------------------------------------------------------


def _decoder(recipe: Recipe, paths: RunPaths, progress: Progress, train: Sequence[Passage], teacher: str) -> Student:
    from trainer import decoder, writing
    from trainer.decoder_model import load_model, save_model
    from trainer.pretrain import MODEL, autocast, choose_device
    from trainer.tokenizer import WriterTokenizer, entry_room

    config, tokens = recipe.distill, paths.out / "tokens"
    source = paths.model / MODEL
    if not source.is_file():
        raise TrainerError("there is no fine-tuned decoder yet; run the finetune stage first")
    frame, rows, valid_rows = decoder.lessons(recipe, paths)
    tokenizer = WriterTokenizer.load(tokens / "tokenizer.json")
    room = entry_room(tokenizer, recipe.data.tasks, recipe.max_tokens)

    def entry(passage: Passage, temperature: float) -> tuple[list[int], dict[str, decoder.Target]]:
        soft: dict[str, decoder.Target] = {
            task: soften(task, values, temperature) for task, values in passage.answers.items()
        }
        return tokenizer.encode(passage.text)[:room], soft

    settings = replace(
        recipe.decoder,
        steps=config.steps,
        batch=config.batch,
        lr=config.lr,
        warmup=config.warmup,
        save_every=config.save_every,
        eval_every=max(1, config.steps),
        weights=recipe.decoder.weights | recipe.writer.feelings,
    )
    soft = [entry(passage, config.temperature) for passage in train]

    class Distilling(decoder.LabelTraining):
        """Learns from the teacher, and from labels for the rest of the weight."""

        def _next_batch(self) -> Any:
            order = np.random.default_rng((recipe.seed, self.step)).choice(len(soft), config.batch, replace=False)
            chosen = [soft[i] for i in order] if len(soft) > config.batch else soft
            taught = decoder.to_device(decoder.lay_out(frame, chosen), self.device)
            return taught, (super()._next_batch() if config.weight < 1 else None)

        def _loss(self, batch: Any) -> torch.Tensor:
            taught, labelled = batch
            with autocast(self.device, self.settings.precision):
                loss = decoder.batch_loss(self.model, frame, taught, 0.0, config.temperature) * config.temperature**2
            return config.weight * loss + ((1 - config.weight) * super()._loss(labelled) if labelled else 0.0)

    scratch = paths.checkpoints / "distill"
    origin = json.dumps([_sha256(source), teacher, asdict(config), len(train)])
    training = Distilling(
        load_model(source, dropout=recipe.decoder.dropout),
        frame,
        rows,
        valid_rows,
        settings,
        scratch,
        paths.checkpoints / "distill.pt",
        seed=recipe.seed,
        origin=origin,
        # Replies go on beside the teacher, or a decoder would forget to write while it learns to read.
        written=writing.load(paths.lessons, frame.asking(), recipe.writer, recipe.seed),
    )
    started = load_model(source).to(choose_device(recipe.decoder.device)).eval()

    class Ours:
        """A :class:`Student`."""

        def __init__(self) -> None:
            self._model = started

        @torch.no_grad()
        def answers(self, passages: Sequence[Passage]) -> dict[str, np.ndarray]:
            model = self._model.eval()
            found: dict[str, list[np.ndarray]] = defaultdict(list)
            device = next(model.parameters()).device
            for start in range(0, len(passages), _CHUNK):
                entries = [entry(passage, 1.0) for passage in passages[start : start + _CHUNK]]
                batch = decoder.to_device(decoder.lay_out(frame, entries), device)
                states = model(batch.ids, batch.positions, batch.mask)
                for task, values in decoder.label_logits(model, frame, batch, states).items():
                    found[task].append(values.float().cpu().numpy())
            return {task: np.concatenate(values) for task, values in found.items()}

        def learn(self) -> tuple[Path, ...]:
            if training.step:
                progress.say(f"distill: going on after step {training.step}")
            tracker = progress.track("distill", config.steps, "steps", training.step)

            def notify(step: int, facts: Mapping[str, float]) -> None:
                if "loss" in facts:
                    _write_curve(paths.out / CURVE, training.history)
                    tracker.update(step, f"loss {facts['loss']:.4f}")

            training.run(notify)
            self._model = training.model
            _write_curve(paths.out / CURVE, training.history)
            # The last weights, not the best on labelled rows: those are not what is learned here.
            save_model(training.model, paths.model / DISTILLED)
            shutil.rmtree(scratch, ignore_errors=True)
            return (paths.model / DISTILLED,)

    return Ours()


def _write_curve(path: Path, history: Sequence[tuple[int, float]]) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text("".join(json.dumps({"step": s, "loss": loss}) + "\n" for s, loss in history), "utf-8")
    part.replace(path)


# -- a language model ------------------------------------------------------------------------------------


def _causal(
    recipe: Recipe,
    paths: RunPaths,
    progress: Progress,
    train: Sequence[Passage],
    valid: Sequence[Passage],
    teacher: str,
) -> Student:

    from trainer.causal import base, guard, packing, shapes
    from trainer.causal.loop import Loop
    from trainer.causal.prefer import load_tuned
    from trainer.causal.sft import leave, quiet
    from trainer.pretrain import autocast, choose_device
    from trainer.records import Example, read_examples

    config = recipe.distill
    location = base.locate(recipe.base, paths)
    start = base.first(paths.adapter)
    tokenizer = base.load_tokenizer(start)
    template = base.template_of(recipe)
    device = choose_device(recipe.sft.device)
    limit = recipe.sft.sequence

    def encoded(passage: Passage, task: str, temperature: float) -> shapes.Encoded:
        example = Example(task, "distill", passage.text)
        ids = shapes.prompt(example, "contract", template, tokenizer, limit)
        choices = shapes.label_ids(tokenizer, TASKS[task])
        # Floats where finetune has 1, 0 and -1: the same loss takes both.
        targets: Any = soften(task, passage.answers[task], temperature)
        return shapes.Encoded(ids, len(ids), choices, targets)

    tasks = list(train[0].answers)
    count = config.steps * config.batch
    taught = round(count * config.weight)
    soft = [
        encoded(train[i % len(train)], tasks[(i + i // len(train)) % len(tasks)], config.temperature)
        for i in range(min(taught, len(train) * len(tasks)))
    ]
    hard: list[shapes.Encoded] = []
    if config.weight < 1:
        rows = [row for row in read_examples(paths.prepared / "instructions-train.jsonl.gz") if row.task in TASKS]
        random.Random(f"{recipe.seed}:distill:hard").shuffle(rows)
        wanted = round(len(soft) * (1 - config.weight) / config.weight)
        hard = [shapes.encode(row, "contract", template, tokenizer, limit) for row in rows[:wanted]]
    multilabel = {shapes.label_ids(tokenizer, TASKS[task]) for task in tasks if TASKS[task].kind == "multilabel"}

    class Learner(packing.Learner):
        """Adds the teacher's answers to questions that have one right label."""

        def forward(self, batch: packing.Batch) -> torch.Tensor:
            mine = [group for group in batch.asked if tuple(group[1].tolist()) not in multilabel]
            if not mine and config.temperature == 1.0:
                return super().forward(batch)
            states, head = self.states(batch)
            total = packing.head_loss(head, states[batch.spots], batch.targets, batch.weights)
            for rows, choices, targets in batch.asked:
                # Labels of 1, 0 and -1 among a teacher's probabilities were not softened.
                labelled = (targets == targets.round()).all(1, keepdim=True)
                scale = torch.where(labelled, 1.0, config.temperature)
                logits = head(states[rows]).float() / scale
                if tuple(choices.tolist()) in multilabel:
                    known = (targets >= 0).float()
                    parts = F.binary_cross_entropy_with_logits(
                        logits[:, choices], targets.clamp(min=0).float(), reduction="none"
                    )
                    losses = (parts * known).sum(1) / known.sum(1).clamp(min=1)
                else:
                    losses = -(targets * logits.log_softmax(-1)[:, choices]).sum(1)
                total = total + (losses * scale[:, 0] ** 2).sum()
            return total

    with quiet():
        attention = base.attention_for(recipe.sft.attention, device)
        if recipe.sft.attention == "auto" and attention == "sdpa":
            attention = packing.register()
        model = load_tuned(recipe, start, location, device, progress, attention)
    learner = Learner(model, attention)
    accelerator = parallel.accelerator(cpu=device.type == "cpu")
    checkpoints = guard.Checkpoints(paths.checkpoints / "distill", recipe.sft.keep)
    sft = replace(
        recipe.sft,
        epochs=1,
        max_steps=config.steps,
        batch=config.batch,
        accumulate=1,
        lr=config.lr,
        schedule="cosine",
        warmup=config.warmup,
        packing=False,
        save_every=config.save_every,
        eval_every=max(1, min(config.steps, 5 * config.save_every)),
    )
    judged = [encoded(passage, tasks[i % len(tasks)], config.temperature) for i, passage in enumerate(valid)]
    loop = Loop(
        learner,
        [*soft, *hard],
        judged,
        sft,
        accelerator=accelerator,
        checkpoints=checkpoints,
        curve=paths.out / CURVE,
        identity={
            "base": base.weights_sha256(location),
            "start": [_sha256(path) for path in base.weight_files(start)],
            "teacher": teacher,
            "distill": asdict(config),
        },
        progress=progress,
        seed=recipe.seed,
        knobs="lower distill.batch or sft.sequence",
        stage="distill",
    )

    class Theirs:
        """A :class:`Student`."""

        @torch.no_grad()
        def answers(self, passages: Sequence[Passage]) -> dict[str, np.ndarray]:
            model.eval()
            found = {}
            for task in tasks:
                rows = []
                for start in range(0, len(passages), 8):
                    asked = [encoded(passage, task, 1.0) for passage in passages[start : start + 8]]
                    order = sorted(range(len(asked)), key=lambda i: -len(asked[i].ids))
                    batch = packing.lay_out(asked).to(device)
                    with autocast(device, recipe.sft.precision):
                        states, head = learner.states(batch)
                        places, choices, _ = batch.asked[0]
                        logits = head(states[places]).float()[:, choices].cpu().numpy()
                    back = np.empty_like(logits)
                    back[order] = logits
                    rows.append(back)
                found[task] = np.concatenate(rows)
            return found

        def learn(self) -> tuple[Path, ...]:
            loop.run()
            with checkpoints.writing("the distilled model"):
                leave(model, tokenizer, recipe, location, paths.distilled)
            files = base.files_of(paths.distilled)
            return (*base.weight_files(paths.distilled), *(f for f in files if f.suffix != ".safetensors"))

    return Theirs()


# -- small things ------------------------------------------------------------------------------------


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Turn a full disk into a :class:`TrainerError` that says so; what was saved before stays valid."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise TrainerError(
            f"the disk is full; free some space in {folder}: the same command goes on from the last checkpoint"
        ) from error
