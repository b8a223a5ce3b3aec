"""Instruction -> label-token fine-tuning of a decoder, in the shape in which the engine asks.

A training example is one entry with every question that has an answer for it. The entry's prefix
is read once and each question branches off it: a branch sees the prefix and itself, its positions
go on from the prefix, and no branch sees another. That is what the engine computes when it
rewinds to the prefix before each question, so training and use are the same function.

The loss sits on the label token (and, lightly, on the token that ends the answer); on multi-label
tasks it is a binary loss on each label's logit at the one position. Replies, where the recipe names
some, are learned beside the labels, see ``trainer.writing``. Works on the arrays that the lessons
stage left and needs torch and numpy only.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trainer import writing
from trainer.config import DecoderConfig, Recipe, RunPaths, StageResult, TrainerError
from trainer.decoder_model import Decoder, decay_groups, load_model, save_atomically, save_model
from trainer.pretrain import MODEL, REPORT, autocast, choose_device, probe_threads, rate
from trainer.progress import Progress
from trainer.writing import Asking, Written

LEFT = {"prefer": "preferred.pt", "distill": "distilled.pt", "finetune": MODEL}
"""Stage -> what it leaves in ``model/``, beside what the stages before it did; the last stage first."""

Target = int | tuple[int, ...] | tuple[float, ...]
"""The index of the right label, or for a multi-label task 1, 0 or -1 (not known) for each label.

A teacher's answer is a probability for each label, whatever the task; -1.0 where it has none."""


