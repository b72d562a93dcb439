"""The charts of the runs of a pattern over time, which the template draws as SVG.

A chart has no fixed width: its horizontal positions are percentages, so its text keeps its size on
a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quartpatterns.gallery.results import Run

__all__ = ["Chart", "GridLine", "Point", "parity_chart", "ratio_chart"]

HEIGHT = 144
MOST_POINTS = 40


@dataclass(frozen=True, slots=True)
class Point:
    """A run: its place in the picture, and its result as text.

    Arguments:
        x: Percent of the width, from the left.
        y: Pixels from the top.
        text: The result.
        run: The run.
    """

    x: float
    y: float
    text: str
    run: Run


@dataclass(frozen=True, slots=True)
class GridLine:
    """A horizontal line: its place, its value as text, and whether values are compared with it."""

    y: float
    text: str
    reference: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A line of results, oldest first.

    Arguments:
        title: What is drawn.
        points: The runs.
        lines: The horizontal lines.
        height: The height of the picture, in pixels.
    """

    title: str
    points: Sequence[Point]
    lines: Sequence[GridLine]
    height: int = HEIGHT

    @property
    def path(self) -> str:
        """The line through all points, as the attribute ``points`` of a polyline.

        Its coordinates are those of the points, so the picture of the line is 100 wide.
        """
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


def ratio_chart(runs: Sequence[Run]) -> Chart | None:
    """Return the chart of the ratios of measurements, on a logarithmic scale.

    Arguments:
        runs: The measurements, in any order. Without two of them there is no chart.
    """
    measured = [
        (run, f"×{ratio:.2f}", math.log2(ratio))
        for run in _newest(runs)
        if run.summary and (ratio := run.summary.get("ratio"))
    ]
    logs = [log for *_, log in measured]
    # Without a lower limit, differences of a percent would fill the picture.
    low, high = min([-0.5, *logs]), max([0.5, *logs])
    powers = range(math.ceil(low), math.floor(high) + 1)
    lines = [(f"×{2.0**power:g}", power) for power in powers]
    title = (
        "Processor time of a request, Quart / Flask, the geometric mean of all cases."
        " Below ×1, Quart needs less."
    )
    return _chart(title, measured, lines, low, high, reference=0)


def parity_chart(runs: Sequence[Run]) -> Chart | None:
    """Return the chart of the cases that are equal or as declared, in percent.

    Arguments:
        runs: The comparisons, in any order. Without two of them there is no chart.
    """
    compared = [
        (run, f"{passed} of {cases} cases", 100 * passed / cases)
        for run in _newest(runs)
        if run.summary and (cases := run.summary.get("cases"))
        for passed in [run.summary["passed"]]
    ]
    step = 10
    lowest = min((share for *_, share in compared), default=0)
    low = min(100 - step, step * math.floor(lowest / step))
    if low < 50:
        low, step = 25 * math.floor(lowest / 25), 25
    lines = [(f"{share} %", share) for share in range(low, 101, step)]
    title = "Cases in which both responses are equal, or differ as declared."
    return _chart(title, compared, lines, low, 100, reference=100)


def _newest(runs: Sequence[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: run.id)[-MOST_POINTS:]


def _chart(
    title: str,
    values: Sequence[tuple[Run, str, float]],
    lines: Sequence[tuple[str, float]],
    low: float,
    high: float,
    *,
    reference: float,
) -> Chart | None:
    """Return the chart of *values* between *low* and *high*; ``None`` if there are not two."""
    if len(values) < 2:
        return None

    def y(value: float) -> float:
        return (high - value) / (high - low) * HEIGHT

    step = 100 / (len(values) - 1)
    points = [
        Point(index * step, y(value), text, run) for index, (run, text, value) in enumerate(values)
    ]
    drawn = [GridLine(y(value), text, value == reference) for text, value in lines]
    return Chart(title, points, drawn)
