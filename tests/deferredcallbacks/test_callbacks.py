from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from quart import Blueprint, Quart, Response, abort, g, redirect, request, websocket
from quart.typing import ResponseReturnValue

from quartpatterns.deferredcallbacks import after_response, after_this_request, after_this_websocket
from tests.serving import eventually, served, unread_response


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    return app_class(__name__)


@pytest.mark.checks("DC-1", "DC-2")
@pytest.mark.parametrize("asynchronous", [True, False], ids=["async", "sync"])
@pytest.mark.parametrize("returns", [True, False], ids=["returns", "returns nothing"])
async def test_after_this_request(app: Quart, asynchronous: bool, returns: bool) -> None:
    """Sync and async callbacks work in a blueprint, with and without a result."""

    def mark(response: Response) -> Response | None:
        response.headers["X-Marked"] = request.path
        return response if returns else None

    async def async_mark(response: Response) -> Response | None:
        return mark(response)

    pages = Blueprint("pages", __name__)

    @pages.get("/page")
    def page() -> str:
        callback = async_mark if asynchronous else mark
        assert after_this_request(callback) is callback
        return "page"

    app.register_blueprint(pages)
    response = await app.test_client().get("/page")
    assert response.headers["X-Marked"] == "/page"


@pytest.mark.checks("DC-4")
async def test_after_this_request_of_an_error(app: Quart) -> None:
    """Callbacks are called for the response to an unhandled error."""

    @app.before_request
    async def register() -> None:
        after_this_request(lambda response: response.headers.update({"X-Marked": "1"}))

    @app.get("/")
    async def index() -> str:
        raise RuntimeError("intended")

    response = await app.test_client().get("/")
    assert (response.status_code, response.headers["X-Marked"]) == (500, "1")


@pytest.mark.checks("DC-4")
async def test_concurrent_requests(app: Quart) -> None:
    """Concurrent requests have their own callbacks."""

    barrier = asyncio.Barrier(20)

    @app.get("/<name>")
    async def view(name: str) -> str:
        after_this_request(lambda response: response.headers.add("X-Name", name))
        await barrier.wait()
        return ""

    client = app.test_client()
    responses = await asyncio.gather(*(client.get(f"/{number}") for number in range(20)))
    names = [response.headers.getlist("X-Name") for response in responses]
    assert names == [[str(number)] for number in range(20)]


async def test_after_this_websocket(app: Quart) -> None:
    calls: list[Any] = []

    @app.websocket("/ws")
    async def ws() -> None:
        after_this_websocket(calls.append)
        await websocket.send("hello")

    async with app.test_client().websocket("/ws") as socket:
        assert await socket.receive() == "hello"
    await eventually(lambda: calls == [None])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(after_this_request, "in a view", id="after_this_request"),
        pytest.param(after_response, "in a view", id="after_response"),
        pytest.param(after_this_websocket, "in a websocket handler", id="after_this_websocket"),
    ],
)
async def test_outside_of_a_request(app: Quart, function: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        function(print)
    async with app.app_context():
        with pytest.raises(RuntimeError, match=message):
            function(print)


async def test_wrong_kind_of_request(app: Quart) -> None:
    """The error names the right function."""
    raised: list[str] = []

    def attempt(function: Any) -> None:
        try:
            function(print)
        except RuntimeError as error:
            raised.append(str(error))

    @app.websocket("/ws")
    async def ws() -> None:
        attempt(after_response)
        attempt(after_this_request)
        await websocket.send("done")

    @app.get("/")
    async def index() -> str:
        attempt(after_this_websocket)
        return ""

    async with app.test_client().websocket("/ws") as socket:
        await socket.receive()
    await app.test_client().get("/")
    assert ["after_this_websocket" in message for message in raised] == [True, True, True]


async def test_after_response(app: Quart) -> None:
    """The client has its complete response while the callback is still running."""
    finish, calls = asyncio.Event(), []

    @app.get("/")
    async def index() -> str:
        g.secret = "of the request"

        async def work(*arguments: str, **keywords: str) -> None:
            calls.extend(["started", arguments, keywords, "secret" in g])
            await finish.wait()
            calls.append("ended")

        after_response(work, "a", key="b")
        calls.append("view")
        return "response"

    async with served(app) as server:
        response = await asyncio.wait_for(server.client.get("/"), 20)
        assert response.text == "response"
        await eventually(lambda: len(calls) == 5)
        assert calls == ["view", "started", ("a",), {"key": "b"}, False]
        finish.set()
        await eventually(lambda: calls[-1] == "ended")


async def test_after_a_stream(app: Quart) -> None:
    """The callback runs after the last byte of a stream."""
    calls: list[str] = []

    @app.get("/")
    def index() -> Response:
        @after_response
        def work() -> None:
            calls.append("after")

        async def body() -> AsyncIterator[bytes]:
            for piece in (b"one", b"two"):
                await asyncio.sleep(0.02)
                assert not calls
                yield piece

        return Response(body())

    async with served(app) as server:
        assert (await server.client.get("/")).text == "onetwo"
        await eventually(lambda: calls == ["after"])


@pytest.mark.parametrize("path", ["/redirect", "/gone"])
async def test_after_a_response_of_werkzeug(app: Quart, path: str) -> None:
    """The callback runs after redirects and error pages."""
    calls: list[str] = []

    @app.before_request
    async def register() -> None:
        after_response(calls.append, "after")

    @app.get("/redirect")
    async def moved() -> ResponseReturnValue:
        return redirect("/elsewhere")

    @app.get("/gone")
    async def gone() -> str:
        abort(410)

    async with served(app) as server:
        await server.client.get(path)
        await eventually(lambda: calls == ["after"])


async def test_client_disconnects(app: Quart) -> None:
    """The callback runs if the client disconnects before the end."""
    calls: list[str] = []

    @app.get("/")
    async def index() -> Response:
        after_response(calls.append, "after")

        async def body() -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0.001)
                yield b"x" * 10_000

        return Response(body())

    async with served(app) as server:
        async with unread_response(server.port, "/") as reader:
            await reader.read(100)
        await eventually(lambda: calls == ["after"])


async def test_error_in_a_callback(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """An error is logged and affects neither other callbacks nor other requests."""
    calls: list[str] = []

    @app.get("/")
    async def index() -> str:
        async def fail() -> None:
            raise RuntimeError("receipt not sent")

        after_response(fail)
        after_response(calls.append, "second")
        return "response"

    with caplog.at_level(logging.ERROR):
        async with served(app) as server:
            for _ in range(2):
                assert (await server.client.get("/")).status_code == httpx.codes.OK
            await eventually(lambda: len(calls) == 2)
            await eventually(lambda: "receipt not sent" in caplog.text)


async def test_shutdown_waits(app: Quart) -> None:
    """A running callback may finish when the server stops."""
    calls: list[str] = []

    @app.get("/")
    async def index() -> str:
        async def slow() -> None:
            await asyncio.sleep(0.3)
            calls.append("finished")

        after_response(slow)
        return "response"

    async with served(app) as server:
        await server.client.get("/")
    assert calls == ["finished"]
