"""Use the journal, crash it, and search every byte that it wrote for words and keys in plain sight.

In a home of its own the real programs run: the window with its model, killed in mid-typing twice, and the commands.
Then everything is searched for words that were made up for this run, the passphrases, the recovery codes and the
data keys: each file that is left, each state of a file that was seen meanwhile, and each byte that was given to a
regular file anywhere, deleted ones included. Goal: 0 hits -> build/reports/canary.json. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from scripts import reports  # noqa: E402
from scripts.canary_scan import Haystack, Hit, Secret, chinese, english, korean, missed  # noqa: E402
from tests.support import recorder  # noqa: E402

LOOK_EVERY_S = 0.1
TYPE_BEFORE_KILL_S = 1.5
SLOW_S = 150.0
HOMES = {
    "HOME": "home",
    "XDG_CONFIG_HOME": "home/.config",
    "XDG_DATA_HOME": "home/.local/share",
    "XDG_STATE_HOME": "home/.local/state",
    "XDG_CACHE_HOME": "home/.cache",
    "XDG_RUNTIME_DIR": "run",
    "TMPDIR": "tmp",
}
MOST_IN_A_RUN = 16 * 1024 * 1024
KEPT = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
PLANTED = "planted-and-deleted"
MODEL = b"journal_app.inference.worker"
_PARTS = (
    (PLANTED, "planted by the proof"),
    ("backups/", "backup"),
    ("journal.qpv-wal", "journal, log"),
    ("journal.qpv-shm", "journal, log's index"),
    ("journal.qpv", "journal"),
    ("keys.", "key file"),
    ("/journal/", "journal's folder, other"),
    ("recently-used", "recent files"),
    ("thumbnails", "thumbnails"),
    ("matplotlib", "matplotlib's cache"),
    ("fontconfig", "fontconfig's cache"),
    ("settings.toml", "settings"),
    ("qtproject", "Qt's settings"),
    ("qt", "Qt's cache"),
    (".log", "logs"),
    ("quiet-page", "state of the program"),
    ("__pycache__", "byte code"),
)
NAMED = ("recent files", "thumbnails", "matplotlib's cache", "fontconfig's cache", "Qt's settings", "logs", "temporary")


class Failed(Exception):
    """A program did not do what it was to do, so nothing can be said."""


def kind_of(path: str, root: str) -> str:
    """Return what kind of file a path is, without saying where it is."""
    if path.startswith(f"{root}/tmp/"):
        return "temporary"
    inside = path.removeprefix(root).lower()
    found = next((kind for part, kind in _PARTS if part in inside), "other")
    return found if path.startswith(f"{root}/") else f"outside the home: {found}"


@dataclass
class Words:
    """What is written and typed in one run, made up for it."""

    first: str = field(default_factory=lambda: english().title())
    second: str = field(default_factory=korean)
    third: str = field(default_factory=chinese)
    tag: str = field(default_factory=english)
    command: str = field(default_factory=english)
    crashed: str = field(default_factory=english)
    passphrase: str = field(default_factory=lambda: f"{english(10)} {english(8)}")
    new_passphrase: str = field(default_factory=lambda: f"{english(10)} {english(8)}")
    image: bytes = field(default_factory=lambda: secrets.token_bytes(64))

    def secrets(self) -> list[Secret]:
        """Return everything that must stand nowhere."""
        return [
            Secret("English word", self.first),
            Secret("Korean word", self.second),
            Secret("Chinese word", self.third),
            Secret("tag", self.tag),
            Secret("word given to a command", self.command),
            Secret("word typed before a crash", self.crashed),
            Secret("passphrase", self.passphrase),
            Secret("new passphrase", self.new_passphrase),
            Secret("picture", self.image),
        ]

    def texts(self) -> list[str]:
        """Return the entries."""
        return [
            f"I walked home along the river, past the {self.first}, and felt calm and glad. Nobody was there.",
            f"오늘은 {self.second} 옆을 걸었다. 마음이 조금 가벼워졌다.",
            f"今天走過{self.third}，心裡平靜了一些。",
        ]


class Home:
    """A home of its own, with everything below one folder, and an eye on what appears in it.

    Attributes:
        stack: what was seen. seen: the kind of each file that was ever there, by its place.
        models: the limit on the size of files of each process of the model that was met, by its number.
        unrecorded: how often a process was met that had not loaded the recorder.
    """

    def __init__(self, root: Path, extra: dict[str, str]) -> None:
        self.root = root
        self.stack = Haystack()
        self.seen: dict[str, str] = {}
        self.processes: set[int] = set()
        self.models: dict[int, str] = {}
        self.unrecorded: Counter[tuple[int, str]] = Counter()
        self.looks = 0
        self._states: dict[str, tuple[int, int, int]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        for name in {*HOMES.values(), "work"}:
            (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environment |= {name: str(root / below) for name, below in HOMES.items()}
        self.environment |= {"LANG": "C.UTF-8", "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1", **extra}

    def __enter__(self) -> Home:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Keep every file that is new or has changed."""
        self.looks += 1
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    self._take(path)

    def _take(self, path: str) -> None:
        kind = self.seen.setdefault(path, kind_of(path, str(self.root)))
        found = os.lstat(path)
        state = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._states.get(path) == state:
            return
        if os.path.islink(path):
            self.stack.add(os.readlink(path).encode(), kind)
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                self.stack.add(file.read(), kind)
            self.stack.add(os.path.basename(path).encode(), f"{kind}, its name")
        self._states[path] = state

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            self.look()
            self._look_at_processes()

    def _look_at_processes(self) -> None:
        """Meet what was started from here, at any depth."""
        waiting = [str(os.getpid())]
        while waiting:
            number = waiting.pop()
            with contextlib.suppress(OSError):
                for task in os.listdir(f"/proc/{number}/task"):
                    waiting += Path(f"/proc/{number}/task/{task}/children").read_text().split()
                if int(number) != os.getpid():
                    self._meet(number)

    @property
    def not_recorded(self) -> dict[str, int]:
        """How many processes, by name, were met twice without the recorder (once: it may only have begun)."""
        return dict(
            Counter(
                "model" if number in self.models else name for (number, name), met in self.unrecorded.items() if met > 1
            )
        )

    def _meet(self, number: str) -> None:
        place = Path("/proc") / number
        self.processes.add(int(number))
        with contextlib.suppress(PermissionError):  # a process that keeps its memory private tells this to root alone
            if Path(self.environment.get("LD_PRELOAD", "")).name.encode() not in (place / "maps").read_bytes():
                self.unrecorded[int(number), (place / "comm").read_text().strip()] += 1
        if MODEL in (place / "cmdline").read_bytes():
            limit = next(
                line for line in (place / "limits").read_text().splitlines() if line.startswith("Max file size")
            )
            # The last that was seen: a process that has only just begun has not given it up yet.
            self.models[int(number)] = " ".join(limit.split()[3:5])

    # programs ----------------------------------------------------------------------------

    def window(self, said: dict[str, Any], *, kill: signal.Signals | None = None) -> tuple[list[Secret], list[str]]:
        """Run the window; return the secrets and events that it told. ``kill``: end it so while it is written in."""
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / "canary_window.py")],
            cwd=self.root / "work",
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        alarm = threading.Timer(SLOW_S, process.kill)
        alarm.start()
        told, events = [], []
        try:
            process.stdin.write(json.dumps(said).encode() + b"\n")
            process.stdin.flush()
            for line in process.stdout:
                event = json.loads(line)
                events.append(event["event"])
                if event["event"] == "secret":
                    value = bytes.fromhex(event["hex"]) if "hex" in event else event["text"]
                    told.append(Secret(event["kind"], value))
                elif event["event"] in ("stuck", "failed"):
                    raise Failed(f"The window: {event['event']} ({event['what']})")
                elif event["event"] == "typing" and kill is not None:
                    time.sleep(TYPE_BEFORE_KILL_S)
                    process.send_signal(kill)
            code = process.wait()
        finally:
            alarm.cancel()
            process.kill()
            self.stack.add(process.stderr.read(), "standard error")
            process.stderr.close()
        expected = 0 if kill is None else -kill
        if code != expected or ("done" not in events and kill is None):
            raise Failed(f"The window ended with {code} after {len(events)} events")
        return told, events

    def command(self, passphrase: str | None, *arguments: str, given: str = "") -> str:
        """Run one command; its passphrase and its text go through standard input."""
        first = "" if passphrase is None else f"{passphrase}\n"
        options = [] if passphrase is None else ["--passphrase-fd", "0"]
        done = subprocess.run(
            [sys.executable, "-m", "journal_app", *arguments, *options],
            cwd=self.root / "work",
            env=self.environment,
            input=(first + given).encode(),
            capture_output=True,
            check=False,
            timeout=SLOW_S,
        )
        self.stack.add(done.stderr, "standard error")
        if done.returncode:
            raise Failed(f"quietpage {arguments[0]} ended with {done.returncode}")
        return done.stdout.decode()


