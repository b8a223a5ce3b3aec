"""What a writer learns from: reflections alone, none of them held out, and what is set against them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

from journal_app.journal.output_check import check_output
from tests.support import writer_ground
from trainer import flaws, replying, tone
from trainer.config import FLAWS, REPLY_SOURCES, RecipeError, WriterConfig, load_recipe
from trainer.corpora import reflections
from trainer.corpora.files import CorpusError
from trainer.evaluation.replies import content_words
from trainer.leaks import Guard
from trainer.replying import Reply

SOURCES = tuple(name for name in REPLY_SOURCES if name != "written")
CONFIG = WriterConfig(replies=dict.fromkeys(SOURCES, 1.0))
ENTRY = "I watered the garden until it was dark and my sister never called."
GOOD = "You watered the garden until dark, and the call from your sister never came."


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    writer_ground.write_corpora(folder)
    return folder


@pytest.fixture(scope="module")
def train(data: Path) -> replying.Collected:
    return replying.collect(data, CONFIG, "train", None)


# -- tone ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "advice", "comfort", "own"),
    [
        (GOOD, False, False, False),
        ("You should call her first.", True, False, False),
        ("It sounds lonely. Try a walk tomorrow.", True, False, False),
        ("You feel you should have called.", False, False, False),
        ("You try hard and nobody sees it.", False, False, False),
        ("Things will get better soon.", False, True, False),
        ("Everything is falling apart at once for you.", False, False, False),
        ("I have been there, my sister was the same.", False, False, True),
        ("I hear how long the evening was, and I'm sorry.", False, False, False),
    ],
)
def test_what_a_reply_does_is_told_by_its_words(text: str, advice: bool, comfort: bool, own: bool) -> None:
    assert (tone.advises(text), tone.reassures(text), tone.speaks_of_itself(text)) == (advice, comfort, own)


def test_korean_orders_and_futures_are_told_too() -> None:
    assert tone.advises("먼저 연락해 보세요.", "ko")
    assert tone.reassures("곧 좋은 사람이 생길 거예요.", "ko")
    assert not tone.reassures("마음이 순수한 거예요.", "ko")
    assert not tone.advises("많이 속상하셨겠어요.", "ko")


def test_the_first_person_becomes_the_second() -> None:
    assert tone.second_person("i am tired. my sister told me I was late, was I? We've lost mine") == (
        "You are tired. Your sister told you you were late, were you? You've lost yours"
    )


# -- what is learned --------------------------------------------------------------------------


def test_every_source_gives_replies_that_the_app_would_show(train: replying.Collected) -> None:
    assert {reply.source for reply in train.replies} == set(SOURCES)
    for reply in train.replies:
        assert check_output(reply.text, reply.entry, reply.language).ok
        assert not tone.advises(reply.text, reply.language)
        assert reply.language == ("ko" if reply.source == "chatbot_ko" else "en")
        if reply.language == "en":
            assert content_words(reply.entry) & content_words(reply.text)
    for name, counts in train.counts.items():
        assert counts["read"] == sum(counts.values()) - counts["read"], name


def test_a_conversation_gives_what_its_own_labels_call_a_reflection(data: Path, train: replying.Collected) -> None:
    of = {name: [r for r in train.replies if r.source == name] for name in SOURCES}
    # The question after a reflection stays, the suggestion after it and the reassurance do not.
    assert all(r.text.endswith("What would you have said to them?") for r in of["esconv"])
    # A filler is cut off, what breaks off and what is marked as poor is left out.
    assert all(r.text.startswith("The ") for r in of["annomi"])
    poor = sum(record.values["quality"] == "low" for record in replying.KNOWN["annomi"].records(data, "train"))
    assert poor > 0
    assert train.counts["annomi"]["read"] == 15 - poor
    assert train.counts["counselchat"]["reply too long"] > 0
    assert all(r.text.startswith("You are worn out") and "matters to you" in r.text for r in of["positive_frames"])
    assert all(r.worse for r in of["pair_reflections"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"text": "You should water the garden earlier."}, "advice"),
        ({"text": "Your garden will thank you, and everything will be fine."}, "reassurance"),
        ({"text": "My own garden never gets you anywhere."}, "speaks of itself"),
        ({"text": "You were waiting for something that did not come."}, "takes up no word of the entry"),
        ({"text": ENTRY.replace("I ", "You and I ")}, "speaks of itself"),
        ({"text": "So I watered the garden until it was dark and you know."}, "speaks of itself"),
        ({"text": "The garden, dark."}, "not said to a person about what they wrote"),
        ({"text": "Thank you, the garden is something you care for."}, "not said to a person about what they wrote"),
        ({"text": f"{GOOD} " * 8}, "reply too long"),
        ({"entry": "The garden."}, "entry too short"),
        ({"entry": "I want to die and I watered the garden to say goodbye to it."}, "help level"),
        ({"text": "You said: watered the garden until it was dark and my sister never called."}, "speaks of itself"),
        ({}, ""),
    ],
)
def test_what_is_no_reflection_is_left_out(changes: dict[str, str], reason: str) -> None:
    assert replying.unfit(replace(Reply("esconv", ENTRY, GOOD), **changes), CONFIG) == reason


def test_words_said_back_are_left_out_as_copied() -> None:
    said = "Nobody came to the orchard on the day before the long storm, and it was quiet."
    told = "Nobody came to the orchard on the day before the long storm for you."
    assert replying.unfit(Reply("esconv", said, told), CONFIG) == "output check: copied"


def test_nothing_that_is_held_out_anywhere_is_learned(data: Path, train: replying.Collected) -> None:
    guard = Guard(5, 0.7)
    pair, dialogue = (next(r for r in train.replies if r.source == name) for name in ("pair_reflections", "esconv"))
    guard.add([("test", pair.entry), ("valid", dialogue.probes[0])])
    again = replying.collect(data, CONFIG, "train", guard)
    assert pair.entry not in {r.entry for r in again.replies}
    assert not any(r.probes == dialogue.probes for r in again.replies)
    assert again.counts["pair_reflections"]["exact copy of a held-out text"] > 0
    with pytest.raises(ValueError, match="test"):
        replying.collect(data, CONFIG, "test", None)


def test_our_own_pairs_are_learned_from_their_file_and_the_held_ones_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = reflections.held()
    assert len(held) == 100
    config = WriterConfig(replies={"written": 1.0})
    monkeypatch.setattr(reflections, "FOLDER", tmp_path)
    with pytest.raises(CorpusError, match="no reflections"):
        replying.collect(None, config, "train", None)
    (tmp_path / "train.jsonl").write_text(f'{{"id": "a", "entry": "{ENTRY}", "reflection": "{GOOD}"}}\n', "utf-8")
    assert [r.text for r in replying.collect(None, config, "train", None).replies] == [GOOD]
    assert replying.collect(None, config, "valid", None).replies == []
    guard = Guard(5, 0.7)
    guard.add([("test", ENTRY)])
    assert replying.collect(None, config, "train", guard).replies == []
    (tmp_path / "train.jsonl").write_text('{"id": "a", "entry": "", "reflection": "x"}\n', "utf-8")
    with pytest.raises(CorpusError, match="line 1"):
        replying.collect(None, config, "train", None)


# -- what is set against it -------------------------------------------------------------------------


def test_pairs_hold_every_flaw_and_are_the_same_again(data: Path, train: replying.Collected) -> None:
    spoil = flaws.spoilers(data, CONFIG, "train")
    found = flaws.pairs(train.replies, spoil, CONFIG, 4)
    assert found == flaws.pairs(train.replies, spoil, CONFIG, 4)
    assert found != flaws.pairs(train.replies, spoil, CONFIG, 5)
    kinds = Counter(example.label for example in found)
    assert set(kinds) == {*FLAWS, ""} - ({"off_topic"} if not kinds["off_topic"] else set())
    # The worse replies of PAIR come as they are, one pair each.
    good = {r.text for r in train.replies}
    assert kinds[""] == 3 * sum(r.source == "pair_reflections" for r in train.replies)
    assert all(e.task == "preference" and e.chosen in good and e.rejected != e.chosen for e in found)
    assert {e.source for e in found} == {"pair_reflections", "esconv", "annomi"}
    assert "You should tell them about it tonight." in spoil.advice
    assert "Don't worry, they will understand you soon." in spoil.reassurance
    # Without the corpus as a source none of its words is used.
    assert flaws.spoilers(data, WriterConfig(replies={"annomi": 1.0}), "train") == flaws.Spoilers()


def test_a_flaw_is_one() -> None:
    other = Reply("annomi", "The violin lesson ended early.", "You left the violin lesson early today.")
    reply = Reply("annomi", ENTRY, GOOD)
    for seed in range(40):
        rng = random.Random(seed)
        assert tone.advises(flaws.flawed("advice", reply, [reply, other], flaws.Spoilers(), rng))
        spoilt = flaws.flawed("reassurance", reply, [reply, other], flaws.Spoilers(), rng)
        assert tone.reassures(spoilt), spoilt
        assert flaws.flawed("off_topic", reply, [reply, other], flaws.Spoilers(), rng) == other.text
        echo = flaws.flawed("parroting", reply, [reply, other], flaws.Spoilers(), rng)
        assert len(content_words(echo) & content_words(ENTRY)) >= 2
        assert flaws.flawed("medical", reply, [reply, other], flaws.Spoilers(), rng) not in ("", GOOD)
    assert flaws.flawed("off_topic", reply, [reply], flaws.Spoilers(), random.Random(0)) == ""
    with pytest.raises(ValueError, match="rude"):
        flaws.flawed("rude", reply, [], flaws.Spoilers(), random.Random(0))


def test_a_flaw_of_no_weight_is_not_made(train: replying.Collected) -> None:
    config = replace(CONFIG, flaws={"medical": 1.0, "advice": 0.0}, flawed=5)
    assert {e.label for e in flaws.pairs(train.replies, flaws.Spoilers(), config, 0)} == {"", "medical"}


# -- the recipe ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("[writer.replies]\nesconf = 1.0", "writer.replies: not known: esconf"),
        ("[writer.flaws]\nrude = 1.0", "writer.flaws: not known: rude"),
        ("[writer.feelings]\nkotte = 1.0", "writer.feelings: not known: kotte"),
        ("[writer.replies]\nesconv = -1.0", "writer.replies.esconv must be"),
        ("[writer]\nbatch = 0", "writer.batch"),
        ("[writer]\nreplys = 2", "unknown key: writer.replys"),
    ],
)
def test_a_misspelt_recipe_is_refused(tmp_path: Path, section: str, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(f'name = "a"\nkind = "decoder"\nlicence = "x"\n{section}\n')
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)
