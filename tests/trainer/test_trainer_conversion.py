"""What comes out of training is the model that was trained: merged, converted, as an adapter, quantised."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

import gguf
import numpy as np
import torch
from safetensors.torch import load_file, save_file

from journal_app.inference.llama import quantize
from journal_app.inference.writer import LlamaWriter, log_softmax
from tests.support.decoder_ground import quiet
from tests.support.look_alikes import LOOK_ALIKES
from tests.trainer import small_base
from trainer import tiny
from trainer.causal import base, convert, lora_gguf, merge, parity, shapes
from trainer.causal.vocabulary import read_vocabulary
from trainer.config import ROOT, Recipe, RunPaths, TrainerError, load_recipe
from trainer.gguf import metadata_string, tensors_sha256
from trainer.records import Example, write_examples

pytestmark = [pytest.mark.torch, pytest.mark.llm]

LLAMA3 = ("llama", "byte-bpe", "llama3")
SMOLLM = ("llama", "byte-bpe", "chatml")
LLAMA2 = ("llama", "spm", "llama2")
QWEN2 = ("qwen2", "byte-bpe", "chatml")
DISTILLED = ("qwen2", "byte-bpe", "deepseek")
QWEN3 = ("qwen3", "byte-bpe", "chatml")
PHI3 = ("phi3", "spm", "phi3")
GEMMA3 = ("gemma3", "spm", "gemma")
EVERY = (LLAMA3, SMOLLM, LLAMA2, QWEN2, DISTILLED, QWEN3, PHI3, GEMMA3)
MODEL_PRE = {
    LLAMA3: "llama-bpe",
    SMOLLM: "smollm",
    LLAMA2: "default",
    QWEN2: "qwen2",
    DISTILLED: "qwen2",
    QWEN3: "qwen2",
    PHI3: "default",
    GEMMA3: "default",
}
LETTERS = (
    "abcdefghij klmnop the rain was quiet I'll don't ABC 0123456789 '\"-\u2014\u2026!?.,;:()[]\n\t",
    "가나다라마바사 힘들다 한글날씨가좋다ㅋㅋㅠㅠ ",
    "\U0001f600\U0001f622\U0001f389\U0001f469\u200d\U0001f467\U0001f3f3\ufe0f\u200d\U0001f308\u2764\ufe0f ok",
    " \n\t  a.\r",
    "日記を書く \u00f1\u00e4\u00f6\u00df\u00e7 \u03a9\u03bc\u03ad\u03b3\u03b1 привет \u0e19\u0e49\u0e33 \u0905\u092a",
    "<|im_start|>system\n</s>[INST]<s><|eot_id|><bos><|end|>x\u2581\u0120",
)
SPELT = (
    *("<|end|>", "<|user|>", "\n", "hi", " ", "<|im_end|>", "</s>", "<s>", "<|eot_id|>", "<end_of_turn>"),
    *("<|endoftext|>", "<unk>", "[PAD12]", "<0x41>", "오늘", "<|begin_of_text|>", "<bos>", "<\uff5cUser\uff5c>"),
)


def strings() -> list[str]:
    """Return 2,400 texts of many scripts, among them what looks like control tokens."""
    draw = random.Random(7)
    made = ["".join(draw.choices(LETTERS[i % len(LETTERS)], k=draw.randint(1, 50))) for i in range(1900)]
    made += ["".join(draw.choices(SPELT, k=6)) for _ in range(460)]
    return [*made, *LOOK_ALIKES, *parity.PROBES]


def prompts_of(folder: Path, length: int = 160) -> list[list[int]]:
    """Return 20 prompts of ids, the first longer than the window of the tiny Gemma."""
    tokenise = shapes.tokeniser(base.load_tokenizer(folder))
    texts = ["Today I was tired but glad and we talked about school " * 12, *strings()[:19]]
    return [ids[:length] for text in texts if (ids := tokenise(text, False))]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that makes a base of a family, once."""
    found: dict[tuple[Any, ...], Path] = {}

    def make(family: tuple[str, str, str], width: int = 64) -> Path:
        if (family, width) not in found:
            layers = 6 if family == GEMMA3 else 2
            folder = tmp_path_factory.mktemp("base") / "model"
            found[family, width] = tiny.make_base(folder, *family, width=width, layers=layers)
        return found[family, width]

    return make


