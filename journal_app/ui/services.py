"""What every page of an open journal is given, by constructor; made at unlock, ended at lock.

``Frame`` lives as long as the application (settings, theme, bridge); ``Services`` as long as one
open journal. Pages read with ``bridge.query`` (or ``store`` for one row) and write with ``saver``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from journal_app import assets
from journal_app.inference.engine import ModelError, Reader
from journal_app.journal import reflection
from journal_app.journal.analysis import AnalysisEvent, AnalysisService
from journal_app.ui.backups import BackupKeeper
from journal_app.ui.bridge import Bridge, EntryRead, EntrySaved, ReadingState
from journal_app.ui.saver import Saver
from journal_app.ui.settings import Settings, SettingsKeeper
from journal_app.ui.theme import Theme
from journal_app.vault.records import SlotInfo, Store, VaultError

if TYPE_CHECKING:
    from journal_app.vault.merge import MergeReport

MODEL_IDLE_S = 120.0
"""The model's process ends after this long without work and starts again when it is needed."""

LAST_MODEL = "reading.model"
"""The private setting that names the model by which the entries were read."""

ReaderFactory = Callable[[], Reader | None]


class OpenVault(Protocol):
    """What the window needs of ``vault.vault.Vault``."""

    folder: Path
    read_only: bool
    merged: MergeReport | None

    def store(self) -> Store:
        """Return a store for the calling thread."""
        ...

    def lock(self) -> None:
        """Close every store and overwrite the key."""
        ...

    def opens_with(self, secret: str) -> bool:
        """Tell whether a secret opens this journal."""
        ...

    def change_passphrase(self, new: str) -> None:
        """Wrap the data key with another passphrase."""
        ...

    def new_recovery_code(self) -> str:
        """Make another recovery code."""
        ...

    def slots(self) -> tuple[SlotInfo, ...]:
        """Return the ways to open this journal; may ask the keyring's service."""
        ...

    def add_key_file(self) -> bytes:
        """Return the content of a new key file."""
        ...

    def add_keyring(self) -> None:
        """Let this computer's keyring open the journal."""
        ...

    def remove_slot(self, kind: str) -> None:
        """Let the key file, or this computer's keyring, open the journal no longer."""
        ...

    def notice(self) -> str:
        """Tell whether the file was replaced, or opened elsewhere too."""
        ...


def embedded_reader() -> Reader | None:
    """Return the shipped reader in a child process of its own, or None when it is not installed."""
    from journal_app.inference import catalog
    from journal_app.inference.process import ModelProcess

    try:
        model = catalog.embedded_model()
        return ModelProcess(model.path, sha256=model.sha256 or None, idle_seconds=MODEL_IDLE_S)
    except ModelError:
        return None


def embedded_identity() -> str:
    """Return the checksum of the shipped reader, or nothing when it is not installed."""
    from journal_app.inference import catalog

    try:
        return catalog.embedded_model().sha256
    except ModelError:
        return ""


@dataclass(frozen=True, slots=True)
class Frame:
    """What lives as long as the application."""

    settings: SettingsKeeper
    theme: Theme
    bridge: Bridge
    make_reader: ReaderFactory = embedded_reader
    model_identity: Callable[[], str] = embedded_identity


