"""A window without a screen: cheap keys, a reader without a model, nothing of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest

from journal_app import system_libraries
from journal_app.vault import rekey
from journal_app.vault import vault as vaults
from journal_app.vault.keys import KdfParams
from tests.support.fake_reader import FakeReader
from tests.support.memory_keyring import MemoryKeyring

collect_ignore_glob: list[str] = []
if system_libraries.missing(window=False):
    # Without Qt's system libraries not even the imports of these tests work.
    collect_ignore_glob.append("test_*.py")
else:
    from PySide6.QtWidgets import QApplication

    from journal_app.ui import app as ui
    from journal_app.ui.bridge import Bridge
    from journal_app.ui.services import Frame, Services
    from journal_app.ui.settings import SettingsKeeper
    from journal_app.ui.theme import Theme

PASSPHRASE = "seven green kettles sing"


@pytest.fixture(scope="session")
def qapp_cls() -> type[QApplication]:
    return QApplication


@pytest.fixture
def keeper(tmp_path: Path) -> SettingsKeeper:
    made = SettingsKeeper(tmp_path / "settings.toml")
    made.change(language="en", country="GB", theme="light")
    return made


@pytest.fixture
def frame(qapp: QApplication, keeper: SettingsKeeper) -> Iterator[Frame]:
    bridge = Bridge()
    yield Frame(keeper, Theme(keeper.value), bridge, FakeReader, lambda: "")
    bridge.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def door() -> ui.VaultDoor:
    return ui.VaultDoor(
        vaults.exists,
        lambda place, secret: vaults.create(place, secret, kdf=KdfParams.fast()),
        vaults.unlock,
        rotate=lambda place, secret, tell: rekey.rotate(place, secret, kdf=KdfParams.fast(), progress=tell),
    )


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    """A keyring of the test's own in the place of the system's."""
    before, made = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


@pytest.fixture
def made_vault(folder: Path) -> Iterator[Any]:
    vault, _code = vaults.create(folder, PASSPHRASE, kdf=KdfParams.fast())
    yield vault
    vault.lock()


@pytest.fixture
def services(frame: Frame, made_vault: Any) -> Iterator[Services]:
    opened = Services.open(frame, made_vault)
    yield opened
    opened.close()


@pytest.fixture
def session(frame: Frame, folder: Path, door: ui.VaultDoor, qtbot: Any) -> Iterator[ui.Session]:
    made = ui.Session(frame, folder, door)
    qtbot.addWidget(made.window)
    made.window.resize(1280, 800)
    yield made
    made.shutdown()


@pytest.fixture
def open_session(session: ui.Session, folder: Path, qtbot: Any) -> Callable[[], ui.Session]:
    """Return a function that makes a journal, opens it in the window and returns the session."""

    def open_it() -> ui.Session:
        vault, _code = vaults.create(folder, PASSPHRASE, kdf=KdfParams.fast())
        session.start()
        session.open(vault)
        qtbot.waitUntil(lambda: session.workspace() is not None)
        return session

    return open_it
