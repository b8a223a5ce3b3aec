"""The write-ahead log as it lies on the disk: which of its frames SQLite would read, and what it would drop.

SQLite reads a log up to the first frame that fails its checksum and says nothing of the rest: right after
a power cut, and a silent loss after damage. Here the two are told apart. The checksums say what SQLite would do;
whether a page is authentic is for ``pages`` to say. The format is SQLite's (sqlite.org/fileformat2.html, section 4).
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from journal_app.vault import folder as folders

PAGE = 4096
_HEAD = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")


@dataclass(frozen=True, slots=True)
class Frame:
    """One page in a log: its number, where its bytes begin, and the size of the file it commits to (0: none)."""

    number: int
    at: int
    commit: int


class Log:
    """A write-ahead log: what SQLite would read of it, and whether there was more.

    Attributes:
        frames: up to the last commit that SQLite would read.
        beyond: what follows a damaged frame, up to the last commit; each is still to be checked.
        damaged: whether something that was durable once no longer reads. The last transaction of a log is never
            called damaged: it looks just like a save that a power cut has interrupted.
    """

    def __init__(self, path: Path) -> None:
        with folders.reading():
            self._file = path.open("rb")
        self.frames: tuple[Frame, ...] = ()
        self.beyond: tuple[Frame, ...] = ()
        self.damaged = False
        self._scan()

    def bytes_at(self, at: int, size: int) -> bytes:
        """Return ``size`` bytes of the log, fewer at its end."""
        with folders.reading():
            self._file.seek(at)
            return self._file.read(size)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _scan(self) -> None:
        with folders.reading():
            size = self._file.seek(0, 2)
        count = max(0, size - _HEAD.size) // (_FRAME.size + PAGE)
        if count == 0:
            return
        raw = self.bytes_at(0, _HEAD.size)
        magic, _, page, _, *salts, first, second = _HEAD.unpack(raw)
        order = ">u4" if magic == 0x377F0683 else "<u4"
        sound = magic in (0x377F0682, 0x377F0683) and page == PAGE and _sums((0, 0), raw[:24], order) == (first, second)
        heads = [_FRAME.unpack(self.bytes_at(_HEAD.size + i * (_FRAME.size + PAGE), _FRAME.size)) for i in range(count)]
        if not sound:
            seen = [head[2:4] for head in heads if any(head)]
            if not seen:
                return  # room that was never written
            salts = list(max(set(seen), key=seen.count))
        frames: list[Frame] = []
        exact, chained, ours = [], [], []
        said = made = (first, second)
        for index, head in enumerate(heads):
            at = _HEAD.size + index * (_FRAME.size + PAGE) + _FRAME.size
            covered = struct.pack(">2I", *head[:2]) + self.bytes_at(at, PAGE)
            own = _sums(said, covered, order)
            exact.append(sound and own == head[4:])
            # A damaged predecessor may have said something else than it should have.
            chained.append(own == head[4:] or _sums(made, covered, order) == head[4:])
            ours.append(list(head[2:4]) == list(salts))
            frames.append(Frame(head[0], at, head[1]))
            said, made = head[4:], own
        self._judge(frames, exact, chained, ours, sound)

    def _judge(
        self, frames: list[Frame], exact: list[bool], chained: list[bool], ours: list[bool], sound: bool
    ) -> None:
        stop = next((i for i in range(len(frames)) if not (ours[i] and exact[i])), len(frames))
        ends = [i for i in range(stop) if frames[i].commit]
        kept = ends[-1] + 1 if ends else 0
        self.frames = tuple(frames[:kept])
        # A transaction that another one follows had been waited for.
        self.damaged = not sound or any(
            frames[i].commit and (ours[i] or i == stop) and ours[i + 1] and chained[i + 1]
            for i in range(stop, len(frames) - 1)
        )
        if self.damaged:
            last = max((i for i in range(kept, len(frames)) if ours[i] and frames[i].commit), default=-1)
            self.beyond = tuple(frames[i] for i in range(kept, last + 1) if ours[i] or i == stop)


@functools.cache
def _powers(steps: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Return, for each place of a run of ``steps``, what one step adds to both sums in the end (modulo 2^32)."""
    one = [(1, 0, 0, 1)]
    for _ in range(steps):
        a, b, c, d = one[-1]
        one.append(tuple(v & 0xFFFFFFFF for v in (a + c, b + d, a + 2 * c, b + 2 * d)))  # type: ignore[arg-type]
    columns = np.array(one[::-1], dtype=np.uint32)
    return tuple(columns[:, i] for i in range(4))


def _sums(seed: tuple[int, ...], data: bytes, order: str) -> tuple[int, int]:
    """Return the running checksum of the log's format after ``data`` (whose length is a multiple of 8).

    Each step is s0 += x + s1, s1 += y + s0: linear, so a whole page is four products of vectors.
    """
    words = np.frombuffer(data, dtype=order).astype(np.uint32)
    x, y = words[0::2], words[0::2] + words[1::2]
    a, b, c, d = _powers(len(x))
    first = int((a[1:] * x + b[1:] * y).sum(dtype=np.uint32)) + int(a[0]) * seed[0] + int(b[0]) * seed[1]
    second = int((c[1:] * x + d[1:] * y).sum(dtype=np.uint32)) + int(c[0]) * seed[0] + int(d[0]) * seed[1]
    return first & 0xFFFFFFFF, second & 0xFFFFFFFF
