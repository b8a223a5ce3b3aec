"""The network is refused to every process of ours, each attempt is kept, and what is shown of it is true."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from journal_app import network_check, silence
from journal_app.cli import network
from journal_app.network_check import Look, Process

ROOT = Path(__file__).resolve().parent.parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
posix = pytest.mark.skipif(os.name == "nt", reason="modes and links are a matter of POSIX")


def watched(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process of its own: a watch cannot be taken out again."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


REFUSALS = """
    import socket, sys
    from pathlib import Path
    early = socket.socket()
    from journal_app import silence
    silence.install("command", Path(sys.argv[1]))
    def socket_of_python(): socket.socket()
    def raw_socket(): socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    def connection(): early.connect(("192.0.2.1", 9))
    def port(): early.bind(("127.0.0.1", 0))
    def name(): socket.getaddrinfo("journal.example", 443)
    def old_name(): socket.gethostbyname("journal.example")
    def package():
        import urllib.request
        urllib.request.urlopen("http://journal.example/")
    for attempt in (socket_of_python, raw_socket, connection, port, name, old_name, package):
        try:
            attempt()
            print(attempt.__name__, "went through")
        except OSError as error:
            print(attempt.__name__, "refused" if "no network" in str(error) else error)
    one, other = socket.socketpair()
    one.send(b"hello")
    print(other.recv(5).decode())
