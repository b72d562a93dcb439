"""Engines for a URL, and the engines of an application on one event loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, AsyncAdaptedQueuePool, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncEngine, async_engine_from_config

from quartpatterns._shared.loop_bound import ContextBound
from quartpatterns.sqlalchemy.pools import FairPool
from quartpatterns.sqlalchemy.postgresql import configure_postgresql, connect_asyncpg
from quartpatterns.sqlalchemy.sessions import Session, unknown_bind
from quartpatterns.sqlalchemy.sqlite import configure_sqlite, connect_sqlite

__all__ = ["LoopEngines", "make_engine"]

_CONNECT = {"postgresql+asyncpg": connect_asyncpg, "sqlite+aiosqlite": connect_sqlite}


def make_engine(
    url: URL,
    *,
    options: Mapping[str, Any] | None = None,
    pragmas: Mapping[str, str | int] | None = None,
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

    Raises:
        ImportError: The driver is not installed; the message says what to install.

    .. versionadded:: 0.1
    """
    options = {**_pool_option(url), **(options or {}), "url": url}
    if connect := _CONNECT.get(url.drivername):
        options["connect_args"] = {"async_creator_fn": connect, **options.get("connect_args", {})}
    try:
        engine = async_engine_from_config(options, prefix="")
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"{url.drivername} needs {missing.name}: pip install 'quartpatterns[sqlalchemy]', or"
            f" pip install {missing.name}",
            name=missing.name,
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


def _pool_option(url: URL) -> dict[str, Any]:
    dialect: Any = url.get_dialect().get_async_dialect_cls(url)
    default = dialect.get_pool_class(url)
    return {"poolclass": FairPool} if default is AsyncAdaptedQueuePool else {}


def _data_error(context: ExceptionContext) -> DataError | None:
    # The parameters are left out of the error, because it is logged.
    error = context.original_exception
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return DataError(context.statement, None, error)
    return None
