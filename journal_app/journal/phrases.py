"""The reviewed phrase lists: how they are read from ``assets/safety/*.toml`` and matched against a text.

Owns normalisation, sentence scope, the small pattern language of the lists and the context of a
match (negation, quotation, third person, past). Which level follows from the matches of a whole
entry is decided in ``journal.safety``. Standard library only; no entry text is kept or logged.

The pattern language of the English list works on words, lower case, apostrophes removed:
``word`` ``a|b`` alternatives; ``$name`` a word class of the list; ``?`` after an item makes it
optional; ``~3`` up to three words, none of them a negation or another person; ``..3`` up to three
words of any kind; ``^`` the start of a clause; ``$end`` the end of a clause. The Korean and Chinese
lists are regular expressions on text without spaces, since spacing there is free.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from journal_app import assets

Standing = Literal["urgent", "clear", "gentle", "cue"]
"""What a match says by itself. A ``cue`` (a means, a time, a goodbye) counts only beside others."""

LANGUAGES: tuple[str, ...] = ("en", "ko", "zh-Hant")
WINDOW = 480
"""Characters of a sentence that are looked at together; a longer one is cut, with an overlap."""
OVERLAP = 120


@dataclass(frozen=True, slots=True)
class Hit:
    """One phrase found: ``text[start:end]`` is the sentence, ``lowered`` the reason it counts less, or empty."""

    rule: str
    language: str
    topic: str
    standing: Standing
    start: int
    end: int
    lowered: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A group of patterns that mean the same; ``lower_by`` names the contexts that make it gentle."""

    id: str
    topic: str
    standing: Standing
    patterns: tuple[re.Pattern[str], ...]
    anchors: frozenset[str]
    lower_by: frozenset[str]
    owns: bool


@dataclass(frozen=True, slots=True)
class PhraseList:
    """The list of one language: rules by anchor, idioms to leave out, and the context expressions."""

    language: str
    rules: tuple[Rule, ...]
    idioms: tuple[re.Pattern[str], ...]
    context: dict[str, re.Pattern[str]]
    by_anchor: dict[str, tuple[int, ...]] = field(default_factory=dict)
    respell: dict[str, str] = field(default_factory=dict)
    characters: dict[int, str] = field(default_factory=dict)
    trigger: re.Pattern[str] = re.compile("")


# ---------------------------------------------------------------------------------------------
# normalisation


def _fold_table() -> dict[int, str]:
    """Return a one-to-one table: full-width, mathematical and accented letters, quotes, look-alikes."""
    table: dict[int, str] = {}
    for first, last in (
        (0xC0, 0x24F),
        (0x1E00, 0x1EFF),
        (0x2100, 0x214F),
        (0x24B6, 0x24E9),
        (0xFF01, 0xFF5E),
        (0x1D400, 0x1D7FF),
    ):
        for code in range(first, last + 1):
            plain = unicodedata.normalize("NFKD", chr(code))
            if plain and plain[0].isascii() and plain[0].isprintable():
                table[code] = plain[0].lower()
    for code in range(0x41, 0x5B):
        table[code] = chr(code + 32)
    # Cyrillic and Greek letters that look Latin, used to slip past word lists.
    table.update(
        {
            ord(a): b
            for a, b in zip("аеорсухіјѕԁԛԝαενικορτυχАВЕКМНОРСТХІЅ", "aeopcyxijsdqwaevikoptuxabekmhopctxis", strict=True)
        }
    )
    table.update({ord(c): "'" for c in "‘’‛ʼ´`′＇"})
    table.update({ord(c): '"' for c in "“”„‟«»″＂「」『』《》〈〉"})
    table.update({ord(c): " " for c in "\u00a0\u2002\u2003\u2009\u202f\u3000\t"})
    table.update({ord(c): "-" for c in "‐‑‒–—―−"})
    table[ord("…")] = "."
    return table


_FOLD = _fold_table()
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff\u0300-\u036f]")
_JAMO = re.compile("[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]")


