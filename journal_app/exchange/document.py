"""The therapist summary as a document: headings, facts, quotations and charts in reading order.

PDF, HTML and the preview are all made from the same ``Document``, so that what the writer sees is
what leaves. Nothing here looks anything up: what is not in the ``Summary`` cannot get in.
"""

from __future__ import annotations

from dataclasses import dataclass

from journal_app.journal import trends, wording
from journal_app.journal.summary import Said, Summary
from journal_app.journal.trends import Trend
from journal_app.journal.wording import Translate

QUIET_HEIGHT = 118.0
"""Points of a chart's height on the first page, which must hold everything a therapist needs."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A section's title; ``mark`` is a short tag beside it, such as "estimate"."""

    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; ``quiet`` for what is about the summary rather than about the writer."""

    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Quotes:
    """The writer's words, each with its date as it is to be read."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Pairs of a name and a value."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart by its key in ``charts.catalog``; ``height`` in points, ``caption`` above it."""

    key: str
    trend: Trend
    height: float
    caption: str = ""


@dataclass(frozen=True, slots=True)
class PageBreak:
    """The next block begins a page."""


Block = Heading | Paragraph | Quotes | Facts | Picture | PageBreak


@dataclass(frozen=True, slots=True)
class Document:
    """A title, one line under it, blocks, the line at the foot of each page, and the language (BCP 47)."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...]
    foot: str
    page_word: str = "Page {n} of {all}"
    language: str = "en"


def from_summary(summary: Summary, translate: Translate = wording.untranslated, *, language: str = "en") -> Document:
    """Return the pages' content, in the order that a therapist reads it."""

    def day(date: str) -> str:
        return wording.short_date(date, translate, year=True)

    blocks: list[Block] = [Heading(translate("summary", "What I want to talk about"))]
    nothing = translate("summary", "Nothing chosen.")
    blocks += _said(summary.talk_note, summary.talk, translate) or [Paragraph(nothing, quiet=True)]
    blocks += [Heading(translate("summary", "The period")), Facts(_facts(summary, translate))]
    if summary.ratings:
        blocks.append(Heading(translate("summary", "My own ratings")))
        blocks += _ratings(summary, translate)
    for title, note, quotes in (
        (translate("summary", "What went worse"), summary.worse_note, summary.worse),
        (translate("summary", "What helped"), summary.helped_note, summary.helped),
    ):
        blocks.append(Heading(title))
        blocks += _said(note, quotes, translate) or [Paragraph(nothing, quiet=True)]
    if summary.safety:
        blocks.append(Heading(translate("summary", "Safety")))
        blocks.append(Paragraph(summary.safety_note or translate("summary", "I would like to talk about my safety.")))
    blocks.append(Heading(translate("summary", "What was left out")))
    blocks.append(Paragraph(" ".join(summary.left_out), quiet=True))
    if summary.estimates is not None:
        blocks += _estimates(summary, translate)
    return Document(
        title=translate("summary", "Summary for my therapist"),
        subtitle=translate("summary", "{start} to {end}, made on {made}").format(
            start=day(summary.start), end=day(summary.end), made=day(summary.made_on)
        ),
        blocks=tuple(blocks),
        foot=translate("summary", "Self-report, not a diagnosis. Made with Quiet Page, which is not a medical device."),
        page_word=translate("summary", "Page {n} of {all}"),
        language=language,
    )


def _said(note: str, quotes: tuple[Said, ...], translate: Translate) -> list[Block]:
    blocks: list[Block] = []
    if note:
        blocks.append(Paragraph(note))
    if quotes:
        year = len({quote.date[:4] for quote in quotes}) > 1
        blocks.append(Quotes(tuple((wording.short_date(q.date, translate, year=year), q.text) for q in quotes)))
    return blocks


def _facts(summary: Summary, translate: Translate) -> tuple[tuple[str, str], ...]:
    written = summary.days - summary.days_without
    without = translate("summary", "{n} of {all}").format(n=summary.days_without, all=summary.days)
    if summary.longest_gap > 1:
        without += translate("summary", " (longest stretch {n})").format(n=summary.longest_gap)
    return (
        (translate("summary", "Entries"), str(summary.entries)),
        (
            translate("summary", "Days with an entry"),
            translate("summary", "{n} of {all}").format(n=written, all=summary.days),
        ),
        (translate("summary", "Days without data"), without),
    )


def _ratings(summary: Summary, translate: Translate) -> list[Block]:
    blocks: list[Block] = []
    items: list[tuple[str, str]] = []
    mood = summary.mood
    if mood is not None:
        items.append(
            (
                translate("summary", "Mood, mean"),
                translate("summary", "{mean:.1f} of 5 ({n} days)").format(mean=mood.mean, n=mood.days),
            )
        )
        if mood.before is not None:
            items.append(
                (
                    translate("summary", "The period before"),
                    translate("summary", "{mean:.1f} ({n} days), change {change:+.1f}")
                    .format(mean=mood.before, n=mood.before_days, change=mood.mean - mood.before)
                    .replace("-", "\u2212"),
                )
            )
        items.append(
            (
                translate("summary", "Lowest to highest"),
                translate("summary", "{low} to {high}").format(low=mood.lowest, high=mood.highest),
            )
        )
    for score in summary.scores:
        text = f"{score.value:g} / {score.highest:g}, {wording.short_date(score.date, translate, year=True)}"
        if score.change is not None:
            text += translate("summary", ", change {change:+g}").format(change=score.change)
        items.append((score.name, text))
    if not items:
        return [Paragraph(translate("summary", "No own ratings in these days."), quiet=True)]
    blocks.append(Facts(tuple(items)))
    if mood is not None:
        blocks.append(Picture("mood", summary.trend, QUIET_HEIGHT, translate("summary", "Mood as noted, dots")))
    return blocks


def _estimates(summary: Summary, translate: Translate) -> list[Block]:
    estimates = summary.estimates
    assert estimates is not None
    mark = translate("summary", "estimate")
    about = translate(
        "summary",
        "This page was made by a small language model that read {n} entries on my own computer. It describes words, "
        "not a person, was trained on public posts that are not diaries, and may be wrong. It is not a diagnosis.",
    ).format(n=estimates.read)
    if estimates.models:
        about += " " + translate("summary", "Model: {names}.").format(names=", ".join(estimates.models))
    blocks: list[Block] = [
        PageBreak(),
        Heading(translate("summary", "Estimates made by a model"), mark),
        Paragraph(about, quiet=True),
    ]
    if not estimates.read:
        blocks.append(Paragraph(translate("summary", "No entry of these days has been read."), quiet=True))
        return blocks
    if estimates.feelings:
        blocks.append(Heading(translate("summary", "Feelings in the words"), mark))
        shares = ", ".join(f"{wording.feeling_word(name, translate)} {share:.0%}" for name, share in estimates.feelings)
        shares += ", " + translate("summary", "nothing clear {share}").format(share=f"{estimates.unclear:.0%}")
        blocks.append(Paragraph(translate("summary", "Mean shares of what was read: {shares}.").format(shares=shares)))
        blocks.append(Picture("feelings", summary.trend, 150.0, translate("summary", "Shares of feelings")))
    blocks.append(Heading(translate("summary", "Stress and low-mood signs in the words"), mark))
    blocks += [Paragraph(line) for line in estimates.sentences]
    blocks.append(Picture("levels", summary.trend, 190.0, translate("summary", "Days at each level")))
    text = translate("summary", "Share of days with some or many signs, looking back {n} days")
    caption = text.format(n=trends.rolling_days(summary.trend))
    blocks.append(Picture("signs", summary.trend, 96.0, caption))
    return blocks
