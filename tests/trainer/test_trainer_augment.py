"""Texts and pairs written by a model behind a real server: what is kept, what is not, and what a kill leaves."""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("openai")
pytest.importorskip("torch")

from tests.support.chat_server import reply, saying, send, serving
from trainer import augment, instructions
from trainer.config import DataConfig, Recipe, RunPaths, TrainerError
from trainer.progress import Progress
from trainer.records import Example, write_examples
from trainer.sections import AugmentConfig, Source
from trainer.symptoms import EXPERT, FLAWS, FORMS, LISTENER, SETTINGS, SPOILER, symptoms_of

pytestmark = pytest.mark.torch

ROOT = Path(__file__).resolve().parents[2]
NOUNS = "kettle window ladder garden letter bicycle lamp river basket corner ticket blanket drawer shelf".split()  # noqa: SIM905
VERBS = "carried counted painted washed moved found opened repaired folded watched lifted traded sorted".split()  # noqa: SIM905


def entry(key: object) -> str:
    """An entry of its own for every key, in ordinary English."""
    rng = random.Random(str(key))
    nouns, verbs = rng.sample(NOUNS, 10), rng.sample(VERBS, 5)
    said = [f"I {verb} the {a} with my {b}" for verb, a, b in zip(verbs, nouns[:5], nouns[5:], strict=True)]
    return ". ".join(said) + "."


def answer(messages: list[dict[str, str]]) -> str:
    system, question = messages[0]["content"], messages[1]["content"]
    rng = random.Random(question)
    first, second, third = rng.sample(NOUNS, 3)
    if system == LISTENER:
        verb, other = rng.sample(VERBS, 2)
        return (
            f"The {first} that you {verb} was with you still. What about the {second} you {other} was like the {third}?"
        )
    if system == SPOILER:
        return f"Go and tidy the {first} first, then the rest of the flat and the {second}."
    return entry(question)


class Ground:
    def __init__(self, folder: Path) -> None:
        self.paths = RunPaths(folder / "run")
        self.log = io.StringIO()

    def recipe(self, **changes) -> Recipe:
        config = AugmentConfig(**{"task": "stress", "price_in": 1.0, "price_out": 10.0} | changes)
        return Recipe("tiny", "causal", "x", augment=config, data=DataConfig(tasks=()))

    def run(self, recipe: Recipe, url: str | None, *, pairs: bool = False, count: int | None = 6, fresh: bool = False):
        options = argparse.Namespace(endpoint=url, model="m", gguf=None, pairs=pairs, count=count, fresh=fresh)
        return augment.run(recipe, self.paths, Progress(self.log, every=0), options)

    def rows(self, name: str) -> list[dict]:
        path = self.paths.out / "augmented" / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def report(self, name: str) -> dict:
        return json.loads((self.paths.out / "augmented" / f"{name}-report.json").read_text(encoding="utf-8"))


@pytest.fixture
def ground(tmp_path) -> Ground:
    return Ground(tmp_path)


def test_texts_are_balanced_priced_and_read_by_a_recipe(ground):
    with serving(saying(answer)) as served:
        result = ground.run(ground.recipe(), served.url)
        asked = list(served.asked)
    rows = ground.rows("texts-stress")
    assert [row["label"] for row in rows].count("yes") == [row["label"] for row in rows].count("no") == 3
    assert len({row["text"] for row in rows}) == 6
    assert {body["messages"][0]["content"] for body in asked} == {EXPERT}
    for row, body in zip(rows, asked, strict=True):
        assert row["symptom"] in symptoms_of("stress")[row["label"]]
        assert row["symptom"] in body["messages"][1]["content"]
    report = ground.report("texts-stress")
    assert (report["kept"], report["tokens_in"], report["tokens_out"]) == (6, 42, 18)
    assert report["cost"] == pytest.approx((42 * 1 + 18 * 10) / 1e6)
    assert report["rejected"] == {}
    assert result.summary["kept"] == 6
    told = ground.log.getvalue()
    assert "cost 0.0002" in told
    assert not [row for row in rows if row["text"][:30] in told]
    # The table that was printed is taken by a recipe as it stands.
    table = re.search(r"\[\[sources\]\].*", told, re.DOTALL)
    path = ground.paths.out / "again.toml"
    path.write_text(
        f'name = "again"\nkind = "causal"\nlicence = "x"\ndata.tasks = []\n{table.group(0)}', encoding="utf-8"
    )
    from trainer.config import load_recipe

    made = instructions.run(load_recipe(path), RunPaths(ground.paths.out / "again"), Progress(io.StringIO()))
    assert made.summary["train"] == 6


