"""Distillation: the student comes nearer to the teacher on text that neither learned from."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from journal_app.contract.tasks import TASKS
from journal_app.inference import catalog
from journal_app.inference.llama import LlamaReader
from journal_app.inference.scoring import probabilities
from tests.support.decoder_ground import Ground, lay, quiet
from tests.trainer import small_base
from trainer import decoder, distill, gguf_llama, lessons, prepare, pretrain, tokenizer
from trainer.causal import base, sft
from trainer.config import Recipe, RunPaths, TrainerError
from trainer.sections import BaseConfig, DistillConfig, SftConfig

pytestmark = [pytest.mark.torch, pytest.mark.llm]

TEACHER = catalog.embedded_reader()
STEPS = 40


def with_teacher(text: str) -> str:
    text = text.replace("steps = 220", "steps = 40").replace("tokens = 53760", "tokens = 17920")
    return text + (
        f"\n[distill]\nteacher = {json.dumps(str(TEACHER))}\nsources = ['blog_prose', 'chat_en']\ntexts = 120\n"
        f"steps = {STEPS}\nbatch = 8\nlr = 2e-3\nsave_every = 10\n"
    )


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A decoder that was fine-tuned for a moment."""
    ground = lay(tmp_path_factory.mktemp("distill"), with_teacher)
    prepare.run(ground.recipe, ground.paths, quiet())
    for stage in (tokenizer, pretrain, lessons, decoder):
        stage.run(ground.recipe, ground.paths, quiet())
    return ground


def copied(ground: Ground, folder: Path) -> RunPaths:
    paths = replace(ground.paths, out=folder / "run")
    shutil.copytree(ground.paths.out, paths.out, ignore=shutil.ignore_patterns("checkpoints", "distill*"))
    return paths


def causal(ground: Ground, folder: Path) -> tuple[Recipe, RunPaths]:
    """A language model that finetune left, for the corpora of ``ground``."""
    made = small_base.make_base(folder / "base")
    paths = RunPaths(folder / "run", ground.paths.data)
    rows = [row for task in ("emotion", "stress", "severity") for row in small_base.examples(12, task)]
    small_base.prepare(paths.out, rows, rows[::4])
    recipe = replace(
        ground.recipe,
        kind="causal",
        base=BaseConfig(model=str(made), family="llama", template="chatml"),
        adapter=replace(ground.recipe.adapter, method="lora", r=8, alpha=16),
        sft=SftConfig(
            max_steps=3,
            batch=4,
            lr=1e-3,
            sequence=224,
            precision="fp32",
            threads=1,
            device="cpu",
            checkpointing="off",
            shape="contract",
        ),
        distill=replace(ground.recipe.distill, lr=5e-3),
    )
    sft.run(recipe, paths, quiet())
    return recipe, paths


def means(report: dict[str, dict[str, dict[str, float]]], when: str, name: str) -> float:
    return float(np.mean([facts[name] for facts in report[when].values()]))


def test_a_decoder_comes_nearer_to_its_teacher(ground: Ground, tmp_path: Path) -> None:
    paths = copied(ground, tmp_path)
    tuned = (paths.model / "model.pt").read_bytes()
    gguf_llama.run(ground.recipe, paths, quiet())
    before = paths.gguf(ground.recipe, "F16").read_bytes()
    result = distill.run(ground.recipe, paths, quiet())
    report = json.loads((paths.out / "distill.json").read_text())
    assert set(report["held_out_after"]) == set(ground.recipe.data.tasks)
    assert report["passages"]["held_out"] > 10
    assert means(report, "held_out_after", "agreement") > means(report, "held_out_before", "agreement") + 0.02
    for task, facts in report["held_out_after"].items():
        assert facts["kl"] < report["held_out_before"][task]["kl"], task
    curve = [json.loads(line) for line in (paths.out / distill.CURVE).read_text().splitlines()]
    assert [line["step"] for line in curve] == list(range(10, STEPS + 1, 10))
    assert curve[-1]["loss"] < curve[0]["loss"]
    # What finetune left stays; what is exported is what was distilled.
    assert (paths.model / "model.pt").read_bytes() == tuned
    assert paths.model / "distilled.pt" in result.outputs
    gguf_llama.run(ground.recipe, paths, quiet())
    assert paths.gguf(ground.recipe, "F16").read_bytes() != before


