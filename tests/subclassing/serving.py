"""What the tests of this pattern share: a server, and requests as bytes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import httpx
from quart import Quart

from quartpatterns.subclassing.example.differences.frameworks import Framework

__all__ = ["GET", "chunk", "http2", "post", "served"]

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
