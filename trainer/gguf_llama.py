"""From a trained decoder to a ``llama`` GGUF that llama.cpp loads without a converter.

The graph is the same on both sides; three things change on the way: names, the order of the rows
of q and k (llama.cpp turns neighbouring pairs, PyTorch here turns halves), and the tokenizer,
which becomes metadata. Only matrices are stored in 16 bits, as llama.cpp expects vectors in F32.

Nothing is believed: after the export the file is read back through the app's own engine and
compared with PyTorch, token by token and label by label.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import gguf
import numpy as np
import torch

from journal_app.contract.manifest import MANIFEST_KEY, Manifest
from journal_app.contract.prompts import BOS, CONTROL_TOKENS, END, PAD, QUIETPAGE, prefix, question
from journal_app.contract.tasks import TASKS
from journal_app.inference.llama import LlamaReader
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.files import read_rows
from trainer.decoder import trained
from trainer.decoder_model import Decoder, load_model
from trainer.gguf import finish
from trainer.progress import Progress
from trainer.tokenizer import PRE, WriterTokenizer, entry_room

MIN_AGREEMENT = 0.995
"""Share of predictions that the exported file must share with PyTorch."""

CHECK_TEXTS = 200
"""How many valid texts an export is checked on."""

Precision = Literal["f32", "f16"]
FILE_TYPE: dict[Precision, gguf.LlamaFileType] = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
}
"""Precision -> what the file says of itself."""
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
    writer.add_file_type(FILE_TYPE[precision])
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
    finish(writer)
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


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a GGUF compares with PyTorch on the same texts.

    Attributes:
        texts: compared. same_tokens: texts whose ids are the same on both sides.
        max_difference: largest difference of a label's logit. kl: mean Kullback-Leibler divergence
            of the labels' probabilities, in nats (single-label tasks). same_predictions: share of
            equal most likely labels; a multi-label task counts each label's side of 0.
    """

    texts: int
    same_tokens: int
    max_difference: float
    kl: float
    same_predictions: float


@torch.no_grad()
def compare(
    path: Path, model: Decoder, tokenizer: WriterTokenizer, tasks: Sequence[str], texts: Sequence[str]
) -> Agreement:
    """Read ``texts`` with the GGUF at ``path`` and with ``model`` in float32, each prompt by itself.

    The texts must fit one window. Raises ``ModelError`` if the engine refuses the file.
    """
    model = model.eval()
    differences: list[float] = []
    divergences: list[float] = []
    same: list[bool] = []
    same_tokens = 0
    with LlamaReader(path) as reader:
        for text, found in zip(texts, reader.logits(texts), strict=True):
            same_tokens += reader.token_ids(text) == tokenizer.encode(text)
            head = tokenizer.prompt(prefix(text))
            for task in tasks:
                ids = torch.tensor([head + tokenizer.prompt(question(TASKS[task]))])
                expected = model.logits(model(ids)[0, -1])[tokenizer.labels(TASKS[task])].double().numpy()
                differences.append(float(np.abs(expected - found[task]).max()))
                if TASKS[task].kind == "multilabel":
                    same += ((expected > 0) == (found[task] > 0)).tolist()
                else:
                    same.append(bool(expected.argmax() == found[task].argmax()))
                    p, q = (values - np.logaddexp.reduce(values) for values in (expected, found[task].astype(float)))
                    divergences.append(float((np.exp(p) * (p - q)).sum()))
    return Agreement(
        texts=len(texts),
        same_tokens=same_tokens,
        max_difference=max(differences, default=0.0),
        kl=float(np.mean(divergences)) if divergences else 0.0,
        same_predictions=float(np.mean(same)) if same else 0.0,
    )


def manifest(recipe: Recipe) -> Manifest:
    """Return the manifest of a decoder before calibration."""
    return Manifest(
        name=recipe.name,
        kind="decoder",
        tasks={task: TASKS[task].labels for task in recipe.data.tasks},
        languages=recipe.languages,
        template=QUIETPAGE.name,
        max_tokens=recipe.max_tokens,
        licence=recipe.licence,
        created=datetime.now(UTC).date().isoformat(),
    )


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Export the fine-tuned decoder in F16 and prove it against PyTorch on valid texts.

    What the last of ``finetune``, ``distill`` and ``prefer`` left counts. Raises :class:`TrainerError` if a text is
    tokenised otherwise or too many predictions differ.
    """
    model = load_model(trained(paths))
    tokenizer = WriterTokenizer.load(paths.model / "tokenizer.json")
    path = paths.gguf(recipe, "F16")
    path.parent.mkdir(parents=True, exist_ok=True)
    export(model, tokenizer, manifest(recipe), path)
    room = entry_room(tokenizer, recipe.data.tasks, recipe.max_tokens)
    texts = list(dict.fromkeys(row.text for row in read_rows(paths.prepared / "valid.jsonl.gz")))
    # A stride, because the rows stand task by task.
    texts = [text for text in texts[:: max(1, len(texts) // (2 * CHECK_TEXTS))] if len(tokenizer.encode(text)) <= room]
    agreement = compare(path, model, tokenizer, recipe.data.tasks, texts[:CHECK_TEXTS])
    report = path.with_suffix(".parity.json")
    report.write_text(json.dumps(asdict(agreement), indent=1) + "\n", "utf-8")
    progress.say(
        f"gguf: {agreement.texts} texts, same tokens in {agreement.same_tokens}, largest difference of a logit "
        f"{agreement.max_difference:.4f}, same predictions {agreement.same_predictions:.2%}"
    )
    if agreement.same_tokens < agreement.texts or agreement.same_predictions < MIN_AGREEMENT:
        raise TrainerError("the exported file does not agree with the trained model; see " + report.name)
    return StageResult((path, report), asdict(agreement))
