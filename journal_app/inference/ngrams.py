"""A linear model over words and letters that stands beside an encoder's heads.

A small encoder reads what a text means and misses how it is worded: spelling, endings, set phrases.
A linear model over hashed n-grams sees just that, costs about a millisecond a page and errs elsewhere, so
the sum of both logits is better than either (measured on the model card). This module owns the features,
which training and reading share, and the packed form in the GGUF's metadata.

Features of a text, lower case and NFKC: words and pairs of neighbouring words; and within each word,
with a space before and after it, runs of 2 to 5 characters. Each kind is hashed into buckets of its own
(feature hashing, Weinberger et al. 2009), counted as ``1 + ln(count)``, weighed by the inverse document
frequency of the train texts and scaled to unit length, as in TF-IDF.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from journal_app.contract.manifest import ManifestError
from journal_app.contract.tasks import TASKS

WORD_BITS, CHARACTER_BITS = 17, 18
WORD_BUCKETS, CHARACTER_BUCKETS = 1 << WORD_BITS, 1 << CHARACTER_BITS
BUCKETS = WORD_BUCKETS + CHARACTER_BUCKETS
"""Words and pairs lie in the first ``WORD_BUCKETS``, runs of characters behind them."""
LONGEST_RUN = 5
MAX_PACKED_BYTES = 12_000_000
"""A packed model longer than this is refused unread."""
MAX_OUTPUTS = 64
MAX_CHARACTERS = 200_000
"""Of a longer text this much is looked at, so that a huge paste costs no more than a long entry."""
IDF_STEP = 1 / 16
"""Document frequencies are kept as bytes: the inverse one in steps of this, 0 for a bucket never met."""

_WORD = re.compile(r"\w+")
_SEED = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def features(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the buckets of ``text``, int64 ascending, and how often each occurs, int64."""
    # Cut twice: some characters become a dozen when they are normalised.
    clean = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).lower()[:MAX_CHARACTERS]
    if not clean.strip():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    words = [zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in _WORD.findall(clean)]
    single = np.array(words, dtype=np.uint64)
    with np.errstate(over="ignore"):
        pairs = single[:-1] * _SEED + single[1:]
        found = [_mixed(single) >> np.uint64(64 - WORD_BITS), _mixed(pairs) >> np.uint64(64 - WORD_BITS)]
        found += _runs(clean.split())
    return np.unique(np.concatenate(found).astype(np.int64), return_counts=True)


def _runs(words: Sequence[str]) -> list[np.ndarray]:
    """Return the buckets of runs of 2 to ``LONGEST_RUN`` characters that stay within a word and its two spaces."""
    sizes = np.array([len(word) + 2 for word in words])
    line = "".join(f" {word} " for word in words)
    codes = np.frombuffer(line.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    left = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(codes))  # characters to the end of the word
    rolled, result = codes + np.uint64(1), []
    for length in range(2, LONGEST_RUN + 1):
        rolled = rolled[:-1] * _SEED + codes[length - 1 :]
        inside = rolled[left[: len(rolled)] >= length]
        result.append((_mixed(inside) >> np.uint64(64 - CHARACTER_BITS)) + np.uint64(WORD_BUCKETS))
    return result


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spread 64-bit values over all their bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))


