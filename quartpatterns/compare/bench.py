"""Run a benchmark: check that the responses are equal, measure in process and behind servers.

Both applications get the same cores, the same number of workers and connections, and turns in the
order A B B A. Each is warmed up before the first measured request.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from quartpatterns._shared.threads import to_thread
from quartpatterns.compare.applications import ApplicationLoadError, load_application
from quartpatterns.compare.bench_in_process import (
    ROUND_SECONDS,
    ROUNDS,
    CPUTimes,
    measure_cpu_times,
)
from quartpatterns.compare.bench_machine import start_measurement
from quartpatterns.compare.bench_results import (
    ApplicationResult,
    BenchmarkResult,
    BenchmarkSettings,
    CaseResult,
    UnmeasuredCase,
)
from quartpatterns.compare.bench_selection import Selection
from quartpatterns.compare.case import Case, Comparison, Config
from quartpatterns.compare.load_test import (
    FAILURES,
    LoadTestRuns,
    Outcome,
    Pair,
    ServedApplication,
    load_test,
)
from quartpatterns.compare.parity import ensure_equal_responses
from quartpatterns.compare.processes import in_thread
from quartpatterns.compare.request import prepare_request
from quartpatterns.compare.resources import CoreAllocation, allocate_cores
from quartpatterns.compare.servers import Server, ensure_compatible
from quartpatterns.compare.transports import client

Progress = Callable[[str], None]
T = TypeVar("T")

START_SECONDS = 2.0  # to start and stop a server, and to check its responses
SATURATED = "wrk used all of its CPU time: a server may be faster than this"
RAISES = "in process: {} raises an exception, which its server answers"


@dataclass(frozen=True, slots=True)
class Pairing:
    """The server of the original and that of the port."""

    original: Server
    port: Server


def estimated_seconds(
    selections: Sequence[Selection],
    settings: BenchmarkSettings,
    pairings: Sequence[Pairing] | None = None,
) -> float:
    """Return about how many seconds :func:`bench` will take."""
    pairings = pairings or [Pairing(settings.original_server, settings.port_server)]
    servers = len({each.original for each in pairings}) + len({each.port for each in pairings})
    load = servers * (settings.warm_up + settings.runs * settings.seconds)
    seconds = 0.0
    for selection in selections:
        seconds += len(selection.cases) * 2 * ROUNDS * ROUND_SECONDS
        if settings.served:
            cases = len(selection.cases[: settings.served_cases])
            seconds += servers * START_SECONDS + cases * load
    return seconds


async def bench(
    selections: Sequence[Selection],
    settings: BenchmarkSettings,
    *,
    skipped: Sequence[UnmeasuredCase] = (),
    progress: Progress = lambda line: None,
) -> BenchmarkResult:
    """Measure the *selections*. A case that fails is reported, and the next one is measured.

    Arguments:
        selections: The cases, by comparison.
        settings: How to measure.
        skipped: The cases that were not selected, for the report.
        progress: Called with a line of text for each measurement.
    """
    pairings = [Pairing(settings.original_server, settings.port_server)]
    [result] = await bench_pairings(
        selections, settings, pairings, skipped=skipped, progress=progress
    )
    return result


async def bench_pairings(
    selections: Sequence[Selection],
    settings: BenchmarkSettings,
    pairings: Sequence[Pairing],
    *,
    skipped: Sequence[UnmeasuredCase] = (),
    progress: Progress = lambda line: None,
) -> list[BenchmarkResult]:
    """Measure the *selections* behind each of the *pairings*, and return a result for each.

    A server that is in several pairings is measured once: its values are in several results. The
    same is true for the CPU time in process.
    """
    end = start_measurement()
    benchmark = _Benchmark(
        settings, pairings, allocate_cores(settings.workers), progress, [[] for _ in pairings]
    )
    for selection in selections:
        with benchmark.record_failure(
            selection.comparison.name, "", (*FAILURES, ApplicationLoadError)
        ):
            await benchmark.run(selection)
    measurement = await to_thread(end)
    return [
        BenchmarkResult(
            settings=replace(settings, original_server=pairing.original, port_server=pairing.port),
            cores=benchmark.cores,
            loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
            cases=tuple(cases),
            failed=tuple(benchmark.failed),
            skipped=tuple(skipped),
            **measurement,
        )
        for pairing, cases in zip(pairings, benchmark.cases, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Measured:
    """The CPU times of a case, and what a reader must know about them."""

    case: Case
    times: CPUTimes
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Benchmark:
    """The settings of all measurements, and the results so far."""

    settings: BenchmarkSettings
    pairings: Sequence[Pairing]
    cores: CoreAllocation
    progress: Progress
    cases: Sequence[list[CaseResult]]  # for each pairing
    failed: list[UnmeasuredCase] = field(default_factory=list[UnmeasuredCase])

    @contextlib.contextmanager
    def record_failure(
        self, comparison: str, case: str, errors: type[Exception] | tuple[type[Exception], ...]
    ) -> Iterator[None]:
        """Record *errors* as a failure instead of raising them."""
        try:
            yield
        except errors as error:
            known = isinstance(error, (*FAILURES, ApplicationLoadError)) and str(error)
            kind = "" if known else f"{type(error).__name__} "
            self.failed.append(UnmeasuredCase(comparison, case, f"{kind}{error}".strip()))

    async def run(self, selection: Selection) -> None:
        comparison, count = selection.comparison, len(self.pairings)
        temporary = await to_thread(tempfile.TemporaryDirectory, prefix="quartpatterns-bench-")
        async with in_thread(temporary) as name, comparison.configurations(Path(name)) as configs:
            pairs = [self.pair(comparison, pairing, configs) for pairing in self.pairings]
            measured = await self.measure_in_process(selection, pairs)
            outcomes: list[Sequence[Outcome | None]] = [[None] * count for _ in measured]
            if self.settings.served and measured:
                served = measured[: self.settings.served_cases]
                found = await self.measure_served(comparison.name, served, pairs, Path(name))
                outcomes[: len(found)] = found
            for one, outcome in zip(measured, outcomes, strict=True):
                self.add(comparison.name, one, outcome)

    def pair(
        self, comparison: Comparison, pairing: Pairing, configs: Sequence[Config | None]
    ) -> Pair:
        threads = self.settings.threads
        return (
            ServedApplication(comparison.original, pairing.original, configs[0], threads),
            ServedApplication(comparison.port, pairing.port, configs[1], threads),
        )

    async def measure_in_process(
        self, selection: Selection, pairs: Sequence[Pair]
    ) -> list[_Measured]:
        """Return the CPU times of each case with equal responses."""
        name, found = selection.comparison.name, list[_Measured]()
        original, port = pairs[0]
        apps = (
            load_application(original.name, original.config),
            load_application(port.name, port.config),
        )
        if self.settings.served:
            for original, port in pairs:
                ensure_compatible(apps[0], original.server)
                ensure_compatible(apps[1], port.server)
        async with (
            in_thread(ThreadPoolExecutor(1)) as thread,
            client(apps[0]) as original_client,
            client(apps[1]) as port_client,
        ):
            for case in selection.cases:
                self.progress(f"{name} · {case.name}: in process")
                with self.record_failure(name, case.name, Exception):  # of the application
                    responses = await ensure_equal_responses(
                        case, original_client, port_client, "in process"
                    )
                    raises = (bool(responses[0].error), bool(responses[1].error))
                    request = await prepare_request(case.steps[0])
                    times = await measure_cpu_times(*apps, request, thread, raises=raises)
                    found.append(_Measured(case, times, _notes(case, raises)))
        return found

    async def measure_served(
        self,
        comparison: str,
        measured: Sequence[_Measured],
        pairs: Sequence[Pair],
        folder: Path,
    ) -> list[list[Outcome]]:
        cases = [(one.case, await prepare_request(one.case.steps[0])) for one in measured]

        def progress(case: Case) -> None:
            self.progress(f"{comparison} · {case.name}: served")

        return await cancellable(
            lambda stop: load_test(cases, pairs, self.settings, self.cores, folder, stop, progress)
        )

    def add(self, comparison: str, one: _Measured, outcomes: Sequence[Outcome | None]) -> None:
        """Add the result of a case to each pairing. An error that all have is one failure."""
        case, times = one.case, one.times
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if len({str(error) for error in errors}) == 1 and len(errors) == len(outcomes):
            with self.record_failure(comparison, case.name, FAILURES):
                raise errors[0]
            return
        for pairing, cases, outcome in zip(self.pairings, self.cases, outcomes, strict=True):
            if isinstance(outcome, Exception):
                name = f"{case.name}, {pairing.original} | {pairing.port}"
                with self.record_failure(comparison, name, FAILURES):
                    raise outcome
            runs = outcome if isinstance(outcome, LoadTestRuns) else LoadTestRuns((), (), False)
            notes = (*one.notes, *([SATURATED] if runs.saturated else []))
            original = ApplicationResult(times.original, runs.original)
            port = ApplicationResult(times.port, runs.port)
            cases.append(CaseResult(comparison, case.name, case.checks, original, port, notes))


async def cancellable(function: Callable[[threading.Event], T]) -> T:
    """Run *function* in a thread. On cancellation, set its event and wait until it returns."""
    stop = threading.Event()
    work = asyncio.ensure_future(to_thread(function, stop))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([work])
        raise


def _notes(case: Case, raises: tuple[bool, bool]) -> tuple[str, ...]:
    notes = [f"declared difference in {each.aspect}: {each.reason}" for each in case.differs]
    sides = zip(("the original", "the port"), raises, strict=True)
    notes += [RAISES.format(side) for side, raised in sides if raised]
    return tuple(notes)
