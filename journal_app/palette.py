"""The colours of the visual language, once, for the window, the charts and the exports.

Roles and measured contrasts are explained in ``docs/architecture.md`` (Look). Every text role
has a contrast of at least 4.5:1 on page and card.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as ``#RRGGBB``; one instance per theme."""

    page: str
    card: str
    sunken: str
    ink: str
    quiet_ink: str
    accent: str
    on_accent: str
    line: str
    note: str
    help: str
    low: str
    high: str
    series: tuple[str, ...]


LIGHT = Palette(
    page="#FAF7F2",
    card="#FFFFFF",
    sunken="#F1ECE3",
    ink="#2A2824",
    quiet_ink="#6A645A",
    accent="#3F6B57",
    on_accent="#FFFFFF",
    line="#DDD6CA",
    note="#8A5A12",
    help="#8C3B3B",
    low="#3B6FB6",
    high="#D9A441",
    series=("#3F6B57", "#D55E00", "#3B6FB6", "#C9578C", "#B98A00", "#7A6FB0"),
)

DARK = Palette(
    page="#1B1A18",
    card="#242320",
    sunken="#151412",
    ink="#ECE7DE",
    quiet_ink="#A8A196",
    accent="#8FC0A6",
    on_accent="#10201A",
    line="#3A3833",
    note="#E0B062",
    help="#E79C97",
    low="#7FA6DC",
    high="#E6BC6B",
    series=("#8FC0A6", "#E8945A", "#7FA6DC", "#DE93B6", "#D6B04E", "#A9A0D2"),
)

HIGH_CONTRAST = Palette(
    page="#000000",
    card="#000000",
    sunken="#000000",
    ink="#FFFFFF",
    quiet_ink="#FFFFFF",
    accent="#FFD60A",
    on_accent="#000000",
    line="#FFFFFF",
    note="#FFD60A",
    help="#FFD60A",
    low="#7FB2FF",
    high="#FFD60A",
    series=("#FFFFFF", "#FFD60A", "#7FB2FF", "#FF9BC4", "#9BE59B", "#C9BFFF"),
)
