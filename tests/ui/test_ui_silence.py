"""The proof of silence in the settings: what was tried, what is so now, and nothing claimed beyond that."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journal_app import silence
from journal_app.inference.engine import ModelError
from journal_app.inference.process import ModelProcess
from journal_app.network_check import Look, Process
from journal_app.silence import Attempt, Record
from journal_app.ui import app as ui
from journal_app.ui.services import Services
from journal_app.ui.silence_page import SilenceSection, _Seen

pytestmark = pytest.mark.gui
SINCE = "2026-03-01T10:00:00Z"


@pytest.fixture
def section(services: Services, qtbot: Any) -> SilenceSection:
    made = SilenceSection(services)
    qtbot.addWidget(made)
    return made


def shown(section: SilenceSection, look: Look, *, reading: bool = True) -> str:
    section._on_seen(_Seen(look, reading))
    parts = (section._verdict, section._attempts, section._facts)
    return "\n".join(part.text() for part in parts if not part.isHidden())


def test_silence_is_said_with_what_was_looked_at(section: SilenceSection) -> None:
    model = Process(0, 0, (), ("socket",), may_open=False, own_network=True)
    said = shown(section, Look(Record(SINCE, ()), Process(0, 3, ("eth0",), ()), model))
    assert "nothing in Quiet Page has tried" in said
    assert "it can open none any more" in said
    assert "no network interface there" in said
    assert "refused any use: socket" in said
    assert "Not looked at" in section._unseen.text()


def test_an_attempt_is_shown_and_not_made_small(section: SilenceSection) -> None:
    record = Record(SINCE, (Attempt("2026-03-02T10:00:00Z", "model", "connect"),))
    said = shown(section, Look(record, Process(0), None))
    assert "tried to reach a network. It was refused" in said
    assert "the model's process: a connection was to be made (refused)" in said
    asked = Record(SINCE, (Attempt("2026-03-02T10:00:00Z", "window", "lookup", True, "models.example"),))
    said = shown(section, Look(asked, Process(0), None))
    assert "nothing reached a network but what you asked for" in said
    assert "you asked for models.example" in said


def test_where_nothing_can_be_seen_nothing_is_claimed(section: SilenceSection) -> None:
    said = shown(section, Look(Record("", ()), Process(), None), reading=False)
    assert "cannot be counted here" in said
    assert "cannot be seen on this system" in said
    assert "no network" not in said
    assert "reading is off" in said
    assert "A network socket is open" in shown(section, Look(Record(SINCE, ()), Process(1), None))


@pytest.mark.llm
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_page_looks_at_a_real_model(section: SilenceSection, qtbot: Any, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    from tests.support.tiny_gguf import write_encoder

    silence._append(silence.default_path(), "")
    model = ModelProcess(write_encoder(tmp_path / "tiny.gguf"), threads=1)
    section._services.reader = model
    section.activated()
    qtbot.waitUntil(lambda: "it is at rest" in section._facts.text(), timeout=10_000)
    assert "nothing in Quiet Page has tried" in section._verdict.text()
    model.info()
    section.look()
    assert not section._again.isEnabled()
    qtbot.waitUntil(lambda: "it can open none any more" in section._facts.text(), timeout=20_000)
    assert section._again.isEnabled()
    assert model.pid is not None, "the one that runs is looked at, and goes on"


def test_a_model_that_does_not_start_is_said(services: Services, section: SilenceSection, qtbot: Any) -> None:
    class Broken:
        def info(self) -> None:
            raise ModelError("no")

        def close(self) -> None: ...

    services.reader = Broken()  # type: ignore[assignment]
    object.__setattr__(services.frame, "make_reader", Broken)
    section.look()
    qtbot.waitUntil(lambda: "it could not be started" in section._facts.text(), timeout=10_000)


def test_it_has_its_place_in_the_settings(open_session: Callable[[], ui.Session], qtbot: Any) -> None:
    session = open_session()
    session.workspace().go("settings")
    section = session.workspace().page("settings").silence
    qtbot.waitUntil(lambda: "network" in section._verdict.text(), timeout=10_000)
    assert section.isVisible()
