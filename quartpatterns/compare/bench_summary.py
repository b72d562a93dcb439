"""Summarize benchmarks: geometric means, wins, losses and ties, for each pattern and over all."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from quartpatterns.compare.bench_report import FORMAT, as_data
from quartpatterns.compare.bench_results import BenchmarkResult, CaseResult

VALUES = ("rate", "p99", "cpu_served", "peak_rss")
"""What is summarized for each pairing of servers; the first decides who wins."""


@dataclass(frozen=True, slots=True)
class Score:
    """The ratios port / original of several cases."""

    cases: int
    mean: float  # geometric
    low: float
    high: float
    wins: int  # of the port
    losses: int
    ties: int  # the values of both overlap

    @classmethod
    def of(cls, cases: Iterable[CaseResult], name: str) -> Score | None:
        """Return the score of the value *name*, or None if no case has it."""
        found = [case for case in cases if case.ratio(name)]
        if not found:
            return None
        ratios = [case.ratio(name) or 0.0 for case in found]
        winners = [case.winner(name) for case in found]
        return cls(
            len(found),
            statistics.geometric_mean(ratios),
            min(ratios),
            max(ratios),
            winners.count("port"),
            winners.count("original"),
            winners.count("neither"),
        )


@dataclass(frozen=True, slots=True)
class Column:
    """One kind of measurement: CPU time in process, or requests per second behind two servers."""

    pairing: str | None  # None in process
    value: str  # the value that decides who wins
    cases: tuple[CaseResult, ...]

    @property
    def title(self) -> str:
        """The heading."""
        return "CPU in process" if self.pairing is None else self.pairing

    def score(self, comparison: str | None = None, value: str | None = None) -> Score | None:
        """Return the score of *comparison*, or over all."""
        cases = (case for case in self.cases if comparison in (None, case.comparison))
        return Score.of(cases, value or self.value)


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of several results."""

    results: tuple[BenchmarkResult, ...]
    columns: tuple[Column, ...]
    comparisons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed and there was no error under load."""
        return all(result.passed for result in self.results)


def summarize(results: Sequence[BenchmarkResult]) -> Summary:
    """Return the summary of *results*. Of a case that is there twice, the last one counts."""
    in_process: dict[tuple[str, str], CaseResult] = {}
    served: dict[str, dict[tuple[str, str], CaseResult]] = {}
    for result in results:
        for case in result.cases:
            key = case.comparison, case.case
            in_process[key] = case
            if case.original.runs and case.port.runs:
                served.setdefault(result.pairing, {})[key] = case
    columns = [Column(None, "cpu", tuple(in_process.values()))] if in_process else []
    columns += [Column(name, "rate", tuple(cases.values())) for name, cases in served.items()]
    comparisons = dict.fromkeys(comparison for comparison, _ in in_process)
    return Summary(tuple(results), tuple(columns), tuple(comparisons))


def summary_data(summary: Summary) -> dict[str, Any]:
    """Return *summary* and its results in the types of JSON.

    A score has the geometric ``mean`` of the ratios port / original, the lowest and the highest
    ratio, and the number of cases that the port wins, loses or ties. More requests per second and
    less of everything else win.
    """
    return {
        "format": FORMAT,
        "summary": [
            {
                "pairing": column.pairing,
                "value": column.value,
                "all": {
                    value: _score(column, None, value)
                    for value in ((column.value,) if column.pairing is None else VALUES)
                },
                "comparisons": {
                    name: _score(column, name, column.value) for name in summary.comparisons
                },
            }
            for column in summary.columns
        ],
        "passed": summary.passed,
        "results": [as_data(result) for result in summary.results],
    }


def _score(column: Column, comparison: str | None, value: str) -> dict[str, Any] | None:
    score = column.score(comparison, value)
    return asdict(score) if score else None
