"""``sqlite3.connect`` for asyncio: a connection of its own, outside of the pool."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

import aiosqlite
from aiosqlite.context import contextmanager

from quartpatterns._shared.sqlite_thread import SQLiteConnection, SQLiteThread

__all__ = ["StandaloneConnection", "connect"]


class StandaloneConnection(SQLiteConnection):
    """A connection that :func:`connect` returns: an :class:`aiosqlite.Connection` with a thread.

    It does what a connection of :mod:`sqlite3` does, where aiosqlite's does not:
    ``async with connection:`` commits its block or rolls it back, and does not close the
    connection. After :meth:`close`, each use raises :exc:`sqlite3.ProgrammingError`. A connection
    that nothing refers to any more is closed, and does not keep the process from ending.

    .. versionadded:: 0.1
    """

    # The optional extension of PEP 249: `except connection.IntegrityError`.
    Warning = sqlite3.Warning
    Error = sqlite3.Error
    InterfaceError = sqlite3.InterfaceError
    DatabaseError = sqlite3.DatabaseError
    DataError = sqlite3.DataError
    OperationalError = sqlite3.OperationalError
    IntegrityError = sqlite3.IntegrityError
    InternalError = sqlite3.InternalError
    ProgrammingError = sqlite3.ProgrammingError
    NotSupportedError = sqlite3.NotSupportedError

    def __init__(self, thread: SQLiteThread) -> None:
        super().__init__(thread)
        self._loop = asyncio.get_running_loop()
        self._closed = False

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection of :mod:`sqlite3`. Outside of its thread, use its attributes only.

        Raises:
            sqlite3.ProgrammingError: The connection is closed.
        """
        if self._closed:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        return super().raw

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call *function* in the thread and return its result, in one round trip.

        Raises:
            sqlite3.ProgrammingError: The connection is closed, or belongs to another event loop.
        """
        if self._closed:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        if asyncio.get_running_loop() is not self._loop:
            raise sqlite3.ProgrammingError(
                "This connection was opened on another event loop. Open one where you use it."
            )
        return await super().call(function, *args, **kwargs)

    @contextmanager
    async def cursor(self) -> aiosqlite.Cursor:
        """Return a new cursor."""
        return _Cursor(self, await self.call(self.raw.cursor))

    @contextmanager
    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> aiosqlite.Cursor:
        """Execute a statement, and return its cursor."""
        return _Cursor(self, await self.call(self.raw.execute, sql, parameters or ()))

    @contextmanager
    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> aiosqlite.Cursor:
        """Execute a statement once for each of *parameters*, and return its cursor."""
        return _Cursor(self, await self.call(self.raw.executemany, sql, parameters))

    @contextmanager
    async def executescript(self, sql_script: str) -> aiosqlite.Cursor:
        """Execute several statements, and return their cursor."""
        return _Cursor(self, await self.call(self.raw.executescript, sql_script))

    async def close(self) -> None:
        """Close the connection. What is not committed is lost."""
        self._closed = True
        await super().close()

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Commit, or roll back after an error. The connection stays open, as in sqlite3."""
        if exc_type is None:
            try:
                await self.commit()
            except BaseException:
                await self.rollback()
                raise
        else:
            await self.rollback()


class _Cursor(aiosqlite.Cursor):
    """A cursor for ``contextlib.aclosing``."""

    async def aclose(self) -> None:
        """Close the cursor."""
        await self.close()


async def connect(
    database: str | bytes | os.PathLike[str],
    timeout: float = 5.0,  # noqa: ASYNC109 - the argument of sqlite3
    detect_types: int = 0,
    isolation_level: Literal["DEFERRED", "IMMEDIATE", "EXCLUSIVE"] | None = "DEFERRED",
    check_same_thread: bool = True,
    factory: type[sqlite3.Connection] = sqlite3.Connection,
    cached_statements: int = 128,
    uri: bool = False,
) -> StandaloneConnection:
    """Open a database, as :func:`sqlite3.connect` does, without blocking the event loop.

    Each connection has a thread. In an application, :class:`SQLite` is better: it has a pool, and
    gives each request a connection. This function is for code that opens connections itself, such
    as a project that was moved from Flask with ``quartpatterns port``.

    .. versionadded:: 0.1

    Arguments:
        database: A path, ``:memory:``, or a ``file:`` URI with *uri*.
        timeout: Seconds to wait for the transaction of another connection.
        detect_types: As in :func:`sqlite3.connect`.
        isolation_level: As in :func:`sqlite3.connect`.
        check_same_thread: Ignored. All statements are executed in the thread of the connection.
        factory: A subclass of :class:`sqlite3.Connection`.
        cached_statements: The number of statements that are kept.
        uri: Whether *database* is a URI.

    Raises:
        sqlite3.OperationalError: The database cannot be opened.
    """
    del check_same_thread
    thread = SQLiteThread(
        partial(
            sqlite3.connect,
            database,
            timeout=timeout,
            detect_types=detect_types,
            isolation_level=isolation_level,
            # Attributes such as row_factory are set on the event loop.
            check_same_thread=False,
            factory=factory,
            cached_statements=cached_statements,
            uri=uri,
        )
    )
    try:
        await thread.open()
    except BaseException:
        thread.stop()
        raise
    return StandaloneConnection(thread)
