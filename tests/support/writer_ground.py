"""Corpora of replies and Korean feelings in the format of the real ones, for tests of the writer. All made up."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from journal_app.contract.mappings import GOEMOTIONS, KOTE

THINGS = ("garden", "kitchen", "ladder", "violin", "bicycle", "letter", "window", "orchard", "teapot", "jacket")
PEOPLE = ("sister", "neighbour", "teacher", "cousin", "manager", "uncle")
_KOREAN = (
    "오늘은 하루 종일 비가 와서 조용했다",
    "친구에게 편지를 받고 한참을 웃었다",
    "혼자 남아서 늦게까지 서류를 정리했다",
)
WRITER = """
[writer]
batch = 6
flawed = 3

[writer.feelings]
kote = 0.5
goemotions_ko = 0.5

[writer.replies]
pair_reflections = 2.0
esconv = 1.0
annomi = 1.0
counselchat = 1.0
positive_frames = 0.5
chatbot_ko = 0.5
"""
"""Sections for ``decoder_ground.lay``'s recipe."""


def entry(rng: random.Random) -> str:
    """Return an English entry in which one thing and one person count."""
    thing, person = rng.choice(THINGS), rng.choice(PEOPLE)
    return f"I carried the {thing} home alone again. My {person} never asks about it, and I wanted somebody to notice."


def reflection(text: str) -> str:
    """Return a reflection on :func:`entry`'s text."""
    thing, person = text.split("the ")[1].split()[0], text.split("My ")[1].split()[0]
    return f"The {thing} was heavy, and your {person} said nothing. You hoped that one of them would notice."


def write_corpora(folder: Path, only: tuple[str, ...] = ()) -> None:
    """Write every corpus that :data:`WRITER` names below ``folder``, or ``only`` some of them."""
    rng = random.Random(23)
    for split, many in (("train", 60), ("valid", 12), ("test", 12)):
        found = {
            "pair_reflections": [_pair(rng) for _ in range(many)],
            "esconv": [_esconv(rng) for _ in range(many // 4)],
            "annomi": [_annomi(rng) for _ in range(many // 4)],
            "counselchat": [_answer(rng) for _ in range(many // 4)],
            "positive_frames": [_frame(rng) for _ in range(many // 2)],
            "chatbot_ko": [_korean(rng) for _ in range(many // 2)],
            "kote": [_feelings(rng, tuple(KOTE.positive)) for _ in range(2 * many)],
            "goemotions_ko": [_feelings(rng, tuple(GOEMOTIONS.positive)) for _ in range(2 * many)],
        }
        for name, records in found.items():
            if not only or name in only:
                _write(folder, name, split, records)


def _pair(rng: random.Random) -> dict[str, Any]:
    said = entry(rng)
    worse = ["You should ask them to help you next time.", "Why do you mind?", "It happens."]
    return {"prompt": said, "response": reflection(said), "rejected": worse}


def _esconv(rng: random.Random) -> dict[str, Any]:
    said = entry(rng)
    turns = [
        ("user", said, None),
        ("assistant", reflection(said), "Reflection of feelings"),
        ("assistant", "What would you have said to them?", "Question"),
        ("assistant", "You should tell them about it tonight.", "Providing Suggestions"),
        ("user", "Maybe.", None),
        ("assistant", "Don't worry, they will understand you soon.", "Affirmation and Reassurance"),
    ]
    return {"turns": [_turn(*turn) for turn in turns], "emotion": "sadness", "problem": "job crisis", "situation": said}


def _annomi(rng: random.Random) -> dict[str, Any]:
    said = entry(rng)
    turns = [
        ("assistant", "What happened?", "question"),
        ("user", said, "neutral"),
        ("assistant", f"Yeah. Um, {reflection(said)}", "reflection"),
        ("user", said, "neutral"),
        ("assistant", "So you were-- you hoped for", "reflection"),
    ]
    return {"turns": [_turn(*turn) for turn in turns], "quality": rng.choice(("high", "high", "low")), "topic": "x"}


def _answer(rng: random.Random) -> dict[str, Any]:
    said = entry(rng)
    long = rng.random() < 0.5
    return {"prompt": said, "response": reflection(said) * (9 if long else 1), "topic": "stress", "upvotes": 1}


def _frame(rng: random.Random) -> dict[str, Any]:
    thing = rng.choice(THINGS)
    kind = rng.choice(("growth", "neutralizing", "optimism", "thankfulness"))
    text = f"Another long day with the {thing}, I am worn out {rng.randint(1, 400)}"
    return {"prompt": text, "response": f"I am worn out because the {thing} matters to me.", "strategies": [kind]}


def _korean(rng: random.Random) -> dict[str, Any]:
    said = f"{rng.choice(_KOREAN)} {rng.randint(1, 400)}"
    return {"prompt": said, "response": "그런 하루였다니 마음이 오래 남았겠네요.", "label": "daily"}


def _feelings(rng: random.Random, labels: tuple[str, ...]) -> dict[str, Any]:
    return {"text": f"{rng.choice(_KOREAN)} {rng.randint(1, 9999)}", "labels": rng.sample(labels, 2)}


def _turn(role: str, text: str, strategy: str | None) -> dict[str, Any]:
    return {"role": role, "text": text, "strategy": strategy}


def _write(folder: Path, name: str, split: str, records: Iterable[dict[str, Any]]) -> None:
    path = folder / name / f"{split}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