@dataclass
class Services:
    """An open journal and everything that works on it.

    Attributes:
        store: the GUI thread's own connection; read single rows with it, never write.
        saver: the only writer of the window.
        reader: the model, or None while reading is switched off or no model is installed.
        sample: whether this is the throw-away sample journal.
        backups: makes and checks backups in the pauses.
    """

    frame: Frame
    vault: OpenVault
    store: Store
    saver: Saver
    backups: BackupKeeper
    library: reflection.Library | None = None
    sample: bool = False
    reader: Reader | None = None
    _analysis: AnalysisService | None = field(default=None, repr=False)
    _closed: bool = False

    @classmethod
    def open(cls, frame: Frame, vault: OpenVault, *, sample: bool = False) -> Services:
        """Open stores, lanes and the reader over ``vault``, which must be unlocked; call on the GUI thread."""
        store = vault.store()
        frame.bridge.attach(vault.store)
        saver = Saver(vault.store, frame.bridge.post)
        keeper = BackupKeeper(frame.bridge, vault, lambda: saver.idle and not sample)
        services = cls(frame, vault, store, saver, keeper, load_library(), sample)
        frame.bridge.happened.connect(services.on_event)
        if not vault.read_only:
            services._adopt_model()
        services.set_reading(frame.settings.value.read_entries)
        return services

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self.frame.settings.value

    @property
    def read_only(self) -> bool:
        """Whether this is a rescued copy, which can be read and exported only."""
        return self.vault.read_only

    @property
    def theme(self) -> Theme:
        """The theme in force."""
        return self.frame.theme

    @property
    def bridge(self) -> Bridge:
        """The way off the GUI thread."""
        return self.frame.bridge

    def on_event(self, event: object) -> None:
        """Wake the reader after each save and turn its events into the window's."""
        if isinstance(event, EntrySaved) and self._analysis is not None:
            self._analysis.wake()
        elif isinstance(event, AnalysisEvent):
            self._on_analysis(event)

    def typing(self) -> None:
        """Say that a key was pressed, so that reading and backups wait."""
        self.backups.typing()
        if self._analysis is not None:
            self._analysis.typing()

    def set_reading(self, on: bool) -> None:
        """Start reading with the model, or with the rules alone when it is off; never in a copy that is read-only."""
        self._stop_reading()
        if self.read_only:
            self.bridge.post(ReadingState("off"))
            return
        self.reader = self.frame.make_reader() if on else None
        self._analysis = AnalysisService(self.vault.store, self.reader, self.bridge.post, library=self.library)
        self._analysis.start()
        if not on:
            self.bridge.post(ReadingState("off"))

    def read_everything_again(self) -> None:
        """Queue every entry for the model (after it was switched on, or replaced)."""

        analysis = self._analysis

        def requeue(store: Store, _entry_id: str) -> None:
            store.requeue_all()
            if analysis is not None:
                analysis.wake()

        self.saver.submit(requeue)

    def close(self) -> bool:
        """Store what waits, end the threads and lock the vault; False when words could not be stored.

        The vault is locked in every case.
        """
        if self._closed:
            return True
        self._closed = True
        self.backups.stop()
        with contextlib.suppress(RuntimeError):
            self.bridge.happened.disconnect(self.on_event)
        stored = self.saver.stop()
        self._stop_reading()
        self.bridge.detach()
        with contextlib.suppress(VaultError):
            self.store.close()
        self.vault.lock()
        return stored

    def _adopt_model(self) -> None:
        """Have every entry read again when another model than the last one is installed."""
        identity = self.frame.model_identity() if self.settings.read_entries else ""
        if not identity or self.store.setting(LAST_MODEL, "") == identity:
            return

        def adopt(store: Store, _entry_id: str) -> None:
            store.requeue_all()
            store.set_setting(LAST_MODEL, identity)

        self.saver.submit(adopt)
        self.saver.flush(1.0)  # before the reader starts, so that nothing is read twice

    def _stop_reading(self) -> None:
        if self._analysis is not None:
            self._analysis.stop()
            self._analysis = None
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def _on_analysis(self, event: AnalysisEvent) -> None:
        if event.kind in ("stored", "skipped"):
            self.bridge.post(EntryRead(event.entry_id))
        if not self.settings.read_entries:
            return
        state = {"stored": "reading", "skipped": "reading", "idle": "idle"}.get(event.kind, "failed")
        self.bridge.post(ReadingState(state, event.pending, event.message))


def load_library() -> reflection.Library | None:
    """Return the curated reflections, or None when the folder is missing."""
    folder = assets.path("reflections")
    try:
        return reflection.Library.load(folder)
    except (OSError, ValueError):
        return None
