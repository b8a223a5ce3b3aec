"""The rules of docs/architecture.md that a program can check."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted([*ROOT.glob("journal_app/**/*.py"), *ROOT.glob("trainer/**/*.py")])

# Who may import whom, by top-level part. A part may always import itself, and everybody may use SHARED.
SHARED = {
    "journal_app",
    "journal_app.assets",
    "journal_app.network_check",
    "journal_app.palette",
    "journal_app.private_process",
    "journal_app.silence",
    "journal_app.vault.records",
}
ALLOWED = {
    "contract": set(),
    "inference": {"contract"},
    "vault": {"contract"},
    "journal": {"contract", "inference.engine"},
    "charts": {"contract", "journal"},
    "exchange": {"contract", "journal", "charts"},
    "cli": {"contract", "inference", "vault", "journal", "charts", "exchange"},
    "ui": {"contract", "inference", "vault", "journal", "charts", "exchange", "launch", "system_libraries"},
    "trainer": {
        "contract",
        "inference",
        "journal.analysis",
        "journal.output_check",
        "journal.reflection",
        "journal.retrieval",
        "journal.safety",
    },
    # The doors: they choose which part to start.
    "__main__": {"cli", "inference.worker", "launch"},
    "launch": {"cli", "ui", "system_libraries"},
    "system_libraries": set(),
    "assets": set(),
    "palette": set(),
    "private_process": set(),
    "silence": set(),
    "network_check": set(),
    "__init__": set(),
}
ONLY_IN = {
    "sqlcipher3": ("journal_app/vault/",),
    "argon2": ("journal_app/vault/",),
    "cryptography": ("journal_app/vault/",),
    "keyring": ("journal_app/vault/keyring_slot.py",),
    "llama_cpp": (
        "journal_app/inference/llama.py",
        "journal_app/inference/native.py",
        "journal_app/inference/writer.py",
    ),
    "PySide6": ("journal_app/ui/",),
    "jeepney": ("journal_app/ui/screen_lock.py",),
    "matplotlib": (
        "journal_app/charts/",
        "journal_app/ui/insights.py",
        "journal_app/exchange/pdf.py",
        "trainer/",
    ),
    "torch": ("trainer/",),
    "transformers": ("trainer/",),
    "sklearn": ("trainer/",),
    "gguf": ("trainer/",),
    "peft": ("trainer/",),
    "trl": ("trainer/",),
    "bitsandbytes": ("trainer/",),
    "datasets": ("trainer/",),
    "accelerate": ("trainer/",),
    "huggingface_hub": ("trainer/",),
}
NETWORK = {
    "socket",
    "ssl",
    "http",
    "urllib",
    "requests",
    "httpx",
    "httpx2",
    "ftplib",
    "smtplib",
    "huggingface_hub",
    "asyncio",
}


def part_of(module: str) -> str:
    names = module.split(".")
    if names[0] == "trainer":
        return "trainer"
    return names[1] if len(names) > 1 else "__init__"


def name_of(path: Path) -> str:
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imports_of(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            module = node.module or ""
            for alias in node.names:
                # `from package import module` counts as an import of the module.
                inner = f"{module}.{alias.name}"
                target = ROOT.joinpath(*inner.split("."))
                found.append(inner if target.with_suffix(".py").exists() or target.is_dir() else module)
    return found


def allowed(source: str, target: str) -> bool:
    part, other = part_of(source), part_of(target)
    if target in SHARED or part == other:
        return True
    inner = target.removeprefix("journal_app.")
    return any(inner == rule or inner.startswith(f"{rule}.") for rule in ALLOWED[part])


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_follow_the_map(path: Path) -> None:
    source = name_of(path)
    relative = path.relative_to(ROOT).as_posix()
    for target in imports_of(path):
        top = target.split(".")[0]
        if top in ("journal_app", "trainer"):
            assert allowed(source, target), f"{source} may not import {target}"
        places = ONLY_IN.get(top)
        assert places is None or relative.startswith(places), f"{source} may not import {top}"
        if top in NETWORK and relative.startswith("journal_app"):
            pytest.fail(f"{source} imports {top}: the app has no network code yet")


def test_the_map_would_catch_a_wrong_edge() -> None:
    assert not allowed("journal_app.journal.trends", "journal_app.vault.store")
    assert not allowed("journal_app.inference.llama", "journal_app.journal.safety")
    assert not allowed("trainer.evaluate", "journal_app.vault.vault")
    assert allowed("journal_app.journal.trends", "journal_app.vault.records")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_stay_readable(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    limit = 500 if path.name == "main_window.py" else 800
    assert lines <= limit, f"{lines} lines: split by responsibility"


def test_no_event_loop_inside_the_event_loop() -> None:
    for path in ROOT.glob("journal_app/ui/**/*.py"):
        assert "processEvents" not in path.read_text(encoding="utf-8"), path.name


def test_nothing_prints_or_logs_text_in_the_core() -> None:
    """Only the doors and the command line talk to a terminal; nobody logs."""
    for path in ROOT.glob("journal_app/**/*.py"):
        text = path.read_text(encoding="utf-8")
        relative = path.relative_to(ROOT / "journal_app").as_posix()
        if not relative.startswith(("cli/", "launch.py", "system_libraries.py")):
            assert not re.search(r"^\s*print\(", text, re.M), f"{relative} prints"
        assert "import logging" not in text, f"{relative} logs"
