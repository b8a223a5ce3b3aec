"""Tasks, labels and verbalisers: the rules that models rely on, and a lock on what is published."""

from __future__ import annotations

import hashlib
import json

import pytest

from journal_app.contract import prompts, tasks
from journal_app.contract.tasks import FEELINGS, PUBLISHED_TASKS, SCREENING_TASKS, TASKS, THEMES, Task


def test_changing_the_contract_needs_a_new_version() -> None:
    """Every trained model depends on these strings: raise CONTRACT_VERSION, then renew the digest."""
    fixed = [
        [[t.name, t.kind, t.labels, t.verbalisers, t.question] for t in TASKS.values()],
        prompts.SYSTEM,
        prompts.CONTROL_TOKENS,
        [[s.text, s.control] for s in prompts.prefix("ENTRY")],
        [[s.text, s.control] for s in prompts.question(TASKS["emotion"])],
    ]
    digest = hashlib.sha256(json.dumps(fixed, ensure_ascii=False).encode()).hexdigest()
    assert (tasks.CONTRACT_VERSION, digest) == (1, "40a5628929fadca496a91675e0e893ef8c21f7833568b3a72384fe07333356a7")


def test_label_sets_of_the_design() -> None:
    assert list(TASKS) == ["emotion", "isear", "stress", "depression", "severity", "suicidality", "feelings", "themes"]
    assert TASKS["emotion"].labels == ("joy", "love", "surprise", "anger", "fear", "sadness")
    assert TASKS["isear"].labels == ("joy", "fear", "anger", "sadness", "disgust", "shame", "guilt")
    assert TASKS["severity"].labels == ("minimum", "mild", "moderate", "severe")
    assert TASKS["severity"].kind == "ordinal"
    for name in ("stress", "depression", "suicidality"):
        assert TASKS[name].labels == ("yes", "no")
        assert TASKS[name].kind == "binary"
    assert (len(FEELINGS), len(THEMES)) == (16, 12)
    assert TASKS["feelings"].kind == TASKS["themes"].kind == "multilabel"


def test_published_and_screening_tasks_exist() -> None:
    assert set(PUBLISHED_TASKS) | set(SCREENING_TASKS) <= set(TASKS)
    assert len(PUBLISHED_TASKS) == 6


@pytest.mark.parametrize("name", list(TASKS))
def test_verbalisers_start_with_a_space_and_are_one_word(name: str) -> None:
    for verbaliser in TASKS[name].verbalisers:
        assert verbaliser.startswith(" ")
        assert verbaliser[1:].isalpha()


def test_verbaliser_tokens_are_each_listed_once() -> None:
    tokens = tasks.verbaliser_tokens()
    assert len(tokens) == len(set(tokens))
    assert set(tokens) == {v for task in TASKS.values() for v in task.verbalisers}


@pytest.mark.parametrize(
    ("labels", "verbalisers"),
    [(("a", "b"), (" a",)), (("a", "a"), (" a", " b")), (("a", "b"), (" a", " a"))],
)
def test_a_task_that_cannot_be_told_apart_is_refused(labels: tuple[str, ...], verbalisers: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="labels|verbaliser"):
        Task("x", "choice", labels, verbalisers, "?")


def test_index() -> None:
    assert TASKS["severity"].index("moderate") == 2
    with pytest.raises(ValueError, match="tuple"):
        TASKS["severity"].index("none")
