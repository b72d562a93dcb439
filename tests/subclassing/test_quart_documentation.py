"""Examples of Quart's documentation: streams, websockets, background tasks and serving."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from quart import (
    Quart,
    abort,
    copy_current_websocket_context,
    current_app,
    g,
    make_response,
    render_template_string,
    request,
    session,
    stream_with_context,
    websocket,
)
from quart.testing import WebsocketResponseError
from werkzeug.datastructures import Headers

from quartpatterns.subclassing import FaithfulQuart


@pytest.fixture
def app() -> FaithfulQuart:
    """Return an empty application."""
    made = FaithfulQuart(__name__, static_folder=None)
    made.secret_key = "for these tests only"
    return made


async def test_async_generator(app: FaithfulQuart) -> None:
    """A view returns an asynchronous generator with a status and headers."""

    @app.route("/")
    async def stream_time() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            for number in range(3):
                yield f"{number}\n".encode()

        return generate(), 200, {"X-Something": "value"}

    response = await app.test_client().get("/")
    assert await response.get_data() == b"0\n1\n2\n"
    assert response.headers["X-Something"] == "value"
    assert "Content-Length" not in response.headers


async def test_generator_view(app: FaithfulQuart) -> None:
    """A view can be an asynchronous generator."""

    @app.route("/")
    async def view() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    assert await (await app.test_client().get("/")).get_data() == b"ab"


async def test_context_in_stream(app: FaithfulQuart) -> None:
    """Quart's own ``stream_with_context`` keeps the request, and here ``g`` as well."""

    @app.route("/")
    async def index() -> Any:
        g.name = "ada"
        session["seen"] = True

        @stream_with_context
        async def generate() -> AsyncIterator[bytes]:
            yield request.method.encode()
            yield b" "
            yield f"{g.name} {session['seen']}".encode()

        return generate()

    assert await (await app.test_client().get("/")).get_data() == b"GET ada True"


async def test_chunk_by_chunk(app: FaithfulQuart) -> None:
    """A test can receive a stream chunk by chunk, and disconnect."""
    closed = asyncio.Event()

    @app.route("/")
    async def view() -> Any:
        async def generate() -> AsyncIterator[bytes]:
            try:
                for number in range(1000):
                    yield str(number).encode()
                    await asyncio.sleep(0.005)
            finally:
                closed.set()

        return generate()

    async with app.test_client().request("/") as connection:
        assert await connection.receive() == b"0"
        assert await connection.receive() == b"1"
        await connection.disconnect()
    async with asyncio.timeout(2):
        await closed.wait()


@dataclass
class ServerSentEvent:
    """An event, as Quart's guide writes it."""

    data: str
    event: str

    def encode(self) -> bytes:
        """Return the event in its wire format."""
        return f"data: {self.data}\nevent: {self.event}\n\n".encode()


async def test_server_sent_events(app: FaithfulQuart) -> None:
    """A stream of events, without a time limit."""

    @app.get("/sse")
    async def sse() -> Any:
        if not request.accept_mimetypes["text/event-stream"]:
            abort(400)

        async def send_events() -> AsyncIterator[bytes]:
            for number in range(2):
                yield ServerSentEvent(str(number), "tick").encode()

        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        response = await make_response(send_events(), headers)
        response.timeout = None  # type: ignore[union-attr]
        return response

    client = app.test_client()
    assert (await client.get("/sse", headers={"Accept": "text/html"})).status_code == 400
    response = await client.get("/sse", headers={"Accept": "text/event-stream"})
    assert str(await response.get_data(as_text=True)).count("event: tick") == 2


async def test_consuming(app: FaithfulQuart) -> None:
    """A body is consumed while it arrives."""

    @app.route("/", methods=["POST"])
    async def index() -> str:
        return str(sum([len(data) async for data in request.body]))

    async with app.test_client().request("/", method="POST") as connection:
        for _ in range(3):
            await connection.send(b"data")
        await connection.send_complete()
    assert await (await connection.as_response()).get_data() == b"12"


