from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests.trainer import small_base  # noqa: E402
from trainer import cli  # noqa: E402
from trainer.causal import base, guard, sft  # noqa: E402
from trainer.causal.loop import rate, read_curve, shard  # noqa: E402
from trainer.causal.packing import Learner, lay_out  # noqa: E402
from trainer.config import RunPaths, TrainerError, load_recipe  # noqa: E402
from trainer.progress import Progress  # noqa: E402

pytestmark = pytest.mark.torch

QUICK = 'sequence = 96\nshape = "template"\nlog_every = 1\neval_every = 100\nsave_every = 3\nprecision = "fp32"\n'
LORA = 'method = "lora"\nr = 4\nalpha = 8\ndropout = 0.1'


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return small_base.make_base(tmp_path_factory.mktemp("base") / "llama")


class Case:
    """One run on the tiny base: a recipe file, and its folder with prepared instructions."""

    def __init__(self, folder: Path, tiny: Path) -> None:
        self.folder, self.tiny = folder, tiny
        self.log = io.StringIO()
        self.paths = RunPaths(folder / "run")
        small_base.prepare(self.paths.out, small_base.examples(48), small_base.examples(8))

    def recipe(self, adapter: str = LORA, settings: str = "", **changes):
        path = small_base.write_recipe(self.folder / "recipe.toml", self.tiny, adapter=adapter, sft=QUICK + settings)
        recipe = load_recipe(path)
        return dataclasses.replace(recipe, sft=dataclasses.replace(recipe.sft, **changes))

    def run(self, recipe, progress=None):
        return sft.run(recipe, self.paths, progress or Progress(self.log, every=0))

    @property
    def curve(self) -> list[dict]:
        return read_curve(self.paths.out / sft.CURVE)

    def losses(self) -> list[tuple[int, float]]:
        return [(line["step"], line["loss"]) for line in self.curve if "loss" in line]

    def checkpoints(self) -> guard.Checkpoints:
        return guard.Checkpoints(self.paths.checkpoints / "finetune")


@pytest.fixture
def case(tmp_path, tiny) -> Case:
    return Case(tmp_path, tiny)


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_it_learns_and_leaves_what_others_need(case, tiny, method):
    adapter = f'method = "{method}"\nr = 8'
    recipe = case.recipe(adapter, "epochs = 12\nbatch = 2\nlr = 5e-3\n", eval_every=10, save_every=50)
    result = case.run(recipe)
    losses = [loss for _, loss in case.losses()]
    # Adapters on a random base cannot change its random embedding: they learn less.
    assert losses[-1] < (0.6 if method == "full" else 0.9) * losses[0]
    names = {path.name for path in result.outputs}
    assert {"tokenizer.json", "base.json", sft.CURVE} <= names
    assert ("adapter_config.json" in names) == (method != "full")
    assert json.loads((case.paths.adapter / "base.json").read_text())["sha256"] == base.weights_sha256(tiny)
    assert {"step", "loss", "lr", "tokens", "seconds"} <= set(case.curve[0])
    assert any("eval_loss" in line for line in case.curve)
    folder = base.trained(case.paths)
    model = base.load_trained(folder, tiny, device=torch.device("cpu"), dtype=torch.float32)
    valid = case.paths.prepared / "instructions-valid.jsonl.gz"
    batch = lay_out(sft.encoded(valid, recipe, base.template_of(recipe), base.load_tokenizer(folder)))
    model.eval()
    with torch.no_grad():
        loss = Learner(model, "sdpa")(batch).item() / batch.weight
    # What was saved answers as what was trained; the base's rounding to 4 bits is not in the adapter's file.
    assert loss == pytest.approx(result.summary["valid_loss"], rel=0.05 if method == "qlora" else 1e-5)


