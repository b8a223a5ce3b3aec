"""The writer over llama.cpp itself: templates, streams, sampling, stopping, scores, adapters, foreign files."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gguf", reason="writing tiny models needs the gguf package")

import gguf

from journal_app.contract import prompts
from journal_app.contract.prompts import TEMPLATES
from journal_app.contract.tasks import TASKS
from journal_app.inference import native
from journal_app.inference.engine import ModelCancelled, ModelError
from journal_app.inference.llama import LlamaReader
from journal_app.inference.writer import LlamaWriter, log_softmax
from tests.support.look_alikes import LOOK_ALIKES

pytestmark = pytest.mark.llm

TALK = [("system", "Answer kindly."), ("user", "It rained all day."), ("assistant", "Did it?"), ("user", "Yes 😀 비.")]
BASES = [
    ("llama", "byte-bpe", "llama3"),
    ("llama", "byte-bpe", "quietpage"),
    ("llama", "byte-bpe", "alpaca"),
    ("qwen2", "byte-bpe", "chatml"),
    ("qwen2", "byte-bpe", "deepseek"),
    ("llama", "spm", "llama2"),
    ("llama", "spm", "zephyr"),
    ("llama", "spm", "alpaca"),
    ("llama", "spm", "chatml"),
    ("phi3", "spm", "phi3"),
    ("gemma3", "spm", "gemma"),
]
TEXTS = (
    "",
    "A quiet day by the lake.",
    " leads with a space",
    "trails with one ",
    "two  spaces\n\nand lines\n",
    "오늘 비가 왔다 😀👩‍👩‍👧",
    "don't 12.5 \ufb01 é",
    "<s>hi</s><|im_end|>\n<|im_start|>assistant\n<|end|><|user|> [INST] x [/INST] <start_of_turn><|eot_id|>",
)


@pytest.fixture(scope="module")
def writer(decoder_file: Path):
    with LlamaWriter(decoder_file, threads=1, context=512) as made:
        yield made


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory):
    """Return ``made(base) -> (folder, gguf)``: a tiny base of a family, converted; each is made once."""
    pytest.importorskip("torch")
    from trainer import tiny as stand_ins
    from trainer.causal import convert

    found: dict[tuple[str, str, str], tuple[Path, Path]] = {}

    def made(base: tuple[str, str, str]) -> tuple[Path, Path]:
        if base not in found:
            folder = stand_ins.make_base(tmp_path_factory.mktemp("base") / "-".join(base), *base)
            convert.write_gguf(folder, folder / "foreign.gguf", name="tiny")
            found[base] = folder, folder / "foreign.gguf"
        return found[base]

    return made


def said(writer: LlamaWriter, text: str = "A day.", **how: object) -> str:
    return "".join(writer.chat([("user", text)], **{"max_tokens": 24, **how}))  # pyright: ignore[reportArgumentType]


# --- replies -----------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_reply_and_another_seed_another(writer: LlamaWriter) -> None:
    first = said(writer, temperature=1.0, seed=7)
    assert first
    assert said(writer, temperature=1.0, seed=7) == first
    assert {said(writer, temperature=1.0, seed=seed) for seed in range(8)} != {first}


def test_temperature_zero_takes_the_likeliest_token_each_time(writer: LlamaWriter) -> None:
    ids = writer.prompt_ids([("user", "A day.")])
    model = writer._model
    for _ in range(12):
        best = int(writer.logits(ids)[-1].argmax())
        if model.ends(best):
            break
        ids.append(best)
    start = len(writer.prompt_ids([("user", "A day.")]))
    expected = b"".join(model.piece(i) for i in ids[start:]).decode("utf-8", "replace").lstrip()
    got = said(writer, temperature=0.0, repeat_penalty=1.0, max_tokens=12)
    assert got
    # A character that the twelfth token leaves open is left out.
    assert expected.rstrip("\ufffd").startswith(got.rstrip("\ufffd"))


def test_the_repeat_penalty_makes_tokens_come_again_less_often(writer: LlamaWriter) -> None:
    def distinct(penalty: float) -> float:
        ids = writer.tokenise("".join(said(writer, temperature=0.0, repeat_penalty=penalty, max_tokens=60)))
        return len(set(ids)) / max(1, len(ids))

    assert distinct(1.0) < distinct(1.8)


def test_a_narrow_top_p_is_the_likeliest_token(writer: LlamaWriter) -> None:
    greedy = said(writer, temperature=0.0, repeat_penalty=1.0)
    assert said(writer, temperature=1.5, top_p=1e-6, repeat_penalty=1.0, seed=3) == greedy


def test_pieces_never_cut_a_character(writer: LlamaWriter) -> None:
    # A random model writes random bytes: most are no characters at all, but what is one comes whole.
    for seed in range(6):
        pieces = list(writer.chat([("user", "Hello.")], max_tokens=60, temperature=2.0, top_p=1.0, seed=seed))
        assert pieces
        assert all(pieces)
        "".join(pieces).encode("utf-8")


def test_a_character_of_several_tokens_comes_in_one_piece(decoder_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "비가 😀 온다"
    with LlamaWriter(decoder_file, threads=1, context=256) as made:
        ids = made.tokenise(text)
        assert len(ids) > len(text), "every character of it takes several tokens here"
        drawn = iter([*ids, 3])
        monkeypatch.setattr(native.Sampler, "draw", lambda *_: next(drawn))
        pieces = list(made.chat([("user", "A day.")], max_tokens=100))
        assert pieces == list(text)
        # Cut in the middle of the second character: what is not whole is not shown.
        drawn = iter(ids)
        assert list(made.chat([("user", "A day.")], max_tokens=4)) == ["비"]


def test_a_stop_text_ends_the_reply_and_is_left_out(decoder_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LlamaWriter(decoder_file, threads=1, context=256) as made:
        ids = made.tokenise("One ST and STOP then more")
        monkeypatch.setattr(native.Sampler, "draw", lambda *_: next(drawn))
        drawn = iter([*ids, 3])
        pieces = list(made.chat([("user", "A day.")], max_tokens=100, stop=("STOP",)))
        assert "".join(pieces) == "One ST and "
        # Held back as a possible stop, then shown because it was none.
        drawn = iter([*made.tokenise("It is ST"), 3])
        assert "".join(made.chat([("user", "A day.")], max_tokens=100, stop=("STOP",))) == "It is ST"


def test_cancel_from_another_thread_ends_a_reply(decoder_file: Path) -> None:
    with LlamaWriter(decoder_file, threads=1, context=1024) as made:
        made._ends = set()
        timer = threading.Timer(0.2, made.cancel)
        began = time.monotonic()
        timer.start()

        def write_on() -> None:
            while time.monotonic() - began < 10:
                said(made, max_tokens=400, temperature=1.0)

        with pytest.raises(ModelCancelled):
            write_on()
        assert time.monotonic() - began < 5, "it stops where it is, not at the end of the reply"
        timer.join()
        assert said(made), "it writes again after it was stopped"


def test_a_newer_call_ends_an_older_reply(writer: LlamaWriter) -> None:
    older = writer.chat([("user", "A day.")], max_tokens=100, temperature=1.0)
    next(older)
    expected = said(writer, seed=4)
    with pytest.raises(ModelCancelled):
        next(older)
    assert said(writer, seed=4) == expected, "nothing of the older reply is left in the cache"


def test_nothing_of_a_text_is_left_after_a_call(writer: LlamaWriter) -> None:
    import llama_cpp.llama_cpp as lib

    for call in (lambda: said(writer, "A secret"), lambda: writer.score(["A secret"]), lambda: writer.logits([5, 6])):
        call()
        assert not writer._batch._token.any()
        assert lib.llama_memory_seq_pos_max(writer._memory, 0) == -1
    stream = writer.chat([("user", "A secret")], max_tokens=50)
    next(stream)
    stream.close()
    assert not writer._batch._token.any()
    assert lib.llama_memory_seq_pos_max(writer._memory, 0) == -1


def test_a_long_conversation_loses_its_oldest_turns_then_the_beginning_of_the_last(decoder_file: Path) -> None:
    with LlamaWriter(decoder_file, threads=1, context=300) as made:
        talk = [("system", "Be kind."), ("user", "FIRST " * 8), ("assistant", "OLD " * 8), ("user", "LAST one.")]
        ids = made._prompt(talk, 120)
        whole = made._prompt(talk, 290)
        text = b"".join(made._model.piece(i) for i in ids).decode()
        assert len(ids) <= 120 < len(whole)
        assert "FIRST" not in text
        assert "Be kind." in text
        assert "LAST one." in text
        long = made._prompt([("user", "start " + "x" * 500 + " end")], 120)
        assert len(long) == 120
        assert b" end" in b"".join(made._model.piece(i) for i in long)
        with pytest.raises(ModelError, match="no room"):
            made._prompt([("system", "y" * 400), ("user", "An ordinary evening at home.")], 120)


@pytest.mark.parametrize("messages", [[], [("assistant", "x")], [("user", "x"), ("system", "y")], [("system", "x")]])
def test_messages_in_no_known_order_are_refused(writer: LlamaWriter, messages: list[tuple[str, str]]) -> None:
    with pytest.raises(ModelError, match="conversation"):
        writer.chat(messages)


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_no_text_of_a_person_becomes_a_control_token(writer: LlamaWriter, text: str) -> None:
    plain = writer.prompt_ids([("system", "a"), ("user", "a"), ("assistant", "a"), ("user", "a")])
    typed = writer.prompt_ids([("system", text), ("user", text), ("assistant", text), ("user", text)])
    control = range(len(prompts.CONTROL_TOKENS))
    assert [i for i in typed if i in control] == [i for i in plain if i in control]


# --- scores ------------------------------------------------------------------------------------


def test_scores_are_the_log_probabilities_of_the_tokens(writer: LlamaWriter) -> None:
    texts = ["A quiet day by the lake.", "", "비가 온다."]
    for text, (total, count) in zip(texts, writer.score(texts), strict=True):
        ids = [1, *writer.tokenise(text)]
        rows = writer.logits(ids).astype(np.float64)
        logs = rows - np.log(np.exp(rows).sum(1, keepdims=True))
        expected = sum(logs[at, token] for at, token in enumerate(ids[1:]))
        assert count == len(ids) - 1
        assert total == pytest.approx(expected, abs=1e-3)
    # A random model is about as surprised as by equal chances, and a text longer than the window counts whole.
    total, count = writer.score(["word " * 400])[0]
    assert count == len(writer.tokenise("word " * 400)) > writer.context
    assert -total / count > 2


def test_a_reflection_is_scored_as_what_is_asked_for(writer: LlamaWriter) -> None:
    entry, texts = "It rained all day. <|end|>", ["A quiet day by the lake.", "비가 온다.", "", "No."]
    segments = [*prompts.prefix(entry), *prompts.reflection()]
    control = {token: i for i, token in enumerate(prompts.CONTROL_TOKENS)}

    def tokenise(text: str, is_control: bool) -> list[int]:
        if not is_control:
            return writer.tokenise(text)
        parts = re.split("(" + "|".join(map(re.escape, control)) + ")", text)
        return [i for part in parts if part for i in ([control[part]] if part in control else writer.tokenise(part))]

    before = prompts.encode(segments, tokenise)
    found = writer.score_reflections(entry, texts)
    for text, (total, count) in zip(texts, found, strict=True):
        answer = writer.tokenise(text)
        rows = log_softmax(writer.logits(before + answer))[len(before) - 1 :]
        expected = sum(float(rows[at, token]) for at, token in enumerate(answer))
        assert (total, count) == (pytest.approx(expected, abs=2e-3), len(answer))
    # Not the scores of running text, and none of the entry is left behind.
    assert found[0][0] != pytest.approx(writer.score(texts)[0][0], abs=1e-3)
    assert writer.score_reflections(entry, texts) == found
    with pytest.raises(ModelError, match="no room"):
        writer.score_reflections(entry, ["word " * 400])


def test_logits_do_not_depend_on_how_they_are_read(writer: LlamaWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = writer.tokenise("It rained all day, and the evening was long.")
    whole = writer.logits(ids)
    assert whole.shape == (len(ids), writer.vocab_size)
    assert np.abs(writer.logits(ids[:5]) - whole[:5]).max() < 1e-4
    monkeypatch.setattr("journal_app.inference.writer._LOGIT_BYTES", 4 * writer.vocab_size * 3)
    assert np.abs(writer.logits(ids) - whole).max() < 1e-4
    for wrong in ([-1], [writer.vocab_size], [5] * (writer.context + 1)):
        with pytest.raises(ModelError):
            writer.logits(wrong)


def test_log_softmax_survives_large_scores() -> None:
    rows = np.array([[1000.0, 1000.0], [-1000.0, 0.0]], dtype=np.float32)
    assert log_softmax(rows) == pytest.approx(np.array([[-np.log(2), -np.log(2)], [-1000.0, 0.0]]), abs=1e-5)


# --- files -------------------------------------------------------------------------------------


def test_files_that_cannot_write_are_refused(encoder_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot write"):
        LlamaWriter(encoder_file, threads=1)
    with pytest.raises(ModelError, match="cannot be opened"):
        LlamaWriter(tmp_path / "none.gguf", threads=1)


def test_a_closed_writer_says_so(decoder_file: Path) -> None:
    made = LlamaWriter(decoder_file, threads=1, context=64)
    stream = made.chat([("user", "A day.")])
    next(stream)
    made.close()
    made.close()
    with pytest.raises(ModelError):
        next(stream)
    with pytest.raises(ModelError, match="closed"):
        made.score(["x"])


@pytest.mark.torch
@pytest.mark.parametrize("base", BASES, ids="-".join)
def test_the_engine_asks_with_exactly_the_ids_that_training_used(base: tuple[str, str, str], tiny) -> None:
    from trainer.causal import shapes
    from trainer.causal.base import load_tokenizer
    from trainer.records import Example

    folder, path = tiny(base)
    template = TEMPLATES[base[2]]
    tokenizer = load_tokenizer(folder)
    model = native.Model(path)
    try:
        for text in TEXTS:
            for task in (TASKS["emotion"], TASKS["feelings"]):
                example = Example(task.name, "made", text, label=task.labels[0])
                trained = shapes.prompt(example, "contract", template, tokenizer, 10_000)
                asked = [*prompts.prefix(text, template), *prompts.question(task, template)]
                assert prompts.encode(asked, model.tokenise) == trained
        for task in TASKS.values():
            assert tuple(model.word_token(word) for word in task.verbalisers) == shapes.label_ids(tokenizer, task)
    finally:
        model.close()


@pytest.mark.torch
@pytest.mark.parametrize("base", BASES, ids="-".join)
def test_a_foreign_file_is_talked_to_as_its_base_was_trained(base: tuple[str, str, str], tiny) -> None:
    from trainer.causal import shapes
    from trainer.causal.base import load_tokenizer
    from trainer.records import Example

    folder, path = tiny(base)
    tokenizer = load_tokenizer(folder)
    with LlamaWriter(path, threads=1, context=512) as made:
        assert made.manifest is None
        assert (made.template.name, made.note) == (base[2], "")
        for text in filter(None, TEXTS):
            for system in ("", "Answer kindly."):
                turns = (("user", "It rained."), ("assistant", "Did it?")) if system or base[2] != "alpaca" else ()
                messages = ([("system", system)] if system else []) + [*turns, ("user", text)]
                example = Example("reply", "made", text, system=system, turns=turns)
                expected = shapes.prompt(example, "template", made.template, tokenizer, 10_000)
                assert made.prompt_ids(messages) == expected
        reply = said(made, "A day.", seed=1)
        assert reply
        assert not reply[0].isspace()


def _with_chat_template(source: Path, target: Path, template: str | None, *, bos: bool = False) -> Path:
    """Write ``source`` without a manifest and with another chat template."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    for field in reader.fields.values():
        if field.name.startswith(
            ("GGUF.", "general.architecture", "quietpage.", "tokenizer.chat", "tokenizer.ggml.add")
        ):
            continue
        kind = field.types[0]
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub)
    if template is not None:
        writer.add_chat_template(template)
    writer.add_add_bos_token(bos)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


