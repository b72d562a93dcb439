"""What every test may ask for: real servers, both application classes, and a guard on the loop."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import urlsplit

import psycopg
import pymongo
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from quart import Quart

from quartpatterns.compare import load, services
from quartpatterns.subclassing import FaithfulQuart
from tests.visits import visits as visits
from tests.written import write as write


def unavailable(reason: str) -> NoReturn:
    """Skip with *reason*; where ``CI=true`` promises that everything is there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing on a CI machine: {reason}")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def no_blocking() -> Iterator[BlockBuster]:
    """Code of ours that blocks the event loop is an error, also in production's hot paths."""
    with blockbuster_ctx("quartpatterns") as guard:
        # Templates and URL rules are read from disk once, then cached: as in Quart itself.
        for name in ("io.BufferedReader.read", "io.TextIOWrapper.read", "os.stat"):
            guard.functions[name].can_block_in(
                "jinja2/loaders.py", {"get_source", "up_to_date", "uptodate"}
            )
        # Set-up, before anything is served: the path of an SQLite file, and its folder.
        guard.functions["os.path.abspath"].can_block_in(
            "sqlalchemy/dialects/sqlite/pysqlite.py", {"create_connect_args"}
        )
        guard.functions["os.mkdir"].can_block_in("sqlalchemy/settings.py", {"read_settings"})
        # asyncpg looks for certificates and passwords of the user, once a connection.
        for name in ("os.path.abspath", "os.readlink", "os.stat"):
            guard.functions[name].can_block_in("asyncpg/connect_utils.py", {"_connect"})
        # A client of MongoDB looks once whether it is in a container.
        guard.functions["os.stat"].can_block_in(
            "pymongo/pool_options.py", {"get_container_env_info"}
        )
        # Set-up reads the disk, too: an application finds its folders when it is made.
        for function in guard.functions.values():
            function.can_block_in("quart/app.py", "__init__")
            # A result of Celery's unsubscribes when it is collected, in whatever thread that is.
            function.can_block_in("celery/result.py", "__del__")
            function.can_block_in("quart/blueprints.py", "__init__")
            # Quart's own parser writes large files on the event loop. FaithfulQuart's does not, and
            # never comes through this function.
            function.can_block_in("quart/formparser.py", "_parse_multipart")
        yield guard


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Valkey, for the whole run; use keys of your own."""
    try:
        with services.valkey() as url:
            yield url
    except services.ServiceMissingError as missing:
        unavailable(str(missing))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL, for the whole run."""
    try:
        with services.postgres() as url:
            yield url
    except services.ServiceMissingError as missing:
        unavailable(str(missing))


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The driverless URL of an empty database on the real PostgreSQL."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield postgres_server.rpartition("/")[0] + f"/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def mongodb_server() -> Iterator[str]:
    """A real MongoDB, for the whole run."""
    try:
        with services.mongodb() as url:
            yield url
    except services.ServiceMissingError as missing:
        unavailable(str(missing))


@pytest.fixture
def mongodb_url(mongodb_server: str) -> Iterator[str]:
    """The URL of an empty database on the real MongoDB."""
    name = f"test_{secrets.token_hex(6)}"
    with pymongo.MongoClient[dict[str, object]](mongodb_server) as client:
        yield urlsplit(mongodb_server)._replace(path=f"/{name}").geturl()
        client.drop_database(name)


@pytest.fixture(
    params=[pytest.param(Quart, id="Quart"), pytest.param(FaithfulQuart, id="FaithfulQuart")]
)
def app_class(request: pytest.FixtureRequest) -> type[Quart]:
    """Each class of application that a helper must work on."""
    cls: type[Quart] = request.param
    return cls


@pytest.fixture(scope="session")
def wrk() -> str:
    """The load generator wrk."""
    try:
        return str(load.wrk_program())
    except load.WrkMissingError as missing:
        unavailable(str(missing))
