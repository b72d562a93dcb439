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
from tests.serving import eventually, served, unread


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    return app_class(__name__)


@pytest.mark.checks("DC-1", "DC-2")
@pytest.mark.parametrize("asynchronous", [True, False], ids=["async", "sync"])
@pytest.mark.parametrize("returns", [True, False], ids=["returns", "returns nothing"])
async def test_after_this_request(app: Quart, asynchronous: bool, returns: bool) -> None:
    """Sync or async, with a result or without, in a sync view of a blueprint too."""

    def mark(response: Response) -> Response | None:
        response.headers["X-Marked"] = request.path
        return response if returns else None

    async def mark_later(response: Response) -> Response | None:
        return mark(response)

    pages = Blueprint("pages", __name__)

    @pages.get("/page")
    def page() -> str:
        given = mark_later if asynchronous else mark
        assert after_this_request(given) is given
        return "page"

    app.register_blueprint(pages)
    response = await app.test_client().get("/page")
    assert response.headers["X-Marked"] == "/page"


@pytest.mark.checks("DC-4")
async def test_after_this_request_of_an_error(app: Quart) -> None:
    """The page for an error that nobody expected has them too."""

    @app.before_request
    async def promise() -> None:
        after_this_request(lambda response: response.headers.update({"X-Marked": "1"}))

    @app.get("/")
    async def index() -> str:
        raise RuntimeError("on purpose")

    response = await app.test_client().get("/")
    assert (response.status_code, response.headers["X-Marked"]) == (500, "1")


@pytest.mark.checks("DC-4")
async def test_for_its_own_request_only(app: Quart) -> None:
    """Requests that run side by side don't get each other's callbacks."""

    @app.get("/<name>")
    async def view(name: str) -> str:
        after_this_request(lambda response: response.headers.add("X-Name", name))
        await asyncio.sleep(0.01)
        return ""

    client = app.test_client()
    answers = await asyncio.gather(*(client.get(f"/{number}") for number in range(20)))
    assert [answer.headers.getlist("X-Name") for answer in answers] == [[str(n)] for n in range(20)]


async def test_after_this_websocket(app: Quart) -> None:
    seen: list[Any] = []

    @app.websocket("/ws")
    async def ws() -> None:
        after_this_websocket(seen.append)
        await websocket.send("hello")

    async with app.test_client().websocket("/ws") as socket:
        assert await socket.receive() == "hello"
    await eventually(lambda: seen == [None])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(after_this_request, "in a view", id="after_this_request"),
        pytest.param(after_response, "in a view", id="after_response"),
        pytest.param(after_this_websocket, "in a websocket handler", id="after_this_websocket"),
    ],
)
async def test_outside_of_a_request(app: Quart, call: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        call(print)
    async with app.app_context():
        with pytest.raises(RuntimeError, match=message):
            call(print)


async def test_wrong_kind_of_request(app: Quart) -> None:
    """The message names the function that belongs there."""
    raised: list[str] = []

    def attempt(call: Any) -> None:
        try:
            call(print)
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
    """The client has its whole answer while the callback has only begun."""
    finish, seen = asyncio.Event(), []

    @app.get("/")
    async def index() -> str:
        g.secret = "of the request"

        async def work(*arguments: str, **keywords: str) -> None:
            seen.extend(["began", arguments, keywords, "secret" in g])
            await finish.wait()
            seen.append("ended")

        after_response(work, "a", key="b")
        seen.append("view")
        return "answer"

    async with served(app) as server:
        response = await asyncio.wait_for(server.client.get("/"), 5)
        assert response.text == "answer"
        await eventually(lambda: len(seen) == 5)
        assert seen == ["view", "began", ("a",), {"key": "b"}, False]
        finish.set()
        await eventually(lambda: seen[-1] == "ended")


async def test_after_a_stream(app: Quart) -> None:
    """It is the last byte that counts, not the return of the view."""
    seen: list[str] = []

    @app.get("/")
    def index() -> Response:
        @after_response
        def work() -> None:
            seen.append("after")

        async def body() -> AsyncIterator[bytes]:
            for piece in (b"one", b"two"):
                await asyncio.sleep(0.02)
                assert not seen
                yield piece

        return Response(body())

    async with served(app) as server:
        assert (await server.client.get("/")).text == "onetwo"
        await eventually(lambda: seen == ["after"])


@pytest.mark.parametrize("path", ["/redirect", "/gone"])
async def test_after_a_response_of_werkzeug(app: Quart, path: str) -> None:
    """A redirect, and the page of an error, are answers too."""
    seen: list[str] = []

    @app.before_request
    async def promise() -> None:
        after_response(seen.append, "after")

    @app.get("/redirect")
    async def moved() -> ResponseReturnValue:
        return redirect("/elsewhere")

    @app.get("/gone")
    async def gone() -> str:
        abort(410)

    async with served(app) as server:
        await server.client.get(path)
        await eventually(lambda: seen == ["after"])


async def test_client_that_leaves(app: Quart) -> None:
    """It runs, too, when the answer could not be sent to its end."""
    seen: list[str] = []

    @app.get("/")
    async def index() -> Response:
        after_response(seen.append, "after")

        async def body() -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0.001)
                yield b"x" * 10_000

        return Response(body())

    async with served(app) as server:
        async with unread(server.port, "/") as reader:
            await reader.read(100)
        await eventually(lambda: seen == ["after"])


async def test_error_in_a_callback(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the next callback and the next request know nothing of it."""
    seen: list[str] = []

    @app.get("/")
    async def index() -> str:
        async def fail() -> None:
            raise RuntimeError("receipt not sent")

        after_response(fail)
        after_response(seen.append, "second")
        return "answer"

    with caplog.at_level(logging.ERROR):
        async with served(app) as server:
            for _ in range(2):
                assert (await server.client.get("/")).status_code == httpx.codes.OK
            await eventually(lambda: len(seen) == 2)
            await eventually(lambda: "receipt not sent" in caplog.text)


async def test_shutdown_waits(app: Quart) -> None:
    """A callback that is at work when the server stops may finish."""
    seen: list[str] = []

    @app.get("/")
    async def index() -> str:
        async def slow() -> None:
            await asyncio.sleep(0.3)
            seen.append("finished")

        after_response(slow)
        return "answer"

    async with served(app) as server:
        await server.client.get("/")
    assert seen == ["finished"]
