"""Synchronous functions and iterables in threads.

A thread passes its result to the event loop through a future. A future can't hold
``StopIteration``, which ``next(iterator)`` without a default raises: in Python 3.11 and older the
future is never done, and the task that awaits it waits for ever. So this package runs functions in
threads only through :func:`call_in_thread`. It raises ``RuntimeError`` instead, as a coroutine does
(:pep:`479`).

Which threads: synchronous views and hooks run in the threads of the application, or in asyncio's
default ones. What would wait behind them has threads of its own, which end with the event loop: the
short work of this package, such as reading a file (:func:`run_sync`), and the steps of generators
(:func:`run_step`).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
)
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing, suppress
from contextvars import Context, copy_context
from functools import partial
from threading import Lock, Thread
from types import GeneratorType
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from quart import Quart, has_app_context
from quart.globals import app_ctx

from quartpatterns._shared.loop_bound import LoopBound

__all__ = [
    "DEFAULT_THREADS",
    "ThreadIterator",
    "call_in_new_thread",
    "call_in_thread",
    "error_for_future",
    "callable_for_thread",
    "iterate_in_threads",
    "run_step",
    "run_sync",
    "step_runner",
    "to_thread",
]

P = ParamSpec("P")
T = TypeVar("T")
ToAsync = Callable[[Callable[..., Any]], Callable[..., Awaitable[Any]]]

DEFAULT_THREADS = 40
"""The number of threads for synchronous code that may wait, as in AnyIO and Starlette."""

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
        return iterate_in_threads(result, step_runner()) if inspect.isgenerator(result) else result

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
    call = partial(_call, copy_context(), function, args, kwargs)
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
            deliver = partial(_set_result, future, context.run(function))
        except BaseException as error:
            deliver = partial(_set_error, future, error_for_future(error))
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
    """Return a function that calls *function* in a thread for short work.

    It is for this package's own work that ends soon, such as reading a file. Code of the user can
    wait for a long time: it runs in the threads of the application, or through :func:`to_thread`.
    All steps of a generator run in one context.
    """

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = await call_in_thread(_work_threads.get(), function, *args, **kwargs)
        return iterate_in_threads(result, step_runner()) if inspect.isgenerator(result) else result

    return wrapper


def run_step(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return a function that calls *function*, a step of a generator, in a thread for steps.

    A slow stream needs a thread for every step. Here they take none from a synchronous view.
    """
    return partial(_run_step, function)


async def _run_step(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    return await call_in_thread(_step_threads.get(), function, *args, **kwargs)


def step_runner() -> ToAsync:
    """Return :func:`run_step`, or what the current application has in its place.

    An application can have threads of its own: ``FaithfulQuart`` has, and one whose class
    overrides ``sync_to_async()``.
    """
    if not has_app_context():
        return run_step
    app: Any = app_ctx.app
    if hasattr(app, "run_step"):
        return app.run_step  # type: ignore[no-any-return]
    if app.__class__.sync_to_async is not vars(Quart)["sync_to_async"]:
        return app.sync_to_async  # type: ignore[no-any-return]
    return run_step


class _LoopThreads:
    """Threads that end with the event loop.

    While the loop ends, what still has to be closed uses the default threads of asyncio: they end
    last.

    Arguments:
        size: The number of threads.
        name: The beginning of their names.
    """

    def __init__(self, size: int, name: str) -> None:
        self._bound = LoopBound(partial(ThreadPoolExecutor, size, name), self._close)
        self._ended: WeakSet[asyncio.AbstractEventLoop] = WeakSet()

    def get(self) -> Executor | None:
        if asyncio.get_running_loop() in self._ended:
            return None
        return self._bound.get()

    async def _close(self, executor: ThreadPoolExecutor) -> None:
        self._ended.add(asyncio.get_running_loop())
        executor.shutdown(wait=False)


_work_threads = _LoopThreads(min(32, (os.cpu_count() or 1) + 4), "quartpatterns-work")
_step_threads = _LoopThreads(DEFAULT_THREADS, "quartpatterns-steps")


class ThreadIterator(AsyncIterator[T]):
    """Iterates over a synchronous iterable in threads.

    A cancelled task can leave a step that still runs in a thread, and a generator can't be closed
    while it runs. So each call holds a lock, and :meth:`aclose` waits for the step to end.

    All steps run in one context, so that a generator can set context variables, as
    ``decimal.localcontext()`` does, and reset them after a ``yield``.

    Arguments:
        source: The iterable.
        to_async: Returns a function that runs its argument in a thread, as :func:`run_step` does.
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
        source: Any = self._source
        if isinstance(source, GeneratorType) and source.gi_frame is None:
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
