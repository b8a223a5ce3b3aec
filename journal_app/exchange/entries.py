"""Entries as Markdown and as JSON: what a person or another program can read without this app.

Nothing is written here; callers get bytes and names. The text is given exactly as it was typed.
What a model estimated is only in the JSON, apart from what the writer said, with the model's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from journal_app.vault.records import Analysis, Correction, Entry, Revision

FORMAT = "quietpage-entries"
VERSION = 1


def as_dict(
    entry: Entry,
    analysis: Analysis | None = None,
    corrections: Sequence[Correction] = (),
    revisions: Sequence[Revision] = (),
) -> dict[str, Any]:
    """Return an entry as a JSON value; ``estimate`` is what a model made of it, or null."""
    value: dict[str, Any] = {
        "id": entry.id,
        "date": entry.local_date,
        "time": entry.local_time,
        "offset_minutes": entry.offset_minutes,
        "created_utc": entry.created_utc,
        "modified_utc": entry.modified_utc,
        "revision": entry.revision,
        "text": entry.text,
        "mood": None if entry.mood is None else {"valence": entry.mood.valence, "energy": entry.mood.energy},
        "tags": list(entry.tags),
        "for_therapist": entry.for_therapist,
        "read_me": entry.read_me,
        "estimate": None if analysis is None else estimate(analysis),
        "corrections": [{"task": c.task, "label": c.label, "verdict": c.verdict} for c in corrections],
    }
    if revisions:
        value["revisions"] = [{"revision": r.revision, "saved_utc": r.saved_utc, "text": r.text} for r in revisions]
    return value


def estimate(analysis: Analysis) -> dict[str, Any]:
    """Return what a model estimated as a JSON value, with its name and the revision that it read."""
    return {
        "model": analysis.model,
        "model_sha256": analysis.model_sha256,
        "revision": analysis.revision,
        "readable": analysis.readable,
        "language": analysis.language,
        "feelings": list(analysis.feelings),
        "stress_band": analysis.stress_band,
        "low_mood_band": analysis.low_mood_band,
        "crisis_level": analysis.crisis_level,
        "tasks": analysis.tasks,
        "evidence": {
            key: [{"start": e.start, "end": e.end, "score": e.score} for e in items]
            for key, items in analysis.evidence.items()
        },
    }


def to_json(
    entries: Iterable[Entry],
    analyses: Mapping[str, Analysis | None],
    corrections: Mapping[str, Sequence[Correction]],
    *,
    exported_utc: str,
) -> Iterator[str]:
    """Yield a JSON document in pieces, one entry at a time, oldest first as given."""
    yield f'{{"format": "{FORMAT}", "version": {VERSION}, "exported_utc": {json.dumps(exported_utc)}, "entries": ['
    comma = ""
    for entry in entries:
        value = as_dict(entry, analyses.get(entry.id), corrections.get(entry.id, ()))
        yield f"{comma}\n{_dump(value)}"
        comma = ","
    yield "\n]}\n"


def to_markdown(entry: Entry) -> str:
    """Return one entry as Markdown with a YAML header that says what is not in the text."""
    lines = ["---", f"date: {entry.local_date}", f"time: {json.dumps(entry.local_time)}"]
    lines.append(f"offset_minutes: {entry.offset_minutes}")
    if entry.mood is not None:
        lines.append(f"mood: {entry.mood.valence}")
        if entry.mood.energy is not None:
            lines.append(f"energy: {entry.mood.energy}")
    if entry.tags:
        # JSON strings are YAML strings, whatever a tag holds.
        lines.append(f"tags: [{', '.join(_dump(tag) for tag in entry.tags)}]")
    if entry.for_therapist:
        lines.append("for_therapist: true")
    lines += [f"id: {entry.id}", "---", "", entry.text]
    return "\n".join(lines) + ("" if entry.text.endswith("\n") else "\n")


def markdown_name(entry: Entry) -> str:
    """Return a file name that sorts by date, tells entries apart and holds no word of them."""
    return f"{entry.local_date}-{entry.local_time.replace(':', '')}-{entry.id[:8]}.md"


def encode(text: str) -> bytes:
    """Return UTF-8; a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text).encode("utf-8")


def _dump(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value)  # escapes keep even a lone surrogate
    return text
