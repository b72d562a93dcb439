from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from quartpatterns.compare.case import Step
from quartpatterns.compare.load import (
    Load,
    LoadError,
    WrkMissingError,
    parse_result,
    run_wrk,
    wrk_program,
    wrk_version,
)
from quartpatterns.compare.prepared import prepare
from quartpatterns.compare.processes import free_port
from quartpatterns.compare.servers import serve

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


def test_parse() -> None:
    """What wrk prints is read, in seconds and milliseconds."""
    load = parse_result(PRINTED)
    assert load == Load(1.001, 5989, 1012141, 2.468, 9.836, refused=7, broken=4)
    assert load.rate == pytest.approx(5983.02, rel=1e-5)


@pytest.mark.parametrize(("status", "errors"), [(200, 11), (302, 11), (404, 5986), (500, 5986)])
def test_errors(status: int, errors: int) -> None:
    """A case that expects a refusal counts the answers that are none."""
    assert parse_result(PRINTED).errors(status) == errors


def test_no_result() -> None:
    """Output without a result is an error that shows it."""
    with pytest.raises(LoadError, match="unable to connect"):
        parse_result("unable to connect to 127.0.0.1:1 Connection refused")


def made(step: Step) -> bytes:
    return asyncio.run(prepare(step)).wire()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of the original."""
    with serve("tests.compare.benched:original", "gunicorn-gthread", threads=4) as running:
        yield running.url


STEPS = [
    pytest.param(Step("/"), id="GET"),
    pytest.param(Step("/echo", method="POST", body=b"x" * 100), id="POST"),
    pytest.param(Step("/echo", method="POST", body=(b"a\r\n", b"\0\"'\\]]")), id="chunks"),
    pytest.param(Step("/echo", method="POST", form={"a": "ä&="}), id="form"),
]


@pytest.mark.parametrize("step", STEPS)
def test_requests(step: Step, url: str, tmp_path: Path) -> None:
    """A request of any form is answered as it should be, again and again."""
    load = run_wrk(url, made(step), seconds=1, connections=2, folder=tmp_path)
    assert load.requests > 50
    assert load.errors(200) == 0
    assert 0 < load.p50 <= load.p99 < 1000
    assert 0.9 < load.seconds < 2
    assert load.rate == pytest.approx(load.requests / load.seconds)


def test_expected_refusal(url: str, tmp_path: Path) -> None:
    """Where the comparison saw a 418, each 418 is right and nothing else is."""
    load = run_wrk(url, made(Step("/teapot")), seconds=1, connections=1, folder=tmp_path)
    assert load.errors(418) == 0
    assert load.errors(200) == load.requests > 0


@pytest.mark.parametrize("step", STEPS)
def test_bytes(step: Step, tmp_path: Path) -> None:
    """What goes over the wire is the request to the byte, and the next one on the same socket."""
    request, received = made(step), bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            listener.accept()[0].close()  # wrk sees whether anybody is there
            connection = listener.accept()[0]
            with connection:
                while len(received) < 2 * len(request):
                    received.extend(connection.recv(65536))
                    if len(received) == len(request):
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        run_wrk(url, request, seconds=1, connections=1, folder=tmp_path)
        thread.join()
    assert bytes(received) == request * 2


def test_looks(url: str, tmp_path: Path) -> None:
    """The caller may look at the server about ten times a second."""
    looks: list[float] = []
    run_wrk(
        url,
        made(Step("/")),
        seconds=1,
        connections=1,
        folder=tmp_path,
        look=lambda: looks.append(time.monotonic()),
    )
    assert 5 <= len(looks) <= 12


def test_nobody_there(tmp_path: Path) -> None:
    """A server that is not there is an error with the words of wrk."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(LoadError, match="unable to connect"):
        run_wrk(url, made(Step("/")), seconds=1, connections=1, folder=tmp_path)


def test_no_answer(tmp_path: Path) -> None:
    """A server that never answers is an error, not a rate of nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(LoadError, match="no request was answered"):
            run_wrk(url, made(Step("/")), seconds=1, connections=1, folder=tmp_path)


def test_stop(url: str, tmp_path: Path) -> None:
    """Load that is stopped ends at once and leaves no wrk behind."""
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    start = time.monotonic()
    with pytest.raises(LoadError, match="stopped"):
        run_wrk(url, made(Step("/")), seconds=30, connections=1, folder=tmp_path, stop=stop)
    assert time.monotonic() - start < 10
    children = psutil.Process().children(recursive=True)
    assert "wrk" not in [child.name() for child in children if child.is_running()]


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without wrk the error says how to install it."""
    assert wrk_version()
    monkeypatch.setenv("PATH", "/nonexistent")
    assert wrk_version() is None
    with pytest.raises(WrkMissingError, match="apt-get install wrk, or brew install wrk"):
        wrk_program()
