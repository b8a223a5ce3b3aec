"""The parts of the decoder's training: order of data, masks, schedule, resume, and its tokenizer."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("tokenizers")

import torch

from journal_app.contract.prompts import CONTROL_TOKENS
from journal_app.contract.tasks import TASKS, verbaliser_tokens
from tests.support.decoder_ground import Ground, lay, quiet
from trainer import decoder, lessons, prepare, pretrain, tokenizer
from trainer.config import PretrainConfig, RecipeError, TrainerError, load_recipe
from trainer.corpora.files import read_rows
from trainer.decoder_model import IGNORE, Decoder, Shape, decay_groups, load_model, save_model
from trainer.pretrain import PretrainError, Pretraining, Windows, document_mask, rate, split
from trainer.tokenizer import TokenizerError, WriterTokenizer

pytestmark = pytest.mark.torch
RECIPES = Path(__file__).parents[2] / "trainer" / "recipes"
TINY = Shape(vocab=50, context=16, width=32, layers=2, heads=4, kv_heads=2, ffn=64)


def ignore(step: int, steps: int, facts: object) -> None:
    """Take no notice of progress."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Prepared tokens, nothing trained."""
    ground = lay(
        tmp_path_factory.mktemp("tokens"),
        lambda text: text.replace("log_every = 1\n", "log_every = 1\ndropout = 0.1\n"),
    )
    prepare.run(ground.recipe, ground.paths, quiet())
    tokenizer.run(ground.recipe, ground.paths, quiet())
    lessons.run(ground.recipe, ground.paths, quiet())
    return ground


def training(ground: Ground, out: Path, **changes: object) -> Pretraining:
    tokens = ground.paths.out / "tokens"
    vocab = json.loads((tokens / "index.json").read_text())["vocab"]
    settings = replace(ground.recipe.pretrain, **changes)
    return Pretraining(Shape(vocab=vocab, **asdict(ground.recipe.shape)), settings, tokens, out, out / "c.pt", seed=3)


# --- recipes and model ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "least", "most"), [("embedded-writer", 30e6, 36e6), ("embedded-writer-cpu", 7e6, 10e6)]
)
def test_the_recipes_have_the_sizes_that_were_planned(name: str, least: float, most: float) -> None:
    recipe = load_recipe(RECIPES / f"{name}.toml")
    assert recipe.kind == "decoder"
    assert recipe.shape.width % 256 == 0
    with torch.device("meta"):
        count = Decoder(Shape(vocab=recipe.tokenizer.vocab_size, **asdict(recipe.shape))).parameters_count()
    assert least <= count <= most
    # Q8_0 stores 34 bytes for 32 weights.
    assert count * 34 / 32 / 1e6 < recipe.file_limit_mb


def test_a_recipe_that_cannot_be_batched_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('name = "a"\nkind = "decoder"\nlicence = "x"\n[pretrain]\nbatch = 6\nmicro_batch = 4\n')
    with pytest.raises(RecipeError, match="micro_batch"):
        load_recipe(path)


