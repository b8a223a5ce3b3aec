"""Every recipe is what was published, and runs from corpora to a shipped file on a tiny model of its architecture."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

import trainer
from journal_app.contract.prompts import TEMPLATES
from journal_app.inference.llama import LlamaReader, describe
from tests.support import recipe_ground
from trainer import cli
from trainer.config import ROOT, load_recipe

pytestmark = pytest.mark.torch

RECIPES = sorted((Path(trainer.__file__).parent / "recipes").glob("*.toml"))
DOCS = ROOT / "docs" / "trainer" / "recipes"
MADE_HERE = ("embedded-", "tutorial")
FAST = ("tinyllama-1.1b-emotion", "korean-emotion-electra")
"""Run in `make test`; the others only in `make test-all`."""

FIVE = {"r": 16, "alpha": 32, "epochs": 3.0, "batch": 4, "lr": 2e-4, "method": "qlora", "quant": "nf4"}
FIVE_TASKS = ("isear", "stress", "depression", "severity", "suicidality")
PUBLISHED: dict[str, dict[str, object]] = {
    "llama-3.2-3b": FIVE | {"tasks": FIVE_TASKS},
    "qwen2.5-3b": FIVE | {"tasks": FIVE_TASKS},
    "deepseek-r1-distill-qwen-1.5b": FIVE | {"tasks": FIVE_TASKS},
    "tinyllama-1.1b-emotion": {
        "method": "qlora",
        "quant": "nf4",
        "r": 16,
        "alpha": 32,
        "dropout": 0.05,
        "targets": ("q_proj", "k_proj", "v_proj", "o_proj"),
        "sequence": 128,
        "batch": 4,
        "accumulate": 4,
        "lr": 2e-4,
        "schedule": "cosine",
        "optimizer": "paged_adamw_8bit",
        "tasks": ("emotion",),
    },
    "llama-2-7b-counselling": {
        "r": 8,
        "alpha": 16,
        "dropout": 0.1,
        "lr": 1e-4,
        "schedule": "constant",
        "epochs": 2.0,
        "packing": True,
        "sequence": 1024,
        "clip": 0.3,
    },
    "qwen2.5-7b-papers": {"sequence": 2048, "batch": 2, "accumulate": 4, "optimizer": "adamw_8bit"},
    "eeve-korean-10.8b": {"r": 16, "alpha": 32, "lr": 2e-4, "epochs": 2.0},
    "korean-emotion-electra": {"lr": 2e-5, "batch": 32, "epochs": 10.0, "warmup": 0.2, "sequence": 512},
    "qwen2.5-0.5b": {"r": 4, "alpha": 4, "dropout": 0.05, "lr": 1e-4, "epochs": 4.0, "batch": 16},
}
"""Recipe -> hyper-parameters that its source names."""

LIKENESS = {"--data", "--out", "--release", "--fresh", "--tiny", "--download", "--recipe"}
"""Arguments that every command has."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recipe_ground.write_all(tmp_path_factory.mktemp("corpora"))


def test_every_reference_system_has_a_recipe() -> None:
    names = {path.stem for path in RECIPES}
    assert names >= {
        *PUBLISHED,
        "llama-3-8b",
        "phi-3-mini",
        "korean-tone-bart",
        "smollm2-360m",
        "embedded-reader",
        "embedded-writer",
    }
    made = [load_recipe(path).name for path in RECIPES]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_says_how_it_is_run_and_under_which_terms(path: Path) -> None:
    text = path.read_text("utf-8")
    head = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    recipe = load_recipe(path)
    assert f"quietpage-train run --recipe trainer/recipes/{path.name}" in head
    assert recipe.licence
    assert recipe.languages
    # A name that is also a file's: no spaces, no slashes.
    assert recipe.name == recipe.name.strip().replace("/", "").replace(" ", "")
    if path.stem.startswith(MADE_HERE):
        assert recipe.name.startswith("quietpage-")
        return
    base, shape = recipe.base, recipe.base.shape
    assert recipe.name.endswith("-quietpage")
    assert base.model.count("/") == 1
    assert base.source
    assert "Base:" in head
    assert min(shape.width, shape.layers, shape.heads, shape.kv_heads, shape.ffn, shape.vocab) > 0
    assert shape.width % shape.heads == 0 or shape.head_dim
    assert shape.heads % shape.kv_heads == 0
    assert recipe.sft.sequence <= shape.context
    if recipe.kind == "causal":
        assert base.template in TEMPLATES
        assert recipe.data.tasks or recipe.sources
    # Llama's licences ask that the name of what is made from it begins with Llama.
    if "Llama" in recipe.licence:
        assert recipe.name.startswith("llama")


@pytest.mark.parametrize(("name", "values"), PUBLISHED.items(), ids=list(PUBLISHED))
def test_a_recipe_keeps_the_published_hyper_parameters(name: str, values: dict[str, object]) -> None:
    recipe = load_recipe(RECIPES[0].with_name(f"{name}.toml"))
    for key, value in values.items():
        holder = next(h for h in (recipe.adapter, recipe.sft, recipe.data) if hasattr(h, key))
        assert getattr(holder, key) == value, key


@pytest.mark.parametrize("name", ["eeve-korean-10.8b", "llama-3-8b", "phi-3-mini"])
def test_voices_are_taught_by_replies_and_then_by_preference(name: str) -> None:
    recipe = load_recipe(RECIPES[0].with_name(f"{name}.toml"))
    assert recipe.prefer.method == "dpo"
    assert {"reply", "preference"} <= {source.task for source in recipe.sources}


