"""An application for each test."""

from __future__ import annotations

import pytest
from quart import Quart


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    app = app_class(__name__)
    app.secret_key = "test"
    return app
