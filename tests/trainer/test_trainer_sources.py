"""Sources: corpora by name, files and data sets of one's own, and what is told when something is wrong with them."""

from __future__ import annotations

import csv
import gzip
import json
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from journal_app.contract import mappings
from journal_app.contract.tasks import FEELINGS, TASKS, THEMES
from tests.support import reader_ground
from trainer import sources, tables
from trainer.config import RunPaths, TrainerError
from trainer.corpora import KNOWN, CorpusError
from trainer.corpora.corpus import Corpus, Record, Skipped
from trainer.corpora.known import task_labels
from trainer.records import Example
from trainer.sections import Source

pytestmark = pytest.mark.torch

_NAMES = """
    emotion goemotions goemotions_ko isear kote empathetic_personas dreaddit depseverity sdcnl depression_reddit sad
    stress_weak cognitive_distortion esconv annomi counselchat epitome positive_frames pair_reflections chatbot_ko
    empathetic_dialogues dailydialog imhi_explain blog_prose chat_en prose_en prose_ko
"""
IN_THE_FOLDER = set(_NAMES.split())
NOT_AT_HAND = {
    "studemo",
    "amod",
    "empathetic_dialogues_ko",
    "empathetic_dialogues_full",
    "kote_full",
    "practice_ko",
    "papers",
}
LINES = (
    "The bus came late and I read in the rain.",
    "We cooked soup with the neighbours in the evening.",
    "My bicycle is broken and the shop is closed.",
    "I waited at the station with cold hands.",
    "A quiet Sunday with the radio on.",
    "The letter from the office did not come.",
)


def load(path: Path, tmp_path: Path, **values: Any) -> sources.Loaded:
    values = {"name": "mine", "kind": "file", "path": str(path), "task": "stress", **values}
    return sources.load(Source(**values), RunPaths(tmp_path / "run"), 0)


def write_csv(path: Path, rows: Iterable[Iterable[str]], mark: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=mark).writerows(rows)
    return path


def moods(count: int = 30) -> list[list[str]]:
    return [["entry", "mood"], *([f"{LINES[i % 6]} Day {i}.", "tense" if i % 2 else "easy"] for i in range(count))]


MOODS: dict[str, Any] = {"map": {"text": "entry", "label": "mood"}, "labels": {"tense": "yes", "easy": "no"}}


def everything(loaded: sources.Loaded) -> list[Example]:
    return [example for split in ("train", "valid", "test") for example in loaded.examples[split]]


