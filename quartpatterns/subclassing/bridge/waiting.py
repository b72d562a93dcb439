"""Threads that wait for coroutines on the event loop, without a deadlock."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

__all__ = ["NestedThreads", "on_event_loop", "wait_in_thread"]

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_SIZE = min(32, (os.cpu_count() or 1) + 4)
"""The number of threads that asyncio's default executor has."""

_depth: ContextVar[int] = ContextVar("quartpatterns.bridge.depth", default=0)


class NestedThreads(Executor):
    """A pool of threads for each depth of nesting.

    A decorator of a Flask extension runs in a thread, and waits there for an asynchronous view. If
    that view ran its own synchronous functions in the same pool, there would be a deadlock as soon
    as all threads wait for views. So these functions run in the pool of the next depth.

    Arguments:
        size: The number of threads of each pool.
        name: The beginning of the names of the threads.
    """

    def __init__(self, size: int | None, name: str) -> None:
        self.size = size or DEFAULT_SIZE
        self.name = name
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run *fn* in a thread of the current depth."""
        depth = _depth.get()
        if (pool := self._pools.get(depth)) is None:
            name = f"{self.name}-{depth}"
            # Two threads can run this at once. The pool that is dropped has not started threads.
            pool = self._pools.setdefault(depth, ThreadPoolExecutor(self.size, name))
        return pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads of all pools."""
        for pool in self._pools.values():
            pool.shutdown(wait, cancel_futures=cancel_futures)


def on_event_loop() -> bool:
    """Return whether this thread runs an event loop, so that nothing may wait in it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def wait_in_thread(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop | None) -> T:
    """Run *coroutine* to its end and return its result. This thread waits for it.

    Arguments:
        coroutine: It sees the context variables of this thread.
        loop: The event loop to run it on. If it is ``None`` or stopped, as in a script, there is
            a new one for the call.
    """
    if loop is None or not loop.is_running():
        return asyncio.run(coroutine)
    token = _depth.set(_depth.get() + 1)
    try:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    finally:
        _depth.reset(token)
