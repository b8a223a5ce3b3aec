"""Keep this process's memory to itself: no core dumps, and on Linux no reading by other programs.

Used by the command line and the window. Both hold an unlocked journal: its key and its texts.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

_PR_SET_DUMPABLE = 4


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
    none at all, and on Linux nobody but root can read its memory, the model's process included.
    """
    no_core_dumps()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
