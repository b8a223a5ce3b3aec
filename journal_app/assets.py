"""Find the files that the app is shipped with."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """Return the folder of bundled files: ``assets/`` of a checkout, or ``_assets`` of a wheel."""
    inside = _PACKAGE / "_assets"
    return inside if inside.is_dir() else _PACKAGE.parent / "assets"


def path(*parts: str) -> Path:
    """Return the path of one bundled file or folder; it need not exist."""
    return root().joinpath(*parts)
