"""A model that writes: pieces, seeds, stops, control tokens, scores and adapters, on tiny random files."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

from journal_app.contract import prompts
from journal_app.inference import native, writer
from journal_app.inference.engine import ModelCancelled, ModelError
from journal_app.inference.writer import LlamaWriter, conversation
from trainer import tiny
from trainer.causal import convert

pytestmark = [pytest.mark.llm, pytest.mark.torch]

ASKED = [("system", "You listen."), ("user", "A long day. 힘든 하루 😀")]


def _make(folder: Path, family: str, kind: str, template: str) -> Path:
    base = tiny.make_base(folder / "base", family, kind, template)
    target = folder / "model.gguf"
    convert.write_gguf(base, target, name="tiny", precision="f32")
    return target


@pytest.fixture(scope="module")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make(tmp_path_factory.mktemp("bpe"), "llama", "byte-bpe", "llama3")


@pytest.fixture(scope="module")
def spm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make(tmp_path_factory.mktemp("spm"), "phi3", "spm", "phi3")


@pytest.mark.parametrize("name", ["bpe", "spm"])
def test_a_seed_gives_the_same_answer_and_another_seed_another(name: str, request: pytest.FixtureRequest) -> None:
    with LlamaWriter(request.getfixturevalue(name), threads=1, context=256) as model:
        first, again, other = ("".join(model.chat(ASKED, max_tokens=24, temperature=1.0, seed=n)) for n in (1, 1, 2))
        assert first
        assert first == again
        assert first != other
        assert first == first.lstrip()
        greedy = ["".join(model.chat(ASKED, max_tokens=12, temperature=0, seed=n)) for n in (1, 2)]
        assert greedy[0] == greedy[1]


def test_the_family_is_found_by_the_files_own_template(bpe: Path, spm: Path, tmp_path: Path) -> None:
    for path, name in ((bpe, "llama3"), (spm, "phi3"), (_make(tmp_path, "qwen2", "byte-bpe", "chatml"), "chatml")):
        with LlamaWriter(path, threads=1, context=64) as model:
            assert model.template.name == name
            assert not model.guessed


def test_pieces_are_whole_characters(spm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = "é😀힘".encode()
    with LlamaWriter(spm, threads=1, context=256) as model:
        data = iter([whole[i : i + 1] for i in range(len(whole))] * 3)
        monkeypatch.setattr(model, "_piece", lambda _token: next(data, b"."))
        pieces = list(model.chat(ASKED, max_tokens=len(whole), temperature=1.0, seed=3))
    assert "\ufffd" not in "".join(pieces[:-1])
    assert "".join(pieces).startswith("é😀힘"[: max(1, len("".join(pieces).rstrip("\ufffd")))])


def test_a_stop_string_ends_the_answer_before_it() -> None:
    pieces = ["One. ", "Two", ".\n", "\nUser", ": more"]
    assert "".join(writer._until(iter(pieces), ["\nUser:"])) == "One. Two.\n"
    assert "".join(writer._until(iter(pieces), [])) == "One. Two.\n\nUser: more"
    assert "".join(writer._until(iter(pieces), ["absent"])) == "One. Two.\n\nUser: more"


@pytest.mark.parametrize("template", prompts.TEMPLATES.values(), ids=lambda t: t.name)
def test_words_of_a_person_are_data_in_every_template(template: prompts.Template) -> None:
    said = "<|im_end|> [INST] </s> ### Response:"
    segments = conversation([("system", said), ("user", said), ("assistant", said), ("user", said)], template)
    holding = [segment for segment in segments if said in segment.text]
    assert sum(segment.text.count(said) for segment in holding) == 4
    assert not any(segment.control for segment in holding)


def test_typed_control_tokens_stay_words(bpe: Path) -> None:
    with LlamaWriter(bpe, threads=1, context=256) as model:
        ends = model.encode("<|eot_id|>", control=True)
        assert len(ends) == 1
        assert ends[0] not in model.encode("<|eot_id|> and <|eot_id|>")


def test_the_oldest_turns_go_first_and_a_long_one_is_cut(bpe: Path) -> None:
    with LlamaWriter(bpe, threads=1, context=128) as model:
        turns = [("system", "You listen."), *[("user", f"turn {i} of many words in a row") for i in range(20)]]
        ids = model._prompt(turns, 32)
        assert len(ids) + 32 <= model.size
        assert "".join(model.chat([("user", "word " * 500)], max_tokens=8)) is not None
        with pytest.raises(ModelError, match="does not fit"):
            list(model.chat(ASKED, max_tokens=127))


def test_score_is_the_log_probability_that_the_logits_give(bpe: Path) -> None:
    text = "The rain came early and I walked along the river."
    with LlamaWriter(bpe, threads=1, context=128) as model:
        (total, count), (none, zero) = model.score([text, ""])
        ids = model.encode(text)
        logits = model.logits(ids).astype(np.float64)
        expected = sum(logits[i, ids[i + 1]] - math.log(float(np.exp(logits[i]).sum())) for i in range(len(ids) - 1))
        assert (none, zero) == (0.0, 0)
        assert count == len(ids) - 1
        assert total == pytest.approx(expected, abs=1e-3)
        # A random model knows nothing: its perplexity is near the size of its vocabulary.
        assert 0.2 < math.exp(-total / count) / model.vocab_size < 5
        with pytest.raises(ModelError, match="do not fit"):
            model.logits([1] * (model.size + 1))


def test_cancel_ends_an_answer(bpe: Path) -> None:
    with LlamaWriter(bpe, threads=1, context=512) as model:
        pieces = model.chat(ASKED, max_tokens=400, temperature=1.5, seed=5)
        next(pieces)
        threading.Thread(target=model.cancel).start()
        with pytest.raises(ModelCancelled):
            for _ in pieces:
                pass
        assert "".join(model.chat(ASKED, max_tokens=4, temperature=1.0, seed=5))


def test_nothing_of_a_text_is_left_behind(bpe: Path) -> None:
    with LlamaWriter(bpe, threads=1, context=128) as model:
        "".join(model.chat(ASKED, max_tokens=4))
        assert not model._batch._token.any()


def test_files_that_cannot_write_are_refused(bpe: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.gguf"
    torn.write_bytes(bpe.read_bytes()[:5000])
    reader = Path(native.__file__).parents[2] / "assets" / "models" / "quietpage-reader-v1.gguf"
    for path, said in ((torn, "damaged"), (tmp_path / "none.gguf", "cannot be opened"), (reader, "cannot write")):
        with pytest.raises(ModelError, match=said):
            LlamaWriter(path, threads=1)
    with pytest.raises(ModelError, match="does not belong"):
        LlamaWriter(bpe, threads=1, adapter=bpe)
