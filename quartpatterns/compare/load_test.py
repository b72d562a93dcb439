"""Load tests: one request, and several servers that are measured in turns."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartpatterns.compare.bench_in_process import turns
from quartpatterns.compare.bench_results import BenchmarkSettings, LoadRun, Side
from quartpatterns.compare.case import Case
from quartpatterns.compare.parity import ResponsesDifferError, ensure_equal_responses
from quartpatterns.compare.processes import StartError
from quartpatterns.compare.request import PreparedRequest
from quartpatterns.compare.resources import CoreAllocation, UsageMonitor, pinned
from quartpatterns.compare.run_case import ServerUnreachableError
from quartpatterns.compare.servers import RunningServer, Server, serve
from quartpatterns.compare.transports import client
from quartpatterns.compare.wrk import LoadTestError, NoResponseError, WrkResult, run_wrk


class ServerExitedError(Exception):
    """A server or one of its workers exited under load; the message has its last log lines."""


FAILURES = (
    LoadTestError,
    ResponsesDifferError,
    ServerExitedError,
    ServerUnreachableError,
    StartError,
)
"""Errors of one case, after which the next case can be measured."""


@dataclass(frozen=True, slots=True)
class ServedApplication:
    """An original or a port, its server, its configuration, and the threads of a worker."""

    side: Side
    name: str
    server: Server
    config: Mapping[str, Any] | None
    threads: int = 1  # of gunicorn-gthread and granian-wsgi


@dataclass(frozen=True, slots=True)
class LoadTestRuns:
    """The runs of each application, and whether wrk itself may have limited a rate."""

    runs: tuple[tuple[LoadRun, ...], ...]
    saturated: bool


@dataclass(frozen=True, slots=True)
class LoadTest:
    """What all runs of a load test share.

    Arguments:
        settings: How to measure.
        cores: The cores of the servers and of wrk.
        folder: For logs and scripts.
        stop: Ends a run early.
    """

    settings: BenchmarkSettings
    cores: CoreAllocation
    folder: Path
    stop: threading.Event

    def start(self, application: ServedApplication, stack: contextlib.ExitStack) -> RunningServer:
        """Start the server of *application*; it stops with *stack*."""
        with pinned(self.cores.servers):
            return stack.enter_context(
                serve(
                    application.name,
                    application.server,
                    config=application.config,
                    workers=self.settings.workers,
                    threads=application.threads,
                    folder=self.folder,
                )
            )

    def measure(
        self,
        case: Case,
        request: PreparedRequest,
        servers: Sequence[RunningServer],
        sides: Sequence[Side],
    ) -> LoadTestRuns:
        """Check the responses of *servers*, warm them up, and measure them in turns."""
        statuses = asyncio.run(_statuses(case, [server.url for server in servers], sides))
        for server in servers:
            self.warm_up(server, request)
        runs: list[list[LoadRun]] = [[] for _ in servers]
        saturated = False
        for turn in turns(self.settings.runs, len(servers)):
            run, limited = self.run(servers[turn], request, statuses[turn])
            runs[turn].append(run)
            saturated = saturated or limited
        return LoadTestRuns(tuple(map(tuple, runs)), saturated)

    def warm_up(self, server: RunningServer, request: PreparedRequest) -> None:
        """Send load that is not measured."""
        try:
            self.run_wrk(server, request, self.settings.warm_up)
        except NoResponseError:  # the first response takes longer than the warm-up
            self.run_wrk(server, request, self.settings.seconds)

    def run(
        self, server: RunningServer, request: PreparedRequest, status: int
    ) -> tuple[LoadRun, bool]:
        """Return the run, and whether wrk was saturated."""
        result, monitor = self.run_wrk(server, request, self.settings.seconds)
        run = LoadRun(
            rate=result.rate,
            p50=result.p50,
            p99=result.p99,
            errors=result.errors(status),
            requests=result.requests,
            cpu_seconds=monitor.cpu_seconds,
            peak_rss=monitor.peak_rss,
            processes=monitor.last.processes,
        )
        return run, result.saturated

    def run_wrk(
        self, server: RunningServer, request: PreparedRequest, seconds: int
    ) -> tuple[WrkResult, UsageMonitor]:
        """Run wrk, and check that the server still has the processes it had before."""
        monitor = UsageMonitor(server.pid)
        connections = self.settings.connections
        try:
            result = run_wrk(
                server.url,
                request.http(),
                seconds=seconds,
                connections=connections,
                folder=self.folder,
                threads=min(len(self.cores.load or (0,)), self.settings.workers, connections),
                cores=self.cores.load,
                on_sample=monitor.sample,
                stop=self.stop,
            )
        finally:
            monitor.sample()
            if monitor.exited:
                raise ServerExitedError(server.error_message("or a worker exited under load"))
        return result, monitor


def load_test(
    cases: Sequence[tuple[Case, PreparedRequest]],
    applications: Sequence[ServedApplication],
    settings: BenchmarkSettings,
    cores: CoreAllocation,
    folder: Path,
    stop: threading.Event,
    progress: Callable[[Case], None] = lambda case: None,
) -> list[LoadTestRuns | Exception]:
    """Start the servers of *applications*, and measure each case, or return its error.

    All servers run all the time; all but one are idle while that one is measured. After an error
    they start anew.

    This function blocks: call it in a thread, and set *stop* to end it early.

    Arguments:
        cases: The cases with their requests.
        applications: At least one original and one port; each can be there several times, behind
            several servers.
        settings: How to measure.
        cores: The cores of the servers and of wrk.
        folder: For logs and scripts.
        stop: Ends the load test early.
        progress: Called at the start of each case.

    Raises:
        LoadTestError: It was stopped.
    """
    test = LoadTest(settings, cores, folder, stop)
    sides = [application.side for application in applications]
    results: list[LoadTestRuns | Exception] = []
    with contextlib.ExitStack() as stack:
        servers: list[RunningServer] = []
        for case, request in cases:
            progress(case)
            try:
                servers = servers or [test.start(one, stack) for one in applications]
                results.append(test.measure(case, request, servers, sides))
            except FAILURES as error:
                if stop.is_set():
                    raise
                results.append(error)
                stack.close()
                servers = []
    return results


async def _statuses(case: Case, urls: Sequence[str], sides: Sequence[Side]) -> list[int]:
    """Compare each port with the first original, and the other originals with the first port.

    Return the status of each server.
    """
    statuses = dict[str, int]()
    first_original, first_port = urls[sides.index("original")], urls[sides.index("port")]
    for url, side in zip(urls, sides, strict=True):
        if url == first_original:
            continue
        pair = (first_original, url) if side == "port" else (url, first_port)
        async with client(pair[0]) as original, client(pair[1]) as port:
            responses = await ensure_equal_responses(case, original, port, "on the wire")
        statuses |= {pair[0]: responses[0].status, pair[1]: responses[1].status}
    return [statuses[url] for url in urls]