def test_four_bits_still_learn_in_every_layer_after_an_evaluation(case):
    recipe = case.recipe('method = "qlora"\nr = 4', "epochs = 1\nmax_steps = 4\nbatch = 2\n", eval_every=1)
    model, _ = sft.prepare_model(recipe, case.tiny, torch.device("cpu"), Progress(case.log), checkpointing=False)
    stored = [w for n, w in model.named_parameters() if n.endswith("base_layer.weight")]
    assert len(stored) == 14  # 7 linear layers in each of 2 blocks
    assert all(w.dtype == torch.uint8 and w.quant_state.nested for w in stored)
    ids = torch.arange(20)[None]
    model.eval()
    with torch.no_grad():
        model(ids)
    model.train()
    model(ids, labels=ids).loss.backward()
    first = [w for n, w in model.named_parameters() if "layers.0." in n and "lora_B" in n]
    assert first
    assert all(float(w.grad.abs().sum()) > 0 for w in first)


def test_recomputing_activations_changes_no_digit_that_counts(case):
    curves = []
    for wish in ("off", "on"):
        shutil.rmtree(case.paths.checkpoints, ignore_errors=True)
        case.run(case.recipe(settings="max_steps = 4\nbatch = 2\n", checkpointing=wish))
        curves.append([loss for _, loss in case.losses()])
    assert curves[0] == pytest.approx(curves[1], abs=1e-5)
    assert "computed again" in case.log.getvalue()


def test_killed_it_goes_on_with_the_curve_that_it_would_have_had(case, tmp_path, tiny):
    settings = 'epochs = 12\nbatch = 2\naccumulate = 2\noptimizer = "paged_adamw_8bit"\n'
    recipe = case.recipe(settings=settings)
    case.run(recipe)
    assert "adamw stands in for paged_adamw_8bit" in case.log.getvalue()
    whole, weights = case.losses(), (case.paths.adapter / "adapter_model.safetensors").read_bytes()
    killed = Case(tmp_path / "killed", tiny)
    killed.recipe(settings=settings)
    script = (
        "import sys; from pathlib import Path; from trainer.config import *; from trainer.causal import sft;"
        "from trainer.progress import Progress;"
        "sft.run(load_recipe(Path(sys.argv[1])), RunPaths(Path(sys.argv[2])), Progress())"
    )
    process = small_base.python("-c", script, str(killed.folder / "recipe.toml"), str(killed.paths.out))
    deadline = time.monotonic() + 120
    while len(killed.losses()) < 8 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = killed.losses()[-1][0]
    assert 8 <= reached < len(whole), "it was to be killed in the middle"
    (killed.paths.checkpoints / "finetune" / "step-000999.part").mkdir()
    killed.run(recipe)
    assert "going on after step" in killed.log.getvalue()
    assert not list(killed.paths.checkpoints.glob("**/*.part"))
    assert [step for step, _ in killed.losses()] == [step for step, _ in whole]
    assert [loss for _, loss in killed.losses()] == pytest.approx([loss for _, loss in whole], abs=1e-6)
    assert (killed.paths.adapter / "adapter_model.safetensors").read_bytes() == weights


def test_a_checkpoint_that_cannot_be_read_gives_way_to_the_one_before(case):
    recipe = case.recipe(settings="max_steps = 9\nbatch = 2\n")
    case.run(recipe)
    before = case.losses()
    assert case.checkpoints().steps() == [6, 9]
    newest = case.checkpoints().path(9) / guard.STATE
    newest.write_bytes(newest.read_bytes()[:1000])
    case.run(recipe)
    assert "step 9 cannot be read" in case.log.getvalue()
    assert "going on after step 6" in case.log.getvalue()
    assert case.losses() == before


def test_other_settings_start_afresh(case):
    case.run(case.recipe(settings="max_steps = 4\nbatch = 2\n"))
    case.run(case.recipe(settings="max_steps = 4\nbatch = 2\nlr = 5e-4\n"))
    assert "starting afresh" in case.log.getvalue()
    assert len(case.losses()) == 4
    assert max(line["lr"] for line in case.curve if "lr" in line) == pytest.approx(5e-4)


