"""A client that takes nothing of a stream is cut, and what the stream holds is released."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from quart import Quart, g, make_response

from quartpatterns._shared.settings import SettingError
from quartpatterns.streaming import (
    Broadcaster,
    EventStream,
    coalesce,
    stream_template_string,
    stream_with_context,
)
from quartpatterns.subclassing import FaithfulQuart
from tests.serving import TIMEOUT, eventually, served, unread_response
from tests.streaming.log import Log

pytestmark = pytest.mark.wire

LIMIT = 0.3
CHUNK = 65536


def add_stream(app: Quart, kind: str, log: Log, **options: Any) -> None:
    """Add a view with an endless stream."""

    async def steps() -> AsyncGenerator[bytes, None]:
        with log.closing():
            while True:
                yield bytes(CHUNK)

    def sync_steps() -> Generator[bytes, None, None]:
        with log.closing():
            while True:
                yield bytes(CHUNK)

    async def texts() -> AsyncGenerator[str, None]:
        with log.closing():
            while True:
                yield "x" * CHUNK

    @app.get("/")
    async def view() -> Any:
        g.mark = "g"
        if kind == "template":
            source = "{% for text in texts %}{{ text }}{% endfor %}"
            response: Any = await make_response(await stream_template_string(source, texts=texts()))
        else:
            steps_of_kind: Any = sync_steps() if "sync" in kind.split() else steps()
            if kind.startswith("outside"):
                stream: Any = coalesce(stream_with_context(steps_of_kind, **options))
            elif kind.startswith("coalesced"):
                stream = stream_with_context(coalesce(steps_of_kind), **options)
            elif kind == "nested":
                stream = stream_with_context(stream_with_context(steps_of_kind), **options)
            else:
                stream = stream_with_context(steps_of_kind, **options)
            response = await make_response(stream)
        return response


async def body_after_the_cut(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(TIMEOUT):
        return await reader.read()


KINDS = ["async", "sync", "coalesced", "coalesced sync", "outside", "nested", "template"]


@pytest.mark.checks("ST-5")
@pytest.mark.parametrize("kind", KINDS)
async def test_cut(app: Quart, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The generator is closed at once, the log says so, and the response is incomplete."""
    log = Log(app)
    app.config["STREAM_SEND_TIMEOUT"] = LIMIT
    add_stream(app, kind, log)
    before = asyncio.all_tasks()
    async with served(app) as server, unread_response(server.port, "/") as reader:
        await eventually(lambda: len(log.torn_down) == 4)
        assert log.closed == ["/ g"]
        body = await body_after_the_cut(reader)
    assert body.startswith(b"HTTP/1.1 200")
    assert not body.endswith(b"0\r\n\r\n")
    await eventually(lambda: asyncio.all_tasks() <= before)
    messages = [record.getMessage() for record in caplog.records if "took nothing" in record.msg]
    assert len(messages) == 1
    assert messages[0].startswith("GET /: the client at ")
    assert "took nothing for 0.3 s, so its response was cut" in messages[0]


@pytest.mark.checks("ST-5")
@pytest.mark.parametrize("where", ["call", "decorator", "response"])
async def test_limit_of_one_stream(app: Quart, where: str) -> None:
    """The limit can be set for one stream, as an argument or at the response."""
    log = Log(app)

    @app.get("/")
    async def view() -> Any:
        g.mark = "g"

        async def steps() -> AsyncGenerator[bytes, None]:
            with log.closing():
                while True:
                    yield bytes(CHUNK)

        if where == "call":
            return stream_with_context(steps(), send_timeout=LIMIT)
        if where == "decorator":
            return stream_with_context(steps, send_timeout=LIMIT)()
        response: Any = await make_response(stream_with_context(steps()))
        response.send_timeout = LIMIT
        return response

    async with served(app) as server, unread_response(server.port, "/"):
        await eventually(lambda: log.closed == ["/ g"])


@pytest.mark.checks("ST-5")
@pytest.mark.parametrize("limit", [1.0, None])
async def test_slow_but_reading(app: Quart, limit: float | None) -> None:
    """A client that takes longer than the limit, but takes something, gets all of the stream."""
    app.config["STREAM_SEND_TIMEOUT"] = limit
    count = 400

    @app.get("/")
    async def view() -> Any:
        async def steps() -> AsyncGenerator[bytes, None]:
            for _ in range(count):
                yield bytes(CHUNK)

        return stream_with_context(steps())

    async with served(app) as server, server.client.stream("GET", "/") as response:
        received, start = 0, time.monotonic()
        async for data in response.aiter_raw():
            received += len(data)
            # About 10 MB/s. The kernel wakes the server when a third of its buffer is empty.
            await asyncio.sleep(start + received / 10_000_000 - time.monotonic())
    assert received == count * CHUNK
    assert time.monotonic() - start > 2.0


