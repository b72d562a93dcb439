"""``GreenletWSGIMiddleware``: what differs from threads."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from flask import Flask, g

from quartpatterns._shared.greenlet_views import greenlet_functions
from quartpatterns.appdispatch import GreenletWSGIMiddleware
from quartpatterns.sqlalchemy import wait_in_greenlet
from tests.appdispatch.wire import fetch, http_scope, served
from tests.serving import TIMEOUT, eventually

pytestmark = [pytest.mark.wire, pytest.mark.checks("AD-11")]

variable = contextvars.ContextVar("variable", default="nothing")


async def test_waiting_takes_no_thread() -> None:
    """A hundred requests wait at the same time in one thread, and each keeps its own state."""
    app, all_wait = Flask("app"), asyncio.Barrier(100)

    @app.get("/<name>")
    def view(name: str) -> dict[str, str]:
        g.name = name
        variable.set(name)
        wait_in_greenlet(all_wait.wait())
        return {"name": g.name, "variable": variable.get()}

    middleware, before = GreenletWSGIMiddleware(app), threading.active_count()
    async with asyncio.timeout(TIMEOUT):
        answers = await asyncio.gather(*(fetch(middleware, f"/{number}") for number in range(100)))
    assert threading.active_count() == before
    expected = [f'{{"name":"{number}","variable":"{number}"}}\n' for number in range(100)]
    assert [answer.body.decode() for answer in answers] == expected


async def test_context_variables() -> None:
    """A request sees the variables of the server, and its own are gone afterwards."""
    seen: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.append(variable.get())
        variable.set("of a request")
        start_response("200 OK", [])
        return []

    variable.set("of the server")
    for _ in range(2):
        await fetch(GreenletWSGIMiddleware(app), "/")
    assert [*seen, variable.get()] == ["of the server"] * 3


async def test_cancelled_while_it_waits() -> None:
    """A cancellation is raised where the application waits, and it can wait to clean up."""
    events: list[str] = []
    waits = asyncio.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            waits.set()
            wait_in_greenlet(asyncio.Event().wait())
        except asyncio.CancelledError:
            events.append("cancelled")
            raise
        finally:
            wait_in_greenlet(asyncio.sleep(0))
            events.append("cleaned up")
        return []

    async def send(message: Any) -> None:
        events.append(message["type"])

    receive = asyncio.Queue[Any]()
    receive.put_nowait({"type": "http.request"})
    answering = asyncio.ensure_future(
        GreenletWSGIMiddleware(app)(http_scope("/"), receive.get, send)
    )
    await waits.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert events == ["cancelled", "cleaned up"]


async def test_view_goes_on_after_a_disconnect() -> None:
    """A client that leaves does not stop a view half-way, as in threads."""
    events: list[str] = []
    waits, left, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        waits.set()
        wait_in_greenlet(go.wait())
        events.append("stored")
        start_response("200 OK", [])
        try:
            yield b"a"
            events.append("not reached")
        finally:
            events.append("closed")

    async def send(message: Any) -> None:
        events.append(message["type"])

    messages = [{"type": "http.request"}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await waits.wait()
        left.set()
        return {"type": "http.disconnect"}

    answering = asyncio.ensure_future(GreenletWSGIMiddleware(app)(http_scope("/"), receive, send))
    await left.wait()
    go.set()
    await answering
    assert events == ["stored", "closed"]


async def test_response_that_never_waits() -> None:
    """While the chunks of a response are made without waiting, other requests are answered."""
    closed: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"answered"] if environ["PATH_INFO"] == "/" else endless()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append("closed")

    middleware = GreenletWSGIMiddleware(app)
    async with served(middleware) as port, asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.readuntil(b"x")
        assert (await fetch(middleware, "/")).body == b"answered"
        writer.transport.abort()
        await eventually(lambda: closed == ["closed"])


async def test_chunks_are_sent_when_they_are_made() -> None:
    """A chunk is sent before the next one is made, also if that does not wait."""
    events: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for number in range(2):
            events.append(number)
            yield b"%d" % number

    async def send(message: Any) -> None:
        events.append(message.get("body"))

    receive = asyncio.Queue[Any]()
    receive.put_nowait({"type": "http.request"})
    await GreenletWSGIMiddleware(app)(http_scope("/"), receive.get, send)
    assert events == [0, None, b"0", 1, b"1", b""]


async def test_disconnect_while_a_chunk_is_sent() -> None:
    """A client that leaves ends the response, which is no error and no cancellation."""
    events: list[str] = []
    sending = asyncio.Event()
    messages = [{"type": "http.request"}]

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            yield b"a"
            yield b"b"
        finally:
            events.append("closed")

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await sending.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sending.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(TIMEOUT):
        await GreenletWSGIMiddleware(app)(http_scope("/"), receive, send)
    assert events == ["closed"]


async def test_large_body_stops_no_other_request() -> None:
    """While a body is read from its file, the event loop runs."""
    turns, read = 0, 0

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        nonlocal read
        before = turns
        while data := environ["wsgi.input"].read(2**18):
            read += len(data)
        start_response("200 OK" if turns > before else "500 No turn", [])
        return []

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    statuses: list[int] = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    receive = asyncio.Queue[Any]()
    receive.put_nowait({"type": "http.request", "body": bytes(2**20)})
    counting = asyncio.ensure_future(count())
    await GreenletWSGIMiddleware(app)(http_scope("/", method="POST"), receive.get, send)
    counting.cancel()
    assert (statuses[0], read) == (200, 2**20)


async def test_error_before_the_response() -> None:
    """An exception of the application reaches the server, and its response is closed."""
    closed: list[str] = []

    class Chunks:
        def __iter__(self) -> Iterator[bytes]:
            raise ValueError("broken")

        def close(self) -> None:
            wait_in_greenlet(asyncio.sleep(0))
            closed.append("closed")

    with pytest.raises(ValueError, match="broken"):
        await fetch(GreenletWSGIMiddleware(lambda environ, start: Chunks()), "/")
    assert closed == ["closed"]


def test_sqlalchemy_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without SQLAlchemy, the error names the extra."""
    greenlet_functions.cache_clear()
    monkeypatch.setitem(sys.modules, "sqlalchemy.util", None)
    with pytest.raises(ImportError, match="sqlalchemy"):
        GreenletWSGIMiddleware(Flask("app"))
