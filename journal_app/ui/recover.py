"""What puts another journal in the place of one, or another key around it: restore, rescue, a new encryption key.

Owns the flow from the first question to the note at the end; the journal is locked meanwhile. The
application is told by signals what to show next.
"""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shiboken6
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from journal_app.ui import words
from journal_app.ui.backups import entries_text, when
from journal_app.ui.door import VaultDoor
from journal_app.ui.main_window import MainWindow
from journal_app.ui.services import Frame
from journal_app.ui.unlock_page import Secret, unlock_message
from journal_app.ui.widgets import label
from journal_app.vault.records import VaultError, WrongPassphrase

if TYPE_CHECKING:
    from journal_app.ui.rescue_page import RescuePage, RestorePage
    from journal_app.vault.backup import Backup, Restored
    from journal_app.vault.merge import MergeReport
    from journal_app.vault.salvage import Rescue

RESCUED = "-rescued-"


def rescue_target(folder: Path, day: dt.date) -> Path:
    """Return a folder beside the journal that is not there yet."""
    first = folder.parent / f"{folder.name}{RESCUED}{day.isoformat()}"
    number, target = 1, first
    while target.exists():
        number += 1
        target = first.with_name(f"{first.name}-{number}")
    return target


def earlier_rescue(folder: Path) -> Path | None:
    """Return the latest copy that was rescued from this journal, if there is one."""
    try:
        found = [path for path in folder.parent.glob(f"{folder.name}{RESCUED}*") if path.is_dir()]
    except OSError:
        return None
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


