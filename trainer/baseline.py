"""The rival that a reader must beat: TF-IDF with logistic regression on the same rows.

Word 1-2 grams, ``min_df`` 2, sublinear term frequency; C in {1, 10} and class weights chosen on
valid by macro-F1. The stronger form adds character 2-5 grams within words. It sees only the
published rows of its own task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_union

from journal_app.contract.tasks import TASKS
from trainer.calibrate import known
from trainer.corpora.files import Row
from trainer.metrics import best_f1_threshold, macro_f1, positive_f1


def choice_probabilities(
    task: str, train: Sequence[Row], valid: Sequence[Row], test: Sequence[Row], *, characters: bool = False
) -> np.ndarray:
    """Return the baseline's probabilities [test rows, labels] for a one-label task."""
    labels = TASKS[task].labels
    x_train, x_valid, x_test = _features(train, valid, test, characters=characters)
    y_train = np.array([labels.index(row.label) for row in train])
    y_valid = np.array([labels.index(row.label) for row in valid])
    best: tuple[float, LogisticRegression] | None = None
    for strength in (1.0, 10.0):
        for weight in (None, "balanced"):
            model = LogisticRegression(C=strength, class_weight=weight, max_iter=2000).fit(x_train, y_train)
            score = macro_f1(y_valid, model.predict(x_valid)) if len(y_valid) else 0.0
            if best is None or score > best[0]:
                best = (score, model)
    assert best is not None
    result = np.zeros((len(test), len(labels)))
    result[:, best[1].classes_] = best[1].predict_proba(x_test)
    return result


def several_scores(
    labels: Sequence[str],
    train: Sequence[Row],
    valid: Sequence[Row],
    test: Sequence[Row],
    *,
    characters: bool = False,
) -> dict[str, dict[str, float]]:
    """Return label -> AUROC and F1 on test of a multi-label task, one model a label, thresholds chosen on valid."""
    x_train, x_valid, x_test = _features(train, valid, test, characters=characters)
    result: dict[str, dict[str, float]] = {}
    for label in labels:
        rows, truth = known(train, label)
        valid_rows, valid_truth = known(valid, label)
        test_rows, test_truth = known(test, label)
        if not truth.any() or truth.all() or not test_truth.any() or not valid_truth.any():
            continue
        model = LogisticRegression(C=10.0, class_weight="balanced", solver="liblinear").fit(x_train[rows], truth)
        threshold = best_f1_threshold(valid_truth, model.predict_proba(x_valid[valid_rows])[:, 1])
        scores = model.predict_proba(x_test[test_rows])[:, 1]
        result[label] = {
            "auroc": float(roc_auc_score(test_truth, scores)),
            "f1": positive_f1(test_truth, scores >= threshold),
        }
    return result


def _features(
    train: Sequence[Row], valid: Sequence[Row], test: Sequence[Row], *, characters: bool = False
) -> tuple[Any, Any, Any]:
    least = 2 if len(train) > 50 else 1
    vectorizer: Any = TfidfVectorizer(ngram_range=(1, 2), min_df=least, sublinear_tf=True)
    if characters:
        inside = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2 * least, sublinear_tf=True)
        vectorizer = make_union(vectorizer, inside)
    x_train = vectorizer.fit_transform([row.text for row in train])
    return (
        x_train,
        vectorizer.transform([row.text for row in valid] or [""]),
        vectorizer.transform([row.text for row in test] or [""]),
    )
