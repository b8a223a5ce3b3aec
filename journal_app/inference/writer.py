"""llama.cpp as a writer: replies word by word, and the scores by which models are compared.

With ``llama`` and ``native`` the only modules that import ``llama_cpp``. Works on any causal GGUF: one of this
project says its prompt template in its manifest, a foreign one is told by the control strings of its own chat
template. What a person wrote is data in every prompt and never becomes a control token.

One call at a time: a newer call ends an older reply that was not read to its end. Nothing derived from a text
outlives a call: ids and the attention cache are overwritten, and no error message holds any of it.
"""

# The bindings annotate C's pointers and buffers more narrowly than ctypes accepts them.
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import codecs
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np

from journal_app.contract import prompts
from journal_app.contract.manifest import MANIFEST_KEY, Manifest
from journal_app.contract.prompts import Segment, Template
from journal_app.inference.engine import ModelCancelled, ModelError
from journal_app.inference.llama import default_threads
from journal_app.inference.native import CONTROL, AbortFlag, Batch, Context, Model, Sampler

_BATCH_TOKENS = 512
_LOGIT_BYTES = 64_000_000
"""Scores of so many bytes are asked of llama.cpp at once."""
_LEAST_ROOM = 16
_MORE_STOPS = {"alpaca": ("\n### ",), "llama2": ("[INST]",), "zephyr": ("<|user|>", "<|system|>")}
"""Where a family opens a turn with ordinary text, a model that writes it has begun to answer itself."""


