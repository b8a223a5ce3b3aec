"""Find the passages that speak of what was asked: words first, meaning where vectors are at hand.

One index for two users: papers in the trainer, and a writer's earlier entries in the app. It takes any
``(id, text)`` pairs, keeps everything in memory and nothing on a disk, and answers with the place in
the text (code points), so that whoever shows it can quote instead of paraphrase.

* Words are ranked by BM25 (Robertson & Zaragoza 2009, *The Probabilistic Relevance Framework*, k1 1.2,
  b 0.75) over passages of a few sentences.
* Vectors, if the caller has any, make a second ranking by cosine; the two are fused by reciprocal ranks
  (Cormack, Clarke & Buettcher 2009, k 60), which needs no weights between two scales.
* Every passage says how much of the question it covers. "Nothing found" is an answer: a passage that
  shares only a stray word with the question, and is no neighbour of its vector, is not returned.

Knows no Qt, no SQL and no model: vectors come in as arrays.
"""

from __future__ import annotations

import heapq
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

K1, B = 1.2, 0.75
"""BM25's saturation of repeated words, and how much a long passage is discounted."""

FUSION = 60
"""k of reciprocal rank fusion, as in the paper."""

LEAST_COVERAGE = 0.34
"""A passage that holds less of the question than this (by weight of its words) is found by vectors or not at all."""

LEAST_COSINE = 0.45
"""A passage whose vector is less like the question's is not found by vectors. With the embedded reader, questions
that nothing answers came up to .39, and questions that share no word with their answer began at .49."""

PASSAGE_CHARS = 480
"""Sentences are joined up to about this length: long enough for a thought, short enough to quote."""

_WORD = re.compile(r"[^\W_]+(?:['’ʼ][^\W_]+)*")
_HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]+")
_KANA = re.compile(r"[\u3040-\u30ff]+")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
_RUN = re.compile(
    f"{_HANGUL.pattern}|{_KANA.pattern}|{_HAN.pattern}|(?:(?!{_HANGUL.pattern}|{_KANA.pattern}|{_HAN.pattern}).)+"
)
_SENTENCE = re.compile(r"[^.!?…。！？｡\n]*[.!?…。！？｡]+[\"'”’)\]」』]*|[^.!?…。！？｡\n]+")
_SPACE = re.compile(r"\s+")

_COMMON: frozenset[str] = frozenset(
    re.findall(
        r"\S+",
        """
        a about an and any are as at be been but by can could did do does for from had has have how i if in into is it
        its me my not of on or our should so such than that the their them then there these they this those to was we
        were what when where which while who whom why will with would you your
        그 그리고 것 나 나는 내 는 를 무엇 무엇이 뭐 수 어떤 어떻게 언제 왜 은 을 의 이 저
        """,
    )
)
"""Words that ask but name nothing; they count neither for a passage nor for the question."""

Span = tuple[int, int]
Splitter = Callable[[str], Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Passage:
    """A place in a document: ``text`` is ``document[start:end]``, in code points.

    Attributes:
        id: of the document. score: of the ranking it came from; only to be compared within one answer.
        coverage: share of the question's words that are here, by weight, 0 to 1.
        cosine: to the question's vector, or NaN when no vectors took part.
        number: which passage of the index it is, the row of its vector.
    """

    id: str
    start: int
    end: int
    text: str
    score: float = 0.0
    coverage: float = 0.0
    cosine: float = float("nan")
    number: int = -1


def tokens(text: str, *, question: bool = False) -> list[str]:
    """Return what ``text`` is searched by, in order.

    Words in lower case (NFKC, full case folding), English plurals without their s. Korean words become
    pairs of syllables, because particles change their ends, and their first syllable, because many nouns
    have no more; in a ``question`` only short words keep that syllable, or 산책 would find every 산.
    Chinese characters stand alone and in pairs, kana in pairs: there are no spaces to cut at.
    """
    return [token for run in _runs(text) for token in _cut(run, question)]


def _runs(text: str) -> Iterator[str]:
    """Yield the pieces of words that are cut by one rule: a run of one script."""
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text).casefold()):
        word = match.group().replace("’", "'").replace("ʼ", "'")
        if word in _COMMON:
            continue
        if word.isascii():
            yield word
        else:
            yield from _RUN.findall(word)


