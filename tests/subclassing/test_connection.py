"""One request and its response: disconnection, time limits, errors, and what it costs."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from blockbuster import BlockBuster
from quart import Response, make_push_promise, request
from quart.testing import QuartClient
from werkzeug.exceptions import ClientDisconnected

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.connection import ResponseTimeoutError
from quartpatterns.subclassing.example.differences.raw_http import connect, exchange, read_response
from tests.serving import eventually, idle_tasks
from tests.subclassing.serving import GET, Client, http2, post, scope, served


@pytest.fixture
def app() -> FaithfulQuart:
    """Return an empty application."""
    return FaithfulQuart(__name__, static_folder=None)


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_two_messages(app: FaithfulQuart, version: str) -> None:
    """A response that is not streamed is two messages, without a task and without receiving."""
    tasks: list[int] = []

    @app.get("/")
    async def view() -> str:
        tasks.append(len(asyncio.all_tasks()))
        return "hello"

    client = Client()
    before = len(asyncio.all_tasks())
    await app(scope(http_version=version), client.receive, client.send)  # type: ignore[arg-type]
    assert [message["type"] for message in client.sent] == [
        "http.response.start",
        "http.response.body",
    ]
    assert client.sent[1] == {"type": "http.response.body", "body": b"hello", "more_body": False}
    assert tasks == [before]
    assert client.received == 0


async def test_cancellation_by_the_server(app: FaithfulQuart) -> None:
    """If the server cancels the request, it sees the cancellation."""

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


async def test_cancellation_by_both(app: FaithfulQuart) -> None:
    """If the server cancels a request whose client has disconnected, it sees the cancellation."""
    cleaning = asyncio.Event()
    app.config["CANCEL_ON_DISCONNECT"] = True

    @app.get("/")
    async def view() -> str:
        try:
            await asyncio.sleep(30)
        finally:
            cleaning.set()
            await asyncio.sleep(30)
        return ""

    client = Client()
    task = asyncio.create_task(app(scope(), client.receive, client.send))  # type: ignore[arg-type]
    client.disconnect()
    await cleaning.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_disconnect_at_the_end(app: FaithfulQuart) -> None:
    """A client that disconnects while the last message is sent does not cancel the sending."""
    sent: list[str] = []

    @app.get("/")
    async def view() -> str:
        await asyncio.sleep(0.1)  # until a task watches the client
        return "hello"

    client = Client()

    async def send(message: Any) -> None:
        if not message.get("more_body", True):
            client.disconnect()
            await eventually(client.queue.empty)
            await asyncio.sleep(0.01)
        sent.append(message["type"])

    await app(scope(), client.receive, send)  # type: ignore[arg-type]
    assert sent == ["http.response.start", "http.response.body"]


async def test_last_message_is_stuck(app: FaithfulQuart) -> None:
    """The time limit applies to the last message as well, and the server sees the error."""
    app.config["RESPONSE_TIMEOUT"] = 0.1

    @app.get("/")
    async def view() -> str:
        return "hello"

    async def send(message: Any) -> None:
        if not message.get("more_body", True):
            await asyncio.Event().wait()

    async with asyncio.timeout(20):
        with pytest.raises(ResponseTimeoutError, match="did not receive the response in 0.1 s"):
            await app(scope(), Client().receive, send)  # type: ignore[arg-type]


async def test_reading_too_late(app: FaithfulQuart) -> None:
    """A task that reads the body after the response does not take messages of the server."""
    bodies: list[Any] = []

    @app.post("/")
    async def view() -> str:
        bodies.append(request.body)
        return ""

    client = Client({"type": "http.request", "body": b"half", "more_body": True})
    headers = [(b"host", b"localhost"), (b"content-length", b"8")]
    connection: Any = app.asgi_http_class(app, scope(method="POST", headers=headers))  # type: ignore[arg-type]
    connection.drain_timeout = 0.01
    await connection(client.receive, client.send)
    async with asyncio.timeout(5):
        with pytest.raises(ClientDisconnected):
            await bodies[0]


@pytest.mark.parametrize(("version", "expected"), [("1.1", b"close"), ("2", None)])
async def test_refused_body(app: FaithfulQuart, version: str, expected: bytes | None) -> None:
    """A refused body ends the connection, except over HTTP/2, which has no such header."""
    app.config["MAX_CONTENT_LENGTH"] = 1

    @app.post("/")
    async def view() -> str:
        return str(await request.get_data())

    client = Client({"type": "http.request", "body": b"x", "more_body": True})
    headers = [(b"host", b"localhost"), (b"content-length", b"9")]
    changed = scope(method="POST", http_version=version, headers=headers)
    connection: Any = app.asgi_http_class(app, changed)  # type: ignore[arg-type]
    connection.drain_timeout = 0.01
    await connection(client.receive, client.send)
    assert client.sent[0]["status"] == 413
    assert dict(client.sent[0]["headers"]).get(b"connection") == expected


async def test_failing_receive(app: FaithfulQuart) -> None:
    """An error of the server's ``receive`` reaches the server."""

    @app.get("/")
    async def view() -> str:
        await asyncio.sleep(30)
        return ""

    async def receive() -> Any:
        raise OSError("the server's own")

    with pytest.raises(OSError, match="own"):
        await app(scope(), receive, Client().send)  # type: ignore[arg-type]


