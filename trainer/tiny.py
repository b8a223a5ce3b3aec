"""Tiny random stand-ins of the bases: same architecture, same kind of tokenizer, a few hundred thousand weights.

``--tiny`` tries any recipe from corpora to a packaged file in minutes, with no download: whatever a run would stumble
over (a template that the tokenizer lacks, an option of the wrong type, a layer that the conversion does not know) it
stumbles over here first. Nothing that comes out has learned anything.

The tokenizers are trained here, on lines made of the words below and on the verbalisers of the contract, so that every
label is one token, as it is in the vocabularies of the real bases.
"""

# The annotations of `tokenizers` and of the lazy `transformers` are narrower than what both accept.
# pyright: reportArgumentType=false

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from journal_app.contract.prompts import TEMPLATES, Template
from journal_app.contract.tasks import verbaliser_tokens
from trainer.config import Recipe, RunPaths, TrainerError
from trainer.progress import Progress
from trainer.sections import BaseShape

FOLDER = "tiny-base"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The pre-tokeniser of Llama 3, as in its tokenizer.json; llama.cpp calls it ``llama-bpe``."""
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The pre-tokeniser of Qwen2 and of what was distilled into it; llama.cpp calls it ``qwen2``."""
_SPACE = "\u2581"
_CONTROL: dict[str, tuple[str, ...]] = {
    "chatml": ("<|im_start|>", "<|im_end|>"),
    "llama3": ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "llama2": (),
    "zephyr": (),
    "alpaca": (),
    "phi3": ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    "gemma": ("<start_of_turn>", "<end_of_turn>"),
    "deepseek": (
        "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "<\uff5cUser\uff5c>",
        "<\uff5cAssistant\uff5c>",
    ),
    "quietpage": ("<|pad|>", "<|begin|>", "<|turn|>", "<|end|>"),
}
_BEGIN = {"llama3": "<|begin_of_text|>", "deepseek": "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "gemma": "<bos>"}
_FINISH = {
    "chatml": "<|im_end|>",
    "llama3": "<|eot_id|>",
    "phi3": "<|end|>",
    "gemma": "<end_of_turn>",
    "deepseek": "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "quietpage": "<|end|>",
}
_WORDS = (  # noqa: SIM905 - lines of words are easier to read than a list of them
    "today the rain came early and I walked along the river with my sister because we wanted some quiet after work "
    "she was tired but glad and we talked about school money friends sleep and what comes next week I made soup then "
    "wrote a letter to an old friend who had moved away last spring it felt good to say thank you and to mean it "
    "you read a private journal entry with care answer each question about it with one word write short warm"
).split()
_KOREAN = (
    "오늘 비 강 동생 걸었다 조용 친구 편지 잠 일 학교 고맙다 좋다 힘들다 슬프다 기쁘다 마음 하루 생각 내일".split()  # noqa: SIM905
)

_Shape = dict[str, Any]


def make_base(
    folder: Path,
    family: str,
    tokenizer_kind: str,
    template_name: str,
    *,
    seed: int = 0,
    width: int = 64,
    layers: int = 2,
    vocab: int = 1024,
) -> Path:
    """Write a random base of ``family`` with its tokenizer into ``folder``, in Hugging Face's form; return it.

    Args:
        tokenizer_kind: ``byte-bpe``, ``spm``, ``wordpiece`` or ``unigram``. template_name: of
            ``contract.prompts.TEMPLATES``. width: features, a multiple of 32 (of 256 for K-quants).
        vocab: most tokens the tokenizer learns; the model has as many rows, rounded up to 32.

    Raises :class:`TrainerError` for a family or kind that is not known.
    """
    import torch
    from transformers.utils import logging as transformers_logging

    template = TEMPLATES.get(template_name)
    if template is None:
        raise TrainerError(f"base.template: no such template: {template_name}")
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    tokenizer = _tokenizer(family, tokenizer_kind, template, vocab)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(str(folder))
    torch.manual_seed(seed)
    # Encoders have a row for each token and no more, as BERT has; the decoders' rows are rounded up, as theirs are.
    rows = len(tokenizer) if family == "bert" else -(-len(tokenizer) // 32) * 32
    model = _model(family, tokenizer, rows, width, layers)
    with torch.no_grad():
        # Ones everywhere would hide a norm that a conversion forgets or scales wrongly.
        for name, weight in model.named_parameters():
            if weight.dim() == 1 and "norm" in name.lower():
                weight.add_(torch.randn_like(weight) * 0.1)
            elif weight.dim() == 1:
                weight.copy_(torch.randn_like(weight) * 0.02)
    model.save_pretrained(str(folder))
    return folder


def stand_in(recipe: Recipe, paths: RunPaths, progress: Progress) -> Recipe:
    """Return ``recipe`` on a tiny random base under ``paths.out``, rows and steps cut so that a stage takes seconds.

    Method, optimiser, schedule, shape, packing and the ratio of alpha to r stay as they are.
    """
    wide = 256 if "K" in recipe.quantize.type else 64
    recipe = _less(recipe)
    if recipe.kind == "decoder":
        return replace(
            recipe,
            tokenizer=replace(recipe.tokenizer, vocab_size=768, characters=200_000),
            shape=replace(recipe.shape, context=256, width=64, layers=2, heads=4, kv_heads=2, ffn=128),
            pretrain=replace(
                recipe.pretrain, tokens=16_384, batch=4, micro_batch=2, eval_batches=1, eval_every=8, save_every=4
            ),
            max_tokens=256,
        )
    family, kind, template = recipe.base.family, recipe.base.tokenizer, recipe.base.template
    if recipe.kind == "encoder":
        family, kind, template = "bert", "wordpiece", "chatml"
    elif family in ("bert", "electra", "bart"):
        template = "chatml"
    folder = paths.out / FOLDER
    wanted = {"family": family, "tokenizer": kind, "template": template, "width": wide, "seed": recipe.seed}
    note = folder / "stand-in.json"
    if not note.is_file() or json.loads(note.read_text("utf-8")) != wanted:
        progress.say(f"tiny: a random {family} with a {kind} tokenizer; what comes out has learned nothing")
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        make_base(part, family, kind, template, seed=recipe.seed, width=wide)
        (part / note.name).write_text(json.dumps(wanted) + "\n", "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    if recipe.kind == "encoder":
        return replace(recipe, finetune=replace(recipe.finetune, base=str(folder.resolve())))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    shape = BaseShape(
        width=wide,
        layers=2,
        heads=4,
        kv_heads=2,
        head_dim=config.get("head_dim") or 0,
        ffn=2 * wide,
        vocab=config.get("vocab_size", 1024),
        tied=bool(config.get("tie_word_embeddings", False)),
        context=512,
        decoder_layers=2 if family == "bart" else 0,
    )
    return replace(recipe, base=replace(recipe.base, model=str(folder.resolve()), revision="", shape=shape))


def _less(recipe: Recipe) -> Recipe:
    data = replace(
        recipe.data,
        neutral_blog=min(recipe.data.neutral_blog, 20),
        neutral_dialog=min(recipe.data.neutral_dialog, 20),
        neutral_other=min(recipe.data.neutral_other, 10),
        diary_valid=min(recipe.data.diary_valid, 40),
        diary_test=min(recipe.data.diary_test, 40),
        # Passages are looked up in the whole of one corpus, which a trial may not have.
        labelled=tuple(name for name in recipe.data.labelled if name != "labelled_blogs"),
    )
    finetune = replace(
        recipe.finetune,
        steps=8,
        batch=8,
        keep_every=4,
        eval_every=8,
        eval_rows=20,
        save_every=4,
        threads=1,
        freeze=min(recipe.finetune.freeze, 1),
        mlm_steps=min(recipe.finetune.mlm_steps, 2),
        teachers=(),
        unlabelled=0,
    )
    decoder = replace(
        recipe.decoder, steps=8, batch=4, eval_every=8, eval_rows=20, save_every=4, log_every=2, threads=1
    )
    sft = replace(
        recipe.sft,
        max_steps=6,
        batch=min(recipe.sft.batch, 4),
        accumulate=min(recipe.sft.accumulate, 2),
        sequence=min(recipe.sft.sequence, 384),
        log_every=1,
        eval_every=6,
        eval_rows=16,
        save_every=3,
        threads=1,
    )
    prefer = replace(
        recipe.prefer,
        max_steps=4,
        batch=min(recipe.prefer.batch, 2),
        accumulate=min(recipe.prefer.accumulate, 2),
        sequence=min(recipe.prefer.sequence, 384),
        log_every=1,
        save_every=2,
    )
    return replace(
        recipe,
        data=data,
        finetune=finetune,
        decoder=decoder,
        writer=replace(recipe.writer, batch=min(recipe.writer.batch, 4)),
        sft=sft,
        prefer=prefer,
        distill=replace(recipe.distill, texts=40, steps=4, batch=4, save_every=2),
        sources=tuple(replace(source, limit=min(source.limit or 60, 60)) for source in recipe.sources),
        max_tokens=min(recipe.max_tokens, 384),
        augment=replace(recipe.augment, count=min(recipe.augment.count, 4)),
        study=replace(recipe.study, rows=min(recipe.study.rows, 24), shots=min(recipe.study.shots, 2)),
        generation=replace(recipe.generation, rows=4, max_tokens=min(recipe.generation.max_tokens, 16)),
        # A random model separates nothing: no feeling may be dropped for that, or there is nothing left to try.
        calibrate=replace(recipe.calibrate, min_feeling_rows=1, min_feeling_auroc=0.0),
    )


def _model(family: str, tokenizer: Any, rows: int, width: int, layers: int) -> Any:
    import transformers as hf

    sizes: _Shape = {
        "vocab_size": rows,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        # Wide enough that the logits of random weights differ by more than rounding.
        "initializer_range": 0.1,
    }
    causal = sizes | {"num_key_value_heads": 2}
    if family == "llama":
        rope = {"rope_theta": 10_000.0}
        if tokenizer.bos_token == _BEGIN["llama3"]:
            rope = {
                "rope_theta": 500_000.0,
                "rope_type": "llama3",
                "factor": 32.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 256,
            }
        config = hf.LlamaConfig(**causal, rms_norm_eps=1e-5, rope_parameters=rope, tie_word_embeddings=True)
        return hf.LlamaForCausalLM(config)
    if family == "qwen2":
        config = hf.Qwen2Config(**causal, rms_norm_eps=1e-6, tie_word_embeddings=True)
        return hf.Qwen2ForCausalLM(config)
    if family == "qwen3":
        config = hf.Qwen3Config(**causal, head_dim=width // 4, rms_norm_eps=1e-6, tie_word_embeddings=True)
        return hf.Qwen3ForCausalLM(config)
    if family == "phi3":
        config = hf.Phi3Config(
            **causal, rms_norm_eps=1e-5, tie_word_embeddings=False, original_max_position_embeddings=512
        )
        return hf.Phi3ForCausalLM(config)
    if family == "gemma3":
        config = hf.Gemma3TextConfig(
            **causal,
            head_dim=width // 4,
            query_pre_attn_scalar=width // 4,
            sliding_window=64,
            # Every sixth layer sees everything, as in the published models.
            layer_types=["sliding_attention" if (i + 1) % 6 else "full_attention" for i in range(layers)],
            tie_word_embeddings=True,
        )
        return hf.Gemma3ForCausalLM(config)
    if family == "bert":
        return hf.BertModel(hf.BertConfig(**sizes, type_vocab_size=2), add_pooling_layer=False)
    if family == "electra":
        config = hf.ElectraConfig(**sizes, embedding_size=width, type_vocab_size=2)
        return hf.ElectraForPreTraining(config)
    if family == "bart":
        config = hf.BartConfig(
            vocab_size=rows,
            d_model=width,
            encoder_layers=layers,
            decoder_layers=layers,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=2 * width,
            decoder_ffn_dim=2 * width,
            max_position_embeddings=512,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            decoder_start_token_id=tokenizer.eos_token_id,
            forced_eos_token_id=tokenizer.eos_token_id,
        )
        return hf.BartForConditionalGeneration(config)
    raise TrainerError(f"base.family: no stand-in for {family}")


def _tokenizer(family: str, kind: str, template: Template, vocab: int) -> Any:
    from transformers import PreTrainedTokenizerFast

    control = _CONTROL[template.name]
    if kind == "byte-bpe":
        names = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
        engine = _byte_bpe(family, template, vocab)
        specials = ("<|endoftext|>", *control)
    elif kind == "spm":
        names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
        if family == "gemma3":
            names = {"unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
        if family == "bart":
            return _encoder_decoder(PreTrainedTokenizerFast, vocab)
        engine = _sentencepiece(tuple(dict.fromkeys(names.values())), vocab, prefix=family != "gemma3")
        specials = (*dict.fromkeys(names.values()), *control)
    elif kind == "unigram":
        return _encoder_decoder(PreTrainedTokenizerFast, vocab)
    elif kind == "wordpiece":
        return _word_pieces(PreTrainedTokenizerFast, vocab)
    else:
        raise TrainerError(f"base.tokenizer: no such kind: {kind}")
    # Phi-3 drops what white space follows a control token, and llama.cpp does so for models of that name.
    keeps = ("<unk>", "<s>", "<|endoftext|>") if template.name == "phi3" else specials
    engine.add_special_tokens(
        [AddedToken(name, special=True, normalized=False, rstrip=name not in keeps) for name in specials]
    )
    if template.name in _BEGIN:
        names["bos_token"] = _BEGIN[template.name]
    if template.name in _FINISH:
        names["eos_token"] = _FINISH[template.name]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=engine, model_max_length=512, **names)
    tokenizer.chat_template = _chat_template(template)
    _check(tokenizer)
    return tokenizer


def _byte_bpe(family: str, template: Template, vocab: int) -> Tokenizer:
    pattern = LLAMA3 if template.name == "llama3" else QWEN2
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    parts: list[Any] = [split, plain]
    if family == "llama" and template.name != "llama3":
        # SmolLM2: every digit by itself, then GPT-2's pattern; llama.cpp calls it "smollm".
        parts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    # Llama 3 takes a word that is a token whole, however the merges would have split it.
    engine = Tokenizer(models.BPE(ignore_merges=template.name == "llama3"))
    engine.pre_tokenizer = pre_tokenizers.Sequence(parts)
    if family in ("qwen2", "qwen3"):
        engine.normalizer = normalizers.NFC()
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    engine.train_from_iterator(_lines(), trainer)
    return engine


def _sentencepiece(specials: tuple[str, ...], vocab: int, *, prefix: bool) -> Tokenizer:
    """Return a BPE as SentencePiece makes it: pieces with U+2581, byte fallback, merges in order of the scores."""
    learned = Tokenizer(models.BPE())
    learned.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)])
    learned.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="never", split=True)
    learned.train_from_iterator(_lines(), trainers.BpeTrainer(vocab_size=vocab - 300, show_progress=False))
    document = json.loads(learned.to_str())["model"]
    characters = [piece for piece in document["vocab"] if len(piece) == 1]
    merged = ["".join(pair) for pair in document["merges"]]
    order = [*specials, *(f"<0x{byte:02X}>" for byte in range(256)), *dict.fromkeys([*merged, *characters])]
    ids = {piece: number for number, piece in enumerate(order)}
    # llama.cpp and SentencePiece join whatever two pieces make a known one, best score first; so every way to
    # make a piece is a merge here, in the order of the pieces.
    merges = [
        (piece[:cut], piece[cut:])
        for piece in dict.fromkeys(merged)
        for cut in range(1, len(piece))
        if piece[:cut] in ids and piece[cut:] in ids
    ]
    engine = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    replaced = normalizers.Replace(" ", _SPACE)
    engine.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), replaced]) if prefix else replaced
    steps: list[Any] = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    engine.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefix else steps)
    return engine


