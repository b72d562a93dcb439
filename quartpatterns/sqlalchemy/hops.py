"""SQLite in one hop: a statement and its rows cross to the connection's thread and back once.

An SQLite connection of aiosqlite lives in a thread of its own. SQLAlchemy asks that thread for a
cursor, has it execute the statement, asks for the rows, closes the cursor and rolls back: five
trips for one row, each of which costs more than the row. Here it is one.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
)
from sqlalchemy.util import await_only

__all__ = ["OneHopConnection", "OneHopCursor"]

T = TypeVar("T")


class OneHopCursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor that exists in the thread only while its statement is executed there.

    All rows are fetched at once, as SQLAlchemy's own cursor does; statements whose rows are
    streamed have another one.
    """

    __slots__ = ("_description", "_lastrowid", "_rowcount")
    arraysize: Any = 1  # for fetchmany(); all rows are here already

    def __init__(self, adapt_connection: AsyncAdapt_aiosqlite_connection) -> None:
        self._adapt_connection = adapt_connection
        self._connection: Any = adapt_connection.driver_connection
        self._rows = deque()
        self._description: Any = None
        self._rowcount = -1
        self._lastrowid: int | None = None

    @property
    def description(self) -> Any:
        """The columns of the rows; ``None`` where the statement has none."""
        return self._description

    @property
    def rowcount(self) -> int:
        """How many rows the statement has changed."""
        return self._rowcount

    @property
    def lastrowid(self) -> Any:
        """The key of the row that was inserted."""
        return self._lastrowid

    def execute(self, operation: Any, parameters: Any = None) -> None:
        """Execute *operation* and fetch its rows."""
        self._run(_execute, operation, parameters or ())

    def executemany(self, operation: Any, seq_of_parameters: Any) -> None:
        """Execute *operation* for each of *seq_of_parameters*."""
        self._run(_executemany, operation, seq_of_parameters)

    def close(self) -> None:
        """Forget the rows; the cursor in the thread was closed before they came."""
        self._rows.clear()

    async def _async_soft_close(self) -> None:
        pass

    def _run(self, function: Callable[..., Any], *args: Any) -> None:
        adapter: Any = self._adapt_connection
        driver = self._connection
        try:
            found = await_only(driver._execute(function, driver._conn, *args))
        except Exception as error:  # whatever it is, SQLAlchemy's adapter says what it means
            adapter._handle_exception(error)
        else:
            self._description, self._rows, self._rowcount, self._lastrowid = found


class OneHopConnection(AsyncAdapt_aiosqlite_connection):
    """A connection that goes to its thread only where there is something to do there."""

    __slots__ = ()
    _cursor_cls: Any = OneHopCursor

    def rollback(self) -> None:
        """Roll back; nothing, where no transaction has begun: SQLite begins one to write."""
        if self._connection.in_transaction:
            super().rollback()

    def commit(self) -> None:
        """Commit; nothing, where no transaction has begun."""
        if self._connection.in_transaction:
            super().commit()


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
