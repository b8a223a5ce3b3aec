"""``augment``: texts with a label, or pairs of a good and a flawed reply, written by a model that somebody named.

Each item is one question to the model: an expert's prompt, a description of what shall show (the recipe's or those of
``trainer.symptoms``), a place and a form. What comes back is kept only if it is whole, in the right language, free of
means of harm, and neither a copy nor a near copy of anything written before, prepared, or held out. Nothing of any
corpus is ever put into a question: pairs answer entries that a model wrote.

Every answer is on the disk before the next question is asked, so a run that was killed goes on where it was.
Writes ``augmented/texts-TASK.jsonl`` (``text``, ``label``) or ``augmented/pairs.jsonl`` (``input``, ``chosen``,
``rejected``), which a recipe takes as ``[[sources]]`` with ``kind = "file"``, and a report beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import random
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journal_app.contract.tasks import TASKS
from journal_app.journal.output_check import check_output
from journal_app.journal.safety import assess
from trainer import metrics
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.corpora.files import SPLITS, CorpusError, read_rows
from trainer.endpoint import Completion, EndpointError, FatalEndpointError, Writer, writer_from
from trainer.leaks import NearIndex, held_out
from trainer.progress import Progress, clock_text
from trainer.records import read_examples
from trainer.symptoms import EXPERT, FLAWS, FORMS, LANGUAGES, LISTENER, SETTINGS, SPOILER, Flaw, symptoms_of

FOLDER = "augmented"
MIN_WORDS, MAX_WORDS = 8, 400
"""Bounds of a text; in letters, three times as many, for scripts without spaces."""
OWN_SHINGLE, OWN_JACCARD = 3, 0.5
"""What models write repeats itself more than people do: among its own, a text counts as a near copy sooner."""
IN_A_ROW = 5
"""Questions without an answer after which a run stops instead of asking on."""
HOPELESS = 30
"""Questions for one label without a text that could be kept, after which a run stops."""
ROUNDS = 4
"""A run gives up after so many questions for each item that it was to add."""

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_PREAMBLE = re.compile(
    r"\A(?:sure|certainly|of course|okay|here(?:'s| is| are)|journal entry|entry|reply)\b[^\n]{0,120}:\s*\n+", re.I
)
_REFUSAL = re.compile(
    r"\b(?:as an ai\b|language model\b|i(?:'m| am) (?:sorry,? but|unable to)"
    r"|i (?:can(?:'|no)t|won't) (?:write|help|create|assist))",
    re.I,
)
_DISORDER = re.compile(
    r"\b(?:diagnos\w+|(?:major |clinical )depress\w+|depressive (?:episode|disorder)|symptoms? of|ptsd|bipolar"
    r"|ideation)\b",
    re.I,
)
_END = re.compile(r"[.!?。！？…]['\"”’)]*(?=\s|\Z)")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Bill:
    """Tokens asked and answered, and seconds waited."""

    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0

    def plus(self, other: Bill | Completion) -> Bill:
        """Return the sum."""
        return Bill(self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out, self.seconds + other.seconds)


class Rejected(Exception):
    """What the model wrote is not kept; ``reason`` holds nothing of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Lines:
    """JSON lines that survive a kill: each is on the disk before :meth:`append` returns, a torn last one is dropped."""

    def __init__(self, path: Path) -> None:
        """Read what is there; raise :class:`TrainerError` for a file that is no such file."""
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self.torn = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._read()
        try:
            self._file = path.open("ab")
        except OSError as error:
            raise TrainerError(f"{path} cannot be written: {error.strerror}") from None

    def _read(self) -> None:
        try:
            raw = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise TrainerError(f"{self.path} cannot be read: {error.strerror}") from None
        good = 0
        for number, line in enumerate(raw.splitlines(keepends=True), 1):
            row: Any = None
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                pass
            if not isinstance(row, dict):
                if good + len(line) < len(raw):
                    raise TrainerError(f"{self.path}, line {number}: not a line of this file; mend it or use --fresh")
                self.torn = True
                break
            self.rows.append(row)
            good += len(line)
        if self.torn:
            with self.path.open("r+b") as file:
                file.truncate(good)
                os.fsync(file.fileno())

    def append(self, row: Mapping[str, Any]) -> None:
        """Add ``row``; raise :class:`TrainerError` when the disk does not take it."""
        try:
            self._file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise TrainerError(
                f"{self.path} cannot be written: {error.strerror}; what was written before is kept"
            ) from None
        self.rows.append(dict(row))

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError:
            pass