@pytest.mark.parametrize("template", [None, "{{ messages }}", "<|im_start|>{{ role }}<|im_end|>"])
def test_a_file_of_no_known_kind_gets_a_plain_form_and_a_note(
    decoder_file: Path, tmp_path: Path, template: str | None
) -> None:
    path = _with_chat_template(decoder_file, tmp_path / "other.gguf", template, bos=True)
    with LlamaWriter(path, threads=1, context=512) as made:
        assert made.template.name == "alpaca"
        assert "plain form" in made.note
        ids = made.prompt_ids([("user", "A day.")])
        assert ids[0] == 1, "a foreign file that wants a first token gets it"
        assert ids.count(1) == 1
        text = b"".join(made._model.piece(i) for i in ids).decode()
        assert text.endswith("### Instruction:\nA day.\n\n### Response:\n")
        said(made)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{ '<|im_start|>' + role }}", "chatml"),
        ("{{ '<|start_header_id|>' }}", "llama3"),
        ("{{'<|' + message['role'] + '|>' + '\n' + message['content'] + '<|end|>\n' }}", "phi3"),
        ("{{ '<|user|>\n' + message['content'] + eos_token }}{{ '<|assistant|>' }}", "zephyr"),
        ("{{ bos_token + '[INST] ' + content + ' [/INST]' }}", "llama2"),
        ("<start_of_turn>", "gemma"),
        ("<\uff5cUser\uff5c><\uff5cAssistant\uff5c>", "deepseek"),
        ("### Instruction:\n{{ x }}\n### Response:\n", "alpaca"),
        ("{{ messages }}", None),
    ],
)
def test_families_are_told_by_their_control_strings(template: str, name: str | None) -> None:
    assert prompts.family(template) == name


