"""The way off the GUI thread and back: jobs in, results by one queued signal.

Three lanes: ``run`` for plain work, ``background`` for work that may take minutes, ``query`` for
reading the journal with a store of the lane's own. Results carry a job number; a result that was
cancelled, or whose receiver is gone, is dropped. Events from other threads (saver, analysis) come
home through :meth:`Bridge.post`.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, Qt, Signal

from journal_app.vault.records import Store, VaultError


class Job:
    """A piece of work that was asked for; ``fn`` may look at :attr:`cancelled`."""

    __slots__ = ("_cancelled", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Drop the result; work that has not begun is not begun."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more."""
        return self._cancelled.is_set()


@dataclass(frozen=True, slots=True)
class EntrySaved:
    """An entry was stored: its text, mood, tags, date or a mark. ``key`` is the saver's key."""

    key: str
    entry_id: str


@dataclass(frozen=True, slots=True)
class EntryGone:
    """An entry went to the bin or came back from it."""

    entry_id: str


@dataclass(frozen=True, slots=True)
class EntryRead:
    """An entry's analysis or the writer's corrections of it changed."""

    entry_id: str


@dataclass(frozen=True, slots=True)
class JournalDamaged:
    """A part of the open journal cannot be read; ``text`` says what happened and what is safe."""

    text: str


@dataclass(frozen=True, slots=True)
class ReadingState:
    """What the reader is doing: ``idle``, ``reading``, ``off``, ``failed``; ``waiting`` entries are queued."""

    state: str
    waiting: int = 0
    message: str = ""


class _Callback:
    """A callable that does not keep a widget alive and knows whether its receiver still lives."""

    __slots__ = ("_fn", "_weak")

    def __init__(self, fn: Callable[[Any], None] | None) -> None:
        owner = getattr(fn, "__self__", None)
        weak = isinstance(owner, QObject) and hasattr(fn, "__func__")
        self._weak = weakref.WeakMethod(fn) if weak else None  # type: ignore[arg-type]
        self._fn = None if weak else fn

    def __call__(self, value: Any) -> bool:
        fn = self._weak() if self._weak else self._fn
        if fn is None:
            return False
        owner = getattr(fn, "__self__", None)
        if isinstance(owner, QObject) and not shiboken6.isValid(owner):
            return False
        fn(value)
        return True


@dataclass(slots=True)
class _Task:
    job: Job
    fn: Callable[..., Any]
    needs_store: bool = False


@dataclass(slots=True)
class _Waiting:
    job: Job
    done: _Callback
    failed: _Callback


@dataclass(slots=True)
class _Lane:
    name: str
    tasks: queue.SimpleQueue[_Task | None] = field(default_factory=queue.SimpleQueue)
    thread: threading.Thread | None = None


class Bridge(QObject):
    """Runs work on its own threads and brings results to the GUI thread.

    Signals:
        happened: a dataclass of this module or of ``journal.analysis``, always on the GUI thread.
    """

    happened = Signal(object)
    _finished = Signal(int, object, object)
    _posted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._waiting: dict[int, _Waiting] = {}
        self._work = _Lane("work")
        self._slow = _Lane("slow")
        self._query: _Lane | None = None
        self._open_store: Callable[[], Store] | None = None
        self._finished.connect(self._on_finished, Qt.ConnectionType.QueuedConnection)
        self._posted.connect(self._on_posted, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        fn: Callable[[], Any],
        on_done: Callable[[Any], None] | None = None,
        on_failed: Callable[[Exception], None] | None = None,
    ) -> Job:
        """Run ``fn()`` on the work lane; call ``on_done(result)`` or ``on_failed(error)`` on the GUI thread."""
        return self._submit(self._work, fn, on_done, on_failed, needs_store=False)

    def background(
        self,
        fn: Callable[[], Any],
        on_done: Callable[[Any], None] | None = None,
        on_failed: Callable[[Exception], None] | None = None,
    ) -> Job:
        """Run ``fn()`` like :meth:`run`, on a lane that nothing quick waits for (backups, a new encryption key)."""
        return self._submit(self._slow, fn, on_done, on_failed, needs_store=False)

    def query(
        self,
        fn: Callable[[Store], Any],
        on_done: Callable[[Any], None] | None = None,
        on_failed: Callable[[Exception], None] | None = None,
    ) -> Job:
        """Run ``fn(store)`` on the reading lane, which has a store of its own; never write with it."""
        if self._query is None:
            job = Job(-1)
            job.cancel()
            return job
        return self._submit(self._query, fn, on_done, on_failed, needs_store=True)

    def post(self, event: object) -> None:
        """Emit ``event`` on the GUI thread; may be called from any thread."""
        self._posted.emit(event)

    def attach(self, open_store: Callable[[], Store]) -> None:
        """Open the reading lane over a journal; ``open_store`` is called on the lane's thread."""
        self.detach()
        self._open_store = open_store
        self._query = _Lane("query")

    def detach(self, timeout: float = 5.0) -> None:
        """Cancel every query, close the lane's store and wait for its thread."""
        lane, self._query = self._query, None
        self._open_store = None
        for waiting in self._waiting.values():
            waiting.job.cancel()
        if lane and lane.thread:
            lane.tasks.put(None)
            lane.thread.join(timeout)

    def close(self) -> None:
        """Stop every lane; results that are still under way are dropped."""
        self.detach()
        for lane in (self._work, self._slow):
            if lane.thread:
                lane.tasks.put(None)
                lane.thread.join(1.0)

    def _submit(
        self,
        lane: _Lane,
        fn: Callable[..., Any],
        on_done: Callable[[Any], None] | None,
        on_failed: Callable[[Exception], None] | None,
        *,
        needs_store: bool,
    ) -> Job:
        self._number += 1
        job = Job(self._number)
        self._waiting[job.number] = _Waiting(job, _Callback(on_done), _Callback(on_failed))
        if lane.thread is None:
            arguments = (lane, self._open_store if needs_store else None)
            lane.thread = threading.Thread(target=self._serve, args=arguments, name=f"bridge-{lane.name}", daemon=True)
            lane.thread.start()
        lane.tasks.put(_Task(job, fn, needs_store))
        return job

    def _serve(self, lane: _Lane, open_store: Callable[[], Store] | None) -> None:
        store: Store | None = None
        while (task := lane.tasks.get()) is not None:
            if task.job.cancelled:
                self._send(task.job.number, None, None)
                continue
            try:
                if task.needs_store and store is None and open_store is not None:
                    store = open_store()
                result = task.fn(store) if task.needs_store else task.fn()
            except Exception as error:  # every failure is carried to the GUI thread
                self._send(task.job.number, None, error)
            else:
                self._send(task.job.number, result, None)
            del task
        if store is not None:
            with contextlib.suppress(VaultError):
                store.close()

    def _send(self, number: int, result: object, error: Exception | None) -> None:
        try:
            self._finished.emit(number, result, error)
        except RuntimeError:
            pass  # the window is gone: nobody waits

    def _on_finished(self, number: int, result: object, error: Exception | None) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is None or waiting.job.cancelled:
            return
        if error is None:
            waiting.done(result)
        else:
            waiting.failed(error)

    def _on_posted(self, event: object) -> None:
        self.happened.emit(event)
