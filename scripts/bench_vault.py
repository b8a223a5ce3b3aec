"""The journal at scale: search against brute force at 20,000 entries, and growth from 5,000 to 50,000.

The texts are made here: words of invented syllables, drawn as unevenly as real ones, in English,
Korean, Japanese and Chinese, alone and mixed. Vaults are built by the store's own methods in large
transactions, so that every page, index and log is what a writer's would be.
"""

from __future__ import annotations

import bisect
import itertools
import random
import statistics
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from journal_app.vault import vault as vaults
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import Analysis, Correction, Evidence, Mood, SearchFilter
from journal_app.vault.search import fold, terms
from journal_app.vault.store import JournalStore
from scripts.bench import quantile, timed

PHRASE = "a bench that counts words"
SEARCHED, SMALL, LARGE = 20_000, 5_000, 50_000
QUERIES = 1_000
FILTERED = 200
PICTURE_EVERY = 10
PER_DAY = 4
FIRST_DAY = date(1990, 1, 1)
BATCH = 1_000
LIMIT = 200
GOALS = {
    "search_mismatches": 0.0,
    "search_p95_ms": 20.0,
    "short_search_p95_ms": 150.0,
    "growth_open": 10.0,
    "growth_today": 10.0,
    "growth_search": 10.0,
    "growth_backup": 15.0,
}
"""Ten times the entries in less than ten times the time; a backup copies and proves every byte, so it may take ten."""
FEELINGS = ("joy", "sadness", "anger", "fear", "calm", "gratitude", "tiredness", "shame")
TAGS = ("work", "home", "가족", "旅", "sleep", "walk")


# texts ------------------------------------------------------------------------------------


class Words:
    """A vocabulary whose words are drawn as unevenly as those of a language."""

    def __init__(self, words: list[str], joint: str, stop: str, size: int) -> None:
        self.words, self.joint, self.stop, self.size = words, joint, stop, size
        self._weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(words))))

    def sentence(self, rng: random.Random) -> str:
        """Return a sentence of 6 to 14 words."""
        total = self._weights[-1]
        chosen = [self.words[bisect.bisect(self._weights, rng.random() * total)] for _ in range(rng.randint(6, 14))]
        return self.joint.join(chosen).capitalize() + self.stop


def vocabularies(seed: int = 7) -> dict[str, Words]:
    """Return the vocabularies of the four languages."""
    rng = random.Random(seed)

    falling = list(itertools.accumulate(1 / (rank + 2) for rank in range(3_000)))

    def uneven(items: list[str], count: int) -> list[str]:
        return rng.choices(items, cum_weights=falling[: len(items)], k=count)

    onsets = ["t", "s", "w", "h", "m", "b", "c", "f", "d", "l", "r", "st", "th", "p", "n", "g", "ch", "sh", "tr", "qu"]
    cores = ["e", "a", "o", "i", "ea", "u", "ou", "ee", "ai", "y"]
    codas = ["", "n", "r", "t", "s", "d", "ng", "l", "st", "ck", "m", "ght"]
    hangul = [chr(0xAC00 + n) for n in rng.sample(range(11_172), 1_200)]
    kana = [chr(n) for n in range(0x3042, 0x3094)]
    katakana = [chr(n) for n in range(0x30A2, 0x30F4)]
    han = [chr(n) for n in rng.sample(range(0x4E00, 0x9F00), 3_000)]
    rng.shuffle(kana)

    def english() -> str:
        return "".join(
            uneven(onsets, 1)[0] + uneven(cores, 1)[0] + uneven(codas, 1)[0] for _ in range(rng.choice((1, 1, 2, 2, 3)))
        )

    def japanese() -> str:
        kind = rng.random()
        if kind < 0.4:
            return "".join(uneven(kana, rng.choice((1, 1, 2, 3))))
        if kind < 0.85:
            return "".join(uneven(han, rng.choice((1, 2, 2)))) + "".join(uneven(kana, rng.choice((0, 1, 2))))
        return "".join(uneven(katakana, rng.randint(2, 5))) + rng.choice(("", "ー"))

    return {
        "en": Words(list(dict.fromkeys(english() for _ in range(9_000))), " ", ". ", 1_250),
        "ko": Words(["".join(uneven(hangul, rng.choice((1, 2, 2, 3, 4)))) for _ in range(9_000)], " ", ". ", 620),
        "ja": Words([japanese() for _ in range(9_000)], "", "。", 560),
        "zh": Words(["".join(uneven(han, rng.choice((1, 1, 2, 2, 3)))) for _ in range(9_000)], "", "，", 560),
    }


def text_of(rng: random.Random, known: dict[str, Words]) -> str:
    """Return the text of one entry: one language, or several mixed."""
    kinds = rng.choice((("en",), ("en",), ("ko",), ("ko",), ("ja",), ("zh",), tuple(known)))
    made, size = [], 0
    wanted = sum(known[kind].size for kind in kinds) / len(kinds) * rng.uniform(0.6, 1.4)
    while size < wanted:
        sentence = known[rng.choice(kinds)].sentence(rng)
        if rng.random() < 0.1:
            sentence += rng.choice(("\n\n", f"{rng.randrange(2000)} ", "🌒 ", "Größe ", "c'est déjà "))
        made.append(sentence)
        size += len(sentence)
    return "".join(made).strip()


