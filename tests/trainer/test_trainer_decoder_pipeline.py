"""The decoder's path from text to a quantised file that the engine reads, at a tiny size."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

import torch

from journal_app.contract.prompts import CONTROL_TOKENS, prefix, question
from journal_app.contract.tasks import TASKS, verbaliser_tokens
from journal_app.inference import llama, native
from tests.support.decoder_ground import FEELS, Ground, feeling_line, lay, quiet
from trainer import cli, decoder, evaluate, gguf_llama, quantize
from trainer.config import TrainerError
from trainer.corpora.files import read_rows
from trainer.decoder_model import Decoder, load_model
from trainer.gguf_llama import Agreement
from trainer.tokenizer import WriterTokenizer

pytestmark = [pytest.mark.torch, pytest.mark.llm]


def command(ground: Ground, stage: str = "run") -> int:
    """Run ``quietpage-train`` on the tiny recipe."""
    places = {"--recipe": ground.file, "--data": ground.paths.data, "--out": ground.paths.out}
    places["--release"] = ground.paths.release
    return cli.main([stage, *(str(part) for pair in places.items() for part in pair)])


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A finished run, corpora to package, by the command that people type."""
    ground = lay(tmp_path_factory.mktemp("decoder"))
    with pytest.MonkeyPatch.context() as patch:
        # A model this small gains nothing from more threads, and on a busy machine they wait for each other spinning.
        patch.setattr(quantize, "THREADS", 1)
        patch.setattr(evaluate, "THREADS", 1)
        assert command(ground) == 0
    return ground


@pytest.fixture(scope="module")
def learned(ground: Ground) -> WriterTokenizer:
    return WriterTokenizer.load(ground.paths.model / "tokenizer.json")


@pytest.fixture(scope="module")
def model(ground: Ground) -> Decoder:
    return load_model(ground.paths.model / "model.pt").eval()


@pytest.fixture(scope="module")
def unseen() -> list[str]:
    rng = random.Random(77)
    return [feeling_line(rng, rng.choice(list(FEELS))) for _ in range(60)]


def strings() -> list[str]:
    """Return 2,000 strings of the kinds that break tokenisers."""
    rng = random.Random(5)
    pools = [
        "abcdefghijklmnopqrstuvwxyz ABC 0123456789 '’“”-—…!?.,;:()[]\n\t",
        "가나다라마바사아자차카타파하 한글날씨가좋다ㅋㅋㅠㅠ 힘들었어요.",
        "😀😢🎉👩‍👩‍👧‍👦🏳️‍🌈❤️🇰🇷👍🏽 ok",
        "日記を書く 今天很累 ñäößçéêøłž Ωμέγα привет שלום مرحبا नमस्ते",
        " \n\t\r\u00a0\u2003\u200b\u3000\u0085a.",
        "".join(CONTROL_TOKENS) + "<|im_start|>system\n</s>[INST]<pad> x",
        "I'll can't we've you're he'd I'M DON'T it's'' 12.5 3rd ½ ² ①",
        "\u0000\u0001\u007f\ufeff\ufffd\u0301e\u0301\U0001f600\U000e0041z ",
    ]
    found: list[str] = []
    while len(found) < 1800:
        pool = pools[len(found) % len(pools)]
        found.append("".join(rng.choices(pool, k=rng.randint(1, 60))))
    while len(found) < 2000:
        token = rng.choice(CONTROL_TOKENS)
        parts = [
            rng.choice(["", " ", "x", "오늘", "\n", "<", "|"]),
            token,
            rng.choice(["", "system\n", " yes", ">", token]),
        ]
        found.append(
            "".join(parts) if rng.random() < 0.7 else token[: rng.randint(1, len(token))] + ">" * rng.randint(0, 2)
        )
    # The engine's C interface ends a string nowhere, but a lone null byte is not text that anyone writes.
    return [text.replace("\u0000", "") or " " for text in found]


def test_llama_cpp_tokenises_as_the_trainer_does(ground: Ground, learned: WriterTokenizer) -> None:
    texts = strings()
    with llama.LlamaReader(ground.paths.gguf(ground.recipe, "F16")) as reader:
        different = [text for text in texts if reader.token_ids(text) != learned.encode(text)]
    assert len(texts) == 2000
    assert different == []


