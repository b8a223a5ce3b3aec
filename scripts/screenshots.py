"""Take pictures of every page with the sample journal: build/screenshots/LOOK-PAGE.png.

Looks: light, dark, contrast, korean, scale200. Each look runs in a process of its own, because scale
and language are set when Qt starts. Works without a display. Another size than the default goes into
a folder of its own; ``--docs`` writes the two pictures of the README into docs/pictures instead;
``--doors`` takes only what stands around the journal (unlock, keys, backups, damage), without a reader.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "screenshots"
LOOKS = ("light", "dark", "contrast", "korean", "scale200")
SIZE = "1280x800"
DOCS = ROOT / "docs" / "pictures"
DOCS_BYTES = 250_000
KOREAN_TEXT = (
    "# 조용한 저녁\n\n오늘은 오랜만에 강가를 걸었다. 바람이 차가웠지만 **마음이 조금 가벼워졌다**.\n\n"
    "- [x] 어머니께 전화하기\n- [ ] 빵 반죽 해 두기\n\n> 천천히 가도 괜찮다고, 나에게 말해 주었다.\n\n"
    "집에 돌아와 따뜻한 차를 마셨다. 내일은 조금 일찍 일어나 보려고 한다.\n"
)
PASSPHRASE = "four words of a picture"
HEAVY_TEXT = "I want to die tonight. I do not know whom to tell."
READ_SECONDS = 120.0
if TYPE_CHECKING:
    from journal_app.vault.records import Entry, Store


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


def publish(image: Path, name: str) -> None:
    """Write a copy of ``image`` into docs/pictures, with 256 colours if it must be; raise ValueError if too large."""
    from PIL import Image

    DOCS.mkdir(parents=True, exist_ok=True)
    target = DOCS / name
    with Image.open(image) as picture:
        whole = picture.convert("RGB")
        whole.save(target, optimize=True)
        if target.stat().st_size > DOCS_BYTES:
            whole.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    if target.stat().st_size > DOCS_BYTES:
        raise ValueError(f"{name} is larger than {DOCS_BYTES} bytes")


def most_to_show(store: Store) -> Entry:
    """Return the entry among the latest whose reading shows most: that is what the picture is for."""

    def worth(entry: Entry) -> tuple[bool, int, int]:
        analysis = store.analysis(entry.id)
        if analysis is None:
            return False, 0, 0
        return analysis.crisis_level == "none", len(analysis.feelings), len(entry.text)

    return max(store.entries(limit=16), key=worth)


def make_backups(vault: Any, folder: Path) -> None:
    """Make backups of some days, one of them damaged."""
    from journal_app.vault import backup
    from journal_app.vault import vault as vaults

    now = datetime.now().astimezone()
    for days in (31, 9, 3, 2, 1):
        made = backup.make(vault, reason="asked" if days == 2 else "day", now=now - timedelta(days=days))
        store = vault.store()
        store.new_entry(f"Written {days} days ago.")
        store.close()
        if days == 1:
            data = bytearray((made.path / vaults.DATABASE).read_bytes())
            data[12 * 4096 - 100] ^= 1
            (made.path / vaults.DATABASE).write_bytes(data)
    backup.cycle(vault)


def take_doors(session: Any, opened: Any, folder: Path, picture: Callable[[str], None]) -> None:
    """Take what stands around the journal; it is open at the beginning and locked at the end."""
    from PySide6.QtWidgets import QApplication

    from journal_app.ui.backups import damaged_text
    from journal_app.ui.notes import Note
    from journal_app.ui.recover import merged_text
    from journal_app.ui.rescue_page import RescuePage
    from journal_app.ui.unlock_page import UnlockPage
    from journal_app.vault import backup
    from journal_app.vault.merge import MergeReport
    from journal_app.vault.records import DamagedVault, OpenElsewhere, WrongPassphrase
    from journal_app.vault.salvage import Damage

    make_backups(opened, folder)
    session.open(opened, place="settings")
    workspace = session.workspace()
    settings = workspace.page("settings")
    settle(lambda: bool(settings.ways.keyring.about.text()), 10)
    settle(lambda: "backup" in settings.backups._summary.text(), 5)
    settle(seconds=0.5)
    picture("settings-keys")
    settings.ways._rotate.click()
    settings._area.ensureWidgetVisible(settings.ways, 0, 40)
    picture("settings-new-key")
    settings.ways._change.click()
    settings.ways._ask.go.click()
    settings._area.ensureWidgetVisible(settings.ways.passphrase, 0, 40)
    picture("settings-passphrase")
    settings.ways._ask.cancel.click()
    settings._area.verticalScrollBar().setValue(settings.backups.parentWidget().y() - 16)
    picture("settings-backups")
    settings._show_code("K7QF-2MXA-9TLP-R4HW-6ZBN-C3VD-8YJE")
    picture("settings-code")
    settings._end_code(confirmed=False)
    listed = backup.listed(folder)
    damaged = [made for made in listed if made.problem]
    good = next(made for made in listed if not made.problem)
    workspace.go("journal")
    workspace.notes.show_note(
        Note("backup", damaged_text(damaged, good), session.tr("Show the backups"), session._show_backups)
    )
    workspace.notes.show_note(Note("merged", merged_text(MergeReport(3, 1, 0, 0, 1))))
    picture("notes")
    session._why = "replaced"
    session._close()
    picture("unlock-replaced")
    page = UnlockPage(session._frame.settings.value.country, key_file=True, keyring=True)
    session.window.show_scene(page)
    page.activated()
    page.failed(WrongPassphrase(), 8)
    picture("unlock-waiting")
    page.wait(0)
    page.failed(OpenElsewhere())
    picture("unlock-elsewhere")
    session._recover.show_restore()
    settle(seconds=1.0)
    picture("restore")
    session.window.scene().choose(good)
    session.window.scene().failed(session._recover._failure(WrongPassphrase()))
    picture("restore-chosen")
    session._recover.show_damage(DamagedVault("The journal file is damaged."), None)
    rescue = session.window.scene()
    assert isinstance(rescue, RescuePage)
    settle(rescue._restore.isEnabled, 5)
    rescue.show_damage(Damage(412, (12, 13)))
    picture("damage")
    rescue._to_form.click()
    settle(seconds=0.2)
    rescue.working()
    picture("damage-rescue")
    rescue.wipe()
    assert QApplication.instance() is not None


def take_rescued(session: Any, folder: Path, passphrase: str, picture: Callable[[str], None]) -> None:
    """Damage the journal, rescue it, and show the copy."""
    from journal_app.vault import salvage
    from journal_app.vault import vault as vaults

    data = bytearray((folder / vaults.DATABASE).read_bytes())
    for page in (40, 41):
        data[page * 4096 + 100] ^= 1
    (folder / vaults.DATABASE).write_bytes(data)
    target = folder.parent / "journal-rescued-2025-11-20"
    brought = salvage.rescue(folder, passphrase, target)
    session.open(vaults.unlock(target, passphrase), rescue=brought)
    settle(lambda: bool(session.workspace().journal.view.editor.text()), 10)
    picture("rescued")
    session.workspace().go("settings")
    settle(seconds=0.5)
    picture("rescued-settings")
    session.lock()
    share = session._recover
    share._door = replace(share._door, rotate=lambda *_arguments: time.sleep(3))
    share.rotate("")
    share._bar.setValue(420)
    picture("new-key")


def take(look: str, width: int, height: int, out: Path, *, docs: bool = False, doors: bool = False) -> None:
    """Take the pictures of one look in this process into ``out``; with ``docs`` those of the README alone."""
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
        theme=look if look in ("dark", "contrast") else "light",
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
        out.mkdir(parents=True, exist_ok=True)
        session.window.grab().save(str(out / f"{look}-{page}.png"))

    if not docs:
        first = session.window.scene()
        picture("first-run")
        first._to_passphrase()
        first._first.setText("seven green kettles")
        settle(lambda: bool(first._strength.text()), 10)
        picture("first-run-passphrase")
        first.show_code("K7QF-2MXA-9TLP-R4HW-6ZBN-C3VD-8YJE")
        picture("first-run-code")
        first.code._to_back_typing()
        picture("first-run-groups")
    opened, _code = vault.create(scratch / "journal", PASSPHRASE)
    store = opened.store()
    sample.fill(store, date.today())
    if look == "korean":
        store.new_entry(KOREAN_TEXT, tags=("산책", "가족"))
    store.close()
    session.show_unlock()
    if not docs:
        picture("unlock")
        if doors:
            take_doors(session, opened, scratch / "journal", picture)
            take_rescued(session, scratch / "journal", PASSPHRASE, picture)
            session.shutdown()
            return
    session.open(opened)
    workspace = session.workspace()
    services = session.services
    started = time.monotonic()
    settle(lambda: services.store.pending_count() == 0, READ_SECONDS)
    newest = services.store.entries(limit=4)
    chosen = newest[0] if look == "korean" else max(newest, key=lambda e: len(e.text))
    if docs:
        chosen = most_to_show(services.store)
    workspace.journal.open_entry(chosen.id)
    settle(lambda: services.store.analysis(chosen.id) is not None, 5)
    settle(seconds=1.0)
    picture("journal")
    if docs:
        workspace.go("insights")
        workspace.page("insights").set_period("quarter")
        settle(seconds=8.0)
        picture("insights")
        for page in ("journal", "insights"):
            publish(out / f"{look}-{page}.png", f"{page}.png")
        session.shutdown()
        return
    for page in ("insights", "share", "settings", "help"):
        try:
            workspace.go(page)
        except StopIteration:
            print(f"{look}: there is no {page} yet", file=sys.stderr)
            continue
        settle(seconds=6.0 if page in ("insights", "share") else 0.5)  # charts and pages are painted off the GUI thread
        picture(page)
    workspace.go("journal")
    workspace.journal.new_entry()
    workspace.journal.view.editor.insertPlainText(HEAVY_TEXT)
    settle(lambda: not workspace.journal.panel.help.isHidden(), 10)
    picture("help-card")
    print(f"{look}: read in {time.monotonic() - started:.1f} s")
    workspace.journal.delete_entry()
    session.lock()
    take_doors(session, vault.unlock(scratch / "journal", PASSPHRASE), scratch / "journal", picture)
    take_rescued(session, scratch / "journal", PASSPHRASE, picture)
    session.shutdown()
    del application


def main() -> int:
    """Run one process per look; return 0 when every picture was taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--look", choices=LOOKS)
    parser.add_argument("--size", default=SIZE, help="window size, for example 1024x700")
    parser.add_argument("--doors", action="store_true", help="unlock, keys, backups and damage alone")
    parser.add_argument("--docs", action="store_true", help="the pictures of the README, light")
    arguments = parser.parse_args()
    width, height = (int(part) for part in arguments.size.split("x"))
    out = OUT if arguments.size == SIZE else OUT / arguments.size
    if arguments.docs:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        with tempfile.TemporaryDirectory() as folder:
            take("light", width, height, Path(folder), docs=True)
        return 0
    if arguments.look:
        take(arguments.look, width, height, out, doors=arguments.doors)
        return 0
    failed = 0
    for look in LOOKS:
        environment = dict(os.environ)
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
        if look == "scale200":
            environment["QT_SCALE_FACTOR"] = "2"
        command = [sys.executable, __file__, "--look", look, "--size", arguments.size]
        command += ["--doors"] if arguments.doors else []
        failed += subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