def test_nothing_is_sent_without_an_endpoint(ground):
    with serving(saying(answer)) as served, pytest.raises(TrainerError, match="name a model"):
        ground.run(ground.recipe(), None)
    assert served.asked == []
    assert not (ground.paths.out / "augmented").exists()


def test_bad_answers_are_counted_by_reason_and_not_kept(ground):
    good = entry("good")
    bad = [
        ("I'm sorry, but I cannot write that for you today, as it would not be right.", "refused"),
        ("Too short.", "too short"),
        (" ".join(entry(i) for i in range(20)), "too long"),
        ("Since my diagnosis I have been carrying the kettle to the window and back again.", "names a disorder"),
        ("오늘은 비가 와서 집에 있었고 저녁에는 동생과 오래 이야기를 나누었다 그리고 잠을 잤다.", "language"),
        ("I thought about sleeping pills and the river and I did not go to work that day at all.", "method"),
        ("I was sad and tired and tired and tired and tired and tired and I was sad again today.", "repeats"),
        ("You can write to me at someone@example.org about the kettle and the window any day.", "contact"),
        (good, ""),
        (good, "exact copy of an earlier one"),
        (good.replace("kettle", "teapot") + " Then I slept.", "near copy of an earlier one"),
    ]
    said = iter(text for text, _ in bad)
    with serving(saying(lambda m: next(said, None) or answer(m))) as served:
        ground.run(ground.recipe(label="yes"), served.url, count=2)
    reasons = ground.report("texts-stress")["rejected"]
    assert set(reasons) == {reason for _, reason in bad if reason}
    assert [row["text"] for row in ground.rows("texts-stress")][0] == good
    refused = ground.rows("texts-stress-rejected")
    assert not any(text[:25] in json.dumps(refused, ensure_ascii=False) for text, _ in bad)
    # What was refused was paid for, too.
    assert ground.report("texts-stress")["tokens_in"] == 7 * (2 + len(refused))


@pytest.mark.parametrize("kept_back", ["prepared", "held out"])
def test_copies_of_known_texts_are_refused(ground, kept_back, tmp_path):
    known, near = entry("known"), entry("other") + " And then I went home by the long way."
    if kept_back == "prepared":
        write_examples(
            ground.paths.prepared / "instructions-test.jsonl.gz",
            [Example("text", "s", known), Example("text", "s", near)],
        )
    else:
        from tests.support.reader_ground import write

        write(
            tmp_path / "data" / "set" / "test.jsonl.gz", [{"text": known, "label": "a"}, {"text": near, "label": "a"}]
        )
        ground.paths = RunPaths(ground.paths.out, tmp_path / "data")
    said = iter([known.upper(), near.replace("by the long way", "along the way"), entry("new")])
    with serving(saying(lambda m: next(said))) as served:
        ground.run(ground.recipe(), served.url, count=1)
    assert ground.report("texts-stress")["rejected"] == {
        "exact copy of a prepared or held-out text": 1,
        "near copy of a prepared or held-out text": 1,
    }


def test_what_models_put_around_a_text_is_taken_off(ground):
    said = iter(
        [
            f"<think>The label is yes.</think>\nHere is the entry:\n\n{entry(1)}",
            f'"{entry(2)}"',
            f"```text\n{entry(3)}\n```",
        ]
    )

    def act(handler, body):
        text = next(said, None)
        if text is not None:
            send(handler, reply(text))
        else:
            send(handler, reply(entry(4) + " And the last one is", finish="length"))

    with serving(act) as served:
        ground.run(ground.recipe(), served.url, count=4)
    assert [row["text"] for row in ground.rows("texts-stress")] == [entry(i) for i in (1, 2, 3, 4)]


