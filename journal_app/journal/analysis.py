"""From a text to tags, bands, evidence and a help level; and the queue that does so unasked.

``analyse`` is the one path for the window, the command line and the trainer's users alike:
model (if there is one and it reads the language) plus the rules of ``journal.safety``, which
work without any model. ``AnalysisService`` drains the vault's durable queue on a thread of its
own. Neither logs, raises or stores text anywhere but in the vault.
"""

from __future__ import annotations

import array
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from journal_app.contract import bands as contract_bands
from journal_app.contract.manifest import Manifest
from journal_app.contract.tasks import CONTRACT_VERSION, Band
from journal_app.inference.engine import (
    ModelCancelled,
    ModelCrashed,
    ModelError,
    ModelInfo,
    Reader,
    Reading,
    SentenceScores,
)
from journal_app.journal import reflection, safety
from journal_app.vault.records import Analysis, Entry, Evidence, Store, VaultError, VaultLocked

RULES_ONLY = "rules"
"""``Analysis.model`` of an entry that no model has read."""

MAX_EVIDENCE = 3
"""Sentences kept per tag: enough to see why, few enough to read."""

MIN_FEELING_EVIDENCE = 0.3
MIN_SCREEN_EVIDENCE = 0.5
"""A sentence below these scores is not called evidence for a feeling, or for stress or low mood."""

MIN_WORDS_FOR_MODEL = 5
"""Shorter texts raise no help level by the model alone: it was trained on posts, and scores "ok" or
"home" by chance. The phrase rules read texts of any length."""

TYPING_PAUSE_S = 2.0
"""Nothing is read until the writer has paused this long."""

MAX_CRASHES = 3
"""An entry that ends the model's process this often is left alone until it is edited."""

INDEX_PAUSE_S = 0.05
"""Between two steps that fill the search index: the writer's saves go first."""

RECENT_REFLECTIONS = 40
"""A month of entries, and some days with two: none comes again meanwhile while another suits."""
SURE_ENOUGH = 0.35
"""Probability from which a feeling decides the reflection. Feelings are shown from lower ones, where about a third were
there in 800 invented entries that the reader had not learned from; words for a feeling that is not there jar."""
MOSTLY_PLEASANT = 0.6
"""Most that the heavy feelings' probabilities may add up to, as a share of the pleasant ones', in a day that seems
light. Of such entries in which no feeling stood out, 14 in 100 of those with heavy feelings alone stayed under it."""
_RECENT_KEY = "reflections.recent"


@dataclass(frozen=True, slots=True)
class TextAnalysis:
    """What is known of one text. ``info`` is None when no model took part.

    ``feelings`` and ``themes`` are those over their lines, strongest first.
    """

    reading: Reading
    info: ModelInfo | None
    stress_band: Band
    low_mood_band: Band
    crisis: safety.Crisis
    feelings: tuple[str, ...] = ()
    evidence: dict[str, tuple[Evidence, ...]] = field(default_factory=dict)
    themes: tuple[str, ...] = ()


def analyse(text: str, reader: Reader | None, *, evidence: bool = True) -> TextAnalysis:
    """Read ``text`` with ``reader`` (or with the rules alone) and judge it.

    Raises what ``reader.read`` raises (``ModelError`` and its kinds); the rules never raise.
    """
    if reader is None:
        return _judge(text, Reading(readable=False, language="und"), None)
    info = reader.info()
    return _judge(text, reader.read([text], evidence=evidence)[0], info)


def reflect(
    library: reflection.Library,
    found: TextAnalysis,
    tags: Sequence[str] = (),
    *,
    recent: Sequence[str] = (),
    seed: str,
) -> reflection.Reflection | None:
    """Return what ``library`` says under a text, or None.

    Nothing is said to words that nobody has read, nor where a person is needed more than a thought.
    ``tags``: the writer's own; ``recent`` and ``seed`` as :meth:`Library.choose` takes them.
    """
    if not found.reading.readable:
        return None
    scores = found.reading.tasks.get("feelings", {})
    return library.choose(
        [name for name in found.feelings if scores.get(name, 1.0) >= SURE_ENOUGH],
        found.stress_band,
        found.low_mood_band,
        found.crisis.level,
        (*tags, *found.themes),
        light=_seems_light(scores),
        recent=recent,
        seed=seed,
        language=found.reading.language,
    )


def _seems_light(scores: Mapping[str, float]) -> bool:
    pleasant = sum(p for name, p in scores.items() if name in reflection.PLEASANT)
    heavy = sum(p for name, p in scores.items() if name not in reflection.PLEASANT | {"surprise", "tiredness"})
    return heavy <= MOSTLY_PLEASANT * pleasant


