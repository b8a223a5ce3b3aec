"""Prompts as segments, so that what a person wrote can never become a control token.

A prompt is a list of :class:`Segment`. Template segments are ours and may hold control tokens;
entry segments are data and are tokenised with control tokens switched off. Whoever turns
segments into ids (the engine with llama.cpp, the trainer with its tokenizer) tokenises each
segment by itself and joins the ids; both sides go through :func:`encode`.

Order is contract: system, entry, *then* question, so that the prefix (system + entry) is read
once and every question is scored from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from journal_app.contract.tasks import Task

BOS = "<|begin|>"
START = "<|turn|>"
END = "<|end|>"
PAD = "<|pad|>"
CONTROL_TOKENS: tuple[str, ...] = (PAD, BOS, START, END)
"""Control tokens of the models trained here; ids 0-3 in their vocabularies, in this order.

llama.cpp gives some strings a meaning of their own, whatever the file says: ``<|start|>``,
``<|channel|>``, ``<|message|>`` and ``<|constrain|>`` become tokens that plain text can produce.
None of those may stand here; the trainer's tests tokenise look-alikes to make sure.
"""

SYSTEM = "You read a private journal entry with care. Answer each question about it with one word."
REFLECT_SYSTEM_QUESTION = "Write a short, warm reflection on this entry. Do not give advice."


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt. ``control`` is true only for text written by this project."""

    text: str
    control: bool


@dataclass(frozen=True, slots=True)
class Template:
    """The control strings around a turn. One per family of models.

    Attributes:
        name: stored in the manifest, e.g. ``quietpage`` or ``chatml``.
        system, user, assistant: what opens each turn (control text).
        end: what closes a turn (control text).
    """

    name: str
    bos: str
    system: str
    user: str
    assistant: str
    end: str


QUIETPAGE = Template("quietpage", BOS, f"{START}system\n", f"{START}user\n", f"{START}answer\n", f"{END}\n")
CHATML = Template("chatml", "", "<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n", "<|im_end|>\n")
# Each family's control strings as its published chat template writes them. Turn by turn they differ in more than
# these (Llama-2 wraps the system turn, Alpaca has no turns, DeepSeek ends only its own): for the contract's questions
# a fixed order of the same strings is what counts, since training and use both take it from here.
_LLAMA3 = Template(
    "llama3",
    "<|begin_of_text|>",
    "<|start_header_id|>system<|end_header_id|>\n\n",
    "<|start_header_id|>user<|end_header_id|>\n\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "<|eot_id|>",
)
_LLAMA2 = Template("llama2", "<s>", "[INST] ", "", " [/INST]", "\n\n")
_PHI3 = Template("phi3", "", "<|system|>\n", "<|user|>\n", "<|assistant|>\n", "<|end|>\n")
_GEMMA = Template("gemma", "<bos>", "", "<start_of_turn>user\n", "<start_of_turn>model\n", "<end_of_turn>\n")
_ZEPHYR = Template("zephyr", "<s>", "<|system|>\n", "<|user|>\n", "<|assistant|>\n", "</s>\n")
_ALPACA = Template("alpaca", "", "### Instruction:\n", "### Input:\n", "### Response:\n", "\n\n")
_DEEPSEEK = Template(
    "deepseek",
    "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
    "",
    "<\uff5cUser\uff5c>",
    "<\uff5cAssistant\uff5c>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)
TEMPLATES: dict[str, Template] = {
    template.name: template
    for template in (QUIETPAGE, CHATML, _LLAMA3, _LLAMA2, _PHI3, _GEMMA, _ZEPHYR, _ALPACA, _DEEPSEEK)
}
PLAIN: frozenset[str] = frozenset((_LLAMA2.name, _ZEPHYR.name, _ALPACA.name))
"""Templates that write roles in plain letters: what a person types can look like a turn there, though never end one."""


def prefix(entry: str, template: Template = QUIETPAGE) -> list[Segment]:
    """Return the shared prefix for ``entry``: system turn, then the entry as data."""
    return [
        Segment(template.bos + template.system, control=True),
        Segment(SYSTEM, control=False),
        Segment(template.end + template.user, control=True),
        Segment(entry, control=False),
        Segment(template.end, control=True),
    ]


def question(task: Task, template: Template = QUIETPAGE) -> list[Segment]:
    """Return what follows the prefix to ask ``task``; the next token is the label's."""
    return _ask(task.question, template, "Answer:")


def reflection(template: Template = QUIETPAGE) -> list[Segment]:
    """Return what follows the prefix to ask for a reflection; the next tokens are its words."""
    return _ask(REFLECT_SYSTEM_QUESTION, template, "")


def _ask(text: str, template: Template, lead: str) -> list[Segment]:
    segments = [
        Segment(template.user, control=True),
        Segment(text, control=False),
        Segment(template.end + template.assistant, control=True),
    ]
    if lead:
        segments.append(Segment(lead, control=False))
    return segments


def encode(segments: Sequence[Segment], tokenise: Callable[[str, bool], list[int]]) -> list[int]:
    """Join the ids of ``segments``; ``tokenise(text, control)`` must honour its second argument.

    Raises whatever ``tokenise`` raises. Empty segments are skipped.
    """
    ids: list[int] = []
    for segment in segments:
        if segment.text:
            ids.extend(tokenise(segment.text, segment.control))
    return ids
