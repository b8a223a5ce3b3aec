"""The data sets: one small module each, with what it is, its licence and how it is read.

Corpora are folders of gzip JSON lines found by ``--data`` or ``QUIETPAGE_DATA``; the same sets are read
from the Hub or from files by ``trainer.sources``. Nothing here ever prints a text; errors name the file
and the line. ``KNOWN`` lists every set by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.corpora.files import CorpusError, Row
from trainer.corpora.prose import prose

if TYPE_CHECKING:
    from trainer.corpora.known import KNOWN

__all__ = ["KNOWN", "CorpusError", "Row", "prose"]


def __getattr__(name: str) -> Any:
    # The registry needs trainer.records, which needs this package: it is read when it is first asked for.
    if name == "KNOWN":
        from trainer.corpora.known import KNOWN

        return KNOWN
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
