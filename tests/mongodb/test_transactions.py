"""Transactions and change streams, on a replica set and without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from pymongo.errors import OperationFailure
from quart import Quart, ResponseReturnValue, stream_with_context

from quartpatterns.mongodb import MongoUnavailable, diagnose
from tests.mongodb.shop import Item, connection, make_app, mongo, names, pool
from tests.serving import eventually, served


@pytest_asyncio.fixture
async def app(app_class: type[Quart], replica_set: str) -> AsyncIterator[Quart]:
    """An application on an empty database of the replica set."""
    url = urlsplit(replica_set)._replace(path="/transactions").geturl()
    app = make_app(app_class, url)
    async with app.app_context():
        await mongo.client.drop_database("transactions")
        await mongo.create_indexes()
    yield app
    await connection(app).close()


async def test_commit(app: Quart) -> None:
    """Other connections see nothing before the commit, and everything after it."""
    async with app.app_context():
        async with mongo.transaction() as session:
            item = await Item(name="a").insert(session=session)
            await mongo.db["log"].insert_one({"item": item.id}, session=session)
            item.price = 7
            await item.save(session=session)
            assert await Item.find_one(Item.name == "a", session=session)
            assert await names(app) == []
        assert await names(app) == ["a"]
        assert await mongo.db["log"].count_documents({}) == 1


async def test_retryable_writes(app: Quart, app_class: type[Quart], mongodb_url: str) -> None:
    """Writes are retryable on a replica set, and not on a single server."""
    single = make_app(app_class, mongodb_url)
    async with app.test_app(), single.test_app():
        assert "retryWrites" not in connection(app).settings.options
        assert connection(single).settings.options["retryWrites"] is False


async def test_error(app: Quart) -> None:
    """An error rolls the transaction back."""
    async with app.app_context():
        await Item(name="a").insert()
        with pytest.raises(OperationFailure, match="duplicate") as caught:
            async with mongo.transaction() as session:
                await Item(name="b").insert(session=session)
                await Item(name="a").insert(session=session)
        assert await names(app) == ["a"]
    answer = diagnose(caught.value)
    assert answer is not None
    assert answer.code == 409


async def test_cancelled(app: Quart) -> None:
    """A cancellation rolls back, and releases locks and connections."""
    inserted = asyncio.Event()
    async with app.app_context():

        async def work() -> None:
            async with mongo.transaction() as session:
                await Item(name="a").insert(session=session)
                inserted.set()
                await asyncio.sleep(600)

        for _ in range(5):
            inserted.clear()
            task = asyncio.create_task(work())
            await inserted.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.wait_for(Item(name="a").insert(), 60)
        assert await names(app) == ["a"]
        assert pool(app).active_sockets == 0


async def test_conflict(app: Quart) -> None:
    """Of two transactions that change the same document one gets a 503."""
    async with app.app_context():
        item = await Item(name="a").insert()
        with pytest.raises(OperationFailure) as caught:
            async with mongo.transaction() as one, mongo.transaction() as two:
                item.price = 1
                await item.save(session=one)
                item.price = 2
                await item.save(session=two)
    answer = diagnose(caught.value)
    assert isinstance(answer, MongoUnavailable)
    assert "Another request is writing" in str(answer)


async def test_with_retry(app: Quart) -> None:
    """With PyMongo's retries twenty concurrent transactions lose no update."""
    async with app.app_context():
        item = await Item(name="a").insert()

        async def count() -> None:
            async def work(session: object) -> None:
                found = await Item.get(item.id, session=session)  # type: ignore[arg-type]
                assert found is not None
                found.price += 1
                await found.save(session=session)  # type: ignore[arg-type]

            async with mongo.client.start_session() as session:
                await session.with_transaction(work)

        await asyncio.gather(*(count() for _ in range(20)))
        found = await Item.get(item.id)
        assert found is not None
        assert found.price == 20


async def test_without_a_replica_set(app_class: type[Quart], mongodb_url: str) -> None:
    """Without a replica set the answer is a 503 that says how to start one."""
    app = make_app(app_class, mongodb_url)

    @app.post("/transaction")
    async def transaction() -> str:
        async with mongo.transaction() as session:
            await Item(name="x").insert(session=session)
        return ""

    @app.get("/changes")
    async def changes() -> str:
        async with await mongo.db["item"].watch():
            return ""

    async with app.test_app():
        client = app.test_client()
        for response in (await client.post("/transaction"), await client.get("/changes")):
            assert response.status_code == 503
            assert "mongod with --replSet" in await response.get_data(as_text=True)
        assert await names(app) == []


@pytest.mark.wire
async def test_changes(app: Quart) -> None:
    """Changes are sent while they happen; the change stream ends when the client disconnects."""
    ended = asyncio.Event()

    @app.get("/changes")
    async def changes() -> ResponseReturnValue:
        @stream_with_context
        async def generate() -> AsyncGenerator[str]:
            try:
                async with await mongo.db["item"].watch() as stream:
                    yield ": watching\n\n"
                    async for change in stream:
                        yield f"data: {change['fullDocument']['name']}\n\n"
            finally:
                ended.set()

        return generate(), {"Content-Type": "text/event-stream"}

    async with served(app) as server:
        async with server.client.stream("GET", "/changes") as response:
            lines = response.aiter_lines()
            assert await anext(lines) == ": watching"
            async with app.app_context():
                for name in ("a", "b"):
                    await Item(name=name).insert()
                    while not (line := await anext(lines)):
                        pass
                    assert line == f"data: {name}"
        await eventually(ended.is_set)
        await eventually(lambda: pool(app).active_sockets == 0)
