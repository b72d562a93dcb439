"""Run a benchmark: select cases, check that the responses are equal, measure in process and served.

Both applications get the same cores, the same number of workers and connections, and turns in the
order A B B A. Each is warmed up before the first measured request.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
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
from quartpatterns.compare.bench_results import (
    ApplicationResult,
    BenchmarkResult,
    BenchmarkSettings,
    CaseResult,
    UnmeasuredCase,
)
from quartpatterns.compare.case import Case, Comparison
from quartpatterns.compare.load_test import (
    LoadTestError,
    LoadTestRuns,
    ServedApplication,
    ServerExitedError,
    load_test,
)
from quartpatterns.compare.parity import (
    ResponsesDifferError,
    ensure_equal_responses,
)
from quartpatterns.compare.processes import StartError, in_thread
from quartpatterns.compare.request import prepare_request
from quartpatterns.compare.resources import CoreAllocation, allocate_cores
from quartpatterns.compare.run_case import ServerUnreachableError
from quartpatterns.compare.servers import ensure_compatible
from quartpatterns.compare.transports import client

Progress = Callable[[str], None]
T = TypeVar("T")

SERVER_SECONDS = 4.0  # to start and stop both servers and to check the responses
SATURATED = "wrk used all of its CPU time: a server may be faster than this"
# Errors of one case, after which the next case is measured.
FAILURES = (
    ApplicationLoadError,
    LoadTestError,
    ResponsesDifferError,
    ServerExitedError,
    ServerUnreachableError,
    StartError,
)


class UnknownCaseError(Exception):
    """No case has the requested name; the message lists the names."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases of *comparison* to measure."""

    comparison: Comparison
    cases: tuple[Case, ...]


def reason_not_measurable(case: Case) -> str | None:
    """Return why a load generator, which repeats one request, cannot measure *case*, or None."""
    if case.extra:
        return "an extra of the port; there is no original to measure it against"
    if len(case.steps) > 1:
        return f"a session of {len(case.steps)} requests; a load test repeats one"
    [step] = case.steps
    if step.websocket is not None or step.stream is not None:
        return "a conversation; a load test repeats one request and reads its whole response"
    if step.until is not None:
        return "repeats its request until a condition is met"
    if step.method.upper() == "HEAD":
        return "wrk waits for a body in the response to HEAD"
    return None


def select_cases(
    comparisons: Sequence[Comparison], names: Sequence[str] = ()
) -> tuple[list[Selection], list[UnmeasuredCase]]:
    """Return the cases to measure, and the others with the reason.

    Arguments:
        comparisons: The comparisons.
        names: Names of cases, or wildcards like ``*large*``. By default, the first measurable GET
            of each check; if no case names a check, each GET.

    Raises:
        UnknownCaseError: No case has such a name, or none can be measured.
    """
    _ensure_known(comparisons, names)
    selections: list[Selection] = []
    skipped: list[UnmeasuredCase] = []
    for comparison in comparisons:
        selected: list[Case] = []
        for case in comparison.cases:
            if reason := _reason_to_skip(case, comparison.cases, names):
                measurable = not reason_not_measurable(case)
                skipped.append(UnmeasuredCase(comparison.name, case.name, reason, measurable))
            else:
                selected.append(case)
        selections += [Selection(comparison, tuple(selected))] if selected else []
    if not selections:
        reasons = "".join(f"\n  {case.comparison} · {case.case}: {case.reason}" for case in skipped)
        raise UnknownCaseError(f"no case can be measured{reasons}")
    return selections, skipped


def _ensure_known(comparisons: Sequence[Comparison], names: Sequence[str]) -> None:
    cases = [case for comparison in comparisons for case in comparison.cases]
    for name in names:
        if not any(_is_named(case, [name]) for case in cases):
            known = [case.name for case in cases if not reason_not_measurable(case)]
            if close := difflib.get_close_matches(name, known, n=3):
                raise UnknownCaseError(f"no case {name!r}; did you mean {' or '.join(close)}?")
            listed = "".join(f"\n  {each}" for each in known)
            raise UnknownCaseError(f"no case {name!r}; the cases are{listed or ' none'}")


def _reason_to_skip(case: Case, cases: Sequence[Case], names: Sequence[str]) -> str | None:
    if reason := reason_not_measurable(case):
        return reason
    if names:
        return None if _is_named(case, names) else "not selected"
    if not _is_get(case):
        return f"{case.steps[0].method.upper()}, and not selected"
    if any(each.checks for each in cases):
        if not any(case is _first_of_check(check, cases) for check in case.checks):
            return "its checks are measured with another case"
    return None