def test_pairs_answer_invented_entries_and_only_checked_replies_are_chosen(ground):
    calls: list[str] = []

    def say(messages):
        calls.append(messages[0]["content"])
        if messages[0]["content"] == LISTENER and calls.count(LISTENER) == 2:
            return "You should take a higher dose of your medication, and everything will be fine soon."
        return answer(messages)

    with serving(saying(say)) as served:
        ground.run(ground.recipe(), served.url, pairs=True, count=5)
    rows = ground.rows("pairs")
    assert [row["flaw"] for row in rows] == [flaw.name for flaw in FLAWS]
    assert all(row["chosen"] != row["rejected"] and row["input"] for row in rows)
    assert ground.report("pairs")["rejected"] == {"chosen: medication": 1}
    assert set(calls) == {EXPERT, LISTENER, SPOILER}
    path = ground.paths.out / "augmented" / "pairs.jsonl"
    source = Source("p", "file", str(path), task="preference", valid=0.0, test=0.0)
    recipe = Recipe("again", "causal", "x", sources=(source,), data=DataConfig(tasks=()))
    made = instructions.run(recipe, RunPaths(ground.paths.out / "again"), Progress(io.StringIO()))
    assert made.summary["train"] == 5


def test_pairs_use_written_entries_but_none_that_calls_for_help(ground):
    lines = augment.Lines(ground.paths.out / "augmented" / "texts-suicidality.jsonl")
    lines.append(
        {"text": "I want to die and I do not know whom to tell about it.", "label": "no", "task": "suicidality"}
    )
    lines.append({"text": entry("flagged"), "label": "yes", "task": "suicidality"})
    lines.append({"text": entry("fine"), "label": "no", "task": "suicidality"})
    lines.close()
    with serving(saying(answer)) as served:
        ground.run(ground.recipe(), served.url, pairs=True, count=1)
    assert [row["input"] for row in ground.rows("pairs")] == [entry("fine")]
    assert len(served.asked) == 2


def test_no_text_of_a_corpus_is_put_into_a_question(ground):
    secret = "The unmistakable heron stood at the weir while I thought of my sister and the unpaid bill."
    write_examples(ground.paths.prepared / "instructions-train.jsonl.gz", [Example("reply", "s", secret, "An answer.")])
    with serving(saying(answer)) as served:
        ground.run(ground.recipe(), served.url, count=4)
        ground.run(ground.recipe(), served.url, pairs=True, count=3)
    assert "heron" not in json.dumps(served.asked)


def test_a_torn_last_line_is_dropped_and_the_same_questions_follow(ground, tmp_path):
    other = Ground(tmp_path / "other")
    with serving(saying(answer)) as served:
        other.run(other.recipe(), served.url, count=6)
        ground.run(ground.recipe(), served.url, count=3)
        path = ground.paths.out / "augmented" / "texts-stress.jsonl"
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        ground.run(ground.recipe(), served.url, count=6)
    assert "torn" in ground.log.getvalue()
    texts = [[row["text"] for row in g.rows("texts-stress")] for g in (ground, other)]
    assert texts[0] == texts[1]


def test_a_broken_line_inside_is_told(ground):
    path = ground.paths.out / "augmented" / "texts-stress.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"text": "a"}\nnot json\n{"text": "b"}\n', encoding="utf-8")
    with serving(saying(answer)) as served, pytest.raises(TrainerError, match="line 2"):
        ground.run(ground.recipe(), served.url)
    assert served.asked == []


def test_other_prompts_do_not_go_on_with_the_same_file(ground):
    with serving(saying(answer)) as served:
        ground.run(ground.recipe(), served.url, count=2)
        changed = ground.recipe(label="yes", symptoms=("the writer waits for a letter",))
        with pytest.raises(TrainerError, match="--fresh puts it aside"):
            ground.run(changed, served.url, count=4)
        assert len(ground.rows("texts-stress")) == 2
        ground.run(changed, served.url, count=1, fresh=True)
    assert (ground.paths.out / "augmented" / "texts-stress.jsonl.before").exists()
    assert [row["symptom"] for row in ground.rows("texts-stress")] == ["the writer waits for a letter"]


