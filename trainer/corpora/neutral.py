"""Everyday writing: what screening tasks learn to leave alone, and what thresholds are set on.

Blog posts are not all benign, and nobody has labelled them. So the negatives are chosen with
care: a post or dialogue in which a word of :data:`RISK` occurs is never a negative of any task,
and one with a word of :data:`DISTRESS` never one of stress, depression or severity. The sets
that thresholds are set and judged on (``diary``) are *not* filtered: a share of real writing is
heavy, and a filter would flatter the false-flag rates.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from pathlib import Path

from journal_app.inference.text import sentences
from trainer.corpora.files import Row, is_placeholder, records, split_path, text_of, turns_of

LICENCES: dict[str, str] = {
    "blog_prose": "free for non-commercial research",
    "dailydialog": "CC BY-NC-SA 4.0",
}

RISK = re.compile(
    r"suicid|kill(?:ing|ed)? (?:my|him|her|them|your)sel|end(?:ing)? (?:my|it all|his|her) ?life|end it all"
    r"|want(?:ed)? to die|wish i (?:was|were) dead|better off dead|self[- ]harm|cut(?:ting)? myself|overdos"
    r"|hang(?:ed)? (?:my|him|her)self",
    re.I,
)
"""Words of suicide and self-harm."""

DISTRESS = re.compile(
    r"depress|anxi|stress|panic|overwhelm|hopeless|worthless|miserabl|despair|numb\b|empty inside|breakdown"
    r"|nightmare|\bcr(?:y|ied|ying)\b|\btears\b|sobb|lonel|alone|therap|medicat|prozac|zoloft|insomnia"
    r"|can(?:no|['\u2019])t (?:sleep|cope|stop|go on|take)|\bhate (?:my|me)|hurt|suffer|grief|griev|funeral|died"
    r"|death|abus|rape|divorc|\bsad\b|upset|scared|terrif|afraid|worr|awful|exhaust|fail|broke up",
    re.I,
)
"""Words of distress; broad on purpose, since there is far more everyday prose than is needed."""

ISEAR_PLAIN: dict[str, frozenset[str]] = {
    "stress": frozenset({"joy"}),
    "depression": frozenset({"joy", "anger", "disgust", "fear"}),
    "severity": frozenset({"joy", "anger", "disgust"}),
    "suicidality": frozenset({"joy", "anger", "disgust", "fear", "shame", "guilt", "sadness"}),
}
EMOTION_PLAIN: dict[str, frozenset[str]] = {
    "stress": frozenset({"joy", "love"}),
    "depression": frozenset({"joy", "love", "surprise", "anger"}),
    "severity": frozenset({"joy", "love", "surprise"}),
    "suicidality": frozenset({"joy", "love", "surprise", "anger", "fear", "sadness"}),
}
"""Task -> labels of ISEAR and of emotion whose texts count as "no" (or "minimum") there."""

NEGATIVE: dict[str, str] = {"stress": "no", "depression": "no", "severity": "minimum", "suicidality": "no"}


def negatives(data: Path, task: str, seed: int, *, blog: int, dialog: int, other: int, train: list[Row]) -> list[Row]:
    """Return neutral train rows for a screening ``task``.

    ``blog`` passages of blog posts, ``dialog`` sides of everyday dialogues, and ``other`` lines each
    of the ISEAR and emotion rows in ``train`` whose emotion does not speak for the task.
    """
    rng = random.Random(f"{seed}:neutral:{task}")
    banned = (RISK,) if task == "suicidality" else (RISK, DISTRESS)
    label = NEGATIVE[task]
    rows = [
        Row(task, passage(text, rng), "blog_prose", "neutral", label)
        for text in _sample(blog_texts(data, "train"), blog, rng, banned, keep=0.08)
    ]
    rows += [
        Row(task, text, "dailydialog", "neutral", label)
        for text in _sample(dialog_texts(data, "train"), dialog, rng, banned, keep=0.3)
    ]
    for source, plain in (("isear", ISEAR_PLAIN), ("emotion", EMOTION_PLAIN)):
        pool = [
            row
            for row in train
            if row.task == source and row.label in plain[task] and not any(rule.search(row.text) for rule in banned)
        ]
        rows += [Row(task, row.text, source, "neutral", label) for row in rng.sample(pool, min(other, len(pool)))]
    return rows


def diary(data: Path, split: str, limit: int) -> list[Row]:
    """Return the first ``limit`` posts and ``limit`` dialogue sides of a held-out split, unfiltered."""
    rows = []
    for source, texts in (("blog_prose", blog_texts(data, split)), ("dailydialog", dialog_texts(data, split))):
        rows += [Row("diary", text, source, "neutral") for text in itertools.islice(texts, limit)]
    return rows


def blog_texts(data: Path, split: str) -> Iterator[str]:
    """Yield the posts of a split."""
    path = split_path(data, "blog_prose", split)
    for number, record in records(path):
        text = text_of(path, number, record)
        if not is_placeholder(text):
            yield text


def dialog_texts(data: Path, split: str) -> Iterator[str]:
    """Yield, for each dialogue with at least 12 words on one side, that side as one text."""
    path = split_path(data, "dailydialog", split)
    for number, record in records(path):
        turns = turns_of(path, number, record)
        side = " ".join(text for role, text in turns if role == ("user" if number % 2 else "assistant"))
        if len(side.split()) >= 12:
            yield side


def passage(text: str, rng: random.Random) -> str:
    """Return a run of whole sentences of ``text`` of about 8 to 220 words, at a random place.

    Half of the time it is short, so that short entries are not taken for something unusual.
    """
    spans = sentences(text)
    if not spans:
        return text
    wanted = rng.randint(8, 50) if rng.random() < 0.5 else rng.randint(50, 220)
    first = rng.randrange(len(spans))
    start, end = spans[first]
    for _, next_end in spans[first + 1 :]:
        if len(text[start:end].split()) >= wanted:
            break
        end = next_end
    while len(text[start:end].split()) < min(8, wanted) and first > 0:
        first -= 1
        start = spans[first][0]
    return text[start:end].strip()


def _sample(
    texts: Iterator[str], count: int, rng: random.Random, banned: tuple[re.Pattern[str], ...], keep: float
) -> list[str]:
    chosen: list[str] = []
    for text in texts:
        if len(chosen) >= count:
            break
        if rng.random() < keep and not any(rule.search(text) for rule in banned):
            chosen.append(text)
    return chosen
