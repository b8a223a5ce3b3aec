"""Plain-text helpers of the reader: sentence spans, word counts and the language of a text.

Owns nothing but rules; pure Python, linear in the length of the text, and deterministic, so that
the trainer, the child process and the window agree. Knows no model and no journal.

The language guess is a guard, not a linguist: it keeps a model from reading what it never
learned. It looks at scripts first and, for Latin letters, at small lists of function words.
"""

from __future__ import annotations

import re
import unicodedata


def _set(items: str) -> frozenset[str]:
    return frozenset(items.split())


_TERMINATORS = ".!?…。！？｡‼⁇⁈⁉"
_CJK_TERMINATORS = "。！？｡"
_CLOSERS = "\"'”’»)]}」』】〉》）*_~"
_MARKER = re.compile(r"[ \t　]*(?:(?:[-*+•·–—]|\d{1,3}[.)]|#{1,6}|>+|\[[ xX]\])[ \t]+)+")
_END = re.compile(rf"[{re.escape(_TERMINATORS)}]+")
_TITLES = _set(
    """
    mr mrs ms mx dr prof st rev gen sgt capt col lt hon fr sr sra
    """
)
_ABBREVIATIONS = _set(
    """
    e.g i.e etc vs approx no vol pp fig dept est inc ltd co jr sr a.m p.m am pm u.s u.k ph.d b.a m.a cf al tel min
    max mon tue tues wed thu thur thurs fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec
    """
)

_HAN = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3134F))
_KANA = ((0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F))
_HANGUL = ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF))
_WORD = re.compile(r"[^\W_]+(?:['’ʼ][^\W_]+)*")
_REPEAT = re.compile(r"(.)\1{3,}")
_NO_VOWEL = re.compile(r"[^aeiouy]{5,}")

_ENGLISH = _set(
    """
    the and of that this these those it's i'm i've i'll i'd you're don't didn't can't couldn't wasn't isn't won't
    wouldn't doesn't haven't there's that's he's she's we're they're what's let's my you your yours he's him his
    she her hers it its they them their we us our ours myself yourself himself herself themselves was were been
    being have has had having does did doing done will would could should might must shall can't cannot with
    without from into about after before because while when where which what who whom why how than then there here
    again always never really very just only even still yet already though although but or if not nothing something
    anything everything everyone someone anyone nobody every each both few more most much many some any other
    another such own same too also until during over under between through across around against out off up down
    for by at as are is be get got getting go going gone went come came coming make made making take took feel
    feeling feels felt think thought thinking know knew want wanted need needed try tried trying said say says told
    tell see saw seen look looked work worked working home house today yesterday tomorrow tonight morning afternoon
    evening night day days week weeks weekend month months year years time good bad better worse best worst great
    nice happy sad angry tired exhausted lonely alone anxious worried scared afraid calm proud grateful thankful
    hopeful excited bored stressed depressed upset hurt crying cried love loved hate hated miss missed like liked
    sleep slept sleeping awake woke friend friends family mum mom dad mother father sister brother boyfriend
    girlfriend husband wife kids people boss job school class exam life world thing things little long new old last
    next first one two three walk walked walking dinner lunch breakfast coffee tea rain sun money bed birthday
    sorry thank thanks maybe okay ok yes bit lot quiet hard easy big small well back away together ever enough soon
    late early called call talked talk talking help helped start started stop stopped left leave keep kept ate eat
    """
)
_ENGLISH_WEAK = _set(
    """
    a i me no on in so do to an am he all man die war also was had were gut will
    """
)
_SUFFIXES = ("ing", "tion", "ness", "ful", "less", "ly", "ed", "n't", "ment", "able")

