"""Fixtures of all tests."""

from __future__ import annotations

import pytest
from quart import Quart

from photoboard import create_app


@pytest.fixture
def app() -> Quart:
    """An application. The other fixtures start it."""
    return create_app({"TESTING": True, "SECRET_KEY": "test"})
