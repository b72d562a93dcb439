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

from quartpatterns.compare.bench import bench, estimate
from quartpatterns.compare.case import Arrangement, Case, Difference, Step
from quartpatterns.compare.choice import Chosen
from quartpatterns.compare.measurement import Outcome, Settings
from quartpatterns.compare.server_commands import WSGIServer
from quartpatterns.compare.services import ServiceMissingError
from quartpatterns.compare.subject import Subject

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("wrk")]

QUICK = Settings(seconds=1, runs=1, connections=2, threads=2)
ALONE = Settings(served=False)
HELLO = Case("hello", Step("/"))
ROWS = Case("rows", Step("/rows"))


@pytest.fixture(autouse=True)
def loading(no_blocking: BlockBuster) -> None:
    """Applications are loaded before anything is measured, and their modules are read then."""
    for function in no_blocking.functions.values():
        function.can_block_in("compare/loading.py", "load")


def chosen(*cases: Case) -> Chosen:
    module = "tests.compare.benched"
    return Chosen(Subject("benched", f"{module}:original", f"{module}:port", cases), cases)


def measure(*cases: Case, settings: Settings = QUICK) -> Outcome:
    lines: list[str] = []
    outcome = asyncio.run(bench([chosen(*cases)], settings, progress=lines.append))
    assert len(lines) >= len(cases)
    return outcome


BEFORE: set[int] = set()
"""The processes that other tests keep for the whole run, such as a browser."""


@pytest.fixture(autouse=True)
def children_before() -> None:
    BEFORE.clear()
    BEFORE.update(child.pid for child in psutil.Process().children(recursive=True))


def left_behind() -> list[str]:
    return [
        " ".join(child.cmdline())
        for child in psutil.Process().children(recursive=True)
        if child.pid not in BEFORE
        and child.is_running()
        and child.status() != psutil.STATUS_ZOMBIE
        and not {parent.pid for parent in child.parents()} & BEFORE
    ]


def test_measured() -> None:
    """A case that both answer alike is measured in process and behind both servers."""
    outcome = measure(ROWS, settings=Settings(seconds=1, runs=2, connections=2, threads=2))
    assert outcome.passed and not outcome.failed
    [one] = outcome.measured
    for side in (one.original, one.port):
        assert len(side.runs) == 2 and len(side.cpu) > 2
        for run in side.runs:
            assert run.errors == 0
            assert run.requests > 20
            assert 0 < run.p50 <= run.p99
            assert 0.1 < run.cpu_seconds < 3
            assert run.peak_rss > 20 * 2**20
            assert run.processes >= 2
    assert one.ratio("rate")
    assert not left_behind()


def test_in_process_only() -> None:
    """Without servers there is the CPU time alone, and no wrk is needed."""
    outcome = measure(HELLO, settings=ALONE)
    [one] = outcome.measured
    assert one.original.runs == one.port.runs == ()
    assert one.winner("rate") is None and one.winner("cpu") == "original"


def test_not_alike() -> None:
    """A case in which the sides differ is not measured, and the others are."""
    outcome = measure(Case("one", Step("/only-one-side")), HELLO, settings=ALONE)
    assert not outcome.passed
    assert [one.case for one in outcome.measured] == ["hello"]
    [failed] = outcome.failed
    assert failed.case == "one"
    assert "the sides differ in process: undeclared" in failed.reason
    assert "body" in failed.reason


def test_not_alike_on_the_wire() -> None:
    """Sides that differ only behind servers are not measured there."""
    difference = Difference("body", "original", "port", "for this test", where="in process")
    case = Case(
        "one",
        Step("/only-one-side", ignore_headers=("content-length",)),
        differs=[difference],
    )
    outcome = measure(case)
    assert not outcome.measured
    assert "the sides differ on the wire: undeclared body" in outcome.failed[0].reason


def test_declared() -> None:
    """A difference that is meant is measured, and noted beside the numbers."""
    difference = Difference("body", "original", "port", "for this test")
    case = Case(
        "one",
        Step("/only-one-side", ignore_headers=("content-length",)),
        differs=[difference],
    )
    [one] = measure(case, settings=ALONE).measured
    assert one.notes == ("declared difference in body: for this test",)


def test_refusal_is_no_error() -> None:
    """An answer of 418 is what the comparison saw, and so it is right."""
    outcome = measure(Case("teapot", Step("/teapot")))
    assert outcome.passed and outcome.measured[0].errors == 0


def test_errors() -> None:
    """Answers that are others under load are counted, and the benchmark has not passed."""
    outcome = measure(Case("fails", Step("/fails")))
    [one] = outcome.measured
    assert all(run.errors == run.requests for run in one.original.runs)
    assert not outcome.passed


def test_warm_up() -> None:
    """What happens before a server is warm is not counted."""
    outcome = measure(Case("cold", Step("/cold")))
    assert outcome.passed and outcome.measured[0].errors == 0


