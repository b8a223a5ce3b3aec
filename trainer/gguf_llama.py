"""From a trained decoder to a ``llama`` GGUF that llama.cpp loads without a converter.

The graph is the same on both sides; three things change on the way: names, the order of the rows
of q and k (llama.cpp turns neighbouring pairs, PyTorch here turns halves), and the tokenizer,
which becomes metadata. Only matrices are stored in 16 bits, as llama.cpp expects vectors in F32.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import gguf
import numpy as np
import torch

from journal_app.contract.manifest import MANIFEST_KEY, Manifest
from journal_app.contract.prompts import BOS, CONTROL_TOKENS, END, PAD
from trainer.decoder_model import Decoder
from trainer.tokenizer import PRE, WriterTokenizer

Precision = Literal["f32", "f16"]
_FILE_TYPE = {"f32": gguf.LlamaFileType.ALL_F32, "f16": gguf.LlamaFileType.MOSTLY_F16}
_BLOCK_NAMES = {
    "attn_norm": "attn_norm",
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "ffn_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def permute(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder the rows of q or k [heads * width, n] from halves to neighbouring pairs within each head.

    Row ``i`` of a head's first half moves to ``2 i``, row ``i`` of its second half to ``2 i + 1``.
    """
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def tensors(model: Decoder) -> Iterator[tuple[str, np.ndarray]]:
    """Yield llama.cpp's name and the F32 values of each tensor; no output matrix, as it is the embedding."""
    for name, weight in model.state_dict().items():
        values = weight.detach().to("cpu", torch.float32).numpy()
        parts = name.split(".")
        if parts[0] == "embedding":
            yield "token_embd.weight", values
        elif parts[0] == "norm":
            yield "output_norm.weight", values
        else:
            _, layer, part, _ = parts
            if part in ("q", "k"):
                values = permute(values, model.shape.heads if part == "q" else model.shape.kv_heads)
            yield f"blk.{layer}.{_BLOCK_NAMES[part]}.weight", values


def export(
    model: Decoder, tokenizer: WriterTokenizer, manifest: Manifest, path: Path, *, precision: Precision = "f16"
) -> None:
    """Write ``model`` to ``path``; the file appears whole or not at all.

    Raises ``ValueError`` if model and tokenizer disagree about the vocabulary.
    """
    shape = model.shape
    if shape.vocab != tokenizer.size:
        raise ValueError(f"the model has {shape.vocab} ids, the tokenizer {tokenizer.size}")
    part = path.with_name(path.name + ".part")
    writer = gguf.GGUFWriter(part, "llama")
    writer.add_name(manifest.name)
    writer.add_type(gguf.GGUFType.MODEL)
    if manifest.licence:
        writer.add_license(manifest.licence)
    writer.add_file_type(_FILE_TYPE[precision])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_vocab_size(shape.vocab)
    _add_tokenizer(writer, tokenizer)
    writer.add_string(MANIFEST_KEY, manifest.to_json())
    for name, values in tensors(model):
        dtype = np.float16 if precision == "f16" and values.ndim == 2 else np.float32
        writer.add_tensor(name, np.ascontiguousarray(values, dtype=dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(path)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: WriterTokenizer) -> None:
    control = len(CONTROL_TOKENS)
    types = [gguf.TokenType.CONTROL] * control + [gguf.TokenType.NORMAL] * (tokenizer.size - control)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE)
    writer.add_token_list(list(tokenizer.tokens))
    writer.add_token_types(types)
    writer.add_token_merges([f"{left} {right}" for left, right in tokenizer.merges])
    writer.add_bos_token_id(CONTROL_TOKENS.index(BOS))
    writer.add_eos_token_id(CONTROL_TOKENS.index(END))
    writer.add_pad_token_id(CONTROL_TOKENS.index(PAD))
    # The prompt brings its own first token.
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
