"""Bodies of responses that are made while they are sent, and what is true when they end."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextvars import copy_context
from functools import partial
from functools import wraps
from typing import Any
from typing import ParamSpec
from typing import TypeVar
from typing import overload

from quart.globals import _cv_app  # pyright: ignore[reportPrivateUsage]
from quart.globals import _cv_request  # pyright: ignore[reportPrivateUsage]
from quart.wrappers.response import IterableBody

from quartpatterns.subclassing.threads import sync_executor

__all__ = ["FaithfulIterableBody", "ThreadIterator", "stream_with_context"]

P = ParamSpec("P")
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


@overload
def stream_with_context(generator_or_function: AsyncIterator[T]) -> AsyncIterator[T]: ...


@overload
def stream_with_context(generator_or_function: Iterator[T]) -> AsyncIterator[T]: ...


@overload
def stream_with_context(
    generator_or_function: Callable[P, AsyncIterator[T] | Iterator[T]],
) -> Callable[P, AsyncIterator[T]]: ...


def stream_with_context(generator_or_function: Any) -> Any:
    """Keep ``request``, ``session`` and ``g`` for a generator that runs after the view (15, 16).

    As in Flask it takes a generator, or decorates a function that makes one; either may be
    synchronous or asynchronous.

    Arguments:
        generator_or_function: The generator, or what makes it.

    Raises:
        RuntimeError: No request is being handled.
    """
    if not isinstance(generator_or_function, Iterable | AsyncIterable):

        @wraps(generator_or_function)
        def decorated(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            stream: AsyncIterator[Any] = stream_with_context(generator_or_function(*args, **kwargs))
            return stream

        return decorated
    context = _cv_request.get(None)
    if context is None:
        raise RuntimeError(
            "'stream_with_context' needs a request: call it inside a view, or decorate a"
            " function that a view calls"
        )
    return _within(_cv_app.get().copy(), context.copy(), generator_or_function)


async def _within(application: Any, context: Any, generator: Any) -> AsyncIterator[Any]:
    # The application's first, or the request's makes a new one with an empty g.
    async with application, context:
        items = generator if isinstance(generator, AsyncIterable) else ThreadIterator(generator)
        try:
            async for item in items:
                yield item
        finally:
            if (close := getattr(items, "aclose", None)) is not None:
                await close()
