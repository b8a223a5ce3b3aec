"""Keystroke to screen in the real journal page, while the real model reads a backlog of 200 entries.

The application lets the model wait while somebody types. Here that courtesy is switched off, so the
figure is of the harder case: model, saver and window at work at the same time. Typing ends when
the backlog is read.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

BACKLOG = 200
MOST_KEYS = 2000
KEY_EVERY_MS = 60
"""About 200 words a minute: faster than nearly anybody types."""


def bench_typing(folder: Path) -> dict[str, float]:
    """Return quantiles in ms of posting a key to the end of the repaint that shows it."""
    from PySide6.QtCore import QEvent, QObject, Qt, QTimer
    from PySide6.QtGui import QKeyEvent
    from PySide6.QtWidgets import QApplication

    from journal_app.journal.analysis import AnalysisEvent
    from journal_app.ui import app as ui
    from journal_app.ui.bridge import Bridge
    from journal_app.ui.journal_page import JournalPage
    from journal_app.ui.services import Frame, Services
    from journal_app.ui.settings import SettingsKeeper
    from journal_app.ui.theme import Theme
    from journal_app.vault import vault as vaults
    from scripts.bench import PHRASE, quantile, text_of

    made, _ = vaults.create(folder, PHRASE)
    store = made.store()
    for n in range(BACKLOG):
        store.new_entry(text_of(200, n))
    application = ui.make_application(["bench"])
    keeper = SettingsKeeper(Path(tempfile.mkdtemp(dir=folder)) / "settings.toml")
    theme = Theme(keeper.value)
    theme.apply()
    services = Services.open(Frame(keeper, theme, Bridge()), made)
    services._analysis._pause = 0.0
    page = JournalPage(services)
    page.resize(1280, 800)
    page.show()
    page.activated()
    editor = page.view.editor

    values: list[float] = []
    text = (text_of(400, 77) * 2)[:MOST_KEYS]
    done = [0]

    class Watch(QObject):
        posted = 0.0
        typed = 0

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint and self.posted:
                # The filter runs before the paint; a timer of 0 ms fires when it is done.
                QTimer.singleShot(0, self.painted)
            return super().eventFilter(watched, event)

        def painted(self) -> None:
            if self.posted:
                values.append((time.perf_counter() - self.posted) * 1000)
                self.posted = 0.0

        def press(self) -> None:
            if self.posted:
                return  # still waiting for the one before: its latency grows
            if self.typed >= len(text) or done[0] >= BACKLOG:
                timer.stop()
                application.exit(0)
                return
            letter = text[self.typed]
            self.typed += 1
            self.posted = time.perf_counter()
            key = Qt.Key.Key_Space if letter == " " else Qt.Key.Key_A
            none = Qt.KeyboardModifier.NoModifier
            QApplication.postEvent(editor, QKeyEvent(QEvent.Type.KeyPress, key, none, letter))

    def count(event: object) -> None:
        if isinstance(event, AnalysisEvent) and event.kind == "stored":
            done[0] = BACKLOG - min(event.pending, BACKLOG)

    watch = Watch()
    services.bridge.happened.connect(count)
    editor.viewport().installEventFilter(watch)
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(watch.press)
    QTimer.singleShot(1500, lambda: timer.start(KEY_EVERY_MS))
    application.exec()
    page.flush()
    services.saver.flush(5.0)
    services.close()
    page.deleteLater()
    return {
        "type_p50_ms": quantile(values, 0.5),
        "type_p99_ms": quantile(values, 0.99),
        "type_max_ms": max(values),
        "type_keys": float(len(values)),
        "type_entries_read_meanwhile": float(done[0]),
    }
