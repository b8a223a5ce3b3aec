"""The client of OpenAI-compatible endpoints against real servers that misbehave, and a GGUF as the same interface."""

from __future__ import annotations

import argparse
import logging
import socket
import time
from pathlib import Path

import pytest

pytest.importorskip("openai")
pytest.importorskip("gguf")

from tests.support.chat_server import reply, saying, send, serving
from tests.support.tiny_gguf import write_decoder
from trainer import endpoint
from trainer.config import TrainerError
from trainer.endpoint import EndpointError, EndpointWriter, FatalEndpointError, GgufWriter, check_address, writer_from

pytestmark = pytest.mark.torch

SECRET = "sk-test-0000-not-a-key"
TALK = [("system", "Answer kindly."), ("user", "The lake was still and unmistakable-word-7 too.")]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in (endpoint.KEY, "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


def ask(url: str, *, retries: int = 0, timeout: float = 5.0, whole: float = 5.0):
    writer = EndpointWriter(url, "m", retries=retries, timeout=timeout, whole=whole)
    try:
        return writer.complete(TALK, max_tokens=20, temperature=0.5, seed=3)
    finally:
        writer.close()


def test_a_reply_comes_back_with_its_counts_and_the_question_as_given(monkeypatch):
    monkeypatch.setenv(endpoint.KEY, SECRET)
    monkeypatch.setenv("OPENAI_ORG_ID", "someone")
    with serving(lambda h, _: send(h, reply("  Still water. \n", tokens=(11, 4), finish="length"))) as served:
        made = ask(served.url)
    assert (made.text, made.tokens_in, made.tokens_out, made.cut) == ("Still water.", 11, 4, True)
    assert made.seconds > 0
    (body,), (headers,) = served.asked, served.headers
    assert body["messages"] == [{"role": role, "content": text} for role, text in TALK]
    assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == ("m", 20, 0.5, 3)
    assert headers["path"] == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert not any("someone" in value for value in headers.values())
    assert not {"x-stainless-os", "x-stainless-arch", "x-stainless-runtime-version"} & set(headers)


def test_openais_own_key_goes_to_its_own_host_only(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with serving(lambda h, _: send(h, reply("ok"))) as served:
        ask(served.url)
    assert SECRET not in str(served.headers)
    assert endpoint._key(endpoint.OPENAI_HOST) == SECRET


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_waits_and_asks_again(status):
    turns = iter([status, status])

    def act(handler, _):
        code = next(turns, 200)
        if code == 200:
            send(handler, reply("there"))
        else:
            send(handler, b"{}", code, retry_after="0.1")

    with serving(act) as served:
        began = time.monotonic()
        assert ask(served.url, retries=3).text == "there"
    assert len(served.asked) == 3
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("status", "words", "fatal"),
    [
        (401, "did not accept the key (401); put it into the environment as QUIETPAGE_ENDPOINT_KEY", True),
        (403, "does not allow this key", True),
        (404, "has no model m at this address", True),
        (400, "did not accept the question (400)", False),
        (429, "asks to slow down (429)", False),
        (502, "failed (502)", False),
    ],
)
def test_a_refusal_says_what_to_do_and_nothing_of_what_was_said(status, words, fatal, monkeypatch):
    monkeypatch.setenv(endpoint.KEY, SECRET)
    body = f'{{"error": {{"message": "{TALK[1][1]} {SECRET}"}}}}'.encode()
    with serving(lambda h, _: send(h, body, status)) as served, pytest.raises(EndpointError) as caught:
        ask(served.url)
    assert words in str(caught.value)
    assert isinstance(caught.value, FatalEndpointError) == fatal
    assert SECRET not in str(caught.value)
    assert "unmistakable-word-7" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert len(served.asked) == 1


def _stream(handler, _):
    send(
        handler,
        b'data: {"choices": [{"delta": {"content": "unmistakable-word-7"}}]}\n\n',
        content_type="text/event-stream",
    )


BROKEN = {
    "not JSON": (lambda h, _: send(h, b"<html>unmistakable-word-7</html>"), "is not JSON"),
    "a stream": (_stream, "a stream that is not JSON"),
    "bytes": (lambda h, _: send(h, b"\xff\xfe\x00{"), "is not JSON"),
    "torn": (lambda h, _: send(h, reply("x")[:-9]), "is not JSON"),
    "deep": (lambda h, _: send(h, b"[" * 200_000), "is not JSON"),
    "a list": (lambda h, _: send(h, b"[]"), "JSON without a reply"),
    "no choices": (lambda h, _: send(h, b'{"choices": []}'), "JSON without a reply"),
    "an error in a 200": (lambda h, _: send(h, b'{"error": "busy"}'), "JSON without a reply"),
    "a choice that is a text": (lambda h, _: send(h, b'{"choices": ["hello"]}'), "JSON without a reply"),
    "empty": (lambda h, _: send(h, reply("  \n")), "an empty reply"),
    "null": (lambda h, _: send(h, reply(None)), "an empty reply"),
    "parts": (lambda h, _: send(h, b'{"choices": [{"message": {"content": [1]}}]}'), "not a text"),
    "too large": (lambda h, _: send(h, b" " * 4_000_001), "more than 4 MB"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_that_is_none_is_told_in_one_line(name):
    act, words = BROKEN[name]
    with serving(act) as served, pytest.raises(EndpointError, match=words) as caught:
        ask(served.url, retries=2)
    assert "unmistakable-word-7" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(served.asked) == 1


def test_odd_counts_do_not_matter():
    body = b'{"choices": [{"message": {"content": "ok"}}], "usage": {"prompt_tokens": "9", "completion_tokens": -2}}'
    with serving(lambda h, _: send(h, body)) as served:
        made = ask(served.url)
    assert (made.text, made.tokens_in, made.tokens_out) == ("ok", 0, 0)


def test_a_stream_without_end_is_ended():
    def act(handler, _):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"data: {}\n\n")
            time.sleep(0.02)

    began = time.monotonic()
    with serving(act) as served, pytest.raises(EndpointError, match=r"did not end within 0.5 s"):
        ask(served.url, retries=3, whole=0.5)
    assert time.monotonic() - began < 4
    assert len(served.asked) == 1


def test_silence_is_given_up():
    with serving(lambda h, _: time.sleep(1.5)) as served, pytest.raises(EndpointError, match=r"within 0.3 s"):
        ask(served.url, timeout=0.3)


def test_nobody_there():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    with pytest.raises(FatalEndpointError, match="refused the connection; is the server running"):
        ask(f"http://127.0.0.1:{port}/v1")


def test_a_line_that_breaks():
    def act(handler, _):
        handler.connection.close()

    with serving(act) as served, pytest.raises(EndpointError, match="the connection to .* broke"):
        ask(served.url)


def test_a_redirect_takes_no_text_elsewhere():
    with serving(saying(lambda _: "stolen")) as other:
        with (
            serving(lambda h, _: send(h, b"", 307, Location=other.url + "/chat/completions")) as served,
            pytest.raises(FatalEndpointError, match="sends elsewhere"),
        ):
            ask(served.url)
        assert other.asked == []


def test_what_an_endpoint_does_not_know_is_left_out_from_then_on():
    def act(handler, body):
        if "max_tokens" in body:
            send(handler, b'{"error": {"message": "use max_completion_tokens, not max_tokens"}}', 400)
        elif "seed" in body:
            send(handler, b'{"detail": [{"loc": ["body", "seed"], "type": "extra_forbidden"}]}', 422)
        else:
            send(handler, reply("ok"))

    with serving(act) as served:
        writer = EndpointWriter(served.url, "m", retries=0)
        for _ in range(2):
            assert writer.complete(TALK, max_tokens=20, temperature=0, seed=1).text == "ok"
        writer.close()
    assert len(served.asked) == 4
    assert served.asked[-1]["max_completion_tokens"] == 20
    assert "temperature" in served.asked[-1]


def test_nothing_is_written_to_a_log(monkeypatch, capfd):
    monkeypatch.setenv(endpoint.KEY, SECRET)
    seen: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    listener = Listener(0)
    root = logging.getLogger()
    before = root.level
    root.addHandler(listener)
    root.setLevel(0)
    try:
        with serving(saying(lambda _: "fine unmistakable-word-8")) as served:
            ask(served.url)
    finally:
        root.removeHandler(listener)
        root.setLevel(before)
    told = "".join(seen) + "".join(capfd.readouterr())
    assert not [word for word in (SECRET, "unmistakable-word-7", "unmistakable-word-8") if word in told]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("api.example.org/v1", "not an address"),
        ("ftp://example.org/v1", "not an address"),
        ("http://example.org/v1", "unencrypted to example.org; use https"),
        ("http://8.8.8.8/v1", "unencrypted"),
        ("https://me:word@example.org/v1", "no name or password in the address"),
        ("https://example.org/v1?key=1", "must end with its path"),
        ("https://[::1", "not an address"),
        ("https://example.org:port/v1", "not an address"),
    ],
)
def test_addresses_that_nothing_is_sent_to(url, words):
    with pytest.raises(TrainerError, match=words) as caught:
        check_address(url)
    assert "word@" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.org/v1", "http://localhost:8080/v1", "http://[::1]:1/v1", "http://192.168.1.2/v1"]
)
def test_addresses_that_are_fine(url):
    assert check_address(url)


