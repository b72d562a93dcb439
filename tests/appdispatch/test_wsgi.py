"""``WSGIMiddleware`` and ``GreenletWSGIMiddleware``: a Flask application behind Hypercorn."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest
from blockbuster import BlockBuster
from flask import Flask, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.util.concurrency import in_greenlet

from quartpatterns.appdispatch import (
    DispatcherMiddleware,
    GreenletWSGIMiddleware,
    WSGIApp,
    WSGIMiddleware,
    not_found,
)
from quartpatterns.sqlalchemy import wait_in_greenlet
from tests.appdispatch.wire import connected, exchange, fetch, http_scope, lifespan, served
from tests.serving import eventually

pytestmark = [pytest.mark.wire, pytest.mark.checks("AD-8")]

MIB = 2**20

variable = contextvars.ContextVar("variable", default="")


class Stream:
    """Flask views that read and write in chunks."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.events: list[str] = []
        self.app = Flask("stream")
        self.app.add_url_rule("/digest", view_func=self.digest, methods=["POST"])
        self.app.add_url_rule("/form", view_func=self.form, methods=["POST"])
        self.app.add_url_rule("/lines", view_func=self.lines, methods=["POST"])
        self.app.add_url_rule("/big", view_func=self.big)
        self.app.add_url_rule("/steps", view_func=self.steps, methods=["GET", "POST"])
        self.app.add_url_rule("/endless", view_func=self.endless, methods=["GET", "POST"])
        self.app.add_url_rule("/broken", view_func=self.broken)
        self.app.add_url_rule("/slow", view_func=self.slow)

    def digest(self) -> str:
        digest, size = hashlib.sha256(), 0
        while chunk := request.stream.read(65536):
            digest.update(chunk)
            size += len(chunk)
        return f"{size} {digest.hexdigest()}"

    def form(self) -> dict[str, Any]:
        file = request.files["file"]
        return {"size": len(file.read()), "name": file.filename, "note": request.form["note"]}

    def lines(self) -> list[str]:
        stream = request.environ["wsgi.input"]
        first = stream.readline(5).decode()
        return [first, *(line.decode() for line in stream)]

    def big(self) -> Iterator[bytes]:
        return (b"x" * MIB for _ in range(16))

    def steps(self) -> Iterator[str]:
        yield "one"
        while not self.go.is_set():
            pause()
        yield "two"

    def endless(self) -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 1024
                pause()
        finally:
            self.events.append("closed")

    def broken(self) -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError("half-way")

    def slow(self) -> str:
        time.sleep(0.2)
        return "done"


def whole_request() -> Callable[[], Awaitable[Any]]:
    """Return the callable of a server whose client sends no body, and stays."""
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    return receive


def pause() -> None:
    """Wait for a millisecond."""
    if in_greenlet():
        wait_in_greenlet(asyncio.sleep(0.001))
    else:
        time.sleep(0.001)


@pytest.fixture(params=[WSGIMiddleware, GreenletWSGIMiddleware])
def middleware(request: pytest.FixtureRequest) -> Any:
    """The class that runs the application."""
    return request.param


@pytest.fixture
def stream() -> Stream:
    return Stream()


def body_of(size: int) -> bytes:
    return bytes(range(256)) * (size // 256)


def digest_of(body: bytes) -> str:
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}"


async def test_large_body(stream: Stream) -> None:
    """A request body of 40 MiB arrives completely, with a length or chunked."""
    body = body_of(40 * MIB)

    async def chunks() -> Any:
        for start in range(0, len(body), MIB):
            yield body[start : start + MIB]

    async with served(WSGIMiddleware(stream.app)) as port, httpx.AsyncClient(timeout=60) as client:
        url = f"http://127.0.0.1:{port}/digest"
        assert (await client.post(url, content=body)).text == digest_of(body)
        assert (await client.post(url, content=chunks())).text == digest_of(body)


async def test_multipart(stream: Stream, middleware: Any, no_blocking: BlockBuster) -> None:
    """Flask parses a form with a large file, and writes it to a file of its own."""
    for name in ("io.BufferedRandom.write", "io.BufferedRandom.read"):
        no_blocking.functions[name].can_block_in("flask/app.py", {"dispatch_request"})
    async with served(middleware(stream.app)) as port, httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(
            f"http://127.0.0.1:{port}/form",
            files={"file": ("n.bin", body_of(3 * MIB))},
            data={"note": "ü"},
        )
    assert answer.json() == {"size": 3 * MIB, "name": "n.bin", "note": "ü"}


async def test_lines(stream: Stream, middleware: Any) -> None:
    """wsgi.input supports readline with a limit, and iteration."""
    async with served(middleware(stream.app)) as port, httpx.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{port}/lines", content=b"first line\nb\n\nd")
    assert answer.json() == ["first", " line\n", "b\n", "\n", "d"]


