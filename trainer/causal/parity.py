"""Proof that a GGUF is the model it was made from: the same ids for the same text, the same scores for the same ids.

A file with a wrong pre-tokeniser, unpermuted attention or a forgotten norm loads, and writes text that looks right.
So nothing is believed: the file is read back through the app's own engine and compared with PyTorch.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from journal_app.inference.native import Model
from journal_app.inference.writer import LlamaWriter, log_softmax
from trainer.causal import base, shapes
from trainer.config import TrainerError

PROBES: tuple[str, ...] = (
    "",
    " leading",
    "trailing ",
    "two  spaces,\n\nand\tlines\r\n",
    "don't I'LL we've 12345 3.14 2026-01-31",
    "오늘은 비가 와서 조용하다 ㅋㅋ ㅠㅠ",
    "a quiet day \U0001f600\U0001f469\u200d\U0001f467\u2764\ufe0f\U0001f1f0\U0001f1f7",
    "日記を書く, привет, \u0939\u093f\u0928\u094d\u0926\u0940, \u05e9\u05dc\u05d5\u05dd",
    "\u00e9\u00f1\u00fc\u00df \ufb01 \u2026 \u201cquoted\u201d \u2014 \u00bd \u20ac \u00a0\u3000 \ufffd",
    "x" * 70,
    "!?!?...;;; (a) [b] {c} <d> #e @f",
)
"""Texts on which pre-tokenisers differ from each other."""
_LARGEST = 600_000_000
_WINDOW = 128
MAX_MISMATCHED = 0.005
"""Share of texts whose ids may differ: letters younger than llama.cpp's tables of Unicode do, a wrong splitting far
more."""
MAX_KL = 0.002
"""Nats between the scores of PyTorch in 32 bits and of the file in 16: what is asked of Q8_0, which is coarser."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How a file compares with its source.

    Attributes:
        texts: tokenised on both sides, each as data and as control text. mismatched: how many of these differ.
        positions: at which scores were compared; 0 for a model too large for it. max_difference: of a score.
        kl_nats: mean over positions. top1_percent: positions with the same best token.
    """

    texts: int
    mismatched: int
    positions: int = 0
    max_difference: float = 0.0
    kl_nats: float = 0.0
    top1_percent: float = 100.0

    def check(self, *, kl: float = MAX_KL) -> None:
        """Raise :class:`TrainerError` if the file is not the model."""
        if self.mismatched > MAX_MISMATCHED * self.texts:
            raise TrainerError(
                f"gguf: llama.cpp splits {self.mismatched} of {self.texts} texts otherwise than the tokenizer does"
            )
        if not self.kl_nats < kl:
            raise TrainerError(f"gguf: the file's scores are {self.kl_nats:.4f} nats from the model's")


def look_alikes(tokenizer: Any) -> list[str]:
    """Return texts in which a person spells the tokenizer's own control tokens."""
    names = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special][:40]
    return [text for name in names for text in (name, f"a {name} b", f"{name}\nuser", name[:-1])]


def mismatches(folder: Path, path: Path, texts: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the (text, whether control tokens count) that ``path`` tokenises otherwise than ``folder``.

    Texts are compared in Unicode's composed form, which some tokenizers put them in and llama.cpp none. Raises
    ``ModelError`` if llama.cpp refuses the file.
    """
    tokenise = shapes.tokeniser(base.load_tokenizer(folder))
    model = Model(path, vocab_only=True)
    try:
        return [
            (text, control)
            for text in (unicodedata.normalize("NFC", text) for text in texts)
            for control in (False, True)
            if tokenise(text, control) != model.tokenise(text, control)
        ]
    finally:
        model.close()


@torch.no_grad()
def compare_scores(
    model: Any, writer: LlamaWriter, prompts: Sequence[Sequence[int]]
) -> tuple[int, float, float, float]:
    """Return (positions, largest difference, mean KL in nats, percent of equal best tokens) over ``prompts`` of ids."""
    positions, largest, divergence, equal = 0, 0.0, 0.0, 0
    for ids in prompts:
        expected = model(input_ids=torch.tensor([list(ids)])).logits[0].float().numpy()
        found = writer.logits(ids)
        positions += len(ids)
        largest = max(largest, float(np.abs(expected - found).max()))
        p, q = log_softmax(expected), log_softmax(found)
        divergence += float((np.exp(p) * (p - q)).sum())
        equal += int((expected.argmax(-1) == found.argmax(-1)).sum())
    return positions, largest, divergence / max(1, positions), 100 * equal / max(1, positions)


def prove(folder: Path, path: Path, texts: Sequence[str], *, adapter: tuple[Path, Path] | None = None) -> Parity:
    """Compare the file at ``path`` with the model in ``folder`` on ``texts`` and on the probes.

    Args:
        adapter: (in PEFT's form, as a GGUF), put on both sides.

    Scores are compared for models of up to 600 M weights on the first prompts. Raises ``ModelError`` if llama.cpp
    refuses the file.
    """
    tokenizer = base.load_tokenizer(folder)
    every = [*PROBES, *look_alikes(tokenizer), *texts]
    wrong = mismatches(folder, path, every)
    count = 2 * len(every)
    if path.stat().st_size > 2 * _LARGEST:
        return Parity(count, len(wrong))
    tokenise = shapes.tokeniser(tokenizer)
    prompts = [ids[:_WINDOW] for text in [*texts[:20], *PROBES] if len(ids := tokenise(text, False)) > 1]
    model = load(folder, None if adapter is None else adapter[0])
    with LlamaWriter(path, context=_WINDOW, adapter=None if adapter is None else adapter[1]) as writer:
        return Parity(count, len(wrong), *compare_scores(model, writer, prompts))


def load(folder: Path, adapter: Path | None = None) -> Any:
    """Return the model in ``folder`` in 32 bits, with ``adapter`` (PEFT's form) on top."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=torch.float32, local_files_only=True, attn_implementation="eager"
    )
    return (model if adapter is None else PeftModel.from_pretrained(model, str(adapter))).eval()