def test_a_language_model_comes_nearer_to_its_teacher(ground: Ground, tmp_path: Path) -> None:
    recipe, paths = causal(ground, tmp_path)
    adapter = {path.name: path.read_bytes() for path in paths.adapter.iterdir()}
    distill.run(recipe, paths, quiet())
    report = json.loads((paths.out / "distill.json").read_text())
    assert means(report, "held_out_after", "agreement") > means(report, "held_out_before", "agreement") + 0.02
    assert means(report, "held_out_after", "kl") < 0.9 * means(report, "held_out_before", "kl")
    assert {path.name: path.read_bytes() for path in paths.adapter.iterdir()} == adapter
    assert base.tuned(paths) == paths.distilled
    # Half the weight on labels, both sides softened.
    mixed = replace(recipe, distill=replace(recipe.distill, weight=0.5, temperature=2.0))
    distill.run(mixed, paths, quiet())
    report = json.loads((paths.out / "distill.json").read_text())
    assert means(report, "held_out_after", "kl") < means(report, "held_out_before", "kl")


def test_the_teacher_is_asked_once_and_no_word_is_kept(ground: Ground, tmp_path: Path) -> None:
    recipe, cache = ground.recipe, tmp_path / "teacher.jsonl"
    texts = distill.passages(ground.paths.corpora(), recipe.distill.sources, "valid", 40, 3)
    assert len(set(texts)) == len(texts) == 40
    assert max(len(text.split()) for text in texts) <= distill.WORDS
    known = distill.label(TEACHER, recipe, texts, cache, quiet())
    content = cache.read_text("utf-8")
    words = {word.strip(".").lower() for text in texts for word in text.split() if len(word) > 4}
    assert not [word for word in words if word in content.lower().replace("surprise", "")]
    with LlamaReader(TEACHER) as reader:
        manifest = reader.info().manifest
        logits = reader.logits(texts[:3])
    for text, found in zip(texts, logits, strict=False):
        expected = probabilities("emotion", found["emotion"], manifest.calibration.get("emotion"))
        np.testing.assert_allclose(known[text]["emotion"], expected, atol=1e-5)

    # A kill in the middle of a line: what was whole is not asked again.
    lines = content.splitlines()
    cache.write_text("\n".join(lines[:30]) + "\n" + lines[30][:20], "utf-8")
    said: list[str] = []
    progress = quiet()
    progress.say = said.append
    assert distill.label(TEACHER, recipe, texts, cache, progress) == known
    assert "distill: teacher: 11/11 texts" in said[-1]
    # Another teacher's answers are not taken for this one's.
    fewer = replace(recipe, distill=replace(recipe.distill, tasks=("emotion",)))
    assert set(distill.label(TEACHER, fewer, texts, cache, quiet())[texts[0]]) == {"emotion"}


