"""Single-turn Korean practice sets: a line and its answer, under the names of columns such sets use. Not measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trainer.corpora.corpus import Corpus, Record, Skipped, group_of
from trainer.corpora.files import is_placeholder
from trainer.records import Example

ASKED = ("Q", "question", "질문", "user", "instruction", "prompt")
ANSWERED = ("A", "answer", "답변", "assistant", "output", "response", "completion")


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Read the first column of :data:`ASKED` with the first of :data:`ANSWERED`."""
    for record in found:
        asked, answer = record.text(*ASKED), record.text(*ANSWERED)
        more = record.values.get("input")
        if isinstance(more, str) and more.strip():
            asked = f"{asked}\n{more.strip()}"
        if is_placeholder(asked) or is_placeholder(answer):
            yield Skipped("placeholder")
        else:
            yield corpus.example(task, asked, output=answer, group=group_of(asked))


CORPUS = Corpus(
    name="practice_ko",
    about="Korean lines with one answer each, for example the columns Q and A, or instruction and output",
    tasks=("reply",),
    language="ko",
    licence="that of the file you name",
    paper="songys/Chatbot_data and sets of its shape",
    splits="one; valid and test are cut by question",
    read=read,
    group="Q",
    measured=False,
)
