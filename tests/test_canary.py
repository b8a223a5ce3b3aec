"""The search for words and keys in plain sight: proofs that it would notice, and a small run of the real programs."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import reports
from scripts.canary_scan import PIECE, Haystack, Hit, Secret, chinese, english, forms, korean, missed, plant

if sys.platform != "linux":
    pytest.skip("every write can be seen on Linux only", allow_module_level=True)

from scripts import canary
from scripts.canary import Home, Outcome, Recording
from tests.support import recorder

TEXTS = [Secret("English word", english().title()), Secret("Korean word", korean()), Secret("Chinese word", chinese())]
KEY = Secret("data key", os.urandom(32))
PHRASE = Secret("passphrase", "Four Words of A Test?>~")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "user", {})


def kinds(hits: list[Hit]) -> set[str]:
    return {hit.secret for hit in hits}


# --- the search ----------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [*TEXTS, KEY, PHRASE], ids=lambda secret: secret.kind)
def test_every_form_is_found_wherever_it_stands(secret: Secret) -> None:
    assert missed([secret]) == []


def test_the_proof_would_notice_a_form_that_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts import canary_scan

    def without_utf16(secret: Secret) -> dict[str, set[bytes]]:
        return {name: found for name, found in forms(secret).items() if name != "UTF-16-BE"}

    monkeypatch.setattr(canary_scan, "forms", without_utf16)
    assert any("utf-16-be" in name for name in missed([TEXTS[1]]))


def test_noise_and_other_words_are_no_hits() -> None:
    stack = Haystack()
    stack.add(random.randbytes(4 * PIECE), "noise")
    for written in plant(english()).values():
        stack.add(written, "planted")
    stack.add(korean().encode() + os.urandom(32).hex().encode(), "planted")
    assert stack.search([*TEXTS, KEY, PHRASE]) == []


def test_a_secret_too_short_to_mean_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Haystack().search([Secret("word", "of")])


def test_repetitions_are_searched_once() -> None:
    stack, data = Haystack(), random.randbytes(3 * PIECE)
    for _ in range(5):
        stack.add(data, "journal")
    assert stack.bytes_given == 5 * len(data)
    assert stack.bytes_distinct < 1.1 * len(data)


# --- files ---------------------------------------------------------------------------------------


def test_a_planted_file_of_every_form_is_found_on_the_disk(home: Home) -> None:
    for number, secret in enumerate([*TEXTS, KEY]):
        for index, written in enumerate(plant(secret.value).values()):
            (home.root / "home" / f"{number}-{index}").write_bytes(random.randbytes(500) + written)
        before = {hit.form for hit in home.stack.search([secret])}
        home.look()
        found = {hit.form for hit in home.stack.search([secret])} - before
        assert found >= set(forms(secret)) - {"hex in UTF-16"}


def test_names_of_files_and_links_are_searched_too(home: Home) -> None:
    word, other = TEXTS[0], TEXTS[1]
    (home.root / "tmp" / f"{word.value}.txt").write_text("nothing")
    (home.root / "home" / "link").symlink_to(f"/{other.value}")
    home.look()
    assert {(hit.secret, hit.where) for hit in home.stack.search([word, other])} == {
        ("English word", "temporary, its name"),
        ("Korean word", "other"),
    }


def test_a_state_of_a_file_that_is_gone_was_seen(home: Home) -> None:
    with home:
        place = home.root / "home" / ".cache" / "thumbnails" / "one.png"
        place.parent.mkdir(parents=True)
        place.write_text(str(TEXTS[2].value))
        time.sleep(4 * canary.LOOK_EVERY_S)
        place.unlink()
    assert home.stack.search([TEXTS[2]]) == [Hit("Chinese word", "UTF-8", "thumbnails")]


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("home/.local/share/recently-used.xbel", "recent files"),
        ("home/.local/share/quiet-page/journal/journal.qpv-wal", "journal, log"),
        ("home/.local/share/quiet-page/journal/backups/2026-01-01-day/journal.qpv", "backup"),
        ("home/.cache/matplotlib/fontlist.json", "matplotlib's cache"),
        ("home/.cache/fontconfig/x.cache-9", "fontconfig's cache"),
        ("home/.config/QtProject.conf", "Qt's settings"),
        ("tmp/anything.log", "temporary"),
        ("home/core.1234", "other"),
    ],
)
def test_kinds_of_files_are_named_without_their_place(place: str, kind: str) -> None:
    assert canary.kind_of(f"/r/{place}", "/r") == kind
    assert canary.kind_of("/var/tmp/x", "/r") == "outside the home: other"


# --- writes --------------------------------------------------------------------------------------


def recorded_home(tmp_path: Path) -> tuple[Home, Recording]:
    recording = Recording(tmp_path)
    return Home(tmp_path / "user", recording.environment()), recording


def outcome_of(home: Home, recording: Recording, secrets: list[Secret]) -> Outcome:
    recorded = recording.give_to(home)
    home.models[1] = "0 0"
    return Outcome(home.stack.search(secrets), home, recorded, 1, [], secrets, None, 0.0)


def child(home: Home, code: str, *given: str) -> None:
    command = [sys.executable, "-c", code, *given]
    subprocess.run(command, env=home.environment, cwd=home.root / "work", check=True, timeout=60)


def test_a_file_that_a_child_deletes_at_once_is_caught(tmp_path: Path) -> None:
    home, recording = recorded_home(tmp_path)
    for place in (home.root / "tmp" / "gone", tmp_path / "gone-too"):
        canary.leak(home, place, str(TEXTS[1].value))
        assert not place.exists()
    home.look()
    assert home.stack.search(TEXTS) == [], "it is seen in the record alone"
    recorded = recording.give_to(home)
    assert {(hit.secret, hit.where) for hit in home.stack.search(TEXTS)} == {
        ("Korean word", "temporary"),
        ("Korean word", "outside the home: other"),
    }
    assert recorded.files_deleted == 2
    assert recorded.writes >= 2


def test_a_word_in_a_grandchild_or_across_two_writes_is_caught(tmp_path: Path) -> None:
    home, recording = recorded_home(tmp_path)
    code = """
