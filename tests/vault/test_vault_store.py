"""Entries, versions, tags, moods, readings and the queue: the promises of ``records.Store``."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journal_app.inference import text as inference_text
from journal_app.vault.records import Analysis, Correction, Entry, Evidence, Mood, VaultError
from journal_app.vault.store import BIN_DAYS, count_words

ANY_TEXT = st.text(alphabet=st.characters(), max_size=80) | st.text(
    alphabet=st.characters(categories=["Cs", "Lo", "So"])
)


def reading(entry: Entry, **changes: object) -> Analysis:
    made = Analysis(
        entry_id=entry.id,
        revision=entry.revision,
        model="reader-v1",
        model_sha256="ab" * 32,
        contract_version=1,
        readable=True,
        language="en",
        tasks={"stress": {"yes": 0.25, "no": 0.75}, "feelings": {"joy": 0.9}},
        stress_band="quiet",
        low_mood_band="unsure",
        crisis_level="none",
        crisis_reasons=("model",),
        feelings=("joy",),
        evidence={"feelings/joy": (Evidence(0, 5, 0.9), Evidence(6, 9, 0.5)), "stress": ()},
        reflection_id="r-01",
        vector=b"\x00\x01\x02\xff" * 8,
        tokens=12,
        seconds=0.03,
        created_utc="2026-03-14T12:05:01.000Z",
    )
    return replace(made, **changes)


# entries ----------------------------------------------------------------------------------


def test_a_new_entry_is_now(store):
    entry = store.new_entry("Tea.", mood=Mood(4, 2), tags=["tea", " evening  light ", "", "tea"])
    assert (entry.local_date, entry.local_time, entry.offset_minutes) == ("2026-03-14", "21:05:00", 540)
    assert entry.created_utc == entry.modified_utc == "2026-03-14T12:05:00.000Z"
    assert entry.revision == 1
    assert entry.tags == ("tea", "evening light")
    assert entry.mood == Mood(4, 2)
    assert store.entry(entry.id) == entry
    assert store.entries() == [entry]
    assert store.entry("nothing") is None


def test_back_dating_keeps_date_offset_and_utc_apart(store, clock):
    entry = store.new_entry("Then.", local_date="2019-07-01", local_time="08:30", offset_minutes=345)
    assert (entry.local_date, entry.local_time, entry.offset_minutes) == ("2019-07-01", "08:30:00", 345)
    assert entry.created_utc.startswith("2026-03-14")
    clock.move(days=1)
    moved = store.set_when(entry.id, "2019-06-30", "23:59:59", -600)
    assert (moved.local_date, moved.local_time, moved.offset_minutes) == ("2019-06-30", "23:59:59", -600)
    assert moved.modified_utc == "2026-03-15T12:05:00.000Z"
    assert moved.revision == 1


def test_the_offset_of_another_season_is_that_of_the_zone(journal):
    store = journal.store(clock=lambda: datetime(2026, 1, 10, 9, 0, tzinfo=ZoneInfo("Europe/Berlin")))
    assert store.new_entry("Winter.").offset_minutes == 60
    assert store.new_entry("Summer.", local_date="2025-07-10").offset_minutes == 120


@pytest.mark.parametrize(
    "when",
    [
        ("2026-02-30", "10:00:00", 0),
        ("yesterday", "10:00", 0),
        ("2026-02-03", "25:00", 0),
        ("2026-02-03", "1:00", 5000),
    ],
)
def test_nonsense_dates_are_refused_whole(store, when):
    entry = store.new_entry("x")
    with pytest.raises(ValueError):  # noqa: PT011
        store.set_when(entry.id, *when)
    assert store.entry(entry.id) == entry


def test_order_range_and_limit(store):
    made = [
        store.new_entry(str(i), local_date=day, local_time=at)
        for i, (day, at) in enumerate(
            [("2026-01-02", "10:00"), ("2026-01-01", "23:00"), ("2026-01-02", "09:00"), ("2026-01-02", "10:00")]
        )
    ]
    newest_first = [made[i].id for i in (3, 0, 2, 1)]
    assert [e.id for e in store.entries()] == newest_first
    assert [e.id for e in store.entries(limit=2)] == newest_first[:2]
    assert [e.id for e in store.entries(start="2026-01-02")] == newest_first[:3]
    assert [e.id for e in store.entries(end="2026-01-01")] == newest_first[3:]
    assert [r.entry_id for r in store.days()] == newest_first[::-1]


@given(ANY_TEXT, ANY_TEXT)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_text_comes_back_exactly(store, first, second):
    entry = store.new_entry(first)
    assert entry.text == first
    saved = store.save_text(entry.id, second)
    assert saved.text == second
    assert store.revisions(entry.id)[0].text == second


def test_odd_characters(store):
    odd = "NUL \x00 inside, lone \ud800 and \udfff, astral 🌒, RTL \u202e, BOM \ufeff, NFD e\u0301, CRLF\r\n, tab\t"
    entry = store.new_entry(odd, tags=["tag\x00", "lone \ud800"])
    assert entry.text == odd
    assert store.search("inside, lone")[0].entry_id == entry.id
    assert store.days()[0].tags == ("tag", "lone ?")
    store.set_setting("odd", {"text": odd})
    assert store.setting("odd") == {"text": odd}
    assert store.verify().ok


def test_a_huge_paste(store):
    huge = ("It rained on the roof of the library. 도서관 지붕에 비. " * 110_000)[:5_000_000]
    entry = store.new_entry("small")
    assert store.save_text(entry.id, huge).text == huge
    (hit,) = store.search("도서관 지붕에")
    assert len(hit.snippet) < 400
    assert store.save_text(entry.id, huge + "!").revision == 3
    assert store.verify().ok


def test_words(store):
    assert count_words("") == 0
    assert count_words("  \n ") == 0
    assert count_words("I don't know, it's 3 o’clock.") == 6
    assert count_words("비가 오는 밤") == 3
    assert count_words("今天很安靜") == 3
    assert count_words("きょうは雨 and tea") == 5
    store.new_entry("three little words")
    assert store.days()[0].words == 3


@given(st.text(max_size=60) | st.text(alphabet="今天ｶﾞかナé'’_ a1한\u0301", max_size=30))
@settings(max_examples=300, deadline=None)
def test_words_are_counted_as_the_model_counts_them(text):
    assert count_words(text) == inference_text.words(text)


# versions ---------------------------------------------------------------------------------


def texts(store, entry: Entry) -> list[tuple[int, str]]:
    return [(r.revision, r.text) for r in store.revisions(entry.id)]


def test_the_same_text_changes_nothing(store, clock):
    entry = store.new_entry("Same.")
    clock.move(hours=1)
    assert store.save_text(entry.id, "Same.") == entry
    assert texts(store, entry) == [(1, "Same.")]


def test_one_sitting_is_folded_and_the_last_of_an_earlier_one_is_kept(store, clock):
    entry = store.new_entry("a")
    for text in ("ab", "abc", "abcd"):
        clock.move(seconds=5)
        entry = store.save_text(entry.id, text)
    assert entry.revision == 4
    assert texts(store, entry) == [(4, "abcd")]
    clock.move(minutes=10)
    for text in ("abcd e", "abcd ef"):
        clock.move(seconds=5)
        store.save_text(entry.id, text)
    assert texts(store, entry) == [(6, "abcd ef"), (4, "abcd")]
    clock.move(days=3)
    store.save_text(entry.id, "new")
    assert texts(store, entry) == [(7, "new"), (6, "abcd ef"), (4, "abcd")]


def test_a_long_sitting_is_kept_every_ten_minutes(store, clock):
    text = ""
    entry = store.new_entry(text)
    for _ in range(60 * 6):
        clock.move(seconds=10)
        text += "word "
        store.save_text(entry.id, text)
    kept = store.revisions(entry.id)
    assert 6 <= len(kept) <= 8
    assert kept[0].text == text


def test_a_mistake_inside_a_sitting_can_be_undone(store, clock):
    before = "An hour of work on one long thought. " * 20
    entry = store.new_entry(before)
    clock.move(seconds=3)
    store.save_text(entry.id, "k")  # everything selected, one key pressed
    assert before in [r.text for r in store.revisions(entry.id)]
    clock.move(seconds=70)
    store.save_text(entry.id, before)
    clock.move(seconds=2)
    rewritten = before.replace("long", "brief", 1).replace("An hour", "A day!!")
    store.save_text(entry.id, rewritten + "x")
    clock.move(seconds=70)
    other = "Y" * len(rewritten)  # same length, other words
    store.save_text(entry.id, other)
    assert [r.text for r in store.revisions(entry.id)][:2] == [other, rewritten + "x"]


def test_deleting_with_a_held_key_keeps_where_it_began(store, clock):
    text = "The garden behind the station. " * 30
    entry = store.new_entry(text)
    while text:
        clock.move(seconds=1)
        text = text[:-30]
        store.save_text(entry.id, text)
    assert max(len(r.text) for r in store.revisions(entry.id)) == 31 * 30


@given(st.lists(st.tuples(st.integers(-100_000, 100_000), st.text("abc \n", max_size=60)), min_size=1, max_size=15))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_clock_that_jumps_never_loses_or_reorders(store, clock, steps):
    entry = store.new_entry("start")
    written = ["start"]
    last_save = clock()
    for seconds, text in steps:
        clock.move(seconds=seconds)
        saved = store.save_text(entry.id, text)
        changed = text != written[-1]
        if changed:
            written.append(text)
        assert saved.revision == len(written)
        assert saved.text == text
        backwards, last_save = clock() < last_save, clock() if changed else last_save
        if backwards and changed:
            assert written[-2] in [r.text for r in store.revisions(entry.id)]
    kept = store.revisions(entry.id)
    numbers = [r.revision for r in kept]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == len(numbers)
    for version in kept:
        assert version.text == written[version.revision - 1]
    assert kept[0].text == written[-1]


# flags, bin, tags, settings ---------------------------------------------------------------


def test_flags_and_mood(store):
    entry = store.new_entry("x")
    assert store.set_flags(entry.id, for_therapist=True).for_therapist
    marked = store.set_flags(entry.id, read_me=False)
    assert (marked.for_therapist, marked.read_me) == (True, False)
    assert store.set_mood(entry.id, Mood(1)).mood == Mood(1, None)
    assert store.set_mood(entry.id, None).mood is None
    for mood in (Mood(0), Mood(6), Mood(3, 9)):
        with pytest.raises(ValueError, match="from 1 to 5"):
            store.set_mood(entry.id, mood)


def test_bin(store, clock):
    entry = store.new_entry("Keep me.", tags=["t"])
    store.delete(entry.id)
    clock.move(days=1)
    store.delete(entry.id)
    binned = store.entry(entry.id)
    assert binned.deleted_utc == "2026-03-14T12:05:00.000Z"
    assert store.entries() == store.days() == store.search("keep") == store.all_tags() == store.pending() == []
    assert [e.id for e in store.entries(deleted=True)] == [entry.id]
    assert store.empty_bin() == 0
    restored = store.restore(entry.id)
    assert restored.deleted_utc is None
    assert store.pending() == [(entry.id, 1)]
    store.delete(entry.id)
    clock.move(days=BIN_DAYS, seconds=1)
    assert store.empty_bin() == 1
    assert store.entry(entry.id) is None
    assert store.search("keep") == []
    report = store.verify()
    assert (report.ok, report.entries) == (True, 0)


def test_tags(store):
    a, b = store.new_entry("a", tags=["sea", "walk"]), store.new_entry("b", tags=["sea"])
    assert store.all_tags() == [("sea", 2), ("walk", 1)]
    assert store.set_tags(a.id, ["바다", "walk"]).tags == ("바다", "walk")
    assert store.all_tags() == [("sea", 1), ("walk", 1), ("바다", 1)]
    store.delete(b.id)
    assert store.all_tags() == [("walk", 1), ("바다", 1)]


def test_an_entry_that_is_gone(store):
    for call in (
        lambda: store.save_text("no", "x"),
        lambda: store.set_mood("no", None),
        lambda: store.set_tags("no", []),
        lambda: store.delete("no"),
        lambda: store.restore("no"),
        lambda: store.save_correction(Correction("no", "stress", "many", "remove")),
    ):
        with pytest.raises(VaultError, match="not in the journal"):
            call()
    assert store.revisions("no") == store.corrections("no") == []
    assert store.analysis("no") is None


def test_settings(store, journal):
    assert store.setting("country") is None
    assert store.setting("country", "DE") == "DE"
    for value in ("KR", None, 0, [1, "한"], {"a": {"b": True}}):
        store.set_setting("country", value)
        assert journal.store().setting("country", "unused") == value


# readings ---------------------------------------------------------------------------------


def test_the_queue_holds_each_entry_once_newest_first(store):
    old = store.new_entry("old", local_date="2026-01-01")
    new = store.new_entry("new", local_date="2026-02-01")
    store.save_text(old.id, "old, changed")
    assert store.pending() == [(new.id, 1), (old.id, 2)]
    assert store.pending(limit=1) == [(new.id, 1)]
    assert store.pending_count() == 2


def test_an_analysis_comes_back_as_it_was(store, journal):
    entry = store.new_entry("Happy.")
    found = reading(entry)
    assert store.save_analysis(found)
    assert journal.store().analysis(entry.id) == found
    assert store.days()[0].analysis == found
    assert store.pending() == []
    later = reading(entry, model="reader-v2", tasks={}, readable=False, vector=b"", evidence={}, created_utc="")
    assert store.save_analysis(later)
    assert store.analysis(entry.id) == replace(later, created_utc="2026-03-14T12:05:00.000Z")


def test_a_stale_analysis_is_refused_and_the_job_stays(store):
    entry = store.new_entry("one")
    store.save_text(entry.id, "two")
    assert not store.save_analysis(reading(entry))
    assert store.analysis(entry.id) is None
    assert store.pending() == [(entry.id, 2)]
    assert not store.save_analysis(reading(entry, entry_id="gone"))


def test_an_analysis_stays_until_the_newer_text_is_read(store):
    entry = store.new_entry("one")
    store.save_analysis(reading(entry))
    saved = store.save_text(entry.id, "one two")
    assert store.analysis(entry.id).revision == 1
    assert store.save_analysis(reading(saved))
    assert store.analysis(entry.id).revision == 2


def test_blank_text_has_nothing_to_read(store):
    entry = store.new_entry("")
    assert store.pending() == []
    entry = store.save_text(entry.id, "Words.")
    assert store.pending() == [(entry.id, 2)]
    store.save_analysis(reading(entry))
    store.save_text(entry.id, " \n\u3000\xa0")
    assert store.pending() == []
    assert store.analysis(entry.id) is None
    assert store.requeue_all() == 0
    store.save_text(entry.id, "🌒")
    assert store.pending_count() == 1


def test_read_me_off_leaves_only_the_rules_and_the_writers_word(store):
    entry = store.new_entry("Private.")
    store.save_analysis(reading(entry))
    store.save_correction(Correction(entry.id, "feelings", "joy", "remove"))
    store.set_flags(entry.id, read_me=False)
    assert store.analysis(entry.id) is None
    assert store.pending() == [(entry.id, 1)]  # for the rules that offer help: they need no model
    saved = store.save_text(entry.id, "Private, more.")
    assert not store.save_analysis(reading(saved))
    rules = reading(saved, model="rules", readable=False, tasks={}, feelings=(), vector=b"", evidence={})
    assert store.save_analysis(rules)
    assert store.analysis(entry.id) == rules
    assert store.pending() == []
    assert len(store.corrections(entry.id)) == 1
    store.set_flags(entry.id, read_me=True)
    assert store.pending() == [(entry.id, 2)]
    assert store.save_analysis(reading(saved))


def test_skipping_and_queueing_again(store):
    a, b = store.new_entry("a"), store.new_entry("b")
    store.skip_analysis(a.id, 1, "crashed the model")
    assert store.pending() == [(b.id, 1)]
    store.delete(a.id)
    store.restore(a.id)
    assert store.pending() == [(b.id, 1)]
    store.save_text(a.id, "a, changed")
    assert store.pending_count() == 2
    store.save_analysis(reading(b))
    store.skip_analysis(a.id, 1, "late")  # about an older revision: the new one stays queued
    assert store.pending_count() == 1
    assert store.requeue_all() == 2


def test_corrections(store, clock):
    entry = store.new_entry("x")
    store.save_correction(Correction(entry.id, "feelings", "joy", "accept"))
    clock.move(seconds=1)
    store.save_correction(Correction(entry.id, "feelings", "guilt", "add"))
    clock.move(seconds=1)
    store.save_correction(Correction(entry.id, "feelings", "joy", "remove"))
    store.save_analysis(reading(entry))
    assert [(c.label, c.verdict) for c in store.corrections(entry.id)] == [("guilt", "add"), ("joy", "remove")]
    assert store.days()[0].corrections == tuple(store.corrections(entry.id))
    store.clear_correction(entry.id, "feelings", "guilt")
    assert [c.label for c in store.corrections(entry.id)] == ["joy"]
    with pytest.raises(ValueError, match="verdict"):
        store.save_correction(Correction(entry.id, "feelings", "joy", "maybe"))


# together ---------------------------------------------------------------------------------


def test_a_save_is_one_transaction(store, monkeypatch):
    entry = store.new_entry("before the storm")
    store.save_analysis(reading(entry))

    def fail(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store._readings, "queue", fail)
    with pytest.raises(KeyboardInterrupt):
        store.save_text(entry.id, "after the storm")
    monkeypatch.undo()
    assert store.entry(entry.id) == entry
    assert store.search("after") == []
    assert len(store.search("before")) == 1
    assert store.verify().ok
    assert store.save_text(entry.id, "after the storm").revision == 2


def test_two_threads_worth_of_connections_see_each_other(journal):
    one, two = journal.store(), journal.store()
    entry = one.new_entry("from one")
    assert two.entry(entry.id) == entry
    two.save_text(entry.id, "from two")
    assert one.entry(entry.id).text == "from two"
    one.close()
    one.close()
    assert two.entries()


def test_verify_notices_what_is_wrong(store):
    entry = store.new_entry("The lamp by the window.")
    store.new_entry("Another.")
    report = store.verify()
    assert (report.ok, report.entries, report.revisions, report.problems) == (True, 2, 2, ())
    for harm, mend in (
        ("UPDATE search_text SET folded = x'41' WHERE entry = 1", "search text"),
        ("DELETE FROM search_fresh", "search index"),
        (f"INSERT INTO revision VALUES(1, 9, x'41', '{timedelta(0)}')", "versions"),
        ("UPDATE entry SET text = x'ff' WHERE n = 1", "cannot be read"),
    ):
        store._db.rows(harm)
        found = store.verify()
        assert not found.ok
        assert any(mend in problem for problem in found.problems), harm
        store._db.rows("DELETE FROM revision")
        store._db.rows("UPDATE entry SET text = ? WHERE n = 1", (entry.text.encode(),))
        with store._db.transaction():
            store._index.rebuild()
        assert store.verify() == report
