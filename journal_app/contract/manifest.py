"""What a model says of itself, kept in the GGUF's own metadata.

String keys are added to a GGUF that follows the contract:

* ``quietpage.manifest``: the :class:`Manifest` as JSON;
* ``quietpage.heads``: only in encoders: JSON ``{task: {"weight": base64 of little-endian float32
  [labels, width], "bias": base64 of float32 [labels]}}``, the linear heads over the mean-pooled,
  **not** normalised embedding. One of them may be called ``vector`` and is no task: a square map
  [width, width] that turns the pooled embedding into the vector for "similar entries";
* ``quietpage.ngrams``: in encoders, if there: a linear model over words and letters whose logits are
  added to the heads' (``journal_app.inference.ngrams`` has its form).

Strings rather than tensors, because llama.cpp refuses a file with tensors it does not know.
A file without ``quietpage.manifest`` is a foreign model.
"""

from __future__ import annotations

import array
import base64
import binascii
import json
import math
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from journal_app.contract.tasks import CONTRACT_VERSION, FEELINGS, TASKS, THEMES

MANIFEST_KEY = "quietpage.manifest"
HEADS_KEY = "quietpage.heads"
NGRAMS_KEY = "quietpage.ngrams"
VECTOR_HEAD = "vector"
MAX_MANIFEST_BYTES = 4_000_000
"""A manifest or head string longer than this is refused unread."""
MAX_WORDS = 200
"""Longest name, licence or other text of a manifest that a person may come to see, in characters."""
BAND_NAMES = ("stress", "low_mood")
"""What a manifest may hold a :class:`BandRule` for."""


