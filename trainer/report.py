"""Tables out of ``evaluate.json``: for the terminal and for the model card, from the same figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FIVE = ("isear", "stress", "depression", "severity", "suicidality")
"""Tasks of the five sets whose mean weighted F1 is published for other small models."""
HEADER = (
    "task",
    "test rows",
    "accuracy",
    "bal. acc.",
    "macro-F1",
    "95 %",
    "wF1",
    "AUROC",
    "ECE",
    "one window: macro-F1",
    "TF-IDF: macro-F1",
    "TF-IDF: wF1",
)


def task_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return one row of strings per one-label task, in the order of :data:`HEADER`."""
    rows = []
    for task, entry in report["tasks"].items():
        if "macro_f1" not in entry:
            continue
        rows.append(
            (
                f"{task} ({entry['source']})",
                str(entry["rows"]),
                _figure(entry["accuracy"]),
                _figure(entry["balanced_accuracy"]),
                _figure(entry["macro_f1"]),
                f"{_figure(entry['macro_f1_ci95_low'])}-{_figure(entry['macro_f1_ci95_high'])}",
                _figure(entry["weighted_f1"]),
                _figure(entry["auroc"]),
                _figure(entry["ece"]),
                _figure(entry["one_window"]["macro_f1"]),
                _rival(entry),
                _figure(entry["tfidf"]["weighted_f1"]),
            )
        )
    return rows


def feeling_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return one row per feeling: label, positives, AUROC, F1, and the baseline's two."""
    labels = report["tasks"].get("feelings", {}).get("labels", {})
    keys = ("auroc", "f1", "tfidf_auroc", "tfidf_f1")
    return [(name, str(e["positives"]), *(_figure(e.get(key)) for key in keys)) for name, e in labels.items()]


def results_table(report: Mapping[str, Any]) -> str:
    """Return the whole report as text for a terminal."""
    parts = [plain_table(HEADER, task_rows(report))]
    feelings = feeling_rows(report)
    if feelings:
        mean = report["tasks"]["feelings"]
        parts.append(plain_table(("feeling", "positives", "AUROC", "F1", "TF-IDF AUROC", "TF-IDF F1"), feelings))
        parts.append(
            f"feelings, mean: AUROC {_figure(mean['mean_auroc'])} (TF-IDF {_figure(mean['mean_tfidf_auroc'])}), "
            f"F1 {_figure(mean['mean_f1'])} (TF-IDF {_figure(mean['mean_tfidf_f1'])})"
        )
    for source, entry in report["everyday_writing_test"].items():
        parts.append(
            f"{source} test, {entry['texts']} texts: stress many {entry['stress_many_percent']:.1f} %, "
            f"low mood many {entry['low_mood_many_percent']:.1f} %, "
            f"suicidality flagged {entry['suicidality_flag_percent']:.1f} %"
        )
    return "\n\n".join(parts)


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned table for a terminal."""
    widths = [max(len(str(row[i])) for row in (header, *rows)) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows)]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(header), ["---"] * len(header), *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rival(entry: Mapping[str, Any]) -> str:
    given = entry.get("given_baseline_macro_f1")
    measured = _figure(entry["tfidf"]["macro_f1"])
    return f"{measured} (listed {_figure(given)})" if given is not None else measured


def _figure(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}"
