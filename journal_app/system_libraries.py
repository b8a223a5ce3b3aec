"""Name the system libraries that Qt needs and that this machine lacks, with the command that installs them.

Checked before Qt is loaded, because Qt ends the process without a word to the person when its
window plug-in finds one missing. Linux only; elsewhere Qt brings what it needs.
"""

from __future__ import annotations

import ctypes
import sys

_ALWAYS = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
}
_WINDOW = {
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


def missing(window: bool) -> list[str]:
    """Return the Debian packages of the libraries that cannot be loaded, sorted."""
    if not sys.platform.startswith("linux"):
        return []
    wanted = {**_ALWAYS, **_WINDOW} if window else _ALWAYS
    return sorted(package for library, package in wanted.items() if not _loads(library))


def advice(packages: list[str]) -> str:
    """Return the sentence for a person who lacks ``packages``."""
    return (
        "Quiet Page cannot open its window: Qt needs system libraries that are not installed. "
        "Nothing is wrong with your journal. On Debian or Ubuntu, install them with:\n"
        f"  sudo apt-get install {' '.join(packages)}"
    )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _main(arguments: list[str]) -> int:
    lacking = missing(window="offscreen" not in arguments)
    if lacking:
        print(" ".join(lacking) if "--packages" in arguments else advice(lacking))
    return 1 if lacking and "--packages" not in arguments else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
