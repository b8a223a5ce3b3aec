"""The measure behind `make bench` on a small vault: it finds no mismatch, and it would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journal_app.vault.search import terms
from scripts import bench_vault

SIZE = 400


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bench_vault.Bench]:
    monkeypatch.setattr(bench_vault, "QUERIES", 250)
    monkeypatch.setattr(bench_vault, "FILTERED", 100)
    made = bench_vault.make(tmp_path / "journal", SIZE)
    yield made
    made.close()


def test_search_equals_brute_force_over_mixed_languages(bench):
    assert bench.store._index.fresh_count() == 16
    figures = bench_vault.bench_search(bench)
    assert figures["search_mismatches"] == 0
    assert bench.store.verify().ok


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM search_grams WHERE rowid IN (7, 14, 21, 28, 35, 42)",  # entries that are not found
        "UPDATE entry SET local_date = '1980-01-01' WHERE n % 50 = 0",  # another order
        "DELETE FROM search_fresh",  # what was saved last is not looked at
    ],
)
def test_a_wrong_result_would_be_counted(bench, harm):
    bench.store._db.rows(harm)
    assert bench_vault.bench_search(bench)["search_mismatches"] > 0


def test_queries_are_short_and_of_every_kind(bench):
    asked = list(bench_vault.queries(bench.written, 1000))
    sizes = {len(term) for query in asked for term in terms(query)}
    assert {1, 2, 3, 4, 5} == sizes
    counted = [len(bench_vault.brute(bench.written, query)) for query in asked]
    assert sum(1 for found in counted if found == 0) > 20
    assert sum(1 for found in counted if found > 100) > 20
    for low, high in (("a", "z"), ("가", "힣"), ("ぁ", "ヿ"), ("一", "鿿")):
        assert sum(1 for query in asked if any(low <= c <= high for c in query)) > 50
    assert sum(1 for query in asked if len(terms(query)) == 2) > 100


def test_brute_force_is_the_definition(bench):
    for query in list(bench_vault.queries(bench.written, 60)):
        expected = [entry.id for entry in reversed(bench.written) if all(term in entry.folded for term in terms(query))]
        assert bench_vault.brute(bench.written, query) == expected
