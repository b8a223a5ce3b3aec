"""The encoder's path from corpora to a shipped file, at a tiny size, as the command line runs it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

import torch

from journal_app.contract.manifest import MANIFEST_KEY
from journal_app.inference.llama import LlamaReader, describe, sha256_of
from tests.support import reader_ground
from trainer import cli, encoder, finetune, gguf, mixture, ngram_head, report
from trainer.config import Recipe, RunPaths, load_recipe
from trainer.corpora.files import read_rows
from trainer.progress import Progress

pytestmark = [pytest.mark.torch, pytest.mark.llm]


@dataclass(frozen=True)
class Run:
    recipe: Recipe
    paths: RunPaths
    arguments: list[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run."""
    root = tmp_path_factory.mktemp("reader")
    data = reader_ground.write_corpora(root / "data")
    recipe_file = reader_ground.write_recipe(root / "tiny.toml", reader_ground.write_base(root / "base"))
    arguments = ["--recipe", str(recipe_file), "--data", str(data), "--out", str(root / "run"), "--release", str(root)]
    assert cli.main(["run", *arguments]) == 0
    return Run(load_recipe(recipe_file), RunPaths(root / "run", data, root), arguments)


@pytest.fixture(scope="module")
def trained(run: Run) -> encoder.Encoder:
    return encoder.Encoder.load(run.paths.model)


@pytest.fixture(scope="module")
def texts(run: Run) -> list[str]:
    rng = random.Random(9)
    test = [row.text for row in read_rows(run.paths.prepared / "test.jsonl.gz")]
    return [*test, *(reader_ground.line(rng, words=rng.randint(1, 60)) for _ in range(60))]


def strings() -> list[str]:
    """Return 2,000 strings of the kinds that break word-piece tokenisers."""
    rng = random.Random(5)
    pools = [
        "abcdefghij klmnopq rstuvwxyz ABC 0123456789 '’“”-—…!?.,;:()[]\n\t",
        "가나다라마바사 아자차카타파하 한글날씨가좋다ㅋㅋㅠㅠ 힘들었어요. 밥은 먹었니",
        "😀😢🎉👩‍👩‍👧‍👦🏳️‍🌈❤️🇰🇷👍🏽 ok so",
        "日記を書く 今天很累 ñäößçéêøłž Ωμέγα привет שלום مرحبا नमस्ते İstanbul ﬁne ½",
        " \n\t\r\u00a0\u2003\u200b\u3000\u0085a.",
        "\u0001\u007f\ufeff\ufffd\u0301e\u0301\U0001f600\U000e0041z é ",
    ]
    controls = ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[unused7]", "##ing", "\u2581the", "<|begin|>"]
    found: list[str] = []
    while len(found) < 1700:
        pool = pools[len(found) % len(pools)]
        found.append("".join(rng.choices(pool, k=rng.randint(1, 60))))
    while len(found) < 2000:
        before, after = rng.choice(["", " ", "x", "오늘 ", "so "]), rng.choice(["", " y", "!", "[SEP]"])
        token = rng.choice(controls)
        found.append(before + (token if rng.random() < 0.7 else token[: rng.randint(1, len(token))]) + after)
    return found


def test_everything_is_written_where_it_ships(run: Run) -> None:
    models = run.paths.release / "assets" / "models"
    (entry,) = json.loads((models / "models.json").read_text())
    target = models / entry["file"]
    assert entry["name"] == "tiny-reader"
    assert entry["kind"] == "encoder"
    assert entry["bytes"] == target.stat().st_size
    assert entry["sha256"] == sha256_of(target)
    manifest = describe(target).manifest
    assert manifest.tensors_sha256 == gguf.tensors_sha256(target)
    assert manifest.evaluation["tasks"]["emotion"]["rows"] == 48
    assert {source["name"] for source in manifest.training_data} >= {"emotion", "blog_prose"}
    assert set(manifest.bands) == {"stress", "low_mood"}
    notice = (models / "NOTICE").read_text()
    assert "all-MiniLM-L6-v2" in notice
    assert "goemotions" in notice


