"""``package``: the model, its list entry, its notice and its card, where they ship.

No figure on the card is typed by hand: all of them come from ``evaluate.json``,
``calibrate.json``, ``finetune.json`` and the report of ``prepare``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from journal_app.contract.manifest import MANIFEST_KEY, Manifest
from journal_app.inference.engine import ModelError
from journal_app.inference.llama import LlamaReader, describe, sha256_of
from journal_app.inference.writer import LlamaWriter
from trainer import model_card, sweep, terms
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.gguf import rewrite
from trainer.progress import Progress
from trainer.report import HEADER, feeling_rows, markdown_table, task_rows

_KEPT = ("rows", "accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "auroc", "ece", "mean_auroc", "mean_f1")


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Fill ``assets/models`` and ``docs/models`` under ``paths.release``; raise ``TrainerError``.

    A model that was not evaluated, or whose evaluation is of another file, is refused.
    """
    terms.check_name(recipe)
    source = paths.gguf(recipe, recipe.quantize.type)
    evaluation = _evaluation(paths, source)
    prepared = _json(paths.prepared / "report.json", "prepare")
    models, docs = paths.release / "assets" / "models", paths.release / "docs" / "models"
    models.mkdir(parents=True, exist_ok=True)
    docs.mkdir(parents=True, exist_ok=True)
    target = models / f"{recipe.name}.gguf"
    part = target.with_suffix(".part")
    try:
        manifest = replace(describe(source).manifest, evaluation=_summary(evaluation))
        rewrite(source, part, {MANIFEST_KEY: manifest.to_json()})
        if manifest.tasks:
            with LlamaReader(part, threads=1):
                pass
        else:
            with LlamaWriter(part, threads=1, context=64):
                pass
        sha256 = sha256_of(part)
    except ModelError as error:
        part.unlink(missing_ok=True)
        raise TrainerError(f"package: {error}") from error
    if part.stat().st_size > recipe.file_limit_mb * 1e6:
        part.unlink()
        raise TrainerError(f"package: the model is larger than {recipe.file_limit_mb} MB")
    os.replace(part, target)
    entry = {
        "name": recipe.name,
        "file": target.name,
        "sha256": sha256,
        "bytes": target.stat().st_size,
        "kind": manifest.kind,
        "licence": recipe.licence,
    }
    listing = _listed(models / "models.json", entry)
    card = docs / f"{recipe.name}.md"
    calibration = _json(paths.reports / "calibrate.json", "quantize")
    if recipe.kind == "causal":
        # The folder's NOTICE is that of the models that ship with the app.
        notice = models / f"{recipe.name}.NOTICE"
        notice.write_text(_tuned_notice(recipe, prepared), encoding="utf-8")
        compared = _sweep(paths, paths.gguf(recipe, "F16"))
        text = model_card.card(recipe, manifest, entry, evaluation, prepared, calibration, compared)
    else:
        notice = models / "NOTICE"
        notice.write_text(_notice(recipe, prepared), encoding="utf-8")
        text = _card(recipe, manifest, entry, evaluation, prepared, calibration, _steps(paths))
    card.write_text(text, encoding="utf-8")
    shutil.copyfile(paths.reports / "evaluate.json", docs / f"{recipe.name}.evaluate.json")
    progress.say(f"package: {target.name}, {entry['bytes'] / 1e6:.1f} MB, sha256 {sha256}")
    return StageResult(
        (target, listing, notice, card, docs / f"{recipe.name}.evaluate.json"), {"bytes": entry["bytes"]}
    )


