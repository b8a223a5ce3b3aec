"""The Journal: editor, list, calendar, search, the reading panel and the help panel."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QLabel

from journal_app.journal import safety
from journal_app.ui import app as ui
from journal_app.ui.bridge import EntrySaved
from journal_app.ui.calendar import DayMark
from journal_app.ui.editor import Editor
from journal_app.ui.entry_list import ROLE_ROW, Row, shortened, snippet, with_months
from journal_app.ui.help_card import HelpPage, language_of
from journal_app.ui.journal_page import JournalPage
from journal_app.ui.reading_panel import TagRow, panel_state, shown_feelings
from journal_app.ui.services import Services
from journal_app.ui.settings import SettingsKeeper, load
from journal_app.ui.theme import Theme
from journal_app.vault.records import Analysis, Correction, Mood

pytestmark = pytest.mark.gui

# Plain sentences of the kind that the rules must answer, with no method in them.
OWN_WISH = "I want to die. I cannot see past tonight."


def texts(widget: Any) -> str:
    return "\n".join(x.text() for x in widget.findChildren(QLabel) if not x.isHidden())


def rows(panel: Any) -> list[str]:
    return [x.accessibleName() for x in panel.findChildren(TagRow)]


@pytest.fixture
def page(services: Services, qtbot: Any) -> Any:
    made = JournalPage(services)
    qtbot.addWidget(made)
    made.resize(1216, 800)
    made.show()
    yield made
    made.wipe()


@pytest.fixture
def editor(keeper: SettingsKeeper, qapp: Any, qtbot: Any) -> Editor:
    made = Editor(Theme(keeper.value), 68)
    qtbot.addWidget(made)
    made.resize(700, 500)
    made.show()
    return made


# the page itself ---------------------------------------------------------------------------


def test_the_text_comes_back_as_it_was_typed(editor: Editor) -> None:
    text = "# Title\n\nno-break:\u00a0space, emoji 🌧️, 한글, 繁體\n\n- a\n\ttab  \n"
    editor.load(text)
    assert editor.text() == text


def test_paste_is_plain(editor: Editor, qapp: Any) -> None:
    from PySide6.QtCore import QMimeData

    rich = QMimeData()
    rich.setHtml("<h1 style='color:red'>Big</h1>")
    rich.setText("Big")
    editor.insertFromMimeData(rich)
    assert editor.text() == "Big"
    picture = QMimeData()
    picture.setHtml("<img src='http://example.org/x.png'>")
    assert not editor.canInsertFromMimeData(picture)


def test_lists_go_on_and_end(editor: Editor, qtbot: Any) -> None:
    qtbot.keyClicks(editor, "- [x] tea")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.keyClicks(editor, "bread")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert editor.text() == "- [x] tea\n- [ ] bread\n"
    editor.load("")
    qtbot.keyClicks(editor, "3. three")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert editor.text() == "3. three\n4. "


def test_styling_changes_no_character_and_no_undo_step(editor: Editor, qtbot: Any) -> None:
    editor.load("# A\n\n**b** *c* ~~d~~ `e`\n\n> q\n\n```\n**not bold**\n```")
    assert not editor.document().isUndoAvailable()
    bold = editor.document().findBlockByNumber(2).layout().formats()
    assert any(f.format.fontWeight() >= 600 for f in bold)
    fenced = editor.document().findBlockByNumber(7).layout().formats()
    assert not any(f.format.fontWeight() >= 600 for f in fenced)
    heading = editor.document().findBlockByNumber(0).layout().formats()
    assert any(f.format.fontWeight() >= 600 for f in heading)


def test_marks_count_code_points(editor: Editor) -> None:
    editor.load("🌧️🌧️ rain. Then sun.")
    text = editor.text()
    start = text.index("Then")
    editor.mark(((start, len(text)),))
    (selection,) = editor.extraSelections()
    assert selection.cursor.selectedText() == "Then sun."
    editor.mark(((5, 9999),))
    assert editor.extraSelections() == []


def test_the_measure_stays_in_the_middle(editor: Editor) -> None:
    for width in (520, 900, 2400):
        editor.resize(width, 500)
        viewport = editor.viewport().width()
        assert 300 < viewport <= 760, f"{width}: {viewport}"
        left = editor.viewport().x()
        assert abs(left - (width - viewport - left)) <= 40


# list, calendar, search --------------------------------------------------------------------


def test_snippets_carry_no_marks() -> None:
    assert snippet("# Bread\n\n**Kept** it *warm*\n- [x] done") == "Bread – Kept it warm done"
    assert snippet("2 * 3 = 6") == "2 * 3 = 6"


def test_rows_are_grouped_by_month_and_day() -> None:
    made = with_months(
        [
            Row("entry", "2026-03-02", "b", "2"),
            Row("entry", "2026-03-02", "a", "1"),
            Row("entry", "2026-02-28", "z", "0"),
        ]
    )
    assert [(r.kind, r.first_of_day) for r in made] == [
        ("month", True),
        ("entry", True),
        ("entry", False),
        ("month", True),
        ("entry", True),
    ]


def test_older_entries_come_as_the_list_is_scrolled(services: Services, qtbot: Any) -> None:
    store = services.vault.store()
    for number in range(330):
        store.new_entry(f"entry {number}", local_date=f"20{10 + number // 30:02d}-03-{number % 28 + 1:02d}")
    store.close()
    made = JournalPage(services)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: made.model.rowCount() >= 150, timeout=10_000)

    def everything() -> bool:
        from PySide6.QtCore import QModelIndex

        if made.model.canFetchMore(QModelIndex()):
            made.model.fetchMore(QModelIndex())
        entries = [made.model.index(i, 0).data(ROLE_ROW) for i in range(made.model.rowCount())]
        return len({r.entry_id for r in entries if r.kind == "entry"}) == 330

    qtbot.waitUntil(everything, timeout=10_000)
    made.wipe()


def test_many_entries_on_one_day_do_not_stop_the_list(services: Services, qtbot: Any) -> None:
    store = services.vault.store()
    for number in range(170):
        store.new_entry(f"n {number}", local_date="2026-05-05", local_time=f"10:{number // 60:02d}:{number % 60:02d}")
    store.new_entry("the older one", local_date="2026-05-01")
    store.close()
    made = JournalPage(services)
    qtbot.addWidget(made)
    made.show()

    def oldest_is_there() -> bool:
        from PySide6.QtCore import QModelIndex

        made.model.fetchMore(QModelIndex())
        last = made.model.rowCount() - 1
        return last > 0 and made.model.index(last, 0).data(ROLE_ROW).text == "the older one"

    qtbot.waitUntil(oldest_is_there, timeout=10_000)
    made.wipe()


def test_search_as_you_type_and_back(page: JournalPage, services: Services, qtbot: Any) -> None:
    store = services.vault.store()
    first = store.new_entry("강가를 걸었다. 비가 왔다.", local_date="2026-01-02")
    store.new_entry("Sun on the table", local_date="2026-01-03")
    page.model.reload()
    qtbot.waitUntil(lambda: page.model.rowCount() == 3)
    page._search.setText("비")
    qtbot.waitUntil(lambda: page._found.text() == "1 entry", timeout=5000)
    hit = page.model.index(1, 0).data(ROLE_ROW)
    assert hit.entry_id == first.id
    assert [hit.text[a:b] for a, b in hit.spans] == ["비"]
    page._search.setText("zebra")
    qtbot.waitUntil(lambda: page._found.text().startswith("No entry"), timeout=5000)
    page._search.clear()
    assert page.model.rowCount() == 3
    store.close()


def test_calendar_dots_and_a_click_opens_the_day(page: JournalPage, services: Services, qtbot: Any) -> None:
    store = services.vault.store()
    entry = store.new_entry("A day in spring", local_date="2026-04-09", mood=Mood(5))
    store.new_entry("Later", local_date="2026-04-09", local_time="23:59:00", mood=Mood(2))
    page.month.select("2026-04-01")
    qtbot.waitUntil(lambda: page.month.days._marks.get("2026-04-09") == DayMark(2, 3.5), timeout=5000)
    page.month.days.chosen.emit("2026-04-09")
    qtbot.waitUntil(lambda: page.view.editor.text() == "Later", timeout=5000)
    page.open_entry(entry.id)
    assert page.view.editor.text() == "A day in spring"
    page.month.days.chosen.emit("2026-04-11")
    qtbot.waitUntil(lambda: page.view.local_date == "2026-04-11", timeout=5000)
    qtbot.keyClicks(page.view.editor, "back-dated")
    page.flush()
    assert services.saver.flush()
    assert store.entries(start="2026-04-11", end="2026-04-11")[0].text == "back-dated"
    store.close()


# mood, tags, bin ---------------------------------------------------------------------------


def test_mood_tags_and_marks_are_kept(page: JournalPage, services: Services, qtbot: Any) -> None:
    qtbot.keyClicks(page.view.editor, "A walk")
    page.view._mood_buttons[3].click()
    page.view._energy_actions[1].trigger()
    page.view._tag_field.setText("river walk,")
    page.view._tag_typed("river walk,")
    page.view._therapist_action.trigger()
    page.flush()
    assert services.saver.flush()
    entry = services.store.entries()[0]
    assert (entry.mood, entry.tags, entry.for_therapist) == (Mood(4, 2), ("river walk",), True)
    page.view._mood_buttons[3].click()
    assert services.saver.flush()
    assert services.store.entry(entry.id).mood is None


def test_bin_and_undo(page: JournalPage, services: Services, qtbot: Any) -> None:
    qtbot.keyClicks(page.view.editor, "Not for ever")
    page.delete_entry()
    assert services.saver.flush()
    assert services.store.entries() == []
    assert not page._undo.isHidden()
    page.undo_delete()
    assert page.view.editor.text() == "Not for ever"
    assert [e.text for e in services.store.entries()] == ["Not for ever"]


# reading -----------------------------------------------------------------------------------


def test_a_reading_appears_after_a_pause_and_can_be_corrected(
    page: JournalPage, services: Services, qtbot: Any
) -> None:
    qtbot.keyClicks(page.view.editor, "I was so happy and grateful, and tired after the long day in the sunny garden.")
    assert rows(page.panel) == []
    qtbot.waitUntil(lambda: any("joy" in r for r in rows(page.panel)), timeout=15_000)
    assert any("likely (0." in r or "possible (0." in r for r in rows(page.panel))
    qtbot.waitUntil(lambda: "Not a diagnosis" in texts(page.panel), timeout=5000)
    entry_id = page.view.entry_id()
    page.panel.verdict_given.emit("feelings", "joy", "remove")
    qtbot.waitUntil(lambda: not any("joy" in r for r in rows(page.panel)), timeout=5000)
    page.panel.verdict_given.emit("feelings", "pride", "add")
    qtbot.waitUntil(lambda: any("pride" in r and "yours" in r for r in rows(page.panel)), timeout=5000)
    kept = {(c.label, c.verdict) for c in services.store.corrections(entry_id)}
    assert kept == {("joy", "remove"), ("pride", "add")}
    page.panel.verdict_given.emit("feelings", "joy", "")
    qtbot.waitUntil(lambda: any("joy" in r for r in rows(page.panel)), timeout=5000)


def test_pointing_at_a_row_tints_its_sentence(page: JournalPage, qtbot: Any) -> None:
    qtbot.keyClicks(page.view.editor, "The bus was late today again. I was so happy and grateful at home.")
    qtbot.waitUntil(lambda: any("joy" in r for r in rows(page.panel)), timeout=15_000)
    row = next(r for r in page.panel.findChildren(TagRow) if "joy" in r.accessibleName())
    row.pointed.emit(True)
    (tint,) = page.view.editor.extraSelections()
    assert "happy" in tint.cursor.selectedText()
    assert "bus" not in tint.cursor.selectedText()
    row.pointed.emit(False)
    assert page.view.editor.extraSelections() == []


def test_states_of_the_panel() -> None:
    def state(analysis: Analysis | None = None, **more: Any) -> str:
        common: dict[str, Any] = {"reading_on": True, "read_me": True, "begun": True, "current_revision": 1}
        return panel_state(analysis, (), **(common | more)).state

    def found(**more: Any) -> Analysis:
        base: dict[str, Any] = {
            "entry_id": "e",
            "revision": 1,
            "model": "m",
            "model_sha256": "",
            "contract_version": 1,
            "readable": True,
            "language": "en",
            "tasks": {},
            "stress_band": "quiet",
            "low_mood_band": "quiet",
            "crisis_level": "none",
        }
        return Analysis(**(base | more))

    assert state(begun=False) == "empty"
    assert state(reading_on=False) == "off"
    assert state(read_me=False) == "private"
    assert state() == "waiting"
    assert state(found(model="rules")) == "waiting"
    assert state(found(readable=False, language="ko")) == "language"
    assert state(found(readable=False, language="und")) == "short"
    assert state(found(), failure="it broke") == "failed"
    assert state(found()) == "read"
    assert not panel_state(found(), (), reading_on=True, read_me=True, begun=True, current_revision=2).fresh, (
        "sentences of an older text must not be shown in a newer one"
    )


def test_the_writers_word_stands_above_the_models() -> None:
    analysis = Analysis(
        "e", 1, "m", "", 1, True, "en", {"feelings": {"joy": 0.9, "anger": 0.8}}, "quiet", "quiet", "none",
        feelings=("joy", "anger"),
    )  # fmt: skip
    verdicts = {("feelings", "anger"): "remove", ("feelings", "hope"): "add", ("feelings", "joy"): "accept"}
    assert shown_feelings(analysis, verdicts) == [("hope", 0.0, "add"), ("joy", 0.9, "accept")]


def test_low_mood_is_worded_about_the_text_and_never_as_illness(page: JournalPage, qtbot: Any) -> None:
    qtbot.keyClicks(page.view.editor, "Everything is hopeless and pointless, I am so numb and sad and lonely today.")
    qtbot.waitUntil(lambda: any("Low-mood signs" in r for r in rows(page.panel)), timeout=15_000)
    # A label that was just added is shown by the next turn of the event loop.
    qtbot.waitUntil(lambda: "uses language often found" in texts(page.panel), timeout=5000)
    said = texts(page.panel)
    for word in ("you are", "depress", "disorder", "suffer"):
        assert word not in said.lower()


def test_reading_off_reads_nothing(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    session.workspace().page("settings")._reading.setChecked(False)
    assert session.services.reader is None
    qtbot.keyClicks(session.workspace().journal.view.editor, "I was happy and grateful in the sunny garden.")
    qtbot.waitUntil(lambda: len(session.services.store.entries()) == 1, timeout=5000)
    qtbot.waitUntil(lambda: session.services.store.pending_count() == 0, timeout=10_000)
    panel = session.workspace().journal.panel
    assert panel.state.state == "off"
    assert rows(panel) == []


# help --------------------------------------------------------------------------------------


def test_help_comes_with_the_model_off_and_never_blocks_writing(
    page: JournalPage, services: Services, qtbot: Any
) -> None:
    services.set_reading(False)
    qtbot.keyClicks(page.view.editor, OWN_WISH)
    qtbot.waitUntil(lambda: page.panel.help.level in ("clear", "urgent"), timeout=10_000)
    noticed = safety.notice(safety.assess(OWN_WISH))

    def complete() -> None:
        # The rules and the stored analysis may each fill the panel; its labels show one event later.
        said = texts(page.panel.help)
        assert noticed in said
        assert "116 123" in said
        assert "not confirmed" in said.lower()

    qtbot.waitUntil(complete, timeout=5000)
    qtbot.keyClicks(page.view.editor, " Still writing.")
    assert page.view.editor.text().endswith("Still writing.")
    assert services.saver.flush()


def test_help_shows_even_when_the_panel_is_folded(page: JournalPage, services: Services, qtbot: Any) -> None:
    page.toggle_panel()
    assert page.panel.isHidden()
    qtbot.keyClicks(page.view.editor, OWN_WISH)
    qtbot.waitUntil(lambda: page.panel.help.isVisible(), timeout=10_000)


def test_not_me_softens_and_keeps_help_in_sight(page: JournalPage, services: Services, qtbot: Any) -> None:
    qtbot.keyClicks(page.view.editor, OWN_WISH)
    qtbot.waitUntil(lambda: page.panel.help.level != "none", timeout=10_000)
    page.flush()
    page.panel.help.not_me.emit()
    assert page.panel.help.isVisible()
    assert page.panel.help.softened
    assert services.saver.flush()
    entry_id = page.view.entry_id()
    page.new_entry()
    assert page.panel.help.isHidden()
    page.open_entry(entry_id)
    qtbot.waitUntil(lambda: page.panel.help.isVisible(), timeout=5000)
    assert page.panel.help.softened


def test_hide_for_this_entry_comes_back_when_the_level_rises(page: JournalPage, services: Services, qtbot: Any) -> None:
    gentle = Correction("x", "crisis", "gentle", "remove")
    qtbot.keyClicks(page.view.editor, OWN_WISH)
    qtbot.waitUntil(lambda: page.panel.help.level != "none", timeout=10_000)
    page.flush()
    services.saver.flush()
    services.saver.correct(page.view.key, gentle.task, gentle.label, gentle.verdict)
    services.saver.flush()
    page._assess()
    qtbot.wait(300)
    assert page.panel.help.isVisible(), "hiding a lower level does not hide a higher one"
    page.panel.help.hide_asked.emit()
    services.saver.flush()
    page._assess()
    qtbot.wait(300)
    assert page.panel.help.isHidden()


def test_help_is_two_clicks_away_from_anywhere(open_session: Callable[[], ui.Session]) -> None:
    session = open_session()
    workspace = session.workspace()
    for place in ("journal", "settings"):
        workspace.go(place)
        workspace._buttons["help"].click()
        assert isinstance(workspace._stack.currentWidget(), HelpPage)


def test_language_of_the_answer() -> None:
    assert language_of("나는 오늘 슬펐다") == "ko"
    assert language_of("今天很難過") == "zh-Hant"
    assert language_of("I was sad today") == "en"


# settings and columns ----------------------------------------------------------------------


def test_settings_survive_and_odd_values_do_not(tmp_path: Any) -> None:
    path = tmp_path / "deep" / "settings.toml"
    keeper = SettingsKeeper(path)
    keeper.change(theme="dark", writing_size=22, writing_font='A "quoted" \\ face', lock_minutes=3)
    assert load(path) == keeper.value
    path.write_text('theme = "pink"\nlock_minutes = 0\nwriting_size = "big"\nread_entries = 1\n', "utf-8")
    loaded = load(path)
    assert (loaded.theme, loaded.lock_minutes, loaded.writing_size, loaded.read_entries) == ("system", 1, 18, True)
    path.write_bytes(b"\xff\xfe broken")
    assert load(path).lock_minutes == 10


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
def test_every_theme_can_be_worn_at_once(open_session: Callable[[], ui.Session], theme: str) -> None:
    session = open_session()
    session._frame.settings.change(theme=theme)
    assert session._frame.theme.name == theme
    assert not session.window.grab().isNull()


@pytest.mark.parametrize("width", [760, 1024, 1280, 3840])
def test_the_writing_is_never_narrower_than_its_measure(
    open_session: Callable[[], ui.Session], width: int, qtbot: Any
) -> None:
    session = open_session()
    session.window.resize(width, 700)
    qtbot.wait(50)
    view = session.workspace().journal.view
    assert view.width() >= 480, view.width()


def test_cursor_movement_is_not_an_edit(editor: Editor, qtbot: Any) -> None:
    editor.load("one two")
    edits: list[int] = []
    editor.edited.connect(lambda: edits.append(1))
    editor.moveCursor(QTextCursor.MoveOperation.End)
    editor.take_theme(60)
    assert edits == []
    qtbot.keyClicks(editor, "!")
    assert edits == [1]


def test_opening_and_resizing_are_not_edits(editor: Editor) -> None:
    edits: list[int] = []
    editor.edited.connect(lambda: edits.append(1))
    for text in ("one", "# two\n\nthree", ""):
        editor.load(text)
        editor.resize(editor.width() + 50, editor.height() + 90)
    assert edits == []


def test_typing_stays_quick_while_the_reader_works(page: JournalPage, services: Services, qtbot: Any) -> None:
    store = services.vault.store()
    for number in range(60):
        store.new_entry(f"happy and worried day {number} " * 20)
    store.close()
    services._analysis._pause = 0.0
    services._analysis.wake()
    times = []
    for _ in range(120):
        began = time.perf_counter()
        qtbot.keyClick(page.view.editor, Qt.Key.Key_A)
        page.view.editor.viewport().repaint()
        times.append(time.perf_counter() - began)
        qtbot.wait(10)
    times.sort()
    # The goal of 16 ms at the 99th percentile is measured by `make bench` on a quiet machine; a window that
    # waited for the reader would take the seconds that its texts do.
    assert times[len(times) // 2] < 0.1


def test_shortcuts_reach_every_part(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    workspace = session.workspace()
    session.window.activateWindow()
    qtbot.waitUntil(session.window.isActiveWindow, timeout=5000)
    qtbot.keyClicks(workspace.journal.view.editor, "before")
    old = workspace.journal.view.key
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(session.window, Qt.Key.Key_N, control)
    assert workspace.journal.view.key != old
    was_folded = workspace.journal.panel.isHidden()
    qtbot.keyClick(session.window, Qt.Key.Key_F9)
    assert workspace.journal.panel.isHidden() != was_folded
    qtbot.keyClick(session.window, Qt.Key.Key_F1)
    assert isinstance(workspace._stack.currentWidget(), HelpPage)
    qtbot.keyClick(session.window, Qt.Key.Key_1, control)
    assert workspace._stack.currentWidget() is workspace.journal
    qtbot.keyClick(session.window, Qt.Key.Key_L, control | shift)
    qtbot.waitUntil(lambda: session.workspace() is None)


def test_the_chosen_country_is_kept_and_used(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    page = session.workspace().page("help")
    page._country.setCurrentIndex(page._country.findData("KR"))
    assert session._frame.settings.value.country == "KR"
    qtbot.keyClicks(session.workspace().journal.view.editor, OWN_WISH)
    panel = session.workspace().journal.panel.help
    qtbot.waitUntil(lambda: panel.level != "none", timeout=10_000)
    qtbot.waitUntil(lambda: "109" in texts(panel), timeout=5000)


def test_another_model_reads_everything_again(frame: Any, made_vault: Any, qtbot: Any) -> None:
    def read_by(identity: str) -> int:
        opened = Services.open(replace(frame, model_identity=lambda: identity), made_vault)
        try:
            qtbot.waitUntil(lambda: opened.store.setting("reading.model") == identity, timeout=5000)
            qtbot.waitUntil(lambda: opened.store.pending_count() == 0, timeout=10_000)
            return opened.reader.texts_read
        finally:
            opened.saver.stop()
            opened._stop_reading()
            frame.bridge.detach()
            opened.store.close()

    store = made_vault.store()
    store.new_entry("A happy day in the garden.")
    store.close()
    assert read_by("first") == 1
    assert read_by("first") == 0
    assert read_by("second") == 1


def test_switching_reading_on_reads_what_was_written_meanwhile(
    open_session: Callable[[], ui.Session], qtbot: Any
) -> None:
    session = open_session()
    settings = session.workspace().page("settings")
    settings._reading.setChecked(False)
    qtbot.keyClicks(session.workspace().journal.view.editor, "I was happy and grateful in the sunny garden.")
    session.workspace().flush()
    qtbot.waitUntil(lambda: session.services.store.pending_count() == 0, timeout=10_000)
    entry_id = session.workspace().journal.view.entry_id()
    settings._reading.setChecked(True)
    qtbot.waitUntil(
        lambda: (found := session.services.store.analysis(entry_id)) is not None and found.model == "fake-reader",
        timeout=10_000,
    )


def test_looking_at_an_old_entry_shows_its_reading_as_it_is(
    open_session: Callable[[], ui.Session], qtbot: Any, keeper: Any
) -> None:
    session = open_session()
    services = session.services
    assert services is not None
    store = services.vault.store()
    store.new_entry("# Rain\n\nThe rain came back and I was **tired** all day. Then it went.", local_date="2026-05-04")
    store.new_entry("Another day, and I was glad of the sun.", local_date="2026-05-05")
    store.close()
    services.bridge.post(EntrySaved("elsewhere", "none"))
    qtbot.waitUntil(lambda: services.store.pending_count() == 0, timeout=20_000)
    workspace = session.workspace()
    view, panel = workspace.journal.view, workspace.journal.panel
    for day in ("2026-05-04", "2026-05-05", "2026-05-04"):
        workspace.show_day(day)
        qtbot.waitUntil(lambda day=day: view.local_date == day and view.entry_id() is not None, timeout=5_000)
        keeper.change(theme="dark" if keeper.value.theme == "light" else "light", writing_size=20)
        session.window.resize(1100 if session.window.width() > 1100 else 1300, 760)
        qtbot.wait(60)
        assert not view.unsaved
        assert view._status.text() == "saved"
        qtbot.waitUntil(lambda: panel.state.state == "read", timeout=10_000)
        assert panel.state.fresh
    assert not services.saver._queue


def test_a_reflection_is_read_aloud_as_plain_words(page: JournalPage) -> None:
    made = page.panel._thought("Two & two <is> four.")
    assert made.accessibleName() == "Two & two <is> four."
    assert "Two &amp; two &lt;is&gt; four." in made.text()


def test_a_list_line_ends_with_a_whole_word() -> None:
    text = "I read back a bit this morning, over coffee"
    assert shortened(text, text.index("ning")) == "I read back a bit this…"
    assert shortened(text, text.index(", over")) == "I read back a bit this morning…"
    assert shortened("今天很好今天很好今天很好今天很好今天很好", 10) == "今天很好今天很好今天…"


def test_unreadable_phrases_stop_neither_writing_nor_help(
    page: JournalPage, services: Services, qtbot: Any, monkeypatch: Any
) -> None:
    def broken(*_arguments: object, **_named: object) -> Any:
        raise ValueError("a damaged file")

    monkeypatch.setattr(safety, "assess", broken)
    qtbot.keyClicks(page.view.editor, "A plain day.")
    page._assess()
    qtbot.wait(200)
    assert page.panel.help.isHidden()
    page.view.save()
    assert services.saver.flush(5.0)
    for name in ("notice", "crisis_text", "lines_for", "countries"):
        monkeypatch.setattr(safety, name, broken)
    page._on_assessed(safety.Crisis("clear", ("rule",), ("suicide",)))
    assert not page.panel.help.isHidden()
    said = " ".join(made.text() for made in page.panel.help.findChildren(QLabel))
    assert "cannot be read" in said
    full = HelpPage("GB")
    assert "cannot be read" in " ".join(made.text() for made in full.findChildren(QLabel))
