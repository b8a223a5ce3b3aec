"""The shapes in which the corpora come: labelled texts, conversations, pairs and running text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from journal_app.contract.mappings import FeelingMap, ThemeMap
from journal_app.contract.tasks import TASKS
from journal_app.inference.text import sentences
from trainer.corpora.corpus import Corpus, Record, Skipped, group_of, word, words
from trainer.corpora.files import CorpusError, is_placeholder
from trainer.records import Example

KEPT_TURNS = 16
"""Earlier turns an example carries at most; no base of the recipes reads more of a dialogue."""
PIECE = 2000
"""Characters from which running text is cut at sentences, so that a piece fits the sequences of the recipes."""


def labelled(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Read ``text`` with ``label`` or ``labels``."""
    for record in found:
        yield one_labelled(corpus, task, record, record.text("text"), ("labels", "label"))


def one_labelled(corpus: Corpus, task: str, record: Record, text: str, names: tuple[str, ...]) -> Example | Skipped:
    """Return the example of ``text`` whose labels are in the first field of ``names`` that is there."""
    table = corpus.tables[task]
    if isinstance(table, FeelingMap | ThemeMap):
        truth = table.truth(record.labels(table.positive.__contains__, *names))
        if is_placeholder(text):
            return Skipped("placeholder")
        if not truth.positives and not truth.negatives:
            return Skipped("its labels say nothing about the task")
        part = "mapped" if corpus.part == "published" else corpus.part
        answer = words(task, truth.positives)
        return corpus.example(
            task,
            text,
            output=answer,
            labels=truth.positives,
            negatives=truth.negatives,
            part=part,
            group=group_of(text),
        )
    labels = record.labels(table.__contains__, *names)
    if is_placeholder(text):
        return Skipped("placeholder")
    if corpus.several and task not in TASKS:
        known = tuple(table[label] for label in labels)
        return corpus.example(task, text, output=words(task, known), labels=known, group=group_of(text))
    label = table[labels[0]]
    return corpus.example(task, text, output=word(task, label), label=label, group=group_of(text))


def dialogues(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Read ``turns`` of ``user`` and ``assistant``: an example for each answer to something said."""
    for record in found:
        yield from replies(corpus, record, record.turns())


def replies(corpus: Corpus, record: Record, turns: list[tuple[str, str]]) -> Iterator[Example | Skipped]:
    """Yield an example for each turn of the ``assistant`` that follows one of the ``user``."""
    joined: list[tuple[str, str]] = []
    for role, who in groupby((turn for turn in turns if turn[1]), key=lambda turn: turn[0]):
        if role not in ("user", "assistant"):
            raise CorpusError(f"{record.where}: a turn whose 'role' is neither 'user' nor 'assistant'")
        joined.append((role, "\n".join(text for _, text in who)))
    group = group_of(*(text for _, text in joined[:2]))
    made = 0
    for place, (role, text) in enumerate(joined):
        if role == "assistant" and place:
            before = tuple(joined[max(0, place - 1 - KEPT_TURNS) : place - 1])
            yield corpus.example("reply", joined[place - 1][1], output=text, turns=before, group=group)
            made += 1
    if not made:
        yield Skipped("nobody answers in it")


def pairs(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Read ``prompt`` with ``response``; those of one prompt are a group."""
    for record in found:
        prompt, response = record.text("prompt"), record.text("response")
        if is_placeholder(prompt) or is_placeholder(response):
            yield Skipped("placeholder")
        else:
            yield corpus.example(task, prompt, output=response, group=group_of(prompt))


def prose(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Read ``text`` as running text."""
    for record in found:
        yield from passages(corpus, record.text("text"))


def passages(corpus: Corpus, text: str) -> Iterator[Example | Skipped]:
    """Yield examples of continuing ``text``: what is given is a first sentence, what is learned is the rest."""
    if is_placeholder(text):
        yield Skipped("placeholder")
        return
    group = group_of(text)
    for piece in pieces(text):
        spans = sentences(piece)
        cut = spans[0][1] if len(spans) > 1 else 0
        yield corpus.example("text", piece[:cut].strip(), output=piece[cut:].strip(), group=group)


def pieces(text: str) -> Iterator[str]:
    """Cut ``text`` at sentences into pieces of at most about :data:`PIECE` characters."""
    if len(text) <= PIECE:
        yield text
        return
    start = end = 0
    for first, last in sentences(text):
        if last - start > PIECE and end > start:
            yield text[start:end].strip()
            start = first
        end = last
    if text[start:].strip():
        yield text[start:].strip()
