"""What a benchmark is told and what it finds, as plain data."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from quartpatterns.compare.cores import Cores
from quartpatterns.compare.server_commands import Server

__all__ = ["Left", "Measured", "Outcome", "Run", "Settings", "Side", "Spread", "Winner"]

Winner = Literal["original", "port", "neither"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure.

    Arguments:
        served: Measure behind servers too, not only in process.
        original_server: The server of the original.
        port_server: The server of the port.
        workers: Worker processes of each server.
        threads: Threads of each worker of gunicorn's ``gthread`` and Granian's WSGI. As many as
            connections, by default, so that no request waits for a thread: Quart has no such
            limit.
        connections: Connections that wrk keeps busy.
        seconds: Length of a run.
        runs: Runs for each side.
        warm_up: Seconds of load before the first run of each side; not counted.
    """

    served: bool = True
    original_server: Server = "gunicorn-gthread"
    port_server: Server = "hypercorn"
    workers: int = 1
    threads: int = 16
    connections: int = 16
    seconds: int = 3
    runs: int = 3
    warm_up: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """What one run under load found.

    Arguments:
        rate: Requests per second.
        p50: The median latency in milliseconds.
        p99: The latency in milliseconds that 99 of 100 answers stay below.
        errors: Answers with another status than in the comparison, and connections that broke.
        requests: How many were answered.
        cpu_seconds: CPU time of the server's process tree.
        peak_rss: The most resident memory of the process tree, in bytes, ten looks a second.
        processes: How many the process tree has.
    """

    rate: float
    p50: float
    p99: float
    errors: int
    requests: int
    cpu_seconds: float
    peak_rss: int
    processes: int

    @property
    def cpu_served(self) -> float:
        """CPU microseconds of the process tree per request."""
        return self.cpu_seconds * 1e6 / max(self.requests, 1)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several values, the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """The spread of *values*; ``None`` where there are none."""
        found = list(values)
        return cls(statistics.median(found), min(found), max(found)) if found else None


@dataclass(frozen=True, slots=True)
class Side:
    """All that was found of one side.

    Arguments:
        cpu: CPU microseconds per request in process, a value for each round.
        runs: The runs behind its server.
    """

    cpu: tuple[float, ...]
    runs: tuple[Run, ...] = ()

    def spread(self, name: str) -> Spread | None:
        """The spread of ``cpu``, or of a value of the runs."""
        return Spread.of(self.cpu if name == "cpu" else (getattr(run, name) for run in self.runs))


@dataclass(frozen=True, slots=True)
class Measured:
    """A case that both sides answer alike, and what it costs each.

    Arguments:
        subject: What was compared: a pattern, or two applications.
        case: The name of the case.
        checks: The demands that it proves.
        original: What the original took.
        port: What the port took.
        notes: What a reader of the numbers must know.
    """

    subject: str
    case: str
    checks: tuple[str, ...]
    original: Side
    port: Side
    notes: tuple[str, ...] = ()

    def ratio(self, name: str) -> float | None:
        """Port divided by original, of the medians of a value; ``None`` where one is missing."""
        original, port = self.original.spread(name), self.port.spread(name)
        return port.median / original.median if original and port and original.median else None

    def winner(self, name: str) -> Winner | None:
        """Whose worst value is better than the other's best; ``None`` where one is missing.

        More is better of ``rate``, less of everything else.
        """
        original, port = self.original.spread(name), self.port.spread(name)
        if not original or not port:
            return None
        if original.low <= port.high and port.low <= original.high:
            return "neither"
        return "port" if (port.low > original.high) == (name == "rate") else "original"

    @property
    def errors(self) -> int:
        """Errors under load, of both sides."""
        return sum(run.errors for run in (*self.original.runs, *self.port.runs))


@dataclass(frozen=True, slots=True)
class Left:
    """A case that was not measured, or failed while it was, and the reason.

    Arguments:
        subject: What was compared.
        case: The name of the case; empty where all of the subject failed.
        reason: One sentence.
        able: Whether it would be measured if it were asked for.
    """

    subject: str
    case: str
    reason: str
    able: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A whole benchmark.

    Arguments:
        started: When, in ISO 8601.
        settings: How it was measured.
        cores: Who used which.
        loop: The event loop of the measurement in process.
        measured: What was found.
        failed: Cases in which the sides differ, or something broke.
        skipped: Cases that can't be measured, or were not asked for.
        seconds: How long it took.
        load_before: How many processes wanted a core when it began, on average over a minute.
    """

    started: str
    settings: Settings
    cores: Cores
    loop: str
    measured: tuple[Measured, ...]
    failed: tuple[Left, ...] = ()
    skipped: tuple[Left, ...] = ()
    seconds: float = field(default=0.0, kw_only=True)
    load_before: float = field(default=0.0, kw_only=True)

    @property
    def passed(self) -> bool:
        """Whether nothing failed and no error was seen under load."""
        return not self.failed and not any(one.errors for one in self.measured)
