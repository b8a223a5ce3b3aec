"""What can be said of replies without reading them: variety, repetition, feelings, length, surprise, checks, time.

None of these figures says that a reply is good. They say when it is not: loops, one reply for every entry, the wrong
language, a reply that the app would not show. Every figure that could be chance stands beside its control.
Light on purpose: :func:`generate` measures memory in a process that loads this module and a model, nothing else.
"""

from __future__ import annotations

import math
import multiprocessing
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from journal_app.journal.output_check import check_output
from trainer.config import TrainerError
from trainer.leaks import normalise
from trainer.sections import GenerationConfig

PROFILE = ("emotion", "feelings", "isear")
"""Tasks whose probabilities are a profile of feelings; the first that the reader knows is taken."""
BAR = {
    "check_pass": 0.97,
    "empty_or_looping": 0.0,
    "distinct_2": 0.15,
    "mentions": 0.80,
}
"""What a package must reach before its model may write: the first, third and fourth at least, the second at most."""
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_UNSPACED = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Generated:
    """Replies of one model, and what they took.

    Attributes:
        first: seconds to the first piece of each. seconds: of each whole one. tokens: written, of each.
        load: seconds to load the model. peak_bytes: most memory of the process that wrote them; 0 where unknown.
    """

    replies: tuple[str, ...]
    first: tuple[float, ...]
    seconds: tuple[float, ...]
    tokens: tuple[int, ...]
    load: float
    peak_bytes: int

    def figures(self) -> dict[str, float | None]:
        """Return medians, the 95th percentile, the rate and the peak, with their units in the names."""
        total = sum(self.seconds)
        return {
            "load_s": self.load,
            "first_piece_ms_median": 1000 * float(np.median(self.first)),
            "reply_ms_median": 1000 * float(np.median(self.seconds)),
            "reply_ms_p95": 1000 * float(np.percentile(self.seconds, 95)),
            "tokens_per_s": sum(self.tokens) / total if total else 0.0,
            "peak_memory_mb": self.peak_bytes / 1e6 if self.peak_bytes else None,
        }


def generate(
    path: Path,
    entries: Sequence[str | Sequence[tuple[str, str]]],
    config: GenerationConfig,
    *,
    system: str = "",
    seed: int = 0,
    adapter: Path | None = None,
    threads: int | None = None,
    context: int = 4096,
) -> Generated:
    """Return a reply of the GGUF at ``path`` to each entry, written in a process of its own so that memory shows.

    An entry is a text, asked under ``system``, or a whole conversation as (role, text).
    Raises :class:`TrainerError` when the model cannot be used, or takes its process with it.
    """
    if not entries:
        raise TrainerError("there is no entry to reply to")
    talks = [_talk(entry, system) for entry in entries]
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            return pool.submit(_generate, path, talks, config, seed, adapter, threads, context).result()
    except BrokenProcessPool:
        raise TrainerError(f"{path.name}: the process that wrote with it died; is there enough memory?") from None


def _talk(entry: str | Sequence[tuple[str, str]], system: str) -> list[tuple[str, str]]:
    if isinstance(entry, str):
        return [("system", system), ("user", entry)] if system else [("user", entry)]
    return list(entry)


def _generate(
    path: Path,
    talks: list[list[tuple[str, str]]],
    config: GenerationConfig,
    seed: int,
    adapter: Path | None,
    threads: int | None,
    context: int,
) -> Generated:
    from journal_app.inference.engine import ModelError
    from journal_app.inference.writer import LlamaWriter

    began = time.perf_counter()
    replies, first, seconds, tokens = [], [], [], []
    try:
        with LlamaWriter(path, adapter=adapter, threads=threads, context=context) as writer:
            load = time.perf_counter() - began
            for number, talk in enumerate(talks):
                began, heard, pieces = time.perf_counter(), 0.0, []
                for piece in writer.chat(
                    talk,
                    max_tokens=config.max_tokens,
                    temperature=config.temperature,
                    top_p=config.top_p,
                    repeat_penalty=config.repeat_penalty,
                    seed=seed + number,
                ):
                    heard = heard or time.perf_counter() - began
                    pieces.append(piece)
                seconds.append(time.perf_counter() - began)
                first.append(heard or seconds[-1])
                replies.append("".join(pieces).strip())
                tokens.append(len(writer.tokenise(replies[-1])))
    except ModelError as error:
        raise TrainerError(f"{path.name}: {error}") from None
    return Generated(tuple(replies), tuple(first), tuple(seconds), tuple(tokens), load, _peak_bytes())


