"""Insights: cards fill off the window's thread, a click opens a day, tables and files hold the chart's data."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from journal_app.ui.bridge import EntrySaved
from journal_app.ui.insights import InsightsPage
from tests.support.day_rows import entry, life
from tests.support.quiet_services import QuietServices, quiet_services

pytestmark = pytest.mark.gui
TODAY = dt.date.today().isoformat()


@pytest.fixture
def services(qapp: object) -> Iterator[QuietServices]:
    made = quiet_services(life(120, end=TODAY))
    yield made
    made.bridge.close()


def test_the_window_starts_without_matplotlib() -> None:
    code = "import sys, journal_app.ui.insights, journal_app.ui.share; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def shown(qtbot: QtBot, services: QuietServices, width: int = 1200) -> InsightsPage:
    page = InsightsPage(services)  # type: ignore[arg-type]
    qtbot.addWidget(page)
    page.resize(width, 800)
    page.show()
    page.activated()
    return page


def drawn(page: InsightsPage) -> bool:
    return bool(page.cards) and all(not card.view.image.isNull() for card in page.cards)


def test_the_page_is_made_without_matplotlib_work_and_then_fills(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    assert page.cards == []
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    assert [card.key for card in page.cards] == ["mood", "feelings", "levels", "days-and-feelings", "signs"]
    for card in page.cards:
        assert card.view.accessibleName()
        assert len(card.view.accessibleDescription()) > 30
        ratio = card.view.devicePixelRatioF()
        assert card.view.image.width() == pytest.approx(card.view.width() * ratio, abs=2)


def test_a_click_opens_the_written_day_nearest_to_it(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    view = page.cards[0].view
    places = [x for x in range(view.width()) if view.date_at(x) == TODAY]
    assert places
    with qtbot.waitSignal(page.open_day) as opened:
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(places[0], view.height() // 2))
    assert opened.args == [TODAY]
    assert view.date_at(1) is None


def test_the_period_switch_loads_other_days(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    before = page.cards[0].view.accessibleDescription()
    week = next(b for b in page.findChildren(QPushButton) if b.property("period") == "week")
    qtbot.mouseClick(week, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.cards[0].view.accessibleDescription() != before, timeout=10000)
    assert "of 7 days" in page.cards[0].view.accessibleDescription()


def test_every_chart_is_also_a_table(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    for card in page.cards:
        card.show_table(True)
        assert card.table.isVisibleTo(page)
        assert card.table.rowCount() > 0
        assert card.table.columnCount() > 2
        assert card.table.accessibleName()
        card.show_table(False)
        assert card.view.isVisibleTo(page)


def test_a_row_of_the_table_opens_its_day_from_the_keyboard(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    card = page.cards[0]
    card.show_table(True)
    last = card.table.rowCount() - 1
    assert card.table.item(last, 0).text() == TODAY
    card.table.setCurrentCell(last, 0)
    with qtbot.waitSignal(page.open_day) as opened:
        qtbot.keyClick(card.table, Qt.Key.Key_Return)
    assert opened.args == [TODAY]


def test_saving_writes_only_what_was_asked(qtbot: QtBot, services: QuietServices, tmp_path: Path) -> None:
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    out = tmp_path / "out"
    out.mkdir()
    for form in ("png", "svg", "csv"):
        page.cards[0].save(form, out / f"mood.{form}")
    qtbot.waitUntil(lambda: (out / "mood.csv").exists() and (out / "mood.csv").stat().st_size > 0, timeout=20000)
    assert sorted(p.name for p in out.iterdir()) == ["mood.csv", "mood.png", "mood.svg"]
    assert (out / "mood.png").read_bytes().startswith(b"\x89PNG")
    assert b"own mood" in (out / "mood.csv").read_bytes()


def test_a_place_that_cannot_be_written_is_told_in_words(qtbot: QtBot, services: QuietServices, tmp_path: Path) -> None:
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    card = page.cards[0]
    card.save("csv", tmp_path / "missing" / "mood.csv")
    qtbot.waitUntil(lambda: "folder is not there any more" in card.said, timeout=10000)
    assert str(tmp_path) not in card.said


def test_an_empty_journal_says_what_to_do(qtbot: QtBot, qapp: object) -> None:
    services = quiet_services([])
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: "Write a few days" in page.empty_words, timeout=10000)
    assert page.cards == []
    services.bridge.close()


def test_a_quiet_month_offers_a_longer_period(qtbot: QtBot, qapp: object) -> None:
    old = life(20, end="2020-03-01")
    services = quiet_services(old, [entry("2020-03-01", "Old words.")])
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: "longer period" in page.empty_words, timeout=10000)
    page.set_period("all")
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    services.bridge.close()


def test_one_column_when_narrow(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services, width=700)
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    assert len({card.x() for card in page.cards}) == 1
    page.resize(1200, 800)
    qtbot.waitUntil(lambda: len({card.x() for card in page.cards}) == 2, timeout=5000)


def test_a_saved_entry_refreshes_the_open_page(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    before = page.cards[0].view.accessibleDescription()
    services.store.rows = services.store.rows[-1:]
    services.bridge.post(EntrySaved("k", "e"))
    qtbot.waitUntil(lambda: page.cards[0].view.accessibleDescription() != before, timeout=10000)


def test_wiping_leaves_nothing_of_the_journal(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: drawn(page), timeout=20000)
    page.cards[0].show_table(True)
    page.wipe()
    assert all(card.view.image.isNull() for card in page.cards)
    assert page.cards[0].table.item(0, 0) is None
    assert page.digest_words == ""
