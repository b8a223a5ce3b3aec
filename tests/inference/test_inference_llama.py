"""The readers over llama.cpp itself, on tiny random models."""

from __future__ import annotations

import array
import math
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gguf", reason="writing tiny models needs the gguf package")

from journal_app.contract import prompts
from journal_app.contract.manifest import Calibration, Head
from journal_app.contract.tasks import TASKS
from journal_app.inference import llama, machine, scoring
from journal_app.inference import text as plain
from journal_app.inference.engine import ModelCancelled, ModelCrashed, ModelError
from journal_app.inference.llama import LlamaReader
from journal_app.inference.process import ModelProcess
from tests.support import tiny_gguf
from tests.support.look_alikes import LOOK_ALIKES

pytestmark = pytest.mark.llm

DAY = "I was tired today. Work was cold and late. My mother is home again, and I feel alone!"


@pytest.fixture(scope="module")
def encoder(encoder_file: Path):
    with LlamaReader(encoder_file, threads=1) as reader:
        yield reader


@pytest.fixture(scope="module")
def decoder(decoder_file: Path):
    with LlamaReader(decoder_file, threads=1) as reader:
        yield reader


# --- encoder ---------------------------------------------------------------------------------


def test_the_vector_for_similar_entries_goes_through_its_own_map(tmp_path: Path, encoder: LlamaReader) -> None:
    texts = [DAY, "Rain. The garden was quiet, so I read until it was late."]
    width = tiny_gguf.WIDTH
    rng = np.random.default_rng(4)
    weight, bias = rng.normal(size=(width, width)).astype(np.float32), rng.normal(size=width).astype(np.float32)
    manifest = tiny_gguf.encoder_manifest()
    heads = tiny_gguf.encoder_heads(manifest)
    heads["vector"] = Head(array.array("f", weight.ravel().tolist()), array.array("f", bias.tolist()))
    path = tiny_gguf.write_encoder(tmp_path / "mapped.gguf", manifest=manifest, heads=heads)
    with LlamaReader(path, threads=1) as reader:
        pooled = reader.embed(texts)
        mapped = pooled @ weight.T + bias
        mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
        assert np.abs(reader.vectors(texts) - mapped).max() < 1e-5
        assert np.abs(np.array(reader.read([DAY])[0].vector) - mapped[0]).max() < 1e-5
        assert reader.logits([DAY])[0].keys() == manifest.tasks.keys(), "the map is no task"
    bare = encoder.embed(texts)
    bare /= np.linalg.norm(bare, axis=1, keepdims=True)
    assert np.abs(encoder.vectors(texts) - bare).max() < 1e-5, "a model without the map keeps its embedding"


def test_a_map_of_the_wrong_size_is_refused(tmp_path: Path) -> None:
    heads = tiny_gguf.encoder_heads(tiny_gguf.encoder_manifest())
    heads["vector"] = Head(array.array("f", [1.0] * 4), array.array("f", [0.0] * 2))
    path = tiny_gguf.write_encoder(tmp_path / "wrong.gguf", heads=heads)
    with pytest.raises(ModelError, match="head of vector"):
        LlamaReader(path, threads=1)


def bert(ids: list[int]) -> np.ndarray:
    """The tiny BERT in numpy: the mean of the last layer's outputs."""
    w = tiny_gguf.encoder_weights()

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["token_embd.weight"][ids] + w["position_embd.weight"][: len(ids)] + w["token_types.weight"][0]
    x = norm(x, "token_embd_norm")
    size = tiny_gguf.WIDTH // tiny_gguf.HEADS
    for layer in range(tiny_gguf.LAYERS):
        block = f"blk.{layer}."
        q, k, v = (
            dense(x, block + n).reshape(len(ids), -1, size).swapaxes(0, 1) for n in ("attn_q", "attn_k", "attn_v")
        )
        attention = np.exp(q @ k.swapaxes(1, 2) / math.sqrt(size))
        attention /= attention.sum(-1, keepdims=True)
        joined = (attention @ v).swapaxes(0, 1).reshape(len(ids), -1)
        x = norm(dense(joined, block + "attn_output") + x, block + "attn_output_norm")
        up = dense(x, block + "ffn_up")
        gelu = up * 0.5 * (1 + np.vectorize(math.erf)(up / math.sqrt(2)))
        x = norm(dense(gelu, block + "ffn_down") + x, block + "layer_output_norm")
    return x.mean(0)


