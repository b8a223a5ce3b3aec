"""Write a document as PDF: A4, fonts embedded, charts as vectors, metadata that says only its title.

Made in memory; the caller writes the bytes where the writer asked for them.
"""

from __future__ import annotations

import io

from fpdf import FPDF
from pypdf import PdfReader, PdfWriter
from pypdf.generic import BooleanObject, DictionaryObject, NameObject, TextStringObject

from journal_app.charts import catalog, save
from journal_app.charts.style import ChartStyle
from journal_app.exchange import pages as layout
from journal_app.exchange.document import Document, from_summary
from journal_app.exchange.pages import HEIGHT, Chart, Laid
from journal_app.journal import wording
from journal_app.journal.summary import Summary
from journal_app.journal.wording import Translate

CHART_SCALE = 0.86
"""Text in a chart on paper against the base size: about 7.7 points."""


def summary(
    value: Summary,
    translate: Translate = wording.untranslated,
    *,
    language: str = "en",
) -> bytes:
    """Return the therapist summary as PDF."""
    return render(from_summary(value, translate, language=language), translate)


def render(document: Document, translate: Translate = wording.untranslated) -> bytes:
    """Return ``document`` as PDF. Raises OSError when a font that it needs is missing."""
    laid = layout.layout(document)
    reader = PdfReader(io.BytesIO(_text_pages(laid)))
    writer = PdfWriter()
    for page, content in zip(reader.pages, laid.pages, strict=True):
        target = writer.add_page(page)
        for chart in content.charts:
            drawn = PdfReader(io.BytesIO(chart_pdf(chart, translate))).pages[0]
            target.merge_translated_page(drawn, chart.x, HEIGHT - chart.y - chart.height)
    writer.compress_identical_objects()
    # Nothing of the program, the computer or the hour: only what the document is called.
    writer.metadata = None
    writer.add_metadata({"/Title": document.title})
    root = writer.root_object
    root[NameObject("/Lang")] = TextStringObject(document.language)
    root[NameObject("/ViewerPreferences")] = DictionaryObject({NameObject("/DisplayDocTitle"): BooleanObject(True)})
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def chart_pdf(chart: Chart, translate: Translate) -> bytes:
    """Return one chart as a PDF page of its size."""
    item = catalog.chart(chart.key)
    style = ChartStyle.paper(scale=CHART_SCALE, translate=translate)
    return save.pdf(item.figure(chart.trend, style, (chart.width / 72, chart.height / 72)))


def chart_png(chart: Chart, translate: Translate, dpi: float) -> bytes:
    """Return the same chart as pixels, for a preview of the page."""
    item = catalog.chart(chart.key)
    style = ChartStyle.paper(scale=CHART_SCALE, translate=translate)
    return save.png(item.figure(chart.trend, style, (chart.width / 72, chart.height / 72)), dpi)


def _text_pages(laid: Laid) -> bytes:
    pdf = FPDF(unit="pt", format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_margin(0)
    used: set[str] = set()
    for page in laid.pages:
        pdf.add_page()
        for box in page.boxes:
            pdf.set_fill_color(*_rgb(box.colour))
            pdf.rect(box.x, box.y, box.width, box.height, style="F")
        for text in page.texts:
            if text.face not in used:
                file = laid.fonts.face(text.face).file
                pdf.add_font(text.face, fname=file.path, collection_font_number=file.index)
                used.add(text.face)
            pdf.set_font(text.face, size=text.size)
            pdf.set_text_color(*_rgb(text.colour))
            pdf.text(text.x, text.y, text.text)
    return bytes(pdf.output())


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
