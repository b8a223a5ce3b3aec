"""The stage ``finetune`` of classifiers: a pre-trained encoder with one head over the labels of one task.

Electra, BERT and RoBERTa as ``AutoModelForSequenceClassification`` builds them. One label of several
(softmax) or several at once (a sigmoid a label, labels that a row says nothing about left out). What is
left in ``model/`` is a model in Hugging Face's form, and ``labels.json`` with task, labels and the
thresholds set on valid.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from journal_app.contract.tasks import TASKS
from trainer.causal import base
from trainer.causal.sft import quiet
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.known import task_labels
from trainer.metrics import macro_f1, positive_f1
from trainer.progress import Progress
from trainer.records import Example, read_examples
from trainer.supervised import Frame, Supervised, device_of, layered, leave

CURVE = "curve-finetune.jsonl"
REPORT = "finetune.json"
LABELS = "labels.json"
MOST_WEIGHT = 10.0
"""Most that a rare class weighs against a common one."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a classifier answers.

    Attributes:
        task: of the contract, or of a set. labels: in the order of the head. multi: several labels at once.
        thresholds: of multi-label and two-label tasks, from which probability a label counts; set on valid.
    """

    task: str
    labels: tuple[str, ...]
    multi: bool
    thresholds: tuple[float, ...] = ()


def scheme_of(examples: Sequence[Example]) -> Scheme:
    """Return task and labels of ``examples``; raise :class:`TrainerError` unless they are of one task with labels."""
    labelled = [example for example in examples if example.label or example.labels or example.negatives]
    tasks = sorted({example.task for example in labelled})
    if len(tasks) != 1:
        found = ", ".join(tasks) or "none"
        raise TrainerError(f"a classifier learns one task; the prepared instructions have labels of: {found}")
    task = tasks[0]
    multi = any(not example.label for example in labelled)
    known = TASKS[task].labels if task in TASKS else task_labels(task)
    used = {label for example in labelled for label in (*example.labels, *filter(None, (example.label,)))}
    labels = known or tuple(sorted(used))
    if used - set(labels):
        raise TrainerError(
            f"the prepared instructions hold labels that the task {task} does not have; run prepare again"
        )
    if len(labels) < 2:
        raise TrainerError(f"the task {task} has one label only; there is nothing to tell apart")
    return Scheme(task, labels, multi)


def truth_of(scheme: Scheme, examples: Sequence[Example]) -> np.ndarray:
    """Return label indexes [n], or for several labels 1, 0 or -1 (nothing said) [n, labels]."""
    if not scheme.multi:
        return np.array([scheme.labels.index(example.label) for example in examples], dtype=np.int64)
    rows = [[example.target(label) for label in scheme.labels] for example in examples]
    return np.array(rows, dtype=np.int64).reshape(len(examples), len(scheme.labels))


def rows_of(scheme: Scheme, examples: Sequence[Example]) -> list[Example]:
    """Return the examples that say something about the scheme's task."""
    return [e for e in examples if e.task == scheme.task and (e.label or e.labels or e.negatives)]


