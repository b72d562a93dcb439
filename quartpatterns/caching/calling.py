"""Call what may be a view, a function or a condition, of any kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from inspect import isawaitable, iscoroutinefunction
from typing import Any, ParamSpec

from quart import current_app, has_app_context
from quart.utils import run_sync

__all__ = ["ask", "call"]

P = ParamSpec("P")


async def call(function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Any:
    """What *function* returns, a synchronous one in a thread.

    Also where it is not seen that it is asynchronous: a decorator written for Flask around a
    coroutine function, or an object with an asynchronous ``__call__``.
    """
    if iscoroutinefunction(function):
        return await function(*args, **kwargs)
    called = current_app.ensure_async(function) if has_app_context() else run_sync(function)
    result: Any = await called(*args, **kwargs)
    return await result if isawaitable(result) else result


async def ask(condition: Callable[..., Any] | None, *args: Any, **kwargs: Any) -> bool:
    """Whether *condition* says yes; it is given the arguments if it takes any.

    It is called as it is, not in a thread: it is asked on every request.
    """
    if condition is None:
        return False
    answer: Any = condition(*args, **kwargs) if _takes_arguments(condition) else condition()
    return bool(await answer if isawaitable(answer) else answer)


@lru_cache(maxsize=1024)
def _takes_arguments(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(one.kind is not one.KEYWORD_ONLY for one in parameters)
