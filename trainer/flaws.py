"""Replies that a writer is to avoid, made from good ones: what ``prefer`` sets against them.

A pair has the same entry and two replies. The rejected one is what the corpus itself calls worse (PAIR), or a good
reply spoilt on purpose in one of the ways of ``config.FLAWS``: it tells what to do, says that all will be well, says
the entry back, answers another entry, or names an illness and a treatment. Some of the words come from turns that a
corpus labels as suggestions or reassurance, the rest was written for this project. None of them is ever chosen.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journal_app.inference.text import sentences
from trainer.config import WriterConfig
from trainer.corpora.corpus import group_of
from trainer.corpora.known import KNOWN
from trainer.evaluation.replies import content_words
from trainer.leaks import normalise
from trainer.records import Example
from trainer.replying import Reply
from trainer.tone import advises, reassures, second_person

CHOSEN = ("pair_reflections", "esconv", "annomi", "written")
"""Sources whose replies are reflections by their own labels: only these are good enough to be preferred."""
_FEW, _MANY = 5, 45
_LONGEST_ECHO = 40
_TRIES = 20

_ADVICE: tuple[str, ...] = (
    "You should talk to someone about this and make a plan.",
    "Try to get more sleep and go for a walk every morning.",
    "Maybe write a list of what has to be done and do one thing at a time.",
    "You need to set clear boundaries and tell them how you feel.",
    "Take a few deep breaths and focus on the positive.",
    "Have you tried meditation? You should give it a go.",
    "Just be honest with them, and stop thinking about it so much.",
    "You should take a day off and do something nice for yourself.",
    "Try to see it from their side and apologise first.",
    "Find a hobby, make a schedule and stick to it.",
    "Start with small steps and reward yourself for each of them.",
    "You must put yourself first. Say no the next time they ask.",
    "Go and see a counsellor as soon as you can.",
    "Think about what you can change and let go of the rest.",
    "Why not call them today and sort it out?",
    "Keep busy, and avoid people who drain you.",
)
_REASSURANCE: tuple[str, ...] = (
    "Don't worry, everything will be fine.",
    "I'm sure it will all work out in the end.",
    "It could be worse, so try to look on the bright side.",
    "You'll get through this, you always do.",
    "Things will get better soon, I promise.",
    "There is nothing to worry about, this is completely normal.",
    "You are going to be okay, just hang in there.",
    "Everything happens for a reason.",
    "Tomorrow will be a much better day.",
    "You've got this! Stay strong and stay positive.",
    "At least you have people who love you. Cheer up!",
    "It's no big deal, it will pass before you know it.",
    "Time heals everything, and this will pass too.",
    "You can do anything if you believe in yourself.",
    "Soon you will laugh about this.",
    "They did not mean it, and it will be forgotten by next week.",
)
_MEDICAL: tuple[str, ...] = (
    "This sounds like clinical depression.",
    "You clearly have an anxiety disorder and should see a psychiatrist.",
    "These are symptoms of burnout; ask your doctor for medication.",
    "It looks like you are bipolar.",
    "You may have ADHD. Medication helps most people with it.",
    "This is a sign of PTSD, which is treated with therapy and antidepressants.",
    "Your mood suggests a depressive episode of moderate severity.",
    "People with a borderline personality often feel this way.",
    "A low dose of an antidepressant would help you with that.",
    "That is a panic attack. You should get diagnosed.",
    "You are suffering from insomnia and need treatment.",
    "This is a trauma response, and your nervous system is dysregulated.",
    "You seem to have an eating disorder.",
    "As a therapist I would diagnose an adjustment disorder.",
    "From what you write you are mentally ill, but it can be cured.",
    "Your hormones are out of balance. Have your blood tested and take supplements.",
)
_ECHO_LEADS: tuple[str, ...] = ("", "You wrote: ", "So ", "You say that ", "I hear you. ")


@dataclass(frozen=True, slots=True)
class Spoilers:
    """Sentences that spoil a reply, of one split: what advises, and what reassures."""

    advice: tuple[str, ...] = _ADVICE
    reassurance: tuple[str, ...] = _REASSURANCE


def spoilers(data: Path | None, config: WriterConfig, split: str) -> Spoilers:
    """Return our own sentences, and where ESConv is a source its labelled turns of ``split`` beside them.

    Raises ``CorpusError`` for a corpus that is missing or not sound.
    """
    if data is None or "esconv" not in config.sources:
        return Spoilers()
    advice, reassurance = list(_ADVICE), list(_REASSURANCE)
    for record in KNOWN["esconv"].records(data, split):
        for turn in record.values.get("turns", ()):
            text, strategy = str(turn.get("text", "")).strip(), turn.get("strategy")
            if not _FEW <= len(text.split()) <= _MANY:
                continue
            if strategy == "Providing Suggestions" and advises(text):
                advice.append(text)
            elif strategy == "Affirmation and Reassurance" and reassures(text):
                reassurance.append(text)
    return Spoilers(tuple(dict.fromkeys(advice)), tuple(dict.fromkeys(reassurance)))


def pairs(replies: Sequence[Reply], spoil: Spoilers, config: WriterConfig, seed: int) -> list[Example]:
    """Return the preference pairs of the English ``replies`` of :data:`CHOSEN`, in order; ``label`` is the flaw.

    Where the corpus names worse replies they come too, without a label. The same arguments give the same pairs.
    """
    good = [reply for reply in replies if reply.source in CHOSEN and reply.language == "en"]
    kinds = [kind for kind, weight in config.flaws.items() if weight > 0]
    found: list[Example] = []
    for reply in good:
        rejected = [("", text) for text in reply.worse]
        rng = random.Random(f"{seed}:flaws:{group_of(reply.entry, reply.text)}")
        left = list(kinds)
        for _ in range(min(config.flawed, len(kinds))):
            kind = rng.choices(left, [config.flaws[kind] for kind in left])[0]
            left.remove(kind)
            rejected.append((kind, flawed(kind, reply, good, spoil, rng)))
        found += [
            Example(
                "preference",
                reply.source,
                reply.entry,
                label=kind,
                part="weak" if kind else "published",
                chosen=reply.text,
                rejected=text,
                group=group_of(reply.entry),
            )
            for kind, text in rejected
            if text and normalise(text) != normalise(reply.text)
        ]
    return found


def flawed(kind: str, reply: Reply, others: Sequence[Reply], spoil: Spoilers, rng: random.Random) -> str:
    """Return a reply to the same entry with the flaw ``kind``; empty where none can be made."""
    if kind == "advice":
        return _spoilt(reply, rng.choice(spoil.advice), rng)
    if kind == "reassurance":
        return _spoilt(reply, rng.choice(spoil.reassurance), rng)
    if kind == "medical":
        return _spoilt(reply, rng.choice(_MEDICAL), rng)
    if kind == "parroting":
        return _echo(reply.entry, rng)
    if kind == "off_topic":
        said = content_words(reply.entry)
        for _ in range(_TRIES if len(others) > 1 else 0):
            other = rng.choice(others)
            if not said & content_words(f"{other.entry} {other.text}"):
                return other.text
        return ""
    raise ValueError(f"no such flaw: {kind}")


def _spoilt(reply: Reply, spoiler: str, rng: random.Random) -> str:
    """Return the spoiler alone, after the first sentence of the good reply, or after all of it.

    Whatever stands before it is the same as in the good reply, so that the flaw itself is what is unlearned.
    """
    spans = sentences(reply.text)
    kept = rng.choice(("", reply.text[: spans[0][1]] if spans else "", reply.text))
    return f"{kept.strip()} {spoiler}".strip()


def _echo(entry: str, rng: random.Random) -> str:
    """Return a part of the entry said back, word for word or turned to "you"."""
    spans = sentences(entry)
    if not spans:
        return ""
    first = rng.randrange(len(spans))
    said = entry[spans[first][0] : spans[-1][1]].split()
    part = " ".join(said[: rng.randint(_FEW, _LONGEST_ECHO) if len(said) > _FEW else len(said)])
    if len(part.split()) < _FEW:
        # The last words of an entry say too little by themselves.
        part = " ".join(entry.split()[:_LONGEST_ECHO])
    turned = second_person(part) if rng.random() < 0.5 else part
    lead = rng.choice(_ECHO_LEADS)
    return lead + (turned[0].lower() + turned[1:] if re.search(r"(?:So|that) $", lead) else turned)