class Pieces:
    """Texts as ids with [CLS] and [SEP]; a text that spells such a token stays text."""

    def __init__(self, tokenizer: Any, limit: int) -> None:
        """Cut texts after ``limit`` ids, those around them included."""
        self._frame = Frame(tokenizer, limit)
        self.pad = int(tokenizer.pad_token_id or 0)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text."""
        return [self._frame.ids(text) for text in texts]

    def batch(self, rows: Sequence[Sequence[int]], device: torch.device) -> dict[str, Tensor]:
        """Return rows padded on the right, with their mask, as a model takes them."""
        longest = max(map(len, rows))
        ids = torch.tensor([[*row, *[self.pad] * (longest - len(row))] for row in rows], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
        return {"input_ids": ids, "attention_mask": mask}


class Classifier:
    """A trained classifier."""

    def __init__(self, model: Any, pieces: Pieces, scheme: Scheme, device: torch.device) -> None:
        self.model, self.scheme = model.to(device).eval(), scheme
        self._pieces, self._device = pieces, device

    @classmethod
    def load(cls, folder: Path, device: torch.device | None = None) -> Classifier:
        """Read what ``finetune`` left in ``folder``; raise :class:`TrainerError` when something is missing."""
        from transformers import AutoModelForSequenceClassification

        try:
            raw = json.loads((folder / LABELS).read_text("utf-8"))
            scheme = Scheme(raw["task"], tuple(raw["labels"]), raw["multi"], tuple(raw["thresholds"]))
            with quiet():
                model = AutoModelForSequenceClassification.from_pretrained(str(folder), local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise TrainerError(f"no trained classifier in {folder}: run `quietpage-train finetune` first") from error
        pieces = Pieces(base.load_tokenizer(folder), int(raw["max_tokens"]))
        return cls(model, pieces, scheme, device or torch.device("cpu"))

    @torch.inference_mode()
    def logits(self, texts: Sequence[str], size: int = 32) -> np.ndarray:
        """Return logits [texts, labels] in float32, computed in batches of like length."""
        rows = self._pieces.ids(texts)
        result = np.zeros((len(rows), len(self.scheme.labels)), dtype=np.float32)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            batch = self._pieces.batch([rows[i] for i in chosen], self._device)
            result[chosen] = self.model(**batch).logits.float().cpu().numpy()
        return result

    def probabilities(self, texts: Sequence[str], size: int = 32) -> np.ndarray:
        """Return probabilities [texts, labels]: of one label among all, or of each label by itself."""
        return to_probabilities(self.scheme, self.logits(texts, size))

    def answers(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the labels of each text: the likeliest one, or those at or above their thresholds."""
        return [
            tuple(self.scheme.labels[i] for i in np.flatnonzero(row))
            for row in decide(self.scheme, self.probabilities(texts))
        ]


def to_probabilities(scheme: Scheme, logits: np.ndarray) -> np.ndarray:
    """Return probabilities [n, labels] in float64 for ``logits`` [n, labels]."""
    z = np.asarray(logits, dtype=np.float64)
    if scheme.multi:
        return 1 / (1 + np.exp(-np.clip(z, -60, 60)))
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def decide(scheme: Scheme, values: np.ndarray, *, tuned: bool = True) -> np.ndarray:
    """Return a boolean [n, labels]: which labels ``values`` (probabilities) stand for.

    With ``tuned``, by the thresholds of valid; else by one half, or the likeliest label.
    """
    if scheme.multi:
        return values >= (np.array(scheme.thresholds) if tuned and scheme.thresholds else 0.5)
    chosen = values.argmax(1)
    if tuned and len(scheme.labels) == 2 and scheme.thresholds:
        chosen = np.where(values[:, 0] >= scheme.thresholds[0], 0, 1)
    return np.eye(len(scheme.labels), dtype=bool)[chosen]


def thresholds(scheme: Scheme, truth: np.ndarray, values: np.ndarray) -> tuple[float, ...]:
    """Return for each label the probability with the highest F1 on valid; nothing for one label of several.

    Two labels share one number, that of the first label, chosen by macro-F1. A label without positive rows
    keeps one half.
    """
    if scheme.multi:
        found = []
        for i in range(len(scheme.labels)):
            known = truth[:, i] >= 0
            right, p = truth[known, i] == 1, values[known, i]
            flat = right.all() or not right.any()
            found.append(0.5 if flat else _best(lambda t, right=right, p=p: positive_f1(right, p >= t)))
        return tuple(found)
    if len(scheme.labels) != 2 or not len(truth):
        return ()
    return (_best(lambda t: macro_f1(truth, np.where(values[:, 0] >= t, 0, 1))),)


