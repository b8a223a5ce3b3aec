"""One run in several processes, as ``torchrun`` and ``accelerate launch`` start them.

Only the first process writes. The others do the same stages with a silent progress and an unwritten ledger.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


def world() -> int:
    """Return how many processes the run has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return which of them this is."""
    return int(os.environ.get("RANK", "0"))


def leads() -> bool:
    """Tell whether this is the process that writes."""
    return rank() == 0


def sharded() -> bool:
    """Tell whether the weights are to be spread over the processes, as accelerate's FSDP configuration says."""
    return world() > 1 and os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


@contextlib.contextmanager
def first() -> Iterator[None]:
    """Let the first process do the block before the others do it."""
    if world() == 1:
        yield
        return
    from accelerate import PartialState

    state = PartialState(cpu=os.environ.get("ACCELERATE_USE_CPU", "") == "true" or not _gpu())
    with state.main_process_first():
        yield


def _gpu() -> bool:
    import torch

    return torch.cuda.is_available()
