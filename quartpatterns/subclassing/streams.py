"""Bodies of responses that are made while they are sent, and what is true when they end."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from quart.wrappers.response import IterableBody

from quartpatterns.subclassing.threads import sync_executor

__all__ = ["FaithfulIterableBody", "ThreadIterator"]

T = TypeVar("T")

END: Any = object()


class ThreadIterator(AsyncIterator[T]):
    """Iterates *items* in the threads that run synchronous views, and closes it there.

    Quart leaves a generator that a client left behind to the garbage collector, so that its
    ``finally`` runs at any time and in any thread. Here a step under way comes to its end first
    (no thread can be stopped), then the generator is closed.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self.source = items
        self.items = iter(items)
        # Asked for now: when the body is sent no application is current any more.
        self.executor = sync_executor()
        self._step: asyncio.Future[Any] | None = None

    async def __anext__(self) -> T:
        self._step = self._in_thread(partial(next, self.items, END))
        item: T = await asyncio.shield(self._step)
        if item is END:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Close the iterator, when the step under way has ended."""
        if self._step is not None:
            await asyncio.wait([self._step])
            self._step.exception()
        for closable in {id(found): found for found in (self.source, self.items)}.values():
            if (close := getattr(closable, "close", None)) is not None:
                await self._in_thread(close)

    def _in_thread(self, func: Callable[[], Any]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self.executor, copy_context().run, func)


class FaithfulIterableBody(IterableBody):
    """A body from anything that can be iterated; what it iterates is closed at the end."""

    def __init__(self, iterable: AsyncIterable[Any] | Iterable[Any]) -> None:
        if isinstance(iterable, Iterable):
            self.iter: AsyncIterator[Any] = ThreadIterator(iterable)
        else:
            self.iter = aiter(iterable)
