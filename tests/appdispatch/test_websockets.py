"""Websockets are dispatched as requests are, by a real Hypercorn."""

from __future__ import annotations

import asyncio

import pytest
from flask import Flask
from quart import Quart, websocket

from quartpatterns.appdispatch import (
    ASGIApp,
    DispatcherMiddleware,
    PathDispatcher,
    RouteDispatcher,
    SubdomainDispatcher,
    WSGIMiddleware,
    not_found,
)
from tests.appdispatch.wire import Log, connected, echo, open_websocket, served
from tests.serving import eventually

pytestmark = pytest.mark.wire


async def create_app(name: str) -> Quart | None:
    return echo(name) if name == "alice" else None


@pytest.mark.checks("AD-2", "AD-6")
@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/ws", (101, "app  /ws")),
        ("/a/ws", (101, "a /a /ws")),
        ("/a/", (101, "a /a /")),
        ("/a", (101, "a /a /")),
        ("/ab/ws", (404, "")),
        ("/users/alice/ws", (101, "alice /users/alice /ws")),
        ("/users/alice", (101, "alice /users/alice /")),
        ("/users/bob/ws", (404, "")),
    ],
)
async def test_paths(path: str, answer: tuple[int, str]) -> None:
    """A prefix without a slash is accepted, because websocket clients follow no redirects."""
    mounts: dict[str, ASGIApp] = {"/a": echo("a"), "/users": PathDispatcher(not_found, create_app)}
    async with served(DispatcherMiddleware(echo("app"), mounts)) as port:
        assert await open_websocket(port, path) == answer


@pytest.mark.checks("AD-3", "AD-4")
@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("alice.example.com", (101, "alice  /ws")),
        ("ALICE.example.com:80", (101, "alice  /ws")),
        ("bob.example.com", (404, "")),
        ("aliceexample.com", (404, "")),
        ("[::1]:80", (404, "")),
    ],
)
async def test_hosts(host: str, answer: tuple[int, str]) -> None:
    """A websocket for an unknown host is refused."""
    async with served(SubdomainDispatcher("example.com", create_app)) as port:
        assert await open_websocket(port, "/ws", host) == answer


@pytest.mark.checks("AD-4")
async def test_close() -> None:
    """A websocket is closed if the server cannot send a response to its handshake."""
    sent: list[dict[str, object]] = []
    incoming: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/ws", "headers": [(b"host", b"other")]}
    await SubdomainDispatcher("example.com", create_app)(scope, incoming.get, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.checks("AD-5")
async def test_not_stopped_during_a_websocket() -> None:
    """An application with an open websocket is not stopped."""
    log = Log()

    async def create(name: str) -> Quart:
        app = log.hooks(echo(name), name)

        @app.websocket("/wait")
        async def wait() -> None:
            await websocket.accept()
            log.append("open")
            await websocket.receive()

        return app

    dispatcher = PathDispatcher(not_found, create, max_instances=1)
    async with served(dispatcher) as port:
        async with connected(port) as (reader, writer):
            writer.write(
                b"GET /busy/wait HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                b"Sec-WebSocket-Version: 13\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            await eventually(lambda: "open" in log)
            await open_websocket(port, "/a/ws")
            await open_websocket(port, "/b/ws")
            await eventually(lambda: "stop b" in log)
            assert "stop busy" not in log
        await eventually(lambda: len(dispatcher.instances) == 1 or "stop busy" in log)


async def test_routes() -> None:
    """RouteDispatcher passes websockets to Quart; others are refused."""
    app = echo("app")
    app.asgi_app = RouteDispatcher(app, WSGIMiddleware(Flask("f")))  # type: ignore[method-assign]
    async with served(app) as port:
        assert await open_websocket(port, "/ws") == (101, "app  /ws")
        assert await open_websocket(port, "/other") == (404, "")
