"""llama.cpp behind the ``Reader`` protocol; with ``native`` the only module that imports ``llama_cpp``.

Owns two backends: an *encoder* whose heads sit in the GGUF's metadata, and a *decoder* that scores
the label token after a task's question. What they are made of is in ``native``.

A context is not thread-safe: one lock, one call at a time. Nothing derived from a text outlives
the call (ids and the attention cache are overwritten), and no error message holds any of it.
"""

# The bindings annotate C's pointers and buffers more narrowly than ctypes accepts them.
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import bisect
import ctypes
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import llama_cpp.llama_cpp as lib
import numpy as np

from journal_app.contract import prompts
from journal_app.contract.manifest import (
    HEADS_KEY,
    NGRAMS_KEY,
    Manifest,
    ManifestError,
    heads_from_json,
    vector_head,
)
from journal_app.contract.tasks import TASKS
from journal_app.inference import machine, scoring
from journal_app.inference import text as plain
from journal_app.inference.engine import ModelError, ModelInfo, Reading, SentenceScores
from journal_app.inference.native import CONTROL, AbortFlag, Batch, Context, Model, check_file, start_backend
from journal_app.inference.ngrams import MAX_PACKED_BYTES, NGrams
from journal_app.inference.wordpiece import WordPiece

MAX_SENTENCES = 200
"""Evidence is given for at most this many spans; longer texts get neighbours merged."""

_DECODER_SENTENCES = 40
_DECODER_EVIDENCE = ("stress", "depression", "suicidality", "feelings")
_OTHER_SCRIPTS = ("ko", "zh", "ja")
_BATCH_TOKENS = 512
_BATCH_SEQUENCES = 64
_WPM_VOCABULARY = 3
_NOT_TEXT = lib.LLAMA_TOKEN_ATTR_UNKNOWN | lib.LLAMA_TOKEN_ATTR_UNUSED | lib.LLAMA_TOKEN_ATTR_CONTROL
_FTYPES = {
    "f16": lib.LLAMA_FTYPE_MOSTLY_F16,
    "q8_0": lib.LLAMA_FTYPE_MOSTLY_Q8_0,
    "q6_k": lib.LLAMA_FTYPE_MOSTLY_Q6_K,
    "q5_k_m": lib.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    "q4_k_m": lib.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "q4_0": lib.LLAMA_FTYPE_MOSTLY_Q4_0,
    "iq4_nl": lib.LLAMA_FTYPE_MOSTLY_IQ4_NL,
}

FILE_TYPES: tuple[str, ...] = tuple(name.upper() for name in _FTYPES)
"""What :func:`quantize` can write, by llama.cpp's names."""


def default_threads() -> int:
    """Return how many threads a model uses here unless told otherwise; see ``machine.threads``."""
    return machine.threads(sleeping=b"OPENMP = 1" in lib.llama_print_system_info() and machine.openmp_sleeps())


def describe(path: Path) -> ModelInfo:
    """Return what the GGUF at ``path`` says of itself, without loading its weights.

    Raises :class:`ModelError` for a file that is missing, no GGUF, or without a valid manifest.
    """
    model = Model(path, vocab_only=True)
    try:
        return ModelInfo(model.manifest(), sha256_of(path), path.name, path.stat().st_size)
    finally:
        model.close()