"""


def test_every_way_into_a_network_is_refused_and_kept(tmp_path: Path) -> None:
    record = tmp_path / "state" / "network.log"
    done = watched(REFUSALS, record)
    said = done.stdout.split("\n")
    assert said[:7] == [
        f"{name} refused"
        for name in ("socket_of_python", "raw_socket", "connection", "port", "name", "old_name", "package")
    ], done.stderr
    assert said[7] == "hello", "the desktop is reached through local sockets, which pass"
    found = silence.read(record)
    assert [attempt.kind for attempt in found.attempts] == [
        "socket",
        "socket",
        "connect",
        "bind",
        "lookup",
        "lookup",
        "lookup",
    ]
    assert {(attempt.process, attempt.allowed, attempt.host) for attempt in found.attempts} == {("command", False, "")}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found.since_utc)
    kept = record.read_text("ascii")
    assert "journal.example" not in kept
    assert "192.0.2.1" not in kept
    assert str(tmp_path) not in kept
    if os.name != "nt":
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
        assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700


def test_counting_goes_on_from_the_first_start(tmp_path: Path) -> None:
    record = tmp_path / "network.log"
    record.write_text("since 2026-01-02T03:04:05Z\n2026-02-03T04:05:06Z window connect refused\n")
    watched(REFUSALS, record)
    found = silence.read(record)
    assert found.since_utc == "2026-01-02T03:04:05Z"
    assert len(found.attempts) == 8
    assert found.unreadable == 0


@posix
@pytest.mark.parametrize("kind", ["file in the way", "link", "pipe", "full disk", "odd name"])
def test_refused_also_where_nothing_can_be_kept(kind: str, tmp_path: Path) -> None:
    record = tmp_path / "state" / "network.log"
    other = tmp_path / "other"
    if kind == "file in the way":
        (tmp_path / "state").write_text("not a folder")
    elif kind == "odd name":
        record = tmp_path / ("x" * 300) / "network.log"
    else:
        record.parent.mkdir()
        if kind == "link":
            other.write_text("somebody else's\n")
            record.symlink_to(other)
        elif kind == "pipe":
            os.mkfifo(record)
        elif Path("/dev/full").exists():
            record.symlink_to("/dev/full")
    done = watched(REFUSALS, record)
    assert done.stdout.count("refused") == 7, done.stderr
    if kind == "link":
        assert other.read_text() == "somebody else's\n"
    if kind != "pipe":
        assert not silence.read(record).attempts


def test_the_record_is_bounded(tmp_path: Path) -> None:
    record = tmp_path / "network.log"
    code = """
        import socket, sys
        from pathlib import Path
        from journal_app import silence
        silence.install("window", Path(sys.argv[1]))
        for _ in range(5000):
            try: socket.socket()
            except OSError: pass
    """
    assert watched(code, record).returncode == 0
    assert silence.MAX_BYTES <= record.stat().st_size < silence.MAX_BYTES + 100
    found = silence.read(record)
    assert found.full
    assert len(found.attempts) > 1000
    assert "record is full" in "\n".join(network.lines(Look(found, Process(0, 0, (), ()), None, "none")))


def test_what_the_writer_asked_for_passes_for_that_host_and_thread_alone(tmp_path: Path) -> None:
    code = """
        import socket, sys, threading
        from pathlib import Path
        from journal_app import silence
        watch = silence.install("window", Path(sys.argv[1]))
        assert silence.install("command") is watch is silence.installed()
        def attempt(act):
            try: act(); print("passed")
            except silence.NetworkRefused: print("refused")
            except OSError: print("passed")
        with watch.allowed("localhost"):
            attempt(socket.socket)
            attempt(lambda: socket.getaddrinfo("localhost", 9))
            attempt(lambda: socket.getaddrinfo("elsewhere.example", 9))
            thread = threading.Thread(target=attempt, args=(socket.socket,)); thread.start(); thread.join()
        attempt(socket.socket)
    """
    record = tmp_path / "network.log"
    done = watched(code, record)
    assert done.stdout.split() == ["passed", "passed", "refused", "refused", "refused"], done.stderr
    assert [(a.allowed, a.host) for a in silence.read(record).attempts] == [
        (True, "localhost"),
        (True, "localhost"),
        (False, ""),
        (False, ""),
        (False, ""),
    ]
    look = Look(silence.Record("2026-01-01T00:00:00Z", silence.read(record).attempts[:2]), Process(0), None)
    assert look.silent, "what the writer asked for breaks no silence"


def test_a_foreign_record_is_told_and_harmless(tmp_path: Path) -> None:
    record = tmp_path / "network.log"
    record.write_bytes(b"\xff\x00 nonsense\n" + b"2026-01-01T00:00:00Z nobody connect refused\n" + b"x" * 300_000)
    found = silence.read(record)
    assert (found.since_utc, found.attempts) == ("", ())
    assert found.unreadable == 3
    assert "3 lines of the record cannot be read" in "\n".join(network.lines(Look(found, Process(), None, "none")))


# --- the model's process -----------------------------------------------------------------------


@pytest.mark.llm
def test_an_attempt_of_the_model_is_refused_and_told_to_the_record(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    from tests.support.tiny_gguf import write_encoder

    code = """
        import sys
        from pathlib import Path
        from journal_app import silence
        from journal_app.inference import process
        from journal_app.inference.engine import ModelError
        silence.install("window", Path(sys.argv[2]))
        process._BOOT = '''
        import sys; sys.path.insert(0, sys.argv.pop(1))
        from journal_app.inference import worker
        def read(self, message):
            import socket
            socket.socket()
        worker.Worker._read = read
        worker.main()
        '''.replace("\\n        ", "\\n")
        with process.ModelProcess(Path(sys.argv[1]), threads=1) as model:
            model.info()
            try: model.read(["a day"])
            except ModelError as error: print(error)
    """
    model = write_encoder(tmp_path / "tiny.gguf")
    done = watched(code, model, tmp_path / "network.log")
    assert "NetworkRefused" in done.stdout, done.stderr
    assert [(a.process, a.kind, a.allowed) for a in silence.read(tmp_path / "network.log").attempts] == [
        ("model", "socket", False)
    ]


@linux
@pytest.mark.llm
def test_the_model_lives_without_a_network(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    from journal_app.inference.process import ModelProcess
    from tests.support.tiny_gguf import write_encoder

    with ModelProcess(write_encoder(tmp_path / "tiny.gguf"), threads=1) as model:
        model.info()
        assert model.pid is not None
        seen = network_check.other_process(model.pid, model.network)
    assert seen.may_open is False
    assert seen.network_sockets in (0, None)
    assert seen.modules is not None, "it tells itself what it has loaded"
    assert not set(seen.modules) & {"ssl", "http.client", "urllib.request", "requests"}
    leaves = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x10000000 | 0x40000000) != 0)"
    if subprocess.run([sys.executable, "-c", leaves], check=False).returncode == 0:
        assert seen.interfaces == ()
        assert seen.own_network in (True, None)


def test_nonsense_from_the_model_is_not_shown() -> None:
    for words in (
        None,
        "x",
        {"interfaces": "eth0"},
        {"modules": ["a" * 99]},
        {"modules": ["\x1b[31m"]},
        {"modules": [1]},
    ):
        seen = network_check.other_process(2**30, words)
        assert (seen.interfaces, seen.modules) == (None, None)
    assert network_check.other_process(2**30, {"interfaces": [], "modules": ["socket"]}).interfaces == ()


# --- what is so now ----------------------------------------------------------------------------


@linux
def test_open_sockets_are_seen() -> None:
    before = network_check.this_process()
    assert before.network_sockets == 0
    with socket.socket() as fresh, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as used:
        used.bind(("0.0.0.0", 0))
        one, other = socket.socketpair()
        now = network_check.this_process()
        assert (now.network_sockets, now.local_sockets) == (2, before.local_sockets + 2)
        assert network_check._sockets(str(os.getpid())) == (2, before.local_sockets + 2)
        assert not Look(silence.Record("", ()), now, None).silent
        for part in (fresh, one, other):
            part.close()


def test_where_nothing_can_be_seen_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(network_check, "PROC", tmp_path)
    seen = network_check.other_process(os.getpid())
    assert seen == Process()
    said = "\n".join(network.lines(network_check.look(1, path=tmp_path / "none")))
    assert "not looked at here" in said
    assert "cannot be seen" in said
    assert "none can be counted here" in said
    assert "no network socket" not in said


# --- the command -------------------------------------------------------------------------------


def test_the_command_needs_no_journal_and_says_so_with_its_exit_code(tmp_path: Path) -> None:
    home = {name: str(tmp_path / name) for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    record = tmp_path / "XDG_STATE_HOME" / "quiet-page" / "network.log"
    code = "import sys; from journal_app.__main__ import main; sys.exit(main(sys.argv[1:]))"
    quiet = watched(code, "verify", "--network", **home)
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert "has tried to reach a network" in quiet.stdout
    assert "none." in quiet.stdout
    assert record.exists() or os.name == "nt"
    with record.open("a") as file:
        file.write("2026-02-03T04:05:06Z window connect refused\n")
    loud = watched(code, "verify", "--network", **home)
    assert loud.returncode == 11
    assert "2026-02-03T04:05:06Z  the window: a connection was to be made (refused)" in loud.stdout
    told = json.loads(watched(code, "verify", "--network", "--json", **home).stdout)
    assert told["silent"] is False
    assert told["attempts"] == [
        {"when_utc": "2026-02-03T04:05:06Z", "process": "window", "kind": "connect", "allowed": False, "host": None}
    ]
    assert told["this_process"]["network_modules_loaded"] == []
    if sys.platform == "linux":
        assert told["this_process"]["network_sockets"] == 0
        assert told["model_process"]["network_sockets"] == 0
        assert told["model_process"]["may_open_sockets"] is False


# --- seen from outside -------------------------------------------------------------------------

WINDOW = """
    import sys
    from pathlib import Path
    from PySide6.QtCore import QTimer
    from PySide6.QtTest import QTest
    from journal_app import silence
    silence.install("window")
    from journal_app.ui import app as ui
    from journal_app.ui.bridge import Bridge
    from journal_app.ui.services import Frame, embedded_reader
    from journal_app.ui.settings import SettingsKeeper
    from journal_app.ui.theme import Theme
    from journal_app.vault import vault as vaults
    from journal_app.vault.keys import KdfParams

    place = Path(sys.argv[1])
    app = ui.make_application(["t"])
    keeper = SettingsKeeper(place / "settings.toml")
    session = ui.Session(Frame(keeper, Theme(keeper.value), Bridge(), embedded_reader), place / "j", ui.real_door())
    opened, _ = vaults.create(place / "j", "p", kdf=KdfParams.fast())
    session.start()
    session.open(opened)
    QTest.keyClicks(session.workspace().journal.view.editor, "A walk along the canal, and I was glad. ")
    for name in ("insights", "share", "settings", "help"):
        session.workspace().go(name)
    def read():
        if not session.services.store.entries() or session.services.store.pending_count():
            QTimer.singleShot(200, read)
            return
        print("read", flush=True)
        session.lock()
        app.quit()
    QTimer.singleShot(500, read)
    QTimer.singleShot(60_000, app.quit)
    app.exec()
    session.shutdown()
