"""Recipes, the help, and that every module of the trainer can be imported."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

import trainer
from trainer import cli
from trainer.config import RecipeError, load_recipe
from trainer.progress import clock_text

pytestmark = pytest.mark.torch

RECIPES = Path(trainer.__file__).parent / "recipes"
HEAD = 'name = "x"\nkind = "encoder"\nlicence = "CC0-1.0"\n'


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_in_the_repository_are_valid(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name.startswith("quietpage-") or recipe.name.endswith("-quietpage")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "steps = 5\n", "unknown key: steps"),
        (HEAD + "[finetune]\nstep = 5\n", "unknown key: finetune.step"),
        (HEAD + '[finetune]\nsteps = "many"\n', "finetune.steps: 'many' is not a valid value"),
        (HEAD + "[finetune]\nsteps = 1.5\n", "finetune.steps: 1.5 is not a valid value"),
        (HEAD + "seed = true\n", "seed: True is not a valid value"),
        (HEAD + "finetune = 3\n", "finetune: 3 is not a valid value"),
        (HEAD + '[data]\ntasks = ["bliss"]\n', "no such task in the contract: bliss"),
        (HEAD + "[finetune.weights]\nbliss = 2\n", "no such task in the contract: bliss"),
        (HEAD.replace("encoder", "oracle"), "kind: 'oracle' is not a valid value"),
        ('kind = "encoder"\n', "missing key: name"),
        ("name = \n", "not valid TOML"),
    ],
)
def test_a_wrong_recipe_is_told_with_its_key(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert cli.main(["prepare", "--recipe", str(path), "--data", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(tmp_path / "none.toml")


def test_the_digest_follows_the_parts_that_are_named(tmp_path: Path) -> None:
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(HEAD)
    two.write_text(HEAD + "[finetune]\nsteps = 7\n")
    a, b = load_recipe(one), load_recipe(two)
    assert a.digest("data", "seed") == b.digest("data", "seed")
    assert a.digest("finetune") != b.digest("finetune")
    assert a.digest() != b.digest()


@pytest.mark.parametrize("name", [module.name for module in pkgutil.walk_packages(trainer.__path__, "trainer.")])
def test_every_module_can_be_imported(name: str) -> None:
    importlib.import_module(name)


def test_every_stage_names_a_module_that_can_run() -> None:
    for stage in cli.STAGES.values():
        for module in stage.module.values():
            assert callable(importlib.import_module(module).run)


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "5 s"), (65, "1 min 05 s"), (3700, "1 h 01 min"), (-3, "0 s")])
def test_times_are_told_in_words(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_what_the_system_refuses_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    path = RECIPES / "embedded-reader.toml"
    assert cli.main(["compare", "--recipe", str(path), "--out", "/proc/nowhere", "/proc/nowhere"]) == 2
    assert cli.main(["prepare", "--recipe", str(path), "--data", str(RECIPES), "--out", "/proc/nowhere"]) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert all(line.startswith("quietpage-train: ") for line in told.splitlines())
