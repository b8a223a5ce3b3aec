"""A tiny world for the encoder's path: corpora in the format of the real ones, a base encoder, a recipe.

Every sentence is put together from fragments written here; nothing comes from a real corpus.
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import BertConfig, BertModel

from tests.support.tiny_gguf import vocabulary

_NOUNS = """
    kitchen river window letter garden soup train bicycle sister office rain bread music lamp winter market stairs
    neighbour coffee table blanket teacher dog phone book street corner evening shirt bus plan door paint
"""
WORDS = tuple(_NOUNS.split())
VERBS = ("walked", "cooked", "talked", "waited", "cleaned", "read", "called", "wrote", "carried", "looked", "sat")
CUES: dict[str, str] = {
    "joy": "glad",
    "love": "dear",
    "surprise": "whoa",
    "anger": "furious",
    "fear": "scared",
    "sadness": "sorrow",
    "disgust": "yuck",
    "shame": "ashamed",
    "guilt": "guilty",
    "stress": "deadline",
    "depression": "hollow",
    "mild": "dull",
    "moderate": "heavy",
    "severe": "crushed",
    "suicidal": "goodbye",
    "gratitude": "thanks",
    "excitement": "thrilled",
    "pride": "proud",
    "optimism": "hopeful",
    "relief": "relieved",
    "lonely": "lonely",
}
RECIPE = """
name = "tiny-reader"
kind = "encoder"
licence = "CC0-1.0"
languages = ["en"]
max_tokens = 64
seed = 5

[data]
neutral_blog = 20
neutral_dialog = 10
neutral_other = 5
diary_valid = 40
diary_test = 40
labelled = ["written"]

[finetune]
base = "{base}"
steps = 200
batch = 16
lr = 3e-3
head_lr = 1e-2
keep_weight = 0.05
dropout = 0.0
ngrams = true
eval_every = 1000
save_every = 50
threads = 1

[calibrate]
min_feeling_rows = 3
min_feeling_auroc = 0.6
"""


def line(rng: random.Random, cue: str = "", words: int = 5) -> str:
    """Return one English sentence, with ``cue`` in it."""
    middle = " ".join(rng.choice(WORDS) for _ in range(words))
    feeling = f" and I feel {cue}" if cue else ""
    return f"Today I {rng.choice(VERBS)} with the {middle}{feeling}."


def write(path: Path, records: list[dict[str, Any]]) -> None:
    """Write records as gzip JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_corpora(data: Path, seed: int = 0) -> Path:
    """Write every set that an encoder recipe reads; return ``data``."""
    rng = random.Random(seed)
    labelled = {
        "emotion": {name: CUES[name] for name in ("joy", "love", "surprise", "anger", "fear", "sadness")},
        "isear": {n: CUES[n] for n in ("joy", "fear", "anger", "sadness", "disgust", "shame", "guilt")},
        "dreaddit": {"stress": CUES["stress"], "no_stress": ""},
        "depression_reddit": {"depression": CUES["depression"], "no_depression": ""},
        "depseverity": {"minimum": "", "mild": "dull", "moderate": "heavy", "severe": "crushed"},
        "sdcnl": {"suicidal": CUES["suicidal"], "depression": CUES["depression"]},
        "empathetic_personas": {"angry": CUES["anger"], "sad": CUES["sadness"], "happy": CUES["joy"]},
    }
    for split, count in (("train", 24), ("valid", 8), ("test", 8)):
        for name, labels in labelled.items():
            rows = [{"text": line(rng, cue), "label": label} for label, cue in labels.items() for _ in range(count)]
            write(data / name / f"{split}.jsonl.gz", rows)
        go = [
            {"text": line(rng, CUES.get(label, "")), "labels": [label]}
            for label in (
                "neutral",
                "joy",
                "anger",
                "gratitude",
                "excitement",
                "pride",
                "optimism",
                "relief",
                "remorse",
            )
            for _ in range(count)
        ]
        write(data / "goemotions" / f"{split}.jsonl.gz", go)
        told = [
            {
                "emotion": label,
                "turns": [{"role": "user", "text": line(rng, cue)}, {"role": "assistant", "text": "Oh?"}],
            }
            for label, cue in (("lonely", CUES["lonely"]), ("joyful", CUES["joy"]), ("prepared", ""))
            for _ in range(count)
        ]
        write(data / "empathetic_dialogues" / f"{split}.jsonl.gz", told)
        posts = [{"text": " ".join(line(rng) for _ in range(rng.randint(3, 12)))} for _ in range(count * 8)]
        posts += [{"text": f"{line(rng)} I am so tired. {line(rng)}"} for _ in range(count)]
        write(data / "blog_prose" / f"{split}.jsonl.gz", posts)
        talks = [
            {"turns": [{"role": ("user", "assistant")[i % 2], "text": line(rng)} for i in range(4)]}
            for _ in range(count * 4)
        ]
        write(data / "dailydialog" / f"{split}.jsonl.gz", talks)
    return data


def write_base(folder: Path, seed: int = 0) -> Path:
    """Write a random 2-layer BERT with its tokenizer; return ``folder``."""
    torch.manual_seed(seed)
    cues = {cue for cue in CUES.values() if cue}
    pieces = list(dict.fromkeys([*vocabulary(), *WORDS, *VERBS, *sorted(cues), "today", "feel", "i", "with"]))
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=96,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(str(folder))
    return folder


def write_recipe(path: Path, base: Path, more: str = "") -> Path:
    """Write the tiny recipe; return ``path``."""
    path.write_text(RECIPE.format(base=base) + more, encoding="utf-8")
    return path


def write_posts(data: Path, name: str, count: int = 8) -> None:
    """Write a set of posts (texts with whatever label its reader wants) for teachers to read."""
    rng = random.Random(name)
    values: dict[str, dict[str, Any]] = {
        "stress_weak": {"label": "stress"},
        "cognitive_distortion": {"label": "distortion"},
        "counselchat": {"response": "It may help to talk.", "topic": "self-esteem"},
        "epitome": {"response": "I hear you.", "emotional_reaction": 1, "interpretation": 1, "exploration": 0},
        "positive_frames": {"response": "There is a good side.", "strategies": ["growth"]},
        "esconv": {"emotion": "anxiety", "problem": "job crisis", "situation": line(rng), "intensity": ["3", "2"]},
    }
    records = []
    for _ in range(count):
        text = " ".join(line(rng) for _ in range(3))
        turns = [{"role": "user", "text": text}, {"role": "assistant", "text": "I see.", "strategy": "Question"}]
        spoken = {"turns": turns} if name == "esconv" else {"prompt": text, "text": text}
        records.append({**spoken, **values[name]})
    for split in ("train", "valid", "test"):
        if not (data / name / f"{split}.jsonl.gz").is_file():
            write(
                data / name / f"{split}.jsonl.gz",
                records
                if split == "train"
                else records[:0] + [{**record, "text": line(rng), "prompt": line(rng)} for record in records[:2]],
            )