def fold(text: str) -> str:
    """Return ``text`` in lower case with look-alikes, accents, quotes and invisible characters made plain."""
    if _JAMO.search(text):
        text = unicodedata.normalize("NFC", text)
    return _INVISIBLE.sub("", text.translate(_FOLD))


_SENTENCE = re.compile(r"[^.!?。！？．…\n]+(?:[.!?。！？．…]+[\"'”’」』)\]]*|\n|$)")


def sentences(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield ``(start, end, opens a paragraph)`` for each sentence; long ones are cut into windows that overlap."""
    fresh = True
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        for at in range(start, max(end - OVERLAP, start + 1), WINDOW - OVERLAP):
            yield at, min(at + WINDOW, end), fresh
            fresh = False
        fresh = text[end - 1] == "\n" or text[end : end + 1] == "\n"


_LEET = str.maketrans({"1": "i", "!": "i", "3": "e", "0": "o", "@": "a", "$": "s", "5": "s", "4": "a", "7": "t"})
_SPELLED = re.compile(r"(?<![a-z0-9'])(?:[a-z][ .\-_*]{1,2}){3,}[a-z](?![a-z0-9'])")
_MASKED = re.compile(r"[a-z]*[a-z0-9][*#@!$013457%][a-z0-9*#@!$%]+")
_PAIRED = re.compile(r"(?<![a-z0-9])'((?:[^']|(?<=[a-z])'(?=[a-z])){2,300})'(?![a-z0-9])")
_WORDS = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*|[,;:()\"]|--+|(?<= )-(?= )|[.!?]+")


def words_of(sentence: str, *, respell: dict[str, str]) -> list[str]:
    """Return the words and marks of a folded sentence: apostrophes gone, spelled-out and masked words restored."""
    if "'" in sentence:
        sentence = _PAIRED.sub(r'"\1"', sentence)
    if _SPELLED.search(sentence):
        sentence = _SPELLED.sub(lambda m: _respace(re.sub(r"[^a-z]", "", m.group()), respell), sentence)
    if _MASKED.search(sentence):
        sentence = _MASKED.sub(lambda m: _unmask(m.group(), respell), sentence)
    out: list[str] = []
    for word in _WORDS.findall(sentence):
        if word[0].isalnum():
            word = word.replace("'", "")
            word = respell.get(word, word)
            out.extend(word.split(" "))
        elif word == '"':
            out.append(word)
        elif word[0] in ".!?":
            out.append(".")
        else:
            out.append(",")
    return out


def _respace(letters: str, respell: dict[str, str]) -> str:
    return respell.get(letters, letters)


def _unmask(word: str, respell: dict[str, str]) -> str:
    plain = word.translate(_LEET)
    if plain in respell or plain.isalpha():
        return respell.get(plain, plain)
    for target in ("kill", "suicide", "suicidal", "killing", "die", "dead", "cutting", "harm", "rape", "raped"):
        if len(target) == len(plain) and all(a == b or not a.isalnum() for a, b in zip(plain, target, strict=True)):
            return target
    return word


# ---------------------------------------------------------------------------------------------
# the pattern language

_FILL = '(?: [,"])?'
_CLAUSE = r'(?:^| [,".]| (?:and|but|so|because|cause|that|then|or|like|cuz|coz|bc|now|if|honestly|today|tonight))'


@dataclass(slots=True)
class _Compiler:
    classes: dict[str, list[str]]
    blocked: str
    common: frozenset[str]

    def alternatives(self, item: str) -> list[str]:
        if item.startswith("$"):
            return [phrase for part in self.classes[item[1:]] for phrase in self.alternatives(part)]
        if "|" in item:
            return [phrase for part in item.split("|") for phrase in self.alternatives(part)]
        return [item]

    def compile(self, pattern: str) -> tuple[re.Pattern[str], frozenset[str], bool]:
        """Return the expression, the words of which one must be there, and whether it names its own subject."""
        out: list[str] = []
        best: tuple[float, frozenset[str]] | None = None
        owns = False
        for item in pattern.split():
            if item == "^":
                out.append(_CLAUSE)
                continue
            if item == "$end":
                out.append(
                    r'(?=(?: "){0,2}(?: [,.]| (?:and|but|so|because|now|today|tonight|anymore|any|again|lol)| $|$))'
                )
                continue
            if item[0] == "~":
                out.append(rf"(?:{_FILL} (?!(?:{self.blocked}) )[a-z0-9]+){{0,{int(item[1:])}}}{_FILL}")
                continue
            if item.startswith(".."):
                out.append(rf"(?: \S+){{0,{int(item[2:])}}}")
                continue
            optional = item.endswith("?")
            choices = self.alternatives(item.removesuffix("?"))
            body = "|".join(sorted({re.escape(c).replace(r"\ ", " ") for c in choices}, key=len, reverse=True))
            out.append(f"(?: (?:{body}){_FILL})?" if optional else f" (?:{body}){_FILL}")
            if optional:
                continue
            owns = owns or "i" in choices
            rare = frozenset(min(c.split(" "), key=lambda w: (w in self.common, -len(w))) for c in choices)
            cost = sum(3.0 if w in self.common else 0.01 for w in rare) / len(rare) + (
                1.0 if rare & self.common else 0.0
            )
            if best is None or cost < best[0]:
                best = (cost, rare)
        if best is None:
            raise ValueError(f"pattern {pattern!r} has no word of its own")
        return re.compile("".join(out) + "(?= |$)"), best[1], owns


def _strings(table: dict[str, Any], key: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ValueError(f"{key}: a list of strings was expected")
    return value


def load_list(path: Path) -> PhraseList:
    """Read one phrase list; raise ``ValueError`` when it is malformed, ``OSError`` when it is not there."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    language = data["language"]
    spaced = language == "en"
    context = {
        name: re.compile(expression, re.VERBOSE if spaced else 0)
        for name, expression in data["context"].items()
        if isinstance(expression, str)
    }
    compiler = _Compiler(data.get("classes", {}), "|".join(data.get("blocked", [])), frozenset(data.get("common", [])))
    rules: list[Rule] = []
    for row in data["rules"]:
        patterns: list[re.Pattern[str]] = []
        anchors: set[str] = set()
        owns = False
        for text in _strings(row, "patterns"):
            if spaced:
                pattern, need, own = compiler.compile(text)
                anchors |= need
                owns = owns or own
            else:
                pattern = re.compile(text)
            patterns.append(pattern)
        lower = frozenset(_strings(row, "lower_by")) if "lower_by" in row else frozenset(data["lower_by"])
        rules.append(
            Rule(
                row["id"],
                row["topic"],
                row["standing"],
                tuple(patterns),
                frozenset(anchors),
                lower,
                row.get("owns", owns),
            )
        )
    idioms = tuple(compiler.compile(p)[0] if spaced else re.compile(p) for p in _strings(data, "idioms"))
    index: dict[str, list[int]] = {}
    for number, rule in enumerate(rules):
        for anchor in rule.anchors:
            index.setdefault(anchor, []).append(number)
    characters = str.maketrans(*data["characters"]) if "characters" in data else {}
    return PhraseList(
        language,
        tuple(rules),
        idioms,
        context,
        {anchor: tuple(numbers) for anchor, numbers in index.items()},
        data.get("respell", {}),
        characters,
        re.compile(data.get("trigger", "")),
    )


@cache
def bundled(language: str) -> PhraseList:
    """Return the list shipped for ``language``; read once."""
    return load_list(assets.path("safety", f"{language}.toml"))


# ---------------------------------------------------------------------------------------------
# matching


def find(text: str) -> list[Hit]:
    """Return every phrase of every list found in ``text``, in order; the time is linear in its length."""
    folded = text.translate(_FOLD)
    hits: list[Hit] = []
    if re.search("[a-z]", folded):
        hits += _find_words(text, bundled("en"))
    if re.search("[\u1100-\u11ff\uac00-\ud7a3]", text):
        hits += _find_unspaced(text, bundled("ko"))
    if re.search("[\u4e00-\u9fff]", text):
        hits += _find_unspaced(text, bundled("zh-Hant"))
    return sorted(hits, key=lambda h: (h.start, h.end, h.rule))


def _find_words(text: str, phrases: PhraseList) -> list[Hit]:
    hits: list[Hit] = []
    respell = phrases.respell
    quoted = False
    for start, end, fresh in sentences(text):
        folded = fold(text[start:end])
        if fresh:
            quoted = folded.lstrip().startswith(">")
        words = words_of(folded, respell=respell)
        numbers = {n for word in set(words) & phrases.by_anchor.keys() for n in phrases.by_anchor[word]}
        if numbers:
            line = " " + " ".join(words) + " "
            for idiom in phrases.idioms:
                line = idiom.sub(" _", line)
            for number in sorted(numbers):
                rule = phrases.rules[number]
                hit = _best(rule, line, quoted, phrases)
                if hit is not None:
                    hits.append(Hit(rule.id, phrases.language, rule.topic, rule.standing, start, end, hit))
        quoted ^= words.count('"') % 2 == 1
    return hits


def _best(rule: Rule, line: str, quoted: bool, phrases: PhraseList) -> str | None:
    """Return why the least lowered match of ``rule`` counts less ("" when it counts in full), or None for no match."""
    best: str | None = None
    for pattern in rule.patterns:
        for match in pattern.finditer(line):
            reason = _lowered(rule, line, match.start(), match.end(), quoted, phrases)
            if not reason:
                return ""
            best = reason
    return best


def _lowered(rule: Rule, line: str, start: int, end: int, quoted: bool, phrases: PhraseList) -> str:
    before, after = line[:start] + " ", line[end:]
    context = phrases.context
    inside = quoted ^ (before.count(' "') % 2 == 1)
    own_words = bool(context["own_voice"].search(line))
    if inside and "quoted" in rule.lower_by and not own_words:
        return "quoted"
    if "third" in rule.lower_by and context["reported"].search(before) and not own_words:
        return "third"
    if "third" in rule.lower_by and context["title"].search(before):
        return "quoted"
    if "negated" in rule.lower_by:
        name = "negated_clause" if rule.owns else "negated"
        if (
            context[name].search(before)
            and not context["not_negated"].search(before)
            and not context["yet"].search(after)
        ):
            return "negated"
    if "past" in rule.lower_by and context["past"].search(line) and not context["present"].search(line):
        return "past"
    return ""


def _find_unspaced(text: str, phrases: PhraseList) -> list[Hit]:
    hits: list[Hit] = []
    for start, end, _fresh in sentences(text):
        line = re.sub(r"\s+", "", fold(text[start:end])).translate(phrases.characters)
        if not phrases.trigger.search(line):
            continue
        for idiom in phrases.idioms:
            line = idiom.sub("_", line)
        for rule in phrases.rules:
            reason: str | None = None
            for pattern in rule.patterns:
                for match in pattern.finditer(line):
                    reason = _lowered_unspaced(rule, line, match, phrases)
                    if not reason:
                        break
                if reason == "":
                    break
            if reason is not None:
                hits.append(Hit(rule.id, phrases.language, rule.topic, rule.standing, start, end, reason))
    return hits


def _lowered_unspaced(rule: Rule, line: str, match: re.Match[str], phrases: PhraseList) -> str:
    before, after = line[: match.start()], line[match.end() :]
    own = bool(phrases.context["own_voice"].search(line))
    if "quoted" in rule.lower_by and before.count('"') % 2 == 1 and not own:
        return "quoted"
    for name in ("negated", "third", "past"):
        if name not in rule.lower_by or (own and name == "third"):
            continue
        earlier, later = phrases.context.get(f"{name}_before"), phrases.context.get(f"{name}_after")
        if (earlier and earlier.search(before)) or (later and later.match(after)):
            if name == "past" and phrases.context["present"].search(line):
                continue
            return name
    return ""
