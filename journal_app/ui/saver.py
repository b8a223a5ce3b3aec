"""Owns every write that the window makes: one thread, one store, in order.

The editor hands over text and goes on; nothing here runs on the GUI thread but putting into a
queue. An entry that has never been stored is known by a key (``new:…``) until its first save.
While the disk refuses, the newest text of each entry is kept here and tried again.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from journal_app.ui.bridge import EntryGone, EntryRead, EntrySaved
from journal_app.vault.records import Correction, Entry, Mood, ReadOnlyVault, Store, VaultError, VaultWriteError

RETRY_SECONDS = 3.0
NEW = "new:"


@dataclass(frozen=True, slots=True)
class SaveFailed:
    """Something could not be stored; the words are kept in memory and tried again."""

    key: str
    message: str


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What is known of an entry before its first key; None = now."""

    local_date: str | None = None
    local_time: str | None = None
    offset_minutes: int | None = None
    mood: Mood | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Write:
    key: str
    kind: str  # "text" or "change"
    text: str = ""
    make: NewEntry | None = None
    change: Callable[[Store, str], object] | None = None
    event: Callable[[str], object] | None = None


def _worth_another_try(write: _Write, error: VaultError) -> bool:
    """Text is never given up; a mark only waits for a disk that refuses, so that it blocks no words behind it.

    A journal that may only be read will not take anything later either.
    """
    if isinstance(error, ReadOnlyVault):
        return False
    return write.kind == "text" or isinstance(error, VaultWriteError)


