"""Iterating in a given context.

An asynchronous generator has no context of its own: each step runs in the context of the task
that asks for the item. The functions here give it one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextvars import Context
from typing import Any, TypeVar

from quartpatterns._shared.in_context import await_in_context

__all__ = ["iterate_in_context"]

T = TypeVar("T")

_END: Any = object()


async def iterate_in_context(source: AsyncIterable[T], context: Context) -> AsyncGenerator[T, None]:
    """Yield the items of *source*; each step and the closing run in *context*."""
    iterator = aiter(source)

    async def step() -> Any:
        try:
            return await anext(iterator)
        except StopAsyncIteration:
            return _END

    try:
        # A source that never waits would block the event loop.
        while (item := await await_in_context(context, step(), pause=True)) is not _END:
            yield item
    finally:
        if close := getattr(iterator, "aclose", None):
            await await_in_context(context, close())
