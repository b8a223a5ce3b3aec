"""The card of a language model that was fine-tuned: what it is and learned, how it did, what it may be used for.

No figure is typed by hand: all come from the recipe and from the reports of the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from journal_app.contract.manifest import Manifest
from trainer import sweep, terms
from trainer.config import Recipe
from trainer.report import HEADER, feeling_rows, markdown_table, task_rows

_NOT_FIGURES = frozenset(
    {
        "commit",
        "data_sha256",
        "file",
        "file_bytes",
        "machine",
        "model",
        "model_sha256",
        "seed",
        "sha256",
        "versions",
        "task",
        "tasks",
    }
)
_FEW = 40


def card(
    recipe: Recipe,
    manifest: Manifest,
    entry: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    prepared: Mapping[str, Any],
    calibration: Mapping[str, Any],
    sweep_report: Mapping[str, Any] | None,
) -> str:
    """Return the card in Markdown.

    Args:
        entry: of ``models.json``. evaluation, prepared, calibration: reports of the stages. sweep_report: of
            ``sweep``, or None where it was not run.
    """
    built = terms.BASE_TERMS.get(recipe.licence, "").split(". ")[0]
    parts = [
        f"# {recipe.name}",
        f"**{built}**" if built.startswith("Built with") else "",
        f"Written by `quietpage-train package`; every figure comes from the run's reports "
        f"(`{recipe.name}.evaluate.json` beside this card).",
        "## What it is",
        _what(recipe, manifest, entry),
        "## How it was trained",
        _training(recipe),
        "## Data",
        markdown_table(
            ("set", "rows used in training", "terms, as the source states them"),
            [(s["name"], str(s["rows"]), s["licence"]) for s in prepared["sources"]],
        ),
        _leaks(prepared),
        "## Results on test",
        _results(evaluation),
        "## Calibration",
        _calibration(manifest, calibration),
        "## Quantisation",
        _quantisation(recipe, evaluation, sweep_report),
        "## Intended use",
        _use(manifest),
        "## Not for",
        "Diagnosis, treatment decisions, crisis care, screening of other people, employment, insurance, policing, or "
        "any use in which someone other than the writer judges the writer.",
        "## Limits",
        _limits(recipe, manifest),
        "## Licence",
        terms.statement(recipe, prepared["sources"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(recipe: Recipe, manifest: Manifest, entry: Mapping[str, Any]) -> str:
    base = terms.base_name(recipe) + (f" at `{recipe.base.revision}`" if recipe.base.revision else "")
    does = (
        f"It answers {len(manifest.tasks)} questions about a text with one label token each: "
        f"{', '.join(f'`{task}`' for task in manifest.tasks)}."
        if manifest.tasks
        else "It writes replies in a conversation and reads no task of the contract."
    )
    return (
        f"{base} ({recipe.base.family}), fine-tuned. {does} Languages: {', '.join(manifest.languages)}. Prompt "
        f"template: `{manifest.template}`. Window: {manifest.max_tokens} tokens.\n\n"
        f"File `{entry['file']}`, {recipe.quantize.type}, {entry['bytes'] / 1e6:.1f} MB, sha256 `{entry['sha256']}`."
    )


def _training(recipe: Recipe) -> str:
    adapter, sft = recipe.adapter, recipe.sft
    rows = [("method", adapter.method)]
    if adapter.method != "full":
        rows += [
            ("r, alpha, dropout", f"{adapter.r}, {adapter.alpha}, {adapter.dropout:g}"),
            ("layers", ", ".join(adapter.targets)),
        ]
    if adapter.method == "qlora":
        rows.append(("base in", f"{adapter.quant}{', constants quantised' if adapter.double_quant else ''}"))
    length = f"{sft.max_steps} steps" if sft.max_steps else f"{sft.epochs:g} epochs"
    rows += [
        ("length", length),
        ("batch", f"{sft.batch} x {sft.accumulate}"),
        ("learning rate", f"{sft.lr:g}, {sft.schedule}, warm-up {sft.warmup:g}"),
        ("optimiser", f"{sft.optimizer}, weight decay {sft.weight_decay:g}, gradient norm {sft.clip:g}"),
        ("sequence", f"{sft.sequence} tokens{', packed' if sft.packing else ''}"),
        ("prompt shape", sft.shape),
        ("loss on", "the answer alone" if sft.completion_only else "every token"),
    ]
    if recipe.distill.teacher:
        rows.append(("distilled from", f"{recipe.distill.teacher.rsplit('/', 1)[-1]}, {recipe.distill.steps} steps"))
    if recipe.prefer.method != "none":
        prefer = recipe.prefer
        rows.append(("preference tuning", f"{prefer.method}, beta {prefer.beta:g}, learning rate {prefer.lr:g}"))
    rows.append(("seed", str(recipe.seed)))
    text = markdown_table(("", "as in the recipe"), rows)
    return f"{text}\n\nHyper-parameters after: {recipe.base.source}." if recipe.base.source else text


def _leaks(prepared: Mapping[str, Any]) -> str:
    lines = [
        f"- {split}: {what}: {count}" for split, found in prepared["dropped"].items() for what, count in found.items()
    ]
    if not lines:
        return "No text of train equals or nearly equals a held-out one."
    return "\n".join(
        ["Texts that equal or nearly equal a valid or test text of any set were dropped from train:\n", *lines]
    )


def _results(evaluation: Mapping[str, Any]) -> str:
    parts = []
    if evaluation.get("tasks"):
        parts.append(markdown_table(HEADER, task_rows(evaluation)))
        if rows := feeling_rows(evaluation):
            parts.append(
                markdown_table(("feeling", "positives in test", "AUROC", "F1", "TF-IDF AUROC", "TF-IDF F1"), rows)
            )
    for source, found in (evaluation.get("everyday_writing_test") or {}).items():
        parts.append(
            f"Everyday writing, {source}, {found['texts']} texts: stress many {found['stress_many_percent']:.1f} %, "
            f"low mood many {found['low_mood_many_percent']:.1f} %, suicidality flagged "
            f"{found['suicidality_flag_percent']:.1f} %."
        )
    others = figures({k: v for k, v in evaluation.items() if k not in ("tasks", "everyday_writing_test", "thresholds")})
    if others:
        parts.append(markdown_table(("figure", "measured"), others[:_FEW]))
    return "\n\n".join(parts) or "The evaluation holds no figures."


def figures(report: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return (dotted name, value) of every number in ``report``, those of provenance left out."""
    found: list[tuple[str, str]] = []
    for key, value in report.items():
        if key in _NOT_FIGURES:
            continue
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            found += figures(value, f"{prefix}{key}: ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((name, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return found


def _calibration(manifest: Manifest, calibration: Mapping[str, Any]) -> str:
    if not manifest.calibration:
        return "It gives no probabilities, so there is nothing to calibrate."
    rows = []
    for task, found in manifest.calibration.items():
        note = calibration["tasks"].get(task, {})
        score = note.get("valid_macro_f1")
        temperatures = ", ".join(f"{1 / scale:.2f}" for scale in found.scale[:4] if scale)
        more = " ..." if len(found.scale) > 4 else ""
        rows.append((task, temperatures + more, "-" if score is None else f"{score:.3f}"))
    return (
        "Fitted on valid, on the quantised file, through the app's engine.\n\n"
        + markdown_table(("task", "temperature", "macro-F1 on valid"), rows)
        + f"\n\nCrisis threshold: {manifest.crisis_threshold:g}."
    )


def _quantisation(recipe: Recipe, evaluation: Mapping[str, Any], report: Mapping[str, Any] | None) -> str:
    parts = []
    rows = [
        (task, f"{found['drop_points']:.2f}", f"{found['flips_percent']:.2f} %")
        for task, entry in (evaluation.get("tasks") or {}).items()
        if (found := entry.get("conversion"))
    ]
    if rows:
        parts.append(markdown_table(("task", f"{recipe.quantize.type}: macro-F1 points lost", "flips"), rows))
    if report is None:
        parts.append("The other types were not compared (`quietpage-train sweep` does that).")
    else:
        parts.append(markdown_table(sweep.HEADER, sweep.table_rows(report)))
        if report["rows"]:
            parts.append(markdown_table(*sweep.task_table(report)))
        parts += sweep.notes(report)
    return "\n\n".join(parts)


def _use(manifest: Manifest) -> str:
    if manifest.tasks:
        return (
            "To give the writer of a private journal, on their own computer, a gentle view of feelings and of signs of "
            "stress and low mood over time, which they can correct or remove."
        )
    return (
        "To answer the writer of a private journal on their own computer, when they ask for it, and only with replies "
        "that pass the app's check."
    )


def _limits(recipe: Recipe, manifest: Manifest) -> str:
    lines: Sequence[str] = (
        f"- It was tuned on {', '.join(recipe.languages)}; other languages were not tried.",
        "- Labels of forum posts are not diagnoses, and posts are not diaries.",
        "- A quiet reading is no sign of safety."
        if manifest.tasks
        else "- It may write what is wrong, unkind or unsafe; nothing that it writes is advice.",
    )
    return "\n".join(lines)
