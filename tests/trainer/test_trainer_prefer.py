"""Preferences: the chosen reply becomes the likelier one, by DPO and by ORPO, whatever happens on the way."""

from __future__ import annotations

import json
import math
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch
from safetensors.torch import load_file, save_file

from journal_app.contract.prompts import CHATML
from tests.support.decoder_ground import quiet
from tests.trainer import small_base
from trainer.causal import base, prefer, sft
from trainer.config import Recipe, RunPaths, TrainerError, load_recipe
from trainer.records import Example, write_examples

pytestmark = pytest.mark.torch

STEPS = 12


def pairs(count: int, first: int = 0) -> list[Example]:
    return [
        Example(
            "preference",
            "made",
            small_base.sentence(first + i),
            instruction="What was it like?",
            chosen=f"There was {small_base.WEATHER[(first + i) // 8 % 8]} at the lake.",
            rejected="The kitchen and the library and more of it.",
        )
        for i in range(count)
    ]


def recipe_of(folder: Path, base_folder: Path, method: str, adapter: str) -> Recipe:
    file = small_base.write_recipe(
        folder / f"{method}-{adapter}.toml",
        base_folder,
        adapter=f'method = "{adapter}"\nr = 4\nalpha = 8',
        sft='max_steps = 2\nbatch = 4\nlr = 1e-3\nsequence = 96\nprecision = "fp32"\ncheckpointing = "off"\n'
        f'[prefer]\nmethod = "{method}"\nmax_steps = {STEPS}\nbatch = 2\naccumulate = 1\n'
        # ORPO's odds ratio is a small part of its loss.
        f"{'lr = 1e-2' if method == 'orpo' else 'lr = 2e-3'}\nbeta = {1.0 if method == 'orpo' else 0.1}\n"
        "log_every = 1\nsave_every = 4\nsequence = 96",
    )
    return load_recipe(file)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, RunPaths]]:
    """A base, and what finetune left of it by each method."""
    folder = tmp_path_factory.mktemp("prefer")
    made = small_base.make_base(folder / "base")
    found = {}
    for adapter in ("lora", "full", "qlora"):
        paths = RunPaths(folder / adapter)
        small_base.prepare(paths.out, small_base.examples(16) + pairs(24), small_base.examples(4) + pairs(8, 40))
        sft.run(recipe_of(folder, made, "dpo", adapter), paths, quiet())
        found[adapter] = (made, paths)
    return found


def copied(tuned: dict[str, tuple[Path, RunPaths]], adapter: str, folder: Path) -> RunPaths:
    paths = RunPaths(folder / "run")
    shutil.copytree(tuned[adapter][1].out, paths.out, ignore=shutil.ignore_patterns("checkpoints"))
    return paths


def curve(paths: RunPaths) -> list[dict[str, float]]:
    return [json.loads(line) for line in (paths.out / prefer.CURVE).read_text().splitlines()]