def use(home: Home, words: Words, *, small: bool) -> list[Secret]:
    """Use the journal in every way; return what must stand nowhere."""
    said = {
        "do": "whole",
        "passphrase": words.passphrase,
        "new_passphrase": words.new_passphrase,
        "texts": words.texts(),
        "tag": words.tag,
        "image": words.image.hex(),
        "search": [words.first, words.second, words.third][: 1 if small else 3],
        "pages": not small,
        "keys": not small,
    }
    found = words.secrets()
    told, events = home.window(said)
    found += told
    if "read" not in events or "backup" not in events:
        raise Failed("The window did not do everything")
    passphrase = words.passphrase if small else words.new_passphrase
    for kill in (signal.SIGKILL,) if small else (signal.SIGKILL, signal.SIGABRT):
        typed = {"do": "crash", "passphrase": passphrase, "texts": [f"It begins with {words.crashed} and goes on."]}
        found += home.window(typed, kill=kill)[0]
    if words.crashed not in home.command(passphrase, "list", "--json"):
        raise Failed("What was typed before the crash is not in the journal")
    if not small:
        commands(home, words, passphrase)
    return list(dict.fromkeys(found))


def commands(home: Home, words: Words, passphrase: str) -> None:
    """Run what reads and writes the journal without a window. Exports are left out: they are the writer's own wish."""
    text = f"I told {words.command} about the rain and was glad that somebody listened."
    home.command(passphrase, "add", "--tag", words.tag, "--mood", "4", given=text)
    if words.command not in home.command(passphrase, "search", "-", given=words.command):
        raise Failed("The search found nothing")
    home.command(passphrase, "show", "last", "--revisions")
    home.command(passphrase, "insights")
    home.command(passphrase, "verify")
    home.command(passphrase, "backup")
    home.command(passphrase, "backup", "check")
    home.command(passphrase, "key", "list")
    home.command(None, "analyze", "-", given=text)
    home.command(None, "verify", "--network")


