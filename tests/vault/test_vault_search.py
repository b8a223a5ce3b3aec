"""Search equals a brute-force scan, in any language and for terms of any length."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journal_app.vault import search
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
    from journal_app.vault import vault
    from journal_app.vault.keys import KdfParams

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
