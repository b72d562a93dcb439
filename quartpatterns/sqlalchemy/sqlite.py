"""SQLite for SQLAlchemy: one round trip for each statement, cancellation, real savepoints.

A SQLite connection lives in a thread of its own. SQLAlchemy asks that thread for a cursor, has it
execute the statement, asks for the rows, closes the cursor and rolls back: five round trips for
one row, each of which takes longer than reading the row. Here it is one.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection
from sqlalchemy.engine import AdaptedConnection, Connection, Dialect, Engine, ExceptionContext
from sqlalchemy.util import await_only

from quartpatterns.sqlalchemy.greenlets import wait

if TYPE_CHECKING:
    from quartpatterns._shared.sqlite_thread import SQLiteConnection

__all__ = [
    "MEMORY",
    "SHORT_READS",
    "BufferedCursor",
    "MemoryDatabase",
    "SQLiteAdapter",
    "configure_sqlite",
    "connect_sqlite",
]


# The argument of a connection that names the database to use instead of ":memory:".
MEMORY = "memory_database"
# The argument with the object that executes short reads on the event loop.
SHORT_READS = "short_reads"


def configure_sqlite(engine: Engine, pragmas: Mapping[str, str | int]) -> None:
    """Register the event handlers of this module on an engine for SQLite."""
    if engine.url.drivername == "sqlite+aiosqlite":
        event.listen(engine, "do_connect", _connect_adapter)
    event.listen(engine, "handle_error", _roll_back_cancelled)
    # Not the event "savepoint": with a handler of that kind, SQLAlchemy looks for others before and
    # after each statement.
    dialect: Any = engine.dialect
    dialect.do_savepoint = partial(_do_savepoint, dialect.do_savepoint)
    if pragmas:
        event.listen(engine, "connect", partial(_set_pragmas, pragmas))


async def connect_sqlite(*args: Any, **options: Any) -> SQLiteConnection:
    """Call :func:`sqlite3.connect` in a new thread; an ``async_creator_fn`` for SQLAlchemy."""
    # Imported here, because applications with other databases don't need aiosqlite.
    from quartpatterns._shared.sqlite_thread import SQLiteConnection, SQLiteThread

    if (short_reads := options.pop(SHORT_READS, None)) is not None:
        options["check_same_thread"] = False
    connect = partial(sqlite3.connect, *args, **options)
    thread = SQLiteThread(connect, short_reads=short_reads)
    try:
        await thread.open()
    except BaseException:
        # The thread closes what it has opened, also if this task is cancelled again.
        await SQLiteConnection(thread).close()
        raise
    return SQLiteConnection(thread)


class MemoryDatabase:
    """A database in memory for all event loops, so that a command finds the rows of a test.

    ``:memory:`` is a database for one connection, and each event loop has connections of its
    own. This one ends when this object is garbage collected.
    """

    def __init__(self) -> None:
        self.name = f"file:/{secrets.token_hex(8)}?vfs=memdb"
        holder = sqlite3.connect(self.name, uri=True, check_same_thread=False)
        weakref.finalize(self, holder.close)


class BufferedCursor:
    """A DBAPI cursor that exists in the thread only while its statement is executed there.

    All rows are fetched at once, as by SQLAlchemy's own cursor. A statement whose rows are
    streamed has a server-side cursor of SQLAlchemy instead.
    """

    server_side = False
    arraysize = 1
    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    def __init__(self, driver: SQLiteConnection) -> None:
        self._driver = driver
        self._rows: deque[Any] = deque()

    def execute(self, operation: str, parameters: Any = None) -> None:
        """Execute *operation* and fetch its rows."""
        # The thread's own methods save two coroutines of the connection's.
        driver = self._driver
        call = partial(_execute, driver.raw, operation, parameters or ())
        self._take(wait(driver.thread.submit_read(operation, call)))

    def executemany(self, operation: str, seq_of_parameters: Any) -> None:
        """Execute *operation* for each of *seq_of_parameters*."""
        driver = self._driver
        call = partial(_executemany, driver.raw, operation, seq_of_parameters)
        self._take(await_only(driver.thread.submit(call)))

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next *size* rows, or fewer at the end."""
        size = self.arraysize if size is None else size
        return [self._rows.popleft() for _ in range(min(size, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        """Return the remaining rows."""
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def __iter__(self) -> Iterator[Any]:
        while self._rows:
            yield self._rows.popleft()

    def close(self) -> None:
        """Drop the rows. The cursor in the thread is closed already."""
        self._rows.clear()

    def setinputsizes(self, *sizes: Any) -> None:
        """Do nothing, as in :mod:`sqlite3`."""

    async def _async_soft_close(self) -> None:
        """Do nothing; SQLAlchemy calls it to close the cursor and keep its rows."""

    def _take(self, result: tuple[Any, ...]) -> None:
        self.description, self._rows, self.rowcount, self.lastrowid = result


class SQLiteAdapter(AsyncAdapt_aiosqlite_connection):
    """SQLAlchemy's adapter of a connection, without round trips that have no effect."""

    __slots__ = ()

    def cursor(self, server_side: bool = False) -> Any:
        """Return a cursor; with *server_side* one that fetches rows when they are asked for."""
        if server_side:
            return AsyncAdapt_aiosqlite_connection.cursor(self, server_side=True)
        return BufferedCursor(self.driver_connection)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What ``isinstance()`` sees: event handlers that set pragmas test for it."""
        return sqlite3.Connection

    @property
    def isolation_level(self) -> str | None:
        """How a statement that writes begins a transaction; None if it does not."""
        level: str | None = self.driver_connection.isolation_level
        return level

    @isolation_level.setter
    def isolation_level(self, value: str | None) -> None:
        await_only(self.driver_connection.run(setattr, "isolation_level", value))

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun."""
        # aiosqlite's property says the same, through three others.
        return bool(self.driver_connection.thread.raw.in_transaction)

    def rollback(self) -> None:
        """Roll back, if a transaction has begun: SQLite begins one to write."""
        if self.in_transaction:
            await_only(self.driver_connection.rollback())

    def commit(self) -> None:
        """Commit, if a transaction has begun."""
        if self.in_transaction:
            await_only(self.driver_connection.commit())


# Event handlers.


def _connect_adapter(
    dialect: Dialect, record: object, arguments: list[Any], options: dict[str, Any]
) -> AdaptedConnection | None:
    if options.get("async_creator_fn") is not connect_sqlite:
        return None  # SQLAlchemy adapts the connections of a user's own function.
    dbapi: Any = dialect.loaded_dbapi
    if MEMORY in options:
        name = options[MEMORY]
        options = {key: value for key, value in options.items() if key != MEMORY}
        arguments, options = [name], {**options, "uri": True}
    return SQLiteAdapter(dbapi, dbapi.connect(*arguments, **options).driver_connection)


def _roll_back_cancelled(context: ExceptionContext) -> None:
    cancelled = isinstance(context.original_exception, asyncio.CancelledError)
    if cancelled and context.connection is not None and not context.connection.invalidated:
        connection = context.connection.connection.dbapi_connection
        assert isinstance(connection, AdaptedConnection)
        connection.run_async(_roll_back)


async def _roll_back(driver: Any) -> None:
    """End the transaction of a connection whose statement was cancelled.

    SQLAlchemy is about to close the connection. That ends the transaction only when the last
    cursor is garbage collected: those that the error's traceback holds would keep the database
    locked.
    """
    rollback = asyncio.ensure_future(driver.rollback())
    await asyncio.wait([rollback])
    # An error means that there is no transaction, or that the connection is closed.
    rollback.exception()


def _do_savepoint(
    savepoint: Callable[[Connection, str], None], connection: Connection, name: str
) -> None:
    # IMMEDIATE, because a savepoint announces writing: this waits for other writers. A transaction
    # that reads before it writes fails at once if another one has written in between.
    if not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    savepoint(connection, name)


def _set_pragmas(pragmas: Mapping[str, str | int], connection: Any, record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout")
    deadline = time.monotonic() + cursor.fetchone()[0] / 1000
    for name, value in pragmas.items():
        _set_pragma(cursor, f"PRAGMA {name} = {value}", deadline)
    cursor.close()


def _set_pragma(cursor: Any, statement: str, deadline: float) -> None:
    """Set a pragma, even if somebody writes at the same time.

    SQLite does not wait while it changes the journal mode, whatever its busy timeout is.
    """
    while True:
        try:
            cursor.execute(statement)
            return
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        await_only(asyncio.sleep(0.01))


# In the thread.


def _execute(connection: sqlite3.Connection, operation: str, parameters: Any) -> tuple[Any, ...]:
    cursor = connection.cursor()
    try:
        cursor.execute(operation, parameters)
        rows = cursor.fetchall() if cursor.description else ()
        return cursor.description, deque(rows), cursor.rowcount, cursor.lastrowid
    finally:
        cursor.close()


def _executemany(
    connection: sqlite3.Connection, operation: str, parameters: Any
) -> tuple[Any, ...]:
    cursor = connection.cursor()
    try:
        cursor.executemany(operation, parameters)
        return None, deque[Any](), cursor.rowcount, cursor.lastrowid
    finally:
        cursor.close()