def quantize(src: Path, dst: Path, ftype: str) -> None:
    """Write ``src`` to ``dst`` as one of :data:`FILE_TYPES` (lower case); metadata is kept.

    Raises :class:`ModelError` for an unknown type or if llama.cpp refuses the file.
    """
    if ftype not in _FTYPES:
        raise ModelError(f"unknown quantisation {ftype!r}; known: {', '.join(sorted(_FTYPES))}")
    check_file(src)
    start_backend()
    params = lib.llama_model_quantize_default_params()
    params.ftype = _FTYPES[ftype]
    params.nthread = default_threads()
    if lib.llama_model_quantize(os.fsencode(src), os.fsencode(dst), ctypes.byref(params)) != 0:
        raise ModelError(f"the model {src.name} could not be quantised to {ftype}")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the file at ``path``, hex; raise :class:`ModelError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"the model file {path.name} cannot be read: {error.strerror}") from None


class LlamaReader:
    """A reader in this process, for encoder and decoder GGUFs that follow the contract.

    Args:
        path: the GGUF.
        threads: how many to use; None for :func:`default_threads`.
        sha256: if given, the file must have it; checked before anything of it is loaded.

    Raises :class:`ModelError` if the file cannot be used.
    """

    def __init__(self, path: Path, *, threads: int | None = None, sha256: str | None = None) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._flag = AbortFlag()
        self._sha256 = ""
        if sha256 is not None:
            self._sha256 = sha256_of(self._path)
            if self._sha256 != sha256.lower():
                raise ModelError(f"the model file {self._path.name} is not the one that was checked; it may be damaged")
        self._model = Model(self._path)
        self._backend: _Encoder | _Decoder | None = None
        try:
            manifest = self._model.manifest()
            kind = _Encoder if manifest.kind == "encoder" else _Decoder
            self._backend = kind(self._model, manifest, threads or default_threads(), self._flag)
        except BaseException:
            self._model.close()
            raise

    def info(self) -> ModelInfo:
        """Return what is known of the model; the checksum of the file is computed once."""
        if not self._sha256:
            self._sha256 = sha256_of(self._path)
        return ModelInfo(self._open().manifest, self._sha256, self._path.name, self._path.stat().st_size)

    def read(self, texts: Sequence[str], *, evidence: bool = True) -> list[Reading]:
        """Read each text by itself, in order; see :class:`engine.Reader`."""
        with self._lock:
            backend = self._open()
            self._flag.clear()
            try:
                return backend.read(list(texts), evidence)
            finally:
                backend.wipe()

    def logits(self, texts: Sequence[str], *, truncate: bool = True) -> list[dict[str, np.ndarray]]:
        """Return uncalibrated logits, per text {task: float32 [labels]}; any language is read.

        With ``truncate`` the encoder reads one window of a text, as in training; otherwise its windows are joined
        as a reading joins them, see :func:`scoring.combine_logits`.
        """
        with self._lock:
            backend = self._open()
            self._flag.clear()
            try:
                return backend.logits(list(texts), truncate)
            finally:
                backend.wipe()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return mean-pooled embeddings, float32 [texts, width], not normalised, one window each.

        Raises :class:`ModelError` for a decoder, which has none.
        """
        return self._encoded(lambda backend: backend.embed(list(texts)))

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return the unit vectors for "similar entries", float32 [texts, width], one window each; see :meth:`embed`."""
        return self._encoded(lambda backend: backend.vectors(list(texts)))

    def _encoded(self, work: Callable[[_Encoder], np.ndarray]) -> np.ndarray:
        with self._lock:
            backend = self._open()
            if not isinstance(backend, _Encoder):
                raise ModelError("this model gives no embeddings")
            self._flag.clear()
            try:
                return work(backend)
            finally:
                backend.wipe()

    def token_ids(self, text: str) -> list[int]:
        """Return the ids that stand for ``text`` as data, without control ids around it."""
        return [int(i) for i in self._open().token_ids(text)]

    def windows(self, text: str) -> int:
        """Return in how many windows ``text`` is read."""
        backend = self._open()
        return len(backend.cut(text))

    def cancel(self) -> None:
        """Stop the call in progress, from any thread; harmless when there is none."""
        self._flag.set()

    def close(self) -> None:
        """Free the model and everything derived from text. Safe to call twice."""
        self._flag.set()
        with self._lock:
            if self._backend is not None:
                self._backend.close()
                self._backend = None
            self._model.close()

    def __enter__(self) -> LlamaReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> _Encoder | _Decoder:
        if self._backend is None:
            raise ModelError("the model is closed")
        return self._backend


class _Encoder:
    """A ``bert`` model; heads over its mean-pooled embedding, and beside them perhaps a model over n-grams."""

    def __init__(self, model: Model, manifest: Manifest, threads: int, flag: AbortFlag) -> None:
        self.manifest = manifest
        if lib.llama_vocab_type(model.vocab) != _WPM_VOCABULARY:
            raise ModelError("the model is called an encoder but has no word-piece vocabulary")
        self._width = lib.llama_model_n_embd(model.pointer)
        self._limit = min(manifest.max_tokens, lib.llama_model_n_ctx_train(model.pointer))
        self._flag = flag
        self._pieces = _word_pieces(model)
        self._slices: dict[str, slice] = {}
        self._to_vector: tuple[np.ndarray, np.ndarray] | None = None
        self._weight, self._bias = self._stack(model)
        self._ngrams = self._beside(model)
        capacity = max(_BATCH_TOKENS, self._limit)
        self._batch = Batch(capacity)
        self._context = Context(
            model,
            threads,
            flag,
            n_ctx=capacity,
            n_batch=capacity,
            n_ubatch=capacity,
            n_seq_max=_BATCH_SEQUENCES,
            kv_unified=True,
            embeddings=True,
            pooling_type=lib.LLAMA_POOLING_TYPE_MEAN,
        )

    def _stack(self, model: Model) -> tuple[np.ndarray, np.ndarray]:
        """Put all heads into one matrix, so that a text costs one product whatever the tasks."""
        raw = model.string(HEADS_KEY)
        if raw is None:
            raise ModelError("the model has no heads")
        try:
            heads = heads_from_json(raw, self.manifest, self._width)
            vector = vector_head(raw, self._width)
        except ManifestError as error:
            raise ModelError(str(error)) from None
        if vector is not None:
            weight = np.array(vector.weight, dtype=np.float32).reshape(self._width, self._width)
            self._to_vector = (weight, np.array(vector.bias, dtype=np.float32))
        weights, biases, start = [], [], 0
        for name, head in heads.items():
            labels = len(head.bias)
            weights.append(np.array(head.weight, dtype=np.float32).reshape(labels, self._width))
            biases.append(np.array(head.bias, dtype=np.float32))
            self._slices[name] = slice(start, start + labels)
            start += labels
        if not weights:
            raise ModelError("the model reads no task")
        return np.concatenate(weights), np.concatenate(biases)

    def _beside(self, model: Model) -> NGrams | None:
        raw = model.string(NGRAMS_KEY, MAX_PACKED_BYTES)
        if raw is None:
            return None
        try:
            return NGrams.from_string(raw, self.manifest.tasks)
        except ManifestError as error:
            raise ModelError(str(error)) from None

    def read(self, texts: list[str], evidence: bool) -> list[Reading]:
        return [self._read_one(text, evidence) for text in texts]

    def _read_one(self, text: str, evidence: bool) -> Reading:
        began = time.perf_counter()
        language = plain.language(text)
        reading = Reading(False, language, words=plain.words(text))
        if language not in self.manifest.languages or not reading.words:
            return reading
        ids, offsets = self._pieces.encode(text)
        if not len(ids):
            return reading
        starts = [start for start, _ in offsets]
        spans = plain.sentences(text)
        windows = [self._pieces.frame(ids[a:b]) for a, b in scoring.windows(starts, spans, self._limit - 2)]
        pooled = self._pool_each(windows)
        tasks = scoring.scores(self.manifest, self._by_task(self._logits(pooled), text))
        return replace(
            reading,
            readable=True,
            tasks=tasks,
            sentences=tuple(self._evidence(text, ids, starts, spans, tasks)) if evidence else (),
            vector=self._vector(pooled),
            tokens=sum(map(len, windows)),
            seconds=time.perf_counter() - began,
        )

    def _evidence(
        self,
        text: str,
        ids: np.ndarray,
        starts: list[int],
        spans: list[tuple[int, int]],
        whole: dict[str, dict[str, float]],
    ) -> Iterator[SentenceScores]:
        """Yield the scores of every sentence, read as sequences of one batch.

        A sentence in a script that the model never learned is left out of a text that it reads.
        """
        kept: list[tuple[int, int]] = []
        jobs: list[np.ndarray] = []
        for start, end in scoring.merge(spans, MAX_SENTENCES):
            piece = ids[bisect.bisect_left(starts, start) : bisect.bisect_left(starts, end)]
            language = plain.language(text[start:end])
            if len(piece) and (language in self.manifest.languages or language not in _OTHER_SCRIPTS):
                kept.append((start, end))
                jobs.append(self._pieces.frame(piece[: self._limit - 2]))
        if len(jobs) == 1 and len(jobs[0]) == len(ids) + 2:
            # The text is one sentence; what was read of the one holds for the other.
            yield SentenceScores(*kept[0], whole)
            return
        logits = self._logits(self._pool(jobs))
        for index, span in enumerate(kept):
            found = self._by_task(logits[index : index + 1], text[slice(*span)])
            yield SentenceScores(*span, scoring.scores(self.manifest, found))

    def logits(self, texts: list[str], truncate: bool) -> list[dict[str, np.ndarray]]:
        results: list[dict[str, np.ndarray]] = []
        for text in texts:
            windows = [self._pieces.ids(text, self._limit)] if truncate else self.cut(text)
            values = self._by_task(self._logits(self._pool_each(windows)), text)
            results.append({name: scoring.combine_logits(name, logits) for name, logits in values.items()})
        return results

    def cut(self, text: str) -> list[np.ndarray]:
        ids, offsets = self._pieces.encode(text)
        ranges = scoring.windows([start for start, _ in offsets], plain.sentences(text), self._limit - 2)
        return [self._pieces.frame(ids[a:b]) for a, b in ranges]

    def embed(self, texts: list[str]) -> np.ndarray:
        return self._pool_each([self._pieces.ids(text, self._limit) for text in texts])

    def vectors(self, texts: list[str]) -> np.ndarray:
        result = self.embed(texts)
        for row in result:
            row[:] = self._vector(row[None]) or 0.0
        return result

    def _vector(self, pooled: np.ndarray) -> tuple[float, ...]:
        mean = _mean(pooled)
        if self._to_vector is not None:
            weight, bias = self._to_vector
            mean = scoring.finite(weight @ mean + bias)
        return _unit(mean)

    def token_ids(self, text: str) -> np.ndarray:
        return self._pieces.encode(text)[0]

    def _logits(self, pooled: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return scoring.finite(pooled @ self._weight.T + self._bias)

    def _by_task(self, logits: np.ndarray, text: str) -> dict[str, np.ndarray]:
        """Return task -> logits [windows, labels] of the windows of ``text``; n-grams are counted over all of it."""
        result = {name: logits[:, part] for name, part in self._slices.items()}
        if self._ngrams is not None:
            for name, added in self._ngrams.logits(text).items():
                result[name] = scoring.finite(result[name] + added)
        return result

    def _pool_each(self, jobs: list[np.ndarray]) -> np.ndarray:
        """Return the mean-pooled embeddings [jobs, width], each sequence in a pass of its own.

        Which sequences share a pass changes the last bits of a sum and so, in a quantised model,
        how activations are rounded. What a person sees of a text must not depend on that.
        """
        return np.concatenate([np.empty((0, self._width), np.float32), *(self._pool([job]) for job in jobs)])

    def _pool(self, jobs: list[np.ndarray]) -> np.ndarray:
        """Return the mean-pooled embeddings [jobs, width] of sequences of ids, as few passes as they fit in."""
        result = np.empty((len(jobs), self._width), dtype=np.float32)
        # Sequences of a like length share a batch, so that the last one is not nearly empty.
        order = sorted(range(len(jobs)), key=lambda i: -len(jobs[i]))
        batch: list[int] = []
        filled = 0
        for index in order:
            if batch and (filled + len(jobs[index]) > self._batch.capacity or len(batch) == _BATCH_SEQUENCES):
                self._encode(jobs, batch, result)
                batch, filled = [], 0
            batch.append(index)
            filled += len(jobs[index])
        if batch:
            self._encode(jobs, batch, result)
        return scoring.finite(result)

    def _encode(self, jobs: list[np.ndarray], batch: list[int], result: np.ndarray) -> None:
        self._flag.check()
        self._batch.fill([jobs[index] for index in batch])
        self._context.run(lib.llama_encode, self._batch)
        for sequence, index in enumerate(batch):
            pointer = lib.llama_get_embeddings_seq(self._context.pointer, sequence)
            if not pointer:
                raise ModelError("the model gave no embedding")
            result[index] = np.ctypeslib.as_array(pointer, shape=(self._width,))

    def wipe(self) -> None:
        self._batch.wipe()

    def close(self) -> None:
        self._batch.wipe()
        self._context.close()


class _Decoder:
    """A causal model; each task's label is one token after its question.

    The prefix (system and entry) is read once; for each task the cache is cut back to it and only
    the question is read, which gives the very logits that the whole prompt would.
    """

    def __init__(self, model: Model, manifest: Manifest, threads: int, flag: AbortFlag) -> None:
        self.manifest = manifest
        if manifest.template not in prompts.TEMPLATES:
            raise ModelError(
                f"the model wants a prompt template that this app does not know: {manifest.template[:40]!r}"
            )
        if lib.llama_model_is_recurrent(model.pointer) or lib.llama_model_is_hybrid(model.pointer):
            raise ModelError("models with recurrent layers cannot be used")
        if not manifest.tasks:
            raise ModelError("the model reads no task")
        self._template = prompts.TEMPLATES[manifest.template]
        self._model = model
        self._flag = flag
        self._check_control()
        self._labels = {name: self._label_tokens(name) for name in manifest.tasks}
        self._questions = {
            name: prompts.encode(prompts.question(TASKS[name], self._template), model.tokenise)
            for name in manifest.tasks
        }
        self._size = min(manifest.max_tokens, lib.llama_model_n_ctx_train(model.pointer))
        # Two spare positions: an entry cut elsewhere may join into a token more or less.
        overhead = len(self._prefix("")) + max(map(len, self._questions.values())) + 2
        self._room = self._size - overhead
        if self._room < 8:
            raise ModelError("the model's window is too short for the questions")
        self._batch = Batch(min(_BATCH_TOKENS, self._size))
        self._context = Context(
            model,
            threads,
            flag,
            n_ctx=self._size,
            n_batch=self._batch.capacity,
            n_ubatch=self._batch.capacity,
            n_seq_max=1,
            embeddings=False,
            **model.cache_precision(),
        )
        self._memory = lib.llama_get_memory(self._context.pointer)

    def _check_control(self) -> None:
        """Make sure that the vocabulary has the template's control tokens and that no typed text yields one."""
        template = self._template
        for part in filter(None, (template.bos, template.system, template.user, template.assistant, template.end)):
            control = {
                token
                for token in self._model.tokenise(part, True)
                if lib.llama_vocab_get_attr(self._model.vocab, token) & CONTROL
            }
            if not control and template.name not in prompts.PLAIN:
                raise ModelError("the model's vocabulary lacks the control tokens of its prompt template")
            if control & set(self._model.tokenise(part, False, guard=False)):
                raise ModelError("the model cannot tell its control tokens from a person's words")

    def _label_tokens(self, name: str) -> np.ndarray:
        task = TASKS[name]
        ids: list[int] = []
        for label in self.manifest.tasks[name]:
            token = self._model.word_token(task.verbalisers[task.index(label)])
            if token is None:
                raise ModelError(f"the model's vocabulary has no single token for {name}: {label}")
            ids.append(token)
        if len(set(ids)) != len(ids):
            raise ModelError(f"two labels of {name} share a token")
        return np.asarray(ids)

    def _prefix(self, entry: str) -> list[int]:
        return prompts.encode(prompts.prefix(entry, self._template), self._model.tokenise)

    def read(self, texts: list[str], evidence: bool) -> list[Reading]:
        return [self._read_one(text, evidence) for text in texts]

    def _read_one(self, text: str, evidence: bool) -> Reading:
        began = time.perf_counter()
        language = plain.language(text)
        reading = Reading(False, language, words=plain.words(text))
        if language not in self.manifest.languages or not reading.words:
            return reading
        parts = self.cut(text)
        rows = [self._score(part, tuple(self.manifest.tasks)) for part in parts]
        tasks = scoring.scores(self.manifest, _stacked(rows))
        sentences: list[SentenceScores] = []
        wanted = tuple(name for name in _DECODER_EVIDENCE if name in self.manifest.tasks)
        if evidence and wanted:
            for start, end in scoring.merge(plain.sentences(text), _DECODER_SENTENCES):
                # Sentences cost a pass each here; a long entry's are joined into fewer.
                row = self._score(self.cut(text[start:end])[0], wanted)
                sentences.append(SentenceScores(start, end, scoring.scores(self.manifest, _stacked([row]))))
        return replace(
            reading,
            readable=True,
            tasks=tasks,
            sentences=tuple(sentences),
            tokens=sum(len(self._model.tokenise(part, False)) for part in parts),
            seconds=time.perf_counter() - began,
        )

    def logits(self, texts: list[str], truncate: bool) -> list[dict[str, np.ndarray]]:
        results: list[dict[str, np.ndarray]] = []
        for text in texts:
            parts = self.cut(text)[: 1 if truncate else None]
            rows = [self._score(part, tuple(self.manifest.tasks)) for part in parts]
            results.append({name: scoring.combine_logits(name, values) for name, values in _stacked(rows).items()})
        return results

    def token_ids(self, text: str) -> list[int]:
        return self._model.tokenise(text, False)

    def _count(self, text: str) -> int:
        return len(self._model.tokenise(text, False))

    def cut(self, text: str) -> list[str]:
        """Split ``text`` at sentences into parts whose tokens fit behind the system turn."""
        if self._count(text) <= self._room:
            return [text]
        pieces: list[tuple[int, int]] = []
        for span in plain.sentences(text) or [(0, len(text))]:
            pieces += self._cut(text, *span)
        sizes = [self._count(text[a:b]) + 2 for a, b in pieces]
        groups = scoring.pack(sizes, self._room)
        parts: list[str] = []
        for first, last in groups:
            start, end = pieces[first][0], pieces[last - 1][1]
            # Signs between sentences (list markers) may add tokens that no piece counted.
            parts += [text[a:b] for a, b in self._cut(text, start, end)]
        return parts

    def _cut(self, text: str, start: int, end: int) -> list[tuple[int, int]]:
        """Halve ``text[start:end]``, at a space where there is one, until every part fits."""
        if end - start <= 1 or self._count(text[start:end]) <= self._room:
            return [(start, end)]
        middle = (start + end) // 2
        space = text.rfind(" ", start + 1, middle)
        middle = space if space > start + (middle - start) // 2 else middle
        return self._cut(text, start, middle) + self._cut(text, middle, end)

    def _score(self, entry: str, tasks: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return the label logits {task: float32 [labels]} for an entry that fits the window."""
        lib.llama_memory_clear(self._memory, False)
        prefix = self._prefix(entry)
        self._decode(prefix, 0, False)
        values: dict[str, np.ndarray] = {}
        for name in tasks:
            if not lib.llama_memory_seq_rm(self._memory, 0, len(prefix), -1):
                raise ModelError("the model's cache cannot be cut back")
            self._decode(self._questions[name], len(prefix), True)
            pointer = lib.llama_get_logits_ith(self._context.pointer, -1)
            if not pointer:
                raise ModelError("the model gave no scores")
            # Copied (by the index) before the next decode reuses the buffer.
            every = np.ctypeslib.as_array(pointer, shape=(self._model.vocab_size,))
            values[name] = scoring.finite(every[self._labels[name]])
        return values

    def _decode(self, ids: list[int], position: int, output: bool) -> None:
        for start in range(0, len(ids), self._batch.capacity):
            self._flag.check()
            piece = np.asarray(ids[start : start + self._batch.capacity], dtype=np.int32)
            last = output and start + len(piece) == len(ids)
            self._batch.fill([piece], position=position + start, output_last=last)
            self._context.run(lib.llama_decode, self._batch)

    def wipe(self) -> None:
        self._batch.wipe()
        lib.llama_memory_clear(self._memory, True)

    def close(self) -> None:
        self.wipe()
        self._context.close()


def _word_pieces(model: Model) -> WordPiece:
    ids = range(model.vocab_size)
    texts = [(lib.llama_vocab_get_text(model.vocab, i) or b"").decode("utf-8", "replace") for i in ids]
    control = [bool(lib.llama_vocab_get_attr(model.vocab, i) & _NOT_TEXT) for i in ids]
    try:
        return WordPiece.from_gguf(texts, control)
    except ValueError as error:
        raise ModelError(f"the model's vocabulary cannot be used: {error}") from None


def _stacked(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _mean(rows: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return scoring.finite(rows.mean(axis=0))


def _unit(vector: np.ndarray) -> tuple[float, ...]:
    with np.errstate(over="ignore"):
        norm = float(scoring.finite(np.linalg.norm(vector)))
    return tuple(map(float, vector / norm)) if norm > 0 else ()
