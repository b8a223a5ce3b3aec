"""Open the window, or say in one line why not and do the same job on the sample journal.

Run as ``python -m journal_app.launch`` by ``make run``. The ``quietpage`` command comes here for
the window only; it never falls back to the sample by itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from journal_app import __version__, silence, system_libraries

EXIT_NO_WINDOW = 10
SAMPLE_OUTPUT = Path("sample-output")


def has_display() -> bool:
    """Return whether Qt has a screen to draw on (or was told to draw elsewhere)."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def open_window(journal: Path | None, version: str = __version__) -> int:
    """Open the window and return its exit code; explain in plain words when it cannot open."""
    if not has_display():
        print(
            "There is no display here, so the window cannot open. The commands work: quietpage --help", file=sys.stderr
        )
        return EXIT_NO_WINDOW
    lacking = system_libraries.missing(window=os.environ.get("QT_QPA_PLATFORM") not in ("offscreen", "minimal", "vnc"))
    if lacking:
        print(system_libraries.advice(lacking), file=sys.stderr)
        return EXIT_NO_WINDOW
    from journal_app.ui.app import run

    return run(journal, version)


def main() -> int:
    """Do what ``make run`` promises; return the exit code."""
    silence.install("window")
    if has_display():
        return open_window(None)
    print(f"No display: doing the whole job on the sample journal instead; see {SAMPLE_OUTPUT}/", flush=True)
    from journal_app.cli.sample import run

    return run(SAMPLE_OUTPUT)


if __name__ == "__main__":
    sys.exit(main())
