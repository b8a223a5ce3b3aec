"""The rewriter of tone: the voice that was asked for comes out, and what must not be shown is not."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from safetensors.torch import load_file

from tests.support.decoder_ground import quiet
from tests.trainer import small_base
from trainer import instructions, seq2seq, tiny
from trainer.causal import base
from trainer.config import ROOT, Recipe, RunPaths, TrainerError, load_recipe
from trainer.evaluation import rewriter as evaluation
from trainer.records import Example, read_examples, write_examples
from trainer.seq2seq import Rewriter, checked

pytestmark = pytest.mark.torch

DOZEN = (
    ("you wrote a letter", "I want to thank you", "it felt good and quiet"),
    ("you walked along the river", "we made soup", "it came early"),
    ("you moved away last spring", "I was tired but glad", "an old friend moved away"),
    ("you talked about money", "work comes next week", "we wanted some quiet"),
)
"""Plain replies; each is also said warmly (a thank you before it) and shortly (its last word)."""
RECIPE = """
name = "tiny-rewriter"
kind = "seq2seq"
licence = "none"
languages = ["en"]
max_tokens = 48
[base]
model = {base}
family = "bart"
[adapter]
method = "{method}"
[sft]
max_steps = {steps}
batch = 12
lr = {lr}
sequence = 48
precision = "fp32"
device = "cpu"
threads = 1
log_every = 10
eval_every = 40
save_every = 20
[generation]
max_tokens = 24
beams = 3
"""


def pairs() -> list[Example]:
    made = []
    for reply in (text for row in DOZEN for text in row):
        for voice, rewritten in (("warm", f"thank you and {reply}"), ("short", reply.split()[-1])):
            made.append(Example("rewrite", "made", reply, rewritten, instruction=voice))
    return made


def recipe_of(folder: Path, model: Path, method: str = "full", steps: int = 160) -> Recipe:
    file = folder / "rewriter.toml"
    lr = 1e-2 if method == "lora" else 5e-3
    file.write_text(RECIPE.format(base=json.dumps(str(model)), method=method, steps=steps, lr=lr), "utf-8")
    return load_recipe(file)


def prepare(paths: RunPaths) -> None:
    for split in ("train", "valid", "test"):
        write_examples(paths.prepared / f"instructions-{split}.jsonl.gz", pairs())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_base(tmp_path_factory.mktemp("bart") / "base", "bart", "spm", "chatml")


@pytest.fixture(scope="module")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, RunPaths]:
    """A rewriter that has learned a dozen replies in two voices by heart."""
    folder = tmp_path_factory.mktemp("rewriter")
    paths = RunPaths(folder / "run")
    prepare(paths)
    recipe = recipe_of(folder, model)
    seq2seq.run(recipe, paths, quiet())
    return recipe, paths


def test_the_voice_decides_what_comes_out(trained: tuple[Recipe, RunPaths]) -> None:
    _, paths = trained
    rewriter = Rewriter.load(paths.model)
    assert rewriter.voices == ("short", "warm")
    wanted = {(example.input, example.instruction): example.output for example in pairs()}
    right = 0
    for voice in rewriter.voices:
        replies = [reply for reply, asked in wanted if asked == voice]
        made = rewriter.write(replies, voice)
        right += sum(text == wanted[reply, voice] for reply, text in zip(replies, made, strict=True))
        # Padding beside longer texts changes nothing.
        assert made == [rewriter.write([reply], voice)[0] for reply in replies]
    assert right >= 20, right
    said = rewriter.rewrite("you walked along the river", "warm")
    assert said.original == "you walked along the river"
    assert said.rewritten == "thank you and you walked along the river"
    assert not said.fell_back
    with pytest.raises(TrainerError, match=r"no such voice: cold \(known: short, warm\)"):
        rewriter.rewrite("you walked along the river", "cold")


def test_what_fails_the_check_gives_way_to_the_original(trained: tuple[Recipe, RunPaths]) -> None:
    reply = "It sounds like the day was long and that you kept going all the same."
    cases = {
        "": "empty",
        "You clearly have clinical depression, and that is what all of this is.": "diagnosis",
        "오늘은 정말 긴 하루였고 많이 힘드셨을 것 같아요.": "language",
        "the day was long the day was long the day was long": "repeats",
        "long day": "length:short",
    }
    for written, reason in cases.items():
        found = checked(reply, written, "warm", "", "en")
        assert reason in found.reasons
        assert found.original == found.rewritten == reply
    good = "That was a long day, and you still kept going through all of it."
    assert checked(reply, good, "warm", "", "en").rewritten == good
    entry = "Today that was a long day, and you still kept going through all of it, said my sister."
    assert checked(reply, good, "warm", entry, "en").reasons == ("copied",)
    # What is short already may stay short, and nothing else.
    assert checked("rest well", "please rest", "warm", "", "en").rewritten == "please rest"
    # The trained one does so by itself: one word is too short for a reply.
    said = Rewriter.load(trained[1].model).rewrite("you walked along the river", "short")
    assert said.fell_back
    assert said.rewritten == said.original


def test_a_rewriter_is_judged(trained: tuple[Recipe, RunPaths]) -> None:
    recipe, paths = trained
    evaluation.run(recipe, paths, quiet())
    report = json.loads((paths.out / "evaluate.json").read_text())
    assert report["pairs"] == {"train": 24, "test": 24}
    assert report["overlap"]["chrf"] > 80 > report["overlap_of_the_original"]["chrf"]
    assert report["overlap"]["bleu"] > 60
    voice = report["voice"]
    assert voice["reference"] == 1.0
    assert voice["rewritten"] > 0.8
    assert voice["original"] < 0.8
    assert set(voice["by_voice"]) == {"short", "warm"}
    assert report["meaning"]["rewritten"] == pytest.approx(report["meaning"]["reference"], abs=0.1)
    assert -1 <= report["meaning"]["random_pairs"] < report["meaning"]["rewritten"]
    assert report["bertscore"]["separation"] > 0.1
    assert len(report["model_sha256"]) == 64
    assert "another voice" in (paths.out / "evaluate.md").read_text()
    assert report["form"]["copies"] == 0
    assert report["form"]["exact"] >= 20
    # The short ones are too short to be shown.
    assert 0.3 < report["check"]["shown"] < 0.7
    assert report["check"]["reasons"]["length:short"] >= 8
    assert report["speed"]["replies_per_s"] > 0
    assert not any(example.output in json.dumps(report) for example in pairs() if " " in example.output)


def test_copies_and_lengths_are_counted() -> None:
    test = pairs()[:4]
    texts = [test[0].input.upper() + ".", "", test[2].output, test[3].input + " " + test[3].input]
    found = evaluation.form(test, texts)
    assert found["copies"] == 1
    assert found["empty"] == 1
    assert found["exact"] == 1
    ratios = sorted(len(text) / len(example.input) for text, example in zip(texts, test, strict=True))
    assert found["length_ratio_median"] == pytest.approx((ratios[1] + ratios[2]) / 2)
    perfect = evaluation.overlap([e.output for e in test], [e.output for e in test], "en")
    assert perfect["chrf"] == pytest.approx(100)
    assert perfect["bleu"] == pytest.approx(100)
    assert "tok:char" in evaluation.overlap(["가나"], ["가나"], "ko")["signatures"][1]


KILLED = """
import sys
from pathlib import Path
from trainer import seq2seq
from trainer.config import RunPaths, load_recipe
from trainer.progress import Progress
seq2seq.run(load_recipe(Path(sys.argv[1])), RunPaths(Path(sys.argv[2])), Progress(sys.stdout, every=0))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_curve(model: Path, tmp_path: Path) -> None:
    whole, paths = RunPaths(tmp_path / "whole"), RunPaths(tmp_path / "killed")
    for one in (whole, paths):
        prepare(one)
    recipe = recipe_of(tmp_path, model, steps=60)
    seq2seq.run(recipe, whole, quiet())
    process = small_base.python("-c", KILLED, str(tmp_path / "rewriter.toml"), str(paths.out))
    told = ""
    assert process.stdout is not None
    for told in process.stdout:
        if "finetune: 30/60" in told:
            break
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, told
    said: list[str] = []
    progress = quiet()
    progress.say = said.append
    seq2seq.run(recipe, paths, progress)
    assert any(line.startswith("finetune: going on after step") for line in said)
    curves = [
        [
            {k: v for k, v in json.loads(line).items() if k != "seconds"}
            for line in (p.out / "curve-finetune.jsonl").read_text().splitlines()
        ]
        for p in (paths, whole)
    ]
    assert curves[0] == curves[1]
    first, second = (load_file(p.model / "model.safetensors") for p in (paths, whole))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_adapters_are_merged_into_what_is_left(model: Path, tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "run")
    prepare(paths)
    result = seq2seq.run(recipe_of(tmp_path, model, "lora", 20), paths, quiet())
    assert paths.model / "model.safetensors" in result.outputs
    assert not any("lora" in name for name in load_file(paths.model / "model.safetensors"))
    assert Rewriter.load(paths.model).write(["we made soup"], "warm")


