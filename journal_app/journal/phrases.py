"""The reviewed phrase lists: how they are read from ``assets/safety/*.toml`` and matched against a text.

Owns normalisation, sentence scope, the small pattern language of the lists and the context of a
match (negation, quotation, third person, past). Which level follows from the matches of a whole
entry is decided in ``journal.safety``. Standard library only; no entry text is kept or logged.

The pattern language of the English list works on words, lower case, apostrophes removed:
``word``, ``a|b`` alternatives, ``so_many`` for words that belong together; ``$name`` a word class of
the list; ``?`` after an item makes it optional; ``~3`` up to three words, none of them a negation or
another person; ``..3`` up to three words of any kind; ``^`` the start of a clause, ``$stop`` its end,
``$full`` the end of a sentence or a comma; ``#`` a number; a pattern that begins with ``re:`` is a
plain regular expression. The Korean and Chinese lists are regular expressions on text without
spaces, since spacing there is free.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
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
    cue: bool = False

    def at(self, start: int, end: int) -> Hit:
        """Return the same hit for the sentence ``text[start:end]``."""
        return Hit(self.rule, self.language, self.topic, self.standing, start, end, self.lowered, self.cue)


@dataclass(frozen=True, slots=True)
class Rule:
    """A group of patterns that mean the same.

    ``lower_by`` names the contexts that make it gentle, ``owns`` says that the patterns bring the
    writer's own "i", ``cue`` that a match also counts as a cue.
    """

    id: str
    topic: str
    standing: Standing
    patterns: tuple[re.Pattern[str], ...]
    needs: tuple[tuple[frozenset[str], ...], ...]
    lower_by: frozenset[str]
    owns: bool
    cue: bool


@dataclass(frozen=True, slots=True)
class PhraseList:
    """The list of one language: rules by anchor, idioms to leave out, and the context expressions."""

    language: str
    rules: tuple[Rule, ...]
    idioms: tuple[re.Pattern[str], ...]
    context: dict[str, re.Pattern[str]]
    by_anchor: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    respell: dict[str, str] = field(default_factory=dict)
    join: dict[str, str] = field(default_factory=dict)
    joined: re.Pattern[str] | None = None
    vocabulary: frozenset[str] = frozenset()
    characters: dict[int, str] = field(default_factory=dict)


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
    small = zip("ıɩɑɡʟɪᴀʙᴄᴅᴇɢʜᴊᴋᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢⁱⁿⅰⅼⅽⅾⅿ", "iiagliabcdeghjkmnoprstuvwyzinilcdm", strict=True)
    table.update({ord(a): b for a, b in small})
    for first in (0x1F130, 0x1F150, 0x1F170, 0x1F1E6):  # letters in squares, circles and flags
        table.update({first + step: chr(97 + step) for step in range(26)})
    table.update({ord(c): "'" for c in "‘’‛ʼ´`′＇"})
    table.update({ord(c): '"' for c in "“”„‟«»″＂「」『』《》〈〉"})
    table.update({ord(c): " " for c in "\u00a0\u2002\u2003\u2009\u202f\u3000\t"})
    table.update({ord(c): "-" for c in "‐‑‒–—―−"})
    table[ord("…")] = "..."
    return table


_FOLD = _fold_table()
_INVISIBLE = re.compile(
    "[\u00ad\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20d0-\u20f0\u3164\ufe00-\ufe0f\ufeff\uffa0\u0300-\u036f"
    "\U000e0000-\U000e007f]"
)
_JAMO = re.compile("[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]")


def fold(text: str) -> str:
    """Return ``text`` in lower case with look-alikes, accents, quotes and invisible characters made plain."""
    if _JAMO.search(text):
        text = unicodedata.normalize("NFC", text)
    return _INVISIBLE.sub("", text.translate(_FOLD))


# Hangul and Han pulled apart with a mark ("자.살", "自-殺"), single letters ("ㅈㅏ"), a stray one between syllables.
_APART = re.compile("(?<=[ㄱ-ㅣ가-힣\u4e00-\u9fff])[.\\-/*_~·|+^]{1,3}(?=[ㄱ-ㅣ가-힣\u4e00-\u9fff])")
_LETTERS = re.compile("([ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ])([ㅏ-ㅣ])([ㄱ-ㅎ](?![ㅏ-ㅣ]))?")
_STRAY = re.compile("(?<=[가-힣])[ㄱㄷㅂㅅㅈ](?=[가-힣])")
_HEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_TAILS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"

# Dots in a row and a mark inside a word ("k!ll", "k.i.l.l") do not end a sentence.
_SENTENCE = re.compile(r"(?:[^.!?。！？…\n]|\.{2,}|…|[.!?](?=[^\W_]))+(?:[.!?。！？]+[\"'”’」』)\]]*|\n|$)")


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
_SPELLED = re.compile(r"(?<![a-z0-9'])(?:[a-z][ .\-_*]{1,2}){2,}[a-z](?![a-z0-9'])")
_DRAWN = re.compile(r"([a-z])\1{2,}")
_HIDDEN = {
    3: ("die",),
    4: ("kill", "dead", "harm", "rape", "hang", "hurt"),
    5: ("dying", "raped", "death"),
    6: ("killed",),
    7: ("suicide", "killing", "cutting"),
    8: ("suicidal",),
}
_LONGEST = 64
_UNBROKEN = re.compile(rf"[a-z0-9+/=_%&;:*#@!$'.\-]{{{_LONGEST + 1},}}")  # an address, base64, a held key: no words
_MASKED = re.compile(rf"(?<![a-z0-9])[a-z]{{0,{_LONGEST}}}[a-z0-9][*#@!$013457%][a-z0-9*#@!$%]+")
_PAIRED = re.compile(r"(?<![a-z0-9])'((?:[^']|(?<=[a-z])'(?=[a-z])){2,300})'(?![a-z0-9])")
_WORDS = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*|[,;:()\"]|--+|(?<= )-(?= )|[.!?]+")


def is_disguised(folded: str) -> bool:
    """Return whether a folded text holds spelled-out, masked or drawn-out words anywhere."""
    return bool(_DRAWN.search(folded) or _SPELLED.search(folded) or _MASKED.search(folded))


def words_of(
    sentence: str, *, respell: dict[str, str], vocabulary: frozenset[str] = frozenset(), repair: bool = True
) -> list[str]:
    """Return the words and marks of a folded sentence: apostrophes gone, disguised words restored if ``repair``."""
    if "'" in sentence:
        sentence = _PAIRED.sub(r'"\1"', sentence)
    if repair:
        sentence = _DRAWN.sub(r"\1", sentence)
        sentence = _SPELLED.sub(lambda m: _segment(re.sub(r"[^a-z]", "", m.group()), vocabulary) or m.group(), sentence)
        sentence = _MASKED.sub(lambda m: _unmask(m.group(), respell, vocabulary), sentence)
    out: list[str] = []
    found: list[str] = _WORDS.findall(sentence)
    for word in found:
        if word[0].isalnum():
            bare = word.replace("'", "")
            plain = respell.get(bare)
            if plain is None:
                out.append(bare)
            else:
                out.extend(plain.split(" "))
        elif word == '"':
            out.append(word)
        else:
            out.append("." if word[0] in ".!?" and word[:2] != ".." else ",")
    return out


def _segment(letters: str, vocabulary: frozenset[str]) -> str:
    """Return letters that were spelled out as words of the list, or "" when they are not."""
    if len(letters) > 60:
        return ""
    best: list[str | None] = [""] + [None] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - 12), end):
            word, before = letters[start:end], best[start]
            if before is not None and (word in vocabulary or word in ("i", "a")):
                best[end] = f"{before} {word}"
                break
    return best[-1] or ""


def _unmask(word: str, respell: dict[str, str], vocabulary: frozenset[str]) -> str:
    plain = word.translate(_LEET)
    if plain.isalpha():
        return plain if plain in vocabulary or plain in respell else word
    letters = sum(map(str.isalpha, word))
    if letters < (1 if "*" in word or "#" in word else 2):
        return word  # a year or a price hides nothing
    for target in _HIDDEN.get(len(word), ()):
        if all(a == b or not a.isalpha() for a, b in zip(word, target, strict=True)):
            return target
    return word


# ---------------------------------------------------------------------------------------------
# the pattern language

_FILL = '(?: [,"])?'
_FULL = r'(?=(?: ")*(?: [,.]| $|$))'
_STOP = (
    r'(?=(?: ")*(?: [,.]| $|$| (?:and|but|so bad|so badly|because|now|today|tonight|again|right now|lol|please|'
    "honestly|i|im) ))"
)
_ENDS = {"$stop": _STOP, "$full": _FULL}
_NUMBER = r"[1-9]\d+"
_CLAUSE = r'(?:^| [,".]| (?:and|but|so|because|cause|that|then|or|like|cuz|coz|bc|now|if|honestly|today|tonight))'


@dataclass(frozen=True, slots=True)
class Compiled:
    """A pattern: its expression, the rarest words of which one must be there, all such sets, and its own "i"."""

    expression: re.Pattern[str]
    anchors: frozenset[str]
    needs: tuple[frozenset[str], ...]
    owns: bool


def _longest(alternative: str) -> tuple[int, str]:
    return (-len(alternative), alternative)


@dataclass(slots=True)
class _Compiler:
    classes: dict[str, list[str]]
    blocked: str
    common: frozenset[str]
    vocabulary: set[str] = field(default_factory=set)

    def alternatives(self, item: str) -> list[str]:
        if "|" in item:
            return [phrase for part in item.split("|") for phrase in self.alternatives(part)]
        if item.startswith("$") and item not in _ENDS:
            return [phrase for part in self.classes[item[1:]] for phrase in self.alternatives(part)]
        return [item.replace("_", " ")]

    def compile(self, pattern: str) -> Compiled:
        """Return one pattern ready to match; raise ``ValueError`` when it has no word that it always needs."""
        if pattern.startswith("re:"):
            return Compiled(re.compile(" " + pattern[3:].strip() + "(?= |$)"), frozenset(), (), False)
        out: list[str] = []
        best: tuple[float, frozenset[str]] | None = None
        needs: list[frozenset[str]] = []
        owns = False
        for item in pattern.split():
            if item == "^":
                out.append(_CLAUSE)
                continue
            if item[0] == "~":
                out.append(rf"(?:{_FILL} (?!(?:{self.blocked}) )[a-z0-9]+){{0,{int(item[1:])}}}{_FILL}")
                continue
            if item.startswith(".."):
                out.append(rf"(?: \S+){{0,{int(item[2:])}}}")
                continue
            optional = item.endswith("?")
            choices = self.alternatives(item.removesuffix("?"))
            words = [c for c in choices if c not in _ENDS]
            body = "|".join(
                sorted({_NUMBER if w == "#" else re.escape(w).replace(r"\ ", " ") for w in words}, key=_longest)
            )
            self.vocabulary.update(word for phrase in words for word in phrase.split(" ") if len(word) > 1)
            group = f" (?:{body}){_FILL}" if words else ""
            ends = [_ENDS[c] for c in choices if c in _ENDS]
            out.append(f"(?:{'|'.join(filter(None, [group, *ends]))}){'?' if optional else ''}")
            if optional or ends:
                continue
            owns = owns or "i" in words
            rare = frozenset(min(w.split(" "), key=lambda word: (word in self.common, -len(word))) for w in words)
            if "#" in rare:
                continue
            cost = sum(3.0 if word in self.common else 0.01 for word in rare) / len(rare) + bool(rare & self.common)
            needs.append(rare)
            if best is None or cost < best[0]:
                best = (cost, rare)
        if best is None:
            raise ValueError(f"pattern {pattern!r} has no word that it always needs")
        return Compiled(re.compile("".join(out) + "(?= |$)"), best[1], tuple(sorted(needs, key=len)), owns)


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
    index: dict[str, list[tuple[int, int]]] = {}
    for row in data["rules"]:
        patterns: list[re.Pattern[str]] = []
        needs: list[tuple[frozenset[str], ...]] = []
        owns = False
        for text in _strings(row, "patterns"):
            if not spaced:
                patterns.append(re.compile(text))
                continue
            made = compiler.compile(text)
            owns = owns or made.owns
            for anchor in made.anchors:
                index.setdefault(anchor, []).append((len(rules), len(patterns)))
            patterns.append(made.expression)
            needs.append(made.needs)
        lower = frozenset(_strings(row, "lower_by")) if "lower_by" in row else frozenset(data["lower_by"])
        rules.append(
            Rule(
                row["id"],
                row["topic"],
                row["standing"],
                tuple(patterns),
                tuple(needs),
                lower,
                row.get("owns", owns),
                row.get("cue", False),
            )
        )
    idioms = tuple(compiler.compile(p).expression if spaced else re.compile(p) for p in _strings(data, "idioms"))
    join = data.get("join", {})
    characters = str.maketrans(*data["characters"]) if "characters" in data else {}
    return PhraseList(
        language,
        tuple(rules),
        idioms,
        context,
        {anchor: tuple(numbers) for anchor, numbers in index.items()},
        data.get("respell", {}),
        join,
        re.compile(f" ({'|'.join(sorted(join, key=_longest))})(?= )") if join else None,
        frozenset(compiler.vocabulary),
        characters,
    )


@cache
def bundled(language: str) -> PhraseList:
    """Return the list shipped for ``language``; read once."""
    return load_list(assets.path("safety", f"{language}.toml"))


# ---------------------------------------------------------------------------------------------
# matching


_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
_HAN = re.compile("[\u4e00-\u9fff]")


def find(text: str) -> list[Hit]:
    """Return every phrase of every list found in ``text``, in order; the time is linear in its length."""
    folded = text.translate(_FOLD)
    hits: list[Hit] = []
    if re.search("[a-z]", folded):
        hits += _find_words(text, bundled("en"))
    if _HANGUL.search(text):
        hits += _find_unspaced(text, _HANGUL, bundled("ko"))
    if _HAN.search(text):
        hits += _find_unspaced(text, _HAN, bundled("zh-Hant"))
    return sorted(hits, key=lambda h: (h.start, h.end, h.rule))


def _find_words(text: str, phrases: PhraseList) -> list[Hit]:
    hits: list[Hit] = []
    seen: dict[tuple[str, bool], tuple[list[Hit], bool]] = {}  # a paste that repeats itself is read once
    quoted = False
    repair = is_disguised(_UNBROKEN.sub("_", fold(text)))
    for start, end, fresh in sentences(text):
        part = text[start:end]
        if fresh:
            quoted = fold(part).lstrip().startswith(">")
        known = seen.get((part, quoted))
        if known is None:
            known = _read_words(_UNBROKEN.sub("_", fold(part)), quoted, repair, phrases)
            seen[part, quoted] = known
        hits += [hit.at(start, end) for hit in known[0]]
        quoted ^= known[1]
    return hits


def _read_words(folded: str, quoted: bool, repair: bool, phrases: PhraseList) -> tuple[list[Hit], bool]:
    """Return the hits of one sentence, placed at 0, and whether it opens or closes a quotation."""
    hits: list[Hit] = []
    words = words_of(folded, respell=phrases.respell, vocabulary=phrases.vocabulary, repair=repair)
    line = " " + " ".join(words) + " "
    if phrases.joined is not None:
        line = phrases.joined.sub(lambda m: " " + phrases.join[m.group(1)], line)
    found = _candidates(set(line.split()), phrases)
    # Idioms are many and costly to look for: only a sentence in which something was found is searched for them.
    if found and _match(line, found, quoted, phrases):
        for idiom in phrases.idioms:
            line = idiom.sub(" _", line)
        hits = _match(line, found, quoted, phrases)
    return hits, words.count('"') % 2 == 1


def _candidates(words: set[str], phrases: PhraseList) -> list[tuple[int, int]]:
    """Return the patterns (rule, place) all of whose needed words are in the sentence."""
    by_anchor, rules = phrases.by_anchor, phrases.rules
    absent = words.isdisjoint
    found: set[tuple[int, int]] = set()
    for word in words & by_anchor.keys():
        for place in by_anchor[word]:
            for need in rules[place[0]].needs[place[1]]:
                if absent(need):
                    break
            else:
                found.add(place)
    return sorted(found)


def _match(line: str, found: list[tuple[int, int]], quoted: bool, phrases: PhraseList) -> list[Hit]:
    """Return one hit per rule that matches, placed at 0: the match that is lowered least."""
    best: dict[int, str] = {}
    for number, which in found:
        if best.get(number) == "":
            continue
        rule = phrases.rules[number]
        for match in rule.patterns[which].finditer(line):
            reason = _lowered(rule, line, match.start(), match.end(), quoted, phrases)
            best[number] = reason
            if not reason:
                break
    out: list[Hit] = []
    for number, reason in best.items():
        rule = phrases.rules[number]
        out.append(Hit(rule.id, phrases.language, rule.topic, rule.standing, 0, 0, reason, rule.cue))
    return out


_OWN_WORD = re.compile(r"\b(?:i|im|ive|id|ill|me|my|myself|mine)\b")
_LEADING = re.compile('(?: [,"])+')


def _lowered(rule: Rule, line: str, start: int, end: int, quoted: bool, phrases: PhraseList) -> str:
    lead = _LEADING.match(line, start, end)
    start = lead.end() if lead else start  # a quotation mark that opens the clause stands before it
    before, after = line[:start] + " ", line[end:]
    context = phrases.context
    if "quoted" in rule.lower_by and quoted ^ (before.count(' "') % 2 == 1):
        opening = before[: max(before.rfind(' "'), 0)] + " "
        closing = after[after.find(' "') + 2 :] if ' "' in after else ""
        if not context["own_before"].search(opening) and not context["own_after"].search(closing):
            return "quoted"
    joke = context.get("joke")
    if joke is not None and "quoted" in rule.lower_by and joke.search(line):
        return "joke"
    if "third" in rule.lower_by:
        if context["reported"].search(before):
            return "third"
        if context["title"].search(before):
            return "quoted"
        subject = context.get("subject")
        if subject is not None and subject.search(before) and not _OWN_WORD.search(line, start, end):
            return "third"
    if "negated" in rule.lower_by:
        name = "negated_clause" if rule.owns else "negated"
        found = context[name].search(before + "that " if line.startswith(" that ", start) else before)
        spared = found and (context["not_negated"].search(before[found.start() :]) or context["double"].search(before))
        if found and not spared and not context["yet"].search(after):
            return "negated"
    if "remembered" in rule.lower_by and not context["back"].search(after):
        since = context.get("long_since")
        if context["remembered"].search(before) or (since is not None and since.search(line)):
            return "past"
    if "past" in rule.lower_by:
        denied = context.get("denied")
        if denied is not None and denied.search(after):
            return "negated"  # "asked about it, and I said no"
        if context["long_ago"].search(line):
            return "" if context["back"].search(line) else "past"
        if context["past"].search(line) and not context["present"].search(line):
            return "past"
    return ""


def _find_unspaced(text: str, script: re.Pattern[str], phrases: PhraseList) -> list[Hit]:
    hits: list[Hit] = []
    seen: dict[str, list[Hit]] = {}
    for start, end, _fresh in sentences(text):
        if script.search(text, start, end) is None:
            continue
        part = text[start:end]
        known = seen.get(part)
        if known is None:
            line = unspaced(fold(part).translate(phrases.characters), phrases.respell)
            known = seen[part] = _read_unspaced(line, phrases)
        hits += [hit.at(start, end) for hit in known]
    return hits


def _read_unspaced(line: str, phrases: PhraseList) -> list[Hit]:
    hits: list[Hit] = []
    if not any(pattern.search(line) for rule in phrases.rules for pattern in rule.patterns):
        return hits
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
            hits.append(Hit(rule.id, phrases.language, rule.topic, rule.standing, 0, 0, reason, rule.cue))
    return hits


def unspaced(folded: str, respell: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a folded sentence without spaces, letters pulled apart put together and disguises (``respell``) undone."""
    line = _APART.sub("", folded)
    line = re.sub(r"\s+", "", line)
    line = _LETTERS.sub(_syllable, line)
    for disguise, plain in respell.items():
        if disguise in line:
            line = line.replace(disguise, plain)
    return _STRAY.sub("", line)


def _syllable(match: re.Match[str]) -> str:
    first, vowel, last = match.group(1), match.group(2), match.group(3)
    tail = (_TAILS.index(last) + 1) if last and last in _TAILS else 0
    whole = chr(0xAC00 + (_HEADS.index(first) * 21 + ord(vowel) - 0x314F) * 28 + tail)
    return whole if tail or not last else whole + last


_QUOTED = re.compile('"[^"]*"')


def _lowered_unspaced(rule: Rule, line: str, match: re.Match[str], phrases: PhraseList) -> str:
    before, after = line[: match.start()], line[match.end() :]
    own = bool(phrases.context["own_voice"].search(_QUOTED.sub("_", line)))
    if "quoted" in rule.lower_by and before.count('"') % 2 == 1 and not own:
        return "quoted"
    for name in ("negated", "denied", "third", "past"):
        if name not in rule.lower_by or (own and name == "third"):
            continue
        earlier, later = phrases.context.get(f"{name}_before"), phrases.context.get(f"{name}_after")
        if (earlier and earlier.search(before)) or (later and later.match(after)):
            if name == "past" and phrases.context["present"].search(line):
                continue
            return "negated" if name == "denied" else name
    return ""