class Saver:
    """The single writer of the window. All methods may be called from the GUI thread only.

    ``post`` receives :class:`~journal_app.ui.bridge.EntrySaved`, ``EntryGone``, ``EntryRead`` and
    :class:`SaveFailed`, on the writer's thread.
    """

    def __init__(self, open_store: Callable[[], Store], post: Callable[[object], None]) -> None:
        self._open_store = open_store
        self._post = post
        self._condition = threading.Condition()
        self._queue: deque[_Write] = deque()
        self._busy = False
        self._failing = False
        self._stopping = False
        self._store: Store | None = None  # the thread's own
        self._ids: dict[str, str] = {}
        self._thread = threading.Thread(target=self._serve, name="saver", daemon=True)
        self._thread.start()

    @staticmethod
    def new_key() -> str:
        """Return a key for an entry that does not exist yet."""
        return NEW + uuid.uuid4().hex

    def entry_id(self, key: str) -> str | None:
        """Return the entry's id, or None while it has never been stored."""
        if not key.startswith(NEW):
            return key
        with self._condition:
            return self._ids.get(key)

    def save_text(self, key: str, text: str, make: NewEntry | None = None) -> None:
        """Store ``text`` soon; a newer text of the same entry replaces one that still waits."""
        write = _Write(key, "text", text, make)
        with self._condition:
            for index, waiting in enumerate(self._queue):
                if waiting.kind == "text" and waiting.key == key:
                    self._queue[index] = replace(write, make=make or waiting.make)
                    break
            else:
                self._queue.append(write)
            self._condition.notify_all()

    def set_mood(self, key: str, mood: Mood | None) -> None:
        """Store the writer's own mood of an entry."""
        self._change(key, lambda store, entry_id: store.set_mood(entry_id, mood))

    def set_tags(self, key: str, tags: tuple[str, ...]) -> None:
        """Store the writer's own tags of an entry."""
        self._change(key, lambda store, entry_id: store.set_tags(entry_id, tags))

    def set_flags(self, key: str, *, for_therapist: bool | None = None, read_me: bool | None = None) -> None:
        """Store a mark of an entry."""
        self._change(
            key, lambda store, entry_id: store.set_flags(entry_id, for_therapist=for_therapist, read_me=read_me)
        )

    def set_when(self, key: str, local_date: str, local_time: str, offset_minutes: int) -> None:
        """Store another date and time of an entry."""
        self._change(key, lambda store, entry_id: store.set_when(entry_id, local_date, local_time, offset_minutes))

    def delete(self, key: str) -> None:
        """Move an entry to the bin, after everything that waits for it."""
        self._change(key, lambda store, entry_id: store.delete(entry_id), EntryGone)

    def restore(self, key: str) -> None:
        """Bring an entry back from the bin."""
        self._change(key, lambda store, entry_id: store.restore(entry_id), EntryGone)

    def correct(self, key: str, task: str, label: str, verdict: str) -> None:
        """Store the writer's word about a tag."""
        self._change(
            key, lambda store, entry_id: store.save_correction(Correction(entry_id, task, label, verdict)), EntryRead
        )

    def take_back(self, key: str, task: str, label: str) -> None:
        """Forget the writer's word about a tag."""
        self._change(key, lambda store, entry_id: store.clear_correction(entry_id, task, label), EntryRead)

    def submit(self, change: Callable[[Store, str], object]) -> None:
        """Run another write with the writer's store, in its turn; no event follows."""
        self._change("", change)

    def set_setting(self, name: str, value: Any) -> None:
        """Store a private setting inside the vault."""
        self._change("", lambda store, _entry_id: store.set_setting(name, value), None)

    @property
    def failing(self) -> bool:
        """Whether the disk refused the last write and something waits for another try."""
        with self._condition:
            return self._failing

    @property
    def idle(self) -> bool:
        """Whether everything that was handed over is stored."""
        with self._condition:
            return not self._queue and not self._busy

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything is durable; False when the disk refuses or time is up."""
        deadline = time.monotonic() + timeout
        with self._condition:
            self._failing = False
            self._condition.notify_all()
            while self._queue or self._busy:
                left = deadline - time.monotonic()
                if left <= 0 or self._failing:
                    return False
                self._condition.wait(left)
            return True

    def stop(self, timeout: float = 5.0) -> bool:
        """Store what waits, close the store and end the thread; False when words were left behind."""
        stored = self.flush(timeout)
        with self._condition:
            self._stopping = True
            self._queue.clear()
            self._condition.notify_all()
        self._thread.join(timeout)
        return stored

    def _change(
        self,
        key: str,
        change: Callable[[Store, str], object],
        event: Callable[[str], object] | None = None,
    ) -> None:
        with self._condition:
            self._queue.append(_Write(key, "change", change=change, event=event))
            self._condition.notify_all()

    def _serve(self) -> None:
        try:
            # At once, not with the first word: should a sync program put another file in the journal's place, words
            # can still be stored into the one that was opened, and nobody may open it then.
            self._store = self._open_store()
        except Exception:
            pass  # the first write asks again, and says why
        while True:
            with self._condition:
                if self._failing and not self._stopping:
                    self._condition.wait(RETRY_SECONDS)
                    self._failing = False
                while not self._queue and not self._stopping:
                    self._condition.wait()
                if self._stopping:
                    break
                write = self._queue.popleft()
                self._busy = True
            outcome: object | None = None
            failed = False
            try:
                store = self._store = self._store or self._open_store()
                outcome = self._write(store, write)
            except VaultError as error:
                failed, outcome = _worth_another_try(write, error), SaveFailed(write.key, str(error))
            except Exception:  # a bug here must not end the only writer; its message could hold words
                failed, outcome = write.kind == "text", SaveFailed(write.key, "")
            with self._condition:
                self._busy = False
                if failed:
                    self._put_back(write)
                    self._failing = True
                self._condition.notify_all()
            if outcome is not None:
                self._post(outcome)
        if self._store is not None:
            self._store.close()

    def _put_back(self, write: _Write) -> None:
        newer = any(w.kind == "text" and w.key == write.key for w in self._queue)
        if write.kind == "change":
            if len(self._queue) < 1000:
                self._queue.appendleft(write)
        elif not newer:
            self._queue.appendleft(write)
        elif write.make is not None:
            for index, waiting in enumerate(self._queue):
                if waiting.kind == "text" and waiting.key == write.key and waiting.make is None:
                    self._queue[index] = replace(waiting, make=write.make)

    def _write(self, store: Store, write: _Write) -> object | None:
        entry_id = self._ids.get(write.key) if write.key.startswith(NEW) else write.key
        if write.kind == "text":
            if entry_id is None:
                entry = self._make(store, write)
                with self._condition:
                    self._ids[write.key] = entry.id
            else:
                entry = store.save_text(entry_id, write.text)
            return EntrySaved(write.key, entry.id)
        if write.change is None or entry_id is None:
            return None  # a mark on an entry that was never begun
        write.change(store, entry_id)
        if write.event is not None:
            return write.event(entry_id)
        return EntrySaved(write.key, entry_id) if entry_id else None

    @staticmethod
    def _make(store: Store, write: _Write) -> Entry:
        make = write.make or NewEntry()
        return store.new_entry(
            write.text,
            local_date=make.local_date,
            local_time=make.local_time,
            offset_minutes=make.offset_minutes,
            mood=make.mood,
            tags=make.tags,
        )
