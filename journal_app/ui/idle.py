"""Locks an idle journal by the wall clock, so that a computer that slept past the deadline is locked on waking."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QTimer, Signal

TICK_MS = 2_000
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


class IdleWatch(QObject):
    """Watches one window for input.

    Signals:
        expired: nobody touched the window for the time set.
    """

    expired = Signal()

    def __init__(self, clock: Callable[[], float] = time.time, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._clock = clock
        self._minutes = 10
        self._last = clock()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.check)

    def start(self, minutes: int) -> None:
        """Begin to watch; ``minutes`` of idleness expire."""
        self._minutes = minutes
        self.touch()
        self._timer.start()

    def stop(self) -> None:
        """Stop watching (nothing is open)."""
        self._timer.stop()

    def set_minutes(self, minutes: int) -> None:
        """Take another limit."""
        self._minutes = minutes

    def touch(self) -> None:
        """Say that somebody is there."""
        self._last = self._clock()

    def idle_seconds(self) -> float:
        """Return seconds since the last input; a clock set back counts as no time."""
        return max(0.0, self._clock() - self._last)

    def check(self) -> None:
        """Expire when the deadline has passed by the wall clock."""
        now = self._clock()
        if now < self._last - 60:  # the clock was set back: begin again rather than never lock
            self._last = now
        if now - self._last >= self._minutes * 60:
            self._timer.stop()
            self.expired.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Note input on the window's surface; never takes it away."""
        if event.type() in _INPUT:
            self._last = self._clock()
        return super().eventFilter(watched, event)
