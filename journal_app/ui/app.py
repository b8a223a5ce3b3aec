"""Opens the window and carries the journal from first run or unlock to lock and quit.

Everything heavy (SQLCipher, the model, matplotlib) is imported when it is first needed, so that
the first page is on the screen in a moment.
"""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import shutil
import signal
import sys
import tempfile
import traceback
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import platformdirs
from PySide6.QtCore import QObject, Qt, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QGuiApplication, QIcon
from PySide6.QtWidgets import QApplication, QLabel, QMessageBox, QVBoxLayout, QWidget

from journal_app import assets, private_process
from journal_app.ui import i18n, words
from journal_app.ui.backups import BackupTrouble
from journal_app.ui.bridge import Bridge, JournalDamaged
from journal_app.ui.clipboard import BriefClipboard
from journal_app.ui.code_pages import CONFIRMED
from journal_app.ui.door import VaultDoor, real_door
from journal_app.ui.idle import IDLE, SLEPT, IdleWatch
from journal_app.ui.main_window import MainWindow
from journal_app.ui.notes import Note
from journal_app.ui.recover import Recover, merged_text, rescued_text
from journal_app.ui.services import Frame, OpenVault, ReaderFactory, Services, embedded_reader
from journal_app.ui.settings import Settings, SettingsKeeper, default_path
from journal_app.ui.theme import Theme
from journal_app.ui.widgets import button, label
from journal_app.vault.records import DamagedVault, VaultError, WrongPassphrase

if TYPE_CHECKING:
    from journal_app.vault.salvage import Rescue

COLLECT_MS = 2_000
FULL_COLLECT_IDLE_S = 3.0
RETRY_LOCK_MS = 3_000
FLUSH_S = 5.0
PRIVATE_AFTER_MS = 500
LISTEN_AFTER_MS = 1_000
SWEEP_AFTER_MS = 200
LOOK_AROUND_MS = 5_000
ENDING_MS = 100
REPLACED = "replaced"


def default_journal() -> Path:
    """Return the folder of the journal when none was named."""
    return Path(platformdirs.user_data_dir("quiet-page", appauthor=False)) / "journal"