@pytest.mark.parametrize("text", ["I am sad.", "오늘 비", DAY, "a", ""])
def test_embedding_and_logits_are_those_of_the_network(encoder: LlamaReader, text: str) -> None:
    pieces = tiny_gguf.vocabulary()
    ids = [pieces.index("[CLS]"), *encoder.token_ids(text), pieces.index("[SEP]")]
    expected = bert(ids)
    got = encoder.embed([text])[0]
    assert np.abs(got - expected).max() < 5e-3
    assert abs(np.linalg.norm(got) - 1) > 0.1, "the heads want the vector as it is, not normalised"
    heads = tiny_gguf.encoder_heads(tiny_gguf.encoder_manifest())
    logits = encoder.logits([text])[0]
    for task, head in heads.items():
        weight = np.array(head.weight, dtype=np.float32).reshape(len(head.bias), -1)
        assert logits[task] == pytest.approx(weight @ got + np.array(head.bias), abs=1e-4)


def test_reading_holds_calibrated_probabilities_for_every_task(encoder: LlamaReader) -> None:
    reading = encoder.read([DAY])[0]
    manifest = encoder.info().manifest
    assert reading.readable
    assert reading.language == "en"
    assert reading.words == plain.words(DAY)
    assert reading.tokens == len(encoder.token_ids(DAY)) + 2
    assert reading.seconds > 0
    assert list(reading.tasks) == [task for task in TASKS if task in manifest.tasks]
    raw = encoder.logits([DAY])[0]
    for task, labels in manifest.tasks.items():
        expected = scoring.probabilities(task, raw[task], manifest.calibration[task])
        assert list(reading.tasks[task]) == list(labels)
        assert list(reading.tasks[task].values()) == pytest.approx(expected, abs=1e-4)
        if TASKS[task].kind != "multilabel":
            assert sum(reading.tasks[task].values()) == pytest.approx(1.0)
    assert math.hypot(*reading.vector) == pytest.approx(1.0)


def test_evidence_is_every_sentence_scored_by_itself(encoder: LlamaReader) -> None:
    reading = encoder.read([DAY])[0]
    assert [(s.start, s.end) for s in reading.sentences] == plain.sentences(DAY)
    for sentence in reading.sentences:
        alone = encoder.read([DAY[sentence.start : sentence.end]], evidence=False)[0]
        assert alone.sentences == ()
        for task, labels in sentence.tasks.items():
            assert labels == pytest.approx(alone.tasks[task], abs=2e-3)


def test_a_text_of_one_sentence_is_its_own_evidence(encoder: LlamaReader) -> None:
    reading = encoder.read(["  I was tired today and cold."])[0]
    assert [(s.start, s.end) for s in reading.sentences] == [(2, 29)]
    assert reading.sentences[0].tasks == reading.tasks


def test_a_sentence_in_another_script_is_no_evidence(encoder: LlamaReader) -> None:
    text = "I was tired today. 오늘은 힘들었다. Work was cold and late."
    reading = encoder.read([text])[0]
    assert [text[s.start : s.end] for s in reading.sentences] == ["I was tired today.", "Work was cold and late."]


