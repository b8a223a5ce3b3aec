"""``papers``: index a folder of texts and PDFs, and answer questions with citations.

What is found comes from ``journal.retrieval``, the same code that the app uses for earlier entries; vectors come from
the embedded reader where it reads the language. Every answer is made of sentences of the folder: quoted as they stand,
or worded by a GGUF, of whose answer only those sentences are kept that cite a passage it was given and share its
words. When nothing speaks of the question, that is the answer.

A file is read once: its pages are kept under ``papers/`` in the run's folder by the hash of its bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from journal_app.inference import catalog
from journal_app.inference.engine import ModelError
from journal_app.inference.llama import LlamaReader
from journal_app.inference.text import language, sentences
from journal_app.journal.retrieval import Index, Passage, tokens
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.progress import Progress

if TYPE_CHECKING:
    from trainer.endpoint import Writer

SUFFIXES: tuple[str, ...] = (".pdf", ".txt", ".md")
CACHE_VERSION = 1
MAX_BYTES = 200_000_000
"""A larger file is skipped: no paper has this size, and a hostile PDF may unfold to many times its own."""

SOURCES = 5
"""Passages that an answer is made from."""

MIN_PAGE_CHARS = 20
"""A PDF whose pages all hold fewer letters and digits than this is a scan: there is nothing to search."""

SHARED_WORDS = 2
"""A worded sentence must share this many content words with a passage that it cites, or all that it has."""

SYSTEM = (
    "You answer questions about research papers. Use only the numbered passages. After every sentence write the number "
    "of the passage it is taken from in square brackets, like [2]. If the passages do not answer the question, say so."
)
NOTHING = "Nothing in this folder speaks of that."

_CITATION = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_LOOSE_END = re.compile(r"([.!?…。！？])((?:\s*\[\d{1,3}(?:\s*,\s*\d{1,3})*\])+)")
_HYPHEN = re.compile(r"(\w)[-\u2010\u00ad]\n(\w)")
_SPACES = re.compile(r"[ \t\u00a0]+")


@dataclass(frozen=True, slots=True)
class Paper:
    """One readable file: ``pages`` are its pages' texts (one for a text file). file: path below the folder."""

    file: str
    sha256: str
    pages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered source of an answer: ``sentence`` (counted from 1) of ``page`` of ``file``, and its words."""

    number: int
    file: str
    page: int
    sentence: int
    quote: str
    passage: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a question.

    Attributes:
        text: sentences with their numbers in brackets; :data:`NOTHING` when nothing was found.
        citations: those that the text refers to. worded: whether a model worded it.
        dropped: sentences of the model's that were left out for want of a valid citation.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    worded: bool = False
    dropped: int = 0


class Unreadable(Exception):
    """Why a file is skipped, in words."""


def run(recipe: Recipe, paths: RunPaths, progress: Progress, options: argparse.Namespace) -> StageResult:
    """Index ``options.folder``; with ``options.ask`` print an answer; raise ``TrainerError`` if nothing is readable."""
    library = Library.read(options.folder, paths.out / "papers", progress)
    if not options.ask:
        return StageResult((library.listing,), {"papers": len(library.papers), "passages": library.passages})
    if options.gguf:
        from trainer.endpoint import GgufWriter

        with contextlib.closing(GgufWriter(options.gguf)) as writer:
            answer = library.ask(options.ask, writer, seed=recipe.seed)
    else:
        answer = library.ask(options.ask, seed=recipe.seed)
    print(shown(answer))
    return StageResult((library.listing,), {"citations": len(answer.citations), "dropped": answer.dropped})


class Library:
    """Papers of a folder, indexed.

    Args:
        papers: what could be read. cache: folder for vectors. reader: model for vectors, or None for words alone.
    """

    def __init__(self, papers: Sequence[Paper], cache: Path, progress: Progress, reader: Path | None = None) -> None:
        self.papers = tuple(papers)
        self.listing = cache / "index.json"
        self._cache = cache
        self._progress = progress
        self._pages = {
            f"{paper.file}\n{number}": page for paper in papers for number, page in enumerate(paper.pages, 1)
        }
        self._index = Index(self._pages.items(), split=sentences)
        self._reader = reader

    @classmethod
    def read(cls, folder: Path, cache: Path, progress: Progress, reader: Path | None = None) -> Library:
        """Read every text and PDF below ``folder``, newly or from ``cache``; skip what cannot be read and say why.

        Raises ``TrainerError`` when the folder is not there or holds nothing readable.
        """
        if not folder.is_dir():
            raise TrainerError(f"no folder of papers at {folder}: name one with --folder DIR")
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        if not files:
            raise TrainerError(f"{folder} holds no papers: put {', '.join(SUFFIXES)} files there")
        cache.mkdir(parents=True, exist_ok=True)
        papers, skipped = [], {}
        for path in progress.over(files, "papers: read", len(files), "files"):
            name = path.relative_to(folder).as_posix()
            try:
                papers.append(_paper(path, name, cache))
            except Unreadable as error:
                skipped[name] = str(error)
                progress.say(f"papers: skipped {name}: {error}")
        if not papers:
            raise TrainerError(f"none of the {len(files)} files in {folder} could be read")
        library = cls(papers, cache, progress, reader if reader is not None else _embedded_reader())
        listing = {
            "papers": [{"file": p.file, "sha256": p.sha256, "pages": len(p.pages)} for p in papers],
            "skipped": skipped,
            "passages": library.passages,
        }
        _write_json(library.listing, listing)
        progress.say(f"papers: {len(papers)} read, {len(skipped)} skipped, {library.passages} passages")
        return library

    @property
    def passages(self) -> int:
        """How many passages can be found."""
        return len(self._index.passages)

    def ask(self, question: str, writer: Writer | None = None, *, limit: int = SOURCES, seed: int = 0) -> Answer:
        """Return an answer to ``question`` from the papers; worded by ``writer`` if there is one."""
        found = self._search(question, limit)
        if not found:
            return Answer(NOTHING)
        citations = [self._citation(number, question, passage) for number, passage in enumerate(found, 1)]
        dropped = 0
        if writer is not None:
            reply = writer.complete(prompt(question, citations), max_tokens=300, temperature=0.0, seed=seed).text
            text, used, dropped = supported(reply, citations)
            if text:
                return Answer(text, tuple(c for c in citations if c.number in used), True, dropped)
        return Answer(" ".join(f"“{c.quote}” [{c.number}]" for c in citations), tuple(citations), False, dropped)

    def _search(self, question: str, limit: int) -> list[Passage]:
        vectors = self._vectors(question)
        if vectors is None:
            return self._index.search(question, limit=limit)
        return self._index.search(question, limit=limit, vectors=vectors[0], vector=vectors[1])

    def _vectors(self, question: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return vectors of the passages and of the question, or None where no model gives any."""
        if self._reader is None:
            return None
        try:
            with LlamaReader(self._reader) as reader:
                languages = reader.info().manifest.languages
                if not _reads(languages, question):
                    return None
                name = f"vectors-{reader.info().sha256[:16]}-{self._digest()}.npy"
                path = self._cache / name
                rows = _load(path, len(self._index.passages))
                if rows is None:
                    texts = [p.text if _reads(languages, p.text) else "" for p in self._index.passages]
                    rows = np.zeros((len(texts), 0), np.float32)
                    step, parts = 32, []
                    for start in self._progress.over(
                        range(0, len(texts), step), "papers: vectors", -(-len(texts) // step)
                    ):
                        parts.append(reader.embed([text or "." for text in texts[start : start + step]]))
                    rows = np.concatenate(parts).astype(np.float32)
                    rows[[not text for text in texts]] = 0.0
                    for old in self._cache.glob("vectors-*.npy"):
                        old.unlink()
                    np.save(path, rows)
                return rows, reader.embed([question])[0]
        except ModelError as error:
            self._progress.say(f"papers: no vectors ({error}); searching by words alone")
            return None

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for passage in self._index.passages:
            digest.update(f"{passage.id}\0{passage.text}\0".encode())
        return digest.hexdigest()[:16]

    def _citation(self, number: int, question: str, passage: Passage) -> Citation:
        start, end = self._index.focus(question, passage)
        file, page = passage.id.split("\n")
        text = self._pages[passage.id]
        before = sum(1 for first, _ in sentences(text) if first < start)
        return Citation(number, file, int(page), before + 1, _plain(text[start:end]), _plain(passage.text))


def prompt(question: str, citations: Sequence[Citation]) -> list[tuple[str, str]]:
    """Return the messages (role, text) that ask a model to word an answer from ``citations``."""
    passages = "\n".join(f"[{c.number}] {c.passage}" for c in citations)
    return [("system", SYSTEM), ("user", f"Passages:\n{passages}\n\nQuestion: {question}")]


def supported(reply: str, citations: Sequence[Citation]) -> tuple[str, set[int], int]:
    """Return (the sentences of ``reply`` that stand on a passage, numbers they cite, how many were left out).

    A sentence stands when every number it cites is in ``citations`` (and it cites one), and it shares at least
    :data:`SHARED_WORDS` content words with the passages it cites, or all that it has. A citation after the full stop
    belongs to the sentence before it.
    """
    known = {citation.number: citation for citation in citations}
    reply = _LOOSE_END.sub(lambda match: f" {match[2].strip()}{match[1]}", reply.strip())
    kept, used, dropped = [], set(), 0
    for start, end in sentences(reply):
        sentence = reply[start:end].strip()
        numbers = {int(n) for group in _CITATION.findall(sentence) for n in re.split(r"\s*,\s*", group)}
        words = set(tokens(_CITATION.sub(" ", sentence)))
        held = {token for n in numbers if n in known for token in tokens(known[n].passage)}
        if numbers and numbers <= known.keys() and words and len(words & held) >= min(SHARED_WORDS, len(words)):
            kept.append(sentence)
            used |= numbers
        else:
            dropped += 1
    return " ".join(kept), used, dropped


def shown(answer: Answer) -> str:
    """Return ``answer`` as text for a terminal: the answer, then its sources."""
    lines = [answer.text]
    if answer.citations:
        lines += ["", "Sources"]
        for c in answer.citations:
            lines.append(f"  [{c.number}] {c.file}, page {c.page}, sentence {c.sentence}: “{c.quote}”")
    if answer.dropped:
        what = "sentence" if answer.dropped == 1 else "sentences"
        lines += ["", f"({answer.dropped} {what} of the model's answer left out: no passage bore them.)"]
    return "\n".join(lines)


def _paper(path: Path, name: str, cache: Path) -> Paper:
    """Return the pages of a file, from the cache when its bytes were read before."""
    if path.stat().st_size > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES // 1_000_000} MB")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None
    sha256 = hashlib.sha256(data).hexdigest()
    kept = cache / f"{sha256}.json"
    pages = _cached(kept)
    if pages is None:
        read: Callable[[Path, bytes], list[str]] = _pdf if path.suffix.lower() == ".pdf" else _text
        pages = tuple(_clean(page) for page in read(path, data))
        _write_json(kept, {"version": CACHE_VERSION, "pages": pages})
    return Paper(name, sha256, pages)


def _cached(path: Path) -> tuple[str, ...] | None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return tuple(map(str, raw["pages"])) if raw["version"] == CACHE_VERSION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _text(path: Path, data: bytes) -> list[str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8 text") from None
    if not any(c.isalnum() for c in text):
        raise Unreadable("empty")
    return [text]


def _pdf(path: Path, data: bytes) -> list[str]:
    import pypdf

    # pypdf tells of every oddity by logging, and names no file: what matters is said here, once.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("encrypted: save a copy without a password")
        pages = [page.extract_text() or "" for page in reader.pages]
    except Unreadable:
        raise
    except Exception as error:  # A damaged PDF may raise nearly anything in pypdf, and must cost only itself.
        raise Unreadable(f"damaged, not a PDF that can be read ({type(error).__name__})") from None
    if not any(sum(c.isalnum() for c in page) >= MIN_PAGE_CHARS for page in pages):
        raise Unreadable("no text in it: a scan needs text recognition first")
    return pages


def _clean(page: str) -> str:
    """Return a page's text with words joined that a line break had cut; the breaks themselves do no harm."""
    page = page.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return _SPACES.sub(" ", _HYPHEN.sub(r"\1\2", page)).strip()


def _plain(text: str) -> str:
    return " ".join(text.split())


def _reads(languages: Sequence[str], text: str) -> bool:
    return language(text) in languages


def _embedded_reader() -> Path | None:
    try:
        return catalog.embedded_reader()
    except ModelError:
        return None


def _load(path: Path, rows: int) -> np.ndarray | None:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return found if found.ndim == 2 and len(found) == rows else None


def _write_json(path: Path, value: dict[str, Any]) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
