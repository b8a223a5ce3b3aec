"""Start here: no arguments open the window, a command does its work without one.

Imports are late on purpose: the command line must not load Qt, and the window must be on the
screen before matplotlib, SQLCipher or llama.cpp are touched.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from journal_app import __version__, silence


def main(argv: list[str] | None = None) -> int:
    """Run Quiet Page; return the exit code (see ``docs/cli.md``)."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["--model-process"]:
        # A frozen program has no `python -c`: it starts itself as the model's process.
        from journal_app.inference.worker import main as serve_model

        sys.argv = [sys.argv[0], *arguments[1:]]
        serve_model()
        return 0
    window = argparse.ArgumentParser(prog="quietpage", add_help=False, allow_abbrev=False)
    window.add_argument("--journal", type=Path)
    options, rest = window.parse_known_args(arguments)
    # Before anything else is loaded, so that no package is asked whether it would like to look something up.
    silence.install("command" if rest else "window")
    if rest:
        from journal_app.cli.main import main as run_command

        return run_command(arguments)

    from journal_app.launch import open_window

    return open_window(options.journal, __version__)


if __name__ == "__main__":
    sys.exit(main())
