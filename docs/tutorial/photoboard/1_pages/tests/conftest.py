"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client

from photoboard import create_app


@pytest.fixture
def app() -> Quart:
    """An application."""
    return create_app({"TESTING": True, "SECRET_KEY": "test"})


@pytest.fixture
async def client(app: Quart) -> AsyncIterator[Client]:
    """A client of the application, which runs during the test."""
    async with app.test_app() as running:
        yield running.test_client()
