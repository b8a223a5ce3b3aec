"""The stage ``finetune`` of rewriters: a reply goes in, the same reply in another voice comes out.

An encoder-decoder (BART) reads ``VOICE: reply``; the voice is a word that the examples give, not a
token of its own. Both texts are kept by whoever asks, and what is written passes the check of
everything that a model writes for a person (``journal.output_check``), or the original stands.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from journal_app.journal.output_check import check_output
from trainer.causal import base
from trainer.causal.sft import quiet
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.progress import Progress
from trainer.records import Example, read_examples
from trainer.supervised import Frame, Supervised, device_of, layered, leave

CURVE = "curve-finetune.jsonl"
REPORT = "finetune.json"
VOICES = "voices.json"
IGNORE = -100
_EMPTY = "empty"
_SHORT = "length:short"


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A reply in two voices.

    Attributes:
        original: what went in. rewritten: what came out, or the original where that must not be shown.
        voice: that was asked for. reasons: of ``output_check`` (or ``empty``) for showing the original; none otherwise.
    """

    original: str
    rewritten: str
    voice: str
    reasons: tuple[str, ...] = ()

    @property
    def fell_back(self) -> bool:
        """Tell whether the original stands in for what was written."""
        return bool(self.reasons)


class Pieces:
    """Texts as ids for an encoder-decoder; a text that spells a special token stays text."""

    def __init__(self, tokenizer: Any, limit: int) -> None:
        """Cut texts after ``limit`` ids. Raises :class:`TrainerError` for a tokenizer without an end."""
        if tokenizer.eos_token_id is None:
            raise TrainerError("the base's tokenizer has no token that ends a text; choose another base")
        self._frame = Frame(tokenizer, limit)
        self._tokenizer = tokenizer
        self.end = int(tokenizer.eos_token_id)
        self.pad = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.end)

    def ids(self, text: str) -> list[int]:
        """Return the ids of ``text``; the last one is the token that ends it."""
        return self._frame.ids(text, self.end)

    def asked(self, text: str, voice: str) -> list[int]:
        """Return the ids that ask for ``text`` in ``voice``."""
        return self.ids(f"{voice}: {text}")

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def batch(self, rows: Sequence[Sequence[int]], device: torch.device, fill: int | None = None) -> Tensor:
        """Return rows padded on the right with ``fill`` (the pad token if None), [rows, longest]."""
        longest = max(map(len, rows))
        value = self.pad if fill is None else fill
        return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows], device=device)


class Rewriter:
    """A trained rewriter."""

    def __init__(
        self,
        model: Any,
        pieces: Pieces,
        voices: Sequence[str],
        language: str,
        device: torch.device,
        beams: int,
        most: int,
    ) -> None:
        self.model, self.voices, self.language = model.to(device).eval(), tuple(voices), language
        self._pieces, self._device, self._beams, self._most = pieces, device, beams, most

    @classmethod
    def load(cls, folder: Path, device: torch.device | None = None, *, beams: int = 0, most: int = 0) -> Rewriter:
        """Read what ``finetune`` left; ``beams`` and ``most`` (new tokens) replace what the recipe said.

        Raises :class:`TrainerError` when something is missing.
        """
        from transformers import AutoModelForSeq2SeqLM

        try:
            raw = json.loads((folder / VOICES).read_text("utf-8"))
            with quiet():
                model = AutoModelForSeq2SeqLM.from_pretrained(str(folder), local_files_only=True)
            voices, language, limit = raw["voices"], raw["language"], int(raw["max_tokens"])
            beams, most = beams or int(raw["beams"]), most or int(raw["new_tokens"])
        except (OSError, ValueError, KeyError) as error:
            raise TrainerError(f"no trained rewriter in {folder}: run `quietpage-train finetune` first") from error
        pieces = Pieces(base.load_tokenizer(folder), limit)
        return cls(model, pieces, voices, language, device or torch.device("cpu"), beams, most)

    @torch.inference_mode()
    def write(self, texts: Sequence[str], voice: str, size: int = 16) -> list[str]:
        """Return what the model makes of each text, unchecked; raise :class:`TrainerError` for an unknown voice."""
        if voice not in self.voices:
            raise TrainerError(f"no such voice: {voice} (known: {', '.join(self.voices)})")
        rows = [self._pieces.asked(text, voice) for text in texts]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found = [""] * len(rows)
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            ids = self._pieces.batch([rows[i] for i in chosen], self._device)
            lengths = torch.tensor([len(rows[i]) for i in chosen], device=self._device)
            mask = (torch.arange(ids.shape[1], device=self._device)[None] < lengths[:, None]).long()
            made = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                num_beams=self._beams,
                do_sample=False,
                max_new_tokens=self._most,
                pad_token_id=self._pieces.pad,
            )
            for i, row in zip(chosen, made.tolist(), strict=True):
                found[i] = self._pieces.text(row)
        return found

    def rewrite(self, text: str, voice: str, *, entry: str = "") -> Rewritten:
        """Return ``text`` in ``voice``, or the original where the rewrite may not be shown under ``entry``."""
        return self.rewrite_all([text], voice, entries=[entry])[0]

    def rewrite_all(self, texts: Sequence[str], voice: str, *, entries: Sequence[str] = ()) -> list[Rewritten]:
        """Return each text in ``voice`` as :meth:`rewrite` does."""
        under = list(entries) or [""] * len(texts)
        made = zip(texts, self.write(texts, voice), under, strict=True)
        return [checked(text, written, voice, entry, self.language) for text, written, entry in made]


