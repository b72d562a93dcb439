"""What works in Quart keeps working: found with Quart's own test suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from quart import Response, g, request, url_for, websocket
from quart.ctx import copy_current_request_context
from quart.testing import no_op_push
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge

from quartpatterns.subclassing import (
    FaithfulQuart,
    FaithfulRequest,
    send_file,
    stream_with_context,
)
from tests.subclassing.serving import scope

HTTP = scope()
WEBSOCKET: dict[str, Any] = HTTP | {"type": "websocket", "scheme": "ws", "subprotocols": []}


async def serve(app: FaithfulQuart, scope: dict[str, Any], **changes: Any) -> list[Any]:
    """Handle one request or websocket as a server does, and return the messages."""
    first = {"type": "websocket.connect"}
    if scope["type"] == "http":
        first = {"type": "http.request"}
    received: list[dict[str, str]] = [first]
    sent: list[Any] = []

    async def receive() -> Any:
        if received:
            return received.pop()
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    application: Any = app
    await application(scope | changes, receive, send)
    return sent


def body(sent: list[Any]) -> bytes:
    """Return the body of a response."""
    return b"".join(message.get("body", b"") for message in sent)


@pytest.fixture
def app() -> FaithfulQuart:
    """Return an application whose views count their requests in ``g``."""
    app = FaithfulQuart(__name__)

    async def count() -> str:
        g.count = g.get("count", 0) + 1
        return str(g.count)

    @app.get("/stream")
    async def stream() -> Response:
        await count()

        @stream_with_context
        async def generate() -> AsyncIterator[str]:
            yield await count()

        return Response(generate())

    @app.get("/copy")
    async def copy() -> str:
        await count()
        copied: Any = copy_current_request_context(count)
        text: str = await copied()
        return text

    @app.websocket("/")
    async def handler() -> None:
        await websocket.send(await count())

    app.add_url_rule("/", "count", count)
    return app


@pytest.mark.parametrize(("path", "expected"), [("/", b"1"), ("/stream", b"2"), ("/copy", b"2")])
async def test_server_in_context(app: FaithfulQuart, path: str, expected: bytes) -> None:
    """Requests of a server that was started in an application context have their own ``g``."""
    torn_down: list[BaseException | None] = []
    app.teardown_appcontext(torn_down.append)
    async with app.app_context():
        g.count = 10
        assert body(await serve(app, HTTP, path=path)) == expected
        assert body(await serve(app, HTTP, path=path)) == expected
        assert len(torn_down) == (4 if path == "/stream" else 2)
        assert g.count == 10


async def test_copy_in_context(app: FaithfulQuart) -> None:
    """A copy of the request's context has its ``g``, also in code that does not belong to it."""
    copies: list[Any] = []

    async def read() -> int:
        count: int = g.count
        return count

    @app.get("/start")
    async def start() -> str:
        g.count = 1
        copies.append(copy_current_request_context(read))
        return ""

    async with app.app_context():
        g.count = 10
        await serve(app, HTTP, path="/start")
        assert await copies[0]() == 1


async def test_websocket_server_in_context(app: FaithfulQuart) -> None:
    """So have websockets."""
    torn_down: list[BaseException | None] = []
    app.teardown_appcontext(torn_down.append)
    async with app.app_context():
        for number in (1, 2):
            sent = await serve(app, WEBSOCKET)
            assert [message["text"] for message in sent if "text" in message] == ["1"]
            assert len(torn_down) == number


async def test_client_in_context(app: FaithfulQuart) -> None:
    """The requests of the test client share the context of the test, as in Flask."""
    async with app.app_context():
        client = app.test_client()
        assert [(await client.get("/")).text for _ in range(2)] == ["1", "2"]


def test_websocket_scope(app: FaithfulQuart) -> None:
    """The scope of a websocket can be given by position."""
    nothing: Any = None
    made = app.websocket_class("/", b"", "ws", Headers(), "", "1.1", [], *[nothing] * 4, WEBSOCKET)
    assert made.path == "/"


async def test_limit_of_request() -> None:
    """The limit that is given to a request holds outside of an application context."""
    scope: Any = HTTP
    request = FaithfulRequest(
        "POST",
        "http",
        "/",
        b"",
        Headers({"Content-Length": "6"}),
        "",
        "1.1",
        scope,
        max_content_length=5,
        send_push_promise=no_op_push,
    )
    with pytest.raises(RequestEntityTooLarge):
        await request.get_data()


@pytest.mark.parametrize("size", [3, 100_000])
async def test_send_file(app: FaithfulQuart, tmp_path: Path, size: int) -> None:
    """A file can be sent outside of a request, for example in a websocket or a command."""
    (tmp_path / "name.txt").write_bytes(b"x" * size)
    async with app.app_context():
        response = await send_file(tmp_path / "name.txt")
        assert len(await response.get_data()) == size


async def test_root_path(app: FaithfulQuart) -> None:
    """A test request for a mount point can give the path below it."""
    async with app.test_request_context("/", root_path="/bob"):
        assert (url_for("count"), request.path, request.endpoint) == ("/bob/", "/", "count")
    async with app.test_request_context("/bob/", root_path="/bob"):
        assert (url_for("count"), request.path, request.endpoint) == ("/bob/", "/", "count")


async def test_error_page_outside(app: FaithfulQuart) -> None:
    """The page of the error 404 can build URLs if the path is outside of the mount point."""

    async def not_found(_: Exception) -> tuple[str, int]:
        return url_for("count"), 404

    app.register_error_handler(404, not_found)

    @app.get("/<path:path>")
    async def every(path: str) -> str:
        return path

    sent = await serve(app, HTTP, path="/other", root_path="/bob")
    assert (sent[0]["status"], body(sent)) == (404, b"/bob/")


async def test_cancelled_after_request(app: FaithfulQuart) -> None:
    """An ``after_request`` function that ends in a cancellation is an error like any other."""

    @app.after_request
    async def cancelled(_: Any) -> NoReturn:
        raise asyncio.CancelledError

    sent = await serve(app, HTTP)
    assert sent[0]["status"] == 500