def run(recipe: Recipe, paths: RunPaths, progress: Progress, options: argparse.Namespace) -> StageResult:
    """Write what is missing of the wanted number; raise :class:`TrainerError` in one line.

    ``options`` has ``pairs``, ``count``, ``endpoint``, ``model``, ``gguf`` and ``fresh``.
    """
    config = recipe.augment
    count = config.count if options.count is None else options.count
    if count < 1:
        raise TrainerError("--count: at least 1")
    writer = writer_from(options)
    try:
        if not writer.local:
            progress.say(
                f"augment: prompts written for this go to {writer.where} ({writer.name}); no text of any corpus does"
            )
        kind = _Pairs if options.pairs else _Texts
        work = kind(recipe, paths, writer, progress)
        return _written(work, recipe, paths, progress, count, fresh=bool(getattr(options, "fresh", False)))
    finally:
        writer.close()


class _Work(ABC):
    """What texts and pairs have in common: questions, checks, and the index of what is taken."""

    name = ""
    asks = 1

    def __init__(self, recipe: Recipe, paths: RunPaths, writer: Writer, progress: Progress) -> None:
        self.recipe, self.config, self.paths, self.writer = recipe, recipe.augment, paths, writer
        self.language = recipe.languages[0]
        self.own = NearIndex(OWN_SHINGLE, OWN_JACCARD)
        self.taken = NearIndex(recipe.data.near_shingle, recipe.data.near_jaccard)
        self.bill = Bill()
        for text in _known(paths):
            self.taken.add(text)
        progress.say(f"augment: {len(self.taken)} texts are held back: what is new must be no copy of one")

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return what decides the questions, so that a run is not gone on with under other ones."""

    @abstractmethod
    def group(self, kept: Counter[str]) -> str:
        """Return which label or flaw is the next one's."""

    @abstractmethod
    def groups(self) -> Sequence[str]:
        """Return all of them."""

    @abstractmethod
    def make(self, group: str, number: int) -> dict[str, Any]:
        """Return a row; raise :class:`Rejected` or ``EndpointError``."""

    @abstractmethod
    def remember(self, row: Mapping[str, Any]) -> None:
        """Take a row that is kept into the index of what is taken."""

    @abstractmethod
    def table(self, path: Path) -> str:
        """Return the ``[[sources]]`` table that reads the file."""

    def ask(self, system: str, question: str, seed: int) -> Completion:
        """Ask once; what it cost is on the bill whatever becomes of the answer."""
        made = self.writer.complete(
            [("system", system), ("user", question)],
            max_tokens=self.config.max_tokens,
            temperature=self.config.temperature,
            seed=seed,
        )
        self.bill = self.bill.plus(made)
        return made

    def entry(self, made: Completion) -> str:
        """Return the text of an answer that shall be an entry; raise :class:`Rejected`."""
        text = cleaned(made, self.language)
        if _DISORDER.search(text):
            raise Rejected("names a disorder")
        found = check_output(text, "", self.language, whole=False).reasons
        for reason in ("language", "method", "repeats", "broken", "broken_words", "contact"):
            if reason in found:
                raise Rejected(reason)
        if assess(text).level == "urgent":
            raise Rejected("speaks of a plan or means")
        self.new(text)
        return text

    def new(self, text: str) -> None:
        """Raise :class:`Rejected` for a copy or near copy."""
        for index, whose in ((self.taken, "a prepared or held-out text"), (self.own, "an earlier one")):
            if match := index.match(text):
                raise Rejected(f"{match} copy of {whose}")

    def said_in(self) -> str:
        """Return the words that ask for the language."""
        return "" if self.language == "en" else f" Write in {LANGUAGES.get(self.language, self.language)}."

    def number(self, number: int, what: str = "") -> int:
        """Return a seed for question ``number``, the same in every run of the recipe."""
        digest = hashlib.sha256(f"{self.recipe.seed}:augment:{self.name}:{number}:{what}".encode()).digest()
        return int.from_bytes(digest[:4], "little") >> 1


