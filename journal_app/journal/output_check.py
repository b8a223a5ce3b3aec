"""The check that everything a model writes must pass before a writer sees it. Pure; standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """Whether a reply may be shown; ``reasons`` are machine codes, empty exactly when ``ok``."""

    ok: bool
    reasons: tuple[str, ...] = ()


def check_output(reply: str, entry: str, language: str) -> OutputCheck:
    """Return whether ``reply`` may be shown under ``entry`` in the writer's ``language`` (en, ko, zh…)."""
    reasons: list[str] = []
    if not reply.strip():
        reasons.append("length:empty")
    return OutputCheck(not reasons, tuple(reasons))
