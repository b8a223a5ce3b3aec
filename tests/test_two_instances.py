"""Two programs at once on one journal: the second is refused in words, and the first goes on unharmed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from journal_app.vault import backup, rekey, salvage, vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import VaultLocked
from scripts import torture
from scripts.torture_app import FIRST

pytestmark = [pytest.mark.gui, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]

FAST = KdfParams.fast()
REFUSED = "open in another window or program. Nothing was changed."
PREFIX = "Written in the first window: "
SECOND_WINDOW = """
import sys, time
from pathlib import Path
from journal_app.ui import app as ui
from journal_app.ui.bridge import Bridge
from journal_app.ui.services import Frame
from journal_app.ui.settings import SettingsKeeper
from journal_app.ui.theme import Theme
from tests.support.fake_reader import FakeReader

application = ui.make_application(["quietpage"])
keeper = SettingsKeeper(Path(sys.argv[2]) / "second.toml")
frame = Frame(keeper, Theme(keeper.value), Bridge(), FakeReader, lambda: "")
session = ui.Session(frame, Path(sys.argv[1]), ui.real_door())
session.start()
page = session.window.scene()
page.secret_given.emit("first passphrase", False)
end = time.monotonic() + 30
while not page.message and session.workspace() is None and time.monotonic() < end:
    application.processEvents()
print(page.message, session.workspace() is None)
"""


class FirstWindow:
    """The real window in a process of its own, in which somebody types."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "HOME", "TMPDIR"):
            self.environment[name] = str(home)
        command = [sys.executable, str(torture.ROOT / "scripts" / "torture_app.py"), "typing", str(folder), PREFIX, "0"]
        self._process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE)
        self.lines: list[list[str]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if line.endswith(b"\n"):
                self.lines.append(line.decode("ascii").split())

    @property
    def keys(self) -> list[tuple[int, float]]:
        """How much has been typed, and when."""
        return [(int(line[1]), float(line[2])) for line in self.lines if line[0] == "k"]

    def types(self, more: int) -> None:
        """Wait until so many more keys are in the editor."""
        goal, end = len(self.keys) + more, time.monotonic() + 30
        while len(self.keys) < goal:
            assert time.monotonic() < end, "the first window does not go on"
            assert self._process.poll() is None, "the first window is gone"
            time.sleep(0.01)

    def kill(self) -> torture.Said:
        """End it and return what it had said."""
        died = time.monotonic()
        self._process.kill()
        self._process.wait()
        self._reader.join()
        return torture.Said(self.keys, [], died, "")


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # one computer
    made, _ = vault.create(tmp_path / "journal", FIRST, kdf=FAST)
    with made:
        made.store().new_entry("Before.")
        backup.make(made)
    return tmp_path / "journal"


@pytest.fixture
def first(journal: Path, tmp_path: Path) -> Iterator[FirstWindow]:
    window = FirstWindow(journal, tmp_path)
    try:
        window.types(5)
        yield window
    finally:
        window.kill()


def goes_on_unharmed(first: FirstWindow, journal: Path, tmp_path: Path) -> None:
    first.types(20)
    outcome, said = torture.Outcome("typing"), first.kill()
    torture.check("typing", journal, said, PREFIX, outcome, torture.Ground(journal, tmp_path))
    assert not outcome.bad, outcome
    with vault.unlock(journal, FIRST) as opened:
        assert {entry.text[:7] for entry in opened.store().entries()} == {"Before.", PREFIX[:7]}


def test_no_other_program_gets_in(first: FirstWindow, journal: Path, tmp_path: Path) -> None:
    newest = backup.listed(journal)[0].path
    attempts: list[Callable[[], object]] = [
        lambda: vault.unlock(journal, FIRST),
        lambda: vault.unlock(journal, FIRST, despite_other=True),
        lambda: vault.unlock(journal, "wrong"),
        lambda: rekey.rotate(journal, FIRST, kdf=FAST),
        lambda: backup.restore(newest, journal, FIRST),
        lambda: salvage.rescue(journal, FIRST, tmp_path / "rescued"),
    ]
    for attempt in attempts:
        with pytest.raises(VaultLocked, match=REFUSED):
            attempt()
    for arguments in (["list"], ["add"], ["verify"], ["backup"], ["restore"], ["rescue", "--to", str(tmp_path / "r")]):
        done = subprocess.run(
            [sys.executable, "-m", "journal_app", *arguments, "--journal", str(journal), "--passphrase-fd", "0"],
            env=first.environment, cwd=torture.ROOT, input=f"{FIRST}\nwords",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode not in (0, 1), arguments
        assert REFUSED in done.stderr, (arguments, done.stderr)
        assert str(tmp_path) not in done.stderr
    assert not (tmp_path / "rescued").exists()
    goes_on_unharmed(first, journal, tmp_path)


def test_a_second_window_is_refused_in_words(first: FirstWindow, journal: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SECOND_WINDOW, str(journal), str(tmp_path)],
        env=first.environment, cwd=torture.ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert REFUSED in done.stdout
    assert done.stdout.strip().endswith("True")
    goes_on_unharmed(first, journal, tmp_path)
