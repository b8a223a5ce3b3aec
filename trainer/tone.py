"""What a short reply does, told by its words: advises, reassures, speaks of itself; and the turn from I to you.

Plain expressions for choosing what a writer learns from and for making what it is to avoid. They are wider than
the app's output check on purpose: a good reply lost costs little, an order learned costs a writer. Nothing here
decides what a person sees.
"""

from __future__ import annotations

import re

_ORDERS = (
    "try|consider|talk|speak|ask|go|get|find|take|make sure|remember|focus|keep|stop|start|give|allow|let|tell|don't|"
    "do|be|look|reach out|seek|see|call|set|write|use|follow|avoid|work on|practi[cs]e|learn|read|spend|put|join|make|"
    "think of|think about|communicate|sit down|relax|breathe|exercise|meditate|contact|check"
)
_ADVICE_EN = re.compile(
    r"(?<!feel )(?<!think )(?<!if )(?<!that )(?<!like )\byou(?: really| definitely| probably)? "
    r"(?:should|ought to|must|need to|might want|may want|could try|can try)\b"
    r"|\byou(?:'d| had) better\b|\bwhy (?:don't|not)\b|\bhow about\b|\bwhat if you\b"
    r"|\bhave you (?:ever )?(?:tried|considered|thought (?:about|of)|talked|spoken|been to)\b"
    r"|\b(?:i|i'd|i would|we) (?:would )?(?:suggest|recommend|advise|encourage)\b|\bmy advice\b"
    r"|\bit (?:might|may|would|could|can)(?: also| really)? "
    r"(?:help|be (?:good|helpful|useful|better|best|worth|wise|a good idea))\b"
    r"|(?:(?:^|[.!?;]\s+)(?:just )?|\b(?:please|maybe|perhaps),? )(?:" + _ORDERS + r")\b(?! (?:you|it) )",
    re.IGNORECASE,
)
_ADVICE_KO = re.compile(r"세요\s*[.!?~]*$|세요[.!?~]|십시오|봐요|는 게 좋|해야|보는 건 어때|는 건 어떨까|하지 마|지 말")
_REASSURANCE_EN = re.compile(
    r"\b(?:don't|do not|no need to) worry\b|\bnothing to worry\b|\beverything(?: will|'ll| happens)\b"
    r"|\b(?:it|it all|things|this|that)(?:'ll| will|'s going to| is going to| are going to)"
    r" (?:be|get|work|all|turn|pass|come|improve)\b"
    r"|\byou(?:'ll| will|'re going to| are going to) (?:be|get|do|make|find|feel|have|overcome|succeed|survive)\b"
    r"|\bi(?:'m| am) (?:sure|certain|confident|positive)\b|\bbright side\b|\bsilver lining\b"
    r"|\b(?:could|might) be worse\b|\bhang in there\b|\bstay (?:strong|positive)\b|\bcheer up\b"
    r"|\byou(?:'ve| have)? got this\b|\byou can do (?:it|this|anything)\b|\bkeep (?:your head|your chin|going|it up)\b"
    r"|\bgod\b|\bbless\b|\bno big deal\b|\bit(?:'s| is) (?:all )?(?:ok|okay|fine|normal)\b|\bat least\b"
    r"|\btime heals\b|\b(?:tomorrow|soon) (?:it |you |they )?will\b",
    re.IGNORECASE,
)
_REASSURANCE_KO = re.compile(r"괜찮아(?:질|요)|힘내|걱정|잘 ?될|좋아질|시간이 해결")
_FUTURE_KO = re.compile(r"([가-힣]) ?(?:거예요|거에요|거야|겁니다|게요)")
_RIEUL = 8
"""Place of the final consonant of a future, as in ``할 거예요``, among the finals of a Hangul syllable."""
_SELF_EN = re.compile(
    r"\b(?:me|my|mine|myself|we|us|our|ours|ourselves)\b"
    r"|\bi\b(?!(?:'m| am) (?:so |very |really )?sorry\b)"
    r"(?!(?: can| could)? (?:hear|see|wonder|imagine|sense|understand)\b)",
    re.IGNORECASE,
)
_SELF_KO = re.compile(r"(?:^|\s)(?:저는|저도|나는|나도|제가|내가|저희|우리)(?=\s|$)")

_SWAPS: tuple[tuple[str, str], ...] = (
    (r"am i|are we", "are you"),
    (r"was i|were we", "were you"),
    (r"i am|we are", "you are"),
    (r"i was|we were", "you were"),
    (r"i'm|im|we're", "you're"),
    (r"i've|ive|we've", "you've"),
    (r"i'll|we'll", "you'll"),
    (r"i'd|we'd", "you'd"),
    (r"myself|ourselves", "yourself"),
    (r"mine|ours", "yours"),
    (r"my|our", "your"),
    (r"me|us", "you"),
    (r"i|we", "you"),
)
_FIRST_PERSON = re.compile(r"\b(?:" + "|".join(f"({pattern})" for pattern, _ in _SWAPS) + r")\b", re.IGNORECASE)
_SENTENCE_START = re.compile(r"(?:^|[.!?]\s+)[a-z]")


def advises(text: str, language: str = "en") -> bool:
    """Return whether ``text`` tells somebody what to do."""
    return bool((_ADVICE_KO if language == "ko" else _ADVICE_EN).search(_plain(text)))


def reassures(text: str, language: str = "en") -> bool:
    """Return whether ``text`` says that all is or will be well, or that it could be worse."""
    if language != "ko":
        return bool(_REASSURANCE_EN.search(_plain(text)))
    futures = ((ord(match.group(1)) - 0xAC00) % 28 == _RIEUL for match in _FUTURE_KO.finditer(text))
    return bool(_REASSURANCE_KO.search(text)) or any(futures)


def speaks_of_itself(text: str, language: str = "en") -> bool:
    """Return whether whoever answers in ``text`` tells of themself; "I hear" and "I am sorry" are not meant."""
    return bool((_SELF_KO if language == "ko" else _SELF_EN).search(_plain(text)))


def second_person(text: str) -> str:
    """Return English ``text`` in which the first person has become the second; verbs follow where they must."""

    def swap(match: re.Match[str]) -> str:
        return _SWAPS[(match.lastindex or 1) - 1][1]

    swapped = _FIRST_PERSON.sub(swap, _plain(text))
    return _SENTENCE_START.sub(lambda match: match.group().upper(), swapped)


def _plain(text: str) -> str:
    return text.replace("\u2019", "'").replace("\u2018", "'")
