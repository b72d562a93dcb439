from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from blockbuster import BlockBuster

from quartpatterns.compare import transports
from quartpatterns.compare import wrk as wrk_module
from quartpatterns.compare.bench import Pairing, bench, bench_pairings, estimated_seconds
from quartpatterns.compare.bench_results import BenchmarkResult, BenchmarkSettings, LoadRun
from quartpatterns.compare.bench_selection import Selection
from quartpatterns.compare.case import Arrangement, Case, Comparison, Difference, Step
from quartpatterns.compare.load_test import LoadTest
from quartpatterns.compare.request import PreparedRequest
from quartpatterns.compare.servers import RunningServer, WSGIServer
from quartpatterns.compare.services import ServiceMissingError
from tests.serving import eventually

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("wrk")]

ORIGINAL, PORT = "tests.compare.bench_apps:original", "tests.compare.bench_apps:port"
QUICK = BenchmarkSettings(seconds=1, runs=1, connections=2, threads=2)
IN_PROCESS = BenchmarkSettings(served=False)
HELLO = Case("hello", Step("/"))
ROWS = Case("rows", Step("/rows"))
DIES = Case("dies", Step("/dies"))
SERVER_PAGE = ("content-length", "content-type", "connection")


@pytest.fixture(autouse=True)
def allow_imports(no_blocking: BlockBuster) -> None:
    """Loading an application imports its module from disk, before anything is measured."""
    for function in no_blocking.functions.values():
        function.can_block_in("compare/applications.py", "load_application")


def select(*cases: Case) -> Selection:
    return Selection(Comparison("bench_apps", ORIGINAL, PORT, cases), cases)


def measure(*cases: Case, settings: BenchmarkSettings = QUICK) -> BenchmarkResult:
    lines: list[str] = []
    result = asyncio.run(bench([select(*cases)], settings, progress=lines.append))
    assert len(lines) >= len(cases)
    return result


BEFORE: set[int] = set()
"""Processes that belong to other tests, such as a browser."""


@pytest.fixture(autouse=True)
def children_before() -> None:
    BEFORE.clear()
    BEFORE.update(child.pid for child in psutil.Process().children(recursive=True))


def new_children() -> list[str]:
    """Return the names of the descendants that the test started."""
    names = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            ancestors = {child.pid, *(parent.pid for parent in child.parents())}
            if child.status() != psutil.STATUS_ZOMBIE and not ancestors & BEFORE:
                names.append(child.name())
    return names


@pytest.mark.slow
def test_measured() -> None:
    """A case with equal responses is measured in process and behind both servers."""
    result = measure(ROWS, settings=replace(QUICK, runs=2))
    assert result.passed and not result.failed
    [case] = result.cases
    for application in (case.original, case.port):
        assert len(application.runs) == 2 and len(application.cpu) > 2
        for run in application.runs:
            assert run.errors == 0
            assert run.requests > 0
            assert 0 < run.p50 <= run.p99
            assert run.cpu_seconds > 0
            assert run.peak_rss > 20 * 2**20
            assert run.processes >= 2
    assert case.ratio("rate")
    assert not new_children()


def test_in_process_only() -> None:
    """Without servers only the CPU time is measured, and wrk is not needed."""
    [case] = measure(HELLO, settings=IN_PROCESS).cases
    assert case.original.runs == case.port.runs == ()
    assert case.original.cpu and case.port.cpu
    assert case.winner("rate") is None


def test_different_responses() -> None:
    """A case with different responses is not measured, the others are."""
    result = measure(Case("one", Step("/different")), HELLO, settings=IN_PROCESS)
    assert not result.passed
    assert [case.case for case in result.cases] == ["hello"]
    [failed] = result.failed
    assert failed.case == "one"
    assert "the responses differ in process: undeclared" in failed.reason
    assert "body" in failed.reason


def test_different_responses_on_the_wire() -> None:
    """A case whose responses differ only behind servers is not measured there."""
    difference = Difference("body", "original", "port", "for this test", where="in process")
    step = Step("/different", ignore_headers=("content-length",))
    result = measure(Case("one", step, differs=[difference]))
    assert not result.cases
    assert "the responses differ on the wire: undeclared body" in result.failed[0].reason


@pytest.mark.slow
def test_difference_of_a_server() -> None:
    """A difference that is declared for the server of the port is none elsewhere."""
    here = Difference("body", "original", "port", "for this test", where="in process")
    step = Step("/different", ignore_headers=("content-length",))
    case = Case("one", step, differs=[here, replace(here, where="granian")])
    assert not measure(case).cases
    assert measure(case, settings=replace(QUICK, port_server="granian")).cases


