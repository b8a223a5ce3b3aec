"""The model in a child process, behind the same ``Reader`` protocol.

Owns starting, asking, cancelling, timing out, killing and restarting the child. A native crash, an
illegal instruction or a hostile file ends the child and nothing else; the next call starts a
fresh one. This side imports neither numpy nor llama.cpp, so the window starts without them.

No text ever reaches a log, an exception or a file from here: frames go through two pipes and
the child's own output goes nowhere.
"""

from __future__ import annotations

import os
import re
import site
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from journal_app import silence
from journal_app.contract.manifest import Manifest
from journal_app.inference.engine import ModelCancelled, ModelCrashed, ModelError, ModelInfo, Reading
from journal_app.inference.worker import MAX_ANSWER, reading_from_wire, receive, send

_CANCEL_GRACE = 0.05
_LOAD_LIMIT = 300.0
_CHUNK_TEXTS = 16
_CHUNK_CHARACTERS = 20_000
_LONGEST_PAUSE = 30.0
_LONGEST_MESSAGE = 500
_SHA256 = re.compile("[0-9a-f]{64}")
# What taking a hostile answer apart may raise. ManifestError is a ValueError.
_NONSENSE = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError, MemoryError)
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from journal_app.inference.worker import main; main()"
_WINDOWS_FLAGS = ("CREATE_NO_WINDOW", "BELOW_NORMAL_PRIORITY_CLASS")
_KEPT_ENVIRONMENT = (
    "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "SYSTEMROOT", "TEMP",
    "TMP", "LANG", "LC_ALL",
)  # fmt: skip


