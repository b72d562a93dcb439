import pytest

from toolshed.aio import create_app


@pytest.fixture
def app(app, settings):
    """The application on an ASGI server; that of Flask has filled the database."""
    return create_app(settings)


@pytest.fixture
async def bob(app_client):
    """A client that is logged in as Bob."""
    form = {"name": "Bob", "email": "bob@example.com", "password": "builder1"}
    assert (await app_client.post("/register", data=form)).status_code == 302
    return app_client