def test_slower_than_the_warm_up() -> None:
    """A server whose answers take longer than the warm-up is warmed up with a run."""
    settings = replace(QUICK, seconds=2)
    outcome = measure(Case("slow", Step("/slow")), settings=settings)
    assert outcome.passed and [run.requests for run in outcome.measured[0].port.runs] == [2]


@pytest.mark.parametrize("server", ["gunicorn-gthread", "gunicorn-sync"])
def test_dies(server: WSGIServer) -> None:
    """A worker that dies under load is a failure with its last lines, also when it is replaced."""
    settings = Settings(seconds=1, runs=1, connections=2, threads=2, original_server=server)
    outcome = measure(Case("dies", Step("/dies")), settings=settings)
    assert not outcome.measured
    [failed] = outcome.failed
    assert f"{server} ended, or lost a worker, under load" in failed.reason
    assert "that was one too many" in failed.reason
    assert not left_behind()


def test_port_dies() -> None:
    """The same for Hypercorn, which ends with its worker."""
    module = "tests.compare.benched"
    case = Case("dies", Step("/dies"))
    subject = Subject("port", f"{module}:immortal", f"{module}:port", (case,))
    outcome = asyncio.run(bench([Chosen(subject, (case,))], QUICK))
    [failed] = outcome.failed
    assert "hypercorn ended, or lost a worker" in failed.reason
    assert "that was one too many" in failed.reason


def test_arranged(tmp_path: Path) -> None:
    """What a pattern arranges is there for both sides, in process and served, and then gone."""
    events: list[str] = []

    @contextlib.asynccontextmanager
    async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
        events.append("begin")
        yield Arrangement(original={"NAME": "x"}, port={"NAME": "x"})
        events.append("end")

    subject = chosen(HELLO).subject
    arranged = Subject("arranged", subject.original, subject.port, (HELLO,), arrange)
    outcome = asyncio.run(bench([Chosen(arranged, (HELLO,))], QUICK))
    assert outcome.passed and outcome.measured[0].port.runs
    assert events == ["begin", "end"]


def test_cannot_be_arranged() -> None:
    """What is missing for one subject is a failure of that subject, and the next is measured."""

    @contextlib.asynccontextmanager
    async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
        raise ServiceMissingError("no broker: set BROKER_URL")
        yield Arrangement()

    subject = chosen(HELLO).subject
    missing = Subject("missing", subject.original, subject.port, (HELLO,), arrange)
    outcome = asyncio.run(bench([Chosen(missing, (HELLO,)), chosen(HELLO)], ALONE))
    assert [(one.subject, one.reason) for one in outcome.failed] == [
        ("missing", "no broker: set BROKER_URL")
    ]
    assert [one.subject for one in outcome.measured] == ["benched"]


async def test_cancelled() -> None:
    """A benchmark that is cancelled under load ends soon and leaves no process behind."""
    served = asyncio.Event()

    def progress(line: str) -> None:
        if line.endswith("served"):
            served.set()

    settings = Settings(seconds=60, connections=2, threads=2)
    task = asyncio.create_task(bench([chosen(HELLO)], settings, progress=progress))
    await served.wait()
    await asyncio.sleep(2)
    assert len(left_behind()) > 4
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(20):
            await task
    assert not left_behind()


def test_estimate() -> None:
    """The time that is told beforehand grows with all that takes time."""
    one = estimate([chosen(HELLO)], QUICK)
    assert estimate([chosen(HELLO, ROWS)], QUICK) == pytest.approx(2 * one)
    assert estimate([chosen(HELLO)], Settings(seconds=10, runs=3)) > 60
    assert estimate([chosen(HELLO)], ALONE) < 5


def test_cores() -> None:
    """The load has a core of its own where there are two."""
    outcome = measure(HELLO, settings=ALONE)
    cores = outcome.cores
    if len(os.sched_getaffinity(0)) > 1:
        assert cores.servers and cores.load and not set(cores.servers) & set(cores.load)
    else:
        assert cores.note


def test_two_ports() -> None:
    """Two ASGI applications are measured like an original and its port."""
    port = "tests.compare.benched:port"
    case = Case("hello", Step("/"))
    settings = Settings(seconds=1, runs=1, connections=2, threads=2, original_server="hypercorn")
    outcome = asyncio.run(bench([Chosen(Subject("two", port, port, (case,)), (case,))], settings))
    assert outcome.passed, outcome.failed
    assert outcome.measured[0].original.runs


def test_wrong_server() -> None:
    """A server that can't serve what it is given is named, with those that can."""
    port = "tests.compare.benched:port"
    case = Case("hello", Step("/"))
    subject = Subject("wrong", port, port, (case,))
    outcome = asyncio.run(bench([Chosen(subject, (case,))], QUICK))
    [failed] = outcome.failed
    assert "gunicorn-gthread can't serve an application that speaks ASGI" in failed.reason
    assert "hypercorn, uvicorn, granian" in failed.reason
