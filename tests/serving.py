"""A real Hypercorn in the test's own loop, so that a test and what it serves can wait for each
other, and a client that reads only when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

__all__ = ["PATIENCE", "Served", "eventually", "served", "unread"]

PATIENCE = 20.0
"""Seconds after which a test gives up on what should come at once."""


@dataclass(frozen=True, slots=True)
class Served:
    """An application under Hypercorn: a client of it, its port, and how it is told to stop."""

    client: httpx.AsyncClient
    port: int
    stop: asyncio.Event
    server: asyncio.Task[None]


@contextlib.asynccontextmanager
async def served(app: Quart, *, graceful_timeout: float = 1.0) -> AsyncIterator[Served]:
    """*app* on a free port of 127.0.0.1, for as long as the context lasts."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    port: int = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = 512
    config.errorlog = None
    config.graceful_timeout = graceful_timeout
    stop = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        timeout=PATIENCE,
        trust_env=False,
        limits=httpx.Limits(max_connections=None),
    )
    try:
        async with client:
            yield Served(client, port, stop, server)
    finally:
        stop.set()
        await asyncio.wait_for(server, PATIENCE)


@contextlib.asynccontextmanager
async def unread(port: int, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """Ask for *path*, and leave the answer in small buffers until somebody reads it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=client, limit=4096)
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        yield reader
    finally:
        writer.transport.abort()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds, for as long as there is patience."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - of anything, not of an event of ours
            await asyncio.sleep(0.01)
