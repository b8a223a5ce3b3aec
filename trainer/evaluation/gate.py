"""The gate of a writer: may the model write reflections by itself, or does the curated library go on?

Everything is measured as a person would meet it: the quantised file, the app's own writer, its output check before any
retry, its reading of the entry and its choice among the curated reflections, on pairs of an entry and a reflection
that were written for this project and that no training sees (``trainer/samples/reflections/held.jsonl``). Entries at
which the app lets no model write are left out. Beside what the model writes stands whether it could choose: which
curated reflection it finds the likeliest after an entry, next to the choice by rule.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from journal_app.inference import catalog
from journal_app.inference.engine import ModelError
from journal_app.inference.llama import LlamaReader
from journal_app.inference.text import language
from journal_app.inference.writer import LlamaWriter
from journal_app.journal import analysis
from journal_app.journal.output_check import check_output
from journal_app.journal.reflection import Library, Reflection, bundled
from trainer.config import Recipe, TrainerError
from trainer.corpora import reflections
from trainer.corpora.reflections import Reflected
from trainer.evaluation import bertscore, replies
from trainer.progress import Progress
from trainer.sections import GenerationConfig

LANGUAGE = "en"
SAMPLES = 30
LEAST_ROWS = 80
"""With fewer held entries than this nothing is decided: one bad reply would be more than a percent."""


@dataclass(frozen=True, slots=True)
class Case:
    """A held entry with what the app finds in it, and the curated reflection that it shows there."""

    pair: Reflected
    found: analysis.TextAnalysis
    curated: Reflection


def run(recipe: Recipe, progress: Progress, target: Path, *, threads: int | None = None) -> dict[str, Any]:
    """Return the figures of the gate for the GGUF at ``target``, the verdict ``may_generate`` and samples, as JSON.

    Raises :class:`TrainerError` when the model cannot write or the held pairs are not sound.
    """
    pairs = _chosen(reflections.held(), recipe.generation.rows)
    try:
        cases, facts = _cases(pairs, target, threads)
        if len(cases) < 2:
            raise TrainerError("the gate needs at least two held entries at which a model may write")
        tracker = progress.track("gate: reflections", len(cases), "entries")
        with LlamaWriter(target, threads=threads, context=max(512, recipe.max_tokens)) as writer:
            written = _write(writer, cases, recipe.generation, recipe.seed, tracker.update)
            progress.say("gate: choice among curated reflections")
            choice = choices(writer, cases, bundled(), recipe.seed)
    except ModelError as error:
        raise TrainerError(f"gate: {error}") from error
    entries, references = [case.pair.entry for case in cases], [case.pair.reflection for case in cases]
    curated = [said(case.curated) for case in cases]
    model = replies.evaluate(
        recipe.name,
        entries,
        written.replies,
        language=LANGUAGE,
        references=references,
        generated=written,
        seed=recipe.seed,
    )
    others = {
        "curated": _beside(entries, curated) | {"bertscore": bertscore.evaluate(curated, references, seed=recipe.seed)},
        "references": _beside(entries, references),
    }
    short = short_of(model, others["curated"], len(cases))
    drawn = asdict(recipe.generation)
    result: dict[str, Any] = {
        "held": {"rows": len(cases), **facts},
        "drawn_with": {key: drawn[key] for key in ("max_tokens", "temperature", "top_p", "repeat_penalty")},
        "written": model,
        **others,
        "choice": choice,
        "short_of_the_bar": short,
        "may_generate": not short,
        "samples": samples(cases, written.replies),
    }
    progress.say("gate: " + ("passed" if not short else "; ".join(short)))
    return result


def short_of(written: dict[str, Any], curated: dict[str, Any], rows: int) -> list[str]:
    """Return in what a writer falls short of the gate, in words; empty means that it may write.

    ``written`` is of ``replies.evaluate`` with references, ``curated`` holds the BERTScore of the curated choice.
    """
    short = list(written["short_of_the_bar"])
    ours, theirs = (found["bertscore"].get("rescaled", {}).get("f") for found in (written, curated))
    if ours is None or theirs is None:
        short.append("BERTScore was not measured")
    elif ours <= theirs:
        short.append(f"BERTScore F is {ours:.3f}, not above that of the curated choice, {theirs:.3f}")
    if rows < LEAST_ROWS:
        short.append(f"{rows} held entries decide nothing, {LEAST_ROWS} are needed")
    return short


def samples(cases: Sequence[Case], written: Sequence[str]) -> list[dict[str, Any]]:
    """Return at most :data:`SAMPLES` cases, chosen by the hash of their name and by nothing that was written."""
    by_name = {case.pair.name: (case, text) for case, text in zip(cases, written, strict=True)}
    return [
        {
            "id": name,
            "entry": case.pair.entry,
            "written": text,
            "kept_back_for": list(check_output(text, case.pair.entry, LANGUAGE).reasons),
            "curated": said(case.curated),
        }
        for name, (case, text) in ((name, by_name[name]) for name in sorted(by_name, key=_hash)[:SAMPLES])
    ]


def said(chosen: Reflection) -> str:
    """Return a curated reflection as it is read: its text, then its question."""
    return f"{chosen.text} {chosen.question}".strip()


# -- what the app does with an entry ----------------------------------------------------------------------------------


def _chosen(pairs: Sequence[Reflected], rows: int) -> list[Reflected]:
    """Return ``rows`` pairs by the hash of their name, in their own order."""
    kept = {pair.name for pair in sorted(pairs, key=lambda pair: _hash(pair.name))[:rows]}
    return [pair for pair in pairs if pair.name in kept and language(pair.entry) == LANGUAGE]


def _cases(pairs: Sequence[Reflected], target: Path, threads: int | None) -> tuple[list[Case], dict[str, Any]]:
    """Return the cases at which a model may write, and what the held file is and what was left out of it."""
    source = _reader(target)
    library, recent, cases, left = bundled(), [], [], 0
    with LlamaReader(source, threads=threads) as reader:
        for pair in pairs:
            found = analysis.analyse(pair.entry, reader, evidence=False)
            chosen = analysis.reflect(library, found, recent=recent, seed=pair.name)
            if found.crisis.level != "none" or chosen is None:
                left += 1
                continue
            recent = [chosen.id, *recent][: analysis.RECENT_REFLECTIONS]
            cases.append(Case(pair, found, chosen))
    digest = hashlib.sha256("\n".join(f"{p.name}\0{p.entry}\0{p.reflection}" for p in pairs).encode()).hexdigest()
    return cases, {"left_out_by_help_level": left, "sha256": digest, "entries_read_by": source.name}


def _reader(target: Path) -> Path:
    """Return the reader that ships with the app, which the curated choice follows; without one, the model itself."""
    try:
        return catalog.embedded_reader()
    except ModelError:
        return target


def _write(
    writer: LlamaWriter, cases: Sequence[Case], config: GenerationConfig, seed: int, tell: Any
) -> replies.Generated:
    """Return a reflection on each entry, drawn once: what would be shown, or kept back, without a second try."""
    texts, first, seconds, tokens = [], [], [], []
    for number, case in enumerate(cases, 1):
        began, heard, pieces = time.perf_counter(), 0.0, []
        for piece in writer.reflect(
            case.pair.entry,
            max_tokens=config.max_tokens,
            temperature=config.temperature,
            top_p=config.top_p,
            repeat_penalty=config.repeat_penalty,
            seed=int(_hash(f"{seed}:{case.pair.name}")[:8], 16),
        ):
            heard = heard or time.perf_counter() - began
            pieces.append(piece)
        seconds.append(time.perf_counter() - began)
        first.append(heard or seconds[-1])
        texts.append("".join(pieces).strip())
        tokens.append(len(writer.tokenise(texts[-1])))
        tell(number)
    return replies.Generated(tuple(texts), tuple(first), tuple(seconds), tuple(tokens), 0.0, 0)


def _beside(entries: Sequence[str], texts: Sequence[str]) -> dict[str, Any]:
    """Return of texts that are not the model's what stands beside its figures."""
    return {
        "check": replies.checks(entries, texts, LANGUAGE),
        "mentions": replies.mentions(entries, texts),
        "distinct_2": replies.distinct(texts, 2),
        "lengths": replies.lengths(texts),
    }


