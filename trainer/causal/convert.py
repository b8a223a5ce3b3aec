"""``gguf`` of a language model: a Hugging Face folder as a GGUF that llama.cpp loads without a converter.

Names come from the tables of the ``gguf`` package; what differs beyond names is written down here, family by family.
Tensors are read and written one by one, so that a model much larger than memory can be converted.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors import safe_open

from journal_app.contract.manifest import MANIFEST_KEY, Manifest
from journal_app.contract.prompts import TEMPLATES
from journal_app.contract.tasks import TASKS
from trainer.causal import lora_gguf, parity
from trainer.causal.base import trained
from trainer.causal.vocabulary import read_vocabulary
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.gguf_llama import FILE_TYPE, Precision, permute
from trainer.progress import Progress
from trainer.records import read_examples

ARCHITECTURES: dict[str, str] = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "Phi3ForCausalLM": "phi3",
    "Gemma3ForCausalLM": "gemma3",
    "Gemma3ForConditionalGeneration": "gemma3",
}
"""``architectures`` of ``config.json`` -> architecture of llama.cpp."""
_ARCH = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "phi3": gguf.MODEL_ARCH.PHI3,
    "gemma3": gguf.MODEL_ARCH.GEMMA3,
}
_GEMMA_PATTERN = 6
"""llama.cpp takes every sixth layer of Gemma 3 for a full one, whatever the file says."""
_GEMMA_LOCAL = 10_000.0
_CHECKED = 200


@dataclass(frozen=True, slots=True)
class Source:
    """A model in Hugging Face's form.

    Attributes:
        folder; config: of its text part. arch: llama.cpp's name. files: tensor -> file that holds it.
    """

    folder: Path
    config: Mapping[str, Any]
    arch: str
    files: Mapping[str, Path]

    @property
    def head_dim(self) -> int:
        """Features of one head."""
        return int(self.config.get("head_dim") or self.config["hidden_size"] // self.config["num_attention_heads"])

    @property
    def kv_heads(self) -> int:
        """Number of heads of keys and values."""
        return int(self.config.get("num_key_value_heads") or self.config["num_attention_heads"])

    @property
    def rope(self) -> dict[str, Any]:
        """What is known of the rotary positions; Gemma's two kinds of layers give the full ones'."""
        values = dict(self.config.get("rope_parameters") or {})
        if "full_attention" in values:
            values = dict(values["full_attention"])
        values |= {k: v for k, v in dict(self.config.get("rope_scaling") or {}).items() if v is not None}
        values.setdefault("rope_theta", self.config.get("rope_theta", 10_000.0))
        values.setdefault("rope_type", values.get("type", "default"))
        return values


def open_source(folder: Path) -> Source:
    """Read what the folder holds; raise :class:`TrainerError` for a family or a form that is not known."""
    try:
        raw = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError(f"no config.json that can be read in {folder}") from error
    names = raw.get("architectures") or [""]
    arch = ARCHITECTURES.get(names[0])
    if arch is None or raw.get("auto_map"):
        known = ", ".join(sorted(set(ARCHITECTURES.values())))
        raise TrainerError(f"no conversion for {names[0] or 'a model of no stated architecture'}; known: {known}")
    config = _filled(folder)
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as reader:
            files |= dict.fromkeys(reader.keys(), path)
    if not files:
        raise TrainerError(f"no safetensors in {folder}: save the model in that form first")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        missing = set(json.loads(index.read_text("utf-8"))["weight_map"]) - set(files)
        if missing:
            raise TrainerError(f"{folder} lacks {len(missing)} tensors, {min(missing)} among them: a part is missing")
    return Source(folder, config, arch, files)


def _filled(folder: Path) -> dict[str, Any]:
    """Return the text model's configuration with what a file leaves to its family's defaults."""
    from transformers import AutoConfig

    try:
        found = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainerError(f"the config.json in {folder} does not fit its family") from error
    config = found.get_text_config()
    return config.to_dict() | {"tie_word_embeddings": bool(config.tie_word_embeddings)}


def write_gguf(
    folder: Path,
    target: Path,
    *,
    name: str,
    licence: str = "",
    manifest: Manifest | None = None,
    precision: Precision = "f16",
) -> None:
    """Write the model in ``folder`` to ``target``; the file appears whole or not at all.

    Matrices are stored in 16 bits (``f32``: as they are), vectors in 32, as llama.cpp expects them.
    Raises :class:`TrainerError` for anything that has no place in a GGUF, a missing tensor, or a full disk.
    """
    source = open_source(folder)
    tensors = list(_tensors(source))
    _check_complete(source, {item.name for item in tensors})
    size = sum(item.count * (2 if precision == "f16" and item.matrix else 4) for item in tensors)
    target.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(target.parent).free < size * 1.02:
        raise TrainerError(f"gguf: {size / 1e9:.1f} GB are needed in {target.parent}; make room and run it again")
    rows = next(item.shape[0] for item in tensors if item.name == "token_embd.weight")
    vocabulary = read_vocabulary(folder, rows)
    part = target.with_name(target.name + ".part")
    writer = gguf.GGUFWriter(str(part), source.arch)
    writer.add_name(vocabulary.model_name(name))
    writer.add_type(gguf.GGUFType.MODEL)
    if licence:
        writer.add_license(licence)
    writer.add_file_type(FILE_TYPE[precision])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_sizes(writer, source, rows)
    vocabulary.add_to(writer)
    if manifest is not None:
        writer.add_string(MANIFEST_KEY, manifest.to_json())
    try:
        for item in tensors:
            dtype = np.dtype(np.float16 if precision == "f16" and item.matrix else np.float32)
            writer.add_tensor_info(item.name, item.shape, dtype, item.count * dtype.itemsize)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for item in tensors:
            values = item.read(torch.float16 if precision == "f16" and item.matrix else torch.float32)
            if not _finite(values):
                raise TrainerError(f"gguf: {item.name} holds values that are no numbers in {precision}")
            writer.write_tensor_data(values)
        writer.close()
    except OSError as error:
        part.unlink(missing_ok=True)
        raise TrainerError(f"gguf: the file could not be written: {error.strerror}") from error
    except TrainerError:
        part.unlink(missing_ok=True)
        raise
    part.replace(target)


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Write the F16 GGUF of the merged model and, of a LoRA, the adapter as a GGUF beside it; prove the former.

    Raises :class:`TrainerError` if the file tokenises or scores otherwise than the model.
    """
    target = paths.gguf(recipe, "F16")
    write_gguf(paths.merged, target, name=recipe.name, licence=recipe.licence, manifest=manifest_of(recipe))
    proof = parity.prove(paths.merged, target, _texts(paths))
    report = target.with_suffix(".parity.json")
    report.write_text(json.dumps(asdict(proof), indent=1) + "\n", "utf-8")
    progress.say(
        f"gguf: {proof.texts} texts, {proof.mismatched} with other ids; {proof.positions} positions, "
        f"{proof.kl_nats:.6f} nats, largest difference {proof.max_difference:.4f}, same best token "
        f"{proof.top1_percent:.2f} %"
    )
    proof.check()
    outputs = [target, report]
    adapter = trained(paths)
    if (adapter / "adapter_config.json").is_file():
        small = target.with_name(f"{recipe.name}-LoRA-F16.gguf")
        try:
            lora_gguf.write_adapter(adapter, paths.merged, small, name=f"{recipe.name}-adapter", licence=recipe.licence)
            outputs.append(small)
        except TrainerError as error:
            # The merged model is whole without it.
            progress.say(f"gguf: no file of the adapter alone: {error}")
    sizes = ", ".join(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB" for path in outputs if path != report)
    progress.say(f"gguf: {sizes}")
    return StageResult(tuple(outputs), {"megabytes": target.stat().st_size / 1e6, **asdict(proof)})


def _texts(paths: RunPaths) -> list[str]:
    path = paths.prepared / "instructions-valid.jsonl.gz"
    if not path.is_file():
        return []
    texts = list(dict.fromkeys(example.input for example in read_examples(path) if example.input))
    return texts[:: max(1, len(texts) // _CHECKED)][:_CHECKED]


def manifest_of(recipe: Recipe) -> Manifest:
    """Return what the file says of itself before calibration; it reads tasks only if it was asked them in training.

    Its template is the one that it was tuned in, whatever its base once wrote.
    """
    shape = recipe.sft.shape
    asked = recipe.data.tasks if shape == "contract" else ()
    return Manifest(
        name=recipe.name,
        kind="decoder",
        tasks={task: TASKS[task].labels for task in asked},
        languages=recipe.languages,
        template=shape if shape in TEMPLATES else recipe.base.template,
        max_tokens=recipe.max_tokens,
        licence=recipe.licence,
        created=datetime.now(UTC).date().isoformat(),
    )


def _add_sizes(writer: gguf.GGUFWriter, source: Source, rows: int) -> None:
    config, rope = source.config, source.rope
    writer.add_vocab_size(rows)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(source.kv_heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    writer.add_rope_dimension_count(int(source.head_dim * float(rope.get("partial_rotary_factor", 1.0))))
    if source.arch in ("qwen3", "gemma3") or source.head_dim * config["num_attention_heads"] != config["hidden_size"]:
        writer.add_key_length(source.head_dim)
        writer.add_value_length(source.head_dim)
    if source.arch in ("phi3", "gemma3"):
        writer.add_sliding_window(int(config.get("sliding_window") or 0))
    kind = rope["rope_type"]
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))
    elif kind == "longrope":
        original = int(rope.get("original_max_position_embeddings") or config["original_max_position_embeddings"])
        scale = config["max_position_embeddings"] / original
        writer.add_rope_scaling_orig_ctx_len(original)
        # Su et al. as in Phi-3's own code: sqrt(1 + ln(scale) / ln(original context)).
        factor = math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0
        writer.add_rope_scaling_attn_factors(float(rope.get("attention_factor") or factor))
    elif kind not in ("default", "llama3"):
        raise TrainerError(f"gguf: the rotary positions of the kind {kind} are not converted")
    if source.arch == "gemma3":
        if config.get("final_logit_softcapping"):
            writer.add_final_logit_softcapping(float(config["final_logit_softcapping"]))
        if int(config["query_pre_attn_scalar"]) != source.head_dim:
            raise TrainerError("gguf: this Gemma 3 scales its attention otherwise than by the width of a head")
        local = dict(config.get("rope_parameters") or {}).get("sliding_attention", {})
        theta = float(local.get("rope_theta") or config.get("rope_local_base_freq") or _GEMMA_LOCAL)
        if theta != _GEMMA_LOCAL or local.get("rope_type", "default") != "default":
            raise TrainerError("gguf: llama.cpp wants rotary positions of base 10,000 in Gemma 3's local layers")
        types = list(config.get("layer_types") or ())
        expected = [
            "full_attention" if (i + 1) % _GEMMA_PATTERN == 0 else "sliding_attention" for i in range(len(types))
        ]
        if types != expected:
            raise TrainerError("gguf: llama.cpp wants every sixth layer of a Gemma 3 to be a full one, and only these")


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    read: Callable[[torch.dtype], np.ndarray]
    """Returns the values in that type; a large matrix is in memory once, in the type that is written."""

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def matrix(self) -> bool:
        return len(self.shape) > 1


def _tensors(source: Source) -> Iterator[_Tensor]:
    layers = int(source.config["num_hidden_layers"])
    names = gguf.get_tensor_name_map(_ARCH[source.arch], layers)
    yield from _rope_tensors(source)
    tied = bool(source.config.get("tie_word_embeddings", False))
    for name in sorted(source.files):
        if name.endswith("rotary_emb.inv_freq") or (tied and name == "lm_head.weight"):
            continue
        if any(part in name for part in ("vision_tower.", "multi_modal_projector.")):
            # Gemma's eyes: what reads a journal needs none.
            continue
        target = names.get_name(text_name(name), try_suffixes=(".weight", ".bias"))
        if target is None:
            raise TrainerError(f"gguf: the tensor {name} has no place in a GGUF of the family {source.arch}")
        with safe_open(source.files[name], framework="pt") as reader:
            shape = tuple(reader.get_slice(name).get_shape())
        yield _Tensor(target, shape, lambda dtype, name=name, target=target: _values(source, name, target, dtype))


def text_name(name: str) -> str:
    """Return a tensor's name without the part that says it belongs to the text half of a model that also sees."""
    return name.replace("language_model.model.", "model.").replace("model.language_model.", "model.")


def _finite(values: np.ndarray) -> bool:
    """Tell whether all are numbers, looking at some rows at a time to need no second matrix."""
    step = max(1, 2**22 // max(1, values[0].size))
    return all(bool(np.isfinite(values[start : start + step]).all()) for start in range(0, len(values), step))


def _values(source: Source, name: str, target: str, dtype: torch.dtype) -> np.ndarray:
    with safe_open(source.files[name], framework="pt") as reader:
        values = reader.get_tensor(name).to(dtype).contiguous().numpy()
    if source.arch == "llama" and ".attn_q." in target:
        return np.ascontiguousarray(permute_rows(values, int(source.config["num_attention_heads"])))
    if source.arch == "llama" and ".attn_k." in target:
        return np.ascontiguousarray(permute_rows(values, source.kv_heads))
    if source.arch == "gemma3" and target.endswith("norm.weight"):
        # Gemma keeps a norm's weight less one.
        return values + np.float32(1)
    return values


def permute_rows(values: np.ndarray, heads: int) -> np.ndarray:
    """Return q or k, weight [rows, n] or bias [rows], in the order of llama.cpp's ``llama``; see ``permute``."""
    return permute(values.reshape(len(values), -1), heads).reshape(values.shape)


def _rope_tensors(source: Source) -> Iterator[_Tensor]:
    rope = source.rope
    if rope["rope_type"] == "llama3":
        factors = llama3_factors(rope, source.head_dim)
        yield _Tensor("rope_freqs.weight", factors.shape, lambda _: factors)
    elif rope["rope_type"] == "longrope":
        for name, key in (("rope_factors_long.weight", "long_factor"), ("rope_factors_short.weight", "short_factor")):
            values = np.asarray(rope[key], dtype=np.float32)
            yield _Tensor(name, values.shape, lambda _, values=values: values)


def llama3_factors(rope: Mapping[str, Any], head_dim: int) -> np.ndarray:
    """Return by how much Llama 3.1 slows each rotary frequency, float32 [head_dim / 2].

    Wavelengths under ``original / high_freq_factor`` stay, those over ``original / low_freq_factor`` are slowed by
    ``factor``, and in between it goes over smoothly (``transformers.modeling_rope_utils``, from Meta's release).
    """
    theta, factor = float(rope["rope_theta"]), float(rope["factor"])
    low, high = float(rope.get("low_freq_factor", 1.0)), float(rope.get("high_freq_factor", 4.0))
    original = float(rope.get("original_max_position_embeddings", 8192))
    frequencies = 1.0 / theta ** (np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    found = []
    for wavelength in 2 * math.pi / frequencies:
        if wavelength < original / high:
            found.append(1.0)
        elif wavelength > original / low:
            found.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            found.append(1 / ((1 - smooth) / factor + smooth))
    return np.asarray(found, dtype=np.float32)


_EVERY = {
    "llama": ("attn_q", "attn_k", "attn_v", "attn_output", "attn_norm", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"),
    "phi3": ("attn_qkv", "attn_output", "attn_norm", "ffn_norm", "ffn_up", "ffn_down"),
}
_EVERY["qwen2"] = _EVERY["llama"]
_EVERY["qwen3"] = (*_EVERY["llama"], "attn_q_norm", "attn_k_norm")
_EVERY["gemma3"] = (*_EVERY["qwen3"], "post_attention_norm", "post_ffw_norm")


def _check_complete(source: Source, names: set[str]) -> None:
    wanted = {"token_embd.weight", "output_norm.weight"}
    if not source.config.get("tie_word_embeddings", False):
        wanted.add("output.weight")
    for layer in range(int(source.config["num_hidden_layers"])):
        wanted |= {f"blk.{layer}.{part}.weight" for part in _EVERY[source.arch]}
    missing = sorted(wanted - names)
    if missing:
        raise TrainerError(f"gguf: {len(missing)} tensors are missing from {source.folder}, {missing[0]} among them")