class _Texts(_Work):
    """Entries with a label of the contract."""

    def __init__(self, recipe: Recipe, paths: RunPaths, writer: Writer, progress: Progress) -> None:
        task = recipe.augment.task
        if task not in TASKS:
            raise TrainerError(f"augment.task: no such task in the contract: {task}")
        if recipe.augment.label and recipe.augment.label not in TASKS[task].labels:
            raise TrainerError(
                f"augment.label: {recipe.augment.label} is not a label of {task}: {', '.join(TASKS[task].labels)}"
            )
        if recipe.augment.symptoms and not recipe.augment.label and len(TASKS[task].labels) > 1:
            raise TrainerError("augment.symptoms describe one label: name it in augment.label")
        self.symptoms = _descriptions(recipe)
        if not self.symptoms:
            raise TrainerError(f"nothing is written here about {task}: set augment.label and augment.symptoms")
        self.name = f"texts-{task}"
        super().__init__(recipe, paths, writer, progress)

    def identity(self) -> dict[str, Any]:
        return {"task": self.config.task, "system": self.config.system or EXPERT, "symptoms": self.symptoms}

    def groups(self) -> Sequence[str]:
        return tuple(self.symptoms)

    def group(self, kept: Counter[str]) -> str:
        return min(self.symptoms, key=lambda label: kept[label])

    def make(self, group: str, number: int) -> dict[str, Any]:
        question, symptom = asked(self.symptoms[group], random.Random(self.number(number)))
        made = self.ask(self.config.system or EXPERT, question + self.said_in(), self.number(number, "answer"))
        return {"text": self.entry(made), "label": group, "task": self.config.task, "symptom": symptom}

    def remember(self, row: Mapping[str, Any]) -> None:
        self.own.add(str(row.get("text", "")))

    def table(self, path: Path) -> str:
        return _table(path, self.name, self.config.task, self.language, {"text": "text", "label": "label"})