@dataclass(frozen=True, slots=True)
class Question:
    """The ids of one task: what is asked, and the label tokens in label order."""

    kind: str
    question: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The ids around every entry, from ``frame.json``; ``reply`` is what asks for a reflection after it."""

    head: tuple[int, ...]
    tail: tuple[int, ...]
    pad: int
    end: int
    tasks: dict[str, Question]
    reply: tuple[int, ...] = ()

    def asking(self) -> Asking:
        """Return the ids around an entry whose reflection is asked for."""
        return Asking(self.head, (*self.tail, *self.reply), self.pad, self.end)

    @classmethod
    def load(cls, path: Path) -> Frame:
        """Read the file; raise :class:`TrainerError` if the lessons stage did not make it."""
        try:
            raw = json.loads(path.read_text("utf-8"))
            tasks = {
                name: Question(task["kind"], tuple(task["question"]), tuple(task["labels"]))
                for name, task in raw["tasks"].items()
            }
            return cls(tuple(raw["head"]), tuple(raw["tail"]), raw["pad"], raw["end"], tasks, tuple(raw["reply"]))
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise TrainerError("the prepared prompts are missing or malformed; run the lessons stage first") from error


class TaskRows:
    """The answers of one split: which entry has which label, and the ids of the entries."""

    def __init__(self, path: Path, tasks: Sequence[str]) -> None:
        """Read ``tasks.SPLIT.npz``; raise :class:`TrainerError` if it is missing or holds none of ``tasks``."""
        try:
            with np.load(path) as arrays:
                self._ids, self._offsets = arrays["ids"], arrays["offsets"]
                self.rows = {task: arrays[f"{task}.rows"] for task in tasks if len(arrays[f"{task}.rows"])}
                self.targets = {task: arrays[f"{task}.targets"] for task in self.rows}
        except (OSError, KeyError, ValueError) as error:
            raise TrainerError(f"{path.name} is missing or malformed; run the lessons stage first") from error
        if not self.rows:
            raise TrainerError(f"{path.name} holds no row of the recipe's tasks")
        self._answers: dict[int, dict[str, Target]] = {}
        for task, rows in self.rows.items():
            for text, target in zip(rows.tolist(), self.targets[task].tolist(), strict=True):
                self._answers.setdefault(text, {})[task] = tuple(target) if isinstance(target, list) else target

    def entry(self, text: int) -> list[int]:
        """Return the ids of an entry."""
        return self._ids[self._offsets[text] : self._offsets[text + 1]].tolist()

    def answers(self, text: int) -> dict[str, Target]:
        """Return every known answer about an entry."""
        return self._answers[text]


@dataclass(slots=True)
class _Row:
    """One example while it is laid out: parallel lists over its tokens, and where answers come."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    branches: list[int] = field(default_factory=list)
    spots: list[tuple[int, str, Target]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded examples.

    Attributes:
        ids, positions: [batch, time]. mask: [batch, 1, time, time], true where a token may look.
        spots: task -> (row, column) of the positions whose next token is its label, and the targets.
        ends: [n, 2] rows and columns of label tokens, after which the answer ends.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    spots: dict[str, tuple[Tensor, Tensor, Tensor]]
    ends: Tensor


def lay_out(frame: Frame, entries: Sequence[tuple[Sequence[int], Mapping[str, Target]]]) -> Batch:
    """Return ``entries`` (ids of an entry, answers by task) as one padded batch."""
    rows = [_lay_out_one(frame, ids, answers) for ids, answers in entries]
    length = max(len(row.ids) for row in rows)
    # Rounded up, so that a GPU sees few different sizes.
    length += -length % 16

    def padded(values: list[list[int]], fill: int) -> Tensor:
        return torch.tensor([item + [fill] * (length - len(item)) for item in values])

    branches = padded([row.branches for row in rows], -1)
    same = (branches[:, None, :] == 0) | (branches[:, :, None] == branches[:, None, :])
    spots: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
    for task in frame.tasks:
        found = [
            (i, column, target) for i, row in enumerate(rows) for column, name, target in row.spots if name == task
        ]
        if found:
            where, columns, targets = zip(*found, strict=True)
            spots[task] = (torch.tensor(where), torch.tensor(columns), torch.tensor(targets))
    ends = [(i, column) for i, row in enumerate(rows) for column in row.ends]
    return Batch(
        ids=padded([row.ids for row in rows], frame.pad),
        positions=padded([row.positions for row in rows], 0),
        # A padded position looks at itself and its like, so that no row of the softmax is empty.
        mask=same.tril()[:, None],
        spots=spots,
        ends=torch.tensor(ends, dtype=torch.long).reshape(-1, 2),
    )


def _lay_out_one(frame: Frame, entry: Sequence[int], answers: Mapping[str, Target]) -> _Row:
    row = _Row()
    prefix = [*frame.head, *entry, *frame.tail]
    row.ids = list(prefix)
    row.positions = list(range(len(prefix)))
    row.branches = [0] * len(prefix)
    for branch, (task, target) in enumerate(answers.items(), start=1):
        asked = frame.tasks[task]
        ids = list(asked.question)
        row.spots.append((len(row.ids) + len(ids) - 1, task, target))
        if isinstance(target, int):
            ids.append(asked.labels[target])
            row.ends.append(len(row.ids) + len(ids) - 1)
        row.ids += ids
        row.positions += range(len(prefix), len(prefix) + len(ids))
        row.branches += [branch] * len(ids)
    return row


def label_logits(model: Decoder, frame: Frame, batch: Batch, states: Tensor) -> dict[str, Tensor]:
    """Return by task the logits of its labels [n, labels] where they are asked for."""
    return {
        task: F.linear(states[rows, columns], model.embedding.weight[list(frame.tasks[task].labels)])
        for task, (rows, columns, _) in batch.spots.items()
    }


def batch_loss(model: Decoder, frame: Frame, batch: Batch, end_weight: float, temperature: float = 1.0) -> Tensor:
    """Return the mean loss in nats over all answers of a batch.

    ``temperature`` divides the logits, for answers of a teacher that were softened by it.
    """
    states = model(batch.ids, batch.positions, batch.mask)
    total = states.new_zeros((), dtype=torch.float32)
    answers = 0
    for task, (rows, columns, targets) in batch.spots.items():
        asked = frame.tasks[task]
        here = states[rows, columns]
        labels = torch.tensor(asked.labels, device=here.device)
        if asked.kind == "multilabel":
            logits = F.linear(here, model.embedding.weight[labels]).float() / temperature
            known = (targets >= 0).float()
            losses = F.binary_cross_entropy_with_logits(logits, targets.clamp(min=0).float(), reduction="none")
            total = total + ((losses * known).sum(1) / known.sum(1).clamp(min=1)).sum()
        elif targets.is_floating_point():
            scores = (model.logits(here).float() / temperature).log_softmax(-1)[:, labels]
            total = total - (targets * scores).sum()
        else:
            # Over the whole vocabulary: the model learns to answer, not only to rank the labels.
            total = total + F.cross_entropy(model.logits(here).float(), labels[targets], reduction="sum")
        answers += len(rows)
    if len(batch.ends) and end_weight:
        logits = model.logits(states[batch.ends[:, 0], batch.ends[:, 1]]).float()
        targets = torch.full((len(batch.ends),), frame.end, device=logits.device)
        total = total + end_weight * F.cross_entropy(logits, targets, reduction="sum")
    return total / max(1, answers)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return ``batch`` on ``device``."""
    spots = {task: (a.to(device), b.to(device), c.to(device)) for task, (a, b, c) in batch.spots.items()}
    return Batch(batch.ids.to(device), batch.positions.to(device), batch.mask.to(device), spots, batch.ends.to(device))


class Draw:
    """Draws entries: a task by weight, then its next row in a random order; state is a counter per task."""

    def __init__(self, rows: TaskRows, weights: Mapping[str, float], seed: int) -> None:
        """Weigh each task by ``weights`` (1 if unnamed) times its number of rows to the power 0.5."""
        self._rows, self._seed = rows, seed
        self._tasks = sorted(rows.rows)
        sizes = np.array([weights.get(task, 1.0) * math.sqrt(len(rows.rows[task])) for task in self._tasks])
        if sizes.sum() <= 0:
            raise TrainerError("decoder.weights leaves no task to train")
        self._shares = sizes / sizes.sum()
        self._orders: dict[str, tuple[int, np.ndarray]] = {}
        self.drawn = dict.fromkeys(self._tasks, 0)

    def texts(self, count: int) -> list[int]:
        """Return the next ``count`` entries."""
        return [self._next() for _ in range(count)]

    def _next(self) -> int:
        draw = np.random.default_rng((self._seed, 0, sum(self.drawn.values())))
        task = self._tasks[int(draw.choice(len(self._tasks), p=self._shares))]
        rows = self._rows.rows[task]
        epoch, index = divmod(self.drawn[task], len(rows))
        if task not in self._orders or self._orders[task][0] != epoch:
            shuffle = np.random.default_rng((self._seed, 1, self._tasks.index(task), epoch))
            self._orders[task] = (epoch, shuffle.permutation(len(rows)))
        self.drawn[task] += 1
        return int(rows[self._orders[task][1][index]])


class LabelTraining:
    """Fine-tuning: continues where its checkpoint stands; leaves the best model and a report in ``out``."""

    def __init__(
        self,
        model: Decoder,
        frame: Frame,
        rows: TaskRows,
        valid: TaskRows,
        settings: DecoderConfig,
        out: Path,
        checkpoint: Path,
        *,
        seed: int,
        origin: str,
        written: Written | None = None,
    ) -> None:
        """Prepare the run; raise :class:`TrainerError` if the checkpoint is of another run.

        ``origin`` tells from which weights ``model`` came, e.g. the checksum of their file. ``written`` are
        replies that are learned beside the labels, in every step.
        """
        out.mkdir(parents=True, exist_ok=True)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        self.settings, self.frame, self.out, self.checkpoint = settings, frame, out, checkpoint
        self._rows, self._valid, self._written = rows, valid, written
        self.device = choose_device(settings.device)
        torch.manual_seed(seed)
        self.model = model.to(self.device)
        matrices, others = decay_groups(model)
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.98), fused=True)
        self._draw = Draw(rows, settings.weights, seed)
        self.step, self.best, self.threads = 0, -math.inf, 0
        self.history: list[tuple[int, float]] = []
        self.valid: dict[str, float] = {}
        sizes = {task: len(index) for task, index in rows.rows.items()}
        facts = [asdict(model.shape), asdict(settings), seed, origin, sizes, written.identity if written else ""]
        self._identity = json.dumps(facts, sort_keys=True)
        if checkpoint.exists():
            self._restore()

    def run(self, notify: Callable[[int, Mapping[str, float]], None]) -> dict[str, Any]:
        """Train to the end; return the report that is also left as ``report.json``."""
        settings = self.settings
        if self.device.type == "cpu":
            self.threads = self.threads or settings.threads or self._probe()
            torch.set_num_threads(self.threads)
        start, first = time.perf_counter(), self.step
        while self.step < settings.steps:
            loss = self._train_step()
            self.step += 1
            last = self.step == settings.steps
            if self.step % settings.log_every == 0 or last:
                value = float(loss)
                if not math.isfinite(value):
                    raise TrainerError(f"the loss is not finite at step {self.step}; lower decoder.lr")
                self.history.append((self.step, value))
                speed = (self.step - first) * settings.batch / (time.perf_counter() - start)
                notify(self.step, {"loss": value, "texts_per_s": speed})
            if self.step % settings.eval_every == 0 or last:
                self.valid = self.evaluate()
                notify(self.step, self.valid)
                score = sum(self.valid.values()) / max(1, len(self.valid))
                if score > self.best:
                    self.best = score
                    save_model(self.model, self.out / MODEL)
            if self.step % settings.save_every == 0 or last:
                self._save()
        report = {
            "steps": settings.steps,
            "device": self.device.type,
            "threads": self.threads,
            "valid": self.valid,
            "best_mean": self.best,
            "reply_passes": self._written.passes(self.step) if self._written else None,
            "history": self.history,
        }
        part = self.out / (REPORT + ".part")
        part.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        part.replace(self.out / REPORT)
        return report

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return by task macro-F1 (mean AUROC for multi-label tasks) on at most ``eval_rows`` valid rows.

        ``replies`` is the mean probability of a token of valid replies: 1 / perplexity, so that it grows as the
        others do and is of their size.
        """
        self.model.eval()
        scores: dict[str, float] = {}
        for task, rows in self._valid.rows.items():
            chosen = rows[: self.settings.eval_rows]
            targets = self._valid.targets[task][: self.settings.eval_rows]
            logits = np.concatenate(list(self._score(task, chosen.tolist())))
            if self.frame.tasks[task].kind == "multilabel":
                scores[task] = mean_auroc(logits, targets)
            else:
                scores[task] = macro_f1(logits.argmax(1), targets, len(self.frame.tasks[task].labels))
        if self._written:
            settings = self.settings
            perplexity = self._written.perplexity(self.model, self.device, settings.precision, settings.eval_rows)
            if perplexity is not None:
                scores["replies"] = 1 / perplexity
        return scores

    def _score(self, task: str, texts: Sequence[int]) -> Iterator[np.ndarray]:
        size = self.settings.batch
        for start in range(0, len(texts), size):
            entries = [
                (self._valid.entry(t), {task: self._valid.answers(t)[task]}) for t in texts[start : start + size]
            ]
            batch = to_device(lay_out(self.frame, entries), self.device)
            with autocast(self.device, self.settings.precision):
                states = self.model(batch.ids, batch.positions, batch.mask)
                yield label_logits(self.model, self.frame, batch, states)[task].float().cpu().numpy()

    def _next_batch(self) -> Batch:
        texts = self._draw.texts(self.settings.batch)
        entries = [(self._rows.entry(text), self._rows.answers(text)) for text in texts]
        return to_device(lay_out(self.frame, entries), self.device)

    def _loss(self, batch: Batch) -> Tensor:
        with autocast(self.device, self.settings.precision):
            return batch_loss(self.model, self.frame, batch, self.settings.end_weight)

    def _train_step(self) -> Tensor:
        settings = self.settings
        self.model.train()
        loss = self._loss(self._next_batch())
        if self._written:
            loss = loss + self._written.loss(self.model, self.step, self.device, settings.precision)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        share = rate(self.step, settings.steps, warmup=settings.warmup, final=settings.final)
        for group in self._optimiser.param_groups:
            group["lr"] = settings.lr * share
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return loss.detach()

    def _probe(self) -> int:
        """Find the fastest number of threads without touching the run's own state."""
        state, drawn = torch.get_rng_state(), dict(self._draw.drawn)
        batch = self._next_batch()
        threads = probe_threads(lambda: self._loss(batch).backward())
        self.model.zero_grad(set_to_none=True)
        torch.set_rng_state(state)
        self._draw.drawn = drawn
        return threads

    def _save(self) -> None:
        state = {
            "identity": self._identity,
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
            "drawn": self._draw.drawn,
            "step": self.step,
            "best": self.best,
            "threads": self.threads,
            "history": self.history,
            "valid": self.valid,
        }
        save_atomically(state, self.checkpoint)

    def _restore(self) -> None:
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        if state["identity"] != self._identity:
            raise TrainerError(
                "the checkpoint belongs to other settings or other rows; "
                "use the recipe that made it, or another run folder"
            )
        self.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"])
        self._draw.drawn = dict(state["drawn"])
        self.step, self.best, self.threads = state["step"], state["best"], state["threads"]
        self.history = [(int(step), float(loss)) for step, loss in state["history"]]
        self.valid = state["valid"]


def macro_f1(predicted: np.ndarray, targets: np.ndarray, labels: int) -> float:
    """Return the mean F1 over the labels that occur in ``targets`` or ``predicted``."""
    scores = []
    for label in range(labels):
        hit = int(((predicted == label) & (targets == label)).sum())
        said, true = int((predicted == label).sum()), int((targets == label).sum())
        if said + true:
            scores.append(2 * hit / (said + true))
    return float(np.mean(scores)) if scores else 0.0


def mean_auroc(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean area under the ROC curve over labels with known rows of both kinds; 0.5 if there are none."""
    areas = []
    for label in range(targets.shape[1]):
        positive = logits[targets[:, label] == 1, label]
        negative = logits[targets[:, label] == 0, label]
        if len(positive) and len(negative):
            ordered = np.sort(negative)
            below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
            areas.append(float(below.mean() / 2 / len(negative)))
    return float(np.mean(areas)) if areas else 0.5


def trained(paths: RunPaths, before: str = "") -> Path:
    """Return the file of the decoder as the last stage left it, or as the one before the stage ``before`` did.

    Raises :class:`TrainerError` when there is none.
    """
    stages = list(LEFT)
    for stage in stages[stages.index(before) + 1 :] if before else stages:
        if (paths.model / LEFT[stage]).is_file():
            return paths.model / LEFT[stage]
    raise TrainerError("there is no fine-tuned decoder yet; run the finetune stage first")


def lessons(recipe: Recipe, paths: RunPaths) -> tuple[Frame, TaskRows, TaskRows]:
    """Return frame, train and valid rows as ``trainer.lessons`` left them; raise :class:`TrainerError` without."""
    tasks = (*recipe.data.tasks, *recipe.writer.sets)
    train, valid = (TaskRows(paths.lessons / f"tasks.{split}.npz", tasks) for split in ("train", "valid"))
    return Frame.load(paths.lessons / "frame.json"), train, valid


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Fine-tune the pre-trained decoder on the recipe's tasks and replies; fill ``paths.model``, tokenizer included.

    Raises :class:`TrainerError` when an earlier stage has not run, or its checkpoint is of another run.
    """
    source = paths.out / "pretrain" / MODEL
    if not source.exists():
        raise TrainerError("there is no pre-trained decoder yet; run the pretrain stage first")
    frame, rows, valid = lessons(recipe, paths)
    model = load_model(source, dropout=recipe.decoder.dropout)
    written = writing.load(paths.lessons, frame.asking(), recipe.writer, recipe.seed)
    settings = replace(recipe.decoder, weights=recipe.decoder.weights | recipe.writer.feelings)
    checkpoint = paths.checkpoints / "finetune.pt"
    with source.open("rb") as file:
        origin = hashlib.file_digest(file, "sha256").hexdigest()
    training = LabelTraining(
        model, frame, rows, valid, settings, paths.model, checkpoint, seed=recipe.seed, origin=origin, written=written
    )
    tracker = progress.track("finetune", recipe.decoder.steps, start=training.step)

    def notify(step: int, facts: Mapping[str, float]) -> None:
        note = ", ".join(f"{name} {value:.3f}" for name, value in facts.items())
        if "loss" in facts:
            tracker.update(step, note)
        else:
            progress.say(f"finetune: step {step}; valid: {note}")

    report = training.run(notify)
    part = paths.model / "tokenizer.json.part"
    shutil.copyfile(paths.out / "tokens" / "tokenizer.json", part)
    part.replace(paths.model / "tokenizer.json")
    return StageResult(
        (paths.model / MODEL, paths.model / "tokenizer.json"),
        {"valid": report["valid"], "best_mean": report["best_mean"], "device": report["device"]},
    )
