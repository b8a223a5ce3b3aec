"""Data sets of the Hub through the ``datasets`` library; fetched only with ``--download``, else from its cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainer.config import RunPaths, TrainerError
from trainer.corpora.corpus import Corpus, Record
from trainer.corpora.files import SPLITS
from trainer.sections import Source


def hub_records(
    source: Source, corpus: Corpus | None, paths: RunPaths, their_names: Mapping[str, tuple[str, ...]]
) -> dict[str, Iterable[Record]]:
    """Return split -> records of ``source.path``: a name on the Hub, or a folder with the files of a data set.

    Numbers of class labels become their names. Raises :class:`TrainerError` when it is not at hand, has no such
    configuration or split.
    """
    name = source.path or (corpus.hub if corpus is not None else "")
    if not name:
        raise TrainerError(f'sources.{source.name}: kind = "hub" needs a path: owner/name, or a folder of a data set')
    found = _loaded(source, name, paths)
    splits = source.splits or {
        ours: theirs for ours, names in their_names.items() for theirs in reversed(names) if theirs in found
    }
    chosen: dict[str, Iterable[Record]] = {}
    for ours, theirs in splits.items():
        if ours not in SPLITS:
            raise TrainerError(f"sources.{source.name}: splits: {ours} is not one of {', '.join(SPLITS)}")
        if theirs not in found:
            raise TrainerError(f"sources.{source.name}: {name} has no split {theirs}; it has: {', '.join(found)}")
        chosen[ours] = _rows(f"{name} ({theirs})", found[theirs])
    if "train" not in chosen:
        raise TrainerError(f"sources.{source.name}: {name} has no train split; it has: {', '.join(found)}; set splits")
    return {split: chosen[split] for split in SPLITS if split in chosen}


def _loaded(source: Source, name: str, paths: RunPaths) -> dict[str, Any]:
    try:
        import datasets
    except ImportError as error:
        raise TrainerError("data sets of the Hub need the package datasets: pip install 'quiet-page[train]'") from error
    local = Path(name).expanduser().is_dir()
    try:
        with _quiet(datasets), _offline(datasets, wanted=not paths.download):
            found = datasets.load_dataset(
                str(Path(name).expanduser()) if local else name,
                source.config or None,
                # A copy of texts of one's own belongs to the run, not into a cache that outlives it.
                cache_dir=str(paths.out / "hub-cache") if local else None,
            )
    # What goes wrong in there has many types, from pyarrow's to httpx's; none of them names a text.
    except Exception as error:
        if local:
            hint = f"the folder {name} holds no data set that can be read"
        elif paths.download:
            hint = f"the Hub did not give {name}: check the network, the name and its terms (hf auth login)"
        else:
            hint = f"{name} is not in the cache of this computer; add --download, or save it and set path to its folder"
        raise TrainerError(f"sources.{source.name}: {hint} ({_short(error)})") from error
    return {str(split): rows for split, rows in found.items()}


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    shown = not datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not shown:
            datasets.enable_progress_bars()


@contextmanager
def _offline(datasets: Any, *, wanted: bool) -> Iterator[None]:
    """Keep both libraries from opening a connection; they read their environment only once, so it is set in them."""
    from huggingface_hub import constants

    before = (datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE)
    if wanted:
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


def _rows(where: str, rows: Any) -> Iterator[Record]:
    names = {column: _class_names(feature) for column, feature in (rows.features or {}).items()}
    for number, row in enumerate(rows, 1):
        values = {column: _named(value, names.get(column)) for column, value in row.items()}
        yield Record(f"{where}, row {number}", values)


def _class_names(feature: Any) -> list[str] | None:
    inner = getattr(feature, "feature", feature)
    names = getattr(inner, "names", None)
    return list(names) if names else None


def _named(value: Any, names: list[str] | None) -> Any:
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _short(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text[:120]}" if text else type(error).__name__
