"""The application as tests meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator
# {% if sqlalchemy %}
from pathlib import Path
# {% endif %}

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
# {% if sqlalchemy %}
from quartpatterns.sqlalchemy.migrations import upgrade
# {% endif %}

from yourapplication import create_app
# {% if sqlalchemy %}
from yourapplication.paths import beside
# {% endif %}


@pytest.fixture
# {% if sqlalchemy %}
def app(tmp_path: Path) -> Quart:
    """The application with a database of its own, made by the migrations."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    upgrade(url, folder=beside("migrations"))
    return create_app({"TESTING": True, "SQLALCHEMY_DATABASE_URI": url})
# {% else %}
def app() -> Quart:
    """The application."""
    return create_app({"TESTING": True})
# {% endif %}


@pytest.fixture
async def client(app: Quart) -> AsyncIterator[Client]:
    """A client of the application, which has started and ends after the test."""
    async with app.test_app() as running:
        yield running.test_client()
