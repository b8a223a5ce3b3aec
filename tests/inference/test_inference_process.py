"""The model in a child process: it may crash, hang, lie or be killed, and the app goes on."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal_app.contract.manifest import Manifest
from journal_app.contract.tasks import TASKS
from journal_app.inference import process, worker
from journal_app.inference.engine import (
    ModelCancelled,
    ModelCrashed,
    ModelError,
    Reader,
    Reading,
    SentenceScores,
)
from journal_app.inference.process import ModelProcess

DAY = "I was tired today. Work was cold and late. My mother is home again, and I feel alone!"
SECRET = "quillmarrow"
LONG = [f"{SECRET} {DAY}" * 300] * 40

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.fixture
def model(encoder_file: Path) -> Iterator[ModelProcess]:
    with ModelProcess(encoder_file, threads=1) as running:
        yield running


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return Path(f"/proc/{pid}/stat").read_text("ascii").split()[2] != "Z" if sys.platform == "linux" else True


def wait_for(condition, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def later(seconds: float, act) -> threading.Thread:
    def run() -> None:
        time.sleep(seconds)
        act()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.llm
def test_the_child_reads_like_the_reader_in_this_process(encoder_file: Path, model: ModelProcess) -> None:
    from journal_app.inference.llama import LlamaReader

    reader: Reader = model
    texts = [DAY, "", "오늘은 힘들었다", "I am sad \ud800 \x00 [SEP]", DAY * 8]
    with LlamaReader(encoder_file, threads=1) as here:
        assert reader.info() == here.info()
        for got, expected in zip(reader.read(texts), here.read(texts), strict=True):
            assert (got.readable, got.language, got.words, got.tokens) == (
                expected.readable,
                expected.language,
                expected.words,
                expected.tokens,
            )
            assert got.vector == pytest.approx(expected.vector, abs=1e-4)
            assert [(s.start, s.end) for s in got.sentences] == [(s.start, s.end) for s in expected.sentences]
            for task in expected.tasks:
                assert got.tasks[task] == pytest.approx(expected.tasks[task], abs=1e-4)
        assert reader.read([DAY], evidence=False)[0].sentences == ()
        assert reader.read([]) == []


@pytest.mark.llm
def test_many_texts_come_back_in_order(model: ModelProcess) -> None:
    texts = [f"I was sad {'and cold ' * (i % 7)}today" for i in range(60)]
    assert [r.words for r in model.read(texts, evidence=False)] == [4 + 2 * (i % 7) for i in range(60)]


@pytest.mark.llm
def test_the_window_starts_without_numpy_and_llama_cpp() -> None:
    code = (
        "import sys, journal_app.inference.process; "
        "print([m for m in ('numpy', 'llama_cpp', 'tokenizers', 'PySide6') if m in sys.modules])"
    )
    root = str(Path(process.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@posix
@pytest.mark.llm
def test_killing_the_child_while_it_reads_raises_and_the_next_call_works(model: ModelProcess) -> None:
    model.info()
    first = model.pid
    assert first is not None
    thread = later(0.2, lambda: os.kill(first, signal.SIGKILL))
    with pytest.raises(ModelCrashed) as error:
        model.read(LONG)
    thread.join()
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None
    assert model.read([DAY])[0].readable
    assert model.pid != first


@posix
@pytest.mark.llm
def test_a_child_that_died_between_calls_is_replaced_silently(model: ModelProcess) -> None:
    model.info()
    first = model.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: model.pid is None)
    assert model.read([DAY])[0].readable
    assert model.pid not in (None, first)


@pytest.mark.llm
def test_cancel_is_answered_and_keeps_the_child(model: ModelProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_CANCEL_GRACE", 10.0)  # the test's machine may be busy
    model.info()
    first = model.pid
    thread = later(0.2, model.cancel)
    with pytest.raises(ModelCancelled):
        model.read(LONG)
    thread.join()
    assert model.read([DAY])[0].readable
    assert model.pid == first
    model.cancel()
    assert model.read([DAY])[0].readable


@pytest.mark.llm
def test_a_cancel_while_the_child_starts_leaves_no_child_without_a_model(
    model: ModelProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = process._Child.__init__

    def start_and_cancel(self, path: Path) -> None:
        start(self, path)
        model.cancel()

    monkeypatch.setattr(process._Child, "__init__", start_and_cancel)
    with pytest.raises(ModelCancelled):
        model.read([DAY])
    monkeypatch.undo()
    assert model.pid is None
    assert model.read([DAY])[0].readable


def test_a_late_cancel_does_not_stop_the_next_question() -> None:
    stopped: list[str] = []

    class Listener(worker.Worker):
        def __init__(self, inbox: io.BytesIO) -> None:
            super().__init__(inbox, io.BytesIO())
            self._reader = type("Reader", (), {"cancel": lambda _self: stopped.append("stopped")})()
            self._current = 8

    for number, expected in ((7, []), (8, ["stopped"])):
        inbox = io.BytesIO()
        worker.send(inbox, {"do": "cancel", "id": number})
        inbox.seek(0)
        listener = Listener(inbox)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker.os, "_exit", lambda _code: None)
            listener._listen()
        assert stopped == expected


@posix
@pytest.mark.llm
def test_a_child_that_does_not_answer_a_cancel_is_killed_within_a_moment(model: ModelProcess) -> None:
    model.info()
    first = model.pid
    assert first is not None
    cancelled_at: list[float] = []

    def stop_and_cancel() -> None:
        os.kill(first, signal.SIGSTOP)
        cancelled_at.append(time.monotonic())
        model.cancel()

    thread = later(0.2, stop_and_cancel)
    with pytest.raises(ModelCancelled):
        model.read(LONG)
    assert time.monotonic() - cancelled_at[0] < 3.0
    thread.join()
    assert not alive(first)
    assert model.read([DAY])[0].readable


@posix
@pytest.mark.llm
def test_a_child_that_hangs_is_killed_at_the_time_limit(encoder_file: Path) -> None:
    with ModelProcess(encoder_file, threads=1, time_limit=0.3) as model:
        model.info()
        assert model.pid is not None
        os.kill(model.pid, signal.SIGSTOP)
        with pytest.raises(ModelCrashed, match="too long"):
            model.read([DAY])
        assert model.read([DAY])[0].readable


@posix
@pytest.mark.llm
def test_a_text_larger_than_the_pipe_does_not_block_a_cancel(model: ModelProcess) -> None:
    model.info()
    assert model.pid is not None
    os.kill(model.pid, signal.SIGSTOP)
    thread = later(0.2, model.cancel)
    with pytest.raises(ModelCancelled):
        model.read(["I am sad. " * 100_000])
    thread.join()


@pytest.mark.llm
def test_restarts_after_repeated_crashes_wait_longer(encoder_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_command", lambda: [sys.executable, "-c", "import os; os._exit(3)"])
    with ModelProcess(encoder_file) as model:
        times = []
        for _ in range(4):
            began = time.monotonic()
            with pytest.raises(ModelCrashed):
                model.read([DAY])
            times.append(time.monotonic() - began)
        assert times[2] > 0.4
        assert times[3] > 0.9
        began = time.monotonic()
        thread = later(0.2, model.cancel)
        with pytest.raises(ModelCancelled):
            model.read([DAY])
        thread.join()
        assert time.monotonic() - began < 1.8, "a cancel ends the pause too"
        monkeypatch.undo()
        assert model.read([DAY])[0].readable
        assert model._crashes == 0


@pytest.mark.llm
def test_close_ends_the_child_even_while_it_reads(encoder_file: Path) -> None:
    model = ModelProcess(encoder_file, threads=1)
    model.info()
    pid = model.pid
    assert pid is not None
    thread = later(0.2, model.close)
    with pytest.raises(ModelError, match="closed"):
        model.read(LONG)
    thread.join()
    model.close()
    assert wait_for(lambda: not alive(pid))
    assert model.pid is None
    for call in (model.info, lambda: model.read([DAY])):
        with pytest.raises(ModelError, match="closed"):
            call()


@pytest.mark.llm
def test_an_idle_child_gives_its_memory_back(encoder_file: Path) -> None:
    with ModelProcess(encoder_file, threads=1, idle_seconds=0.1) as model:
        assert model.read([DAY])[0].readable
        assert wait_for(lambda: model.pid is None)
        assert model.info().manifest.name == "tiny-encoder"
        assert model.read([DAY])[0].readable


@pytest.mark.llm
def test_calls_from_several_threads_wait_for_each_other(model: ModelProcess) -> None:
    results: list[int] = []

    def work(count: int) -> None:
        for _ in range(5):
            results.append(model.read(["sad " * count], evidence=False)[0].words - count)

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 5, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0] * 15


@pytest.mark.llm
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_child_has_given_up_files_sockets_core_dumps_and_its_turn(model: ModelProcess) -> None:
    model.info()
    limits = Path(f"/proc/{model.pid}/limits").read_text("ascii")
    for name in ("Max core file size", "Max file size", "Max open files"):
        line = next(row for row in limits.splitlines() if row.startswith(name))
        assert line.split()[-3:-1] == ["0", "0"], line
    assert int(Path(f"/proc/{model.pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[16]) >= 10
    if os.geteuid() == 0:  # the child hides these from everybody else, its own user included
        environment = Path(f"/proc/{model.pid}/environ").read_bytes().decode().split("\0")
        names = {pair.split("=")[0] for pair in environment if pair}
        assert names <= {*process._KEPT_ENVIRONMENT, *process._site_packages(), "OMP_WAIT_POLICY"}
    assert model.read([DAY * 30])[0].readable


@pytest.mark.llm
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="reads what the child hides from other users")
def test_no_text_in_the_command_line_and_no_file_left_open(model: ModelProcess) -> None:
    model.read([f"{SECRET} {DAY}"])
    assert SECRET.encode() not in Path(f"/proc/{model.pid}/cmdline").read_bytes()
    opened = [os.readlink(link) for link in Path(f"/proc/{model.pid}/fd").iterdir()]
    assert all(name == "/dev/null" or name.startswith("pipe:") for name in opened), opened


@pytest.mark.llm
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_child_dies_with_its_parent(encoder_file: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from journal_app.inference.process import ModelProcess; "
        "m = ModelProcess(Path(sys.argv[1]), threads=1); m.info(); print(m.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    root = str(Path(process.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code, str(encoder_file)], cwd=root, capture_output=True, text=True)
    assert wait_for(lambda: not alive(int(done.stdout)))


@pytest.mark.llm
def test_unusable_files_give_a_plain_error(encoder_file: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.gguf"
    notes.write_bytes(b"hello")
    for path, sha, words in (
        (tmp_path / "none.gguf", None, "cannot be opened"),
        (notes, None, "not a GGUF"),
        (encoder_file, "0" * 64, "damaged"),
    ):
        with ModelProcess(path, sha256=sha) as model:
            with pytest.raises(ModelError, match=words) as error:
                model.read([SECRET])
            assert not isinstance(error.value, ModelCrashed)
            assert SECRET not in str(error.value)
            assert str(tmp_path) not in str(error.value)


# --- a child that lies ---------------------------------------------------------------------------

TASKS_READ = {"stress": ("yes", "no"), "emotion": TASKS["emotion"].labels}
SHA = "ab" * 32
LIAR = """
import json, pathlib, struct, sys
script = json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))
lied = pathlib.Path(sys.argv[1] + ".lied")
def ask():
    n = struct.unpack(">I", sys.stdin.buffer.read(4))[0]
    return json.loads(sys.stdin.buffer.read(n))
