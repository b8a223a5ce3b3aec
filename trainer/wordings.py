"""How a task is put into words: several wordings each, so that a model learns the task and not a sentence.

Which of them an example gets depends on the seed and the example alone, not on the order or on other rows.
Valid and test examples always get the first, so that losses and scores can be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from journal_app.contract.tasks import TASKS
from trainer.corpora.corpus import word
from trainer.corpora.known import task_labels
from trainer.records import Example

LISTENERS: dict[str, tuple[str, ...]] = {
    "en": (
        "You listen with care to somebody who writes about their day. Answer warmly and briefly, without a diagnosis.",
        "You are a calm listener. Show that you understood before you say anything else. You do not diagnose.",
        "Somebody confides in you. Answer as a kind and attentive person would, in a few sentences.",
        "You reply to what a person tells of themself: gently, plainly, and without judging.",
    ),
    "ko": (
        "당신은 하루를 적은 사람의 이야기를 따뜻하게 듣습니다. 진단하지 말고 짧고 다정하게 답하세요.",
        "당신은 차분한 듣는 사람입니다. 먼저 이해했음을 보여 주고 진단은 하지 않습니다.",
        "누군가 당신에게 마음을 털어놓습니다. 친절하고 세심하게 몇 문장으로 답하세요.",
        "자기 이야기를 하는 사람에게 부드럽고 쉬운 말로, 판단하지 않고 답하세요.",
    ),
}
"""System prompts of ``reply`` and ``preference``."""

CHOOSE: dict[str, tuple[str, ...]] = {
    "en": (
        "{question} Answer with one of: {labels}.",
        "Read the text. {question} Choose from: {labels}. Write only your choice.",
        "{question} The possible answers are: {labels}.",
        "Options: {labels}. {question} Reply with one option and nothing else.",
    ),
    "ko": (
        "{question} 다음 중 하나로 답하세요: {labels}.",
        "글을 읽으세요. {question} 보기: {labels}. 고른 것만 쓰세요.",
        "{question} 가능한 답은 {labels}입니다.",
        "보기: {labels}. {question} 하나만 고르고 다른 말은 쓰지 마세요.",
    ),
}
SEVERAL: dict[str, tuple[str, ...]] = {
    "en": (
        "{question} Name all that apply: {labels}. If none does, write none.",
        "Read the text. {question} Choose one or more from: {labels}, or write none.",
        "{question} List every fitting one, with commas: {labels}. Write none if nothing fits.",
        "Options: {labels}. {question} Reply with those that fit, or with none.",
    ),
    "ko": (
        "{question} 해당하는 것을 모두 쓰세요: {labels}. 없으면 none이라고 쓰세요.",
        "글을 읽으세요. {question} 보기에서 하나 이상 고르세요: {labels}. 없으면 none.",
        "{question} 맞는 것을 쉼표로 모두 쓰세요: {labels}. 없으면 none이라고 쓰세요.",
        "보기: {labels}. {question} 맞는 것만 답하고 없으면 none이라고 하세요.",
    ),
}
"""Instructions of classification, with one answer and with several."""

QUESTIONS: dict[str, dict[str, str]] = {
    "ko": {
        "feelings": "이 글에는 어떤 감정이 있나요?",
        "themes": "이 글은 무엇에 관한 것인가요?",
        "emotion": "이 글에서 가장 강한 감정은 무엇인가요?",
        "stress": "글쓴이가 스트레스를 받는 것 같나요?",
        "depression": "이 글에 우울의 표현이 있나요?",
        "": "이 글에 어떤 이름표가 맞나요?",
    },
    "en": {
        "goemotions": "Which emotions does this comment show?",
        "kote": "Which feelings does this comment show?",
        "sad": "What is the cause of the stress?",
        "cognitive_distortion": "Is the thinking in this text distorted?",
        "empathetic_personas": "How does the writer feel?",
        "empathetic_dialogues": "Which feeling does the speaker tell of?",
        "studemo": "Which emotions does this opinion show?",
        "": "Which label fits this text?",
    },
}

ASKED: dict[str, dict[str, tuple[str, ...]]] = {
    "rewrite": {
        "en": ("Say this in another voice.", "Rewrite this in a different tone.", "Put this into other words."),
        "ko": ("다른 말투로 바꿔 쓰세요.", "이 말을 다른 어조로 써 주세요.", "다른 말로 바꿔 주세요."),
    },
    "rewrite:positive_frames": {
        "en": (
            "Rewrite this in a more hopeful frame without denying what is hard.",
            "Say this again so that it leaves room for hope. Keep its meaning.",
            "Find another way to look at this, and write it in the first person.",
        ),
    },
    "summary": {
        "en": (
            "Summarise this text.",
            "What does this text say? Answer in a few sentences.",
            "Write a short summary that leaves out nothing important.",
        ),
        "ko": (
            "이 글을 요약하세요.",
            "이 글의 내용을 몇 문장으로 쓰세요.",
            "중요한 것을 빠뜨리지 않고 짧게 요약하세요.",
        ),
    },
    "explain": {"en": ("Answer the question and say why.",), "ko": ("질문에 답하고 까닭을 쓰세요.",)},
    "text": {
        "en": ("Continue this text.", "Write on from here.", "How does this text go on?"),
        "ko": ("이 글을 이어 쓰세요.", "여기서부터 계속 쓰세요.", "이 글은 어떻게 이어지나요?"),
    },
}
"""Task (or ``task:source``) -> language -> instructions of tasks that are not classification."""


def worded(example: Example, seed: int, labels: Mapping[str, Sequence[str]], *, first: bool) -> Example:
    """Return ``example`` with an instruction (or a system prompt); one that it brings along stays.

    Args:
        labels: task -> labels, for tasks that neither the contract nor a corpus knows.
        first: take the first wording whatever the seed.
    """
    language = example.lang if example.lang in LISTENERS else "en"
    if example.task in ("reply", "preference"):
        if example.system:
            return example
        return replace(example, system=_drawn(LISTENERS[language], example, seed, first=first))
    if example.instruction:
        return example
    if example.task in ASKED:
        by_language = ASKED.get(f"{example.task}:{example.source}") or ASKED[example.task]
        return replace(
            example, instruction=_drawn(by_language.get(language) or by_language["en"], example, seed, first=first)
        )
    names = task_labels(example.task) or tuple(labels.get(example.task, ()))
    if example.task in TASKS:
        names = TASKS[example.task].labels
    several = TASKS[example.task].kind == "multilabel" if example.task in TASKS else not example.label
    form = _drawn((SEVERAL if several else CHOOSE)[language], example, seed, first=first)
    spoken = ", ".join(word(example.task, name) for name in names)
    return replace(example, instruction=form.format(question=_question(example.task, language), labels=spoken))


def _question(task: str, language: str) -> str:
    known = QUESTIONS[language]
    if language == "en" and task in TASKS:
        return TASKS[task].question
    return known.get(task) or known[""]


def _drawn(choices: Sequence[str], example: Example, seed: int, *, first: bool) -> str:
    if first or len(choices) == 1:
        return choices[0]
    key = f"{seed}:wording:{example.task}:{example.source}:{example.input}:{example.output}".encode()
    return choices[int.from_bytes(hashlib.sha256(key).digest()[:8]) % len(choices)]
