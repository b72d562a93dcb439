"""``WSGIMiddleware`` and ``GreenletWSGIMiddleware``: slow, large and incomplete bodies."""

from __future__ import annotations

import asyncio
import logging
import threading
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from flask import Flask, request

from quartpatterns.appdispatch import GreenletWSGIMiddleware, WSGIMiddleware
from tests.appdispatch.wire import connected, exchange, served
from tests.serving import TIMEOUT, eventually, unread_response

pytestmark = [pytest.mark.wire, pytest.mark.checks("AD-8")]

MIB = 2**20
CLIENTS = 32


class Old:
    """A Flask application that counts its requests."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.app = Flask("old")
        self.app.add_url_rule("/", view_func=self.index)
        self.app.add_url_rule("/size", view_func=self.size, methods=["POST"])
        self.app.add_url_rule("/large", view_func=self.large)
        self.app.add_url_rule("/endless", view_func=self.endless)

    def index(self) -> str:
        return "answered"

    def size(self) -> str:
        self.calls.append(threading.current_thread().name)
        size = 0
        while data := request.stream.read(65536):
            size += len(data)
        return str(size)

    def large(self) -> bytes:
        self.calls.append("large")
        return bytes(16 * MIB)

    def endless(self) -> Any:
        try:
            while True:
                yield bytes(65536)
        finally:
            self.calls.append("closed")


@pytest.fixture(
    params=[WSGIMiddleware, pytest.param(GreenletWSGIMiddleware, marks=pytest.mark.slow)]
)
def middleware(request: pytest.FixtureRequest) -> Any:
    """The class that runs the application."""
    return request.param


@pytest.fixture
def old() -> Old:
    return Old()


def head(path: str = "/size", *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: h", *lines, "", ""]).encode()


HALVES = [
    pytest.param(head("/size", "Content-Length: 1000") + bytes(500), bytes(500), id="length"),
    pytest.param(
        head("/size", "Transfer-Encoding: chunked") + b"1f4\r\n" + bytes(500) + b"\r\n",
        b"1f4\r\n" + bytes(500) + b"\r\n0\r\n\r\n",
        id="chunked",
    ),
]


@pytest.mark.parametrize(("half", "rest"), HALVES)
async def test_half_bodies(old: Old, half: bytes, rest: bytes) -> None:
    """32 clients that send half a body hold no thread, and are answered when they send the rest."""
    async with served(WSGIMiddleware(old.app)) as port, AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connected(port)) for _ in range(CLIENTS)]
        for _, writer in connections:
            writer.write(half)
            await writer.drain()
        async with httpx.AsyncClient(timeout=TIMEOUT / 2) as client:
            for _ in range(3):
                assert (await client.get(f"http://127.0.0.1:{port}/")).text == "answered"
            assert not old.calls
            for _, writer in connections:
                writer.write(rest)
            for reader, _ in connections:
                async with asyncio.timeout(TIMEOUT):
                    assert (await reader.readuntil(b"1000")).startswith(b"HTTP/1.1 200")
    assert len(old.calls) == CLIENTS
    assert all(name.startswith("wsgi") for name in old.calls)


@pytest.mark.slow
@pytest.mark.parametrize(("half", "rest"), HALVES)
async def test_disconnect_in_body(old: Old, half: bytes, rest: bytes, middleware: Any) -> None:
    """The application never sees an incomplete body."""
    async with served(middleware(old.app)) as port:
        before = len(asyncio.all_tasks())
        async with connected(port) as (_, writer):
            writer.write(half)
            await writer.drain()
            await eventually(lambda: len(asyncio.all_tasks()) > before)
        await eventually(lambda: len(asyncio.all_tasks()) <= before)
        assert await exchange_index(port) == b"answered"
    assert not old.calls


async def exchange_index(port: int) -> bytes:
    answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    return answer.rpartition(b"\r\n\r\n")[2]


async def test_large_bodies_are_not_in_memory(old: Old, middleware: Any) -> None:
    """A body of 64 MiB takes less than 8 MiB of memory."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield block

    block = bytes(MIB)
    async with served(middleware(old.app)) as port, httpx.AsyncClient(timeout=60) as client:
        tracemalloc.start()
        try:
            response = await client.post(f"http://127.0.0.1:{port}/size", content=chunks())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert response.text == str(64 * MIB)
    assert peak < 8 * MIB


