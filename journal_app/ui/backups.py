"""Keeps backups while the journal is open: some minutes after unlock, when the writer pauses, off every quick lane.

Owns when a backup is made and what is said about it; ``vault.backup`` owns how. What happens is posted
on the bridge (:class:`BackupsChanged`, :class:`BackupProgress`, :class:`BackupTrouble`).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QCoreApplication, QLocale, QObject, QTimer

from journal_app.ui import words
from journal_app.ui.bridge import Bridge, JournalDamaged
from journal_app.vault.records import VaultError

if TYPE_CHECKING:
    from journal_app.vault.backup import Backup, Cycle

FIRST_S = 180.0
"""Seconds after unlock before the first look: opening a journal has other things to do."""
AGAIN_S = 900.0
"""Seconds between two looks; whether a backup is due is decided in the vault."""
EVERY_S = 20 * 3600.0
"""Seconds from one round of care to the next while a journal stays open."""
PAUSE_S = 20.0
"""Nobody has typed for this long when a backup begins."""
YIELD_S = 0.02
TICK_MS = 5_000
_PAGES = re.compile(r"[Pp]ages? (\d[\d, ]*) (?:of|in) (\d+)")
TOLD = "backups.told"
"""The private setting that names damaged backups the writer has been told of."""


@dataclass(frozen=True, slots=True)
class BackupsChanged:
    """A backup was made, checked or removed, or the folder of backups is another."""


@dataclass(frozen=True, slots=True)
class BackupProgress:
    """How far the backup that was asked for has come: 0 to 1."""

    share: float


@dataclass(frozen=True, slots=True)
class BackupTrouble:
    """Something about backups that a writer wants to know."""

    text: str


@dataclass(frozen=True, slots=True)
class BackupFailed:
    """The backup that the writer asked for was not made; said where it was asked for."""

    text: str


class _Stopped(Exception):
    """The journal is being locked; the work is broken off."""


class BackupKeeper(QObject):
    """Makes and checks the backups of one open journal. Lives on the GUI thread; ``stop`` before the lock."""

    def __init__(
        self,
        bridge: Bridge,
        vault: Any,
        quiet: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ) -> None:
        """Begin to watch. ``quiet`` tells whether everything that was written is stored."""
        super().__init__(parent)
        self._bridge = bridge
        self._vault = vault
        self._quiet = quiet
        self._clock = clock
        self._typed = float("-inf")
        self._due_look = clock() + FIRST_S
        self._stopping = threading.Event()
        self._asked = False
        self._failure = ""
        self.running = False
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.tick)
        if not vault.read_only:
            self._timer.start()

    def typing(self) -> None:
        """Say that a key was pressed; the next backup waits for a pause, and one under way makes room."""
        self._typed = self._clock()

    def tick(self) -> None:
        """Look whether it is time, and begin if it is."""
        now = self._clock()
        if self.running or now < self._due_look or now - self._typed < PAUSE_S or not self._quiet():
            return
        self._due_look = now + AGAIN_S
        self.running = True
        self._bridge.background(self._cycle, self._on_cycle, self._on_failed)

    def back_up_now(self) -> bool:
        """Make a backup because the writer asked for one; False when one is being made already."""
        if self.running or self._vault.read_only:
            return False
        self.running = self._asked = True
        self._bridge.background(self._make, self._on_made, self._on_failed)
        return True

    def choose(self, folder: Path | None, done: Callable[[Exception | None], None]) -> None:
        """Keep backups in ``folder`` from now on (None = beside the journal); ``done`` is told what went wrong."""
        journal = self._vault.folder

        def choose() -> None:
            from journal_app.vault import backup

            backup.choose(journal, folder)

        def chosen(_none: object) -> None:
            done(None)
            self._bridge.post(BackupsChanged())

        self._bridge.run(choose, chosen, done)

    def listed(self, done: Callable[[tuple[Path, list[Backup]]], None]) -> None:
        """Give the folder of backups and what is in it to ``done``, newest first."""
        journal = self._vault.folder

        def look() -> tuple[Path, list[Backup]]:
            from journal_app.vault import backup

            return backup.place(journal), backup.listed(journal)

        def nothing(_error: Exception) -> None:
            done((journal, []))

        self._bridge.run(look, done, nothing)

    def stop(self) -> None:
        """Break off what is under way; nothing half-made is left."""
        self._timer.stop()
        self._stopping.set()

    # on the background lane --------------------------------------------------------------

    def _cycle(self) -> Cycle | None:
        from journal_app.vault import backup

        if self._stopping.is_set() or not backup.due(self._vault):
            return None
        return backup.cycle(self._vault, progress=self._on_quiet_step)

    def _make(self) -> Backup:
        from journal_app.vault import backup

        return backup.make(self._vault, reason="asked", progress=self._on_step)

    def _on_quiet_step(self, _share: float) -> None:
        if self._stopping.is_set():
            raise _Stopped

    def _on_step(self, share: float) -> None:
        self._on_quiet_step(share)
        self._bridge.post(BackupProgress(share))
        if self._clock() - self._typed < 1.0:
            time.sleep(YIELD_S)  # the fingers come first

    # on the GUI thread -------------------------------------------------------------------

    def _on_cycle(self, cycle: Cycle | None) -> None:
        self.running = False
        if cycle is None or self._stopping.is_set():
            return
        self._due_look = self._clock() + EVERY_S  # everything was looked at, whatever came of it
        self._bridge.post(BackupsChanged())
        if cycle.source_problems:
            self._bridge.post(JournalDamaged(source_text(cycle)))
        if cycle.damaged:
            self._tell_once(cycle)

    def _on_made(self, made: Backup) -> None:
        self.running = self._asked = False
        self._bridge.post(BackupProgress(1.0))
        self._bridge.post(BackupsChanged())
        if made.problem:
            self._bridge.post(BackupTrouble(not_made_text(made.problem)))

    def _on_failed(self, error: Exception) -> None:
        asked, self.running, self._asked = self._asked, False, False
        if self._stopping.is_set():
            return
        self._bridge.post(BackupsChanged())
        said = words.said(error) if isinstance(error, VaultError) else ""
        text = not_made_text(said)
        if asked:
            self._bridge.post(BackupFailed(text))
        elif text != self._failure:  # a disk that is away stays away: said once is enough
            self._failure = text
            self._bridge.post(BackupTrouble(text))

    def _tell_once(self, cycle: Cycle) -> None:
        """Tell of damaged backups that were not told of before: the settings mark them for good."""
        names = sorted(backup.path.name for backup in cycle.damaged)
        vault = self._vault

        def new() -> bool:
            store = vault.store()
            try:
                told = set(store.setting(TOLD, []))
                store.set_setting(TOLD, names)
            finally:
                store.close()
            return not told.issuperset(names)

        def tell(is_new: bool) -> None:
            if is_new:
                self._bridge.post(BackupTrouble(damaged_text(cycle.damaged, cycle.good)))

        self._bridge.run(new, tell)


# words -------------------------------------------------------------------------------------


def _translated(text: str) -> str:
    return QCoreApplication.translate("Vault", text)


def day(backup: Backup) -> str:
    """Return when a backup was made, as a date in words."""
    return words.moment(backup.made_utc, time=False) or QCoreApplication.translate("Backups", "an unknown day")


def when(backup: Backup) -> str:
    """Return day and time of a backup."""
    return words.moment(backup.made_utc) or QCoreApplication.translate("Backups", "an unknown day")


def entries_text(count: int) -> str:
    """Return a number of entries in words."""
    if count == 1:
        return QCoreApplication.translate("Backups", "1 entry")
    return QCoreApplication.translate("Backups", "{0} entries").format(QLocale().toString(count))


def pages_of(problem: str) -> str:
    """Return the pages that a problem names, as ``page 12 of 40``, or nothing when it names none."""
    found = _PAGES.search(problem)
    if found is None:
        return ""
    numbers, count = found.groups()
    if "," in numbers:
        return QCoreApplication.translate("Backups", "pages {0} of {1}").format(numbers, count)
    return QCoreApplication.translate("Backups", "page {0} of {1}").format(numbers, count)


def state_text(backup: Backup) -> str:
    """Return what is known of a backup: proved on a day, not proved yet, or damaged."""
    if backup.problem:
        pages = pages_of(backup.problem)
        if pages:
            return QCoreApplication.translate("Backups", "Damaged ({0})").format(pages)
        return QCoreApplication.translate("Backups", "Damaged.") + " " + _translated(backup.problem)
    if not backup.proved_utc:
        return QCoreApplication.translate("Backups", "Not proved yet")
    return QCoreApplication.translate("Backups", "Proved on {0}").format(words.moment(backup.proved_utc, time=False))


def facts_text(backup: Backup) -> str:
    """Return entries and size of a backup, and why it was made when that says something."""
    reasons = {
        "asked": QCoreApplication.translate("Backups", "made by hand"),
        "before-restore": QCoreApplication.translate("Backups", "made before a restore"),
    }
    why = reasons.get(backup.reason, "")
    if backup.reason.startswith("before-schema"):
        why = QCoreApplication.translate("Backups", "made before an update of Quiet Page")
    return "  ·  ".join(part for part in (entries_text(backup.entries), words.size(backup.bytes), why) if part)


def damaged_text(damaged: Sequence[Backup], good: Backup | None) -> str:
    """Return what happened to backups, what is safe and which one is good."""
    first = damaged[0]
    pages = pages_of(first.problem)
    if len(damaged) > 1:
        text = QCoreApplication.translate(
            "Backups", "{0} backups are damaged, the newest of them that of {1}. Your journal is not touched."
        ).format(len(damaged), day(first))
    elif pages:
        text = QCoreApplication.translate(
            "Backups", "The backup of {0} is damaged ({1}). Your journal is not touched."
        ).format(day(first), pages)
    else:
        text = QCoreApplication.translate(
            "Backups", "The backup of {0} is damaged. Your journal is not touched."
        ).format(day(first))
    rest = (
        QCoreApplication.translate("Backups", "The one from {0} is good.").format(day(good))
        if good is not None
        else QCoreApplication.translate("Backups", "There is no other; a new one is made at the next pause.")
    )
    return f"{text} {rest}"


def source_text(cycle: Cycle) -> str:
    """Return what was found wrong with the open journal itself, and what helps."""
    pages = [named for problem in cycle.source_problems[:3] if (named := pages_of(problem))]
    if pages:
        text = QCoreApplication.translate(
            "Backups", "A check found damage in the journal itself ({0}). Nothing was changed."
        ).format(", ".join(pages))
    else:
        text = QCoreApplication.translate("Backups", "A check found damage in the journal itself. Nothing was changed.")
    rest = (
        QCoreApplication.translate(
            "Backups",
            "What you write is stored as before. The backup of {0} is good.",
        ).format(day(cycle.good))
        if cycle.good is not None
        else QCoreApplication.translate("Backups", "What you write is stored as before; no good backup was found.")
    )
    return f"{text} {rest}"


def not_made_text(why: str) -> str:
    """Return that no backup could be made, and why."""
    return (
        QCoreApplication.translate("Backups", "The backup could not be made. Your journal is not touched.") + f" {why}"
    ).strip()
