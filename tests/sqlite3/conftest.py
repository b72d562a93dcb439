"""An application with a table, on each class of application."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
    """An application with a pool of three, and an empty table ``item``."""
    app = make_app(
        app_class, file, SQLITE_POOL_SIZE=3, SQLITE_POOL_TIMEOUT=0.3, SQLITE_BUSY_TIMEOUT=1
    )
    async with app.app_context(), database(app).transaction() as connection:
        await connection.execute(
            "CREATE TABLE item (name TEXT UNIQUE, parent TEXT REFERENCES item (name))"
        )
    yield app
    await app_database(app).connections.close()