WITH_PAGE = [path for path in RECIPES if path.stem != "tutorial"]


@pytest.mark.parametrize("path", WITH_PAGE, ids=lambda path: path.stem)
def test_a_recipe_has_its_page(path: Path) -> None:
    text = (DOCS / f"{path.stem}.md").read_text("utf-8")
    assert f"quietpage-train run --recipe trainer/recipes/{path.name}" in text
    for heading in ("## What it reproduces", "## Run it", "## Memory", "## Figures"):
        assert heading in text
    # Hyper-parameters in the page are the recipe's: the page quotes its tables.
    raw = tomllib.loads(path.read_text("utf-8"))
    for key in ("lr", "r", "epochs"):
        for section in ("adapter", "sft"):
            value = raw.get(section, {}).get(key)
            if value is not None:
                assert f"{key} {value:g}" in text, f"{section}.{key}"


@pytest.mark.parametrize(
    "path", [path for path in WITH_PAGE if not path.stem.startswith(MADE_HERE)], ids=lambda path: path.stem
)
def test_the_memory_on_the_page_is_what_estimate_says(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / f"{path.stem}.md").read_text("utf-8")
    said = re.search(r"By `estimate --gpu-gb (\d+)`, computed and not measured: \*\*(.+?)\*\*", page)
    assert said is not None
    gb, headline = said.groups()
    assert cli.main(["estimate", "--recipe", str(path), "--out", str(tmp_path), "--gpu-gb", gb]) == 0
    told = capsys.readouterr().err
    assert headline in told
    assert f"({gb} GB): fits" in told


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_files_that_a_recipe_names_ship(path: Path) -> None:
    for source in load_recipe(path).sources:
        assert source.kind != "file" or (ROOT / source.path).is_file(), source.path


@pytest.mark.parametrize("command", ["run", *cli.STAGES, *cli.TOOLS])
def test_every_command_shows_an_example_and_the_shared_flags(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert f"quietpage-train {command} --recipe trainer/recipes/" in told
    for flag in LIKENESS:
        assert flag in told
    # The recipe of the example is there, and is of a kind that knows the command.
    shown = told.split(f"quietpage-train {command} --recipe ")[1].split()[0]
    recipe = load_recipe(ROOT / shown)
    assert command not in cli.STAGES or recipe.kind in cli.STAGES[command].module


@pytest.mark.parametrize(("more", "offline"), [([], "True"), (["--download"], "False")])
def test_no_library_opens_a_connection_that_was_not_asked_for(more: list[str], offline: str, tmp_path: Path) -> None:
    program = (
        "import sys; from trainer import cli; assert cli.main() == 2;"
        "from huggingface_hub import constants; print(constants.HF_HUB_OFFLINE)"
    )
    arguments = ["prepare", "--recipe", str(tmp_path / "none.toml"), *more]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == offline


def _marked(path: Path) -> object:
    marks = [] if path.stem in FAST else [pytest.mark.slow]
    return pytest.param(path, marks=[*marks, pytest.mark.llm, pytest.mark.timeout(900)], id=path.stem)


@pytest.mark.parametrize("path", [_marked(path) for path in RECIPES])
def test_a_recipe_runs_end_to_end_on_a_tiny_model(
    path: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = load_recipe(path)
    out, release = tmp_path / "run", tmp_path / "release"
    arguments = ["--recipe", str(path), "--data", str(data), "--out", str(out), "--release", str(release), "--tiny"]
    assert cli.main(["run", *arguments]) == 0, capsys.readouterr().err
    stages = [name for name, stage in cli.STAGES.items() if recipe.kind in stage.module]
    ledger = json.loads((out / "stages.json").read_text("utf-8"))["stages"]
    assert list(ledger) == stages
    assert all("outputs" in entry for entry in ledger.values())
    result = json.loads((out / "evaluate.json").read_text("utf-8"))
    assert result
    assert (out / "prepared" / "report.json").is_file()
    made: list[Path] = []
    if recipe.kind in ("encoder", "decoder", "causal"):
        made = list((release / "assets" / "models").glob("*.gguf"))
        assert len(made) == 1
        manifest = describe(made[0]).manifest
        assert manifest.contract_version
        assert (release / "docs" / "models" / f"{manifest.name}.md").is_file()
        if recipe.data.tasks:
            with LlamaReader(made[0], threads=1) as reader:
                (reading,) = reader.read(["Today I walked along the river and felt glad about it."])
            assert set(reading.tasks) == set(recipe.data.tasks)
            for scores in reading.tasks.values():
                assert all(0.0 <= p <= 1.0 for p in scores.values())
    if recipe.kind == "causal":
        capsys.readouterr()
        assert cli.main(["generate", *arguments, "--prompt", "A long day."]) == 0
        assert capsys.readouterr().out.strip()
    if path.stem.endswith("papers"):
        (tmp_path / "a.txt").write_text("Regular bedtimes shortened the time to fall asleep.", "utf-8")
        asked = ["--folder", str(tmp_path), "--ask", "Do regular bedtimes help?", "--gguf", str(made[0])]
        assert cli.main(["papers", *arguments, *asked]) == 0
        assert "[1] a.txt, page 1, sentence 1" in capsys.readouterr().out
    # Nothing changed: a second run does nothing.
    capsys.readouterr()
    assert cli.main(["run", *arguments]) == 0
    told = capsys.readouterr().err
    assert all(f"{stage}: nothing changed, skipped" in told for stage in stages)