def test_without_a_model_named_nothing_is_asked():
    nothing = argparse.Namespace(endpoint=None, gguf=None, model=None)
    with pytest.raises(TrainerError, match="name a model"):
        writer_from(nothing)
    with pytest.raises(TrainerError, match="not both"):
        writer_from(argparse.Namespace(endpoint="http://localhost/v1", gguf=Path("x.gguf"), model="m"))
    with pytest.raises(TrainerError, match="--model NAME"):
        writer_from(argparse.Namespace(endpoint="http://localhost/v1", gguf=None, model=None))
    with pytest.raises(TrainerError, match="no model at"):
        writer_from(argparse.Namespace(endpoint=None, gguf=Path("absent.gguf"), model=None))


@pytest.mark.llm
def test_a_gguf_answers_by_the_same_interface(tmp_path):
    path = write_decoder(tmp_path / "tiny.gguf")
    writer = writer_from(argparse.Namespace(endpoint=None, gguf=path, model=None))
    assert isinstance(writer, GgufWriter)
    assert writer.local
    made = [writer.complete(TALK, max_tokens=12, temperature=1.0, seed=seed) for seed in (1, 1, 2)]
    writer.close()
    assert made[0].text == made[1].text != made[2].text
    assert made[0].tokens_in > 5
    assert made[0].tokens_out > 0


@pytest.mark.llm
def test_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "not.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(TrainerError, match=r"not\.gguf"):
        GgufWriter(path)
