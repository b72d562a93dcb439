"""Each test of a session runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart

from tests.sqlalchemy.shop import db, make_app, registration


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=[pytest.param("sqlite_url", id="sqlite"), "postgres_url"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL, without a driver, of an empty database of each kind."""
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def app(app_class: type[Quart], url: str) -> AsyncIterator[Quart]:
    """An application with a pool of five connections, and its tables."""
    app = make_app(app_class, url, {"pool_size": 5, "max_overflow": 0, "pool_timeout": 5})
    async with app.app_context():
        await db.create_all()
    yield app
    await registration(app).close()