def test_the_card_shows_the_figures_of_the_report(run: Run) -> None:
    evaluation = json.loads((run.paths.out / "evaluate.json").read_text())
    card = (run.paths.release / "docs" / "models" / "tiny-reader.md").read_text()
    for row in report.task_rows(evaluation):
        assert "| " + " | ".join(row) + " |" in card
    assert evaluation["sha256"]
    assert evaluation["token_parity"] == {"texts": evaluation["token_parity"]["texts"], "different": 0}
    assert 0 <= evaluation["everyday_writing_test"]["blog_prose"]["stress_many_percent"] <= 100


def test_the_reader_has_learned(run: Run) -> None:
    evaluation = json.loads((run.paths.out / "evaluate.json").read_text())
    # Each label has a word of its own; guessing gives 1/6.
    assert evaluation["tasks"]["emotion"]["macro_f1"] > 0.6
    assert evaluation["tasks"]["stress"]["macro_f1"] > 0.7


def test_a_second_run_skips_every_stage(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", *run.arguments]) == 0
    told = capsys.readouterr().err
    for stage in ("prepare", "finetune", "gguf", "quantize", "evaluate", "package"):
        assert f"{stage}: nothing changed, skipped" in told


def test_a_changed_output_is_made_again(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    target = run.paths.gguf(run.recipe, "F16")
    kept = target.read_bytes()
    target.write_bytes(kept[:-1])
    assert cli.main(["gguf", *run.arguments]) == 0
    assert "skipped" not in capsys.readouterr().err
    assert target.read_bytes() == kept


def test_a_stage_asks_for_the_one_before_it(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = [*run.arguments, "--out", str(tmp_path / "empty")]
    assert cli.main(["quantize", *elsewhere]) == 2
    assert "quantize needs the stage gguf first" in capsys.readouterr().err
    assert cli.main(["pretrain", *elsewhere]) == 2
    assert "has no stage pretrain" in capsys.readouterr().err


def test_2000_strings_have_the_ids_of_the_training_tokenizer(run: Run) -> None:
    tokenizer = encoder.plain_tokenizer(encoder.load_tokenizer(run.paths.model))
    expected = [e.ids for e in tokenizer.encode_batch(strings(), add_special_tokens=False)]
    with LlamaReader(run.paths.gguf(run.recipe, "Q8_0")) as reader:
        different = [text for text, ids in zip(strings(), expected, strict=True) if reader.token_ids(text) != ids]
    assert len(expected) == 2000
    assert different == []
    control = {tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[MASK]", "[PAD]")}
    assert not control & {i for ids in expected for i in ids}


def test_f16_agrees_with_pytorch(run: Run, trained: encoder.Encoder, texts: list[str]) -> None:
    tokenizer = encoder.load_tokenizer(run.paths.model)
    ids = [w[0] for w in encoder.windows(tokenizer, texts, run.recipe.max_tokens)]
    pooled = encoder.embed(trained, ids)
    with LlamaReader(run.paths.gguf(run.recipe, "F16")) as reader:
        vectors, logits = reader.embed(texts), reader.logits(texts)
    cosine = (pooled * vectors).sum(1) / (np.linalg.norm(pooled, axis=1) * np.linalg.norm(vectors, axis=1))
    assert cosine.min() >= 0.99999
    same = []
    beside = ngram_head.load(run.paths.model, trained.labels)
    assert beside is not None
    with torch.inference_mode():
        for task, values in trained.logits(torch.from_numpy(pooled)).items():
            found = np.stack([row[task] for row in logits])
            added = [beside.logits(text).get(task, np.zeros(len(trained.labels[task]))) for text in texts]
            expected = values.numpy() + np.stack(added)
            assert np.abs(expected - found).max() < 1e-2
            if task != "feelings":
                same.append(expected.argmax(1) == found.argmax(1))
    assert np.mean(same) >= 0.995


def test_f32_gguf_is_the_same_model_to_rounding(
    run: Run, trained: encoder.Encoder, texts: list[str], tmp_path: Path
) -> None:
    tokenizer = encoder.load_tokenizer(run.paths.model)
    pieces = [piece for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    manifest = describe(run.paths.gguf(run.recipe, "F16")).manifest
    gguf.write_encoder(tmp_path / "f32.gguf", trained, pieces, manifest, half=False)
    ids = [w[0] for w in encoder.windows(tokenizer, texts[:50], run.recipe.max_tokens)]
    with LlamaReader(tmp_path / "f32.gguf") as reader:
        assert np.abs(reader.embed(texts[:50]) - encoder.embed(trained, ids)).max() < 5e-3


def test_eight_bits_cost_at_most_half_a_point(run: Run) -> None:
    evaluation = json.loads((run.paths.out / "evaluate.json").read_text())
    drops = [entry["conversion"]["drop_points"] for entry in evaluation["tasks"].values() if "conversion" in entry]
    assert len(drops) == 6
    assert np.mean(drops) <= 0.5


def test_rewriting_metadata_leaves_the_tensors_alone(run: Run, tmp_path: Path) -> None:
    source = run.paths.gguf(run.recipe, "Q8_0")
    gguf.rewrite(source, tmp_path / "copy.gguf", {"quietpage.note": "hello"})
    assert gguf.tensors_sha256(tmp_path / "copy.gguf") == gguf.tensors_sha256(source)
    assert gguf.metadata_string(tmp_path / "copy.gguf", "quietpage.note") == "hello"
    assert gguf.metadata_string(tmp_path / "copy.gguf", MANIFEST_KEY) == gguf.metadata_string(source, MANIFEST_KEY)
    with LlamaReader(source) as one, LlamaReader(tmp_path / "copy.gguf") as two:
        np.testing.assert_array_equal(one.embed(["A walk in the rain."]), two.embed(["A walk in the rain."]))


def test_training_that_was_killed_goes_on_exactly(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: encoder.Encoder
) -> None:
    out = tmp_path / "again"
    arguments = [*run.arguments, "--out", str(out)]
    assert cli.main(["prepare", *arguments]) == 0
    step = finetune._Trainer._step

    def cut(self: finetune._Trainer, number: int) -> float:
        if number == 63:
            raise KeyboardInterrupt
        return step(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(finetune._Trainer, "_step", cut)
        assert cli.main(["finetune", *arguments]) == 130
    state = torch.load(out / "checkpoints" / "finetune.pt", weights_only=True)
    assert state["step"] == 50
    assert cli.main(["finetune", *arguments]) == 0
    again = encoder.Encoder.load(out / "model").state_dict()
    for name, value in trained.state_dict().items():
        assert torch.equal(value, again[name]), name


def test_a_damaged_checkpoint_is_told_in_one_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "damaged"
    arguments = [*run.arguments, "--out", str(out)]
    assert cli.main(["prepare", *arguments]) == 0
    (out / "checkpoints").mkdir()
    (out / "checkpoints" / "finetune.pt").write_bytes(b"PK not really")
    assert cli.main(["finetune", *arguments]) == 2
    assert "is damaged; remove it to start again" in capsys.readouterr().err


def test_training_tells_rate_and_time_left_but_no_text(run: Run) -> None:
    told = (run.paths.out / "train.log").read_text()
    assert "/s, " in told
    assert " left" in told
    assert not any(word in told for word in ("kitchen", "bicycle", "neighbour"))


def test_each_text_is_learned_once_with_everything_known_of_it(run: Run) -> None:
    rows = read_rows(run.paths.prepared / "train.jsonl.gz")
    items, texts = mixture.items_of(rows, run.recipe.data.tasks)
    assert len(items) == len(texts) == len(set(texts))
    emotions = [item for item in items if "emotion" in item.choice]
    assert emotions
    assert all(item.marks["feelings"] for item in emotions)
    assert all(item.pool != "severity" for item in items)


def test_every_batch_is_of_one_pool_and_the_order_follows_the_seed(run: Run) -> None:
    rows = read_rows(run.paths.prepared / "train.jsonl.gz")
    items, texts = mixture.items_of(rows, run.recipe.data.tasks)
    for item in items:
        item.windows = [[1, 2, 3]]
    plan = mixture.schedule(items, run.recipe.finetune, 1)
    assert len(plan) == run.recipe.finetune.steps
    assert plan == mixture.schedule(items, run.recipe.finetune, 1)
    assert plan != mixture.schedule(items, run.recipe.finetune, 2)
    assert all(len({items[number].pool for number, _ in batch}) == 1 for batch in plan)


def test_progress_is_said_at_most_so_often() -> None:
    import io

    now = [0.0]
    stream = io.StringIO()
    tracker = Progress(stream, every=10, clock=lambda: now[0]).track("steps", 100, "steps")
    for done in range(1, 101):
        now[0] += 1.0
        tracker.update(done)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "steps: 10/100 steps (10 %), 1.00/s, 1 min 30 s left"
    assert lines[-1].startswith("steps: 100/100 steps (100 %)")
