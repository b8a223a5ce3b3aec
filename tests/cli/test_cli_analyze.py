"""``quietpage analyze``: one text, many texts, and texts that are not."""

from __future__ import annotations

import json
import stat

import pytest

from journal_app.contract.tasks import BANDS, CRISIS_LEVELS
from journal_app.inference.engine import ModelCrashed, ModelError
from tests.support.fake_reader import FakeReader

KEYS = {
    "id", "model", "seconds", "readable", "language", "tasks", "stress_band", "low_mood_band", "crisis_level",
    "feelings_shown", "themes_shown", "reflection",
}  # fmt: skip


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_one_file(cli, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("I laughed in the sunny garden. Then the deadline pressure came back.", "utf-8")
    value = cli("analyze", str(path), "--json", vaultless=True).json
    assert set(value) >= KEYS
    assert value["id"] == "letter.txt"
    assert value["readable"] is True
    assert value["tasks"]["stress"]["yes"] + value["tasks"]["stress"]["no"] == pytest.approx(1, abs=1e-4)
    for items in value["evidence"].values():
        assert all(0 <= item["start"] < item["end"] for item in items)
    told = cli("analyze", str(path), vaultless=True)
    assert "not a diagnosis" in told.out
    assert set(value["reflection"]) == {"id", "technique", "text", "question"}
    assert value["reflection"]["text"] in told.out
    assert not list(tmp_path.glob("**/keys.json"))


def test_standard_input_and_a_text_that_is_not_read(cli):
    value = cli("analyze", "-", "--json", vaultless=True, stdin="비가 왔다.").json
    assert (value["id"], value["readable"], value["tasks"]) == (None, False, {})
    assert (value["stress_band"], value["low_mood_band"]) == ("unsure", "unsure")
    assert cli("analyze", "-", vaultless=True, stdin="비가 왔다.").code == 0
    empty = cli("analyze", "-", "--json", vaultless=True, stdin="").json
    assert (empty["readable"], empty["reflection"]) == (False, None)


def test_many(cli, tmp_path):
    ids = [7, "seven", None, 1.5, True, ["a", {"b": 1}], {"k": "한"}, 10**30, -0.0]
    source, result = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(
        "".join(json.dumps({"id": i, "text": "I was tired and angry."}, ensure_ascii=False) + "\n" for i in ids),
        "utf-8",
    )
    done = cli("analyze", "--jsonl", str(source), "--out", str(result), vaultless=True)
    assert (done.code, done.out, done.err) == (0, "", "")
    found = lines(result)
    assert [line["id"] for line in found] == ids
    for line in found:
        assert set(line) == KEYS
        assert line["stress_band"] in BANDS
        assert line["low_mood_band"] in BANDS
        assert line["crisis_level"] in CRISIS_LEVELS
        assert line["seconds"] >= 0
    shown = [line["reflection"]["id"] for line in found]
    assert len(set(shown)) == len(shown), "as in a journal, one that was shown lately is not shown again"
    assert stat.S_IMODE(result.stat().st_mode) == 0o600
    piped = cli("analyze", "--jsonl", "-", vaultless=True, stdin=source.read_bytes())
    assert [json.loads(line)["id"] for line in piped.out.splitlines()] == ids


def test_malformed_lines_are_reported_and_the_rest_is_done(cli, tmp_path):
    source, result = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    good = json.dumps({"id": "good", "text": "A calm day."}).encode()
    deep = b"[" * 100_000
    rows = [
        good, b"not json", b'{"id": 3}', b'{"id": 4, "text": 5}', b'["id", "text"]', b"\xff\xfe\x00", b"", b"   ", deep,
        b'{"id": NaN, "text": "x"}', b'{"id": 1e999, "text": "x"}', b'{"text": "no id"}', b"\xef\xbb\xbf" + good,
        b'{"id": "lone \\ud800", "text": "a lone \\ud800 surrogate and \\u0000"}', good,
    ]  # fmt: skip
    source.write_bytes(b"\n".join(rows))
    done = cli("analyze", "--jsonl", str(source), "--out", str(result), vaultless=True)
    assert done.code == 2
    found = lines(result)
    assert len(found) == len(rows) - 2
    errors = {line["line"]: line for line in found if "error" in line}
    assert sorted(errors) == [2, 3, 4, 5, 6, 9, 10, 11]
    assert errors[3]["id"] == 3
    assert errors[4]["id"] == 4
    assert all(f"line {number}:" in done.err for number in errors)
    assert [line["id"] for line in found if "error" not in line] == ["good", None, "good", "lone \ud800", "good"]
    assert "not json" not in done.err.replace("is not JSON", "")


def test_result_and_source_problems(cli, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": 1, "text": "x"}\n')
    assert cli("analyze", "--jsonl", str(source), "--out", str(source), vaultless=True).code == 2
    assert source.read_text() == '{"id": 1, "text": "x"}\n'
    assert cli("analyze", "--jsonl", str(tmp_path / "gone"), vaultless=True).code == 2
    assert cli("analyze", "--jsonl", str(source), "--out", str(tmp_path / "no" / "out"), vaultless=True).code == 2
    assert cli("analyze", str(tmp_path / "gone.txt"), vaultless=True).code == 2


def test_a_model_that_cannot_be_loaded(cli, tmp_path):
    class Broken(FakeReader):
        def info(self):
            raise ModelError("The model is damaged.")

    source, result = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1, "text": "x"}\n')
    result.write_text("kept")
    cli.reader = lambda name, threads: Broken()
    done = cli("analyze", "--jsonl", str(source), "--out", str(result), vaultless=True)
    assert done.code == 9
    assert "damaged" in done.err
    assert result.read_text() == "kept"
    assert cli("analyze", "--model", "no such model", str(source), vaultless=True).code == 9


def test_a_model_that_crashes_on_one_text(cli, tmp_path):
    class Fragile(FakeReader):
        crashes = 0

        def read(self, texts, *, evidence=True):
            if "boulder" in texts[0] or ("pebble" in texts[0] and not self.crashes):
                self.crashes += 1
                raise ModelCrashed("The model stopped.")
            return super().read(texts, evidence=evidence)

    source = tmp_path / "in.jsonl"
    source.write_text(
        "".join(json.dumps({"id": w, "text": f"A {w} by the calm sea."}) + "\n" for w in ("pebble", "boulder", "shell"))
    )
    cli.reader = lambda name, threads: Fragile()
    done = cli("analyze", "--jsonl", str(source), vaultless=True)
    assert done.code == 2
    found = [json.loads(line) for line in done.out.splitlines()]
    assert ["error" in line for line in found] == [False, True, False]


def test_names_and_threads_reach_the_model(cli, tmp_path):
    asked = []
    cli.reader = lambda name, threads: (asked.append((name, threads)), FakeReader())[1]
    cli("analyze", "-", "--model", "another", "--threads", "3", vaultless=True, stdin="A calm day.")
    assert asked == [("another", 3)]