@pytest.fixture
def copied(made: Callable[..., Path], tmp_path: Path) -> Callable[[tuple[str, str, str]], Path]:
    """Return a function that copies a base of a family, to be spoilt."""
    return lambda family: Path(shutil.copytree(made(family), tmp_path / "copy"))


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    raw = json.loads(path.read_text("utf-8"))
    change(raw)
    path.write_text(json.dumps(raw), "utf-8")


@pytest.mark.parametrize("family", EVERY, ids="-".join)
def test_ids_and_scores_are_the_model_s_own(
    family: tuple[str, str, str], made: Callable[..., Path], tmp_path: Path
) -> None:
    folder, path = made(family), tmp_path / "model.gguf"
    convert.write_gguf(folder, path, name="A Phi-3 of no family" if family != PHI3 else "small", precision="f32")
    texts = strings()
    assert len(texts) >= 2000
    assert not parity.mismatches(folder, path, texts)
    assert metadata_string(path, "tokenizer.ggml.pre") == MODEL_PRE[family]
    assert metadata_string(path, "tokenizer.chat_template") == base.load_tokenizer(folder).chat_template
    prompts = prompts_of(folder)
    model = parity.load(folder)
    with LlamaWriter(path, threads=1, context=256) as writer, torch.no_grad():
        for ids in prompts:
            expected = model(input_ids=torch.tensor([ids])).logits[0].numpy()
            found = writer.logits(ids)
            assert np.abs(expected - found).max() < 1e-2
            assert expected[-1].argmax() == found[-1].argmax()
            # Nothing would be proven on scores that hardly differ from each other.
            assert np.ptp(expected[-1]) > 1


@pytest.mark.parametrize("family", EVERY, ids="-".join)
def test_text_comes_back_whole(family: tuple[str, str, str], made: Callable[..., Path], tmp_path: Path) -> None:
    folder = made(family)
    path = tmp_path / "model.gguf"
    convert.write_gguf(folder, path, name="small")
    tokenizer = base.load_tokenizer(folder)
    with LlamaWriter(path, threads=1, context=64) as writer:
        for text in ["A quiet day, 12 of them.", "오늘은 조용하다 \U0001f600", "two  spaces\n\nand lines"]:
            assert tokenizer.decode(writer.tokenise(text)).strip() == text


QUANTISED = [pytest.param(f, marks=[] if f in (LLAMA3, PHI3) else pytest.mark.slow, id="-".join(f)) for f in EVERY]


@pytest.mark.parametrize("family", QUANTISED)
def test_k_quants_load_and_stay_near(family: tuple[str, str, str], made: Callable[..., Path], tmp_path: Path) -> None:
    folder, path = made(family, 256), tmp_path / "f16.gguf"
    convert.write_gguf(folder, path, name="small")
    proof = parity.prove(folder, path, strings()[:40])
    assert proof.positions > 300
    assert proof.kl_nats < 1e-4
    proof.check()
    prompts = prompts_of(folder, 64)
    with LlamaWriter(path, threads=1, context=64) as writer:
        exact = [log_softmax(writer.logits(ids)) for ids in prompts]
    nats = []
    for kind, block in (("Q8_0", "Q8_0"), ("Q6_K", "Q6_K"), ("Q4_K_M", "Q4_K")):
        small = tmp_path / f"{kind}.gguf"
        quantize(path, small, kind.lower())
        assert block in {tensor.tensor_type.name for tensor in gguf.GGUFReader(str(small)).tensors}
        with LlamaWriter(small, threads=1, context=64) as writer:
            found = [log_softmax(writer.logits(ids)) for ids in prompts]
        nats.append(np.mean([(np.exp(p) * (p - q)).sum(-1).mean() for p, q in zip(exact, found, strict=True)]))
    # Random weights make sharper scores than trained ones, and so larger distances: the order is what counts.
    assert proof.kl_nats < nats[0] < nats[1] < nats[2]
    assert nats[0] < 0.01


