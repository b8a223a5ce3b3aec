"""The linear model over n-grams that stands beside the encoder's heads: how it is fitted and how much it counts.

It learns from the published rows of each one-label task. Its logits are then added to the trained encoder's
with the share that suits valid rows best; features and packed form are the app's (``inference.ngrams``).
Everyday writing has no part in it: a word that only diaries use would then speak against stress, and the published
sets were read worse (AUROC of low mood on valid .881 instead of .941 at the same share).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch
from sklearn.linear_model import LogisticRegression

from journal_app.contract.tasks import TASKS
from journal_app.inference import ngrams
from journal_app.inference.ngrams import BUCKETS, IDF_STEP, WORD_BUCKETS, NGrams
from trainer import encoder
from trainer.calibrate import held_out_loss
from trainer.config import Recipe, RunPaths
from trainer.corpora.files import Row, read_rows
from trainer.encoder import Encoder
from trainer.metrics import macro_f1
from trainer.progress import Progress

FILE = "ngrams.json"
"""Name of the packed model in the folder of a trained encoder."""
STRENGTHS = (1.0, 10.0)
"""Inverse regularisation strengths that are tried."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""What the n-grams' logits are multiplied with; 0 leaves a task to the encoder. More than 2 is never better by much on
the published sets, and reads diaries worse: AUROC of low mood in labelled ones .961 at 0, .939 at 2, .912 at 4."""
LEAST_WORD, LEAST_RUN = 2, 4
"""Buckets of words and of runs of characters that fewer train texts have are left out."""


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> tuple[list[Path], dict[str, Any]]:
    """Fit the model for the trained encoder of a run and write it beside the weights.

    Returns the files written (none where no task gains, or the recipe wants no n-grams) and what was found.
    """
    target = paths.model / FILE
    target.unlink(missing_ok=True)
    if not recipe.finetune.ngrams:
        return [], {}
    model, tokenizer = Encoder.load(paths.model), encoder.load_tokenizer(paths.model)
    tasks = [task for task in model.labels if task in TASKS and TASKS[task].kind != "multilabel"]
    rows = {
        split: [row for row in read_rows(paths.prepared / f"{split}.jsonl.gz") if row.part == "published"]
        for split in ("train", "valid")
    }
    valid = [row for row in rows["valid"] if row.task in tasks]
    ids = [w[0] for w in encoder.windows(tokenizer, [row.text for row in valid], recipe.max_tokens)]
    pooled = torch.from_numpy(encoder.embed(model, ids, autocast=True))
    with torch.inference_mode():
        logits = {task: values.numpy() for task, values in model.logits(pooled).items()}
    dense = {task: logits[task][[i for i, row in enumerate(valid) if row.task == task]] for task in tasks}
    found, notes = fit({task: [r for r in rows["train"] if r.task == task] for task in tasks}, valid, dense, progress)
    if found is None:
        return [], notes
    target.write_text(found.to_string(), encoding="utf-8")
    return [target], notes


def load(folder: Path, tasks: Mapping[str, Sequence[str]]) -> NGrams | None:
    """Return the model beside the encoder in ``folder``, None where there is none."""
    path = folder / FILE
    return NGrams.from_string(path.read_text(encoding="utf-8"), tasks) if path.is_file() else None


def fit(
    train: Mapping[str, Sequence[Row]], valid: Sequence[Row], dense: Mapping[str, np.ndarray], progress: Progress
) -> tuple[NGrams | None, dict[str, Any]]:
    """Fit a logistic regression for each task of ``train`` and choose its strength and share on ``valid``.

    ``dense``: task -> the encoder's logits [valid rows of the task, labels]. Both choices are made by the
    held-out log loss of the sum after calibration. Returns None where no task gains, and per task what was chosen.
    """
    texts = list(dict.fromkeys(row.text for rows in train.values() for row in rows))
    known = {text: ngrams.features(text) for text in texts}
    idf = _idf(list(known.values()))
    outputs: dict[str, slice] = {}
    weights, biases = [], []
    notes: dict[str, Any] = {}
    for task, rows in train.items():
        labels = TASKS[task].labels
        mine = [row for row in valid if row.task == task]
        truth = np.array([labels.index(row.label) for row in mine])
        target = np.array([labels.index(row.label) for row in rows])
        if not mine or len(np.unique(target)) < len(labels) or len(np.unique(truth)) < 2:
            continue
        x = matrix([known[row.text] for row in rows], idf)
        x_valid = matrix([ngrams.features(row.text) for row in mine], idf)
        own = dense[task].astype(np.float64)
        before = held_out_loss(own, truth)
        best = (before, 0.0, 0.0, np.empty(0), np.empty(0))
        for strength in STRENGTHS:
            model = LogisticRegression(C=strength, class_weight="balanced", max_iter=400).fit(x, target)
            weight, bias = _columns(task, model)
            added = ngrams.by_label(task, x_valid @ weight.T + bias)
            for share in SHARES[1:]:
                loss = held_out_loss(own + share * added, truth)
                if loss < best[0]:
                    best = (loss, strength, share, weight * share, bias * share)
        notes[task] = {"loss_encoder": before, "loss": best[0], "strength": best[1], "share": best[2]}
        notes[task]["macro_f1_encoder"] = macro_f1(truth, own.argmax(1))
        if best[2]:
            start = sum(len(column) for column in biases)
            outputs[task] = slice(start, start + len(best[4]))
            weights.append(best[3])
            biases.append(best[4])
            added = ngrams.by_label(task, x_valid @ best[3].T + best[4])
            notes[task]["macro_f1"] = macro_f1(truth, (own + added).argmax(1))
        progress.say(
            f"n-grams: {task}: share {best[2]:g}, log loss on valid {before:.4f} -> {best[0]:.4f} "
            f"({len(rows):,} texts to learn from)"
        )
    if not outputs:
        return None, notes
    return _quantised(outputs, idf, np.concatenate(weights), np.concatenate(biases)), notes


def _idf(found: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the smoothed inverse document frequencies as the app keeps them, uint8 [BUCKETS]; 0: too rare."""
    frequency = np.bincount(np.concatenate([buckets for buckets, _ in found]), minlength=BUCKETS)
    # Of a handful of texts everything is rare.
    scarce = len(found) <= 50
    least = np.where(np.arange(BUCKETS) < WORD_BUCKETS, 1 if scarce else LEAST_WORD, 1 if scarce else LEAST_RUN)
    values = np.log((1 + len(found)) / (1 + frequency)) + 1
    return np.where(frequency >= least, np.clip(np.round(values / IDF_STEP), 1, 255), 0).astype(np.uint8)


