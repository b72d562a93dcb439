"""Teardown functions run when the view ends, and again when the stream ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from typing import Any

import flask
import pytest
from quart import Quart, g

from quartpatterns.streaming import coalesce, stream_with_context
from tests.serving import served
from tests.streaming.log import Log, teardown

pytestmark = pytest.mark.wire


@pytest.mark.checks("ST-3")
@pytest.mark.parametrize("path", ["/whole", "/broken", "/consumed"])
async def test_teardown_as_in_flask(app: Quart, path: str) -> None:
    """Teardown functions run after the view and after the stream, with the error of each."""
    notes: dict[str, list[str]] = {"flask": [], "quart": []}
    original = flask.Flask(__name__)

    @original.teardown_request
    def flask_request(error: BaseException | None) -> None:
        notes["flask"].append(f"request {flask.g.mark} {error!r}")

    @original.teardown_appcontext
    def flask_context(error: BaseException | None) -> None:
        notes["flask"].append(f"context {flask.g.mark} {error!r}")

    @original.get("/<kind>")
    def flask_view(kind: str) -> Any:
        flask.g.mark = kind

        def steps() -> Generator[str, None, None]:
            yield "first"
            notes["flask"].append("second")
            if kind == "broken":
                raise LookupError(kind)
            yield "second"

        stream = flask.stream_with_context(steps())
        return "".join(stream) if kind == "consumed" else stream

    @app.teardown_request
    async def quart_request(error: BaseException | None) -> None:
        notes["quart"].append(f"request {g.mark} {error!r}")

    @app.teardown_appcontext
    def quart_context(error: BaseException | None) -> None:
        notes["quart"].append(f"context {g.mark} {error!r}")

    @app.get("/<kind>")
    async def quart_view(kind: str) -> Any:
        g.mark = kind

        @stream_with_context
        async def steps() -> AsyncGenerator[str, None]:
            yield "first"
            notes["quart"].append("second")
            if kind == "broken":
                raise LookupError(kind)
            yield "second"

        return "".join([chunk async for chunk in steps()]) if kind == "consumed" else steps()

    for test in (lambda: original.test_client().get(path), lambda: app.test_client().get(path)):
        with contextlib.suppress(LookupError):
            answer: Any = test()
            await answer if asyncio.iscoroutine(answer) else answer.data
    assert notes["flask"]
    assert notes["quart"] == notes["flask"]


@pytest.mark.parametrize("kind", ["inner generator", "inner coalesced", "two decorators"])
async def test_stream_in_a_stream(app: Quart, kind: str) -> None:
    """A stream that is wrapped several times is torn down once, at the end of the outermost."""
    log = Log(app)

    async def steps() -> AsyncGenerator[str, None]:
        yield "inner "
        assert len(log.torn_down) == 2

    async def outer(inner: Any) -> AsyncGenerator[str, None]:
        async for chunk in inner:
            yield chunk if isinstance(chunk, str) else chunk.decode()
        assert len(log.torn_down) == 2
        yield g.mark

    @app.get("/")
    async def view() -> Any:
        g.mark = "g"
        inner: Any = stream_with_context(steps())
        if kind == "inner coalesced":
            inner = coalesce(inner)
        stream = stream_with_context(outer(inner))
        return stream_with_context(stream) if kind == "two decorators" else stream

    async with served(app) as server:
        assert (await server.client.get("/")).text == "inner g"
    assert log.torn_down == [*teardown(), *teardown()]


@pytest.mark.parametrize("joined", [False, True])
async def test_first_chunk_taken_in_the_view(app: Quart, joined: bool) -> None:
    """A view can take the first chunk and choose the status."""
    log = Log(app)

    @app.get("/<path:name>")
    async def view(name: str) -> Any:
        g.mark = "g"

        @stream_with_context
        async def steps() -> AsyncGenerator[bytes, None]:
            if name == "missing":
                raise LookupError(name)
            yield b"first "
            await asyncio.sleep(0)
            yield g.mark.encode()

        stream = coalesce(steps(), size=6) if joined else steps()
        try:
            first = await anext(stream)
        except LookupError as error:
            return f"no {error}", 404

        async def whole() -> AsyncGenerator[bytes, None]:
            yield first
            async for chunk in stream:
                yield chunk

        return whole()

    async with served(app) as server:
        response = await server.client.get("/missing")
        assert (response.status_code, response.text) == (404, "no missing")
        assert log.torn_down == teardown()
        assert (await server.client.get("/there")).text == "first g"
    # With coalesce, the source can end during the teardown of the view.
    assert Counter(log.torn_down) == Counter(teardown() * 3)
