"""The n-grams beside the encoder: what they learn, how much they count, and that the app computes the same."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("torch")

from sklearn.linear_model import LogisticRegression

from journal_app.contract.tasks import TASKS
from journal_app.inference import ngrams
from trainer import ngram_head
from trainer.corpora.files import Row
from trainer.progress import Progress

PLAIN = [
    "kitchen",
    "river",
    "window",
    "letter",
    "garden",
    "soup",
    "train",
    "bicycle",
    "sister",
    "office",
    "rain",
    "bread",
    "music",
    "lamp",
    "winter",
]
CUES = {"yes": ("deadline", "panicking"), "no": ("holiday", "resting")}
EMOTION_CUES = ("glad", "adore", "suddenly", "furious", "scared", "weeping")
EMOTIONS = dict(zip(TASKS["emotion"].labels, EMOTION_CUES, strict=True))


def row(task: str, label: str, cue: str, rng: random.Random) -> Row:
    words = [*rng.choices(PLAIN, k=6), cue]
    rng.shuffle(words)
    return Row(task=task, source=task, part="published", text=" ".join(words), label=label)


def rows(task: str, count: int, seed: int) -> list[Row]:
    rng = random.Random(seed)
    labels = TASKS[task].labels
    made = []
    for number in range(count):
        label = labels[number % len(labels)]
        made.append(row(task, label, rng.choice(CUES[label]) if task == "stress" else EMOTIONS[label], rng))
    return made


def fitted(dense: dict[str, np.ndarray], valid: list[Row]):
    train = {"stress": rows("stress", 80, 1), "emotion": rows("emotion", 120, 2)}
    return ngram_head.fit(train, valid, dense, Progress())


def truth(valid: list[Row], task: str) -> np.ndarray:
    return np.array([TASKS[task].index(r.label) for r in valid if r.task == task])


@pytest.fixture(scope="module")
def valid() -> list[Row]:
    return [*rows("stress", 40, 3), *rows("emotion", 60, 4)]


def noise(valid: list[Row]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        task: rng.normal(size=(len(truth(valid, task)), len(TASKS[task].labels))).astype(np.float32)
        for task in ("stress", "emotion")
    }


def test_an_encoder_that_guesses_is_helped(valid: list[Row]) -> None:
    made, notes = fitted(noise(valid), valid)
    assert made is not None
    assert set(made.outputs) == {"stress", "emotion"}
    for task, found in notes.items():
        assert found["share"] > 0
        assert found["loss"] < found["loss_encoder"] - 0.1
        assert found["macro_f1"] > found["macro_f1_encoder"] + 0.2
        guesses = [int(made.logits(r.text)[task].argmax()) for r in valid if r.task == task]
        assert np.mean(np.array(guesses) == truth(valid, task)) > 0.95


def test_a_task_that_the_words_say_nothing_of_is_left_to_the_encoder(valid: list[Row]) -> None:
    rng = random.Random(6)
    train = {"stress": [row("stress", rng.choice(("yes", "no")), "chair", rng) for _ in range(80)]}
    mine = [row("stress", ("yes", "no")[n % 2], "chair", rng) for n in range(60)]
    known = np.eye(2)[truth(mine, "stress")] * 12.0
    made, notes = ngram_head.fit(train, mine, {"stress": known}, Progress())
    assert made is None
    assert notes["stress"]["share"] == 0.0


def test_the_app_computes_what_was_fitted(valid: list[Row]) -> None:
    """Eight bits a weight cost little: against the regression itself, its strength and share being what was chosen."""
    made, notes = fitted(noise(valid), valid)
    assert made is not None
    train = {"stress": rows("stress", 80, 1), "emotion": rows("emotion", 120, 2)}
    texts = list(dict.fromkeys(r.text for task in train.values() for r in task))
    idf = ngram_head._idf([ngrams.features(text) for text in texts])
    assert (idf == made.idf).all()
    for task, labels in ((name, TASKS[name].labels) for name in made.outputs):
        x = ngram_head.matrix([ngrams.features(r.text) for r in train[task]], idf)
        target = np.array([labels.index(r.label) for r in train[task]])
        chosen = notes[task]
        model = LogisticRegression(C=chosen["strength"], class_weight="balanced", max_iter=400).fit(x, target)
        mine = [r.text for r in valid if r.task == task]
        expected = model.decision_function(ngram_head.matrix([ngrams.features(text) for text in mine], idf))
        found = np.stack([made.logits(text)[task] for text in mine])
        if task == "stress":  # "yes" is the first label: the regression's positive class is "no"
            found, expected = found[:, :1] - found[:, 1:], -expected[:, None]
        assert np.abs(found - chosen["share"] * expected).max() < 0.03 * np.abs(expected).max() * chosen["share"]


def test_buckets_of_few_texts_are_left_out() -> None:
    texts = [f"common word{number}" for number in range(60)]
    idf = ngram_head._idf([ngrams.features(text) for text in texts])
    common, rare = (ngrams.features(text)[0] for text in ("common", "word7"))
    assert (idf[common] > 0).all()
    assert (idf[[b for b in rare if b < ngrams.WORD_BUCKETS]] == 0).all()