class ModelProcess:
    """A reader whose model lives in a child process, started on first use.

    Args:
        path: the GGUF.
        sha256: if given, the file must have it, or :class:`ModelError` is raised before it is loaded.
        threads: for the model; None lets the child choose.
        time_limit: seconds that one text may take, to which a second per 50 characters is added;
            then the child is killed and :class:`ModelCrashed` raised.
        idle_seconds: the child is ended after this long without a call; None keeps it.
    """

    def __init__(
        self,
        path: Path,
        *,
        sha256: str | None = None,
        threads: int | None = None,
        time_limit: float = 120.0,
        idle_seconds: float | None = None,
    ) -> None:
        self._path = Path(path).absolute()
        self._sha256 = sha256
        self._threads = threads
        self._time_limit = time_limit
        self._idle_seconds = idle_seconds
        self._call = threading.Lock()
        self._state = threading.Lock()
        self._wake = threading.Event()
        self._child: _Child | None = None
        self._info: ModelInfo | None = None
        self._network: object = None
        self._idle: threading.Timer | None = None
        self._closed = False
        self._calling = False
        self._cancelled = False
        self._crashes = 0
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """The child's process id, or None while there is no child."""
        child = self._child
        return child.process.pid if child is not None and child.process.poll() is None else None

    @property
    def network(self) -> object:
        """What the child said of its network when it was started, for ``network_check``; not to be trusted blindly."""
        return self._network

    def info(self) -> ModelInfo:
        """Return what is known of the model, starting the child for it the first time."""
        info = self._info
        if info is not None and not self._closed:
            return info
        with self._running():
            self._ready()
        if self._info is None:
            raise ModelError("the model said nothing of itself")
        return self._info

    def read(self, texts: Sequence[str], *, evidence: bool = True) -> list[Reading]:
        """Read each text by itself, in order; see :class:`engine.Reader`.

        All or nothing: if the child dies in between, :class:`ModelCrashed` is raised and the next
        call starts it afresh.
        """
        readings: list[Reading] = []
        with self._running():
            for chunk in _chunks(texts):
                limit = self._time_limit * len(chunk) + sum(map(len, chunk)) / 50
                answer = self._ask(self._ready(), {"do": "read", "texts": chunk, "evidence": evidence}, limit)
                readings += self._checked(answer, chunk)
                self._crashes = 0
        return readings

    def cancel(self) -> None:
        """Stop the call in progress, from any thread; harmless when there is none.

        The child is asked first; if it has not answered after 50 ms it is killed.
        """
        with self._state:
            if not self._calling or self._cancelled:
                return
            self._cancelled = True
            child = self._child
        self._wake.set()
        if child is not None:
            child.cancel(_CANCEL_GRACE)

    def close(self) -> None:
        """End the child. Safe to call twice, and from another thread than a running call."""
        with self._state:
            self._closed = True
            child = self._child
        self._wake.set()
        if child is not None:
            child.stop()
        with self._call:
            self._drop()

    def __enter__(self) -> ModelProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> _Call:
        return _Call(self._enter, self._leave)

    def _enter(self) -> None:
        self._call.acquire()
        with self._state:
            if self._closed:
                self._call.release()
                raise ModelError("the model is closed")
            self._calling, self._cancelled = True, False
            self._wake.clear()
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None

    def _leave(self) -> None:
        try:
            with self._state:
                self._calling = False
                if self._idle_seconds is not None and self._child is not None and not self._closed:
                    self._idle = threading.Timer(self._idle_seconds, self._rest)
                    self._idle.daemon = True
                    self._idle.start()
        except RuntimeError:
            # No thread to wait in: the child stays until the next call.
            self._idle = None
        finally:
            self._call.release()

    def _rest(self) -> None:
        """Give the memory back; the next call starts the child again."""
        if self._call.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._call.release()

    def _ready(self) -> _Child:
        """Return a child with the model loaded, starting one if there is none alive."""
        if self._child is not None and self._child.process.poll() is None:
            return self._child
        if self._child is not None:
            # It died between two calls; nobody was waiting for it.
            self._drop()
        while (pause := self._not_before - time.monotonic()) > 0 and not self._wake.is_set():
            self._wake.wait(pause)
        self._raise_if_stopped()
        try:
            child = _Child(self._path)
        except OSError as error:
            raise ModelError(f"the model's process could not be started: {error.strerror}") from None
        with self._state:
            self._child = child
        if self._closed:
            child.kill()
        message = {"do": "load", "path": str(self._path), "threads": self._threads, "sha256": self._sha256}
        try:
            answer = self._ask(child, message, _LOAD_LIMIT)
        except ModelError:
            # Whatever stopped it, a child without a model must not be taken for a ready one.
            self._drop()
            raise
        self._info = self._described(answer)
        self._network = answer.get("network")
        return child

    def _described(self, answer: dict[str, Any]) -> ModelInfo:
        try:
            manifest = Manifest.from_json(answer["manifest"])
            sha256, size = answer["sha256"], answer["bytes"]
            right = self._sha256.lower() if self._sha256 else sha256
            if not _SHA256.fullmatch(sha256) or sha256 != right or type(size) is not int or not 0 <= size < 2**63:
                raise ValueError("another file")
            return ModelInfo(manifest, sha256, self._path.name, size)
        except _NONSENSE:
            raise self._crashed("the model's process gave an answer that makes no sense") from None

    def _ask(self, child: _Child, message: dict[str, Any], limit: float) -> dict[str, Any]:
        self._raise_if_stopped()
        try:
            answer = child.ask(message, limit)
        except ValueError as error:
            # Too long a text, or pipes that a close in another thread has just shut.
            self._raise_if_stopped()
            raise ModelError(str(error)) from None
        except (MemoryError, RuntimeError):
            # No memory for the text as a frame, or no thread to watch the time.
            self._drop()
            raise ModelError("there is not enough memory for the model") from None
        if answer is None:
            overdue = child.overdue
            self._drop()
            self._raise_if_stopped()
            raise self._crashed(
                "the model took too long and was stopped" if overdue else "the model's process ended unexpectedly"
            )
        error = answer.get("error")
        if error == "cancelled":
            raise ModelCancelled("reading was stopped")
        if error is not None:
            raise ModelError(_shown(answer.get("message")))
        return answer

    def _checked(self, answer: dict[str, Any], chunk: list[str]) -> list[Reading]:
        tasks = self._info.manifest.tasks if self._info is not None else {}
        try:
            return [reading_from_wire(raw, text, tasks) for raw, text in zip(answer["readings"], chunk, strict=True)]
        except _NONSENSE:
            raise self._crashed("the model's process gave an answer that makes no sense") from None

    def _raise_if_stopped(self) -> None:
        if self._closed:
            raise ModelError("the model is closed")
        if self._cancelled:
            raise ModelCancelled("reading was stopped")

    def _crashed(self, message: str) -> ModelCrashed:
        """Note a crash; the first restart is immediate, later ones wait longer and longer."""
        self._drop()
        self._crashes += 1
        if self._crashes > 1:
            self._not_before = time.monotonic() + min(_LONGEST_PAUSE, 0.5 * 2 ** (self._crashes - 2))
        return ModelCrashed(message)

    def _drop(self) -> None:
        with self._state:
            child, self._child = self._child, None
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
        if child is not None:
            child.stop()


