"""The gate of a writer: who passes it, who does not, and what the card and the packaged file say of that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

from journal_app.contract.manifest import Calibration, Manifest
from journal_app.journal import analysis
from journal_app.journal.reflection import bundled
from tests.support import writer_ground
from tests.support.decoder_ground import Ground, lay, quiet
from trainer import evaluate, gguf_llama, model_card, package
from trainer.config import Recipe, TrainerError
from trainer.corpora import reflections
from trainer.decoder_model import Decoder, Shape
from trainer.evaluation import gate, languages
from trainer.evaluation.replies import Generated
from trainer.metrics import rounded
from trainer.tokenizer import WriterTokenizer

pytestmark = [pytest.mark.torch, pytest.mark.llm]

GENERATION = "\n[generation]\nrows = 5\nmax_tokens = 12\n"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A recipe, corpora for Korean, and a random decoder as a GGUF that claims to read."""
    ground = lay(tmp_path_factory.mktemp("gate"), lambda text: text + writer_ground.WRITER + GENERATION)
    assert ground.paths.data is not None
    writer_ground.write_corpora(ground.paths.data)
    words = [pair.entry for pair in reflections.held()] + ["오늘은 하루 종일 비가 와서 조용했다"] * 20
    tokenizer = WriterTokenizer.train(words, 900)
    made = Decoder(Shape(tokenizer.size, 512, width=64, layers=2, heads=4, kv_heads=2, ffn=128))
    manifest = replace(
        gguf_llama.manifest(ground.recipe),
        max_tokens=512,
        calibration={"feelings": Calibration((1.0,) * 16, (0.0,) * 16)},
    )
    path = ground.paths.gguf(ground.recipe, "Q8_0")
    path.parent.mkdir(parents=True)
    gguf_llama.export(made, tokenizer, manifest, path)
    return ground


def target(ground: Ground) -> Path:
    return ground.paths.gguf(ground.recipe, "Q8_0")


@pytest.fixture(scope="module")
def judged(ground: Ground) -> dict[str, Any]:
    """The gate of a model that has learned nothing."""
    return gate.run(ground.recipe, quiet(), target(ground), threads=1)


@pytest.fixture(scope="module")
def every(ground: Ground) -> tuple[list[gate.Case], dict[str, Any]]:
    """All held entries as the app reads them."""
    return gate._cases(reflections.held(), target(ground), 1)


