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
_PATTERN = re.compile(
    r'(<pattern[^>]*>\s*<rect[^>]*>\s*<path d=")([^"]*)'
    r'(" style="[^"]*?)(stroke-width: )([\d.]+)(; stroke-linecap: )butt'
)
_NUMBER = re.compile(r"-?\d+\.\d+")
_CIRCLE = 2 + 8 * 6
"""Numbers in a circle as matplotlib writes it: where it begins, and eight curves."""

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
    text = _PATTERN.sub(_dots, text)
    text = _PATH.sub(_shorter, text[text.index("<svg") :])
    text = _ID.sub(lambda m: f"{m.group(1)}{key}-", text.replace('id="matplotlib.', 'id="'))
    head, _, body = text.partition(">")
    return (
        f'{head} role="img" aria-labelledby="{key}-t {key}-d">\n'
        f'<title id="{key}-t">{escape(title)}</title>\n<desc id="{key}-d">{escape(description)}</desc>{body}'
    )


def _dots(pattern: re.Match[str]) -> str:
    """Return a hatch of circles as one of short strokes with round ends: the same dots in a thirtieth of the bytes."""
    circles = [[float(n) for n in re.findall(r"-?[\d.]+", part)] for part in pattern[2].split("M")[1:]]
    if not circles or any(len(circle) != _CIRCLE for circle in circles) or "C" not in pattern[2]:
        return pattern[0]
    # A circle begins at one end of its upright diameter; its fourth curve ends at the other.
    radius = abs(circles[0][1] - circles[0][25]) / 2
    places = " ".join(f"M{c[0]:.2f} {(c[1] + c[25]) / 2:.2f}h.01" for c in circles)
    width = float(pattern[5]) + 2 * radius
    return f"{pattern[1]}{places}{pattern[3]}{pattern[4]}{width:.2f}{pattern[6]}round"


def _shorter(path: re.Match[str]) -> str:
    """Return a path's coordinates in hundredths of a point, which no eye tells from millionths."""
    return _NUMBER.sub(lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip(".") or "0", " ".join(path[0].split()))
