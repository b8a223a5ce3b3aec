"""A journal with cheap keys, a clock that is told the time, and helpers for whole folders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from journal_app.vault import vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.store import JournalStore
from journal_app.vault.vault import Vault

PASSPHRASE = "a quiet page at night"


@dataclass
class ManualClock:
    """Stands still until it is moved."""

    moment: datetime = field(default_factory=lambda: datetime(2026, 3, 14, 21, 5, tzinfo=timezone(timedelta(hours=9))))

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **kwargs: float) -> None:
        self.moment += timedelta(**kwargs)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Vault]:
    made, _ = vault.create(folder, PASSPHRASE, kdf=KdfParams.fast())
    with made:
        yield made


@pytest.fixture
def store(journal: Vault, clock: ManualClock) -> JournalStore:
    return journal.store(clock=clock)


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, str]]:
    """Return a function from a folder to the hash of each file that holds something of the journal."""

    def take(folder: Path) -> dict[str, str]:
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.endswith(("-shm", ".session")) and path.stat().st_size
        }

    return take
