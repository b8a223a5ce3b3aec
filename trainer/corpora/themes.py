"""The sets that teach ``themes``, through the mapping tables of the contract: who wrote of what."""

from __future__ import annotations

from pathlib import Path

from journal_app.contract.mappings import THEME_MAPS
from trainer.corpora.files import CorpusError, Row, is_placeholder, records, split_path

LICENCES: dict[str, str] = {
    "sad": "MIT (repository); non-clinical research",
    "esconv": "CC BY-NC 4.0; academic research use",
    "counselchat": "MIT (repository)",
}
_FIELDS = {"sad": ("text", "label"), "esconv": ("situation", "problem"), "counselchat": ("prompt", "topic")}
"""Set -> where its text and the label of the theme stand."""


def load(data: Path, name: str, split: str) -> list[Row]:
    """Return the mapped rows of a split, each text once; raise :class:`CorpusError` for a bad file or label."""
    table, (text_field, label_field) = THEME_MAPS[name], _FIELDS[name]
    path = split_path(data, name, split)
    rows: dict[str, Row] = {}
    for number, record in records(path):
        text, label = record.get(text_field), record.get(label_field)
        if not isinstance(text, str) or not isinstance(label, str):
            raise CorpusError(f"{path}, line {number}: no fields {text_field!r} and {label_field!r} with strings")
        if label not in table.positive:
            raise CorpusError(f"{path}, line {number}: the label {label[:40]!r} is not in the set's table")
        truth = table.truth((label,))
        if not is_placeholder(text) and truth.positives:
            rows.setdefault(text, Row("themes", text.strip(), name, "mapped", "", truth.positives, truth.negatives))
    return list(rows.values())
