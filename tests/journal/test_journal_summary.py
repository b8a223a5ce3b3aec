"""The summary holds what was ticked and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from journal_app.journal import summary
from journal_app.journal.summary import Choices, Quote
from journal_app.vault.records import Mood
from tests.support.day_rows import analysis, entry, life, row

CHOICES = Choices("2026-11-01", "2026-11-20")


def test_plain_words_of_markdown() -> None:
    text = "# Title\n\nA **bold** and *soft* word, `code`, a [link](http://x.y) and ![pic](a.png).\n\n"
    text += "- [x] bread\n> said\n---"
    assert summary.plain(text) == "Title\nA bold and soft word, code, a link and .\nbread\nsaid"


def test_sentences_leave_headings_out_and_know_other_stops() -> None:
    text = "# A day\n\nI slept. Did I? Yes… then not.\n오늘은 쉬었다. 今天很好。明天再說！"
    assert summary.sentences(text) == [
        "I slept.", "Did I?", "Yes…", "then not.", "오늘은 쉬었다.", "今天很好。", "明天再說！",
    ]  # fmt: skip


def test_a_long_quotation_is_cut_at_a_word() -> None:
    cut = summary.shorten("word " * 100, 50)
    assert len(cut) <= 50
    assert cut.endswith("word…")
    assert summary.shorten("short") == "short"


def test_suggestions_follow_own_mood_and_marks_never_estimates() -> None:
    entries = [
        entry("2026-11-02", "A bad one. Really.", mood=1),
        entry("2026-11-03", "A good one.", mood=5, marked=True),
        entry("2026-11-04", "No mood here."),
        entry("2026-12-04", "Outside.", mood=1),
        replace(entry("2026-11-05", "In the bin.", mood=1), deleted_utc="2026-11-06T00:00:00Z"),
    ]
    found = summary.suggest(entries, "2026-11-01", "2026-11-30")
    assert [q.text for q in found.talk] == ["A good one."]
    assert [q.text for q in found.worse] == ["A bad one.", "Really.", "No mood here."]
    assert [q.text for q in found.helped] == ["A good one.", "No mood here."]


def test_nothing_is_in_a_summary_unless_chosen() -> None:
    value = summary.build(life(30), CHOICES, made_on="2026-11-20")
    assert (value.talk, value.worse, value.helped) == ((), (), ())
    assert (value.safety, value.safety_note) == (False, "")
    assert value.estimates is None
    assert value.trend.read == 0
    assert value.trend.models == ()
    assert all(p.feelings is None and p.stress.n == 0 and not p.stress.own and not p.help for p in value.trend.days)


def test_a_note_on_safety_stays_out_until_the_section_is_ticked() -> None:
    words = "words about safety"
    assert summary.build([], replace(CHOICES, safety_note=words), made_on="2026-11-20").safety_note == ""
    ticked = replace(CHOICES, safety=True, safety_note=words)
    assert summary.build([], ticked, made_on="2026-11-20").safety_note == words


def test_estimates_without_safety_do_not_tell_of_the_help_card() -> None:
    rows = [row("2026-11-02", found=analysis("a", crisis="urgent"))]
    value = summary.build(rows, replace(CHOICES, estimates=True), made_on="2026-11-20")
    assert value.trend.read == 1
    assert all(p.help == 0 for p in value.trend.days)
    assert "help" not in value.trend.signs
    both = summary.build(rows, replace(CHOICES, estimates=True, safety=True), made_on="2026-11-20")
    assert sum(p.help for p in both.trend.days) == 1


def test_without_ratings_no_mood_is_anywhere() -> None:
    value = summary.build([row("2026-11-02", mood=2)], replace(CHOICES, ratings=False), made_on="2026-11-20")
    assert value.mood is None
    assert all(p.mood is None for p in value.trend.days)
    assert "My own ratings are left out." in value.left_out


def test_own_mood_and_the_period_before() -> None:
    rows = [row("2026-11-02", mood=2), row("2026-11-05", mood=4)]
    before = [row(f"2026-10-2{d}", mood=5) for d in range(3)]
    mood = summary.build(rows + before, CHOICES, made_on="2026-11-20").mood
    assert mood is not None
    assert (mood.mean, mood.days, mood.lowest, mood.highest) == (3.0, 2, 2, 4)
    assert (mood.before, mood.before_days) == (5.0, 3)
    few = summary.build(rows + before[:2], CHOICES, made_on="2026-11-20").mood
    assert few is not None
    assert few.before is None


def test_days_without_data_and_the_longest_gap() -> None:
    value = summary.build([row("2026-11-05", mood=3)], CHOICES, made_on="2026-11-20")
    assert (value.entries, value.days, value.days_without, value.longest_gap) == (1, 20, 19, 15)


@pytest.mark.parametrize(
    ("name", "text", "masked"),
    [
        ("Mina", "Mina's cup, mina and Minas.", "████'s cup, ████ and Minas."),
        ("민아", "민아가 왔다.", "████가 왔다."),
        ("a.b", "a.b and axb", "████ and axb"),
    ],
)
def test_names_are_blacked_out(name: str, text: str, masked: str) -> None:
    choices = replace(CHOICES, worse=(Quote("x", "2026-11-02", text),), talk_note=text, hide=(name, " "))
    value = summary.build([], choices, made_on="2026-11-20")
    assert value.worse[0].text == masked
    assert value.talk_note == masked
    assert any("blacked out" in line for line in value.left_out)


def test_quotations_carry_no_way_back_into_the_journal() -> None:
    choices = replace(CHOICES, helped=(Quote("entry-id-1", "2026-11-02", "Tea."),))
    value = summary.build([row("2026-11-02", entry_id="entry-id-1", mood=3)], choices, made_on="2026-11-20")
    assert "entry-id-1" not in repr(value)


def test_moods_in_suggestions_are_the_writers() -> None:
    low = replace(entry("2026-11-02", "Heavy."), mood=Mood(2))
    assert summary.suggest([low], "2026-11-01", "2026-11-30").worse[0].mood == 2


def test_a_mark_is_offered_by_its_first_whole_sentences() -> None:
    text = "One short sentence. " + "Another that is rather longer than the first one was. " * 5
    mark = summary.suggest([entry("2026-11-02", text, marked=True)], "2026-11-01", "2026-11-30").talk[0].text
    assert mark.startswith("One short sentence. Another")
    assert mark.endswith("was.")
    assert len(mark) <= summary.MAX_MARK
