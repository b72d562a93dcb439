"""The extension, and the functions of Flask's page."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from quart import Quart
from quart.ctx import AppContext
from quart.signals import appcontext_tearing_down

from quartpatterns._shared.loop_bound import ContextBound, LoopBound, current_context
from quartpatterns._shared.rows import RowStream
from quartpatterns._shared.unavailable import register_unavailable_handler
from quartpatterns.sqlite3.connection import Connection
from quartpatterns.sqlite3.errors import diagnose
from quartpatterns.sqlite3.pool import ConnectionPool
from quartpatterns.sqlite3.schema import add_init_db_command, execute_schema
from quartpatterns.sqlite3.settings import Configure, DatabaseSettings, connect, read_settings
from quartpatterns.sqlite3.transactions import Mode

__all__ = ["SQLite", "get_db", "init_db", "query_db", "stream_query"]

F = TypeVar("F", bound=Configure)


class LoopConnections:
    """The connection pool of one event loop, and the connection of each context on that loop.

    Arguments:
        settings: The settings of the application.
        connect: Opens a connection; it is called in the thread of the connection.
    """

    def __init__(
        self, settings: DatabaseSettings, connect: Callable[[], sqlite3.Connection]
    ) -> None:
        self.pool = ConnectionPool(settings, connect)
        self._timeout = settings.busy_timeout
        self._contexts = ContextBound(Connection.release)

    async def get(self, context: AppContext) -> Connection:
        """Return the connection of *context*; take one from the pool if it has none.

        Raises:
            DatabaseUnavailable: No connection was free in time, or none could be opened.
        """
        contexts = self._contexts
        if (found := contexts.get(context)) is not None:
            if not found.is_closed:
                return found
            await contexts.release(context)
        # acquire() lets one task of the context wait for the others. Without a wait there is
        # nothing to take turns for.
        if not contexts.is_acquiring(context) and (pooled := self.pool.take()) is not None:
            connection = Connection(self.pool, pooled, transaction_timeout=self._timeout)
            contexts.set(context, connection)
            return connection
        return await contexts.acquire(context, self._open)

    async def release(self, context: AppContext) -> None:
        """Release the connection of *context*, if it has one, even if the caller is cancelled."""
        with suppress(sqlite3.Error):  # The connection is not used again.
            await self._contexts.release(context)

    async def close(self) -> None:
        """Release and close all connections."""
        self.pool.close()
        await self._contexts.close()
        while stopping := set(self.pool.stopping):
            await asyncio.wait(stopping)

    async def _open(self) -> Connection:
        pooled = await self.pool.acquire()
        return Connection(self.pool, pooled, transaction_timeout=self._timeout)


class AppDatabase:
    """The database of one application; the value of ``app.extensions["sqlite3"]``.

    Arguments:
        db: The extension object of the application.
        settings: The settings of the application.
        row_factory: Makes a row of a tuple.
        functions: Called with each new connection.
    """

    def __init__(
        self,
        db: SQLite,
        settings: DatabaseSettings,
        row_factory: Any,
        functions: Sequence[Configure],
    ) -> None:
        self.db = db
        self.settings = settings
        opener = partial(connect, settings, row_factory, functions)
        self.connections = LoopBound(
            partial(LoopConnections, settings, opener), LoopConnections.close
        )

    async def release(self, app: Quart, **_: object) -> None:
        """Release the connection of the current context; the receiver of a signal of *app*."""
        connections = self.connections.find()
        if connections is not None and (context := current_context()) is not None:
            await connections.release(context)


class SQLite:
    """SQLite in a Quart application: one connection per context, from a pool.

    The connection belongs to the request, the websocket, the background task, the stream or the
    ``async with app.app_context()`` block in which the code runs. At the end of the context,
    everything that is not committed is rolled back and the connection returns to the pool, even
    if the client has left in the middle of a query. A request that uses no connection takes none.

    One object can serve several applications.

    .. versionadded:: 0.1

    Arguments:
        app: The application; without it, call :meth:`init_app`.
        row_factory: Makes a row of a tuple, on every connection. A context may set its own:
            ``connection.row_factory = make_dicts``. ``None`` returns tuples.
    """

    def __init__(self, app: Quart | None = None, *, row_factory: Any = sqlite3.Row) -> None:
        self._row_factory = row_factory
        self._functions: list[Configure] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Initialise *app*: read its settings, and add the error handler and ``quart init-db``.

        Later changes of the configuration have no effect. The database is opened on first use.

        Raises:
            RuntimeError: ``DATABASE`` is not set, or *app* has been initialised before.
            ValueError: A setting is invalid.
        """
        if "sqlite3" in app.extensions:
            raise RuntimeError("this application already has an SQLite object: import that one")
        database = AppDatabase(self, read_settings(app), self._row_factory, self._functions)
        app.extensions["sqlite3"] = database
        app.after_serving(database.connections.close)
        # The signal comes after all teardown functions, which may use the connection. If one of
        # them fails, there is no signal, and the connection is released when the context is
        # garbage collected. The signal keeps a weak reference to the method.
        app.extensions["sqlite3.release"] = database.release
        appcontext_tearing_down.connect(database.release, app)
        register_unavailable_handler(app, sqlite3.Error, diagnose=diagnose)
        add_init_db_command(app, self.init_db)

    def on_connect(self, function: F) -> F:
        """Register a function that is called with each new connection of :mod:`sqlite3`.

        It is called in the thread of the connection. Use it for what belongs to a connection:
        ``create_function``, ``create_collation``, extensions. Adapters and converters belong to
        the process: see :func:`sqlite3.register_adapter`.
        """
        self._functions.append(function)
        return function

    async def get_db(self) -> Connection:
        """Return the connection of the current context.

        The first call in a context takes the connection from the pool.

        Raises:
            DatabaseUnavailable: The database can't be opened, or all connections are in use.
            RuntimeError: There is no context.
        """
        context = _context("get_db")
        connection = await self._database(context).connections.get().get(context)
        connection.used_otherwise = True
        return connection

    async def query_db(self, query: str, args: Any = (), one: bool = False) -> Any:
        """Execute *query* on the connection of the context, and fetch its rows.

        Arguments:
            query: One SQL statement, with ``?`` or ``:name`` for each value.
            args: The values: a sequence or a mapping. Never write values into the statement.
            one: Return the first row only.

        Returns:
            A list of rows, which may be empty. With *one*, a row, or ``None`` if there is none.
        """
        return await (await self.get_db()).query(query, args, one)

    def stream_query(self, query: str, args: Any = (), *, batch_size: int = 256) -> RowStream[Any]:
        """Return the rows of *query*, with few of them in memory at a time.

        In a streamed response, use it in a generator under ``stream_with_context``, or write
        ``csv_response(db.stream_query(...))``. If nothing else in the context uses the
        connection, it returns to the pool as soon as the last row is read.

        Arguments:
            query: One SQL statement, with ``?`` or ``:name`` for each value.
            args: The values: a sequence or a mapping.
            batch_size: The number of rows fetched in one round trip to the thread. The first
                fetches four times as many.

        Raises:
            ValueError: *batch_size* is less than 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
        return RowStream(partial(self._read_batches, query, args, batch_size))

    async def _read_batches(
        self, query: str, args: Any, size: int, stream: RowStream[Any]
    ) -> AsyncGenerator[list[Any]]:
        context = _context("stream_query")
        connection = await self._database(context).connections.get().get(context)
        with connection.streaming() as end:
            batches = connection.read_batches(query, args, size, end, stream)
            async with aclosing(batches):
                async for batch in batches:
                    yield batch

    @asynccontextmanager
    async def transaction(self, mode: Mode = "IMMEDIATE") -> AsyncGenerator[Connection]:
        """Commit the block of ``async with``, or roll it back after an error.

        In another transaction it is a savepoint. Other tasks of the same context wait.

        Arguments:
            mode: ``IMMEDIATE``, ``EXCLUSIVE``, or ``DEFERRED`` for a block that only reads.
        """
        async with (await self.get_db()).transaction(mode) as connection:
            yield connection

    async def init_db(
        self, app: Quart | None = None, *, schema: str = "schema.sql", if_empty: bool = False
    ) -> bool:
        """Execute the statements of *schema*, all or none of them, in a context of their own.

        They are one transaction. Statements that can't be in one, such as ``VACUUM``, may come
        before or after it. An error in one after it does not undo it.

        The schema decides what happens to existing data, for example by ``DROP TABLE IF EXISTS``.

        Arguments:
            app: The application; by default the current one.
            schema: A file in the folder of the application.
            if_empty: Do nothing if the database has a table.

        Returns:
            Whether the statements were executed.

        Raises:
            FileNotFoundError: There is no such file.
            sqlite3.Error: A statement is invalid.
        """
        app = app or _context("init_db").app
        async with app.app_context():
            return await execute_schema(app, await self.get_db(), schema, if_empty=if_empty)

    def _database(self, context: AppContext) -> AppDatabase:
        database = context.app.extensions.get("sqlite3")
        if not isinstance(database, AppDatabase) or database.db is not self:
            raise RuntimeError(
                "the current application is not initialised with this SQLite object: call"
                " db.init_app(app), and create one SQLite object only"
            )
        return database


async def get_db() -> Connection:
    """Call :meth:`SQLite.get_db` of the current application.

    .. versionadded:: 0.1
    """
    return await _current_db().get_db()


async def query_db(query: str, args: Any = (), one: bool = False) -> Any:
    """Call :meth:`SQLite.query_db` of the current application.

    .. versionadded:: 0.1
    """
    return await _current_db().query_db(query, args, one)


def stream_query(query: str, args: Any = (), *, batch_size: int = 256) -> RowStream[Any]:
    """Call :meth:`SQLite.stream_query` of the current application.

    .. versionadded:: 0.1
    """
    return _current_db().stream_query(query, args, batch_size=batch_size)


async def init_db(*, schema: str = "schema.sql", if_empty: bool = False) -> bool:
    """Call :meth:`SQLite.init_db` of the current application.

    .. versionadded:: 0.1
    """
    return await _current_db().init_db(schema=schema, if_empty=if_empty)


def _current_db() -> SQLite:
    database = _context("get_db").app.extensions.get("sqlite3")
    if not isinstance(database, AppDatabase):
        raise RuntimeError("the current application has no database: call SQLite(app)")
    return database.db


def _context(function: str) -> AppContext:
    if (context := current_context()) is None:
        raise RuntimeError(
            f"{function}() needs a context: use it in a request, a websocket or a background task,"
            " in a stream under stream_with_context, or inside `async with app.app_context():`"
        )
    return context
