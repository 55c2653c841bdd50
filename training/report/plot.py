"""What draws on a matplotlib figure comes in; one small SVG goes out, coloured by the page's style
sheet.

Plots are drawn in the colours below, each of which stands for a CSS custom property, so that they
follow the reader's light or dark. The same plot gives the same bytes: no date, no random id.
"""

import io
import re
from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK, SOFT, LINE = "#010101", "#020202", "#030303"
ACCENT, SECOND = "#040404", "#050505"
_PROPERTIES = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    LINE: "var(--line)",
    ACCENT: "var(--good)",
    SECOND: "var(--bad)",
}
WIDTH = 4.6
"""Inches; at 100 units an inch, text of 8.2 points is as large as the page's notes."""
_LEFT, _BELOW, _EDGE = 0.66, 0.46, 0.2
"""Margins in inches: for ticks and axis labels, and where there are none."""

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "harbor",
    "font.size": 8.2,
    "text.color": SOFT,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 8.2,
    "axes.labelpad": 6.0,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.spines.bottom": False,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "figure.facecolor": "none",
    "lines.linewidth": 1.6,
    "lines.solid_joinstyle": "round",
    "xtick.bottom": False,
    "ytick.left": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8.2,
    "ytick.labelsize": 8.2,
}
_DROPPED = re.compile(
    r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->|<defs>\s*</defs>"
    r'|\sxmlns(?::xlink)?="[^"]*"|\sversion="[^"]*"|\s(?:width|height)="[\d.]+pt"'
    r'|\stransform="rotate\(-0 [^"]*"|<path d="[^"]*"\s+style="fill: none"/>',
    re.DOTALL,
)
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_COORDINATES = re.compile(r'\b(?:d|x|y|x1|x2|y1|y2|viewBox|transform|width|height)="[^"]*"')
_FONT = re.compile(r"font: [^;\"]*;\s*|font-(?:size|family|weight|style): [^;\"]*;?\s*")
_GROUP = re.compile(r"<g(?:\s[^>]*)?>|</g>")
_GRID = re.compile(r'clip-path="[^"]*"\s+style="fill: none; stroke: var\(--line\)[^"]*"')
_TEXT = re.compile(r'style="(?:text-anchor: (\w+); )?fill: var\(--soft\)"')
_PLAIN_ID = re.compile(r'\sid="[A-Za-z0-9.]+_\d+"')


def draw(summary: str, paint: Callable[[Figure], None], height: float = 2.6) -> Markup:
    """The SVG of what `paint` puts on a figure of WIDTH by `height` inches.

    summary: the same in words, for those who hear the page.
    """
    stream = io.StringIO()
    with rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height))
        figure.subplots_adjust(
            left=_LEFT / WIDTH,
            right=1.0 - _EDGE / WIDTH,
            bottom=_BELOW / height,
            top=1.0 - _EDGE / 2 / height,
            hspace=0.12,
        )
        paint(figure)
        FigureCanvasSVG(figure).print_svg(
            stream, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return _clean(stream.getvalue(), summary)


def shares(axes: Axes, *, x: bool = False, y: bool = False) -> None:
    """Ticks of an axis of shares, in per cent."""
    form = FuncFormatter(lambda value, _: f"{value * 100:g} %")
    if x:
        axes.xaxis.set_major_formatter(form)
    if y:
        axes.yaxis.set_major_formatter(form)


def counts(axes: Axes) -> None:
    """Ticks of an axis of counts along x."""
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _clean(text: str, summary: str) -> Markup:
    # Nothing may reach the rest of the page: no style, no id that another plot has too.
    text = _DROPPED.sub("", text[text.index("<svg") :])
    text = _PLAIN_ID.sub("", text)
    text = _FONT.sub("", text)
    text = _COORDINATES.sub(lambda found: _NUMBER.sub(_rounded, found[0]), text)
    for colour, prop in _PROPERTIES.items():
        text = text.replace(colour, prop)
    text = _TEXT.sub(r'text-anchor="\1"', _GRID.sub('class="grid"', text))
    text = re.sub(r" ([MLz]) ", r"\1", text.replace(" stroke-dashoffset: 0;", ""))
    text = re.sub(r"\s*\n\s*", " ", _ungrouped(text)).replace("> <", "><")
    text = text.replace("<defs></defs>", "").strip()
    label = Markup('<svg class="plot" role="img" aria-label="{}"').format(summary)
    return label + Markup(text.removeprefix("<svg"))


def _ungrouped(text: str) -> str:
    """Without the groups that say nothing."""
    kept: list[bool] = []

    def decide(found: re.Match[str]) -> str:
        if found[0] == "</g>":
            return "</g>" if kept.pop() else ""
        kept.append(found[0] != "<g>")
        return found[0] if kept[-1] else ""

    return _GROUP.sub(decide, text)


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")
