"""Reports as pages: one HTML file with its pictures inside and the same as Markdown; the tool ``report`` of a run.

A page opens without a network and runs no script; it follows the reader's light or dark choice.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from journal_app.palette import DARK, LIGHT, Palette
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.progress import Progress
from trainer.report import markdown_table

Block = tuple[Any, ...]
"""``("text", words)``, ``("head", words)``, ``("table", header, rows)`` or ``("figure", path, caption)``."""


def write_page(path_html: Path, path_md: Path, title: str, blocks: Sequence[Block]) -> None:
    """Write ``blocks`` as HTML and as Markdown; pictures go into the HTML and are linked from the Markdown.

    A picture that is not there is named as missing. Raises :class:`TrainerError` for a block of no known kind.
    """
    parts: list[str] = []
    lines = [f"# {title}"]
    for block in blocks:
        kind = block[0]
        if kind == "text":
            parts.append(f"<p>{html.escape(block[1])}</p>")
            lines.append(block[1])
        elif kind == "head":
            parts.append(f"<h2>{html.escape(block[1])}</h2>")
            lines.append(f"## {block[1]}")
        elif kind == "table":
            rows = [[cell_text(cell) for cell in row] for row in block[2]]
            parts.append(_html_table(block[1], rows))
            lines.append(markdown_table(block[1], rows))
        elif kind == "figure":
            parts.append(_html_figure(block[1], block[2]))
            lines.append(_linked(block[1], block[2], path_md.parent))
        else:
            raise TrainerError(f"a page has no blocks of the kind {kind}")
    body = "\n".join(parts)
    document = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_style()}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{html.escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
    for path, text in ((path_html, document), (path_md, "\n\n".join(lines) + "\n")):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(text, "utf-8")
        part.replace(path)


def cell_text(value: Any) -> str:
    """Return a value of a report as a cell shows it: floats with three decimals, what is not known as a dash."""
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if 0 < abs(value) < 0.01 else f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell_text, value))
    return str(value)


def run(recipe: Recipe, paths: RunPaths, progress: Progress, options: argparse.Namespace) -> StageResult:
    """Write ``report.html`` and ``report.md`` of the run from what its stages left; what was not run is named."""
    from trainer.evaluation import figures

    if not paths.out.is_dir():
        raise TrainerError(f"no run in {paths.out}: run `quietpage-train run` first")
    blocks: list[Block] = [("text", f"Recipe {recipe.name}, kind {recipe.kind}, licence {recipe.licence}.")]
    blocks += [("head", "Recipe"), ("table", ["setting", "value"], _settings(recipe))]
    missing: list[str] = []
    for name, maker in (
        ("data", _data),
        ("training", _training),
        ("evaluation", _evaluation),
        ("quantised types", _sweep),
        ("study", _study),
        ("judge", _judge),
    ):
        made = maker(paths, figures)
        if made:
            blocks += [("head", name.capitalize()), *made]
        else:
            missing.append(name)
    blocks.append(("head", "Not run"))
    blocks.append(("text", ", ".join(missing) + "." if missing else "Every part was run."))
    html_path, md_path = paths.reports / "report.html", paths.reports / "report.md"
    write_page(html_path, md_path, f"{recipe.name}: report", blocks)
    progress.say(f"report: {html_path}" + (f" (not run: {', '.join(missing)})" if missing else ""))
    return StageResult((html_path, md_path), {"missing": len(missing)})


def read_json(path: Path) -> dict[str, Any]:
    """Return a report's values, none for a missing file; raise :class:`TrainerError` for one that is no JSON."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError(f"{path} cannot be read as JSON; run the stage that writes it again") from error
    return value if isinstance(value, dict) else {}


def _settings(recipe: Recipe) -> list[list[Any]]:
    rows: list[list[Any]] = [["seed", recipe.seed], ["longest window, tokens", recipe.max_tokens]]
    if recipe.kind in ("encoder", "decoder"):
        steps = recipe.finetune if recipe.kind == "encoder" else recipe.decoder
        return [*rows, ["steps", steps.steps], ["batch", steps.batch], ["peak learning rate", steps.lr]]
    sft, adapter = recipe.sft, recipe.adapter
    rows += [["base", recipe.base.model], ["family", recipe.base.family], ["published in", recipe.base.source]]
    rows.append(["weights that learn", adapter.method])
    if adapter.method != "full":
        rows += [["r", adapter.r], ["alpha", adapter.alpha], ["dropout", adapter.dropout]]
        rows.append(["layers", ", ".join(adapter.targets)])
    rows += [
        ["epochs", sft.epochs],
        ["batch", f"{sft.batch} x {sft.accumulate}"],
        ["peak learning rate", sft.lr],
        ["schedule", f"{sft.schedule}, warm-up {sft.warmup}"],
        ["optimiser", sft.optimizer],
        ["sequence, tokens", sft.sequence],
        ["prompt shape", sft.shape],
    ]
    if recipe.prefer.method != "none":
        rows.append(["preference tuning", f"{recipe.prefer.method}, beta {recipe.prefer.beta}, lr {recipe.prefer.lr}"])
    return rows


