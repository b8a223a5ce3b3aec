"""The card of a language model that was fine-tuned: what it is and learned, how it did, what it may be used for.

And what the card of a decoder made here says of its writing. No figure is typed by hand: all come from the recipe and
from the reports of the run.
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


def writing(evaluation: Mapping[str, Any], reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the parts of a decoder's card about what it writes and reads beside its tasks; none for other models.

    ``reports`` are ``lessons`` and ``prefer``, as far as there are any.
    """
    parts = []
    if found := evaluation.get("further_feelings"):
        parts += ["### Feelings in other sets", _further(found)]
    gate = evaluation.get("writer")
    if not gate:
        return parts
    verdict = (
        "**It may write reflections by itself**: its evaluation passed every line below."
        if gate["may_generate"]
        else "**It writes only when it is asked to**, and the curated library stands under an entry. It falls short: "
        + "; ".join(gate["short_of_the_bar"])
        + "."
    )
    drawn = gate["drawn_with"]
    held = gate["held"]
    parts += [
        "## What it writes",
        verdict,
        f"Measured on {held['rows']} held entries written for this project, each with a reflection, that no training "
        f"has seen ({held['left_out_by_help_level']} more are entries at which the app lets no model write). Every "
        "reflection was drawn once and judged by the app's own check before any second try "
        f"(temperature {drawn['temperature']:g}, top-p {drawn['top_p']:g}, at most {drawn['max_tokens']} tokens). "
        "None of these figures says that a reflection is good; they say when it is not.",
        _gate(gate),
        "Chosen from the curated library: the app's rule, and what this model finds likeliest after the entry, by "
        "itself and against an empty entry; a card drawn by chance is the control.",
        _choice(gate["choice"]),
        _learned(reports),
        f"### {len(gate['samples'])} samples, chosen by the hash of their names",
        *(_sample(sample) for sample in gate["samples"]),
    ]
    return [part for part in parts if part]


def _gate(gate: Mapping[str, Any]) -> str:
    model, curated, people = gate["written"], gate["curated"], gate["references"]
    repeated = model["repetition"]

    def score(found: Mapping[str, Any]) -> str:
        value = found.get("bertscore", {}).get("rescaled", {}).get("f")
        return "-" if value is None else f"{value:.3f}"

    def share(value: float) -> str:
        return f"{100 * value:.1f} %"

    rows = [
        (
            "passes the output check",
            share(model["check"]["pass"]),
            share(curated["check"]["pass"]),
            share(people["check"]["pass"]),
            ">= 97 %",
        ),
        ("empty or looping", share(repeated["empty"] + repeated["looping"]), "", "", "0 %"),
        (
            "distinct-2",
            share(model["distinct_2"]),
            share(curated["distinct_2"]),
            share(people["distinct_2"]),
            ">= 15 %",
        ),
        (
            "takes up a content word of the entry (of another)",
            f"{share(model['mentions']['share'])} ({share(model['mentions']['random'])})",
            f"{share(curated['mentions']['share'])} ({share(curated['mentions']['random'])})",
            f"{share(people['mentions']['share'])} ({share(people['mentions']['random'])})",
            ">= 80 %",
        ),
        ("BERTScore F, rescaled", score(model), score(curated), "1", "above the curated choice"),
        (
            "words, mean",
            f"{model['lengths']['words_mean']:.0f}",
            f"{curated['lengths']['words_mean']:.0f}",
            f"{people['lengths']['words_mean']:.0f}",
            "",
        ),
    ]
    text = markdown_table(("figure", "this model", "curated choice", "held reflections", "line"), rows)
    reasons = model["check"]["reasons"]
    if reasons:
        text += "\n\nKept back for: " + ", ".join(f"{reason} ({count})" for reason, count in reasons.items()) + "."
    if "bertscore" in model and "scorer" in model["bertscore"]:
        text += (
            f"\n\nBERTScore by {model['bertscore']['scorer']}, layer {model['bertscore']['layer']}, rescaled by random "
            f"pairs of the held reflections; against random ones this model has "
            f"{model['bertscore']['random_reference']['rescaled_f']:.3f}."
        )
    return text


def _choice(choice: Mapping[str, Any]) -> str:
    rows = [
        (
            name,
            f"{choice[key]['bertscore_rescaled_f']:.3f}",
            f"{choice[key]['separation']:.3f}",
            str(choice[key]["different_cards"]),
            f"{100 * choice[key]['same_as_rule']:.0f} %",
        )
        for key, name in (
            ("rule", "rule"),
            ("likelihood", "likeliest"),
            ("gain", "likeliest against an empty entry"),
            ("random", "chance"),
        )
    ]
    return markdown_table(("choice", "BERTScore F, rescaled", "over random", "different cards", "as the rule"), rows)


def _learned(reports: Mapping[str, Mapping[str, Any]]) -> str:
    lessons, prefer = reports.get("lessons", {}), reports.get("prefer", {})
    parts = []
    if counts := lessons.get("replies", {}).get("train"):
        rows = [(name, str(found.get("read", 0)), str(found.get("kept", 0))) for name, found in counts.items()]
        parts.append(
            "It learned reflections from these sets; a reply was left out that advises, reassures, tells of whoever "
            "answers, takes up nothing of the entry, fails the app's check or copies a held-out text:\n\n"
            + markdown_table(("set", "replies read", "learned from"), rows)
        )
    if kinds := prefer.get("by_flaw"):
        rows = [
            (
                kind.replace("_", " "),
                str(found["pairs"]),
                f"{100 * found['accuracy_before']:.0f} %",
                f"{100 * found['accuracy_after']:.0f} %",
            )
            for kind, found in kinds.items()
        ]
        header = ("flaw", "valid pairs", "good reply likelier, before", "after")
        parts.append(
            f"Then it was tuned against flawed replies ({prefer['method']}):\n\n" + markdown_table(header, rows)
        )
    return "\n\n".join(parts)


def _sample(sample: Mapping[str, Any]) -> str:
    kept = f" *(kept back: {', '.join(sample['kept_back_for'])})*" if sample["kept_back_for"] else ""
    lines = (
        f"**{sample['id']}** {_one_line(sample['entry'])}",
        f"- this model: {_one_line(sample['written']) or '(nothing)'}{kept}",
        f"- curated: {_one_line(sample['curated'])}",
    )
    return "\n".join((lines[0], "", *lines[1:]))


def _one_line(text: str) -> str:
    """Return ``text`` on one line, with nothing that Markdown or HTML would take for its own."""
    plain = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in plain)


def _further(found: Mapping[str, Any]) -> str:
    rows = []
    for name, entry in found.items():
        cells = []
        for key in ("auroc", "f1"):
            values = (entry.get(f"mean_{which}") for which in (key, f"tfidf_{key}", f"tfidf_characters_{key}"))
            cells += ["-" if value is None else f"{value:.3f}" for value in values]
        rows.append((name, entry["language"], str(entry["rows"]), *cells, "yes" if entry["passes"] else "**no**"))
    header = (
        "set",
        "language",
        "test rows",
        *(f"{name}{rival}" for name in ("AUROC", "F1") for rival in ("", ", TF-IDF words", ", with characters")),
        "at or above the floor",
    )
    return (
        "Means over the feelings that both sides know, with the calibration and thresholds of the file. A language is "
        "read only if every set of it is at or above the floor in both; else the file refuses it.\n\n"
        + markdown_table(header, rows)
    )


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
