"""What belongs to an event loop, and ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["LoopBound"]

T = TypeVar("T")


class LoopBound(Generic[T]):
    """Something that belongs to an event loop, one for each, and ends with it.

    Whoever forgets to close it loses nothing: it is also closed by
    :meth:`asyncio.loop.shutdown_asyncgens`, which :func:`asyncio.run` and every server call
    before they close their loop.

    Arguments:
        make: Makes it, without waiting.
        close: Ends it.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None]]] = (
            WeakKeyDictionary()
        )

    def get(self) -> T:
        """The one of the running event loop."""
        loop = asyncio.get_running_loop()
        if (found := self._made.get(loop)) is not None:
            return found[0]
        made = self._make()
        life = self._live(loop, made)
        # The first step has nothing to wait for, so that it can be taken without an await.
        with suppress(StopIteration):
            life.__anext__().send(None)
        self._made[loop] = made, life
        return made

    async def close(self) -> None:
        """End the one of the running event loop, if it has begun."""
        if (found := self._made.get(asyncio.get_running_loop())) is not None:
            await found[1].aclose()

    async def _live(self, loop: asyncio.AbstractEventLoop, made: T) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._made.pop(loop, None)
            await self._close(made)
