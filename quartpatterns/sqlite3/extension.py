"""The extension: a connection for each context, by the names of Flask's page."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar, cast

from quart import Quart, has_app_context
from quart.ctx import AppContext
from quart.globals import app_ctx

from quartpatterns.sqlite3.commands import add_init_db
from quartpatterns.sqlite3.connection import Connection
from quartpatterns.sqlite3.errors import handle_database_error
from quartpatterns.sqlite3.opening import Configure
from quartpatterns.sqlite3.registration import Registration
from quartpatterns.sqlite3.schema import initialise
from quartpatterns.sqlite3.settings import read_settings
from quartpatterns.sqlite3.transactions import Mode

__all__ = ["SQLite", "current_database"]

F = TypeVar("F", bound=Configure)


class SQLite:
    """SQLite in a Quart application: a connection for each context, on demand, from a pool.

    The connection is that of the request, the websocket, the background task, the stream or
    the bare ``async with app.app_context()`` that the code runs in. At the end of its context what
    is not committed is rolled back, and the connection goes back to the pool, also when the client
    went away in the middle of a query. A request that asks for none takes none.

    One object serves any number of applications.

    Arguments:
        app: An application to initialise at once.
        row_factory: What makes a row of a tuple, for all connections; a context may set its own,
            ``db.row_factory = make_dicts``. ``None`` leaves the tuples.
    """

    def __init__(self, app: Quart | None = None, *, row_factory: Any = sqlite3.Row) -> None:
        self._row_factory = row_factory
        self._functions: list[Configure] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Use the database that the configuration of *app* names, and add ``quart init-db``.

        The configuration is read now: later changes have no effect. The database is opened
        when it is first used.

        Raises:
            RuntimeError: No database is configured, or *app* has been initialised before.
            ValueError: A setting can't be used.
        """
        if "sqlite3" in app.extensions:
            raise RuntimeError("this application has an SQLite object: import that one")
        registration = Registration(self, read_settings(app), self._row_factory, self._functions)
        app.extensions["sqlite3"] = registration
        app.after_serving(registration.close)
        _take_back_last(app, registration)
        if sqlite3.Error not in app.error_handler_spec[None][None]:
            app.register_error_handler(sqlite3.Error, handle_database_error)
        add_init_db(app, self.init_db)

    def on_connect(self, function: F) -> F:
        """Have *function* called with each new connection of :mod:`sqlite3`, in its thread.

        For what belongs to a connection: ``create_function``, ``create_collation``, extensions.
        Adapters and converters belong to the process: :func:`sqlite3.register_adapter`.
        """
        self._functions.append(function)
        return function

    async def get_db(self) -> Connection:
        """The connection of the current context, taken from the pool when it is first asked for.

        Raises:
            DatabaseUnavailable: The database can't be opened, or all connections are in use.
            RuntimeError: There is no context.
        """
        context = _context("get_db")
        lender = self._registration(context).lender()
        return lender.lent(context) or await lender.lend(context)

    async def query_db(self, query: str, args: Any = (), one: bool = False) -> Any:
        """Execute *query* on the connection of the context, and fetch its rows.

        Arguments:
            query: One SQL statement, with ``?`` or ``:name`` for each value.
            args: The values: a sequence, or a mapping. Never write them into the statement.
            one: Return the first row, or ``None`` where there is none.

        Returns:
            A list of rows, which may be empty; with *one* a row or ``None``.
        """
        return await (await self.get_db()).query(query, args, one)

    async def stream_query(
        self, query: str, args: Any = (), *, batch_size: int = 256
    ) -> AsyncGenerator[Any, None]:
        """The rows of *query*, however many, of which few are in memory at a time.

        In a response that is streamed it wants ``stream_with_context`` around it.

        Arguments:
            query: One SQL statement, with ``?`` or ``:name`` for each value.
            args: The values: a sequence, or a mapping.
            batch_size: Rows fetched in one trip to the thread of the connection.
        """
        connection = await self.get_db()
        async with aclosing(connection.stream(query, args, batch_size=batch_size)) as rows:
            async for row in rows:
                yield row

    @asynccontextmanager
    async def transaction(self, mode: Mode = "IMMEDIATE") -> AsyncGenerator[Connection]:
        """``async with db.transaction():`` commits its block, or rolls it back.

        In another one it is a savepoint. Tasks beside it in the same context wait.

        Arguments:
            mode: ``IMMEDIATE``, ``EXCLUSIVE``, or ``DEFERRED`` for a block that only reads.
        """
        async with (await self.get_db()).transaction(mode) as connection:
            yield connection

    async def init_db(
        self, app: Quart | None = None, *, schema: str = "schema.sql", if_empty: bool = False
    ) -> bool:
        """Execute the statements of *schema*, all or none of them, in a context of its own.

        What happens to the data that is there, the schema says: ``DROP TABLE IF EXISTS``.

        Arguments:
            app: The application; the current one where none is given.
            schema: A file in the folder of the application.
            if_empty: Do nothing where there is a table.

        Returns:
            Whether they were executed.

        Raises:
            FileNotFoundError: There is no such file.
            sqlite3.Error: A statement is wrong.
        """
        app = app or _context("init_db").app
        async with app.app_context():
            return await initialise(app, await self.get_db(), schema, if_empty=if_empty)

    def _registration(self, context: AppContext) -> Registration:
        registration = context.app.extensions.get("sqlite3")
        if not isinstance(registration, Registration) or registration.db is not self:
            raise RuntimeError(
                "the current application is not initialised with this SQLite object: call"
                " db.init_app(app), and make one SQLite object only"
            )
        return registration


def current_database() -> SQLite:
    """The SQLite object of the current application.

    Raises:
        RuntimeError: There is no context, or the application has none.
    """
    registration = _context("get_db").app.extensions.get("sqlite3")
    if not isinstance(registration, Registration):
        raise RuntimeError("the current application has no database: call SQLite(app)")
    return cast("SQLite", registration.db)


def _context(what: str) -> AppContext:
    if not has_app_context():
        raise RuntimeError(
            f"{what}() needs a context: use it in a request, a websocket or a background task, in a"
            " stream under stream_with_context, or inside `async with app.app_context():`"
        )
    return cast("AppContext", cast("Any", app_ctx)._get_current_object())


def _take_back_last(app: Quart, registration: Registration) -> None:
    """Take a context's connection back when all teardown functions are done, or one has failed.

    As a teardown function it would come before others, which may open a connection anew, or not
    at all: Quart calls them in the order of their registration, up to the first that fails.
    """
    tear_down = app.do_teardown_appcontext

    async def do_teardown_appcontext(exc: BaseException | None) -> None:
        try:
            await tear_down(exc)
        finally:
            await registration.take_back()

    app.do_teardown_appcontext = do_teardown_appcontext  # type: ignore[method-assign]