def matrix(found: Sequence[tuple[np.ndarray, np.ndarray]], idf: np.ndarray) -> scipy.sparse.csr_matrix:
    """Return the TF-IDF features [texts, BUCKETS] of buckets and counts; ``idf`` as packed."""
    rows = [ngrams.weighed(buckets, counts, idf) for buckets, counts in found]
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in rows)])
    buckets, values = (np.concatenate([row[part] for row in rows]) for part in (0, 1))
    return scipy.sparse.csr_matrix((values, buckets, ends), shape=(len(rows), BUCKETS))


def _columns(task: str, model: LogisticRegression) -> tuple[np.ndarray, np.ndarray]:
    """Return weight [columns, BUCKETS] and bias [columns] in the contract's order; a yes / no task: yes against no."""
    weight, bias = np.asarray(model.coef_), np.asarray(model.intercept_)
    if TASKS[task].kind == "binary":
        sign = 1.0 if TASKS[task].index("yes") == int(model.classes_[1]) else -1.0
        return sign * weight, sign * bias
    order = np.argsort(model.classes_)
    return weight[order], bias[order]


def _quantised(outputs: dict[str, slice], idf: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> NGrams:
    scale = np.maximum(np.abs(weight).max(axis=1), 1e-9)
    roots = np.sqrt(np.abs(weight) / scale[:, None])
    packed = np.round(127 * np.sign(weight) * roots).astype(np.int8)
    packed[:, idf == 0] = 0
    return NGrams(outputs, idf, np.ascontiguousarray(packed.T), scale.astype(np.float32), bias.astype(np.float32))
