"""``gguf`` of an encoder, and rewriting the metadata of any GGUF.

The tensors follow llama.cpp's ``bert`` graph; heads and manifest are strings in the metadata, as
in ``contract.manifest``, because llama.cpp refuses a file with tensors that it does not know.
"""

from __future__ import annotations

import array
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import gguf
import numpy as np
import torch

from journal_app.contract.manifest import (
    HEADS_KEY,
    MANIFEST_KEY,
    NGRAMS_KEY,
    VECTOR_HEAD,
    Head,
    Manifest,
    heads_to_json,
)
from journal_app.contract.tasks import TASKS
from journal_app.inference.ngrams import NGrams
from journal_app.inference.wordpiece import to_gguf
from trainer import ngram_head
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.encoder import Encoder, load_tokenizer
from trainer.progress import Progress

CONTROL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_KEPT_F32 = ("position_embd.weight", "token_types.weight")
"""Tables that llama.cpp wants in F32."""


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Write the F16 GGUF with heads and a manifest that is not calibrated yet."""
    model = Encoder.load(paths.model)
    if model.bert.config.model_type != "bert":
        raise TrainerError("only a BERT encoder has a GGUF here; this one can teach another (finetune.teachers)")
    tokenizer = load_tokenizer(paths.model)
    vocabulary = [piece for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    target = paths.gguf(recipe, "F16")
    target.parent.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(
        name=recipe.name,
        kind="encoder",
        tasks={task: labels for task, labels in model.labels.items() if task in TASKS},
        languages=recipe.languages,
        max_tokens=recipe.max_tokens,
        licence=recipe.licence,
    )
    write_encoder(target, model, vocabulary, manifest, ngrams=ngram_head.load(paths.model, manifest.tasks))
    progress.say(f"gguf: {target.name}, {target.stat().st_size / 1e6:.1f} MB")
    return StageResult((target,), {"megabytes": target.stat().st_size / 1e6})


def write_encoder(
    path: Path,
    model: Encoder,
    vocabulary: list[str],
    manifest: Manifest,
    *,
    half: bool = True,
    ngrams: NGrams | None = None,
) -> None:
    """Write ``model`` as a ``bert`` GGUF, matrices in F16 or, without ``half``, in F32; ``ngrams`` beside its heads."""
    config = model.bert.config
    writer = gguf.GGUFWriter(str(path), "bert")
    writer.add_name(manifest.name)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if half else gguf.LlamaFileType.ALL_F32)
    _add_vocabulary(writer, vocabulary)
    writer.add_string(MANIFEST_KEY, manifest.to_json())
    writer.add_string(HEADS_KEY, heads_to_json(heads_of(model)))
    if ngrams is not None:
        writer.add_string(NGRAMS_KEY, ngrams.to_string())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, config.num_hidden_layers)
    for name, tensor in model.bert.state_dict().items():
        if name.endswith("position_ids") or name.startswith("pooler."):
            continue
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise TrainerError(f"a tensor has no place in a bert GGUF: {name}")
        values = tensor.detach().float().numpy()
        if half and values.ndim == 2 and target not in _KEPT_F32:
            values = values.astype(np.float16)
        writer.add_tensor(target, np.ascontiguousarray(values))
    finish(writer)


def heads_of(model: Encoder) -> dict[str, Head]:
    """Return the heads of the contract's tasks, and the map to the vector, as the contract packs them."""
    linear = {task: head for task, head in dict(model.heads.items()).items() if task in TASKS}
    linear = cast("dict[str, torch.nn.Linear]", linear | {VECTOR_HEAD: model.vector})
    return {
        task: Head(
            array.array("f", head.weight.detach().float().flatten().tolist()),
            array.array("f", head.bias.detach().float().tolist()),
        )
        for task, head in linear.items()
    }


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: list[str]) -> None:
    missing = [piece for piece in CONTROL_PIECES if piece not in vocabulary]
    if missing:
        raise TrainerError(f"the tokenizer has no piece {missing[0]}")
    unused = [piece.startswith("[unused") and piece.endswith("]") for piece in vocabulary]
    control = [piece in CONTROL_PIECES for piece in vocabulary]
    kinds = [
        gguf.TokenType.CONTROL if special else gguf.TokenType.UNUSED if idle else gguf.TokenType.NORMAL
        for special, idle in zip(control, unused, strict=True)
    ]
    bare = [special or idle for special, idle in zip(control, unused, strict=True)]
    writer.add_tokenizer_model("bert")
    writer.add_token_type_count(2)
    writer.add_token_list(to_gguf(vocabulary, bare))
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_bos_token_id(vocabulary.index("[CLS]"))
    writer.add_sep_token_id(vocabulary.index("[SEP]"))
    writer.add_pad_token_id(vocabulary.index("[PAD]"))
    writer.add_unk_token_id(vocabulary.index("[UNK]"))
    writer.add_mask_token_id(vocabulary.index("[MASK]"))


def rewrite(source: Path, target: Path, strings: Mapping[str, str]) -> None:
    """Copy a GGUF with the metadata ``strings`` set or replaced; tensors stay bit for bit."""
    reader = gguf.GGUFReader(str(source))
    writer = gguf.GGUFWriter(str(target), str(reader.fields["general.architecture"].contents()))
    for name, spec in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture" or name in strings:
            continue
        kind = spec.types[0]
        writer.add_key_value(name, spec.contents(), kind, spec.types[-1] if kind is gguf.GGUFValueType.ARRAY else None)
    for name, value in strings.items():
        writer.add_string(name, value)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    finish(writer)


def metadata_string(path: Path, key: str) -> str:
    """Return one metadata value as a string; raise ``TrainerError`` when the key is not there."""
    field = gguf.GGUFReader(str(path)).fields.get(key)
    if field is None:
        raise TrainerError(f"{path.name} has no metadata {key}")
    return str(field.contents())


def tensors_sha256(path: Path) -> str:
    """Return the SHA-256 over names, shapes and bytes of all tensors, in order of name, hex."""
    digest = hashlib.sha256()
    for tensor in sorted(gguf.GGUFReader(str(path)).tensors, key=lambda t: t.name):
        shape = ",".join(str(int(n)) for n in tensor.shape)
        digest.update(f"{tensor.name}\0{shape}\0{tensor.tensor_type.name}\0".encode())
        digest.update(np.ascontiguousarray(tensor.data).tobytes())
    return digest.hexdigest()


def finish(writer: gguf.GGUFWriter) -> None:
    """Write what ``writer`` was given to its file, and close it."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
