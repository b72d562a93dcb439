"""The outcome of a benchmark as a picture that everybody can read.

Colours are two that people with any colour vision tell apart (Okabe and Ito, 2008), and the
sides have marks of different shape besides. The text is text, with a title and a description
(WAI-ARIA, graphics), and the picture follows a reader's dark mode.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from quartpatterns.compare.measurement import Measured, Outcome

__all__ = ["plot", "write_plot"]

SVG = "http://www.w3.org/2000/svg"
INK, PAPER, GRID = "#1b1b1b", "#ffffff", "#c8c8c8"
BLUE, ORANGE = "#0072b2", "#d55e00"
# Each colour of the picture, and what it is in the dark: at least 4.5 to 1 on the paper.
DARK = {INK: "#ededed", PAPER: "#16181c", GRID: "#4a4d52", BLUE: "#56b4e9", ORANGE: "#e69f00"}
EACH = 0.62  # inches of height for a case


def write_plot(outcome: Outcome, file: Path) -> None:
    """Write the picture of *outcome* into *file*, as SVG.

    Raises:
        OSError: The file can't be written.
    """
    file.write_text(plot(outcome), encoding="utf-8")


def plot(outcome: Outcome) -> str:
    """The picture of *outcome*, as SVG: a row for each case, a panel for each measure."""
    panels = [("cpu", "CPU time in process, µs per request (less is better)")]
    if outcome.settings.served:
        panels.insert(0, ("rate", "served, requests per second (more is better)"))
    style: Any = {
        "text.parse_math": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "quartpatterns",
        "font.size": 9.5,
    }
    with matplotlib.rc_context(style):
        figure = Figure(
            figsize=(6.2 * len(panels), 1.9 + EACH * len(outcome.measured)),
            facecolor=PAPER,
            layout="constrained",
        )
        FigureCanvasSVG(figure)
        axes: Sequence[Axes] = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (name, label) in zip(axes, panels, strict=True):
            _panel(axis, outcome.measured, name, label)
        title = _title(outcome)
        figure.suptitle(title, color=INK, fontsize=12)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=2, frameon=False, labelcolor=INK
        )
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": "quartpatterns"})
    return _accessible(written.getvalue(), title, _described(outcome, [name for name, _ in panels]))


def _title(outcome: Outcome) -> str:
    subjects = {case.subject for case in outcome.measured}
    of = f"{subjects.pop()}: " if len(subjects) == 1 else ""
    settings = outcome.settings
    how = (
        f"{settings.original_server} and {settings.port_server}, {settings.workers} worker(s) each"
        if settings.served
        else "in process"
    )
    return f"{of}Quart port against Flask original\n{how}"


def _panel(axis: Axes, cases: Sequence[Measured], name: str, label: str) -> None:
    rows = range(len(cases))
    sides = (
        ("Flask original", "original", BLUE, "o", -0.12),
        ("Quart port", "port", ORANGE, "D", 0.12),
    )
    for title, side, colour, mark, shift in sides:
        spreads = [getattr(case, side).spread(name) for case in cases]
        medians = [spread.median for spread in spreads]
        around = [
            [spread.median - spread.low for spread in spreads],
            [spread.high - spread.median for spread in spreads],
        ]
        places = [row + shift for row in rows]
        axis.errorbar(
            medians,
            places,
            xerr=around,
            fmt=mark,
            color=colour,
            label=title,
            capsize=3,
            markersize=7,
        )
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.set_xlim(low / 1.3, high * 1.3)  # wide enough for two of these ticks
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.set_xlabel(f"{label}\nlogarithmic; mark: median, line: lowest to highest", color=INK)
    alone = len({case.subject for case in cases}) == 1
    names = [case.case if alone else f"{case.subject}\n{case.case}" for case in cases]
    axis.set_yticks(rows, names)
    axis.set_ylim(len(cases) - 0.5, -0.5)
    axis.grid(axis="x", color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_facecolor(PAPER)
    axis.tick_params(colors=INK)
    for spine in axis.spines.values():
        spine.set_color(INK)


def _described(outcome: Outcome, names: Sequence[str]) -> str:
    units = {"rate": "requests per second", "cpu": "CPU microseconds per request in process"}
    said = []
    for case in outcome.measured:
        for name in names:
            one, other = case.original.spread(name), case.port.spread(name)
            if one and other:
                said.append(
                    f"{case.subject}, {case.case}: Flask {one.median:,.0f},"
                    f" Quart {other.median:,.0f} {units[name]}."
                )
    return " ".join(said)


def _accessible(svg: str, title: str, description: str) -> str:
    """*svg* with a name and a description for those who don't see it, and colours for the dark."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(svg)
    root.set("role", "img")
    root.set("aria-labelledby", "picture-title picture-description")
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{SVG}}}{tag}")
        element.set("id", "picture-title" if tag == "title" else "picture-description")
        element.text = text
        root.insert(place, element)
    style = ElementTree.Element(f"{{{SVG}}}style")
    style.text = _dark()
    root.insert(2, style)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _dark() -> str:
    """Matplotlib writes colours into each element's style; only ``!important`` is above that."""
    rules = "".join(
        f'[style*="{part}: {colour}"]{{{part}:{dark}!important}}'
        for colour, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    return f"@media(prefers-color-scheme:dark){{{rules}}}"
