"""The stage ``evaluate`` of rewriters: is it the other voice, and is it still the same reply.

chrF and BLEU against the reference (sacrebleu, with its signature); the voice by a small classifier that was
fitted on the train replies and is itself judged on the references; the meaning by the cosine of mean-pooled
states of the *untouched* base, beside references and random pairs, without which no cosine says anything;
copies, lengths, what the output check turns down. Texts never leave this module.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from trainer.causal import base
from trainer.causal.sft import quiet
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.evaluation import bertscore
from trainer.evaluation.classifier import peak_memory
from trainer.evaluation.page import write_page
from trainer.leaks import normalise
from trainer.metrics import provenance, rounded
from trainer.progress import Progress
from trainer.records import Example, read_examples
from trainer.seq2seq import Pieces, Rewriter, Rewritten, checked, pairs_of

REPORT = "evaluate.json"


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Write ``evaluate.json`` and its page; raise :class:`TrainerError` without a model or test pairs."""
    generation = recipe.generation
    rewriter = Rewriter.load(paths.model, beams=generation.beams, most=generation.max_tokens)
    files = {split: paths.prepared / f"instructions-{split}.jsonl.gz" for split in ("train", "test")}
    train, test = (pairs_of(read_examples(path)) for path in files.values())
    test = [example for example in test if example.instruction in rewriter.voices]
    if not test:
        raise TrainerError("there is no test pair of a voice that was learned: give the source a test split")
    written: dict[int, str] = {}
    began = time.monotonic()
    for voice in rewriter.voices:
        places = [i for i, example in enumerate(test) if example.instruction == voice]
        progress.say(f"evaluate: {len(places)} replies in another voice, {generation.beams} beams")
        made = rewriter.write([test[i].input for i in places], voice) if places else []
        written.update(zip(places, made, strict=True))
    seconds = time.monotonic() - began
    texts = [written[i] for i in range(len(test))]
    shown = [
        checked(example.input, text, example.instruction, "", rewriter.language)
        for example, text in zip(test, texts, strict=True)
    ]
    voices = voice_accuracy(train, test, texts)
    report: dict[str, Any] = {
        "model": recipe.name,
        "language": rewriter.language,
        "pairs": {"train": len(train), "test": len(test)},
        "beams": generation.beams,
        "overlap": overlap(texts, [example.output for example in test], rewriter.language),
        "overlap_of_the_original": overlap(
            [example.input for example in test], [example.output for example in test], rewriter.language
        ),
        "bertscore": _bertscore(texts, [example.output for example in test], rewriter.language, recipe.seed),
        "voice": voices,
        "meaning": meaning(recipe, paths, test, texts),
        "form": form(test, texts),
        "check": check(shown),
        "speed": {"replies_per_s": len(test) / seconds, "one_reply_ms_median": _latency(rewriter, test)},
        "size": {
            "parameters": sum(weight.numel() for weight in rewriter.model.parameters()),
            "peak_memory_mb": round(peak_memory() / 1e6, 1),
        },
        **provenance(data=list(files.values()), model=paths.model, seed=recipe.seed),
    }
    report = rounded(report)
    path = paths.reports / REPORT
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    summary = {
        "chrf": report["overlap"]["chrf"],
        "voice_accuracy": voices["rewritten"],
        "copies": report["form"]["copies"],
        "shown": report["check"]["shown"],
    }
    return StageResult((path, *_page(recipe, paths, report)), summary)


