"""The check that everything a model writes must pass before a writer sees it.

Owns the bounds (length, copying, repetition) and applies the reviewed expressions of
``assets/safety/output.toml``. Pure: the same reply, entry and language always give the same answer.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache

from journal_app import assets
from journal_app.journal.phrases import bundled, fold

MIN_WORDS, MAX_WORDS = 4, 140
"""Bounds of a whole reply in words; a chunk of a stream has only the upper one."""
MIN_SIGNS, MAX_SIGNS = 10, 420
"""The same for Korean and Chinese, in letters."""
COPIED_WORDS = 8
"""So many words in a row from the entry are copying, not reflecting."""
COPIED_SIGNS = 18
"""The same for Korean and Chinese, in letters without spaces."""
MIN_DISTINCT = 0.45
"""Share of different words below which a reply of more than 24 words counts as looping."""

_COMMON_EN = re.compile(
    r"\b(?:the|an?|and|or|but|to|of|in|on|at|for|with|that|this|it|is|was|are|be|been|your?|i|not|no|so|as|if|what|when|"
    "how|there|ha(?:ve|s|d)|do|does|did|from|by|can|could|would|may|might|one|some|more|than|about|which|who|like|just|"
    r"feels?|felt|sounds|seems|still|even|after|before|while|all|any|the[ymi]r?|he|she|his|her|we|our)\b"
)
_LATIN_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
_HANGUL = re.compile("[\uac00-\ud7a3\u1100-\u11ff]")
_HAN = re.compile("[\u4e00-\u9fff]")
_KANA = re.compile("[\u3040-\u30ff]")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """Whether a reply may be shown; ``reasons`` are machine codes, empty exactly when ``ok``."""

    ok: bool
    reasons: tuple[str, ...] = ()


@cache
def _expressions() -> tuple[tuple[str, re.Pattern[str]], ...]:
    with assets.path("safety", "output.toml").open("rb") as file:
        data = tomllib.load(file)
    return tuple(
        (reason, re.compile("|".join(f"(?:{p})" for group in groups.values() for p in group), re.MULTILINE))
        for reason, groups in data.items()
    )


def check_output(reply: str, entry: str, language: str, *, whole: bool = True) -> OutputCheck:
    """Return whether ``reply`` may be shown under ``entry``.

    Args:
        reply: a whole reply, or with ``whole=False`` the sentences streamed so far.
        entry: what it answers, to find copied spans. Empty for a fixed text that answers nothing: a page of
            instructions may say "go" and "I", a reply may not.
        language: the writer's (``en``, ``ko``, ``zh-Hant``); another one is checked by its script only.
        whole: whether the lower bound of the length applies.

    Returns:
        Reasons in a fixed order: ``language``, ``length:short``, ``length:long``, ``method``, ``agrees``,
        ``reassurance``, ``diagnosis``, ``medication``, ``blame``, ``romance``, ``claim``, ``secrecy``, ``promise``,
        ``advice_harm``, ``broken``, ``contact``, ``first_person``, ``verdict``,
        ``copied``, ``repeats``, ``broken_words``.
    """
    plain = fold(reply)
    forms = _forms(plain.replace("'", ""))
    reasons: list[str] = []
    if not _right_language(plain, language):
        reasons.append("language")
    reasons += _length(plain, language, whole)
    reasons += [reason for reason, expression in _expressions() if any(expression.search(form) for form in forms)]
    if entry.strip():
        reasons += _habits(plain, language)
    if _copied(plain, fold(entry)):
        reasons.append("copied")
    if _repeats(plain):
        reasons.append("repeats")
    if _broken_words(plain):
        reasons.append("broken_words")
    return OutputCheck(not reasons, tuple(reasons))


_SPELLED = re.compile(r"(?<![a-z])(?:[a-z][ .\-_*]{1,2}){3,}[a-z](?![a-z])")
_MASKED = re.compile(r"(?<=[a-z])[*_.\-|/]+(?=[a-z])")
_LEET = re.compile(r"(?<![\w])(?=[\w$@!]*[a-z])[\w$@!]*[013457$@!][\w$@!]*[a-z]")
_SYLLABLES = re.compile(r"(?<![가-힣])(?:[가-힣] ){2,}[가-힣](?=[^가-힣 ]|$|[가-힣])")
_HAN_GAP = re.compile("(?<=[\u4e00-\u9fff])[ .*_\\-·|/]+(?=[\u4e00-\u9fff])")
_PLAIN = str.maketrans({"1": "i", "!": "i", "3": "e", "0": "o", "@": "a", "$": "s", "5": "s", "4": "a", "7": "t"})


def _forms(bare: str) -> tuple[str, ...]:
    """Return the text, and the text with words that were spelled out, masked or spaced out put together again."""
    whole = _SPELLED.sub(lambda m: re.sub("[^a-z]", "", m.group()), bare)
    whole = _LEET.sub(lambda m: m.group().translate(_PLAIN), whole)
    whole = _MASKED.sub("", whole)
    whole = _SYLLABLES.sub(lambda m: m.group().replace(" ", ""), whole)
    whole = _HAN_GAP.sub("", whole).translate(bundled("zh-Hant").characters)
    return (bare,) if whole == bare else (bare, whole)


# A reply is about the writer. What it may say of itself is how it listens; feelings, a past, a family and promises
# all need a first person, so this one rule stops what no list foresees.
_LISTENING = re.compile(
    r"\b(?:i(?: \w+)? (?:hear|wonder|notice|see|sense|read|gather|understand|imagine|found|could not find)|"
    r"i(?: a)?m (?:\w+ )?(?:listening|curious|wondering|hearing|noticing|reading|not sure)|(?:tell|show|let|help) me)\b"
)
_FIRST = re.compile(r"\b(?:i|im|ive|id|ill|i'm|i've|i'd|i'll|me|my|mine|myself|we|we're|we'll|our|ours|us)\b")
_FIRST_KO = re.compile(
    r"(?<![가-힣])(?:저(?:는|도|를|에게|한테|희)|제가|내가|우리(?:는|가)) |"
    r"(?:^|[.!?,\n] ?)(?:나는|나도|난|전) "
)
_FIRST_ZH = re.compile("(?<!自)我(?!們都)(?:們)?(?!(?:沒有?)?找|談|聊|聽(?:到|見|起來)|想知道|好奇|讀到|看到|注意到)")
_SAID = re.compile(r"[\"“「『'‘][^\"”」』’]{1,120}[\"”」』’']")


def _habits(text: str, language: str) -> list[str]:
    reasons = ["first_person"] if _speaks_of_itself(text, language) else []
    return [*reasons, "verdict"] if _knows_better(text, language) else reasons


def _speaks_of_itself(text: str, language: str) -> bool:
    outside = _SAID.sub("_", text)
    code = language.lower()[:2]
    if code == "ko":
        return bool(_FIRST_KO.search(outside))
    if code == "zh":
        return bool(_FIRST_ZH.search(outside))
    return bool(_FIRST.search(_LISTENING.sub("_", outside)))


# Nor does it foretell, command or lay down how things always are, outside a question.
_STATEMENT = re.compile(r"[^.!?。！？\n]+(?:[.!。！\n]|$)")
_ORDERS = (
    "leave go do dont don't stop call tell get give forget be drink eat focus believe trust accept consider move "
    "ignore wait quit text hold hurt skip fight divorce dump block report confront forgive hide delete throw"
)
_SOMEBODY = (
    "i|you|he|she|it|we|they|this|that|there|things|everything|everyone|everybody|nobody|nothing|no one|people|time|"
    "others|pain|life|future|tomorrow|days?|weeks?|months?|years?|nights?|mornings?|summers?|winters?|"
    "(?:your|his|her|their|my|our) [\\w']+(?: [\\w']+)?"
)
_VERDICT_EN = re.compile(
    rf"\b(?:{_SOMEBODY}) (?:\w+ )?(?:will|wont|won't|shall)\b(?! be (?:its|the|a) )|"
    r"\b(?:i|you|he|she|it|we|they|that|this|there)'ll|youll|theyll|itll|going to\b|"
    r"\b(?:must(?! have)|obviously|of course|deserves?|deserved|surely)\b|"
    r"\b(?:you|he|she|it|people|things|this|that|husband|wife|family|friends|others) (?:always|never)\b(?! got)|"
    rf"^\W*(?:(?:please|just|so|now|then|and|but|maybe|perhaps) )*(?:{'|'.join(_ORDERS.split())}) "
)
_RIEUL = "".join(map(chr, range(0xAC00 + 8, 0xD7A4, 28)))
"""Syllables that end in ㄹ, as a coming act does."""
_VERDICT_KO = re.compile(
    rf"(?<![았었했였])[{_RIEUL}] ?(?:거예요|거에요|겁니다|거야)|"
    "(?:마세요|떠나세요|헤어지세요|잊으세요|참으세요|버리세요|끊으세요|십시오|지 마|말아요)[.!]?$|항상|"
    "절대(?!로,)|결코|반드시|무조건|안 ?(?:돼요|됩니다|돼)|당연히"
)
_VERDICT_ZH = re.compile(
    "(?:將|一定|必然|遲早)會|很快(?:就)?會(?:習慣|好|過|沒|忘)|千萬|絕對|永遠|必須|應該|不可以|^(?:去|請|別(?!的|人)|不要|記得|快(?!樂)|趕快)|一定要"
)


def _knows_better(text: str, language: str) -> bool:
    code = language.lower()[:2]
    verdict = {"ko": _VERDICT_KO, "zh": _VERDICT_ZH}.get(code, _VERDICT_EN)
    return any(verdict.search(part.group().strip()) for part in _STATEMENT.finditer(_SAID.sub("_", text)))


def _right_language(text: str, language: str) -> bool:
    letters = len(_LETTER.findall(text))
    if not letters:
        return False
    hangul, han, kana = (len(e.findall(text)) / letters for e in (_HANGUL, _HAN, _KANA))
    code = language.lower()[:2]
    if code == "ko":
        return hangul >= 0.7 and not kana
    if code == "zh":
        return han >= 0.7 and not hangul and not kana
    if hangul or han or kana:
        return code not in ("en", "de", "fr", "es", "it", "pt", "nl")
    words = _LATIN_WORD.findall(text)
    # Ordinary English has a function word every third word or so; other languages share few of them.
    return code != "en" or len(words) < 6 or len(_COMMON_EN.findall(text)) / len(words) >= 0.2


def _length(text: str, language: str, whole: bool) -> list[str]:
    spaced = language.lower()[:2] not in ("ko", "zh", "ja")
    size = len(text.split()) if spaced else len(_LETTER.findall(text))
    low, high = (MIN_WORDS, MAX_WORDS) if spaced else (MIN_SIGNS, MAX_SIGNS)
    if whole and size < low:
        return ["length:short"]
    return ["length:long"] if size > high else []


def _runs(items: list[str] | str, size: int) -> set[str]:
    joiner = "" if isinstance(items, str) else " "
    return {joiner.join(items[at : at + size]) for at in range(len(items) - size + 1)}


def _copied(reply: str, entry: str) -> bool:
    if _HANGUL.search(reply) or _HAN.search(reply):
        mine, theirs = (re.sub(r"[\W_]+", "", text) for text in (reply, entry))
        return bool(_runs(mine, COPIED_SIGNS) & _runs(theirs, COPIED_SIGNS))
    mine_words, their_words = _LATIN_WORD.findall(reply), _LATIN_WORD.findall(entry)
    return bool(_runs(mine_words, COPIED_WORDS) & _runs(their_words, COPIED_WORDS))


def _repeats(text: str) -> bool:
    if re.search(r"(.)\1{5,}", text) or re.search(
        r"(?:^|\W)(\w{2,})(?:\W+\1){2,}(?:\W|$)|(?:^|\W)(\w+ \w+)(?: \2){2,}(?:\W|$)", text
    ):
        return True
    said = [re.sub(r"\W+", " ", part).strip() for part in re.split(r"[.!?。！？\n]+", text)]
    if any(count > 1 and len(sentence) > 6 for sentence, count in Counter(said).items()):
        return True
    words = re.findall(r"\w+", text)
    threes = Counter(zip(words, words[1:], words[2:], strict=False))
    if threes and max(threes.values()) > 2:
        return True
    if _HANGUL.search(text) or _HAN.search(text):
        signs = re.sub(r"[\W_]+", "", text)
        fives = Counter(signs[at : at + 5] for at in range(len(signs) - 4))
        return bool(fives) and max(fives.values()) > 3
    return len(words) > 24 and len(set(words)) / len(words) < MIN_DISTINCT


def _broken_words(text: str) -> bool:
    visible = [c for c in text if not c.isspace()]
    odd = sum(not c.isalnum() and c not in ".,;:!?'\"-()。，、？！：；" for c in visible)
    if visible and odd / len(visible) > 0.08:
        return True
    words = _LATIN_WORD.findall(text)
    bad = sum(
        len(w) > 24 or (len(w) > 4 and not re.search("[aeiouy]", w)) or bool(re.search(r"([a-z])\1\1", w))
        for w in words
    )
    singles = sum(len(w) == 1 and w not in ("a", "i") for w in words)
    return bad > 0 or (len(words) > 5 and singles / len(words) > 0.15)
