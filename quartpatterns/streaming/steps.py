"""One step of a generator after another, all in one context, none of them on the event loop.

An asynchronous generator has no context of its own: each step runs in that of whoever asks for
it. These helpers give it one, so that what it sees does not depend on which task asks.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
)
from contextlib import asynccontextmanager
from contextvars import Context
from threading import Lock
from typing import Any, TypeVar

__all__ = ["async_steps", "sync_steps", "threaded", "within"]

T = TypeVar("T")
ToAsync = Callable[[Callable[..., Any]], Callable[..., Awaitable[Any]]]

_END: Any = object()


@types.coroutine
def within(context: Context, step: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await *step* with each part of it run in *context*.

    It stays in the task that awaits it, so that cancellation and time limits reach it.
    """
    resume: Callable[[Any], Any] = step.send
    value: Any = None
    try:
        while True:
            try:
                waits_for = context.run(resume, value)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                resume, value = step.send, (yield waits_for)
            except BaseException as error:  # whatever is thrown in, a cancellation above all
                resume, value = step.throw, error
    finally:
        value = None  # an error's traceback must not hold the error


async def async_steps(source: AsyncIterable[T], context: Context) -> AsyncGenerator[T, None]:
    """The items of *source*, each step and its closing within *context*."""
    iterator = aiter(source)

    async def step() -> Any:
        try:
            return await anext(iterator)
        except StopAsyncIteration:
            return _END

    try:
        while (item := await within(context, step())) is not _END:
            yield item
            # A source that never waits would keep the loop from everybody else.
            await asyncio.sleep(0)
    finally:
        if close := getattr(iterator, "aclose", None):
            await within(context, close())


async def sync_steps(
    source: Iterable[T], context: Context, to_async: ToAsync
) -> AsyncGenerator[T, None]:
    """The items of *source*, each step and its closing in a thread, within *context*."""
    async with threaded(source, context, to_async) as call:
        while (item := await call(next, _END)) is not _END:
            yield item


@asynccontextmanager
async def threaded(
    source: Iterable[Any], context: Context, to_async: ToAsync
) -> AsyncGenerator[Callable[..., Awaitable[Any]], None]:
    """Yield a function that calls another with the iterator of *source*, in a thread.

    A thread can't be interrupted, and a generator that runs can't be closed. So the calls hold
    a lock, and the iterator is closed when the call that a cancellation left alone has ended.

    Arguments:
        source: What to iterate over.
        context: The context of all calls.
        to_async: Makes a function awaitable, as :func:`quart.utils.run_sync` does.
    """
    iterator = iter(source)
    lock = Lock()

    def locked(function: Callable[..., Any], *arguments: Any) -> Any:
        with lock:
            return context.run(function, iterator, *arguments)

    call = to_async(locked)
    try:
        yield call
    finally:
        if hasattr(iterator, "close"):
            await call(_close)


def _close(iterator: Any) -> None:
    iterator.close()
