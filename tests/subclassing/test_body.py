"""The body of a request: limits, time limits and backpressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import flask
import httpx
import pytest
from quart import Response, request
from quart.wrappers.request import Body
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from quartpatterns.subclassing import (
    FaithfulBody,
    FaithfulHTTPConnection,
    FaithfulQuart,
    FaithfulRequest,
)
from quartpatterns.subclassing.example.differences.raw_http import connect, read_response
from tests.subclassing.serving import chunk, http2, post, served

MEGABYTE = 1_000_000
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class PatientConnection(FaithfulHTTPConnection):
    """A connection that waits for a client on a loaded machine to send the whole body."""

    drain_timeout = 60


@pytest.fixture
def app() -> FaithfulQuart:
    """Return an application with a view for each way to read the body."""
    app = FaithfulQuart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MEGABYTE

    @app.post("/data")
    async def data() -> str:
        return str(len(await request.get_data()))

    @app.post("/form")
    async def form() -> str:
        return repr(sorted(await request.form) + sorted(await request.files))

    @app.post("/iterated")
    async def iterated() -> str:
        return str(sum([len(data) async for data in request.body]))

    @app.post("/ignored")
    async def ignored() -> str:
        return "not read"

    return app


@pytest.mark.parametrize("path", ["/data", "/form", "/iterated"])
async def test_chunked_limit(app: FaithfulQuart, path: str) -> None:
    """The limit applies to a chunked body however it is read, and the response is complete."""
    async with served(app) as port, connect(port) as (reader, writer):
        form = "Content-Type: multipart/form-data; boundary=b"
        writer.write(post(path, "Transfer-Encoding: chunked", form))
        writer.write(
            chunk(b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n')
        )
        reading = asyncio.create_task(read_response(reader))
        sent = 0
        while not reading.done() and sent < 50 * MEGABYTE:
            writer.write(chunk(b"x" * 50_000))
            await writer.drain()
            await asyncio.sleep(0.001)
            sent += 50_000
        response = await reading
    assert (response.status, response.complete) == (413, True)
    assert response.headers["connection"] == "close"
    assert sent < 3 * MEGABYTE


async def test_declared_limit(app: FaithfulQuart) -> None:
    """A body with a declared length over the limit is refused before it is sent."""
    async with served(app) as port, connect(port) as (reader, writer):
        writer.write(post("/data", f"Content-Length: {20 * MEGABYTE}"))
        response = await read_response(reader)
    assert (response.status, response.complete) == (413, True)


async def test_client_that_reads_late(app: FaithfulQuart) -> None:
    """A client that sends everything before it reads receives the response, not a reset."""
    app.asgi_http_class = PatientConnection
    async with served(app) as port, connect(port) as (reader, writer):
        writer.write(post("/data", "Transfer-Encoding: chunked"))
        for _ in range(200):
            writer.write(chunk(b"x" * 100_000))
            await writer.drain()
        writer.write(chunk(b""))
        await writer.drain()
        response = await read_response(reader)
    assert (response.status, response.complete) == (413, True)


async def test_ignored_body(app: FaithfulQuart) -> None:
    """A large body that the view does not read blocks neither the response nor the connection."""
    async with served(app) as port, connect(port) as (reader, writer):
        for _ in range(2):
            writer.write(post("/ignored", f"Content-Length: {8 * MEGABYTE}") + bytes(8 * MEGABYTE))
            await writer.drain()
            response = await read_response(reader)
            assert (response.body, response.complete) == (b"not read", True)


@pytest.mark.parametrize("path", ["/data", "/iterated"])
async def test_http2_limit(app: FaithfulQuart, path: str) -> None:
    """Over HTTP/2 the response is complete as well, and the connection stays open."""
    app.asgi_http_class = PatientConnection

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 50_000

    async with served(app) as port, http2(port) as client:
        assert (await client.post(path, content=pieces())).status_code == 413
        assert (await client.post(path, content=b"x" * 10)).text == "10"


async def test_http2_ignored(app: FaithfulQuart) -> None:
    """Over HTTP/2 an unread body does not end the connection of other streams."""
    app.asgi_http_class = PatientConnection
    async with served(app) as port, http2(port) as client:
        responses = [await client.post("/ignored", content=b"x" * 300_000) for _ in range(3)]
    assert [response.text for response in responses] == ["not read"] * 3


async def test_body_timeout(app: FaithfulQuart) -> None:
    """A body that stops arriving is answered 408, and the connection is closed."""
    app.config["BODY_TIMEOUT"] = 0.2
    async with served(app) as port, connect(port) as (reader, writer):
        writer.write(post("/data", "Content-Length: 10") + b"half")
        response = await read_response(reader)
        assert await reader.read() == b""
    assert (response.status, response.complete) == (408, True)
    assert response.headers["connection"] == "close"


async def test_http2_body_timeout(app: FaithfulQuart) -> None:
    """Over HTTP/2, a body that stops arriving is answered 408 as well."""
    app.config["BODY_TIMEOUT"] = 0.2
    app.asgi_http_class = PatientConnection
    answered = asyncio.Event()

    @app.after_request
    async def answer(response: Response) -> Response:
        answered.set()
        return response

    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        # The client reads the response when its request has ended.
        await answered.wait()

    async with served(app) as port, http2(port) as client:
        response = await client.post("/form", content=half(), headers=FORM)
    assert response.status_code == 408


async def test_backpressure() -> None:
    """While the view does not read, only a few buffers are received from the client."""
    app = FaithfulQuart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = None
    reading = asyncio.Event()
    buffered: list[int] = []

    @app.post("/")
    async def view() -> str:
        await reading.wait()
        body = request.body
        assert isinstance(body, FaithfulBody)
        buffered.append(body.received)
        return str(sum([len(data) async for data in body]))

    size = 32 * 1024 * 1024
    async with served(app) as port, connect(port) as (reader, writer):
        writer.write(post("/", f"Content-Length: {size}") + bytes(size))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.5)
        reading.set()
        assert (await read_response(reader)).body == str(size).encode()
    assert buffered[0] <= 3 * FaithfulBody.high_water


async def test_concurrent_readers(app: FaithfulQuart) -> None:
    """Two tasks of a view can wait for the body at the same time."""

    @app.post("/twice")
    async def view() -> list[str]:
        parts = [request.get_data(as_text=True) for _ in range(2)]
        return [str(part) for part in await asyncio.gather(*parts)]

    async with served(app) as port, connect(port) as (reader, writer):
        writer.write(post("/twice", "Content-Length: 4"))
        for byte in (b"b", b"o", b"d", b"y"):
            writer.write(byte)
            await writer.drain()
            await asyncio.sleep(0.03)
        assert (await read_response(reader)).body == b'["body","body"]\n'


async def test_limit_of_iteration() -> None:
    """Bytes that have been read and dropped count as well."""
    body = FaithfulBody(None, 10)
    body.append(b"x" * 8)
    assert await anext(body) == b"x" * 8
    body.append(b"x" * 8)
    with pytest.raises(RequestEntityTooLarge):
        await anext(body)


async def test_own_body_class() -> None:
    """A request class with Quart's own body class works, without backpressure."""

    class PlainRequest(FaithfulRequest):
        body_class = Body  # type: ignore[assignment]

    class Plain(FaithfulQuart):
        request_class = PlainRequest

    app = Plain(__name__)

    @app.post("/")
    async def view() -> bytes:
        return await request.data

    async with served(app) as port, connect(port) as (reader, writer):
        writer.write(post("/", "Content-Length: 4"))
        await asyncio.sleep(0.05)
        writer.write(b"body")
        assert (await read_response(reader)).body == b"body"


