"""Passages are found by words and by vectors, with their place in the text; nothing is an answer too."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from journal_app.journal.retrieval import Index, fuse, passages, sentences, tokens

ENTRIES = [
    ("monday", "The garden was wet. I planted tomatoes along the wall. In the evening my sister called."),
    ("tuesday", "Work was long. The meeting about the budget ran late, and I missed the train home."),
    ("friday", "We walked along the canal. The tomatoes are growing. I slept well for once."),
    ("한글", "오늘은 산책을 오래 했다. 강가에서 오리를 보았다. 저녁에는 국을 끓였다."),
    ("漢字", "今日は図書館で本を読んだ。雨が降っていた。"),
]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The Gardens' tomatoes", ["garden", "tomatoe"]),
        ("tomato", ["tomato"]),
        ("ﬁne Ⅳ STRASSE straße", ["fine", "iv", "strasse", "strasse"]),
        ("산책을 했다", ["산", "산책", "책을", "했", "했다"]),
        ("책", ["책"]),
        ("図書館で読んだ", ["図", "書", "館", "図書", "書館", "で", "読", "んだ"]),
        ("don’t don't", ["don't", "don't"]),
        ("SSRI를 2025년", ["ssri", "를", "2025", "년"]),
        ("Καλημέρα мир", ["καλημέρα", "мир"]),
        ("what is the of", []),
        ("worries, boss, bus, glasses", ["worry", "boss", "bus", "glasse"]),
        ("", []),
        ("😀 -- …", []),
    ],
)
def test_words_are_cut_as_they_are_searched(text: str, wanted: list[str]) -> None:
    assert tokens(text) == wanted


def test_answers_name_the_place_in_the_text() -> None:
    texts = dict(ENTRIES)
    for question in ("tomatoes", "the late meeting", "산책", "図書館で"):
        found = Index(ENTRIES).search(question)
        assert found, question
        for passage in found:
            assert texts[passage.id][passage.start : passage.end] == passage.text
            assert 0.0 < passage.coverage <= 1.0 + 1e-9
            assert np.isnan(passage.cosine)


def test_the_right_entry_comes_first_in_any_script() -> None:
    index = Index(ENTRIES, size=60)
    first = {q: index.search(q)[0].id for q in ("missed train", "sister", "산책은", "오리가", "국이", "雨", "図書館")}
    assert first == {
        "missed train": "tuesday",
        "sister": "monday",
        "산책은": "한글",
        "오리가": "한글",
        "국이": "한글",
        "雨": "漢字",
        "図書館": "漢字",
    }


def test_a_long_korean_question_is_not_led_astray_by_its_first_syllable() -> None:
    index = Index([("mountain", "산에 올랐다."), ("walk", "산책을 했다.")])
    assert [p.id for p in index.search("산책")] == ["walk"]
    assert [p.id for p in index.search("산")] == ["mountain", "walk"]


def test_rare_words_weigh_more_and_long_passages_less() -> None:
    index = Index(
        [("a", "tea tea tea"), ("b", "tea and saffron"), ("c", "tea"), ("d", "saffron " + "word " * 80)], size=9999
    )
    assert [p.id for p in index.search("saffron tea", least_coverage=0.0)][:1] == ["b"]
    assert [p.id for p in index.search("saffron", least_coverage=0.0)] == ["b", "d"]
    assert index.weight("saffron") > index.weight("tea") > 0.0


def test_a_hand_computed_bm25_score() -> None:
    index = Index([("a", "tea"), ("b", "milk tea"), ("c", "water")], size=9999)
    (a, b) = index.search("tea")
    idf = np.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    mean = 4 / 3
    assert a.score == pytest.approx(idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 1 / mean)))
    assert b.score == pytest.approx(idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / mean)))


def test_nothing_is_found_when_nothing_speaks_of_it() -> None:
    index = Index(ENTRIES)
    assert index.search("quantum chromodynamics") == []
    assert index.search("what is the") == []
    assert index.search("") == []
    # One stray word of many does not make an answer.
    assert index.search("train schedules of the northern railway company in winter") == []
    assert Index([]).search("tea") == []
    assert Index([("empty", ""), ("marks", "... !!! —")]).search("tea") == []


def test_vectors_find_what_shares_no_word_and_ranks_are_fused() -> None:
    index = Index([("a", "The cat slept."), ("b", "A feline napped."), ("c", "Stocks fell.")])
    rows = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]) * 7.0
    found = index.search("cat sleeping", vectors=rows, vector=[1.0, 0.0], least_coverage=0.0)
    assert [p.id for p in found] == ["a", "b"]
    assert found[0].score == pytest.approx(2 / 61)
    assert found[1].score == pytest.approx(1 / 62)
    assert found[1].coverage == 0.0
    assert found[1].cosine == pytest.approx(0.9 / np.hypot(0.9, 0.1))
    assert index.search("weather", vectors=rows, vector=[-1.0, 0.0]) == []


def test_vectors_that_do_not_fit_are_refused() -> None:
    index = Index([("a", "tea"), ("b", "milk")])
    with pytest.raises(ValueError, match="do not fit"):
        index.search("tea", vectors=np.ones((3, 2)), vector=[1.0, 0.0])
    with pytest.raises(ValueError, match="do not fit"):
        index.search("tea", vectors=np.ones((2, 2)), vector=[1.0])
    with pytest.raises(ValueError, match="come together"):
        index.search("tea", vectors=np.ones((2, 2)))


def test_a_question_or_passage_without_a_vector_falls_back_to_words() -> None:
    index = Index([("a", "tea"), ("b", "milk")])
    assert [p.id for p in index.search("tea", vectors=np.ones((2, 2)), vector=[0.0, 0.0])] == ["a"]
    found = index.search("tea", vectors=np.array([[0.0, 0.0], [1.0, 0.0]]), vector=[1.0, 0.0])
    assert {p.id: p.cosine for p in found} == {"a": 0.0, "b": 1.0}


def test_fusion_is_the_published_formula() -> None:
    scores = fuse(([5, 7], [7]), k=60)
    assert scores == {5: 1 / 61, 7: pytest.approx(1 / 62 + 1 / 61)}


def test_one_document_can_be_kept_from_filling_the_answer() -> None:
    documents = [("long", "Tea. " * 40), ("short", "Tea with milk.")]
    index = Index(documents, size=5)
    assert {p.id for p in index.search("tea", limit=5)} == {"long"}
    assert sorted(p.id for p in index.search("tea", limit=5, per_document=2)) == ["long", "long", "short"]


def test_focus_names_the_sentence_that_speaks_of_it() -> None:
    text = dict(ENTRIES)["friday"]
    index = Index(ENTRIES)
    (passage, *_) = index.search("growing tomatoes")
    assert passage.id in ("friday", "monday")
    friday = next(p for p in index.passages if p.id == "friday")
    start, end = index.focus("are the tomatoes growing", friday)
    assert text[start:end] == "The tomatoes are growing."
    assert index.focus("volcano", friday) == (friday.start, friday.end)


def test_passages_join_sentences_but_not_paragraphs() -> None:
    text = "One is here. Two is there.\n\nThree stands apart. " + "x" * 600 + ". End."
    spans = passages(text, size=60)
    pieces = [text[a:b] for a, b in spans]
    assert pieces[0] == "One is here. Two is there."
    assert pieces[1] == "Three stands apart."
    assert len(pieces[2]) == 601
    assert pieces[3] == "End."
    assert sentences("...\n!!") == []


def test_the_order_of_equals_is_stable() -> None:
    documents = [(str(n), "same words here") for n in range(50)]
    index = Index(documents)
    assert [p.id for p in index.search("words", limit=50)] == [str(n) for n in range(50)]


def test_ten_years_of_entries_are_searched_at_once() -> None:
    rng = random.Random(3)
    words = [f"word{n}" for n in range(4000)]
    index = Index((str(n), " ".join(rng.choices(words, k=120)) + ".") for n in range(3650))
    began = time.perf_counter()
    for _ in range(20):
        assert index.search(" ".join(rng.choices(words, k=6)), least_coverage=0.0)
    # Measured at about 2 ms a question on two busy cores; a second would be felt.
    assert (time.perf_counter() - began) / 20 < 0.5