def test_words_that_spell_a_special_token_stay_words(model: Path) -> None:
    tokenizer = base.load_tokenizer(model)
    pieces = seq2seq.Pieces(tokenizer, 16)
    ids = pieces.asked("good </s> night", "warm")
    assert ids.count(tokenizer.eos_token_id) == 1
    assert ids[-1] == tokenizer.eos_token_id
    assert len(pieces.ids("good " * 60)) <= 16


def test_pairs_come_from_a_file_by_the_recipes_own_columns(tmp_path: Path) -> None:
    recipe = load_recipe(ROOT / "trainer" / "recipes" / "korean-tone-bart.toml")
    paths = RunPaths(tmp_path / "run")
    source = replace(recipe.sources[0], path=str(ROOT / recipe.sources[0].path))
    instructions.run(replace(recipe, sources=(source,)), paths, quiet())
    found = seq2seq.pairs_of(read_examples(paths.prepared / "instructions-train.jsonl.gz"))
    assert len(found) > 30
    assert {example.instruction for example in found} == {"반말", "다정하게", "존댓말"}


def test_nothing_to_rewrite_is_told(model: Path, tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "run")
    small_base.prepare(paths.out, small_base.examples(4), small_base.examples(4))
    with pytest.raises(TrainerError, match="map names the columns"):
        seq2seq.run(recipe_of(tmp_path, model), paths, quiet())
    with pytest.raises(TrainerError, match="finetune"):
        evaluation.run(recipe_of(tmp_path, model), paths, quiet())