def checked(text: str, written: str, voice: str, entry: str, language: str) -> Rewritten:
    """Return ``written`` beside ``text``, or ``text`` twice where ``written`` fails the output check.

    A reply that is itself shorter than the check allows may stay so.
    """
    written = unicodedata.normalize("NFC", written).strip()
    if not written:
        return Rewritten(text, text, voice, (_EMPTY,))
    reasons = check_output(written, entry, language).reasons
    if _SHORT in reasons and _SHORT in check_output(text, entry, language).reasons:
        reasons = tuple(reason for reason in reasons if reason != _SHORT)
    return Rewritten(text, text if reasons else written, voice, reasons)


def pairs_of(examples: Sequence[Example]) -> list[Example]:
    """Return the examples that say a text in another voice: ``instruction`` names it."""
    return [e for e in examples if e.task == "rewrite" and e.instruction and e.input and e.output]


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Train; leave ``model/``, the curve and ``finetune.json``.

    Raises :class:`TrainerError` without pairs, for a base that does not load, and what ``guard`` tells.
    """
    sft = recipe.sft
    train, valid = (pairs_of(read_examples(paths.prepared / f"instructions-{s}.jsonl.gz")) for s in ("train", "valid"))
    if not train:
        raise TrainerError(
            'there is nothing to rewrite: add a source with task = "rewrite" whose map names the columns of '
            "the voice (instruction), the reply (input) and the reply in that voice (output)"
        )
    voices = sorted({example.instruction for example in train})
    valid = [example for example in valid if example.instruction in voices]
    folder = base.locate(recipe.base, paths)
    device = device_of(sft)
    torch.manual_seed(recipe.seed)
    model = _model(recipe, folder).to(device)
    tokenizer = base.load_tokenizer(folder)
    limit = min(sft.sequence, recipe.max_tokens, int(getattr(model.config, "max_position_embeddings", 512)))
    pieces = Pieces(tokenizer, limit)
    progress.say(
        f"finetune: {len(train):,} pairs in {len(voices)} voices; "
        f"{sum(weight.numel() for _, weight in base.trainable(model)) / 1e6:,.1f} M weights learn on {device.type}"
    )
    asked = [pieces.asked(example.input, example.instruction) for example in train]
    said = [pieces.ids(example.output) for example in train]
    valid_asked = [pieces.asked(example.input, example.instruction) for example in valid[: sft.eval_rows]]
    valid_said = [pieces.ids(example.output) for example in valid[: sft.eval_rows]]

    def mean(given: Sequence[list[int]], wanted: Sequence[list[int]], smoothing: float) -> Tensor:
        ids = pieces.batch(given, device)
        lengths = torch.tensor([len(row) for row in given], device=device)
        mask = (torch.arange(ids.shape[1], device=device)[None] < lengths[:, None]).long()
        labels = pieces.batch(wanted, device, IGNORE)
        logits = model(input_ids=ids, attention_mask=mask, labels=labels).logits.float()
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE, label_smoothing=smoothing)

    def loss(rows: Sequence[int]) -> Tensor:
        return mean([asked[i] for i in rows], [said[i] for i in rows], sft.label_smoothing)

    def judge() -> dict[str, float]:
        total, tokens = 0.0, 0
        for start in range(0, len(valid_asked), sft.batch):
            wanted = valid_said[start : start + sft.batch]
            count = sum(map(len, wanted))
            total += float(mean(valid_asked[start : start + sft.batch], wanted, 0.0)) * count
            tokens += count
        return {"score": -total / tokens, "loss": total / tokens} if tokens else {}

    training = Supervised(
        model,
        layered(model, lambda _: False, decay=1.0, head_scale=1.0),
        [len(a) + len(b) for a, b in zip(asked, said, strict=True)],
        loss,
        judge,
        sft,
        folder=paths.checkpoints / "finetune",
        curve=paths.out / CURVE,
        identity={
            "base": base.weights_sha256(folder),
            "adapter": asdict(recipe.adapter),
            "data": hashlib.sha256(repr((asked, said)).encode()).hexdigest(),
        },
        progress=progress,
        seed=recipe.seed,
        device=device,
    )
    state = training.run()
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    note = {
        "voices": voices,
        "language": recipe.languages[0] if recipe.languages else "en",
        "max_tokens": limit,
        "beams": recipe.generation.beams,
        "new_tokens": recipe.generation.max_tokens,
    }
    with training.checkpoints.writing("the trained model"):
        outputs = leave(model, tokenizer, VOICES, note, paths.model)
    report = paths.out / REPORT
    facts = {
        "pairs": {"train": len(train), "valid": len(valid)},
        "voices": dict(sorted(Counter(example.instruction for example in train).items())),
        "steps": state.step,
        "best_step": state.best_step,
        "valid_loss": -state.best if state.best_step else None,
        "train_seconds": round(state.seconds, 1),
        "device": device.type,
    }
    report.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    summary = {"steps": state.step, "pairs": len(train), "valid_loss": -state.best if state.best_step else float("nan")}
    return StageResult((*outputs, paths.out / CURVE, report), summary)


def _model(recipe: Recipe, folder: Path) -> Any:
    from transformers import AutoModelForSeq2SeqLM

    if recipe.adapter.method == "qlora":
        raise TrainerError('rewriters are small enough to learn in full: set adapter.method = "full" or "lora"')
    try:
        with quiet():
            model: Any = AutoModelForSeq2SeqLM.from_pretrained(
                str(folder), dtype=torch.float32, local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise TrainerError(f"the base in {folder} does not load as an encoder-decoder: {text}") from error
    if recipe.adapter.method == "lora":
        model = base.wrap(model, recipe.adapter, task_type="SEQ_2_SEQ_LM")
    return model
