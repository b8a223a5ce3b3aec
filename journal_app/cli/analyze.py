"""``quietpage analyze``: read texts with a model, without any journal.

Many texts are read one line at a time and written one line at a time, in order, so that a file
of any size takes the memory of one text. A line that cannot be read gets a line that says so.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from journal_app.cli import output, session
from journal_app.cli.output import EXIT_OK, EXIT_USAGE, Output
from journal_app.cli.session import Services, UsageError
from journal_app.inference.engine import ModelCrashed, Reader
from journal_app.journal import safety
from journal_app.journal.analysis import RECENT_REFLECTIONS, RULES_ONLY, TextAnalysis, analyse, reflect
from journal_app.journal.reflection import Reflection, bundled

MAX_LINE_BYTES = 64 * 1024 * 1024
PROGRESS_EVERY_S = 2.0


def run(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Analyse one file, or every line of a JSONL file; return the exit code."""
    if (options.file is None) == (options.jsonl is None):
        raise UsageError("Give either FILE or --jsonl IN.")
    if options.jsonl is None:
        if options.out is not None:
            raise UsageError("--out belongs to --jsonl; the result of one FILE is printed.")
        text = session.read_text(options.file)
        return _one(text, options, services, out)
    return _many(options, services, out)


def as_dict(text_id: object, found: TextAnalysis, said: Reflection | None, seconds: float) -> dict[str, Any]:
    """Return an analysis, and the reflection that the app would show under the text, as the line that programs read."""
    return {
        "id": text_id,
        "model": found.info.manifest.name if found.info else RULES_ONLY,
        "seconds": round(seconds, 4),
        "readable": found.reading.readable,
        "language": found.reading.language,
        "tasks": {
            task: {label: round(p, 6) for label, p in scores.items()} for task, scores in found.reading.tasks.items()
        },
        "stress_band": found.stress_band,
        "low_mood_band": found.low_mood_band,
        "crisis_level": found.crisis.level,
        "feelings_shown": list(found.feelings),
        "themes_shown": list(found.themes),
        "reflection": None
        if said is None
        else {"id": said.id, "technique": said.technique, "text": said.text, "question": said.question},
    }


def _one(text: str, options: argparse.Namespace, services: Services, out: Output) -> int:
    reader = services.open_reader(options.model, options.threads)
    try:
        reader.info()  # loading the model is not part of the text's seconds
        start = time.perf_counter()
        found = analyse(text, reader)
        seconds = time.perf_counter() - start
    finally:
        reader.close()
    said = reflect(bundled(), found, seed=text)
    if options.json:
        name = None if options.file == "-" else Path(options.file).name
        value = as_dict(name, found, said, seconds)
        value["evidence"] = {
            key: [{"start": e.start, "end": e.end, "score": round(e.score, 6)} for e in items]
            for key, items in found.evidence.items()
        }
        value["crisis_topics"] = list(found.crisis.topics)
        out.json(value)
    else:
        _tell(text, found, said, seconds, out)
    return EXIT_OK


def _tell(text: str, found: TextAnalysis, said: Reflection | None, seconds: float, out: Output) -> None:
    if not found.reading.readable:
        out.say(f"The model does not read this text (language: {found.reading.language}), so there are no estimates.")
    else:
        scores = found.reading.tasks.get("feelings", {})
        shown = (
            ", ".join(f"{name} {scores.get(name, 0.0):.0%}" for name in found.feelings) or "none that is sure enough"
        )
        out.say(f"Feelings:       {shown}")
        if found.themes:
            out.say(f"About:          {', '.join(found.themes)}")
        out.say(f"Stress:         {_band(found.stress_band)}")
        out.say(f"Low-mood signs: {_band(found.low_mood_band)}")
        for key, items in found.evidence.items():
            for item in items[:1]:
                out.say(f"  {key.split('/')[-1].replace('_', ' ')}: {' '.join(text[item.start : item.end].split())}")
        out.say(f"Estimated by {found.info.manifest.name if found.info else RULES_ONLY} in {seconds * 1000:.0f} ms;")
        out.say("it may be wrong, and it is not a diagnosis.")
    if said is not None:
        out.say(f"\n{said.text}\n{said.question}")
    if found.crisis.level != "none":
        out.say(safety.notice(found.crisis))


