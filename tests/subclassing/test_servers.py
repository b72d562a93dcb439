"""FaithfulQuart behind Hypercorn, Uvicorn and Granian: what depends on the server."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from quartpatterns.compare.servers import ASGI_SERVERS, RunningServer, serve
from tests.serving import TIMEOUT
from tests.streaming.websockets import RefusedError, open_websocket

pytestmark = [pytest.mark.wire, pytest.mark.slow]


class Running:
    """The application behind a server, and its log."""

    def __init__(self, running: RunningServer) -> None:
        self.server = running.server
        self.url = running.url
        self.log = running.log
        self.port = urlsplit(running.url).port or 0

    def count(self, event: str) -> int:
        counted: dict[str, int] = httpx.get(f"{self.url}/events", timeout=TIMEOUT).json()
        return counted.get(event, 0)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    @contextlib.contextmanager
    def sent(self, *lines: str, body: bytes = b"") -> Iterator[socket.socket]:
        """Send a request with *lines* as its head, and yield the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT) as connection:
            send(connection, *lines, body=body)
            yield connection


def send(connection: socket.socket, *lines: str, body: bytes = b"") -> None:
    head = "".join(f"{line}\r\n" for line in [lines[0], "Host: localhost", *lines[1:], ""])
    connection.sendall(head.encode() + body)


def read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        more = connection.recv(65536)
        assert more, data
        data += more
    return data


def read_all(connection: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            data += more
    return data


@pytest.fixture(scope="module", params=ASGI_SERVERS)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp(request.param)
    with serve("tests.subclassing.server_app:app", request.param, folder=folder) as server:
        yield Running(server)


def test_view_without_client(running: Running) -> None:
    """A view runs to its end if its client disconnects."""
    before = running.count("uncancelled ended")
    with running.sent("GET /uncancelled HTTP/1.1"):
        running.until(lambda: running.count("uncancelled began") == before + 1)
    running.until(lambda: running.count("uncancelled ended") == before + 1)
    assert running.count("uncancelled cancelled") == 0


def test_cancelled_view(running: Running) -> None:
    """A view with ``cancel_on_disconnect`` ends when its client disconnects."""
    before = running.count("cancelled left")
    with running.sent("GET /cancelled HTTP/1.1"):
        running.until(lambda: running.count("cancelled began") == before + 1)
        assert running.count("cancelled left") == before
    running.until(lambda: running.count("cancelled left") == before + 1)


@pytest.mark.parametrize("path", ["feed", "silent"])
def test_stream_without_client(running: Running, path: str) -> None:
    """A stream ends when its client disconnects, also if it waits and sends nothing."""
    before = running.count(f"{path} closed")
    with running.sent(f"GET /{path} HTTP/1.1") as connection:
        read_until(connection, b"\r\n\r\n")
        assert running.count(f"{path} closed") == before
    running.until(lambda: running.count(f"{path} closed") == before + 1)


def test_stream_that_nobody_reads(running: Running) -> None:
    """A client that takes nothing of a stream is cut, and the log says so."""
    before = running.count("flood closed")
    with running.sent("GET /flood HTTP/1.1"):
        running.until(lambda: running.count("flood closed") == before + 1)
    assert "took nothing for 0.5 s" in running.log.read_text()


def test_response_that_nobody_reads(running: Running) -> None:
    """A client that takes nothing of a large response ends it after ``RESPONSE_TIMEOUT``."""
    message = "the client did not receive the response in 0.5 s"
    with running.sent("GET /large HTTP/1.1"):
        running.until(lambda: message in running.log.read_text())


def test_large_response(running: Running) -> None:
    """A client that reads gets all of it, and the connection serves the next request."""
    with running.sent("GET /large HTTP/1.1") as connection:
        head, _, body = read_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")
        assert b"content-length: 67108864" in head.lower()
        received = len(body)
        while received < 67108864:
            received += len(connection.recv(1 << 20))
        send(connection, "GET /text HTTP/1.1")
        assert read_until(connection, b"text").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("chunked", [True, False])
def test_large_upload(running: Running, chunked: bool) -> None:
    """A body of 50 MiB arrives completely, with its length or in chunks."""
    block = bytes(range(256)) * 4096
    content = (block for _ in range(50)) if chunked else block * 50
    answer = httpx.post(f"{running.url}/upload", content=content, timeout=TIMEOUT).json()
    assert answer == {"size": 50 << 20, "sha256": hashlib.sha256(block * 50).hexdigest()}


def test_body_that_is_too_long(running: Running) -> None:
    """A body that is too long gets 413 before it is sent, with its length or in chunks."""
    head = ["POST /limited HTTP/1.1", "Content-Length: 5000000"]
    with running.sent(*head) as connection:
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 413")
    head[1] = "Transfer-Encoding: chunked"
    with running.sent(*head, body=b"3e9\r\n" + b"x" * 1001 + b"\r\n") as connection:
        answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"connection: close" in answer.lower()
    with running.sent(*head, body=b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n") as connection:
        assert read_until(connection, b"1000").startswith(b"HTTP/1.1 200")


def test_unread_body(running: Running) -> None:
    """If the view reads no body, the client can still send it, and use the connection again."""
    head = ["POST /unread HTTP/1.1", "Content-Length: 300000"]
    with running.sent(*head, body=b"x" * 300000) as connection:
        read_until(connection, b"not read")
        send(connection, "GET /text HTTP/1.1")
        assert read_until(connection, b"text").startswith(b"HTTP/1.1 200")


def test_continue(running: Running) -> None:
    """A client that expects ``100 Continue`` gets it when the view reads the body."""
    head = ["POST /limited HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"]
    with running.sent(*head) as connection:
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        connection.sendall(b"abc")
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /empty/204", 204),
        ("GET /empty/304", 304),
        ("HEAD /text", 200),
        ("HEAD /large", 200),
        ("HEAD /empty/204", 204),
        ("GET /empty/200", 200),
    ],
)
def test_no_body(running: Running, line: str, status: int) -> None:
    """A response without a body ends with its head, and the connection serves the next request."""
    with running.sent(f"{line} HTTP/1.1") as connection:
        head, _, rest = read_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {status}".encode())
        assert not rest
        if status == 204:
            assert b"content-length" not in head.lower()
            assert b"transfer-encoding" not in head.lower()
        length = {"HEAD /text": b"4", "HEAD /large": b"67108864", "GET /empty/200": b"0"}.get(line)
        assert length is None or b"content-length: " + length in head.lower()
        send(connection, "GET /text HTTP/1.1")
        assert read_until(connection, b"text").startswith(b"HTTP/1.1 200")