def whole(ground: Ground, every: Any, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the gate over all held entries as if the model had written ``texts``, or else the curated choice."""
    recipe = replace(ground.recipe, generation=replace(ground.recipe.generation, rows=1000))

    def write(_writer: object, cases: Sequence[gate.Case], *_: object) -> Generated:
        said = tuple(texts.get(case.pair.name, gate.said(case.curated)) for case in cases)
        return Generated(said, (0.1,) * len(said), (0.2,) * len(said), (9,) * len(said), 0.0, 0)

    monkeypatch.setattr(gate, "_cases", lambda *_: every)
    monkeypatch.setattr(gate, "_write", write)
    monkeypatch.setattr(gate, "choices", lambda *_: {})
    return gate.run(recipe, quiet(), target(ground), threads=1)


# -- the verdict ------------------------------------------------------------------------------------


def test_a_model_that_has_learned_nothing_may_not_write(judged: dict[str, Any]) -> None:
    assert judged["may_generate"] is False
    assert judged["held"]["rows"] + judged["held"]["left_out_by_help_level"] == 5
    assert any("decide nothing" in reason for reason in judged["short_of_the_bar"])
    assert any("output check" in reason for reason in judged["short_of_the_bar"])
    assert judged["drawn_with"] == {"max_tokens": 12, "temperature": 0.7, "top_p": 0.9, "repeat_penalty": 1.1}
    assert judged["written"]["speed"]["tokens_per_s"] > 0
    json.dumps(rounded(judged))


def test_the_held_reflections_themselves_pass_and_the_curated_choice_does_not(
    ground: Ground, every: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Reflections of the quality asked for must be able to pass. They are not quite the references: then BERTScore is 1.
    good = {pair.name: f"{pair.reflection} Is that so?" for pair in reflections.held()}
    found = whole(ground, every, good, monkeypatch)
    assert found["short_of_the_bar"] == []
    assert found["may_generate"] is True
    assert found["references"]["check"]["pass"] >= 0.97
    assert found["references"]["mentions"]["share"] >= 0.8
    assert len(found["samples"]) == gate.SAMPLES

    curated = whole(ground, every, {}, monkeypatch)
    assert curated["may_generate"] is False
    assert any("not above that of the curated choice" in reason for reason in curated["short_of_the_bar"])
    assert curated["written"]["bertscore"]["rescaled"]["f"] == curated["curated"]["bertscore"]["rescaled"]["f"]


def figures(**changes: Any) -> dict[str, Any]:
    return {"short_of_the_bar": [], "bertscore": {"rescaled": {"f": 0.3}}} | changes


@pytest.mark.parametrize(
    ("written", "curated", "rows", "reason"),
    [
        (figures(), figures(bertscore={"rescaled": {"f": 0.29}}), 100, ""),
        (figures(), figures(), 100, "not above that of the curated choice"),
        (figures(bertscore={"not_measured": "x"}), figures(), 100, "not measured"),
        (figures(), figures(bertscore={"rescaled": {"f": 0.1}}), 79, "79 held entries"),
        (figures(short_of_the_bar=["2.0% are empty or loop"]), figures(bertscore={"rescaled": {"f": 0}}), 100, "loop"),
    ],
)
def test_every_line_of_the_gate_counts(
    written: dict[str, Any], curated: dict[str, Any], rows: int, reason: str
) -> None:
    short = gate.short_of(written, curated, rows)
    assert [reason in said for said in short] == ([True] if reason else [])


def test_samples_are_chosen_by_their_names_alone(judged: dict[str, Any]) -> None:
    held = {pair.name: pair for pair in reflections.held()}
    by_hash = sorted(held, key=gate._hash)
    names = [sample["id"] for sample in judged["samples"]]
    assert names == [name for name in by_hash[:5] if name in names]
    for sample in judged["samples"]:
        assert sample["entry"] == held[sample["id"]].entry
        assert sample["curated"]


def test_an_entry_at_which_no_model_may_write_is_left_out(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = "I want to die and I have the pills ready for tonight. Nobody knows about it."
    pairs = [*reflections.held()[:3], reflections.Reflected("z", heavy, "That is heavy.")]
    monkeypatch.setattr(reflections, "held", lambda: pairs)
    found = gate.run(ground.recipe, quiet(), target(ground), threads=1)
    assert found["held"]["left_out_by_help_level"] >= 1
    assert heavy not in json.dumps(found["samples"])
    monkeypatch.setattr(reflections, "held", lambda: pairs[-2:])
    with pytest.raises(TrainerError, match="two held entries"):
        gate.run(ground.recipe, quiet(), target(ground), threads=1)


# -- the choice among curated reflections ---------------------------------------------------------


class Taste:
    """A writer that likes one text after an entry, and long ones at any time."""

    def __init__(self, liked: str, plain: str) -> None:
        self.liked, self.plain = liked, plain

    def score_reflections(self, entry: str, texts: Sequence[str]) -> list[tuple[float, int]]:
        return [(-10.0 + 9 * (text == self.plain) + (8 if entry and text == self.liked else 0), 10) for text in texts]


def test_the_choice_by_likelihood_is_measured_beside_the_rule(ground: Ground) -> None:
    cases, _ = gate._cases(reflections.held()[:4], target(ground), 1)
    library = bundled()
    lists = [gate.ranked(library, case) for case in cases]
    for case, cards in zip(cases, lists, strict=True):
        assert len({card.id for card in cards}) == len(cards) > 3
        assert cards[0] == analysis.reflect(library, case.found, seed=case.pair.name)
    shared = sorted(set.intersection(*({gate.said(card) for card in cards} for cards in lists)))
    liked, plain = shared[0], shared[1]
    found = gate.choices(Taste(liked, plain), cases, library, 0)  # pyright: ignore[reportArgumentType]
    # What is likely anyway wins by likelihood; what the entry makes likelier wins by gain.
    assert found["likelihood"]["different_cards"] == found["gain"]["different_cards"] == 1
    assert found["likelihood"]["bertscore_rescaled_f"] != found["gain"]["bertscore_rescaled_f"]
    assert found["rule"]["same_as_rule"] == 1.0
    assert found["candidates_mean"] == sum(map(len, lists)) / len(lists)


def test_a_real_writer_chooses_too(judged: dict[str, Any]) -> None:
    for name in ("rule", "likelihood", "gain", "random"):
        assert -1 < judged["choice"][name]["bertscore_rescaled_f"] < 1
        assert judged["choice"][name]["different_cards"] >= 1


# -- other languages --------------------------------------------------------------------------------


def test_korean_is_judged_by_its_own_floor(ground: Ground) -> None:
    found = languages.run(ground.recipe, ground.paths, quiet(), target(ground), threads=1)
    assert set(found) == {"kote", "goemotions_ko"}
    for entry in found.values():
        assert entry["language"] == "ko"
        assert entry["rows"] == 24
        assert entry["labels"]
        assert entry["passes"] == languages.passes(entry)
        assert all(label["positives"] for label in entry["labels"].values())
    nothing = replace(ground.recipe, writer=replace(ground.recipe.writer, feelings={}))
    assert languages.run(nothing, ground.paths, quiet(), target(ground)) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"mean_auroc": 0.69}, False),
        ({"mean_f1": 0.39}, False),
        ({"mean_tfidf_characters_auroc": 0.9}, False),
        ({"mean_f1": None}, False),
    ],
)
def test_a_language_needs_both_figures_over_both_floors(changes: dict[str, float | None], expected: bool) -> None:
    found = {"mean_auroc": 0.7, "mean_f1": 0.4} | {
        f"mean_{rival}_{key}": value
        for rival in ("tfidf", "tfidf_characters")
        for key, value in (("auroc", 0.7), ("f1", 0.4))
    }
    assert languages.passes(found | changes) is expected


def test_a_claimed_language_that_is_not_borne_out_is_refused() -> None:
    good, bad = {"language": "ko", "passes": True}, {"language": "ko", "passes": False}
    assert languages.proven(("en", "ko"), {"kote": good, "goemotions_ko": good}) == ("en", "ko")
    assert languages.proven(("en", "ko"), {"kote": good, "goemotions_ko": bad}) == ("en",)
    assert languages.proven(("en", "ko"), {}) == ("en",)
    assert languages.proven(("en",), {"kote": good}) == ("en",)


# -- what is said of it -----------------------------------------------------------------------------


def test_evaluate_asks_the_gate_of_decoders_that_learned_replies(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Recipe] = []
    monkeypatch.setattr(gate, "run", lambda recipe, *_, **__: asked.append(recipe) or {"may_generate": False})
    monkeypatch.setattr(languages, "run", lambda *_, **__: {"kote": {}})
    found = evaluate._writer(ground.recipe, ground.paths, quiet(), target(ground))
    assert found == {"further_feelings": {"kote": {}}, "writer": {"may_generate": False}}
    plain = replace(ground.recipe, writer=replace(ground.recipe.writer, replies={}))
    assert evaluate._writer(plain, ground.paths, quiet(), target(ground)) == {"further_feelings": {"kote": {}}}
    assert len(asked) == 1


def test_the_card_tells_the_verdict_and_shows_the_samples(judged: dict[str, Any]) -> None:
    lessons = {"replies": {"train": {"pair_reflections": {"read": 60, "kept": 41}}}}
    prefer = {"method": "dpo", "by_flaw": {"off_topic": {"pairs": 7, "accuracy_before": 0.5, "accuracy_after": 0.75}}}
    sample = judged["samples"][0] | {"written": "A <b>bold</b> word | and `code`\n# Not a heading", "kept_back_for": []}
    shown = rounded(judged | {"samples": [sample, *judged["samples"][1:]]})
    ko = {"language": "ko", "rows": 24, "passes": False, "mean_auroc": 0.5}
    card = "\n\n".join(
        model_card.writing({"writer": shown, "further_feelings": {"kote": ko}}, {"lessons": lessons, "prefer": prefer})
    )
    assert "**It writes only when it is asked to**" in card
    assert "decide nothing" in card
    assert "| pair_reflections | 60 | 41 |" in card
    assert "| off topic | 7 | 50 % | 75 % |" in card
    assert "| kote | ko | 24 | 0.500 |" in card
    for shown_sample in judged["samples"]:
        assert f"**{shown_sample['id']}**" in card
        assert model_card._one_line(shown_sample["curated"]) in card
    # Words of a model steer neither Markdown nor HTML.
    assert "A \\<b\\>bold\\</b\\> word \\| and \\`code\\` \\# Not a heading" in card
    passed = "\n".join(model_card.writing({"writer": shown | {"may_generate": True, "short_of_the_bar": []}}, {}))
    assert "**It may write reflections by itself**" in passed
    assert model_card.writing({}, {}) == []


def test_the_packaged_file_says_what_was_borne_out() -> None:
    manifest = Manifest("w", "decoder", languages=("en", "ko"))
    sources = [{"name": "a", "licence": "x", "rows": 1}]
    passed = {"writer": {"may_generate": True}, "further_feelings": {"kote": {"language": "ko", "passes": True}}}
    made = package._proven(manifest, passed, {"sources": sources})
    assert (made.may_generate, made.languages, made.training_data) == (True, ("en", "ko"), sources)
    for evaluation in ({}, {"writer": {"may_generate": False}}, {"writer": {"may_generate": "yes"}}):
        made = package._proven(manifest, evaluation, {"sources": sources})
        assert (made.may_generate, made.languages) == (False, ("en",))


def test_a_set_that_gives_tasks_and_replies_is_named_once_with_all_its_rows() -> None:
    prepared = {"sources": [{"name": "esconv", "licence": "NC", "rows": 5}]}
    lessons = {
        "sources": [{"name": "esconv", "licence": "NC", "rows": 2}, {"name": "annomi", "licence": "?", "rows": 3}],
        "prose": [{"name": "blog_prose", "licence": "NC", "rows": 9}],
    }
    found = package._all_sources(prepared, lessons)
    assert [(s["name"], s["rows"]) for s in found] == [("annomi", 3), ("blog_prose", 9), ("esconv", 7)]
