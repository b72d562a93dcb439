"""Where synchronous code runs, and what counts as synchronous: rows 18 and 39."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, wraps
from inspect import CO_COROUTINE
from typing import Any, ParamSpec, TypeVar

from quart import Quart, has_app_context
from quart.globals import current_app
from quart.utils import run_sync_iterable

__all__ = ["AsyncCallables", "SyncThreads", "sync_executor"]

KEY = "sync_threads"

P = ParamSpec("P")
T = TypeVar("T")


def sync_executor() -> Executor | None:
    """The threads of the current application's own, or ``None`` for asyncio's default ones."""
    if not has_app_context():
        return None
    executor: Executor | None = current_app.extensions.get(KEY)
    return executor


class AsyncCallables(Quart):
    """Views may be any callable that gives an awaitable (row 39).

    Quart runs an object with ``async def __call__``, and a plain function around a coroutine
    function, in a thread and answers 500 with what comes back. Here the first is called on the
    event loop, and what the second gives back is awaited there.
    """

    def ensure_async(
        self, func: Callable[P, Awaitable[T]] | Callable[P, T]
    ) -> Callable[P, Awaitable[T]]:
        """*func* as something that can be awaited, decided by the quickest test that tells."""
        code = getattr(func, "__code__", None)
        if code is not None and code.co_flags & CO_COROUTINE:
            return func  # type: ignore[return-value]
        if inspect.iscoroutinefunction(type(func).__call__):
            return func  # type: ignore[return-value]
        return super().ensure_async(func)  # pyright: ignore[reportReturnType]

    def sync_to_async(self, func: Callable[P, T]) -> Callable[P, Awaitable[T]]:
        """*func*, called in a thread; an awaitable that it gives is awaited on the loop."""

        @wraps(func)
        async def in_thread(*args: P.args, **kwargs: P.kwargs) -> Any:
            loop = asyncio.get_running_loop()
            call = partial(copy_context().run, func, *args, **kwargs)
            result: Any = await loop.run_in_executor(self.extensions.get(KEY), call)
            if inspect.isgenerator(result):
                return run_sync_iterable(result)
            return await result if inspect.isawaitable(result) else result

        return in_thread


class SyncThreads(AsyncCallables):
    """``SYNC_THREADS`` threads for synchronous views, hooks and generators (row 18).

    Without the key they share asyncio's default executor with everything else in the process:
    ``min(32, CPUs + 4)`` threads. It is an option because threads cost memory, and a view that
    waits is better written with ``async def``.
    """

    async def startup(self) -> None:
        """Make the threads, if any are asked for, then start as Quart does."""
        if (size := self.config.get("SYNC_THREADS")) is not None:
            self.extensions[KEY] = ThreadPoolExecutor(size, thread_name_prefix=self.name)
        await super().startup()

    async def shutdown(self) -> None:
        """Stop as Quart does, then let the threads end."""
        await super().shutdown()
        if (executor := self.extensions.pop(KEY, None)) is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, executor.shutdown)
