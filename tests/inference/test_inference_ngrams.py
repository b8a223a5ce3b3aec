"""The linear model over words and letters that stands beside an encoder's heads."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal_app.contract.manifest import ManifestError
from journal_app.contract.tasks import TASKS
from journal_app.inference import ngrams
from journal_app.inference.ngrams import BUCKETS, WORD_BUCKETS, NGrams

LABELS = {"emotion": TASKS["emotion"].labels, "stress": TASKS["stress"].labels, "themes": TASKS["themes"].labels}
DAY = "I can't sleep. I can't stop thinking about work, and I feel alone!"


def model(seed: int = 0, **changed: Any) -> NGrams:
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {
        "outputs": {"emotion": slice(0, 6), "stress": slice(6, 7)},
        "idf": rng.integers(16, 160, BUCKETS, dtype=np.uint8),
        "weight": rng.integers(-127, 128, (BUCKETS, 7), dtype=np.int8),
        "scale": rng.uniform(1, 5, 7).astype(np.float32),
        "bias": rng.normal(size=7).astype(np.float32),
    }
    return NGrams(**(values | changed))


def test_buckets_are_those_of_words_pairs_and_runs_within_words() -> None:
    def of(text: str) -> set[int]:
        return {int(bucket) for bucket in ngrams.features(text)[0]}

    def words(text: str) -> set[int]:
        return {bucket for bucket in of(text) if bucket < WORD_BUCKETS}

    assert len(words("rain")) == 1
    assert len(words("rain fell")) == 3, "two words and their pair"
    assert words("rain fell") != words("fell rain"), "the order of a pair counts"
    # " rain " has five runs of 2, four of 3, three of 4 and two of 5.
    assert len(of("rain") - words("rain")) == 14
    assert of("rain fell") - words("rain fell") == (of("rain") | of("fell")) - words("rain") - words("fell")
    assert of("RAIN") == of("rain") == of("\uff32\uff21\uff29\uff2e"), "case and width do not count"
    assert len(of("raining") & of("rained")) >= 9, "words of one stem share runs"


def test_counts_are_of_each_bucket() -> None:
    one, twice = (dict(zip(*map(list, ngrams.features(text)), strict=True)) for text in ("rain", "rain rain"))
    assert set(one.values()) == {1}
    assert all(twice[bucket] == 2 for bucket in one)


@pytest.mark.parametrize(
    "text", ["", "   \n\t", "\ud800", "!", "a", "😀😀", "한국어", "a" * 300_000, "\ufdfa" * 250_000, "\0\0 \0"]
)
def test_odd_texts_have_finite_logits(text: str) -> None:
    for values in model().logits(text).values():
        assert np.isfinite(values).all()


def test_each_kind_of_feature_has_unit_length_and_rare_buckets_are_left_out() -> None:
    idf = np.full(BUCKETS, 16, dtype=np.uint8)
    found, counts = ngrams.features(DAY)
    buckets, values = ngrams.weighed(found, counts, idf)
    inside = buckets < WORD_BUCKETS
    assert np.isclose((values[inside] ** 2).sum(), 1, atol=1e-5)
    assert np.isclose((values[~inside] ** 2).sum(), 1, atol=1e-5)
    idf[found[0]] = 0
    assert found[0] not in ngrams.weighed(found, counts, idf)[0]


def test_logits_are_bias_and_the_weights_of_what_is_there() -> None:
    made = model()
    buckets, values = ngrams.weighed(*ngrams.features(DAY), made.idf)
    roots = made.weight[buckets] / 127.0
    row = (values @ (np.sign(roots) * roots**2)) * made.scale + made.bias
    found = made.logits(DAY)
    assert np.abs(found["emotion"] - row[:6]).max() < 1e-4
    # "yes" against "no": their difference is the column.
    assert np.isclose(found["stress"][0] - found["stress"][1], row[6], atol=1e-4)


def test_the_packed_form_comes_back_the_same() -> None:
    made = model()
    back = NGrams.from_string(made.to_string(), LABELS)
    assert back.outputs == made.outputs
    for name in ("idf", "weight", "scale", "bias"):
        assert (getattr(back, name) == getattr(made, name)).all()
    assert all((back.logits(DAY)[task] == made.logits(DAY)[task]).all() for task in made.outputs)


def _zeros(size: int) -> str:
    return base64.b64encode(zlib.compress(b"\0" * size, 9)).decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bits": [1, 2]}, "another kind"),
        ({"outputs": {"loneliness": [0, 7]}}, "does not read"),
        ({"outputs": {"themes": [0, 7]}}, "does not read"),
        ({"outputs": {"emotion": [0, 6], "stress": [5, 6]}}, "wrong size"),
        ({"outputs": {"emotion": [0, 7]}}, "wrong size"),
        ({"outputs": {"emotion": [0.0, 6.0], "stress": [6, 7]}}, "wrong size"),
        ({"outputs": {"emotion": [False, 6], "stress": [6, 7]}}, "wrong size"),
        ({"outputs": {}}, "wrong size"),
        ({"outputs": []}, "malformed"),
        ({"outputs": {"emotion": [0]}}, "malformed"),
        ({"scale": [1.0]}, "wrong size"),
        ({"bias": [float("nan")] * 7}, "not finite"),
        ({"scale": "x"}, "malformed"),
        ({"idf": "AAAA"}, "malformed"),
        ({"idf": _zeros(BUCKETS - 1)}, "malformed"),
        ({"weight": _zeros(1 << 30)}, "malformed"),
        ({"weight": 5}, "malformed"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], words: str) -> None:
    raw = json.loads(model().to_string()) | change
    with pytest.raises(ManifestError, match=words):
        NGrams.from_string(json.dumps(raw), LABELS)


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", "[" * 100_000, "1"])
def test_what_is_no_model_is_refused(text: str) -> None:
    with pytest.raises(ManifestError, match="malformed"):
        NGrams.from_string(text, LABELS)


def test_a_huge_text_is_refused_unread() -> None:
    with pytest.raises(ManifestError, match="too large"):
        NGrams.from_string("x" * (ngrams.MAX_PACKED_BYTES + 1), LABELS)


@pytest.mark.llm
def test_a_reader_adds_them_to_every_reading_and_sentence(tmp_path: Path, encoder_file: Path) -> None:
    pytest.importorskip("gguf")
    from journal_app.inference.llama import LlamaReader
    from tests.support import tiny_gguf

    made = model()
    with LlamaReader(encoder_file, threads=1) as reader:
        bare = reader.logits([DAY], truncate=False)[0]
    path = tiny_gguf.write_encoder(tmp_path / "beside.gguf", ngrams=made.to_string())
    with LlamaReader(path, threads=1) as reader:
        found = reader.logits([DAY], truncate=False)[0]
        reading = reader.read([DAY])[0]
        added = made.logits(DAY)
        for task, values in found.items():
            assert np.allclose(values, bare[task] + added.get(task, 0.0), atol=1e-4), task
        start, end = reading.sentences[0].start, reading.sentences[0].end
        alone = reader.read([DAY[start:end]])[0]
        for task in ("emotion", "stress"):
            for label, value in alone.tasks[task].items():
                assert abs(reading.sentences[0].tasks[task][label] - value) < 1e-3


@pytest.mark.llm
def test_a_file_whose_ngrams_do_not_fit_is_refused_in_words(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    from journal_app.inference.engine import ModelError
    from journal_app.inference.llama import LlamaReader
    from tests.support import tiny_gguf

    path = tiny_gguf.write_encoder(tmp_path / "odd.gguf", ngrams='{"bits":[1,2]}')
    with pytest.raises(ModelError, match="another kind"):
        LlamaReader(path, threads=1)