def test_declared_difference() -> None:
    """A declared difference is measured, and noted beside the numbers."""
    difference = Difference("body", "original", "port", "for this test")
    step = Step("/different", ignore_headers=("content-length",))
    [case] = measure(Case("one", step, differs=[difference]), settings=IN_PROCESS).cases
    assert case.notes == ("declared difference in body: for this test",)


@pytest.mark.slow
def test_unreachable_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not respond in time is a failure of the case."""
    monkeypatch.setattr(transports, "TIMEOUT", 0.2)
    result = measure(Case("slow", Step("/slow")))
    assert not result.cases
    assert "no response to GET" in result.failed[0].reason


@pytest.mark.slow
def test_saturated(monkeypatch: pytest.MonkeyPatch) -> None:
    """If wrk used all of its CPU time, the case has a note."""
    monkeypatch.setattr(wrk_module, "SATURATION", -1)
    [case] = measure(HELLO).cases
    assert "wrk used all of its CPU time" in case.notes[0]


RAISES = Case(
    "raises", Step("/raises", compare="ignore", reason="server", ignore_headers=SERVER_PAGE)
)


def test_exception_that_a_server_answers() -> None:
    """What an application raises in process is measured, and noted beside the numbers."""
    [case] = measure(RAISES, settings=IN_PROCESS).cases
    assert case.original.cpu and case.port.cpu
    [note] = case.notes
    assert note == "in process: the original raises an exception, which its server answers"


@pytest.mark.slow
def test_pairings() -> None:
    """A server in two pairings is measured once; a pairing with other responses fails alone."""
    pairings = [
        Pairing("granian-wsgi", "granian"),
        Pairing("gunicorn-gthread", "granian"),
        Pairing("gunicorn-gthread", "hypercorn"),
    ]
    # Granian answers what the original raises with status 200 and an empty body.
    result = asyncio.run(bench_pairings([select(HELLO, RAISES)], QUICK, pairings))
    assert [each.pairing for each in result] == [
        "granian-wsgi | granian", "gunicorn-gthread | granian", "gunicorn-gthread | hypercorn"
    ]  # fmt: skip
    best, mixed, usual = (each.cases for each in result)
    assert [bool(case.port.runs) for case in best] == [True, False]
    assert all(case.original.runs and case.port.runs for case in (*mixed, *usual))
    assert best[0].port.runs == mixed[0].port.runs
    assert mixed[0].original == usual[0].original and best[0].original != mixed[0].original
    assert len({case.original.cpu for case in (best[0], mixed[0], usual[0])}) == 1
    [failed] = result[0].failed
    assert failed.case == "raises, granian-wsgi | granian"
    assert "the responses differ on the wire: undeclared status" in failed.reason


@pytest.mark.slow
def test_saturated_pairing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the pairings of the server at which wrk used all of its CPU time have the note."""
    run = LoadTest.run

    def saturated(
        self: LoadTest, server: RunningServer, request: PreparedRequest, status: int
    ) -> tuple[LoadRun, bool]:
        return run(self, server, request, status)[0], server.server == "granian"

    monkeypatch.setattr(LoadTest, "run", saturated)
    pairings = [Pairing("gunicorn-gthread", "granian"), Pairing("gunicorn-gthread", "hypercorn")]
    fast, usual = asyncio.run(bench_pairings([select(HELLO)], QUICK, pairings))
    assert [len(each.cases[0].notes) for each in (fast, usual)] == [1, 0]


@pytest.mark.slow
def test_served_cases() -> None:
    """Only so many cases of a comparison are measured behind servers, the others in process."""
    result = measure(HELLO, ROWS, settings=replace(QUICK, served_cases=1))
    assert [bool(case.original.runs) for case in result.cases] == [True, False]
    assert all(case.original.cpu and case.port.cpu for case in result.cases)


@pytest.mark.slow
def test_next_case_after_an_exit() -> None:
    """After a worker has exited, the next case is measured with new servers."""
    result = measure(DIES, HELLO)
    assert [failed.case for failed in result.failed] == ["dies"]
    assert [case.case for case in result.cases] == ["hello"]
    assert result.cases[0].original.runs and result.cases[0].errors == 0


@pytest.mark.slow
def test_expected_error_status() -> None:
    """A status of 418 is not an error if the comparison had the same status."""
    result = measure(Case("teapot", Step("/teapot")))
    assert result.passed and result.cases[0].errors == 0


@pytest.mark.slow
def test_errors_under_load() -> None:
    """Responses with another status are counted, and the benchmark fails."""
    result = measure(Case("fails", Step("/fails")))
    [case] = result.cases
    assert all(run.errors == run.requests for run in case.original.runs)
    assert not result.passed


@pytest.mark.slow
def test_warm_up() -> None:
    """Errors during the warm-up are not counted."""
    result = measure(Case("cold", Step("/cold")))
    assert result.passed and result.cases[0].errors == 0


