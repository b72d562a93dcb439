"""Connections under a real server: clients that go away, streams, and many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from quart import Quart, websocket

from quartpatterns.sqlite3 import Connection, get_db, query_db, stream_query
from quartpatterns.sqlite3.example import port
from tests.serving import served
from tests.sqlite3.shop import (
    ENDLESS,
    NUMBERS,
    Stream,
    database,
    names,
    none_in_use,
    numbers,
    pool,
    streams,
)

pytestmark = pytest.mark.wire
INSERT = "INSERT INTO item (name) VALUES (?)"


async def start(port: int, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request, and return before its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    return reader, writer


@pytest.mark.checks("SQ-2")
@pytest.mark.parametrize("how", ["in a query", "in a write", "in a transaction"])
async def test_client_gone(app: Quart, how: str) -> None:
    """A client that goes away in the middle of a query takes it along, and costs no connection."""
    running, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await query_db(INSERT, ["lost"])
        running.set()
        await query_db(f"{INSERT[:24]} {ENDLESS}" if how == "in a write" else ENDLESS)

    @app.get("/endless")
    async def endless() -> str:
        try:
            if how == "in a transaction":
                async with database(app).transaction():
                    await work()
            else:
                await work()
        finally:
            ended.set()
        return ""

    @app.get("/count")
    async def count() -> str:
        return str(len(await query_db("SELECT * FROM item")))

    async with served(app) as server:
        # More often than there are connections.
        for _ in range(5):
            running.clear()
            ended.clear()
            _, writer = await start(server.port, "/endless")
            await running.wait()
            await asyncio.sleep(0.02)
            writer.transport.abort()
            async with asyncio.timeout(5):
                await ended.wait()
            assert await none_in_use(app)
        assert (await server.client.get("/count")).text == "0"


@pytest.mark.checks("SQ-1", "SQ-2")
@streams
async def test_stream(app: Quart, stream_with_context: Stream) -> None:
    """A stream has a connection of its own after the end of its request, and gives it back."""
    found: list[Connection] = []

    @app.get("/")
    async def view() -> AsyncIterator[bytes]:
        found.append(await get_db())

        @stream_with_context
        async def generate() -> AsyncGenerator[bytes]:
            async for row in stream_query(numbers(1000), batch_size=100):
                yield b"%d," % row["i"]
            found.append(await get_db())

        return generate()

    async with served(app) as server:
        response = await server.client.get("/")
        assert response.text == "".join(f"{number}," for number in range(1, 1001))
        assert await none_in_use(app)
        assert found[0].is_closed and found[1].is_closed
        assert found[0] is not found[1]


@pytest.mark.checks("SQ-2")
@pytest.mark.parametrize("pause", [pytest.param(0, id="in send"), pytest.param(60, id="in pause")])
@streams
async def test_stream_cut(app: Quart, pause: float, stream_with_context: Stream) -> None:
    """A stream whose client goes away closes its cursor, and gives its connection back."""
    began = asyncio.Event()

    @app.get("/")
    async def view() -> AsyncIterator[bytes]:
        @stream_with_context
        async def generate() -> AsyncGenerator[bytes]:
            async for row in stream_query(NUMBERS.format(where="") + "SELECT i FROM n"):
                began.set()
                yield bytes(100_000 + row["i"])
                await asyncio.sleep(pause)

        return generate()

    async with served(app) as server:
        for _ in range(5):
            began.clear()
            reader, writer = await start(server.port, "/")
            await began.wait()
            await reader.read(1000)
            writer.transport.abort()
            assert await none_in_use(app)


async def test_stream_without_context(app: Quart) -> None:
    """A generator that has lost its context is told what it wants."""
    failed: list[str] = []

    @app.get("/")
    async def view() -> AsyncIterator[bytes]:
        async def generate() -> AsyncGenerator[bytes]:
            yield b"x"
            try:
                async for _ in stream_query("SELECT 1"):
                    yield b"y"
            except RuntimeError as error:
                failed.append(str(error))

        return generate()

    async with served(app) as server:
        await server.client.get("/")
    assert not failed or "stream_with_context" in failed[0]


@pytest.mark.checks("SQ-2")
async def test_websocket_cut(app: Quart) -> None:
    """A websocket whose client goes away gives its connection back; nothing of it stays."""
    written = asyncio.Event()

    @app.websocket("/")
    async def view() -> None:
        await query_db(INSERT, [await websocket.receive()])
        written.set()
        await websocket.receive()

    async with served(app) as server:
        for _ in range(5):
            written.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            # RFC 6455: a final text frame of one byte, masked with zeros.
            writer.write(b"\x81\x81" + bytes(4) + b"x")
            await written.wait()
            assert pool(app).in_use == 1
            writer.transport.abort()
            assert await none_in_use(app)
        assert await names(app) == []


@pytest.mark.checks("SQ-1", "SQ-2")
async def test_two_hundred_at_once(tmp_path: Path) -> None:
    """200 requests at once on a pool of five: none fails, none sees the transaction of another."""
    waits = {"SQLITE_POOL_TIMEOUT": 60, "SQLITE_BUSY_TIMEOUT": 60}
    app = port.create_app({"DATABASE": tmp_path / "test.db", "SQLITE_POOL_SIZE": 5, **waits})
    seen: dict[str, set[Connection]] = {}
    held: list[int] = []

    @app.get("/transaction/<name>")
    async def transaction(name: str) -> dict[str, object]:
        """What a request has written and not committed is seen by itself only."""
        mine = seen.setdefault(name, set())
        mine.add(await get_db())
        await query_db("INSERT INTO users (name, email) VALUES (?, '')", [name])
        held.append(pool(app).in_use)
        await asyncio.sleep(0.002)
        mine.add(await get_db())
        rows = await query_db("SELECT name FROM users WHERE name LIKE 'pending%'")
        return {"pending": [row["name"] for row in rows]}

    async with served(app) as server:
        client = server.client
        answers = await asyncio.gather(
            *(
                client.post("/users", json={"name": f"new{n}", "email": f"{n}@localhost"})
                for n in range(100)
            ),
            *(client.get(f"/transaction/pending{n}") for n in range(100)),
        )
        assert sorted({answer.status_code for answer in answers}) == [200, 201]
        for n, answer in enumerate(answers[100:]):
            assert answer.json()["pending"] == [f"pending{n}"]
        pages = [(await client.get(f"/users?page={page}")).json()["users"] for page in range(1, 7)]
        stored = {user["name"] for users in pages for user in users}
        assert {f"new{n}" for n in range(100)} < stored
        assert not [name for name in stored if name.startswith("pending")]
        assert 1 <= max(held) <= 5
        assert all(len(mine) == 1 for mine in seen.values())
        assert len(set.union(*seen.values())) == 100
        assert await none_in_use(app)
