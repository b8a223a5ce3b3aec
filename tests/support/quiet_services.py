"""What a page is given, over a store that lives in a list: for tests of pages that only read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from journal_app.ui.bridge import Bridge
from journal_app.ui.settings import Settings
from journal_app.ui.theme import Theme
from journal_app.vault.records import DayRow, Entry


class ListStore:
    """Answers ``days`` and ``entries`` as a store does."""

    def __init__(self, rows: Sequence[DayRow], entries: Sequence[Entry] = ()) -> None:
        self.rows = list(rows)
        self.all_entries = list(entries)

    def days(self, *, start: str | None = None, end: str | None = None) -> list[DayRow]:
        return [row for row in self.rows if (start or "") <= row.local_date <= (end or "9999")]

    def entries(
        self, *, start: str | None = None, end: str | None = None, deleted: bool = False, limit: int | None = None
    ) -> list[Entry]:
        found = [e for e in self.all_entries if (start or "") <= e.local_date <= (end or "9999")]
        return found[::-1][:limit]

    def close(self) -> None: ...


@dataclass
class QuietServices:
    """The parts of ``ui.services.Services`` that Insights and Share use."""

    bridge: Bridge
    theme: Theme
    store: Any
    settings: Settings


def quiet_services(rows: Sequence[DayRow], entries: Sequence[Entry] = (), *, theme: str = "light") -> QuietServices:
    """Return services over ``rows`` and ``entries``; close ``bridge`` at the end."""
    settings = replace(Settings(), theme=theme)
    store = ListStore(rows, entries)
    bridge = Bridge()
    bridge.attach(lambda: store)  # type: ignore[arg-type,return-value]
    return QuietServices(bridge, Theme(settings), store, settings)