def test_it_stops_when_nobody_answers_and_keeps_what_there_is(ground):
    told = iter([entry(1), entry(2)])
    with serving(saying(lambda _: next(told, ""))) as served, pytest.raises(TrainerError) as caught:
        ground.run(ground.recipe(), served.url)
    assert "5 times in a row" in str(caught.value)
    assert "the 2 that were kept are safe" in str(caught.value)
    assert ground.report("texts-stress")["rejected"] == {"no answer": 5}


def test_a_wrong_key_stops_at_once(ground):
    with serving(lambda h, _: send(h, b"{}", 401)) as served, pytest.raises(TrainerError, match="401"):
        ground.run(ground.recipe(), served.url)
    assert len(served.asked) == 1


def test_a_model_that_always_says_the_same_is_given_up(ground):
    with serving(saying(lambda _: entry("same"))) as served, pytest.raises(TrainerError, match="the report says why"):
        ground.run(ground.recipe(), served.url, count=20)
    report = ground.report("texts-stress")
    assert report["kept"] == 1
    assert report["rejected"]["exact copy of an earlier one"] == len(served.asked) - 1 < 80


def test_a_full_disk_is_told_in_one_line(ground, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    with serving(saying(answer)) as served:
        ground.run(ground.recipe(), served.url, count=1)
        monkeypatch.setattr(augment.os, "fsync", full)
        with pytest.raises(TrainerError, match="No space left on device; what was written before is kept"):
            ground.run(ground.recipe(), served.url, count=2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "stres"}, "no such task"),
        ({"label": "perhaps"}, "is not a label of stress"),
        ({"symptoms": ("x",)}, "name it in augment.label"),
        ({"task": "themes"}, "nothing is written here about themes"),
    ],
)
def test_a_section_that_cannot_be(ground, changes, words):
    with serving(saying(answer)) as served, pytest.raises(TrainerError, match=words):
        ground.run(ground.recipe(**changes), served.url)


def test_a_run_that_was_killed_ends_like_one_that_was_not(tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text('name = "t"\nkind = "causal"\nlicence = "x"\n[augment]\ntask = "stress"\n', encoding="utf-8")
    whole, out = Ground(tmp_path / "whole"), tmp_path / "run"

    def slow(handler, body):
        time.sleep(0.03)
        send(handler, reply(answer(body["messages"])))

    with serving(slow) as served:
        whole.run(whole.recipe(), served.url, count=14)
        command = [sys.executable, "-m", "trainer.cli", "augment", "--recipe", str(recipe), "--out", str(out)]
        command += ["--endpoint", served.url, "--model", "m", "--count", "14"]
        path = out / "augmented" / "texts-stress.jsonl"
        process = subprocess.Popen(
            command, cwd=ROOT, stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        until = time.monotonic() + 60
        while time.monotonic() < until and (not path.exists() or path.read_bytes().count(b"\n") < 3):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert 3 <= path.read_bytes().count(b"\n") < 14
        subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL, check=True)
    texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert texts == [row["text"] for row in whole.rows("texts-stress")]


def test_what_is_asked_for_is_safe_by_the_apps_own_rules():
    from journal_app.journal.safety import assess, check_output

    tasks = ("stress", "depression", "severity", "suicidality", "emotion", "isear", "feelings")
    described = [text for task in tasks for texts in symptoms_of(task).values() for text in texts]
    assert len(described) > 60
    for text in (*described, *SETTINGS, *FORMS, *(flaw.ask for flaw in FLAWS)):
        assert assess(text).level != "urgent", text
        assert "method" not in check_output(text, "", "en", whole=False).reasons, text
    for task in tasks:
        from journal_app.contract.tasks import TASKS

        assert tuple(symptoms_of(task)) == TASKS[task].labels