class _Call:
    """``with`` around one call, so that state is restored whatever happens."""

    def __init__(self, enter: Callable[[], None], leave: Callable[[], None]) -> None:
        self._enter_call, self._leave_call = enter, leave

    def __enter__(self) -> None:
        self._enter_call()

    def __exit__(self, *_: object) -> None:
        self._leave_call()


class _Child:
    """One child process and its two pipes; one question at a time."""

    def __init__(self, model: Path) -> None:
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ} | _site_packages()
        # Threads that wait must sleep, not spin: this computer has other things to do.
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        self.process = subprocess.Popen(
            _command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=model.anchor or None,
            creationflags=sum(getattr(subprocess, name, 0) for name in _WINDOWS_FLAGS),
        )
        self._inbox = cast("BinaryIO", self.process.stdin)
        self._outbox = cast("BinaryIO", self.process.stdout)
        self._writing = threading.Lock()
        self._number = 0
        self._answered = -1
        self.overdue = False

    def ask(self, message: dict[str, Any], limit: float) -> dict[str, Any] | None:
        """Send ``message`` and return its answer, or None if the child died or was killed."""
        self._number += 1
        number = self._number
        watch = threading.Timer(limit, self._expire, (number,))
        watch.daemon = True
        watch.start()
        try:
            with self._writing:
                send(self._inbox, {"id": number, **message})
            while (answer := receive(self._outbox, MAX_ANSWER)) is not None and answer.get("id") != number:
                pass
            if answer is not None and isinstance(refused := answer.get("refused"), list):
                watch_here = silence.installed()
                if watch_here is not None:
                    watch_here.note("model", refused)
            return answer
        except OSError:
            return None
        finally:
            self._answered = number
            watch.cancel()

    def cancel(self, grace: float) -> None:
        """Ask for the running question to be dropped; kill unless it is answered in ``grace`` seconds."""
        number = self._number
        killer = threading.Timer(grace, self._expire, (number, False))
        killer.daemon = True
        try:
            killer.start()
        except RuntimeError:
            # No thread to wait in: not asked, then, but stopped.
            self._expire(number, False)
            return
        if self._writing.acquire(timeout=grace):
            try:
                send(self._inbox, {"do": "cancel", "id": number})
            except (OSError, ValueError):
                # It is gone, or has been stopped in another thread, which shut the pipe.
                pass
            finally:
                self._writing.release()

    def _expire(self, number: int, overdue: bool = True) -> None:
        if self._number == number and self._answered != number:
            self.overdue = overdue
            self.kill()

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> None:
        """End the child at once; its memory, and what it had read, goes back to the system."""
        self.process.kill()
        self.process.wait()
        for stream in (self._inbox, self._outbox):
            try:
                stream.close()
            except OSError:
                pass


def _site_packages() -> dict[str, str]:
    """Return what tells the child's Python where packages of this user are, so that it need not find out.

    Without a home folder in its environment it would look it up in the system's list of users, and
    where logins are kept on a server that is a question over the network, asked at every start.
    """
    if site.ENABLE_USER_SITE:
        return {"PYTHONUSERBASE": site.getuserbase()}
    # Even a user base that is never to be searched is computed, unless it is given.
    return {"PYTHONNOUSERSITE": "1", "PYTHONUSERBASE": sys.prefix}


def _command() -> list[str]:
    """Return how a child is started: through the app itself where it is frozen into one program."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "--model-process"]
    return [sys.executable, "-P", "-c", _BOOT, str(Path(__file__).resolve().parents[2])]


def _shown(message: object) -> str:
    """Return the child's words for a failure if they are one line that can be shown, else others."""
    if isinstance(message, str) and 0 < len(message) <= _LONGEST_MESSAGE and message.isprintable():
        return message
    return "the model failed"


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield runs of neighbours small enough that a cancel or a crash costs little."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        if chunk and (len(chunk) == _CHUNK_TEXTS or size + len(text) > _CHUNK_CHARACTERS):
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += len(text)
    if chunk:
        yield chunk
