"""Applications behind a real Hypercorn, and clients that send raw bytes or scopes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, request, url_for, websocket

from quartpatterns.appdispatch import ASGIApp
from quartpatterns.compare.processes import accepts, free_port
from tests.serving import eventually

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def served(app: ASGIApp, **settings: Any) -> AsyncIterator[int]:
    """Serve *app* by Hypercorn, and yield its port."""
    config, stop, port = Config(), asyncio.Event(), free_port()
    config.bind = [f"127.0.0.1:{port}"]
    config.loglevel = "CRITICAL"
    config.graceful_timeout = 1.0
    for name, value in settings.items():
        setattr(config, name, value)

    serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        while not await asyncio.to_thread(accepts, port):
            if serving.done():
                await serving
            await asyncio.sleep(0.01)
        yield port
    finally:
        stop.set()
        await serving


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """Open a TCP connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(port: int, request: bytes) -> bytes:
    """Send *request* and return all that comes back until the server closes."""
    async with connected(port) as (reader, writer):
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 60)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def fetch(
    app: ASGIApp,
    path: str,
    *,
    method: str = "GET",
    host: str | None = "localhost",
    query: bytes = b"",
    root_path: str = "",
    state: dict[str, Any] | None = None,
) -> Answer:
    """Send a request to *app* in this process, with exactly these values in the scope."""
    messages: list[dict[str, Any]] = []
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    scope = http_scope(path, method=method, host=host, query=query, root_path=root_path)
    scope |= {} if state is None else {"state": state}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, incoming.get, send)
    start, *parts = messages
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(part["body"] for part in parts))


def http_scope(
    path: str,
    *,
    method: str = "GET",
    host: str | None = "localhost",
    query: bytes = b"",
    root_path: str = "",
) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": b"",
        "query_string": query,
        "root_path": root_path,
        "headers": [] if host is None else [(b"host", host.encode())],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "extensions": {},
    }


class Log(list[str]):
    """A list of events, in order."""

    def hooks(self, app: Quart, name: str) -> Quart:
        """Make *app* log its start-up and shutdown."""

        @app.while_serving
        async def serving() -> AsyncGenerator[None, None]:
            self.append(f"start {name}")
            yield
            self.append(f"stop {name}")

        return app


def echo(name: str, cls: type[Quart] = Quart) -> Quart:
    """Return an application that answers with its name and the paths that it gets."""
    app = cls(__name__)

    @app.get("/")
    @app.get("/x/")
    async def x() -> dict[str, str]:
        return {
            "app": name,
            "root": request.root_path,
            "path": request.path,
            "link": url_for("x"),
        }

    @app.websocket("/")
    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send(f"{name} {websocket.root_path} {websocket.path}")

    return app


def failing(message: str) -> Quart:
    """Return an application whose start-up fails."""
    app = Quart(__name__)

    @app.before_serving
    async def fail() -> None:
        raise RuntimeError(message)

    return app


@contextlib.asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[list[dict[str, Any]]]:
    """Run the lifespan of *app* as a server does, and yield its messages."""
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.ensure_future(_awaited(app(scope, incoming.get, send)))
    try:
        incoming.put_nowait({"type": "lifespan.startup"})
        await eventually(lambda: bool(messages) or running.done())
        yield messages
        incoming.put_nowait({"type": "lifespan.shutdown"})
        if not messages[0]["type"].endswith("failed"):
            await eventually(lambda: len(messages) > 1)
    finally:
        await asyncio.wait({running}, timeout=60)
        running.cancel()


async def _awaited(call: Awaitable[None]) -> None:
    await call


async def open_websocket(port: int, path: str, host: str = "localhost") -> tuple[int, str]:
    """Open a websocket, and return the status of the handshake and the first message."""
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with connected(port) as (reader, writer), asyncio.timeout(60):
        writer.write(head.encode())
        status = int((await reader.readuntil(b"\r\n\r\n")).split()[1])
        if status != 101:
            return status, ""
        _, length = await reader.readexactly(2)  # a short frame of a server: no mask
        return status, (await reader.readexactly(length)).decode()
