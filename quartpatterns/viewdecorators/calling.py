"""Call what may be a view, of any kind."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any, ParamSpec

from quart import current_app

__all__ = ["call"]

P = ParamSpec("P")


async def call(view: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Any:
    """What *view* returns, a synchronous one in a thread.

    Also where it is not seen that *view* is asynchronous: a decorator written for Flask around a
    coroutine function, or an object with an asynchronous ``__call__``.
    """
    result: Any = await current_app.ensure_async(view)(*args, **kwargs)
    return await result if isawaitable(result) else result
