"""What is left in memory after a lock, looked at from outside: the key not at all, texts hardly."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
PIECE = 16 * 1024 * 1024

# Every word that is looked for is put together at run time, so that the program's own text does not hold it.
START = """
    import ctypes, sys
    from pathlib import Path
    def word(*parts): return "".join(parts)
    def mask(secret):
        kept = bytearray(len(secret))
        for place, byte in enumerate(secret):
            kept[place] = byte ^ 0x5A
        return kept.hex()
    def wait(said):
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # the one who looks may be no root
        print(said, flush=True)
        sys.stdin.readline()
"""


class Looked:
    """A process that stops where it says so, and whose memory is searched meanwhile."""

    def __init__(self, code: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(START) + textwrap.dedent(code), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        )

    def hears(self) -> str:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        assert said, "the process ended"
        return said

    def goes_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def count(self, *wanted: bytes) -> int:
        """Return how often any of ``wanted`` is in memory that can be written to."""
        longest = max(map(len, wanted))
        found = 0
        place = Path(f"/proc/{self._process.pid}/mem")
        if not os.access(place, os.R_OK):
            pytest.skip("this system lets nobody look into the memory of a child")
        with place.open("rb", 0) as memory:
            for start, end in self._regions():
                before = b""
                for place in range(start, end, PIECE):
                    try:
                        memory.seek(place)
                        data = memory.read(min(PIECE, end - place))
                    except OSError:
                        break
                    for secret in wanted:
                        found += (before[-(len(secret) - 1) :] + data).count(secret)
                    before = data[-longest:]
        return found

    def _regions(self) -> Iterator[tuple[int, int]]:
        for line in Path(f"/proc/{self._process.pid}/maps").read_text("utf-8").splitlines():
            span, rights = line.split()[:2]
            if rights.startswith("rw"):
                start, end = (int(number, 16) for number in span.split("-"))
                yield start, end

    def end(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait(30)


KEYS = """
    from journal_app import private_process
    from journal_app.vault import vault
    from journal_app.vault.keys import KdfParams
    private_process.keep_memory_private()
    place = Path(sys.argv[1])
    if sys.argv[2] == "made":
        opened, code = vault.create(place, "p", kdf=KdfParams.fast())
    else:
        opened = vault.unlock(place, "p")
    store = opened.store()
    for number in range(20):
        store.new_entry(f"A walk along the canal, {number}.")
    assert store.search("canal") and store.verify().ok
    if sys.argv[2] == "changed":
        opened.change_passphrase("q", kdf=KdfParams.fast())
        opened.add_key_file()
        opened.opens_with("q")
        opened.change_passphrase("p", kdf=KdfParams.fast())
    wait(mask(opened._key))
    opened.lock()
    wait("locked")
"""


@pytest.mark.parametrize("how", ["made", "opened", "changed"])
def test_the_key_is_nowhere_in_memory_after_a_lock(tmp_path: Path, how: str) -> None:
    if how != "made":
        from journal_app.vault import vault
        from journal_app.vault.keys import KdfParams

        vault.create(tmp_path / "j", "p", kdf=KdfParams.fast())[0].lock()
    looked = Looked(KEYS, tmp_path / "j", how)
    key = bytes(byte ^ 0x5A for byte in bytes.fromhex(looked.hears()))
    in_letters = key.hex().encode()
    assert len(key) == 32
    assert looked.count(key) >= 1, "an open journal needs its key, and this test can see it"
    looked.goes_on()
    assert looked.hears() == "locked"
    # Halves, too: a copy whose head or tail has been used for something else is as good as a whole one.
    assert looked.count(key[:16], key[16:], in_letters, in_letters.upper()) == 0
    looked.goes_on()
    looked.end()


WINDOW = """
    import gc
    from PySide6.QtTest import QTest
    from journal_app import private_process
    from journal_app.ui import app as ui
    from journal_app.ui.bridge import Bridge
    from journal_app.ui.services import Frame
    from journal_app.ui.settings import SettingsKeeper
    from journal_app.ui.theme import Theme
    from journal_app.vault import vault as vaults
    from journal_app.vault.keys import KdfParams

    if sys.argv[2] == "with":
        private_process.keep_memory_private()
    else:
        private_process.overwrite_freed = private_process.sweep_freed = lambda: None
    place = Path(sys.argv[1])
    app = ui.make_application(["t"])
    keeper = SettingsKeeper(place / "settings.toml")
    session = ui.Session(Frame(keeper, Theme(keeper.value), Bridge(), lambda: None), place / "j", ui.real_door())
    opened, _ = vaults.create(place / "j", "p", kdf=KdfParams.fast())
    store = opened.store()
    for number in range(200):
        store.new_entry("the day was long and the river slow " * 12 + word("quill", "ota") + f" {number}")
    store.close()
    session.start()
    session.open(opened)
    QTest.qWait(300)
    journal = session.workspace().journal
    QTest.keyClicks(journal.view.editor, word("mari", "golde") + " and nothing else " + word("mari", "golde"))
    session.workspace().flush()
    QTest.qWait(300)
    journal._search.setText(word("quill", "ota"))
    QTest.qWait(700)
    journal._search.setText("")
    del journal, store, opened
    wait("open")
    assert session.lock()
    QTest.qWait(600)
    wait("locked")