# what was written -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the recorder saw of every process but the model's.

    Attributes:
        elsewhere: files outside the home, by kind. mapped: files that were mapped for writing, by kind: what went
            into them was seen only by looking at them.
    """

    processes: frozenset[int]
    writes: int
    bytes: int
    files: int
    files_deleted: int
    elsewhere: dict[str, int]
    mapped: dict[str, int]


class Recording:
    """Lets every write to a regular file be kept, wherever the file is. Skips (``pytest.skip``) without a compiler."""

    def __init__(self, scratch: Path) -> None:
        self._log = scratch / "writes.log"
        found = recorder.environment(recorder.build(scratch), Path("/"), self._log)
        self._environment = {name: found[name] for name in ("LD_PRELOAD", "RECORDER_ROOT", "RECORDER_LOG")}

    def environment(self) -> dict[str, str]:
        """Return what a program must have in its environment."""
        return self._environment

    def give_to(self, home: Home) -> Recorded:
        """Let everything that was written be searched, deleted files included."""
        root = str(home.root.resolve())
        runs: dict[tuple[int, int], _Run] = {}
        written: set[tuple[int, str]] = set()
        processes, deleted, mapped = set(), set(), set()
        writes = size = 0
        for op in recorder.read(self._log):
            kind = kind_of(op.path, root)
            processes.add(op.process)
            home.stack.add(os.path.basename(op.other or op.path).encode(), f"{kind}, its name")
            if op.op == recorder.UNLINK:
                deleted.add((op.inode, op.path))
            elif op.op == recorder.MAP:
                mapped.add(op.path)
            elif op.op in (recorder.STDIO, recorder.SYMLINK):
                written.add((op.inode, op.path))
                size += len(op.data)
                home.stack.add(op.data, kind)
            elif op.op == recorder.WRITE:
                written.add((op.inode, op.path))
                writes, size = writes + 1, size + len(op.data)
                # A word may lie across two calls: what follows on what was written before is one piece.
                run = runs.setdefault((op.process, op.inode), _Run())
                if op.offset != run.end or len(run.data) > MOST_IN_A_RUN:
                    run.begin(home.stack, op.offset)
                run.data += op.data
                run.kind = kind
        for run in runs.values():
            run.begin(home.stack, 0)
        for _, path in written:
            home.seen.setdefault(path, kind_of(path, root))
        outside = {path for _, path in written if not path.startswith(f"{root}/")}
        return Recorded(
            frozenset(processes),
            writes,
            size,
            len(written),
            len(deleted),
            dict(Counter(kind_of(path, root) for path in outside)),
            dict(Counter(kind_of(path, root) for path in mapped)),
        )


@dataclass(slots=True)
class _Run:
    """Writes of one process to one file that follow on each other."""

    data: bytearray = field(default_factory=bytearray)
    start: int = 0
    kind: str = ""

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    def begin(self, stack: Haystack, offset: int) -> None:
        """Give away what there is; the next write is at ``offset``."""
        if self.data:
            stack.add(bytes(self.data), self.kind)
        self.data.clear()
        self.start = offset


# the model's process -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelTrace:
    """What strace saw of one process of the model that read a text: calls on regular files, and on pipes."""

    opened_to_write: int
    file_writes: int
    pipe_writes: int


def trace_model(scratch: Path, text: str) -> ModelTrace | None:
    """Let the shipped model read ``text`` under strace; None where there is no strace, or it may not look."""
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-o", os.devnull, "true"], check=False).returncode:
        return None
    from journal_app.inference import catalog, process

    log = scratch / "model.calls"
    calls = "trace=open,openat,creat,truncate,ftruncate,sendfile,copy_file_range,/^p?write"
    plain = process._command
    process._command = lambda: [strace, "-f", "-y", "-s", "0", "-e", calls, "-o", str(log), *plain()]
    try:
        model = catalog.embedded_model()
        with process.ModelProcess(model.path, sha256=model.sha256 or None) as reader:
            if not reader.read([text])[0].readable:
                raise Failed("The model could not read the text")
            reader._child.process.stdin.close()  # type: ignore[union-attr]  # it ends by itself, and strace after it
            reader._child.process.wait(10)  # type: ignore[union-attr]
    finally:
        process._command = plain
    seen = _traced(log.read_text("utf-8", "replace"))
    return seen if seen.pipe_writes else None  # its answers were not seen either: only root may look so closely


def _traced(log: str) -> ModelTrace:
    opened = writes = pipes = 0
    for line in log.splitlines():
        call, _, rest = line.partition(" ")[2].strip().partition("(")
        if call in ("open", "openat", "creat"):
            opened += any(flag in rest for flag in ("O_WRONLY", "O_RDWR", "O_CREAT")) and "/dev/null" not in rest
        elif "write" in call or call in ("sendfile", "copy_file_range", "ftruncate"):
            inside = rest.partition("<")[2]
            pipes += inside.startswith("pipe:")
            writes += inside.startswith("/") and not inside.startswith("/dev/null>")
        elif call == "truncate":
            writes += 1
    return ModelTrace(opened, writes, pipes)


# the run ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run has seen."""

    hits: list[Hit]
    home: Home
    recorded: Recorded
    found_planted: int
    missed: list[str]
    secrets: list[Secret]
    model: ModelTrace | None
    seconds: float


