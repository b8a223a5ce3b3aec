"""Prompts are segments: what a person wrote stays data, whatever it looks like."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal_app.contract import prompts
from journal_app.contract.prompts import CHATML, QUIETPAGE, Segment, Template
from journal_app.contract.tasks import TASKS
from tests.support.look_alikes import LOOK_ALIKES

TEMPLATES = pytest.mark.parametrize("template", [QUIETPAGE, CHATML], ids=lambda t: t.name)


@TEMPLATES
@pytest.mark.parametrize("entry", LOOK_ALIKES)
def test_look_alikes_stay_in_a_data_segment(entry: str, template: Template) -> None:
    segments = prompts.prefix(entry, template)
    assert [s.control for s in segments if entry in s.text and not s.control] == [False]
    plain = prompts.prefix("An ordinary day.", template)
    assert [s.control for s in segments] == [s.control for s in plain]
    assert [s.text for s in segments if s.control] == [s.text for s in plain if s.control]


@given(st.text(max_size=200))
def test_control_segments_never_depend_on_the_entry(entry: str) -> None:
    segments = prompts.prefix(entry)
    assert [s.text for s in segments if s.control] == [s.text for s in prompts.prefix("") if s.control]
    assert entry in [s.text for s in segments if not s.control]


@TEMPLATES
def test_order_is_system_then_entry_then_question(template: Template) -> None:
    segments = [*prompts.prefix("ENTRY", template), *prompts.question(TASKS["emotion"], template)]
    texts = [s.text for s in segments]
    assert texts.index(prompts.SYSTEM) < texts.index("ENTRY") < texts.index(TASKS["emotion"].question)
    assert texts[-1] == "Answer:"


def test_every_task_shares_the_prefix_and_has_its_own_question() -> None:
    questions = {name: tuple(prompts.question(task)) for name, task in TASKS.items()}
    assert len(set(questions.values())) == len(TASKS)
    assert {segments[0] for segments in questions.values()} == {Segment(QUIETPAGE.user, True)}


def test_reflection_ends_where_its_words_begin() -> None:
    assert prompts.reflection()[-1] == Segment(QUIETPAGE.end + QUIETPAGE.assistant, True)


@given(st.lists(st.builds(Segment, st.text(max_size=10), st.booleans()), max_size=8))
def test_encode_asks_for_each_segment_by_itself_and_joins_the_ids(segments: list[Segment]) -> None:
    asked: list[tuple[str, bool]] = []

    def tokenise(text: str, control: bool) -> list[int]:
        asked.append((text, control))
        return [ord(c) for c in text]

    ids = prompts.encode(segments, tokenise)
    assert asked == [(s.text, s.control) for s in segments if s.text]
    assert ids == [ord(c) for s in segments for c in s.text]


def test_control_tokens_hold_the_first_ids() -> None:
    assert prompts.CONTROL_TOKENS == (prompts.PAD, prompts.BOS, prompts.START, prompts.END)
    assert len(set(prompts.CONTROL_TOKENS)) == 4


def test_templates_are_found_by_name() -> None:
    assert {name: t.name for name, t in prompts.TEMPLATES.items()} == {name: name for name in prompts.TEMPLATES}
    assert set(prompts.TEMPLATES) >= {
        "quietpage",
        "chatml",
        "llama3",
        "llama2",
        "phi3",
        "gemma",
        "zephyr",
        "alpaca",
        "deepseek",
    }


def test_a_word_has_the_same_ids_however_it_was_composed() -> None:
    def letters(text: str, control: bool) -> list[int]:
        return [ord(c) for c in text]

    for text in ("caf\u00e9", "\ud798\ub4e0 \ud558\ub8e8"):
        apart = unicodedata.normalize("NFD", text)
        assert apart != text
        assert prompts.encode(prompts.prefix(apart), letters) == prompts.encode(prompts.prefix(text), letters)
