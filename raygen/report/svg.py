"""Inline SVG by matplotlib whose colours are CSS variables, so that one drawing serves light, dark and
print."""

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

WIDTH, DPI = 400, 72  # SVG units; at this width text is 11 units high, legible on a phone
INK, MUTED, BLUE, ORANGE, GREEN = (
    "#0a0001",
    "#0a0002",
    "#0a0003",
    "#0a0004",
    "#0a0005",
)  # never seen: each becomes a variable
VARIABLES = {INK: "--ink", MUTED: "--muted", BLUE: "--blue", ORANGE: "--orange", GREEN: "--green"}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.titlesize": 11,
    "legend.frameon": False,
    "legend.fontsize": 10,
}


def draw_svg(name: str, height: int, draw: Callable, width: int = WIDTH) -> str:
    """What `draw` puts on a matplotlib figure, as SVG for a page; its ids start with `name`, which is the
    page's only one."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    prefix = re.sub(r"\W", "-", name)
    style: Any = STYLE | {"svg.hashsalt": prefix}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", r"Glyph \d+ .* missing from font"
        )  # the browser's fonts write the text
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained", facecolor="none")
        draw(figure)
        text = io.StringIO()
        FigureCanvasSVG(figure).print_svg(text, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(
        r"<svg [^>]*>",
        f'<svg viewBox="0 0 {width} {height}" aria-hidden="true" focusable="false">',
        svg,
        count=1,
    )
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'( id="|"#|url\(#)', rf"\g<1>{prefix}-", svg)  # ids are the whole page's
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg
