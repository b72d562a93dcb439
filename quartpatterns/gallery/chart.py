"""Positions of marks and bars in the charts, which the templates draw as SVG.

A chart has no fixed width: its positions are percentages, so its text keeps its size on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from quartpatterns.gallery.recorded import CaseSpeed

__all__ = ["bar", "largest", "number", "percent", "times"]

WIDEST = 4.0  # the ratio port / original at the right end of a scale; 1 / WIDEST is at the left


def percent(ratio: float) -> str:
    """Return the position of *ratio* on a logarithmic scale around 1."""
    exponent = math.log(max(ratio, 1e-9), WIDEST)
    return f"{50 + 50 * max(-1.0, min(1.0, exponent)):.1f}%"


def largest(cases: Iterable[CaseSpeed]) -> float:
    """Return the largest value of *cases*, which is the right end of their bars."""
    return max(max(case.original.high, case.port.high) for case in cases)


def bar(value: float, most: float) -> str:
    """Return the width of a bar for *value*, if *most* has the whole width."""
    return f"{100 * value / most:.1f}%"


def number(value: float) -> str:
    """Return *value* with about three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(ratio: float) -> str:
    """Return a ratio as text, such as × 0.87, which is not divided at the end of a line."""
    return f"×\N{NO-BREAK SPACE}{ratio:.2f}"
