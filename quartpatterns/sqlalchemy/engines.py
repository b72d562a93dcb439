"""Engines for a URL, and the engines of an application on one event loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import URL, AsyncAdaptedQueuePool, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncEngine, async_engine_from_config

from quartpatterns._shared.extras import missing_extra
from quartpatterns._shared.loop_bound import ContextBound
from quartpatterns._shared.sqlite_short_reads import ShortReads
from quartpatterns.sqlalchemy.connections import DirectEngine
from quartpatterns.sqlalchemy.libpq import asyncpg_arguments
from quartpatterns.sqlalchemy.pools import FairPool
from quartpatterns.sqlalchemy.postgresql import configure_postgresql, connect_asyncpg
from quartpatterns.sqlalchemy.sessions import Session, unknown_bind
from quartpatterns.sqlalchemy.sqlite import SHORT_READS, configure_sqlite, connect_sqlite

__all__ = ["LoopEngines", "make_engine"]

# The names of the connect timeout and, if the driver has one, of the statement timeout.
_TIMEOUTS = {
    "asyncpg": ("timeout", "command_timeout"),
    "aiomysql": ("connect_timeout",),
    "asyncmy": ("connect_timeout",),
}
# Statements without a name, as a name may be used on the connection that the pooler gives to the
# next transaction. They are replaced, so that none is left on it either.
_TRANSACTION_POOLER: Mapping[str, Mapping[str, Any]] = {
    "asyncpg": {
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": str,
        "statement_cache_size": 0,
    },
    "psycopg": {"prepare_threshold": None},
}
# The extras that install drivers. A driver without one comes from its own distribution.
_DRIVER_EXTRAS = {"aiosqlite": "sqlite3", "asyncpg": "postgresql"}
_CONNECT = {"postgresql+asyncpg": connect_asyncpg, "sqlite+aiosqlite": connect_sqlite}


def make_engine(
    url: URL,
    *,
    options: Mapping[str, Any] | None = None,
    pragmas: Mapping[str, str | int] | None = None,
    connect_timeout: float | None = None,
    statement_timeout: float | None = None,
    pooler: Literal["transaction"] | None = None,
    read_on_loop: bool = False,
) -> AsyncEngine:
    """Return an engine for *url*, in which all drivers behave alike.

    * An unreachable server, and a value that the database can't store, raise a
      :exc:`~sqlalchemy.exc.DBAPIError`. asyncpg raises an :exc:`OSError`, and aiosqlite an
      :exc:`OverflowError`.
    * A SQLite statement and its transaction end when the waiting task is cancelled, for example
      because the client has disconnected. Otherwise the thread would run on, and the database
      stay locked.
    * A ``SAVEPOINT`` on SQLite begins a transaction first. Otherwise what was released in it would
      stay when the transaction is rolled back.

    Arguments:
        url: A URL from :func:`async_url`.
        options: Options of :func:`~sqlalchemy.create_engine`. Values may be strings, as
            environment variables are.
        pragmas: Pragmas to set on each new connection to a SQLite database.
        connect_timeout: How long to wait for a connection to a server, in seconds; ``None`` means
            the driver's default. Options and the URL override it.
        statement_timeout: How long to wait for a statement on PostgreSQL with asyncpg, in seconds;
            ``None`` means no limit. Options and the URL override it.
        pooler: ``"transaction"`` if a pooler such as PgBouncer gives each transaction any
            connection to PostgreSQL. Statements are then prepared in the transaction that executes
            them, and not stored.
        read_on_loop: Whether to execute short reads of SQLite on the event loop.

    Raises:
        ValueError: A parameter of the URL has no equivalent in asyncpg. Or *read_on_loop* is true,
            and *options* contains an ``async_creator_fn`` for SQLite.
        ImportError: The driver is not installed; the message says what to install.

    .. versionadded:: 0.1
    """
    arguments = _timeouts(url, connect_timeout, statement_timeout)
    if pooler == "transaction" and url.get_backend_name() == "postgresql":
        arguments |= _TRANSACTION_POOLER.get(url.get_driver_name(), {})
    if connect := _CONNECT.get(url.drivername):
        arguments["async_creator_fn"] = connect
    if read_on_loop and url.drivername == "sqlite+aiosqlite":
        if "async_creator_fn" in (options or {}).get("connect_args", {}):
            raise ValueError(
                "short reads on the event loop need a connection of this package: leave out"
                " async_creator_fn in connect_args, or set SQLALCHEMY_SQLITE_READ_ON_LOOP (or"
                " read_on_loop) to False"
            )
        arguments[SHORT_READS] = ShortReads()
    if url.drivername == "postgresql+asyncpg":
        url, from_url = asyncpg_arguments(url)
        arguments |= from_url
    if url.get_backend_name() in {"mysql", "mariadb"} and "charset" not in url.query:
        url = url.update_query_dict({"charset": "utf8mb4"})
    options = {**_pool_options(url), **(options or {}), "url": url}
    options["connect_args"] = {**arguments, **options.get("connect_args", {})}
    try:
        engine = DirectEngine(async_engine_from_config(options, prefix="").sync_engine)
    except ModuleNotFoundError as missing:
        driver = url.get_driver_name()
        if extra := _DRIVER_EXTRAS.get(driver):
            raise missing_extra(extra, driver, needed_by=url.drivername) from missing
        raise ImportError(
            f"{url.drivername} needs {missing.name}: pip install {missing.name}", name=missing.name
        ) from missing
    event.listen(engine.sync_engine, "handle_error", _data_error)
    if url.drivername == "postgresql+asyncpg":
        configure_postgresql(engine.sync_engine)
    elif url.get_backend_name() == "sqlite":
        configure_sqlite(engine.sync_engine, pragmas or {})
    return engine


class LoopEngines:
    """The engines of an application on the running event loop, and the sessions that use them."""

    def __init__(
        self,
        engines: Mapping[str | None, AsyncEngine],
        replicas: Mapping[str | None, AsyncEngine],
    ) -> None:
        self.engines = engines
        self.reading_engines = {**engines, **replicas}
        self.sync_engines = _sync(engines)
        self.sync_reading_engines = _sync(self.reading_engines)
        self.sessions = ContextBound(Session.discard)

    @property
    def engine(self) -> AsyncEngine:
        """The engine of ``SQLALCHEMY_DATABASE_URI``.

        Raises:
            UnboundExecutionError: The setting has no value.
        """
        if None not in self.engines:
            raise unknown_bind(None)
        return self.engines[None]

    async def close(self) -> None:
        """Discard all sessions and close all connections."""
        await self.sessions.close()
        for engine in {*self.engines.values(), *self.reading_engines.values()}:
            await engine.dispose()


def _sync(engines: Mapping[str | None, AsyncEngine]) -> dict[str | None, Engine]:
    return {key: engine.sync_engine for key, engine in engines.items()}


def _pool_options(url: URL) -> dict[str, Any]:
    dialect: Any = url.get_dialect().get_async_dialect_cls(url)
    if dialect.get_pool_class(url) is not AsyncAdaptedQueuePool:
        return {}
    options: dict[str, Any] = {"poolclass": FairPool}
    if url.get_backend_name() in {"mysql", "mariadb"}:
        # The server closes connections that are idle for eight hours. As in Flask-SQLAlchemy.
        options["pool_recycle"] = 7200
    return options


def _timeouts(url: URL, connect: float | None, statement: float | None) -> dict[str, Any]:
    names = _TIMEOUTS.get(url.get_driver_name(), ())
    return {
        name: seconds
        for name, seconds in zip(names, (connect, statement), strict=False)
        if seconds is not None
    }


def _data_error(context: ExceptionContext) -> DataError | None:
    # The parameters are left out of the error, because it is logged.
    error = context.original_exception
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return DataError(context.statement, None, error)
    return None
