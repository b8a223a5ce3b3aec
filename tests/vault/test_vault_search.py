"""Search equals a brute-force scan, in any language and for terms of any length."""

from __future__ import annotations

import random
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journal_app.vault import search, vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import Analysis, Correction, Mood, SearchFilter
from journal_app.vault.search import excerpt, fold, terms

# Letters that fold, compose or tokenise in their own ways, few enough to meet each other often.
TRICKY = list(
    "aAbBéE\u0301\u0307iIİıßẞsSσςΣſﬁ가각갂\u1100\u1161\u11a8한글"
    "漢字かがｶﾞ🌒👩\u200d🚀\u0130\ufb03ŉ\u0345ᾳΑ  \"'*-^:\n\x00\ud800\udc00\ufffd"
)
TEXTS = st.text(alphabet=st.sampled_from(TRICKY), max_size=40) | st.text(alphabet=st.characters(), max_size=15)


def brute(texts: dict[str, str], query: str) -> set[str]:
    wanted = [fold(term) for term in raw_terms(query)]
    return {key for key, text in texts.items() if wanted and all(term in fold(text) for term in wanted)}


def raw_terms(query: str) -> list[str]:
    """Split a query by hand, without the regular expression of the module."""
    found, word, inside = [], "", False
    for character in query:
        if character == '"':
            found.append(word)
            word, inside = "", not inside
        elif character.isspace() and not inside:
            found.append(word)
            word = ""
        else:
            word += character
    return [term for term in [*found, word] if fold(term)][: search.MAX_TERMS]


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("Straße", "STRASSE", True),
        ("STRASSE", "straße", True),
        ("İstanbul", "i̇stanbul", True),
        ("caf\u00e9", "CAFE\u0301", True),
        ("cafe", "café", False),
        ("\u1112\u1161\u11ab글", "한글", True),
        ("각", "가", False),
        ("비가 온다", "비", True),
        ("今天很安靜", "安靜", True),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", True),
        ("one two", "two one", True),
        ("one two", '"two one"', False),
        ("one two", '"one two"', True),
        ("one two", '"one tw', True),
        ("a\nb", '"a b"', False),
        ("anything", "", False),
        ("anything", '" ', False),
        ("a b", '" "', True),
        ('say "hi"', "hi", True),
        ("x", '""', False),
    ],
)
def test_what_matches(store, text, query, expected):
    entry = store.new_entry(text)
    assert [hit.entry_id for hit in store.search(query)] == ([entry.id] if expected else [])
    assert search.matches(text, query) == expected