async def test_echo(app: FaithfulQuart) -> None:
    """A websocket sends back text, bytes and JSON."""

    @app.websocket("/ws")
    async def ws() -> None:
        while True:
            data = await websocket.receive()
            await websocket.send(data)

    @app.websocket("/json")
    async def as_json() -> None:
        await websocket.send_json({"got": await websocket.receive_json()})

    async with app.test_client().websocket("/ws") as socket:
        for message in ("text", b"bytes"):
            await socket.send(message)
            assert await socket.receive() == message
    async with app.test_client().websocket("/json") as socket:
        await socket.send(json.dumps([1]))
        assert await socket.receive_json() == {"got": [1]}


async def test_broadcast(app: FaithfulQuart) -> None:
    """Messages of one websocket reach all websockets."""
    connected: set[asyncio.Queue[str]] = set()

    @app.websocket("/ws")
    async def ws() -> None:
        queue: asyncio.Queue[str] = asyncio.Queue()
        connected.add(queue)

        @copy_current_websocket_context
        async def receiving() -> None:
            while True:
                message = await websocket.receive()
                for other in connected:
                    await other.put(str(message))

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(receiving())
                while True:
                    await websocket.send(await queue.get())
        finally:
            connected.discard(queue)

    client = app.test_client()
    async with client.websocket("/ws") as one, client.websocket("/ws") as two:
        await asyncio.sleep(0.01)
        await one.send("hello")
        assert [await one.receive(), await two.receive()] == ["hello", "hello"]
    assert connected == set()


async def test_refused_websocket(app: FaithfulQuart) -> None:
    """A websocket is refused with a response before it is accepted, or accepted with headers."""

    @app.websocket("/refused")
    async def refused() -> None:
        if websocket.headers.get("X-Token") != "x":
            abort(401)
        await websocket.accept(headers=Headers({"X-A": "b"}), subprotocol="mqtt")
        await websocket.send(websocket.requested_subprotocols[0])

    client = app.test_client()
    with pytest.raises(WebsocketResponseError) as caught:
        async with client.websocket("/refused") as socket:
            await socket.receive()
    assert caught.value.response.status_code == 401
    headers = {"X-Token": "x"}
    offered = {"subprotocols": ["mqtt"]}
    async with client.websocket("/refused", headers=headers, scope_base=offered) as socket:
        assert await socket.receive() == "mqtt"


async def test_websocket_error_under_testing(app: FaithfulQuart) -> None:
    """Under ``TESTING`` an error of a websocket is raised."""
    app.testing = True

    @app.websocket("/ws")
    async def ws() -> None:
        raise LookupError("in the websocket")

    with pytest.raises(LookupError):
        async with app.test_client().websocket("/ws"):
            pass


async def test_background_task(app: FaithfulQuart) -> None:
    """A background task runs in an application context, and shutdown waits for it."""
    log: list[str] = []

    @app.route("/jobs/", methods=["POST"])
    async def create_job() -> str:
        async def work(name: str) -> None:
            await asyncio.sleep(0.05)
            log.append(f"{name} {current_app.name}")

        app.add_background_task(work, "job")
        return "Success"

    async with app.test_app() as served:
        assert (await served.test_client().post("/jobs/")).status_code == 200
        assert log == []
    assert log == [f"job {app.name}"]


async def test_lifespan(app: FaithfulQuart) -> None:
    """Start-up and shutdown functions run in Quart's order."""
    log: list[str] = []

    @app.before_serving
    async def before() -> None:
        log.append("before")

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        log.append("start")
        yield
        log.append("stop")

    @app.after_serving
    async def after() -> None:
        log.append("after")

    async with app.test_app():
        log.append("serving")
    assert log == ["before", "start", "serving", "stop", "after"]


async def test_template(app: FaithfulQuart) -> None:
    """A template has ``g``, ``request`` and ``session``; without the session it does not vary."""

    @app.route("/<read>")
    async def view(read: str) -> str:
        g.name = "ada"
        source = "{{ g.name }} {{ request.path }}"
        if read == "read":
            source += " {{ session.get('x') }}"
        return await render_template_string(source)

    client = app.test_client()
    plain, reading = await client.get("/plain"), await client.get("/read")
    assert await plain.get_data() == b"ada /plain"
    assert await reading.get_data() == b"ada /read None"
    assert "Vary" not in plain.headers
    assert reading.headers["Vary"] == "Cookie"


def test_it_is_a_quart(app: FaithfulQuart) -> None:
    """Extensions that require a Quart accept the class."""
    assert isinstance(app, Quart)
