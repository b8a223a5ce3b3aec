"""Locks an idle journal, and one whose computer slept, by clocks that go on while the computer sleeps.

Two clocks are read, the wall clock and, where the system has one, a clock that counts sleep and cannot be set.
The larger difference holds, so that neither sleeping nor setting the clock keeps a journal open.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QTimer, Signal

IDLE = "idle"
SLEPT = "slept"
TICK_MS = 2_000
GAP_S = 30.0
"""A tick this late means that the computer slept (or that a clock was set by as much)."""
MOST_MINUTES = 240

_INPUT = frozenset(
    {
        QEvent.Type.KeyPress,
        QEvent.Type.MouseMove,
        QEvent.Type.MouseButtonPress,
        QEvent.Type.Wheel,
        QEvent.Type.TouchBegin,
        QEvent.Type.InputMethod,
    }
)


def boot_seconds() -> float:
    """Return seconds on a clock that nobody can set: one that counts sleep, where the system has it."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class IdleWatch(QObject):
    """Watches one window for input.

    Signals:
        expired: the journal has to be locked, because of IDLE or SLEPT.
    """

    expired = Signal(str)

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        parent: QObject | None = None,
        *,
        boot: Callable[[], float] = boot_seconds,
    ) -> None:
        super().__init__(parent)
        self._clock = clock
        self._boot = boot
        self._minutes = 10
        self._last = self._seen = self._now()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.check)

    def start(self, minutes: int) -> None:
        """Begin to watch; ``minutes`` of idleness expire."""
        self.set_minutes(minutes)
        self._last = self._seen = self._now()
        self._timer.start()

    def stop(self) -> None:
        """Stop watching (nothing is open)."""
        self._timer.stop()

    def set_minutes(self, minutes: int) -> None:
        """Take another limit, from 1 to MOST_MINUTES; there is none that never locks."""
        self._minutes = min(max(minutes, 1), MOST_MINUTES)

    def touch(self) -> None:
        """Say that somebody is there."""
        self._last = self._now()

    def idle_seconds(self) -> float:
        """Return seconds since the last input, on the clock that has gone further."""
        return max(0.0, *(now - last for now, last in zip(self._now(), self._last, strict=True)))

    def check(self) -> None:
        """Expire when a tick is long overdue, or when nobody has been there for the time set."""
        slept = self._gap() > GAP_S
        self._seen = self._now()
        if slept or self.idle_seconds() >= self._minutes * 60:
            self._timer.stop()
            self.expired.emit(SLEPT if slept else IDLE)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Note input on the window's surface; never takes it away, but for what wakes a computer that slept."""
        if event.type() in _INPUT:
            if self._timer.isActive() and self._gap() > GAP_S:
                self.check()  # before the next tick: what is pressed now is not meant for a page that is locked
                return True
            self._last = self._now()
        return super().eventFilter(watched, event)

    def _now(self) -> tuple[float, float]:
        return self._clock(), self._boot()

    def _gap(self) -> float:
        """Return how far apart the last tick and now are; a wall clock that went back counts as well."""
        (wall, boot), (seen_wall, seen_boot) = self._now(), self._seen
        return max(abs(wall - seen_wall), boot - seen_boot)