def test_the_model_is_causal_and_shares_its_embedding(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Decoder(TINY).eval()
    ids = torch.randint(0, 50, (1, 16))
    changed = ids.clone()
    changed[0, 10] = (changed[0, 10] + 1) % 50
    with torch.no_grad():
        before, after = model(ids), model(changed)
    assert torch.equal(before[:, :10], after[:, :10])
    assert not torch.allclose(before[:, 10:], after[:, 10:])
    assert not any(weight.shape == (50, 32) for name, weight in model.named_parameters() if name != "embedding.weight")
    save_model(model, tmp_path / "m.pt")
    with torch.no_grad():
        assert torch.equal(load_model(tmp_path / "m.pt").eval()(ids), before)


def test_only_matrices_decay() -> None:
    model = Decoder(TINY)
    matrices, others = decay_groups(model)
    assert all(weight.ndim == 2 for weight in matrices)
    assert any(weight is model.embedding.weight for weight in others)
    assert len(matrices) + len(others) == len(list(model.parameters()))


# --- data ----------------------------------------------------------------------------------------


def test_windows_are_read_once_before_any_is_read_again_and_sources_by_weight() -> None:
    sources = {"a": np.arange(1001, dtype=np.uint16), "b": np.arange(2000, 2501, dtype=np.uint16)}
    windows = Windows(sources, {"a": 3.0, "b": 1.0, "c": 0.0}, 10, seed=4)
    starts = windows.batch(600)[:, 0]
    first_epoch = [start for start in starts if start < 2000][:99]
    assert len(set(first_epoch)) == 99
    share = float((starts < 2000).mean())
    assert 0.7 < share < 0.8
    assert windows.epochs()["a"] == pytest.approx((starts < 2000).sum() / 99)


def test_windows_go_on_from_their_counters() -> None:
    sources = {"a": np.arange(500, dtype=np.uint16), "b": np.arange(500, 900, dtype=np.uint16)}
    whole = Windows(sources, {"a": 1.0, "b": 1.0}, 10, seed=4)
    expected = [whole.batch(8) for _ in range(20)]
    part = Windows(sources, {"a": 1.0, "b": 1.0}, 10, seed=4)
    for _ in range(13):
        part.batch(8)
    resumed = Windows(sources, {"a": 1.0, "b": 1.0}, 10, seed=4)
    resumed.drawn = dict(part.drawn)
    for batch in expected[13:]:
        np.testing.assert_array_equal(resumed.batch(8), batch)


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"missing": 1.0}, {"short": 1.0}])
def test_sources_that_cannot_be_read_are_named(weights: dict[str, float]) -> None:
    sources = {"a": np.arange(100, dtype=np.uint16), "short": np.arange(12, dtype=np.uint16)}
    with pytest.raises(PretrainError, match="missing|short|no source"):
        Windows(sources, weights, 10, seed=1)


def test_a_document_neither_sees_nor_predicts_the_next() -> None:
    begin, end = CONTROL_TOKENS.index("<|begin|>"), CONTROL_TOKENS.index("<|end|>")
    ids, targets = split(torch.tensor([[9, 8, end, begin, 7, 6, 5]]))
    assert targets.tolist() == [[8, end, IGNORE, 7, 6, 5]]
    mask = document_mask(ids)[0, 0]
    assert mask.tolist() == [
        [True, False, False, False, False, False],
        [True, True, False, False, False, False],
        [True, True, True, False, False, False],
        [False, False, False, True, False, False],
        [False, False, False, True, True, False],
        [False, False, False, True, True, True],
    ]
    # The first document has no influence on the second.
    torch.manual_seed(1)
    model = Decoder(TINY).eval()
    other = torch.tensor([[11, 12, 13, begin, 7, 6]])
    with torch.no_grad():
        one, two = (model(x, mask=document_mask(x)) for x in (ids, other))
        alone = model(ids[:, 3:])
    torch.testing.assert_close(one[:, 3:], two[:, 3:])
    # Positions are relative: a document reads the same wherever it stands.
    torch.testing.assert_close(one[:, 3:], alone, atol=1e-5, rtol=1e-4)


def test_prepared_documents_round_trip(ground: Ground) -> None:
    tokens = ground.paths.out / "tokens"
    learned = WriterTokenizer.load(tokens / "tokenizer.json")
    index = json.loads((tokens / "index.json").read_text())
    for name, facts in index["sources"].items():
        ids = np.load(tokens / f"{name}.valid.npy")
        assert ids.dtype == np.uint16
        assert len(ids) == facts["valid_tokens"]
        text = learned.decode(ids.tolist())
        assert len(text.replace("<|begin|>", "").replace("<|end|>", "").encode()) == facts["valid_bytes"]
        assert text.count("<|begin|>") == text.count("<|end|>") == 48


