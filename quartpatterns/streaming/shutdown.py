"""Ending feeds well when the server stops."""

# What an iterable of any kind yields is not known.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, TypeVar, overload

from quart import Quart

from quartpatterns._shared.shutdown import Shutdown, current_shutdown, outlive_sibling_workers

__all__ = ["finish_requests", "is_shutting_down", "until_shutdown", "wait_for_shutdown"]

T = TypeVar("T")


@overload
def until_shutdown(items: AsyncIterable[T], /) -> AsyncGenerator[T, None]: ...
@overload
def until_shutdown(items: Iterable[T], /) -> Generator[T, None, None]: ...
def until_shutdown(items: Any, /) -> Any:
    """Yield *items* until they end, or until the server begins to stop.

    A feed never ends by itself. Without this, it holds up the server for ``graceful_timeout``, and
    is then cut. With it, the feed ends at once, and what follows the loop can say farewell:

    .. code-block:: python

        @app.get("/feed")
        async def feed():
            @stream_with_context
            async def events():
                async for message in until_shutdown(subscription()):
                    yield f"data: {message}\\n\\n"
                yield "event: restart\\nretry: 1000\\ndata:\\n\\n"

            return events(), {"Content-Type": "text/event-stream"}

    It also works in websockets: close them after the loop with ``await websocket.close(1001)``.

    An asynchronous iterable that waits is cancelled, and then closed. A synchronous one runs to its
    next item. Both can be used with Hypercorn, Uvicorn and Granian.

    .. versionadded:: 0.1

    Arguments:
        items: An asynchronous or synchronous iterable. A synchronous one must be wrapped in
            asynchronous code, such as the view, and can then run in a thread.

    Raises:
        RuntimeError: No event loop is running.
        TypeError: *items* can't be iterated over.
    """
    if isinstance(items, AsyncIterable):
        return _until(items)
    if not isinstance(items, Iterable):
        raise TypeError(f"until_shutdown takes an iterable, not {type(items).__name__}")
    return _until_sync(items, _current())


def is_shutting_down() -> bool:
    """Return whether the server of the running event loop has begun to stop.

    .. versionadded:: 0.1

    Raises:
        RuntimeError: No event loop is running.
    """
    return _current().started.is_set()


async def wait_for_shutdown() -> None:
    """Wait until the server of the running event loop begins to stop.

    .. versionadded:: 0.1
    """
    await _current().started.wait()


def _current() -> Shutdown:
    try:
        return current_shutdown()
    except RuntimeError as error:
        raise RuntimeError(
            "No event loop is running in this thread: call it in an 'async def' view, and use its"
            " result in the thread"
        ) from error


def finish_requests(app: Quart) -> None:
    """Let all requests of *app* finish if one of several Hypercorn workers ends before the others.

    Hypercorn 0.18 otherwise cuts them as soon as the first worker has ended, long before its
    ``graceful_timeout``. Call it once for a plain ``Quart``. ``FaithfulQuart`` and
    ``quartpatterns serve`` need no call, nor do streams with
    :func:`~quartpatterns.streaming.stream_with_context` or :func:`until_shutdown`.

    .. versionadded:: 0.1

    Arguments:
        app: The application.
    """

    @app.before_serving
    async def outlive() -> None:  # pyright: ignore[reportUnusedFunction]
        outlive_sibling_workers()


async def _until(items: AsyncIterable[T]) -> AsyncGenerator[T, None]:
    shutdown = _current()
    source = aiter(items)
    async with AsyncExitStack() as stack:
        if (close := getattr(source, "aclose", None)) is not None:
            stack.push_async_callback(close)
        while not shutdown.started.is_set():
            # A time limit that ends when the server stops. It cancels what the source waits for,
            # in this task: a task for each item would lose the context, and time.
            limit = asyncio.timeout(None)
            try:
                async with limit:
                    with shutdown.calling(partial(limit.reschedule, 0)):
                        item = await anext(source)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if limit.expired():
                    return
                raise
            yield item


def _until_sync(items: Iterable[T], shutdown: Shutdown) -> Generator[T, None, None]:
    iterator = iter(items)
    try:
        while not shutdown.started.is_set():
            try:
                item = next(iterator)
            except StopIteration:
                return
            yield item
    finally:
        if (close := getattr(iterator, "close", None)) is not None:
            close()
