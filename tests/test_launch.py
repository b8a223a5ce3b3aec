"""The doors: what is said and done when the window cannot open."""

from __future__ import annotations

import subprocess
import sys

import pytest

from journal_app import launch, silence, system_libraries
from journal_app.__main__ import main


def test_a_missing_library_is_named_with_the_command(monkeypatch, capsys):
    monkeypatch.setattr(system_libraries, "_loads", lambda library: library != "libxcb-cursor.so.0")
    monkeypatch.setattr(system_libraries.sys, "platform", "linux")
    assert system_libraries.missing(window=True) == ["libxcb-cursor0"]
    assert system_libraries.missing(window=False) == []
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    assert launch.open_window(None) == launch.EXIT_NO_WINDOW
    assert "sudo apt-get install libxcb-cursor0" in capsys.readouterr().err


@pytest.fixture
def no_display(monkeypatch):
    # For good: the network would be refused to every test after these.
    monkeypatch.setattr(silence, "install", lambda _process: None)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(launch.sys, "platform", "linux")


def test_the_command_says_in_one_line_that_there_is_no_display(no_display, capsys):
    assert main([]) == launch.EXIT_NO_WINDOW
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no display" in said


def test_make_run_does_the_job_on_the_sample_without_a_display(no_display, monkeypatch, capsys):
    from journal_app.cli import sample

    asked = []
    monkeypatch.setattr(sample, "run", lambda out: asked.append(out) or 0)
    assert launch.main() == 0
    assert asked == [launch.SAMPLE_OUTPUT]
    assert capsys.readouterr().out.count("\n") == 1


def test_the_command_line_loads_neither_qt_nor_matplotlib():
    code = (
        "import sys; from journal_app.__main__ import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('PySide6', 'matplotlib', 'torch', 'llama_cpp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
