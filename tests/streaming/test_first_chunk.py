"""An error before the first chunk is an error page, as if the view had raised it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import httpx
import pytest
from quart import Quart, abort, after_this_request, g, make_response, request, session

from quartpatterns.streaming import (
    coalesce,
    stream_template,
    stream_template_string,
    stream_with_context,
)
from quartpatterns.subclassing import FaithfulQuart
from tests.serving import eventually, served
from tests.streaming.log import Log

pytestmark = [pytest.mark.wire, pytest.mark.checks("ST-6")]


class TeapotError(Exception):
    """An error with a handler of its own."""


def fail(kind: str) -> str:
    """Fail as the path asks for."""
    if kind == "key":
        return request.args["name"]
    if kind == "abort":
        abort(404, "no such list")
    if kind == "handled":
        raise TeapotError
    if kind == "cancelled":
        raise asyncio.CancelledError
    if kind == "error":
        raise LookupError("nothing here")
    return ""


async def steps(kind: str) -> AsyncGenerator[str, None]:
    yield f"{fail(kind)}one "
    yield "two"


def sync_steps(kind: str) -> Generator[str, None, None]:
    yield f"{fail(kind)}one "
    yield "two"


async def inner(kind: str) -> AsyncGenerator[str, None]:
    async for step in stream_with_context(steps(kind)):
        yield step


STREAMS: dict[str, Callable[[str], Any]] = {
    "async": lambda kind: stream_with_context(steps(kind)),
    "sync": lambda kind: stream_with_context(sync_steps(kind)),
    "decorator": lambda kind: stream_with_context(steps)(kind),
    "coalesced": lambda kind: stream_with_context(coalesce(steps(kind))),
    "coalesced sync": lambda kind: stream_with_context(coalesce(sync_steps(kind))),
    "outside": lambda kind: coalesce(stream_with_context(steps(kind))),
    "nested": lambda kind: stream_with_context(inner(kind)),
    "twice": lambda kind: stream_with_context(stream_with_context(steps(kind))),
    "template": lambda kind: stream_template_string(
        "{% for step in steps %}{{ step }}{% endfor %}", steps=steps(kind)
    ),
}


def add_views(app: Quart, how: str) -> None:
    @app.get("/<kind>")
    async def view(kind: str) -> Any:
        g.mark = "g"
        session["user"] = "Ada"
        stream = STREAMS[how](kind)
        return await stream if asyncio.iscoroutine(stream) else stream

    @app.errorhandler(TeapotError)
    async def teapot(_: Exception) -> Any:
        return "short and stout", 418

    @app.after_request
    async def mark(response: Any) -> Any:
        response.headers["X-Hook"] = str(response.status_code)
        return response


@pytest.mark.parametrize("how", STREAMS)
async def test_error_page(app: Quart, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """The status, the body, the headers of hooks and the session are those of an error page."""
    log = Log(app)
    add_views(app, how)
    expected = {"key": 400, "abort": 404, "handled": 418, "error": 500}
    async with served(app) as server:
        for kind, status in expected.items():
            log.torn_down.clear()
            response = await server.client.get(f"/{kind}")
            assert response.status_code == status
            assert response.headers["x-hook"] == str(status)
            assert "session=" in response.headers["set-cookie"]
            assert int(response.headers["content-length"]) == len(response.content)
            assert log.torn_down[-2:] in (
                [("request g", name), ("context g", name)]
                for name in ("BadRequestKeyError", "NotFound", "TeapotError", "LookupError")
            )
        assert "no such list" in (await server.client.get("/abort")).text
        assert (await server.client.get("/handled")).text == "short and stout"
        response = await server.client.get("/none")
        assert (response.status_code, response.text) == (200, "one two")
        assert response.headers["x-hook"] == "200"
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert errors[0].getMessage().startswith("Exception on ")


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_cancelled_by_itself(kind: str) -> None:
    """A generator that awaits something cancelled is an error like any other."""
    app = FaithfulQuart(__name__)
    app.secret_key = "test"
    add_views(app, kind)
    async with served(app) as server:
        assert (await server.client.get("/cancelled")).status_code == 500


async def test_any_stream_of_faithful_quart() -> None:
    """``FaithfulQuart`` answers errors of all streams, also without the helper."""
    app = FaithfulQuart(__name__)

    @app.get("/<kind>")
    async def view(kind: str) -> Any:
        async def items() -> AsyncGenerator[str, None]:
            if kind == "abort":
                abort(404)
            if kind == "error":
                raise LookupError
            yield "one"

        return items()

    @app.errorhandler(404)
    async def missing(_: Exception) -> Any:
        return f"no {request.path}", 404

    async with served(app) as server:
        response = await server.client.get("/abort")
        assert (response.status_code, response.text) == (404, "no /abort")
        assert (await server.client.get("/error")).status_code == 500
        assert (await server.client.get("/none")).text == "one"


async def test_after_the_first_chunk(app: Quart) -> None:
    """After the first chunk, an error ends the response, and the client sees it."""

    @app.get("/")
    async def view() -> Any:
        async def items() -> AsyncGenerator[str, None]:
            yield "one"
            abort(404)

        return stream_with_context(items())

    async with served(app) as server, server.client.stream("GET", "/") as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            await response.aread()


async def test_what_the_first_step_opens(app: Quart) -> None:
    """The first step runs after the teardown of the view, which would close what it opens."""
    events: list[str] = []

    @app.teardown_appcontext
    async def close(_: BaseException | None) -> None:
        if g.pop("db", None) is not None:
            events.append("closed")

    @app.get("/")
    async def view() -> Any:
        async def items() -> AsyncGenerator[str, None]:
            g.db = "open"
            yield "first "
            events.append("second")
            yield g.db

        return stream_with_context(items())

    async with served(app) as server:
        assert (await server.client.get("/")).text == "first open"
    assert events == ["second", "closed"]


async def test_response_of_a_hook(app: Quart) -> None:
    """The response that the last hook returns is the one whose first chunk decides."""

    @app.get("/<kind>")
    async def view(kind: str) -> Any:
        @after_this_request
        async def wrap(response: Any) -> Any:
            if response.status_code != 200:
                return response
            body = response.response

            async def upper() -> AsyncGenerator[str, None]:
                async with body as items:
                    async for item in items:
                        yield item.upper()

            return await make_response(upper(), 203)

        return stream_with_context(steps(kind))

    async with served(app) as server:
        response = await server.client.get("/none")
        assert (response.status_code, response.text) == (203, "ONE TWO")
        assert (await server.client.get("/key")).status_code == 400


async def test_empty_stream(app: Quart) -> None:
    """A stream without any chunk has its status and no body."""

    @app.get("/")
    async def view() -> Any:
        return stream_with_context([]), 202

    async with served(app) as server:
        response = await server.client.get("/")
    assert (response.status_code, response.content) == (202, b"")


async def test_head(app: Quart) -> None:
    """``HEAD`` does not run the generator, so its error is not noticed."""
    add_views(app, "async")
    async with served(app) as server:
        response = await server.client.head("/error")
    assert (response.status_code, response.content) == (200, b"")


async def test_missing_variable_in_a_template(app: Quart) -> None:
    """An error in the head of a template is an error page as well."""

    @app.get("/")
    async def view() -> Any:
        return await stream_template_string("{{ 1 // number }}", number=0)

    @app.get("/missing")
    async def missing() -> Any:
        return await stream_template("no.html")

    async with served(app) as server:
        assert (await server.client.get("/")).status_code == 500
        assert (await server.client.get("/missing")).status_code == 500


async def test_failing_error_handler(app: Quart) -> None:
    """A handler that fails is a 500; one that streams answers with its stream."""

    @app.errorhandler(400)
    async def failing(_: Exception) -> Any:
        raise LookupError("in the handler")

    @app.errorhandler(404)
    async def streaming(_: Exception) -> Any:
        return stream_with_context(["no ", "page"]), 404

    @app.get("/<kind>")
    async def view(kind: str) -> Any:
        return stream_with_context(steps(kind))

    async with served(app) as server:
        assert (await server.client.get("/key")).status_code == 500
        response = await server.client.get("/abort")
        assert (response.status_code, response.text) == (404, "no page")


@pytest.mark.parametrize("setting", ["DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS"])
async def test_propagated(app: Quart, setting: str) -> None:
    """In debug mode the page is the traceback, and a test sees the error as one of the view."""
    app.config[setting] = True
    add_views(app, "async")
    client = app.test_client()
    if setting == "DEBUG" and not isinstance(app, FaithfulQuart):
        response = await client.get("/error")
        assert response.status_code == 500
        assert b"nothing here" in await response.get_data(as_text=False)
    elif setting == "TESTING" and not isinstance(app, FaithfulQuart):
        assert (await client.get("/error")).status_code == 500  # as for an error of the view
    else:
        with pytest.raises(LookupError):
            await client.get("/error")
    assert (await client.get("/abort")).status_code == 404


async def test_test_client(app: Quart) -> None:
    """The test client sees the error page, whether it keeps the context or not."""
    add_views(app, "async")
    assert (await app.test_client().get("/key")).status_code == 400
    async with app.test_client() as client:
        assert (await client.get("/key")).status_code == 400
        assert request.path == "/key"


async def test_own_context_in_a_teardown_function(app: Quart) -> None:
    """A context that the code of the request pushes and pops does not start the stream."""
    events: list[str] = []

    @app.teardown_request
    async def nested(_: BaseException | None) -> None:
        async with app.app_context():
            pass
        events.append("torn down")

    @app.get("/")
    async def view() -> Any:
        async def items() -> AsyncGenerator[str, None]:
            events.append("first step")
            yield "one"

        return stream_with_context(items())

    async with served(app) as server:
        assert (await server.client.get("/")).text == "one"
    assert events == ["torn down", "first step", "torn down"]


async def test_disconnect_before_the_first_chunk(app: Quart) -> None:
    """A client that leaves before the first chunk ends the generator."""
    log = Log(app)
    waiting = asyncio.Event()

    @app.get("/")
    async def view() -> Any:
        g.mark = "g"

        async def items() -> AsyncGenerator[str, None]:
            with log.closing():
                waiting.set()
                await asyncio.Event().wait()
                yield ""

        return stream_with_context(items())

    async with served(app) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await waiting.wait()
        writer.transport.abort()
        await eventually(lambda: len(log.torn_down) == 4)
    assert log.closed == ["/ g"]