class Session(QObject):
    """Which scene is on show, and what is open behind it."""

    def __init__(self, frame: Frame, folder: Path, door: VaultDoor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._frame = frame
        self._folder = folder
        self._door = door
        self._translations = i18n.Translations(self)
        self._translations.use(i18n.chosen(frame.settings.value.language))
        self._scratch: Path | None = None
        self._pending: tuple[Any, str] | None = None
        self._why = ""
        self.services: Services | None = None
        frame.theme.apply()
        self.window = MainWindow(frame.theme, self.may_close)
        self.idle = IdleWatch(parent=self)
        self.clipboard = BriefClipboard(self)
        self.idle.expired.connect(self.lock_hard)
        frame.settings.listen(self._on_settings)
        self._recover = Recover(frame, self.window, folder, door, self)
        self._recover.finished.connect(self._back_to_door)
        self._recover.opened.connect(self._open_rescued)
        self._recover.rotated.connect(self._on_unlocked)
        frame.bridge.happened.connect(self._on_event)
        self._look_around = QTimer(self)
        self._look_around.setInterval(LOOK_AROUND_MS)
        self._look_around.timeout.connect(self._ask_vault)
        self._asking = False
        self._told: set[str] = set()
        self._ending: Services | None = None
        self._end = QTimer(self)
        self._end.setInterval(ENDING_MS)
        self._end.timeout.connect(self._end_when_free)
        self._retry = QTimer(self)
        self._retry.setInterval(RETRY_LOCK_MS)
        self._retry.timeout.connect(self._try_lock_again)

    def start(self) -> None:
        """Show the first page: the unlock page where there is a journal, the first run otherwise."""
        if self._door.exists(self._folder):
            self.show_unlock()
        else:
            self.show_first_run()
        self.window.show()
        handle = self.window.windowHandle()
        if handle is not None:
            handle.installEventFilter(self.idle)

    def listen_to_desktop(self) -> None:
        """Lock when the desktop says that the computer goes to sleep or its screen was locked."""
        from journal_app.ui.screen_lock import ScreenWatch, session_bus, system_bus

        screen = ScreenWatch(system_bus(), session_bus(), self)
        screen.lock_asked.connect(self.lock_hard)
        screen.woke.connect(self.idle.check)
        screen.start()

    # scenes ------------------------------------------------------------------------------

    def show_first_run(self) -> None:
        """Show the steps of the first run."""
        from journal_app.ui.first_run import FirstRunPage

        settings = self._frame.settings.value
        page = FirstRunPage(self._frame.bridge, self.clipboard, self._translations.language, settings.country)
        page.language_chosen.connect(self._first_language)
        page.passphrase_chosen.connect(self._make_journal)
        page.sample_asked.connect(self.open_sample)
        page.confirmed.connect(self._finish_first_run)
        page.restore_asked.connect(self._recover.show_restore)
        self.window.show_scene(page)
        page.activated()

    def show_unlock(self, note: str = "") -> None:
        """Show the unlock page; ``note`` says why the journal was locked, or what was done to it."""
        from journal_app.ui.unlock_page import UnlockPage

        key_file, keyring = self._door.ways(self._folder)
        page = UnlockPage(self._frame.settings.value.country, note, key_file=key_file, keyring=keyring)
        page.secret_given.connect(self._unlock)
        page.restore_asked.connect(self._recover.show_restore)
        page.country_changed.connect(self._on_country)
        self.window.show_scene(page)
        page.activated()
        page.wait(self._door.tries().wait_seconds())

    def open(
        self, vault: OpenVault, *, sample: bool = False, place: str = "journal", rescue: Rescue | None = None
    ) -> None:
        """Show the workspace over an unlocked vault; ``rescue``: what was just brought back into it."""
        try:
            self.services = Services.open(self._frame, vault, sample=sample)
        except DamagedVault as error:
            vault.lock()
            self._recover.show_damage(error, None)
            return
        except VaultError as error:
            vault.lock()
            self.show_unlock(words.said(error))
            return
        self._show_workspace(place)
        self.idle.start(self._frame.settings.value.lock_minutes)
        self._look_around.start()
        if vault.read_only:
            self._note(Note("rescued", rescued_text(rescue), closable=False))
        if vault.merged:
            self._note(Note("merged", merged_text(vault.merged)))

    def _back_to_door(self, note: str) -> None:
        if self._door.exists(self._folder):
            self.show_unlock(note)
        else:
            self.show_first_run()

    def _open_rescued(self, vault: OpenVault, rescue: Rescue | None) -> None:
        self.open(vault, rescue=rescue)

    def _show_workspace(self, place: str) -> None:
        from journal_app.ui.workspace import Workspace

        if self.services is None:
            return
        before = self.workspace()
        notes = before.notes.held() if before is not None else []
        workspace = Workspace(self.services)
        workspace.lock_requested.connect(self._on_lock_requested)
        workspace.language_chosen.connect(self._workspace_language)
        workspace.rotate_asked.connect(self._rotate)
        for note in notes:
            workspace.notes.show_note(note)
        self.window.show_scene(workspace)
        workspace.go(place)

    def workspace(self) -> Any:
        """Return the workspace on show, or None."""
        scene = self.window.scene()
        return scene if scene is not None and hasattr(scene, "lock_requested") else None

    # first run ---------------------------------------------------------------------------

    def _first_language(self, language: str) -> None:
        self._frame.settings.change(language=language)
        self._translations.use(language)
        self.show_first_run()

    def _make_journal(self, passphrase: str) -> None:
        folder, door = self._folder, self._door

        def make() -> tuple[Any, str]:
            vault, code = door.create(folder, passphrase)
            try:
                store = vault.store()
                store.set_setting(CONFIRMED, False)
                store.close()
            except BaseException:
                vault.lock()
                raise
            return vault, code

        self._frame.bridge.run(make, self._on_made, self._on_not_made)

    def _on_made(self, made: tuple[Any, str]) -> None:
        scene = self.window.scene()
        self._pending = made
        if scene is not None and hasattr(scene, "show_code"):
            scene.show_code(made[1])

    def _on_not_made(self, error: Exception) -> None:
        scene = self.window.scene()
        if scene is not None and hasattr(scene, "failed"):
            text = str(error) if isinstance(error, VaultError) else self.tr("The journal could not be made. Try again.")
            scene.failed(text)

    def _finish_first_run(self) -> None:
        if self._pending is None:
            return
        vault, self._pending = self._pending[0], None
        scene = self.window.scene()
        if scene is not None and hasattr(scene, "wipe"):
            scene.wipe()
        self.open(vault)
        if self.services is not None:
            self.services.saver.set_setting(CONFIRMED, True)

    def open_sample(self) -> None:
        """Make a throw-away journal with half a year of entries, and open it."""
        self._scratch = Path(tempfile.mkdtemp(prefix="quiet-page-sample-"))
        folder, door = self._scratch / "journal", self._door

        def make() -> Any:
            from journal_app.journal import sample

            vault, _code = door.create(folder, secrets.token_urlsafe(24))
            store = vault.store()
            sample.fill(store, date.today())
            store.close()
            return vault

        self._frame.bridge.run(make, self._on_sample, self._on_not_made)

    def _on_sample(self, vault: Any) -> None:
        self.open(vault, sample=True)

    # unlock and lock ---------------------------------------------------------------------

    def _unlock(self, secret: str | bytes | None, despite_other: bool = False) -> None:
        folder, door = self._folder, self._door

        def unlock() -> tuple[Any, str]:
            vault = (
                door.keyring(folder, despite_other=despite_other)
                if secret is None
                else door.unlock(folder, secret, despite_other=despite_other)
            )
            try:
                store = vault.store()
                try:
                    confirmed = vault.read_only or store.setting(CONFIRMED, True)
                finally:
                    store.close()
                # A first run that was broken off before the code was typed back gets a new code.
                return vault, "" if confirmed else vault.new_recovery_code()
            except BaseException:
                vault.lock()  # nobody else would, and what can be done about it needs the files
                raise

        def not_unlocked(error: Exception) -> None:
            self._on_not_unlocked(error, secret)

        self._frame.bridge.run(unlock, self._on_unlocked, not_unlocked)

    def _on_unlocked(self, opened: tuple[Any, str]) -> None:
        self._door.tries().right()
        scene = self.window.scene()
        if scene is not None and hasattr(scene, "wipe"):
            scene.wipe()
        vault, code = opened
        if code:
            self._pending = opened
            self.show_first_run()
            self._on_made(opened)
        else:
            self.open(vault)

    def _on_not_unlocked(self, error: Exception, secret: str | bytes | None) -> None:
        scene = self.window.scene()
        if isinstance(error, DamagedVault):
            self._wipe_scene()
            self._recover.show_damage(error, secret)
            return
        tries = self._door.tries()
        if isinstance(error, WrongPassphrase) and secret is not None:
            tries.wrong()
        if scene is not None and hasattr(scene, "failed"):
            scene.failed(error, tries.wait_seconds())

    def _rotate(self, passphrase: str) -> None:
        """Lock, encrypt the journal with a new key, and show the new recovery code."""
        workspace, services = self.workspace(), self.services
        if workspace is None or services is None:
            return
        if services.backups.running:
            busy = self.tr("A backup is being made just now. Nothing was changed; try again in a minute.")
            workspace.notes.show_note(Note("rotate", busy))
            return
        # First: broken off at any moment from here on, the next unlock brings a code that is known to somebody.
        services.saver.set_setting(CONFIRMED, False)
        if not workspace.flush(FLUSH_S):
            workspace.notes.show_note(Note("rotate", self.tr("The disk refuses now, so nothing was changed.")))
            return
        self.services = None
        self._end_watching()
        self._wipe_scene()
        services.close()
        self._recover.rotate(passphrase)

    # while it is open --------------------------------------------------------------------

    def _ask_vault(self) -> None:
        """Ask whether another program or computer has touched the journal; it may touch the disk, so not here."""
        if self.services is None or self._asking:
            return
        self._asking = True
        self._frame.bridge.run(self.services.vault.notice, self._on_notice, self._on_no_notice)

    def _on_notice(self, notice: str) -> None:
        self._asking = False
        workspace = self.workspace()
        if workspace is None:
            return
        if notice == "replaced":
            self.lock_hard(REPLACED)
        elif notice == "elsewhere":
            text = self.tr(
                "This journal is open on another computer too. Nothing is lost: what is written on both is kept and "
                "joined. It is simpler to close it there."
            )
            if "elsewhere" not in self._told:
                self._told.add("elsewhere")
                self._note(Note("elsewhere", text))
        else:
            self._told.discard("elsewhere")
            workspace.notes.remove("elsewhere")

    def _on_no_notice(self, _error: Exception) -> None:
        self._asking = False

    def _on_event(self, event: object) -> None:
        if isinstance(event, BackupTrouble):
            self._note(Note("backup", event.text, self.tr("Show the backups"), self._show_backups))
        elif isinstance(event, JournalDamaged):
            self._note(Note("damage", event.text, self.tr("What can be done…"), self._see_damage))

    def _note(self, note: Note) -> None:
        workspace = self.workspace()
        if workspace is not None:
            workspace.notes.show_note(note)

    def _see_damage(self) -> None:
        """Lock, and show what can be done about a journal that is damaged in places."""
        workspace = self.workspace()
        text = workspace.notes.text("damage") if workspace is not None else ""
        if self.lock() and self._ending is None:
            self._recover.show_damage(DamagedVault(text), None)

    def _show_backups(self) -> None:
        workspace = self.workspace()
        if workspace is not None:
            workspace.go("settings")
            workspace.page("settings").show_backups()

    def _end_watching(self) -> None:
        self.idle.stop()
        self._look_around.stop()
        self._asking = False
        self._told.clear()

    def _on_lock_requested(self, at_once: bool) -> None:
        if at_once:
            self.lock_hard()
        else:
            self.lock()

    def lock(self) -> bool:
        """Lock after storing every word; ask what to do when the disk refuses. Return whether it is locked."""
        workspace = self.workspace()
        if workspace is None or self.services is None:
            return True
        self._why = ""
        if not workspace.flush(FLUSH_S) and not self._give_up(self.tr("Lock without them")):
            return False
        self._close()
        return True

    def lock_hard(self, reason: str = "") -> None:
        """Hide the page at once and lock as soon as every word is stored.

        ``reason``: of ``idle`` or ``screen_lock``; empty for the panic key, of which the page that whoever comes in
        may see says nothing.
        """
        workspace = self.workspace()
        self._why = reason
        if self.services is None and self._pending is not None:
            # A new journal whose recovery code is on show: unlocking it brings another code.
            vault, self._pending = self._pending[0], None
            self._wipe_scene()
            self.show_unlock(self._locked_note())
            vault.lock()
            return
        if workspace is None or self.services is None:
            return
        for other in QApplication.topLevelWidgets():
            if other is not self.window and other.isVisible():
                other.close()  # a question or a menu would stay in front, with words of the journal in it
        workspace.journal.flush()
        self._show_cover()
        self._try_lock_again()

    def _show_cover(self) -> None:
        cover = QWidget()
        cover.setObjectName("page")
        column = QVBoxLayout(cover)
        column.addStretch(1)
        self._cover_text = label(self.tr("Locking…"), "quiet")
        self._cover_text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self._cover_text)
        self._cover_button = button(self.tr("Lock without the last words"), self._lock_anyway)
        self._cover_button.hide()
        column.addWidget(self._cover_button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        self._wipe_scene()
        self.window.show_scene(cover)

    def _try_lock_again(self) -> None:
        if self.services is None:
            self._retry.stop()
            return
        if self.services.saver.flush(1.0):
            self._retry.stop()
            self._close()
            return
        text: QLabel = self._cover_text
        text.setText(
            self.tr(
                "The page is hidden. Your last words are not stored yet, because the disk refuses; the journal locks "
                "as soon as they are. Free some disk space."
            )
        )
        self._cover_button.show()
        self._retry.start()

    def _lock_anyway(self) -> None:
        self._retry.stop()
        self._close()

    def _wipe_scene(self) -> None:
        scene = self.window.scene()
        if scene is not None and hasattr(scene, "wipe"):
            scene.wipe()

    def _close(self) -> None:
        """Take every word off the screen, then end what is open, then show the way back in."""
        services, self.services = self.services, None
        self._end_watching()
        self._wipe_scene()
        if services is None:
            return
        self.clipboard.empty()
        clipboard = QGuiApplication.clipboard()
        if clipboard.ownsClipboard():
            clipboard.clear()  # words copied from the journal do not outlive the lock
        services.backups.stop()
        if services.backups.running:
            # A backup holds the journal for a moment yet; the page is hidden, and the window does not wait for it.
            self._ending = services
            self._show_cover()
            self._cover_text.setText(self.tr("Locking… A backup is being ended."))
            self._end.start()
            return
        self._closed(services)

    def _end_when_free(self) -> None:
        services = self._ending
        if services is not None and services.backups.running:
            return
        self._end.stop()
        self._ending = None
        if services is not None:
            self._closed(services)

    def _closed(self, services: Services) -> None:
        sample = services.sample
        if sample:
            self.start_scene_after_sample()
        else:
            self.show_unlock(self._locked_note())
        services.close()
        if self._scratch is not None and sample:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None
        gc.collect()
        QTimer.singleShot(SWEEP_AFTER_MS, self, self._sweep)

    @staticmethod
    def _sweep() -> None:
        """When the widgets are gone too: let nothing of the journal lie in memory that nobody uses any more."""
        gc.collect()
        private_process.sweep_freed()

    def _locked_note(self) -> str:
        if self._why == IDLE:
            minutes = self._frame.settings.value.lock_minutes
            if minutes == 1:
                return self.tr("Locked: nobody wrote for a minute.")
            return self.tr("Locked: nobody wrote for {0} minutes.").format(minutes)
        if self._why == REPLACED:
            return self.tr(
                "Locked: another program, most likely one that syncs, has put another copy of this journal in its "
                "place. What you wrote here is kept beside it, and both are joined when you unlock."
            )
        if self._why == SLEPT:
            return self.tr("Locked: the computer slept, or its clock was set.")
        return self.tr("Locked: the screen was locked.") if self._why else ""

    def start_scene_after_sample(self) -> None:
        """Show where one was before the sample journal."""
        if self._door.exists(self._folder):
            self.show_unlock()
        else:
            self.show_first_run()

    # quitting ----------------------------------------------------------------------------

    def may_close(self) -> bool:
        """Store every word before the window closes; return whether it may."""
        workspace = self.workspace()
        if workspace is None or self.services is None:
            return True
        return workspace.flush(FLUSH_S) or self._give_up(self.tr("Quit without them"))

    def store_words(self, *_manager: object) -> None:
        """Store every word now (the desktop session ends)."""
        workspace = self.workspace()
        if workspace is not None:
            workspace.flush(FLUSH_S)

    def shutdown(self) -> None:
        """End everything that is open; called once when the application quits."""
        self.clipboard.empty()
        self._end_watching()
        self._retry.stop()
        workspace = self.workspace()
        if workspace is not None:
            workspace.journal.flush()
        services, self.services = self.services or self._ending, None
        self._end.stop()
        if services is not None:
            services.close()
        if self._pending is not None:
            with contextlib.suppress(VaultError):
                self._pending[0].lock()
            self._pending = None
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._frame.bridge.close()

    def _give_up(self, lose: str) -> bool:
        box = QMessageBox(self.window)
        box.setWindowTitle(self.tr("Not saved yet"))
        box.setText(self.tr("Your last words could not be stored: the disk refuses."))
        box.setInformativeText(
            self.tr(
                "What was stored before is safe. Free some disk space and try again, or go on without the last words."
            )
        )
        box.addButton(self.tr("Back to the page"), QMessageBox.ButtonRole.RejectRole)
        chosen = box.addButton(lose, QMessageBox.ButtonRole.DestructiveRole)
        box.exec()
        return box.clickedButton() is chosen

    # settings ----------------------------------------------------------------------------

    def _on_settings(self, settings: Settings) -> None:
        self._frame.theme.update(settings)
        self.idle.set_minutes(settings.lock_minutes)

    def _on_country(self, country: str) -> None:
        self._frame.settings.change(country=country)

    def _workspace_language(self, language: str) -> None:
        workspace = self.workspace()
        self._frame.settings.change(language=language)
        self._translations.use(language)
        if workspace is not None:
            workspace.flush()
            workspace.wipe()
        self._show_workspace("settings")


class Collector(QObject):
    """Collects garbage on the GUI thread only: a collection on a worker thread would destroy Qt objects there."""

    def __init__(self, idle: IdleWatch, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._idle = idle
        self._since_full = 0
        self._timer = QTimer(self)
        self._timer.setInterval(COLLECT_MS)
        self._timer.timeout.connect(self._collect)
        self._timer.start()

    def _collect(self) -> None:
        self._since_full += 1
        if self._idle.idle_seconds() < FULL_COLLECT_IDLE_S:
            return  # a pause of the writer will come; a stutter under the fingers must not
        if self._since_full >= 15:
            self._since_full = 0
            gc.collect()
        elif gc.get_count()[0] > 1000:
            gc.collect(1)


def _quiet_messages(kind: QtMsgType, _context: object, text: str) -> None:
    """Drop Qt's chatter: a message could hold a path or words. Fatal ones name themselves."""
    if kind is QtMsgType.QtFatalMsg:
        sys.stderr.write(f"{text}\n")


def _quiet_failure(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
    """Report a bug by type and place alone; its message could hold words of the journal."""
    places = "".join(f"  {f.filename.rsplit('/', 1)[-1]}:{f.lineno} {f.name}\n" for f in traceback.extract_tb(trace))
    sys.stderr.write(f"Quiet Page met a bug ({kind.__name__}):\n{places}")


def make_application(argv: list[str]) -> QApplication:
    """Make the QApplication with the app's own defaults."""
    # Threads hand the interpreter over after 1 ms instead of 5, so that a key never waits long for one of them.
    sys.setswitchinterval(0.001)
    os.environ.setdefault("QT_LOGGING_RULES", "*.debug=false;*.info=false")
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    QGuiApplication.setDesktopFileName("quiet-page")
    app = QApplication(argv)
    app.setApplicationName("quiet-page")
    app.setApplicationDisplayName("Quiet Page")
    app.setStyle("Fusion")
    app.setWindowIcon(QIcon(str(assets.path("icons", "app.svg"))))
    return app


def run(
    journal: Path | None = None,
    version: str = "",
    *,
    settings_path: Path | None = None,
    make_reader: ReaderFactory = embedded_reader,
    argv: list[str] | None = None,
) -> int:
    """Open the window over the journal in ``journal`` and return the exit code when it closes.

    Args:
        journal: the journal's folder; None = the user's data folder.
        version: shown by the desktop.
        settings_path: where settings are kept; None = the user's configuration folder.
        make_reader: makes the model's reader; called off the critical path.
        argv: for Qt.
    """
    private_process.no_core_dumps()
    os.umask(0o077)
    gc.disable()
    sys.excepthook = _quiet_failure
    qInstallMessageHandler(_quiet_messages)
    app = make_application(argv or ["quietpage"])
    app.setApplicationVersion(version)
    keeper = SettingsKeeper(settings_path or default_path())
    frame = Frame(keeper, Theme(keeper.value), Bridge(), make_reader)
    session = Session(frame, journal or default_journal(), real_door())
    session.start()
    collector = Collector(session.idle)
    QTimer.singleShot(LISTEN_AFTER_MS, session, session.listen_to_desktop)
    app.aboutToQuit.connect(session.shutdown)
    app.commitDataRequest.connect(session.store_words)

    def leave(_number: int, _frame: object) -> None:
        QTimer.singleShot(0, app, app.quit)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    # Not at once: the desktop must be able to look at the process when Qt asks it for light or dark. Nothing secret
    # has been typed so soon, and the door does the same before any key is made.
    QTimer.singleShot(PRIVATE_AFTER_MS, app, private_process.keep_memory_private)
    gc.freeze()  # what lives from here to the end need not be looked at again
    code = app.exec()
    del collector
    return code
