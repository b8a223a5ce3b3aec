"""The system's keyring as a keeper of one random secret; the only importer of ``keyring``.

Whoever is logged in as the writer can ask the keyring, so a journal that it opens is as private as
the login. Its loss costs nothing: the passphrase and the recovery code have slots of their own.
A keyring that would write the secret in the clear is not used.
"""

from __future__ import annotations

import base64
import binascii
import sys
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
        backend = _system_keyring()
        while hasattr(backend, "backends"):  # several at once: the one that would be asked first
            backend = backend.backends[0]
    except Exception:  # backends raise what they like while they look for their service
        return None
    return None if type(backend).__module__.startswith(_CLEAR) else backend


def _system_keyring() -> Any:
    import keyring
    from keyring import core

    if sys.platform == "linux" and core._keyring_backend is None:  # noqa: SLF001 - there is no other way to ask
        # Left to itself the package loads the backends of all systems, and one of them starts a compiler here.
        from keyring.backends import SecretService, fail, kwallet

        viable = [kind for kind in (SecretService.Keyring, kwallet.DBusKeyring) if kind.viable]
        keyring.set_keyring(max(viable, key=lambda kind: kind.priority)() if viable else fail.Keyring())
    return keyring.get_keyring()


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
