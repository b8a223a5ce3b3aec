"""Corpora: what is read, what is refused with file and line, and what never reaches a train set."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

from journal_app.contract import mappings
from journal_app.contract.tasks import FEELINGS, TASKS
from tests.support import reader_ground
from trainer import cli, prepare
from trainer.config import RunPaths, load_recipe
from trainer.corpora import CorpusError, feelings, neutral, prose, published
from trainer.corpora.files import Row, is_placeholder, read_rows, write_rows
from trainer.progress import Progress

pytestmark = pytest.mark.torch


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return reader_ground.write_corpora(tmp_path / "data")


@pytest.fixture
def arguments(tmp_path: Path, data: Path) -> list[str]:
    recipe = reader_ground.write_recipe(tmp_path / "tiny.toml", tmp_path / "base")
    return ["--recipe", str(recipe), "--data", str(data), "--out", str(tmp_path / "run")]


def add(path: Path, *records: dict[str, object]) -> None:
    with gzip.open(path, "at", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record) + "\n")


def prepared(arguments: list[str], split: str = "train") -> list[Row]:
    assert cli.main(["prepare", *arguments]) == 0
    return read_rows(Path(arguments[-1]) / "prepared" / f"{split}.jsonl.gz")


def failure(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert cli.main(["prepare", *arguments]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("quietpage-train: ")
    return told


def test_a_missing_corpus_is_named(data: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (data / "sdcnl" / "valid.jsonl.gz").unlink()
    told = failure(arguments, capsys)
    assert "the corpus sdcnl is missing" in told
    assert "valid.jsonl.gz" in told


def test_a_missing_folder_is_named(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUIETPAGE_DATA", raising=False)
    assert "does not exist" in failure([*arguments, "--data", str(tmp_path / "nowhere")], capsys)
    assert "--data DIR or in QUIETPAGE_DATA" in failure([*arguments[:2], *arguments[4:]], capsys)


def test_bad_json_is_told_with_its_line(data: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path = data / "emotion" / "train.jsonl.gz"
    with gzip.open(path, "at", encoding="utf-8") as file:
        file.write('{"text": "a private word", "label": \n')
    told = failure(arguments, capsys)
    assert f"{path}, line 145: not valid JSON" in told
    assert "private" not in told


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "x", "label": "bliss"}, "the label 'bliss' is not in the set's table"),
        ({"text": "x"}, "no field 'label' or 'labels'"),
        ({"label": "joy"}, "no field 'text' with a string"),
        ({"text": 5, "label": "joy"}, "no field 'text' with a string"),
    ],
)
def test_a_malformed_row_is_told_with_its_line(
    record: dict[str, object], message: str, data: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    add(data / "emotion" / "valid.jsonl.gz", record)
    told = failure(arguments, capsys)
    assert "valid.jsonl.gz, line 49: " in told
    assert message in told


def test_a_list_instead_of_an_object_is_refused(
    data: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    reader_ground.write(data / "isear" / "test.jsonl.gz", [])
    with gzip.open(data / "isear" / "test.jsonl.gz", "wt") as file:
        file.write("[1, 2]\n")
    assert "test.jsonl.gz, line 1: not a JSON object" in failure(arguments, capsys)


def test_a_file_that_was_cut_short_is_told(
    data: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = data / "goemotions" / "train.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-40])
    assert "cannot be read (EOFError)" in failure(arguments, capsys)
    path.write_bytes(b"not gzip at all")
    assert "cannot be read (BadGzipFile)" in failure(arguments, capsys)


def test_a_dialogue_without_turns_is_told(data: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    reader_ground.write(data / "dailydialog" / "train.jsonl.gz", [{"turns": [{"role": "user"}]}])
    assert "train.jsonl.gz, line 1: a turn without 'role' or 'text'" in failure(arguments, capsys)


def test_no_held_out_text_of_any_set_is_trained_on(data: Path, arguments: list[str]) -> None:
    secret = "The ferry was late again and nobody on the pier seemed to mind it at all this morning"
    add(data / "isear" / "test.jsonl.gz", {"text": secret, "label": "joy"})
    # Another set's train has it: once as it is, once with other marks and case, once with a word more.
    add(data / "emotion" / "train.jsonl.gz", {"text": secret, "label": "joy"})
    add(data / "goemotions" / "train.jsonl.gz", {"text": secret.upper() + "!!", "labels": ["joy"]})
    add(data / "sdcnl" / "train.jsonl.gz", {"text": secret + " though", "label": "depression"})
    texts = {prepare.normalise(row.text) for row in prepared(arguments)}
    assert not any("ferry was late" in text for text in texts)
    report = json.loads((Path(arguments[-1]) / "prepared" / "report.json").read_text())
    assert report["dropped"]["train"]["emotion: exact copy of a held-out text"] >= 1
    assert report["dropped"]["train"]["sdcnl: near copy of a held-out text"] == 1


def test_a_set_that_is_not_trained_on_is_held_out_too(data: Path, arguments: list[str]) -> None:
    text = "My neighbour plays the cello at four and I have come to like it very much indeed"
    reader_ground.write(data / "other_set" / "test.jsonl.gz", [{"prompt": text, "response": "I see."}])
    add(data / "emotion" / "train.jsonl.gz", {"text": text, "label": "joy"})
    assert text not in {row.text for row in prepared(arguments)}


def test_valid_rows_that_are_in_a_test_are_dropped(data: Path, arguments: list[str]) -> None:
    text = "The same line stands in two files"
    add(data / "isear" / "test.jsonl.gz", {"text": text, "label": "joy"})
    add(data / "emotion" / "valid.jsonl.gz", {"text": text, "label": "joy"})
    assert text not in {row.text for row in prepared(arguments, "valid")}


def test_extra_files_and_placeholders_are_left_out(data: Path, arguments: list[str]) -> None:
    reader_ground.write(data / "dreaddit" / "extra.jsonl.gz", [{"text": "An extra row.", "label": "stress"}])
    add(data / "sdcnl" / "train.jsonl.gz", *({"text": t, "label": "depression"} for t in ("emptypost", "...", "")))
    texts = {row.text for row in prepared(arguments)}
    assert not texts & {"An extra row.", "emptypost", "...", ""}


def test_repeats_inside_train_are_dropped_once(data: Path, arguments: list[str]) -> None:
    text = "Twice the very same sentence about a bus"
    add(data / "dreaddit" / "train.jsonl.gz", *({"text": text, "label": label} for label in ("stress", "no_stress")))
    rows = [row for row in prepared(arguments) if row.text == text and row.task == "stress"]
    assert [row.label for row in rows] == ["yes"]


def test_screening_tasks_get_neutral_negatives_without_words_of_distress(data: Path, arguments: list[str]) -> None:
    posts = [{"text": f"{i} days of rain and I keep crying about the deadline at night."} for i in range(500)]
    add(data / "blog_prose" / "train.jsonl.gz", *posts)
    rows = [row for row in prepared(arguments) if row.part == "neutral"]
    assert {row.task for row in rows} == {"stress", "depression", "severity", "suicidality"}
    assert {row.label for row in rows} == {"no", "minimum"}
    for row in rows:
        assert not neutral.RISK.search(row.text)
        if row.task != "suicidality":
            assert not neutral.DISTRESS.search(row.text)


def test_thresholds_are_set_on_unfiltered_held_out_writing(data: Path, arguments: list[str]) -> None:
    post = "I keep crying and I wish I were dead, I wrote in the kitchen."
    held = [{"text": post}, {"text": "A quiet day with soup."}]
    reader_ground.write(data / "blog_prose" / "valid.jsonl.gz", held)
    prepared(arguments)
    rows = read_rows(Path(arguments[-1]) / "prepared" / "diary-valid.jsonl.gz")
    assert post in {row.text for row in rows}


def test_preparing_twice_gives_the_same_bytes(data: Path, arguments: list[str], tmp_path: Path) -> None:
    recipe = load_recipe(Path(arguments[1]))
    made = []
    for name in ("one", "two"):
        result = prepare.run(recipe, RunPaths(tmp_path / name, data), Progress(log=tmp_path / "log"))
        made.append([path.read_bytes() for path in result.outputs])
    assert made[0] == made[1]


def test_weak_labels_need_the_writer_to_say_it_of_themself(tmp_path: Path) -> None:
    said = [
        "I am so tired of nothing but I was really exhausted after the move.",
        "We met in town and I felt completely lonely on the way home.",
        "By evening I was calm, and the soup was good for once.",
    ]
    unsaid = ["She said that he was tired and wanted to go home.", "I was not tired at all when the guests had left."]
    reader_ground.write(
        tmp_path / "blog_prose" / "train.jsonl.gz",
        [{"text": text} for text in [*said, *unsaid]],
    )
    rows = [row for row in feelings.weak(tmp_path, "train", 0, 10) if row.positives]
    assert {(row.text, row.positives) for row in rows} == {
        (said[0], ("tiredness",)),
        (said[1], ("loneliness",)),
        (said[2], ("calm",)),
    }


@pytest.mark.parametrize("name", mappings.FEELING_MAPS)
def test_mapping_tables_name_only_feelings_of_the_contract(name: str) -> None:
    table = mappings.FEELING_MAPS[name]
    assert set(table.knows) <= set(FEELINGS)
    assert set(table.unsure) <= set(table.positive)
    for label in table.positive:
        truth = table.truth((label,))
        assert set(truth.positives) | set(truth.negatives) <= set(FEELINGS)
        assert not set(truth.positives) & set(truth.negatives)
        assert truth.positives == table.positive[label]


def test_kin_are_unknown_where_one_word_had_to_be_chosen() -> None:
    truth = mappings.ISEAR.truth(("guilt",))
    assert "shame" not in truth.negatives
    assert "joy" in truth.negatives
    both = mappings.GOEMOTIONS.truth(("anger", "sadness"))
    assert both.positives == ("sadness", "anger")
    assert "tiredness" not in both.negatives
    with pytest.raises(KeyError):
        mappings.GOEMOTIONS.truth(("bliss",))


def test_published_labels_cover_their_tasks() -> None:
    for name, (task, table) in mappings.PUBLISHED_LABELS.items():
        assert set(table.values()) == set(TASKS[task].labels)
        assert published.task_of(name) == task
    assert {entry.name for entry in published.PUBLISHED} == set(mappings.PUBLISHED_LABELS)


def test_rows_survive_their_file(tmp_path: Path) -> None:
    rows = [
        Row("stress", "Ein Tag\u2028 mit 😀", "dreaddit", "published", "no"),
        Row("feelings", "x", "isear", "mapped", "", ("joy",), ("anger", "guilt")),
    ]
    assert write_rows(tmp_path / "rows.jsonl.gz", rows) == 2
    assert read_rows(tmp_path / "rows.jsonl.gz") == rows
    with pytest.raises(CorpusError, match="run `quietpage-train prepare` first"):
        read_rows(tmp_path / "none.jsonl.gz")


def test_passages_are_runs_of_whole_sentences() -> None:
    rng = random.Random(1)
    text = " ".join(reader_ground.line(rng) for _ in range(30))
    for _ in range(50):
        found = neutral.passage(text, rng)
        assert found in text
        assert found.endswith(".")
        assert len(found.split()) <= 240


def test_prose_reads_posts_and_dialogues(data: Path) -> None:
    assert next(prose(data, "blog_prose", "train")).endswith(".")
    assert len(next(prose(data, "dailydialog", "train")).splitlines()) == 4
    with pytest.raises(CorpusError, match="not a corpus of running text"):
        next(prose(data, "emotion", "train"))


def test_placeholders() -> None:
    assert all(map(is_placeholder, ("", "  ", "...", "EmptyPost", "[ No response.]", "[deleted]")))
    assert not any(map(is_placeholder, ("ok", "no response from my sister", "1")))


@pytest.mark.corpora
@pytest.mark.slow
def test_the_real_corpora_are_prepared_without_leaks(corpora: Path, tmp_path: Path) -> None:
    recipe = load_recipe(Path(__file__).parents[2] / "trainer" / "recipes" / "embedded-reader.toml")
    paths = RunPaths(tmp_path, corpora)
    prepare.run(recipe, paths, Progress(log=tmp_path / "log"))
    test = {prepare.normalise(row.text) for row in read_rows(paths.prepared / "test.jsonl.gz")}
    train = {prepare.normalise(row.text) for row in read_rows(paths.prepared / "train.jsonl.gz")}
    valid = {prepare.normalise(row.text) for row in read_rows(paths.prepared / "valid.jsonl.gz")}
    assert not train & test
    assert not train & valid