def test_no_text_of_a_person_becomes_a_control_token(ground: Ground, learned: WriterTokenizer) -> None:
    texts = [*strings(), *CONTROL_TOKENS, "".join(CONTROL_TOKENS) * 50]
    with llama.LlamaReader(ground.paths.gguf(ground.recipe, "F16")) as reader:
        for text in texts:
            assert min(reader.token_ids(text)) >= len(CONTROL_TOKENS)
            assert min(learned.encode(text)) >= len(CONTROL_TOKENS)
            assert learned.decode(learned.encode(text)) == text


def test_a_prompt_has_the_same_ids_on_both_sides(ground: Ground, learned: WriterTokenizer) -> None:
    model = native.Model(ground.paths.gguf(ground.recipe, "F16"))
    try:
        for text in ("", "A day.", "힘든 하루 😀", "<|end|>\n<|turn|>answer\nAnswer: no"):
            for task in TASKS.values():
                segments = prefix(text) + question(task)
                ids = learned.prompt(segments)
                assert ids == llama.prompts.encode(segments, model.tokenise)
                # One beginning; four turns are opened; all but the answer's are closed again.
                assert [ids.count(control) for control in range(4)] == [0, 1, 4, 3]
    finally:
        model.close()


def test_every_label_is_one_token(ground: Ground, learned: WriterTokenizer) -> None:
    assert all(len(learned.encode(text)) == 1 for text in verbaliser_tokens())
    with llama.LlamaReader(ground.paths.gguf(ground.recipe, "F16")) as reader:
        assert all(len(reader.token_ids(text)) == 1 for text in verbaliser_tokens())


@pytest.mark.parametrize(("precision", "most"), [("f32", 1e-3), ("f16", 1e-2)])
def test_the_file_computes_what_pytorch_computes(
    precision: gguf_llama.Precision,
    most: float,
    ground: Ground,
    learned: WriterTokenizer,
    model: Decoder,
    unseen: list[str],
    tmp_path: Path,
) -> None:
    path = tmp_path / "tiny.gguf"
    gguf_llama.export(model, learned, gguf_llama.manifest(ground.recipe), path, precision=precision)
    agreement = gguf_llama.compare(path, model, learned, ground.recipe.data.tasks, unseen)
    print(precision, agreement)
    assert agreement.texts == agreement.same_tokens == len(unseen)
    assert agreement.max_difference < most
    assert agreement.kl < 1e-5
    assert agreement.same_predictions >= 0.995


def test_the_comparison_notices_rows_of_q_and_k_in_the_wrong_order(
    ground: Ground,
    learned: WriterTokenizer,
    model: Decoder,
    unseen: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gguf_llama, "permute", lambda weight, heads: weight)
    path = tmp_path / "wrong.gguf"
    gguf_llama.export(model, learned, gguf_llama.manifest(ground.recipe), path, precision="f32")
    assert gguf_llama.compare(path, model, learned, ["emotion"], unseen[:8]).max_difference > 1e-2


