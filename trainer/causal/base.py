"""The model that training starts from: where it lies, how it is loaded, which of its weights learn."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from journal_app.contract.prompts import TEMPLATES, Template
from trainer.causal import guard
from trainer.config import Recipe, RunPaths, TrainerError
from trainer.progress import Progress
from trainer.sections import AdapterConfig, BaseConfig

BASE_NOTE = "base.json"
"""Beside an adapter: which base it belongs to (name and hash of its weights)."""
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


def locate(base: BaseConfig, paths: RunPaths) -> Path:
    """Return the folder of the base: ``base.model`` itself, or its copy in the Hub's cache.

    Downloads only with ``--download``. Raises :class:`TrainerError` that says what to do when it is
    not at hand or has no weights.
    """
    if not base.model:
        raise TrainerError("the recipe names no base: set base.model to a folder or to a name on the Hub")
    folder = Path(base.model).expanduser()
    if not folder.is_dir():
        folder = _from_hub(base, paths)
    if not (folder / "config.json").is_file():
        raise TrainerError(f"the base {base.model} has no config.json: it must be a model in Hugging Face's form")
    if not weight_files(folder):
        raise TrainerError(f"the base {base.model} has no weights (model.safetensors); copy or download it again")
    return folder


def _from_hub(base: BaseConfig, paths: RunPaths) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
    try:
        found = snapshot_download(
            base.model, revision=base.revision or None, local_files_only=not paths.download, allow_patterns=wanted
        )
    except HFValidationError as error:
        raise TrainerError(f"the base {base.model} is neither a folder here nor a name on the Hub") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        hint = (
            "the Hub did not give it: check the network, the name and that its licence is accepted (hf auth login)"
            if paths.download
            else "add --download, set base.model to a folder that holds it, or try --tiny"
        )
        raise TrainerError(f"the base {base.model} is not on this computer; {hint}") from error
    return Path(found)


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a folder's weights, sorted."""
    return sorted({path for pattern in _WEIGHTS for path in folder.glob(pattern) if path.is_file()})


def template_of(recipe: Recipe) -> Template:
    """Return the conversation template of the base; raise :class:`TrainerError` for an unknown name."""
    try:
        return TEMPLATES[recipe.base.template]
    except KeyError:
        known = ", ".join(sorted(TEMPLATES))
        raise TrainerError(f"base.template: no such template: {recipe.base.template} (known: {known})") from None