class _Pairs(_Work):
    """A reply that may be shown, and one with a named flaw, to an entry that a model wrote."""

    name = "pairs"
    asks = 2

    def __init__(self, recipe: Recipe, paths: RunPaths, writer: Writer, progress: Progress) -> None:
        super().__init__(recipe, paths, writer, progress)
        self.symptoms = {label: texts for task in ("emotion", "stress", "depression") for label, texts in
                         ((f"{task}/{name}", found) for name, found in symptoms_of(task).items())}  # fmt: skip
        self.entries = sorted(_entries(paths))
        self.used: Counter[str] = Counter()
        self.flaws = {flaw.name: flaw for flaw in FLAWS}
        if self.entries:
            progress.say(
                f"augment: pairs answer the {len(self.entries)} entries in {FOLDER}/ that call for no help line"
            )

    def identity(self) -> dict[str, Any]:
        return {"system": self.config.system or LISTENER, "flaws": [dataclasses.asdict(flaw) for flaw in FLAWS]}

    def groups(self) -> Sequence[str]:
        return tuple(self.flaws)

    def group(self, kept: Counter[str]) -> str:
        return min(self.flaws, key=lambda name: kept[name])

    def make(self, group: str, number: int) -> dict[str, Any]:
        entry = self._entry(number)
        chosen = self._chosen(entry, number)
        rejected = self._rejected(entry, chosen, self.flaws[group], number)
        return {"input": entry, "chosen": chosen, "rejected": rejected, "flaw": group}

    def _entry(self, number: int) -> str:
        rng = random.Random(self.number(number))
        if self.entries:
            # The entry that was answered least often, so that all are used before one is used again.
            return min(rng.sample(self.entries, min(32, len(self.entries))), key=lambda text: self.used[text])
        question, _ = asked(self.symptoms[rng.choice(sorted(self.symptoms))], rng)
        text = self.entry(self.ask(EXPERT, question + self.said_in(), self.number(number, "entry")))
        if assess(text).level != "none":
            # To such an entry the app shows a reviewed text and never lets a model write.
            raise Rejected("entry: calls for a help line")
        return text

    def _chosen(self, entry: str, number: int) -> str:
        made = self.ask(self.config.system or LISTENER, entry + _wrap(self.said_in()), self.number(number, "chosen"))
        text = cleaned(made, self.language, shortest=1)
        found = check_output(text, entry, self.language)
        if not found.ok:
            raise Rejected(f"chosen: {found.reasons[0]}")
        if match := self.own.match(text):
            raise Rejected(f"chosen: {match} copy of an earlier one")
        return text

    def _rejected(self, entry: str, chosen: str, flaw: Flaw, number: int) -> str:
        question = f"The entry:\n\n{entry}\n\n{flaw.ask} Only the reply.{self.said_in()}"
        text = cleaned(self.ask(SPOILER, question, self.number(number, "rejected")), self.language, shortest=1)
        if "method" in check_output(text, "", self.language, whole=False).reasons or assess(text).level == "urgent":
            raise Rejected("rejected: method")
        same = NearIndex(OWN_SHINGLE, OWN_JACCARD)
        same.add(chosen)
        if same.match(text):
            raise Rejected("rejected: the same as the chosen one")
        return text

    def remember(self, row: Mapping[str, Any]) -> None:
        self.own.add(str(row.get("chosen", "")))
        self.used[str(row.get("input", ""))] += 1

    def table(self, path: Path) -> str:
        columns = {"input": "input", "chosen": "chosen", "rejected": "rejected"}
        return _table(path, "written_pairs", "preference", self.language, columns)


def asked(symptoms: Sequence[str], rng: random.Random) -> tuple[str, str]:
    """Return the question for one entry, and the description in it."""
    symptom = rng.choice(list(symptoms))
    return (
        f"Write one journal entry in the first person. What shows in it: {symptom}. Written {rng.choice(SETTINGS)}; "
        f"{rng.choice(FORMS)}. Show it through what happens; do not name it. Only the entry: no title, no date, no "
        "remark before or after.",
        symptom,
    )


def cleaned(made: Completion, language: str, *, shortest: int = MIN_WORDS) -> str:
    """Return an answer without what models put around one; raise :class:`Rejected` for what is no text."""
    text = _PREAMBLE.sub("", _THOUGHT.sub("", made.text).strip()).strip()
    text = re.sub(r"\A```\w*\n?|\n?```\Z", "", text).strip()
    if len(text) > 1 and text[0] in "\"“'‘" and text[-1] in "\"”'’" and text.count(text[0]) <= 2:
        text = text[1:-1].strip()
    if not text:
        raise Rejected("empty")
    if _REFUSAL.search(text[:200]):
        raise Rejected("refused")
    if made.cut:
        ends = [match.end() for match in _END.finditer(text)]
        if not ends:
            raise Rejected("cut off")
        text = text[: ends[-1]]
    spaced = language[:2] not in ("ko", "zh", "ja")
    size = len(text.split()) if spaced else len(_LETTER.findall(text)) / 3
    if size < shortest:
        raise Rejected("too short")
    if size > MAX_WORDS:
        raise Rejected("too long")
    return text


def cost(bill: Bill, price_in: float, price_out: float) -> float:
    """Return what ``bill`` costs, in the money of the prices, which are per million tokens."""
    return (bill.tokens_in * price_in + bill.tokens_out * price_out) / 1e6


