"""Licences of what is shipped: what a base asks for, and what the data allow, in words for a card and a notice.

No legal advice: it says what the licences of the bases ask to be shown, and names the sets whose terms are
narrower than the licence that a recipe puts on its weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.config import Recipe, TrainerError

BASE_TERMS: dict[str, str] = {
    "LicenseRef-Llama-2-Community": (
        "Llama 2 is licensed under the LLAMA 2 Community License, Copyright (c) Meta Platforms, Inc. All Rights "
        "Reserved. What it writes may not be used to improve other large language models."
    ),
    "LicenseRef-Llama-3-Community": (
        "Built with Meta Llama 3. Meta Llama 3 is licensed under the Meta Llama 3 Community License, Copyright (c) "
        "Meta Platforms, Inc. All Rights Reserved."
    ),
    "LicenseRef-Llama-3.1-Community": (
        "Built with Llama. Llama 3.1 is licensed under the Llama 3.1 Community License, Copyright (c) Meta Platforms, "
        "Inc. All Rights Reserved."
    ),
    "LicenseRef-Llama-3.2-Community": (
        "Built with Llama. Llama 3.2 is licensed under the Llama 3.2 Community License, Copyright (c) Meta Platforms, "
        "Inc. All Rights Reserved."
    ),
    "LicenseRef-Qwen-Research": (
        "Built with Qwen. Qwen is licensed under the Qwen RESEARCH LICENSE AGREEMENT, Copyright (c) Alibaba Cloud. "
        "All Rights Reserved. Non-commercial use only."
    ),
    "LicenseRef-Gemma": (
        "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms."
    ),
}
"""Licence of a recipe -> what the base's licence asks to be shown with anything made from it."""
HUB_NAMES: dict[str, str] = {
    "Apache-2.0": "apache-2.0",
    "MIT": "mit",
    "CC0-1.0": "cc0-1.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "LicenseRef-Llama-2-Community": "llama2",
    "LicenseRef-Llama-3-Community": "llama3",
    "LicenseRef-Llama-3.1-Community": "llama3.1",
    "LicenseRef-Llama-3.2-Community": "llama3.2",
    "LicenseRef-Gemma": "gemma",
}
"""Licence of a recipe -> identifier of the Hub; everything else is ``other``."""
NON_COMMERCIAL = "Not for commercial use"
"""Begins the sentence that stands on the card of weights that learned from texts given for research only."""
_NARROW = re.compile(r"non-?commercial|\bNC\b|-NC-|\bresearch\b|educational|RAIL", re.IGNORECASE)


def narrow_sources(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the sets whose terms are for research or non-commercial use, or pass on restrictions."""
    return [str(source["name"]) for source in sources if _NARROW.search(str(source["licence"]))]


def non_commercial(recipe: Recipe, sources: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether the weights are to be kept from commercial use, by their own licence or by the data's terms."""
    return bool(_NARROW.search(recipe.licence) or narrow_sources(sources))


def statement(recipe: Recipe, sources: Sequence[Mapping[str, Any]]) -> str:
    """Return what has to be said of licences, as paragraphs of Markdown."""
    parts = [f"`{recipe.licence}`."]
    if base := BASE_TERMS.get(recipe.licence):
        parts.append(base)
    narrow = narrow_sources(sources)
    if narrow:
        parts.append(
            f"{NON_COMMERCIAL}: the weights learned from sets whose terms are for research or non-commercial use, or "
            f"pass on restrictions: {', '.join(narrow)}. That holds whatever the licence of the base allows."
        )
    elif non_commercial(recipe, sources):
        parts.append(f"{NON_COMMERCIAL}: the licence of the weights says so.")
    unknown = [str(source["name"]) for source in sources if "not stated" in str(source["licence"])]
    if unknown:
        parts.append(f"No licence is stated for: {', '.join(unknown)}.")
    return "\n\n".join(parts)


def base_name(recipe: Recipe) -> str:
    """Return the base's name on the Hub; of a folder of this computer only its own name."""
    model = recipe.base.model
    return Path(model).name if Path(model).is_absolute() or model.startswith((".", "~")) else model


def check_name(recipe: Recipe) -> None:
    """Raise :class:`TrainerError` where the licence of the base asks for another name than the recipe's."""
    llama = recipe.licence.startswith("LicenseRef-Llama-3")
    if llama and not recipe.name.lower().startswith("llama"):
        raise TrainerError(
            f"name: {recipe.name}: the licence of Llama 3 asks that what is made from it is called Llama-..."
        )
