"""Measure what the app promises, side by side in one run -> build/reports/bench.json.

The window is measured in processes of its own (a start is a start), typing against a vault whose
200 entries are being read by the real model, saving on a real encrypted file on this disk, and
reading with the shipped model in this process and through its child process; search and growth on
vaults of up to 50,000 entries.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from scripts import reports  # noqa: E402

PHRASE = "correct horse battery staple"
WORDS = """
morning tea garden window bus office phone letter kitchen rain quiet tired laughed walked slept worried called mother
friend dinner bread late early heavy light work list long short cold warm again before after because although nothing
something everything the a and but with without under over to from of in on at it was is i we she he
""".split()  # noqa: SIM905


def text_of(words: int, seed: int) -> str:
    """Return ``words`` words in sentences of 8 to 16, the same for the same seed."""
    rng = random.Random(seed)
    sentences = []
    while words > 0:
        n = min(words, rng.randint(8, 16))
        sentences.append(" ".join(rng.choice(WORDS) for _ in range(n)).capitalize() + ".")
        words -= n
    return " ".join(sentences)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of ``values`` lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def timed(work: Callable[[], object]) -> float:
    """Return how long ``work`` took, in milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def bench_window(runs: int) -> dict[str, float]:
    """Start the program ``runs`` times; a child prints when its window has been painted."""
    child = ROOT / "scripts" / "bench_window.py"
    values = []
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, "PYTHONPATH": str(ROOT)}
        for _ in range(runs + 1):
            began = time.time()
            done = subprocess.run(
                [sys.executable, str(child)], env=environment, capture_output=True, text=True, check=True
            )
            values.append((float(done.stdout.split()[-1]) - began) * 1000)
    # The first start fills the caches: "warm" is every start after it.
    return {"window_ms": statistics.median(values[1:]), "window_first_ms": values[0]}


def bench_save(folder: Path, saves: int) -> dict[str, float]:
    """Save a growing 500-word entry in a vault of 1,000 entries."""
    from journal_app.vault import vault as vaults

    made, _ = vaults.create(folder, PHRASE)
    with made:
        store = made.store()
        for n in range(1000):
            store.new_entry(text_of(200, n))
        entry = store.new_entry(text_of(500, -1))
        values = [timed(lambda n=n: store.save_text(entry.id, entry.text + " word" * n)) for n in range(1, saves + 1)]
        searches = [timed(lambda word=word: store.search(word)) for word in ("garden", "wo", "late early", "zebra") * 5]
    return {
        "save_p50_ms": quantile(values, 0.5),
        "save_p95_ms": quantile(values, 0.95),
        "search_1000_entries_p95_ms": quantile(searches, 0.95),
    }


def bench_unlock(folder: Path) -> dict[str, float]:
    """Unlock that vault: Argon2id at the calibrated cost."""
    from journal_app.vault import vault as vaults

    values = []
    for _ in range(3):
        began = time.perf_counter()
        opened = vaults.unlock(folder, PHRASE)
        values.append((time.perf_counter() - began) * 1000)
        opened.lock()
    return {"unlock_ms": statistics.median(values)}


def bench_analyze(runs: int) -> dict[str, float]:
    """Read 200-word entries with every task, with and without the evidence of sentences."""
    from journal_app.inference import catalog
    from journal_app.inference.llama import LlamaReader
    from journal_app.inference.process import ModelProcess

    texts = [text_of(200, 10_000 + n) for n in range(runs)]
    path = catalog.embedded_reader()
    figures = {}
    reader = LlamaReader(path)
    reader.read(texts[:2])
    figures["analyze_200_words_ms"] = statistics.median(
        timed(lambda t=t: reader.read([t], evidence=False)) for t in texts
    )
    figures["analyze_200_words_with_evidence_ms"] = statistics.median(
        timed(lambda t=t: reader.read([t])) for t in texts
    )
    reader.close()
    child = ModelProcess(path)
    figures["child_start_ms"] = timed(child.info)
    child.read(texts[:2])
    figures["analyze_200_words_in_child_ms"] = statistics.median(
        timed(lambda t=t: child.read([t], evidence=False)) for t in texts
    )
    child.close()
    return figures


def main() -> int:
    """Run every part, or those named; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="window type save analyze vault")
    only = parser.parse_args().only
    figures: dict[str, float] = {}
    goals = {"window_ms": 1500.0, "type_p99_ms": 16.0, "save_p95_ms": 20.0, "analyze_200_words_ms": 100.0}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "journal"
        if not only or "window" in only:
            figures |= bench_window(5)
        if not only or "save" in only:
            figures |= bench_save(folder, 300)
            figures |= bench_unlock(folder)
        if not only or "type" in only:
            from scripts.bench_typing import bench_typing

            figures |= bench_typing(Path(scratch) / "typing")
        if not only or "analyze" in only:
            figures |= bench_analyze(30)
        if not only or "vault" in only:
            from scripts.bench_vault import GOALS, bench_vault

            figures |= bench_vault(Path(scratch) / "vault")
            goals |= GOALS
    figures = {name: round(value, 2) for name, value in figures.items()}
    missed = [name for name, goal in goals.items() if name in figures and figures[name] > goal]
    rows = [(name, f"{value:,.1f}", f"<= {goals[name]:g}" if name in goals else "") for name, value in figures.items()]
    reports.write("bench", {**figures, "goals_missed": missed}, rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
