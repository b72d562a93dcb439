"""An application with a table, for each application class."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from tests.sqlite3.shop import app_database, database, make_app


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of a database that does not exist yet."""
    return tmp_path / "test.db"


@pytest.fixture
def read_on_loop() -> bool:
    """The setting ``SQLITE_READ_ON_LOOP`` of :func:`app`, which a module may override."""
    return False


@pytest.fixture
async def app(app_class: type[Quart], file: Path, read_on_loop: bool) -> AsyncIterator[Quart]:
    """An application with at most three connections, and an empty table ``item``."""
    async with application(app_class, file, SQLITE_READ_ON_LOOP=read_on_loop) as app:
        yield app


@pytest.fixture
async def app_with_short_timeout(app_class: type[Quart], file: Path) -> AsyncIterator[Quart]:
    """The same application, for tests in which a wait for a transaction ends with an error."""
    async with application(app_class, file, SQLITE_BUSY_TIMEOUT=0.3) as app:
        yield app


@pytest.fixture
async def single(app_class: type[Quart], file: Path) -> AsyncIterator[Quart]:
    """The same application with one connection."""
    async with application(app_class, file, SQLITE_POOL_SIZE=1) as app:
        yield app


@asynccontextmanager
async def application(app_class: type[Quart], file: Path, **config: Any) -> AsyncIterator[Quart]:
    app = make_app(app_class, file, **{"SQLITE_POOL_SIZE": 3} | config)
    async with app.app_context(), database(app).transaction() as connection:
        await connection.execute(
            "CREATE TABLE item (name TEXT UNIQUE, parent TEXT REFERENCES item (name))"
        )
    yield app
    await app_database(app).connections.close()
