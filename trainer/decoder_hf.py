"""A decoder made here in Hugging Face's form, and back: the same graph under other names.

Whatever is written for language models of others (``causal.prefer``, TRL) then works on ours unchanged. Its weights
are those of a Llama with tied embeddings and the same rotary layout, so a conversion only renames; the tokenizer keeps
ids and merges, and its control tokens stay the only way to ids 0-3.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from journal_app.contract.prompts import BOS, CONTROL_TOKENS, END, PAD
from trainer.config import TrainerError
from trainer.decoder_model import Decoder, Shape
from trainer.tokenizer import WriterTokenizer

_BLOCK = {
    "attn_norm": "input_layernorm",
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


def save(model: Decoder, tokenizer: WriterTokenizer, folder: Path) -> Path:
    """Write ``model`` and ``tokenizer`` into ``folder`` as a Llama of transformers; return the folder."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = model.shape
    config = LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.width,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context,
        rms_norm_eps=shape.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=CONTROL_TOKENS.index(BOS),
        eos_token_id=CONTROL_TOKENS.index(END),
        pad_token_id=CONTROL_TOKENS.index(PAD),
    )
    theirs = LlamaForCausalLM(config)
    own = model.state_dict()
    with torch.no_grad():
        for ours, name in names(shape):
            theirs.get_parameter(name).copy_(own[ours])
    folder.mkdir(parents=True, exist_ok=True)
    theirs.save_pretrained(str(folder))
    fast(tokenizer).save_pretrained(str(folder))
    return folder


def load(folder: Path, shape: Shape) -> Decoder:
    """Read back what became of the model that :func:`save` wrote, in 32 bits.

    Raises :class:`TrainerError` when it is not of ``shape``.
    """
    from transformers import LlamaForCausalLM

    try:
        theirs = LlamaForCausalLM.from_pretrained(str(folder), dtype=torch.float32, local_files_only=True)
        weights: dict[str, Tensor] = {ours: theirs.get_parameter(name).detach() for ours, name in names(shape)}
        model = Decoder(shape)
        model.load_state_dict(weights)
    except (OSError, ValueError, AttributeError, RuntimeError) as error:
        raise TrainerError(f"{folder.name}: not a decoder of this trainer in Hugging Face's form") from error
    return model


def names(shape: Shape) -> Iterator[tuple[str, str]]:
    """Yield the name of every weight here and there."""
    yield "embedding.weight", "model.embed_tokens.weight"
    yield "norm.weight", "model.norm.weight"
    for layer in range(shape.layers):
        for ours, theirs in _BLOCK.items():
            yield f"blocks.{layer}.{ours}.weight", f"model.layers.{layer}.{theirs}.weight"


def fast(tokenizer: WriterTokenizer) -> Any:
    """Return ``tokenizer`` as a fast one of transformers."""
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.engine(),
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        clean_up_tokenization_spaces=False,
    )
    # Special, so that ``causal.shapes`` can keep them out of what a person wrote.
    wrapped.add_special_tokens({"additional_special_tokens": [t for t in CONTROL_TOKENS if t not in (BOS, END, PAD)]})
    if wrapped.convert_tokens_to_ids(list(CONTROL_TOKENS)) != list(range(len(CONTROL_TOKENS))):
        raise TrainerError("the tokenizer's control tokens have other ids in Hugging Face's form")
    return wrapped
