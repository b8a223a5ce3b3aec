"""Sections of a recipe for models that start from somebody else's weights: how they learn and are judged.

The sections of the models that this project makes from nothing (reader and writer) are in ``config``.
Every published hyper-parameter of a reference system is a value of one of these in ``recipes/*.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Family = Literal["llama", "qwen2", "qwen3", "phi3", "gemma3", "bert", "electra", "bart"]
"""Architecture, by the name that decides loading, the tiny stand-in and the conversion to GGUF."""

TokenizerKind = Literal["byte-bpe", "spm", "wordpiece", "unigram"]


@dataclass(frozen=True, slots=True)
class BaseShape:
    """Sizes of the base, as in its ``config.json``: what ``estimate`` computes from when the weights are not at hand.

    Attributes:
        width, layers, heads, kv_heads, head_dim (0: width / heads), ffn: in units of features and blocks.
        vocab: tokens. tied: whether the output layer is the embedding. context: longest training context, tokens.
        decoder_layers: of encoder-decoders, besides ``layers`` of the encoder.
    """

    width: int = 0
    layers: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    ffn: int = 0
    vocab: int = 0
    tied: bool = False
    context: int = 4096
    decoder_layers: int = 0


@dataclass(frozen=True, slots=True)
class BaseConfig:
    """The model that training starts from (the ``[base]`` section).

    Attributes:
        model: folder with its files, or its name on the Hub (then it is looked for in the Hub's cache, and downloaded
            only with ``--download``). revision: commit on the Hub.
        family: architecture. tokenizer: its kind, for the tiny stand-in.
        template: how a conversation is written, a name of ``contract.prompts.TEMPLATES``.
        shape: its sizes. source: where the hyper-parameters of this recipe were published.
        trust_remote_code: never set here; a base that needs it is refused.
    """

    model: str = ""
    revision: str = ""
    family: Family = "llama"
    tokenizer: TokenizerKind = "byte-bpe"
    template: str = "chatml"
    shape: BaseShape = field(default_factory=BaseShape)
    source: str = ""


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """Which weights learn (the ``[adapter]`` section).

    Attributes:
        method: ``full`` (all), ``lora`` (adapters on the 16-bit base) or ``qlora`` (on the base in 4 bits).
        r, alpha, dropout: of LoRA. targets: names of linear layers, or ``all-linear``.
        quant: ``nf4`` or ``fp4``. double_quant: whether the constants of the quantisation are quantised.
        compute: type in which 4-bit weights are multiplied.
        train_head: of classifiers, whether the new head learns in full (it must).
    """

    method: Literal["full", "lora", "qlora"] = "lora"
    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ("all-linear",)
    quant: Literal["nf4", "fp4"] = "nf4"
    double_quant: bool = True
    compute: Literal["bf16", "fp16", "fp32"] = "bf16"
    train_head: bool = True


@dataclass(frozen=True, slots=True)
class SftConfig:
    """Supervised fine-tuning (the ``[sft]`` section): causal models, classifiers and rewriters alike.

    Attributes:
        epochs; max_steps: 0 for as many as the epochs need. batch: sequences a device and a forward pass;
            accumulate: passes a step. lr: peak. schedule, warmup: share of steps. weight_decay. clip: gradient norm.
        optimizer: ``adamw``, ``adamw_8bit``, ``paged_adamw_8bit`` or ``paged_adamw_32bit`` (the last three need
            bitsandbytes and, paged, a GPU: on the CPU ``adamw`` stands in and the log says so).
        sequence: tokens a sequence, longer examples are cut from the left of the entry. packing: several examples in
            one sequence, each seeing itself alone. completion_only: whether the loss leaves the prompt out.
        shape: how an example is written: ``contract`` (as the app's engine asks), ``template`` (the base's own
            conversation), ``chatml``, ``alpaca`` or ``llama2``.
        checkpointing: recompute activations; ``auto`` when the estimate would not fit otherwise.
        attention: ``auto`` takes flash attention where there is one, else PyTorch's.
        label_smoothing: of classifiers. threads: 0 probes. log_every, eval_every, save_every: steps.
        keep: checkpoints that stay.
    """

    epochs: float = 3.0
    max_steps: int = 0
    batch: int = 4
    accumulate: int = 1
    lr: float = 2e-4
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    clip: float = 1.0
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit"] = "adamw"
    sequence: int = 1024
    packing: bool = True
    completion_only: bool = True
    shape: Literal["contract", "template", "chatml", "alpaca", "llama2"] = "template"
    precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpointing: Literal["auto", "on", "off"] = "auto"
    attention: Literal["auto", "flash", "sdpa", "eager"] = "auto"
    label_smoothing: float = 0.0
    threads: int = 0
    log_every: int = 10
    eval_every: int = 200
    eval_rows: int = 400
    save_every: int = 200
    keep: int = 2


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """What only encoder classifiers have (the ``[classifier]`` section); the rest is ``[sft]``.

    Attributes:
        weights: of the classes in the loss: inverse root frequency (``root``), ``inverse`` frequency, or ``none``.
        layer_decay: of the learning rate from each block to the one below it; 1 for one rate.
        head_scale: learning rate of the new head, relative to ``sft.lr``.
        patience: evaluations on valid without a better macro-F1 after which training stops; 0 never.
    """

    weights: Literal["root", "inverse", "none"] = "root"
    layer_decay: float = 1.0
    head_scale: float = 1.0
    patience: int = 3


@dataclass(frozen=True, slots=True)
class PreferConfig:
    """Preference tuning on chosen and rejected replies (the ``[prefer]`` section).

    Attributes:
        method: ``dpo`` (Rafailov et al. 2023), ``orpo`` (Hong et al. 2024) or ``none`` (the stage has nothing to do).
        beta: of DPO, or lambda of ORPO. loss: of DPO. Other fields as in ``[sft]``.
    """

    method: Literal["none", "dpo", "orpo"] = "none"
    beta: float = 0.1
    loss: Literal["sigmoid", "ipo", "hinge"] = "sigmoid"
    epochs: float = 1.0
    max_steps: int = 0
    batch: int = 2
    accumulate: int = 4
    lr: float = 5e-6
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip: float = 1.0
    sequence: int = 1024
    log_every: int = 10
    save_every: int = 100


@dataclass(frozen=True, slots=True)
class DistillConfig:
    """Learning a teacher's probabilities (the ``[distill]`` section).

    Attributes:
        teacher: GGUF that the app's engine can read, or empty (the stage has nothing to do).
        sources: sets of running text that the teacher labels. texts: most texts of them all.
        temperature: softens both sides. weight: of the teacher's loss against 1 - weight for labels.
        tasks: which the student learns; empty for all that both have. steps, batch, lr: as in ``[sft]``.
    """

    teacher: str = ""
    sources: tuple[str, ...] = ("blog_prose",)
    texts: int = 20_000
    temperature: float = 1.0
    weight: float = 1.0
    tasks: tuple[str, ...] = ()
    steps: int = 1000
    batch: int = 16
    lr: float = 1e-4
    warmup: float = 0.05
    save_every: int = 100


@dataclass(frozen=True, slots=True)
class Source:
    """One ``[[sources]]`` table: examples from a corpus of the data folder, the Hub, or a file.

    Attributes:
        name: a corpus known to ``trainer.corpora``, or a name of one's own for ``hub`` and ``file``.
        kind: ``folder`` (``--data``), ``hub`` (the ``datasets`` library) or ``file`` (CSV, TSV, JSON or JSON lines).
        path: of a file, or ``owner/name`` on the Hub; config: configuration on the Hub.
        task: a task of the contract, or ``reply``, ``rewrite``, ``summary``, ``explain``, ``text``, ``preference``; a
            corpus has a default and may have labels of its own under its own name. Any other name is a task of one's
            own and needs ``labels``.
        map: field of ours -> column of theirs (``text``, ``label``, ``input``, ``output``, ``instruction``,
            ``system``, ``chosen``, ``rejected``, ``group``); a known corpus needs none. labels: their label -> ours, or
            -> nothing, which leaves the row out.
        splits: our split -> theirs; where they have only one, ``valid`` and ``test`` shares are cut from it by group.
        limit: most rows of train, 0 for all. licence, language: said on the card.
    """

    name: str
    kind: Literal["folder", "hub", "file"] = "folder"
    path: str = ""
    config: str = ""
    task: str = ""
    map: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    valid: float = 0.05
    test: float = 0.05
    limit: int = 0
    licence: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Texts and preference pairs written by a model (the ``[augment]`` section); see ``trainer.augment``."""

    task: str = "depression"
    label: str = ""
    system: str = ""
    symptoms: tuple[str, ...] = ()
    count: int = 100
    temperature: float = 0.9
    max_tokens: int = 400
    price_in: float = 0.0
    price_out: float = 0.0


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """One model, one task, three ways (the ``[study]`` section); see ``trainer.evaluation.study``."""

    task: str = "emotion"
    shots: int = 5
    rows: int = 500
    methods: tuple[str, ...] = ("zero-shot", "few-shot", "fine-tuned")


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """How replies are drawn where a stage writes text (the ``[generation]`` section).

    ``beams`` is of rewriters, which search instead of drawing.
    """

    max_tokens: int = 200
    temperature: float = 0.7
    top_p: float = 0.9
    repeat_penalty: float = 1.1
    rows: int = 100
    beams: int = 4
