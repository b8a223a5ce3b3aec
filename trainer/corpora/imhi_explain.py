"""IMHI: a question on a post, answered with a label and a reasoning that a model wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from trainer.corpora.corpus import Corpus, Record, Skipped, group_of
from trainer.corpora.files import is_placeholder
from trainer.records import Example

_PROMPT = re.compile(r'\s*Consider this post: "(?P<post>.*)" Question: (?P<question>[^"]+)', re.S)


def read(corpus: Corpus, found: Iterable[Record], task: str) -> Iterator[Example | Skipped]:
    """Yield the post as input, its question as instruction and the reasoning as output."""
    for record in found:
        match = _PROMPT.fullmatch(record.text("prompt"))
        answer = record.text("response")
        if match is None or is_placeholder(match["post"]) or is_placeholder(answer):
            yield Skipped("no post in quotation marks with a question")
            continue
        post = match["post"].strip()
        yield corpus.example(
            task, post, instruction=match["question"].strip(), output=answer, part="written", group=group_of(post)
        )


CORPUS = Corpus(
    name="imhi_explain",
    about="posts of depression_reddit, dreaddit and sad with a label and a reasoning by gpt-3.5-turbo",
    tasks=("explain",),
    licence="MIT (repository); non-clinical research; written by gpt-3.5-turbo (terms of OpenAI)",
    paper="Yang et al. 2024, MentaLLaMA, WWW",
    splits="those of the sets that its posts come from",
    read=read,
    group="post",
    quotes=True,
)
