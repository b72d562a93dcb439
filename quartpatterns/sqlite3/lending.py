"""A connection for each context, on one event loop; all of it ends with the loop."""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from functools import partial

from quart.ctx import AppContext

from quartpatterns.sqlite3.connection import Connection
from quartpatterns.sqlite3.pool import Pool
from quartpatterns.sqlite3.pooled import PooledConnection
from quartpatterns.sqlite3.settings import Settings
from quartpatterns.sqlite3.waiting import completed

__all__ = ["Lender"]

Key = weakref.ref[AppContext]


class Lender:
    """A pool on the running event loop, and what it has lent to which context.

    Connections belong to the loop they were made on. Whoever forgets to close this object loses
    nothing: it is also closed by :meth:`asyncio.loop.shutdown_asyncgens`, which
    :func:`asyncio.run` and every server call before they close their loop. So a script, a test or
    a mounted application without lifespan leaves no connection and no thread behind.

    Arguments:
        settings: The application's.
        connect: Opens a connection, in its thread.
    """

    def __init__(self, settings: Settings, connect: Callable[[], sqlite3.Connection]) -> None:
        self.pool = Pool(settings, connect)
        self._loop = asyncio.get_running_loop()
        self._patience = settings.busy_timeout
        self._lent: dict[Key, Connection] = {}
        self._locks: dict[Key, asyncio.Lock] = {}
        self._cleaning: set[asyncio.Future[None]] = set()
        self._owner: weakref.finalize[..., object] | None = None
        self._life = self._live()
        # The first step has nothing to wait for, so that it can be taken without an await.
        with suppress(StopIteration):
            self._life.__anext__().send(None)

    def is_closed(self) -> bool:
        """Whether the event loop is."""
        return self._loop.is_closed()

    def lent(self, context: AppContext) -> Connection | None:
        """The connection that *context* has, if it has."""
        found = self._lent.get(weakref.ref(context))
        return None if found is None or found.is_closed else found

    async def lend(self, context: AppContext) -> Connection:
        """The connection of *context*, taken from the pool; a new one where that is empty.

        Raises:
            DatabaseUnavailable: There is none.
        """
        key = weakref.ref(context, self._forgotten)
        if key not in self._locks and (pooled := self.pool.take()) is not None:
            return self._adopt(key, pooled)
        # Two tasks of the context may ask at the same time.
        async with self._locks.setdefault(key, asyncio.Lock()):
            if found := self.lent(context):
                return found
            return self._adopt(key, await self.pool.acquire())

    async def take_back(self, context: AppContext) -> None:
        """Release the connection of *context*, if it has one, whatever is cancelled meanwhile."""
        key = weakref.ref(context)
        if self._locks:
            self._locks.pop(key, None)
        if (connection := self._lent.pop(key, None)) and (cleaning := self._release(connection)):
            with suppress(sqlite3.Error):  # The connection is not lent again.
                await completed(cleaning)

    async def close(self) -> None:
        """Release and close all connections; to do so twice does no harm."""
        self.forget_owner()
        await self._life.aclose()

    def close_with(self, owner: object) -> None:
        """Close this object, too, when *owner* is forgotten while the event loop runs on."""
        self._owner = weakref.finalize(owner, self._call_soon, self._close_soon)
        self._owner.atexit = False

    def forget_owner(self) -> None:
        """Let this object be forgotten itself."""
        if self._owner is not None:
            self._owner.detach()

    async def _live(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self.pool.close()
            for connection in self._lent.values():
                self._release(connection)
            self._lent.clear()
            while under_way := self._cleaning | self.pool.stopping:
                await completed(asyncio.ensure_future(asyncio.wait(under_way)))

    def _adopt(self, key: Key, pooled: PooledConnection) -> Connection:
        connection = Connection(self.pool, pooled, patience=self._patience)
        self._lent[key] = connection
        return connection

    def _release(self, connection: Connection) -> asyncio.Future[None] | None:
        if cleaning := connection.release():
            self._cleaning.add(cleaning)
            cleaning.add_done_callback(self._cleaning.discard)
        return cleaning

    def _forgotten(self, key: Key) -> None:
        """Release the connection of a context that is gone without a teardown.

        Teardown does not run for contexts that Quart's test client preserves, nor when another
        teardown function has failed; a task that outlives its context comes after it.
        """
        self._locks.pop(key, None)
        if connection := self._lent.pop(key, None):
            self._call_soon(partial(self._release, connection))

    def _call_soon(self, function: Callable[[], object]) -> None:
        # For the garbage collector, which runs in any thread.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def _close_soon(self) -> None:
        self._ending = self._loop.create_task(self.close())