async def test_streaming(stream: Stream, middleware: Any) -> None:
    """Each chunk of a response is sent when it is made."""
    async with (
        served(middleware(stream.app)) as port,
        httpx.AsyncClient() as client,
        client.stream("GET", f"http://127.0.0.1:{port}/steps") as answer,
    ):
        chunks = answer.aiter_text()
        assert await anext(chunks) == "one"
        stream.go.set()
        assert "".join([chunk async for chunk in chunks]) == "two"


async def test_large_response(stream: Stream, middleware: Any) -> None:
    """A response of 16 MiB arrives completely."""
    async with served(middleware(stream.app)) as port, httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/big")
    assert answer.content == b"x" * 16 * MIB


@pytest.mark.parametrize(
    "request_line",
    [
        pytest.param(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n", id="GET"),
        pytest.param(
            b"POST /endless HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789",
            id="unread",
        ),
    ],
)
async def test_disconnect(stream: Stream, request_line: bytes, middleware: Any) -> None:
    """When the client disconnects, the response is closed."""
    async with served(middleware(stream.app)) as port:
        async with connected(port) as (reader, writer):
            writer.write(request_line)
            await reader.readuntil(b"xxxx")
        await eventually(lambda: stream.events == ["closed"])


async def test_disconnect_of_slow_reader(stream: Stream, middleware: Any) -> None:
    """The response is also closed if it waits for a client that does not read."""
    async with served(middleware(stream.app)) as port:
        async with connected(port) as (reader, writer):
            writer.write(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
            await reader.readuntil(b"xxxx")
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(0.5)
            assert stream.events == []
            writer.transport.abort()
        await eventually(lambda: stream.events == ["closed"])


async def test_threads() -> None:
    """As many requests as there are threads run at the same time, and not more."""
    running, most = 0, 0
    lock, all_running = threading.Lock(), threading.Barrier(8, timeout=60)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        all_running.wait()
        with lock:
            running -= 1
        start_response("200 OK", [])
        return [b"done"]

    middleware = WSGIMiddleware(app, threads=8)
    async with served(middleware) as port, httpx.AsyncClient(timeout=60) as client:
        requests = (client.get(f"http://127.0.0.1:{port}/") for _ in range(16))
        answers = await asyncio.gather(*requests)
    assert {answer.text for answer in answers} == {"done"}
    assert most == 8


async def test_error(stream: Stream, middleware: Any) -> None:
    """An exception in a streamed response closes the connection without its end."""
    async with served(middleware(stream.app)) as port:
        answer = await exchange(port, b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"begun" in answer
    assert not answer.endswith(b"0\r\n\r\n")


async def test_shutdown(stream: Stream) -> None:
    """After the shutdown no thread remains, and a second start-up works."""
    app, before = WSGIMiddleware(stream.app), set(threading.enumerate())
    for _ in range(2):
        async with lifespan(app):
            assert (await fetch(app, "/slow")).body == b"done"
            assert set(threading.enumerate()) - before
        await eventually(lambda: not set(threading.enumerate()) - before)


@pytest.mark.parametrize("blocks", [False, True])
async def test_cancelled_request(stream: Stream, blocks: bool, middleware: Any) -> None:
    """If the server cancels a request, the response is closed, also while it is being sent."""
    app, sent, never = middleware(stream.app), asyncio.Event(), asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        sent.set()
        if blocks:
            await never.wait()

    receive = whole_request()

    answering = asyncio.ensure_future(app(http_scope("/endless"), receive, send))
    await sent.wait()
    answering.cancel()
    await asyncio.wait({answering})
    await eventually(lambda: stream.events == ["closed"])


async def test_send_fails(stream: Stream, middleware: Any) -> None:
    """After an OSError of a server of ASGI 2.4 the response is closed at once, without an error."""

    made: list[int] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            for number in range(3):
                made.append(number)
                yield b"x"
        finally:
            stream.events.append("closed")

    async def send(message: dict[str, Any]) -> None:
        raise OSError("gone")

    receive = whole_request()

    await middleware(app)(http_scope("/"), receive, send)
    assert stream.events == ["closed"]
    assert made == [0, 1]  # The second was made while the first was sent.


async def test_write_after_disconnect(middleware: Any) -> None:
    """write() raises an exception if the client has disconnected before the last one was sent."""
    written: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        for chunk in (b"x", b"y", b"z"):
            write(chunk)
            written.append(chunk.decode())
        return []

    async def send(message: dict[str, Any]) -> None:
        raise OSError("gone")

    receive = whole_request()

    await middleware(app)(http_scope("/"), receive, send)
    assert written == ["x"]


async def test_mounted(middleware: Any) -> None:
    """Below dispatchers Flask gets its prefix in SCRIPT_NAME."""
    flask_app = Flask("old")

    @flask_app.get("/x/<name>")
    def x(name: str) -> dict[str, str]:
        return {"root": request.script_root, "path": request.path, "link": url_for("x", name=name)}

    inner = DispatcherMiddleware(not_found, {"/old": middleware(flask_app)})
    app = DispatcherMiddleware(not_found, {"/é": inner})
    answer = await fetch(app, "/é/old/x/ü")
    assert json.loads(answer.body) == {
        "root": "/é/old",
        "path": "/x/ü",
        "link": "/é/old/x/%C3%BC",
    }
    assert (await fetch(app, "/é/old")).status == 308
    assert (await fetch(middleware(flask_app), "/x/y", root_path="/other")).status == 404


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            [(b"cookie", b"a=1"), (b"cookie", b"b=2")], {"HTTP_COOKIE": "a=1; b=2"}, id="cookies"
        ),
        pytest.param([(b"accept", b"a"), (b"accept", b"b")], {"HTTP_ACCEPT": "a,b"}, id="repeated"),
        pytest.param(
            [(b"x-real-ip", b"1.1.1.1"), (b"x_real_ip", b"6.6.6.6")],
            {"HTTP_X_REAL_IP": "1.1.1.1"},
            id="underscore",
        ),
        pytest.param(
            [(b"content-type", b"a/b"), (b"content-length", b"0")],
            {"CONTENT_TYPE": "a/b", "CONTENT_LENGTH": "0", "wsgi.input_terminated": None},
            id="content",
        ),
        pytest.param([], {"wsgi.input_terminated": True, "SERVER_NAME": "127.0.0.1"}, id="none"),
    ],
)
async def test_environ(
    headers: list[tuple[bytes, bytes]], expected: dict[str, Any], middleware: Any
) -> None:
    """Headers become variables of the WSGI environment."""
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.update(environ)
        start_response("200 OK", [])
        return []

    scope = http_scope("/x") | {"headers": headers}

    receive = whole_request()

    async def send(message: Any) -> None:
        pass

    await middleware(app)(scope, receive, send)
    assert {key: seen.get(key) for key in expected} == expected


