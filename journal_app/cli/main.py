"""``quietpage`` on the command line: arguments, exit codes, and no stack trace for known trouble."""

from __future__ import annotations

import argparse
import datetime as dt
import errno
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from journal_app import __version__, private_process
from journal_app.cli import output
from journal_app.cli.output import Output
from journal_app.cli.session import Services, UsageError
from journal_app.inference.engine import ModelError
from journal_app.vault.records import (
    DamagedVault,
    NewerVault,
    ReadOnlyVault,
    VaultError,
    VaultLocked,
    VaultMissing,
    VaultWriteError,
    WrongPassphrase,
)

Command = Callable[[argparse.Namespace, Services, Output], int]

EPILOG = """\
Without a command the window opens.

The passphrase comes from a prompt or from --passphrase-fd N (the first line of that descriptor),
never from the command line. The recovery code opens the journal wherever the passphrase does;
--key-file and --keyring open it without either.

exit codes:
  0  done                              5  made by a newer version of Quiet Page
  1  unexpected failure                6  there is no journal at that place
  2  wrong use, or input that cannot   7  the journal is open in another program
     be read (the rest was done)       8  the disk is full or the place is read-only
  3  wrong passphrase                  9  the model is missing or failed
  4  damage: the journal, a backup,   10  the window cannot open here
     or a part that was not rescued
                                      11  something tried to reach a network (verify --network)
                                     130  interrupted
"""

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (WrongPassphrase, output.EXIT_PASSPHRASE),
    (DamagedVault, output.EXIT_DAMAGED),
    (NewerVault, output.EXIT_NEWER),
    (VaultMissing, output.EXIT_MISSING),
    (VaultLocked, output.EXIT_LOCKED),
    (VaultWriteError, output.EXIT_WRITE),
    (ReadOnlyVault, output.EXIT_WRITE),
    (VaultError, output.EXIT_UNEXPECTED),
    (ModelError, output.EXIT_MODEL),
    (UsageError, output.EXIT_USAGE),
)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


def main(argv: Sequence[str] | None = None, services: Services | None = None) -> int:
    """Run one command and return its exit code; known failures are told in one sentence."""
    output.open_closed_streams()
    parser = make_parser()
    try:
        options = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said what is wrong, or has shown the help
        return stop.code if isinstance(stop.code, int) else output.EXIT_USAGE
    private_process.keep_memory_private()
    out = Output()
    try:
        code = _command(options)(options, services or Services(), out)
        out.flush()
        return code
    except BrokenPipeError:
        out.give_up()  # whoever read the result has enough of it
        return output.EXIT_OK
    except KeyboardInterrupt:
        out.note("Interrupted.")
        return output.EXIT_INTERRUPTED
    except Exception as error:
        return _told(error, out)


def _told(error: Exception, out: Output) -> int:
    from journal_app.cli.commands import ExportError

    if isinstance(error, ExportError):
        out.note(str(error))
        return output.EXIT_WRITE
    for kind, code in _CODES:
        if isinstance(error, kind):
            out.note(str(error))
            return code
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        out.give_up()
        out.note(f"The result cannot be written: {error.strerror}. The journal is safe.")
        return output.EXIT_WRITE
    # The kind alone: an unexpected message may hold words of the journal or a path.
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f" ({Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno})" if where is not None else ""
    out.note(f"Something unexpected happened: {type(error).__name__}{place}. What was saved before is safe.")
    return output.EXIT_UNEXPECTED


