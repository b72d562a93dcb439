"""An application with a table, on each class of application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from quart import Quart

from tests.sqlite3.shop import app_database, database, make_app


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of a database that is not there yet."""
    return tmp_path / "test.db"


@pytest.fixture
async def app(app_class: type[Quart], file: Path) -> AsyncIterator[Quart]:
    """An application with three connections at most, and an empty table ``item``.

    It waits long for a connection and for a transaction, so that a loaded machine changes nothing.
    """
    async with application(app_class, file, timeout=30) as app:
        yield app


@pytest.fixture
async def app_with_short_timeouts(app_class: type[Quart], file: Path) -> AsyncIterator[Quart]:
    """The same application, for tests in which it waits in vain."""
    async with application(app_class, file, timeout=0.3) as app:
        yield app


@asynccontextmanager
async def application(
    app_class: type[Quart], file: Path, *, timeout: float
) -> AsyncIterator[Quart]:
    waits = {"SQLITE_POOL_TIMEOUT": timeout, "SQLITE_BUSY_TIMEOUT": timeout}
    app = make_app(app_class, file, SQLITE_POOL_SIZE=3, **waits)
    async with app.app_context(), database(app).transaction() as connection:
        await connection.execute(
            "CREATE TABLE item (name TEXT UNIQUE, parent TEXT REFERENCES item (name))"
        )
    yield app
    await app_database(app).connections.close()
