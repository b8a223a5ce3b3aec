"""The interface that every model serves, and the values that cross it.

Implementations: ``llama.LlamaReader`` (in this process; used by the child, the trainer and
tests) and ``process.ModelProcess`` (the same interface over a pipe to a child process).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from journal_app.contract.manifest import Manifest


class ModelError(Exception):
    """A known failure of the model; the message is safe to show and holds no entry text."""


class ModelCancelled(ModelError):
    """The call was cancelled; nothing was produced."""


class ModelCrashed(ModelError):
    """The child process ended while it worked; it is started afresh on the next call."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a loaded model.

    Attributes:
        manifest: as found in the file.
        sha256: of the whole file, hex.
        file: base name only, never a path.
        bytes: size of the file.
    """

    manifest: Manifest
    sha256: str
    file: str
    bytes: int


@dataclass(frozen=True, slots=True)
class SentenceScores:
    """Scores of one sentence: ``text[start:end]`` in code points of the text that was read."""

    start: int
    end: int
    tasks: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in one text.

    Attributes:
        readable: false when the text's language is not among the model's, or the text holds no
            words; then ``tasks`` is empty and ``vector`` is empty.
        language: ISO 639-1 code or ``und``.
        tasks: task -> label -> calibrated probability (softmax or sigmoid by kind of task).
        sentences: evidence, in order; empty when it was not asked for or not readable.
        vector: unit-length embedding of the text (encoders) or empty.
        tokens: tokens read. seconds: wall time. words: words counted in the text.
    """

    readable: bool
    language: str
    tasks: dict[str, dict[str, float]] = field(default_factory=dict)
    sentences: tuple[SentenceScores, ...] = ()
    vector: tuple[float, ...] = ()
    tokens: int = 0
    words: int = 0
    seconds: float = 0.0


class Reader(Protocol):
    """A model that turns texts into readings."""

    def info(self) -> ModelInfo:
        """Return what is known of the model; raise :class:`ModelError` if it cannot be loaded."""
        ...

    def read(self, texts: Sequence[str], *, evidence: bool = True) -> list[Reading]:
        """Read each text by itself, in order.

        Raises :class:`ModelCancelled` after :meth:`cancel`, :class:`ModelCrashed` if the model's
        process died, :class:`ModelError` for other known failures.
        """
        ...

    def cancel(self) -> None:
        """Stop the call in progress, from any thread; harmless when there is none."""
        ...

    def close(self) -> None:
        """Free the model and everything derived from text. Safe to call twice."""
        ...
