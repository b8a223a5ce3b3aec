"""Tiny GGUFs, written once per run."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def encoder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf", reason="writing tiny models needs the gguf package")
    from tests.support.tiny_gguf import write_encoder

    return write_encoder(tmp_path_factory.mktemp("models") / "tiny-encoder.gguf")


@pytest.fixture(scope="session")
def decoder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf", reason="writing tiny models needs the gguf package")
    from tests.support.tiny_gguf import write_decoder

    return write_decoder(tmp_path_factory.mktemp("models") / "tiny-decoder.gguf")
