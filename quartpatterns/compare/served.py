"""Measure one case behind real servers: both sides on the same cores, in turns, under one load."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartpatterns.compare.alike import ensure_alike
from quartpatterns.compare.case import Case
from quartpatterns.compare.cores import Cores
from quartpatterns.compare.inprocess import order
from quartpatterns.compare.load import Load, UnansweredError, run_wrk
from quartpatterns.compare.measurement import Run, Settings
from quartpatterns.compare.prepared import Prepared
from quartpatterns.compare.servers import Running, Server, ServerDiedError, serve
from quartpatterns.compare.transports import client
from quartpatterns.compare.usage import Watch

__all__ = ["Behind", "Contestant", "measure_served"]


@dataclass(frozen=True, slots=True)
class Contestant:
    """One side: an application by name, its configuration, and the server it gets."""

    spec: str
    server: Server
    config: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Behind:
    """The runs of both sides, and whether wrk itself may have been what limited a rate."""

    original: tuple[Run, ...]
    port: tuple[Run, ...]
    saturated: bool


@dataclass(frozen=True, slots=True)
class _Range:
    """Where a request is fired, and how."""

    request: bytes
    settings: Settings
    cores: Cores
    folder: Path
    stop: threading.Event

    def fire(self, server: Running, seconds: int, watch: Watch) -> Load:
        """One run of wrk against *server*."""
        threads = min(len(self.cores.load or (0,)), self.settings.workers)
        return run_wrk(
            server.url,
            self.request,
            seconds=seconds,
            connections=self.settings.connections,
            folder=self.folder,
            threads=min(threads, self.settings.connections),
            cores=self.cores.load,
            look=watch.look,
            stop=self.stop,
        )


def measure_served(
    case: Case,
    request: Prepared,
    original: Contestant,
    port: Contestant,
    settings: Settings,
    cores: Cores,
    folder: Path,
    stop: threading.Event,
) -> Behind:
    """Start both sides, see that they answer alike, warm up, and measure them in turns.

    Both servers run for the whole time, and the one whose turn it is not is idle. This blocks:
    it is called in a thread.

    Arguments:
        case: For the comparison.
        request: What is sent under load.
        original: One side.
        port: The other.
        settings: How to measure.
        cores: Who uses which.
        folder: For logs and scripts.
        stop: Ends the measurement early when it is set.

    Raises:
        NotAlikeError: The sides differ.
        httpx.TransportError: A server does not answer.
        LoadError: wrk failed, or was stopped.
        ServerDiedError: A server or a worker ended under load.
        StartError: A server did not start.
    """
    place = _Range(request.wire(), settings, cores, folder, stop)
    with _served(original, place) as first, _served(port, place) as second:
        statuses = asyncio.run(_statuses(case, first.url, second.url))
        for server in (first, second):
            _warm_up(place, server)
        found: dict[bool, list[tuple[Load, Run]]] = {False: [], True: []}
        for is_port in order(settings.runs):
            server = second if is_port else first
            found[is_port].append(_run(place, server, statuses[is_port]))
    saturated = any(load.saturated for load, _ in found[False] + found[True])
    runs, port_runs = ([run for _, run in found[is_port]] for is_port in (False, True))
    return Behind(tuple(runs), tuple(port_runs), saturated)


async def _statuses(case: Case, original: str, port: str) -> tuple[int, int]:
    async with client(original) as one, client(port) as other:
        return await ensure_alike(case, one, other, "on the wire")


def _served(side: Contestant, place: _Range) -> AbstractContextManager[Running]:
    return serve(
        side.spec,
        side.server,
        config=side.config,
        workers=place.settings.workers,
        threads=place.settings.threads,
        cores=place.cores.servers,
        folder=place.folder,
    )


def _warm_up(place: _Range, server: Running) -> None:
    try:
        _guarded(place, server, place.settings.warm_up)
    except UnansweredError:  # an answer takes longer than that
        _guarded(place, server, place.settings.seconds)


def _run(place: _Range, server: Running, status: int) -> tuple[Load, Run]:
    load, watch = _guarded(place, server, place.settings.seconds)
    run = Run(
        rate=load.rate,
        p50=load.p50,
        p99=load.p99,
        errors=load.errors(status),
        requests=load.requests,
        cpu_seconds=watch.cpu_seconds,
        peak_rss=watch.peak_rss,
        processes=watch.last.processes,
    )
    return load, run


def _guarded(place: _Range, server: Running, seconds: int) -> tuple[Load, Watch]:
    """A run of wrk, after which the server and its workers are those of before."""
    watch = Watch(server.pid)
    try:
        load = place.fire(server, seconds, watch)
    finally:
        watch.look()
        if watch.gone:
            raise ServerDiedError(server.obituary("ended, or lost a worker, under load"))
    return load, watch
