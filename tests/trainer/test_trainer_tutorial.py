"""The tutorial's commands, word by word, in a folder that looks like a checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

from trainer.config import ROOT

pytestmark = [pytest.mark.torch, pytest.mark.llm]

TUTORIAL = ROOT / "docs" / "trainer" / "tutorial.md"
LINKS = re.compile(r"\[[^\]]+\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", TUTORIAL.read_text("utf-8"), re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    for name in ("trainer", "assets", "docs", "journal_app"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    told: dict[str, str] = {}
    for command in commands():
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        told[command] = done.stdout + done.stderr
    read = next(text for command, text in told.items() if "quietpage analyze" in command)
    found = json.loads(read[read.index("{") :])
    assert found["model"] == "quietpage-tutorial"
    scores = found["tasks"]["emotion"]
    assert max(scores, key=scores.__getitem__) == "fear"
    result = json.loads((tmp_path / "runs" / "tutorial" / "evaluate.json").read_text("utf-8"))
    # What the tutorial says of it: well over TF-IDF.
    (judged,) = (task for name, task in result["tasks"].items() if name.startswith("emotion"))
    assert judged["accuracy"] > 0.5


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "trainer").rglob("*.md")), ids=lambda page: page.stem)
def test_links_of_the_trainers_pages_lead_somewhere(page: Path) -> None:
    for target in LINKS.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_tutorial_trains_on_what_ships() -> None:
    assert any("trainer/samples/data" in command for command in commands())
    assert len(commands()) >= 6