def _word_pieces(fast: Any, vocab: int) -> Any:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    engine = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer(lowercase=True)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.WordPiece()
    engine.train_from_iterator(
        _lines(), trainers.WordPieceTrainer(vocab_size=vocab, special_tokens=special, show_progress=False)
    )
    cls_id, sep_id = engine.token_to_id("[CLS]"), engine.token_to_id("[SEP]")
    engine.post_processor = processors.BertProcessing(("[SEP]", sep_id), ("[CLS]", cls_id))
    return fast(
        tokenizer_object=engine,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=512,
    )


def _encoder_decoder(fast: Any, vocab: int) -> Any:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    engine = Tokenizer(models.Unigram())
    engine.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always")
    engine.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme="always")
    engine.train_from_iterator(
        _lines(),
        trainers.UnigramTrainer(vocab_size=vocab, special_tokens=special, unk_token="<unk>", show_progress=False),
    )
    start, end = engine.token_to_id("<s>"), engine.token_to_id("</s>")
    engine.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", start), ("</s>", end)]
    )
    return fast(
        tokenizer_object=engine,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=512,
    )


def _lines() -> Iterable[str]:
    """Yield lines of neutral words, Korean among them, and every verbaliser often enough to become one token."""
    yield from _sentences()
    for word in verbaliser_tokens():
        for _ in range(60):
            yield word
            yield f"it is{word}"