def leak(home: Home, path: Path, word: str) -> None:
    """Write ``word`` to ``path`` in a child, as our programs must never do, and delete the file at once."""
    code = "import os, sys; f = open(sys.argv[1], 'w'); f.write(sys.stdin.read()); f.close(); os.unlink(sys.argv[1])"
    command = [sys.executable, "-c", code, str(path)]
    subprocess.run(command, env=home.environment, input=word.encode(), check=True, timeout=SLOW_S)


def run(*, small: bool = False) -> Outcome:
    """Prove that the search finds what it should, use the journal, and search everything.

    ``small``: without charts, pages, keys and commands. Raises :class:`Failed` when a program did not do its part.
    """
    start = time.monotonic()
    probes = [Secret(secret.kind, secret.value) for secret in Words().secrets()]
    probes.append(Secret("data key", secrets.token_bytes(32)))
    lost = missed(probes)
    words = Words()
    with tempfile.TemporaryDirectory(prefix="quiet-page-canary-") as scratch:
        place = Path(scratch)
        recording = Recording(place)
        probe = Secret("planted word", english())
        with Home(place / "user", recording.environment()) as home:
            leak(home, place / PLANTED, str(probe.value))
            found = use(home, words, small=small)
        recorded = recording.give_to(home)
        if not home.stack.search([probe]):
            lost.append("a word in a file that was deleted at once")
        model = None if small else trace_model(place, words.texts()[0])
        hits = home.stack.search(found)
    return Outcome(hits, home, recorded, len(probes) + 1, lost, found, model, time.monotonic() - start)


