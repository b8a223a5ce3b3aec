"""llama.cpp's own objects, each behind a small class: a model, a context, a batch, a flag to stop.

Everything goes through the low-level API: the high-level class of the bindings would keep copies of
ids and scores, use all cores and parse control tokens in a person's words. Nothing here knows what
a text is read for; ``llama`` does.
"""

# The bindings annotate C's pointers and buffers more narrowly than ctypes accepts them.
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np

from journal_app.contract.manifest import MANIFEST_KEY, MAX_MANIFEST_BYTES, Manifest, ManifestError
from journal_app.inference.engine import ModelCancelled, ModelError

CONTROL = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_USER_DEFINED
"""Attributes of a token that no typed text may become."""

_EXACT_WIDTH = 1024
_REPEATS = 64
"""How many tokens back a repetition costs, as in llama.cpp's own programs."""

# llama.cpp writes to stderr unless told otherwise; the callback must outlive every call.
_LOG_SINK = lib.llama_log_callback(lambda _level, _text, _data: None)


def start_backend() -> None:
    """Make llama.cpp ready and silent. Safe to call again."""
    lib.llama_log_set(_LOG_SINK, None)
    lib.llama_backend_init()


def check_file(path: Path) -> None:
    """Raise :class:`ModelError` unless the file at ``path`` can be opened and begins like a GGUF."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelError(f"the model file {path.name} cannot be opened: {error.strerror}") from None
    if magic != b"GGUF":
        raise ModelError(f"the file {path.name} is not a GGUF model")


class Model:
    """The weights and the vocabulary of one file, or with ``vocab_only`` what the file says of itself.

    Raises :class:`ModelError` for a file that is missing, no GGUF, or refused by llama.cpp.
    """

    def __init__(self, path: Path, *, vocab_only: bool = False) -> None:
        check_file(path)
        start_backend()
        params = lib.llama_model_default_params()
        params.vocab_only = vocab_only
        params.n_gpu_layers = 0
        params.load_mode = lib.LLAMA_LOAD_MODE_MMAP
        self.pointer: Any = lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self.pointer:
            raise ModelError(f"the model file {path.name} is damaged, or of a kind that this app cannot load")
        self.vocab = lib.llama_model_get_vocab(self.pointer)
        self.vocab_size = lib.llama_vocab_n_tokens(self.vocab)
        self._pieces: dict[bytes, int] | None = None

    def string(self, key: str, limit: int = MAX_MANIFEST_BYTES) -> str | None:
        """Return a string of the metadata, or None; raise :class:`ModelError` if it has over ``limit`` bytes."""
        name = key.encode()
        size = lib.llama_model_meta_val_str(self.pointer, name, ctypes.create_string_buffer(1), 1)
        if size < 0:
            return None
        if size > limit:
            raise ModelError("the model's description of itself is too large")
        buffer = ctypes.create_string_buffer(size + 1)
        lib.llama_model_meta_val_str(self.pointer, name, buffer, size + 1)
        return buffer.value.decode("utf-8", "replace")

    def manifest(self) -> Manifest:
        """Return the manifest; raise :class:`ModelError` if there is none that fits the contract."""
        raw = self.string(MANIFEST_KEY)
        if raw is None:
            raise ModelError("this model says nothing of how to read a journal with it, so it cannot be used here")
        try:
            return Manifest.from_json(raw)
        except ManifestError as error:
            raise ModelError(str(error)) from None

    def tokenise(self, text: str, control: bool, *, guard: bool = True) -> list[int]:
        """Return the ids of ``text``; control tokens are recognised only where ``control`` is true.

        llama.cpp finds "user-defined" tokens even in plain text. With ``guard`` a data text that
        holds one is cut inside it, so that it becomes the ordinary pieces that its letters are.
        """
        ids = self._tokenise(text.encode("utf-8", "replace"), control)
        if control or not guard or not (found := self._named(ids)):
            return ids
        # Cut after the first character of every occurrence; what is left on either side is checked again.
        inside = "|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in found if len(name) > 1)
        parts = re.split(inside, text) if inside else [text]
        if len(parts) == 1:
            raise ModelError("the model cannot tell its control tokens from a person's words")
        return [token for part in parts for token in self.tokenise(part, False)]

    def _named(self, ids: list[int]) -> set[str]:
        """Return the texts of the control or user-defined tokens among ``ids``, runs of spaces excepted."""
        names = set()
        for token in set(ids):
            if lib.llama_vocab_get_attr(self.vocab, token) & CONTROL:
                names.add((lib.llama_vocab_get_text(self.vocab, token) or b"").decode("utf-8", "replace"))
        return {name for name in names if name.strip()}

    def _tokenise(self, data: bytes, control: bool) -> list[int]:
        room = len(data) + 8
        ids = (lib.llama_token * room)()
        count = lib.llama_tokenize(self.vocab, data, len(data), ids, room, False, control)
        if count < 0:
            raise ModelError("the text could not be split into tokens")
        result = list(ids[:count])
        ctypes.memset(ids, 0, ctypes.sizeof(ids))
        return result

    def piece(self, token: int) -> bytes:
        """Return the bytes that ``token`` stands for, which may be part of a character; control tokens have none."""
        buffer = ctypes.create_string_buffer(64)
        size = lib.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, False)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = lib.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(size, 0)]

    def ends(self, token: int) -> bool:
        """Tell whether ``token`` ends a turn or the text."""
        return bool(lib.llama_vocab_is_eog(self.vocab, token))

    def word_token(self, word: str) -> int | None:
        """Return the one token that stands for ``word`` (with its leading space), or None.

        SentencePiece vocabularies write a leading space as U+2581 and put one of their own before any text, so
        that " yes" becomes two pieces; the label that training used is the piece with the one space.
        """
        ids = self.tokenise(word, False)
        if len(ids) != 1:
            bare = word.strip()
            found = self._piece_token(f"\u2581{bare}")
            ids = self.tokenise(bare, False) if found is None else [found]
        return ids[0] if len(ids) == 1 else None

    def _piece_token(self, text: str) -> int | None:
        if self._pieces is None:
            ids = range(self.vocab_size)
            unknown = [bool(lib.llama_vocab_get_attr(self.vocab, i) & lib.LLAMA_TOKEN_ATTR_UNKNOWN) for i in ids]
            self._pieces = {lib.llama_vocab_get_text(self.vocab, i): i for i in ids if not unknown[i]}
        return self._pieces.get(text.encode())

    def cache_precision(self) -> dict[str, int]:
        """Return fields for a :class:`Context`: a small model keeps its keys and values in 32 bits.

        It can afford them, and its logits stay exact to 1e-2.
        """
        if lib.llama_model_n_embd(self.pointer) > _EXACT_WIDTH:
            return {}
        return {
            "type_k": lib.GGML_TYPE_F32,
            "type_v": lib.GGML_TYPE_F32,
            "flash_attn_type": lib.LLAMA_FLASH_ATTN_TYPE_DISABLED,
        }

    def close(self) -> None:
        """Free the model. Safe to call twice; every context over it must be closed first."""
        if self.pointer:
            lib.llama_model_free(self.pointer)
            self.pointer = None


class Context:
    """One llama.cpp context and the flag that stops it; ``fields`` are set on llama.cpp's parameters.

    Not thread-safe. Raises :class:`ModelError` where memory does not suffice.
    """

    def __init__(self, model: Model, threads: int, flag: AbortFlag, **fields: Any) -> None:
        params = lib.llama_context_default_params()
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.offload_kqv = params.op_offload = False
        params.no_perf = True
        for name, value in fields.items():
            setattr(params, name, value)
        self._flag = flag
        self.pointer: Any = lib.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise ModelError("there is not enough memory for the model")
        lib.llama_set_abort_callback(self.pointer, flag.callback, flag.data)

    def adapt(self, model: Model, path: Path) -> None:
        """Put the LoRA adapter of the GGUF at ``path`` on top of the weights, in full.

        It is freed with the model. Raises :class:`ModelError` for one that does not fit the model.
        """
        check_file(path)
        adapter = lib.llama_adapter_lora_init(model.pointer, os.fsencode(path))
        if not adapter:
            raise ModelError(f"the adapter {path.name} is damaged, or was made for another model")
        adapters = (lib.llama_adapter_lora_p_ctypes * 1)(adapter)
        scales = (ctypes.c_float * 1)(1.0)
        if lib.llama_set_adapters_lora(self.pointer, adapters, 1, scales) != 0:
            raise ModelError(f"the adapter {path.name} could not be put on the model")

    def run(self, function: Any, batch: Batch) -> None:
        """Encode or decode ``batch``; raise :class:`ModelCancelled` or :class:`ModelError`."""
        code = function(self.pointer, batch.struct)
        self._flag.check()
        if code != 0:
            raise ModelError(f"the model stopped with code {code}")

    def close(self) -> None:
        """Free the context. Safe to call twice."""
        if self.pointer:
            lib.llama_free(self.pointer)
            self.pointer = None


class Batch:
    """A ``llama_batch`` over numpy arrays, filled without a Python loop over tokens."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._token = np.zeros(capacity, dtype=np.int32)
        self._position = np.zeros(capacity, dtype=np.int32)
        self._count = np.ones(capacity, dtype=np.int32)
        self._sequence = np.zeros(capacity, dtype=np.int32)
        self._output = np.zeros(capacity, dtype=np.int8)
        # One pointer per token, each to its own sequence id.
        step = np.arange(capacity, dtype=np.uintp) * self._sequence.itemsize
        self._pointers = (step + self._sequence.ctypes.data).astype(np.uintp)
        self.struct = lib.llama_batch()
        self.struct.n_tokens = 0
        for name, array in (
            ("token", self._token),
            ("pos", self._position),
            ("n_seq_id", self._count),
            ("seq_id", self._pointers),
            ("logits", self._output),
        ):
            kind = dict(lib.llama_batch._fields_)[name]
            setattr(self.struct, name, ctypes.cast(array.ctypes.data, kind))

    def fill(self, sequences: list[np.ndarray], *, position: int = 0, output_last: bool | None = None) -> None:
        """Lay out ``sequences`` of ids side by side.

        ``output_last`` None asks for an output at every token (pooling), otherwise for one at
        the last token or for none.
        """
        total = 0
        for index, ids in enumerate(sequences):
            end = total + len(ids)
            self._token[total:end] = ids
            self._position[total:end] = np.arange(position, position + len(ids))
            self._sequence[total:end] = index
            total = end
        self._output[:total] = output_last is None
        if output_last:
            self._output[total - 1] = 1
        self.struct.n_tokens = total

    def wipe(self) -> None:
        """Overwrite the ids of the last text."""
        self._token[:] = 0


