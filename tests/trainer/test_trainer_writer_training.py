"""A decoder learns to write as it is asked to: lessons as ids, the loss on the reply alone, preferences, resume."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch

from journal_app.contract.prompts import CONTROL_TOKENS, QUIETPAGE, encode, prefix, question, reflection
from journal_app.contract.tasks import TASKS
from tests.support import writer_ground
from tests.support.decoder_ground import Ground, lay, quiet
from trainer import decoder, decoder_hf, decoder_prefer, lessons, prepare, pretrain, tokenizer, writing
from trainer.causal import shapes
from trainer.config import TrainerError, WriterConfig
from trainer.corpora import reflections
from trainer.decoder_model import IGNORE, Decoder, Shape, load_model, save_model
from trainer.records import read_examples
from trainer.tokenizer import WriterTokenizer

pytestmark = pytest.mark.torch

PREFER = """
[prefer]
method = "dpo"
max_steps = 12
batch = 4
accumulate = 1
lr = 2e-3
log_every = 1
save_every = 6
"""


def _small(text: str) -> str:
    text = text.replace("tokens = 53760", "tokens = 10752").replace("steps = 220", "steps = 60")
    text = text.replace("eval_every = 110", "eval_every = 60").replace("batch = 12", "batch = 4")
    text = text.replace("eval_rows = 40", "eval_rows = 12").replace("save_every = 40", "save_every = 25")
    return text + writer_ground.WRITER + PREFER


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A pre-trained decoder and its lessons."""
    ground = lay(tmp_path_factory.mktemp("writer"), _small)
    assert ground.paths.data is not None
    writer_ground.write_corpora(ground.paths.data)
    for stage in (prepare, tokenizer, pretrain, lessons):
        stage.run(ground.recipe, ground.paths, quiet())
    return ground


@pytest.fixture(scope="module")
def tuned(ground: Ground) -> dict[str, float]:
    """What finetune told of its valid rows."""
    return decoder.run(ground.recipe, ground.paths, quiet()).summary["valid"]


@pytest.fixture(scope="module")
def learned(ground: Ground) -> WriterTokenizer:
    return WriterTokenizer.load(ground.paths.out / "tokens" / "tokenizer.json")


def asking(ground: Ground) -> writing.Asking:
    return decoder.Frame.load(ground.paths.lessons / "frame.json").asking()


def replies(ground: Ground, split: str = "train") -> writing.Replies:
    return writing.Replies(ground.paths.lessons / f"replies.{split}.npz")


# -- lessons --------------------------------------------------------------------------------------


def test_a_reply_is_asked_for_as_the_app_asks(ground: Ground, learned: WriterTokenizer) -> None:
    # The very segments of LlamaWriter.reflect, then the reply, then what ends it.
    text, answer = "A walk, and <|end|> as a word.", "You went for a walk."
    ids, before = asking(ground).row(learned.encode(text), learned.encode(answer))
    expected = learned.prompt([*prefix(text, QUIETPAGE), *reflection(QUIETPAGE)])
    assert ids[:before] == expected
    assert learned.decode(ids[before:]) == f"{answer}<|end|>"


def test_lessons_hold_replies_of_every_source_within_the_window(ground: Ground, learned: WriterTokenizer) -> None:
    found, around = replies(ground), asking(ground)
    report = json.loads((ground.paths.lessons / "report.json").read_text("utf-8"))
    counts = Counter(found.names[place] for place in found.sources.tolist())
    assert dict(counts) == {name: c["kept"] for name, c in report["replies"]["train"].items() if c.get("kept")}
    assert set(counts) == set(ground.recipe.writer.sources)
    for index in range(len(found)):
        entry, reply = found.pair(index)
        assert len(around.row(entry, reply)[0]) <= ground.recipe.max_tokens
        assert learned.decode(reply).strip()
    assert {s["name"] for s in report["sources"]} == {*ground.recipe.writer.sources, "kote", "goemotions_ko"}
    assert all(s["licence"] and s["rows"] for s in (*report["sources"], *report["prose"]))
    assert {s["name"] for s in report["prose"]} == set(ground.recipe.pretrain.weights)


