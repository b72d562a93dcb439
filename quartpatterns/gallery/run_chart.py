"""The chart of the measurements of a pattern over time, which the template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quartpatterns.gallery.results import Run

__all__ = ["Chart", "Point", "ratio_chart"]

WIDTH, HEIGHT = 640, 180
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 24
MOST_POINTS = 40


@dataclass(frozen=True, slots=True)
class Point:
    """A measurement: its place in the picture, and its value."""

    x: float
    y: float
    ratio: float
    run: Run


@dataclass(frozen=True, slots=True)
class Chart:
    """A line of ratios, oldest first, on a logarithmic scale.

    Arguments:
        points: The measurements.
        lines: The values of the horizontal lines, and their places.
        width: The width of the picture.
        height: The height of the picture.
    """

    points: Sequence[Point]
    lines: Sequence[tuple[float, float]]
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def path(self) -> str:
        """The line through all points, as the attribute ``points`` of a polyline."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


def ratio_chart(runs: Sequence[Run]) -> Chart | None:
    """Return the chart of the ratios of *runs*, in any order; ``None`` if there are not two."""
    measured = [
        (run, float(ratio))
        for run in sorted(runs, key=lambda run: run.id)[-MOST_POINTS:]
        if run.summary and (ratio := run.summary.get("ratio"))
    ]
    if len(measured) < 2:
        return None
    logs = [math.log2(ratio) for _, ratio in measured]
    # Without a lower limit, differences of a percent would fill the picture.
    low, high = min(-0.5, *logs), max(0.5, *logs)

    def y(log: float) -> float:
        return TOP + (high - log) / (high - low) * (HEIGHT - TOP - BOTTOM)

    step = (WIDTH - LEFT - RIGHT) / (len(measured) - 1)
    points = [
        Point(LEFT + index * step, y(log), ratio, run)
        for index, ((run, ratio), log) in enumerate(zip(measured, logs, strict=True))
    ]
    values = [2.0**power for power in range(math.ceil(low), math.floor(high) + 1)]
    return Chart(points, [(value, y(math.log2(value))) for value in values])
