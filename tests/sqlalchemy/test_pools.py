"""The pool, when more tasks want a connection than there are."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import AsyncAdaptedQueuePool, NullPool, event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from quartpatterns.compare.processes import free_port
from quartpatterns.sqlalchemy import async_url, make_engine
from quartpatterns.sqlalchemy.pools import FairPool
from tests.serving import eventually
from tests.sqlalchemy.shop import Item, checked_out, db, make_app, pool, registration


async def query(app: Quart, statement: str = "SELECT 1") -> None:
    async with app.app_context():
        await db.session.execute(text(statement))


async def test_no_connection_is_closed(app_class: type[Quart], url: str) -> None:
    """Under load no connection is closed and opened again, as SQLAlchemy's pool does."""
    app = make_app(app_class, url, {"pool_size": 2, "max_overflow": 8})
    made: list[object] = []
    event.listen(pool(app), "connect", lambda connection, record: made.append(connection))

    async def work() -> None:
        for _ in range(20):
            await query(app)

    await asyncio.gather(*(work() for _ in range(30)))
    # SQLAlchemy's pool makes more than a hundred.
    assert len(made) <= 20
    assert checked_out(app) == 0
    found = pool(app)
    assert isinstance(found, FairPool)
    assert found.checkedin() == 2
    await registration(app).close()


async def test_first_come_first_served(app_class: type[Quart], url: str) -> None:
    app = make_app(app_class, url, {"pool_size": 1, "max_overflow": 0})
    order: list[int] = []

    async def work(number: int) -> None:
        async with app.app_context():
            await db.session.execute(text("SELECT 1"))
            order.append(number)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert order == list(range(20))
    await registration(app).close()


async def test_cancelled_handover(app_class: type[Quart], url: str) -> None:
    """A task that is cancelled when it gets a connection passes it on."""
    app = make_app(app_class, url, {"pool_size": 1, "max_overflow": 0, "pool_timeout": 5})

    async def hold(held: asyncio.Event, go: asyncio.Event) -> None:
        async with app.app_context():
            await db.session.execute(text("SELECT 1"))
            held.set()
            await go.wait()

    for delay in range(8):
        held, go = asyncio.Event(), asyncio.Event()
        holder = asyncio.create_task(hold(held, go))
        await held.wait()
        tasks = [asyncio.create_task(query(app)) for _ in range(3)]
        await asyncio.sleep(0.01)
        go.set()
        for _ in range(delay):
            await asyncio.sleep(0)
        tasks[0].cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(holder, *tasks[1:])
            await asyncio.gather(tasks[0], return_exceptions=True)
        assert checked_out(app) == 0
        assert pool(app).checkedin() == 1  # type: ignore[attr-defined]
    await registration(app).close()


async def test_timeout(app_class: type[Quart], url: str) -> None:
    """A task that waits too long gets an error, and a later connection goes to another task."""
    app = make_app(app_class, url, {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05})
    async with app.app_context():
        await db.session.execute(text("SELECT 1"))
        with pytest.raises(PoolTimeoutError, match="limit of size 1"):
            await asyncio.create_task(query(app), context=Context())
    await query(app)
    assert checked_out(app) == 0
    await registration(app).close()


async def test_connection_opened_by_another_task(app_class: type[Quart], url: str) -> None:
    """A task that may open a connection waits on if another task was faster."""
    app = make_app(app_class, url, {"pool_size": 1, "max_overflow": 0, "pool_timeout": 60})
    async with app.app_context():
        await db.session.execute(text("SELECT 1"))
        queue: Any = pool(app)._pool  # type: ignore[attr-defined]
        waiting = asyncio.create_task(query(app), context=Context())
        await eventually(queue.has_waiters)
        queue.notify()
        await eventually(queue.has_waiters)
    await waiting
    assert checked_out(app) == 0
    await registration(app).close()


async def test_unreachable_server(app_class: type[Quart]) -> None:
    """If no connection can be opened, all waiting tasks get an error at once."""
    url = f"postgresql://user:secret@127.0.0.1:{free_port()}/name"
    app = make_app(app_class, url, {"pool_size": 1, "max_overflow": 1, "pool_timeout": 60})
    async with asyncio.timeout(20):
        found = await asyncio.gather(*(query(app) for _ in range(30)), return_exceptions=True)
    assert all(isinstance(error, DBAPIError) for error in found)
    assert checked_out(app) == 0


@pytest.mark.parametrize("lifo", [True, False])
async def test_order_of_use(url: str, lifo: bool) -> None:
    """pool_use_lifo chooses the connection that is used next."""
    engine = make_engine(async_url(url), options={"pool_size": 3, "pool_use_lifo": lifo})
    one, two = await engine.connect(), await engine.connect()
    drivers = [(await each.get_raw_connection()).driver_connection for each in (one, two)]
    await one.close()
    await two.close()
    async with engine.connect() as again:
        found = (await again.get_raw_connection()).driver_connection
    assert found is drivers[1 if lifo else 0]
    await engine.dispose()


async def test_pools_of_the_user(url: str) -> None:
    """poolclass is respected, and pool_size=0 means no limit."""
    for poolclass in (NullPool, AsyncAdaptedQueuePool):
        engine = make_engine(async_url(url), options={"poolclass": poolclass})
        assert type(engine.pool) is poolclass
        await engine.dispose()
    engine = make_engine(async_url(url), options={"pool_size": 0})
    connections = await asyncio.gather(*(engine.connect() for _ in range(20)))
    await asyncio.gather(*(connection.close() for connection in connections))
    assert engine.pool.checkedin() == 20  # type: ignore[attr-defined]
    await engine.dispose()


async def test_after_dispose(app: Quart) -> None:
    """A disposed engine connects again."""
    async with app.app_context():
        await db.session.scalars(select(Item))
        await db.session.rollback()
        await db.engine.dispose()
        await db.session.scalars(select(Item))
    assert checked_out(app) == 0
