"""The connection pool of one event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from quartpatterns._shared.sqlite_short_reads import ShortReads
from quartpatterns._shared.sqlite_thread import SQLiteThread
from quartpatterns.sqlite3.errors import DatabaseUnavailable, opening_error
from quartpatterns.sqlite3.settings import DatabaseSettings

__all__ = ["ConnectionPool", "PooledConnection"]

log = logging.getLogger(__name__)

FILE_CHECK_INTERVAL = 1.0
"""Seconds between two checks that the database file is still the one that was opened."""

_EXHAUSTED = (
    "All connections to the database are in use. Try again in a moment, or raise SQLITE_POOL_SIZE."
)
_STOPPING = "The server is about to stop. Try again in a moment."


class PooledConnection(SQLiteThread):
    """A SQLite connection and its thread, which one context after another uses.

    Arguments:
        connect: Opens the database. It is called in the thread.
        short_reads: Executes short reads on the event loop; by default all are in the thread.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], short_reads: ShortReads | None = None
    ) -> None:
        super().__init__(connect, short_reads=short_reads)
        self._file: tuple[str, int, int] | None = None
        self._checked_at = self._loop.time()
        self._factories: tuple[Any, Any] = (None, str)

    def reset(self) -> None:
        """Undo what a context has set as plain attributes."""
        self.raw.row_factory, self.raw.text_factory = self._factories

    @property
    def is_fresh(self) -> bool:
        """Whether the file was checked less than :data:`FILE_CHECK_INTERVAL` ago."""
        return self._file is None or self._loop.time() - self._checked_at < FILE_CHECK_INTERVAL

    def check_file(self) -> asyncio.Future[bool]:
        """Check whether the file is still the one that was opened.

        A connection to a file that was deleted or replaced would go on with data that no other
        program sees.
        """
        self._checked_at = self._loop.time()
        return self.submit(self._is_same_file)

    # In the thread.

    def _open(self) -> None:
        super()._open()
        raw = self.raw
        self._factories = (raw.row_factory, raw.text_factory)
        [[_, _, path], *_] = sqlite3.Cursor(raw).execute("PRAGMA database_list").fetchall()
        self._file = _file_identity(path)

    def _is_same_file(self) -> bool:
        return self._file is not None and _file_identity(self._file[0]) == self._file


