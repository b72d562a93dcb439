"""Draw the summary of benchmarks: a row for each pattern, a panel for each measurement."""

from __future__ import annotations

import statistics

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from quartpatterns.compare.bench_results import CaseResult
from quartpatterns.compare.bench_summary import Column, Summary
from quartpatterns.compare.svg import BLUE, INK, ORANGE, PAPER, STYLE, style_axis, to_svg

ROW_HEIGHT = 0.27  # inches
TIE = INK
MARKS = {"original": (BLUE, "o"), "port": (ORANGE, "D"), "neither": (TIE, "s")}
LEGEND = {"original": "Flask wins", "port": "Quart wins", "neither": "tie"}
ALL = "all (geometric mean)"


def summary_plot(summary: Summary) -> str:
    """Return the picture of *summary* as SVG: a mark for each case, on the scale port / original.

    The colour and the shape of a mark say who wins: a ratio on the left of 1 is good for CPU time
    and bad for requests per second.
    """
    with matplotlib.rc_context(STYLE):
        height = 1.6 + ROW_HEIGHT * (len(summary.comparisons) + 1)
        figure = Figure(
            figsize=(1.7 + 2.6 * len(summary.columns), height),
            facecolor=PAPER,
            layout="constrained",
        )
        FigureCanvasSVG(figure)
        axes = figure.subplots(1, len(summary.columns), sharey=True, squeeze=False)[0]
        for axis, column in zip(axes, summary.columns, strict=True):
            _draw(axis, column, summary)
        title = "Quart port / Flask original: one mark for each case"
        figure.suptitle(title, color=INK, fontsize=12)
        for winner, (colour, mark) in MARKS.items():
            axes[0].plot([], [], mark, color=colour, label=LEGEND[winner])
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=3, frameon=False, labelcolor=INK
        )
        return to_svg(figure, title, _description(summary))


def _draw(axis: Axes, column: Column, summary: Summary) -> None:
    rows = [*summary.comparisons, ALL]
    for row, name in enumerate(summary.comparisons):
        for case in column.cases:
            if case.comparison == name:
                _mark(axis, case, column.value, row)
    ratios = [case.ratio(column.value) or 1.0 for case in column.cases]
    mean = statistics.geometric_mean(ratios)
    axis.plot([mean], [len(rows) - 1], "|", color=INK, markersize=13, markeredgewidth=3)
    axis.annotate(
        f"{mean:.2f}",
        (mean, len(rows) - 1),
        (7, 0),
        textcoords="offset points",
        color=INK,
        va="center",
    )
    axis.set_xscale("log")
    low, high = min(0.5, *ratios), max(2.0, *ratios)
    axis.set_xlim(low / 1.2, high * 1.4)
    axis.axvline(1.0, color=INK, linewidth=1)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.set_yticks(range(len(rows)), rows)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlabel(_label(column), color=INK)
    style_axis(axis)


def _mark(axis: Axes, case: CaseResult, value: str, row: int) -> None:
    colour, mark = MARKS[case.winner(value) or "neither"]
    axis.plot([case.ratio(value) or 1.0], [row], mark, color=colour, markersize=5, alpha=0.85)


def _label(column: Column) -> str:
    if column.pairing is None:
        return "CPU in process\n(less is better)"
    original, port = column.pairing.split(" | ")
    return f"requests/s (more is better)\nFlask: {original}\nQuart: {port}"


def _description(summary: Summary) -> str:
    sentences = []
    for column in summary.columns:
        for name in (*summary.comparisons, None):
            if score := column.score(name):
                sentences.append(
                    f"{column.title}, {name or 'all'}: {score.mean:.2f}"
                    f" ({score.wins} wins, {score.losses} losses, {score.ties} ties)."
                )
    return " ".join(sentences)
