"""The child's side of ``process.ModelProcess``: loads one model and answers over two pipes.

Also owns the frames that both sides speak: a big-endian length and JSON. JSON and not pickle,
because the child reads a file that may be hostile, and the parent holds the journal's key: what
comes back must stay data. The child gives up whatever it does not need before a text reaches it:
core dumps, files, sockets, its turn before other programs.

This module imports llama.cpp only inside :func:`main`, so that the parent can use the frames
without it.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import queue
import re
import signal
import struct
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from journal_app import network_check, silence
from journal_app.inference.engine import ModelCancelled, ModelError, Reading, SentenceScores

MAX_FRAME = 256 * 1024 * 1024
"""Longest frame, in bytes: texts may be long."""
MAX_ANSWER = 16 * 1024 * 1024
"""Longest frame that the parent accepts; what the child has to say of 16 texts fits many times."""

_LENGTH = struct.Struct(">I")
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_LANGUAGE = re.compile("[a-z]{2,3}")
_MOST_TOKENS = 1_000_000_000
_MOST_SECONDS = 1e9
_WARM_UP = "I am here and it is a quiet day. Nothing else."


def send(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Write one frame and flush; raise ``OSError`` if the other side is gone, ``ValueError`` if it is too long."""
    data = json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(data) > MAX_FRAME:
        raise ValueError("the text is too long for the model")
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO, limit: int = MAX_FRAME) -> dict[str, Any] | None:
    """Read one frame of at most ``limit`` bytes; return None at the end of the stream or if what came is no frame."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    if size > limit:
        return None
    try:
        data = stream.read(size)
        message = json.loads(data, parse_constant=_refuse) if len(data) == size else None
    except (ValueError, RecursionError, MemoryError):
        return None
    return message if isinstance(message, dict) else None


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def reading_to_wire(reading: Reading) -> dict[str, Any]:
    """Return ``reading`` as JSON values."""
    return asdict(reading)


def reading_from_wire(raw: Any, text: str, tasks: Mapping[str, tuple[str, ...]]) -> Reading:
    """Return the reading of ``text`` in ``raw``, by a model that reads ``tasks`` (name -> labels).

    Raises ``ValueError``, ``TypeError``, ``KeyError`` or ``AttributeError`` unless ``raw`` is a
    reading that such a model can give of this very text.
    """
    size = len(text)
    readable = raw["readable"]
    if not isinstance(readable, bool):
        raise TypeError("no yes or no")
    reading = Reading(
        readable=readable,
        language=_language(raw["language"]),
        tasks=_scores(raw["tasks"], tasks),
        sentences=_sentences(raw["sentences"], size, tasks),
        vector=tuple(_number(value, -1.001, 1.001) for value in _list(raw["vector"])),
        tokens=_whole(raw["tokens"], 0, _MOST_TOKENS),
        words=_whole(raw["words"], 0, size),
        seconds=_number(raw["seconds"], 0.0, _MOST_SECONDS),
    )
    if reading.readable != (len(reading.tasks) == len(tasks)):
        raise ValueError("a task is missing")
    if not reading.readable and (reading.tasks or reading.sentences or reading.vector):
        raise ValueError("scores of what was not read")
    if reading.vector and abs(math.hypot(*reading.vector) - 1) > 1e-3:
        raise ValueError("the vector has another length")
    return reading


def _language(value: Any) -> str:
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
        raise ValueError("no language")
    return value


def _scores(raw: Any, tasks: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, float]]:
    scores: dict[str, dict[str, float]] = {}
    for task, labels in raw.items():
        if len(labels) != len(tasks[task]):
            raise ValueError("other labels")
        scores[task] = {label: _number(labels[label], 0.0, 1.0) for label in tasks[task]}
    return scores


def _sentences(raw: Any, size: int, tasks: Mapping[str, tuple[str, ...]]) -> tuple[SentenceScores, ...]:
    sentences: list[SentenceScores] = []
    last = 0
    for item in _list(raw):
        start = _whole(item["start"], last, size)
        last = _whole(item["end"], start + 1, size)
        sentences.append(SentenceScores(start, last, _scores(item["tasks"], tasks)))
    return tuple(sentences)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _whole(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError("no whole number in range")
    return value


def _number(value: Any, least: float, most: float) -> float:
    # Compared before it is converted: a whole number in JSON may be too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError("no number in range")
    return float(value)


class Worker:
    """Answers ``load`` once, then ``read`` frames, until the parent's end of the pipe closes."""

    def __init__(self, inbox: BinaryIO, outbox: BinaryIO) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._todo: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled = self._current = -1
        self._reader: Any = None
        self._watch = silence.installed()

    def run(self) -> None:
        """Serve until the parent is gone; ends the process, never returns."""
        threading.Thread(target=self._listen, name="pipe", daemon=True).start()
        while True:
            message = self._todo.get()
            number = self._current = message.get("id", -1)
            try:
                answer = self._load(message) if message.get("do") == "load" else self._read(message)
            except ModelCancelled:
                answer = {"error": "cancelled"}
            except ModelError as error:
                answer = {"error": "model", "message": str(error)}
            except MemoryError:
                answer = {"error": "model", "message": "there is not enough memory for the model"}
            except Exception as error:
                answer = {"error": "model", "message": f"the model failed ({type(error).__name__})"}
            refused = self._watch.take_pending() if self._watch is not None else []
            try:
                send(self._outbox, {"id": number, **answer, **({"refused": refused} if refused else {})})
            except (OSError, ValueError):
                os._exit(1)

    def _listen(self) -> None:
        """Take frames off the pipe at once, so that a cancel is heard while a text is being read."""
        while (message := receive(self._inbox)) is not None:
            if message.get("do") == "cancel":
                self._cancelled = message.get("id", -1)
                # A cancel that comes late must not stop the question after the one it was meant for.
                if self._reader is not None and self._cancelled == self._current:
                    self._reader.cancel()
            else:
                self._todo.put(message)
        # The parent closed the pipe or died; everything here dies with it, mid-computation if need be.
        os._exit(0)

    def _load(self, message: dict[str, Any]) -> dict[str, Any]:
        from journal_app.inference.llama import LlamaReader

        reader = LlamaReader(Path(message["path"]), threads=message["threads"], sha256=message["sha256"])
        info = reader.info()
        # Touches every lazy import and page while files may still be opened.
        reader.read([_WARM_UP])
        self._reader = reader
        network = network_check.own_words()  # the last file that is opened here
        _renounce_files()
        return {
            "manifest": info.manifest.to_json(),
            "sha256": info.sha256,
            "file": info.file,
            "bytes": info.bytes,
            "network": network,
        }

    def _read(self, message: dict[str, Any]) -> dict[str, Any]:
        if self._reader is None:
            raise ModelError("no model is loaded")
        if self._cancelled == message["id"]:
            raise ModelCancelled("reading was stopped")
        readings = self._reader.read(message["texts"], evidence=message["evidence"])
        return {"readings": [reading_to_wire(reading) for reading in readings]}


def _renounce_at_start() -> None:
    """Give up, where the system lets us, what a reader of texts has no use for."""
    sys.dont_write_bytecode = True
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.nice(10)
    except (OSError, ValueError, AttributeError):
        pass
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        # An own, empty network: as root at once, else by way of an own user namespace, else not at all.
        if libc.unshare(_CLONE_NEWNET) != 0:
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    _limit("RLIMIT_CORE")
    _limit("RLIMIT_FSIZE")


def _renounce_files() -> None:
    """Open no descriptor ever again: neither a file nor a socket. What is open stays usable."""
    _limit("RLIMIT_NOFILE")


def _limit(name: str) -> None:
    try:
        import resource

        resource.setrlimit(getattr(resource, name), (0, 0))
    except (ImportError, AttributeError, OSError, ValueError):
        pass


def main() -> None:
    """Run the child: frames come on standard input, answers leave on what was standard output."""
    silence.install("model", keeps=False)  # it may write no file; what it refuses is told with its answers
    _renounce_at_start()
    inbox = os.fdopen(os.dup(0), "rb")
    outbox = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not end up among the frames, nor on the writer's terminal.
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    Worker(inbox, outbox).run()


if __name__ == "__main__":
    main()
