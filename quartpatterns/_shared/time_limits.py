"""A time limit that costs nothing for a coroutine that does not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine as generator_coroutine
from typing import Any, TypeVar

__all__ = ["await_within"]

T = TypeVar("T")


async def await_within(seconds: float | None, coroutine: Coroutine[Any, Any, T]) -> T:
    """Await *coroutine*, as in ``async with asyncio.timeout(seconds)``.

    Most coroutines that have a limit end without waiting: the body of the request has arrived, and
    the template awaits nothing. The timer begins when the coroutine waits for the first time. Even
    a cancelled timer stays in the event loop for a while, with the context of its request.

    Arguments:
        seconds: The limit, from this call on; ``None`` for no limit.
        coroutine: What to await, in the current task.

    Raises:
        TimeoutError: It took longer.
    """
    if seconds is None:
        return await coroutine
    due = asyncio.get_running_loop().time() + seconds
    try:
        awaited = coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    async with asyncio.timeout_at(due):
        return await _continue(coroutine, awaited)


@generator_coroutine
def _continue(coroutine: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Await the rest of *coroutine*, which waits for *awaited*; as ``yield from`` does."""
    resume: Callable[[Any], Any] = coroutine.send
    value: Any = None
    try:
        while True:
            try:
                resume, value = coroutine.send, (yield awaited)
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # such as a cancellation
                resume, value = coroutine.throw, error
            try:
                awaited = resume(value)
            except StopIteration as end:
                result: T = end.value
                return result
    finally:
        value = None  # The traceback of an error must not refer to the error.
