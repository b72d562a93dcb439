"""Fixtures of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from quartpatterns.pytest_plugin import LoginAs
from quartpatterns.sqlalchemy.migrations import upgrade

from photoboard import create_app
from photoboard.models import User, db

MIGRATIONS = Path(__file__).parents[1] / "migrations"


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with the tables of the migrations."""
    url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'test.db'}"
    upgrade(url, folder=MIGRATIONS)
    return url


@pytest.fixture
def app(database: str) -> Quart:
    """An application. The other fixtures start it."""
    return create_app(
        {"TESTING": True, "SECRET_KEY": "test", "SQLALCHEMY_DATABASE_URI": database}
    )


@pytest.fixture(autouse=True)
def clean(rolled_back_database: None) -> None:
    """What a test writes into the database is rolled back."""


@pytest.fixture
async def ada(app: Quart, login_as: LoginAs) -> Client:
    """A client that is logged in as Ada."""
    user = User(name="Ada", password_hash="not used")
    async with app.app_context():
        db.session.add(user)
        await db.session.commit()
    return await login_as(user)
