"""PostgreSQL for SQLAlchemy: streams in batches, and errors of connecting.

For each batch of a stream SQLAlchemy fetches fifty rows, then the others, and takes them out of a
queue one by one. That is two round trips to the server and a loop over all rows. Here a batch is
one round trip, and the list that asyncpg returns.
"""

from __future__ import annotations

import asyncio
import importlib
from contextvars import Context
from typing import Any, cast

from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql.asyncpg import (
    AsyncAdapt_asyncpg_connection,
    AsyncAdapt_asyncpg_ss_cursor,
)
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.util import await_only

from quartpatterns.sqlalchemy.libpq import KEEPALIVE, keepalive_class

__all__ = ["BatchConnection", "BatchCursor", "configure_postgresql", "connect_asyncpg"]


def configure_postgresql(engine: Engine) -> None:
    """Register the event handlers of this module on an engine for asyncpg."""
    event.listen(engine, "checkin", _reset_autocommit)
    event.listen(engine, "checkout", _replace_closed)
    event.listen(engine, "do_connect", _connect_adapter)
    event.listen(engine, "handle_error", _statement_timeout)


async def connect_asyncpg(*args: Any, **options: Any) -> Any:
    """Call ``asyncpg.connect()``; an ``async_creator_fn`` for SQLAlchemy.

    An :exc:`OSError`, which SQLAlchemy doesn't recognize, becomes an error of asyncpg.
    """
    asyncpg: Any = importlib.import_module("asyncpg")  # It has no types.
    # The context is empty, because the connection would keep the current request alive.
    if (keepalive := options.pop(KEEPALIVE, None)) is not None:
        options["connection_class"] = keepalive_class(keepalive)
    connecting = asyncio.create_task(asyncpg.connect(*args, **options), context=Context())
    try:
        return await connecting
    except asyncio.CancelledError:
        connecting.add_done_callback(_terminate)
        raise
    except OSError as error:
        text = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        raise asyncpg.exceptions.ClientCannotConnectError(text) from error


class BatchCursor(AsyncAdapt_asyncpg_ss_cursor):
    """A server-side cursor that fetches a batch in one round trip.

    ``timeout`` is how long to wait for each batch; None means the timeout of the connection.
    """

    __slots__ = ("timeout",)

    timeout: float | None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next *size* rows, or fewer at the end; all remaining rows without a size."""
        self_: Any = self  # The class has no types.
        try:
            if size is None or self_._rowbuffer:
                return cast("list[Any]", super().fetchmany(size))  # type: ignore[no-untyped-call]
            fetching = self_._cursor.fetch(size, timeout=self.timeout)
            return cast("list[Any]", await_only(fetching))
        except Exception as error:
            # SQLAlchemy does so for a statement, but not for the rows of a cursor: without it, the
            # error is asyncpg's, and after a lost connection a rollback fails.
            self_._handle_exception(error)
            raise


class BatchConnection(AsyncAdapt_asyncpg_connection):
    """SQLAlchemy's adapter of a connection, with a :class:`BatchCursor` for streams.

    ``cursor_timeout`` is the ``timeout`` of the next :class:`BatchCursor`.
    ``caches_statements`` is false behind a pooler that gives each transaction any connection.
    """

    __slots__ = ("caches_statements", "cursor_timeout")

    caches_statements: bool
    cursor_timeout: float | None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)  # type: ignore[no-untyped-call]
        self.caches_statements = options.get("prepared_statement_cache_size") != 0
        self.cursor_timeout = None

    def cursor(self, server_side: bool = False) -> Any:
        """Return a cursor; with *server_side* one that fetches rows when they are asked for."""
        cursor_class: Any = BatchCursor  # It has no types.
        if not server_side:
            return super().cursor()
        cursor = cursor_class(self)
        cursor.timeout, self.cursor_timeout = self.cursor_timeout, None
        return cursor


def _connect_adapter(
    dialect: Dialect, record: object, arguments: list[Any], options: dict[str, Any]
) -> BatchConnection:
    options = dict(options)
    creator = options.pop("async_creator_fn")
    cache_size = options.pop("prepared_statement_cache_size", 100)  # SQLAlchemy's default
    name_function = options.pop("prepared_statement_name_func", None)
    adapter: Any = BatchConnection
    dbapi: Any = dialect.loaded_dbapi
    connecting = creator(*arguments, **options)
    values = {
        "prepared_statement_cache_size": cache_size,
        "prepared_statement_name_func": name_function,
    }
    if hasattr(adapter, "create"):
        return cast("BatchConnection", await_only(adapter.create(dbapi, connecting, **values)))
    # SQLAlchemy 2.0, which does not recognize asyncpg's errors of connecting either.
    try:
        connection = await_only(connecting)
    except Exception as error:
        if (state := getattr(error, "sqlstate", None)) is None:
            raise
        known = dbapi.OperationalError(f"{type(error)}: {error}")
        known.pgcode = known.sqlstate = state
        raise known from error
    return cast("BatchConnection", adapter(dbapi, connection, **values))


def _reset_autocommit(connection: Any, record: object) -> None:
    # db.reading() has set it.
    if connection is not None:
        connection.autocommit = False


def _replace_closed(connection: Any, record: object, proxy: object) -> None:
    # asyncpg has noticed that the server is gone; the pool opens another connection.
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _statement_timeout(context: ExceptionContext) -> OperationalError | None:
    """Make the timeout of a statement an error of the database, and close the connection."""
    error = context.original_exception
    if not isinstance(error, TimeoutError):
        return None
    # SQLAlchemy closes this connection, and asyncpg cancels the statement on the server.
    context.is_disconnect = True
    context.invalidate_pool_on_disconnect = False
    if not error.args:  # It has no text of its own, and ends up in the log of a stream.
        error.args = (
            "the server has not answered in time: raise SQLALCHEMY_STATEMENT_TIMEOUT, or for a"
            " large result write db.rows(..., timeout=600), db.csv(..., timeout=600) or"
            " db.batches(..., timeout=600)",
        )
    return OperationalError(context.statement, None, error, connection_invalidated=True)


def _terminate(connecting: asyncio.Task[Any]) -> None:
    """Close a connection whose task was cancelled before it was open."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().terminate()
