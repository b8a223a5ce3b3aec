"""The curated library: what it holds, what it may say, and how a card is chosen."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from journal_app import assets
from journal_app.contract.tasks import FEELINGS
from journal_app.journal import analysis, reflection, safety

LIBRARY = reflection.bundled()
LANGUAGES = ("en", "ko", "zh-Hant")


def test_many_cards_of_seven_techniques():
    assert len(LIBRARY.cards) >= 120
    assert {card.technique for card in LIBRARY.cards} == set(reflection.TECHNIQUES)
    assert min(Counter(card.technique for card in LIBRARY.cards).values()) >= 5


@pytest.mark.parametrize(("language", "least"), [("en", 120), ("ko", 60), ("zh-Hant", 60)])
def test_languages(language, least):
    assert sum(language in card.words for card in LIBRARY.cards) >= least


def test_every_text_passes_the_output_check_and_the_house_rules():
    for card in LIBRARY.cards:
        for language, (text, question) in card.words.items():
            whole = f"{text} {question}"
            assert safety.check_output(whole, "", language).ok, (card.id, language)
            assert safety.assess(whole).level == "none", (card.id, language)
            assert "!" not in whole
            assert "！" not in whole
            assert question.endswith(("?", "？")), (card.id, language)
            assert whole.count("?") + whole.count("？") == 1, (card.id, language)
            if language == "en":
                assert not re.search(r"\b(?:should|must|have to|need to|just|don't worry|will be)\b", whole.lower()), (
                    card.id
                )
                assert 20 <= len(whole.split()) <= 70, card.id


def test_openings_and_questions_vary():
    texts = [text for card in LIBRARY.cards for text, _ in [card.words["en"]]]
    openings = Counter(" ".join(text.split()[:2]).lower() for text in texts)
    assert max(openings.values()) <= 4
    assert len({question for card in LIBRARY.cards for _, question in [card.words["en"]]}) == len(LIBRARY.cards)


@pytest.mark.parametrize("level", ["clear", "urgent"])
def test_nothing_is_chosen_where_the_fixed_text_belongs(level):
    assert LIBRARY.choose(["sadness"], "some", "many", level, seed="a") is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("bands", [("quiet", "quiet"), ("some", "unsure"), ("many", "many"), ("unsure", "unsure")])
@pytest.mark.parametrize("level", ["none", "gentle"])
def test_there_is_always_one_in_the_language(language, bands, level):
    for feeling in ("", *FEELINGS):
        chosen = LIBRARY.choose([feeling] if feeling else [], *bands, level, seed="entry", language=language)
        assert chosen is not None
        assert chosen.language == language, (feeling, bands, level)
        card = next(card for card in LIBRARY.cards if card.id == chosen.id)
        assert card.gentle or level == "none"
        assert set(bands) <= set(card.bands)


@pytest.mark.parametrize("feeling", FEELINGS)
def test_the_first_feeling_decides(feeling):
    chosen = LIBRARY.choose([feeling], "quiet", "quiet", "none", seed="s")
    card = next(card for card in LIBRARY.cards if card.id == chosen.id)
    assert feeling in card.feelings


def test_same_entry_same_card_and_different_seeds_differ():
    def choose(seed: str) -> str:
        return LIBRARY.choose(["anxiety", "tiredness"], "some", "some", "none", seed=seed).id

    assert choose("one") == choose("one")
    assert len({choose(str(n)) for n in range(40)}) >= 3


def test_recent_cards_are_avoided_until_nothing_else_suits():
    recent: list[str] = []
    for n in range(12):
        chosen = LIBRARY.choose(["sadness"], "some", "some", "none", recent=recent, seed=str(n))
        assert chosen.id not in recent
        recent.insert(0, chosen.id)
    everything = [card.id for card in LIBRARY.cards]
    assert LIBRARY.choose(["sadness"], "some", "some", "none", recent=everything, seed="x") is not None


def test_an_ordinary_day_gets_no_comfort():
    for n in range(30):
        chosen = LIBRARY.choose([], "quiet", "quiet", "none", seed=str(n))
        card = next(card for card in LIBRARY.cards if card.id == chosen.id)
        assert set(card.feelings) <= reflection.PLAIN


def test_a_day_that_may_be_heavy_gets_only_what_is_in_place_on_any_day():
    for themes in ((), ("daily life",), ("work", "family")):
        seen = set()
        for n in range(40):
            chosen = LIBRARY.choose([], "quiet", "quiet", "none", themes, light=False, seed=str(n))
            card = next(card for card in LIBRARY.cards if card.id == chosen.id)
            assert card.gentle
            assert not card.feelings
            seen.add(card.id)
        assert themes or len(seen) >= 10


@pytest.mark.parametrize("feeling", FEELINGS)
def test_a_month_of_one_feeling_repeats_nothing_and_never_speaks_of_another(feeling):
    recent: list[str] = []
    for n in range(analysis.RECENT_REFLECTIONS + 10):
        chosen = LIBRARY.choose([feeling], "some", "quiet", "none", ["work"], recent=recent, seed=str(n))
        card = next(card for card in LIBRARY.cards if card.id == chosen.id)
        assert not card.feelings or feeling in card.feelings
        if chosen.id in recent:
            assert recent.index(chosen.id) >= 10, "what comes again is what was long ago"
        recent = [chosen.id, *recent][: analysis.RECENT_REFLECTIONS]
    assert len(set(recent)) >= 15


def test_heavy_days_get_no_cheer():
    for feelings in (["joy"], ["joy", "sadness"], ["gratitude"], []):
        chosen = LIBRARY.choose(feelings, "quiet", "quiet", "gentle", seed="h")
        card = next(card for card in LIBRARY.cards if card.id == chosen.id)
        assert card.technique != "gratitude"


def test_a_card_about_a_loss_needs_one():
    every = {LIBRARY.choose(["sadness", "love"], "some", "some", "none", seed=str(n)).id for n in range(60)}
    assert "valid-grief" not in every
    assert LIBRARY.choose(["sadness"], "some", "some", "none", ["Loss"], seed="g").id == "valid-grief"


def test_by_id_keeps_an_old_choice():
    first = LIBRARY.by_id("ground-room", "ko")
    assert first is not None
    assert first.language == "ko"
    assert LIBRARY.by_id("listen-detail", "ko").language == "en"
    assert LIBRARY.by_id("nothing") is None


def test_a_malformed_library_names_the_card(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(
        'technique = "grounding"\n[[reflections]]\nid = "odd"\nfeelings = ["bliss"]\nbands = ["quiet"]\n'
        "gentle = false\n"
        'en.text = "a"\nen.question = "b?"\n',
        encoding="utf-8",
    )
    with pytest.raises(ValueError, match="odd"):
        reflection.Library.load(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="no reflections"):
        reflection.Library.load(tmp_path)


def test_the_sample_journal_is_half_a_year_of_one_life():
    data = json.loads(assets.path("sample", "journal.json").read_text(encoding="utf-8"))
    entries = data["entries"]
    assert len(entries) == 40
    days = [entry["day"] for entry in entries]
    assert days == sorted(days)
    assert -200 < days[0] <= -170
    assert days[-1] == -1
    assert len(set(days)) < 40, "some days have two entries"
    words = [len(entry["text"].split()) for entry in entries]
    assert min(words) >= 20
    assert max(words) >= 300
    moods = [entry["mood"] for entry in entries]
    assert {1, 2, 3, 4, 5, None} <= set(moods)
    assert all(m is None or 1 <= m <= 5 for entry in entries for m in (entry["mood"], entry["energy"]))
    assert 2 <= sum(entry["for_therapist"] for entry in entries) <= 10
    levels = Counter(safety.assess(entry["text"]).level for entry in entries)
    assert levels == {"none": 38, "gentle": 2}
