"""Opening the journal for a command: where it is, and how what opens it arrives.

A passphrase comes from a prompt or from a file descriptor, never from the command line, where
every program on the computer could read it; a key file by its place, the keyring by its name. The
vault itself is imported late: ``--help`` and a mistyped option need none of it.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from journal_app.cli.output import Output
from journal_app.inference import catalog
from journal_app.inference.engine import ModelError, Reader
from journal_app.inference.process import ModelProcess
from journal_app.vault import tries
from journal_app.vault.records import DamagedVault, OpenElsewhere, VaultError, WrongPassphrase

if TYPE_CHECKING:
    from journal_app.vault.keys import KdfParams, Secret
    from journal_app.vault.merge import MergeReport
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
        sleep: waits for so many seconds.
    """

    open_reader: Callable[[str | None, int | None], Reader] = open_reader
    ask: Callable[[str], str] = getpass.getpass
    kdf: KdfParams | None = field(default=None)
    sleep: Callable[[float], None] = time.sleep


def folder_of(options: argparse.Namespace) -> Path:
    """Return the folder of the journal that the command is about."""
    return options.journal or default_journal()


def unlock(options: argparse.Namespace, services: Services, out: Output) -> Vault:
    """Open the journal; raises what ``vault.unlock`` raises, before asking where that is possible."""
    secret, _ = secret_for(options, services)
    return opened(options, secret, out)


def opened(options: argparse.Namespace, secret: Secret, out: Output) -> Vault:
    """Open the journal with ``secret``, and note what was joined into it from copies that lay beside it."""
    from journal_app.vault import vault
    from journal_app.vault.keys import RingSecret

    folder = folder_of(options)
    try:
        with counted(options, secret):
            if isinstance(secret, RingSecret):
                made = vault.unlock_with_keyring(folder, despite_other=options.open_anyway)
            else:
                made = vault.unlock(folder, secret, despite_other=options.open_anyway)
    except OpenElsewhere as error:
        raise OpenElsewhere(f"{error} To open it here all the same, add --open-anyway.") from None
    except DamagedVault as error:
        raise DamagedVault(f"{error} (quietpage restore --list, quietpage rescue --help)") from None
    for line in told_of_copies(made.merged):
        out.note(line)
    return made


def told_of_copies(report: MergeReport | None) -> list[str]:
    """Return what to say of copies of the journal that were found beside it at opening."""
    if report is None:
        return []
    told = []
    counts = (
        (report.added, "added"),
        (report.joined, "written on in both and joined"),
        (report.updated, "brought up to date"),
    )
    done = [f"{number(count, 'entry', 'entries')} {what}" for count, what in counts if count]
    done += [f"{number(report.images, 'picture', 'pictures')} added"] if report.images else []
    if report.copies:
        told.append(
            f"{number(report.copies, 'copy', 'copies')} of this journal, left beside it by another computer, joined: "
            f"{', '.join(done) or 'nothing in it was new'}. Nothing was left out; see the subfolder merged."
        )
    if report.left:
        told.append(
            f"{number(report.left, 'other copy', 'other copies')} beside the journal left as found: damaged, not "
            "here as a whole yet, or of another journal or key."
        )
    return told


def number(count: int, one: str, many: str) -> str:
    """Return a count with its word."""
    return f"{count} {one if count == 1 else many}"


def secret_for(options: argparse.Namespace, services: Services, *, create: bool = False) -> tuple[Secret, bool]:
    """Return what opens the journal, and whether a journal is to be made with it.

    Raises ``VaultMissing`` before anybody is asked when there is no journal and none may be made.
    """
    from journal_app.vault import vault

    is_new = not vault.exists(folder_of(options))
    if not is_new:
        return secret_of(options, services), False
    if not create:
        vault.unlock(folder_of(options), "")  # raises, and says what is missing
    if options.key_file is not None or options.keyring:
        raise UsageError("A new journal begins with a passphrase; a key file or the keyring can be added to it.")
    return new_passphrase(options.passphrase_fd, "--passphrase-fd", services), True


def open_or_make(
    options: argparse.Namespace, services: Services, secret: Secret, out: Output, *, is_new: bool
) -> tuple[Vault, str | None]:
    """Open the journal, or make it; return it, and the recovery code of a new one."""
    from journal_app.vault import vault

    if is_new and isinstance(secret, str):
        return vault.create(folder_of(options), secret, kdf=services.kdf)
    return opened(options, secret, out), None


def secret_of(options: argparse.Namespace, services: Services) -> Secret:
    """Return what was named to open a journal with; without a name, ask for the passphrase."""
    if (options.passphrase_fd is not None) + (options.key_file is not None) + bool(options.keyring) > 1:
        raise UsageError("Only one of --passphrase-fd, --key-file and --keyring can open the journal.")
    if options.key_file is not None:
        return _key_file(options.key_file)
    if options.keyring:
        from journal_app.vault import keyring_slot
        from journal_app.vault.keys import RingSecret

        return RingSecret(keyring_slot.lookup)
    if options.passphrase_fd is not None:
        return _from_descriptor(options.passphrase_fd)
    _wait_after_wrong_tries(services)
    return _asked("Passphrase: ", "--passphrase-fd", services)


def _wait_after_wrong_tries(services: Services) -> None:
    """Let somebody who guesses at the keyboard wait; programs, which have other ways, are not held up."""
    seconds = tries.Tries(tries.default_path()).wait_seconds()
    if seconds > 0:
        sys.stderr.write(f"After wrong passphrases the next one has to wait: {round(seconds + 0.49)} s.\n")
        sys.stderr.flush()
        services.sleep(seconds)


@contextmanager
def counted(options: argparse.Namespace, secret: Secret) -> Iterator[None]:
    """Count a passphrase that was asked for and proves wrong in this block; a right one ends the waiting."""
    at_prompt = isinstance(secret, str) and options.passphrase_fd is None
    try:
        yield
    except WrongPassphrase:
        if at_prompt:
            tries.Tries(tries.default_path()).wrong()
        raise
    if at_prompt:
        tries.Tries(tries.default_path()).right()


def new_passphrase(descriptor: int | None, option: str, services: Services) -> str:
    """Return a passphrase that is to be: from ``descriptor``, named by ``option``, or asked for twice."""
    if descriptor is not None:
        return _from_descriptor(descriptor)
    secret = _asked("New passphrase: ", option, services)
    if _asked("The same again: ", option, services) != secret:
        raise UsageError("The two passphrases differ. Nothing was changed.")
    if not secret:
        raise UsageError("A passphrase needs at least one character. Nothing was changed.")
    return secret


def _asked(prompt: str, option: str, services: Services) -> str:
    if not _can_ask() and services.ask is getpass.getpass:
        raise UsageError(f"There is no terminal to ask for the passphrase. Use {option} N.")
    try:
        return services.ask(prompt)
    except EOFError:
        raise UsageError("No passphrase was given.") from None


def _key_file(path: Path) -> bytes:
    """Return the content of a key file; says at once if it is none, or damaged."""
    from journal_app.vault import codes

    try:
        with path.open("rb") as file:
            data = file.read(codes.MOST_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"The key file cannot be read: {error.strerror}.") from None
    try:
        codes.key_file_secret(data)
    except VaultError as error:
        raise UsageError(str(error)) from None
    return data


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
        raise UsageError("The descriptor of the passphrase cannot be read.") from None
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