@pytest.mark.parametrize(
    ("method", "adapter"), [("dpo", "lora"), ("orpo", "lora"), ("dpo", "full"), ("orpo", "full"), ("dpo", "qlora")]
)
def test_the_chosen_reply_becomes_likelier(
    tuned: dict[str, tuple[Path, RunPaths]], tmp_path: Path, method: str, adapter: str
) -> None:
    paths = copied(tuned, adapter, tmp_path)
    recipe = recipe_of(tmp_path, tuned[adapter][0], method, adapter)
    before = {path.name: path.read_bytes() for path in paths.adapter.iterdir()}
    result = prefer.run(recipe, paths, quiet())

    report = json.loads((paths.out / "prefer.json").read_text())
    start, end = report["valid_before"], report["valid_after"]
    assert start["pairs"] == end["pairs"] == 8
    assert end["margin_nats_per_token"] > start["margin_nats_per_token"] + 0.02
    assert end["accuracy"] >= start["accuracy"]
    assert end["reward_margin"] > 0.1
    assert end["reward_accuracy"] > 0.8
    assert 0 < end["kl_nats_per_token"] < 2
    drift = end["nll_chosen_nats_per_token"] - start["nll_chosen_nats_per_token"]
    assert report["nll_drift_nats_per_token"] == pytest.approx(drift)

    lines = curve(paths)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert all({"loss", "lr", "reward_margin", "accuracy"} <= set(line) for line in lines)
    if method == "dpo":
        # Nothing has changed yet, so model and reference agree: the reference is what finetune left.
        assert lines[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert lines[-1]["reward_margin"] > lines[0]["reward_margin"]

    # What finetune left is as it was, and what was judged is what was left.
    assert {path.name: path.read_bytes() for path in paths.adapter.iterdir()} == before
    assert base.trained(paths) == paths.preferred
    assert set(result.outputs) >= set(base.files_of(paths.preferred))
    assert not any("ref" in path.relative_to(paths.preferred).parts for path in base.files_of(paths.preferred))
    model = prefer.load_tuned(recipe, paths.preferred, tuned[adapter][0], torch.device("cpu"), quiet())
    valid = prefer.encode_pairs(pairs(8, 40), recipe, CHATML, base.load_tokenizer(paths.preferred))
    again = prefer.judge(model, valid, torch.device("cpu"), "fp32")
    assert again["margin_nats_per_token"] == pytest.approx(end["margin_nats_per_token"], abs=1e-4)


def test_words_of_a_pair_never_become_control(tuned: dict[str, tuple[Path, RunPaths]], tmp_path: Path) -> None:
    made, paths = tuned["lora"]
    recipe = recipe_of(tmp_path, made, "dpo", "lora")
    tokenizer = base.load_tokenizer(paths.adapter)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    spelt = replace(
        pairs(1)[0], input="a <|im_end|> b", chosen="c <|im_end|> d <|im_start|>system", rejected="<|im_end|>"
    )
    plain = replace(spelt, input="a b", chosen="c d", rejected="e")
    got, expected = (prefer.encode_pairs([one], recipe, CHATML, tokenizer)[0] for one in (spelt, plain))
    assert got.prompt.count(end) == expected.prompt.count(end)
    for answer in (got.chosen, got.rejected):
        assert answer.count(end) == 1
        assert answer[-1] == end
    assert tokenizer.decode(got.rejected[:-1]) == "<|im_end|>"


def test_long_pairs_are_cut_and_others_are_left_out(tuned: dict[str, tuple[Path, RunPaths]], tmp_path: Path) -> None:
    made, paths = tuned["lora"]
    recipe = recipe_of(tmp_path, made, "dpo", "lora")
    tokenizer = base.load_tokenizer(paths.adapter)
    long = replace(pairs(1)[0], input="rain " * 300, chosen="sun " * 300)
    half = replace(pairs(1)[0], rejected="")
    found = prefer.encode_pairs([long, half, *small_base.examples(2)], recipe, CHATML, tokenizer)
    assert len(found) == 1
    assert len(found[0].prompt) + max(len(found[0].chosen), len(found[0].rejected)) <= recipe.prefer.sequence
    # In the shape of the engine a pair is asked as the app asks for a reply.
    contract = replace(recipe, sft=replace(recipe.sft, shape="contract"), prefer=replace(recipe.prefer, sequence=300))
    asked = prefer.encode_pairs(pairs(1), contract, CHATML, tokenizer)[0]
    assert "reflection" in tokenizer.decode(asked.prompt)


def test_nothing_to_prefer(tuned: dict[str, tuple[Path, RunPaths]], tmp_path: Path) -> None:
    paths = copied(tuned, "lora", tmp_path)
    recipe = recipe_of(tmp_path, tuned["lora"][0], "none", "lora")
    shutil.copytree(paths.adapter, paths.preferred)
    assert prefer.run(recipe, paths, quiet()).outputs == ()
    assert not paths.preferred.exists()
    assert base.trained(paths) == paths.adapter
    small_base.prepare(paths.out, small_base.examples(4), small_base.examples(4))
    with pytest.raises(TrainerError, match="no preference pair"):
        prefer.run(recipe_of(tmp_path, tuned["lora"][0], "dpo", "lora"), paths, quiet())
    with pytest.raises(TrainerError, match="finetune"):
        prefer.run(recipe_of(tmp_path, tuned["lora"][0], "dpo", "lora"), RunPaths(tmp_path / "new"), quiet())


def test_a_loss_that_is_not_finite_stops_the_run(tuned: dict[str, tuple[Path, RunPaths]], tmp_path: Path) -> None:
    paths = copied(tuned, "lora", tmp_path)
    file = paths.adapter / "adapter_model.safetensors"
    weights = load_file(file)
    weights[next(iter(weights))].fill_(math.inf)
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(TrainerError, match="not finite at step 1; lower prefer.lr"):
        prefer.run(recipe_of(tmp_path, tuned["lora"][0], "dpo", "lora"), paths, quiet())
    assert not paths.preferred.exists()


RUN = """
import resource, sys
from pathlib import Path
from trainer.causal import prefer
from trainer.config import RunPaths, TrainerError, load_recipe
from trainer.progress import Progress
progress = Progress(sys.stdout, every=0)
if sys.argv[3] != "0":
    say = progress.say
    def stop(text):
        say(text)
        if "9/12" in text:  # the checkpoint of step 8 is there, no later one will fit
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
    progress.say = stop
try:
    prefer.run(load_recipe(Path(sys.argv[1])), RunPaths(Path(sys.argv[2])), progress)
except TrainerError as error:
    print("error:", error, flush=True)
"""


@pytest.mark.parametrize("method", ["dpo", pytest.param("orpo", marks=pytest.mark.slow)])
def test_a_killed_run_and_a_full_disk_leave_the_same_curve(
    tuned: dict[str, tuple[Path, RunPaths]], tmp_path: Path, method: str
) -> None:
    whole = copied(tuned, "lora", tmp_path / "whole")
    recipe = recipe_of(tmp_path, tuned["lora"][0], method, "lora")
    prefer.run(recipe, whole, quiet())

    paths = copied(tuned, "lora", tmp_path / "killed")
    arguments = ("-c", RUN, str(tmp_path / f"{method}-lora.toml"), str(paths.out))
    process = small_base.python(*arguments, "0")
    told = ""
    assert process.stdout is not None
    for told in process.stdout:
        if "prefer: 6/12" in told:
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, told
    assert not paths.preferred.exists()
    folder = paths.checkpoints / "prefer"
    assert (folder / "checkpoint-4" / prefer.WHOLE).is_file()
    # A kill in the middle of a checkpoint leaves one without its mark.
    shutil.copytree(folder / "checkpoint-4", folder / "checkpoint-5")
    (folder / "checkpoint-5" / prefer.WHOLE).unlink()
    (folder / "checkpoint-5" / "optimizer.pt").write_bytes(b"half")

    process = small_base.python(*arguments, "9000")
    out, _ = process.communicate(timeout=120)
    assert "going on after step 4" in out
    assert "the disk is full" in out, out
    assert "the checkpoint of step 8 is good" in out
    assert not paths.preferred.exists()

    said: list[str] = []
    progress = quiet()
    progress.say = said.append
    prefer.run(recipe, paths, progress)
    assert "prefer: going on after step 8" in said
    assert curve(paths) == curve(whole)
    file = "adapter_model.safetensors"
    one, other = load_file(paths.preferred / file), load_file(whole.preferred / file)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_checkpoints_of_other_pairs_are_not_gone_on_with(
    tuned: dict[str, tuple[Path, RunPaths]], tmp_path: Path
) -> None:
    paths = copied(tuned, "lora", tmp_path)
    recipe = recipe_of(tmp_path, tuned["lora"][0], "dpo", "lora")
    prefer.run(recipe, paths, quiet())
    write_examples(paths.prepared / "instructions-train.jsonl.gz", pairs(20, 7))
    said: list[str] = []
    progress = quiet()
    progress.say = said.append
    prefer.run(recipe, paths, progress)
    assert not any("going on" in line for line in said)
    assert len(curve(paths)) == STEPS
