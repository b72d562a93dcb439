"""Fixtures for all tests."""

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
from yourapplication.paths import project_file
# {% endif %}


@pytest.fixture
# {% if sqlalchemy %}
def app(tmp_path: Path) -> Quart:
    """An application with an empty database, which the migrations have created."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    upgrade(url, folder=project_file("migrations"))
    return create_app({"TESTING": True, "SQLALCHEMY_DATABASE_URI": url})
# {% else %}
def app() -> Quart:
    """An application."""
    return create_app({"TESTING": True})
# {% endif %}


@pytest.fixture
async def client(app: Quart) -> AsyncIterator[Client]:
    """A client of the application, which runs during the test."""
    async with app.test_app() as running:
        yield running.test_client()
