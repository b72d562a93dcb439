"""Applications for these tests, and what their pools and tables contain."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, closing
from typing import Any, cast

from quart import Quart
from quart.utils import run_sync

from quartpatterns.sqlite3 import SQLite
from quartpatterns.sqlite3.extension import AppDatabase
from quartpatterns.sqlite3.pool import ConnectionPool
from tests.serving import eventually

INSERT = "INSERT INTO item (name) VALUES (?)"
NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n{where}) "
ENDLESS = NUMBERS.format(where="") + "SELECT max(i) FROM n"
"""A statement that never ends."""


def numbers(count: int) -> str:
    """Return a query whose rows are the numbers from 1 to *count*."""
    return NUMBERS.format(where=f" LIMIT {count}") + "SELECT i FROM n"


def make_app(app_class: type[Quart], database: object, **config: Any) -> Quart:
    """Return an application that uses *database*.

    Its timeouts are long, so that a loaded machine changes nothing.
    """
    app = app_class(__name__)
    timeouts = {"SQLITE_POOL_TIMEOUT": 60, "SQLITE_BUSY_TIMEOUT": 60}
    app.config.from_mapping({"DATABASE": database} | timeouts | config)
    SQLite(app)
    return app


def app_database(app: Quart) -> AppDatabase:
    return cast("AppDatabase", app.extensions["sqlite3"])


def database(app: Quart) -> SQLite:
    return app_database(app).db


def pool(app: Quart) -> ConnectionPool:
    """Return the pool of *app* on the running event loop."""
    return app_database(app).connections.get().pool


async def none_in_use(app: Quart) -> bool:
    """Wait until all connections are back in the pool."""
    await eventually(lambda: pool(app).in_use == 0)
    return True


async def committed_names(app: Quart) -> list[str]:
    """Return the names of all items, as a connection outside of the application sees them."""

    def select() -> list[str]:
        with closing(sqlite3.connect(app_database(app).settings.database)) as connection:
            return [name for (name,) in connection.execute("SELECT name FROM item ORDER BY name")]

    return cast("list[str]", await run_sync(select)())


async def outcomes(*awaitables: Awaitable[object]) -> list[object]:
    """Await all at the same time; return the value or the error of each."""
    return list(await asyncio.gather(*awaitables, return_exceptions=True))


@asynccontextmanager
async def other_connection(file: object, script: str = "") -> AsyncIterator[sqlite3.Connection]:
    """Open a connection outside of the application, and execute *script* on it."""
    connection = await run_sync(sqlite3.connect)(str(file), check_same_thread=False)
    try:
        await run_sync(connection.executescript)(script)
        yield connection
    finally:
        await run_sync(connection.close)()


@asynccontextmanager
async def transaction_of_another_task(app: Quart) -> AsyncIterator[None]:
    """A task of the current context is in a transaction until the end of the block."""
    begun, end = asyncio.Event(), asyncio.Event()

    async def begin() -> None:
        async with database(app).transaction():
            begun.set()
            await end.wait()

    task = asyncio.create_task(begin())
    await begun.wait()
    yield
    end.set()
    await task
