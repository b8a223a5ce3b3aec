"""``generate``: talk with a model of a run, word by word, through the app's own engine.

With ``--prompt``, or a text piped in, there is one reply; otherwise a conversation that goes on until an empty
line. Replies go to standard output, everything else to standard error, and nothing of either into a log. Each
reply is put through the check that the app puts every reply through, and its verdict is shown.
"""

from __future__ import annotations

import argparse
import queue
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TextIO

from journal_app.inference.engine import ModelCancelled, ModelError
from journal_app.inference.writer import LlamaWriter
from journal_app.journal.output_check import check_output
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.progress import Progress
from trainer.wordings import LISTENERS

CONTEXT = 4096
_POLL = 0.1


def run(recipe: Recipe, paths: RunPaths, progress: Progress, options: argparse.Namespace) -> StageResult:
    """Write replies to standard output; raise :class:`TrainerError` for a model that cannot be used.

    ``options``: ``prompt`` (one message, or None), ``gguf`` (another model than the run's, or None).
    """
    path = options.gguf or best_gguf(recipe, paths)
    try:
        writer = LlamaWriter(path, context=CONTEXT)
    except ModelError as error:
        raise TrainerError(f"generate: {error}") from error
    with writer:
        if writer.note:
            progress.say(f"generate: {writer.note}")
        talk = Talk(recipe, writer, reflects=options.gguf is None and asks_for_reflections(recipe))
        once = options.prompt
        if once is None and not sys.stdin.isatty():
            once = sys.stdin.read()
        try:
            if once is not None:
                if not once.strip():
                    raise TrainerError("generate: the prompt is empty")
                talk.answer(once.strip(), sys.stdout, sys.stderr)
            else:
                progress.say(f"generate: {path.name}; Ctrl-C stops a reply, an empty line ends the conversation")
                _converse(talk)
        except ModelError as error:
            raise TrainerError(f"generate: {error}") from error
    return StageResult((), {"replies": talk.count})


def best_gguf(recipe: Recipe, paths: RunPaths) -> Path:
    """Return the run's quantised file, or its F16 one where there is no other yet; else raise :class:`TrainerError`."""
    for kind in (recipe.quantize.type, "F16"):
        if (path := paths.gguf(recipe, kind)).is_file():
            return path
    raise TrainerError(f"no GGUF in {paths.out / 'gguf'}: run `quietpage-train gguf` first, or name one with --gguf")


def asks_for_reflections(recipe: Recipe) -> bool:
    """Tell whether the model learned to reply as the contract asks for reflections, and not in conversations."""
    return recipe.kind == "decoder" or recipe.sft.shape == "contract"


class Talk:
    """A conversation with one model.

    Attributes:
        turns: (role, text) so far, without the system message. count: replies begun.
    """

    def __init__(self, recipe: Recipe, writer: LlamaWriter, *, reflects: bool) -> None:
        """Reply with ``writer`` as ``recipe.generation`` says, in the recipe's first language.

        ``reflects``: each message is an entry by itself and the reply a reflection on it.
        """
        self._settings = recipe.generation
        self._seed = recipe.seed
        self._writer = writer
        self._reflects = reflects
        self._language = recipe.languages[0] if recipe.languages else "en"
        self.turns: list[tuple[str, str]] = []
        self.count = 0

    def answer(self, text: str, out: TextIO, notes: TextIO) -> str:
        """Write the reply to ``text`` to ``out`` as it comes, and the check's verdict to ``notes``; return the reply.

        Ctrl-C ends the reply where it is; what was written of it stays in the conversation. Raises
        :class:`ModelError` as the engine does.
        """
        said: list[str] = []
        stopped = False
        try:
            with closing(interruptible(lambda: self._pieces(text), self._writer.cancel)) as pieces:
                for piece in pieces:
                    said.append(piece)
                    out.write(piece)
                    out.flush()
        except (ModelCancelled, KeyboardInterrupt):
            stopped = True
        out.write("\n")
        out.flush()
        reply = "".join(said).strip()
        verdict = check_output(reply, text, self._language)
        about = "stopped; " if stopped else ""
        about += "check: passed" if verdict.ok else f"check: would not be shown ({', '.join(verdict.reasons)})"
        print(f"[{about}]", file=notes, flush=True)
        self.turns += [("user", text), ("assistant", reply)]
        return reply

    def _pieces(self, text: str) -> Iterator[str]:
        settings = self._settings
        draw = {
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "repeat_penalty": settings.repeat_penalty,
            "seed": self._seed + self.count,
        }
        self.count += 1
        if self._reflects:
            return self._writer.reflect(text, **draw)
        system = LISTENERS.get(self._language, LISTENERS["en"])[0]
        return self._writer.chat([("system", system), *self.turns, ("user", text)], **draw)


def interruptible(start: Callable[[], Iterator[str]], cancel: Callable[[], None]) -> Generator[str, None, None]:
    """Yield what ``start()`` yields, from a thread, so that Ctrl-C is heard while llama.cpp works.

    On Ctrl-C ``cancel`` is called and what still comes is given until the thread ends. Whatever the thread raises
    is raised here.
    """
    pieces: queue.Queue[str | BaseException | None] = queue.Queue()

    def work() -> None:
        try:
            for piece in start():
                pieces.put(piece)
            pieces.put(None)
        except BaseException as error:  # handed on, not swallowed
            pieces.put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            try:
                piece = pieces.get(timeout=_POLL)
            except queue.Empty:
                continue
            except KeyboardInterrupt:
                cancel()
                continue
            if piece is None:
                return
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        cancel()
        thread.join()


def _converse(talk: Talk) -> None:
    while True:
        try:
            text = input("> ").strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            print("\n(an empty line ends the conversation)", file=sys.stderr)
            continue
        if not text:
            return
        talk.answer(text, sys.stdout, sys.stderr)
