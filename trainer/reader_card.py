"""The card of a reader or writer that was made here: what it is, how it did next to others, where it fails.

No figure is typed by hand but those that others published; those stand in one table with their sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from journal_app.contract.manifest import Manifest
from trainer import model_card
from trainer.config import Recipe
from trainer.report import FIVE, HEADER, feeling_rows, markdown_table, task_rows

ELSEWHERE: dict[str, tuple[tuple[str, float, str], ...]] = {
    "emotion": (
        ("accuracy", 0.931, "RoBERTa-base, model card bhadresh-savani/roberta-base-emotion"),
        ("macro_f1", 0.882, "the same"),
    ),
    "isear": (("accuracy", 0.743, "RoBERTa, Adoma et al. 2020, another split"),),
    "stress": (("weighted_f1", 0.818, "MentalRoBERTa, IMHI (Yang et al. 2024), 414 of the 715 rows"),),
    "depression": (("weighted_f1", 0.951, "RoBERTa-base, IMHI (Yang et al. 2024)"),),
    "severity": (("accuracy", 0.75, "Menta, Qwen3-4B, xxue752-nz/menta-project"),),
    "suicidality": (("balanced_accuracy", 0.723, "Mental-RoBERTa, Xu et al. 2024 (arXiv 2307.14385)"),),
}
"""Task -> (figure, value, source): the best that was published for models below about 3 B parameters."""
FIVE_ELSEWHERE = (0.789, "Llama-3.2-1B and Qwen2-1.5B, fine-tuned, daminho/Tiny-Mental-LLM, read from a plot")
_LANGUAGES = {"en": "English", "ko": "Korean"}


def card(
    recipe: Recipe,
    manifest: Manifest,
    entry: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    prepared: Mapping[str, Any],
    calibration: Mapping[str, Any],
    reports: Mapping[str, Mapping[str, Any]],
) -> str:
    """Return the card in Markdown.

    Args:
        entry: of ``models.json``. evaluation, prepared, calibration: reports of the stages. reports: others by name
            (``finetune``, ``ablation``, ``seeds``), as far as there are any.
    """
    feelings = set(manifest.tasks.get("feelings", ()))
    left_out = [k.split("/")[1] for k in calibration["tasks"] if k.startswith("feelings/")]
    left_out = [label for label in left_out if label not in feelings]
    parts = [
        f"# {recipe.name}",
        f"Written by `quietpage-train package`; every figure comes from the run's reports "
        f"(`{recipe.name}.evaluate.json` beside this card).",
        "## What it is",
        _what(recipe, manifest, entry, reports.get("finetune", {})),
        "## Results on test",
        "The quantised file through the app's own engine, every text read in full as the app reads it (the strongest "
        'window decides the four screening tasks and each feeling and theme); "one window" reads only the beginning, '
        "as in training. Calibration "
        "and thresholds come from valid. TF-IDF with logistic regression was measured on the same "
        'rows in the same run; "listed" is the figure that came with the corpora.',
        markdown_table(HEADER, task_rows(evaluation)),
        _beats(evaluation),
        "### Floors and what others published",
        "The floor is TF-IDF with words alone and with characters as well, measured in the same run. What others "
        "published is of the sources named, on the same test set where the split is published.",
        _floors(evaluation),
        _auxiliary(evaluation),
        _seeds(reports.get("seeds", {})),
        "### Calibration",
        _calibration(recipe.name, evaluation),
        "### By length and by source",
        _slices(evaluation),
        "### Feelings",
        _feelings_text(evaluation, left_out),
        markdown_table(
            ("feeling", "positives in test", "AUROC", "F1", "TF-IDF AUROC", "TF-IDF F1"), feeling_rows(evaluation)
        ),
        _themes_text(evaluation),
        "### Diaries",
        "Entries written and passages of blogs labelled for this project, of their test part, at the lines that the "
        "app uses. **The authors of these texts and labels also set the lines** (on other entries), and wrote other "
        "entries that it learned from: a stranger's diary may go worse.",
        _diaries(evaluation),
        "### Everyday writing",
        "How often ordinary writing gets a mark. These texts are unlabelled and unfiltered: some are truly heavy, so "
        "the rates are upper bounds of false flags. The lines were set on valid, these are test.",
        _everyday(evaluation),
        _sensitivity(calibration),
        "### Conversion",
        _conversion(evaluation),
        _ablation(reports.get("ablation", {})),
        *model_card.writing(evaluation, reports),
        "## Intended use",
        "To give the writer of a private journal, on their own computer, a gentle view of feelings and of signs of "
        "stress and low mood over time, which they can correct or remove. Bands (quiet, some, many, not sure) are "
        "shown, never percentages of risk. The crisis level of the app rests on rules first; this model can only "
        "raise it, never lower it.",
        "## Not for",
        "Diagnosis, treatment decisions, screening of other people, employment, insurance, policing, or any use in "
        "which someone other than the writer judges the writer.",
        "## Limits",
        f"- It reads {' and '.join(_LANGUAGES.get(code, code) for code in manifest.languages)}. Other languages get "
        "no tags.\n"
        "- Labels of forum posts are not diagnoses: depression and suicidality labels are the forum in which a post "
        "stood, stress and severity were judged by raters, and feelings mostly come from short Reddit comments.\n"
        "- `suicidality` cannot tell well between depressed and suicidal writing (see its row above); it misses texts. "
        "A quiet reading is no sign of safety.\n"
        "- Tiredness, calm and loneliness are in hardly any published set: they were learned from weak labels "
        "(sentences of blogs that say so in plain words) and from the diary-like texts labelled for this project.\n"
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


def tables(evaluation: Mapping[str, Any]) -> str:
    """Return the tables of figures that the card has, for a terminal."""
    parts = (
        markdown_table(HEADER, task_rows(evaluation)),
        _floors(evaluation),
        _slices(evaluation),
        _diaries(evaluation),
        _everyday(evaluation),
    )
    return "\n\n".join(part for part in parts if part)


def _what(recipe: Recipe, manifest: Manifest, entry: Mapping[str, Any], steps: Mapping[str, Any]) -> str:
    tasks = ", ".join(f"`{task}`" for task in manifest.tasks)
    beside = ""
    if steps.get("ngrams"):
        shares = ", ".join(f"{task} {found['share']:g}" for task, found in steps["ngrams"].items() if found["share"])
        beside = (
            ". A logistic regression over hashed words, pairs of words and runs of characters, fitted on the published "
            f"train rows, stands beside them: its logits are added with these weights, chosen on valid: {shares}"
        )
    kind = (
        "all-MiniLM-L6-v2 (6 layers, width 384), fine-tuned on all tasks together, with one linear head a task over "
        "the mean-pooled embedding; the heads are in the file's metadata" + beside
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


def _calibration(name: str, evaluation: Mapping[str, Any]) -> str:
    text = "Fitted on valid, on the quantised file, through the app's engine."
    if any("reliability" in entry for entry in evaluation["tasks"].values()):
        return f"![Reliability by task]({name}.calibration.svg)\n\nECE stands in the table above. {text}"
    return text


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


def _floors(evaluation: Mapping[str, Any]) -> str:
    rows = []
    for task, entry in evaluation["tasks"].items():
        if "tfidf_characters" not in entry:
            continue
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1"):
            words, both = entry["tfidf"][name], entry["tfidf_characters"][name]
            others = [f"{value:.3f} ({source})" for key, value, source in ELSEWHERE.get(task, ()) if key == name]
            mark = "" if entry[name] >= max(words, both) else "**below**"
            rows.append(
                (task, name.replace("_", " "), f"{entry[name]:.3f}", f"{words:.3f}", f"{both:.3f}", mark, *others[:1])
            )
    if not rows:
        return ""
    rows = [row if len(row) == 7 else (*row, "") for row in rows]
    text = markdown_table(
        ("task", "figure", "this model", "TF-IDF, words", "with characters", "against the floor", "published"), rows
    )
    found = [evaluation["tasks"][task] for task in FIVE if task in evaluation["tasks"]]
    if len(found) == len(FIVE):
        mean = [sum(part(e) for e in found) / len(found) for part in (_own, _words, _characters)]
        text += (
            f"\n\nMean weighted F1 of the five sets without `emotion`: {mean[0]:.3f} (TF-IDF {mean[1]:.3f}, with "
            f"characters {mean[2]:.3f}; published {FIVE_ELSEWHERE[0]:.3f}: {FIVE_ELSEWHERE[1]})."
        )
    return text


def _own(entry: Mapping[str, Any]) -> float:
    return entry["weighted_f1"]


def _words(entry: Mapping[str, Any]) -> float:
    return entry["tfidf"]["weighted_f1"]


def _characters(entry: Mapping[str, Any]) -> float:
    return entry["tfidf_characters"]["weighted_f1"]


def _auxiliary(evaluation: Mapping[str, Any]) -> str:
    lines = [
        f"`{name}`, {found['labels']} labels, learned beside the tasks by a head that is not shipped, over the "
        f"quantised file's embeddings, thresholds from valid: macro-F1 {found['macro_f1']:.3f} on test."
        for name, found in (evaluation.get("auxiliary") or {}).items()
    ]
    return " ".join(lines)


def _seeds(report: Mapping[str, Any]) -> str:
    if not report.get("figures"):
        return ""
    seeds = report["seeds"]
    rows = [
        (
            name,
            *(f"{value:.3f}" for value in found["values"]),
            f"{found['mean']:.3f}",
            f"{found['low']:.3f}-{found['high']:.3f}",
        )
        for name, found in report["figures"].items()
    ]
    header = ("figure on test", *(f"seed {seed}" for seed in seeds), "mean", "95 %")
    return (
        f"Over {len(seeds)} seeds of the whole fine-tuning (Student's t interval of the mean; the one that ships is "
        f"seed {report['shipped']}):\n\n" + markdown_table(header, rows)
    )


def _slices(evaluation: Mapping[str, Any]) -> str:
    rows = [
        (task, f"{name} words", str(found["rows"]), f"{found['accuracy']:.3f}", f"{found['macro_f1']:.3f}")
        for task, entry in evaluation["tasks"].items()
        for name, found in entry.get("by_length", {}).items()
    ]
    parts = [markdown_table(("task", "length", "rows", "accuracy", "macro-F1"), rows)] if rows else []
    sources = [
        (task, source, str(found["rows"]), str(found["labels"]), f"{found['mean_auroc']:.3f}")
        for task in ("feelings", "themes")
        for source, found in evaluation["tasks"].get(task, {}).get("by_source", {}).items()
    ]
    if sources:
        parts.append(markdown_table(("task", "source", "rows", "labels with enough rows", "mean AUROC"), sources))
    return "\n\n".join(parts) or "No slice has enough rows."


def _themes_text(evaluation: Mapping[str, Any]) -> str:
    entry = evaluation["tasks"].get("themes")
    if entry is None or entry.get("mean_auroc") is None:
        return ""
    return (
        f"Themes, on the mapped test sets: mean AUROC {entry['mean_auroc']:.3f} (TF-IDF "
        f"{entry['mean_tfidf_auroc']:.3f}), mean F1 {entry['mean_f1']:.3f} (TF-IDF {entry['mean_tfidf_f1']:.3f})."
    )


def _diaries(evaluation: Mapping[str, Any]) -> str:
    rows, parts = [], []
    for kind, found in (evaluation.get("diaries_test") or {}).items():
        if "stress" not in found:
            parts.append(
                f"{kind}: {found['not_readable']} of {found['texts']} are in a language that it does not read."
            )
            continue
        cells = [kind, str(found["texts"])]
        for task in ("feelings", "themes"):
            entry = found.get(task) or {}
            keys = ("mean_auroc", "precision", "recall")
            cells += ["-" if entry.get(key) is None else f"{entry[key]:.2f}" for key in keys]
        for name in ("stress", "low_mood"):
            for truth in ("quiet", "many"):
                part = found[name].get(truth)
                cells.append(
                    "-"
                    if part is None
                    else f"{part['many_percent']:.0f} / {part['some_percent']:.0f} % of {part['texts']}"
                )
        crisis = found["crisis"]
        calm = crisis.get("none")
        cells.append("-" if calm is None else f"{calm['flagged_percent']:.1f} % of {calm['texts']}")
        heavy = [crisis[level] for level in ("clear", "urgent") if level in crisis]
        count = sum(part["texts"] for part in heavy)
        hits = sum(part["texts"] * part["flagged_percent"] for part in heavy)
        cells.append(f"{hits / count:.0f} % of {count}" if count else "-")
        rows.append(tuple(cells))
    header = (
        "entries",
        "texts",
        "feelings: AUROC",
        "shown: precision",
        "recall",
        "themes: AUROC",
        "precision",
        "recall",
        "quiet, shown stressed many / some",
        "stressed",
        "quiet, shown low many / some",
        "low",
        "harmless, over the crisis line",
        "clear or urgent, over it",
    )
    if rows:
        parts.insert(0, markdown_table(header, rows))
    return "\n\n".join(parts) or "Not judged."


def _ablation(report: Mapping[str, Any]) -> str:
    if not report.get("variants"):
        return ""
    # Late: the table is made by the module that made the figures, which trains and so loads torch.
    from trainer.ablation import table

    steps = next(iter(report["variants"].values()))["steps"]
    return (
        f"### What was tried\n\nEach variant was trained for {steps} steps on the same data and judged on valid before "
        "anything was judged on test. `mF1 / wF1`: macro and weighted F1; `feelings`, `diary`, `themes`: mean AUROC on "
        "the mapped sets, and of feelings and themes on diary-like text; `found`: share of stressed, depressed and "
        "suicidal posts over the line that 90 % of blog posts stay under.\n\n" + table(report["variants"])
    )