def test_scope(running: Running) -> None:
    """Paths are those of the client, and there is no prefix."""
    url = f"{running.url}/scope?a=%20b"
    answer = httpx.get(url, headers={"X-Forwarded-Proto": "https"}).json()
    assert answer == {"root_path": "", "path": "/scope", "url": url}


async def test_websocket(running: Running) -> None:
    """Messages, and the close codes of the view and of the client."""
    async with open_websocket(running.port, "/echo", "1.1") as websocket:
        await websocket.send("hello")
        assert await websocket.receive() == "hello"
        await websocket.send("x" * 100_000)
        assert await websocket.receive() == "x" * 100_000
        await websocket.send("close")
        assert await websocket.receive() == 4001
    async with open_websocket(running.port, "/echo", "1.1") as websocket:
        await websocket.send("error")
        assert await websocket.receive() == 1011
    async with open_websocket(running.port, "/echo", "1.1") as websocket:
        await websocket.close()


async def test_refused_websocket(running: Running) -> None:
    with pytest.raises(RefusedError, match="403"):
        async with open_websocket(running.port, "/refused", "1.1"):
            pass


async def test_websocket_without_client(running: Running) -> None:
    """The view of a websocket ends when its client disconnects."""
    before = running.count("websocket left")
    async with open_websocket(running.port, "/watched", "1.1"):
        pass
    running.until(lambda: running.count("websocket left") == before + 1)


def test_log(running: Running) -> None:
    """No disconnection leaves a traceback in the log, other than those of the errors above."""
    with running.sent("GET /feed HTTP/1.1") as connection:
        read_until(connection, b"tick")
    running.until(lambda: running.count("feed closed") > 0)
    assert json.dumps(running.log.read_text()).count("ClientDisconnected") == 0
