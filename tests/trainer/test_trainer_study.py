"""The study, the comparison, the report and their figures, on a tiny model that went through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")

from journal_app.contract.tasks import TASKS
from journal_app.inference.writer import LlamaWriter
from tests.support.recipe_ground import write_all
from trainer import cli
from trainer.config import TrainerError
from trainer.corpora.files import Row
from trainer.evaluation import compare, figures, page, risk, study

pytestmark = [pytest.mark.torch, pytest.mark.llm, pytest.mark.timeout(900)]

RECIPE = """
name = "study-quietpage"
kind = "causal"
licence = "Apache-2.0"
max_tokens = 256
[data]
tasks = ["emotion", "stress"]
[base]
model = "somebody/a-base"
family = "qwen2"
template = "chatml"
[sft]
shape = "contract"
sequence = 256
[study]
task = "emotion"
rows = 18
shots = 6
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run up to ``evaluate``, and the arguments that name it."""
    folder = tmp_path_factory.mktemp("study")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    data = write_all(folder / "data")
    arguments = ["--recipe", str(recipe), "--data", str(data), "--out", str(folder / "run"), "--tiny"]
    for stage in ("prepare", "finetune", "distill", "prefer", "merge", "gguf", "quantize", "evaluate"):
        assert cli.main([stage, *arguments]) == 0
    return folder / "run", arguments


def test_one_command_studies_three_ways_on_the_same_rows(finished: tuple[Path, list[str]]) -> None:
    out, arguments = finished
    assert cli.main(["study", *arguments]) == 0
    report = json.loads((out / "study.json").read_text())
    assert list(report["methods"]) == sorted(study.METHODS)
    counts = {entry["rows"] for entry in report["methods"].values()}
    assert len(counts) == 1
    for entry in report["methods"].values():
        matrix = np.array(entry["confusion"])
        assert matrix.sum() == entry["rows"]
        assert entry["accuracy"] == pytest.approx(np.trace(matrix) / matrix.sum(), abs=1e-6)
        low, high = entry["interval95"]["accuracy"]
        assert low <= entry["accuracy"] <= high
    assert set(report["differences"]) == {
        "few-shot over zero-shot",
        "fine-tuned over zero-shot",
        "fine-tuned over few-shot",
    }
    assert report["risk_map"]["screens"]["stress"]["positives"] > 0
    assert {"data_sha256", "model_sha256", "seed", "versions", "machine"} <= set(report)
    for name in ("bars", "confusion", "trend", "heat", "all"):
        assert (out / "figures" / f"study-{name}.png").stat().st_size > 10_000
    text = (out / "study.md").read_text()
    assert "Limits" in text
    assert "figures/study-all.png" in text


def test_the_report_holds_what_was_run_and_names_what_was_not(finished: tuple[Path, list[str]]) -> None:
    out, arguments = finished
    assert cli.main(["report", *arguments]) == 0
    html = (out / "report.html").read_text()
    for heading in ("Recipe", "Data", "Training", "Evaluation"):
        assert f"<h2>{heading}</h2>" in html
    assert "data:image/png;base64," in html
    assert "<script" not in html
    assert "http" not in html
    after = (out / "report.md").read_text().split("## Not run")[1]
    assert "judge" in after
    assert "evaluation" not in after


def test_letters_are_asked_of_the_base_and_a_liking_for_one_is_taken_off(finished: tuple[Path, list[str]]) -> None:
    out, _ = finished
    task = TASKS["emotion"]
    (base,) = (out / "gguf").glob("*-base-F16.gguf")
    with LlamaWriter(base, threads=1, context=1024) as writer:
        plain = study.Asker(writer, task)
        values = plain.probabilities("The rain came early.")
        assert values.shape == (len(task.labels),)
        assert values.sum() == pytest.approx(1.0)
        # To a text without content the answer is: nothing known.
        free = np.mean([plain.probabilities(text) for text in study.CONTENT_FREE], 0)
        assert free == pytest.approx(np.full(len(task.labels), 1 / len(task.labels)), abs=0.05)
        shown = study.Asker(writer, task, [("A good day.", 0), ("A bad one.", 5)])
        roles = [role for role, _ in shown.messages("x")]
        assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
        assert [text for role, text in shown.messages("x") if role == "assistant"] == ["A", "F"]
        # Far too long a text keeps its end instead of failing.
        assert plain.probabilities("word " * 3000).sum() == pytest.approx(1.0)


def test_a_task_without_one_label_cannot_be_studied(
    finished: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    _, arguments = finished
    assert cli.main(["study", *arguments, "--task", "feelings"]) == 2
    assert "no task with one label" in capsys.readouterr().err
    assert cli.main(["study", *arguments, "--task", "isear"]) == 2
    assert "hold no isear" in capsys.readouterr().err


def test_fewer_rows_are_drawn_whatever_their_order() -> None:
    labels = TASKS["emotion"].labels
    in_turn = [Row("emotion", f"text {i}", "made", "published", label=labels[i % 6]) for i in range(240)]
    one_after_the_other = sorted(in_turn, key=lambda row: row.label)
    for rows in (in_turn, one_after_the_other):
        for count in (60, 200):
            found = study.sampled(rows, count, seed=3)
            assert len(found) == count
            assert {row.label for row in found} == set(labels)
            assert [rows.index(row) for row in found] == sorted(rows.index(row) for row in found)
            assert found == study.sampled(rows, count, seed=3)
    assert study.sampled(in_turn, 500, seed=3) == in_turn


def test_rolling_means_carry_over_gaps() -> None:
    every, means = study.rolling([0, 1, 40], np.array([[1.0], [0.0], [0.5]]), window=14)
    assert every.tolist() == list(range(41))
    assert means[0, 0] == 1.0
    assert means[1, 0] == 0.5
    assert means[20, 0] == means[14, 0]
    assert means[40, 0] == 0.5


def test_the_map_of_risk_is_the_published_one() -> None:
    assert {label: risk.level(label) for label in TASKS["emotion"].labels} == risk.RISK
    assert all(risk.level(label) in risk.LEVELS for label in TASKS["isear"].labels)
    values = np.array([[0.1, 0.1, 0.1, 0.1, 0.1, 0.5], [0.9, 0.1, 0.0, 0.0, 0.0, 0.0]])
    assert risk.high_score(TASKS["emotion"].labels, values) == pytest.approx([0.5, 0.0])
    truth = {"stress": np.array([1, 0, -1, 1, 0])}
    mapped = np.array([0.9, 0.2, 0.5, 0.8, 0.1])
    found = risk.beside_screens(mapped, {"stress": 1 - mapped}, truth)["stress"]
    assert found["rows"] == 4
    assert found["emotion_map"]["auroc"] == 1.0
    assert found["direct"]["auroc"] == 0.0
    assert found["correlation"] == pytest.approx(-1.0)


def test_runs_stand_side_by_side_and_other_data_is_never_better(
    finished: tuple[Path, list[str]], tmp_path: Path
) -> None:
    out, arguments = finished
    report = json.loads((out / "evaluate.json").read_text())
    better, other = tmp_path / "better", tmp_path / "other"
    for folder, name, data in ((better, "better", report["data_sha256"]), (other, "other", "another hash")):
        folder.mkdir()
        changed = json.loads(json.dumps(report)) | {"model": name, "data_sha256": data}
        for entry in changed["tasks"].values():
            entry |= {"macro_f1": 0.97, "macro_f1_ci95_low": 0.95}
        (folder / "evaluate.json").write_text(json.dumps(changed))
    assert cli.main(["compare", *arguments, str(out), str(better), str(other)]) == 0
    found = json.loads((out / "compare.json").read_text())
    assert found["comparable"] == [True, True, False]
    assert found["tasks"]["emotion"]["macro_f1"]["best"] == 1
    table = (out / "compare.md").read_text()
    assert "0.970 +" in table
    assert "0.970*" in table
    with pytest.raises(TrainerError, match=r"holds no evaluate\.json"):
        compare.load(tmp_path)


def test_a_torn_curve_is_drawn_as_far_as_it_goes(tmp_path: Path) -> None:
    curve, picture = tmp_path / "curve-finetune.jsonl", tmp_path / "curve.png"
    curve.write_text(
        '{"step": 1, "loss": 2.0, "lr": 0.1}\n{"step": 2, "loss": 1.5, "lr": 0.05, "eval_loss": 1.6}\n{"st'
    )
    assert figures.loss_curve(curve, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    curve.write_text('{"ste')
    assert not figures.loss_curve(curve, picture)


def test_a_page_escapes_what_it_is_given_and_says_what_is_missing(tmp_path: Path) -> None:
    html, markdown = tmp_path / "p.html", tmp_path / "p.md"
    blocks = [
        ("text", "<b>x</b>"),
        ("table", ["a"], [[0.12345], [None], [True], [12345]]),
        ("figure", tmp_path / "no.png", "Gone"),
    ]
    page.write_page(html, markdown, "T & U", blocks)
    text = html.read_text()
    assert "<b>" not in text
    assert "T &amp; U" in text
    assert "Missing picture: Gone" in text
    for cell in ("0.123", "<td>-</td>", "yes", "12,345"):
        assert cell in text
    with pytest.raises(TrainerError, match="no blocks of the kind"):
        page.write_page(html, markdown, "T", [("song", "la")])


def test_a_text_that_never_fits_ends_the_cutting() -> None:
    """Examples alone may fill the window; a text of one or two characters must still get shorter."""

    class Small:
        context = 4

        def prompt_ids(self, messages: list[tuple[str, str]]) -> list[int]:
            return [0] * 9

        def tokenise(self, text: str) -> list[int]:
            return [ord(text[-1])]

        def next_scores(self, ids: list[int]) -> np.ndarray:
            return np.zeros(128)

    asker = study.Asker(Small(), TASKS["stress"])  # pyright: ignore[reportArgumentType]
    assert asker.probabilities("ab") == pytest.approx([0.5, 0.5])
