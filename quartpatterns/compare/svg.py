"""Draw accessible SVG pictures with Matplotlib.

Two colours that people with colour vision deficiency can tell apart (Okabe and Ito, 2008). Text is
text. A picture has a title and a description (WAI-ARIA), and follows the dark mode of the reader.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
INK, PAPER, GRID = "#1b1b1b", "#ffffff", "#c8c8c8"
BLUE, ORANGE = "#0072b2", "#d55e00"
# Each colour, and its replacement in dark mode: a contrast of at least 4.5 to 1.
DARK = {INK: "#ededed", PAPER: "#16181c", GRID: "#4a4d52", BLUE: "#56b4e9", ORANGE: "#e69f00"}
STYLE: Any = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "quartpatterns",
    "font.size": 9.5,
}


def style_axis(axis: Axes) -> None:
    """Give *axis* the colours, and a grid of vertical lines."""
    axis.grid(axis="x", color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_facecolor(PAPER)
    axis.tick_params(colors=INK)
    for spine in axis.spines.values():
        spine.set_color(INK)


def to_svg(figure: Figure, title: str, description: str) -> str:
    """Return *figure* as SVG with *title*, *description* and the colours of the dark mode."""
    svg = io.StringIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": "quartpatterns"})
    return _make_accessible(svg.getvalue(), title, description)


def _make_accessible(svg: str, title: str, description: str) -> str:
    """Add a title, a description, and the colours of the dark mode to *svg*."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(svg)
    root.set("role", "img")
    root.set("aria-labelledby", "picture-title picture-description")
    # Matplotlib writes colours into the style of each element; only !important overrides that.
    rules = "".join(
        f'[style*="{part}: {colour}"]{{{part}:{dark}!important}}'
        for colour, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    style = f"@media(prefers-color-scheme:dark){{{rules}}}"
    for index, (tag, id, text) in enumerate(
        (
            ("title", "picture-title", title),
            ("desc", "picture-description", description),
            ("style", "picture-style", style),
        )
    ):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": id})
        element.text = text
        root.insert(index, element)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"
