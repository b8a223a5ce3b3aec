"""The list of models: what is shipped, what a person added, and lists that lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from journal_app import assets
from journal_app.inference import catalog
from journal_app.inference.engine import ModelError


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "name": catalog.EMBEDDED_NAME,
        "file": "quietpage-reader-v3.gguf",
        "sha256": "AB" * 32,
        "bytes": 4,
        "kind": "encoder",
        "licence": "LICENSE-WEIGHTS.md",
    } | changes


def shelf(folder: Path, entries: Any, *files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / catalog.LIST_NAME).write_text(json.dumps(entries), "utf-8")
    for name in files:
        (folder / name).write_bytes(b"GGUF")
    return folder


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(assets, "root", lambda: tmp_path / "assets")
    return tmp_path / "assets" / "models"


def test_the_embedded_reader(shipped: Path) -> None:
    shelf(shipped, [entry(name="other", file="other.gguf"), entry()], "quietpage-reader-v3.gguf")
    assert catalog.embedded_reader() == shipped / "quietpage-reader-v3.gguf"
    model = catalog.embedded_model()
    assert (model.sha256, model.kind, model.embedded) == ("ab" * 32, "encoder", True)
    assert [m.name for m in catalog.installed()] == [catalog.EMBEDDED_NAME]


@pytest.mark.parametrize(
    ("entries", "files", "words"),
    [
        ([], [], "missing"),
        ([entry()], [], "missing"),
        ([entry(bytes=5)], ["quietpage-reader-v3.gguf"], "damaged"),
        ([entry(name="another")], ["quietpage-reader-v3.gguf"], "missing"),
    ],
)
def test_a_missing_or_damaged_reader_says_what_is_safe_and_what_to_do(
    shipped: Path, entries: list, files: list[str], words: str
) -> None:
    shelf(shipped, entries, *files)
    with pytest.raises(ModelError, match=words) as error:
        catalog.embedded_reader()
    assert "your journal is safe" in str(error.value)
    assert "install" in str(error.value)
    assert str(shipped) not in str(error.value)
    assert catalog.EMBEDDED_NAME not in [model.name for model in catalog.installed()]


def test_no_list_at_all(shipped: Path) -> None:
    with pytest.raises(ModelError, match="missing"):
        catalog.embedded_reader()
    assert catalog.installed(shipped / "nowhere") == []


def test_a_folder_of_ones_own_models(shipped: Path, tmp_path: Path) -> None:
    shelf(shipped, [entry()], "quietpage-reader-v3.gguf")
    own = shelf(
        tmp_path / "own",
        [entry(name="listed", file="listed.gguf", kind="decoder"), entry(name="gone", file="gone.gguf")],
        "listed.gguf",
        "brought.gguf",
        "notes.txt",
    )
    found = {m.name: m for m in catalog.installed(own)}
    assert list(found) == [catalog.EMBEDDED_NAME, "listed", "brought"]
    assert found["listed"].kind == "decoder"
    assert (found["brought"].sha256, found["brought"].kind, found["brought"].bytes) == ("", "", 4)
    assert [m.embedded for m in found.values()] == [True, False, False]


@pytest.mark.parametrize(
    "entries",
    [
        {"name": "x"},
        [5],
        [entry(file="../../etc/passwd")],
        [entry(file="/etc/passwd")],
        [entry(file="")],
        [entry(file="..")],
        [entry(sha256="xyz")],
        [entry(sha256="g" * 64)],
        [entry(bytes="many")],
        [entry(kind="oracle")],
        [entry(name=None)],
        [{k: v for k, v in entry().items() if k != "licence"}],
    ],
)
def test_lists_that_cannot_be_trusted(shipped: Path, entries: Any) -> None:
    shelf(shipped, entries)
    with pytest.raises(ModelError, match="list of models"):
        catalog.installed()


@pytest.mark.parametrize("text", ["", "[", "\x00", "[" * 100_000, " " * 1_000_001])
def test_broken_list_files(shipped: Path, text: str) -> None:
    shelf(shipped, [])
    (shipped / catalog.LIST_NAME).write_text(text, "utf-8")
    with pytest.raises(ModelError, match="list of models"):
        catalog.listed(shipped)


def test_the_shipped_list_is_true() -> None:
    """What is in the repository: every file listed is there, whole and with its checksum."""
    from journal_app.inference.llama import sha256_of

    models = catalog.listed(assets.path("models"))
    if not models:
        pytest.skip("no model has been packaged yet")
    for model in models:
        assert model.path.stat().st_size == model.bytes
        assert sha256_of(model.path) == model.sha256
