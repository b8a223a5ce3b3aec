"""Owns the settings that reveal nothing about the writer, kept as TOML outside the vault.

Anything that says something about a person (pinned contacts, marks) lives inside the vault.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

THEMES: tuple[str, ...] = ("system", "light", "dark", "contrast")
LANGUAGES: tuple[str, ...] = ("en", "ko", "zh_TW")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the writer chose. Sizes are device-independent pixels, the width is in characters.

    Attributes:
        theme: ``system``, ``light``, ``dark`` or ``contrast``.
        writing_font: family of the page; empty = the first good book face that is installed.
        writing_size: 12 … 32. writing_width: 40 … 100 characters to a line.
        read_entries: whether the model reads entries at all.
        panel_open: whether the reading panel is unfolded.
        lock_minutes: minutes of idleness before the journal locks; at least 1, never off.
        language: ``en``, ``ko``, ``zh_TW`` or empty = the system's.
        country: ISO 3166 code for help lines, or empty = the system's.
        reduce_motion: no animations.
    """

    theme: str = "system"
    writing_font: str = ""
    writing_size: int = 18
    writing_width: int = 68
    read_entries: bool = True
    panel_open: bool = True
    lock_minutes: int = 10
    language: str = ""
    country: str = ""
    reduce_motion: bool = False

    def checked(self) -> Settings:
        """Return a copy with every value inside its bounds; a lost setting never unlocks anything."""
        return replace(
            self,
            theme=self.theme if self.theme in THEMES else "system",
            writing_size=min(max(self.writing_size, 12), 32),
            writing_width=min(max(self.writing_width, 40), 100),
            lock_minutes=min(max(self.lock_minutes, 1), 240),
            language=self.language if self.language in LANGUAGES else "",
            country=self.country.upper()[:2],
        )


def default_path() -> Path:
    """Return where the settings are kept on this system."""
    return Path(platformdirs.user_config_dir("quiet-page", appauthor=False)) / "settings.toml"


def load(path: Path) -> Settings:
    """Read settings; a missing, damaged or odd value is replaced by its default."""
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return Settings()
    known: dict[str, Any] = {}
    for item in fields(Settings):
        value = raw.get(item.name)
        if type(value) is type(item.default):
            known[item.name] = value
    return Settings(**known).checked()


def save(path: Path, settings: Settings) -> None:
    """Write settings to a temporary file beside ``path`` and move it there; raise ``OSError``."""
    lines = [f"{item.name} = {_toml(getattr(settings, item.name))}\n" for item in fields(Settings)]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".settings-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(lines)
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in str(value))
    return f'"{escaped}"'


class SettingsKeeper:
    """Holds the current settings, saves each change and tells those who asked to be told."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listeners: list[Callable[[Settings], None]] = []
        self.value = load(path)

    def listen(self, listener: Callable[[Settings], None]) -> None:
        """Call ``listener`` with the new settings after each change."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[Settings], None]) -> None:
        """Stop telling ``listener``."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def change(self, **values: Any) -> Settings:
        """Change some settings, save them and tell the listeners; a full disk changes them for this run only."""
        new = replace(self.value, **values).checked()
        if new == self.value:
            return new
        self.value = new
        try:
            save(self._path, new)
        except OSError:
            pass  # a preference that does not outlive this run is not worth a warning
        for listener in tuple(self._listeners):
            listener(new)
        return new
