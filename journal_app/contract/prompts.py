"""Prompts as segments, so that what a person wrote can never become a control token.

A prompt is a list of :class:`Segment`. Template segments are ours and may hold control tokens;
entry segments are data and are tokenised with control tokens switched off. Whoever turns
segments into ids (the engine with llama.cpp, the trainer with its tokenizer) tokenises each
segment by itself and joins the ids; both sides go through :func:`encode`.

Order is contract: system, entry, *then* question, so that the prefix (system + entry) is read
once and every question is scored from it.
"""

from __future__ import annotations

import unicodedata
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
ALPACA_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
)
"""Preamble of Stanford Alpaca (Taori et al. 2023) for prompts with an input; the next one is without."""
ALPACA_ALONE = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
)
# What tells a family by its chat template; the first that is found decides. Some templates put a turn's opening
# together from its parts, so Phi-3 is told by how it ends a turn.
_SIGNS = (
    (START, "quietpage"),
    ("<|im_start|>", "chatml"),
    ("<|start_header_id|>", "llama3"),
    ("<start_of_turn>", "gemma"),
    ("<\uff5cAssistant\uff5c>", "deepseek"),
    ("<|end|>", "phi3"),
    ("[INST]", "llama2"),
    ("<|assistant|>", "zephyr"),
    ("### Response", "alpaca"),
)
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


def family(chat_template: str) -> str | None:
    """Return the name of the template whose control strings a file's ``tokenizer.chat_template`` writes, or None."""
    return next((name for sign, name in _SIGNS if sign in chat_template), None)


def conversation(
    messages: Sequence[tuple[str, str]], template: Template
) -> tuple[list[Segment], Segment, list[Segment]]:
    """Return a conversation up to where the next answer begins: what comes before the last message, it, and the rest.

    Args:
        messages: (role, text) with the roles ``system`` (first only), ``user`` and ``assistant``; the last is the
            user's. They are data, whatever they hold.

    The three parts are what ``trainer.causal.shapes`` trains on, segment for segment: the texts of one message never
    share a segment with another's. Raises ``ValueError`` for another order or an unknown role.
    """
    system = messages[0][1] if messages and messages[0][0] == "system" else ""
    turns = list(messages[1:] if messages and messages[0][0] == "system" else messages)
    if not turns or turns[-1][0] != "user" or any(role not in ("user", "assistant") for role, _ in turns):
        raise ValueError("a conversation is an optional system message, then turns, the last of them the user's")
    last = Segment(turns.pop()[1], control=False)
    if template.name == "alpaca":
        return _alpaca(system, turns, last)
    if template.name == "llama2":
        return _llama2(system, turns, last)
    head = [Segment(template.bos, control=True)]
    before = ""
    if system and template.system:
        head += [Segment(template.system, True), Segment(system, False), Segment(template.end, True)]
    elif system:
        # Gemma and its like have no system turn: what it says opens the first user turn.
        before = f"{system}\n\n"
    for role, text in turns:
        opening = template.assistant if role == "assistant" else template.user
        head += [Segment(opening, True), Segment(before + text, False), Segment(template.end, True)]
        before = ""
    head += [Segment(template.user, control=True), Segment(before, control=False)]
    return head, last, [Segment(template.end + template.assistant, control=True)]


def _alpaca(
    system: str, turns: Sequence[tuple[str, str]], last: Segment
) -> tuple[list[Segment], Segment, list[Segment]]:
    said = "".join(f"{'Assistant' if role == 'assistant' else 'User'}: {text}\n" for role, text in turns)
    if system:
        head = [Segment(ALPACA_WITH_INPUT, False)]
        head.append(Segment(f"### Instruction:\n{system}\n\n### Input:\n{said}", False))
    else:
        head = [Segment(ALPACA_ALONE, False), Segment(f"### Instruction:\n{said}", False)]
    return head, last, [Segment("\n\n### Response:\n", False)]


def _llama2(
    system: str, turns: Sequence[tuple[str, str]], last: Segment
) -> tuple[list[Segment], Segment, list[Segment]]:
    head: list[Segment] = []
    before = f"<<SYS>>\n{system}\n<</SYS>>\n\n" if system else ""
    opened = False
    for role, text in turns:
        if role == "assistant":
            # An answer with nothing asked before it still needs a turn to answer.
            head += [] if opened else [Segment("<s>", True), Segment(f"[INST] {before}[/INST]", False)]
            head += [Segment(f" {text} ", False), Segment("</s>", True)]
            opened = False
        else:
            head += [Segment("<s>", True), Segment(f"[INST] {before}{text} [/INST]", False)]
            opened = True
        before = ""
    return [*head, Segment("<s>", True), Segment(f"[INST] {before}", False)], last, [Segment(" [/INST]", False)]


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

    A person's words are put into Unicode's composed form (NFC) first: some tokenizers do so by themselves, llama.cpp
    never does, and the same word typed on another system must not become other ids. Empty segments are skipped.
    Raises whatever ``tokenise`` raises.
    """
    ids: list[int] = []
    for segment in segments:
        text = segment.text if segment.control else unicodedata.normalize("NFC", segment.text)
        if text:
            ids.extend(tokenise(text, segment.control))
    return ids
