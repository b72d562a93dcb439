"""A connection pool that gives a returned connection to the task that has waited longest."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import Any, cast

from sqlalchemy import AsyncAdaptedQueuePool
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only
from sqlalchemy.util.queue import AsyncAdaptedQueue, Empty, Full

__all__ = ["FairPool", "FairQueue"]

_Waiter = asyncio.Future[ConnectionPoolEntry | None]


class FairQueue(AsyncAdaptedQueue[ConnectionPoolEntry]):
    """The idle connections of a pool, and the tasks that wait for one, first come, first served.

    While a task waits, there is no idle connection.

    Arguments:
        maxsize: The maximum number of idle connections; 0 means no limit.
        use_lifo: Whether to return the connection that was put last, so that surplus connections
            stay idle and are recycled.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:
        self.maxsize = maxsize
        self.use_lifo = use_lifo
        self._idle: deque[ConnectionPoolEntry] = deque()
        self._waiters: deque[_Waiter] = deque()

    def empty(self) -> bool:
        """Return whether no connection is idle."""
        return not self._idle

    def full(self) -> bool:
        """Return whether the maximum number of connections is idle."""
        return 0 < self.maxsize <= len(self._idle)

    def qsize(self) -> int:
        """Return the number of idle connections."""
        return len(self._idle)

    def has_waiters(self) -> bool:
        """Return whether a task waits for a connection."""
        return any(not waiter.done() for waiter in self._waiters)

    def put_nowait(self, item: ConnectionPoolEntry) -> None:
        """Give *item* to the first waiting task, or keep it idle, or raise ``Full``."""
        if self._give(item):
            return
        if self.full():
            raise Full
        self._idle.append(item)

    def put(
        self, item: ConnectionPoolEntry, block: bool = True, timeout: float | None = None
    ) -> None:
        """Call :meth:`put_nowait`; the pool never waits for room."""
        self.put_nowait(item)

    def get_nowait(self) -> ConnectionPoolEntry:
        """Return an idle connection, or raise ``Empty``."""
        if not self._idle:
            raise Empty
        return self._idle.pop() if self.use_lifo else self._idle.popleft()

    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        """Return an idle connection, or with *block* wait until one is returned to the pool.

        Raises:
            Empty: None is idle and *block* is false, the time is up, or :meth:`notify` was called.
        """
        if self._idle or not block:
            return self.get_nowait()
        loop = asyncio.get_running_loop()
        waiter: _Waiter = loop.create_future()
        self._waiters.append(waiter)
        timer = None if timeout is None else loop.call_later(timeout, _set_result, waiter, None)
        try:
            connection = await_only(waiter)
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.done():
                self._pass_on(waiter.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if connection is None:
            raise Empty
        return connection

    def notify(self) -> None:
        """Wake the first waiting task, because the pool may open another connection."""
        self._give(None)

    def _give(self, item: ConnectionPoolEntry | None) -> bool:
        while self._waiters:
            if not (waiter := self._waiters.popleft()).done():
                waiter.set_result(item)
                return True
        return False

    def _pass_on(self, item: ConnectionPoolEntry | None) -> None:
        """Give *item* to the next task; the task that got it was cancelled at the same time."""
        if not self._give(item) and item is not None:
            # The limit is ignored: closing the connection would take time, and the task has ended.
            self._idle.append(item)


def _set_result(waiter: _Waiter, result: ConnectionPoolEntry | None) -> None:
    if not waiter.done():
        waiter.set_result(result)


class FairPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool for asynchronous engines, with a :class:`FairQueue`.

    SQLAlchemy's queue only wakes a waiting task when a connection is returned, and the pool closes
    the connection if ``pool_size`` others are still in the queue. Under load it opens and closes
    connections all the time. If a connection can't be opened, its waiting tasks wait until their
    timeout. Here a task gets the connection itself, or permission to open one.
    """

    _queue_class = FairQueue

    @property
    def keeps_returned_connection(self) -> bool:
        """Whether a connection that is returned now stays open, and no event handler uses it."""
        queue: Any = self._pool
        # One handler of the checkin event is our own, and does no I/O.
        no_handlers = not self.dispatch.reset and len(self.dispatch.checkin) <= 1
        return no_handlers and (not queue.full() or queue.has_waiters())

    def _do_get(self) -> ConnectionPoolEntry:
        start = monotonic()
        while True:
            try:
                return super()._do_get()
            except PoolTimeoutError:
                # It is raised early if another task has opened the connection that this task was
                # notified of. The timers of uvloop may be early by a millisecond, too.
                if monotonic() - start >= self.timeout() - 0.01:
                    raise

    def _dec_overflow(self) -> Any:
        decremented = super()._dec_overflow()
        cast("FairQueue", self._pool).notify()
        return decremented
