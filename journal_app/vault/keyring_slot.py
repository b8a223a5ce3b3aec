"""The system's keyring as a keeper of one random secret; the only importer of ``keyring``.

Whoever is logged in as the writer can ask the keyring, so a journal that it opens is as private as
the login. Its loss costs nothing: the passphrase and the recovery code have slots of their own.
A keyring that would write the secret in the clear is not used.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from journal_app.vault.records import VaultError

SERVICE = "Quiet Page"
_NONE = (
    "There is no keyring on this computer that keeps secrets encrypted, so it cannot open the journal. "
    "Nothing was changed. The passphrase and the recovery code work as before."
)
_CLEAR = ("keyrings.alt", "keyring.backends.fail", "keyring.backends.null")


def _backend() -> Any:
    """Return the system's keyring, or None where there is none to trust."""
    try:
        import keyring

        backend: Any = keyring.get_keyring()
        while hasattr(backend, "backends"):  # several at once: the one that would be asked first
            backend = backend.backends[0]
    except Exception:  # backends raise what they like while they look for their service
        return None
    return None if type(backend).__module__.startswith(_CLEAR) else backend


def usable() -> bool:
    """Tell whether this computer has a keyring that may keep a secret. May wait for its service."""
    return _backend() is not None


def lookup(name: str) -> bytes | None:
    """Return the secret that is kept under ``name``, or None."""
    backend = _backend()
    if backend is None:
        return None
    try:
        kept = backend.get_password(SERVICE, name)
        return None if kept is None else base64.b64decode(kept, validate=True)
    except (Exception, binascii.Error):
        return None


def keep(name: str, secret: bytes) -> None:
    """Keep ``secret`` under ``name``, and prove it by reading it back. Raises :class:`VaultError`."""
    backend = _backend()
    if backend is None:
        raise VaultError(_NONE)
    try:
        backend.set_password(SERVICE, name, base64.b64encode(secret).decode("ascii"))
    except Exception:
        raise VaultError(_NONE) from None
    if lookup(name) != secret:
        raise VaultError(_NONE)


def forget(name: str) -> None:
    """Remove what is kept under ``name``, if it is there."""
    backend = _backend()
    if backend is None:
        return
    try:
        backend.delete_password(SERVICE, name)
    except Exception:
        return
