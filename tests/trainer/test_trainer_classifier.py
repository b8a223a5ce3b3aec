"""Encoder classifiers: what they learn, what their figures mean, and that a kill costs nothing."""

from __future__ import annotations

import json
import random
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from safetensors.torch import load_file
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from tests.support.decoder_ground import quiet
from tests.trainer import small_base
from trainer import classifier, supervised, tiny
from trainer.causal import base
from trainer.classifier import Classifier, Scheme
from trainer.config import Recipe, RunPaths, TrainerError, load_recipe
from trainer.evaluation import classifier as evaluation
from trainer.records import Example, write_examples

pytestmark = pytest.mark.torch

WORDS = {
    "joy": ("glad", "good"),
    "anger": ("money", "school"),
    "fear": ("quiet", "river"),
    "sadness": ("tired", "moved"),
}
OTHER = (
    "today",
    "the",
    "rain",
    "came",
    "and",
    "I",
    "walked",
    "along",
    "with",
    "my",
    "sister",
    "because",
    "we",
    "wanted",
)
RECIPE = """
name = "tiny-classifier"
kind = "classifier"
licence = "none"
max_tokens = 48
[base]
model = {base}
family = "{family}"
tokenizer = "wordpiece"
[adapter]
method = "{method}"
[sft]
max_steps = {steps}
batch = 16
lr = {lr}
sequence = 48
precision = "fp32"
device = "cpu"
threads = 1
log_every = 5
eval_every = 15
save_every = 10
"""


def rows(count: int, seed: int, *, several: bool = False, task: str = "") -> list[Example]:
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        labels = rng.sample(sorted(WORDS), rng.choice([1, 2])) if several else [rng.choice(sorted(WORDS))]
        words = [*rng.sample(OTHER, 6), *(word for label in labels for word in WORDS[label])]
        rng.shuffle(words)
        text = " ".join(words)
        if several:
            denied = tuple(label for label in WORDS if label not in labels)
            made.append(Example(task or "moods", "made", text, labels=tuple(labels), negatives=denied))
        else:
            made.append(Example(task or "emotion", "made", text, label=labels[0]))
    return made


def prepare(paths: RunPaths, *, several: bool = False) -> None:
    for split, count, seed in (("train", 160, 1), ("valid", 40, 2), ("test", 40, 3)):
        write_examples(paths.prepared / f"instructions-{split}.jsonl.gz", rows(count, seed, several=several))


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("encoders")
    return {family: tiny.make_base(folder / family, family, "wordpiece", "chatml") for family in ("electra", "bert")}


def recipe_of(folder: Path, model: Path, family: str = "electra", method: str = "full", steps: int = 60) -> Recipe:
    file = folder / "classifier.toml"
    text = RECIPE.format(
        base=json.dumps(str(model)), family=family, method=method, steps=steps, lr=8e-3 if method == "lora" else 2e-3
    )
    file.write_text(text, "utf-8")
    return load_recipe(file)