async def test_wrapped_body(app: FaithfulQuart) -> None:
    """A wrapper in the place of the body receives the data, and the limit applies."""

    class Wrapper:
        def __init__(self, inner: FaithfulBody) -> None:
            self.inner = inner
            self.seen = b""

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def append(self, data: bytes) -> None:
            self.seen += data
            self.inner.append(data)

        def __await__(self) -> object:
            return self.inner.__await__()

    @app.post("/wrapped")
    async def view() -> bytes:
        wrapper = Wrapper(request.body)  # type: ignore[arg-type]
        request.body = wrapper  # type: ignore[assignment]
        request.max_content_length = 5
        return await request.data + b"|" + wrapper.seen

    client = app.test_client()
    response = await client.post("/wrapped", data=b"body")
    assert await response.get_data() == b"body|body"
    assert (await client.post("/wrapped", data=b"longer")).status_code == 413


async def test_in_the_task_of_the_caller(app: FaithfulQuart) -> None:
    """A client that calls the application in its own task is not cancelled with the request."""
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for content in (b"x", b"x" * 2 * MEGABYTE):
            response = await client.post("/data", content=content)
            assert response.status_code == (200 if content == b"x" else 413)
            await asyncio.sleep(0)


URLENCODED = b"a=1&b=2"
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nfile\r\n--x--\r\n'
)
KINDS = {
    "application/x-www-form-urlencoded": URLENCODED,
    "multipart/form-data; boundary=x": MULTIPART,
    "text/plain": b"plain \xff",
    "application/json": b'{"a": 1}',
    "": b"nothing",
}
# What a view calls, in this order, on Flask's request and on ours.
CALLS: list[list[tuple[str, dict[str, Any]]]] = [
    [("get_data", {"parse_form_data": True}), ("form", {})],
    [("get_data", {"parse_form_data": True}), ("get_data", {})],
    [("get_data", {}), ("get_data", {"parse_form_data": True}), ("form", {})],
    [("get_data", {}), ("form", {}), ("get_data", {}), ("files", {}), ("data", {})],
    [("form", {}), ("get_data", {})],
    [("form", {}), ("get_data", {"as_text": True}), ("data", {})],
    [("data", {}), ("form", {}), ("data", {})],
    [("values", {}), ("get_data", {})],
    [("get_data", {"cache": False}), ("get_data", {}), ("form", {})],
    [("get_data", {"cache": False, "parse_form_data": True}), ("form", {}), ("data", {})],
    [("get_data", {"as_text": True}), ("get_data", {"as_text": True}), ("form", {})],
    [("get_json", {"force": True, "silent": True}), ("form", {}), ("get_data", {})],
    [("form", {}), ("get_json", {"force": True, "silent": True})],
]


def shown(value: Any) -> str:
    return repr(value.to_dict(flat=False) if isinstance(value, MultiDict) else value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("calls", CALLS)
async def test_what_is_left(kind: str, calls: list[tuple[str, dict[str, Any]]]) -> None:
    """After a form was parsed, or the data was read, the same is left as in Flask."""
    flask_app = flask.Flask(__name__)
    headers = {"Content-Type": kind} if kind else {}
    expected: list[str] = []
    with flask_app.test_request_context("/", method="POST", data=KINDS[kind], headers=headers):
        for name, arguments in calls:
            value = getattr(flask.request, name)
            value = value(**arguments) if callable(value) else value
            expected.append(name if name == "files" else shown(value))

    app = FaithfulQuart(__name__, static_folder=None)

    @app.post("/")
    async def view() -> list[str]:
        found: list[str] = []
        for name, arguments in calls:
            attribute = getattr(request, name)
            value = await (attribute(**arguments) if callable(attribute) else attribute)
            found.append(name if name == "files" else shown(value))
        return found

    response = await app.test_client().post("/", data=KINDS[kind], headers=headers)
    assert await response.get_json() == expected