async def test_disconnect_from_stream(app: FaithfulQuart) -> None:
    """A client that disconnects ends the generator, and no task remains."""
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
        async with connect(port) as (reader, writer):  # The server has started if it answers.
            writer.write(GET % b"/missing")
            await reader.readuntil(b"404")
        before = asyncio.all_tasks()
        for path in (b"/async", b"/sync"):
            async with connect(port) as (reader, writer):
                writer.write(GET % path)
                await reader.readuntil(b"xxx")
        await eventually(lambda: len(ended) == 2)
        await eventually(lambda: not asyncio.all_tasks() - before)
    # On a loaded machine the second stream can end first.
    ended.remove("async")
    assert ended != [threading.main_thread().name]


async def test_many_disconnect(app: FaithfulQuart) -> None:
    """When 200 clients disconnect, every generator ends and no task remains."""
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
        before = await idle_tasks(port)
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        for _, writer in clients:
            writer.write(GET % b"/")
        await eventually(lambda: running == 200)
        for _, writer in clients:
            writer.transport.abort()
        await eventually(lambda: running == 0)
        await eventually(lambda: len(asyncio.all_tasks()) <= before)


async def test_http2_disconnect(app: FaithfulQuart) -> None:
    """Over HTTP/2 the generator ends as well."""
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
        async with http2(port) as client, client.stream("GET", "/") as response:
            await anext(response.aiter_bytes())
        async with asyncio.timeout(3):
            await ended.wait()


def add_failing_stream(app: FaithfulQuart) -> None:
    """Add a view whose stream fails."""

    @app.get("/broken")
    async def view() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            yield b"half"
            await asyncio.sleep(0.01)
            raise LookupError("in the middle")

        return generate()


async def test_failing_stream(app: FaithfulQuart) -> None:
    """A stream that fails is incomplete, and the client sees it."""
    add_failing_stream(app)
    async with served(app) as port:
        response = await exchange(port, GET % b"/broken")
    assert (response.status, response.body, response.complete) == (200, b"half", False)


@pytest.mark.slow
async def test_http2_failing_stream(app: FaithfulQuart) -> None:
    """Over HTTP/2 as well: Hypercorn can't reset one stream, so it ends the connection."""
    add_failing_stream(app)
    async with served(app) as port, http2(port) as client:
        with pytest.raises(httpx.HTTPError):
            await client.get("/broken")


async def test_failing_stream_in_test_client(app: FaithfulQuart) -> None:
    """In the test client the error is raised."""
    add_failing_stream(app)
    with pytest.raises(LookupError):
        await app.test_client().get("/broken")


async def read_after_pause(port: int, path: bytes) -> tuple[bytes, float]:
    """Request a large response, pause, then read it; return the result and the time."""
    async with connect(port) as (reader, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET % path)
        started = time.monotonic()
        await asyncio.sleep(1.0)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(5):
            response = await read_response(reader)
        return (b"complete" if response.complete else b"incomplete"), time.monotonic() - started


SIZE = 32 * 1024 * 1024


