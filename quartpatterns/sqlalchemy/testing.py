"""Tests whose changes to a database are rolled back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from quart import Quart
from sqlalchemy import NullPool
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.ext.asyncio import AsyncEngine

from quartpatterns.sqlalchemy.engines import LoopEngines, make_engine
from quartpatterns.sqlalchemy.extension import Registration
from quartpatterns.sqlalchemy.sqlite import SQLiteAdapter

__all__ = ["rolled_back"]


@asynccontextmanager
async def rolled_back(app: Quart) -> AsyncGenerator[None]:
    """Roll back at the end what *app* has changed in its databases, even if it has committed.

    ::

        @pytest.fixture
        async def app():
            app = create_app({"SQLALCHEMY_DATABASE_URI": "postgresql:///test"})
            async with rolled_back(app):
                yield app

    Each database has one connection with one transaction. Each transaction of the application is a
    savepoint in it, which a commit releases and a rollback rolls back to. Requests see what others
    have committed, and run one after the other. A test of concurrent transactions can't use this.

    Arguments:
        app: An initialised application, on the event loop of the test.

    Raises:
        RuntimeError: The application has no SQLAlchemy object.
        NotImplementedError: A driver is neither asyncpg nor aiosqlite.

    .. versionadded:: 0.1
    """
    registration = app.extensions.get("sqlalchemy")
    if not isinstance(registration, Registration):
        raise RuntimeError("initialise the application first: db.init_app(app)")
    loop = asyncio.get_running_loop()
    outer = registration.test_engines.get(loop)
    async with AsyncExitStack() as stack:
        engines = {
            key: await stack.enter_async_context(_nested_engine(database.url, registration))
            for key, database in registration.settings.databases.items()
        }
        registration.test_engines[loop] = test_engines = LoopEngines(engines, {})
        try:
            yield
        finally:
            if outer is None:
                del registration.test_engines[loop]
            else:
                registration.test_engines[loop] = outer
            await test_engines.close()


@asynccontextmanager
async def _nested_engine(url: Any, registration: Registration) -> AsyncGenerator[AsyncEngine]:
    """An engine with one connection, in a transaction that is rolled back at the end."""
    if (nested := _NESTED.get(url.drivername)) is None:
        raise NotImplementedError(
            f"rolled_back() supports asyncpg and aiosqlite, not {url.drivername}"
        )
    options: dict[str, Any] = {"poolclass": NullPool}
    outer = make_engine(url, options=options, pragmas=registration.settings.pragmas)
    try:
        async with outer.connect() as connection:
            adapter: Any = (await connection.get_raw_connection()).dbapi_connection
            driver = adapter.driver_connection

            def connect() -> AdaptedConnection:
                return nested(adapter.dbapi, driver)

            roll_back = await _begin(driver)
            inner = make_engine(url, options={**options, "creator": connect})
            try:
                yield inner
            finally:
                await inner.dispose()
                await roll_back()
    finally:
        await outer.dispose()


async def _begin(driver: Any) -> Callable[[], Awaitable[object]]:
    """Begin a transaction, and return the function that rolls it back."""
    if hasattr(driver, "transaction"):
        # asyncpg makes later transactions savepoints only if this one is begun by a method.
        transaction = driver.transaction()
        await transaction.start()
        return cast("Callable[[], Awaitable[object]]", transaction.rollback)
    await driver.execute("BEGIN")
    return cast("Callable[[], Awaitable[object]]", driver.rollback)


class _NestedPostgreSQL(AsyncAdapt_asyncpg_connection):
    """A connection that never closes. asyncpg makes its transactions savepoints."""

    __slots__ = ()

    def close(self) -> None:
        self.rollback()  # type: ignore[no-untyped-call]

    def terminate(self) -> None:
        pass


class _NestedSQLite(SQLiteAdapter):
    """A connection that never closes. Its transactions are savepoints."""

    __slots__ = ("_savepoint",)
    _numbers = itertools.count(1)

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._savepoint = ""

    def cursor(self, server_side: bool = False) -> Any:
        if not self._savepoint:
            self._savepoint = f"test_{next(self._numbers)}"
            super().cursor().execute(f"SAVEPOINT {self._savepoint}")
        return super().cursor(server_side)

    def rollback(self) -> None:
        self._end("ROLLBACK TO {0}", "RELEASE {0}")

    def commit(self) -> None:
        self._end("RELEASE {0}")

    def close(self) -> None:
        self.rollback()

    def terminate(self) -> None:
        pass

    def _end(self, *statements: str) -> None:
        name, self._savepoint = self._savepoint, ""
        for statement in statements if name else ():
            super().cursor().execute(statement.format(name))


_NESTED: dict[str, Callable[[Any, Any], AdaptedConnection]] = {
    "postgresql+asyncpg": _NestedPostgreSQL,
    "sqlite+aiosqlite": _NestedSQLite,
}
