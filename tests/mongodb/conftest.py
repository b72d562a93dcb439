"""Applications on a real server, and a replica set where one is needed."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from quart import Quart

from quartpatterns.compare import services
from tests.conftest import unavailable
from tests.mongodb.shop import make_app, mongo, registration


# PyMongo 4.20 leaves a socket to the garbage collector where it is cancelled while it connects:
# when a loop ends soon after it began, or a client is closed whose server is gone.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(mark)


@pytest.fixture(scope="package", autouse=True)
def sockets_collected() -> Iterator[None]:
    """Collect them before somebody else's test is blamed."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
async def app(app_class: type[Quart], mongodb_url: str) -> AsyncIterator[Quart]:
    """An application on an empty database, with its indexes."""
    app = make_app(app_class, mongodb_url)
    async with app.app_context():
        await mongo.create_indexes()
    yield app
    await registration(app).close()


@pytest.fixture(scope="session")
def replica_set() -> Iterator[str]:
    """A replica set of one, for the whole run."""
    try:
        with services.mongodb(replica_set=True) as url:
            yield url
    except services.ServiceMissingError as missing:
        unavailable(str(missing))
