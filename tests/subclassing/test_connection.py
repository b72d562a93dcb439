"""One exchange: who leaves, who is too slow, what breaks off, and what it costs (20 to 22)."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from blockbuster import BlockBuster
from quart import Response, make_push_promise, request
from quart.testing import QuartClient

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.example.differences.raw_http import connect, exchange, read_response
from quartpatterns.subclassing.routing import path_inside_mount
from tests.serving import eventually
from tests.subclassing.serving import GET, http2, post, served


def scope(**changes: Any) -> dict[str, Any]:
    """ASGI's description of a request for ``/``."""
    return {
        "type": "http",
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("192.0.2.1", 1234),
        "server": ("127.0.0.1", 80),
        "extensions": {},
    } | changes


class Client:
    """The server's side of one exchange, by hand."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.received = 0
        self.sent: list[dict[str, Any]] = []
        for message in messages or ({"type": "http.request", "body": b"", "more_body": False},):
            self.queue.put_nowait(message)

    async def receive(self) -> Any:
        self.received += 1
        return await self.queue.get()

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def leave(self) -> None:
        self.queue.put_nowait({"type": "http.disconnect"})


@pytest.fixture
def app() -> FaithfulQuart:
    """An empty application."""
    return FaithfulQuart(__name__, static_folder=None)


async def test_two_messages(app: FaithfulQuart) -> None:
    """A whole answer is two messages, without a task and without a message received."""
    tasks: list[int] = []

    @app.get("/")
    async def view() -> str:
        tasks.append(len(asyncio.all_tasks()))
        return "hello"

    client = Client()
    before = len(asyncio.all_tasks())
    await app(scope(), client.receive, client.send)  # type: ignore[arg-type]
    assert [message["type"] for message in client.sent] == [
        "http.response.start",
        "http.response.body",
    ]
    assert client.sent[1] == {"type": "http.response.body", "body": b"hello", "more_body": False}
    assert tasks == [before]
    assert client.received == 0


async def test_leaving_cancels(app: FaithfulQuart) -> None:
    """A client that leaves cancels a view that is still at work, and its teardown runs."""
    log: list[str] = []

    @app.get("/")
    async def view() -> str:
        try:
            await asyncio.sleep(30)
        finally:
            log.append("finally")
        return ""

    @app.teardown_request
    async def torn_down(error: BaseException | None) -> None:
        log.append(type(error).__name__)

    client = Client()
    task = asyncio.create_task(app(scope(), client.receive, client.send))  # type: ignore[arg-type]
    await asyncio.sleep(0.02)
    client.leave()
    async with asyncio.timeout(2):
        await task
    assert log == ["finally", "CancelledError"]
    assert client.sent == []


async def test_servers_cancellation(app: FaithfulQuart) -> None:
    """A server that cancels the request sees it cancelled: that is not the client's leaving."""

    @app.get("/")
    async def view() -> str:
        await asyncio.sleep(30)
        return ""

    client = Client()
    task = asyncio.create_task(app(scope(), client.receive, client.send))  # type: ignore[arg-type]
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_failing_receive(app: FaithfulQuart) -> None:
    """An error of the server's own reaches the server."""

    @app.get("/")
    async def view() -> str:
        await asyncio.sleep(30)
        return ""

    async def receive() -> Any:
        raise OSError("the server's own")

    with pytest.raises(OSError, match="own"):
        await app(scope(), receive, Client().send)  # type: ignore[arg-type]


async def test_leaving_a_stream(app: FaithfulQuart) -> None:
    """A client that leaves in the middle ends the generator; nothing is left of it."""
    ended: list[str] = []

    @app.get("/async")
    async def endless() -> Response:
        async def generate() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 100
                    await asyncio.sleep(0.01)
            finally:
                ended.append("async")

        return Response(generate())

    @app.get("/sync")
    async def threaded() -> Any:
        def generate() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x" * 100
                    time.sleep(0.01)
            finally:
                ended.append(threading.current_thread().name)

        return generate()

    async with served(app) as port:
        await asyncio.sleep(0.05)
        before = len(asyncio.all_tasks())
        for path in (b"/async", b"/sync"):
            async with connect(port) as (reader, writer):
                writer.write(GET % path)
                await reader.readuntil(b"xxx")
        await eventually(lambda: len(ended) == 2)
        await eventually(lambda: len(asyncio.all_tasks()) == before)
    assert ended[0] == "async"
    assert ended[1] != threading.main_thread().name


async def test_many_leave(app: FaithfulQuart) -> None:
    """Two hundred clients that leave in the middle: every generator ends, no task is left."""
    running = 0

    @app.get("/")
    async def view() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            nonlocal running
            running += 1
            try:
                while True:
                    yield b"x"
                    await asyncio.sleep(0.05)
            finally:
                running -= 1

        return generate()

    async with served(app) as port:
        await asyncio.sleep(0.05)
        before = len(asyncio.all_tasks())
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        for _, writer in clients:
            writer.write(GET % b"/")
        await eventually(lambda: running == 200)
        for _, writer in clients:
            writer.transport.abort()
        await eventually(lambda: running == 0)
        await eventually(lambda: len(asyncio.all_tasks()) <= before)


