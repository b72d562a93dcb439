"""Engines that belong to an event loop, and end with it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress

from quart.ctx import AppContext
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from quartpatterns.sqlalchemy.binds import unbound
from quartpatterns.sqlalchemy.sessions import Session, completed

__all__ = ["LoopEngines"]

_DISCARDED = "_quartpatterns_session_discarded"


class LoopEngines:
    """The engines on the running event loop, and the sessions that contexts have open on them.

    Connections belong to the loop they were made on. Whoever forgets to close this object loses
    nothing: it is also closed by :meth:`asyncio.loop.shutdown_asyncgens`, which
    :func:`asyncio.run` and every server call before they close their loop. So a script, a test or
    a mounted application without lifespan leaves no connection and no thread behind.

    Arguments:
        engines: By bind key.
        replicas: Those of copies that are read in place of their databases, by bind key.
    """

    def __init__(
        self,
        engines: Mapping[str | None, AsyncEngine],
        replicas: Mapping[str | None, AsyncEngine] | None = None,
    ) -> None:
        self.engines = engines
        self.readers: Mapping[str | None, AsyncEngine] = {**engines, **(replicas or {})}
        self.sync_engines = _sync(self.engines)
        self.sync_readers = _sync(self.readers)
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[weakref.ref[AppContext], Session] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._forgetting: weakref.finalize[..., object] | None = None
        self._life = self._live()
        # The first step has nothing to wait for, so that it can be taken without an await.
        with suppress(StopIteration):
            self._life.__anext__().send(None)

    @property
    def engine(self) -> AsyncEngine:
        """That of ``SQLALCHEMY_DATABASE_URI``.

        Raises:
            UnboundExecutionError: That is not set.
        """
        if None not in self.engines:
            raise unbound(None)
        return self.engines[None]

    @property
    def open_sessions(self) -> int:
        """How many contexts have a session."""
        return len(self._sessions)

    def session(self, context: AppContext) -> Session | None:
        """The session that *context* has open, if it has."""
        return self._sessions.get(weakref.ref(context))

    def adopt(self, context: AppContext, session: Session) -> None:
        """Make *session* that of *context*, until it is discarded or the context is forgotten."""
        self._sessions[weakref.ref(context, self._forgotten)] = session

    def late(self, context: AppContext) -> bool:
        """Whether :meth:`discard` was called for *context* before."""
        return hasattr(context, _DISCARDED)

    async def discard(self, context: AppContext) -> None:
        """Discard the session of *context*, if it has one, whatever is cancelled meanwhile."""
        setattr(context, _DISCARDED, True)
        if session := self._sessions.pop(weakref.ref(context), None):
            await session.discarded()

    async def close(self) -> None:
        """Discard all sessions and close all connections; to do so twice does no harm."""
        await completed(self._end)

    def close_with(self, owner: object) -> None:
        """Close this object, too, when *owner* is forgotten while the event loop runs on."""
        self._forgetting = weakref.finalize(owner, self._call_soon, self._close_soon)
        self._forgetting.atexit = False

    async def _end(self) -> None:
        await self._life.aclose()

    async def _live(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            while self._sessions:
                # Meanwhile the garbage collector may take some away, or the last.
                with suppress(KeyError):
                    self._discard_soon(self._sessions.popitem()[1])
            while self._closing:
                await asyncio.wait(self._closing)
            for engine in {*self.engines.values(), *self.readers.values()}:
                await engine.dispose()
            if self._forgetting is not None:
                # It would keep this object for as long as its owner lives.
                self._forgetting.detach()

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


def _sync(engines: Mapping[str | None, AsyncEngine]) -> dict[str | None, Engine]:
    return {key: engine.sync_engine for key, engine in engines.items()}