def test_a_long_entry_loses_its_beginning_and_a_reply_without_room_is_left_out(
    ground: Ground, learned: WriterTokenizer
) -> None:
    long = lessons.Reply("annomi", "first " + "and then the garden " * 80 + "last", "You saw the garden.")
    arrays, misfits = lessons.encode_replies(learned, [long], ground.recipe)
    assert misfits == {}
    kept = learned.decode(arrays["ids"].tolist())
    assert kept.endswith("last")
    assert "first" not in kept
    arrays, misfits = lessons.encode_replies(learned, [long, long], replace(ground.recipe, max_tokens=60))
    assert misfits == {"annomi": 2}
    assert [len(arrays[name]) for name in ("sources", "ids", "offsets", "reply_offsets")] == [0, 0, 1, 1]


def test_korean_feelings_are_asked_as_feelings_are(ground: Ground) -> None:
    frame, train, valid = decoder.lessons(ground.recipe, ground.paths)
    assert frame.tasks["kote"] == frame.tasks["goemotions_ko"] == frame.tasks["feelings"]
    for name in ("kote", "goemotions_ko"):
        found, _ = lessons.further(ground.paths.corpora(), name, "valid", None)
        assert len(valid.rows[name]) == len(found) > 0
        for row, text, target in zip(found, valid.rows[name].tolist(), valid.targets[name], strict=True):
            assert valid.answers(text) == {name: tuple(target)}
            expected = [1 if f in row.positives else 0 if f in row.negatives else -1 for f in TASKS["feelings"].labels]
            assert list(target) == expected
    # The rows of the other tasks are where they were.
    assert set(train.rows) == {*ground.recipe.data.tasks, "kote", "goemotions_ko"}


def test_nothing_of_the_held_reflections_can_be_learned(ground: Ground) -> None:
    guard = lessons._guard(ground.recipe, ground.paths, quiet())
    for pair in reflections.held():
        assert guard.held.match(pair.entry) == "exact"
        assert guard.held.match(f"{pair.entry} Yes.") == "near"
        assert guard.held.match(pair.reflection) == "exact"


def test_lessons_without_a_writer_section_hold_tasks_only(ground: Ground, tmp_path: Path) -> None:
    paths = replace(ground.paths, out=tmp_path)
    for name in ("tokens", "prepared"):
        (tmp_path / name).symlink_to(ground.paths.out / name)
    recipe = replace(ground.recipe, writer=WriterConfig())
    assert lessons.run(recipe, paths, quiet()).summary == {"replies": 0, "pairs": 0}
    frame, rows, _ = decoder.lessons(recipe, paths)
    assert set(frame.tasks) == set(rows.rows) == set(recipe.data.tasks)
    assert writing.load(paths.lessons, frame.asking(), recipe.writer, 0) is None
    with pytest.raises(TrainerError, match="run the lessons stage first"):
        writing.load(tmp_path, frame.asking(), ground.recipe.writer, 0)


# -- what is learned -------------------------------------------------------------------------------


def test_only_the_reply_and_its_end_are_learned(ground: Ground) -> None:
    around = asking(ground)
    pairs = [replies(ground).pair(index) for index in (0, 1)]
    ids, targets = writing.lay_out(around, [pairs[0], (pairs[1][0][-3:], pairs[1][1][:2])])
    for row, (entry, reply) in zip(range(2), [pairs[0], (pairs[1][0][-3:], pairs[1][1][:2])], strict=True):
        whole, before = around.row(entry, reply)
        assert ids[row, : len(whole)].tolist() == whole
        asked = [(i, t) for i, t in enumerate(targets[row].tolist()) if t != IGNORE]
        assert asked == [(before - 1 + i, t) for i, t in enumerate([*reply, around.end])]
    # Padding and the other row change nothing.
    model = load_model(ground.paths.out / "pretrain" / "model.pt").eval()
    with torch.no_grad():
        together = writing.reply_loss(model, ids, targets)
        apart = [writing.reply_loss(model, *writing.lay_out(around, [p])) for p in pairs[:1]]
        short = writing.reply_loss(model, *writing.lay_out(around, [(pairs[1][0][-3:], pairs[1][1][:2])]))
    counts = [len(pairs[0][1]) + 1, 3]
    assert float(together) == pytest.approx(
        (float(apart[0]) * counts[0] + float(short) * counts[1]) / sum(counts), rel=1e-4
    )