def _data(paths: RunPaths, figures: Any) -> list[Block]:
    report = read_json(paths.prepared / "report.json")
    if not report:
        return []
    blocks: list[Block] = []
    if sources := report.get("sources"):
        rows = [[s["name"], s["rows"], s["licence"]] for s in sources]
        blocks.append(("table", ["set", "rows in train", "terms, as the source states them"], rows))
    if balance := report.get("balance"):
        rows = [[task, label, count] for task, found in balance.items() for label, count in found.items()]
        blocks.append(("table", ["task", "label", "rows in train"], rows))
    dropped = [
        [split, what, count] for split, found in report.get("dropped", {}).items() for what, count in _flat(found)
    ]
    if dropped:
        blocks.append(("table", ["split", "dropped", "rows"], dropped))
    plots = sorted(paths.figures.glob("*.png")) if paths.figures.is_dir() else []
    blocks += [("figure", path, _caption(path)) for path in plots if path.stem.startswith(("balance", "keywords"))]
    return blocks


def _flat(found: Any) -> list[tuple[str, int]]:
    return [(str(k), int(v)) for k, v in found.items() if isinstance(v, int)] if isinstance(found, dict) else []


def _training(paths: RunPaths, figures: Any) -> list[Block]:
    blocks: list[Block] = []
    for path in sorted(paths.out.glob("curve-*.jsonl")):
        target = paths.figures / f"{path.stem}.png"
        if figures.loss_curve(path, target):
            blocks.append(("figure", target, f"Loss of {path.stem.removeprefix('curve-')}, by step."))
    for name in ("finetune.json", "distill.json", "prefer.json", "merge.json"):
        facts = [[k, v] for k, v in read_json(paths.out / name).items() if isinstance(v, int | float | str)]
        if facts:
            blocks.append(("table", [name.removesuffix(".json"), ""], facts))
    return blocks


