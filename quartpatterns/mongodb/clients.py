"""A client that belongs to an event loop, and ends with it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from contextvars import Context
from typing import Any

import pymongo
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

__all__ = ["LoopClient"]


FAREWELL = 1.0
"""Seconds to tell the server that sessions have ended; one that is gone is not waited for."""


class LoopClient:
    """A client on the running event loop, and the collections that were asked for.

    PyMongo's asynchronous client works on the loop that it was first used on, and nowhere else.
    Whoever forgets to close this object loses nothing: it is also closed by
    :meth:`asyncio.loop.shutdown_asyncgens`, which :func:`asyncio.run` and every server call
    before they close their loop. So a script, a test or a mounted application without lifespan
    leaves no connection behind.
    """

    def __init__(
        self, client: AsyncMongoClient[dict[str, Any]], database: AsyncDatabase[dict[str, Any]]
    ) -> None:
        self.client = client
        self.database = database
        self._collections: dict[str, AsyncCollection[dict[str, Any]]] = {}
        self._loop = asyncio.get_running_loop()
        self._closed_with: weakref.finalize[[Callable[[], None]], object] | None = None
        self._life = self._live()
        # The first step has nothing to wait for, so that it can be taken without an await.
        with suppress(StopIteration):
            self._life.__anext__().send(None)
        self._open()

    def collection(self, name: str) -> AsyncCollection[dict[str, Any]]:
        """The collection called *name*; made once, as that is not free."""
        if name not in self._collections:
            self._collections[name] = self.database[name]
        return self._collections[name]

    def _open(self) -> None:
        """Start the client's tasks in a context of their own.

        They live as long as the client, and would keep the request alive in whose context they
        were started.
        """
        opening = self.client.aconnect()
        try:
            Context().run(opening.send, None)
        except StopIteration:
            return
        # An address of mongodb+srv is looked up first: the first operation does that.
        opening.close()

    async def close(self) -> None:
        """Close all connections; to do so twice does no harm.

        A cancellation waits until it is done: half closed, the client's tasks would stay.
        """
        closing = asyncio.create_task(self._end())
        cancelled: asyncio.CancelledError | None = None
        while not closing.done():
            try:
                await asyncio.wait([closing])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
        closing.result()

    def close_with(self, owner: object) -> None:
        """Close this client, too, when *owner* is forgotten while the event loop runs on."""
        self._closed_with = weakref.finalize(owner, self._call_soon, self._close_soon)
        self._closed_with.atexit = False

    async def _end(self) -> None:
        await self._life.aclose()
        if self._closed_with is not None:
            self._closed_with.detach()

    async def _live(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            with pymongo.timeout(FAREWELL):
                await self.client.close()

    def _call_soon(self, function: Callable[[], None]) -> None:
        # For the garbage collector, which runs in any thread.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def _close_soon(self) -> None:
        self._closing = self._loop.create_task(self.close())
