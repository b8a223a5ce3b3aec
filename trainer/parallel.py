"""One run in several processes, as ``torchrun`` and ``accelerate launch`` start them.

Only the first process writes. The others do the same stages with a silent progress and an unwritten ledger.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any


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


def accelerator(*, cpu: bool) -> Any:
    """Return accelerate's object for a training in full control of its own precision.

    What an earlier stage of this process left in accelerate's state (TRL's precision, say) is none of this one's;
    several processes keep the group that their launcher made.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    if world() == 1:
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - there is no public way
    return Accelerator(mixed_precision="no", cpu=cpu)


def _gpu() -> bool:
    import torch

    return torch.cuda.is_available()