def _descriptions(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    config = recipe.augment
    found = dict(symptoms_of(config.task))
    if config.symptoms:
        return {config.label or TASKS[config.task].labels[0]: config.symptoms}
    return {config.label: found[config.label]} if config.label in found else {} if config.label else found


def _known(paths: RunPaths) -> Iterator[str]:
    """Yield every text that what is written must not copy: prepared ones, and all that is held out."""
    for split in SPLITS:
        path = paths.prepared / f"instructions-{split}.jsonl.gz"
        if path.is_file():
            for example in read_examples(path):
                yield from filter(None, (example.input, example.output, example.chosen))
        path = paths.prepared / f"{split}.jsonl.gz"
        if path.is_file():
            yield from (row.text for row in read_rows(path))
    if paths.data is not None:
        try:
            yield from (text for _, text in held_out(paths.corpora()))
        except CorpusError as error:
            raise TrainerError(str(error)) from None


def _entries(paths: RunPaths) -> set[str]:
    """Return the entries that earlier runs wrote and that a reply may be written to."""
    found: set[str] = set()
    for path in sorted((paths.out / FOLDER).glob("texts-*.jsonl")):
        lines = Lines(path)
        lines.close()
        for row in lines.rows:
            text = str(row.get("text", ""))
            if text and (row.get("task"), row.get("label")) != ("suicidality", "yes") and assess(text).level == "none":
                found.add(text)
    return found


def _written(
    work: _Work, recipe: Recipe, paths: RunPaths, progress: Progress, count: int, *, fresh: bool
) -> StageResult:
    folder = paths.out / FOLDER
    target, refused = folder / f"{work.name}.jsonl", folder / f"{work.name}-rejected.jsonl"
    plan = folder / f"{work.name}-plan.json"
    if fresh:
        for path in (target, refused, plan):
            if path.exists():
                path.replace(path.with_name(path.name + ".before"))
    _same_plan(plan, work.identity(), target)
    kept, dropped = Lines(target), Lines(refused)
    if kept.torn or dropped.torn:
        progress.say("augment: the last line was torn by a stop; it is written again")
    try:
        for row in kept.rows:
            work.remember(row)
        stopped = _ask_on(work, kept, dropped, progress, count)
    finally:
        kept.close()
        dropped.close()
    bill = _billed([*kept.rows, *dropped.rows])
    report = _report(work, recipe, kept, dropped, bill, count, stopped)
    path = folder / f"{work.name}-report.json"
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    progress.say(f"augment: {len(kept.rows)} kept in {target}, {len(dropped.rows)} not; {_priced(work, bill)}")
    for reason, number in report["rejected"].items():
        progress.say(f"augment:   {number} x {reason}")
    if kept.rows:
        progress.say(f"augment: to train on it, add to the recipe:\n{work.table(target)}")
    if stopped:
        raise TrainerError(f"{stopped}; the {len(kept.rows)} that were kept are safe, the same command goes on")
    summary = {name: report[name] for name in ("kept", "rejected", "tokens_in", "tokens_out", "cost")}
    return StageResult((target, path), summary)


def _ask_on(work: _Work, kept: Lines, dropped: Lines, progress: Progress, count: int) -> str:
    """Ask until ``count`` rows are kept; return why it stopped before, or an empty string."""
    by_group = Counter(str(row.get("label", row.get("flaw", ""))) for row in kept.rows)
    tracker = progress.track("augment", count, "items", len(kept.rows))
    silent, begun = 0, len(kept.rows) + len(dropped.rows)
    most = begun + ROUNDS * (count - len(kept.rows)) + 10
    # What a question is depends on how many were asked before, so that a run that was killed asks the same ones.
    while len(kept.rows) < count:
        number = len(kept.rows) + len(dropped.rows)
        if number >= most:
            return f"only {len(kept.rows)} of {count} after {number} questions; the report says why the others were not"
        group = work.group(by_group)
        if _hopeless(group, kept, dropped, begun):
            return f"of {group!r} nothing was kept in {HOPELESS} questions; the report says why"
        work.bill = Bill()
        try:
            row = work.make(group, number)
        except Rejected as error:
            silent = 0
            dropped.append({"reason": error.reason, "wanted": group, "number": number, **_charged(work)})
            continue
        except FatalEndpointError as error:
            return str(error)
        except EndpointError as error:
            silent += 1
            dropped.append({"reason": "no answer", "wanted": group, "number": number, **_charged(work)})
            if silent >= IN_A_ROW:
                return f"{error} ({IN_A_ROW} times in a row)"
            continue
        silent = 0
        row |= {"model": work.writer.name, "number": number, **_charged(work)}
        kept.append(row)
        work.remember(row)
        by_group[group] += 1
        bill = _billed([*kept.rows, *dropped.rows])
        tracker.update(len(kept.rows), f"{len(dropped.rows)} rejected, {_priced(work, bill)}")
    return ""


def _hopeless(group: str, kept: Lines, dropped: Lines, begun: int) -> bool:
    own = (int(row["number"]) for row in kept.rows if row.get("label", row.get("flaw")) == group)
    last = max(begun - 1, *own, -1)
    return sum(row.get("wanted") == group and int(row["number"]) > last for row in dropped.rows) >= HOPELESS


def _charged(work: _Work) -> dict[str, Any]:
    bill = work.bill
    return {"tokens_in": bill.tokens_in, "tokens_out": bill.tokens_out, "seconds": round(bill.seconds, 3)}


def _billed(rows: Sequence[Mapping[str, Any]]) -> Bill:
    return Bill(
        sum(int(row.get("tokens_in", 0)) for row in rows),
        sum(int(row.get("tokens_out", 0)) for row in rows),
        sum(float(row.get("seconds", 0.0)) for row in rows),
    )


def _priced(work: _Work, bill: Bill) -> str:
    config = work.config
    told = f"{bill.tokens_in:,} + {bill.tokens_out:,} tokens, {clock_text(bill.seconds)} of waiting"
    if config.price_in or config.price_out:
        told += f", cost {cost(bill, config.price_in, config.price_out):.4f}"
    return told


def _same_plan(path: Path, identity: dict[str, Any], target: Path) -> None:
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    try:
        before = json.loads(path.read_text(encoding="utf-8")).get("sha256") if path.exists() else None
    except (OSError, ValueError, AttributeError):
        before = None
    if before is not None and before != digest and target.exists():
        raise TrainerError(f"{target} was begun with other prompts or symptoms; --fresh puts it aside and begins anew")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"sha256": digest, "plan": identity}, indent=1, ensure_ascii=False), encoding="utf-8")


