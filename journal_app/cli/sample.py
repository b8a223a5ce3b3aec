"""Do the whole job on the sample journal and leave the results where anybody can look at them.

Everything is real: an encrypted journal, the embedded model in its child process, charts, the
therapist summary and the numbers behind them. ``make run`` comes here where there is no display;
``quietpage sample`` does so anywhere.
"""

from __future__ import annotations

import datetime as dt
import queue
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from journal_app import assets
from journal_app.charts import catalog as charts
from journal_app.charts.style import ChartStyle
from journal_app.cli.tables import week_table
from journal_app.exchange import csv_data, files, html, pdf
from journal_app.inference import catalog as models
from journal_app.inference.process import ModelProcess
from journal_app.journal import reflection, sample, summary, trends
from journal_app.journal.analysis import AnalysisEvent, AnalysisService
from journal_app.vault import vault as vaults
from journal_app.vault.records import Store, VaultError
from journal_app.vault.vault import Vault

PASSPHRASE = "a quiet sample page"
"""Of the sample only: it protects nothing, and it is printed."""

_MARK = "sample"
_QUOTES = 3
_EXIT_PROBLEM = 1


def run(out: Path, today: dt.date | None = None) -> int:
    """Fill ``out`` and print the weeks; return an exit code. ``out`` is made anew if it is a sample's."""
    day = today or dt.date.today()
    try:
        vault = _fresh_journal(out)
    except (VaultError, OSError) as error:
        # An OSError's own words hold the path; its reason alone says what to do.
        reason = str(error) if isinstance(error, VaultError) else error.strerror
        print(f"The sample journal cannot be made: {reason}", file=sys.stderr)
        return _EXIT_PROBLEM
    with vault:
        store = vault.store()
        count = sample.fill(store, day)
        print(f"An encrypted journal of {count} entries (passphrase: {PASSPHRASE})")
        if not _read_everything(vault, store):
            return _EXIT_PROBLEM
        try:
            _write_results(store, out)
        except OSError as error:
            print(f"The results cannot be written: {error.strerror}. The sample journal is whole.", file=sys.stderr)
            return _EXIT_PROBLEM
    print(f"Look into {out}/: charts (PNG, SVG), csv, summary.pdf, summary.html")
    command = Path(sys.executable).with_name("quietpage")
    shown = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else "quietpage"
    print(f"Or on: {shown} --journal {out}/journal list")
    return 0


def _fresh_journal(out: Path) -> Vault:
    folder = out / "journal"
    if vaults.exists(folder):
        # Never remove a journal that is not the sample: it must open with the sample's passphrase and say so.
        with vaults.unlock(folder, PASSPHRASE) as old:
            if old.store().setting(_MARK) is not True:
                raise VaultError("There is a journal of somebody's own in that folder. It was not touched.")
        shutil.rmtree(folder)
    out.mkdir(parents=True, exist_ok=True)
    vault, _ = vaults.create(folder, PASSPHRASE)
    vault.store().set_setting(_MARK, True)
    return vault


def _read_everything(vault: Vault, store: Store) -> bool:
    """Let the analysis service read the whole queue; return False when the model failed."""
    model = models.embedded_model()
    reader = ModelProcess(model.path, sha256=model.sha256)
    events: queue.Queue[AnalysisEvent] = queue.Queue()
    library = reflection.Library.load(assets.path("reflections"))
    service = AnalysisService(vault.store, reader, events.put, library=library)
    waiting = store.pending_count()
    try:
        service.start()
        while (event := events.get(timeout=300)).kind != "idle":
            if event.kind in ("model_error", "vault_error"):
                print(f"Reading stopped: {event.message}", file=sys.stderr)
                return False
    except queue.Empty:
        print("Reading stopped: the model did not answer.", file=sys.stderr)
        return False
    finally:
        service.stop()
        reader.close()
    read = [row.analysis for row in store.days() if row.analysis is not None]
    seconds = sum(analysis.seconds for analysis in read)
    print(
        f"{len(read)} of {waiting} entries read by {read[0].model if read else 'nobody'} in {seconds:.1f} s of its time"
    )
    return bool(read)


def _write_results(store: Store, out: Path) -> None:
    rows = store.days()
    start, end = trends.span("all", rows[-1].local_date, rows)
    trend = trends.trend(rows, start, end)
    folder = out / "charts"
    folder.mkdir(exist_ok=True)
    files.write_all(folder, charts.render_all(trend, ChartStyle.light()))
    numbers = out / "csv"
    numbers.mkdir(exist_ok=True)
    csv_data.save_all(trend, numbers)
    value = summary.build(rows, _choices(store, start, end), made_on=dt.date.today().isoformat())
    pages = (("summary.pdf", pdf.summary(value)), ("summary.html", html.summary(value).encode("utf-8")))
    files.write_all(out, pages)
    print()
    print(week_table(trends.week_rows(trend)))
    print()
    print(charts.digest(trend))


def _choices(store: Store, start: str, end: str) -> summary.Choices:
    """Tick what a writer might: every mark, and a few sentences from the lowest and the best days."""
    offered = summary.suggest(store.entries(start=start, end=end), start, end)
    return summary.Choices(
        start,
        end,
        talk=offered.talk,
        worse=_one_a_day(offered.worse, lambda mood: mood <= 2),
        helped=_one_a_day(offered.helped, lambda mood: mood >= 4),
        estimates=True,
    )


def _one_a_day(quotes: Iterable[summary.Quote], wanted: Callable[[int], bool]) -> tuple[summary.Quote, ...]:
    """Return the longest sentence of each of the newest days whose own mood is ``wanted``."""
    best: dict[str, summary.Quote] = {}
    for quote in quotes:
        known = best.get(quote.date)
        if quote.mood is not None and wanted(quote.mood) and (known is None or len(quote.text) > len(known.text)):
            best[quote.date] = quote
    return tuple(best[date] for date in sorted(best)[-_QUOTES:])
