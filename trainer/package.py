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
from trainer import model_card, reader_card, sweep, terms
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.evaluation import figures, languages
from trainer.gguf import rewrite
from trainer.progress import Progress

MADE_HERE = "Quiet Page, a model made here: "
"""First words of the notice of a model that ships with the app."""
_KEPT = ("rows", "accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "auroc", "ece", "mean_auroc", "mean_f1")


def run(recipe: Recipe, paths: RunPaths, progress: Progress) -> StageResult:
    """Fill ``assets/models`` and ``docs/models`` under ``paths.release``; raise ``TrainerError``.

    A model that was not evaluated, or whose evaluation is of another file, is refused.
    """
    terms.check_name(recipe)
    source = paths.gguf(recipe, recipe.quantize.type)
    evaluation = _evaluation(paths, source)
    prepared = _json(paths.prepared / "report.json", "prepare")
    if recipe.kind == "decoder" and (paths.lessons / "report.json").is_file():
        prepared["sources"] = _all_sources(prepared, _json(paths.lessons / "report.json", "lessons"))
    models, docs = paths.release / "assets" / "models", paths.release / "docs" / "models"
    models.mkdir(parents=True, exist_ok=True)
    docs.mkdir(parents=True, exist_ok=True)
    target = models / f"{recipe.name}.gguf"
    part = target.with_suffix(".part")
    try:
        manifest = replace(describe(source).manifest, evaluation=_summary(evaluation))
        if manifest.kind == "decoder" and recipe.kind == "decoder":
            manifest = _proven(manifest, evaluation, prepared)
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
        notice = models / f"{recipe.name}.NOTICE"
        notice.write_text(_notice(recipe, prepared), encoding="utf-8")
        _joined_notice(models)
        text = reader_card.card(recipe, manifest, entry, evaluation, prepared, calibration, _reports(paths))
        bins = {t: found["reliability"] for t, found in evaluation.get("tasks", {}).items() if "reliability" in found}
        if bins:
            figures.reliability(bins, docs / f"{recipe.name}.calibration.svg")
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


def _reports(paths: RunPaths) -> dict[str, dict[str, Any]]:
    """Return by name what other reports of the run there are: of its training, of variants and of other seeds."""
    found = {name: paths.reports / f"{name}.json" for name in ("finetune", "ablation", "seeds", "prefer")}
    found["lessons"] = paths.lessons / "report.json"
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in found.items() if path.is_file()}


def _summary(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the evaluation that travels inside the model."""
    tasks = {
        task: {key: entry[key] for key in _KEPT if entry.get(key) is not None}
        for task, entry in evaluation.get("tasks", {}).items()
    }
    if not tasks:
        return {"figures": dict(model_card.figures(evaluation))}
    found = {"tasks": tasks, "everyday_writing_test": evaluation.get("everyday_writing_test", {})}
    if gate := evaluation.get("writer"):
        found["writer"] = {"held_entries": gate["held"]["rows"], "short_of_the_bar": gate["short_of_the_bar"]}
    return found


def _proven(manifest: Manifest, evaluation: Mapping[str, Any], prepared: Mapping[str, Any]) -> Manifest:
    """Return ``manifest`` with what the evaluation of a decoder bears out: whether it may write, and its languages."""
    return replace(
        manifest,
        may_generate=evaluation.get("writer", {}).get("may_generate") is True,
        languages=languages.proven(manifest.languages, evaluation.get("further_feelings", {})),
        training_data=prepared["sources"],
    )


def _all_sources(prepared: Mapping[str, Any], lessons: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sets of tasks, of replies and of running text together, each once with all its rows."""
    found: dict[str, dict[str, Any]] = {}
    for source in (*prepared["sources"], *lessons["sources"], *lessons["prose"]):
        rows = found.get(source["name"], {}).get("rows", 0) + source["rows"]
        found[source["name"]] = {**source, "rows": rows}
    return [found[name] for name in sorted(found)]


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
        f"{MADE_HERE}{recipe.name}",
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


def _joined_notice(models: Path) -> None:
    """Write the folder's NOTICE: those of all listed models that were made here, one after the other."""
    listed = [model["name"] for model in json.loads((models / "models.json").read_text(encoding="utf-8"))]
    parts = [models / f"{name}.NOTICE" for name in listed]
    texts = [path.read_text(encoding="utf-8") for path in parts if path.is_file()]
    (models / "NOTICE").write_text("\n".join(text for text in texts if text.startswith(MADE_HERE)), encoding="utf-8")


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
