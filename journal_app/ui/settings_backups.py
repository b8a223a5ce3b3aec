"""Settings: where the backups are, whether they are good, and a button that makes one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QProgressBar, QVBoxLayout, QWidget

from journal_app.ui import words
from journal_app.ui.backup_list import BackupList
from journal_app.ui.backups import BackupFailed, BackupProgress, BackupsChanged, state_text, when
from journal_app.ui.services import Services
from journal_app.ui.widgets import add_all, button, label, row
from journal_app.vault.records import VaultError

if TYPE_CHECKING:
    from journal_app.vault.backup import Backup


class BackupsSection(QWidget):
    """Where backups are, whether they are good, and a button that makes one."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        self._summary = label(self.tr("Looking for backups…"))
        self._how = label(
            self.tr(
                "Made by itself once a day when something has changed, encrypted like the journal, and proved: each is "
                "restored into a scratch file and compared. Kept: the last seven days, then weeks, then months."
            ),
            "hint",
        )
        self._now = button(self.tr("Back up now"), self._back_up, "primary")
        self._now.setAccessibleName(self.tr("Back up now"))
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(220)
        self._bar.setAccessibleName(self.tr("Progress of the backup"))
        self._bar.hide()
        buttons = row(12)
        buttons.addWidget(self._now)
        buttons.addWidget(self._bar)
        buttons.addStretch(1)
        self._said = label("", "quiet")
        self._said.setAccessibleName(self.tr("Message"))
        self._said.hide()
        self._place = label("", "hint")
        self._place.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._list = BackupList()
        add_all(column, self._summary, self._how)
        column.addLayout(buttons)
        add_all(column, self._said, self._list, label(self.tr("Folder of the backups")), self._place)
        places = row(8)
        places.addWidget(button(self.tr("Choose another folder…"), self._choose))
        self._own = button(self.tr("Keep them beside the journal"), self._choose_own)
        places.addWidget(self._own)
        places.addWidget(button(self.tr("Open the folder"), self._open))
        places.addStretch(1)
        column.addLayout(places)
        self._folder = services.vault.folder
        services.bridge.happened.connect(self._on_event)

    def activated(self) -> None:
        """Bring the list up to date."""
        self._services.backups.listed(self._show)

    def _show(self, found: tuple[Path, list[Backup]]) -> None:
        self._folder, backups = found
        self._place.setText(str(self._folder))
        self._own.setVisible(self._folder.parent != self._services.vault.folder)
        good = [backup for backup in backups if not backup.problem]
        if good:
            text = self.tr("The last good backup is of {0}. {1}.").format(when(good[0]), state_text(good[0]))
        elif backups:
            text = self.tr("None of these backups is good. Your journal is not touched. Make one now.")
        else:
            text = self.tr("There is no backup yet. The first one is made some minutes after you unlock, in a pause.")
        if len(backups) > 1:
            text += " " + self.tr("{0} backups, {1} together.").format(
                len(backups), words.size(sum(backup.bytes for backup in backups))
            )
        self._summary.setText(text)
        self._list.show_backups(backups)

    def _back_up(self) -> None:
        if self._services.backups.back_up_now():
            self._now.setEnabled(False)
            self._bar.setValue(0)
            self._bar.show()
            self._say("")
        else:
            self._say(self.tr("A backup is being made or checked just now. Try again in a minute."))

    def _on_event(self, event: object) -> None:
        if isinstance(event, BackupProgress):
            self._bar.setValue(round(1000 * event.share))
        elif isinstance(event, BackupsChanged):
            if not self._services.backups.running:
                self._now.setEnabled(True)
                self._bar.hide()
            self.activated()
        elif isinstance(event, BackupFailed):
            self._say(event.text, "note")

    def _say(self, text: str, role: str = "quiet") -> None:
        self._said.setProperty("role", role)
        self._said.style().unpolish(self._said)
        self._said.style().polish(self._said)
        self._said.setText(text)
        self._said.setVisible(bool(text))

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self.tr("Keep backups in"))
        if folder:
            self._services.backups.choose(Path(folder), self._chosen)

    def _choose_own(self) -> None:
        self._services.backups.choose(None, self._chosen)

    def _chosen(self, error: Exception | None) -> None:
        if error is None:
            self._say(
                self.tr("New backups go there. The earlier ones stay where they are, and can be restored from there.")
            )
        else:
            said = words.said(error) if isinstance(error, VaultError) else ""
            self._say((self.tr("This folder cannot be used. Nothing was changed.") + f" {said}").strip(), "note")

    def _open(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))
