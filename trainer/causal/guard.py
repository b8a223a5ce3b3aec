"""What can go wrong in a long run, and what is left of it: checkpoints that are whole, errors that say what to do.

A checkpoint is a folder ``step-000200`` that is written under another name, flushed to the disk and
renamed, so that a kill or a full disk leaves the one before it untouched. The newest readable one counts.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from trainer.config import TrainerError

STATE = "state.pt"
STOPPED = "stopped.json"
_PART = ".part"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Checkpoints:
    """The checkpoints of one stage in one folder."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        """Keep the newest ``keep`` (at least 1); clear away what a killed run left half written."""
        self.folder = folder
        self._keep = max(1, keep)
        folder.mkdir(parents=True, exist_ok=True)

    def tidy(self) -> None:
        """Remove half-written folders of a run that was killed."""
        for path in self.folder.glob(f"*{_PART}"):
            shutil.rmtree(path, ignore_errors=True)

    def steps(self) -> list[int]:
        """Return the steps of which there is a checkpoint, oldest first."""
        return sorted(int(path.name[5:]) for path in self.folder.glob("step-*") if path.name[5:].isdigit())

    def path(self, step: int) -> Path:
        """Return the folder of the checkpoint of ``step``."""
        return self.folder / f"step-{step:06d}"

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write the checkpoint of ``step`` (a mapping that ``torch.save`` takes) and drop the oldest.

        Raises :class:`TrainerError` on a full disk or another failure to write; the others stay valid.
        """
        with self.writing(f"the checkpoint of step {step}"):
            write_folder(self.path(step), {STATE: lambda path: torch.save(dict(state), path)})
        for old in self.steps()[: -self._keep]:
            shutil.rmtree(self.path(old), ignore_errors=True)

    def load(self, say: Callable[[str], None]) -> dict[str, Any] | None:
        """Return the newest state that can be read, on the CPU, or None; say which could not be."""
        for step in reversed(self.steps()):
            try:
                return torch.load(self.path(step) / STATE, map_location="cpu", weights_only=True)
            except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError):
                say(f"the checkpoint of step {step} cannot be read; going back to the one before it")
                shutil.rmtree(self.path(step), ignore_errors=True)
        return None

    def clear(self) -> None:
        """Remove every checkpoint."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)

    def good(self) -> str:
        """Return, as the end of a sentence, which checkpoint a run can go on from."""
        steps = self.steps()
        if not steps:
            return "no checkpoint was written yet, so the next run starts from the beginning"
        return f"the checkpoint of step {steps[-1]} is good and the same command goes on from it"

    @contextlib.contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Turn a full disk and its like, while ``what`` is written, into a :class:`TrainerError`."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            if not _full(error) and not isinstance(error, OSError):
                raise
            reason = "the disk is full" if _full(error) else f"the disk refused ({_reason(error)})"
            raise TrainerError(
                f"{reason} while saving {what}; free some space in {self.folder.parent}: {self.good()}"
            ) from error

    def stopped(self, reason: str, step: int) -> None:
        """Note that a run stopped by itself, so that the next may differ in what it learns with."""
        with contextlib.suppress(OSError):
            (self.folder / STOPPED).write_text(json.dumps({"reason": reason, "step": step}) + "\n", "utf-8")

    def was_stopped(self) -> bool:
        """Tell whether the last run stopped by itself, and forget it."""
        there = (self.folder / STOPPED).is_file()
        (self.folder / STOPPED).unlink(missing_ok=True)
        return there


def write_folder(folder: Path, files: Mapping[str, Callable[[Path], object]]) -> None:
    """Make ``folder`` with ``files`` (name -> what writes it), whole or not at all; raise ``OSError``.

    What was there before stays until the new one is on the disk.
    """
    part = folder.with_name(folder.name + _PART)
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for name, write in files.items():
            write(part / name)
        flush(part)
        old = folder.with_name(folder.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
        _flush_one(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def flush(folder: Path) -> None:
    """Put every file of ``folder`` onto the disk; a full one may tell only now."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            _flush_one(path)
    _flush_one(folder)


def _flush_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_finite(loss: float, norm: float, step: int, checkpoints: Checkpoints, *, leader: bool = True) -> None:
    """Raise :class:`TrainerError` unless ``loss`` and the gradient's ``norm`` are numbers.

    Called before the weights are changed, so that no checkpoint ever holds what came of a NaN.
    """
    if math.isfinite(loss) and math.isfinite(norm):
        return
    what = "loss" if not math.isfinite(loss) else "gradient"
    if leader:
        checkpoints.stopped("not finite", step)
    raise TrainerError(
        f'the {what} is not finite at step {step}; lower sft.lr or sft.clip, or set sft.precision = "fp32": '
        f"{checkpoints.good()}"
    )


@contextlib.contextmanager
def memory(checkpoints: Checkpoints, knobs: str) -> Iterator[None]:
    """Turn running out of memory into a :class:`TrainerError` that names ``knobs``."""
    try:
        yield
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise TrainerError(f"out of memory; {knobs}: {checkpoints.good()}") from error
    except RuntimeError as error:
        if "allocate memory" not in str(error) and "out of memory" not in str(error).lower():
            raise
        raise TrainerError(f"out of memory; {knobs}: {checkpoints.good()}") from error


def _full(error: BaseException) -> bool:
    """Tell whether a write failed for want of space; torch's writer hides the errno in a RuntimeError."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return True
        seen = seen.__cause__ or seen.__context__
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        part in text for part in ("No space left", "file write failed", "PytorchStreamWriter failed", "unexpected pos")
    )


def _reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__).lower()
