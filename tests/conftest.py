"""What all tests share: where corpora are (if anywhere), and what is skipped with which reason."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data", default=None, help="folder of the corpora (default: QUIETPAGE_DATA)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    from journal_app import system_libraries

    lacking = system_libraries.missing(window=False)
    reasons = {
        "gui": f"Qt lacks system libraries: sudo apt-get install {' '.join(lacking)}" if lacking else "",
        "torch": "" if importlib.util.find_spec("torch") else "the trainer is not installed: make setup-train",
        "corpora": "" if _data(config) else "needs the corpora: --data DIR or QUIETPAGE_DATA",
    }
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def _data(config: pytest.Config) -> Path | None:
    named = config.getoption("--data") or os.environ.get("QUIETPAGE_DATA")
    return Path(named) if named and Path(named).is_dir() else None


@pytest.fixture(scope="session")
def corpora(request: pytest.FixtureRequest) -> Path:
    """The folder of the corpora; only for tests marked ``corpora``."""
    data = _data(request.config)
    assert data is not None, "mark this test with pytest.mark.corpora"
    return data


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may touch the journal or the settings of whoever runs it."""
    home = tmp_path_factory.mktemp("home")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))
