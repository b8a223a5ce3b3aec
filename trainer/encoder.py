"""The encoder: BERT (or, as a teacher, MPNet), mean pooling, one linear head a task; its files and its tokenizer.

The pooled vector is the mean of the last hidden states over all real tokens, [CLS] and [SEP]
included, and is *not* normalised: the same that llama.cpp's mean pooling gives.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertConfig, BertModel, MPNetConfig, MPNetModel
from transformers.utils import logging as transformers_logging

from trainer.config import TrainerError

Ids = list[int]

ACTIVATION = "gelu_pytorch_tanh"
"""The form of GELU in llama.cpp's ``bert`` graph. The published weights were made with the exact form; the two differ
by at most 5e-4, which fine-tuning takes up, and the exported file then computes what was trained."""


_KINDS: dict[str, tuple[type[BertConfig | MPNetConfig], type[BertModel | MPNetModel]]] = {
    "bert": (BertConfig, BertModel),
    "mpnet": (MPNetConfig, MPNetModel),
}
"""``model_type`` of a configuration -> its classes. Only ``bert`` has a GGUF; the other can teach."""


class Encoder(nn.Module):
    """A transformer with mean pooling and heads; ``labels`` maps each task to the labels of its head."""

    def __init__(self, bert: BertModel | MPNetModel, labels: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.bert = bert
        self.pad: int = bert.config.pad_token_id or 0
        self.labels = {task: tuple(names) for task, names in labels.items()}
        width = bert.config.hidden_size
        self.heads = nn.ModuleDict({task: nn.Linear(width, len(names)) for task, names in self.labels.items()})
        # Not learned with the tasks but fitted to the trained encoder; see fit_vector.
        self.vector = nn.Linear(width, width).requires_grad_(False)
        nn.init.eye_(self.vector.weight)
        nn.init.zeros_(self.vector.bias)

    def pooled(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return mean-pooled vectors [batch, width] in float32 of ``ids`` and ``mask`` [batch, time]."""
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        return (hidden * weights).sum(1) / weights.sum(1)

    def logits(self, pooled: Tensor) -> dict[str, Tensor]:
        """Return task -> logits [batch, labels]."""
        return {task: head(pooled) for task, head in self.heads.items()}

    def save(self, folder: Path, tokenizer: Tokenizer) -> list[Path]:
        """Write weights, configuration, labels and tokenizer into ``folder``; return the files."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.state_dict(), folder / "weights.pt")
        (folder / "config.json").write_text(self.bert.config.to_json_string(), encoding="utf-8")
        (folder / "labels.json").write_text(json.dumps(self.labels, indent=1) + "\n", encoding="utf-8")
        tokenizer.save(str(folder / "tokenizer.json"))
        return [folder / name for name in ("weights.pt", "config.json", "labels.json", "tokenizer.json")]

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """Read what :meth:`save` wrote; raise ``TrainerError`` when a file is missing."""
        try:
            config, kind = _kind_of(folder)
            labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
            state = torch.load(folder / "weights.pt", map_location="cpu", weights_only=True)
        except OSError as error:
            raise TrainerError(f"no trained encoder in {folder}: run `quietpage-train finetune` first") from error
        model = cls(cast("Any", kind)(config, add_pooling_layer=False), labels)
        missing, unexpected = model.load_state_dict(state, strict=False)
        # Runs of before the map was fitted lack it; it stays the identity then.
        if unexpected or set(missing) - {"vector.weight", "vector.bias"}:
            raise TrainerError(f"the weights in {folder} do not fit its configuration")
        return model.eval()


@torch.inference_mode()
def fit_vector(model: Encoder, original: Encoder, batch: Sequence[Ids], ridge: float = 1e-2) -> float:
    """Fit ``model.vector`` so that it gives back the unit vectors of the ``original`` encoder on texts ``batch``.

    Learning tasks bends the embedding; what the untouched encoder knew of likeness is mostly still there and
    comes back by least squares (``ridge``: of the mean squared feature). Returns the mean cosine on ``batch``.
    """
    x, y = embed(model, batch, autocast=True), embed(original, batch, autocast=True)
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    middle = x.mean(0)
    centred = (x - middle).astype(np.float64)
    gram = centred.T @ centred
    gram += np.eye(len(gram)) * ridge * np.trace(gram) / len(gram)
    weight = np.linalg.solve(gram, centred.T @ (y - y.mean(0))).T
    bias = y.mean(0) - weight @ middle
    model.vector.weight.copy_(torch.from_numpy(weight.astype(np.float32)))
    model.vector.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
    found = x @ weight.T + bias
    return float(((found * y).sum(1) / np.linalg.norm(found, axis=1)).mean())


def _kind_of(folder: Path) -> tuple[BertConfig | MPNetConfig, type[BertModel | MPNetModel]]:
    path = folder / "config.json"
    try:
        name = json.loads(path.read_text(encoding="utf-8")).get("model_type")
    except ValueError as error:
        raise TrainerError(f"{path} is not a model's configuration") from error
    if name not in _KINDS:
        raise TrainerError(f"{folder} holds a model of type {name}; known: {', '.join(_KINDS)}")
    config, kind = _KINDS[name]
    return config.from_json_file(str(path)), kind


@dataclass(frozen=True, slots=True)
class Base:
    """A pre-trained encoder as found on disk."""

    bert: BertModel | MPNetModel
    tokenizer: Tokenizer


def base_folder(base: str) -> Path:
    """Return the folder with the pre-trained files: a path, or the ``model`` folder of a package."""
    path = Path(base)
    if path.is_dir():
        return path
    spec = importlib.util.find_spec(base) if base.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise TrainerError(f"the pre-trained encoder {base} is not installed; run `make setup-train`")
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def load_base(base: str) -> Base:
    """Load the pre-trained encoder from disk, never from a network; raise ``TrainerError``."""
    folder = base_folder(base)
    # Its report on unused pooler weights is about a layer that is left out on purpose.
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        config, kind = _kind_of(folder)
        # Dropout inside attention costs a quarter of a training step on a CPU; that between layers stays.
        settings = {"attention_probs_dropout_prob": 0.0, "add_pooling_layer": False}
        if isinstance(config, BertConfig):
            settings["hidden_act"] = ACTIVATION
        bert = kind.from_pretrained(str(folder), local_files_only=True, **settings)
    except OSError as error:
        raise TrainerError(f"no usable encoder in {folder}") from error
    return Base(bert, load_tokenizer(folder))


def load_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of ``folder`` without truncation and padding."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise TrainerError(f"no tokenizer at {path}")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def windows(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> list[list[Ids]]:
    """Return for each text its ids with [CLS] and [SEP], cut into windows of at most ``max_tokens``.

    Control-token look-alikes in the text stay ordinary text: special tokens are switched off in
    the text and added by id.
    """
    bert = tokenizer.token_to_id("[CLS]") is not None
    cls_id, sep_id = (tokenizer.token_to_id(name) for name in (("[CLS]", "[SEP]") if bert else ("<s>", "</s>")))
    room = max_tokens - 2
    plain = plain_tokenizer(tokenizer)
    result = []
    for encoding in plain.encode_batch(list(texts), add_special_tokens=False):
        ids = encoding.ids
        pieces = [ids[i : i + room] for i in range(0, len(ids), room)] or [[]]
        result.append([[cls_id, *piece, sep_id] for piece in pieces])
    return result


def plain_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """Return a copy that reads ``[SEP]`` or ``[MASK]`` in a text as the ordinary characters they are."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.encode_special_tokens = True
    return copy


def collate(batch: Sequence[Ids], pad: int = 0) -> tuple[Tensor, Tensor]:
    """Pad ids on the right with ``pad``; return (ids, mask), both [batch, longest] int64."""
    longest = max(map(len, batch))
    ids = torch.full((len(batch), longest), pad, dtype=torch.long)
    mask = torch.zeros(len(batch), longest, dtype=torch.long)
    for row, item in enumerate(batch):
        ids[row, : len(item)] = torch.tensor(item, dtype=torch.long)
        mask[row, : len(item)] = 1
    return ids, mask


@torch.inference_mode()
def embed(model: Encoder, batch: Sequence[Ids], size: int = 32, autocast: bool = False) -> np.ndarray:
    """Return pooled vectors [n, width] float32 of token ids, computed in batches of like length."""
    model.eval()
    order = sorted(range(len(batch)), key=lambda i: len(batch[i]))
    result = np.zeros((len(batch), model.bert.config.hidden_size), dtype=np.float32)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        ids, mask = collate([batch[i] for i in chosen], model.pad)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            result[chosen] = model.pooled(ids, mask).numpy()
    return result
