"""Waiting that a cancellation does not cut short."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

__all__ = ["completed"]

T = TypeVar("T")


async def completed(future: asyncio.Future[T]) -> T:
    """The result of *future*, waited for also when the waiting task is cancelled meanwhile.

    A cancellation is raised once the work is done, so that what cleans up is never left half
    done behind the back of its caller.
    """
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from _failure(future)
    return future.result()


def _failure(future: asyncio.Future[Any]) -> BaseException | None:
    return None if future.cancelled() else future.exception()
