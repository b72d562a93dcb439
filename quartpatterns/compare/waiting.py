"""Measure requests that wait: how many at once, at what cost, behind which server.

Each turn starts a server, measures its memory while it is idle, sends load, and stops it. So no
pool of connections and no thread of one server is left when the next is measured.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from quartpatterns._shared.threads import to_thread
from quartpatterns.compare.bench import cancellable
from quartpatterns.compare.bench_in_process import turns
from quartpatterns.compare.bench_machine import start_measurement
from quartpatterns.compare.bench_results import BenchmarkSettings, Measurement, Side, Spread
from quartpatterns.compare.case import Comparison, Config
from quartpatterns.compare.load_test import FAILURES, LoadTest, ServedApplication
from quartpatterns.compare.open_connections import open_connections
from quartpatterns.compare.parity import ensure_equal_responses
from quartpatterns.compare.processes import in_thread
from quartpatterns.compare.request import PreparedRequest, prepare_request
from quartpatterns.compare.resources import ProcessTree, allocate_cores, kill_tree
from quartpatterns.compare.servers import RunningServer, Server, serve
from quartpatterns.compare.transports import client

STREAMS = 800
"""Streams that are open at once: fewer than the 1,000 connections of a worker of gunicorn."""

START_SECONDS = 5.0  # to start and stop a server, and to wait until it is idle


@dataclass(frozen=True, slots=True)
class Scenario:
    """What requests wait for.

    Arguments:
        name: The name.
        description: What happens, in a few words.
        comparison: The two applications, and one case.
        seconds: How long a request waits; 0 if it does not.
        kind: Whether responses end, or are streams that stay open.
    """

    name: str
    description: str
    comparison: Comparison
    seconds: float = 0.0
    kind: Literal["requests", "streams"] = "requests"


@dataclass(frozen=True, slots=True)
class Variant:
    """An application behind a server."""

    side: Side
    server: Server
    threads: int | None = None  # of gunicorn-gthread

    @property
    def label(self) -> str:
        """The application, the server and its threads."""
        name = "Flask" if self.side == "original" else "Quart"
        threads = f", {self.threads} threads" if self.threads else ""
        return f"{name}, {self.server}{threads}"


def variants(threads: int, connections: int) -> list[Variant]:
    """Return the original as people deploy it, with a thread for each connection, and with gevent;
    and the port behind each of its servers.
    """
    return [
        Variant("original", "gunicorn-gthread", threads),
        Variant("original", "gunicorn-gthread", connections),
        Variant("original", "gunicorn-gevent"),
        Variant("port", "hypercorn"),
        Variant("port", "uvicorn"),
        Variant("port", "granian"),
    ]


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """One run. Of streams, the rate is the number that had a first byte."""

    rate: float  # requests per second
    p50: float  # milliseconds; of streams, until the first byte
    p99: float
    errors: int
    memory: float  # bytes for each request that waits, or for each stream
    threads: int  # of the server's process tree
    rate_without: float | None = None  # requests per second if they do not wait


@dataclass(frozen=True, slots=True)
class VariantResult:
    """The runs of a variant."""

    label: str
    side: Side
    server: Server
    threads: int | None
    runs: tuple[WaitingRun, ...] = ()
    error: str | None = None  # why it was not measured

    def spread(self, name: str) -> Spread | None:
        """Return the spread of an attribute of the runs."""
        values = [value for run in self.runs if (value := getattr(run, name)) is not None]
        return Spread.of(values)


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """The results of a scenario.

    Arguments:
        name: Its name.
        description: What requests wait for.
        kind: ``requests`` or ``streams``.
        limit: The highest rate that is possible: connections / seconds, or the number of streams.
        variants: The results; the first is what the others are compared with.
    """

    name: str
    description: str
    kind: Literal["requests", "streams"]
    limit: float | None
    variants: tuple[VariantResult, ...]


@dataclass(frozen=True, slots=True)
class WaitingResult(Measurement):
    """The results of all scenarios."""

    scenarios: tuple[ScenarioResult, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was measured. Errors under load are results here."""
        return not any(one.error for scenario in self.scenarios for one in scenario.variants)


def estimated_seconds(
    scenarios: Sequence[Scenario], settings: BenchmarkSettings, servers: int
) -> float:
    """Return about how many seconds :func:`measure_waiting` will take."""
    load = 2 * settings.warm_up + settings.seconds
    seconds = 0.0
    for scenario in scenarios:
        turn = START_SECONDS + (load if scenario.kind == "requests" else 3.0)
        turn += settings.seconds if scenario.seconds else 0
        seconds += servers * settings.runs * turn
    return seconds


async def measure_waiting(
    scenarios: Sequence[Scenario],
    settings: BenchmarkSettings,
    progress: Callable[[str], None] = lambda line: None,
) -> WaitingResult:
    """Measure all variants in each of *scenarios*.

    Arguments:
        scenarios: The scenarios.
        settings: How to measure. ``threads`` are those of the first variant.
        progress: Called with a line of text for each measurement.
    """
    end = start_measurement()
    results = [await _measure_scenario(one, settings, progress) for one in scenarios]
    return WaitingResult(settings=settings, scenarios=tuple(results), **await to_thread(end))