def test_answers_that_are_not_known_are_left_out(ground: Ground) -> None:
    rows = decoder.TaskRows(ground.paths.lessons / "tasks.train.npz", ["feelings"])
    expected = [row for row in read_rows(ground.paths.prepared / "train.jsonl.gz") if row.task == "feelings"]
    assert len(expected) == len(rows.rows["feelings"]) > 50
    for row, target in zip(expected, rows.targets["feelings"], strict=True):
        for label, value in zip(TASKS["feelings"].labels, target, strict=True):
            assert value == (1 if label in row.positives else 0 if label in row.negatives else -1)
    assert {int(value) for value in np.unique(rows.targets["feelings"])} == {-1, 0, 1}


# --- training ------------------------------------------------------------------------------------


def test_the_rate_rises_and_falls() -> None:
    steps = 100
    cosine = [rate(step, steps, warmup=0.1, final=0.1) for step in range(steps)]
    flat = [rate(step, steps, warmup=0.1, final=0.1, decay=0.3) for step in range(steps)]
    for values in (cosine, flat):
        assert values[0] == pytest.approx(0.1)
        assert max(values) == pytest.approx(1.0)
        assert all(a <= b for a, b in zip(values[:10], values[1:10], strict=False))
        assert all(a >= b for a, b in zip(values[10:], values[11:], strict=False))
        assert 0.1 <= values[-1] < 0.14
    assert flat[60] == 1.0 > cosine[60]


@pytest.mark.parametrize("muon", [False, True])
def test_training_lowers_the_loss_and_measures_every_source(ground: Ground, tmp_path: Path, muon: bool) -> None:
    report = training(ground, tmp_path, muon=muon, precision="bf16", tokens=224 * 8 * 15).run(ignore)
    losses = [loss for _, loss in report["history"]]
    assert losses[0] == pytest.approx(math.log(900), abs=0.4)
    assert losses[-1] < losses[0] - 1.5
    assert set(report["valid"]) == set(ground.recipe.pretrain.weights)
    assert all(facts["perplexity"] > 1 and facts["bits_per_byte"] > 0 for facts in report["valid"].values())
    assert (tmp_path / "model.pt").exists()


def test_probing_threads_leaves_no_trace(ground: Ground, tmp_path: Path) -> None:
    fixed = training(ground, tmp_path / "a", tokens=224 * 8 * 3, threads=1).run(ignore)
    probed = training(ground, tmp_path / "b", tokens=224 * 8 * 3, threads=0)
    probed._probe()
    torch.set_num_threads(1)
    probed.threads = 1
    assert probed.run(ignore)["history"] == fixed["history"]


KILLED = """
import sys
from pathlib import Path
from trainer import decoder, pretrain
from trainer.config import RunPaths, load_recipe
from trainer.progress import Progress
# A machine with a GPU and nothing else has none of these.
assert not {"tokenizers", "gguf", "llama_cpp", "transformers", "sklearn"} & set(sys.modules)
pretrain.run(load_recipe(Path(sys.argv[1])), RunPaths(Path(sys.argv[2])), Progress(every=0))
"""


def test_a_killed_run_goes_on_with_the_same_losses(ground: Ground, tmp_path: Path) -> None:
    whole = pretrain.run(ground.recipe, ground.paths, quiet())
    expected = json.loads((ground.paths.out / "pretrain" / "report.json").read_text())
    assert whole.outputs[0].exists()

    out = tmp_path / "run"
    out.mkdir()
    (out / "tokens").symlink_to(ground.paths.out / "tokens")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(ground.file), str(out)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    told = ""
    for told in process.stderr:
        if "pretrain: 13/30" in told:
            process.send_signal(signal.SIGKILL)
            break
    process.stderr.close()
    assert process.wait() == -signal.SIGKILL, told
    state = torch.load(out / "checkpoints" / "pretrain.pt", weights_only=True)
    assert state["step"] == 10

    resumed = replace(ground.paths, out=out)
    pretrain.run(ground.recipe, resumed, quiet())
    report = json.loads((out / "pretrain" / "report.json").read_text())
    assert report["history"] == expected["history"]
    assert report["valid"] == expected["valid"]
    assert report["epochs"] == expected["epochs"]


def test_a_checkpoint_of_other_settings_is_refused(ground: Ground, tmp_path: Path) -> None:
    training(ground, tmp_path, tokens=224 * 8 * 2).run(ignore)
    with pytest.raises(PretrainError, match="other settings"):
        training(ground, tmp_path, tokens=224 * 8 * 2, lr=1e-4)


