"""Engines whose errors are SQLAlchemy's, and whose SQLite keeps its promises."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any

from sqlalchemy import URL, AsyncAdaptedQueuePool, event
from sqlalchemy.engine import AdaptedConnection, Connection, Dialect, ExceptionContext
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncEngine, async_engine_from_config

from quartpatterns.sqlalchemy import trips
from quartpatterns.sqlalchemy.pools import HandoffPool
from quartpatterns.sqlalchemy.sqlite import SQLiteAdapter, connect_sqlite

__all__ = ["make_engine"]


def make_engine(
    url: URL,
    *,
    options: Mapping[str, Any] | None = None,
    pragmas: Mapping[str, str | int] | None = None,
) -> AsyncEngine:
    """An engine for *url*, with the gaps between drivers closed.

    * A server that can't be reached, and a value beyond what the database can hold, is a
      :exc:`~sqlalchemy.exc.DBAPIError` with every driver: asyncpg's is a bare :exc:`OSError`,
      aiosqlite's an :exc:`OverflowError`.
    * An SQLite statement and its transaction end when the task that waits for it is cancelled,
      such as by a client that went away. Without that its thread would compute on, and the
      database stay locked.
    * A ``SAVEPOINT`` on SQLite opens the transaction it is in, which the driver forgets: without
      that, what was released in it stays when the transaction is rolled back.

    Arguments:
        url: As given by :func:`~quartpatterns.sqlalchemy.urls.async_url`.
        options: For :func:`~sqlalchemy.create_engine`. Values may be text, as they come from
            environment variables.
        pragmas: Set on each new connection to an SQLite database.

    Raises:
        ImportError: The driver is not installed; the message says what to install.
    """
    options = {**_pooled(url), **(options or {}), "url": url}
    if connect := _CONNECT.get(url.drivername):
        arguments = {"async_creator_fn": connect, **options.get("connect_args", {})}
        options["connect_args"] = arguments
    try:
        engine = async_engine_from_config(options, prefix="")
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"{url.drivername} needs {missing.name}: pip install 'quartpatterns[sqlalchemy]', or"
            f" pip install {missing.name}",
            name=missing.name,
        ) from missing
    event.listen(engine.sync_engine, "handle_error", _translate)
    if url.drivername == "postgresql+asyncpg":
        event.listen(engine.sync_engine, "checkin", _end_autocommit)
        event.listen(engine.sync_engine, "do_connect", _connect_in_one_trip)
    if url.drivername == "sqlite+aiosqlite":
        event.listen(engine.sync_engine, "do_connect", _connect_sqlite_adapter)
    if url.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "handle_error", _abandon_cancelled)
        event.listen(engine.sync_engine, "savepoint", _begin_before_savepoint)
        if pragmas:
            event.listen(engine.sync_engine, "connect", _pragma_setter(pragmas))
    return engine


async def _connect_asyncpg(*args: Any, **options: Any) -> Any:
    asyncpg: Any = importlib.import_module("asyncpg")  # which has no types
    # In a context of its own: the connection keeps the one it is made in, and with it the request.
    connecting = asyncio.create_task(asyncpg.connect(*args, **options), context=Context())
    try:
        return await connecting
    except asyncio.CancelledError:
        connecting.add_done_callback(_terminate)
        raise
    except OSError as error:
        raise asyncpg.exceptions.ClientCannotConnectError(str(error)) from error


def _terminate(connecting: asyncio.Task[Any]) -> None:
    """Close a connection that was made while nobody waited for it any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().terminate()


def _end_autocommit(connection: Any, record: object) -> None:
    """What db.reading() has set ends with the use of the connection."""
    if connection is not None:
        connection.autocommit = False


def _connect_in_one_trip(
    dialect: Dialect, record: object, arguments: list[Any], options: dict[str, Any]
) -> trips.OneTripConnection:
    given = dict(options)
    return trips.connect(dialect.loaded_dbapi, given.pop("async_creator_fn"), arguments, given)


def _connect_sqlite_adapter(
    dialect: Dialect, record: object, arguments: list[Any], options: dict[str, Any]
) -> AdaptedConnection | None:
    if options.get("async_creator_fn") is not connect_sqlite:
        return None  # The user's own function makes other connections, which SQLAlchemy adapts.
    dbapi: Any = dialect.loaded_dbapi
    return SQLiteAdapter(dbapi, dbapi.connect(*arguments, **options).driver_connection)


def _pooled(url: URL) -> dict[str, Any]:
    """The pool, where SQLAlchemy's choice would be the one that ours is better than."""
    dialect: Any = url.get_dialect().get_async_dialect_cls(url)
    choice = dialect.get_pool_class(url)
    return {"poolclass": HandoffPool} if choice is AsyncAdaptedQueuePool else {}


_CONNECT = {"postgresql+asyncpg": _connect_asyncpg, "sqlite+aiosqlite": connect_sqlite}


def _translate(context: ExceptionContext) -> DataError | None:
    # Values stay out of the message, as it is logged.
    error = context.original_exception
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return DataError(context.statement, None, error)
    return None


def _abandon_cancelled(context: ExceptionContext) -> None:
    cancelled = isinstance(context.original_exception, asyncio.CancelledError)
    if cancelled and context.connection is not None and not context.connection.invalidated:
        connection = context.connection.connection.dbapi_connection
        assert isinstance(connection, AdaptedConnection)
        connection.run_async(_roll_back)


async def _roll_back(driver: Any) -> None:
    """End the transaction of *driver*, whose statement ends because it was cancelled.

    SQLAlchemy is about to close the connection. That ends the transaction only when the last
    cursor is gone: those that the error's traceback holds would keep the database locked.
    """
    rollback = asyncio.ensure_future(driver.rollback())
    await asyncio.wait([rollback])
    # Where it failed there was no transaction, or no connection any more.
    rollback.exception()


def _begin_before_savepoint(connection: Connection, name: str) -> None:
    # IMMEDIATE, as a savepoint announces writing: it waits for its turn, while a transaction that
    # has read before it writes is refused at once when somebody else has written in between.
    if not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _pragma_setter(pragmas: Mapping[str, str | int]) -> Callable[[Any, object], None]:
    def set_pragmas(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        for name, value in pragmas.items():
            cursor.execute(f"PRAGMA {name} = {value}")
        cursor.close()

    return set_pragmas
