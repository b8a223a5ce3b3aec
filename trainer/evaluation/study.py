"""The tool ``study``: zero-shot, few-shot and fine-tuned of one model on one task, on the same test rows.

Zero-shot and few-shot ask the untouched base: the task's question, its labels behind letters, and the answer is the
letter that comes next, read off the scores through the app's engine and not from generated text. What the
base says to texts without content is taken off (contextual calibration, Zhao et al. 2021), so that a liking for a
letter is no answer. Fine-tuned is the run's own quantised file, each text by its first window. Beside the direct
answers stands the published map from emotions to risk (``evaluation.risk``), with its trend and its rolling heat map
over the sample journal of the app, whose days are invented; they show what such a plot looks like, not how anybody is.
"""

from __future__ import annotations

import argparse
import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from journal_app import assets
from journal_app.contract.tasks import TASKS, Task
from journal_app.inference.engine import ModelError
from journal_app.inference.llama import LlamaReader, sha256_of
from journal_app.inference.scoring import probabilities
from journal_app.inference.writer import LlamaWriter
from trainer import metrics
from trainer.causal import base, convert
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.files import Row, read_rows
from trainer.evaluation import figures, risk
from trainer.evaluation.page import cell_text, write_page
from trainer.progress import Progress
from trainer.quantize import THREADS, read_logits
from trainer.report import plain_table

METHODS = ("zero-shot", "few-shot", "fine-tuned")
SHOWN = ("accuracy", "macro_f1", "weighted_f1", "balanced_accuracy")
CONTENT_FREE = ("N/A", "", "[MASK]")
"""Texts without content, those of Zhao et al. 2021."""
WINDOW_DAYS = 14
_SHOT_CHARACTERS = 400
_SCREENED = 400
_CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class Answers:
    """What one method says: probabilities [rows, labels] of the test rows, and of the sample journal's days."""

    test: np.ndarray
    days: np.ndarray


def run(recipe: Recipe, paths: RunPaths, progress: Progress, options: argparse.Namespace) -> StageResult:
    """Write ``study.json``, its figures and its report; raise :class:`TrainerError` when a model is missing."""
    task = TASKS.get(options.task or recipe.study.task)
    if task is None or task.kind == "multilabel":
        raise TrainerError(f"study: {options.task or recipe.study.task} is no task with one label of the contract")
    files = {split: paths.prepared / f"{split}.jsonl.gz" for split in ("train", "test")}
    train = [row for row in read_rows(files["train"]) if row.task == task.name and row.part == "published"]
    tests = [row for row in read_rows(files["test"]) if row.task == task.name and row.part == "published"]
    if not train or not tests:
        raise TrainerError(f"study: the prepared rows hold no {task.name}; name it in data.tasks and run prepare")
    wanted = options.rows or recipe.study.rows
    rows = sampled(tests, wanted, recipe.seed)
    dates, entries = sample_days()
    tuned = paths.gguf(recipe, recipe.quantize.type)
    untouched = options.gguf or _base_gguf(recipe, paths, progress)
    answers: dict[str, Answers] = {}
    try:
        with LlamaWriter(untouched, threads=THREADS, context=_CONTEXT) as writer:
            for method, shots in (("zero-shot", 0), ("few-shot", recipe.study.shots)):
                if method in recipe.study.methods:
                    asker = Asker(writer, task, _shots(task, train, shots, recipe.seed))
                    answers[method] = _asked(asker, rows, entries, progress, method)
        if "fine-tuned" in recipe.study.methods:
            answers["fine-tuned"] = _read(tuned, task, rows, entries, progress)
    except ModelError as error:
        raise TrainerError(f"study: {error}") from error

    judged = tuned if tuned.is_file() else untouched
    truth = np.array([task.index(row.label) for row in rows])
    report: dict[str, Any] = {
        "model": recipe.name,
        "base": untouched.name,
        "base_sha256": sha256_of(untouched),
        "task": task.name,
        "labels": list(task.labels),
        "shots": recipe.study.shots,
        "test_rows_in_all": len(tests),
        "methods": {name: _figures(task, truth, found.test, recipe.seed) for name, found in answers.items()},
        "differences": _differences(truth, answers, recipe.seed),
        **metrics.provenance(data=list(files.values()), model=judged, seed=recipe.seed),
    }
    screened = {name: sampled(found, _SCREENED, recipe.seed) for name, found in tests_of(files["test"]).items()}
    direct = _screens(tuned, entries, screened, progress) if tuned.is_file() else {}
    if direct:
        report["risk_map"] = direct["report"]
    pictures = _draw(task, truth, answers, dates, direct, paths.figures)
    target = paths.reports / "study.json"
    target.write_text(json.dumps(metrics.rounded(report), indent=1, sort_keys=True) + "\n", "utf-8")
    html, markdown = paths.reports / "study.html", paths.reports / "study.md"
    write_page(html, markdown, f"{recipe.name}: {task.name}, three ways", _blocks(report, pictures))
    progress.say(plain_table(*_table(report)))
    summary = {name: entry["macro_f1"] for name, entry in report["methods"].items()}
    return StageResult((target, html, markdown, *pictures.values()), summary)


