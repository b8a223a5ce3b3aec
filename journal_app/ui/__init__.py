"""The window: Qt lives here and nowhere else."""

from __future__ import annotations

import ctypes
import sys

_MANY = 1 << 40


def keep_singletons_alive() -> None:
    """Give ``None``, ``True`` and ``False`` references to lose, where Python counts them.

    PySide6 6.12.0 gives back one reference too many to these in every method that returns one of
    them. Before Python 3.12, where they became immortal, the count reaches zero after some thousand
    calls and the interpreter aborts ("deallocating None"); 6.11.3 does not have the fault. This
    runs before anything of PySide6 is called, so that no installed version can lose words.
    """
    if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
        for singleton in (None, True, False, NotImplemented, ...):
            ctypes.c_ssize_t.from_address(id(singleton)).value += _MANY


keep_singletons_alive()
