"""How much of this computer a model may use. Pure Python; knows no model."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def threads(*, sleeping: bool, most: int = 4) -> int:
    """Return how many threads to use, 1 to ``most``: the physical cores that we may use, less one.

    llama.cpp's threads wait for each other after every operation. As a rule they spin, and as soon
    as anything else runs on their core two are far slower than one: reading an entry on two
    cores, one of them busy, took 846 ms instead of 190. If they are ``sleeping`` while they wait it
    took 180 ms with two as with one, so then a computer with two cores may use both.
    """
    cores = physical_cores()
    return max(1, min(most, cores if sleeping and cores <= 2 else cores - 1))


def openmp_sleeps() -> bool:
    """Return whether OpenMP was told to let waiting threads sleep (``OMP_WAIT_POLICY=PASSIVE``)."""
    return os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE"


def physical_cores() -> int:
    """Return how many physical cores this process may keep busy, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        allowed = os.sched_getaffinity(0)
        cores = set()
        for cpu in allowed:
            try:
                cores.add(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list").read_text("ascii").strip())
            except OSError:
                cores.add(str(cpu))
        return max(1, min(len(cores), _quota(len(cores))))
    count = os.cpu_count() or 1
    # No portable way to tell threads from cores; Apple's have one thread each.
    return count if sys.platform == "darwin" and os.uname().machine == "arm64" else max(1, count // 2)


def _quota(cores: int) -> int:
    """Return the whole CPUs that a container grants, or ``cores`` where nothing is limited."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        return cores if limit == "max" else max(1, int(limit) // int(period))
    except (OSError, ValueError):
        return cores
