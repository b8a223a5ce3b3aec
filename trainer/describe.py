"""What is in the data: how many rows a label has, and which words tell it from the others, with plots.

Words come into a report or a plot only if they occur in at least :data:`MIN_ROWS` rows, so that nobody is
quoted. The measure is the log-odds ratio with an informative Dirichlet prior of Monroe, Colaresi & Quinn
2008, "Fightin' Words" (equations 15, 16, 19 and 22): z-scores of words in the rows of a label against the
rows of all others, shrunk towards the words of the task as a whole.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.records import Example

MIN_ROWS = 20
"""Fewest rows in which a word must occur before it is shown."""
PRIOR_WORDS = 500.0
"""Weight of the prior, in words: the alpha_0 of Monroe et al. 2008, section 3.5.1."""
TOP = 12
"""Words shown for a label."""
DPI = 150
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_HANGUL = re.compile(r"[ㄱ-ㆎ가-힣]")
_FONTS = ("NotoSansCJK-Regular", "NotoSansKR-Regular", "NotoSansKR", "NanumGothic", "malgun", "AppleSDGothicNeo")
"""Files of fonts with Korean letters, without their endings; the first that is here is taken."""


def balance(examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    """Return task -> label -> rows of the classification examples (several labels count once each)."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        for label in labels_of(example):
            counts[example.task][label] += 1
    return {task: dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))) for task, found in counts.items()}


def labels_of(example: Example) -> tuple[str, ...]:
    """Return the labels of a classification example, none for other tasks."""
    return (example.label,) if example.label else example.labels


def distinctive_words(examples: Sequence[Example]) -> dict[str, list[tuple[str, float, int]]]:
    """Return label -> (word, z, rows with it), the most distinctive first, for the examples of one task.

    A row takes part against a label only where the label is known not to hold. Same texts count once. Rows
    that were drawn as neutral, or labelled by a rule, are left out: their words would tell only where they are from.
    """
    words: dict[str, Counter[str]] = {}
    holds: dict[str, set[str]] = defaultdict(set)
    denied: dict[str, set[str]] = defaultdict(set)
    labels: dict[str, None] = {}
    for example in examples:
        if example.part in ("neutral", "weak"):
            continue
        if example.input not in words:
            found = _WORD.findall(example.input.casefold().replace("’", "'"))
            words[example.input] = Counter(word for word in found if len(word) > 1)
        holds[example.input].update(labels_of(example))
        denied[example.input].update(example.negatives)
        labels.update(dict.fromkeys(labels_of(example)))
    rows = Counter(word for counted in words.values() for word in counted)
    kept = {word for word, count in rows.items() if count >= MIN_ROWS}
    total: Counter[str] = Counter()
    for counted in words.values():
        total.update({word: count for word, count in counted.items() if word in kept})
    best_of = {}
    for label in labels:
        inside: Counter[str] = Counter()
        outside: Counter[str] = Counter()
        for text, counted in words.items():
            if label in holds[text]:
                inside.update({word: count for word, count in counted.items() if word in kept})
            elif not denied[text] or label in denied[text]:
                outside.update({word: count for word, count in counted.items() if word in kept})
        scored = log_odds(inside, outside, total)
        best = sorted(((w, z) for w, z in scored.items() if z > 0), key=lambda item: (-item[1], item[0]))[:TOP]
        best_of[label] = [(word, round(z, 2), rows[word]) for word, z in best]
    return best_of


def log_odds(inside: Mapping[str, int], outside: Mapping[str, int], prior: Mapping[str, int]) -> dict[str, float]:
    """Return word -> z-score of its log-odds inside against outside (Monroe et al. 2008, equation 22).

    ``prior`` holds counts that give the prior's shape; its weight is :data:`PRIOR_WORDS`.
    """
    if len(prior) < 2:  # One word has all the odds there are, inside and outside.
        return {}
    scale = PRIOR_WORDS / max(1, sum(prior.values()))
    n_in, n_out = sum(inside.values()), sum(outside.values())
    scores = {}
    for word, count in prior.items():
        alpha = scale * count
        a, b = inside.get(word, 0) + alpha, outside.get(word, 0) + alpha
        delta = math.log(a / (n_in + PRIOR_WORDS - a)) - math.log(b / (n_out + PRIOR_WORDS - b))
        scores[word] = delta / math.sqrt(1 / a + 1 / b)
    return scores


