"""The one path from text to tags, and the queue that takes it unasked: on a real vault, with a reader of keywords."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from journal_app import assets
from journal_app.inference.engine import ModelCrashed, ModelError
from journal_app.journal import analysis, reflection
from journal_app.journal.analysis import AnalysisEvent, AnalysisService, analyse, to_record
from journal_app.vault import vault as vaults
from journal_app.vault.keys import KdfParams
from journal_app.vault.vault import Vault
from tests.support.fake_reader import FakeReader

HEAVY = "The deadline pressure is everywhere and I cried on the bus. Later the garden was quiet and sunny."


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    made, _ = vaults.create(tmp_path / "journal", "correct horse", kdf=KdfParams.fast())
    with made:
        yield made


class Run:
    """A service on a vault, and the events it sent."""

    def __init__(self, vault: Vault, reader: object, **options: object) -> None:
        self.events: list[AnalysisEvent] = []
        self._seen = threading.Condition()
        self.service = AnalysisService(vault.store, reader, self._take, **{"typing_pause_s": 0.0, **options})

    def _take(self, event: AnalysisEvent) -> None:
        with self._seen:
            self.events.append(event)
            self._seen.notify_all()

    def wait(self, wanted: Callable[[list[AnalysisEvent]], bool], seconds: float = 10.0) -> None:
        with self._seen:
            assert self._seen.wait_for(lambda: wanted(self.events), seconds), [e.kind for e in self.events]


def idle(events: list[AnalysisEvent]) -> bool:
    return any(event.kind == "idle" for event in events)


def test_tags_bands_and_evidence_point_at_sentences_of_the_text():
    found = analyse(HEAVY, FakeReader())
    assert "sadness" in found.feelings
    assert found.stress_band in ("some", "many")
    for key, sentences in found.evidence.items():
        assert 1 <= len(sentences) <= analysis.MAX_EVIDENCE, key
        assert [e.score for e in sentences] == sorted((e.score for e in sentences), reverse=True)
        assert all(0 <= e.start < e.end <= len(HEAVY) for e in sentences)
    strongest = found.evidence["feelings/sadness"][0]
    assert "cried" in HEAVY[strongest.start : strongest.end]


def test_without_a_model_there_are_no_tags_but_help_is_still_offered():
    found = analyse("I want to kill myself tonight.", None)
    assert (found.feelings, found.stress_band, found.low_mood_band) == ((), "unsure", "unsure")
    assert found.crisis.level == "urgent"
    record = to_record("id", 1, found)
    assert record.model == analysis.RULES_ONLY
    assert record.crisis_level == "urgent"


class Alarmed(FakeReader):
    """Finds every text suicidal, as a model may with a text of one word."""

    def read(self, texts, *, evidence=True):
        return [
            replace(reading, tasks={**reading.tasks, "suicidality": {"yes": 0.99, "no": 0.01}})
            for reading in super().read(texts, evidence=evidence)
        ]


def test_a_word_or_two_raise_no_level_by_the_model_alone_but_the_rules_still_read_them():
    assert analyse("Okay, home.", Alarmed()).crisis.level == "none"
    assert analyse("A calm and quiet walk today.", Alarmed()).crisis.level == "gentle"
    assert analyse("Kill myself.", Alarmed()).crisis.level in ("clear", "urgent")


def test_a_language_that_the_model_does_not_read_gets_rules_only():
    found = analyse("오늘은 정말 힘들었다. 죽고 싶다.", FakeReader())
    assert found.info is not None
    assert not found.reading.readable
    assert (found.feelings, found.stress_band) == ((), "unsure")
    assert found.crisis.level == "clear"


def test_the_queue_is_read_and_stored_newest_first(vault: Vault):
    store = vault.store()
    old = store.new_entry(HEAVY, local_date="2026-01-01", local_time="08:00:00", offset_minutes=0)
    new = store.new_entry("A calm, quiet, sunny day.", local_date="2026-01-02", local_time="08:00:00", offset_minutes=0)
    library = reflection.Library.load(assets.path("reflections"))
    run = Run(vault, FakeReader(), library=library)
    run.service.start()
    run.wait(idle)
    assert run.service.stop()
    assert [e.entry_id for e in run.events if e.kind == "stored"] == [new.id, old.id]
    stored = store.analysis(old.id)
    assert stored is not None
    assert stored.revision == old.revision
    assert stored.reflection_id
    assert stored.model == "fake-reader"
    assert store.pending_count() == 0


def test_nothing_is_read_while_the_writer_types(vault: Vault):
    now = [100.0]
    vault.store().new_entry(HEAVY)
    run = Run(vault, FakeReader(), clock=lambda: now[0], typing_pause_s=2.0)
    run.service.typing()
    run.service.start()
    assert not run.service._stopping.wait(0.6)
    assert run.events == []
    now[0] += 2.5
    run.wait(idle)
    assert run.service.stop()


class Crashing(FakeReader):
    """Dies on one text, as a model's process would."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word
        self.died = 0

    def read(self, texts, *, evidence=True):
        if any(self.word in text for text in texts):
            self.died += 1
            raise ModelCrashed("the model stopped")
        return super().read(texts, evidence=evidence)


