"""Connections under a real server: disconnected clients, streams, many requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from quart import Quart, websocket

from quartpatterns.sqlite3 import Connection, get_db, query_db, stream_query
from quartpatterns.sqlite3.example import port
from tests.databases import Stream, send_get, send_message, streams
from tests.serving import TIMEOUT, served
from tests.sqlite3.shop import (
    ENDLESS,
    INSERT,
    NUMBERS,
    committed_names,
    database,
    none_in_use,
    numbers,
    pool,
)

pytestmark = pytest.mark.wire


@pytest.mark.checks("SQ-2")
@pytest.mark.parametrize("how", ["in a query", "in a write", "in a transaction"])
async def test_client_disconnects(app: Quart, how: str) -> None:
    """If a client disconnects during a query, it is cancelled, and its connection returns."""
    app.config["CANCEL_ON_DISCONNECT"] = True  # FaithfulQuart needs it; Quart always cancels.
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
        # More requests than the pool has connections.
        for _ in range(5):
            running.clear()
            ended.clear()
            _, writer = await send_get(server.port, "/endless")
            await running.wait()
            writer.transport.abort()
            async with asyncio.timeout(TIMEOUT):
                await ended.wait()
            assert await none_in_use(app)
        assert (await server.client.get("/count")).text == "0"


@pytest.mark.checks("SQ-1", "SQ-2")
@streams
async def test_stream(app: Quart, stream_with_context: Stream) -> None:
    """A stream has a connection of its own, which returns at the end of the stream."""
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
@pytest.mark.parametrize("pause", [pytest.param(0, id="sending"), pytest.param(60, id="sleeping")])
@streams
async def test_client_disconnects_in_a_stream(
    app: Quart, pause: float, stream_with_context: Stream
) -> None:
    """If the client of a stream disconnects, the connection of the stream returns."""
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
            reader, writer = await send_get(server.port, "/")
            await began.wait()
            await reader.read(1000)
            writer.transport.abort()
            assert await none_in_use(app)


async def test_stream_without_context(app: Quart) -> None:
    """Without a context, the error names ``stream_with_context``."""
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
async def test_client_disconnects_from_a_websocket(app: Quart) -> None:
    """What the websocket has written is rolled back, and its connection returns."""
    written = asyncio.Event()

    @app.websocket("/")
    async def view() -> None:
        await query_db(INSERT, [await websocket.receive()])
        written.set()
        await websocket.receive()

    async with served(app) as server:
        for _ in range(5):
            written.clear()
            writer = await send_message(server.port)
            await written.wait()
            assert pool(app).in_use == 1
            writer.transport.abort()
            assert await none_in_use(app)
        assert await committed_names(app) == []


@pytest.mark.slow
@pytest.mark.checks("SQ-1", "SQ-2")
async def test_two_hundred_at_once(tmp_path: Path) -> None:
    """With a pool of five, no request fails or sees the uncommitted rows of another."""
    timeouts = {"SQLITE_POOL_TIMEOUT": 60, "SQLITE_BUSY_TIMEOUT": 60}
    app = port.create_app({"DATABASE": tmp_path / "test.db", "SQLITE_POOL_SIZE": 5, **timeouts})
    seen: dict[str, set[Connection]] = {}
    in_use: list[int] = []

    @app.get("/transaction/<name>")
    async def transaction(name: str) -> dict[str, object]:
        """Write a row without a commit, and return the uncommitted rows that are visible."""
        connections = seen.setdefault(name, set())
        connections.add(await get_db())
        await query_db("INSERT INTO users (name, email) VALUES (?, '')", [name])
        in_use.append(pool(app).in_use)
        await asyncio.sleep(0.002)
        connections.add(await get_db())
        rows = await query_db("SELECT name FROM users WHERE name LIKE 'pending%'")
        return {"pending": [row["name"] for row in rows]}

    async with served(app) as server:
        client = server.client
        responses = await asyncio.gather(
            *(
                client.post("/users", json={"name": f"new{n}", "email": f"{n}@localhost"})
                for n in range(100)
            ),
            *(client.get(f"/transaction/pending{n}") for n in range(100)),
        )
        assert sorted({response.status_code for response in responses}) == [200, 201]
        for n, response in enumerate(responses[100:]):
            assert response.json()["pending"] == [f"pending{n}"]
        pages = [(await client.get(f"/users?page={page}")).json()["users"] for page in range(1, 7)]
        stored = {user["name"] for users in pages for user in users}
        assert {f"new{n}" for n in range(100)} < stored
        assert not [name for name in stored if name.startswith("pending")]
        assert 1 <= max(in_use) <= 5
        assert all(len(connections) == 1 for connections in seen.values())
        assert len(set.union(*seen.values())) == 100
        assert await none_in_use(app)