@pytest.mark.parametrize(
    ("family", "method", "several"),
    [("electra", "full", False), ("electra", "full", True), ("bert", "lora", True)],
)
def test_a_classifier_learns_and_is_judged(
    bases: dict[str, Path], tmp_path: Path, family: str, method: str, several: bool
) -> None:
    paths = RunPaths(tmp_path / "run")
    prepare(paths, several=several)
    recipe = recipe_of(tmp_path, bases[family], family, method)
    result = classifier.run(recipe, paths, quiet())
    assert result.summary["valid_macro_f1"] > 0.9
    lines = [json.loads(line) for line in (paths.out / "curve-finetune.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.5 * losses[0]
    assert [line["step"] for line in lines if "eval_score" in line][:2] == [15, 30]

    evaluation.run(recipe, paths, quiet())
    report = json.loads((paths.out / "evaluate.json").read_text())
    test = rows(40, 3, several=several)
    loaded = Classifier.load(paths.model)
    values = loaded.probabilities([example.input for example in test])
    truth = classifier.truth_of(loaded.scheme, test)
    figures = report["tasks"][loaded.scheme.task]
    assert figures["macro_f1"] > 0.85
    assert figures["tfidf"]["macro_f1"] > 0.5
    assert len(report["model_sha256"]) == len(report["data_sha256"]) == 64
    assert (paths.out / "evaluate.html").stat().st_size > 2000
    assert {"accuracy", "weighted_f1", "auroc", "pr_auc", "ece", "macro_f1_ci95_low"} <= set(figures)
    assert {"texts_per_s_in_batches_of_32", "one_text_ms_median", "one_text_ms_p95"} <= set(report["speed"])
    assert report["size"]["parameters"] == sum(w.numel() for w in loaded.model.parameters())
    if several:
        decided = values >= np.array(loaded.scheme.thresholds)
        assert figures["macro_f1"] == pytest.approx(f1_score(truth, decided, average="macro"), abs=1e-4)
        assert figures["micro_f1"] == pytest.approx(f1_score(truth, decided, average="micro"), abs=1e-4)
        expected = np.mean([average_precision_score(truth[:, i], values[:, i]) for i in range(4)])
        assert figures["pr_auc"] == pytest.approx(expected, abs=1e-4)
        assert all(sum(map(sum, facts["confusion_matrix"])) == 40 for facts in figures["by_label"].values())
        named = [tuple(label for label, yes in zip(sorted(WORDS), row, strict=True) if yes) for row in decided]
        assert loaded.answers([example.input for example in test]) == named
    else:
        assert np.allclose(values.sum(1), 1)
        used = sorted(set(truth.tolist()))
        expected = np.mean([roc_auc_score(truth == i, values[:, i]) for i in used])
        assert figures["auroc"] == pytest.approx(expected, abs=1e-4)
        matrix = np.array(figures["confusion_matrix"])
        assert (paths.figures / "confusion.png").is_file()
        assert matrix.sum() == 40
        assert np.trace(matrix) == pytest.approx(40 * figures["accuracy"])
        assert figures["by_label"]["fear"]["recall"] == pytest.approx(matrix[4, 4] / matrix[4].sum(), abs=1e-4)
    told = (paths.out / "evaluate.json").read_text() + (paths.out / "finetune.json").read_text()
    assert not any(example.input in told for example in test)


KILLED = """
import sys
from pathlib import Path
from trainer import classifier
from trainer.config import RunPaths, load_recipe
from trainer.progress import Progress
classifier.run(load_recipe(Path(sys.argv[1])), RunPaths(Path(sys.argv[2])), Progress(sys.stdout, every=0))
"""


def test_a_killed_run_goes_on_with_the_same_curve(bases: dict[str, Path], tmp_path: Path) -> None:
    whole, paths = RunPaths(tmp_path / "whole"), RunPaths(tmp_path / "killed")
    for one in (whole, paths):
        prepare(one)
    recipe = recipe_of(tmp_path, bases["electra"])
    classifier.run(recipe, whole, quiet())
    process = small_base.python("-c", KILLED, str(tmp_path / "classifier.toml"), str(paths.out))
    told = ""
    assert process.stdout is not None
    for told in process.stdout:
        if "finetune: 25/60" in told:
            break
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, told
    assert not paths.model.exists()
    said: list[str] = []
    progress = quiet()
    progress.say = said.append
    classifier.run(recipe, paths, progress)
    assert any(line.startswith("finetune: going on after step") for line in said)
    one, other = (_curve(p) for p in (paths, whole))
    assert one == other
    first, second = (load_file(p.model / "model.safetensors") for p in (paths, whole))
    assert all(torch.equal(first[name], second[name]) for name in first)


def _curve(paths: RunPaths) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (paths.out / "curve-finetune.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_it_stops_early_and_keeps_the_best(bases: dict[str, Path], tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "run")
    prepare(paths)
    recipe = recipe_of(tmp_path, bases["electra"], steps=600)
    # Perfect after a while, and then never better.
    recipe = replace(recipe, classifier=replace(recipe.classifier, patience=2), sft=replace(recipe.sft, lr=5e-3))
    result = classifier.run(recipe, paths, quiet())
    facts = json.loads((paths.out / "finetune.json").read_text())
    assert result.summary["steps"] == facts["best_step"] + 30 < 600


def test_a_loss_that_is_not_finite_leaves_no_model(bases: dict[str, Path], tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "run")
    prepare(paths)
    recipe = recipe_of(tmp_path, bases["electra"])
    recipe = replace(recipe, sft=replace(recipe.sft, lr=1e30, warmup=0.0))
    with pytest.raises(TrainerError, match="not finite"):
        classifier.run(recipe, paths, quiet())
    assert not paths.model.exists()


def test_words_that_spell_a_special_token_stay_words(bases: dict[str, Path]) -> None:
    tokenizer = base.load_tokenizer(bases["electra"])
    pieces = classifier.Pieces(tokenizer, 12)
    ids = pieces.ids(["[SEP] good", "good " * 40])
    assert ids[0].count(tokenizer.sep_token_id) == 1
    assert ids[0][-1] == tokenizer.sep_token_id
    assert len(ids[1]) == 12
    assert ids[1][-1] == tokenizer.sep_token_id
    batch = pieces.batch(ids, torch.device("cpu"))
    assert batch["attention_mask"].sum(1).tolist() == [len(ids[0]), 12]


def test_what_is_not_known_is_left_out() -> None:
    scheme = Scheme("moods", ("a", "b", "c"), multi=True)
    examples = [
        Example("moods", "x", "1", labels=("a",), negatives=("b",)),
        Example("moods", "x", "2", labels=("c",)),
        Example("moods", "x", "3", negatives=("a", "b", "c")),
    ]
    truth = classifier.truth_of(scheme, examples)
    assert truth.tolist() == [[1, 0, -1], [0, 0, 1], [0, 0, 0]]
    logits = torch.zeros(3, 3)
    weights = torch.ones(3)
    before = classifier.loss_of(scheme, logits, torch.tensor(truth), weights, 0.0)
    logits[0, 2] = 50.0
    assert classifier.loss_of(scheme, logits, torch.tensor(truth), weights, 0.0) == before
    values = np.array([[0.9, 0.2, 0.99], [0.3, 0.1, 0.8], [0.2, 0.4, 0.1]])
    decided = classifier.decide(scheme, values, tuned=False)
    assert classifier.score(scheme, truth, values, decided) == 1.0


def test_classes_weigh_by_their_rarity() -> None:
    scheme = Scheme("t", ("a", "b"), multi=False)
    truth = np.array([0] * 90 + [1] * 10)
    root = classifier.class_weights(scheme, truth, "root")
    assert root[1] / root[0] == pytest.approx(3.0)
    assert float((root[torch.tensor(truth)]).mean()) == pytest.approx(1.0)
    assert classifier.class_weights(scheme, truth, "inverse")[1] / root[0] > 3
    assert classifier.class_weights(scheme, truth, "none").tolist() == [1, 1]
    several = Scheme("t", ("a", "b"), multi=True)
    weights = classifier.class_weights(several, np.array([[1, 0]] + [[0, 0]] * 16 + [[-1, 1]]), "root")
    assert weights.tolist() == pytest.approx([4.0, 17**0.5])


def test_thresholds_are_set_where_they_help() -> None:
    two = Scheme("t", ("yes", "no"), multi=False)
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    yes = np.array([0.45, 0.4, 0.35, 0.2, 0.1, 0.1, 0.05, 0.3])
    cuts = classifier.thresholds(two, truth, np.stack([yes, 1 - yes], axis=1))
    assert 0.3 < cuts[0] <= 0.35
    tuned = replace(two, thresholds=cuts)
    assert classifier.decide(tuned, np.stack([yes, 1 - yes], axis=1)).argmax(1).tolist() == truth.tolist()
    several = Scheme("t", ("a", "b"), multi=True)
    cuts = classifier.thresholds(
        several, np.array([[1, 0], [0, 0], [-1, 0]]), np.array([[0.8, 0.1], [0.6, 0.2], [0.1, 0.9]])
    )
    assert 0.6 < cuts[0] <= 0.8
    assert cuts[1] == 0.5


def test_rates_shrink_towards_the_input(bases: dict[str, Path], tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, bases["bert"], "bert")
    model = classifier._model(recipe, bases["bert"], Scheme("t", ("a", "b"), multi=False))
    groups = supervised.layered(model, classifier._is_head, decay=0.5, head_scale=10.0)
    scales = {id(weight): group["scale"] for group in groups for weight in group["params"]}
    named = dict(model.named_parameters())
    assert len(scales) == len(named)
    for name, scale in (
        ("classifier.weight", 10.0),
        ("bert.encoder.layer.1.attention.self.query.weight", 0.5),
        ("bert.encoder.layer.0.attention.self.query.weight", 0.25),
        ("bert.embeddings.word_embeddings.weight", 0.125),
    ):
        assert scales[id(named[name])] == scale
    assert all(group["decays"] == (group["params"][0].ndim >= 2) for group in groups)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "labels of: none"),
        ([*rows(3, 1), *rows(3, 1, task="isear")], "one task"),
        ([Example("moods", "x", "a", label="only")], "one label"),
        ([Example("emotion", "x", "a", label="boredom")], "does not have"),
    ],
)
def test_data_that_is_no_task_is_told(
    bases: dict[str, Path], tmp_path: Path, examples: list[Example], message: str
) -> None:
    paths = RunPaths(tmp_path / "run")
    for split in ("train", "valid"):
        write_examples(paths.prepared / f"instructions-{split}.jsonl.gz", examples)
    with pytest.raises(TrainerError, match=message):
        classifier.run(recipe_of(tmp_path, bases["electra"]), paths, quiet())
    with pytest.raises(TrainerError, match="finetune"):
        evaluation.run(recipe_of(tmp_path, bases["electra"]), paths, quiet())
