import pytest
from flask.testing import FlaskClient
from stock import create_app


class KeyClient(FlaskClient):
    """Send a key with each request."""

    key = "write"

    def open(self, *args, **kwargs):
        headers = dict(kwargs.pop("headers", {}))
        headers.setdefault("X-Key", self.key)
        return super().open(*args, headers=headers, **kwargs)


@pytest.fixture(scope="session")
def settings():
    return {"TESTING": True}


@pytest.fixture
def app(settings):
    app = create_app(**settings)
    app.test_client_class = KeyClient
    return app


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def create(client):
    """Return a function that creates a part."""

    def create(name="bolt", price=5, **changes):
        response = client.post("/parts", json={"name": name, "price": price})
        assert response.status_code == 201
        if changes:
            client.patch(f"/parts/{name}", json=changes)
        return response

    return create