def test_texts_read_together_and_alone_agree(encoder: LlamaReader) -> None:
    texts = [DAY, "", "I am sad.", "Ich bin heute nicht da und müde.", DAY * 9, "work"] * 4
    together = encoder.read(texts)
    assert [r.readable for r in together[:6]] == [True, False, True, False, True, True]
    for text, reading in zip(texts[:6], together[:6], strict=True):
        alone = encoder.read([text])[0]
        assert (alone.readable, alone.language, alone.tokens) == (reading.readable, reading.language, reading.tokens)
        assert alone.tasks == reading.tasks, "not a bit may depend on what else is read"
        assert alone.tasks == encoder.read([text], evidence=False)[0].tasks


@pytest.mark.parametrize("text", ["", "  \n", "😀😀", "오늘은 힘들었다.", "Je suis fatigué et triste.", "\x00", "…"])
def test_what_the_model_does_not_read_gets_no_tags(encoder: LlamaReader, text: str) -> None:
    reading = encoder.read([text])[0]
    assert not reading.readable
    assert reading.tasks == {}
    assert reading.sentences == ()
    assert reading.vector == ()


def test_a_long_text_joins_its_windows_as_each_task_does(encoder: LlamaReader) -> None:
    text = " ".join(f"{DAY} I was not sad, day {i}." for i in range(12))
    windows = windows_of(encoder, text)
    assert len(windows) > 3
    assert all(len(encoder.token_ids(window)) <= 62 for window in windows)
    apart = [encoder.read([window], evidence=False)[0] for window in windows]
    whole = encoder.read([text], evidence=False)[0]
    for task, labels in whole.tasks.items():
        rows = np.array([list(r.tasks[task].values()) for r in apart])
        assert list(labels.values()) == pytest.approx(scoring.combine(task, rows), abs=2e-3)
    mean = np.mean([r.vector for r in apart], axis=0)
    assert np.dot(mean / np.linalg.norm(mean), whole.vector) > 0.999


def windows_of(reader: LlamaReader, text: str) -> list[str]:
    """The windows that the reader makes, from the outside: sentences packed to 62 pieces."""
    spans = plain.sentences(text)
    sizes = [len(reader.token_ids(text[a:b])) for a, b in spans]
    return [text[spans[a][0] : spans[b - 1][1]] for a, b in scoring.pack(sizes, 62)]


def test_a_sentence_longer_than_the_window_is_read_whole(encoder: LlamaReader) -> None:
    text = "i was sad and " * 100
    reading = encoder.read([text])[0]
    inside = len(encoder.token_ids(text))
    assert reading.tokens - inside == 2 * math.ceil(inside / 62)
    assert len(reading.sentences) == 1


def test_evidence_of_a_very_long_text_is_capped(encoder: LlamaReader) -> None:
    text = "I am sad. " * 450
    reading = encoder.read([text])[0]
    assert len(reading.sentences) == llama.MAX_SENTENCES
    assert reading.sentences[0].start == 0
    assert reading.sentences[-1].end == len(text.rstrip())


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_typed_control_tokens_stay_text_in_the_encoder(encoder: LlamaReader, text: str) -> None:
    pieces = tiny_gguf.vocabulary()
    special = {pieces.index(p) for p in tiny_gguf.CONTROL_PIECES} - {pieces.index("[UNK]")}
    assert not special & set(encoder.token_ids(text))
    encoder.read([f"I am here. {text}"])


def test_no_texts_give_nothing(encoder: LlamaReader, decoder: LlamaReader) -> None:
    assert encoder.read([]) == encoder.logits([]) == decoder.read([]) == []
    assert encoder.embed([]).shape == (0, tiny_gguf.WIDTH)


def test_truncated_logits_are_those_of_the_first_window(encoder: LlamaReader) -> None:
    text = "i was tired and cold " * 40
    cut = encoder.logits([text])[0]
    whole = encoder.logits([text], truncate=False)[0]
    assert any(np.abs(cut[task] - whole[task]).max() > 1e-3 for task in cut)
    first = encoder.logits([" ".join(text.split()[:62])])[0]
    assert cut["emotion"] == pytest.approx(first["emotion"], abs=1e-3)
    assert cut["emotion"].dtype == np.float32


