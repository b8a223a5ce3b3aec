"""Series: gaps stay gaps, own and estimated never meet, the writer's word wins."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal_app.contract.tasks import FEELINGS
from journal_app.exchange import csv_data
from journal_app.journal import trends, wording
from journal_app.vault.records import Correction
from tests.support.day_rows import analysis, life, row


def test_a_day_without_an_entry_is_a_gap_not_a_zero() -> None:
    trend = trends.trend([row("2026-11-01", mood=4), row("2026-11-03", mood=2)], "2026-11-01", "2026-11-03")
    assert [p.mood for p in trend.days] == [4.0, None, 2.0]
    assert trend.days[1].feelings is None
    assert trend.days[1].shares is None
    assert trend.days[1].stress.level() is None
    assert trend.days_written == 2


def test_mood_of_a_day_is_the_mean_of_its_entries_and_of_a_week_the_mean_of_its_days() -> None:
    rows = [
        row("2026-11-02", mood=1, time="08:00:00"),
        row("2026-11-02", mood=3, time="12:00:00"),
        row("2026-11-02", mood=5, time="20:00:00"),
        row("2026-11-04", mood=5),
    ]
    trend = trends.trend(rows, "2026-11-02", "2026-11-08")
    assert trend.days[0].mood == pytest.approx(3)
    assert trend.days[0].mood_n == 3
    week = trend.weeks[0]
    assert week.mood == pytest.approx(4)
    assert (week.mood_low, week.mood_high, week.mood_n) == (1, 5, 4)


def test_estimates_do_not_touch_own_mood_and_own_levels_do_not_touch_estimates() -> None:
    corrected = Correction("a", "stress", "quiet", "add", "2026-11-01T10:00:00Z")
    rows = [
        row("2026-11-01", mood=5, found=analysis("a", stress=0.9, stress_band="many"), corrections=(corrected,)),
        row("2026-11-02", found=analysis("b", stress=0.8, stress_band="many")),
    ]
    trend = trends.trend(rows, "2026-11-01", "2026-11-02")
    first, second = trend.days
    assert first.mood == 5.0
    assert second.mood is None
    assert first.stress.own == ("quiet",)
    assert first.stress.n == 0
    assert first.stress.level() is None
    assert first.stress.score is None
    assert second.stress.many == 1
    assert second.stress.score == pytest.approx(0.8)


def test_a_removed_estimate_is_gone_and_an_accepted_one_stays() -> None:
    removed = Correction("a", "stress", "many", "remove", "2026-11-01T10:00:00Z")
    accepted = Correction("b", "stress", "many", "accept", "2026-11-01T10:00:00Z")
    rows = [
        row("2026-11-01", found=analysis("a", stress_band="many"), corrections=(removed,)),
        row("2026-11-02", found=analysis("b", stress_band="many"), corrections=(accepted,)),
    ]
    trend = trends.trend(rows, "2026-11-01", "2026-11-02")
    assert trend.days[0].stress == trends.Signal()
    assert trend.days[1].stress.many == 1


def test_unsure_is_counted_by_itself_and_is_never_quiet() -> None:
    rows = [row("2026-11-01", found=analysis("a", stress_band="unsure"))]
    signal = trends.trend(rows, "2026-11-01", "2026-11-01").days[0].stress
    assert (signal.quiet, signal.unsure, signal.n, signal.days) == (0, 1, 1, 0)
    assert signal.level() == "unsure"
    assert signal.score is None
    assert wording.level_word("unsure") == "not sure"


def test_an_unreadable_entry_gives_no_level_at_all() -> None:
    rows = [row("2026-11-01", found=analysis("a", readable=False, stress_band="unsure"))]
    trend = trends.trend(rows, "2026-11-01", "2026-11-01")
    assert trend.read == 0
    assert trend.days[0].stress == trends.Signal()
    assert trend.days[0].feelings is None


def test_corrected_feelings_count_and_removed_ones_do_not() -> None:
    corrections = (
        Correction("a", "feelings", "anger", "remove", "2026-11-01T10:00:00Z"),
        Correction("a", "feelings", "calm", "add", "2026-11-01T10:00:01Z"),
    )
    found = analysis("a", feelings={"anger": 0.9, "hope": 0.5})
    trend = trends.trend([row("2026-11-01", found=found, corrections=corrections)], "2026-11-01", "2026-11-01")
    day = trend.days[0]
    assert day.shares is not None
    assert day.feelings is not None
    share = dict(zip(FEELINGS, day.shares, strict=True))
    strength = dict(zip(FEELINGS, day.feelings, strict=True))
    assert share["anger"] == 0
    assert share["calm"] == pytest.approx(1 / 1.5)
    assert share["hope"] == pytest.approx(0.5 / 1.5)
    assert (strength["anger"], strength["calm"]) == (0.0, 1.0)
    assert sum(share.values()) == pytest.approx(1)


def test_a_faint_feeling_does_not_fill_a_week() -> None:
    rows = [
        row("2026-11-02", found=analysis("a", feelings={"disgust": 0.3})),
        row("2026-11-04", found=analysis("b")),
        row("2026-11-06"),
    ]
    week = trends.trend(rows, "2026-11-02", "2026-11-08").weeks[0]
    assert week.shares is not None
    assert sum(week.shares) == pytest.approx(0.15)
    assert (week.felt, week.read) == (1, 2)
    text = " ".join(wording.digest(trends.trend(rows, "2026-11-02", "2026-11-08")))
    assert "stood out in the words of 1 of 2 days read, above all: disgust" in text


def test_the_later_word_about_a_feeling_wins() -> None:
    corrections = (
        Correction("a", "feelings", "calm", "remove", "2026-11-01T12:00:00Z"),
        Correction("a", "feelings", "calm", "add", "2026-11-01T10:00:00Z"),
    )
    assert trends.feelings_of(row("2026-11-01", found=analysis("a"), corrections=corrections)) == {}


def test_the_moving_average_needs_three_days_and_leaves_gaps_open() -> None:
    rows = [row(f"2026-11-0{d}", mood=m) for d, m in ((1, 2), (2, 4), (3, 3))]
    trend = trends.trend(rows, "2026-11-01", "2026-11-14")
    average = trends.moving_average(trend, "day", 7)
    assert average[:2] == (None, None)
    assert average[2] == pytest.approx(3)
    assert average[6] == pytest.approx(3)
    assert average[7:] == (None,) * 7


def test_the_rolling_map_is_a_share_of_days_with_data() -> None:
    rows = [
        row("2026-11-01", found=analysis("a", stress_band="many", crisis="gentle")),
        row("2026-11-03", found=analysis("b", stress_band="quiet")),
        row("2026-11-04", found=analysis("c", stress_band="unsure")),
    ]
    trend = trends.trend(rows, "2026-11-01", "2026-11-10")
    found = trends.signs_map(trend, "day")
    stress = dict(zip([p.start for p in found.points], found.share[0], strict=True))
    assert stress["2026-11-01"] is None
    assert stress["2026-11-03"] == pytest.approx(1 / 2)
    assert stress["2026-11-04"] == pytest.approx(1 / 2)
    assert stress["2026-11-08"] is None
    assert found.n[2][3] == 3
    assert found.share[2][3] == pytest.approx(1 / 3)


def test_the_rolling_map_looks_back_longer_where_little_was_written() -> None:
    def weekly(days: int) -> trends.Trend:
        end = dt.date.fromisoformat("2026-11-20")
        dates = [(end - dt.timedelta(days=i)).isoformat() for i in range(0, days, 7)]
        rows = [row(date, found=analysis(date, stress_band="some")) for date in dates]
        return trends.trend(rows, (end - dt.timedelta(days=days - 1)).isoformat(), end.isoformat())

    assert trends.rolling_days(trends.trend(life(60, every=0.9), "2026-09-22", "2026-11-20")) == 7
    assert trends.rolling_days(weekly(7)) == 7
    assert trends.rolling_days(weekly(180)) == 28
    assert trends.signs_map(weekly(180), "day").share[0][-1] == 1.0


def test_not_me_takes_a_day_out_of_the_help_row() -> None:
    not_me = Correction("a", "crisis", "gentle", "not_me", "2026-11-01T10:00:00Z")
    rows = [row("2026-11-01", found=analysis("a", crisis="gentle"), corrections=(not_me,))]
    assert trends.trend(rows, "2026-11-01", "2026-11-01").days[0].help == 0


def test_without_help_nothing_knows_of_the_help_card() -> None:
    rows = [row("2026-11-01", found=analysis("a", crisis="urgent"))]
    trend = trends.trend(rows, "2026-11-01", "2026-11-01", with_help=False)
    assert trend.days[0].help == 0
    assert trends.signs_map(trend, "day").signs == ("stress", "low_mood")


def test_weeks_begin_on_monday_and_are_cut_at_the_period() -> None:
    trend = trends.trend([row("2026-11-04", mood=3, words=50)], "2026-11-04", "2026-11-17")
    weeks = trends.week_rows(trend)
    assert [(w.start, w.end) for w in weeks] == [
        ("2026-11-04", "2026-11-08"),
        ("2026-11-09", "2026-11-15"),
        ("2026-11-16", "2026-11-17"),
    ]
    assert [w.days_without for w in weeks] == [4, 7, 2]
    assert (weeks[0].entries, weeks[0].words, weeks[0].mood) == (1, 50, 3.0)


def test_periods_end_today_and_all_begins_with_the_first_entry() -> None:
    rows = [row("2026-05-02"), row("2026-11-01")]
    assert trends.span("week", "2026-11-20", rows) == ("2026-11-14", "2026-11-20")
    assert trends.span("all", "2026-11-20", rows) == ("2026-05-02", "2026-11-20")
    assert trends.span("all", "2026-11-20", []) == ("2026-11-20", "2026-11-20")
    assert trends.previous("2026-11-14", "2026-11-20") == ("2026-11-07", "2026-11-13")


@pytest.mark.parametrize(
    ("odd", "far"), [(("9999-12-31",), 1), (("0001-01-01",), 1), (("0001-01-01", "1850-05-05", "9999-12-31"), 3)]
)
def test_mistaken_dates_cost_no_time_and_are_told(odd: tuple[str, ...], far: int) -> None:
    rows = [*life(400), *(row(date, mood=1, words=7) for date in odd)]
    trend = trends.trend(rows, *trends.span("all", "2026-11-20", rows))
    words = " ".join(wording.digest(trend))
    assert len(trend.days) == 400, "the centuries between are not gone through day by day"
    assert (trend.start, trend.end) == ("2025-10-17", "2026-11-20")
    assert [p.start for p in trend.far] == sorted(odd)
    assert trend.entries + sum(p.entries for p in trend.far) == len(rows)
    assert f"{far} entr" in words
    assert wording.short_date(min(odd), year=True) in words
    table = csv_data.days(trend).decode("utf-8-sig").splitlines()
    assert len(table) == 1 + 400 + far
    assert all(any(line.startswith(f"{date},1,7,") for line in table) for date in odd)


def test_the_longest_possible_period_has_a_limit_even_when_empty() -> None:
    assert len(trends.trend([], "0001-01-01", "9999-12-31").days) == trends.MAX_DAYS
    full = [row(dt.date.fromordinal(730000 + i).isoformat(), mood=3) for i in range(0, trends.MAX_DAYS, 9)]
    assert trends.trend(full, *trends.span("all", "2026-11-20", full)).far == ()


def test_the_period_before_never_leaves_the_calendar() -> None:
    assert trends.previous("1752-09-14", "9999-12-31") == ("0001-01-01", "1752-09-13")
    assert trends.previous("0001-01-01", "2026-11-20") == ("0001-01-01", "0001-01-01")


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        trends.trend([], "2026-11-02", "2026-11-01")


def test_the_nearest_written_day() -> None:
    trend = trends.trend([row("2026-11-03"), row("2026-11-09")], "2026-11-01", "2026-11-10")
    assert trend.day_near("2026-11-03") == "2026-11-03"
    assert trend.day_near("2026-11-04") is None
    assert trend.day_near("2026-11-05", reach=3) == "2026-11-03"


FORBIDDEN = (
    "you are depressed",
    "depression",
    "disorder",
    "diagnosed",
    "you are fine",
    "nothing to worry",
    "!",
    "should",
)


@pytest.mark.parametrize("band", ["quiet", "some", "many", "unsure"])
def test_the_digest_keeps_to_the_words_of_safety(band: str) -> None:
    rows = [
        row(f"2026-11-{d:02d}", mood=2, found=analysis(f"{d}", stress=0.9, stress_band=band, low_mood_band=band))
        for d in range(1, 8)
    ]
    text = " ".join(wording.digest(trends.trend(rows, "2026-11-01", "2026-11-07")))
    assert not [word for word in FORBIDDEN if word in text.lower()]
    assert "not a diagnosis" in text
    assert ("someone you trust" in text) is (band == "many")
    assert ("quiet" in text) is (band == "quiet")


def test_the_digest_of_nothing_and_of_one_day() -> None:
    assert wording.digest(trends.trend([], "2026-11-01", "2026-11-07")) == ("Nothing was written in these days.",)
    one = wording.digest(trends.trend([row("2026-11-01", mood=4)], "2026-11-01", "2026-11-07"))
    assert one == ("You wrote on 1 day of 7.", "Your own mood was noted once: good.")


def test_the_digest_translates_whole_sentences() -> None:
    seen: list[str] = []

    def translate(context: str, text: str) -> str:
        seen.append(f"{context}:{text}")
        return text

    wording.digest(trends.trend(life(60), "2026-09-22", "2026-11-20"), translate)
    assert any(text.startswith("trends:You wrote on {n} days") for text in seen)
    assert any(text.startswith("Feelings:") for text in seen)


@settings(max_examples=40, deadline=None)
@given(days=st.integers(1, 400), every=st.floats(0, 1), seed=st.integers(0, 99))
def test_days_weeks_and_months_hold_the_same_entries(days: int, every: float, seed: int) -> None:
    rows = life(days, every=every, seed=seed)
    start, end = trends.span("all", "2026-11-20", rows)
    trend = trends.trend(rows, start, end)
    for step in ("day", "week", "month"):
        points = trend.points(step)
        assert sum(p.entries for p in points) == len(rows)
        assert sum(p.days for p in points) == len(trend.days) == days
        assert sum(p.mood_n for p in points) == sum(1 for r in rows if r.mood)
        assert sum(p.stress.n + len(p.stress.own) for p in points) == len(rows)
        assert points[0].start == start
        assert points[-1].end == end
        for a, b in zip(points, points[1:], strict=False):
            assert dt.date.fromisoformat(b.start) - dt.date.fromisoformat(a.end) == dt.timedelta(days=1)
        for p in points:
            assert (p.mood is None) == (p.mood_n == 0)
            assert p.shares is None or 0 <= sum(p.shares) <= 1 + 1e-9
            assert p.feelings is None or all(0 <= value <= 1 for value in p.feelings)
