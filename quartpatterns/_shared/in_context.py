"""Awaiting in a given context.

A coroutine has no context of its own: it runs in the context of the task that awaits it. The
function here gives it one.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

__all__ = ["await_in_context"]

T = TypeVar("T")


@types.coroutine
def await_in_context(
    context: Context, coroutine: Coroutine[Any, Any, T], *, pause: bool = False
) -> Generator[Any, Any, T]:
    """Await *coroutine* so that all of its code runs in *context*.

    It stays in the task that awaits it, so that cancellation and time limits reach it. A task
    with a context of its own would be another task.

    Arguments:
        context: The context.
        coroutine: The coroutine.
        pause: Whether to let other tasks run if the coroutine does not wait.
    """
    resume: Callable[[Any], Any] = coroutine.send
    value: Any = None
    try:
        while True:
            try:
                future = context.run(resume, value)
            except StopIteration as end:
                result: T = end.value
                if pause:
                    yield  # what asyncio.sleep(0) does
                return result
            pause = False
            try:
                resume, value = coroutine.send, (yield future)
            except BaseException as error:  # such as a cancellation
                resume, value = coroutine.throw, error
    finally:
        value = None  # The traceback of an error must not refer to the error.
