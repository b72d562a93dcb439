from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quartpatterns.compare import open_connections as module
from quartpatterns.compare import waiting
from quartpatterns.compare.bench_files import ResultFileError, read_result
from quartpatterns.compare.bench_report import FORMAT
from quartpatterns.compare.bench_results import BenchmarkSettings
from quartpatterns.compare.case import Arrangement
from quartpatterns.compare.example.scenarios import scenarios
from quartpatterns.compare.load_test import ServerExitedError
from quartpatterns.compare.open_connections import OpenConnections, open_connections
from quartpatterns.compare.processes import free_port
from quartpatterns.compare.services import ServiceMissingError
from quartpatterns.compare.waiting import (
    Scenario,
    ScenarioResult,
    VariantResult,
    WaitingResult,
    WaitingRun,
    estimated_seconds,
    measure_waiting,
    variants,
)
from quartpatterns.compare.waiting_report import waiting_data, waiting_tables

QUICK = BenchmarkSettings(seconds=1, runs=1, connections=20, threads=2)
SECONDS = 0.2
LIMIT = 20 / SECONDS


def scenario(name: str, seconds: float = SECONDS) -> Scenario:
    [found] = [one for one in scenarios(seconds, QUICK.connections) if one.name == name]
    return found


def measure(name: str) -> ScenarioResult:
    lines: list[str] = []
    result = asyncio.run(measure_waiting([scenario(name)], QUICK, lines.append))
    assert result.passed, result.scenarios
    assert len(lines) == 6 and result.machine and result.versions
    return result.scenarios[0]


def test_variants() -> None:
    """The original has few threads, as many as connections, or greenlets; the port all servers."""
    assert [each.label for each in variants(16, 200)] == [
        "Flask, gunicorn-gthread, 16 threads",
        "Flask, gunicorn-gthread, 200 threads",
        "Flask, gunicorn-gevent",
        "Quart, hypercorn",
        "Quart, uvicorn",
        "Quart, granian",
    ]


def check_waiting(found: ScenarioResult) -> None:
    """Nothing exceeds the limit, two threads serve two requests at once, and others serve more."""
    assert found.limit == LIMIT
    for variant in found.variants:
        [run] = variant.runs
        assert run.errors == 0, variant
        assert 0 < run.rate <= 1.1 * LIMIT
        assert run.p50 >= 1000 * SECONDS
        assert run.rate_without
    assert found.variants[0].runs[0].rate <= 1.1 * 2 / SECONDS
    for variant in found.variants[1:]:
        assert variant.runs[0].rate > found.variants[0].runs[0].rate


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.usefixtures("wrk")
@pytest.mark.parametrize("name", ["sleep", "upstream", "query"])
def test_waiting(name: str) -> None:
    """Requests wait at once behind each server, as far as it has threads."""
    check_waiting(measure(name))


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.usefixtures("wrk")
def test_jobs() -> None:
    """Jobs are queued behind each server; nothing waits, so there is no limit."""
    found = measure("jobs")
    assert found.limit is None
    for variant in found.variants:
        [run] = variant.runs
        assert run.rate > 0 and run.errors == 0 and run.rate_without is None


