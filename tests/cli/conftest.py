"""Run commands in this process with a fake model, cheap keys and streams that are kept."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from journal_app.cli.main import main
from journal_app.cli.session import Services
from journal_app.vault.keys import KdfParams
from tests.support.fake_reader import FakeReader

PASSPHRASE = "a line of rain"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Stream(io.TextIOWrapper):
    """A standard stream over bytes, as a program has it."""

    def __init__(self, data: bytes = b"", encoding: str = "utf-8", tty: bool = False) -> None:
        self.kept = io.BytesIO(data)
        super().__init__(self.kept, encoding=encoding, newline="")
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    def text(self) -> str:
        self.flush()
        return self.kept.getvalue().decode(self.encoding)


class Runner:
    """Calls ``main`` as a shell would."""

    def __init__(self, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.journal = journal
        self._monkeypatch = monkeypatch
        self.reader: Callable[[str | None, int | None], Any] = lambda name, threads: FakeReader()
        self.waited: list[float] = []

    def __call__(
        self,
        *arguments: str,
        stdin: str | bytes = "",
        secret: str | None = PASSPHRASE,
        encoding: str = "utf-8",
        tty: bool = False,
        ask: Callable[[str], str] | None = None,
        vaultless: bool = False,
    ) -> Result:
        data = stdin.encode("utf-8", "surrogatepass") if isinstance(stdin, str) else stdin
        out, err = Stream(encoding=encoding, tty=tty), Stream(encoding=encoding)
        command = list(arguments)
        descriptor = None
        if not vaultless:
            command = ["--journal", str(self.journal), *command]
            if secret is not None:
                descriptor, write = os.pipe()
                os.write(write, secret.encode() + b"\n")
                os.close(write)
                command = ["--passphrase-fd", str(descriptor), *command]
        services = Services(
            open_reader=self.reader,
            kdf=KdfParams.fast(),
            sleep=self.waited.append,
            **({"ask": ask} if ask else {}),
        )
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", Stream(data))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            try:
                code = main(command, services)
            finally:
                if descriptor is not None:
                    os.close(descriptor)
        return Result(code, out.text(), err.text())


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    return Runner(tmp_path / "journal", monkeypatch)


@pytest.fixture
def filled(cli: Runner) -> Runner:
    """A journal of three entries that the fake model has read."""
    for text, arguments in (
        ("A sunny walk, I laughed a lot.\n", ["--create", "--date", "2026-03-02", "--mood", "5", "--tag", "walk"]),
        ("The deadline and the pressure. I was anxious.\n", ["--date", "2026-03-10", "--mood", "2", "--for-therapist"]),
        ("비가 왔다. 조용한 밤.\n", ["--date", "2026-03-11"]),
    ):
        assert cli("add", "--time", "21:00", *arguments, stdin=text).code == 0
    return cli