def overlap(texts: Sequence[str], references: Sequence[str], language: str) -> dict[str, Any]:
    """Return corpus chrF (Popovic 2015) and BLEU (Papineni et al. 2002), 0-100, with sacrebleu's signatures.

    BLEU counts characters in Korean and Chinese, words elsewhere: a Korean word with its endings hardly ever
    comes back whole.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    chrf = CHRF()
    bleu = BLEU(tokenize="char" if language[:2] in ("ko", "zh", "ja") else "13a", effective_order=True)
    found = {
        "chrf": chrf.corpus_score(list(texts), [list(references)]).score,
        "bleu": bleu.corpus_score(list(texts), [list(references)]).score,
    }
    return {**found, "signatures": [str(chrf.get_signature()), str(bleu.get_signature())]}


def _bertscore(texts: Sequence[str], references: Sequence[str], language: str, seed: int) -> dict[str, Any]:
    """Return BERTScore, or why there is none: the packaged scorer reads English alone."""
    if language[:2] != "en":
        return {"not_run": f"the packaged scorer does not read {language}"}
    if len(set(references)) < 2:
        return {"not_run": "a baseline needs at least two different references"}
    return bertscore.evaluate(texts, references, seed=seed)


def voice_accuracy(train: Sequence[Example], test: Sequence[Example], texts: Sequence[str]) -> dict[str, Any]:
    """Return how often a small classifier hears the voice that was asked for.

    Characters (1-4) and logistic regression on the train replies. ``reference`` is its accuracy on replies
    that people wrote in that voice, the most that ``rewritten`` can mean; ``original`` on what went in.
    """
    voices = sorted({example.instruction for example in train})
    asked = [example.instruction for example in test]
    if len(voices) < 2:
        return {"voices": len(voices), "rewritten": None, "reference": None, "original": None}
    maker = TfidfVectorizer(ngram_range=(1, 4), analyzer="char", sublinear_tf=True, max_features=100_000)
    x = maker.fit_transform([example.output for example in train])
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=2000).fit(
        x, [example.instruction for example in train]
    )

    def right(said: Sequence[str]) -> np.ndarray:
        return model.predict(maker.transform(list(said))) == np.array(asked)

    rewritten = right(texts)
    return {
        "voices": len(voices),
        "rewritten": float(rewritten.mean()),
        "reference": float(right([example.output for example in test]).mean()),
        "original": float(right([example.input for example in test]).mean()),
        "by_voice": {voice: float(rewritten[[a == voice for a in asked]].mean()) for voice in voices if voice in asked},
    }


def meaning(recipe: Recipe, paths: RunPaths, test: Sequence[Example], texts: Sequence[str]) -> dict[str, Any]:
    """Return mean cosines to the original: of what was written, of references, and of other replies (control)."""
    folder = base.locate(recipe.base, paths)
    originals = [example.input for example in test]
    made = embeddings(folder, [*originals, *texts, *(example.output for example in test)])
    n = len(test)
    first, second, third = made[:n], made[n : 2 * n], made[2 * n :]
    others = np.roll(second, 1, axis=0)
    # A reply may be in the test set once for every voice: its own rewrites are no control.
    different = [i for i in range(n) if originals[i] != originals[i - 1]]
    return {
        "scorer_sha256": base.weights_sha256(folder),
        "rewritten": float((first * second).sum(1).mean()),
        "reference": float((first * third).sum(1).mean()),
        "random_pairs": float((first * others).sum(1)[different].mean()) if different else None,
    }


@torch.inference_mode()
def embeddings(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """Return unit vectors [texts, width]: the mean of the encoder's last states of the base in ``folder``."""
    from transformers import AutoModel

    with quiet():
        model: Any = AutoModel.from_pretrained(str(folder), local_files_only=True).eval()
    encoder = model.get_encoder()
    pieces = Pieces(base.load_tokenizer(folder), min(256, int(getattr(model.config, "max_position_embeddings", 256))))
    rows = []
    for text in texts:
        ids = torch.tensor([pieces.ids(text)])
        vector = encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].mean(0).numpy()
        rows.append(vector / max(float(np.linalg.norm(vector)), 1e-12))
    return np.stack(rows)


def form(test: Sequence[Example], texts: Sequence[str]) -> dict[str, Any]:
    """Return length ratios in characters and how many rewrites say the original again, word for word."""
    ratios = [len(text) / max(1, len(example.input)) for example, text in zip(test, texts, strict=True)]
    copies = sum(normalise(text) == normalise(example.input) for example, text in zip(test, texts, strict=True))
    return {
        "length_ratio_median": float(np.median(ratios)),
        "length_ratio_of_references": float(
            np.median([len(example.output) / max(1, len(example.input)) for example in test])
        ),
        "copies": copies,
        "empty": sum(not text for text in texts),
        "exact": sum(text == example.output for example, text in zip(test, texts, strict=True)),
    }


def check(shown: Sequence[Rewritten]) -> dict[str, Any]:
    """Return the share of rewrites that the output check lets through, and why it turned the others down."""
    reasons = Counter(reason for item in shown for reason in item.reasons)
    return {
        "shown": sum(not item.fell_back for item in shown) / len(shown),
        "reasons": dict(sorted(reasons.items())),
    }


def _latency(rewriter: Rewriter, test: Sequence[Example]) -> float:
    times = []
    for example in test[:16]:
        began = time.perf_counter()
        rewriter.write([example.input], example.instruction)
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times))


def _page(recipe: Recipe, paths: RunPaths, report: dict[str, Any]) -> tuple[Path, ...]:
    voice, kept = report["voice"], report["meaning"]
    blocks: list[Any] = [
        (
            "text",
            f"{report['pairs']['test']:,} test pairs, {report['beams']} beams. The original counts as a baseline.",
        ),
        (
            "table",
            ["against the reference", "rewritten", "original"],
            [[name, report["overlap"][name], report["overlap_of_the_original"][name]] for name in ("chrf", "bleu")],
        ),
        (
            "table",
            ["voice heard as asked", "rewritten", "reference", "original"],
            [["accuracy", voice["rewritten"], voice["reference"], voice["original"]]],
        ),
        (
            "table",
            ["cosine to the original", "rewritten", "reference", "random pairs"],
            [["untouched base, mean of states", kept["rewritten"], kept["reference"], kept["random_pairs"]]],
        ),
        (
            "table",
            ["BERTScore, rescaled", "against the reference", "against another's (control)"],
            [["F", report["bertscore"]["rescaled"]["f"], report["bertscore"]["random_reference"]["rescaled_f"]]]
            if "rescaled" in report["bertscore"]
            else [[report["bertscore"]["not_run"], None, None]],
        ),
        ("table", ["form", ""], [[name, value] for name, value in report["form"].items()]),
        (
            "table",
            ["output check", ""],
            [["shown", report["check"]["shown"]], *([k, v] for k, v in report["check"]["reasons"].items())],
        ),
        ("table", ["speed and size", ""], [[k, v] for k, v in (report["speed"] | report["size"]).items()]),
    ]
    html, markdown = paths.reports / "evaluate.html", paths.reports / "evaluate.md"
    write_page(html, markdown, f"{recipe.name}: another voice", blocks)
    return html, markdown
