"""Progress on a terminal and in a log: rate and time left, never a word of any text."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO, TypeVar

T = TypeVar("T")


class Progress:
    """Says what a run is doing.

    Lines go to ``stream`` (standard error unless told otherwise) and, with the time, to ``log``.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        log: Path | None = None,
        *,
        every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to ``stream`` and ``log``; a tracker speaks at most once in ``every`` seconds."""
        self._stream = stream if stream is not None else sys.stderr
        self._log = log
        self.every = every
        self.clock = clock

    def say(self, text: str) -> None:
        """Print one line."""
        print(text, file=self._stream, flush=True)
        if self._log is not None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")

    def track(self, what: str, total: int, unit: str = "steps", start: int = 0) -> Tracker:
        """Return a tracker for ``total`` units of which ``start`` are already done."""
        return Tracker(self, what, total, unit, start)

    def over(self, items: Iterable[T], what: str, total: int, unit: str = "texts") -> Iterator[T]:
        """Yield ``items`` while telling how far it is."""
        tracker = self.track(what, total, unit)
        for done, item in enumerate(items, 1):
            yield item
            tracker.update(done)


class Tracker:
    """Counts towards a total; the rate is that of the last minute or so, not of the whole run."""

    def __init__(self, progress: Progress, what: str, total: int, unit: str, start: int) -> None:
        self._progress = progress
        self._what = what
        self._total = total
        self._unit = unit
        now = progress.clock()
        self._marks: deque[tuple[float, int]] = deque([(now, start)], maxlen=12)
        self._spoke = now

    @property
    def rate(self) -> float:
        """Units a second over the window; 0 before the first update."""
        (t0, n0), (t1, n1) = self._marks[0], self._marks[-1]
        return (n1 - n0) / (t1 - t0) if t1 > t0 else 0.0

    def update(self, done: int, note: str = "") -> None:
        """Tell that ``done`` units are done in all; ``note`` is added to the line."""
        now = self._progress.clock()
        if now - self._spoke < self._progress.every and done < self._total:
            return
        self._spoke = now
        self._marks.append((now, done))
        rate = self.rate
        left = clock_text((self._total - done) / rate) if rate else "?"
        share = 100 * done / self._total if self._total else 100.0
        text = f"{self._what}: {done}/{self._total} {self._unit} ({share:.0f} %), {rate:.2f}/s, {left} left"
        self._progress.say(f"{text}; {note}" if note else text)


def clock_text(seconds: float) -> str:
    """Return ``seconds`` as ``1 h 02 min``, ``3 min 20 s`` or ``12 s``."""
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"