def test_the_proof_sees_a_wrong_splitting(made: Callable[..., Path], tmp_path: Path) -> None:
    folder, path = made(LLAMA3), tmp_path / "model.gguf"
    other = Path(shutil.copytree(folder, tmp_path / "other"))

    def one_digit_at_a_time(raw: dict[str, Any]) -> None:
        raw["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = tiny.QWEN2
        raw["model"]["ignore_merges"] = False

    edit(other / "tokenizer.json", one_digit_at_a_time)
    convert.write_gguf(other, path, name="small")
    assert metadata_string(path, "tokenizer.ggml.pre") == "qwen2"
    assert not parity.mismatches(other, path, strings()[:400])
    texts = [f"it was {number} of them" for number in range(100, 300)]
    with pytest.raises(TrainerError, match="splits"):
        parity.prove(folder, path, texts).check()


@pytest.mark.parametrize("fault", ["permutation", "norm", "frequencies"])
def test_the_proof_sees_a_wrong_graph(
    fault: str, made: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, path = made(GEMMA3 if fault == "norm" else LLAMA3), tmp_path / "model.gguf"
    if fault == "permutation":
        monkeypatch.setattr(convert, "permute_rows", lambda values, heads: values)
    elif fault == "norm":
        weights = load_file(folder / "model.safetensors")
        folder = Path(shutil.copytree(folder, tmp_path / "copy"))
        changed = {name: w - 1 if name.endswith("q_norm.weight") else w for name, w in weights.items()}
        save_file(changed, folder / "model.safetensors", {"format": "pt"})
    else:
        monkeypatch.setattr(convert, "llama3_factors", lambda rope, width: np.ones(width // 2, np.float32))
    convert.write_gguf(folder, path, name="small")
    with pytest.raises(TrainerError, match="nats"):
        parity.prove(made(GEMMA3 if fault == "norm" else LLAMA3), path, strings()[:20]).check()


def test_a_word_that_is_a_token_is_taken_whole_where_the_family_does_so(
    copied: Callable[..., Path], tmp_path: Path
) -> None:
    folder = copied(LLAMA3)
    path = tmp_path / "model.gguf"
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    assert tokenizer["model"]["ignore_merges"] is True

    def unreachable(raw: dict[str, Any]) -> None:
        vocab = raw["model"]["vocab"]
        last = max(vocab, key=lambda piece: vocab[piece])
        vocab["zqxj"] = vocab.pop(last)
        raw["model"]["merges"] = [m for m in raw["model"]["merges"] if "".join(m) != last and last not in m]

    edit(folder / "tokenizer.json", unreachable)
    texts = ["zqxj", "a zqxj zqxj", *strings()[:300]]
    convert.write_gguf(folder, path, name="small")
    assert not parity.mismatches(folder, path, texts)
    whole = shapes.tokeniser(base.load_tokenizer(folder))("zqxj", False)
    assert len(whole) == 1
    edit(folder / "tokenizer.json", lambda raw: raw["model"].update(ignore_merges=False))
    convert.write_gguf(folder, path, name="small")
    assert not parity.mismatches(folder, path, texts)
    assert len(shapes.tokeniser(base.load_tokenizer(folder))("zqxj", False)) > 1


def test_tokens_that_were_added_later_are_merged_in_the_order_of_their_merges(
    copied: Callable[..., Path], tmp_path: Path
) -> None:
    folder = copied(LLAMA2)

    def turn_round(raw: dict[str, Any]) -> None:
        # The same merges, but the pieces numbered the other way round.
        vocab = raw["model"]["vocab"]
        fixed = {token["content"] for token in raw["added_tokens"]} | {f"<0x{byte:02X}>" for byte in range(256)}
        pieces = sorted((piece for piece in vocab if piece not in fixed), key=lambda piece: vocab[piece])
        numbers = sorted((vocab[piece] for piece in pieces), reverse=True)
        vocab.update(zip(pieces, numbers, strict=True))

    edit(folder / "tokenizer.json", turn_round)
    path = tmp_path / "model.gguf"
    convert.write_gguf(folder, path, name="small")
    assert not parity.mismatches(folder, path, strings()[:600])


def test_spaces_after_a_control_token_go_where_the_tokenizer_drops_them(
    copied: Callable[..., Path], tmp_path: Path
) -> None:
    folder, path = copied(PHI3), tmp_path / "model.gguf"
    texts = ["<|user|>\n hi<|end|>\n<|assistant|>\n", "<s> a</s> \n b", "<|endoftext|>\nx"]
    convert.write_gguf(folder, path, name="small")
    assert metadata_string(path, "general.name") == "Phi-3 small"
    assert not parity.mismatches(folder, path, texts)
    ids = shapes.tokeniser(base.load_tokenizer(folder))
    assert len(ids("<|user|>\n", True)) == 1

    def keep(raw: dict[str, Any]) -> None:
        for token in raw["added_tokens"]:
            token["rstrip"] = False

    edit(folder / "tokenizer.json", keep)
    convert.write_gguf(folder, path, name="my-phi3-mini")
    assert metadata_string(path, "general.name") == "my-phi 3-mini"
    assert not parity.mismatches(folder, path, texts)
    edit(folder / "tokenizer.json", lambda raw: raw["added_tokens"][-1].update(rstrip=True))
    with pytest.raises(TrainerError, match="spaces around"):
        convert.write_gguf(folder, path, name="small")


def refuse(folder: Path, path: Path, match: str) -> None:
    with pytest.raises(TrainerError, match=match):
        convert.write_gguf(folder, path, name="small")
    assert not path.exists()
    assert not path.with_name(path.name + ".part").exists()


def test_tokenizers_that_llama_cpp_does_not_know_are_refused(copied: Callable[..., Path], tmp_path: Path) -> None:
    folder, path = copied(QWEN2), tmp_path / "model.gguf"
    file = folder / "tokenizer.json"
    kept = file.read_text("utf-8")
    edit(file, lambda raw: raw["pre_tokenizer"]["pretokenizers"][0]["pattern"].update(Regex=r"\p{L}+|."))
    refuse(folder, path, "no pre-tokeniser that splits")
    file.write_text(kept, "utf-8")
    edit(file, lambda raw: raw["model"].update(ignore_merges=True))
    refuse(folder, path, "no pre-tokeniser that splits")
    file.write_text(kept, "utf-8")
    edit(file, lambda raw: raw["model"].update(type="Unigram"))
    refuse(folder, path, "type Unigram")
    file.write_text(kept, "utf-8")
    edit(file, lambda raw: raw["model"]["vocab"].update({f"more{i}": 5000 + i for i in range(3)}))
    refuse(folder, path, "5003 tokens")
    file.write_text("{", "utf-8")
    refuse(folder, path, "valid JSON")
    file.unlink()
    refuse(folder, path, r"no tokenizer\.json")


def test_models_that_have_no_place_in_a_file_are_refused(copied: Callable[..., Path], tmp_path: Path) -> None:
    folder, path = copied(LLAMA3), tmp_path / "model.gguf"
    config, weights = folder / "config.json", folder / "model.safetensors"
    kept, tensors = config.read_text("utf-8"), load_file(weights)
    edit(config, lambda raw: raw.update(architectures=["FalconForCausalLM"]))
    refuse(folder, path, "no conversion for FalconForCausalLM; known: gemma3, llama")
    config.write_text(kept, "utf-8")
    edit(config, lambda raw: raw.update(auto_map={"AutoModelForCausalLM": "own_code.Model"}))
    refuse(folder, path, "no conversion")
    config.write_text(kept, "utf-8")
    edit(config, lambda raw: raw.update(rope_parameters={"rope_type": "yarn", "factor": 2.0, "rope_theta": 1e4}))
    refuse(folder, path, "kind yarn")
    config.write_text(kept, "utf-8")
    edit(config, lambda raw: raw.update(tie_word_embeddings=False))
    refuse(folder, path, "1 tensors are missing")
    config.write_text(kept, "utf-8")
    save_file({**tensors, "model.layers.0.self_attn.extra.weight": torch.ones(2)}, weights)
    refuse(folder, path, "extra")
    save_file({name: w for name, w in tensors.items() if "layers.1.mlp.up_proj" not in name}, weights)
    refuse(folder, path, r"1 tensors are missing.*blk\.1\.ffn_up")
    name = "model.layers.0.mlp.up_proj.weight"
    save_file({**tensors, name: torch.full_like(tensors[name], 1e6)}, weights)
    refuse(folder, path, "no numbers in f16")
    weights.unlink()
    refuse(folder, path, "no safetensors")
    config.unlink()
    refuse(folder, path, r"no config\.json")


def test_a_gemma_unlike_the_published_ones_is_refused(copied: Callable[..., Path], tmp_path: Path) -> None:
    folder, path = copied(GEMMA3), tmp_path / "model.gguf"
    config = folder / "config.json"
    kept = config.read_text("utf-8")
    edit(config, lambda raw: raw.update(query_pre_attn_scalar=99))
    refuse(folder, path, "scales its attention")
    config.write_text(kept, "utf-8")
    edit(config, lambda raw: raw["layer_types"].__setitem__(0, "full_attention"))
    refuse(folder, path, "every sixth layer")
    config.write_text(kept, "utf-8")
    edit(config, lambda raw: raw["rope_parameters"]["sliding_attention"].update(rope_theta=5e4))
    refuse(folder, path, "base 10,000")


def test_parts_and_16_bit_weights_give_the_same_file(copied: Callable[..., Path], tmp_path: Path) -> None:
    folder = copied(QWEN2)
    whole, parts = tmp_path / "whole.gguf", tmp_path / "parts.gguf"
    model = parity.load(folder).to(torch.bfloat16)
    model.save_pretrained(str(folder))
    convert.write_gguf(folder, whole, name="small")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(str(folder), max_shard_size="60KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 3
    convert.write_gguf(folder, parts, name="small")
    assert tensors_sha256(whole) == tensors_sha256(parts)
    shards[1].unlink()
    parts.unlink()
    refuse(folder, parts, "a part is missing")


def test_too_little_room_is_said_before_the_work(
    made: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    refuse(made(QWEN2), tmp_path / "model.gguf", "GB are needed")


@pytest.mark.parametrize("length", [120, 300])
def test_longrope_of_phi3(length: int, copied: Callable[..., Path], tmp_path: Path) -> None:
    folder, path = copied(PHI3), tmp_path / "model.gguf"
    half = 64 // 4 // 2
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "short_factor": [1.0 + 0.1 * i for i in range(half)],
        "long_factor": [2.0 + i for i in range(half)],
    }
    edit(
        folder / "config.json",
        lambda raw: raw.update(
            rope_parameters=rope, original_max_position_embeddings=256, max_position_embeddings=1024
        ),
    )
    convert.write_gguf(folder, path, name="small", precision="f32")
    ids = (prompts_of(folder)[0] * 3)[:length]
    assert len(ids) == length
    # llama.cpp chooses by the size of the window, Hugging Face by the length of the text.
    with LlamaWriter(path, threads=1, context=256 if length < 256 else 512) as writer, torch.no_grad():
        expected = parity.load(folder)(input_ids=torch.tensor([ids])).logits[0].numpy()
        assert np.abs(expected - writer.logits(ids)).max() < 1e-2


def test_biases_wide_heads_and_an_output_of_its_own(made: Callable[..., Path], tmp_path: Path) -> None:
    import transformers as hf

    folder = Path(shutil.copytree(made(SMOLLM), tmp_path / "copy"))
    rows = json.loads((folder / "config.json").read_text("utf-8"))["vocab_size"]
    torch.manual_seed(3)
    config = hf.LlamaConfig(
        vocab_size=rows,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=32,
        attention_bias=True,
        max_position_embeddings=256,
        initializer_range=0.1,
        rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0},
        tie_word_embeddings=False,
    )
    model = hf.LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.normal_()
    model.save_pretrained(str(folder))
    path = tmp_path / "model.gguf"
    convert.write_gguf(folder, path, name="small", precision="f32")
    with LlamaWriter(path, threads=1, context=256) as writer:
        _, largest, _, same = parity.compare_scores(model.eval(), writer, prompts_of(folder))
    assert largest < 1e-2
    assert same == 100


def adapted(folder: Path, target: Path, **options: Any) -> Path:
    """Write a random LoRA adapter of the model in ``folder`` to ``target``."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    settings = {"target_modules": "all-linear", "r": 4, "lora_alpha": 6} | options
    model = get_peft_model(parity.load(folder), LoraConfig(task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.2)
    model.save_pretrained(str(target))
    return target


@pytest.mark.parametrize("family", [LLAMA3, LLAMA2, QWEN2, QWEN3, PHI3, GEMMA3], ids="-".join)
def test_an_adapter_is_the_same_in_llama_cpp(
    family: tuple[str, str, str], made: Callable[..., Path], tmp_path: Path
) -> None:
    folder, path, small = made(family), tmp_path / "base.gguf", tmp_path / "adapter.gguf"
    adapter = adapted(folder, tmp_path / "adapter")
    convert.write_gguf(folder, path, name="small", precision="f32")
    lora_gguf.write_adapter(adapter, folder, small, name="small-adapter")
    prompts = prompts_of(folder, 64)
    with LlamaWriter(path, threads=1, context=64) as writer:
        _, alone, _, _ = parity.compare_scores(parity.load(folder, adapter), writer, prompts)
    with LlamaWriter(path, threads=1, context=64, adapter=small) as writer:
        _, together, far, _ = parity.compare_scores(parity.load(folder, adapter), writer, prompts)
    # The adapter is stored in 16 bits.
    assert together < 1e-2 < 1 < alone
    assert far < 1e-5


def test_adapters_that_are_more_than_low_rank_are_refused(made: Callable[..., Path], tmp_path: Path) -> None:
    folder, small = made(QWEN2), tmp_path / "adapter.gguf"
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"modules_to_save": ["embed_tokens"], "target_modules": ["q_proj"]}, "whole layers"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "embed_tokens"),
        ({"target_modules": ["q_proj", "lm_head"]}, "lm_head"),
        ({"use_dora": True, "target_modules": ["q_proj"]}, "plain LoRA"),
        ({"use_rslora": True, "target_modules": ["q_proj"]}, "scales its layers"),
    )
    for number, (options, match) in enumerate(cases):
        adapter = adapted(folder, tmp_path / str(number), **options)
        with pytest.raises(TrainerError, match=match):
            lora_gguf.write_adapter(adapter, folder, small, name="small")
        assert not small.exists()
    with pytest.raises(TrainerError, match="no adapter in"):
        lora_gguf.write_adapter(tmp_path, folder, small, name="small")


@pytest.fixture
def trained(made: Callable[..., Path], tmp_path: Path) -> tuple[Recipe, RunPaths]:
    """Return a run whose adapter is trained (at random) on a tiny Llama."""
    folder = made(SMOLLM)
    recipe = load_recipe(
        small_base.write_recipe(tmp_path / "r.toml", folder, adapter='method = "lora"\nr = 4\nalpha = 6')
    )
    paths = RunPaths(tmp_path / "out", None, tmp_path / "release")
    adapted(folder, paths.adapter)
    base.note_base(paths.adapter, recipe.base, folder)
    base.copy_tokenizer(base.load_tokenizer(folder), paths.adapter)
    paths.reports.mkdir(parents=True, exist_ok=True)
    return recipe, paths


def test_merge_and_conversion_give_what_was_trained(trained: tuple[Recipe, RunPaths]) -> None:
    recipe, paths = trained
    folder = Path(recipe.base.model)
    write_examples(paths.prepared / "instructions-valid.jsonl.gz", small_base.examples(30))
    report = merge.run(recipe, paths, quiet()).summary
    assert report["kl_nats"] < 0.01
    result = convert.run(recipe, paths, quiet())
    merged = load_file(paths.merged / "model.safetensors")
    assert {w.dtype for w in merged.values()} == {torch.bfloat16}
    target, proof, small = result.outputs
    assert json.loads(proof.read_text("utf-8"))["mismatched"] == 0
    prompts = prompts_of(folder, 64)
    model = parity.load(folder, paths.adapter)
    with LlamaWriter(target, threads=1, context=64) as writer:
        _, _, far, _ = parity.compare_scores(model, writer, prompts)
    # Merged weights are rounded to bf16, which keeps eight bits.
    assert far < 0.02
    plain = target.with_name("plain.gguf")
    convert.write_gguf(folder, plain, name="plain", precision="f32")
    with LlamaWriter(plain, threads=1, context=64, adapter=small) as writer:
        assert parity.compare_scores(model, writer, prompts)[2] < 1e-5
    with LlamaWriter(plain, threads=1, context=64) as writer:
        assert parity.compare_scores(model, writer, prompts)[2] > 0.1


def test_an_adapter_of_another_base_is_not_merged(
    trained: tuple[Recipe, RunPaths], made: Callable[..., Path], tmp_path: Path
) -> None:
    recipe, paths = trained
    other = tiny.make_base(tmp_path / "other", *SMOLLM, seed=9)
    path = tmp_path / "other.toml"
    with pytest.raises(TrainerError, match="trained on other weights"):
        merge.run(load_recipe(small_base.write_recipe(path, other)), paths, quiet())
    assert not paths.merged.exists()


def test_an_adapter_of_no_numbers_is_not_merged(trained: tuple[Recipe, RunPaths]) -> None:
    recipe, paths = trained
    file = paths.adapter / "adapter_model.safetensors"
    weights = load_file(file)
    save_file({n: torch.full_like(w, float("nan")) if "lora_B" in n else w for n, w in weights.items()}, file)
    with pytest.raises(TrainerError, match=r"numbers|nats"):
        merge.run(recipe, paths, quiet())
    assert not paths.merged.exists()


def test_merge_says_how_much_room_it_needs(trained: tuple[Recipe, RunPaths], monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, paths = trained
    usage = shutil.disk_usage(paths.out)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(TrainerError, match="are needed in"):
        merge.run(recipe, paths, quiet())


def test_a_model_trained_in_full_is_taken_over(trained: tuple[Recipe, RunPaths]) -> None:
    recipe, paths = trained
    shutil.rmtree(paths.adapter)
    shutil.copytree(recipe.base.model, paths.adapter)
    merge.run(recipe, paths, quiet())
    before = load_file(paths.adapter / "model.safetensors")
    after = load_file(paths.merged / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], before[name].to(torch.bfloat16)) for name in before)
    assert len(convert.run(recipe, paths, quiet()).outputs) == 2


def test_a_file_says_its_tasks_only_if_it_was_asked_them(trained: tuple[Recipe, RunPaths], tmp_path: Path) -> None:
    recipe, _ = trained
    asked = load_recipe(
        small_base.write_recipe(tmp_path / "asked.toml", Path(recipe.base.model), sft='shape = "contract"')
    )
    assert convert.manifest_of(asked).tasks.keys() == set(asked.data.tasks) != set()
    assert convert.manifest_of(asked).template == "chatml"
    talks = load_recipe(
        small_base.write_recipe(tmp_path / "talks.toml", Path(recipe.base.model), sft='shape = "alpaca"')
    )
    assert convert.manifest_of(talks).tasks == {}


def test_padding_is_no_token(made: Callable[..., Path]) -> None:
    vocabulary = read_vocabulary(made(QWEN2), 2048)
    size = len(base.load_tokenizer(made(QWEN2)))
    assert len(vocabulary.tokens) == 2048
    assert {vocabulary.kinds[i] for i in range(size, 2048)} == {int(gguf.TokenType.UNUSED)}
    with pytest.raises(TrainerError, match="do not belong together"):
        read_vocabulary(made(QWEN2), size - 1)


@pytest.mark.slow
def test_a_model_is_converted_in_little_memory(made: Callable[..., Path], tmp_path: Path) -> None:
    """420 M weights in bf16, 131 M of them in one matrix: twice that matrix, and not the model, is what it may take."""
    folder = Path(shutil.copytree(made(LLAMA3), tmp_path / "copy"))
    width, rows, ffn, layers = 1024, 128_000, 8192, 10
    edit(
        folder / "config.json",
        lambda raw: raw.update(
            hidden_size=width, intermediate_size=ffn, num_hidden_layers=layers, vocab_size=rows, head_dim=256
        ),
    )
    shapes_of = {"self_attn.q_proj": (1024, width), "self_attn.k_proj": (512, width), "self_attn.v_proj": (512, width)}
    shapes_of |= {"self_attn.o_proj": (width, 1024), "mlp.gate_proj": (ffn, width), "mlp.up_proj": (ffn, width)}
    shapes_of |= {"mlp.down_proj": (width, ffn), "input_layernorm": (width,), "post_attention_layernorm": (width,)}
    tensors = {
        f"model.layers.{i}.{name}.weight": torch.ones(shape, dtype=torch.bfloat16)
        for i in range(layers)
        for name, shape in shapes_of.items()
    }
    tensors["model.embed_tokens.weight"] = torch.ones(rows, width, dtype=torch.bfloat16)
    tensors["model.norm.weight"] = torch.ones(width, dtype=torch.bfloat16)
    size = sum(w.numel() for w in tensors.values())
    save_file(tensors, folder / "model.safetensors")
    del tensors
    script = (
        "import sys, resource\nfrom pathlib import Path\nfrom trainer.causal import convert\n"
        "import transformers.models.llama\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak()\nconvert.write_gguf(Path(sys.argv[1]), Path(sys.argv[2]), name='large')\n"
        "print(peak() - before)\n"
    )
    arguments = [sys.executable, "-c", script, str(folder), str(tmp_path / "large.gguf")]
    run = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(run.stdout.split()[-1]) < 3 * 2 * rows * width < 2 * size
    assert (tmp_path / "large.gguf").stat().st_size > 2 * size


def test_every_stand_in_reads_the_contract(made: Callable[..., Path]) -> None:
    """Each verbaliser is one token, whatever the kind of the tokenizer: no two labels of a task share one."""
    from journal_app.contract.tasks import TASKS

    for family in EVERY:
        tokenizer = base.load_tokenizer(made(family))
        for task in TASKS.values():
            assert len(set(shapes.label_ids(tokenizer, task))) == len(task.labels)
            example = Example(task.name, "made", "a quiet day", label=task.labels[0])
            template = tiny.TEMPLATES[family[2]]
            assert shapes.prompt(example, "contract", template, tokenizer, 400)
