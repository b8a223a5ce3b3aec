"""Take pictures of every page with the sample journal: build/screenshots/LOOK-PAGE.png.

Looks: light, dark, korean, scale200. Each look runs in a process of its own, because scale and
language are set when Qt starts. Works without a display.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "screenshots"
LOOKS = ("light", "dark", "korean", "scale200")
KOREAN_TEXT = (
    "# 조용한 저녁\n\n오늘은 오랜만에 강가를 걸었다. 바람이 차가웠지만 **마음이 조금 가벼워졌다**.\n\n"
    "- [x] 어머니께 전화하기\n- [ ] 빵 반죽 해 두기\n\n> 천천히 가도 괜찮다고, 나에게 말해 주었다.\n\n"
    "집에 돌아와 따뜻한 차를 마셨다. 내일은 조금 일찍 일어나 보려고 한다.\n"
)
READ_SECONDS = 120.0


def settle(condition: Callable[[], bool] | None = None, seconds: float = 0.4) -> bool:
    """Let the event loop run until ``condition`` or for ``seconds``; return whether it held."""
    from PySide6.QtCore import QEventLoop, QTimer

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition is not None and condition():
            return True
        loop = QEventLoop()
        QTimer.singleShot(30, loop.quit)
        loop.exec()
    return condition is None or condition()


def take(look: str, width: int, height: int) -> None:
    """Take the pictures of one look in this process."""
    from journal_app.journal import sample
    from journal_app.ui import app as ui
    from journal_app.ui.bridge import Bridge
    from journal_app.ui.services import Frame
    from journal_app.ui.settings import SettingsKeeper
    from journal_app.ui.theme import Theme
    from journal_app.vault import vault

    scratch = Path(tempfile.mkdtemp(prefix="quiet-page-pictures-"))
    application = ui.make_application(["screenshots"])
    keeper = SettingsKeeper(scratch / "settings.toml")
    keeper.change(
        theme="dark" if look == "dark" else "light",
        language="ko" if look == "korean" else "en",
        country="KR" if look == "korean" else "GB",
    )
    frame = Frame(keeper, Theme(keeper.value), Bridge())
    session = ui.Session(frame, scratch / "journal", ui.real_door())
    session.window.resize(width, height)
    session.start()
    settle()

    def picture(page: str) -> None:
        settle()
        OUT.mkdir(parents=True, exist_ok=True)
        session.window.grab().save(str(OUT / f"{look}-{page}.png"))

    picture("first-run")
    opened, _code = vault.create(scratch / "journal", "four words of a picture")
    store = opened.store()
    sample.fill(store, date.today())
    if look == "korean":
        store.new_entry(KOREAN_TEXT, tags=("산책", "가족"))
    store.close()
    session.show_unlock()
    picture("unlock")
    session.open(opened)
    workspace = session.workspace()
    services = session.services
    started = time.monotonic()
    settle(lambda: services.store.pending_count() == 0, READ_SECONDS)
    newest = services.store.entries(limit=4)
    chosen = newest[0] if look == "korean" else max(newest, key=lambda e: len(e.text))
    workspace.journal.open_entry(chosen.id)
    settle(lambda: services.store.analysis(chosen.id) is not None, 5)
    settle(seconds=1.0)
    picture("journal")
    for page in ("insights", "share", "settings", "help"):
        try:
            workspace.go(page)
        except StopIteration:
            print(f"{look}: there is no {page} yet", file=sys.stderr)
            continue
        settle(seconds=2.0)
        picture(page)
    print(f"{look}: read in {time.monotonic() - started:.1f} s")
    session.shutdown()
    del application


def main() -> int:
    """Run one process per look; return 0 when every picture was taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--look", choices=LOOKS)
    parser.add_argument("--size", default="1280x800", help="window size, for example 1024x700")
    arguments = parser.parse_args()
    width, height = (int(part) for part in arguments.size.split("x"))
    if arguments.look:
        take(arguments.look, width, height)
        return 0
    failed = 0
    for look in LOOKS:
        environment = dict(os.environ)
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
        if look == "scale200":
            environment["QT_SCALE_FACTOR"] = "2"
        command = [sys.executable, __file__, "--look", look, "--size", arguments.size]
        failed += subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