_FOREIGN: dict[str, frozenset[str]] = {
    code: _set(known)
    for code, known in {
        "de": """
        ich und nicht das der den dem des die ist ein eine einen einem einer war bin hat habe haben hatte mit auf
        für von zu zum zur sich auch aber heute gestern morgen mir mich dich dir wir uns ihr sie es noch nur schon
        sehr wie wenn dann weil dass daß als bei nach wieder immer nichts etwas kein keine mein meine gut müde
        traurig glücklich bist sind wird wurde kann muss möchte vom beim tag leben zeit arbeit haus guten
        """,
        "es": """
        el la los las de que y en un una unos unas es estoy está soy fue fui ser estar muy pero por para con no se
        me te mi mis tu lo le les como más hoy ayer mañana todo nada algo cuando porque siento triste feliz cansado
        cansada día trabajo casa yo ella ellos nos nosotros había tengo tiene hay también ya sin sobre hola
        """,
        "fr": """
        le la les de des du et un une je tu il elle nous vous ils elles est suis étais était ai ne pas que qui dans
        pour avec sur mais au aux ce cette mon ma mes son sa ses très aujourd'hui hier demain triste fatigué
        fatiguée heureux content contente plus tout rien j'ai c'est n'ai qu'il d'un l'on été être avoir fait
        """,
        "it": """
        il lo la gli le di che e un una uno è sono ho ha non per con mi ti si ma come più oggi ieri domani molto
        sempre mai del della dei nel nella alla al anche stanco stanca triste felice questo questa tutto niente
        casa lavoro giorno buongiorno essere stato stata
        """,
        "pt": """
        o a os as de que e um uma é eu não com para por mas se me te meu minha muito hoje ontem amanhã estou está
        foi fui ser no na nos nas do da dos das mais tudo nada feliz triste cansado cansada dia trabalho você
        """,
        "nl": """
        de het een en ik van is niet dat op te met voor zijn was heb heeft had maar om aan er ook als dan wel nog
        naar bij uit mijn jij je wij zij hij vandaag gisteren morgen moe blij verdrietig heel erg veel geen
        """,
        "sv": """
        och jag att det som en ett är var inte på för med har hade den de till av om men så min mitt mina idag igår
        mig dig vi ni han hon trött glad ledsen mycket
        """,
        "da": """
        og jeg at det som en et er var ikke på for med har havde den de til af om men så min mitt mine i dag går
        mig dig vi han hun træt glad meget bare
        """,
        "fi": """
        ja on ei se että en olen oli minä sinä hän me te he tänään eilen mutta kun niin myös vain väsynyt iloinen
        surullinen hyvä päivä
        """,
        "pl": """
        i nie to się w na z że jest do ja jestem był była mi mnie ale jak dzisiaj dziś wczoraj jutro bardzo tak już
        tylko co po za przez smutny zmęczony zmęczona
        """,
        "cs": """
        a je se na to že v jsem byl byla ne ale jak dnes včera zítra velmi mi mě tak už jen co po
        """,
        "ro": """
        și în nu este sunt am un o cu la de pe că mă mi dar foarte azi ieri mâine trist obosit fericit
        """,
        "tr": """
        ve bir bu ben çok için ama da de değil gibi bugün dün yarın kadar daha ne mi mutlu üzgün yorgun
        """,
        "id": """
        yang dan di ini itu saya aku tidak dengan untuk ke dari ada hari sangat tapi akan sudah juga lelah sedih
        senang sekali
        """,
        "vi": """
        tôi là và của không có một những được cho này rất hôm nay người buồn vui mệt
        """,
    }.items()
}
_BORROWED = _set(
    """
    café cafés naïve résumé fiancé fiancée cliché déjà crème brûlée jalapeño façade née
    """
)


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans ``text[start:end]`` of its sentences, in order, as code-point offsets.

    Spans do not overlap, hold at least one letter or digit each, start and end on something that
    can be seen, and leave out list markers and heading signs. A single line break inside a
    sentence (hard-wrapped text) does not end it; a blank line, a list item or a finished line does.
    """
    spans: list[tuple[int, int]] = []
    for start, end in _blocks(text):
        _split_block(text, start, end, spans)
    return spans


def words(text: str) -> int:
    """Count words; Han and kana, written without spaces, count as one word for two characters."""
    count = dense = 0
    for match in _WORD.finditer(text):
        token = match.group()
        if token.isascii():
            count += 1
            continue
        wide = sum(1 for c in token if _is(c, _HAN) or _is(c, _KANA))
        dense += wide
        count += wide < len(token)
    return count + (dense + 1) // 2


def language(text: str) -> str:
    """Return ``en``, ``ko``, ``zh``, ``ja`` or ``und``: the language that most of ``text`` is in.

    ``und`` stands for every other language and for text without words. Only the first 20,000
    code points are looked at.
    """
    text = unicodedata.normalize("NFC", text[:20_000])
    hangul = kana = han = latin = other = 0
    for char in text:
        if char.isascii():
            latin += char.isalpha()
        elif char.isalpha():
            if _is(char, _HANGUL):
                hangul += 1
            elif _is(char, _KANA):
                kana += char != "ー"
            elif _is(char, _HAN):
                han += 1
            elif ord(char) < 0x250 or 0x1E00 <= ord(char) < 0x1F00:
                latin += 1
            else:
                other += 1
    # One Hangul block or Han character says about as much as two or three Latin letters.
    weights = {"ko": 2.5 * hangul, "cj": 2.5 * (han + kana), "latin": float(latin), "other": 1.5 * other}
    best = max(weights, key=lambda script: weights[script])
    if weights[best] == 0 or best == "other":
        return "und"
    if best == "ko":
        return "ko"
    if best == "cj":
        return "ja" if kana * 10 >= han + kana else "zh"
    if _is_english(text):
        return "en"
    # Korean or Chinese with many foreign names in it, rather than another language in Latin letters.
    return "ko" if hangul * 5 > latin else "zh" if han * 5 > latin and not kana else "und"


def _is_english(text: str) -> bool:
    tokens = [t.lower().replace("’", "'").replace("ʼ", "'") for t in _WORD.findall(text)]
    tokens = [t for t in tokens if any(c.isalpha() for c in t)]
    if not tokens:
        return False
    english = sum(2.0 if t in _ENGLISH else 1.0 if t in _ENGLISH_WEAK else 0.0 for t in tokens)
    endings = sum(1 for t in tokens if t.isascii() and len(t) > 4 and t.endswith(_SUFFIXES))
    accented = sum(1 for t in tokens if not t.isascii() and t not in _BORROWED)
    # A word that English has too ("I", "was", "no") says little about either language.
    foreign = accented + max(
        sum(1.0 if t in _ENGLISH or t in _ENGLISH_WEAK else 2.0 for t in tokens if t in known)
        for known in _FOREIGN.values()
    )
    if foreign > english + 0.5 * endings - (0.1 if accented else 0.0):
        return False
    plausible = sum(1 for t in tokens if t.isascii() and not _REPEAT.search(t) and not _NO_VOWEL.search(t))
    if len(tokens) <= 5:
        # A fragment ("Migraine." or "Dentist, then groceries") may hold no function word at all.
        return english + endings > 0 or (accented == 0 and plausible == len(tokens) and any(len(t) > 2 for t in tokens))
    return (english + endings) / (2 * len(tokens)) >= 0.12


def _is(char: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    code = ord(char)
    return any(low <= code <= high for low, high in ranges)


def _blocks(text: str) -> list[tuple[int, int]]:
    """Join hard-wrapped lines; return spans of runs of text that hold whole sentences."""
    blocks: list[tuple[int, int]] = []
    position = 0
    last = ""  # what the line before ended with; empty after a blank line
    for line in text.splitlines(keepends=True):
        marker = _MARKER.match(line)
        start = position + (marker.end() if marker else 0)
        position += len(line)
        body = text[start:position].strip()
        if not body:
            last = ""
            continue
        # A list marker is left out of the span; a wrapped line goes on where the last one stopped.
        if last and not marker and body[0].islower() and last not in _TERMINATORS + _CLOSERS + ":;":
            blocks[-1] = (blocks[-1][0], position)
        else:
            blocks.append((start, position))
        last = body[-1]
    return blocks


def _split_block(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    begin = start
    first = len(spans)
    for match in _END.finditer(text, start, end):
        stop = match.end()
        while stop < end and text[stop] in _CLOSERS:
            stop += 1
        if stop < end and not _ends_sentence(text, match.start(), match.end(), stop, begin, end):
            continue
        _append(text, begin, stop, first, spans)
        begin = stop
    _append(text, begin, end, first, spans)


def _ends_sentence(text: str, mark: int, mark_end: int, stop: int, begin: int, end: int) -> bool:
    signs = text[mark:mark_end]
    following = text[stop]
    if any(sign in _CJK_TERMINATORS for sign in signs):
        return True
    if not following.isspace():
        # "tired.Went home": a forgotten space, not a decimal, an address or an abbreviation.
        if _is(following, _HAN) or _is(following, _KANA) or _is(following, _HANGUL):
            return not text[mark - 1 : mark].isascii()
        after = text[stop + 1 : stop + 2]
        return (
            stop == mark_end
            and text[max(mark - 2, begin) : mark].islower()
            and mark - begin > 2
            and following.isupper()
            and after.islower()
        )
    index = stop
    while index < end and text[index].isspace():
        index += 1
    if index >= end:
        return True
    following = text[index]
    if signs.startswith("..") or "…" in signs:
        return not following.islower()
    if signs == ".":
        return not _is_abbreviation(text[max(begin, mark - 40) : mark], mark - begin <= 40, following)
    if "?" in signs or "!" in signs:
        # "Why? she asked": speech goes on after a closing quotation mark and a small letter.
        return not (stop > mark_end and following.islower())
    return True


def _is_abbreviation(before: str, whole: bool, following: str) -> bool:
    """Judge the full stop after ``before``, the end of a sentence so far, or all of it if ``whole``."""
    tail = re.search(r"[^\s(\"'“‘]+$", before)
    word = tail.group().lower() if tail else ""
    if not word:
        return False
    if word in _TITLES:
        return following.isupper()
    if len(word) == 1 and word.isalpha() and word != "i":
        return before[-1:].isupper() and following.isupper()
    if word in _ABBREVIATIONS:
        return not following.isupper()
    # A bare number ("3. ") that opens a sentence counts things and ends nothing.
    return whole and word.isdigit() and len(word) <= 2 and not before[: -len(word)].strip()


def _append(text: str, start: int, end: int, first: int, spans: list[tuple[int, int]]) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start == end:
        return
    if any(char.isalnum() for char in text[start:end]):
        spans.append((start, end))
    elif len(spans) > first:
        # Signs without words belong to what they follow ("So tired. :(").
        spans[-1] = (spans[-1][0], end)