def report(outcome: Outcome) -> int:
    """Write and print the figures; return 0 if nothing was found, and the search had eyes for it."""
    home, recorded = outcome.home, outcome.recorded
    kinds = Counter(home.seen.values())
    limits = sorted(set(home.models.values()))
    model_writes = None if outcome.model is None else outcome.model.opened_to_write + outcome.model.file_writes
    blind = bool(outcome.missed) or not recorded.writes or limits != ["0 0"] or bool(model_writes)
    blind = blind or bool(set(home.not_recorded) - {"model"})
    figures = {
        "files_scanned": len(home.seen),
        "hits": len(outcome.hits),
        "bytes_scanned": home.stack.bytes_distinct,
        "processes": len(home.processes | recorded.processes),
        "bytes_seen_with_repetitions": home.stack.bytes_given,
        "found": [{"secret": hit.secret, "form": hit.form, "where": hit.where} for hit in outcome.hits],
        "secrets_searched": dict(Counter(secret.kind for secret in outcome.secrets)),
        "files_by_kind": {**dict.fromkeys(NAMED, 0), **dict(sorted(kinds.items()))},
        "looks_while_running": home.looks,
        "recorded": {
            "processes": len(recorded.processes),
            "processes_not_recorded": home.not_recorded,
            "writes": recorded.writes,
            "bytes": recorded.bytes,
            "files": recorded.files,
            "files_deleted": recorded.files_deleted,
            "files_outside_the_home": recorded.elsewhere,
            "files_mapped_for_writing": recorded.mapped,
        },
        "model": {
            "processes_seen": len(home.models),
            "file_size_limits": limits,
            "file_writes_by_strace": model_writes,
            "pipe_writes_by_strace": None if outcome.model is None else outcome.model.pipe_writes,
        },
        "self_test": {"secrets_planted": outcome.found_planted, "missed": len(outcome.missed)},
        "seconds": round(outcome.seconds, 1),
    }
    rows = [
        ("hits", str(len(outcome.hits)), "0"),
        ("planted secrets missed", str(len(outcome.missed)), "0"),
        ("files scanned", str(figures["files_scanned"]), ""),
        ("bytes scanned", f"{home.stack.bytes_distinct / 1e6:.1f} MB", ""),
        ("processes", str(figures["processes"]), ""),
        ("recorded writes", str(recorded.writes), "> 0"),
        ("other processes not recorded", str(sum(n for k, n in home.not_recorded.items() if k != "model")), "0"),
        ("model's processes that may write", str(sum(limit != "0 0" for limit in home.models.values())), "0"),
        ("model's writes to files (strace)", "not run" if model_writes is None else str(model_writes), "0"),
    ]
    reports.write("canary", figures, rows)
    for hit in outcome.hits:
        print(f"Found: {hit.secret}, as {hit.form}, in: {hit.where}", file=sys.stderr)
    for name in outcome.missed:
        print(f"The search would not find: {name}", file=sys.stderr)
    return 1 if outcome.hits or blind else 0


def main(argv: list[str] | None = None) -> int:
    """Run, report, and return 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="without charts, keys and commands")
    options = parser.parse_args(argv)
    if sys.platform != "linux":
        print("Only Linux lets every write be seen.", file=sys.stderr)
        return 2
    try:
        return report(run(small=options.small))
    except pytest.skip.Exception as skipped:
        print(f"{skipped}. Without it not every write can be seen.", file=sys.stderr)
        return 2
    except Failed as failed:
        print(f"{failed}. Nothing can be said about what was written.", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
