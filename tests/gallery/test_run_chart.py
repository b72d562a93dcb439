"""The charts of the runs of a pattern over time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from quartpatterns.gallery.results import Run
from quartpatterns.gallery.run_chart import Chart, parity_chart, ratio_chart


def runs(*summaries: dict[str, Any] | None) -> list[Run]:
    """Return ended runs, the newest first, as the database does."""
    ended = datetime(2026, 1, 2)
    found = [Run(id=id, ended=ended, summary=each) for id, each in enumerate(summaries, 1)]
    return found[::-1]


def parity(*passed: int, cases: int = 20) -> Chart:
    chart = parity_chart(runs(*({"cases": cases, "passed": each} for each in passed)))
    assert chart
    return chart


def lines(chart: Chart) -> list[str]:
    return [line.text for line in chart.lines]


def test_parity() -> None:
    """The oldest run is at the left, and 100 percent is the line at the top."""
    chart = parity(20, 19)
    assert [point.text for point in chart.points] == ["20 of 20 cases", "19 of 20 cases"]
    first, last = chart.points
    assert (first.x, last.x) == (0, 100)
    assert lines(chart) == ["90 %", "100 %"]
    low, high = chart.lines
    assert (low.reference, high.reference) == (False, True)
    assert first.y == high.y
    assert last.y == pytest.approx((low.y + high.y) / 2)


@pytest.mark.parametrize(
    ("passed", "lowest", "number"),
    [(20, "90 %", 2), (15, "70 %", 4), (9, "25 %", 4), (0, "0 %", 5)],
)
def test_parity_scale(passed: int, lowest: str, number: int) -> None:
    """All results are between the lowest and the highest line, of which there are at most six."""
    chart = parity(20, passed)
    assert (lines(chart)[0], len(chart.lines)) == (lowest, number)
    assert chart.lines[-1].y <= chart.points[-1].y <= chart.lines[0].y


def test_ratio() -> None:
    """The scale is logarithmic: twice and half are as far from 1."""
    chart = ratio_chart(runs({"ratio": 2.0}, {"ratio": 1.0}, {"ratio": 0.5}))
    assert chart
    assert lines(chart) == ["×0.5", "×1", "×2"]
    assert [line.reference for line in chart.lines] == [False, True, False]
    first, second, third = chart.points
    assert second.y == chart.lines[1].y
    assert third.y - second.y == pytest.approx(second.y - first.y) and third.y > second.y


@pytest.mark.parametrize("draw", [parity_chart, ratio_chart])
def test_no_line(draw: Any) -> None:
    """Runs without a result are left out, and one result is no line."""
    result = {"cases": 2, "passed": 2, "ratio": 1.0}
    nothing = {"cases": 0, "passed": 0, "ratio": None}
    assert draw(runs(result, None, {}, nothing)) is None
    assert len(draw(runs(result, None, result, {})).points) == 2


def test_newest() -> None:
    """Of many runs, the newest are drawn."""
    chart = parity_chart(runs(*({"cases": 100, "passed": each} for each in range(50, 100))))
    assert chart
    assert (len(chart.points), chart.points[-1].text) == (40, "99 of 100 cases")
