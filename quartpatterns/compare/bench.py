"""Measure applications that answer alike: in process, and each behind its server.

Both sides get the same cores, as many workers, the same connections that stay open, and turns in
the order A B B A. What comes before the first counted request is not counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import httpx

from quartpatterns.compare.alike import NotAlikeError, ensure_alike
from quartpatterns.compare.case import Case
from quartpatterns.compare.choice import Chosen
from quartpatterns.compare.cores import Cores, divide
from quartpatterns.compare.inprocess import ROUND, ROUNDS, Sides, measure_sides
from quartpatterns.compare.load import LoadError
from quartpatterns.compare.loading import LoadError as ApplicationError
from quartpatterns.compare.loading import load
from quartpatterns.compare.measurement import Left, Measured, Outcome, Settings, Side
from quartpatterns.compare.prepared import prepare
from quartpatterns.compare.processes import StartError, in_thread
from quartpatterns.compare.served import Behind, Contestant, measure_served
from quartpatterns.compare.server_commands import ensure_fits
from quartpatterns.compare.servers import ServerDiedError
from quartpatterns.compare.transports import client

__all__ = ["bench", "estimate"]

Progress = Callable[[str], None]
T = TypeVar("T")

AROUND = 4.0  # seconds to start and stop both servers and ask each once
SATURATED = "wrk had no CPU time to spare: a server may be faster than this"
# What can go wrong with one case and leaves the others as they are.
FAILURES = (
    ApplicationError,
    LoadError,
    NotAlikeError,
    ServerDiedError,
    StartError,
    httpx.TransportError,
)


@dataclass(frozen=True, slots=True)
class _Bench:
    """What is told to every step, and where each writes what it finds."""

    settings: Settings
    cores: Cores
    progress: Progress
    measured: list[Measured] = field(default_factory=list)
    failed: list[Left] = field(default_factory=list)

    @contextlib.contextmanager
    def noting(
        self, subject: str, case: str, errors: type[Exception] | tuple[type[Exception], ...]
    ) -> Iterator[None]:
        """Make a note of *errors*, and go on with the next case."""
        try:
            yield
        except errors as error:
            kind = "" if isinstance(error, FAILURES) and str(error) else f"{type(error).__name__} "
            self.failed.append(Left(subject, case, f"{kind}{error}".strip()))


def estimate(chosen: Sequence[Chosen], settings: Settings) -> float:
    """About how many seconds :func:`bench` will take."""
    in_process = 2 * ROUNDS * ROUND
    served = AROUND + 2 * (settings.warm_up + settings.runs * settings.seconds)
    cases = sum(len(one.cases) for one in chosen)
    return cases * (in_process + (served if settings.served else 0))


async def bench(
    chosen: Sequence[Chosen],
    settings: Settings,
    *,
    skipped: Sequence[Left] = (),
    progress: Progress = lambda line: None,
) -> Outcome:
    """Measure all that is *chosen*; a case that fails is reported and leaves the others alone.

    Arguments:
        chosen: The cases, by subject.
        settings: How to measure.
        skipped: What was not chosen, for the report.
        progress: Told what is being done, a line at a time.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    load_before = os.getloadavg()[0]
    shared = _Bench(settings, divide(settings.workers), progress)
    for one in chosen:
        with shared.noting(one.subject.name, "", FAILURES):
            await _bench_subject(one, shared)
    return Outcome(
        started.isoformat(timespec="seconds"),
        settings,
        shared.cores,
        type(asyncio.get_running_loop()).__module__.partition(".")[0],
        tuple(shared.measured),
        tuple(shared.failed),
        tuple(skipped),
        seconds=time.monotonic() - clock,
        load_before=load_before,
    )


async def _bench_subject(chosen: Chosen, shared: _Bench) -> None:
    subject, settings = chosen.subject, shared.settings
    async with in_thread(_folder()) as folder, subject.arrange(folder) as given:
        configs = (given.original, given.port) if given else (None, None)
        original = Contestant(subject.original, settings.original_server, configs[0])
        port = Contestant(subject.port, settings.port_server, configs[1])
        for case, sides in await _in_process(chosen, original, port, shared):
            if settings.served:
                shared.progress(f"{subject.name} · {case.name}: served")
            with shared.noting(subject.name, case.name, FAILURES):
                behind = await _served(case, original, port, shared, folder)
                shared.measured.append(_measured(subject.name, case, sides, behind))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="quartpatterns-bench-") as name:
        yield Path(name)


async def _in_process(
    chosen: Chosen, original: Contestant, port: Contestant, shared: _Bench
) -> list[tuple[Case, Sides]]:
    """The cases that both sides answer alike, with their CPU time."""
    name, found = chosen.subject.name, []
    one, other = load(original.spec, original.config), load(port.spec, port.config)
    if shared.settings.served:
        ensure_fits(one, original.server)
        ensure_fits(other, port.server)
    async with (
        in_thread(ThreadPoolExecutor(1)) as thread,
        client(one) as ask,
        client(other) as ask_port,
    ):
        for case in chosen.cases:
            shared.progress(f"{name} · {case.name}: in process")
            with shared.noting(name, case.name, Exception):  # whatever an application raises
                await ensure_alike(case, ask, ask_port, "in process")
                request = await prepare(case.steps[0])
                found.append((case, await measure_sides(one, other, request, thread)))
    return found


async def _served(
    case: Case, original: Contestant, port: Contestant, shared: _Bench, folder: Path
) -> Behind | None:
    settings = shared.settings
    if not settings.served:
        return None
    request = await prepare(case.steps[0])
    return await _stoppable(
        lambda stop: measure_served(
            case, request, original, port, settings, shared.cores, folder, stop
        )
    )


async def _stoppable(function: Callable[[threading.Event], T]) -> T:
    """Run *function* in a thread; when cancelled, tell it to stop and wait until it has."""
    stop = threading.Event()
    work = asyncio.ensure_future(asyncio.to_thread(function, stop))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([work])
        raise


def _measured(subject: str, case: Case, sides: Sides, behind: Behind | None) -> Measured:
    notes = [f"declared difference in {one.aspect}: {one.reason}" for one in case.differs]
    notes += [SATURATED] if behind and behind.saturated else []
    original = Side(sides.original, behind.original if behind else ())
    port = Side(sides.port, behind.port if behind else ())
    return Measured(subject, case.name, case.checks, original, port, tuple(notes))