def _band(name: str) -> str:
    return "not sure" if name == "unsure" else name


# many texts -------------------------------------------------------------------------------


def _many(options: argparse.Namespace, services: Services, out: Output) -> int:
    reader = services.open_reader(options.model, options.threads)
    done = failed = 0
    recent: list[str] = []
    began = told = time.monotonic()
    try:
        reader.info()  # a model that cannot be loaded is told before anything is written
        with _source(options.jsonl) as lines, _sink(options.out, options.jsonl) as sink:
            for number, line in _numbered(lines):
                value = _line(number, line, reader, recent)
                if "error" in value:
                    failed += 1
                    out.note(f"line {number}: {value['error']}")
                else:
                    done += 1
                sink.write(output.dump(value).encode("utf-8") + b"\n")
                sink.flush()
                now = time.monotonic()
                if sys.stderr is not None and sys.stderr.isatty() and now - told >= PROGRESS_EVERY_S:
                    told = now
                    out.note(f"{done} texts, {done / (now - began):.1f} a second")
    finally:
        reader.close()
    if failed:
        out.note(f"{done} texts were read; {failed} lines could not be, and say why in the result.")
    return EXIT_USAGE if failed else EXIT_OK


def _line(number: int, line: bytes, reader: Reader, recent: list[str]) -> dict[str, Any]:
    """Return the result of one input line, or a line with ``error``; only a broken model raises.

    ``recent`` holds the reflections of the lines before, newest first, as a journal keeps them.
    """
    if len(line) > MAX_LINE_BYTES:
        return {"id": None, "line": number, "error": "the line is longer than 64 MiB"}
    try:
        raw = json.loads(line.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError:
        return {"id": None, "line": number, "error": "the line is not UTF-8"}
    except (ValueError, RecursionError):
        return {"id": None, "line": number, "error": "the line is not JSON"}
    if not isinstance(raw, dict):
        return {"id": None, "line": number, "error": 'the line is not an object with "id" and "text"'}
    text_id = raw.get("id")
    text = raw.get("text")
    if not isinstance(text, str):
        return {"id": text_id, "line": number, "error": '"text" is missing or not a string'}
    start = time.perf_counter()
    try:
        try:
            found = analyse(text, reader, evidence=False)
        except ModelCrashed:
            found = analyse(text, reader, evidence=False)  # once more, in a fresh process
    except ModelCrashed:
        return {"id": text_id, "line": number, "error": "the model stopped while reading this text, twice"}
    seconds = time.perf_counter() - start
    said = reflect(bundled(), found, recent=recent, seed=text)
    if said is not None:
        recent[:] = [said.id, *recent][:RECENT_REFLECTIONS]
    return as_dict(text_id, found, said, seconds)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number too large for JSON to give back")
    return value


def _numbered(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := lines.readline(MAX_LINE_BYTES + 1):
        number += 1
        rest = line
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = lines.readline(MAX_LINE_BYTES + 1)  # the tail of a line that is too long is not a line
        if line.strip():
            yield number, line


@contextmanager
def _source(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(name).open("rb"))
        except OSError as error:
            raise UsageError(f"The file of --jsonl cannot be read: {error.strerror}.") from None
        yield file


@contextmanager
def _sink(name: str | None, source: str) -> Iterator[BinaryIO]:
    """Open the result for writing: only the owner can read it, and the input is never overwritten."""
    if name is None or name == "-":
        yield sys.stdout.buffer
        return
    if source != "-" and os.path.exists(name) and os.path.samefile(name, source):
        raise UsageError("--out is the same file as --jsonl.")
    try:
        file = os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    except OSError as error:
        raise UsageError(f"The file of --out cannot be written: {error.strerror}.") from None
    with file:
        yield file