def _command(options: argparse.Namespace) -> Command:
    # Late, so that --help and a mistyped option answer at once.
    if options.command == "analyze":
        from journal_app.cli import analyze

        return analyze.run
    if options.command == "verify" and options.network:
        from journal_app.cli import network

        return network.run
    if options.command in ("backup", "restore", "rescue", "key"):
        from journal_app.cli import safekeeping

        return {
            "backup": safekeeping.backups,
            "restore": safekeeping.restore,
            "rescue": safekeeping.rescue,
            "key": safekeeping.ways_in,
        }[options.command]
    from journal_app.cli import commands

    return {
        "add": commands.add,
        "list": commands.list_entries,
        "show": commands.show,
        "search": commands.search,
        "insights": commands.insights,
        "export": commands.export,
        "verify": commands.verify,
        "model": commands.list_models,
        "sample": commands.sample,
    }[options.command]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; options about the journal are taken before and after the command."""
    parser = argparse.ArgumentParser(
        prog="quietpage",
        description="Quiet Page: a private, encrypted journal that is read by a model on this computer.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"Quiet Page {__version__}")
    _journal_options(parser, default=None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, *, journal: bool = True, json: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        if journal:
            _journal_options(made, default=argparse.SUPPRESS)
        if json:
            made.add_argument("--json", action="store_true", help="print the result as JSON")
        return made

    add = command("add", "Store an entry; its text comes from standard input or a file.")
    add.add_argument("--file", metavar="PATH", help="take the text from this file (default: standard input)")
    add.add_argument("--create", action="store_true", help="make the journal if there is none; shows the recovery code")
    add.add_argument("--date", type=_date, metavar="YYYY-MM-DD", help="of the entry (default: today)")
    add.add_argument("--time", type=_time, metavar="HH:MM", help="of the entry (default: now)")
    add.add_argument("--mood", type=int, choices=range(1, 6), help="your own mood, 1 very low to 5 very good")
    add.add_argument("--energy", type=int, choices=range(1, 6), help="your own energy, 1 to 5")
    add.add_argument("--tag", action="append", metavar="NAME", help="may be given more than once")
    add.add_argument("--for-therapist", action="store_true", help="mark it for the next summary")
    add.add_argument("--no-analyze", action="store_true", help="do not let the model read it now")

    entries = command("list", "List entries, newest first.")
    _period_options(entries)
    entries.add_argument("--limit", type=_count, default=50, metavar="N", help="at most so many (default: 50)")
    entries.add_argument("--tag", action="append", metavar="NAME", help="only entries with this tag")
    entries.add_argument("--bin", action="store_true", help="the entries in the bin instead")

    show = command("show", "Show one entry, or all of a day.")
    show.add_argument("which", metavar="ID|DATE|last", help="the beginning of an id, a date, or the word last")
    show.add_argument("--revisions", action="store_true", help="with its earlier versions")

    search = command("search", "Find entries that contain every term, in any language.")
    search.add_argument(
        "query", nargs="*", metavar="TERM", help='terms; "quoted words" stay together; - reads standard input'
    )
    search.add_argument("--limit", type=_count, default=200, metavar="N", help="at most so many (default: 200)")
    _period_options(search)
    search.add_argument("--tag", action="append", metavar="NAME", help="with this tag; may be given more than once")
    search.add_argument("--feeling", metavar="NAME", help="with this feeling: found by the model or added by you")
    search.add_argument("--mood", type=_mood_range, metavar="LOW-HIGH", help="own mood from 1 to 5, such as 1-2")
    search.add_argument("--with-image", action="store_true", help="with a picture")
    search.add_argument("--for-therapist", action="store_true", help="marked for the next summary")

    insights = command("insights", "Show the journal week by week.")
    _period_options(insights)

    export = command("export", "Write entries or a summary as files that are not encrypted.", json=False)
    _period_options(export)
    export.add_argument(
        "--format",
        required=True,
        choices=["markdown", "json", "csv", "summary-pdf", "summary-html", "pdf", "html"],
        help="entries as markdown or json; the data behind the charts as csv; the therapist summary as pdf or html",
    )
    export.add_argument("--out", required=True, metavar="PATH", help="file or folder; - for standard output")
    export.add_argument("--estimates", action="store_true", help="summary: add the page of what the model estimated")
    export.add_argument("--hide", action="append", metavar="NAME", help="summary: black out this name")
    export.add_argument("--force", action="store_true", help="replace files that exist")

    verify = command("verify", "Check every page, text and index of the journal.")
    verify.add_argument(
        "--network", action="store_true", help="instead: list every attempt to reach a network; needs no journal"
    )

    _safekeeping(command)

    analyze = command("analyze", "Read texts with the model, without any journal.", journal=False)
    analyze.add_argument("file", nargs="?", metavar="FILE", help="a text; - for standard input")
    analyze.add_argument("--jsonl", metavar="IN", help='many texts: a line each, {"id": ..., "text": ...}')
    analyze.add_argument("--out", metavar="OUT", help="with --jsonl: where the results go (default: standard output)")
    analyze.add_argument("--model", metavar="NAME", help="a model of `quietpage model list`, or a GGUF file")
    analyze.add_argument(
        "--threads", type=_count, metavar="N", help="for the model (default: chosen for this computer)"
    )

    model = commands.add_parser("model", help="Models on this computer.", description="Models on this computer.")
    kinds = model.add_subparsers(dest="model_command", required=True, metavar="COMMAND")
    listed = kinds.add_parser("list", help="List them.", description="List the models on this computer.")
    listed.add_argument("--json", action="store_true", help="print the result as JSON")

    sample = commands.add_parser(
        "sample", help="Do the whole job on the sample journal.", description="Do the whole job on the sample journal."
    )
    sample.add_argument("--out", default="sample-output", metavar="FOLDER", help="default: sample-output")
    return parser


def _safekeeping(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands for backups, for what is left after damage, and for the ways to open the journal."""
    backup = command("backup", "Make a backup and prove it; or list and check them, choose where they go.")
    backup.add_argument("--to", type=Path, metavar="FOLDER", help="make it in this folder, this once")
    _backup_kinds(backup)

    restore = command("restore", "Put a backup in the place of the journal; what lies there now is kept.")
    restore.add_argument(
        "backup", nargs="?", default="latest", metavar="BACKUP", help="its name, or latest (default): the newest good"
    )
    restore.add_argument("--from", dest="source", type=Path, metavar="FOLDER", help="where the backups are")
    restore.add_argument("--list", action="store_true", help="list the backups instead; needs no passphrase")

    rescue = command("rescue", "Make a new journal, to be read only, of all that can be read of a damaged one.")
    rescue.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where; must be empty or not there")

    _key_kinds(command("key", "The ways to open the journal: list, add, change, remove them."))


