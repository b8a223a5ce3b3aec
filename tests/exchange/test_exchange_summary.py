"""Files that leave: the right order, only what was ticked, nothing of the computer."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from journal_app.charts.catalog import CHARTS
from journal_app.exchange import csv_data, document, html, pages, pdf
from journal_app.exchange.document import PageBreak
from journal_app.journal import summary, trends
from journal_app.journal.summary import Choices, Quote
from tests.support.day_rows import analysis, life, row

CHOICES = Choices(
    "2026-09-22",
    "2026-11-20",
    talk=(Quote("secret-id-1", "2026-10-12", "I keep saying yes before I have thought about it."),),
    talk_note="Sleep, and saying no.",
    worse=(Quote("secret-id-2", "2026-10-28", "오늘은 회의가 길었고 말이 없었다."),),
    helped=(Quote("secret-id-3", "2026-11-10", "Ten minutes of tidying before bed with Mina."),),
    hide=("Mina",),
)
ORDER = (
    "What I want to talk about",
    "The period",
    "My own ratings",
    "What went worse",
    "What helped",
    "Safety",
    "What was left out",
    "Estimates made by a model",
)


def value(choices: Choices = CHOICES) -> summary.Summary:
    return summary.build(life(60), choices, made_on="2026-11-20")


def pdf_text(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


class _Tags(HTMLParser):
    VOID = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def tags(text: str) -> _Tags:
    parser = _Tags()
    parser.feed(text)
    assert parser.open == []
    return parser


def test_the_order_of_the_page() -> None:
    full = value(replace(CHOICES, safety=True, safety_note="My words.", estimates=True))
    for text in (pdf_text(pdf.summary(full)), html.summary(full)):
        places = [text.index(heading) for heading in ORDER]
        assert places == sorted(places)


def test_safety_and_estimates_are_off_by_default() -> None:
    data = pdf.summary(value())
    text = pdf_text(data)
    assert "Estimates made by a model (" not in text
    assert "\nSafety\n" not in text
    assert "that says nothing either way" in text
    assert "not a diagnosis" in text
    assert len(PdfReader(io.BytesIO(data)).pages) == 1
    page = html.summary(value())
    assert "reader" not in page
    assert "estimate" not in page.lower().replace("estimates made by a model are not included", "")


def test_pdf_says_only_its_title() -> None:
    data = pdf.summary(value(replace(CHOICES, estimates=True)))
    reader = PdfReader(io.BytesIO(data))
    assert dict(reader.metadata or {}) == {"/Title": "Summary for my therapist"}
    assert reader.xmp_metadata is None
    for word in (b"fpdf", b"pypdf", b"matplotlib", b"secret-id", b"/site-packages", b"/home/", b"CreationDate"):
        assert word.lower() not in data.lower()
    for page in reader.pages:
        assert (round(page.mediabox.width), round(page.mediabox.height)) == (595, 842)
    assert reader.trailer["/Root"]["/Lang"] == "en"


def test_pdf_charts_are_vectors_and_fonts_are_embedded() -> None:
    reader = PdfReader(io.BytesIO(pdf.summary(value(replace(CHOICES, estimates=True)))))
    for page in reader.pages:
        assert not list(page.images)
        for font in page["/Resources"]["/Font"].values():
            inner = font.get_object()
            if inner["/Subtype"] == "/Type3":  # the charts': every glyph is a drawing inside the file
                assert inner["/CharProcs"]
                continue
            inner = inner["/DescendantFonts"][0].get_object() if "/DescendantFonts" in inner else inner
            descriptor = inner["/FontDescriptor"].get_object()
            assert {"/FontFile2", "/FontFile3"} & set(descriptor)


def test_quotations_names_and_korean_in_the_pdf() -> None:
    text = pdf_text(pdf.summary(value()))
    assert "I keep saying yes" in text
    assert "Mina" not in text
    if any(file for file in map(pages.font_file, (*pages.CJK_SERIF, *pages.CJK_SANS))):
        # This reader puts null characters between wide ones; others do not.
        assert "오늘은회의가" in "".join(char for char in text if char.isalnum())


def test_html_is_whole_accessible_and_asks_for_nothing() -> None:
    text = html.summary(value(replace(CHOICES, estimates=True)), language="en")
    parser = tags(text)
    names = [tag for tag, _ in parser.seen]
    assert names.count("h1") == 1
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(names)
    assert not re.search(r'(?:src|href)="(?!#)', text.replace("xlink:href", "href"))
    assert "url(http" not in text
    figures = [attrs for tag, attrs in parser.seen if tag == "svg"]
    assert len(figures) == 4
    assert all(attrs.get("role") == "img" and attrs.get("aria-labelledby") for attrs in figures)
    assert names.count("table") == 4
    assert ("html", {"lang": "en"}) in parser.seen
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_markup_in_a_quotation_stays_text() -> None:
    nasty = '<script>alert("x")</script> & <b>'
    text = html.summary(value(replace(CHOICES, talk_note=nasty, helped=(Quote("x", "2026-11-01", nasty),))))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    tags(text)


@settings(max_examples=10, deadline=None)
@given(
    ticked=st.lists(st.sampled_from(range(8)), unique=True),
    safety=st.booleans(),
    ratings=st.booleans(),
    estimates=st.booleans(),
)
def test_what_is_not_ticked_is_in_no_file(ticked: list[int], safety: bool, ratings: bool, estimates: bool) -> None:
    said = [Quote(f"id{i}", "2026-11-01", f"canary{i}word walked home") for i in range(8)]
    choices = Choices(
        "2026-09-22", "2026-11-20", ratings=ratings, estimates=estimates, safety=safety,
        talk=tuple(q for i, q in enumerate(said) if i in ticked and i < 3),
        worse=tuple(q for i, q in enumerate(said) if i in ticked and 3 <= i < 6),
        helped=tuple(q for i, q in enumerate(said) if i in ticked and i >= 6),
        safety_note="canarysafety",
    )  # fmt: skip
    made = value(choices)
    doc = document.from_summary(made)
    texts = [html.render(doc), pages.words(pages.layout(doc).pages), repr(made)]
    for text in texts:
        for i in range(8):
            assert (f"canary{i}word" in text) is (i in ticked)
            assert f"id{i}'" not in text
        assert ("canarysafety" in text) is safety
    page = texts[0]
    assert ("Your mood" in page) is ratings
    assert ("low-mood signs" in page.lower()) is estimates
    assert ("Help card" in page) is (safety and estimates)


def test_the_first_part_grows_denser_before_it_takes_a_second_page() -> None:
    few = document.from_summary(value())
    long = tuple(
        Quote("x", f"2026-10-{d:02d}", "A sentence of some length that takes about a line or more. " * 2)
        for d in range(1, 10)
    )
    more = document.from_summary(value(replace(CHOICES, worse=long)))
    most = document.from_summary(value(replace(CHOICES, worse=long * 6)))
    assert [len(pages.layout(doc).pages) for doc in (few, more)] == [1, 1]
    assert min(t.size for t in pages.layout(more).pages[0].texts) >= 7
    laid = pages.layout(most)
    assert len(laid.pages) > 1
    assert {text.size for page in laid.pages for text in page.texts if text.face == pages.ITALIC} == {11.0}


def test_nothing_is_laid_outside_the_page() -> None:
    nasty = "x" * 400 + " " + "가나다라" * 80 + " " + "字" * 200 + " \u202e\u200b tail"
    doc = document.from_summary(value(replace(CHOICES, talk_note=nasty, estimates=True)))
    laid = pages.layout(doc)
    for page in laid.pages:
        for text in page.texts:
            right = text.x + laid.fonts.face(text.face).width(text.text, text.size)
            assert text.x >= pages.LEFT - 1
            assert right <= pages.WIDTH - pages.RIGHT + 14
            assert 0 < text.y < pages.HEIGHT
        for chart in page.charts:
            assert chart.y + chart.height < pages.HEIGHT - pages.BOTTOM + 8
    assert any(isinstance(block, PageBreak) for block in doc.blocks)


def test_korean_words_stay_whole_and_chinese_breaks_anywhere() -> None:
    fonts = pages.Fonts()
    lines = fonts.lines("오늘은 조금 나았다 그래도 저녁은 먹었다", pages.SERIF, 11, 90)
    assert len(lines) > 1
    assert " ".join(lines) == "오늘은 조금 나았다 그래도 저녁은 먹었다"
    chinese = fonts.lines("今天比昨天好一點但是還是很累", pages.SERIF, 11, 60)
    assert len(chinese) > 1
    assert "".join(chinese) == "今天比昨天好一點但是還是很累"


def test_a_character_without_a_glyph_becomes_its_name() -> None:
    fonts = pages.Fonts()
    runs = fonts.runs("a\U0001fae0b", pages.SERIF)
    text = "".join(part for _, part in runs)
    assert text in ("a[melting face]b", "a\U0001fae0b")
    assert fonts.runs("x\ufe0fy", pages.SERIF) == [(pages.SERIF, "xy")]


def test_letters_without_any_font_are_told() -> None:
    fonts = pages.Fonts()
    fonts.runs("plain words \U0001fae0", pages.SERIF)
    assert not fonts.unwritable
    fonts.runs("\U00012000", pages.SERIF)  # a cuneiform sign: a letter, in no text font
    assert fonts.unwritable == ("\U00012000" in fonts.missing)
    assert "\U00012000" in fonts.missing


def test_csv_is_a_line_a_day_with_empty_cells_for_gaps() -> None:
    rows = [row("2026-11-01", mood=4, found=analysis("a", feelings={"joy": 0.8})), row("2026-11-03")]
    trend = trends.trend(rows, "2026-11-01", "2026-11-03")
    data = csv_data.days(trend)
    assert data.startswith(b"\xef\xbb\xbf")
    table = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [line["date"] for line in table] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert table[0]["own_mood"] == "4.000"
    assert table[0]["estimate_joy"] == "0.800"
    assert table[0]["estimate_stress_level"] == "quiet"
    assert (table[1]["own_mood"], table[1]["estimate_joy"], table[1]["entries"]) == ("", "", "0")
    assert table[2]["estimate_stress_level"] == ""


@pytest.mark.parametrize("item", CHARTS, ids=lambda item: item.key)
def test_each_chart_has_its_csv(item: object) -> None:
    key = item.key  # type: ignore[attr-defined]
    trend = trends.trend(life(30), "2026-10-22", "2026-11-20")
    table = list(csv.reader(io.StringIO(csv_data.chart(key, trend).decode("utf-8-sig"))))
    assert len(table) > 1
    assert {len(line) for line in table} == {len(table[0])}


def test_a_cell_is_never_a_formula() -> None:
    data = csv_data.encode(("a",), [("=1+1",), ("@x",), ("-0.3",), ("-x",)]).decode("utf-8-sig")
    assert data.splitlines() == ["a", "'=1+1", "'@x", "-0.3", "'-x"]