def _first_of_check(check: str, cases: Sequence[Case]) -> Case | None:
    measurable = (case for case in cases if not reason_not_measurable(case) and _is_get(case))
    return next((case for case in measurable if check in case.checks), None)


def _is_get(case: Case) -> bool:
    return case.steps[0].method.upper() == "GET"


def _is_named(case: Case, names: Sequence[str]) -> bool:
    return any(case.name == name or fnmatchcase(case.name, name) for name in names)


def estimated_seconds(selections: Sequence[Selection], settings: BenchmarkSettings) -> float:
    """Return about how many seconds :func:`bench` will take."""
    in_process = 2 * ROUNDS * ROUND_SECONDS
    served = SERVER_SECONDS + 2 * (settings.warm_up + settings.runs * settings.seconds)
    cases = sum(len(selection.cases) for selection in selections)
    return cases * (in_process + (served if settings.served else 0))


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
    started, start = datetime.now(UTC), time.monotonic()
    load_before = os.getloadavg()[0]
    benchmark = _Benchmark(settings, allocate_cores(settings.workers), progress)
    for selection in selections:
        with benchmark.record_failure(selection.comparison.name, "", FAILURES):
            await benchmark.run(selection)
    return BenchmarkResult(
        started.isoformat(timespec="seconds"),
        settings,
        benchmark.cores,
        type(asyncio.get_running_loop()).__module__.partition(".")[0],
        tuple(benchmark.cases),
        tuple(benchmark.failed),
        tuple(skipped),
        seconds=time.monotonic() - start,
        load_before=load_before,
    )


@dataclass(frozen=True, slots=True)
class _Benchmark:
    """The settings of all measurements, and the results so far."""

    settings: BenchmarkSettings
    cores: CoreAllocation
    progress: Progress
    cases: list[CaseResult] = field(default_factory=list)
    failed: list[UnmeasuredCase] = field(default_factory=list)

    @contextlib.contextmanager
    def record_failure(
        self, comparison: str, case: str, errors: type[Exception] | tuple[type[Exception], ...]
    ) -> Iterator[None]:
        """Record *errors* as a failure instead of raising them."""
        try:
            yield
        except errors as error:
            kind = "" if isinstance(error, FAILURES) and str(error) else f"{type(error).__name__} "
            self.failed.append(UnmeasuredCase(comparison, case, f"{kind}{error}".strip()))

    async def run(self, selection: Selection) -> None:
        comparison, settings = selection.comparison, self.settings
        temporary = await to_thread(tempfile.TemporaryDirectory, prefix="quartpatterns-bench-")
        async with in_thread(temporary) as name, comparison.configurations(Path(name)) as configs:
            original = ServedApplication(comparison.original, settings.original_server, configs[0])
            port = ServedApplication(comparison.port, settings.port_server, configs[1])
            for case, times in await self.measure_in_process(selection, original, port):
                with self.record_failure(comparison.name, case.name, FAILURES):
                    runs = None
                    if settings.served:
                        self.progress(f"{comparison.name} · {case.name}: served")
                        runs = await self.measure_served(case, original, port, Path(name))
                    self.cases.append(_case_result(comparison.name, case, times, runs))

    async def measure_in_process(
        self, selection: Selection, original: ServedApplication, port: ServedApplication
    ) -> list[tuple[Case, CPUTimes]]:
        """Return the CPU times of each case with equal responses."""
        name, found = selection.comparison.name, []
        apps = (
            load_application(original.name, original.config),
            load_application(port.name, port.config),
        )
        if self.settings.served:
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
                    await ensure_equal_responses(case, original_client, port_client, "in process")
                    request = await prepare_request(case.steps[0])
                    found.append((case, await measure_cpu_times(*apps, request, thread)))
        return found

    async def measure_served(
        self, case: Case, original: ServedApplication, port: ServedApplication, folder: Path
    ) -> LoadTestRuns:
        request = await prepare_request(case.steps[0])
        return await _cancellable(
            lambda stop: load_test(
                case, request, original, port, self.settings, self.cores, folder, stop
            )
        )


async def _cancellable(function: Callable[[threading.Event], T]) -> T:
    """Run *function* in a thread. On cancellation, set its event and wait until it returns."""
    stop = threading.Event()
    work = asyncio.ensure_future(to_thread(function, stop))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([work])
        raise


def _case_result(
    comparison: str, case: Case, times: CPUTimes, runs: LoadTestRuns | None
) -> CaseResult:
    notes = [f"declared difference in {each.aspect}: {each.reason}" for each in case.differs]
    notes += [SATURATED] if runs and runs.saturated else []
    original = ApplicationResult(times.original, runs.original if runs else ())
    port = ApplicationResult(times.port, runs.port if runs else ())
    return CaseResult(comparison, case.name, case.checks, original, port, tuple(notes))
