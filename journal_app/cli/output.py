"""Printing that cannot fail for what it prints: any text, any terminal, closed pipes.

Standard output carries the result, standard error everything else, so that a program can read the
one and a person the other.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

EXIT_OK = 0
EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_PASSPHRASE = 3
EXIT_DAMAGED = 4
EXIT_NEWER = 5
EXIT_MISSING = 6
EXIT_LOCKED = 7
EXIT_WRITE = 8
EXIT_MODEL = 9
EXIT_NETWORK = 11
EXIT_INTERRUPTED = 130


def open_closed_streams() -> None:
    """Put the null device where a standard stream was closed.

    Otherwise the next file to be opened (the journal's lock, a pipe to the model) would get the stream's
    number, and what is printed would go there.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - lives as long as the process


class Output:
    """The two streams of a command."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        for stream in (self._out, self._err):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    @property
    def is_terminal(self) -> bool:
        """Tell whether a person looks at the result."""
        return self._out.isatty()

    def say(self, text: str = "") -> None:
        """Print a line (or several) of the result for a person."""
        self._out.write((plain(text) if self.is_terminal else text) + "\n")

    def json(self, value: Any, *, indent: int | None = 2) -> None:
        """Print the result as JSON that any program can read."""
        self._out.write(self.dump(value, indent=indent) + "\n")

    def dump(self, value: Any, *, indent: int | None = None) -> str:
        """Return ``value`` as JSON in characters that standard output can carry."""
        return dump(value, indent=indent, ascii_only=(self._out.encoding or "ascii").lower() not in ("utf-8", "utf8"))

    def note(self, text: str) -> None:
        """Print a line beside the result; never lets a closed stream stop the work."""
        try:
            self._err.write(plain(text) + "\n")
            self._err.flush()
        except OSError:
            return

    def bytes(self, data: bytes) -> None:
        """Print a document as it is."""
        self._out.flush()
        self._out.buffer.write(data)
        self._out.buffer.flush()

    def flush(self) -> None:
        """Hand everything on; raises ``BrokenPipeError`` when nobody reads."""
        self._out.flush()

    def give_up(self) -> None:
        """Forget what a closed pipe did not take, so that the interpreter's own flush stays silent."""
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
        except (OSError, ValueError):
            return


def dump(value: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return ``value`` as JSON; lone surrogates become escapes, since no encoding can carry them."""
    if not ascii_only:
        text = json.dumps(value, ensure_ascii=False, indent=indent)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            ascii_only = True
        else:
            return text
    return json.dumps(value, ensure_ascii=True, indent=indent)


def plain(text: str) -> str:
    """Return ``text`` without control characters: text must not be able to steer the terminal."""
    return "".join(c if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f") else "\ufffd" for c in text)
