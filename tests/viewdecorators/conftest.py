"""Everything here holds for both classes of application."""

from __future__ import annotations

import pytest
from quart import Quart

from quartpatterns.subclassing import FaithfulQuart


@pytest.fixture(
    params=[pytest.param(Quart, id="Quart"), pytest.param(FaithfulQuart, id="Faithful")]
)
def app_class(request: pytest.FixtureRequest) -> type[Quart]:
    cls: type[Quart] = request.param
    return cls


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    """An application with sessions."""
    made = app_class(__name__)
    made.secret_key = "a key"
    return made
