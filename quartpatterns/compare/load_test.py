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
from quartpatterns.compare.bench_results import BenchmarkSettings, LoadRun
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
    """The name of an application, its server, its configuration, and the threads of a worker."""

    name: str
    server: Server
    config: Mapping[str, Any] | None
    threads: int = 1  # of gunicorn-gthread and granian-wsgi


Pair = tuple[ServedApplication, ServedApplication]
"""An original and a port, which must respond alike."""


@dataclass(frozen=True, slots=True)
class LoadTestRuns:
    """The runs of both applications, and whether wrk itself may have limited a rate."""

    original: tuple[LoadRun, ...]
    port: tuple[LoadRun, ...]
    saturated: bool


Outcome = LoadTestRuns | Exception
"""The runs of a pair, or why it was not measured."""


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
        pairs: Sequence[tuple[int, int]],
    ) -> list[Outcome]:
        """Check the responses, warm up, and measure the servers in turns.

        Arguments:
            case: The case.
            request: Its request.
            servers: All servers.
            pairs: The indices of the servers that must respond alike.

        Returns:
            The outcome of each pair. A server that is in no pair with equal responses is not
            measured.
        """
        statuses, failures = asyncio.run(_compare(case, servers, pairs))
        for index in statuses:
            self.warm_up(servers[index], request)
        runs: dict[int, list[LoadRun]] = {index: [] for index in statuses}
        saturated: set[int] = set()
        for turn in turns(self.settings.runs, len(runs)):
            index = list(runs)[turn]
            run, limited = self.run(servers[index], request, statuses[index])
            runs[index].append(run)
            if limited:
                saturated.add(index)
        return [
            failures.get(pair)
            or LoadTestRuns(
                tuple(runs[pair[0]]), tuple(runs[pair[1]]), not saturated.isdisjoint(pair)
            )
            for pair in pairs
        ]

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
    pairs: Sequence[Pair],
    settings: BenchmarkSettings,
    cores: CoreAllocation,
    folder: Path,
    stop: threading.Event,
    progress: Callable[[Case], None] = lambda case: None,
) -> list[list[Outcome]]:
    """Start all servers, and return the outcome of each pair for each case.

    A server that is in several pairs is measured once. All servers run all the time; all but one
    are idle while that one is measured. After an error they start anew.

    This function blocks: call it in a thread, and set *stop* to end it early.

    Arguments:
        cases: The cases with their requests.
        pairs: The originals and ports.
        settings: How to measure.
        cores: The cores of the servers and of wrk.
        folder: For logs and scripts.
        stop: Ends the load test early.
        progress: Called at the start of each case.

    Raises:
        LoadTestError: It was stopped.
    """
    test = LoadTest(settings, cores, folder, stop)
    applications: list[ServedApplication] = []
    for application in (one for pair in pairs for one in pair):
        if application not in applications:
            applications.append(application)
    indices = [(applications.index(original), applications.index(port)) for original, port in pairs]
    outcomes: list[list[Outcome]] = []
    with contextlib.ExitStack() as stack:
        servers: list[RunningServer] = []
        for case, request in cases:
            progress(case)
            try:
                servers = servers or [test.start(one, stack) for one in applications]
                outcomes.append(test.measure(case, request, servers, indices))
            except FAILURES as error:
                if stop.is_set():
                    raise
                outcomes.append([error] * len(pairs))
                stack.close()
                servers = []
    return outcomes


async def _compare(
    case: Case, servers: Sequence[RunningServer], pairs: Sequence[tuple[int, int]]
) -> tuple[dict[int, int], dict[tuple[int, int], ResponsesDifferError]]:
    """Return the status of each server, and the pairs with different responses."""
    statuses, failures = dict[int, int](), dict[tuple[int, int], ResponsesDifferError]()
    for pair in pairs:
        first, second = (servers[index] for index in pair)
        async with client(first.url) as original, client(second.url) as port:
            try:
                responses = await ensure_equal_responses(
                    case, original, port, "on the wire", second.server
                )
            except ResponsesDifferError as error:
                failures[pair] = error
            else:
                statuses |= {pair[0]: responses[0].status, pair[1]: responses[1].status}
    return statuses, failures