@given(st.lists(TEXTS, min_size=1, max_size=6), st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_brute_force(store, texts, data):
    for old in store.entries():
        store.delete(old.id)
    store.empty_bin(days=0)
    written = {store.new_entry(text).id: text for text in texts}
    if data.draw(st.booleans()):
        with store._db.transaction():
            store._index.catch_up(data.draw(st.integers(1, 10)))
    base = data.draw(st.sampled_from(texts))
    start = data.draw(st.integers(0, max(0, len(base) - 1)))
    piece = base[start : start + data.draw(st.integers(1, 8))]
    for query in (piece, f'"{piece}"', data.draw(TEXTS), piece + " " + data.draw(TEXTS), piece.swapcase()):
        assert {hit.entry_id for hit in store.search(query)} == brute(written, query)


def random_text(generator: random.Random) -> str:
    words = []
    for _ in range(generator.randrange(1, 40)):
        script = generator.randrange(5)
        if script == 0:
            word = "".join(chr(generator.randrange(0xAC00, 0xAC00 + 600)) for _ in range(generator.randrange(1, 4)))
        elif script == 1:
            word = "".join(chr(generator.randrange(0x4E00, 0x4E00 + 300)) for _ in range(generator.randrange(1, 6)))
        elif script == 2:
            word = "".join(chr(generator.randrange(0x3041, 0x3090)) for _ in range(generator.randrange(1, 6)))
        elif script == 3:
            word = generator.choice(["🌒", "😀", "👩\u200d🚀", "Größe", "İz", "ﬁn"])
        else:
            word = "".join(generator.choice("abcdeABCDE") for _ in range(generator.randrange(1, 8)))
        words.append(word)
    text = generator.choice([" ", "", "\n"]).join(words)
    return unicodedata.normalize(generator.choice(["NFC", "NFD"]), text)


def test_equals_brute_force_through_a_busy_life(store):
    generator = random.Random(5)
    written: dict[str, str] = {}
    for step in range(600):
        if written and generator.random() < 0.4:
            entry_id = generator.choice(list(written))
            written[entry_id] = random_text(generator)
            store.save_text(entry_id, written[entry_id])
        elif written and generator.random() < 0.05:
            entry_id = generator.choice(list(written))
            store.delete(entry_id)
            del written[entry_id]
        else:
            text = random_text(generator)
            written[store.new_entry(text).id] = text
        if step % 50 == 0:
            with store._db.transaction():
                store._index.catch_up(generator.randrange(200))
    texts = list(written.values())
    for _ in range(300):
        text = generator.choice(texts)
        at = generator.randrange(len(text))
        query = text[at : at + generator.randrange(1, 6)]
        if generator.random() < 0.3:
            query += " " + generator.choice(texts)[:2]
        assert {hit.entry_id for hit in store.search(query, limit=10_000)} == brute(written, query), repr(query)
    assert store.verify().ok


def test_newest_first_and_limit(store):
    ids = [store.new_entry("same words", local_date=f"2026-01-{day:02}").id for day in (3, 1, 2)]
    assert [hit.entry_id for hit in store.search("same")] == [ids[0], ids[2], ids[1]]
    assert [hit.entry_id for hit in store.search("same", limit=1)] == [ids[0]]
    assert store.search("same", limit=0) == []


def test_a_short_term_beside_a_long_one_still_counts(store):
    store.new_entry("the therapist was kind")
    assert store.search("therapist 힣") == []
    assert len(store.search("therapist as")) == 1


def test_many_terms_and_long_terms(store):
    text = " ".join(f"word{i}" for i in range(500))
    entry = store.new_entry(text)
    with store._db.transaction():
        store._index.catch_up(10)
    assert [hit.entry_id for hit in store.search(f'"{text}"')] == [entry.id]
    assert [hit.entry_id for hit in store.search(text)] == [entry.id]
    assert store.search(f'"{text}x"') == []
    assert len(terms(text)) == search.MAX_TERMS


@given(TEXTS, TEXTS, st.data())
@settings(max_examples=300, deadline=None)
def test_snippets_show_what_matched(before, after, data):
    text = before + data.draw(TEXTS) + after
    start = data.draw(st.integers(0, max(0, len(text) - 1)))
    wanted = terms('"' + text[start : start + 5].replace('"', "") + '"')
    snippet, spans = excerpt(text, wanted)
    assert len(snippet) <= len(text)
    assert not set(snippet) & set("\r\n\x00")
    position = 0
    for low, high in spans:
        assert position <= low < high <= len(snippet)
        position = high
    if wanted and wanted[0] in fold(text):
        flat = search._one_line(text)
        assert snippet in flat
        if wanted[0].isalnum():
            assert any(
                wanted[0] in fold(snippet[low:high]) or fold(snippet[low:high]) in wanted[0] for low, high in spans
            )


def test_snippet_of_a_long_text():
    text = "x\n" * 3000 + "Größe " + "y" * 5000
    snippet, spans = excerpt(text, terms("GRÖSSE"))
    assert len(snippet) <= search.BEFORE + search.AFTER + 2
    assert [snippet[low:high] for low, high in spans] == ["Größe"]


def test_another_unicode_version_makes_the_index_again(folder, monkeypatch):
    made, _ = vault.create(folder, "p", kdf=KdfParams.fast())
    with made:
        store = made.store()
        store.new_entry("Lantern light")
        store._db.rows("UPDATE meta SET value = '1:0.0' WHERE key = 'fold'")
        store._db.rows("UPDATE search_text SET folded = x'00'")
    with vault.unlock(folder, "p") as again:
        store = again.store()
        assert len(store.search("lantern")) == 1
        assert store.verify().ok


# snippets, whichever way they are cut ------------------------------------------------------


@given(TEXTS, st.data())
@settings(max_examples=400, deadline=None)
def test_the_quick_way_to_a_snippet_marks_what_the_slow_way_marks(text, data):
    text = search._one_line(text)
    start = data.draw(st.integers(0, max(0, len(text) - 1)))
    wanted = terms(f'"{text[start : start + 3]}" {data.draw(TEXTS)[:2]}')
    snippet, spans = excerpt(text, wanted)
    if any(term in fold(text) for term in wanted):
        assert spans == search._spans(snippet, wanted)


@pytest.mark.parametrize(
    "middle", ["Größe", "caf\u00e9", "cafe\u0301", "\u1112\u1161\u11ab글", "İstanbul", "ﬁn", "가각갂"]
)
@pytest.mark.parametrize(
    "before", ["", "plain words ", "ß" * 90, "e\u0301" * 90, "한" * 3000, "ﬃ" * 700 + " ", "🌒\u0301" * 50]
)
def test_a_snippet_is_around_the_match_whatever_folds_before_it(before, middle):
    text = before + middle + " and after " * 40
    for wanted in (terms(middle.upper()), terms("AFTER")):
        snippet, spans = excerpt(text, wanted)
        assert wanted[0] in fold(snippet)
        assert {fold(snippet[low:high]) for low, high in spans} == set(wanted)
        assert len(snippet) <= search.BEFORE + search.AFTER + 4


def canonical(text: str) -> str:
    """Fold as the definition says (Unicode 3.13, D145), without any short cut."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def test_every_character_folds_by_the_definition():
    for code in range(0x110000):
        character = chr(code)
        assert fold(character) == canonical(character), hex(code)
        assert "\u0345" not in unicodedata.normalize("NFD", character) or search._IOTA_BELOW.match(character)


@given(st.text(max_size=12) | st.text(alphabet=st.characters(categories=["Lu", "Lt", "Mn", "Lo"]), max_size=8) | TEXTS)
@settings(max_examples=600, deadline=None)
def test_texts_fold_by_the_definition(text):
    assert fold(text) == canonical(text)


# short words ------------------------------------------------------------------------------


@given(st.lists(TEXTS, min_size=1, max_size=8), st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_short_terms_are_exact_from_the_index_alone(store, texts, data):
    for old in store.entries():
        store.delete(old.id)
    store.empty_bin(days=0)
    written = {store.new_entry(text).id: text for text in texts}
    with store._db.transaction():
        store._index.catch_up(100)
    assert store._index.fresh_count() == 0
    alphabet = sorted({c for text in texts for c in fold(text) if c != '"'} | set("a가漢"))
    for size in (1, 2, 3):
        term = "".join(data.draw(st.lists(st.sampled_from(alphabet), min_size=size, max_size=size)))
        assert {hit.entry_id for hit in store.search(f'"{term}"')} == brute(written, f'"{term}"'), ascii(term)


ODD = ["\ud800", "\udfff", "\U0010fe20", "\U0010fe41", "\U0010fe80", "\U0010fe81", "\ufffd", "\uffff"]


@pytest.mark.parametrize("character", [*ODD, "\x00", "\x1f", " ", "*", "A", "İ"], ids=ascii)
def test_characters_that_the_index_writes_otherwise_find_only_themselves(store, character):
    others = ["\ud801", "\U0010fe00", "\U0010fe7f", "\U0010fe20", "x", "*", " ", "\x00", "\ufffd"]
    written = {store.new_entry(f"ab{one}cd").id: f"ab{one}cd" for one in [character, *others]}
    with store._db.transaction():
        store._index.catch_up(100)
    for query in (f'"{character}"', f'"b{character}"', f'"b{character}c"', f'"ab{character}cd"'):
        assert {hit.entry_id for hit in store.search(query)} == brute(written, query), ascii(query)


# filters ----------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n"
FEELINGS = ("joy", "sadness", 'so "so"', "슬픔", "calm_joy")
TAGS = ("sea", "sea walk", "가족", "SEA")


@dataclass
class Known:
    """An entry as a filter may ask for it, kept in plain Python."""

    text: str
    day: str
    order: tuple[str, str, int]
    tags: tuple[str, ...]
    valence: int | None
    found: set[str]
    verdicts: dict[str, str]
    image: bool = False
    marked: bool = False
    gone: bool = False

    def passes(self, only: SearchFilter) -> bool:
        felt = (self.found | {name for name, said in self.verdicts.items() if said == "add"}) - {
            name for name, said in self.verdicts.items() if said == "remove"
        }
        return (
            not self.gone
            and (not only.start or self.day >= only.start)
            and (not only.end or self.day <= only.end)
            and all(tag in self.tags for tag in only.tags)
            and (not only.feeling or only.feeling in felt)
            and (only.valence is None or self.valence in range(only.valence[0], only.valence[1] + 1))
            and (self.image or not only.has_image)
            and (self.marked or not only.for_therapist)
        )


def reading(entry_id: str, revision: int, feelings: list[str]) -> Analysis:
    return Analysis(
        entry_id, revision, "m", "0" * 64, 1, True, "en", {}, "none", "none", "none", feelings=tuple(feelings)
    )


def filled(store, generator: random.Random, size: int) -> dict[str, Known]:
    known: dict[str, Known] = {}
    for number in range(size):
        text = random_text(generator)
        day, moment = f"2026-0{generator.randrange(1, 4)}-1{generator.randrange(4)}", f"0{generator.randrange(3)}:00:00"
        tags = tuple(generator.sample(TAGS, generator.randrange(3)))
        valence = generator.choice([None, 1, 2, 3, 4, 5])
        entry = store.new_entry(
            text, local_date=day, local_time=moment, tags=tags, mood=Mood(valence) if valence else None
        )
        made = known[entry.id] = Known(text, day, (day, moment, number), tags, valence, set(), {})
        if generator.random() < 0.7:
            # Read twice at times: only the last reading counts.
            for _ in range(generator.randrange(1, 3)):
                made.found = set(generator.sample(FEELINGS, generator.randrange(4)))
                assert store.save_analysis(reading(entry.id, 1, sorted(made.found)))
        for label in generator.sample(FEELINGS, generator.choice([0, 0, 1, 2])):
            made.verdicts[label] = generator.choice(["add", "remove", "accept"])
            store.save_correction(Correction(entry.id, "feelings", label, made.verdicts[label]))
        store.save_correction(Correction(entry.id, "stress", "joy", "add"))  # another task's words are not feelings
        if generator.random() < 0.3:
            store.add_image(entry.id, PNG)
            made.image = True
        if generator.random() < 0.3:
            store.set_flags(entry.id, for_therapist=True)
            made.marked = True
        if generator.random() < 0.1:
            store.delete(entry.id)
            made.gone = True
    return known


def some_filter(generator: random.Random) -> SearchFilter:
    def perhaps(value: Any, otherwise: Any) -> Any:
        return value if generator.random() < 0.3 else otherwise

    low = generator.randrange(1, 6)
    return SearchFilter(
        start=perhaps(f"2026-0{generator.randrange(1, 4)}-12", ""),
        end=perhaps(f"2026-0{generator.randrange(1, 4)}-11", ""),
        tags=perhaps(tuple(generator.sample(TAGS, generator.randrange(1, 3))), ()),
        feeling=perhaps(generator.choice([*FEELINGS, "joy_", "absent", "\ud800"]), ""),
        valence=perhaps((low, generator.randrange(low, 6)), None),
        has_image=perhaps(True, False),
        for_therapist=perhaps(True, False),
    )


@pytest.mark.parametrize("few", [0, 10_000], ids=["walked", "looked up"])
def test_filters_equal_a_filter_in_python(store, monkeypatch, few):
    monkeypatch.setattr(search, "FEW", few)
    generator = random.Random(21)
    known = filled(store, generator, 250)
    with store._db.transaction():
        store._index.catch_up(180)
    texts = [item.text for item in known.values()]
    passed = 0
    for _ in range(400):
        only, text = some_filter(generator), generator.choice(texts)
        at = generator.randrange(len(text))
        query = generator.choice(["", f'"{text[at : at + generator.randrange(1, 5)]}"'])
        found = brute({key: item.text for key, item in known.items()}, query) if terms(query) else set(known)
        expected = sorted(
            (key for key in found if known[key].passes(only)), key=lambda key: known[key].order, reverse=True
        )
        hits = store.search(query, limit=1000, only=only)
        assert [hit.entry_id for hit in hits] == expected, (query, only)
        assert [hit.local_date for hit in hits] == [known[key].day for key in expected]
        assert [hit.entry_id for hit in store.search(query, limit=3, only=only)] == expected[:3]
        passed += bool(expected)
    assert passed > 100


def test_an_empty_query_with_a_filter_shows_how_entries_begin(store):
    old = store.new_entry("First line\nand the next " + "x" * 500, local_date="2026-01-01")
    new = store.new_entry("Later", local_date="2026-01-02")
    assert [hit.entry_id for hit in store.search("", only=SearchFilter())] == [new.id, old.id]
    (hit,) = store.search(' "" ', only=SearchFilter(end="2026-01-01"))
    assert hit.snippet.startswith("First line and the next xxx")
    assert (len(hit.snippet), hit.spans) == (search.BEFORE + search.AFTER, ())
    assert store.search("", only=SearchFilter(), limit=0) == []
    assert store.search("") == []


# what is touched --------------------------------------------------------------------------


def plans(store, ask) -> list[list[str]]:
    """Return the query plans of every statement that ``ask`` runs."""
    seen: list[list[str]] = []
    plain = store._db.rows

    def rows(sql: str, values: Any = ()) -> Any:
        if sql.startswith("SELECT"):
            seen.append([row[3] for row in plain(f"EXPLAIN QUERY PLAN {sql}", values)])
        return plain(sql, values)

    store._db.rows = rows
    try:
        ask()
    finally:
        del store._db.rows
    return seen


def test_lists_and_searches_do_not_walk_the_rows_of_entries(store, monkeypatch):
    monkeypatch.setattr(search, "FEW", 0)
    entry = store.new_entry("some words to find", tags=["sea"], mood=Mood(3))
    store.save_analysis(reading(entry.id, 1, ["joy"]))
    everything = SearchFilter("2026-01-01", "2026-12-31", ("sea",), "joy", (1, 5), True, True)
    for ask in (
        lambda: store.search("words"),
        lambda: store.search("wo find", only=everything),
        lambda: store.search("", only=everything),
        lambda: store.entries(limit=5),
        lambda: store.entries(deleted=True),
        lambda: store.days(),
        store.all_tags,
        lambda: store.pending(1),
    ):
        for plan in plans(store, ask):
            for step in plan:
                walked = step.removeprefix("SCAN ")
                assert walked not in ("e", "entry", "analysis", "s", "search_text", "t", "tag"), plan
                assert "entry_when" not in step, plan
                assert "SCAN analysis" not in step or "COVERING INDEX analysis_feelings" in step, plan


# filling the index ------------------------------------------------------------------------


def test_idle_steps_fill_the_index_and_leave_the_newest(store):
    written = {store.new_entry(text).id: text for text in [f"entry number {n} 비가" for n in range(10)]}
    with store._db.transaction():
        store._index.rebuild()
    for n in range(60):
        text = f"later entry {n} 안녕"
        written[store.new_entry(text).id] = text
    with store._db.transaction():
        store._index.rebuild()
    assert store._index.fresh_count() == 70
    steps = 0
    while moved := store.catch_up(8):
        assert moved <= 8
        steps += 1
        assert {hit.entry_id for hit in store.search("비", limit=100)} == brute(written, "비")
    assert steps == 7
    fresh = {row[0] for row in store._db.rows("SELECT entry FROM search_fresh")}
    assert fresh == set(range(55, 71))
    assert store.catch_up() == 0
    assert store.verify().ok


def test_a_change_of_an_indexed_entry_is_found_at_once_and_the_old_words_are_gone(store):
    entry = store.new_entry("비 old words")
    for round_number in range(5):
        with store._db.transaction():
            store._index.catch_up(10)
        assert len(store.search("비")) == 1
        store.save_text(entry.id, f"눈 new words {round_number}")
        assert store.search("비") == store.search("old") == []
        assert len(store.search("눈")) == 1
        with store._db.transaction():
            store._index.catch_up(10)
        assert store.search("비") == store.search("old") == []
        assert len(store.search("눈")) == 1
        store.save_text(entry.id, "비 old words")
    assert store.verify().ok


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM search_grams WHERE rowid = 2",
        "INSERT INTO search_grams(rowid, grams) VALUES(99, 'x')",
        "INSERT INTO search_fresh(entry) VALUES(99)",
        "INSERT INTO search_fresh(entry) VALUES(2)",
        "DELETE FROM search_fresh WHERE entry = 3",
        "DELETE FROM search_text WHERE entry = 1",
        "UPDATE search_text SET folded = x'41' WHERE entry = 2",
    ],
)
def test_a_check_sees_every_entry_that_the_index_does_not_answer_for(store, damage):
    for n in range(3):
        store.new_entry(f"text {n}")
    with store._db.transaction():
        store._index.catch_up(2)
    assert store.verify().problems == ()
    store._db.rows(damage)
    assert any("search" in problem for problem in store.verify().problems)


@pytest.mark.parametrize("version", [1, 2])
def test_journals_of_earlier_versions_are_searched_at_once_and_indexed_in_time(tmp_path, version):
    files = Path(__file__).resolve().parent.parent / "files"
    shutil.copytree(files / f"vault-v{version}", tmp_path / "old")
    with vault.unlock(tmp_path / "old", "a fixture passphrase") as opened:
        store = opened.store()
        count = len(store.entries())
        assert store._index.fresh_count() == len(store._db.rows("SELECT n FROM entry"))
        written = {entry.id: entry.text for entry in store.entries()}
        queries = {text[at : at + size] for text in written.values() for at in (0, 7, 20) for size in (1, 2, 4)}
        for _ in range(2):
            for query in queries:
                assert {hit.entry_id for hit in store.search(query)} == brute(written, query), query
            with store._db.transaction():
                store._index.catch_up(100)
            assert store._index.fresh_count() == 0
        assert count >= 3
        assert store.verify().ok
