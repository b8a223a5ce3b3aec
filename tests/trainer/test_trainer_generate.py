"""Talking with a model: one reply, a piped text, a conversation that Ctrl-C does not end."""

from __future__ import annotations

import argparse
import io
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

from journal_app.inference.writer import LlamaWriter
from trainer import cli, generate, tiny
from trainer.causal import convert
from trainer.config import ROOT, Recipe, RunPaths, TrainerError, load_recipe

pytestmark = [pytest.mark.torch, pytest.mark.llm]

RECIPE = """
name = "tiny-talk"
kind = "causal"
licence = "CC0-1.0"
[data]
tasks = []
[base]
model = "nowhere"
family = "qwen2"
template = "chatml"
[generation]
max_tokens = {tokens}
temperature = 1.0
"""


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an F16 file of a tiny random model."""
    folder = tmp_path_factory.mktemp("talk")
    (folder / "recipe.toml").write_text(RECIPE.format(tokens=12), "utf-8")
    (folder / "long.toml").write_text(RECIPE.format(tokens=450), "utf-8")
    recipe = load_recipe(folder / "recipe.toml")
    base = tiny.make_base(folder / "base", "qwen2", "byte-bpe", "chatml")
    out = RunPaths(folder / "out")
    convert.write_gguf(base, out.gguf(recipe, "F16"), name="tiny", manifest=convert.manifest_of(recipe))
    return folder


def arguments(folder: Path, *more: str, recipe: str = "recipe.toml") -> list[str]:
    return ["generate", "--recipe", str(folder / recipe), "--out", str(folder / "out"), *more]


def start(folder: Path, *more: str, stdin: int, recipe: str = "recipe.toml") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "trainer.cli", *arguments(folder, *more, recipe=recipe)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # A job in the background of a shell ignores Ctrl-C, and its children would inherit that.
        preexec_fn=None if sys.platform == "win32" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_one_reply_is_written_and_its_verdict_beside_it(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments(run_folder, "--prompt", "A long day at the lake.")) == 0
    first = capsys.readouterr()
    assert first.out.strip()
    assert "[check: " in first.err
    assert cli.main(arguments(run_folder, "--prompt", "A long day at the lake.")) == 0
    assert capsys.readouterr().out == first.out, "the seed is the recipe's"
    log = (run_folder / "out" / "train.log").read_text("utf-8") if (run_folder / "out" / "train.log").exists() else ""
    assert "lake" not in log
    assert first.out.strip() not in log


def test_a_reply_comes_word_by_word(run_folder: Path) -> None:
    class Slow(io.StringIO):
        times: list[float]

        def write(self, text: str, /) -> int:
            self.times.append(time.monotonic())
            return super().write(text)

    out = Slow()
    out.times = []
    recipe = load_recipe(run_folder / "recipe.toml")
    with LlamaWriter(RunPaths(run_folder / "out").gguf(recipe, "F16"), threads=1, context=256) as writer:
        talk = generate.Talk(recipe, writer, reflects=False)
        reply = talk.answer("A day.", out, io.StringIO())
        assert len(out.times) > 3
        assert out.getvalue().strip() == reply
        assert talk.turns == [("user", "A day."), ("assistant", reply)]
        talk.answer("And then?", out, io.StringIO())
        assert [role for role, _ in talk.turns] == ["user", "assistant"] * 2


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("You carried a lot today, and you still made time to write it down.", "[check: passed]"),
        ("You have depression.", "would not be shown (length:short, diagnosis)"),
    ],
)
def test_the_verdict_is_the_apps_own(
    run_folder: Path, reply: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(run_folder / "recipe.toml")
    notes = io.StringIO()
    with LlamaWriter(RunPaths(run_folder / "out").gguf(recipe, "F16"), threads=1, context=256) as writer:
        monkeypatch.setattr(
            writer, "chat", lambda *_, **__: iter(reply.split(" ")[:1] + [" " + w for w in reply.split(" ")[1:]])
        )
        generate.Talk(recipe, writer, reflects=False).answer("A day.", io.StringIO(), notes)
    if "diagnosis" in verdict:
        assert "would not be shown" in notes.getvalue()
        assert "diagnosis" in notes.getvalue()
    else:
        assert notes.getvalue().strip() == verdict


def test_a_piped_text_is_one_message(run_folder: Path) -> None:
    process = start(run_folder, stdin=subprocess.PIPE)
    out, err = process.communicate("It rained.\nAll day.\n", timeout=120)
    assert process.returncode == 0
    assert out.strip()
    assert err.count("[check: ") == 1


def test_an_empty_text_is_refused(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(" \n"))
    assert cli.main(arguments(run_folder)) == 2
    assert "the prompt is empty" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_control_c_stops_a_reply_and_not_the_conversation(run_folder: Path) -> None:
    import pty

    terminal, theirs = pty.openpty()
    process = start(run_folder, stdin=theirs, recipe="long.toml")
    assert process.stdout is not None
    assert process.stderr is not None
    told: list[str] = []
    thread = threading.Thread(target=lambda: told.extend(iter(process.stderr.readline, "")))
    thread.start()

    def wait_for(what: str) -> None:
        end = time.monotonic() + 60
        while not any(what in line for line in told):
            assert time.monotonic() < end, what
            time.sleep(0.02)

    try:
        wait_for("ends the conversation")
        os.write(terminal, b"Tell me of the rain.\n")
        # The prompt sign, then the first words of the reply.
        seen = b""
        while len(seen) < 6:
            assert select.select([process.stdout], [], [], 60)[0]
            seen += os.read(process.stdout.fileno(), 1)
        process.send_signal(signal.SIGINT)
        wait_for("[stopped; check: ")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        wait_for("(an empty line ends the conversation)")
        told.clear()
        os.write(terminal, b"Go on.\n")
        wait_for("[check: ")
        os.write(terminal, b"\n")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        thread.join()
        process.stdout.close()
        process.stderr.close()
        os.close(terminal)
        os.close(theirs)


def test_a_model_that_learned_the_contract_reflects_as_it_asks(run_folder: Path) -> None:
    recipe = load_recipe(run_folder / "recipe.toml")
    with LlamaWriter(RunPaths(run_folder / "out").gguf(recipe, "F16"), threads=1, context=256) as writer:
        asked: list[list[int]] = []
        stream = writer._stream
        writer._stream = lambda ids, *rest: (asked.append(ids), stream(ids, *rest))[1]  # type: ignore[method-assign]
        generate.Talk(recipe, writer, reflects=True).answer("A day.", io.StringIO(), io.StringIO())
        from journal_app.contract import prompts

        expected = [*prompts.prefix("A day.", writer.template), *prompts.reflection(writer.template)]
        assert asked == [prompts.encode(expected, writer._model.tokenise)]


def test_what_is_missing_is_named(run_folder: Path, tmp_path: Path) -> None:
    recipe: Recipe = load_recipe(run_folder / "recipe.toml")
    with pytest.raises(TrainerError, match="quietpage-train gguf"):
        generate.best_gguf(recipe, RunPaths(tmp_path))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    options = argparse.Namespace(prompt="x", gguf=broken)
    from trainer.progress import Progress

    with pytest.raises(TrainerError, match="damaged"):
        generate.run(recipe, RunPaths(tmp_path), Progress(io.StringIO()), options)
