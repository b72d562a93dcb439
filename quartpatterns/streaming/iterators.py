"""Iterating in a given context, and iterating over synchronous iterables in threads.

An asynchronous generator has no context of its own: each step runs in the context of the task
that asks for the item. The functions here give it one.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from contextvars import Context
from threading import Lock
from typing import Any, TypeVar

__all__ = ["ThreadIterator", "await_in_context", "iterate_in_context"]

T = TypeVar("T")
ToAsync = Callable[[Callable[..., Any]], Callable[..., Awaitable[Any]]]

_END: Any = object()


@types.coroutine
def await_in_context(context: Context, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await *coroutine* so that all of its code runs in *context*.

    It stays in the task that awaits it, so that cancellation and time limits reach it. A task
    with a context of its own would be another task.
    """
    resume: Callable[[Any], Any] = coroutine.send
    value: Any = None
    try:
        while True:
            try:
                future = context.run(resume, value)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                resume, value = coroutine.send, (yield future)
            except BaseException as error:  # such as a cancellation
                resume, value = coroutine.throw, error
    finally:
        value = None  # The traceback of an error must not refer to the error.


async def iterate_in_context(source: AsyncIterable[T], context: Context) -> AsyncGenerator[T, None]:
    """Yield the items of *source*; each step and the closing run in *context*."""
    iterator = aiter(source)

    async def step() -> Any:
        try:
            return await anext(iterator)
        except StopAsyncIteration:
            return _END

    try:
        while (item := await await_in_context(context, step())) is not _END:
            yield item
            # A source that never waits would block the event loop.
            await asyncio.sleep(0)
    finally:
        if close := getattr(iterator, "aclose", None):
            await await_in_context(context, close())


class ThreadIterator(AsyncIterator[T]):
    """Iterates over a synchronous iterable in threads.

    A thread can't be interrupted, and a generator that runs can't be closed. So the calls hold a
    lock, and a step that a cancellation has abandoned ends before the iterator is closed.

    Arguments:
        source: The iterable.
        to_async: Makes a function awaitable, as :func:`quart.utils.run_sync` does.
        context: The context of all calls; by default the context of each caller.
    """

    def __init__(
        self, source: Iterable[T], to_async: ToAsync, context: Context | None = None
    ) -> None:
        self._source = source
        self._iterator = iter(source)
        self._context = context
        self._lock = Lock()
        self._call_in_thread = to_async(self._call)

    async def __anext__(self) -> T:
        item: T = await self.call(next, _END)
        if item is _END:
            raise StopAsyncIteration
        return item

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call *function* in a thread, with the iterator as its first argument."""
        return await self._call_in_thread(function, *arguments)

    async def aclose(self) -> None:
        """Close the iterator and its iterable, if they can be closed."""
        if hasattr(self._source, "close") or hasattr(self._iterator, "close"):
            await self.call(self._close)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            if self._context is None:
                return function(self._iterator, *arguments)
            return self._context.run(function, self._iterator, *arguments)

    def _close(self, iterator: Iterator[T]) -> None:
        for closable in {id(each): each for each in (self._source, iterator)}.values():
            if close := getattr(closable, "close", None):
                close()
