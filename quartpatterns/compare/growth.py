"""Measure how time and memory grow with the work: rows, file size, connections."""

from __future__ import annotations

import contextlib
import http.client
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from quartpatterns._shared.threads import to_thread
from quartpatterns.compare.bench import cancellable
from quartpatterns.compare.bench_in_process import turns
from quartpatterns.compare.bench_machine import start_measurement
from quartpatterns.compare.bench_results import BenchmarkSettings, Measurement, Spread
from quartpatterns.compare.load_test import FAILURES, LoadTest, ServedApplication
from quartpatterns.compare.open_connections import BEGINNING, open_connections
from quartpatterns.compare.resources import (
    ProcessTree,
    UsageMonitor,
    allocate_cores,
    kill_tree,
    pinned,
)
from quartpatterns.compare.servers import RunningServer

SECONDS = 0.3  # in which a small request is repeated, since CPU time is measured in 10 ms
MOST_REQUESTS = 1000
SAMPLE_INTERVAL = 0.02  # seconds between two measurements of the memory
CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Work:
    """Something that can be done in several sizes.

    Arguments:
        name: The name.
        unit: What is counted.
        path: The path of the request, with ``{size}``.
        sizes: The sizes, in ascending order.
        kind: One request of this size, or as many connections, each with one request.
        beginning: With ``connections``: what the body of a response begins with.
    """

    name: str
    unit: str
    path: str
    sizes: tuple[int, ...]
    kind: Literal["request", "connections"] = "request"
    beginning: bytes = BEGINNING


@dataclass(frozen=True, slots=True)
class GrowthRun:
    """One measurement."""

    cpu: float  # CPU seconds of the server's process tree
    seconds: float  # until the response is complete, or until all responses have begun
    memory: int  # bytes above the idle server, at most
    answered: int  # connections; 1 of a request


@dataclass(frozen=True, slots=True)
class SizeResult:
    """The runs of one size."""

    size: int
    runs: tuple[GrowthRun, ...]

    def spread(self, name: str) -> Spread | None:
        """Return the spread of an attribute of the runs."""
        return Spread.of(getattr(run, name) for run in self.runs)


@dataclass(frozen=True, slots=True)
class SideResult:
    """The sizes of one application, or why they were not measured."""

    label: str
    sizes: tuple[SizeResult, ...]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WorkResult:
    """The results of one work."""

    name: str
    unit: str
    kind: Literal["request", "connections"]
    sides: tuple[SideResult, ...]

    def complete(self, result: SizeResult) -> bool:
        """Whether everything was answered."""
        needed = result.size if self.kind == "connections" else 1
        return bool(result.runs) and all(run.answered >= needed for run in result.runs)

    def exponent(self, side: SideResult, name: str, last: int | None = None) -> float | None:
        """Return the exponent of the power law that fits the medians of *name*.

        Arguments:
            side: The application.
            name: An attribute of the runs.
            last: Only fit the last sizes.
        """
        points: list[tuple[float, float]] = []
        for result in side.sizes:
            spread = result.spread(name)
            if spread and spread.median > 0 and self.complete(result):
                points.append((result.size, spread.median))
        return fit_exponent(points[-last:] if last else points)


