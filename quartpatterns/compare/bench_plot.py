"""Draw the results of a benchmark: a row for each case, a panel for each value.

Two colours and two shapes mark the applications.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from quartpatterns.compare.bench_results import BenchmarkResult, CaseResult
from quartpatterns.compare.svg import BLUE, INK, ORANGE, PAPER, STYLE, style_axis, to_svg

CASE_HEIGHT = 0.62  # inches


def plot(result: BenchmarkResult) -> str:
    """Return the picture of *result* as SVG: a row for each case, a panel for each value."""
    panels = [("cpu", "CPU time in process, µs per request (less is better)")]
    if result.settings.served:
        panels.insert(0, ("rate", "served, requests per second (more is better)"))
    with matplotlib.rc_context(STYLE):
        figure = Figure(
            figsize=(6.2 * len(panels), 1.9 + CASE_HEIGHT * len(result.cases)),
            facecolor=PAPER,
            layout="constrained",
        )
        FigureCanvasSVG(figure)
        axes: Sequence[Axes] = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (name, label) in zip(axes, panels, strict=True):
            _draw_panel(axis, result.cases, name, label)
        title = _title(result)
        figure.suptitle(title, color=INK, fontsize=12)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=2, frameon=False, labelcolor=INK
        )
        return to_svg(figure, title, _description(result, [name for name, _ in panels]))


def _title(result: BenchmarkResult) -> str:
    comparisons = {case.comparison for case in result.cases}
    prefix = f"{comparisons.pop()}: " if len(comparisons) == 1 else ""
    settings = result.settings
    method = (
        f"{settings.original_server} and {settings.port_server}, {settings.workers} worker(s) each"
        if settings.served
        else "in process"
    )
    return f"{prefix}Quart port and Flask original\n{method}"


def _draw_panel(axis: Axes, cases: Sequence[CaseResult], name: str, label: str) -> None:
    rows = range(len(cases))
    applications = (
        ("Flask original", "original", BLUE, "o", -0.12),
        ("Quart port", "port", ORANGE, "D", 0.12),
    )
    for title, attribute, colour, mark, shift in applications:
        spreads = [getattr(case, attribute).spread(name) for case in cases]
        axis.errorbar(
            [spread.median for spread in spreads],
            [row + shift for row in rows],
            xerr=[
                [spread.median - spread.low for spread in spreads],
                [spread.high - spread.median for spread in spreads],
            ],
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
    single = len({case.comparison for case in cases}) == 1
    names = [case.case if single else f"{case.comparison}\n{case.case}" for case in cases]
    axis.set_yticks(rows, names)
    axis.set_ylim(len(cases) - 0.5, -0.5)
    style_axis(axis)


def _description(result: BenchmarkResult, names: Sequence[str]) -> str:
    units = {"rate": "requests per second", "cpu": "CPU microseconds per request in process"}
    sentences = []
    for case in result.cases:
        for name in names:
            original, port = case.original.spread(name), case.port.spread(name)
            if original and port:
                sentences.append(
                    f"{case.comparison}, {case.case}: Flask {original.median:,.0f},"
                    f" Quart {port.median:,.0f} {units[name]}."
                )
    return " ".join(sentences)
