"""How far raters agree: Krippendorff's alpha, Cohen's and Fleiss' kappa, Spearman's rank correlation.

1 is full agreement, 0 what chance gives, below 0 worse. Values that cannot be computed, because nobody used more
than one category, are NaN rather than a flattering 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from scipy.stats import rankdata


def alpha(raters: Sequence[Sequence[float | None]], level: str = "ordinal") -> float:
    """Return Krippendorff's alpha over ``raters`` [raters][units]; None is a rating that is missing.

    ``level``: ``nominal``, ``ordinal`` or ``interval``. As in Krippendorff 2011, "Computing Krippendorff's
    Alpha-Reliability", by the coincidence matrix; units with fewer than two ratings do not count.
    """
    units = [[v for v in column if v is not None and v == v] for column in zip(*raters, strict=True)]
    units = [unit for unit in units if len(unit) > 1]
    values = sorted({value for unit in units for value in unit})
    if len(values) < 2:
        return float("nan")
    place = {value: i for i, value in enumerate(values)}
    matrix = np.zeros((len(values), len(values)))
    for unit in units:
        counts = np.zeros(len(values))
        for value in unit:
            counts[place[value]] += 1
        matrix += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    totals = matrix.sum(1)
    distance = _distances(np.array(values, dtype=float), totals, level)
    expected = (np.outer(totals, totals) * distance).sum() / (totals.sum() - 1)
    return float(1 - (matrix * distance).sum() / expected)


def _distances(values: np.ndarray, totals: np.ndarray, level: str) -> np.ndarray:
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return (values[:, None] - values[None, :]) ** 2
    if level != "ordinal":
        raise ValueError(f"no such level: {level}")
    # All ratings between two categories, and half of those in them.
    middle = np.cumsum(totals) - totals / 2
    return (middle[:, None] - middle[None, :]) ** 2


def cohen(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Return Cohen's kappa of two raters over the same units (Cohen 1960)."""
    count = len(first)
    if not count or count != len(second):
        return float("nan")
    seen = sum(a == b for a, b in zip(first, second, strict=True)) / count
    mine, theirs = Counter(first), Counter(second)
    chance = sum(mine[value] * theirs[value] for value in mine) / count**2
    return (seen - chance) / (1 - chance) if chance < 1 else float("nan")


def fleiss(units: Sequence[Sequence[Hashable]]) -> float:
    """Return Fleiss' kappa over ``units`` [units][ratings], as many ratings of each (Fleiss 1971)."""
    raters = len(units[0]) if units else 0
    if raters < 2 or any(len(unit) != raters for unit in units):
        return float("nan")
    counts = [Counter(unit) for unit in units]
    seen = np.mean([(sum(n * n for n in c.values()) - raters) / (raters * (raters - 1)) for c in counts])
    total = sum(counts, Counter())
    chance = sum((n / (raters * len(units))) ** 2 for n in total.values())
    return float((seen - chance) / (1 - chance)) if chance < 1 else float("nan")


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the correlation of ranks, ties at their mean; NaN where one side is constant."""
    a, b = rankdata(first), rankdata(second)
    if len(a) < 2 or a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