def _report(
    work: _Work, recipe: Recipe, kept: Lines, dropped: Lines, bill: Bill, count: int, stopped: str
) -> dict[str, Any]:
    config = work.config
    made_by = Counter(str(row.get("model", "")) for row in kept.rows)
    weights = getattr(work.writer, "path", None)
    return {
        "file": kept.path.name,
        "wanted": count,
        "kept": len(kept.rows),
        "by_group": dict(Counter(str(row.get("label", row.get("flaw", ""))) for row in kept.rows)),
        "rejected": dict(Counter(str(row.get("reason", "")) for row in dropped.rows).most_common()),
        "stopped": stopped,
        "models": dict(made_by),
        "where": work.writer.where,
        "local": work.writer.local,
        "tokens_in": bill.tokens_in,
        "tokens_out": bill.tokens_out,
        "seconds": round(bill.seconds, 1),
        "price_per_million_in": config.price_in,
        "price_per_million_out": config.price_out,
        "cost": round(cost(bill, config.price_in, config.price_out), 6),
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        "language": work.language,
        "near_own": f"Jaccard >= {OWN_JACCARD} of sets of {OWN_SHINGLE} words",
        **getattr(metrics, "provenance", lambda **_: {})(data=[kept.path], model=weights, seed=recipe.seed),
    }


def _table(path: Path, name: str, task: str, language: str, columns: Mapping[str, str]) -> str:
    mapping = ", ".join(f'{ours} = "{theirs}"' for ours, theirs in columns.items())
    return (
        f'[[sources]]\nname = "{name}"\nkind = "file"\npath = "{path.as_posix()}"\ntask = "{task}"\n'
        f'map = {{ {mapping} }}\nvalid = 0.0\ntest = 0.0\nlicence = "written by a model"\nlanguage = "{language}"'
    )


def _wrap(text: str) -> str:
    return f"\n\n({text.strip()})" if text else ""
