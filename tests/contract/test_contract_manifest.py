"""The manifest and the heads: what goes in comes out, and nothing hostile gets past."""

from __future__ import annotations

import array
import base64
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal_app.contract.manifest import (
    MAX_MANIFEST_BYTES,
    BandRule,
    Calibration,
    Head,
    Manifest,
    ManifestError,
    heads_from_json,
    heads_to_json,
)
from journal_app.contract.tasks import CONTRACT_VERSION, FEELINGS, TASKS

FULL = Manifest(
    name="reader",
    kind="encoder",
    tasks={name: task.labels for name, task in TASKS.items()},
    calibration={"stress": Calibration((0.7,), (0.1, -0.1)), "feelings": Calibration((1.5,) * 16, (0.2,) * 16)},
    bands={"stress": BandRule(0.3, 0.6, 0.05, 8), "low_mood": BandRule(0.2, 0.5)},
    crisis_threshold=0.8,
    feelings_thresholds={"joy": 0.4},
    languages=("en", "ko"),
    max_tokens=256,
    may_generate=True,
    evaluation={"stress": {"macro_f1": 0.75}},
    training_data=[{"name": "set", "licence": "MIT", "rows": 5}],
    licence="LICENSE-WEIGHTS.md",
    tensors_sha256="ab" * 32,
    created="2026-01-31",
)


def raw(**changes: Any) -> str:
    return json.dumps(json.loads(FULL.to_json()) | changes)


def rule(**changes: Any) -> dict[str, Any]:
    return {"some": 0.3, "many": 0.6, "unsure": 0.05, "min_words": 5} | changes


def test_round_trip() -> None:
    assert Manifest.from_json(FULL.to_json()) == FULL
    assert Manifest.from_json(FULL.to_json()).to_json() == FULL.to_json()


@given(
    st.dictionaries(st.sampled_from(sorted(TASKS)), st.none()),
    st.floats(0.01, 10),
    st.floats(-10, 10),
    st.text(alphabet=st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30),
    st.integers(16, 131_072),
)
def test_any_valid_manifest_round_trips(
    chosen: dict[str, None], scale: float, bias: float, name: str, size: int
) -> None:
    tasks = {task: TASKS[task].labels for task in chosen}
    manifest = Manifest(
        name=name,
        kind="decoder",
        tasks=tasks,
        calibration={task: Calibration((scale,), (bias,) * len(labels)) for task, labels in tasks.items()},
        template="quietpage",
        max_tokens=size,
    )
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "5",
        '"text"',
        "{",
        "[" * 200_000,
        '{"a":' * 200_000,
        " " * (MAX_MANIFEST_BYTES + 1),
        raw(name=5),
        raw(kind=None),
        raw(kind="both"),
        raw(contract_version=CONTRACT_VERSION + 1),
        raw(contract_version="x"),
        raw(contract_version=math.inf),
        raw(max_tokens=math.inf),
        raw(max_tokens=math.nan),
        raw(max_tokens=0),
        raw(max_tokens=10**9),
        raw(tasks=[]),
        raw(tasks={"stress": "yes"}),
        raw(tasks={"unknown": ["yes", "no"]}),
        raw(tasks={"stress": []}),
        raw(tasks={"stress": ["no", "yes"]}),
        raw(tasks={"stress": ["yes"]}),
        raw(tasks={"stress": ["yes", "no", "yes"]}),
        raw(tasks={"feelings": ["joy", "joy"]}, calibration={}),
        raw(tasks={"feelings": ["joy", "bliss"]}, calibration={}),
        raw(calibration={"stress": {"scale": [1.0, 1.0, 1.0], "bias": []}}),
        raw(calibration={"stress": {"scale": [], "bias": []}}),
        raw(calibration={"stress": {"scale": [1.0], "bias": [0.0]}}),
        raw(calibration={"stress": {"scale": [math.nan], "bias": []}}),
        raw(calibration={"stress": {"scale": [1.0], "bias": [math.inf, 0.0]}}),
        raw(calibration={"nothing": {"scale": [1.0], "bias": []}}),
        raw(calibration={"stress": {"scale": "12", "bias": []}}),
        raw(crisis_threshold=math.nan),
        raw(crisis_threshold=None),
        raw(feelings_thresholds={"joy": math.nan}),
        raw(bands={"stress": {"some": 0.1, "many": math.nan, "unsure": 0, "min_words": 1}}),
        raw(bands={"stress": {"some": 0.1, "many": 0.5, "unsure": 0, "min_words": math.inf}}),
        raw(bands={"stress": {"some": 0.1}}),
        raw(bands={"stress": []}),
        raw(languages="en"),
        raw(languages=[1]),
        raw(evaluation=5),
        raw(training_data="text"),
        raw(training_data=[5]),
        raw(name=""),
        raw(name="  "),
        raw(name="a" * 201),
        raw(name="two\nlines"),
        raw(name="\x1b[31mred"),
        raw(name="turned \u202e round"),
        raw(licence="a" * 201),
        raw(licence="a\0b"),
        raw(created="2026\n"),
        raw(template="a\tb"),
        raw(languages=["en\n"]),
        raw(languages=["e" * 201]),
        raw(crisis_threshold=2.0),
        raw(crisis_threshold=1.0001),
        raw(crisis_threshold=0.0),
        raw(crisis_threshold=-1),
        raw(bands={"stress": rule(some=0.7, many=0.6)}),
        raw(bands={"stress": rule(some=-0.1)}),
        raw(bands={"stress": rule(many=1.5)}),
        raw(bands={"stress": rule(unsure=-0.1)}),
        raw(bands={"stress": rule(unsure=1.5)}),
        raw(bands={"stress": rule(min_words=-1)}),
        raw(bands={"joy": rule()}),
        raw(bands={"": rule()}),
        raw(feelings_thresholds={"bliss": 0.5}),
        raw(feelings_thresholds={"joy": -0.1}),
        raw(feelings_thresholds={"joy": 1.1}),
        raw(evaluation={"stress": math.nan}),
    ],
    ids=lambda text: text[:24] + f"…{len(text)}",
)
def test_hostile_manifests_are_refused_with_one_kind_of_error(text: str) -> None:
    with pytest.raises(ManifestError) as error:
        Manifest.from_json(text)
    assert len(str(error.value)) < 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(json.loads(FULL.to_json()))), JSON)
