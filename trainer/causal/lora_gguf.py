"""A LoRA adapter as a GGUF that llama.cpp loads beside the base: small, and one base serves several."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors import safe_open

from trainer.config import TrainerError
from trainer.gguf import finish

_NAME = re.compile(r"^base_model\.model\.(?P<layer>.+)\.lora_(?P<side>[AB])\.weight$")


def write_adapter(adapter: Path, base: Path, target: Path, *, name: str, licence: str = "") -> None:
    """Write the adapter in ``adapter`` (PEFT's form) for the model in ``base`` to ``target``, in F16.

    Only ``base``'s configuration is read. Raises :class:`TrainerError` for what cannot be an adapter of
    llama.cpp: whole layers beside the low-rank ones, and adapters of the embedding or the output.
    """
    from trainer.causal.convert import open_source, permute_rows, text_name

    config = read_config(adapter)
    source = open_source(base)
    names = gguf.get_tensor_name_map(
        {a.name.lower(): a for a in gguf.MODEL_ARCH}[source.arch], int(source.config["num_hidden_layers"])
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    writer = gguf.GGUFWriter(str(part), source.arch)
    writer.add_name(name)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(config["lora_alpha"]))
    if licence:
        writer.add_license(licence)
    for layer, side, values in _weights(adapter):
        place = names.get_name(text_name(f"{layer}.weight"), try_suffixes=(".weight",))
        if place is None or place.startswith(("token_embd", "output.")):
            raise TrainerError(f"an adapter of {layer} cannot be a GGUF; use the merged model")
        if side == "B" and source.arch == "llama" and ".attn_q." in place:
            values = permute_rows(values, int(source.config["num_attention_heads"]))
        elif side == "B" and source.arch == "llama" and ".attn_k." in place:
            values = permute_rows(values, source.kv_heads)
        writer.add_tensor(f"{place}.lora_{side.lower()}", np.ascontiguousarray(values, dtype=np.float16))
    try:
        finish(writer)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise TrainerError(f"gguf: the adapter could not be written: {error.strerror}") from error
    part.replace(target)


def read_config(adapter: Path) -> dict[str, Any]:
    """Return ``adapter_config.json``; raise :class:`TrainerError` for kinds that llama.cpp cannot apply."""
    try:
        config = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError(f"no adapter in {adapter}: run `quietpage-train finetune` first") from error
    if config.get("peft_type") != "LORA" or config.get("use_dora"):
        raise TrainerError("only plain LoRA can be an adapter in a GGUF; use the merged model")
    if config.get("modules_to_save"):
        raise TrainerError("the adapter trained whole layers beside the low-rank ones; use the merged model")
    if config.get("use_rslora") or config.get("rank_pattern") or config.get("alpha_pattern"):
        raise TrainerError("the adapter scales its layers differently; use the merged model")
    return config


def _weights(adapter: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    path = adapter / "adapter_model.safetensors"
    if not path.is_file():
        raise TrainerError(f"no adapter_model.safetensors in {adapter}")
    with safe_open(path, framework="pt") as reader:
        for key in sorted(reader.keys()):
            found = _NAME.match(key)
            if found is None:
                raise TrainerError(f"the adapter holds {key}, which is no low-rank matrix; use the merged model")
            yield found["layer"], found["side"], reader.get_tensor(key).to(torch.float32).numpy()
