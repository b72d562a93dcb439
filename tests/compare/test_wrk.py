from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from quartpatterns.compare import wrk as wrk_module
from quartpatterns.compare.case import Step
from quartpatterns.compare.processes import free_port
from quartpatterns.compare.request import prepare_request
from quartpatterns.compare.servers import serve
from quartpatterns.compare.wrk import (
    LoadTestError,
    NoResponseError,
    WrkMissingError,
    WrkResult,
    parse_result,
    run_wrk,
    wrk_program,
    wrk_version,
)

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("wrk")]

# What wrk 4.1.0 printed.
PRINTED = """Running 1s test @ http://127.0.0.1:38757
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.46ms    1.02ms  12.21ms   91.03%
    Req/Sec     6.01k   310.32     6.42k    70.00%
  5989 requests in 1.00s, 0.97MB read
  Socket errors: connect 0, read 3, write 0, timeout 1
  Non-2xx or 3xx responses: 7
Requests/sec:   5983.02
Transfer/sec:      0.97MB

quartpatterns {"microseconds":1001000,"requests":5989,"bytes":1012141,"p50":2468,"p99":9836,\
"connect":0,"read":3,"write":0,"timeout":1,"status":7}
"""


def test_parse_result() -> None:
    """The result is in seconds and milliseconds."""
    result = parse_result(PRINTED)
    assert result == WrkResult(
        1.001, 5989, 1012141, 2.468, 9.836, error_statuses=7, failed_connections=4
    )
    assert result.rate == pytest.approx(5983.02, rel=1e-5)


@pytest.mark.parametrize(("status", "errors"), [(200, 11), (399, 11), (400, 5986), (500, 5986)])
def test_errors(status: int, errors: int) -> None:
    """If an error status is expected, the other responses are errors."""
    assert parse_result(PRINTED).errors(status) == errors


def test_no_result() -> None:
    """Output without a result is an error that shows the output."""
    with pytest.raises(LoadTestError, match="unable to connect"):
        parse_result("unable to connect to 127.0.0.1:1 Connection refused")


def http(step: Step) -> bytes:
    return asyncio.run(prepare_request(step)).http()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of a server with the original."""
    with serve("tests.compare.bench_apps:original", "gunicorn-gthread", threads=4) as running:
        yield running.url


STEPS = [
    pytest.param(Step("/"), id="GET"),
    pytest.param(Step("/echo", method="POST", body=b"x" * 100), id="POST"),
    pytest.param(Step("/echo", method="POST", body=(b"a\r\n", b"\0\"'\\]]")), id="chunks"),
    pytest.param(Step("/echo", method="POST", form={"a": "ä&="}), id="form"),
]


@pytest.mark.parametrize("step", STEPS)
def test_requests(step: Step, url: str, tmp_path: Path) -> None:
    """Requests of every kind get the correct response."""
    result = run_wrk(url, http(step), seconds=1, connections=2, folder=tmp_path)
    assert result.requests > 2
    assert result.errors(200) == 0
    assert 0 < result.p50 <= result.p99
    assert result.seconds >= 0.9
    assert result.rate == pytest.approx(result.requests / result.seconds)


def test_expected_error_status(url: str, tmp_path: Path) -> None:
    """If the comparison had the status 418, every 418 is correct."""
    result = run_wrk(url, http(Step("/teapot")), seconds=1, connections=1, folder=tmp_path)
    assert result.errors(418) == 0
    assert result.errors(200) == result.requests > 0


@pytest.mark.parametrize("step", STEPS)
def test_bytes(step: Step, tmp_path: Path) -> None:
    """wrk sends exactly the bytes of the request, again and again on the same connection."""
    request, received, stop = http(step), bytearray(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def respond() -> None:
            listener.accept()[0].close()  # wrk first checks that the server accepts connections
            with listener.accept()[0] as connection:
                while len(received) < 2 * len(request):
                    received.extend(connection.recv(65536))
                    if len(received) == len(request):
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            stop.set()

        thread = threading.Thread(target=respond, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(LoadTestError, match="stopped"):
            run_wrk(url, request, seconds=600, connections=1, folder=tmp_path, stop=stop)
        thread.join()
    assert bytes(received) == request * 2


def test_samples(url: str, tmp_path: Path) -> None:
    """on_sample is called at most ten times a second."""
    samples: list[float] = []
    run_wrk(
        url,
        http(Step("/")),
        seconds=1,
        connections=1,
        folder=tmp_path,
        on_sample=lambda: samples.append(time.monotonic()),
    )
    assert samples
    assert all(later - earlier > 0.09 for earlier, later in itertools.pairwise(samples))


def test_saturated(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """wrk is saturated if it uses more than a share of its CPU time."""

    def saturated(share: float, seconds: int) -> bool:
        monkeypatch.setattr(wrk_module, "SATURATION", share)
        return run_wrk(
            url, http(Step("/")), seconds=seconds, connections=1, folder=tmp_path
        ).saturated

    assert not saturated(1000, 1)
    # The system counts CPU time in steps of 10 ms: beside other work a short run may have none.
    assert any(saturated(0, seconds) for seconds in (1, 2, 4, 8))


def test_unreachable_server(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(LoadTestError, match="unable to connect"):
        run_wrk(url, http(Step("/")), seconds=1, connections=1, folder=tmp_path)


def test_no_response(tmp_path: Path) -> None:
    """A server that never responds is an error, not a rate of 0."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(NoResponseError, match="no response arrived"):
            run_wrk(url, http(Step("/")), seconds=1, connections=1, folder=tmp_path)


def test_stop(url: str, tmp_path: Path) -> None:
    """The event ends the load test and wrk."""
    stop, seconds = threading.Event(), 600
    with pytest.raises(LoadTestError, match="stopped"):
        run_wrk(
            url,
            http(Step("/")),
            seconds=seconds,
            connections=1,
            folder=tmp_path,
            on_sample=stop.set,
            stop=stop,
        )
    assert "wrk" not in [child.name() for child in psutil.Process().children(recursive=True)]


def test_wrk_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to install wrk."""
    assert wrk_version()
    monkeypatch.setenv("PATH", "/nonexistent")
    assert wrk_version() is None
    with pytest.raises(WrkMissingError, match="apt-get install wrk, or brew install wrk"):
        wrk_program()