def test_no_value_anywhere_raises_anything_else(key: str, value: Any) -> None:
    try:
        manifest = Manifest.from_json(raw(**{key: value}))
    except ManifestError:
        return
    assert Manifest.from_json(manifest.to_json()) == manifest


@given(st.sampled_from(sorted(json.loads(FULL.to_json()).keys() - {"themes_thresholds"})))
def test_every_key_is_needed(key: str) -> None:
    left = json.loads(FULL.to_json())
    del left[key]
    with pytest.raises(ManifestError, match="malformed"):
        Manifest.from_json(json.dumps(left))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "읽는 모델 1"},
        {"name": "a" * 200},
        {"crisis_threshold": 1.0},
        {"crisis_threshold": 0.01},
        {"bands": {"low_mood": rule(some=0.6, many=0.6, unsure=0.0, min_words=0)}},
        {"bands": {"stress": rule(some=0.0, many=1.0)}},
        {"feelings_thresholds": {"joy": 0.0, "calm": 1.0}},
    ],
    ids=str,
)
def test_the_edges_of_what_is_allowed_are_allowed(changes: dict[str, Any]) -> None:
    assert Manifest.from_json(raw(**changes)).check() is None


def test_may_generate_only_for_true() -> None:
    assert not Manifest.from_json(raw(may_generate=1)).may_generate
    assert not Manifest.from_json(raw(may_generate="yes")).may_generate


def test_a_multilabel_task_may_have_fewer_labels() -> None:
    manifest = replace(FULL, tasks={"feelings": FEELINGS[:3]}, calibration={})
    assert Manifest.from_json(manifest.to_json()).tasks == {"feelings": FEELINGS[:3]}


def test_a_manifest_of_before_themes_had_thresholds_is_read() -> None:
    left = json.loads(FULL.to_json())
    del left["themes_thresholds"]
    assert Manifest.from_json(json.dumps(left)).themes_thresholds == {}


@pytest.mark.parametrize("thresholds", [{"joy": 0.5}, {"work": 1.5}, {"work": "0.5"}])
def test_thresholds_of_themes_are_checked(thresholds: dict[str, object]) -> None:
    left = json.loads(FULL.to_json()) | {"themes_thresholds": thresholds}
    with pytest.raises(ManifestError):
        Manifest.from_json(json.dumps(left))


# --- heads -------------------------------------------------------------------------------------

SMALL = Manifest("m", "encoder", tasks={"stress": ("yes", "no"), "severity": TASKS["severity"].labels})


def heads(width: int = 3) -> dict[str, Head]:
    return {
        name: Head(
            array.array("f", [0.5 * i for i in range(len(labels) * width)]), array.array("f", range(len(labels)))
        )
        for name, labels in SMALL.tasks.items()
    }


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=6, max_size=6))
def test_heads_round_trip_bit_for_bit(values: list[float]) -> None:
    given_heads = heads() | {"stress": Head(array.array("f", values), array.array("f", values[:2]))}
    assert heads_from_json(heads_to_json(given_heads), SMALL, 3) == given_heads


def test_head_bytes_are_little_endian_float32() -> None:
    packed = json.loads(heads_to_json({"stress": Head(array.array("f", [1.0]), array.array("f", [-2.0]))}))
    assert base64.b64decode(packed["stress"]["weight"]) == b"\x00\x00\x80\x3f"
    assert base64.b64decode(packed["stress"]["bias"]) == b"\x00\x00\x00\xc0"


def broken(task: str = "stress", **changes: Any) -> str:
    packed = json.loads(heads_to_json(heads()))
    packed[task] |= changes
    return json.dumps(packed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        "[" * 200_000,
        " " * (MAX_MANIFEST_BYTES + 1),
        json.dumps({"stress": 5}),
        broken(weight=5),
        broken(weight="not base64!"),
        broken(weight="AAA="),
        broken(weight=""),
        broken(bias=base64.b64encode(b"\0" * 12).decode()),
        broken(weight=base64.b64encode(b"\0" * 20).decode()),
        broken(weight=base64.b64encode(array.array("f", [math.nan] * 6).tobytes()).decode()),
        broken(bias=base64.b64encode(array.array("f", [math.inf] * 2).tobytes()).decode()),
        broken(weight="é" * 8),
    ],
    ids=lambda text: text[:24] + f"…{len(text)}",
)
def test_hostile_heads_are_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        heads_from_json(text, SMALL, 3)


def test_heads_of_another_width_are_refused() -> None:
    with pytest.raises(ManifestError, match="wrong size"):
        heads_from_json(heads_to_json(heads(3)), SMALL, 4)
