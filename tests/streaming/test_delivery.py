"""When chunks are produced and sent, and how a stream ends, with a real server."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any

import httpx
import pytest
from quart import Quart, current_app, g, make_response, request

from quartpatterns.streaming import coalesce, stream_with_context
from tests.serving import TIMEOUT, eventually, served, unread_response
from tests.streaming.log import Log, teardown

pytestmark = pytest.mark.wire


@pytest.mark.checks("ST-3")
@pytest.mark.parametrize("where", ["in the generator", "in the server"])
@pytest.mark.parametrize("kind", ["async", "sync", "coalesced", "coalesced sync"])
async def test_disconnect(app: Quart, kind: str, where: str) -> None:
    """When the client disconnects, the generator is closed in its context, wherever it waits."""
    log = Log(app)
    go_on = threading.Event()

    async def steps() -> AsyncGenerator[bytes, None]:
        with log.closing():
            yield b"first"
            if where == "in the generator":
                await asyncio.Event().wait()
            while True:
                yield bytes(65536)

    def sync_steps() -> Generator[bytes, None, None]:
        with log.closing():
            yield b"first"
            if where == "in the generator":
                go_on.wait(TIMEOUT)
            while True:
                yield bytes(65536)

    @app.get("/")
    async def view() -> Any:
        g.mark = "g"
        source: Any = sync_steps() if "sync" in kind.split() else steps()
        return stream_with_context(coalesce(source) if "coalesced" in kind else source)

    async with served(app) as server:
        async with unread_response(server.port, "/") as reader:
            await reader.readuntil(b"first")
            await asyncio.sleep(0.05)
            assert not log.closed
        await asyncio.sleep(0.05)
        go_on.set()  # A thread can't be interrupted, so it has to end.
        await eventually(lambda: len(log.torn_down) == 4)
    assert log.closed == ["/ g"]
    assert log.torn_down[:2] == teardown()
    assert log.torn_down[2:] in (teardown("CancelledError"), teardown("GeneratorExit"))


async def test_abandoned(app: Quart) -> None:
    """A stream that is abandoned after one chunk is closed by the garbage collector."""
    log = Log(app)

    @app.get("/")
    async def view() -> str:
        g.mark = "g"

        async def steps() -> AsyncGenerator[str, None]:
            with log.closing():
                yield "first"
                yield "second"

        return await anext(stream_with_context(steps()))

    async with served(app) as server:
        assert (await server.client.get("/")).text == "first"
        gc.collect()
        await eventually(lambda: len(log.torn_down) >= 2 and bool(log.closed))
    assert log.closed == ["/ g"]


async def test_cancelled_twice(app: Quart) -> None:
    """A stream that is cancelled again while it closes is torn down, and closed later."""
    log = Log(app)
    inside, go_on = threading.Event(), threading.Event()

    async def whole() -> None:
        async with app.test_request_context("/"):
            g.mark = "g"

            def steps() -> Generator[str, None, None]:
                with log.closing():
                    yield ""
                    inside.set()
                    go_on.wait(TIMEOUT)
                    yield ""

            stream = stream_with_context(steps())
            await anext(stream)
            await current_app.process_response(await make_response(stream))
        async for _ in stream:
            pass

    task = asyncio.create_task(whole())
    await eventually(inside.is_set)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.02)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log.torn_down == [*teardown(), *teardown("CancelledError")]
    assert not log.closed
    go_on.set()
    await eventually(lambda: log.closed == ["/ g"])


@pytest.mark.checks("ST-3")
async def test_shutdown(app: Quart) -> None:
    """A server that stops closes the running generators."""
    log = Log(app)

    @app.get("/<kind>")
    async def view(kind: str) -> Any:
        g.mark = "g"

        async def steps() -> AsyncGenerator[str, None]:
            with log.closing():
                while True:
                    yield "still here\n"
                    await asyncio.sleep(0.01)

        def sync_steps() -> Generator[str, None, None]:
            with log.closing():
                while True:
                    yield "still here\n"
                    time.sleep(0.01)

        return stream_with_context(steps() if kind == "async" else sync_steps())

    async with served(app, graceful_timeout=0.1) as server:
        async with (
            server.client.stream("GET", "/async") as one,
            server.client.stream("GET", "/sync") as other,
        ):
            for response in (one, other):
                assert (await anext(response.aiter_raw())).startswith(b"still")
            server.stop.set()
            await asyncio.wait([server.server], timeout=TIMEOUT)
            assert server.server.done()
    assert sorted(log.closed) == ["/async g", "/sync g"]
    assert len(log.torn_down) == 8


@pytest.mark.checks("ST-3")
@pytest.mark.parametrize("kind", ["async", "sync", "coalesced", "coalesced sync"])
async def test_error(app: Quart, kind: str) -> None:
    """The client receives what came before the error, and an incomplete response."""
    log = Log(app)

    async def steps() -> AsyncGenerator[str, None]:
        with log.closing():
            yield "before"
            raise LookupError

    def sync_steps() -> Generator[str, None, None]:
        with log.closing():
            yield "before"
            raise LookupError

    @app.get("/")
    async def view() -> Any:
        g.mark = "g"
        source: Any = sync_steps() if "sync" in kind.split() else steps()
        return stream_with_context(coalesce(source) if "coalesced" in kind else source)

    body = b""
    async with served(app) as server:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            async with server.client.stream("GET", "/") as response:
                async for chunk in response.aiter_raw():
                    body += chunk
        assert response.status_code == 200
        await eventually(lambda: len(log.torn_down) == 4)
    assert body == b"before"
    assert log.closed == ["/ g"]
    assert log.torn_down == [*teardown(), *teardown("LookupError")]


async def late() -> AsyncGenerator[str, None]:
    yield "in time"
    await asyncio.sleep(TIMEOUT)
    yield "late"


@pytest.mark.checks("ST-1")
@pytest.mark.parametrize("kind", ["call", "decorator", "sync", "coalesced", "outside"])
async def test_never_cut(app: Quart, kind: str) -> None:
    """``RESPONSE_TIMEOUT`` does not end a stream."""
    app.config["RESPONSE_TIMEOUT"] = 0.05

    async def steps() -> AsyncGenerator[str, None]:
        for number in range(4):
            yield str(number)
            await asyncio.sleep(0.05)

    def sync_steps() -> Generator[str, None, None]:
        for number in range(4):
            yield str(number)
            time.sleep(0.05)

    streams: dict[str, Any] = {
        "call": lambda: stream_with_context(steps()),
        "decorator": lambda: stream_with_context(steps)(),
        "sync": lambda: stream_with_context(sync_steps()),
        "coalesced": lambda: stream_with_context(coalesce(steps(), delay=0.01)),
        "outside": lambda: coalesce(stream_with_context(steps()), delay=0.01),
    }

    @app.get("/")
    async def view() -> Any:
        return streams[kind](), 201, {"Content-Type": "text/plain"}

    async with served(app) as server:
        response = await server.client.get("/")
    assert (response.status_code, response.text) == (201, "0123")


async def test_own_time_limit(app: Quart) -> None:
    """A time limit that the view sets for its stream is applied."""

    @app.get("/")
    async def view() -> Any:
        response: Any = await make_response(stream_with_context(late()))
        response.timeout = 0.1
        return response

    async with served(app) as server, server.client.stream("GET", "/") as response:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            await response.aread()


async def test_cut_without_the_helper() -> None:
    """Without the helper, Quart ends a stream at its time limit."""
    app = Quart(__name__)
    app.config["RESPONSE_TIMEOUT"] = 0.1

    @app.get("/")
    async def view() -> Any:
        return late()

    async with served(app) as server, server.client.stream("GET", "/") as response:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            await response.aread()


async def test_other_responses(app: Quart) -> None:
    """A response that is not a stream keeps its time limit and body, even if one was created."""
    limits: list[Any] = []

    @app.get("/")
    async def view() -> str:
        stream_with_context(["never", "sent"])
        return "whole"

    @app.after_request
    async def note(response: Any) -> Any:
        limits.append(response.timeout)
        assert await response.get_data(as_text=True) == "whole"
        return response

    async with served(app) as server:
        assert (await server.client.get("/")).text == "whole"
        assert (await server.client.head("/")).headers["content-length"] == "5"
    assert limits == [Ellipsis, Ellipsis]


@pytest.mark.checks("ST-1")
@pytest.mark.parametrize("kind", ["async", "sync", "coalesced", "coalesced sync"])
async def test_slow_client(app: Quart, kind: str) -> None:
    """The generator waits while the client does not read, and continues when it does."""
    produced = 0

    async def steps() -> AsyncGenerator[bytes, None]:
        for chunk in sync_steps():
            yield chunk

    def sync_steps() -> Generator[bytes, None, None]:
        nonlocal produced
        while True:
            produced += 1
            yield bytes(16384)

    @app.get("/")
    async def view() -> Any:
        source: Any = sync_steps() if "sync" in kind.split() else steps()
        return stream_with_context(coalesce(source) if "coalesced" in kind else source)

    async with served(app) as server, unread_response(server.port, "/") as reader:
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while produced != before:
            before = produced
            await asyncio.sleep(0.2)
        # The kernel's buffers of a socket hold some megabytes.
        assert 0 < produced < 1000
        async with asyncio.timeout(TIMEOUT):
            while produced == before:
                await reader.read(65536)


@pytest.mark.checks("ST-1")
@pytest.mark.parametrize("kind", ["stream", "coalesced"])
async def test_head(app: Quart, kind: str) -> None:
    """``HEAD`` has the headers of ``GET``, and the generator does not run."""
    calls: list[str] = []

    @app.get("/")
    async def view() -> Any:
        def steps() -> Generator[str, None, None]:
            while request.method == "HEAD" or not calls:
                calls.append(request.method)
                yield "."

        stream = stream_with_context(steps())
        return coalesce(stream) if kind == "coalesced" else stream, {"X-Kind": kind}

    async with served(app) as server:
        head, get = await server.client.head("/"), await server.client.get("/")
    ignored = {"date"}
    assert dict(head.headers).keys() - ignored == dict(get.headers).keys() - ignored
    assert (head.status_code, head.text) == (200, "")
    assert calls == ["GET"]


@pytest.mark.checks("ST-1")
@pytest.mark.parametrize("kind", ["async", "sync", "coalesced", "coalesced sync"])
async def test_sent_as_produced(app: Quart, kind: str) -> None:
    """The client has the first chunk before the second exists, and others are served."""
    go_on, go_on_in_thread = asyncio.Event(), threading.Event()

    async def steps() -> AsyncGenerator[str, None]:
        yield "one"
        await go_on.wait()
        yield "two"

    def sync_steps() -> Generator[str, None, None]:
        yield "one"
        go_on_in_thread.wait(TIMEOUT)
        yield "two"

    @app.get("/")
    async def view() -> Any:
        source: Any = sync_steps() if "sync" in kind else steps()
        if "coalesced" in kind:
            source = coalesce(source, delay=0.01)
        return stream_with_context(source)

    @app.get("/other")
    async def other() -> str:
        return "answered"

    async with served(app) as server, server.client.stream("GET", "/") as response:
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"one"
        assert (await server.client.get("/other")).text == "answered"
        go_on.set()
        go_on_in_thread.set()
        assert await anext(chunks) == b"two"


async def test_event_loop_is_not_blocked(app: Quart) -> None:
    """A generator that never waits does not block the event loop."""
    requested, produced = False, 0

    @app.get("/")
    async def view() -> Any:
        async def steps() -> AsyncGenerator[str, None]:
            nonlocal produced
            while not requested:
                produced += 1
                yield "."

        return stream_with_context(steps())

    @app.get("/other")
    async def other() -> str:
        nonlocal requested
        requested = True
        return ""

    async with served(app) as server, server.client.stream("GET", "/") as response:
        await anext(response.aiter_raw())
        await server.client.get("/other")
        await response.aclose()
    # If it blocked the loop, it would be about a million, which fit into the socket's buffers.
    assert 0 < produced < 50_000
