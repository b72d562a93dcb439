"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from quartpatterns.sqlalchemy.migrations import upgrade

from photoboard import create_app

MIGRATIONS = Path(__file__).parents[1] / "migrations"


@pytest.fixture
def app(tmp_path: Path) -> Quart:
    """An application with an empty database."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    upgrade(url, folder=MIGRATIONS)
    config = {
        "TESTING": True,
        "SECRET_KEY": "test",
        "SQLALCHEMY_DATABASE_URI": url,
        "UPLOADED_PHOTOS_DEST": str(tmp_path / "uploads"),
        "WTF_CSRF_ENABLED": False,
    }
    return create_app(config)


@pytest.fixture
async def client(app: Quart) -> AsyncIterator[Client]:
    """A client of the application, which runs during the test."""
    async with app.test_app() as running:
        yield running.test_client()


@pytest.fixture
async def ada(client: Client) -> Client:
    """A client that is logged in as Ada."""
    await client.post("/en/register", form={"name": "Ada", "password": "countess of l"})
    return client