def _peak_bytes() -> int:
    """Return the most memory that this process held since it began.

    Linux's ``ru_maxrss`` counts what the parent held when it started this one, ``VmHWM`` does not.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def evaluate(
    name: str,
    entries: Sequence[str],
    replies: Sequence[str],
    *,
    language: str = "en",
    references: Sequence[str] = (),
    reader: Path | None = None,
    perplexity_by: Path | None = None,
    generated: Generated | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the figures of one model's ``replies`` to ``entries``, as plain JSON.

    Args:
        references: a reply of a person to each entry, for BERTScore. reader: GGUF that reads feelings.
        perplexity_by: GGUF of the language model that scores the texts; not the one that wrote them, if it is to say
            anything of their quality. generated: for latency and memory.

    Raises :class:`TrainerError` for lists of different lengths, an empty one, or a model that cannot be used.
    """
    if not entries or len(entries) != len(replies) or (references and len(references) != len(entries)):
        raise TrainerError(f"{name}: as many replies as entries are needed, and at least one")
    found: dict[str, Any] = {
        "model": name,
        "replies": len(replies),
        "distinct_1": distinct(replies, 1),
        "distinct_2": distinct(replies, 2),
        "repetition": repetition(replies),
        "lengths": lengths(replies),
        "mentions": mentions(entries, replies),
        "check": checks(entries, replies, language),
    }
    if references:
        found["distinct_2_of_references"] = distinct(references, 2)
    if reader is not None:
        found["feelings"] = feelings(reader, entries, replies, seed=seed)
    if perplexity_by is not None:
        found["perplexity"] = perplexity(perplexity_by, replies)
        if references:
            found["perplexity_of_references"] = perplexity(perplexity_by, references)
    if references:
        from trainer.evaluation import bertscore

        try:
            found["bertscore"] = bertscore.evaluate(replies, references, seed=seed)
        except TrainerError as error:
            found["bertscore"] = {"not_measured": str(error)}
    if generated is not None:
        found["speed"] = generated.figures()
    found["short_of_the_bar"] = short_of(found)
    return found


def tokens_of(text: str) -> list[str]:
    """Return the words of ``text`` in lower case; for Chinese and Japanese its letters."""
    plain = normalise(text)
    return [c for c in plain if not c.isspace()] if _UNSPACED.search(plain) else plain.split()


