"""What a person is told when a file could not be written where they wanted it."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from journal_app.exchange import files


def not_written(error: OSError) -> str:
    """Return what happened, what is safe and what to do, in the window's language; never a path."""
    reason = files.reason(error)
    if reason == "full":
        return QCoreApplication.translate(
            "Exported",
            "There is no room left there, so nothing was written. Your journal is not touched. "
            "Free some space or choose another place, then save again.",
        )
    if reason == "refused":
        return QCoreApplication.translate(
            "Exported",
            "That folder does not take new files, so nothing was written. Your journal is not touched. "
            "Choose another folder and save again.",
        )
    if reason == "missing":
        return QCoreApplication.translate(
            "Exported",
            "That folder is not there any more, so nothing was written. Your journal is not touched. "
            "Choose another folder and save again.",
        )
    return QCoreApplication.translate(
        "Exported",
        "This could not be written there. Nothing half-written is left, and your journal is not touched. "
        "Try another folder.",
    )
