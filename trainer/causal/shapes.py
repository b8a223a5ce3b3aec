"""How an example becomes ids: prompt shapes, completion, and a person's words that stay words.

Every shape is a list of segments (``contract.prompts``): template text of ours, in which control
tokens count, and data, in which they do not. Each segment is tokenised by itself and the ids are
joined, as the app's engine does, so that a model is asked in use what it was asked in training.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from journal_app.contract import prompts
from journal_app.contract.prompts import Segment, Template
from journal_app.contract.tasks import TASKS, Task
from trainer.config import TrainerError
from trainer.records import Example

SHAPES = ("contract", "template", "chatml", "alpaca", "llama2")


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as ids.

    Attributes:
        ids: prompt and completion. start: index of the completion's first id; its last id ends the turn.
        choices: of a question of the contract, the ids of the label tokens in label order, else empty.
        targets: of a multi-label question, 1, 0 or -1 (not known) for each of ``choices``; its answer is
            a probability for each at the last position of ``ids``, which then have no completion.
    """

    ids: list[int]
    start: int
    choices: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()


def encode(example: Example, shape: str, template: Template, tokenizer: Any, limit: int) -> Encoded:
    """Return ``example`` in ``shape`` with at most ``limit`` ids.

    What is too long loses its oldest turns first, then the left of the input, of which a quarter of the limit
    stays, and then the right of the answer. Raises :class:`TrainerError` where the shape does not fit the
    tokenizer or the limit.
    """
    tokenise = tokeniser(tokenizer)
    task = _contract_task(example, shape)
    if task is None:
        answer = completion(example.output, shape, template, tokenizer)
        least = _least(example, shape, template, tokenise, limit)
        # An answer that is cut has no end: the model is not to learn to stop in the middle.
        answer = answer[: max(2, limit - least)]
        ids = _prompt(example, shape, template, tokenise, limit - len(answer))
        return Encoded(ids + answer, len(ids))
    choices = label_ids(tokenizer, task)
    if task.kind == "multilabel":
        targets = tuple(example.target(label) for label in task.labels)
        ids = _prompt(example, shape, template, tokenise, limit)
        return Encoded(ids, len(ids), choices, targets)
    if example.label not in task.labels:
        raise TrainerError(f"an example of {example.source} has no label of the task {task.name}; run prepare again")
    answer = [choices[task.index(example.label)], _end(shape, template, tokenizer)]
    ids = _prompt(example, shape, template, tokenise, limit - len(answer))
    return Encoded(ids + answer, len(ids), choices)


def prompt(example: Example, shape: str, template: Template, tokenizer: Any, limit: int) -> list[int]:
    """Return the ids after which the answer comes, at most ``limit``; raises as :func:`encode` does."""
    return _prompt(example, shape, template, tokeniser(tokenizer), limit)


def completion(text: str, shape: str, template: Template, tokenizer: Any) -> list[int]:
    """Return the ids of ``text`` as an answer, with the id that ends the turn."""
    tokenise = tokeniser(tokenizer)
    lead = ""
    if shape == "llama2" or (shape != "chatml" and template.name == "llama2"):
        # After [/INST] comes a space; SentencePiece puts one before any text by itself.
        own = tokenizer.convert_ids_to_tokens(tokenise("a", False)[:1])[0].startswith("\u2581")
        lead = "" if own else " "
    return tokenise(lead + text, False) + [_end(shape, template, tokenizer)]


def label_ids(tokenizer: Any, task: Task) -> tuple[int, ...]:
    """Return the id of every label's verbaliser; raise :class:`TrainerError` if one is not a single token.

    SentencePiece vocabularies write a leading space as U+2581 and add one of their own to any text, so
    there the piece is looked up by name.
    """
    tokenise = tokeniser(tokenizer)
    found: list[int] = []
    for label, word in zip(task.labels, task.verbalisers, strict=True):
        ids = tokenise(word, False)
        if len(ids) != 1:
            piece = tokenizer.convert_tokens_to_ids("\u2581" + word.strip())
            ids = [piece] if piece is not None and piece != tokenizer.unk_token_id else tokenise(word.strip(), False)
        if len(ids) != 1:
            raise TrainerError(
                f"the base's vocabulary has no single token for {task.name}: {label}; "
                'train it in another shape (sft.shape = "template") or leave the task out'
            )
        found += ids
    if len(set(found)) != len(found):
        raise TrainerError(f"two labels of {task.name} share a token of the base; leave the task out")
    return tuple(found)


