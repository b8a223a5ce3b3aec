"""How the window makes, opens, restores and re-keys journals: the one seam between it and the vault's modules.

Every function imports the vault when it is first called, so that the first page needs none of it, and
none of them may be called on the GUI thread but those that say so. Tests hand in a cheaper key derivation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journal_app import private_process

if TYPE_CHECKING:
    from journal_app.vault.backup import Backup, Restored
    from journal_app.vault.salvage import Damage, Rescue
    from journal_app.vault.tries import Tries

Secret = str | bytes
Progress = Callable[[float], None]


def _tries() -> Tries:
    """Return the count of wrong tries of whoever uses this computer; a small file, read on the GUI thread."""
    from journal_app.vault import tries

    return tries.Tries(tries.default_path())


def _by_keyring(folder: Path, *, despite_other: bool = False) -> Any:
    from journal_app.vault import vault

    private_process.keep_memory_private()
    return vault.unlock_with_keyring(folder, despite_other=despite_other)


def _ways(folder: Path) -> tuple[bool, bool]:
    """Tell whether a key file and whether a keyring may open the journal; quick enough for the GUI thread."""
    from journal_app.vault import vault

    return vault.has_key_file_slot(folder), vault.has_keyring_slot(folder)


def _rotate(folder: Path, secret: str, progress: Progress) -> tuple[Any, str]:
    from journal_app.vault import rekey

    return rekey.rotate(folder, secret, progress=progress)


def _rescue(folder: Path, secret: Secret, target: Path) -> Rescue:
    from journal_app.vault import salvage

    private_process.keep_memory_private()
    return salvage.rescue(folder, secret, target)


def _damage(folder: Path, secret: Secret | None) -> Damage | None:
    """Return which pages are damaged, or None when that cannot be told (no key, a lost key file, in use)."""
    from journal_app.vault import folder as folders
    from journal_app.vault import keys, salvage
    from journal_app.vault.records import VaultError

    if secret is None:
        return None
    try:
        guard = folders.take_lock(folder)
    except VaultError:
        return None
    try:
        key = keys.open_key(folders.read_key_files(folder), secret)
        try:
            return salvage.damage(folder, key)
        finally:
            keys.wipe(key)
    except VaultError:
        return None
    finally:
        guard.close()


def _listed(journal: Path | None, folder: Path | None = None) -> list[Backup]:
    from journal_app.vault import backup

    return backup.listed(journal, folder)


def _restore(backup_path: Path, journal: Path, secret: Secret) -> Restored:
    from journal_app.vault import backup

    private_process.keep_memory_private()
    return backup.restore(backup_path, journal, secret)


@dataclass(frozen=True, slots=True)
class VaultDoor:
    """How vaults are made and opened.

    Attributes:
        exists, ways, tries: quick; may be asked on the GUI thread.
        unlock: ``(folder, secret, *, despite_other=False)``. keyring: ``(folder, *, despite_other=False)``.
        rotate: ``(folder, passphrase, progress)``, the journal locked; returns vault and recovery code.
        rescue: ``(folder, secret, target)``. damage: ``(folder, secret)``, None when it cannot be told.
        listed: ``(journal, other folder)``. restore: ``(backup, journal, secret)``.
    """

    exists: Callable[[Path], bool]
    create: Callable[[Path, str], tuple[Any, str]]
    unlock: Callable[..., Any]
    keyring: Callable[..., Any] = _by_keyring
    ways: Callable[[Path], tuple[bool, bool]] = _ways
    rotate: Callable[[Path, str, Progress], tuple[Any, str]] = _rotate
    rescue: Callable[[Path, Secret, Path], Rescue] = _rescue
    damage: Callable[[Path, Secret | None], Damage | None] = _damage
    listed: Callable[[Path | None, Path | None], list[Backup]] = _listed
    restore: Callable[[Path, Path, Secret], Restored] = _restore
    tries: Callable[[], Tries] = _tries


def real_door() -> VaultDoor:
    """Return the vault's own functions, imported at the first call; before a key exists, the memory is private."""

    def create(folder: Path, passphrase: str) -> tuple[Any, str]:
        from journal_app.vault import vault

        private_process.keep_memory_private()
        return vault.create(folder, passphrase)

    def unlock(folder: Path, secret: Secret, *, despite_other: bool = False) -> Any:
        from journal_app.vault import vault

        private_process.keep_memory_private()
        return vault.unlock(folder, secret, despite_other=despite_other)

    def exists(folder: Path) -> bool:
        from journal_app.vault import vault

        return vault.exists(folder)

    return VaultDoor(exists, create, unlock)