"""


def copies(word: str) -> tuple[bytes, ...]:
    return word.encode(), word.encode("utf-16-le")


@pytest.mark.gui
@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="glibc"
)
def test_hardly_a_text_is_left_in_memory_after_a_lock(tmp_path: Path) -> None:
    left = {}
    for how in ("without", "with"):
        looked = Looked(WINDOW, tmp_path / how, how)
        assert looked.hears() == "open"
        shown, typed = looked.count(*copies("quillota")), looked.count(*copies("marigolde"))
        assert shown > 200, "the texts of the list, the page and the cache can be seen"
        assert typed >= 2
        looked.goes_on()
        assert looked.hears() == "locked"
        left[how] = looked.count(*copies("quillota")), looked.count(*copies("marigolde"))
        looked.goes_on()
        looked.end()
    assert left["without"][0] > 100, "without any measure the texts stay; if not, this test shows nothing"
    assert left["with"][0] <= 20
    assert left["with"][1] <= 8


READER = """
    from PySide6.QtTest import QTest
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
    QTest.keyClicks(session.workspace().journal.view.editor, "I was glad that the work was done.")
    for _ in range(900):
        QTest.qWait(100)
        if session.services.store.entries() and not session.services.store.pending_count():
            break
    else:
        raise SystemExit("nothing was read")
    wait(str(session.services.reader.pid))
    session.lock_hard("idle")
    wait("locked")
"""


@pytest.mark.gui
@pytest.mark.llm
def test_the_model_and_what_it_read_are_gone_with_the_lock(tmp_path: Path) -> None:
    looked = Looked(READER, tmp_path)
    pid = int(looked.hears())
    assert Path(f"/proc/{pid}").exists()
    looked.goes_on()
    assert looked.hears() == "locked"
    assert not Path(f"/proc/{pid}").exists(), "a process that has ended keeps no cache of what it read"
    looked.goes_on()
    looked.end()


def test_small_blocks_are_overwritten() -> None:
    code = """
        from journal_app import private_process
        def fill(): return [word("tour", "maline") + " " + str(number) * 8 for number in range(20_000)]
        held = fill()
        wait("held")
        del held
        wait("freed")
        import time
        began = time.perf_counter()
        private_process.sweep_freed()
        wait(str(time.perf_counter() - began))
    """
    looked = Looked(code)
    assert looked.hears() == "held"
    assert looked.count(b"tourmaline") >= 20_000
    looked.goes_on()
    assert looked.hears() == "freed"
    assert looked.count(b"tourmaline") > 100, "Python keeps what it frees as it was; if not, this test shows nothing"
    looked.goes_on()
    assert float(looked.hears()) < 5.0
    assert looked.count(b"tourmaline") <= 10
    looked.goes_on()
    looked.end()


def test_freed_memory_is_overwritten_and_new_memory_begins_as_zeros() -> None:
    code = """
        from journal_app import private_process
        private_process.keep_memory_private()
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        libc.free.argtypes = [ctypes.c_void_p]
        place, guard = libc.malloc(ctypes.c_size_t(5000)), libc.malloc(ctypes.c_size_t(5000))
        fresh = ctypes.string_at(place, 5000)
        ctypes.memset(place, 0x41, 5000)
        libc.free(place)
        kept = ctypes.string_at(place, 5000)
        print(fresh == bytes(5000), kept.count(0x41), flush=True)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(START) + textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    if "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""):
        pytest.skip("another C library")
    assert done.stdout.split() == ["True", "0"]


def test_the_time_that_it_takes_is_short() -> None:
    from journal_app import private_process

    began = time.perf_counter()
    private_process.sweep_freed()
    assert time.perf_counter() - began < 2.0