class Sampler:
    """llama.cpp's sampler chain: repeat penalty, then top-p, temperature and a draw; with temperature 0 the best.

    The same seed draws the same tokens from the same scores. Not thread-safe.
    """

    def __init__(self, model: Model, *, temperature: float, top_p: float, repeat_penalty: float, seed: int) -> None:
        self.pointer: Any = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        steps = [lib.llama_sampler_init_penalties(model.vocab_size, _REPEATS, repeat_penalty, 0.0, 0.0)]
        if temperature > 0:
            steps += [
                lib.llama_sampler_init_top_p(top_p, 1),
                lib.llama_sampler_init_temp(temperature),
                lib.llama_sampler_init_dist(seed & 0xFFFFFFFF),
            ]
        else:
            steps.append(lib.llama_sampler_init_greedy())
        for step in steps:
            lib.llama_sampler_chain_add(self.pointer, step)

    def draw(self, context: Context) -> int:
        """Return the next token after the last one decoded, and remember it for the penalty."""
        return int(lib.llama_sampler_sample(self.pointer, context.pointer, -1))

    def close(self) -> None:
        """Free the chain and what it remembers. Safe to call twice."""
        if self.pointer:
            lib.llama_sampler_free(self.pointer)
            self.pointer = None


class AbortFlag:
    """A flag that llama.cpp looks at between operations, without Python in between.

    llama.cpp asks ``bool callback(void *)`` after every operation. A Python callback would have to
    wait for the interpreter's lock each time, so C's own ``strlen`` serves: over a buffer of one
    byte and a terminator it returns 0 while the byte is 0, and 1 once it is set.
    """

    def __init__(self) -> None:
        self._buffer = ctypes.create_string_buffer(2)
        self._libc = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
        self.callback = lib.ggml_abort_callback(ctypes.cast(self._libc.strlen, ctypes.c_void_p).value)
        self.data = ctypes.addressof(self._buffer)

    def set(self) -> None:
        """Ask for the work in progress to end; from any thread."""
        self._buffer[0] = b"\x01"

    def clear(self) -> None:
        """Forget an earlier wish to stop."""
        self._buffer[0] = b"\x00"

    def check(self) -> None:
        """Raise :class:`ModelCancelled` if the flag is set."""
        if self._buffer[0] != b"\x00":
            raise ModelCancelled("reading was stopped")