def _judge(text: str, reading: Reading, info: ModelInfo | None) -> TextAnalysis:
    if info is None or not reading.readable:
        return TextAnalysis(reading, info, "unsure", "unsure", safety.assess(text))
    manifest = info.manifest
    found = contract_bands.bands(manifest, reading.tasks, reading.words)
    suicidality = reading.tasks.get("suicidality", {}).get("yes")
    if reading.words < MIN_WORDS_FOR_MODEL:
        suicidality = None
    crisis = safety.assess(text, suicidality=suicidality, threshold=manifest.crisis_threshold)
    scores = reading.tasks.get("feelings", {})
    shown = [label for label, p in scores.items() if p >= manifest.feelings_thresholds.get(label, 0.5)]
    shown.sort(key=lambda label: -scores[label])
    stress, low = found[contract_bands.STRESS], found[contract_bands.LOW_MOOD]
    return TextAnalysis(
        reading,
        info,
        stress,
        low,
        crisis,
        tuple(shown),
        _evidence(reading.sentences, shown, stress in ("some", "many"), low in ("some", "many")),
        _themes(manifest, reading),
    )


def _themes(manifest: Manifest, reading: Reading) -> tuple[str, ...]:
    scores = reading.tasks.get("themes", {})
    found = [label for label, p in scores.items() if p >= manifest.themes_thresholds.get(label, 0.5)]
    return tuple(sorted(found, key=lambda label: -scores[label]))


def _evidence(
    sentences: tuple[SentenceScores, ...], feelings: list[str], stress: bool, low_mood: bool
) -> dict[str, tuple[Evidence, ...]]:
    found: dict[str, tuple[Evidence, ...]] = {}

    def keep(key: str, score: Callable[[SentenceScores], float | None], least: float) -> None:
        ranked = [Evidence(s.start, s.end, value) for s in sentences if (value := score(s)) is not None]
        ranked.sort(key=lambda e: -e.score)
        best = tuple(e for e in ranked[:MAX_EVIDENCE] if e.score >= least)
        if best:
            found[key] = best

    for label in feelings:
        keep(f"feelings/{label}", lambda s, label=label: s.tasks.get("feelings", {}).get(label), MIN_FEELING_EVIDENCE)
    if stress:
        keep(contract_bands.STRESS, lambda s: contract_bands.stress_score(s.tasks), MIN_SCREEN_EVIDENCE)
    if low_mood:
        keep(contract_bands.LOW_MOOD, lambda s: contract_bands.low_mood_score(s.tasks), MIN_SCREEN_EVIDENCE)
    return found


def to_record(entry_id: str, revision: int, found: TextAnalysis, *, reflection_id: str = "") -> Analysis:
    """Turn ``found`` into the record that the vault keeps for that revision."""
    vector = array.array("f", found.reading.vector)
    if sys.byteorder == "big":
        vector.byteswap()
    return Analysis(
        entry_id=entry_id,
        revision=revision,
        model=found.info.manifest.name if found.info else RULES_ONLY,
        model_sha256=found.info.sha256 if found.info else "",
        contract_version=found.info.manifest.contract_version if found.info else CONTRACT_VERSION,
        readable=found.reading.readable,
        language=found.reading.language,
        tasks=found.reading.tasks,
        stress_band=found.stress_band,
        low_mood_band=found.low_mood_band,
        crisis_level=found.crisis.level,
        crisis_reasons=found.crisis.reasons,
        feelings=found.feelings,
        evidence=found.evidence,
        reflection_id=reflection_id,
        vector=vector.tobytes(),
        tokens=found.reading.tokens,
        seconds=found.reading.seconds,
    )


EventKind = Literal["stored", "skipped", "model_error", "vault_error", "idle"]


@dataclass(frozen=True, slots=True)
class AnalysisEvent:
    """Something happened to the queue; ids and counts only, never text.

    ``message`` is safe to show and is set for ``model_error`` and ``vault_error``.
    """

    kind: EventKind
    entry_id: str = ""
    pending: int = 0
    message: str = ""


