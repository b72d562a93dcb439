"""The settings and the results of a benchmark, as data."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from quartpatterns.compare.resources import CoreAllocation
from quartpatterns.compare.servers import Server

Side = Literal["original", "port"]
Winner = Side | Literal["neither"]


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """How to measure.

    By default there are as many threads as connections, so that no request waits for a thread:
    Quart has no such limit.
    """

    served: bool = True  # measure behind servers too, not only in process
    original_server: Server = "gunicorn-gthread"
    port_server: Server = "hypercorn"
    workers: int = 1  # processes of each server
    threads: int = 16  # of each worker of gunicorn-gthread and granian-wsgi
    connections: int = 16  # of wrk
    seconds: int = 3  # duration of a run
    runs: int = 3  # for each application
    warm_up: int = 1  # seconds of load before the first run of each application; not measured
    served_cases: int | None = None  # of each comparison; the others are measured in process only


@dataclass(frozen=True, slots=True)
class LoadRun:
    """The result of one run under load."""

    rate: float  # requests per second
    p50: float  # median latency in milliseconds
    p99: float  # 99th percentile of the latency in milliseconds
    errors: int  # responses with another status than in the comparison, and failed connections
    requests: int  # complete responses
    cpu_seconds: float  # CPU time of the server's process tree
    peak_rss: int  # largest resident memory of the process tree in bytes, sampled 10 times a second
    processes: int  # in the process tree

    @property
    def cpu_served(self) -> float:
        """CPU microseconds of the process tree per request."""
        return self.cpu_seconds * 1e6 / max(self.requests, 1)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, the lowest and the highest of several values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Return the spread of *values*, or None if there are none."""
        found = list(values)
        return cls(statistics.median(found), min(found), max(found)) if found else None


@dataclass(frozen=True, slots=True)
class ApplicationResult:
    """The measurements of one application."""

    cpu: tuple[float, ...]  # CPU microseconds per request in process, a value for each round
    runs: tuple[LoadRun, ...] = ()

    def spread(self, name: str) -> Spread | None:
        """Return the spread of ``cpu``, or of an attribute of the runs."""
        return Spread.of(self.cpu if name == "cpu" else (getattr(run, name) for run in self.runs))


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The measurements of a case."""

    comparison: str  # a pattern, or two applications
    case: str
    checks: tuple[str, ...]
    original: ApplicationResult
    port: ApplicationResult
    notes: tuple[str, ...] = ()  # what a reader of the numbers must know

    def ratio(self, name: str) -> float | None:
        """Return the median of the port divided by that of the original, or None without values."""
        original, port = self.original.spread(name), self.port.spread(name)
        return port.median / original.median if original and port and original.median else None

    def winner(self, name: str) -> Winner | None:
        """Return which worst value is better than the best of the other; None without values.

        For ``rate`` more is better, for everything else less.
        """
        original, port = self.original.spread(name), self.port.spread(name)
        if not original or not port:
            return None
        if original.low <= port.high and port.low <= original.high:
            return "neither"
        return "port" if (port.low > original.high) == (name == "rate") else "original"

    @property
    def errors(self) -> int:
        """Errors under load, of both applications."""
        return sum(run.errors for run in (*self.original.runs, *self.port.runs))


@dataclass(frozen=True, slots=True)
class UnmeasuredCase:
    """A case that was skipped or that failed, with the reason in one sentence."""

    comparison: str
    case: str  # empty if the whole comparison failed
    reason: str
    measurable: bool = False  # whether it would be measured if it were selected


@dataclass(frozen=True, slots=True)
class Measurement:
    """When, how and on which machine something was measured."""

    started: str  # in ISO 8601
    settings: BenchmarkSettings
    seconds: float = field(default=0.0, kw_only=True)
    load_before: float = field(default=0.0, kw_only=True)  # load average when it started
    machine: dict[str, Any] = field(default_factory=dict[str, Any], kw_only=True)
    versions: dict[str, str] = field(default_factory=dict[str, str], kw_only=True)


@dataclass(frozen=True, slots=True)
class BenchmarkResult(Measurement):
    """The result of a benchmark."""

    cores: CoreAllocation
    loop: str  # the event loop of the measurement in process
    cases: tuple[CaseResult, ...]
    failed: tuple[UnmeasuredCase, ...] = ()  # the responses differ, or an error occurred
    skipped: tuple[UnmeasuredCase, ...] = ()  # not measurable, or not selected

    @property
    def pairing(self) -> str:
        """The two servers."""
        return f"{self.settings.original_server} | {self.settings.port_server}"

    @property
    def passed(self) -> bool:
        """Whether nothing failed and there was no error under load."""
        return not self.failed and not any(case.errors for case in self.cases)
