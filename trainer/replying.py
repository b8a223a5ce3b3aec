"""Replies that a writer may learn from: short reflections on what a person said, picked out of the corpora.

Most support corpora advise, comfort and tell of the helper's own life; a reflection does none of that. So a source
gives only what its own labels call a reflection, as far as it has such labels, and every reply must pass the app's
output check under its entry and the narrower one of ``trainer.tone``. What is left is little and short, which is what
the app asks for. Counts of what was left out and why go into the report; no text does.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from journal_app.journal.safety import assess, check_output
from trainer.config import WriterConfig
from trainer.corpora import reflections
from trainer.corpora.corpus import Record, group_of
from trainer.corpora.files import CorpusError, is_placeholder
from trainer.corpora.known import KNOWN
from trainer.evaluation.replies import content_words
from trainer.leaks import OPENING, Guard, normalise
from trainer.tone import advises, reassures, second_person, speaks_of_itself

LEAST_ENTRY, ENOUGH_ENTRY = 5, 12
"""Words without which there is nothing to reflect on; and up to which earlier turns are put before a short one."""
_EARLIER = 3
_KOREAN_WORD = 3
"""Letters that count as a word of Korean, which writes in one what English writes in two or three."""

REFLECTING = frozenset({"Restatement or Paraphrasing", "Reflection of feelings"})
"""ESConv's strategies that are reflections; a question after one belongs to it."""
_KIND_FRAMES = frozenset({"neutralizing", "growth", "self_affirmation"})
"""Positive Frames' strategies that leave what was said standing. Optimism and impermanence promise, thankfulness says
that others have it worse."""
_FILLER = re.compile(
    r"^(?:(?:(?:yeah|yes|yep|okay|ok|right|sure|great|good|wow|ah|aw|mm-hmm|uh-huh|mm|oh no|oh|all right|alright|hmm"
    r"|well|i see|i understand)[,.!-]+|(?:so|and|um|uh),?)(?=\s)\s*)+",
    re.IGNORECASE,
)
"""What opens a spoken answer and says nothing."""
_BROKEN_OFF = re.compile(r"--|\b\w+-(?:\s|$)|^-|\b(?:um|uh|er)\b|\[|\]", re.IGNORECASE)
_ENDED = re.compile(r"[.?!]$")
_LETTER = re.compile(r"[^\W\d_]")
_YOU = re.compile(r"\byou", re.IGNORECASE)
_PARTING = re.compile(
    r"\b(?:have a (?:great|good|nice|lovely)|thanks?|pleasure|welcome|chat(?:ting)?|bye|goodnight|take care)\b"
    r"|\b(?:u|ur|lol|omg|pls|plz)\b|[:;]-?[()D]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A good reflection on an entry.

    Attributes:
        worse: replies to the same entry that its corpus calls worse. probes: further texts of its record that must not
            be held out anywhere, e.g. the whole conversation. language: ISO 639-1.
    """

    source: str
    entry: str
    text: str
    language: str = "en"
    worse: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()


@dataclass(slots=True)
class Collected:
    """The replies of one split, and by source how many were read, kept and left out for which reason."""

    replies: list[Reply] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def collect(data: Path | None, config: WriterConfig, split: str, guard: Guard | None) -> Collected:
    """Return the replies of ``split`` (``train`` or ``valid``) of the config's sources, each entry and reply once.

    With ``guard`` what equals or nearly equals a held-out text is left out. Raises :class:`CorpusError` for a corpus
    that is missing or not sound.
    """
    if split not in ("train", "valid"):
        raise ValueError("a writer learns from train and is watched on valid; nothing here reads a test")
    found = Collected()
    seen: set[tuple[str, str]] = set()
    for name in config.sources:
        counts = found.counts[name]
        for reply in _of(name, data, split):
            counts["read"] += 1
            key = (normalise(reply.entry), normalise(reply.text))
            reason = "repeat" if key in seen else unfit(reply, config)
            if not reason and guard is not None:
                reason = _held(reply, guard)
            if reason:
                counts[reason] += 1
            else:
                seen.add(key)
                counts["kept"] += 1
                found.replies.append(reply)
    return found


def unfit(reply: Reply, config: WriterConfig) -> str:
    """Return why ``reply`` is not to be learned, or an empty string."""
    korean = reply.language == "ko"
    if is_placeholder(reply.entry) or is_placeholder(reply.text):
        return "placeholder"
    if words(reply.entry, reply.language) < (2 if korean else LEAST_ENTRY):
        return "entry too short"
    if words(reply.text, reply.language) > config.most_words:
        return "reply too long"
    if assess(reply.entry).level != "none":
        # At such an entry the app lets no model write.
        return "help level"
    if advises(reply.text, reply.language):
        return "advice"
    if reassures(reply.text, reply.language):
        return "reassurance"
    if speaks_of_itself(reply.text, reply.language):
        return "speaks of itself"
    if not korean and (not _YOU.search(reply.text) or _PARTING.search(reply.text)):
        return "not said to a person about what they wrote"
    check = check_output(reply.text, reply.entry, reply.language)
    if not check.ok:
        return f"output check: {check.reasons[0]}"
    if config.mention and not korean and not content_words(reply.entry) & content_words(reply.text):
        return "takes up no word of the entry"
    return ""


def words(text: str, language: str) -> int:
    """Return the length of ``text`` in words; of Korean in thirds of its letters."""
    return len(_LETTER.findall(text)) // _KOREAN_WORD if language == "ko" else len(text.split())


def _held(reply: Reply, guard: Guard) -> str:
    matches = {guard.held.match(text) for text in (reply.entry, *reply.probes)} - {""}
    return f"{min(matches)} copy of a held-out text" if matches else ""


def _of(name: str, data: Path | None, split: str) -> Iterator[Reply]:
    if name == "written":
        # Nothing of it is held out: the held pairs are a file of their own.
        pairs = reflections.written() if split == "train" else []
        yield from (Reply(name, pair.entry, pair.reflection) for pair in pairs)
        return
    if data is None:
        raise CorpusError(f"writer.replies: {name} needs the corpora: --data DIR or QUIETPAGE_DATA")
    for record in KNOWN[name].records(data, split):
        yield from _READERS[name](name, record)


# -- the sources ------------------------------------------------------------------------------------


def _pair(name: str, record: Record) -> Iterator[Reply]:
    worse = record.values.get("rejected")
    if not isinstance(worse, list) or not all(isinstance(text, str) for text in worse):
        raise CorpusError(f"{record.where}: no field 'rejected' with a list of strings")
    good = record.text("response")
    others = tuple(dict.fromkeys(text.strip() for text in worse if text.strip() and text.strip() != good))
    yield Reply(name, record.text("prompt"), good, worse=others)


def _prompt(name: str, record: Record) -> Iterator[Reply]:
    yield Reply(name, record.text("prompt"), record.text("response"), KNOWN[name].language)


def _frames(name: str, record: Record) -> Iterator[Reply]:
    strategies = record.values.get("strategies")
    if not isinstance(strategies, list):
        raise CorpusError(f"{record.where}: no field 'strategies' with a list")
    if strategies and set(strategies) <= _KIND_FRAMES:
        # The line and its frame are both in the first person: the frame is said to the person instead.
        text = second_person(record.text("response"))
        yield Reply(name, record.text("prompt"), _sentence(text))


def _esconv(name: str, record: Record) -> Iterator[Reply]:
    turns = _turns(record, "strategy")
    probes = (" ".join(text for _, text, _ in turns), *_opening(turns))
    said: list[str] = []
    for role, block in groupby(turns, key=lambda turn: turn[0]):
        run = list(block)
        if role == "user":
            said.append(" ".join(text for _, text, _ in run))
        elif said and run[0][2] in REFLECTING:
            kept = []
            for _, text, strategy in run:
                if strategy not in REFLECTING and strategy != "Question":
                    break
                kept.append(text)
            plain = _FILLER.sub("", " ".join(map(_sentence, kept)))
            yield Reply(name, entry_of(said), _sentence(plain), probes=probes)


def _annomi(name: str, record: Record) -> Iterator[Reply]:
    if record.values.get("quality") != "high":
        return
    turns = _turns(record, "strategy")
    probes = (" ".join(text for _, text, _ in turns), *_opening(turns))
    said: list[str] = []
    for role, text, behaviour in turns:
        if role == "user":
            said.append(text)
        elif said and behaviour == "reflection":
            plain = _FILLER.sub("", text)
            # Speech breaks off; a reply that does so is not to be learned.
            if not _BROKEN_OFF.search(plain) and _ENDED.search(plain):
                yield Reply(name, entry_of(said), _sentence(plain), probes=probes)


_READERS: dict[str, Callable[[str, Record], Iterator[Reply]]] = {
    "pair_reflections": _pair,
    "esconv": _esconv,
    "annomi": _annomi,
    "counselchat": _prompt,
    "positive_frames": _frames,
    "chatbot_ko": _prompt,
}


def _turns(record: Record, label: str) -> list[tuple[str, str, str]]:
    """Return (role, text, label) of the turns that have text."""
    pairs = record.turns()
    labels = [str(turn.get(label) or "") for turn in record.values["turns"]]
    return [(role, text, found) for (role, text), found in zip(pairs, labels, strict=True) if text]


def _opening(turns: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return the first turn where it is long enough to tell a conversation."""
    return [text for _, text, _ in turns[:1] if len(text.split()) >= OPENING]


def entry_of(said: Sequence[str]) -> str:
    """Return the last of what a person ``said`` as an entry, with what came before it where it is short."""
    parts: list[str] = []
    for text in reversed(said[-_EARLIER:]):
        parts.insert(0, _sentence(text))
        if sum(len(part.split()) for part in parts) >= ENOUGH_ENTRY:
            break
    return " ".join(parts)


def _sentence(text: str) -> str:
    """Return ``text`` with a capital letter at its beginning and a mark at its end."""
    plain = " ".join(text.split())
    if not plain:
        return ""
    return plain[0].upper() + plain[1:] + ("" if plain[-1] in ".?!)\"'\u2019\u201d" else ".")


def groups(replies: Iterable[Reply]) -> dict[str, list[Reply]]:
    """Return the replies by their entry's group, so that no entry stands on both sides of a choice."""
    found: dict[str, list[Reply]] = defaultdict(list)
    for reply in replies:
        found[group_of(reply.entry)].append(reply)
    return dict(found)