def _json(path: Path, stage: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError(f"no usable {path}: run `quietpage-train {stage}` first") from error


def _evaluation(paths: RunPaths, source: Path) -> dict[str, Any]:
    """Return the evaluation of the very file at ``source``."""
    if not source.is_file():
        raise TrainerError(f"no model at {source}: run `quietpage-train quantize` first")
    evaluation = _json(paths.reports / "evaluate.json", "evaluate")
    judged = {str(evaluation[key]) for key in ("sha256", "model_sha256") if evaluation.get(key)}
    if judged != {sha256_of(source)}:
        raise TrainerError(
            f"evaluate.json is of another file than {source.name}: run `quietpage-train evaluate` on this one"
        )
    return evaluation


def _sweep(paths: RunPaths, half: Path) -> dict[str, Any] | None:
    """Return the report of ``sweep`` where it was run on the very F16 file that the model was made from."""
    path = paths.reports / sweep.REPORT
    if not path.is_file():
        return None
    report = _json(path, "sweep")
    return report if half.is_file() and report.get("model_sha256") == sha256_of(half) else None


def _steps(paths: RunPaths) -> dict[str, Any]:
    path = paths.reports / "finetune.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _summary(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the evaluation that travels inside the model."""
    tasks = {
        task: {key: entry[key] for key in _KEPT if entry.get(key) is not None}
        for task, entry in evaluation.get("tasks", {}).items()
    }
    if not tasks:
        return {"figures": dict(model_card.figures(evaluation))}
    return {"tasks": tasks, "everyday_writing_test": evaluation.get("everyday_writing_test", {})}


def _listed(path: Path, entry: Mapping[str, Any]) -> Path:
    models: list[dict[str, Any]] = []
    if path.is_file():
        try:
            models = [model for model in json.loads(path.read_text(encoding="utf-8")) if model["name"] != entry["name"]]
        except (ValueError, KeyError, TypeError) as error:
            raise TrainerError(f"{path} is not a list of models ({type(error).__name__})") from error
    models = sorted([*models, dict(entry)], key=lambda model: model["name"])
    path.write_text(json.dumps(models, indent=1) + "\n", encoding="utf-8")
    return path


def _notice(recipe: Recipe, prepared: Mapping[str, Any]) -> str:
    lines = [
        "Quiet Page: models in this folder",
        "",
        f"{recipe.name} is licensed under LICENSE-WEIGHTS.md beside this file.",
        "",
    ]
    if recipe.kind == "encoder":
        lines += [
            "It is a modified version of all-MiniLM-L6-v2 (sentence-transformers; based on MiniLM by Microsoft),",
            "licensed under the Apache License, Version 2.0; a copy is in LICENSE-APACHE-2.0.txt. Changes: every",
            "weight was fine-tuned, linear heads were added, and the file was converted to GGUF and quantised.",
            "",
        ]
    lines += ["It was trained on texts of these data sets (rows used; terms as their sources state them):", ""]
    lines += [f"  {s['name']}: {s['rows']} rows; {s['licence']}" for s in prepared["sources"]]
    lines += ["", "None of these texts is part of this distribution.", ""]
    return "\n".join(lines)


def _tuned_notice(recipe: Recipe, prepared: Mapping[str, Any]) -> str:
    lines = [
        f"Quiet Page: {recipe.name}",
        "",
        f"It is a modified version of {terms.base_name(recipe)}: weights were fine-tuned, and the file was converted",
        "to GGUF and quantised.",
        "",
        terms.statement(recipe, prepared["sources"]).replace("`", ""),
        "",
        "It was trained on texts of these data sets (rows used; terms as their sources state them):",
        "",
        *(f"  {s['name']}: {s['rows']} rows; {s['licence']}" for s in prepared["sources"]),
        "",
        "None of these texts is part of this distribution.",
        "",
    ]
    return "\n".join(lines)


def _card(
    recipe: Recipe,
    manifest: Manifest,
    entry: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    prepared: Mapping[str, Any],
    calibration: Mapping[str, Any],
    steps: Mapping[str, Any],
) -> str:
    feelings = set(manifest.tasks.get("feelings", ()))
    left_out = [k.split("/")[1] for k in calibration["tasks"] if k.startswith("feelings/")]
    left_out = [label for label in left_out if label not in feelings]
    parts = [
        f"# {recipe.name}",
        f"Written by `quietpage-train package`; every figure comes from the run's reports "
        f"(`{recipe.name}.evaluate.json` beside this card).",
        "## What it is",
        _what(recipe, manifest, entry, steps),
        "## Results on test",
        "The quantised file through the app's own engine, every text read in full as the app reads it (the strongest "
        'window decides the four screening tasks); "one window" reads only the beginning, as in training. Calibration '
        "and thresholds come from valid. TF-IDF with logistic regression was measured on the same "
        'rows in the same run; "listed" is the figure that came with the corpora.',
        markdown_table(HEADER, task_rows(evaluation)),
        _beats(evaluation),
        "### Feelings",
        _feelings_text(evaluation, left_out),
        markdown_table(
            ("feeling", "positives in test", "AUROC", "F1", "TF-IDF AUROC", "TF-IDF F1"), feeling_rows(evaluation)
        ),
        "### Everyday writing",
        "How often ordinary writing gets a mark. These texts are unlabelled and unfiltered: some are truly heavy, so "
        "the rates are upper bounds of false flags. The lines were set on valid, these are test.",
        _everyday(evaluation),
        _sensitivity(calibration),
        "### Conversion",
        _conversion(evaluation),
        "## Intended use",
        "To give the writer of a private journal, on their own computer, a gentle view of feelings and of signs of "
        "stress and low mood over time, which they can correct or remove. Bands (quiet, some, many, not sure) are "
        "shown, never percentages of risk. The crisis level of the app rests on rules first; this model can only "
        "raise it, never lower it.",
        "## Not for",
        "Diagnosis, treatment decisions, screening of other people, employment, insurance, policing, or any use in "
        "which someone other than the writer judges the writer.",
        "## Limits",
        "- It reads English. Other languages get no tags.\n"
        "- Labels of forum posts are not diagnoses: depression and suicidality labels are the forum in which a post "
        "stood, stress and severity were judged by raters, and feelings mostly come from short Reddit comments.\n"
        "- `suicidality` cannot tell well between depressed and suicidal writing (see its row above); it misses texts. "
        "A quiet reading is no sign of safety.\n"
        "- Tiredness, and most of calm and loneliness, were learned from weak labels (sentences of blogs that say so "
        "in plain words), so they follow the words more than the meaning; so do the figures above.\n"
        "- Neutral negatives of the screening tasks are blog posts and dialogue without words of distress, chosen by "
        "rule and not by people.\n"
        "- Irony, quotations, song texts and fiction are read as if the writer meant them.",
        "## Data",
        markdown_table(
            ("set", "rows used in training", "terms, as the source states them"),
            [(s["name"], str(s["rows"]), s["licence"]) for s in prepared["sources"]],
        ),
        "Texts that equal or nearly equal a valid or test text of any set were dropped from train:",
        _dropped(prepared),
        "## Licence",
        f"`{recipe.licence}`: see `assets/models/LICENSE-WEIGHTS.md`; sources in `assets/models/NOTICE`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(recipe: Recipe, manifest: Manifest, entry: Mapping[str, Any], steps: Mapping[str, Any]) -> str:
    tasks = ", ".join(f"`{task}`" for task in manifest.tasks)
    kind = (
        "all-MiniLM-L6-v2 (6 layers, width 384), fine-tuned on all tasks together, with one linear head a task over "
        "the mean-pooled embedding; the heads are in the file's metadata"
        if recipe.kind == "encoder"
        else "a decoder trained from scratch that answers each task with one label token"
    )
    trained = ""
    if steps.get("train_seconds"):
        trained = f" {steps['steps']} steps on {steps['texts']} texts took {steps['train_seconds'] / 60:.0f} minutes."
    return (
        f"{kind[0].upper()}{kind[1:]}. Tasks: {tasks}. Languages: {', '.join(manifest.languages)}. "
        f"Window: {manifest.max_tokens} tokens; longer texts are split at sentences.{trained}\n\n"
        f"File `{entry['file']}`, {recipe.quantize.type}, {entry['bytes'] / 1e6:.1f} MB, sha256 `{entry['sha256']}`."
    )


def _beats(evaluation: Mapping[str, Any]) -> str:
    entries = [entry for entry in evaluation["tasks"].values() if entry.get("given_baseline_macro_f1") is not None]
    above = sum(round(entry["macro_f1"], 3) >= round(entry["given_baseline_macro_f1"], 3) for entry in entries)
    return (
        f"At or above the listed baseline in macro-F1 on {above} of {len(entries)} published tasks." if entries else ""
    )


def _feelings_text(evaluation: Mapping[str, Any], left_out: list[str]) -> str:
    entry = evaluation["tasks"].get("feelings")
    if entry is None or entry.get("mean_auroc") is None:
        return "This model reads no feelings."
    text = (
        f"Mean AUROC {entry['mean_auroc']:.3f} (TF-IDF {entry['mean_tfidf_auroc']:.3f}), mean F1 "
        f"{entry['mean_f1']:.3f} (TF-IDF {entry['mean_tfidf_f1']:.3f}) over the labels with test rows."
    )
    if left_out:
        text += f" Left out for want of trustworthy supervision: {', '.join(left_out)}."
    return text


def _everyday(evaluation: Mapping[str, Any]) -> str:
    keys = (
        "stress_many_percent",
        "stress_unsure_percent",
        "low_mood_many_percent",
        "low_mood_unsure_percent",
        "suicidality_flag_percent",
    )
    rows = [
        (source, str(entry["texts"]), *(f"{entry[key]:.1f} %" for key in keys))
        for source, entry in evaluation["everyday_writing_test"].items()
    ]
    header = ("test of", "texts", "stress many", "stress not sure", "low mood many", "low mood not sure", "suicidality")
    return markdown_table(header, rows)


def _sensitivity(calibration: Mapping[str, Any]) -> str:
    found = calibration["thresholds"]
    cells = []
    for name, key, text in (
        ("stress", "distressed_valid_many_share", 'stressed posts of valid are "many" in stress'),
        (
            "low_mood",
            "distressed_valid_many_share",
            'depressed or moderately to severely low posts are "many" in low mood',
        ),
        ("crisis", "suicidal_valid_flag_share", "suicidal posts reach the crisis threshold"),
    ):
        value = found.get(name, {}).get(key)
        if value is not None:
            cells.append(f"{100 * value:.0f} % of the {text}")
    return f"At the same lines, on published valid splits: {'; '.join(cells)}." if cells else ""


def _conversion(evaluation: Mapping[str, Any]) -> str:
    rows = []
    for task, entry in evaluation["tasks"].items():
        found = entry.get("conversion")
        if found:
            agrees = found.get("f16_agrees_with_pytorch_percent")
            rows.append(
                (
                    task,
                    "-" if agrees is None else f"{agrees:.2f} %",
                    f"{found['drop_points']:.2f}",
                    f"{found['flips_percent']:.2f} %",
                )
            )
    text = markdown_table(("task", "F16 agrees with PyTorch", "quantised: macro-F1 points lost", "flips"), rows)
    vectors, tokens = evaluation.get("embeddings") or {}, evaluation.get("token_parity") or {}
    if vectors:
        text += (
            f"\n\nCosine to PyTorch, lowest of {vectors['texts']}: F16 {vectors['cosine_f16_min']:.7f}, quantised "
            f"{vectors['cosine_quantised_min']:.5f}. Of the five nearest texts by the untouched encoder, "
            f"{100 * vectors['recall_at_5_against_original']:.0f} % are still among the five nearest."
        )
    if tokens:
        text += f" Token ids differ from the training tokenizer in {tokens['different']} of {tokens['texts']} texts."
    return text


def _dropped(prepared: Mapping[str, Any]) -> str:
    lines = [
        f"- {split}: {what}: {count}" for split, found in prepared["dropped"].items() for what, count in found.items()
    ]
    return "\n".join(lines)
