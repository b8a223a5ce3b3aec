"""Something secret on the clipboard, for a short time: emptied by itself, at lock and when the app closes."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, QObject, QTimer
from PySide6.QtGui import QGuiApplication

BRIEF_MS = 30_000
_HISTORY_HINT = "x-kde-passwordManagerHint"
"""Clipboard histories that know this type (Klipper began it) do not keep what carries it."""


class BriefClipboard(QObject):
    """Copies one secret at a time, and takes away only what it put there itself."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._held = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(BRIEF_MS)
        self._timer.timeout.connect(self.empty)

    def copy(self, text: str) -> None:
        """Put ``text`` on the clipboard; it stays for ``BRIEF_MS`` at most."""
        data = QMimeData()
        data.setText(text)
        data.setData(_HISTORY_HINT, b"secret")
        QGuiApplication.clipboard().setMimeData(data)
        self._held = text
        self._timer.start()

    def empty(self) -> None:
        """Empty the clipboard if it still holds what was copied here; anything newer is left alone."""
        held, self._held = self._held, ""
        self._timer.stop()
        clipboard = QGuiApplication.clipboard()
        if held and clipboard.text() == held:
            clipboard.clear()
