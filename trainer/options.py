"""Arguments of the commands beside the run; light, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
from pathlib import Path


def estimate(command: argparse.ArgumentParser) -> None:
    """Add what ``estimate`` takes."""
    command.add_argument("--gpu-gb", type=float, metavar="N", help="memory of the card (default: the card here)")


def augment(command: argparse.ArgumentParser) -> None:
    """Add what ``augment`` takes."""
    _writer(command)
    command.add_argument("--pairs", action="store_true", help="write chosen and rejected replies instead of texts")
    command.add_argument("--count", type=int, metavar="N", help="how many in all (default: the recipe's)")


def study(command: argparse.ArgumentParser) -> None:
    """Add what ``study`` takes."""
    command.add_argument("--task", metavar="NAME", help="task of the contract (default: the recipe's)")
    command.add_argument("--rows", type=int, metavar="N", help="most test rows (default: the recipe's)")
    command.add_argument(
        "--gguf", type=Path, metavar="FILE", help="model for zero-shot and few-shot, instead of the base"
    )


def judge(command: argparse.ArgumentParser) -> None:
    """Add what ``judge`` takes."""
    _writer(command)
    command.add_argument(
        "--candidates",
        type=Path,
        nargs="+",
        metavar="FILE",
        required=True,
        help="files of replies, or GGUFs that reply here",
    )
    command.add_argument("--baseline", type=Path, metavar="FILE", help="replies, or a GGUF, to compare with")
    command.add_argument("--rows", type=int, default=50, metavar="N", help="most prompts (default: 50)")
    command.add_argument(
        "--ratings", type=Path, nargs="+", metavar="FILE", help="scores by people or by another judge, to agree with"
    )


def compare(command: argparse.ArgumentParser) -> None:
    """Add what ``compare`` takes."""
    command.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs")


def report(command: argparse.ArgumentParser) -> None:
    """Add what ``report`` takes."""


def generate(command: argparse.ArgumentParser) -> None:
    """Add what ``generate`` takes."""
    command.add_argument("--prompt", metavar="TEXT", help="answer this once; without it, ask again and again")
    command.add_argument("--gguf", type=Path, metavar="FILE", help="another model than the run's")


def papers(command: argparse.ArgumentParser) -> None:
    """Add what ``papers`` takes."""
    command.add_argument("--folder", type=Path, required=True, metavar="DIR", help="texts and PDFs")
    command.add_argument("--ask", metavar="QUESTION", help="answer this (without it, only index)")
    command.add_argument("--gguf", type=Path, metavar="FILE", help="model that words the answer")


def ablate(command: argparse.ArgumentParser) -> None:
    """Add what ``ablate`` takes."""
    command.add_argument("--variants", type=Path, required=True, metavar="FILE", help="TOML file of the changes")
    command.add_argument("--only", nargs="+", metavar="NAME", help="train these; the others' figures stay")


def seeds(command: argparse.ArgumentParser) -> None:
    """Add what ``seeds`` takes."""
    command.add_argument("--runs", type=Path, nargs="+", required=True, metavar="DIR", help="runs of other seeds")


def sweep(command: argparse.ArgumentParser) -> None:
    """Add what ``sweep`` takes."""
    command.add_argument("--types", nargs="+", metavar="TYPE", help="file types, e.g. Q8_0 Q4_K_M (default: all)")
    command.add_argument(
        "--tokens", type=int, default=4096, metavar="N", help="held-out tokens to compare on (default: 4096)"
    )
    command.add_argument("--rows", type=int, default=200, metavar="N", help="most test rows a task (default: 200)")


def push(command: argparse.ArgumentParser) -> None:
    """Add what ``push`` takes."""
    command.add_argument("--repo", required=True, metavar="OWNER/NAME", help="repository on the Hub")
    command.add_argument("--private", action="store_true", help="make it private")


def _writer(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--endpoint",
        metavar="URL",
        help="OpenAI-compatible, its key in QUIETPAGE_ENDPOINT_KEY; without it nothing is sent",
    )
    command.add_argument("--model", metavar="NAME", help="model at the endpoint")
    command.add_argument("--gguf", type=Path, metavar="FILE", help="a GGUF on this computer instead")