class Asker:
    """Asks a causal model a task by letters; ``shots`` are answered examples that go before every text.

    Raises :class:`TrainerError` when the vocabulary has no single token for a letter.
    """

    def __init__(self, writer: LlamaWriter, task: Task, shots: Sequence[tuple[str, int]] = ()) -> None:
        self._writer, self._task, self._shots = writer, task, shots
        self._letters = string.ascii_uppercase[: len(task.labels)]
        self._ids = np.array([self._letter_id(letter) for letter in self._letters])
        if len(set(self._ids.tolist())) != len(self._ids):
            raise TrainerError("study: two letters share a token of the base; give another base with --gguf")
        # What is said to nothing at all is a liking for letters, not an answer.
        free = np.stack([self._log_softmax(self._scores(text)) for text in CONTENT_FREE])
        self._bias = np.log(np.exp(free).mean(0))

    def probabilities(self, text: str) -> np.ndarray:
        """Return the calibrated probability [labels] of each label for ``text``."""
        values = self._log_softmax(self._scores(text)) - self._bias
        values = np.exp(values - values.max())
        return values / values.sum()

    def messages(self, text: str) -> list[tuple[str, str]]:
        """Return the conversation that asks about ``text``."""
        options = "\n".join(
            f"{letter}) {label}" for letter, label in zip(self._letters, self._task.labels, strict=True)
        )
        asked = f"{self._task.question}\n{options}\nAnswer with one letter."
        turns: list[tuple[str, str]] = [("system", "You read a short text and answer one question about it.")]
        for shot, label in self._shots:
            turns += [("user", f"Text: {shot}\n\n{asked}"), ("assistant", self._letters[label])]
        return [*turns, ("user", f"Text: {text}\n\n{asked}")]

    def _scores(self, text: str) -> np.ndarray:
        ids = self._writer.prompt_ids(self.messages(text))
        while len(ids) > self._writer.context and text:
            # The end of a text too long is kept, as the engine keeps it.
            text = text[max(1, len(text) // 3) :]
            ids = self._writer.prompt_ids(self.messages(text))
        return self._writer.next_scores(ids)[self._ids].astype(np.float64)

    def _letter_id(self, letter: str) -> int:
        for text in (letter, f" {letter}"):
            ids = self._writer.tokenise(text)
            if len(ids) == 1:
                return ids[0]
        raise TrainerError("study: the base has no single token for a letter; give another base with --gguf")

    @staticmethod
    def _log_softmax(values: np.ndarray) -> np.ndarray:
        return values - np.logaddexp.reduce(values)


def sample_days() -> tuple[list[int], list[str]]:
    """Return (days before today, texts) of the app's sample journal, in order of day."""
    raw = json.loads(assets.path("sample", "journal.json").read_text("utf-8"))["entries"]
    found = sorted((int(entry["day"]), str(entry["text"])) for entry in raw)
    return [day for day, _ in found], [text for _, text in found]


def sampled(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """Return at most ``count`` of ``rows`` in their order, drawn by ``seed``.

    Every n-th, or the first, would leave labels out where a set has them in turn or one after the other.
    """
    if count >= len(rows):
        return list(rows)
    chosen = np.random.default_rng(seed).choice(len(rows), count, replace=False)
    return [rows[int(number)] for number in np.sort(chosen)]


def tests_of(path: Path) -> dict[str, list[Row]]:
    """Return the published test rows of the yes / no screens, by task."""
    found: dict[str, list[Row]] = {}
    for row in read_rows(path):
        if TASKS[row.task].kind == "binary" and row.part == "published":
            found.setdefault(row.task, []).append(row)
    return found


def rolling(days: Sequence[int], values: np.ndarray, window: int = WINDOW_DAYS) -> tuple[np.ndarray, np.ndarray]:
    """Return (every day, mean of ``values`` [n, ...] over the ``window`` days up to it); a gap carries over."""
    every = np.arange(min(days), max(days) + 1)
    at = np.asarray(days)
    means: list[np.ndarray] = []
    for day in every:
        inside = (at > day - window) & (at <= day)
        means.append(values[inside].mean(0) if inside.any() else means[-1])
    return every, np.array(means)


def _base_gguf(recipe: Recipe, paths: RunPaths, progress: Progress) -> Path:
    target = paths.out / "gguf" / f"{recipe.name}-base-F16.gguf"
    if not target.is_file():
        progress.say("study: the untouched base as GGUF")
        convert.write_gguf(base.locate(recipe.base, paths), target, name=f"{recipe.name}-base")
    return target


def _shots(task: Task, train: Sequence[Row], count: int, seed: int) -> list[tuple[str, int]]:
    """Return ``count`` answered examples a task, label after label in turn, the short ones first asked."""
    if count <= 0:
        return []
    order = np.random.default_rng(seed).permutation(len(train))
    by_label: dict[str, list[Row]] = {label: [] for label in task.labels}
    for number in order:
        row = train[int(number)]
        if len(row.text) <= _SHOT_CHARACTERS:
            by_label[row.label].append(row)
    picked: list[tuple[str, int]] = []
    for turn in range(count):
        for label in task.labels:
            if len(picked) < count and turn < len(by_label[label]):
                picked.append((by_label[label][turn].text, task.index(label)))
    # The last example weighs most (Zhao et al. 2021): no label may always stand there.
    return [picked[int(i)] for i in np.random.default_rng(seed + 1).permutation(len(picked))]


def _asked(asker: Asker, rows: Sequence[Row], entries: Sequence[str], progress: Progress, what: str) -> Answers:
    texts = [row.text for row in rows]
    test = [asker.probabilities(text) for text in progress.over(texts, f"study: {what}", len(texts))]
    days = [asker.probabilities(text) for text in entries]
    return Answers(np.array(test), np.array(days))


def _read(path: Path, task: Task, rows: Sequence[Row], entries: Sequence[str], progress: Progress) -> Answers:
    if not path.is_file():
        raise TrainerError(f"study: no fine-tuned model at {path}: run `quietpage-train run` first")
    with LlamaReader(path, threads=THREADS) as reader:
        manifest = reader.info().manifest
        if task.name not in manifest.tasks:
            raise TrainerError(f"study: the run's model was not trained on {task.name}")
        texts = [*(row.text for row in rows), *entries]
        logits = read_logits(reader, texts, progress, "study: fine-tuned")
    values = probabilities(
        task.name, np.stack([found[task.name] for found in logits]), manifest.calibration.get(task.name)
    )
    return Answers(values[: len(rows)], values[len(rows) :])


def _figures(task: Task, truth: np.ndarray, values: np.ndarray, seed: int) -> dict[str, Any]:
    from trainer.evaluate import more_figures

    found: dict[str, Any] = metrics.classification(truth, values, seed=seed)
    predicted = values.argmax(1)
    found["interval95"] = {
        name: metrics.bootstrap(lambda r, f=figure: f(truth[r], predicted[r]), len(truth), seed, 500)
        for name, figure in _POINT.items()
    }
    matrix = metrics.confusion(truth, predicted, len(task.labels))
    found["recall"] = dict(zip(task.labels, metrics.recalls(matrix).tolist(), strict=True))
    return found | more_figures(task.name, truth, values)


def _accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float((truth == predicted).mean())


def _weighted(truth: np.ndarray, predicted: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(truth, predicted, average="weighted", zero_division=0.0))  # pyright: ignore[reportArgumentType]


def _balanced(truth: np.ndarray, predicted: np.ndarray) -> float:
    labels = int(max(truth.max(), predicted.max())) + 1
    return float(np.nanmean(metrics.recalls(metrics.confusion(truth, predicted, labels))))


_POINT = {
    "accuracy": _accuracy,
    "macro_f1": metrics.macro_f1,
    "weighted_f1": _weighted,
    "balanced_accuracy": _balanced,
}


def _differences(truth: np.ndarray, answers: Mapping[str, Answers], seed: int) -> dict[str, Any]:
    names = list(answers)
    found: dict[str, Any] = {}
    for number, ours in enumerate(names):
        for theirs in names[:number]:
            a, b = answers[ours].test.argmax(1), answers[theirs].test.argmax(1)
            gain, low, high = metrics.paired_difference(metrics.macro_f1, truth, a, b, seed, 500)
            found[f"{ours} over {theirs}"] = {
                "macro_f1": gain,
                "macro_f1_ci95": [low, high],
                "mcnemar_p": metrics.mcnemar(truth, a, b),
            }
    return found


def _screens(
    path: Path, entries: Sequence[str], tests: Mapping[str, Sequence[Row]], progress: Progress
) -> dict[str, Any]:
    """Return the map's scores beside the direct screens', where the run's model reads both; else nothing."""
    with LlamaReader(path, threads=THREADS) as reader:
        manifest = reader.info().manifest
        feeling = next((name for name in ("emotion", "isear") if name in manifest.tasks), None)
        screens = [name for name in tests if name in manifest.tasks]
        if feeling is None or not screens:
            return {}
        rows = [row for name in screens for row in tests[name]]
        logits = read_logits(reader, [*(row.text for row in rows), *entries], progress, "study: risk map")
    values = {
        name: probabilities(name, np.stack([found[name] for found in logits]), manifest.calibration.get(name))
        for name in (feeling, *screens)
    }
    mapped = risk.high_score(manifest.tasks[feeling], values[feeling])
    truth = {
        name: np.array([(1 if row.label == "yes" else 0) if row.task == name else -1 for row in rows])
        for name in screens
    }
    size = len(rows)
    direct = {name: values[name][:size, 0] for name in screens}
    return {
        "report": {"emotions_from": feeling, "screens": risk.beside_screens(mapped[:size], direct, truth)},
        "labels": manifest.tasks[feeling],
        "emotions": values[feeling][size:],
        "mapped": mapped[size:],
        "direct": {name: values[name][size:, 0] for name in screens},
    }


def _draw(
    task: Task,
    truth: np.ndarray,
    answers: Mapping[str, Answers],
    dates: Sequence[int],
    direct: Mapping[str, Any],
    folder: Path,
) -> dict[str, Path]:
    bars = {
        name: {
            figure: (
                _POINT[figure](truth, found.test.argmax(1)),
                *metrics.bootstrap(
                    lambda r, f=_POINT[figure], p=found.test.argmax(1): f(truth[r], p[r]), len(truth), 0, 500
                ),
            )
            for figure in SHOWN
        }
        for name, found in answers.items()
    }
    matrices = {n: metrics.confusion(truth, f.test.argmax(1), len(task.labels)) for n, f in answers.items()}
    title = f"{task.name}: {len(truth):,} test texts"
    pictures = {name: folder / f"study-{name}.png" for name in ("bars", "confusion", "trend", "heat", "all")}
    figures.method_bars(bars, pictures["bars"], title)
    figures.confusion_grid(matrices, task.labels, pictures["confusion"], f"{task.name}: where each method errs")
    last = list(answers)[-1]
    labels, emotions = (direct["labels"], direct["emotions"]) if direct else (task.labels, answers[last].days)
    every, shares = rolling(dates, emotions)
    lines = {}
    if direct:
        lines["emotion map: high"] = rolling(dates, direct["mapped"])[1]
        for name, values in direct["direct"].items():
            lines[f"direct: {name}"] = rolling(dates, values)[1]
    else:
        for name, found in answers.items():
            lines[f"{name}: {task.labels[0]}"] = rolling(dates, found.days[:, 0])[1]
    trend_title = f"Sample journal, mean over {WINDOW_DAYS} days"
    figures.risk_trend(every, lines, pictures["trend"], trend_title)
    figures.rolling_heat(every, labels, shares.T, pictures["heat"], f"Sample journal: shares over {WINDOW_DAYS} days")
    parts = [
        figures.as_part("bars", bars, title),
        figures.as_part("trend", every, lines, trend_title),
        figures.as_part("heat", every, labels, shares.T, "Sample journal"),
        *(figures.as_part("matrix", matrix, task.labels, name) for name, matrix in matrices.items()),
    ]
    figures.combined(parts, pictures["all"], f"{task.name}: the study on one page")
    return pictures


def _table(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    keys = ("rows", *SHOWN, "auroc", "pr_auc", "ece")
    header = ["method", *(key.replace("_", " ") for key in keys), "macro-F1, 95 %"]
    rows = []
    for name, entry in report["methods"].items():
        low, high = entry["interval95"]["macro_f1"]
        rows.append([name, *(cell_text(entry[key]) for key in keys), f"{low:.3f}-{high:.3f}"])
    return header, rows


def _blocks(report: Mapping[str, Any], pictures: Mapping[str, Path]) -> list[Any]:
    methods, labels = report["methods"], report["labels"]
    best = max(methods, key=lambda name: methods[name]["macro_f1"])
    count = next(iter(methods.values()))["rows"]
    blocks: list[Any] = [
        (
            "text",
            f"Task {report['task']}, {count:,} of {report['test_rows_in_all']:,} published test texts, the same for "
            f"each method; few-shot shows {report['shots']} answered examples from train. Highest macro-F1: {best}, "
            f"{methods[best]['macro_f1']:.3f}. Intervals are bootstrap over the texts and say nothing of other data.",
        ),
        ("table", *_table(report)),
    ]
    rows = [
        [name, entry["macro_f1"], "{:+.3f} to {:+.3f}".format(*entry["macro_f1_ci95"]), entry["mcnemar_p"]]
        for name, entry in report["differences"].items()
    ]
    if rows:
        blocks += [
            ("text", "On the same texts; a difference whose interval holds 0 is none."),
            ("table", ["difference", "macro-F1", "95 %", "McNemar p"], rows),
        ]
    blocks.append(("figure", pictures["bars"], "Figures with 95 % intervals."))
    recalls = [[name, *(entry["recall"][label] for label in labels)] for name, entry in methods.items()]
    blocks += [
        ("head", "Label by label"),
        ("table", ["recall", *labels], recalls),
        ("figure", pictures["confusion"], "Confusion matrices: above texts, below shares of the true label."),
        ("head", "From emotions to risk"),
        (
            "text",
            "A published system maps joy, love and surprise to low, anger and fear to middle and sadness to high risk. "
            "Sadness is no illness, and the app shows nothing of this map; it stands here beside the direct screens.",
        ),
    ]
    screens = (report.get("risk_map") or {}).get("screens") or {}
    if screens:
        table = [
            [
                task,
                entry["positives"],
                *(entry[way][key] for way in ("emotion_map", "direct") for key in ("auroc", _AT90)),
            ]
            for task, entry in screens.items()
        ]
        header = [
            "screen",
            "positives",
            "map: AUROC",
            "map: sens. at spec. .90",
            "direct: AUROC",
            "direct: sens. at .90",
        ]
        blocks.append(("table", header, table))
    else:
        blocks.append(("text", "Not run: the run's model reads no emotion, or no yes / no screen, to compare."))
    blocks += [
        ("figure", pictures["trend"], "High risk over the invented days of the sample journal."),
        ("figure", pictures["heat"], "Emotions over the invented days of the sample journal."),
        ("head", "One page"),
        ("figure", pictures["all"], "Everything on one page."),
        (
            "text",
            "Limits: labels of public posts are not diagnoses; a method that is better here may be worse on diaries; "
            "letters put a base that never learned to choose at a disadvantage.",
        ),
    ]
    return blocks


_AT90 = "sensitivity_at_specificity_90"
