"""Opening the journal for a command: where it is, and how its passphrase arrives.

A passphrase comes from a prompt or from a file descriptor, never from the command line, where
every program on the computer could read it.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from journal_app.inference import catalog
from journal_app.inference.engine import ModelError, Reader
from journal_app.inference.process import ModelProcess
from journal_app.vault import vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.vault import Vault

MAX_PASSPHRASE_BYTES = 4096


class UsageError(Exception):
    """What was asked cannot be done as it was asked; the message says why."""


def open_reader(name: str | None = None, threads: int | None = None) -> Reader:
    """Return the model ``name`` (or a file's path), or the embedded one, in a process of its own.

    Raises ``ModelError`` if there is no such model.
    """
    if name is None:
        model = catalog.embedded_model()
        return ModelProcess(model.path, sha256=model.sha256, threads=threads)
    for model in catalog.installed(models_folder()):
        if model.name == name:
            return ModelProcess(model.path, sha256=model.sha256 or None, threads=threads)
    path = Path(name)
    if path.is_file():
        return ModelProcess(path, threads=threads)
    raise ModelError("There is no model of that name; see: quietpage model list")


def default_journal() -> Path:
    """Return the journal's folder when none was named: the same that the window uses."""
    return Path(platformdirs.user_data_dir("quiet-page", appauthor=False)) / "journal"


def models_folder() -> Path:
    """Return the folder of models that the writer added."""
    return Path(platformdirs.user_data_dir("quiet-page", appauthor=False)) / "models"


@dataclass(frozen=True, slots=True)
class Services:
    """What commands need from outside; tests hand in their own.

    Attributes:
        open_reader: returns a model by name (None: the embedded one) and number of threads.
        ask: prompts for a secret without showing it.
        kdf: cost of new key slots; None measures this machine.
    """

    open_reader: Callable[[str | None, int | None], Reader] = open_reader
    ask: Callable[[str], str] = getpass.getpass
    kdf: KdfParams | None = field(default=None)


def folder_of(options: argparse.Namespace) -> Path:
    """Return the folder of the journal that the command is about."""
    return options.journal or default_journal()


def unlock(options: argparse.Namespace, services: Services) -> Vault:
    """Open the journal; raises what ``vault.unlock`` raises, before asking where that is possible."""
    secret, _ = secret_for(options, services)
    return vault.unlock(folder_of(options), secret)


def secret_for(options: argparse.Namespace, services: Services, *, create: bool = False) -> tuple[str, bool]:
    """Return the passphrase, and whether a journal is to be made with it.

    Raises ``VaultMissing`` before anybody is asked when there is no journal and none may be made.
    """
    is_new = not vault.exists(folder_of(options))
    if is_new and not create:
        vault.unlock(folder_of(options), "")  # raises, and says what is missing
    return passphrase(options, services, new=is_new), is_new


def open_or_make(
    options: argparse.Namespace, services: Services, secret: str, *, is_new: bool
) -> tuple[Vault, str | None]:
    """Open the journal, or make it; return it, and the recovery code of a new one."""
    if is_new:
        return vault.create(folder_of(options), secret, kdf=services.kdf)
    return vault.unlock(folder_of(options), secret), None


def passphrase(options: argparse.Namespace, services: Services, *, new: bool = False) -> str:
    """Return the passphrase from the descriptor that was named, or ask for it."""
    if options.passphrase_fd is not None:
        return _from_descriptor(options.passphrase_fd)
    if not _can_ask() and services.ask is getpass.getpass:
        raise UsageError("There is no terminal to ask for the passphrase. Use --passphrase-fd N.")
    try:
        secret = services.ask("New passphrase: " if new else "Passphrase: ")
        if new and services.ask("The same again: ") != secret:
            raise UsageError("The two passphrases differ. Nothing was made.")
    except EOFError:
        raise UsageError("No passphrase was given.") from None
    return secret


def _can_ask() -> bool:
    # getpass falls back to standard input with a warning, which would take the entry's text.
    if os.name == "nt":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _from_descriptor(number: int) -> str:
    """Read the first line of descriptor ``number`` and not a byte more: the rest may be the entry."""
    line = bytearray()
    try:
        while len(line) <= MAX_PASSPHRASE_BYTES:
            byte = os.read(number, 1)
            if not byte or byte == b"\n":
                break
            line += byte
    except OSError:
        raise UsageError("The descriptor of --passphrase-fd cannot be read.") from None
    if len(line) > MAX_PASSPHRASE_BYTES:
        raise UsageError("The first line of the descriptor is too long for a passphrase.")
    if line.endswith(b"\r"):
        del line[-1:]
    if not line:
        raise UsageError("The first line of the descriptor is empty; it must hold the passphrase.")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("The passphrase is not UTF-8 text.") from None
    finally:
        line[:] = bytes(len(line))


def read_text(source: str | None) -> str:
    """Return text from the file ``source``, or from standard input for None and ``-``.

    UTF-8 (a byte-order mark is dropped), or UTF-16 with its mark. Raises :class:`UsageError`
    rather than storing anything other than what was meant.
    """
    if source is None or source == "-":
        data = sys.stdin.buffer.read()
    else:
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise UsageError(f"The file cannot be read: {error.strerror}.") from None
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("The text is not UTF-8. Nothing was stored; convert it and try again.") from None