def _cut(run: str, question: bool) -> list[str]:
    if run.isascii():
        return [_singular(run)]
    if _HANGUL.match(run):
        return ([run[0]] if len(run) <= 2 or not question else []) + _pairs(run)
    if _HAN.match(run):
        return [*run, *_pairs(run)]
    if _KANA.match(run):
        return _pairs(run) or [run]
    return [run]


def _leads(question: str) -> list[dict[str, float]]:
    """Return, for each thing that ``question`` names, the tokens that show it is there and how surely (0 to 1).

    A Korean word is there when its first pair is: what follows is mostly particles and endings. In a word of two
    syllables the second may be a particle, so where no text holds the pair its first one is half the word.
    """
    leads: list[dict[str, float]] = []
    for run in _runs(question):
        if _HANGUL.match(run):
            leads.append({run: 1.0, run[0]: 0.5} if len(run) == 2 else {run[:2]: 1.0})
        elif run.isascii() or not (_HAN.match(run) or _KANA.match(run)):
            leads.append(dict.fromkeys(_cut(run, True), 1.0))
        else:
            leads += [{token: 1.0} for token in _pairs(run) or [run]]
    return leads


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


def _singular(word: str) -> str:
    """Return ``word`` without the s of a plural or third person (Harman 1991, the S stemmer)."""
    word = word.removesuffix("'s")
    if len(word) > 3 and word.endswith("s"):
        if word.endswith("ies") and not word.endswith(("eies", "aies")):
            return word[:-3] + "y"
        if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
            return word[:-1]
        if not word.endswith(("us", "ss")):
            return word[:-1]
    return word


def sentences(text: str) -> list[Span]:
    """Return spans of sentences that hold a letter or digit: a plain rule, for callers without a better one."""
    spans: list[Span] = []
    for match in _SENTENCE.finditer(text):
        piece = match.group()
        start = match.start() + len(piece) - len(piece.lstrip())
        end = match.start() + len(piece.rstrip())
        if end > start and any(c.isalnum() for c in text[start:end]):
            spans.append((start, end))
    return spans


def passages(text: str, split: Splitter = sentences, size: int = PASSAGE_CHARS) -> list[Span]:
    """Return spans of neighbouring sentences joined up to ``size`` characters; a long sentence stands alone."""
    spans: list[Span] = []
    for start, end in split(text):
        if spans and end - spans[-1][0] <= size and "\n\n" not in text[spans[-1][1] : start]:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


