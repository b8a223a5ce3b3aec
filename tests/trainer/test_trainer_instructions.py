"""``prepare`` of tuned models: one kind of example from all sources, no leak into train, wordings, descriptions."""

from __future__ import annotations

import gzip
import json
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from journal_app.contract.tasks import FEELINGS
from tests.support import reader_ground
from trainer import cli, describe, instructions, prepare
from trainer.config import RunPaths, TrainerError, load_recipe
from trainer.corpora.files import read_rows
from trainer.leaks import NearIndex, normalise
from trainer.progress import Progress
from trainer.records import Example, read_examples, write_examples
from trainer.wordings import worded

pytestmark = pytest.mark.torch

HEAD = """
name = "tiny-tuned"
kind = "{kind}"
licence = "CC0-1.0"
seed = {seed}

[data]
tasks = {tasks}
neutral_blog = 20
neutral_dialog = 10
neutral_other = 5
diary_valid = 10
diary_test = 10
"""
SECRET = "The ferry was late again and nobody on the pier seemed to mind it at all this morning"


def write_data(data: Path) -> Path:
    """Write the corpora of the reader's ground, and some of other shapes."""
    reader_ground.write_corpora(data)
    add(data / "blog_prose" / "train.jsonl.gz", {"text": "I am so tired after all these days of rain and paint."})
    rng = random.Random(4)
    for split, count in (("train", 12), ("valid", 4), ("test", 4)):
        talks = [
            {"turns": [{"role": ("user", "assistant")[i % 2], "text": reader_ground.line(rng)} for i in range(6)]}
            for _ in range(count)
        ]
        reader_ground.write(data / "esconv" / f"{split}.jsonl.gz", talks)
        pairs = [{"prompt": reader_ground.line(rng), "response": reader_ground.line(rng)} for _ in range(count)]
        reader_ground.write(data / "counselchat" / f"{split}.jsonl.gz", pairs)
        worse = [{**pair, "rejected": ["No.", "Sleep."]} for pair in pairs]
        reader_ground.write(data / "pair_reflections" / f"{split}.jsonl.gz", worse)
    return data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one run over tasks and sources, through the command line."""
    folder = tmp_path_factory.mktemp("whole")
    more = source("esconv") + source("counselchat") + source("pair_reflections", task='"preference"')
    recipe = recipe_at(folder / "r.toml", '["emotion", "severity", "feelings"]', more)
    data, out = write_data(folder / "data"), folder / "run"
    assert cli.main(["prepare", "--recipe", str(recipe), "--data", str(data), "--out", str(out)]) == 0
    return out


def examples_of(out: Path) -> dict[str, list[Example]]:
    return {s: read_examples(out / "prepared" / f"instructions-{s}.jsonl.gz") for s in ("train", "valid", "test")}


def recipe_at(path: Path, tasks: str = "[]", more: str = "", kind: str = "causal", seed: int = 3) -> Path:
    path.write_text(HEAD.format(kind=kind, tasks=tasks, seed=seed) + more, encoding="utf-8")
    return path


def source(name: str, **values: str) -> str:
    return f'\n[[sources]]\nname = "{name}"\n' + "".join(f"{key} = {value}\n" for key, value in values.items())


def make(recipe: Path, out: Path, data: Path | None) -> dict[str, list[Example]]:
    paths = RunPaths(out, data)
    instructions.run(load_recipe(recipe), paths, Progress(log=out / "log"))
    return examples_of(out)


def report_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "prepared" / "report.json").read_text(encoding="utf-8"))


def add(path: Path, *records: dict[str, Any]) -> None:
    with gzip.open(path, "at", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record) + "\n")


def test_tasks_and_sources_become_one_kind_of_example(whole_run: Path) -> None:
    out = whole_run
    found = examples_of(out)
    for split, examples in found.items():
        assert {e.task for e in examples} == {"emotion", "severity", "feelings", "reply", "preference"}, split
    # What the rest of the trainer reads is there as for the models made here.
    rows = {s: read_rows(out / "prepared" / f"{s}.jsonl.gz") for s in ("train", "valid", "test", "diary-test")}
    assert {row.task for row in rows["train"]} == {"emotion", "severity", "feelings"}
    tuned = [e for e in found["test"] if e.task in ("emotion", "severity", "feelings")]
    assert Counter((e.task, e.input) for e in tuned) == Counter((r.task, r.text) for r in rows["test"])
    report = report_of(out)
    assert {"dropped", "rows", "sources"} <= set(report)
    assert report["rows"]["instructions-test"]["emotion/published"]["rows"] == 48
    assert report["rows"]["train"]["severity/neutral"]["minimum"] > 0
    by_name = {entry["name"]: entry for entry in report["sources"]}
    assert by_name["esconv"]["licence"] == "CC BY-NC 4.0; academic research use"
    assert by_name["esconv"]["rows"] == sum(e.source == "esconv" for e in found["train"]) > 0
    assert sum(entry["rows"] for entry in report["sources"]) == len(found["train"])
    for name in ("balance-emotion", "balance-feelings"):
        assert (out / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_answers_are_the_words_of_the_contract(whole_run: Path) -> None:
    found = examples_of(whole_run)
    severity = [e for e in found["train"] if e.task == "severity"]
    assert {(e.label, e.output) for e in severity} == {(w, w) for w in ("minimum", "mild", "moderate", "severe")}
    excited = [e for e in found["train"] if e.labels == ("excitement",)]
    assert {e.output for e in excited} == {"excited"}
    assert excited[0].target("excitement") == 1
    assert excited[0].target("anger") == 0
    assert excited[0].target("tiredness") == -1
    weak = next(e for e in found["train"] if e.part == "weak" and e.labels == ("tiredness",))
    assert [weak.target(label) for label in FEELINGS] == [1 if f == "tiredness" else -1 for f in FEELINGS]
    published = Example(task="feelings", source="mine", input="x", labels=("joy",))
    assert published.target("anger") == 0


def test_nothing_that_is_held_out_anywhere_is_trained_on(data: Path, tmp_path: Path) -> None:
    near = f"{SECRET} though"
    # Held out by a set that the recipe does not name, by a conversation, and inside a question.
    add(data / "isear" / "test.jsonl.gz", {"text": SECRET, "label": "joy"})
    said = [reader_ground.line(random.Random(i), words=9) for i in range(8)]
    turns = [{"role": ("user", "assistant")[i % 2], "text": text} for i, text in enumerate(said)]
    add(data / "dailydialog" / "test.jsonl.gz", {"turns": turns})
    post = "My neighbour plays the cello at four and I have come to like it very much indeed"
    quoted = {"prompt": f'Consider this post: "{post}" Question: Is it loud?', "response": "No."}
    reader_ground.write(data / "imhi_explain" / "valid.jsonl.gz", [quoted])
    # Train has each of them again, a little changed.
    add(data / "counselchat" / "train.jsonl.gz", {"prompt": near, "response": "I see."})
    add(data / "counselchat" / "train.jsonl.gz", {"prompt": post.upper(), "response": "I see."})
    add(data / "counselchat" / "train.jsonl.gz", {"prompt": "A harmless line on tea", "response": "I see."})
    first_changed = [{**turns[0], "text": "Well then."}, *turns[1:]]
    add(data / "esconv" / "train.jsonl.gz", {"turns": first_changed})
    found = make(recipe_at(tmp_path / "r.toml", more=source("counselchat") + source("esconv")), tmp_path / "run", data)
    asked = {normalise(e.input) for e in found["train"]}
    assert normalise("A harmless line on tea") in asked
    assert not asked & {normalise(text) for text in (near, post, *said[2::2])}
    report = report_of(tmp_path / "run")
    assert report["leaks"]["train_dropped"] == {"exact": 1, "near": 1 + 4}
    assert report["dropped"]["instructions"]["esconv: near copy of a held-out text"] == 4
    assert len([e for e in found["test"] if e.source == "counselchat"]) == 4


def test_a_tests_text_of_a_source_is_not_trained_on_by_a_task(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [{"text": f"{SECRET} once more, number {i}", "label": "yes"} for i in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    values = {"kind": '"file"', "path": f'"{path}"', "task": '"stress"', "test": "0.2"}
    recipe = recipe_at(tmp_path / "r.toml", '["emotion"]', source("mine", **values))
    add(data / "emotion" / "train.jsonl.gz", *({"text": row["text"], "label": "joy"} for row in rows))
    found = make(recipe, tmp_path / "run", data)
    held = {e.input for split in ("valid", "test") for e in found[split] if e.source == "mine"}
    assert len(held) >= 8
    assert not held & {e.input for e in found["train"]}
    # All forty differ by one word of many: near copies of a held-out one, so that none is left in train.
    assert not [e for e in found["train"] if "ferry" in e.input]


def test_valid_rows_that_copy_a_test_text_stay_and_are_counted(data: Path, tmp_path: Path) -> None:
    add(data / "isear" / "test.jsonl.gz", {"text": SECRET, "label": "joy"})
    add(data / "counselchat" / "valid.jsonl.gz", {"prompt": SECRET, "response": "I see."})
    found = make(recipe_at(tmp_path / "r.toml", more=source("counselchat")), tmp_path / "run", data)
    assert SECRET in {e.input for e in found["valid"]}
    counted = report_of(tmp_path / "run")["leaks"]["valid_in_a_test"]
    assert counted == {"counselchat: exact copy of a test text (kept, as published)": 1}


def test_a_repeat_is_the_same_question_with_the_same_answer(data: Path, tmp_path: Path) -> None:
    asked = {"prompt": "A line on tea and bread in the evening", "response": "Warm."}
    add(data / "counselchat" / "train.jsonl.gz", asked, asked, {**asked, "response": "And jam?"})
    found = make(recipe_at(tmp_path / "r.toml", more=source("counselchat")), tmp_path / "run", data)
    assert sorted(e.output for e in found["train"] if "on tea" in e.input) == ["And jam?", "Warm."]
    assert report_of(tmp_path / "run")["dropped"]["instructions"] == {"counselchat: repeat": 1}


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_other_wordings(data: Path, tmp_path: Path) -> None:
    made = []
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        recipe = recipe_at(tmp_path / f"{name}.toml", '["stress"]', source("counselchat"), seed=seed)
        result = instructions.run(load_recipe(recipe), RunPaths(tmp_path / name, data), Progress(log=tmp_path / "log"))
        made.append({path.name: path.read_bytes() for path in result.outputs})
    assert made[0] == made[1]
    assert made[0]["instructions-train.jsonl.gz"] != made[2]["instructions-train.jsonl.gz"]
    assert made[0]["instructions-test.jsonl.gz"] == made[2]["instructions-test.jsonl.gz"]


def test_train_has_several_wordings_and_the_held_out_splits_one(whole_run: Path) -> None:
    found = examples_of(whole_run)
    for task, field in (("emotion", "instruction"), ("reply", "system")):
        said = {s: {getattr(e, field) for e in found[s] if e.task == task} for s in found}
        assert len(said["train"]) >= 3
        assert len(said["valid"]) == len(said["test"]) == 1
        assert "" not in said["train"]
    labels = {e.output for e in found["test"] if e.task == "emotion"}
    for said in {e.instruction for e in found["train"] if e.task == "emotion"}:
        assert all(label in said for label in labels)
        assert "Which emotion is strongest in this text?" in said


def test_an_instruction_that_a_source_brings_along_stays() -> None:
    asked = Example(task="rewrite", source="mine", input="x", output="y", instruction="Softly")
    assert worded(asked, 0, {}, first=False) == asked
    korean = worded(Example(task="feelings", source="kote", input="x", lang="ko"), 0, {}, first=True)
    assert "어떤 감정" in korean.instruction
    assert "worried" in korean.instruction
    own = worded(
        Example(task="pace", source="mine", input="x", label="fast"), 0, {"pace": ["fast", "slow"]}, first=True
    )
    assert own.instruction == "Which label fits this text? Answer with one of: fast, slow."
    named = {
        worded(Example(task="sad", source="sad", input=str(i), label="work"), 0, {}, first=False) for i in range(40)
    }
    assert all("financial problem" in e.instruction for e in named)
    assert len({e.instruction for e in named}) == 4


def test_files_of_ones_own_need_no_corpora_and_their_change_is_noticed(
    tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.delenv("QUIETPAGE_DATA", raising=False)
    path = tmp_path / "mine.jsonl"
    rows = [{"input": f"Line {i} on the garden", "output": f"Answer {i}"} for i in range(30)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    recipe = recipe_at(tmp_path / "r.toml", more=source("mine", kind='"file"', path=f'"{path}"', task='"reply"'))
    arguments = ["prepare", "--recipe", str(recipe), "--out", str(tmp_path / "run")]
    assert cli.main(arguments) == 0
    assert cli.main(arguments) == 0
    assert "nothing changed" in capsys.readouterr().err
    path.write_text(path.read_text() + '\n{"input": "One more on bread", "output": "Yes"}', encoding="utf-8")
    assert cli.main(arguments) == 0
    assert "nothing changed" not in capsys.readouterr().err
    path.write_text("", encoding="utf-8")
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"quietpage-train: {path}: the file is empty"


def test_recipes_that_name_no_data_or_the_wrong_kind_are_told(data: Path, tmp_path: Path) -> None:
    paths, quiet = RunPaths(tmp_path / "run", data), Progress(log=tmp_path / "log")
    with pytest.raises(TrainerError, match=r"names no data: set data\.tasks, or add \[\[sources\]\]"):
        instructions.run(load_recipe(recipe_at(tmp_path / "a.toml")), paths, quiet)
    reader = load_recipe(recipe_at(tmp_path / "b.toml", '["emotion"]', source("esconv"), kind="encoder"))
    with pytest.raises(TrainerError, match=r"kind encoder learns from data\.tasks only"):
        prepare.run(reader, paths, quiet)


def test_examples_come_back_as_they_were_written(tmp_path: Path) -> None:
    examples = [
        Example("reply", "s", "in", "out", "do", "be", turns=(("user", "a"), ("assistant", "b")), group="g", lang="ko"),
        Example("feelings", "s", "in", labels=("joy",), negatives=("anger",), part="mapped"),
        Example("preference", "s", "in", chosen="c", rejected="r"),
    ]
    write_examples(tmp_path / "e.jsonl.gz", examples)
    assert read_examples(tmp_path / "e.jsonl.gz") == examples


# -- near copies -------------------------------------------------------------------------------------------------


def test_near_copies_are_those_that_comparing_all_with_all_finds() -> None:
    rng = random.Random(7)
    vocabulary = [f"w{i}" for i in range(60)]
    held = [[rng.choice(vocabulary) for _ in range(rng.randint(4, 40))] for _ in range(120)]
    asked = []
    for words in held:
        changed = list(words)
        for _ in range(rng.randint(0, 4)):
            place = rng.randrange(len(changed))
            changed[place : place + rng.randint(0, 1)] = [rng.choice(vocabulary)]
        asked.append(changed)
    asked += [[rng.choice(vocabulary) for _ in range(20)] for _ in range(40)]
    index = NearIndex(3, 0.6)
    for words in held:
        index.add(" ".join(words))

    def shingles(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    def expected(words: list[str]) -> str:
        if words in held:
            return "exact"
        mine = shingles(words)
        return "near" if any(len(mine & s) / len(mine | s) >= 0.6 for s in map(shingles, held) if mine | s) else ""

    found = [index.match(" ".join(words)) for words in asked]
    assert found == [expected(words) for words in asked]
    assert min(Counter(found)[kind] for kind in ("exact", "near", "")) > 10


# -- what is described -------------------------------------------------------------------------------------------


def test_the_log_odds_are_those_of_the_formula() -> None:
    inside, outside = {"rain": 30, "sun": 10}, {"rain": 10, "sun": 150}
    scores = describe.log_odds(inside, outside, {"rain": 40, "sun": 160})
    alpha = 500 * 40 / 200
    a, b = 30 + alpha, 10 + alpha
    delta = math.log(a / (40 + 500 - a)) - math.log(b / (160 + 500 - b))
    assert scores["rain"] == pytest.approx(delta / math.sqrt(1 / a + 1 / b))
    assert scores["rain"] > 0 > scores["sun"]
    same = describe.log_odds({"rain": 5, "sun": 5}, {"rain": 50, "sun": 50}, {"rain": 55, "sun": 55})
    assert same["rain"] == pytest.approx(0)


def test_no_word_is_shown_that_fewer_than_twenty_rows_have() -> None:
    examples = [
        Example(
            "stress", "s", f"It was quiet{' umbrella' * (i < 20)}{' zanzibar' * (20 <= i < 39) * 5} {i}", label="yes"
        )
        for i in range(60)
    ]
    examples += [Example("stress", "s", f"Nothing at all {i}", label="no") for i in range(60)]
    # Repeats of one text count once, neutral rows not at all.
    examples += [Example("stress", "s", "A xylophone", label="yes")] * 30
    examples += [Example("stress", "s", f"The telescope {i}", label="no", part="neutral") for i in range(60)]
    told = describe.distinctive_words(examples)
    shown = {word: rows for words in told.values() for word, _, rows in words}
    assert shown["umbrella"] == 20
    assert not {"zanzibar", "xylophone", "telescope"} & set(shown)
    assert {word for word, _, _ in told["no"]} == {"nothing", "at", "all"}


def test_a_row_speaks_against_a_label_only_where_that_is_known() -> None:
    def rows(text: str, label: str, denied: str) -> list[Example]:
        numbered = [f"{text} {i}" for i in range(30)]
        return [Example("feelings", "s", line, labels=(label,), negatives=(denied,)) for line in numbered]

    examples = rows("apple tree", "joy", "anger") + rows("river stone", "anger", "joy")
    # Of these nobody said whether there is joy in them: their trees do not make the tree less joyful.
    examples += rows("tree tree tree", "sadness", "anger")
    told = {label: {word for word, _, _ in words} for label, words in describe.distinctive_words(examples).items()}
    assert told["joy"] == {"apple", "tree"}
    assert told["anger"] == {"river", "stone"}
    assert describe.balance(examples) == {"feelings": {"anger": 30, "joy": 30, "sadness": 30}}


def test_korean_words_are_drawn_where_there_is_a_font_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"기쁨": [("오늘", 3.0, 20)]}
    made = describe.plot_words("kote", words, tmp_path / "a.png")
    if made is not None:
        assert made.read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(describe, "_FONTS", ())
    assert describe.plot_words("kote", words, tmp_path / "b.png") is None
    assert describe.plot_balance("kote", {"train": {"기쁨": 1}}, tmp_path / "c.png") is None
    plain = describe.plot_words("kote", {"joy": [("today", 3.0, 20)]}, tmp_path / "d.png")
    assert plain is not None
    assert plain.read_bytes().startswith(b"\x89PNG")
    assert describe.plot_words("kote", {"joy": []}, tmp_path / "e.png") is None