def distinct(texts: Sequence[str], n: int) -> float:
    """Return different n-grams over all n-grams of all texts (Li et al. 2016); 0 for none. It falls with length."""
    grams = [gram for text in texts for gram in _grams(tokens_of(text), n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def repetition(texts: Sequence[str]) -> dict[str, float]:
    """Return how much replies repeat themselves and each other, as shares.

    ``again_4``: of the 4-grams of a reply that occurred in it before, mean. ``looping``: of replies that the output
    check calls repeating. ``same``: of replies that equal an earlier one. ``empty``: of replies without a word.
    """
    again = []
    for text in texts:
        grams = list(_grams(tokens_of(text), 4))
        again.append(1 - len(set(grams)) / len(grams) if grams else 0.0)
    plain = [normalise(text) for text in texts]
    full = [text for text in plain if text]
    return {
        "again_4": float(np.mean(again)),
        "looping": float(np.mean(["repeats" in check_output(t, "", "", whole=False).reasons for t in texts])),
        "same": (len(full) - len(set(full))) / len(full) if full else 0.0,
        "empty": float(np.mean([not text for text in plain])),
    }


def lengths(texts: Sequence[str]) -> dict[str, float]:
    """Return mean, median, shortest and longest, in words (Chinese and Japanese: letters)."""
    sizes = [len(tokens_of(text)) for text in texts]
    return {
        "words_mean": float(np.mean(sizes)),
        "words_median": float(np.median(sizes)),
        "words_min": min(sizes),
        "words_max": max(sizes),
    }


def mentions(entries: Sequence[str], replies: Sequence[str]) -> dict[str, float]:
    """Return the share of replies that take up a content word of their entry; ``random``: of another (control)."""
    said = [content_words(text) for text in entries]
    answered = [content_words(text) for text in replies]
    right = [bool(a & b) for a, b in zip(said, answered, strict=True)]
    other = [bool(a & b) for a, b in zip(said[1:] + said[:1], answered, strict=True)]
    return {"share": float(np.mean(right)), "random": float(np.mean(other))}


def checks(entries: Sequence[str], replies: Sequence[str], language: str) -> dict[str, Any]:
    """Return the share of replies that the app would show, and how often each reason kept one back."""
    found = [check_output(reply, entry, language) for entry, reply in zip(entries, replies, strict=True)]
    reasons = Counter(reason for item in found for reason in item.reasons)
    return {"pass": float(np.mean([item.ok for item in found])), "reasons": dict(reasons.most_common())}


def feelings(reader: Path, entries: Sequence[str], replies: Sequence[str], *, seed: int = 0) -> dict[str, Any]:
    """Return how much the feelings in a reply are those in its entry, as the app's reader reads both.

    ``cosine`` is the mean over pairs of the cosine of the label distributions; ``random`` the same against another
    entry. ``entries`` and ``replies`` are mean profiles. A supportive reply need not mirror an entry: a cosine near 1
    may be an echo, and one at the level of ``random`` means that replies do not depend on what was written.
    Raises :class:`TrainerError` when the reader cannot be used or reads nothing of it.
    """
    from journal_app.inference.engine import ModelError
    from journal_app.inference.llama import LlamaReader

    try:
        with LlamaReader(reader) as engine:
            info = engine.info()
            task = next((task for task in PROFILE if task in info.manifest.tasks), "")
            if not task:
                raise TrainerError(f"{reader.name} reads no feelings: it has {', '.join(info.manifest.tasks)}")
            labels = info.manifest.tasks[task]
            read = engine.read([*entries, *replies], evidence=False)
    except ModelError as error:
        raise TrainerError(f"{reader.name}: {error}") from None
    count = len(entries)
    rows = [i for i in range(count) if read[i].readable and read[count + i].readable]
    if not rows:
        raise TrainerError(f"{reader.name} can read none of these texts; is it of their language?")
    said = np.array([[read[i].tasks[task][label] for label in labels] for i in rows])
    answered = np.array([[read[count + i].tasks[task][label] for label in labels] for i in rows])
    near = cosines(said, answered)
    order = np.random.default_rng(seed).permutation(len(rows))
    other = cosines(said[np.roll(order, 1)], answered[order])
    return {
        "task": task,
        "labels": list(labels),
        "pairs": len(rows),
        "unread": count - len(rows),
        "cosine": float(near.mean()),
        "random": float(other.mean()),
        "entries": [float(value) for value in said.mean(0)],
        "replies": [float(value) for value in answered.mean(0)],
        "reader_sha256": info.sha256,
    }


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosine of each row of [n, labels] with the same row of the other; 0 where one is all zeros."""
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.divide((first * second).sum(1), norms, out=np.zeros(len(first)), where=norms > 0)


def perplexity(model: Path, texts: Sequence[str]) -> float:
    """Return exp of the mean surprise a token, in the engine's tokens; comparable between texts, not between models.

    Raises :class:`TrainerError` for a model that cannot score, or when there is no token to score.
    """
    from journal_app.inference.engine import ModelError
    from journal_app.inference.writer import LlamaWriter

    try:
        with LlamaWriter(model) as writer:
            scores = writer.score(list(texts))
    except ModelError as error:
        raise TrainerError(f"{model.name}: {error}") from None
    total, count = sum(score for score, _ in scores), sum(tokens for _, tokens in scores)
    if not count:
        raise TrainerError("perplexity: the texts have no token that can be scored")
    return math.exp(min(700.0, -total / count))


def short_of(found: dict[str, Any]) -> list[str]:
    """Return in what the figures fall short of :data:`BAR`; empty means that they do not."""
    short = []
    if found["check"]["pass"] < BAR["check_pass"]:
        short.append(f"the output check passes {found['check']['pass']:.1%}, not {BAR['check_pass']:.0%}")
    bad = found["repetition"]["empty"] + found["repetition"]["looping"]
    if bad > BAR["empty_or_looping"]:
        short.append(f"{bad:.1%} are empty or loop")
    if found["distinct_2"] < BAR["distinct_2"]:
        short.append(f"distinct-2 is {found['distinct_2']:.1%}, not {BAR['distinct_2']:.0%}")
    if found["mentions"]["share"] < BAR["mentions"]:
        short.append(f"{found['mentions']['share']:.1%} take up a word of the entry, not {BAR['mentions']:.0%}")
    return short


def _grams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1)]


def content_words(text: str) -> set[str]:
    """Return the words that carry meaning: of four letters and more, without those of every text, cut to their stem.

    Korean and Chinese: pieces of two letters, because endings and missing spaces hide whole words.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    if re.search("[\u1100-\u11ff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]", text):
        words = re.findall(r"[^\W\d_]+", text)
        return {word[at : at + 2] for word in words for at in range(len(word) - 1)}
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    return {word[:5] for word in words if len(word) > 3 and word not in ENGLISH_STOP_WORDS}
