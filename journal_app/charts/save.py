"""Turn figures into bytes: PNG, SVG and PDF that say nothing but the chart.

Metadata is stripped (no program, no date, no path), output is the same for the same chart, and
nothing touches the disk: the caller writes the bytes where the writer asked for them.
"""

from __future__ import annotations

import io
import re
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure

PNG_DPI = 200.0
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.S)
_PATH = re.compile(r'(?<=\bd=")[^"]*')
_NUMBER = re.compile(r"-?\d+\.\d+")
_ID = re.compile(r'(\bid="|xlink:href="#|href="#|url\(#)')


def png(figure: Figure, dpi: float = PNG_DPI) -> bytes:
    """Return the figure as PNG at ``dpi`` dots per inch, without text chunks."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def pdf(figure: Figure) -> bytes:
    """Return the figure as a one-page PDF of its own size with its fonts embedded.

    Glyphs are embedded as drawings (Type 3): other forms mislabel Korean and Chinese fonts and take seconds.
    """
    out = io.BytesIO()
    with mpl.rc_context({"pdf.fonttype": 3, "pdf.compression": 9}):
        figure.savefig(out, format="pdf", metadata={"Creator": None, "Producer": None, "CreationDate": None})
    return out.getvalue()


def svg(figure: Figure, *, title: str, description: str, key: str) -> str:
    """Return the figure as an SVG document that can also stand inside HTML.

    Text is drawn as outlines, so that it looks the same everywhere; ``title`` and ``description``
    are its text alternative. ``key`` (letters, digits, hyphens) keeps ids apart on one page.
    """
    out = io.StringIO()
    nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": key}):
        figure.savefig(out, format="svg", metadata=nothing)
    text = _METADATA.sub("", out.getvalue())
    text = _PATH.sub(_shorter, text[text.index("<svg") :])
    text = _ID.sub(lambda m: f"{m.group(1)}{key}-", text.replace('id="matplotlib.', 'id="'))
    head, _, body = text.partition(">")
    return (
        f'{head} role="img" aria-labelledby="{key}-t {key}-d">\n'
        f'<title id="{key}-t">{escape(title)}</title>\n<desc id="{key}-d">{escape(description)}</desc>{body}'
    )


def _shorter(path: re.Match[str]) -> str:
    """Return a path's coordinates in hundredths of a point, which no eye tells from millionths."""
    return _NUMBER.sub(lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip(".") or "0", " ".join(path[0].split()))
