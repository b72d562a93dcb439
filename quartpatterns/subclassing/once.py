"""A function that runs before the first request only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, overload

from quartpatterns._shared.calling import is_async

__all__ = ["once"]


@overload
def once(  # type: ignore[overload-overlap]  # What returns an awaitable returns an object, too.
    func: Callable[[], Awaitable[object]],
) -> Callable[[], Awaitable[None]]: ...
@overload
def once(func: Callable[[], object]) -> Callable[[], None]: ...
def once(func: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function that calls *func* the first time only.

    It does what ``@app.before_first_request`` did in Flask until version 2.2, in Flask and in
    Quart:

    .. code-block:: python

        @app.before_request
        @once
        def create_tables():
            db.create_all()

    Other calls at the same time wait for the first one. If *func* raises an error, the next call
    calls it again. What *func* returns is ignored.

    .. versionadded:: 0.1
    """
    done = False

    if is_async(func):
        async_lock = asyncio.Lock()

        @wraps(func)
        async def call_once_async() -> None:
            nonlocal done
            if done:
                return
            async with async_lock:
                if not done:
                    await func()
                    done = True

        return call_once_async

    lock = threading.Lock()

    @wraps(func)
    def call_once() -> None:
        nonlocal done
        if done:
            return
        with lock:
            if not done:
                func()
                done = True

    return call_once