# vaults -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """What is known of an entry beside the store, for brute force."""

    id: str
    folded: str
    local_date: str
    tags: tuple[str, ...]
    valence: int | None
    feelings: frozenset[str]
    image: bool


@dataclass(slots=True)
class Bench:
    """A vault that grows; ``written`` is in the order in which entries were made, which is that of their dates."""

    folder: Path
    vault: vaults.Vault
    store: JournalStore
    written: list[Written] = field(default_factory=list)
    _known: dict[str, Words] = field(default_factory=vocabularies)
    _rng: random.Random = field(default_factory=lambda: random.Random(11))

    def grow(self, size: int) -> None:
        """Add entries up to ``size``, with tags, moods, readings and pictures, and fill the index."""
        while len(self.written) < size:
            with self.store._db.transaction():
                for _ in range(min(BATCH, size - len(self.written))):
                    self._add()
        while self.store.catch_up(BATCH):
            pass

    def _add(self) -> None:
        rng, number = self._rng, len(self.written)
        text = text_of(rng, self._known)
        day = (FIRST_DAY + timedelta(days=number // PER_DAY)).isoformat()
        mood = Mood(rng.randint(1, 5), rng.randint(1, 5)) if rng.random() < 0.5 else None
        tags = tuple(rng.sample(TAGS, rng.choice((0, 0, 1, 1, 2))))
        entry = self.store.new_entry(
            text, local_date=day, local_time=f"{8 + 3 * (number % PER_DAY):02}:30:00", mood=mood, tags=tags
        )
        found = rng.sample(FEELINGS, rng.choice((0, 1, 1, 2, 3)))
        self.store.save_analysis(_reading(rng, entry.id, found))
        shown = set(found)
        if rng.random() < 0.03:
            label, verdict = rng.choice(FEELINGS), rng.choice(("add", "remove", "accept"))
            self.store.save_correction(Correction(entry.id, "feelings", label, verdict))
            shown = shown | {label} if verdict == "add" else shown - {label} if verdict == "remove" else shown
        picture = number % PICTURE_EVERY == 0
        if picture:
            self.store.add_image(entry.id, b"\x89PNG\r\n\x1a\n" + rng.randbytes(rng.randint(20_000, 60_000)))
        self.written.append(
            Written(entry.id, fold(text), day, tags, mood.valence if mood else None, frozenset(shown), picture)
        )

    def close(self) -> None:
        """Lock the vault."""
        self.vault.lock()


def _reading(rng: random.Random, entry_id: str, feelings: Sequence[str]) -> Analysis:
    scores = {name: round(rng.random(), 4) for name in FEELINGS}
    return Analysis(
        entry_id, 1, "bench", "0" * 64, 1, True, "en",
        {"feelings": scores, "stress": {"yes": 0.2}, "low_mood": {"yes": 0.1}, "suicidality": {"yes": 0.01}},
        "none", "none", "none",
        feelings=tuple(feelings),
        evidence={f"feelings/{name}": (Evidence(0, 40, 0.8), Evidence(60, 90, 0.5)) for name in feelings},
        vector=struct.pack("<384f", *[rng.random() for _ in range(8)] * 48),
    )  # fmt: skip


def make(folder: Path, size: int) -> Bench:
    """Return a new vault with ``size`` entries."""
    made, _ = vaults.create(folder, PHRASE, kdf=KdfParams.fast())
    bench = Bench(folder, made, made.store())
    bench.grow(size)
    return bench


# search -----------------------------------------------------------------------------------


def queries(written: list[Written], count: int, seed: int = 3) -> Iterator[str]:
    """Yield queries of 1 to 5 characters from the texts, with misses and pairs of terms among them."""
    rng = random.Random(seed)

    def piece() -> str:
        while True:
            text = rng.choice(written).folded
            size = rng.randint(1, 5)
            at = rng.randrange(max(1, len(text) - size))
            found = text[at : at + size].replace('"', "")
            if rng.random() < 0.08:  # most likely in no entry
                found = "".join(rng.choice(rng.choice(written).folded) for _ in range(size)).replace('"', "")
            if found.strip():
                return f'"{found}"' if any(c.isspace() for c in found) else found

    for _ in range(count):
        yield f"{piece()} {piece()}" if rng.random() < 0.2 else piece()


def brute(written: list[Written], query: str, passes: Callable[[Written], bool] | None = None) -> list[str]:
    """Return the ids of all matches, newest first, by looking at every text."""
    found = written[::-1] if passes is None else [entry for entry in reversed(written) if passes(entry)]
    for term in sorted(terms(query), key=len, reverse=True):
        found = [entry for entry in found if term in entry.folded]
    return [entry.id for entry in found]


def bench_search(bench: Bench) -> dict[str, float]:
    """Search as the window does; the first 200 and, for every fifth query, all hits must be brute force's."""
    store = bench.vault.store()
    long, short, wrong = [], [], 0
    for number, query in enumerate(queries(bench.written, QUERIES)):
        hits: list[Any] = []
        spent = timed(lambda query=query, hits=hits: hits.extend(store.search(query, limit=LIMIT)))
        (short if min(map(len, terms(query))) < 3 else long).append(spent)
        expected = brute(bench.written, query)
        same = [hit.entry_id for hit in hits] == expected[:LIMIT] and all(hit.spans for hit in hits)
        if same and number % 5 == 0:
            same = [hit.entry_id for hit in store.search(query, limit=len(bench.written))] == expected
        wrong += not same
    filtered, missed = _filtered(bench, store)
    return {
        "search_mismatches": wrong + missed,
        "search_p95_ms": quantile(long, 0.95),
        "search_p50_ms": quantile(long, 0.5),
        "short_search_p95_ms": quantile(short, 0.95),
        "short_search_p50_ms": quantile(short, 0.5),
        "search_max_ms": max(long + short),
        "filtered_search_p95_ms": quantile(filtered, 0.95),
    }


def _filtered(bench: Bench, store: JournalStore) -> tuple[list[float], int]:
    rng = random.Random(5)
    spent, wrong = [], 0
    words = queries(bench.written, FILTERED, seed=6)
    for query in words:
        query = query if rng.random() < 0.6 else ""
        first, last = sorted(rng.sample(bench.written, 2), key=lambda entry: entry.local_date)
        only = SearchFilter(
            start=first.local_date if rng.random() < 0.4 else "",
            end=last.local_date if rng.random() < 0.4 else "",
            tags=(rng.choice(TAGS),) if rng.random() < 0.3 else (),
            feeling=rng.choice(FEELINGS) if rng.random() < 0.4 else "",
            valence=rng.choice(((1, 2), (3, 3), (4, 5))) if rng.random() < 0.3 else None,
            has_image=rng.random() < 0.2,
        )

        def passes(entry: Written, only: SearchFilter = only) -> bool:
            return (
                only.start <= entry.local_date <= (only.end or "9999")
                and set(only.tags) <= set(entry.tags)
                and (not only.feeling or only.feeling in entry.feelings)
                and (only.valence is None or (entry.valence or 0) in range(only.valence[0], only.valence[1] + 1))
                and (not only.has_image or entry.image)
            )

        hits: list[Any] = []
        spent.append(timed(lambda q=query, o=only, h=hits: h.extend(store.search(q, limit=LIMIT, only=o))))
        wrong += [hit.entry_id for hit in hits] != brute(bench.written, query, passes)[:LIMIT]
    return spent, wrong


# growth -----------------------------------------------------------------------------------


def _open(bench: Bench, runs: int = 7) -> float:
    """Unlock and read the first page's worth: what stands between the passphrase and the list."""
    values = []
    for _ in range(runs):

        def work() -> None:
            bench.vault = vaults.unlock(bench.folder, PHRASE)
            bench.store = bench.vault.store()
            bench.store.entries(limit=1)

        bench.close()
        values.append(timed(work))
    return statistics.median(values)


def _today(bench: Bench, runs: int = 7) -> float:
    """Ask what the window asks when it opens: newest entries, this month's days, tags, what waits."""
    newest = date.fromisoformat(bench.written[-1].local_date)
    start, end = newest.replace(day=1).isoformat(), newest.replace(day=28).isoformat()
    values = []
    for _ in range(runs):
        store = bench.vault.store()

        def work(store: JournalStore = store) -> None:
            store.entries(limit=150)
            store.days(start=start, end=end)
            store.all_tags()
            store.pending(1)
            store.pending_count()

        values.append(timed(work))
        store.close()
    return statistics.median(values)


def _search(bench: Bench) -> float:
    store = bench.vault.store()
    asked = list(queries(bench.written, 300, seed=9))
    for query in asked[:20]:
        store.search(query, limit=LIMIT)  # both begin with what a journal in use has at hand
    values = [timed(lambda query=query: store.search(query, limit=LIMIT)) for query in asked]
    store.close()
    return statistics.fmean(values)


def _backup(bench: Bench) -> float:
    from journal_app.vault import backup

    return min(timed(lambda: backup.make(bench.vault)) for _ in range(2))


def bench_growth(small: Bench, large: Bench) -> dict[str, float]:
    """Measure both vaults and how many times longer the large one takes; it holds ten times as much."""
    figures: dict[str, float] = {}
    for name, measure in {"open": _open, "today": _today, "search": _search, "backup": _backup}.items():
        before, after = measure(small), measure(large)
        figures |= {f"{name}_5000_ms": before, f"{name}_50000_ms": after, f"growth_{name}": after / before}
    return figures


def bench_vault(folder: Path) -> dict[str, float]:
    """Build the vaults and measure; about 2 GB are needed for a while."""
    large = make(folder / "large", SEARCHED)
    figures = bench_search(large)
    large.grow(LARGE)
    small = make(folder / "small", SMALL)
    figures |= bench_growth(small, large)
    small.close()
    large.close()
    return figures