async def test_environ_of_the_request(middleware: Any) -> None:
    """Scheme, client, query string and a path that is not UTF-8 are in the WSGI environment."""
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.update(environ, variable=variable.get())
        start_response("200 OK", [])
        return []

    receive = whole_request()

    async def send(message: Any) -> None:
        pass

    scope = http_scope("/\udcff", query=b"a=1") | {"raw_path": b"/%FF", "scheme": "https"}
    variable.set("of the request")
    await middleware(app)(scope, receive, send)
    expected = {
        "PATH_INFO": "/\xff",
        "QUERY_STRING": "a=1",
        "REQUEST_URI": "/%FF?a=1",
        "wsgi.url_scheme": "https",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "SERVER_PORT": "80",
        "variable": "of the request",
    }
    assert {key: seen[key] for key in expected} == expected


def writes(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    write = start_response("200 OK", [("X-A", "1")])
    write(b"a")
    write(b"b")
    return [b"", b"c"]


def replaces_headers(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("X-A", "0")])
    try:
        raise ValueError
    except ValueError as error:
        yield b""
        start_response("200 Fine", [("X-A", "1")], (ValueError, error, None))
    yield b"abc"


@pytest.mark.parametrize("app", [writes, replaces_headers])
async def test_start_response(app: WSGIApp, middleware: Any) -> None:
    """write(), and headers that are replaced before they are sent, work as in PEP 3333."""
    answer = await fetch(middleware(app), "/")
    assert (answer.status, answer.headers, answer.body) == (200, {"x-a": "1"}, b"abc")


def never_starts(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return [b"a"]


def starts_twice(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


def raises_late(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])(b"a")
    error = ValueError("late")
    start_response("500 No", [], (ValueError, error, None))
    return []


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (never_starts, "without calling start_response"),
        (starts_twice, "called twice"),
        (raises_late, "late"),
    ],
)
async def test_invalid_application(app: WSGIApp, message: str, middleware: Any) -> None:
    """A violation of PEP 3333 is an error."""
    with pytest.raises((RuntimeError, AssertionError, ValueError), match=message):
        await fetch(middleware(app), "/")


async def test_empty_response(middleware: Any) -> None:
    """A response without a body has its status."""
    flask_app = Flask("empty")

    @flask_app.get("/")
    def view() -> ResponseReturnValue:
        return "", 204

    async with served(middleware(flask_app)) as port, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/"
        assert (await client.get(url)).status_code == 204
        assert (await client.head(url)).status_code == 204
        assert (await client.head(f"{url}none")).status_code == 404


async def test_http2_request_is_terminated(middleware: Any) -> None:
    """Without Content-Length, as in HTTP/2, the body ends with the last message."""
    flask_app = Flask("terminated")

    @flask_app.post("/")
    def view() -> str:
        return request.get_data(as_text=True)

    answers: list[Any] = []
    incoming = iter([(b"ab", True), (b"", True), (b"c", False)])

    async def receive() -> Any:
        for body, more in incoming:
            return {"type": "http.request", "body": body, "more_body": more}
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        answers.append(message)

    await middleware(flask_app)(http_scope("/", method="POST"), receive, send)
    assert answers[1]["body"] == b"abc"


async def test_websocket(middleware: Any) -> None:
    """Websockets are refused."""
    async with served(middleware(Flask("f"))) as port:
        handshake = (
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        answer = await exchange(port, handshake)
    assert re.match(rb"HTTP/1.1 404 ", answer)