async def test_http2_leaving(app: FaithfulQuart) -> None:
    """Over HTTP/2 it ends as well."""
    ended = asyncio.Event()

    @app.get("/")
    async def view() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x"
                    await asyncio.sleep(0.01)
            finally:
                ended.set()

        return generate()

    async with served(app) as port:
        async with http2(port) as client, client.stream("GET", "/") as answer:
            await anext(answer.aiter_bytes())
        async with asyncio.timeout(3):
            await ended.wait()


def broken(app: FaithfulQuart) -> None:
    """A view whose stream breaks off."""

    @app.get("/broken")
    async def view() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            yield b"half"
            await asyncio.sleep(0.01)
            raise LookupError("in the middle")

        return generate()


async def test_broken_stream(app: FaithfulQuart) -> None:
    """A stream that breaks off has no clean end: the client knows that it has only a part."""
    broken(app)
    async with served(app) as port:
        answer = await exchange(port, GET % b"/broken")
    assert (answer.status, answer.body, answer.complete) == (200, b"half", False)


async def test_http2_broken_stream(app: FaithfulQuart) -> None:
    """Over HTTP/2 neither: Hypercorn can't reset one stream, and so ends the connection."""
    broken(app)
    async with served(app) as port, http2(port) as client:
        with pytest.raises(httpx.HTTPError):
            await client.get("/broken")


async def test_broken_in_a_test(app: FaithfulQuart) -> None:
    """In the test client the error is raised."""
    broken(app)
    with pytest.raises(LookupError):
        await app.test_client().get("/broken")


async def stuck(port: int, path: bytes) -> tuple[bytes, float]:
    """Ask for a large answer, read nothing for a while, then all there is."""
    async with connect(port) as (reader, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET % path)
        started = time.monotonic()
        await asyncio.sleep(1.0)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(5):
            answer = await read_response(reader)
        return (b"whole" if answer.complete else b"part"), time.monotonic() - started


SIZE = 32 * 1024 * 1024