@pytest.mark.parametrize("kind", ["declared", "chunked"])
async def test_too_large(old: Old, kind: str, middleware: Any) -> None:
    """A body over the limit is refused with 413, and the client can read the answer."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(65536)

    app = middleware(old.app, max_body_size=100_000)
    async with served(app) as port, httpx.AsyncClient(timeout=60) as client:
        url = f"http://127.0.0.1:{port}/size"
        content: Any = bytes(4 * 65536) if kind == "declared" else chunks()
        response = await client.post(url, content=content)
        assert response.status_code == 413
        assert response.headers["connection"] == "close"
        assert "Request Entity Too Large" in response.text
        assert not old.calls
        assert (await client.post(url, content=bytes(100_000))).text == "100000"


async def test_too_large_and_never_sent(old: Old) -> None:
    """A client that declares too much and sends nothing is answered as well."""
    async with served(WSGIMiddleware(old.app, max_body_size=1000)) as port:
        answer = await exchange(port, head("/size", "Content-Length: 10000000000"))
    assert answer.startswith(b"HTTP/1.1 413")


async def test_slow_body(old: Old, middleware: Any) -> None:
    """A client that sends nothing more for ``body_timeout`` is refused with 408."""
    async with served(middleware(old.app, body_timeout=0.2)) as port:
        answer = await exchange(port, head("/size", "Content-Length: 1000") + bytes(500))
        assert answer.startswith(b"HTTP/1.1 408")
        assert await exchange_index(port) == b"answered"
    assert not old.calls


async def test_slow_but_sending(old: Old) -> None:
    """The limit is for each part, not for the whole body."""
    async with (
        served(WSGIMiddleware(old.app, body_timeout=2.0)) as port,
        connected(port) as (reader, writer),
    ):
        writer.write(head("/size", "Content-Length: 1000"))
        for _ in range(10):
            writer.write(bytes(100))
            await asyncio.sleep(0.3)
        assert (await reader.readuntil(b"1000")).startswith(b"HTTP/1.1 200")


async def test_expect_continue(old: Old) -> None:
    """A client that asks for permission sends its body after 100."""
    async with (
        served(WSGIMiddleware(old.app)) as port,
        connected(port) as (reader, writer),
        asyncio.timeout(TIMEOUT),
    ):
        writer.write(head("/size", "Expect: 100-continue", "Content-Length: 1000"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(bytes(1000))
        assert (await reader.readuntil(b"1000")).startswith(b"HTTP/1.1 200")


async def test_stalled_readers(old: Old, caplog: pytest.LogCaptureFixture) -> None:
    """Clients that take nothing of a response are cut, and give their threads back."""
    caplog.set_level(logging.WARNING, "quartpatterns.appdispatch")
    app = WSGIMiddleware(old.app, threads=2, send_timeout=0.3)
    async with served(app) as port, AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(unread_response(port, "/endless"))
        assert await exchange_index(port) == b"answered"
        await eventually(lambda: old.calls == ["closed"] * 4)
    messages = [record.getMessage() for record in caplog.records]
    assert (
        messages.count("GET /endless: the client took nothing for 0.3 s, so its response was cut")
        == 4
    )


async def test_whole_responses_hold_no_thread(old: Old) -> None:
    """A client that does not read its page holds no thread: the page has been made."""
    async with served(WSGIMiddleware(old.app, threads=1)) as port, AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(unread_response(port, "/large"))
        await eventually(lambda: len(old.calls) == 4)
        assert await exchange_index(port) == b"answered"


@pytest.mark.parametrize("name", ["threads", "max_body_size", "body_timeout", "send_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_invalid(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a number, more than 0"):
        WSGIMiddleware(Flask("old"), **{name: value})


async def test_no_limits(old: Old, middleware: Any) -> None:
    """``None`` turns a limit off."""
    app = middleware(old.app, max_body_size=None, body_timeout=None, send_timeout=None)
    async with served(app) as port, httpx.AsyncClient(timeout=TIMEOUT) as client:
        response = await client.post(f"http://127.0.0.1:{port}/size", content=bytes(MIB))
        assert response.text == str(MIB)
    async with served(app) as port, connected(port) as (reader, writer), asyncio.timeout(TIMEOUT):
        # With the default limit, the answer would be 413.
        writer.write(head("/size", "Expect: 100-continue", f"Content-Length: {2**30 + 1}"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