def test_a_loss_that_is_no_number_stops_with_the_last_good_checkpoint(case):
    # 1e30 is far beyond what 32 bits hold once squared: the step after the first is NaN.
    wild = case.recipe('method = "full"', "max_steps = 12\nbatch = 2\n", lr=1e30, save_every=1, warmup=0.0, clip=0.0)
    with pytest.raises(TrainerError) as stopped:
        case.run(wild)
    message = str(stopped.value)
    assert "\n" not in message
    assert "not finite at step" in message
    assert "lower sft.lr" in message
    saved = case.checkpoints()
    good = saved.steps()[-1]
    assert f"the checkpoint of step {good} is good" in message
    state = saved.load(pytest.fail)
    assert state is not None
    assert all(math_is_finite(w) for w in state["weights"].values())
    # The same command with the rate that was advised goes on from it.
    with contextlib.suppress(TrainerError):  # the weights were good numbers, not necessarily good weights
        case.run(dataclasses.replace(wild, sft=dataclasses.replace(wild.sft, lr=1e-6)))
    assert f"going on after step {good}" in case.log.getvalue()


def math_is_finite(weight) -> bool:
    return bool(torch.isfinite(weight).all())


class Filling(Progress):
    """From the given step on, no file may grow beyond ``room`` bytes: to a writer, that is a full disk."""

    def __init__(self, step: int, room: int) -> None:
        super().__init__(io.StringIO(), every=0)
        self._mark, self._room = f"finetune: {step}/", room

    def say(self, text: str) -> None:
        super().say(text)
        if text.startswith(self._mark):
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._room, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def test_a_full_disk_leaves_the_last_good_checkpoint(case):
    recipe = case.recipe('method = "full"', "max_steps = 12\nbatch = 2\n", save_every=4)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(TrainerError) as stopped:
            case.run(recipe, Filling(6, 100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    message = str(stopped.value)
    assert "\n" not in message
    assert "the disk is full while saving the checkpoint of step 8" in message
    assert "the checkpoint of step 4 is good" in message
    assert case.checkpoints().steps() == [4]
    assert not list(case.paths.checkpoints.glob("**/*.part"))
    case.run(recipe)
    assert "going on after step 4" in case.log.getvalue()
    assert [step for step, _ in case.losses()] == list(range(1, 13))


def test_missing_memory_is_one_line_that_says_what_to_lower(tmp_path):
    checkpoints = guard.Checkpoints(tmp_path)
    checkpoints.save(7, {"x": 1})
    with (
        pytest.raises(TrainerError, match=r"out of memory; lower sft.batch: the checkpoint of step 7 is good"),
        guard.memory(checkpoints, "lower sft.batch"),
    ):
        torch.empty(2**50)
    with pytest.raises(RuntimeError, match="shape"), guard.memory(checkpoints, ""):
        torch.ones(2).reshape(3)  # other errors stay what they are


def test_the_best_weights_on_valid_are_kept(case):
    # Far too fast: training loss falls, valid loss rises after a while.
    recipe = case.recipe('method = "full"', "epochs = 6\nbatch = 4\nlr = 2e-2\n", eval_every=1, schedule="constant")
    small_base.prepare(case.paths.out, small_base.examples(12), small_base.examples(64)[40:])
    result = case.run(recipe)
    evals = {line["step"]: line["eval_loss"] for line in case.curve if "eval_loss" in line}
    best = min(evals, key=lambda step: evals[step])
    assert best < max(evals), "the last must not be the best, or nothing is shown"
    assert result.summary["valid_loss"] == pytest.approx(evals[best])
    assert f"keeping the weights of step {best}" in case.log.getvalue()
    kept = torch.load(case.checkpoints().folder / "best" / guard.STATE, weights_only=True)
    model = base.load_trained(case.paths.adapter, case.tiny, device=torch.device("cpu"), dtype=torch.float32)
    assert torch.equal(model.lm_head.weight, kept["weights"]["model.model.embed_tokens.weight"])


def test_schedules_are_those_of_their_names():
    for name in ("cosine", "linear", "constant"):
        values = [rate(step, 100, name, 0.1) for step in range(100)]
        assert values[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
        assert values[10] == 1.0
        assert values[-1] == (1.0 if name == "constant" else pytest.approx(0, abs=0.02))
    assert rate(55, 100, "cosine", 0.1) == pytest.approx(0.5)
    assert rate(55, 100, "linear", 0.1) == pytest.approx(0.5)


def test_a_base_that_is_not_here_says_what_to_do(case):
    recipe = case.recipe()
    lost = dataclasses.replace(recipe, base=dataclasses.replace(recipe.base, model="nobody/nothing-here"))
    with pytest.raises(TrainerError, match="--download"):
        case.run(lost)


def test_an_adapter_knows_its_base(case, tmp_path):
    case.run(case.recipe(settings="max_steps = 1\n"))
    other = small_base.make_base(tmp_path / "other", seed=9)
    with pytest.raises(TrainerError, match="other weights"):
        base.load_trained(case.paths.adapter, other, device=torch.device("cpu"), dtype=torch.float32)


def test_two_processes_learn_as_one_with_doubled_accumulation(case, tmp_path, tiny):
    settings = "epochs = 2\nbatch = 2\n"
    case.run(case.recipe(settings=settings, accumulate=2))
    alone = case.losses()
    evals = [line["eval_loss"] for line in case.curve if "eval_loss" in line]
    two = Case(tmp_path / "two", tiny)
    two.recipe(settings=settings + "accumulate = 1\n")
    small_base.finish_prepare(two.folder / "recipe.toml", two.paths)
    process = small_base.command(
        "trainer.cli", "finetune", "--recipe", str(two.folder / "recipe.toml"), "--out", str(two.paths.out), torchrun=2
    )
    try:
        said, _ = process.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, said[-2000:]
    assert [step for step, _ in two.losses()] == [step for step, _ in alone]
    assert [loss for _, loss in two.losses()] == pytest.approx([loss for _, loss in alone], abs=1e-4)
    assert [line["eval_loss"] for line in two.curve if "eval_loss" in line] == pytest.approx(evals, abs=1e-4)
    assert said.count("weights learn") == 1, "only the first process speaks"
    assert cli.Ledger(two.paths.out / "stages.json").done("finetune")
    ours, theirs = (load(c) for c in (case, two))
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in ours)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_sharded_model_learns_the_same_and_goes_on_after_a_kill(case, tmp_path, tiny, monkeypatch, method):
    settings = "epochs = 2\nbatch = 2\n"
    adapter = f'method = "{method}"\nr = 4'
    case.run(case.recipe(adapter, settings, accumulate=2))
    two = Case(tmp_path / "two", tiny)
    two.recipe(adapter, settings + "accumulate = 1\n")
    small_base.finish_prepare(two.folder / "recipe.toml", two.paths)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")  # as `accelerate launch --config_file docs/trainer/fsdp.yaml`
    arguments = ("trainer.cli", "finetune", "--recipe", str(two.folder / "recipe.toml"), "--out", str(two.paths.out))
    process = small_base.command(*arguments, torchrun=2)
    said, _ = process.communicate(timeout=250)
    assert process.returncode == 0, said[-2000:]
    expected = [loss for _, loss in case.losses()]
    assert [loss for _, loss in two.losses()] == pytest.approx(expected, abs=1e-4)
    # As if it had been killed after the last but one checkpoint.
    shutil.rmtree(two.checkpoints().path(two.checkpoints().steps()[-1]))
    shutil.rmtree(two.paths.adapter)
    process = small_base.command(*arguments, torchrun=2)
    said, _ = process.communicate(timeout=250)
    assert process.returncode == 0, said[-2000:]
    assert "going on after step" in said
    assert [loss for _, loss in two.losses()] == pytest.approx(expected, abs=1e-4)
    name = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    ours, theirs = (load(c, name) for c in (case, two))
    assert set(ours) == set(theirs)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in ours)


def test_four_bits_cannot_be_sharded(case):
    recipe = case.recipe('method = "qlora"')
    model, attention = sft.prepare_model(
        recipe, case.tiny, torch.device("cpu"), Progress(case.log), checkpointing=False
    )
    with pytest.raises(TrainerError, match="without FSDP"):
        shard(Learner(model, attention), torch.device("cpu"), 1)


def load(case: Case, name: str = "adapter_model.safetensors") -> dict:
    from safetensors.torch import load_file

    return load_file(str(case.paths.adapter / name))
