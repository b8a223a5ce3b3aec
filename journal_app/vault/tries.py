"""How long the next passphrase has to wait after wrong ones; remembered across restarts of the program.

Against somebody who sits down at the keyboard and guesses. It cannot stop a program that works on a copy
of the files: what that costs is decided by the key derivation (see ``keys``).
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

FILE = "tries.json"
DELAYS_S = (0.0, 0.0, 0.0, 0.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""By the number of wrong tries so far: three may be mistakes of typing; then twice as long each time."""
LONGEST_S = DELAYS_S[-1]
MAX_BYTES = 4096


class Tries:
    """Counts wrong tries in a small file. It holds a number and a time, nothing about any journal.

    Where the file cannot be written, counting goes on for as long as the program runs.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._wrong, self._last = _read(path)

    def wait_seconds(self) -> float:
        """Return how long the next try has to wait, from 0 to LONGEST_S, whatever the clock was set to meanwhile."""
        delay = DELAYS_S[min(self._wrong, len(DELAYS_S) - 1)]
        now = self._clock()
        if now < self._last:  # the clock was set back: the delay begins anew instead of growing with the difference
            self._last = now
            self._write()
        return max(0.0, min(LONGEST_S, self._last + delay - now))

    def wrong(self) -> None:
        """Count a wrong try."""
        # Another window may have counted since; the larger number holds.
        self._wrong = min(max(self._wrong, _read(self._path)[0]) + 1, 1000)
        self._last = self._clock()
        self._write()

    def right(self) -> None:
        """Forget the wrong tries: the journal has opened."""
        had_any, self._wrong, self._last = bool(self._wrong), 0, 0.0
        if had_any or self._path.exists():
            try:
                self._path.unlink(missing_ok=True)
            except OSError:
                self._write()

    def _write(self) -> None:
        temporary = self._path.with_name(f".{FILE}-{secrets.token_hex(4)}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(file, json.dumps({"wrong": self._wrong, "last": self._last}).encode("ascii"))
            finally:
                os.close(file)
            os.replace(temporary, self._path)
        except OSError:
            try:
                temporary.unlink(missing_ok=True)
            except OSError:
                pass


def default_path() -> Path:
    """Return where the count is kept: the user's state folder."""
    import platformdirs

    return Path(platformdirs.user_state_dir("quiet-page", appauthor=False)) / FILE


def _read(path: Path) -> tuple[int, float]:
    try:
        with path.open("rb") as file:
            raw = json.loads(file.read(MAX_BYTES))
        wrong, last = raw["wrong"], raw["last"]
        if type(wrong) is int and wrong >= 0 and isinstance(last, int | float) and 0 <= last < 1e11:
            return min(wrong, 1000), float(last)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    return 0, 0.0