import os, subprocess, sys, tempfile
if len(sys.argv) == 3:
    sys.exit(subprocess.call([sys.executable, "-c", sys.argv[2], sys.argv[1]]))
with tempfile.TemporaryFile(buffering=0) as file:  # it never has a name
    data = sys.argv[1].encode("utf-16-le")
    for at in range(0, len(data), 5):
        file.write(data[at : at + 5])
"""
    word = str(TEXTS[0].value)
    child(home, code, word, code)
    recording.give_to(home)
    assert [(hit.secret, hit.form) for hit in home.stack.search(TEXTS)] == [("English word", "UTF-16-LE")]


def test_a_hit_is_told_by_kind_and_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reports, "ROOT", tmp_path)
    monkeypatch.setattr(reports, "REPORTS", tmp_path / "reports")
    home, recording = recorded_home(tmp_path)
    canary.leak(home, home.root / "tmp" / "words.txt", str(TEXTS[2].value))
    outcome = outcome_of(home, recording, TEXTS)
    assert canary.report(outcome) == 1
    said = capsys.readouterr()
    assert "Found: Chinese word, as UTF-8, in: temporary" in said.err
    written = (reports.REPORTS / "canary.json").read_text("utf-8")
    for text in (said.out + said.err, written):
        assert not any(str(secret.value) in text for secret in TEXTS)
        assert "words.txt" not in text
        assert str(tmp_path) not in text
    figures = json.loads(written)
    assert figures["hits"] == 1
    assert figures["found"] == [{"secret": "Chinese word", "form": "UTF-8", "where": "temporary"}]


def test_a_run_that_saw_too_little_fails_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "ROOT", tmp_path)
    monkeypatch.setattr(reports, "REPORTS", tmp_path / "reports")
    home, recording = recorded_home(tmp_path)
    blind = outcome_of(home, recording, TEXTS)
    assert canary.report(blind) == 1, "nothing was recorded"
    child(home, "open('x', 'w').write('nothing')")
    seeing = outcome_of(home, recording, TEXTS)
    assert canary.report(seeing) == 0
    assert canary.report(replace(seeing, missed=["something"])) == 1
    home.models[2] = "unlimited unlimited"
    assert canary.report(seeing) == 1, "a process of the model that may write"
    home.models[2] = "0 0"
    home.unrecorded[77, "other"] = 2
    assert canary.report(seeing) == 1, "a process that was not recorded"
    home.unrecorded.clear()
    home.models.clear()
    assert canary.report(seeing) == 1, "no process of the model was met"


def test_what_strace_saw_of_the_model_is_counted() -> None:
    log = """\
12 openat(AT_FDCWD</>, "/usr/lib/x.so", O_RDONLY|O_CLOEXEC) = 3</usr/lib/x.so>
12 openat(AT_FDCWD</>, "/dev/null", O_RDWR|O_CLOEXEC) = 3</dev/null>
12 write(5<pipe:[77]>, ""..., 200) = 200
12 write(2</dev/null>, ""..., 20) = 20
13 openat(AT_FDCWD</>, "/tmp/x", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3</tmp/x>
13 pwrite64(3</tmp/x>, ""..., 20, 0) = 20
13 ftruncate(3</tmp/x>, 0) = 0
"""
    assert canary._traced(log) == canary.ModelTrace(1, 2, 1)


# --- the programs --------------------------------------------------------------------------------


@pytest.mark.gui
@pytest.mark.llm
def test_the_programs_leave_no_word_and_no_key(tmp_path: Path) -> None:
    recorder.build(tmp_path)  # skips without a compiler
    outcome = canary.run(small=True)
    assert outcome.missed == []
    assert outcome.hits == []
    assert set(outcome.home.models.values()) == {"0 0"}
    assert set(outcome.home.not_recorded) <= {"model"}
    assert {"journal", "journal, log", "backup", "key file"} <= set(outcome.home.seen.values())
    assert outcome.recorded.bytes > 100_000
    assert {secret.kind for secret in outcome.secrets} >= {"data key", "recovery code", "passphrase", "picture"}


@pytest.mark.gui
@pytest.mark.llm
@pytest.mark.slow
def test_the_programs_leave_nothing_with_charts_keys_and_commands(tmp_path: Path) -> None:
    recorder.build(tmp_path)
    outcome = canary.run()
    assert outcome.missed == []
    assert outcome.hits == []
    assert "matplotlib's cache" in outcome.home.seen.values()
    assert sum(secret.kind == "data key" for secret in outcome.secrets) == 2
