"""Fixtures for all tests. The pytest plugin of quartpatterns has more, which need ``app``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
# {% if login %}
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
# {% endif %}
from quart import Quart
# {% if forms %}
from quart.typing import TestClientProtocol as Client
# {% endif %}
# {% if login %}
from quartpatterns.pytest_plugin import LoginAs
# {% endif %}
# {% if sqlalchemy %}
from quartpatterns.sqlalchemy.migrations import upgrade
# {% endif %}
# {% if login %}
from quartpatterns.viewdecorators.passwords import AsyncPasswordHasher
# {% endif %}

from yourapplication import create_app
# {% if login %}
from yourapplication.blueprints import account
from yourapplication.models import User, db
# {% endif %}
# {% if sqlalchemy %}
from yourapplication.paths import project_file


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of an empty database, which the migrations have created.

    Tests that write into it use the fixture ``rolled_back_database``.
    """
    url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'test.db'}"
    upgrade(url, folder=project_file("migrations"))
    return url
# {% endif %}


@pytest.fixture
# {% if sqlalchemy %}
def config(database: str, tmp_path: Path) -> dict[str, Any]:
# {% else %}
def config(tmp_path: Path) -> dict[str, Any]:
# {% endif %}
    """The settings of the application."""
    return {
        "TESTING": True,
        "SECRET_KEY": "only for tests",
# {% if sqlalchemy or uploads %}
        "INSTANCE_PATH": str(tmp_path),
# {% endif %}
# {% if sqlalchemy %}
        "SQLALCHEMY_DATABASE_URI": database,
# {% endif %}
    }


@pytest.fixture
def app(config: dict[str, Any]) -> Quart:
    """The application. The other fixtures start it."""
    return create_app(config)
# {% if login %}


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of passwords take as little time and memory as possible."""
    hasher = PasswordHasher.from_parameters(CHEAPEST)
    monkeypatch.setattr(f"{account.__name__}.passwords", AsyncPasswordHasher(hasher))


@pytest.fixture
async def author(rolled_back_database: None, app: Quart, login_as: LoginAs) -> Client:
    """A client that is logged in, and may therefore add things."""
    user = User(name="Ada", password_hash="not used")
    async with app.app_context():
        db.session.add(user)
        await db.session.commit()
    return await login_as(user)
# {% elif forms %}


@pytest.fixture
def author(app_client: Client) -> Client:
    """A client that may add things: in this application, everybody."""
    return app_client
# {% endif %}