def answer(number, words):
    data = words.replace('"NUMBER"', str(number)).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data); sys.stdout.flush()
for kind in ("load", "read"):
    number = ask()["id"]
    lie = not lied.exists() and script["bad_" + kind]
    if lie:
        lied.write_text("")
    answer(number, lie or script[kind])
ask()
"""


def scores(**changes: object) -> dict:
    even = {task: {label: 1 / len(labels) for label in labels} for task, labels in TASKS_READ.items()}
    return even | changes


def sentence(**changes: object) -> dict:
    return {"start": 0, "end": 18, "tasks": scores()} | changes


def reading(**changes: object) -> dict:
    """Return what an honest child says of ``DAY``, with ``changes``."""
    return {
        "readable": True, "language": "en", "tasks": scores(), "sentences": [sentence()], "vector": [0.6, 0.8],
        "tokens": 25, "words": 18, "seconds": 0.1,
    } | changes  # fmt: skip


def frame(**answer: object) -> str:
    return json.dumps({"id": "NUMBER", **answer})


def loaded(**changes: object) -> str:
    manifest = Manifest("liar", "encoder", tasks=TASKS_READ).to_json()
    return frame(**({"manifest": manifest, "sha256": SHA, "file": "any.gguf", "bytes": 5} | changes))


def one(**changes: object) -> str:
    return frame(readings=[reading(**changes)])


@pytest.fixture
def liar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModelProcess]]:
    """Return a maker of models whose first child gives the bad answer and whose next ones are honest."""
    made: list[ModelProcess] = []

    def make(bad_read: str = "", bad_load: str = "", **options: object) -> ModelProcess:
        (tmp_path / "liar.py").write_text(LIAR, encoding="utf-8")
        script = {"load": loaded(), "read": one(), "bad_load": bad_load, "bad_read": bad_read}
        (tmp_path / "script").write_text(json.dumps(script), encoding="utf-8")
        command = [sys.executable, str(tmp_path / "liar.py"), str(tmp_path / "script")]
        monkeypatch.setattr(process, "_command", lambda: command)
        made.append(ModelProcess(tmp_path / "any.gguf", **options))
        return made[-1]

    yield make
    for model in made:
        model.close()


HUGE = "9" * 400
BAD_READINGS = {
    "nothing": frame(),
    "no readings": frame(readings=[]),
    "two readings": frame(readings=[reading(), reading()]),
    "an empty reading": frame(readings=[{}]),
    "null": frame(readings=[None]),
    "a number": frame(readings=5),
    "a string": frame(readings="x"),
    "an object": frame(readings={"0": reading()}),
    "readable 1": one(readable=1),
    "unread but scored": one(readable=False),
    "language of another type": one(language=5),
    "language with control characters": one(language="e\n"),
    "long language": one(language="e" * 50),
    "tasks in a list": one(tasks=[]),
    "no tasks": one(tasks={}),
    "a task is missing": one(tasks={"stress": {"yes": 0.5, "no": 0.5}}),
    "unknown task": one(tasks=scores(weather={"yes": 1.0})),
    "unknown label": one(tasks=scores(stress={"yes": 0.5, "maybe": 0.5})),
    "a label too many": one(tasks=scores(stress={"yes": 0.5, "no": 0.5, "maybe": 0.5})),
    "a label is missing": one(tasks=scores(stress={"yes": 1.0})),
    "probability above 1": one(tasks=scores(stress={"yes": 1.5, "no": 0.5})),
    "probability below 0": one(tasks=scores(stress={"yes": -0.5, "no": 0.5})),
    "probability in words": one(tasks=scores(stress={"yes": "0.5", "no": 0.5})),
    "probability true": one(tasks=scores(stress={"yes": True, "no": False})),
    "probability NaN": one(tasks=scores(stress={"yes": math.nan, "no": 0.5})),
    "probability 1e999": one(tasks=scores(stress={"yes": 7.5, "no": 0.5})).replace("7.5", "1e999"),
    "probability of 400 digits": one(tasks=scores(stress={"yes": 7.5, "no": 0.5})).replace("7.5", HUGE),
    "tokens Infinity": one(tokens=math.inf),
    "tokens 1e999": one(tokens=7777).replace("7777", "1e999"),
    "tokens of 400 digits": one(tokens=7777).replace("7777", HUGE),
    "tokens of 5000 digits": one(tokens=7777).replace("7777", "9" * 5000),
    "tokens below 0": one(tokens=-1),
    "tokens in words": one(tokens="5"),
    "words without end": one(words=10**9),
    "seconds NaN": one(seconds=math.nan),
    "seconds below 0": one(seconds=-1.0),
    "start Infinity": one(sentences=[sentence(start=math.inf)]),
    "start 1e999": one(sentences=[sentence(start=7777)]).replace("7777", "1e999"),
    "start -5": one(sentences=[sentence(start=-5)]),
    "start true": one(sentences=[sentence(start=True)]),
    "start 0.5": one(sentences=[sentence(start=0.5)]),
    "end beyond the text": one(sentences=[sentence(end=10**9)]),
    "end one beyond the text": one(sentences=[sentence(end=len(DAY) + 1)]),
    "end before start": one(sentences=[sentence(start=9, end=5)]),
    "an empty sentence": one(sentences=[sentence(start=9, end=9)]),
    "sentences that overlap": one(sentences=[sentence(), sentence()]),
    "unknown task of a sentence": one(sentences=[sentence(tasks={"weather": {"yes": 1.0}})]),
    "NaN in a sentence": one(sentences=[sentence(tasks=scores(stress={"yes": math.nan, "no": 0.5}))]),
    "sentences in a string": one(sentences="abc"),
    "vector NaN": one(vector=[math.nan, 1.0]),
    "vector of another length": one(vector=[3.0, 4.0]),
    "vector all 0": one(vector=[0.0, 0.0]),
    "vector of 400 digits": one(vector=[7777]).replace("7777", HUGE),
    "vector in words": one(vector="10"),
}
NO_FRAMES = {
    "deep lists": '{"id":"NUMBER","readings":' + "[" * 200_000,
    "deep objects": '{"id":"NUMBER","readings":' + '{"a":' * 200_000,
    "no JSON": "{x",
    "a list": "[]",
}


def test_what_an_honest_child_says_is_taken(liar: Callable[..., ModelProcess]) -> None:
    model = liar()
    assert model.read([DAY])[0] == Reading(
        True, "en", scores(), (SentenceScores(0, 18, scores()),), (0.6, 0.8), tokens=25, words=18, seconds=0.1
    )
    assert model.info().file == "any.gguf"


@pytest.mark.parametrize("bad", [*BAD_READINGS.values(), *NO_FRAMES.values()], ids=[*BAD_READINGS, *NO_FRAMES])
def test_a_reading_that_makes_no_sense_ends_the_child_and_nothing_else(
    bad: str, liar: Callable[..., ModelProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[subprocess.Popen[bytes]] = []
    start = process._Child.__init__

    def remember(self, path: Path) -> None:
        start(self, path)
        children.append(self.process)

    monkeypatch.setattr(process._Child, "__init__", remember)
    model = liar(bad)
    with pytest.raises(ModelCrashed, match="no sense|unexpectedly"):
        model.read([DAY])
    assert children[0].returncode is not None, "it was ended and waited for"
    assert model.pid is None
    assert model.read([DAY])[0].readable
    assert len(children) == 2


@pytest.mark.parametrize(
    "bad",
    [
        frame(),
        loaded(manifest=5),
        loaded(manifest={}),
        loaded(manifest="{}"),
        loaded(manifest="[" * 100_000),
        loaded(sha256="x"),
        loaded(sha256="cd" * 32),
        loaded(sha256=["ab"]),
        loaded(bytes=math.inf),
        loaded(bytes=7777).replace("7777", "1e999"),
        loaded(bytes=7777).replace("7777", HUGE),
        loaded(bytes=-1),
        loaded(bytes=True),
        loaded(bytes="5"),
        '{"id":"NUMBER","manifest":' + "[" * 200_000,
    ],
    ids=lambda bad: bad[:20] + bad[-40:],
)
def test_a_description_that_makes_no_sense_ends_the_child_too(bad: str, liar: Callable[..., ModelProcess]) -> None:
    model = liar(bad_load=bad, sha256=SHA)
    with pytest.raises(ModelCrashed, match="no sense|unexpectedly"):
        model.info()
    assert model.pid is None
    assert model.info().sha256 == SHA


@pytest.mark.parametrize("error", ["model", [5]])
@pytest.mark.parametrize("message", [5, None, [[]], "", "a\nb", "\x1b[2J", "x" * 501])
def test_a_failure_is_told_in_one_line_whatever_the_child_says(
    message: object, error: object, liar: Callable[..., ModelProcess]
) -> None:
    with pytest.raises(ModelError, match="^the model failed$"):
        liar(frame(error=error, message=message)).read([DAY])


def test_an_answer_too_long_to_be_one_is_not_read_into_memory(
    liar: Callable[..., ModelProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MAX_ANSWER", 10_000)
    model = liar(one(language="e" * 20_000))
    with pytest.raises(ModelCrashed):
        model.read([DAY])
    assert model.read([DAY])[0].readable


def test_a_cancel_that_meets_a_shut_pipe_is_harmless(liar: Callable[..., ModelProcess]) -> None:
    model = liar()
    model.info()
    child = model._child
    assert child is not None
    child.stop()
    child.cancel(0.01)


def test_a_computer_without_a_thread_to_spare_gives_a_known_error(
    liar: Callable[..., ModelProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    model = liar(idle_seconds=60.0)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Timer, "start", refuse)
        with pytest.raises(ModelError, match="memory"):
            model.read([DAY])
    assert model.read([DAY])[0].readable


def of_task(labels: tuple[str, ...]) -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries(dict.fromkeys(labels, st.floats(0, 1)))


every_task = st.fixed_dictionaries({task: of_task(labels) for task, labels in TASKS_READ.items()})
readings = st.builds(
    Reading,
    readable=st.just(True),
    language=st.sampled_from(["en", "ko", "und"]),
    tasks=every_task,
    sentences=st.lists(st.integers(0, 98), unique=True, max_size=5).map(
        lambda starts: tuple(SentenceScores(i, i + 1, {"stress": {"yes": 0.25, "no": 0.75}}) for i in sorted(starts))
    ),
    vector=st.sampled_from([(), (1.0,), (0.6, -0.8), (0.0, 0.0, -1.0)]),
    tokens=st.integers(0, 9999),
    words=st.integers(0, 99),
    seconds=st.floats(0, 100),
) | st.builds(Reading, st.just(False), st.sampled_from(["und", "zh"]), words=st.integers(0, 99))


@settings(deadline=None)
@given(readings)
def test_readings_cross_the_pipe_unchanged(reading: Reading) -> None:
    stream = io.BytesIO()
    worker.send(stream, {"readings": [worker.reading_to_wire(reading)]})
    stream.seek(0)
    message = worker.receive(stream)
    assert message is not None
    assert worker.reading_from_wire(message["readings"][0], "a" * 99, TASKS_READ) == reading


@given(st.text(alphabet=st.characters(), max_size=50))
def test_any_text_crosses_the_pipe_unchanged(text: str) -> None:
    stream = io.BytesIO()
    worker.send(stream, {"texts": [text]})
    stream.seek(0)
    assert worker.receive(stream) == {"texts": [text]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0",
        struct.pack(">I", 9) + b"{}",
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 2) + b"{x",
        struct.pack(">I", 2) + b"\x80\x80",
        struct.pack(">I", 9) + b'{"a":NaN}',
        struct.pack(">I", 200_000) + b"[" * 200_000,
        struct.pack(">I", 1_000_000) + b'{"a":' * 200_000,
        b"\xff" * 8,
    ],
)
def test_broken_frames_end_the_conversation(data: bytes) -> None:
    assert worker.receive(io.BytesIO(data)) is None


def test_the_child_is_told_where_packages_are_and_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home in its environment, ``site`` would ask the system who the user is: a socket, maybe a network."""
    code = (
        "import os, pwd, sys\n"
        "def refuse(*_): raise SystemExit('asked')\n"
        "pwd.getpwuid = pwd.getpwnam = refuse\n"
        "import site\n"
        "site.USER_BASE = site.USER_SITE = None\n"
        "site.main()\n"
        "print(site.ENABLE_USER_SITE, site.getuserbase())"
    )
    bare = {name: os.environ[name] for name in process._KEPT_ENVIRONMENT if name in os.environ}

    def child(extra: dict[str, str]) -> str:
        command = [sys._base_executable, "-P", "-S", "-c", code]
        done = subprocess.run(command, env=bare | extra, capture_output=True, text=True)
        return (done.stdout + done.stderr).strip()

    assert child({}) == "asked", "or this test proves nothing"
    monkeypatch.setattr(process.site, "ENABLE_USER_SITE", False)
    assert child(process._site_packages()) == f"False {sys.prefix}"
    monkeypatch.setattr(process.site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(process.site, "getuserbase", lambda: "/somewhere/else")
    assert child(process._site_packages()) == "True /somewhere/else"


@pytest.mark.llm
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("strace") is None, reason="needs strace")
def test_the_child_makes_no_socket_at_all(encoder_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    traced = ["strace", "-f", "-qq", "-e", "trace=socket,connect,execve", "-o", str(log), *process._command()]
    monkeypatch.setattr(process, "_command", lambda: traced)
    with ModelProcess(encoder_file, threads=1) as model:
        if not model.read([DAY])[0].readable or not log.read_text("utf-8"):
            pytest.skip("strace may not trace here")
    calls = log.read_text("utf-8")
    assert "execve" in calls
    assert "socket(" not in calls


def test_a_frozen_app_starts_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert process._command() == [sys.executable, "--model-process"]


def test_frames_hold_no_numbers_that_json_does_not_know() -> None:
    with pytest.raises(ValueError, match="JSON"):
        worker.send(io.BytesIO(), {"x": float("nan")})
    assert json.loads('{"a": 1}') == {"a": 1}


@pytest.mark.llm
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="reads what the child hides from other users")
def test_the_child_has_a_network_of_its_own_where_the_system_allows(model: ModelProcess) -> None:
    try_it = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x40000000) != 0)"
    if subprocess.run([sys.executable, "-c", try_it]).returncode != 0:
        pytest.skip("this system lets nobody leave the network")
    model.info()
    assert os.readlink(f"/proc/{model.pid}/ns/net") != os.readlink("/proc/self/ns/net")


@posix
@pytest.mark.llm
def test_a_process_that_gave_up_its_files_can_open_neither_file_nor_socket(tmp_path: Path) -> None:
    code = (
        "import socket, sys; from journal_app.inference import worker; worker._renounce_at_start(); "
        "worker._renounce_files()\n"
        "for act in (lambda: open(sys.argv[1], 'w'), lambda: open('/etc/hostname'), socket.socket):\n"
        "    try: act(); print('opened')\n"
        "    except OSError: print('refused')"
    )
    root = str(Path(process.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x")], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["refused"] * 3
    assert not (tmp_path / "x").exists()