def test_a_run_without_prepared_tokens_says_what_to_do(ground: Ground, tmp_path: Path) -> None:
    paths = replace(ground.paths, out=tmp_path)
    with pytest.raises(TrainerError, match="tokenizer stage"):
        pretrain.run(ground.recipe, paths, quiet())
    with pytest.raises(TrainerError, match="pretrain stage"):
        decoder.run(ground.recipe, paths, quiet())


def test_a_loss_that_is_not_finite_stops_the_run(ground: Ground, tmp_path: Path) -> None:
    run = training(ground, tmp_path, tokens=224 * 8 * 2)
    with torch.no_grad():
        run.model.norm.weight.fill_(math.inf)
    with pytest.raises(PretrainError, match="not finite"):
        run.run(ignore)
    assert not (tmp_path / "model.pt").exists()


# --- scores --------------------------------------------------------------------------------------


def test_scores_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    targets, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    assert decoder.macro_f1(predicted, targets, 4) == pytest.approx(
        metrics.f1_score(targets, predicted, average="macro")
    )
    logits = np.round(rng.normal(size=(200, 3)), 1)
    truth = rng.integers(0, 2, (200, 3))
    assert decoder.mean_auroc(logits, truth) == pytest.approx(metrics.roc_auc_score(truth, logits, average="macro"))
    hidden = truth.copy()
    hidden[:50, 0] = -1
    expected = [metrics.roc_auc_score(hidden[50:, 0], logits[50:, 0])] + [
        metrics.roc_auc_score(truth[:, i], logits[:, i]) for i in (1, 2)
    ]
    assert decoder.mean_auroc(logits, hidden) == pytest.approx(np.mean(expected))


# --- tokenizer -----------------------------------------------------------------------------------


def test_labels_are_one_token_even_if_the_corpus_never_has_them(tmp_path: Path) -> None:
    learned = WriterTokenizer.train(["bread and butter"] * 20, 700)
    assert all(len(learned.encode(text)) == 1 for text in verbaliser_tokens())
    assert learned.tokens[: len(CONTROL_TOKENS)] == CONTROL_TOKENS
    assert learned.size <= 700
    learned.save(tmp_path / "t.json")
    again = WriterTokenizer.load(tmp_path / "t.json")
    assert (again.tokens, again.merges) == (learned.tokens, learned.merges)


def test_learned_merges_make_room_for_labels() -> None:
    texts = [" ".join(f"w{i}{j}x" for j in range(9)) for i in range(400)]
    learned = WriterTokenizer.train(texts, 600)
    assert 560 < learned.size <= 600
    assert all(len(learned.encode(text)) == 1 for text in verbaliser_tokens())


def test_a_vocabulary_without_room_for_the_labels_is_refused() -> None:
    with pytest.raises(TokenizerError, match="too small"):
        WriterTokenizer.train(["bread and butter"] * 20, 270)


def test_control_tokens_count_only_where_they_are_ours() -> None:
    learned = WriterTokenizer.train(["a <|end|> b"] * 50, 700)
    assert 3 not in learned.encode("<|end|>")
    assert learned.encode("<|end|>", control=True) == [3]
    assert learned.encode("<|turn|>user\n", control=True) == [2, *learned.encode("user\n")]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 1, "pre": "gpt-2", "tokens": [], "merges": []}'])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(TokenizerError):
        WriterTokenizer.load(path)


def test_a_window_too_short_for_the_questions_is_refused(ground: Ground) -> None:
    learned = WriterTokenizer.load(ground.paths.out / "tokens" / "tokenizer.json")
    with pytest.raises(TokenizerError, match="no room"):
        tokenizer.entry_room(learned, ["emotion"], 60)
    assert tokenizer.entry_room(learned, ["emotion"], 224) > 60


def test_settings_have_no_silent_defaults_for_sources() -> None:
    assert set(PretrainConfig().weights) == {"blog_prose", "prose_en", "chat_en", "prose_ko"}
