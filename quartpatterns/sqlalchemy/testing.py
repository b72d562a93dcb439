"""Tests that leave no trace in a database: all that they do is rolled back."""

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

from quartpatterns.sqlalchemy.engines import make_engine
from quartpatterns.sqlalchemy.loops import LoopEngines
from quartpatterns.sqlalchemy.registration import Registration
from quartpatterns.sqlalchemy.sqlite import SQLiteAdapter

__all__ = ["rolled_back"]


@asynccontextmanager
async def rolled_back(app: Quart) -> AsyncGenerator[None]:
    """Undo at the end what *app* does to its databases meanwhile, whatever it commits.

    ::

        @pytest.fixture
        async def app():
            app = create_app({"SQLALCHEMY_DATABASE_URI": "postgresql:///test"})
            async with rolled_back(app):
                yield app

    Each database has one connection with one transaction. What the application takes for a
    transaction, in whatever session, engine or request, is a savepoint in it: a commit releases
    it, a rollback goes back to it. Requests see what others have committed, as they do
    elsewhere. They run one after the other: transactions side by side need connections of their
    own, and so tests without this.

    Arguments:
        app: An application that is initialised, on the event loop of the test.

    Raises:
        RuntimeError: The application has no SQLAlchemy object.
        NotImplementedError: A driver is neither asyncpg nor aiosqlite.
    """
    registration = app.extensions.get("sqlalchemy")
    if not isinstance(registration, Registration):
        raise RuntimeError("initialise the application first: db.init_app(app)")
    loop = asyncio.get_running_loop()
    before = registration.engines.get(loop)
    async with AsyncExitStack() as stack:
        engines = {
            key: await stack.enter_async_context(_undone(database.url, registration))
            for key, database in registration.databases.items()
        }
        registration.engines[loop] = inside = LoopEngines(engines)
        try:
            yield
        finally:
            if before is None:
                registration.engines.pop(loop, None)
            else:
                registration.engines[loop] = before
            await inside.close()


@asynccontextmanager
async def _undone(url: Any, registration: Registration) -> AsyncGenerator[AsyncEngine]:
    """An engine whose connections are one, in a transaction that is rolled back."""
    if (inside := _INSIDE.get(url.drivername)) is None:
        raise NotImplementedError(
            f"rolled_back() knows asyncpg and aiosqlite, not {url.drivername}"
        )
    options: dict[str, Any] = {"poolclass": NullPool}
    outer = make_engine(url, options=options, pragmas=registration.pragmas)
    try:
        async with outer.connect() as connection:
            adapter: Any = (await connection.get_raw_connection()).dbapi_connection
            driver = adapter.driver_connection

            def connect() -> AdaptedConnection:
                return inside(adapter.dbapi, driver)

            undo = await _begin(driver)
            inner = make_engine(url, options={**options, "creator": connect})
            try:
                yield inner
            finally:
                await inner.dispose()
                await undo()
    finally:
        await outer.dispose()


async def _begin(driver: Any) -> Callable[[], Awaitable[object]]:
    """Begin a transaction; the function that rolls it back."""
    if hasattr(driver, "transaction"):
        # asyncpg takes a transaction for the outer one only where it was asked to begin it.
        transaction = driver.transaction()
        await transaction.start()
        return cast("Callable[[], Awaitable[object]]", transaction.rollback)
    await driver.execute("BEGIN")
    return cast("Callable[[], Awaitable[object]]", driver.rollback)


class _InPostgreSQL(AsyncAdapt_asyncpg_connection):
    """A connection that leaves the real one open.

    asyncpg makes a transaction a savepoint where one is under way.
    """

    __slots__ = ()

    def close(self) -> None:
        self.rollback()  # type: ignore[no-untyped-call]

    def terminate(self) -> None:
        pass


class _InSQLite(SQLiteAdapter):
    """A connection whose transactions are savepoints, each begun by its first statement."""

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


_INSIDE: dict[str, Callable[[Any, Any], AdaptedConnection]] = {
    "postgresql+asyncpg": _InPostgreSQL,
    "sqlite+aiosqlite": _InSQLite,
}
