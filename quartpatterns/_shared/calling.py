"""Calling a function that may be synchronous or asynchronous."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast, overload

from quart import Quart, current_app, has_app_context

from quartpatterns._shared.threads import callable_for_thread, to_thread

__all__ = ["call", "call_inline", "is_async", "mark_async", "maybe_await", "signal_wrapper"]

P = ParamSpec("P")
T = TypeVar("T")


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether calling *function* returns a coroutine for sure.

    It recognizes coroutine functions, objects with ``async def __call__``, what
    :func:`inspect.markcoroutinefunction` has marked, and ``functools.partial`` objects of these.
    A plain function that returns an awaitable is not recognized before it is called.
    """
    unwrapped: Any = function
    while issubclass(type(unwrapped), functools.partial):
        unwrapped = unwrapped.func
    return _is_coroutine_function(unwrapped) or _is_coroutine_function(
        getattr(cast("Any", type(unwrapped)), "__call__", None)  # noqa: B004 - its kind, not whether it exists
    )


@overload
async def call(function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
@overload
async def call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
async def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call *function* and return its result; a synchronous one runs in a thread.

    The thread is one of the current application's, as its ``ensure_async`` chooses, or one of
    asyncio's where there is no application context. Context variables, such as ``request``, are
    available in it. An awaitable that a synchronous function returns is awaited on the event
    loop. As with Quart's ``run_sync``, a generator comes back as an asynchronous iterator, and
    a thread goes on when the caller is cancelled.

    Arguments:
        function: Any callable.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Raises:
        RuntimeError: A synchronous function raised ``StopIteration``.
    """
    if is_async(function):
        return await function(*args, **kwargs)
    called: Any = callable_for_thread(function)
    if has_app_context():
        result = await current_app.ensure_async(called)(*args, **kwargs)
    else:
        result = await to_thread(called, *args, **kwargs)
    return await maybe_await(result)


@overload
async def call_inline(
    function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
) -> T: ...
@overload
async def call_inline(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
async def call_inline(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call *function* on the event loop and return its result, awaited if it is awaitable.

    It is for functions that are known not to block: a thread costs more than a short call.

    Arguments:
        function: Any callable.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """
    return await maybe_await(function(*args, **kwargs))


@overload
async def maybe_await(value: Awaitable[T]) -> T: ...
@overload
async def maybe_await(value: T) -> T: ...
async def maybe_await(value: Any) -> Any:
    """Return *value*, or its result if it is awaitable."""
    return await value if inspect.isawaitable(value) else value


def signal_wrapper(app: Quart) -> Any:
    """Return the ``_sync_wrapper`` that ``send_async`` of a signal needs.

    Receivers run as *app*'s ``ensure_async`` decides. With plain Quart's alone, one that raises
    ``StopIteration`` would never end.
    """

    def wrap(receiver: Callable[..., Any]) -> Any:
        return receiver if is_async(receiver) else app.ensure_async(callable_for_thread(receiver))

    return wrap


def mark_async(instance: Any) -> None:
    """Make ``app.ensure_async`` and its like treat *instance* as a coroutine function."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(instance)
    else:
        # inspect.iscoroutinefunction() accepts an object that has the attributes of a function.
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            setattr(instance, name, getattr(_async_function, name))


async def _async_function() -> None:
    """The function whose attributes mark an object before Python 3.12."""


def _is_coroutine_function(function: Any) -> bool:
    if sys.version_info >= (3, 12):
        return inspect.iscoroutinefunction(function)
    # Before Python 3.12 only asyncio knows about functions that are marked.
    return asyncio.iscoroutinefunction(function)  # pyright: ignore[reportDeprecated]