@lru_cache(maxsize=8)
def tokeniser(tokenizer: Any) -> Callable[[str, bool], list[int]]:
    """Return ``tokenise(text, control)`` for :func:`journal_app.contract.prompts.encode`.

    With ``control`` false no added token, special or not, can come out: text that spells one is cut inside
    it, as the engine's guard does. ``tokenizer`` is a fast tokenizer of transformers.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    # Runs of spaces are ordinary tokens in some families, though the file lists them as added.
    names = {number: token.content for number, token in tokenizer.added_tokens_decoder.items() if token.content.strip()}

    def tokenise(text: str, control: bool) -> list[int]:
        backend.encode_special_tokens = not control
        try:
            ids = backend.encode(text, add_special_tokens=False).ids
        finally:
            backend.encode_special_tokens = False
        if control or not (found := {names[i] for i in ids if i in names}):
            return ids
        inside = "|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in found if len(name) > 1)
        parts = [part for part in re.split(inside, text) if part] if inside else [text]
        if len(parts) < 2:
            # The unknown token: nothing was spelt, a character is missing from the vocabulary.
            if found == {tokenizer.unk_token}:
                return ids
            raise TrainerError("the base's tokenizer cannot tell its control tokens from a person's words")
        return [token for part in parts for token in tokenise(part, False)]

    return tokenise


def segments(example: Example, shape: str, template: Template) -> tuple[list[Segment], list[Segment], list[Segment]]:
    """Return what comes before the input, the input, and what comes after it up to the answer."""
    if shape not in SHAPES:
        raise TrainerError(f"no such shape of a prompt: {shape}")
    if shape == "contract":
        if example.task in TASKS or example.task == "reply":
            *head, entry, tail = prompts.prefix(example.input, template)
            task = TASKS.get(example.task)
            asked = prompts.question(task, template) if task else prompts.reflection(template)
            return head, [entry], [tail, *asked]
        shape = "template"
    if shape == "template" and template.name in ("alpaca", "llama2"):
        shape = template.name
    if shape == "alpaca":
        return _alpaca(example)
    if shape == "llama2":
        return _llama2(example)
    return _turns(example, prompts.CHATML if shape == "chatml" else template)


def _turns(example: Example, template: Template) -> tuple[list[Segment], list[Segment], list[Segment]]:
    head = [Segment(template.bos, control=True)]
    before = ""
    if example.system:
        if template.system:
            head += [Segment(template.system, True), Segment(example.system, False), Segment(template.end, True)]
        else:
            # Gemma and its like have no system turn: what it says opens the first user turn.
            before = f"{example.system}\n\n"
    for role, text in example.turns:
        opening = template.assistant if role == "assistant" else template.user
        head += [Segment(opening, True), Segment(before + text, False), Segment(template.end, True)]
        before = ""
    head.append(Segment(template.user, control=True))
    if example.instruction:
        before += example.instruction + ("\n\n" if example.input else "")
    if before:
        head.append(Segment(before, control=False))
    return head, [Segment(example.input, False)], [Segment(template.end + template.assistant, True)]


def _alpaca(example: Example) -> tuple[list[Segment], list[Segment], list[Segment]]:
    turns = "".join(f"{'Assistant' if role == 'assistant' else 'User'}: {text}\n" for role, text in example.turns)
    asked = example.instruction or example.system or example.input
    given = example.input if example.instruction or example.system else ""
    head = [Segment(prompts.ALPACA_WITH_INPUT if given else prompts.ALPACA_ALONE, False)]
    if not given:
        return [*head, Segment("### Instruction:\n", False)], [Segment(asked, False)], [_ALPACA_ANSWER]
    if example.instruction and example.system:
        head[0] = Segment(f"{example.system}\n\n{head[0].text}", False)
    head.append(Segment(f"### Instruction:\n{asked}\n\n### Input:\n{turns}", False))
    return head, [Segment(given, False)], [_ALPACA_ANSWER]


_ALPACA_ANSWER = Segment("\n\n### Response:\n", control=False)


def _llama2(example: Example) -> tuple[list[Segment], list[Segment], list[Segment]]:
    head: list[Segment] = []
    before = f"<<SYS>>\n{example.system}\n<</SYS>>\n\n" if example.system else ""
    opened = False
    for role, text in example.turns:
        if role == "assistant":
            # An answer with nothing asked before it still needs a turn to answer.
            head += [] if opened else [Segment("<s>", True), Segment(f"[INST] {before}[/INST]", False)]
            head += [Segment(f" {text} ", False), Segment("</s>", True)]
            opened = False
        else:
            head += [Segment("<s>", True), Segment(f"[INST] {before}{text} [/INST]", False)]
            opened = True
        before = ""
    before += f"{example.instruction}\n\n" if example.instruction else ""
    head += [Segment("<s>", True), Segment(f"[INST] {before}", False)]
    return head, [Segment(example.input, False)], [Segment(" [/INST]", False)]


def _contract_task(example: Example, shape: str) -> Task | None:
    return TASKS.get(example.task) if shape == "contract" else None


def _end(shape: str, template: Template, tokenizer: Any) -> int:
    if shape == "chatml":
        template = prompts.CHATML
    if shape in ("alpaca", "llama2") or template.name in ("alpaca", "llama2"):
        if tokenizer.eos_token_id is None:
            raise TrainerError("the base's tokenizer has no token that ends a text; choose another base")
        return int(tokenizer.eos_token_id)
    ids = tokeniser(tokenizer)(template.end.strip(), True)
    if len(ids) != 1:
        raise TrainerError(
            f"the base's tokenizer does not know {template.end.strip()} of the template {template.name}; "
            "set base.template to its own"
        )
    return ids[0]


def _prompt(
    example: Example, shape: str, template: Template, tokenise: Callable[[str, bool], list[int]], limit: int
) -> list[int]:
    head, entry, tail = (prompts.encode(part, tokenise) for part in segments(example, shape, template))
    turns: Sequence[tuple[str, str]] = example.turns
    while turns and len(head) + len(entry) + len(tail) > limit:
        turns = turns[1:]
        shorter = replace(example, turns=tuple(turns))
        head = prompts.encode(segments(shorter, shape, template)[0], tokenise)
    room = limit - len(head) - len(tail)
    if room < min(1, len(entry)):
        raise TrainerError(f"sft.sequence leaves no room for the text beside its instruction ({limit} tokens)")
    return head + entry[max(0, len(entry) - room) :] + tail


def _least(
    example: Example, shape: str, template: Template, tokenise: Callable[[str, bool], list[int]], limit: int
) -> int:
    """Return how many ids a prompt needs at least: without earlier turns, and a quarter of ``limit`` for the input."""
    short = replace(example, turns=()) if example.turns else example
    head, entry, tail = (len(prompts.encode(part, tokenise)) for part in segments(short, shape, template))
    return head + tail + min(entry, limit // 4)