KILLED = """
import sys
from pathlib import Path
from trainer import distill
from trainer.config import RunPaths, load_recipe
from trainer.progress import Progress
recipe, out, data = map(Path, sys.argv[1:])
distill.run(load_recipe(recipe), RunPaths(out, data), Progress(sys.stdout, every=0))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_curve(ground: Ground, tmp_path: Path) -> None:
    whole = copied(ground, tmp_path / "whole")
    distill.run(ground.recipe, whole, quiet())
    paths = copied(ground, tmp_path / "killed")
    process = small_base.python("-c", KILLED, str(ground.file), str(paths.out), str(ground.paths.data))
    told = ""
    assert process.stdout is not None
    for told in process.stdout:
        if "distill: 30/40" in told:
            break
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, told
    assert not (paths.model / "distilled.pt").exists()
    state = torch.load(paths.checkpoints / "distill.pt", weights_only=True)
    assert state["step"] in (20, 30)
    distill.run(ground.recipe, paths, quiet())
    assert (paths.out / distill.CURVE).read_text() == (whole.out / distill.CURVE).read_text()
    one, other = (torch.load(p.model / "distilled.pt", weights_only=True)["weights"] for p in (paths, whole))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_no_teacher_no_student(ground: Ground, tmp_path: Path) -> None:
    paths = copied(ground, tmp_path)
    (paths.model / "distilled.pt").write_bytes(b"stale")
    paths.distilled.mkdir()
    none = replace(ground.recipe, distill=DistillConfig())
    assert distill.run(none, paths, quiet()).outputs == ()
    assert not (paths.model / "distilled.pt").exists()
    assert not paths.distilled.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: replace(d, teacher="nowhere.gguf"), "does not exist"),
        (lambda d: replace(d, tasks=("themes",)), "none of the recipe's tasks"),
        (lambda d: replace(d, sources=("no_such_set",)), "not a corpus of running text"),
        (lambda d: replace(d, temperature=0.0), "temperature"),
        (lambda d: replace(d, weight=0.0), "weight"),
    ],
)
def test_what_cannot_be_distilled_is_told(
    ground: Ground, tmp_path: Path, change: Callable[[DistillConfig], DistillConfig], message: str
) -> None:
    recipe = replace(ground.recipe, distill=change(ground.recipe.distill))
    with pytest.raises(TrainerError, match=message):
        distill.run(recipe, copied(ground, tmp_path), quiet())
    fake = tmp_path / "fake.gguf"
    fake.write_bytes(b"no model")
    with pytest.raises(TrainerError, match="cannot be read"):
        distill.label(fake, recipe, ["a text"], tmp_path / "c.jsonl", quiet())


def test_softening() -> None:
    sharp = (0.9, 0.06, 0.01, 0.01, 0.01, 0.01)
    assert distill.soften("emotion", sharp, 1.0) == sharp
    soft = distill.soften("emotion", sharp, 2.0)
    assert sum(soft) == pytest.approx(1)
    assert soft[0] == pytest.approx(0.9**0.5 / sum(p**0.5 for p in sharp))
    labels = len(TASKS["feelings"].labels)
    several = distill.soften("feelings", (0.9, -1.0, *[0.5] * (labels - 2)), 3.0)
    assert several[0] == pytest.approx(9 ** (1 / 3) / (1 + 9 ** (1 / 3)))
    assert several[1] == -1.0
    assert several[2] == pytest.approx(0.5)


def test_agreement_is_what_it_says() -> None:
    n = len(TASKS["feelings"].labels)
    first = {"stress": (0.75, 0.25), "feelings": (0.9, -1.0, *[0.2] * (n - 2))}
    second = {"stress": (0.1, 0.9), "feelings": (0.4, -1.0, *[0.2] * (n - 2))}
    valid = [distill.Passage("a", first), distill.Passage("b", second)]
    same = {
        "stress": np.log(np.array([[0.75, 0.25], [0.1, 0.9]])),
        "feelings": np.log(np.array([[0.9 / 0.1, 1, *[0.25] * (n - 2)], [0.4 / 0.6, 1, *[0.25] * (n - 2)]])),
    }
    found = distill.agreement(same, valid)
    assert found["stress"] == {"agreement": 1.0, "kl": pytest.approx(0, abs=1e-9)}
    assert found["feelings"] == {"agreement": 1.0, "kl": pytest.approx(0, abs=1e-9)}
    turned = distill.agreement({"stress": same["stress"][::-1]}, valid)["stress"]
    assert turned["agreement"] == 0.0
    expected = 0.75 * np.log(7.5) + 0.25 * np.log(0.25 / 0.9)
    expected += 0.1 * np.log(0.1 / 0.75) + 0.9 * np.log(0.9 / 0.25)
    assert turned["kl"] == pytest.approx(expected / 2)


def test_a_certain_teacher_is_a_label(ground: Ground) -> None:
    frame = decoder.Frame.load(ground.paths.lessons / "frame.json")
    model = decoder.load_model(ground.paths.model / "model.pt").eval()
    entry = [10, 11, 12, 13]
    hard: list[decoder.Target] = [2, 1]
    soft: list[decoder.Target] = [(0.0, 0.0, 1.0, 0.0, 0.0, 0.0), (0.0, 1.0)]
    losses = []
    for targets in (hard, soft):
        batch = decoder.lay_out(frame, [(entry, dict(zip(("emotion", "stress"), targets, strict=True)))])
        losses.append(float(decoder.batch_loss(model, frame, batch, 0.0).detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
