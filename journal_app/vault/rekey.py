"""A new data key: the whole journal is encrypted again, beside the old one, and takes its place at once.

For the day on which somebody may have had both a copy of the folder and what opens it: a new
passphrase alone would not keep such a person out, since the data key in the copy stays the same. The
old file is touched only when the new one has been proved equal; killed at any moment, the journal opens,
either still under the old key or already under the new one.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from journal_app.vault import backup, codes, keys, vault
from journal_app.vault import folder as folders
from journal_app.vault.connection import Connection
from journal_app.vault.folder import DATABASE
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import VaultError, VaultWriteError
from journal_app.vault.vault import Vault

_UNEQUAL = (
    "The newly encrypted journal is not equal to the old one, so it was thrown away. Nothing was changed. "
    "The disk may be failing: make a backup on another one."
)
_NEEDS_PASSPHRASE = "A new key needs the passphrase; the recovery code will be replaced. Nothing was changed."


def rotate(
    folder: Path, secret: str, *, kdf: KdfParams | None = None, progress: Callable[[float], None] | None = None
) -> tuple[Vault, str]:
    """Encrypt the locked journal in ``folder`` under a new data key; return it open, and its new recovery code.

    ``secret`` is the passphrase, which stays; a key file and keyrings open it no longer. Backups made before keep
    the old key. Needs as much room again as the journal takes. Raises what :func:`vault.unlock` raises, and
    :class:`VaultWriteError` when there is no room; then nothing has changed.
    """
    tell = progress or (lambda share: None)
    if codes.normalise_recovery_code(secret) is not None:
        raise VaultError(_NEEDS_PASSPHRASE)
    opened = vault.unlock(folder, secret)
    new_key = bytearray(secrets.token_bytes(keys.KEY_BYTES))
    staged: Path | None = None
    guard = None
    try:
        with folders.writing():
            size = (folder / DATABASE).stat().st_size
            if shutil.disk_usage(folder).free < backup.SPARE * size:
                raise VaultWriteError(
                    "There is not enough room for a newly encrypted copy of the journal. Nothing was changed. "
                    f"Free {size // 1_000_000 + 1} MB and try again."
                )
            staged = folders.stage(folder)
        file, code = keys.new_key_file(new_key, secret, kdf or KdfParams.calibrated(), opened.file.vault_id)
        tell(0.1)
        db = opened.connection()
        with db.snapshot():
            before = backup.content(db, new_key)
            tell(0.3)
            db.copy_to(staged / DATABASE, new_key)
        tell(0.6)
        _check_equal(staged, new_key, before)
        folders.write_key_files(staged, file)
        tell(0.9)
        guard = opened.release()
        folders.swap(folder, staged, None)
        made = vault.open_with(folder, new_key, file, guard)
        tell(1.0)
        return made, code
    except BaseException:
        keys.wipe(new_key)
        opened.lock()
        if guard is not None:
            guard.close()
        raise
    finally:
        if staged is not None:
            folders.discard(folder, staged)


def _check_equal(staged: Path, key: bytearray, before: backup.Content) -> None:
    db = Connection(staged / DATABASE, key)
    try:
        sound = not db.rows("PRAGMA cipher_integrity_check") and db.rows("PRAGMA quick_check") == [("ok",)]
        if not sound or backup.content(db, key) != before:
            raise VaultWriteError(_UNEQUAL)
    finally:
        db.close()