class ConnectionPool:
    """Opens connections when they are needed, hands them out, and keeps them for the next use.

    Arguments:
        settings: The size and the timeouts.
        connect: Opens a connection; it is called in the thread of the connection.
    """

    def __init__(
        self, settings: DatabaseSettings, connect: Callable[[], sqlite3.Connection]
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._short_reads = ShortReads() if settings.read_on_loop else None
        self._loop = asyncio.get_running_loop()
        self._idle: list[PooledConnection] = []
        self._waiting: deque[asyncio.Future[PooledConnection]] = deque()
        self._all: set[PooledConnection] = set()
        self._opening: set[PooledConnection] = set()
        self.stopping: set[asyncio.Future[None]] = set()
        """Connections that are being closed."""
        self._memory_holder: PooledConnection | None = None
        self._memory_held: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def size(self) -> int:
        """The number of connections that are open, or being opened."""
        return len(self._all)

    @property
    def in_use(self) -> int:
        """The number of connections that are not idle."""
        return len(self._all) - len(self._idle)

    def take(self) -> PooledConnection | None:
        """Return an idle connection without waiting, or ``None`` if there is none."""
        # The last one that came back: so the fewest threads are active.
        return self._idle.pop() if self._idle and self._idle[-1].is_fresh else None

    async def acquire(self) -> PooledConnection:
        """Return a connection, which :meth:`give_back` takes back.

        Raises:
            DatabaseUnavailable: No connection was free in time, or none could be opened.
        """
        if self._settings.in_memory:
            await self._hold_memory()
        if self._closed:
            raise DatabaseUnavailable(_STOPPING)
        while self._idle:
            if await self._is_usable(connection := self._idle.pop()):
                return connection
            self._stop(connection)
        return await self._wait()

    def give_back(self, connection: PooledConnection, *, reusable: bool = True) -> None:
        """Take *connection* back, and hand it to the task that has waited longest.

        Arguments:
            connection: The connection. It has no statement under way.
            reusable: Whether it may be used again. Otherwise it is closed, and another one is
                opened when one is needed.
        """
        if self._closed or not reusable:
            self._stop(connection)
        elif future := self._next_waiting():
            future.set_result(connection)
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Close the connections that are idle or being opened, and the others when they come back.

        Wait for :attr:`stopping` afterwards.
        """
        self._closed = True
        while future := self._next_waiting():
            future.set_exception(DatabaseUnavailable(_STOPPING))
        while self._idle:
            self._stop(self._idle.pop())
        while self._opening:
            self._stop(self._opening.pop())
        if self._memory_holder is not None:
            self._stop(self._memory_holder)
            self._memory_holder = None

    async def _hold_memory(self) -> None:
        """Open a connection that no context gets, before any other connection.

        A database in memory ends with its last connection, and a connection that a context uses
        may be closed at any time.
        """
        if self._closed:
            return
        if self._memory_holder is None or self._memory_held is None:
            self._memory_holder = PooledConnection(self._connect)
            self._memory_held = self._memory_holder.open()
        holder, held = self._memory_holder, self._memory_held
        if not held.done():
            await asyncio.wait([held])
        if error := held.exception():
            if self._memory_holder is holder:
                self._memory_holder = self._memory_held = None
                self._stop(holder)
            raise opening_error(error, self._settings.database)

    async def _is_usable(self, connection: PooledConnection) -> bool:
        if connection.is_fresh:
            return True
        try:
            return await connection.check_file()
        except asyncio.CancelledError:
            self.give_back(connection)
            raise

    async def _wait(self) -> PooledConnection:
        future: asyncio.Future[PooledConnection] = self._loop.create_future()
        self._waiting.append(future)
        self._open_more()
        try:
            async with asyncio.timeout(self._settings.pool_timeout):
                connection = await future
        except BaseException as error:
            with suppress(ValueError):
                self._waiting.remove(future)
            if future.done() and not future.cancelled() and future.exception() is None:
                self.give_back(future.result())
            if isinstance(error, TimeoutError):
                raise DatabaseUnavailable(_EXHAUSTED, retry_after=1) from error
            raise
        if self._closed:
            self.give_back(connection)
            raise DatabaseUnavailable(_STOPPING)
        return connection

    def _next_waiting(self) -> asyncio.Future[PooledConnection] | None:
        """Remove and return the future that has waited longest and is not cancelled."""
        while self._waiting:
            if not (future := self._waiting.popleft()).done():
                return future
        return None

    def _open_more(self) -> None:
        """Open connections for the tasks that wait, up to the size of the pool."""
        missing = len(self._waiting) - len(self._opening)
        for _ in range(min(missing, self._settings.pool_size - len(self._all))):
            connection = PooledConnection(self._connect, self._short_reads)
            opening = connection.open()
            self._all.add(connection)
            self._opening.add(connection)
            opening.add_done_callback(partial(self._opened, connection))

    def _opened(self, connection: PooledConnection, opening: asyncio.Future[None]) -> None:
        error = opening.exception()
        if self._closed:
            return  # close() has stopped it.
        self._opening.discard(connection)
        if error is None:
            self.give_back(connection)
            return
        if future := self._next_waiting():
            future.set_exception(opening_error(error, self._settings.database))
        self._stop(connection)

    def _stop(self, connection: PooledConnection) -> None:
        stopping = connection.stop()
        self.stopping.add(stopping)
        stopping.add_done_callback(partial(self._stopped, connection))

    def _stopped(self, connection: PooledConnection, stopping: asyncio.Future[None]) -> None:
        self.stopping.discard(stopping)
        self._all.discard(connection)
        if error := stopping.exception():
            log.warning("a connection could not be closed: %s", error)
        if not self._closed:
            self._open_more()


def _file_identity(path: str) -> tuple[str, int, int] | None:
    """Return the identity of the file at *path*, or ``None`` if there is none, as in memory."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return path, found.st_dev, found.st_ino
