"""Start the window as `quietpage` does, print the time of day when it was first painted, and end."""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main() -> int:
    """Print seconds since the epoch at the first paint; see ``bench.bench_window``."""
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from journal_app.ui import app

    enter = QApplication.exec

    def exec_until_painted(*_application: QApplication) -> int:
        timer = QTimer()

        def look() -> None:
            shown = [w for w in QApplication.topLevelWidgets() if w.isVisible() and w.windowHandle()]
            if shown and shown[0].windowHandle().isExposed():
                timer.stop()
                shown[0].repaint()  # returns when every visible widget of the window has been drawn
                print(time.time())
                QApplication.exit(0)

        timer.timeout.connect(look)
        timer.start(5)
        return enter()

    QApplication.exec = exec_until_painted
    return app.run(Path(sys.argv[1]) if len(sys.argv) > 1 else None)


if __name__ == "__main__":
    sys.exit(main())
