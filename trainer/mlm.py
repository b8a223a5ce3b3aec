"""Masked language modelling on running text: the encoder meets diary-like prose before it learns tasks.

As in BERT (Devlin et al. 2019) with the change of RoBERTa (Liu et al. 2019) that the mask is drawn anew
every time: 15 % of the tokens are asked for, of which 80 % are hidden, 10 % exchanged and 10 % left. The
published sentence encoders come without the output layer, so one is learned here, tied to the
embeddings, and thrown away afterwards (Gururangan et al. 2020 call the whole domain-adaptive
pre-training).
"""

from __future__ import annotations

import random
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer import encoder
from trainer.config import Recipe, RunPaths, TrainerError
from trainer.corpora import neutral
from trainer.encoder import Encoder
from trainer.progress import Progress

SHARE = 0.15
LENGTH = 128
"""Most tokens of a passage."""


def adapt(recipe: Recipe, paths: RunPaths, progress: Progress, model: Encoder) -> None:
    """Train ``model``'s encoder in place on ``finetune.mlm_steps`` batches of blog posts.

    Raises :class:`TrainerError` when the corpus is not there or its vocabulary has no mask.
    """
    config = recipe.finetune
    tokenizer = encoder.load_tokenizer(encoder.base_folder(config.base))
    mask_id = tokenizer.token_to_id("[MASK]") or tokenizer.token_to_id("<mask>")
    if mask_id is None:
        raise TrainerError(f"the vocabulary of {config.base} has no mask, so mlm_steps must be 0")
    rng, length = random.Random(f"{recipe.seed}:mlm"), min(LENGTH, recipe.max_tokens)
    texts = list(neutral.blog_texts(paths.corpora(), "train"))
    chosen = rng.sample(texts, min(len(texts), config.mlm_steps * config.batch))
    pieces = [piece for windows in encoder.windows(tokenizer, chosen, length) for piece in windows if len(piece) > 24]
    rng.shuffle(pieces)
    head = Output(model)
    weights = [*model.bert.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=config.lr / 2, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    generator = torch.Generator().manual_seed(recipe.seed)
    tracker = progress.track("mlm", config.mlm_steps, "steps")
    model.train()
    mean = 0.0
    for step in range(config.mlm_steps):
        rows = [pieces[(step * config.batch + i) % len(pieces)] for i in range(config.batch)]
        ids, mask = encoder.collate(rows, model.pad)
        hidden, places, targets = hide(ids, mask, mask_id, model.bert.config.vocab_size, generator)
        for group in optimizer.param_groups:
            group["lr"] = config.lr / 2 * min((step + 1) / 50, 1 - step / config.mlm_steps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = model.bert(input_ids=hidden, attention_mask=mask).last_hidden_state[places]
            logits = head(states)
        loss = F.cross_entropy(logits.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        mean = float(loss.detach()) if not step else 0.95 * mean + 0.05 * float(loss.detach())
        tracker.update(step + 1, f"loss {mean:.3f}")
    progress.say(f"mlm: {config.mlm_steps} steps, loss {mean:.3f} nats a hidden token")


class Output(nn.Module):
    """BERT's output layer over states [n, width]: logits [n, vocabulary], tied to the embeddings of ``model``."""

    def __init__(self, model: Encoder) -> None:
        super().__init__()
        # A reference that is not registered: the table is the encoder's and is trained as such.
        self._table = [cast("nn.Embedding", model.bert.get_input_embeddings())]
        width = model.bert.config.hidden_size
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(model.bert.config.vocab_size))

    def forward(self, states: Tensor) -> Tensor:
        """Return the logits of ``states``."""
        return F.linear(self.norm(F.gelu(self.dense(states))), self._table[0].weight, self.bias)


def hide(
    ids: Tensor, mask: Tensor, mask_id: int, vocabulary: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids with some tokens hidden, where they are [batch, time] bool, and what stood there.

    The first and the last token of a row ([CLS], [SEP]) are never asked for.
    """
    inner = mask.bool().clone()
    inner[:, 0] = False
    inner[torch.arange(len(ids)), mask.sum(1) - 1] = False
    places = (torch.rand(ids.shape, generator=generator) < SHARE) & inner
    if not places.any():
        places[0, 1] = True
    fate = torch.rand(ids.shape, generator=generator)
    other = torch.randint(vocabulary, ids.shape, generator=generator)
    hidden = torch.where(places & (fate < 0.8), mask_id, ids)
    hidden = torch.where(places & (fate >= 0.8) & (fate < 0.9), other, hidden)
    return hidden, places, ids[places]