def _backup_kinds(backup: argparse.ArgumentParser) -> None:
    kinds = backup.add_subparsers(dest="backup_command", metavar="[COMMAND]")
    listed = _kind(kinds, "list", "List them, newest first; needs no passphrase.")
    listed.add_argument("--from", dest="source", type=Path, metavar="FOLDER", help="the ones in this folder")
    _kind(kinds, "check", "Check every one, make the next if something changed, and thin the old ones out.")
    place = _kind(kinds, "place", "Show where they go, or choose another folder; needs no passphrase.")
    place.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="keep them here from now on")
    place.add_argument("--default", action="store_true", help="keep them in the journal's folder again")


def _key_kinds(key: argparse.ArgumentParser) -> None:
    kinds = key.add_subparsers(dest="key_command", required=True, metavar="COMMAND")
    _kind(kinds, "list", "List the ways to open the journal.")
    made = _kind(kinds, "new-file", "Make a key file, which opens the journal; an earlier one stops working.")
    made.add_argument("--out", type=Path, required=True, metavar="FILE", help="where; nothing may be there yet")
    _kind(kinds, "remove-file", "Let the key file open the journal no longer.")
    ring = _kind(kinds, "keyring", "Let this computer's keyring open the journal, or no longer.")
    ring.add_argument("action", choices=["add", "remove"])
    passphrase = _kind(kinds, "passphrase", "Change the passphrase; the old one stops working.")
    _kind(kinds, "recovery", "Make a new recovery code and show it this once; the old one stops working.")
    _kind(kinds, "rotate", "Encrypt the whole journal under a new key; shows a new recovery code this once.")
    passphrase.add_argument(
        "--new-passphrase-fd", type=_descriptor, metavar="N", help="read the new one from descriptor N, its first line"
    )


def _kind(kinds: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str) -> argparse.ArgumentParser:
    made = kinds.add_parser(name, help=text, description=text)
    _journal_options(made, default=argparse.SUPPRESS)
    # Given to the command above it, too, it must not be forgotten here.
    made.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the result as JSON")
    return made


def _journal_options(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("--journal", type=Path, metavar="PATH", default=default, help="the journal's folder")
    parser.add_argument(
        "--passphrase-fd", type=_descriptor, metavar="N", default=default, help="read the passphrase from descriptor N"
    )
    parser.add_argument("--key-file", type=Path, metavar="FILE", default=default, help="open it with this key file")
    parser.add_argument("--keyring", action="store_true", default=default, help="open it by this computer's keyring")
    parser.add_argument(
        "--open-anyway", action="store_true", default=default, help="also if it seems to be open on another computer"
    )


def _period_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="start", type=_date, metavar="YYYY-MM-DD", help="first day")
    parser.add_argument("--to", dest="end", type=_date, metavar="YYYY-MM-DD", help="last day")


def _date(text: str) -> str:
    # A year mistyped by thousands would make every chart count the days in between.
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a date like 2026-03-14") from None
    if not 1900 <= day.year <= 2199:
        raise argparse.ArgumentTypeError("not a date from 1900 to 2199")
    return day.isoformat()


def _mood_range(text: str) -> tuple[int, int]:
    found = re.fullmatch("([1-5])(?:-([1-5]))?", text)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if low > high:
        raise argparse.ArgumentTypeError("not a range like 1-2, from 1 very low to 5 very good")
    return low, high


def _time(text: str) -> str:
    try:
        return dt.time.fromisoformat(text).strftime("%H:%M:%S")
    except ValueError:
        raise argparse.ArgumentTypeError("not a time like 21:05") from None


def _count(text: str) -> int:
    if not _short_number(text) or int(text) < 1:
        raise argparse.ArgumentTypeError("not a number from 1")
    return int(text)


def _descriptor(text: str) -> int:
    if not _short_number(text):
        raise argparse.ArgumentTypeError("not the number of a descriptor")
    return int(text)


def _short_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= 9
