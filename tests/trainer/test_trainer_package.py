"""The package of a language model: refused without its own evaluation, loaded by the app, honest about terms."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

from journal_app.inference import catalog
from journal_app.inference.llama import LlamaReader, describe, sha256_of
from journal_app.inference.writer import LlamaWriter
from tests.support import tuned_ground
from tests.support.tuned_ground import Tuned, quiet
from trainer import evaluate, model_card, package, quantize, terms
from trainer.config import TrainerError

pytestmark = [pytest.mark.torch, pytest.mark.llm]

NARROW = (("made", "CC0-1.0"), ("forum", "CC BY-NC 4.0; academic research use"), ("letters", "not stated"))


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "THREADS", 1)
    monkeypatch.setattr(evaluate, "THREADS", 1)


def judged(tuned: Tuned, **more: object) -> None:
    """Write an evaluation of the quantised file, as of a model that only writes."""
    target = tuned.paths.gguf(tuned.recipe, tuned.recipe.quantize.type)
    report = {"sha256": sha256_of(target), "seed": 0, "replies": {"distinct_2": 0.4321, "rows": 12}} | more
    (tuned.paths.reports / "evaluate.json").write_text(json.dumps(report), "utf-8")


def model_of(tuned: Tuned) -> Path:
    return tuned.paths.release / "assets" / "models" / f"{tuned.recipe.name}.gguf"


def card_of(tuned: Tuned) -> str:
    return (tuned.paths.release / "docs" / "models" / f"{tuned.recipe.name}.md").read_text("utf-8")


def test_a_model_that_reads_is_packaged_and_the_app_reads_with_it(tmp_path: Path) -> None:
    tuned = tuned_ground.lay(
        tmp_path, ("emotion", "stress", "suicidality"), base=("llama", "spm", "zephyr"), sources=NARROW
    )
    for stage in (quantize, evaluate, package):
        stage.run(tuned.recipe, tuned.paths, quiet())
    models = tuned.paths.release / "assets" / "models"
    (listed,) = catalog.listed(models)
    assert listed.kind == "decoder"
    assert listed.path == model_of(tuned)
    found = [model for model in catalog.installed(models) if model.path == listed.path]
    assert [model.sha256 for model in found] == [sha256_of(listed.path)]
    with LlamaReader(listed.path, threads=1, sha256=listed.sha256) as reader:
        manifest = reader.info().manifest
        (reading,) = reader.read(["It was a long day at the lake, and then it rained."])
    assert set(reading.tasks) == {"emotion", "stress", "suicidality"}
    assert set(manifest.evaluation["tasks"]) == {"emotion", "stress", "suicidality"}
    card = card_of(tuned)
    for part in ("somebody/tiny-base", "## Calibration", "| emotion |", "near copy of a test text: 2", "`zephyr`"):
        assert part in card
    assert f"sha256 `{listed.sha256}`" in card
    assert "qlora" not in card
    assert f"{terms.NON_COMMERCIAL}: " in card
    assert "forum" in card.split(terms.NON_COMMERCIAL)[1]
    assert "No licence is stated for: letters." in card
    notice = (models / f"{tuned.recipe.name}.NOTICE").read_text("utf-8")
    assert terms.NON_COMMERCIAL in notice
    assert not (models / "NOTICE").exists(), "the notice of the models that ship is not overwritten"


def test_a_model_that_only_writes_is_packaged_and_the_app_writes_with_it(tmp_path: Path) -> None:
    tuned = tuned_ground.lay(tmp_path)
    quantize.run(tuned.recipe, tuned.paths, quiet())
    judged(tuned)
    package.run(tuned.recipe, tuned.paths, quiet())
    with LlamaWriter(model_of(tuned), threads=1, context=128) as writer:
        assert "".join(writer.chat([("user", "A day.")], max_tokens=6, seed=1))
    assert describe(model_of(tuned)).manifest.evaluation == {
        "figures": {"replies: distinct 2": "0.4321", "replies: rows": "12"}
    }
    card = card_of(tuned)
    assert "| replies: distinct 2 | 0.4321 |" in card
    assert terms.NON_COMMERCIAL not in card
    assert "were not compared" in card


def test_a_model_without_its_own_evaluation_is_refused(tmp_path: Path) -> None:
    tuned = tuned_ground.lay(tmp_path)
    with pytest.raises(TrainerError, match="quietpage-train quantize"):
        package.run(tuned.recipe, tuned.paths, quiet())
    quantize.run(tuned.recipe, tuned.paths, quiet())
    with pytest.raises(TrainerError, match="quietpage-train evaluate"):
        package.run(tuned.recipe, tuned.paths, quiet())
    for other in ({"sha256": "0" * 64}, {"sha256": ""}, {"model_sha256": "1" * 64}):
        judged(tuned, **other)
        with pytest.raises(TrainerError, match="of another file"):
            package.run(tuned.recipe, tuned.paths, quiet())
    assert not model_of(tuned).exists()


def test_the_types_that_were_compared_stand_on_the_card_unless_they_are_of_another_file(tmp_path: Path) -> None:
    tuned = tuned_ground.lay(tmp_path)
    quantize.run(tuned.recipe, tuned.paths, quiet())
    judged(tuned)
    entry = {
        "bytes": 1_000_000,
        "bits_per_weight": 8.5,
        "kl_nats_per_token": 0.00123,
        "kl_tokens": 4096,
        "same_top_percent": 99.1,
        "perplexity": 12.0,
        "load_seconds": 0.1,
        "read_tokens_per_second": 100.0,
        "write_tokens_per_second": 10.0,
        "odd_rows": 0,
        "odd_types": {},
        "matrices": {"Q8_0": 3},
    }
    half = sha256_of(tuned.paths.gguf(tuned.recipe, "F16"))
    path = tuned.paths.reports / "sweep.json"
    path.write_text(json.dumps({"model_sha256": half, "types": {"Q8_0": entry}, "rows": {}}), "utf-8")
    package.run(tuned.recipe, tuned.paths, quiet())
    assert "| Q8_0 | 1.0 | 8.50 | 0.00123 | 99.10 % |" in card_of(tuned)
    path.write_text(json.dumps({"model_sha256": "0" * 64, "types": {"Q8_0": entry}, "rows": {}}), "utf-8")
    package.run(tuned.recipe, tuned.paths, quiet())
    assert "0.00123" not in card_of(tuned)


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("LicenseRef-Llama-3.2-Community", "**Built with Llama**"),
        ("LicenseRef-Llama-3-Community", "**Built with Meta Llama 3**"),
        ("LicenseRef-Qwen-Research", "**Built with Qwen**"),
    ],
)
def test_a_base_that_asks_to_be_named_is_named(tmp_path: Path, licence: str, said: str) -> None:
    tuned = tuned_ground.lay(tmp_path, name="llama-tiny", licence=licence)
    quantize.run(tuned.recipe, tuned.paths, quiet())
    judged(tuned)
    package.run(tuned.recipe, tuned.paths, quiet())
    card = card_of(tuned)
    assert said in card
    assert terms.BASE_TERMS[licence] in card
    assert (terms.NON_COMMERCIAL in card) == (licence == "LicenseRef-Qwen-Research")
    notice = model_of(tuned).with_name("llama-tiny.NOTICE").read_text("utf-8")
    assert terms.BASE_TERMS[licence] in notice


def test_a_name_that_the_licence_of_the_base_forbids_is_refused(tmp_path: Path) -> None:
    tuned = tuned_ground.lay(tmp_path, name="tiny", licence="LicenseRef-Llama-3.2-Community")
    with pytest.raises(TrainerError, match="is called Llama"):
        package.run(tuned.recipe, tuned.paths, quiet())


@pytest.mark.parametrize(
    ("licence", "narrow"),
    [
        ("CC BY-NC 4.0", True),
        ("CC BY-NC-SA 4.0", True),
        ("free for non-commercial research", True),
        ("not stated; given for research", True),
        ("RAIL-D: its use restrictions are passed on", True),
        ("MIT (repository); non-clinical research", True),
        ("CC BY-SA 4.0", False),
        ("Apache-2.0", False),
        ("not stated", False),
    ],
)
def test_terms_narrower_than_a_free_licence_are_noticed(licence: str, narrow: bool) -> None:
    assert bool(terms.narrow_sources([{"name": "x", "licence": licence}])) == narrow


def test_a_base_of_this_computer_is_named_without_its_folder(tmp_path: Path) -> None:
    recipe = tuned_ground.lay(tmp_path).recipe
    local = replace(recipe, base=replace(recipe.base, model=str(tmp_path / "my-base")))
    assert terms.base_name(local) == "my-base"
    assert terms.base_name(recipe) == "somebody/tiny-base"


def test_figures_of_a_report_are_its_numbers_and_not_its_provenance() -> None:
    report = {"seed": 3, "a": {"b_c": 0.5, "flag": True, "text": "x"}, "model_sha256": "ff", "n": 2}
    assert model_card.figures(report) == [("a: b c", "0.5"), ("n", "2")]
