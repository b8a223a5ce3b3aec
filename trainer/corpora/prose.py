"""Plain text for learning a language: prose as it stands, dialogues as their turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainer.corpora.files import CorpusError, records, split_path, turns_of

PROSE: dict[str, str] = {
    "blog_prose": "en",
    "prose_en": "en",
    "prose_ko": "ko",
    "chat_en": "en",
    "dailydialog": "en",
    "empathetic_dialogues": "en",
}
"""Sets that serve as running text, with their language."""


def prose(data: Path, name: str, split: str) -> Iterator[str]:
    """Yield the documents of one split, dialogues one turn a line; raise :class:`CorpusError`."""
    if name not in PROSE:
        raise CorpusError(f"{name} is not a corpus of running text; known: {', '.join(PROSE)}")
    path = split_path(data, name, split)
    for number, record in records(path):
        text = record.get("text")
        if isinstance(text, str):
            yield text.strip()
        elif "turns" in record:
            yield "\n".join(turn for _, turn in turns_of(path, number, record))
        else:
            raise CorpusError(f"{path}, line {number}: neither 'text' nor 'turns'")
