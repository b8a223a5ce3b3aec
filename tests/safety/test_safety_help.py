"""Notices, fixed texts and help lines: nothing invented, nothing alarming, nothing that rots unseen."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from journal_app import assets
from journal_app.journal import safety

TODAY = date(2026, 11, 21)
LANGUAGES = ("en", "ko", "zh-Hant")
# The places and numbers that the project's evidence names (table D2); a new row needs a source first.
KNOWN = {
    ("KR", "109"),
    ("US", "988"),
    ("AU", "13 11 14"),
    ("TW", "1925"),
    ("TW", "1995"),
    ("TW", "1980"),
    ("GB", "116 123"),
    ("IE", "116 123"),
}


def test_only_sourced_lines_are_shipped():
    lines = safety.load_help_lines()
    assert {(line.country, line.number) for line in lines} == KNOWN
    assert all(line.source and line.name and line.languages and line.topics for line in lines)
    assert not any(line.confirmed for line in lines)


def test_a_row_without_a_source_is_refused(tmp_path):
    rows = json.loads(assets.path("help_lines.json").read_text(encoding="utf-8"))
    rows["lines"][0]["source"] = " "
    path = tmp_path / "lines.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(ValueError, match="source"):
        safety.load_help_lines(path)


def test_unconfirmed_and_old_lines_say_so():
    for shown in safety.lines_for("kr", ("suicide",), TODAY):
        assert shown.notes == ("not_confirmed", "old_source")
    assert safety.lines_for("KR", (), date(2026, 3, 1))[0].notes == ("not_confirmed",)
    assert safety.lines_for("KR", (), date(2026, 8, 12))[0].notes == ("not_confirmed",)  # 180 days
    assert safety.lines_for("KR", (), date(2026, 8, 13))[0].notes == ("not_confirmed", "old_source")
    assert safety.lines_for("GB", (), TODAY)[0].notes == ("not_confirmed", "undated_source")


def test_taiwan_shows_all_three_in_one_order():
    numbers = [shown.line.number for shown in safety.lines_for("TW", ("abuse",), TODAY)]
    assert numbers == ["1925", "1995", "1980"]


def test_a_line_about_the_topic_comes_first():
    base = safety.load_help_lines()[0]
    other = safety.HelpLine(**{**{f: getattr(base, f) for f in base.__slots__}, "number": "0", "topics": ("abuse",)})
    shown = safety.lines_for(base.country, ("abuse",), TODAY, [base, other])
    assert [s.line.number for s in shown] == ["0", base.number]


def test_a_country_without_a_line_gets_words_and_no_number():
    assert safety.lines_for("FR", ("suicide",), TODAY) == []
    for language in LANGUAGES:
        assert not re.search(r"\d{2,}", safety.no_line_text(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_topic_and_level_has_a_notice(language):
    seen = set()
    for topic in safety.TOPICS:
        for level in ("gentle", "clear", "urgent"):
            words = safety.notice(safety.Crisis(level, ("rule:x:en",), (topic,)), language)
            assert words
            assert "!" not in words
            seen.add(words)
    assert len(seen) == 12
    assert safety.notice(safety.Crisis("none"), language) == ""
    assert safety.notice(safety.Crisis("gentle", ("model",), ("suicide",)), language) not in seen
    assert safety.notice(safety.Crisis("clear", ("item9:2",), ("suicide",)), language) not in seen


@pytest.mark.parametrize("language", LANGUAGES)
def test_fixed_texts(language):
    texts = set()
    for level in ("clear", "urgent"):
        for topics in (("suicide",), ("abuse",), ("suicide", "abuse")):
            text = safety.crisis_text(level, language, topics)
            assert len(text) > 120
            assert "!" not in text
            assert not re.search(r"\d{2,}", text), "numbers belong to the help lines"
            texts.add(text)
    assert len(texts) == 6
    assert safety.crisis_text("gentle", language, ("suicide",)) == ""
    assert safety.crisis_text("none", language) == ""


def test_english_texts_follow_safe_messaging():
    words = " ".join(
        safety.crisis_text(level, "en", topics)
        for level in ("clear", "urgent")
        for topics in (("suicide",), ("abuse",), ("suicide", "abuse"))
    ).lower()
    for never in (
        "commit",
        "successful",
        "failed",
        "should",
        "selfish",
        "diagnos",
        "disorder",
        "depress",
        "will be fine",
        "pills",
        "rope",
        "bridge",
    ):
        assert never not in words
    for always in ("emergency", "person", "nothing was sent"):
        assert always in words


def test_unknown_language_falls_back_to_english():
    assert safety.crisis_text("clear", "fr", ("suicide",)) == safety.crisis_text("clear", "en", ("suicide",))
    assert safety.crisis_text("clear", "zh_TW", ("suicide",)) == safety.crisis_text("clear", "zh-Hant", ("suicide",))
