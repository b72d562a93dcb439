"""Fixtures of all tests: real services, both application classes, a check for blocking calls.

A service starts when the first test needs it, and stops after the last test. With pytest-xdist,
each worker process has services of its own.
"""

from __future__ import annotations

import gc
import os
import secrets
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any, NoReturn
from urllib.parse import urlsplit

import psycopg
import pymongo
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings
from quart import Quart

from quartpatterns.compare import services
from quartpatterns.compare import wrk as wrk_module
from quartpatterns.subclassing import FaithfulQuart
from tests.counting_executor import counting_executor as counting_executor
from tests.written import write as write

# On a loaded machine any example can take longer than Hypothesis allows by default.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Leave the modules and the tests, 750,000 objects, out of garbage collections."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with files that have slow tests, so that no process runs such a file alone at the end.

    Then come the files with the most tests.
    """
    for item in items:
        if isinstance(item, pytest.Function) and _is_repeated(item):
            item.add_marker(pytest.mark.slow)
    sizes = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, -sizes[item.path], item.path))


def _is_repeated(item: pytest.Function) -> bool:
    """Return whether a test with PostgreSQL or MongoDB also runs on the other application class."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    service = "postgres_url" in params.values() or item.path.parent.name == "mongodb"
    return service and params.get("app_class") is Quart


def unavailable(reason: str) -> NoReturn:
    """Skip the test; fail if ``CI=true``, because then everything must be installed."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not installed, but CI=true: {reason}")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def no_blocking() -> Iterator[BlockBuster]:
    """Raise an error if code of this package blocks the event loop."""
    with blockbuster_ctx("quartpatterns") as guard:
        # Templates are read from disk once and then cached, as in Quart itself.
        for name in ("io.BufferedReader.read", "io.TextIOWrapper.read", "os.stat"):
            guard.functions[name].can_block_in(
                "jinja2/loaders.py", {"get_source", "up_to_date", "uptodate"}
            )
        # A thread would cost more than the lookup of a file that is cached.
        guard.functions["os.stat"].can_block_in("_shared/file_cache.py", {"_state"})
        # At start: the path of an SQLite file, and its folder.
        guard.functions["os.path.abspath"].can_block_in(
            "sqlalchemy/dialects/sqlite/pysqlite.py", {"create_connect_args"}
        )
        guard.functions["os.mkdir"].can_block_in("sqlalchemy/settings.py", {"read_settings"})
        # Short reads of SQLite, if the application asks for them.
        for name, function in guard.functions.items():
            if name.startswith("sqlite3."):
                function.can_block_in("_shared/sqlite_short_reads.py", {"execute"})
        # asyncpg reads certificates and passwords of the user for each connection.
        for name in ("os.path.abspath", "os.readlink", "os.stat"):
            guard.functions[name].can_block_in("asyncpg/connect_utils.py", {"_connect"})
        # A client of MongoDB checks once whether it runs in a container.
        guard.functions["os.stat"].can_block_in(
            "pymongo/pool_options.py", {"get_container_env_info"}
        )
        # An application looks up its folders when it is created.
        for function in guard.functions.values():
            function.can_block_in("quart/app.py", "__init__")
            # Migrations have an event loop of their own, and Alembic is synchronous.
            function.can_block_in("sqlalchemy/migration_environment.py", "_run_online")
            # The error that names a missing extra reads which extra it is, once.
            function.can_block_in("_shared/extras.py", {"requires_extra"})
            # A result of Celery unsubscribes when it is garbage collected, in any thread.
            function.can_block_in("celery/result.py", "__del__")
            function.can_block_in("quart/blueprints.py", "__init__")
            # It also reads its message catalogs then.
            function.can_block_in("urlprocessors/messages.py", {"__init__", "init_app"})
            # An asynchronous test that does not await a command waits for its thread.
            function.can_block_in("subclassing/cli.py", "invoke")
            # The parser of Quart writes large files on the event loop. FaithfulQuart does not use
            # it.
            function.can_block_in("quart/formparser.py", "_parse_multipart")
        yield guard


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Valkey server. All tests share it, so use unique keys."""
    try:
        with services.valkey() as url:
            yield url
    except services.ServiceMissingError as missing:
        unavailable(str(missing))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server. All tests share it."""
    try:
        with services.postgres() as url:
            yield url
    except services.ServiceMissingError as missing:
        unavailable(str(missing))


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database on the PostgreSQL server, without a driver."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield postgres_server.rpartition("/")[0] + f"/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def mongodb_server() -> Iterator[str]:
    """The URL of a MongoDB server. All tests share it."""
    try:
        with services.mongodb() as url:
            yield url
    except services.ServiceMissingError as missing:
        unavailable(str(missing))


@pytest.fixture
def mongodb_url(mongodb_server: str) -> Iterator[str]:
    """The URL of an empty database on the MongoDB server."""
    name = f"test_{secrets.token_hex(6)}"
    with pymongo.MongoClient[dict[str, object]](mongodb_server) as client:
        yield urlsplit(mongodb_server)._replace(path=f"/{name}").geturl()
        client.drop_database(name)


@pytest.fixture(
    params=[pytest.param(Quart, id="Quart"), pytest.param(FaithfulQuart, id="FaithfulQuart")]
)
def app_class(request: pytest.FixtureRequest) -> type[Quart]:
    """Both application classes that helpers support."""
    cls: type[Quart] = request.param
    return cls


@pytest.fixture(scope="session")
def wrk() -> str:
    """The program wrk."""
    try:
        return str(wrk_module.wrk_program())
    except wrk_module.WrkMissingError as missing:
        unavailable(str(missing))