def _sentences() -> Iterator[str]:
    for number in range(300):
        start = number * 7 % len(_WORDS)
        line = [_WORDS[(start + step * (1 + number % 5)) % len(_WORDS)] for step in range(6 + number % 9)]
        yield " ".join(line).capitalize() + (".", "!", "?", ",")[number % 4]
        yield (
            " ".join(_KOREAN[(number + step * (1 + number % 3)) % len(_KOREAN)] for step in range(3 + number % 5)) + "."
        )
        yield f"{number} {number * 37 % 1000} ({_WORDS[start]}; {_WORDS[number % len(_WORDS)]})"


def _check(tokenizer: Any) -> None:
    for word in verbaliser_tokens():
        whole = tokenizer.backend_tokenizer.encode(word, add_special_tokens=False).ids
        piece = tokenizer.convert_tokens_to_ids(_SPACE + word.strip())
        if len(whole) != 1 and piece in (None, tokenizer.unk_token_id):
            raise TrainerError(
                f"the stand-in's tokenizer has no single token for {word!r}; give it a larger vocabulary"
            )


def _chat_template(template: Template) -> str:
    """Return the template as the jinja that Hugging Face and llama.cpp read from a model."""

    def said(text: str) -> str:
        return "{{ " + json.dumps(text, ensure_ascii=False) + " }}"

    if template.name == "llama2":
        return (
            "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ ' ' + m['content'] + ' </s>' }}"
            "{% elif m['role'] == 'system' %}{{ '<s>[INST] <<SYS>>\\n' + m['content'] + '\\n<</SYS>>\\n\\n' }}"
            "{% else %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% endif %}{% endfor %}"
        )
    return (
        said(template.bos)
        + "{% for m in messages %}{% if m['role'] == 'system' %}"
        + said(template.system)
        + "{% elif m['role'] == 'assistant' %}"
        + said(template.assistant)
        + "{% else %}"
        + said(template.user)
        + "{% endif %}{{ m['content'] }}"
        + said(template.end)
        + "{% endfor %}{% if add_generation_prompt %}"
        + said(template.assistant)
        + "{% endif %}"
    )
