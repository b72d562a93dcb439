"""Applications with a real server, and a replica set for the tests that need one."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from quart import Quart

from quartpatterns.compare import services
from tests.conftest import unavailable
from tests.mongodb.shop import connection, make_app, mongo


# PyMongo 4.20 leaves a socket open if it is cancelled while it connects: when an event loop ends
# soon after it began, or when a client is closed whose server is gone.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(mark)


@pytest.fixture(scope="package", autouse=True)
def sockets_collected() -> Iterator[None]:
    """Collect the open sockets, so that no other test gets their warnings."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
async def app(app_class: type[Quart], mongodb_url: str) -> AsyncIterator[Quart]:
    """An application with an empty database that has its indexes."""
    app = make_app(app_class, mongodb_url)
    async with app.app_context():
        await mongo.create_indexes()
    yield app
    await connection(app).close()


@pytest.fixture(scope="session")
def replica_set() -> Iterator[str]:
    """The URL of a replica set with one member, for all tests."""
    try:
        with services.mongodb(replica_set=True) as url:
            yield url
    except services.ServiceMissingError as missing:
        unavailable(str(missing))