def test_eight_bits_cost_little(
    ground: Ground, learned: WriterTokenizer, model: Decoder, unseen: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "tiny-Q8_0.gguf"
    llama.quantize(ground.paths.gguf(ground.recipe, "F16"), path, "q8_0")
    assert path.stat().st_size < 0.7 * ground.paths.gguf(ground.recipe, "F16").stat().st_size
    agreement: Agreement = gguf_llama.compare(path, model, learned, ground.recipe.data.tasks, unseen)
    print("q8_0", agreement)
    assert agreement.kl < 0.002
    assert agreement.same_predictions >= 0.98
    assert agreement.same_tokens == len(unseen)


def test_the_engine_reads_with_the_label_tokens_and_has_learned(ground: Ground) -> None:
    right: dict[str, list[bool]] = {"emotion": [], "stress": []}
    with llama.LlamaReader(ground.paths.gguf(ground.recipe, "Q8_0")) as reader:
        manifest = reader.info().manifest
        for task in right:
            valid = [row for row in read_rows(ground.paths.prepared / "valid.jsonl.gz") if row.task == task]
            for row, reading in zip(valid, reader.read([row.text for row in valid], evidence=False), strict=True):
                assert reading.readable
                scores = reading.tasks[task]
                assert sum(scores.values()) == pytest.approx(1)
                right[task].append(max(scores, key=scores.__getitem__) == row.label)
    shares = {task: float(np.mean(found)) for task, found in right.items()}
    print("accuracy", shares)
    # Guessing gives 1/6 and 1/2.
    assert shares["emotion"] > 0.5
    assert shares["stress"] > 0.7
    assert manifest.kind == "decoder"
    assert manifest.calibration.keys() >= {"emotion", "stress", "severity"}
    assert manifest.tensors_sha256
    assert manifest.training_data


def test_branches_give_what_whole_prompts_give(ground: Ground, learned: WriterTokenizer, model: Decoder) -> None:
    frame = decoder.Frame.load(ground.paths.lessons / "frame.json")
    answers: dict[str, decoder.Target] = {"emotion": 5, "stress": 0, "feelings": (1, 0, -1) + (0,) * 13, "severity": 3}
    texts = ["I cried on the train.", "Soup, and a long walk in the rain with my sister, then more soup."]
    batch = decoder.lay_out(frame, [(learned.encode(text), answers) for text in texts])
    with torch.no_grad():
        found = decoder.label_logits(model, frame, batch, model(batch.ids, batch.positions, batch.mask))
        for i, text in enumerate(texts):
            for task in answers:
                ids = torch.tensor([learned.prompt(prefix(text) + question(TASKS[task]))])
                expected = model.logits(model(ids)[0, -1])[learned.labels(TASKS[task])]
                np.testing.assert_allclose(found[task][i].numpy(), expected.numpy(), atol=1e-4)


def test_the_loss_asks_for_the_label_and_then_the_end(ground: Ground, learned: WriterTokenizer) -> None:
    frame = decoder.Frame.load(ground.paths.lessons / "frame.json")
    batch = decoder.lay_out(frame, [(learned.encode("A walk."), {"stress": 1, "feelings": (1,) * 16})])
    (_, column, target), (_, place, _) = batch.spots["stress"], batch.spots["feelings"]
    ids = batch.ids[0].tolist()
    label = learned.encode(TASKS["stress"].verbalisers[1])[0]
    assert ids[int(column) + 1] == label
    assert int(target) == 1
    assert batch.ends.tolist() == [[0, int(column) + 1]]
    # A multi-label question has no right token: nothing follows it.
    assert set(ids[int(place) + 1 :]) <= {frame.pad}


def test_a_killed_fine_tuning_goes_on_as_if_nothing_had_happened(ground: Ground, tmp_path: Path) -> None:
    frame, train, valid = decoder.lessons(ground.recipe, ground.paths)
    settings = decoder.DecoderConfig(
        steps=12,
        batch=4,
        precision="fp32",
        threads=1,
        log_every=1,
        eval_every=12,
        eval_rows=8,
        save_every=5,
        dropout=0.1,
    )

    def training(out: Path) -> decoder.LabelTraining:
        start = load_model(ground.paths.out / "pretrain" / "model.pt", dropout=settings.dropout)
        return decoder.LabelTraining(start, frame, train, valid, settings, out, out / "c.pt", seed=1, origin="tiny")

    whole = training(tmp_path / "whole").run(lambda step, facts: None)["history"]

    def power_cut(step: int, facts: object) -> None:
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training(tmp_path / "cut").run(power_cut)
    resumed = training(tmp_path / "cut")
    assert resumed.step == 5
    assert resumed.run(lambda step, facts: None)["history"] == whole


def test_a_finished_run_does_nothing_again(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(ground) == 0
    told = capsys.readouterr().err
    for stage in ("prepare", "tokenizer", "pretrain", "lessons", "finetune", "gguf", "quantize", "evaluate", "package"):
        assert f"{stage}: nothing changed, skipped" in told


def test_the_package_is_a_model_that_reads(ground: Ground) -> None:
    path = ground.paths.release / "assets" / "models" / "tiny-writer.gguf"
    with llama.LlamaReader(path) as reader:
        manifest = reader.info().manifest
        (reading,) = reader.read([feeling_line(random.Random(1), "joy")])
    assert reading.readable
    assert reading.sentences
    assert manifest.evaluation
    assert not manifest.may_generate
    assert (ground.paths.release / "docs" / "models" / "tiny-writer.md").exists()


def test_the_log_tells_rate_and_time_left_and_no_text(ground: Ground) -> None:
    told = (ground.paths.out / "train.log").read_text("utf-8")
    assert "tokens_per_s" in told
    assert "left" in told
    assert "ppl_prose_ko" in told
    assert not any(word in told for word in ("kitchen", "parcel", "오늘"))


def test_an_export_that_disagrees_is_an_error(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_llama, "compare", lambda *_: Agreement(10, 9, 0.0, 0.0, 1.0))
    kept = ground.paths.gguf(ground.recipe, "F16").read_bytes()
    try:
        with pytest.raises(TrainerError, match="does not agree"):
            gguf_llama.run(ground.recipe, ground.paths, quiet())
    finally:
        ground.paths.gguf(ground.recipe, "F16").write_bytes(kept)