@pytest.mark.slow
def test_slower_than_the_warm_up() -> None:
    """If a response takes longer than the warm-up, the warm-up is repeated with a whole run."""
    result = measure(Case("slow", Step("/slow")), settings=replace(QUICK, seconds=4))
    assert result.passed and result.cases[0].port.runs[0].requests > 0


@pytest.mark.slow
@pytest.mark.parametrize("server", ["gunicorn-gthread", "gunicorn-sync"])
def test_worker_exits(server: WSGIServer) -> None:
    """If a worker exits under load, the case fails, even if the server replaces the worker."""
    result = measure(DIES, settings=replace(QUICK, original_server=server))
    assert not result.cases
    [failed] = result.failed
    assert f"{server} or a worker exited under load" in failed.reason
    assert "no more requests" in failed.reason
    assert not new_children()


@pytest.mark.slow
def test_port_exits() -> None:
    """The same for Hypercorn, which exits with its worker."""
    comparison = Comparison("port", "tests.compare.bench_apps:immortal", PORT, (DIES,))
    result = asyncio.run(bench([Selection(comparison, (DIES,))], QUICK))
    [failed] = result.failed
    assert "hypercorn or a worker exited under load" in failed.reason
    assert "no more requests" in failed.reason


@pytest.mark.slow
def test_arrangement() -> None:
    """The arrangement lasts for the measurements in process and served."""
    events: list[str] = []

    @contextlib.asynccontextmanager
    async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
        events.append("start")
        yield Arrangement(original={"NAME": "x"}, port={"NAME": "x"})
        events.append("stop")

    comparison = Comparison("arranged", ORIGINAL, PORT, (HELLO,), arrange)
    result = asyncio.run(bench([Selection(comparison, (HELLO,))], QUICK))
    assert result.passed and result.cases[0].port.runs
    assert events == ["start", "stop"]


def test_arrangement_fails() -> None:
    """If a service of one comparison is missing, that comparison fails, and the next is run."""

    @contextlib.asynccontextmanager
    async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
        raise ServiceMissingError("no broker: set BROKER_URL")
        yield Arrangement()

    comparison = Comparison("missing", ORIGINAL, PORT, (HELLO,), arrange)
    result = asyncio.run(bench([Selection(comparison, (HELLO,)), select(HELLO)], IN_PROCESS))
    failures = [(failed.comparison, failed.reason) for failed in result.failed]
    assert failures == [("missing", "no broker: set BROKER_URL")]
    assert [case.comparison for case in result.cases] == ["bench_apps"]


@pytest.mark.slow
async def test_cancelled() -> None:
    """Cancellation under load ends the benchmark and all its processes."""
    settings = BenchmarkSettings(seconds=600, connections=2, threads=2)
    task = asyncio.create_task(bench([select(HELLO)], settings))
    await eventually(lambda: task.done() or "wrk" in new_children())
    assert len(new_children()) > 4
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not new_children()


def test_estimated_seconds() -> None:
    """The estimate grows with the cases, the runs and their duration."""
    one = estimated_seconds([select(HELLO)], QUICK)
    assert one < estimated_seconds([select(HELLO, ROWS)], QUICK) < 2 * one
    assert estimated_seconds([select(HELLO), select(ROWS)], QUICK) == pytest.approx(2 * one)
    first = replace(QUICK, served_cases=1)
    in_process = estimated_seconds([select(ROWS)], IN_PROCESS)
    limited = estimated_seconds([select(HELLO, ROWS)], first)
    assert limited == pytest.approx(one + in_process)
    assert estimated_seconds([select(HELLO)], BenchmarkSettings(seconds=10, runs=3)) > 60
    assert estimated_seconds([select(HELLO)], IN_PROCESS) < 5


def test_cores() -> None:
    """wrk has a core of its own if there are two."""
    cores = measure(HELLO, settings=IN_PROCESS).cores
    if len(os.sched_getaffinity(0)) > 1:
        assert cores.servers and cores.load and not set(cores.servers) & set(cores.load)
    else:
        assert cores.note


@pytest.mark.slow
def test_two_ports() -> None:
    """Two ASGI applications can be compared."""
    comparison = Comparison("two", PORT, PORT, (HELLO,))
    settings = replace(QUICK, original_server="hypercorn")
    result = asyncio.run(bench([Selection(comparison, (HELLO,))], settings))
    assert result.passed, result.failed
    assert result.cases[0].original.runs


def test_incompatible_server() -> None:
    """The error names the servers that can serve the application."""
    comparison = Comparison("wrong", PORT, PORT, (HELLO,))
    result = asyncio.run(bench([Selection(comparison, (HELLO,))], QUICK))
    [failed] = result.failed
    assert "gunicorn-gthread cannot serve an ASGI application" in failed.reason
    assert "hypercorn, uvicorn, granian" in failed.reason
