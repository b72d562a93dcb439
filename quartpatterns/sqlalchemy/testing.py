"""Tests whose changes to a database are rolled back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from quart import Quart
from sqlalchemy import NullPool, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

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
    have committed. Their statements run one after the other, and tasks may use sessions of their
    own at the same time. Transactions do not wait for each other, and see what others have not
    committed, so a test of locks and isolation can't use this.

    Arguments:
        app: An initialised application, on the event loop of the test.

    Raises:
        RuntimeError: The application has no SQLAlchemy object.
        NotImplementedError: A driver is neither asyncpg nor aiosqlite.

    A rollback also undoes what others have committed since the transaction has begun. A transaction
    that has written can't be rolled back while another one is open that has begun later: that is a
    :exc:`RuntimeError`.

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

            savepoints = _Savepoints()

            def connect() -> AdaptedConnection:
                connection = nested(adapter.dbapi, driver)
                connection.savepoints = savepoints
                return cast(AdaptedConnection, connection)

            roll_back = await _begin(driver)
            inner = make_engine(url, options={**options, "creator": connect})
            event.listen(inner.sync_engine, "before_cursor_execute", _before_execute)
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


@dataclass(eq=False)
class _Savepoint:
    """A transaction of the application."""

    name: str = ""
    wrote: bool = False
    ended: bool = False


class _Savepoints:
    """The savepoints of one connection, in the order in which they have begun.

    Releasing a savepoint releases the later ones as well. Concurrent transactions end in any order,
    so one that ends while a later one is open is released after that.
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self._open: list[tuple[_Savepoint, Callable[[], None]]] = []

    def begin(self, savepoint: _Savepoint, release: Callable[[], None]) -> None:
        self._open.append((savepoint, release))

    def end(self, savepoint: _Savepoint, finish: Callable[[], None], *, commit: bool) -> None:
        """End a transaction by *finish*, or later by its *release*."""
        savepoint.ended = True
        if self._open[-1][0] is savepoint:
            self._open.pop()
            finish()
            while self._open and self._open[-1][0].ended:
                self._open.pop()[1]()
        elif savepoint.wrote and not commit:
            raise RuntimeError(
                "Under rolled_back(), a transaction that has written can't be rolled back while one"
                " that began later is open: end them in the reverse order, or use a database of its"
                " own for this test."
            )


@contextmanager
def _held(lock: asyncio.Lock) -> Generator[None]:
    """Hold *lock* in synchronous code that SQLAlchemy runs in a greenlet."""
    await_only(lock.acquire())
    try:
        yield
    finally:
        lock.release()


def _before_execute(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> None:
    """Note that a transaction begins or writes."""
    connection.connection.dbapi_connection.note(
        writes=not statement.lstrip(" (\n").upper().startswith("SELECT")
    )


class _NestedPostgreSQL(AsyncAdapt_asyncpg_connection):
    """A connection that never closes. asyncpg makes its transactions savepoints."""

    __slots__ = ("_savepoint", "caches_statements", "savepoints")

    caches_statements: bool
    savepoints: _Savepoints
    _savepoint: _Savepoint | None

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)  # type: ignore[no-untyped-call]
        self.caches_statements = True
        self._savepoint = None

    def note(self, *, writes: bool) -> None:
        # asyncpg refuses a statement while another one runs. The lock is fair, so the savepoints
        # begin in the order of these calls.
        self._execute_mutex = self.savepoints.lock
        if self._savepoint is None and cast(Any, self).isolation_level != "autocommit":
            self._savepoint = _Savepoint()
            self.savepoints.begin(self._savepoint, super().commit)
        if self._savepoint is not None:
            self._savepoint.wrote |= writes

    def commit(self) -> None:
        self._end(super().commit, commit=True)

    def rollback(self) -> None:
        self._end(super().rollback, commit=False)

    def close(self) -> None:
        self.rollback()

    def terminate(self) -> None:
        pass

    def _end(self, finish: Callable[[], None], *, commit: bool) -> None:
        savepoint, self._savepoint = self._savepoint, None
        if savepoint is None:
            return
        with _held(self.savepoints.lock):
            self.savepoints.end(savepoint, finish, commit=commit)


class _NestedSQLite(SQLiteAdapter):
    """A connection that never closes. Its transactions are savepoints."""

    __slots__ = ("_savepoint", "savepoints")

    savepoints: _Savepoints
    _numbers = itertools.count(1)

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._savepoint: _Savepoint | None = None

    def cursor(self, server_side: bool = False) -> Any:
        if self._savepoint is None:
            self._savepoint = savepoint = _Savepoint(f"test_{next(self._numbers)}")
            with _held(self.savepoints.lock):
                self.savepoints.begin(savepoint, partial(self._run, savepoint, "RELEASE"))
                self._run(savepoint, "SAVEPOINT")
        return super().cursor(server_side)

    def note(self, *, writes: bool) -> None:
        if self._savepoint is not None:
            self._savepoint.wrote |= writes

    def rollback(self) -> None:
        self._end("ROLLBACK TO", "RELEASE", commit=False)

    def commit(self) -> None:
        self._end("RELEASE", commit=True)

    def close(self) -> None:
        self.rollback()

    def terminate(self) -> None:
        pass

    def _end(self, *statements: str, commit: bool) -> None:
        savepoint, self._savepoint = self._savepoint, None
        if savepoint is not None:
            finish = partial(self._run, savepoint, *statements)
            with _held(self.savepoints.lock):
                self.savepoints.end(savepoint, finish, commit=commit)

    def _run(self, savepoint: _Savepoint, *statements: str) -> None:
        for statement in statements:
            super().cursor().execute(f"{statement} {savepoint.name}")


_NESTED: dict[str, Callable[[Any, Any], Any]] = {
    "postgresql+asyncpg": _NestedPostgreSQL,
    "sqlite+aiosqlite": _NestedSQLite,
}