def test_whole_logits_are_of_the_windows_that_a_reading_takes(encoder: LlamaReader) -> None:
    text = "I was tired and cold. " * 12 + "Work was home. " * 14 + "My mother is late and alone! " * 9
    whole = encoder.logits([text], truncate=False)[0]
    manifest = encoder.info().manifest
    reading = encoder.read([text], evidence=False)[0]
    calibration = manifest.calibration.get("stress")
    stress = scoring.probabilities("stress", whole["stress"], calibration)
    assert stress == pytest.approx([reading.tasks["stress"][x] for x in ("yes", "no")], abs=1e-5)


def test_quantised_file_reads_nearly_the_same_and_keeps_its_manifest(encoder_file: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.gguf"
    llama.quantize(encoder_file, small, "q8_0")
    assert small.stat().st_size < 0.6 * encoder_file.stat().st_size
    assert llama.describe(small).manifest == llama.describe(encoder_file).manifest
    with LlamaReader(encoder_file) as full, LlamaReader(small) as quantised:
        a, b = full.embed([DAY])[0], quantised.embed([DAY])[0]
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.999


def test_unknown_quantisation_is_refused(encoder_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="q8_0"):
        llama.quantize(encoder_file, tmp_path / "x.gguf", "q1")
    assert not (tmp_path / "x.gguf").exists()


def test_cancel_from_another_thread_stops_the_call_and_the_next_one_works(encoder: LlamaReader) -> None:
    text = DAY * 4000
    threading.Timer(0.3, encoder.cancel).start()
    began = time.perf_counter()
    with pytest.raises(ModelCancelled) as error:
        encoder.read([text] * 50)
    assert time.perf_counter() - began < 10
    assert "tired" not in str(error.value)
    assert encoder.read([DAY])[0].readable


def test_cancel_without_a_call_is_harmless(encoder: LlamaReader) -> None:
    encoder.cancel()
    assert encoder.read([DAY])[0].readable


def test_closing_twice_and_using_a_closed_reader(encoder_file: Path) -> None:
    reader = LlamaReader(encoder_file)
    reader.close()
    reader.close()
    with pytest.raises(ModelError, match="closed"):
        reader.read([DAY])
    with pytest.raises(ModelError, match="closed"):
        reader.token_ids("a")


def test_nothing_of_the_text_is_left_in_the_batch(encoder_file: Path) -> None:
    with LlamaReader(encoder_file) as reader:
        reader.read([DAY])
        assert not reader._backend._batch._token.any()


def test_calls_from_several_threads_do_not_disturb_each_other(encoder: LlamaReader) -> None:
    texts = ["I am sad.", "Work was cold and late.", "My mother is home again, a quiet day."]
    expected = [encoder.read([t], evidence=False)[0].tasks["emotion"] for t in texts]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(20):
            got = encoder.read([texts[index]], evidence=False)[0].tasks["emotion"]
            if got != pytest.approx(expected[index], abs=1e-4):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- files that cannot be used -----------------------------------------------------------------


def test_info_and_describe(encoder_file: Path) -> None:
    import hashlib

    digest = hashlib.sha256(encoder_file.read_bytes()).hexdigest()
    described = llama.describe(encoder_file)
    assert described.sha256 == digest
    assert described.file == encoder_file.name
    assert described.bytes == encoder_file.stat().st_size
    assert described.manifest == tiny_gguf.encoder_manifest()
    with LlamaReader(encoder_file, sha256=digest) as reader:
        assert reader.info() == described


def test_another_checksum_is_refused_before_loading(encoder_file: Path) -> None:
    with pytest.raises(ModelError, match="damaged"):
        LlamaReader(encoder_file, sha256="0" * 64)


def test_missing_foreign_and_cut_files(encoder_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.gguf"
    other.write_bytes(b"just text")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(encoder_file.read_bytes()[:20_000])
    for path, words in ((tmp_path / "none.gguf", "cannot be opened"), (other, "not a GGUF"), (cut, "damaged")):
        with pytest.raises(ModelError, match=words) as error:
            LlamaReader(path)
        assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize(
    ("manifest", "heads", "words"),
    [
        ("", "", "says nothing"),
        ("{}", "", "malformed"),
        ("[1]", "", "malformed"),
        ("not json", "", "malformed"),
        (replace(tiny_gguf.encoder_manifest(), contract_version=99), "", "contract version 99"),
        (replace(tiny_gguf.encoder_manifest(), max_tokens=3), "", "window"),
        (
            replace(tiny_gguf.encoder_manifest(), calibration={"stress": Calibration((math.nan,))}),
            "",
            "malformed|finite",
        ),
        (tiny_gguf.encoder_manifest(), "", "no heads"),
        (tiny_gguf.encoder_manifest(), "{}", "malformed"),
        (tiny_gguf.encoder_manifest(), '{"emotion":{"weight":"AAAA","bias":"AAAA"}}', "malformed"),
        (replace(tiny_gguf.encoder_manifest(), tasks={}, calibration={}), "{}", "no task"),
        (tiny_gguf.decoder_manifest(), "", "lacks"),
    ],
)
def test_manifests_and_heads_that_do_not_fit(tmp_path: Path, manifest: object, heads: str, words: str) -> None:
    path = tiny_gguf.write_encoder(tmp_path / "odd.gguf", manifest=manifest, heads=heads)
    with pytest.raises(ModelError, match=words):
        LlamaReader(path)


def test_oversized_metadata_is_refused_unread(tmp_path: Path) -> None:
    path = tiny_gguf.write_encoder(tmp_path / "huge.gguf", manifest="{" + " " * 4_100_000 + "}", heads="")
    with pytest.raises(ModelError, match="too large"):
        LlamaReader(path)


def test_weights_that_are_not_finite_give_an_error_and_no_tags(tmp_path: Path) -> None:
    def poison(weights: tiny_gguf.Weights) -> None:
        weights["blk.0.ffn_up.weight"][:] = np.nan

    with (
        LlamaReader(tiny_gguf.write_encoder(tmp_path / "nan.gguf", change=poison)) as reader,
        pytest.raises(ModelError, match="finite"),
    ):
        reader.read([DAY])


def test_heads_and_calibrations_that_overflow_give_an_error_and_no_tags(tmp_path: Path) -> None:
    plain_manifest = tiny_gguf.encoder_manifest()
    huge = {
        name: Head(array.array("f", [3e38] * len(head.weight)), array.array("f", [3e38] * len(head.bias)))
        for name, head in tiny_gguf.encoder_heads(plain_manifest).items()
    }
    wild = {name: Calibration((1.7e308,)) for name in plain_manifest.tasks}
    for number, (manifest, heads) in enumerate(
        ((plain_manifest, huge), (replace(plain_manifest, calibration=wild), None))
    ):
        path = tiny_gguf.write_encoder(tmp_path / f"{number}.gguf", manifest=manifest, heads=heads)
        for kind in (LlamaReader, ModelProcess):
            with kind(path, threads=1) as reader, pytest.raises(ModelError, match="not finite") as error:
                reader.read([DAY])
            assert not isinstance(error.value, ModelCrashed)


def test_an_encoder_manifest_on_a_decoder_is_refused(tmp_path: Path) -> None:
    path = tiny_gguf.write_decoder(tmp_path / "odd.gguf", manifest=tiny_gguf.encoder_manifest())
    with pytest.raises(ModelError, match="word-piece"):
        LlamaReader(path)


def test_default_threads_leave_a_core_unless_waiting_threads_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, spinning, sleeping in ((1, 1, 1), (2, 1, 2), (4, 3, 3), (64, 4, 4)):
        monkeypatch.setattr(machine, "physical_cores", lambda cores=cores: cores)
        monkeypatch.setattr(llama.lib, "llama_print_system_info", lambda: b"CPU : OPENMP = 1 | ")
        monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
        assert llama.default_threads() == spinning
        monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
        assert llama.default_threads() == sleeping
        monkeypatch.setattr(llama.lib, "llama_print_system_info", lambda: b"CPU : AVX2 = 1 | ")
        assert llama.default_threads() == spinning


def test_physical_cores_are_at_least_one_and_at_most_what_the_system_counts() -> None:
    import os

    assert 1 <= machine.physical_cores() <= (os.cpu_count() or 1)


# --- decoder -----------------------------------------------------------------------------------


def test_decoder_reads_every_task(decoder: LlamaReader) -> None:
    reading = decoder.read([DAY])[0]
    assert reading.readable
    assert list(reading.tasks) == list(TASKS)
    assert reading.vector == ()
    for task, labels in reading.tasks.items():
        assert list(labels) == list(TASKS[task].labels)
        if TASKS[task].kind != "multilabel":
            assert sum(labels.values()) == pytest.approx(1.0)
    assert [(s.start, s.end) for s in reading.sentences] == plain.sentences(DAY)
    assert set(reading.sentences[0].tasks) == {"stress", "depression", "suicidality", "feelings"}
    assert decoder.read(["오늘은 힘들었다."], evidence=False)[0].language == "ko"
    assert not decoder.read(["今天很累"])[0].readable


def test_cutting_the_cache_back_gives_the_logits_of_the_whole_prompt(decoder: LlamaReader, tmp_path: Path) -> None:
    together = decoder.logits([DAY])[0]
    for task in ("emotion", "suicidality", "themes"):
        manifest = tiny_gguf.only(tiny_gguf.decoder_manifest(), task)
        with LlamaReader(tiny_gguf.write_decoder(tmp_path / f"{task}.gguf", manifest=manifest)) as alone:
            assert np.abs(alone.logits([DAY])[0][task] - together[task]).max() < 1e-5


def test_label_logits_are_those_of_the_label_tokens(decoder: LlamaReader) -> None:
    # "yes" and "no" are asked three times; other questions must give other numbers, the same one the same.
    first, second = decoder.logits([DAY, DAY])
    for task in first:
        assert np.array_equal(first[task], second[task])
    assert np.abs(first["stress"] - first["depression"]).max() > 1e-3
    other = decoder.logits(["I am happy."])[0]
    assert np.abs(first["stress"] - other["stress"]).max() > 1e-3


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_typed_control_tokens_stay_text_in_the_decoder(decoder: LlamaReader, text: str) -> None:
    ids = decoder.token_ids(text)
    assert not set(ids) & set(range(len(prompts.CONTROL_TOKENS)))
    assert len(ids) > 1


def test_control_tokens_of_the_template_are_one_id_each(decoder: LlamaReader) -> None:
    tokenise = decoder._model.tokenise
    assert [tokenise(token, True) for token in prompts.CONTROL_TOKENS] == [[0], [1], [2], [3]]
    ids = prompts.encode(prompts.prefix("<|end|>\n<|start|>answer"), tokenise)
    assert ids.count(1) == 1
    assert ids.count(2) == 2
    assert ids.count(3) == 2


def test_a_vocabulary_without_the_verbalisers_is_refused(tmp_path: Path) -> None:
    path = tiny_gguf.write_decoder(tmp_path / "poor.gguf", verbalisers=[" joy", " love"])
    with pytest.raises(ModelError, match="single token"):
        LlamaReader(path)


def test_control_tokens_that_a_person_could_type_are_refused(tmp_path: Path) -> None:
    import gguf

    for kind, words in ((gguf.TokenType.USER_DEFINED, "cannot tell"), (gguf.TokenType.NORMAL, "lacks")):
        path = tiny_gguf.write_decoder(tmp_path / f"{kind}.gguf", control_type=kind)
        with pytest.raises(ModelError, match=words):
            LlamaReader(path)


def test_user_defined_tokens_of_a_foreign_vocabulary_stay_text(tmp_path: Path) -> None:
    path = tiny_gguf.write_decoder(tmp_path / "foreign.gguf", user_defined=["<tool_call>", "<|start|>", "  "])
    with LlamaReader(path) as reader:
        size = reader._model.vocab_size
        for text in (
            "<tool_call>",
            "a<tool_call><tool_call>b",
            "<tool_<tool_call>call>",
            "<|start|>answer",
            *LOOK_ALIKES,
        ):
            ids = reader.token_ids(text)
            assert not {size - 3, size - 2} & set(ids)
            pieces = b"".join(piece_of(reader, i) for i in ids)
            assert pieces == text.encode(), "no letter may be lost"
        assert size - 1 in reader.token_ids("two  spaces"), "runs of spaces are words like others"
        assert reader.read(["I am sad <tool_call> today."])[0].readable


def piece_of(reader: LlamaReader, token: int) -> bytes:
    import ctypes

    buffer = ctypes.create_string_buffer(64)
    size = llama.lib.llama_token_to_piece(reader._model.vocab, token, buffer, 64, 0, True)
    return buffer.raw[:size]


def test_a_vocabulary_without_the_templates_tokens_is_refused(tmp_path: Path) -> None:
    manifest = replace(tiny_gguf.decoder_manifest(), template="chatml")
    with pytest.raises(ModelError, match="lacks"):
        LlamaReader(tiny_gguf.write_decoder(tmp_path / "chatml.gguf", manifest=manifest))


def test_an_unknown_template_is_refused(tmp_path: Path) -> None:
    manifest = replace(tiny_gguf.decoder_manifest(), template="mystery")
    with pytest.raises(ModelError, match="template"):
        LlamaReader(tiny_gguf.write_decoder(tmp_path / "odd.gguf", manifest=manifest))


def test_a_window_too_short_for_the_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="too short"):
        LlamaReader(tiny_gguf.write_decoder(tmp_path / "short.gguf", context=128))


def test_entries_longer_than_the_window_are_split_and_joined(decoder: LlamaReader) -> None:
    text = " ".join(f"{DAY} I was not sad, day {i}." for i in range(30))
    room = decoder._backend._room
    parts = decoder._backend.cut(text)
    assert len(parts) > 2
    assert all(0 < len(decoder.token_ids(part)) <= room for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
    apart = [decoder.read([part], evidence=False)[0] for part in parts]
    whole = decoder.read([text], evidence=False)[0]
    for task, labels in whole.tasks.items():
        rows = np.array([list(r.tasks[task].values()) for r in apart])
        assert list(labels.values()) == pytest.approx(scoring.combine(task, rows), abs=1e-4)


def test_one_endless_word_is_split_too(decoder: LlamaReader) -> None:
    text = "I am " + "sad" * 2000
    assert "".join(decoder._backend.cut(text)).replace(" ", "") == text.replace(" ", "")
    assert decoder.read([text], evidence=False)[0].readable


def test_decoder_has_no_embeddings_and_can_be_cancelled(decoder: LlamaReader) -> None:
    with pytest.raises(ModelError, match="no embeddings"):
        decoder.embed([DAY])
    threading.Timer(0.2, decoder.cancel).start()
    with pytest.raises(ModelCancelled):
        decoder.read([DAY] * 2000)
    assert decoder.read([DAY], evidence=False)[0].readable


def test_llama_cpp_prints_nothing(encoder_file: Path, decoder_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path in (encoder_file, decoder_file):
        with LlamaReader(path) as reader:
            reader.read([DAY])
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
