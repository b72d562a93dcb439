"""Synchronous functions and iterables in threads.

A thread passes its result to the event loop through a future. A future can't hold
``StopIteration``, which ``next(iterator)`` without a default raises: in Python 3.11 and older the
future is never done, and the task that awaits it waits for ever. So this package runs functions in
threads only through :func:`call_in_thread`. It raises ``RuntimeError`` instead, as a coroutine does
(:pep:`479`).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
)
from concurrent.futures import Executor
from contextlib import aclosing, suppress
from contextvars import Context, copy_context
from threading import Lock, Thread
from types import GeneratorType
from typing import Any, ParamSpec, TypeVar

__all__ = [
    "ThreadIterator",
    "call_in_new_thread",
    "call_in_thread",
    "error_for_future",
    "callable_for_thread",
    "iterate_in_threads",
    "run_sync",
    "to_thread",
]

P = ParamSpec("P")
T = TypeVar("T")
ToAsync = Callable[[Callable[..., Any]], Callable[..., Awaitable[Any]]]

_END: Any = object()


def error_for_future(error: BaseException) -> BaseException:
    """Return *error*, or a ``RuntimeError`` if it is a ``StopIteration``.

    Use it before ``future.set_exception()`` if the error comes from unknown code.
    """
    if not isinstance(error, StopIteration):
        return error
    converted = RuntimeError("a synchronous function raised StopIteration")
    converted.__cause__ = error
    return converted


def callable_for_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap *function* for code that runs it in a thread, such as plain Quart.

    ``StopIteration`` becomes ``RuntimeError``. If the function returns a generator, the wrapper
    returns an asynchronous generator, and all steps of the generator run in one context.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            result = function(*args, **kwargs)
        except StopIteration as error:
            raise error_for_future(error) from error
        return iterate_in_threads(result, run_sync) if inspect.isgenerator(result) else result

    return wrapper


async def call_in_thread(
    executor: Executor | None, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call *function* in a thread, with the context variables of the caller.

    Arguments:
        executor: The threads; asyncio's if it is ``None``.
        function: A synchronous function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Raises:
        RuntimeError: It raised ``StopIteration``.
    """
    call = functools.partial(_call, copy_context(), function, args, kwargs)
    return await asyncio.get_running_loop().run_in_executor(executor, call)


async def call_in_new_thread(function: Callable[[], T], *, name: str) -> T:
    """Call *function* in a new thread, with the context variables of the caller.

    No other function can take the thread away. The interpreter does not wait for the thread when it
    exits, and a thread goes on when the caller is cancelled.

    Arguments:
        function: A synchronous function.
        name: The name of the thread.

    Raises:
        RuntimeError: It raised ``StopIteration``.
        BaseException: What else it raised, even ``SystemExit``.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = copy_context()

    def run() -> None:
        try:
            deliver = functools.partial(_set_result, future, context.run(function))
        except BaseException as error:
            deliver = functools.partial(_set_error, future, error_for_future(error))
        with suppress(RuntimeError):  # The loop is closed: nobody waits.
            loop.call_soon_threadsafe(deliver)

    Thread(target=run, name=name, daemon=True).start()
    return await future


def _set_result(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _set_error(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _call(context: Context, function: Callable[..., T], args: Any, kwargs: Any) -> T:
    try:
        return context.run(function, *args, **kwargs)
    except StopIteration as error:
        raise error_for_future(error) from error


def to_thread(
    function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> Coroutine[Any, Any, T]:
    """Call *function* in a thread, as :func:`asyncio.to_thread` does.

    Raises:
        RuntimeError: It raised ``StopIteration``.
    """
    return call_in_thread(None, function, *args, **kwargs)


def run_sync(function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return a function that calls *function* in a thread.

    It replaces :func:`quart.utils.run_sync`: ``StopIteration`` becomes ``RuntimeError``, and all
    steps of a generator run in one context.
    """

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = await call_in_thread(None, function, *args, **kwargs)
        return iterate_in_threads(result, run_sync) if inspect.isgenerator(result) else result

    return wrapper


class ThreadIterator(AsyncIterator[T]):
    """Iterates over a synchronous iterable in threads.

    A cancelled task can leave a step that still runs in a thread, and a generator can't be closed
    while it runs. So each call holds a lock, and :meth:`aclose` waits for the step to end.

    All steps run in one context, so that a generator can set context variables, as
    ``decimal.localcontext()`` does, and reset them after a ``yield``.

    Arguments:
        source: The iterable.
        to_async: Returns a function that runs its argument in a thread, as :func:`run_sync` does.
        context: The context of all calls; by default a copy of the context of the first call.
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
        if self._context is None:
            self._context = copy_context()
        return await self._call_in_thread(self._context, function, *arguments)

    async def aclose(self) -> None:
        """Close the iterator and its iterable, if they can be closed."""
        if isinstance(self._source, GeneratorType) and self._source.gi_frame is None:
            return  # It has ended, and a thread is not needed.
        if hasattr(self._source, "close") or hasattr(self._iterator, "close"):
            await self.call(self._close)

    def _call(self, context: Context, function: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            try:
                return context.run(function, self._iterator, *arguments)
            except StopIteration as error:
                raise error_for_future(error) from error

    def _close(self, iterator: Iterator[T]) -> None:
        for closable in {id(each): each for each in (self._source, iterator)}.values():
            if close := getattr(closable, "close", None):
                close()


async def iterate_in_threads(
    source: Iterable[T], to_async: ToAsync, context: Context | None = None
) -> AsyncGenerator[T, None]:
    """Yield the items of *source*, and close it at the end; see :class:`ThreadIterator`."""
    async with aclosing(ThreadIterator(source, to_async, context)) as iterator:
        async for item in iterator:
            yield item
