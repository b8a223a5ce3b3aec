"""Share: the preview is the file, nothing is ticked unasked, and nothing unticked is written."""

from __future__ import annotations

import datetime as dt
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from journal_app.exchange import pages
from journal_app.journal.summary import Quote
from journal_app.ui.share import PageView, SharePage
from tests.support.day_rows import entry, life
from tests.support.quiet_services import QuietServices, quiet_services

pytestmark = pytest.mark.gui
TODAY = dt.date.today()


def day(back: int) -> str:
    return (TODAY - dt.timedelta(days=back)).isoformat()


@pytest.fixture
def services(qapp: object) -> Iterator[QuietServices]:
    entries = [
        entry(day(9), "Heavyword morning. Nothing worked.", mood=1),
        entry(day(5), "Lightword evening by the river.", mood=5),
        entry(day(2), "Markedword call with Mina.", marked=True),
    ]
    made = quiet_services(life(60, end=TODAY.isoformat()), entries)
    yield made
    made.bridge.close()


def shown(qtbot: QtBot, services: QuietServices) -> SharePage:
    page = SharePage(services)  # type: ignore[arg-type]
    qtbot.addWidget(page)
    page.resize(1280, 800)
    page.show()
    page.activated()
    qtbot.waitUntil(lambda: page.preview is not None, timeout=20000)
    return page


def words(page: SharePage) -> str:
    return pages.words(page.preview.laid.pages).replace("\n", " ") if page.preview else ""


def tick(page: SharePage, word: str) -> None:
    for quotes in (page.builder.worse, page.builder.helped):
        for i in range(quotes.count()):
            if word in quotes.item(i).text():
                quotes.item(i).setCheckState(Qt.CheckState.Checked)


def test_only_the_marks_are_ticked_at_first(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    text = words(page)
    assert "Markedword" in text
    assert "Heavyword" not in text
    assert "Lightword" not in text
    assert not page.builder.estimates.isChecked()
    assert not page.builder.safety.isChecked()


def test_ticking_shows_on_the_page_and_unticking_takes_it_off(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    tick(page, "Heavyword")
    qtbot.waitUntil(lambda: "Heavyword" in words(page), timeout=10000)
    item = next(i for i in range(page.builder.worse.count()) if "Heavyword" in page.builder.worse.item(i).text())
    page.builder.worse.item(item).setCheckState(Qt.CheckState.Unchecked)
    qtbot.waitUntil(lambda: "Heavyword" not in words(page), timeout=10000)


def test_the_file_is_what_the_preview_shows(qtbot: QtBot, services: QuietServices, tmp_path: Path) -> None:
    page = shown(qtbot, services)
    tick(page, "Lightword")
    page.builder.talk_note.setPlainText("My own words.")
    page.builder.hide_names.setText("Mina")
    qtbot.waitUntil(lambda: "Lightword" in words(page) and "My own words." in words(page), timeout=10000)
    out = tmp_path / "out"
    out.mkdir()
    page.save(out / "s.pdf")
    page.save(out / "s.html")
    qtbot.waitUntil(lambda: (out / "s.html").exists() and "Saved" in page.said, timeout=30000)
    qtbot.waitUntil(lambda: (out / "s.pdf").exists(), timeout=30000)
    assert sorted(p.name for p in out.iterdir()) == ["s.html", "s.pdf"]
    reader = PdfReader(io.BytesIO((out / "s.pdf").read_bytes()))
    assert page.preview is not None
    assert len(reader.pages) == len(page.preview.laid.pages)
    text = reader.pages[0].extract_text()
    for run in page.preview.laid.pages[0].texts:
        if run.text.strip() and run.text.isascii():
            assert run.text.strip() in text
    for made in (text, (out / "s.html").read_text(encoding="utf-8")):
        assert "Lightword" in made
        assert "Heavyword" not in made
        assert "Mina" not in made


def test_pages_are_painted_and_told(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    qtbot.waitUntil(lambda: bool(page.findChildren(PageView)), timeout=10000)
    view = page.findChildren(PageView)[0]
    assert "What I want to talk about" in view.accessibleDescription()
    assert view.height() / view.width() == pytest.approx(297 / 210, rel=0.01)
    image = view.grab().toImage()
    ink = sum(
        image.pixelColor(x, y).lightness() < 120
        for x in range(0, image.width(), 3)
        for y in range(0, image.height(), 3)
    )
    assert ink > 200


def test_dates_and_lengths_agree(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    builder = page.builder
    builder.length.setCurrentIndex(0)
    choices = builder.choices()
    assert (choices.start, choices.end) == (day(6), day(0))
    builder.start.setDate(builder.end.date().addDays(3))
    choices = builder.choices()
    assert choices.start == choices.end
    assert builder.length.currentData() == 0


def test_page_two_and_safety_only_when_asked(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    assert "Estimates made by a model are not included" in words(page)
    page.builder.estimates.setChecked(True)
    page.builder.safety.setChecked(True)
    page.builder.safety_note.setPlainText("Safetyword.")
    qtbot.waitUntil(lambda: "Safetyword." in words(page), timeout=20000)
    assert page.preview is not None
    assert len(page.preview.laid.pages) == 2
    page.builder.safety.setChecked(False)
    qtbot.waitUntil(lambda: "Safetyword." not in words(page), timeout=20000)


def test_a_place_that_cannot_be_written_is_told_in_words(qtbot: QtBot, services: QuietServices, tmp_path: Path) -> None:
    page = shown(qtbot, services)
    page.save(tmp_path / "missing" / "s.pdf")
    qtbot.waitUntil(lambda: "folder is not there any more" in page.said, timeout=20000)
    assert str(tmp_path) not in page.said


def test_a_full_disk_is_told_and_leaves_the_old_file(
    qtbot: QtBot, services: QuietServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(qtbot, services)
    target = tmp_path / "s.html"
    target.write_text("before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    page.save(target)
    qtbot.waitUntil(lambda: "no room left" in page.said, timeout=20000)
    assert "Your journal is not touched" in page.said
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("s.html", "before")]
    monkeypatch.undo()
    page.save(target)
    qtbot.waitUntil(lambda: "Saved" in page.said, timeout=20000)
    assert target.stat().st_mode & 0o077 == 0


def test_wiping_leaves_nothing_of_the_journal(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    page.builder.talk_note.setPlainText("My own words.")
    page.wipe()
    assert page.preview is None
    assert page.builder.worse.count() == page.builder.talk.count() == 0
    assert not page.builder.talk_note.document().isUndoAvailable()
    assert page.builder.choices().talk_note == ""


def test_lists_end_below_a_whole_sentence(qtbot: QtBot, services: QuietServices) -> None:
    page = shown(qtbot, services)
    words = "A sentence that is long enough to be broken into lines more than once, whatever its place. "
    some = [Quote(str(i), day(i), words * (1 + i % 3)) for i in range(20)]
    for quotes in (page.builder.talk, page.builder.worse):
        for shown_ in (tuple(some), tuple(some[:1])):
            quotes.show_quotes(shown_)
            qtbot.wait(120)
            quotes.scrollToTop()
            inside = quotes.viewport().height()
            places = [quotes.visualItemRect(quotes.item(i)) for i in range(quotes.count())]
            begun = [place for place in places if place.top() < inside - 6]
            assert begun
            assert all(place.bottom() <= inside for place in begun)
    assert page.builder.talk.count() == 1
    assert page.builder.talk.verticalScrollBar().maximum() == 0