@pytest.mark.parametrize(("ending", "mark"), [("csv", ","), ("csv", ";"), ("tsv", "\t"), ("csv", "\t")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_are_read_with_any_separator_and_mark(ending: str, mark: str, encoding: str, tmp_path: Path) -> None:
    loaded = load(write_csv(tmp_path / f"my.{ending}", moods(), mark, encoding), tmp_path, **MOODS)
    found = everything(loaded)
    assert len(found) == 30
    assert {(e.input[-3:].strip(" ."), e.label, e.output) for e in found} == {
        (str(i), ("no", "yes")[i % 2], ("no", "yes")[i % 2]) for i in range(30)
    }
    assert loaded.cut == ("test", "valid")
    assert min(len(rows) for rows in loaded.examples.values()) >= 1


@pytest.mark.parametrize("ending", ["json", "jsonl", "jsonl.gz", "wrapped.json"])
def test_json_is_read_in_every_usual_form(ending: str, tmp_path: Path) -> None:
    rows = [{"q": line, "a": f"I see, {i}."} for i, line in enumerate(LINES)]
    path = tmp_path / f"my.{ending}"
    if ending == "wrapped.json":
        path.write_text(json.dumps({"version": 1, "data": rows}))
    elif ending == "json":
        path.write_text(json.dumps(rows, indent=1))
    else:
        raw = "\n".join(map(json.dumps, rows)).encode()
        path.write_bytes(gzip.compress(raw) if ending.endswith("gz") else raw)
    loaded = load(path, tmp_path, task="reply", map={"input": "q", "output": "a"})
    assert {(e.input, e.output) for e in everything(loaded)} == {(r["q"], r["a"]) for r in rows}
    assert all(e.task == "reply" and e.source == "mine" for e in everything(loaded))


def test_a_line_break_in_quotes_is_one_row_and_later_lines_keep_their_number(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text('text,label\n"two\nlines",yes\n"again\ntwo",maybe\n')
    with pytest.raises(TrainerError, match=r"my\.csv, line 4, column 'label': the label 'maybe'"):
        load(path, tmp_path)


BAD: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
    "wrong column": (
        "a.csv",
        b"entry,label\nx y,yes\n",
        {"map": {"text": "entri"}},
        r"a\.csv, line 2: no column 'entri' \(map of text\) \(did you mean entry\?\); it has: entry, label",
    ),
    "no column": (
        "a.csv",
        b"entry,label\nx y,yes\n",
        {},
        r"needs the field text: map = \{ text = \"\.\.\.\" \} \(columns there: entry, label\)",
    ),
    "wrong label": (
        "a.csv",
        b"text,label\nx y,yes\nz w,perhaps\n",
        {},
        r"a\.csv, line 3, column 'label': the label 'perhaps' is not in the labels of stress: yes, no",
    ),
    "label of texts": (
        "a.csv",
        b"text,label\nx y,A secret long line about somebody\n",
        {},
        r"line 2, column 'label': a label of 33 characters is not in",
    ),
    "label not in the table": (
        "a.csv",
        b"text,label\nx y,high\n",
        {"labels": {"low": "no"}},
        r"'high' is not in sources\.labels: low",
    ),
    "encoding": (
        "a.csv",
        "text,label\nx y,yes\n안녕,no\n".encode("cp949"),
        {},
        r"a\.csv, line 3: not UTF-8 \(byte 0xbe\); save it again as UTF-8",
    ),
    "utf-16": (
        "a.csv",
        "text,label\nx y,yes\n".encode("utf-16"),
        {},
        r"a\.csv: it is written in UTF-16; save it again as UTF-8",
    ),
    "binary": ("a.csv", b"text,label\nx y,yes\n\x00\x01\x02", {}, r"a\.csv, line 3: not a text file"),
    "empty": ("a.csv", b"", {}, r"a\.csv: the file is empty"),
    "blank": ("a.jsonl", b"\n  \n", {}, r"a\.jsonl: the file is empty"),
    "columns only": ("a.csv", b"text,label\n", {}, r"a\.csv: there is a line of columns, but no row under it"),
    "short row": ("a.csv", b"text,label\nx y,yes\nz\n", {}, r"a\.csv, line 3: 1 columns, but the first line names 2"),
    "open quote": ("a.csv", b'text,label\nx y,yes\n"z,no\n', {}, r"a\.csv, line 3: not a well-formed table"),
    "column twice": ("a.csv", b"text,text\nx,y\n", {}, r"a\.csv, line 1: two columns are called 'text'"),
    "column without a name": ("a.csv", b"text,\nx,y\n", {}, r"a\.csv, line 1: column 2 has no name"),
    "huge line": (
        "a.jsonl",
        b'{"text": "x", "label": "yes"}\n{"text": "' + b"x" * 2_000_001 + b'"}\n',
        {},
        r"a\.jsonl, line 2: longer than 2,000,000 characters",
    ),
    "not JSON": (
        "a.jsonl",
        b'{"text": "x", "label": "yes"}\n{"text": "a secret\n',
        {},
        r"a\.jsonl, line 2, column 10: not valid JSON",
    ),
    "JSON of a list": ("a.jsonl", b"[1]\n", {}, r"a\.jsonl, line 1: not a JSON object"),
    "lines called JSON": (
        "a.json",
        b'{"text": "x"}\n{"text": "y"}\n',
        {},
        r"a\.json, line 2, column 1: .*call it \.jsonl",
    ),
    "items": ("a.json", b'[{"text": "x", "label": "yes"}, 5]', {}, r"a\.json, item 2: not a JSON object"),
    "field lost": (
        "a.jsonl",
        b'{"text": "x y", "label": "yes"}\n{"body": "z", "label": "no"}\n',
        {},
        r"line 2: no field 'text' \(map of text\)",
    ),
    "no text": (
        "a.jsonl",
        b'{"text": ["x"], "label": "yes"}\n',
        {},
        r"line 1, column 'text': a text was expected, not list",
    ),
    "several labels": (
        "a.jsonl",
        b'{"text": "x y", "label": ["yes", "no"]}\n',
        {},
        r"line 1, column 'label': several labels, but stress takes one",
    ),
    "cut gzip": (
        "a.jsonl.gz",
        gzip.compress(b'{"text": "x y", "label": "yes"}\n' * 40)[:-12],
        {},
        r"cannot be read \(EOFError\)",
    ),
    "kind": ("a.xlsx", b"PK", {}, r"a\.xlsx: its name must end in \.csv"),
    "all placeholders": (
        "a.csv",
        b"text,label\n...,yes\n",
        {},
        r"sources\.mine: nothing in it can be used \(train: nothing is written: 1\)",
    ),
    "field": (
        "a.csv",
        b"text,label\nx,yes\n",
        {"map": {"txet": "text"}},
        r"map: no such field: txet \(did you mean text\?\)",
    ),
    "our label": (
        "a.csv",
        b"text,label\nx,hi\n",
        {"labels": {"hi": "maybe"}},
        r"labels: hi = 'maybe' is not a label of stress",
    ),
    "task": ("a.csv", b"text,label\nx,hi\n", {"task": "emotoin"}, r"no such task: emotoin \(did you mean emotion\?\)"),
    "splits of a file": (
        "a.csv",
        b"text,label\nx,yes\n",
        {"splits": {"train": "a"}},
        r"splits needs path to be a folder",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_mistakes_are_told_in_one_line_with_their_place(case: str, tmp_path: Path) -> None:
    name, raw, values, message = BAD[case]
    path = tmp_path / name
    path.write_bytes(raw)
    with pytest.raises(TrainerError) as told:
        load(path, tmp_path, **values)
    assert re.search(message, str(told.value)), str(told.value)
    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value)


def test_a_missing_file_and_an_unknown_corpus_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"sources\.mine: no file .*gone\.csv"):
        load(tmp_path / "gone.csv", tmp_path)
    with pytest.raises(TrainerError, match=r"no such corpus \(did you mean goemotions\?\)"):
        sources.load(Source("goemotion"), RunPaths(tmp_path, tmp_path), 0)
    with pytest.raises(TrainerError, match=r"sources\.esconv: it does not serve the task stress; it has: reply"):
        sources.load(Source("esconv", task="stress"), RunPaths(tmp_path, tmp_path), 0)


def test_labels_left_out_by_the_recipe_are_counted(tmp_path: Path) -> None:
    values = {**MOODS, "labels": {"tense": "yes", "easy": ""}}
    loaded = load(write_csv(tmp_path / "my.csv", moods()), tmp_path, **values)
    assert {e.label for e in everything(loaded)} == {"yes"}
    assert loaded.skipped == {"train: its label is left out by the recipe": 15}


def test_several_labels_of_a_text_are_read_from_a_list_or_a_string(tmp_path: Path) -> None:
    path = tmp_path / "my.jsonl"
    rows = [{"text": LINES[0], "label": "joy; pride"}, {"text": LINES[1], "label": ["calm", "joy"]}]
    path.write_text("\n".join(map(json.dumps, [*rows, {"text": LINES[2], "label": ""}])))
    found = {e.input: e for e in everything(load(path, tmp_path, task="feelings"))}
    assert found[LINES[0]].labels == ("joy", "pride")
    assert found[LINES[1]].output == "calm, joy"
    assert found[LINES[2]].labels == ()
    assert found[LINES[2]].output == "none"


def test_a_task_of_ones_own_takes_its_labels_from_the_table(tmp_path: Path) -> None:
    values = {**MOODS, "task": "pace", "labels": {"tense": "fast", "easy": "slow"}}
    loaded = load(write_csv(tmp_path / "my.csv", moods()), tmp_path, **values)
    assert {(e.task, e.label, e.output) for e in everything(loaded)} == {
        ("pace", "fast", "fast"),
        ("pace", "slow", "slow"),
    }


def test_rows_of_a_group_and_of_a_text_stay_in_one_split(tmp_path: Path) -> None:
    rows = [["text", "label", "group"]]
    for i in range(60):
        # Every third row repeats the text of its neighbour under another name of a group.
        rows.append([f"{LINES[i % 6]} Week {i // 3 * 3 if i % 3 < 2 else i}.", "yes", f"author {i // 2}"])
    loaded = load(write_csv(tmp_path / "my.csv", rows), tmp_path, valid=0.2, test=0.2)
    assert all(len(loaded.examples[split]) >= 6 for split in ("train", "valid", "test"))
    for key in ("group", "input"):
        kept = [{getattr(e, key) for e in loaded.examples[split]} for split in ("train", "valid", "test")]
        assert not kept[0] & kept[1]
        assert not kept[0] & kept[2]
        assert not kept[1] & kept[2]
    again = load(tmp_path / "my.csv", tmp_path, valid=0.2, test=0.2)
    assert again == loaded
    other = sources.load(
        Source("mine", "file", str(tmp_path / "my.csv"), task="stress", valid=0.2, test=0.2), RunPaths(tmp_path), 1
    )
    assert other.examples["test"] != loaded.examples["test"]


def test_one_file_read_as_text_and_with_summaries_is_cut_alike(tmp_path: Path) -> None:
    path = tmp_path / "papers.jsonl"
    rows = [
        {"text": f"{line} {LINES[i - 1]} Part {n}.", "summary": f"S{n}{i}"}
        for n in range(5)
        for i, line in enumerate(LINES)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    one = load(path, tmp_path, task="summary", map={"input": "text", "output": "summary"})
    other = load(path, tmp_path, task="text")
    for split in ("train", "valid", "test"):
        assert {e.group for e in one.examples[split]} == {e.group for e in other.examples[split]} != set()
    known = sources.load(Source("papers", "file", str(path), task="text"), RunPaths(tmp_path), 0)
    assert {e.group for e in known.examples["test"]} == {e.group for e in other.examples["test"]}


def test_limit_takes_whole_groups_of_train_only(tmp_path: Path) -> None:
    rows = [{"input": f"{LINES[i % 6]} {i // 4}", "output": f"Answer {i}", "group": i // 4} for i in range(400)]
    path = tmp_path / "my.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    full, few = load(path, tmp_path, task="reply"), load(path, tmp_path, task="reply", limit=40)
    assert len(few.examples["train"]) == 40
    assert len({e.group for e in few.examples["train"]}) == 10
    assert few.examples["test"] == full.examples["test"]
    assert set(few.examples["train"]) <= set(full.examples["train"])


def test_alpaca_files_without_an_input_ask_with_their_instruction(tmp_path: Path) -> None:
    path = tmp_path / "alpaca.jsonl"
    path.write_text(json.dumps({"instruction": "Say it gently.", "input": "", "output": "Softly, then."}) + "\n")
    (example,) = load(path, tmp_path, task="reply").examples["train"]
    assert (example.instruction, example.input, example.output) == ("", "Say it gently.", "Softly, then.")


def test_a_folder_of_files_gives_its_own_splits(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name, count in (("train", 12), ("dev", 4), ("test", 5)):
        write_csv(folder / f"{name}.csv", moods(count))
    loaded = load(folder, tmp_path, **MOODS)
    assert [len(loaded.examples[split]) for split in ("train", "valid", "test")] == [12, 4, 5]
    assert loaded.cut == ()
    named = load(folder, tmp_path, **MOODS, splits={"train": "dev.csv", "test": "test"})
    assert len(named.examples["test"]) == 5
    with pytest.raises(TrainerError, match="no file other in"):
        load(folder, tmp_path, **MOODS, splits={"train": "other"})


# -- the Hub's library, on a folder ------------------------------------------------------------------------


def test_a_data_set_in_a_folder_is_read_by_the_hubs_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "set"
    folder.mkdir()
    write_csv(folder / "train.csv", moods(20))
    write_csv(folder / "test.csv", moods(6))
    tried = forbid_connections(monkeypatch)
    loaded = load(folder, tmp_path, kind="hub", **MOODS)
    assert len(loaded.examples["train"]) + len(loaded.examples["valid"]) == 20
    assert len(loaded.examples["test"]) == 6
    assert loaded.cut == ("valid",)
    assert not datasets.config.HF_HUB_OFFLINE
    with pytest.raises(TrainerError, match="has no split dev; it has: train, test"):
        load(folder, tmp_path, kind="hub", **MOODS, splits={"train": "train", "valid": "dev"})
    with pytest.raises(TrainerError, match=r"set \(train\), row 1: no column 'x'"):
        load(folder, tmp_path, kind="hub", **{**MOODS, "map": {"text": "x", "label": "mood"}})
    (tmp_path / "nothing").mkdir()
    with pytest.raises(TrainerError, match=r"holds no data set that can be read"):
        load(tmp_path / "nothing", tmp_path, kind="hub", **MOODS)
    assert tried == []


def test_numbers_of_class_labels_become_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    names = ["sadness", "joy", "love", "anger", "fear", "surprise"]
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=names))
    rows = {"text": [f"{line} {i}" for i in range(6) for line in LINES], "label": [i for i in range(6) for _ in LINES]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "train.parquet"))
    # A corpus that is known needs no mapping: its own tables apply.
    loaded = sources.load(Source("emotion", "hub", str(tmp_path), valid=0.2), RunPaths(tmp_path / "run"), 0)
    assert {e.label for e in everything(loaded)} == set(names)
    assert {e.input: e.label for e in everything(loaded)}[f"{LINES[0]} 1"] == "joy"


def test_what_was_fetched_before_is_read_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "set"
    folder.mkdir()
    write_csv(folder / "train.csv", moods(20))
    datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    # The library's own cache, as it lies after the set someone/set was fetched from the Hub.
    (tmp_path / "cache" / "set").rename(tmp_path / "cache" / "someone___set")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    tried = forbid_connections(monkeypatch)
    loaded = sources.load(Source("mine", "hub", "someone/set", task="stress", **MOODS), RunPaths(tmp_path / "run"), 0)
    assert len(everything(loaded)) == 20
    assert tried == []


def test_nothing_is_fetched_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    tried = forbid_connections(monkeypatch)
    with pytest.raises(
        TrainerError, match=r"sources\.amod: Amod/.* is not in the cache of this computer; add --download"
    ):
        sources.load(Source("amod", "hub"), RunPaths(tmp_path / "run"), 0)
    with pytest.raises(TrainerError, match=r'kind = "hub" needs a path'):
        sources.load(Source("mine", "hub", task="stress"), RunPaths(tmp_path / "run"), 0)
    assert tried == []


def forbid_connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuse every connection and return the list of those that are tried from now on."""
    tried: list[str] = []

    def refuse(*arguments: Any, **_: Any) -> None:
        tried.append(str(arguments[-2:]))
        raise OSError("refused")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tried


# -- the corpora -----------------------------------------------------------------------------------------------


def test_every_corpus_is_a_file_and_says_what_it_is() -> None:
    folder = Path(sources.__file__).parent / "corpora"
    assert {name for name, corpus in KNOWN.items() if corpus.measured} == IN_THE_FOLDER
    assert {name for name, corpus in KNOWN.items() if not corpus.measured} == NOT_AT_HAND
    for name, corpus in KNOWN.items():
        told = (folder / f"{name}.py").read_text(encoding="utf-8")
        assert f'name="{name}"' in told
        assert corpus.measured != ("Not measured" in told), name
        assert all((corpus.about, corpus.licence, corpus.paper, corpus.splits, corpus.tasks)), name
        assert set(corpus.tables) == {task for task in corpus.tasks if task not in sources.FREE}, name
        for task, table in corpus.tables.items():
            if isinstance(table, mappings.FeelingMap):
                assert task == "feelings"
            elif isinstance(table, mappings.ThemeMap):
                assert task == "themes"
            else:
                assert task == name or task in TASKS or task in ("goemotions", "kote", "empathetic_dialogues")
                assert task not in TASKS or set(table.values()) <= set(TASKS[task].labels)
                assert not any(label.startswith(" ") for label in corpus.labels(task))


@pytest.mark.parametrize("name", [*mappings.FURTHER_FEELING_MAPS, *mappings.THEME_MAPS])
def test_further_mapping_tables_name_only_labels_of_the_contract(name: str) -> None:
    table = {**mappings.FURTHER_FEELING_MAPS, **mappings.THEME_MAPS}[name]
    known = set(FEELINGS if isinstance(table, mappings.FeelingMap) else THEMES)
    assert set(table.unsure) <= set(table.positive)
    for label in table.positive:
        truth = table.truth((label,))
        assert set(truth.positives) == set(table.positive[label]) <= known
        assert set(truth.negatives) <= known
        assert not set(truth.negatives) & {*truth.positives, *table.unsure.get(label, ())}
    with pytest.raises(KeyError):
        table.truth(("bliss",))


def test_the_readers_own_recipe_is_not_given_further_sets() -> None:
    assert set(mappings.FEELING_MAPS) == {
        "goemotions",
        "isear",
        "emotion",
        "empathetic_personas",
        "empathetic_dialogues",
    }


def test_labels_of_a_sets_own_task_are_found_by_its_name() -> None:
    assert len(task_labels("kote")) == 44
    assert task_labels("kote")[0] == "불평/불만"
    assert len(task_labels("goemotions")) == 28
    assert task_labels("sad")[0] == "work"
    assert task_labels("feelings") == FEELINGS
    assert task_labels("nonsense") == ()


MADE: dict[str, tuple[list[dict[str, Any]], list[tuple[Any, ...]]]] = {
    "amod": (
        [
            {"Context": LINES[0], "Response": "That sounds cold."},
            {"Context": LINES[0], "Response": "Which book was it?"},
            {"Context": LINES[1], "Response": ""},
        ],
        [(LINES[0], "That sounds cold."), (LINES[0], "Which book was it?")],
    ),
    "kote_full": (
        [{"ID": "1", "text": LINES[0], "labels": "5,27"}, {"text": LINES[1], "labels": [42]}],
        [(LINES[0], "sad, tired"), (LINES[1], "joy")],
    ),
    "studemo": (
        [
            {
                "text_id": 1,
                "text": LINES[0],
                **dict.fromkeys(("joy", "trust", "anticipation", "surprise"), 0),
                "fear": 2,
                "sadness": 1,
                "disgust": 0,
                "anger": 0,
            },
            {
                "text_id": 1,
                "text": LINES[0],
                **dict.fromkeys(("joy", "trust", "anticipation", "surprise"), 0),
                "fear": 1,
                "sadness": 0,
                "disgust": 0,
                "anger": 0,
            },
            {
                "text_id": 2,
                "text": LINES[1],
                **dict.fromkeys(
                    ("joy", "trust", "anticipation", "surprise", "fear", "sadness", "disgust", "anger"), "0"
                ),
            },
        ],
        [(LINES[0], "worried"), (LINES[1], "none")],
    ),
    "empathetic_dialogues_full": (
        [
            {
                "conv_id": "c:1",
                "utterance_idx": "2",
                "context": "sad",
                "speaker_idx": "7",
                "utterance": "Oh_comma_ no.",
            },
            {"conv_id": "c:1", "utterance_idx": "1", "context": "sad", "speaker_idx": "3", "utterance": LINES[3]},
            {"conv_id": "c:2", "utterance_idx": "1", "context": "proud", "speaker_idx": "3", "utterance": LINES[4]},
            {"conv_id": "c:2", "utterance_idx": "2", "context": "proud", "speaker_idx": "9", "utterance": "Well done."},
        ],
        [(LINES[3], "Oh, no."), (LINES[4], "Well done.")],
    ),
    "empathetic_dialogues_ko": (
        [
            {
                "dialogue_id": 1,
                "emotion": "lonely",
                "situation": "",
                "dialogue": [
                    {"utter_idx": 0, "utter": "오늘은 혼자 있었어요.", "user_id": 4},
                    {"utter_idx": 1, "utter": "심심하셨겠어요.", "user_id": 9},
                    {"utter_idx": 2, "utter": "네, 조금요.", "user_id": 4},
                    {"utter_idx": 3, "utter": "내일은 어때요?", "user_id": 9},
                ],
            },
        ],
        [("오늘은 혼자 있었어요.", "심심하셨겠어요."), ("네, 조금요.", "내일은 어때요?")],
    ),
    "practice_ko": (
        [
            {"Q": "잠이 안 와요.", "A": "걱정이 있으신가요?", "label": 0},
            {"instruction": "따뜻하게 답하세요.", "input": "비가 와요.", "output": "우산 챙기셨어요?"},
        ],
        [("잠이 안 와요.", "걱정이 있으신가요?"), ("따뜻하게 답하세요.\n비가 와요.", "우산 챙기셨어요?")],
    ),
    "papers": (
        [{"text": f"{LINES[0]} {LINES[1]}", "summary": "Rain and soup."}],
        [(f"{LINES[0]} {LINES[1]}", "Rain and soup.")],
    ),
}


def read(corpus: Corpus, rows: list[dict[str, Any]], task: str = "") -> list[Example | Skipped]:
    return list(corpus.examples((Record(f"row {i}", row) for i, row in enumerate(rows, 1)), task))


@pytest.mark.parametrize("name", sorted(NOT_AT_HAND))
def test_sets_that_are_not_at_hand_are_read_as_published(name: str, tmp_path: Path) -> None:
    rows, expected = MADE[name]
    corpus = KNOWN[name]
    found = [item for item in read(corpus, rows) if isinstance(item, Example)]
    assert [(e.input, e.output) for e in found] == expected
    assert all((e.source, e.lang, e.task) == (name, corpus.language, corpus.tasks[0]) for e in found)
    # The same through a recipe: a file of that name, without a mapping.
    path = tmp_path / "published.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    loaded = sources.load(Source(name, "file", str(path)), RunPaths(tmp_path), 0)
    assert sorted((e.input, e.output) for e in everything(loaded)) == sorted(expected)


def test_a_conversation_is_learned_turn_by_turn() -> None:
    turns = [
        ("assistant", "Hello."),
        ("user", "a"),
        ("user", "b"),
        ("assistant", "c"),
        ("assistant", "d"),
        ("user", "e"),
    ]
    turns += [("assistant", "f"), ("user", "g")]
    record = {"turns": [{"role": role, "text": text} for role, text in turns]}
    first, second = read(KNOWN["esconv"], [record])
    assert isinstance(first, Example)
    assert isinstance(second, Example)
    assert (first.turns, first.input, first.output) == ((("assistant", "Hello."),), "a\nb", "c\nd")
    assert second.turns == (("assistant", "Hello."), ("user", "a\nb"), ("assistant", "c\nd"))
    assert (second.input, second.output, second.group) == ("e", "f", first.group)
    alone = {"turns": [{"role": "user", "text": "a"}]}
    assert read(KNOWN["esconv"], [alone]) == [Skipped("nobody answers in it")]


def test_what_is_not_to_be_imitated_is_left_out() -> None:
    turns = [{"role": "user", "text": "a"}, {"role": "assistant", "text": "b"}]
    low, high = ({"quality": quality, "turns": turns} for quality in ("low", "high"))
    assert [type(item) for item in read(KNOWN["annomi"], [low, high])] == [Skipped, Example]
    rated = {"prompt": "p", "response": "r", "emotional_reaction": 1, "interpretation": 1, "exploration": 0}
    assert [type(item) for item in read(KNOWN["epitome"], [rated, {**rated, "exploration": 2}])] == [Skipped, Example]
    pair = {"prompt": "p", "response": "good", "rejected": ["bad", "good", "bad", "worse"]}
    made = [e for e in read(KNOWN["pair_reflections"], [pair], "preference") if isinstance(e, Example)]
    assert [(e.chosen, e.rejected) for e in made] == [("good", "bad"), ("good", "worse")]


def test_a_post_is_taken_out_of_the_question_that_quotes_it() -> None:
    asked = {"prompt": f'Consider this post: "{LINES[2]} He said "no"." Question: Is it late?', "response": "Yes. Why."}
    (example,) = read(KNOWN["imhi_explain"], [asked])
    assert isinstance(example, Example)
    assert (example.input, example.instruction) == (f'{LINES[2]} He said "no".', "Is it late?")
    assert (example.part, example.output) == ("written", "Yes. Why.")


def test_long_running_text_is_cut_at_sentences_without_losing_a_word() -> None:
    text = " ".join(f"{LINES[i % 6]} Number {i}." for i in range(200))
    found = [e for e in read(KNOWN["blog_prose"], [{"text": text}]) if isinstance(e, Example)]
    assert len(found) > 3
    assert len({e.group for e in found}) == 1
    assert all(len(e.input) + len(e.output) <= 2100 for e in found)
    assert " ".join(f"{e.input} {e.output}" for e in found).split() == text.split()


@pytest.mark.parametrize(
    ("name", "record", "message"),
    [
        ("isear", {"text": "x", "label": "bliss"}, "the label 'bliss' is not in the set's table"),
        ("esconv", {"turns": [{"role": "host", "text": "x"}]}, "a turn whose 'role' is neither 'user' nor 'assistant'"),
        ("esconv", {"turns": []}, "no field 'turns' with a list"),
        ("counselchat", {"prompt": "x"}, "no field 'response' with a string"),
        ("epitome", {"prompt": "x", "response": "y"}, "no level in one of"),
        ("pair_reflections", {"prompt": "x", "response": "y", "rejected": "z"}, "no field 'rejected' with a list"),
        ("kote_full", {"text": "x", "labels": "44"}, "the label 44 is not in the set's table"),
        ("studemo", {"text": "x", "joy": "much"}, "no number in the column 'joy'"),
        ("amod", {"Context": 5}, "no field 'Context' with a string"),
    ],
)
def test_malformed_records_name_their_place(name: str, record: dict[str, Any], message: str) -> None:
    task = "preference" if name == "pair_reflections" else ""
    with pytest.raises(CorpusError, match=re.escape(f"row 1: {message}")):
        read(KNOWN[name], [record], task)


def test_weak_labels_are_trained_on_and_never_judged_by(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        rows = [{"text": f"{line} {split}", "label": "stress"} for line in LINES]
        reader_ground.write(tmp_path / "stress_weak" / f"{split}.jsonl.gz", rows)
    loaded = sources.load(Source("stress_weak"), RunPaths(tmp_path, tmp_path), 0)
    assert [len(loaded.examples[split]) for split in ("train", "valid", "test")] == [6, 0, 0]
    assert loaded.skipped["test: weak labels are not judged by"] == 6


@pytest.mark.corpora
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(IN_THE_FOLDER))
def test_every_set_of_the_data_folder_has_the_rows_of_its_index(name: str, corpora: Path) -> None:
    (line,) = [
        row
        for row in (corpora / "INDEX.md").read_text("utf-8").splitlines()
        if re.match(rf"\| {name} \|.*\| \d+ / ", row)
    ]
    counts = re.search(r"\| (\d+) / (\d+) / (\d+)", line)
    assert counts is not None
    corpus = KNOWN[name]
    for split, count in zip(("train", "valid", "test"), map(int, counts.groups()), strict=True):
        if not count:
            assert not (corpora / name / f"{split}.jsonl.gz").exists()
            continue
        records = list(corpus.records(corpora, split))
        assert len(records) == count
        for task in corpus.tasks:
            made = list(corpus.examples(records, task))
            examples = [item for item in made if isinstance(item, Example)]
            assert {e.lang for e in examples} == {corpus.language}
            assert all(e.input or e.output for e in examples)
            if not corpus.dialogue or task != "reply":
                # One for a record, but for pairs (each worse reply) and long prose (its pieces).
                assert len(made) >= count if task in ("preference", "text") else len(made) == count
            skipped = len(made) - len(examples)
            assert skipped <= (0.5 if name == "epitome" else 0.3 if name == "annomi" else 0.001) * count


def test_a_huge_table_is_read_row_by_row(tmp_path: Path) -> None:
    # The largest field that fits: the csv module's own limit is far lower.
    path = write_csv(tmp_path / "my.csv", [["text", "label"], ["x" * 1_500_000, "yes"]])
    (record,) = tables.read_table(path)
    assert len(record.values["text"]) == 1_500_000
