"""Sessions under a real server: clients that go away, streams, and many at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from quart import Quart, websocket
from quart.utils import run_sync
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from quartpatterns.sqlalchemy.example import port
from quartpatterns.sqlalchemy.migrations import upgrade
from tests.databases import Stream, send_get, send_message, streams
from tests.serving import served
from tests.sqlalchemy.shop import (
    ENDLESS,
    Item,
    checked_out,
    db,
    names,
    registration,
    wait_for_connections,
)

pytestmark = pytest.mark.wire


@pytest.mark.checks("SA-3")
async def test_disconnect_during_query(app: Quart) -> None:
    """A query ends when its client disconnects, and no connection leaks."""
    app.config["CANCEL_ON_DISCONNECT"] = True  # FaithfulQuart needs it; Quart always cancels.
    statement = ENDLESS[registration(app).url.get_backend_name()]
    running, ended = asyncio.Event(), asyncio.Event()

    @app.get("/endless")
    async def endless() -> str:
        try:
            db.session.add(Item(name="lost"))
            await db.session.flush()
            running.set()
            await db.session.execute(statement)
        finally:
            ended.set()
        return ""

    @app.get("/count")
    async def count() -> str:
        return str(len((await db.session.scalars(select(Item))).all()))

    async with served(app) as server:
        # More often than there are connections.
        for _ in range(8):
            running.clear()
            ended.clear()
            _, writer = await send_get(server.port, "/endless")
            await running.wait()
            await asyncio.sleep(0.02)
            writer.transport.abort()
            async with asyncio.timeout(5):
                await ended.wait()
            assert await wait_for_connections(app)
        assert (await server.client.get("/count")).text == "0"


@pytest.mark.checks("SA-3")
@streams
async def test_stream(app: Quart, stream_with_context: Stream) -> None:
    """A stream has its own session, and closes it."""
    sessions: list[AsyncSession] = []

    @app.get("/")
    async def view() -> AsyncIterator[bytes]:
        sessions.append(db.session)
        await db.session.execute(text("SELECT 1"))

        @stream_with_context
        async def generate() -> AsyncGenerator[bytes]:
            for _ in range(3):
                sessions.append(db.session)
                await db.session.execute(text("SELECT 1"))
                yield f"{checked_out(app)} held, ".encode()

        return generate()

    async with served(app) as server:
        response = await server.client.get("/")
        assert response.text == "1 held, " * 3
        assert len(set(sessions)) == 2
        assert await wait_for_connections(app)


@pytest.mark.checks("SA-3")
@pytest.mark.parametrize("pause", [pytest.param(0, id="in send"), pytest.param(60, id="in pause")])
@streams
async def test_disconnect_during_stream(
    app: Quart, pause: float, stream_with_context: Stream
) -> None:
    """A stream closes its session when the client disconnects."""
    began = asyncio.Event()

    @app.get("/")
    async def view() -> AsyncIterator[bytes]:
        @stream_with_context
        async def generate() -> AsyncGenerator[bytes]:
            while True:
                await db.session.execute(text("SELECT 1"))
                began.set()
                yield bytes(1_000_000)
                await asyncio.sleep(pause)

        return generate()

    async with served(app) as server:
        for _ in range(8):
            began.clear()
            reader, writer = await send_get(server.port, "/")
            await began.wait()
            await reader.read(1000)
            writer.transport.abort()
            assert await wait_for_connections(app)


async def test_disconnect_of_websocket(app: Quart) -> None:
    """A websocket rolls back and closes its session when the client disconnects."""
    flushed = asyncio.Event()

    @app.websocket("/")
    async def view() -> None:
        db.session.add(Item(name=await websocket.receive()))
        await db.session.flush()
        flushed.set()
        await websocket.receive()

    async with served(app) as server:
        for _ in range(8):
            flushed.clear()
            writer = await send_message(server.port)
            await flushed.wait()
            assert checked_out(app) == 1
            writer.transport.abort()
            assert await wait_for_connections(app)
        assert await names(app) == []


@pytest.mark.checks("SA-3")
@pytest.mark.slow
async def test_200_concurrent_requests(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 200 concurrent requests on a pool of ten none fails or sees another's session."""
    await run_sync(upgrade)(postgres_url)
    app = port.create_app(
        {
            "SQLALCHEMY_DATABASE_URI": postgres_url,
            "SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 10, "max_overflow": 0},
        }
    )
    seen: dict[str, set[AsyncSession]] = {}
    held: list[int] = []

    @app.get("/transaction/<name>")
    async def transaction(name: str) -> dict[str, object]:
        """What a request has added and not committed is seen by itself only."""
        mine = seen.setdefault(name, set())
        mine.add(port.db.session)
        port.db.session.add(port.User(name, f"{name}@localhost"))
        await port.db.session.flush()
        held.append(checked_out(app))
        await asyncio.sleep(0.005)
        mine.add(port.db.session)
        pending = (await port.db.session.scalars(select(port.User.name))).all()
        backend = (await port.db.session.execute(text("SELECT txid_current()"))).scalar_one()
        return {"pending": [one for one in pending], "transaction": str(backend)}

    async with served(app) as server:
        client = server.client
        began = time.perf_counter()
        answers = await asyncio.gather(
            *(
                client.post("/users", json={"name": f"user{n}", "email": f"{n}@localhost"})
                for n in range(100)
            ),
            *(client.get(f"/transaction/pending{n}") for n in range(100)),
        )
        took = time.perf_counter() - began
        total = (await client.get("/users")).json()["total"]
        codes = [answer.status_code for answer in answers]
        assert sorted(set(codes)) == [200, 201]
        assert total == 100
        for n, answer in enumerate(answers[100:]):
            strangers = [name for name in answer.json()["pending"] if name.startswith("pending")]
            assert strangers == [f"pending{n}"]
        assert 1 < max(held) <= 10
        assert len({answer.json()["transaction"] for answer in answers[100:]}) == 100
        assert all(len(sessions) == 1 for sessions in seen.values())
        assert len(set.union(*seen.values())) == 100
        assert await wait_for_connections(app)
    with capsys.disabled():
        print(  # noqa: T201  the numbers are the point
            f"\n200 requests at once, pool of 10: {codes.count(201)} created,"
            f" {codes.count(200)} read, 0 failed, at most {max(held)} connections held,"
            f" {len(set.union(*seen.values()))} sessions, {took:.2f} s"
        )
