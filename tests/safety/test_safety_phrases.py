"""The lists themselves: well formed, every rule reachable, the pattern language as documented."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from journal_app.contract.tasks import CRISIS_LEVELS
from journal_app.journal import phrases, safety

LANGUAGES = ("en", "ko", "zh-Hant")
LIST = """
language = "en"
lower_by = ["negated", "third", "quoted", "past"]
blocked = ["not", "he"]
common = ["i", "the"]
idioms = ["red herring"]
[classes]
fish = ["herring", "cod liver"]
[respell]
hering = "herring"
[context]
own_before = 'zzz'
own_after = 'zzz'
reported = 'zzz'
title = 'zzz'
negated = 'zzz'
negated_clause = 'zzz'
not_negated = 'zzz'
double = 'zzz'
yet = 'zzz'
past = 'zzz'
long_ago = 'zzz'
back = 'zzz'
present = 'zzz'
remembered = 'zzz'
[[rules]]
id = "x"
topic = "suicide"
standing = "clear"
patterns = ["PATTERN"]
"""


def found(tmp_path: Path, pattern: str, text: str) -> bool:
    path = tmp_path / "list.toml"
    path.write_text(LIST.replace("PATTERN", pattern), encoding="utf-8")
    made = phrases.load_list(path)
    line = " " + " ".join(phrases.words_of(phrases.fold(text), respell=made.respell)) + " "
    for idiom in made.idioms:
        line = idiom.sub(" _", line)
    return bool(made.rules[0].patterns[0].search(line))


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("eat herring", "we eat herring", True),
        ("eat herring", "we eat the herring", False),
        ("eat|ate herring", "she ate herring", True),
        ("eat the? herring", "eat the herring", True),
        ("eat $fish", "eat cod liver", True),
        ("eat raw_herring|cod", "eat raw herring", True),
        ("eat ~2 herring", "eat some old herring", True),
        ("eat ~2 herring", "eat what he herring", False),
        ("eat ~2 herring", "eat not herring", False),
        ("eat ..2 herring", "eat what he herring", True),
        ("eat herring $full", "eat herring.", True),
        ("eat herring $full", "eat herring soup", False),
        ("eat herring $stop", "eat herring and rest", True),
        ("^ eat herring", "so, eat herring", True),
        ("^ eat herring", "we eat herring", False),
        ("eat # herring", "eat 12 herring", True),
        ("eat herring", "eat hering", True),
        ("eat herring", 'eat "herring"', True),
        ("red herring", "a red herring", False),
    ],
)
def test_pattern_language(tmp_path, pattern, text, expected):
    assert found(tmp_path, pattern, text) is expected


def test_a_pattern_of_gaps_is_refused(tmp_path):
    with pytest.raises(ValueError, match="word"):
        found(tmp_path, "~2 ..3", "x")


@pytest.mark.parametrize("language", LANGUAGES)
def test_lists_are_well_formed(language):
    made = phrases.bundled(language)
    ids = [rule.id for rule in made.rules]
    assert len(set(ids)) == len(ids)
    assert made.language == language
    for rule in made.rules:
        assert rule.topic in safety.TOPICS
        assert rule.standing in (*CRISIS_LEVELS[1:], "cue")
        assert rule.patterns
        assert rule.lower_by <= {"negated", "denied", "third", "quoted", "past", "remembered"}
    assert {rule.topic for rule in made.rules} >= {"suicide", "self_harm", "abuse", "violence"} - (
        {"violence"} if language != "en" else set()
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_pattern_matches_nothing(language):
    for rule in phrases.bundled(language).rules:
        for pattern in rule.patterns:
            assert not pattern.search("  ")


def test_every_english_rule_is_used_by_a_case():
    cases = Path(__file__).parent / "cases"
    texts = [
        t
        for name in ("en", "masked")
        for rows in tomllib.loads((cases / f"{name}.toml").read_text("utf-8")).values()
        for t in rows
    ]
    used = {hit.rule for text in texts for hit in phrases.find(text)}
    assert {rule.id for rule in phrases.bundled("en").rules} - used == set()


def test_simplified_characters_are_read_as_traditional():
    simplified, traditional = "我想结束自己的生命", "我想結束自己的生命"
    assert safety.assess(simplified).level == safety.assess(traditional).level == "clear"


def test_sentences_cover_the_text_and_long_ones_overlap():
    text = "One. Two!\nThree " + "word " * 400 + "\n\nFour"
    spans = list(phrases.sentences(text))
    covered = set()
    for start, end, _fresh in spans:
        assert end - start <= phrases.WINDOW
        covered |= set(range(start, end))
    assert {i for i, c in enumerate(text) if not c.isspace()} <= covered


def test_fold_keeps_plain_text():
    assert phrases.fold("Ｉ Ｗａｎｔ “tea”, naïve café…") == 'i want "tea", naive cafe...'
    assert phrases.fold("ki\u200bll") == "kill"
    assert phrases.fold("한글 漢字") == "한글 漢字"
