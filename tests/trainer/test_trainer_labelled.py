"""Diary-like text labelled for this project: sound, apart from each other, and read as it says."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from journal_app.contract.tasks import CRISIS_LEVELS, FEELINGS, THEMES
from trainer.corpora import labelled
from trainer.corpora.files import CorpusError
from trainer.corpora.labelled import Entry
from trainer.leaks import NearIndex, normalise

ALL = [(name, entry) for name in ("train", "en", "ko") for entry in labelled.written(name)]


def test_there_are_enough_entries_of_every_kind_to_judge_by() -> None:
    english = [entry for name, entry in ALL if name == "en"]
    korean = [entry for name, entry in ALL if name == "ko"]
    assert len(english) >= 120
    assert len(korean) >= 40
    for entries in (english, korean):
        assert {entry.split for entry in entries} == {"valid", "test"}
    for split in ("valid", "test"):
        mine = [entry for entry in english if entry.split == split]
        assert set(CRISIS_LEVELS) == {entry.crisis for entry in mine}
        assert {"quiet", "some", "many"} == {entry.low_mood for entry in mine} == {entry.stress for entry in mine}
        assert set(FEELINGS) == {label for entry in mine for label in entry.feelings}
    assert set(THEMES) == {theme for entry in english for theme in entry.themes}


def test_no_entry_is_like_another_and_none_that_judges_is_learned_from() -> None:
    index = NearIndex(4, 0.4)
    names: Counter[str] = Counter()
    for name, entry in ALL:
        assert index.match(entry.text) == "", f"{name}: {entry.name} is nearly another entry"
        index.add(entry.text)
        names[f"{name}:{entry.name}"] += 1
    assert max(names.values()) == 1
    assert all(entry.split == "train" for name, entry in ALL if name == "train")


def test_held_pairs_for_replies_are_no_entry_that_is_learned_from() -> None:
    learned = {normalise(entry.text) for name, entry in ALL if name == "train"}
    held = labelled.WRITTEN.parent / "reflections" / "held.jsonl"
    if not held.is_file():
        pytest.skip("no held pairs here")
    pairs = [json.loads(line) for line in held.read_text("utf-8").splitlines()]
    assert len(pairs) >= 100
    assert not learned & {normalise(pair["entry"]) for pair in pairs}


def entry(**changed: object) -> Entry:
    values: dict[str, object] = {
        "name": "x",
        "text": "A day.",
        "source": "written",
        "split": "train",
        "feelings": ("joy",),
        "unsure": ("calm",),
        "themes": ("work",),
        "stress": "quiet",
        "low_mood": "quiet",
        "crisis": "none",
    }
    return Entry(**(values | changed))  # type: ignore[arg-type]


TASKS = ("stress", "depression", "severity", "suicidality", "feelings", "themes")


def test_a_quiet_entry_says_no_and_what_is_unsure_says_nothing() -> None:
    rows = {row.task: row for row in entry().rows(TASKS)}
    assert {task: row.label for task, row in rows.items() if row.label} == {
        "stress": "no",
        "depression": "no",
        "severity": "minimum",
        "suicidality": "no",
    }
    assert rows["feelings"].positives == ("joy",)
    assert "calm" not in rows["feelings"].negatives
    assert "sadness" in rows["feelings"].negatives
    assert set(rows["themes"].negatives) == set(THEMES) - {"work"}


@pytest.mark.parametrize(
    ("changed", "answers"),
    [
        (
            {"stress": "many", "low_mood": "many", "crisis": "clear"},
            {"stress": "yes", "depression": "yes", "suicidality": "yes"},
        ),
        ({"stress": "some", "low_mood": "some", "crisis": "gentle"}, {}),
        ({"crisis": "urgent"}, {"stress": "no", "depression": "no", "severity": "minimum", "suicidality": "yes"}),
    ],
)
def test_what_lies_between_teaches_neither_side(changed: dict[str, str], answers: dict[str, str]) -> None:
    assert {row.task: row.label for row in entry(**changed).rows(TASKS) if row.label} == answers


def test_passages_are_found_by_hash_and_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    post = "First line. The second line is the one. Third."
    (tmp_path / "blog_prose").mkdir()
    with gzip.open(tmp_path / "blog_prose" / "train.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"text": "Another post, of no use."}) + "\n" + json.dumps({"text": post}) + "\n")
    label = {
        "post": hashlib.sha256(post.encode()).hexdigest()[:24],
        "start": 12,
        "end": 39,
        "feelings": ["joy"],
        "unsure": [],
        "themes": ["work"],
        "stress": "quiet",
        "low_mood": "quiet",
        "crisis": "none",
    }
    labels = tmp_path / "labels.jsonl"
    labels.write_text(json.dumps(label) + "\n", "utf-8")
    monkeypatch.setattr(labelled, "PASSAGES", labels)
    (found,) = labelled.passages(tmp_path)
    assert found.text == "The second line is the one."
    assert found.source == "labelled_blogs"
    labels.write_text(json.dumps(label | {"post": "0" * 24}) + "\n", "utf-8")
    with pytest.raises(CorpusError, match=r"data\.labelled"):
        list(labelled.passages(tmp_path))
    labels.write_text(json.dumps(label | {"feelings": ["bliss"]}) + "\n", "utf-8")
    with pytest.raises(CorpusError, match="not in the contract"):
        list(labelled.passages(tmp_path))


def test_labels_of_blogs_hold_no_words_of_them() -> None:
    allowed = {"post", "start", "end", "feelings", "unsure", "themes", "stress", "low_mood", "crisis"}
    lines = labelled.PASSAGES.read_text("utf-8").splitlines()
    assert len(lines) >= 900
    for line in lines:
        record = json.loads(line)
        assert set(record) == allowed
        assert len(record["post"]) == 24
        assert set(record["feelings"]) | set(record["unsure"]) <= set(FEELINGS)