def add_large_responses(app: FaithfulQuart) -> None:
    """Add views with large responses."""

    @app.get("/whole")
    async def whole() -> bytes:
        return bytes(SIZE)

    @app.get("/streamed")
    async def streamed() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            for _ in range(SIZE // 65536):
                yield bytes(65536)

        return generate()

    @app.get("/unlimited")
    async def unlimited() -> Response:
        response = Response(bytes(SIZE))
        response.timeout = None
        return response


@pytest.mark.parametrize("path", [b"/whole", b"/streamed"])
async def test_client_that_does_not_read(
    app: FaithfulQuart, path: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that reads nothing for ``RESPONSE_TIMEOUT`` seconds has an incomplete response."""
    add_large_responses(app)
    app.config["RESPONSE_TIMEOUT"] = 0.3
    async with served(app) as port:
        with caplog.at_level(logging.CRITICAL):
            assert (await read_after_pause(port, path))[0] == b"incomplete"


async def test_no_timeout(app: FaithfulQuart) -> None:
    """``response.timeout = None`` removes the limit, as in Quart."""
    add_large_responses(app)
    app.config["RESPONSE_TIMEOUT"] = 0.3
    async with served(app) as port:
        assert (await read_after_pause(port, b"/unlimited"))[0] == b"complete"


async def test_response_timeout(app: FaithfulQuart) -> None:
    """``response.timeout = n`` limits the whole response, as in Quart, and the client sees it."""

    @app.get("/")
    async def view() -> Response:
        async def generate() -> AsyncIterator[bytes]:
            for _ in range(10):
                yield b"x"
                await asyncio.sleep(0.1)

        response = Response(generate())
        response.timeout = 0.35
        return response

    async with served(app) as port:
        response = await exchange(port, GET % b"/")
    assert not response.complete
    assert len(response.body) < 10


async def test_long_view(app: FaithfulQuart) -> None:
    """The time limit starts with the response, however long the view took."""

    @app.get("/")
    async def view() -> bytes:
        await asyncio.sleep(0.5)
        return bytes(1000)

    app.config["RESPONSE_TIMEOUT"] = 0.2
    async with served(app) as port:
        assert (await exchange(port, GET % b"/")).complete


async def test_head(app: FaithfulQuart) -> None:
    """HEAD has the headers of GET and no body. The generator is closed and does not start."""
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
    """204 and 304 have no body and none of its headers, as in Flask."""

    @app.get("/<int:status>")
    async def view(status: int) -> Any:
        return "x", status

    client = app.test_client()
    for status in (204, 304):
        response = await client.get(f"/{status}")
        assert (response.status_code, await response.get_data()) == (status, b"")
        assert "Content-Length" not in response.headers


async def test_call_on_close(app: FaithfulQuart) -> None:
    """Callbacks run when the response has been sent, and when it could not be sent."""
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

        response = app.response_class(generate())
        response.call_on_close(closed)
        response.call_on_close(lambda: log.append("closed again"))
        return response

    await app.test_client().get("/whole")
    with pytest.raises(LookupError):
        await app.test_client().get("/broken")
    assert log == ["sent", "closed", "closed again"] * 2


async def test_pushes(app: FaithfulQuart) -> None:
    """Push promises are sent before the response, as in Quart."""

    @app.get("/")
    async def view() -> str:
        await make_push_promise("/style.css")
        return ""

    client = app.test_client()
    await client.get("/", http_version="2")
    assert [path for path, _ in client.push_promises] == ["/style.css"]


async def test_quart_client(app: FaithfulQuart) -> None:
    """Quart's own test client works, with messages and with preserved contexts."""

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


async def test_remote_addr(app: FaithfulQuart) -> None:
    """The address is that of the connection. A header of that name is only a header."""

    @app.get("/")
    async def view() -> str:
        return f"{request.remote_addr} {request.headers.get('Remote-Addr')}"

    client = Client()
    headers = [(b"host", b"localhost"), (b"remote-addr", b"203.0.113.9")]
    await app(scope(headers=headers), client.receive, client.send)  # type: ignore[arg-type]
    assert client.sent[1]["body"] == b"192.0.2.1 203.0.113.9"


async def test_debug_page(app: FaithfulQuart, no_blocking: BlockBuster) -> None:
    """In debug mode a server shows Quart's traceback, and a test client raises the error."""
    # A traceback reads the source of what it shows.
    no_blocking.deactivate()

    @app.get("/")
    async def view() -> str:
        raise LookupError("a secret")

    client = app.test_client()
    assert b"a secret" not in await (await client.get("/")).get_data()
    app.debug = True
    with pytest.raises(LookupError, match="a secret"):
        await client.get("/")
    async with served(app) as port, connect(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"a secret" in await reader.read()


async def test_next_request(app: FaithfulQuart) -> None:
    """A small body that was not read does not get in front of the next request."""

    @app.post("/")
    async def view() -> str:
        return "ok"

    async with served(app) as port, connect(port) as (reader, writer):
        for _ in range(3):
            writer.write(post("/", "Content-Length: 5") + b"small")
            assert (await read_response(reader)).body == b"ok"


async def test_idle_stream_keeps_little(app: FaithfulQuart) -> None:
    """A stream that has begun keeps no request, no response and no timer, and needs one task."""
    kept: list[weakref.ref[Any]] = []

    @app.get("/")
    async def view() -> Any:
        async def events() -> AsyncIterator[str]:
            yield "first"
            await asyncio.Event().wait()

        response = app.response_class(events())
        kept.append(weakref.ref(request._get_current_object()))  # type: ignore[attr-defined]
        kept.append(weakref.ref(response))
        return response

    clients = [Client() for _ in range(100)]
    before = len(asyncio.all_tasks())
    loop: Any = asyncio.get_running_loop()
    streams = [
        asyncio.create_task(app(scope(), client.receive, client.send))  # type: ignore[arg-type]
        for client in clients
    ]
    await eventually(lambda: all(len(client.sent) == 2 for client in clients))
    await eventually(lambda: all(client.received == 2 for client in clients))
    assert not [reference for reference in kept if reference() is not None]
    # The client of this test has a method of its own, which can need a task.
    assert len(asyncio.all_tasks()) - before == 2 * len(clients)
    assert len([handle for handle in loop._scheduled if not handle.cancelled()]) < 10
    for client in clients:
        client.queue.put_nowait({"type": "http.disconnect"})
    await asyncio.gather(*streams)


async def test_stream_ends_with_the_functions_of_its_response(app: FaithfulQuart) -> None:
    """Functions are called at the end that were added before the stream, and during it."""
    called: list[str] = []

    @app.get("/<kind>")
    async def view(kind: str) -> Any:
        async def chunks() -> AsyncIterator[str]:
            yield "first"
            if kind == "during":
                response.call_on_close(lambda: called.append("during"))
            yield "last"

        response = app.response_class(chunks())
        if kind == "before":
            response.call_on_close(lambda: called.append("before"))
        return response

    for kind in ("before", "during", "never"):
        client = Client()
        await app(scope(path=f"/{kind}"), client.receive, client.send)  # type: ignore[arg-type]
        assert b"".join(message.get("body", b"") for message in client.sent) == b"firstlast"
    assert called == ["before", "during"]


async def test_error_page_that_is_a_stream(app: FaithfulQuart) -> None:
    """The functions of both responses are called, those of the stream at its end."""
    called: list[str] = []

    @app.errorhandler(LookupError)
    async def handle(error: LookupError) -> Any:
        async def chunks() -> AsyncIterator[str]:
            yield "one "
            yield "page" if "page" not in called else f"{called}"

        response = app.response_class(chunks(), 503)
        response.call_on_close(lambda: called.append("page"))
        return response

    @app.get("/")
    async def view() -> Any:
        async def chunks() -> AsyncIterator[str]:
            called.append("failed")
            raise LookupError
            yield ""

        response = app.response_class(chunks())
        response.call_on_close(lambda: called.append("view"))
        return response

    client = Client()
    await app(scope(), client.receive, client.send)  # type: ignore[arg-type]
    assert client.sent[0]["status"] == 503
    assert called[0] == "failed"
    assert sorted(called) == ["failed", "page", "view"]
    assert b"".join(message.get("body", b"") for message in client.sent) == b"one page"
