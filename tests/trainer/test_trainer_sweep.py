"""Every quantised type through the engine: distances from F16, flips, fallbacks; and what quantize makes of each."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

from journal_app.inference.llama import FILE_TYPES, LlamaReader, describe, quantize
from journal_app.inference.writer import LlamaWriter
from tests.support import tuned_ground
from tests.support.tuned_ground import Tuned, quiet
from trainer import cli, sweep
from trainer import quantize as stage
from trainer.config import RunPaths, TrainerError

pytestmark = [pytest.mark.torch, pytest.mark.llm]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # A model this small gains nothing from more threads, and on a busy machine they wait for each other spinning.
    monkeypatch.setattr(stage, "THREADS", 1)
    monkeypatch.setattr(sweep, "THREADS", 1)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """Rows of a multiple of 256, which K-quants hold; reads two tasks."""
    return tuned_ground.lay(tmp_path_factory.mktemp("wide"), ("emotion", "feelings"), width=256, kind="Q4_K_M")


@pytest.fixture(scope="module")
def report(wide: Tuned) -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "THREADS", 1)
        arguments = ["--recipe", str(wide.file), "--out", str(wide.paths.out), "--tokens", "700", "--rows", "8"]
        assert cli.main(["sweep", *arguments]) == 0
    return json.loads((wide.paths.reports / "sweep.json").read_text("utf-8"))


def test_every_type_is_measured_and_fewer_bits_are_farther_away(report: dict) -> None:
    types = report["types"]
    assert list(types) == list(FILE_TYPES)
    half = types["F16"]
    assert half["kl_nats_per_token"] == 0
    assert half["same_top_percent"] == 100
    assert half["tasks"]["emotion"]["flips_percent"] == 0
    kl = {name: entry["kl_nats_per_token"] for name, entry in types.items()}
    assert 0 < kl["Q8_0"] < kl["Q6_K"] < kl["Q4_K_M"]
    assert kl["Q8_0"] < 0.01, "scores of random weights spread wider than those of learned ones"
    assert kl["Q5_K_M"] < kl["Q4_0"]
    size = {name: entry["bytes"] for name, entry in types.items()}
    assert size["F16"] > size["Q8_0"] > size["Q6_K"] > size["Q4_K_M"]
    bits = {name: entry["bits_per_weight"] for name, entry in types.items()}
    assert 16 <= bits["F16"] < 16.2
    assert 8 < bits["Q8_0"] < 9
    assert 4 < bits["Q4_0"] < bits["Q6_K"] < 7
    for entry in types.values():
        assert entry["kl_tokens"] >= 700
        assert entry["perplexity"] > 1
        assert min(entry[k] for k in ("load_seconds", "read_tokens_per_second", "write_tokens_per_second")) > 0
        assert set(entry["tasks"]) == {"emotion", "feelings"}
        assert entry["odd_rows"] == 0
        for found in entry["tasks"].values():
            assert 0 <= found["macro_f1"] <= 1
            assert found["loss_nats"] > 0
    assert report["rows"] == {"emotion": 8, "feelings": 8}


def test_the_report_says_what_was_measured_on_what(report: dict, wide: Tuned) -> None:
    from journal_app.inference.llama import sha256_of

    assert report["model_sha256"] == sha256_of(wide.paths.gguf(wide.recipe, "F16"))
    assert report["seed"] == wide.recipe.seed
    assert {"data_sha256", "versions", "machine", "commit"} <= set(report)
    page = (wide.paths.reports / "sweep.md").read_text("utf-8")
    for name in FILE_TYPES:
        assert name in page
    assert "Only " in page, "few held-out tokens are said to be few"
    assert not (wide.paths.out / "sweep").exists(), "nothing is left but the report"


def test_the_divergence_is_that_of_the_two_distributions(wide: Tuned, tmp_path: Path) -> None:
    half, small = wide.paths.gguf(wide.recipe, "F16"), tmp_path / "small.gguf"
    quantize(half, small, "q4_0")
    with LlamaWriter(half, threads=1, context=512) as first, LlamaWriter(small, threads=1, context=512) as second:
        reference = sweep.Reference(first, sweep.held_out(wide.paths), 300, tmp_path)
        found = reference.compare(second)
        total, same, count = 0.0, 0, 0
        for ids in reference.windows:
            p, q = (w.logits(ids).astype(np.float64) for w in (first, second))
            p, q = (z - np.log(np.exp(z).sum(1, keepdims=True)) for z in (p, q))
            total += float((np.exp(p) * (p - q)).sum())
            same += int((p.argmax(1) == q.argmax(1)).sum())
            count += len(ids)
    assert found["kl_tokens"] == count
    assert found["kl_nats_per_token"] == pytest.approx(total / count, rel=1e-3)
    assert found["same_top_percent"] == pytest.approx(100 * same / count)


def test_a_reference_too_large_for_memory_lies_in_a_file_for_a_while(
    wide: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LlamaWriter(wide.paths.gguf(wide.recipe, "F16"), threads=1, context=512) as writer:
        texts = sweep.held_out(wide.paths)
        kept = sweep.Reference(writer, texts, 300, tmp_path).logs
        monkeypatch.setattr(sweep, "_IN_MEMORY", 0)
        reference = sweep.Reference(writer, texts, 300, tmp_path)
        assert list(tmp_path.iterdir())
        assert np.array_equal(reference.logs, kept)
        assert reference.compare(writer)["kl_nats_per_token"] == pytest.approx(0, abs=1e-6)
        reference.close()
        assert not list(tmp_path.iterdir())


def test_rows_of_no_multiple_of_256_fall_back_and_it_is_said(tmp_path: Path) -> None:
    narrow = tuned_ground.lay(tmp_path, base=("llama", "spm", "zephyr"))
    options = argparse.Namespace(types=["Q4_K_M", "Q8_0"], tokens=300, rows=4)
    sweep.run(narrow.recipe, narrow.paths, quiet(), options)
    report = json.loads((narrow.paths.reports / "sweep.json").read_text("utf-8"))
    assert list(report["types"]) == ["F16", "Q8_0", "Q4_K_M"]
    entry = report["types"]["Q4_K_M"]
    assert entry["odd_rows"] > 0
    assert not set(entry["odd_types"]) & {"Q4_K", "Q6_K"}
    (note,) = [note for note in sweep.notes(report) if "256" in note]
    assert note.startswith("Q4_K_M")
    assert "fall back" in note
    assert note in (narrow.paths.reports / "sweep.md").read_text("utf-8")
    assert report["rows"] == {}
    assert "tasks" not in entry


def test_an_encoder_is_compared_by_its_labels_alone(tmp_path: Path) -> None:
    from tests.support.tiny_gguf import encoder_manifest, only, write_encoder
    from trainer.corpora.files import write_rows

    tuned = tuned_ground.lay(tmp_path, ("emotion",))
    half = tuned.paths.gguf(tuned.recipe, "F16")
    half.unlink()
    write_encoder(half, manifest=only(encoder_manifest(), "emotion"))
    write_rows(
        tuned.paths.prepared / "test.jsonl.gz",
        [tuned_ground._row("emotion", random.Random(2), i) for i in range(6)],
    )
    sweep.run(tuned.recipe, tuned.paths, quiet(), argparse.Namespace(types=["Q8_0"], tokens=100, rows=6))
    report = json.loads((tuned.paths.reports / "sweep.json").read_text("utf-8"))
    assert set(report["types"]["Q8_0"]["tasks"]) == {"emotion"}
    assert "kl_nats_per_token" not in report["types"]["Q8_0"]


def test_what_is_missing_or_unknown_is_named(wide: Tuned, tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="no such type: Q3_X"):
        sweep.wanted(["q8_0", "Q3_X"])
    assert sweep.wanted(["q4_0", "q8_0"]) == ("Q8_0", "Q4_0")
    options = argparse.Namespace(types=None, tokens=100, rows=4)
    with pytest.raises(TrainerError, match="quietpage-train gguf"):
        sweep.run(wide.recipe, RunPaths(tmp_path), quiet(), options)
    with pytest.raises(TrainerError, match="no held-out text"):
        sweep.held_out(RunPaths(tmp_path))


# --- the stage quantize, of a language model ---------------------------------------------------


def test_a_model_that_reads_is_quantised_and_calibrated_on_the_quantised_file(wide: Tuned) -> None:
    result = stage.run(wide.recipe, wide.paths, quiet())
    target = wide.paths.gguf(wide.recipe, "Q4_K_M")
    assert target in result.outputs
    with LlamaReader(target, threads=1) as reader:
        manifest = reader.info().manifest
        (reading,) = reader.read(["It was a long day at the lake."])
    assert set(manifest.calibration) == {"emotion", "feelings"}
    assert manifest.training_data == [{"name": "made", "licence": "CC0-1.0", "rows": 20}]
    assert len(manifest.tensors_sha256) == 64
    assert sum(reading.tasks["emotion"].values()) == pytest.approx(1)
    assert target.stat().st_size < 0.5 * wide.paths.gguf(wide.recipe, "F16").stat().st_size
    assert not [p for p in target.parent.iterdir() if "raw" in p.name or "draft" in p.name]


def test_a_model_that_only_writes_is_quantised_and_proves_that_it_writes(tmp_path: Path) -> None:
    tuned = tuned_ground.lay(tmp_path)
    stage.run(tuned.recipe, tuned.paths, quiet())
    target = tuned.paths.gguf(tuned.recipe, "Q8_0")
    assert describe(target).manifest.tasks == {}
    assert json.loads((tuned.paths.reports / "calibrate.json").read_text("utf-8"))["tasks"] == {}
    with LlamaWriter(target, threads=1, context=128) as writer:
        assert writer.template.name == "chatml"
        assert "".join(writer.chat([("user", "A day.")], max_tokens=8, seed=1))


@pytest.mark.parametrize("kind", ["F16", "Q9_9"])
def test_a_type_that_quantises_nothing_is_named(tmp_path: Path, kind: str) -> None:
    tuned = tuned_ground.lay(tmp_path, kind=kind)
    with pytest.raises(TrainerError, match=f"{kind} is no quantised type; known: Q8_0, "):
        stage.run(tuned.recipe, tuned.paths, quiet())
    assert tuned.paths.gguf(tuned.recipe, "F16").is_file()
