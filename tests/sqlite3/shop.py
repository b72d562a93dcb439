"""Applications for these tests, and a look at their pools."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import Any, cast

import pytest
import quart
from quart import Quart
from quart.utils import run_sync

from quartpatterns import streaming, subclassing
from quartpatterns.sqlite3 import SQLite
from quartpatterns.sqlite3.extension import AppDatabase
from quartpatterns.sqlite3.pool import ConnectionPool
from tests.serving import eventually

Stream = Callable[[Callable[[], AsyncIterator[bytes]]], Callable[[], AsyncIterator[bytes]]]

streams = pytest.mark.parametrize(
    "stream_with_context",
    [
        pytest.param(quart.stream_with_context, id="quart's"),
        pytest.param(streaming.stream_with_context, id="streaming's"),
        pytest.param(subclassing.stream_with_context, id="subclassing's"),
    ],
)
"""Each way there is to keep a context in a stream."""

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n{where}) "
ENDLESS = NUMBERS.format(where="") + "SELECT max(i) FROM n"
"""A statement that nobody wants to wait for."""


def numbers(count: int) -> str:
    """A query of *count* rows, from 1."""
    return NUMBERS.format(where=f" LIMIT {count}") + "SELECT i FROM n"


def make_app(app_class: type[Quart], database: object, **config: Any) -> Quart:
    """An application with the database at *database*."""
    app = app_class(__name__)
    app.config.from_mapping({"DATABASE": database} | config.pop("config", {}) | config)
    SQLite(app)
    return app


def app_database(app: Quart) -> AppDatabase:
    return cast("AppDatabase", app.extensions["sqlite3"])


def database(app: Quart) -> SQLite:
    return app_database(app).db


def pool(app: Quart) -> ConnectionPool:
    """The pool of *app* on the running event loop."""
    return app_database(app).connections.get().pool


async def none_in_use(app: Quart) -> bool:
    """Wait until all connections are back in the pool."""
    await eventually(lambda: pool(app).in_use == 0)
    return True


def names_now(file: object) -> list[str]:
    """The names of all items, as a stranger sees them."""
    with closing(sqlite3.connect(str(file))) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM item ORDER BY name")]


async def names(app: Quart) -> list[str]:
    """The same, without blocking the loop."""
    found: list[str] = await run_sync(names_now)(app_database(app).settings.database)
    return found


async def together(*works: Any) -> list[Any]:
    """All at once, and what each came to: a value, or an error."""
    return list(await asyncio.gather(*works, return_exceptions=True))
