"""A pool that hands what comes back to who has waited longest, instead of closing it."""

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

__all__ = ["HandoffPool", "HandoffQueue"]


class HandoffQueue(AsyncAdaptedQueue[ConnectionPoolEntry]):
    """The connections that nobody uses, and the tasks that wait for one, first come, first served.

    Either there is nobody who waits, or there is no connection that nobody uses.

    Arguments:
        maxsize: How many unused connections are kept; 0 is no limit.
        use_lifo: Take the one that came back last, so that those that a quiet time doesn't need
            grow old.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:
        self.maxsize = maxsize
        self.use_lifo = use_lifo
        self._unused: deque[ConnectionPoolEntry] = deque()
        self._waiting: deque[asyncio.Future[ConnectionPoolEntry | None]] = deque()

    def empty(self) -> bool:
        """Whether every connection is in use."""
        return not self._unused

    def full(self) -> bool:
        """Whether no further connection is kept."""
        return 0 < self.maxsize <= len(self._unused)

    def qsize(self) -> int:
        """How many connections are not in use."""
        return len(self._unused)

    @property
    def wanted(self) -> bool:
        """Whether somebody waits."""
        return any(not waiter.done() for waiter in self._waiting)

    def put_nowait(self, item: ConnectionPoolEntry) -> None:
        """Give *item* to who waits, or keep it.

        Raises:
            Full: Nobody waits, and there are enough.
        """
        if self._hand(item):
            return
        if self.full():
            raise Full
        self._unused.append(item)

    def put(
        self, item: ConnectionPoolEntry, block: bool = True, timeout: float | None = None
    ) -> None:
        """The same: pools never wait for room."""
        self.put_nowait(item)

    def get_nowait(self) -> ConnectionPoolEntry:
        """A connection that nobody uses.

        Raises:
            Empty: There is none.
        """
        if not self._unused:
            raise Empty
        return self._unused.pop() if self.use_lifo else self._unused.popleft()

    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        """The same: the pool waits by :meth:`wait`."""
        return self.get_nowait()

    def wait(self, seconds: float) -> ConnectionPoolEntry | None:
        """A connection that comes back; ``None`` where one was lost, and so may be made.

        Raises:
            Empty: None has come in time.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[ConnectionPoolEntry | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(seconds, _expire, waiter)
        try:
            return await_only(waiter)
        except asyncio.CancelledError:
            # It may have been served in the same moment.
            if not waiter.cancelled() and waiter.done() and not waiter.exception():
                self._pass_on(waiter.result())
            raise
        finally:
            timer.cancel()

    def wake(self) -> None:
        """Tell who has waited longest that a connection may be made."""
        self._hand(None)

    def _hand(self, item: ConnectionPoolEntry | None) -> bool:
        while self._waiting:
            if not (waiter := self._waiting.popleft()).done():
                waiter.set_result(item)
                return True
        return False

    def _pass_on(self, item: ConnectionPoolEntry | None) -> None:
        if not self._hand(item) and item is not None:
            # Also where there are enough: to close one takes time, and this task has none left.
            self._unused.append(item)


def _expire(waiter: asyncio.Future[ConnectionPoolEntry | None]) -> None:
    if not waiter.done():
        waiter.set_exception(Empty())


class HandoffPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool for asynchronous engines, for more tasks than connections.

    SQLAlchemy's puts a connection that comes back into a queue, and closes it when there are
    already ``pool_size`` in it, though as many tasks may wait to be woken: under load it makes
    and closes connections all the time. It lets them wait, too, when a connection could not be
    made, until their time is over. Here a connection goes straight to who has waited longest, and
    so does the leave to make a new one.
    """

    _queue_class = HandoffQueue

    @property
    def takes_back(self) -> bool:
        """Whether a connection that comes back now is kept, and nobody wants to talk to it first.

        Who listens to the end of its use may: the one listener that is ours does not.
        """
        queue = cast("HandoffQueue", self._pool)
        quiet = not self.dispatch.reset and len(self.dispatch.checkin) <= 1
        return quiet and (queue.wanted or not queue.full())

    def _do_get(self) -> ConnectionPoolEntry:
        queue = cast("HandoffQueue", self._pool)
        deadline = 0.0
        while queue.empty():
            if self._inc_overflow():
                return self._made()
            deadline = deadline or monotonic() + self._timeout
            try:
                if found := queue.wait(deadline - monotonic()):
                    return found
            except Empty:
                raise self._exhausted() from None
        return queue.get_nowait()

    def _made(self) -> ConnectionPoolEntry:
        try:
            return self._create_connection()
        except BaseException:
            self._dec_overflow()
            raise

    def _dec_overflow(self) -> Any:
        done = super()._dec_overflow()
        cast("HandoffQueue", self._pool).wake()
        return done

    def _exhausted(self) -> PoolTimeoutError:
        return PoolTimeoutError(
            f"QueuePool limit of size {self.size()} overflow {self.overflow()} reached, connection"
            f" timed out, timeout {self._timeout:.2f}",
            code="3o7r",
        )