def weighed(buckets: np.ndarray, counts: np.ndarray, idf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the known ``buckets`` and their TF-IDF values, float32, unit length for each kind.

    ``idf``: bytes [BUCKETS], in steps of :data:`IDF_STEP`.
    """
    known = idf[buckets] > 0
    buckets, counts = buckets[known], counts[known]
    values = ((1.0 + np.log(counts)) * idf[buckets] * IDF_STEP).astype(np.float32)
    border = int(np.searchsorted(buckets, WORD_BUCKETS))
    for part in (values[:border], values[border:]):
        length = float(np.sqrt((part * part).sum()))
        if length > 0:
            part /= length
    return buckets, values


@dataclass(frozen=True, slots=True)
class NGrams:
    """The linear model: ``logit = bias + weight . TF-IDF`` for each label.

    Attributes:
        outputs: task -> its columns, one a label; a yes / no task has one, for "yes" against "no".
        idf: bytes [BUCKETS], in steps of :data:`IDF_STEP`. weight: int8 [BUCKETS, columns], signed square
            roots: a weight is ``sign(w) * (w / 127)**2 * scale``. scale, bias: float32 [columns].
    """

    outputs: Mapping[str, slice]
    idf: np.ndarray
    weight: np.ndarray
    scale: np.ndarray
    bias: np.ndarray

    def logits(self, text: str) -> dict[str, np.ndarray]:
        """Return task -> what is added to the encoder's logits of ``text``, float32 [labels]."""
        buckets, values = weighed(*features(text), self.idf)
        roots = self.weight[buckets].astype(np.float32) / 127.0
        row = (values @ (roots * np.abs(roots))) * self.scale + self.bias
        return {task: by_label(task, row[part]) for task, part in self.outputs.items()}

    def to_string(self) -> str:
        """Return the packed form for the GGUF's metadata."""
        columns = {task: [part.start, part.stop] for task, part in self.outputs.items()}
        return json.dumps(
            {
                "bits": [WORD_BITS, CHARACTER_BITS],
                "outputs": columns,
                "scale": self.scale.tolist(),
                "bias": self.bias.tolist(),
                "idf": _packed(self.idf),
                # Column by column: most labels know few of the buckets, and zeros in a row pack well.
                "weight": _packed(np.ascontiguousarray(self.weight.T)),
            },
            sort_keys=True,
            separators=(",", ":"),
        )

    @classmethod
    def from_string(cls, text: str, tasks: Mapping[str, Sequence[str]]) -> NGrams:
        """Read the packed form; ``tasks`` are the manifest's. Raise ``ManifestError`` if anything does not fit."""
        if len(text) > MAX_PACKED_BYTES:
            raise ManifestError("the model's n-grams are too large")
        try:
            raw = json.loads(text)
            if raw["bits"] != [WORD_BITS, CHARACTER_BITS]:
                raise ManifestError("the model's n-grams are of another kind")
            outputs, total = {}, 0
            for task, (start, stop) in sorted(raw["outputs"].items(), key=lambda item: item[1]):
                if task not in tasks or TASKS[task].kind == "multilabel":
                    raise ManifestError("the model's n-grams speak of a task that it does not read")
                if type(start) is not int or start != total or stop != start + columns_of(task):
                    raise ManifestError("the model's n-grams have the wrong size")
                total += columns_of(task)
                outputs[task] = slice(start, total)
            scale, bias = (np.array(raw[name], dtype=np.float32) for name in ("scale", "bias"))
            if not 0 < total <= MAX_OUTPUTS or scale.shape != (total,) or bias.shape != (total,):
                raise ManifestError("the model's n-grams have the wrong size")
            if not (np.isfinite(scale).all() and np.isfinite(bias).all()):
                raise ManifestError("the model's n-grams are not finite")
            idf = np.frombuffer(_unpacked(raw["idf"], BUCKETS), dtype=np.uint8)
            weight = np.frombuffer(_unpacked(raw["weight"], BUCKETS * total), dtype=np.int8)
        except ManifestError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, zlib.error, RecursionError) as error:
            raise ManifestError("the model's n-grams are malformed") from error
        return cls(outputs, idf, np.ascontiguousarray(weight.reshape(total, BUCKETS).T), scale, bias)


def columns_of(task: str) -> int:
    """Return how many columns ``task`` takes."""
    return 1 if TASKS[task].kind == "binary" else len(TASKS[task].labels)


def by_label(task: str, columns: np.ndarray) -> np.ndarray:
    """Return logits [..., labels] of ``columns`` [..., columns]; a yes / no task's one column is split between both.

    The first label of the contract's yes / no tasks is "yes".
    """
    return np.concatenate([columns / 2, -columns / 2], axis=-1) if TASKS[task].kind == "binary" else columns


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode("ascii")


def _unpacked(text: str, size: int) -> bytes:
    """Return exactly ``size`` bytes; never more, whatever a hostile file would blow up to."""
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(text, validate=True), size + 1)
    if len(data) != size:
        raise ValueError("another size")
    return data