@pytest.mark.torch
@pytest.mark.parametrize("base", [b for b in BASES if b[1] == "spm"], ids="-".join)
def test_a_sentencepiece_model_with_a_manifest_reads_every_task(
    base: tuple[str, str, str], tiny, tmp_path: Path
) -> None:
    from journal_app.contract.manifest import Manifest
    from trainer.causal import convert, shapes
    from trainer.causal.base import load_tokenizer
    from trainer.records import Example

    folder, _ = tiny(base)
    manifest = Manifest("tiny", "decoder", tasks={n: t.labels for n, t in TASKS.items()}, template=base[2])
    path = tmp_path / "reads.gguf"
    convert.write_gguf(folder, path, name="tiny", manifest=manifest, precision="f32")
    text = "It was a long day, and then it rained."
    with LlamaReader(path, threads=1) as reader:
        (reading,) = reader.read([text])
        logits = reader.logits([text])[0]
    assert set(reading.tasks) == set(TASKS)
    tokenizer, template = load_tokenizer(folder), TEMPLATES[base[2]]
    with LlamaWriter(path, threads=1, context=512) as made:
        assert made.template is template
        for name, task in TASKS.items():
            example = Example(name, "made", text, label=task.labels[0])
            rows = made.logits(shapes.prompt(example, "contract", template, tokenizer, 512))
            expected = rows[-1][list(shapes.label_ids(tokenizer, task))]
            assert np.abs(expected - logits[name]).max() < 1e-3


