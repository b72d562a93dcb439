"""An engine that belongs to an event loop, and ends with it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from collections.abc import Callable
from contextlib import suppress

from quart.ctx import AppContext
from sqlalchemy.ext.asyncio import AsyncEngine

from quartpatterns.sqlalchemy.sessions import Session
from quartpatterns.sqlalchemy.sessions import completed

__all__ = ["LoopEngine"]


class LoopEngine:
    """An engine on the running event loop, and the sessions that contexts have open on it.

    Connections belong to the loop they were made on. Whoever forgets to close this object loses
    nothing: it is also closed by :meth:`asyncio.loop.shutdown_asyncgens`, which
    :func:`asyncio.run` and every server call before they close their loop. So a script, a test or
    a mounted application without lifespan leaves no connection and no thread behind.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[weakref.ref[AppContext], Session] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._life = self._live()
        # The first step has nothing to wait for, so that it can be taken without an await.
        with suppress(StopIteration):
            self._life.__anext__().send(None)

    def session(self, context: AppContext) -> Session | None:
        """The session that *context* has open, if it has."""
        return self._sessions.get(weakref.ref(context))

    def adopt(self, context: AppContext, session: Session) -> None:
        """Make *session* that of *context*, until it is discarded or the context is forgotten."""
        self._sessions[weakref.ref(context, self._forgotten)] = session

    async def discard(self, context: AppContext) -> None:
        """Discard the session of *context*, if it has one, whatever is cancelled meanwhile."""
        if session := self._sessions.pop(weakref.ref(context), None):
            await completed(session.discard)

    async def close(self) -> None:
        """Discard all sessions and close all connections; to do so twice does no harm."""
        await completed(self._end)

    def close_with(self, owner: object) -> None:
        """Close this engine, too, when *owner* is forgotten while the event loop runs on."""
        weakref.finalize(owner, self._call_soon, self._close_soon).atexit = False

    async def _end(self) -> None:
        await self._life.aclose()

    async def _live(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            for session in self._sessions.values():
                self._discard_soon(session)
            self._sessions.clear()
            while self._closing:
                await asyncio.wait(self._closing)
            await self.engine.dispose()

    def _forgotten(self, key: weakref.ref[AppContext]) -> None:
        """Close the session of a context that is gone without a teardown.

        Teardown does not run for contexts that Quart's test client preserves, nor when another
        teardown function has failed; a task that outlives its context comes after it.
        """
        if session := self._sessions.pop(key, None):
            self._call_soon(self._discard_soon, session)

    def _call_soon(self, function: Callable[..., None], *args: Session) -> None:
        # For the garbage collector, which runs in any thread.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *args)

    def _discard_soon(self, session: Session) -> None:
        task = self._loop.create_task(session.discard())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _close_soon(self) -> None:
        self._ending = self._loop.create_task(self.close())