def _evaluation(paths: RunPaths, figures: Any) -> list[Block]:
    report = read_json(paths.out / "evaluate.json")
    blocks: list[Block] = []
    keys = ("rows", "accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "auroc", "pr_auc", "ece", "brier")
    rows = [
        [task, *(entry.get(key) for key in keys), (entry.get("tfidf") or {}).get("macro_f1")]
        for task, entry in report.get("tasks", {}).items()
        if "macro_f1" in entry
    ]
    if rows:
        blocks.append(("table", ["task", *(key.replace("_", " ") for key in keys), "TF-IDF macro-F1"], rows))
    screens = [
        [task, *entry["screening"].values()] for task, entry in report.get("tasks", {}).items() if "screening" in entry
    ]
    if screens:
        first = next(e["screening"] for e in report["tasks"].values() if "screening" in e)
        blocks.append(("table", ["screen", *(key.replace("_", " ") for key in first)], screens))
    for task, entry in report.get("tasks", {}).items():
        if entry.get("recall"):
            blocks.append(("table", [f"{task}: label", "recall"], [[k, v] for k, v in entry["recall"].items()]))
    for name, axes_names, caption in (
        ("roc", ("false-positive rate", "true-positive rate"), "ROC of the screens."),
        ("pr", ("recall", "precision"), "Precision over recall of the screens."),
    ):
        points = {
            task: tuple(map(np.asarray, e["curves"][name]))
            for task, e in report.get("tasks", {}).items()
            if (e.get("curves") or {}).get(name)
        }
        if points:
            target = paths.figures / f"{name}.png"
            figures.curves(points, target, caption.rstrip("."), axes_names)
            blocks.append(("figure", target, caption))
    bins = {task: e["reliability"] for task, e in report.get("tasks", {}).items() if e.get("reliability")}
    if bins:
        target = paths.figures / "reliability.png"
        figures.reliability(bins, target)
        blocks.append(("figure", target, "How often the model is right, by how sure it is; the line is perfect."))
    for key in ("test", "replies", "voice", "overlap"):
        found = report.get(key)
        if isinstance(found, dict):
            blocks.append(("table", [key, ""], _facts(found)))
    return blocks


def _sweep(paths: RunPaths, figures: Any) -> list[Block]:
    types = read_json(paths.out / "sweep.json").get("types", {})
    keys = [k for k in next(iter(types.values()), {}) if k != "tasks"]
    if not types:
        return []
    return [
        ("table", ["type", *(k.replace("_", " ") for k in keys)], [[n, *map(e.get, keys)] for n, e in types.items()])
    ]


def _study(paths: RunPaths, figures: Any) -> list[Block]:
    report = read_json(paths.out / "study.json")
    methods = report.get("methods", {})
    if not methods:
        return []
    keys = ("rows", "accuracy", "macro_f1", "weighted_f1", "balanced_accuracy", "auroc", "ece")
    blocks: list[Block] = [
        (
            "table",
            ["method", *(k.replace("_", " ") for k in keys)],
            [[n, *map(e.get, keys)] for n, e in methods.items()],
        )
    ]
    page = paths.figures / "study-all.png"
    return [*blocks, ("figure", page, f"The study of {report.get('task', '')} on one page.")]


def _judge(paths: RunPaths, figures: Any) -> list[Block]:
    report = read_json(paths.out / "judge.json")
    scores, criteria = report.get("scores"), list(report.get("criteria") or ())
    if not isinstance(scores, dict) or not scores:
        return []
    rows = [
        [name, *(_with_ends(entry.get(key)) for key in criteria), entry.get("output_check_pass")]
        for name, entry in scores.items()
    ]
    who = (report.get("judge") or {}).get("model", "a model")
    blocks: list[Block] = [
        ("text", f"{report.get('note', '')} Judge: {who}; {report.get('entries')} entries, scores from 0 to 5, 95 %."),
        ("table", ["candidate", *criteria, "output check passes"], rows),
    ]
    picture = paths.figures / "judge.png"
    return [*blocks, ("figure", picture, "Scores of the judge, as shares of the highest.")]


def _with_ends(cell: Any) -> str:
    if not isinstance(cell, dict) or cell.get("mean") is None:
        return "-"
    return f"{cell['mean']:.2f} ({cell['low']:.2f}-{cell['high']:.2f})"


def _facts(found: dict[str, Any]) -> list[list[Any]]:
    """Return name and value of what is one value, a level deep: enough for a table, without lists."""
    rows: list[list[Any]] = []
    for key, value in found.items():
        if isinstance(value, dict):
            inner = {k: v for k, v in value.items() if isinstance(v, int | float | str)}
            rows += [[f"{key}: {k}".replace("_", " "), v] for k, v in inner.items()]
        elif isinstance(value, int | float | str):
            rows.append([key.replace("_", " "), value])
    return rows


def _caption(path: Path) -> str:
    return path.stem.replace("-", " ").replace("_", " ").capitalize() + "."


def _html_table(header: Sequence[Any], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(str(cell))}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _html_figure(path: Path, caption: str) -> str:
    words = html.escape(caption)
    if not path.is_file():
        return f"<p>Missing picture: {words}</p>"
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<figure><img src="data:image/png;base64,{data}" alt="{words}"><figcaption>{words}</figcaption></figure>'


def _linked(path: Path, caption: str, folder: Path) -> str:
    return (
        f"![{caption}]({Path(os.path.relpath(path, folder)).as_posix()})" if path.is_file() else f"Missing: {caption}"
    )


def _style() -> str:
    def colours(palette: Palette) -> str:
        return (
            f"--page:{palette.page};--card:{palette.card};--ink:{palette.ink};"
            f"--quiet:{palette.quiet_ink};--line:{palette.line};--accent:{palette.accent};"
        )

    return (
        f":root{{{colours(LIGHT)}color-scheme:light dark}}"
        f"@media(prefers-color-scheme:dark){{:root{{{colours(DARK)}}}}}"
        "body{margin:0;background:var(--page);color:var(--ink);font:1rem/1.6 system-ui,sans-serif}"
        "main{max-width:64rem;margin:0 auto;padding:2rem 1.25rem 4rem}"
        "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem;color:var(--accent)}p{max-width:44rem}"
        ".wide{overflow-x:auto;margin:1rem 0}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
        "th,td{text-align:left;padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}"
        "th{color:var(--quiet);font-weight:600}figure{margin:1.5rem 0}"
        "img{max-width:100%;height:auto;background:#fff;border:1px solid var(--line);border-radius:6px}"
        "figcaption{color:var(--quiet);font-size:.9rem}"
    )