class ManifestError(ValueError):
    """The manifest of a model is missing, malformed or of another contract version."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns a task's logits into probabilities: ``softmax|sigmoid(scale * z + bias)``.

    ``scale`` is 1 / temperature; for multi-label tasks ``scale`` and ``bias`` hold one value per
    label, otherwise ``scale`` holds one value and ``bias`` one per label (zeros if unused).
    """

    scale: tuple[float, ...] = (1.0,)
    bias: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class BandRule:
    """Where a score on diary-like text turns from one band into the next.

    The band is computed from ``score`` (see ``journal.analysis``): below ``some`` it is "quiet",
    from ``many`` on it is "many", in between "some"; a score within ``unsure`` of ``many``'s lower
    edge or a text shorter than ``min_words`` words is "unsure". 0 <= ``some`` <= ``many`` <= 1.
    """

    some: float
    many: float
    unsure: float = 0.0
    min_words: int = 5


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything the app needs to use a model and to say honestly what it is.

    Attributes:
        name: e.g. ``quietpage-reader-v3``.
        kind: ``encoder`` (heads in ``quietpage.heads``) or ``decoder`` (label tokens).
        contract_version: of ``journal_app.contract.tasks`` when it was trained.
        tasks: label map, task name -> labels in head order; a subset of the contract's.
        calibration: per task, fitted on the published valid split, quantised file, app's engine.
        bands: ``stress`` and ``low_mood`` rules, set on diary-like text.
        crisis_threshold: suicidality "yes" probability from which the level is at least "gentle",
            above 0; with 1, the default, the model alone does not raise it below certainty.
        feelings_thresholds: per feeling, the probability from which it is shown; set on diary-like text.
        themes_thresholds: the same of themes. Manifests of before it was there have none.
        languages: ISO 639-1 codes that the model reads; any other text gets no tags.
        template: name of the prompt template (decoders only).
        max_tokens: longest window in tokens.
        may_generate: whether reflections may be written unasked (``docs/safety``).
        evaluation: results by task, as on the model card.
        training_data: list of ``{"name", "licence", "rows"}``.
        licence: SPDX identifier or the name of the licence file beside the model.
        tensors_sha256: sha256 over names, shapes and bytes of all tensors, hex.
        created: ISO date.
    """

    name: str
    kind: str
    contract_version: int = CONTRACT_VERSION
    tasks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    calibration: dict[str, Calibration] = field(default_factory=dict)
    bands: dict[str, BandRule] = field(default_factory=dict)
    crisis_threshold: float = 1.0
    feelings_thresholds: dict[str, float] = field(default_factory=dict)
    themes_thresholds: dict[str, float] = field(default_factory=dict)
    languages: tuple[str, ...] = ("en",)
    template: str = ""
    max_tokens: int = 256
    may_generate: bool = False
    evaluation: dict[str, Any] = field(default_factory=dict)
    training_data: list[dict[str, Any]] = field(default_factory=list)
    licence: str = ""
    tensors_sha256: str = ""
    created: str = ""

    def to_json(self) -> str:
        """Return the manifest as compact JSON with sorted keys."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read a manifest back; raise :class:`ManifestError` if anything does not fit the contract."""
        if len(text) > MAX_MANIFEST_BYTES:
            raise ManifestError("the model's manifest is too large")
        try:
            raw = json.loads(text, parse_constant=_refuse)
            manifest = cls(
                name=_string(raw["name"]),
                kind=_string(raw["kind"]),
                contract_version=_integer(raw["contract_version"]),
                tasks={str(k): _strings(v) for k, v in raw["tasks"].items()},
                calibration={
                    str(k): Calibration(_floats(v["scale"]), _floats(v["bias"])) for k, v in raw["calibration"].items()
                },
                bands={
                    str(k): BandRule(
                        _number(v["some"]), _number(v["many"]), _number(v["unsure"]), _integer(v["min_words"])
                    )
                    for k, v in raw["bands"].items()
                },
                crisis_threshold=_number(raw["crisis_threshold"]),
                feelings_thresholds={str(k): _number(v) for k, v in raw["feelings_thresholds"].items()},
                themes_thresholds={str(k): _number(v) for k, v in raw.get("themes_thresholds", {}).items()},
                languages=_strings(raw["languages"]),
                template=_string(raw["template"]),
                max_tokens=_integer(raw["max_tokens"]),
                may_generate=raw["may_generate"] is True,
                evaluation=_mapping(raw["evaluation"]),
                training_data=[_mapping(v) for v in raw["training_data"]],
                licence=_string(raw["licence"]),
                tensors_sha256=_string(raw["tensors_sha256"]),
                created=_string(raw["created"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ManifestError("the model's manifest is malformed") from error
        manifest.check()
        return manifest

    def check(self) -> None:
        """Raise :class:`ManifestError` unless every field is one that the app can honour."""
        if self.contract_version != CONTRACT_VERSION:
            raise ManifestError(
                f"the model follows contract version {self.contract_version}, this app version {CONTRACT_VERSION}"
            )
        if self.kind not in ("encoder", "decoder"):
            raise ManifestError(f"unknown kind of model: {self.kind[:40]!r}")
        if not 16 <= self.max_tokens <= 131_072:
            raise ManifestError("the model's window is out of range")
        self._check_words()
        self._check_tasks()
        self._check_thresholds()

    def _check_words(self) -> None:
        """A name ends up on the screen and in a terminal: one line, nothing that steers either."""
        seen = (self.name, self.licence, self.template, self.created, self.tensors_sha256, *self.languages)
        if not self.name.strip() or any(len(words) > MAX_WORDS or not words.isprintable() for words in seen):
            raise ManifestError("the model's name, licence or another of its words cannot be shown")

    def _check_tasks(self) -> None:
        for name, labels in self.tasks.items():
            task = TASKS.get(name)
            if task is None or not labels or any(label not in task.labels for label in labels):
                raise ManifestError(f"task {name[:40]!r} or one of its labels is not in the contract")
            if len(set(labels)) != len(labels):
                raise ManifestError(f"task {name}: a label occurs twice")
            if task.kind != "multilabel" and labels != task.labels:
                raise ManifestError(f"task {name}: the labels are not in contract order")
        for name, calibration in self.calibration.items():
            if name not in self.tasks:
                raise ManifestError(f"calibration for {name[:40]!r}, which the model does not read")
            values = calibration.scale + calibration.bias
            size = len(self.tasks[name])
            if len(calibration.scale) not in (1, size) or len(calibration.bias) not in (0, size):
                raise ManifestError(f"calibration of {name} has the wrong size")
            if not all(map(math.isfinite, values)):
                raise ManifestError(f"calibration of {name} is not finite")

    def _check_thresholds(self) -> None:
        """A threshold out of range, or that is no number, would compare as "never" and silence a warning."""
        if not 0 < self.crisis_threshold <= 1:
            raise ManifestError("the model's threshold for help is out of range")
        for name, rule in self.bands.items():
            if name not in BAND_NAMES:
                raise ManifestError(f"the model has bands for {name[:40]!r}, which is not in the contract")
            if not (0 <= rule.some <= rule.many <= 1 and 0 <= rule.unsure <= 1 and rule.min_words >= 0):
                raise ManifestError(f"the bands of {name} are out of range or out of order")
        for thresholds, known in ((self.feelings_thresholds, FEELINGS), (self.themes_thresholds, THEMES)):
            for label, threshold in thresholds.items():
                if label not in known or not 0 <= threshold <= 1:
                    raise ManifestError(f"the threshold of {label[:40]!r} is out of range, or not in the contract")


@dataclass(frozen=True, slots=True)
class Head:
    """A linear head: ``weight`` is row-major [labels, width] float32, ``bias`` [labels]."""

    weight: array.array[float]
    bias: array.array[float]


def heads_to_json(heads: dict[str, Head]) -> str:
    """Pack heads for :data:`HEADS_KEY`."""
    return json.dumps(
        {name: {"weight": _pack(head.weight), "bias": _pack(head.bias)} for name, head in heads.items()},
        sort_keys=True,
        separators=(",", ":"),
    )


def heads_from_json(text: str, manifest: Manifest, width: int) -> dict[str, Head]:
    """Unpack heads and check their shapes against ``manifest`` and the embedding ``width``.

    Raises :class:`ManifestError` if a head is missing, has another size or is not finite.
    """
    return _heads(text, {name: len(labels) for name, labels in manifest.tasks.items()}, width)


def vector_head(text: str, width: int) -> Head | None:
    """Return the map [width, width] to the vector for "similar entries", or None where the model has none.

    Raises :class:`ManifestError` as :func:`heads_from_json` does.
    """
    if f'"{VECTOR_HEAD}"' not in text[:MAX_MANIFEST_BYTES]:
        return None
    return _heads(text, {VECTOR_HEAD: width}, width)[VECTOR_HEAD]


def _heads(text: str, sizes: dict[str, int], width: int) -> dict[str, Head]:
    if len(text) > MAX_MANIFEST_BYTES:
        raise ManifestError("the model's heads are too large")
    try:
        raw = json.loads(text)
        heads = {name: Head(_unpack(raw[name]["weight"]), _unpack(raw[name]["bias"])) for name in sizes}
    except (KeyError, TypeError, ValueError, binascii.Error, RecursionError) as error:
        raise ManifestError("the model's heads are malformed") from error
    for name, head in heads.items():
        if len(head.bias) != sizes[name] or len(head.weight) != sizes[name] * width:
            raise ManifestError(f"the head of {name} has the wrong size")
        if not all(map(math.isfinite, head.weight)) or not all(map(math.isfinite, head.bias)):
            raise ManifestError(f"the head of {name} is not finite")
    return heads


def _pack(values: array.array[float]) -> str:
    data = array.array("f", values)
    if sys.byteorder == "big":
        data.byteswap()
    return base64.b64encode(data.tobytes()).decode("ascii")


def _unpack(text: str) -> array.array[float]:
    data = array.array("f")
    data.frombytes(base64.b64decode(text, validate=True))
    if sys.byteorder == "big":
        data.byteswap()
    return data


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _mapping(value: object) -> dict[str, Any]:
    # A list of pairs would do for `dict`, and come back as something else.
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return cast("dict[str, Any]", value)


def _strings(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError("not a list")
    return tuple(_string(value) for value in cast("list[object]", values))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("out of range") from None


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("not an integer")
    return value


def _floats(values: Any) -> tuple[float, ...]:
    if not isinstance(values, list):
        raise TypeError("not a list")
    return tuple(_number(value) for value in cast("list[object]", values))