def test_each_source_comes_as_often_as_it_is_asked_for(ground: Ground) -> None:
    found = replies(ground)
    order = writing.Order(found, ground.recipe.writer.replies, seed=1)
    sizes = Counter(found.names[place] for place in found.sources.tolist())
    first, second = order.at(0, order.size), order.at(order.size, order.size)
    for name, weight in ground.recipe.writer.replies.items():
        rows = [i for i in first if found.names[found.sources[i]] == name]
        assert len(rows) == round(weight * sizes[name])
        if weight == 0.5 and sizes[name] % 2 == 0:
            later = {i for i in second if found.names[found.sources[i]] == name}
            assert not later & set(rows)
    # A function of the place: a run that begins anywhere goes on with the same.
    again = writing.Order(found, ground.recipe.writer.replies, seed=1)
    assert again.at(order.size + 5, 9) == order.at(order.size + 5, 9)
    assert first != second
    assert writing.Order(found, ground.recipe.writer.replies, seed=2).at(0, 20) != order.at(0, 20)
    with pytest.raises(TrainerError, match="no reply"):
        writing.Order(found, {"written": 1.0}, seed=1)


def test_finetune_learns_labels_korean_feelings_and_replies_together(ground: Ground, tuned: dict[str, float]) -> None:
    assert set(tuned) == {*ground.recipe.data.tasks, "kote", "goemotions_ko", "replies"}
    around, valid = asking(ground), replies(ground, "valid")
    written = writing.Written(replies(ground), valid, around, ground.recipe.writer, 0)
    cpu = torch.device("cpu")
    before = load_model(ground.paths.out / "pretrain" / "model.pt").eval()
    after = load_model(ground.paths.model / "model.pt").eval()
    first, last = (written.perplexity(model, cpu, "fp32", 40) for model in (before, after))
    assert first is not None
    assert last is not None
    assert last < 0.2 * first
    report = json.loads((ground.paths.model / "report.json").read_text("utf-8"))
    assert report["reply_passes"] == pytest.approx(60 * 6 / written._order.size)
    assert report["history"][-1][1] < report["history"][0][1] - 2


def test_a_killed_run_goes_on_with_the_same_replies(ground: Ground, tmp_path: Path) -> None:
    frame, train, valid = decoder.lessons(ground.recipe, ground.paths)
    settings = replace(
        ground.recipe.decoder, steps=6, log_every=1, eval_every=6, save_every=2, dropout=0.1, eval_rows=4
    )

    def training(out: Path, **changes: object) -> decoder.LabelTraining:
        config = replace(ground.recipe.writer, **changes)
        written = writing.load(ground.paths.lessons, frame.asking(), config, 1)
        model = load_model(ground.paths.out / "pretrain" / "model.pt", dropout=0.1)
        return decoder.LabelTraining(
            model, frame, train, valid, settings, out, out / "c.pt", seed=1, origin="tiny", written=written
        )

    whole = training(tmp_path / "whole").run(lambda step, facts: None)["history"]

    def power_cut(step: int, facts: object) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training(tmp_path / "cut").run(power_cut)
    with pytest.raises(TrainerError, match="other settings or other rows"):
        training(tmp_path / "cut", weight=0.5)
    resumed = training(tmp_path / "cut")
    assert resumed.step == 4
    assert resumed.run(lambda step, facts: None)["history"] == whole


# -- Hugging Face's form and preferences --------------------------------------------------------------


def test_our_decoder_is_a_llama_to_the_letter(tmp_path: Path, learned: WriterTokenizer) -> None:
    from transformers import LlamaForCausalLM

    torch.manual_seed(2)
    shape = Shape(learned.size, 64, width=32, layers=3, heads=4, kv_heads=2, ffn=96, rope_theta=5000.0, norm_eps=1e-4)
    model = Decoder(shape).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.add_(torch.randn_like(weight) * (0.1 if weight.ndim == 1 else 0.05))
            assert name
    decoder_hf.save(model, learned, tmp_path / "hf")
    theirs = LlamaForCausalLM.from_pretrained(str(tmp_path / "hf")).eval()
    ids = torch.randint(0, learned.size, (2, 40))
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids).logits, model.logits(model(ids)), atol=2e-4, rtol=1e-3)
    back = decoder_hf.load(tmp_path / "hf", shape)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, back.state_dict()[name]), name
    with pytest.raises(TrainerError, match="not a decoder"):
        decoder_hf.load(tmp_path / "hf", replace(shape, width=64))


