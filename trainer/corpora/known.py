"""Every corpus by name; those whose data was not at hand are marked ``measured=False``."""

from __future__ import annotations

from trainer.corpora import (
    amod,
    annomi,
    blog_prose,
    chat_en,
    chatbot_ko,
    cognitive_distortion,
    counselchat,
    dailydialog,
    depression_reddit,
    depseverity,
    dreaddit,
    emotion,
    empathetic_dialogues,
    empathetic_dialogues_full,
    empathetic_dialogues_ko,
    empathetic_personas,
    epitome,
    esconv,
    goemotions,
    goemotions_ko,
    imhi_explain,
    isear,
    kote,
    kote_full,
    pair_reflections,
    papers,
    positive_frames,
    practice_ko,
    prose_en,
    prose_ko,
    sad,
    sdcnl,
    stress_weak,
    studemo,
)
from trainer.corpora.corpus import Corpus

_MODULES = (
    amod,
    annomi,
    blog_prose,
    chat_en,
    chatbot_ko,
    cognitive_distortion,
    counselchat,
    dailydialog,
    depression_reddit,
    depseverity,
    dreaddit,
    emotion,
    empathetic_dialogues,
    empathetic_dialogues_full,
    empathetic_dialogues_ko,
    empathetic_personas,
    epitome,
    esconv,
    goemotions,
    goemotions_ko,
    imhi_explain,
    isear,
    kote,
    kote_full,
    pair_reflections,
    papers,
    positive_frames,
    practice_ko,
    prose_en,
    prose_ko,
    sad,
    sdcnl,
    stress_weak,
    studemo,
)

KNOWN: dict[str, Corpus] = {module.CORPUS.name: module.CORPUS for module in _MODULES}
"""Name in a recipe's ``[[sources]]`` -> the corpus."""


def task_labels(task: str) -> tuple[str, ...]:
    """Return the labels of a set's own classification task (``kote``, ``goemotions``, ...), in order; else empty."""
    return next((corpus.labels(task) for corpus in KNOWN.values() if task in corpus.tables), ())
