"""The sets that teach ``feelings``, through the mapping tables of the contract.

Tiredness is in no English set, calm and loneliness are rare in them. For these three, sentences
of blogs in which the writer says the feeling of themself in plain words are weak positives and
other sentences of the same blogs weak negatives. They teach little more than those words, and
the model card says so.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from journal_app.contract.mappings import FEELING_MAPS
from journal_app.inference.text import sentences
from trainer.corpora.files import Row, is_placeholder, labels_of, records, split_path, text_of, turns_of

LICENCES: dict[str, str] = {
    "goemotions": "Apache-2.0",
    "isear": "not stated; given for research",
    "emotion": "not stated; educational and research use",
    "empathetic_personas": "not stated",
    "empathetic_dialogues": "CC BY-NC 4.0",
}

_SELF = r"\b(?:i(?:['\u2019]?m| am| was| feel| felt|['\u2019]ve been| have been| got| get)|feeling|makes? me|made me)\b"
_MORE = (
    r"(?:\s+(?:so|very|really|just|too|quite|pretty|all|a bit|kind of|kinda|absolutely|completely|bone|dead|more|and"
    r"|always|feeling))*"
)


def _said(words: str) -> re.Pattern[str]:
    return re.compile(_SELF + _MORE + r"\s+(?:" + words + ")", re.I)


_WEAK: dict[str, re.Pattern[str]] = {
    "tiredness": _said(
        r"tired(?! of)|exhausted|worn out|drained|wiped out|fatigued|weary|sleepy|pooped|beat(?=[.,!])",
    ),
    "calm": _said(r"(?:calm(?:er)?|peaceful|at peace|relaxed|serene|content(?=[.,! ]|$)|rested|at ease)\b"),
    "loneliness": _said(r"(?:lonely|lonesome|all alone|so alone|isolated|left out|alone in (?:this|the) world)\b"),
}
_NOT = re.compile(r"\b(?:not|never|no longer|isn|wasn|don|didn|without|if|than|used to)\b|n['\u2019]t\b", re.I)
_HINT: dict[str, re.Pattern[str]] = {
    "tiredness": re.compile(r"tired|exhaust|worn|drain|wiped|fatigue|weary|sleep|beat|nap|awake|bed", re.I),
    "calm": re.compile(r"calm|peace|relax|seren|content|rest|ease|quiet|still|sooth", re.I),
    "loneliness": re.compile(r"lone|alone|isolat|left out|miss|nobody|no one|by myself", re.I),
}


def load(data: Path, name: str, split: str) -> list[Row]:
    """Return the mapped rows of a split; raise ``CorpusError`` for a bad file or label."""
    table = FEELING_MAPS[name]
    path = split_path(data, name, split)
    rows = []
    for number, record in records(path):
        text = turns_of(path, number, record)[0][1] if "turns" in record else text_of(path, number, record)
        if "turns" in record and "label" not in record and "labels" not in record and "emotion" in record:
            record = {**record, "label": record["emotion"]}
        truth = table.truth(labels_of(path, number, record, table.positive.__contains__))
        if not is_placeholder(text):
            rows.append(Row("feelings", text, name, "mapped", "", truth.positives, truth.negatives))
    return rows


def own(data: Path, name: str, split: str) -> list[Row]:
    """Return a split with the set's own labels, for heads that are learned beside the tasks; as :func:`load`."""
    labels = tuple(FEELING_MAPS[name].positive)
    path = split_path(data, name, split)
    rows = []
    for number, record in records(path):
        text = text_of(path, number, record)
        found = labels_of(path, number, record, labels.__contains__)
        if not is_placeholder(text):
            absent = tuple(label for label in labels if label not in found)
            rows.append(Row(name, text, name, "auxiliary", "", found, absent))
    return rows


def weak(data: Path, split: str, seed: int, limit: int) -> list[Row]:
    """Return up to ``limit`` weak rows per feeling (and as many denials) from sentences of blogs."""
    path = split_path(data, "blog_prose", split)
    rng = random.Random(f"{seed}:weak:{split}")
    found: dict[str, list[Row]] = {feeling: [] for feeling in _WEAK}
    plain: list[str] = []
    for sentence in _sentences(path):
        named = {feeling for feeling, rule in _WEAK.items() if rule.search(sentence)}
        if not named:
            if len(plain) < 20 * limit and rng.random() < 0.05:
                plain.append(sentence)
            continue
        if _NOT.search(sentence):
            continue
        for feeling in named:
            if len(found[feeling]) < limit:
                found[feeling].append(Row("feelings", sentence, "blog_prose", "weak", "", (feeling,), ()))
        if all(len(rows) >= limit for rows in found.values()):
            break
    rng.shuffle(plain)
    rows = [row for feeling in found for row in found[feeling]]
    wanted = max((len(rows) for rows in found.values()), default=0) * 2
    for sentence in plain[:wanted]:
        denied = tuple(feeling for feeling, hint in _HINT.items() if not hint.search(sentence))
        if denied:
            rows.append(Row("feelings", sentence, "blog_prose", "weak", "", (), denied))
    return rows


def _sentences(path: Path) -> Iterator[str]:
    for number, record in records(path):
        text = text_of(path, number, record)
        # Splitting is slow and most posts name none of the three: take those that do and some others.
        if number % 20 and not any(rule.search(text) for rule in _WEAK.values()):
            continue
        for start, end in sentences(text):
            sentence = text[start:end].strip()
            if 20 <= len(sentence) <= 320:
                yield sentence