@dataclass(frozen=True, slots=True)
class GrowthResult(Measurement):
    """The results of all works."""

    works: tuple[WorkResult, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was measured. Connections without a response are results here."""
        return not any(side.error for work in self.works for side in work.sides)


def fit_exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the exponent *b* of ``y = a * x ** b``, by least squares of the logarithms.

    1 means that ten times the work takes ten times as long, 0 that it takes as long. The result is
    None if there are fewer than two points.

    Arguments:
        points: Pairs of positive numbers.
    """
    if len({x for x, _ in points}) < 2:
        return None
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum(
        (x - mean_x) ** 2 for x, _ in logs
    )


async def measure_growth(
    works: Sequence[Work],
    applications: Sequence[ServedApplication],
    settings: BenchmarkSettings,
    folder: Path,
    progress: Callable[[str], None] = lambda line: None,
) -> GrowthResult:
    """Measure each of *works* with all *applications* in turns.

    Arguments:
        works: What to do.
        applications: The original and the port.
        settings: How to measure: ``runs`` and ``workers``.
        folder: For logs.
        progress: Called with a line of text for each size.
    """
    end = start_measurement()

    def measure(stop: threading.Event) -> tuple[WorkResult, ...]:
        test = LoadTest(settings, allocate_cores(settings.workers), folder, stop)
        with pinned(test.cores.load):
            return tuple(_measure_work(test, work, applications, progress) for work in works)

    results = await cancellable(measure)
    return GrowthResult(settings=settings, works=results, **await to_thread(end))


def _measure_work(
    test: LoadTest,
    work: Work,
    applications: Sequence[ServedApplication],
    progress: Callable[[str], None],
) -> WorkResult:
    runs: list[dict[int, list[GrowthRun]]] = [{} for _ in applications]
    errors: list[str | None] = [None for _ in applications]
    with contextlib.ExitStack() as stack:
        servers: dict[int, tuple[RunningServer, int]] = {}
        for size in work.sizes:
            progress(f"{work.name} · {size:,} {work.unit}")
            for turn in turns(test.settings.runs, len(applications)):
                if test.stop.is_set():
                    raise InterruptedError("stopped")
                if errors[turn] is not None:
                    continue
                try:
                    if work.kind == "connections":
                        run = _run_connections(test, work, size, applications[turn])
                    else:
                        if turn not in servers:
                            servers[turn] = _start(test, work, applications[turn], stack)
                        run = _run_request(*servers[turn], work.path.format(size=size))
                    runs[turn].setdefault(size, []).append(run)
                except (*FAILURES, http.client.HTTPException, OSError) as error:
                    errors[turn] = f"{type(error).__name__}: {error}"
    sides = tuple(
        SideResult(
            f"{('Flask', 'Quart')[index]}, {application.server}",
            tuple(SizeResult(size, tuple(found)) for size, found in runs[index].items()),
            errors[index],
        )
        for index, application in enumerate(applications)
    )
    return WorkResult(work.name, work.unit, work.kind, sides)


def _start(
    test: LoadTest, work: Work, application: ServedApplication, stack: contextlib.ExitStack
) -> tuple[RunningServer, int]:
    """Return a server that has answered a few small requests, and its memory."""
    server = test.start(application, stack)
    for _ in range(3):
        _get(server, work.path.format(size=work.sizes[0]))
    return server, ProcessTree.of(server.pid).rss


def _run_request(server: RunningServer, idle: int, path: str) -> GrowthRun:
    start = time.perf_counter()
    _get(server, path)
    count = min(MOST_REQUESTS, max(1, math.ceil(SECONDS / (time.perf_counter() - start))))
    with _monitored(server) as monitor:
        start = time.perf_counter()
        for _ in range(count):
            _get(server, path)
        seconds = (time.perf_counter() - start) / count
    return GrowthRun(monitor.cpu_seconds / count, seconds, max(0, monitor.peak_rss - idle), 1)


def _run_connections(
    test: LoadTest, work: Work, size: int, application: ServedApplication
) -> GrowthRun:
    """Measure with a new server: threads of the last one may still wait for clients."""
    target = work.path.format(size=size)
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        server = test.start(application, stack)
        _get(server, "/sleep")
        idle = ProcessTree.of(server.pid).rss
        with _monitored(server) as monitor:  # it must not see that they are closed
            connections = stack.enter_context(
                open_connections(server.url, request, size, work.beginning)
            )
        kill_tree(server.pid)
    return GrowthRun(
        monitor.cpu_seconds,
        connections.seconds,
        max(0, monitor.peak_rss - idle),
        connections.answered,
    )


def _get(server: RunningServer, path: str) -> None:
    """Read a whole response; it must have the status 200."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=600)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        while response.read(CHUNK):
            pass
        if response.status != 200:
            raise http.client.HTTPException(f"status {response.status} of {path}")


@contextlib.contextmanager
def _monitored(server: RunningServer) -> Iterator[UsageMonitor]:
    """Measure CPU time and memory of *server* in a thread."""
    monitor, stop = UsageMonitor(server.pid), threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_INTERVAL):
            monitor.sample()

    thread = threading.Thread(target=sample, name="monitor")
    thread.start()
    try:
        yield monitor
    finally:
        stop.set()
        thread.join()
        monitor.sample()