def load_tokenizer(folder: Path) -> Any:
    """Return the folder's fast tokenizer; raise :class:`TrainerError` if it has none that loads."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainerError(f"no tokenizer in {folder} that loads: {_short(error)}") from error
    if not tokenizer.is_fast:
        raise TrainerError(f"the tokenizer in {folder} has no tokenizer.json; convert it to a fast one first")
    return tokenizer


def attention_for(wanted: str, device: torch.device) -> str:
    """Return transformers' name of the attention to use.

    ``auto`` is flash attention on a GPU where the package is importable, else PyTorch's. Raises
    :class:`TrainerError` when ``flash`` was asked for and is not there.
    """
    if wanted in ("sdpa", "eager"):
        return wanted
    from transformers.utils.import_utils import is_flash_attn_2_available

    there = device.type == "cuda" and is_flash_attn_2_available()
    if wanted == "flash" and not there:
        raise TrainerError(
            'there is no flash attention here (a GPU and the package flash-attn); set sft.attention = "auto"'
        )
    return "flash_attention_2" if there else "sdpa"


def load_model(
    folder: Path,
    *,
    method: str,
    adapter: AdapterConfig,
    device: torch.device,
    dtype: torch.dtype,
    attention: str,
    progress: Progress,
) -> Any:
    """Load a causal model for training with ``method`` (``full``, ``lora``, ``qlora``).

    Args:
        folder: from :func:`locate`. dtype: of the weights that are not in 4 bits. attention: transformers'
            name, see :func:`attention_for`.

    ``qlora`` puts every linear layer but the output into ``adapter.quant`` (bitsandbytes; on the CPU too).
    Raises :class:`TrainerError` for code the base wants to run, unknown architectures and missing memory.
    """
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    options: dict[str, Any] = {
        "dtype": dtype,
        "attn_implementation": attention,
        "local_files_only": True,
        "trust_remote_code": False,
    }
    if method == "qlora":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=adapter.quant,
            bnb_4bit_use_double_quant=adapter.double_quant,
            bnb_4bit_compute_dtype=DTYPES[adapter.compute],
        )
        options["device_map"] = {"": device}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(str(folder), **options)
        if method != "qlora":
            model = model.to(device)
    except torch.cuda.OutOfMemoryError as error:
        raise TrainerError("the base does not fit the GPU; see `quietpage-train estimate` for what would") from error
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise TrainerError(f"the base in {folder} does not load: {_short(error)}") from error
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # In eval mode on the CPU bitsandbytes would repack the weights for good, into a form through which
            # no gradient flows: after the first evaluation the layers below would learn nothing.
            module.support_avx512bf16_for_cpu = False
    model.config.use_cache = False
    progress.say(f"base: {model.num_parameters() / 1e6:,.1f} M parameters, {method}, {attention}, {device.type}")
    return model


def wrap(model: Any, adapter: AdapterConfig, *, task_type: str = "CAUSAL_LM") -> Any:
    """Return ``model`` with LoRA adapters as ``adapter`` says; nothing else learns.

    Raises :class:`TrainerError` when none of ``adapter.targets`` is a layer of the model.
    """
    from peft import LoraConfig, get_peft_model

    targets: Any = "all-linear" if adapter.targets == ("all-linear",) else list(adapter.targets)
    config = LoraConfig(
        r=adapter.r,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules=targets,
        bias="none",
        task_type=task_type,
    )
    try:
        # Adapters learn in 32 bits: 16 lose the small updates at the end of a schedule.
        return get_peft_model(model, config, autocast_adapter_dtype=True)
    except ValueError as error:
        raise TrainerError(f"adapter.targets: {_short(error)}") from error


def trained(paths: RunPaths) -> Path:
    """Return the folder of what was trained last: ``preferred`` if it is there, else as :func:`tuned`."""
    return first(paths.preferred, paths.distilled, paths.adapter)


def tuned(paths: RunPaths) -> Path:
    """Return the folder that ``prefer`` starts from: ``distilled`` if it is there, else ``adapter``.

    Raises :class:`TrainerError` when neither is.
    """
    return first(paths.distilled, paths.adapter)


def first(*folders: Path) -> Path:
    """Return the first of ``folders`` that holds an adapter or a model; raise :class:`TrainerError` for none."""
    for folder in folders:
        if (folder / "adapter_config.json").is_file() or (folder / "config.json").is_file():
            return folder
    raise TrainerError("nothing is trained yet: run `quietpage-train finetune` first")


def load_trained(
    folder: Path,
    base: Path,
    *,
    device: torch.device,
    dtype: torch.dtype,
    attention: str = "sdpa",
    trainable: bool = False,
) -> Any:
    """Load what a stage left in ``folder``: an adapter on ``base``, or a whole model.

    Raises :class:`TrainerError` when the adapter belongs to another base.
    """
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    whole = not (folder / "adapter_config.json").is_file()
    if not whole:
        check_base(folder, base)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(folder if whole else base), dtype=dtype, attn_implementation=attention, local_files_only=True
        )
        model = model.to(device)
        if not whole:
            model = PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise TrainerError(f"the trained model in {folder} does not load: {_short(error)}") from error
    return model


def note_base(folder: Path, base: BaseConfig, location: Path) -> Path:
    """Write which base the adapter in ``folder`` belongs to; return the file."""
    path = folder / BASE_NOTE
    note = {"model": base.model, "revision": base.revision, "sha256": weights_sha256(location)}
    path.write_text(json.dumps(note, indent=1) + "\n", "utf-8")
    return path


def check_base(folder: Path, location: Path) -> None:
    """Raise :class:`TrainerError` unless the adapter in ``folder`` was trained on the weights in ``location``."""
    try:
        note = json.loads((folder / BASE_NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return
    if note.get("sha256") != weights_sha256(location):
        raise TrainerError(
            f"the adapter was trained on other weights than those in {location}; "
            "set base.model to the base it was trained on, or run finetune again"
        )


def weights_sha256(folder: Path) -> str:
    """Return the hash over a folder's weight files and ``config.json``."""
    digest = hashlib.sha256()
    for path in [folder / "config.json", *weight_files(folder)]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def copy_tokenizer(tokenizer: Any, folder: Path) -> list[Path]:
    """Write the tokenizer with its chat template into ``folder``; return its files."""
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(path) for path in tokenizer.save_pretrained(str(folder)) if Path(path).is_file()]


def files_of(folder: Path) -> tuple[Path, ...]:
    """Return every file of a folder, sorted, as a stage's outputs."""
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))


@contextlib.contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Give a folder to fill: when all went well it is flushed and takes the place of ``folder``, else it is removed."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        guard.flush(part)
        replace_folder(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def replace_folder(part: Path, folder: Path) -> None:
    """Put the folder ``part`` in the place of ``folder``; a crash leaves one of the two whole."""
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def trainable(model: Any) -> Iterable[tuple[str, torch.nn.Parameter]]:
    """Yield name and weight of all that learns."""
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