async def _measure_scenario(
    scenario: Scenario, settings: BenchmarkSettings, progress: Callable[[str], None]
) -> ScenarioResult:
    streams = scenario.kind == "streams"
    count = STREAMS if streams else settings.connections
    chosen = variants(settings.threads, count)
    found: Sequence[list[WaitingRun] | str]
    temporary = await to_thread(tempfile.TemporaryDirectory, prefix="quartpatterns-bench-")
    async with in_thread(temporary) as name:
        try:
            async with scenario.comparison.configurations(Path(name)) as configs:
                if not streams:
                    await _ensure_equal(scenario.comparison, configs, Path(name))
                measurement = _Measurement(scenario, settings, Path(name), configs, progress)
                found = await measurement.run(chosen, count)
        except FAILURES as error:
            found = [str(error)] * len(chosen)
    limit = settings.connections / scenario.seconds if scenario.seconds else None
    return ScenarioResult(
        scenario.name,
        scenario.description,
        scenario.kind,
        float(count) if streams else limit,
        tuple(
            VariantResult(
                each.label,
                each.side,
                each.server,
                each.threads,
                *(((), one) if isinstance(one, str) else (tuple(one), None)),
            )
            for each, one in zip(chosen, found, strict=True)
        ),
    )


async def _ensure_equal(
    comparison: Comparison, configs: Sequence[Config | None], folder: Path
) -> None:
    """Compare the responses of two servers. In this process, the pools of an original stay open."""
    async with (
        in_thread(
            serve(comparison.original, "gunicorn-gthread", config=configs[0], folder=folder)
        ) as original,
        in_thread(serve(comparison.port, "hypercorn", config=configs[1], folder=folder)) as port,
        client(original.url) as original_client,
        client(port.url) as port_client,
    ):
        for case in comparison.cases:
            await ensure_equal_responses(case, original_client, port_client, "on the wire")


@dataclass(frozen=True, slots=True)
class _Measurement:
    """The measurement of one scenario."""

    scenario: Scenario
    settings: BenchmarkSettings
    folder: Path
    configs: Sequence[Config | None]
    progress: Callable[[str], None]

    async def run(self, chosen: Sequence[Variant], count: int) -> Sequence[list[WaitingRun] | str]:
        """Return the runs of each variant, or why it was not measured."""
        [step] = self.scenario.comparison.cases[0].steps
        request = await prepare_request(step)
        without = None
        if self.scenario.seconds:
            without = await prepare_request(replace(step, query={"seconds": "0"}))

        def measure(stop: threading.Event) -> list[list[WaitingRun] | str]:
            cores = allocate_cores(self.settings.workers)
            test = LoadTest(self.settings, cores, self.folder, stop)
            found: list[list[WaitingRun] | str] = [[] for _ in chosen]
            for turn in turns(self.settings.runs, len(chosen)):
                runs = found[turn]
                if isinstance(runs, str):
                    continue
                self.progress(f"{self.scenario.name} · {chosen[turn].label}")
                try:
                    with contextlib.ExitStack() as stack:
                        server = test.start(self.application(chosen[turn]), stack)
                        if self.scenario.kind == "streams":
                            runs.append(_run_streams(server, request, count))
                        else:
                            runs.append(_run_requests(test, server, request, without))
                except FAILURES as error:
                    if stop.is_set():
                        raise
                    found[turn] = str(error)
            return found

        return await cancellable(measure)

    def application(self, variant: Variant) -> ServedApplication:
        """Return the application of *variant*."""
        comparison, port = self.scenario.comparison, variant.side == "port"
        name = comparison.port if port else comparison.original
        return ServedApplication(name, variant.server, self.configs[port], variant.threads or 1)


def _run_requests(
    test: LoadTest,
    server: RunningServer,
    request: PreparedRequest,
    without: PreparedRequest | None,
) -> WaitingRun:
    """Measure *request*, and then the same request *without* waiting."""
    connections = test.settings.connections
    alone = replace(test, settings=replace(test.settings, connections=1))
    alone.run_wrk(server, request, test.settings.warm_up)
    idle = ProcessTree.of(server.pid).rss
    # The memory of waiting requests is that of their first run: later ones use it again.
    _, monitor = test.run_wrk(server, request, test.settings.warm_up)
    _wait_until_idle(server)
    result, second = test.run_wrk(server, request, test.settings.seconds)
    threads = ProcessTree.of(server.pid).threads
    rate_without = None
    if without is not None:
        _wait_until_idle(server)
        rate_without = test.run_wrk(server, without, test.settings.seconds)[0].rate
    peak = max(monitor.peak_rss, second.peak_rss)
    return WaitingRun(
        rate=result.rate,
        p50=result.p50,
        p99=result.p99,
        errors=result.failed_connections + result.error_statuses,
        memory=max(0, peak - idle) / connections,
        threads=threads,
        rate_without=rate_without,
    )


def _wait_until_idle(server: RunningServer) -> None:
    """Wait for a response. A server that answers in order has then answered all before it.

    The load generator has left, but a server with few threads still answers what it sent.
    """
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"{server.url}/sleep", timeout=60).close()


def _run_streams(server: RunningServer, request: PreparedRequest, count: int) -> WaitingRun:
    """Open *count* streams, and measure what they cost while nothing happens on them."""
    _wait_until_idle(server)
    idle = ProcessTree.of(server.pid).rss
    with open_connections(server.url, request.http(), count) as streams:
        busy = ProcessTree.of(server.pid)
        run = WaitingRun(
            rate=float(streams.answered),
            p50=streams.percentile(0.5),
            p99=streams.percentile(0.99),
            errors=count - streams.answered,
            memory=max(0, busy.rss - idle) / max(1, streams.answered),
            threads=busy.threads,
        )
    # A thread of the original notices only after seconds that its client has gone.
    kill_tree(server.pid)
    return run