def _best(figure: Callable[[float], float]) -> float:
    """Return the threshold in [.1, .9] with the highest ``figure``; of equals the one nearest to one half."""
    grid = np.linspace(0.1, 0.9, 81).tolist()
    scores = [figure(threshold) for threshold in grid]
    equals = [threshold for threshold, reached in zip(grid, scores, strict=True) if reached == max(scores)]
    return round(min(equals, key=lambda threshold: abs(threshold - 0.5)), 4)


def score(scheme: Scheme, truth: np.ndarray, values: np.ndarray, decided: np.ndarray) -> float:
    """Return macro-F1 over labels: of multi-label tasks over rows that say something about the label."""
    if not scheme.multi:
        return macro_f1(truth, decided.argmax(1))
    found = []
    for i in range(len(scheme.labels)):
        known = truth[:, i] >= 0
        right, said = truth[known, i] == 1, decided[known, i]
        if right.any() or said.any():
            found.append(2 * float((right & said).sum()) / float(right.sum() + said.sum()))
    return float(np.mean(found)) if found else 0.0


def class_weights(scheme: Scheme, truth: np.ndarray, kind: str) -> Tensor:
    """Return weights [labels]: of classes with mean 1 over the rows, or of a label's positive rows.

    ``root``: inverse square root of the frequency; ``inverse``: inverse frequency; ``none``: 1. At most
    :data:`MOST_WEIGHT`.
    """
    if kind == "none":
        return torch.ones(len(scheme.labels))
    power = 0.5 if kind == "root" else 1.0
    if scheme.multi:
        positives = np.maximum(1, (truth == 1).sum(0))
        return torch.tensor(np.clip(((truth == 0).sum(0) / positives) ** power, 1.0, MOST_WEIGHT), dtype=torch.float32)
    size = np.maximum(1, np.bincount(truth, minlength=len(scheme.labels))).astype(np.float64)
    raw = size**-power
    weights = raw * size.sum() / (raw * size).sum()
    return torch.tensor(np.minimum(weights, MOST_WEIGHT), dtype=torch.float32)