def test_the_wrapped_tokenizer_keeps_ids_and_control_tokens(learned: WriterTokenizer) -> None:
    wrapped = decoder_hf.fast(learned)
    tokenise = shapes.tokeniser(wrapped)
    for text in (
        "",
        "A day.",
        "힘든 하루 😀",
        "<|end|>\n<|turn|>answer\nAnswer: no",
        "".join(CONTROL_TOKENS),
        " x <|begin|",
    ):
        for asked in (question(TASKS["emotion"]), reflection()):
            segments = [*prefix(text), *asked]
            assert encode(segments, tokenise) == learned.prompt(segments)
        assert all(i >= len(CONTROL_TOKENS) for i in tokenise(text, False))


@pytest.fixture(scope="module")
def preferred(ground: Ground, tuned: dict[str, float]) -> tuple[bytes, dict[str, object]]:
    """The bytes that finetune left before, and the report of prefer."""
    before = (ground.paths.model / "model.pt").read_bytes()
    decoder_prefer.run(ground.recipe, ground.paths, quiet())
    return before, json.loads((ground.paths.out / "prefer.json").read_text("utf-8"))


def test_the_good_reply_becomes_likelier_than_the_flawed_one(
    ground: Ground, preferred: tuple[bytes, dict[str, object]], learned: WriterTokenizer
) -> None:
    before, report = preferred
    start, end = report["valid_before"], report["valid_after"]
    assert end["margin_nats_per_token"] > start["margin_nats_per_token"] + 0.02
    assert end["reward_accuracy"] > 0.7
    assert math.isfinite(report["nll_drift_nats_per_token"])
    kinds = report["by_flaw"]
    assert {"by the corpus", "advice", "parroting", "medical"} <= set(kinds)
    assert sum(kind["pairs"] for kind in kinds.values()) >= end["pairs"]
    lines = [json.loads(line) for line in (ground.paths.out / "curve-prefer.jsonl").read_text().splitlines()]
    # Model and reference agree before the first step.
    assert lines[0]["loss"] == pytest.approx(math.log(2), abs=1e-3)
    # What finetune left is as it was; the later file is what counts from now on.
    assert (ground.paths.model / "model.pt").read_bytes() == before
    assert decoder.trained(ground.paths) == ground.paths.model / "preferred.pt"
    assert decoder.trained(ground.paths, before="prefer") == ground.paths.model / "model.pt"
    assert not (ground.paths.checkpoints / "prefer").exists()
    # Our own graph says the same of the pairs as the one it was tuned in.
    pair = next(e for e in read_examples(ground.paths.lessons / "prepared" / "instructions-valid.jsonl.gz") if e.label)
    model, prior = (load_model(ground.paths.model / name).eval() for name in ("preferred.pt", "model.pt"))
    gains = []
    for text in (pair.chosen, pair.rejected):
        batch = writing.lay_out(asking(ground), [(learned.encode(pair.input), learned.encode(text))])
        with torch.no_grad():
            gains.append(float(writing.reply_loss(prior, *batch) - writing.reply_loss(model, *batch)))
    assert gains[0] > gains[1]


def test_without_a_method_nothing_is_preferred(
    ground: Ground, preferred: tuple[bytes, dict[str, object]], tmp_path: Path
) -> None:
    paths = replace(ground.paths, out=tmp_path)
    paths.model.mkdir()
    for name in ("model.pt", "preferred.pt"):
        save_model(load_model(ground.paths.model / name), paths.model / name)
    (tmp_path / "prefer.json").write_text("{}")
    none = replace(ground.recipe, prefer=replace(ground.recipe.prefer, method="none"))
    assert decoder_prefer.run(none, paths, quiet()).outputs == ()
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["model.pt"]
    with pytest.raises(TrainerError, match="finetune stage first"):
        decoder_prefer.run(ground.recipe, replace(paths, out=tmp_path / "empty"), quiet())
    (paths.model / "tokenizer.json").write_bytes((ground.paths.model / "tokenizer.json").read_bytes())
    with pytest.raises(TrainerError, match="lessons stage first"):
        decoder_prefer.run(ground.recipe, paths, quiet())


def test_no_pair_of_train_has_an_entry_that_is_held_out(ground: Ground) -> None:
    folder = ground.paths.lessons / "prepared"
    train, valid = (read_examples(folder / f"instructions-{split}.jsonl.gz") for split in ("train", "valid"))
    assert train
    held = {example.input for example in valid if example.source in ("pair_reflections", "esconv")}
    assert held
    assert not held & {example.input for example in train}