class Index:
    """Passages of documents, ready to be asked.

    Args:
        documents: (id, text) pairs; ids need not be unique, but answers name them.
        split: text -> spans of sentences.
        size: characters of a passage, see :func:`passages`.

    The texts are kept as they are. Building costs about as long as reading them once.
    """

    def __init__(
        self, documents: Iterable[tuple[str, str]], *, split: Splitter = sentences, size: int = PASSAGE_CHARS
    ) -> None:
        self._split = split
        self._passages: list[Passage] = []
        self._lengths: list[int] = []
        self._where: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for name, text in documents:
            for start, end in passages(text, split, size):
                self._add(Passage(name, start, end, text[start:end], number=len(self._passages)))
        self._mean = sum(self._lengths) / max(1, len(self._lengths)) or 1.0

    def _add(self, passage: Passage) -> None:
        counts = Counter(tokens(passage.text))
        self._passages.append(passage)
        self._lengths.append(sum(counts.values()))
        for token, count in counts.items():
            self._where[token].append((passage.number, count))

    @property
    def passages(self) -> tuple[Passage, ...]:
        """Return every passage, in order; row i of a caller's vectors belongs to passage i."""
        return tuple(self._passages)

    def weight(self, token: str) -> float:
        """Return how much ``token`` tells: BM25's inverse document frequency, never negative."""
        found = len(self._where.get(token, ()))
        return math.log(1.0 + (len(self._passages) - found + 0.5) / (found + 0.5))

    def search(
        self,
        question: str,
        *,
        limit: int = 5,
        vectors: np.ndarray | None = None,
        vector: np.ndarray | Sequence[float] | None = None,
        per_document: int = 0,
        least_coverage: float = LEAST_COVERAGE,
        least_cosine: float = LEAST_COSINE,
    ) -> list[Passage]:
        """Return up to ``limit`` passages, best first; an empty list when nothing speaks of it.

        Args:
            vectors: float [passages, width], rows as in :attr:`passages`; of any length, they are normalised here.
            vector: float [width] of the question. Both or neither; a vector of zeros counts as none.
            per_document: most passages of one document, 0 for any number.

        Raises ``ValueError`` when the vectors do not fit the passages or the question.
        """
        wanted = Counter(tokens(question, question=True))
        words = self._bm25(wanted)
        coverage = self._coverage(question)
        by_words = [n for n in _ranked(words) if coverage.get(n, 0.0) >= least_coverage]
        cosines = self._cosines(vectors, vector)
        if cosines is None:
            scores = {number: words[number] for number in by_words}
        else:
            by_meaning = [int(n) for n in np.argsort(-cosines, kind="stable") if cosines[n] >= least_cosine]
            scores = fuse((by_words, by_meaning))
        found: list[Passage] = []
        taken: Counter[str] = Counter()
        for number in _ranked(scores):
            passage = self._passages[number]
            if per_document and taken[passage.id] >= per_document:
                continue
            taken[passage.id] += 1
            found.append(
                Passage(
                    passage.id,
                    passage.start,
                    passage.end,
                    passage.text,
                    scores[number],
                    coverage.get(number, 0.0),
                    float("nan") if cosines is None else float(cosines[number]),
                    number,
                )
            )
            if len(found) == limit:
                break
        return found

    def focus(self, question: str, passage: Passage) -> Span:
        """Return the span (in the document) of the sentence of ``passage`` that says most about ``question``.

        The whole passage when none of its sentences shares a word with the question.
        """
        wanted = set(tokens(question, question=True))
        best, most = (passage.start, passage.end), 0.0
        for start, end in self._split(passage.text):
            held = wanted & set(tokens(passage.text[start:end]))
            value = sum(self.weight(token) for token in held)
            if value > most:
                best, most = (passage.start + start, passage.start + end), value
        return best

    def _bm25(self, wanted: Counter[str]) -> dict[int, float]:
        scores: dict[int, float] = defaultdict(float)
        for token in wanted:
            weight = self.weight(token)
            for number, count in self._where.get(token, ()):
                length = 1.0 - B + B * self._lengths[number] / self._mean
                scores[number] += weight * count * (K1 + 1.0) / (count + K1 * length)
        return scores

    def _coverage(self, question: str) -> dict[int, float]:
        covered: dict[int, float] = defaultdict(float)
        total = 0.0
        for lead in {tuple(sorted(lead.items())) for lead in _leads(question)}:
            weight = max(self.weight(token) for token, _ in lead)
            total += weight
            held: dict[int, float] = {}
            known = any(share == 1.0 and token in self._where for token, share in lead)
            for token, share in ((token, share) for token, share in lead if share == 1.0 or not known):
                for number, _ in self._where.get(token, ()):
                    held[number] = max(held.get(number, 0.0), share)
            for number, share in held.items():
                covered[number] += weight * share
        return {number: value / total for number, value in covered.items()}

    def _cosines(self, vectors: np.ndarray | None, vector: np.ndarray | Sequence[float] | None) -> np.ndarray | None:
        if vectors is None or vector is None:
            if vectors is not None or vector is not None:
                raise ValueError("vectors of the passages and of the question come together")
            return None
        rows, one = np.asarray(vectors, dtype=np.float32), np.asarray(vector, dtype=np.float32)
        if rows.shape != (len(self._passages), one.shape[-1]) or one.ndim != 1:
            raise ValueError(f"vectors of shape {rows.shape} do not fit {len(self._passages)} passages")
        if not one.any():
            return None
        lengths = np.linalg.norm(rows, axis=1) * float(np.linalg.norm(one))
        # A passage without a vector (a language that the model does not read) is like nothing.
        return np.divide(rows @ one, lengths, out=np.zeros(len(rows), np.float32), where=lengths > 0)


def fuse(rankings: Sequence[Sequence[int]], k: int = FUSION) -> dict[int, float]:
    """Return the sum of 1 / (k + rank) of every item over ``rankings`` (Cormack et al. 2009); ranks count from 1."""
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] += 1.0 / (k + rank)
    return dict(scores)


def _ranked(scores: dict[int, float]) -> list[int]:
    """Return the keys, best first; of equals the earlier one, so that an answer can be repeated."""
    return heapq.nsmallest(len(scores), scores, key=lambda number: (-scores[number], number))