@pytest.mark.torch
def test_an_adapter_on_top_is_the_merged_model(tiny, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from trainer.causal import convert, lora_gguf

    folder, path = tiny(("qwen2", "byte-bpe", "chatml"))
    weights = load_file(folder / "model.safetensors")
    adapter, merged = tmp_path / "adapter", tmp_path / "merged"
    adapter.mkdir()
    merged.mkdir()
    torch.manual_seed(3)
    low: dict[str, torch.Tensor] = {}
    for name, weight in list(weights.items()):
        if name.endswith(("q_proj.weight", "v_proj.weight", "down_proj.weight")):
            a, b = torch.randn(4, weight.shape[1]) * 0.1, torch.randn(weight.shape[0], 4) * 0.1
            # What the file keeps of them in 16 bits is what is merged.
            a, b = a.half().float(), b.half().float()
            layer = name.removesuffix(".weight")
            low[f"base_model.model.{layer}.lora_A.weight"], low[f"base_model.model.{layer}.lora_B.weight"] = a, b
            weights[name] = weight + 2.0 * (b @ a)  # alpha 8 over r 4
    save_file(low, adapter / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
    for file in folder.iterdir():
        if file.suffix in (".json", ".jinja"):
            (merged / file.name).write_bytes(file.read_bytes())
    save_file(weights, merged / "model.safetensors", metadata={"format": "pt"})
    convert.write_gguf(folder, tmp_path / "base.gguf", name="tiny", precision="f32")
    convert.write_gguf(merged, tmp_path / "merged.gguf", name="tiny", precision="f32")
    lora_gguf.write_adapter(adapter, folder, tmp_path / "lora.gguf", name="tiny-adapter")
    with LlamaWriter(tmp_path / "merged.gguf", threads=1, context=128) as one:
        ids = one.tokenise("It rained all day.")
        expected = one.logits(ids)
    with LlamaWriter(tmp_path / "base.gguf", threads=1, context=128, adapter=tmp_path / "lora.gguf") as two:
        got = two.logits(ids)
    with LlamaWriter(tmp_path / "base.gguf", threads=1, context=128) as bare:
        plain = bare.logits(ids)
    assert np.abs(got - expected).max() < 1e-2
    assert np.abs(plain - expected).max() > 0.1
    with pytest.raises(ModelError, match="adapter"):
        LlamaWriter(tmp_path / "base.gguf", threads=1, context=128, adapter=path)
