"""The command as people run it: a process of its own, a model in its child, files on a disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from journal_app.cli.session import Services, open_reader
from journal_app.contract.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf")
    from tests.support.tiny_gguf import write_encoder

    return write_encoder(tmp_path_factory.mktemp("model") / "tiny.gguf")


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "journal_app", *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.llm
def test_analyze_many_texts_with_a_model_in_its_own_process(model, tmp_path):
    source, result = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    texts = [
        "I was tired and the day was long and I went home.",
        "",
        "비가 왔다.",
        "word " * 3000,
        "<|end|> [CLS] \x00 🌒",
    ]
    source.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(texts)))
    done = run("analyze", "--jsonl", str(source), "--out", str(result), "--model", str(model))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    found = [json.loads(line) for line in result.read_bytes().splitlines()]
    assert [line["id"] for line in found] == list(range(len(texts)))
    assert found[0]["readable"] is True
    assert found[1]["readable"] is False
    for task, scores in found[0]["tasks"].items():
        assert list(scores) == list(TASKS[task].labels)
        if TASKS[task].kind != "multilabel":
            assert sum(scores.values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.llm
def test_the_same_text_gets_the_same_answer_alone_and_among_many(model, tmp_path):
    text = "The evening was calm and I was glad that the work was done."
    path, source = tmp_path / "one.txt", tmp_path / "in.jsonl"
    path.write_text(text)
    source.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(["Before.", text])))
    alone = json.loads(run("analyze", str(path), "--json", "--model", str(model)).stdout)
    among = [
        json.loads(line) for line in run("analyze", "--jsonl", str(source), "--model", str(model)).stdout.splitlines()
    ]
    assert alone["tasks"] == among[1]["tasks"]
    assert alone["id"] == "one.txt"


@pytest.mark.llm
def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    done = run("analyze", "-", "--model", str(tmp_path / "broken.gguf"), stdin=b"A calm day.")
    assert done.returncode == 9
    assert done.stdout == b""
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path).encode() not in done.stderr


@pytest.mark.llm
def test_an_entry_is_read_by_the_model_when_it_is_added(cli, model):
    cli.reader = lambda name, threads: open_reader(str(model), 1)
    made = cli("add", "--create", "--json", stdin="I was tired and the day was long and I went home.\n")
    assert made.code == 0
    assert made.json["entry"]["estimate"]["model"] == "tiny-encoder"
    assert cli("insights", "--json").json["models"] == ["tiny-encoder"]
    assert isinstance(Services().open_reader(str(model), 1).info().bytes, int)


def test_no_byte_on_the_disk_holds_a_word(tmp_path):
    home = {
        name: str(tmp_path / name) for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "TMPDIR", "HOME")
    }
    (tmp_path / "TMPDIR").mkdir()
    words = "xylophonist in the 유채꽃밭 garden"
    done = run("--passphrase-fd", "0", "add", "--create", "--no-analyze", stdin=f"p\n{words}\n".encode(), **home)
    assert done.returncode == 0, done.stderr
    for arguments in (["list"], ["search", "xylo"], ["show", "last"], ["insights"], ["verify"]):
        done = run("--passphrase-fd", "0", *arguments, stdin=b"p\n", **home)
        assert done.returncode == 0, done.stderr
    found = 0
    for path in tmp_path.rglob("*"):
        if path.is_file():
            found += 1
            data = path.read_bytes()
            for word in ("xylophonist", "유채꽃밭", "garden"):
                for coding in ("utf-8", "utf-16-le", "utf-16-be"):
                    assert word.encode(coding) not in data, path.name
    assert found >= 3
    assert (tmp_path / "XDG_DATA_HOME" / "quiet-page" / "journal" / "journal.qpv").exists()