def large(app: FaithfulQuart) -> None:
    """Large answers, whole and streamed."""

    @app.get("/whole")
    async def whole() -> bytes:
        return bytes(SIZE)

    @app.get("/streamed")
    async def streamed() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            for _ in range(SIZE // 65536):
                yield bytes(65536)

        return generate()

    @app.get("/patient")
    async def patient() -> Response:
        answer = Response(bytes(SIZE))
        answer.timeout = None
        return answer


@pytest.mark.parametrize("path", [b"/whole", b"/streamed"])
async def test_client_that_does_not_read(
    app: FaithfulQuart, path: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that takes nothing for RESPONSE_TIMEOUT seconds is given up, visibly."""
    large(app)
    app.config["RESPONSE_TIMEOUT"] = 0.3
    async with served(app) as port:
        with caplog.at_level(logging.CRITICAL):
            assert (await stuck(port, path))[0] == b"part"


async def test_own_timeout(app: FaithfulQuart) -> None:
    """``response.timeout = None`` waits for ever, as in Quart."""
    large(app)
    app.config["RESPONSE_TIMEOUT"] = 0.3
    async with served(app) as port:
        assert (await stuck(port, b"/patient"))[0] == b"whole"


async def test_whole_timeout(app: FaithfulQuart) -> None:
    """``response.timeout = n`` limits the whole answer, as in Quart, but visibly."""

    @app.get("/")
    async def view() -> Response:
        async def generate() -> AsyncIterator[bytes]:
            for _ in range(10):
                yield b"x"
                await asyncio.sleep(0.1)

        answer = Response(generate())
        answer.timeout = 0.35
        return answer

    async with served(app) as port:
        answer = await exchange(port, GET % b"/")
    assert not answer.complete
    assert 2 <= len(answer.body) <= 5


async def test_long_view_then_stuck(app: FaithfulQuart) -> None:
    """Time runs from the answer, however long the view took."""

    @app.get("/")
    async def view() -> bytes:
        await asyncio.sleep(0.5)
        return bytes(1000)

    app.config["RESPONSE_TIMEOUT"] = 0.2
    async with served(app) as port:
        assert (await exchange(port, GET % b"/")).complete


async def test_head(app: FaithfulQuart) -> None:
    """HEAD has the headers of GET, no body, and does not start a generator; it is closed."""
    log: list[str] = []

    class Items:
        def __iter__(self) -> Items:
            return self

        def __next__(self) -> bytes:
            log.append("started")
            return b"x"

        def close(self) -> None:
            log.append("closed")

    @app.get("/")
    async def view() -> Any:
        return Items()

    @app.get("/text")
    async def text() -> str:
        return "text"

    client = app.test_client()
    assert await (await client.head("/")).get_data() == b""
    assert (await client.head("/text")).headers["Content-Length"] == "4"
    assert log == ["closed"]


async def test_without_content(app: FaithfulQuart) -> None:
    """204 and 304 have no body and none of the headers of one, as in Flask."""

    @app.get("/<int:status>")
    async def view(status: int) -> Any:
        return "x", status

    client = app.test_client()
    for status in (204, 304):
        answer = await client.get(f"/{status}")
        assert (answer.status_code, await answer.get_data()) == (status, b"")
        assert "Content-Length" not in answer.headers


async def test_call_on_close(app: FaithfulQuart) -> None:
    """Callbacks run when the answer has been sent, and when it could not be."""
    log: list[str] = []

    @app.get("/<kind>")
    async def view(kind: str) -> Any:
        async def generate() -> AsyncIterator[bytes]:
            yield b"x"
            log.append("sent")
            if kind == "broken":
                raise LookupError

        async def closed() -> None:
            log.append("closed")

        answer = app.response_class(generate())
        answer.call_on_close(closed)
        answer.call_on_close(lambda: log.append("closed again"))
        return answer

    await app.test_client().get("/whole")
    with pytest.raises(LookupError):
        await app.test_client().get("/broken")
    assert log == ["sent", "closed", "closed again"] * 2


async def test_pushes(app: FaithfulQuart) -> None:
    """Push promises go out before the answer, as Quart's do."""

    @app.get("/")
    async def view() -> str:
        await make_push_promise("/style.css")
        return ""

    client = app.test_client()
    await client.get("/", http_version="2")
    assert [path for path, _ in client.push_promises] == ["/style.css"]


async def test_plain_client(app: FaithfulQuart) -> None:
    """Quart's own test client works, by pieces and with kept contexts."""

    @app.post("/")
    async def view() -> Any:
        body = request.body

        async def echo() -> AsyncIterator[bytes]:
            async for data in body:
                yield data

        return echo()

    client = QuartClient(app)
    async with client.request("/", method="POST") as connection:
        for part in (b"one", b"two"):
            await connection.send(part)
            assert await connection.receive() == part
        await connection.send_complete()
    async with client:
        await client.post("/")
        assert request.path == "/"


async def test_leaving_test_client(app: FaithfulQuart) -> None:
    """``disconnect()`` of the test client cancels."""
    cancelled = asyncio.Event()

    @app.get("/")
    async def view() -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return ""

    async with asyncio.timeout(3), app.test_client().request("/") as connection:
        await connection.disconnect()
        await cancelled.wait()


async def test_remote_addr(app: FaithfulQuart) -> None:
    """The address is the connection's, and a header of that name is only a header (row 19)."""

    @app.get("/")
    async def view() -> str:
        return f"{request.remote_addr} {request.headers.get('Remote-Addr')}"

    client = Client()
    headers = [(b"host", b"localhost"), (b"remote-addr", b"203.0.113.9")]
    await app(scope(headers=headers), client.receive, client.send)  # type: ignore[arg-type]
    assert client.sent[1]["body"] == b"192.0.2.1 203.0.113.9"


async def test_debug_page(app: FaithfulQuart, no_blocking: BlockBuster) -> None:
    """In debug mode, outside of tests, an error is Quart's traceback; else it is not shown."""
    # A traceback reads the source of what it shows.
    no_blocking.deactivate()

    @app.get("/")
    async def view() -> str:
        raise LookupError("a secret")

    client = app.test_client()
    assert b"a secret" not in await (await client.get("/")).get_data()
    app.debug = True
    assert b"a secret" in await (await client.get("/")).get_data()


async def test_next_request(app: FaithfulQuart) -> None:
    """A small body that nobody read does not stand before the next request."""

    @app.post("/")
    async def view() -> str:
        return "ok"

    async with served(app) as port, connect(port) as (reader, writer):
        for _ in range(3):
            writer.write(post("/", "Content-Length: 5") + b"small")
            assert (await read_response(reader)).body == b"ok"


@pytest.mark.parametrize(
    ("path", "root", "inner"),
    [
        pytest.param("/x", "", "/x", id="no mount"),
        pytest.param("/b/x", "/b", "/x", id="mounted"),
        pytest.param("/b/x", "/b/", "/x", id="slash"),
        pytest.param("/b", "/b", "", id="mount point"),
        pytest.param("/bb/x", "/b", None, id="no prefix"),
        pytest.param("//", "", "", id="slashes"),
        pytest.param("http://localhost/x", "", "/x", id="absolute"),
        pytest.param("", "", "", id="empty"),
    ],
)
def test_inner_path(path: str, root: str, inner: str | None) -> None:
    """The path inside of a mounted application (rows 30 and 31)."""
    assert path_inside_mount(path, root) == inner


async def test_outside_of_the_mount(app: FaithfulQuart) -> None:
    """A path outside is 404, also where a rule catches everything."""

    @app.get("/<path:path>")
    async def view(path: str) -> str:
        return path

    client = app.test_client()
    assert (await client.get("/b/x", root_path="/b")).status_code == 200
    assert (await client.get("/bb/x", root_path="/b")).status_code == 404
