"""The warm connections of one event loop: as many as are needed, and no more than allowed."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from quartpatterns.sqlite3.errors import DatabaseUnavailable, unavailable
from quartpatterns.sqlite3.pooled import PooledConnection
from quartpatterns.sqlite3.settings import Settings

__all__ = ["Pool"]

log = logging.getLogger(__name__)

_EXHAUSTED = (
    "All connections to the database are in use. Try again in a moment, or raise SQLITE_POOL_SIZE."
)
_STOPPING = "The server is about to stop. Try again in a moment."


class Pool:
    """Connections that are opened on demand, lent, and kept.

    Arguments:
        settings: How many, and how long to wait for one.
        connect: Opens one, in its thread.
    """

    def __init__(self, settings: Settings, connect: Callable[[], sqlite3.Connection]) -> None:
        self._settings = settings
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._idle: list[PooledConnection] = []
        self._waiting: deque[asyncio.Future[PooledConnection]] = deque()
        self._all: set[PooledConnection] = set()
        self._opening = 0
        self.stopping: set[asyncio.Future[None]] = set()
        """What is under way to close connections."""
        self._anchor: PooledConnection | None = None
        self._anchored: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def size(self) -> int:
        """Connections that are open, or about to be."""
        return len(self._all)

    @property
    def in_use(self) -> int:
        """Connections that are lent, or about to be."""
        return len(self._all) - len(self._idle)

    def take(self) -> PooledConnection | None:
        """A connection that is ready, without waiting; ``None`` where there is none."""
        # The last one that came back: it is the warmest, and the fewest threads are at work.
        return self._idle.pop() if self._idle and self._idle[-1].is_fresh else None

    async def acquire(self) -> PooledConnection:
        """A connection, for :meth:`give` to get back.

        Raises:
            DatabaseUnavailable: None came back in time, or none could be opened.
        """
        if self._settings.in_memory:
            await self._hold_memory()
        if self._closed:
            raise DatabaseUnavailable(_STOPPING)
        while self._idle:
            if await self._is_good(pooled := self._idle.pop()):
                return pooled
            self._stop(pooled)
        return await self._wait()

    def give(self, pooled: PooledConnection, *, reusable: bool = True) -> None:
        """Take *pooled* back, and lend it to whoever waits longest.

        Arguments:
            pooled: The connection. Nothing is under way on it.
            reusable: Whether somebody else may have it; another is opened in its place.
        """
        if self._closed or not reusable:
            self._stop(pooled)
        elif waiter := self._next():
            waiter.set_result(pooled)
        else:
            self._idle.append(pooled)

    def close(self) -> None:
        """Close all connections: at once, or when they come back. Wait for :attr:`stopping`."""
        self._closed = True
        while waiter := self._next():
            waiter.set_exception(DatabaseUnavailable(_STOPPING))
        while self._idle:
            self._stop(self._idle.pop())
        if self._anchor is not None:
            self._stop(self._anchor)
            self._anchor = None

    async def _hold_memory(self) -> None:
        """Open a connection that is never lent, before any other.

        A database in memory ends with its last connection, and one that is lent may be closed at
        any time.
        """
        if self._closed:
            return
        if self._anchor is None or self._anchored is None:
            self._anchor = PooledConnection(self._connect)
            self._anchored = self._anchor.open()
        anchor, anchored = self._anchor, self._anchored
        if not anchored.done():
            await asyncio.wait([anchored])
        if error := anchored.exception():
            if self._anchor is anchor:
                self._anchor = self._anchored = None
                self._stop(anchor)
            raise unavailable(error, self._settings.database)

    async def _is_good(self, pooled: PooledConnection) -> bool:
        if pooled.is_fresh:
            return True
        try:
            return await pooled.check()
        except asyncio.CancelledError:
            self.give(pooled)
            raise

    def _open_more(self) -> None:
        """Open connections for those who wait, as far as that is allowed."""
        wanted = len(self._waiting) - self._opening
        for _ in range(min(wanted, self._settings.pool_size - len(self._all))):
            pooled = PooledConnection(self._connect)
            opening = pooled.open()
            self._all.add(pooled)
            self._opening += 1
            opening.add_done_callback(partial(self._opened, pooled))

    def _opened(self, pooled: PooledConnection, future: asyncio.Future[None]) -> None:
        self._opening -= 1
        if (error := future.exception()) is None:
            self.give(pooled)
            return
        if waiter := self._next():
            waiter.set_exception(unavailable(error, self._settings.database))
        self._stop(pooled)

    async def _wait(self) -> PooledConnection:
        future: asyncio.Future[PooledConnection] = self._loop.create_future()
        self._waiting.append(future)
        self._open_more()
        try:
            async with asyncio.timeout(self._settings.pool_timeout):
                pooled = await future
        except BaseException as error:
            with suppress(ValueError):
                self._waiting.remove(future)
            if future.done() and not future.cancelled() and future.exception() is None:
                self.give(future.result())
            if isinstance(error, TimeoutError):
                raise DatabaseUnavailable(_EXHAUSTED, retry_after=1) from error
            raise
        if self._closed:
            self.give(pooled)
            raise DatabaseUnavailable(_STOPPING)
        return pooled

    def _next(self) -> asyncio.Future[PooledConnection] | None:
        """Whoever waits longest, and still does."""
        while self._waiting:
            if not (waiter := self._waiting.popleft()).done():
                return waiter
        return None

    def _stop(self, pooled: PooledConnection) -> None:
        future = pooled.stop()
        self.stopping.add(future)
        future.add_done_callback(partial(self._stopped, pooled))

    def _stopped(self, pooled: PooledConnection, future: asyncio.Future[None]) -> None:
        self.stopping.discard(future)
        self._all.discard(pooled)
        if error := future.exception():
            log.warning("a connection could not be closed: %s", error)
        if not self._closed:
            self._open_more()
