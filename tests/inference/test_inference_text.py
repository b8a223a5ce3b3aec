"""Spans of sentences, counts of words and the language guess, over plain strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal_app.inference import text as plain


def parts(text: str) -> list[str]:
    return [text[a:b] for a, b in plain.sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("   \n\n ... !!", []),
        ("Tired today", ["Tired today"]),
        ("I slept. I woke! Did I dream?", ["I slept.", "I woke!", "Did I dream?"]),
        ("i went home. i cried. then slept", ["i went home.", "i cried.", "then slept"]),
        ("I met Dr. Kim at 3.5 km. We ran.", ["I met Dr. Kim at 3.5 km.", "We ran."]),
        ("Bread, milk, etc. were gone. Fine.", ["Bread, milk, etc. were gone.", "Fine."]),
        ("At 7 p.m. the bell rang. It rained.", ["At 7 p.m. the bell rang.", "It rained."]),
        ("J. K. Brown called. Good.", ["J. K. Brown called.", "Good."]),
        ("We talked... and talked. Then... Nothing.", ["We talked... and talked.", "Then...", "Nothing."]),
        ("Well… maybe. Maybe… No.", ["Well… maybe.", "Maybe…", "No."]),
        ('"Stop!" she said. He left.', ['"Stop!" she said.', "He left."]),
        ('He said "I am done." Then he left.', ['He said "I am done."', "Then he left."]),
        ("So tired.Went to bed.", ["So tired.", "Went to bed."]),
        ("Version 2.Now see example.com today.", ["Version 2.Now see example.com today."]),
        ("What?! Really?? Yes.", ["What?!", "Really??", "Yes."]),
        ("So tired. :( Not again.", ["So tired.", ":( Not again."]),
        ("Done. 🙂", ["Done. 🙂"]),
        ("오늘은 힘들었다. 집에 갔다!", ["오늘은 힘들었다.", "집에 갔다!"]),
        ("今天很累。我想睡觉！为什么？", ["今天很累。", "我想睡觉！", "为什么？"]),
        ("「行く。」彼は言った。雨だ", ["「行く。」", "彼は言った。", "雨だ"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert parts(text) == expected


def test_lines_lists_and_headings() -> None:
    text = "# Monday\n\n- milk\n- call mum\n1. first thing\n2) second. third\n> quoted words\nLast line"
    assert parts(text) == [
        "Monday",
        "milk",
        "call mum",
        "first thing",
        "second.",
        "third",
        "quoted words",
        "Last line",
    ]


def test_hard_wrapped_lines_are_one_sentence() -> None:
    assert parts("I could not sleep\nbecause of the rain.\nIt stopped at four.") == [
        "I could not sleep\nbecause of the rain.",
        "It stopped at four.",
    ]


def test_blank_line_ends_a_sentence_without_a_stop() -> None:
    assert parts("no stop here\n\nnew paragraph") == ["no stop here", "new paragraph"]


@given(st.text(alphabet=st.characters(), max_size=400) | st.text(alphabet="aB1 .!?…。\n\t-\"'*한ー漢é😀", max_size=400))
def test_spans_are_ordered_apart_and_lose_no_word(text: str) -> None:
    spans = plain.sentences(text)
    last = 0
    for start, end in spans:
        assert last <= start < end <= len(text)
        assert not text[start].isspace()
        assert not text[end - 1].isspace()
        assert any(c.isalnum() for c in text[start:end])
        last = end
    covered = set().union(*(range(a, b) for a, b in spans)) if spans else set()
    lost = [c for i, c in enumerate(text) if i not in covered and c.isalpha() and c not in "xX"]
    assert not lost


@pytest.mark.parametrize(
    "piece",
    [
        "a. (",
        ".",
        "\n- ",
        "e.g. a ",
        "a\n",
        "J. B",
        "1. ",
        "( ",
        "...a",
        '"',
        "a'",
        "한. ",
        " ",
        "# ",
        "Dr. X",
        "\ud800. ",
    ],
)
def test_hostile_texts_take_time_in_proportion_to_their_length(piece: str) -> None:
    import time

    times = []
    for size in (20_000, 400_000):
        text = piece * (size // len(piece))
        began = time.perf_counter()
        plain.sentences(text)
        plain.words(text)
        plain.language(text)
        times.append(time.perf_counter() - began)
    # Twenty times the length; four hundred times the time would be a square.
    assert times[1] < 100 * times[0] + 0.3


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("!!! ...", 0),
        ("I don't know", 3),
        ("well-known fact_one", 4),
        ("오늘은 정말 힘들었다.", 3),
        ("今天很累", 2),
        ("今日は疲れた。", 3),
        ("iPhone를 샀다", 2),
        ("3.5 km", 3),
        ("😀😀", 0),
    ],
)
def test_words(text: str, count: int) -> None:
    assert plain.words(text) == count


@pytest.mark.parametrize(
    "text",
    [
        "Tired today.",
        "Migraine.",
        "I am knackered.",
        "No energy",
        "so so day",
        "he is a man",
        "I cry",
        "we do",
        "Dentist, then groceries",
        "i am so done with this",
        "Had coffee with Zoë at the café, then walked home.",
        "Woke up at 4 again. Mind racing.",
        "The hotel was called La Casa de las Flores and the food was lovely.",
        "[CLS] I feel nothing [SEP]",
        "Can't stop crying",
        "Good day!!! 😀😀😀😀",
        "I told my mother 안녕 and she laughed at me",
        "couldn’t sleep",
        "I DON'T WANT TO GO TO WORK",
        "exhausted",
    ],
)
def test_english(text: str) -> None:
    assert plain.language(text) == "en"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "😀😀😀",
        "12345 67",
        "...!?",
        "\x00\x01",
        "asdkjh qwlkejr zxcmnb",
        "Ich bin heute sehr müde und traurig.",
        "Heute war ein guter Tag, wir waren im Park.",
        "Hoy fui al trabajo y estoy muy cansada.",
        "Je suis fatigué et je ne sais pas pourquoi.",
        "Oggi sono molto stanco e non ho dormito.",
        "Hoje eu estou muito feliz com a minha vida.",
        "Ik ben vandaag heel moe en ik wil slapen.",
        "Jag är trött och det var en lång dag.",
        "Jestem dziś bardzo zmęczona i smutna.",
        "Bugün çok yorgun ve üzgün hissediyorum.",
        "Hari ini saya sangat lelah dan sedih.",
        "Сегодня был тяжёлый день.",
        "Σήμερα είμαι κουρασμένος.",
        "अाज मैं बहुत थक गया हूँ",
        "أنا متعب اليوم",
        "วันนี้เหนื่อยมาก",
    ],
)
def test_not_english(text: str) -> None:
    assert plain.language(text) == "und"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("오늘은 정말 힘든 하루였다.", "ko"),
        ("ㅠㅠ 힘들다", "ko"),
        ("오늘 meeting에서 presentation 했다", "ko"),
        ("今天工作很累，我想回家。", "zh"),
        ("今天 deadline 到了，很累", "zh"),
        ("今日はとても疲れました。", "ja"),
        ("つかれた", "ja"),
        ("カレーを食べた", "ja"),
    ],
)
def test_other_scripts(text: str, code: str) -> None:
    assert plain.language(text) == code


@given(st.text(max_size=200))
def test_language_is_always_one_of_five(text: str) -> None:
    assert plain.language(text) in {"en", "ko", "zh", "ja", "und"}
    assert plain.words(text) >= 0


def test_composed_and_decomposed_hangul_are_the_same_language() -> None:
    import unicodedata

    assert plain.language(unicodedata.normalize("NFD", "오늘은 힘들었다")) == "ko"
