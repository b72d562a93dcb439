from contextlib import contextmanager

import pytest


@pytest.fixture
def sent(app):
    """Return a context manager for a request with a body."""

    @contextmanager
    def sent(**data):
        with app.test_request_context("/", method="POST", json=data):
            yield data

    return sent