# -- the choice by likelihood ----------------------------------------------------------------------------------------


def choices(writer: LlamaWriter, cases: Sequence[Case], library: Library, seed: int) -> dict[str, Any]:
    """Return how good a choice among the curated reflections that an entry allows is, made in four ways.

    ``rule``: the app's, without regard to what was shown lately. ``likelihood``: the likeliest reflection a token after
    the entry. ``gain``: the one that the entry makes likelier the most, against an empty entry, so that plain wording
    wins nothing. ``random``: any of them (control). Each with its BERTScore against the held reflections, how many
    different cards it used, and how often it is the rule's own. Raises ``ModelError``.
    """
    rng = random.Random(f"{seed}:choice")
    prior: dict[str, float] = {}
    picks: dict[str, list[Reflection]] = {name: [] for name in ("rule", "likelihood", "gain", "random")}
    sizes = []
    for case in cases:
        cards = ranked(library, case)
        sizes.append(len(cards))
        texts = [said(card) for card in cards]
        missing = [text for text in texts if text not in prior]
        prior |= dict(zip(missing, _each(writer, "", missing), strict=True))
        scores = _each(writer, case.pair.entry, texts)
        gains = [score - prior[text] for score, text in zip(scores, texts, strict=True)]
        picks["rule"].append(cards[0])
        picks["likelihood"].append(cards[max(range(len(cards)), key=scores.__getitem__)])
        picks["gain"].append(cards[max(range(len(cards)), key=gains.__getitem__)])
        picks["random"].append(rng.choice(cards))
    references = [case.pair.reflection for case in cases]
    scorer = bertscore.Scorer()
    result: dict[str, Any] = {"candidates_mean": sum(sizes) / len(sizes)}
    for name, chosen in picks.items():
        found = bertscore.evaluate([said(card) for card in chosen], references, scorer=scorer, seed=seed)
        result[name] = {
            "bertscore_rescaled_f": found["rescaled"]["f"],
            "separation": found["separation"],
            "different_cards": len({card.id for card in chosen}),
            "same_as_rule": sum(a.id == b.id for a, b in zip(chosen, picks["rule"], strict=True)) / len(chosen),
        }
    return result


def ranked(library: Library, case: Case) -> list[Reflection]:
    """Return every curated reflection that the app could show at the entry, in the order of the rule."""
    found: list[Reflection] = []
    while True:
        shown = [card.id for card in found]
        card = analysis.reflect(library, case.found, recent=shown, seed=case.pair.name)
        # Once all were shown lately the library begins again.
        if card is None or card.id in shown:
            return found
        found.append(card)


def _each(writer: LlamaWriter, entry: str, texts: Sequence[str]) -> list[float]:
    """Return log-likelihoods in nats a token."""
    return [total / max(1, count) for total, count in writer.score_reflections(entry, texts)]


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