class LlamaWriter:
    """A writer in this process.

    Args:
        path: the GGUF of a causal model. threads: how many to use; None for ``llama.default_threads``.
        context: longest conversation in tokens, at most what the model was made for.
        adapter: GGUF of a LoRA adapter, put on top in full.

    Attributes:
        manifest: as found in the file; None in a foreign one.
        template: how a conversation is written for it. note: what a person should know of that, or empty.
        context: tokens that a conversation and its reply may have.

    Raises :class:`ModelError` if the file or the adapter cannot be used.
    """

    def __init__(
        self, path: Path, *, threads: int | None = None, context: int = 4096, adapter: Path | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._flag = AbortFlag()
        self._job = 0
        self._dirty = False
        self._context: Context | None = None
        self._model = Model(Path(path))
        self.note = ""
        try:
            self.manifest = self._read_manifest()
            self._check_kind()
            self.template = self._find_template()
            self._ends = self._control_ids(self.template.end)
            known = lib.llama_model_n_ctx_train(self._model.pointer)
            self.context = min(context, known) if known > 0 else context
            if self.context < 2 * _LEAST_ROOM:
                raise ModelError("the model's window is too short to write in")
            self._batch = Batch(min(_BATCH_TOKENS, self.context))
            self._context = Context(
                self._model,
                threads or default_threads(),
                self._flag,
                n_ctx=self.context,
                n_batch=self._batch.capacity,
                n_ubatch=self._batch.capacity,
                n_seq_max=1,
                embeddings=False,
                **self._model.cache_precision(),
            )
            if adapter is not None:
                self._context.adapt(self._model, Path(adapter))
            self._memory = lib.llama_get_memory(self._context.pointer)
        except BaseException:
            if self._context is not None:
                self._context.close()
            self._model.close()
            raise

    @property
    def vocab_size(self) -> int:
        """Number of tokens that the model knows."""
        return self._model.vocab_size

    def chat(
        self,
        messages: Sequence[tuple[str, str]],
        *,
        max_tokens: int = 200,
        temperature: float = 0.7,
        top_p: float = 0.9,
        repeat_penalty: float = 1.1,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """Yield the reply to ``messages`` piece by piece; no piece cuts a character in two.

        Args:
            messages: see ``contract.prompts.conversation``. A conversation that is too long loses its oldest turns,
                then the beginning of its last message, as in training.
            temperature: 0 for the likeliest token each time. top_p: share of the probability that is drawn from.
            repeat_penalty: by what a token of this reply that comes again is divided; 1 for none.
            seed: the same seed gives the same reply. stop: texts at which the reply ends, themselves left out.

        Raises :class:`ModelCancelled` after :meth:`cancel` or when a newer call began, :class:`ModelError` for
        messages in no order that a template knows.
        """
        try:
            ids = self._prompt(messages, self._limit(max_tokens))
        except ValueError as error:
            raise ModelError(str(error)) from None
        draw = {"temperature": temperature, "top_p": top_p, "repeat_penalty": repeat_penalty, "seed": seed}
        return self._stream(ids, max_tokens, draw, stop)

    def reflect(
        self,
        entry: str,
        *,
        max_tokens: int = 120,
        temperature: float = 0.7,
        top_p: float = 0.9,
        repeat_penalty: float = 1.1,
        seed: int = 0,
    ) -> Iterator[str]:
        """Yield a reflection on ``entry`` as the contract asks for one; otherwise as :meth:`chat`."""
        ids = self._reflecting(entry, self._limit(max_tokens))
        draw = {"temperature": temperature, "top_p": top_p, "repeat_penalty": repeat_penalty, "seed": seed}
        return self._stream(ids, max_tokens, draw, ())

    def prompt_ids(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """Return the ids after which the reply to ``messages`` comes; raise ``ValueError`` as ``conversation`` does."""
        return self._prompt(messages, self.context - _LEAST_ROOM)

    def tokenise(self, text: str) -> list[int]:
        """Return the ids of ``text`` as data."""
        return self._open().tokenise(text, False)

    def score(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """Return for each text the sum of its tokens' log-probabilities in nats, and how many tokens were scored.

        A text is read after the token that begins a text; a model without one leaves the first token unscored.
        What is longer than the window is scored in windows that know nothing of each other.
        ``exp(-sum / tokens)`` over all texts is the perplexity.
        """
        start = self._start_ids()
        found: list[tuple[float, int]] = []
        with self._lock:
            self._clear_for_call()
            try:
                for text in texts:
                    ids = self._model.tokenise(text, False)
                    size = self.context - len(start)
                    total, count = 0.0, 0
                    for at in range(0, len(ids), size):
                        window = start + ids[at : at + size]
                        for position, rows in self._rows(window):
                            after = window[position + 1 : position + 1 + len(rows)]
                            total += float(log_softmax(rows)[np.arange(len(after)), after].sum(dtype=np.float64))
                            count += len(after)
                    found.append((total, count))
            finally:
                self._wipe()
        return found

    def score_reflections(self, entry: str, texts: Sequence[str]) -> list[tuple[float, int]]:
        """Return of each text what :meth:`score` does, read as the reflection that :meth:`reflect` asks for.

        The entry is read once, whatever the number of texts. Raises :class:`ModelError` for a text that leaves no room
        for the entry in the window.
        """
        answers = [self.tokenise(text) for text in texts]
        ids = self._reflecting(entry, self.context - max([_LEAST_ROOM, *map(len, answers)]))
        found: list[tuple[float, int]] = []
        with self._lock:
            self._clear_for_call()
            context = self._check_job(self._job)
            try:
                lib.llama_memory_clear(self._memory, False)
                self._decode(ids, 0)
                pointer = lib.llama_get_logits_ith(context.pointer, -1)
                if not pointer:
                    raise ModelError("the model gave no scores")
                first = log_softmax(np.ctypeslib.as_array(pointer, shape=(self.vocab_size,))[None].copy())[0]
                for answer in answers:
                    total = float(first[answer[0]]) if answer else 0.0
                    for position, rows in self._rows(answer[:-1], after=len(ids)):
                        after = answer[position + 1 : position + 1 + len(rows)]
                        total += float(log_softmax(rows)[np.arange(len(after)), after].sum(dtype=np.float64))
                    found.append((total, len(answer)))
            finally:
                self._wipe()
        return found

    def logits(self, ids: Sequence[int]) -> np.ndarray:
        """Return the scores of every next token after each of ``ids``, float32 [len(ids), vocab].

        Raises :class:`ModelError` for more ids than :attr:`context`, or ids that the model does not have.
        """
        result = np.empty((len(ids), self.vocab_size), dtype=np.float32)
        for position, rows in self.logit_rows(ids):
            result[position : position + len(rows)] = rows
        return result

    def logit_rows(self, ids: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (position, float32 [rows, vocab]) of :meth:`logits` in parts, for large vocabularies.

        The writer does nothing else until it is read to its end, or closed.
        """
        if len(ids) > self.context:
            raise ModelError(f"the text has {len(ids)} tokens, the window {self.context}")
        if ids and not (min(ids) >= 0 and max(ids) < self.vocab_size):
            raise ModelError("the model has no such token")
        with self._lock:
            self._clear_for_call()
            try:
                yield from self._rows(list(ids))
            finally:
                self._wipe()

    def next_scores(self, ids: Sequence[int]) -> np.ndarray:
        """Return the scores of what comes after ``ids``, float32 [vocab]; far cheaper than :meth:`logits`."""
        if not 0 < len(ids) <= self.context:
            raise ModelError(f"the text has {len(ids)} tokens, the window {self.context}")
        with self._lock:
            self._clear_for_call()
            context = self._check_job(self._job)
            try:
                lib.llama_memory_clear(self._memory, False)
                self._decode(list(ids), 0)
                pointer = lib.llama_get_logits_ith(context.pointer, -1)
                if not pointer:
                    raise ModelError("the model gave no scores")
                return np.ctypeslib.as_array(pointer, shape=(self.vocab_size,)).copy()
            finally:
                self._wipe()

    def pace(self, count: int = 32) -> float:
        """Return how many tokens a second it writes, measured over ``count`` of them, whatever they say."""
        ids = self._start_ids() or [0]
        sampler = Sampler(self._model, temperature=0.0, top_p=1.0, repeat_penalty=1.0, seed=0)
        with self._lock:
            self._clear_for_call()
            context = self._check_job(self._job)
            try:
                self._decode(ids, 0)
                began = time.perf_counter()
                for position in range(len(ids), min(len(ids) + count, self.context)):
                    self._decode([sampler.draw(context)], position)
                return (position + 1 - len(ids)) / (time.perf_counter() - began)
            finally:
                sampler.close()
                self._wipe()

    def cancel(self) -> None:
        """Stop the reply or the call in progress, from any thread; harmless when there is none."""
        self._flag.set()

    def close(self) -> None:
        """Free the model and everything derived from text. Safe to call twice."""
        self._flag.set()
        with self._lock:
            self._job += 1
            if self._context is not None:
                self._wipe()
                self._context.close()
                self._context = None
            self._model.close()

    def __enter__(self) -> LlamaWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> Model:
        if self._context is None:
            raise ModelError("the model is closed")
        return self._model

    def _read_manifest(self) -> Manifest | None:
        return self._model.manifest() if self._model.string(MANIFEST_KEY) is not None else None

    def _check_kind(self) -> None:
        reads_only = self.manifest is not None and self.manifest.kind != "decoder"
        pointer = self._model.pointer
        if reads_only or not lib.llama_model_has_decoder(pointer) or lib.llama_model_has_encoder(pointer):
            raise ModelError("this model reads texts and cannot write any")

    def _find_template(self) -> Template:
        if self.manifest is not None:
            found = prompts.TEMPLATES.get(self.manifest.template)
            if found is None:
                name = self.manifest.template[:40]
                raise ModelError(f"the model wants a prompt template that this app does not know: {name!r}")
            return found
        name = prompts.family(self._model.string("tokenizer.chat_template") or "")
        if name is None:
            self.note = "the file says nothing of how a conversation is written for it; a plain form is used"
            return prompts.TEMPLATES["alpaca"]
        template = prompts.TEMPLATES[name]
        if name not in prompts.PLAIN and not self._has_control(template):
            self.note = f"the file's chat template is of the kind {name}, but its tokens are not; a plain form is used"
            return prompts.TEMPLATES["alpaca"]
        return template

    def _has_control(self, template: Template) -> bool:
        return all(self._control_ids(part) for part in (template.user, template.assistant, template.end))

    def _control_ids(self, part: str) -> set[int]:
        ids = self._model.tokenise(part, True) if part else []
        return {i for i in ids if lib.llama_vocab_get_attr(self._model.vocab, i) & CONTROL}

    def _limit(self, max_tokens: int) -> int:
        """Return how many tokens may stand before a reply of at most ``max_tokens``."""
        return self.context - max(_LEAST_ROOM, min(max_tokens, self.context // 2))

    def _ids(self, segments: Sequence[Segment]) -> list[int]:
        return prompts.encode(segments, self._open().tokenise)

    def _reflecting(self, entry: str, limit: int) -> list[int]:
        """Return at most ``limit`` ids after which the reflection on ``entry`` comes."""
        *head, text, end = prompts.prefix(entry, self.template)
        asked = [end, *prompts.reflection(self.template)]
        return self._fitted(self._ids(head), self._ids([text]), self._ids(asked), limit)

    def _prompt(self, messages: Sequence[tuple[str, str]], limit: int) -> list[int]:
        kept = list(messages)
        first = 1 if kept and kept[0][0] == "system" else 0
        while True:
            head, last, tail = prompts.conversation(kept, self.template)
            before, entry, after = self._opening(self._ids(head)), self._ids([last]), self._ids(tail)
            if len(before) + len(entry) + len(after) <= limit or len(kept) == first + 1:
                return self._fitted(before, entry, after, limit)
            del kept[first]

    def _fitted(self, before: list[int], entry: list[int], after: list[int], limit: int) -> list[int]:
        room = limit - len(before) - len(after)
        if room < min(_LEAST_ROOM, len(entry)):
            raise ModelError("the model's window leaves no room for the text beside its instruction")
        return before + entry[max(0, len(entry) - room) :] + after

    def _opening(self, ids: list[int]) -> list[int]:
        """Put the token that begins a text before ``ids`` where a foreign file wants it and the template has none."""
        begin = int(lib.llama_vocab_bos(self._model.vocab))
        if self.manifest is None and lib.llama_vocab_get_add_bos(self._model.vocab) and ids[:1] != [begin]:
            return [begin, *ids]
        return ids

    def _start_ids(self) -> list[int]:
        model = self._open()
        if self.template.bos:
            ids = model.tokenise(self.template.bos, True)
            if len(ids) == 1:
                return ids
        return [int(lib.llama_vocab_bos(model.vocab))] if lib.llama_vocab_get_add_bos(model.vocab) else []

    def _clear_for_call(self) -> None:
        """Begin a call under the lock: an unfinished reply ends, an old wish to stop is forgotten."""
        self._open()
        self._job += 1
        self._flag.clear()
        self._wipe()

    def _begin(self) -> int:
        with self._lock:
            self._clear_for_call()
            return self._job

    def _check_job(self, job: int) -> Context:
        if self._context is None or job != self._job:
            raise ModelCancelled("the reply was ended by a newer call")
        return self._context

    def _stream(self, ids: list[int], most: int, draw: dict[str, Any], stop: Sequence[str]) -> Iterator[str]:
        stops = tuple(filter(None, (*stop, *_MORE_STOPS.get(self.template.name, ()))))
        return self._held_back(self._pieces(self._begin(), ids, draw, most), stops)

    def _pieces(self, job: int, ids: list[int], draw: dict[str, Any], most: int) -> Iterator[str]:
        """Yield text as it is drawn. The lock is held for a step, not while the caller looks at a piece."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        position, begun = 0, False
        sampler = Sampler(self._model, **draw)
        try:
            for _ in range(most):
                with self._lock:
                    context = self._check_job(job)
                    self._decode(ids, position)
                    position += len(ids)
                    token = sampler.draw(context)
                    if token in self._ends or self._model.ends(token):
                        return
                    text = decoder.decode(self._model.piece(token))
                # The space that some vocabularies put before every word does not belong before the first.
                text = text if begun else text.lstrip()
                if text:
                    begun = True
                    yield text
                if position >= self.context:
                    return
                ids = [token]
        finally:
            sampler.close()
            with self._lock:
                if job == self._job and self._context is not None:
                    self._wipe()

    def _held_back(self, pieces: Iterator[str], stops: tuple[str, ...]) -> Iterator[str]:
        """Yield ``pieces`` up to the first of ``stops``, keeping back what may become one."""
        waiting = ""
        try:
            for piece in pieces:
                waiting += piece
                cuts = [at for at in (waiting.find(stop) for stop in stops) if at >= 0]
                if cuts:
                    if text := waiting[: min(cuts)]:
                        yield text
                    return
                keep = max((_overlap(waiting, stop) for stop in stops), default=0)
                ready, waiting = waiting[: len(waiting) - keep], waiting[len(waiting) - keep :]
                if ready:
                    yield ready
            if waiting:
                yield waiting
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _decode(self, ids: list[int], position: int) -> None:
        """Read ``ids``, with an output at the last of them."""
        assert self._context is not None
        self._dirty = True
        for start in range(0, len(ids), self._batch.capacity):
            self._flag.check()
            piece = np.asarray(ids[start : start + self._batch.capacity], dtype=np.int32)
            last = start + len(piece) == len(ids)
            self._batch.fill([piece], position=position + start, output_last=last)
            self._context.run(lib.llama_decode, self._batch)

    def _rows(self, ids: list[int], after: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (position in ``ids``, float32 [rows, vocab], a copy) of one sequence read from its beginning.

        With ``after`` the sequence goes on from the first so many tokens of what was read before.
        """
        assert self._context is not None
        self._dirty = True
        if not after:
            lib.llama_memory_clear(self._memory, False)
        elif not lib.llama_memory_seq_rm(self._memory, 0, after, -1):
            raise ModelError("this model cannot go back to the end of a text")
        size = max(1, min(self._batch.capacity, _LOGIT_BYTES // (4 * self.vocab_size)))
        for start in range(0, len(ids), size):
            self._flag.check()
            piece = np.asarray(ids[start : start + size], dtype=np.int32)
            self._batch.fill([piece], position=after + start)
            self._context.run(lib.llama_decode, self._batch)
            pointer = lib.llama_get_logits(self._context.pointer)
            if not pointer:
                raise ModelError("the model gave no scores")
            rows = np.ctypeslib.as_array(pointer, shape=(len(piece), self.vocab_size))
            if not np.isfinite(rows).all():
                raise ModelError("the model gave scores that are no numbers")
            yield start, rows.copy()

    def _wipe(self) -> None:
        if self._dirty:
            self._batch.wipe()
            lib.llama_memory_clear(self._memory, True)
            self._dirty = False


def log_softmax(rows: np.ndarray) -> np.ndarray:
    """Return natural log-probabilities of scores [n, vocab], float32."""
    shifted = rows - rows.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True, dtype=np.float64)).astype(np.float32)


def _overlap(text: str, stop: str) -> int:
    """Return how many of the last characters of ``text`` are the beginning of ``stop``."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
