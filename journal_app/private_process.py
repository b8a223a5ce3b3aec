"""Keep this process's memory to itself: no core dumps, no reading by other programs, nothing old left in it.

Used by the command line and the window. Both hold an unlocked journal: its key and its texts.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

_PR_SET_DUMPABLE = 4
_M_PERTURB = -6
_FREED = 0xFF
"""What freed memory is filled with; what is handed out then begins as zeros, the gentlest filling there is."""

_BYTES_HEAD = 33
_SMALLEST, _LARGEST, _STEP = 48, 512, 16
"""Sizes of blocks that Python keeps for itself instead of giving them back to the C library."""
_SWEPT_LARGEST, _SWEPT_OTHERS = 24 << 20, 2 << 20


def no_core_dumps() -> None:
    """Let a crash leave no copy of the memory on the disk, as far as a limit can say so."""
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def keep_memory_private() -> None:
    """Keep the memory off the disk and from other programs of the same person; calling it again changes nothing.

    The limit alone does not hold where core dumps go to a program; a process that is not dumpable makes
    none at all, and on Linux nobody but root can read its memory, the model's process included. From now on
    freed memory is overwritten (see :func:`overwrite_freed`).
    """
    no_core_dumps()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    overwrite_freed()


def overwrite_freed() -> None:
    """Have the C library overwrite what is freed from now on: pages of SQLCipher's cache, texts of Qt, long strings.

    glibc only; elsewhere nothing happens. Blocks of up to about 1,000 bytes that a thread keeps for its next use
    (seven of a size) are left out by glibc itself. Measured: see ``docs/security.md``.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_PERTURB, _FREED)


def sweep_freed() -> None:
    """Overwrite small blocks that Python has freed and keeps: short strings, such as lines of a list or snippets.

    Takes new blocks of every size until the free ones should be used up, all zeros, and lets them go. Some 50 ms.
    """
    for size in (_LARGEST, *range(_SMALLEST, _LARGEST, _STEP)):
        total = _SWEPT_LARGEST if size == _LARGEST else _SWEPT_OTHERS
        blocks = [bytes(size - _BYTES_HEAD) for _ in range(total // size)]
        del blocks