"""


def traced(trace: Path, *command: str, data: bytes = b"") -> str:
    """Run ``command`` under strace and return the calls that make or use a socket."""
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-o", os.devnull, "true"], check=False).returncode != 0:
        pytest.skip("there is no strace here, or it may not be used")
    calls = "trace=socket,socketpair,connect,bind,sendto,sendmsg"
    done = subprocess.run(
        [strace, "-f", "--seccomp-bpf", "-e", calls, "-o", str(trace), *command],
        cwd=ROOT,
        input=data,
        capture_output=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.decode() + "\n" + trace.read_text("utf-8", "replace")


def families(calls: str) -> set[str]:
    return set(re.findall(r"\b(?:AF|PF)_[A-Z0-9]+", calls))


@linux
def test_strace_would_see_a_network(tmp_path: Path) -> None:
    code = "import socket; s = socket.socket(); s.connect_ex(('127.0.0.1', 9))"
    assert "AF_INET" in families(traced(tmp_path / "calls", sys.executable, "-c", code))


@linux
@pytest.mark.llm
def test_a_command_asks_the_system_for_no_network_socket(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "journal_app", "--journal", str(tmp_path / "j"), "--passphrase-fd", "0")
    calls = traced(tmp_path / "calls", *command, "add", "--create", data=b"p\nA walk along the canal.\n")
    assert "Estimated" in calls, "the model has read it"
    assert families(calls) <= {"AF_UNIX"}


@linux
@pytest.mark.gui
@pytest.mark.llm
def test_the_window_asks_the_system_for_no_network_socket(tmp_path: Path) -> None:
    calls = traced(tmp_path / "calls", sys.executable, "-c", textwrap.dedent(WINDOW), str(tmp_path))
    assert calls.startswith("read"), "an entry was written, read by the model and locked away"
    assert families(calls) <= {"AF_UNIX"}
    assert not silence.read().attempts
