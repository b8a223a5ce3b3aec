"""``push``: the packaged model, its card, evaluation and notices to the Hub, in one commit.

Goes to ``HF_ENDPOINT`` (the Hub unless told otherwise) with the token of ``hf auth login`` or ``HF_TOKEN``, which
is never shown. Only what ``package`` wrote is sent, and only when the file there is the one that it listed; weights
whose terms are narrower than their licence must say so on the card.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from journal_app.inference.engine import ModelError
from journal_app.inference.llama import describe, sha256_of
from trainer import terms
from trainer.config import Recipe, RunPaths, StageResult, TrainerError
from trainer.progress import Progress

TRIES = 3
WAIT = 2.0
"""Seconds before a try after a dropped connection; the library itself tries each request several times."""
_LICENCES = ("LICENSE-WEIGHTS.md", "LICENSE-APACHE-2.0.txt")


def run(recipe: Recipe, paths: RunPaths, progress: Progress, options: argparse.Namespace) -> StageResult:
    """Upload the package; raise :class:`TrainerError` for whatever stands in the way.

    ``options``: ``repo`` (owner/name), ``private``.
    """
    try:
        from huggingface_hub import HfApi, constants, get_token
        from huggingface_hub.utils import close_session
    except ImportError as error:
        raise TrainerError("push needs huggingface_hub: pip install 'quiet-page[train]'") from error
    if options.repo.count("/") != 1 or not all(options.repo.split("/")):
        raise TrainerError(f"--repo is OWNER/NAME, not {options.repo}")
    files = packaged(recipe, paths)
    if constants.HF_HUB_OFFLINE:
        raise TrainerError("push: HF_HUB_OFFLINE is set; unset it to send the model")
    if not get_token():
        raise TrainerError("push: no token for the Hub: run `hf auth login`, or set HF_TOKEN")
    size = sum(len(value) if isinstance(value, bytes) else value.stat().st_size for value in files.values())
    progress.say(
        f"push: {len(files)} files, {size / 1e6:.1f} MB, to {options.repo} at {constants.ENDPOINT}"
        + (" (private)" if options.private else "")
    )
    try:
        link = _patiently(HfApi(), recipe, files, progress, options)
    finally:
        # The library would keep its connections for as long as the program runs.
        close_session()
    progress.say(f"push: {link}")
    return StageResult((), {"files": len(files), "megabytes": round(size / 1e6, 1)})


def _patiently(
    api: Any, recipe: Recipe, files: dict[str, Path | bytes], progress: Progress, options: argparse.Namespace
) -> str:
    for attempt in range(1, TRIES + 1):
        try:
            return _send(api, options.repo, options.private, recipe, files)
        # What goes wrong in there has many types, of three libraries; none of them may end in a traceback, and
        # none is shown as it is, since a request holds the token.
        except Exception as error:
            reason, again = _explained(error, options.repo)
            if not again or attempt == TRIES:
                raise TrainerError(f"push: {reason}") from None
            progress.say(f"push: {reason}; trying again")
            time.sleep(WAIT)
    raise AssertionError("the last try returns or raises")


def packaged(recipe: Recipe, paths: RunPaths) -> dict[str, Path | bytes]:
    """Return name in the repository -> file of the package (or its content); raise :class:`TrainerError`.

    Refuses a package that is missing, incomplete or not the listed one, and a card that is silent on terms.
    """
    models, docs = paths.release / "assets" / "models", paths.release / "docs" / "models"
    entry = _entry(models / "models.json", recipe.name)
    model = models / entry["file"]
    card, evaluation = docs / f"{recipe.name}.md", docs / f"{recipe.name}.evaluate.json"
    for path in (model, card, evaluation):
        if not path.is_file():
            raise TrainerError(f"the package lacks {path.name}: run `quietpage-train package` first")
    try:
        if sha256_of(model) != entry["sha256"]:
            raise TrainerError(f"{model.name} is not the file that was packaged: run `quietpage-train package` again")
        sources = describe(model).manifest.training_data
    except ModelError as error:
        raise TrainerError(f"push: {error}") from error
    text = card.read_text("utf-8")
    if terms.narrow_sources(sources) and not _says_non_commercial(text):
        raise TrainerError(
            "push: the card does not say that the weights learned from sets for non-commercial use only: run "
            "`quietpage-train package` again"
        )
    files: dict[str, Path | bytes] = {
        model.name: model,
        "README.md": (front_matter(recipe, sources) + text).encode(),
        evaluation.name: evaluation,
    }
    notice = models / f"{recipe.name}.NOTICE"
    files["NOTICE"] = notice if notice.is_file() else models / "NOTICE"
    if recipe.kind != "causal":
        files |= {name: models / name for name in _LICENCES if (models / name).is_file()}
    if isinstance(files["NOTICE"], Path) and not files["NOTICE"].is_file():
        raise TrainerError("the package lacks its NOTICE: run `quietpage-train package` first")
    return files


def front_matter(recipe: Recipe, sources: list[dict[str, Any]]) -> str:
    """Return the YAML head that the Hub reads from a card."""
    licence = terms.HUB_NAMES.get(recipe.licence, "other")
    lines = ["---", f"license: {licence}"]
    if terms.narrow_sources(sources) and licence in ("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0"):
        # The Hub shows this at the top: what the data's terms forbid must not look allowed.
        lines = ["---", "license: other", f"license_name: {json.dumps(recipe.licence + ' base, non-commercial data')}"]
    elif licence == "other":
        lines.append(f"license_name: {json.dumps(recipe.licence)}")
    lines += ["language:", *(f"- {language}" for language in recipe.languages), "library_name: gguf"]
    if (base := terms.base_name(recipe)).count("/") == 1:
        lines.append(f"base_model: {json.dumps(base)}")
    lines += ["tags:", "- quiet-page", "- mental-health", "---", "", ""]
    return "\n".join(lines)


def _says_non_commercial(card: str) -> bool:
    return terms.NON_COMMERCIAL in card or "non-commercial" in card.lower()


def _entry(path: Path, name: str) -> dict[str, Any]:
    try:
        found = next(model for model in json.loads(path.read_text("utf-8")) if model["name"] == name)
        if Path(found["file"]).name != found["file"] or not isinstance(found["sha256"], str):
            raise ValueError
    except (OSError, StopIteration):
        raise TrainerError(f"{name} is not packaged: run `quietpage-train package` first") from None
    except (ValueError, KeyError, TypeError):
        raise TrainerError(f"{path} is not a list of models") from None
    return found


def _send(api: Any, repo: str, private: bool, recipe: Recipe, files: Mapping[str, Path | bytes]) -> str:
    from huggingface_hub import CommitOperationAdd

    api.create_repo(repo, private=private or None, exist_ok=True)
    operations = [CommitOperationAdd(name, value) for name, value in files.items()]
    done = api.create_commit(repo, operations, commit_message=f"{recipe.name}, packaged by quietpage-train")
    return str(done.commit_url)


def _explained(error: BaseException, repo: str) -> tuple[str, bool]:
    """Return what went wrong in one line, without anything of the request, and whether trying again may help."""
    status = 0
    seen: BaseException | None = error
    while seen is not None:
        status = status or int(getattr(getattr(seen, "response", None), "status_code", 0) or 0)
        if status == 0 and type(seen).__name__ in _DROPPED:
            return "the connection was lost; what arrived already is not sent again", True
        seen = seen.__cause__ or seen.__context__
    if status == 401:
        return "the Hub does not accept the token: run `hf auth login` again, or set HF_TOKEN", False
    if status == 403:
        return f"the token may not write to {repo}: make one with write access", False
    if status == 404:
        return f"there is no {repo}, or the token may not see it", False
    if status == 413:
        return "the Hub refused the size of the upload", False
    if status >= 500 or status in (408, 429):
        return f"the Hub answered {status}", True
    if status:
        return f"the Hub answered {status}", False
    return f"the upload failed ({type(error).__name__})", False


_DROPPED = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "NetworkError",
        "PoolTimeout",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
        "WriteError",
        "WriteTimeout",
        "ConnectionError",
        "ConnectionResetError",
        "BrokenPipeError",
    }
)
"""Names of the errors of a lost connection, of whichever library sends."""
