"""What the tests of this pattern share: a server, requests as bytes, and ASGI callables."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from quart import Quart

from quartpatterns.subclassing.example.differences.frameworks import Framework

__all__ = ["GET", "Client", "chunk", "http2", "post", "scope", "served"]

GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(path: str, *lines: str) -> bytes:
    """Return the head of a POST request."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextlib.asynccontextmanager
async def served(app: Quart) -> AsyncIterator[int]:
    """Serve *app* with Hypercorn and yield the port."""
    async with Framework("FaithfulQuart").served(app) as port:
        yield port


@contextlib.asynccontextmanager
async def http2(port: int) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client that uses only HTTP/2."""
    base = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(http1=False, http2=True, base_url=base, timeout=60) as client:
        yield client


def scope(**changes: Any) -> dict[str, Any]:
    """Return the ASGI scope of a request for ``/``."""
    return {
        "type": "http",
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("192.0.2.1", 1234),
        "server": ("127.0.0.1", 80),
        "extensions": {},
    } | changes


class Client:
    """A client of one request, which calls the application over ASGI without a server.

    Arguments:
        messages: What :meth:`receive` returns; by default a request without a body.

    Attributes:
        received: How many messages the application has asked for.
        sent: The messages that the application has sent.
    """

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.received = 0
        self.sent: list[dict[str, Any]] = []
        for message in messages or ({"type": "http.request", "body": b"", "more_body": False},):
            self.queue.put_nowait(message)

    async def receive(self) -> Any:
        self.received += 1
        return await self.queue.get()

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def disconnect(self) -> None:
        self.queue.put_nowait({"type": "http.disconnect"})
