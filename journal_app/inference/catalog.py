"""Which models there are: the one that ships with the app, and those that a person put beside it.

Owns ``assets/models/models.json`` and the folder of installed models; reads both, and touches no
network. Fetching larger models belongs here later: an entry of the list would then also name where a
file comes from, while checksum, size and licence, which a fetched file must match and a person must
have seen, are in it from the start. A GGUF that a person brings needs no entry at all: what it
says of itself (``contract.manifest``) is enough.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from journal_app import assets
from journal_app.inference.engine import ModelError

LIST_NAME = "models.json"
EMBEDDED_NAME = "quietpage-reader-v3"
_MAX_LIST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model file on this computer.

    Attributes:
        name: as in the list, or the file's name without its ending.
        path: where it is.
        sha256: that it must have, hex; empty for a file that no list names.
        bytes: size that it must have; for an unlisted file the size that it has.
        kind: ``encoder``, ``decoder``, or empty where only the file itself can tell.
        licence: SPDX identifier or name of a licence file; empty where unknown.
        embedded: whether it ships with the app.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    kind: str
    licence: str
    embedded: bool


def embedded_reader() -> Path:
    """Return the path of the reader that ships with the app; raise :class:`ModelError` if it is missing."""
    return embedded_model().path


def embedded_model() -> InstalledModel:
    """Return the reader that ships with the app, with the checksum that it must have.

    Raises :class:`ModelError` if it is not listed, missing or of another size than listed.
    """
    folder = assets.path("models")
    for model in listed(folder):
        if model.name == EMBEDDED_NAME:
            return _present(model)
    raise ModelError(
        f"the model {EMBEDDED_NAME} is missing from this installation; your journal is safe and works without it; "
        "installing the app again brings it back"
    )


def installed(extra: Path | None = None) -> list[InstalledModel]:
    """Return every model that can be tried, the embedded one first, then those in the folder ``extra``.

    In ``extra`` a ``models.json`` is honoured where there is one, and every other ``*.gguf`` is
    listed with what its name and size tell. Listed files that are missing or cut short are left out.
    Raises :class:`ModelError` for a list that cannot be read.
    """
    found = [model for model in listed(assets.path("models"), embedded=True) if _whole(model)]
    if extra is None or not extra.is_dir():
        return found
    known = [model for model in listed(extra, embedded=False) if _whole(model)]
    named = {model.path for model in known}
    others = [
        InstalledModel(path.stem, path, "", path.stat().st_size, "", "", embedded=False)
        for path in sorted(extra.glob("*.gguf"))
        if path not in named and path.is_file()
    ]
    return found + known + others


def listed(folder: Path, *, embedded: bool = True) -> list[InstalledModel]:
    """Return the models in ``folder``'s ``models.json``, present or not; nothing if there is no list.

    The list is a JSON array of ``{"name", "file", "sha256", "bytes", "kind", "licence"}``. Raises
    :class:`ModelError` if it is malformed or names a file outside ``folder``.
    """
    path = folder / LIST_NAME
    if not path.is_file():
        return []
    try:
        if path.stat().st_size > _MAX_LIST_BYTES:
            raise ValueError("too large")
        return [_entry(folder, raw, embedded) for raw in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(f"the list of models ({LIST_NAME}) cannot be read; it may be damaged") from None


def _entry(folder: Path, raw: dict[str, object], embedded: bool) -> InstalledModel:
    name, file, digest, kind, licence = (raw[key] for key in ("name", "file", "sha256", "kind", "licence"))
    size = raw["bytes"]
    if not all(isinstance(value, str) for value in (name, file, digest, kind, licence)) or not isinstance(size, int):
        raise TypeError("a field has the wrong type")
    if str(file) != Path(str(file)).name or str(file) in ("", ".", ".."):
        raise ValueError("the file is not in this folder")
    if len(str(digest)) != 64 or set(str(digest).lower()) - set("0123456789abcdef"):
        raise ValueError("no SHA-256")
    if kind not in ("encoder", "decoder"):
        raise ValueError("unknown kind")
    return InstalledModel(str(name), folder / str(file), str(digest).lower(), size, str(kind), str(licence), embedded)


def _whole(model: InstalledModel) -> bool:
    return model.path.is_file() and model.path.stat().st_size == model.bytes


def _present(model: InstalledModel) -> InstalledModel:
    if not model.path.is_file():
        raise ModelError(
            f"the model file {model.path.name} is missing from this installation; your journal is safe and works "
            "without it; installing the app again brings it back"
        )
    if not _whole(model):
        raise ModelError(
            f"the model file {model.path.name} is damaged (its size is not the one recorded); your journal is safe and "
            "works without it; installing the app again repairs it"
        )
    return model
