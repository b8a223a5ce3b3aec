"""The commands that work on a journal: add, list, show, search, insights, export, verify."""

from __future__ import annotations

import argparse
import datetime as dt
import locale
import queue
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import platformdirs

from journal_app import assets
from journal_app.cli import session
from journal_app.cli.output import EXIT_DAMAGED, EXIT_OK, Output
from journal_app.cli.session import Services, UsageError
from journal_app.cli.tables import table, week_table
from journal_app.contract.tasks import CRISIS_LEVELS, FEELINGS, CrisisLevel
from journal_app.exchange import entries as exchange
from journal_app.exchange import files
from journal_app.inference import catalog
from journal_app.inference.engine import ModelError
from journal_app.inference.text import words as text_words
from journal_app.journal import reflection, safety, summary, trends, wording
from journal_app.journal.analysis import AnalysisEvent, AnalysisService
from journal_app.vault.records import DamagedVault, DayRow, Entry, IntegrityReport, Mood, SearchFilter, Store

if TYPE_CHECKING:
    from journal_app.vault.vault import Vault

READING_LIMIT_S = 300
ID_SHOWN = 8
FIRST_LINE = 60


# add --------------------------------------------------------------------------------------


def add(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Store an entry, then let the model read it."""
    mood = _mood(options)
    # The passphrase may be the first line of standard input, so it is taken before the text; and the
    # text before anything is made, so that no journal is left behind whose recovery code was not shown.
    secret, is_new = session.secret_for(options, services, create=options.create)
    text = _entry_text(options, mood)
    vault, code = session.open_or_make(options, services, secret, out, is_new=is_new)
    with vault:
        told: dict[str, Any] = {"entry": None, "analysed": False}
        if code is not None:
            told["recovery_code"] = code
            if not options.json:
                out.say("A new journal was made. Its recovery code is shown this once; keep it where only you find it:")
                out.say(f"\n    {code}\n")
                out.flush()
        try:
            problem, level = _store(vault, text, mood, options, services, told)
        finally:
            if options.json and (told["entry"] is not None or code is not None):
                out.json(told)
        if not options.json:
            _say_saved(told, out)
        if problem:
            out.note(f"The entry is saved. It was not read yet: {problem}")
        _offer_help(text, level, out)
    return EXIT_OK


def _store(
    vault: Vault, text: str, mood: Mood | None, options: argparse.Namespace, services: Services, told: dict[str, Any]
) -> tuple[str, CrisisLevel]:
    """Store the entry and fill in ``told``; return why it was not read (or "") and its help level."""
    store = vault.store()
    entry = store.new_entry(
        text, local_date=options.date, local_time=options.time, mood=mood, tags=tuple(options.tag or ())
    )
    if options.for_therapist:
        entry = store.set_flags(entry.id, for_therapist=True)
    told["entry"] = exchange.as_dict(entry)
    problem = "" if options.no_analyze else _read(vault, entry, services)
    analysis = store.analysis(entry.id)
    told["entry"] = exchange.as_dict(entry, analysis)
    told["analysed"] = analysis is not None
    return problem, cast("CrisisLevel", analysis.crisis_level) if analysis is not None else "none"


def _say_saved(told: dict[str, Any], out: Output) -> None:
    entry, estimate = told["entry"], told["entry"]["estimate"]
    out.say(f"Saved: {entry['date']} {entry['time'][:5]}, {text_words(entry['text'])} words ({entry['id'][:ID_SHOWN]})")
    if estimate is not None and estimate["readable"]:
        feelings = ", ".join(wording.feeling_word(name) for name in estimate["feelings"]) or "nothing sure enough"
        out.say(
            f"Estimated: {feelings}; stress {wording.level_word(estimate['stress_band'])}, "
            f"low-mood signs {wording.level_word(estimate['low_mood_band'])}"
        )


def _entry_text(options: argparse.Namespace, mood: Mood | None) -> str:
    text = session.read_text(options.file)
    # The shell ends what is piped in with one line break that nobody typed.
    text = text[:-1] if options.file is None and text.endswith("\n") else text
    if not text.strip() and mood is None:
        raise UsageError("There is no text to store.")
    return text


def _mood(options: argparse.Namespace) -> Mood | None:
    if options.mood is None:
        if options.energy is not None:
            raise UsageError("--energy belongs to --mood.")
        return None
    return Mood(options.mood, options.energy)


def _read(vault: Vault, entry: Entry, services: Services) -> str:
    """Let the analysis service read what waits until ``entry`` is done; return what went wrong, or ""."""
    if not entry.text.strip():
        return ""
    try:
        reader = services.open_reader(None, None)
    except ModelError as error:
        return str(error)
    events: queue.Queue[AnalysisEvent] = queue.Queue()
    library = reflection.Library.load(assets.path("reflections"))
    service = AnalysisService(vault.store, reader, events.put, library=library, typing_pause_s=0.0)
    try:
        service.start()
        while True:
            event = events.get(timeout=READING_LIMIT_S)
            if event.kind in ("model_error", "vault_error"):
                return event.message
            if event.kind == "idle" or event.entry_id == entry.id:
                return ""
    except queue.Empty:
        return "the model did not answer"
    finally:
        service.stop()
        reader.close()


def _offer_help(text: str, level: CrisisLevel, out: Output) -> None:
    """Say what was noticed and who can be called; on standard error, so that pipes do not swallow it.

    ``level`` is the stored one; the rules speak also when no model has read the entry.
    """
    crisis = safety.assess(text)
    highest = max(crisis.level, level, key=CRISIS_LEVELS.index)
    if highest == "none":
        return
    crisis = replace(crisis, level=highest)
    out.note("\n" + safety.notice(crisis))
    if highest in ("clear", "urgent"):
        out.note(safety.crisis_text(highest, "en", crisis.topics))
    lines = safety.lines_for(_country(), crisis.topics, dt.date.today())
    if not lines:
        out.note(safety.no_line_text("en"))
    for shown in lines:
        notes = " ".join(safety.note_text(code, "en") for code in shown.notes)
        out.note(f"  {shown.line.name}: {shown.line.number}  {shown.line.hours}  {notes}".rstrip())


def _country() -> str:
    settings = Path(platformdirs.user_config_dir("quiet-page", appauthor=False)) / "settings.toml"
    try:
        chosen = tomllib.loads(settings.read_text("utf-8")).get("country", "")
    except (OSError, ValueError):
        chosen = ""
    if isinstance(chosen, str) and chosen:
        return chosen
    name = locale.getlocale()[0] or ""
    return name.partition("_")[2][:2]


# list, show, search -----------------------------------------------------------------------


def list_entries(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Print entries, newest first."""
    with session.unlock(options, services, out) as vault:
        store = vault.store()
        wanted = store.entries(
            start=options.start,
            end=options.end,
            deleted=options.bin,
            limit=None if options.tag else options.limit,
        )
        if options.tag:
            wanted = [e for e in wanted if set(options.tag) <= set(e.tags)][: options.limit]
        if options.json:
            out.json([exchange.as_dict(e, store.analysis(e.id), store.corrections(e.id)) for e in wanted])
            return EXIT_OK
        if not wanted:
            out.note("No entries.")
        for entry in wanted:
            out.say(_line(entry))
    return EXIT_OK


def show(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Print one entry (by the beginning of its id) or all of a day."""
    with session.unlock(options, services, out) as vault:
        store = vault.store()
        found = _find(store, options.which)
        if options.json:
            values = [
                exchange.as_dict(
                    e,
                    store.analysis(e.id),
                    store.corrections(e.id),
                    store.revisions(e.id) if options.revisions else (),
                )
                for e in found
            ]
            out.json(values if _is_date(options.which) else values[0])
            return EXIT_OK
        for i, entry in enumerate(found):
            if i:
                out.say("\n" + "-" * 20 + "\n")
            _tell(store, entry, options, out)
    return EXIT_OK


def _find(store: Store, which: str) -> list[Entry]:
    if _is_date(which):
        found = store.entries(start=which, end=which)[::-1]
    elif which == "last":
        found = store.entries(limit=1)
    else:
        exact = store.entry(which)
        found = [exact] if exact else [e for e in store.entries() if e.id.startswith(which.lower())]
        if len(found) > 1:
            raise UsageError("More than one entry begins with that id; give more of it.")
    if not found or not which:
        raise UsageError("There is no such entry.")
    return found


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _tell(store: Store, entry: Entry, options: argparse.Namespace, out: Output) -> None:
    head = f"{entry.local_date} {entry.local_time[:5]}  ({entry.id[:ID_SHOWN]})"
    if entry.mood is not None:
        head += f"  own mood: {wording.mood_word(entry.mood.valence)}"
        if entry.mood.energy is not None:
            head += f", energy {entry.mood.energy} of 5"
    if entry.for_therapist:
        head += "  [for my therapist]"
    if entry.deleted_utc is not None:
        head += "  [in the bin]"
    out.say(head)
    if entry.tags:
        out.say("tags: " + ", ".join(entry.tags))
    out.say()
    out.say(entry.text)
    analysis = store.analysis(entry.id)
    if analysis is not None and analysis.readable:
        removed = {c.label for c in store.corrections(entry.id) if c.task == "feelings" and c.verdict == "remove"}
        feelings = ", ".join(wording.feeling_word(name) for name in analysis.feelings if name not in removed)
        out.say(
            f"\nEstimated by {analysis.model} (it may be wrong): {feelings or 'nothing sure enough'}; "
            f"stress {wording.level_word(analysis.stress_band)}, "
            f"low-mood signs {wording.level_word(analysis.low_mood_band)}"
        )
    if options.revisions:
        for version in store.revisions(entry.id)[1:]:
            out.say(f"\n--- version {version.revision}, saved {version.saved_utc}\n{version.text}")


def search(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Print the entries that contain every term and pass every filter, newest first."""
    query = " ".join(options.query)
    only = _filter(options)
    if not query and only is None:
        raise UsageError("Give a term to search for, or a filter (see: quietpage search --help).")
    with session.unlock(options, services, out) as vault:
        if query == "-":
            query = session.read_text(None).strip("\r\n")
        hits = vault.store().search(query, limit=options.limit, only=only)
        if options.json:
            out.json(
                [
                    {"id": h.entry_id, "date": h.local_date, "snippet": h.snippet, "spans": [list(s) for s in h.spans]}
                    for h in hits
                ]
            )
            return EXIT_OK
        if not hits:
            out.note("Nothing found.")
        for hit in hits:
            out.say(f"{hit.local_date}  {hit.entry_id[:ID_SHOWN]}  {' '.join(hit.snippet.split())}".rstrip())
    return EXIT_OK


def _filter(options: argparse.Namespace) -> SearchFilter | None:
    """Return what narrows a search, or None without any filter."""
    feeling = ""
    if options.feeling is not None:
        # By the name in exports or by the word that is shown for it.
        known = {name: name for name in FEELINGS} | {wording.feeling_word(name).casefold(): name for name in FEELINGS}
        feeling = known.get(options.feeling.strip().casefold(), "")
        if not feeling:
            raise UsageError(f"There is no such feeling here. Known: {', '.join(FEELINGS)}.")
    made = SearchFilter(
        start=options.start or "",
        end=options.end or "",
        tags=tuple(options.tag or ()),
        feeling=feeling,
        valence=options.mood,
        has_image=options.with_image,
        for_therapist=options.for_therapist,
    )
    return None if made == SearchFilter() else made


def _line(entry: Entry) -> str:
    first = next((line.strip() for line in entry.text.splitlines() if line.strip()), "")
    first = first[:FIRST_LINE] + ("…" if len(first) > FIRST_LINE else "")
    mood = f"mood {entry.mood.valence}" if entry.mood is not None else "      "
    mark = "*" if entry.for_therapist else " "
    return f"{entry.local_date} {entry.local_time[:5]}  {entry.id[:ID_SHOWN]} {mark} {mood}  {first}".rstrip()


# insights ---------------------------------------------------------------------------------


def insights(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Print the journal week by week: what the writer said, and apart from it what was estimated."""
    with session.unlock(options, services, out) as vault:
        rows = vault.store().days(start=options.start, end=options.end)
        waiting = vault.store().pending_count()
    if not rows:
        if options.json:
            out.json({"start": options.start, "end": options.end, "entries": 0, "weeks": []})
        else:
            out.note("No entries in that time.")
        return EXIT_OK
    start, end = _period(options, rows)
    trend = trends.trend(rows, start, end)
    weeks = trends.week_rows(trend)
    if options.json:
        out.json(
            {
                "start": start,
                "end": end,
                "entries": trend.entries,
                "days_written": trend.days_written,
                "entries_read": trend.read,
                "models": list(trend.models),
                "weeks": [_week(week) for week in weeks],
            }
        )
        return EXIT_OK
    out.say(week_table(weeks))
    for sentence in wording.digest(trend):
        out.say(sentence)
    if waiting:
        out.note(f"{waiting} entries have not been read by the model yet; they are when the window is open.")
    return EXIT_OK


def _period(options: argparse.Namespace, rows: Iterable[DayRow]) -> tuple[str, str]:
    dates = [row.local_date for row in rows]
    return options.start or min(dates), options.end or max(dates)


def _week(week: trends.WeekRow) -> dict[str, Any]:
    return {
        "start": week.start,
        "end": week.end,
        "entries": week.entries,
        "words": week.words,
        "days_without": week.days_without,
        "own_mood": week.mood,
        "own_mood_n": week.mood_n,
        "estimated_feelings": list(week.feelings),
        "estimated_stress": _signal(week.stress),
        "estimated_low_mood": _signal(week.low_mood),
    }


def _signal(signal: trends.Signal) -> dict[str, Any]:
    days = {level: signal.count(level) for level in ("quiet", "some", "many", "unsure")}
    return {"days": days, "score": signal.score, "entries": signal.n, "own_levels": list(signal.own)}


# export -----------------------------------------------------------------------------------


def export(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Write entries, the data behind the charts, or the therapist summary, in the clear."""
    kind: str = {"pdf": "summary-pdf", "html": "summary-html"}.get(options.format, str(options.format))
    target: Path | None = None if options.out == "-" else Path(options.out)
    if target is None and kind in ("markdown", "csv", "summary-pdf"):
        raise UsageError("This format needs --out with a file or a folder.")
    with session.unlock(options, services, out) as vault:
        store = vault.store()
        if kind == "json":
            written = [_write(target, _json(store, options), options, out)]
        elif kind == "markdown" and target is not None:
            written = _markdown(store, target, options)
        else:
            written = _charts_or_summary(store, kind, target, options, out)
    paths = [path for path in written if path is not None]
    if paths:
        out.note(f"{len(paths)} file(s) written. They are not encrypted: keep them where only you read them.")
    return EXIT_OK


def _json(store: Store, options: argparse.Namespace) -> bytes:
    wanted = store.entries(start=options.start, end=options.end)[::-1]
    pieces = exchange.to_json(
        wanted,
        {e.id: store.analysis(e.id) for e in wanted},
        {e.id: store.corrections(e.id) for e in wanted},
        exported_utc=dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    )
    return "".join(pieces).encode("utf-8")


def _markdown(store: Store, target: Path, options: argparse.Namespace) -> list[Path | None]:
    wanted = store.entries(start=options.start, end=options.end)[::-1]
    if target.suffix == ".md":
        text = "\n\n".join(exchange.to_markdown(entry) for entry in wanted)
        return [_write(target, exchange.encode(text), options, None)]
    _make_folder(target)
    pages = ((exchange.markdown_name(entry), exchange.encode(exchange.to_markdown(entry))) for entry in wanted)
    with _exporting():
        return list(files.write_all(target, pages, replace=options.force))


def _charts_or_summary(
    store: Store, kind: str, target: Path | None, options: argparse.Namespace, out: Output
) -> list[Path | None]:
    # Late: these draw, and matplotlib takes a second to load.
    from journal_app.exchange import csv_data, html, pdf

    rows = store.days()
    inside = [r for r in rows if (options.start or "") <= r.local_date <= (options.end or "9999-99-99")]
    if not inside:
        raise UsageError("There are no entries in that time, so there is nothing to export.")
    start, end = _period(options, inside)
    if kind == "csv" and target is not None:
        trend = trends.trend(inside, start, end)
        if target.suffix == ".csv":
            return [_write(target, csv_data.days(trend), options, None)]
        _make_folder(target)
        with _exporting():
            return list(csv_data.save_all(trend, target, replace=options.force))
    offered = summary.suggest(store.entries(start=start, end=end), start, end)
    choices = summary.Choices(
        start, end, talk=offered.talk, estimates=options.estimates, hide=tuple(options.hide or ())
    )
    value = summary.build(rows, choices, made_on=dt.date.today().isoformat())
    data = pdf.summary(value) if kind == "summary-pdf" else html.summary(value).encode("utf-8")
    return [_write(target, data, options, out)]


class ExportError(Exception):
    """An export could not be written; the journal is as it was."""


@contextmanager
def _exporting() -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise UsageError("A file of that name exists; it was not touched. Use --force to replace it.") from None
    except OSError as error:
        raise ExportError(f"The export cannot be written: {error.strerror}. The journal is safe.") from None


def _make_folder(folder: Path) -> None:
    with _exporting():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _write(target: Path | None, data: bytes, options: argparse.Namespace, out: Output | None) -> Path | None:
    """Write a private file whole or not at all; an existing one stays unless ``--force``."""
    if target is None:
        if out is not None:
            out.bytes(data)
        return None
    with _exporting():
        files.write(target, data, replace=options.force)
    return target


# verify, model ----------------------------------------------------------------------------


def verify(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Check the whole journal; the exit code tells whether it is sound."""
    from journal_app.cli import safekeeping

    secret, _ = session.secret_for(options, services)
    try:
        with session.opened(options, secret, out) as vault:
            report = vault.store().verify()
            bad = () if report.ok else safekeeping.damaged_pages(vault)
    except DamagedVault as error:
        # Too damaged to open: its pages can be told good from bad all the same, if its keys are whole.
        report, bad = safekeeping.damage_report(session.folder_of(options), secret, str(error))
    if options.json:
        out.json(
            {
                "ok": report.ok,
                "entries": report.entries,
                "revisions": report.revisions,
                "problems": list(report.problems),
                "pages_damaged": list(bad),
            }
        )
    else:
        _say_verified(report, out)
    return EXIT_OK if report.ok else EXIT_DAMAGED


def _say_verified(report: IntegrityReport, out: Output) -> None:
    if report.ok:
        out.say(f"Sound: {report.entries} entries, {report.revisions} versions; every page, text and index checked.")
        return
    out.say("Something is wrong. Keep the journal's folder as it is:")
    for problem in report.problems:
        out.say(f"- {problem}")
    out.say(
        "`quietpage restore` puts the newest good backup in its place and keeps what lies there now; "
        "`quietpage rescue --to FOLDER` makes a new journal of all that can be read."
    )


def list_models(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Print the models on this computer."""
    found = catalog.installed(session.models_folder())
    if options.json:
        out.json(
            [
                {
                    "name": m.name,
                    "file": m.path.name,
                    "kind": m.kind,
                    "bytes": m.bytes,
                    "sha256": m.sha256,
                    "licence": m.licence,
                    "embedded": m.embedded,
                }
                for m in found
            ]
        )
    elif not found:
        out.note("There is no model here; the journal works without one.")
    else:
        rows = [
            (
                m.name,
                m.kind or "?",
                f"{m.bytes / 1e6:.1f} MB",
                m.licence or "?",
                "comes with the app" if m.embedded else "",
            )
            for m in found
        ]
        out.say(table(("name", "kind", "size", "licence", ""), rows, right=(2,)))
    return EXIT_OK


def sample(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Do the whole job on the sample journal."""
    from journal_app.cli import sample as work

    return work.run(Path(options.out))
