"""A small folder with the names and formats of every corpus that a recipe reads; every line is written here."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from journal_app.contract.mappings import SAD
from tests.support import writer_ground
from tests.support.reader_ground import CUES, line, write, write_corpora

_REPLIES = ("That sounds like a full day.", "You sound worn out.", "What was that like for you?", "I am glad you went.")
_KOREAN = ("공원", "도서관", "부엌", "시장", "강가", "버스", "회사", "학교", "마당", "골목", "다리", "가게")
_DONE = ("걸었어요", "기다렸어요", "이야기했어요", "쉬었어요", "웃었어요", "울었어요")
_KOREAN_FEELS = {"기쁨": "기뻐요", "슬픔": "슬퍼요", "화남/분노": "화나요", "불안/걱정": "불안해요", "없음": "그래요"}
_KOREAN_REPLIES = ("오래 걸으셨네요.", "마음이 무거우셨겠어요.", "어떤 점이 좋았어요?", "애쓰셨어요.")


def korean(rng: random.Random, feeling: str = "") -> str:
    """Return a Korean sentence, with a word for ``feeling`` if given."""
    places = " ".join(f"{place}에서" for place in rng.sample(_KOREAN, 3))
    return f"오늘 {places} {rng.choice(_DONE)}. {feeling or '저녁이었어요'}."


def write_all(data: Path, seed: int = 0) -> Path:
    """Write every set that the recipes in ``trainer/recipes`` read; return ``data``."""
    write_corpora(data, seed)
    rng = random.Random(seed + 1)
    for split, count in (("train", 40), ("valid", 10), ("test", 10)):
        for name, records in _sets(rng, count).items():
            write(data / name / f"{split}.jsonl.gz", records)
    # Replies that are reflections: a writer learns from nothing else.
    writer_ground.write_corpora(data, ("pair_reflections", "esconv", "annomi"))
    return data


def _sets(rng: random.Random, count: int) -> dict[str, list[dict[str, Any]]]:
    cues = ("", CUES["sadness"], CUES["joy"], CUES["fear"])
    return {
        "counselchat": [
            {
                "prompt": line(rng, rng.choice(cues)),
                "response": f"{rng.choice(_REPLIES)} {line(rng)}",
                "topic": "self-esteem",
            }
            for _ in range(count)
        ],
        "epitome": [
            {"prompt": line(rng), "response": rng.choice(_REPLIES), "emotional_reaction": 1}
            | {"interpretation": 1, "exploration": 2}
            for _ in range(count)
        ],
        "positive_frames": [
            {"prompt": line(rng, CUES["fear"]), "response": line(rng, CUES["joy"]), "strategies": ["optimism"]}
            for _ in range(count)
        ],
        "imhi_explain": [
            {"prompt": line(rng, rng.choice(cues)), "response": f"Yes. {line(rng)}", "dataset": "DR"}
            for _ in range(count)
        ],
        "sad": [
            {"text": line(rng, rng.choice(cues)), "label": label}
            for label in SAD.positive
            for _ in range(1 + count // 10)
        ],
        "chat_en": [_talk(line, rng) for _ in range(count)],
        "chatbot_ko": [
            {"prompt": korean(rng), "response": rng.choice(_KOREAN_REPLIES), "label": "daily"} for _ in range(count)
        ],
        "kote": [
            {"text": korean(rng, feeling), "labels": [label]}
            for label, feeling in _KOREAN_FEELS.items()
            for _ in range(count // 4)
        ],
        "goemotions_ko": [
            {"text": korean(rng, feeling), "labels": [label]}
            for label, feeling in (("joy", "기뻐요"), ("sadness", "슬퍼요"), ("anger", "화나요"), ("neutral", ""))
            for _ in range(count // 4)
        ],
        "prose_en": [{"text": " ".join(line(rng) for _ in range(5))} for _ in range(count)],
        "prose_ko": [{"text": " ".join(korean(rng) for _ in range(4))} for _ in range(count)],
    }


def _talk(words: Any, rng: random.Random) -> dict[str, Any]:
    return {"turns": [{"role": role, "text": words(rng)} for role in ("user", "assistant") * 2]}
