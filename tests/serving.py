"""Serve an application with Hypercorn in the event loop of the test, and send requests to it."""

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

__all__ = ["TIMEOUT", "Served", "eventually", "idle_tasks", "served", "unread_response"]

TIMEOUT = 60.0
"""Seconds after which a test fails that waits for something; it usually takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Served:
    """An application under Hypercorn; setting *stop* shuts it down."""

    client: httpx.AsyncClient
    port: int
    stop: asyncio.Event
    server: asyncio.Task[None]


@contextlib.asynccontextmanager
async def served(
    app: Quart, *, graceful_timeout: float = 1.0, send_buffer: int | None = None
) -> AsyncIterator[Served]:
    """Serve *app* on a free port of 127.0.0.1 until the context is left.

    The system takes megabytes for a client that reads nothing, unless *send_buffer* limits it.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    port: int = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = 512
    config.errorlog = None
    config.graceful_timeout = graceful_timeout
    # On a loaded machine, the client may use a connection again after the default of 5 seconds.
    config.keep_alive_timeout = TIMEOUT
    stop = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        timeout=TIMEOUT,
        trust_env=False,
        limits=httpx.Limits(max_connections=None),
    )
    try:
        async with client:
            yield Served(client, port, stop, server)
    finally:
        stop.set()
        await asyncio.wait_for(server, TIMEOUT)


@contextlib.asynccontextmanager
async def unread_response(port: int, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """Request *path*, and yield a reader of the response. The client has small buffers.

    While the test does not read, the server can't send more than a few kilobytes.
    """
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
    """Wait until *condition* is true.

    Raises:
        TimeoutError: It is still false after :data:`TIMEOUT` seconds.
    """
    async with asyncio.timeout(TIMEOUT):
        while not condition():  # noqa: ASYNC110 - any condition, not an event
            await asyncio.sleep(0.01)


async def idle_tasks(port: int) -> int:
    """Return the number of tasks in the event loop while a server has no connection.

    The server has started all of its tasks when it has answered, and the task of the answered
    connection has ended when the number stays the same.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /unknown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(TIMEOUT):
        await reader.read()
    writer.close()
    counts = [0]
    while len(counts) < 10 or min(counts[-10:]) != max(counts[-10:]):
        await asyncio.sleep(0.01)
        counts.append(len(asyncio.all_tasks()))
    return counts[-1]
