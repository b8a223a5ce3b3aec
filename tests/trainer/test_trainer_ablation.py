"""Variants of a recipe on the same data, from the file to the table."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

import torch

from tests.support import reader_ground
from trainer import ablation, cli, encoder, ensemble, mlm
from trainer.config import RecipeError, load_recipe

pytestmark = [pytest.mark.torch]

VARIANTS = """
[finetune]
steps = 12
[[variant]]
name = "base"
[[variant]]
name = "all-at-once"
max_tokens = 48
finetune = {{ rdrop = 0.5, layer_decay = 0.8, power = 0.3, balance = 0.0, auxiliary = ["goemotions"], mlm_steps = 2 }}
[[variant]]
name = "frozen"
finetune = {{ freeze = 1 }}
[[variant]]
name = "taught"
finetune = {{ teachers = ["{out}/base", "{out}/all-at-once"], unlabelled = 12 }}
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("ablation")
    data = reader_ground.write_corpora(root / "data")
    for name in ensemble.POSTS:
        reader_ground.write_posts(data, name)
    recipe = reader_ground.write_recipe(root / "tiny.toml", reader_ground.write_base(root / "base"))
    arguments = ["--recipe", str(recipe), "--data", str(data), "--out", str(root / "out")]
    assert cli.main(["prepare", *arguments]) == 0
    (root / "variants.toml").write_text(VARIANTS.format(out=root / "out"), "utf-8")
    return root, arguments


@pytest.fixture(scope="module")
def trained(ground: tuple[Path, list[str]]) -> Path:
    root, arguments = ground
    assert cli.main(["ablate", *arguments, "--variants", str(root / "variants.toml")]) == 0
    return root


def test_every_variant_is_trained_and_judged(trained: Path) -> None:
    report = json.loads((trained / "out" / ablation.REPORT).read_text("utf-8"))["variants"]
    assert list(report) == ["base", "all-at-once", "frozen", "taught"]
    for figures in report.values():
        assert figures["steps"] == 12
        assert 0 <= figures["emotion"]["macro_f1"] <= 1
        assert 0 <= figures["mean_weighted_f1_of_five"] <= 1
        assert set(figures["found"]) == {"stress", "low_mood", "crisis"}
    lines = ablation.table(report).splitlines()
    assert len(lines) == 6
    assert lines[2].startswith("| base | ")


def test_what_is_done_is_not_done_again(
    trained: Path, ground: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    root, arguments = ground
    capsys.readouterr()
    assert cli.main(["ablate", *arguments, "--variants", str(root / "variants.toml")]) == 0
    said = capsys.readouterr()
    assert "ablate: base" not in said.out + said.err


def test_frozen_blocks_stay_and_the_rest_learns(trained: Path) -> None:
    before = encoder.load_base(str(trained / "base")).bert.state_dict()
    after = encoder.Encoder.load(trained / "out" / "frozen" / "model").bert.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert not [name for name in moved if name.startswith(("embeddings.", "encoder.layer.0."))]
    assert [name for name in moved if name.startswith("encoder.layer.1.")]


def test_teachers_are_asked_once_and_agree_with_what_they_say(trained: Path) -> None:
    with np.load(trained / "out" / "taught" / "checkpoints" / "teachers.npz") as kept:
        stress = kept["stress"]
        assert set(kept.files) > {"emotion", "feelings", "stress"}
        assert "goemotions" not in kept.files, "a head beside the tasks teaches nobody"
    assert stress.min() >= 0
    assert np.allclose(stress.sum(1), 1.0, atol=1e-5)


def test_the_vector_map_gives_the_untouched_encoder_back(trained: Path) -> None:
    model = encoder.Encoder.load(trained / "out" / "base" / "model")
    original = encoder.Encoder(encoder.load_base(str(trained / "base")).bert, {}).eval()
    tokenizer = encoder.load_tokenizer(trained / "base")
    texts = [reader_ground.line(random.Random(n), words=4 + n % 9) for n in range(150)]
    ids = [windows[0] for windows in encoder.windows(tokenizer, texts, 64)]
    pooled = torch.from_numpy(encoder.embed(model, ids))
    wanted = torch.from_numpy(encoder.embed(original, ids))
    bare = torch.cosine_similarity(pooled, wanted).mean()
    with torch.inference_mode():
        mapped = torch.cosine_similarity(model.vector(pooled), wanted).mean()
    assert mapped > max(0.9, float(bare))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[finetune]\nsteps = 3\n", "variant"),
        ('[[variant]]\nname = "a"\ndata = { neutral_blog = 3 }\n', "share the prepared data"),
        ('[[variant]]\nname = "a"\n[[variant]]\nname = "a"\n', "needs a name"),
        ('[[variant]]\nname = "a"\nfinetune = { stepz = 3 }\n', "stepz"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    ground: tuple[Path, list[str]], tmp_path: Path, text: str, told: str
) -> None:
    root, _ = ground
    path = tmp_path / "v.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(RecipeError, match=told):
        ablation.variants(load_recipe(root / "tiny.toml"), path)


def test_tokens_are_hidden_but_never_the_frame() -> None:
    ids = torch.arange(5, 5 + 400).reshape(4, 100)
    mask = torch.ones_like(ids)
    mask[1, 60:] = 0
    generator = torch.Generator().manual_seed(1)
    hidden, places, targets = mlm.hide(ids, mask, 3, 1000, generator)
    assert not places[:, 0].any()
    assert not places[0, 99]
    assert not places[1, 59:].any()
    assert torch.equal(targets, ids[places])
    assert torch.equal(hidden[~places], ids[~places])
    share = places.float().sum() / (mask.sum() - 8)
    assert 0.08 < float(share) < 0.24
    assert (hidden[places] == 3).float().mean() > 0.6