class AnalysisService:
    """Reads what waits in the vault's queue, newest entry first, on a thread of its own.

    ``open_store`` is called once on that thread. ``on_event`` is called on that thread too; the
    window passes a function that hands the event to its own thread. ``reader`` None means that
    the writer switched the model off: the rules still run, so that help is still offered.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        reader: Reader | None,
        on_event: Callable[[AnalysisEvent], None],
        *,
        library: reflection.Library | None = None,
        clock: Callable[[], float] = time.monotonic,
        typing_pause_s: float = TYPING_PAUSE_S,
    ) -> None:
        self._open_store = open_store
        self._reader = reader
        self._on_event = on_event
        self._library = library
        self._clock = clock
        self._pause = typing_pause_s
        self._typed_at = float("-inf")
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._crashes: dict[tuple[str, int], int] = {}

    def start(self) -> None:
        """Start the thread; harmless when it runs already."""
        if self._thread is None:
            self._stopping.clear()
            self._wake.set()
            self._thread = threading.Thread(target=self._run, name="analysis", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Say that something may be waiting (call after each save)."""
        self._wake.set()

    def typing(self) -> None:
        """Say that a key was pressed; nothing is read until the writer has paused."""
        self._typed_at = self._clock()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Cancel the reading in progress and end the thread; return whether it ended in time."""
        thread = self._thread
        if thread is None:
            return True
        self._stopping.set()
        self._wake.set()
        if self._reader is not None:
            self._reader.cancel()
        thread.join(timeout_s)
        if not thread.is_alive():
            self._thread = None
        return not thread.is_alive()

    # the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            store = self._open_store()
        except VaultError as error:
            self._on_event(AnalysisEvent("vault_error", message=str(error)))
            return
        try:
            self._drain_until_stopped(store)
        finally:
            store.close()

    def _drain_until_stopped(self, store: Store) -> None:
        delay = 0.0
        while not self._stopping.is_set():
            # After a failure the wait grows, so that a broken model or a full disk is not hammered.
            self._wake.wait()
            self._wake.clear()
            try:
                delay = 0.0 if self._drain(store) else min(60.0, max(2.0, delay * 2))
            except VaultLocked:
                return
            except VaultError as error:
                self._on_event(AnalysisEvent("vault_error", message=str(error)))
                delay = min(60.0, max(2.0, delay * 2))
            if delay and not self._stopping.is_set():
                self._stopping.wait(delay)
                self._wake.set()

    def _drain(self, store: Store) -> bool:
        """Read all that waits; return False when the model failed and a pause is due."""
        while not self._stopping.is_set():
            if (rest := self._pause - (self._clock() - self._typed_at)) > 0:
                self._stopping.wait(min(rest, 0.25))
                continue
            waiting = store.pending(1)
            if not waiting:
                self._on_event(AnalysisEvent("idle"))
                self._index(store)
                return True
            entry_id, revision = waiting[0]
            try:
                self._read_one(store, entry_id, revision)
            except ModelCancelled:
                continue
            except ModelCrashed as error:
                self._crashed(store, entry_id, revision, error)
            except ModelError as error:
                self._on_event(AnalysisEvent("model_error", entry_id, store.pending_count(), str(error)))
                return False
        return True

    def _index(self, store: Store) -> None:
        """Move what waits into the search index, in small steps, until something else is to do."""
        while not self._stopping.is_set() and not self._wake.is_set():
            if (rest := self._pause - (self._clock() - self._typed_at)) > 0:
                self._stopping.wait(min(rest, 0.25))
            elif store.catch_up():
                self._stopping.wait(INDEX_PAUSE_S)
            else:
                return

    def _crashed(self, store: Store, entry_id: str, revision: int, error: ModelCrashed) -> None:
        key = (entry_id, revision)
        self._crashes[key] = self._crashes.get(key, 0) + 1
        if self._crashes[key] < MAX_CRASHES:
            return
        # The model cannot read this one, but the rules can, and help must not depend on the model.
        entry = store.entry(entry_id)
        if entry is not None:
            store.save_analysis(to_record(entry_id, revision, analyse(entry.text, None)))
        store.skip_analysis(entry_id, revision, "the model stopped while reading this entry")
        self._on_event(AnalysisEvent("skipped", entry_id, store.pending_count(), str(error)))

    def _read_one(self, store: Store, entry_id: str, revision: int) -> None:
        entry = store.entry(entry_id)
        if entry is None or entry.deleted_utc is not None or entry.revision != revision:
            store.skip_analysis(entry_id, revision, "the entry has changed")
            return
        found = analyse(entry.text, self._reader if entry.read_me else None)
        chosen = self._reflect(store, entry, found) if found.info is not None else ""
        if store.save_analysis(to_record(entry_id, revision, found, reflection_id=chosen)):
            self._on_event(AnalysisEvent("stored", entry_id, store.pending_count()))

    def _reflect(self, store: Store, entry: Entry, found: TextAnalysis) -> str:
        if self._library is None:
            return ""
        before = store.analysis(entry.id)
        if before is not None and before.reflection_id:
            same = (before.feelings, before.crisis_level) == (found.feelings, found.crisis.level)
            if same:
                return before.reflection_id  # small edits should not make the page restless
        recent = list(store.setting(_RECENT_KEY, []))
        choice = reflect(self._library, found, entry.tags, recent=recent, seed=entry.id)
        if choice is None:
            return ""
        store.set_setting(_RECENT_KEY, [choice.id, *recent][:RECENT_REFLECTIONS])
        return choice.id
