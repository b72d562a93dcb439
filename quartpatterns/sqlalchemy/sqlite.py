"""SQLite for SQLAlchemy, with one round trip to the connection's thread for each statement.

A SQLite connection lives in a thread of its own. SQLAlchemy asks that thread for a cursor, has it
execute the statement, asks for the rows, closes the cursor and rolls back: five round trips for
one row, each of which takes longer than reading the row. Here it is one.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection
from sqlalchemy.util import await_only

if TYPE_CHECKING:
    from quartpatterns._shared.sqlite_thread import SQLiteConnection

__all__ = ["BufferedCursor", "SQLiteAdapter", "connect_sqlite"]


async def connect_sqlite(*args: Any, **options: Any) -> SQLiteConnection:
    """Open a connection in a new thread; what ``async_creator_fn`` of SQLAlchemy's dialect does.

    Arguments:
        args: For :func:`sqlite3.connect`.
        options: The same, by name.
    """
    # Here, as an application with another database needs no aiosqlite.
    from quartpatterns._shared.sqlite_thread import SQLiteConnection, SQLiteThread

    thread = SQLiteThread(partial(sqlite3.connect, *args, **options))
    try:
        await thread.open()
    except BaseException:
        # The thread closes what it has opened, also when nobody waits for that.
        await SQLiteConnection(thread).close()
        raise
    return SQLiteConnection(thread)


class BufferedCursor:
    """A DBAPI cursor that exists in the thread only while its statement is executed there.

    All rows are fetched at once, as by SQLAlchemy's own cursor. A statement whose rows are
    streamed has a server-side cursor of SQLAlchemy instead.

    Arguments:
        driver: The connection.
    """

    server_side = False
    arraysize = 1
    description: Any = None
    """The columns of the rows, or None if the statement returns none."""
    rowcount = -1
    """The number of rows that the statement has changed, or -1."""
    lastrowid: int | None = None
    """The key of the row that was inserted last."""

    def __init__(self, driver: SQLiteConnection) -> None:
        self._driver = driver
        self._rows: deque[Any] = deque()

    def execute(self, operation: str, parameters: Any = None) -> None:
        """Execute *operation* and fetch its rows."""
        self._run(_execute, operation, parameters or ())

    def executemany(self, operation: str, seq_of_parameters: Any) -> None:
        """Execute *operation* for each of *seq_of_parameters*."""
        self._run(_executemany, operation, seq_of_parameters)

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next *size* rows, or fewer at the end."""
        size = self.arraysize if size is None else size
        return [self._rows.popleft() for _ in range(min(size, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
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

    def _run(self, function: Callable[..., Any], operation: str, parameters: Any) -> None:
        done = await_only(self._driver.run(function, operation, parameters))
        self.description, self._rows, self.rowcount, self.lastrowid = done


class SQLiteAdapter(AsyncAdapt_aiosqlite_connection):
    """SQLAlchemy's view of a connection, which asks the thread only if there is something to do.

    Arguments:
        dbapi: SQLAlchemy's adapter of aiosqlite.
        driver: A connection of :func:`connect_sqlite`.
    """

    __slots__ = ()

    def cursor(self, server_side: bool = False) -> Any:
        """Return a cursor; with *server_side* one that fetches rows when they are asked for."""
        if server_side:
            return super().cursor(server_side=True)
        return BufferedCursor(self.driver_connection)

    @property
    def isolation_level(self) -> str | None:
        """How a statement that writes begins a transaction; None if it does not."""
        level: str | None = self.driver_connection.isolation_level
        return level

    @isolation_level.setter
    def isolation_level(self, value: str | None) -> None:
        await_only(self.driver_connection.run(setattr, "isolation_level", value))

    def rollback(self) -> None:
        """Roll back, if a transaction has begun: SQLite begins one to write."""
        if self.driver_connection.in_transaction:
            await_only(self.driver_connection.rollback())

    def commit(self) -> None:
        """Commit, if a transaction has begun."""
        if self.driver_connection.in_transaction:
            await_only(self.driver_connection.commit())


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