def test_an_entry_that_kills_the_model_is_left_alone_after_three_times_and_the_rest_goes_on(vault: Vault):
    store = vault.store()
    good = store.new_entry(HEAVY, local_date="2026-01-01", local_time="08:00:00", offset_minutes=0)
    bad = store.new_entry("poison: I want to die", local_date="2026-01-02", local_time="08:00:00", offset_minutes=0)
    reader = Crashing("poison")
    run = Run(vault, reader)
    run.service.start()
    run.wait(idle)
    assert run.service.stop()
    assert reader.died == analysis.MAX_CRASHES
    assert store.analysis(good.id) is not None
    left = store.analysis(bad.id)
    assert left is not None
    assert (left.model, left.crisis_level) == (analysis.RULES_ONLY, "clear")
    assert store.entry(bad.id).text == "poison: I want to die"


class Broken(FakeReader):
    def info(self):
        raise ModelError("The model's file is missing. Your journal is not touched.")


def test_a_model_that_does_not_load_is_said_once_and_the_thread_still_ends(vault: Vault):
    vault.store().new_entry(HEAVY)
    run = Run(vault, Broken())
    run.service.start()
    run.wait(lambda events: any(e.kind == "model_error" for e in events))
    assert run.service.stop()
    errors = [e for e in run.events if e.kind == "model_error"]
    assert len(errors) == 1
    assert errors[0].pending == 1
    assert "deadline" not in errors[0].message


def test_an_entry_that_asked_not_to_be_read_is_not(vault: Vault):
    store = vault.store()
    entry = store.new_entry(HEAVY)
    store.set_flags(entry.id, read_me=False)
    run = Run(vault, FakeReader())
    run.service.start()
    run.wait(idle)
    assert run.service.stop()
    kept = store.analysis(entry.id)
    assert kept is None or kept.model == analysis.RULES_ONLY


def test_locking_ends_the_thread_quietly(vault: Vault):
    for _ in range(20):
        vault.store().new_entry(HEAVY)
    run = Run(vault, FakeReader())
    run.service.start()
    run.wait(lambda events: any(e.kind == "stored" for e in events))
    vault.lock()
    assert run.service.stop()
    assert all(e.kind in ("stored", "idle", "vault_error") for e in run.events)


def test_idle_moments_fill_the_search_index_and_a_new_entry_is_read_between(vault, monkeypatch):
    monkeypatch.setattr(analysis, "INDEX_PAUSE_S", 0.0)
    store = vault.store()
    for number in range(80):
        store.new_entry(f"Entry {number} about a harbour.")
    while waiting := store.pending(100):
        for entry_id, revision in waiting:
            store.skip_analysis(entry_id, revision, "test")
    with store._db.transaction():
        store._index.rebuild()

    def fresh() -> int:
        return store._index.fresh_count()

    assert fresh() == 80
    interrupted = threading.Event()
    steps: list[int] = []

    class Watched:
        """The service's store; while it fills the index, somebody writes."""

        def __init__(self) -> None:
            self._store = vault.store()

        def __getattr__(self, name: str) -> object:
            return getattr(self._store, name)

        def catch_up(self) -> int:
            moved = self._store.catch_up()
            steps.append(moved)
            if len(steps) == 3:
                self._store.new_entry(HEAVY)
                run.service.wake()
                interrupted.set()
            return moved

    run = Run(vault, FakeReader())
    run.service._open_store = Watched  # type: ignore[assignment]
    run.service.start()
    try:
        assert interrupted.wait(10)
        run.wait(lambda events: [e.kind for e in events].count("idle") >= 2)
        for _ in range(500):
            if fresh() <= 16:
                break
            threading.Event().wait(0.02)
        assert fresh() == 16
        kinds = [event.kind for event in run.events]
        assert kinds.index("stored") > kinds.index("idle")
        assert max(steps) <= 8
        assert len(store.search("harbour", limit=200)) == 80
    finally:
        assert run.service.stop()
    assert store.verify().ok