def loss_of(scheme: Scheme, logits: Tensor, truth: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """Return the mean loss in nats; ``truth`` as :func:`truth_of` gives it, -1 left out."""
    if not scheme.multi:
        return F.cross_entropy(logits.float(), truth, weight=weights, label_smoothing=smoothing)
    known = (truth >= 0).float()
    targets = truth.clamp(min=0).float() * (1 - smoothing) + smoothing / 2
    each = F.binary_cross_entropy_with_logits(logits.float(), targets, pos_weight=weights, reduction="none") * known
    return each.sum() / known.sum().clamp(min=1)


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Train; leave ``model/``, the curve and ``finetune.json``.

    Raises :class:`TrainerError` for data of several tasks, a base that does not load, and what ``guard`` tells.
    """
    sft, config = recipe.sft, recipe.classifier
    train, valid = (read_examples(paths.prepared / f"instructions-{s}.jsonl.gz") for s in ("train", "valid"))
    scheme = scheme_of(train)
    train, valid = rows_of(scheme, train), rows_of(scheme, valid)
    folder = base.locate(recipe.base, paths)
    device = device_of(sft)
    torch.manual_seed(recipe.seed)
    model = _model(recipe, folder, scheme).to(device)
    tokenizer = base.load_tokenizer(folder)
    limit = min(sft.sequence, recipe.max_tokens, int(getattr(model.config, "max_position_embeddings", 512)) - 2)
    pieces = Pieces(tokenizer, limit)
    ids = pieces.ids([example.input for example in train])
    truth, valid_truth = truth_of(scheme, train), truth_of(scheme, valid)
    targets = torch.tensor(truth, device=device)
    weights = class_weights(scheme, truth, config.weights).to(device)
    learned = sum(weight.numel() for _, weight in base.trainable(model)) / 1e6
    progress.say(
        f"finetune: {len(train):,} texts, {len(scheme.labels)} labels of {scheme.task}, "
        f"{'several' if scheme.multi else 'one'} a text; {learned:,.1f} M weights learn on {device.type}"
    )

    def loss(rows: Sequence[int]) -> Tensor:
        batch = pieces.batch([ids[i] for i in rows], device)
        return loss_of(scheme, model(**batch).logits, targets[list(rows)], weights, sft.label_smoothing)

    judged = valid[: sft.eval_rows] if sft.eval_rows else valid
    judged_ids = pieces.ids([example.input for example in judged])

    def judge() -> dict[str, float]:
        if not judged:
            return {}
        parts = []
        for start in range(0, len(judged_ids), 32):
            parts.append(model(**pieces.batch(judged_ids[start : start + 32], device)).logits.float().cpu())
        logits = torch.cat(parts)
        right = valid_truth[: len(judged)]
        values = to_probabilities(scheme, logits.numpy())
        cuts = thresholds(scheme, right, values)
        decided = decide(Scheme(scheme.task, scheme.labels, scheme.multi, cuts), values, tuned=scheme.multi)
        mean = loss_of(scheme, logits, torch.tensor(right), weights.cpu(), 0.0)
        return {"score": score(scheme, right, values, decided), "loss": float(mean)}

    training = Supervised(
        model,
        layered(model, _is_head, decay=config.layer_decay, head_scale=config.head_scale),
        [len(row) for row in ids],
        loss,
        judge,
        sft,
        folder=paths.checkpoints / "finetune",
        curve=paths.out / CURVE,
        identity={
            "base": base.weights_sha256(folder),
            "adapter": asdict(recipe.adapter),
            "classifier": asdict(config),
            "data": hashlib.sha256(repr((ids, truth.tolist())).encode()).hexdigest(),
        },
        progress=progress,
        seed=recipe.seed,
        device=device,
        patience=config.patience if valid else 0,
    )
    state = training.run()
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    classifier = Classifier(model, pieces, scheme, device)
    found = thresholds(scheme, valid_truth, classifier.probabilities([e.input for e in valid])) if valid else ()
    with training.checkpoints.writing("the trained model"):
        note = {
            "task": scheme.task,
            "labels": list(scheme.labels),
            "multi": scheme.multi,
            "thresholds": list(found),
            "max_tokens": limit,
        }
        outputs = leave(model, tokenizer, LABELS, note, paths.model)
    counts = Counter(label for e in train for label in (e.labels or filter(None, (e.label,))))
    report = paths.out / REPORT
    facts = {
        "task": scheme.task,
        "texts": {"train": len(train), "valid": len(valid)},
        "labels": {label: counts[label] for label in scheme.labels},
        "steps": state.step,
        "best_step": state.best_step,
        "valid_macro_f1": state.best if state.best_step else None,
        "train_seconds": round(state.seconds, 1),
        "device": device.type,
    }
    report.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    summary = {
        "steps": state.step,
        "texts": len(train),
        "valid_macro_f1": state.best if state.best_step else float("nan"),
    }
    return StageResult((*outputs, paths.out / CURVE, report), summary)


def _is_head(name: str) -> bool:
    return "classifier" in name or ".score." in name


def _model(recipe: Recipe, folder: Path, scheme: Scheme) -> Any:
    from transformers import AutoModelForSequenceClassification

    if recipe.adapter.method == "qlora":
        raise TrainerError('classifiers are small enough to learn in full: set adapter.method = "full" or "lora"')
    names = dict(enumerate(scheme.labels))
    try:
        with quiet():
            model: Any = AutoModelForSequenceClassification.from_pretrained(
                str(folder),
                num_labels=len(scheme.labels),
                id2label=names,
                label2id={label: i for i, label in names.items()},
                problem_type="multi_label_classification" if scheme.multi else "single_label_classification",
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise TrainerError(f"the base in {folder} does not load as a classifier: {text}") from error
    if recipe.adapter.method == "lora":
        # PEFT lets the new head learn in full with this kind of task.
        model = base.wrap(model, recipe.adapter, task_type="SEQ_CLS")
    return model