@pytest.mark.checks("ST-5")
async def test_a_stream_that_waits(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """The limit does not count while the generator waits."""
    app.config["STREAM_SEND_TIMEOUT"] = 0.1

    @app.get("/")
    async def view() -> Any:
        async def steps() -> AsyncGenerator[bytes, None]:
            for _ in range(3):
                yield b"."
                await asyncio.sleep(0.3)

        return stream_with_context(steps())

    async with served(app) as server:
        assert (await server.client.get("/")).text == "..."
    assert "took nothing" not in caplog.text


@pytest.mark.checks("ST-5")
async def test_any_stream_of_faithful_quart() -> None:
    """``FaithfulQuart`` cuts the client of any stream, also without the helper."""
    app = FaithfulQuart(__name__)
    app.config.update(STREAM_SEND_TIMEOUT=LIMIT, RESPONSE_TIMEOUT=None)
    closed: list[str] = []

    @app.get("/<kind>")
    async def view(kind: str) -> Any:
        async def steps() -> AsyncGenerator[bytes, None]:
            try:
                while True:
                    yield bytes(CHUNK)
            finally:
                closed.append(kind)

        def sync_steps() -> Generator[bytes, None, None]:
            try:
                while True:
                    yield bytes(CHUNK)
            finally:
                closed.append(kind)

        response: Any = await make_response(sync_steps() if kind == "sync" else steps())
        if kind == "unlimited":
            response.timeout = None
        return response

    async with served(app) as server:
        for kind in ("async", "sync", "unlimited"):
            async with unread_response(server.port, f"/{kind}"):
                await eventually(lambda: kind in closed)  # noqa: B023


@pytest.mark.checks("ST-5")
@pytest.mark.parametrize("wrapped", [False, True])
async def test_response_timeout(caplog: pytest.LogCaptureFixture, wrapped: bool) -> None:
    """Without the setting, ``RESPONSE_TIMEOUT`` is the limit, also beside a broadcaster."""
    app = FaithfulQuart(__name__)
    app.config["RESPONSE_TIMEOUT"] = LIMIT
    Broadcaster(app)
    closed = asyncio.Event()

    @app.get("/")
    async def view() -> Any:
        async def steps() -> AsyncGenerator[bytes, None]:
            try:
                while True:
                    yield bytes(CHUNK)
            finally:
                closed.set()

        return stream_with_context(steps()) if wrapped else steps()

    async with served(app) as server, unread_response(server.port, "/"):
        async with asyncio.timeout(TIMEOUT / 2):
            await closed.wait()
    assert "took nothing for 0.3 s" in caplog.text


@pytest.mark.parametrize("value", [0, -1, "60", True, float("nan")])
async def test_invalid(app: Quart, value: Any) -> None:
    async with app.test_request_context("/"):
        with pytest.raises(SettingError, match="STREAM_SEND_TIMEOUT must be a number of seconds"):
            stream_with_context([""], send_timeout=value)


async def test_stalled_readers_release_the_pool(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    """30 readers that take nothing do not keep the connections that others wait for."""
    app.config["STREAM_SEND_TIMEOUT"] = LIMIT
    connections = asyncio.Semaphore(5)

    @app.get("/export")
    async def export() -> Any:
        async def rows() -> AsyncGenerator[bytes, None]:
            async with connections:
                while True:
                    yield bytes(CHUNK)

        return stream_with_context(rows())

    @app.get("/other")
    async def other() -> str:
        async with connections:
            return "answered"

    with caplog.at_level(logging.ERROR, "quartpatterns.streaming"):
        async with served(app) as server:
            contexts = [unread_response(server.port, "/export") for _ in range(30)]
            await asyncio.gather(*(context.__aenter__() for context in contexts))
            await eventually(connections.locked)
            assert (await server.client.get("/other")).text == "answered"
            for context in contexts:
                await context.__aexit__(None, None, None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["stream", "events", "bytes"])
async def test_one_long_chunk(app: Quart, kind: str) -> None:
    """A client that reads slowly gets all of a chunk that takes longer than the limit."""
    app.config["STREAM_SEND_TIMEOUT"] = 1
    size = 20_000_000

    @app.get("/")
    async def view() -> Any:
        async def generate() -> AsyncGenerator[Any, None]:
            yield b"x" * size if kind == "bytes" else "x" * size
            yield "the end"

        return EventStream(generate()) if kind == "events" else stream_with_context(generate())

    async with served(app) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received, ending = 0, b""
        async with asyncio.timeout(TIMEOUT):
            while data := await reader.read(262_144):
                received += len(data)
                ending = (ending + data)[-40:]
                await asyncio.sleep(0.04)  # so that all takes three seconds
        writer.close()
    assert received > size
    assert b"the end" in ending