@pytest.mark.slow
@pytest.mark.wire
def test_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread of the original has a stream; the others have all, and no thread for each."""
    monkeypatch.setattr(waiting, "STREAMS", 30)
    found = measure("streams")
    few, many, gevent, *ports = found.variants
    assert few.runs[0].rate <= 2 and few.runs[0].errors >= 28
    assert many.runs[0].threads >= 30
    for variant in (many, gevent, *ports):
        assert variant.runs[0].rate == 30 and variant.runs[0].errors == 0
    for variant in (gevent, *ports):
        assert variant.runs[0].threads < 30


@pytest.mark.wire
def test_service_is_missing() -> None:
    """A scenario whose service is missing fails with its message."""

    @contextlib.asynccontextmanager
    async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
        raise ServiceMissingError("PostgreSQL is not installed")
        yield Arrangement()

    sleep = scenario("sleep")
    broken = replace(sleep, comparison=replace(sleep.comparison, arrange=arrange))
    result = asyncio.run(measure_waiting([broken], QUICK))
    assert not result.passed
    assert {one.error for one in result.scenarios[0].variants} == {"PostgreSQL is not installed"}


def test_estimated_seconds() -> None:
    """The estimate grows with the scenarios, the servers, the runs and their duration."""
    sleep, streams = scenario("sleep"), scenario("streams")
    one = estimated_seconds([sleep], QUICK, 6)
    assert estimated_seconds([sleep, sleep], QUICK, 6) == 2 * one
    assert estimated_seconds([sleep], replace(QUICK, runs=3), 6) == 3 * one
    assert estimated_seconds([sleep], replace(QUICK, seconds=9), 6) > one
    assert estimated_seconds([streams], QUICK, 1) < estimated_seconds([sleep], QUICK, 6)


def run(rate: float, rate_without: float | None = None, errors: int = 0) -> WaitingRun:
    return WaitingRun(rate, 100.0, 200.0, errors, 2048.0, 3, rate_without)


SLEEP = ScenarioResult(
    "sleep",
    "a view that waits",
    "requests",
    2000.0,
    (
        VariantResult("few", "original", "gunicorn-gthread", 16, (run(100, 1000), run(100, 1000))),
        VariantResult("port", "port", "hypercorn", None, (run(900, 1000), run(1100, 1000))),
        VariantResult("broken", "port", "granian", None, (), "granian exited\nlog"),
    ),
)
STREAMS = ScenarioResult(
    "streams",
    "idle streams",
    "streams",
    800.0,
    (VariantResult("few", "original", "gunicorn-gthread", 16, (run(16, errors=784),)),),
)


def result(*found: ScenarioResult) -> WaitingResult:
    machine = {"cpu": "a cpu", "cores": 2, "memory": 2**33, "system": "a system"}
    return WaitingResult(
        "2030", BenchmarkSettings(), found, seconds=90.0, machine=machine, versions={"python": "3"}
    )


def test_tables() -> None:
    """A row has the ratio to the first, the share of the limit, and of its own without waiting."""
    sleep, streams = waiting_tables(result(SLEEP, STREAMS))
    assert sleep.title == "sleep: a view that waits; the limit is 2,000/s"
    assert sleep.header[1:5] == ("requests/s", "×", "of limit", "of own")
    assert sleep.rows[1] == (
        "port", "**1,000** (900–1,100)", "10.0", "50%", "100%", "100", "200", "2.0", "3", "0"
    )  # fmt: skip
    assert sleep.rows[2][:2] == ("broken", "granian exited")
    assert streams.header[1:4] == ("streams", "×", "of all")
    assert streams.rows[0][1:4] == ("**16**", "1.0", "2%") and streams.rows[0][-1] == "784"
    assert "a cpu, 2 cores" in "\n".join(streams.notes) and not sleep.notes


def test_data(tmp_path: Path) -> None:
    """The data have the same ratios, and are read as they were written."""
    found = result(SLEEP, STREAMS)
    data = json.loads(json.dumps(waiting_data(found)))
    assert data["passed"] is False
    port = data["waiting"]["scenarios"][0]["variants"][1]
    assert (port["ratio"], port["of_limit"], port["of_own"]) == (10, 0.5, 1)
    file = tmp_path / "result.json"
    file.write_text(json.dumps(data))
    assert read_result(file, "waiting", WaitingResult) == found


@pytest.mark.parametrize("data", [{}, {"waiting": {}}, {"waiting": 3}])
def test_no_data(data: dict[str, object], tmp_path: Path) -> None:
    """The error names the file."""
    file = tmp_path / "result.json"
    file.write_text(json.dumps({"format": FORMAT, **data}))
    message = f"^{file}: no result of quartpatterns bench --waiting --json"
    with pytest.raises(ResultFileError, match=message):
        read_result(file, "waiting", WaitingResult)


@contextlib.contextmanager
def responding(count: int) -> Iterator[str]:
    """Run a server that responds to the first *count* connections alone, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:

        def serve() -> None:
            with contextlib.suppress(OSError):
                for index in range(1000):
                    connection = stack.enter_context(listener.accept()[0])
                    if index < count:
                        connection.recv(1000)
                        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nret")
                        connection.sendall(b"ry: 1\n\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.wire
def test_open_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The beginning of a response counts, even in two pieces; the others had none in time."""
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    with responding(3) as url, open_connections(url, b"GET / HTTP/1.1\r\n\r\n", 5) as found:
        assert found.answered == 3
        assert 0 < found.percentile(0) <= found.percentile(1) <= 1000 * found.seconds


@pytest.mark.wire
def test_refused_connections() -> None:
    """A server that is not there is an error."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServerExitedError, match="no connection"), open_connections(url, b"", 1):
        pass


def test_percentiles() -> None:
    """Percentiles are in milliseconds; there are none without a response."""
    delays = OpenConnections(tuple(number / 1000 for number in range(100)))
    assert delays.percentile(0.5) == 50 and delays.percentile(0.99) == 99
    assert OpenConnections(()).percentile(0.5) == float("inf")