class Recover(QObject):
    """The flows, one at a time.

    Signals:
        finished: nothing more to do here; the words say what was done (for the unlock page), or are empty.
        opened: a rescued copy, unlocked, and what was brought back (None for an earlier copy).
        rotated: the journal with its new key, unlocked, and its new recovery code.
    """

    finished = Signal(str)
    opened = Signal(object, object)
    rotated = Signal(object)

    def __init__(
        self, frame: Frame, window: MainWindow, folder: Path, door: VaultDoor, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._frame = frame
        self._window = window
        self._folder = folder
        self._door = door
        self._restoring: Backup | None = None
        self._bar: QProgressBar | None = None
        self._share = _Share(self)
        self._share.moved.connect(self._on_share)

    # restore -----------------------------------------------------------------------------

    def show_restore(self, chosen: Backup | None = None) -> None:
        """Show the backups, or ask for the passphrase of ``chosen`` at once."""
        from journal_app.ui.rescue_page import RestorePage

        page = RestorePage(self._frame.settings.value.country)
        page.back.connect(self._back)
        page.country_changed.connect(self._keep_country)
        page.folder_chosen.connect(self._look_in)
        page.restore_asked.connect(self._restore)
        self._window.show_scene(page)
        page.activated()
        if chosen is not None:
            page.choose(chosen)
        self._look_in(None)

    def _look_in(self, other: Path | None) -> None:
        folder, door = self._folder, self._door

        def look() -> list[Backup]:
            return door.listed(None if other else folder, other)

        self._frame.bridge.run(look, self._on_listed, self._on_not_listed)

    def _on_listed(self, backups: list[Backup]) -> None:
        page = self._page()
        if page is not None:
            page.show_backups(backups)

    def _on_not_listed(self, _error: Exception) -> None:
        self._on_listed([])

    def _restore(self, backup: Backup, secret: Secret) -> None:
        page = self._page()
        folder, door = self._folder, self._door
        if page is None or secret is None:
            return
        tries = door.tries()
        page.working()

        def restore() -> Restored:
            time.sleep(tries.wait_seconds())
            return door.restore(backup.path, folder, secret)

        self._restoring = backup
        self._frame.bridge.background(restore, self._on_restored, self._on_failed)

    def _on_restored(self, done: Restored) -> None:
        backup, self._restoring = self._restoring, None
        self._door.tries().right()
        self._wipe()
        made = when(backup) if backup is not None else ""
        note = self.tr("The backup of {0} is in place: {1}.").format(made, entries_text(done.entries))
        if done.aside is not None:
            note += " " + self.tr("What was here before is kept in the folder “{0}”.").format(done.aside.name)
        self.finished.emit(note)

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, WrongPassphrase):
            self._door.tries().wrong()
        page = self._page()
        if page is not None:
            page.failed(self._failure(error))

    def _failure(self, error: Exception) -> str:
        if isinstance(error, WrongPassphrase):
            return self.tr(
                "This does not open it. Nothing was changed. Check capital letters and the keyboard language; the "
                "passphrase of an earlier day may be another one."
            )
        return words.said(error) if isinstance(error, VaultError) else unlock_message(error)

    # damage and rescue -------------------------------------------------------------------

    def show_damage(self, error: Exception, secret: Secret) -> None:
        """Show what can be done about a journal that does not open because it is damaged."""
        from journal_app.ui.rescue_page import RescuePage

        earlier = earlier_rescue(self._folder)
        rescued = ""
        if earlier is not None:
            rescued = words.long_date(dt.date.fromtimestamp(earlier.stat().st_mtime).isoformat())
        page = RescuePage(self._frame.settings.value.country, words.said(error), rescued)
        page.back.connect(self._back)
        page.country_changed.connect(self._keep_country)
        page.restore_asked.connect(self.show_restore)
        page.rescue_asked.connect(self._rescue)
        page.rescued_asked.connect(self._open_earlier)
        self._window.show_scene(page)
        page.activated()
        folder, door = self._folder, self._door
        self._frame.bridge.background(lambda: door.damage(folder, secret), page.show_damage)
        self._look_in(None)

    def _rescue(self, secret: Secret) -> None:
        page = self._page()
        if page is None or secret is None:
            return
        folder, door, tries = self._folder, self._door, self._door.tries()
        target = rescue_target(folder, dt.date.today())
        page.working()

        def rescue() -> tuple[Any, Rescue]:
            time.sleep(tries.wait_seconds())
            brought = door.rescue(folder, secret, target)
            return door.unlock(target, secret), brought

        self._frame.bridge.background(rescue, self._on_rescued, self._on_failed)

    def _open_earlier(self, secret: Secret) -> None:
        page, earlier = self._page(), earlier_rescue(self._folder)
        if page is None or earlier is None or secret is None:
            return
        door, tries = self._door, self._door.tries()
        page.working()

        def unlock() -> tuple[Any, Rescue | None]:
            time.sleep(tries.wait_seconds())
            return door.unlock(earlier, secret), None

        self._frame.bridge.background(unlock, self._on_rescued, self._on_failed)

    def _on_rescued(self, done: tuple[Any, Rescue | None]) -> None:
        self._door.tries().right()
        self._wipe()
        self.opened.emit(*done)

    # another encryption key --------------------------------------------------------------

    def rotate(self, passphrase: str) -> None:
        """Encrypt the journal, which must be locked, with a new key; shows how far it has come."""
        cover, column = QWidget(), QVBoxLayout()
        cover.setObjectName("page")
        cover.setLayout(column)
        column.setSpacing(14)
        column.addStretch(2)
        for text, role in (
            (self.tr("Making a new encryption key"), "title"),
            (
                self.tr(
                    "Every page of the journal is encrypted again. If this is interrupted, the journal stays as it was."
                ),
                "quiet",
            ),
        ):
            made = label(text, role)
            made.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(made)
        bar = self._bar = QProgressBar()
        bar.setRange(0, 1000)
        bar.setTextVisible(False)
        bar.setFixedWidth(360)
        bar.setAccessibleName(self.tr("Progress"))
        column.addWidget(bar, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        self._window.show_scene(cover)
        folder, door, share = self._folder, self._door, self._share

        def rotate() -> tuple[Any, str]:
            return door.rotate(folder, passphrase, share.set)

        self._frame.bridge.background(rotate, self.rotated.emit, self._on_not_rotated)

    def _on_share(self, share: float) -> None:
        if self._bar is not None and shiboken6.isValid(self._bar):
            self._bar.setValue(round(1000 * share))

    def _on_not_rotated(self, error: Exception) -> None:
        said = unlock_message(error)
        kept = self.tr("The journal has the key that it had. When you unlock it, you are given a new recovery code.")
        self.finished.emit(f"{said} {kept}")

    # shared ------------------------------------------------------------------------------

    def _page(self) -> RestorePage | RescuePage | None:
        from journal_app.ui.rescue_page import RescuePage, RestorePage

        scene = self._window.scene()
        return scene if isinstance(scene, RestorePage | RescuePage) else None

    def _wipe(self) -> None:
        page = self._page()
        if page is not None:
            page.wipe()

    def _back(self) -> None:
        self._wipe()
        self.finished.emit("")

    def _keep_country(self, country: str) -> None:
        self._frame.settings.change(country=country)


class _Share(QObject):
    """Carries progress from the background lane to the GUI thread."""

    moved = Signal(float)

    def set(self, share: float) -> None:
        """Say how far the work has come, 0 to 1; from any thread."""
        self.moved.emit(share)


def merged_text(report: MergeReport) -> str:
    """Return what was joined at opening from copies that two computers wrote."""
    from PySide6.QtCore import QCoreApplication

    if report.left and not (report.added or report.joined or report.updated or report.images or report.copies):
        return QCoreApplication.translate(
            "Merged",
            "Another copy of this journal lies beside it and could not be joined. It is kept as it is. If it is still "
            "being copied, it is joined at a later unlock.",
        )
    parts = [
        QCoreApplication.translate("Merged", "{0} added").format(entries_text(report.added)) if report.added else "",
        QCoreApplication.translate("Merged", "{0} joined").format(entries_text(report.joined)) if report.joined else "",
        QCoreApplication.translate("Merged", "{0} brought up to date").format(entries_text(report.updated))
        if report.updated
        else "",
    ]
    same = QCoreApplication.translate("Merged", "they held the same entries")
    did = ", ".join(part for part in parts if part) or same
    if report.left:
        text = QCoreApplication.translate(
            "Merged",
            "Copies of this journal were joined: {0}. Another one could not be joined yet; it is kept as it is.",
        )
    else:
        text = QCoreApplication.translate("Merged", "Copies of this journal were joined: {0}. Nothing was left out.")
    return text.format(did)


def rescued_text(brought: Rescue | None) -> str:
    """Return what a rescued copy is, what came back and what did not."""
    from PySide6.QtCore import QCoreApplication

    from journal_app.ui.rescue_page import pages_text
    from journal_app.vault.salvage import Damage

    text = QCoreApplication.translate("Rescue", "Rescued copy: read and export it; it can't be changed.")
    if brought is None:
        return text
    text += " " + QCoreApplication.translate("Rescue", "Brought back: {0}.").format(entries_text(brought.entries))
    if brought.cut:
        text += " " + QCoreApplication.translate("Rescue", "Of {0} of them a part is missing.").format(brought.cut)
    if brought.lost:
        text += " " + QCoreApplication.translate("Rescue", "Lost: {0}.").format(entries_text(brought.lost))
    pages = pages_text(Damage(brought.pages, brought.bad_pages))
    if pages:
        text += " " + QCoreApplication.translate("Rescue", "Damaged: {0}.").format(pages)
    return text