def plot_balance(task: str, counts: Mapping[str, Mapping[str, int]], path: Path) -> Path | None:
    """Draw the rows of each label by split as ``path`` (PNG, 150 dpi); ``counts`` is split -> label -> rows.

    Returns None where the labels are in a script for which there is no font here.
    """
    labels = sorted({label for found in counts.values() for label in found}, key=lambda n: -counts["train"].get(n, 0))
    size = (9.0, 1.6 + 0.34 * len(labels))

    def draw(figure: Any) -> None:
        # Fixed margins: matplotlib's own search for them takes longer than all the rest.
        left = min(0.4, 0.1 + 0.011 * max(map(len, labels)))
        figure.subplots_adjust(left=left, right=0.87, bottom=0.7 / size[1], top=1 - 0.5 / size[1])
        axes = figure.add_subplot()
        height = 0.8 / max(1, len(counts))
        for place, (split, found) in enumerate(counts.items()):
            spots = [i + (place - (len(counts) - 1) / 2) * height for i in range(len(labels))]
            bars = axes.barh(spots, [found.get(label, 0) for label in labels], height, label=split)
            axes.bar_label(bars, padding=2, fontsize=6)
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set(title=f"{task}: rows of each label", xlabel="rows", ylabel="label")
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        axes.margins(x=0.1, y=0.4 / (len(labels) + 1))

    return _drawn(size, labels, draw, path)


def plot_words(task: str, found: Mapping[str, Sequence[tuple[str, float, int]]], path: Path) -> Path | None:
    """Draw the most distinctive words of each label as ``path``; returns None as :func:`plot_balance` does."""
    shown = {label: words for label, words in found.items() if words}
    if not shown:
        return None
    across = min(4, len(shown))
    down = math.ceil(len(shown) / across)
    size = (max(7.0, 3.1 * across), 2.6 * down + 0.8)

    def draw(figure: Any) -> None:
        title = f"{task}: words that tell a label from the others (in at least {MIN_ROWS} rows)"
        figure.suptitle(title, y=1 - 0.25 / size[1], va="center")
        figure.subplots_adjust(
            left=1.0 / size[0],
            right=0.98,
            bottom=0.6 / size[1],
            top=1 - 0.8 / size[1],
            wspace=0.65,
            hspace=0.45,
        )
        for place, (label, words) in enumerate(shown.items(), 1):
            axes = figure.add_subplot(down, across, place)
            axes.barh(range(len(words)), [z for _, z, _ in words], color="C0")
            axes.set_yticks(range(len(words)), [word[:14] for word, _, _ in words], fontsize=7)
            axes.invert_yaxis()
            axes.set_title(label, fontsize=9)
            axes.set_xlabel("log-odds, z-score", fontsize=7)
            if place % across == 1 or across == 1:
                axes.set_ylabel("word", fontsize=7)
            axes.tick_params(axis="x", labelsize=7)

    every = [*shown, *(word for words in shown.values() for word, _, _ in words)]
    return _drawn(size, every, draw, path)


def _drawn(size: tuple[float, float], texts: Iterable[str], draw: Callable[[Any], None], path: Path) -> Path | None:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    families = ["DejaVu Sans"]
    if any(_HANGUL.search(text) for text in texts):
        korean = korean_font()
        if not korean:
            return None
        families.append(korean)
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.family": families}):
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        draw(figure)
        # Without the program's version the same data gives the same bytes.
        figure.savefig(path, dpi=DPI, metadata={"Software": None})
    return path


def korean_font() -> str:
    """Return the name of a font with Korean letters, or an empty string.

    The folders of fonts are looked through: matplotlib's own list is made once and misses what was installed later.
    """
    from matplotlib import font_manager

    here = {Path(found).stem: found for found in font_manager.findSystemFonts()}
    for stem in _FONTS:
        if stem in here:
            font_manager.fontManager.addfont(here[stem])
            return str(font_manager.FontProperties(fname=here[stem]).get_name())
    return ""
