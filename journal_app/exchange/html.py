"""Write a document as one self-contained HTML file: no script, no link, no request to anywhere.

The accessible form of the summary: real headings, quotations and lists, every chart with a text
alternative and its data as a table, readable at any zoom, in dark mode and printed.
"""

from __future__ import annotations

from html import escape

from journal_app import palette
from journal_app.charts import catalog, save
from journal_app.charts.style import ChartStyle
from journal_app.exchange.document import (
    Block,
    Document,
    Facts,
    Heading,
    PageBreak,
    Paragraph,
    Picture,
    Quotes,
    from_summary,
)
from journal_app.journal import wording
from journal_app.journal.summary import Summary
from journal_app.journal.wording import Translate

_C = palette.LIGHT
STYLE = f"""
:root {{ color-scheme: light; }}
body {{ background: {_C.page}; color: {_C.ink}; margin: 0; font: 1.06rem/1.6 Charter, Georgia, "Noto Serif",
  "Noto Serif KR", "Noto Serif TC", serif; }}
main {{ max-width: 44rem; margin: 2.5rem auto; padding: 2.5rem 3rem; background: #FFFFFF;
  border: 1px solid {_C.line}; border-radius: 12px; }}
h1 {{ font-size: 1.9rem; font-weight: 500; line-height: 1.25; margin: 0 0 .2rem; }}
h2 {{ font: 600 1rem/1.4 system-ui, "Noto Sans", sans-serif; color: {_C.accent}; margin: 2rem 0 .4rem; }}
h2 small {{ color: {_C.note}; font-weight: 400; margin-left: .5em; }}
.sub, .quiet, figcaption, summary, footer, dt, .when {{ font: .9rem/1.55 system-ui, "Noto Sans", "Noto Sans KR",
  sans-serif; color: {_C.quiet_ink}; }}
.sub {{ border-bottom: 2px solid {_C.accent}; padding-bottom: .8rem; margin: 0; }}
p {{ margin: .3rem 0; overflow-wrap: anywhere; }}
ul {{ list-style: none; margin: .4rem 0; padding: 0; }}
li {{ display: grid; grid-template-columns: 5.5rem 1fr; gap: .5rem; margin: .35rem 0; }}
blockquote {{ margin: 0; font-style: italic; overflow-wrap: anywhere; }}
dl {{ display: flex; flex-wrap: wrap; gap: .6rem 2.5rem; margin: .4rem 0; }}
dt {{ margin: 0; }} dd {{ margin: 0; font-size: 1.1rem; }}
figure {{ margin: 1rem 0; }} figure svg {{ width: 100%; height: auto; }}
details {{ margin-top: .3rem; }} summary {{ cursor: pointer; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font: .85rem/1.4 system-ui, "Noto Sans", sans-serif; }}
th, td {{ text-align: left; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid {_C.line}; }}
.next {{ break-before: page; border-top: 2px solid {_C.line}; margin-top: 3rem; }}
footer {{ margin-top: 2.5rem; border-top: 1px solid {_C.line}; padding-top: .8rem; }}
@media (max-width: 40rem) {{ main {{ margin: 0; padding: 1.2rem; border: 0; }} li {{ grid-template-columns: 1fr; }} }}
@media print {{ body {{ background: #FFFFFF; }} main {{ border: 0; margin: 0; padding: 0; }}
  details {{ display: none; }} }}
"""


def summary(value: Summary, translate: Translate = wording.untranslated, *, language: str = "en") -> str:
    """Return the therapist summary as one HTML document."""
    return render(from_summary(value, translate, language=language), translate)


def render(document: Document, translate: Translate = wording.untranslated) -> str:
    """Return ``document`` as one HTML document (UTF-8 when written)."""
    body = "\n".join(_block(block, translate) for block in document.blocks)
    return f"""<!DOCTYPE html>
<html lang="{escape(document.language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(document.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(document.title)}</h1>
<p class="sub">{escape(document.subtitle)}</p>
{body}
<footer>{escape(document.foot)}</footer>
</main>
</body>
</html>
"""


def _block(block: Block, translate: Translate) -> str:
    if isinstance(block, Heading):
        mark = f" <small>({escape(block.mark)})</small>" if block.mark else ""
        return f"<h2>{escape(block.text)}{mark}</h2>"
    if isinstance(block, Paragraph):
        kind = ' class="quiet"' if block.quiet else ""
        return f"<p{kind}>{'<br>'.join(escape(line) for line in block.text.splitlines())}</p>"
    if isinstance(block, Quotes):
        items = "\n".join(
            f'<li><span class="when">{escape(date)}</span><blockquote>\u201c{escape(text)}\u201d</blockquote></li>'
            for date, text in block.items
        )
        return f"<ul>\n{items}\n</ul>"
    if isinstance(block, Facts):
        items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in block.items)
        return f"<dl>{items}</dl>"
    if isinstance(block, PageBreak):
        return '<div class="next"></div>'
    return _picture(block, translate)


def _picture(block: Picture, translate: Translate) -> str:
    item = catalog.chart(block.key)
    words = item.describe(block.trend, translate)
    size = (catalog.DEFAULT_SIZE[0], item.height)
    drawing = save.svg(
        item.figure(block.trend, ChartStyle.paper(scale=1.05, translate=translate), size),
        title=item.title(block.trend, translate),
        description=words,
        key=item.key,
    )
    header, rows = item.table(block.trend, translate)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    label = escape(translate("summary", "The same as a table"))
    return (
        f"<figure>\n{drawing}\n<figcaption>{escape(words)}</figcaption>\n"
        f'<details><summary>{label}</summary><div class="scroll"><table>\n'
        f"<caption>{escape(item.title(block.trend, translate))}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div></details>\n</figure>"
    )
